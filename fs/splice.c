/*
 * splice.c - sendfile, splice, tee, vmsplice, copy_file_range: bytes from file to file without user space.
 *
 * All of them copy through a kernel buffer: a read into it, a write out of it. What the second could not take is given back to
 * the first by moving its position; from a pipe that cannot be done, so a pipe is only asked for what its target surely takes
 * or the call blocks until it is taken.
 */
#include "internal.h"
#include <kernel/signal.h>
#include <mm/io_iter.h>

#define CHUNK		(64 * 1024UL)
#define SPLICE_F_ALL	15u
#define SPLICE_F_NONBLOCK 2u

/* Temporary O_NONBLOCK semantics would change a shared file: the flag is only looked at. */
struct copy_ends {
	struct file	*in, *out;
	loff_t		*in_pos, *out_pos;	/* NULL: a stream */
	bool		nonblock;
};

/* One chunk. Bytes moved, 0 at the end, or negative. */
static ssize_t copy_chunk(struct copy_ends *e, char *buf, size_t n)
{
	loff_t dummy = 0, *ip = e->in_pos ? e->in_pos : &dummy, *op = e->out_pos ? e->out_pos : &dummy;
	loff_t start = *ip;
	struct io_iter it;
	ssize_t got, put = 0;

	io_iter_kernel(&it, buf, n);
	got = vfs_read(e->in, &it, ip);
	if (got <= 0)
		return got;
	while (put < got) {
		ssize_t w;

		io_iter_kernel(&it, buf + put, (size_t)(got - put));
		w = vfs_write(e->out, &it, op);
		if (w > 0) {
			put += w;
			continue;
		}
		if (e->in_pos)
			*ip = start + put;	/* the rest stays unread */
		return put ? put : w;
	}
	return put;
}

static ssize_t copy_loop(struct copy_ends *e, size_t n, bool until_short)
{
	size_t size = min(n, CHUNK), done = 0;
	char *buf = kvmalloc(ALIGN_UP(max(size, (size_t)1), PAGE_SIZE), GFP_KERNEL);
	ssize_t r = 0;

	if (!buf)
		return -ENOMEM;
	while (done < n) {
		size_t want = min(n - done, size);

		r = copy_chunk(e, buf, want);
		if (r <= 0)
			break;
		done += (size_t)r;
		if ((until_short && (size_t)r < want) || signal_pending())
			break;
		cond_resched();
	}
	kvfree(buf);
	return done ? (ssize_t)done : r;
}

/* ---- sendfile ---- */

static int check_ends(const struct file *in, const struct file *out)
{
	if (!(in->mode & FMODE_READ) || !(out->mode & FMODE_WRITE))
		return -EBADF;
	return 0;
}

static long do_sendfile(int out_fd, int in_fd, loff_t *pos, size_t n)
{
	struct file *in = fd_get_io(in_fd), *out = fd_get_io(out_fd);
	struct copy_ends e = { .in = in, .out = out };
	long r = -EBADF;

	if (!in || !out)
		goto out;
	r = check_ends(in, out);
	if (r)
		goto out;
	r = pos ? -ESPIPE : -EINVAL;
	if (!(in->mode & FMODE_LSEEK))
		goto out;
	r = -EINVAL;
	if ((pos && *pos < 0) || (out->flags & O_APPEND) || !in->ops->read || !out->ops->write || S_ISDIR(in->inode->mode))
		goto out;
	e.in_pos = pos ? pos : &in->pos;
	e.out_pos = out->mode & FMODE_LSEEK ? &out->pos : NULL;
	r = copy_loop(&e, min(n, MAX_RW_COUNT), true);
out:
	if (in)
		file_put(in);
	if (out)
		file_put(out);
	return r;
}

SYSCALL(sendfile, int out_fd, int in_fd, loff_t __user *upos, size_t n)
{
	loff_t pos;
	long r;

	if (!upos)
		return do_sendfile(out_fd, in_fd, NULL, n);
	if (get_user(pos, upos))
		return -EFAULT;
	r = do_sendfile(out_fd, in_fd, &pos, n);
	if (put_user(pos, upos))
		return -EFAULT;
	return r;
}

/* ---- splice, tee, vmsplice ---- */

static long do_splice(struct file *in, loff_t *in_off, struct file *out, loff_t *out_off, size_t n, unsigned flags)
{
	struct copy_ends e = { .in = in, .out = out, .nonblock = flags & SPLICE_F_NONBLOCK };
	bool in_pipe = pipe_of(in), out_pipe = pipe_of(out);
	int err = check_ends(in, out);

	if (err)
		return err;
	if (!in_pipe && !out_pipe)
		return -EINVAL;
	if ((in_pipe && in_off) || (out_pipe && out_off))
		return -ESPIPE;
	if (in_pipe && out_pipe && pipe_of(in) == pipe_of(out))
		return -EINVAL;
	if (!in->ops->read || !out->ops->write)
		return -EINVAL;
	if (!out_pipe && (out->flags & O_APPEND))
		return -EINVAL;
	if ((in_off && !(in->mode & FMODE_LSEEK)) || (out_off && !(out->mode & FMODE_LSEEK)))
		return -EINVAL;
	if (in_pipe && e.nonblock) {
		/* Do not wait for the first byte. */
		u32 mask = vfs_poll(in, NULL);

		if (!(mask & (1 | 0x10)))	/* POLLIN, POLLHUP */
			return -EAGAIN;
	}
	if (out_pipe && e.nonblock && !(vfs_poll(out, NULL) & (4 | 8)))
		return -EAGAIN;
	e.in_pos = in_pipe ? NULL : in_off ? in_off : in->mode & FMODE_LSEEK ? &in->pos : NULL;
	e.out_pos = out_pipe ? NULL : out_off ? out_off : out->mode & FMODE_LSEEK ? &out->pos : NULL;
	/* A pipe takes as much as it has room for at once; a longer write would wait for its reader, who may be us. */
	if (out_pipe)
		n = min(n, max(pipe_room(out), (size_t)1));
	return n ? copy_loop(&e, min(n, CHUNK), true) : 0;
}

static int get_offset(loff_t __user *u, loff_t *k, loff_t **out)
{
	*out = NULL;
	if (!u)
		return 0;
	if (get_user(*k, u))
		return -EFAULT;
	if (*k < 0)
		return -EINVAL;
	*out = k;
	return 0;
}

typedef long (*two_file_fn)(struct file *in, loff_t *in_off, struct file *out, loff_t *out_off, size_t n, unsigned flags);

static long with_two_files(two_file_fn fn, int in_fd, loff_t __user *in_off, int out_fd, loff_t __user *out_off, size_t n, unsigned flags)
{
	struct file *in = fd_get_io(in_fd), *out = fd_get_io(out_fd);
	loff_t k_in, k_out, *p_in, *p_out;
	long r = -EBADF;

	if (!in || !out)
		goto out;
	r = get_offset(in_off, &k_in, &p_in);
	if (!r)
		r = get_offset(out_off, &k_out, &p_out);
	if (r)
		goto out;
	r = fn(in, p_in, out, p_out, n, flags);
	if (r > 0 && ((p_in && put_user(k_in, in_off)) || (p_out && put_user(k_out, out_off))))
		r = -EFAULT;
out:
	if (in)
		file_put(in);
	if (out)
		file_put(out);
	return r;
}

SYSCALL(splice, int in_fd, loff_t __user *in_off, int out_fd, loff_t __user *out_off, size_t n, unsigned flags)
{
	if (!n)
		return 0;
	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	return with_two_files(do_splice, in_fd, in_off, out_fd, out_off, n, flags);
}

static long do_tee(struct file *in, loff_t *in_off, struct file *out, loff_t *out_off, size_t n, unsigned flags)
{
	int err = check_ends(in, out);

	if (err)
		return err;
	if (!pipe_of(in) || !pipe_of(out))
		return -EINVAL;
	return pipe_tee(in, out, n, flags);
}

SYSCALL(tee, int in_fd, int out_fd, size_t n, unsigned flags)
{
	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (!n)
		return 0;
	return with_two_files(do_tee, in_fd, NULL, out_fd, NULL, n, flags);
}

/* User pages into a pipe (or out of one): a vector write (read), which is what it amounts to when bytes are copied. */
SYSCALL(vmsplice, int fd, const void __user *uiov, unsigned long nr, unsigned flags)
{
	struct iovec_user fast[IOV_FAST], *iov = NULL;
	struct file *f = fd_get_io(fd);
	struct io_iter it;
	loff_t pos = 0;
	ssize_t n;

	if (!f)
		return -EBADF;
	n = flags & ~SPLICE_F_ALL ? -EINVAL : !pipe_of(f) ? -EBADF : 0;
	if (!n) {
		n = io_iter_import(uiov, nr, fast, &iov, &it);
		if (n > 0) {
			if ((flags & SPLICE_F_NONBLOCK) && !(vfs_poll(f, NULL) & (f->mode & FMODE_WRITE ? 4 | 8 : 1 | 0x10)))
				n = -EAGAIN;
			else
				n = f->mode & FMODE_WRITE ? vfs_write(f, &it, &pos) : vfs_read(f, &it, &pos);
		}
		if (iov && iov != fast)
			kfree(iov);
	}
	file_put(f);
	return n;
}

/* ---- copy_file_range ---- */

static long do_copy_range(struct file *in, loff_t *in_off, struct file *out, loff_t *out_off, size_t n, unsigned flags)
{
	struct copy_ends e = { .in = in, .out = out };
	loff_t size, from, to, end;
	int err = check_ends(in, out);

	if (err)
		return err;
	if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
		return -EISDIR;
	if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode))
		return -EINVAL;
	if (out->flags & O_APPEND)
		return -EBADF;
	if (in->path.dentry->sb->type != out->path.dentry->sb->type)
		return -EXDEV;
	e.in_pos = in_off ? in_off : &in->pos;
	e.out_pos = out_off ? out_off : &out->pos;
	from = *e.in_pos;
	to = *e.out_pos;
	if (__builtin_add_overflow(from, (loff_t)min(n, MAX_RW_COUNT), &end) ||
	    __builtin_add_overflow(to, (loff_t)min(n, MAX_RW_COUNT), &end))
		return -EOVERFLOW;
	size = inode_size(in->inode);
	n = from >= size ? 0 : min(min(n, MAX_RW_COUNT), (size_t)(size - from));
	if (in->inode == out->inode && from < to + (loff_t)n && to < from + (loff_t)n && n)
		return -EINVAL;
	return n ? copy_loop(&e, n, true) : 0;
}

SYSCALL(copy_file_range, int in_fd, loff_t __user *in_off, int out_fd, loff_t __user *out_off, size_t n, unsigned flags)
{
	if (flags)
		return -EINVAL;
	return with_two_files(do_copy_range, in_fd, in_off, out_fd, out_off, n, flags);
}
