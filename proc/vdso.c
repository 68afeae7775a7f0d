/*
 * vdso.c - give each program the vDSO: system calls about time that need no trap.
 *
 *	mm->vdso - PAGE_SIZE   [vvar]   the kernel's clock page, read-only
 *	mm->vdso               [vdso]   a small ELF library, read and execute    <- AT_SYSINFO_EHDR
 *
 * Both are frames of the kernel image, mapped by number: nobody counts or frees them.
 *
 * SOURCE      vdso(7)
 */
#include <abi/mman.h>
#include <arch/vdso.h>
#include <mm/mm.h>

#include "exec.h"

static const char *vdso_name(struct vma *v)
{
	return v->start == v->mm->vdso ? "[vdso]" : "[vvar]";
}

static const struct vm_ops vdso_ops = { .name = vdso_name };

static int map_frames(struct mm *mm, vaddr_t addr, unsigned nr, pfn_t (*frame)(unsigned), int prot, const char *name)
{
	struct mmap_request req = {
		.addr = addr, .len = nr * PAGE_SIZE, .prot = prot, .ops = &vdso_ops, .name = name,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		.vm_flags = VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP | VM_IO,
	};
	struct vma *v;
	int err = mm_mmap(mm, &req, &addr);

	if (err)
		return err;
	mm_write_lock(mm);
	v = vma_at(mm, addr);
	for (unsigned i = 0; i < nr && !err; i++)
		err = remap_pfn_range(v, addr + i * PAGE_SIZE, frame(i), PAGE_SIZE, v->prot);
	if (prot & PROT_EXEC)
		v->flags &= ~VM_IO;	/* memory that debuggers may read, as any program text */
	rwsem_write_unlock(&mm->mmap_lock);
	return err;
}

static pfn_t data_frame(unsigned i)
{
	return VDSO_DATA_PFN + i;
}

static pfn_t image_frame(unsigned i)
{
	return VDSO_IMAGE_PFN(i);
}

int vdso_map(struct mm *mm)
{
	struct mmap_request claim = {
		.len = (1 + VDSO_IMAGE_PAGES) * PAGE_SIZE, .prot = PROT_NONE,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	};
	vaddr_t at;
	int err = mm_mmap(mm, &claim, &at);

	if (err)
		return err;
	mm->vdso = at + PAGE_SIZE;
	err = map_frames(mm, at, 1, data_frame, PROT_READ, "[vvar]");
	if (!err)
		err = map_frames(mm, at + PAGE_SIZE, VDSO_IMAGE_PAGES, image_frame, PROT_READ | PROT_EXEC, "[vdso]");
	return err;
}
