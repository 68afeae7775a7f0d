/*
 * percpu.c - offsets of the per-CPU copies; the copies themselves are made in smp.c.
 */
#include <kernel/cpu.h>
#include <arch/thread.h>

unsigned long percpu_offset[MAX_CPUS];
DEFINE_PER_CPU(unsigned long, percpu_this_offset);
DEFINE_PER_CPU(unsigned, cpu_number);
extern struct task boot_task;
DEFINE_PER_CPU(struct task *, current_task) = &boot_task;	/* kernel/sched.c */
unsigned nr_cpus = 1;
u64 cpu_online_mask = 1;
