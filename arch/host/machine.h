/* machine.h - between the parts of the host machine. */
#ifndef ARCH_HOST_MACHINE_H
#define ARCH_HOST_MACHINE_H

#include <kernel/task.h>
#include "os.h"

#define HOST_VMALLOC_SIZE	MIB(256)
#define HOST_PANIC_STATUS	42

struct host_thread {			/* what a task sleeps on */
	struct os_mutex	lock;
	struct os_cond	cond;
};

struct host_cpu {
	struct os_mutex	irq;		/* held by whoever runs handlers of this CPU, or by itself with interrupts off */
	struct task	task;
	struct host_thread thread;
};
extern struct host_cpu host_cpus[];
extern bool host_expect_panic;

void host_mmu_start(void);
/* Address spaces and what they want from above; absent in builds of the allocators alone. */
void host_mm_start(void) weak;

#endif
