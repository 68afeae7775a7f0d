/*
 * swap.c - swap areas: slots and their uses, priorities, clusters, I/O. swapon and swapoff: mm/swapon.c.
 *
 * SHAPE       up to 32 areas; each has a number of uses per slot (page-table entries, entries in shmem files) and a bit for
 *             "the swap cache has a page for it". A slot is free when both are gone.
 * CLUSTERS    64 neighbouring slots. A reclaimer takes slots in batches: what is left of the area's current cluster, or of the next
 *             empty one. So pages that leave together lie together, are written in one request and read back in one. Only an
 *             area without an empty cluster is searched for holes, from a cursor on.
 * CHOICE      the area of the highest priority that has room; equal ones take turns, batch by batch.
 * DISCARD     a cluster that became empty is told to the device, in a worker thread, before it is used again.
 * LOCKS       area->lock (LOCK_SWAP) for map, clusters and counters; areas_lock (a leaf) for the table of areas. Whoever has an
 *             entry in use keeps its area: swapoff waits for the last. Others hold the struct with swap_area_hold().
 * INVARIANTS  S1 nr_used = slots that are neither free nor bad.  S2 a cluster's `used` counts its slots that are not free; one in a
 *             list has none. [the audit in mm/swap_cache.c]
 */
#include "swap_internal.h"

#include <abi/errno.h>
#include <mm/filemap.h>

struct swap_area *swap_areas[MAX_SWAPFILES];
spinlock_t swap_areas_lock = SPINLOCK_INIT("swap_areas", LOCK_LEAF);
static unsigned turn;			/* among areas of one priority */
atomic_long_t swap_total, swap_used;
atomic_t swap_claims;

int sysctl_swappiness = 60, sysctl_page_cluster = 3;

unsigned long swap_total_pages(void)
{
	return (unsigned long)atomic_read(&swap_total);
}

unsigned long swap_free_pages(void)
{
	long n = atomic_read(&swap_total) - atomic_read(&swap_used);

	return n > 0 ? (unsigned long)n : 0;
}

void swap_totals(unsigned long *total, unsigned long *free_pages)
{
	*total = swap_total_pages();
	*free_pages = swap_free_pages();
}

struct swap_area *swap_area_of(swp_entry_t e)
{
	struct swap_area *a = swap_areas[swp_type(e)];

	assert(a && swp_offset(e) < a->nr_slots);
	return a;
}

struct swap_area *swap_area_hold(unsigned type)
{
	struct swap_area *a;

	spin_lock(&swap_areas_lock);
	a = swap_areas[type];
	if (a)
		atomic_inc(&a->holders);
	spin_unlock(&swap_areas_lock);
	return a;
}

void swap_area_release(struct swap_area *a)
{
	atomic_dec(&a->holders);
}

/* ---- clusters: a->lock held --------------------------------------------------------------------------------- */

static void list_cluster(struct swap_area *a, struct cluster_list *l, u32 c)
{
	a->clusters[c].next = NO_CLUSTER;
	if (l->first == NO_CLUSTER)
		l->first = c;
	else
		a->clusters[l->last].next = c;
	l->last = c;
}

static u32 unlist_cluster(struct swap_area *a, struct cluster_list *l)
{
	u32 c = l->first;

	if (c != NO_CLUSTER)
		l->first = a->clusters[c].next;
	return c;
}

void swap_clusters_init(struct swap_area *a)
{
	a->free = a->to_discard = (struct cluster_list){ NO_CLUSTER, NO_CLUSTER };
	for (u32 c = 0; c < a->nr_clusters; c++) {
		for (u64 at = (u64)c * CLUSTER; at < (u64)(c + 1) * CLUSTER; at++)
			a->clusters[c].used += at >= a->nr_slots || a->map[at];
		if (!a->clusters[c].used)
			list_cluster(a, &a->free, c);
	}
}

static void cluster_is_empty(struct swap_area *a, u32 c)
{
	if (c == a->run / CLUSTER && a->run < a->run_end)
		return;				/* the current one: its rest is still to be given out */
	if (a->discard_clusters) {
		a->clusters[c].discarding = true;
		list_cluster(a, &a->to_discard, c);
		work_queue(&a->discard_work);
	} else {
		list_cluster(a, &a->free, c);
	}
}

void swap_discard_work(struct work *w)
{
	struct swap_area *a = container_of(w, struct swap_area, discard_work);

	for (;;) {
		u64 first, end;
		u32 c;

		spin_lock(&a->lock);
		c = unlist_cluster(a, &a->to_discard);
		spin_unlock(&a->lock);
		if (c == NO_CLUSTER)
			return;
		first = (u64)c * CLUSTER;
		end = min(first + CLUSTER, a->nr_slots);
		if (a->mapping->ops->swap_discard(a->mapping, first, end - first))
			a->discard_clusters = false;	/* it said it could, and cannot */
		spin_lock(&a->lock);
		a->clusters[c].discarding = false;
		list_cluster(a, &a->free, c);
		spin_unlock(&a->lock);
	}
}

/* ---- slots -------------------------------------------------------------------------------------------------- */

/* A stretch of free slots for a->run … a->run_end. False: there is none. */
static bool next_run(struct swap_area *a)
{
	u32 c = unlist_cluster(a, &a->free);

	if (c != NO_CLUSTER) {
		a->run = (u64)c * CLUSTER;
		a->run_end = a->run + CLUSTER;
		return true;
	}
	for (u32 n = 0; n < a->nr_clusters; n++) {
		u64 at, end;

		c = (u32)((a->cursor / CLUSTER + n) % a->nr_clusters);
		if (a->clusters[c].used >= CLUSTER || a->clusters[c].discarding)
			continue;
		at = n ? (u64)c * CLUSTER : a->cursor;
		end = min((u64)(c + 1) * CLUSTER, a->nr_slots);
		while (at < end && READ_ONCE(a->map[at]))
			at++;
		if (at == end)
			continue;
		for (a->run = at; at < end && !READ_ONCE(a->map[at]); at++)
			;
		a->cursor = a->run_end = at;
		return true;
	}
	a->cursor = 0;				/* the cursor's own cluster may have holes before it: next time */
	return false;
}

static bool take_run(struct swap_area *a, struct swap_batch *b)
{
	unsigned n = 0;

	spin_lock(&a->lock);
	if (READ_ONCE(a->writable) && a->nr_used < a->nr_pages && (a->run < a->run_end || next_run(a) || next_run(a))) {
		n = (unsigned)min(a->run_end - a->run, (u64)SWAP_BATCH);
		b->next = swp_make((unsigned)a->type, a->run);
		for (unsigned i = 0; i < n; i++)
			WRITE_ONCE(a->map[a->run + i], SLOT_HELD);
		a->clusters[a->run / CLUSTER].used += n;
		a->run += n;
		WRITE_ONCE(a->nr_used, a->nr_used + n);
		WRITE_ONCE(a->peak_used, max(a->peak_used, a->nr_used));
		atomic_add(&swap_used, n);
	}
	spin_unlock(&a->lock);
	b->nr = n;
	return n;
}

/* The area to try next: highest priority, and of those the one whose turn it is. Held. */
static struct swap_area *next_area(u32 tried)
{
	struct swap_area *best = NULL;

	spin_lock(&swap_areas_lock);
	for (unsigned i = 0; i < MAX_SWAPFILES; i++) {
		struct swap_area *a = swap_areas[(turn + i) % MAX_SWAPFILES];

		if (!a || !READ_ONCE(a->writable) || (tried & BIT(a->type)) || READ_ONCE(a->nr_used) >= a->nr_pages)	/* a guess: take_run() looks again */
			continue;
		if (!best || a->prio > best->prio)
			best = a;
	}
	if (best) {
		turn = (unsigned)best->type + 1;
		atomic_inc(&best->holders);
	}
	spin_unlock(&swap_areas_lock);
	return best;
}

static bool refill(struct swap_batch *b)
{
	struct swap_area *a;
	u32 tried = 0;

	if (!swap_free_pages())
		return false;
	while ((a = next_area(tried))) {
		bool got = take_run(a, b);

		tried |= (u32)BIT(a->type);
		swap_area_release(a);
		if (got)
			return true;
	}
	return false;
}

bool swap_slot_alloc(struct swap_batch *b, swp_entry_t *out)
{
	if (!b->nr && !refill(b))
		return false;
	*out = b->next;
	b->next.v++;
	b->nr--;
	WRITE_ONCE(swap_area_of(*out)->map[swp_offset(*out)], SLOT_CACHED);	/* nobody else changes a held slot */
	return true;
}

/* a->lock held; the slot's word was changed. */
static void slot_changed(struct swap_area *a, u64 at)
{
	if (a->map[at])
		return;
	if (unlikely(atomic_read(&a->nr_zswap)))
		zswap_forget(a, at);
	if (unlikely(a->charged[at])) {
		memcg_swap_uncharge(a->charged[at]);
		a->charged[at] = 0;
	}
	if (unlikely(a->in_memory))
		a->mapping->ops->swap_slot_free(a->mapping, at);
	WRITE_ONCE(a->nr_used, a->nr_used - 1);
	if (!--a->clusters[at / CLUSTER].used)
		cluster_is_empty(a, (u32)(at / CLUSTER));
	atomic_dec(&swap_used);
}

void swap_batch_end(struct swap_batch *b)
{
	struct swap_area *a;
	u64 at;

	if (!b->nr)
		return;
	a = swap_area_of(b->next);
	at = swp_offset(b->next);
	spin_lock(&a->lock);
	if (at + b->nr == a->run && at / CLUSTER == (a->run_end - 1) / CLUSTER) {		/* nobody took more since: as if they had never been taken */
		a->run = at;
		a->clusters[at / CLUSTER].used -= b->nr;
		WRITE_ONCE(a->nr_used, a->nr_used - b->nr);
		atomic_sub(&swap_used, b->nr);
		for (; b->nr; b->nr--)
			WRITE_ONCE(a->map[at++], 0);
	}
	for (; b->nr; b->nr--, at++) {
		WRITE_ONCE(a->map[at], 0);
		slot_changed(a, at);
	}
	spin_unlock(&a->lock);
}

bool swap_slot_claim(swp_entry_t e, bool *busy)
{
	struct swap_area *a = swap_area_hold(swp_type(e));
	u64 at = swp_offset(e);
	bool ok = false;
	u16 m;

	*busy = false;
	if (!a)
		return false;
	spin_lock(&a->lock);
	m = at < a->nr_slots ? READ_ONCE(a->map[at]) : 0;	/* a held slot changes without the lock */
	if (slot_in_use(m)) {
		*busy = m & SLOT_CACHED;
		ok = !*busy;
		if (ok)
			WRITE_ONCE(a->map[at], (u16)(m | SLOT_CACHED));
	}
	spin_unlock(&a->lock);
	swap_area_release(a);
	return ok;
}

void swap_slot_unclaim(swp_entry_t e)
{
	struct swap_area *a = swap_area_of(e);
	u64 at = swp_offset(e);

	spin_lock(&a->lock);
	debug_assert(a->map[at] & SLOT_CACHED);
	WRITE_ONCE(a->map[at], (u16)(a->map[at] & ~SLOT_CACHED));
	slot_changed(a, at);
	spin_unlock(&a->lock);
}

void swap_entry_dup(swp_entry_t e)
{
	struct swap_area *a = swap_area_of(e);
	u64 at = swp_offset(e);

	spin_lock(&a->lock);
	assert((a->map[at] & SLOT_USES) < SLOT_MAX_USES);	/* 32,765 address spaces share a page */
	WRITE_ONCE(a->map[at], (u16)(a->map[at] + 1));
	spin_unlock(&a->lock);
}

void swap_entry_put(swp_entry_t e)
{
	struct swap_area *a = swap_area_of(e);
	u64 at = swp_offset(e);
	bool cached_only;

	spin_lock(&a->lock);
	debug_assert(a->map[at] & SLOT_USES);
	WRITE_ONCE(a->map[at], (u16)(a->map[at] - 1));
	cached_only = a->map[at] == SLOT_CACHED;
	slot_changed(a, at);
	spin_unlock(&a->lock);
	if (cached_only) {		/* the page is nobody's now */
		struct page *p = swap_cache_get(e);

		if (p) {
			swap_cache_try_free(p);
			page_put(p);
		}
	}
}

unsigned swap_entry_uses(swp_entry_t e)
{
	return READ_ONCE(swap_area_of(e)->map[swp_offset(e)]) & SLOT_USES;
}

/* ---- I/O --------------------------------------------------------------------------------------------------- */

/* The driver's request needs memory when there is none: it may use the reserves, and is asked again rather than believed. */
static int rw_insist(struct address_space *m, u64 at, struct page **pages, unsigned nr, bool write)
{
	u32 had = current->flags & TF_MEMALLOC;
	int err = 0;

	current->flags |= TF_MEMALLOC;
	for (unsigned tries = 0; tries < (write ? 1 : 1000); tries++) {
		err = m->ops->swap_rw(m, at, pages, nr, write);
		if (err != -ENOMEM)
			break;
		task_set_state(TASK_UNINTERRUPTIBLE);
		schedule_timeout(NSEC_PER_MSEC);
	}
	current->flags = (current->flags & ~TF_MEMALLOC) | had;
	return err;
}

int swap_area_rw(swp_entry_t first, struct page **pages, unsigned nr, bool write)
{
	struct swap_area *a = swap_area_of(first);
	int err = rw_insist(a->mapping, swp_offset(first), pages, nr, write);

	atomic_add(write ? &a->writes : &a->reads, nr);
	if (err)
		atomic_add(&a->errors, nr);
	vm_event_add(write ? PSWPOUT : PSWPIN, nr);
	return err;
}

/* Pages that the pool takes or has; runs of the others go to the area or come from it. */
static int rw_zswap(swp_entry_t first, struct page **pages, unsigned nr, bool write)
{
	int err = 0;

	for (unsigned i = 0, run = 0; i <= nr; i++) {
		swp_entry_t e = { first.v + i };
		bool pool = i < nr && (write ? zswap_store(e, pages[i]) : zswap_load(e, pages[i]));

		if (i < nr && !pool) {
			run++;
			continue;
		}
		if (run && !err)
			err = swap_area_rw((swp_entry_t){ e.v - run }, pages + i - run, run, write);
		run = 0;
	}
	return err;
}

int swap_rw(swp_entry_t first, struct page **pages, unsigned nr, bool write)
{
	return likely(!zswap_used) ? swap_area_rw(first, pages, nr, write) : rw_zswap(first, pages, nr, write);
}
