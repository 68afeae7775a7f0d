/*
 * signal_deliver.c - on the way back to user mode: take signals, act on them, restart system calls.
 *
 * SHAPE       user_return_work() is called until task->work is 0. It runs deferred interrupts, switches, delivers. For a
 *             signal with a handler the machine layer builds a frame and the loop ends there; the default actions (ignore,
 *             stop, die) are carried out here.
 * RESTART     an interrupted call returns -ERESTART*. Nothing with a handler: it is made again (or through restart_syscall,
 *             which calls task->restart_fn). With a handler: -EINTR, unless SA_RESTART and ERESTARTSYS, or ERESTARTNOINTR.
 */
#include <abi/errno.h>
#include <arch/ptrace.h>
#include <arch/signal.h>
#include <arch/trap.h>
#include <arch/upcalls.h>
#include <kernel/irq.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <linux/signal.h>
#include <mm/memcg.h>
#include <mm/uaccess.h>
#include "ptrace.h"

/* ---- job control ---- */

/* The process has been continued: tell its parent. siglock held on entry, dropped, and taken again. */
static void report_continued(struct process *p)
{
	p->flags &= ~PF_NOTIFY_CONT;
	spin_unlock(siglock(p));
	spin_lock(&tasklist_lock);
	notify_parent_locked(p, CLD_CONTINUED, SIGCONT);
	spin_unlock(&tasklist_lock);
	spin_lock(siglock(p));
}

/* Sleep as part of a stopped group. siglock held on entry and return. The last one to stop tells the parent. */
static void stop_self(struct task *t)
{
	struct process *p = t->process;
	bool last;

	t->stop_pending = false;
	last = --p->nr_stopping <= 0 && !(p->flags & PF_STOPPED);
	if (last)
		p->flags |= PF_STOPPED | PF_STOP_REPORT;
	if (!t->tracer)
		task_set_state(TASK_STOPPED);	/* under siglock: a SIGCONT from now on wakes us */
	spin_unlock(siglock(p));
	if (last) {
		spin_lock(&tasklist_lock);
		if (p->parent && !traced_by_process(t, p->parent))
			notify_parent_locked(p, CLD_STOPPED, p->stop_code);
		spin_unlock(&tasklist_lock);
	}
	if (t->state == TASK_RUNNING) {		/* a traced one stops for its tracer, or SIGCONT was faster */
		spin_lock(siglock(p));
		if (t->tracer && (p->flags & PF_STOPPED || p->nr_stopping > 0))
			trace_trap_locked();
		signal_recalc(t);
		return;
	}
	schedule();
	task_set_state(TASK_RUNNING);
	spin_lock(siglock(p));
	signal_recalc(t);
}

/* A stop signal's default action: all threads are to stop. siglock held. */
static void begin_stop(struct task *t, int sig)
{
	struct process *p = t->process;
	struct task *other;

	if (p->flags & PF_GROUP_EXIT)
		return;
	p->stop_code = sig;
	p->nr_stopping = 0;
	p->flags &= ~PF_CONTINUED;
	list_for_each(other, &p->threads, thread_link) {
		if ((other->flags & TF_EXITING) || other->state == TASK_STOPPED)
			continue;
		other->stop_pending = true;
		p->nr_stopping++;
		if (other != t)
			signal_wake(other, false);
	}
	stop_self(t);
}

/* Terminal stops mean nothing to an orphaned group. siglock held, dropped for the check. False: the stop is off. */
static bool may_stop(struct process *p, int sig)
{
	bool orphaned;

	if (sig == SIGSTOP)
		return true;
	spin_unlock(siglock(p));
	spin_lock(&tasklist_lock);
	orphaned = pgrp_orphaned(p->pgrp, NULL);
	spin_unlock(&tasklist_lock);
	spin_lock(siglock(p));
	/* A SIGCONT that came meanwhile, or a kill, wins. */
	return !orphaned && !(p->pending & SIGBIT(SIGCONT)) && !(p->flags & (PF_NOTIFY_CONT | PF_GROUP_EXIT));
}

/* ---- choosing what to do ---- */

static noreturn void die(struct process *p, int sig)
{
	spin_unlock(siglock(p));
	current->flags |= TF_SIGNALED;
	process_exit_group(sig);
}

/* Things that come before any signal. siglock held. True: look again. */
static bool handle_group_events(struct task *t)
{
	struct process *p = t->process;

	if (p->flags & PF_NOTIFY_CONT) {
		report_continued(p);
		return true;
	}
	if (p->flags & PF_GROUP_EXIT) {
		if (t->tracer)
			t->pending &= ~SIGBIT(SIGKILL);		/* obeyed: PTRACE_EVENT_EXIT may stop it once more */
		spin_unlock(siglock(p));
		current->flags |= TF_SIGNALED;
		task_exit(p->group_exit_code);
	}
	if (p->exec_task && p->exec_task != t) {
		spin_unlock(siglock(p));
		task_exit(0);
	}
	if (t->stop_pending) {
		stop_self(t);
		return true;
	}
	if (unlikely(t->trace_flags & TRACE_TRAP)) {
		trace_trap_locked();
		return true;
	}
	return false;
}

/*
 * The next signal that has a handler: its number, info and a copy of the action. 0: none is left. Does everything else that
 * signals do, dying included.
 */
static int next_handled(struct siginfo_k *info, struct sigaction_k *act)
{
	struct task *t = current;
	struct process *p = t->process;
	struct sigaction_k *a;
	int sig;

	spin_lock(siglock(p));
	for (;;) {
		if (handle_group_events(t))
			continue;
		sig = signal_dequeue_locked(t, ~t->blocked, info);
		if (!sig)
			break;
		if (unlikely(t->tracer) && sig != SIGKILL) {
			sig = trace_signal_locked(sig, info);
			if (!sig)
				continue;
		}
		a = &p->sighand->action[sig - 1];
		if ((unsigned long)a->handler == SIG_IGN_VALUE)
			continue;
		if ((unsigned long)a->handler != SIG_DFL_VALUE) {
			*act = *a;
			if (a->flags & SA_ONESHOT)
				a->handler = (void __user *)SIG_DFL_VALUE;
			break;
		}
		if (signal_default_ignored(sig))
			continue;
		if ((p->flags & PF_UNKILLABLE) && !(info->si_code > 0 && (SIGBIT(sig) & SIG_UNBLOCKABLE)))
			continue;
		if (SIGBIT(sig) & SIG_KERNEL_STOP) {
			if (may_stop(p, sig))
				begin_stop(t, sig);
			continue;
		}
		die(p, sig);
	}
	signal_recalc(t);
	spin_unlock(siglock(p));
	return sig;
}

/* ---- system calls that were interrupted ---- */

static void restart_for_handler(struct trapframe *f, unsigned long sa_flags)
{
	long result;

	if (!arch_in_syscall(f, &result))
		return;
	switch (-result) {
	case ERESTARTSYS:
		if (sa_flags & SA_RESTART)
			arch_syscall_restart(f, false);
		else
			arch_syscall_set_result(f, -EINTR);
		break;
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		arch_syscall_set_result(f, -EINTR);
		break;
	case ERESTARTNOINTR:
		arch_syscall_restart(f, false);
		break;
	}
}

static void restart_without_handler(struct trapframe *f)
{
	long result;

	if (!arch_in_syscall(f, &result))
		return;
	switch (-result) {
	case ERESTARTSYS:
	case ERESTARTNOHAND:
	case ERESTARTNOINTR:
		arch_syscall_restart(f, false);
		break;
	case ERESTART_RESTARTBLOCK:
		arch_syscall_restart(f, true);
		break;
	}
}

SYSCALL0(restart_syscall)
{
	struct task *t = current;

	return t->restart_fn ? t->restart_fn(t) : -EINTR;
}

/* ---- delivery ---- */

static void run_handler(struct trapframe *f, int sig, struct siginfo_k *info, struct sigaction_k *act)
{
	struct task *t = current;
	u64 mask = t->work & WORK_SIGMASK ? t->saved_blocked : t->blocked;

	bool stepping = t->trace_flags & TRACE_STEP;

	restart_for_handler(f, act->flags);
	if (unlikely(stepping))
		arch_trace_step(t, false);
	if (t->rseq_area)
		rseq_signal(f);
	if (arch_signal_frame(f, sig, act, info, mask)) {
		/* No stack to run it on: fatal, and for SIGSEGV itself so that no handler is tried again. */
		if (sig == SIGSEGV) {
			spin_lock(siglock(t->process));
			t->process->sighand->action[SIGSEGV - 1].handler = (void __user *)SIG_DFL_VALUE;
			spin_unlock(siglock(t->process));
		}
		signal_force_fault(SIGSEGV, SI_KERNEL, 0);
		return;
	}
	task_clear_work(t, WORK_SIGMASK);
	signal_set_blocked(t->blocked | act->mask | (act->flags & SA_NODEFER ? 0 : SIGBIT(sig)));
	if (unlikely(stepping))
		trace_handler_entered();
}

void signal_deliver(struct trapframe *f)
{
	struct sigaction_k act;
	struct siginfo_k info;
	int sig = next_handled(&info, &act);

	if (sig) {
		run_handler(f, sig, &info, &act);
		return;
	}
	restart_without_handler(f);
	sigmask_user_restore(false);
}

/* First return of a new thread, and rseq. */
static void return_notify(struct trapframe *f)
{
	struct task *t = current;

	task_clear_work(t, WORK_NOTIFY);
	if (t->set_child_tid) {
		(void)!put_user(t->tid, t->set_child_tid);
		t->set_child_tid = NULL;
	}
	if (t->rseq_area)
		rseq_return_to_user(f);
	if (unlikely(t->memcg_high))
		memcg_over_high();
}

void user_return_work(struct trapframe *f)
{
	unsigned long work = READ_ONCE(current->work);

	if (work & WORK_DEFERRED)
		irq_run_deferred();
	if (need_resched())
		schedule();
	if (unlikely(work & WORK_SYSCALL_TRACE))
		trace_syscall_exit();
	if (work & (WORK_SIGNAL | WORK_SIGMASK))
		signal_deliver(f);
	if (READ_ONCE(current->work) & WORK_NOTIFY)
		return_notify(f);
}
