/*
 * test_swap.c - swap on the host: slots against a plain model, areas and their turns, errors of the device, the compressed pool, policies.
 */
#include <abi/errno.h>
#include <abi/mman.h>
#include <kernel/cpu.h>
#include <lib/errseq.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/reclaim_policy.h>
#include <mm/slab.h>
#include <mm/zpool.h>
#include <mm/zswap.h>
#include "../../mm/swap_internal.h"
#include "unit.h"

#define T_BASE	0x20000000UL
#define SLOTS	200u
#define DISKS	3u

static char data[DISKS][SLOTS * PAGE_SIZE];
static struct host_disk disks[DISKS];
static u8 bad[SLOTS];

static void t_disk(unsigned n, unsigned slots, bool discards)
{
	host_disk_init(&disks[n], data[n], slots, discards);
}

static int t_on(unsigned n, int prio, unsigned discard)
{
	int err;

	disks[n].file.refs++;
	err = swap_on(&disks[n].file, &disks[n].file.mapping, "disk", false, prio, discard);
	if (err)
		disks[n].file.refs--;
	return err;
}

static int t_off(unsigned n)
{
	return swap_off(&disks[n].file.mapping);
}

/* S1, S2 of mm/swap.c: counters are what the map says. */
static void check_areas(struct t *t)
{
	for (unsigned i = 0; i < MAX_SWAPFILES; i++) {
		struct swap_area *a = swap_areas[i];
		u64 used = 0;

		if (!a)
			continue;
		for (u32 c = 0; c < a->nr_clusters; c++) {
			unsigned n = 0;

			for (u64 at = (u64)c * CLUSTER; at < (u64)(c + 1) * CLUSTER; at++) {
				n += at >= a->nr_slots || a->map[at];
				used += at < a->nr_slots && a->map[at] && a->map[at] != SLOT_BAD;
			}
			EXPECT_EQ(t, a->clusters[c].used, n);
		}
		EXPECT_EQ(t, a->nr_used, used);
	}
}

/* ---- slots ---------------------------------------------------------------------------------------------------- */

/* A slot as the model has it. */
struct mslot {
	bool		cached;
	unsigned	uses;
};
static struct mslot model[DISKS][SLOTS];

static void check_model(struct t *t)
{
	unsigned long used = 0;

	for (unsigned d = 0; d < DISKS; d++)
		for (unsigned s = 1; s < SLOTS; s++) {
			struct mslot *m = &model[d][s];
			u16 want = (u16)((m->cached ? SLOT_CACHED : 0) | m->uses);

			EXPECT_EQ(t, swap_areas[d]->map[s], want);
			used += want != 0;
		}
	EXPECT_EQ(t, swap_total_pages() - swap_free_pages(), used);
	check_areas(t);
}

static bool busy_slot(swp_entry_t *e, struct mslot **m)
{
	unsigned d = (unsigned)t_random() % DISKS, s = 1 + (unsigned)t_random() % (SLOTS - 1);

	for (unsigned i = 0; i < SLOTS; i++, s = s % (SLOTS - 1) + 1)
		if (model[d][s].cached || model[d][s].uses) {
			*e = swp_make(d, s);
			*m = &model[d][s];
			return true;
		}
	return false;
}

static void model_alloc(struct t *t)
{
	struct swap_batch b = { 0 };
	unsigned want = 1 + (unsigned)t_random() % 70;
	swp_entry_t e;

	while (want-- && swap_slot_alloc(&b, &e)) {
		struct mslot *m = &model[swp_type(e)][swp_offset(e)];

		EXPECT(t, swp_offset(e) && !m->cached && !m->uses);
		m->cached = true;
	}
	swap_batch_end(&b);
}

/* Random slots taken, shared, released, claimed by readers; every word as a plain model has it, and nothing lost when all is gone. */
TEST(swap, slots_model)
{
	static const int prio[DISKS] = { 5, 5, 1 };

	t->no_audit = true;		/* these uses stand in no page table */
	t_machine(t, 31, 1);
	for (unsigned d = 0; d < DISKS; d++) {
		t_disk(d, SLOTS, d == 1);
		EXPECT_EQ(t, t_on(d, prio[d], d == 1 ? SWAP_DISCARD_CLUSTERS : 0), 0);
	}
	for (unsigned round = 0; round < 20000 && !t->failures; round++) {
		struct mslot *m;
		swp_entry_t e;
		bool busy;

		if (!(t_random() % 8))
			model_alloc(t);
		if (!busy_slot(&e, &m))
			continue;
		switch (t_random() % 5) {
		case 0:
			swap_entry_dup(e);
			m->uses++;
			break;
		case 1: case 2:
			if (m->uses) {
				swap_entry_put(e);
				m->uses--;
			}
			break;
		case 3:
			if (m->cached) {
				swap_slot_unclaim(e);
				m->cached = false;
			}
			break;
		case 4:
			EXPECT_EQ(t, swap_slot_claim(e, &busy), !m->cached);
			EXPECT_EQ(t, busy, m->cached && m->uses);
			m->cached = true;
			break;
		}
		if (!(round % 50)) {
			work_flush(&swap_areas[1]->discard_work);
			check_model(t);
		}
	}
	for (unsigned d = 0; d < DISKS; d++)
		for (unsigned s = 1; s < SLOTS; s++) {
			while (model[d][s].uses--)
				swap_entry_put(swp_make(d, s));
			if (model[d][s].cached)
				swap_slot_unclaim(swp_make(d, s));
		}
	EXPECT_EQ(t, swap_free_pages(), swap_total_pages());
	for (unsigned d = 0; d < DISKS; d++)
		EXPECT_EQ(t, t_off(d), 0);
	EXPECT(t, atomic_read(&disks[1].nr_discarded) > 0);
	EXPECT_EQ(t, swap_total_pages(), 0);
}

/* The highest priority first; equal ones in turn, a batch each; what the header calls bad never. */
TEST(swap, priorities_and_turns)
{
	unsigned got[DISKS] = { 0 }, turns = 0, last = 9;
	struct swap_batch b = { 0 };
	swp_entry_t e;

	t->no_audit = true;
	t_machine(t, 31, 1);
	for (unsigned d = 0; d < DISKS; d++)
		t_disk(d, SLOTS, false);
	host_disk_mark_bad(&disks[0], 70);
	host_disk_mark_bad(&disks[0], 71);
	EXPECT_EQ(t, t_on(0, 7, 0), 0);
	EXPECT_EQ(t, t_on(1, 7, 0), 0);
	EXPECT_EQ(t, t_on(2, 3, 0), 0);
	EXPECT_EQ(t, t_on(2, 3, 0), -EBUSY);
	EXPECT_EQ(t, swap_total_pages(), 3 * (SLOTS - 1) - 2);
	for (unsigned i = 0; swap_slot_alloc(&b, &e); i++) {
		unsigned d = swp_type(e);

		EXPECT(t, d < 2 || got[0] + got[1] == 2 * (SLOTS - 1) - 2);	/* the third only when both are full */
		EXPECT(t, d || (swp_offset(e) != 70 && swp_offset(e) != 71));
		turns += d != last;
		last = d;
		got[d]++;
	}
	EXPECT_EQ(t, got[0], SLOTS - 3);
	EXPECT_EQ(t, got[1], SLOTS - 1);
	EXPECT_EQ(t, got[2], SLOTS - 1);
	EXPECT(t, turns >= 2 * (SLOTS / SWAP_BATCH) - 2);
	EXPECT_EQ(t, swap_free_pages(), 0);
	check_areas(t);
}

/* What leaves together lies together: a batch never spans clusters, and follows the one before it. */
TEST(swap, clusters)
{
	struct swap_batch b = { 0 };
	swp_entry_t e, before = { 0 };
	unsigned jumps = 0;

	t->no_audit = true;
	t_machine(t, 31, 1);
	t_disk(0, SLOTS, false);
	EXPECT_EQ(t, t_on(0, -1, 0), 0);
	for (unsigned i = 0; i < 128; i++) {
		EXPECT(t, swap_slot_alloc(&b, &e));
		jumps += i && e.v != before.v + 1;
		before = e;
	}
	EXPECT(t, jumps <= 1);
	for (unsigned s = 64; s < 192; s += 2)			/* every other one goes: no cluster is empty */
		swap_slot_unclaim(swp_make(0, s));
	swap_batch_end(&b);
	for (unsigned i = 0; i < 64 + 63 + 8 - 0; i++)
		EXPECT(t, swap_slot_alloc(&b, &e));		/* the holes are found, all of them */
	EXPECT(t, !swap_slot_alloc(&b, &e));
	check_areas(t);
}

static void headers_one(struct t *t, const char *what, void *at, const void *bytes, size_t n)
{
	t_disk(0, SLOTS, false);
	memcpy(at, bytes, n);
	EXPECT_EQ(t, t_on(0, -1, 0), -EINVAL);
	EXPECT_EQ(t, disks[0].file.refs, 1);
}

/* Headers that are none; and every allocation of swapon failed in turn. */
TEST(swap, swapon)
{
	u32 big = SLOTS, two = 2, zero = 0, many = 4000;

	t_machine(t, 31, 1);
	headers_one(t, "magic", data[0] + PAGE_SIZE - 10, "SWAPSPACE3", 10);
	headers_one(t, "version", data[0] + 1024, &two, 4);
	headers_one(t, "last page too far", data[0] + 1028, &big, 4);
	headers_one(t, "no page", data[0] + 1028, &zero, 4);
	headers_one(t, "bad pages", data[0] + 1032, &many, 4);
	t_disk(0, SLOTS, false);
	disks[0].bad = bad;
	bad[0] = HOST_BAD_READ;
	EXPECT_EQ(t, t_on(0, -1, 0), -EIO);
	bad[0] = 0;
	FAIL_EACH_ALLOC(t) {
		int err = t_on(0, -1, 0);

		EXPECT(t, !err || err == -ENOMEM);
		if (!err)
			EXPECT_EQ(t, t_off(0), 0);
		EXPECT_EQ(t, swap_total_pages(), 0);
		EXPECT_EQ(t, disks[0].file.refs, 1);
	}
	EXPECT_EQ(t, t_off(0), -EINVAL);
}

/* ---- pages ---------------------------------------------------------------------------------------------------- */

static struct mm *t_mm(struct t *t)
{
	struct mm *mm = mm_create();

	if (!mm)
		return NULL;
	mm_set_layout(mm, MIB(8), false);
	host_use_mm(mm);
	return mm;
}

static void t_mm_end(struct mm *mm)
{
	host_use_mm(NULL);
	if (mm)
		mm_put(mm);
}

static int map(struct mm *mm, vaddr_t addr, size_t pages, int flags)
{
	struct mmap_request q = { .addr = addr, .len = pages * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
				  .flags = flags | MAP_ANONYMOUS | MAP_FIXED };
	vaddr_t out;

	return mm_mmap(mm, &q, &out);
}

/* Contents that do not compress, or do. */
static void contents(u64 *w, unsigned page, bool dense)
{
	u64 x = page * 0x9e3779b97f4a7c15ULL + 1;

	for (unsigned i = 0; i < PAGE_SIZE / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		w[i] = dense ? x : i % 16 ? page : x;
	}
}

static bool put(unsigned page, bool dense)
{
	static u64 w[PAGE_SIZE / 8];

	contents(w, page, dense);
	return host_write(T_BASE + page * PAGE_SIZE, w, PAGE_SIZE) == FAULT_DONE;
}

static enum fault_result get(struct t *t, unsigned page, bool dense)
{
	static u64 w[PAGE_SIZE / 8], want[PAGE_SIZE / 8];
	enum fault_result r = host_read(T_BASE + page * PAGE_SIZE, w, PAGE_SIZE);

	contents(want, page, dense);
	if (r == FAULT_DONE && memcmp(w, want, PAGE_SIZE))
		t_fail(t, __FILE__, __LINE__, "page %u holds something else", page);
	return r;
}

static unsigned long swapped(const struct mm *mm)
{
	return (unsigned long)atomic_read(&mm->counters[MM_SWAP]);
}

static void pageout(struct mm *mm, unsigned pages)
{
	for (unsigned tries = 0; tries < 4; tries++)
		(void)mm_madvise(mm, T_BASE, pages * PAGE_SIZE, MADV_PAGEOUT);
}

#define PAGES	40u

static struct mm *t_swapped(struct t *t, int flags, bool dense)
{
	struct mm *mm = t_mm(t);

	EXPECT_EQ(t, map(mm, T_BASE, PAGES, flags), 0);
	for (unsigned i = 0; i < PAGES; i++)
		EXPECT(t, put(i, dense));
	pageout(mm, PAGES);
	return mm;
}

static unsigned page_of_slot(struct mm *mm, u64 slot)
{
	for (unsigned i = 0; i < PAGES; i++) {
		pte_t *pte = pt_find(mm, T_BASE + i * PAGE_SIZE);

		if (pte && pte_swap(pte_read(pte)) && swp_offset(pte_to_swp(pte_read(pte))) == slot)
			return i;
	}
	return PAGES;
}

/* An unreadable slot is its owners' trouble alone; swapoff leaves a marker, which fork copies and munmap forgets. */
TEST(swap, read_errors)
{
	struct mm *mm, *child;
	unsigned lost;

	t_machine(t, 31, 1);
	t_disk(0, SLOTS, false);
	disks[0].bad = bad;
	EXPECT_EQ(t, t_on(0, -1, 0), 0);
	mm = t_swapped(t, MAP_PRIVATE, true);
	EXPECT_EQ(t, swapped(mm), PAGES);
	bad[64 + 9] = HOST_BAD_READ;
	lost = page_of_slot(mm, 64 + 9);
	EXPECT(t, lost < PAGES);
	EXPECT_EQ(t, mm_dup(mm, &child), 0);
	for (unsigned i = 0; i < PAGES; i++)
		EXPECT_EQ(t, get(t, i, true), i == lost ? FAULT_SIGBUS : FAULT_DONE);
	EXPECT_EQ(t, get(t, lost, true), FAULT_SIGBUS);
	bad[64 + 9] = 0;				/* it can be read after all */
	EXPECT_EQ(t, get(t, lost, true), FAULT_DONE);
	pageout(mm, PAGES);
	bad[64 + 9] = HOST_BAD_READ;
	lost = page_of_slot(mm, 64 + 9);
	t_audit(t);
	EXPECT_EQ(t, t_off(0), 0);
	EXPECT_EQ(t, swapped(mm) + swapped(child), 0);
	t_audit(t);
	for (unsigned i = 0; i < PAGES; i++)
		EXPECT_EQ(t, get(t, i, true), i == lost ? FAULT_SIGBUS : FAULT_DONE);
	mm_put(child);
	EXPECT_EQ(t, mm_dup(mm, &child), 0);
	t_audit(t);
	host_use_mm(child);
	EXPECT_EQ(t, get(t, lost, true), FAULT_SIGBUS);
	EXPECT_EQ(t, map(child, T_BASE + lost * PAGE_SIZE, 1, MAP_PRIVATE), 0);
	EXPECT(t, put(lost, true));
	host_use_mm(mm);
	mm_put(child);
	t_mm_end(mm);
	EXPECT_EQ(t, ledger_frames(ACCT_ANON), 0);
}

/* What cannot be written stays, and only that. */
TEST(swap, write_errors)
{
	struct mm *mm;

	t_machine(t, 31, 1);
	t_disk(0, SLOTS, false);
	disks[0].bad = bad;
	bad[64] = bad[70] = HOST_BAD_WRITE;
	EXPECT_EQ(t, t_on(0, -1, 0), 0);
	mm = t_swapped(t, MAP_PRIVATE, true);
	EXPECT_EQ(t, vm_stat_read(NR_SWAPCACHE), 2);
	EXPECT_EQ(t, vm_stat_read(NR_WRITEBACK), 0);
	t_audit(t);
	for (unsigned i = 0; i < PAGES; i++)
		EXPECT_EQ(t, get(t, i, true), FAULT_DONE);
	EXPECT_EQ(t, t_off(0), 0);
	for (unsigned i = 0; i < PAGES; i++)
		EXPECT_EQ(t, get(t, i, true), FAULT_DONE);
	EXPECT_EQ(t, vm_stat_read(NR_SWAPCACHE), 0);
	t_mm_end(mm);
}

/* Shared memory: EIO and SIGBUS at that page, also when the area has gone; a hole punched there heals it. */
TEST(swap, shmem_errors)
{
	struct mm *mm;
	unsigned sick = 0, which = PAGES;

	t_machine(t, 31, 1);
	t_disk(0, SLOTS, false);
	disks[0].bad = bad;
	EXPECT_EQ(t, t_on(0, -1, 0), 0);
	mm = t_swapped(t, MAP_SHARED, true);
	bad[64 + 5] = HOST_BAD_READ;
	for (unsigned i = 0; i < PAGES; i++)
		if (get(t, i, true) != FAULT_DONE) {
			sick++;
			which = i;
		}
	EXPECT_EQ(t, sick, 1);
	t_audit(t);
	EXPECT_EQ(t, t_off(0), 0);
	t_audit(t);
	for (unsigned i = 0; i < PAGES; i++)
		EXPECT_EQ(t, get(t, i, true), i == which ? FAULT_SIGBUS : FAULT_DONE);
	t_mm_end(mm);
	EXPECT_EQ(t, ledger_frames(ACCT_SHMEM), 0);
}

static void one_round(struct t *t, int flags, bool dense)
{
	struct mm *mm = t_mm(t), *child = NULL;
	bool wrote[PAGES] = { false };

	if (!mm)
		return;
	if (!map(mm, T_BASE, PAGES, flags)) {
		for (unsigned i = 0; i < PAGES; i++)
			wrote[i] = put(i, dense);
		pageout(mm, PAGES);
		if (mm_dup(mm, &child))
			child = NULL;
		(void)mm_mprotect(mm, T_BASE + 7 * PAGE_SIZE, 9 * PAGE_SIZE, PROT_READ, -1);
		for (unsigned i = 0; i < PAGES; i++)
			if (wrote[i]) {
				enum fault_result r = get(t, i, dense);

				EXPECT(t, r == FAULT_DONE || r == FAULT_OOM);
			}
		(void)mm_munmap(mm, T_BASE + 20 * PAGE_SIZE, 5 * PAGE_SIZE);
	}
	if (child)
		mm_put(child);
	t_mm_end(mm);
}

/* Each allocation failed once while pages leave, are forked, come back and go: nothing is lost, nothing leaks. */
TEST(swap, failing_allocations)
{
	t_machine(t, 31, 1);
	t_disk(0, SLOTS, false);
	EXPECT_EQ(t, t_on(0, -1, 0), 0);
	FAIL_EACH_ALLOC(t)
		one_round(t, MAP_PRIVATE, true);
	FAIL_EACH_ALLOC(t)
		one_round(t, MAP_SHARED, true);
	EXPECT_EQ(t, zswap_enable(true), 0);
	FAIL_EACH_ALLOC(t)
		one_round(t, MAP_PRIVATE, false);
	EXPECT_EQ(t, swap_free_pages(), swap_total_pages());
	EXPECT_EQ(t, t_off(0), 0);
}

/* swapoff without memory says so and can be tried again; the area is in use meanwhile. */
TEST(swap, failing_swapoff)
{
	unsigned failed = 0;

	t_machine(t, 31, 1);
	for (unsigned shared = 0; shared < 2; shared++) {
		t_disk(0, SLOTS, false);
		EXPECT_EQ(t, t_on(0, -1, 0), 0);
		for (int n = 1; ; n++) {
			struct mm *mm = t_swapped(t, shared ? MAP_SHARED : MAP_PRIVATE, true);
			int err;

			atomic_set(&alloc_fail_countdown, n);
			err = t_off(0);
			if (atomic_read(&alloc_fail_countdown) > 0 || n > 200) {	/* nothing was left to fail */
				atomic_set(&alloc_fail_countdown, 0);
				EXPECT_EQ(t, err, 0);
				for (unsigned i = 0; i < PAGES; i++)
					EXPECT_EQ(t, get(t, i, true), FAULT_DONE);
				t_mm_end(mm);
				break;
			}
			EXPECT(t, !err || err == -ENOMEM);
			failed += err != 0;
			if (err) {
				EXPECT_EQ(t, swap_total_pages(), SLOTS - 1);
				pageout(mm, PAGES);
				EXPECT_EQ(t, t_off(0), 0);
			}
			for (unsigned i = 0; i < PAGES; i++)
				EXPECT_EQ(t, get(t, i, true), FAULT_DONE);
			t_mm_end(mm);
			EXPECT_EQ(t, t_on(0, -1, 0), 0);
		}
	}
	EXPECT(t, failed > 0);
}

/* ---- read-ahead -------------------------------------------------------------------------------------------------- */

/* Touch the pages of a swapped area in an order; how many the device was asked for, in how many requests. */
static void touch(struct t *t, unsigned step, unsigned n, unsigned *pages, unsigned *requests)
{
	unsigned long was[2] = { (unsigned long)atomic_read(&disks[0].nr_pages[0]), (unsigned long)atomic_read(&disks[0].nr_requests[0]) };

	for (unsigned i = 0; i < n; i++)
		EXPECT_EQ(t, get(t, i * step % 160, true), FAULT_DONE);
	*pages = (unsigned)((unsigned long)atomic_read(&disks[0].nr_pages[0]) - was[0]);
	*requests = (unsigned)((unsigned long)atomic_read(&disks[0].nr_requests[0]) - was[1]);
}

/* In order: more and more neighbours with each request. Far apart: none. In order again: it learns. page-cluster 0: never. */
TEST(swap, read_ahead)
{
	unsigned pages, requests;
	struct mm *mm;

	t_machine(t, 31, 1);
	t_disk(0, SLOTS, false);
	EXPECT_EQ(t, t_on(0, -1, 0), 0);
	mm = t_mm(t);
	EXPECT_EQ(t, map(mm, T_BASE, 160, MAP_PRIVATE), 0);
	for (unsigned i = 0; i < 160; i++)
		EXPECT(t, put(i, true));
	pageout(mm, 160);
	EXPECT_EQ(t, swapped(mm), 160);
	touch(t, 1, 160, &pages, &requests);
	EXPECT_EQ(t, pages, 160);
	EXPECT(t, requests <= 40);
	pageout(mm, 160);
	touch(t, 37, 24, &pages, &requests);		/* the first ones still pay for what went before */
	EXPECT(t, pages <= 24 + 16);
	pageout(mm, 160);
	touch(t, 37, 24, &pages, &requests);
	EXPECT(t, pages <= 24 + 2);
	pageout(mm, 160);
	touch(t, 1, 160, &pages, &requests);
	EXPECT(t, requests <= 40);
	sysctl_page_cluster = 0;
	pageout(mm, 160);
	touch(t, 1, 160, &pages, &requests);
	EXPECT_EQ(t, requests, 160);
	t_mm_end(mm);
}

/* ---- many CPUs -------------------------------------------------------------------------------------------------- */

static struct mm *mms[4];
static atomic_t wrong;

static void cpu_swaps(unsigned cpu, void *arg)
{
	u64 x = cpu + 1;

	host_use_mm(mms[cpu]);
	for (unsigned round = 0; round < 300; round++) {
		unsigned page = (unsigned)((x = x * 6364136223846793005ULL + 1442695040888963407ULL) >> 40) % PAGES;
		u32 v = 0;

		if (!(round % 7))
			(void)mm_madvise(mms[cpu], T_BASE, PAGES * PAGE_SIZE, MADV_PAGEOUT);
		if (host_read(T_BASE + page * PAGE_SIZE, &v, 4) != FAULT_DONE || v >> 16 != page + 1)
			atomic_inc(&wrong);
		v = (page + 1) << 16 | round;
		if (host_write(T_BASE + page * PAGE_SIZE, &v, 4) != FAULT_DONE)
			atomic_inc(&wrong);
		if (cpu == 3 && !(round % 50)) {		/* the area goes and comes */
			int err = t_off(0);

			if (err && err != -ENOMEM && err != -EBUSY)
				atomic_inc(&wrong);
			if (!err && t_on(0, -1, 0))
				atomic_inc(&wrong);
		}
	}
	host_use_mm(NULL);
}

/* Forked processes share swapped pages; all swap, write and read at once while the areas change. */
TEST(swap, many_cpus)
{
	t_machine(t, 63, 4);
	t_disk(0, SLOTS, false);
	t_disk(1, SLOTS, false);
	EXPECT_EQ(t, t_on(0, 2, 0), 0);
	EXPECT_EQ(t, t_on(1, 1, 0), 0);
	mms[0] = t_mm(t);
	EXPECT_EQ(t, map(mms[0], T_BASE, PAGES, MAP_PRIVATE), 0);
	for (unsigned i = 0; i < PAGES; i++) {
		u32 v = (i + 1) << 16;

		EXPECT_EQ(t, host_write(T_BASE + i * PAGE_SIZE, &v, 4), FAULT_DONE);
	}
	pageout(mms[0], PAGES);
	for (unsigned i = 1; i < 4; i++)
		EXPECT_EQ(t, mm_dup(mms[0], &mms[i]), 0);
	host_use_mm(NULL);
	host_on_cpus(4, cpu_swaps, NULL);
	EXPECT_EQ(t, atomic_read(&wrong), 0);
	t_audit(t);
	for (unsigned i = 0; i < 4; i++)
		mm_put(mms[i]);
	EXPECT_EQ(t, swap_free_pages(), swap_total_pages());
	EXPECT_EQ(t, ledger_frames(ACCT_ANON), 0);
}

/* ---- the compressed pool ----------------------------------------------------------------------------------------- */

#define OBJECTS	300

TEST(zpool, model)
{
	static struct { struct zhandle h; u16 n; u8 seed; } objects[OBJECTS];
	static u8 page[PAGE_SIZE], buf[PAGE_SIZE];
	static struct zpool pool;
	long live = 0;

	t_machine(t, 31, 1);
	zpool_init(&pool);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned i = (unsigned)t_random() % OBJECTS;

		if (objects[i].n) {
			const u8 *is = zpool_read(objects[i].h, objects[i].n, buf);

			for (unsigned k = 0; k < objects[i].n; k += 61)
				EXPECT_EQ(t, is[k], (u8)(objects[i].seed + k));
			zpool_free(&pool, objects[i].h, objects[i].n);
			objects[i].n = 0;
			live--;
		} else {
			u16 n = (u16)(1 + t_random() % PAGE_SIZE);

			objects[i].seed = (u8)t_random();
			for (unsigned k = 0; k < n; k++)
				page[k] = (u8)(objects[i].seed + k);
			if (!(t_random() % 32))
				atomic_set(&alloc_fail_countdown, 1 + (int)(t_random() % 3));
			if (zpool_store(&pool, page, n, GFP_ATOMIC | GFP_NOWARN, &objects[i].h)) {
				objects[i].n = n;
				live++;
			}
			atomic_set(&alloc_fail_countdown, 0);
		}
		EXPECT_EQ(t, pool.objects, live);
		EXPECT_EQ(t, pool.pages, ledger_frames(ACCT_ZSWAP));
		if (!(round % 1000))
			t_audit(t);
	}
	for (unsigned i = 0; i < OBJECTS; i++)
		if (objects[i].n)
			zpool_free(&pool, objects[i].h, objects[i].n);
	EXPECT_EQ(t, pool.pages + pool.objects + (long)pool.bytes, 0);
	EXPECT_EQ(t, ledger_frames(ACCT_ZSWAP), 0);
}

/* Pages that shrink stay in memory, the others go to the area; when the area cannot take the coldest, the pool keeps them. */
TEST(zswap, pool_and_area)
{
	struct mm *mm;

	t_machine(t, 31, 1);
	t_disk(0, SLOTS, false);
	disks[0].bad = bad;
	EXPECT_EQ(t, t_on(0, -1, 0), 0);
	EXPECT_EQ(t, zswap_enable(true), 0);
	mm = t_swapped(t, MAP_PRIVATE, false);
	EXPECT_EQ(t, atomic_read(&disks[0].nr_pages[1]), 0);
	EXPECT_EQ(t, atomic_read(&zswap.stored), PAGES);
	t_audit(t);
	memset(bad, HOST_BAD_WRITE, sizeof(bad));
	EXPECT_EQ(t, zswap_write_back(16), 0);
	EXPECT_EQ(t, atomic_read(&zswap.stored), PAGES);
	memset(bad, 0, sizeof(bad));
	bad[64 + 20] = HOST_BAD_WRITE;
	while (zswap_write_back(16))
		;
	EXPECT_EQ(t, atomic_read(&zswap.stored), 1);		/* only what has a bad slot */
	EXPECT_EQ(t, atomic_read(&disks[0].nr_pages[1]) >= PAGES - 1, 1);
	t_audit(t);
	for (unsigned i = 0; i < PAGES; i++)
		EXPECT_EQ(t, get(t, i, false), FAULT_DONE);
	EXPECT_EQ(t, zswap_enable(false), 0);
	EXPECT_EQ(t, t_off(0), 0);
	EXPECT_EQ(t, atomic_read(&zswap.stored), 0);
	for (unsigned i = 0; i < PAGES; i++)
		EXPECT_EQ(t, get(t, i, false), FAULT_DONE);
	t_mm_end(mm);
	EXPECT_EQ(t, ledger_frames(ACCT_ZSWAP), 0);
}

/* A page of the pool is read together with a neighbour that fails: it must not be read again from where it never was. */
TEST(zswap, unreadable_neighbour)
{
	struct mm *mm;

	t_machine(t, 31, 1);
	t_disk(0, SLOTS, false);
	memset(data[0] + PAGE_SIZE, 0xee, (SLOTS - 1) * PAGE_SIZE);
	disks[0].bad = bad;
	EXPECT_EQ(t, t_on(0, -1, 0), 0);
	EXPECT_EQ(t, zswap_enable(true), 0);
	mm = t_mm(t);
	EXPECT_EQ(t, map(mm, T_BASE, PAGES, MAP_PRIVATE), 0);
	for (unsigned i = 0; i < PAGES; i++)
		EXPECT(t, put(i, i != 12));
	pageout(mm, PAGES);
	EXPECT_EQ(t, page_of_slot(mm, 64 + 12), 12);
	bad[64 + 11] = HOST_BAD_READ;
	EXPECT_EQ(t, get(t, 12, false), FAULT_DONE);
	EXPECT_EQ(t, get(t, 11, true), FAULT_SIGBUS);
	for (unsigned i = 0; i < PAGES; i++)
		EXPECT_EQ(t, get(t, i, i != 12), i == 11 ? FAULT_SIGBUS : FAULT_DONE);
	t_mm_end(mm);
}

/* ---- write errors, as they are told ------------------------------------------------------------------------------- */

/* Askers against a model: each has the errors since it last looked, newcomers those that nobody has been told. */
TEST(errseq, model)
{
	enum { ASKERS = 6 };
	errseq_t seq = 0, since[ASKERS] = { 0 };
	int last = 0, news[ASKERS] = { 0 };
	bool told = true;

	for (unsigned round = 0; round < 100000; round++) {
		unsigned i = (unsigned)t_random() % ASKERS;

		switch (t_random() % 4) {
		case 0:
			last = t_random() & 1 ? -EIO : -ENOSPC;
			errseq_set(&seq, last);
			for (unsigned k = 0; k < ASKERS; k++)
				news[k] = 1;
			told = false;
			break;
		case 1:				/* closed and opened again */
			since[i] = errseq_sample(&seq);
			news[i] = !told;
			break;
		default:
			EXPECT_EQ(t, errseq_check(&seq, &since[i]), news[i] ? last : 0);
			told |= news[i];
			news[i] = 0;
		}
	}
}

/* ---- which pages go first ------------------------------------------------------------------------------------------- */

/* A policy on paper: `level` lists of page numbers, as mm/lru.c and mm/reclaim.c treat them. */
#define HOT	40u
#define FRAMES	160u
#define SCAN	4000u

struct paper {
	struct lru_levels	l;
	int			list[LRU_LEVELS][FRAMES];	/* front first */
	bool			used[HOT + SCAN], active[HOT + SCAN], marked[HOT + SCAN], in[HOT + SCAN];
	unsigned		total, refaults;
};
static struct paper paper;

static void paper_push(struct paper *w, int page)
{
	unsigned to = w->l.join[w->active[page]];

	memmove(&w->list[to][1], &w->list[to][0], w->l.nr[to] * sizeof(int));
	w->list[to][0] = page;
	w->l.nr[to]++;
}

static void paper_front(struct paper *w, unsigned to, int page)
{
	memmove(&w->list[to][1], &w->list[to][0], w->l.nr[to] * sizeof(int));
	w->list[to][0] = page;
	w->l.nr[to]++;
}

static void paper_evict_one(struct t *t, struct paper *w)
{
	for (unsigned tries = 0; tries < 50 * FRAMES; tries++) {
		int demote, page;
		unsigned level = reclaim_policy->evict(&w->l, &demote);
		struct reclaim_look k = { .mapped = true };

		EXPECT(t, level < LRU_LEVELS && demote < (int)LRU_LEVELS);
		if (demote >= 0 && w->l.nr[demote]) {
			page = w->list[demote][--w->l.nr[demote]];
			if (!w->used[page])
				w->active[page] = false;
			w->used[page] = false;
			paper_push(w, page);
		}
		if (!w->l.nr[level])
			continue;
		page = w->list[level][--w->l.nr[level]];
		k.used = w->used[page];
		k.marked = w->marked[page];
		k.active = w->active[page];
		w->used[page] = w->marked[page] = false;
		switch (reclaim_policy->judge(&k)) {
		case RECLAIM:
			w->in[page] = w->active[page] = false;
			w->total--;
			return;
		case ACTIVATE:
			w->active[page] = true;
			paper_push(w, page);
			break;
		default:
			w->marked[page] = k.mark;
			paper_front(w, level, page);
		}
	}
	EXPECT(t, !"something can always be taken");
}

static void paper_touch(struct t *t, struct paper *w, int page)
{
	if (!w->in[page]) {
		w->refaults += page < (int)HOT;
		if (w->total == FRAMES)
			paper_evict_one(t, w);
		w->in[page] = true;
		w->total++;
		paper_push(w, page);
	}
	w->used[page] = true;
}

/* Pages in constant use stay while others pass by once. Every policy takes something each time it is asked, and loses no page. */
TEST(reclaim, policies_keep_what_is_used)
{
	static const char *const names[] = { "generations", "lists", "second-chance" };
	const struct reclaim_policy *first;

	t_machine(t, 31, 1);
	first = reclaim_policy;
	for (unsigned n = 0; n < ARRAY_SIZE(names); n++) {
		struct paper *w = &paper;
		unsigned long sum = 0;

		EXPECT_EQ(t, reclaim_policy_pick(names[n]), 0);
		EXPECT_STR(t, reclaim_policy->name, names[n]);
		memset(w, 0, sizeof(*w));
		reclaim_policy->init(&w->l, true);
		for (unsigned i = 0; i < SCAN; i++) {
			paper_touch(t, w, (int)(i % HOT));
			paper_touch(t, w, (int)(HOT + i));
		}
		for (unsigned k = 0; k < LRU_LEVELS; k++)
			sum += w->l.nr[k];
		EXPECT_EQ(t, sum, FRAMES);
		EXPECT_EQ(t, w->total, FRAMES);
		if (w->refaults > HOT + HOT / 4)
			t_fail(t, __FILE__, __LINE__, "%s: %u refaults of %u pages in use", names[n], w->refaults - HOT, HOT);
	}
	EXPECT_EQ(t, reclaim_policy_pick("no such"), -EINVAL);
	reclaim_policy = first;
}

static void paper_unlink(struct paper *w, int page)
{
	for (unsigned k = 0; k < LRU_LEVELS; k++)
		for (unsigned i = 0; i < w->l.nr[k]; i++)
			if (w->list[k][i] == page) {
				memmove(&w->list[k][i], &w->list[k][i + 1], (--w->l.nr[k] - i) * sizeof(int));
				return;
			}
}

/* A page of a file, by read(2): lru_mark_accessed() on paper. */
static void paper_read(struct t *t, struct paper *w, int page)
{
	paper_touch(t, w, page);
	w->used[page] = false;
	if (!w->marked[page]) {
		w->marked[page] = true;
	} else if (!w->active[page]) {
		paper_unlink(w, page);
		w->active[page] = true;
		w->marked[page] = false;
		paper_push(w, page);
	}
}

/* A hot set of a file stays while as many pages as there is room for beside it are read once, again and again. */
TEST(reclaim, policies_pass_a_scan_by)
{
	const struct reclaim_policy *first;
	static const char *const names[] = { "generations", "lists", "second-chance" };

	t_machine(t, 31, 1);
	first = reclaim_policy;
	for (unsigned n = 0; n < ARRAY_SIZE(names); n++) {
		struct paper *w = &paper;
		unsigned next = HOT;

		EXPECT_EQ(t, reclaim_policy_pick(names[n]), 0);
		memset(w, 0, sizeof(*w));
		reclaim_policy->init(&w->l, false);
		for (unsigned i = 0; i < 3 * HOT; i++)
			paper_read(t, w, (int)(i % HOT));
		while (next < SCAN) {
			for (unsigned i = 0; i < FRAMES - HOT; i++)
				paper_read(t, w, (int)next++);
			for (unsigned i = 0; i < HOT; i++)
				paper_read(t, w, (int)i);
		}
		if (w->refaults > HOT)
			t_fail(t, __FILE__, __LINE__, "%s: %u refaults of %u pages in use", names[n], w->refaults - HOT, HOT);
	}
	reclaim_policy = first;
}
