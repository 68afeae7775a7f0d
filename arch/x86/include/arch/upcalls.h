/*
 * upcalls.h - what the machine layer calls in the layers above. A border header: mm/, kernel/ and proc/ define these.
 */
#ifndef ARCH_UPCALLS_H
#define ARCH_UPCALLS_H

#include <lib/types.h>

struct task;
struct mm;
struct trapframe;
struct task;

/* mm/: error code as the CPU gives it. Interrupts are on if they were on where the fault happened. */
void page_fault(struct trapframe *f, vaddr_t addr, unsigned long code);
/* mm/: this CPU runs no task of mm but has it loaded still: let go of it. Interrupts off. */
void mm_leave_lazy(struct mm *mm);
/* proc/: an exception in user mode other than a page fault. code: si_code. Interrupts on. */
void user_exception(struct trapframe *f, int signo, int code, vaddr_t addr, int trapno, unsigned long err);
/* proc/: current->work was not 0 on the way to user mode. Interrupts on. Called until it is 0. */
void user_return_work(struct trapframe *f);
/* kernel/: the timer fired, in hard interrupt context; from_user: it interrupted user mode. */
void sched_timer_interrupt(bool from_user);
/* kernel/: first thing a new thread runs; `prev` ran before it on this CPU. */
void sched_first_run(struct task *prev);
/* Generated: one entry per number, sys_ni for those nobody defines. */
typedef long (*syscall_fn)(unsigned long, unsigned long, unsigned long, unsigned long, unsigned long, unsigned long);
extern const syscall_fn sys_call_table[];
extern const unsigned long nr_syscalls;
bool syscall_traced(void);	/* proc/: a debugger looks at current's call in its frame. False: it is not to be made */
bool task_is_traced(const struct task *t);	/* proc/: it has a tracer */
long syscall_unknown(void);		/* proc/: current->frame->orig_ax is the number */
noreturn void task_exit(int code);

#endif
