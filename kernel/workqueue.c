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

bool delayed_work_cancel(struct delayed_work *w)
{
	bool was = timer_cancel(&w->timer);

	spin_lock(&wq_lock);
	if (w->work.queued) {
		list_remove(&w->work.link);
		w->work.queued = false;
		was = true;
	}
	spin_unlock(&wq_lock);
	return was;
}

void workqueue_init(void)
{
	worker_start();
	if (!nr_workers)
		panic("no worker thread");
}
