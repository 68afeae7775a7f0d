/*
 * zswap.c - a pool of compressed pages in front of the swap areas.
 *
 * HOW         a page on its way to an area has its slot already; instead of being written it is compressed and kept, found by area and
 *             slot, until it is wanted in memory again (then the page is dirty and the only copy), written back, or freed with
 *             its slot. A page of equal words costs no frame. What does not shrink goes to the area, as without the pool.
 * FULL        at max_pool_percent of RAM the coldest entries are written to their slots first, in runs of neighbours. When
 *             that fails, pages go straight to the area until the pool is below accept_percent of its limit.
 * RULES       whoever touches the contents of a slot, here or on the disk, has it claimed (SLOT_CACHED): the reader, the writer and
 *             the write-back exclude each other by that. An entry is freed by the claimer, or with the slot under its area's lock.
 * LOCKS       lru_lock (a leaf). writeback_mutex: one write-back at a time, for its buffer pages.
 * LINUX       6.1's zswap: the same switches; writes back by itself when full, where Linux wakes a worker and lets pages pass by; a page
 *             that came back leaves the pool, as in Linux since 6.12.
 */
#include "swap_internal.h"

#include <mm/zpool.h>
#include <mm/zswap.h>

#define WORST		(PAGE_SIZE * 7 / 8)	/* larger than this: not worth it */
#define WB_BATCH	16

struct zentry {
	struct list	lru;
	u64		offset;			/* of the slot in its area */
	union {
		struct zspage	*span;
		u64		fill;		/* len 0: the page is full of this word */
	};
	u16		slot, len;
	u8		type;
};

struct zswap zswap = { .same_filled = true, .max_pool_percent = 20, .accept_percent = 90 };

static struct zpool pool;
static struct slab_cache *entry_cache;
static struct list lru = LIST_INIT(lru);	/* coldest first */
static spinlock_t lru_lock = SPINLOCK_INIT("zswap_lru", LOCK_LEAF);
static bool was_full;
static struct mutex writeback_mutex = MUTEX_INIT(writeback_mutex, "zswap_writeback", LOCK_SLEEP_LEAF);
static struct page *wb_pages[WB_BATCH];

bool zswap_used;

long zswap_pool_pages(void)
{
	return READ_ONCE(pool.pages);
}

long zswap_pool_bytes(void)
{
	return (long)READ_ONCE(pool.bytes);
}

unsigned long zswap_max_pages(void)
{
	return nr_total_pages() * zswap.max_pool_percent / 100;
}

/* ---- entries -------------------------------------------------------------------------------------------------- */

static void entry_free(struct swap_area *a, struct zentry *z)
{
	spin_lock(&lru_lock);
	list_remove(&z->lru);
	spin_unlock(&lru_lock);
	if (z->len)
		zpool_free(&pool, (struct zhandle){ z->span, z->slot }, z->len);
	else
		atomic_dec(&zswap.same);
	swap_zswap_charge(a, z->offset, -(long)z->len, -1);
	slab_free(entry_cache, z);
	atomic_dec(&zswap.stored);
}

/* Slot claimed, or its area's lock held while it becomes free. */
void zswap_forget(struct swap_area *a, u64 at)
{
	struct zentry *z = xa_erase(&a->zswap, at);

	if (z) {
		atomic_dec(&a->nr_zswap);
		entry_free(a, z);
	}
}

/* Fill z from the page. */
static bool compress(struct zentry *z, struct page *p)
{
	const void *data = page_address(p), *small;
	struct zhandle h;
	u64 fill;

	z->len = 0;
	if (zswap.same_filled && zpool_one_word(data, &fill)) {
		z->fill = fill;
		atomic_inc(&zswap.same);
		return true;
	}
	z->len = (u16)zpool_compress(data, WORST, &small);
	if (!z->len) {
		atomic_inc(&zswap.reject_compress);
		return false;
	}
	if (!zpool_store(&pool, small, z->len, GFP_ATOMIC | GFP_NOWARN, &h)) {
		atomic_inc(&zswap.reject_alloc);
		return false;
	}
	z->span = h.span;
	z->slot = h.slot;
	return true;
}

static bool room_for_one(void)
{
	unsigned long most = zswap_max_pages();

	if (READ_ONCE(was_full) && (unsigned long)zswap_pool_pages() > most * zswap.accept_percent / 100)
		return false;
	if (READ_ONCE(was_full))
		WRITE_ONCE(was_full, false);
	for (unsigned wrote = 0; (unsigned long)zswap_pool_pages() >= most; ) {
		unsigned n = zswap_write_back(WB_BATCH);

		atomic_inc(&zswap.limit_hit);
		wrote += n;
		if (wrote >= 4 * WB_BATCH)		/* frames stay behind that are half empty: the next pages fill them */
			break;
		if (!n) {
			WRITE_ONCE(was_full, !wrote);
			atomic_add(&zswap.reject_reclaim, !wrote);
			return wrote;
		}
	}
	return true;
}

bool zswap_store(swp_entry_t e, struct page *p)
{
	struct swap_area *a = swap_area_of(e);
	struct zentry *z;

	if (atomic_read(&a->nr_zswap))
		zswap_forget(a, swp_offset(e));		/* what was there is out of date */
	if (!zswap.enabled || a->in_memory || !swap_zswap_allowed(p->owner) || !room_for_one())
		return false;
	z = slab_alloc(entry_cache, GFP_ATOMIC | GFP_NOWARN | GFP_NOACCOUNT);
	if (!z || !compress(z, p)) {
		slab_free(entry_cache, z);
		return false;
	}
	z->type = (u8)swp_type(e);
	z->offset = swp_offset(e);
	list_init(&z->lru);
	atomic_inc(&zswap.stored);
	swap_zswap_charge(a, z->offset, z->len, 1);
	if (xa_insert(&a->zswap, z->offset, z, GFP_ATOMIC | GFP_NOWARN)) {
		atomic_inc(&zswap.reject_alloc);
		entry_free(a, z);
		return false;
	}
	atomic_inc(&a->nr_zswap);
	spin_lock(&lru_lock);
	list_append(&lru, &z->lru);
	spin_unlock(&lru_lock);
	vm_event_add(ZSWPOUT, 1);
	return true;
}

static void expand(const struct zentry *z, struct page *p)
{
	if (!z->len)
		zpool_fill(page_address(p), z->fill);
	else
		assert(zpool_expand((struct zhandle){ z->span, z->slot }, z->len, page_address(p)));
}

bool zswap_load(swp_entry_t e, struct page *p)
{
	struct zentry *z = xa_load(&swap_area_of(e)->zswap, swp_offset(e));

	if (!z)
		return false;
	expand(z, p);
	page_set(p, PG_DIRTY);			/* the page is the only copy now: RAM holds it once */
	zswap_forget(swap_area_of(e), swp_offset(e));
	vm_event_add(ZSWPIN, 1);
	memcg_vm_event(p->owner, MEMCG_ZSWPIN);
	return true;
}

bool zswap_has(swp_entry_t e)
{
	struct swap_area *a = zswap_used ? swap_area_hold(swp_type(e)) : NULL;
	bool has;

	if (!a)
		return false;
	has = atomic_read(&a->nr_zswap) && xa_load(&a->zswap, swp_offset(e));
	swap_area_release(a);
	return has;
}

/* ---- back to the areas ---------------------------------------------------------------------------------------- */

/* The coldest entries' slots, moved to the end of the queue so that the next caller finds others. */
static unsigned coldest(swp_entry_t *out, unsigned nr)
{
	unsigned n = 0;

	spin_lock(&lru_lock);
	while (n < nr && !list_empty(&lru)) {
		struct zentry *z = list_first_entry(&lru, struct zentry, lru);

		list_move_to_end(&lru, &z->lru);
		out[n++] = swp_make(z->type, z->offset);
	}
	spin_unlock(&lru_lock);
	return n;
}

/* nr claimed slots, their contents in wb_pages, to their area. How many got there; the pool keeps the others. */
static unsigned write_slots(swp_entry_t first, unsigned nr)
{
	int all = swap_area_rw(first, wb_pages, nr, true);
	unsigned done = 0;

	for (unsigned i = 0; i < nr; i++) {
		swp_entry_t e = { first.v + i };
		int err = all;

		if (err && nr > 1)		/* one bad block must not keep its neighbours here */
			err = swap_area_rw(e, &wb_pages[i], 1, true);
		if (!err) {
			zswap_forget(swap_area_of(e), swp_offset(e));
			atomic_inc(&zswap.written_back);
			done++;
		}
		swap_slot_unclaim(e);
		atomic_dec(&swap_claims);
	}
	return done;
}

/* Write up to nr entries to their slots. How many. */
unsigned zswap_write_back(unsigned nr)
{
	swp_entry_t list[WB_BATCH], first = { 0 };
	unsigned found, run = 0, done = 0;
	bool busy;

	if (!mutex_trylock(&writeback_mutex))
		return 0;
	found = coldest(list, min(nr, (unsigned)WB_BATCH));
	for (unsigned i = 0; i <= found; i++) {
		struct zentry *z = NULL;

		if (run && (i == found || list[i].v != first.v + run)) {
			done += write_slots(first, run);
			run = 0;
		}
		if (i == found || !swap_slot_claim(list[i], &busy))
			continue;
		atomic_inc(&swap_claims);
		z = xa_load(&swap_area_of(list[i])->zswap, swp_offset(list[i]));
		if (!z) {			/* it went, and the slot is somebody else's by now */
			swap_slot_unclaim(list[i]);
			atomic_dec(&swap_claims);
			continue;
		}
		if (run && list[i].v != first.v + run) {
			done += write_slots(first, run);
			run = 0;
		}
		if (!run)
			first = list[i];
		expand(z, wb_pages[run++]);
	}
	mutex_unlock(&writeback_mutex);
	return done;
}

/* ---- on and off ------------------------------------------------------------------------------------------------- */

static int get_buffers(void)
{
	int err = zpool_get_buffers();

	if (err)
		return err;
	for (unsigned i = 0; i < WB_BATCH; i++) {
		if (!wb_pages[i])
			wb_pages[i] = page_alloc(GFP_KERNEL | GFP_NOACCOUNT, 0, ACCT_DEVICE);
		if (!wb_pages[i])
			return -ENOMEM;
	}
	return 0;
}

int zswap_enable(bool on)
{
	int err = on ? get_buffers() : 0;

	if (!err) {
		WRITE_ONCE(zswap.enabled, on);
		zswap_used |= on;
	}
	return err;
}

static void find_charged(void (*found)(u16 id, long bytes))
{
	for (unsigned i = 0; i < MAX_SWAPFILES; i++) {
		unsigned long index;
		void *z;

		if (swap_areas[i])
			xa_for_each(&swap_areas[i]->zswap, index, z)
				found(swap_areas[i]->charged[index], ((struct zentry *)z)->len);
	}
}

void zswap_audit(struct audit *a)
{
	long entries = 0;

	for (unsigned i = 0; i < MAX_SWAPFILES; i++) {
		struct swap_area *area = swap_area_hold(i);
		unsigned long index, n = 0;
		void *z;

		if (!area)
			continue;
		xa_for_each(&area->zswap, index, z)
			n++;
		audit_expect(a, "zswap entries of an area", atomic_read(&area->nr_zswap), (long)n);
		entries += (long)n;
		swap_area_release(area);
	}
	audit_expect(a, "zswap entries", atomic_read(&zswap.stored), entries);
	memcg_zswap_audit(a, find_charged);
	audit_expect(a, "zswap objects", atomic_read(&zswap.stored) - atomic_read(&zswap.same), pool.objects);
}

void zswap_start(void)
{
	zpool_init(&pool);
	list_init(&lru);
	entry_cache = slab_cache_create("zswap_entry", sizeof(struct zentry), 0, SLAB_PANIC, NULL);
}
