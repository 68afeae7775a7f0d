/*
 * smp.c - starting the other CPUs, and interrupts between CPUs.
 *
 * CALLS       cpu_call() publishes a function in the sender's slot, sets the targets' bits in it and interrupts them; each runs
 *             the function in its handler and clears its bit. A sender that waits serves calls to itself, so two CPUs may
 *             call each other with interrupts off.
 * START       One CPU at a time: copy the trampoline to page 0, make the per-CPU area and a stack, INIT, STARTUP, wait.
 */
#include <arch/apic.h>
#include <arch/asm.h>
#include <arch/cpu.h>
#include <arch/desc.h>
#include <arch/machine.h>
#include <arch/mmu.h>
#include <kernel/boot_info.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/time.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include <mm/vmalloc.h>

struct call_slot {
	u64	pending;		/* [a] CPUs that have not run it yet */
	void	(*fn)(void *arg);
	void	*arg;
};
static DEFINE_PER_CPU_ALIGNED(struct call_slot, call_slot);

void cpu_enable_features(void);
void ap_start(void);

void call_function_interrupt(void)
{
	u64 self = BIT(cpu_id());

	for_each_cpu(cpu) {
		struct call_slot *s = per_cpu_ptr(call_slot, cpu);

		if (!(__atomic_load_n(&s->pending, __ATOMIC_ACQUIRE) & self))
			continue;
		s->fn(s->arg);
		__atomic_fetch_and(&s->pending, ~self, __ATOMIC_RELEASE);
	}
}

static void serve_calls(void)
{
	unsigned long flags = irq_save();

	call_function_interrupt();
	irq_restore(flags);
}

void cpu_call(u64 mask, void (*fn)(void *arg), void *arg)
{
	struct call_slot *s = this_cpu_ptr(call_slot);

	mask &= cpu_online_mask & ~BIT(cpu_id());
	if (!mask)
		return;
	s->fn = fn;
	s->arg = arg;
	__atomic_store_n(&s->pending, mask, __ATOMIC_SEQ_CST);
	for (u64 m = mask; m; m &= m - 1)
		lapic_send(platform.apic_ids[__builtin_ctzl(m)], VECTOR_CALL);
	while (__atomic_load_n(&s->pending, __ATOMIC_ACQUIRE)) {
		if (!irqs_enabled())
			serve_calls();
		cpu_relax();
	}
}

void cpu_kick(unsigned cpu)
{
	lapic_send(platform.apic_ids[cpu], VECTOR_RESCHEDULE);
}

void cpu_stop_others(void)
{
	for_each_cpu(cpu) {
		if (cpu != cpu_id() && cpu_online(cpu))
			lapic_send(platform.apic_ids[cpu], VECTOR_STOP);
	}
}

/* ---- start ---------------------------------------------------------------------------------------------------------- */

extern char trampoline_start[], trampoline_end[];
extern u32 trampoline_cr3, trampoline_cr4, trampoline_efer;
extern u64 trampoline_stack, trampoline_gs, trampoline_entry;
extern char percpu_template[];

/* A field of the copy in page 0. */
#define IN_COPY(field)	(*(typeof(field) *)((char *)phys_to_virt(0) + ((char *)&(field) - trampoline_start)))

static int starting;			/* the CPU that comes up now */

/* First C code of another CPU: its own GS base and stack, kernel page tables. */
void ap_start(void)
{
	unsigned cpu = (unsigned)starting;

	gdt_init_cpu(cpu);
	cpu_enable_features();
	if (cpu_features.pge)
		write_cr4(read_cr4() | CR4_PGE);
	lapic_init_cpu();
	lapic_timer_init_cpu();
	__atomic_fetch_or(&cpu_online_mask, BIT(cpu), __ATOMIC_SEQ_CST);
	sched_init_cpu((int)cpu);
	sched_idle_loop();
}

/* Page 0 runs at its physical address for a moment: map it there, executable. */
static init_text void trampoline_map(bool on)
{
	pte_t *direct = kernel_pte((vaddr_t)phys_to_virt(0));

	assert(direct);
	if (on) {
		memcpy(phys_to_virt(0), trampoline_start, trampoline_end - trampoline_start);
		pte_set(direct, (pte_t){ direct->v & ~PTE_NX });
		arch_map_low(true);
	} else {
		pte_set(direct, (pte_t){ direct->v | pte_nx_mask });
		arch_map_low(false);
	}
	tlb_flush_local_all();
}

static init_text char *percpu_area_alloc(unsigned cpu)
{
	size_t size = percpu_end - percpu_start;
	unsigned order = 0;
	struct page *p;
	char *area;

	while ((PAGE_SIZE << order) < size)
		order++;
	p = page_alloc(GFP_KERNEL | GFP_NOACCOUNT, order, ACCT_PERCPU);
	if (!p)
		return NULL;
	area = page_address(p);
	memcpy(area, percpu_template, size);
	percpu_offset[cpu] = (unsigned long)(area - percpu_start);
	per_cpu(cpu_number, cpu) = cpu;
	*(unsigned long *)((char *)&percpu_this_offset + percpu_offset[cpu]) = percpu_offset[cpu];
	return area;
}

static void delay_us(unsigned us)
{
	ktime_t end = ktime_get() + us * NSEC_PER_USEC;

	while (ktime_get() < end)
		cpu_relax();
}

static init_text bool wait_online(unsigned cpu, unsigned us)
{
	ktime_t end = ktime_get() + us * NSEC_PER_USEC;

	while (!cpu_online(cpu)) {
		if (ktime_get() > end)
			return false;
		cpu_relax();
	}
	return true;
}

static init_text bool start_cpu(unsigned cpu)
{
	u32 id = platform.apic_ids[cpu];
	struct task *idle;

	if (!percpu_area_alloc(cpu))
		return false;
	mm_init_cpu(cpu);
	idle = sched_idle_create((int)cpu);
	if (!idle)
		return false;
	per_cpu(current_task, cpu) = idle;
	starting = (int)cpu;
	IN_COPY(trampoline_cr3) = (u32)((vaddr_t)arch_kernel_pgd - page_offset_base);
	IN_COPY(trampoline_cr4) = (u32)(CR4_PAE | (pgtable_l5 ? CR4_LA57 : 0));
	IN_COPY(trampoline_efer) = 0x101 | (cpu_features.nx ? 0x800 : 0);
	IN_COPY(trampoline_stack) = (u64)idle->kstack + KSTACK_SIZE - 16;
	IN_COPY(trampoline_gs) = percpu_offset[cpu];
	IN_COPY(trampoline_entry) = (u64)ap_start;
	smp_mb();
	lapic_send_init(id);
	delay_us(10);			/* CPUs of this century need no 10 ms */
	/* One that comes before the INIT has been taken is lost; one that comes later is ignored. So again, soon. */
	for (unsigned us = 500; us < 2000000; us *= 2) {
		lapic_send_startup(id, 0);
		if (wait_online(cpu, us))
			return true;
	}
	return false;
}

init_text void smp_init(void)
{
	unsigned wanted = (unsigned)cmdline_get_size("maxcpus", MAX_CPUS);

	if (cmdline_has("nosmp"))
		wanted = 1;
	if (platform.nr_cpus < 2 || wanted < 2)
		return;
	trampoline_map(true);
	for (unsigned cpu = 1; cpu < platform.nr_cpus && cpu < wanted; cpu++) {
		if (!start_cpu(cpu)) {
			pr_err("CPU %u (APIC %u) does not start\n", cpu, platform.apic_ids[cpu]);
			break;
		}
		nr_cpus = cpu + 1;
	}
	trampoline_map(false);
	pr_info("%u CPUs\n", nr_cpus);
}
