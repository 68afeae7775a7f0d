/*
 * thread.h - a task of the host machine is a thread, and a CPU of its own.
 */
#ifndef ARCH_THREAD_H
#define ARCH_THREAD_H

#include <kernel/percpu.h>

struct task;

struct arch_thread {
	void	*host;		/* struct host_thread: what it sleeps on */
};

static inline unsigned long arch_thread_sp(const struct arch_thread *a)
{
	return 0;		/* the host's threads have stacks of their own */
}

extern __thread struct task *host_current;
static always_inline struct task *get_current(void)
{
	return host_current;
}

#endif
