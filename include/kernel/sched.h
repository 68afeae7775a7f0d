/*
 * sched.h - who runs where. kernel/sched.c has the theory.
 */
#ifndef KERNEL_SCHED_H
#define KERNEL_SCHED_H

#include <kernel/task.h>
#include <kernel/time.h>

void sched_init(void);			/* boot CPU: turns the boot stack into the idle task */
void sched_init_cpu(int cpu);		/* each other CPU, on itself */
noreturn void sched_idle_loop(void);

/* Give up the CPU. The caller has set current->state; still TASK_RUNNING means "yield". No locks held. */
void schedule(void);
/* Run deferred interrupts and switch when due. For long kernel loops; no locks held. */
void cond_resched(void);
bool need_resched(void);

/* Make a sleeping task ready when its state is one of `states` (BIT(TASK_…)). True when it was asleep. */
bool task_wake_states(struct task *t, unsigned states);
bool task_wake(struct task *t);		/* any sleeping state but STOPPED, TRACED */
void task_wake_new(struct task *t);	/* first time */
void task_kick(struct task *t);		/* make it enter the kernel soon, wherever it runs (IPI) */

/* Sleep helpers: the pattern is  task_set_state(); check the condition; schedule();  */
void task_set_state(enum task_state s);	/* current's, with a full barrier */

/* Sleep at most `timeout` ns (relative). Remaining ns, 0 when it ran out. State must be set. KTIME_MAX: for ever. */
ktime_t schedule_timeout(ktime_t timeout);
ktime_t schedule_hrtimeout(ktime_t absolute_mono);	/* returns 0 when expired, else remaining */

void sched_set_nice(struct task *t, int nice);
int sched_set_affinity(struct task *t, unsigned long mask) must_check;	/* -EINVAL when no CPU is left */
void sched_yield(void);
void sched_tick(void);			/* from the timer interrupt */
noreturn void sched_task_dead(void);	/* last call of an exiting task */
u64 sched_idle_ns(int cpu);
unsigned sched_nr_running(void);
u64 sched_nr_switches(void);
void sched_loadavg(unsigned long out[3]);	/* fixed point, 11 bits */
void sched_account_user(struct task *t);	/* entry and exit points switch the time account */

/* border, defined by mm/: switch address spaces. Kernel threads pass next->mm == NULL and keep the old one. */
void mm_switch(struct task *prev, struct task *next);

#endif
