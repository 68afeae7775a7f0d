/*
 * timer.c - one-shot timers, and sleeping for a time.
 *
 * SHAPE       per CPU a red-black tree of timers by expiry, the nearest one cached. The hardware's one-shot timer is set to
 *             the nearer of that and the scheduler's tick (sched_timer_interrupt()); what it marks runs timers_run() at
 *             the next safe point, where callbacks may lock and wake.
 * INVARIANTS  T1 timer->cpu names the tree it is in, -1: none; it changes under that tree's lock.
 *             T2 the hardware is never set later than the nearest timer. It may be set earlier: then it fires for nothing,
 *             which is cheaper than telling it of every cancelled timer.
 * LOCKS       base->lock (LOCK_TIMER); callbacks run without it.
 */
#include <arch/cpu.h>
#include <kernel/cpu.h>
#include <kernel/lock.h>
#include <kernel/sched.h>
#include <kernel/time.h>
#include "sched_internal.h"

struct timer_base {
	spinlock_t	lock;
	struct rb_root	tree;
	ktime_t		next;		/* expiry of the first, KTIME_MAX: none. Read without the lock */
	struct timer	*running;	/* its callback runs now */
};

static DEFINE_PER_CPU(struct timer_base, timer_base);

void timers_init_cpu(int cpu)
{
	struct timer_base *b = per_cpu_ptr(timer_base, cpu);

	spin_lock_init(&b->lock, "timer", LOCK_TIMER);
	b->tree.node = NULL;
	b->next = KTIME_MAX;
	b->running = NULL;
}

void timer_init(struct timer *t, void (*fn)(struct timer *))
{
	rb_node_init(&t->node);
	t->expires = 0;
	t->fn = fn;
	t->cpu = -1;
}

bool timer_queued(const struct timer *t)
{
	return READ_ONCE(t->cpu) >= 0;
}

static void base_insert(struct timer_base *b, struct timer *t)
{
	struct rb_node **link = &b->tree.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = t->expires < rb_entry(parent, struct timer, node)->expires ? &parent->left : &parent->right;
	}
	rb_insert(&b->tree, &t->node, parent, link);
	if (t->expires < b->next)
		WRITE_ONCE(b->next, t->expires);
}

static void base_remove(struct timer_base *b, struct timer *t)
{
	struct rb_node *first;

	rb_erase(&b->tree, &t->node);
	WRITE_ONCE(t->cpu, -1);
	if (t->expires > b->next)
		return;
	first = rb_first(&b->tree);
	WRITE_ONCE(b->next, first ? rb_entry(first, struct timer, node)->expires : KTIME_MAX);
}

void timer_start(struct timer *t, ktime_t expires)
{
	struct timer_base *b;
	bool first;

	timer_cancel(t);
	b = this_cpu_ptr(timer_base);
	spin_lock(&b->lock);
	t->expires = expires;
	WRITE_ONCE(t->cpu, (int)cpu_id());
	base_insert(b, t);
	first = b->next == expires;
	spin_unlock(&b->lock);
	if (first)
		sched_timer_program(expires);
}

bool timer_cancel(struct timer *t)
{
	for (;;) {
		int cpu = READ_ONCE(t->cpu);
		struct timer_base *b;

		if (cpu < 0)
			return false;
		b = per_cpu_ptr(timer_base, cpu);
		spin_lock(&b->lock);
		if (t->cpu == cpu) {
			base_remove(b, t);
			spin_unlock(&b->lock);
			return true;
		}
		spin_unlock(&b->lock);
	}
}

void timer_cancel_sync(struct timer *t)
{
	do {
		timer_cancel(t);
		for_each_cpu(cpu)
			while (cpu != cpu_id() && READ_ONCE(per_cpu_ptr(timer_base, cpu)->running) == t)
				cpu_relax();
	} while (timer_queued(t));
}

unsigned timers_cancel_if(bool (*match)(const struct timer *t, unsigned long start, unsigned long end), unsigned long start,
			  unsigned long end)
{
	unsigned found = 0;

	for_each_cpu(cpu) {
		struct timer_base *b = per_cpu_ptr(timer_base, cpu);
		struct rb_node *n, *next;

		spin_lock(&b->lock);
		for (n = rb_first(&b->tree); n; n = next) {
			struct timer *t = rb_entry(n, struct timer, node);

			next = rb_next(n);
			if (match(t, start, end)) {
				base_remove(b, t);
				found++;
			}
		}
		spin_unlock(&b->lock);
		while ((unsigned)cpu != cpu_id() && READ_ONCE(b->running))	/* whichever it is: it may be freed already */
			cpu_relax();
	}
	return found;
}

ktime_t timer_next_expiry(int cpu)
{
	return READ_ONCE(per_cpu_ptr(timer_base, cpu)->next);
}

void timers_run(void)
{
	struct timer_base *b = this_cpu_ptr(timer_base);
	ktime_t now;

	if (READ_ONCE(b->next) == KTIME_MAX)	/* others may cancel here meanwhile */
		return;
	now = ktime_get();
	while (READ_ONCE(b->next) <= now) {
		struct timer *t;

		spin_lock(&b->lock);
		t = rb_entry_or_null(rb_first(&b->tree), struct timer, node);
		if (!t || t->expires > now) {
			spin_unlock(&b->lock);
			break;
		}
		base_remove(b, t);
		WRITE_ONCE(b->running, t);
		spin_unlock(&b->lock);
		t->fn(t);
		smp_store_release(&b->running, NULL);
	}
}

struct sleeper {
	struct timer	timer;
	struct task	*task;
};

static void sleeper_wake(struct timer *t)
{
	task_wake(container_of(t, struct sleeper, timer)->task);
}

ktime_t schedule_hrtimeout(ktime_t absolute)
{
	struct sleeper s = { .task = current };
	ktime_t left;

	if (absolute == KTIME_MAX) {
		schedule();
		return KTIME_MAX;
	}
	timer_init(&s.timer, sleeper_wake);
	timer_start(&s.timer, absolute);
	schedule();
	timer_cancel_sync(&s.timer);
	left = absolute - ktime_get();
	return left > 0 ? left : 0;
}

ktime_t schedule_timeout(ktime_t timeout)
{
	ktime_t now;

	if (timeout == KTIME_MAX) {
		schedule();
		return KTIME_MAX;
	}
	if (timeout <= 0) {
		task_set_state(TASK_RUNNING);
		return 0;
	}
	now = ktime_get();
	return schedule_hrtimeout(timeout > KTIME_MAX - now ? KTIME_MAX : now + timeout);
}
