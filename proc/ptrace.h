/*
 * ptrace.h - what the rest of proc/ tells and asks the tracing of tasks.
 */
#ifndef PROC_PTRACE_H
#define PROC_PTRACE_H

#include <linux/ptrace.h>
#include "internal.h"

enum trace_flags {
	TRACE_SEIZED	= 1,	/* PTRACE_SEIZE: stops by group and by INTERRUPT are told apart */
	TRACE_SYSCALL	= 2,	/* resumed by PTRACE_SYSCALL */
	TRACE_STEP	= 4,	/* resumed by PTRACE_SINGLESTEP */
	TRACE_TRAP	= 8,	/* it is to stop and say how its group stands */
	TRACE_LISTEN	= 16,	/* stays stopped, and says when that changes */
	TRACE_IN_CALL	= 32,	/* stopped in the middle of a system call */
	TRACE_FROZEN	= 64,	/* its tracer is at work: not even SIGKILL wakes it */
	TRACE_ZOMBIE	= 128,	/* a thread other than the leader that ended; its tracer has not waited for it */
};

/* current stops with this; siglock held, released meanwhile, held again. The signal to go on with; `otherwise` if untraced. */
int trace_stop_locked(int code, struct siginfo_k *info, int cld, bool in_call, int otherwise);
void trace_trap_locked(void);			/* TRACE_TRAP is set: say how the group stands. siglock likewise */
/* A signal was taken for current: the tracer's word on it. The signal to act on, 0: none. siglock likewise. */
int trace_signal_locked(int sig, struct siginfo_k *info);
void trace_event(int event, unsigned long message);	/* PTRACE_EVENT_*, if asked for */
bool trace_event_on(const struct task *t, int event);
void trace_syscall_exit(void);			/* WORK_SYSCALL_TRACE */
bool trace_limits_exec(void);			/* current's tracer may not have what a set-user-ID program would get */
void trace_exec(int old_tid);
void trace_handler_entered(void);		/* a signal frame was built while stepping */

/* [T] A new task is about to become visible: current's tracer takes it, too, if `follow`. */
void trace_fork_locked(struct task *child, bool follow);
/* [T] t is not traced any more. Zombies that nobody waits for now are collected, see trace_free(). */
struct trace_dead {
	struct list	threads, processes;
};
void trace_unlink_locked(struct task *t, struct trace_dead *dead);
void trace_exit_locked(struct task *tracer, struct trace_dead *dead);	/* [T] lets go of all it traces */
void trace_notify_death(struct task *t, int cld, int status);		/* [T] t leads a process that ended */
void trace_thread_died(struct task *t);		/* [T] another thread: it stays until its tracer waited for it */
void trace_forget_locked(struct task *t);	/* [T] its number went to the thread that called exec */
void trace_free(struct trace_dead *dead);	/* after unlocking */

static inline bool traced_by_process(const struct task *t, const struct process *p)
{
	return t->tracer && t->tracer->process == p;
}

#endif
