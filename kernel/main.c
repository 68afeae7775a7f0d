/*
 * main.c - the start order of the kernel. Everything below it is one subsystem's own business.
 *
 * Names declared weak belong to upper layers: the order is one decision, so it is written in one place.
 */
#include <arch/cpu.h>
#include <arch/machine.h>
#include <kernel/boot_info.h>
#include <kernel/cpu.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <lib/string.h>

void memblock_init(const struct boot_info *b) weak;	/* RAM from the map; image, initramfs and low page reserved */
void page_alloc_init(void) weak;
void slab_init(void) weak;
void vmalloc_init(void) weak;
void ledger_init(void) weak;
void arch_irq_init(void) weak;
void arch_mm_init(void) weak;
void arch_early_init(void) weak;
void sched_init(void) weak;
void workqueue_init(void) weak;
void smp_init(void) weak;
void mm_init(void) weak;		/* caches of mm/: vma, anon_vma, page cache … */
void vfs_init(void) weak;
void proc_init(void) weak;
noreturn void sched_idle_loop(void) weak;
int start_init(void *unused) weak;

static void run(void (*fn)(void))
{
	if (fn)
		fn();
}

static void set_log_level(void)
{
	if (cmdline_has("quiet"))
		console_set_level(LOG_WARNING);
	console_set_level((int)cmdline_get_size("loglevel", console_get_level()));
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

/* Rest of the start that may sleep; becomes process 1 when there is one. */
int kernel_start_late(void *unused);
int kernel_start_late(void *arg)
{
	run(smp_init);
	run(mm_init);
	if (mm_init)			/* files need the page cache */
		run(vfs_init);
	run(proc_init);
	if (vfs_init && arch_mm_init)
		run_initcalls();
	if (cmdline_has("quire.smoke"))
		machine_power_off();
	if (!start_init)
		panic("no init: proc/ is missing from this build");
	arch_free_init();
	return start_init(NULL);
}

void sched_start_first(int (*fn)(void *)) weak;		/* make the thread that runs fn, pid 1 */

noreturn void kernel_main(void)
{
	set_log_level();
	pr_notice("Quire (%s%s) booted by %s\n", __VERSION__,
#ifdef DEBUG
		  ", debug",
#else
		  "",
#endif
		  boot_info.loader);
	pr_info("Command line: %s\n", boot_info.cmdline);
	run(arch_early_init);
	if (memblock_init)
		memblock_init(&boot_info);
	run(arch_mm_init);
	if (arch_mm_init) {
		run(page_alloc_init);
		run(slab_init);
		run(vmalloc_init);
		run(ledger_init);
	}
	run(arch_irq_init);
	if (mm_init && vfs_init && sched_start_first) {
		run(sched_init);
		run(workqueue_init);
		sched_start_first(kernel_start_late);
		sched_idle_loop();
	}
	kernel_start_late(NULL);
	panic("init returned");
}
