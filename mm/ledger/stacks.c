/*
 * stacks.c - who asked for a page: the kernel's frames and a piece of the program's stack, for the host to unwind.
 *
 * WHY         Debian's programs keep no frame pointers; only their .eh_frame tables can say where a return address lies, and
 *             those belong on the host. So the host gets what an unwinder needs, registers and stack bytes, and gives names.
 * CHEAP       sending kilobytes for each page would be slow. Two moments with the same instruction pointers in the kernel, the
 *             same user ip and, at the same distances from the stack pointer, the same words that point into code, are one
 *             call stack: return addresses are among those words. Their hash is looked up, and only a new one is sent, up to
 *             its last such word. Stale return addresses in unused stack make a stack look new, never two look the same; the
 *             host folds those. Before that, a CPU looks whether it stands where it stood before: the words that counted then
 *             are read again, one by one, and with them those that point into the stack (saved frame pointers).
 * TEXTS       where an address space has code: noted as files are mapped with PROT_EXEC, sorted; told to the host too.
 * LIMITS      STACK_MOST bytes of stack are seen: what called the frames beyond them stays unknown. A piece of stack that is
 *             swapped out ends the capture (nothing here may fault).
 * LOCKS       mm->texts changes under mmap_lock for writing and is read without: a reader that sees half of a change sends a
 *             stack once more than needed. The table of known stacks has a lock of its own.
 */
#include <abi/errno.h>
#include <arch/trap.h>
#include <kernel/backtrace.h>
#include <kernel/cpu.h>
#include <kernel/task.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include <mm/uaccess.h>
#include <mm/vmalloc.h>
#include "charge.h"
#include "stream.h"

#ifndef NO_LEDGER

#define STACK_MOST	8192
#define KERNEL_DEPTH	24
#define TABLE_SIZE	32768		/* known stacks; a power of two */
#define MAX_TEXTS	64
#define GRANULE_SHIFT	16
#define GRANULES	16384		/* by address: is there any code? Most words fail here */
#define GRANULE(a)	((a) >> GRANULE_SHIFT & (GRANULES - 1))
#define MOST_WORDS	96		/* that a place remembers */
#define MOST_POINTERS	32		/* beyond so many, words that point into the stack do not count */
#define PLACES		256		/* a CPU remembers; a power of two */

struct text_range {
	vaddr_t	start, end;
};

struct ledger_texts {
	u32			changes;	/* an area went: old hashes mean other code */
	u32			nr;
	bool			too_many;	/* some are missing: every word may point into code */
	struct text_range	at[MAX_TEXTS];	/* sorted, disjoint */
	u8			granule[GRANULES / 8];	/* a bit each; never cleared */
};

struct known {
	u64	hash;
	u32	id;
};

/* Where the program stood when a stack was met: what must be the same to be there again. */
struct place {
	u64	key, ip, sp, bp;
	u32	id, nr;
	struct {
		u32	at;		/* word of the stack, from sp */
		u32	pad;
		u64	value;
	} words[MOST_WORDS];
};

struct capture {			/* one a CPU: between its start and its end nothing sleeps */
	u64	kernel[KERNEL_DEPTH];
	unsigned nr_kernel;
	u64	regs[LS_REGS];
	u32	len;			/* of stack that counts */
	u64	stack[STACK_MOST / 8];
	struct place places[PLACES];
	struct place fresh;		/* what hash_user() found, in case it is worth a place */
};

static struct capture *captures;	/* by CPU */
static struct known *table;
static unsigned nr_known;
static u32 next_id, next_mm;
static spinlock_t table_lock = SPINLOCK_INIT("ledger stacks", LOCK_TRACE);

/* ---- where code is ---------------------------------------------------------------------------------------------- */

static u32 mm_name(struct mm *mm)
{
	if (unlikely(!mm->stream_id)) {
		spin_lock(&table_lock);
		if (!mm->stream_id)
			mm->stream_id = ++next_mm;
		spin_unlock(&table_lock);
	}
	return mm->stream_id;
}

static void texts_insert(struct ledger_texts *t, vaddr_t start, vaddr_t end)
{
	unsigned i = t->nr;

	if (i == MAX_TEXTS) {
		t->too_many = true;
		return;
	}
	for (; i > 0 && t->at[i - 1].start > start; i--)
		t->at[i] = t->at[i - 1];
	t->at[i] = (struct text_range){ start, end };
	t->nr++;
	for (vaddr_t a = ALIGN_DOWN(start, 1UL << GRANULE_SHIFT); a < end; a += 1UL << GRANULE_SHIFT)
		t->granule[GRANULE(a) / 8] |= 1 << GRANULE(a) % 8;
}

static void texts_remove(struct ledger_texts *t, vaddr_t start, vaddr_t end)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < t->nr; i++) {
		struct text_range r = t->at[i];

		if (r.start < end && start < r.end) {
			if (r.start >= start && r.end <= end)
				continue;
			if (r.start < start && r.end > end)
				end = r.end;		/* a hole: the rest counts as gone */
			if (r.start < start)
				r.end = start;
			else
				r.start = end;
		}
		t->at[kept++] = r;
	}
	t->nr = kept;
	t->changes++;
}

/* mmap_lock held for writing. */
void ledger_stream_map(struct vma *v)
{
	struct ls_map r = { .mm = mm_name(v->mm), .start = v->start, .end = v->end, .offset = (u64)v->pgoff << PAGE_SHIFT };
	char name[512];
	struct text path;

	if (!(v->flags & VM_EXEC))
		return;
	text_init_fixed(&path, name, sizeof(name));
	if (v->file)
		file_path_text(v->file, &path);
	else
		text_puts(&path, v->name ? v->name : "[anon]");
	r.name_len = path.len;
	if (!v->mm->texts)
		v->mm->texts = kzalloc(sizeof(*v->mm->texts), GFP_KERNEL | GFP_NOACCOUNT);
	if (v->mm->texts)
		texts_insert(v->mm->texts, v->start, v->end);
	stream_record(LS_MAP, (struct iovec_part[]){ { &r, sizeof(r) }, { name, path.len } }, 2);
}

void ledger_stream_unmap(struct mm *mm, vaddr_t start, vaddr_t end)
{
	struct ls_map r = { .mm = mm_name(mm), .start = start, .end = end };

	texts_remove(mm->texts, start, end);
	if (ledger_streaming & STREAM_PAGES)
		stream_record(LS_UNMAP, (struct iovec_part[]){ { &r, sizeof(r) } }, 1);
}

void ledger_stream_fork(struct mm *from, struct mm *to)
{
	struct ls_fork r = { .mm = mm_name(to), .parent = mm_name(from) };

	to->texts = kmalloc(sizeof(*to->texts), GFP_KERNEL | GFP_NOACCOUNT);
	if (to->texts && from->texts)
		*to->texts = *from->texts;
	else if (to->texts)
		memset(to->texts, 0, sizeof(*to->texts));
	stream_record(LS_FORK, (struct iovec_part[]){ { &r, sizeof(r) } }, 1);
}

static noinline bool points_into_code(const struct ledger_texts *t, u64 word)
{
	unsigned low = 0, high = t->nr;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (word >= t->at[mid].end)
			low = mid + 1;
		else if (word < t->at[mid].start)
			high = mid;
		else
			return true;
	}
	return t->too_many;
}

/* ---- the stacks ------------------------------------------------------------------------------------------------- */

static noinline unsigned kernel_frames(u64 *out)
{
	return stack_frames((vaddr_t)__builtin_frame_address(0), current->kstack, out, KERNEL_DEPTH);
}

static always_inline u64 mix(u64 h, u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15UL;
	return h ^ h >> 29;
}

/* The program's registers. False: there is no program behind this allocation. */
static bool capture_regs(struct capture *c)
{
	if (!current->mm || !current->frame || current->flags & TF_KTHREAD || !trap_from_user(current->frame))
		return false;
	trap_dwarf_regs(current->frame, c->regs);
	return true;
}

static void capture_stack(struct capture *c, const struct mm *mm)
{
	vaddr_t sp = c->regs[LS_REG_SP] & ~7UL;
	size_t want = STACK_MOST, left;

	if (sp < mm->start_stack && mm->start_stack - sp < want)
		want = mm->start_stack - sp;	/* above it are only arguments and environment */
	left = copy_from_user_nofault(c->stack, (const void __user *)sp, want);
	if (left && want > PAGE_SIZE - sp % PAGE_SIZE) {	/* what lies in the first page is there */
		want = PAGE_SIZE - sp % PAGE_SIZE;
		left = copy_from_user_nofault(c->stack, (const void __user *)sp, want);
	}
	c->len = (u32)(left ? 0 : want) & ~7u;
}

static void place_word(struct place *p, unsigned at, u64 value)
{
	if (p->nr < MOST_WORDS) {
		p->words[p->nr].at = at;
		p->words[p->nr].value = value;
	}
	p->nr++;
}

/* h with the words that point into code, which c->fresh lists; c->len ends behind the last. */
static u64 hash_stack(struct capture *c, const struct ledger_texts *t, u64 h)
{
	u64 low = t->at[0].start, span = t->at[t->nr - 1].end - low, sp = c->regs[LS_REG_SP];
	unsigned last = 0;

	for (unsigned i = 0; i < c->len / 8; i++) {
		u64 w = c->stack[i];

		if (unlikely(w - low < span) && t->granule[GRANULE(w) / 8] >> GRANULE(w) % 8 & 1 && points_into_code(t, w)) {
			h = mix(h, w + i);
			place_word(&c->fresh, i, w);
			last = i + 1;
		} else if (unlikely(w - sp < STACK_MOST) && c->fresh.nr < MOST_POINTERS) {
			place_word(&c->fresh, i, w);
		}
	}
	c->len = min(c->len, last * 8 + 64);
	return h;
}

static u64 hash_user(struct capture *c, const struct mm *mm, u64 h)
{
	const struct ledger_texts *t = mm->texts;

	capture_stack(c, mm);
	h = mix(h, c->regs[LS_REG_IP]);
	return t && t->nr ? hash_stack(c, t, h) : h;
}

/* Is everything as it was? A word that is not there is not. */
static bool still_there(const struct place *p)
{
	bool same = true;

	current->fault_disabled++;
	for (unsigned i = 0; same && i < p->nr; i++) {
		u64 w;

		same = !get_user(w, (const u64 __user *)(vaddr_t)(p->sp + p->words[i].at * 8)) && w == p->words[i].value;
	}
	current->fault_disabled--;
	return same;
}

static struct place *place_of(struct capture *c, u64 key)
{
	u64 h = mix(key, c->regs[LS_REG_IP] ^ c->regs[LS_REG_SP]);

	return &c->places[h & (PLACES - 1)];
}

/* The id of a known stack, or a new id: then *fresh. */
static u32 known_id(u64 hash, bool *fresh)
{
	unsigned at = hash & (TABLE_SIZE - 1);
	u32 id;

	hash |= 1;			/* 0 is a free entry */
	spin_lock(&table_lock);
	while (table[at].hash && table[at].hash != hash)
		at = (at + 1) & (TABLE_SIZE - 1);
	*fresh = !table[at].hash;
	if (*fresh) {
		if (++nr_known > TABLE_SIZE / 4 * 3) {	/* start again: some stacks are sent twice */
			memset(table, 0, TABLE_SIZE * sizeof(*table));
			nr_known = 1;
			at = hash & (TABLE_SIZE - 1);
		}
		table[at] = (struct known){ .hash = hash, .id = ++next_id };
	}
	id = table[at].id;
	spin_unlock(&table_lock);
	return id;
}

static void send(const struct capture *c, u32 id, bool user)
{
	struct ls_stack r = { .id = id, .pid = current->tid, .nr_kernel = c->nr_kernel, .user = user };

	memcpy(r.comm, current->comm, sizeof(r.comm));
	if (user) {
		r.mm = mm_name(current->mm);
		r.stack_len = c->len;
	}
	stream_record(LS_STACK, (struct iovec_part[]){ { &r, sizeof(r) }, { c->kernel, c->nr_kernel * sizeof(u64) },
			{ c->regs, user ? sizeof(c->regs) : 0 }, { c->stack, user ? c->len : 0 } }, 4);
}

static u64 hash_kernel(struct capture *c)
{
	u64 hash = 0x51;

	c->nr_kernel = kernel_frames(c->kernel);
	for (unsigned i = 0; i < c->nr_kernel; i++)
		hash = mix(hash, c->kernel[i]);
	return hash;
}

static void place_set(struct place *p, const struct capture *c, u64 key)
{
	if (c->fresh.nr > MOST_WORDS)
		return;
	memcpy(p->words, c->fresh.words, c->fresh.nr * sizeof(p->words[0]));
	p->nr = c->fresh.nr;
	p->id = c->fresh.id;
	p->key = key;
	p->ip = c->regs[LS_REG_IP];
	p->sp = c->regs[LS_REG_SP] & ~7UL;
	p->bp = c->regs[LS_REG_BP];
}

/*
 * A place is known by whose code it is and by how the kernel came to allocate: for a fault the line that asked says that, since all
 * faults take one way; system calls have many, so their frames are walked each time.
 */
static u32 capture_program(struct capture *c, struct mm *mm, unsigned site)
{
	u64 whose = (u64)mm_name(mm) << 32 | (mm->texts ? mm->texts->changes : 0);
	bool is_fault = (long)current->frame->orig_ax < 0, fresh;
	u64 kernel = is_fault ? site : hash_kernel(c), key = mix(whose, kernel);
	struct place *p = place_of(c, key);

	if (p->key == key && p->ip == c->regs[LS_REG_IP] && p->sp == (c->regs[LS_REG_SP] & ~7UL) &&
	    p->bp == c->regs[LS_REG_BP] && still_there(p))
		return p->id;
	if (is_fault)
		kernel = hash_kernel(c);
	c->fresh.nr = 0;
	c->fresh.id = known_id(hash_user(c, mm, mix(whose, kernel)), &fresh);
	if (fresh)
		send(c, c->fresh.id, true);
	place_set(p, c, key);
	return c->fresh.id;
}

u32 stream_capture(unsigned site)
{
	struct capture *c = &captures[cpu_id()];
	bool fresh;
	u32 id;

	if (capture_regs(c))
		return capture_program(c, current->mm, site);
	id = known_id(mix(hash_kernel(c), (u64)current->tid), &fresh);
	if (fresh)
		send(c, id, false);
	return id;
}

/* Address spaces that were there before the stream: their code is told now. */
static void tell_old_maps(void)
{
	for (struct mm *mm = mm_iterate(NULL); mm; mm = mm_iterate(mm)) {
		mm_write_lock(mm);
		kfree(mm->texts);
		mm->texts = NULL;
		for (struct vma *v = vma_first(mm); v; v = vma_next(v))
			ledger_stream_map(v);
		rwsem_write_unlock(&mm->mmap_lock);
	}
}

int stream_stacks_start(void)
{
	if (!captures)
		captures = kvmalloc(nr_cpus * sizeof(*captures), GFP_KERNEL | GFP_NOACCOUNT);
	if (!table)
		table = kvmalloc(TABLE_SIZE * sizeof(*table), GFP_KERNEL | GFP_NOACCOUNT);
	if (!captures || !table)
		return -ENOMEM;
	memset(table, 0, TABLE_SIZE * sizeof(*table));
	memset(captures, 0, nr_cpus * sizeof(*captures));
	nr_known = 0;
	return 0;
}

/* The stream has begun. The buffers stay for good: when it ends another CPU may be in the middle of a capture. */
void stream_stacks_started(void)
{
	tell_old_maps();
}

#else
void ledger_stream_map(struct vma *v) { }
void ledger_stream_unmap(struct mm *mm, vaddr_t start, vaddr_t end) { }
void ledger_stream_fork(struct mm *from, struct mm *to) { }
#endif
