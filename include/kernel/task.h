/*
 * task.h - struct task: one thread of execution, of a process or of the kernel.
 * Border: open to arch.
 *
 * One struct serves all layers, as in Linux; each block of fields belongs to the layer named over it, and lower
 * layers hold only opaque pointers to what upper layers define. A process (thread group) is struct process in
 * <proc/process.h>.
 *
 * Guards: [c] constant after creation  [s] the run queue's lock  [t] only the task itself  [g] process->siglock
 *         [a] atomic  [T] LOCK_TASKLIST
 */
#ifndef KERNEL_TASK_H
#define KERNEL_TASK_H

#include <arch/page.h>
#include <arch/thread.h>	/* struct arch_thread; get_current() */
#include <kernel/lock.h>
#include <lib/list.h>
#include <lib/rbtree.h>
#include <mm/ledger.h>		/* owner_t */

struct process;
struct mm;
struct files;
struct fs_context;
struct cred;
struct trapframe;
struct robust_list_head;
struct slab_cache;
struct psi_group;
struct siginfo_k;

#define TASK_COMM_LEN	16

enum task_state {
	TASK_RUNNING,		/* on a CPU or a run queue */
	TASK_INTERRUPTIBLE,	/* sleeps; a signal wakes it */
	TASK_UNINTERRUPTIBLE,	/* sleeps; only its event wakes it */
	TASK_KILLABLE,		/* sleeps; its event or a fatal signal wakes it */
	TASK_STOPPED,		/* job control */
	TASK_TRACED,
	TASK_ZOMBIE,		/* exited, not waited for */
	TASK_DEAD,		/* off the CPU for good; the scheduler drops its reference */
	TASK_NEW,		/* others may know it already, but only task_wake_new() starts it */
};

/* task->work: bits that make the return to user mode take the slow path. Set by anybody, atomically. */
enum task_work {
	WORK_RESCHED	= 1,	/* the time slice is over, or somebody better is ready */
	WORK_SIGNAL	= 2,	/* a signal may be deliverable */
	WORK_NOTIFY	= 4,	/* run task_notify() (rseq, deferred work) */
	WORK_SYSCALL_TRACE = 8,
	WORK_DEFERRED	= 16,	/* this CPU has deferred interrupts (set on current by the hard handler) */
	WORK_SIGMASK	= 32,	/* restore saved_blocked after delivering (sigsuspend, ppoll, pselect) */
};

enum task_flags {
	TF_KTHREAD	= 1,	/* runs in the kernel only; mm is NULL */
	TF_EXITING	= 2,
	TF_MEMALLOC	= 4,	/* is reclaiming: may use the reserves, must not reclaim again */
	TF_OOM_VICTIM	= 8,
	TF_FORKNOEXEC	= 16,
	TF_NOFREEZE	= 32,
	TF_VFORK_DONE	= 64,
	TF_USED_FPU	= 128,
	TF_SIGNALED	= 256,	/* killed by a signal */
	TF_MCE		= 512,
	TF_OOM_ORIGIN	= 1024,	/* does what takes all memory, as swapoff: it is killed before anybody else */
};

#define KSTACK_SIZE	(4 * PAGE_SIZE)

struct task {
	/* ---- arch: offsets known to assembly, keep first ---- */
	unsigned long		work;		/* [a] enum task_work */
	struct arch_thread	arch;		/* [t] saved stack pointer, fs/gs base, FPU state */
	void			*kstack;	/* [c] lowest address, KSTACK_SIZE bytes */
	struct trapframe	*frame;		/* [c] user registers at the top of kstack; NULL for kernel threads */

	/* ---- kernel/: scheduling ---- */
	int			state;		/* enum task_state; written by the task, or by its waker under [s] */
	u32			flags;		/* [t] enum task_flags */
	int			cpu;		/* [s] where it runs or last ran */
	bool			on_rq;		/* [s] */
	int			on_cpu;		/* set while its stack is in use by a CPU */
	u8			memstall;	/* [t] depth of psi_memstall_enter() */
	bool			psi_stalled, psi_ready;	/* as psi.c counts it; ready is kept only for tasks that are stalled or in a group */
	struct psi_group	*psi;		/* its cgroup's; NULL: the machine's alone */
	u8			last_mode;	/* [s] what the last tick found it in: 1 user, 0 kernel */
	struct rb_node		run_node;	/* [s] in the run queue, by vruntime */
	struct list		rt_link;	/* [s] in the run queue, SCHED_FIFO and RR */
	u64			vruntime;	/* [s] ns weighted by nice */
	s8			nice;		/* -20 … 19 */
	u8			policy;		/* SCHED_OTHER, FIFO, RR, BATCH, IDLE */
	bool			sched_reset_on_fork;
	u8			rt_priority;
	u64			last_wake;	/* [t] ktime when it last woke somebody; 0: not since it slept */
	u8			sync_waker;	/* [t] how regularly it sleeps right after waking somebody, 0 … SYNC_MAX */
	u64			slice_start;	/* [s] ktime when it was switched in */
	u64			exec_start;	/* [s] ktime up to which its CPU time is accounted */
	u64			utime, stime;	/* [s] ns spent in user mode and in the kernel; the sum is exact, the split sampled */
	u64			start_time;	/* ktime at creation */
	u64			nvcsw, nivcsw;	/* voluntary and involuntary switches */
	unsigned long		cpus_allowed;	/* bit per CPU */
	atomic_t		refs;		/* the task itself; frees the struct and the stack */
	bool			in_iowait;	/* [t] its sleep, if it sleeps, is for a disk or a file of the host: wait.h */
	char			comm[TASK_COMM_LEN];
#ifdef DEBUG
	struct lock_debug	*locks_held[16];
	int			nr_locks_held;
#endif

	/* ---- mm/ ---- */
	struct mm		*mm;		/* NULL for kernel threads */
	struct mm		*active_mm;	/* whose page table is loaded; a kernel thread borrows one */
	owner_t			owner;		/* who pays for its allocations */
	struct alloc_site	*site_floor;	/* allocations of sites from here on are counted for a module */
	struct alloc_site	*module_site;	/* in a kernel function that a module called: the place of the call; else NULL */
	u64			min_flt, maj_flt;
	bool			memcg_high;	/* [t] its cgroup is over memory.high: memcg_over_high() on the way to user mode */
	bool			may_fail;	/* a program, or a child of one: see mm/fail.c */
	bool			make_it_fail;
	struct kthread		*kthread;	/* [c] of a thread that can be told to stop: kernel/kthread.c; else NULL */
	unsigned		fail_nth;	/* [t] its n-th allocation from now fails; 0: none */
	int			fault_disabled;	/* > 0: user faults fail at once (the _nofault accessors) */

	/* ---- fs/ ---- */
	struct files		*files;		/* open files; shared by CLONE_FILES */
	struct fs_context	*fs;		/* root, cwd, umask; shared by CLONE_FS */
	struct cred		*cred;		/* effective, [t] to change */
	struct cred		*real_cred;

	/* ---- proc/ ---- */
	struct process		*process;	/* [c] its thread group; kernel threads have one too */
	int			tid;		/* [c] */
	struct list		thread_link;	/* [T] process->threads */
	u64			blocked;	/* [g] signal mask, bit n-1 for signal n */
	u64			saved_blocked;	/* [t] see WORK_SIGMASK */
	u64			real_blocked;	/* [g] mask during sigtimedwait */
	u64			pending;	/* [g] directed at this thread */
	struct list		pending_info;	/* [g] queued siginfo */
	unsigned long		altstack_sp, altstack_size;	/* [t] */
	int			altstack_flags;
	int			__user *set_child_tid, *clear_child_tid;
	struct robust_list_head	__user *robust_list;
	void			*vfork_done;	/* completion the parent sleeps on */
	void			*rseq_area;	/* user pointer */
	u32			rseq_len, rseq_sig;
	bool			stop_pending;	/* [g] has to stop for job control */
	u8			trap_nr;	/* [t] of the last exception, for signal frames */
	unsigned long		trap_err, trap_addr;	/* [t] */
	long			(*restart_fn)(struct task *t);	/* [t] restart_syscall: reads restart_args */
	int			exit_code;
	int			exit_signal;	/* to the parent, for the leader; -1 for other threads */
	int			pdeath_signal;
	u64			restart_args[6];
	int			ioprio;
	bool			no_new_privs;
	u64			timerslack_ns;
	/* ptrace.c */
	struct task		*tracer;	/* [T]+[g], either to read */
	struct list		trace_link;	/* [T] in tracer->tracees */
	struct list		tracees;	/* [T] tasks that this one traces */
	u32			trace_flags;	/* [g] enum trace_flags */
	u32			trace_options;	/* [g] PTRACE_O_* */
	int			trace_code;	/* [g] what it stopped with and wait has not reported yet; 0: nothing */
	int			trace_resume;	/* [g] signal to go on with */
	unsigned long		trace_message;	/* PTRACE_GETEVENTMSG */
	struct siginfo_k	*trace_info;	/* [g] while stopped: what the stop is about; NULL: a group stop */
	u64			read_bytes, write_bytes, rchar, wchar, syscr, syscw;	/* /proc/PID/io */
};

#define current		get_current()

static inline bool task_is_kthread(const struct task *t)
{
	return t->flags & TF_KTHREAD;
}

/* Ask for `bits` of enum task_work at the next return to user mode; task_kick() makes it soon. */
static always_inline void task_set_work(struct task *t, unsigned long bits)
{
	__atomic_fetch_or(&t->work, bits, __ATOMIC_SEQ_CST);
}

static always_inline void task_clear_work(struct task *t, unsigned long bits)
{
	__atomic_fetch_and(&t->work, ~bits, __ATOMIC_SEQ_CST);
}

extern struct slab_cache *task_cache;	/* every struct task but boot_task */
extern struct task boot_task;		/* runs kernel_main(), then is the boot CPU's idle task */

static inline struct task *task_get(struct task *t)
{
	atomic_inc(&t->refs);
	return t;
}

void task_put(struct task *t);

/* A kernel thread, not yet running; start it with task_wake(). NULL when out of memory. */
struct task *kthread_create(int (*fn)(void *), void *arg, const char *name_fmt, ...) must_check printf_like(3, 4);

/* Allocate struct task and kernel stack for fork; scheduling fields set up, nothing else copied. For proc/fork.c. */
struct task *task_alloc(void) must_check;

/* --- border: defined by proc/ --- */
unsigned long task_rlimit(struct task *t, unsigned resource);	/* soft limit of its process */
int task_pid(const struct task *t);				/* thread group id: what getpid() returns */
vaddr_t task_user_ip(const struct task *t);			/* where it entered the kernel from; 0: not from user mode */
noreturn void task_exit(int code);				/* this thread only */
/* Give a new kernel thread a pid and a process, so that ps shows it. 0, -ENOMEM, -EAGAIN. */
int kthread_attach(struct task *t) must_check;
void task_destroy(struct task *t);				/* t's last reference is gone: drop what proc/ keeps in it */

#endif
