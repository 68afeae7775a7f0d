/*
 * main.c - the start order of the kernel. Everything below it is one subsystem's own business.
 */
#include <arch/cpu.h>
#include <arch/machine.h>
#include <kernel/kthread.h>
#include <kernel/boot_info.h>
#include <kernel/cpu.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/version.h>
#include <lib/string.h>
#include <mm/kmemleak.h>

static void set_log_level(void)
{
	if (cmdline_has("quiet"))
		console_set_level(LOG_WARNING);
	console_set_level((int)cmdline_get_size("loglevel", console_get_level()));
}

/* kmemleak=on|off; debug kernels: on. */
static bool keep_ages(void)
{
	char v[8] = "";

	cmdline_get("kmemleak", v, sizeof(v));
#ifdef DEBUG
	return strcmp(v, "off") != 0;
#else
	return strcmp(v, "on") == 0;
#endif
}

extern const initcall_fn initcalls_start[], initcalls_end[];

static void run_initcalls(void)
{
	for (const initcall_fn *f = initcalls_start; f < initcalls_end; f++) {
		int err = (*f)();

		if (err)
			pr_warn("initcall %pS: error %d\n", *f, err);
	}
}

/* What may sleep, in the thread that becomes process 1. */
static int start_late(void *unused_arg)
{
	smp_init();
	mm_init();
	vfs_init();
	run_initcalls();
	if (cmdline_has("quire.smoke"))
		machine_power_off();
	arch_free_init();
	return start_init(NULL);
}

noreturn void kernel_main(void)
{
	set_log_level();
	pr_notice("Quire %s (%s%s) booted by %s\n", QUIRE_VERSION, COMPILER_NAME, DEBUG_NAME, boot_info.loader);
	pr_info("Command line: %s\n", boot_info.cmdline);
	arch_early_init();
	memblock_init(&boot_info);
	arch_mm_init();
	page_alloc_init();
	slab_keep_age = keep_ages();
	slab_init();
	vmalloc_init();
	ledger_init();
	arch_irq_init();
	sched_init();
	kthread_init();
	workqueue_init();
	sched_start_first(start_late);
	sched_idle_loop();
}
