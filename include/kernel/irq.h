/*
 * irq.h - device interrupts in two halves.
 * Border: open to arch.
 *
 * The hard half runs at once with interrupts off, on whatever stack is current: it acknowledges the device and returns
 * whether the interrupt was its own. It takes no lock, allocates nothing, wakes nobody. If it returns true (or is NULL) the
 * deferred half is marked, and runs on the same CPU at the next safe point: before a return to user mode, in schedule() and
 * cond_resched(), in the idle loop. There no locks are held, so it may lock, wake, free, and allocate with GFP_ATOMIC.
 */
#ifndef KERNEL_IRQ_H
#define KERNEL_IRQ_H

#include <lib/types.h>

typedef bool (*irq_hard_fn)(void *arg);
typedef void (*irq_deferred_fn)(void *arg);

/* `line` is a global system interrupt (IOAPIC input). 0, -EBUSY, -EINVAL. Lines above the ISA's 16 are level, active high. */
int irq_request(unsigned line, const char *name, irq_hard_fn hard, irq_deferred_fn deferred, void *arg) must_check;
/* Before irq_request(): PCI lines are level, active low. */
void irq_set_trigger(unsigned line, bool level, bool active_low);

/* A deferred handler without a device: timers, the reschedule tick. At most 64 in all. */
int deferred_register(const char *name, irq_deferred_fn fn, void *arg) must_check;	/* slot, or -ENOSPC */
void deferred_raise(int slot);		/* marks it on this CPU; callable from hard interrupts */
bool irq_deferred_pending(void);
void irq_run_deferred(void);		/* at safe points only: no locks held, interrupts on or off (kept) */

/* Per line and CPU, for /proc/interrupts. */
u64 irq_count(unsigned line, unsigned cpu);
const char *irq_name(unsigned line);	/* as its owner calls it; NULL: nobody asked for this line */
u64 irq_timer_count(unsigned cpu);

#endif
