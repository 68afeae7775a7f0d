/*
 * percpu.h - per-CPU variables by %gs.
 *
 * The boot CPU uses the variables where the linker put them (offset 0); each other CPU gets a copy of the whole section at
 * start, and its GS base is the distance to that copy. So every access works from the first instruction of C on.
 */
#ifndef ARCH_PERCPU_H
#define ARCH_PERCPU_H

#include <lib/compiler.h>
#include <lib/types.h>

#ifndef MAX_CPUS
#define MAX_CPUS 64	/* as in <kernel/percpu.h>, which includes this */
#endif

#define DEFINE_PER_CPU(type, name)	in_section(".percpu") typeof(type) name
#define DEFINE_PER_CPU_ALIGNED(type, name) in_section(".percpu") aligned_to(64) typeof(type) name
#define DECLARE_PER_CPU(type, name)	extern typeof(type) name

extern unsigned long percpu_offset[MAX_CPUS];
extern char percpu_start[], percpu_modules[], percpu_end[];
extern unsigned long percpu_this_offset;	/* a per-CPU variable: its own copy's offset */

static always_inline unsigned long this_cpu_offset(void)
{
	unsigned long off;

	__asm__ volatile("movq %%gs:%1, %0" : "=r"(off) : "m"(percpu_this_offset));
	return off;
}

#define per_cpu_ptr(var, cpu)	((typeof(var) *)((char *)&(var) + percpu_offset[cpu]))
#define this_cpu_ptr(var)	((typeof(var) *)((char *)&(var) + this_cpu_offset()))

/* The same as lvalues. */
#define DEFINE_PERCPU(type, name)	DEFINE_PER_CPU(type, name)
#define DECLARE_PERCPU(type, name)	DECLARE_PER_CPU(type, name)
#define this_cpu(var)			(*this_cpu_ptr(var))

#define this_cpu_read(var) ({								\
	typeof(var) tcr_v;								\
	__asm__ volatile("mov %%gs:%1, %0" : "=r"(tcr_v) : "m"(var));			\
	tcr_v; })
#define this_cpu_write(var, val) do {							\
	typeof(var) tcw_v = (val);							\
	__asm__ volatile("mov %1, %%gs:%0" : "=m"(var) : "r"(tcw_v));			\
} while (0)
#define this_cpu_add(var, n) do {							\
	typeof(var) tca_v = (typeof(var))(n);						\
	__asm__ volatile("add %1, %%gs:%0" : "+m"(var) : "r"(tca_v) : "cc");		\
} while (0)
#define this_cpu_or(var, n) do {							\
	typeof(var) tco_v = (typeof(var))(n);						\
	__asm__ volatile("or %1, %%gs:%0" : "+m"(var) : "r"(tco_v) : "cc");		\
} while (0)
/* Stores val and returns what was there. */
#define this_cpu_xchg(var, val) ({							\
	typeof(var) tcx_v = (val);							\
	__asm__ volatile("xchg %0, %%gs:%1" : "+r"(tcx_v), "+m"(var));			\
	tcx_v; })

DECLARE_PER_CPU(unsigned, cpu_number);
extern unsigned nr_cpus;		/* CPUs that run, numbered from 0; constant after smp_init() */
extern u64 cpu_online_mask;		/* bit n: CPU n takes interrupts and runs tasks */

static always_inline unsigned cpu_id(void)
{
	return this_cpu_read(cpu_number);
}
static inline bool cpu_online(unsigned cpu)
{
	return __atomic_load_n(&cpu_online_mask, __ATOMIC_RELAXED) >> cpu & 1;
}

#endif
