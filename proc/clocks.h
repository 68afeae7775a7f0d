/*
 * clocks.h - the clocks that system calls can name, shared by the files about time.
 */
#ifndef PROC_CLOCKS_H
#define PROC_CLOCKS_H

#include <abi/time.h>
#include <proc/process.h>

/* ns on the clock now, of current's process or thread, or the one encoded in the id. 0 or -EINVAL. */
int clock_read(int clock, ktime_t *out) must_check;
bool clock_is_cpu(int clock);			/* counts CPU time */
bool clock_is_wall(int clock);			/* jumps when the date is set */
bool clock_can_sleep(int clock);		/* may carry sleeps and timers */
/* The monotonic time at which a non-CPU clock shows `t`; clipped to [0, KTIME_MAX]. */
ktime_t clock_to_mono(int clock, ktime_t t);

/* -1: not a valid timespec. Too far away becomes KTIME_MAX. */
static inline ktime_t timespec_to_ns(const struct __kernel_timespec *ts)
{
	if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= NSEC_PER_SEC)
		return -1;
	if (ts->tv_sec >= KTIME_MAX / NSEC_PER_SEC)
		return KTIME_MAX;
	return ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;
}

static inline struct __kernel_timespec ns_to_timespec(ktime_t ns)
{
	return (struct __kernel_timespec){ .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };
}

static inline ktime_t ktime_add_clip(ktime_t a, ktime_t b)
{
	return b > KTIME_MAX - a ? KTIME_MAX : a + b;
}

/* CPU time of a process with all its threads, living and dead. */
u64 process_cpu_ns(struct process *p, bool user_only);

#endif
