/*
 * anon_name.c - names that programs give to anonymous memory: prctl(PR_SET_VMA_ANON_NAME), shown as [anon:name] in maps.
 */
#include "internal.h"

/* prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME): name is kmalloc'ed and consumed, NULL takes the name away. */
int mm_set_anon_name(struct mm *mm, vaddr_t start, size_t len, char *name)
{
	vaddr_t end = start + PAGE_ALIGN(len);
	int err = 0, hole = 0;

	if ((start & ~PAGE_MASK) || end < start) {
		kfree(name);
		return -EINVAL;
	}
	if (rwsem_write_lock_killable(&mm->mmap_lock)) {
		kfree(name);
		return -EINTR;
	}
	while (start < end && !err) {
		struct vma *v = vma_find(mm, start);
		vaddr_t stop;
		char *copy = NULL;

		if (!v || v->start >= end) {
			hole = -ENOMEM;
			break;
		}
		if (v->start > start) {
			hole = -ENOMEM;
			start = v->start;
		}
		stop = min(v->end, end);
		if (v->mapping) {
			err = -EBADF;
			break;
		}
		if (name) {
			copy = kstrdup(name, GFP_KERNEL);
			if (!copy)
				err = -ENOMEM;
		}
		if (!err && start > v->start)
			err = vma_split(mm, v, start, true);
		if (!err && stop < v->end)
			err = vma_split(mm, v, stop, false);
		if (!err) {
			struct vma_key key;

			vma_rename(v, copy);
			vma_key_of(v, &key);
			(void)!vma_merge(mm, v->prev, v->start, v->end, &key);
		} else {
			kfree(copy);
		}
		start = stop;
	}
	mm_write_unlock(mm);
	kfree(name);
	return err ? err : hole;
}
