/*
 * nofs.c - the host machine without file systems (the 32-bit build): what tests/unit/fs_borders.c has for the others.
 */
#include <kernel/irq.h>
#include <kernel/task.h>
#include <mm/mm.h>

int deferred_register(const char *name, irq_deferred_fn fn, void *arg)
{
	return 0;
}

void deferred_raise(int slot)
{
}

int task_pid(const struct task *t)
{
	return 1;
}

vaddr_t task_user_ip(const struct task *t)
{
	return 0;
}
