/*
 * signalfd.c - pending signals as a file: signalfd, signalfd4.
 * SHAPE       the file is a mask; whoever reads takes its own pending signals, those of its process and its thread.
 * LOCKS       none of its own: the mask is one word; proc/signal.c guards the queues.
 * LINUX       signalfd(2): several records a read; SIGKILL and SIGSTOP silently left out of the mask.
 */
#include "internal.h"
#include <kernel/signal.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <lib/text.h>
#include <linux/poll.h>
#include <linux/signalfd.h>
#include <mm/io_iter.h>

#define NEVER	(1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1))

struct signalfd {
	u64	mask;		/* signals of interest */
};

static void fill_record(struct signalfd_siginfo *r, const struct siginfo_k *si)
{
	memset(r, 0, sizeof(*r));
	r->ssi_signo = (u32)si->si_signo;
	r->ssi_errno = si->si_errno;
	r->ssi_code = si->si_code;
	if (si->si_code == SI_TIMER) {
		r->ssi_tid = (u32)si->_sifields._timer._tid;
		r->ssi_overrun = (u32)si->_sifields._timer._overrun;
		r->ssi_ptr = (u64)si->_sifields._timer._sigval.sival_ptr;
		r->ssi_int = si->_sifields._timer._sigval.sival_int;
		return;
	}
	if (si->si_code > 0 && (si->si_signo == SIGSEGV || si->si_signo == SIGBUS || si->si_signo == SIGILL ||
				si->si_signo == SIGFPE || si->si_signo == SIGTRAP)) {
		r->ssi_addr = (u64)si->_sifields._sigfault._addr;
		return;
	}
	r->ssi_pid = (u32)si->_sifields._kill._pid;
	r->ssi_uid = si->_sifields._kill._uid;
	if (si->si_signo == SIGCHLD && si->si_code > 0) {
		r->ssi_status = si->_sifields._sigchld._status;
		r->ssi_utime = (u64)si->_sifields._sigchld._utime;
		r->ssi_stime = (u64)si->_sifields._sigchld._stime;
	} else if (si->si_code < 0) {
		r->ssi_ptr = (u64)si->_sifields._rt._sigval.sival_ptr;
		r->ssi_int = si->_sifields._rt._sigval.sival_int;
	}
}

/* One signal into *r. 0, -EAGAIN, -ERESTARTSYS. */
static int take_signal(struct signalfd *s, bool wait, struct signalfd_siginfo *r)
{
	struct siginfo_k si;
	int err;

	while (!signal_dequeue(READ_ONCE(s->mask), &si)) {
		if (!wait)
			return -EAGAIN;
		err = wait_event_interruptible(signal_waitq(), signal_pending_set() & READ_ONCE(s->mask));
		if (err)
			return -ERESTARTSYS;
	}
	fill_record(r, &si);
	return 0;
}

static ssize_t signalfd_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	bool wait = !(f->flags & O_NONBLOCK);
	struct signalfd_siginfo r;
	ssize_t done = 0;
	int err;

	if (to->left < sizeof(r))
		return -EINVAL;
	while (to->left >= sizeof(r)) {
		err = take_signal(f->priv, wait && !done, &r);
		if (err)
			return done ? done : err;
		if (io_iter_put(to, &r, sizeof(r)) != sizeof(r))
			return done ? done : -EFAULT;
		done += sizeof(r);
	}
	return done;
}

static u32 signalfd_poll(struct file *f, struct poll_table *pt)
{
	struct signalfd *s = f->priv;

	poll_wait(f, signal_waitq(), pt);
	return signal_pending_set() & READ_ONCE(s->mask) ? POLLIN | POLLRDNORM : 0;
}

static void signalfd_release(struct file *f)
{
	kfree(f->priv);
}

static void signalfd_fdinfo(struct file *f, struct text *out)
{
	struct signalfd *s = f->priv;

	text_printf(out, "sigmask:\t%016lx\n", s->mask);
}

static const struct file_ops signalfd_ops = {
	.read = signalfd_read, .poll = signalfd_poll, .release = signalfd_release, .fdinfo = signalfd_fdinfo,
};

static long signalfd_change(int fd, u64 mask)
{
	struct file *f = fd_get_io(fd);
	long err = 0;

	if (!f)
		return -EBADF;
	if (f->ops == &signalfd_ops)
		WRITE_ONCE(((struct signalfd *)f->priv)->mask, mask);
	else
		err = -EINVAL;
	file_put(f);
	waitq_wake_all(signal_waitq());
	return err ? err : fd;
}

static long do_signalfd(int fd, const u64 __user *umask, size_t size, int flags)
{
	struct signalfd *s;
	struct file *f;
	u64 mask;
	int err;

	if ((flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) || size != sizeof(mask))
		return -EINVAL;
	if (get_user(mask, umask))
		return -EFAULT;
	mask &= ~NEVER;
	if (fd != -1)
		return signalfd_change(fd, mask);
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	s->mask = mask;
	err = file_open_anon("anon_inode:[signalfd]", &signalfd_ops, s, O_RDWR | (flags & SFD_NONBLOCK), &f);
	if (err) {
		kfree(s);
		return err;
	}
	return fd_alloc_install(f, flags & SFD_CLOEXEC);
}

SYSCALL(signalfd4, int fd, const u64 __user *mask, size_t size, int flags)
{
	return do_signalfd(fd, mask, size, flags);
}

SYSCALL(signalfd, int fd, const u64 __user *mask, size_t size)
{
	return do_signalfd(fd, mask, size, 0);
}
