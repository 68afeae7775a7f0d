/*
 * fcntl.c - fcntl(2) and the part of ioctl(2) that is the same for all files.
 */
#include "internal.h"
#include <asm/ioctls.h>
#include <kernel/signal.h>

#define SETFL_MASK	(O_APPEND | O_NONBLOCK | O_NDELAY | O_DIRECT | O_NOATIME | FASYNC)

static long set_flags(struct file *f, unsigned flags)
{
	int err = 0;

	/* O_APPEND of an append-only file stays. */
	if ((f->inode->flags & S_APPEND_FL) && !(flags & O_APPEND))
		return -EPERM;
	if ((flags & O_NOATIME) && !(f->flags & O_NOATIME) && !inode_owner_or_capable(f->inode))
		return -EPERM;
	if (f->ops->setfl)
		err = f->ops->setfl(f, flags);
	if (!err)
		f->flags = (flags & SETFL_MASK) | (f->flags & ~SETFL_MASK);
	return err;
}

static long get_owner_ex(struct file *f, void __user *arg)
{
	struct f_owner_ex ex = { .type = f->owner_pid < 0 ? F_OWNER_PGRP : F_OWNER_PID,
				 .pid = f->owner_pid < 0 ? -f->owner_pid : f->owner_pid };

	return put_user_struct((struct f_owner_ex __user *)arg, &ex);
}

static long set_owner_ex(struct file *f, const void __user *arg)
{
	struct f_owner_ex ex;

	if (copy_from_user(&ex, arg, sizeof(ex)))
		return -EFAULT;
	if (ex.type != F_OWNER_TID && ex.type != F_OWNER_PID && ex.type != F_OWNER_PGRP)
		return -EINVAL;
	f->owner_pid = ex.type == F_OWNER_PGRP ? -ex.pid : ex.pid;
	return 0;
}

static long fcntl_any(struct file *f, int fd, unsigned cmd, unsigned long arg, bool *done)
{
	*done = true;
	switch (cmd) {
	case F_DUPFD:
		return fcntl_dup(f, arg, false);
	case F_DUPFD_CLOEXEC:
		return fcntl_dup(f, arg, true);
	case F_GETFD:
		return fd_get_cloexec(fd) ? FD_CLOEXEC : 0;
	case F_SETFD:
		fd_set_cloexec(fd, arg & FD_CLOEXEC);
		return 0;
	case F_GETFL:
		return f->flags | ((f->mode & FMODE_PATH) ? 0 : O_LARGEFILE);
	}
	*done = false;
	return 0;
}

static long fcntl_io(struct file *f, unsigned cmd, unsigned long arg)
{
	switch (cmd) {
	case F_SETFL:
		return set_flags(f, (unsigned)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return fcntl_lock(f, cmd, arg);
	case F_GETOWN:
		return f->owner_pid;
	case F_SETOWN:
		f->owner_pid = (int)arg;
		return 0;
	case F_GETOWN_EX:
		return get_owner_ex(f, (void __user *)arg);
	case F_SETOWN_EX:
		return set_owner_ex(f, (void __user *)arg);
	case F_GETSIG:
		return f->owner_sig;
	case F_SETSIG:
		if (arg > 64)
			return -EINVAL;
		f->owner_sig = (int)arg;
		return 0;
	case F_GETPIPE_SZ:
	case F_SETPIPE_SZ:
		return pipe_fcntl(f, cmd, arg);
	case F_GET_SEALS:
		return tmpfs_seals_get(f);
	case F_ADD_SEALS:
		return tmpfs_seals_add(f, (unsigned)arg);
	case F_GETLEASE:
		return F_UNLCK;
	case F_SETLEASE:
	case F_NOTIFY:
		return -EINVAL;
	}
	return -EINVAL;
}

SYSCALL(fcntl, int fd, unsigned cmd, unsigned long arg)
{
	struct fdref r = fdref_any(fd);
	bool done;
	long n;

	if (!r.file)
		return -EBADF;
	n = fcntl_any(r.file, fd, cmd, arg, &done);
	if (!done)
		n = r.file->mode & FMODE_PATH ? -EBADF : fcntl_io(r.file, cmd, arg);
	fdref_put(r);
	return n;
}

/* ---- ioctl ---- */

static long set_nonblock(struct file *f, int __user *arg)
{
	int on;

	if (get_user(on, arg))
		return -EFAULT;
	return set_flags(f, on ? f->flags | O_NONBLOCK : f->flags & ~O_NONBLOCK);
}

SYSCALL(ioctl, int fd, unsigned cmd, unsigned long arg)
{
	struct file *f = fd_get_io(fd);
	long n = 0;
	int v;

	if (!f)
		return -EBADF;
	switch (cmd) {
	case FIOCLEX:
		fd_set_cloexec(fd, true);
		break;
	case FIONCLEX:
		fd_set_cloexec(fd, false);
		break;
	case FIONBIO:
		n = set_nonblock(f, (int __user *)arg);
		break;
	case FIONREAD:
		if (S_ISREG(f->inode->mode) && !f->ops->ioctl) {
			v = (int)(inode_size(f->inode) - f->pos);
			n = put_user(v, (int __user *)arg);
			break;
		}
		fallthrough;
	default:
		n = f->ops->ioctl ? f->ops->ioctl(f, cmd, arg) : -ENOTTY;
	}
	file_put(f);
	return n;
}
