/*
 * brk.c - the break: the end of the data segment, moved by brk(2), and the areas exec makes there.
 */
#include "internal.h"

#include <abi/resource.h>

#define VM_DATA_DEFAULT	(VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)

static int brk_extend(struct mm *mm, vaddr_t start, vaddr_t end)
{
	u32 vm = VM_DATA_DEFAULT | VM_ACCOUNT | mm->def_flags;
	unsigned long pages = (end - start) >> PAGE_SHIFT;
	struct vma_key key = { .flags = vm, .pgoff = start >> PAGE_SHIFT };
	struct vma *v = vma_find(mm, start), *prev;
	int err;

	if (v && v->start < end) {
		err = unmap_locked(mm, start, end);
		if (err)
			return err;
		v = vma_find(mm, start);
	}
	if (!mm_may_expand(mm, vm, pages) || mm->nr_vmas > sysctl_max_map_count)
		return -ENOMEM;
	if (vm & VM_LOCKED) {
		err = mlock_allowed(mm, pages);
		if (err)
			return err;
	}
	err = commit_charge(mm, pages);
	if (err)
		return err;
	prev = v ? v->prev : rb_entry_or_null(rb_last(&mm->vmas), struct vma, node);
	if (!vma_merge(mm, prev, start, end, &key)) {
		v = vma_alloc(mm);
		if (!v) {
			commit_uncharge(pages);
			return -ENOMEM;
		}
		v->start = start;
		v->end = end;
		v->pgoff = start >> PAGE_SHIFT;
		v->flags = vm;
		vma_set_prot(v);
		vma_insert_after(mm, v, prev);
	}
	mm_account_vma(mm, vm, NULL, pages);
	if (vm & VM_LOCKED)
		mm->locked_vm += pages;
	return 0;
}

static bool brk_in_limits(struct mm *mm, vaddr_t brk)
{
	unsigned long limit = rlimit_now(RLIMIT_DATA);

	return limit == RLIM_INFINITY || (brk - mm->start_brk) + (mm->end_data - mm->start_data) <= limit;
}

vaddr_t mm_brk(struct mm *mm, vaddr_t brk)
{
	vaddr_t old_end, new_end, result;
	struct vma *next;
	bool populate = false;

	if (mm_write_lock_killable(mm))
		return -EINTR;
	result = mm->brk;
	if (brk < mm->start_brk || brk > mm->task_size || !brk_in_limits(mm, brk))
		goto out;
	old_end = PAGE_ALIGN(mm->brk);
	new_end = PAGE_ALIGN(brk);
	if (new_end < old_end) {
		if (unmap_locked(mm, new_end, old_end))
			goto out;
	} else if (new_end > old_end) {
		next = vma_find(mm, old_end);
		if (next && new_end + PAGE_SIZE > vma_guard_start(next))
			goto out;
		if (brk_extend(mm, old_end, new_end))
			goto out;
		populate = mm->def_flags & VM_LOCKED;
	}
	mm->brk = result = brk;
out:
	mm_write_unlock(mm);
	if (populate)
		mlock_populate(mm, old_end, new_end);
	return result;
}
