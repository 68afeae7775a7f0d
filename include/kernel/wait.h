/*
 * wait.h - wait queues, completions.
 *
 * A waiter puts an entry on a queue, sets its state, checks the condition and sleeps; whoever makes the condition true
 * calls wake. Entries with a callback (poll, epoll) are called instead of woken.
 */
#ifndef KERNEL_WAIT_H
#define KERNEL_WAIT_H

#include <kernel/lock.h>
#include <kernel/sched.h>

struct waitq {
	spinlock_t	lock;		/* LOCK_WAITQ */
	struct list	waiters;
};
#define WAITQ_INIT(var)	{ .lock = SPINLOCK_INIT("waitq", LOCK_WAITQ), .waiters = LIST_INIT((var).waiters) }

struct wait_entry {
	struct list	link;
	struct task	*task;
	bool		exclusive;	/* wake at most one of these */
	/* NULL: wake the task. Runs under the queue's lock; true when it used up an exclusive wake. */
	bool		(*wake)(struct wait_entry *e, unsigned long key);
	unsigned long	key;
};

void waitq_init(struct waitq *q);
void waitq_add(struct waitq *q, struct wait_entry *e);		/* plain entries at the front, exclusive at the end */
void waitq_remove(struct waitq *q, struct wait_entry *e);
void wait_entry_init(struct wait_entry *e);			/* for current */
/* Wake all plain and up to nr exclusive waiters; key is passed to callbacks (poll events). Returns nr woken. */
int waitq_wake_key(struct waitq *q, int nr_exclusive, unsigned long key);
#define waitq_wake_one(q)	waitq_wake_key(q, 1, 0)
#define waitq_wake_all(q)	waitq_wake_key(q, S32_MAX, 0)
static inline bool waitq_active(struct waitq *q)
{
	smp_mb();
	return !list_empty(&q->waiters);
}

/* border, defined by proc/: would a signal end current's sleep? */
bool signal_pending(void);		/* any deliverable signal */
bool fatal_signal_pending(void);	/* SIGKILL */

/* Around a sleep for I/O. Nests: hand the answer of begin to end. */
static inline bool io_wait_begin(void)
{
	bool was = current->in_iowait;

	current->in_iowait = true;
	return was;
}

static inline void io_wait_end(bool was)
{
	current->in_iowait = was;
}

/* Sleep until cond; cond may be evaluated many times. */
#define wait_event(q, cond) ((void)wait_event_common(q, cond, TASK_UNINTERRUPTIBLE, KTIME_MAX))
/* The same for what a disk or the host's file server does: an idle CPU's time meanwhile is iowait. */
#define wait_event_io(q, cond) do {							\
	bool wei_was = io_wait_begin();							\
	wait_event(q, cond);								\
	io_wait_end(wei_was);								\
} while (0)
/* 0, or -EINTR when a signal came first (use -ERESTARTSYS semantics in the caller). */
#define wait_event_interruptible(q, cond) ({						\
	ktime_t we_left = wait_event_common(q, cond, TASK_INTERRUPTIBLE, KTIME_MAX);	\
	we_left < 0 ? (int)we_left : 0; })
#define wait_event_killable(q, cond) ({							\
	ktime_t we_left = wait_event_common(q, cond, TASK_KILLABLE, KTIME_MAX);		\
	we_left < 0 ? (int)we_left : 0; })
/* ns left (at least 1) when cond came true, 0 when the time ran out, -EINTR on a signal. */
#define wait_event_interruptible_timeout(q, cond, ns) wait_event_common(q, cond, TASK_INTERRUPTIBLE, ns)
#define wait_event_timeout(q, cond, ns)	wait_event_common(q, cond, TASK_UNINTERRUPTIBLE, ns)

#define wait_event_common(q, cond, how, ns) ({						\
	ktime_t wec_left = (ns);							\
	if (!(cond)) {									\
		struct wait_entry wec_e;						\
		wait_entry_init(&wec_e);						\
		waitq_add(q, &wec_e);							\
		for (;;) {								\
			task_set_state(how);						\
			if (cond)							\
				break;							\
			if (wait_interrupted(how)) {					\
				wec_left = -WAIT_EINTR;					\
				break;							\
			}								\
			if (wec_left == 0)						\
				break;							\
			wec_left = schedule_timeout(wec_left);				\
		}									\
		task_set_state(TASK_RUNNING);						\
		waitq_remove(q, &wec_e);						\
	}										\
	wec_left; })
#define WAIT_EINTR	4	/* EINTR */

static inline bool wait_interrupted(enum task_state how)
{
	return how == TASK_INTERRUPTIBLE ? signal_pending() :
	       how == TASK_KILLABLE ? fatal_signal_pending() : false;
}

struct completion {
	struct waitq	q;
	unsigned	done;
};
void completion_init(struct completion *c);
void completion_done(struct completion *c);		/* one waiter may pass */
void completion_done_all(struct completion *c);
void completion_wait(struct completion *c);
int completion_wait_killable(struct completion *c) must_check;

#endif
