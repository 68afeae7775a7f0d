/*
 * cow.c - a store to an entry that is read-only although its area is writable.
 *
 *   private   zero page or a file's page         -> a fresh page, cleared or copied
 *             anonymous, others refer to it too  -> a copy
 *             anonymous, this entry alone        -> becomes writable
 *   shared    a file's page, clean until now     -> ops->page_mkwrite, dirty, writable
 *             device memory                      -> writable
 *
 * "Alone" is refcount 1 with the table locked: every way to find the page, another entry, the swap cache, a pin, holds a
 * reference, and nobody can gain one through this entry meanwhile.
 */
#include "swap_internal.h"

/* The entry becomes writable in place. pt_lock held. */
static void make_writable(struct fault *f, pte_t e)
{
	e = pte_mkyoung(pte_mkdirty(e));
	pte_set(f->pte, f->vma->flags & VM_WRITE ? pte_mkwrite(e) : e);
	if (f->mm == current->mm)
		tlb_flush_page_local(f->addr);	/* others that still see it read-only fault, and find it writable */
}

/* Replace the entry f->seen by a private page; old is what it maps now, NULL for the zero page. */
static enum fault_result replace(struct fault *f, struct page *old, struct page *copy)
{
	struct vma *v = f->vma;
	spinlock_t *ptl = pt_lock_of(f->pte);
	struct page *spare = copy;
	pte_t e;

	spin_lock(ptl);
	if (pte_same(pte_mkyoung(pte_read(f->pte)), pte_mkyoung(f->seen))) {
		bool file = old && !page_is_anon(old);

		e = pte_mkyoung(pte_mkdirty(pte_make(page_to_pfn(copy), v->prot)));
		if (likely(v->flags & VM_WRITE))	/* else a debugger's forced store */
			e = pte_mkwrite(e);
		rmap_add_anon(copy, v, f->addr);
		lru_add_fresh(copy);
		/* No CPU may go on reading the old page after another wrote to the new one. */
		if (mm_is_alone(f->mm)) {
			pte_set(f->pte, e);
			if (f->mm == current->mm)
				tlb_flush_page_local(f->addr);
		} else {
			pte_set(f->pte, (pte_t){ 0 });
			tlb_flush_range(f->mm, f->addr, f->addr + PAGE_SIZE);
			pte_set(f->pte, e);
		}
		if (old) {
			if (file) {
				mm_update_hiwater(f->mm);
				mm_counter_add(f->mm, page_mm_counter(old), -1);
			}
			rmap_remove(old);
			if (unlikely(page_test(old, PG_SWAPCACHE)))
				swap_cache_try_free(old);
		}
		if (!old || file)
			mm_counter_add(f->mm, MM_ANON, 1);
		spare = old;
	}
	spin_unlock(ptl);
	if (spare)
		page_put(spare);	/* the entry's reference of the old page, or the copy nobody needs */
	return FAULT_DONE;
}

static enum fault_result copy_private(struct fault *f, struct page *old)
{
	struct page *copy;

	if (anon_vma_prepare(f->vma))
		return FAULT_OOM;
	copy = page_alloc(old ? GFP_USER : GFP_USER | GFP_ZERO, 0, ACCT_ANON);
	if (!copy)
		return FAULT_OOM;
	if (old)
		copy_page(page_address(copy), page_address(old));
	return replace(f, old, copy);
}

/* Device memory mapped privately has no page to count: copy the bytes. */
static enum fault_result copy_frame(struct fault *f)
{
	struct page *copy;

	if (anon_vma_prepare(f->vma))
		return FAULT_OOM;
	copy = page_alloc(GFP_USER, 0, ACCT_ANON);
	if (!copy)
		return FAULT_OOM;
	copy_page(page_address(copy), phys_to_virt((paddr_t)pte_pfn(f->seen) << PAGE_SHIFT));
	return replace(f, NULL, copy);
}

/* A page that only this entry and the swap cache have: if nobody uses the slot, it need not stay there. */
static void leave_swap_cache(struct page *p)
{
	if (!page_trylock(p))
		return;
	if (page_test(p, PG_SWAPCACHE) && !swap_entry_uses(page_swap_entry(p))) {
		page_set(p, PG_DIRTY);
		swap_cache_remove(p);
	}
	page_unlock(p);
}

static enum fault_result write_private(struct fault *f)
{
	spinlock_t *ptl = pt_lock_of(f->pte);
	enum fault_result r;
	struct page *old;
	pte_t e;

	if (pte_special(f->seen))
		return pte_pfn(f->seen) == page_to_pfn(zero_page) ? copy_private(f, NULL) : copy_frame(f);
	spin_lock(ptl);
	e = pte_read(f->pte);
	if (!pte_hw_present(e) || pte_pfn(e) != pte_pfn(f->seen) || pte_write(e)) {
		spin_unlock(ptl);
		return FAULT_DONE;		/* it changed: look again */
	}
	old = pfn_to_page(pte_pfn(e));
	if (page_test(old, PG_SWAPCACHE) && page_refs(old) == 2)
		leave_swap_cache(old);
	if (page_is_anon(old) && page_refs(old) == 1) {
		make_writable(f, e);
		vm_event_add(PGREUSE, 1);
		spin_unlock(ptl);
		return FAULT_DONE;
	}
	f->seen = e;
	page_get(old);				/* while we copy, without the lock */
	spin_unlock(ptl);
	r = copy_private(f, old);
	page_put(old);
	return r;
}

/*
 * A page of a shared mapping is about to become writable: the file system may object, and the page becomes dirty.
 * Holds the page locked meanwhile, so that neither truncation nor write-back sees it half-way.
 */
enum fault_result fault_mkwrite(struct fault *f, struct page *p)
{
	struct vma *v = f->vma;
	struct address_space *m = v->mapping;
	enum fault_result r = FAULT_DONE;
	int err = 0;

	if (!m)
		return FAULT_DONE;
	if (v->ops && v->ops->page_mkwrite) {
		f->page = p;
		return v->ops->page_mkwrite(f);
	}
	if (m->flags & MAPPING_NO_WRITEBACK) {
		if (!page_test(p, PG_DIRTY))
			page_set(p, PG_DIRTY);
		return FAULT_DONE;
	}
	page_lock(p);
	if (p->mapping != m) {
		r = FAULT_DONE;			/* truncated: the retry will see the end of the file */
		page_unlock(p);
		return FAULT_RETRY;
	}
	page_wait_writeback(p);
	if (m->ops && m->ops->page_mkwrite)
		err = m->ops->page_mkwrite(m, p);
	if (err)
		r = err == -ENOMEM ? FAULT_OOM : FAULT_SIGBUS;
	else
		filemap_set_dirty(p);
	page_unlock(p);
	return r;
}

static enum fault_result write_shared(struct fault *f)
{
	spinlock_t *ptl = pt_lock_of(f->pte);
	struct page *p = NULL;
	enum fault_result r;
	pte_t e;

	spin_lock(ptl);
	e = pte_read(f->pte);
	if (!pte_hw_present(e) || pte_pfn(e) != pte_pfn(f->seen)) {
		spin_unlock(ptl);
		return FAULT_DONE;
	}
	if (pte_special(e)) {
		make_writable(f, e);
		spin_unlock(ptl);
		return FAULT_DONE;
	}
	p = pfn_to_page(pte_pfn(e));
	page_get(p);
	spin_unlock(ptl);
	r = fault_mkwrite(f, p);
	if (r == FAULT_DONE) {
		spin_lock(ptl);
		e = pte_read(f->pte);
		if (pte_hw_present(e) && !pte_special(e) && pte_pfn(e) == page_to_pfn(p))
			make_writable(f, e);
		spin_unlock(ptl);
	} else if (r == FAULT_RETRY) {
		r = FAULT_DONE;
	}
	page_put(p);
	return r;
}

enum fault_result fault_write_protected(struct fault *f)
{
	if (pte_protnone(f->seen))
		return FAULT_DONE;		/* permissions changed under us */
	return f->vma->flags & VM_SHARED ? write_shared(f) : write_private(f);
}
