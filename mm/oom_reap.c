/*
 * oom_reap.c - take a dying process's private memory back without waiting for it.
 *
 * WHY         the victim of the OOM killer may sleep on something that one of those who wait for memory holds (a page being read
 *             in, say). Then nobody would move. Its private pages are of no use to anybody: they go now.
 * LOCKS       mmap_lock for reading, by trylock only: whoever asks for memory may hold any lock.
 */
#include "internal.h"

bool mm_oom_reap(struct mm *mm)
{
	if (!rwsem_read_trylock(&mm->mmap_lock))
		return false;
	for (struct vma *v = mm->first; v; v = v->next)
		if (!(v->flags & (VM_SHARED | VM_LOCKED | VM_PFNMAP | VM_IO | VM_HUGETLB)))
			zap_vma_range(v, v->start, v->end);
	rwsem_read_unlock(&mm->mmap_lock);
	return true;
}
