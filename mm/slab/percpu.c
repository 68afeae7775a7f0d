/*
 * percpu.c - a new CPU's copy of mm's per-CPU data starts empty.
 */
#include <kernel/cpu.h>
#include <lib/string.h>
#include <mm/vmalloc.h>
#include "../page_alloc/internal.h"
#include "internal.h"

void mm_init_cpu(unsigned cpu)
{
	memset(per_cpu_ptr(pcp_set, cpu), 0, sizeof(struct pcp_set));
	memset(per_cpu_ptr(slab_cpus[0], cpu), 0, sizeof(slab_cpus));
	vmalloc_init_cpu(cpu);
	memset(per_cpu_ptr(vm_counters, cpu), 0, sizeof(struct vm_counters));
}
