/*
 * swap.c - swap areas: slots, priorities, swapon, swapoff.
 *
 * SHAPE       up to 32 areas; each has a number of uses per slot (page-table entries, entries in shmem files) and a bit for
 *             "the swap cache has a page for it". A slot is free when both are gone.
 * CHOICE      the area of the highest priority that has room; equal ones take turns, slot by slot. Within an area a cursor moves
 *             on, so that pages that leave together lie together, and are written in one request.
 * LOCKS       area->lock (LOCK_SWAP) for the map; areas_lock (a leaf) for the table of areas. Whoever has
 *             an entry in use keeps its area: swapoff waits for the last. Others hold the struct with swap_area_hold().
 * SWAPOFF     no new slots; every address space and every shmem file takes its pages back; what is left is cached only.
 *             Repeated until nothing is used, since pages move while we look.
 */
#include "swap_internal.h"

#include <abi/errno.h>
#include <lib/text.h>
#include <mm/filemap.h>

static struct swap_area *areas[MAX_SWAPFILES];
static spinlock_t areas_lock = SPINLOCK_INIT("swap_areas", LOCK_LEAF);
static unsigned turn;			/* among areas of one priority */
static int next_prio = -2;		/* for those without one given */
static atomic_long_t total_pages, used_pages;

int sysctl_swappiness = 60, sysctl_page_cluster = 3;

unsigned long swap_total_pages(void)
{
	return (unsigned long)atomic_read(&total_pages);
}

unsigned long swap_free_pages(void)
{
	long n = atomic_read(&total_pages) - atomic_read(&used_pages);

	return n > 0 ? (unsigned long)n : 0;
}

void swap_totals(unsigned long *total, unsigned long *free_pages)
{
	*total = swap_total_pages();
	*free_pages = swap_free_pages();
}

struct swap_area *swap_area_of(swp_entry_t e)
{
	struct swap_area *a = areas[swp_type(e)];

	assert(a && swp_offset(e) < a->nr_slots);
	return a;
}

struct swap_area *swap_area_hold(unsigned type)
{
	struct swap_area *a;

	spin_lock(&areas_lock);
	a = areas[type];
	if (a)
		atomic_inc(&a->holders);
	spin_unlock(&areas_lock);
	return a;
}

void swap_area_release(struct swap_area *a)
{
	atomic_dec(&a->holders);
}

/* ---- slots ------------------------------------------------------------------------------------------------- */

/* a->lock held. 0: none (slot 0 is the header). */
static u64 find_slot(struct swap_area *a)
{
	u64 at = a->cursor;

	if (a->nr_used >= a->nr_pages)
		return 0;
	for (u64 n = 0; n < a->nr_slots; n++, at++) {
		if (at >= a->nr_slots)
			at = 1;
		if (!a->map[at])
			return at;
	}
	return 0;
}

static bool area_take(struct swap_area *a, swp_entry_t *out)
{
	u64 at = 0;

	spin_lock(&a->lock);
	if (a->writable)
		at = find_slot(a);
	if (at) {
		a->map[at] = SLOT_CACHED;
		a->cursor = at + 1;
		a->nr_used++;
		atomic_inc(&used_pages);
	}
	spin_unlock(&a->lock);
	*out = swp_make((unsigned)a->type, at);
	return at;
}

/* The area to try next: highest priority below `below`, and of those the one whose turn it is. Held. */
static struct swap_area *next_area(long below, u32 tried)
{
	struct swap_area *best = NULL;

	spin_lock(&areas_lock);
	for (unsigned i = 0; i < MAX_SWAPFILES; i++) {
		struct swap_area *a = areas[(turn + i) % MAX_SWAPFILES];

		if (!a || !a->writable || (tried & BIT(a->type)) || a->nr_used >= a->nr_pages)
			continue;
		if (!best || a->prio > best->prio)
			best = a;
	}
	if (best) {
		turn = (unsigned)best->type + 1;
		atomic_inc(&best->holders);
	}
	spin_unlock(&areas_lock);
	return best;
}

bool swap_slot_alloc(swp_entry_t *out)
{
	struct swap_area *a;
	u32 tried = 0;

	if (!swap_free_pages())
		return false;
	while ((a = next_area(0, tried))) {
		bool got = area_take(a, out);

		tried |= (u32)BIT(a->type);
		swap_area_release(a);
		if (got)
			return true;
	}
	return false;
}

/* a->lock held. */
static void slot_changed(struct swap_area *a, u64 at)
{
	if (a->map[at])
		return;
	a->nr_used--;
	if (at < a->cursor && a->nr_used == 0)
		a->cursor = 1;
	atomic_dec(&used_pages);
}

bool swap_slot_claim(swp_entry_t e, bool *busy)
{
	struct swap_area *a = swap_area_hold(swp_type(e));
	u64 at = swp_offset(e);
	bool ok = false;

	*busy = false;
	if (!a)
		return false;
	spin_lock(&a->lock);
	if (at < a->nr_slots && (a->map[at] & SLOT_USES) && a->map[at] != SLOT_BAD) {
		*busy = a->map[at] & SLOT_CACHED;
		ok = !*busy;
		if (ok)
			a->map[at] |= SLOT_CACHED;
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
	a->map[at] &= (u16)~SLOT_CACHED;
	slot_changed(a, at);
	spin_unlock(&a->lock);
}

void swap_entry_dup(swp_entry_t e)
{
	struct swap_area *a = swap_area_of(e);
	u64 at = swp_offset(e);

	spin_lock(&a->lock);
	assert((a->map[at] & SLOT_USES) < SLOT_BAD - 1);	/* 32,765 address spaces share a page */
	a->map[at]++;
	spin_unlock(&a->lock);
}

void swap_entry_put(swp_entry_t e)
{
	struct swap_area *a = swap_area_of(e);
	u64 at = swp_offset(e);
	bool cached_only;

	spin_lock(&a->lock);
	debug_assert(a->map[at] & SLOT_USES);
	a->map[at]--;
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

int swap_rw(swp_entry_t first, struct page **pages, unsigned nr, bool write)
{
	struct swap_area *a = swap_area_of(first);
	int err = rw_insist(a->mapping, swp_offset(first), pages, nr, write);

	*(write ? &a->writes : &a->reads) += nr;
	if (err)
		a->errors += nr;
	vm_event_add(write ? PSWPOUT : PSWPIN, nr);
	vm_event_add(write ? PGPGOUT : PGPGIN, nr * (PAGE_SIZE / 1024));
	return err;
}

/* ---- swapon ------------------------------------------------------------------------------------------------ */

struct swap_header {			/* at offset 1024 of the first page */
	u32	version, last_page, nr_bad;
	u8	uuid[16], label[16];
	u32	padding[117];
	u32	bad[];
};
#define HEADER_AT	1024
#define MAX_BAD		((PAGE_SIZE - HEADER_AT - sizeof(struct swap_header) - 10) / 4)

static int read_header(struct swap_area *a)
{
	struct page *p = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
	u64 room = (u64)a->mapping->size >> PAGE_SHIFT;
	const struct swap_header *h;
	int err;

	if (!p)
		return -ENOMEM;
	err = a->mapping->ops->swap_rw(a->mapping, 0, &p, 1, false);
	if (err)
		goto put;
	h = (const void *)((char *)page_address(p) + HEADER_AT);
	err = -EINVAL;
	if (memcmp((char *)page_address(p) + PAGE_SIZE - 10, "SWAPSPACE2", 10) || h->version != 1 || !h->last_page ||
	    h->nr_bad > MAX_BAD || h->last_page >= room)
		goto put;
	a->nr_slots = (u64)h->last_page + 1;
	a->map = kvmalloc(a->nr_slots * sizeof(u16), GFP_KERNEL | GFP_ZERO);
	err = a->map ? 0 : -ENOMEM;
	if (err)
		goto put;
	a->map[0] = SLOT_BAD;
	a->nr_pages = h->last_page;
	for (u32 i = 0; i < h->nr_bad; i++)
		if (h->bad[i] && h->bad[i] < a->nr_slots && !a->map[h->bad[i]]) {
			a->map[h->bad[i]] = SLOT_BAD;
			a->nr_pages--;
		}
put:
	page_put(p);
	return err;
}

static void area_free(struct swap_area *a)
{
	if (!a)
		return;
	xa_destroy(&a->cache);
	kvfree(a->map);
	kfree(a->path);
	kfree(a);
}

static int area_publish(struct swap_area *a, int prio)
{
	int err = -EPERM;

	spin_lock(&areas_lock);
	for (int i = 0; i < MAX_SWAPFILES && err != -EBUSY; i++)
		if (areas[i] && areas[i]->mapping == a->mapping)
			err = -EBUSY;
	for (int i = 0; i < MAX_SWAPFILES && err == -EPERM; i++)
		if (!areas[i]) {
			a->type = i;
			a->prio = prio >= 0 ? prio : next_prio--;
			a->writable = true;
			areas[i] = a;
			err = 0;
		}
	spin_unlock(&areas_lock);
	return err;
}

int swap_on(struct file *f, struct address_space *m, const char *path, bool is_file, int prio)
{
	struct swap_area *a;
	int err;

	if (!m->ops || !m->ops->swap_rw)
		return -EINVAL;
	a = kzalloc(sizeof(*a), GFP_KERNEL);
	if (!a)
		return -ENOMEM;
	spin_lock_init(&a->lock, "swap_area", LOCK_SWAP);
	xa_init(&a->cache);
	a->mapping = m;
	a->file = f;
	a->is_file = is_file;
	a->cursor = 1;
	a->path = kstrdup(path, GFP_KERNEL);
	err = a->path ? read_header(a) : -ENOMEM;
	if (!err)
		err = area_publish(a, prio);
	if (err) {
		area_free(a);
		return err;
	}
	atomic_add(&total_pages, (long)a->nr_pages);
	return 0;
}

/* ---- swapoff ------------------------------------------------------------------------------------------------ */

static int unuse_entry(struct vma *v, vaddr_t addr)
{
	struct fault f = { .mm = v->mm, .vma = v, .addr = addr, .access = ACCESS_READ | ACCESS_REMOTE | ACCESS_FORCE };

	switch (fault_area(&f)) {
	case FAULT_OOM:
		return -ENOMEM;
	case FAULT_SIGBUS:
		return -EIO;
	default:
		return 0;
	}
}

static int unuse_area(struct vma *v, unsigned type)
{
	for (vaddr_t at = v->start; at < v->end; at += PAGE_SIZE) {
		pte_t *table, e;
		int err;

		if (!(at & (PT_SIZE(2) - 1)) || at == v->start) {
			at = pt_next_table(v->mm, at, v->end, &table);
			if (!table)
				break;
		}
		e = pte_read(pt_find(v->mm, at));
		if (!pte_swap(e) || swp_type(pte_to_swp(e)) != type)
			continue;
		err = unuse_entry(v, at);
		if (err)
			return err;
		if (fatal_signal_pending() || signal_pending())
			return -EINTR;
	}
	return 0;
}

static int unuse_mm(struct mm *mm, unsigned type)
{
	int err = 0;

	rwsem_read_lock(&mm->mmap_lock);
	for (struct vma *v = mm->first; v && !err; v = v->next)
		if (v->anon_vma)
			err = unuse_area(v, type);
	rwsem_read_unlock(&mm->mmap_lock);
	return err;
}

static int unuse_mms(unsigned type)
{
	struct mm *mm = NULL;
	int err = 0;

	while ((mm = mm_iterate(mm))) {
		if (err || !atomic_read(&mm->counters[MM_SWAP]) || !mm_try_get(mm))
			continue;
		err = unuse_mm(mm, type);
		mm_put(mm);
	}
	return err;
}

/* Pages that only the swap cache still has. */
static void drop_cached(struct swap_area *a)
{
	unsigned long at = 1;

	for (;;) {
		struct page *p;

		xa_lock(&a->cache);
		p = xa_find_locked(&a->cache, &at, ~0UL, XA_NO_MARK);
		if (p)
			page_get(p);
		xa_unlock(&a->cache);
		if (!p)
			return;
		page_lock(p);
		if (page_test(p, PG_SWAPCACHE) && !page_mapcount(p) && !swap_entry_uses(page_swap_entry(p)))
			swap_cache_remove(p);
		else if (page_test(p, PG_SWAPCACHE) && !swap_entry_uses(page_swap_entry(p))) {
			page_set(p, PG_DIRTY);
			swap_cache_remove(p);
		}
		page_unlock(p);
		page_put(p);
		at++;
	}
}

static int bring_back(struct swap_area *a)
{
	unsigned idle = 0;

	while (READ_ONCE(a->nr_used)) {
		u64 before = a->nr_used;
		int err = unuse_mms((unsigned)a->type);

		if (!err)
			err = shmem_unuse((unsigned)a->type);
		if (err)
			return err;
		drop_cached(a);
		if (a->nr_used == before && ++idle > 1000)
			return -EBUSY;
		if (a->nr_used)
			cond_resched();
	}
	return 0;
}

int swap_off(struct address_space *m)
{
	struct swap_area *a = NULL;
	int err;

	spin_lock(&areas_lock);
	for (unsigned i = 0; i < MAX_SWAPFILES; i++)
		if (areas[i] && areas[i]->mapping == m && areas[i]->writable)
			a = areas[i];
	if (a)
		a->writable = false;
	spin_unlock(&areas_lock);
	if (!a)
		return -EINVAL;
	atomic_sub(&total_pages, (long)a->nr_pages);
	err = bring_back(a);
	if (err) {
		atomic_add(&total_pages, (long)a->nr_pages);
		a->writable = true;
		return err;
	}
	spin_lock(&areas_lock);
	areas[a->type] = NULL;
	spin_unlock(&areas_lock);
	while (atomic_read(&a->holders))
		cond_resched();
	vma_file_put(a->file);
	area_free(a);
	return 0;
}

/* ---- reports ------------------------------------------------------------------------------------------------ */

int swaps_report(struct text *out)
{
	for (unsigned i = 0; i < MAX_SWAPFILES; i++) {
		struct swap_area *a = swap_area_hold(i);
		unsigned long size, used;
		size_t start = out->len;

		if (!a)
			continue;
		size = (unsigned long)a->nr_pages << (PAGE_SHIFT - 10);
		used = (unsigned long)a->nr_used << (PAGE_SHIFT - 10);
		text_puts_escaped(out, a->path, " \t\n");
		do
			text_putc(out, ' ');
		while (out->len - start < 40);
		text_printf(out, "%s\t%lu\t%s%lu\t%s%d\n", a->is_file ? "file\t" : "partition", size,
			    size < 10000000 ? "\t" : "", used, used < 10000000 ? "\t" : "", a->prio);
		swap_area_release(a);
	}
	return 0;
}
