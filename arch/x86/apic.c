/*
 * apic.c - local APIC (x2APIC where there is one, else memory-mapped), its timer, and the IOAPICs.
 *
 * The timer is one-shot: TSC deadline where the CPU has it, else the counter, calibrated against the TSC.
 */
#include <arch/apic.h>
#include <arch/asm.h>
#include <arch/cpu.h>
#include <arch/io.h>
#include <arch/mmu.h>
#include <arch/time.h>
#include <arch/timer.h>
#include <kernel/boot_info.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/resource.h>
#include <kernel/time.h>

#define LAPIC_ID	0x20
#define LAPIC_TPR	0x80
#define LAPIC_EOI	0xb0
#define LAPIC_SVR	0xf0
#define LAPIC_ICR	0x300
#define LAPIC_ICR_HIGH	0x310
#define LAPIC_LVT_TIMER	0x320
#define LAPIC_LVT_LINT0	0x350
#define LAPIC_LVT_LINT1	0x360
#define LAPIC_LVT_ERROR	0x370
#define LAPIC_TIMER_INIT 0x380
#define LAPIC_TIMER_NOW	0x390
#define LAPIC_TIMER_DIV	0x3e0

#define LVT_MASKED	0x10000
#define LVT_DEADLINE	0x40000
#define ICR_BUSY	0x1000
#define ICR_INIT	0x4500
#define ICR_STARTUP	0x4600
#define APIC_BASE_X2	0x400
#define APIC_BASE_ON	0x800
#define X2_MSR(reg)	(0x800 + ((reg) >> 4))

#define IOAPIC_VERSION	1
#define IOAPIC_ENTRY(n)	(0x10 + 2 * (n))

static volatile char *lapic;		/* NULL: x2APIC */
static bool x2apic, deadline;
bool lapic_known_1ghz;
static u32 counter_mult;		/* counter ticks = ns * mult >> 20 */
static DEFINE_PER_CPU(bool, timer_ready);	/* in one-shot mode */

static u32 lapic_read(u32 reg)
{
	return x2apic ? (u32)rdmsr(X2_MSR(reg)) : mmio_read32(lapic + reg);
}

static void lapic_write(u32 reg, u32 v)
{
	if (x2apic)
		wrmsr(X2_MSR(reg), v);
	else
		mmio_write32(lapic + reg, v);
}

void lapic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

u32 lapic_id(void)
{
	return x2apic ? lapic_read(LAPIC_ID) : lapic_read(LAPIC_ID) >> 24;
}

static void icr_write(u32 apic_id, u32 low)
{
	if (x2apic) {
		smp_mb();		/* the MSR write does not order earlier stores */
		wrmsr(X2_MSR(LAPIC_ICR), (u64)apic_id << 32 | low);
		return;
	}
	while (lapic_read(LAPIC_ICR) & ICR_BUSY)
		cpu_relax();
	lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
	lapic_write(LAPIC_ICR, low);
}

void lapic_send(u32 apic_id, u32 vector)
{
	unsigned long flags = irq_save();	/* two writes that belong together */

	icr_write(apic_id, vector);
	irq_restore(flags);
}

void lapic_send_init(u32 apic_id)
{
	icr_write(apic_id, ICR_INIT);
}

void lapic_send_startup(u32 apic_id, u8 page)
{
	icr_write(apic_id, ICR_STARTUP | page);
}

void lapic_init_cpu(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	if (!lapic && !x2apic) {
		x2apic = cpu_features.x2apic && !cmdline_has("nox2apic");
		if (!x2apic)
			lapic = arch_map_device(base & 0xffffff000, PAGE_SIZE, true);
		if (iomem_claim(base & 0xffffff000, PAGE_SIZE, "Local APIC"))
			pr_warn("local APIC: somebody has its addresses\n");
	}
	if (x2apic)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ON | APIC_BASE_X2);
	else
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ON);
	lapic_write(LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT1, 0x400);		/* NMI */
	lapic_write(LAPIC_LVT_ERROR, VECTOR_ERROR);
}

/* ---- timer -------------------------------------------------------------------------------------------------------- */

void lapic_count_freely(void)
{
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED);
	lapic_write(LAPIC_TIMER_DIV, 0xb);		/* by 1 */
	lapic_write(LAPIC_TIMER_INIT, ~0u);
}

u64 lapic_elapsed_ns(void)
{
	return ~0u - lapic_read(LAPIC_TIMER_NOW);
}

/* How fast the counter runs, where that is not known: one millisecond by the TSC. */
static init_text void calibrate_counter(void)
{
	u64 start, elapsed, ticks;

	lapic_count_freely();
	start = rdtsc();
	do
		elapsed = rdtsc() - start;
	while (elapsed < tsc_khz);
	ticks = lapic_elapsed_ns();
	counter_mult = (u32)((ticks << 20) * tsc_khz / elapsed / 1000000);
	if (!counter_mult)
		panic("the local APIC timer does not count");
}

static void lapic_timer_mode(void);

/* The boot CPU's counter may be running freely still, for time_refine(). */
void lapic_timer_init_cpu(void)
{
	deadline = cpu_features.tsc_deadline;
	if (!deadline && !counter_mult) {
		if (lapic_known_1ghz)
			counter_mult = 1u << 20;
		else
			calibrate_counter();
	}
	if (cpu_id() || deadline)
		lapic_timer_mode();
}

static void lapic_timer_mode(void)
{
	lapic_write(LAPIC_TIMER_INIT, 0);
	lapic_write(LAPIC_TIMER_DIV, 0xb);
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | (deadline ? LVT_DEADLINE : 0));
	this_cpu_write(timer_ready, true);
}

void arch_timer_set(ktime_t when)
{
	u64 delta;

	if (unlikely(!this_cpu_read(timer_ready))) {
		time_refine();
		lapic_timer_mode();
	}
	if (deadline) {
		wrmsr(MSR_TSC_DEADLINE, when == KTIME_MAX ? 0 : ktime_to_tsc(when));
		return;
	}
	if (when == KTIME_MAX) {
		lapic_write(LAPIC_TIMER_INIT, 0);
		return;
	}
	delta = when - ktime_get();
	if ((s64)delta < 1000)
		delta = 1000;
	if (delta > 4 * NSEC_PER_SEC)
		delta = 4 * NSEC_PER_SEC;		/* woken early, set again */
	delta = delta * counter_mult >> 20;
	lapic_write(LAPIC_TIMER_INIT, delta ? (u32)delta : 1);
}

/* ---- IOAPIC --------------------------------------------------------------------------------------------------------- */

static struct {
	volatile char	*base;
	u32		gsi_base, inputs;
} ioapics[8];
static unsigned nr_ioapics;

static u32 ioapic_read(unsigned i, u32 reg)
{
	mmio_write32(ioapics[i].base, reg);
	return mmio_read32(ioapics[i].base + 16);
}

static void ioapic_write(unsigned i, u32 reg, u32 v)
{
	mmio_write32(ioapics[i].base, reg);
	mmio_write32(ioapics[i].base + 16, v);
}

init_text void ioapic_init(void)
{
	if (!platform.nr_ioapics)	/* no word from the firmware: where every PC has the first */
		platform.ioapics[platform.nr_ioapics++] = (struct ioapic_info){ 0xfec00000, 0 };
	for (unsigned i = 0; i < platform.nr_ioapics; i++) {
		ioapics[i].base = arch_map_device(platform.ioapics[i].address, PAGE_SIZE, true);
		ioapics[i].gsi_base = platform.ioapics[i].gsi_base;
		ioapics[i].inputs = (ioapic_read(i, IOAPIC_VERSION) >> 16 & 0xff) + 1;
		for (u32 n = 0; n < ioapics[i].inputs; n++)
			ioapic_write(i, IOAPIC_ENTRY(n), LVT_MASKED);
		nr_ioapics++;
	}
}

void ioapic_route(u32 gsi, u8 vector, u32 apic_id, bool level, bool active_low)
{
	for (unsigned i = 0; i < nr_ioapics; i++) {
		u32 n = gsi - ioapics[i].gsi_base;

		if (n >= ioapics[i].inputs)
			continue;
		ioapic_write(i, IOAPIC_ENTRY(n) + 1, apic_id << 24);
		ioapic_write(i, IOAPIC_ENTRY(n), vector | (level ? 0x8000u : 0) | (active_low ? 0x2000u : 0));
		return;
	}
}
