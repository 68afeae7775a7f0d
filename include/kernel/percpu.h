/*
 * percpu.h - one copy of a variable for each CPU.
 * Border: open to arch.
 *
 *	DEFINE_PER_CPU(unsigned long, faults);		this_cpu_inc(faults);	*per_cpu_ptr(faults, cpu)
 *
 * The kernel is not preemptible: between two sleeps a task stays on its CPU, so this_cpu_ptr() needs no protection. Each
 * this_cpu_ operation is a single instruction, safe against interrupts of its own CPU.
 */
#ifndef KERNEL_PERCPU_H
#define KERNEL_PERCPU_H

#include <lib/types.h>

#define MAX_CPUS	64

#include <arch/percpu.h>	/* this_cpu_{ptr,read,write,add}, per_cpu_ptr, DEFINE_PER_CPU, DECLARE_PER_CPU */

#define this_cpu_sub(var, n)	this_cpu_add(var, -(typeof(var))(n))
#define this_cpu_inc(var)	this_cpu_add(var, 1)
#define this_cpu_dec(var)	this_cpu_add(var, -1)
#define per_cpu(var, cpu)	(*per_cpu_ptr(var, cpu))	/* an lvalue */

#endif
