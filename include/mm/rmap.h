/*
 * rmap.h - from a page to every page-table entry that maps it.
 *
 * One anon_vma is shared by all areas that descend from one origin by fork, split and move; it lists them. A page's
 * anon field names it and index says where the page was first mapped.
 */
#ifndef MM_RMAP_H
#define MM_RMAP_H

#include <kernel/panic.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>

struct anon_vma {
	struct rwsem	lock;		/* LOCK_ANON_VMA */
	struct list	vmas;		/* vma->anon_link */
	atomic_t	refs;		/* one per vma, one per walker; pages keep it by keeping a vma or a mapcount */
};

int anon_vma_prepare(struct vma *v) must_check;		/* 0 or -ENOMEM; mmap_lock held */
/* v, which has none, becomes a member of av (NULL: nothing happens). Allocates nothing. For fork, split, merge and move. */
void anon_vma_join(struct vma *v, struct anon_vma *av);
void anon_vma_unlink(struct vma *v);			/* no page of v may be mapped through it any more */
/* The anon_vma of a mapped anonymous page, with a reference; NULL when it is no longer mapped. */
struct anon_vma *anon_vma_get(struct page *p);
void anon_vma_put(struct anon_vma *av);
void rmap_init(void);

/*
 * Mapping and unmapping a page in one entry; pt_lock held, the page's reference for the entry is the caller's matter.
 * NR_ANON_MAPPED and NR_FILE_MAPPED follow the first and last mapping.
 */
void rmap_add_anon(struct page *p, struct vma *v, vaddr_t addr);	/* a fresh page: also sets anon and index */
static inline void rmap_share_anon(struct page *p)			/* one more entry of a mapped page (fork) */
{
	atomic_inc(&p->mapcount);
}
static inline void rmap_add_file(struct page *p)
{
	if (atomic_inc_return(&p->mapcount) == 1)
		vm_stat_add(NR_FILE_MAPPED, 1);
}
static inline void rmap_remove(struct page *p)
{
	debug_assert(page_mapcount(p) > 0);
	if (atomic_dec_and_test(&p->mapcount))
		vm_stat_add(page_is_anon(p) ? NR_ANON_MAPPED : NR_FILE_MAPPED, -1);
}

static inline void page_set_anon(struct page *p, struct anon_vma *av)
{
	WRITE_ONCE(p->anon, (unsigned long)av | PAGE_ANON_TAG);
}

struct flush_batch;

struct rmap_walk {
	/* For each mapping of the page; pt_lock held; pte is the live entry. False stops the walk. */
	bool	(*one)(struct rmap_walk *w, struct page *p, struct vma *v, vaddr_t addr, pte_t *pte);
	void	*arg;
	struct flush_batch *flush; /* where flushes are put off to; NULL: at once */
	bool	try_only;	/* reclaim: do not wait for the lock of the file's or family's areas */
};
/* Page locked. False: a lock was busy and try_only set, or the walk was stopped. */
bool rmap_walk(struct page *p, struct rmap_walk *w);
/* Make every pte a swap entry or none; 0 or -EAGAIN. With a batch (mm/flush.c) other CPUs may use the page until that is flushed. */
int rmap_unmap_all(struct page *p, struct flush_batch *flush);
int rmap_discard(struct page *p);			/* MADV_FREE'd: unmap if no entry is dirty; 0 or -EAGAIN */
int rmap_referenced(struct page *p);			/* count and clear accessed bits */
int rmap_clean(struct page *p);				/* write-protect and clear dirty in shared mappings; pages cleaned */

#endif
