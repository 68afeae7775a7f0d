/*
 * stack.c - areas that grow downwards: the guard gap, the limits, exec's first stack.
 *
 * A fault below a VM_GROWSDOWN area extends it to the faulting page, if 256 pages stay free between it and the next accessible
 * area below, and if RLIMIT_STACK and RLIMIT_AS allow it.
 */
#include "internal.h"

#include <abi/resource.h>

static bool gap_below_free(const struct vma *v, vaddr_t addr)
{
	const struct vma *below = v->prev;

	if (addr < STACK_GUARD_GAP || addr < sysctl_mmap_min_addr)
		return false;
	if (!below || below->end <= addr - STACK_GUARD_GAP)
		return true;
	/* Another growing area, or an inaccessible one that a program placed as its own guard, may be nearer. */
	return below->end <= addr && ((below->flags & VM_GROWSDOWN) || !vma_accessible(below));
}

static bool within_limits(struct mm *mm, const struct vma *v, unsigned long size, unsigned long grow)
{
	if (!mm_may_expand(mm, v->flags, grow))
		return false;
	if (size > rlimit_now(RLIMIT_STACK))
		return false;
	return !(v->flags & VM_LOCKED) || !mlock_allowed(mm, grow);
}

/* mmap_lock held for writing; addr page-aligned, below v. 0 or -ENOMEM. */
int vma_expand_down(struct vma *v, vaddr_t addr)
{
	struct mm *mm = v->mm;
	unsigned long grow = (v->start - addr) >> PAGE_SHIFT;

	if (!gap_below_free(v, addr) || grow > v->pgoff || !within_limits(mm, v, v->end - addr, grow))
		return -ENOMEM;
	if (anon_vma_prepare(v))
		return -ENOMEM;
	if ((v->flags & VM_ACCOUNT) && commit_charge(mm, grow))
		return -ENOMEM;
	vma_resize(v, addr, v->end, v->pgoff - grow);
	mm_account_vma(mm, v->flags, v->file, (long)grow);
	if (v->flags & VM_LOCKED)
		mm->locked_vm += grow;
	return 0;
}

/*
 * The first stack of a program: one page below top, which grows as exec writes arguments and as the program runs.
 */
int mm_setup_stack(struct mm *mm, vaddr_t top, bool exec_stack, struct vma **out)
{
	struct vma *v = vma_alloc(mm);
	int err;

	if (!v)
		return -ENOMEM;
	top = PAGE_ALIGN(top);
	v->end = top;
	v->start = top - PAGE_SIZE;
	v->pgoff = v->start >> PAGE_SHIFT;
	v->flags = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_GROWSDOWN | VM_ACCOUNT | mm->def_flags;
	if (exec_stack)
		v->flags |= VM_EXEC;
	vma_set_prot(v);
	mm_write_lock(mm);
	err = commit_charge(mm, 1);
	if (!err) {
		vma_insert(mm, v);
		mm_account_vma(mm, v->flags, NULL, 1);
		mm->start_stack = top;
	}
	rwsem_write_unlock(&mm->mmap_lock);
	if (err) {
		vma_free(v);
		return err;
	}
	*out = v;
	return 0;
}
