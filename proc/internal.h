/*
 * internal.h - what the files of proc/ share about tasks and processes, and nobody else needs.
 */
#ifndef PROC_INTERNAL_H
#define PROC_INTERNAL_H

#include <proc/process.h>

struct file;

/* ---- process.c ---- */
/* A process around its first thread: nothing shared, no pid, on no list. NULL: no memory. */
struct process *process_create(struct task *leader) must_check;
void process_add_thread(struct process *p, struct task *t);	/* [T]+[g] */
void process_remove_thread(struct process *p, struct task *t);	/* [T]+[g] */
/* [T] Put a new process into the tree below parent, in the given group. */
void process_link(struct process *p, struct process *parent, int pgrp, int session);
void process_unlink(struct process *p);				/* [T] */
void times_add_task(struct process_times *sum, struct task *t);
void times_add(struct process_times *sum, const struct process_times *t);
extern struct slab_cache *sighand_cache;
struct sighand *sighand_create(void) must_check;
void sighand_put(struct sighand *s);

/* ---- fork.c ---- */
struct fork_args {
	u64		flags;		/* CLONE_* without the exit signal */
	int		exit_signal;
	unsigned long	stack;		/* new stack pointer, 0: the same */
	unsigned long	tls;
	int __user	*parent_tid, *child_tid;
	int __user	*pidfd;
	int		set_tid;	/* 0: any */
};
long do_fork(const struct fork_args *args);

/* ---- exit.c, wait.c ---- */
noreturn void process_exit_group(int code);		/* code: wait status */
void process_reap_locked(struct process *p);		/* [T] a zombie leaves the table; the caller then calls process_reaped() */
void process_reaped(struct process *p);			/* after unlocking */
bool process_notify_death(struct process *p);		/* [T] a zombie's tracer or parent is told. True: nobody will wait for it */
void notify_parent_locked(struct process *p, int si_code, int status);	/* [T] CLD_*: SIGCHLD, and wait4 wakes */

/* ---- signal.c ---- */
struct sigqueue {
	struct list		link;
	struct siginfo_k	info;
	struct process		*charged;	/* counts it in nr_sigpending; NULL for a timer's own */
};
void signal_init(void);
#define SIG_INFO_USER	((struct siginfo_k *)0)		/* SI_USER from current */
#define SIG_INFO_KERNEL	((struct siginfo_k *)1)		/* SI_KERNEL, no sender */
/* siglock held. to_process: any thread may take it. 0 or -EAGAIN (queue full). */
int signal_queue_locked(int sig, const struct siginfo_k *info, struct task *t, bool to_process);
int signal_queue(int sig, const struct siginfo_k *info, struct task *t, bool to_process);
int signal_queue_entry(struct sigqueue *q, struct task *t, bool to_process);	/* a timer's: 1 when it was queued already or ignored */
int signal_dequeue_locked(struct task *t, u64 mask, struct siginfo_k *info);	/* siglock held; the signal, or 0 */
void signal_flush(struct list *infos, u64 *pending);
void signal_recalc(struct task *t);		/* siglock held, t is current or stopped: sets or clears WORK_SIGNAL */
void signal_wake(struct task *t, bool fatal);	/* siglock held */
void signal_group_exit_locked(struct process *p, int code);	/* siglock held: every thread gets SIGKILL */
bool signal_default_ignored(int sig);
int signal_pgrp_locked(int pgrp, int sig, const struct siginfo_k *info, bool check);	/* [T] 0, -ESRCH, -EPERM */
int siginfo_put_user(siginfo_t __user *to, const struct siginfo_k *in) must_check;

#define SIG_KERNEL_STOP		(SIGBIT(SIGSTOP) | SIGBIT(SIGTSTP) | SIGBIT(SIGTTIN) | SIGBIT(SIGTTOU))
#define SIG_KERNEL_IGNORE	(SIGBIT(SIGCONT) | SIGBIT(SIGCHLD) | SIGBIT(SIGWINCH) | SIGBIT(SIGURG))
#define SIG_KERNEL_CORE		(SIGBIT(SIGQUIT) | SIGBIT(SIGILL) | SIGBIT(SIGTRAP) | SIGBIT(SIGABRT) | SIGBIT(SIGFPE) | \
				 SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGSYS) | SIGBIT(SIGXCPU) | SIGBIT(SIGXFSZ))
#define SIG_KERNEL_SYNC		(SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGILL) | SIGBIT(SIGTRAP) | SIGBIT(SIGFPE) | \
				 SIGBIT(SIGSYS))
#define SIG_UNBLOCKABLE		(SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))
#define SIG_USER_HANDLER(p, sig) ((unsigned long)(p)->sighand->action[(sig) - 1].handler)
#define SIG_DFL_VALUE		0UL
#define SIG_IGN_VALUE		1UL

/* siglock held: drop pending signals of `mask`, the thread's or (t NULL) the process's. */
void signal_discard_locked(struct process *p, struct task *t, u64 mask);
/* ---- sys_signal.c ---- */
int signal_info_from_user(struct siginfo_k *info, const siginfo_t __user *u, int sig, int pid) must_check;

/* ---- signal_deliver.c ---- */
void signal_deliver(struct trapframe *f);

/* ---- futex.c ---- */
void futex_exit_robust(struct task *t);
long futex_wake_user(int __user *uaddr, int nr);	/* shared key, for clear_child_tid */

/* ---- itimers, POSIX timers ---- */
void itimer_real_fn(struct timer *t);
void cpu_timers_update(struct process *p);	/* siglock held */
bool posix_cpu_timers_armed(struct process *p);	/* siglock held */
void posix_cpu_timers_check(struct process *p, struct task *t, u64 process_ns);	/* siglock held, t is current */
void signal_discard_entry(struct process *p, struct sigqueue *q);	/* siglock held: off the queue, if it is on one */
void timers_exit(struct process *p);		/* the last thread exits */
void cpu_timers_check(struct task *t);		/* from task_tick() */
void posix_timer_dequeued(struct siginfo_k *info, struct sigqueue *q);	/* siglock held: overruns, next expiry */

/* ---- rseq.c ---- */
void rseq_return_to_user(struct trapframe *f);
void rseq_signal(struct trapframe *f);		/* before a handler's frame is built */
void rseq_fork(struct task *child, u64 clone_flags);

/* ---- pidfd.c ---- */
int pidfd_create(struct process *p, u32 flags, struct file **out) must_check;
int pidfd_to_pid(int fd) must_check;		/* -EBADF when it is none */

/* ---- jobctl.c ---- */
void process_session_leader_exit(void);		/* the terminal of current's session is free again */

static inline u64 ns_to_clock_t(u64 ns)
{
	return ns / (NSEC_PER_SEC / USER_HZ);
}

#endif
