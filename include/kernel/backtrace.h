/*
 * backtrace.h - return addresses on a kernel stack, by the chain of frame pointers.
 */
#ifndef KERNEL_BACKTRACE_H
#define KERNEL_BACKTRACE_H

#include <kernel/task.h>

/* From frame fp up, at most max, into out; how many. Reads only inside the stack, whatever stands there. */
static inline unsigned stack_frames(vaddr_t fp, const void *stack, u64 *out, unsigned max)
{
	vaddr_t low = (vaddr_t)stack, high = low + KSTACK_SIZE;
	unsigned n = 0;

	while (n < max && fp >= low && fp + 2 * sizeof(vaddr_t) <= high && !(fp & 7)) {
		vaddr_t pc = ((const volatile vaddr_t *)fp)[1], up = ((const volatile vaddr_t *)fp)[0];

		if (!pc || (long)pc >= 0)
			break;
		out[n++] = pc;
		if (up <= fp)
			break;
		fp = up;
	}
	return n;
}

#endif
