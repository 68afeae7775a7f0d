/*
 * workingset.c - was a page that is read in now dropped a moment ago? Then the cache is too small for what runs.
 *
 * WHY         reclaim that only takes pages which come straight back is no progress: a machine whose memory is full of
 *             anonymous pages would read its programs' text in for ever instead of deciding that memory is out.
 * HOW         evictions are numbered. A table of fingerprints remembers the last ones: file and index, and the number. A page that
 *             is read in again within as many evictions as the cache has pages would have stayed in a cache twice the size: a
 *             refault. It starts on the active list, and counts.
 * THRASHING   (1) more than half of memory cannot be reclaimed, (2) the cache was evicted several times over, (3) mostly to be
 *             read in again. Then direct reclaim reports failure, and the OOM decision follows.
 * NOT CHOSEN  shadow entries in the page cache's xarray, as Linux: exact, but nodes full of them need a shrinker of their own. A
 *             fingerprint that collides costs a wrong guess about one page.
 */
#include "internal.h"

#include <lib/hash.h>
#include <mm/memcg.h>

struct trace {
	u32	key, seq;
};

static struct trace *table;
static u32 mask;
static u32 evictions;		/* number of the next; races only blur it */

/* The window that reclaim_thrashing() looks at. */
static u32 window_start;
static u32 window_refaults;
static u32 verdicts;
#define VERDICTS	40

void workingset_init(void)
{
	unsigned long want = nr_total_pages() / 4, n = 256;

	while (n * 2 <= want && n < 65536)
		n *= 2;
	table = kvmalloc(n * sizeof(*table), GFP_KERNEL | GFP_ZERO);
	mask = (u32)n - 1;
}

#define VALID		1u		/* in a key */
#define WAS_ACTIVE	2u

static u32 fingerprint(const struct address_space *m, pgoff_t index)
{
	return ((u32)hash_u64((u64)(unsigned long)m ^ (index * 0x9e3779b97f4a7c15UL), 32) & ~WAS_ACTIVE) | VALID;
}

static unsigned long file_pages(void)
{
	return lru_pages(LRU_INACTIVE_FILE) + lru_pages(LRU_ACTIVE_FILE);
}

void workingset_evicted(const struct page *p)
{
	u32 key = fingerprint(p->mapping, p->index);
	bool was_active = page_test(p, PG_WORKINGSET) || page_test(p, PG_ACTIVE);

	if (table)
		table[(key >> 8) & mask] = (struct trace){ key | (was_active ? WAS_ACTIVE : 0), evictions++ };
}

void workingset_refault(struct page *p, const struct address_space *m, pgoff_t index)
{
	u32 key = fingerprint(m, index);
	struct trace *t;

	if (!table)
		return;
	t = &table[(key >> 8) & mask];
	if ((t->key & ~WAS_ACTIVE) != key || evictions - t->seq > file_pages() + 64)
		return;
	page_set_private(p, PG_ACTIVE);
	window_refaults++;
	vm_event_add(WORKINGSET_REFAULT, 1);
	memcg_vm_event(p->owner, MEMCG_REFAULT_FILE);
	if (t->key & WAS_ACTIVE) {
		vm_event_add(WORKINGSET_RESTORE, 1);
		memcg_vm_event(p->owner, MEMCG_RESTORE_FILE);
	}
	t->key = 0;
}

static void new_window(void)
{
	window_start = evictions;
	window_refaults = verdicts = 0;
}

/* A verdict holds for as many questions as one allocation asks before it gives up, then the next window decides. */
bool workingset_thrashing(void)
{
	unsigned long pages = file_pages();
	u32 evicted = evictions - window_start;

	if (swap_free_pages() > swap_total_pages() / 64 ||
	    2 * (vm_stat_read(NR_ANON_MAPPED) + vm_stat_read(NR_SHMEM)) < (long)nr_total_pages()) {
		new_window();
		return false;
	}
	if (evicted < 3 * pages + 256)
		return false;
	if (window_refaults < evicted / 2 || ++verdicts > VERDICTS) {
		new_window();
		return false;
	}
	return true;
}
