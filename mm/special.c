/*
 * special.c - areas whose pages the kernel or a driver chose: frames by number (devices, the vDSO), single inserted pages.
 */
#include "internal.h"

/* ---- frames of devices ------------------------------------------------------------------------------------- */

static int set_frames(struct vma *v, pte_t *table, vaddr_t addr, vaddr_t end, pfn_t pfn, pgprot_t prot)
{
	pte_t *pte = pt_offset(table, addr, 1);
	spinlock_t *ptl = pt_lock_of(pte);
	int err = 0;

	spin_lock(ptl);
	for (; addr < end; addr += PAGE_SIZE, pte++, pfn++) {
		if (!pte_none(pte_read(pte))) {
			err = -EBUSY;
			break;
		}
		pte_set(pte, pte_mkyoung(pte_mkspecial(pte_make(pfn, prot))));
	}
	spin_unlock(ptl);
	return err;
}

/* The caller's area, mmap_lock held (for writing in file->ops->mmap). 0, -EINVAL, -ENOMEM, -EBUSY. */
int remap_pfn_range(struct vma *v, vaddr_t addr, pfn_t pfn, size_t len, pgprot_t prot)
{
	vaddr_t end = addr + PAGE_ALIGN(len), next;
	int err;

	if ((addr & ~PAGE_MASK) || addr < v->start || end > v->end || end <= addr)
		return -EINVAL;
	if (vma_flags_private_write(v->flags) && (addr != v->start || end != v->end))
		return -EINVAL;		/* copies could not tell which frame they came from */
	v->flags |= VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;
	for (; addr < end; addr = next) {
		pte_t *table = pt_alloc_table(v->mm, addr);

		if (!table)
			return -ENOMEM;
		next = pt_next(addr, end, 2);
		err = set_frames(v, table, addr, next, pfn, prot);
		if (err)
			return err;
		pfn += (next - addr) >> PAGE_SHIFT;
	}
	return 0;
}

/* One page with a struct page, counted like a file's. Takes a reference of its own. 0, -ENOMEM, -EBUSY, -EINVAL. */
int vma_insert_page(struct vma *v, vaddr_t addr, struct page *p)
{
	pte_t *table, *pte, e;
	spinlock_t *ptl;
	int err = -EBUSY;

	if (addr < v->start || addr >= v->end || (addr & ~PAGE_MASK) || page_is_anon(p) || !page_refs(p))
		return -EINVAL;
	table = pt_alloc_table(v->mm, addr);
	if (!table)
		return -ENOMEM;
	v->flags |= VM_MIXEDMAP;
	pte = pt_offset(table, addr, 1);
	ptl = pt_lock_of(pte);
	spin_lock(ptl);
	if (pte_none(pte_read(pte))) {
		e = pte_mkyoung(pte_make(page_to_pfn(p), v->prot));
		page_get(p);
		rmap_add_file(p);
		mm_counter_add(v->mm, page_mm_counter(p), 1);
		pte_set(pte, e);
		err = 0;
	}
	spin_unlock(ptl);
	return err;
}
