/*
 * sched.h - who runs where. kernel/sched.c has the theory.
 * Border: open to arch.
 */
#ifndef KERNEL_SCHED_H
#define KERNEL_SCHED_H

#include <kernel/task.h>
#include <kernel/time.h>

void sched_init(void);			/* boot CPU: turns the boot stack into the idle task */
void sched_init_cpu(int cpu);		/* each other CPU, on itself */
struct task *sched_idle_create(int cpu) must_check;	/* idle task with a stack for a CPU about to start; NULL: no memory */
noreturn void sched_idle_loop(void);

/* Give up the CPU. The caller has set current->state; still TASK_RUNNING means "yield". No locks held. */
void schedule(void);
static inline bool need_resched(void)
{
	return READ_ONCE(current->work) & WORK_RESCHED;
}
/* Run deferred interrupts and switch when due. For long kernel loops; no locks held. */
void cond_resched_slow(void);
static inline void cond_resched(void)
{
	if (unlikely(READ_ONCE(current->work) & (WORK_RESCHED | WORK_DEFERRED)))
		cond_resched_slow();
}

/* Make a sleeping task ready when its state is one of `states` (BIT(TASK_…)). True when it was asleep. */
bool task_wake_states(struct task *t, unsigned states);
bool task_wake(struct task *t);		/* any sleeping state but STOPPED, TRACED */
void task_wake_new(struct task *t);	/* first time */
void task_kick(struct task *t);		/* make it enter the kernel soon, wherever it runs (IPI) */

/* Sleep helpers: the pattern is  task_set_state(); check the condition; schedule();  */
static inline void task_set_state(enum task_state s)	/* current's, with a full barrier */
{
	__atomic_exchange_n(&current->state, s, __ATOMIC_SEQ_CST);
}

/* Sleep at most `timeout` ns (relative). Remaining ns, 0 when it ran out. State must be set. KTIME_MAX: for ever. */
ktime_t schedule_timeout(ktime_t timeout);
ktime_t schedule_hrtimeout(ktime_t absolute_mono);	/* returns 0 when expired, else remaining */

void sched_set_nice(struct task *t, int nice);
int sched_set_affinity(struct task *t, unsigned long mask) must_check;	/* -EINVAL when no CPU is left */
void sched_yield(void);
noreturn void sched_task_dead(void);	/* last call of an exiting task */
u64 sched_idle_ns(int cpu, u64 *iowait);	/* with nothing to do; and with nothing to do but wait for I/O */
unsigned sched_nr_running(void);
unsigned sched_nr_blocked(void);	/* programs that signals cannot wake: in the middle of something */
unsigned sched_nr_iowait(void);
u64 sched_nr_switches(void);
void sched_loadavg(unsigned long out[3]);	/* fixed point, 11 bits */
/* CPU time so far in ns, what it runs at this moment included. */
void sched_task_times(struct task *t, u64 *utime, u64 *stime);
int sched_set_policy(struct task *t, int policy, int rt_priority, int nice) must_check;	/* arguments checked by the caller */
u64 sched_rr_interval(struct task *t);
extern int sysctl_sched_rt_period_us, sysctl_sched_rt_runtime_us;

/* border, defined by proc/: the tick found current running (its CPU-time limits and timers). No locks held. */
void task_tick(struct task *t);

/* border, defined by mm/: switch address spaces. Kernel threads pass next->mm == NULL and keep the old one. */
void mm_switch(struct task *prev, struct task *next);

void sched_timer_pause(void);		/* this CPU's timer, for a wait in which no guest time passes */
void sched_timer_resume(void);

#endif
