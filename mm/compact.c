/*
 * compact.c - free frames come together, so that large blocks can be had.
 *
 * SHAPE       per zone two scanners that walk towards each other: pages in use move from the bottom into free frames from the top.
 *             What is left below merges in the buddy allocator.
 * WHO         /proc/sys/vm/compact_memory: everything. An allocation of several frames, when enough are free but not together: until
 *             such a block is there.
 * COUNTED     compact_* of /proc/vmstat as Linux has them; a stall is one such allocation.
 * LOCKS       compact_mutex: one at a time; whoever allocates does not wait for it. The zone's lock for the free frames.
 * NOT CHOSEN  a kcompactd: what allocates large blocks here can do with small ones (kvmalloc).
 */
#include "internal.h"

#include <kernel/sched.h>
#include <mm/reclaim.h>
#include "migrate.h"
#include "page_alloc/internal.h"

#define BATCH	MIGRATE_BATCH

int sysctl_compact_unevictable_allowed = 1;
static struct mutex compact_mutex = MUTEX_INIT(compact_mutex, "compact", LOCK_SLEEP_LEAF);

struct compaction {
	struct zone	*z;
	unsigned	order;		/* wanted; NR_ORDERS: all that can be had */
	pfn_t		low, high;	/* blocks below and from these on are done */
	unsigned	nr_free;
	struct page	*free[BATCH];
};

/* Free frames from the highest block that has some. False: the scanners met. */
static bool fill(struct compaction *c)
{
	while (!c->nr_free && c->high >= c->low + 2 * PAGEBLOCK_PAGES) {
		pfn_t block = c->high - PAGEBLOCK_PAGES;

		if (page_array_backed(block))
			c->nr_free = page_alloc_from_block(c->z, block, BATCH, c->free);
		vm_event_add(COMPACT_FREE_SCANNED, (long)PAGEBLOCK_PAGES);
		if (c->nr_free < BATCH)
			c->high = block;
	}
	return c->nr_free;
}

static void give_back(struct compaction *c)
{
	if (c->nr_free)
		page_put_bulk(c->free, c->nr_free);
	c->nr_free = 0;
	page_alloc_drain_local();
}

static bool may_move(const struct page *p)
{
	return page_test(p, PG_LRU) && (sysctl_compact_unevictable_allowed || !page_test(p, PG_UNEVICTABLE));
}

/* Pages of the block that may move, from *pfn on: as many as there are free frames. */
static unsigned isolate(struct compaction *c, pfn_t *pfn, pfn_t end, struct page **pages)
{
	unsigned n = 0;

	for (; *pfn < end && n < c->nr_free; ++*pfn) {
		struct page *p = pfn_to_page(*pfn);

		if (may_move(p) && lru_isolate_page(p))
			pages[n++] = p;
	}
	vm_event_add(COMPACT_ISOLATED, n);
	return n;
}

/* Everything that can leave the block leaves it. False: no free frames for it. */
static bool evacuate(struct compaction *c, pfn_t block)
{
	for (pfn_t pfn = block; pfn < block + PAGEBLOCK_PAGES; ) {
		struct page *pages[BATCH];
		unsigned n, left = 0;
		u32 moved;

		if (!may_move(pfn_to_page(pfn))) {
			pfn++;
			continue;
		}
		if (!c->nr_free && !fill(c))
			return false;
		n = isolate(c, &pfn, block + PAGEBLOCK_PAGES, pages);
		if (!n)
			continue;
		moved = migrate_pages(pages, c->free, n);
		for (unsigned i = 0; i < c->nr_free; i++)
			if (i >= n || !(moved & BIT(i)))
				c->free[left++] = c->free[i];
		c->nr_free = left;
	}
	vm_event_add(COMPACT_MIGRATE_SCANNED, (long)PAGEBLOCK_PAGES);
	return true;
}

static bool done(const struct compaction *c)
{
	return c->order < NR_ORDERS && zone_has(c->z, c->z->watermark[WMARK_MIN], c->order, (enum zone_type)(c->z - zones));
}

/* Frames that move must not take the last free ones. */
static bool enough_free(const struct zone *z)
{
	return atomic_read(&z->nr_free) > (long)z->watermark[WMARK_LOW] + 2 * BATCH;
}

static bool compact_zone(struct zone *z, unsigned order)
{
	struct compaction c = { .z = z, .order = order, .low = z->start_pfn & ~(PAGEBLOCK_PAGES - 1),
				.high = (z->end_pfn + PAGEBLOCK_PAGES - 1) & ~(PAGEBLOCK_PAGES - 1) };

	while (c.low + PAGEBLOCK_PAGES < c.high && enough_free(z) && !done(&c) && !fatal_signal_pending()) {
		bool more = !page_array_backed(c.low) || evacuate(&c, c.low);

		give_back(&c);			/* nothing is in our hands while others run */
		cond_resched();
		if (!more)
			break;
		c.low += PAGEBLOCK_PAGES;
	}
	return done(&c);
}

void compact_memory(void)
{
	mutex_lock(&compact_mutex);
	page_alloc_drain_all();
	for (unsigned i = 0; i < NR_ZONES; i++)
		if (zones[i].managed_pages)
			compact_zone(&zones[i], NR_ORDERS);
	mutex_unlock(&compact_mutex);
}

/* For an allocation: true when there is such a block now. */
static bool compact_for(gfp_t gfp, unsigned order)
{
	bool got = false;

	if (!mutex_trylock(&compact_mutex))
		return false;
	vm_event_add(COMPACT_STALL, 1);
	page_alloc_drain_all();
	for (int i = (int)gfp_zone(gfp); i >= 0 && !got; i--)
		got = zones[i].managed_pages && compact_zone(&zones[i], order);
	mutex_unlock(&compact_mutex);
	vm_event_add(got ? COMPACT_SUCCESS : COMPACT_FAIL, 1);
	return got;
}

void compact_init(void)
{
	page_compact = compact_for;
}
