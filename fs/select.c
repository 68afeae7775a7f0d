/*
 * select.c - poll, ppoll, select, pselect6.
 *
 * SHAPE    one pass over the files registers a wait entry on each queue they name; then the task sleeps until one of the entries is
 *          woken or the time is up, and looks again without registering. Entries beyond an inline few are kmalloc'ed.
 * LOCKS    none of its own; wait-queue callbacks run under the queue's lock and only mark and wake.
 */
#include "internal.h"
#include <kernel/signal.h>
#include <linux/poll.h>
#include <linux/time_types.h>

#define INLINE_ENTRIES	8

struct poll_entry {
	struct wait_entry	wait;
	struct waitq		*q;
	struct file		*file;		/* a reference: keeps the queue */
	struct poll_wait_set	*set;
	u32			key;
};

struct poll_chunk {
	struct poll_chunk	*next;
	unsigned		nr;
	struct poll_entry	entries[30];
};

struct poll_wait_set {
	struct poll_table	table;
	struct task		*task;
	bool			triggered;
	int			err;
	unsigned		nr_inline;
	struct poll_chunk	*chunks;
	struct poll_entry	inline_entries[INLINE_ENTRIES];
};

static bool poll_wake(struct wait_entry *w, unsigned long key)
{
	struct poll_entry *e = container_of(w, struct poll_entry, wait);

	if (key && !(key & e->key))
		return false;
	WRITE_ONCE(e->set->triggered, true);
	task_wake(e->set->task);
	return true;
}

static struct poll_entry *new_entry(struct poll_wait_set *s)
{
	struct poll_chunk *c = s->chunks;

	if (s->nr_inline < INLINE_ENTRIES)
		return &s->inline_entries[s->nr_inline++];
	if (!c || c->nr == ARRAY_SIZE(c->entries)) {
		c = kmalloc(sizeof(*c), GFP_KERNEL);
		if (!c) {
			s->err = -ENOMEM;
			return NULL;
		}
		c->nr = 0;
		c->next = s->chunks;
		s->chunks = c;
	}
	return &c->entries[c->nr++];
}

static void poll_queue(struct poll_table *pt, struct file *f, struct waitq *q)
{
	struct poll_wait_set *s = container_of(pt, struct poll_wait_set, table);
	struct poll_entry *e = new_entry(s);

	if (!e)
		return;
	wait_entry_init(&e->wait);
	e->wait.wake = poll_wake;
	e->q = q;
	e->file = file_get(f);
	e->set = s;
	e->key = pt->key;
	waitq_add(q, &e->wait);
}

static void set_init(struct poll_wait_set *s)
{
	s->table.queue = poll_queue;
	s->table.key = U32_MAX;
	s->task = current;
	s->triggered = false;
	s->err = 0;
	s->nr_inline = 0;
	s->chunks = NULL;
}

static void entry_free(struct poll_entry *e)
{
	waitq_remove(e->q, &e->wait);
	file_put(e->file);
}

static void set_free(struct poll_wait_set *s)
{
	for (unsigned n = 0; n < s->nr_inline; n++)
		entry_free(&s->inline_entries[n]);
	while (s->chunks) {
		struct poll_chunk *c = s->chunks;

		for (unsigned n = 0; n < c->nr; n++)
			entry_free(&c->entries[n]);
		s->chunks = c->next;
		kfree(c);
	}
}

/* Sleep until an entry fires or the deadline (KTIME_MAX: never) passes. False: time is up. */
static bool set_sleep(struct poll_wait_set *s, ktime_t deadline)
{
	bool in_time = true;

	task_set_state(TASK_INTERRUPTIBLE);
	if (!READ_ONCE(s->triggered)) {
		if (deadline == KTIME_MAX)
			schedule();
		else
			in_time = schedule_hrtimeout(deadline) > 0;
	}
	task_set_state(TASK_RUNNING);
	WRITE_ONCE(s->triggered, false);
	smp_mb();
	return in_time;
}

u32 vfs_poll(struct file *f, struct poll_table *pt)
{
	if (!f->ops->poll)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	return f->ops->poll(f, pt);
}

/* ---- poll ---- */

static u32 poll_one(struct pollfd *p, struct poll_table *pt)
{
	struct fdref r;
	u32 mask;

	if (p->fd < 0)
		return 0;
	r = fdref_get(p->fd);
	if (!r.file)
		return POLLNVAL;
	if (pt)
		pt->key = (u32)(u16)p->events | POLLERR | POLLHUP;
	mask = vfs_poll(r.file, pt) & ((u32)(u16)p->events | POLLERR | POLLHUP);
	fdref_put(r);
	return mask;
}

static int poll_all(struct pollfd *fds, unsigned nr, struct poll_table *pt)
{
	int ready = 0;

	for (unsigned n = 0; n < nr; n++) {
		fds[n].revents = (short)poll_one(&fds[n], pt);
		if (fds[n].revents) {
			ready++;
			pt = NULL;		/* we will not sleep: no more entries */
		}
	}
	return ready;
}

static int poll_loop(struct pollfd *fds, unsigned nr, ktime_t deadline)
{
	struct poll_wait_set *s;
	int ready = poll_all(fds, nr, NULL);

	if (ready || !deadline)
		return ready;
	s = kmalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	set_init(s);
	ready = poll_all(fds, nr, &s->table);
	while (!ready && !(ready = s->err)) {
		bool in_time;

		if (signal_pending()) {
			ready = -EINTR;
			break;
		}
		in_time = set_sleep(s, deadline);
		ready = poll_all(fds, nr, NULL);
		if (!in_time)
			break;
	}
	set_free(s);
	kfree(s);
	return ready;
}

#define STACK_POLLFDS	16

/* deadline: absolute, KTIME_MAX for ever, 0 not at all. */
static long do_poll(struct pollfd __user *ufds, unsigned nr, ktime_t deadline)
{
	struct pollfd fast[STACK_POLLFDS], *fds = fast;
	int ready = -EFAULT;

	if (nr > task_rlimit(current, 7))
		return -EINVAL;
	if (nr > STACK_POLLFDS) {
		fds = kvmalloc(nr * sizeof(*fds), GFP_KERNEL);
		if (!fds)
			return -ENOMEM;
	}
	if (!copy_from_user(fds, ufds, nr * sizeof(*fds))) {
		ready = poll_loop(fds, nr, deadline);
		for (unsigned n = 0; n < nr && ready >= 0; n++)
			if (put_user(fds[n].revents, &ufds[n].revents))
				ready = -EFAULT;
	}
	if (fds != fast)
		kvfree(fds);
	return ready;
}

static ktime_t deadline_from(ktime_t timeout)
{
	ktime_t t;

	if (timeout == 0)
		return 0;
	return __builtin_add_overflow(ktime_get(), timeout, &t) ? KTIME_MAX : t;
}

SYSCALL(poll, struct pollfd __user *fds, unsigned nr, int timeout_ms)
{
	ktime_t deadline = timeout_ms < 0 ? KTIME_MAX : deadline_from(timeout_ms * NSEC_PER_MSEC);
	long n = do_poll(fds, nr, deadline);

	return n == -EINTR ? -ERESTARTNOHAND : n;	/* restarts with the whole timeout; Linux keeps the rest */
}

/* A relative struct timespec as a deadline. NULL: for ever. */
long poll_user_timeout(const void __user *uts, ktime_t *out)
{
	struct __kernel_timespec ts;
	s64 ns;

	*out = KTIME_MAX;
	if (!uts)
		return 0;
	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= NSEC_PER_SEC)
		return -EINVAL;
	if (__builtin_mul_overflow(ts.tv_sec, NSEC_PER_SEC, &ns) || __builtin_add_overflow(ns, ts.tv_nsec, &ns))
		return 0;
	*out = deadline_from(ns);
	return 0;
}

static void put_remaining(void __user *uts, ktime_t deadline, bool as_timeval)
{
	struct { s64 sec, frac; } t;
	ktime_t left;

	if (!uts || deadline == KTIME_MAX)
		return;
	left = deadline ? max(deadline - ktime_get(), (ktime_t)0) : 0;
	t.sec = left / NSEC_PER_SEC;
	t.frac = left % NSEC_PER_SEC / (as_timeval ? 1000 : 1);
	if (copy_to_user(uts, &t, sizeof(t)))
		return;		/* a read-only timeout is no error */
}

SYSCALL(ppoll, struct pollfd __user *fds, unsigned nr, void __user *uts, const void __user *umask, size_t size)
{
	ktime_t deadline;
	long n = poll_user_timeout(uts, &deadline);

	if (!n)
		n = sigmask_user_set(umask, size);
	if (n)
		return n;
	n = do_poll(fds, nr, deadline);
	sigmask_user_restore(n == -EINTR);
	put_remaining(uts, deadline, false);
	return n == -EINTR ? -ERESTARTNOHAND : n;
}

/* ---- select ---- */

#define SEL_IN	(POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define SEL_OUT	(POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define SEL_EX	POLLPRI

struct select_sets {
	unsigned	words;
	unsigned long	*in[3], *out[3];	/* read, write, except */
};

static int select_one(int fd, const bool want[3], bool got[3], struct poll_table *pt)
{
	static const u32 events[3] = { SEL_IN, SEL_OUT, SEL_EX };
	struct fdref r = fdref_get(fd);
	int ready = 0;
	u32 mask;

	if (!r.file)
		return -EBADF;
	if (pt)
		pt->key = POLLERR | POLLHUP | (want[0] ? SEL_IN : 0) | (want[1] ? SEL_OUT : 0) | (want[2] ? SEL_EX : 0);
	mask = vfs_poll(r.file, pt);
	fdref_put(r);
	for (int k = 0; k < 3; k++) {
		got[k] = want[k] && (mask & events[k]);
		ready += got[k];
	}
	return ready;
}

static int select_all(struct select_sets *s, struct poll_table *pt)
{
	int total = 0;

	for (unsigned w = 0; w < s->words; w++) {
		unsigned long any = s->in[0][w] | s->in[1][w] | s->in[2][w];

		s->out[0][w] = s->out[1][w] = s->out[2][w] = 0;
		for (; any; any &= any - 1) {
			unsigned bit = (unsigned)__builtin_ctzl(any);
			bool want[3], got[3];
			int n;

			for (int k = 0; k < 3; k++)
				want[k] = s->in[k][w] & (1UL << bit);
			n = select_one((int)(w * 64 + bit), want, got, pt);
			if (n < 0)
				return n;
			for (int k = 0; k < 3; k++)
				if (got[k])
					s->out[k][w] |= 1UL << bit;
			total += n;
			if (n)
				pt = NULL;
		}
	}
	return total;
}

static int select_loop(struct select_sets *s, ktime_t deadline)
{
	struct poll_wait_set *set;
	int ready = select_all(s, NULL);

	if (ready || !deadline)
		return ready;
	set = kmalloc(sizeof(*set), GFP_KERNEL);
	if (!set)
		return -ENOMEM;
	set_init(set);
	ready = select_all(s, &set->table);
	while (!ready && !(ready = set->err)) {
		bool in_time;

		if (signal_pending()) {
			ready = -EINTR;
			break;
		}
		in_time = set_sleep(set, deadline);
		ready = select_all(s, NULL);
		if (!in_time)
			break;
	}
	set_free(set);
	kfree(set);
	return ready;
}

static long do_select(int nr, unsigned long __user *usets[3], ktime_t deadline)
{
	unsigned long fast[6 * 4], *bits = fast;
	struct select_sets s;
	size_t bytes, ubytes;
	int ready = -EFAULT;

	if (nr < 0)
		return -EINVAL;
	nr = (int)min((unsigned)nr, current->files->max);
	s.words = ((unsigned)nr + 63) / 64;
	bytes = s.words * 8;
	ubytes = bytes;
	if (s.words > 4) {
		bits = kvmalloc(bytes * 6, GFP_KERNEL);
		if (!bits)
			return -ENOMEM;
	}
	for (int k = 0; k < 3; k++) {
		s.in[k] = bits + (size_t)k * s.words;
		s.out[k] = bits + (size_t)(3 + k) * s.words;
		memset(s.in[k], 0, bytes);
		if (usets[k] && copy_from_user(s.in[k], usets[k], ubytes))
			goto out;
		if (nr % 64)
			s.in[k][s.words - 1] &= (1UL << (nr % 64)) - 1;
	}
	ready = select_loop(&s, deadline);
	for (int k = 0; k < 3 && ready >= 0; k++)
		if (usets[k] && copy_to_user(usets[k], s.out[k], ubytes))
			ready = -EFAULT;
out:
	if (bits != fast)
		kvfree(bits);
	return ready;
}

SYSCALL(select, int nr, unsigned long __user *rd, unsigned long __user *wr, unsigned long __user *ex, void __user *utv)
{
	unsigned long __user *sets[3] = { rd, wr, ex };
	ktime_t deadline = KTIME_MAX;
	long n;

	if (utv) {
		struct { s64 sec, usec; } tv;

		if (copy_from_user(&tv, utv, sizeof(tv)))
			return -EFAULT;
		if (tv.sec < 0 || tv.usec < 0)
			return -EINVAL;
		tv.sec += tv.usec / 1000000;
		deadline = tv.sec > S64_MAX / NSEC_PER_SEC - 1 ? KTIME_MAX
			 : deadline_from(tv.sec * NSEC_PER_SEC + tv.usec % 1000000 * 1000);
	}
	n = do_select(nr, sets, deadline);
	put_remaining(utv, deadline, true);
	return n == -EINTR ? -ERESTARTNOHAND : n;
}

SYSCALL(pselect6, int nr, unsigned long __user *rd, unsigned long __user *wr, unsigned long __user *ex, void __user *uts,
	const void __user *usig)
{
	unsigned long __user *sets[3] = { rd, wr, ex };
	struct { const void __user *mask; size_t size; } sig = { NULL, 0 };
	ktime_t deadline;
	long n;

	if (usig && copy_from_user(&sig, usig, sizeof(sig)))
		return -EFAULT;
	n = poll_user_timeout(uts, &deadline);
	if (!n)
		n = sigmask_user_set(sig.mask, sig.size);
	if (n)
		return n;
	n = do_select(nr, sets, deadline);
	sigmask_user_restore(n == -EINTR);
	put_remaining(uts, deadline, false);
	return n == -EINTR ? -ERESTARTNOHAND : n;
}
