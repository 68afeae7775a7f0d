/*
 * main.h - the order in which the kernel starts.
 */
#ifndef KERNEL_MAIN_H
#define KERNEL_MAIN_H

#include <lib/types.h>

struct boot_info;

/* Called by the machine layer once boot_info is filled. Becomes the boot CPU's idle task. */
noreturn void kernel_main(void);

/* The first user process, started by proc/: finds and executes init. */
int start_init(void *unused);

/*
 * Start order (kernel/main.c). Each is defined by its subsystem; one that does not exist yet is skipped.
 * Files that only need to register something use  initcall(fn, stage)  instead of a line there.
 */
enum initcall_stage { INIT_CORE, INIT_FS, INIT_DRIVER, INIT_LATE };
typedef int (*initcall_fn)(void);
#define INITCALL_SECTION_(stage) ".initcalls." #stage
/* stage: 1 core, 2 file systems, 3 drivers, 4 late. Runs in a context that may sleep. */
#define initcall(fn, stage) \
	static const initcall_fn CONCAT(initcall_, fn) used_sym in_section(INITCALL_SECTION_(stage)) = fn

#endif
