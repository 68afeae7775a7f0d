/*
 * time.h - the TSC as clock, and the battery clock.
 */
#ifndef ARCH_TIME_H
#define ARCH_TIME_H

#include <lib/types.h>

extern u64 tsc_khz;

static always_inline u64 arch_cycles(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (u64)hi << 32;
}

/* a * b / c without overflow in between; the result must fit. */
static always_inline u64 mul_div(u64 a, u64 b, u64 c)
{
	u64 lo, hi;

	__asm__("mulq %3; divq %4" : "=&a"(lo), "=&d"(hi) : "0"(a), "r"(b), "r"(c) : "cc");
	return lo;
}

void time_init(void);			/* finds the TSC's speed and reads the battery clock */
void time_refine(void);			/* before the APIC timer's first use */
u64 ktime_to_tsc(ktime_t mono);		/* never 0 */
s64 rtc_read(void);			/* seconds since the epoch, UTC; 0 without a clock */

#endif
