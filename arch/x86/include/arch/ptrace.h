/*
 * ptrace.h - what a debugger may read and change of a stopped task, in the layouts of Linux's user.h.
 *
 * All of it for a task that is not running: its registers are in its frame, its vector state in its area.
 */
#ifndef ARCH_PTRACE_H
#define ARCH_PTRACE_H

#include <lib/types.h>

struct task;

struct arch_user_regs {			/* struct user_regs_struct */
	unsigned long	frame[21];	/* struct trapframe */
	unsigned long	fs_base, gs_base, ds, es, fs, gs;
};

void arch_regs_get(const struct task *t, struct arch_user_regs *out);
int arch_regs_set(struct task *t, const struct arch_user_regs *in) must_check;	/* 0 or -EIO */
/* One word of struct user. 0 or -EIO, -EINVAL, -ENOMEM. */
int arch_user_word_get(const struct task *t, unsigned long offset, unsigned long *out) must_check;
int arch_user_word_set(struct task *t, unsigned long offset, unsigned long v) must_check;

/* Floating point and vectors: the first 512 bytes, or the whole XSAVE area with XCR0 among the software bytes. */
#define ARCH_FXREGS_SIZE	512
unsigned arch_xstate_size(void);		/* 0: no XSAVE */
void arch_xstate_get(const struct task *t, void *buf, unsigned size);
int arch_xstate_set(struct task *t, const void *buf, unsigned size) must_check;	/* 0 or -EINVAL */

/* From the next time it runs: a trap after each instruction; system calls by way of syscall_traced(). */
void arch_trace_step(struct task *t, bool on);
void arch_trace_syscalls(struct task *t, bool on);
void arch_debug_clear(struct task *t);		/* no breakpoints in registers any more: exec, the end */

#endif
