/*
 * mmap.c - mmap, munmap: placing new areas and taking parts of the address space away.
 *
 * A request is checked in Linux's order, since programs see which error comes first. Whatever can fail happens before the
 * address space changes, with one exception that Linux shares: MAP_FIXED has already removed what was there when the new
 * area cannot be made.
 */
#include "internal.h"
#include <mm/ledger_stream.h>

#include <abi/resource.h>
#include <kernel/cred.h>
#include <linux/capability.h>
#include <kernel/wait.h>

#define WINDOW_32BIT_LOW	0x40000000UL
#define WINDOW_32BIT_HIGH	0x80000000UL

u32 prot_to_vm(int prot)
{
	return (prot & PROT_READ ? VM_READ : 0) | (prot & PROT_WRITE ? VM_WRITE : 0) | (prot & PROT_EXEC ? VM_EXEC : 0);
}

static bool page_aligned(vaddr_t a)
{
	return !(a & ~PAGE_MASK);
}

/* ---- where it goes ---------------------------------------------------------------------------------------- */

static bool hint_is_free(struct mm *mm, vaddr_t addr, size_t len)
{
	struct vma *v;

	if (addr > mm->task_size - len || addr < sysctl_mmap_min_addr)
		return false;
	v = vma_find(mm, addr);
	return !v || addr + len <= vma_guard_start(v);
}

/* A free stretch for a mapping that may go anywhere. Its address, or a negative errno. */
vaddr_t mmap_area(struct mm *mm, vaddr_t hint, size_t len, int flags)
{
	vaddr_t low = PAGE_ALIGN(max(sysctl_mmap_min_addr, PAGE_SIZE)), addr, high = mm->mmap_base;

	if (len > mm->task_size)
		return -ENOMEM;
	if (flags & MAP_32BIT) {
		addr = vma_gap_search(mm, len, WINDOW_32BIT_LOW, WINDOW_32BIT_HIGH, true);
		return addr ? addr : -ENOMEM;
	}
	hint = PAGE_ALIGN(hint);
	if (hint && hint_is_free(mm, hint, len))
		return hint;
	addr = vma_gap_search(mm, len, low, high, false);
	if (!addr)		/* below the base all is full: anywhere, lowest first, above it too */
		addr = vma_gap_search(mm, len, max(low, PAGE_ALIGN(mm->task_size / 3)), mm->task_size, true);
	if (!addr)
		addr = vma_gap_search(mm, len, low, mm->task_size, true);
	return addr ? addr : -ENOMEM;
}

static bool is_error(vaddr_t a)
{
	return a > -4096UL;
}

static vaddr_t place(struct mm *mm, const struct mmap_request *r, size_t len)
{
	bool fixed = r->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
	vaddr_t addr = r->addr;

	if (len > mm->task_size)
		return -ENOMEM;
	if (!fixed) {
		addr &= PAGE_MASK;
		if (addr && addr < sysctl_mmap_min_addr)
			addr = PAGE_ALIGN(sysctl_mmap_min_addr);
		addr = mmap_area(mm, addr, len, r->flags);
		if (is_error(addr))
			return addr;
	}
	if (addr > mm->task_size - len)
		return -ENOMEM;
	if (!page_aligned(addr))
		return -EINVAL;
	if (addr < sysctl_mmap_min_addr && !capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (r->flags & MAP_FIXED_NOREPLACE) {
		struct vma *v = vma_find(mm, addr);

		if (v && v->start < addr + len)
			return -EEXIST;
	}
	return addr;
}

/* ---- what is asked for ------------------------------------------------------------------------------------ */

#define FLAGS_KNOWN (MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_UNINITIALIZED | \
		     MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | \
		     MAP_32BIT | (MAP_HUGE_MASK << MAP_HUGE_SHIFT) | MAP_FIXED_NOREPLACE)

static int check_huge(const struct mmap_request *r)
{
	unsigned log = (r->flags >> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;

	if (r->file)
		return -EINVAL;
	return log && log != 21 && log != 30 ? -EINVAL : -ENOMEM;	/* no pages are set aside */
}

static int check_file(const struct mmap_request *r, int type, u32 *vm)
{
	u32 may = ~r->clear_may;

	if (type == MAP_SHARED && (r->prot & PROT_WRITE) && !(may & VM_MAYWRITE))
		return -EACCES;
	if (!(may & VM_MAYREAD))
		return -EACCES;
	if ((r->prot & PROT_EXEC) && !(may & VM_MAYEXEC))
		return -EPERM;
	if (type == MAP_SHARED) {
		*vm |= VM_SHARED | VM_MAYSHARE;
		if (!(may & VM_MAYWRITE))
			*vm &= ~(VM_MAYWRITE | VM_SHARED);
	}
	if (!(may & VM_MAYEXEC))
		*vm &= ~VM_MAYEXEC;
	if ((*vm & VM_GROWSDOWN))
		return -EINVAL;
	return 0;
}

/* Flags of the area, or a negative errno. */
static int request_flags(struct mm *mm, const struct mmap_request *r, u32 *out)
{
	int type = r->flags & MAP_TYPE;
	u32 vm = prot_to_vm(r->prot) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | r->vm_flags | mm->def_flags;
	int err;

	if (r->flags & MAP_GROWSDOWN)
		vm |= VM_GROWSDOWN;
	if (r->flags & MAP_LOCKED)
		vm |= VM_LOCKED;
	if ((r->flags & MAP_NORESERVE) && sysctl_overcommit_memory != 2)
		vm |= VM_NORESERVE;
	if (r->file) {
		if (type == MAP_SHARED_VALIDATE) {
			if (r->flags & ~FLAGS_KNOWN)
				return -EOPNOTSUPP;
			type = MAP_SHARED;
		}
		if (type != MAP_SHARED && type != MAP_PRIVATE)
			return -EINVAL;
		err = check_file(r, type, &vm);
		if (err)
			return err;
	} else if (type == MAP_SHARED) {
		if (vm & VM_GROWSDOWN)
			return -EINVAL;
		vm |= VM_SHARED | VM_MAYSHARE;
	} else if (type != MAP_PRIVATE) {
		return -EINVAL;
	}
	*out = vm;
	return 0;
}

int mlock_allowed(struct mm *mm, unsigned long more_pages)
{
	unsigned long limit = rlimit_now(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	return mm->locked_vm + more_pages > limit && !capable(CAP_IPC_LOCK) ? -EAGAIN : 0;
}

/* Pages of [start, end) that areas cover now: a fixed mapping replaces them. */
static unsigned long pages_covered(struct mm *mm, vaddr_t start, vaddr_t end)
{
	unsigned long pages = 0;

	for (struct vma *v = vma_find(mm, start); v && v->start < end; v = v->next)
		pages += (min(v->end, end) - max(v->start, start)) >> PAGE_SHIFT;
	return pages;
}

/* ---- making it -------------------------------------------------------------------------------------------- */

static int area_fill(struct vma *v, const struct mmap_request *r)
{
	int err;

	if (r->file) {
		vma_file_get(r->file);
		v->file = r->file;
		v->mapping = r->mapping;
	} else if (r->mapping) {		/* shared anonymous memory, mapped once more */
		v->mapping = r->mapping;
		r->ops->open(v);
	} else if ((v->flags & VM_SHARED) && !r->ops) {
		err = shmem_zero_setup(v);
		if (err)
			return err;
	}
	vma_set_prot(v);
	if (r->setup) {
		u32 flags = v->flags;

		err = r->setup(v);
		if (err)
			return err;
		if (v->flags != flags && !(v->flags & VM_PFNMAP))	/* a driver's frames have the attributes it chose */
			vma_set_prot(v);
	}
	return 0;
}

static int area_create(struct mm *mm, const struct mmap_request *r, struct vma *prev, vaddr_t addr, size_t len, u32 vm)
{
	struct vma *v = vma_alloc(mm);
	int err;

	if (!v)
		return -ENOMEM;
	v->start = addr;
	v->end = addr + len;
	v->flags = vm;
	v->pgoff = r->file || (vm & VM_SHARED) ? r->pgoff : addr >> PAGE_SHIFT;
	v->ops = r->ops;
	v->name = r->name;
	if (r->name)
		v->flags |= VM_SPECIAL_NAME;
	err = area_fill(v, r);
	if (err) {
		vma_free(v);
		return err;
	}
	vma_insert_after(mm, v, prev);
	if (unlikely(ledger_streaming & STREAM_PAGES))
		ledger_stream_map(v);
	return 0;
}

/* [addr, addr + len) is free or may be replaced. mmap_lock held for writing. */
static int map_region(struct mm *mm, const struct mmap_request *r, vaddr_t addr, size_t len, u32 vm)
{
	unsigned long pages = len >> PAGE_SHIFT;
	struct vma_key key = { .flags = vm, .file = r->file, .mapping = r->mapping, .ops = r->ops,
			       .pgoff = r->file ? r->pgoff : addr >> PAGE_SHIFT };
	struct vma *next, *prev;
	int err;

	if (!mm_may_expand(mm, vm, pages)) {
		unsigned long covered = r->flags & MAP_FIXED ? pages_covered(mm, addr, addr + len) : 0;

		if (!mm_may_expand(mm, vm, pages - covered))
			return -ENOMEM;
	}
	next = vma_find(mm, addr);
	if (next && next->start < addr + len) {
		err = unmap_locked(mm, addr, addr + len);
		if (err)
			return err;
		next = vma_find(mm, addr);
	}
	if (vma_counts_commit(vm, r->file)) {
		err = commit_charge(mm, pages);
		if (err)
			return err;
		vm |= VM_ACCOUNT;
		key.flags = vm;
	}
	prev = next ? next->prev : rb_entry_or_null(rb_last(&mm->vmas), struct vma, node);
	if (!r->setup && !r->name && (r->file || !(vm & VM_SHARED)) && vma_merge(mm, prev, addr, addr + len, &key)) {
		err = 0;
	} else {
		err = area_create(mm, r, prev, addr, len, vm);
		if (err && (vm & VM_ACCOUNT))
			commit_uncharge(pages);
	}
	if (err)
		return err;
	mm_account_vma(mm, vm, r->file, pages);
	if (vm & VM_LOCKED)
		mm->locked_vm += pages;
	return 0;
}

static int map_locked(struct mm *mm, const struct mmap_request *r, size_t len, vaddr_t *out, u32 *vm)
{
	vaddr_t addr;
	int err;

	if (mm->nr_vmas > sysctl_max_map_count)
		return -ENOMEM;
	addr = place(mm, r, len);
	if (is_error(addr))
		return (int)(long)addr;
	if ((r->flags & MAP_LOCKED) && !rlimit_now(RLIMIT_MEMLOCK) && !capable(CAP_IPC_LOCK))
		return -EPERM;
	err = request_flags(mm, r, vm);
	if (err)
		return err;
	if (*vm & VM_LOCKED) {
		err = mlock_allowed(mm, len >> PAGE_SHIFT);
		if (err)
			return err;
	}
	*out = addr;
	return map_region(mm, r, addr, len, *vm);
}

int mm_mmap(struct mm *mm, const struct mmap_request *r, vaddr_t *out)
{
	size_t len = PAGE_ALIGN(r->len);
	vaddr_t addr;
	u32 vm;
	int err;

	if (!r->len)
		return -EINVAL;
	if (r->flags & MAP_HUGETLB)
		return check_huge(r);
	if (!len)
		return -ENOMEM;
	if (r->pgoff + (len >> PAGE_SHIFT) < r->pgoff)
		return -EOVERFLOW;
	if (mm_write_lock_killable(mm))
		return -EINTR;
	err = map_locked(mm, r, len, &addr, &vm);
	mm_write_unlock(mm);
	if (err)
		return err;
	*out = addr;
	if (unlikely((vm & VM_LOCKED) || (r->flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE))
		mlock_populate(mm, addr, addr + len);
	return 0;
}

/* ---- taking away ------------------------------------------------------------------------------------------ */

static bool may_trim(const struct vma *v)
{
	return !v->ops || (!v->ops->open && !v->ops->close);
}

static void uncount(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end)
{
	unsigned long pages = (end - start) >> PAGE_SHIFT;

	if (v->flags & VM_ACCOUNT)
		commit_uncharge(pages);
	if (v->flags & VM_LOCKED)
		mm->locked_vm -= pages;
	mm_account_vma(mm, v->flags, v->file, -(long)pages);
}

/* The part of v inside [start, end) leaves the address space. True: that was all of v, which is the caller's now. */
static bool cut_off(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end)
{
	vaddr_t from = max(start, v->start), to = min(end, v->end);

	uncount(mm, v, from, to);
	if (unlikely(mm->texts) && v->flags & VM_EXEC)
		ledger_stream_unmap(mm, from, to);
	if (v->start < from)
		vma_resize(v, v->start, from, v->pgoff);
	else if (v->end > to)
		vma_resize(v, to, v->end, vma_pgoff(v, to));
	else
		vma_remove(mm, v);
	return v->start >= from && v->end <= to;
}

/* Split so that every area is wholly inside or outside, except where an end can simply be cut off. */
int unmap_split(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end)
{
	struct vma *last = v;
	int err;

	if (v->start < start && v->end > end) {
		if (mm->nr_vmas >= sysctl_max_map_count)
			return -ENOMEM;
		err = vma_split(mm, v, end, false);
		if (err)
			return err;
		return may_trim(v) ? 0 : vma_split(mm, v, start, false);
	}
	if (v->start < start && !may_trim(v)) {
		err = vma_split(mm, v, start, false);
		if (err)
			return err;
	}
	while (last->end < end && last->next && last->next->start < end)
		last = last->next;
	if (last->start < end && last->end > end && !may_trim(last))
		return vma_split(mm, last, end, false);	/* `last` may be v: it stays the part that goes */
	return 0;
}

/* mmap_lock held for writing. 0 or -ENOMEM (an area had to be split and could not be). */
int unmap_locked(struct mm *mm, vaddr_t start, vaddr_t end)
{
	struct vma *v = vma_find(mm, start), *next;
	vaddr_t floor, ceiling;
	struct gather g;
	int err;

	if (!v || v->start >= end)
		return 0;
	ledger_note_process(mm);
	err = unmap_split(mm, v, start, end);
	if (err)
		return err;
	if (v->end <= start)
		v = v->next;
	floor = v->start < start ? start : v->prev ? v->prev->end : 0;
	gather_begin(&g, mm, false);
	for (next = v; next && next->start < end; next = next->next) {
		if (unlikely(next->flags & VM_LOCKED))
			munlock_pages(next, max(start, next->start), min(end, next->end));
		zap_range(&g, max(start, next->start), min(end, next->end), ZAP_ALL);
	}
	for (; v && v->start < end; v = next) {
		next = v->next;
		if (!cut_off(mm, v, start, end))
			continue;
		if (v->ops && v->ops->close)
			v->ops->close(v);
		vma_free(v);
	}
	v = vma_find(mm, start);
	ceiling = v ? v->start : 0;
	pt_free_range(&g, start, end, floor, ceiling);
	gather_end(&g);
	return 0;
}

/*
 * May other threads go on faulting while [start, end), from v on, is emptied? Then the areas leave first and their pages afterwards.
 * Anonymous areas only: an area of a file stays in the file's index until its pages are gone, for truncation to find them.
 */
static bool may_unmap_beside(const struct vma *v, vaddr_t end)
{
	for (; v && v->start < end; v = v->next)
		if (!vma_is_anon(v) || (v->flags & VM_LOCKED))
			return false;
	return true;
}

/* Areas inside [start, end), from v on, leave the tree; whole ones come back chained by next, still in their anon_vma. */
static struct vma *detach_areas(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end)
{
	struct vma *gone = NULL, *next;

	for (; v && v->start < end; v = next) {
		next = v->next;
		if (cut_off(mm, v, start, end)) {
			v->next = gone;
			gone = v;
		}
	}
	return gone;
}

/*
 * Comes with mmap_lock held for writing, returns with it released. While it is held for reading nobody can make an area here, or remove
 * the neighbours that keep the anon_vma of what was cut off them.
 */
static int unmap_beside(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end)
{
	struct vma *gone, *next;
	vaddr_t floor, ceiling;
	struct gather g;

	if (v->end <= start)
		v = v->next;
	floor = v->start < start ? start : v->prev ? v->prev->end : 0;
	ledger_note_process(mm);
	gone = detach_areas(mm, v, start, end);
	v = vma_find(mm, start);
	ceiling = v ? v->start : 0;
	rwsem_downgrade(&mm->mmap_lock);
	gather_begin(&g, mm, false);
	zap_range(&g, start, end, ZAP_ALL);
	pt_free_range(&g, start, end, floor, ceiling);
	gather_end(&g);
	for (; gone; gone = next) {
		next = gone->next;
		vma_free(gone);
	}
	rwsem_read_unlock(&mm->mmap_lock);
	return 0;
}

int mm_munmap(struct mm *mm, vaddr_t addr, size_t len)
{
	struct vma *v;
	int err;

	if (!page_aligned(addr) || addr > mm->task_size || len > mm->task_size - addr)
		return -EINVAL;
	len = PAGE_ALIGN(len);
	if (!len)
		return -EINVAL;
	if (mm_write_lock_killable(mm))
		return -EINTR;
	v = mm_is_alone(mm) ? NULL : vma_find(mm, addr);
	if (v && v->start < addr + len && may_unmap_beside(v, addr + len) && !unmap_split(mm, v, addr, addr + len))
		return unmap_beside(mm, v, addr, addr + len);
	err = unmap_locked(mm, addr, addr + len);
	mm_write_unlock(mm);
	return err;
}
