/*
 * process.h - struct process: a thread group, and the tree and groups it stands in.
 *
 *	session ─── process group ─── process ─── threads (struct task)
 *	                                 └── children
 *
 * Threads of one process share: pid, parent, children, signal actions (struct sighand, which CLONE_SIGHAND can also share
 * between processes), limits, timers, exit status.
 *
 * Guards: [c] constant after creation  [T] LOCK_TASKLIST  [g] siglock  [a] atomic
 */
#ifndef PROC_PROCESS_H
#define PROC_PROCESS_H

#include <abi/resource.h>
#include <abi/signal.h>
#include <kernel/signal.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/wait.h>

struct tty;
struct text;
struct memcg;

#define NR_SIGNALS	64
#define SIGBIT(sig)	(1UL << ((sig) - 1))

struct sighand {
	atomic_t		refs;
	spinlock_t		lock;		/* LOCK_SIGNAL: "siglock" of every process that shares it */
	struct sigaction_k	action[NR_SIGNALS];	/* [g] signal n at n-1 */
	struct waitq		signalfd_waiters;
};

struct itimer {
	struct timer	timer;
	ktime_t		interval;		/* 0: one shot */
	struct process	*process;
};

struct process_times {			/* ns, and counts */
	u64	utime, stime, min_flt, maj_flt, nvcsw, nivcsw;
	u64	max_rss_kb;
	u64	rchar, wchar, syscr, syscw, read_bytes, write_bytes;
};

struct process {
	atomic_t		refs;
	int			pid;		/* [c] thread group id */
	struct task		*leader;	/* [T] the thread whose tid is pid; outlives the others as a zombie */
	struct list		threads;	/* [T]+[g] task->thread_link; either lock to read, both to change */
	int			nr_threads;	/* [T] live ones */

	struct process		*parent;	/* [T] who is told of the exit */
	struct list		children;	/* [T] */
	struct list		sibling;	/* [T] in parent->children */
	int			pgrp, session;	/* [T] */
	struct list		pgrp_link;	/* [T] in the pid entry of the group */
	struct tty		*tty;		/* [T] controlling terminal of the session: a reference held by the leader */
	bool			session_leader;	/* [T] */
	bool			child_subreaper, has_child_subreaper;
	bool			is_init;

	struct sighand		*sighand;	/* [T]+[g] */
	u64			pending;	/* [g] for any thread */
	struct list		pending_info;	/* [g] queued siginfo */
	atomic_t		nr_sigpending;	/* queued entries charged to its user */
	u32			flags;		/* [g] enum process_flags */
	int			group_exit_code;	/* [g] */
	int			stop_code;	/* [g] signal that stopped it, for wait */
	int			nr_stopping;	/* [g] threads that still have to stop */
	struct task		*exec_task;	/* [g] thread in exec that waits for the others */
	int			exec_waiting;	/* [g] others still alive */

	struct waitq		wait_children;	/* wait4 of this process sleeps here */
	struct waitq		exit_waiters;	/* pidfd poll, exec's wait for threads */

	struct rlimit64		rlim[RLIM_NLIMITS];	/* [g]; read without */
	struct process_times	dead;		/* [g] of threads that exited */
	struct process_times	children_times;	/* [g] of waited-for children */
	struct itimer		itimer_real;
	u64			prof_expires, prof_interval, virt_expires, virt_interval;	/* [g] ns of CPU time; 0: off */
	bool			cpu_timers;	/* [g] any of those, a POSIX CPU timer, or RLIMIT_CPU: task_tick() has work */
	struct list		posix_timers;	/* [g] */
	int			next_timer_id;
	int			creator_tid;	/* [c] thread that forked it, for __WNOTHREAD */
	int			exit_signal;	/* [T] to the parent; 0: none */
	struct waitq		pidfd_waiters;	/* poll on a pidfd */

	int			oom_score_adj, oom_score_adj_min;
	bool			oom_victim;
	bool			oom_reaped;	/* its private memory was taken already */
	u64			oom_time;	/* when it was chosen, monotonic ns */
	int			dumpable;	/* PR_SET_DUMPABLE */
	bool			did_exec;	/* since fork: setpgid by the parent is EACCES */
	u32			personality;
	u64			start_time;	/* monotonic ns */
	owner_t			owner;		/* in the ledger */
	struct memcg		*memcg;		/* [T] its cgroup, a reference, also of a zombie whose cgroup was removed; NULL: the root */
	int			exit_code;	/* wait status, once a zombie */
	bool			zombie;		/* [T] all threads are gone */
	bool			autoreap;
	unsigned		membarrier;
	char			*seccomp;	/* none yet */
};
enum process_flags {
	PF_GROUP_EXIT	= 1,	/* all threads are to die with group_exit_code */
	PF_STOPPED	= 2,	/* every thread is stopped */
	PF_STOP_REPORT	= 4,	/* not yet waited for with WUNTRACED */
	PF_CONTINUED	= 8,	/* not yet waited for with WCONTINUED */
	PF_UNKILLABLE	= 16,	/* init: signals without handler do nothing */
	PF_KTHREAD	= 32,
	PF_NOTIFY_CONT	= 64,	/* a thread of it must tell the parent that it was continued */
};

extern spinlock_t tasklist_lock;	/* LOCK_TASKLIST */
extern struct process *init_process;

#define current_process()	(current->process)

static inline spinlock_t *siglock(struct process *p)
{
	return &p->sighand->lock;
}

/* ---- proc/pid.c: numbers ---- */

void pid_init(void);
/* A number for a new task: unused as tid, pgrp, session. -EAGAIN when pid_max tasks exist, -ENOMEM. */
int pid_alloc(int *out) must_check;
int pid_alloc_nr(int nr) must_check;		/* this number; for process 1 */
void pid_free(int pid);				/* the number is no longer a tid; kept while a group or session has it */
void pid_attach(struct task *t);		/* [T] t becomes findable by t->tid */
void pid_detach(struct task *t);		/* [T] */
struct task *task_find(int tid);		/* reference, or NULL; any thread */
struct task *task_find_locked(int tid);		/* [T] held: borrowed */
struct process *process_find_locked(int pid);	/* [T] held: borrowed; by thread group id */
/* Group membership. [T] held. */
void pgrp_join(struct process *p, int pgrp);
void pgrp_leave(struct process *p);
struct list *pgrp_members(int pgrp);		/* process->pgrp_link; NULL when there is no such group */
bool pgrp_orphaned(int pgrp, struct process *ignore);	/* [T] no member with a parent outside, in the same session */
extern int pid_max;
extern int nr_threads_total;
extern u64 pids_given_total;	/* tasks ever made */

/* Every process, in pid order, with [T] held. */
struct process *process_next_locked(int after_pid);

/* ---- life ---- */

struct process *process_get(struct process *p);
void process_put(struct process *p);
struct mm *task_get_mm(struct task *t);		/* use reference of t's address space; NULL when it has none. For proc and ptrace */
/* The leader of the process that a pidfd stands for, with a reference: 0, -EBADF, -ESRCH when it was reaped. */
int pidfd_task(int fd, struct task **out) must_check;
int task_may_access(struct task *t);		/* PTRACE_MODE_READ of current on t: 0 or -EPERM */
int task_may_trace(struct task *t);		/* PTRACE_MODE_ATTACH: likewise */
int task_may_signal(struct task *t, int sig);	/* 0 or -EPERM: kill(2)'s rule */
void process_times_read(struct process *p, struct process_times *out);	/* all threads, living and dead */
struct rusage;
void rusage_fill(struct rusage *out, const struct process_times *t);
struct process *process_reaper(struct process *p);	/* [T] who adopts p's children */

struct memcg *process_memcg(const struct process *p);	/* never NULL */

/* ---- for exec: proc/exit.c, signal.c, timers ---- */

int process_exec_single(void) must_check;	/* the other threads die; current is the leader with tid == pid. 0, -EAGAIN */
void process_exec_done(bool secure);		/* dumpable, did_exec, pdeath_signal */
void task_mm_release(struct task *t);		/* vfork waiters, clear_child_tid, robust futexes; before its mm goes */

void signal_exec_reset(void);			/* handlers to default except ignored; no alternate stack; sighand unshared */
void timers_exec_reset(void);			/* POSIX timers are gone */

/* ---- for mm/oom.c and /proc ---- */
void oom_note_freed(int pid);		/* a victim's memory is back */
long oom_badness(struct process *p, unsigned long total_pages);

#endif
