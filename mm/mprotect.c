/*
 * mprotect.c - changing what an area allows.
 *
 * Areas are merged or split first, then the entries of the range get the new permissions in place, then one flush. Write
 * permission of private pages is not given here: the next store faults and decides (it may have to copy), except where the
 * entry is known to be the page's only user.
 */
#include "internal.h"

#include <abi/resource.h>
#include <kernel/wait.h>

/* A private page only this entry uses, already dirty: a store needs no decision, so spare the fault. */
static bool may_write_at_once(const struct vma *v, pte_t e)
{
	struct page *p;

	if (!(v->flags & VM_WRITE) || pte_special(e) || !pte_dirty(e) || ((v->flags & VM_SOFTCLEAN) && !pte_soft_dirty(e)))
		return false;
	p = pfn_to_page(pte_pfn(e));
	return (v->flags & VM_SHARED) ? !page_is_anon(p) : page_is_anon(p) && page_refs(p) == 1;
}

static bool change_table(struct vma *v, pte_t *table, vaddr_t addr, vaddr_t end, bool alone)
{
	pte_t *pte = pt_offset(table, addr, 1);
	spinlock_t *ptl = pt_lock_of(pte);
	bool changed = false;

	spin_lock(ptl);
	for (; addr < end; addr += PAGE_SIZE, pte++) {
		pte_t old = pte_read(pte), e;

		if (!pte_present(old))
			continue;
		if (!alone)
			old = pte_xchg(pte, (pte_t){ 0 });	/* so that no bit the hardware sets is lost */
		e = pte_modify(old, v->prot);
		if (may_write_at_once(v, e))
			e = pte_mkwrite(e);
		pte_set(pte, e);
		if (!pte_same(old, e))
			changed = true;
	}
	spin_unlock(ptl);
	return changed;
}

/* Bring the entries of [start, end) of v in line with v->prot. */
static void change_range(struct vma *v, vaddr_t start, vaddr_t end)
{
	bool alone = mm_is_alone(v->mm), changed = false;
	vaddr_t from = start, stop;
	pte_t *table;

	pt_for_each_table(v->mm, table, start, end, stop)
		changed |= change_table(v, table, start, stop, alone);
	if (changed)
		tlb_flush_range(v->mm, from, end);
	else
		flush_for_others(v->mm);
}

/*
 * Make [start, end), inside v, an area of its own with these flags, or part of a neighbour that has them.
 * Returns it, or NULL with *err set. Shared by mprotect, mlock, madvise.
 */
struct vma *vma_change_flags(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end, u32 flags, int *err)
{
	struct vma_key key;
	struct vma *prev = start > v->start ? v : v->prev, *merged;

	*err = 0;
	vma_key_of(v, &key);
	key.flags = flags;
	key.pgoff = vma_pgoff(v, start);
	merged = vma_merge(mm, prev, start, end, &key);
	if (merged)
		return merged;
	if (start > v->start) {
		*err = vma_split(mm, v, start, true);	/* v stays the upper part */
		if (*err)
			return NULL;
	}
	if (end < v->end) {
		*err = vma_split(mm, v, end, false);
		if (*err)
			return NULL;
	}
	v->flags = flags;
	return v;
}

static int protect_area(struct mm *mm, struct vma **vp, vaddr_t start, vaddr_t end, u32 flags)
{
	struct vma *v = *vp;
	u32 old = v->flags;
	unsigned long pages = (end - start) >> PAGE_SHIFT;
	bool charged = false;
	int err;

	if (flags == old)
		return 0;
	if (flags & VM_WRITE) {
		if (!(old & VM_WRITE) && !mm_may_expand(mm, flags, pages) && mm_may_expand(mm, old, pages))
			return -ENOMEM;
		if (!(old & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE))) {
			err = commit_charge(mm, pages);
			if (err)
				return err;
			charged = true;
			flags |= VM_ACCOUNT;
		}
	}
	v = vma_change_flags(mm, v, start, end, flags, &err);
	if (!v) {
		if (charged)
			commit_uncharge(pages);
		return err;
	}
	*vp = v;
	vma_set_prot(v);
	change_range(v, start, end);
	mm_account_vma(mm, old, v->file, -(long)pages);
	mm_account_vma(mm, flags, v->file, (long)pages);
	if ((flags & VM_LOCKED) && !(old & VM_WRITE) && (flags & VM_WRITE) && !(flags & VM_SHARED))
		populate_area(v, start, end);
	return 0;
}

static int protect_locked(struct mm *mm, vaddr_t start, vaddr_t end, int prot, bool down)
{
	struct vma *v = vma_find(mm, start);
	u32 want = prot_to_vm(prot);
	vaddr_t at = start;
	int err;

	if (!v)
		return -ENOMEM;
	if (down) {
		if (v->start >= end)
			return -ENOMEM;
		if (!(v->flags & VM_GROWSDOWN))
			return -EINVAL;
		at = v->start;
	} else if (v->start > start) {
		return -ENOMEM;
	}
	while (at < end) {
		vaddr_t stop;
		u32 flags;

		v = vma_find(mm, at);
		if (!v || v->start > at)
			return -ENOMEM;
		flags = (v->flags & ~(VM_READ | VM_WRITE | VM_EXEC)) | want;
		if (want & ~(flags >> 4) & (VM_READ | VM_WRITE | VM_EXEC))	/* VM_MAY* */
			return -EACCES;
		stop = min(v->end, end);
		err = protect_area(mm, &v, at, stop, flags);
		if (err)
			return err;
		at = stop;
	}
	return 0;
}

int mm_mprotect(struct mm *mm, vaddr_t addr, size_t len, int prot, int pkey)
{
	int grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP), err;

	prot &= ~(PROT_GROWSDOWN | PROT_GROWSUP);
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || (addr & ~PAGE_MASK))
		return -EINVAL;
	if (!len)
		return 0;
	len = PAGE_ALIGN(len);
	if (addr + len <= addr)
		return -ENOMEM;
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM))
		return -EINVAL;
	if (pkey != -1)
		return -EINVAL;			/* no CPU here has protection keys */
	if (mm_write_lock_killable(mm))
		return -EINTR;
	if (grows & PROT_GROWSUP)
		err = -EINVAL;
	else
		err = protect_locked(mm, addr, addr + len, prot, grows & PROT_GROWSDOWN);
	mm_write_unlock(mm);
	return err;
}
