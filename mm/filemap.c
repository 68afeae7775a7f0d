/*
 * filemap.c - the page cache: finding, making, filling and dropping pages of files.
 *
 * SHAPE       address_space.pages, an xarray from index to page. The cache holds one reference of each page.
 * LIFE        absent -> locked, not up to date -> (read_page) up to date -> dirty <-> under write-back -> clean -> dropped.
 * RULES       page->mapping and index are set before the page can be found and constant while it is in the cache; whoever has a
 *             reference and the page lock and sees page->mapping == m knows that it stays there. Removal: page locked, mapping
 *             cleared, then the mapcount looked at; a fault counts itself first and looks at page->mapping then (mm/fault.c), so
 *             no entry outlives a truncation.
 * ACCOUNTS    a page stands in m->account (page cache or shmem) from birth to death; NR_FILE_PAGES and NR_SHMEM follow the cache.
 * READ NEXT   mm/readahead.c, mm/writeback.c, mm/truncate.c, mm/shmem.c
 */
#include "internal.h"

#include <mm/filemap.h>
#include "swap_internal.h"

void filemap_init(void)
{
	writeback_init();
}

void mapping_init(struct address_space *m, struct inode *host, const struct mapping_ops *ops, enum account account)
{
	m->host = host;
	m->ops = ops;
	xa_init(&m->pages);
	m->nr_pages = 0;
	m->size = 0;
	rwsem_init(&m->invalidate_lock, "invalidate_lock", LOCK_MAPPING);
	mutex_init(&m->i_mmap_lock, "i_mmap_lock", LOCK_I_MMAP);
	m->i_mmap.node = NULL;
	m->nr_shared_writable = 0;
	m->account = account;
	m->gfp = GFP_USER;
	m->flags = 0;
	m->wb_err = 0;
	list_init(&m->dirty_link);
	m->shmem = NULL;
}

/* ---- single pages ------------------------------------------------------------------------------------------ */

static bool take_page(void *entry)
{
	if (xa_is_value(entry))
		return false;
	page_get(entry);
	return true;
}

/* Any cached page of the index, with a reference; maybe not up to date, maybe locked. */
static struct page *cache_find(struct address_space *m, pgoff_t index)
{
	struct page *p;

	xa_lock(&m->pages);
	p = xa_load_locked(&m->pages, index);
	if (p && !take_page(p))
		p = NULL;
	xa_unlock(&m->pages);
	return p;
}

struct page *filemap_find(struct address_space *m, pgoff_t index)
{
	struct page *p = cache_find(m, index);

	if (p && !page_test(p, PG_UPTODATE)) {
		page_put(p);
		return NULL;
	}
	return p;
}

static void count_page(struct address_space *m, long n)
{
	vm_stat_add(NR_FILE_PAGES, n);
	if (m->account == ACCT_SHMEM)
		vm_stat_add(NR_SHMEM, n);
}

/* page->mapping and index are set, the page is locked or nobody else's. */
static int insert(struct address_space *m, pgoff_t index, struct page *p)
{
	int err;

	for (;;) {
		xa_lock(&m->pages);
		err = xa_insert_locked(&m->pages, index, p);
		if (!err)
			m->nr_pages++;
		xa_unlock(&m->pages);
		if (err != -ENOMEM)
			return err;
		err = xa_reserve(&m->pages, index, GFP_KERNEL);
		if (err)
			return err;
	}
}

int filemap_insert(struct address_space *m, pgoff_t index, struct page *p)
{
	int err;

	p->mapping = m;
	p->index = index;
	page_get(p);
	err = insert(m, index, p);
	if (err) {
		p->mapping = NULL;
		page_put(p);
		return err;
	}
	if (m->account == ACCT_SHMEM)
		page_set(p, PG_SWAPBACKED);
	count_page(m, 1);
	lru_add(p);
	return 0;
}

int filemap_create(struct address_space *m, pgoff_t index, gfp_t gfp, struct page **out)
{
	struct page *p;
	int err;

	if (m->shmem) {
		err = shmem_charge(m);
		if (err)
			return err;
	}
	p = page_alloc(gfp, 0, m->account);
	if (!p) {
		err = -ENOMEM;
		goto uncharge;
	}
	page_set_private(p, PG_LOCKED);
	if (m->account == ACCT_PAGE_CACHE)
		workingset_refault(p, m, index);
	err = filemap_insert(m, index, p);
	if (err) {
		page_clear(p, PG_LOCKED);
		page_clear(p, PG_ACTIVE);
		page_put(p);
		goto uncharge;
	}
	*out = p;
	return 0;
uncharge:
	if (m->shmem)
		shmem_uncharge(m);
	return err;
}

/* Only shmem has anything but pages in its index: swap entries. */
static bool is_swapped(struct address_space *m, pgoff_t index, swp_entry_t *e)
{
	void *entry;

	if (likely(!(m->flags & MAPPING_NO_WRITEBACK)))
		return false;
	entry = xa_load(&m->pages, index);
	if (!entry || !xa_is_value(entry))
		return false;
	*e = swp_from_index_value(xa_to_value(entry));
	return true;
}

int filemap_grab(struct address_space *m, pgoff_t index, struct page **out)
{
	for (;;) {
		struct page *p = cache_find(m, index);
		swp_entry_t e;
		int err;

		if (!p && unlikely(is_swapped(m, index, &e))) {
			err = shmem_swap_in(m, index, e, out);
			if (err != -EAGAIN)
				return err;
			continue;
		}

		if (p) {
			page_lock(p);
			if (likely(p->mapping == m)) {
				*out = p;
				return 0;
			}
			page_unlock(p);		/* dropped while we waited */
			page_put(p);
			continue;
		}
		err = filemap_create(m, index, m->gfp, out);
		if (err != -EEXIST)
			return err;
	}
}

int filemap_fill(struct address_space *m, struct page *p)
{
	int err;

	if (page_test(p, PG_UPTODATE))
		return 0;
	if (!m->ops || !m->ops->read_page) {	/* memory is all there is */
		clear_page(page_address(p));
		page_set(p, PG_UPTODATE);
		return 0;
	}
	page_clear(p, PG_ERROR);
	err = m->ops->read_page(m, p);
	if (err)
		return err;
	return page_test(p, PG_UPTODATE) ? 0 : -EIO;
}

/* The cache lets go of the page. Locked, out of every page table or about to be. */
void filemap_delete(struct page *p)
{
	struct address_space *m = p->mapping;

	debug_assert(page_test(p, PG_LOCKED));
	filemap_clear_dirty(p);
	xa_lock(&m->pages);
	xa_erase_locked(&m->pages, p->index);
	m->nr_pages--;
	WRITE_ONCE(p->mapping, NULL);
	xa_unlock(&m->pages);
	smp_mb();			/* a fault that counted itself before this is seen by the caller */
	count_page(m, -1);
	if (m->ops && m->ops->free_page)
		m->ops->free_page(m, p);
	if (m->shmem)
		shmem_uncharge(m);
	page_put(p);
}

int filemap_get(struct address_space *m, pgoff_t index, struct page **out)
{
	struct page *p;
	int err;

	for (;;) {
		if (index >= (pgoff_t)((READ_ONCE(m->size) + PAGE_SIZE - 1) >> PAGE_SHIFT))
			return -ERANGE;
		p = filemap_find(m, index);
		if (likely(p))
			break;
		rwsem_read_lock(&m->invalidate_lock);
		err = filemap_grab(m, index, &p);
		if (!err) {
			err = filemap_fill(m, p);
			page_unlock(p);
			if (err)
				page_put(p);
		}
		rwsem_read_unlock(&m->invalidate_lock);
		if (err)
			return err;
		break;
	}
	*out = p;
	return 0;
}

/* ---- faults ------------------------------------------------------------------------------------------------ */

enum fault_result filemap_fault(struct fault *f)
{
	struct address_space *m = f->vma->mapping;
	struct page *p;
	int err;

	if (unlikely(!m))
		return FAULT_SIGBUS;
	if (f->pgoff >= (pgoff_t)((READ_ONCE(m->size) + PAGE_SIZE - 1) >> PAGE_SHIFT))
		return FAULT_SIGBUS;
	p = filemap_find(m, f->pgoff);
	if (!p) {
		if (!(m->flags & MAPPING_NO_WRITEBACK)) {
			f->major = true;
			readahead_around(m, f->pgoff, f->vma->flags & VM_RAND_READ);
		}
		err = filemap_get(m, f->pgoff, &p);
		if (err)
			return err == -ENOMEM ? FAULT_OOM : FAULT_SIGBUS;
	}
	f->page = p;
	return FAULT_DONE;
}

/* ---- read(2) ----------------------------------------------------------------------------------------------- */

/* Bytes of the page at pos that are inside the file. */
static size_t bytes_in_page(struct address_space *m, loff_t pos)
{
	loff_t size = READ_ONCE(m->size);
	size_t room = PAGE_SIZE - (size_t)(pos & (PAGE_SIZE - 1));

	if (pos >= size)
		return 0;
	return (loff_t)room < size - pos ? room : (size_t)(size - pos);
}

static int read_get_page(struct address_space *m, struct readahead *ra, pgoff_t index, size_t left, struct page **out)
{
	struct page *p = filemap_find(m, index);

	if (likely(p)) {
		*out = p;
		return 0;
	}
	if ((m->flags & MAPPING_NO_WRITEBACK) && !xa_load(&m->pages, index)) {	/* a hole reads as zeroes, and stays one */
		*out = NULL;
		return 0;
	}
	if (ra)
		readahead_sequential(m, ra, index, (unsigned)DIV_ROUND_UP(left, PAGE_SIZE));
	return filemap_get(m, index, out);
}

ssize_t filemap_read(struct address_space *m, struct readahead *ra, loff_t *pos, struct io_iter *it)
{
	ssize_t total = 0;
	int err = 0;

	while (it->left) {
		pgoff_t index = (pgoff_t)*pos >> PAGE_SHIFT;
		size_t off = (size_t)*pos & (PAGE_SIZE - 1), n = min(bytes_in_page(m, *pos), it->left), done;
		struct page *p;

		if (!n)
			break;
		err = read_get_page(m, ra, index, it->left, &p);
		if (err)
			break;
		if (p) {
			done = io_iter_put(it, (char *)page_address(p) + off, n);
			if (!ra || ra->next_index != index + 1)
				lru_mark_accessed(p);
			page_put(p);
		} else {
			done = io_iter_zero(it, n);
		}
		if (ra)
			ra->next_index = index + 1;
		*pos += (loff_t)done;
		total += (ssize_t)done;
		if (done < n) {
			err = -EFAULT;
			break;
		}
		if (need_resched())
			cond_resched();
	}
	if (err == -ERANGE)
		err = 0;		/* truncated meanwhile */
	return total ? total : err;
}

/* ---- write(2) ---------------------------------------------------------------------------------------------- */

/* Make bytes [off, off + n) of the locked page ready to be overwritten. */
static int write_prepare(struct address_space *m, struct page *p, unsigned off, unsigned n)
{
	loff_t start = (loff_t)p->index << PAGE_SHIFT;
	int err;

	if (m->ops && m->ops->write_begin) {
		err = m->ops->write_begin(m, p, off, n);
		if (err)
			return err;
	}
	if (page_test(p, PG_UPTODATE) || n == PAGE_SIZE)
		return 0;
	if (start >= m->size || (!off && start + n >= m->size)) {	/* nothing of the old contents remains */
		memset(page_address(p), 0, off);
		memset((char *)page_address(p) + off + n, 0, PAGE_SIZE - off - n);
		return 0;
	}
	return filemap_fill(m, p);
}

/* One page's worth. Bytes written, or a negative errno; 0: the source was not present, fault it in and try again. */
static ssize_t write_page_part(struct address_space *m, loff_t pos, struct io_iter *it, size_t n)
{
	unsigned off = (unsigned)pos & (PAGE_SIZE - 1);
	struct page *p;
	size_t done;
	int err;

	err = filemap_grab(m, (pgoff_t)pos >> PAGE_SHIFT, &p);
	if (err)
		return err;
	err = write_prepare(m, p, off, (unsigned)n);
	if (err) {
		page_unlock(p);
		page_put(p);
		return err;
	}
	done = io_iter_get_nofault((char *)page_address(p) + off, it, n);
	if (done) {
		if (done == n || page_test(p, PG_UPTODATE)) {
			if (!page_test(p, PG_UPTODATE))
				page_set(p, PG_UPTODATE);
			filemap_set_dirty(p);
			if (pos + (loff_t)done > m->size)
				WRITE_ONCE(m->size, pos + (loff_t)done);
			if (!page_test(p, PG_REFERENCED))
				page_set(p, PG_REFERENCED);
		} else {
			io_iter_revert(it, done);	/* a half-filled page that holds nothing else: start again */
			done = 0;
		}
	}
	page_unlock(p);
	page_put(p);
	return (ssize_t)done;
}

ssize_t filemap_write(struct address_space *m, loff_t *pos, struct io_iter *it)
{
	ssize_t total = 0, done = 0;
	size_t cut = PAGE_SIZE;

	while (it->left) {
		size_t n = min(min(it->left, PAGE_SIZE - ((size_t)*pos & (PAGE_SIZE - 1))), cut);

		done = write_page_part(m, *pos, it, n);
		if (done == 0) {
			/* Two source pages may not stay present together on a tiny machine: ask for less each time. */
			done = io_iter_fault_in(it, n, false);
			if (done == -EFAULT && n > 1) {
				cut = n / 2;
				done = 0;
				continue;
			}
			if (done)
				break;
			continue;
		}
		if (done < 0)
			break;
		cut = PAGE_SIZE;
		*pos += done;
		total += done;
		balance_dirty(m);
		if (fatal_signal_pending() && it->left) {
			done = -EINTR;
			break;
		}
		if (need_resched())
			cond_resched();
	}
	return total ? total : done;
}

/* ---- dirt ---------------------------------------------------------------------------------------------------- */

bool vma_tracks_dirty(const struct vma *v)
{
	if (!(v->flags & VM_SHARED))
		return false;
	if (v->ops && v->ops->page_mkwrite)
		return true;
	return v->mapping && !(v->mapping->flags & MAPPING_NO_WRITEBACK) && !(v->ops && v->ops->fault);
}

void filemap_set_dirty(struct page *p)
{
	struct address_space *m = READ_ONCE(p->mapping);
	bool marked = false;

	if (page_test(p, PG_DIRTY) || page_test_and_set(p, PG_DIRTY) || !m || page_is_anon(p))
		return;
	if (m->flags & MAPPING_NO_WRITEBACK)
		return;
	xa_lock(&m->pages);
	if (p->mapping == m) {
		xa_set_mark_locked(&m->pages, p->index, XA_DIRTY);
		vm_stat_add(NR_FILE_DIRTY, 1);
		vm_event_add(PAGES_DIRTIED, 1);
		marked = true;
	}
	xa_unlock(&m->pages);
	if (marked)
		writeback_note_dirty(m);
}

/* An entry with the dirty bit goes away. */
void page_mapping_dirty(struct page *p)
{
	if (!page_test(p, PG_DIRTY))
		filemap_set_dirty(p);
}

void filemap_clear_dirty(struct page *p)
{
	struct address_space *m = p->mapping;

	if (!page_test_and_clear(p, PG_DIRTY) || !m || (m->flags & MAPPING_NO_WRITEBACK))
		return;
	xa_lock(&m->pages);
	if (xa_get_mark_locked(&m->pages, p->index, XA_DIRTY)) {
		xa_clear_mark_locked(&m->pages, p->index, XA_DIRTY);
		vm_stat_add(NR_FILE_DIRTY, -1);
	}
	xa_unlock(&m->pages);
}
