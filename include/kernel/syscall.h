/*
 * syscall.h - how a system call is defined.
 * Border: open to arch.
 *
 *	SYSCALL(read, int fd, char __user *buf, size_t n)
 *	{
 *		...
 *	}
 *
 * defines sys_read() with the C ABI; the entry code passes the six registers as they are. The table is generated from the
 * numbers Linux exports; a call nobody defines is sys_ni: -ENOSYS, named once in the log with `quire.verbose`.
 * The caller's registers are current->frame.
 */
#ifndef KERNEL_SYSCALL_H
#define KERNEL_SYSCALL_H

#include <kernel/task.h>
#include <mm/uaccess.h>

#define SYSCALL(name, ...)				\
	long sys_##name(__VA_ARGS__);			\
	long sys_##name(__VA_ARGS__)
#define SYSCALL0(name)					\
	long sys_##name(void);				\
	long sys_##name(void)

#endif
