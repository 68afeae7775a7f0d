/*
 * swap_cache.c - pages between memory and a swap area; faults on swap entries.
 *
 * LIFE        out: a page gets a slot and enters the cache, its entries become swap entries, it is written, and leaves when only
 *             the cache has it.   in: a fault finds the slot's page in the cache, or reads it (with neighbours in use) into the
 *             cache, and maps it. The first store takes page and slot apart, if nobody else uses the slot.
 * RULES       a page is in the cache of one slot at most: PG_SWAPCACHE, private = the entry; both change under the page lock.
 *             The cache holds one reference and the slot's SLOT_CACHED bit. While the bit is set nobody else reads the slot.
 *             A clean page in the cache equals its slot; a writable entry exists only for pages outside, or carries
 *             its dirty bit over when it is unmapped.
 * ACCOUNT     swap cache while nothing maps the page, else anonymous or shmem.
 */
#include "swap_internal.h"

#include <kernel/psi.h>
#include <mm/filemap.h>

struct page *swap_cache_get(swp_entry_t e)
{
	struct swap_area *a = swap_area_hold(swp_type(e));
	struct page *p;

	if (!a)
		return NULL;
	xa_lock(&a->cache);
	p = xa_load_locked(&a->cache, swp_offset(e));
	if (p)
		page_get(p);
	xa_unlock(&a->cache);
	swap_area_release(a);
	return p;
}

bool swap_in_memory(swp_entry_t e)
{
	struct page *p = swp_type(e) < MAX_SWAPFILES ? swap_cache_get(e) : NULL;
	bool here = p ? page_test(p, PG_UPTODATE) : swp_type(e) >= MAX_SWAPFILES;	/* a marker: nothing to be read */

	if (p)
		page_put(p);
	return here;
}

int swap_cache_add(struct page *p, swp_entry_t e, gfp_t gfp)
{
	struct swap_area *a = swap_area_of(e);
	int err;

	debug_assert(page_test(p, PG_LOCKED) && !page_test(p, PG_SWAPCACHE));
	page_get(p);
	p->private = swp_to_index_value(e);
	page_set(p, PG_SWAPCACHE);
	err = xa_insert(&a->cache, swp_offset(e), p, gfp);
	if (err) {
		page_clear(p, PG_SWAPCACHE);
		p->private = 0;
		page_put(p);
		return err;
	}
	vm_stat_add(NR_SWAPCACHE, 1);
	return 0;
}

static void forget(struct page *p, swp_entry_t e)
{
	page_clear(p, PG_SWAPCACHE);
	p->private = 0;
	vm_stat_add(NR_SWAPCACHE, -1);
	swap_slot_unclaim(e);
	page_put(p);
}

void swap_cache_remove(struct page *p)
{
	swp_entry_t e = page_swap_entry(p);

	debug_assert(page_test(p, PG_LOCKED) && page_test(p, PG_SWAPCACHE));
	xa_erase(&swap_area_of(e)->cache, swp_offset(e));
	forget(p, e);
}

bool swap_cache_drop_clean(struct page *p)
{
	swp_entry_t e = page_swap_entry(p);
	struct swap_area *a = swap_area_of(e);
	bool gone = false;

	xa_lock(&a->cache);
	if (page_refs(p) == 2 && !page_test(p, PG_DIRTY)) {
		xa_erase_locked(&a->cache, swp_offset(e));
		gone = true;
	}
	xa_unlock(&a->cache);
	if (gone)
		forget(p, e);
	return gone;
}

void swap_cache_try_free(struct page *p)
{
	if (!page_test(p, PG_SWAPCACHE) || page_mapcount(p) || !page_trylock(p))
		return;
	if (page_test(p, PG_SWAPCACHE) && !page_mapcount(p) && !page_test(p, PG_WRITEBACK) &&
	    !swap_entry_uses(page_swap_entry(p)))
		swap_cache_remove(p);
	page_unlock(p);
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* A new page in the cache for the slot, locked, not up to date. NULL: no memory, or *taken: somebody has it, or it is free. */
static struct page *create(swp_entry_t e, gfp_t gfp, bool ahead, bool *taken)
{
	struct page *p = page_alloc(gfp, 0, ACCT_SWAP_CACHE);	/* may sleep long: before others wait for the slot */
	bool busy;

	*taken = false;
	if (!p)
		return NULL;
	if (!swap_slot_claim(e, &busy)) {
		*taken = true;
		page_put(p);
		return NULL;
	}
	atomic_inc(&swap_claims);
	page_set_private(p, PG_LOCKED);
	page_set_private(p, PG_SWAPBACKED);
	if (ahead)
		page_set_private(p, PG_READAHEAD);
	if (swap_cache_add(p, e, GFP_KERNEL)) {
		page_clear(p, PG_LOCKED);
		page_put(p);
		swap_slot_unclaim(e);
		atomic_dec(&swap_claims);
		return NULL;
	}
	atomic_dec(&swap_claims);
	vm_event_add(WORKINGSET_REFAULT_ANON, 1);
	memcg_vm_event(p->owner, MEMCG_REFAULT_ANON);
	lru_add(p);
	return p;
}

static void read_run(swp_entry_t first, struct page **pages, unsigned nr)
{
	int err;

	if (!nr)
		return;
	err = swap_rw(first, pages, nr, false);
	if (err && nr > 1) {			/* one bad block: find it. What came from zswap is here, and only here */
		for (unsigned i = 0; i < nr; i++)
			if (page_test(pages[i], PG_DIRTY) ||
			    !swap_rw(swp_make(swp_type(first), swp_offset(first) + i), &pages[i], 1, false))
				page_set(pages[i], PG_UPTODATE);
	} else if (!err) {
		for (unsigned i = 0; i < nr; i++)
			page_set(pages[i], PG_UPTODATE);
	}
	for (unsigned i = 0; i < nr; i++)
		page_unlock(pages[i]);
	page_put_bulk(pages, nr);
}

#define MAX_CLUSTER	32

/* The aligned neighbours of a slot that are in use and not here, in contiguous runs. e itself too. True: somebody had that. */
static bool read_cluster(swp_entry_t e, unsigned nr)
{
	u64 first = swp_offset(e) & ~(u64)(nr - 1), run = 0;
	unsigned type = swp_type(e), n = 0;
	struct page *pages[MAX_CLUSTER];
	bool taken, self_taken = false;

	for (u64 at = max(first, (u64)1); at < first + nr; at++) {
		bool self = at == swp_offset(e);
		struct page *p = NULL;

		if (self || !zswap_has(swp_make(type, at)))	/* what is in the pool is no slower later */
			p = create(swp_make(type, at), self ? GFP_USER : GFP_USER | GFP_NORETRY | GFP_NOWARN, !self, &taken);
		if (self)
			self_taken = taken;
		if (!p) {
			read_run(swp_make(type, run), pages, n);
			n = 0;
			continue;
		}
		if (!n)
			run = at;
		pages[n++] = p;
	}
	read_run(swp_make(type, run), pages, n);
	return self_taken;
}

unsigned swap_most_ahead(void)
{
	return min(1u << clamp(sysctl_page_cluster, 0, 5), (unsigned)MAX_CLUSTER);
}

struct page *swap_read(swp_entry_t e, unsigned nr)
{
	struct swap_area *a = swap_area_hold(swp_type(e));	/* the entry is only what the page table said: swapoff may be done with it */
	if (!a)
		return NULL;
	if (nr > 1 && (nr_free_pages() < 8 * nr || a->in_memory))
		nr = 1;				/* nothing is won by reading ahead from memory */
	swap_area_release(a);
	for (unsigned tries = 0;; tries++) {
		struct page *p = swap_cache_get(e);
		bool busy, taken;

		if (p)
			return p;
		taken = read_cluster(e, nr);
		p = swap_cache_get(e);
		if (p)
			return p;
		nr = 1;
		if (swap_slot_claim(e, &busy)) {	/* ours alone: no memory for the page, or whoever had it let go just now */
			swap_slot_unclaim(e);
			if (taken)
				continue;
			return NULL;
		}
		if (!busy)
			return NULL;			/* the entry is gone */
		if (tries < 10) {			/* somebody is just putting it there, or taking it away */
			cond_resched();
		} else {
			task_set_state(TASK_UNINTERRUPTIBLE);
			schedule_timeout(NSEC_PER_MSEC);
		}
	}
}

/* ---- faults ------------------------------------------------------------------------------------------------- */

static bool still_there(struct fault *f)
{
	return pte_same(pte_read(f->pte), f->seen);
}

/* Page locked, up to date, of this entry. The caller's reference goes to the page table, or is dropped. */
static enum fault_result map_swapped(struct fault *f, struct page *p, swp_entry_t e)
{
	struct vma *v = f->vma;
	spinlock_t *ptl = pt_lock_of(f->pte);
	bool write = (f->access & ACCESS_WRITE) && (v->flags & VM_WRITE), alone = false;
	pte_t pte = pte_mkyoung(pte_make(page_to_pfn(p), v->prot));

	if (!page_mapcount(p))
		lru_returned(p, READ_ONCE(v->swap_window) > 1);
	spin_lock(ptl);
	if (!still_there(f)) {
		spin_unlock(ptl);
		page_unlock(p);
		page_put(p);
		return FAULT_DONE;
	}
	/* Nobody else refers to the slot or the page (the cache and we do): take them apart at once. */
	if (write && swap_entry_uses(e) == 1 && !page_mapcount(p))
		alone = page_refs(p) == 2;
	if (!page_mapcount(p))
		rmap_add_anon(p, v, f->addr);
	else
		rmap_share_anon(p);
	if (p->account != ACCT_ANON)
		ledger_page_move(p, 0, ACCT_ANON);
	mm_counter_add(f->mm, MM_SWAP, -1);
	mm_counter_add(f->mm, MM_ANON, 1);
	if (pte_soft_dirty(f->seen))
		pte = pte_mksoft_dirty(pte);
	if (alone)
		pte = pte_mkwrite(pte_mkdirty(pte));
	pte_set(f->pte, pte);
	spin_unlock(ptl);
	swap_entry_put(e);
	/* A slot that nobody uses any more is given back when swap is scarce, or the page will be written anyway. */
	if (!swap_entry_uses(e) && (alone || 2 * swap_free_pages() < swap_total_pages() || swap_area_of(e)->in_memory)) {
		page_set(p, PG_DIRTY);
		swap_cache_remove(p);
	}
	page_unlock(p);
	return FAULT_DONE;
}

/*
 * How many slots a fault reads: as many neighbours as the last ones have paid for, twice as many where all of them did, none where pages
 * are wanted at random. Reading a neighbour costs little, but the memory for it is another page's.
 */
static unsigned window(struct vma *v, vaddr_t addr)
{
	unsigned most = swap_most_ahead(), had = READ_ONCE(v->swap_window), hits = READ_ONCE(v->swap_hits), nr = 1;
	u16 page = (u16)(addr >> PAGE_SHIFT), away = (u16)(page - READ_ONCE(v->swap_last));

	if (v->flags & VM_RAND_READ)
		return 1;
	if (hits)
		nr = 1u << (32 - __builtin_clz(hits + 1));	/* the power of two above */
	else if (away == 1 || away == (u16)-1 || v->flags & VM_SEQ_READ)
		nr = 2;
	nr = min(max(nr, had / 2), most);
	WRITE_ONCE(v->swap_window, (u8)nr);		/* faults side by side may count one of them wrong */
	WRITE_ONCE(v->swap_hits, 0);
	WRITE_ONCE(v->swap_last, page);
	return nr;
}

static enum fault_result swap_in(struct fault *f, swp_entry_t e)
{
	struct page *p = swap_cache_get(e);
	bool major = !p;
	enum fault_result r;

	if (p && page_test(p, PG_READAHEAD) && page_test_and_clear(p, PG_READAHEAD) && READ_ONCE(f->vma->swap_hits) < 255)
		WRITE_ONCE(f->vma->swap_hits, (u8)(READ_ONCE(f->vma->swap_hits) + 1));
	if (!p) {
		psi_memstall_enter();
		p = swap_read(e, window(f->vma, f->addr));
		psi_memstall_leave();
		if (!p)
			return still_there(f) ? FAULT_OOM : FAULT_DONE;
	}
	if (anon_vma_prepare(f->vma)) {
		page_put(p);
		return FAULT_OOM;
	}
	page_lock(p);
	if (!page_test(p, PG_SWAPCACHE) || page_swap_entry(p).v != e.v) {
		page_unlock(p);
		page_put(p);
		return FAULT_RETRY;
	}
	if (!page_test(p, PG_UPTODATE)) {		/* the device failed: only the owner hears of it */
		bool there = still_there(f);

		if (!page_mapcount(p)) {		/* a later fault may read again */
			xa_erase(&swap_area_of(e)->cache, swp_offset(e));
			forget(p, e);
		}
		page_unlock(p);
		page_put(p);
		return there ? FAULT_SIGBUS : FAULT_DONE;
	}
	r = map_swapped(f, p, e);
	return r == FAULT_DONE && major ? FAULT_MAJOR_DONE : r;
}

enum fault_result fault_swap(struct fault *f)
{
	swp_entry_t e = pte_to_swp(f->seen);

	if (swp_type(e) < MAX_SWAPFILES)
		return swap_in(f, e);
	if (swp_type(e) != SWP_MIGRATION)
		return FAULT_SIGBUS;			/* a marker: poisoned */
	cond_resched();					/* the mover will put the page back: try again */
	return FAULT_RETRY;
}

/* ---- the audit ----------------------------------------------------------------------------------------------- */

struct swap_sum {
	unsigned long	entries, weighted;	/* uses found, and the sum of their slots' numbers */
};

static void note(struct swap_sum *s, swp_entry_t e)
{
	if (swp_type(e) < MAX_SWAPFILES) {
		s->entries++;
		s->weighted += swp_offset(e) * 32 + swp_type(e);
	}
}

static void walk_entries(struct mm *mm, struct swap_sum *s)
{
	vaddr_t at = 0, stop;
	pte_t *table;

	pt_for_each_table(mm, table, at, PT_USER_END, stop)
		for (unsigned i = 0; i < PT_ENTRIES; i++)
			if (pte_swap(table[i]))
				note(s, pte_to_swp(table[i]));
}

static void audit_swap(struct audit *a)
{
	struct swap_sum found = { 0 }, counted = { 0 };
	unsigned long cached = 0, nodes = 0;
	long charged = 0;
	struct mm *mm = NULL;

	if (!swap_total_pages())
		return;
	while ((mm = mm_iterate(mm)))
		walk_entries(mm, &found);
	shmem_audit_swapped((void (*)(void *, swp_entry_t))note, &found);
	for (unsigned i = 0; i < MAX_SWAPFILES; i++) {
		struct swap_area *area = swap_area_hold(i);
		unsigned long used = 0, index;
		void *p;

		if (!area)
			continue;
		for (u64 at = 1; at < area->nr_slots; at++) {
			u16 m = area->map[at];

			if (!m || m == SLOT_BAD)
				continue;
			used++;
			charged += area->charged[at] != 0;
			if (m == SLOT_HELD)
				continue;
			cached += !!(m & SLOT_CACHED);
			counted.entries += m & SLOT_USES;
			counted.weighted += (m & SLOT_USES) * (at * 32 + i);
		}
		xa_for_each(&area->cache, index, p)
			nodes++;
		audit_expect(a, "swap slots", (long)area->nr_used, (long)used);
		swap_area_release(area);
	}
	audit_expect(a, "swap entries", (long)counted.entries, (long)found.entries);
	audit_expect(a, "swap entries of other slots", (long)counted.weighted, (long)found.weighted);
	audit_expect(a, "swap cache", vm_stat_read(NR_SWAPCACHE), (long)nodes);
	audit_expect(a, "cached swap slots", (long)cached, (long)nodes + atomic_read(&swap_claims));
	audit_expect(a, "swap slots that cgroups pay for", memcg_swap_slots(), charged);
	audit_expect(a, "swap pages of all cgroups", memcg_root.swap_pages, charged);
	zswap_audit(a);
}

void swap_init(void)
{
	static struct audit_walker walker = { .name = "swap", .fn = audit_swap };

	audit_register(&walker);
	zpool_start();
	zswap_start();
}
