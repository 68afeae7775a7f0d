/*
 * main.h - the order in which the kernel starts.
 * Border: open to arch.
 */
#ifndef KERNEL_MAIN_H
#define KERNEL_MAIN_H

#include <lib/types.h>

struct boot_info;

/* Called by the machine layer once boot_info is filled. Becomes the boot CPU's idle task. */
noreturn void kernel_main(void);

/* The stages kernel_main() calls, in this order. A border: upper layers define most of them. */
void memblock_init(const struct boot_info *b);	/* RAM from the map; image and initramfs reserved */
void page_alloc_init(void);
void slab_init(void);
void vmalloc_init(void);
void ledger_init(void);
void sched_init(void);
void workqueue_init(void);
void sched_start_first(int (*fn)(void *));	/* makes the thread that becomes process 1 */
noreturn void sched_idle_loop(void);
/* In that thread: */
void mm_init(void);
void vfs_init(void);
int start_init(void *unused);			/* finds and executes init; returns into user mode */

/* Files that only need to register something use  initcall(fn, stage)  instead of a line there. */
enum initcall_stage { INIT_CORE, INIT_FS, INIT_DRIVER, INIT_LATE };
typedef int (*initcall_fn)(void);
#define INITCALL_SECTION_(stage) ".initcalls." #stage
/* stage: 1 core, 2 file systems, 3 drivers, 4 late. Runs in a context that may sleep. */
#define initcall(fn, stage) \
	static const initcall_fn CONCAT(initcall_, fn) used_sym in_section(INITCALL_SECTION_(stage)) = fn

#endif
