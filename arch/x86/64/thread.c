/*
 * thread.c - one task gives the CPU to another; how a new one begins.
 *
 * A task that is not running has its callee-saved registers and a return address on its kernel stack, arch.sp pointing at
 * them. A new task gets a stack that looks like that, with a trampoline of entry.S as the return address.
 */
#include <abi/errno.h>
#include <arch/asm.h>
#include <arch/cpu.h>
#include <arch/desc.h>
#include <arch/fpu.h>
#include <arch/layout.h>
#include <arch/ptrace.h>
#include <arch/thread.h>
#include <arch/trap.h>
#include <arch/upcalls.h>
#include <kernel/panic.h>
#include <kernel/task.h>
#include <lib/string.h>
#include <mm/vmalloc.h>

_Static_assert(offset_of(struct task, work) == TASK_WORK, "entry.S");
_Static_assert(offset_of(struct task, arch.sp) == TASK_SP, "entry.S");
_Static_assert(sizeof(struct trapframe) == FRAME_SIZE, "entry.S");
_Static_assert(offset_of(struct trapframe, orig_ax) == FRAME_ORIG_AX, "entry.S");

struct saved_stack {
	unsigned long r15, r14, r13, r12, bx, bp, ret;
};

_Static_assert(offset_of(struct saved_stack, bp) == 5 * sizeof(long), "arch_thread_fp()");

struct task *switch_stacks(struct task *prev, struct task *next);
void fpu_switch(struct task *prev, struct task *next);
noreturn void enter_user(struct trapframe *f);
extern char kernel_thread_start[], user_thread_start[];

static always_inline unsigned long rdfsbase(void)
{
	unsigned long v;

	__asm__ volatile("rdfsbase %0" : "=r"(v));
	return v;
}
static always_inline void wrfsbase(unsigned long v)
{
	__asm__ volatile("wrfsbase %0" : : "r"(v));
}
/* The user's GS base waits in the other register; SWAPGS is safe with interrupts off. */
static always_inline unsigned long read_user_gs(void)
{
	unsigned long v;

	__asm__ volatile("swapgs; rdgsbase %0; swapgs" : "=r"(v) : : "memory");
	return v;
}
static always_inline void write_user_gs(unsigned long v)
{
	__asm__ volatile("swapgs; wrgsbase %0; swapgs" : : "r"(v) : "memory");
}

static void save_bases(struct arch_thread *a)
{
	if (!cpu_features.fsgsbase)
		return;			/* only arch_prctl changes them, and it stores them */
	a->fs_base = rdfsbase();
	a->gs_base = read_user_gs();
}

static void load_bases(const struct arch_thread *a)
{
	if (cpu_features.fsgsbase) {
		wrfsbase(a->fs_base);
		write_user_gs(a->gs_base);
	} else {
		wrmsr(MSR_FS_BASE, a->fs_base);
		wrmsr(MSR_KERNEL_GS_BASE, a->gs_base);
	}
}

struct task *switch_to(struct task *prev, struct task *next)
{
	unsigned long top = (unsigned long)next->kstack + KSTACK_SIZE;

	debug_assert(!irqs_enabled());
	if (prev->arch.fpu)
		save_bases(&prev->arch);
	if (next->arch.fpu)
		load_bases(&next->arch);
	fpu_switch(prev, next);
	if (unlikely(prev->arch.debug || next->arch.debug))
		debug_regs_switch(next);
	this_cpu_write(syscall_limit, next->arch.syscall_limit);
	this_cpu_write(cpu_stack_top, top);
	this_cpu_ptr(cpu_tss)->sp0 = top;
	this_cpu_write(current_task, next);
	return switch_stacks(prev, next);
}

/* Both kinds of new thread: a stack below the place of the user frame. */
static struct saved_stack *first_stack(struct task *t, const char *start)
{
	struct saved_stack *s = (struct saved_stack *)ARCH_FRAME(t->kstack) - 1;

	memset(s, 0, sizeof(*s));
	s->ret = (unsigned long)start;
	t->arch.sp = (unsigned long)s;
	return s;
}

void arch_thread_setup_kernel(struct task *t, int (*fn)(void *), void *arg)
{
	struct saved_stack *s;

	memset(ARCH_FRAME(t->kstack), 0, sizeof(struct trapframe));
	s = first_stack(t, kernel_thread_start);
	s->bx = (unsigned long)fn;
	s->r12 = (unsigned long)arg;
	t->arch.fpu = NULL;
	t->arch.fs_base = t->arch.gs_base = 0;
	t->arch.syscall_limit = nr_syscalls;
}

int arch_thread_fork(struct task *child, const struct task *parent, unsigned long new_sp, bool set_tls, unsigned long tls)
{
	struct trapframe *f = ARCH_FRAME(child->kstack);
	unsigned long flags;
	int err = fpu_fork(child, parent);

	if (err)
		return err;
	*f = *parent->frame;
	f->ax = 0;
	if (parent->arch.step_forced)
		f->flags &= ~EFLAGS_TF;
	if (new_sp)
		f->sp = new_sp;
	child->frame = f;
	child->arch.syscall_limit = nr_syscalls;
	child->arch.fs_base = parent->arch.fs_base;
	child->arch.gs_base = parent->arch.gs_base;
	if (parent == current) {
		flags = irq_save();
		save_bases(&child->arch);
		if (!cpu_features.fsgsbase) {
			child->arch.fs_base = parent->arch.fs_base;
			child->arch.gs_base = parent->arch.gs_base;
		}
		irq_restore(flags);
	}
	if (set_tls)
		child->arch.fs_base = tls;
	first_stack(child, user_thread_start);
	return 0;
}

void arch_exec_start(struct trapframe *f, vaddr_t entry, vaddr_t sp)
{
	struct task *t = current;
	unsigned long flags;

	if (fpu_exec(t))
		panic("no memory for the first FPU state");	/* only init has none yet */
	arch_debug_clear(t);
	*f = (struct trapframe){
		.orig_ax = f->orig_ax, .ip = entry, .sp = sp, .flags = EFLAGS_IF, .cs = SEL_USER_CS, .ss = SEL_USER_DS,
	};
	t->arch.fs_base = t->arch.gs_base = 0;
	flags = irq_save();
	load_bases(&t->arch);
	irq_restore(flags);
	trap_frame_changed(f);
}

noreturn void arch_enter_user(void)
{
	irq_disable();
	enter_user(current->frame);
}

void arch_thread_free(struct task *t)
{
	fpu_free(t);
	arch_debug_clear(t);
}

unsigned long arch_user_base(const struct task *t, bool gs)
{
	unsigned long v, flags = irq_save();

	if (t == current && cpu_features.fsgsbase)
		v = gs ? read_user_gs() : rdfsbase();
	else
		v = gs ? t->arch.gs_base : t->arch.fs_base;
	irq_restore(flags);
	return v;
}

void arch_set_user_base(bool gs, unsigned long v)
{
	unsigned long flags = irq_save();

	if (gs)
		current->arch.gs_base = v;
	else
		current->arch.fs_base = v;
	if (!cpu_features.fsgsbase)
		wrmsr(gs ? MSR_KERNEL_GS_BASE : MSR_FS_BASE, v);
	else if (gs)
		write_user_gs(v);
	else
		wrfsbase(v);
	irq_restore(flags);
}
