/*
 * percpu.h - per-CPU variables of the host machine: a thread-local distance to the CPU's copy of the section.
 */
#ifndef ARCH_PERCPU_H
#define ARCH_PERCPU_H

#define DEFINE_PER_CPU(type, name)	in_section("percpu") typeof(type) name
#define DEFINE_PER_CPU_ALIGNED(type, name) in_section("percpu") aligned_to(64) typeof(type) name
#define DECLARE_PER_CPU(type, name)	extern typeof(type) name

extern unsigned long percpu_offset[MAX_CPUS];
extern __thread unsigned long host_percpu_offset;

static always_inline unsigned long this_cpu_offset(void)
{
	return host_percpu_offset;
}

#define per_cpu_ptr(var, cpu)	((typeof(var) *)((char *)&(var) + percpu_offset[cpu]))
#define this_cpu_ptr(var)	((typeof(var) *)((char *)&(var) + this_cpu_offset()))
#define this_cpu_read(var)	(*this_cpu_ptr(var))
#define this_cpu_write(var, val) WRITE_ONCE(*this_cpu_ptr(var), (val))
#define this_cpu_add(var, n)	WRITE_ONCE(*this_cpu_ptr(var), *this_cpu_ptr(var) + (n))
#define this_cpu_or(var, n)	WRITE_ONCE(*this_cpu_ptr(var), *this_cpu_ptr(var) | (n))
#define this_cpu_xchg(var, val) ({ typeof(var) tcx_v = __atomic_exchange_n(this_cpu_ptr(var), (val), __ATOMIC_SEQ_CST); tcx_v; })
#define this_cpu(var)		(*this_cpu_ptr(var))
#define DEFINE_PERCPU(type, name)	DEFINE_PER_CPU(type, name)
#define DECLARE_PERCPU(type, name)	DECLARE_PER_CPU(type, name)

DECLARE_PER_CPU(unsigned, cpu_number);
#define cpu_id()		this_cpu_read(cpu_number)
extern unsigned nr_cpus;
extern u64 cpu_online_mask;
#define cpu_online(cpu)		(cpu_online_mask >> (cpu) & 1)

#endif
