/*
 * panic.c - the end of a kernel that found itself wrong: say why, with names, and stop the machine.
 */
#include <arch/cpu.h>
#include <arch/machine.h>
#include <kernel/boot_info.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/printk.h>

extern bool printk_unlocked;
static int panicking;


noreturn void panic(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	irq_disable();
	if (__atomic_exchange_n(&panicking, 1, __ATOMIC_SEQ_CST)) {
		if (printk_unlocked)		/* a panic in the panic */
			machine_exit(MACHINE_EXIT_PANIC);
		for (;;)
			cpu_relax();		/* another CPU is at it */
	}
	cpu_stop_others();
	printk_unlocked = true;
	console_set_level(LOG_DEBUG + 1);
	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pr_emerg("Kernel panic - not syncing: %s\n", text);
	dump_stack();
	pr_emerg("---[ end Kernel panic - not syncing: %s ]---\n", text);
	machine_exit(MACHINE_EXIT_PANIC);
}

noreturn void bug_at(const char *what, const char *file, int line)
{
	panic("%s at %s:%d", what, file, line);
}

void warn_at(const char *what, const char *file, int line)
{
	if (cmdline_has("panic_on_warn"))
		panic("warning: %s at %s:%d", what, file, line);
	pr_warn("WARNING: %s at %s:%d\n", what, file, line);
	dump_stack();
}

void dump_stack(void)
{
	pr_emerg("Call trace:\n");
	backtrace_print(*(vaddr_t *)__builtin_frame_address(0), (vaddr_t)__builtin_return_address(0));
}
