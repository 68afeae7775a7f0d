/*
 * vmstat.c - counters that Linux's interfaces show: events, and pages in a state. Per CPU, added up when read.
 */
#include <kernel/cpu.h>
#include <mm/lru.h>
#include <mm/page_alloc.h>
#include "page_alloc/internal.h"

DEFINE_PER_CPU(struct vm_counters, vm_counters);

unsigned long vm_event_read(enum vm_event e)
{
	long n = 0;

	for_each_cpu(cpu)
		n += READ_ONCE(per_cpu_ptr(vm_counters, cpu)->event[e]);
	return (unsigned long)n;
}

/* A page counted on one CPU and uncounted on another makes single CPUs negative, the sum is right. */
long vm_stat_read(enum vm_stat s)
{
	long n = 0;

	if (s >= NR_INACTIVE_ANON && s <= NR_UNEVICTABLE)	/* the lists count themselves, in the same order */
		return (long)lru_pages((enum lru_list)(s - NR_INACTIVE_ANON));
	for_each_cpu(cpu)
		n += READ_ONCE(per_cpu_ptr(vm_counters, cpu)->stat[s]);
	return n;
}

unsigned long nr_free_pages(void)
{
	unsigned long n = pcp_count();

	for (unsigned i = 0; i < NR_ZONES; i++)
		n += (unsigned long)atomic_read(&zones[i].nr_free);
	return n;
}
