/*
 * syscall.c - the system calls that nobody defines: -ENOSYS, and with `quire.verbose` a line in the log, once for each.
 */
#include <abi/errno.h>
#include <arch/trap.h>
#include <arch/upcalls.h>
#include <kernel/boot_info.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <lib/string.h>

#define TOLD_BITS	512

extern const char sys_call_names[];	/* generated: strings one after another, by number */
static unsigned long told[TOLD_BITS / 64];

static const char *name_of(unsigned long nr)
{
	const char *s = sys_call_names;

	if (nr >= nr_syscalls)
		return "";
	while (nr--)
		s += strlen(s) + 1;
	return s;
}

long syscall_unknown(void)
{
	unsigned long nr = current->frame->orig_ax;

	if (nr < TOLD_BITS && cmdline_has("quire.verbose") && !test_and_set_bit(nr, told))
		pr_info("%s[%d]: system call %lu (%s) is not implemented\n", current->comm, current->tid, nr, name_of(nr));
	return -ENOSYS;
}
