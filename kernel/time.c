/*
 * time.c - monotonic and real time, from the CPU's cycle counter.
 *
 * All of it is a multiplication by the numbers in clock_page. They change when the clock is set or its speed is known better;
 * monotonic time never jumps at such a change.
 */
#include <arch/cpu.h>
#include <arch/time.h>
#include <kernel/clock_page.h>
#include <kernel/time.h>

union clock_page_frame clock_page_frame aligned_to(4096) in_section(".data.page_aligned");

static struct clock_page *const clock = &clock_page_frame.c;

static void change_begin(void)
{
	__atomic_store_n(&clock->seq, clock->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void change_end(void)
{
	__atomic_store_n(&clock->seq, clock->seq + 1, __ATOMIC_RELEASE);
}

ktime_t ktime_get(void)
{
	ktime_t t;
	u32 seq;

	do {
		seq = clock_read_begin(clock);
		t = clock_mono_at(clock, arch_cycles());
	} while (clock_read_retry(clock, seq));
	return t;
}

ktime_t ktime_get_real(void)
{
	return ktime_get() + READ_ONCE(clock->real_offset);
}

void ktime_set_real(ktime_t t)
{
	unsigned long flags = irq_save();
	ktime_t mono = ktime_get();

	change_begin();
	clock->real_offset = t - mono;
	change_end();
	irq_restore(flags);
}

void clock_set_speed(u64 khz)
{
	unsigned long flags = irq_save();
	u64 now = arch_cycles();
	s64 mono = clock->mult ? clock_mono_at(clock, now) : 0;

	change_begin();
	clock->cycle_base = now;
	clock->mono_base = mono;
	clock->mult = (1000000ull << 32) / khz;
	change_end();
	irq_restore(flags);
}
