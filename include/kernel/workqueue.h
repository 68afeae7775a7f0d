/*
 * workqueue.h - run a function later, in a kernel thread that may sleep.
 */
#ifndef KERNEL_WORKQUEUE_H
#define KERNEL_WORKQUEUE_H

#include <kernel/time.h>
#include <lib/list.h>

struct work {
	struct list	link;
	void		(*fn)(struct work *w);
	bool		queued;
};
struct delayed_work {
	struct work	work;
	struct timer	timer;
};

void workqueue_init(void);
void work_init(struct work *w, void (*fn)(struct work *));
bool work_queue(struct work *w);		/* false when queued already */
void work_flush(struct work *w);		/* wait until it is neither queued nor running */
bool work_cancel(struct work *w);		/* true when it was queued and will not run; it may still be running */
/* Take out those whose function lies in [start, end), delayed ones too, and wait for what runs; how many there were. */
unsigned works_cancel_range(unsigned long start, unsigned long end);
void delayed_work_init(struct delayed_work *w, void (*fn)(struct work *));
bool delayed_work_queue(struct delayed_work *w, ktime_t delay);
bool delayed_work_cancel(struct delayed_work *w);	/* as work_cancel() */
bool delayed_work_cancel_sync(struct delayed_work *w);	/* and waits until it does not run */

#endif
