/*
 * thread.h - what the machine layer keeps in each task, and how one task gives the CPU to another.
 */
#ifndef ARCH_THREAD_H
#define ARCH_THREAD_H

#include <kernel/percpu.h>

struct task;
struct trapframe;
struct fpu_state;

struct arch_thread {
	unsigned long		sp;		/* kernel stack pointer while not running */
	unsigned long		fs_base, gs_base;	/* of user mode, while not running */
	struct fpu_state	*fpu;		/* NULL for kernel threads */
	unsigned long		syscall_limit;	/* 0 while a debugger wants to see its system calls */
	struct debug_regs	*debug;		/* breakpoints in registers; NULL: none */
	bool			step_forced;	/* the trap flag in its frame is a debugger's */
};

/* Where the stack of a task that is not running ends. */
static inline unsigned long arch_thread_sp(const struct arch_thread *a)
{
	return a->sp;
}

/* Its frame pointer there: struct saved_stack in thread.c. */
static inline unsigned long arch_thread_fp(const struct arch_thread *a)
{
	return ((const unsigned long *)a->sp)[5];
}

DECLARE_PER_CPU(struct task *, current_task);

/* Constant from the point of view of the task itself, so the compiler may keep it in a register. */
static always_inline struct task *get_current(void)
{
	struct task *t;

	__asm__("movq %%gs:%1, %0" : "=r"(t) : "m"(current_task));
	return t;
}

/*
 * Give the CPU to `next`: stack, user segment bases, FPU, current. The address space has been switched before.
 * Interrupts off. Returns when prev runs again, with the task that ran just before it on this CPU.
 */
struct task *switch_to(struct task *prev, struct task *next);

/* First switch to t calls sched_first_run(prev), then fn(arg), then task_exit(its result). t->kstack is set. */
void arch_thread_setup_kernel(struct task *t, int (*fn)(void *), void *arg);
/*
 * First switch to child calls sched_first_run(prev) and returns to user mode with a copy of the parent's registers, rax 0.
 * new_sp 0: the same. Sets child->frame. 0 or -ENOMEM.
 */
int arch_thread_fork(struct task *child, const struct task *parent, unsigned long new_sp, bool set_tls,
		     unsigned long tls) must_check;
/* exec: current's frame f, its TLS bases and FPU state become those of a new program. */
void arch_exec_start(struct trapframe *f, vaddr_t entry, vaddr_t sp);
/* For a kernel thread that has become a user process (init): leaves for user mode with t->frame. Never returns. */
noreturn void arch_enter_user(void);
void arch_thread_free(struct task *t);
/* User FS or GS base: of any task that is not running elsewhere; of current. */
unsigned long arch_user_base(const struct task *t, bool gs);
void arch_set_user_base(bool gs, unsigned long v);

/* arch/x86/ptrace.c */
DECLARE_PER_CPU(unsigned long, syscall_limit);
void debug_regs_switch(const struct task *next);
int debug_exception(struct trapframe *f);

#define ARCH_FRAME(kstack)	((struct trapframe *)((char *)(kstack) + KSTACK_SIZE) - 1)

#endif
