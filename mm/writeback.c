/*
 * writeback.c - dirty pages of files go home.
 *
 * WHO         fsync, msync and sync; a worker every 5 seconds while anything is dirty; and whoever dirties more than a fifth of
 *             the memory that could be dirty, for the file it writes to.
 * HOW         pages with the DIRTY mark, in order of index: locked, made clean in all page tables (so that a later store
 *             is noticed), marked under write-back, and handed to the file system in contiguous runs.
 * ERRORS      a run that fails is tried again page by page. A failed page stays clean and cached, as in Linux; the mapping's wb_err moves on, and
 *             every open file sees the error once, at its next fsync, msync or sync_file_range (lib/errseq.h). Without memory to write
 *             a page it stays dirty.
 * LOCKS       dirty_lock (a leaf) guards the list of dirty mappings. A mapping is kept alive meanwhile by
 *             mapping_host_get(), which fs/ defines.
 */
#include "internal.h"

#include <kernel/workqueue.h>
#include <mm/filemap.h>
#include <mm/reclaim.h>

#define RUN		32

int sysctl_dirty_ratio = 20, sysctl_dirty_background_ratio = 10;
unsigned long sysctl_dirty_bytes, sysctl_dirty_background_bytes;
int sysctl_dirty_writeback_centisecs = 500, sysctl_dirty_expire_centisecs = 3000;

static struct list dirty_mappings = LIST_INIT(dirty_mappings);
static spinlock_t dirty_lock = SPINLOCK_INIT("dirty_mappings", LOCK_LEAF);
static struct delayed_work flusher;
static bool flusher_armed;
static bool early;			/* the flusher has been asked to come before its time */

/* ---- which files ------------------------------------------------------------------------------------------- */

static ktime_t wb_interval(void)
{
	return (ktime_t)sysctl_dirty_writeback_centisecs * 10 * NSEC_PER_MSEC;
}

void writeback_note_dirty(struct address_space *m)
{
	bool arm;

	if (list_is_linked(&m->dirty_link))
		return;
	spin_lock(&dirty_lock);
	if (!list_is_linked(&m->dirty_link)) {
		m->dirtied = ktime_get();
		list_append(&dirty_mappings, &m->dirty_link);
	}
	arm = !flusher_armed && sysctl_dirty_writeback_centisecs;
	flusher_armed |= arm;
	spin_unlock(&dirty_lock);
	if (arm)
		delayed_work_queue(&flusher, wb_interval());
}

void writeback_forget(struct address_space *m)
{
	spin_lock(&dirty_lock);
	if (list_is_linked(&m->dirty_link))
		list_remove(&m->dirty_link);
	spin_unlock(&dirty_lock);
}

/*
 * Take the first mapping dirty since before `until` off the list, which is in that order, kept alive. NULL when none is left of
 * `budget`.
 */
static struct address_space *next_dirty(unsigned *budget, ktime_t until)
{
	struct address_space *m = NULL;

	spin_lock(&dirty_lock);
	while (*budget && !list_empty(&dirty_mappings)) {
		m = list_first_entry(&dirty_mappings, struct address_space, dirty_link);
		if (m->dirtied > until) {
			m = NULL;
			break;
		}
		(*budget)--;
		list_remove(&m->dirty_link);
		if (mapping_host_get(m))
			break;
		m = NULL;		/* its last user is just leaving, and writes it */
	}
	spin_unlock(&dirty_lock);
	return m;
}

static unsigned nr_dirty_mappings(void)
{
	unsigned n = 0;
	struct list *l;

	spin_lock(&dirty_lock);
	for (l = dirty_mappings.next; l != &dirty_mappings; l = l->next)
		n++;
	spin_unlock(&dirty_lock);
	return n;
}

/* Stops early when `enough` pages or fewer are dirty. */
static void write_mappings(ktime_t until, bool wait, unsigned long enough)
{
	unsigned budget = nr_dirty_mappings();
	struct address_space *m;

	while ((enough == 0 || (unsigned long)vm_stat_read(NR_FILE_DIRTY) > enough) && (m = next_dirty(&budget, until))) {
		(void)filemap_write_range(m, 0, S64_MAX, wait);
		if (xa_marked(&m->pages, XA_DIRTY))
			writeback_note_dirty(m);
		mapping_host_put(m);
	}
}

void filemap_sync_all(bool wait)
{
	write_mappings(KTIME_MAX, wait, 0);
}

/* What may be dirty, in pages: before the flusher starts, and before writers do it themselves. */
void filemap_dirty_limits(unsigned long *background, unsigned long *hard)
{
	unsigned long could_be = nr_free_pages() + lru_pages(LRU_INACTIVE_FILE) + lru_pages(LRU_ACTIVE_FILE);

	*hard = sysctl_dirty_bytes ? DIV_ROUND_UP(sysctl_dirty_bytes, PAGE_SIZE) : could_be * (unsigned long)sysctl_dirty_ratio / 100;
	*background = sysctl_dirty_background_bytes ? DIV_ROUND_UP(sysctl_dirty_background_bytes, PAGE_SIZE) :
		      could_be * (unsigned long)sysctl_dirty_background_ratio / 100;
	if (*background >= *hard)
		*background = *hard / 2;
}

static void flush_work(struct work *w)
{
	ktime_t expired = ktime_get() - (ktime_t)sysctl_dirty_expire_centisecs * 10 * NSEC_PER_MSEC;
	unsigned long background, hard;
	bool again;

	WRITE_ONCE(early, false);
	write_mappings(expired, false, 0);
	filemap_dirty_limits(&background, &hard);
	if ((unsigned long)vm_stat_read(NR_FILE_DIRTY) > background)
		write_mappings(KTIME_MAX, false, background + 1);
	spin_lock(&dirty_lock);
	again = !list_empty(&dirty_mappings) && sysctl_dirty_writeback_centisecs;
	flusher_armed = again;
	spin_unlock(&dirty_lock);
	if (again)
		delayed_work_queue(&flusher, wb_interval());
}

/* The interval counts from now; 0 stops the regular rounds. */
void writeback_interval_changed(void)
{
	spin_lock(&dirty_lock);
	flusher_armed = !list_empty(&dirty_mappings) && sysctl_dirty_writeback_centisecs;
	spin_unlock(&dirty_lock);
	delayed_work_cancel(&flusher);
	if (flusher_armed)
		delayed_work_queue(&flusher, wb_interval());
}

void writeback_init(void)
{
	delayed_work_init(&flusher, flush_work);
}

/* After making a page dirty, no locks but the inode's: whoever dirties much writes much. */
void balance_dirty(struct address_space *m)
{
	unsigned long dirty, background, hard;

	if ((m->flags & MAPPING_NO_WRITEBACK) || !xa_marked(&m->pages, XA_DIRTY))
		return;
	dirty = (unsigned long)vm_stat_read(NR_FILE_DIRTY);
	if (dirty < 16)
		return;
	filemap_dirty_limits(&background, &hard);
	if (dirty > hard)
		(void)filemap_write_range(m, 0, S64_MAX, false);
	else if (dirty > background && !READ_ONCE(early)) {
		WRITE_ONCE(early, true);
		delayed_work_cancel(&flusher);
		delayed_work_queue(&flusher, 0);
	}
}

/* ---- errors ------------------------------------------------------------------------------------------------ */

static void record_error(struct address_space *m, int err)
{
	errseq_set(&m->wb_err, err);
	mapping_host_error(m, err);
}

int filemap_check_errors(struct address_space *m, errseq_t *since)
{
	return errseq_check(&m->wb_err, since);
}

/* ---- pages ------------------------------------------------------------------------------------------------- */

struct run {
	struct address_space	*m;
	struct page		*pages[RUN];
	unsigned		nr;
	int			err;		/* first one */
};

static size_t bytes_inside(struct address_space *m, const struct page *p)
{
	loff_t start = (loff_t)p->index << PAGE_SHIFT, size = READ_ONCE(m->size);

	if (start >= size)
		return 0;
	return size - start < (loff_t)PAGE_SIZE ? (size_t)(size - start) : PAGE_SIZE;
}

/*
 * The page could not be written. It is clean now all the same: the error is told, and what cannot be written must not fill the memory. Only
 * when memory was what lacked it stays dirty, and nobody is told: it will go another time.
 */
static void write_failed(struct address_space *m, struct page *p, int err)
{
	if (err == -ENOMEM)
		filemap_set_dirty(p);
	else
		record_error(m, err);
}

static int write_single(struct address_space *m, struct page *p)
{
	if (m->ops->write_pages)
		return m->ops->write_pages(m, &p, 1, bytes_inside(m, p));
	return m->ops->write_page(m, p, bytes_inside(m, p));
}

/* Locked, clean, under write-back: out they go; unlocked afterwards. The caller keeps the references. */
static void write_run(struct run *r)
{
	struct address_space *m = r->m;
	bool together = m->ops->write_pages && r->nr > 1;
	int err = 0;

	if (!r->nr)
		return;
	if (together)
		err = m->ops->write_pages(m, r->pages, r->nr, bytes_inside(m, r->pages[r->nr - 1]));
	for (unsigned i = 0; (!together || err) && i < r->nr; i++) {	/* one bad block must not cost its neighbours */
		int e = write_single(m, r->pages[i]);

		if (e)
			write_failed(m, r->pages[i], e);
		if (e && !r->err)
			r->err = e;
	}
	vm_event_add(PAGES_WRITTEN, r->nr);
	for (unsigned i = 0; i < r->nr; i++) {
		vm_stat_add(NR_WRITEBACK, -1);
		page_end_writeback(r->pages[i]);
		page_unlock(r->pages[i]);
	}
	r->nr = 0;
}

/* One page that was found dirty. Joins the run, or ends it. */
static void write_one(struct run *r, struct page *p)
{
	struct address_space *m = r->m;

	if (r->nr == RUN || (r->nr && r->pages[r->nr - 1]->index + 1 != p->index))
		write_run(r);
	if (r->nr) {
		if (!page_trylock(p)) {
			write_run(r);
			page_lock(p);
		}
	} else {
		page_lock(p);
	}
	if (p->mapping != m || !page_test(p, PG_DIRTY)) {
		page_unlock(p);
		return;
	}
	page_wait_writeback(p);
	filemap_clear_dirty(p);		/* first: a store after the next line sets it again */
	if (page_mapcount(p))
		rmap_clean(p);
	if (!bytes_inside(m, p)) {	/* truncated, about to go */
		page_unlock(p);
		return;
	}
	page_set(p, PG_WRITEBACK);
	vm_stat_add(NR_WRITEBACK, 1);
	r->pages[r->nr++] = p;
}

/* For reclaim: one dirty page, locked and staying so. 0 when it is clean now. */
int writeback_one_locked(struct page *p)
{
	struct address_space *m = p->mapping;
	int err;

	if (!m->ops || !m->ops->write_page)
		return -EAGAIN;
	filemap_clear_dirty(p);
	page_set(p, PG_WRITEBACK);
	vm_stat_add(NR_WRITEBACK, 1);
	err = m->ops->write_page(m, p, bytes_inside(m, p));
	if (err)
		write_failed(m, p, err);
	vm_event_add(PAGES_WRITTEN, 1);
	vm_stat_add(NR_WRITEBACK, -1);
	page_end_writeback(p);
	return err;
}

static bool take_page(void *entry)
{
	if (xa_is_value(entry))
		return false;
	page_get(entry);
	return true;
}

int filemap_write_range(struct address_space *m, loff_t start, loff_t end, bool wait)
{
	pgoff_t last = (pgoff_t)end >> PAGE_SHIFT;
	unsigned long at = (pgoff_t)start >> PAGE_SHIFT;
	struct run r = { .m = m };
	struct page *pages[RUN];
	unsigned n;

	if ((m->flags & MAPPING_NO_WRITEBACK) || !m->ops || (!m->ops->write_page && !m->ops->write_pages))
		return 0;
	/* What is dirty now, and no more: a writer that keeps dirtying must not keep us here. */
	xa_tag_range(&m->pages, at, last, XA_DIRTY, XA_TOWRITE);
	while (at <= last && (n = xa_gather(&m->pages, &at, last, XA_TOWRITE, take_page, (void **)pages, NULL, RUN))) {
		for (unsigned i = 0; i < n; i++) {
			xa_clear_mark(&m->pages, pages[i]->index, XA_TOWRITE);
			write_one(&r, pages[i]);
		}
		write_run(&r);
		page_put_bulk(pages, n);
		cond_resched();
		if (at == 0)
			break;
	}
	return r.err;
}
