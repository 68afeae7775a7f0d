/*
 * signal.h - signal frames, and system calls that are made again. proc/ decides, the machine layer moves registers.
 */
#ifndef ARCH_SIGNAL_H
#define ARCH_SIGNAL_H

#include <lib/types.h>

struct trapframe;
struct sigaction_k;
struct siginfo_k;

/* Build the frame of a handler on the user stack and point f at it. 0, or -EFAULT: the stack is not writable. */
int arch_signal_frame(struct trapframe *f, int sig, const struct sigaction_k *act, const struct siginfo_k *info,
		      u64 mask) must_check;
/* The interrupted call is to be made again: with its own number, or as restart_syscall. */
void arch_syscall_restart(struct trapframe *f, bool restart_block);
bool arch_in_syscall(const struct trapframe *f, long *result);	/* f was built by a system call; its result */
void arch_syscall_set_result(struct trapframe *f, long result);

#endif
