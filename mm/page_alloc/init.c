/*
 * init.c - from memblock's ranges to zones, struct pages and the buddy lists.
 *
 * The page array is backed for every 4 MiB block (the largest buddy block) that holds any RAM, so that looking at a block's
 * buddy never needs a check. Its memory arrives cleared, and a cleared struct page describes a free page inside a
 * larger block: start-up touches only the first page of each free block and the reserved frames.
 */
#include <arch/mmu.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include <mm/reclaim.h>
#include <mm/memblock.h>
#include "../ledger/charge.h"
#include "internal.h"

#define BLOCK_PAGES	(1UL << MAX_ORDER)
#define DMA_END_PFN	((pfn_t)(MIB(16) >> PAGE_SHIFT))
#define DMA32_END_PFN	((pfn_t)(GIB(4) >> PAGE_SHIFT))

struct zone zones[NR_ZONES] = {
	[ZONE_DMA]	= { .name = "DMA" },
	[ZONE_DMA32]	= { .name = "DMA32" },
	[ZONE_NORMAL]	= { .name = "Normal" },
};
const struct page *zones_dma_end, *zones_dma32_end;
unsigned long sysctl_min_free_kbytes;
int sysctl_watermark_scale_factor = 10;

static unsigned long *block_map;	/* bit per BLOCK_PAGES frames: the page array is backed there */
static pfn_t max_pfn;
static unsigned long ram_pages;

bool page_array_backed(pfn_t pfn)
{
	unsigned long b = pfn / BLOCK_PAGES;

	return pfn < max_pfn && (block_map[b / BITS_PER_LONG] >> (b % BITS_PER_LONG) & 1);
}

bool pfn_valid(pfn_t pfn)
{
	return page_array_backed(pfn) && pfn_to_page(pfn)->account != PAGE_NO_RAM;
}

pfn_t page_max_pfn(void)
{
	return max_pfn;
}

unsigned long nr_ram_pages(void)
{
	return ram_pages;
}

unsigned long nr_total_pages(void)
{
	unsigned long n = 0;

	for (unsigned i = 0; i < NR_ZONES; i++)
		n += zones[i].managed_pages;
	return n;
}

static void zone_init(struct zone *z, pfn_t start, pfn_t end)
{
	spin_lock_init(&z->lock, z->name, LOCK_ZONE);
	z->start_pfn = start;
	z->end_pfn = max(start, min(end, max_pfn));
	z->present_pages = z->managed_pages = 0;
	atomic_set(&z->nr_free, 0);
	for (unsigned o = 0; o < NR_ORDERS; o++)
		for (unsigned m = 0; m < NR_MIGRATETYPES; m++) {
			list_init(&z->free[o][m]);
			z->nr_free_blocks[o][m] = 0;
		}
}

static void zones_init(void)
{
	zone_init(&zones[ZONE_DMA], 0, DMA_END_PFN);
	zone_init(&zones[ZONE_DMA32], DMA_END_PFN, DMA32_END_PFN);
	zone_init(&zones[ZONE_NORMAL], DMA32_END_PFN, max_pfn);
	zones_dma_end = pfn_to_page(DMA_END_PFN);
	zones_dma32_end = pfn_to_page(DMA32_END_PFN);
}

/* Back the page array wherever there is RAM. */
static void map_page_array(void)
{
	struct memblock_range r;
	paddr_t cursor = 0;
	pfn_t done = 0;

	while (memblock_next(&cursor, &r)) {
		pfn_t start = max(done, (pfn_t)(r.start >> PAGE_SHIFT) & ~(BLOCK_PAGES - 1));
		pfn_t end = ALIGN_UP((pfn_t)(r.end >> PAGE_SHIFT), BLOCK_PAGES);

		if (start >= end)
			continue;
		/* a 4 KiB page of the array describes 64 frames: blocks begin on its page borders */
		arch_vmemmap_map((vaddr_t)pfn_to_page(start), PAGE_ALIGN((vaddr_t)pfn_to_page(end)));
		for (pfn_t b = start / BLOCK_PAGES; b < end / BLOCK_PAGES; b++)
			block_map[b / BITS_PER_LONG] |= 1UL << (b % BITS_PER_LONG);
		done = end;
	}
}

/* Frames of backed blocks with no RAM behind them. */
static void mark_hole(pfn_t start, pfn_t end)
{
	for (pfn_t p = start; p < end; p++) {
		if (!page_array_backed(p)) {
			p |= BLOCK_PAGES - 1;
			continue;
		}
		pfn_to_page(p)->account = PAGE_NO_RAM;
		pfn_to_page(p)->flags = BIT(PG_RESERVED);
	}
}

static void reserve_range(const struct memblock_range *r)
{
	for (pfn_t p = r->start >> PAGE_SHIFT; p < r->end >> PAGE_SHIFT; p++) {
		struct page *page = pfn_to_page(p);

		page->flags = BIT(PG_RESERVED);
		page->account = (u8)r->account;
		atomic_set(&page->refcount, 1);
	}
}

static void count_present(const struct memblock_range *r)
{
	for (unsigned i = 0; i < NR_ZONES; i++) {
		pfn_t lo = max((pfn_t)(r->start >> PAGE_SHIFT), zones[i].start_pfn);
		pfn_t hi = min((pfn_t)(r->end >> PAGE_SHIFT), zones[i].end_pfn);

		if (lo < hi)
			zones[i].present_pages += hi - lo;
	}
}

/* Each range to its account; free ones to the buddy. */
static void hand_over(void)
{
	struct memblock_range r;
	paddr_t cursor = 0;
	pfn_t last = 0;

	while (memblock_next(&cursor, &r)) {
		mark_hole(last, r.start >> PAGE_SHIFT);
		last = r.end >> PAGE_SHIFT;
		ram_pages += (r.end - r.start) >> PAGE_SHIFT;
		count_present(&r);
		ledger_books.account[r.account].frames += (long)((r.end - r.start) >> PAGE_SHIFT);
		if (r.account == ACCT_FREE)
			buddy_give_range(r.start >> PAGE_SHIFT, r.end >> PAGE_SHIFT);
		else
			reserve_range(&r);
	}
	mark_hole(last, max_pfn);
}

static unsigned long int_sqrt(unsigned long x)
{
	unsigned long r = 0;

	for (unsigned long bit = 1UL << (BITS_PER_LONG - 2); bit; bit >>= 2)
		if (x >= r + bit) {
			x -= r + bit;
			r = (r >> 1) + bit;
		} else {
			r >>= 1;
		}
	return r;
}

/* min is each zone's share of min_free_kbytes; low and high lie a quarter of it, or watermark_scale_factor of the zone, above each other. */
void zones_set_watermarks(void)
{
	unsigned long total = max(nr_total_pages(), 1UL), above = 0;
	unsigned long min_pages = sysctl_min_free_kbytes >> (PAGE_SHIFT - 10);

	for (unsigned i = 0; i < NR_ZONES; i++) {
		struct zone *z = &zones[i];
		unsigned long mark = (unsigned long)((u64)min_pages * z->managed_pages / total);
		unsigned long step = max(mark / 4, z->managed_pages * (unsigned long)sysctl_watermark_scale_factor / 10000);

		z->watermark[WMARK_MIN] = mark;
		z->watermark[WMARK_LOW] = mark + step;
		z->watermark[WMARK_HIGH] = mark + 2 * step;
	}
	for (unsigned i = NR_ZONES; i-- > 0; ) {	/* lowmem_reserve_ratio 256 */
		zones[i].lowmem_reserve[i] = 0;
		above = 0;
		for (unsigned from = i + 1; from < NR_ZONES; from++) {
			above += zones[from].managed_pages;
			zones[i].lowmem_reserve[from] = above / 256;
		}
	}
}

void page_alloc_init(void)
{
	u64 blocks;

	max_pfn = memblock_end_of_ram() >> PAGE_SHIFT;
	max_pfn = ALIGN_UP(max_pfn, BLOCK_PAGES);
	ram_pages = 0;
	blocks = DIV_ROUND_UP(max_pfn / BLOCK_PAGES, BITS_PER_LONG) * sizeof(long);
	block_map = phys_to_virt(memblock_alloc(blocks, 8, ACCT_PAGE_ARRAY));
	pageblock_types = phys_to_virt(memblock_alloc(max_pfn >> PAGEBLOCK_ORDER, 8, ACCT_PAGE_ARRAY));
	memset(pageblock_types, MIGRATE_MOVABLE, max_pfn >> PAGEBLOCK_ORDER);
	ledger_start();
	page_wait_init();
	zones_init();
	map_page_array();
	hand_over();
	ledger_books.ram = (long)ram_pages;
	ledger_books.used = (long)ram_pages - ledger_books.account[ACCT_FREE].frames;
	ledger_note_boot();
	ledger_reset_peaks();
	/* Five eighths of Linux's square root: nothing here allocates in interrupts, and what is kept back is lost to programs. */
	sysctl_min_free_kbytes = clamp(int_sqrt(nr_total_pages() * (PAGE_SIZE / 1024) * 16) * 5 / 8, 128UL, 262144UL);
	zones_set_watermarks();
	pcp_set_batch(nr_total_pages());
	pr_info("Memory: %lu KiB free of %lu KiB\n", nr_free_pages() << (PAGE_SHIFT - 10), ram_pages << (PAGE_SHIFT - 10));
}

unsigned long page_alloc_free_reserved(paddr_t start, paddr_t end)
{
	pfn_t lo = ALIGN_UP(start, PAGE_SIZE) >> PAGE_SHIFT, hi = end >> PAGE_SHIFT;

	if (lo >= hi)
		return 0;
	for (pfn_t p = lo; p < hi; p++) {
		struct page *page = pfn_to_page(p);

		assert(page->flags & BIT(PG_RESERVED));
		ledger_page_move(page, 0, ACCT_FREE);
		page->flags = 0;
		atomic_set(&page->refcount, 0);
	}
	buddy_give_range(lo, hi);
	zones_set_watermarks();
	return hi - lo;
}
