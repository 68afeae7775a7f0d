/*
 * machine.c - ending: power off, restart, halt, panic.
 *
 * Under QEMU with isa-debug-exit a write to port 0xf4 ends the emulator with status code * 2 + 1. Without the device the
 * port is empty and the write does nothing, so the other ways follow.
 */
#include <arch/cpu.h>
#include <arch/io.h>
#include <arch/machine.h>
#include <kernel/cpu.h>

#define DEBUG_EXIT_PORT		0xf4
#define KEYBOARD_PORT		0x64
#define RESET_PORT		0xcf9

bool acpi_power_off(void);

static noreturn void halt_for_ever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void reset(void)
{
	struct { u16 limit; u64 base; } packed no_idt = { 0, 0 };

	outb(RESET_PORT, 0x02);
	outb(RESET_PORT, 0x06);
	outb(KEYBOARD_PORT, 0xfe);
	__asm__ volatile("lidt %0; int3" : : "m"(no_idt));	/* triple fault */
}

noreturn void machine_exit(enum machine_exit_code code)
{
	irq_disable();
	outl(DEBUG_EXIT_PORT, code);
	if (code == MACHINE_EXIT_OK)
		acpi_power_off();
	if (code == MACHINE_EXIT_REBOOT || code == MACHINE_EXIT_OK ||
	    (code == MACHINE_EXIT_PANIC && cmdline_has("panic")))
		reset();
	halt_for_ever();
}

static noreturn void end(enum machine_exit_code code)
{
	irq_disable();
	cpu_stop_others();
	machine_exit(code);
}

noreturn void machine_power_off(void)
{
	end(MACHINE_EXIT_OK);
}

noreturn void machine_restart(void)
{
	end(MACHINE_EXIT_REBOOT);
}

noreturn void machine_halt(void)
{
	end(MACHINE_EXIT_HALT);
}
