/*
 * internal.h - between the parts of the page allocator.
 */
#ifndef MM_PAGE_ALLOC_INTERNAL_H
#define MM_PAGE_ALLOC_INTERNAL_H

#include <mm/page_alloc.h>

#define PAGEBLOCK_ORDER	9		/* migratetypes are kept per 2 MiB */
#define PAGEBLOCK_PAGES	(1UL << PAGEBLOCK_ORDER)

extern u8 *pageblock_types;

/* buddy.c. The zone's lock is held. */
struct page *buddy_take(struct zone *z, unsigned order, enum migratetype mt);	/* NULL: nothing large enough */
void buddy_give(struct zone *z, struct page *p, unsigned order);
unsigned buddy_take_from(struct zone *z, pfn_t block, unsigned nr, struct page **out);
void buddy_give_range(pfn_t start, pfn_t end);		/* takes the lock itself */

/* Room for 2^order pages above `mark`, for a request that could have been served from zone `from`? */
bool zone_has(const struct zone *z, unsigned long mark, unsigned order, enum zone_type from);

/* pcp.c */
#define PCP_CAPACITY	63		/* with the count: 512 bytes */
struct pcp {
	unsigned long	count;
	struct page	*pages[PCP_CAPACITY];
};
struct pcp_set {
	struct pcp	of[NR_MIGRATETYPES];
	bool		drain_wanted;		/* another CPU asked */
};
DECLARE_PER_CPU(struct pcp_set, pcp_set);
void pcp_set_batch(unsigned long total_pages);
unsigned long pcp_count(void);			/* pages on all CPUs' lists */

static inline enum zone_type gfp_zone(gfp_t gfp)
{
	return gfp & GFP_DMA ? ZONE_DMA : gfp & GFP_DMA32 ? ZONE_DMA32 : ZONE_NORMAL;
}
static inline enum migratetype gfp_migratetype(gfp_t gfp)
{
	return gfp & GFP_MOVABLE ? MIGRATE_MOVABLE : gfp & GFP_RECLAIMABLE ? MIGRATE_RECLAIMABLE : MIGRATE_UNMOVABLE;
}

/* Up to nr single pages of the pageblock that begins at `block`, of account ACCT_ANON, the machine's: for compaction. */
unsigned page_alloc_from_block(struct zone *z, pfn_t block, unsigned nr, struct page **out);

/* slow.c: nr pages (order 0) or one block, with everything gfp allows. Returns how many it got. */
unsigned page_alloc_slow(gfp_t gfp, unsigned order, unsigned nr, struct page **out);
/* One pass over the zones; alloc_flags say how deep the watermarks may be ignored. */
enum alloc_flags { ALLOC_LOW = 1, ALLOC_MIN = 2, ALLOC_HARDER = 3, ALLOC_NO_WATERMARKS = 4 };
unsigned zones_take(gfp_t gfp, unsigned order, unsigned nr, enum alloc_flags how, struct page **out);

#endif
