/*
 * desc.h - descriptor tables: GDT, TSS, IDT. One GDT and TSS for each CPU, one IDT for all.
 */
#ifndef ARCH_DESC_H
#define ARCH_DESC_H

#include <kernel/percpu.h>

struct tss {
	u32	reserved0;
	u64	sp0, sp1, sp2, reserved1;
	u64	ist[7];
	u64	reserved2;
	u16	reserved3, io_bitmap;	/* beyond the limit: no ports for user mode */
} packed;

DECLARE_PER_CPU(struct tss, cpu_tss);
DECLARE_PER_CPU(unsigned long, cpu_stack_top);	/* where system calls start their frame: TSS.sp0 */

#define IST_DOUBLE_FAULT	1	/* also machine checks: both are the end */
#define IST_NMI			2

void gdt_init_cpu(unsigned cpu);	/* loads GDT, TSS, IDT and the system-call registers of the running CPU */
void idt_init(void);

#endif
