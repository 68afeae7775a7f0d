/*
 * wait.c - wait queues and completions.
 *
 * SHAPE       a queue is a locked list of entries; plain entries stand at the front and are all woken, exclusive ones at
 *             the end and only as many as asked for. Entries stay queued until their owner removes them.
 * INVARIANTS  W1 an entry, and the task in it, outlive any wake-up that can see them: removal takes the queue's lock.
 *             W2 whoever makes a condition true does so before looking at the queue; whoever waits queues and sets its
 *             state before looking at the condition. Both sides have a full barrier between (waitq_active(),
 *             task_set_state()).
 */
#include <kernel/wait.h>

void waitq_init(struct waitq *q)
{
	spin_lock_init(&q->lock, "waitq", LOCK_WAITQ);
	list_init(&q->waiters);
}

void wait_entry_init(struct wait_entry *e)
{
	list_init(&e->link);
	e->task = current;
	e->exclusive = false;
	e->wake = NULL;
	e->key = 0;
}

void waitq_add(struct waitq *q, struct wait_entry *e)
{
	spin_lock(&q->lock);
	if (e->exclusive)
		list_append(&q->waiters, &e->link);
	else
		list_push(&q->waiters, &e->link);
	spin_unlock(&q->lock);
}

void waitq_remove(struct waitq *q, struct wait_entry *e)
{
	spin_lock(&q->lock);
	list_remove(&e->link);
	spin_unlock(&q->lock);
}

int waitq_wake_key(struct waitq *q, int nr_exclusive, unsigned long key)
{
	struct wait_entry *e, *next;
	int nr = 0;

	if (!waitq_active(q))
		return 0;
	spin_lock(&q->lock);
	list_for_each_safe(e, next, &q->waiters, link) {
		bool exclusive = e->exclusive;	/* a callback may free its entry */

		if (!(e->wake ? e->wake(e, key) : task_wake(e->task)))
			continue;
		nr++;
		if (exclusive && --nr_exclusive <= 0)
			break;
	}
	spin_unlock(&q->lock);
	return nr;
}

void completion_init(struct completion *c)
{
	waitq_init(&c->q);
	c->done = 0;
}

/*
 * All under the queue's lock: the waiter often owns the completion on its stack, and must not return before we let go of
 * it (it takes the lock once more in completion_wait()).
 */
static void complete(struct completion *c, bool all)
{
	struct wait_entry *e;

	spin_lock(&c->q.lock);
	c->done = all ? U32_MAX / 2 : c->done + 1;
	list_for_each(e, &c->q.waiters, link)
		if (task_wake(e->task) && !all)
			break;
	spin_unlock(&c->q.lock);
}

void completion_done(struct completion *c)
{
	complete(c, false);
}

void completion_done_all(struct completion *c)
{
	complete(c, true);
}

static int completion_wait_common(struct completion *c, enum task_state how)
{
	struct wait_entry e;
	int err = 0;

	might_sleep();
	wait_entry_init(&e);
	spin_lock(&c->q.lock);
	list_append(&c->q.waiters, &e.link);
	for (;;) {
		task_set_state(how);
		if (c->done)
			break;
		if (wait_interrupted(how)) {
			err = -WAIT_EINTR;
			break;
		}
		spin_unlock(&c->q.lock);
		schedule();
		spin_lock(&c->q.lock);
	}
	task_set_state(TASK_RUNNING);
	if (!err && c->done < U32_MAX / 2)
		c->done--;
	list_remove(&e.link);
	spin_unlock(&c->q.lock);
	return err;
}

void completion_wait(struct completion *c)
{
	(void)completion_wait_common(c, TASK_UNINTERRUPTIBLE);
}

int completion_wait_killable(struct completion *c)
{
	return completion_wait_common(c, TASK_KILLABLE);
}
