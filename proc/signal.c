/*
 * signal.c - sending signals: queues, who gets them, waking, and what stops and continues.
 *
 * SHAPE       two sets of pending signals: the thread's and the process's, each a bit mask and a list of queued siginfo.
 *             Sending adds to one of them and picks a thread to tell: WORK_SIGNAL makes it look on its way to user mode
 *             (signal_deliver.c). Standard signals are queued once, real-time ones each.
 * INVARIANTS  G1 a bit is set if and only if the signal is pending; a bit without a queued siginfo means SI_USER from 0
 *             (no memory, or SIGKILL).  G2 SIGCONT and the stop signals never wait together: each removes the other.
 *             G3 a fatal signal whose default is death without core sets PF_GROUP_EXIT at once and gives every
 *             thread SIGKILL, so that sleeping threads die too.
 * LOCKS       siglock guards all of it; tasklist_lock is outside when the target is found by number.
 * LINUX       no core files, so the wait status never has the core bit.
 */
#include <abi/errno.h>
#include <arch/upcalls.h>
#include <arch/trap.h>
#include <kernel/cred.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <linux/signal.h>
#include <linux/capability.h>
#include <mm/slab.h>
#include <mm/uaccess.h>
#include "ptrace.h"

static struct slab_cache *sigqueue_cache;

void signal_init(void)
{
	sigqueue_cache = slab_cache_create("sigqueue", sizeof(struct sigqueue), 0, SLAB_PANIC, NULL);
}

bool signal_default_ignored(int sig)
{
	return sig < 32 && (SIG_KERNEL_IGNORE & SIGBIT(sig));
}

/* ---- pending or not ---- */

static bool has_deliverable(struct task *t)
{
	return ((t->pending | t->process->pending) & ~t->blocked) || t->stop_pending || (t->trace_flags & TRACE_TRAP) ||
	       (t->process->flags & PF_NOTIFY_CONT) || (t->process->exec_task && t->process->exec_task != t);
}

void signal_recalc(struct task *t)
{
	if (has_deliverable(t))
		task_set_work(t, WORK_SIGNAL);
	else if (t->work & WORK_SIGNAL)
		task_clear_work(t, WORK_SIGNAL);
}

bool signal_pending(void)
{
	return READ_ONCE(current->work) & WORK_SIGNAL;
}

bool fatal_signal_pending(void)
{
	return (READ_ONCE(current->work) & WORK_SIGNAL) && (READ_ONCE(current->pending) & SIGBIT(SIGKILL));
}

void signal_wake(struct task *t, bool fatal)
{
	unsigned states = BIT(TASK_INTERRUPTIBLE);

	if (fatal)
		states |= BIT(TASK_KILLABLE) | BIT(TASK_STOPPED) | (t->trace_flags & TRACE_FROZEN ? 0 : BIT(TASK_TRACED));
	task_set_work(t, WORK_SIGNAL);
	if (!task_wake_states(t, states))
		task_kick(t);
}

/* ---- queue entries ---- */

static struct sigqueue *entry_alloc(struct process *p, int sig, bool override_limit)
{
	struct sigqueue *q;

	if (!override_limit && (u64)atomic_read(&p->nr_sigpending) >= p->rlim[RLIMIT_SIGPENDING].rlim_cur)
		return NULL;
	q = slab_alloc(sigqueue_cache, GFP_ATOMIC);
	if (!q)
		return NULL;
	q->charged = p;
	atomic_inc(&p->nr_sigpending);
	return q;
}

static void entry_free(struct sigqueue *q)
{
	list_remove(&q->link);
	if (!q->charged)
		return;			/* belongs to a timer */
	atomic_dec(&q->charged->nr_sigpending);
	slab_free(sigqueue_cache, q);
}

void signal_flush(struct list *infos, u64 *pending)
{
	struct sigqueue *q, *next;

	list_for_each_safe(q, next, infos, link)
		entry_free(q);
	*pending = 0;
}

static void remove_from(struct list *infos, u64 *pending, u64 mask)
{
	struct sigqueue *q, *next;

	if (!(*pending & mask))
		return;
	*pending &= ~mask;
	list_for_each_safe(q, next, infos, link)
		if (SIGBIT(q->info.si_signo) & mask)
			entry_free(q);
}

/* Removes a timer's entry; the pending bit goes when no other entry of that signal is left. */
void signal_discard_entry(struct process *p, struct sigqueue *q)
{
	struct sigqueue *other;
	struct task *t;
	u64 bit = SIGBIT(q->info.si_signo);

	if (!list_is_linked(&q->link))
		return;
	list_remove(&q->link);
	p->pending &= ~bit;
	list_for_each(other, &p->pending_info, link)
		if (SIGBIT(other->info.si_signo) == bit)
			p->pending |= bit;
	list_for_each(t, &p->threads, thread_link) {
		bool had = t->pending & bit, found = false;

		list_for_each(other, &t->pending_info, link)
			if (SIGBIT(other->info.si_signo) == bit)
				found = true;
		if (had && !found && bit != SIGBIT(SIGKILL))
			t->pending &= ~bit;
	}
}

void signal_discard_locked(struct process *p, struct task *t, u64 mask)
{
	if (t)
		remove_from(&t->pending_info, &t->pending, mask);
	else
		remove_from(&p->pending_info, &p->pending, mask);
}

/* Take `mask` out of everything pending for the process and its threads. */
static void remove_everywhere(struct process *p, u64 mask)
{
	struct task *t;

	remove_from(&p->pending_info, &p->pending, mask);
	list_for_each(t, &p->threads, thread_link)
		remove_from(&t->pending_info, &t->pending, mask);
}

/* ---- sending ---- */

static void continue_process(struct process *p)
{
	struct task *t;

	remove_everywhere(p, SIG_KERNEL_STOP);
	if (p->flags & PF_STOPPED)
		p->flags = (p->flags & ~(PF_STOPPED | PF_STOP_REPORT)) | PF_CONTINUED | PF_NOTIFY_CONT;
	p->nr_stopping = 0;
	list_for_each(t, &p->threads, thread_link) {
		t->stop_pending = false;
		if (t->trace_flags & TRACE_SEIZED) {
			t->trace_flags |= TRACE_TRAP;
			if (t->trace_flags & TRACE_LISTEN)
				task_wake_states(t, BIT(TASK_TRACED));
		}
		if (t->state == TASK_STOPPED || (p->flags & PF_NOTIFY_CONT) || (t->trace_flags & TRACE_TRAP))
			task_set_work(t, WORK_SIGNAL);
		task_wake_states(t, BIT(TASK_STOPPED));
	}
}

static bool ignored_by(struct process *p, struct task *t, int sig, bool from_kernel)
{
	unsigned long handler = SIG_USER_HANDLER(p, sig);

	if ((p->flags & PF_KTHREAD) && handler == SIG_DFL_VALUE)
		return true;
	if (unlikely(p->flags & PF_UNKILLABLE) && handler == SIG_DFL_VALUE && !(from_kernel && (SIGBIT(sig) & SIG_UNBLOCKABLE)))
		return true;
	if ((t->blocked | t->real_blocked) & SIGBIT(sig))
		return false;		/* the handler may change before it is unblocked */
	if (t->tracer && sig != SIGKILL)
		return false;		/* the tracer wants to know, and may make another signal of it */
	return handler == SIG_IGN_VALUE || (handler == SIG_DFL_VALUE && signal_default_ignored(sig));
}

/* Side effects of sending come first, even when the signal itself is ignored. False: drop it. */
static bool prepare(int sig, struct task *t, bool from_kernel)
{
	struct process *p = t->process;

	if (p->flags & PF_GROUP_EXIT)
		return sig == SIGKILL;
	if (SIGBIT(sig) & SIG_KERNEL_STOP)
		remove_everywhere(p, SIGBIT(SIGCONT));
	else if (sig == SIGCONT)
		continue_process(p);
	return !ignored_by(p, t, sig, from_kernel);
}

static bool wants(struct task *t, int sig)
{
	if ((t->blocked & SIGBIT(sig)) || (t->flags & TF_EXITING))
		return false;
	if (sig == SIGKILL)
		return true;
	return t->state != TASK_STOPPED && t->state != TASK_TRACED && (t->on_cpu || !(t->work & WORK_SIGNAL));
}

static struct task *choose_thread(struct process *p, struct task *t, int sig, bool to_process)
{
	struct task *other;

	if (wants(t, sig))
		return t;
	if (!to_process)
		return NULL;
	list_for_each(other, &p->threads, thread_link)
		if (wants(other, sig))
			return other;
	return NULL;
}

void signal_group_exit_locked(struct process *p, int code)
{
	struct task *t;

	p->flags |= PF_GROUP_EXIT;
	p->flags &= ~(PF_STOPPED | PF_STOP_REPORT);
	p->group_exit_code = code;
	p->nr_stopping = 0;
	list_for_each(t, &p->threads, thread_link) {
		t->stop_pending = false;
		if (t == current || (t->flags & TF_EXITING))
			continue;
		t->pending |= SIGBIT(SIGKILL);
		signal_wake(t, true);
	}
}

/* The signal is pending: tell a thread. Nobody wants it now: whoever unblocks it will find it. */
static void complete(int sig, struct task *t, bool to_process)
{
	struct process *p = t->process;
	struct task *target = choose_thread(p, t, sig, to_process);

	if (!target)
		return;
	if (SIG_USER_HANDLER(p, sig) == SIG_DFL_VALUE && !signal_default_ignored(sig) &&
	    !(SIGBIT(sig) & (SIG_KERNEL_STOP | SIG_KERNEL_CORE)) && !(p->flags & (PF_GROUP_EXIT | PF_UNKILLABLE)) &&
	    !(target->real_blocked & SIGBIT(sig)) && (sig == SIGKILL || !target->tracer)) {
		signal_group_exit_locked(p, sig);
		if (target == current || p == current->process) {	/* group exit skips current */
			current->pending |= SIGBIT(SIGKILL);
			signal_wake(current, true);
		}
		return;
	}
	signal_wake(target, sig == SIGKILL);
}

static void fill_info(struct siginfo_k *out, int sig, const struct siginfo_k *info)
{
	if (info != SIG_INFO_USER && info != SIG_INFO_KERNEL) {
		*out = *info;
		return;
	}
	memset(out, 0, sizeof(*out));
	out->si_signo = sig;
	out->si_code = info == SIG_INFO_KERNEL ? SI_KERNEL : SI_USER;
	if (info == SIG_INFO_USER) {
		out->_sifields._kill._pid = task_pid(current);
		out->_sifields._kill._uid = current->real_cred->uid;
	}
}

int signal_queue_locked(int sig, const struct siginfo_k *info, struct task *t, bool to_process)
{
	struct process *p = t->process;
	u64 *pending = to_process ? &p->pending : &t->pending;
	bool from_kernel = info == SIG_INFO_KERNEL || (info != SIG_INFO_USER && info->si_code > 0);
	struct sigqueue *q;

	assert_spin_held(siglock(p));
	if (!prepare(sig, t, from_kernel))
		return 0;
	if (sig < SIGRTMIN && (*pending & SIGBIT(sig)))
		return 0;
	if (sig != SIGKILL) {
		q = entry_alloc(p, sig, sig < SIGRTMIN && (info == SIG_INFO_USER || from_kernel));
		if (q) {
			fill_info(&q->info, sig, info);
			list_append(to_process ? &p->pending_info : &t->pending_info, &q->link);
		} else if (sig >= SIGRTMIN && info != SIG_INFO_USER && info != SIG_INFO_KERNEL && info->si_code != SI_USER) {
			return -EAGAIN;
		}
	}
	*pending |= SIGBIT(sig);
	waitq_wake_all(&p->sighand->signalfd_waiters);
	complete(sig, t, to_process);
	return 0;
}

int signal_queue(int sig, const struct siginfo_k *info, struct task *t, bool to_process)
{
	struct process *p = t->process;
	int err;

	spin_lock(siglock(p));
	err = t->flags & TF_EXITING && !to_process ? 0 : signal_queue_locked(sig, info, t, to_process);
	spin_unlock(siglock(p));
	return err;
}

/* A timer's own entry, siglock held. 1 when it is queued already or the signal is ignored. */
int signal_queue_entry(struct sigqueue *q, struct task *t, bool to_process)
{
	struct process *p = t->process;
	int sig = q->info.si_signo;

	if (list_is_linked(&q->link) || !prepare(sig, t, false))
		return 1;
	list_append(to_process ? &p->pending_info : &t->pending_info, &q->link);
	*(to_process ? &p->pending : &t->pending) |= SIGBIT(sig);
	waitq_wake_all(&p->sighand->signalfd_waiters);
	complete(sig, t, to_process);
	return 0;
}

/* ---- taking ---- */

/* The one to deliver first: synchronous ones, then the lowest number. */
static int next_signal(u64 ready)
{
	if (ready & SIG_KERNEL_SYNC)
		ready &= SIG_KERNEL_SYNC;
	return ready ? __builtin_ctzl(ready) + 1 : 0;
}

static void take(int sig, struct list *infos, u64 *pending, struct siginfo_k *out)
{
	struct sigqueue *q, *found = NULL;
	bool more = false;

	list_for_each(q, infos, link) {
		if (q->info.si_signo != sig)
			continue;
		if (found) {
			more = true;
			break;
		}
		found = q;
	}
	if (!more)
		*pending &= ~SIGBIT(sig);
	if (!found) {
		memset(out, 0, sizeof(*out));
		out->si_signo = sig;
		return;
	}
	*out = found->info;
	if (!found->charged) {
		list_remove(&found->link);
		posix_timer_dequeued(out, found);
	} else {
		entry_free(found);
	}
}

int signal_dequeue_locked(struct task *t, u64 mask, struct siginfo_k *info)
{
	struct process *p = t->process;
	int sig = next_signal(t->pending & mask);

	if (sig) {
		take(sig, &t->pending_info, &t->pending, info);
	} else {
		sig = next_signal(p->pending & mask);
		if (sig)
			take(sig, &p->pending_info, &p->pending, info);
	}
	if (sig && t == current)
		signal_recalc(t);
	return sig;
}

int signal_dequeue(u64 mask, struct siginfo_k *out)
{
	int sig;

	spin_lock(siglock(current->process));
	sig = signal_dequeue_locked(current, mask & ~SIG_UNBLOCKABLE, out);
	spin_unlock(siglock(current->process));
	return sig;
}

u64 signal_pending_set(void)
{
	return current->pending | current->process->pending;
}

struct waitq *signal_waitq(void)
{
	return &current->process->sighand->signalfd_waiters;
}

/* ---- the blocked set ---- */

static void retarget(struct task *t, u64 newly_blocked)
{
	struct process *p = t->process;
	u64 shared = p->pending & newly_blocked;
	struct task *other;

	/* Somebody else may take what we were told of and will not. */
	if (shared && p->nr_threads > 1)
		list_for_each(other, &p->threads, thread_link)
			if (other != t && !(other->flags & TF_EXITING) && (shared & ~other->blocked))
				signal_wake(other, false);
}

void signal_set_blocked(u64 mask)
{
	struct task *t = current;

	mask &= ~SIG_UNBLOCKABLE;
	if (t->blocked == mask)
		return;
	spin_lock(siglock(t->process));
	if (t->work & WORK_SIGNAL)
		retarget(t, mask & ~t->blocked);
	t->blocked = mask;
	signal_recalc(t);
	spin_unlock(siglock(t->process));
}

int sigmask_user_set(const u64 __user *umask, size_t size)
{
	u64 mask;

	if (!umask)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	if (get_user(mask, umask))
		return -EFAULT;
	current->saved_blocked = current->blocked;
	task_set_work(current, WORK_SIGMASK);
	signal_set_blocked(mask);
	return 0;
}

void sigmask_user_restore(bool interrupted)
{
	if (interrupted || !(current->work & WORK_SIGMASK))
		return;
	task_clear_work(current, WORK_SIGMASK);
	signal_set_blocked(current->saved_blocked);
}

/* ---- the border of <kernel/signal.h> ---- */

/* For current, and not to be evaded: blocked or ignored, it becomes fatal. */
static void force(int sig, const struct siginfo_k *info)
{
	struct task *t = current;
	struct process *p = t->process;
	struct sigaction_k *act = &p->sighand->action[sig - 1];

	spin_lock(siglock(p));
	if ((t->blocked & SIGBIT(sig)) || (unsigned long)act->handler == SIG_IGN_VALUE) {
		act->handler = (void __user *)SIG_DFL_VALUE;
		t->blocked &= ~SIGBIT(sig);
	}
	if ((unsigned long)act->handler == SIG_DFL_VALUE && !t->tracer)
		p->flags &= ~PF_UNKILLABLE;	/* even init dies of its own faults */
	(void)signal_queue_locked(sig, info, t, false);
	spin_unlock(siglock(p));
}

void signal_force_fault(int sig, int si_code, vaddr_t addr)
{
	struct siginfo_k info = { .si_signo = sig, .si_code = si_code };

	info._sifields._sigfault._addr = (void *)addr;
	current->trap_nr = sig == SIGSEGV || sig == SIGBUS ? 14 : current->trap_nr;
	current->trap_addr = addr;
	force(sig, &info);
}

/* What the log says of a program about to die of its own fault; a hundred such lines are enough. */
static void report_fault(const struct trapframe *f, int signo, vaddr_t addr, unsigned long err)
{
	static atomic_t lines;

	if ((unsigned long)current->process->sighand->action[signo - 1].handler > SIG_IGN_VALUE ||
	    atomic_add_return(&lines, 1) > 100)
		return;
	pr_info("%s[%d]: %s at %lx ip %016lx sp %016lx error %lx\n", current->comm, current->tid,
		signo == SIGSEGV ? "segfault" : "fatal trap", addr, f->ip, f->sp, err);
}

void user_exception(struct trapframe *f, int signo, int code, vaddr_t addr, int trapno, unsigned long err)
{
	if (signo != SIGTRAP)
		report_fault(f, signo, addr, err);
	struct siginfo_k info = { .si_signo = signo, .si_code = code };

	info._sifields._sigfault._addr = (void *)addr;
	current->trap_nr = trapno;
	current->trap_err = err;
	if (trapno == 14)			/* only a page fault moves CR2 */
		current->trap_addr = addr;
	force(signo, code == SI_KERNEL ? SIG_INFO_KERNEL : &info);
}

void signal_send_current(int sig)
{
	(void)signal_queue(sig, SIG_INFO_KERNEL, current, false);
}

void signal_kill_process(struct process *p)
{
	(void)signal_queue(SIGKILL, SIG_INFO_KERNEL, p->leader, true);
}

int signal_pgrp_locked(int pgrp, int sig, const struct siginfo_k *info, bool check)
{
	struct list *members = pgrp_members(pgrp);
	int err = -ESRCH;
	struct process *p;

	if (!members)
		return -ESRCH;
	list_for_each(p, members, pgrp_link) {
		int e = check ? task_may_signal(p->leader, sig) : 0;

		if (!e && sig)
			e = signal_queue(sig, info, p->leader, true);
		if (!e || err == -ESRCH)
			err = e;
	}
	return err;
}

int signal_send_pgrp(int pgrp, int sig)
{
	int err;

	spin_lock(&tasklist_lock);
	err = signal_pgrp_locked(pgrp, sig, SIG_INFO_KERNEL, false);
	spin_unlock(&tasklist_lock);
	return err;
}

bool signal_ignored_or_blocked(int sig)
{
	return (current->blocked & SIGBIT(sig)) || SIG_USER_HANDLER(current->process, sig) == SIG_IGN_VALUE;
}

/* ---- exec ---- */

void signal_exec_reset(void)
{
	struct process *p = current->process;
	struct sighand *old = p->sighand, *s = old;

	if (atomic_read(&old->refs) > 1) {
		s = sighand_create();
		if (!s) {		/* nothing can be undone any more */
			process_exit_group(SIGKILL);
		}
		memcpy(s->action, old->action, sizeof(s->action));
	}
	for (int i = 0; i < NR_SIGNALS; i++) {
		if ((unsigned long)s->action[i].handler != SIG_IGN_VALUE)
			s->action[i].handler = (void __user *)SIG_DFL_VALUE;
		s->action[i].flags = 0;
		s->action[i].restorer = NULL;
		s->action[i].mask = 0;
	}
	if (s != old) {
		spin_lock(&tasklist_lock);
		p->sighand = s;
		spin_unlock(&tasklist_lock);
		sighand_put(old);
	}
	current->altstack_sp = current->altstack_size = 0;
	current->altstack_flags = SS_DISABLE;
}

/* ---- to user space ---- */

void siginfo_to_user(siginfo_t *out, const struct siginfo_k *in)
{
	memset(out, 0, sizeof(*out));
	memcpy(out, in, sizeof(*in));
}

int siginfo_put_user(siginfo_t __user *to, const struct siginfo_k *in)
{
	siginfo_t info;

	siginfo_to_user(&info, in);
	return put_user_struct(to, &info);
}
