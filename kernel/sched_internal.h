/*
 * sched_internal.h - the run queue, shared by the files of the scheduler.
 */
#ifndef KERNEL_SCHED_INTERNAL_H
#define KERNEL_SCHED_INTERNAL_H

#include <kernel/cpu.h>
#include <kernel/sched.h>
#include <lib/rbtree.h>

/* One per CPU. Guarded by its lock (LOCK_RUNQ) unless said. */
struct rq {
	spinlock_t	lock;
	int		cpu;		/* constant */
	struct task	*curr, *idle;
	struct task	*push;		/* was running here and may not any more: placed elsewhere after the switch */
	unsigned	nr_running;	/* ready ones and the one that runs; not idle. Read without the lock too */
	struct rb_root	tree;		/* ready, by vruntime; not the one that runs */
	struct rb_node	*leftmost;
	u64		min_vruntime;	/* never falls */
	struct list	rt;		/* ready SCHED_FIFO and RR, highest priority first */
	u64		rt_ns;		/* that they ran in this period */
	ktime_t		rt_period_end;
	bool		rt_throttled;	/* they had their share of it: others go first, if there are any */
	long		nr_blocked;	/* went to sleep in the middle of something here, less those woken from it here */
	u64		nr_switches;
	long		nr_iowait;	/* the same of those that wait for I/O */
	u64		idle_ns, iowait_ns;	/* nothing to run; nothing, and somebody who slept here waits for I/O */
	unsigned	ticks;
	/* only this CPU, also in its timer interrupt */
	ktime_t		hw_deadline;	/* when the hardware timer will fire; KTIME_MAX: off */
	bool		tick_user;	/* the last timer interrupt found user mode */
};

DECLARE_PER_CPU(struct rq, runqueues);

static inline struct rq *this_rq(void)
{
	return this_cpu_ptr(runqueues);
}

static inline struct rq *cpu_rq(unsigned cpu)
{
	return per_cpu_ptr(runqueues, cpu);
}

/* Make sure the hardware timer fires by `at`. */
void sched_timer_program(ktime_t at);
struct rq *task_rq_lock(struct task *t);
void rq_update_curr(struct rq *rq, ktime_t now);
void timers_init_cpu(int cpu);

/* sched_fair.c: the order of ready tasks */
void rq_enqueue(struct rq *rq, struct task *t);		/* becomes ready: counts, places, inserts */
void rq_dequeue(struct rq *rq, struct task *t);		/* ready, not running: takes it out */
void rq_insert(struct rq *rq, struct task *t);		/* into tree or list only: the one that ran */
struct task *rq_pick(struct rq *rq);			/* takes out and returns the best; NULL when nothing is ready */
void rq_update_min_vruntime(struct rq *rq);
u64 vruntime_of(const struct task *t, u64 ns);
bool rq_better(struct rq *rq, struct task *t, struct task *than);
bool rq_slice_over(struct rq *rq, ktime_t now);
void rq_rt_period(struct rq *rq, ktime_t now);		/* at the tick, before rq_slice_over() */

#endif
