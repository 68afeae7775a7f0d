/*
 * exit.c - how threads and processes end, up to the zombie; wait.c has what follows.
 *
 * LIFE        task_exit(): point of no return (TF_EXITING) -> memory, files, names are given up -> exit_notify(): out of the
 *             thread list, and for the last thread: children to a new parent, the process a zombie, the parent told (or
 *             nobody, then it is reaped at once) -> sched_task_dead().
 * INVARIANTS  E1 the leader's task stays until the process is reaped: it carries the pid. Other threads leave at once.
 *             E2 a process is a zombie only when its thread list is empty.
 *             E3 after exit_notify() nothing but the scheduler and references hold the task.
 * LOCKS       tasklist_lock, then siglock. A signal to another process is sent under tasklist_lock.
 */
#include <abi/errno.h>
#include <fs/fs.h>
#include <ipc/ipc.h>
#include <kernel/cred.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <mm/memcg.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include "ptrace.h"

/* ---- what others hold on our memory ---- */

void task_mm_release(struct task *t)
{
	struct completion *vfork;

	futex_exit_robust(t);
	if (t->clear_child_tid) {
		/* Only when somebody else can see it: else the page is about to go anyway. */
		if (t->mm && atomic_read(&t->mm->users) > 1) {
			(void)!put_user(0, t->clear_child_tid);
			futex_wake_user(t->clear_child_tid, 1);
		}
		t->clear_child_tid = NULL;
	}
	spin_lock(siglock(t->process));
	vfork = t->vfork_done;
	t->vfork_done = NULL;
	if (vfork)
		completion_done(vfork);
	spin_unlock(siglock(t->process));
}

static void exit_mm(struct task *t)
{
	struct process *p = t->process;
	struct mm *mm = t->mm;
	u64 rss_kb;

	if (!mm)
		return;
	task_mm_release(t);
	rss_kb = (u64)max(mm->hiwater_rss, mm_rss(mm)) * (PAGE_SIZE / 1024);
	spin_lock(siglock(p));
	p->dead.max_rss_kb = max(p->dead.max_rss_kb, rss_kb);
	t->mm = NULL;
	spin_unlock(siglock(p));
	mm_activate(NULL);
	mm_put(mm);
	if (unlikely(p->oom_victim))
		oom_note_freed(p->pid);
}

static void exit_files(struct task *t)
{
	struct files *files = t->files;
	struct fs_context *fs = t->fs;

	spin_lock(siglock(t->process));
	t->files = NULL;
	t->fs = NULL;
	spin_unlock(siglock(t->process));
	if (files)
		files_put(files);
	if (fs)
		fs_context_put(fs);
}

/* ---- telling the parent ---- */

/* [T] SIGCHLD with the story of p, and whoever sleeps in wait4 looks again. */
void notify_parent_locked(struct process *p, int si_code, int status)
{
	struct process *parent = p->parent;
	struct sigaction_k *act;
	struct siginfo_k info = { .si_signo = SIGCHLD, .si_code = si_code };
	struct process_times t = p->dead;
	int sig = p->exit_signal;

	if (!parent)
		return;
	if (si_code != CLD_EXITED && si_code != CLD_KILLED && si_code != CLD_DUMPED) {
		sig = SIGCHLD;
		act = &parent->sighand->action[SIGCHLD - 1];
		if ((unsigned long)act->handler == SIG_IGN_VALUE || (act->flags & SA_NOCLDSTOP))
			sig = 0;
	}
	if (sig > 0) {
		info.si_signo = sig;
		info._sifields._sigchld._pid = p->pid;
		info._sifields._sigchld._uid = p->leader->real_cred->uid;
		info._sifields._sigchld._status = status;
		info._sifields._sigchld._utime = ns_to_clock_t(t.utime);
		info._sifields._sigchld._stime = ns_to_clock_t(t.stime);
		(void)signal_queue(sig, &info, parent->leader, true);
	}
	waitq_wake_all(&parent->wait_children);
}

/* [T] p is dead and its parent gets to know. Returns true when nobody will wait for it. */
bool process_notify_death(struct process *p)
{
	struct sigaction_k *act;
	bool autoreap = false;
	int code = p->exit_code & 0x7f ? (p->exit_code & 0x80 ? CLD_DUMPED : CLD_KILLED) : CLD_EXITED;
	int status = p->exit_code & 0x7f ? p->exit_code & 0x7f : p->exit_code >> 8;

	if (!p->parent)
		return true;
	if (p->leader->tracer && p->leader->tracer->process != p->parent) {
		trace_notify_death(p->leader, code, status);	/* its turn comes first */
		return false;
	}
	if (p->exit_signal == SIGCHLD && !p->leader->tracer) {
		spin_lock(siglock(p->parent));
		act = &p->parent->sighand->action[SIGCHLD - 1];
		if ((unsigned long)act->handler == SIG_IGN_VALUE || (act->flags & SA_NOCLDWAIT)) {
			autoreap = true;
			if ((unsigned long)act->handler == SIG_IGN_VALUE)
				p->exit_signal = 0;
		}
		spin_unlock(siglock(p->parent));
	}
	notify_parent_locked(p, code, status);
	return autoreap;
}

/* ---- children and groups left behind ---- */

static bool pgrp_has_stopped(int pgrp)
{
	struct list *members = pgrp_members(pgrp);
	struct process *p;

	if (members)
		list_for_each(p, members, pgrp_link)
			if (p->flags & PF_STOPPED)
				return true;
	return false;
}

/* [T] A group that just became orphaned with stopped members gets SIGHUP and SIGCONT. */
static void hang_up_orphaned(struct process *member, struct process *dying)
{
	if (pgrp_has_stopped(member->pgrp) && pgrp_orphaned(member->pgrp, dying)) {
		signal_pgrp_locked(member->pgrp, SIGHUP, SIG_INFO_KERNEL, false);
		signal_pgrp_locked(member->pgrp, SIGCONT, SIG_INFO_KERNEL, false);
	}
}

/* [T] Children of the dying p go to another parent. Zombies nobody waits for are collected on `reap`. */
static void reparent_children(struct process *p, struct list *reap)
{
	struct process *child, *next, *reaper = process_reaper(p);

	list_for_each_safe(child, next, &p->children, sibling) {
		child->parent = reaper;
		list_move_to_end(&reaper->children, &child->sibling);
		if (child->exit_signal > 0)
			child->exit_signal = SIGCHLD;
		if (child->zombie && process_notify_death(child)) {
			process_reap_locked(child);
			list_append(reap, &child->sibling);
		} else if (child->pgrp != p->pgrp && child->session == p->session) {
			hang_up_orphaned(child, p);
		}
	}
}

/* [T] PR_SET_PDEATHSIG of the children that this thread made. */
static void signal_parent_death(struct task *t)
{
	struct process *child;

	list_for_each(child, &t->process->children, sibling)
		if (child->leader->pdeath_signal && (child->creator_tid == t->tid || list_empty(&t->process->threads)))
			(void)signal_queue(child->leader->pdeath_signal, SIG_INFO_USER, child->leader, true);
}

/* ---- reaping ---- */

void process_reap_locked(struct process *p)
{
	struct process *parent = p->parent;

	assert(p->zombie && list_empty(&p->threads));
	if (parent) {
		spin_lock(siglock(parent));
		times_add(&parent->children_times, &p->dead);
		times_add(&parent->children_times, &p->children_times);
		spin_unlock(siglock(parent));
	}
	process_unlink(p);
	pid_detach(p->leader);
}

void process_reaped(struct process *p)
{
	pid_free(p->pid);
	if (p->owner)
		ledger_owner_release(p->owner);
	task_put(p->leader);		/* the process's reference; p goes with the task */
}

/* ---- the end ---- */

/* siglock held. A stopping group does not wait for us any more. True when we were the last it waited for. */
static bool leave_group_stop(struct task *t)
{
	struct process *p = t->process;

	if (!t->stop_pending)
		return false;
	t->stop_pending = false;
	if (--p->nr_stopping || !p->nr_threads)
		return false;
	p->flags |= PF_STOPPED | PF_STOP_REPORT;
	return true;
}

/* The last thread is gone: [T] held. Returns true when p is to be reaped by us. */
static bool become_zombie(struct process *p, struct list *reap)
{
	bool autoreap;

	reparent_children(p, reap);
	if (p->parent && p->parent->session == p->session && p->parent->pgrp != p->pgrp)
		hang_up_orphaned(p, p);
	p->exit_code = p->flags & PF_GROUP_EXIT ? p->group_exit_code : p->leader->exit_code;
	p->zombie = true;
	atomic_dec(&process_memcg(p)->nr_procs);
	autoreap = process_notify_death(p);
	if (autoreap)
		process_reap_locked(p);
	waitq_wake_all(&p->pidfd_waiters);
	return autoreap;
}

static void exit_notify(struct task *t)
{
	struct process *p = t->process, *child, *next;
	struct list reap = LIST_INIT(reap);
	struct trace_dead dead = { LIST_INIT(dead.threads), LIST_INIT(dead.processes) };
	bool last, autoreap = false, stopped, traced, leader;

	spin_lock(&tasklist_lock);
	if (!list_empty(&t->tracees))
		trace_exit_locked(t, &dead);
	spin_lock(siglock(p));
	stopped = leave_group_stop(t);
	signal_flush(&t->pending_info, &t->pending);
	times_add_task(&p->dead, t);
	process_remove_thread(p, t);
	last = !p->nr_threads;
	spin_unlock(siglock(p));
	if (!list_empty(&p->children))
		signal_parent_death(t);
	if (last)
		autoreap = become_zombie(p, &reap);
	else if (stopped)
		notify_parent_locked(p, CLD_STOPPED, p->stop_code);
	leader = t == p->leader;	/* asked under the lock: a thread that called exec takes the leader's place as soon as we are counted out */
	traced = !leader && t->tracer;
	if (traced)
		trace_thread_died(t);
	else if (!leader)
		pid_detach(t);
	waitq_wake_all(&p->exit_waiters);
	spin_unlock(&tasklist_lock);
	trace_free(&dead);

	list_for_each_safe(child, next, &reap, sibling) {
		list_remove(&child->sibling);
		process_reaped(child);
	}
	if (!leader && !traced) {
		pid_free(t->tid);
		task_put(t);
	}
	if (autoreap)
		process_reaped(p);
}

/* siglock held by nobody. Is t the last thread that has not begun to exit? */
static bool exit_begin(struct task *t, int code)
{
	struct process *p = t->process;
	struct task *other;
	bool last = true;

	spin_lock(siglock(p));
	t->flags |= TF_EXITING;
	t->exit_code = code;
	list_for_each(other, &p->threads, thread_link)
		if (!(other->flags & TF_EXITING))
			last = false;
	spin_unlock(siglock(p));
	return last;
}

/* This thread only. code: wait status. */
noreturn void task_exit(int code)
{
	struct task *t = current;
	struct process *p = t->process;
	bool last;

	assert(!(t->flags & TF_EXITING));
	if (unlikely(t->tracer))
		trace_event(PTRACE_EVENT_EXIT, p->flags & PF_GROUP_EXIT ? p->group_exit_code : code);
	last = exit_begin(t, code);
	if (last && p->is_init)
		panic("Attempted to kill init! exitcode=0x%08x",
		      p->flags & PF_GROUP_EXIT ? p->group_exit_code : code);
	if (last) {
		timers_exit(p);
		sem_exit(p->pid);
	}
	exit_mm(t);
	exit_files(t);
	if (last)
		ledger_process_ends(p->owner);
	if (last && p->session_leader)
		process_session_leader_exit();
	exit_notify(t);
	sched_task_dead();
}

noreturn void process_exit_group(int code)
{
	struct process *p = current->process;

	spin_lock(siglock(p));
	if (p->flags & PF_GROUP_EXIT)
		code = p->group_exit_code;
	else
		signal_group_exit_locked(p, code);
	spin_unlock(siglock(p));
	task_exit(code);
}

SYSCALL(exit, int code)
{
	task_exit((code & 0xff) << 8);
}

SYSCALL(exit_group, int code)
{
	process_exit_group((code & 0xff) << 8);
}

/* ---- exec in a process with several threads ---- */

/* [T] current takes over the pid from the old leader, which is dead. */
static void take_over_leader(struct process *p, struct task *old)
{
	struct task *t = current;
	int tid = t->tid;

	pid_detach(old);
	pid_detach(t);
	t->tid = p->pid;
	old->tid = tid;
	t->exit_signal = old->exit_signal;
	p->leader = t;
	pid_attach(t);
}

int process_exec_single(void)
{
	struct process *p = current->process;
	struct task *t, *old;
	int tid = current->tid;

	spin_lock(siglock(p));
	if ((p->flags & PF_GROUP_EXIT) || p->exec_task) {
		spin_unlock(siglock(p));
		return -EAGAIN;
	}
	p->exec_task = current;
	list_for_each(t, &p->threads, thread_link)
		if (t != current) {
			t->pending |= SIGBIT(SIGKILL);
			signal_wake(t, true);
		}
	spin_unlock(siglock(p));
	if (wait_event_killable(&p->exit_waiters, READ_ONCE(p->nr_threads) == 1)) {
		spin_lock(siglock(p));
		p->exec_task = NULL;
		spin_unlock(siglock(p));
		return -EAGAIN;
	}
	spin_lock(&tasklist_lock);
	old = p->leader;
	if (old != current) {
		take_over_leader(p, old);
		if (old->tracer)
			trace_forget_locked(old);
	}
	spin_unlock(&tasklist_lock);
	spin_lock(siglock(p));
	p->exec_task = NULL;
	spin_unlock(siglock(p));
	if (old != current) {
		pid_free(tid);
		task_put(old);
	}
	return 0;
}

void process_exec_done(bool secure)
{
	struct process *p = current->process;

	p->did_exec = true;
	p->dumpable = secure ? 0 : 1;
	p->exit_signal = p->exit_signal > 0 ? SIGCHLD : p->exit_signal;
	current->pdeath_signal = secure ? 0 : current->pdeath_signal;
	current->robust_list = NULL;
	current->rseq_area = NULL;
}
