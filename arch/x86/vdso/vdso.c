/*
 * vdso.c - the clock calls that need no kernel: code that runs in user mode, in every process.
 *
 * It reads the clock page, which lies one page below this image, and the cycle counter. Only clocks that are a
 * multiplication away are answered here; the others go to the kernel. Built as a shared object of its own; no relocations.
 */
#include <kernel/clock_page.h>
#include <linux/errno.h>
#include <linux/time.h>
#include <asm/unistd.h>

#define NSEC	1000000000ull

/* Not const: the kernel changes it. */
extern struct clock_page vdso_clock_page __attribute__((visibility("hidden")));

struct timezone_ { int minutes_west, dst; };
struct timespec_ { long sec, nsec; };
struct timeval_ { long sec, usec; };

int __vdso_clock_gettime(int id, struct timespec_ *ts);
int __vdso_gettimeofday(struct timeval_ *tv, struct timezone_ *tz);
long __vdso_time(long *t);
int __vdso_clock_getres(int id, struct timespec_ *ts);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused_cache);

static inline u64 cycles(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (u64)hi << 32;
}

static inline long syscall2(long nr, long a, long b)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return ret;
}

static inline u64 now(bool real)
{
	const struct clock_page *c = &vdso_clock_page;
	u64 ns;
	u32 seq;

	do {
		seq = clock_read_begin(c);
		ns = (u64)clock_mono_at(c, cycles()) + (real ? (u64)c->real_offset : 0);
	} while (clock_read_retry(c, seq));
	return ns;
}

int __vdso_clock_gettime(int id, struct timespec_ *ts)
{
	u64 ns;

	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
		ns = now(true);
		break;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		ns = now(false);
		break;
	default:
		return (int)syscall2(__NR_clock_gettime, id, (long)ts);
	}
	ts->sec = (long)(ns / NSEC);
	ts->nsec = (long)(ns % NSEC);
	return 0;
}

int __vdso_gettimeofday(struct timeval_ *tv, struct timezone_ *tz)
{
	if (tv) {
		u64 ns = now(true);

		tv->sec = (long)(ns / NSEC);
		tv->usec = (long)(ns % NSEC / 1000);
	}
	if (tz)
		tz->minutes_west = tz->dst = 0;
	return 0;
}

long __vdso_time(long *t)
{
	long sec = (long)(now(true) / NSEC);

	if (t)
		*t = sec;
	return sec;
}

int __vdso_clock_getres(int id, struct timespec_ *ts)
{
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_BOOTTIME:
		if (ts)
			*ts = (struct timespec_){ 0, 1 };
		return 0;
	default:
		return (int)syscall2(__NR_clock_getres, id, (long)ts);
	}
}

/* The limit of one segment is the CPU's number: bits 0-11 CPU, above them the node. */
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused_cache)
{
	u32 p;

	(void)unused_cache;
	__asm__("lsl %1, %0" : "=r"(p) : "r"(0x7b));
	if (cpu)
		*cpu = p & 0xfff;
	if (node)
		*node = p >> 12;
	return 0;
}

#define ALIAS(name) __typeof__(__vdso_##name) name __attribute__((__weak__, alias("__vdso_" #name)))
ALIAS(clock_gettime);
ALIAS(gettimeofday);
ALIAS(time);
ALIAS(clock_getres);
ALIAS(getcpu);
