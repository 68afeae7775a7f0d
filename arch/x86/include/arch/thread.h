/*
 * thread.h - what the machine layer keeps in each task, and how to find the current one.
 */
#ifndef ARCH_THREAD_H
#define ARCH_THREAD_H

#include <kernel/percpu.h>

struct task;
struct fpu_state;

struct arch_thread {
	unsigned long		sp;		/* kernel stack pointer while not running */
	unsigned long		fs_base, gs_base;	/* of user mode, while not running */
	struct fpu_state	*fpu;		/* NULL until user mode first ran with one */
};

DECLARE_PER_CPU(struct task *, current_task);

/* Constant from the point of view of the task itself, so the compiler may keep it in a register. */
static always_inline struct task *get_current(void)
{
	struct task *t;

	__asm__("movq %%gs:%1, %0" : "=r"(t) : "m"(current_task));
	return t;
}

#endif
