/*
 * pidfd.c - file descriptors that stand for processes.
 *
 * A pidfd holds a reference to struct process, so it never means another process with the same number. It is readable
 * (poll) once the process is a zombie.
 */
#include <abi/errno.h>
#include <abi/sched.h>
#include <fs/fs.h>
#include <fs/procfs.h>
#include <kernel/syscall.h>
#include <lib/text.h>
#include <asm/poll.h>
#include "internal.h"

static void pidfd_release(struct file *f)
{
	process_put(f->priv);
}

static u32 pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct process *p = f->priv;

	poll_wait(f, &p->pidfd_waiters, pt);
	return READ_ONCE(p->zombie) ? POLLIN | POLLRDNORM : 0;
}

static void pidfd_info(struct file *f, struct text *out)
{
	struct process *p = f->priv;
	int pid;

	spin_lock(&tasklist_lock);
	pid = process_find_locked(p->pid) == p ? p->pid : -1;
	spin_unlock(&tasklist_lock);
	text_printf(out, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static const struct file_ops pidfd_ops = {
	.release = pidfd_release,
	.poll = pidfd_poll,
	.fdinfo = pidfd_info,
};

int pidfd_create(struct process *p, u32 flags, struct file **out)
{
	int err = file_open_anon("anon_inode:[pidfd]", &pidfd_ops, process_get(p), O_RDWR | (flags & O_NONBLOCK), out);

	if (err)
		process_put(p);
	return err;
}

/* The process of a pidfd, with a reference; NULL: -EBADF. */
static struct process *pidfd_process(int fd)
{
	struct file *f = fd_get(fd);
	struct process *p = NULL;

	if (!f)
		return NULL;
	if (f->ops == &pidfd_ops) {
		p = process_get(f->priv);
	} else {
		struct task *t = proc_dir_task(f);	/* a descriptor of the directory /proc/PID serves as well */

		if (t) {
			p = process_get(t->process);
			task_put(t);
		}
	}
	file_put(f);
	return p;
}

int pidfd_to_pid(int fd)
{
	struct process *p = pidfd_process(fd);
	int pid;

	if (!p)
		return -EBADF;
	pid = p->pid;
	process_put(p);
	return pid;
}

int pidfd_task(int fd, struct task **out)
{
	struct file *f = fd_get(fd);
	struct process *p;
	int err = -EBADF;

	if (!f)
		return err;
	if (f->ops == &pidfd_ops) {
		p = f->priv;
		spin_lock(&tasklist_lock);
		err = process_find_locked(p->pid) == p ? 0 : -ESRCH;
		if (!err)
			*out = task_get(p->leader);
		spin_unlock(&tasklist_lock);
	}
	file_put(f);
	return err;
}

/* pidfd_send_signal takes an open /proc/PID too, as it did before there were pidfds. 0, -EBADF, -ESRCH. */
static int signal_target(int fd, struct process **out)
{
	struct process *p = pidfd_process(fd);
	struct file *f;
	struct task *t;
	int err;

	if (p) {
		*out = p;
		return 0;
	}
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	err = proc_dir_process(f, &t);
	file_put(f);
	if (err)
		return err;
	*out = process_get(t->process);
	task_put(t);
	return 0;
}

SYSCALL(pidfd_open, int pid, unsigned flags)
{
	struct process *p = NULL;
	struct file *f;
	struct task *t;
	int fd, err;

	if ((flags & ~O_NONBLOCK) || pid <= 0)
		return -EINVAL;
	t = task_find(pid);
	if (!t)
		return -ESRCH;
	if (t->process->pid == pid)
		p = process_get(t->process);
	task_put(t);
	if (!p)
		return -EINVAL;		/* a thread that is no leader */
	err = pidfd_create(p, flags, &f);
	process_put(p);
	if (err)
		return err;
	fd = fd_reserve(0, true);
	if (fd < 0)
		file_put(f);
	else
		fd_install(fd, f);
	return fd;
}

SYSCALL(pidfd_send_signal, int fd, int sig, const siginfo_t __user *uinfo, unsigned flags)
{
	struct siginfo_k info;
	struct process *p;
	int err;

	if (flags)
		return -EINVAL;
	err = signal_target(fd, &p);
	if (err)
		return err;
	if (sig < 0 || sig > NR_SIGNALS)
		err = -EINVAL;
	if (!err && uinfo)
		err = signal_info_from_user(&info, uinfo, sig, p->pid);
	if (!err) {
		spin_lock(&tasklist_lock);
		if (process_find_locked(p->pid) != p)
			err = -ESRCH;
		else
			err = task_may_signal(p->leader, sig);
		if (!err && sig && !p->zombie)
			err = signal_queue(sig, uinfo ? &info : SIG_INFO_USER, p->leader, true);
		spin_unlock(&tasklist_lock);
	}
	process_put(p);
	return err;
}

/* A duplicate of another process's descriptor. */
SYSCALL(pidfd_getfd, int pidfd, int fd, unsigned flags)
{
	struct files *files = NULL;
	struct file *f = NULL;
	struct process *p;
	int new, err;

	if (flags)
		return -EINVAL;
	p = pidfd_process(pidfd);
	if (!p)
		return -EBADF;
	err = task_may_access(p->leader);
	if (!err) {
		spin_lock(siglock(p));
		if (p->leader->files)
			files = files_get(p->leader->files);
		spin_unlock(siglock(p));
		err = files ? 0 : -ESRCH;
	}
	if (files) {
		f = files_get_file(files, fd);
		files_put(files);
		err = f ? 0 : -EBADF;
	}
	process_put(p);
	if (err)
		return err;
	new = fd_reserve(0, true);
	if (new < 0)
		file_put(f);
	else
		fd_install(new, f);
	return new;
}
