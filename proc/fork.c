/*
 * fork.c - fork, vfork, clone, clone3: a new task from the present one.
 *
 * SHAPE       copy_task() makes everything that can fail; attach_task() makes it visible without failing; then it is woken. For
 *             each resource a CLONE_ flag says whether it is shared (a reference) or copied.
 * LEDGER      a new process pays for itself: while it is made, current's allocations are charged to the child's owner.
 * LINUX       without namespaces: their flags are EPERM without CAP_SYS_ADMIN, EINVAL with.
 * READ NEXT   proc/process.c, proc/exit.c, mm/dup.c for the copy of the address space
 */
#include <abi/errno.h>
#include <abi/sched.h>
#include <arch/thread.h>
#include <fs/fs.h>
#include <kernel/cred.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <mm/fail.h>
#include <mm/memcg.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include "ptrace.h"

#define CLONE_NAMESPACES (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
			  CLONE_NEWCGROUP | CLONE_NEWTIME)

static int check_flags(const struct fork_args *a)
{
	u64 f = a->flags;

	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && (f & CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_FS) && (f & (CLONE_NEWNS | CLONE_NEWUSER)))
		return -EINVAL;
	if ((f & CLONE_PARENT) && current->process->is_init)
		return -EINVAL;
	if ((f & CLONE_PIDFD) && (f & (CLONE_THREAD | CLONE_DETACHED)))
		return -EINVAL;
	if (f & CLONE_NAMESPACES)
		return capable(CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
	if (f & CLONE_INTO_CGROUP)
		return -EINVAL;
	return 0;
}

/* RLIMIT_NPROC counts the tasks of the real user; root is exempt. */
static int check_nproc(void)
{
	u64 limit = task_rlimit(current, RLIMIT_NPROC), nr = 0;
	struct process *p;
	int pid = 0;

	if (!current->real_cred->uid || limit == RLIM64_INFINITY || capable(CAP_SYS_RESOURCE) || capable(CAP_SYS_ADMIN))
		return 0;
	spin_lock(&tasklist_lock);
	while ((p = process_next_locked(pid))) {
		pid = p->pid;
		if (p->leader->real_cred->uid == current->real_cred->uid)
			nr += p->nr_threads;
	}
	spin_unlock(&tasklist_lock);
	return nr >= limit ? -EAGAIN : 0;
}

static void copy_task_fields(struct task *t, const struct task *from, u64 flags)
{
	t->flags = flags & CLONE_THREAD ? 0 : TF_FORKNOEXEC;
	t->may_fail = from->may_fail;
	t->make_it_fail = from->make_it_fail;
	t->nice = from->nice;
	t->policy = from->policy;
	t->rt_priority = from->rt_priority;
	t->cpus_allowed = from->cpus_allowed;
	t->last_mode = from->last_mode;
	memcpy(t->comm, from->comm, sizeof(t->comm));
	t->cred = cred_get(from->cred);
	t->real_cred = cred_get(from->real_cred);
	t->blocked = from->blocked;
	t->no_new_privs = from->no_new_privs;
	t->ioprio = from->ioprio;
	t->timerslack_ns = from->timerslack_ns;
	if (!(flags & CLONE_VM) || (flags & CLONE_VFORK)) {
		t->altstack_sp = from->altstack_sp;
		t->altstack_size = from->altstack_size;
		t->altstack_flags = from->altstack_flags;
	}
	if (from->sched_reset_on_fork) {
		if (t->rt_priority || t->nice < 0)
			t->nice = 0;
		t->rt_priority = 0;
		t->policy = SCHED_OTHER;
	}
}

static int copy_sighand(struct process *p, u64 flags)
{
	struct sighand *old = current->process->sighand, *s;

	if (flags & CLONE_SIGHAND) {
		atomic_inc(&old->refs);
		p->sighand = old;
		return 0;
	}
	s = sighand_create();
	if (!s)
		return -ENOMEM;
	spin_lock(&old->lock);
	memcpy(s->action, old->action, sizeof(s->action));
	spin_unlock(&old->lock);
	if (flags & CLONE_CLEAR_SIGHAND)
		for (int i = 0; i < NR_SIGNALS; i++)
			if ((unsigned long)s->action[i].handler != SIG_IGN_VALUE)
				memset(&s->action[i], 0, sizeof(s->action[i]));
	p->sighand = s;
	return 0;
}

/* A process of its own for t. */
static int copy_process(struct task *t, const struct fork_args *a)
{
	struct process *old = current->process, *p = process_create(t);
	int err;

	if (!p)
		return -ENOMEM;
	err = copy_sighand(p, a->flags);
	if (err) {
		process_put(p);
		return err;
	}
	p->pid = t->tid;
	p->owner = t->owner;
	p->creator_tid = current->tid;
	memcpy(p->rlim, old->rlim, sizeof(p->rlim));
	p->oom_score_adj = old->oom_score_adj;
	p->oom_score_adj_min = old->oom_score_adj_min;
	p->personality = old->personality;
	p->dumpable = old->dumpable;
	p->cpu_timers = p->rlim[RLIMIT_CPU].rlim_cur != RLIM64_INFINITY;
	t->process = p;
	return 0;
}

static int copy_files(struct task *t, u64 flags)
{
	if (!current->files)
		return 0;
	if (flags & CLONE_FILES) {
		t->files = files_get(current->files);
		return 0;
	}
	return files_dup(current->files, &t->files);
}

static int copy_fs(struct task *t, u64 flags)
{
	if (!current->fs)
		return 0;
	if (flags & CLONE_FS) {
		t->fs = fs_context_get(current->fs);
		return 0;
	}
	return fs_context_dup(current->fs, &t->fs);
}

static int copy_mm(struct task *t, u64 flags)
{
	int err = 0;

	if (!current->mm)
		return 0;
	if (flags & CLONE_VM) {
		mm_get(current->mm);
		t->mm = current->mm;
	} else {
		err = mm_dup(current->mm, &t->mm);
		if (!err)
			t->mm->owner = t->owner;
	}
	if (!err)
		t->active_mm = t->mm;
	return err;
}

static void undo_copy(struct task *t)
{
	if (t->mm)
		mm_put(t->mm);
	if (t->fs)
		fs_context_put(t->fs);
	if (t->files)
		files_put(t->files);
	t->mm = NULL;
	t->active_mm = NULL;
	t->fs = NULL;
	t->files = NULL;
}

/* Everything of the child that can fail. Its tid is given and its owner is current's for the moment. */
static int copy_all(struct task *t, const struct fork_args *a)
{
	int err;

	if (a->flags & CLONE_THREAD) {
		t->process = process_get(current->process);
		t->exit_signal = -1;
		err = 0;
	} else {
		err = copy_process(t, a);
		t->exit_signal = a->flags & CLONE_PARENT ? current->process->exit_signal : a->exit_signal;
	}
	if (!err)
		err = copy_files(t, a->flags);
	if (!err)
		err = copy_fs(t, a->flags);
	if (!err)
		err = copy_mm(t, a->flags);
	if (!err)
		err = arch_thread_fork(t, current, a->stack, a->flags & CLONE_SETTLS, a->tls);
	if (err)
		undo_copy(t);
	return err;
}

/* The task, complete but known to nobody. Its number and, for a process, its ledger owner are taken. */
static int copy_task(const struct fork_args *a, struct task **out)
{
	owner_t mine = current->owner;
	struct task *t;
	int tid, err;

	if (a->set_tid) {
		tid = a->set_tid;
		err = pid_alloc_nr(tid);
	} else {
		err = pid_alloc(&tid);
	}
	if (err)
		return err;
	if (!(a->flags & CLONE_THREAD)) {
		ledger_switch_owner(ledger_owner_create(OWNER_PROCESS, tid, current->comm));
		memcg_bind_owner(current->owner, process_memcg(current->process));
	}
	err = -ENOMEM;
	t = task_alloc();
	if (!t)
		goto free_pid;
	t->tid = tid;
	t->owner = current->owner;
	copy_task_fields(t, current, a->flags);
	if (a->flags & CLONE_CHILD_SETTID) {
		t->set_child_tid = a->child_tid;
		t->work |= WORK_NOTIFY;
	}
	if (a->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = a->child_tid;
	rseq_fork(t, a->flags);
	err = copy_all(t, a);
	if (err)
		goto free_task;
	ledger_switch_owner(mine);
	if (!(a->flags & CLONE_THREAD))
		ledger_process_begins(t->owner, mine);
	*out = t;
	return 0;
free_task:
	task_put(t);
	task_put(t);		/* the scheduler's reference, too */
free_pid:
	if (!(a->flags & CLONE_THREAD))
		ledger_owner_release(current->owner);
	ledger_switch_owner(mine);
	pid_free(tid);
	return err;
}

/*
 * Make t visible, unless a signal came meanwhile: one to the whole group must find either no child or a complete one, so
 * the call starts over after the signal.
 */
static int attach_task(struct task *t, const struct fork_args *a, bool traced)
{
	struct process *me = current->process, *p = t->process;
	int err = 0;

	spin_lock(&tasklist_lock);
	spin_lock(siglock(me));
	if (me->flags & PF_GROUP_EXIT || current->stop_pending || (me->exec_task && me->exec_task != current) ||
	    signal_pending()) {
		err = -ERESTARTNOINTR;
	} else if (p == me) {
		process_add_thread(p, t);
		pid_attach(t);
	}
	spin_unlock(siglock(me));
	if (!err && p != me) {
		struct process *parent = a->flags & CLONE_PARENT ? me->parent : me;

		p->exit_signal = t->exit_signal;
		p->memcg = me->memcg;
		if (p->memcg)
			memcg_get(p->memcg);
		atomic_inc(&process_memcg(p)->nr_procs);
		process_link(p, parent, me->pgrp, me->session);
		process_add_thread(p, t);
		pid_attach(t);
	}
	if (!err && p->memcg)
		psi_task_move(t, memcg_psi(p->memcg));
	if (!err)
		trace_fork_locked(t, traced);
	spin_unlock(&tasklist_lock);
	return err;
}

static void discard_task(struct task *t, u64 flags)
{
	int tid = t->tid;
	owner_t owner = t->owner;

	undo_copy(t);
	task_put(t);
	task_put(t);
	if (!(flags & CLONE_THREAD))
		ledger_owner_release(owner);
	pid_free(tid);
}

/* vfork: sleep until the child has let go of our memory. Killed meanwhile, we must not be remembered. */
static void wait_for_vfork(struct task *child, struct completion *done)
{
	if (completion_wait_killable(done)) {
		spin_lock(siglock(child->process));
		child->vfork_done = NULL;
		spin_unlock(siglock(child->process));
	}
	task_put(child);
}

/* The pidfd is made before anything becomes visible, and installed when nothing can fail any more. */
static int prepare_pidfd(struct task *t, const struct fork_args *a, struct file **file)
{
	int fd, err;

	err = pidfd_create(t->process, O_CLOEXEC, file);
	if (err)
		return err;
	fd = fd_reserve(0, true);
	if (fd >= 0 && put_user(fd, a->pidfd)) {
		fd_unreserve(fd);
		fd = -EFAULT;
	}
	if (fd < 0)
		file_put(*file);
	return fd;
}

/* Which PTRACE_EVENT the tracer wants of this fork; 0: none. */
static int fork_event(const struct fork_args *a)
{
	int event = a->flags & CLONE_VFORK ? PTRACE_EVENT_VFORK :
		    a->exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE : PTRACE_EVENT_FORK;

	return !(a->flags & CLONE_UNTRACED) && trace_event_on(current, event) ? event : 0;
}

long do_fork(const struct fork_args *a)
{
	int err, tid, fd = -1, event = unlikely(current->tracer) ? fork_event(a) : 0;
	struct completion vfork_done;
	struct file *pidfile = NULL;
	struct task *t;

	err = check_flags(a);
	if (!err && fail_user("clone", 0))
		err = -ENOMEM;
	if (!err)
		err = check_nproc();
	if (!err && signal_pending())
		err = -ERESTARTNOINTR;
	if (!err)
		err = copy_task(a, &t);
	if (err)
		return err;
	if (a->flags & CLONE_PIDFD) {
		fd = prepare_pidfd(t, a, &pidfile);
		if (fd < 0) {
			discard_task(t, a->flags);
			return fd;
		}
	}
	err = attach_task(t, a, event || (a->flags & CLONE_PTRACE));
	if (err) {
		if (pidfile) {
			fd_unreserve(fd);
			file_put(pidfile);
		}
		discard_task(t, a->flags);
		return err;
	}
	tid = t->tid;
	if (pidfile)
		fd_install(fd, pidfile);
	if (a->flags & CLONE_PARENT_SETTID)
		(void)!put_user(tid, a->parent_tid);
	if (a->flags & CLONE_VFORK) {
		completion_init(&vfork_done);
		t->vfork_done = &vfork_done;
		task_get(t);
	}
	task_wake_new(t);
	if (unlikely(event))
		trace_event(event, tid);
	if (a->flags & CLONE_VFORK) {
		wait_for_vfork(t, &vfork_done);
		trace_event(PTRACE_EVENT_VFORK_DONE, tid);
	}
	return tid;
}

SYSCALL0(fork)
{
	struct fork_args a = { .exit_signal = SIGCHLD };

	return do_fork(&a);
}

SYSCALL0(vfork)
{
	struct fork_args a = { .flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD };

	return do_fork(&a);
}

SYSCALL(clone, unsigned long flags, unsigned long stack, int __user *parent_tid, int __user *child_tid, unsigned long tls)
{
	struct fork_args a = {
		.flags = (u32)flags & ~(u64)CSIGNAL, .exit_signal = flags & CSIGNAL, .stack = stack, .tls = tls,
		.parent_tid = parent_tid, .child_tid = child_tid, .pidfd = parent_tid,
	};

	if ((flags & CLONE_PIDFD) && (flags & CLONE_PARENT_SETTID))
		return -EINVAL;
	return do_fork(&a);
}

/* Reads the first `size` bytes of a struct that may be shorter or longer than ours; what we do not know must be zero. */
static int read_clone_args(struct clone_args *out, const struct clone_args __user *u, size_t size)
{
	char rest[64];

	memset(out, 0, sizeof(*out));
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (copy_from_user(out, u, min(size, sizeof(*out))))
		return -EFAULT;
	for (size_t at = sizeof(*out); at < size; at += sizeof(rest)) {
		size_t n = min(size - at, sizeof(rest));

		if (copy_from_user(rest, (const char __user *)u + at, n))
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (rest[i])
				return -E2BIG;
	}
	return 0;
}

static int clone3_set_tid(const struct clone_args *c, int *out)
{
	if (c->set_tid_size > 32 || !c->set_tid != !c->set_tid_size)
		return -EINVAL;
	if (!c->set_tid_size)
		return 0;
	if (c->set_tid_size > 1)
		return -EINVAL;		/* there is one PID namespace */
	if (get_user(*out, (int __user *)c->set_tid))
		return -EFAULT;
	if (*out <= 0 || *out >= pid_max)
		return -EINVAL;
	return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

SYSCALL(clone3, struct clone_args __user *uargs, size_t size)
{
	struct fork_args a = { 0 };
	struct clone_args c;
	int err;

	err = read_clone_args(&c, uargs, size);
	if (!err)
		err = clone3_set_tid(&c, &a.set_tid);
	if (err)
		return err;
	if (c.flags & ~(CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP | (u64)U32_MAX) || (c.flags & (CLONE_DETACHED | CSIGNAL)) ||
	    c.exit_signal > NR_SIGNALS)
		return -EINVAL;
	if ((c.flags & (CLONE_THREAD | CLONE_PARENT)) && c.exit_signal)
		return -EINVAL;
	if (!c.stack != !c.stack_size)
		return -EINVAL;
	if (c.stack && !access_ok((void __user *)c.stack, c.stack_size))
		return -EINVAL;
	a.flags = c.flags;
	a.exit_signal = (int)c.exit_signal;
	a.stack = c.stack ? c.stack + c.stack_size : 0;
	a.tls = c.tls;
	a.parent_tid = (int __user *)c.parent_tid;
	a.child_tid = (int __user *)c.child_tid;
	a.pidfd = (int __user *)c.pidfd;
	return do_fork(&a);
}

SYSCALL(set_tid_address, int __user *p)
{
	current->clear_child_tid = p;
	return current->tid;
}

/* ---- unshare: what fork would have given a child of its own, for current ---- */

static int unshare_fs(void)
{
	struct fs_context *old = current->fs, *own;
	int err;

	if (atomic_read(&old->refs) == 1)
		return 0;
	err = fs_context_dup(old, &own);
	if (err)
		return err;
	spin_lock(siglock(current->process));
	current->fs = own;
	spin_unlock(siglock(current->process));
	fs_context_put(old);
	return 0;
}

SYSCALL(unshare, unsigned long flags)
{
	int err = 0;

	if (flags & ~(CLONE_THREAD | CLONE_FS | CLONE_SIGHAND | CLONE_VM | CLONE_FILES | CLONE_SYSVSEM | CLONE_NAMESPACES))
		return -EINVAL;
	if (flags & CLONE_NAMESPACES)
		return capable(CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
	/* These cannot be taken apart while anybody shares them. */
	if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) && current->process->nr_threads > 1)
		return -EINVAL;
	if ((flags & (CLONE_SIGHAND | CLONE_VM)) && atomic_read(&current->process->sighand->refs) > 1)
		return -EINVAL;
	if ((flags & CLONE_VM) && atomic_read(&current->mm->users) > 1)
		return -EINVAL;
	if (flags & CLONE_FS)
		err = unshare_fs();
	if (!err && (flags & CLONE_FILES))
		err = files_unshare();
	return err;
}

SYSCALL(setns, int fd, int type)
{
	struct file *f = fd_get(fd);

	if (!f)
		return -EBADF;
	file_put(f);
	return -EINVAL;			/* there is no namespace that it could stand for */
}
