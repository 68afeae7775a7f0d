/*
 * sys_arch.c - system calls that exist on x86 only.
 */
#include <abi/errno.h>
#include <arch/thread.h>
#include <asm/prctl.h>
#include <kernel/syscall.h>

SYSCALL(arch_prctl, int code, unsigned long addr)
{
	switch (code) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (addr >= TASK_SIZE_MAX)
			return -EPERM;
		arch_set_user_base(code == ARCH_SET_GS, addr);
		return 0;
	case ARCH_GET_FS:
	case ARCH_GET_GS:
		return put_user(arch_user_base(current, code == ARCH_GET_GS), (unsigned long __user *)addr);
	default:
		return -EINVAL;
	}
}

/* No port access for user mode here: what Linux answers without CAP_SYS_RAWIO. */
SYSCALL(iopl, unsigned level)
{
	return level > 3 ? -EINVAL : -EPERM;
}

SYSCALL(ioperm, unsigned long from, unsigned long num, int on)
{
	if (from + num <= from || from + num > 65536)
		return -EINVAL;
	return on ? -EPERM : 0;
}
