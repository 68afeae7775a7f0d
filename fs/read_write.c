/*
 * read_write.c - read, write and their vector and positioned forms, lseek.
 *
 * FAST PATH   a lone thread's read of a plain file: no reference on the file, no lock on its position; one indirect call into
 *             the file system, which for page-cache files is filemap_read().
 * LOCKS       pos_lock (LOCK_FILE_POS) when the open file is shared by several descriptors or threads, as POSIX asks.
 */
#include "internal.h"
#include <kernel/signal.h>

static int bad_read(struct file *f)
{
	if (!(f->mode & FMODE_READ))
		return -EBADF;
	return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
}

ssize_t vfs_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	ssize_t n;

	if (unlikely(!(f->mode & FMODE_READ) || !f->ops->read))
		return bad_read(f);
	n = f->ops->read(f, to, pos);
	if (n > 0)
		current->rchar += (u64)n;
	current->syscr++;
	return n;
}

ssize_t vfs_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	ssize_t n;

	if (unlikely(!(f->mode & FMODE_WRITE)))
		return -EBADF;
	if (unlikely(!f->ops->write))
		return -EINVAL;
	n = f->ops->write(f, from, pos);
	if (n > 0)
		current->wchar += (u64)n;
	current->syscw++;
	return n;
}

/* ---- page-cache files ---- */

ssize_t generic_file_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	ssize_t n;

	if (unlikely(!to->left))
		return 0;
	n = filemap_read(f->mapping, &f->ra, pos, to);
	file_accessed(f);
	return n;
}

/* How much may be written at pos: the file-size limit and the file system's. */
static int write_limit(struct file *f, loff_t pos, size_t *n)
{
	u64 limit = task_rlimit(current, 1 /* RLIMIT_FSIZE */), max_bytes = f->inode->sb->max_bytes;

	if (limit != U64_MAX && S_ISREG(f->inode->mode)) {
		if ((u64)pos >= limit) {
			signal_send_current(SIGXFSZ);
			return -EFBIG;
		}
		*n = min((u64)*n, limit - (u64)pos);
	}
	if ((u64)pos >= max_bytes)
		return -EFBIG;
	*n = min((u64)*n, max_bytes - (u64)pos);
	return 0;
}

static int sync_after_write(struct file *f, loff_t start, ssize_t n)
{
	if (likely(!(f->flags & O_DSYNC)) || n <= 0 || !f->ops->fsync)
		return 0;
	return f->ops->fsync(f, start, start + n - 1, !(f->flags & (O_SYNC & ~O_DSYNC)));
}

ssize_t generic_file_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	struct inode *i = f->inode;
	size_t whole = from->left, left = whole;
	ssize_t n;
	int err;

	if (unlikely(!whole))
		return 0;
	rwsem_write_lock(&i->rwsem);
	if (f->flags & O_APPEND)
		*pos = f->mapping->size;
	n = unlikely(i->flags & S_SWAPFILE_FL) ? -ETXTBSY : write_limit(f, *pos, &left);
	if (likely(!n))
		n = inode_remove_privs(i);
	if (likely(!n)) {
		from->left = left;
		if (!(f->mode & FMODE_NOCMTIME))
			i->mtime = i->ctime = time_now_k();
		n = filemap_write(f->mapping, pos, from);
		from->left += whole - left;
	}
	rwsem_write_unlock(&i->rwsem);
	err = sync_after_write(f, *pos - n, n);
	return err ? err : n;
}

int generic_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	int err = filemap_write_range(f->mapping, start, end, true);
	int seen = filemap_check_errors(f->mapping, &f->wb_err);

	return err ? err : seen;
}

/* ---- lseek ---- */

loff_t generic_llseek(struct file *f, loff_t off, int whence)
{
	loff_t size = inode_size(f->inode), base = 0;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = f->pos;
		break;
	case SEEK_END:
		base = size;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if ((u64)off >= (u64)size)
			return -ENXIO;
		off = whence == SEEK_HOLE ? size : off;	/* no holes are known */
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, off, &off) || off < 0 || (u64)off > f->inode->sb->max_bytes)
		return -EINVAL;
	f->pos = off;
	return off;
}

static bool lock_pos(struct file *f)
{
	if (likely(atomic_read(&f->refs) == 1) || !(f->mode & FMODE_LSEEK) || S_ISCHR(f->inode->mode))
		return false;			/* a device's reader may sleep until a writer comes, as on Linux */
	mutex_lock(&f->pos_lock);
	return true;
}

SYSCALL(lseek, int fd, long off, unsigned whence)
{
	struct fdref r = fdref_get(fd);
	bool locked;
	long n;

	if (!r.file)
		return -EBADF;
	if (whence > SEEK_HOLE) {
		n = -EINVAL;
	} else if (!(r.file->mode & FMODE_LSEEK)) {
		n = -ESPIPE;
	} else {
		locked = lock_pos(r.file);
		n = r.file->ops->llseek(r.file, off, (int)whence);
		if (locked)
			mutex_unlock(&r.file->pos_lock);
	}
	fdref_put(r);
	return n;
}

/* ---- the calls ---- */

static ssize_t at_position(struct file *f, struct io_iter *it, bool write)
{
	loff_t pos = 0;
	bool locked;
	ssize_t n;

	if (f->mode & FMODE_STREAM)
		return write ? vfs_write(f, it, &pos) : vfs_read(f, it, &pos);
	locked = lock_pos(f);
	n = write ? vfs_write(f, it, &f->pos) : vfs_read(f, it, &f->pos);
	if (locked)
		mutex_unlock(&f->pos_lock);
	return n;
}

static long do_rw(int fd, void __user *buf, size_t n, bool write)
{
	struct fdref r = fdref_get(fd);
	struct io_iter it;
	long done;

	if (unlikely(!r.file))
		return -EBADF;
	if (unlikely(!(r.file->mode & (write ? FMODE_WRITE : FMODE_READ)))) {
		done = -EBADF;
	} else if (unlikely(!access_ok(buf, n))) {
		done = -EFAULT;
	} else {
		io_iter_user(&it, buf, min(n, MAX_RW_COUNT));
		done = at_position(r.file, &it, write);
	}
	fdref_put(r);
	return done;
}

SYSCALL(read, int fd, char __user *buf, size_t n)
{
	return do_rw(fd, buf, n, false);
}

SYSCALL(write, int fd, const char __user *buf, size_t n)
{
	return do_rw(fd, (void __user *)buf, n, true);
}

/* pos as given; -1 in preadv2: the file's own. */
static long do_prw(int fd, struct io_iter *it, loff_t pos, bool write)
{
	struct fdref r = fdref_get(fd);
	long n;

	if (!r.file)
		return -EBADF;
	if (!(r.file->mode & FMODE_LSEEK))
		n = -ESPIPE;
	else
		n = write ? vfs_write(r.file, it, &pos) : vfs_read(r.file, it, &pos);
	fdref_put(r);
	return n;
}

SYSCALL(pread64, int fd, char __user *buf, size_t n, long pos)
{
	struct io_iter it;

	if (pos < 0)
		return -EINVAL;
	if (!access_ok(buf, n))
		return -EFAULT;
	io_iter_user(&it, buf, min(n, MAX_RW_COUNT));
	return do_prw(fd, &it, pos, false);
}

SYSCALL(pwrite64, int fd, const char __user *buf, size_t n, long pos)
{
	struct io_iter it;

	if (pos < 0)
		return -EINVAL;
	if (!access_ok(buf, n))
		return -EFAULT;
	io_iter_user(&it, (void __user *)buf, min(n, MAX_RW_COUNT));
	return do_prw(fd, &it, pos, true);
}

struct iov_args {
	const void __user	*iov;
	unsigned long		nr;
};

static long do_rwv(int fd, struct iov_args a, loff_t pos, bool use_pos, bool write)
{
	struct iovec_user fast[IOV_FAST], *iov = NULL;
	struct io_iter it;
	struct fdref r;
	ssize_t n;

	r = fdref_get(fd);
	if (!r.file)
		return -EBADF;
	if (!(r.file->mode & (write ? FMODE_WRITE : FMODE_READ))) {
		fdref_put(r);
		return -EBADF;
	}
	n = io_iter_import(a.iov, a.nr, fast, &iov, &it);
	if (n >= 0) {
		it.left = min(it.left, MAX_RW_COUNT);
		n = use_pos ? do_prw(fd, &it, pos, write) : at_position(r.file, &it, write);
		if (iov && iov != fast)
			kfree(iov);
	}
	fdref_put(r);
	return n;
}

SYSCALL(readv, int fd, const void __user *iov, unsigned long nr)
{
	return do_rwv(fd, (struct iov_args){ iov, nr }, 0, false, false);
}

SYSCALL(writev, int fd, const void __user *iov, unsigned long nr)
{
	return do_rwv(fd, (struct iov_args){ iov, nr }, 0, false, true);
}

SYSCALL(preadv, int fd, const void __user *iov, unsigned long nr, long pos)
{
	return pos < 0 ? -EINVAL : do_rwv(fd, (struct iov_args){ iov, nr }, pos, true, false);
}

SYSCALL(pwritev, int fd, const void __user *iov, unsigned long nr, long pos)
{
	return pos < 0 ? -EINVAL : do_rwv(fd, (struct iov_args){ iov, nr }, pos, true, true);
}

#define RWF_KNOWN	0x1f	/* HIPRI, DSYNC, SYNC, NOWAIT, APPEND */
#define RWF_NOWAIT_	0x08

static long rwv2(int fd, const void __user *iov, unsigned long nr, long pos, int flags, bool write)
{
	if (flags & ~RWF_KNOWN)
		return -EOPNOTSUPP;
	if (flags & RWF_NOWAIT_)
		return -EOPNOTSUPP;
	if (pos == -1)
		return do_rwv(fd, (struct iov_args){ iov, nr }, 0, false, write);
	return pos < 0 ? -EINVAL : do_rwv(fd, (struct iov_args){ iov, nr }, pos, true, write);
}

SYSCALL(preadv2, int fd, const void __user *iov, unsigned long nr, long pos, long pos_high, int flags)
{
	return rwv2(fd, iov, nr, pos, flags, false);
}

SYSCALL(pwritev2, int fd, const void __user *iov, unsigned long nr, long pos, long pos_high, int flags)
{
	return rwv2(fd, iov, nr, pos, flags, true);
}
