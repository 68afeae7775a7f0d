/*
 * rmap.h - from a page to every page-table entry that maps it.
 *
 * One anon_vma is shared by all areas that descend from one origin by fork, split and move; it lists them. A page's
 * anon field names it and index says where the page was first mapped.
 */
#ifndef MM_RMAP_H
#define MM_RMAP_H

#include <mm/mm.h>

struct anon_vma {
	struct rwsem	lock;		/* LOCK_ANON_VMA */
	struct list	vmas;		/* vma->anon_link */
	atomic_t	refs;		/* one per vma, one per walker; pages keep it by keeping a vma or a mapcount */
};

int anon_vma_prepare(struct vma *v) must_check;		/* 0 or -ENOMEM; mmap_lock held */
int anon_vma_fork(struct vma *child, struct vma *parent) must_check;
void anon_vma_unlink(struct vma *v);
struct anon_vma *page_anon_vma(const struct page *p);

void rmap_add_anon(struct page *p, struct vma *v, vaddr_t addr, bool exclusive);	/* new page: also sets anon, index */
void rmap_add_file(struct page *p, struct vma *v);
void rmap_remove(struct page *p, struct vma *v);

struct rmap_walk {
	/* For each mapping of the page; pt_lock held; pte is the live entry. False stops the walk. */
	bool	(*one)(struct rmap_walk *w, struct page *p, struct vma *v, vaddr_t addr, pte_t *pte);
	void	*arg;
};
void rmap_walk(struct page *p, struct rmap_walk *w);	/* page locked */
int rmap_unmap_all(struct page *p);			/* make every pte a swap entry or none; 0 or -EAGAIN */
int rmap_referenced(struct page *p);			/* count and clear accessed bits */
int rmap_clean(struct page *p);				/* write-protect and clear dirty in shared mappings; pages cleaned */

#endif
