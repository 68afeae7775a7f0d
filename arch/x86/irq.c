/*
 * irq.c - device lines, deferred handlers, and the one place where hard interrupts arrive.
 *
 * Deferred handlers are slots, 0 to 63; a CPU's pending ones are bits of a word that only that CPU changes. Raising one also
 * sets WORK_DEFERRED on the interrupted task, which makes a return to user mode look.
 */
#include <abi/errno.h>
#include <arch/apic.h>
#include <arch/asm.h>
#include <arch/cpu.h>
#include <arch/io.h>
#include <arch/machine.h>
#include <arch/mmu.h>
#include <arch/time.h>
#include <arch/trap.h>
#include <arch/upcalls.h>
#include <kernel/cpu.h>
#include <kernel/irq.h>
#include <kernel/module.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/task.h>

#define NR_LINES	NR_DEVICE_VECTORS
#define NR_DEFERRED	64

struct line {
	const char	*name;			/* NULL: unused */
	irq_hard_fn	hard;
	void		*arg;
	int		slot;			/* deferred handler, -1: none */
	bool		level, active_low, trigger_set;
	u64		count;
};
static struct line lines[NR_LINES];
static DEFINE_PER_CPU(u64, timer_count);

static struct {
	const char	*name;
	irq_deferred_fn	fn;
	void		*arg;
} deferred[NR_DEFERRED];
static int nr_deferred;
static DEFINE_PER_CPU(u64, deferred_pending);

void interrupt_handler(struct trapframe *f, unsigned vector);

/* ---- deferred handlers ---------------------------------------------------------------------------------------------- */

int deferred_register(const char *name, irq_deferred_fn fn, void *arg)
{
	int slot = __atomic_fetch_add(&nr_deferred, 1, __ATOMIC_SEQ_CST);

	if (slot >= NR_DEFERRED)
		return -ENOSPC;
	deferred[slot].name = name;
	deferred[slot].arg = arg;
	deferred[slot].fn = fn;
	return slot;
}

void deferred_raise(int slot)
{
	this_cpu_or(deferred_pending, BIT(slot));
	if (current)
		__atomic_fetch_or(&current->work, WORK_DEFERRED, __ATOMIC_RELAXED);
}

bool irq_deferred_pending(void)
{
	return this_cpu_read(deferred_pending) != 0;
}

void irq_run_deferred(void)
{
	struct module_call whose = module_call_begin(NULL);	/* not the module's that happens to be interrupted */
	u64 pending;

	__atomic_fetch_and(&current->work, ~(unsigned long)WORK_DEFERRED, __ATOMIC_RELAXED);
	pending = this_cpu_xchg(deferred_pending, (u64)0);
	while (pending) {
		int slot = __builtin_ctzl(pending);

		pending &= pending - 1;
		deferred[slot].fn(deferred[slot].arg);
	}
	module_call_end(whose);
}

/* ---- device lines --------------------------------------------------------------------------------------------------- */

void irq_set_trigger(unsigned line, bool level, bool active_low)
{
	if (line >= NR_LINES)
		return;
	lines[line].level = level;
	lines[line].active_low = active_low;
	lines[line].trigger_set = true;
}

/* ISA lines may be wired elsewhere, or have other properties, by the firmware's word. */
static u32 resolve(unsigned line, bool *level, bool *active_low)
{
	*level = lines[line].trigger_set ? lines[line].level : line >= 16;
	*active_low = lines[line].trigger_set && lines[line].active_low;
	if (line >= 16)
		return line;
	for (unsigned i = 0; i < platform.nr_overrides; i++) {
		const struct irq_override *o = &platform.overrides[i];

		if (o->source != line)
			continue;
		if ((o->flags >> 2 & 3) == 3)
			*level = true;
		if ((o->flags & 3) == 3)
			*active_low = true;
		return o->gsi;
	}
	return line;
}

int irq_request(unsigned line, const char *name, irq_hard_fn hard, irq_deferred_fn fn, void *arg)
{
	struct line *l = &lines[line];
	bool level, active_low;
	u32 gsi;

	if (line >= NR_LINES || (!hard && !fn))
		return -EINVAL;
	if (l->name)
		return -EBUSY;
	l->slot = fn ? deferred_register(name, fn, arg) : -1;
	if (fn && l->slot < 0)
		return l->slot;
	l->hard = hard;
	l->arg = arg;
	l->name = name;
	gsi = resolve(line, &level, &active_low);
	ioapic_route(gsi, (u8)(VECTOR_DEVICE + line), platform.apic_ids[0], level, active_low);
	return 0;
}

u64 irq_count(unsigned line, unsigned cpu)
{
	return line < NR_LINES && cpu == 0 ? lines[line].count : 0;	/* all lines go to the boot CPU */
}

const char *irq_name(unsigned line)
{
	return line < NR_LINES ? lines[line].name : NULL;
}

u64 irq_timer_count(unsigned cpu)
{
	return per_cpu(timer_count, cpu);
}

static void device_interrupt(unsigned n)
{
	struct line *l = &lines[n];

	l->count++;
	if (l->name && (!l->hard || l->hard(l->arg)) && l->slot >= 0)
		deferred_raise(l->slot);
	lapic_eoi();
}

/* Interrupts off. */
void interrupt_handler(struct trapframe *f, unsigned vector)
{
	switch (vector) {
	case VECTOR_TIMER:
		lapic_eoi();
		this_cpu_inc(timer_count);
		sched_timer_interrupt(trap_from_user(f));
		break;
	case VECTOR_RESCHEDULE:
		lapic_eoi();
		if (current)
			__atomic_fetch_or(&current->work, WORK_RESCHED, __ATOMIC_RELAXED);
		break;
	case VECTOR_CALL:
		lapic_eoi();
		call_function_interrupt();
		break;
	case VECTOR_STOP:
		for (;;)
			__asm__ volatile("cli; hlt");
	case VECTOR_ERROR:
		lapic_eoi();
		break;
	case VECTOR_SPURIOUS:
		break;
	default:
		device_interrupt(vector - VECTOR_DEVICE);
	}
}

/* The two old controllers would deliver to exception vectors: silence them. */
static init_text void mask_pic(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}

init_text void arch_irq_init(void)
{
	arch_mm_late_init();
	acpi_init();
	if (!platform.nr_cpus)
		mptable_init();
	mask_pic();
	lapic_init_cpu();
	time_init();
	/* The boot CPU is number 0, whatever place the firmware gives it. */
	for (unsigned i = 1; i < platform.nr_cpus; i++) {
		if (platform.apic_ids[i] == lapic_id()) {
			platform.apic_ids[i] = platform.apic_ids[0];
			break;
		}
	}
	platform.apic_ids[0] = lapic_id();
	if (!platform.nr_cpus)
		platform.nr_cpus = 1;
	ioapic_init();
	lapic_timer_init_cpu();
}
