/*
 * unwind.c - from registers and a piece of stack to the callers, by the rules in .eh_frame.
 * WHY         Debian compiles without frame pointers: where a caller's address lies is told by tables alone.
 * SHAPE       for each pc: the rule (kept per object by symbols.c) -> the frame's address (CFA) -> each register as it was in
 *             the caller. DWARF's stack machine is here because elfutils hands its expressions out and does not run them for
 *             memory it does not have.
 * ENDS        at a pc without code or rule, a value that is not in the piece, a CFA that does not rise, or "undefined".
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"
#include "cli/symbols.h"

/* ---- where code lies ---- */

void code_map_remove(struct code_map *m, uint64_t start, uint64_t end)
{
	size_t n = m->nr;

	for (size_t i = 0; i < n; i++) {
		struct mapping *a = &m->at[i];

		if (a->end <= start || a->start >= end)
			continue;
		if (a->start < start && a->end > end) {
			struct mapping right = *a;

			right.offset += end - right.start;
			right.start = end;
			a->end = start;
			code_map_add(m, right.start, right.end, right.offset, right.object, right.name);
			return;
		}
		if (a->start < start) {
			a->end = start;
		} else if (a->end > end) {
			a->offset += end - a->start;
			a->address += a->address ? end - a->start : 0;
			a->start = end;
		} else {
			m->at[i--] = m->at[--n];
			m->nr = n;
		}
	}
}

void code_map_add(struct code_map *m, uint64_t start, uint64_t end, uint64_t offset, struct object *o, const char *name)
{
	code_map_remove(m, start, end);
	if (m->nr == m->size)
		m->at = must_alloc(realloc(m->at, (m->size = m->size ? 2 * m->size : 8) * sizeof(*m->at)));
	m->at[m->nr++] = (struct mapping){start, end, offset, o ? object_address(o, offset) : 0, o, name};
}

void code_map_copy(struct code_map *to, const struct code_map *from)
{
	to->at = must_alloc(realloc(to->at, (from->nr + 1) * sizeof(*to->at)));
	memcpy(to->at, from->at, from->nr * sizeof(*to->at));
	to->nr = from->nr;
	to->size = from->nr + 1;
}

const struct mapping *code_map_find(const struct code_map *m, uint64_t pc)
{
	for (size_t i = 0; i < m->nr; i++)
		if (pc >= m->at[i].start && pc < m->at[i].end)
			return &m->at[i];
	return NULL;
}

/* ---- one frame ---- */

struct state {
	uint64_t regs[UNWIND_REGS];
	uint32_t known; /* bit per register */
	const char *stack;
	uint64_t stack_at, stack_len;
	uint64_t cfa;
};

static bool read_word(const struct state *s, uint64_t at, uint64_t *v)
{
	if (at < s->stack_at || s->stack_len < 8 || at - s->stack_at > s->stack_len - 8)
		return false;
	memcpy(v, s->stack + (at - s->stack_at), 8);
	return true;
}

#define DEPTH 32

/* false: it needs what we do not have, or is malformed. */
static bool run_one(const struct state *s, const Dwarf_Op *op, uint64_t *st, unsigned int *n)
{
	unsigned int a = op->atom, r;
	uint64_t x, y;

	if (*n + 2 >= DEPTH)
		return false;
	if ((a >= DW_OP_breg0 && a <= DW_OP_breg31) || a == DW_OP_bregx) {
		r = a == DW_OP_bregx ? (unsigned int)op->number : a - DW_OP_breg0;
		if (r >= UNWIND_REGS || !(s->known >> r & 1))
			return false;
		st[(*n)++] = s->regs[r] + (a == DW_OP_bregx ? op->number2 : op->number);
		return true;
	}
	if (a >= DW_OP_lit0 && a <= DW_OP_lit31) {
		st[(*n)++] = a - DW_OP_lit0;
		return true;
	}
	switch (a) {
	case DW_OP_call_frame_cfa:
		st[(*n)++] = s->cfa;
		return true;
	case DW_OP_const1u: case DW_OP_const1s: case DW_OP_const2u: case DW_OP_const2s: case DW_OP_const4u:
	case DW_OP_const4s: case DW_OP_const8u: case DW_OP_const8s: case DW_OP_constu: case DW_OP_consts:
	case DW_OP_addr:
		st[(*n)++] = op->number;
		return true;
	case DW_OP_nop: case DW_OP_stack_value:
		return true;
	}
	if (!*n)
		return false;
	x = st[*n - 1];
	switch (a) {
	case DW_OP_plus_uconst:
		st[*n - 1] = x + op->number;
		return true;
	case DW_OP_deref:
		return read_word(s, x, &st[*n - 1]);
	case DW_OP_dup:
		st[(*n)++] = x;
		return true;
	case DW_OP_drop:
		(*n)--;
		return true;
	case DW_OP_neg:
		st[*n - 1] = -x;
		return true;
	case DW_OP_not:
		st[*n - 1] = ~x;
		return true;
	}
	if (*n < 2)
		return false;
	y = st[*n - 2];
	(*n)--;
	switch (a) {
	case DW_OP_plus: st[*n - 1] = y + x; return true;
	case DW_OP_minus: st[*n - 1] = y - x; return true;
	case DW_OP_mul: st[*n - 1] = y * x; return true;
	case DW_OP_and: st[*n - 1] = y & x; return true;
	case DW_OP_or: st[*n - 1] = y | x; return true;
	case DW_OP_xor: st[*n - 1] = y ^ x; return true;
	case DW_OP_shl: st[*n - 1] = x < 64 ? y << x : 0; return true;
	case DW_OP_shr: st[*n - 1] = x < 64 ? y >> x : 0; return true;
	case DW_OP_ge: st[*n - 1] = (int64_t)y >= (int64_t)x; return true;
	case DW_OP_gt: st[*n - 1] = (int64_t)y > (int64_t)x; return true;
	case DW_OP_le: st[*n - 1] = (int64_t)y <= (int64_t)x; return true;
	case DW_OP_lt: st[*n - 1] = (int64_t)y < (int64_t)x; return true;
	case DW_OP_eq: st[*n - 1] = y == x; return true;
	case DW_OP_ne: st[*n - 1] = y != x; return true;
	}
	return false;
}

static bool run(const struct state *s, const Dwarf_Op *ops, size_t nops, uint64_t *result)
{
	uint64_t st[DEPTH];
	unsigned int n = 0;

	for (size_t i = 0; i < nops; i++)
		if (!run_one(s, &ops[i], st, &n))
			return false;
	*result = n ? st[n - 1] : 0;
	return n > 0;
}

/* Register r as it is in the caller. */
static bool caller_register(const struct state *s, Dwarf_Frame *f, unsigned int r, uint64_t *v)
{
	Dwarf_Op mem[3], *ops;
	size_t n;

	if (dwarf_frame_register(f, (int)r, mem, &ops, &n) != 0)
		return false;
	if (!n) { /* ops says which: the same value, or undefined */
		*v = s->regs[r];
		return !ops && s->known >> r & 1;
	}
	if (ops[n - 1].atom >= DW_OP_reg0 && ops[n - 1].atom <= DW_OP_reg31) {
		unsigned int other = ops[n - 1].atom - DW_OP_reg0;

		*v = other < UNWIND_REGS ? s->regs[other] : 0;
		return other < UNWIND_REGS && s->known >> other & 1;
	}
	if (!run(s, ops, n, v))
		return false;
	return ops[n - 1].atom == DW_OP_stack_value || read_word(s, *v, v);
}

static bool step_by_rule(struct state *s, Dwarf_Frame *f, bool *signal)
{
	static const unsigned char kept[] = {3, 6, 12, 13, 14, 15}; /* the registers a function preserves */
	struct state up = *s;
	Dwarf_Op *ops;
	size_t n;
	int ra = dwarf_frame_info(f, NULL, NULL, signal);

	if (dwarf_frame_cfa(f, &ops, &n) != 0 || !run(s, ops, n, &s->cfa))
		return false;
	if (s->cfa <= s->regs[7] && !*signal)
		return false;
	up.known = 1u << 7 | 1u << 16;
	for (unsigned int r = 0; r < 16; r++) {
		bool wanted = *signal || memchr(kept, (int)r, sizeof(kept));

		if (wanted && r != 7 && caller_register(s, f, r, &up.regs[r]))
			up.known |= 1u << r;
	}
	up.regs[7] = s->cfa;
	if (*signal && caller_register(s, f, 7, &up.regs[7]))
		up.known |= 1u << 7;
	if (ra < 0 || ra >= UNWIND_REGS || !caller_register(s, f, (unsigned int)ra, &up.regs[16]))
		return false;
	*s = up;
	return true;
}

/* Code without a rule: perhaps it keeps a frame pointer. */
static bool step_by_frame_pointer(struct state *s)
{
	uint64_t fp = s->regs[6], up, pc;

	if (!(s->known >> 6 & 1) || fp < s->regs[7] || !read_word(s, fp, &up) || !read_word(s, fp + 8, &pc))
		return false;
	s->regs[6] = up;
	s->regs[7] = fp + 16;
	s->regs[16] = pc;
	s->known = 1u << 6 | 1u << 7 | 1u << 16;
	return true;
}

unsigned int unwind(const struct code_map *m, const uint64_t regs[UNWIND_REGS], const void *stack, size_t stack_len,
		    uint64_t *pcs, unsigned int max)
{
	struct state s = {.known = (1u << UNWIND_REGS) - 1, .stack = stack, .stack_len = stack_len};
	bool exact = true; /* the pc is where it was interrupted, not behind a call */
	unsigned int n = 0;

	memcpy(s.regs, regs, sizeof(s.regs));
	s.stack_at = s.regs[7] & ~7ul;
	while (n < max && s.regs[16]) {
		uint64_t pc = s.regs[16];
		const struct mapping *a = code_map_find(m, pc - !exact);
		uint64_t address;
		Dwarf_Frame *f;
		bool signal = false;

		if (!a && n) /* a return address that is none */
			break;
		pcs[n++] = exact ? pc + 1 : pc;
		if (!a)
			break;
		address = a->address ? a->address + (pc - !exact - a->start) : 0;
		f = address ? object_frame(a->object, address) : NULL;
		if (!(f ? step_by_rule(&s, f, &signal) : step_by_frame_pointer(&s)))
			break;
		exact = signal;
	}
	return n;
}
