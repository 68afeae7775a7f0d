/*
 * truncate.c - pages leave the cache because the file got shorter, lost a part, or is gone.
 *
 * Order: the size changes first, so that no new page past it can appear; then the mappings go; then page by page, each
 * locked, out of the cache, and once more out of page tables when a fault slipped in between.
 */
#include "internal.h"

#include <mm/filemap.h>
#include "swap_internal.h"

#define BATCH	32

static bool take_page(void *entry)
{
	if (xa_is_value(entry))
		return false;
	page_get(entry);
	return true;
}

static void drop_page(struct address_space *m, struct page *p)
{
	pgoff_t index = p->index;

	page_lock(p);
	if (p->mapping == m) {
		page_wait_writeback(p);
		if (page_mapcount(p))
			unmap_mapping_range(m, index, index, true);
		filemap_delete(p);			/* the caller's reference keeps it */
		if (unlikely(page_mapcount(p)))		/* a fault came between */
			unmap_mapping_range(m, index, index, true);
	}
	page_unlock(p);
}

static void drop_pages(struct address_space *m, pgoff_t first, pgoff_t last)
{
	struct page *pages[BATCH];
	unsigned long at = first;
	unsigned n;

	while (at <= last && (n = xa_gather(&m->pages, &at, last, XA_NO_MARK, take_page, (void **)pages, NULL, BATCH))) {
		for (unsigned i = 0; i < n; i++)
			drop_page(m, pages[i]);
		page_put_bulk(pages, n);
		cond_resched();
		if (at == 0)
			break;
	}
}

/*
 * Everything in [first, last]. Reclaim turns pages into swap entries meanwhile, and swapoff entries into pages: in place, so
 * when nothing is found there nothing is there.
 */
static void drop_range(struct address_space *m, pgoff_t first, pgoff_t last)
{
	unsigned long at;

	do {
		drop_pages(m, first, last);
		shmem_drop_swapped(m, first, last);
		at = first;
	} while ((m->flags & MAPPING_NO_WRITEBACK) && xa_find(&m->pages, &at, last));
}

/* Clear bytes [from, to) of a cached page; when it is not cached and has a home, it is read first. */
static void zero_part(struct address_space *m, pgoff_t index, unsigned from, unsigned to, bool read)
{
	struct page *p;

	if (!read && (m->flags & MAPPING_NO_WRITEBACK) && xa_load(&m->pages, index))
		read = true;			/* it may be in swap */
	if (read) {
		if (filemap_grab(m, index, &p))
			return;
		if (filemap_fill(m, p)) {
			page_unlock(p);
			page_put(p);
			return;
		}
	} else {
		p = filemap_find(m, index);
		if (!p)
			return;
		page_lock(p);
		if (p->mapping != m) {
			page_unlock(p);
			page_put(p);
			return;
		}
	}
	page_wait_writeback(p);
	memset((char *)page_address(p) + from, 0, to - from);
	if (read)
		filemap_set_dirty(p);
	page_unlock(p);
	page_put(p);
}

void filemap_truncate(struct address_space *m, loff_t size)
{
	loff_t old;
	pgoff_t first = (pgoff_t)((size + PAGE_SIZE - 1) >> PAGE_SHIFT);
	unsigned tail = (unsigned)size & (PAGE_SIZE - 1);

	rwsem_write_lock(&m->invalidate_lock);
	old = m->size;
	WRITE_ONCE(m->size, size);
	if (size < old || !xa_empty(&m->pages)) {
		unmap_mapping_range(m, first, ~0UL, true);
		if (!xa_empty(&m->pages)) {
			drop_range(m, first, ~0UL);
			if (tail && size < old)
				zero_part(m, (pgoff_t)size >> PAGE_SHIFT, tail, PAGE_SIZE, false);
			else if (size > old && (old & (loff_t)(PAGE_SIZE - 1)))	/* a mapping may have written past the end */
				zero_part(m, (pgoff_t)old >> PAGE_SHIFT, (unsigned)old & (PAGE_SIZE - 1), PAGE_SIZE, false);
		}
	}
	rwsem_write_unlock(&m->invalidate_lock);
}

/* [start, end) in bytes. Whole pages go, parts are cleared. Private copies stay. */
void filemap_punch_hole(struct address_space *m, loff_t start, loff_t end)
{
	pgoff_t first = (pgoff_t)((start + PAGE_SIZE - 1) >> PAGE_SHIFT), last_end = (pgoff_t)end >> PAGE_SHIFT;

	if (start >= end)
		return;
	rwsem_write_lock(&m->invalidate_lock);
	if (first > last_end) {				/* inside one page */
		zero_part(m, (pgoff_t)start >> PAGE_SHIFT, (unsigned)start & (PAGE_SIZE - 1),
			  (unsigned)end & (PAGE_SIZE - 1), !m->shmem);
	} else {
		if (start & (loff_t)(PAGE_SIZE - 1))
			zero_part(m, (pgoff_t)start >> PAGE_SHIFT, (unsigned)start & (PAGE_SIZE - 1), PAGE_SIZE, !m->shmem);
		if ((end & (loff_t)(PAGE_SIZE - 1)) && (pgoff_t)end >> PAGE_SHIFT >= first)
			zero_part(m, (pgoff_t)end >> PAGE_SHIFT, 0, (unsigned)end & (PAGE_SIZE - 1), !m->shmem);
		if (first < last_end) {
			unmap_mapping_range(m, first, last_end - 1, false);
			drop_range(m, first, last_end - 1);
		}
	}
	rwsem_write_unlock(&m->invalidate_lock);
}

void mapping_destroy(struct address_space *m)
{
	if (!xa_empty(&m->pages) || list_is_linked(&m->dirty_link))
		drop_range(m, 0, ~0UL);
	writeback_forget(m);
	WARN_ON(m->nr_pages);
	shmem_mapping_destroy(m);
	xa_destroy(&m->pages);
}

/* Clean, unmapped, not in use by anybody. True when it went. The caller's reference is the only one besides the cache's. */
bool filemap_drop_clean(struct page *p)
{
	bool dropped = false;

	if (!page_trylock(p))
		return false;
	if (p->mapping && !page_is_anon(p) && !page_mapcount(p) && !page_test(p, PG_DIRTY) && !page_test(p, PG_WRITEBACK) &&
	    page_refs(p) == 2 && !(p->mapping->flags & MAPPING_NO_WRITEBACK)) {
		struct address_space *m = p->mapping;

		/* Nobody may find it between the check and the removal. */
		xa_lock(&m->pages);
		if (page_refs(p) == 2 && !page_test(p, PG_DIRTY)) {
			xa_erase_locked(&m->pages, p->index);
			m->nr_pages--;
			WRITE_ONCE(p->mapping, NULL);
			dropped = true;
		}
		xa_unlock(&m->pages);
		if (dropped) {
			vm_stat_add(NR_FILE_PAGES, -1);
			if (m->ops && m->ops->free_page)
				m->ops->free_page(m, p);
		}
	}
	page_unlock(p);
	if (dropped)
		page_put(p);		/* the cache's */
	return dropped;
}

unsigned long filemap_invalidate(struct address_space *m, pgoff_t start, pgoff_t end)
{
	struct page *pages[BATCH];
	unsigned long at = start, dropped = 0;
	unsigned n;

	while (at <= end && (n = xa_gather(&m->pages, &at, end, XA_NO_MARK, take_page, (void **)pages, NULL, BATCH))) {
		for (unsigned i = 0; i < n; i++)
			dropped += filemap_drop_clean(pages[i]);
		page_put_bulk(pages, n);
		cond_resched();
		if (at == 0)
			break;
	}
	return dropped;
}

int filemap_invalidate_all(struct address_space *m)
{
	int err = filemap_write_range(m, 0, S64_MAX, true);

	rwsem_write_lock(&m->invalidate_lock);
	unmap_mapping_range(m, 0, ~0UL, false);
	if (!xa_empty(&m->pages))
		drop_range(m, 0, ~0UL);
	rwsem_write_unlock(&m->invalidate_lock);
	return err;
}
