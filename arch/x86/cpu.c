/*
 * cpu.c - what this kind of CPU can do, and switching it on.
 */
#include <arch/cpu.h>
#include <arch/desc.h>
#include <arch/fpu.h>
#include <arch/machine.h>
#include <arch/page.h>
#include <arch/pgtable.h>
#include <arch/thread.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <lib/string.h>

struct cpu_features cpu_features;

static init_text void find_names(struct cpu_features *c)
{
	struct cpuid_regs r = cpuid(0, 0);

	memcpy(c->vendor, &r.ebx, 4);
	memcpy(c->vendor + 4, &r.edx, 4);
	memcpy(c->vendor + 8, &r.ecx, 4);
	if (cpuid(0x80000000, 0).eax >= 0x80000004) {
		for (u32 i = 0; i < 3; i++) {
			r = cpuid(0x80000002 + i, 0);
			memcpy(c->brand + 16 * i, &r, 16);
		}
	}
}

static init_text void find_features(void)
{
	struct cpu_features *c = &cpu_features;
	struct cpuid_regs one = cpuid(1, 0), ext = cpuid(0x80000001, 0), seven = { 0 }, r;
	u32 max_leaf = cpuid(0, 0).eax;

	if (max_leaf >= 7)
		seven = cpuid(7, 0);
	c->pge = one.edx >> 13 & 1;
	c->pcid = one.ecx >> 17 & 1;
	c->x2apic = one.ecx >> 21 & 1;
	c->tsc_deadline = one.ecx >> 24 & 1;
	c->xsave = one.ecx >> 26 & 1;
	c->rdrand = one.ecx >> 30 & 1;
	c->fsgsbase = seven.ebx & 1;
	c->smep = seven.ebx >> 7 & 1;
	c->invpcid = seven.ebx >> 10 & 1;
	c->smap = seven.ebx >> 20 & 1;
	c->umip = seven.ecx >> 2 & 1;
	c->la57 = seven.ecx >> 16 & 1;
	c->rdpid = seven.ecx >> 22 & 1;
	c->nx = ext.edx >> 20 & 1;
	c->gbpages = ext.edx >> 26 & 1;
	c->rdtscp = ext.edx >> 27 & 1;
	if (c->xsave && max_leaf >= 0xd)
		c->xsaveopt = cpuid(0xd, 1).eax & 1;
	c->phys_bits = 36;
	c->virt_bits = 48;
	if (cpuid(0x80000000, 0).eax >= 0x80000008) {
		r = cpuid(0x80000008, 0);
		c->phys_bits = (u8)r.eax;
		c->virt_bits = (u8)(r.eax >> 8);
	}
	find_names(c);
}

/* Each CPU, once. CR4.PGE comes with the final page tables. */
void cpu_enable_features(void);
void cpu_enable_features(void)
{
	unsigned long cr4 = read_cr4();

	cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
	if (cpu_features.smep)
		cr4 |= CR4_SMEP;
	if (cpu_features.smap)
		cr4 |= CR4_SMAP;
	if (cpu_features.umip)
		cr4 |= CR4_UMIP;
	if (cpu_features.fsgsbase)
		cr4 |= CR4_FSGSBASE;
	write_cr4(cr4);
	write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE | CR0_WP);
	fpu_init_cpu();
}

/* STAC and CLAC do not exist before SMAP: three-byte no-operations instead. Text is still writable. */
static init_text void patch_smap_sites(void)
{
	extern const s32 smap_sites_start[], smap_sites_end[];
	static const u8 nop3[] = { 0x0f, 0x1f, 0x00 };

	if (cpu_features.smap)
		return;
	for (const s32 *s = smap_sites_start; s < smap_sites_end; s++)
		memcpy((char *)s + *s, nop3, sizeof(nop3));
}

extern char percpu_template[];

/* See page.S. The vector version needs 32-byte registers switched on: XCR0 has AVX. */
static init_text void clear_page_select(void)
{
	extern char clear_page_vector[];
	s32 distance = (s32)(clear_page_vector - ((char *)clear_page + 5));

	if (fpu_has_avx())
		memcpy((char *)clear_page + 1, &distance, sizeof(distance));
}


init_text void arch_early_init(void)
{
	memcpy(percpu_template, percpu_start, percpu_end - percpu_start);
	find_features();
	pte_nx_mask = cpu_features.nx ? PTE_NX : 0;
	pt_levels = pgtable_l5 ? 5 : 4;
	patch_smap_sites();
	idt_init();
	gdt_init_cpu(0);
	cpu_enable_features();
	clear_page_select();
	pr_info("CPU: %s, %s%s%s%s%s%s%s%s%s\n", cpu_features.brand[0] ? cpu_features.brand : cpu_features.vendor,
		pgtable_l5 ? "5-level" : "4-level", cpu_features.nx ? " nx" : "", cpu_features.smep ? " smep" : "",
		cpu_features.smap ? " smap" : "", cpu_features.umip ? " umip" : "", cpu_features.fsgsbase ? " fsgsbase" : "",
		cpu_features.xsave ? " xsave" : "", cpu_features.pcid ? " pcid" : "", cpu_features.gbpages ? " 1G pages" : "");
}
