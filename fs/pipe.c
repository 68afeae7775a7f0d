/*
 * pipe.c - pipes and FIFOs: a ring of page-sized buffers between readers and writers.
 *
 * SHAPE    head counts buffers filled, tail buffers emptied; slot = count & (ring - 1). A write tops up the last buffer first,
 *          so small writes do not cost a page each. Emptied buffers go to a cache of two.
 * ATOMIC   a write of at most PIPE_BUF (4096) bytes is never mixed with others: it needs one free buffer, or room in the last.
 * WAKING   readers when the ring stops being empty, writers when it stops being full: not on each call.
 * LOCKS    pipe->lock (LOCK_PIPE), a mutex: copying from and to user space may sleep.
 * LINUX    O_DIRECT packet mode, F_SETPIPE_SZ up to pipe-max-size (1 MiB), splice and tee copy the bytes.
 */
#include "internal.h"
#include <asm/ioctls.h>
#include <kernel/signal.h>
#include <lib/printf.h>
#include <linux/poll.h>

#define PIPE_DEFAULT	16
#define PIPE_MAX	256
#define PIPE_BUF_BYTES	4096

struct pipe_buf {
	char	*data;
	u32	off, len;
	bool	packet;		/* O_DIRECT: one read takes one of these */
};

struct pipe {
	struct mutex	lock;
	struct waitq	rd_wait, wr_wait;
	unsigned	head, tail, ring;
	int		readers, writers;
	unsigned	r_opens, w_opens;	/* FIFO: openings ever, for those who wait for the other side */
	int		users;			/* open files, and the inode while one exists */
	char		*spare[2];
	struct pipe_buf	*bufs;
};

static struct slab_cache *pipe_cache;

void pipe_init(void)
{
	pipe_cache = slab_cache_create("pipe", sizeof(struct pipe), 0, SLAB_PANIC, NULL);
}

static struct pipe *pipe_create(void)
{
	struct pipe *p = slab_alloc(pipe_cache, GFP_KERNEL | GFP_ZERO);

	if (!p)
		return NULL;
	p->bufs = kcalloc(PIPE_DEFAULT, sizeof(*p->bufs), GFP_KERNEL);
	if (!p->bufs) {
		slab_free(pipe_cache, p);
		return NULL;
	}
	p->ring = PIPE_DEFAULT;
	mutex_init(&p->lock, "pipe", LOCK_PIPE);
	waitq_init(&p->rd_wait);
	waitq_init(&p->wr_wait);
	return p;
}

static void pipe_destroy(struct pipe *p)
{
	for (; p->tail != p->head; p->tail++)
		kfree(p->bufs[p->tail & (p->ring - 1)].data);
	kfree(p->spare[0]);
	kfree(p->spare[1]);
	kfree(p->bufs);
	slab_free(pipe_cache, p);
}

void pipe_free_inode(struct inode *i)
{
	pipe_destroy(i->pipe);
	i->pipe = NULL;
}

static inline struct pipe_buf *slot(struct pipe *p, unsigned n)
{
	return &p->bufs[n & (p->ring - 1)];
}

static inline bool is_empty(const struct pipe *p)
{
	return READ_ONCE(p->head) == READ_ONCE(p->tail);
}

static inline bool is_full(const struct pipe *p)
{
	return READ_ONCE(p->head) - READ_ONCE(p->tail) >= READ_ONCE(p->ring);
}

static char *buf_get(struct pipe *p)
{
	for (int n = 0; n < 2; n++)
		if (p->spare[n]) {
			char *b = p->spare[n];

			p->spare[n] = NULL;
			return b;
		}
	return kmalloc(PAGE_SIZE, GFP_KERNEL);
}

static void buf_put(struct pipe *p, char *b)
{
	for (int n = 0; n < 2; n++)
		if (!p->spare[n]) {
			p->spare[n] = b;
			return;
		}
	kfree(b);
}

static void wake(struct waitq *q, unsigned long events)
{
	if (waitq_active(q))
		waitq_wake_key(q, 1, events);
}

static void wake_all(struct waitq *q, unsigned long events)
{
	if (waitq_active(q))
		waitq_wake_key(q, S32_MAX, events);
}

/* ---- reading ---- */

/* Bytes moved; -EFAULT when none. lock held, not empty. */
static ssize_t read_some(struct pipe *p, struct io_iter *to)
{
	ssize_t done = 0;

	while (to->left && p->tail != p->head) {
		struct pipe_buf *b = slot(p, p->tail);
		size_t n = min((size_t)b->len, to->left), got;
		bool packet = b->packet;

		got = io_iter_put(to, b->data + b->off, n);
		b->off += (u32)got;
		b->len -= (u32)got;
		done += (ssize_t)got;
		if (packet)
			b->len = got == n ? 0 : b->len;	/* what did not fit is lost */
		if (!b->len) {
			buf_put(p, b->data);
			b->data = NULL;
			WRITE_ONCE(p->tail, p->tail + 1);
		}
		if (got < n)
			return done ? done : -EFAULT;
		if (packet)
			break;
	}
	return done;
}

static ssize_t pipe_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	struct pipe *p = f->inode->pipe;
	bool was_full = false;
	ssize_t n = 0;

	if (!to->left)
		return 0;
	mutex_lock(&p->lock);
	for (;;) {
		if (!is_empty(p)) {
			was_full = is_full(p);
			n = read_some(p, to);
			break;
		}
		if (!p->writers)
			break;
		if (f->flags & O_NONBLOCK) {
			n = -EAGAIN;
			break;
		}
		mutex_unlock(&p->lock);
		if (wait_event_interruptible(&p->rd_wait, !is_empty(p) || !READ_ONCE(p->writers)) < 0)
			return -ERESTARTSYS;
		mutex_lock(&p->lock);
	}
	mutex_unlock(&p->lock);
	if (was_full && !is_full(p))
		wake_all(&p->wr_wait, POLLOUT | POLLWRNORM);
	return n;
}

/* ---- writing ---- */

/* Into the room behind the last buffer, when all of n fits or n is more than a page (then its odd part). */
static ssize_t top_up(struct pipe *p, struct io_iter *from)
{
	struct pipe_buf *b;
	size_t odd = from->left & (PAGE_SIZE - 1), got;

	if (is_empty(p) || !odd)
		return 0;
	b = slot(p, p->head - 1);
	if (b->packet || b->off + b->len + odd > PAGE_SIZE)
		return 0;
	got = io_iter_get(b->data + b->off + b->len, from, odd);
	b->len += (u32)got;
	return got < odd ? (got ? (ssize_t)got : -EFAULT) : (ssize_t)got;
}

/* One fresh buffer. Bytes, or -ENOMEM, -EFAULT. */
static ssize_t push_buf(struct pipe *p, struct io_iter *from, bool packet)
{
	size_t n = min(from->left, (size_t)PAGE_SIZE), got;
	char *data = buf_get(p);

	if (!data)
		return -ENOMEM;
	got = io_iter_get(data, from, n);
	if (!got) {
		buf_put(p, data);
		return -EFAULT;
	}
	*slot(p, p->head) = (struct pipe_buf){ .data = data, .len = (u32)got, .packet = packet };
	smp_wmb();
	WRITE_ONCE(p->head, p->head + 1);
	return (ssize_t)got;
}

static int broken(void)
{
	signal_send_current(SIGPIPE);
	return -EPIPE;
}

static ssize_t pipe_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	struct pipe *p = f->inode->pipe;
	bool packet = f->flags & O_DIRECT, was_empty;
	ssize_t done = 0, n = 0;

	if (!from->left)
		return 0;
	mutex_lock(&p->lock);
	if (!p->readers) {
		mutex_unlock(&p->lock);
		return broken();
	}
	was_empty = is_empty(p);
	if (!packet) {
		n = top_up(p, from);
		if (n > 0)
			done = n;
	}
	while (n >= 0 && from->left) {
		if (!p->readers) {
			n = done ? 0 : broken();
			break;
		}
		if (!is_full(p)) {
			size_t want = min(from->left, (size_t)PAGE_SIZE);

			n = push_buf(p, from, packet);
			if (n > 0)
				done += n;
			if (n < (ssize_t)want)
				break;
			continue;
		}
		if (f->flags & O_NONBLOCK) {
			n = -EAGAIN;
			break;
		}
		mutex_unlock(&p->lock);
		if (was_empty)
			wake(&p->rd_wait, POLLIN | POLLRDNORM);
		if (wait_event_interruptible(&p->wr_wait, !is_full(p) || !READ_ONCE(p->readers)) < 0)
			return done ? done : -ERESTARTSYS;
		mutex_lock(&p->lock);
		was_empty = is_empty(p);
	}
	mutex_unlock(&p->lock);
	if (done && (was_empty || waitq_active(&p->rd_wait)))
		wake_all(&p->rd_wait, POLLIN | POLLRDNORM);
	if (done)
		f->inode->mtime = f->inode->ctime = time_now_k();
	return done ? done : n;
}

/* ---- the rest of the file operations ---- */

static u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->inode->pipe;
	u32 mask = 0;

	if (f->mode & FMODE_READ)
		poll_wait(f, &p->rd_wait, pt);
	if (f->mode & FMODE_WRITE)
		poll_wait(f, &p->wr_wait, pt);
	if (f->mode & FMODE_READ) {
		if (!is_empty(p))
			mask |= POLLIN | POLLRDNORM;
		/* A FIFO that no writer ever opened since we did is not hung up. */
		if (!READ_ONCE(p->writers) && (unsigned long)f->priv != p->w_opens)
			mask |= POLLHUP;
	}
	if (f->mode & FMODE_WRITE) {
		if (!is_full(p))
			mask |= POLLOUT | POLLWRNORM;
		if (!READ_ONCE(p->readers))
			mask |= POLLERR;
	}
	return mask;
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->inode->pipe;
	bool wake_r = false, wake_w = false;

	mutex_lock(&p->lock);
	if (f->mode & FMODE_READ)
		wake_w = !--p->readers;
	if (f->mode & FMODE_WRITE)
		wake_r = !--p->writers;
	p->users--;
	if (!p->users && S_ISFIFO(f->inode->mode) && f->inode->nlink) {
		/* A FIFO's contents go with its last user; the ring itself stays with the inode. */
		for (; p->tail != p->head; p->tail++)
			kfree(slot(p, p->tail)->data);
	}
	mutex_unlock(&p->lock);
	if (wake_r)
		wake_all(&p->rd_wait, POLLIN | POLLHUP);
	if (wake_w)
		wake_all(&p->wr_wait, POLLOUT | POLLERR);
}

static long pipe_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct pipe *p = f->inode->pipe;
	int n = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&p->lock);
	for (unsigned t = p->tail; t != p->head; t++)
		n += (int)slot(p, t)->len;
	mutex_unlock(&p->lock);
	return put_user(n, (int __user *)arg);
}

struct pipe *pipe_of(struct file *f)
{
	return f->ops == &fifo_ops ? f->inode->pipe : NULL;
}

static int resize(struct pipe *p, unsigned long bytes)
{
	unsigned slots = 1, used = p->head - p->tail;
	struct pipe_buf *bufs;

	if (bytes > 1UL << 31)
		return -EINVAL;
	while ((unsigned long)slots * PAGE_SIZE < bytes)
		slots *= 2;
	if (slots > PIPE_MAX && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (used > slots)
		return -EBUSY;
	bufs = kcalloc(slots, sizeof(*bufs), GFP_KERNEL);
	if (!bufs)
		return -ENOMEM;
	for (unsigned n = 0; n < used; n++)
		bufs[n] = *slot(p, p->tail + n);
	kfree(p->bufs);
	p->bufs = bufs;
	p->tail = 0;
	p->head = used;
	p->ring = slots;
	return 0;
}

long pipe_fcntl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct pipe *p = pipe_of(f);
	long n;

	if (!p)
		return -EBADF;
	mutex_lock(&p->lock);
	n = cmd == F_SETPIPE_SZ ? resize(p, arg) : 0;
	if (!n)
		n = (long)p->ring * (long)PAGE_SIZE;
	mutex_unlock(&p->lock);
	if (cmd == F_SETPIPE_SZ && n > 0)
		wake_all(&p->wr_wait, POLLOUT);
	return n;
}

/* ---- opening a FIFO ---- */

static int attach_pipe(struct inode *i)
{
	struct pipe *p;

	rwsem_write_lock(&i->rwsem);
	if (!i->pipe) {
		p = pipe_create();
		if (!p) {
			rwsem_write_unlock(&i->rwsem);
			return -ENOMEM;
		}
		i->pipe = p;
	}
	i->pipe->users++;
	rwsem_write_unlock(&i->rwsem);
	return 0;
}

/* Until the other side is opened once more than `seen`, even if it is closed again before we run. */
static int wait_for_opens(struct waitq *q, unsigned *opens, unsigned seen)
{
	return wait_event_interruptible(q, READ_ONCE(*opens) != seen) < 0 ? -ERESTARTSYS : 0;
}

static int fifo_open(struct inode *i, struct file *f)
{
	struct pipe *p;
	bool rd = f->mode & FMODE_READ, wr = f->mode & FMODE_WRITE, wait = false;
	bool is_pipe = i->sb == anon_sb();	/* through /proc/PID/fd: it was open before, so nobody is waited for */
	unsigned r_seen, w_seen;
	int err = attach_pipe(i);

	if (err)
		return err;
	p = i->pipe;
	mutex_lock(&p->lock);
	if (!is_pipe && wr && !rd && !p->readers && (f->flags & O_NONBLOCK)) {
		p->users--;
		mutex_unlock(&p->lock);
		return -ENXIO;
	}
	r_seen = p->r_opens;
	w_seen = p->w_opens;
	if (rd) {
		p->readers++;
		p->r_opens++;
	}
	if (wr) {
		p->writers++;
		p->w_opens++;
	}
	if (rd && !wr && !p->writers && !is_pipe) {
		if (f->flags & O_NONBLOCK)
			f->priv = (void *)(unsigned long)p->w_opens;
		else
			wait = true;
	} else if (rd) {
		f->priv = (void *)-1UL;
	}
	if (wr && !rd && !p->readers && !is_pipe)
		wait = true;
	mutex_unlock(&p->lock);
	if (rd)
		wake_all(&p->wr_wait, POLLOUT);
	if (wr)
		wake_all(&p->rd_wait, POLLIN);
	if (wait)
		err = rd ? wait_for_opens(&p->rd_wait, &p->w_opens, w_seen) : wait_for_opens(&p->wr_wait, &p->r_opens, r_seen);
	if (err)
		pipe_release(f);
	else if (rd && wait)
		f->priv = (void *)-1UL;
	return err;
}

const struct file_ops fifo_ops = {
	.open = fifo_open, .release = pipe_release, .read = pipe_read, .write = pipe_write, .poll = pipe_poll, .ioctl = pipe_ioctl,
};

/* ---- pipe(2) ---- */

static int pipe_pair(struct file **r, struct file **w, unsigned flags)
{
	struct inode *i = inode_alloc(anon_sb());
	static const struct inode_ops no_ops;
	char name[32];
	int err;

	if (!i)
		return -ENOMEM;
	i->ops = &no_ops;
	i->mode = S_IFIFO | 0600;
	i->uid = current_cred()->fsuid;
	i->gid = current_cred()->fsgid;
	i->pipe = pipe_create();
	if (!i->pipe) {
		inode_put(i);
		return -ENOMEM;
	}
	i->pipe->readers = i->pipe->writers = 1;
	i->pipe->r_opens = i->pipe->w_opens = 1;
	i->pipe->users = 2;
	ksnprintf(name, sizeof(name), "pipe:[%llu]", (unsigned long long)i->ino);
	inode_get(i);
	err = file_open_anon_inode(name, i, &fifo_ops, (void *)-1UL, O_RDONLY | (flags & (O_NONBLOCK | O_DIRECT)), r);
	if (err) {
		inode_put(i);
		return err;
	}
	err = file_open_anon_inode(name, i, &fifo_ops, NULL, O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)), w);
	if (err)
		file_put(*r);
	return err;
}

static long do_pipe(int __user *ufds, unsigned flags)
{
	struct file *r, *w;
	int fds[2], err;

	if (flags & ~(unsigned)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	err = pipe_pair(&r, &w, flags);
	if (err)
		return err;
	fds[0] = fd_reserve(0, flags & O_CLOEXEC);
	if (fds[0] < 0) {
		err = fds[0];
		goto put;
	}
	fds[1] = fd_reserve(0, flags & O_CLOEXEC);
	if (fds[1] < 0) {
		err = fds[1];
		goto unreserve0;
	}
	if (copy_to_user(ufds, fds, sizeof(fds))) {
		err = -EFAULT;
		goto unreserve1;
	}
	fd_install(fds[0], r);
	fd_install(fds[1], w);
	return 0;
unreserve1:
	fd_unreserve(fds[1]);
unreserve0:
	fd_unreserve(fds[0]);
put:
	file_put(r);
	file_put(w);
	return err;
}

SYSCALL(pipe2, int __user *fds, int flags)
{
	return do_pipe(fds, (unsigned)flags);
}

SYSCALL(pipe, int __user *fds)
{
	return do_pipe(fds, 0);
}

size_t pipe_room(struct file *f)
{
	struct pipe *p = pipe_of(f);

	return (size_t)(p->ring - (p->head - p->tail)) * PAGE_SIZE;
}

/* tee(2): bytes stay in `in`. At least one byte, or waits (or -EAGAIN). */
ssize_t pipe_tee(struct file *in, struct file *out, size_t n, unsigned flags)
{
	struct pipe *p = pipe_of(in);
	char *copy;
	size_t have = 0;
	struct io_iter it;
	loff_t pos = 0;
	ssize_t done;

	if (!pipe_of(out) || p == pipe_of(out))
		return -EINVAL;
	while (is_empty(p)) {
		if (!READ_ONCE(p->writers))
			return 0;
		if ((flags & 2) || (in->flags & O_NONBLOCK))	/* SPLICE_F_NONBLOCK */
			return -EAGAIN;
		if (wait_event_interruptible(&p->rd_wait, !is_empty(p) || !READ_ONCE(p->writers)) < 0)
			return -ERESTARTSYS;
	}
	n = min(n, (size_t)64 * 1024);
	copy = kvmalloc(n, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	mutex_lock(&p->lock);
	for (unsigned t = p->tail; t != p->head && have < n; t++) {
		struct pipe_buf *b = slot(p, t);
		size_t k = min((size_t)b->len, n - have);

		memcpy(copy + have, b->data + b->off, k);
		have += k;
	}
	mutex_unlock(&p->lock);
	io_iter_kernel(&it, copy, have);
	done = have ? vfs_write(out, &it, &pos) : 0;
	kvfree(copy);
	return done;
}
