/*
 * sched.c - run queues, sleeping and waking, the switch from one task to the next.
 *
 * WHY         every CPU decides for itself from its own queue, so that a wake-up and a switch touch one lock. The order
 *             inside a queue is sched_fair.c's; where a task runs is decided when it becomes ready (an idle CPU, else the
 *             one it ran on) and when a CPU runs dry (it takes work from the others).
 * LIFE        new -> ready <-> running -> sleeping -> ready … -> dead. task->state says what the task wants, on_rq whether
 *             a queue counts it, on_cpu whether a CPU still uses its stack.
 * INVARIANTS  S1 task->on_rq and task->cpu change under the lock of the queue of task->cpu; so does state on its way to
 *             RUNNING.  S2 a queue's lock is held across switch_to(): the old task takes it, the new one releases it, so
 *             whoever holds it sees no task half switched.  S3 the idle task is never queued and never sleeps.
 *             S4 who sleeps sets its state (full barrier), then checks its condition, then calls schedule(); who wakes makes the
 *             condition true, then (full barrier) looks at the state. One of the two sees the other.
 * LOCKS       rq->lock (LOCK_RUNQ); a second one only by trylock.
 * TIME        the tick runs while a CPU is not idle; CPU time is exact, its split into user and system is by what the last
 *             tick saw. No tick on idle CPUs.
 * NOT CHOSEN  a kernel preemption counter: the kernel is not preemptible (docs/decisions/0002).
 * READ NEXT   docs/scheduling.md, kernel/sched_fair.c, include/kernel/sched.h
 */
#include <abi/errno.h>
#include <abi/sched.h>
#include <arch/cpu.h>
#include <arch/timer.h>
#include <arch/upcalls.h>
#include <kernel/kthread.h>
#include <kernel/cred.h>
#include <kernel/irq.h>
#include <kernel/panic.h>
#include <kernel/psi.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include "sched_internal.h"

struct task boot_task = {
	.state = TASK_RUNNING, .on_cpu = 1, .flags = TF_KTHREAD, .cpus_allowed = 1, .refs = ATOMIC_INIT(1),
	.comm = "swapper/0", .policy = SCHED_IDLE,
	.cred = &cred_root, .real_cred = &cred_root,
	.site_floor = LEDGER_MODULE_SITES, .rt_link = LIST_INIT(boot_task.rt_link), .thread_link = LIST_INIT(boot_task.thread_link),
	.pending_info = LIST_INIT(boot_task.pending_info),
};

DEFINE_PER_CPU(struct rq, runqueues);
static unsigned long idle_mask;			/* [a] CPUs that run their idle task */
struct slab_cache *task_cache;
static int tick_slot = -1;			/* of the deferred handler */
static unsigned long loadavg[3];
static struct timer load_timer;

#define NO_TICK_NEEDED(rq)	((rq)->curr == (rq)->idle && !(rq)->nr_running)

/* ---- locking a task's queue ---- */

struct rq *task_rq_lock(struct task *t)
{
	for (;;) {
		int cpu = READ_ONCE(t->cpu);
		struct rq *rq = cpu_rq(cpu);

		spin_lock(&rq->lock);
		if (likely(t->cpu == cpu))
			return rq;
		spin_unlock(&rq->lock);
	}
}

/* ---- time ---- */

void sched_timer_program(ktime_t at)
{
	struct rq *rq = this_rq();

	/* An interrupt in between only makes the hardware earlier than we think: its deferred half sets it right. */
	if (at < rq->hw_deadline) {
		rq->hw_deadline = at;
		arch_timer_set(at);
	}
}

/* For a wait that guest time must not pass in; on this CPU. */
void sched_timer_pause(void)
{
	arch_timer_set(KTIME_MAX);
}

void sched_timer_resume(void)
{
	arch_timer_set(this_rq()->hw_deadline);
}

void rq_update_curr(struct rq *rq, ktime_t now)
{
	struct task *t = rq->curr;
	s64 delta = now - (ktime_t)t->exec_start;

	if (delta <= 0)
		return;
	t->exec_start = now;
	if (t == rq->idle) {
		*(rq->nr_iowait > 0 ? &rq->iowait_ns : &rq->idle_ns) += delta;
		return;
	}
	t->vruntime += vruntime_of(t, delta);
	if (unlikely(t->rt_priority))
		rq->rt_ns += delta;
	if (t->last_mode)
		t->utime += delta;
	else
		t->stime += delta;
	rq_update_min_vruntime(rq);
}

void sched_timer_interrupt(bool from_user)
{
	struct rq *rq = this_rq();

	rq->hw_deadline = KTIME_MAX;
	rq->tick_user = from_user;
	deferred_raise(tick_slot);
}

static void load_balance(struct rq *rq);

/* Somebody waits here while others have nothing to do: an idle CPU that is woken looks for work to take. */
static void call_idle_cpu(void)
{
	unsigned long idle = READ_ONCE(idle_mask);

	if (idle)
		cpu_kick(__builtin_ctzl(idle));
}

/* The scheduler's share of a timer interrupt. current is whatever task reached the safe point. */
static void sched_tick(struct rq *rq)
{
	ktime_t now = ktime_get();

	spin_lock(&rq->lock);
	rq->curr->last_mode = rq->tick_user && !task_is_kthread(rq->curr);
	rq_update_curr(rq, now);
	rq_rt_period(rq, now);
	if (rq->curr == rq->idle ? rq->nr_running != 0 : rq_slice_over(rq, now))
		task_set_work(rq->curr, WORK_RESCHED);
	if (nr_cpus > 1 && ++rq->ticks % 16 == 0)
		load_balance(rq);
	if (rq->nr_running > 1)
		call_idle_cpu();
	spin_unlock(&rq->lock);
	if (current->process)
		task_tick(current);
}

static void tick_deferred(void *unused_arg)
{
	struct rq *rq = this_rq();
	ktime_t next;

	timers_run();
	sched_tick(rq);
	next = timer_next_expiry(rq->cpu);
	if (!NO_TICK_NEEDED(rq))
		next = min(next, ktime_get() + TICK_NSEC);
	if (next != KTIME_MAX)
		sched_timer_program(next);
}

void sched_task_times(struct task *t, u64 *utime, u64 *stime)
{
	struct rq *rq = task_rq_lock(t);

	if (rq->curr == t)
		rq_update_curr(rq, ktime_get());
	*utime = t->utime;
	*stime = t->stime;
	spin_unlock(&rq->lock);
}

/* ---- choosing a CPU ---- */

static unsigned least_loaded(unsigned long allowed)
{
	unsigned best = __builtin_ctzl(allowed), best_nr = U32_MAX;

	for_each_cpu(cpu) {
		unsigned nr = READ_ONCE(cpu_rq(cpu)->nr_running);

		if ((allowed & BIT(cpu)) && nr < best_nr) {
			best = cpu;
			best_nr = nr;
		}
	}
	return best;
}

/*
 * Tasks that talk to each other in turn (pipe, futex) run best on one CPU: the waker is about to sleep. Who did that the last few
 * times is believed to do it again. When it does not, the tick calls an idle CPU for help.
 */
#define SYNC_MAX	8
#define SYNC_BELIEVED	2
#define SYNC_SPAN	(200 * NSEC_PER_USEC)

static void sync_waker_slept(struct task *t, ktime_t now)
{
	if (now - (ktime_t)t->last_wake < SYNC_SPAN)
		t->sync_waker = min(t->sync_waker + 1, SYNC_MAX);
	else
		t->sync_waker /= 2;
	t->last_wake = 0;
}

static bool wake_here(struct task *waker, unsigned long allowed)
{
	struct rq *rq = this_rq();

	return waker->sync_waker >= SYNC_BELIEVED && rq->nr_running == 1 && waker != rq->idle && (allowed & BIT(rq->cpu));
}

/* Where a task that becomes ready should run: where it ran if that is idle, any idle CPU, where it ran, any allowed. */
static int select_cpu(struct task *t, int prev)
{
	unsigned long allowed = t->cpus_allowed & cpu_online_mask, idle;

	if (likely(nr_cpus == 1) || !allowed)
		return prev;
	if (wake_here(current, allowed))
		return cpu_id();
	idle = READ_ONCE(idle_mask) & allowed;
	if (idle)
		return idle & BIT(prev) ? prev : __builtin_ctzl(idle);
	return allowed & BIT(prev) ? prev : (int)least_loaded(allowed);
}

/* t, off every queue, moves from one queue's clock to another's. `from` locked. */
static void set_task_cpu(struct task *t, struct rq *from, int cpu)
{
	t->vruntime += READ_ONCE(cpu_rq(cpu)->min_vruntime) - from->min_vruntime;
	if (t->rseq_area)
		task_set_work(t, WORK_NOTIFY);
	WRITE_ONCE(t->cpu, cpu);
}

/* Tell the CPU of rq (locked) that t is ready. */
static void preempt_check(struct rq *rq, struct task *t)
{
	struct task *curr = rq->curr;

	if (!rq_better(rq, t, curr))
		return;
	task_set_work(curr, WORK_RESCHED);
	if (rq->cpu != (int)cpu_id())
		cpu_kick(rq->cpu);
}

/*
 * Queue t, which is RUNNING, off every queue, and known to nobody else as wakeable. Takes rq locked (its last one), chooses
 * a CPU, returns with everything unlocked.
 */
static void activate_unlock(struct rq *rq, struct task *t, bool woken)
{
	int cpu = t->on_cpu ? rq->cpu : select_cpu(t, rq->cpu);

	if (cpu != rq->cpu) {
		set_task_cpu(t, rq, cpu);
		spin_unlock(&rq->lock);
		rq = cpu_rq(cpu);
		spin_lock(&rq->lock);
	}
	if (rq->curr != rq->idle && rq->cpu == (int)cpu_id())
		rq_update_curr(rq, ktime_get());
	rq_enqueue(rq, t);
	if (woken && unlikely(READ_ONCE(psi_watched)))
		psi_sched_change(t, true);
	preempt_check(rq, t);
	spin_unlock(&rq->lock);
}

/* ---- waking ---- */

/* Part of the load: asleep in the middle of something. The machine's own tasks wait like that for work. */
static inline bool sleeps_blocked(const struct task *t)
{
	return (BIT(t->state) & (BIT(TASK_UNINTERRUPTIBLE) | BIT(TASK_KILLABLE))) && !(t->flags & TF_KTHREAD);
}

bool task_wake_states(struct task *t, unsigned states)
{
	struct rq *rq;

	smp_mb();			/* S4 */
	if (!(BIT(READ_ONCE(t->state)) & states))
		return false;
	rq = task_rq_lock(t);
	if (!(BIT(t->state) & states)) {
		spin_unlock(&rq->lock);
		return false;
	}
	if (t->on_rq) {			/* has not gone to sleep yet */
		WRITE_ONCE(t->state, TASK_RUNNING);
		spin_unlock(&rq->lock);
		return true;
	}
	if (sleeps_blocked(t))
		rq->nr_blocked--;
	if (t->in_iowait) {
		if (rq->curr == rq->idle)
			rq_update_curr(rq, ktime_get());	/* so far it was iowait */
		rq->nr_iowait--;
	}
	WRITE_ONCE(t->state, TASK_RUNNING);
	if (nr_cpus > 1)
		current->last_wake = ktime_get();
	activate_unlock(rq, t, true);
	return true;
}

bool task_wake(struct task *t)
{
	return task_wake_states(t, BIT(TASK_INTERRUPTIBLE) | BIT(TASK_UNINTERRUPTIBLE) | BIT(TASK_KILLABLE));
}

void task_wake_new(struct task *t)
{
	struct rq *rq = task_rq_lock(t);

	assert(t->state == TASK_NEW && !t->on_rq);
	t->vruntime = rq->min_vruntime;
	if (rq->curr->vruntime > t->vruntime)
		t->vruntime = rq->curr->vruntime;
	WRITE_ONCE(t->state, TASK_RUNNING);
	activate_unlock(rq, t, true);
}

void psi_task_move(struct task *t, struct psi_group *g)
{
	struct rq *rq = task_rq_lock(t);

	psi_task_move_locked(t, g, t->on_rq);
	spin_unlock(&rq->lock);
}

/* Work bits set before are seen: an interrupt makes a CPU in user mode come in, and on the way out it looks. */
void task_kick(struct task *t)
{
	int cpu = READ_ONCE(t->cpu);

	if (t != current && READ_ONCE(t->on_cpu) && cpu != (int)cpu_id())
		cpu_kick(cpu);
}

/* ---- taking work from others ---- */

/* Move one ready task from `from` to `to`, whose lock is held. False when there is none, or `from` is busy. */
static bool steal_from(struct rq *to, struct rq *from)
{
	struct rb_node *n;

	if (!spin_trylock(&from->lock))
		return false;
	for (n = from->leftmost; n; n = rb_next(n)) {
		struct task *t = rb_entry(n, struct task, run_node);

		if (!(t->cpus_allowed & BIT(to->cpu)))
			continue;
		rq_dequeue(from, t);
		set_task_cpu(t, from, to->cpu);
		spin_unlock(&from->lock);
		rq_enqueue(to, t);
		return true;
	}
	spin_unlock(&from->lock);
	return false;
}

static bool idle_steal(struct rq *rq)
{
	for_each_cpu(cpu) {
		struct rq *other = cpu_rq(cpu);

		if (other != rq && READ_ONCE(other->nr_running) > 1 && steal_from(rq, other))
			return true;
	}
	return false;
}

/* Now and then, while busy: even out when somebody has two more than we. */
static void load_balance(struct rq *rq)
{
	for_each_cpu(cpu) {
		struct rq *other = cpu_rq(cpu);

		if (other != rq && READ_ONCE(other->nr_running) >= rq->nr_running + 2 && steal_from(rq, other))
			return;
	}
}

/* ---- the switch ---- */

static struct task *pick_next(struct rq *rq)
{
	struct task *next = rq_pick(rq);

	if (!next && nr_cpus > 1 && idle_steal(rq))
		next = rq_pick(rq);
	return next ? next : rq->idle;
}

/* In the new task, on its stack: what the old one could not do about itself. */
static void finish_switch(struct task *prev)
{
	struct rq *rq = this_rq();
	struct task *push = rq->push;
	bool dead = prev->state == TASK_DEAD;

	spin_lock_hand_over(&rq->lock, prev, current);
	rq->push = NULL;
	smp_store_release(&prev->on_cpu, 0);
	if (unlikely(push))
		activate_unlock(rq, push, false);
	else
		spin_unlock(&rq->lock);
	irq_enable();
	if (unlikely(irq_deferred_pending()))
		task_set_work(current, WORK_DEFERRED);
	if (unlikely(dead))
		task_put(prev);
}

void sched_first_run(struct task *prev)
{
	finish_switch(prev);
}

static void switch_tasks(struct rq *rq, struct task *prev, struct task *next, ktime_t now)
{
	rq->curr = next;
	rq->nr_switches++;
	next->on_cpu = 1;
	next->exec_start = next->slice_start = now;
	if (next == rq->idle)
		set_bit(rq->cpu, &idle_mask);
	else if (prev == rq->idle)
		clear_bit(rq->cpu, &idle_mask);
	if (next != rq->idle && rq->hw_deadline > now + 2 * TICK_NSEC)
		sched_timer_program(now + TICK_NSEC);
	/*
	 * Until `current` is next, a flush that arrives would take this CPU for an idle one and load the kernel's root under
	 * next's feet (flush_remote), so nothing may interrupt from here on.
	 */
	irq_disable();
	if (!(next->mm && next->mm == prev->mm))
		mm_switch(prev, next);
	prev = switch_to(prev, next);
	finish_switch(prev);
}

/* prev stops running: sleeps, makes room, or must go elsewhere. */
static void put_prev(struct rq *rq, struct task *prev)
{
	if (prev == rq->idle)
		return;
	if (prev->state != TASK_RUNNING) {
		if (sleeps_blocked(prev))
			rq->nr_blocked++;
		rq->nr_iowait += prev->in_iowait;
		prev->nvcsw++;
		if (prev->last_wake)
			sync_waker_slept(prev, prev->exec_start);
		prev->on_rq = false;
		WRITE_ONCE(rq->nr_running, rq->nr_running - 1);
		if (unlikely(READ_ONCE(psi_watched)))
			psi_sched_change(prev, false);
	} else if (unlikely(!(prev->cpus_allowed & BIT(rq->cpu)))) {
		prev->on_rq = false;
		WRITE_ONCE(rq->nr_running, rq->nr_running - 1);
		rq->push = prev;
	} else {
		rq_insert(rq, prev);
	}
}

#ifdef DEBUG
static void check_may_schedule(struct task *t)
{
	might_sleep();
	assert(!t->nr_locks_held || t->locks_held[t->nr_locks_held - 1]->rank < LOCK_FILES);
}
#else
#define check_may_schedule(t)	((void)0)
#endif

void schedule(void)
{
	struct task *prev = current, *next;
	struct rq *rq;
	ktime_t now;

	check_may_schedule(prev);
	if (unlikely(READ_ONCE(prev->work) & WORK_DEFERRED))
		irq_run_deferred();
	rq = this_rq();
	assert(prev != rq->idle || prev->state == TASK_RUNNING);
	spin_lock(&rq->lock);
	now = ktime_get();
	rq_update_curr(rq, now);
	put_prev(rq, prev);
	if (prev->work & WORK_RESCHED)
		task_clear_work(prev, WORK_RESCHED);
	next = pick_next(rq);
	if (next == prev) {
		prev->slice_start = now;
		spin_unlock(&rq->lock);
		return;
	}
	if (prev->state == TASK_RUNNING) {
		prev->nivcsw++;
		if (prev->rseq_area)
			task_set_work(prev, WORK_NOTIFY);
	}
	switch_tasks(rq, prev, next, now);
}

void cond_resched_slow(void)
{
	if (current->work & WORK_DEFERRED)
		irq_run_deferred();
	if (current->work & WORK_RESCHED)
		schedule();
}

void sched_yield(void)
{
	struct task *t = current;
	struct rq *rq = this_rq();
	struct rb_node *last;

	spin_lock(&rq->lock);
	last = rb_last(&rq->tree);
	if (last && !t->rt_priority) {
		u64 v = rb_entry(last, struct task, run_node)->vruntime;

		if ((s64)(v - t->vruntime) >= 0)
			t->vruntime = v + 1;
	}
	if (t->rt_priority)
		task_set_work(t, WORK_RESCHED);	/* goes to the end of its priority */
	spin_unlock(&rq->lock);
	schedule();
}

/* ---- idle ---- */

noreturn void sched_idle_loop(void)
{
	struct rq *rq = this_rq();

	set_bit(rq->cpu, &idle_mask);
	irq_enable();
	for (;;) {
		if (irq_deferred_pending())
			irq_run_deferred();
		schedule();
		irq_disable();
		if (irq_deferred_pending() || READ_ONCE(rq->nr_running) || need_resched())
			irq_enable();
		else
			cpu_idle_wait();
	}
}

/* ---- tasks ---- */

struct task *task_alloc(void)
{
	struct task *t = slab_alloc(task_cache, GFP_KERNEL | GFP_ZERO);

	if (!t)
		return NULL;
	t->kstack = kstack_alloc();
	if (!t->kstack) {
		slab_free(task_cache, t);
		return NULL;
	}
	atomic_set(&t->refs, 2);	/* the creator's (later the process's), and the scheduler's until it is dead */
	t->site_floor = LEDGER_MODULE_SITES;
	t->state = TASK_NEW;
	t->cpu = cpu_id();
	t->last_mode = 1;
	t->cpus_allowed = ~0UL;
	t->start_time = ktime_get();
	rb_node_init(&t->run_node);
	list_init(&t->rt_link);
	list_init(&t->thread_link);
	list_init(&t->pending_info);
	list_init(&t->trace_link);
	list_init(&t->tracees);
	return t;
}

static void task_free(struct task *t)
{
	assert(!t->on_cpu && !t->on_rq);
	task_destroy(t);
	arch_thread_free(t);
	kstack_free(t->kstack);
	kthread_free(t);
	slab_free(task_cache, t);
}

void task_put(struct task *t)
{
	if (t && atomic_dec_and_test(&t->refs))
		task_free(t);
}

noreturn void sched_task_dead(void)
{
	current->state = TASK_DEAD;
	schedule();
	panic("a dead task ran");
}

/* ---- policy ---- */

void sched_set_nice(struct task *t, int nice)
{
	struct rq *rq = task_rq_lock(t);

	if (rq->curr == t)
		rq_update_curr(rq, ktime_get());
	t->nice = nice;
	spin_unlock(&rq->lock);
}

int sched_set_policy(struct task *t, int policy, int rt_priority, int nice)
{
	struct rq *rq = task_rq_lock(t);
	bool queued = t->on_rq && rq->curr != t;

	if (rq->curr == t)
		rq_update_curr(rq, ktime_get());
	if (queued)
		rq_dequeue(rq, t);
	t->policy = policy;
	t->rt_priority = rt_priority;
	t->nice = nice;
	if (queued) {
		rq_enqueue(rq, t);
		preempt_check(rq, t);
	} else if (rq->curr == t) {
		task_set_work(t, WORK_RESCHED);
		task_kick(t);
	}
	spin_unlock(&rq->lock);
	return 0;
}

int sched_set_affinity(struct task *t, unsigned long mask)
{
	struct rq *rq;

	mask &= cpu_online_mask;
	if (!mask)
		return -EINVAL;
	rq = task_rq_lock(t);
	t->cpus_allowed = mask;
	if (mask & BIT(rq->cpu) || !t->on_rq) {
		spin_unlock(&rq->lock);		/* fine where it is; a sleeper is placed when it wakes */
		return 0;
	}
	if (rq->curr == t) {
		task_set_work(t, WORK_RESCHED);
		spin_unlock(&rq->lock);
		task_kick(t);
		if (t == current)
			schedule();		/* put_prev() moves it */
		return 0;
	}
	rq_dequeue(rq, t);
	activate_unlock(rq, t, false);
	return 0;
}

/* ---- numbers ---- */

u64 sched_idle_ns(int cpu, u64 *iowait)
{
	struct rq *rq = cpu_rq(cpu);
	u64 ns;

	spin_lock(&rq->lock);
	if (rq->curr == rq->idle)
		rq_update_curr(rq, ktime_get());
	ns = rq->idle_ns;
	*iowait = rq->iowait_ns;
	spin_unlock(&rq->lock);
	return ns;
}

unsigned sched_nr_running(void)
{
	unsigned nr = 0;

	for_each_cpu(cpu)
		nr += READ_ONCE(cpu_rq(cpu)->nr_running);
	return nr;
}

unsigned sched_nr_blocked(void)
{
	long nr = 0;

	for_each_cpu(cpu)
		nr += READ_ONCE(cpu_rq(cpu)->nr_blocked);
	return (unsigned)max(nr, 0L);
}

unsigned sched_nr_iowait(void)
{
	long nr = 0;

	for_each_cpu(cpu)
		nr += READ_ONCE(cpu_rq(cpu)->nr_iowait);
	return (unsigned)max(nr, 0L);
}

u64 sched_nr_switches(void)
{
	u64 nr = 0;

	for_each_cpu(cpu)
		nr += READ_ONCE(cpu_rq(cpu)->nr_switches);
	return nr;
}

#define LOAD_SHIFT	11
#define LOAD_PERIOD	(5 * NSEC_PER_SEC)

void sched_loadavg(unsigned long out[3])
{
	memcpy(out, loadavg, sizeof(loadavg));
}

/* Every 5 s: load = load * e^(-5 s / span) + active * (1 - that), in 1/2048. */
static void load_sample(struct timer *t)
{
	static const unsigned long decay[3] = { 1884, 2014, 2037 };	/* spans of 1, 5, 15 minutes */
	unsigned long active = sched_nr_running() + sched_nr_blocked();

	for (int i = 0; i < 3; i++) {
		unsigned long load = loadavg[i] * decay[i] + (active << LOAD_SHIFT) * (2048 - decay[i]);

		if ((active << LOAD_SHIFT) >= loadavg[i])
			load += 2047;
		loadavg[i] = load >> LOAD_SHIFT;
	}
	timer_start(t, ktime_get() + LOAD_PERIOD);
}

/* ---- start ---- */

static void rq_init(int cpu, struct task *idle)
{
	struct rq *rq = cpu_rq(cpu);

	memset(rq, 0, sizeof(*rq));
	spin_lock_init(&rq->lock, "runqueue", LOCK_RUNQ);
	rq->cpu = cpu;
	rq->curr = rq->idle = idle;
	rq->hw_deadline = KTIME_MAX;
	list_init(&rq->rt);
	idle->cpu = cpu;
	idle->on_cpu = 1;
	idle->exec_start = ktime_get();
	timers_init_cpu(cpu);
}

struct task *sched_idle_create(int cpu)
{
	struct task *t = task_alloc();

	if (!t)
		return NULL;
	t->state = TASK_RUNNING;
	t->flags = TF_KTHREAD;
	t->policy = SCHED_IDLE;
	t->cpus_allowed = BIT(cpu);
	t->cred = t->real_cred = &cred_root;
	t->active_mm = boot_task.active_mm;
	ksnprintf(t->comm, sizeof(t->comm), "swapper/%d", cpu);
	rq_init(cpu, t);
	return t;
}

void sched_init_cpu(int cpu)
{
	assert(current == cpu_rq(cpu)->idle);
	current->exec_start = ktime_get();
}

void sched_init(void)
{
	task_cache = slab_cache_create("task_struct", sizeof(struct task), 64, SLAB_PANIC, NULL);
	tick_slot = deferred_register("timer", tick_deferred, NULL);
	assert(tick_slot >= 0);
	rq_init(0, &boot_task);
	timer_init(&load_timer, load_sample);
	timer_start(&load_timer, ktime_get() + LOAD_PERIOD);
}
