/*
 * rwsem.c - many readers or one writer, sleeping and fair.
 *
 * SHAPE       count = RWSEM_WRITER, or RWSEM_READER per reader; RWSEM_WAITERS on top while the queue is not empty. The fast
 *             paths (inline) give up as soon as RWSEM_WAITERS is set, so nobody overtakes the queue. A release that
 *             leaves only RWSEM_WAITERS hands the lock to the head of the queue: one writer, or all readers up to the
 *             next writer.
 * INVARIANTS  R1 RWSEM_WAITERS is set exactly while the queue is not empty; it changes under wait_lock.
 *             R2 while it is set, count grows only under wait_lock (by handing over).
 * NOT CHOSEN  spinning as long as the owner runs: needs an owner field; a short blind spin gets most of it.
 */
#include <arch/cpu.h>
#include <kernel/cpu.h>
#include <kernel/lock.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <kernel/wait.h>
#include "lock_debug.h"

struct rwsem_waiter {
	struct list	link;
	struct task	*task;
	bool		writer;
	bool		granted;	/* the lock is ours; set under wait_lock */
};

void rwsem_init(struct rwsem *s, const char *name, enum lock_rank rank)
{
	atomic_set(&s->count, 0);
	spin_lock_init(&s->wait_lock, name, LOCK_WAITQ);
	list_init(&s->waiters);
#ifdef DEBUG
	s->debug = (struct lock_debug){ .name = name, .rank = rank };
#endif
}

static void grant_first(struct rwsem *s, struct rwsem_waiter *w)
{
	struct task *t = w->task;

	list_remove(&w->link);
	atomic_add(&s->count, w->writer ? RWSEM_WRITER : RWSEM_READER);
	WRITE_ONCE(w->granted, true);
	task_wake(t);
}

/* Hand the lock to whoever may have it now. wait_lock held. */
static void rwsem_grant(struct rwsem *s)
{
	struct rwsem_waiter *w;

	while ((w = list_first_entry(&s->waiters, struct rwsem_waiter, link))) {
		long c = atomic_read(&s->count);

		if (w->writer ? (c & ~RWSEM_WAITERS) : (c & RWSEM_WRITER))
			return;
		grant_first(s, w);
	}
	__atomic_fetch_and(&s->count.v, ~RWSEM_WAITERS, __ATOMIC_SEQ_CST);
}

void rwsem_wake_slow(struct rwsem *s)
{
	spin_lock(&s->wait_lock);
	rwsem_grant(s);
	spin_unlock(&s->wait_lock);
}

/* As mutex_spin(): a little patience, as long as nobody queues. */
static bool rwsem_spin(struct rwsem *s, bool writer)
{
	if (nr_cpus == 1)
		return false;
	for (int i = 0; i < LOCK_SPINS && !need_resched(); i++) {
		long c = atomic_read(&s->count);

		if (c & RWSEM_WAITERS)
			return false;
		if (!(c & (writer ? ~0L : RWSEM_WRITER)) &&
		    atomic_try_cmpxchg(&s->count, c, c + (writer ? RWSEM_WRITER : RWSEM_READER)))
			return true;
		cpu_relax();
	}
	return false;
}

/* Queue up and sleep until granted. 0, or -EINTR when killable and killed. */
static int rwsem_wait(struct rwsem *s, bool writer, enum task_state how)
{
	struct rwsem_waiter w = { .task = current, .writer = writer };
	int err = 0;

	might_sleep();
	if (rwsem_spin(s, writer))
		return 0;
	spin_lock(&s->wait_lock);
	list_append(&s->waiters, &w.link);
	/* From here on every release comes to wake_slow; one that came just before is made up for by the grant. */
	__atomic_fetch_or(&s->count.v, RWSEM_WAITERS, __ATOMIC_SEQ_CST);
	rwsem_grant(s);
	while (!w.granted) {
		task_set_state(how);
		if (wait_interrupted(how)) {
			list_remove(&w.link);
			rwsem_grant(s);		/* those behind us may go on */
			err = -WAIT_EINTR;
			break;
		}
		spin_unlock(&s->wait_lock);
		schedule();
		spin_lock(&s->wait_lock);	/* also keeps w alive until the waker is done with it */
	}
	task_set_state(TASK_RUNNING);
	spin_unlock(&s->wait_lock);
	return err;
}

void rwsem_read_slow(struct rwsem *s)
{
	(void)rwsem_wait(s, false, TASK_UNINTERRUPTIBLE);
}

int rwsem_write_slow(struct rwsem *s, bool killable)
{
	return rwsem_wait(s, true, killable ? TASK_KILLABLE : TASK_UNINTERRUPTIBLE);
}

int rwsem_write_lock_killable(struct rwsem *s)
{
	int err = 0;

	might_sleep();
	LOCK_CHECK(s, false);
	if (!atomic_try_cmpxchg(&s->count, 0, RWSEM_WRITER))
		err = rwsem_write_slow(s, true);
	if (!err)
		LOCK_PUSH(s);
	return err;
}

void rwsem_write_lock_nested(struct rwsem *s)
{
	might_sleep();
	LOCK_CHECK(s, true);
	if (!atomic_try_cmpxchg(&s->count, 0, RWSEM_WRITER))
		(void)rwsem_write_slow(s, false);
	LOCK_PUSH(s);
}

/* The writer becomes a reader; readers at the head of the queue join it. */
void rwsem_downgrade(struct rwsem *s)
{
	if (atomic_add_return(&s->count, RWSEM_READER - RWSEM_WRITER) & RWSEM_WAITERS)
		rwsem_wake_slow(s);
}

#ifdef DEBUG
static bool read_try(struct rwsem *s)
{
	long c = atomic_read(&s->count);

	while (!(c & (RWSEM_WRITER | RWSEM_WAITERS)))
		if (__atomic_compare_exchange_n(&s->count.v, &c, c + RWSEM_READER, false, __ATOMIC_SEQ_CST,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

void rwsem_read_lock(struct rwsem *s)
{
	might_sleep();
	LOCK_CHECK(s, false);
	if (!read_try(s))
		rwsem_read_slow(s);
	LOCK_PUSH(s);
}

bool rwsem_read_trylock(struct rwsem *s)
{
	if (!read_try(s))
		return false;
	LOCK_PUSH(s);
	return true;
}

void rwsem_read_unlock(struct rwsem *s)
{
	long c;

	LOCK_POP(s);
	c = atomic_sub_return(&s->count, RWSEM_READER);
	assert(c >= 0);
	if (c == RWSEM_WAITERS)
		rwsem_wake_slow(s);
}

void rwsem_write_lock(struct rwsem *s)
{
	might_sleep();
	LOCK_CHECK(s, false);
	if (!atomic_try_cmpxchg(&s->count, 0, RWSEM_WRITER))
		(void)rwsem_write_slow(s, false);
	LOCK_PUSH(s);
}

bool rwsem_write_trylock(struct rwsem *s)
{
	if (!atomic_try_cmpxchg(&s->count, 0, RWSEM_WRITER))
		return false;
	LOCK_PUSH(s);
	return true;
}

void rwsem_write_unlock(struct rwsem *s)
{
	LOCK_POP(s);
	assert(rwsem_is_write_locked(s));
	if (atomic_sub_return(&s->count, RWSEM_WRITER) & RWSEM_WAITERS)
		rwsem_wake_slow(s);
}
#endif
