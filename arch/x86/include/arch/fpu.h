/*
 * fpu.h - floating-point and vector registers. The kernel itself uses none.
 *
 * Each user task owns a save area in XSAVE format, sized by CPUID. The registers are switched eagerly, and left
 * alone while kernel threads run.
 */
#ifndef ARCH_FPU_H
#define ARCH_FPU_H

#include <lib/types.h>

struct task;

void fpu_init_cpu(void);			/* per CPU: CR4.OSXSAVE, XCR0 */
bool fpu_has_avx(void);
int fpu_fork(struct task *child, const struct task *parent) must_check;	/* copies current's live state. 0, -ENOMEM */
int fpu_exec(struct task *t) must_check;	/* initial state */
void fpu_free(struct task *t);

/* Signal frames, in the layout of Linux's struct _fpstate (software bytes at 464, FP_XSTATE_MAGIC2 at the end). */
unsigned fpu_sigframe_size(void);		/* to be placed at a 64-byte boundary */
int fpu_save_user(void __user *buf) must_check;		/* 0 or -EFAULT */
int fpu_restore_user(const void __user *buf) must_check;	/* NULL: initial state. 0, -EFAULT, -EINVAL */

#endif
