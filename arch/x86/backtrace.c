/*
 * backtrace.c - walks saved frame pointers. Never faults: each step must stay in mapped kernel stacks.
 */
#include <arch/page.h>
#include <arch/layout.h>
#include <arch/mmu.h>
#include <kernel/panic.h>
#include <kernel/printk.h>


static bool plausible(vaddr_t fp)
{
	if (fp < page_offset_base || fp % 8 || fp > -4096UL)
		return false;
	return kernel_address_readable(fp) && kernel_address_readable(fp + 8);
}

void backtrace_print(vaddr_t fp, vaddr_t pc)
{
	for (int depth = 0; depth < 32; depth++) {
		/* A return address may be the first byte of the next function, after a call that never returns. */
		pr_emerg("  [<%016lx>] %pS\n", pc, (void *)(pc - (depth > 0)));
		if (!plausible(fp))
			return;
		pc = ((vaddr_t *)fp)[1];
		if (!pc || pc < KERNEL_BASE)
			return;
		if (((vaddr_t *)fp)[0] <= fp)
			return;
		fp = ((vaddr_t *)fp)[0];
	}
}
