/*
 * futex.c - sleeping on a word of user memory.
 *
 * SHAPE       a hash table of buckets, each a locked list of waiters. A waiter's key says where the word lives: the address space
 *             and address (private), or the object behind the mapping (mm_futex_key()).
 * INVARIANTS  F1 a waiter reads the word under its bucket's lock after being queued there, and a waker changes the word
 *             before it takes the lock: a wake-up between the check and the sleep is not lost.
 *             F2 waiter->key and the list it is on change together (requeue) under both buckets' locks; waiter->bucket
 *             names the list.  F3 who wakes removes the waiter from the list and then sets woken; after that it only touches
 *             the task, to which it holds a reference.
 * LOCKS       bucket->lock (LOCK_FUTEX), two by address. The word is read with a no-fault access under it; when its page is not
 *             there, it is read in without the lock and all starts again.
 * LINUX       FUTEX_LOCK_PI and its family: -ENOSYS. Robust lists are honoured.
 */
#include <abi/errno.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/wait.h>
#include <lib/hash.h>
#include <lib/string.h>
#include <linux/futex.h>
#include <linux/time_types.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include <mm/uaccess.h>
#include "internal.h"

#define NR_BUCKETS	256
#define ROBUST_LIMIT	2048		/* entries of a robust list we follow: it may be a ring */

struct bucket {
	spinlock_t	lock;
	struct list	waiters;
};

struct waiter {
	struct list	link;
	struct bucket	*bucket;	/* whose list it is on; NULL: woken */
	struct futex_key key;
	void		*ref;		/* keeps the key's object */
	struct task	*task;
	u32		bitset;
};

static struct bucket buckets[NR_BUCKETS] = {
	[0 ... NR_BUCKETS - 1] = { .lock = SPINLOCK_INIT("futex", LOCK_FUTEX) },
};

static struct bucket *bucket_of(const struct futex_key *k)
{
	return &buckets[hash_u64(k->a ^ (k->b >> 2) ^ k->offset, 8)];
}

/* Lists are set up when first used, under the lock. */
static void bucket_lock(struct bucket *b)
{
	spin_lock(&b->lock);
	if (unlikely(!b->waiters.next))
		list_init(&b->waiters);
}

static void bucket_lock_two(struct bucket *a, struct bucket *b)
{
	if (a > b) {
		struct bucket *t = a;

		a = b;
		b = t;
	}
	bucket_lock(a);
	if (a != b) {
		spin_lock_nested(&b->lock);
		if (unlikely(!b->waiters.next))
			list_init(&b->waiters);
	}
}

static void bucket_unlock_two(struct bucket *a, struct bucket *b)
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

static bool key_same(const struct futex_key *a, const struct futex_key *b)
{
	return a->a == b->a && a->b == b->b && a->offset == b->offset;
}

/* The common case, a private futex, needs no look at the mapping. */
static int get_key(u32 __user *uaddr, bool shared, bool write, struct futex_key *key, void **ref)
{
	vaddr_t addr = (vaddr_t)uaddr;

	*ref = NULL;
	if (addr % sizeof(u32))
		return -EINVAL;
	if (!access_ok(uaddr, sizeof(u32)))
		return -EFAULT;
	if (!shared) {
		*key = (struct futex_key){ .a = (u64)current->mm, .b = addr & PAGE_MASK, .offset = addr & ~PAGE_MASK };
		return 0;
	}
	return mm_futex_key(addr, true, write, key, ref);
}

static void put_key(void *ref)
{
	if (ref)
		mm_futex_key_put(ref);
}

/* Under a bucket's lock: 0, or -EFAULT when the page is not there at the moment. */
static int read_word(u32 *out, u32 __user *uaddr)
{
	return copy_from_user_nofault(out, uaddr, sizeof(*out)) ? -EFAULT : 0;
}

static int fault_in_word(u32 __user *uaddr, bool write)
{
	return fault_in_user(uaddr, sizeof(u32), write);
}

/* ---- wake ---- */

/* Bucket locked. The waiter may vanish as soon as its bucket is NULL. */
static void wake_waiter(struct waiter *w)
{
	struct task *t = task_get(w->task);

	list_remove(&w->link);
	smp_store_release(&w->bucket, NULL);
	task_wake(t);
	task_put(t);
}

static int wake_list(struct bucket *b, const struct futex_key *key, int nr, u32 bitset)
{
	struct waiter *w, *next;
	int woken = 0;

	list_for_each_safe(w, next, &b->waiters, link) {
		if (!key_same(&w->key, key) || !(w->bitset & bitset))
			continue;
		wake_waiter(w);
		if (++woken >= nr)
			break;
	}
	return woken;
}

static long futex_wake(u32 __user *uaddr, bool shared, int nr, u32 bitset)
{
	struct futex_key key;
	struct bucket *b;
	void *ref;
	int err;

	if (!bitset)
		return -EINVAL;
	err = get_key(uaddr, shared, false, &key, &ref);
	if (err)
		return err;
	b = bucket_of(&key);
	smp_mb();
	if (READ_ONCE(b->waiters.next) && !list_empty(&b->waiters)) {
		bucket_lock(b);
		err = wake_list(b, &key, nr, bitset);
		spin_unlock(&b->lock);
	}
	put_key(ref);
	return err;
}

long futex_wake_user(int __user *uaddr, int nr)
{
	return futex_wake((u32 __user *)uaddr, true, nr, FUTEX_BITSET_MATCH_ANY);
}

/* ---- wait ---- */

static void dequeue(struct waiter *w)
{
	struct bucket *b;

	/* A requeue may move it while we wait for the lock. */
	while ((b = smp_load_acquire(&w->bucket))) {
		spin_lock(&b->lock);
		if (w->bucket == b) {
			list_remove(&w->link);
			w->bucket = NULL;
			spin_unlock(&b->lock);
			return;
		}
		spin_unlock(&b->lock);
	}
}

/* Queue w if the word still is `val`. 0: queued. -EAGAIN: another value. -EFAULT: not there at the moment. -EINVAL. */
static inline int try_queue(struct waiter *w, u32 __user *uaddr, bool shared, u32 val)
{
	struct bucket *b;
	u32 now;
	int err;

	w->task = current;
	err = get_key(uaddr, shared, false, &w->key, &w->ref);
	if (err)
		return err;
	b = bucket_of(&w->key);
	bucket_lock(b);
	/* On the list before the look at the word: a waker that finds the list empty takes no lock (F1). */
	w->bucket = b;
	list_append(&b->waiters, &w->link);
	smp_mb();
	err = read_word(&now, uaddr);
	if (!err && now != val)
		err = -EAGAIN;
	if (err) {
		list_remove(&w->link);
		w->bucket = NULL;
	}
	spin_unlock(&b->lock);
	if (err)
		put_key(w->ref);
	return err;
}

/* The same, with the word read in if need be. -EFAULT: it cannot be. */
static int wait_setup(struct waiter *w, u32 __user *uaddr, bool shared, u32 val)
{
	int err;

	while ((err = try_queue(w, uaddr, shared, val)) == -EFAULT) {
		err = fault_in_word(uaddr, false);
		if (err)
			return err;
	}
	return err;
}

/* deadline: monotonic, KTIME_MAX: none. 0, -ETIMEDOUT, -ERESTARTSYS, -EAGAIN … */
static long futex_wait(u32 __user *uaddr, bool shared, u32 val, ktime_t deadline, u32 bitset)
{
	struct waiter w = { .bitset = bitset };
	bool timed_out = false;
	long err;

	if (!bitset)
		return -EINVAL;
	err = wait_setup(&w, uaddr, shared, val);
	if (err)
		return err;
	task_set_state(TASK_INTERRUPTIBLE);
	for (;;) {
		if (!READ_ONCE(w.bucket))
			break;
		if (signal_pending()) {
			err = -ERESTARTSYS;
			break;
		}
		if (timed_out) {
			err = -ETIMEDOUT;
			break;
		}
		timed_out = schedule_hrtimeout(deadline) == 0;
		task_set_state(TASK_INTERRUPTIBLE);
	}
	task_set_state(TASK_RUNNING);
	if (!READ_ONCE(w.bucket))
		err = 0;		/* woken, whatever else happened */
	else
		dequeue(&w);
	put_key(w.ref);
	return err;
}

/* ---- wait for one of several (futex_waitv) ---- */

struct vector {
	struct waiter		*waiters;
	struct futex_waitv	*words;
	unsigned		nr;
};

/* Take all waiters before `nr` off their lists. The index of one that had been woken, or -1. */
static int vector_dequeue(struct vector *v, unsigned nr)
{
	int woken = -1;

	for (unsigned i = 0; i < nr; i++) {
		struct waiter *w = &v->waiters[i];

		if (!READ_ONCE(w->bucket))
			woken = (int)i;
		else
			dequeue(w);
		put_key(w->ref);
	}
	return woken;
}

/* Queue all. 0; 1: *woken says which one was woken meanwhile; -EAGAIN, -EFAULT, -EINVAL, with none queued. */
static int vector_setup(struct vector *v, int *woken)
{
	unsigned i = 0;

	while (i < v->nr) {
		const struct futex_waitv *f = &v->words[i];
		u32 __user *uaddr = (u32 __user *)f->uaddr;
		int err = try_queue(&v->waiters[i], uaddr, !(f->flags & FUTEX_PRIVATE_FLAG), (u32)f->val);

		if (!err) {
			i++;
			continue;
		}
		*woken = vector_dequeue(v, i);
		if (*woken >= 0)
			return 1;
		if (err == -EFAULT)
			err = fault_in_word(uaddr, false);
		if (err)
			return err;
		i = 0;
	}
	return 0;
}

static bool vector_woken(const struct vector *v)
{
	for (unsigned i = 0; i < v->nr; i++)
		if (!READ_ONCE(v->waiters[i].bucket))
			return true;
	return false;
}

/* Sleep until one is woken: its index. -ETIMEDOUT, -ERESTARTSYS, -EAGAIN … */
static long vector_wait(struct vector *v, ktime_t deadline)
{
	bool timed_out = false;
	int woken, err;

	err = vector_setup(v, &woken);
	if (err)
		return err > 0 ? woken : err;
	for (;;) {
		task_set_state(TASK_INTERRUPTIBLE);
		if (vector_woken(v) || timed_out || signal_pending())
			break;
		timed_out = schedule_hrtimeout(deadline) == 0;
	}
	task_set_state(TASK_RUNNING);
	woken = vector_dequeue(v, v->nr);
	if (woken >= 0)
		return woken;
	return timed_out ? -ETIMEDOUT : -ERESTARTSYS;
}

static int vector_import(struct vector *v, const struct futex_waitv __user *from)
{
	if (copy_from_user(v->words, from, v->nr * sizeof(*from)))
		return -EFAULT;
	for (unsigned i = 0; i < v->nr; i++) {
		const struct futex_waitv *f = &v->words[i];

		if ((f->flags & ~(u32)(FUTEX_32 | FUTEX_PRIVATE_FLAG)) || !(f->flags & FUTEX_32) || f->__reserved)
			return -EINVAL;
		v->waiters[i].bitset = FUTEX_BITSET_MATCH_ANY;
	}
	return 0;
}

/* ---- two words at once ---- */

struct futex_pair {
	struct futex_key	k1, k2;
	struct bucket		*b1, *b2;
	void			*r1, *r2;	/* what keeps the keys' objects */
};

/* Find both words' buckets and lock them. writes: the second word is going to be changed. */
static long pair_lock(struct futex_pair *p, u32 __user *u1, u32 __user *u2, bool shared, bool writes)
{
	long err = get_key(u1, shared, false, &p->k1, &p->r1);

	if (err)
		return err;
	err = get_key(u2, shared, writes, &p->k2, &p->r2);
	if (err) {
		put_key(p->r1);
		return err;
	}
	p->b1 = bucket_of(&p->k1);
	p->b2 = bucket_of(&p->k2);
	bucket_lock_two(p->b1, p->b2);
	return 0;
}

static void pair_unlock(struct futex_pair *p)
{
	bucket_unlock_two(p->b1, p->b2);
	put_key(p->r1);
	put_key(p->r2);
}

/* ---- requeue ---- */

static int requeue_list(const struct futex_pair *p, int nr_wake, int nr_requeue)
{
	struct waiter *w, *next;
	int done = 0, woken = 0;

	list_for_each_safe(w, next, &p->b1->waiters, link) {
		if (!key_same(&w->key, &p->k1))
			continue;
		if (woken < nr_wake) {
			wake_waiter(w);
			woken++;
			done++;
			continue;
		}
		if (done - woken >= nr_requeue)
			break;
		w->key = p->k2;
		list_remove(&w->link);
		list_append(&p->b2->waiters, &w->link);
		WRITE_ONCE(w->bucket, p->b2);
		done++;
	}
	return done;
}

/* cmp: NULL, or the value the first word must have. */
static long futex_requeue(u32 __user *u1, u32 __user *u2, bool shared, int nr_wake, int nr_requeue, const u32 *cmp)
{
	struct futex_pair p;
	long err;
	u32 now;

	if (nr_wake < 0 || nr_requeue < 0)
		return -EINVAL;
	for (;;) {
		err = pair_lock(&p, u1, u2, shared, false);
		if (err)
			return err;
		if (!cmp || !(err = read_word(&now, u1)))
			break;
		pair_unlock(&p);
		err = fault_in_word(u1, false);
		if (err)
			return err;
	}
	/* A waiter keeps the object of its first key; the second one stays as long as its mapping does. */
	if (cmp && now != *cmp)
		err = -EAGAIN;
	else
		err = requeue_list(&p, nr_wake, nr_requeue);
	pair_unlock(&p);
	return err;
}

/* ---- wake two, the second depending on an operation ---- */

static int op_new_value(int op, u32 old, u32 arg, u32 *out)
{
	switch (op) {
	case FUTEX_OP_SET:
		*out = arg;
		return 0;
	case FUTEX_OP_ADD:
		*out = old + arg;
		return 0;
	case FUTEX_OP_OR:
		*out = old | arg;
		return 0;
	case FUTEX_OP_ANDN:
		*out = old & ~arg;
		return 0;
	case FUTEX_OP_XOR:
		*out = old ^ arg;
		return 0;
	}
	return -ENOSYS;
}

static int op_compare(int cmp, int old, int arg)
{
	switch (cmp) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return old < arg;
	case FUTEX_OP_CMP_LE:
		return old <= arg;
	case FUTEX_OP_CMP_GT:
		return old > arg;
	case FUTEX_OP_CMP_GE:
		return old >= arg;
	}
	return -ENOSYS;
}

/* Atomically *uaddr = op(*uaddr). *old is what was there. -EFAULT: the page is not there (or not writable). */
static int apply_op(u32 encoded, u32 __user *uaddr, u32 *old)
{
	int op = encoded >> 28 & 7;
	u32 arg = (u32)((int)(encoded << 8) >> 20), now, new;
	int err;

	if (encoded & (u32)FUTEX_OP_OPARG_SHIFT << 28)
		arg = 1u << (arg & 31);
	err = read_word(&now, uaddr);
	do {
		if (err)
			return err;
		*old = now;
		err = op_new_value(op, now, arg, &new);
		if (!err) {
			current->fault_disabled++;
			err = raw_cmpxchg_user32(uaddr, *old, new, &now);
			current->fault_disabled--;
		}
	} while (err || now != *old);
	return 0;
}

static long futex_wake_op(u32 __user *u1, u32 __user *u2, bool shared, int nr1, int nr2, u32 encoded)
{
	struct futex_pair p;
	u32 old = 0;
	long err;
	int hit;

	for (;;) {
		err = pair_lock(&p, u1, u2, shared, true);
		if (err)
			return err;
		err = apply_op(encoded, u2, &old);
		if (err != -EFAULT)
			break;
		pair_unlock(&p);
		err = fault_in_word(u2, true);
		if (err)
			return err;
	}
	hit = err ? (int)err : op_compare(encoded >> 24 & 15, (int)old, (int)(encoded << 20) >> 20);
	err = hit;
	if (hit >= 0) {
		err = wake_list(p.b1, &p.k1, nr1, FUTEX_BITSET_MATCH_ANY);
		if (hit)
			err += wake_list(p.b2, &p.k2, nr2, FUTEX_BITSET_MATCH_ANY);
	}
	pair_unlock(&p);
	return err;
}

/* ---- the system call ---- */

static long wait_restart(struct task *t)
{
	return futex_wait((u32 __user *)t->restart_args[0], t->restart_args[1], (u32)t->restart_args[2],
			  (ktime_t)t->restart_args[3], (u32)t->restart_args[4]);
}

/* FUTEX_WAIT's timeout is relative, FUTEX_WAIT_BITSET's absolute; -1: not valid. */
static ktime_t deadline_from(const struct __kernel_timespec *ts, int op)
{
	ktime_t t, now = ktime_get();

	if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= NSEC_PER_SEC)
		return -1;
	if (ts->tv_sec >= KTIME_MAX / NSEC_PER_SEC)
		return KTIME_MAX;
	t = ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;
	if ((op & FUTEX_CMD_MASK) == FUTEX_WAIT)
		return t > KTIME_MAX - now ? KTIME_MAX : now + t;
	if (op & FUTEX_CLOCK_REALTIME)
		t -= ktime_get_real() - now;
	return max(t, (ktime_t)0);
}

static long do_wait(u32 __user *uaddr, int op, u32 val, const struct __kernel_timespec __user *utime, u32 bitset)
{
	bool shared = !(op & FUTEX_PRIVATE_FLAG);
	struct __kernel_timespec ts;
	ktime_t deadline = KTIME_MAX;
	struct task *t = current;
	long err;

	if (utime) {
		if (get_user_struct(&ts, utime))
			return -EFAULT;
		deadline = deadline_from(&ts, op);
		if (deadline < 0)
			return -EINVAL;
	}
	err = futex_wait(uaddr, shared, val, deadline, bitset);
	if (err != -ERESTARTSYS || deadline == KTIME_MAX)
		return err;
	t->restart_fn = wait_restart;
	t->restart_args[0] = (u64)uaddr;
	t->restart_args[1] = shared;
	t->restart_args[2] = val;
	t->restart_args[3] = (u64)deadline;
	t->restart_args[4] = bitset;
	return -ERESTART_RESTARTBLOCK;
}

SYSCALL(futex, u32 __user *uaddr, int op, u32 val, const struct __kernel_timespec __user *utime, u32 __user *uaddr2, u32 val3)
{
	int cmd = op & FUTEX_CMD_MASK;
	bool shared = !(op & FUTEX_PRIVATE_FLAG);
	int val2 = (int)(unsigned long)utime;

	if ((op & FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	switch (cmd) {
	case FUTEX_WAIT:
		return do_wait(uaddr, op, val, utime, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET:
		return do_wait(uaddr, op, val, utime, val3);
	case FUTEX_WAKE:
		return futex_wake(uaddr, shared, (int)val, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return futex_wake(uaddr, shared, (int)val, val3);
	case FUTEX_REQUEUE:
		return futex_requeue(uaddr, uaddr2, shared, (int)val, val2, NULL);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(uaddr, uaddr2, shared, (int)val, val2, &val3);
	case FUTEX_WAKE_OP:
		return futex_wake_op(uaddr, uaddr2, shared, (int)val, val2, val3);
	}
	return -ENOSYS;
}

SYSCALL(futex_waitv, const struct futex_waitv __user *words, unsigned nr, unsigned flags,
	const struct __kernel_timespec __user *utime, int clock)
{
	struct __kernel_timespec ts;
	ktime_t deadline = KTIME_MAX;
	struct vector v = { .nr = nr };
	long err;

	if (flags || !nr || nr > FUTEX_WAITV_MAX || !words)
		return -EINVAL;
	if (utime) {
		if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
			return -EINVAL;
		if (get_user_struct(&ts, utime))
			return -EFAULT;
		deadline = deadline_from(&ts, FUTEX_WAIT_BITSET | (clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0));
		if (deadline < 0)
			return -EINVAL;
	}
	v.waiters = kcalloc(nr, sizeof(*v.waiters), GFP_KERNEL);
	v.words = kcalloc(nr, sizeof(*v.words), GFP_KERNEL);
	err = v.waiters && v.words ? vector_import(&v, words) : -ENOMEM;
	if (!err)
		err = vector_wait(&v, deadline);
	kfree(v.words);
	kfree(v.waiters);
	return err;
}

/* ---- robust lists: locks that their owner took with it ---- */

SYSCALL(set_robust_list, struct robust_list_head __user *head, size_t len)
{
	if (len != sizeof(*head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

SYSCALL(get_robust_list, int pid, struct robust_list_head __user *__user *out, size_t __user *len)
{
	struct task *t = pid ? task_find(pid) : task_get(current);
	struct robust_list_head __user *head;
	int err;

	if (!t)
		return -ESRCH;
	head = t->robust_list;
	err = task_may_access(t);
	task_put(t);
	if (err)
		return err;
	return put_user(sizeof(*head), len) || put_user((unsigned long)head, (unsigned long __user *)out) ? -EFAULT : 0;
}

/* The word of a lock that t may own: mark it as orphaned and wake one who waits for it. */
static int robust_release(struct task *t, u32 __user *uaddr, bool pi, bool pending)
{
	u32 word, seen, new;

	if ((vaddr_t)uaddr % sizeof(u32) || get_user(word, uaddr))
		return -EFAULT;
	/* It died between unlocking (0) and waking: do the waking for it. */
	if (pending && !pi && !word) {
		futex_wake(uaddr, true, 1, FUTEX_BITSET_MATCH_ANY);
		return 0;
	}
	for (;;) {
		if ((word & FUTEX_TID_MASK) != (u32)t->tid)
			return 0;
		new = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
		if (raw_cmpxchg_user32(uaddr, word, new, &seen)) {
			if (fault_in_word(uaddr, true))
				return -EFAULT;
			continue;
		}
		if (seen == word)
			break;
		word = seen;
	}
	if (!pi && (word & FUTEX_WAITERS))
		futex_wake(uaddr, true, 1, FUTEX_BITSET_MATCH_ANY);
	return 0;
}

static u32 __user *robust_word(unsigned long entry, long offset)
{
	return (u32 __user *)((entry & ~1UL) + offset);
}

void futex_exit_robust(struct task *t)
{
	struct robust_list_head __user *head = t->robust_list;
	unsigned long entry, pending, next;
	long offset;

	t->robust_list = NULL;
	if (!head || !t->mm)
		return;
	if (get_user(entry, (unsigned long __user *)&head->list.next) || get_user(offset, &head->futex_offset) ||
	    get_user(pending, (unsigned long __user *)&head->list_op_pending))
		return;
	for (int i = 0; (entry & ~1UL) != (unsigned long)&head->list && i < ROBUST_LIMIT; i++) {
		/* The next pointer first: the entry may be reused once its lock is free. */
		bool bad = get_user(next, (unsigned long __user *)(entry & ~1UL));

		if ((entry & ~1UL) != (pending & ~1UL) && robust_release(t, robust_word(entry, offset), entry & 1, false))
			break;
		if (bad)
			break;
		entry = next;
		cond_resched();
	}
	if (pending)
		(void)robust_release(t, robust_word(pending, offset), pending & 1, true);
}
