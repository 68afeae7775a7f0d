/*
 * mutex.c - a sleeping lock with one owner.
 *
 * SHAPE       state 0 free, 1 held, 2 held and somebody may wait. Taking a free one and releasing one nobody waits for
 *             are single atomic operations, inline in <kernel/lock.h>. Waiters queue in order of arrival; a release wakes
 *             the first, which then competes with newcomers.
 * INVARIANTS  M1 a sleeping waiter has set state to 2 after it was queued, so the release that follows sees it.
 * NOT CHOSEN  handing over to the first waiter: it would make every contended section as long as a context switch.
 *             rwsem.c does hand over, because there a writer could starve.
 */
#include <arch/cpu.h>
#include <kernel/cpu.h>
#include <kernel/lock.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <kernel/wait.h>
#include "lock_debug.h"

struct mutex_waiter {
	struct list	link;
	struct task	*task;
};

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank)
{
	atomic_set(&m->state, 0);
	spin_lock_init(&m->wait_lock, name, LOCK_WAITQ);
	list_init(&m->waiters);
#ifdef DEBUG
	m->debug = (struct lock_debug){ .name = name, .rank = rank };
#endif
}

/* The holder is probably running on another CPU and nearly done: a context switch costs more than a short wait. */
static bool mutex_spin(struct mutex *m)
{
	if (nr_cpus == 1)
		return false;
	for (int i = 0; i < LOCK_SPINS && atomic_read(&m->state) != 2 && !need_resched(); i++) {
		if (atomic_read(&m->state) == 0 && atomic_try_cmpxchg(&m->state, 0, 1))
			return true;
		cpu_relax();
	}
	return false;
}

/* Returns 0 with the mutex held, or -EINTR. */
int mutex_lock_slow(struct mutex *m, bool interruptible)
{
	enum task_state how = interruptible ? TASK_INTERRUPTIBLE : TASK_UNINTERRUPTIBLE;
	struct mutex_waiter w = { .task = current };
	int err = 0;

	might_sleep();
	if (mutex_spin(m))
		return 0;
	spin_lock(&m->wait_lock);
	list_append(&m->waiters, &w.link);
	for (;;) {
		task_set_state(how);
		if (atomic_xchg(&m->state, 2) == 0)
			break;
		if (wait_interrupted(how)) {
			err = -WAIT_EINTR;
			break;
		}
		spin_unlock(&m->wait_lock);
		schedule();
		spin_lock(&m->wait_lock);
	}
	task_set_state(TASK_RUNNING);
	list_remove(&w.link);
	/* The wake-up that ends a sleep may have been meant for the next in line. */
	if (err && !list_empty(&m->waiters))
		task_wake(list_first_entry(&m->waiters, struct mutex_waiter, link)->task);
	spin_unlock(&m->wait_lock);
	return err;
}

void mutex_unlock_slow(struct mutex *m)
{
	struct mutex_waiter *w;

	spin_lock(&m->wait_lock);
	w = list_first_entry(&m->waiters, struct mutex_waiter, link);
	if (w)
		task_wake(w->task);
	spin_unlock(&m->wait_lock);
}

int mutex_lock_interruptible(struct mutex *m)
{
	int err = 0;

	LOCK_CHECK(m, false);
	if (!atomic_try_cmpxchg(&m->state, 0, 1))
		err = mutex_lock_slow(m, true);
	if (!err)
		LOCK_PUSH(m);
	return err;
}

void mutex_lock_nested(struct mutex *m)
{
	might_sleep();
	LOCK_CHECK(m, true);
	if (!atomic_try_cmpxchg(&m->state, 0, 1))
		(void)mutex_lock_slow(m, false);
	LOCK_PUSH(m);
}

#ifdef DEBUG
void mutex_lock(struct mutex *m)
{
	might_sleep();
	LOCK_CHECK(m, false);
	if (!atomic_try_cmpxchg(&m->state, 0, 1))
		(void)mutex_lock_slow(m, false);
	LOCK_PUSH(m);
}

bool mutex_trylock(struct mutex *m)
{
	if (!atomic_try_cmpxchg(&m->state, 0, 1))
		return false;
	LOCK_PUSH(m);
	return true;
}

void mutex_unlock(struct mutex *m)
{
	int old;

	LOCK_POP(m);
	old = atomic_xchg(&m->state, 0);
	assert(old);
	if (old == 2)
		mutex_unlock_slow(m);
}
#endif
