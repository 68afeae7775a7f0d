/*
 * walk.c - the caller's frame by the rules in .eh_frame, each rule looked up once.
 * WHY         Debian's code keeps no frame pointers. An unwinder that reads the tables at each step costs microseconds; the rule
 *             for one return address never changes, so it is kept in 32 bytes, and the next time costs a load and a compare.
 * SHAPE       pc -> rows[hash of pc] -> on a miss: _dl_find_object() -> .eh_frame_hdr (binary search) -> FDE, CIE -> run their
 *             instructions up to pc -> row.
 * LIMITS      frames whose address comes from another register than rsp and rbp end the walk: hand-written code. Signal frames
 *             are read as the kernel lays them out.
 * SAFE        takes no lock and allocates nothing; reads only tables and the stack: an address that comes from a register which
 *             may hold anything is compared with the stack's end first.
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <string.h>
#include "user/heap/walk.h"

#define ROWS 8192
#define SAME INT32_MIN

enum { NONE, FROM_SP, FROM_BP, DEREF_SP, DEREF_BP, SIGNAL, END };

struct row {
	uint64_t pc;
	int32_t cfa_off, ra_off, bp_off; /* ra and bp lie at cfa + these; bp_off SAME: unchanged */
	uint8_t kind;
	uint32_t back; /* pc less this is where the function begins */
};

static struct row rows[ROWS];

/* ---- reading the tables ---- */

static uint64_t leb(const uint8_t **p, bool is_signed)
{
	uint64_t v = 0;
	unsigned int shift = 0;
	uint8_t b;

	do {
		b = *(*p)++;
		if (shift < 64)
			v |= (uint64_t)(b & 127) << shift;
		shift += 7;
	} while (b & 128);
	if (is_signed && shift < 64 && (b & 64))
		v |= -1ull << shift;
	return v;
}

static uint64_t uleb(const uint8_t **p)
{
	return leb(p, false);
}

static int64_t sleb(const uint8_t **p)
{
	return (int64_t)leb(p, true);
}

static uint64_t fixed(const uint8_t **p, unsigned int size)
{
	uint64_t v = 0;

	memcpy(&v, *p, size);
	*p += size;
	return v;
}

/* A pointer in one of DW_EH_PE_*'s forms. */
static uint64_t encoded(const uint8_t **p, uint8_t enc, uint64_t data_base)
{
	uint64_t at = (uint64_t)*p, v;

	switch (enc & 15) {
	case 1: v = uleb(p); break;
	case 2: v = fixed(p, 2); break;
	case 3: v = fixed(p, 4); break;
	case 9: v = (uint64_t)sleb(p); break;
	case 10: v = (uint64_t)(int16_t)fixed(p, 2); break;
	case 11: v = (uint64_t)(int32_t)fixed(p, 4); break;
	default: v = fixed(p, 8); break;
	}
	if ((enc & 0x70) == 0x10)
		v += at;
	else if ((enc & 0x70) == 0x30)
		v += data_base;
	return v;
}

/* The entry of .eh_frame that covers pc, by the header's sorted table; NULL: none. */
static const uint8_t *find_fde(const uint8_t *hdr, uint64_t pc)
{
	const uint8_t *p = hdr + 4;
	const int32_t *table;
	uint64_t n, low = 0, high, base = (uint64_t)hdr;

	if (hdr[0] != 1 || hdr[2] == 0xff || hdr[3] != 0x3b) /* a table of signed 4-byte pairs, as linkers make it */
		return NULL;
	encoded(&p, hdr[1], base);
	n = encoded(&p, hdr[2], base);
	table = (const int32_t *)(const void *)p;
	if (!n || pc < base + (uint64_t)(int64_t)table[0])
		return NULL;
	for (high = n; high - low > 1;) {
		uint64_t mid = (low + high) / 2;

		if (base + (uint64_t)(int64_t)table[2 * mid] <= pc)
			low = mid;
		else
			high = mid;
	}
	return (const uint8_t *)(base + (uint64_t)(int64_t)table[2 * low + 1]);
}

struct rule {
	int cfa_reg;
	int64_t cfa_off;
	bool deref;
	int64_t bp_off, ra_off;
	bool bp_saved, ra_saved, ra_undefined;
};

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint8_t enc;
	bool signal, sized;
	const uint8_t *code, *end;
};

static void read_cie(const uint8_t *p, struct cie *c)
{
	uint64_t len = fixed(&p, 4);
	const char *aug;

	memset(c, 0, sizeof(*c));
	c->end = p + len;
	p += 4; /* id */
	p++;	/* version */
	aug = (const char *)p;
	p += strlen(aug) + 1;
	c->code_align = uleb(&p);
	c->data_align = sleb(&p);
	uleb(&p); /* column of the return address: 16 */
	if (*aug == 'z') {
		uint64_t n = uleb(&p);

		c->sized = true;
		c->code = p + n;
		for (aug++; *aug; aug++) {
			if (*aug == 'R')
				c->enc = *p++;
			else if (*aug == 'P') {
				uint8_t e = *p++;

				encoded(&p, e, 0);
			} else if (*aug == 'L')
				p++;
			else if (*aug == 'S')
				c->signal = true;
		}
	} else {
		c->code = p;
	}
}

/* "breg N, off" and "breg N, off, deref" are all that compilers use for a frame's address, bar the PLT. */
static void cfa_expression(struct rule *r, const uint8_t *p, uint64_t len)
{
	const uint8_t *end = p + len;
	uint8_t op = *p++;

	r->cfa_reg = -1;
	if (op < 0x70 || op > 0x8f)
		return;
	r->cfa_off = sleb(&p);
	r->deref = p < end && *p == 0x06;
	if (p + r->deref == end)
		r->cfa_reg = op - 0x70;
}

static void set_register(struct rule *r, const struct rule *first, uint64_t reg, int64_t off, int how)
{
	if (reg == 6) {
		r->bp_saved = how == 1 || (how == 2 && first->bp_saved);
		r->bp_off = how == 2 ? first->bp_off : off;
	} else if (reg == 16) {
		r->ra_saved = how == 1 || (how == 2 && first->ra_saved);
		r->ra_off = how == 2 ? first->ra_off : off;
		r->ra_undefined = how == 3;
	}
}

/* Run call frame instructions until the location passes pc. how: 0 same, 1 at offset, 2 as the CIE said, 3 undefined. */
static void run(const struct cie *c, const uint8_t *p, const uint8_t *end, uint64_t loc, uint64_t pc, struct rule *r,
		const struct rule *first)
{
	struct rule saved[8];
	unsigned int depth = 0;

	while (p < end && loc <= pc) {
		uint8_t op = *p++, low = op & 63;
		uint64_t reg, n;

		if (op >> 6 == 1) {
			loc += low * c->code_align;
			continue;
		}
		if (op >> 6 == 2) {
			set_register(r, first, low, (int64_t)uleb(&p) * c->data_align, 1);
			continue;
		}
		if (op >> 6 == 3) {
			set_register(r, first, low, 0, 2);
			continue;
		}
		switch (op) {
		case 0x00: break;
		case 0x01: loc = encoded(&p, c->enc, 0); break;
		case 0x02: loc += fixed(&p, 1) * c->code_align; break;
		case 0x03: loc += fixed(&p, 2) * c->code_align; break;
		case 0x04: loc += fixed(&p, 4) * c->code_align; break;
		case 0x05: reg = uleb(&p); set_register(r, first, reg, (int64_t)uleb(&p) * c->data_align, 1); break;
		case 0x06: set_register(r, first, uleb(&p), 0, 2); break;
		case 0x07: set_register(r, first, uleb(&p), 0, 3); break;
		case 0x08: set_register(r, first, uleb(&p), 0, 0); break;
		case 0x09: uleb(&p); uleb(&p); break;
		case 0x0a: if (depth < 8) saved[depth++] = *r; break;
		case 0x0b: if (depth) *r = saved[--depth]; break;
		case 0x0c: r->cfa_reg = (int)uleb(&p); r->cfa_off = (int64_t)uleb(&p); r->deref = false; break;
		case 0x0d: r->cfa_reg = (int)uleb(&p); break;
		case 0x0e: r->cfa_off = (int64_t)uleb(&p); break;
		case 0x0f: n = uleb(&p); cfa_expression(r, p, n); p += n; break;
		case 0x10: /* a register by an expression: rbp's is "breg 6, off" when the frame was realigned */
		case 0x16:
			reg = uleb(&p);
			n = uleb(&p);
			if (op == 0x10 && n && *p == 0x76) {
				const uint8_t *q = p + 1;
				int64_t off = sleb(&q);

				if (q == p + n && off == 0 && reg == 6)
					set_register(r, first, 6, SAME, 1); /* at [rbp]: see make_row */
				else
					set_register(r, first, reg, 0, 3);
			} else {
				set_register(r, first, reg, 0, 3);
			}
			p += n;
			break;
		case 0x11: reg = uleb(&p); set_register(r, first, reg, sleb(&p) * c->data_align, 1); break;
		case 0x12: r->cfa_reg = (int)uleb(&p); r->cfa_off = sleb(&p) * c->data_align; r->deref = false; break;
		case 0x13: r->cfa_off = sleb(&p) * c->data_align; break;
		case 0x2e: uleb(&p); break;
		default: r->cfa_reg = -1; return;
		}
	}
}

#define AT_BP (SAME + 1)

static void make_row(struct row *row, uint64_t pc)
{
	struct dl_find_object o;
	struct rule r = {.cfa_reg = -1}, first;
	struct cie c;
	const uint8_t *fde, *p, *end;
	uint64_t begin, range, len;

	row->kind = END;
	row->back = 0;
	if (_dl_find_object((void *)pc, &o) != 0 || !o.dlfo_eh_frame)
		return;
	fde = find_fde(o.dlfo_eh_frame, pc);
	if (!fde)
		return;
	p = fde;
	len = fixed(&p, 4);
	if (!len || len == 0xffffffff)
		return;
	end = p + len;
	read_cie(p - *(const int32_t *)(const void *)p, &c);
	p += 4;
	begin = encoded(&p, c.enc, 0);
	range = encoded(&p, c.enc & 15, 0);
	if (pc < begin || pc >= begin + range)
		return;
	row->back = (uint32_t)(pc - begin);
	if (c.signal) {
		row->kind = SIGNAL;
		return;
	}
	if (c.sized) {
		len = uleb(&p);
		p += len;
	}
	run(&c, c.code, c.end, 0, 0, &r, &r);
	first = r;
	run(&c, p, end, begin, pc, &r, &first);
	if (r.ra_undefined || !r.ra_saved || (r.cfa_reg != 7 && r.cfa_reg != 6))
		return;
	row->kind = r.cfa_reg == 7 ? (r.deref ? DEREF_SP : FROM_SP) : r.deref ? DEREF_BP : FROM_BP;
	row->cfa_off = (int32_t)r.cfa_off;
	row->ra_off = (int32_t)r.ra_off;
	row->bp_off = !r.bp_saved ? SAME : r.bp_off == SAME ? AT_BP : (int32_t)r.bp_off;
}

/* ---- walking ---- */

#define WORD(at) (*(const uint64_t *)(at))

extern void *__libc_stack_end;

/* The main thread's stack ends where the loader found it; glibc keeps another thread's descriptor at the end of its stack. */
uint64_t walk_limit(uint64_t sp)
{
	uint64_t end = (uint64_t)__libc_stack_end, self = (uint64_t)pthread_self();

	if (sp < end && end - sp < 64u << 20)
		return end;
	if (sp < self && self - sp < 64u << 20)
		return self;
	return sp;
}

/* The kernel's frame: the interrupted registers lie in a ucontext at sp. */
static bool signal_frame(struct frame *f, struct step *s)
{
	uint64_t regs = f->sp + 40;

	s->pc_at = regs + 16 * 8;
	s->bp_at = regs + 10 * 8;
	s->deref_at = regs + 15 * 8;
	f->pc = WORD(s->pc_at);
	f->bp = WORD(s->bp_at);
	f->sp = WORD(s->deref_at);
	f->exact = true;
	f->limit = walk_limit(f->sp);
	return f->pc != 0;
}

bool walk_up(struct frame *f, struct step *s)
{
	uint64_t pc = f->pc - !f->exact, cfa, base;
	struct row *row = &rows[(pc ^ pc >> 13) % ROWS];

	if (__builtin_expect(row->pc != pc, 0)) {
		make_row(row, pc);
		row->pc = pc;
	}
	s->bp_at = s->deref_at = 0;
	s->function = pc - row->back;
	s->uses_bp = row->kind == FROM_BP || row->kind == DEREF_BP || row->bp_off == AT_BP;
	if (row->kind == SIGNAL)
		return signal_frame(f, s);
	if (row->kind == END)
		return false;
	base = row->kind == FROM_BP || row->kind == DEREF_BP ? f->bp : f->sp;
	cfa = base + (uint64_t)(int64_t)row->cfa_off;
	if (row->kind == DEREF_SP || row->kind == DEREF_BP) {
		if (cfa & 7 || cfa < f->sp || cfa + 8 > f->limit)
			return false;
		s->deref_at = cfa;
		cfa = WORD(cfa);
	}
	if (cfa <= f->sp || cfa & 7 || (row->kind != FROM_SP && cfa > f->limit))
		return false;
	s->pc_at = cfa + (uint64_t)(int64_t)row->ra_off;
	if (row->bp_off != SAME) {
		s->bp_at = row->bp_off == AT_BP ? f->bp : cfa + (uint64_t)(int64_t)row->bp_off;
		if (row->bp_off == AT_BP && (f->bp & 7 || f->bp < f->sp || f->bp + 8 > f->limit))
			return false;
		f->bp = WORD(s->bp_at);
	}
	f->pc = WORD(s->pc_at);
	f->sp = cfa;
	f->exact = false;
	return f->pc != 0;
}

void walk_forget(void)
{
	memset(rows, 0, sizeof(rows));
}

bool walk_module(uint64_t pc, struct module_place *m)
{
	struct dl_find_object o;

	if (_dl_find_object((void *)pc, &o) != 0)
		return false;
	m->start = (uint64_t)o.dlfo_map_start;
	m->end = (uint64_t)o.dlfo_map_end;
	m->bias = o.dlfo_link_map->l_addr;
	m->name = o.dlfo_link_map->l_name;
	return true;
}
