/*
 * madvise.c - advice about a range of memory, some of it binding. SOURCE: madvise(2)
 *
 * SHAPE       one table says for each advice what kind it is: a change of the area's flags (mmap_lock for writing), or an
 *             action on its pages (for reading). One loop walks the areas of the range for both; holes are reported as ENOMEM at
 *             the end, after everything else was done.
 * LINUX       MADV_FREE frees at once: a legal moment of the "any time" it promises. MADV_HUGEPAGE is kept as a flag. MERGEABLE is
 *             EINVAL as without CONFIG_KSM.
 */
#include "internal.h"

#include <kernel/wait.h>

/* ---- advice that changes flags ---- */

struct flag_change {
	u32	set, clear;
	u32	refuse;		/* EINVAL for areas that have one of these */
};

static bool flag_advice(int advice, struct flag_change *c)
{
	*c = (struct flag_change){ 0 };
	switch (advice) {
	case MADV_NORMAL:
		c->clear = VM_RAND_READ | VM_SEQ_READ;
		return true;
	case MADV_RANDOM:
		c->set = VM_RAND_READ;
		c->clear = VM_SEQ_READ;
		return true;
	case MADV_SEQUENTIAL:
		c->set = VM_SEQ_READ;
		c->clear = VM_RAND_READ;
		return true;
	case MADV_DONTFORK:
		c->set = VM_DONTCOPY;
		return true;
	case MADV_DOFORK:
		c->clear = VM_DONTCOPY;
		c->refuse = VM_IO;
		return true;
	case MADV_WIPEONFORK:
		c->set = VM_WIPEONFORK;
		c->refuse = VM_SHARED;
		return true;
	case MADV_KEEPONFORK:
		c->clear = VM_WIPEONFORK;
		return true;
	case MADV_DONTDUMP:
		c->set = VM_DONTDUMP;
		return true;
	case MADV_DODUMP:
		c->clear = VM_DONTDUMP;
		c->refuse = VM_PFNMAP | VM_MIXEDMAP | VM_DONTEXPAND;
		return true;
	case MADV_HUGEPAGE:
		c->set = VM_HUGEPAGE;
		c->clear = VM_NOHUGEPAGE;
		c->refuse = VM_IO | VM_PFNMAP | VM_HUGETLB;
		return true;
	case MADV_NOHUGEPAGE:
		c->set = VM_NOHUGEPAGE;
		c->clear = VM_HUGEPAGE;
		c->refuse = VM_IO | VM_PFNMAP | VM_HUGETLB;
		return true;
	}
	return false;
}

static int change_flags(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end, const struct flag_change *c)
{
	u32 flags = (v->flags | c->set) & ~c->clear;
	int err = 0;

	if ((v->flags & c->refuse) || ((c->set & VM_WIPEONFORK) && v->file))
		return -EINVAL;
	if (flags != v->flags)
		vma_change_flags(mm, v, start, end, flags, &err);
	return err == -ENOMEM ? -EAGAIN : err;
}

/* ---- advice that acts on pages ---- */

static int dont_need(struct vma *v, vaddr_t start, vaddr_t end, int advice)
{
	u32 refuse = VM_PFNMAP | VM_HUGETLB | (advice == MADV_DONTNEED_LOCKED ? 0 : VM_LOCKED);

	if (v->flags & refuse)
		return -EINVAL;
	if (advice == MADV_FREE && !vma_is_anon(v))
		return -EINVAL;
	zap_vma_range(v, start, end);
	return 0;
}

static int will_need(struct vma *v, vaddr_t start, vaddr_t end)
{
	if (!v->file)
		return v->mapping || vma_is_anon(v) ? 0 : -EBADF;
	if (v->mapping)
		filemap_readahead(v->mapping, vma_pgoff(v, start), (unsigned)((end - start) >> PAGE_SHIFT));
	return 0;
}

/* Clear the accessed bits and move pages nobody else maps to the end of their list. */
static bool cool_table(struct vma *v, pte_t *table, vaddr_t addr, vaddr_t end)
{
	pte_t *pte = pt_offset(table, addr, 1);
	spinlock_t *ptl = pt_lock_of(pte);
	bool changed = false;

	spin_lock(ptl);
	for (; addr < end; addr += PAGE_SIZE, pte++) {
		pte_t e = pte_read(pte);
		struct page *p;

		if (!pte_hw_present(e) || pte_special(e))
			continue;
		p = pfn_to_page(pte_pfn(e));
		if (page_mapcount(p) != 1)
			continue;
		while (!pte_cmpxchg(pte, e, pte_mkold(e)))
			e = pte_read(pte);
		changed |= pte_young(e);
		page_clear(p, PG_REFERENCED);
		lru_deactivate(p);
	}
	spin_unlock(ptl);
	return changed;
}

static void cool_range(struct vma *v, vaddr_t start, vaddr_t end)
{
	vaddr_t from = start;
	bool changed = false;

	while (start < end) {
		pte_t *table;
		vaddr_t next;

		start = pt_next_table(v->mm, start, end, &table);
		if (!table)
			break;
		next = pt_next(start, end, 2);
		changed |= cool_table(v, table, start, next);
		start = next;
	}
	if (changed)
		tlb_flush_range(v->mm, from, end);
}

/* Without swap only file pages can go: unmapped here, and dropped from the cache when clean and not used by others. */
static void page_out(struct vma *v, vaddr_t start, vaddr_t end)
{
	cool_range(v, start, end);
	if (v->file && v->mapping) {
		struct gather g;

		gather_begin(&g, v->mm, false);
		zap_range(&g, v, start, end, 0);
		gather_end(&g);
		filemap_invalidate(v->mapping, vma_pgoff(v, start), vma_pgoff(v, end - 1));
	}
}

static int cold(struct vma *v, vaddr_t start, vaddr_t end, int advice)
{
	if (v->flags & (VM_LOCKED | VM_PFNMAP | VM_HUGETLB))
		return -EINVAL;
	if (advice == MADV_COLD)
		cool_range(v, start, end);
	else
		page_out(v, start, end);
	return 0;
}

/* Punch a hole into the tmpfs file or shared memory behind the area. */
static int remove_backing(struct vma *v, vaddr_t start, vaddr_t end)
{
	loff_t from = (loff_t)vma_pgoff(v, start) << PAGE_SHIFT;

	if (v->flags & VM_LOCKED)
		return -EINVAL;
	if (!v->mapping)
		return -EINVAL;
	if ((v->flags & (VM_SHARED | VM_WRITE)) != (VM_SHARED | VM_WRITE))
		return -EACCES;
	if (v->mapping->account != ACCT_SHMEM)
		return -EOPNOTSUPP;
	filemap_punch_hole(v->mapping, from, from + (loff_t)(end - start));
	return 0;
}

static int populate(struct vma *v, vaddr_t start, vaddr_t end, int advice)
{
	bool write = advice == MADV_POPULATE_WRITE;
	int err;

	if (v->flags & (VM_PFNMAP | VM_IO))
		return -EINVAL;
	if (!(v->flags & (write ? VM_WRITE : VM_READ | VM_WRITE | VM_EXEC)))
		return -EINVAL;
	err = populate_range(v->mm, start, end, write);
	return err == -ENOMEM ? -ENOMEM : err;
}

static int act(struct vma *v, vaddr_t start, vaddr_t end, int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
		return dont_need(v, start, end, advice);
	case MADV_WILLNEED:
		return will_need(v, start, end);
	case MADV_COLD:
	case MADV_PAGEOUT:
		return cold(v, start, end, advice);
	case MADV_REMOVE:
		return remove_backing(v, start, end);
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return populate(v, start, end, advice);
	}
	return -EINVAL;
}

/* ---- the walk ---- */

static bool advice_known(int advice)
{
	struct flag_change c;

	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
	case MADV_WILLNEED:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_REMOVE:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return true;
	}
	return flag_advice(advice, &c);
}

/* change NULL: act on pages. A hole is -ENOMEM after all the rest was done. */
static int advise_range(struct mm *mm, vaddr_t start, vaddr_t end, int advice, const struct flag_change *change)
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
		err = change ? change_flags(mm, v, start, stop, change) : act(v, start, stop, advice);
		if (err)
			return err;
		start = stop;
	}
	return hole;
}

int mm_madvise(struct mm *mm, vaddr_t addr, size_t len, int advice)
{
	struct flag_change change;
	size_t bytes = PAGE_ALIGN(len);
	int err;

	if (!advice_known(advice) || (addr & ~PAGE_MASK) || (len && !bytes) || addr + bytes < addr)
		return -EINVAL;
	if (!bytes)
		return 0;
	if (flag_advice(advice, &change)) {
		if (rwsem_write_lock_killable(&mm->mmap_lock))
			return -EINTR;
		err = advise_range(mm, addr, addr + bytes, advice, &change);
		mm_write_unlock(mm);
	} else {
		rwsem_read_lock(&mm->mmap_lock);
		err = advise_range(mm, addr, addr + bytes, advice, NULL);
		rwsem_read_unlock(&mm->mmap_lock);
	}
	return err;
}
