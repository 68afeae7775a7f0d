/*
 * mremap.c - growing, shrinking, moving and duplicating areas; remap_file_pages.
 *
 * Moving keeps the pages and moves their entries. The new area has the old one's place in the file or in anonymous space
 * (pgoff), so page->index and with it the reverse map stay true. Everything that can fail is done first: the split of the
 * old area, the charge, the new area, the page-table pages; then the entries move, then the old range is unmapped.
 * While entries move, the family's and the file's reverse-map locks are held, so that no walk finds a page in neither place.
 */
#include "internal.h"
#include <mm/ledger_stream.h>

#include <mm/filemap.h>

struct remap {
	struct mm	*mm;
	struct vma	*v;
	vaddr_t		old, fresh;
	size_t		old_len, new_len;
	int		flags;
	bool		locked;		/* out: populate [fresh, fresh + new_len) */
};

static bool is_error(vaddr_t a)
{
	return a > -4096UL;
}

/* ---- entries ----------------------------------------------------------------------------------------------- */

static void move_some(pte_t *from, pte_t *to, unsigned long n)
{
	spinlock_t *a = pt_lock_of(from), *b = pt_lock_of(to);

	if (a == b) {
		spin_lock(a);
	} else {
		spin_lock(a < b ? a : b);
		spin_lock_nested(a < b ? b : a);
	}
	for (unsigned long i = 0; i < n; i++) {
		pte_t e = pte_read(from + i);

		if (!pte_none(e))
			pte_set(to + i, pte_mksoft_dirty(pte_xchg(from + i, (pte_t){ 0 })));
	}
	if (a != b)
		spin_unlock(b);
	spin_unlock(a);
}

/* Make the tables the entries will move into. */
static int reserve_tables(struct remap *r)
{
	vaddr_t at = r->old, end = r->old + r->old_len, stop;
	pte_t *table;

	pt_for_each_table(r->mm, table, at, end, stop)
		if (!pt_alloc_table(r->mm, at - r->old + r->fresh) ||
		    !pt_alloc_table(r->mm, stop - PAGE_SIZE - r->old + r->fresh))
			return -ENOMEM;
	return 0;
}

static void move_entries(struct remap *r, struct anon_vma *av)
{
	struct address_space *m = r->v->mapping;
	vaddr_t at = r->old, end = r->old + r->old_len, stop;
	pte_t *table;

	if (m)
		mutex_lock(&m->i_mmap_lock);
	if (av)
		rwsem_write_lock(&av->lock);
	pt_for_each_table(r->mm, table, at, end, stop) {
		vaddr_t to = at - r->old + r->fresh;

		stop = min(stop, at + (pt_next(to, ~0UL, 2) - to));
		move_some(pt_offset(table, at, 1), pt_find(r->mm, to), (stop - at) >> PAGE_SHIFT);
	}
	tlb_flush_range(r->mm, r->old, end);
	if (av)
		rwsem_write_unlock(&av->lock);
	if (m)
		mutex_unlock(&m->i_mmap_lock);
}

/* ---- the new area ------------------------------------------------------------------------------------------ */

static struct vma *copy_area(struct remap *r)
{
	struct vma *v = r->v, *next, *prev, *d;
	struct vma_key key;

	vma_key_of(v, &key);
	key.pgoff = vma_pgoff(v, r->old);
	if (vma_is_anon(v) && !v->anon_vma)
		key.pgoff = r->fresh >> PAGE_SHIFT;	/* no page knows the old place: merge where we go */
	next = vma_find(r->mm, r->fresh);
	prev = next ? next->prev : rb_entry_or_null(rb_last(&r->mm->vmas), struct vma, node);
	d = vma_merge(r->mm, prev, r->fresh, r->fresh + r->new_len, &key);
	if (d) {
		r->v = vma_at(r->mm, r->old);		/* it may be the survivor itself */
		return d;
	}
	d = vma_dup(v);
	if (!d)
		return NULL;
	d->start = r->fresh;
	d->end = r->fresh + r->new_len;
	d->pgoff = key.pgoff;
	anon_vma_join(d, v->anon_vma);
	vma_insert_after(r->mm, d, prev);
	if (unlikely(ledger_streaming & STREAM_PAGES))
		ledger_stream_map(d);
	if (d->ops && d->ops->open)
		d->ops->open(d);
	return d;
}

static int charge(struct remap *r, u32 flags)
{
	unsigned long old_pages = r->old_len >> PAGE_SHIFT, new_pages = r->new_len >> PAGE_SHIFT;

	if (!(flags & VM_ACCOUNT))
		return 0;
	if (r->flags & MREMAP_DONTUNMAP)
		return commit_charge(r->mm, new_pages);
	if (commit_charge(r->mm, new_pages - old_pages))
		return -ENOMEM;
	commit_force(old_pages);	/* unmapping the old range takes it off again */
	return 0;
}

static void uncharge(struct remap *r, u32 flags)
{
	if (flags & VM_ACCOUNT)
		commit_uncharge(r->new_len >> PAGE_SHIFT);
}

/* r->fresh is free. */
static int move_area(struct remap *r)
{
	struct mm *mm = r->mm;
	u32 flags = r->v->flags;
	struct file *file = r->v->file;
	unsigned long new_pages = r->new_len >> PAGE_SHIFT;
	struct anon_vma *av;
	struct vma *d;
	int err;

	if (mm->nr_vmas >= sysctl_max_map_count - 3)
		return -ENOMEM;
	if (r->old_len) {
		err = unmap_split(mm, r->v, r->old, r->old + r->old_len);
		if (err)
			return err;
		r->v = vma_at(mm, r->old);
	}
	err = charge(r, flags);
	if (err)
		return err;
	err = reserve_tables(r);
	if (err)
		goto uncharge;
	av = r->v->anon_vma;
	d = copy_area(r);
	if (!d) {
		err = -ENOMEM;
		goto uncharge;
	}
	if (r->old_len)
		move_entries(r, av);
	if (d->ops && d->ops->mremap)
		(void)d->ops->mremap(d);
	if (!(r->flags & MREMAP_DONTUNMAP) && r->old_len) {
		err = unmap_locked(mm, r->old, r->old + r->old_len);
		WARN_ON(err);
	} else if (r->old_len && (flags & VM_LOCKED)) {
		(void)!vma_change_flags(mm, r->v, r->old, r->old + r->old_len, flags & ~(VM_LOCKED | VM_LOCKONFAULT), &err);
		mm->locked_vm -= r->old_len >> PAGE_SHIFT;
	}
	mm_account_vma(mm, flags, file, (long)new_pages);
	if (flags & VM_LOCKED) {
		mm->locked_vm += new_pages;
		r->locked = true;
	}
	return 0;
uncharge:
	uncharge(r, flags);
	return err;
}

/* ---- checks ------------------------------------------------------------------------------------------------ */

/* May [old, old + old_len) of r->v become new_len long? */
static int check_resize(struct remap *r)
{
	struct vma *v = r->v;
	unsigned long grow = r->new_len > r->old_len ? (r->new_len - r->old_len) >> PAGE_SHIFT : 0;
	pgoff_t pgoff;

	if (!r->old_len && !(v->flags & (VM_SHARED | VM_MAYSHARE)))
		return -EINVAL;
	if ((r->flags & MREMAP_DONTUNMAP) && (v->flags & (VM_DONTEXPAND | VM_PFNMAP)))
		return -EINVAL;
	if (r->old_len > v->end - r->old)
		return -EFAULT;
	if (r->new_len == r->old_len)
		return 0;
	pgoff = vma_pgoff(v, r->old);
	if (pgoff + (r->new_len >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	if (v->flags & (VM_DONTEXPAND | VM_PFNMAP))
		return -EFAULT;
	if ((v->flags & VM_LOCKED) && mlock_allowed(r->mm, grow))
		return -EAGAIN;
	return mm_may_expand(r->mm, v->flags, grow) ? 0 : -ENOMEM;
}

static int move_to(struct remap *r, vaddr_t want)
{
	struct mm *mm = r->mm;
	int err;

	if ((want & ~PAGE_MASK) || r->new_len > mm->task_size || want > mm->task_size - r->new_len)
		return -EINVAL;
	if (r->old + r->old_len > want && want + r->new_len > r->old)
		return -EINVAL;
	if (mm->nr_vmas + 2 >= sysctl_max_map_count)
		return -ENOMEM;
	if (r->flags & MREMAP_FIXED) {
		if (want < sysctl_mmap_min_addr)
			return -EPERM;
		err = unmap_locked(mm, want, want + r->new_len);
		if (err)
			return err;
	}
	if (r->old_len > r->new_len) {
		err = unmap_locked(mm, r->old + r->new_len, r->old + r->old_len);
		if (err)
			return err;
		r->old_len = r->new_len;
	}
	r->v = vma_at(mm, r->old);
	if (!r->v)
		return -EFAULT;
	err = check_resize(r);
	if (err)
		return err;
	if ((r->flags & MREMAP_DONTUNMAP) && !mm_may_expand(mm, r->v->flags, r->old_len >> PAGE_SHIFT))
		return -ENOMEM;
	if (!(r->flags & MREMAP_FIXED)) {
		want = mmap_area(mm, want, r->new_len, 0);
		if (is_error(want))
			return (int)(long)want;
	}
	r->fresh = want;
	return move_area(r);
}

/* The area simply gets longer, if what follows is free. -EAGAIN: it does not fit. */
static int expand_in_place(struct remap *r)
{
	struct vma *v = r->v;
	vaddr_t end = r->old + r->new_len;
	unsigned long pages = (r->new_len - r->old_len) >> PAGE_SHIFT;
	u32 flags = v->flags;
	struct file *file = v->file;
	struct vma_key key;

	if (r->old_len != v->end - r->old || end < v->end || end > r->mm->task_size ||
	    (v->next && v->next->start < end))
		return -EAGAIN;
	if ((flags & VM_ACCOUNT) && commit_charge(r->mm, pages))
		return -ENOMEM;
	vma_key_of(v, &key);
	key.pgoff = v->pgoff + vma_pages(v);
	if (!vma_merge(r->mm, v, v->end, end, &key))
		vma_resize(v, v->start, end, v->pgoff);
	mm_account_vma(r->mm, flags, file, (long)pages);
	if (flags & VM_LOCKED) {
		r->mm->locked_vm += pages;
		r->locked = true;
	}
	r->fresh = r->old;
	return 0;
}

static int remap_locked(struct remap *r, vaddr_t want)
{
	int err;

	r->v = vma_at(r->mm, r->old);
	if (!r->v)
		return -EFAULT;
	if (r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		return move_to(r, want);
	if (r->old_len >= r->new_len) {
		r->fresh = r->old;
		if (r->old_len == r->new_len)
			return r->old_len ? 0 : -EINVAL;
		return unmap_locked(r->mm, r->old + r->new_len, r->old + r->old_len);
	}
	err = check_resize(r);
	if (err)
		return err;
	err = expand_in_place(r);
	if (err != -EAGAIN)
		return err;
	if (!(r->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	r->fresh = mmap_area(r->mm, 0, r->new_len, 0);
	if (is_error(r->fresh))
		return (int)(long)r->fresh;
	return move_area(r);
}

int mm_mremap(struct mm *mm, vaddr_t old, size_t old_len, size_t new_len, int flags, vaddr_t new_addr, vaddr_t *out)
{
	struct remap r = { .mm = mm, .old = old, .old_len = PAGE_ALIGN(old_len), .new_len = PAGE_ALIGN(new_len),
			   .flags = flags };
	int err;

	if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((flags & MREMAP_DONTUNMAP) && (!(flags & MREMAP_MAYMOVE) || old_len != new_len))
		return -EINVAL;
	if ((old & ~PAGE_MASK) || !r.new_len)
		return -EINVAL;
	if (mm_write_lock_killable(mm))
		return -EINTR;
	err = remap_locked(&r, new_addr);
	mm_write_unlock(mm);
	if (err)
		return err;
	*out = r.fresh;
	if (r.locked)
		mlock_populate(mm, r.fresh, r.fresh + r.new_len);
	return 0;
}

/* ---- remap_file_pages --------------------------------------------------------------------------------------- */

/* As Linux since 4.0: the range becomes areas of its own, mapped again at another offset. */
int mm_remap_file_pages(struct mm *mm, vaddr_t addr, size_t size, int prot, size_t pgoff, int flags)
{
	vaddr_t start = addr & PAGE_MASK, end;
	struct mmap_request r = { 0 };
	struct vma *v, *last;
	vaddr_t out = 0;
	void *anon = NULL;
	int err = -EINVAL;

	size &= PAGE_MASK;
	end = start + size;
	if (prot || end <= start || pgoff + (size >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	rwsem_read_lock(&mm->mmap_lock);
	v = vma_at(mm, start);
	if (v && (v->flags & VM_SHARED) && v->mapping) {
		for (last = v; last->end < end && last->next && last->next->start == last->end; last = last->next)
			if (last->next->mapping != v->mapping || last->next->flags != v->flags)
				break;
		if (last->end >= end) {
			r.addr = start;
			r.len = size;
			r.prot = (v->flags & VM_READ ? PROT_READ : 0) | (v->flags & VM_WRITE ? PROT_WRITE : 0) |
				 (v->flags & VM_EXEC ? PROT_EXEC : 0);
			r.flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE | (flags & MAP_NONBLOCK) |
				  (v->flags & VM_LOCKED ? MAP_LOCKED : 0);
			r.file = v->file;
			r.mapping = v->mapping;
			r.ops = v->ops;
			r.pgoff = pgoff;
			r.clear_may = ~v->flags & (VM_MAYWRITE | VM_MAYEXEC);
			if (r.file)
				vma_file_get(r.file);
			else
				anon = shmem_anon_get(v);
			err = r.file || anon ? 0 : -EINVAL;
		}
	}
	rwsem_read_unlock(&mm->mmap_lock);
	if (err)
		return err;
	err = mm_mmap(mm, &r, &out);
	if (r.file)
		vma_file_put(r.file);
	else
		shmem_anon_put(anon);
	return err;
}
