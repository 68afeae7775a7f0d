/*
 * sys_signal.c - the system calls about signals.
 *
 * SOURCE      sigaction(2), sigprocmask(2), sigaltstack(2), sigsuspend(2), sigtimedwait(2), kill(2), tkill(2), sigqueue(3)
 */
#include <abi/errno.h>
#include <arch/trap.h>
#include <kernel/cred.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <linux/signal.h>
#include <linux/time_types.h>
#include "internal.h"

#define MINSIGSTKSZ_KERNEL	2048

static bool valid_signal(int sig)
{
	return sig >= 1 && sig <= NR_SIGNALS;
}

/* ---- actions and masks ---- */

static void set_action(int sig, const struct sigaction_k *new)
{
	struct process *p = current->process;
	struct task *t;

	p->sighand->action[sig - 1] = *new;
	if ((unsigned long)new->handler != SIG_IGN_VALUE &&
	    !((unsigned long)new->handler == SIG_DFL_VALUE && signal_default_ignored(sig)))
		return;
	/* Ignored from now on, so what is pending goes, blocked or not. */
	signal_discard_locked(p, NULL, SIGBIT(sig));
	list_for_each(t, &p->threads, thread_link)
		signal_discard_locked(p, t, SIGBIT(sig));
}

SYSCALL(rt_sigaction, int sig, const struct sigaction_k __user *unew, struct sigaction_k __user *uold, size_t size)
{
	struct process *p = current->process;
	struct sigaction_k new, old;

	if (size != sizeof(u64))
		return -EINVAL;
	if (unew && get_user_struct(&new, unew))
		return -EFAULT;
	if (!valid_signal(sig) || (unew && (SIGBIT(sig) & SIG_UNBLOCKABLE)))
		return -EINVAL;
	spin_lock(siglock(p));
	old = p->sighand->action[sig - 1];
	if (unew) {
		new.mask &= ~SIG_UNBLOCKABLE;
		set_action(sig, &new);
	}
	spin_unlock(siglock(p));
	if (uold && put_user_struct(uold, &old))
		return -EFAULT;
	return 0;
}

SYSCALL(rt_sigprocmask, int how, const u64 __user *unew, u64 __user *uold, size_t size)
{
	u64 old = current->blocked, new;

	if (size != sizeof(u64))
		return -EINVAL;
	if (unew) {
		if (get_user(new, unew))
			return -EFAULT;
		switch (how) {
		case SIG_BLOCK:
			new |= old;
			break;
		case SIG_UNBLOCK:
			new = old & ~new;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		signal_set_blocked(new);
	}
	return uold ? put_user(old, uold) : 0;
}

SYSCALL(rt_sigpending, u64 __user *uset, size_t size)
{
	u64 set = signal_pending_set() & current->blocked;

	if (size > sizeof(set))
		return -EINVAL;
	return copy_to_user(uset, &set, size) ? -EFAULT : 0;
}

int signal_altstack_set(unsigned long sp, unsigned long size, int flags)
{
	struct task *t = current;
	int mode = flags & ~(int)SS_AUTODISARM;

	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		sp = size = 0;
	} else if (size < MINSIGSTKSZ_KERNEL) {
		return -ENOMEM;
	}
	t->altstack_sp = sp;
	t->altstack_size = size;
	t->altstack_flags = flags;
	return 0;
}

SYSCALL(sigaltstack, const stack_t __user *unew, stack_t __user *uold)
{
	struct task *t = current;
	unsigned long sp = trap_sp(t->frame);
	bool on = !(t->altstack_flags & SS_AUTODISARM) && sp > t->altstack_sp && sp - t->altstack_sp <= t->altstack_size;
	stack_t old, new;
	int err = 0;

	memset(&old, 0, sizeof(old));
	old.ss_sp = (void *)t->altstack_sp;
	old.ss_size = t->altstack_size;
	old.ss_flags = (!t->altstack_size ? SS_DISABLE : on ? SS_ONSTACK : 0) | (t->altstack_flags & SS_AUTODISARM);
	if (unew) {
		if (get_user_struct(&new, unew))
			return -EFAULT;
		if (on)
			return -EPERM;
		err = signal_altstack_set((unsigned long)new.ss_sp, new.ss_size, new.ss_flags);
	}
	if (!err && uold && put_user_struct(uold, &old))
		err = -EFAULT;
	return err;
}

/* ---- waiting ---- */

static long wait_for_signal(void)
{
	while (!signal_pending()) {
		task_set_state(TASK_INTERRUPTIBLE);
		if (signal_pending())
			break;
		schedule();
	}
	task_set_state(TASK_RUNNING);
	return -ERESTARTNOHAND;
}

SYSCALL0(pause)
{
	return wait_for_signal();
}

SYSCALL(rt_sigsuspend, const u64 __user *umask, size_t size)
{
	int err;

	if (size != sizeof(u64))
		return -EINVAL;
	if (!umask)
		return -EFAULT;
	err = sigmask_user_set(umask, size);
	return err ? err : wait_for_signal();
}

/* A signal of `set`, waiting up to `left` ns for one. Its number, -EAGAIN, -EINTR. */
static int wait_for_set(u64 set, ktime_t left, struct siginfo_k *info)
{
	struct task *t = current;
	struct process *p = t->process;
	int sig;

	spin_lock(siglock(p));
	sig = signal_dequeue_locked(t, set, info);
	if (!sig && left > 0) {
		/* Unblock them for the wait, so that a sender finds us; real_blocked keeps default actions away. */
		t->real_blocked = t->blocked;
		t->blocked &= ~set;
		signal_recalc(t);
		task_set_state(TASK_INTERRUPTIBLE);
		spin_unlock(siglock(p));
		if (!signal_pending())
			left = schedule_timeout(left);
		task_set_state(TASK_RUNNING);
		spin_lock(siglock(p));
		t->blocked = t->real_blocked;
		t->real_blocked = 0;
		sig = signal_dequeue_locked(t, set, info);
		signal_recalc(t);
	}
	spin_unlock(siglock(p));
	return sig ? sig : left > 0 ? -EINTR : -EAGAIN;
}

SYSCALL(rt_sigtimedwait, const u64 __user *uset, siginfo_t __user *uinfo, const struct __kernel_timespec __user *utimeout,
	size_t size)
{
	struct __kernel_timespec ts;
	ktime_t left = KTIME_MAX;
	struct siginfo_k info;
	int sig;
	u64 set;

	if (size != sizeof(set))
		return -EINVAL;
	if (get_user(set, uset))
		return -EFAULT;
	if (utimeout) {
		if (get_user_struct(&ts, utimeout))
			return -EFAULT;
		if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= NSEC_PER_SEC)
			return -EINVAL;
		left = ts.tv_sec > KTIME_MAX / NSEC_PER_SEC - 1 ? KTIME_MAX : ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
	}
	sig = wait_for_set(set & ~SIG_UNBLOCKABLE, left, &info);
	if (sig > 0 && uinfo && siginfo_put_user(uinfo, &info))
		return -EFAULT;
	return sig;
}

/* ---- sending ---- */

static int kill_process(int pid, int sig, const struct siginfo_k *info)
{
	struct process *p;
	struct task *t;
	int err;

	spin_lock(&tasklist_lock);
	t = task_find_locked(pid);
	p = t ? t->process : NULL;
	err = !p ? -ESRCH : task_may_signal(p->leader, sig);
	if (!err && sig && !p->zombie)
		err = signal_queue(sig, info, t->flags & TF_EXITING ? p->leader : t, true);
	spin_unlock(&tasklist_lock);
	return err;
}

/* Everybody current may signal, but init and itself. */
static int kill_all(int sig)
{
	struct process *p;
	int pid = 1, nr = 0, err = 0;

	spin_lock(&tasklist_lock);
	while ((p = process_next_locked(pid))) {
		int e;

		pid = p->pid;
		if (p == current->process || p->is_init || (p->flags & PF_KTHREAD))
			continue;
		nr++;
		e = task_may_signal(p->leader, sig);
		if (!e && sig && !p->zombie)
			e = signal_queue(sig, SIG_INFO_USER, p->leader, true);
		if (e != -EPERM)
			err = e;
	}
	spin_unlock(&tasklist_lock);
	return nr ? err : -ESRCH;
}

SYSCALL(kill, int pid, int sig)
{
	int err;

	if (sig < 0 || sig > NR_SIGNALS)
		return -EINVAL;
	if (pid > 0)
		return kill_process(pid, sig, SIG_INFO_USER);
	if (pid == -1)
		return kill_all(sig);
	if (pid == -2147483647 - 1)
		return -ESRCH;
	spin_lock(&tasklist_lock);
	err = signal_pgrp_locked(pid ? -pid : current->process->pgrp, sig, SIG_INFO_USER, true);
	spin_unlock(&tasklist_lock);
	return err;
}

/* One thread; tgid 0: whatever process it belongs to. */
static int kill_thread(int tgid, int tid, int sig, const struct siginfo_k *info)
{
	struct task *t;
	int err;

	spin_lock(&tasklist_lock);
	t = task_find_locked(tid);
	err = !t || (tgid && t->process->pid != tgid) ? -ESRCH : task_may_signal(t, sig);
	if (!err && sig)
		err = signal_queue(sig, info, t, false);
	spin_unlock(&tasklist_lock);
	return err;
}

static struct siginfo_k tkill_info(int sig)
{
	struct siginfo_k info = { .si_signo = sig, .si_code = SI_TKILL };

	info._sifields._kill._pid = task_pid(current);
	info._sifields._kill._uid = current->real_cred->uid;
	return info;
}

SYSCALL(tgkill, int tgid, int tid, int sig)
{
	struct siginfo_k info = tkill_info(sig);

	if (sig < 0 || sig > NR_SIGNALS || tgid <= 0 || tid <= 0)
		return -EINVAL;
	return kill_thread(tgid, tid, sig, &info);
}

SYSCALL(tkill, int tid, int sig)
{
	struct siginfo_k info = tkill_info(sig);

	if (sig < 0 || sig > NR_SIGNALS || tid <= 0)
		return -EINVAL;
	return kill_thread(0, tid, sig, &info);
}

/* Nobody but the kernel may claim to be the kernel, or kill(2). */
int signal_info_from_user(struct siginfo_k *info, const siginfo_t __user *u, int sig, int pid)
{
	if (copy_from_user(info, u, sizeof(*info)))
		return -EFAULT;
	info->si_signo = sig;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && task_pid(current) != pid)
		return -EPERM;
	return 0;
}

SYSCALL(rt_sigqueueinfo, int pid, int sig, const siginfo_t __user *uinfo)
{
	struct siginfo_k info;
	int err = signal_info_from_user(&info, uinfo, sig, pid);

	if (err)
		return err;
	if (sig < 0 || sig > NR_SIGNALS)
		return -EINVAL;
	return kill_process(pid, sig, &info);
}

SYSCALL(rt_tgsigqueueinfo, int tgid, int tid, int sig, const siginfo_t __user *uinfo)
{
	struct siginfo_k info;
	int err = signal_info_from_user(&info, uinfo, sig, tid);

	if (err)
		return err;
	if (sig < 0 || sig > NR_SIGNALS || tgid <= 0 || tid <= 0)
		return -EINVAL;
	return kill_thread(tgid, tid, sig, &info);
}
