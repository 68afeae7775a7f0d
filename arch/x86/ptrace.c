/*
 * ptrace.c - the registers of a stopped task as debuggers see them; single steps; breakpoints in debug registers.
 *
 * STEPS       the trap flag in the task's frame. Whether we set it or the program itself is remembered, so that neither the
 *             debugger nor a signal frame ever shows ours.
 * DEBUG REGS  kept in a block of their own, made when a debugger first writes one; switch_to() loads them for tasks that
 *             have one. They match user addresses only. The kernel, touching such an address for the program, runs into the
 *             trap as well: entry.S drops that one.
 * SYSCALLS    a traced task's limit of call numbers is 0, so every call of its takes the road of unknown ones, which ends in
 *             syscall_traced(). Nobody else pays.
 */
#include <abi/errno.h>
#include <abi/signal.h>
#include <arch/cpu.h>
#include <arch/fpu.h>
#include <arch/layout.h>
#include <arch/ptrace.h>
#include <arch/trap.h>
#include <arch/uaccess.h>
#include <arch/upcalls.h>
#include <kernel/percpu.h>
#include <kernel/signal.h>
#include <kernel/task.h>
#include <lib/string.h>
#include <mm/slab.h>

_Static_assert(sizeof(struct trapframe) == sizeof(((struct arch_user_regs *)0)->frame), "ABI");
_Static_assert(sizeof(struct arch_user_regs) == 216, "ABI");

#define USER_SIZE	912	/* struct user */
#define USER_DEBUGREG	848	/* u_debugreg in it */

#define DR6_CLEAR	0xffff0ff0UL
#define DR6_TRAP0	0xfUL
#define DR6_STEP	0x4000UL
#define DR7_FIXED	0x400UL
#define DR7_ENABLE	0xffUL
#define DR7_LOCAL	0x55UL

struct debug_regs {
	unsigned long	addr[4], status, control;	/* DR0-3, DR6, DR7 */
};

DEFINE_PER_CPU(unsigned long, syscall_limit);	/* numbers below it are called directly */

/* ---- general registers ---- */

void arch_regs_get(const struct task *t, struct arch_user_regs *out)
{
	struct trapframe f = *t->frame;

	if (t->arch.step_forced)
		f.flags &= ~EFLAGS_TF;
	memset(out, 0, sizeof(*out));
	memcpy(out->frame, &f, sizeof(f));
	out->fs_base = t->arch.fs_base;
	out->gs_base = t->arch.gs_base;
}

int arch_regs_set(struct task *t, const struct arch_user_regs *in)
{
	struct trapframe f, *to = t->frame;

	if (in->fs_base >= TASK_SIZE || in->gs_base >= TASK_SIZE)
		return -EIO;
	memcpy(&f, in->frame, sizeof(f));
	if (f.cs != SEL_USER_CS || f.ss != SEL_USER_DS)
		return -EIO;
	f.flags = (to->flags & ~EFLAGS_USER) | (f.flags & EFLAGS_USER);
	if (f.flags & EFLAGS_TF)
		t->arch.step_forced = false;
	else if (t->arch.step_forced)
		f.flags |= EFLAGS_TF;
	*to = f;
	t->arch.fs_base = in->fs_base;
	t->arch.gs_base = in->gs_base;
	trap_frame_changed_of(t);
	return 0;
}

/* ---- debug registers ---- */

static inline void set_dr(unsigned n, unsigned long v)
{
	switch (n) {
	case 0: __asm__ volatile("movq %0, %%db0" : : "r"(v)); break;
	case 1: __asm__ volatile("movq %0, %%db1" : : "r"(v)); break;
	case 2: __asm__ volatile("movq %0, %%db2" : : "r"(v)); break;
	case 3: __asm__ volatile("movq %0, %%db3" : : "r"(v)); break;
	case 6: __asm__ volatile("movq %0, %%db6" : : "r"(v)); break;
	case 7: __asm__ volatile("movq %0, %%db7" : : "r"(v)); break;
	}
}

static inline unsigned long get_dr6(void)
{
	unsigned long v;

	__asm__ volatile("movq %%db6, %0" : "=r"(v));
	return v;
}

void debug_regs_switch(const struct task *next)
{
	const struct debug_regs *d = next->arch.debug;

	set_dr(7, DR7_FIXED);
	if (!d || !(d->control & DR7_ENABLE))
		return;
	for (unsigned i = 0; i < 4; i++)
		set_dr(i, d->addr[i]);
	set_dr(7, d->control | DR7_FIXED);
}

void arch_debug_clear(struct task *t)
{
	struct debug_regs *d = t->arch.debug;
	unsigned long flags;

	if (!d)
		return;
	flags = irq_save();
	t->arch.debug = NULL;
	if (t == current)
		set_dr(7, DR7_FIXED);
	irq_restore(flags);
	kfree(d);
}

/* Only what can do no harm: enabled slots that watch execution, writes or accesses, without I/O ports or DR access traps. */
static int check_control(unsigned long v)
{
	if (v >> 32 || (v & 0xdc00UL & ~DR7_FIXED))
		return -EINVAL;
	for (unsigned i = 0; i < 4; i++) {
		unsigned type = v >> (16 + 4 * i) & 3, len = v >> (18 + 4 * i) & 3;

		if (v >> 2 * i & 3 && (type == 2 || (!type && len)))
			return -EINVAL;
	}
	return 0;
}

static int debug_reg_set(struct task *t, unsigned n, unsigned long v)
{
	if (n == 4 || n == 5)
		return -EIO;
	if (n < 4 && v >= TASK_SIZE)
		return -EINVAL;
	if (n == 7 && check_control(v))
		return -EINVAL;
	if (!t->arch.debug) {
		if (!v)
			return 0;
		t->arch.debug = kzalloc(sizeof(*t->arch.debug), GFP_KERNEL);
		if (!t->arch.debug)
			return -ENOMEM;
	}
	if (n < 4)
		t->arch.debug->addr[n] = v;
	else if (n == 6)
		t->arch.debug->status = v;
	else
		t->arch.debug->control = v & ~DR7_FIXED;
	return 0;
}

static unsigned long debug_reg_get(const struct task *t, unsigned n)
{
	const struct debug_regs *d = t->arch.debug;

	if (!d || n == 4 || n == 5)
		return 0;
	return n < 4 ? d->addr[n] : n == 6 ? d->status : d->control;
}

/* ---- struct user, word by word ---- */

int arch_user_word_get(const struct task *t, unsigned long offset, unsigned long *out)
{
	struct arch_user_regs r;

	if (offset % sizeof(long) || offset >= USER_SIZE)
		return -EIO;
	*out = 0;
	if (offset < sizeof(r)) {
		arch_regs_get(t, &r);
		*out = ((unsigned long *)&r)[offset / sizeof(long)];
	} else if (offset >= USER_DEBUGREG) {
		*out = debug_reg_get(t, (offset - USER_DEBUGREG) / sizeof(long));
	}
	return 0;
}

int arch_user_word_set(struct task *t, unsigned long offset, unsigned long v)
{
	struct arch_user_regs r;

	if (offset % sizeof(long) || offset >= USER_SIZE)
		return -EIO;
	if (offset < sizeof(r)) {
		arch_regs_get(t, &r);
		((unsigned long *)&r)[offset / sizeof(long)] = v;
		return arch_regs_set(t, &r);
	}
	if (offset >= USER_DEBUGREG)
		return debug_reg_set(t, (offset - USER_DEBUGREG) / sizeof(long), v);
	return 0;
}

/* ---- steps and system calls ---- */

void arch_trace_step(struct task *t, bool on)
{
	if (on && !(t->frame->flags & EFLAGS_TF)) {
		t->frame->flags |= EFLAGS_TF;
		t->arch.step_forced = true;
		trap_frame_changed_of(t);
	} else if (!on && t->arch.step_forced) {
		t->frame->flags &= ~EFLAGS_TF;
		t->arch.step_forced = false;
		trap_frame_changed_of(t);
	}
}

void arch_trace_syscalls(struct task *t, bool on)
{
	t->arch.syscall_limit = on ? 0 : nr_syscalls;
}

/* A call beyond the limit: of a traced task, or of a number that does not exist. The frame's ax is -ENOSYS so far. */
long syscall_beyond(struct trapframe *f);
long syscall_beyond(struct trapframe *f)
{
	if (current->arch.syscall_limit)
		this_cpu_write(syscall_limit, current->arch.syscall_limit);	/* the tracer let go of us while we ran */
	else if (!syscall_traced())
		return (long)f->ax;
	if (f->orig_ax >= nr_syscalls)
		return (long)f->ax;
	return sys_call_table[f->orig_ax](f->di, f->si, f->dx, f->r10, f->r8, f->r9);
}

/* A debug exception in user mode: which signal code it deserves, or 0: none, it was a step nobody asked for. */
int debug_exception(struct trapframe *f)
{
	struct task *t = current;
	unsigned long why = get_dr6(), hit;

	set_dr(6, DR6_CLEAR);
	hit = t->arch.debug ? why & DR6_TRAP0 : 0;
	if (hit) {
		t->arch.debug->status = (t->arch.debug->status & ~DR6_TRAP0) | (why & (DR6_TRAP0 | DR6_STEP));
		for (unsigned i = 0; i < 4; i++)	/* past a breakpoint on execution, which would strike again */
			if ((hit >> i & 1) && !(t->arch.debug->control >> (16 + 4 * i) & 3))
				f->flags |= EFLAGS_RF;
		return TRAP_HWBKPT;
	}
	if (t->arch.debug && (why & DR6_STEP))
		t->arch.debug->status |= DR6_STEP;
	if (t->arch.step_forced && !task_is_traced(t)) {
		arch_trace_step(t, false);
		return 0;
	}
	return TRAP_TRACE;
}
