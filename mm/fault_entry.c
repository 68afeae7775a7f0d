/*
 * fault_entry.c - from the CPU's page-fault trap to mm_fault(), and from its result to a signal or a fix-up.
 *
 * The kernel itself may fault on user addresses only, and only where the exception table has an entry: then the accessor
 * gets a short count. With fault_disabled it gets that at once, without the page being brought in.
 */
#include "internal.h"

#include <abi/signal.h>
#include <arch/trap.h>
#include <arch/uaccess.h>
#include <arch/upcalls.h>
#include <kernel/trace.h>
#include <kernel/wait.h>
#include <mm/memcg.h>

static void kernel_fault(struct trapframe *f, vaddr_t addr, const char *what)
{
	if (!trap_fixup(f))
		trap_oops(f, what, addr);
}

static void user_fault(struct trapframe *f, int sig, int si_code, vaddr_t addr, unsigned long code)
{
	/* A program learns nothing about kernel addresses: all of them look unmapped but present. */
	if (addr >= TASK_SIZE_L5)
		code |= PF_PRESENT;
	user_exception(f, sig, si_code, addr, TRAP_PF, code | PF_USER);
}

/* Traced, or counted for cgroups. */
static noinline void note_fault(bool user, vaddr_t addr, vaddr_t ip, unsigned long code)
{
	trace_page_fault(user, addr, ip, code);
	memcg_vm_event(current->owner, MEMCG_PGFAULT);
}

static void fault_failed(struct trapframe *f, vaddr_t addr, unsigned long code, enum fault_result r)
{
	/* Short of memory is no bad address: the accessor tries again, unless its task is to die. */
	if (!trap_from_user(f) && (r != FAULT_OOM || fatal_signal_pending())) {
		kernel_fault(f, addr, "unable to handle a user address in the kernel");
		return;
	}
	switch (r) {
	case FAULT_OOM:			/* reclaim failed and somebody is being killed: perhaps us */
		if (!fatal_signal_pending())
			cond_resched();
		break;
	case FAULT_SIGSEGV_ACCERR:
		user_fault(f, SIGSEGV, SEGV_ACCERR, addr, code);
		break;
	case FAULT_SIGBUS:
		user_fault(f, SIGBUS, BUS_ADRERR, addr, code);
		break;
	default:
		user_fault(f, SIGSEGV, SEGV_MAPERR, addr, code);
	}
}

void page_fault(struct trapframe *f, vaddr_t addr, unsigned long code)
{
	struct task *t = current;
	bool user = trap_from_user(f);
	enum fault_result r;
	unsigned access;

	if (unlikely(code & PF_RESERVED))
		trap_oops(f, "reserved bits set in a page-table entry", addr);
	if (unlikely((long)addr < 0)) {
		if (user)
			user_fault(f, SIGSEGV, SEGV_MAPERR, addr, code);
		else
			kernel_fault(f, addr, "bad kernel address");
		return;
	}
	/* A read of something present is refused to the kernel by SMAP alone: it did not mean to touch user memory. */
	if (unlikely(!user && (!t->mm || t->fault_disabled || (code & (PF_PRESENT | PF_WRITE)) == PF_PRESENT))) {
		kernel_fault(f, addr, t->mm ? "stray access to user memory" : "null pointer or stray access");
		return;
	}
	if (unlikely(trace_on[user ? TRACE_FAULT_USER : TRACE_FAULT_KERNEL]))
		note_fault(user, addr, f->ip, code);
	access = (code & PF_WRITE ? ACCESS_WRITE : 0) | (code & PF_INSTR ? ACCESS_EXEC : 0) | (user ? ACCESS_USER : 0);
	vm_event_add(PGFAULT, 1);
	if (!(code & PF_PRESENT) && mm_fault_unlocked(t->mm, addr, access)) {
		t->min_flt++;
		return;
	}
	r = mm_fault(t->mm, addr, access);
	if (likely(r == FAULT_DONE || r == FAULT_RETRY)) {
		t->min_flt++;
	} else if (r == FAULT_MAJOR_DONE) {
		vm_event_add(PGMAJFAULT, 1);
		memcg_vm_event(t->owner, MEMCG_PGMAJFAULT);
		t->maj_flt++;
	} else {
		fault_failed(f, addr, code, r);
	}
}
