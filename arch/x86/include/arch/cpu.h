/*
 * cpu.h - single instructions of the CPU.
 */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <lib/types.h>

static always_inline void cpu_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}
static always_inline void irq_enable(void)
{
	__asm__ volatile("sti" ::: "memory");
}
static always_inline void irq_disable(void)
{
	__asm__ volatile("cli" ::: "memory");
}
static always_inline bool irqs_enabled(void)
{
	unsigned long f;

	__asm__ volatile("pushfq; popq %0" : "=r"(f) : : "memory");
	return f & 0x200;
}
static always_inline unsigned long irq_save(void)
{
	unsigned long f;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(f) : : "memory");
	return f;
}
static always_inline void irq_restore(unsigned long f)
{
	if (f & 0x200)
		irq_enable();
}
/* Enable interrupts and wait for one, with no gap between. */
static always_inline void cpu_idle_wait(void)
{
	__asm__ volatile("sti; hlt" ::: "memory");
}

static always_inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return lo | (u64)hi << 32;
}
static always_inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

struct cpuid_regs { u32 eax, ebx, ecx, edx; };
static inline struct cpuid_regs cpuid(u32 leaf, u32 sub)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(sub));
	return r;
}

static always_inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (u64)hi << 32;
}

#define DEFINE_CR(n)							\
static always_inline unsigned long read_cr##n(void)			\
{									\
	unsigned long v;						\
	__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v) : : "memory");	\
	return v;							\
}									\
static always_inline void write_cr##n(unsigned long v)			\
{									\
	__asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory");	\
}
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)

#define CR0_MP		BIT(1)
#define CR0_EM		BIT(2)
#define CR0_TS		BIT(3)
#define CR0_NE		BIT(5)
#define CR0_WP		BIT(16)
#define CR4_PSE		BIT(4)
#define CR4_PAE		BIT(5)
#define CR4_MCE		BIT(6)
#define CR4_PGE		BIT(7)
#define CR4_OSFXSR	BIT(9)
#define CR4_OSXMMEXCPT	BIT(10)
#define CR4_UMIP	BIT(11)
#define CR4_LA57	BIT(12)
#define CR4_FSGSBASE	BIT(16)
#define CR4_PCIDE	BIT(17)
#define CR4_OSXSAVE	BIT(18)
#define CR4_SMEP	BIT(20)
#define CR4_SMAP	BIT(21)
#define CR4_PKE		BIT(22)

#define MSR_APIC_BASE	0x1b
#define MSR_PAT		0x277
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_TSC_AUX	0xc0000103
#define MSR_EFER	0xc0000080
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_CSTAR	0xc0000083
#define MSR_SFMASK	0xc0000084
#define MSR_FS_BASE	0xc0000100
#define MSR_GS_BASE	0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

/* Features found at boot, the same on all CPUs. */
struct cpu_features {
	bool	pcid, invpcid, smep, smap, umip, fsgsbase, xsave, xsaveopt, x2apic, tsc_deadline, gbpages, nx, la57, pge, rdpid, rdrand, rdtscp;
	u8	phys_bits, virt_bits;
	char	vendor[13], brand[49];
};
extern struct cpu_features cpu_features;

#endif
