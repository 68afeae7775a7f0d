/*
 * test_swap_cpus.c - swap areas that go and come while other CPUs do everything that reads an entry or an area: last slots given back,
 * faults, fork, mincore, pagemap, smaps, advice, moves, shared memory, the compressed pool.
 */
#include <abi/errno.h>
#include <abi/mman.h>
#include <kernel/cpu.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/io_iter.h>
#include <mm/slab.h>
#include <mm/zswap.h>
#include "../../mm/swap_internal.h"
#include "unit.h"

#define T_BASE	0x20000000UL
#define ELSEWHERE 0x30000000UL
#define SLOTS	300u
#define PAGES	40u
#define CPUS	4u

static char data[2][SLOTS * PAGE_SIZE];
static struct host_disk disks[2];
static struct mm *mms[CPUS];
static atomic_t wrong, offs, working;

static int t_on(unsigned n)
{
	int err;

	disks[n].file.refs++;
	err = swap_on(&disks[n].file, &disks[n].file.mapping, "disk", false, 2 - (int)n, 0);
	if (err)
		disks[n].file.refs--;
	return err;
}

static void t_disks(struct t *t)
{
	for (unsigned n = 0; n < 2; n++) {
		host_disk_init(&disks[n], data[n], SLOTS, false);
		EXPECT_EQ(t, t_on(n), 0);
	}
	atomic_set(&wrong, 0);
	atomic_set(&offs, 0);
	atomic_set(&working, CPUS - 1);
}

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

/* One CPU's work: the areas in turn, until the others are done, and once at least. */
static void areas_go_and_come(void)
{
	for (unsigned n = 0; atomic_read(&working) > 0 || !atomic_read(&offs); n ^= 1) {
		int err = swap_off(&disks[n].file.mapping);

		if (!err)
			atomic_inc(&offs);
		if (err ? err != -ENOMEM : t_on(n))
			atomic_inc(&wrong);
	}
}

/* ---- slots --------------------------------------------------------------------------------------------------------- */

static void take_and_give(unsigned cpu, void *arg)
{
	if (cpu == CPUS - 1) {
		areas_go_and_come();
		return;
	}
	for (unsigned round = 0; round < 20000; round++) {
		struct swap_batch b = { 0 };
		swp_entry_t e;

		if (swap_slot_alloc(&b, &e)) {
			if (round % 3)
				swap_batch_end(&b);
			swap_slot_unclaim(e);
		}
		swap_batch_end(&b);
	}
	atomic_dec(&working);
}

/* The first slot is taken when the area is about to go, the last is given back, and then it goes: nobody touches it afterwards. */
TEST(swap_cpus, first_and_last_slot)
{
	t_machine(t, 31, CPUS);
	t_disks(t);
	host_on_cpus(CPUS, take_and_give, NULL);
	EXPECT_EQ(t, atomic_read(&wrong), 0);
	EXPECT(t, atomic_read(&offs) > 0);
	EXPECT_EQ(t, swap_free_pages(), swap_total_pages());
}

/* A text that cannot grow is cut; it is no reason to go on for ever. */
TEST(swap_cpus, report_without_memory)
{
	char buf[20];
	struct text out;

	t_machine(t, 31, 1);
	t_disks(t);
	text_init_fixed(&out, buf, sizeof(buf));
	EXPECT_EQ(t, swaps_report(&out), 0);
	EXPECT(t, out.cut);
	swap_report_events(&out);
}

/* ---- everything that reads entries ----------------------------------------------------------------------------------- */

struct worker {
	struct mm	*mm;
	vaddr_t		base;
	u64		x;
	bool		shared;
};

static u64 rnd(struct worker *w)
{
	w->x = w->x * 6364136223846793005ULL + 1442695040888963407ULL;
	return w->x >> 33;
}

static void look(struct worker *w, unsigned page)
{
	u32 v = 0;

	if (host_read(w->base + page * PAGE_SIZE, &v, 4) != FAULT_DONE || v >> 16 != page + 1)
		atomic_inc(&wrong);
}

static void store(struct worker *w, unsigned page, unsigned round)
{
	u32 v = (page + 1) << 16 | (round & 0xffff);

	if (host_write(w->base + page * PAGE_SIZE, &v, 4) != FAULT_DONE)
		atomic_inc(&wrong);
}

/* A child is born, reads what it inherited, and dies. */
static void fork_one(struct worker *w)
{
	struct mm *child;

	if (mm_dup(w->mm, &child))
		return;
	host_use_mm(child);
	for (unsigned i = 0; i < PAGES; i += 3)
		look(&(struct worker){ .base = w->base }, i);
	host_use_mm(w->mm);
	mm_put(child);
}

static void ask_mincore(struct worker *w)
{
	unsigned char in[PAGES];

	for (vaddr_t at = w->base; at < w->base + PAGES * PAGE_SIZE; at += PAGE_SIZE) {
		/* what mm_mincore() does, without a program's memory to put it into */
		pte_t *pte, e;

		rwsem_read_lock(&w->mm->mmap_lock);
		pte = pt_find(w->mm, at);
		e = pte ? pte_read(pte) : (pte_t){ 0 };
		in[(at - w->base) / PAGE_SIZE] = pte_swap(e) && swap_in_memory(pte_to_swp(e));
		rwsem_read_unlock(&w->mm->mmap_lock);
	}
	(void)in;
}

static void ask_pagemap(struct worker *w)
{
	u64 words[PAGES];
	struct io_iter it;

	io_iter_kernel(&it, words, sizeof(words));
	if (mm_pagemap(w->mm, (loff_t)(w->base >> PAGE_SHIFT) * 8, sizeof(words), &it) != (ssize_t)sizeof(words))
		atomic_inc(&wrong);
}

static void note_area(void *arg, struct vma *v, const char *name, const struct mm_area_sum *s)
{
	if (s->rss > (u64)(v->end - v->start))
		atomic_inc(&wrong);
}

static void ask_smaps(struct worker *w)
{
	rwsem_read_lock(&w->mm->mmap_lock);
	mm_for_each_area(w->mm, note_area, NULL);
	rwsem_read_unlock(&w->mm->mmap_lock);
}

static void move_away(struct worker *w)
{
	vaddr_t to = w->base == T_BASE ? ELSEWHERE : T_BASE, out;

	if (!mm_mremap(w->mm, w->base, PAGES * PAGE_SIZE, PAGES * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to, &out))
		w->base = to;
}

/* Dropped and written anew; of shared memory others still want the contents. */
static void drop(struct worker *w, unsigned page, unsigned round)
{
	if (!w->shared) {
		(void)mm_madvise(w->mm, w->base + page * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED);
		store(w, page, round);
	}
}

static void report(void)
{
	struct text out;

	text_init(&out, &text_kernel_ops);
	(void)swaps_report(&out);
	swap_report_events(&out);
	text_free(&out);
}

static void anything(unsigned cpu, void *arg)
{
	struct worker w = { .mm = mms[cpu], .base = T_BASE, .x = cpu + 1, .shared = arg };

	if (cpu == CPUS - 1) {
		areas_go_and_come();
		return;
	}
	host_use_mm(w.mm);
	for (unsigned round = 0; round < 1500; round++) {
		unsigned page = (unsigned)rnd(&w) % PAGES;

		if (!(round % 5))
			(void)mm_madvise(w.mm, w.base, PAGES * PAGE_SIZE, round % 2 ? MADV_PAGEOUT : MADV_COLD);
		switch (rnd(&w) % 12) {
		case 0: fork_one(&w); break;
		case 1: ask_mincore(&w); break;
		case 2: ask_pagemap(&w); break;
		case 3: ask_smaps(&w); break;
		case 4: move_away(&w); break;
		case 5: drop(&w, page, round); break;
		case 6: (void)mm_madvise(w.mm, w.base, PAGES * PAGE_SIZE, MADV_WILLNEED); break;
		case 7: report(); break;
		case 8: case 9: store(&w, page, round); break;
		default: look(&w, page);
		}
	}
	for (unsigned i = 0; i < PAGES; i++)
		look(&w, i);
	host_use_mm(NULL);
	atomic_dec(&working);
}

static void stress(struct t *t, int flags, bool pool)
{
	t_machine(t, 63, CPUS);
	t_disks(t);
	if (pool)
		EXPECT_EQ(t, zswap_enable(true), 0);
	mms[0] = t_mm(t);
	EXPECT_EQ(t, map(mms[0], T_BASE, PAGES, flags), 0);
	for (unsigned i = 0; i < PAGES; i++)
		store(&(struct worker){ .base = T_BASE }, i, 0);
	(void)mm_madvise(mms[0], T_BASE, PAGES * PAGE_SIZE, MADV_PAGEOUT);
	for (unsigned i = 1; i < CPUS - 1; i++)
		EXPECT_EQ(t, mm_dup(mms[0], &mms[i]), 0);
	host_use_mm(NULL);
	host_on_cpus(CPUS, anything, flags & MAP_SHARED ? &wrong : NULL);
	EXPECT_EQ(t, atomic_read(&wrong), 0);
	EXPECT(t, atomic_read(&offs) > 0);
	EXPECT_EQ(t, host_stale_hits, 0);
	t_audit(t);
	for (unsigned i = 0; i < CPUS - 1; i++)
		mm_put(mms[i]);
	EXPECT_EQ(t, swap_free_pages(), swap_total_pages());
	EXPECT_EQ(t, ledger_frames(ACCT_ANON), 0);
	EXPECT_EQ(t, ledger_frames(ACCT_SHMEM), 0);
}

TEST(swap_cpus, private_memory)
{
	stress(t, MAP_PRIVATE, false);
}

TEST(swap_cpus, shared_memory)
{
	stress(t, MAP_SHARED, false);
}

TEST(swap_cpus, private_memory_and_the_pool)
{
	stress(t, MAP_PRIVATE, true);
}

TEST(swap_cpus, shared_memory_and_the_pool)
{
	stress(t, MAP_SHARED, true);
}
