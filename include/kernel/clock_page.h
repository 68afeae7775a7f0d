/*
 * clock_page.h - how to turn CPU cycles into time. One page, read by the kernel and, mapped read-only, by the vDSO.
 * Border: open to arch.
 *
 *	ns = mono_base + ((cycles - cycle_base) * mult >> 32);		real = ns + real_offset
 *
 * `seq` is odd while the rest is being changed; readers try again when it was odd or changed meanwhile.
 */
#ifndef KERNEL_CLOCK_PAGE_H
#define KERNEL_CLOCK_PAGE_H

#include <lib/types.h>

struct clock_page {
	u32	seq;
	u32	pad;
	u64	cycle_base;
	u64	mult;			/* ns per cycle, 32 bits of fraction */
	s64	mono_base;
	s64	real_offset;
};

/* Alone in its frame: user mode sees all of it. */
union clock_page_frame {
	struct clock_page c;
	u8 bytes[4096];
};
extern union clock_page_frame clock_page_frame;

void clock_set_speed(u64 khz);		/* time goes on without a jump */

static inline u32 clock_read_begin(const struct clock_page *c)
{
	u32 seq;

	do
		seq = __atomic_load_n(&c->seq, __ATOMIC_ACQUIRE);
	while (seq & 1);
	return seq;
}
static inline bool clock_read_retry(const struct clock_page *c, u32 seq)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return unlikely(__atomic_load_n(&c->seq, __ATOMIC_RELAXED) != seq);
}
static inline s64 clock_mono_at(const struct clock_page *c, u64 cycles)
{
	s64 delta = (s64)(cycles - c->cycle_base);

	if (unlikely(delta < 0))	/* another CPU's counter may be a little behind */
		delta = 0;
	return c->mono_base + (s64)((unsigned __int128)(u64)delta * c->mult >> 32);
}

#endif
