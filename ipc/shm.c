/*
 * shm.c - System V shared memory: a segment is an unlinked tmpfs file that has a key.
 *
 * A segment lives until it has been removed and its last attachment is gone. Attachments are counted by the areas that map it
 * (fork and split copy them, exit and munmap drop them), not by processes.
 *
 * LOCKS       segments.lock (LOCK_IPC) for the table; attach_lock (spinning) for counts and times, since areas come and go under
 *             mmap_lock. The memory itself is given up by a worker: that takes file locks, which rank below mmap_lock.
 *
 * SOURCE      shmget(2), shmop(2), shmctl(2)
 */
#include <abi/capability.h>
#include <abi/errno.h>
#include <abi/mman.h>
#include <fs/fs.h>
#include <fs/procfs.h>
#include <kernel/cred.h>
#include <kernel/main.h>
#include <kernel/syscall.h>
#include <kernel/workqueue.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <mm/fail.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/shmem.h>
#include <mm/slab.h>

#include "sysv.h"

#define SHM_MAX_SEGMENTS	4096		/* until kernel.shmmni says otherwise */
#define IPC_MAX_INDEX		32768

static unsigned long shm_max_bytes = U64_MAX - (1UL << 24);			/* kernel.shmmax, of one segment */
static unsigned long shm_all_pages = (U64_MAX - (1UL << 24)) >> PAGE_SHIFT;	/* kernel.shmall, of all */

struct shm_segment {
	struct ipc_object o;
	struct file	*file;		/* the memory */
	size_t		size;
	unsigned long	nattch;
	int		cpid, lpid;
	s64		atime, dtime, ctime;
	struct work	free_work;
};

static struct ipc_table segments;
static spinlock_t attach_lock = SPINLOCK_INIT("shm attach", LOCK_FILES);

static void free_segment(struct work *w)
{
	struct shm_segment *s = container_of(w, struct shm_segment, free_work);

	file_put(s->file);
	kfree(s);
}

/* One attachment (or hold) less; a removed segment goes with the last. attach_lock is taken. */
static void segment_drop(struct shm_segment *s)
{
	bool last;

	spin_lock(&attach_lock);
	s->nattch--;
	s->dtime = ktime_get_real() / NSEC_PER_SEC;
	s->lpid = task_pid(current);
	last = s->o.removed && !s->nattch;
	spin_unlock(&attach_lock);
	if (last)
		work_queue(&s->free_work);
}

static void segment_hold(struct shm_segment *s)
{
	spin_lock(&attach_lock);
	s->nattch++;
	spin_unlock(&attach_lock);
}

struct shm_request {
	key_t	key;
	size_t	size;
	int	flags;
};

/* Table's lock held. */
static unsigned long total_pages(void)
{
	unsigned long index, pages = 0;
	struct shm_segment *s;

	for (index = 0; (s = xa_find(&segments.objects, &index, ~0UL)); index++)
		pages += DIV_ROUND_UP(s->size, PAGE_SIZE);
	return pages;
}

static struct ipc_object *make_segment(void *arg, int *err)
{
	struct shm_request *r = arg;
	struct shm_segment *s;
	char name[16];

	if (!r->size || r->size > shm_max_bytes) {
		*err = -EINVAL;
		return NULL;
	}
	if (total_pages() + DIV_ROUND_UP(r->size, PAGE_SIZE) > shm_all_pages) {
		*err = -ENOSPC;
		return NULL;
	}
	if (r->flags & SHM_HUGETLB) {
		*err = -ENOMEM;
		return NULL;
	}
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s) {
		*err = -ENOMEM;
		return NULL;
	}
	ksnprintf(name, sizeof(name), "SYSV%08x", (unsigned)r->key);
	*err = shmem_file_create(name, (loff_t)r->size, r->flags & SHM_NORESERVE, &s->file);
	if (*err) {
		kfree(s);
		return NULL;
	}
	s->file->priv = s;
	work_init(&s->free_work, free_segment);
	s->size = r->size;
	s->cpid = task_pid(current);
	s->ctime = ktime_get_real() / NSEC_PER_SEC;
	return &s->o;
}

static int check_segment(struct ipc_object *o, void *arg)
{
	struct shm_request *r = arg;

	return r->size > ((struct shm_segment *)o)->size ? -EINVAL : 0;
}

SYSCALL(shmget, key_t key, size_t size, int flags)
{
	struct shm_request r = { key, size, flags };

	if (fail_user("shmget", size))
		return -ENOMEM;
	return ipc_get(&segments, key, flags, make_segment, check_segment, &r);
}

/* ---- attachments: counted by area ---- */

static void shm_area_open(struct vma *v)
{
	struct shm_segment *s = v->priv;

	spin_lock(&attach_lock);
	s->nattch++;
	s->atime = ktime_get_real() / NSEC_PER_SEC;
	s->lpid = task_pid(current);
	spin_unlock(&attach_lock);
}

static void shm_area_close(struct vma *v)
{
	segment_drop(v->priv);
}

static const struct vm_ops shm_vm_ops = { .open = shm_area_open, .close = shm_area_close };

/* The hold that keeps a segment alive while it is being attached. */
static int attach_begin(int id, int flags, struct shm_segment **out)
{
	int err = 0;

	mutex_lock(&segments.lock);
	*out = (struct shm_segment *)ipc_find(&segments, id, &err);
	if (*out)
		err = ipc_permission(&(*out)->o, flags & SHM_RDONLY ? 4 : 6);
	if (!err)
		segment_hold(*out);
	mutex_unlock(&segments.lock);
	return err;
}

static int setup_area(struct vma *v)
{
	v->priv = v->file->priv;
	v->ops = &shm_vm_ops;
	shm_area_open(v);
	return 0;
}

SYSCALL(shmat, int id, vaddr_t addr, int flags)
{
	struct mmap_request req = { 0 };
	struct shm_segment *s;
	vaddr_t got;
	int err;

	if (addr & (SHMLBA - 1)) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		addr &= ~(vaddr_t)(SHMLBA - 1);
	}
	if (!addr && (flags & SHM_REMAP))
		return -EINVAL;
	err = attach_begin(id, flags, &s);
	if (err)
		return err;
	req.addr = addr;
	req.len = s->size;
	req.prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
	req.flags = MAP_SHARED | (addr ? (flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE) : 0);
	err = file_prepare_mmap(s->file, &req);
	req.setup = setup_area;
	if (!err)
		err = mm_mmap(current->mm, &req, &got);
	segment_drop(s);
	if (err == -EEXIST)
		err = -EINVAL;
	return err ? err : (long)got;
}

/* Detach the areas of the segment that was attached at addr: the first must start there, others may follow after a split. */
SYSCALL(shmdt, vaddr_t addr)
{
	struct mm *mm = current->mm;
	struct shm_segment *s = NULL;
	vaddr_t start = 0, end = 0;
	struct vma *v;

	if (addr & (SHMLBA - 1))
		return -EINVAL;
	rwsem_read_lock(&mm->mmap_lock);
	for (v = vma_find(mm, addr); v; v = vma_next(v)) {
		if (!s) {
			if (v->ops != &shm_vm_ops || v->start - ((vaddr_t)v->pgoff << PAGE_SHIFT) != addr)
				continue;
			s = v->priv;
			start = v->start;
			end = v->end;
		} else if (v->ops == &shm_vm_ops && v->priv == s && v->start == end &&
			   v->start - ((vaddr_t)v->pgoff << PAGE_SHIFT) == addr) {
			end = v->end;
		} else {
			break;
		}
	}
	rwsem_read_unlock(&mm->mmap_lock);
	return s ? mm_munmap(mm, start, end - start) : -EINVAL;
}

/* ---- control ---- */

static void fill_stat(const struct shm_segment *s, struct shmid64_ds *d)
{
	*d = (struct shmid64_ds){ .shm_segsz = s->size, .shm_atime = s->atime, .shm_dtime = s->dtime,
				  .shm_ctime = s->ctime, .shm_cpid = s->cpid, .shm_lpid = s->lpid,
				  .shm_nattch = s->nattch };
	ipc_fill_perm(&s->o, &d->shm_perm);
}

static long shm_stat(int id, int cmd, struct shmid64_ds __user *buf)
{
	struct shmid64_ds d;
	struct shm_segment *s;
	int err = -EINVAL, ret = 0;

	mutex_lock(&segments.lock);
	if (cmd == IPC_STAT)
		s = (struct shm_segment *)ipc_find(&segments, id, &err);
	else
		s = (struct shm_segment *)ipc_find_index(&segments, id);
	if (s) {
		err = cmd == SHM_STAT_ANY ? 0 : ipc_permission(&s->o, 4);
		fill_stat(s, &d);
		ret = cmd == IPC_STAT ? 0 : s->o.id;
	}
	mutex_unlock(&segments.lock);
	if (!err && put_user_struct(buf, &d))
		err = -EFAULT;
	return err ? err : ret;
}

static long shm_limits(struct shminfo64 __user *buf)
{
	struct shminfo64 i = { .shmmax = shm_max_bytes, .shmmin = 1, .shmmni = segments.limit,
			       .shmseg = segments.limit, .shmall = shm_all_pages };
	int highest;

	mutex_lock(&segments.lock);
	highest = ipc_highest_index(&segments);
	mutex_unlock(&segments.lock);
	return put_user_struct(buf, &i) ?: highest;
}

static long shm_usage(struct shm_info __user *buf)
{
	struct shm_info i = { 0 };
	struct shm_segment *s;
	unsigned long index;
	int highest;

	mutex_lock(&segments.lock);
	i.used_ids = (int)segments.count;
	i.shm_tot = total_pages();
	for (index = 0; (s = xa_find(&segments.objects, &index, ~0UL)); index++) {
		i.shm_rss += s->file->mapping->nr_pages;
		i.shm_swp += shmem_swapped_pages(s->file->mapping);
	}
	highest = ipc_highest_index(&segments);
	mutex_unlock(&segments.lock);
	return put_user_struct(buf, &i) ?: highest;
}

static long shm_change(int id, int cmd, const struct shmid64_ds __user *buf)
{
	struct shm_segment *s;
	struct shmid64_ds d;
	int err = 0;

	if (cmd == IPC_SET && get_user_struct(&d, buf))
		return -EFAULT;
	mutex_lock(&segments.lock);
	s = (struct shm_segment *)ipc_find(&segments, id, &err);
	if (!s)
		goto unlock;
	if (!ipc_is_owner(&s->o)) {
		err = -EPERM;
	} else if (cmd == IPC_SET) {
		err = ipc_set_perm(&s->o, &d.shm_perm);
		s->ctime = ktime_get_real() / NSEC_PER_SEC;
	} else if (cmd == IPC_RMID) {
		s->o.mode |= SHM_DEST;
		s->o.key = IPC_PRIVATE;
		segment_hold(s);
		ipc_remove(&segments, &s->o);
		segment_drop(s);
	} else if (cmd == SHM_LOCK) {
		s->o.mode |= SHM_LOCKED;
		s->file->mapping->flags |= MAPPING_UNEVICTABLE;
	} else {
		s->o.mode &= ~(u32)SHM_LOCKED;
		s->file->mapping->flags &= ~(u32)MAPPING_UNEVICTABLE;
	}
unlock:
	mutex_unlock(&segments.lock);
	return err;
}

SYSCALL(shmctl, int id, int cmd, void __user *buf)
{
	if (cmd < 0 || id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
		return shm_limits(buf);
	case SHM_INFO:
		return shm_usage(buf);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return shm_stat(id, cmd, buf);
	case IPC_SET:
	case IPC_RMID:
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_change(id, cmd, buf);
	}
	return -EINVAL;
}

static void discard_segment(struct ipc_object *o)
{
	free_segment(&((struct shm_segment *)o)->free_work);
}

/* /proc/sysvipc/shm: one line a segment, as ipcs reads it. */
static int segments_show(struct text *out, void *arg)
{
	struct shm_segment *s;
	unsigned long index;

	text_puts(out, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime"
		  "      ctime                   rss                  swap\n");
	mutex_lock(&segments.lock);
	for (index = 0; (s = xa_find(&segments.objects, &index, ~0UL)); index++) {
		const struct ipc_object *o = &s->o;

		text_printf(out, "%10d %10d  %4o %21lu %5d %5d  %5lu %5u %5u %5u %5u %10lld %10lld %10lld %21lu %21lu\n", o->key, o->id,
			    o->mode, s->size, s->cpid, s->lpid, s->nattch, o->uid, o->gid, o->cuid, o->cgid, (long long)s->atime,
			    (long long)s->dtime, (long long)s->ctime, s->file->mapping->nr_pages << PAGE_SHIFT,
			    shmem_swapped_pages(s->file->mapping) << PAGE_SHIFT);
	}
	mutex_unlock(&segments.lock);
	return 0;
}

static const struct proc_file segments_file = { .path = "sysvipc/shm", .mode = 0444, .show = segments_show };

static int shm_init(void)
{
	ipc_table_init(&segments, "shm", SHM_MAX_SEGMENTS);
	segments.discard = discard_segment;
	proc_register(&segments_file);
	proc_register_ulong("sys/kernel/shmmax", 0644, &shm_max_bytes);
	proc_register_ulong("sys/kernel/shmall", 0644, &shm_all_pages);
	proc_register_int("sys/kernel/shmmni", 0644, (int *)&segments.limit, 0, IPC_MAX_INDEX);
	return 0;
}
initcall(shm_init, 2);
