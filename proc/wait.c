/*
 * wait.c - wait4 and waitid: what became of the children.
 *
 * SHAPE       one scan over the children under tasklist_lock; a child with something to tell is reported (and, unless WNOWAIT,
 *             the report is used up: a zombie is reaped). Nothing to tell: sleep on the process's wait_children, which
 *             notify_parent_locked() wakes, and scan again.
 * LINUX       children belong to the process; __WNOTHREAD looks at those the calling thread made.
 */
#include <abi/errno.h>
#include <abi/wait.h>
#include <fs/fs.h>
#include <kernel/cred.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <mm/slab.h>
#include "ptrace.h"

struct wait_request {
	int		type;			/* P_ALL, P_PID, P_PGID */
	int		id;
	int		options;
	/* result */
	int		pid;			/* 0: nothing found yet */
	u32		uid;
	int		status;			/* wait4's */
	int		si_code, si_stat;
	struct process_times times;
	struct process	*reaped;		/* to be dropped after unlocking */
	struct trace_dead dead;			/* likewise, of those that were traced */
};

static bool wait_matches(const struct wait_request *w, const struct process *c)
{
	if (w->type == P_PID && c->pid != w->id)
		return false;
	if (w->type == P_PGID && c->pgrp != w->id)
		return false;
	if ((w->options & __WNOTHREAD) && c->creator_tid != current->tid)
		return false;
	if (!(w->options & __WALL) && !traced_by_process(c->leader, current->process) && (c->exit_signal != SIGCHLD) != !!(w->options & __WCLONE))
		return false;
	return true;
}

static void report(struct wait_request *w, struct process *c, int si_code, int si_stat, int status)
{
	w->pid = c->pid;
	w->uid = c->leader->real_cred->uid;
	w->si_code = si_code;
	w->si_stat = si_stat;
	w->status = status;
}

static bool wait_zombie(struct wait_request *w, struct process *c)
{
	int code = c->exit_code, sig = code & 0x7f;

	if (!c->zombie || !(w->options & WEXITED) || (c->leader->tracer && !traced_by_process(c->leader, current->process)))
		return false;
	report(w, c, !sig ? CLD_EXITED : code & 0x80 ? CLD_DUMPED : CLD_KILLED, sig ? sig : code >> 8, code);
	w->times = c->dead;
	times_add(&w->times, &c->children_times);
	if (!(w->options & WNOWAIT)) {
		if (c->leader->tracer)
			trace_forget_locked(c->leader);
		process_reap_locked(c);
		w->reaped = c;
	}
	return true;
}

static bool wait_stopped_or_continued(struct wait_request *w, struct process *c)
{
	u32 keep = ~0u;

	spin_lock(siglock(c));
	if ((w->options & WSTOPPED) && (c->flags & PF_STOPPED) && (c->flags & PF_STOP_REPORT) &&
	    !traced_by_process(c->leader, current->process)) {
		report(w, c, CLD_STOPPED, c->stop_code, c->stop_code << 8 | 0x7f);
		keep = ~PF_STOP_REPORT;
	} else if ((w->options & WCONTINUED) && (c->flags & PF_CONTINUED)) {
		report(w, c, CLD_CONTINUED, SIGCONT, 0xffff);
		keep = ~PF_CONTINUED;
	}
	if (!(w->options & WNOWAIT))
		c->flags &= keep;
	w->times = c->dead;
	spin_unlock(siglock(c));
	return w->pid != 0;
}

/* ---- those that current's process traces, children or not ---- */

static void report_tracee(struct wait_request *w, struct task *t, int si_code, int si_stat, int status)
{
	w->pid = t->tid;
	w->uid = t->real_cred->uid;
	w->si_code = si_code;
	w->si_stat = si_stat;
	w->status = status;
	w->times = t->process->dead;
}

/* Ended: a thread, or a process of somebody else, who hears of it when we have. */
static bool trace_wait_dead(struct wait_request *w, struct task *t)
{
	struct process *p = t->process;
	bool process = t == p->leader && p->zombie && p->parent != current->process;
	int code = process ? p->exit_code : t->exit_code;

	if ((!(t->trace_flags & TRACE_ZOMBIE) && !process) || !(w->options & WEXITED))
		return false;
	report_tracee(w, t, code & 0x7f ? CLD_KILLED : CLD_EXITED, code & 0x7f ? code & 0x7f : code >> 8, code);
	if (!(w->options & WNOWAIT))
		trace_unlink_locked(t, &w->dead);
	return true;
}

static bool trace_wait_stopped(struct wait_request *w, struct task *t)
{
	int code;

	spin_lock(siglock(t->process));
	code = t->state == TASK_TRACED && !(t->trace_flags & TRACE_LISTEN) ? t->trace_code : 0;
	if (code && !(w->options & WNOWAIT))
		t->trace_code = 0;
	spin_unlock(siglock(t->process));
	if (code)
		report_tracee(w, t, CLD_TRAPPED, code, code << 8 | 0x7f);
	return code;
}

static bool trace_wait_matches(const struct wait_request *w, const struct task *t)
{
	return w->type == P_PID ? t->tid == w->id : w->type != P_PGID || t->process->pgrp == w->id;
}

/* [T] The tracees of one thread. True: found something. *any: there is one that could match one day. */
static bool trace_wait(struct wait_request *w, struct task *tracer, bool *any)
{
	struct task *t;

	list_for_each(t, &tracer->tracees, trace_link) {
		if (!trace_wait_matches(w, t))
			continue;
		*any = true;
		if (trace_wait_dead(w, t) || trace_wait_stopped(w, t))
			return true;
	}
	return false;
}

static bool trace_wait_all(struct wait_request *w, bool *any)
{
	struct task *t;

	if (w->options & __WNOTHREAD)
		return trace_wait(w, current, any);
	list_for_each(t, &current->process->threads, thread_link)
		if (!list_empty(&t->tracees) && trace_wait(w, t, any))
			return true;
	return false;
}

/* One look at all children. -ECHILD when none could ever match; 0 otherwise, w->pid set when something was found. */
static int wait_scan(struct wait_request *w)
{
	struct process *c;
	bool traced = false;
	int err = -ECHILD;

	spin_lock(&tasklist_lock);
	if (trace_wait_all(w, &traced))
		goto done;
	list_for_each(c, &current->process->children, sibling) {
		if (!wait_matches(w, c))
			continue;
		err = 0;
		if (wait_zombie(w, c) || (!c->zombie && wait_stopped_or_continued(w, c)))
			break;
	}
done:
	spin_unlock(&tasklist_lock);
	if (w->reaped)
		process_reaped(w->reaped);
	trace_free(&w->dead);
	return traced ? 0 : err;
}

/* 0 with w->pid (0: WNOHANG and nothing to tell), or -ECHILD, -ERESTARTSYS. */
static int do_wait(struct wait_request *w)
{
	struct waitq *q = &current->process->wait_children;
	struct wait_entry e;
	int err;

	list_init(&w->dead.threads);
	list_init(&w->dead.processes);
	err = wait_scan(w);
	if (err || w->pid || (w->options & WNOHANG))
		return err;
	wait_entry_init(&e);
	waitq_add(q, &e);
	for (;;) {
		task_set_state(TASK_INTERRUPTIBLE);
		err = wait_scan(w);
		if (err || w->pid)
			break;
		if (signal_pending()) {
			err = -ERESTARTSYS;
			break;
		}
		schedule();
	}
	task_set_state(TASK_RUNNING);
	waitq_remove(q, &e);
	return err;
}

SYSCALL(wait4, int pid, int __user *status, int options, struct rusage __user *usage)
{
	struct wait_request w = { .options = options | WEXITED };
	struct rusage ru;
	int err;

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (pid == -2147483647 - 1)
		return -ESRCH;
	w.type = pid == -1 ? P_ALL : pid > 0 ? P_PID : P_PGID;
	w.id = pid > 0 ? pid : pid == 0 ? current->process->pgrp : -pid;
	err = do_wait(&w);
	if (err || !w.pid)
		return err;
	if (status && put_user(w.status, status))
		return -EFAULT;
	if (usage) {
		rusage_fill(&ru, &w.times);
		if (put_user_struct(usage, &ru))
			return -EFAULT;
	}
	return w.pid;
}

SYSCALL(waitid, int type, int id, siginfo_t __user *uinfo, int options, struct rusage __user *usage)
{
	struct wait_request w = { .type = type, .id = id, .options = options };
	struct siginfo_k info = { 0 };
	struct rusage ru;
	int err;

	if (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	switch (type) {
	case P_ALL:
		break;
	case P_PID:
		if (id <= 0)
			return -EINVAL;
		break;
	case P_PGID:
		if (id < 0)
			return -EINVAL;
		if (!id)
			w.id = current->process->pgrp;
		break;
	case P_PIDFD:
		w.id = pidfd_to_pid(id);
		if (w.id < 0)
			return w.id;
		w.type = P_PID;
		break;
	default:
		return -EINVAL;
	}
	err = do_wait(&w);
	if (err)
		return err;
	if (w.pid) {
		info.si_signo = SIGCHLD;
		info.si_code = w.si_code;
		info._sifields._sigchld._pid = w.pid;
		info._sifields._sigchld._uid = w.uid;
		info._sifields._sigchld._status = w.si_stat;
		if (usage) {
			rusage_fill(&ru, &w.times);
			if (put_user_struct(usage, &ru))
				return -EFAULT;
		}
	}
	/* Only these fields are written, as Linux does. */
	if (uinfo && (put_user(info.si_signo, &uinfo->si_signo) || put_user(0, &uinfo->si_errno) ||
		      put_user(info.si_code, &uinfo->si_code) || put_user(info._sifields._sigchld._pid, &uinfo->si_pid) ||
		      put_user(info._sifields._sigchld._uid, &uinfo->si_uid) ||
		      put_user(info._sifields._sigchld._status, &uinfo->si_status)))
		return -EFAULT;
	return 0;
}
