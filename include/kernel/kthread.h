/*
 * kthread.h - kernel threads that can be told to stop. Plain ones: kthread_create() in <kernel/task.h>.
 */
#ifndef KERNEL_KTHREAD_H
#define KERNEL_KTHREAD_H

#include <kernel/task.h>

void kthread_init(void);		/* pid 2, before any other */

/* As kthread_create(); fn looks at kthread_should_stop() and returns. It is gone, and may not be named, once it has returned by itself. */
struct task *kthread_create_owned(int (*fn)(void *), void *arg, const char *name_fmt, ...) must_check printf_like(3, 4);
void kthread_wake(struct task *t);	/* for the first time, or from its sleep; by one at a time */
bool kthread_should_stop(void);		/* of current */
int kthread_stop(struct task *t);	/* and waits; what fn returned, -EINTR when it never ran */
void kthread_free(struct task *t);	/* by who frees the task */
/* Stop those whose function lies there, with a word in the log for each: `whose` forgot them. */
void kthread_stop_range(const char *whose, vaddr_t start, vaddr_t end);

#endif
