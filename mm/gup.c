/*
 * gup.c - user pages for the kernel: pinning them, other processes' memory, futex keys.
 */
#include "internal.h"

#include <kernel/wait.h>

static int fault_errno(enum fault_result r)
{
	switch (r) {
	case FAULT_DONE: case FAULT_RETRY: case FAULT_MAJOR_DONE:
		return 0;
	case FAULT_OOM:
		return -ENOMEM;
	default:
		return -EFAULT;
	}
}

/* The page behind a present entry that serves the access, with a reference. NULL: fault first. */
static struct page *page_now(struct vma *v, vaddr_t addr, bool write, bool force)
{
	pte_t *pte = pt_find(v->mm, addr), e;
	struct page *p = NULL;
	spinlock_t *ptl;

	if (!pte)
		return NULL;
	ptl = pt_lock_of(pte);
	spin_lock(ptl);
	e = pte_read(pte);
	if (pte_present(e) && (pte_hw_present(e) || force) && (!pte_special(e) || pte_pfn(e) == page_to_pfn(zero_page))) {
		p = pfn_to_page(pte_pfn(e));
		if (write && !pte_write(e) && !(force && !pte_special(e) && page_is_anon(p) && pte_dirty(e) && page_refs(p) == 1))
			p = NULL;
		if (p)
			page_get(p);
	}
	spin_unlock(ptl);
	return p;
}

/* mmap_lock held for reading. A page with a reference in *out, or -EFAULT, -ENOMEM. */
static int get_page(struct mm *mm, vaddr_t addr, bool write, bool force, struct page **out)
{
	struct fault f = { .mm = mm, .addr = addr & PAGE_MASK,
			   .access = (write ? ACCESS_WRITE : 0) | ACCESS_REMOTE | (force ? ACCESS_FORCE : 0) };
	int err;

	f.vma = vma_at(mm, addr);
	if (!f.vma || (f.vma->flags & (VM_IO | VM_PFNMAP)))
		return -EFAULT;
	if (write ? !(f.vma->flags & VM_WRITE) : !(f.vma->flags & VM_READ)) {
		if (!force || !(f.vma->flags & (write ? VM_MAYWRITE : VM_MAYREAD)))
			return -EFAULT;
		if (write && (f.vma->flags & VM_SHARED))
			return -EFAULT;
	}
	for (int tries = 0; tries < 64; tries++) {
		*out = page_now(f.vma, f.addr, write, force);
		if (*out)
			return 0;
		err = fault_errno(fault_area(&f));
		if (err)
			return err;
		if (fatal_signal_pending())
			return -EFAULT;
	}
	return -EFAULT;
}

/* As get_page(), with a stack grown when it must be. mmap_lock not held; held for reading on success. */
static int get_page_lock(struct mm *mm, vaddr_t addr, bool write, bool force, struct page **out)
{
	struct vma *v;

	rwsem_read_lock(&mm->mmap_lock);
	v = vma_find(mm, addr);
	if (v && v->start > addr && (v->flags & VM_GROWSDOWN)) {
		int err = 0;

		rwsem_read_unlock(&mm->mmap_lock);
		mm_write_lock(mm);
		v = vma_find(mm, addr);
		if (v && v->start > addr)
			err = (v->flags & VM_GROWSDOWN) ? vma_expand_down(v, addr & PAGE_MASK) : -EFAULT;
		rwsem_downgrade(&mm->mmap_lock);
		if (err)
			return -EFAULT;
	}
	return get_page(mm, addr, write, force, out);
}

/* Frames of RAM that an area shows without counting them (the vDSO): where addr's byte is. NULL: none. mmap_lock held. */
static char *uncounted_byte(struct mm *mm, vaddr_t addr)
{
	struct vma *v = vma_at(mm, addr);
	pte_t *pte = v && (v->flags & (VM_PFNMAP | VM_IO)) == VM_PFNMAP ? pt_find(mm, addr & PAGE_MASK) : NULL;

	return pte && pte_present(pte_read(pte)) ? (char *)page_address(pfn_to_page(pte_pfn(pte_read(pte)))) + (addr & ~PAGE_MASK) : NULL;
}

ssize_t mm_access(struct mm *mm, vaddr_t addr, void *buf, size_t len, bool write, bool force)
{
	size_t done = 0;

	while (done < len) {
		size_t off = addr & ~PAGE_MASK, n = min(len - done, PAGE_SIZE - off);
		struct page *p;
		char *k;
		int err = get_page_lock(mm, addr, write, force, &p);

		if (err == -EFAULT && !write && (k = uncounted_byte(mm, addr))) {
			memcpy((char *)buf + done, k, n);
			rwsem_read_unlock(&mm->mmap_lock);
			done += n;
			addr += n;
			continue;
		}
		if (err) {
			rwsem_read_unlock(&mm->mmap_lock);
			return done ? (ssize_t)done : err == -ENOMEM ? err : -EFAULT;
		}
		k = (char *)page_address(p) + off;
		if (write) {
			memcpy(k, (char *)buf + done, n);
			if (page_is_anon(p))
				page_set(p, PG_DIRTY);	/* it may be on its way to a swap area */
			else
				page_mapping_dirty(p);
		} else {
			memcpy((char *)buf + done, k, n);
		}
		rwsem_read_unlock(&mm->mmap_lock);
		page_put(p);
		done += n;
		addr += n;
	}
	return (ssize_t)done;
}

/* ---- futexes ----------------------------------------------------------------------------------------------- */

/*
 * Private: the address space and the address. Shared: the file's page cache and the index there, or for private memory again
 * the address space, since nobody else can see it. ref keeps a mapping's owner alive.
 */
int mm_futex_key(vaddr_t addr, bool shared, bool write, struct futex_key *out, void **ref)
{
	struct mm *mm = current->mm;
	struct vma *v;
	struct page *p;
	int err;

	*ref = NULL;
	out->offset = addr & ~PAGE_MASK;
	if (!shared) {
		out->a = (u64)(unsigned long)mm;
		out->b = addr & PAGE_MASK;
		return 0;
	}
	err = get_page_lock(mm, addr, write, false, &p);
	if (err && write)
		err = get_page(mm, addr, false, false, &p);	/* a read-only mapping will do for FUTEX_WAIT */
	if (!err) {
		v = vma_at(mm, addr);
		if ((v->flags & VM_SHARED || v->flags & VM_MAYSHARE) && v->mapping) {
			out->a = (u64)(unsigned long)v->mapping;
			out->b = vma_pgoff(v, addr);
			out->offset |= 1u << 31;
			*ref = v->file;
			if (v->file)
				vma_file_get(v->file);
			else
				*ref = shmem_anon_get(v);
		} else {
			out->a = (u64)(unsigned long)mm;
			out->b = addr & PAGE_MASK;
		}
		page_put(p);
	}
	rwsem_read_unlock(&mm->mmap_lock);
	return err;
}

void mm_futex_key_put(void *ref)
{
	if ((unsigned long)ref & 1)
		shmem_anon_put(ref);
	else if (ref)
		vma_file_put(ref);
}
