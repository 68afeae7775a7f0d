/*
 * msync.c - write changes of mapped files back. SOURCE: msync(2)
 *
 * MS_SYNC collects dirty bits from the page table (write-back does that page by page through rmap_clean) and waits for the
 * disk. MS_ASYNC starts nothing, as on Linux: dirty pages are written by the flusher in time.
 */
#include "internal.h"

#include <abi/mman.h>

/* Write back what v maps of [start, end). mmap_lock is dropped while waiting and the file is kept by a reference. */
static int sync_area(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end)
{
	struct address_space *m = v->mapping;
	struct file *file = v->file;
	loff_t from = (loff_t)vma_pgoff(v, start) << PAGE_SHIFT;
	loff_t to = from + (loff_t)(end - start) - 1;
	int err;

	vma_file_get(file);
	rwsem_read_unlock(&mm->mmap_lock);
	err = filemap_write_range(m, from, to, true);
	vma_file_put(file);
	rwsem_read_lock(&mm->mmap_lock);
	return err;
}

static int sync_locked(struct mm *mm, vaddr_t start, vaddr_t end, int flags)
{
	int hole = 0;

	while (start < end) {
		struct vma *v = vma_find(mm, start);
		vaddr_t stop;
		int err;

		if (!v)
			return -ENOMEM;
		if (v->start > start) {
			hole = -ENOMEM;		/* reported at the end: the rest is written all the same */
			start = v->start;
			if (start >= end)
				return hole;
		}
		stop = min(v->end, end);
		if ((flags & MS_INVALIDATE) && (v->flags & VM_LOCKED))
			return -EBUSY;
		if ((flags & MS_SYNC) && v->file && v->mapping && (v->flags & VM_SHARED)) {
			err = sync_area(mm, v, start, stop);
			if (err)
				return err;
		}
		start = stop;
	}
	return hole;
}

int mm_msync(struct mm *mm, vaddr_t addr, size_t len, int flags)
{
	int err;

	if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (addr & ~PAGE_MASK) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	len = PAGE_ALIGN(len);
	if (addr + len < addr)
		return -ENOMEM;
	if (!len)
		return 0;
	rwsem_read_lock(&mm->mmap_lock);
	err = sync_locked(mm, addr, addr + len, flags);
	rwsem_read_unlock(&mm->mmap_lock);
	return err;
}
