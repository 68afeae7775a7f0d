/* time_clocks.c - clocks by vDSO and by system call agree and never go back; sleeping; errnos. */
#include "t.h"
#include <sys/auxv.h>
#include <sys/timex.h>

static long long ns(struct timespec t)
{
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}
static long long now_vdso(clockid_t c)
{
	struct timespec t;

	clock_gettime(c, &t);
	return ns(t);
}
static long long now_sys(clockid_t c)
{
	struct timespec t;

	syscall(SYS_clock_gettime, c, &t);
	return ns(t);
}

TEST(monotonic_never_goes_back)
{
	static const clockid_t ids[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE };

	for (unsigned k = 0; k < ARRAY_LEN(ids); k++) {
		long long last = 0;

		for (int i = 0; i < 2000; i++) {
			long long t = now_vdso(ids[k]);

			if (t < last)
				REQUIRE(!"clock went back");
			last = t;
		}
	}
}

TEST(vdso_and_syscall_agree)
{
	static const clockid_t ids[] = { CLOCK_MONOTONIC, CLOCK_REALTIME };

	for (unsigned k = 0; k < ARRAY_LEN(ids); k++)
		for (int i = 0; i < 200; i++) {
			long long a = now_vdso(ids[k]), b = now_sys(ids[k]), c = now_vdso(ids[k]);

			if (a > b || b > c)
				REQUIRE(!"order of vdso and syscall");
		}
}

TEST(there_is_a_vdso)
{
	unsigned long base = getauxval(AT_SYSINFO_EHDR);

	REQUIRE(base);
	CHECK(!memcmp((void *)base, "\177ELF", 4));
}

TEST(realtime_sources_agree)
{
	struct timeval tv;
	time_t t = time(NULL);
	long long r = now_sys(CLOCK_REALTIME);

	gettimeofday(&tv, NULL);
	CHECK(tv.tv_sec >= t && tv.tv_sec - t < 20);
	CHECK(tv.tv_usec >= 0 && tv.tv_usec < 1000000);
	CHECK(llabs(tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL - r) < 20000000000LL);
	EXPECT_EQ(syscall(SYS_time, NULL) - t < 20, 1);
	CHECK(t > 1500000000);
}

TEST(cpu_clocks)
{
	long long p = now_sys(CLOCK_PROCESS_CPUTIME_ID), t = now_sys(CLOCK_THREAD_CPUTIME_ID);
	volatile long x = 0;

	for (long i = 0; i < 2000000; i++)
		x += i;
	CHECK(now_sys(CLOCK_PROCESS_CPUTIME_ID) > p);
	CHECK(now_sys(CLOCK_THREAD_CPUTIME_ID) > t);
	struct rusage ru;
	EXPECT_OK(getrusage(RUSAGE_SELF, &ru));
	CHECK(ru.ru_utime.tv_sec >= 0 && ru.ru_utime.tv_usec < 1000000);
}

TEST(resolution_and_errnos)
{
	struct timespec t;

	EXPECT_OK(clock_getres(CLOCK_MONOTONIC, &t));
	CHECK(t.tv_sec == 0 && t.tv_nsec >= 1 && t.tv_nsec <= 10000000);
	EXPECT_ERR(syscall(SYS_clock_gettime, 99, &t), EINVAL);
	EXPECT_ERR(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, (void *)8), EFAULT);
	EXPECT_ERR(syscall(SYS_clock_getres, 99, &t), EINVAL);
	EXPECT_OK(syscall(SYS_clock_getres, CLOCK_MONOTONIC, NULL));
	EXPECT_ERR(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &t), EINVAL);
}

TEST(sleeps_at_least_so_long)
{
	struct timespec d = { 0, 3000000 }, at;
	long long a = now_vdso(CLOCK_MONOTONIC);

	EXPECT_OK(nanosleep(&d, NULL));
	CHECK(now_vdso(CLOCK_MONOTONIC) - a >= 3000000);
	a = now_vdso(CLOCK_MONOTONIC) + 4000000;
	at = (struct timespec){ a / 1000000000, a % 1000000000 };
	EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL), 0);
	CHECK(now_vdso(CLOCK_MONOTONIC) >= a);
	a = now_vdso(CLOCK_REALTIME) + 2000000;
	at = (struct timespec){ a / 1000000000, a % 1000000000 };
	EXPECT_EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL), 0);
	CHECK(now_vdso(CLOCK_REALTIME) >= a);
}

TEST(sleep_errnos)
{
	struct timespec bad = { 0, 1000000000 }, neg = { -1, 0 }, past = { 0, 1 };

	EXPECT_ERR(nanosleep(&bad, NULL), EINVAL);
	EXPECT_ERR(nanosleep(&neg, NULL), EINVAL);
	EXPECT_ERR(syscall(SYS_nanosleep, (void *)8, NULL), EFAULT);
	EXPECT_EQ(clock_nanosleep(99, 0, &past, NULL), EINVAL);
	EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, NULL), 0);
	EXPECT_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &past, NULL), EINVAL);
}

TEST(uptime)
{
	double up = -1;
	char *p = t_get("/proc/uptime");

	REQUIRE(p && sscanf(p, "%lf", &up) == 1);
	double b = now_sys(CLOCK_BOOTTIME) / 1e9;
	CHECK(up >= 0 && up <= b + 1 && b - up < 20);
}
