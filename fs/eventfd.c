/*
 * eventfd.c - a counter as a file: eventfd, eventfd2.
 * SHAPE       write adds, read takes all (or one, with EFD_SEMAPHORE); a read of zero and a write past the maximum
 *             wait, or fail with EAGAIN.
 * INVARIANTS  E1 count <= EVENTFD_MAX, one below the largest u64, which no write may carry.
 * LOCKS       e->lock (LOCK_FS) guards count; waking happens after it is dropped.
 * LINUX       eventfd(2), in all it says.
 */
#include "internal.h"
#include <kernel/signal.h>
#include <kernel/wait.h>
#include <lib/text.h>
#include <linux/poll.h>
#include <mm/io_iter.h>

#define EFD_SEMAPHORE	1
#define EFD_CLOEXEC	O_CLOEXEC
#define EFD_NONBLOCK	O_NONBLOCK
#define EVENTFD_MAX	(U64_MAX - 1)

struct eventfd {
	spinlock_t	lock;
	u64		count;
	bool		semaphore;
	struct waitq	wait;		/* readers and writers: told apart by the key */
};

static bool take(struct eventfd *e, u64 *value)
{
	bool some;

	spin_lock(&e->lock);
	some = e->count > 0;
	if (some) {
		*value = e->semaphore ? 1 : e->count;
		e->count -= *value;
	}
	spin_unlock(&e->lock);
	return some;
}

static bool add(struct eventfd *e, u64 value)
{
	bool fits;

	spin_lock(&e->lock);
	fits = value <= EVENTFD_MAX - e->count;
	if (fits)
		e->count += value;
	spin_unlock(&e->lock);
	return fits;
}

static ssize_t eventfd_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	struct eventfd *e = f->priv;
	u64 value;

	if (to->left < sizeof(value))
		return -EINVAL;
	while (!take(e, &value)) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(&e->wait, READ_ONCE(e->count) > 0))
			return -ERESTARTSYS;
	}
	waitq_wake_key(&e->wait, S32_MAX, POLLOUT | POLLWRNORM);
	return io_iter_put(to, &value, sizeof(value)) == sizeof(value) ? (ssize_t)sizeof(value) : -EFAULT;
}

static ssize_t eventfd_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	struct eventfd *e = f->priv;
	u64 value;

	if (from->left < sizeof(value))
		return -EINVAL;
	if (io_iter_get(&value, from, sizeof(value)) != sizeof(value))
		return -EFAULT;
	if (value == U64_MAX)
		return -EINVAL;
	while (!add(e, value)) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(&e->wait, value <= EVENTFD_MAX - READ_ONCE(e->count)))
			return -ERESTARTSYS;
	}
	waitq_wake_key(&e->wait, S32_MAX, POLLIN | POLLRDNORM);
	return sizeof(value);
}

static u32 eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->priv;
	u64 count;

	poll_wait(f, &e->wait, pt);
	count = READ_ONCE(e->count);
	return (count > 0 ? POLLIN | POLLRDNORM : 0) | (count < EVENTFD_MAX ? POLLOUT | POLLWRNORM : 0);
}

static void eventfd_release(struct file *f)
{
	kfree(f->priv);
}

static void eventfd_fdinfo(struct file *f, struct text *out)
{
	struct eventfd *e = f->priv;

	text_printf(out, "eventfd-count: %16lx\n", READ_ONCE(e->count));
}

static const struct file_ops eventfd_ops = {
	.read = eventfd_read, .write = eventfd_write, .poll = eventfd_poll,
	.release = eventfd_release, .fdinfo = eventfd_fdinfo,
};

static long do_eventfd(unsigned count, int flags)
{
	struct eventfd *e;
	struct file *f;
	int err;

	if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	e = kzalloc(sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	spin_lock_init(&e->lock, "eventfd", LOCK_FS);
	waitq_init(&e->wait);
	e->count = count;
	e->semaphore = flags & EFD_SEMAPHORE;
	err = file_open_anon("anon_inode:[eventfd]", &eventfd_ops, e, O_RDWR | (flags & EFD_NONBLOCK), &f);
	if (err) {
		kfree(e);
		return err;
	}
	return fd_alloc_install(f, flags & EFD_CLOEXEC);
}

SYSCALL(eventfd2, unsigned count, int flags)
{
	return do_eventfd(count, flags);
}

SYSCALL(eventfd, unsigned count)
{
	return do_eventfd(count, 0);
}
