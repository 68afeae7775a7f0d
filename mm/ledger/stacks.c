/*
 * stacks.c - who asked for a page: the kernel's frames and a piece of the program's stack, for the host to unwind.
 *
 * WHY         Debian's programs keep no frame pointers; only their .eh_frame tables can say where a return address lies, and
 *             those belong on the host. So the host gets what an unwinder needs, registers and stack bytes, and gives names.
 * CHEAP       sending kilobytes for each page would be slow. Two moments with the same instruction pointers in the kernel, the
 *             same user ip and, at the same distances from the stack pointer, the same words that point into code, are one
 *             call stack: return addresses are among those words. Their hash is looked up, and only a new one is sent. Stale
 *             return addresses in unused stack make a stack look new, never two look the same; the host folds those.
 * TEXTS       where an address space has code: noted as files are mapped with PROT_EXEC, sorted; told to the host too.
 * LIMITS      STACK_MOST bytes of stack are seen: what called the frames beyond them stays unknown. A piece of stack that is
 *             swapped out ends the capture (nothing here may fault).
 * LOCKS       mm->texts changes under mmap_lock for writing and is read without: a reader that sees half of a change sends a
 *             stack once more than needed. The table of known stacks has a lock of its own.
 */
#include <abi/errno.h>
#include <arch/trap.h>
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

struct text_range {
	vaddr_t	start, end;
};

struct ledger_texts {
	u32			changes;	/* an area went: old hashes mean other code */
	u32			nr;
	bool			too_many;	/* some are missing: every word may point into code */
	struct text_range	at[MAX_TEXTS];	/* sorted, disjoint */
};

struct known {
	u64	hash;
	u32	id;
};

struct capture {			/* one a CPU: between its start and its end nothing sleeps */
	u64	kernel[KERNEL_DEPTH];
	unsigned nr_kernel;
	u64	regs[LS_REGS];
	u32	len;
	u64	stack[STACK_MOST / 8];
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
	for (unsigned i = 0; i < t->nr; i++)
		if (word - t->at[i].start < t->at[i].end - t->at[i].start)
			return true;
	return false;
}

/* ---- the stacks ------------------------------------------------------------------------------------------------- */

static noinline unsigned kernel_frames(u64 *out)
{
	vaddr_t fp = (vaddr_t)__builtin_frame_address(0), low = (vaddr_t)current->kstack, high = low + KSTACK_SIZE;
	unsigned n = 0;

	while (n < KERNEL_DEPTH && fp >= low && fp + 16 <= high && !(fp & 7)) {
		vaddr_t pc = ((vaddr_t *)fp)[1], up = ((vaddr_t *)fp)[0];

		if (!pc || (s64)pc >= 0)
			break;
		out[n++] = pc;
		if (up <= fp)
			break;
		fp = up;
	}
	return n;
}

static always_inline u64 mix(u64 h, u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15UL;
	return h ^ h >> 29;
}

/* The program's registers and stack into c. False: there is no program behind this allocation. */
static bool capture_user(struct capture *c)
{
	struct mm *mm = current->mm;
	size_t want = STACK_MOST, left;
	vaddr_t sp;

	if (!mm || !current->frame || current->flags & TF_KTHREAD || !trap_from_user(current->frame))
		return false;
	trap_dwarf_regs(current->frame, c->regs);
	sp = c->regs[LS_REG_SP] & ~7UL;
	if (sp < mm->start_stack && mm->start_stack - sp < want)
		want = mm->start_stack - sp;	/* above it are only arguments and environment */
	left = copy_from_user_nofault(c->stack, (const void __user *)sp, want);
	if (left && want > PAGE_SIZE - sp % PAGE_SIZE) {	/* what lies in the first page is there */
		want = PAGE_SIZE - sp % PAGE_SIZE;
		left = copy_from_user_nofault(c->stack, (const void __user *)sp, want);
	}
	c->len = (u32)(left ? 0 : want) & ~7u;
	return true;
}

static u64 hash_user(const struct capture *c, const struct mm *mm, u64 h)
{
	const struct ledger_texts *t = mm->texts;
	u64 low, span;

	h = mix(h, (u64)mm->stream_id << 32 | (t ? t->changes : 0));
	h = mix(h, c->regs[LS_REG_IP]);
	if (!t || !t->nr)
		return h;
	low = t->at[0].start;
	span = t->at[t->nr - 1].end - low;
	for (unsigned i = 0; i < c->len / 8; i++)
		if (unlikely(c->stack[i] - low < span) && (t->too_many || points_into_code(t, c->stack[i])))
			h = mix(h, c->stack[i] + i);
	return h;
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

u32 stream_capture(void)
{
	struct capture *c = &captures[cpu_id()];
	u64 hash = 0x51;
	bool fresh, user;
	u32 id;

	c->nr_kernel = kernel_frames(c->kernel);
	for (unsigned i = 0; i < c->nr_kernel; i++)
		hash = mix(hash, c->kernel[i]);
	user = capture_user(c);
	if (user)
		hash = hash_user(c, current->mm, hash);
	else
		hash = mix(hash, (u64)current->tid);
	id = known_id(hash, &fresh);
	if (fresh)
		send(c, id, user);
	return id;
}

/* Address spaces that were there before the stream: their code is told now. */
static void tell_old_maps(void)
{
	for (struct mm *mm = mm_iterate(NULL); mm; mm = mm_iterate(mm)) {
		rwsem_write_lock(&mm->mmap_lock);
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
