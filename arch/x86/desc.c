/*
 * desc.c - GDT, TSS, IDT and the registers behind SYSCALL.
 *
 * The selectors are Linux's because user mode can see them (cs 0x33, ss 0x2b in every signal frame). SYSRET wants user
 * data and code right behind each other: 0x2b, 0x33 follow from STAR = 0x23.
 */
#include <arch/asm.h>
#include <arch/cpu.h>
#include <arch/desc.h>
#include <arch/layout.h>
#include <arch/trap.h>

#define GDT_ENTRIES	16
#define STACK_SIZE	4096

struct gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_mid;
	u32 offset_high, reserved;
} packed;

struct table_pointer {
	u16 limit;
	u64 base;
} packed;

DEFINE_PER_CPU_ALIGNED(u64, cpu_gdt[GDT_ENTRIES]);
DEFINE_PER_CPU_ALIGNED(struct tss, cpu_tss);
DEFINE_PER_CPU(unsigned long, cpu_stack_top);
DEFINE_PER_CPU(unsigned long, entry_user_sp);	/* scratch of syscall_entry */
static DEFINE_PER_CPU_ALIGNED(u8, ist_stacks[2][STACK_SIZE]);

static struct gate idt[256] aligned_to(64);

extern char syscall_entry[], device_interrupts[], system_interrupts[];
#define TRAP(name) extern char trap_##name[]
TRAP(divide); TRAP(debug); TRAP(nmi); TRAP(int3); TRAP(overflow); TRAP(bound); TRAP(invalid_op); TRAP(no_device);
TRAP(double_fault); TRAP(tss); TRAP(segment); TRAP(stack); TRAP(protection); TRAP(page_fault); TRAP(fpu);
TRAP(alignment); TRAP(machine_check); TRAP(simd); TRAP(control);

static void set_gate(unsigned vector, const char *entry, unsigned ist, unsigned dpl)
{
	u64 p = (u64)entry;

	idt[vector] = (struct gate){
		.offset_low = (u16)p, .offset_mid = (u16)(p >> 16), .offset_high = (u32)(p >> 32),
		.selector = SEL_KERNEL_CS, .ist = (u8)ist, .type = (u8)(0x8e | dpl << 5),
	};
}

init_text void idt_init(void)
{
	static const u8 system_vectors[] in_section(".init.data") = {
		VECTOR_TIMER, VECTOR_CALL, VECTOR_STOP, VECTOR_RESCHEDULE, VECTOR_ERROR, VECTOR_SPURIOUS,
	};

	set_gate(TRAP_DE, trap_divide, 0, 0);
	set_gate(TRAP_DB, trap_debug, 0, 0);
	set_gate(TRAP_NMI, trap_nmi, IST_NMI, 0);
	set_gate(TRAP_BP, trap_int3, 0, 3);
	set_gate(TRAP_OF, trap_overflow, 0, 3);
	set_gate(TRAP_BR, trap_bound, 0, 0);
	set_gate(TRAP_UD, trap_invalid_op, 0, 0);
	set_gate(TRAP_NM, trap_no_device, 0, 0);
	set_gate(TRAP_DF, trap_double_fault, IST_DOUBLE_FAULT, 0);
	set_gate(TRAP_TS, trap_tss, 0, 0);
	set_gate(TRAP_NP, trap_segment, 0, 0);
	set_gate(TRAP_SS, trap_stack, 0, 0);
	set_gate(TRAP_GP, trap_protection, 0, 0);
	set_gate(TRAP_PF, trap_page_fault, 0, 0);
	set_gate(TRAP_MF, trap_fpu, 0, 0);
	set_gate(TRAP_AC, trap_alignment, 0, 0);
	set_gate(TRAP_MC, trap_machine_check, IST_DOUBLE_FAULT, 0);
	set_gate(TRAP_XM, trap_simd, 0, 0);
	set_gate(TRAP_CP, trap_control, 0, 0);
	for (unsigned i = 0; i < NR_DEVICE_VECTORS; i++)
		set_gate(VECTOR_DEVICE + i, device_interrupts + 16 * i, 0, 0);
	for (unsigned i = 0; i < sizeof(system_vectors); i++)
		set_gate(system_vectors[i], system_interrupts + 16 * i, 0, 0);
}

static void fill_gdt(u64 *gdt, struct tss *tss, unsigned cpu)
{
	u64 base = (u64)tss, limit = sizeof(*tss) - 1;

	gdt[SEL_KERNEL32_CS / 8] = 0x00cf9b000000ffff;
	gdt[SEL_KERNEL_CS / 8] = 0x00af9b000000ffff;
	gdt[SEL_KERNEL_DS / 8] = 0x00cf93000000ffff;
	gdt[SEL_USER32_CS / 8] = 0x00cffb000000ffff;
	gdt[SEL_USER_DS / 8] = 0x00cff3000000ffff;
	gdt[SEL_USER_CS / 8] = 0x00affb000000ffff;
	gdt[SEL_TSS / 8] = limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
	gdt[SEL_TSS / 8 + 1] = base >> 32;
	gdt[SEL_CPU / 8] = 0x0040f50000000000 | cpu;	/* byte-granular data, limit = CPU number (node 0) */
}

static void load_tables(u64 *gdt)
{
	struct table_pointer gdtr = { GDT_ENTRIES * 8 - 1, (u64)gdt };
	struct table_pointer idtr = { sizeof(idt) - 1, (u64)idt };

	__asm__ volatile("lgdt %0" : : "m"(gdtr));
	__asm__ volatile("lidt %0" : : "m"(idtr));
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
	__asm__ volatile("lldt %w0" : : "r"(0));	/* reset leaves one of 64 KiB at address 0 */
	__asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" : : "i"(SEL_KERNEL_CS) : "rax", "memory");
	__asm__ volatile("movl %0, %%ss; movl %1, %%ds; movl %1, %%es" : : "r"(SEL_KERNEL_DS), "r"(0));
}

/* Memory types by PAT, PCD, PWT: WB WC UC- UC, WB WP UC- WT, as on Linux. */
#define PAT_TABLE	0x0407050600070106ull

/* The GS base must be this CPU's already. */
void gdt_init_cpu(unsigned cpu)
{
	struct tss *tss = this_cpu_ptr(cpu_tss);
	u64 *gdt = *this_cpu_ptr(cpu_gdt);

	tss->io_bitmap = sizeof(*tss);
	tss->ist[IST_DOUBLE_FAULT - 1] = (u64)(*this_cpu_ptr(ist_stacks))[1];
	tss->ist[IST_NMI - 1] = (u64)(*this_cpu_ptr(ist_stacks))[2];
	fill_gdt(gdt, tss, cpu);
	load_tables(gdt);

	wrmsr(MSR_PAT, PAT_TABLE);
	wrmsr(MSR_STAR, (u64)SEL_KERNEL_CS << 32 | (u64)SEL_USER32_CS << 48);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_CSTAR, 0);
	wrmsr(MSR_SFMASK, EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_AC | EFLAGS_RF);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1);
	if (cpu_features.rdtscp)
		wrmsr(MSR_TSC_AUX, cpu);
}
