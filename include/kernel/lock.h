/*
 * lock.h - the locks and their one order.
 * Border: open to lib, arch.
 *
 * Ranks are taken upwards only: whoever holds a lock of rank r may take locks of a rank above r. Two locks
 * of one rank may be held together only where the rank says how (by address, or parent before child with the
 * _nested call). Debug and host builds check this at every acquisition and print both sites when it fails.
 *
 * The kernel is not preemptible and interrupt handlers take no locks (docs/decisions/0002), so a
 * spinlock disables nothing: it only keeps other CPUs out. Code that holds one must not sleep.
 *
 * Definitions: kernel/lock.c; arch/host checks the same ranks with threads as CPUs.
 */
#ifndef KERNEL_LOCK_H
#define KERNEL_LOCK_H

#include <lib/atomic.h>
#include <lib/list.h>

enum lock_rank {
	LOCK_NONE,
	/* sleeping locks */
	LOCK_FILE_POS,		/* file->pos_lock: two threads reading one open file */
	LOCK_REPORT,		/* who stops the machine to look at it */
	LOCK_STOP,		/* one stop_machine() at a time */
	LOCK_DEVICE_ADD,	/* a driver that makes or takes away a device */
	LOCK_MOUNT,		/* mount tree changes; the list of disks */
	LOCK_OVL_RENAME, LOCK_OVL_DIR, LOCK_OVL_INODE, LOCK_OVL_COPY,	/* overlay's own, taken before those of its layers */
	LOCK_RENAME,		/* one cross-directory rename per file system */
	LOCK_INODE_DIR,		/* inode->rwsem of a directory; two: ancestor first, else by address */
	LOCK_INODE,		/* inode->rwsem of a file */
	LOCK_PIPE, LOCK_TTY, LOCK_EPOLL, LOCK_IPC,
	LOCK_PROCESS,		/* process->exec_lock and the like */
	LOCK_MMAP,		/* mm->mmap_lock; two (fork): parent, then child nested */
	LOCK_MAPPING,		/* mapping->invalidate_lock: truncate against fault */
	LOCK_PAGE,		/* PG_locked, a bit lock that sleeps */
	LOCK_I_MMAP,		/* mapping->i_mmap */
	LOCK_ANON_VMA,
	LOCK_SLEEP_LEAF,	/* a sleeping lock inside which nothing that sleeps is taken */
	/* spinning locks: nothing sleeps from here on */
	LOCK_FILES,
	LOCK_DCACHE,		/* dentry tree, unused list, mount table */
	LOCK_DCACHE_BUCKET,	/* one hash chain; two (rename) by address */
	LOCK_INODE_HASH, LOCK_FS,
	LOCK_TASKLIST,		/* the process tree: parents, children, pids, groups, sessions */
	LOCK_SIGNAL,		/* process->siglock */
	LOCK_FUTEX,		/* hash bucket; two by address */
	LOCK_PT,		/* page-table page; two (mremap) by address, fork nests child */
	LOCK_SWAP, LOCK_XARRAY, LOCK_LRU,
	LOCK_WAITQ,		/* wait-queue heads */
	LOCK_EPOLL_READY,	/* epoll's ready list and its sleepers: from wait-queue callbacks */
	LOCK_TIMER,
	LOCK_RUNQ,		/* run queue; two by CPU number */
	LOCK_DRIVER,
	LOCK_SLAB, LOCK_VMALLOC, LOCK_ZONE, LOCK_LEDGER,
	LOCK_LEAF,
	LOCK_CONSOLE,
	LOCK_TRACE,		/* a trace ring: inside anything */
};

#ifdef DEBUG
struct lock_debug {
	const char	*name;
	const void	*site;		/* who took it */
	void		*holder;	/* task, or CPU for spinning locks early in boot */
	enum lock_rank	rank;
};
#define LOCK_DEBUG_FIELD	struct lock_debug debug;
#define LOCK_DEBUG_INIT(n, r)	.debug = { .name = (n), .rank = (r) },
#else
#define LOCK_DEBUG_FIELD
#define LOCK_DEBUG_INIT(n, r)
#endif

typedef struct spinlock {
	u32 locked;			/* 0 free, 1 held */
	LOCK_DEBUG_FIELD
} spinlock_t;

#define SPINLOCK_INIT(n, r)	{ .locked = 0, LOCK_DEBUG_INIT(n, r) }

/* In kernel/lock.c or inline through <arch/…>: debug builds go through checking versions. */
void spin_lock_debug(spinlock_t *l, int nested);
void spin_unlock_debug(spinlock_t *l);
bool spin_trylock_debug(spinlock_t *l);
void spin_lock_contended(spinlock_t *l);
struct task;
/* The holder changes (the run queue's lock crosses a context switch). Nothing in release. */
void spin_lock_hand_over(spinlock_t *l, struct task *from, struct task *to);

static inline void spin_lock_init(spinlock_t *l, const char *name, enum lock_rank rank)
{
	l->locked = 0;
#ifdef DEBUG
	l->debug = (struct lock_debug){ .name = name, .rank = rank };
#else
	(void)name;
	(void)rank;
#endif
}

static inline bool spin_is_locked(const spinlock_t *l)
{
	return READ_ONCE(l->locked) != 0;
}

#ifdef DEBUG
#define spin_lock(l)		spin_lock_debug(l, 0)
#define spin_lock_nested(l)	spin_lock_debug(l, 1)	/* a second lock of the same rank, in the rank's order */
#define spin_unlock(l)		spin_unlock_debug(l)
#define spin_trylock(l)		spin_trylock_debug(l)
#else
static always_inline void spin_lock(spinlock_t *l)
{
	if (unlikely(__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE)))
		spin_lock_contended(l);
}
#define spin_lock_nested(l)	spin_lock(l)

static always_inline void spin_unlock(spinlock_t *l)
{
	__atomic_store_n(&l->locked, 0, __ATOMIC_RELEASE);
}

static always_inline bool spin_trylock(spinlock_t *l)
{
	return !__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE);
}
#endif

/* A sleeping lock with one owner. The uncontended path is one atomic exchange. */
struct mutex {
	atomic_t	state;		/* 0 free, 1 held, 2 held and somebody waits */
	spinlock_t	wait_lock;
	struct list	waiters;
	LOCK_DEBUG_FIELD
};

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank);
void mutex_lock_nested(struct mutex *m);	/* second lock of the same rank, in the rank's order */
int mutex_lock_interruptible(struct mutex *m) must_check;	/* 0, or -EINTR when a signal is pending */
int mutex_lock_slow(struct mutex *m, bool interruptible);
void mutex_unlock_slow(struct mutex *m);

static inline bool mutex_is_locked(const struct mutex *m)
{
	return atomic_read(&m->state) != 0;
}

#ifdef DEBUG
void mutex_lock(struct mutex *m);		/* may sleep */
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
#else
static always_inline bool mutex_trylock(struct mutex *m)
{
	return atomic_try_cmpxchg(&m->state, 0, 1);
}

static always_inline void mutex_lock(struct mutex *m)
{
	if (unlikely(!mutex_trylock(m)))
		(void)mutex_lock_slow(m, false);
}

static always_inline void mutex_unlock(struct mutex *m)
{
	if (unlikely(atomic_xchg(&m->state, 0) == 2))
		mutex_unlock_slow(m);
}
#endif
#define MUTEX_INIT(var, n, r) { .wait_lock = SPINLOCK_INIT(n, LOCK_WAITQ), \
				.waiters = LIST_INIT((var).waiters), LOCK_DEBUG_INIT(n, r) }

/*
 * Many readers or one writer; sleeps. Fair: once somebody waits, everybody who comes queues behind. The lock is handed
 * over by whoever releases it, so a waiter never loses a race.
 *
 * count: RWSEM_WRITER, or RWSEM_READER times the number of readers; RWSEM_WAITERS beside either while somebody queues.
 */
struct rwsem {
	atomic_long_t	count;
	spinlock_t	wait_lock;
	struct list	waiters;
	LOCK_DEBUG_FIELD
};
#define RWSEM_WRITER	1L
#define RWSEM_WAITERS	2L
#define RWSEM_READER	4L

void rwsem_init(struct rwsem *s, const char *name, enum lock_rank rank);
void rwsem_read_slow(struct rwsem *s);
int rwsem_write_slow(struct rwsem *s, bool killable);
void rwsem_wake_slow(struct rwsem *s);
void rwsem_write_lock_nested(struct rwsem *s);
int rwsem_write_lock_killable(struct rwsem *s) must_check;	/* 0 or -EINTR on a fatal signal */
void rwsem_downgrade(struct rwsem *s);
#define RWSEM_INIT(var, n, r) { .wait_lock = SPINLOCK_INIT(n, LOCK_WAITQ), \
				.waiters = LIST_INIT((var).waiters), LOCK_DEBUG_INIT(n, r) }

static inline bool rwsem_is_locked(const struct rwsem *s)
{
	return (atomic_read(&s->count) & ~RWSEM_WAITERS) != 0;
}

static inline bool rwsem_is_write_locked(const struct rwsem *s)
{
	return atomic_read(&s->count) & RWSEM_WRITER;
}

#ifdef DEBUG
void rwsem_read_lock(struct rwsem *s);
bool rwsem_read_trylock(struct rwsem *s);
void rwsem_read_unlock(struct rwsem *s);
void rwsem_write_lock(struct rwsem *s);
bool rwsem_write_trylock(struct rwsem *s);
void rwsem_write_unlock(struct rwsem *s);
#else
static always_inline bool rwsem_read_trylock(struct rwsem *s)
{
	long c = atomic_read(&s->count);

	while (likely(!(c & (RWSEM_WRITER | RWSEM_WAITERS))))
		if (likely(__atomic_compare_exchange_n(&s->count.v, &c, c + RWSEM_READER, false,
						       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
			return true;
	return false;
}

static always_inline void rwsem_read_lock(struct rwsem *s)
{
	if (unlikely(!rwsem_read_trylock(s)))
		rwsem_read_slow(s);
}

static always_inline void rwsem_read_unlock(struct rwsem *s)
{
	if (unlikely(atomic_sub_return(&s->count, RWSEM_READER) == RWSEM_WAITERS))
		rwsem_wake_slow(s);
}

static always_inline bool rwsem_write_trylock(struct rwsem *s)
{
	return atomic_try_cmpxchg(&s->count, 0, RWSEM_WRITER);
}

static always_inline void rwsem_write_lock(struct rwsem *s)
{
	if (unlikely(!rwsem_write_trylock(s)))
		(void)rwsem_write_slow(s, false);
}

static always_inline void rwsem_write_unlock(struct rwsem *s)
{
	if (unlikely(atomic_sub_return(&s->count, RWSEM_WRITER) & RWSEM_WAITERS))
		rwsem_wake_slow(s);
}
#endif

/* Assertions of the debug build; free in release. */
#ifdef DEBUG
void lock_assert_held(const struct lock_debug *d, bool locked);
#define assert_spin_held(l)	lock_assert_held(&(l)->debug, spin_is_locked(l))
#define assert_mutex_held(m)	lock_assert_held(&(m)->debug, mutex_is_locked(m))
#define assert_rwsem_held(s)	assert(rwsem_is_locked(s))
#define assert_rwsem_write_held(s) assert(rwsem_is_write_locked(s))
void might_sleep_at(const void *site);
void might_sleep(void);		/* complains when a spinlock is held or interrupts are off */
#else
#define assert_spin_held(l)	((void)0)
#define assert_mutex_held(m)	((void)0)
#define assert_rwsem_held(s)	((void)0)
#define assert_rwsem_write_held(s) ((void)0)
#define might_sleep()		((void)0)
#endif

#endif
