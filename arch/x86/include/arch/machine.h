/*
 * machine.h - the machine as a whole: how it starts each layer, and how it ends.
 */
#ifndef ARCH_MACHINE_H
#define ARCH_MACHINE_H

#include <kernel/boot_info.h>
#include <kernel/panic.h>

/* Leaves by isa-debug-exit with this code when QEMU has one, else by reset or power-off. */
noreturn void machine_exit(enum machine_exit_code code);

/* Boot stages of the machine layer, in the order kernel_main() calls them. */
void arch_early_init(void);	/* features, GDT, IDT, exceptions: memory allocation not yet possible */
void arch_mm_init(void);	/* final kernel page tables, from memblock */
void arch_irq_init(void);	/* APICs, clock, timers; vmalloc and slab work */

void arch_free_init(void);	/* boot code and data go to the page allocator; nothing of them may run later */

#endif
