/*
 * sys_mm.c - the memory system calls: file descriptors and process ids become objects here, mm/ does the rest.
 *
 * SOURCE      mmap(2), mremap(2), process_vm_readv(2), process_madvise(2), pkey_alloc(2)
 */
#include <abi/capability.h>
#include <abi/mman.h>
#include <fs/fs.h>
#include <kernel/cred.h>
#include <kernel/syscall.h>
#include <mm/fail.h>
#include <mm/io_iter.h>
#include <mm/slab.h>
#include <proc/process.h>

/* All flags a file mapping understands; MAP_SHARED_VALIDATE refuses others. */
#define MAP_KNOWN	(MAP_SHARED_VALIDATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_UNINITIALIZED | \
			 MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | \
			 MAP_32BIT | MAP_FIXED_NOREPLACE | (63 << MAP_HUGE_SHIFT))

static long map_file(int fd, struct mmap_request *req, vaddr_t *out)
{
	struct file *f = fd_get_io(fd);
	int err;

	if (!f)
		return -EBADF;
	err = file_prepare_mmap(f, req);
	if (!err)
		err = mm_mmap(current->mm, req, out);
	file_put(f);
	return err;
}

SYSCALL(mmap, vaddr_t addr, size_t len, int prot, int flags, int fd, unsigned long off)
{
	struct mmap_request req = { .addr = addr, .len = len, .prot = prot, .flags = flags, .pgoff = off >> PAGE_SHIFT };
	vaddr_t got;
	long err;

	if (off & (PAGE_SIZE - 1))
		return -EINVAL;
	if (fail_user("mmap", len))
		return -ENOMEM;
	if (!(flags & MAP_ANONYMOUS)) {
		if ((flags & MAP_TYPE) == MAP_SHARED_VALIDATE && (flags & ~MAP_KNOWN))
			return -EOPNOTSUPP;
		err = map_file(fd, &req, &got);
	} else {
		err = mm_mmap(current->mm, &req, &got);
	}
	return err ? err : (long)got;
}

SYSCALL(munmap, vaddr_t addr, size_t len)
{
	return mm_munmap(current->mm, addr, len);
}

SYSCALL(mprotect, vaddr_t addr, size_t len, int prot)
{
	return mm_mprotect(current->mm, addr, len, prot, -1);
}

SYSCALL(pkey_mprotect, vaddr_t addr, size_t len, int prot, int pkey)
{
	/* No protection keys without the CPU feature: only "no key" is valid. */
	if (pkey != -1)
		return -EINVAL;
	return mm_mprotect(current->mm, addr, len, prot, -1);
}

SYSCALL(pkey_alloc, unsigned long flags, unsigned long rights)
{
	return flags || (rights & ~(unsigned long)(PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE)) ? -EINVAL : -ENOSPC;
}

SYSCALL(pkey_free, int pkey)
{
	return -EINVAL;
}

SYSCALL(mremap, vaddr_t old, size_t old_len, size_t new_len, unsigned long flags, vaddr_t new_addr)
{
	vaddr_t got;
	int err;

	if (flags & ~(unsigned long)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if (new_len > old_len && fail_user("mremap", new_len - old_len))
		return -ENOMEM;
	err = mm_mremap(current->mm, old, old_len, new_len, (int)flags, new_addr, &got);
	return err ? err : (long)got;
}

SYSCALL(brk, vaddr_t brk)
{
	vaddr_t now = current->mm->brk;

	if (brk > now && fail_user("brk", brk - now))
		return (long)now;
	return (long)mm_brk(current->mm, brk);
}

SYSCALL(madvise, vaddr_t addr, size_t len, int advice)
{
	return mm_madvise(current->mm, addr, len, advice);
}

SYSCALL(mincore, vaddr_t addr, size_t len, unsigned char __user *vec)
{
	return mm_mincore(current->mm, addr, len, vec);
}

SYSCALL(msync, vaddr_t addr, size_t len, int flags)
{
	return mm_msync(current->mm, addr, len, flags);
}

SYSCALL(mlock, vaddr_t addr, size_t len)
{
	return mm_mlock(current->mm, addr, len, 0);
}

SYSCALL(mlock2, vaddr_t addr, size_t len, int flags)
{
	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	return mm_mlock(current->mm, addr, len, flags);
}

SYSCALL(munlock, vaddr_t addr, size_t len)
{
	return mm_munlock(current->mm, addr, len);
}

SYSCALL(mlockall, int flags)
{
	return mm_mlockall(current->mm, flags);
}

SYSCALL0(munlockall)
{
	return mm_munlockall(current->mm);
}

SYSCALL(remap_file_pages, vaddr_t addr, size_t size, unsigned long prot, size_t pgoff, unsigned long flags)
{
	return mm_remap_file_pages(current->mm, addr, size, (int)prot, pgoff, (int)flags);
}

/* ---- other processes' memory ---- */

/*
 * The address space of another process, if current may trace it: same user ids, or CAP_SYS_PTRACE. Returns a use
 * reference. 0, -ESRCH, -EPERM.
 */
static int remote_mm(struct task *t, struct mm **out)
{
	int err = task_may_access(t);

	if (err)
		return err;
	*out = task_get_mm(t);
	return *out ? 0 : -ESRCH;
}

#define VM_COPY_CHUNK	(4 * PAGE_SIZE)

/* Move up to n bytes between the local iterator and [addr, addr + n) of mm. Bytes moved before the first fault. */
static size_t vm_copy_range(struct mm *mm, vaddr_t addr, size_t n, struct io_iter *local, bool write, char *bounce)
{
	size_t done = 0;

	while (done < n && local->left) {
		size_t part = min(min(n - done, (size_t)VM_COPY_CHUNK), local->left);
		ssize_t moved;

		if (write) {
			part = io_iter_get(bounce, local, part);
			if (!part)
				break;
			moved = mm_access(mm, addr + done, bounce, part, true, false);
			if (moved < (ssize_t)part)
				return done + max(moved, (ssize_t)0);
		} else {
			moved = mm_access(mm, addr + done, bounce, part, false, false);
			if (moved <= 0)
				break;
			moved = io_iter_put(local, bounce, moved);
			if (!moved)
				return done;
		}
		done += moved;
		if ((size_t)moved < part)
			break;
		cond_resched();
	}
	return done;
}

static ssize_t vm_copy(struct mm *mm, const struct iovec_user *remote, unsigned nr, struct io_iter *local, bool write)
{
	char *bounce = kmalloc(VM_COPY_CHUNK, GFP_KERNEL);
	ssize_t done = 0;

	if (!bounce)
		return -ENOMEM;
	for (unsigned i = 0; i < nr && local->left; i++) {
		size_t want = min(remote[i].len, local->left);
		size_t n = vm_copy_range(mm, (vaddr_t)remote[i].base, remote[i].len, local, write, bounce);

		done += n;
		if (n < want) {
			if (!done)
				done = -EFAULT;
			break;
		}
	}
	kfree(bounce);
	return done;
}

static long process_vm_rw(int pid, const void __user *lvec, unsigned long nr_local, const void __user *rvec,
			  unsigned long nr_remote, unsigned long flags, bool write)
{
	struct iovec_user lfast[IOV_FAST], rfast[IOV_FAST], *liov = NULL, *riov = NULL;
	struct io_iter local, remote;
	struct task *t;
	struct mm *mm;
	ssize_t n;

	if (flags)
		return -EINVAL;
	n = io_iter_import(lvec, nr_local, lfast, &liov, &local);
	if (n <= 0)
		goto free_local;
	n = io_iter_import(rvec, nr_remote, rfast, &riov, &remote);
	if (n <= 0)
		goto free_remote;
	t = task_find(pid);
	n = -ESRCH;
	if (!t)
		goto free_remote;
	n = remote_mm(t, &mm);
	if (!n) {
		n = vm_copy(mm, riov, nr_remote, &local, write);
		mm_put(mm);
	}
	task_put(t);
free_remote:
	if (riov && riov != rfast)
		kfree(riov);
free_local:
	if (liov && liov != lfast)
		kfree(liov);
	return n;
}

SYSCALL(process_vm_readv, int pid, const void __user *lvec, unsigned long nr_local, const void __user *rvec,
	unsigned long nr_remote, unsigned long flags)
{
	return process_vm_rw(pid, lvec, nr_local, rvec, nr_remote, flags, false);
}

SYSCALL(process_vm_writev, int pid, const void __user *lvec, unsigned long nr_local, const void __user *rvec,
	unsigned long nr_remote, unsigned long flags)
{
	return process_vm_rw(pid, lvec, nr_local, rvec, nr_remote, flags, true);
}

/* Advice that one process may give about another: it changes when pages are there, never what they hold. */
static bool advice_for_others(int advice)
{
	return advice == MADV_COLD || advice == MADV_PAGEOUT || advice == MADV_WILLNEED;
}

/* Bytes advised on before the first error, or that error. */
static ssize_t advise_each(struct mm *mm, const struct iovec_user *iov, unsigned nr, int advice)
{
	ssize_t done = 0;
	int err = 0;

	for (unsigned i = 0; i < nr && !err; i++) {
		err = mm_madvise(mm, (vaddr_t)iov[i].base, iov[i].len, advice);
		if (!err)
			done += (ssize_t)iov[i].len;
	}
	return done ? done : err;
}

/* Of another process: the right to see its memory, and CAP_SYS_NICE, for it may become slower. */
static long advise_process(int fd, const struct iovec_user *iov, unsigned nr, int advice)
{
	struct task *t = NULL;
	struct mm *mm = NULL;
	long err = pidfd_task(fd, &t);

	if (err)
		return err;
	err = advice_for_others(advice) ? remote_mm(t, &mm) : -EINVAL;
	if (err == -EPERM)
		err = -EACCES;
	if (!err && !capable(CAP_SYS_NICE))
		err = -EPERM;
	if (!err)
		err = advise_each(mm, iov, nr, advice);
	if (mm)
		mm_put(mm);
	task_put(t);
	return err;
}

SYSCALL(process_madvise, int fd, const void __user *vec, unsigned long nr, int advice, unsigned flags)
{
	struct iovec_user fast[IOV_FAST], *iov = NULL;
	struct io_iter it;
	ssize_t n;

	if (flags)
		return -EINVAL;
	n = io_iter_import(vec, nr, fast, &iov, &it);
	if (n >= 0)
		n = advise_process(fd, iov, (unsigned)nr, advice);
	if (iov && iov != fast)
		kfree(iov);
	return n;
}

/* ---- NUMA policy on a machine of one node ---- */

#define MPOL_DEFAULT	0
#define MPOL_LOCAL	4
#define MPOL_F_NODE	1
#define MPOL_F_ADDR	2
#define MPOL_F_MEMS_ALLOWED 4

/* One node: the policy is always the default, memory always on node 0. */
SYSCALL(get_mempolicy, int __user *policy, unsigned long __user *nodes, unsigned long max_node, vaddr_t addr,
	unsigned long flags)
{
	if (flags & ~(unsigned long)(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED))
		return -EINVAL;
	if (nodes && max_node < 1)
		return -EINVAL;
	if (!(flags & MPOL_F_ADDR) && addr)
		return -EINVAL;
	if ((flags & MPOL_F_MEMS_ALLOWED) && (flags & (MPOL_F_NODE | MPOL_F_ADDR)))
		return -EINVAL;
	if (flags & MPOL_F_ADDR) {
		bool mapped;

		rwsem_read_lock(&current->mm->mmap_lock);
		mapped = vma_at(current->mm, addr) != NULL;
		rwsem_read_unlock(&current->mm->mmap_lock);
		if (!mapped)
			return -EFAULT;
	}
	if (policy && put_user(MPOL_DEFAULT, policy))
		return -EFAULT;
	if (nodes) {
		size_t bytes = ALIGN_UP(max_node - 1, 64) / 8;

		if (bytes && clear_user(nodes, bytes))
			return -EFAULT;
		if (bytes && (flags & MPOL_F_MEMS_ALLOWED) && put_user(1UL, nodes))
			return -EFAULT;
	}
	return 0;
}
