/*
 * lock.c - spinlocks: the contended path, and the checks of debug builds.
 *
 * WHY         Interrupt handlers take no locks and the kernel is not preemptible (docs/decisions/0002), so a spinlock
 *             only keeps other CPUs out: taking a free one is a single exchange, inline in <kernel/lock.h>.
 * SHAPE       Debug builds keep, per task, the locks it holds, in order. Each new one must outrank the last, unless the
 *             caller says _nested: then it may be of equal rank.
 * INVARIANTS  L1 the ranks in task->locks_held never fall.  L2 a task that sleeps holds no lock ranked LOCK_FILES or above.
 * NOT CHOSEN  ticket or queued locks: with at most 8 CPUs and critical sections of a few dozen instructions, fairness
 *             costs more than it gives. The sleeping locks are the fair ones.
 * READ NEXT   docs/locking.md, kernel/mutex.c, kernel/rwsem.c
 */
#include <arch/cpu.h>
#include <kernel/lock.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include "lock_debug.h"

/*
 * Interrupts stay on while we spin, so the holder's TLB flush requests are answered. Most locks are held for a few dozen instructions:
 * look that often before the first PAUSE, which leaves the translated code in an emulator and costs hundreds of them.
 */
void spin_lock_contended(spinlock_t *l)
{
	unsigned looks = 0;

	do {
		while (READ_ONCE(l->locked))
			if (++looks > 64)
				cpu_relax();
	} while (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE));
}

#ifdef DEBUG

#define MAX_HELD	ARRAY_SIZE(((struct task *)0)->locks_held)

static void lock_dump(struct task *t)
{
	for (int i = 0; i < t->nr_locks_held; i++)
		pr_err("  holds %s (rank %d), taken at %p\n", t->locks_held[i]->name, t->locks_held[i]->rank,
		       t->locks_held[i]->site);
}

static noreturn void lock_complain(const char *what, struct lock_debug *d, const void *site)
{
	struct task *t = current;
	int held = t->nr_locks_held;

	t->nr_locks_held = 0;		/* the console's own locks must not complain again */
	pr_err("lock: %s: %s (rank %d) at %p by %s\n", what, d->name ? d->name : "?", d->rank, site, t->comm);
	t->nr_locks_held = held;
	lock_dump(t);
	t->nr_locks_held = 0;
	panic("lock rule broken: %s", what);
}

void lock_debug_check(struct lock_debug *d, bool nested, const void *site)
{
	struct task *t = current;
	enum lock_rank top;

	if (!t->nr_locks_held)
		return;
	top = t->locks_held[t->nr_locks_held - 1]->rank;
	for (int i = 0; i < t->nr_locks_held; i++)
		if (t->locks_held[i] == d)
			lock_complain("taken twice", d, site);
	if (d->rank < top || (d->rank == top && !nested))
		lock_complain("order", d, site);
}

/* Kept sorted by rank: a trylock may take a lower one, and that must not hide the higher. */
void lock_debug_push(struct lock_debug *d, const void *site)
{
	struct task *t = current;
	int i = t->nr_locks_held;

	if (i == MAX_HELD)
		lock_complain("too many held", d, site);
	for (; i > 0 && t->locks_held[i - 1]->rank > d->rank; i--)
		t->locks_held[i] = t->locks_held[i - 1];
	t->locks_held[i] = d;
	t->nr_locks_held++;
	WRITE_ONCE(d->site, site);	/* readers of one rwsem all write here */
	WRITE_ONCE(d->holder, t);
}

static void lock_debug_drop(struct task *t, struct lock_debug *d, const void *site)
{
	int i = t->nr_locks_held - 1;

	while (i >= 0 && t->locks_held[i] != d)
		i--;
	if (i < 0)
		lock_complain("released, not held", d, site);
	for (t->nr_locks_held--; i < t->nr_locks_held; i++)
		t->locks_held[i] = t->locks_held[i + 1];
}

void lock_debug_pop(struct lock_debug *d, const void *site)
{
	lock_debug_drop(current, d, site);
	WRITE_ONCE(d->holder, NULL);
}

void spin_lock_debug(spinlock_t *l, int nested)
{
	const void *site = __builtin_return_address(0);

	lock_debug_check(&l->debug, nested, site);
	if (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE))
		spin_lock_contended(l);
	lock_debug_push(&l->debug, site);
}

bool spin_trylock_debug(spinlock_t *l)
{
	if (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE))
		return false;
	lock_debug_push(&l->debug, __builtin_return_address(0));
	return true;
}

void spin_unlock_debug(spinlock_t *l)
{
	lock_debug_pop(&l->debug, __builtin_return_address(0));
	assert(READ_ONCE(l->locked));
	__atomic_store_n(&l->locked, 0, __ATOMIC_RELEASE);
}

void spin_lock_hand_over(spinlock_t *l, struct task *from, struct task *to)
{
	lock_debug_drop(from, &l->debug, NULL);
	if (to->nr_locks_held == MAX_HELD)
		lock_complain("too many held", &l->debug, NULL);
	to->locks_held[to->nr_locks_held++] = &l->debug;
	l->debug.holder = to;
}

void lock_assert_held(const struct lock_debug *d, bool locked)
{
	if (!locked || (d->holder && d->holder != current))
		panic("lock %s not held where it must be", d->name ? d->name : "?");
}

void might_sleep_at(const void *site)
{
	struct task *t = current;

	if (t->nr_locks_held && t->locks_held[t->nr_locks_held - 1]->rank >= LOCK_FILES) {
		lock_dump(t);
		panic("sleeping at %p with a spinlock held", site);
	}
	if (!irqs_enabled() && t != &boot_task)
		panic("sleeping at %p with interrupts off", site);
}

void might_sleep(void)
{
	might_sleep_at(__builtin_return_address(0));
}

#else

void spin_lock_hand_over(spinlock_t *l, struct task *from, struct task *to)
{
}

#endif
