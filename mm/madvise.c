/*
 * madvise.c - what a program says about its memory; msync.
 *
 * Advice that changes flags splits and merges areas under mmap_lock for writing; advice about pages walks entries under it
 * for reading, like a fault.
 */
#include "internal.h"

#include <kernel/cred.h>
#include <linux/capability.h>
#include <mm/filemap.h>

#define VM_SPECIAL_AREA	(VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP)

/* ---- pages ------------------------------------------------------------------------------------------------- */

static int advise_dontneed(struct vma *v, vaddr_t start, vaddr_t end, int advice)
{
	if ((v->flags & (VM_PFNMAP | VM_HUGETLB)) || ((v->flags & VM_LOCKED) && advice != MADV_DONTNEED_LOCKED))
		return -EINVAL;
	zap_vma_range(v, start, end);
	return 0;
}

/*
 * The contents may go whenever memory is short, unless written again first. Entries lose their dirty bit and the pages move to
 * the inactive file list without PG_SWAPBACKED; reclaim drops those whose entries are still clean.
 */
static void free_lazily(struct vma *v, pte_t *table, vaddr_t start, vaddr_t end)
{
	pte_t *pte = pt_offset(table, start, 1);
	spinlock_t *ptl = pt_lock_of(pte);

	spin_lock(ptl);
	for (; start < end; start += PAGE_SIZE, pte++) {
		pte_t e = pte_read(pte);
		struct page *p;

		if (!pte_present(e) || pte_special(e))
			continue;
		p = pfn_to_page(pte_pfn(e));
		if (!page_is_anon(p) || page_mapcount(p) != 1 || page_test(p, PG_SWAPCACHE))
			continue;
		e = pte_xchg(pte, (pte_t){ 0 });
		pte_set(pte, pte_mkold(pte_mkclean(pte_wrprotect(e))));
		lru_lazyfree(p);
	}
	spin_unlock(ptl);
}

static int advise_free(struct vma *v, vaddr_t start, vaddr_t end)
{
	vaddr_t from = start, stop;
	pte_t *table;

	if (!vma_is_anon(v) || (v->flags & (VM_LOCKED | VM_PFNMAP | VM_HUGETLB)))
		return -EINVAL;
	pt_for_each_table(v->mm, table, start, end, stop)
		free_lazily(v, table, start, stop);
	tlb_flush_range(v->mm, from, end);
	return 0;
}

#define PAGEOUT_BATCH	16

/* Up to PAGEOUT_BATCH pages mapped in [start, end), with references; *next is where to go on. Accessed bits are cleared. */
static unsigned take_pages(struct vma *v, vaddr_t start, vaddr_t end, struct page **out, vaddr_t *next)
{
	unsigned n = 0;

	for (; start < end && n < PAGEOUT_BATCH; start += PAGE_SIZE) {
		pte_t *pte = pt_find(v->mm, start), e;
		spinlock_t *ptl;

		if (!pte) {
			start = (start | (PT_SIZE(2) - 1)) + 1 - PAGE_SIZE;
			continue;
		}
		ptl = pt_lock_of(pte);
		spin_lock(ptl);
		e = pte_read(pte);
		if (pte_present(e) && !pte_special(e) && page_mapcount(pfn_to_page(pte_pfn(e))) == 1) {
			out[n] = pfn_to_page(pte_pfn(e));
			page_get(out[n++]);
			while (!pte_cmpxchg(pte, e, pte_mkold(e)))
				e = pte_read(pte);
			reclaim_age_flush(v->mm, start);
		}
		spin_unlock(ptl);
	}
	*next = min(start, end);
	return n;
}

static int advise_cold(struct vma *v, vaddr_t start, vaddr_t end, bool pageout)
{
	if (v->flags & (VM_LOCKED | VM_PFNMAP | VM_HUGETLB))
		return -EINVAL;
	while (start < end) {
		struct page *pages[PAGEOUT_BATCH];
		unsigned n = take_pages(v, start, end, pages, &start);

		tlb_flush_range(v->mm, v->start, v->end);
		if (pageout)
			reclaim_pages_now(pages, n);
		for (unsigned i = 0; i < n && !pageout; i++)
			lru_deactivate(pages[i]);
		page_put_bulk(pages, n);
		cond_resched();
	}
	return 0;
}

static int advise_willneed(struct vma *v, vaddr_t start, vaddr_t end)
{
	if (v->mapping)
		filemap_readahead(v->mapping, vma_pgoff(v, start), (unsigned)min((end - start) >> PAGE_SHIFT, 1024UL));
	return 0;
}

static int advise_populate(struct vma *v, vaddr_t start, vaddr_t end, bool write)
{
	if ((v->flags & (VM_IO | VM_PFNMAP)) || (write ? !(v->flags & VM_WRITE) : !vma_accessible(v)))
		return -EINVAL;
	for (; start < end; start += PAGE_SIZE) {
		int err = populate_page(v, start, write);

		if (err)
			return err;
		if (fatal_signal_pending())
			return -EINTR;
	}
	return 0;
}

static int advise_remove(struct vma *v, vaddr_t start, vaddr_t end)
{
	loff_t from = (loff_t)(vma_pgoff(v, start) << PAGE_SHIFT);

	if (v->flags & VM_LOCKED)
		return -EINVAL;
	if (!v->mapping)
		return -EINVAL;
	if ((v->flags & (VM_SHARED | VM_WRITE)) != (VM_SHARED | VM_WRITE))
		return -EACCES;
	if (!(v->mapping->flags & MAPPING_NO_WRITEBACK))
		return -EOPNOTSUPP;
	filemap_punch_hole(v->mapping, from, from + (loff_t)(end - start));
	return 0;
}

/* ---- flags ------------------------------------------------------------------------------------------------- */

/* New flags of the area, or a negative errno in *err. */
static u32 advised_flags(const struct vma *v, int advice, int *err)
{
	u32 f = v->flags;

	*err = 0;
	switch (advice) {
	case MADV_NORMAL:
		return f & ~(VM_RAND_READ | VM_SEQ_READ);
	case MADV_SEQUENTIAL:
		return (f & ~VM_RAND_READ) | VM_SEQ_READ;
	case MADV_RANDOM:
		return (f & ~VM_SEQ_READ) | VM_RAND_READ;
	case MADV_DONTFORK:
		return f | VM_DONTCOPY;
	case MADV_DOFORK:
		if (f & VM_IO)
			*err = -EINVAL;
		return f & ~VM_DONTCOPY;
	case MADV_WIPEONFORK:
		if (v->file || (f & VM_SHARED))		/* anonymous private memory only */
			*err = -EINVAL;
		return f | VM_WIPEONFORK;
	case MADV_KEEPONFORK:
		return f & ~VM_WIPEONFORK;
	case MADV_DONTDUMP:
		return f | VM_DONTDUMP;
	case MADV_DODUMP:
		if (f & VM_SPECIAL_AREA)
			*err = -EINVAL;
		return f & ~VM_DONTDUMP;
	case MADV_HUGEPAGE:
		if (f & VM_SPECIAL_AREA)
			*err = -EINVAL;
		return (f & ~VM_NOHUGEPAGE) | VM_HUGEPAGE;
	default:
		return (f & ~VM_HUGEPAGE) | VM_NOHUGEPAGE;
	}
}

static int advise_flags(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end, int advice)
{
	int err;
	u32 flags = advised_flags(v, advice, &err);

	if (err || flags == v->flags)
		return err;
	(void)!vma_change_flags(mm, v, start, end, flags, &err);
	return err == -ENOMEM ? -EAGAIN : err;
}

static bool advice_known(int advice)
{
	switch (advice) {
	case MADV_NORMAL: case MADV_SEQUENTIAL: case MADV_RANDOM: case MADV_WILLNEED: case MADV_DONTNEED: case MADV_FREE:
	case MADV_REMOVE: case MADV_DONTFORK: case MADV_DOFORK: case MADV_WIPEONFORK: case MADV_KEEPONFORK:
	case MADV_DONTDUMP: case MADV_DODUMP: case MADV_HUGEPAGE: case MADV_NOHUGEPAGE: case MADV_COLD: case MADV_PAGEOUT:
	case MADV_POPULATE_READ: case MADV_POPULATE_WRITE: case MADV_DONTNEED_LOCKED:
		return true;
	default:		/* MERGEABLE without KSM, HWPOISON without memory failure handling, COLLAPSE, unknown */
		return false;
	}
}

static bool changes_flags(int advice)
{
	switch (advice) {
	case MADV_REMOVE: case MADV_WILLNEED: case MADV_DONTNEED: case MADV_DONTNEED_LOCKED: case MADV_COLD: case MADV_PAGEOUT:
	case MADV_FREE: case MADV_POPULATE_READ: case MADV_POPULATE_WRITE:
		return false;
	default:
		return true;
	}
}

static int advise_one(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end, int advice)
{
	switch (advice) {
	case MADV_DONTNEED: case MADV_DONTNEED_LOCKED:
		return advise_dontneed(v, start, end, advice);
	case MADV_FREE:
		return advise_free(v, start, end);
	case MADV_COLD: case MADV_PAGEOUT:
		return advise_cold(v, start, end, advice == MADV_PAGEOUT);
	case MADV_WILLNEED:
		return advise_willneed(v, start, end);
	case MADV_REMOVE:
		return advise_remove(v, start, end);
	case MADV_POPULATE_READ: case MADV_POPULATE_WRITE:
		return advise_populate(v, start, end, advice == MADV_POPULATE_WRITE);
	default:
		return advise_flags(mm, v, start, end, advice);
	}
}

static int advise_range(struct mm *mm, vaddr_t start, vaddr_t end, int advice)
{
	bool hole = false, populate = advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE;
	int err;

	while (start < end) {
		struct vma *v = vma_find(mm, start);
		vaddr_t stop;

		if (!v || v->start >= end)
			return -ENOMEM;
		if (v->start > start) {
			hole = true;
			if (populate)
				return -ENOMEM;
			start = v->start;
		}
		stop = min(v->end, end);
		err = advise_one(mm, v, start, stop, advice);
		if (err)
			return err;
		start = stop;
	}
	return hole ? -ENOMEM : 0;
}

int mm_madvise(struct mm *mm, vaddr_t addr, size_t len_in, int advice)
{
	size_t len = PAGE_ALIGN(len_in);
	int err;

	if (!advice_known(advice) || (addr & ~PAGE_MASK) || (len_in && !len) || addr + len < addr)
		return -EINVAL;
	if (!len)
		return 0;
	if (changes_flags(advice)) {
		if (mm_write_lock_killable(mm))
			return -EINTR;
		err = advise_range(mm, addr, addr + len, advice);
		mm_write_unlock(mm);
	} else {
		rwsem_read_lock(&mm->mmap_lock);
		err = advise_range(mm, addr, addr + len, advice);
		rwsem_read_unlock(&mm->mmap_lock);
	}
	return err;
}

/* ---- msync ------------------------------------------------------------------------------------------------- */

/* Write back what v shares of [start, end). mmap_lock is released meanwhile: the file is held. */
static int sync_part(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end)
{
	struct file *f = v->file;
	loff_t from = (loff_t)(vma_pgoff(v, start) << PAGE_SHIFT);
	int err;

	vma_file_get(f);
	rwsem_read_unlock(&mm->mmap_lock);
	err = vma_file_sync(f, from, from + (loff_t)(end - start) - 1);
	vma_file_put(f);
	rwsem_read_lock(&mm->mmap_lock);
	return err;
}

static int sync_range(struct mm *mm, vaddr_t start, vaddr_t end, int flags)
{
	int hole = 0, err;

	while (start < end) {
		struct vma *v = vma_find(mm, start);
		vaddr_t stop;

		if (!v || v->start >= end)
			return -ENOMEM;
		if (v->start > start) {
			hole = -ENOMEM;
			start = v->start;
		}
		stop = min(v->end, end);
		if ((flags & MS_INVALIDATE) && (v->flags & VM_LOCKED))
			return -EBUSY;
		if ((flags & MS_SYNC) && v->file && (v->flags & VM_SHARED)) {
			err = sync_part(mm, v, start, stop);
			if (err)
				return err;
		}
		start = stop;
	}
	return hole;
}

int mm_msync(struct mm *mm, vaddr_t addr, size_t len, int flags)
{
	vaddr_t end;
	int err;

	if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (addr & ~PAGE_MASK) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	end = addr + PAGE_ALIGN(len);
	if (end < addr)
		return -ENOMEM;
	if (end == addr)
		return 0;
	rwsem_read_lock(&mm->mmap_lock);
	err = sync_range(mm, addr, end, flags);
	rwsem_read_unlock(&mm->mmap_lock);
	return err;
}
