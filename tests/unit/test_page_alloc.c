/*
 * test_page_alloc.c - zones, the buddy allocator, per-CPU stacks.
 */
#include <kernel/cpu.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include "unit.h"

/* Goal: a fresh machine's books close and every frame that is nobody's can be had. */
TEST(page_alloc, start)
{
	struct page *p, *list = NULL;
	unsigned long n = 0;

	t_machine(t, 15, 1);
	EXPECT_EQ(t, nr_ram_pages(), 4000);
	t_audit(t);
	while ((p = page_alloc(GFP_KERNEL | GFP_NOWARN, 0, ACCT_DEVICE))) {
		p->private = (unsigned long)list;
		list = p;
		n++;
	}
	EXPECT(t, n > nr_total_pages() - zones[ZONE_DMA].watermark[WMARK_MIN] - 2 * 64);
	EXPECT_EQ(t, ledger_frames(ACCT_DEVICE), n);
	while ((p = list)) {
		list = (struct page *)p->private;
		p->private = 0;
		page_put(p);
	}
	EXPECT_EQ(t, ledger_frames(ACCT_DEVICE), 0);
#ifndef NO_LEDGER
	EXPECT_EQ(t, ledger_peak(ACCT_DEVICE), n);
	EXPECT(t, (long)n - ledger_at_machine_peak(ACCT_DEVICE) <= 8);	/* reclaim may trade an empty slab for the last ones */
#endif
}

/* Goal: blocks are aligned, distinct, and everything merges again.
 * Method: random allocations and frees of all orders; each block is filled with its own number and checked. */
TEST(page_alloc, orders)
{
	struct { struct page *p; unsigned order; u32 stamp; } held[64] = { 0 };
	unsigned long free_before;

	t_machine(t, 63, 1);
	page_alloc_drain_all();
	free_before = zones[ZONE_DMA].nr_free_blocks[MAX_ORDER][MIGRATE_MOVABLE] +
		      zones[ZONE_DMA32].nr_free_blocks[MAX_ORDER][MIGRATE_MOVABLE];
	for (unsigned i = 0; i < 20000; i++) {
		unsigned k = t_random() % 64;

		if (held[k].p) {
			u32 *w = page_address(held[k].p);

			EXPECT_EQ(t, w[0], held[k].stamp);
			EXPECT_EQ(t, w[(PAGE_SIZE << held[k].order) / 4 - 1], held[k].stamp);
			page_put(held[k].p);
			held[k].p = NULL;
			continue;
		}
		held[k].order = t_random() % 3 ? t_random() % 4 : t_random() % NR_ORDERS;
		held[k].stamp = (u32)t_random();
		held[k].p = page_alloc((t_random() & 1 ? GFP_USER : GFP_KERNEL) | GFP_NOWARN, held[k].order, ACCT_DEVICE);
		if (held[k].p) {
			u32 *w = page_address(held[k].p);

			EXPECT(t, !(page_to_pfn(held[k].p) & ((1UL << held[k].order) - 1)));
			w[0] = w[(PAGE_SIZE << held[k].order) / 4 - 1] = held[k].stamp;
		}
	}
	t_audit(t);
	for (unsigned k = 0; k < 64; k++)
		if (held[k].p)
			page_free(held[k].p, held[k].order);
	page_alloc_drain_all();
	for (unsigned z = 0; z < NR_ZONES; z++)
		for (unsigned m = 0; m < NR_MIGRATETYPES; m++)
			free_before -= zones[z].nr_free_blocks[MAX_ORDER][m];
	EXPECT_EQ(t, free_before, 0);
}

#ifdef __LP64__		/* there is memory above 4 GiB: beyond a 32-bit direct map */
TEST(page_alloc, zones)
{
	struct host_config c = { .ram = { { 0, KIB(640) }, { MIB(1), MIB(31) }, { GIB(4), MIB(32) } } };
	struct page *dma, *dma32, *any;

	host_start(&c);
	EXPECT_EQ(t, zones[ZONE_DMA].present_pages, 160 + 15 * 256);
	EXPECT_EQ(t, zones[ZONE_DMA32].present_pages, 16 * 256);
	EXPECT_EQ(t, zones[ZONE_NORMAL].present_pages, 32 * 256);
	dma = page_alloc(GFP_KERNEL | GFP_DMA, 0, ACCT_DEVICE);
	dma32 = page_alloc(GFP_KERNEL | GFP_DMA32, 2, ACCT_DEVICE);
	any = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
	EXPECT(t, page_to_phys(dma) < MIB(16));
	EXPECT(t, page_to_phys(dma32) >= MIB(16) && page_to_phys(dma32) < GIB(4));
	EXPECT(t, page_to_phys(any) >= GIB(4));
	EXPECT(t, !pfn_valid(GIB(2) >> PAGE_SHIFT));
	EXPECT(t, !pfn_valid(0xa0) && pfn_valid(0x9f) && pfn_valid(0x100));
	page_put(dma);
	page_put(dma32);
	page_put(any);
}
#endif

TEST(page_alloc, fresh_page_state)
{
	struct page *p;

	t_machine(t, 15, 1);
	p = page_alloc(GFP_KERNEL | GFP_ZERO, 0, ACCT_DEVICE);
	EXPECT(t, !mem_find_other(page_address(p), 0, PAGE_SIZE));
	memset(page_address(p), 1, PAGE_SIZE);
	page_set(p, PG_DIRTY);
	p->mapping = (void *)p;
	p->index = 5;
	page_put(p);
	p = page_alloc(GFP_KERNEL | GFP_ZERO, 0, ACCT_DEVICE);	/* the same, it was freed last */
	EXPECT(t, !mem_find_other(page_address(p), 0, PAGE_SIZE));
	EXPECT_EQ(t, p->flags, 0);
	EXPECT(t, !p->mapping);
	EXPECT_EQ(t, page_refs(p), 1);
	EXPECT_EQ(t, page_mapcount(p), 0);
	page_put(p);
}

TEST(page_alloc, bulk)
{
	struct page *p[100], *kept;
	unsigned n;

	t_machine(t, 15, 1);
	n = page_alloc_bulk(GFP_USER | GFP_ZERO, ACCT_DEVICE, 100, p);
	EXPECT_EQ(t, n, 100);
	EXPECT_EQ(t, ledger_frames(ACCT_DEVICE), 100);
	page_get(p[3]);
	page_get(p[50]);
	page_put_bulk((struct page *[]){ p[3] }, 1);
	EXPECT_EQ(t, page_refs(p[3]), 1);
	kept = p[50];
	page_put_bulk(p, n);
	EXPECT_EQ(t, ledger_frames(ACCT_DEVICE), 1);
	page_put(kept);
}

TEST(page_alloc, compound)
{
	struct page *p;

	t_machine(t, 15, 1);
	p = page_alloc(GFP_KERNEL, 3, ACCT_DEVICE);
	EXPECT(t, page_test(p, PG_HEAD));
	for (unsigned i = 0; i < 8; i++) {
		EXPECT(t, page_head(p + i) == p);
		EXPECT_EQ(t, p[i].account, ACCT_DEVICE);
	}
	page_get(p);
	page_put(p);
	EXPECT_EQ(t, ledger_frames(ACCT_DEVICE), 8);
	page_put(p);
	EXPECT_EQ(t, ledger_frames(ACCT_DEVICE), 0);
}

static void free_twice(void *p)
{
	page_put(p);
	atomic_set(&((struct page *)p)->refcount, 1);
	page_put(p);
}

static void free_referenced(void *p)
{
	page_get(p);
	page_free(p, 0);
}

TEST(page_alloc, bad_free)
{
	struct page *p;

	t_machine(t, 15, 1);
	p = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
	EXPECT_PANIC(t, free_twice, p);
	EXPECT_PANIC(t, free_referenced, p);
	page_put(p);
}

/* Goal: unmovable pages stay together: a movable-heavy load leaves whole blocks for them to take, not crumbs. */
TEST(page_alloc, migratetypes)
{
	struct page *movable[4000], *fixed[64];
	unsigned n = 0, blocks = 0, k;
	u8 seen[64] = { 0 };

	t_machine(t, 31, 1);
	while (n < 4000 && (movable[n] = page_alloc(GFP_USER | GFP_NOWARN, 0, ACCT_DEVICE)))
		n++;
	for (k = 0; k < 64; k++)
		fixed[k] = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
	for (k = 0; k < 64; k++) {
		unsigned b = (unsigned)(page_to_pfn(fixed[k]) >> 9);

		blocks += !seen[b % 64];
		seen[b % 64] = 1;
	}
	EXPECT(t, blocks <= 2);
	page_put_bulk(fixed, 64);
	page_put_bulk(movable, n);
}

static struct page *shared[4][256];

static void churn(unsigned cpu, void *arg)
{
	u64 seed = cpu + 1;

	for (unsigned i = 0; i < 4000; i++) {
		unsigned k = (seed = seed * 6364136223846793005ull + 1442695040888963407ull) >> 33 & 1023;
		struct page **slot = &shared[k & 3][k >> 2];
		struct page *mine = page_alloc(k & 1 ? GFP_USER : GFP_KERNEL, k % 7 ? 0 : 2, ACCT_DEVICE), *old;

		if (!mine)
			continue;
		*(u64 *)page_address(mine) = page_to_pfn(mine);
		old = xchg(slot, mine);		/* somebody else's, perhaps: freed on another CPU than it came from */
		if (old && *(u64 *)page_address(old) == page_to_pfn(old))
			page_put(old);
		else if (old)
			panic("page changed while held");
	}
	page_alloc_drain_local();
}

TEST(page_alloc, many_cpus)
{
	t_machine(t, 63, 4);
	host_on_cpus(4, churn, NULL);
	t_audit(t);
	for (unsigned i = 0; i < 1024; i++)
		if (shared[i & 3][i >> 2])
			page_put(shared[i & 3][i >> 2]);
	EXPECT_EQ(t, ledger_frames(ACCT_DEVICE), 0);
}

TEST(page_alloc, free_reserved)
{
	struct host_config c = { .ram = { { 0, KIB(640) }, { MIB(1), MIB(15) } } };
	unsigned long before;
	long reserved;

	host_start(&c);
	before = nr_free_pages();
	reserved = ledger_frames(ACCT_RESERVED);
	EXPECT_EQ(t, page_alloc_free_reserved(100, PAGE_SIZE), 0);	/* not one whole page */
	EXPECT_EQ(t, page_alloc_free_reserved(0, PAGE_SIZE), 1);
	EXPECT_EQ(t, nr_free_pages(), before + 1);
	EXPECT_EQ(t, ledger_frames(ACCT_RESERVED), reserved - 1);
}
