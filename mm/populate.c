/*
 * populate.c - bringing pages in before they are touched, and keeping them: MAP_POPULATE, mlock and its relatives, mincore.
 *
 * A locked area's pages are marked unevictable as they are populated, and by reclaim when it meets one that was faulted in
 * later; NR_MLOCK counts them. An area that stops being locked takes the mark off its pages again; another locked
 * area that maps the same page gets it back at the next reclaim scan.
 */
#include "internal.h"

#include <abi/resource.h>
#include <kernel/cred.h>
#include <kernel/wait.h>
#include <linux/capability.h>
#include <mm/uaccess.h>

static bool entry_serves(pte_t e, bool write)
{
	return pte_hw_present(e) && (!write || pte_write(e));
}

int populate_page(struct vma *v, vaddr_t addr, bool write)
{
	struct fault f = { .mm = v->mm, .vma = v, .addr = addr,
			   .access = (write ? ACCESS_WRITE : ACCESS_READ) | ACCESS_FORCE };
	pte_t *pte = pt_find(v->mm, addr);

	for (int tries = 0; tries < 8; tries++) {
		if (pte && entry_serves(pte_read(pte), write))
			return 0;
		switch (fault_area(&f)) {
		case FAULT_OOM:
			return -ENOMEM;
		case FAULT_SIGBUS:
		case FAULT_SIGSEGV_ACCERR:
		case FAULT_SIGSEGV_MAPERR:
			return -EFAULT;
		default:
			break;
		}
		pte = pt_find(v->mm, addr);
	}
	return 0;
}

static void mark_locked(struct vma *v, vaddr_t addr)
{
	pte_t *pte = pt_find(v->mm, addr);
	spinlock_t *ptl;
	pte_t e;

	if (!pte)
		return;
	ptl = pt_lock_of(pte);
	spin_lock(ptl);
	e = pte_read(pte);
	if (pte_present(e) && !pte_special(e))
		lru_set_unevictable(pfn_to_page(pte_pfn(e)));
	spin_unlock(ptl);
}

/* [start, end) of v; mmap_lock held. 0, -ENOMEM, -EFAULT. */
int populate_area(struct vma *v, vaddr_t start, vaddr_t end)
{
	bool write = (v->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;
	int err;

	if (v->flags & (VM_IO | VM_PFNMAP))
		return 0;
	if (!vma_accessible(v))
		return -EFAULT;
	for (; start < end; start += PAGE_SIZE) {
		if (fatal_signal_pending())
			return -EINTR;
		err = populate_page(v, start, write);
		if (err)
			return err;
		if (v->flags & VM_LOCKED)
			mark_locked(v, start);
	}
	return 0;
}

/* What is missing in the range, as far as it goes; holes are passed over, errors end an area. mlock, MAP_POPULATE. */
static int populate(struct mm *mm, vaddr_t start, vaddr_t end, bool stop_on_error)
{
	int err = 0;

	while (start < end) {
		struct vma *v;
		vaddr_t stop;

		rwsem_read_lock(&mm->mmap_lock);
		v = vma_find(mm, start);
		if (!v || v->start >= end) {
			rwsem_read_unlock(&mm->mmap_lock);
			break;
		}
		start = max(start, v->start);
		stop = min(min(end, v->end), start + MIB(2));	/* let writers in now and then */
		if (!(v->flags & VM_LOCKONFAULT))
			err = populate_area(v, start, stop);
		rwsem_read_unlock(&mm->mmap_lock);
		if (err == -EINTR || (err && stop_on_error))
			break;
		start = stop;
		cond_resched();
	}
	return err;
}

void mlock_populate(struct mm *mm, vaddr_t start, vaddr_t end)
{
	populate(mm, start, end, false);
}

/* ---- mlock ------------------------------------------------------------------------------------------------- */

void munlock_pages(struct vma *v, vaddr_t start, vaddr_t end)
{
	pte_t *table;
	vaddr_t stop;

	pt_for_each_table(v->mm, table, start, end, stop) {
		spinlock_t *ptl = pt_lock_of(table);
		pte_t *pte = pt_offset(table, start, 1);

		spin_lock(ptl);
		for (; start < stop; start += PAGE_SIZE, pte++) {
			pte_t e = pte_read(pte);

			if (pte_present(e) && !pte_special(e))
				lru_clear_unevictable(pfn_to_page(pte_pfn(e)));
		}
		spin_unlock(ptl);
	}
}

#define VM_LOCK_BITS	(VM_LOCKED | VM_LOCKONFAULT)

/* Set the lock bits of every area in the range to `lock`. -ENOMEM when there is a hole. */
static int apply_lock(struct mm *mm, vaddr_t start, vaddr_t end, u32 lock, bool holes_fine)
{
	struct vma *v;
	int err;

	for (vaddr_t at = start; at < end; ) {
		vaddr_t stop;
		u32 flags;

		v = vma_find(mm, at);
		if (!v || (!holes_fine && v->start > at))
			return holes_fine ? 0 : -ENOMEM;
		at = max(at, v->start);
		if (at >= end)
			return 0;
		stop = min(end, v->end);
		flags = (v->flags & ~VM_LOCK_BITS) | lock;
		if (flags != v->flags && !(v->flags & (VM_IO | VM_PFNMAP | VM_HUGETLB))) {
			long pages = (long)((stop - at) >> PAGE_SHIFT);
			bool was = v->flags & VM_LOCKED, is = lock & VM_LOCKED;

			v = vma_change_flags(mm, v, at, stop, flags, &err);
			if (!v)
				return err;
			mm->locked_vm += (unsigned long)(pages * (is - was));
			if (was && !is)
				munlock_pages(v, at, stop);
		}
		at = stop;
	}
	return 0;
}

static unsigned long locked_already(struct mm *mm, vaddr_t start, vaddr_t end)
{
	unsigned long pages = 0;

	for (struct vma *v = vma_find(mm, start); v && v->start < end; v = v->next)
		if (v->flags & VM_LOCKED)
			pages += (min(end, v->end) - max(start, v->start)) >> PAGE_SHIFT;
	return pages;
}

static bool can_mlock(void)
{
	return rlimit_now(RLIMIT_MEMLOCK) || capable(CAP_IPC_LOCK);
}

static int range_of(struct mm *mm, vaddr_t addr, size_t len, vaddr_t *start, vaddr_t *end)
{
	*start = addr & PAGE_MASK;
	len = PAGE_ALIGN(len + (addr & ~PAGE_MASK));
	*end = *start + len;
	if (*end < *start)
		return -EINVAL;
	return 0;
}

int mm_mlock(struct mm *mm, vaddr_t addr, size_t len, int flags)
{
	u32 lock = VM_LOCKED | (flags & MLOCK_ONFAULT ? VM_LOCKONFAULT : 0);
	unsigned long pages, limit = rlimit_now(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	vaddr_t start, end;
	int err;

	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	if (!can_mlock())
		return -EPERM;
	err = range_of(mm, addr, len, &start, &end);
	if (err || start == end)
		return err;
	if (mm_write_lock_killable(mm))
		return -EINTR;
	pages = mm->locked_vm + ((end - start) >> PAGE_SHIFT);
	if (pages > limit && !capable(CAP_IPC_LOCK))
		pages -= locked_already(mm, start, end);
	if (pages <= limit || capable(CAP_IPC_LOCK))
		err = apply_lock(mm, start, end, lock, false);
	else
		err = -ENOMEM;
	mm_write_unlock(mm);
	if (err)
		return err;
	err = populate(mm, start, end, true);
	return err == -EFAULT ? -ENOMEM : err == -ENOMEM ? -EAGAIN : err;
}

int mm_munlock(struct mm *mm, vaddr_t addr, size_t len)
{
	vaddr_t start, end;
	int err = range_of(mm, addr, len, &start, &end);

	if (err || start == end)
		return err;
	if (mm_write_lock_killable(mm))
		return -EINTR;
	err = apply_lock(mm, start, end, 0, false);
	mm_write_unlock(mm);
	return err;
}

int mm_mlockall(struct mm *mm, int flags)
{
	u32 lock = VM_LOCKED | (flags & MCL_ONFAULT ? VM_LOCKONFAULT : 0);
	int err = 0;

	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	if (!can_mlock())
		return -EPERM;
	if (mm_write_lock_killable(mm))
		return -EINTR;
	if ((flags & MCL_CURRENT) && mm->total_vm > rlimit_now(RLIMIT_MEMLOCK) >> PAGE_SHIFT && !capable(CAP_IPC_LOCK)) {
		err = -ENOMEM;
	} else {
		mm->def_flags = (mm->def_flags & ~(unsigned long)VM_LOCK_BITS) | (flags & MCL_FUTURE ? lock : 0);
		if (flags & MCL_CURRENT)
			err = apply_lock(mm, 0, mm->task_size, lock, true);
	}
	mm_write_unlock(mm);
	if (!err && (flags & MCL_CURRENT))
		populate(mm, 0, mm->task_size, false);
	return err;
}

int mm_munlockall(struct mm *mm)
{
	int err;

	if (mm_write_lock_killable(mm))
		return -EINTR;
	mm->def_flags &= ~(unsigned long)VM_LOCK_BITS;
	err = apply_lock(mm, 0, mm->task_size, 0, true);
	mm_write_unlock(mm);
	return err;
}

/* ---- mincore ----------------------------------------------------------------------------------------------- */

static bool cached(struct vma *v, vaddr_t addr)
{
	struct page *p;
	void *entry;

	if (!v->mapping)
		return false;
	if (v->mapping->flags & MAPPING_NO_WRITEBACK) {
		entry = xa_load(&v->mapping->pages, vma_pgoff(v, addr));
		if (entry && xa_is_value(entry))
			return swap_in_memory(swp_from_index_value(xa_to_value(entry)));
	}
	p = filemap_find(v->mapping, vma_pgoff(v, addr));
	if (p)
		page_put(p);
	return p;
}

/* Residency of up to n pages from addr, all mapped; pages covered, or -ENOMEM. mmap_lock held. */
static long mincore_some(struct mm *mm, vaddr_t addr, unsigned long n, unsigned char *out)
{
	struct vma *v = vma_at(mm, addr);
	unsigned long nr;

	if (!v)
		return -ENOMEM;
	nr = min(n, (v->end - addr) >> PAGE_SHIFT);
	for (unsigned long i = 0; i < nr; i++, addr += PAGE_SIZE) {
		pte_t *pte = pt_find(mm, addr), e = pte ? pte_read(pte) : (pte_t){ 0 };

		out[i] = pte_present(e) || (pte_none(e) ? cached(v, addr) : swap_in_memory(pte_to_swp(e)));
	}
	return (long)nr;
}

int mm_mincore(struct mm *mm, vaddr_t addr, size_t len, unsigned char __user *vec)
{
	unsigned long pages = PAGE_ALIGN(len) >> PAGE_SHIFT;
	unsigned char buf[256];

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (!access_ok((void __user *)addr, len))
		return -ENOMEM;
	if (!access_ok(vec, pages))
		return -EFAULT;
	while (pages) {
		long n;

		rwsem_read_lock(&mm->mmap_lock);
		n = mincore_some(mm, addr, min(pages, (unsigned long)sizeof(buf)), buf);
		rwsem_read_unlock(&mm->mmap_lock);
		if (n < 0)
			return (int)n;
		if (copy_to_user(vec, buf, (size_t)n))
			return -EFAULT;
		pages -= (unsigned long)n;
		vec += n;
		addr += (unsigned long)n << PAGE_SHIFT;
		cond_resched();
	}
	return 0;
}
