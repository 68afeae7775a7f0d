/*
 * reclaim.c - getting pages back when free memory runs low.
 *
 * WHO         kswapd, woken when a zone falls below its low watermark, works until all are above high; an allocation that
 *             finds a zone below min reclaims for itself (page_reclaim).
 * WHAT        pages of files: the end of the inactive list is looked at, used ones get a second chance (Linux's rules, below),
 *             mapped ones are unmapped, dirty ones written, clean ones dropped. The active list feeds the inactive one while it
 *             is the longer of the two. Then the shrinkers (dentries, inodes), then empty slabs. Anonymous pages stay until
 *             there is swap; the steps for them (rmap_unmap_all leaving swap entries) are where they will be.
 * EFFORT      rounds of rising priority look at 1/2^12 of a list, then 1/2^11 … then all of it; a round that freed enough ends it.
 * SECOND      accessed bits of mapped pages: none and never marked: reclaim. One: mark PG_REFERENCED, keep. Two, or one when
 * CHANCE      marked already, or executable: activate. A page marked but not accessed since is reclaimed.
 * RECURSION   a reclaimer carries TF_MEMALLOC: its own allocations may use the reserves and never reclaim.
 */
#include "internal.h"

#include <kernel/main.h>
#include <kernel/printk.h>
#include <mm/filemap.h>
#include <mm/memcg.h>

#define BATCH		32
#define PRIORITIES	12

static struct waitq kswapd_wait = WAITQ_INIT(kswapd_wait);
static bool kswapd_wanted, kswapd_running;

struct scan {
	gfp_t		gfp;
	unsigned	priority;
	unsigned long	freed, scanned;
	bool		may_write;
	struct memcg	*memcg;		/* only its pages; NULL: everybody's */
};

enum verdict { RECLAIM, KEEP, ACTIVATE, UNEVICTABLE };

static enum verdict judge(struct page *p)
{
	int used = page_mapcount(p) ? rmap_referenced(p) : 0;
	bool marked = page_test_and_clear(p, PG_REFERENCED);

	if (used < 0)
		return UNEVICTABLE;
	if (!used)
		return RECLAIM;
	if (marked || used > 1)
		return ACTIVATE;
	page_set(p, PG_REFERENCED);
	return KEEP;
}

/* Out of the cache, if ours and the cache's references are the only ones. Page locked. */
static bool remove_clean(struct page *p)
{
	struct address_space *m = p->mapping;
	bool gone = false;

	xa_lock(&m->pages);
	if (page_refs(p) == 2 && !page_test(p, PG_DIRTY)) {
		xa_erase_locked(&m->pages, p->index);
		m->nr_pages--;
		WRITE_ONCE(p->mapping, NULL);
		gone = true;
	}
	xa_unlock(&m->pages);
	if (!gone)
		return false;
	workingset_evicted(m, p->index);
	vm_stat_add(NR_FILE_PAGES, -1);
	if (m->ops && m->ops->free_page)
		m->ops->free_page(m, p);
	page_put(p);
	return true;
}

/* Page locked. True when only our reference is left. */
static bool try_drop(struct scan *s, struct page *p)
{
	struct address_space *m = p->mapping;

	if (page_is_anon(p) && !page_test(p, PG_SWAPBACKED)) {
		if (!page_mapcount(p) || !rmap_discard(p))
			return page_refs(p) == 1;
		return false;
	}
	if (!m || page_is_anon(p) || (m->flags & (MAPPING_UNEVICTABLE | MAPPING_NO_WRITEBACK)) || page_test(p, PG_WRITEBACK))
		return false;
	if (page_mapcount(p) && rmap_unmap_all(p))
		return false;
	if (page_test(p, PG_DIRTY)) {
		if (!s->may_write || writeback_one_locked(p))
			return false;
	}
	return remove_clean(p);
}

static void reclaim_one(struct scan *s, struct page *p)
{
	enum verdict v;

	if (unlikely(memcg_count) && !memcg_reclaimable(s->memcg, p->owner, s->priority)) {
		lru_putback(p);
		return;
	}
	if (!page_trylock(p)) {
		lru_putback(p);
		return;
	}
	v = judge(p);
	if (v == RECLAIM && try_drop(s, p)) {
		page_unlock(p);
		page_put(p);
		s->freed++;
		return;
	}
	if (v == ACTIVATE) {
		page_set(p, PG_ACTIVE);
		vm_event_add(PGACTIVATE, 1);
	}
	page_unlock(p);
	lru_putback(p);
	if (v == UNEVICTABLE)
		lru_set_unevictable(p);
}

static void take_and(struct scan *s, struct list *from, void (*fn)(struct scan *, struct page *))
{
	while (!list_empty(from)) {
		struct page *p = list_first_entry(from, struct page, lru);

		list_remove(&p->lru);
		fn(s, p);
	}
}

static void deactivate_one(struct scan *s, struct page *p)
{
	int used;

	if (unlikely(memcg_count) && !memcg_reclaimable(s->memcg, p->owner, s->priority)) {
		lru_putback(p);
		return;
	}
	used = page_mapcount(p) ? rmap_referenced(p) : 0;
	if (used <= 0) {
		page_clear(p, PG_ACTIVE);
		vm_event_add(PGDEACTIVATE, 1);
	}
	lru_putback(p);
	if (used < 0)
		lru_set_unevictable(p);
}

static void shrink_list(struct scan *s, enum zone_type z, enum lru_list l, unsigned long nr,
			void (*fn)(struct scan *, struct page *))
{
	while (nr && s->freed < BATCH) {
		struct list pages = LIST_INIT(pages);
		unsigned seen, n = lru_isolate(z, l, nr < BATCH ? (unsigned)nr : BATCH, &pages, &seen);

		if (!seen)
			return;
		s->scanned += seen;
		vm_event_add(l & 1 ? PGREFILL : PGSCAN, seen);
		(void)n;
		take_and(s, &pages, fn);
		nr -= min(nr, (unsigned long)seen);
	}
}

static void shrink_zone(struct scan *s, enum zone_type z)
{
	unsigned long nr[NR_LRU], want;

	lru_zone_pages(&zones[z], nr);
	if (nr[LRU_ACTIVE_FILE] > nr[LRU_INACTIVE_FILE]) {
		want = max(nr[LRU_ACTIVE_FILE] >> s->priority, min(nr[LRU_ACTIVE_FILE], (unsigned long)BATCH));
		shrink_list(s, z, LRU_ACTIVE_FILE, want, deactivate_one);
	}
	want = max(nr[LRU_INACTIVE_FILE] >> s->priority, min(nr[LRU_INACTIVE_FILE], (unsigned long)BATCH));
	shrink_list(s, z, LRU_INACTIVE_FILE, want, reclaim_one);
}

/* One round over the zones up to `top`. */
static void shrink_round(struct scan *s, enum zone_type top)
{
	for (int z = (int)top; z >= 0; z--)
		if (zones[z].managed_pages)
			shrink_zone(s, (enum zone_type)z);
	if (s->freed < BATCH || s->priority < PRIORITIES - 2)
		s->freed += shrinkers_scan(s->gfp, s->priority);
}

static unsigned long reclaim(gfp_t gfp, enum zone_type top)
{
	struct task *t = current;
	u32 had = t->flags & TF_MEMALLOC;
	struct scan s = { .gfp = gfp, .may_write = (gfp & (GFP_IO | GFP_FS)) == (GFP_IO | GFP_FS) };

	t->flags |= TF_MEMALLOC;
	for (int p = PRIORITIES; p >= 0 && s.freed < BATCH; p--) {
		s.priority = (unsigned)p;
		shrink_round(&s, top);
	}
	if (s.freed < BATCH)
		s.freed += slab_shrink_all();
	vm_event_add(PGSTEAL, (long)s.freed);
	t->flags = (t->flags & ~TF_MEMALLOC) | had;
	return s.freed;
}

static unsigned long direct_reclaim(gfp_t gfp, unsigned order)
{
	enum zone_type top = gfp & GFP_DMA ? ZONE_DMA : gfp & GFP_DMA32 ? ZONE_DMA32 : ZONE_NORMAL;

	/* What comes straight back was not freed. Only user pages are refused: the kernel's own needs are small. */
	if ((gfp & GFP_MOVABLE) && !(gfp & GFP_NORETRY) && workingset_thrashing())
		return 0;
	return reclaim(gfp, top);
}

/* The same on behalf of one cgroup: its pages only, and no shrinkers, whose objects belong to nobody in particular. */
unsigned long reclaim_memcg(struct memcg *m, unsigned long nr, gfp_t gfp)
{
	struct task *t = current;
	u32 had = t->flags & TF_MEMALLOC;
	struct scan s = { .gfp = gfp, .may_write = (gfp & (GFP_IO | GFP_FS)) == (GFP_IO | GFP_FS), .memcg = m };
	unsigned long freed = 0;

	t->flags |= TF_MEMALLOC;
	for (int p = PRIORITIES; p >= 0 && freed < nr; p--) {
		s.priority = (unsigned)p;
		s.freed = 0;
		for (int z = NR_ZONES - 1; z >= 0; z--)
			if (zones[z].managed_pages)
				shrink_zone(&s, (enum zone_type)z);
		freed += s.freed;
	}
	vm_event_add(PGSTEAL, (long)freed);
	t->flags = (t->flags & ~TF_MEMALLOC) | had;
	return freed;
}

void reclaim_page_now(struct page *p)
{
	struct scan s = { .gfp = GFP_KERNEL, .may_write = true };

	if (!page_trylock(p))
		return;
	if (p->mapping && !page_is_anon(p) && page_refs(p) == 3) {	/* cache, one entry, the caller */
		if (try_drop(&s, p))
			vm_event_add(PGSTEAL, 1);
	}
	page_unlock(p);
}

/* ---- kswapd ------------------------------------------------------------------------------------------------ */

static bool all_zones_fine(void)
{
	for (int z = 0; z < NR_ZONES; z++)
		if (zones[z].managed_pages && !zone_watermark_ok(&zones[z], WMARK_HIGH, 0))
			return false;
	return true;
}

static void wake_kswapd(struct zone *z)
{
	if (!kswapd_running || READ_ONCE(kswapd_wanted))
		return;
	WRITE_ONCE(kswapd_wanted, true);
	waitq_wake_all(&kswapd_wait);
}

static int kswapd(void *unused_arg)
{
	for (;;) {
		unsigned fruitless = 0;

		wait_event(&kswapd_wait, READ_ONCE(kswapd_wanted));
		while (!all_zones_fine() && fruitless < 4) {
			if (workingset_thrashing() || !reclaim(GFP_KERNEL, ZONE_NORMAL))
				fruitless++;
			cond_resched();
		}
		WRITE_ONCE(kswapd_wanted, false);
	}
	return 0;
}

static int start_kswapd(void)
{
	struct task *t = kthread_create(kswapd, NULL, "kswapd0");

	if (!t)
		return -ENOMEM;
	kswapd_running = true;
	task_wake_new(t);
	return 0;
}
initcall(start_kswapd, 4);

void reclaim_init(void)
{
	workingset_init();
	page_reclaim = direct_reclaim;
	page_wake_reclaim = wake_kswapd;
}

/* Unmapped clean pages of one list go, whatever their age. */
static unsigned long drop_list(struct scan *s, enum zone_type z, enum lru_list l)
{
	unsigned long nr[NR_LRU], freed = 0;

	lru_zone_pages(&zones[z], nr);
	while (nr[l]) {
		struct list pages = LIST_INIT(pages);
		unsigned seen;

		if (!lru_isolate(z, l, BATCH, &pages, &seen))
			break;
		nr[l] -= min(nr[l], (unsigned long)seen);
		while (!list_empty(&pages)) {
			struct page *p = list_first_entry(&pages, struct page, lru);
			bool gone = false;

			list_remove(&p->lru);
			if (page_trylock(p)) {
				gone = !page_mapcount(p) && p->mapping && !page_is_anon(p) && try_drop(s, p);
				page_unlock(p);
			}
			if (gone)
				page_put(p);
			else
				lru_putback(p);
			freed += gone;
		}
		cond_resched();
	}
	return freed;
}

/* /proc/sys/vm/drop_caches: 1 pages, 2 dentries and inodes, 3 both. */
void reclaim_drop_caches(int what)
{
	if (what & 1) {
		unsigned long freed;
		struct scan s = { .gfp = GFP_KERNEL };

		vm_event_add(DROP_PAGECACHE, 1);
		for (int round = 0; round < 3; round++) {
			freed = 0;
			for (int z = 0; z < NR_ZONES; z++)
				for (int l = LRU_INACTIVE_FILE; l <= LRU_ACTIVE_FILE; l++)
					freed += drop_list(&s, (enum zone_type)z, (enum lru_list)l);
			if (!freed)
				break;
		}
	}
	if (what & 2) {
		vm_event_add(DROP_SLAB, 1);
		while (shrinkers_scan(GFP_KERNEL, 0) > 10)
			;
		slab_shrink_all();
	}
}
