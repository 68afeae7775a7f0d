/*
 * swapon.c - swapon, swapoff, /proc/swaps.
 *
 * SWAPON      the header says how many pages, and which are bad; a file's place on its disk is looked up once.
 * SWAPOFF     no new slots; every address space and every shmem file takes its pages back; what is left is cached only.
 *             Repeated until nothing is used, since pages move while we look. What cannot be read is lost: a marker takes the
 *             entry's place, and the area goes all the same (as Linux since 6.0). When the pages do not fit into memory, the one who asked
 *             for it is killed before anybody else (TF_OOM_ORIGIN), and the area stays.
 */
#include "swap_internal.h"

#include <abi/errno.h>
#include <lib/text.h>
#include <mm/filemap.h>

static int next_prio = -2;		/* for those without one given */

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
	int err = 0;

	if (!p)
		return -ENOMEM;
	if (a->mapping->ops->swap_activate) {
		err = a->mapping->ops->swap_activate(a->mapping, &room);
		a->activated = !err;
	}
	if (!err)
		err = a->mapping->ops->swap_rw(a->mapping, 0, &p, 1, false);
	if (err)
		goto put;
	h = (const void *)((char *)page_address(p) + HEADER_AT);
	err = -EINVAL;
	if (memcmp((char *)page_address(p) + PAGE_SIZE - 10, "SWAPSPACE2", 10) || h->version != 1 || !h->last_page ||
	    h->nr_bad > MAX_BAD || (h->nr_bad && a->is_file) || h->last_page >= (u64)a->mapping->size >> PAGE_SHIFT)
		goto put;
	a->nr_slots = min((u64)h->last_page + 1, room);
	if (a->nr_slots < 2)
		goto put;
	a->nr_clusters = (u32)DIV_ROUND_UP(a->nr_slots, CLUSTER);
	a->map = kvmalloc(a->nr_slots * sizeof(u16), GFP_KERNEL | GFP_ZERO);
	a->clusters = kvmalloc(a->nr_clusters * sizeof(struct cluster), GFP_KERNEL | GFP_ZERO);
	a->charged = kvmalloc(a->nr_slots * sizeof(u16), GFP_KERNEL | GFP_ZERO);
	err = a->map && a->clusters && a->charged ? 0 : -ENOMEM;
	if (err)
		goto put;
	a->map[0] = SLOT_BAD;
	a->nr_pages = a->nr_slots - 1;
	for (u32 i = 0; i < h->nr_bad; i++)
		if (h->bad[i] && h->bad[i] < a->nr_slots && !a->map[h->bad[i]]) {
			a->map[h->bad[i]] = SLOT_BAD;
			a->nr_pages--;
		}
	swap_clusters_init(a);
put:
	page_put(p);
	return err;
}

/* What areas that are gone did, by path: the report tells of them too. */
#define KEPT_GONE	8
static struct gone {
	char	path[64];
	u64	pages, peak, writes, reads, errors;
} gone[KEPT_GONE];

static struct gone *gone_of(const char *path)
{
	for (unsigned i = 0; i < KEPT_GONE; i++) {
		if (!gone[i].path[0])
			strscpy(gone[i].path, path, sizeof(gone[i].path));
		if (!strncmp(gone[i].path, path, sizeof(gone[i].path) - 1))
			return &gone[i];
	}
	return NULL;
}

static void remember(const struct swap_area *a)
{
	struct gone *g;

	spin_lock(&swap_areas_lock);
	g = gone_of(a->path);
	if (g)
		*g = (struct gone){ .pages = a->nr_pages, .peak = max(g->peak, a->peak_used),
				    .writes = g->writes + (u64)atomic_read(&a->writes),
				    .reads = g->reads + (u64)atomic_read(&a->reads), .errors = g->errors + (u64)atomic_read(&a->errors) };
	if (g)
		strscpy(g->path, a->path, sizeof(g->path));
	spin_unlock(&swap_areas_lock);
}

static void area_free(struct swap_area *a)
{
	if (!a)
		return;
	if (a->peak_used)
		remember(a);
	if (a->activated)
		a->mapping->ops->swap_deactivate(a->mapping);
	xa_destroy(&a->cache);
	xa_destroy(&a->zswap);
	kvfree(a->clusters);
	kvfree(a->charged);
	kvfree(a->map);
	kfree(a->path);
	kfree(a);
}

static bool mapping_is_swap(const struct address_space *m)
{
	bool found = false;

	spin_lock(&swap_areas_lock);
	for (int i = 0; i < MAX_SWAPFILES; i++)
		found |= swap_areas[i] && swap_areas[i]->mapping == m;
	spin_unlock(&swap_areas_lock);
	return found;
}

static int area_publish(struct swap_area *a, int prio)
{
	int err = -EPERM;

	spin_lock(&swap_areas_lock);
	for (int i = 0; i < MAX_SWAPFILES && err != -EBUSY; i++)
		if (swap_areas[i] && swap_areas[i]->mapping == a->mapping)
			err = -EBUSY;
	for (int i = 0; i < MAX_SWAPFILES && err == -EPERM; i++)
		if (!swap_areas[i]) {
			a->type = i;
			a->prio = prio >= 0 ? prio : next_prio--;
			a->writable = true;
			swap_areas[i] = a;
			err = 0;
		}
	spin_unlock(&swap_areas_lock);
	return err;
}

/* As swapon(2) has it: the whole area at once, and from then on cluster by cluster, or one of these. A device that cannot: neither. */
static void set_discard(struct swap_area *a, unsigned discard)
{
	if (!discard || !a->mapping->ops->swap_discard)
		return;
	if ((discard & SWAP_DISCARD_ONCE) && a->nr_slots > 1 && a->mapping->ops->swap_discard(a->mapping, 1, a->nr_slots - 1))
		return;
	a->discard_clusters = discard & SWAP_DISCARD_CLUSTERS;
}

int swap_on(struct file *f, struct address_space *m, const char *path, bool is_file, int prio, unsigned discard)
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
	xa_init(&a->zswap);
	a->mapping = m;
	a->file = f;
	a->is_file = is_file;
	a->in_memory = m->ops->swap_slot_free;
	work_init(&a->discard_work, swap_discard_work);
	a->path = kstrdup(path, GFP_KERNEL);
	err = a->path ? 0 : -ENOMEM;
	if (!err && mapping_is_swap(m))
		err = -EBUSY;
	if (!err)
		err = read_header(a);
	if (!err) {
		set_discard(a, discard);
		err = area_publish(a, prio);
	}
	if (err) {
		area_free(a);
		return err;
	}
	atomic_add(&swap_total, (long)a->nr_pages);
	return 0;
}

/* ---- swapoff ------------------------------------------------------------------------------------------------ */

/* The device cannot give this page back, and the area is to go: whoever touches it from now on gets SIGBUS, as before. */
static void poison(struct vma *v, vaddr_t addr, unsigned type)
{
	pte_t *pte = pt_find(v->mm, addr);
	spinlock_t *ptl = pt_lock_of(pte);
	pte_t e;

	spin_lock(ptl);
	e = pte_read(pte);
	if (!pte_swap(e) || swp_type(pte_to_swp(e)) != type) {
		spin_unlock(ptl);
		return;
	}
	pte_set(pte, pte_from_swp(swp_make(SWP_MARKER, SWP_POISONED)));
	mm_counter_add(v->mm, MM_SWAP, -1);
	spin_unlock(ptl);
	swap_entry_put(pte_to_swp(e));
}

static int unuse_entry(struct vma *v, vaddr_t addr, unsigned type)
{
	enum fault_result r = FAULT_SIGBUS;

	for (unsigned tries = 0; r == FAULT_SIGBUS && tries < 3; tries++) {
		struct fault f = { .mm = v->mm, .vma = v, .addr = addr, .access = ACCESS_READ | ACCESS_REMOTE | ACCESS_FORCE };

		r = fault_area(&f);
	}
	if (r == FAULT_SIGBUS)
		poison(v, addr, type);
	return r == FAULT_OOM ? -ENOMEM : 0;
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
		err = unuse_entry(v, at, type);
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

#define NAPS	30000u		/* of a millisecond */

/* What still uses slots is in others' hands: a reclaimer's batch, pages being written. -EBUSY when that does not end. */
static int nap(unsigned idle)
{
	if (idle < 4) {
		cond_resched();
		return 0;
	}
	if (signal_pending())
		return -EINTR;
	task_set_state(TASK_INTERRUPTIBLE);
	schedule_timeout(NSEC_PER_MSEC);
	return idle > NAPS ? -EBUSY : 0;
}

static int bring_back(struct swap_area *a)
{
	unsigned idle = 0;
	int err = 0;

	while (!err && READ_ONCE(a->nr_used)) {
		u64 before = READ_ONCE(a->nr_used);

		err = unuse_mms((unsigned)a->type);
		if (!err)
			err = shmem_unuse((unsigned)a->type);
		if (err)
			return err;
		drop_cached(a);
		idle = READ_ONCE(a->nr_used) == before ? idle + 1 : 0;
		err = nap(idle);
	}
	return err;
}

/* Whoever holds the area's lock now, on what it saw before, is done with it: has counted the slots it took, or touches the area no more. */
static void wait_for_lock(struct swap_area *a)
{
	spin_lock(&a->lock);
	spin_unlock(&a->lock);
}

int swap_off(struct address_space *m)
{
	struct swap_area *a = NULL;
	struct file *f;
	int err;

	spin_lock(&swap_areas_lock);
	for (unsigned i = 0; i < MAX_SWAPFILES; i++)
		if (swap_areas[i] && swap_areas[i]->mapping == m && swap_areas[i]->writable)
			a = swap_areas[i];
	if (a)
		WRITE_ONCE(a->writable, false);
	spin_unlock(&swap_areas_lock);
	if (!a)
		return -EINVAL;
	wait_for_lock(a);			/* a take_run() that still found it writable */
	atomic_sub(&swap_total, (long)a->nr_pages);
	current->flags |= TF_OOM_ORIGIN;
	err = bring_back(a);
	current->flags &= (u32)~TF_OOM_ORIGIN;
	if (err) {
		atomic_add(&swap_total, (long)a->nr_pages);
		WRITE_ONCE(a->writable, true);
		return err;
	}
	wait_for_lock(a);			/* who gave the last slot back: nr_used said so before its lock did */
	spin_lock(&swap_areas_lock);
	swap_areas[a->type] = NULL;
	spin_unlock(&swap_areas_lock);
	while (atomic_read_acquire(&a->holders))
		cond_resched();
	work_flush(&a->discard_work);
	f = a->file;
	area_free(a);			/* needs its file's inode */
	vma_file_put(f);
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
		used = (unsigned long)READ_ONCE(a->nr_used) << (PAGE_SHIFT - 10);
		text_puts_escaped(out, a->path, " \t\n");
		do
			text_putc(out, ' ');
		while (out->len - start < 40 && !out->cut);	/* no memory for more: the text ends here */
		text_printf(out, "%s\t%lu\t%s%lu\t%s%d\n", a->is_file ? "file\t" : "partition", size,
			    size < 10000000 ? "\t" : "", used, used < 10000000 ? "\t" : "", a->prio);
		swap_area_release(a);
	}
	return 0;
}

/* What is kept of the path, or nothing but zeroes; *shown notes which it is. */
static struct gone find_gone(const char *path, u32 *shown)
{
	struct gone found = { .path = "" };

	spin_lock(&swap_areas_lock);
	for (unsigned i = 0; i < KEPT_GONE; i++)
		if (gone[i].path[0] && !strncmp(gone[i].path, path, sizeof(gone[i].path) - 1)) {
			found = gone[i];
			*shown |= (u32)BIT(i);
			break;
		}
	spin_unlock(&swap_areas_lock);
	return found;
}

static struct gone gone_at(unsigned i)
{
	struct gone g;

	spin_lock(&swap_areas_lock);
	g = gone[i];
	spin_unlock(&swap_areas_lock);
	return g;
}

static void area_event(struct text *out, const char *path, bool on, int prio, const struct gone *g, u64 used)
{
	text_printf(out, "area %d %d %llu %llu %llu %llu %llu %llu ", on, prio, (unsigned long long)g->pages, (unsigned long long)used,
		    (unsigned long long)g->peak, (unsigned long long)g->writes, (unsigned long long)g->reads, (unsigned long long)g->errors);
	text_puts_escaped(out, path, " \t\n");
	text_putc(out, '\n');
}

/* "area ON PRIORITY PAGES USED PEAK WRITTEN READ FAILED PATH"; an area that was off and on again has all its numbers together. */
void swap_report_events(struct text *out)
{
	u32 shown = 0;

	for (unsigned i = 0; i < MAX_SWAPFILES; i++) {
		struct swap_area *a = swap_area_hold(i);
		struct gone g;

		if (!a)
			continue;
		g = find_gone(a->path, &shown);
		g.pages = a->nr_pages;
		g.peak = max(g.peak, READ_ONCE(a->peak_used));
		g.writes += (u64)atomic_read(&a->writes);
		g.reads += (u64)atomic_read(&a->reads);
		g.errors += (u64)atomic_read(&a->errors);
		area_event(out, a->path, true, a->prio, &g, READ_ONCE(a->nr_used));
		swap_area_release(a);
	}
	for (unsigned i = 0; i < KEPT_GONE; i++) {
		struct gone g = gone_at(i);

		if (g.path[0] && !(shown & BIT(i)))
			area_event(out, g.path, false, 0, &g, 0);
	}
}
