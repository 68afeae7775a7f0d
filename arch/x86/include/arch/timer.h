/*
 * timer.h - the per-CPU one-shot timer (local APIC).
 */
#ifndef ARCH_TIMER_H
#define ARCH_TIMER_H

#include <lib/types.h>

/* Interrupt this CPU at a monotonic time. KTIME_MAX: not at all. A time in the past: at once. */
void arch_timer_set(ktime_t absolute_mono);

#endif
