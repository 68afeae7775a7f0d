/*
 * test_lock.c - spin locks, mutexes, rwsems, wait queues, completions between CPUs; ranks and owners where they are checked.
 *
 * The counters behind the locks are plain variables: where a lock does not exclude, sums are wrong, and TSan says so.
 */
#include <arch/cpu.h>
#include <kernel/cpu.h>
#include <kernel/lock.h>
#include <kernel/sched.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include "unit.h"

#define CPUS	4
#define ROUNDS	20000

static struct {
	spinlock_t	spin;
	struct mutex	mutex;
	struct rwsem	sem;
	long		a, b, torn, reads;
	int		readers_most;
	atomic_t	readers;
	struct waitq	q;
	struct completion done;
	atomic_t	ready, woken;
} s;

static void setup(struct t *t)
{
	t_machine(t, 15, CPUS);
	memset(&s, 0, sizeof(s));
	spin_lock_init(&s.spin, "test spin", LOCK_LEAF);
	mutex_init(&s.mutex, "test mutex", LOCK_IPC);
	rwsem_init(&s.sem, "test rwsem", LOCK_MMAP);
	waitq_init(&s.q);
	completion_init(&s.done);
}

static void change_both(void)
{
	if (s.a != s.b)
		s.torn++;
	s.a++;
	s.b++;
}

static void spin_worker(unsigned cpu, void *arg)
{
	atomic_add(&s.ready, 1);
	while (atomic_read(&s.ready) < CPUS)	/* all at once, or there is nothing to exclude */
		cond_resched_slow();
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 3 == 0) {
			while (!spin_trylock(&s.spin))
				cpu_relax();
		} else {
			spin_lock(&s.spin);
		}
		change_both();
		spin_unlock(&s.spin);
	}
}

TEST(lock, spin_excludes)
{
	setup(t);
	host_on_cpus(CPUS, spin_worker, NULL);
	EXPECT_EQ(t, s.a, CPUS * ROUNDS);
	EXPECT_EQ(t, s.torn, 0);
	EXPECT(t, spin_trylock(&s.spin));
	EXPECT(t, !spin_trylock(&s.spin));
	spin_unlock(&s.spin);
	EXPECT(t, !spin_is_locked(&s.spin));
}

static void mutex_worker(unsigned cpu, void *arg)
{
	for (int i = 0; i < ROUNDS / 10; i++) {
		mutex_lock(&s.mutex);
		change_both();
		if (i % 64 == 0)
			cond_resched_slow();	/* others find it held, and sleep */
		mutex_unlock(&s.mutex);
	}
}

TEST(lock, mutex_excludes_and_wakes)
{
	setup(t);
	host_on_cpus(CPUS, mutex_worker, NULL);
	EXPECT_EQ(t, s.a, CPUS * (ROUNDS / 10));
	EXPECT_EQ(t, s.torn, 0);
	EXPECT(t, !mutex_is_locked(&s.mutex));
	EXPECT(t, list_empty(&s.mutex.waiters));
}

/* Goal: who found the mutex held long enough to go to sleep is woken. */
static void holder_and_sleeper(unsigned cpu, void *arg)
{
	if (cpu) {
		while (!atomic_read(&s.ready))
			cpu_relax();
		mutex_lock(&s.mutex);
		mutex_unlock(&s.mutex);
		return;
	}
	mutex_lock(&s.mutex);
	atomic_add(&s.ready, 1);
	while (atomic_read(&s.mutex.state) != 2)
		cond_resched_slow();
	mutex_unlock(&s.mutex);
}

TEST(lock, mutex_sleeper_is_woken)
{
	setup(t);
	host_on_cpus(2, holder_and_sleeper, NULL);
	EXPECT(t, !mutex_is_locked(&s.mutex));
}

static void rwsem_worker(unsigned cpu, void *arg)
{
	for (int i = 0; i < ROUNDS / 10; i++) {
		if ((i + cpu) % 4) {
			int now;

			rwsem_read_lock(&s.sem);
			now = atomic_add_return(&s.readers, 1);
			if (now > READ_ONCE(s.readers_most))
				WRITE_ONCE(s.readers_most, now);
			if (READ_ONCE(s.a) != READ_ONCE(s.b))
				WRITE_ONCE(s.torn, 1);
			cond_resched_slow();
			atomic_dec(&s.readers);
			rwsem_read_unlock(&s.sem);
			continue;
		}
		rwsem_write_lock(&s.sem);
		if (atomic_read(&s.readers))
			WRITE_ONCE(s.torn, 1);
		WRITE_ONCE(s.a, s.a + 1);
		WRITE_ONCE(s.b, s.b + 1);
		if (i % 8 == 0) {
			rwsem_downgrade(&s.sem);
			rwsem_read_unlock(&s.sem);
		} else {
			rwsem_write_unlock(&s.sem);
		}
	}
}

TEST(lock, rwsem_many_readers_or_one_writer)
{
	setup(t);
	host_on_cpus(CPUS, rwsem_worker, NULL);
	EXPECT_EQ(t, s.a, CPUS * (ROUNDS / 10) / 4);
	EXPECT_EQ(t, s.torn, 0);
	EXPECT(t, s.readers_most > 1);
	EXPECT(t, !rwsem_is_locked(&s.sem));
	EXPECT(t, list_empty(&s.sem.waiters));
}

/* Goal:   a writer that waits is not starved: who comes to read after it queues behind it.
 * Method: CPU 0 reads; CPU 1 wants to write; then CPU 2 wants to read and must find the writer's mark. */
static void fairness(unsigned cpu, void *arg)
{
	if (cpu == 0) {
		rwsem_read_lock(&s.sem);
		atomic_add(&s.ready, 1);
		while (list_empty(&s.sem.waiters))
			cpu_relax();
		atomic_add(&s.ready, 1);
		while (atomic_read(&s.ready) < 3)
			cond_resched_slow();
		rwsem_read_unlock(&s.sem);
	} else if (cpu == 1) {
		while (atomic_read(&s.ready) < 1)
			cpu_relax();
		rwsem_write_lock(&s.sem);
		WRITE_ONCE(s.a, 1);
		rwsem_write_unlock(&s.sem);
	} else {
		while (atomic_read(&s.ready) < 2)
			cpu_relax();
		EXPECT((struct t *)arg, !rwsem_read_trylock(&s.sem));
		atomic_add(&s.ready, 1);
		rwsem_read_lock(&s.sem);
		WRITE_ONCE(s.reads, READ_ONCE(s.a));
		rwsem_read_unlock(&s.sem);
	}
}

TEST(lock, rwsem_is_fair)
{
	setup(t);
	host_on_cpus(3, fairness, t);
	EXPECT_EQ(t, s.reads, 1);
}

/* ---- wait queues ---- */

static void sleepers(unsigned cpu, void *arg)
{
	struct wait_entry e;

	if (!cpu) {
		while (atomic_read(&s.ready) < CPUS - 1)
			cpu_relax();
		/* One exclusive sleeper at a time, then the rest. */
		EXPECT_EQ((struct t *)arg, waitq_wake_key(&s.q, 1, 0), 1);
		while (atomic_read(&s.woken) < 1)
			cpu_relax();
		EXPECT_EQ((struct t *)arg, atomic_read(&s.woken), 1);
		WRITE_ONCE(s.a, 1);
		while (atomic_read(&s.woken) < CPUS - 1)
			waitq_wake_all(&s.q);
		return;
	}
	wait_entry_init(&e);
	e.exclusive = true;
	waitq_add(&s.q, &e);
	task_set_state(TASK_UNINTERRUPTIBLE);
	atomic_add(&s.ready, 1);
	schedule();
	waitq_remove(&s.q, &e);
	atomic_add(&s.woken, 1);
}

TEST(lock, wait_queue_wakes_as_many_as_asked)
{
	setup(t);
	host_on_cpus(CPUS, sleepers, t);
	EXPECT_EQ(t, atomic_read(&s.woken), CPUS - 1);
	EXPECT(t, list_empty(&s.q.waiters));
}

static void completes(unsigned cpu, void *arg)
{
	if (cpu) {
		completion_wait(&s.done);
		EXPECT_EQ((struct t *)arg, s.a, 7);
	} else {
		s.a = 7;
		completion_done(&s.done);
	}
}

TEST(lock, completion_carries_what_was_before)
{
	for (int i = 0; i < 20; i++) {
		if (!i)
			setup(t);
		completion_init(&s.done);
		s.a = 0;
		host_on_cpus(2, completes, t);
	}
}

/* ---- the rules ---- */

#ifdef DEBUG
static void wrong_order(void *arg)
{
	spinlock_t low;

	spin_lock_init(&low, "low", LOCK_PT);
	spin_lock(&s.spin);
	spin_lock(&low);
}

static void twice(void *arg)
{
	spinlock_t other;

	spin_lock_init(&other, "other", LOCK_LEAF);
	spin_lock(&s.spin);
	spin_lock(&other);
}

static void not_held(void *arg)
{
	spin_unlock(&s.spin);
}

static void sleeps_with_spinlock(void *arg)
{
	spin_lock(&s.spin);
	mutex_lock(&s.mutex);
}

static void asserts_a_free_lock(void *arg)
{
	assert_spin_held(&s.spin);
}

TEST(lock, broken_rules_are_noticed)
{
	spinlock_t a, b;

	setup(t);
	EXPECT_PANIC(t, wrong_order, NULL);
	EXPECT_PANIC(t, twice, NULL);
	EXPECT_PANIC(t, not_held, NULL);
	EXPECT_PANIC(t, sleeps_with_spinlock, NULL);
	EXPECT_PANIC(t, asserts_a_free_lock, NULL);
	/* The right order, a nested pair, and a trylock against the order are fine. */
	spin_lock_init(&a, "a", LOCK_PT);
	spin_lock_init(&b, "b", LOCK_PT);
	spin_lock(&a);
	spin_lock_nested(&b);
	spin_lock(&s.spin);
	assert_spin_held(&s.spin);
	spin_unlock(&s.spin);
	spin_unlock(&b);
	spin_unlock(&a);
	spin_lock(&s.spin);
	EXPECT(t, spin_trylock(&a));
	spin_unlock(&a);
	spin_unlock(&s.spin);
}
#endif
