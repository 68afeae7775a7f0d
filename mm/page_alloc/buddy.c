/*
 * buddy.c - blocks of 2^order frames: split to serve, merge when freed.
 *
 * WHY         contiguous frames of any power of two up to 4 MiB, in a time that does not depend on memory size.
 * SHAPE       zone -> free[order][migratetype] -> first struct page of each free block, by lru.
 * MIGRATETYPE each 2 MiB pageblock belongs to unmovable, reclaimable or movable memory, so that what stays for good does
 *             not end up everywhere. A type that runs dry takes over the largest block of another, and with it the
 *             pageblock when that is mostly free.
 * INVARIANTS  B1 a free block is aligned to its size and lies in one zone.  B2 its first page has PG_BUDDY and
 *             private = order, no other page of it has.  B3 two free buddies of one order never exist.
 *             B4 nr_free = sum over the lists.                                   [page_alloc_validate()]
 * LOCKS       zone->lock (LOCK_ZONE) for lists and counts.
 * LINUX       same orders, pageblocks and fallback order; no CMA, no isolation.
 */
#include <kernel/panic.h>
#include "internal.h"

static const enum migratetype fallback[NR_MIGRATETYPES][2] = {
	[MIGRATE_UNMOVABLE]	= { MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE },
	[MIGRATE_RECLAIMABLE]	= { MIGRATE_UNMOVABLE, MIGRATE_MOVABLE },
	[MIGRATE_MOVABLE]	= { MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE },
};

u8 *pageblock_types;		/* by frame number / PAGEBLOCK_PAGES; under the zone's lock */

static inline u8 *block_type(const struct page *p)
{
	return &pageblock_types[page_to_pfn(p) >> PAGEBLOCK_ORDER];
}

static inline void list_block(struct zone *z, struct page *p, unsigned order, enum migratetype mt)
{
	p->private = order;
	WRITE_ONCE(p->flags, p->flags | BIT(PG_BUDDY));
	list_push(&z->free[order][mt], &p->lru);
	z->nr_free_blocks[order][mt]++;
}

/* The list a block is on is its pageblock's; blocks larger than that all have the type of their first. */
static inline void unlist_block(struct zone *z, struct page *p, unsigned order)
{
	WRITE_ONCE(p->flags, p->flags & ~BIT(PG_BUDDY));
	list_remove(&p->lru);
	z->nr_free_blocks[order][*block_type(p)]--;
}

/*
 * Is b, the neighbour, a free block of this order? It may be in use by anybody, who writes its flags at will; but only free pages have
 * PG_BUDDY, and those change under the zone's lock, which we hold.
 */
static races_by_design bool is_free_block(const struct zone *z, const struct page *b, unsigned order)
{
	return (b->flags & BIT(PG_BUDDY)) && b->private == order && page_zone(b) == z;
}

void buddy_give(struct zone *z, struct page *p, unsigned order)
{
	pfn_t pfn = page_to_pfn(p);

	debug_assert(!(pfn & ((1UL << order) - 1)));
	atomic_set(&z->nr_free, atomic_read(&z->nr_free) + (1L << order));
	for (; order < MAX_ORDER; order++) {
		pfn_t other = pfn ^ (1UL << order);
		struct page *b = pfn_to_page(other);

		if (!is_free_block(z, b, order))
			break;
		unlist_block(z, b, order);
		pfn &= other;
	}
	p = pfn_to_page(pfn);
	list_block(z, p, order, *block_type(p));
}

/* Give the upper halves back until the block has the order wanted. Inside one pageblock all have type mt. */
static void split(struct zone *z, struct page *p, unsigned have, unsigned want, enum migratetype mt)
{
	while (have > want) {
		struct page *upper = p + (1UL << --have);

		list_block(z, upper, have, have >= PAGEBLOCK_ORDER ? *block_type(upper) : mt);
	}
}

/* Every free block of the pageblock goes to the lists of `mt`. Returns the pages moved. */
static unsigned long move_free_blocks(struct zone *z, struct page *head, enum migratetype mt)
{
	unsigned long moved = 0, i = 0;

	while (i < PAGEBLOCK_PAGES) {
		struct page *p = head + i;
		unsigned order;

		if (!(READ_ONCE(p->flags) & BIT(PG_BUDDY)) || page_zone(p) != z) {
			i++;
			continue;
		}
		order = (unsigned)p->private;
		unlist_block(z, p, order);
		p->flags |= BIT(PG_BUDDY);
		list_push(&z->free[order][mt], &p->lru);
		z->nr_free_blocks[order][mt]++;
		i += 1UL << order;
		moved += 1UL << order;
	}
	return moved;
}

static unsigned long count_free(struct zone *z, struct page *head)
{
	unsigned long n = 0, i = 0;

	while (i < PAGEBLOCK_PAGES) {
		if (!(READ_ONCE(head[i].flags) & BIT(PG_BUDDY)) || page_zone(head + i) != z) {
			i++;
			continue;
		}
		n += 1UL << head[i].private;
		i += 1UL << head[i].private;
	}
	return n;
}

/*
 * `p`, a free block of the given order on another type's list, is about to serve `mt`. Take its pageblocks over when it
 * covers them, or when at least half of the one it lies in is free. The type p is listed under afterwards.
 */
static enum migratetype claim(struct zone *z, struct page *p, unsigned order, enum migratetype mt)
{
	struct page *head = pfn_to_page(page_to_pfn(p) & ~(PAGEBLOCK_PAGES - 1));

	if (order >= PAGEBLOCK_ORDER) {
		unlist_block(z, p, order);
		for (unsigned long i = 0; i < 1UL << order; i += PAGEBLOCK_PAGES)
			*block_type(p + i) = (u8)mt;
		list_block(z, p, order, mt);
		return mt;
	}
	if (count_free(z, head) >= PAGEBLOCK_PAGES / 2) {
		move_free_blocks(z, head, mt);
		*block_type(p) = (u8)mt;
	}
	return *block_type(p);
}

static struct page *take_own(struct zone *z, unsigned order, enum migratetype mt)
{
	for (unsigned o = order; o < NR_ORDERS; o++) {
		struct page *p = list_first_entry(&z->free[o][mt], struct page, lru);

		if (!p)
			continue;
		unlist_block(z, p, o);
		split(z, p, o, order, mt);
		return p;
	}
	return NULL;
}

/* Largest first: one big bite leaves the other type's blocks whole, many small ones would not. */
static struct page *take_other(struct zone *z, unsigned order, enum migratetype mt)
{
	for (unsigned o = NR_ORDERS; o-- > order; )
		for (unsigned i = 0; i < 2; i++) {
			struct page *p = list_first_entry(&z->free[o][fallback[mt][i]], struct page, lru);

			if (!p)
				continue;
			if (claim(z, p, o, mt) == mt)
				return take_own(z, order, mt);
			unlist_block(z, p, o);
			split(z, p, o, order, fallback[mt][i]);
			return p;
		}
	return NULL;
}

struct page *buddy_take(struct zone *z, unsigned order, enum migratetype mt)
{
	struct page *p = take_own(z, order, mt);

	if (!p)
		p = take_other(z, order, mt);
	if (p)
		atomic_set(&z->nr_free, atomic_read(&z->nr_free) - (1L << order));
	return p;
}

/* Up to nr single frames out of the free blocks of a pageblock of movable memory. Whole free blocks of that size are left alone. */
unsigned buddy_take_from(struct zone *z, pfn_t block, unsigned nr, struct page **out)
{
	struct page *head = pfn_to_page(block);
	unsigned n = 0;

	if (*block_type(head) != MIGRATE_MOVABLE)
		return 0;
	for (unsigned long i = 0; i < PAGEBLOCK_PAGES && n < nr; ) {
		struct page *p = head + i;
		unsigned order;

		if (!(READ_ONCE(p->flags) & BIT(PG_BUDDY)) || page_zone(p) != z) {
			i++;
			continue;
		}
		order = (unsigned)p->private;
		i += 1UL << order;
		if (order >= PAGEBLOCK_ORDER)
			continue;
		unlist_block(z, p, order);
		atomic_set(&z->nr_free, atomic_read(&z->nr_free) - (1L << order));
		for (unsigned long k = 0; k < 1UL << order; k++)
			if (n < nr)
				out[n++] = p + k;
			else
				buddy_give(z, p + k, 0);
	}
	return n;
}

/* Any range of frames inside one zone, as the largest aligned blocks. */
static void give_in_zone(struct zone *z, pfn_t start, pfn_t end)
{
	spin_lock(&z->lock);
	while (start < end) {
		unsigned order = start ? min((unsigned)__builtin_ctzl(start), (unsigned)MAX_ORDER) : MAX_ORDER;

		while (start + (1UL << order) > end)
			order--;
		buddy_give(z, pfn_to_page(start), order);
		z->managed_pages += 1UL << order;
		start += 1UL << order;
	}
	spin_unlock(&z->lock);
}

void buddy_give_range(pfn_t start, pfn_t end)
{
	for (unsigned i = 0; i < NR_ZONES; i++) {
		pfn_t lo = max(start, zones[i].start_pfn), hi = min(end, zones[i].end_pfn);

		if (lo < hi)
			give_in_zone(&zones[i], lo, hi);
	}
}

void zone_pageblocks(struct zone *z, unsigned long out[NR_MIGRATETYPES])
{
	for (unsigned m = 0; m < NR_MIGRATETYPES; m++)
		out[m] = 0;
	for (pfn_t pfn = z->start_pfn; pfn < z->end_pfn; pfn += PAGEBLOCK_PAGES)
		if (page_array_backed(pfn))
			out[pageblock_types[pfn >> PAGEBLOCK_ORDER]]++;
}
