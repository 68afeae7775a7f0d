/*
 * kmemleak.c - kernel objects that nothing points to: leaks that no counter can know.
 *
 * METHOD      The ledger knows every live object: slab objects by their slab's side table, large kmallocs by their pages, vmalloc areas
 *             by their tree. With the machine stopped, everything the kernel can reach is read word by word, and each
 *             word that is an address inside a live object (anywhere in it: list heads and tree nodes are embedded) marks it
 *             and has it read too. What stays unmarked is leaked, or is held in a form that is no address.
 * ROOTS       the image's data, per-CPU areas, boot memory, modules' data, device rings, and the words of struct page that lead
 *             from frames in use to what they belong to. Page tables and slabs do not count: a leaked mm has page
 *             tables that name it. The stack of a task is read when the task is reached, from its saved stack pointer up.
 * ACCURACY    No other code is half-way through anything (stop_machine), so a pointer held only in a register of
 *             somebody else does not exist. A stale word may hide a leak; an object that is in use is never named.
 * AGE         With `kmemleak=on` (debug kernels: always) every object notes when it was made. Otherwise its age is at least the
 *             time since a scan first found it unreferenced.
 * MEMORY      for a scan: 4 bytes per frame, a bit per object, 8 bytes per object for those still to be read. All of it is itself
 *             allocated, so these buffers are known and not read.
 * LINUX       the same file, report and commands; Linux records each allocation in a tree of its own and reads memory while it changes.
 */
#include <abi/errno.h>
#include <kernel/lock.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/stop.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/kmemleak.h>
#include <mm/page_alloc.h>
#include <mm/vmalloc.h>
#include "ledger/charge.h"
#include "ledger/owners.h"
#include "ledger/walk.h"
#include "slab/internal.h"

#ifndef NO_LEDGER

#define MAX_FOUND	1024
#define HEX_BYTES	32
#define SPARE(n)	((n) + (n) / 8 + 256)	/* the machine goes on between counting and stopping */

struct found {
	vaddr_t	addr;
	u32	tag;			/* owner | site << 16: the same object only while this is the same too */
	bool	cleared;
	size_t	size;
	ktime_t	since;			/* of the scan that found it first */
};

struct vm_range {
	vaddr_t	start, end;
};

struct scan {
	u32		*slot;		/* by frame: 1 + the first mark of the slab or block that begins here */
	unsigned long	*marks;
	vaddr_t		*todo;		/* marked, not read yet */
	struct vm_range	*areas;		/* by address; their marks come first */
	struct found	*fresh;
	size_t		nr_marks, max_marks, nr_todo, nr_areas, max_areas, nr_fresh;
	bool		too_small;
};

static struct mutex kmemleak_lock = MUTEX_INIT(kmemleak_lock, "kmemleak", LOCK_REPORT);
static struct scan scan;
static struct found *known;
static size_t nr_known;
static bool off, stacks = true;

/* ---- objects -------------------------------------------------------------------------------------------------- */

/* A live object that contains an address. */
struct object {
	vaddr_t	start;
	size_t	size;
	size_t	mark;
	u32	tag;
	u32	born;			/* ms since boot + 1; 0: not noted */
	struct slab_cache *cache;
};

static u32 page_tag(const struct page *p)
{
	return p->owner | (u32)p->site << 16;
}

static bool object_in_slab(vaddr_t addr, struct page *head, u32 first, struct object *o)
{
	struct slab_cache *c = head->slab_cache;
	vaddr_t base = (vaddr_t)page_address(head);
	u32 nth = (u32)((u64)(addr - base) * c->reciprocal >> 32);

	o->start = base + (vaddr_t)nth * c->slot_size;
	if (nth >= c->objects || addr - o->start >= c->object_size)
		return false;
	o->tag = *slab_tag(c, (void *)o->start);
	o->size = c->object_size;
	o->mark = first - 1 + nth;
	o->cache = c;
	o->born = c->born_at ? *slab_born(c, (void *)o->start) : 0;
	return o->tag != 0;
}

static bool object_in_frames(const struct scan *s, vaddr_t addr, struct object *o)
{
	pfn_t pfn = (addr - page_offset_base) >> PAGE_SHIFT;
	struct page *head;
	u32 first;

	if (pfn >= page_max_pfn() || !pfn_valid(pfn) || pfn_to_page(pfn)->account != ACCT_SLAB)
		return false;
	head = page_head(pfn_to_page(pfn));
	first = s->slot[page_to_pfn(head)];
	if (!first)
		return false;
	if (head->flags & BIT(PG_SLAB))
		return object_in_slab(addr, head, first, o);
	*o = (struct object){ (vaddr_t)page_address(head), PAGE_SIZE << (head->flags & BIT(PG_HEAD) ? head->compound_order : 0),
			      first - 1, page_tag(head), (u32)head->index, NULL };
	return true;
}

static bool object_in_areas(const struct scan *s, vaddr_t addr, struct object *o)
{
	size_t lo = 0, hi = s->nr_areas;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (addr >= s->areas[mid].end)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == s->nr_areas || addr < s->areas[lo].start)
		return false;
	*o = (struct object){ .start = s->areas[lo].start, .size = s->areas[lo].end - s->areas[lo].start, .mark = lo };
	o->tag = page_tag(vmalloc_to_page((void *)o->start));
	return true;
}

static bool object_at(const struct scan *s, vaddr_t addr, struct object *o)
{
	if (is_vmalloc_addr((void *)addr))
		return object_in_areas(s, addr, o);
	return addr >= page_offset_base && object_in_frames(s, addr, o);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

static void note_word(struct scan *s, vaddr_t word)
{
	struct object o;

	if (word < page_offset_base || !object_at(s, word, &o) || o.mark >= s->max_marks || bitmap_test(s->marks, o.mark))
		return;
	bitmap_set(s->marks, o.mark);
	s->todo[s->nr_todo++] = o.start;		/* once per mark: there is room */
}

/* Kernel memory that may change type under us is none: the machine stands still. */
static void read_words(struct scan *s, vaddr_t start, vaddr_t end)
{
	for (const vaddr_t *w = (const vaddr_t *)ALIGN_UP(start, sizeof(vaddr_t)); (vaddr_t)(w + 1) <= end; w++)
		note_word(s, *w);
}

static bool is_ours(const struct scan *s, vaddr_t start)
{
	const void *p = (const void *)start;

	return p == s->slot || p == s->marks || p == s->todo || p == s->areas || p == s->fresh || p == known;
}

static void read_stack(struct scan *s, const struct task *t)
{
	vaddr_t low = (vaddr_t)t->kstack, high = low + KSTACK_SIZE, sp = arch_thread_sp(&t->arch);

	if (!low || !stacks)
		return;
	if (t == current)
		sp = (vaddr_t)__builtin_frame_address(0);
	else if (t->on_cpu)
		sp = 0;				/* a stopper: has not said where it is */
	read_words(s, sp >= low && sp < high ? sp : low, high);
}

static void read_objects(struct scan *s)
{
	struct object o;
	size_t links;

	while (s->nr_todo) {
		vaddr_t start = s->todo[--s->nr_todo];

		if (is_ours(s, start) || !object_at(s, start, &o))
			continue;
		links = o.cache ? vmalloc_area_links(o.cache) : 0;
		read_words(s, o.start, o.start + (links ? links : o.size));
		if (o.cache && o.cache == task_cache)
			read_stack(s, (const struct task *)o.start);
	}
}

/* What a frame in use says about whom it belongs to. */
static void read_page_words(struct scan *s, const struct page *p)
{
	if (p->account == ACCT_SLAB || (p->flags & BIT(PG_SLAB)))
		return;
	if (p->account == ACCT_PAGE_TABLE) {
		note_word(s, p->index);			/* a debug kernel's lock */
		return;
	}
	read_words(s, (vaddr_t)p, (vaddr_t)(p + 1));
}

static bool is_root(enum account a)
{
	return a == ACCT_IMAGE || a == ACCT_BOOT || a == ACCT_PERCPU || a == ACCT_MODULE || a == ACCT_DEVICE;
}

static noinline void read_roots(struct scan *s)
{
	__builtin_unwind_init();			/* registers of our callers: on the stack */
	note_word(s, (vaddr_t)current);
	read_stack(s, current);
	for (pfn_t pfn = 0; pfn < page_max_pfn(); pfn++) {
		struct page *p = pfn_to_page(pfn);

		if (!(pfn & ((1UL << MAX_ORDER) - 1)) && !page_array_backed(pfn)) {
			pfn |= (1UL << MAX_ORDER) - 1;
			continue;
		}
		if (p->account == ACCT_FREE || p->account >= NR_ACCOUNTS)
			continue;
		if (!(p->flags & BIT(PG_RESERVED)))
			read_page_words(s, p);
		if (is_root(p->account))
			read_words(s, (vaddr_t)page_address(p), (vaddr_t)page_address(p) + PAGE_SIZE);
		read_objects(s);
	}
}

/* ---- numbering -------------------------------------------------------------------------------------------------- */

static void number(struct scan *s, struct page *head, unsigned objects)
{
	if (s->nr_marks + objects > s->max_marks) {
		s->too_small = true;
		return;
	}
	s->slot[page_to_pfn(head)] = (u32)s->nr_marks + 1;
	s->nr_marks += objects;
}

static void number_slab(struct slab_cache *c, struct page *head, void *arg)
{
	number(arg, head, c->objects);
}

static void number_area(void *arg, vaddr_t start, vaddr_t end)
{
	struct scan *s = arg;

	if (s->nr_areas == s->max_areas) {
		s->too_small = true;
		return;
	}
	s->areas[s->nr_areas++] = (struct vm_range){ start, end };
	s->nr_marks++;
}

static bool is_large_block(const struct page *p)
{
	return p->account == ACCT_SLAB && !(p->flags & (BIT(PG_SLAB) | BIT(PG_TAIL)));
}

static void for_each_large_block(void (*fn)(struct scan *s, struct page *p), struct scan *s)
{
	for (pfn_t pfn = 0; pfn < page_max_pfn(); pfn++) {
		if (!(pfn & ((1UL << MAX_ORDER) - 1)) && !page_array_backed(pfn))
			pfn |= (1UL << MAX_ORDER) - 1;
		else if (is_large_block(pfn_to_page(pfn)))
			fn(s, pfn_to_page(pfn));
	}
}

static void number_large(struct scan *s, struct page *p)
{
	number(s, p, 1);
}

static void number_all(struct scan *s)
{
	vmalloc_for_each(number_area, s);
	for (unsigned i = 0; i < slab_nr_caches; i++)
		if (slab_caches[i])
			slab_for_each(slab_caches[i], number_slab, s);
	for_each_large_block(number_large, s);
}

/* ---- findings ------------------------------------------------------------------------------------------------- */

static void find(struct scan *s, vaddr_t addr)
{
	struct object o;

	if (!object_at(s, addr, &o) || o.start != addr || bitmap_test(s->marks, o.mark) || is_ours(s, addr))
		return;
	if (s->nr_fresh < MAX_FOUND)
		s->fresh[s->nr_fresh++] = (struct found){ .addr = addr, .tag = o.tag, .size = o.size };
}

static void find_in_slab(struct slab_cache *c, struct page *head, void *arg)
{
	for (unsigned i = 0; i < c->objects; i++)
		find(arg, (vaddr_t)slab_object(c, head, i));
}

static void find_large(struct scan *s, struct page *p)
{
	find(s, (vaddr_t)page_address(p));
}

static void scan_machine(void *arg)
{
	struct scan *s = arg;

	number_all(s);
	if (s->too_small)
		return;
	read_roots(s);
	for (size_t i = 0; i < s->nr_areas; i++)
		find(s, s->areas[i].start);
	for (unsigned i = 0; i < slab_nr_caches; i++)
		if (slab_caches[i])
			slab_for_each(slab_caches[i], find_in_slab, s);
	for_each_large_block(find_large, s);
}

/* ---- a scan ----------------------------------------------------------------------------------------------------- */

static void count_area(void *arg, vaddr_t start, vaddr_t end)
{
	++*(size_t *)arg;
}

static size_t count_objects(void)
{
	size_t n = (size_t)vm_stat_read(NR_SLAB_UNRECLAIMABLE);		/* more than there are large blocks */

	for (unsigned i = 0; i < slab_nr_caches; i++)
		if (slab_caches[i])
			n += slab_caches[i]->nr_slabs * slab_caches[i]->objects;
	return n;
}

static void scan_free(struct scan *s)
{
	/* Whoever gets these frames next, and does not write all of them, must not hide a leak by what we leave. */
	if (s->areas)
		memset(s->areas, 0, s->max_areas * sizeof(s->areas[0]));
	if (s->fresh)
		memset(s->fresh, 0, s->nr_fresh * sizeof(s->fresh[0]));
	kvfree(s->slot);
	kvfree(s->marks);
	kvfree(s->todo);
	kvfree(s->areas);
	kvfree(s->fresh);
	*s = (struct scan){ 0 };
}

static int scan_alloc(struct scan *s)
{
	size_t areas = 0;

	vmalloc_for_each(count_area, &areas);
	s->max_areas = SPARE(areas);
	s->max_marks = SPARE(count_objects() + s->max_areas);
	s->slot = kvmalloc(page_max_pfn() * sizeof(s->slot[0]), GFP_KERNEL | GFP_ZERO);
	s->marks = kvmalloc(BITMAP_WORDS(s->max_marks) * sizeof(long), GFP_KERNEL | GFP_ZERO);
	s->todo = kvmalloc(s->max_marks * sizeof(s->todo[0]), GFP_KERNEL);
	s->areas = kvmalloc(s->max_areas * sizeof(s->areas[0]), GFP_KERNEL);
	s->fresh = kvmalloc(MAX_FOUND * sizeof(s->fresh[0]), GFP_KERNEL);
	if (!known)
		known = kvmalloc(MAX_FOUND * sizeof(known[0]), GFP_KERNEL);
	return s->slot && s->marks && s->todo && s->areas && s->fresh && known ? 0 : -ENOMEM;
}

static bool still_there(const struct found *f, u32 *born);

/* Those that were cleared and that some stray word refers to this time: they are not news when it is gone. */
static void keep_cleared(struct scan *s)
{
	size_t nr_found = s->nr_fresh;
	u32 born;

	for (size_t k = 0; k < nr_known && s->nr_fresh < MAX_FOUND; k++) {
		size_t i = 0;

		while (i < nr_found && (s->fresh[i].addr != known[k].addr || s->fresh[i].tag != known[k].tag))
			i++;
		if (known[k].cleared && i == nr_found && still_there(&known[k], &born))
			s->fresh[s->nr_fresh++] = known[k];
	}
}

/* What was known before keeps its date, and stays cleared. Returns how many are new. */
static int remember(struct scan *s)
{
	ktime_t now = ktime_get();
	int fresh = 0;

	keep_cleared(s);

	for (size_t i = 0; i < s->nr_fresh; i++) {
		struct found *f = &s->fresh[i];
		size_t k = 0;

		while (k < nr_known && (known[k].addr != f->addr || known[k].tag != f->tag))
			k++;
		f->since = k < nr_known ? known[k].since : now;
		f->cleared = k < nr_known && known[k].cleared;
		fresh += k == nr_known;
	}
	nr_known = s->nr_fresh;
	memcpy(known, s->fresh, nr_known * sizeof(known[0]));
	return fresh;
}

int kmemleak_scan(void)
{
	int r = -EPERM;

	mutex_lock(&kmemleak_lock);
	for (unsigned i = 0; i < 3 && !off; i++) {
		r = scan_alloc(&scan);
		if (!r)
			r = stop_machine(scan_machine, &scan);
		if (!r && !scan.too_small) {
			r = remember(&scan);
			scan_free(&scan);
			break;
		}
		scan_free(&scan);
		if (r)
			break;
		r = -ENOMEM;
	}
	mutex_unlock(&kmemleak_lock);
	if (r > 0)
		pr_info("kmemleak: %d new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n", r);
	return r;
}

/* ---- telling ---------------------------------------------------------------------------------------------------- */

/* Is what was found at that address still the same object? With the lock of no cache: a report may be out of date anyway. */
static bool still_there(const struct found *f, u32 *born)
{
	struct page *p;

	*born = 0;
	if (is_vmalloc_addr((void *)f->addr)) {
		p = vmalloc_to_page((void *)f->addr);
		return p && p->account == ACCT_VMALLOC && page_tag(p) == f->tag;
	}
	p = page_head(virt_to_page(f->addr));
	if (p->account != ACCT_SLAB)
		return false;
	if (p->flags & BIT(PG_SLAB)) {
		if (p->slab_cache->born_at)
			*born = *slab_born(p->slab_cache, (void *)f->addr);
		return *slab_tag(p->slab_cache, (void *)f->addr) == f->tag;
	}
	*born = (u32)p->index;
	return page_tag(p) == f->tag;
}

static void hex_dump(struct text *out, const u8 *p, size_t n)
{
	text_printf(out, "  hex dump (first %zu bytes):\n", n);
	for (size_t at = 0; at < n; at += 16) {
		text_puts(out, "    ");
		for (size_t i = at; i < at + 16; i++)
			if (i < n)
				text_printf(out, "%02x ", p[i]);
			else
				text_puts(out, "   ");
		text_putc(out, ' ');
		for (size_t i = at; i < min(at + 16, n); i++)
			text_putc(out, p[i] >= ' ' && p[i] < 127 ? (char)p[i] : '.');
		text_putc(out, '\n');
	}
}

static void report_one(struct text *out, const struct found *f, u32 born)
{
	const struct ledger_owner_name *o = ledger_owner_name(f->tag & 0xffff);
	const struct alloc_site *site = f->tag >> 16 ? ledger_site(f->tag >> 16) : NULL;
	u64 now = (u64)ktime_get() / NSEC_PER_MSEC, made = born ? born - 1 : (u64)f->since / NSEC_PER_MSEC, age = now - made;

	text_printf(out, "unreferenced object 0x%016lx (size %zu):\n", f->addr, f->size);
	text_printf(out, "  comm \"%s\", pid %d, jiffies %llu (age %s%llu.%03llus)\n", o->name, o->id, (unsigned long long)(4294667296ull + made / 4),
		    born ? "" : "at least ", (unsigned long long)(age / 1000), (unsigned long long)(age % 1000));
	hex_dump(out, (const u8 *)f->addr, min(f->size, (size_t)HEX_BYTES));
	text_puts(out, "  backtrace:\n");
	if (site)
		text_printf(out, "    %s:%u %s\n", site->file, site->line, site->func);
}

int kmemleak_report(struct text *out)
{
	u32 born;

	mutex_lock(&kmemleak_lock);
	for (size_t i = 0; i < nr_known; i++)
		if (!known[i].cleared && still_there(&known[i], &born))
			report_one(out, &known[i], born);
	mutex_unlock(&kmemleak_lock);
	return out->cut ? -ENOMEM : 0;
}

void kmemleak_clear(void)
{
	mutex_lock(&kmemleak_lock);
	for (size_t i = 0; i < nr_known; i++)
		known[i].cleared = true;
	mutex_unlock(&kmemleak_lock);
}

void kmemleak_off(void)
{
	mutex_lock(&kmemleak_lock);
	off = true;
	nr_known = 0;
	kvfree(known);
	known = NULL;
	mutex_unlock(&kmemleak_lock);
}

void kmemleak_scan_stacks(bool on)
{
	stacks = on;
}

int kmemleak_dump(vaddr_t addr)
{
	struct found f = { .addr = addr, .since = ktime_get() };
	size_t room = slab_object_room((void *)addr);
	struct slab_cache *c;
	char buf[512];
	struct text out;
	u32 born;

	if (!room)
		return -EINVAL;
	c = page_head(virt_to_page(addr))->slab_cache;
	f.addr = addr + room - c->object_size;
	f.size = c->object_size;
	f.tag = *slab_tag(c, (void *)f.addr);
	if (!f.tag || !still_there(&f, &born))
		return -EINVAL;
	text_init_fixed(&out, buf, sizeof(buf));
	report_one(&out, &f, born);
	pr_notice("kmemleak: Object %s", text_str(&out) + strlen("unreferenced object "));
	return 0;
}

#else	/* without a ledger nobody knows which objects live */

int kmemleak_scan(void) { return -EPERM; }
int kmemleak_report(struct text *out) { return 0; }
void kmemleak_clear(void) { }
void kmemleak_off(void) { }
void kmemleak_scan_stacks(bool on) { }
int kmemleak_dump(vaddr_t addr) { return -EPERM; }

#endif
