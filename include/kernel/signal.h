/*
 * signal.h - what lower layers may do with signals. A border header: proc/signal.c defines all of it.
 * Border: open to arch.
 */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include <abi/signal.h>
#include <kernel/task.h>

/* Synchronous, for current: cannot be ignored or blocked without killing it (faults). */
void signal_force_fault(int sig, int si_code, vaddr_t addr);
void signal_send_current(int sig);				/* e.g. SIGPIPE, SIGXFSZ: SI_KERNEL, to current's thread */
/* To every process of a group / session leader's group. 0 or -ESRCH. */
int signal_send_pgrp(int pgrp, int sig);
void signal_kill_process(struct process *p);			/* SIGKILL to all its threads; OOM killer, exec */

/*
 * A signal mask for the time of one system call (ppoll, pselect6, epoll_pwait): NULL keeps the present one. 0, -EINVAL,
 * -EFAULT. After waiting, say whether the call returns -EINTR or -ERESTART*: then the old mask comes back after the handler
 * has run, else at once.
 */
int sigmask_user_set(const u64 __user *mask, size_t size) must_check;
void sigmask_user_restore(bool interrupted);

/* signalfd: take a pending signal of `mask` from current. Its number, or 0. */
struct siginfo_k { __SIGINFO; };
int signal_dequeue(u64 mask, struct siginfo_k *out);
u64 signal_pending_set(void);				/* pending for current, blocked or not */
struct waitq;
struct waitq *signal_waitq(void);			/* woken when a signal arrives for current's process */

/* What a signal frame is made from, and given back to; for the machine layer. */
struct sigaction_k {
	void		__user *handler;	/* SIG_DFL 0, SIG_IGN 1 */
	unsigned long	flags;			/* SA_* */
	void		__user *restorer;
	u64		mask;
};
void siginfo_to_user(siginfo_t *out, const struct siginfo_k *in);	/* pads to the ABI's 128 bytes */
void signal_set_blocked(u64 mask);		/* current's; SIGKILL and SIGSTOP are left out */
int signal_altstack_set(unsigned long sp, unsigned long size, int flags);	/* 0, -EINVAL, -ENOMEM */

/* Job control, for the tty layer. */
int process_group(void);		/* current's pgrp */
int process_session(void);		/* current's sid */
bool process_is_session_leader(void);
bool process_group_orphaned(int pgrp);
bool process_group_exists(int pgrp);
bool process_group_in_session(int pgrp, int session);
bool signal_ignored_or_blocked(int sig);	/* by current */
struct tty;
struct tty *process_tty_get(void);		/* controlling terminal; returns a reference or NULL */
void process_tty_set(struct tty *tty);		/* of current's session; consumes nothing */
void session_tty_clear(int session);		/* all processes of the session lose it */

/* System calls return these inside the kernel; the signal code turns them into EINTR or a restart. */
#define ERESTARTSYS		512	/* restart if SA_RESTART */
#define ERESTARTNOINTR		513	/* always restart */
#define ERESTARTNOHAND		514	/* restart only when no handler runs */
#define ERESTART_RESTARTBLOCK	516	/* restart through restart_syscall */

#endif
