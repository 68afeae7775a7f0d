/*
 * pty.c - pseudo terminals: /dev/ptmx makes a pair; the slave /dev/pts/N is a tty, the master its wire.
 *
 * SHAPE    the slave's output goes into a ring that the master reads; what the master writes goes through the slave's line
 *          discipline. Both sides share the slave's lock.
 * END      the master closes: the slave is hung up and its node in devpts goes. The last slave file closes: the master reads
 *          what is left, then EIO, until a slave is opened again.
 * LIFE     struct pty lives as long as either side: references of its tty, one of which is the master's file.
 */
#include "tty_private.h"
#include <fs/devpts.h>
#include <lib/printf.h>
#include <lib/text.h>

#define OUT_RING	4096
#define MAX_PTYS	4096
#define PTS_MAJOR	136
#define CHUNK		512

struct pty {
	struct tty	tty;		/* the slave */
	u32		index;
	bool		locked;		/* TIOCSPTLCK */
	bool		master_open, slave_opened, packet;
	struct waitq	m_read_wait, m_write_wait;
	char		*out;		/* ring: slave -> master */
	unsigned	out_head, out_tail;
};

static struct pty *ptys[MAX_PTYS];		/* [ptys_lock] borrowed pointers; gone when the master closes */
static spinlock_t ptys_lock = SPINLOCK_INIT("ptys", LOCK_FILES);

/* ---- the slave's driver ---- */

static unsigned pts_room(struct tty *t)
{
	struct pty *p = t->drv;

	return OUT_RING - (p->out_head - p->out_tail);
}

static unsigned pts_write(struct tty *t, const char *s, unsigned n)
{
	struct pty *p = t->drv;

	if (!p->master_open)
		return n;			/* nobody listens any more */
	n = min(n, pts_room(t));
	for (unsigned k = 0; k < n;) {
		unsigned at = (p->out_head + k) & (OUT_RING - 1), run = min(n - k, OUT_RING - at);

		memcpy(p->out + at, s + k, run);
		k += run;
	}
	p->out_head += n;
	if (n && waitq_active(&p->m_read_wait))
		waitq_wake_key(&p->m_read_wait, S32_MAX, POLLIN | POLLRDNORM);
	return n;
}

static void pts_flush_output(struct tty *t)
{
	struct pty *p = t->drv;

	p->out_tail = p->out_head;
}

static void pts_input_taken(struct tty *t)
{
	struct pty *p = t->drv;

	if (waitq_active(&p->m_write_wait))
		waitq_wake_key(&p->m_write_wait, S32_MAX, POLLOUT | POLLWRNORM);
}

static void pts_closed(struct tty *t)
{
	struct pty *p = t->drv;

	waitq_wake_all(&p->m_read_wait);
	waitq_wake_all(&p->m_write_wait);
}

static void pty_destroyed(struct tty *t)
{
	struct pty *p = t->drv;

	tty_teardown(t);
	kfree(p->out);
	kfree(p);
}

static const struct tty_ops pts_ops = {
	.write = pts_write, .room = pts_room, .flush_output = pts_flush_output,
	.input_taken = pts_input_taken, .closed = pts_closed, .destroyed = pty_destroyed,
};

/* ---- opening ---- */

static int claim_index(struct pty *p)
{
	int n;

	spin_lock(&ptys_lock);
	for (n = 0; n < MAX_PTYS && ptys[n]; n++)
		;
	if (n < MAX_PTYS)
		ptys[n] = p;
	spin_unlock(&ptys_lock);
	return n < MAX_PTYS ? n : -ENOSPC;
}

static void release_index(u32 n)
{
	spin_lock(&ptys_lock);
	ptys[n] = NULL;
	spin_unlock(&ptys_lock);
}

static int pts_open(struct inode *i, struct file *f)
{
	u32 n = MINOR(i->rdev);
	struct pty *p = NULL;
	int err;

	spin_lock(&ptys_lock);
	if (n < MAX_PTYS && ptys[n]) {
		p = ptys[n];
		tty_get(&p->tty);
	}
	spin_unlock(&ptys_lock);
	if (!p)
		return -EIO;
	if (p->locked) {
		tty_put(&p->tty);
		return -EIO;
	}
	err = tty_open_file(&p->tty, f);
	if (!err)
		p->slave_opened = true;
	return err;
}

static const struct file_ops pts_fops = { .open = pts_open };
static const struct file_ops ptm_fops;

static int ptmx_open(struct inode *i, struct file *f)
{
	struct pty *p = kzalloc(sizeof(*p), GFP_KERNEL);
	char name[16];
	int n, err;

	if (!p)
		return -ENOMEM;
	p->out = kmalloc(OUT_RING, GFP_KERNEL);
	err = -ENOMEM;
	if (!p->out)
		goto free;
	err = tty_setup(&p->tty, "pts", PTS_MAJOR, 0, &pts_ops, p);
	if (err)
		goto free;
	waitq_init(&p->m_read_wait);
	waitq_init(&p->m_write_wait);
	p->locked = p->master_open = true;
	n = claim_index(p);
	err = n;
	if (n < 0)
		goto teardown;
	p->index = p->tty.minor = (u32)n;
	ksnprintf(name, sizeof(name), "pts/%d", n);
	strscpy(p->tty.name, name, sizeof(p->tty.name));
	err = devpts_add(p->index, MKDEV(PTS_MAJOR, p->index));
	if (err)
		goto unclaim;
	f->priv = p;
	f->ops = &ptm_fops;
	return 0;
unclaim:
	release_index(p->index);
teardown:
	tty_teardown(&p->tty);
free:
	kfree(p->out);
	kfree(p);
	return err;
}

const struct file_ops ptmx_fops = { .open = ptmx_open };

/* ---- the master's file ---- */

static void ptm_release(struct file *f)
{
	struct pty *p = f->priv;

	release_index(p->index);
	spin_lock(p->tty.lock);
	p->master_open = false;
	spin_unlock(p->tty.lock);
	tty_hangup(&p->tty);
	devpts_remove(p->index);
	tty_put(&p->tty);
}

/* The slave side is closed for now. A master that never had one waits for it. */
static bool slave_gone(const struct pty *p)
{
	return p->slave_opened && !p->tty.open_files;
}

static bool master_readable(struct pty *p)
{
	bool yes;

	spin_lock(p->tty.lock);
	yes = p->out_head != p->out_tail || slave_gone(p) || (p->packet && p->tty.packet_status);
	spin_unlock(p->tty.lock);
	return yes;
}

static ssize_t ptm_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	struct pty *p = f->priv;
	size_t done = 0;
	bool status = false;
	char chunk[CHUNK];

	if (!to->left)
		return 0;
	while (to->left) {
		unsigned n = 0, want = (unsigned)min(to->left, sizeof(chunk));
		bool gone;

		spin_lock(p->tty.lock);
		if (p->packet && !done) {
			chunk[n++] = (char)p->tty.packet_status;
			status = p->tty.packet_status;
			p->tty.packet_status = 0;
		}
		while (!status && n < want && p->out_tail != p->out_head)
			chunk[n++] = p->out[p->out_tail++ & (OUT_RING - 1)];
		gone = slave_gone(p);
		spin_unlock(p->tty.lock);
		if (p->packet && !done && n == 1 && !status)
			n = 0;			/* nothing but the empty status byte */
		if (n && io_iter_put(to, chunk, n) < n)
			return done ? (ssize_t)done : -EFAULT;
		done += n;
		if (n == want && !status && to->left)
			continue;
		if (done)
			break;
		if (gone)
			return -EIO;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(&p->m_read_wait, master_readable(p)) < 0)
			return -ERESTARTSYS;
	}
	if (waitq_active(&p->tty.write_wait))
		waitq_wake_key(&p->tty.write_wait, S32_MAX, POLLOUT | POLLWRNORM);
	return (ssize_t)done;
}

static bool master_writable(struct pty *p)
{
	bool yes;

	spin_lock(p->tty.lock);
	yes = n_tty_room(&p->tty) || slave_gone(p);
	spin_unlock(p->tty.lock);
	return yes;
}

static ssize_t ptm_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	struct pty *p = f->priv;
	size_t done = 0;
	char chunk[CHUNK];

	while (from->left) {
		unsigned n = (unsigned)io_iter_get(chunk, from, min(from->left, sizeof(chunk))), used = 0;

		if (!n)
			return done ? (ssize_t)done : -EFAULT;
		while (used < n) {
			unsigned room;
			bool gone;

			spin_lock(p->tty.lock);
			room = min(n_tty_room(&p->tty), n - used);
			gone = slave_gone(p);
			if (room && !gone)
				n_tty_receive(&p->tty, chunk + used, room);
			spin_unlock(p->tty.lock);
			if (gone) {
				done += used;
				return done ? (ssize_t)done : -EIO;
			}
			used += room;
			if (used == n)
				break;
			if (f->flags & O_NONBLOCK) {
				done += used;
				return done ? (ssize_t)done : -EAGAIN;
			}
			if (wait_event_interruptible(&p->m_write_wait, master_writable(p)) < 0) {
				done += used;
				return done ? (ssize_t)done : -ERESTARTSYS;
			}
		}
		done += used;
	}
	return (ssize_t)done;
}

static u32 ptm_poll(struct file *f, struct poll_table *pt)
{
	struct pty *p = f->priv;
	u32 mask = 0;

	poll_wait(f, &p->m_read_wait, pt);
	poll_wait(f, &p->m_write_wait, pt);
	spin_lock(p->tty.lock);
	if (p->out_head != p->out_tail)
		mask |= POLLIN | POLLRDNORM;
	if (p->packet && p->tty.packet_status)
		mask |= POLLIN | POLLRDNORM | POLLPRI;
	if (slave_gone(p))
		mask |= POLLHUP;
	if (n_tty_room(&p->tty))
		mask |= POLLOUT | POLLWRNORM;
	spin_unlock(p->tty.lock);
	return mask;
}

/* TIOCGPTPEER: open the slave without going by its name. */
static long open_peer(struct pty *p, unsigned long flags)
{
	struct file *f;
	int err = devpts_open(p->index, (u32)flags & (O_ACCMODE | O_NOCTTY | O_NONBLOCK), &f), fd;

	if (err)
		return err;
	fd = fd_reserve(0, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	else
		fd_install(fd, f);
	return fd;
}

static long ptm_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct pty *p = f->priv;
	int v;

	switch (cmd) {
	case TIOCGPTN:
		return put_user(p->index, (u32 __user *)arg);
	case TIOCSPTLCK:
		if (get_user(v, (int __user *)arg))
			return -EFAULT;
		p->locked = v;
		return 0;
	case TIOCGPTLCK:
		v = p->locked;
		return put_user(v, (int __user *)arg);
	case TIOCGPTPEER:
		return open_peer(p, arg);
	case TIOCPKT:
		if (get_user(v, (int __user *)arg))
			return -EFAULT;
		spin_lock(p->tty.lock);
		p->packet = v;
		p->tty.packet_status = 0;
		spin_unlock(p->tty.lock);
		return 0;
	case TIOCGPKT:
		v = p->packet;
		return put_user(v, (int __user *)arg);
	case TIOCSIG:
		if (arg < 1 || arg > 64)
			return -EINVAL;
		return p->tty.pgrp ? signal_send_pgrp(p->tty.pgrp, (int)arg) : 0;
	case TIOCGPGRP:
		v = p->tty.pgrp;
		return put_user(v, (int __user *)arg);
	case TIOCSPGRP:
		if (get_user(v, (int __user *)arg))
			return -EFAULT;
		if (v < 0)
			return -EINVAL;
		p->tty.pgrp = v;
		return 0;
	case TIOCGSID:
		if (!p->tty.session)
			return -ENOTTY;
		v = p->tty.session;
		return put_user(v, (int __user *)arg);
	case FIONREAD:
		v = (int)(p->out_head - p->out_tail);
		return put_user(v, (int __user *)arg);
	case TIOCOUTQ:
		v = 0;
		return put_user(v, (int __user *)arg);
	case TIOCSCTTY:
	case TIOCNOTTY:
		return -ENOTTY;
	}
	return tty_ioctl_common(&p->tty, f, cmd, arg);
}

static void ptm_fdinfo(struct file *f, struct text *out)
{
	struct pty *p = f->priv;

	text_printf(out, "tty-index:\t%u\n", p->index);
}

static const struct file_ops ptm_fops = {
	.release = ptm_release, .read = ptm_read, .write = ptm_write, .poll = ptm_poll, .ioctl = ptm_ioctl, .fdinfo = ptm_fdinfo,
};

int pty_init(void);
int pty_init(void)
{
	devpts_set_ops(&pts_fops, &ptmx_fops);
	return device_register("ptmx", S_IFCHR | 0666, 5, 2, &ptmx_fops, NULL);
}
