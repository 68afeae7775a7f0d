/*
 * cpu.h - which CPUs there are. Numbers are dense: 0 is the boot CPU.
 * Border: open to arch.
 */
#ifndef KERNEL_CPU_H
#define KERNEL_CPU_H

#include <kernel/percpu.h>

/* cpu_id(), nr_cpus, cpu_online(cpu), cpu_online_mask come from <arch/percpu.h>. */
#ifndef for_each_cpu
#define for_each_cpu(cpu)	for (unsigned cpu = 0; cpu < nr_cpus; cpu++)
#endif

/* Started one by one by smp_init(); each enters cpu_idle_loop() through sched_init_cpu(). */
void smp_init(void);

/* Ask a CPU to look for work: its next return to user mode, or its idle loop, calls schedule(). */
void cpu_kick(unsigned cpu);
/* Run fn(arg) in hard interrupt context on each CPU of the mask but this one, and wait until all have. */
void cpu_call(u64 mask, void (*fn)(void *arg), void *arg);
void cpu_stop_others(void);		/* for panic and power-off */

#endif
