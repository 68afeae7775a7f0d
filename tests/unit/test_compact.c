/*
 * test_compact.c - compaction, and flushes that are put off: contents, what must stay where it is, programs that go on meanwhile.
 */
#include <abi/errno.h>
#include <abi/mman.h>
#include <arch/cpu.h>
#include <kernel/cpu.h>
#include <lib/string.h>
#include <mm/reclaim.h>
#include "../../mm/internal.h"
#include "../../mm/page_alloc/internal.h"
#include "../../mm/swap_internal.h"
#include "unit.h"

#define T_BASE	0x20000000UL
#define PAGES	3000u
#define CPUS	4u

static atomic_t wrong;

static struct mm *t_mm(struct t *t)
{
	struct mm *mm = mm_create();

	EXPECT(t, mm);
	mm_set_layout(mm, MIB(8), false);
	host_use_mm(mm);
	return mm;
}

static int map(struct mm *mm, vaddr_t addr, size_t pages, int flags)
{
	struct mmap_request q = { .addr = addr, .len = pages * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
				  .flags = flags | MAP_ANONYMOUS | MAP_FIXED };
	vaddr_t out;

	return mm_mmap(mm, &q, &out);
}

static vaddr_t addr_of(unsigned page)
{
	return T_BASE + page * PAGE_SIZE;
}

static void put(struct t *t, unsigned page)
{
	u64 w[2] = { page * 0x9e3779b97f4a7c15ULL, ~(u64)page };

	EXPECT_EQ(t, host_write(addr_of(page), &w[0], 8), FAULT_DONE);
	EXPECT_EQ(t, host_write(addr_of(page) + PAGE_SIZE - 8, &w[1], 8), FAULT_DONE);
}

static void check(struct t *t, unsigned page)
{
	u64 w[2] = { 0 };

	EXPECT_EQ(t, host_read(addr_of(page), &w[0], 8), FAULT_DONE);
	EXPECT_EQ(t, host_read(addr_of(page) + PAGE_SIZE - 8, &w[1], 8), FAULT_DONE);
	EXPECT(t, w[0] == page * 0x9e3779b97f4a7c15ULL && w[1] == ~(u64)page);
}

static pfn_t frame_of(struct mm *mm, unsigned page)
{
	pte_t *pte = pt_find(mm, addr_of(page));

	return pte && pte_present(pte_read(pte)) ? pte_pfn(pte_read(pte)) : 0;
}

static bool stays(unsigned page)
{
	return page % 8 == 5;
}

/* Every second page goes: what is left stands between holes all over memory. */
static struct mm *t_holes(struct t *t, int flags)
{
	struct mm *mm = t_mm(t);

	EXPECT_EQ(t, map(mm, T_BASE, PAGES, flags), 0);
	for (unsigned i = 0; i < PAGES; i++)
		put(t, i);
	for (unsigned i = 0; i < PAGES; i += 2)
		(void)mm_madvise(mm, addr_of(i), PAGE_SIZE, flags & MAP_SHARED ? MADV_REMOVE : MADV_DONTNEED);
	return mm;
}

static void t_end(struct mm *mm)
{
	host_use_mm(NULL);
	mm_put(mm);
}

static unsigned long migrated(void)
{
	return (unsigned long)vm_event_read(PGMIGRATE_SUCCESS);
}

static void whole_memory(struct t *t, int flags)
{
	struct mm *mm;

	t_machine(t, 31, 1);
	mm = t_holes(t, flags);
	for (unsigned i = 1; i < PAGES; i += 2)
		check(t, i);			/* into the TLB */
	compact_memory();
	EXPECT(t, migrated() > PAGES / 8);
	for (unsigned i = 1; i < PAGES; i += 2)
		check(t, i);
	EXPECT_EQ(t, host_stale_hits, 0);
	t_audit(t);
	t_end(mm);
}

TEST(compact, private_memory)
{
	whole_memory(t, MAP_PRIVATE);
}

TEST(compact, shared_memory)
{
	whole_memory(t, MAP_SHARED);
}

/* Pages that two address spaces share, each with a store of its own afterwards. */
TEST(compact, forked)
{
	struct mm *mm, *child;

	t_machine(t, 31, 1);
	mm = t_holes(t, MAP_PRIVATE);
	EXPECT_EQ(t, mm_dup(mm, &child), 0);
	compact_memory();
	EXPECT(t, migrated() > PAGES / 8);
	t_audit(t);
	for (unsigned i = 1; i < PAGES; i += 2) {
		u64 other = 7;

		EXPECT_EQ(t, host_write(addr_of(i) + 64, &other, 8), FAULT_DONE);
		check(t, i);
	}
	host_use_mm(child);
	for (unsigned i = 1; i < PAGES; i += 2) {
		u64 other = 1;

		check(t, i);
		EXPECT_EQ(t, host_read(addr_of(i) + 64, &other, 8), FAULT_DONE);
		EXPECT_EQ(t, other, 0);
	}
	EXPECT_EQ(t, host_stale_hits, 0);
	host_use_mm(mm);
	mm_put(child);
	t_end(mm);
}

/* Pinned pages stay in their frames; locked ones when compact_unevictable_allowed is 0; all hold what they held. */
TEST(compact, pinned_and_locked)
{
	static pfn_t was[PAGES];

	for (int allowed = 0; allowed < 2; allowed++) {
		unsigned locked_moved = 0;
		struct mm *mm;

		if (!allowed)
			t_machine(t, 31, 1);
		sysctl_compact_unevictable_allowed = allowed;
		mm = t_holes(t, MAP_PRIVATE);
		for (unsigned i = 1; i < PAGES; i += 2) {
			was[i] = frame_of(mm, i);
			if (stays(i))
				page_get(pfn_to_page(was[i]));
		}
		EXPECT_EQ(t, mm_mlock(mm, addr_of(PAGES / 2), PAGES / 2 * PAGE_SIZE, 0), 0);
		compact_memory();
		for (unsigned i = 1; i < PAGES; i += 2) {
			bool moved = frame_of(mm, i) != was[i];

			check(t, i);
			EXPECT(t, !(moved && stays(i)));
			if (moved && i >= PAGES / 2)
				locked_moved++;
			if (stays(i))
				page_put(pfn_to_page(was[i]));
		}
		EXPECT_EQ(t, locked_moved > 0, allowed);
		t_audit(t);
		t_end(mm);
	}
}

/* A block of 2 MiB is wanted where half of memory is free, in single frames: the allocation puts them together itself. */
TEST(compact, direct)
{
	struct page *p;
	struct mm *mm;

	t_machine(t, 15, 1);
	mm = t_holes(t, MAP_PRIVATE);
	for (unsigned blocks = 0; ; blocks++) {		/* all that is together goes */
		p = page_alloc(GFP_NOWAIT | GFP_NOWARN, PAGEBLOCK_ORDER, ACCT_DEVICE);
		if (!p)
			break;
		EXPECT(t, blocks < 16);
		p->private = 0;
	}
	t->no_audit = true;			/* those blocks are never given back */
	EXPECT_EQ(t, migrated(), 0);
	p = page_alloc(GFP_KERNEL, PAGEBLOCK_ORDER - 2, ACCT_DEVICE);
	EXPECT(t, p);
	EXPECT(t, vm_event_read(COMPACT_STALL) == 0 || migrated() > 0);
	if (p)
		page_free(p, PAGEBLOCK_ORDER - 2);
	for (unsigned i = 1; i < PAGES; i += 2)
		check(t, i);
	t_end(mm);
}

/* ---- promises while a flush is put off ---------------------------------------------------------------------------------- */

enum promise { UNMAPPED, DROPPED, FORBIDDEN, COPIED, NR_PROMISES };
static struct mm *watched;
static atomic_t step;

static void wait_step(int n)
{
	while (atomic_read_acquire(&step) < n)
		cpu_relax();
}

/* An entry is cleared as reclaim does it, the flush put off; then the program's own call, which promises more. */
static void clear_and_promise(enum promise what, struct flush_batch *b)
{
	pte_t *pte = pt_find(watched, T_BASE);
	struct page *p = pfn_to_page(pte_pfn(pte_read(pte)));
	struct mm *child = NULL;
	int err;

	spin_lock(pt_lock_of(pte));
	pte_xchg(pte, (pte_t){ 0 });
	flush_note(b, watched, T_BASE);
	mm_counter_add(watched, MM_ANON, -1);
	rmap_remove(p);
	spin_unlock(pt_lock_of(pte));
	switch (what) {
	case UNMAPPED: err = mm_munmap(watched, T_BASE, PAGE_SIZE); break;
	case DROPPED: err = mm_madvise(watched, T_BASE, PAGE_SIZE, MADV_DONTNEED); break;
	case FORBIDDEN: err = mm_mprotect(watched, T_BASE, PAGE_SIZE, PROT_NONE, -1); break;
	default: err = mm_dup(watched, &child);
	}
	if (err || atomic_read(&watched->flushes_put_off) != 1)
		panic("promise %d: %d, %d put off", (int)what, err, (int)atomic_read(&watched->flushes_put_off));
	if (child)
		mm_put(child);
	atomic_set_release(&step, 2);
	wait_step(3);
	flush_end(b);
	page_put(p);
}

static void promise_and_look(unsigned cpu, void *arg)
{
	enum promise what = (enum promise)(unsigned long)arg;
	struct flush_batch b = { .nr = 0 };
	u64 v = 0;

	if (!cpu) {
		wait_step(1);
		clear_and_promise(what, &b);
		return;
	}
	host_use_mm(watched);
	if (host_read(T_BASE, &v, 8) != FAULT_DONE || v != 4711)
		atomic_inc(&wrong);
	atomic_set_release(&step, 1);
	wait_step(2);
	if ((host_read(T_BASE, &v, 8) == FAULT_DONE) != (what == DROPPED || what == COPIED) || (what == DROPPED && v))
		atomic_inc(&wrong);
	atomic_set_release(&step, 3);
	host_use_mm(NULL);
}

/* When munmap, MADV_DONTNEED, mprotect and fork return, no thread sees what was, although reclaim has not flushed its part yet. */
TEST(compact, put_off_but_promised)
{
	t_machine(t, 31, 2);
	for (unsigned long what = 0; what < NR_PROMISES; what++) {
		u64 v = 4711;

		watched = t_mm(t);
		EXPECT_EQ(t, map(watched, T_BASE, 2, MAP_PRIVATE), 0);
		EXPECT_EQ(t, host_write(T_BASE, &v, 8), FAULT_DONE);
		host_use_mm(NULL);
		atomic_set(&step, 0);
		atomic_set(&wrong, 0);
		host_on_cpus(2, promise_and_look, (void *)what);
		EXPECT_EQ(t, atomic_read(&wrong), 0);
		EXPECT_EQ(t, host_stale_hits, 0);
		mm_put(watched);
	}
}

/* ---- programs that go on --------------------------------------------------------------------------------------------- */

#define SHARE	240u		/* pages of each CPU */
static struct mm *one;
static atomic_t working, disturbed;
static char data[4000 * PAGE_SIZE];
static struct host_disk disk;

enum disturb { COMPACT = 1, PAGEOUT = 2, RIGHTS = 4 };

/* Frames come and go, so that what programs ask for meanwhile lies anywhere, and is moved. */
static struct page *junk[6000];
static unsigned nr_junk;

static void take_nearly_all(void)
{
	while (nr_junk < ARRAY_SIZE(junk) && (junk[nr_junk] = page_alloc(GFP_NOWAIT | GFP_NOWARN, 0, ACCT_DEVICE)))
		nr_junk++;
}

static void give_all(void)
{
	for (unsigned i = 0; i < nr_junk; i += 2)	/* every second one first */
		page_free(junk[i], 0);
	for (unsigned i = 1; i < nr_junk; i += 2)
		page_free(junk[i], 0);
	nr_junk = 0;
}

static void move_all(void)
{
	take_nearly_all();
	give_all();
	compact_memory();
}

/* Only what cannot be wrong: the areas a worker is in are not taken from it. */
static void disturb(unsigned what, unsigned round)
{
	if (what & COMPACT)
		move_all();
	if (what & PAGEOUT)
		(void)mm_madvise(one, T_BASE, 3 * SHARE * PAGE_SIZE, MADV_PAGEOUT);
	if (what & RIGHTS)
		(void)mm_mprotect(one, T_BASE + round % 3 * SHARE * PAGE_SIZE, SHARE * PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC * (round / 3 % 2), -1);
}

/* A thread counts in its own pages, one count each, and now and then drops one and begins anew. No store may be lost. */
static void counts(unsigned cpu, void *arg)
{
	static u32 expect[3][SHARE];
	u64 x = cpu + 1;

	if (cpu == CPUS - 1) {
		host_use_mm(NULL);
		for (unsigned round = 0; atomic_read(&working) > 0; round++) {
			disturb((unsigned)(unsigned long)arg, round);
			atomic_inc(&disturbed);
		}
		return;
	}
	host_use_mm(one);
	for (unsigned round = 0; round < 20000 || atomic_read(&disturbed) < 6; round++) {
		unsigned page = (unsigned)((x = x * 6364136223846793005ULL + 1442695040888963407ULL) >> 40) % SHARE;
		vaddr_t at = T_BASE + (cpu * SHARE + page) * PAGE_SIZE;
		u32 v = 0, *want = &expect[cpu][page];

		if (!(round % 50)) {
			(void)mm_madvise(one, at, PAGE_SIZE, MADV_DONTNEED);
			*want = 0;
		}
		if (host_read(at, &v, 4) != FAULT_DONE || v != *want)
			atomic_inc(&wrong);
		v = ++*want;
		if (host_write(at, &v, 4) != FAULT_DONE)
			atomic_inc(&wrong);
	}
	for (unsigned page = 0; page < SHARE; page++) {
		u32 v = 0;

		if (host_read(T_BASE + (cpu * SHARE + page) * PAGE_SIZE, &v, 4) != FAULT_DONE || v != expect[cpu][page])
			atomic_inc(&wrong);
		expect[cpu][page] = 0;
	}
	host_use_mm(NULL);
	atomic_dec(&working);
}

static void threads(struct t *t, unsigned what)
{
	t_machine(t, 31, CPUS);
	host_disk_init(&disk, data, 4000, false);
	disk.file.refs++;
	EXPECT_EQ(t, swap_on(&disk.file, &disk.file.mapping, "disk", false, 1, 0), 0);
	one = t_mm(t);
	EXPECT_EQ(t, map(one, T_BASE, 3 * SHARE, MAP_PRIVATE), 0);
	take_nearly_all();
	for (unsigned i = 0; i < 3 * SHARE; i++) {
		u32 none = 0;

		EXPECT_EQ(t, host_write(addr_of(i), &none, 4), FAULT_DONE);
	}
	give_all();
	host_use_mm(NULL);
	atomic_set(&wrong, 0);
	atomic_set(&disturbed, 0);
	atomic_set(&working, CPUS - 1);
	host_on_cpus(CPUS, counts, (void *)(unsigned long)what);
	EXPECT_EQ(t, atomic_read(&wrong), 0);
	EXPECT_EQ(t, atomic_read(&one->flushes_put_off), 0);
	if (what & COMPACT)
		EXPECT(t, migrated() > 0);
	t_audit(t);
	mm_put(one);
	EXPECT_EQ(t, ledger_frames(ACCT_ANON), 0);
}

TEST(compact, threads_go_on)
{
	threads(t, COMPACT);
}

TEST(compact, threads_are_swapped)
{
	threads(t, PAGEOUT | RIGHTS);
}

TEST(compact, threads_all_at_once)
{
	threads(t, COMPACT | PAGEOUT | RIGHTS);
}
