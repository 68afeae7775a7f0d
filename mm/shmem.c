/*
 * shmem.c - memory that looks like a file: tmpfs files, memfd, shared anonymous mappings, System V and POSIX shared memory.
 *
 * Pages have no home but memory (and swap, later): nothing is written back, a page stays dirty, a hole reads as zeroes.
 *
 * LIMITS      a tmpfs counts the pages of all its files against its size= (struct shmem_space, shared by its files). Commitment:
 *             an object of fixed size (shared anonymous, SysV) is charged when it is made, a file page by page.
 * ANONYMOUS   a shared anonymous mapping has no struct file: its areas hold the object (struct shmem_anon) by a count that
 *             open and close keep, and /proc/PID/maps shows "/dev/zero (deleted)" as Linux does.
 */
#include "internal.h"

#include <mm/filemap.h>
#include <mm/shmem.h>

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
