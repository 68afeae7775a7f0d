/*
 * membarrier.c - make other threads execute a memory barrier.
 *
 * SHAPE       an interrupt on every other CPU is a full barrier there. The private forms leave out CPUs that run another
 *             address space; what is not running passes through a context switch, which is a barrier too.
 */
#include <abi/errno.h>
#include <kernel/cpu.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <linux/membarrier.h>
#include <mm/mm.h>
#include <proc/process.h>

#define SUPPORTED	(MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | \
			 MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | \
			 MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE)

/* Coming here and back (IRET serialises) is all there is to do. */
static void nothing(void *arg)
{
	smp_mb();
}

static void barrier_on(u64 cpus)
{
	smp_mb();
	cpus &= cpu_online_mask & ~BIT(cpu_id());
	if (cpus)
		cpu_call(cpus, nothing, NULL);
	smp_mb();
}

static long private_barrier(u32 registration)
{
	struct mm *mm = current->mm;

	if (!(READ_ONCE(mm->membarrier_state) & registration))
		return -EPERM;
	if (atomic_read(&mm->users) > 1)
		barrier_on(READ_ONCE(mm->cpumask));
	return 0;
}

SYSCALL(membarrier, int cmd, unsigned flags, int cpu)
{
	u32 *state = &current->mm->membarrier_state;

	if (flags)
		return -EINVAL;
	switch (cmd) {
	case MEMBARRIER_CMD_QUERY:
		return SUPPORTED;
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
		barrier_on(~0UL);
		return 0;
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
		return 0;
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
		__atomic_fetch_or(state, (u32)cmd, __ATOMIC_SEQ_CST);
		return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		return private_barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
		return private_barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE);
	}
	return -EINVAL;
}
