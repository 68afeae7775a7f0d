/*
 * cpu.h - "interrupts" of the host machine: a lock per CPU. Whoever interrupts a CPU holds it while the handler runs in that CPU's name;
 * a CPU that disables interrupts holds it itself.
 */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <lib/types.h>

void cpu_relax(void);
void irq_enable(void);
void irq_disable(void);
bool irqs_enabled(void);
unsigned long irq_save(void);		/* returns whether they were on */
void irq_restore(unsigned long on);
u64 rdtsc(void);

/* Interrupts on; wait for one: here the other threads are given the processor. */
static inline void cpu_idle_wait(void)
{
	irq_enable();
	cpu_relax();
}

#endif
