/*
 * stacks.c - who asked for a page: the kernel's frames and a piece of the program's stack, for the host to unwind.
 *
 * WHY         Debian's programs keep no frame pointers; only their .eh_frame tables can say where a return address lies, and
 *             those belong on the host. So the host gets what an unwinder needs, registers and stack bytes, and gives names.
 * CHEAP       sending kilobytes for each page would be slow. Two moments with the same instruction pointers in the kernel, the
 *             same user ip and, at the same distances from the stack pointer, the same words that point behind a call, are one
 *             call stack: return addresses are among those words. Their hash is looked up, and only a new one is sent, up to
 *             its last such word. Stale return addresses in unused stack make a stack look new, never two look the same; the
 *             host folds those. Before that, a CPU looks whether it stands where it stood before: the words that counted then
 *             are read again, one by one, and with them those that may be saved frame pointers: a frame's size is given by the
 *             return address into it or by its frame pointer, so with those unchanged the whole way out is the same.
 * WORDS       nearly all words of a stack fail by bits 16 to 27: no code there, and no stack. For the others a table remembers what
 *             they were found to be. A word in code with no call before it is no return address, unless a signal's frame is on the
 *             stack: where that interrupted the program nothing was called.
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
#define GRANULES	4096		/* by address: is there any code, or the stack? Most words fail here */
#define GRANULE(a)	((u16)((a) >> GRANULE_SHIFT) & (GRANULES - 1))
#define MOST_WORDS	120		/* that a place remembers: a multiple of USER_WORDS_AT_ONCE */
#define MOST_POINTERS	32		/* beyond so many, words that point into the stack do not count */
#define PLACE_BITS	6		/* of sets of places that a CPU remembers, */
#define WAYS		4		/* each of so many; the first is looked at first */
#define VERDICTS	1024		/* words that it remembers; a power of two */

struct text_range {
	vaddr_t	start, end;
	bool	steady;			/* a file's and not writable: what stands there stays */
};

struct ledger_texts {
	u64			key;		/* hash of whose, and how many areas have gone: the same words mean other code then */
	u32			nr;
	bool			too_many;	/* some are missing: every word may point into code */
	struct text_range	at[MAX_TEXTS];	/* sorted, disjoint */
	u8			granule[GRANULES];	/* never cleared */
};

struct known {
	u64	hash;
	u32	id;
};

/*
 * Where the program stood when a stack was met: what must be the same to be there again. All of it is in `sum`, which begins with whose
 * code, how the kernel came to allocate, ip and sp (place_key()); then come bp, when it counts, and the words.
 */
struct place {
	u64	sum;
	u64	bp_counts;		/* all bits, or none: it points to no frame */
	u64	*end;			/* of at[] */
	u32	id;
	u32	nr;			/* of words, rounded up by repeating the last */
	u64	spare[4];		/* 1 KiB in all */
	u64	at[MOST_WORDS];
};

enum verdict { NO_CODE, NO_RETURN, BEHIND_CALL, SIGNAL_RETURN };
#define VERDICT_SHIFT	60

struct capture {			/* one a CPU: between its start and its end nothing sleeps */
	u64	kernel[KERNEL_DEPTH];
	unsigned nr_kernel;
	u64	regs[LS_REGS];
	u32	len, counts;		/* of stack: seen, and up to the last word that counts */
	u64	stop_and_stack[1 + STACK_MOST / 8];
	bool	signal_seen, all_code;	/* all_code: words in code count, called or not */
	u8	is_return[STACK_MOST / 8 + 8];	/* of the word before */
	u64	verdicts_of;		/* key */
	u64	verdicts[VERDICTS];	/* word, and above it what it was found to be */
	struct place places[1 << PLACE_BITS][WAYS];
	unsigned turn;
	struct place fresh;		/* what hash_user() found, in case it is worth a place */
};

static struct capture *captures;	/* by CPU */
static DEFINE_PER_CPU(struct capture *, capture);
static struct known *table;
static unsigned nr_known;
static u32 next_id, next_mm;
static spinlock_t table_lock = SPINLOCK_INIT("ledger stacks", LOCK_TRACE);

static always_inline u64 mix(u64 h, u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15UL;
	return h ^ h >> 29;
}

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

static void texts_insert(struct ledger_texts *t, vaddr_t start, vaddr_t end, bool steady)
{
	unsigned i = t->nr;

	if (i == MAX_TEXTS) {
		t->too_many = true;
		return;
	}
	for (; i > 0 && t->at[i - 1].start > start; i--)
		t->at[i] = t->at[i - 1];
	t->at[i] = (struct text_range){ start, end, steady };
	t->nr++;
	for (vaddr_t a = ALIGN_DOWN(start, 1UL << GRANULE_SHIFT); a < end; a += 1UL << GRANULE_SHIFT)
		t->granule[GRANULE(a)] = 1;
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
	t->key = mix(t->key, 1);
}

static void texts_name(struct mm *mm)
{
	mm->texts->key = mix((u64)mm_name(mm) << 32, 1);
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
	if (!v->mm->texts) {
		v->mm->texts = kzalloc(sizeof(*v->mm->texts), GFP_KERNEL | GFP_NOACCOUNT);
		if (v->mm->texts)
			texts_name(v->mm);
	}
	if (v->mm->texts)
		texts_insert(v->mm->texts, v->start, v->end, v->file && !(v->flags & VM_WRITE));
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
	if (to->texts)
		texts_name(to);
	stream_record(LS_FORK, (struct iovec_part[]){ { &r, sizeof(r) } }, 1);
}

static const struct text_range *text_at(const struct ledger_texts *t, u64 word)
{
	unsigned low = 0, high = t->nr;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (word >= t->at[mid].end)
			low = mid + 1;
		else if (word < t->at[mid].start)
			high = mid;
		else
			return &t->at[mid];
	}
	return NULL;
}

/* ---- the stacks ------------------------------------------------------------------------------------------------- */

static noinline unsigned kernel_frames(u64 *out)
{
	return stack_frames((vaddr_t)__builtin_frame_address(0), current->kstack, out, KERNEL_DEPTH);
}

static u64 *stack_of(struct capture *c)
{
	return c->stop_and_stack + 1;
}

static void capture_stack(struct capture *c, const struct mm *mm)
{
	vaddr_t sp = c->regs[LS_REG_SP] & ~7UL;
	size_t want = STACK_MOST, left;

	if (sp < mm->start_stack && mm->start_stack - sp < want)
		want = mm->start_stack - sp;	/* above it are only arguments and environment */
	left = copy_from_user_nofault(stack_of(c), (const void __user *)sp, want);
	if (left && want > PAGE_SIZE - sp % PAGE_SIZE) {	/* what lies in the first page is there */
		want = PAGE_SIZE - sp % PAGE_SIZE;
		left = copy_from_user_nofault(stack_of(c), (const void __user *)sp, want);
	}
	c->len = (u32)(left ? 0 : want) & ~7u;
}

/* ---- what a word is --------------------------------------------------------------------------------------------- */

/* call rel32, or call through a register or memory: FF /2 with any way to name it. `before` are the eight bytes before the word. */
static bool ends_with_call(const u8 *before)
{
	if (before[3] == 0xe8)
		return true;
	for (unsigned len = 2; len <= 7; len++) {
		u8 modrm = before[8 - len + 1], mod = modrm >> 6, rm = modrm & 7;
		unsigned want = 2 + (mod != 3 && rm == 4) + (mod == 1 ? 1 : mod == 2 || (mod == 0 && rm == 5) ? 4 : 0);

		if (mod == 0 && rm == 4 && len > 2 && (before[8 - len + 2] & 7) == 5)
			want += 4;
		if (before[8 - len] == 0xff && (modrm >> 3 & 7) == 2 && want == len)
			return true;
	}
	return false;
}

/* What cannot be read, or may be written, counts as behind a call. */
static noinline enum verdict judge(const struct ledger_texts *t, u64 word)
{
	static const u8 sigreturn[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };	/* mov $15, %rax; syscall: so unwinders know it too */
	const struct text_range *r = text_at(t, word);
	u8 code[8 + sizeof(sigreturn)];

	if (!r)
		return t->too_many ? BEHIND_CALL : NO_CODE;
	if (!r->steady || copy_from_user_nofault(code, (const void __user *)(vaddr_t)(word - 8), sizeof(code)))
		return BEHIND_CALL;
	if (!memcmp(code + 8, sigreturn, sizeof(sigreturn)))
		return SIGNAL_RETURN;
	return ends_with_call(code) ? BEHIND_CALL : NO_RETURN;
}

static noinline enum verdict judge_and_keep(const struct ledger_texts *t, u64 word, u64 *v)
{
	enum verdict is;

	if (word >> VERDICT_SHIFT)
		return t->too_many ? BEHIND_CALL : NO_CODE;
	is = judge(t, word);
	*v = word | (u64)is << VERDICT_SHIFT;
	return is;
}

static always_inline enum verdict verdict(struct capture *c, const struct ledger_texts *t, u64 word)
{
	u64 *v = &c->verdicts[(word ^ word >> 10) & (VERDICTS - 1)];

	if (likely(*v << (64 - VERDICT_SHIFT) == word << (64 - VERDICT_SHIFT)) && !(word >> VERDICT_SHIFT))
		return (enum verdict)(*v >> VERDICT_SHIFT);
	return judge_and_keep(t, word, v);
}

/* May this be a frame pointer: is there a return address beside what it points to? (As CFA - 16, or as the CFA itself, kept by code that aligns its stack.) */
static always_inline bool points_to_frame(const u8 *is_return, u64 offset, unsigned len)
{
	return offset < len && (is_return[offset / 8 + 2] | is_return[offset / 8]);
}

static always_inline void place_word(struct capture *c, u64 at)
{
	struct place *p = &c->fresh;

	if (likely(p->nr < MOST_WORDS))
		p->at[p->nr] = at;
	p->nr++;
}

/*
 * h with the words that may be return addresses, which are listed in c->fresh, possible frame pointers too. From the outermost in, so that
 * what a pointer points to is known. `stop` is a word with c->sp's granule: it ends the search, four instructions a word.
 */
static u64 find_words(struct capture *c, const struct ledger_texts *t, u64 sp, u64 h)
{
	const u8 *granule = t->granule;
	const unsigned len = c->len;
	unsigned i = len / 8, first = 0, nr_pointers = 0;
	enum verdict v;
	u64 word;

	memset(c->is_return, 0, ALIGN_UP(i + 2, 8));
	c->fresh.nr = 0;
	c->signal_seen = false;
	for (;;) {
		do {
			word = c->stop_and_stack[i];
		} while (!granule[GRANULE(word)] && i--);
		if (!i)
			break;
		i--;
		if (word - sp < len) {
			if (points_to_frame(c->is_return, word - sp, len) && nr_pointers++ < MOST_POINTERS)
				place_word(c, sp + i * 8);
			continue;
		}
		v = verdict(c, t, word);
		if (v == NO_CODE)
			continue;
		c->signal_seen |= v == SIGNAL_RETURN;
		if (v == NO_RETURN && !c->all_code)
			continue;
		if (!first)
			first = i + 1;
		c->is_return[i + 1] = 1;
		h = mix(h, word + i);
		place_word(c, sp + i * 8);
	}
	c->fresh.bp_counts = points_to_frame(c->is_return, c->regs[LS_REG_BP] - sp, len) ? ~0UL : 0;
	c->counts = first * 8;
	return h;
}

/* c->len ends behind the last word that counts. */
static u64 hash_stack(struct capture *c, struct ledger_texts *t, u64 h)
{
	u64 sp = c->regs[LS_REG_SP] & ~7UL, found;

	t->granule[GRANULE(sp)] = t->granule[GRANULE(sp + STACK_MOST)] = 1;	/* the stack's own; several threads may write the same 1 */
	if (c->verdicts_of != t->key)
		memset(c->verdicts, 0, sizeof(c->verdicts));
	c->verdicts_of = t->key;
	c->stop_and_stack[0] = sp;
	c->all_code = t->too_many;
	found = find_words(c, t, sp, h);
	if (unlikely(c->signal_seen) && !c->all_code) {
		c->all_code = true;	/* there may be an interrupted place */
		found = find_words(c, t, sp, h);
	}
	c->len = min(c->len, c->counts + 64);
	return found;
}

static u64 hash_user(struct capture *c, const struct mm *mm, u64 h)
{
	struct ledger_texts *t = mm->texts;

	capture_stack(c, mm);
	h = mix(h, c->regs[LS_REG_IP]);
	return t && t->nr ? hash_stack(c, t, h) : h;
}

/* ---- ids -------------------------------------------------------------------------------------------------------- */

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
			{ c->regs, user ? sizeof(c->regs) : 0 }, { c->stop_and_stack + 1, user ? c->len : 0 } }, 4);
}

static u64 hash_kernel(struct capture *c)
{
	u64 hash = 0x51;

	c->nr_kernel = kernel_frames(c->kernel);
	for (unsigned i = 0; i < c->nr_kernel; i++)
		hash = mix(hash, c->kernel[i]);
	return hash;
}

static u64 key_of(struct mm *mm)
{
	return mm->texts ? mm->texts->key : mix((u64)mm_name(mm) << 32, 1);
}

static always_inline u64 place_key(u64 key, u64 kernel, u64 ip, u64 sp)
{
	return (((key + kernel) * USER_WORDS_FACTOR + ip) * USER_WORDS_FACTOR + (sp & ~7UL)) * USER_WORDS_FACTOR;
}

static always_inline struct place *place_of(struct capture *c, u64 place_key)
{
	return c->places[place_key >> (64 - PLACE_BITS)];
}

static void place_copy(struct place *to, const struct place *from)
{
	memcpy(to, from, offsetof(struct place, at) + from->nr * sizeof(from->at[0]));
	to->end = to->at + from->nr;
}

/* The one that is first now goes behind. */
static void place_set(struct place *p, struct capture *c, u64 key)
{
	unsigned n = c->fresh.nr;

	if (!n || n > MOST_WORDS)
		return;
	if (p->nr)
		place_copy(p + 1 + c->turn++ % (WAYS - 1), p);
	memcpy(p->at, c->fresh.at, n * sizeof(p->at[0]));
	for (; n % USER_WORDS_AT_ONCE; n++)
		p->at[n] = p->at[n - 1];
	p->sum = key + (c->regs[LS_REG_BP] & c->fresh.bp_counts);
	for (unsigned i = 0; i < n; i++)
		p->sum = p->sum * USER_WORDS_FACTOR + c->stop_and_stack[1 + (p->at[i] - (c->regs[LS_REG_SP] & ~7UL)) / 8];
	p->end = p->at + n;
	p->nr = n;
	p->id = c->fresh.id;
	p->bp_counts = c->fresh.bp_counts;
}

/* Its words may be read, and are not what they sum up to. */
static void place_empty(struct place *p)
{
	static const u64 word = 1;

	p->end = p->at + USER_WORDS_AT_ONCE;
	for (u64 *at = p->at; at < p->end; at++)
		*at = (uintptr_t)&word;
}

/* Is everything as it was? A word that is not there is not. */
static always_inline bool is_at(const struct place *p, u64 key, u64 bp, struct task *t)
{
	u64 sum = key + (bp & p->bp_counts);
	int err;

	t->fault_disabled++;
	err = raw_user_words_sum(p->at, p->end, &sum);
	t->fault_disabled--;
	return !err && sum == p->sum;
}

/* Not at the first of the set. */
static noinline u32 capture_elsewhere(struct capture *c, u64 key, u64 kernel)
{
	struct trapframe *f = current->frame;
	u64 regs[LS_REGS];
	struct place *first;

	trap_dwarf_regs(f, regs);
	key = place_key(key, kernel, regs[LS_REG_IP], regs[LS_REG_SP]);
	first = place_of(c, key);
	for (struct place *p = first + 1; p < first + WAYS; p++) {
		u32 id = p->id;

		if (!is_at(p, key, regs[LS_REG_BP], current))
			continue;
		if (c->turn++ % 8 == 0) {	/* it is met often, perhaps */
			place_copy(&c->fresh, first);
			place_copy(first, p);
			place_copy(p, &c->fresh);
		}
		return id;
	}
	return 0;
}

static noinline u32 capture_new_place(struct capture *c, u64 key, u64 kernel, bool is_fault)
{
	u32 id = capture_elsewhere(c, key, kernel);
	struct mm *mm = current->mm;
	bool fresh;

	if (id)
		return id;
	trap_dwarf_regs(current->frame, c->regs);
	c->fresh.nr = 0;
	c->fresh.bp_counts = ~0UL;
	c->fresh.id = known_id(hash_user(c, mm, mix(key, is_fault ? hash_kernel(c) : kernel)), &fresh);
	if (fresh)
		send(c, c->fresh.id, true);
	key = place_key(key, kernel, c->regs[LS_REG_IP], c->regs[LS_REG_SP]);
	place_set(place_of(c, key), c, key);
	return c->fresh.id;
}

/* System calls have many ways through the kernel: its frames are walked each time. */
static noinline u32 capture_syscall(struct capture *c)
{
	u64 whose = key_of(current->mm), kernel = hash_kernel(c), regs[LS_REGS], key;
	struct place *p;

	trap_dwarf_regs(current->frame, regs);
	key = place_key(whose, kernel, regs[LS_REG_IP], regs[LS_REG_SP]);
	p = place_of(c, key);
	return is_at(p, key, regs[LS_REG_BP], current) ? p->id : capture_new_place(c, whose, kernel, false);
}

static noinline u32 capture_kernel(struct capture *c)
{
	bool fresh;
	u32 id = known_id(mix(hash_kernel(c), (u64)current->tid), &fresh);

	if (fresh)
		send(c, id, false);
	return id;
}

/*
 * The id of the stack of whoever allocates now: sent when it is new. A place is known by whose code it is and by how the kernel came
 * to allocate: for a fault the line that asked says that, since all faults take one way. In line is the short way, for a fault at a place met before.
 */
static always_inline u32 capture_stack_id(unsigned site)
{
	struct capture *c = this_cpu_read(capture);
	struct task *t = current;
	const struct ledger_texts *texts;
	u64 regs[LS_REGS], key;
	struct place *p;

	if (!t->mm || !t->frame || t->flags & TF_KTHREAD || !trap_from_user(t->frame))
		return capture_kernel(c);	/* there is no program behind this allocation */
	if ((long)t->frame->orig_ax >= 0)
		return capture_syscall(c);
	texts = t->mm->texts;
	if (unlikely(!texts))
		return capture_new_place(c, key_of(t->mm), site, true);
	trap_dwarf_regs(t->frame, regs);
	key = place_key(texts->key, site, regs[LS_REG_IP], regs[LS_REG_SP]);
	p = place_of(c, key);
	return likely(is_at(p, key, regs[LS_REG_BP], t)) ? p->id : capture_new_place(c, texts->key, site, true);
}

static always_inline struct page *tell_alloc(struct page *p, unsigned order)
{
	u32 stack = capture_stack_id(p->site);

	spin_lock(&stream_lock);
	stream_event(p, LS_ALLOC, order, p->account, stack);
	spin_unlock(&stream_lock);
	return p;
}

struct page *ledger_stream_alloc_one(struct page *p)
{
	return tell_alloc(p, 0);
}

void ledger_stream_alloc(struct page *p, unsigned order)
{
	tell_alloc(p, order);
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
	for_each_cpu(cpu) {
		for (unsigned i = 0; i < 1 << PLACE_BITS; i++)
			for (unsigned k = 0; k < WAYS; k++)
				place_empty(&captures[cpu].places[i][k]);
		*per_cpu_ptr(capture, cpu) = &captures[cpu];
	}
	nr_known = 0;
	return 0;
}

/* The stream has begun. The buffers stay for good: when it ends another CPU may be in the middle of a capture. */
void stream_stacks_started(void)
{
	tell_old_maps();
}

#else
struct page *ledger_stream_alloc_one(struct page *p) { return p; }
void ledger_stream_alloc(struct page *p, unsigned order) { }
void ledger_stream_map(struct vma *v) { }
void ledger_stream_unmap(struct mm *mm, vaddr_t start, vaddr_t end) { }
void ledger_stream_fork(struct mm *from, struct mm *to) { }
#endif
