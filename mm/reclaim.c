/*
 * reclaim.c - getting pages back when free memory runs low.
 *
 * WHO         kswapd, woken when a zone falls below its low watermark, works until all are above high; an allocation that
 *             finds a zone below min reclaims for itself (page_reclaim).
 * WHAT        the ends of the inactive lists are looked at, used pages get a second chance (Linux's rules, below). Pages of files:
 *             mapped ones are unmapped, dirty ones written, clean ones dropped. Anonymous and shmem pages, while swap has
 *             room: they get a slot, are unmapped, written in runs of neighbouring slots, dropped. Then the shrinkers (dentries, inodes), then empty slabs.
 * BALANCE     file pages alone while there are plenty of inactive ones and the effort is not the last; anonymous alone when the file cache is
 *             nearly gone; else both, weighted by vm.swappiness.
 * EFFORT      rounds of rising priority look at 1/2^12 of a list, then 1/2^11 … then all of it; a round that freed enough ends it.
 * POLICY      from which list, and what accessed bits mean for a page: mm/reclaim_policy.c.
 * CGROUPS     whose pages may be taken, and memory.min and low: mm/memcg_protect.c. A page whose cgroup is at memory.swap.max is passed over,
 *             unless it has its slot still (swap cache).
 * RECURSION   a reclaimer carries TF_MEMALLOC: its own allocations may use the reserves and never reclaim.
 */
#include "swap_internal.h"

#include <kernel/main.h>
#include <kernel/printk.h>
#include <mm/filemap.h>
#include <mm/memcg.h>
#include <mm/reclaim.h>
#include <mm/reclaim_policy.h>

#define BATCH		32
#define PRIORITIES	12
#define LAST_ROUNDS	3		/* more looks at everything before memory.low gives way */

static struct waitq kswapd_wait = WAITQ_INIT(kswapd_wait);
static bool kswapd_wanted, kswapd_running;
static struct task *kswapd_task;

struct scan {
	gfp_t		gfp;
	unsigned	priority, last_rounds;
	unsigned long	freed, scanned;
	struct memcg_scope who;		/* whose pages, and what is protected */
	bool		may_write, may_swap;
	bool		swap_refused;		/* a cgroup that may not swap more was met, and has counted it */
	bool		isolated;		/* pages were taken off their list: put them back */
	struct swap_batch slots;
	/* Locked pages on their way to neighbouring slots. */
	swp_entry_t	out_first;
	unsigned	nr_out;
	struct page	*out[BATCH];
	struct flush_batch flush;	/* of entries that named them */
};

static enum reclaim_verdict judge(struct page *p)
{
	struct reclaim_look k = { .anon = page_test(p, PG_SWAPBACKED), .mapped = page_mapcount(p), .active = page_test(p, PG_ACTIVE) };
	enum reclaim_verdict v;

	k.used = k.mapped ? rmap_referenced(p) : 0;
	k.marked = page_test_and_clear(p, PG_REFERENCED);
	if (k.used < 0)
		return UNEVICTABLE;
	v = reclaim_policy->judge(&k);
	if (k.mark)
		page_set(p, PG_REFERENCED);
	return v;
}

/* A page has been had. */
static void note_stolen(struct scan *s, bool anon, owner_t owner)
{
	s->freed++;
	memcg_vm_event(owner, current == kswapd_task ? MEMCG_PGSTEAL_KSWAPD : MEMCG_PGSTEAL_DIRECT);
	vm_event_add(PGSTEAL, 1);
	if (current != kswapd_task)
		vm_event_add(PGSTEAL_DIRECT, 1);
	if (anon)
		vm_event_add(PGSTEAL_ANON, 1);
}

static void note_scanned(enum lru_kind kind, unsigned seen)
{
	vm_event_add(PGSCAN, seen);
	if (current != kswapd_task)
		vm_event_add(PGSCAN_DIRECT, seen);
	if (kind == LRU_ANON)
		vm_event_add(PGSCAN_ANON, seen);
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
		workingset_evicted(p);
		WRITE_ONCE(p->mapping, NULL);
		gone = true;
	}
	xa_unlock(&m->pages);
	if (!gone)
		return false;
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
		if ((page_mapcount(p) && rmap_discard(p)) || page_refs(p) != 1)
			return false;
		vm_event_add(PGLAZYFREED, 1);
		memcg_vm_event(p->owner, MEMCG_PGLAZYFREED);
		return true;
	}
	if (!m || page_is_anon(p) || (m->flags & (MAPPING_UNEVICTABLE | MAPPING_NO_WRITEBACK)) || page_test(p, PG_WRITEBACK))
		return false;
	if (page_mapcount(p) && rmap_unmap_all(p, NULL))
		return false;
	if (page_test(p, PG_DIRTY)) {
		if (!s->may_write || writeback_one_locked(p))
			return false;
		vm_event_add(VMSCAN_WRITE, 1);
	}
	return remove_clean(p);
}

/* ---- to swap ------------------------------------------------------------------------------------------------ */

/* Done with a page that was not, or not yet, dropped. Unlocks it. */
static void give_back(struct scan *s, struct page *p)
{
	page_unlock(p);
	if (s->isolated)
		lru_putback(p);
}

/* Two counts that age together. They guide a choice: no lock, a lost one does no harm. */
static races_by_design void count_aging(u32 *this, u32 *other)
{
	if (unlikely(++*this >= 2048)) {
		*this /= 2;
		*other /= 2;
	}
}

void lru_returned(struct page *p, bool in_order)
{
	struct lru_levels *l = lru_levels(page_zone_type(p), LRU_ANON);

	count_aging(&l->back, &l->gone);
	if (in_order && reclaim_policy->returned)
		lru_move(p, reclaim_policy->returned(l));
}

static void dropped(struct scan *s, struct page *p)
{
	struct lru_levels *l = lru_levels(page_zone_type(p), LRU_ANON);
	owner_t owner = p->owner;

	count_aging(&l->gone, &l->back);
	page_unlock(p);
	if (s->isolated)
		page_put(p);
	note_stolen(s, true, owner);
}

/* Write the run that has been collected, and drop what is clean then. */
static void write_out(struct scan *s)
{
	int all;

	if (!s->nr_out)
		return;
	flush_end(&s->flush);
	all = swap_rw(s->out_first, s->out, s->nr_out, true);
	for (unsigned i = 0; i < s->nr_out; i++) {
		struct page *p = s->out[i];
		int err = all;

		if (err && s->nr_out > 1)		/* one bad block must not keep its neighbours here */
			err = swap_rw((swp_entry_t){ s->out_first.v + i }, &s->out[i], 1, true);
		if (err)
			page_set(p, PG_DIRTY);		/* it stays in memory */
		vm_stat_add(NR_WRITEBACK, -1);
		page_end_writeback(p);
		if (!err && swap_cache_drop_clean(p))
			dropped(s, p);
		else
			give_back(s, p);
	}
	s->nr_out = 0;
}

static void queue_out(struct scan *s, struct page *p)
{
	swp_entry_t e = page_swap_entry(p);

	if (s->nr_out == BATCH || (s->nr_out && e.v != s->out_first.v + s->nr_out))
		write_out(s);
	if (!s->nr_out)
		s->out_first = e;
	page_clear(p, PG_DIRTY);
	page_set(p, PG_WRITEBACK);
	vm_stat_add(NR_WRITEBACK, 1);
	vm_event_add(VMSCAN_WRITE, 1);
	s->out[s->nr_out++] = p;
}

/* A slot, and a place in the swap cache. */
static bool prepare_swap(struct scan *s, struct page *p)
{
	int own = page_is_anon(p) ? 1 : 2;		/* references that are no entries': ours, and the file's */
	swp_entry_t e;

	if (!s->may_swap || page_refs(p) != page_mapcount(p) + own || !swap_slot_alloc(&s->slots, &e))
		return false;
	if (!swap_slot_charge(e, p->owner) || swap_cache_add(p, e, GFP_ATOMIC | GFP_NOWARN)) {
		swap_slot_unclaim(e);
		return false;
	}
	page_set(p, PG_DIRTY);
	return true;
}

/* A swap-backed page, locked, with our reference. Unlocks it, sooner or later. */
static void swap_out(struct scan *s, struct page *p)
{
	struct address_space *m = page_is_anon(p) ? NULL : p->mapping;

	if ((m && (m->flags & MAPPING_UNEVICTABLE)) || (!m && !page_is_anon(p) && !page_test(p, PG_SWAPCACHE)) ||
	    (!page_test(p, PG_SWAPCACHE) && !prepare_swap(s, p)) ||
	    (page_mapcount(p) && rmap_unmap_all(p, &s->flush)) ||
	    (m && !shmem_swap_out(p, page_swap_entry(p)))) {
		flush_end(&s->flush);
		/* A shmem page that stays in its file must not keep a slot: the file would not know of it. */
		if (m && p->mapping == m && page_test(p, PG_SWAPCACHE))
			swap_cache_remove(p);
		give_back(s, p);
		return;
	}
	if (p->account != ACCT_SWAP_CACHE)
		ledger_page_move(p, 0, ACCT_SWAP_CACHE);
	if (page_test(p, PG_DIRTY)) {
		queue_out(s, p);
		return;
	}
	flush_end(&s->flush);
	if (swap_cache_drop_clean(p))
		dropped(s, p);
	else
		give_back(s, p);
}

/* It would need a slot that its cgroup may not have: not worth a look at its entries. */
static bool barred_from_swap(struct scan *s, struct page *p)
{
	if (!page_test(p, PG_SWAPBACKED) || page_test(p, PG_SWAPCACHE) || !memcg_swap_full(p->owner))
		return false;
	if (!s->swap_refused)
		memcg_swap_refused(p->owner);
	s->swap_refused = true;
	return true;
}

static void reclaim_one(struct scan *s, struct page *p)
{
	enum reclaim_verdict v;
	owner_t owner = p->owner;

	if (unlikely(memcg_count) && (memcg_spares(&s->who, owner, s->nr_out, !s->priority) || barred_from_swap(s, p))) {
		lru_putback(p);
		return;
	}
	if (!page_trylock(p)) {
		lru_putback(p);
		return;
	}
	memcg_vm_event(owner, current == kswapd_task ? MEMCG_PGSCAN_KSWAPD : MEMCG_PGSCAN_DIRECT);
	v = judge(p);
	if (v == RECLAIM && page_test(p, PG_SWAPBACKED)) {
		swap_out(s, p);
		return;
	}
	if (v == RECLAIM && try_drop(s, p)) {
		page_unlock(p);
		page_put(p);
		note_stolen(s, false, owner);
		return;
	}
	if (v == ACTIVATE) {
		page_set(p, PG_ACTIVE);
		lru_place(p);
		vm_event_add(PGACTIVATE, 1);
		memcg_vm_event(owner, MEMCG_PGACTIVATE);
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
	write_out(s);
}

static void deactivate_one(struct scan *s, struct page *p)
{
	int used;

	if (unlikely(memcg_count) && memcg_spares(&s->who, p->owner, 0, !s->priority)) {
		lru_putback(p);
		return;
	}
	memcg_vm_event(p->owner, MEMCG_PGREFILL);
	used = page_mapcount(p) ? rmap_referenced(p) : 0;
	if (used <= 0) {
		page_clear(p, PG_ACTIVE);
		if (!page_test(p, PG_SWAPBACKED))
			page_set(p, PG_WORKINGSET);
		lru_place(p);
		vm_event_add(PGDEACTIVATE, 1);
		memcg_vm_event(p->owner, MEMCG_PGDEACTIVATE);
	}
	lru_putback(p);
	if (used < 0)
		lru_set_unevictable(p);
}

static void shrink_level(struct scan *s, enum zone_type z, enum lru_kind kind, unsigned level, unsigned long nr,
			 void (*fn)(struct scan *, struct page *))
{
	while (nr && s->freed < BATCH) {
		struct list pages = LIST_INIT(pages);
		unsigned seen;

		s->who.m = NULL;		/* what is protected has changed with what went */
		(void)lru_isolate(z, kind, level, nr < BATCH ? (unsigned)nr : BATCH, &pages, &seen);
		if (!seen)
			return;
		s->scanned += seen;
		if (fn == deactivate_one)
			vm_event_add(PGREFILL, seen);
		else
			note_scanned(kind, seen);
		take_and(s, &pages, fn);
		nr -= min(nr, (unsigned long)seen);
	}
}

static unsigned long portion(const struct scan *s, unsigned long nr, unsigned percent)
{
	unsigned long want = (nr >> s->priority) * percent / 100;

	return max(want, min(nr, (unsigned long)BATCH));
}

/*
 * What this effort allows, from the levels that the policy names. A level that runs out is followed by the next, once round at most; none
 * is gone through twice, however the policy moves pages about.
 */
static void shrink_kind(struct scan *s, enum zone_type z, enum lru_kind kind, unsigned long total, unsigned percent)
{
	struct lru_levels *l = lru_levels(z, kind);
	unsigned long left = portion(s, total, percent);
	unsigned done = 0;

	for (unsigned i = 0; i < LRU_LEVELS && left && s->freed < BATCH; i++) {
		int demote;
		unsigned level = reclaim_policy->evict(l, &demote);
		unsigned long nr;

		if (done & BIT(level))
			continue;
		done |= BIT(level);
		if (demote >= 0)
			shrink_level(s, z, kind, (unsigned)demote, portion(s, READ_ONCE(l->nr[demote]), percent), deactivate_one);
		nr = min(left, READ_ONCE(l->nr[level]));
		shrink_level(s, z, kind, level, nr, reclaim_one);
		left -= nr;
	}
}

static void shrink_zone(struct scan *s, enum zone_type z)
{
	unsigned long nr[NR_LRU], file, anon;
	bool swap = s->may_swap && swap_free_pages() && sysctl_swappiness;
	bool few_files, many_files;

	lru_zone_pages(&zones[z], nr);
	file = nr[LRU_INACTIVE_FILE] + nr[LRU_ACTIVE_FILE];
	anon = nr[LRU_INACTIVE_ANON] + nr[LRU_ACTIVE_ANON];
	few_files = file + (unsigned long)atomic_read(&zones[z].nr_free) <= zones[z].watermark[WMARK_HIGH] || file < anon / 32;
	many_files = s->priority > 2 && nr[LRU_INACTIVE_FILE] > (file + anon) / 4;
	if (swap && !many_files)
		shrink_kind(s, z, LRU_ANON, anon, (unsigned)sysctl_swappiness);
	if (!swap || !few_files || s->priority < 4)
		shrink_kind(s, z, LRU_FILE, file, 200 - (unsigned)min(sysctl_swappiness, 199));
}

/* One round over the zones up to `top`. */
static void shrink_round(struct scan *s, enum zone_type top)
{
	for (int z = (int)top; z >= 0; z--)
		if (zones[z].managed_pages)
			shrink_zone(s, (enum zone_type)z);
	if (s->freed < BATCH || s->priority < PRIORITIES - 2)
		s->freed += shrinkers_scan(s->gfp, s->priority, memcg_protects ? &s->who : NULL);
}

/*
 * After a round, with so many pages freed in all: another one? With more effort each time; where memory.low held something back the last one a
 * few times more, for pages that were found in use; then without it.
 */
static bool next_round(struct scan *s, unsigned long freed, unsigned long wanted)
{
	if (freed >= wanted)
		return false;
	if (s->priority) {
		s->priority--;
		return true;
	}
	if (freed || !s->who.low_skipped || s->who.low_gives_way)
		return false;
	s->who.low_gives_way = ++s->last_rounds > LAST_ROUNDS;
	return true;
}

static unsigned long reclaim(gfp_t gfp, enum zone_type top)
{
	struct task *t = current;
	u32 had = t->flags & TF_MEMALLOC;
	struct scan s = { .gfp = gfp, .may_write = (gfp & (GFP_IO | GFP_FS)) == (GFP_IO | GFP_FS), .isolated = true,
			  .may_swap = gfp & GFP_IO, .priority = PRIORITIES };

	t->flags |= TF_MEMALLOC;
	do
		shrink_round(&s, top);
	while (next_round(&s, s.freed, BATCH));
	swap_batch_end(&s.slots);
	if (s.freed < BATCH)
		s.freed += slab_shrink_all();
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

/* The dentries and inodes of the cgroup that reclaims. Pages' worth that it has less of. */
static unsigned long shrink_objects(struct scan *s)
{
	struct memcg *m = s->who.target;
	long before, after;

	if (m->slab[1] < (long)PAGE_SIZE)
		return 0;
	memcg_slab_sync();
	before = memcg_byte_pages(m);
	shrinkers_scan(s->gfp, s->priority, &s->who);
	memcg_slab_sync();
	after = memcg_byte_pages(m);
	return before > after ? (unsigned long)(before - after) : 0;
}

/* The same on behalf of one cgroup: its pages and objects only. */
unsigned long reclaim_memcg(struct memcg *m, unsigned long nr, gfp_t gfp)
{
	struct task *t = current;
	u32 had = t->flags & TF_MEMALLOC;
	struct scan s = { .gfp = gfp, .may_write = (gfp & (GFP_IO | GFP_FS)) == (GFP_IO | GFP_FS), .who.target = m,
			  .may_swap = gfp & GFP_IO, .priority = PRIORITIES, .isolated = true };
	unsigned long freed = 0;

	t->flags |= TF_MEMALLOC;
	do {
		s.freed = 0;
		for (int z = NR_ZONES - 1; z >= 0; z--)
			if (zones[z].managed_pages)
				shrink_zone(&s, (enum zone_type)z);
		freed += s.freed;
		if (freed < nr || s.priority < PRIORITIES - 2)
			freed += shrink_objects(&s);
	} while (next_round(&s, freed, nr));
	swap_batch_end(&s.slots);
	t->flags = (t->flags & ~TF_MEMALLOC) | had;
	return freed;
}

void reclaim_pages_now(struct page **pages, unsigned nr)
{
	struct scan s = { .gfp = GFP_KERNEL, .may_write = true, .may_swap = true };

	for (unsigned i = 0; i < nr; i++) {
		struct page *p = pages[i];

		if (!page_trylock(p))
			continue;
		if (page_test(p, PG_SWAPBACKED)) {
			swap_out(&s, p);
			continue;
		}
		if (p->mapping && !page_is_anon(p) && page_refs(p) == 3 && try_drop(&s, p))	/* cache, one entry, the caller */
			note_stolen(&s, false, p->owner);
		page_unlock(p);
	}
	write_out(&s);
	swap_batch_end(&s.slots);
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
		vm_event_add(PAGEOUTRUN, 1);
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
	kswapd_task = t;
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
static unsigned long drop_list(struct scan *s, enum zone_type z, unsigned level)
{
	unsigned long nr = READ_ONCE(lru_levels(z, LRU_FILE)->nr[level]), freed = 0;

	while (nr) {
		struct list pages = LIST_INIT(pages);
		unsigned seen;

		if (!lru_isolate(z, LRU_FILE, level, BATCH, &pages, &seen))
			break;
		nr -= min(nr, (unsigned long)seen);
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
				for (unsigned level = 0; level < LRU_LEVELS; level++)
					freed += drop_list(&s, (enum zone_type)z, level);
			if (!freed)
				break;
		}
	}
	if (what & 2) {
		vm_event_add(DROP_SLAB, 1);
		while (shrinkers_scan(GFP_KERNEL, 0, NULL) > 10)
			;
		slab_shrink_all();
	}
}
