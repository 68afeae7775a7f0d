/*
 * rseq.c - restartable sequences: user code that the kernel restarts when it was interrupted.
 *
 * SHAPE       a thread registers a struct rseq. Whenever it was preempted, moved, or gets a signal, the return to user mode writes
 *             the CPU number there and, if the program counter lies in the critical section that the struct points to, moves
 *             it to the section's abort address. The scheduler asks for this by WORK_NOTIFY only when a thread was
 *             preempted or changed CPUs: a system call inside a section is not allowed anyway.
 */
#include <abi/errno.h>
#include <abi/sched.h>
#include <arch/trap.h>
#include <kernel/cpu.h>
#include <kernel/syscall.h>
#include <linux/rseq.h>
#include "internal.h"

#define RSEQ_SIZE	32	/* the original struct; longer ones are accepted */

static int write_cpu(struct task *t)
{
	struct rseq __user *r = t->rseq_area;
	u32 cpu = cpu_id();

	return put_user(cpu, &r->cpu_id_start) || put_user(cpu, &r->cpu_id) ? -EFAULT : 0;
}

static int reset_area(struct task *t)
{
	struct rseq __user *r = t->rseq_area;

	return put_user(0u, &r->cpu_id_start) || put_user((u32)RSEQ_CPU_ID_UNINITIALIZED, &r->cpu_id) ? -EFAULT : 0;
}

/* Leave the critical section, if there is one. 0, -EFAULT, -EINVAL: the program is broken. */
static int fix_ip(struct task *t, struct trapframe *f)
{
	struct rseq __user *r = t->rseq_area;
	struct rseq_cs cs;
	u64 ptr;
	u32 sig;

	if (get_user(ptr, (u64 __user *)&r->rseq_cs))
		return -EFAULT;
	if (!ptr)
		return 0;
	if (copy_from_user(&cs, (void __user *)ptr, sizeof(cs)))
		return -EFAULT;
	if (cs.version || cs.flags || cs.abort_ip - cs.start_ip < cs.post_commit_offset)
		return -EINVAL;
	if (f->ip - cs.start_ip >= cs.post_commit_offset)
		return put_user((u64)0, (u64 __user *)&r->rseq_cs);
	if (get_user(sig, (u32 __user *)(cs.abort_ip - sizeof(sig))))
		return -EFAULT;
	if (sig != t->rseq_sig)
		return -EINVAL;
	if (put_user((u64)0, (u64 __user *)&r->rseq_cs))
		return -EFAULT;
	f->ip = cs.abort_ip;
	trap_frame_changed(f);
	return 0;
}

void rseq_return_to_user(struct trapframe *f)
{
	struct task *t = current;

	if (fix_ip(t, f) || write_cpu(t))
		signal_force_fault(SIGSEGV, SI_KERNEL, 0);
}

void rseq_signal(struct trapframe *f)
{
	rseq_return_to_user(f);
}

void rseq_fork(struct task *child, u64 clone_flags)
{
	if (clone_flags & CLONE_VM)
		return;			/* a new thread registers its own */
	child->rseq_area = current->rseq_area;
	child->rseq_len = current->rseq_len;
	child->rseq_sig = current->rseq_sig;
	if (child->rseq_area)
		child->work |= WORK_NOTIFY;
}

SYSCALL(rseq, struct rseq __user *area, u32 len, int flags, u32 sig)
{
	struct task *t = current;

	if (flags & RSEQ_FLAG_UNREGISTER) {
		if (flags & ~RSEQ_FLAG_UNREGISTER)
			return -EINVAL;
		if (t->rseq_area != area || !area || t->rseq_len != len)
			return -EINVAL;
		if (t->rseq_sig != sig)
			return -EPERM;
		if (reset_area(t))
			return -EFAULT;
		t->rseq_area = NULL;
		return 0;
	}
	if (flags)
		return -EINVAL;
	if (t->rseq_area) {
		if (t->rseq_area != area || t->rseq_len != len)
			return -EINVAL;
		return t->rseq_sig != sig ? -EPERM : -EBUSY;
	}
	if (len < RSEQ_SIZE || (unsigned long)area % RSEQ_SIZE)
		return -EINVAL;
	if (!access_ok(area, len))
		return -EFAULT;
	t->rseq_area = area;
	t->rseq_len = len;
	t->rseq_sig = sig;
	task_set_work(t, WORK_NOTIFY);	/* the CPU number is written on the way out */
	return 0;
}
