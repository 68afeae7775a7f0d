/*
 * signal.c - signal frames of x86-64, and what a system call looks like to the restart code.
 *
 * A handler starts on a stack that holds, from the stack pointer up: the return address (the C library's restorer, which calls
 * rt_sigreturn), struct ucontext with the registers, siginfo, and above, 64-byte aligned, the FPU state. Layout and
 * contents are Linux's: unwinders and sigreturn trampolines depend on every byte.
 */
#include <abi/errno.h>
#include <arch/fpu.h>
#include <arch/layout.h>
#include <arch/signal.h>
#include <arch/trap.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <linux/signal.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <asm/unistd.h>

struct rt_sigframe {
	unsigned long	pretcode;
	struct ucontext	uc;
	siginfo_t	info;
};
_Static_assert(sizeof(struct ucontext) == 304, "ABI");

#define RED_ZONE	128
#define SYSCALL_LEN	2	/* of the SYSCALL instruction */

bool arch_in_syscall(const struct trapframe *f, long *result)
{
	*result = (long)f->ax;
	return (long)f->orig_ax >= 0;
}

void arch_syscall_set_result(struct trapframe *f, long result)
{
	f->ax = (unsigned long)result;
}

void arch_syscall_restart(struct trapframe *f, bool restart_block)
{
	f->ax = restart_block ? __NR_restart_syscall : f->orig_ax;
	f->ip -= SYSCALL_LEN;
	trap_frame_changed(f);
}

/* ---- delivery ---- */

static bool on_altstack(const struct task *t, unsigned long sp)
{
	if (t->altstack_flags & SS_AUTODISARM)
		return false;
	return sp > t->altstack_sp && sp - t->altstack_sp <= t->altstack_size;
}

/* Where the frame goes, and the FPU state above it. 0: it does not fit on the alternate stack. */
static unsigned long frame_place(const struct trapframe *f, const struct sigaction_k *act, unsigned long *fpu)
{
	struct task *t = current;
	unsigned long sp = f->sp - RED_ZONE;
	bool nested = on_altstack(t, f->sp), entering = false;

	if ((act->flags & SA_ONSTACK) && t->altstack_size && !nested) {
		sp = t->altstack_sp + t->altstack_size;
		entering = true;
	}
	sp = ALIGN_DOWN(sp - fpu_sigframe_size(), 64UL);
	*fpu = sp;
	sp = ALIGN_DOWN(sp - sizeof(struct rt_sigframe), 16UL) - 8;
	if ((nested || entering) && !(sp > t->altstack_sp && sp - t->altstack_sp <= t->altstack_size))
		return 0;
	return sp;
}

static void fill_context(struct sigcontext *c, const struct trapframe *f, u64 mask, unsigned long fpu)
{
	struct task *t = current;

	*c = (struct sigcontext){
		.r8 = f->r8, .r9 = f->r9, .r10 = f->r10, .r11 = f->r11, .r12 = f->r12, .r13 = f->r13, .r14 = f->r14,
		.r15 = f->r15, .rdi = f->di, .rsi = f->si, .rbp = f->bp, .rbx = f->bx, .rdx = f->dx, .rax = f->ax,
		.rcx = f->cx, .rsp = f->sp, .rip = f->ip, .eflags = f->flags, .cs = (u16)f->cs, .ss = (u16)f->ss,
		.err = t->trap_err, .trapno = t->trap_nr, .oldmask = mask, .cr2 = t->trap_addr,
	};
	c->fpstate = (void *)fpu;
}

int arch_signal_frame(struct trapframe *f, int sig, const struct sigaction_k *act, const struct siginfo_k *info, u64 mask)
{
	struct task *t = current;
	struct rt_sigframe frame;
	unsigned long fpu, sp = frame_place(f, act, &fpu);

	if (!sp || !(act->flags & SA_RESTORER) || !access_ok((void __user *)sp, sizeof(frame)))
		return -EFAULT;
	memset(&frame, 0, sizeof(frame));
	frame.pretcode = (unsigned long)act->restorer;
	frame.uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | UC_FP_XSTATE;
	frame.uc.uc_stack.ss_sp = (void *)t->altstack_sp;
	frame.uc.uc_stack.ss_size = t->altstack_size;
	frame.uc.uc_stack.ss_flags = t->altstack_size ? t->altstack_flags : SS_DISABLE;
	fill_context(&frame.uc.uc_mcontext, f, mask, fpu);
	memcpy(&frame.uc.uc_sigmask, &mask, sizeof(mask));
	siginfo_to_user(&frame.info, info);
	if (fpu_save_user((void __user *)fpu) || copy_to_user((void __user *)sp, &frame, sizeof(frame)))
		return -EFAULT;
	if (t->altstack_flags & SS_AUTODISARM) {
		t->altstack_sp = t->altstack_size = 0;
		t->altstack_flags = SS_DISABLE;
	}
	f->di = sig;
	f->ax = 0;			/* variadic handlers */
	f->si = sp + __builtin_offsetof(struct rt_sigframe, info);
	f->dx = sp + __builtin_offsetof(struct rt_sigframe, uc);
	f->ip = (unsigned long)act->handler;
	f->sp = sp;
	f->cs = SEL_USER_CS;
	f->ss = SEL_USER_DS;
	f->flags &= ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF);
	trap_frame_changed(f);
	return 0;
}

/* ---- and back ---- */

static void restore_context(struct trapframe *f, const struct sigcontext *c)
{
	f->r8 = c->r8;
	f->r9 = c->r9;
	f->r10 = c->r10;
	f->r11 = c->r11;
	f->r12 = c->r12;
	f->r13 = c->r13;
	f->r14 = c->r14;
	f->r15 = c->r15;
	f->di = c->rdi;
	f->si = c->rsi;
	f->bp = c->rbp;
	f->bx = c->rbx;
	f->dx = c->rdx;
	f->cx = c->rcx;
	f->ax = c->rax;
	f->sp = c->rsp;
	f->ip = c->rip;
	f->flags = (f->flags & ~EFLAGS_USER) | (c->eflags & EFLAGS_USER);
	f->cs = SEL_USER_CS;
	f->ss = SEL_USER_DS;
	f->orig_ax = -1UL;		/* whatever rax says, this is no system call to restart */
	trap_frame_changed(f);
}

SYSCALL0(rt_sigreturn)
{
	struct task *t = current;
	struct trapframe *f = t->frame;
	struct rt_sigframe __user *frame = (void __user *)(f->sp - sizeof(unsigned long));
	struct ucontext uc;
	u64 mask;

	if (copy_from_user(&uc, &frame->uc, sizeof(uc))) {
		signal_force_fault(SIGSEGV, SI_KERNEL, 0);
		return 0;
	}
	memcpy(&mask, &uc.uc_sigmask, sizeof(mask));
	signal_set_blocked(mask);
	restore_context(f, &uc.uc_mcontext);
	if (fpu_restore_user((void __user *)uc.uc_mcontext.fpstate)) {
		signal_force_fault(SIGSEGV, SI_KERNEL, 0);
		return 0;
	}
	/* Errors are ignored, as on Linux: a handler may have put anything there. */
	if (!on_altstack(t, f->sp))
		(void)signal_altstack_set((unsigned long)uc.uc_stack.ss_sp, uc.uc_stack.ss_size, uc.uc_stack.ss_flags);
	return (long)f->ax;
}
