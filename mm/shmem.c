/*
 * shmem.c - memory that looks like a file: tmpfs files, memfd, shared anonymous mappings, System V and POSIX shared memory.
 *
 * Pages have no home but memory and swap: nothing is written back, a page stays dirty, a hole reads as zeroes.
 *
 * LIMITS      a tmpfs counts the pages of all its files against its size= (struct shmem_space, shared by its files). Commitment:
 *             an object of fixed size (shared anonymous, SysV) is charged when it is made, a file page by page.
 * ANONYMOUS   a shared anonymous mapping has no struct file: its areas hold the object (struct shmem_anon) by a count that
 *             open and close keep, and /proc/PID/maps shows "/dev/zero (deleted)" as Linux does.
 */
#include "internal.h"

#include <mm/filemap.h>
#include <mm/shmem.h>
#include "swap_internal.h"

struct shmem_info {
	struct shmem_space	*space;		/* NULL: no limit */
	unsigned long		charged;	/* pages of commitment taken at creation; 0: charge page by page */
	bool			presized;
};

struct shmem_anon {
	struct address_space	mapping;
	struct shmem_info	info;
	atomic_t		refs;
	u64			ino;
};

static struct slab_cache *shmem_info_cache, *shmem_anon_cache;
static atomic_long_t next_ino = { 1024 };

void shmem_init(void)
{
	shmem_info_cache = slab_cache_create("shmem_info", sizeof(struct shmem_info), 0, SLAB_PANIC, NULL);
	shmem_anon_cache = slab_cache_create("shmem_anon", sizeof(struct shmem_anon), 0, SLAB_PANIC, NULL);
}

/* ---- the mapping ------------------------------------------------------------------------------------------- */

static int shmem_read_page(struct address_space *m, struct page *p)
{
	clear_page(page_address(p));
	page_set(p, PG_UPTODATE);
	return 0;
}

static const struct mapping_ops shmem_ops = { .read_page = shmem_read_page };

static void init(struct address_space *m, struct inode *host)
{
	mapping_init(m, host, &shmem_ops, ACCT_SHMEM);
	m->flags = MAPPING_NO_WRITEBACK;
}

void shmem_mapping_init(struct address_space *m, struct inode *host)
{
	init(m, host);
}

/* The file's pages count against a file system's limit, and against commitment one by one. 0 or -ENOMEM. */
int shmem_mapping_limit(struct address_space *m, struct shmem_space *space)
{
	m->shmem = slab_alloc(shmem_info_cache, GFP_KERNEL | GFP_ZERO);
	if (!m->shmem)
		return -ENOMEM;
	m->shmem->space = space;
	return 0;
}

void shmem_mapping_destroy(struct address_space *m)
{
	if (!m->shmem)
		return;
	if (m->shmem->presized)
		commit_uncharge(m->shmem->charged);
	else
		slab_free(shmem_info_cache, m->shmem);
	m->shmem = NULL;
}

int shmem_charge(struct address_space *m)
{
	struct shmem_info *i = m->shmem;
	struct shmem_space *s = i->space;

	if (i->presized)
		return 0;
	if (s) {
		unsigned long most = READ_ONCE(s->max_pages);

		if (atomic_inc_return(&s->used_pages) > (long)most && most) {
			atomic_dec(&s->used_pages);
			return -ENOSPC;
		}
	}
	if (commit_charge(NULL, 1)) {
		if (s)
			atomic_dec(&s->used_pages);
		return -ENOMEM;
	}
	return 0;
}

void shmem_uncharge(struct address_space *m)
{
	struct shmem_info *i = m->shmem;

	if (i->presized)
		return;
	if (i->space)
		atomic_dec(&i->space->used_pages);
	commit_uncharge(1);
}

/* ---- swap ---------------------------------------------------------------------------------------------------- */

static struct list swapped_mappings = LIST_INIT(swapped_mappings);
static spinlock_t swapped_lock = SPINLOCK_INIT("swapped_mappings", LOCK_LEAF);

static void count_page(struct address_space *m, long n)
{
	vm_stat_add(NR_FILE_PAGES, n);
	vm_stat_add(NR_SHMEM, n);
}

/*
 * A mapping stands in the list before its first entry does, and entries made after it left the list put it back: so
 * whoever finds it outside need not look for entries. Both under the lock of its pages.
 */
static void link_swapped(struct address_space *m)
{
	spin_lock(&swapped_lock);
	if (!list_is_linked(&m->dirty_link))
		list_append(&swapped_mappings, &m->dirty_link);
	spin_unlock(&swapped_lock);
}

static void unlink_swapped(struct address_space *m)
{
	xa_lock(&m->pages);
	spin_lock(&swapped_lock);
	list_remove(&m->dirty_link);
	spin_unlock(&swapped_lock);
	xa_unlock(&m->pages);
}

/* The entry takes the page's place. False when somebody besides the cache, the swap cache and the caller refers to it. */
bool shmem_swap_out(struct page *p, swp_entry_t e)
{
	struct address_space *m = p->mapping;
	bool done = false;

	swap_entry_dup(e);			/* the file's use */
	xa_lock(&m->pages);
	if (page_refs(p) == 3 && !page_mapcount(p)) {
		link_swapped(m);
		(void)!xa_store_locked(&m->pages, p->index, xa_value(swp_to_index_value(e)));	/* the slot exists */
		m->nr_pages--;
		WRITE_ONCE(p->mapping, NULL);
		done = true;
	}
	xa_unlock(&m->pages);
	if (!done) {
		swap_entry_put(e);
		return false;
	}
	count_page(m, -1);			/* m may be gone: nothing but the page held it here */
	page_put(p);
	return true;
}

/* The page of the entry back into its place: locked, with a reference. -EAGAIN: the place changed. -ENOMEM, -EIO. */
int shmem_swap_in(struct address_space *m, pgoff_t index, swp_entry_t e, struct page **out)
{
	struct page *p;
	bool done = false;

	if (swp_type(e) == SWP_MARKER)
		return -EIO;
	p = swap_read(e, swap_most_ahead());
	if (!p)
		return xa_load(&m->pages, index) == xa_value(swp_to_index_value(e)) ? -ENOMEM : -EAGAIN;
	page_lock(p);
	if (page_test(p, PG_SWAPCACHE) && page_swap_entry(p).v == e.v && page_test(p, PG_UPTODATE)) {
		xa_lock(&m->pages);
		if (xa_load_locked(&m->pages, index) == xa_value(swp_to_index_value(e))) {
			p->mapping = m;
			p->index = index;
			page_get(p);
			(void)!xa_store_locked(&m->pages, index, p);
			m->nr_pages++;
			done = true;
		}
		xa_unlock(&m->pages);
	}
	if (!done) {
		int err = page_test(p, PG_UPTODATE) || page_swap_entry(p).v != e.v ? -EAGAIN : -EIO;

		if (err == -EIO && page_test(p, PG_SWAPCACHE))
			swap_cache_remove(p);		/* a later access may read again */
		page_unlock(p);
		page_put(p);
		return err;
	}
	count_page(m, 1);
	if (p->account != ACCT_SHMEM)
		ledger_page_move(p, 0, ACCT_SHMEM);
	page_set(p, PG_DIRTY);
	swap_entry_put(e);
	swap_cache_remove(p);
	lru_returned(p, false);
	*out = p;
	return 0;
}

void shmem_drop_swapped(struct address_space *m, pgoff_t first, pgoff_t last)
{
	unsigned long at = first;

	if (!(m->flags & MAPPING_NO_WRITEBACK) || !list_is_linked(&m->dirty_link))
		return;
	if (first == 0 && last == ~0UL)
		unlink_swapped(m);
	for (;;) {
		void *entry;
		bool drop = false;

		xa_lock(&m->pages);
		entry = xa_find_locked(&m->pages, &at, last, XA_NO_MARK);
		if (entry && xa_is_value(entry)) {
			xa_erase_locked(&m->pages, at);
			drop = true;
		}
		xa_unlock(&m->pages);
		if (!entry)
			break;
		if (drop) {
			swp_entry_t e = swp_from_index_value(xa_to_value(entry));

			if (swp_type(e) != SWP_MARKER)
				swap_entry_put(e);
			if (m->shmem)
				shmem_uncharge(m);
		}
		if (at++ == last)
			break;
	}
}

/* The device cannot give the page of this entry back, and the area is to go. */
static void poison(struct address_space *m, pgoff_t index, void *entry)
{
	bool done = false;

	xa_lock(&m->pages);
	if (xa_load_locked(&m->pages, index) == entry) {
		(void)!xa_store_locked(&m->pages, index, xa_value(swp_to_index_value(swp_make(SWP_MARKER, SWP_POISONED))));
		done = true;
	}
	xa_unlock(&m->pages);
	if (done)
		swap_entry_put(swp_from_index_value(xa_to_value(entry)));
}

/* One page of the mapping that is in the area: bring it back. 1: done one, 0: none left. */
static int unuse_one(struct address_space *m, unsigned type, unsigned long *at)
{
	void *entry = xa_find(&m->pages, at, ~0UL);
	struct page *p;
	int err;

	if (!entry)
		return 0;
	if (xa_is_value(entry) && swp_type(swp_from_index_value(xa_to_value(entry))) == type) {
		unsigned tries = 0;

		do
			err = filemap_grab(m, *at, &p);
		while (err == -EIO && ++tries < 3);
		if (err == -EIO) {
			poison(m, *at, entry);
		} else if (err) {
			return err;
		} else {
			page_unlock(p);
			page_put(p);
		}
	}
	(*at)++;
	return *at ? 1 : 0;
}

static bool hold(struct address_space *m);
static void let_go(struct address_space *m);

/* swapoff: everything of the area comes back to its files. 0, -ENOMEM, -EIO, -EINTR. */
int shmem_unuse(unsigned type)
{
	unsigned long budget = 0;
	struct list *l;
	int err = 0;

	spin_lock(&swapped_lock);
	for (l = swapped_mappings.next; l != &swapped_mappings; l = l->next)
		budget++;
	spin_unlock(&swapped_lock);
	while (budget-- && !err) {
		struct address_space *m;
		unsigned long at = 0;

		spin_lock(&swapped_lock);
		m = list_first_entry(&swapped_mappings, struct address_space, dirty_link);
		if (m) {
			list_move_to_end(&swapped_mappings, &m->dirty_link);
			if (!hold(m))
				m = NULL;
		}
		spin_unlock(&swapped_lock);
		if (!m)
			continue;
		while ((err = unuse_one(m, type, &at)) > 0)
			if (signal_pending()) {
				err = -EINTR;
				break;
			}
		let_go(m);
	}
	return err;
}

void shmem_audit_swapped(void (*note)(void *arg, swp_entry_t e), void *arg)
{
	struct list *l;

	for (l = swapped_mappings.next; l != &swapped_mappings; l = l->next) {
		struct address_space *m = list_entry(l, struct address_space, dirty_link);
		unsigned long index;
		void *entry;

		xa_for_each(&m->pages, index, entry)
			if (xa_is_value(entry))
				note(arg, swp_from_index_value(xa_to_value(entry)));
	}
}

/* ---- shared anonymous memory --------------------------------------------------------------------------------- */

static inline struct shmem_anon *anon_of(const struct vma *v)
{
	return container_of(v->mapping, struct shmem_anon, mapping);
}

static void anon_put(struct shmem_anon *a)
{
	if (!atomic_dec_and_test(&a->refs))
		return;
	mapping_destroy(&a->mapping);
	slab_free(shmem_anon_cache, a);
}

static bool hold(struct address_space *m)
{
	if (m->host)
		return mapping_host_get(m);
	return atomic_inc_not_zero(&container_of(m, struct shmem_anon, mapping)->refs);
}

static void let_go(struct address_space *m)
{
	if (m->host)
		mapping_host_put(m);
	else
		anon_put(container_of(m, struct shmem_anon, mapping));
}

static void anon_open(struct vma *v)
{
	atomic_inc(&anon_of(v)->refs);
}

static void anon_close(struct vma *v)
{
	anon_put(anon_of(v));
}

static const struct vm_ops shmem_anon_ops = { .open = anon_open, .close = anon_close };

int shmem_zero_setup(struct vma *v)
{
	struct shmem_anon *a = slab_alloc(shmem_anon_cache, GFP_KERNEL | GFP_ZERO);
	unsigned long pages = vma_pages(v);

	if (!a)
		return -ENOMEM;
	if (!(v->flags & VM_NORESERVE)) {
		if (commit_charge(v->mm, pages)) {
			slab_free(shmem_anon_cache, a);
			return -ENOMEM;
		}
		a->info.charged = pages;
	}
	init(&a->mapping, NULL);
	a->info.presized = true;
	a->mapping.shmem = &a->info;
	a->mapping.size = (loff_t)(pages << PAGE_SHIFT);
	atomic_set(&a->refs, 1);
	a->ino = (u64)atomic_inc_return(&next_ino);
	v->mapping = &a->mapping;
	v->ops = &shmem_anon_ops;
	v->pgoff = 0;
	return 0;
}

void *shmem_anon_get(struct vma *v)
{
	if (v->ops != &shmem_anon_ops)
		return NULL;
	atomic_inc(&anon_of(v)->refs);
	return (void *)((unsigned long)anon_of(v) | 1);
}

void shmem_anon_put(void *tagged)
{
	anon_put((struct shmem_anon *)((unsigned long)tagged & ~1UL));
}

const char *shmem_anon_name(const struct vma *v, u64 *ino)
{
	if (v->ops != &shmem_anon_ops)
		return NULL;
	*ino = anon_of(v)->ino;
	return "/dev/zero (deleted)";
}

unsigned long shmem_swapped_pages(struct address_space *m)
{
	unsigned long index, n = 0;
	void *e;

	for (index = 0; (e = xa_find(&m->pages, &index, ~0UL)); index++)
		n += xa_is_value(e) && swp_type(swp_from_index_value(xa_to_value(e))) < MAX_SWAPFILES;
	return n;
}
