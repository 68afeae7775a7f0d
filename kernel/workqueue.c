/*
 * workqueue.c - functions that run later, in threads that may sleep.
 *
 * SHAPE       one list of queued work, a few worker threads that take from its front. A worker that finds more work and no
 *             idle colleague starts another one (up to MAX_WORKERS), so that work may wait for other work.
 * INVARIANTS  Q1 work->queued is set exactly while the work stands in the list; it is cleared before fn runs, so fn (or
 *             anybody) may queue it again, or free it.
 * LOCKS       wq_lock (LOCK_WAITQ): queueing is allowed under any lock below that rank.
 */
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/wait.h>
#include <kernel/workqueue.h>

#define MAX_WORKERS	8

struct worker {
	struct task	*task;
	struct work	*running;	/* not to be looked into: fn may have freed it */
	void		(*fn)(struct work *w);	/* its */
	bool		idle;
};

static spinlock_t wq_lock = SPINLOCK_INIT("workqueue", LOCK_WAITQ);
static struct list wq_list = LIST_INIT(wq_list);
static struct worker workers[MAX_WORKERS];
static unsigned nr_workers, nr_idle;
static struct waitq wq_done = WAITQ_INIT(wq_done);	/* some work has finished */

static int worker_main(void *arg);

/* In a context that may sleep. */
static void worker_start(void)
{
	struct worker *w;

	spin_lock(&wq_lock);
	w = nr_workers < MAX_WORKERS ? &workers[nr_workers++] : NULL;
	spin_unlock(&wq_lock);
	if (!w)
		return;
	w->task = kthread_create(worker_main, w, "kworker/%d", (int)(w - workers));
	if (!w->task) {
		spin_lock(&wq_lock);
		if (w == &workers[nr_workers - 1])
			nr_workers--;
		spin_unlock(&wq_lock);
		return;
	}
	task_wake_new(w->task);
}

static void wake_idle_worker(void)
{
	for (unsigned i = 0; i < nr_workers; i++)
		if (workers[i].idle) {
			workers[i].idle = false;
			nr_idle--;
			task_wake(workers[i].task);
			return;
		}
}

void work_init(struct work *w, void (*fn)(struct work *))
{
	list_init(&w->link);
	w->fn = fn;
	w->queued = false;
}

bool work_queue(struct work *w)
{
	bool fresh;

	spin_lock(&wq_lock);
	fresh = !w->queued;
	if (fresh) {
		w->queued = true;
		list_append(&wq_list, &w->link);
		wake_idle_worker();
	}
	spin_unlock(&wq_lock);
	return fresh;
}

static struct work *worker_next(struct worker *me, bool *more)
{
	struct work *w;

	spin_lock(&wq_lock);
	me->running = NULL;
	while (!(w = list_first_entry(&wq_list, struct work, link))) {
		if (!me->idle) {
			me->idle = true;
			nr_idle++;
		}
		task_set_state(TASK_INTERRUPTIBLE);	/* not counted as load */
		spin_unlock(&wq_lock);
		schedule();
		spin_lock(&wq_lock);
	}
	task_set_state(TASK_RUNNING);
	if (me->idle) {
		me->idle = false;
		nr_idle--;
	}
	list_remove(&w->link);
	w->queued = false;
	me->running = w;
	me->fn = w->fn;
	*more = !list_empty(&wq_list) && !nr_idle;
	spin_unlock(&wq_lock);
	return w;
}

static int worker_main(void *arg)
{
	struct worker *me = arg;

	for (;;) {
		bool more;
		struct work *w = worker_next(me, &more);

		if (more)
			worker_start();
		w->fn(w);
		spin_lock(&wq_lock);
		me->running = NULL;
		spin_unlock(&wq_lock);
		waitq_wake_all(&wq_done);
	}
	return 0;
}

static bool work_busy(struct work *w)
{
	bool busy;

	spin_lock(&wq_lock);
	busy = w->queued;
	for (unsigned i = 0; i < nr_workers && !busy; i++)
		busy = workers[i].running == w;
	spin_unlock(&wq_lock);
	return busy;
}

void work_flush(struct work *w)
{
	wait_event(&wq_done, !work_busy(w));
}

static void delayed_expired(struct timer *t)
{
	work_queue(&container_of(t, struct delayed_work, timer)->work);
}

void delayed_work_init(struct delayed_work *w, void (*fn)(struct work *))
{
	work_init(&w->work, fn);
	timer_init(&w->timer, delayed_expired);
}

bool delayed_work_queue(struct delayed_work *w, ktime_t delay)
{
	if (w->work.queued || timer_queued(&w->timer))
		return false;
	if (delay <= 0)
		return work_queue(&w->work);
	timer_start(&w->timer, ktime_get() + delay);
	return true;
}

bool work_cancel(struct work *w)
{
	bool was;

	spin_lock(&wq_lock);
	was = w->queued;
	if (was) {
		list_remove(&w->link);
		w->queued = false;
	}
	spin_unlock(&wq_lock);
	return was;
}

bool delayed_work_cancel(struct delayed_work *w)
{
	bool was = timer_cancel(&w->timer);

	return work_cancel(&w->work) || was;
}

bool delayed_work_cancel_sync(struct delayed_work *w)
{
	bool was = false;

	do {			/* it may queue itself again while we wait */
		was |= timer_queued(&w->timer) || w->work.queued;
		timer_cancel_sync(&w->timer);
		work_cancel(&w->work);
		work_flush(&w->work);
	} while (timer_queued(&w->timer) || w->work.queued);
	return was;
}

/* ---- what a module forgot ---- */

static bool lies_in(void (*fn)(struct work *), unsigned long start, unsigned long end)
{
	return (unsigned long)fn >= start && (unsigned long)fn < end;
}

static bool delayed_lies_in(const struct timer *t, unsigned long start, unsigned long end)
{
	return t->fn == delayed_expired && lies_in(container_of(t, struct delayed_work, timer)->work.fn, start, end);
}

static bool any_running(unsigned long start, unsigned long end)
{
	bool any = false;

	spin_lock(&wq_lock);
	for (unsigned i = 0; i < nr_workers; i++)
		any = any || (workers[i].running && lies_in(workers[i].fn, start, end));
	spin_unlock(&wq_lock);
	return any;
}

unsigned works_cancel_range(unsigned long start, unsigned long end)
{
	unsigned found = timers_cancel_if(delayed_lies_in, start, end);
	struct work *w, *next;

	spin_lock(&wq_lock);
	list_for_each_safe(w, next, &wq_list, link)
		if (lies_in(w->fn, start, end)) {
			list_remove(&w->link);
			w->queued = false;
			found++;
		}
	spin_unlock(&wq_lock);
	wait_event(&wq_done, !any_running(start, end));
	return found;
}

void workqueue_init(void)
{
	worker_start();
	if (!nr_workers)
		panic("no worker thread");
}
