/*
 * sched_fair.c - which ready task is next on one CPU.
 *
 * SHAPE       SCHED_FIFO and RR stand in a list by priority, before all others. The rest share the CPU by weight: each has a
 *             virtual run time that grows with its CPU time, slower for a low nice value, and the smallest runs next.
 *             Ready tasks stand in a tree by it; the running one is in no tree.
 * INVARIANTS  F1 min_vruntime never falls, and no ready task is placed far below it: who slept long gets a small
 *             credit (SLEEPER_CREDIT), not all the time it missed.  F2 leftmost is the tree's first node.
 *             F3 real-time tasks cannot lock up a CPU: after sched_rt_runtime_us of each sched_rt_period_us they wait until no other
 *             task is ready or the period ends. Whoever would have to stop them may be one of the others.
 * LINUX       same weights (a step of nice is a factor of 1.25) and similar latencies; SCHED_IDLE weighs 3.
 */
#include "sched_internal.h"
#include <abi/sched.h>

#define SLEEPER_CREDIT	(3 * NSEC_PER_MSEC)
#define WAKE_GRANULE	(1 * NSEC_PER_MSEC)	/* a woken task must be this far ahead to preempt */
#define LATENCY		(6 * NSEC_PER_MSEC)	/* every ready task runs once in this time … */
#define MIN_SLICE	(750 * NSEC_PER_USEC)	/* … unless slices would get shorter than this */
#define RR_SLICE	(100 * NSEC_PER_MSEC)

int sysctl_sched_rt_period_us = 1000000, sysctl_sched_rt_runtime_us = 950000;	/* runtime -1: no limit */

/* 1024 * 1.25^nice: how fast virtual time passes at each nice value, from -20. */
static const u32 vtime_factor[40] = {
	12, 15, 18, 23, 29, 36, 45, 56, 70, 88, 110, 137, 172, 215, 268, 336, 419, 524, 655, 819,
	1024, 1280, 1600, 2000, 2500, 3125, 3906, 4883, 6104, 7629, 9537, 11921, 14901, 18626, 23283, 29104, 36380, 45475,
	56843, 71054,
};

u64 vruntime_of(const struct task *t, u64 ns)
{
	if (likely(t->nice == 0 && t->policy != SCHED_IDLE))
		return ns;
	if (t->policy == SCHED_IDLE)
		return ns * 1024 / 3;
	return ns * vtime_factor[t->nice + 20] >> 10;
}

static inline bool is_rt(const struct task *t)
{
	return t->rt_priority != 0;
}

static inline bool before(u64 a, u64 b)
{
	return (s64)(a - b) < 0;
}

static void tree_insert(struct rq *rq, struct task *t)
{
	struct rb_node **link = &rq->tree.node, *parent = NULL;
	bool first = true;

	while (*link) {
		parent = *link;
		if (before(t->vruntime, rb_entry(parent, struct task, run_node)->vruntime)) {
			link = &parent->left;
		} else {
			link = &parent->right;
			first = false;
		}
	}
	rb_insert(&rq->tree, &t->run_node, parent, link);
	if (first)
		rq->leftmost = &t->run_node;
}

static void tree_erase(struct rq *rq, struct task *t)
{
	if (rq->leftmost == &t->run_node)
		rq->leftmost = rb_next(&t->run_node);
	rb_erase(&rq->tree, &t->run_node);
}

/* At the end of its priority, or at its front when it was preempted with time left. */
static void rt_insert(struct rq *rq, struct task *t, bool front)
{
	struct task *other;

	list_for_each(other, &rq->rt, rt_link)
		if (other->rt_priority < t->rt_priority || (front && other->rt_priority == t->rt_priority))
			break;
	list_append(&other->rt_link, &t->rt_link);	/* before `other`, or at the end */
}

void rq_insert(struct rq *rq, struct task *t)
{
	if (unlikely(is_rt(t)))
		rt_insert(rq, t, t->policy == SCHED_FIFO || !(t->work & WORK_RESCHED));
	else
		tree_insert(rq, t);
}

void rq_enqueue(struct rq *rq, struct task *t)
{
	if (before(t->vruntime, rq->min_vruntime - SLEEPER_CREDIT))
		t->vruntime = rq->min_vruntime - SLEEPER_CREDIT;
	t->on_rq = true;
	WRITE_ONCE(rq->nr_running, rq->nr_running + 1);
	if (unlikely(is_rt(t)))
		rt_insert(rq, t, false);
	else
		tree_insert(rq, t);
}

static void rq_take_out(struct rq *rq, struct task *t)
{
	if (unlikely(is_rt(t)))
		list_remove(&t->rt_link);
	else
		tree_erase(rq, t);
}

void rq_dequeue(struct rq *rq, struct task *t)
{
	rq_take_out(rq, t);
	t->on_rq = false;
	WRITE_ONCE(rq->nr_running, rq->nr_running - 1);
}

struct task *rq_pick(struct rq *rq)
{
	struct task *t;

	if (unlikely(!list_empty(&rq->rt)) && !(rq->rt_throttled && rq->leftmost))
		t = list_entry(rq->rt.next, struct task, rt_link);
	else if (rq->leftmost)
		t = rb_entry(rq->leftmost, struct task, run_node);
	else
		return NULL;
	rq_take_out(rq, t);
	return t;
}

void rq_update_min_vruntime(struct rq *rq)
{
	u64 v = rq->curr->vruntime;

	if (rq->curr == rq->idle) {
		if (!rq->leftmost)
			return;
		v = rb_entry(rq->leftmost, struct task, run_node)->vruntime;
	} else if (rq->leftmost && before(rb_entry(rq->leftmost, struct task, run_node)->vruntime, v)) {
		v = rb_entry(rq->leftmost, struct task, run_node)->vruntime;
	}
	if (before(rq->min_vruntime, v))
		rq->min_vruntime = v;
}

/* Should the newly ready `t` take the CPU from `than`? */
bool rq_better(struct rq *rq, struct task *t, struct task *than)
{
	if (than == rq->idle)
		return true;
	if (unlikely(is_rt(t) || is_rt(than))) {
		if (rq->rt_throttled && !(is_rt(t) && is_rt(than)))
			return is_rt(than);
		return t->rt_priority > than->rt_priority;
	}
	if (unlikely(t->policy != than->policy && (t->policy == SCHED_IDLE || than->policy == SCHED_IDLE)))
		return than->policy == SCHED_IDLE;
	return t->policy != SCHED_BATCH && before(t->vruntime + WAKE_GRANULE, than->vruntime);
}

/* A late tick forgives nothing: the others' share begins when it is noticed that it is due. */
void rq_rt_period(struct rq *rq, ktime_t now)
{
	ktime_t period = (ktime_t)sysctl_sched_rt_period_us * NSEC_PER_USEC, share = (ktime_t)sysctl_sched_rt_runtime_us * NSEC_PER_USEC;

	if (!rq->rt_throttled && share >= 0 && (ktime_t)rq->rt_ns >= share) {
		rq->rt_throttled = true;
		rq->rt_period_end = now + max(period - share, (ktime_t)0);
	} else if (now >= rq->rt_period_end || !rq->rt_ns) {	/* it begins when the first of them runs */
		rq->rt_throttled = false;
		rq->rt_ns = 0;
		rq->rt_period_end = now + period;
	}
}

/* At the tick: has the running task had its share, with somebody waiting? */
bool rq_slice_over(struct rq *rq, ktime_t now)
{
	struct task *t = rq->curr, *first;
	s64 ran = now - (ktime_t)t->slice_start, slice;

	if (unlikely(rq->rt_throttled) && rq->leftmost && is_rt(t))
		return true;
	if (unlikely(!list_empty(&rq->rt)) && !(rq->rt_throttled && !is_rt(t))) {
		struct task *rt = list_entry(rq->rt.next, struct task, rt_link);

		return rt->rt_priority > t->rt_priority ||
		       (t->policy == SCHED_RR && rt->rt_priority == t->rt_priority && ran >= RR_SLICE);
	}
	if (is_rt(t) || !rq->leftmost)
		return false;
	first = rb_entry(rq->leftmost, struct task, run_node);
	slice = max(LATENCY / rq->nr_running, MIN_SLICE);
	return ran >= slice && before(first->vruntime, t->vruntime);
}

u64 sched_rr_interval(struct task *t)
{
	if (t->policy == SCHED_FIFO)
		return 0;
	return t->policy == SCHED_RR ? RR_SLICE : (u64)TICK_NSEC;
}
