/* time_timers.c - alarm, setitimer, timer_create, timerfd: they fire, repeat, report, stop. */
#include "t.h"
#include <sys/timerfd.h>
#include <poll.h>

static volatile int hits, code, value;

static void on(int sig, siginfo_t *si, void *uc)
{
	hits++;
	code = si->si_code;
	value = si->si_value.sival_int;
}

static void catch(int sig)
{
	struct sigaction sa = { .sa_sigaction = on, .sa_flags = SA_SIGINFO };

	hits = 0;
	sigaction(sig, &sa, NULL);
}

TEST(alarm_values)
{
	EXPECT_EQ(alarm(100), 0);
	unsigned left = alarm(0);
	CHECK(left >= 80 && left <= 100);
	EXPECT_EQ(alarm(0), 0);
}

TEST(itimer_real_once_and_repeat)
{
	struct itimerval tv = { { 0, 0 }, { 0, 2000 } }, now;

	catch(SIGALRM);
	EXPECT_OK(setitimer(ITIMER_REAL, &tv, NULL));
	WAIT_FOR(hits == 1);
	EXPECT_OK(getitimer(ITIMER_REAL, &now));
	CHECK(!now.it_value.tv_sec && !now.it_value.tv_usec);
	tv.it_interval.tv_usec = 2000;
	setitimer(ITIMER_REAL, &tv, NULL);
	WAIT_FOR(hits >= 4);
	tv = (struct itimerval){ { 0, 0 }, { 0, 0 } };
	EXPECT_OK(setitimer(ITIMER_REAL, &tv, &now));
	EXPECT_EQ(now.it_interval.tv_usec, 2000);
	signal(SIGALRM, SIG_DFL);
}

TEST(itimer_errnos)
{
	struct itimerval tv = { { 0, 0 }, { 0, 1000000 } };

	EXPECT_ERR(setitimer(99, &tv, NULL), EINVAL);
	EXPECT_ERR(setitimer(ITIMER_REAL, &tv, NULL), EINVAL);
	EXPECT_ERR(syscall(SYS_getitimer, ITIMER_REAL, (void *)8), EFAULT);
}

TEST(itimer_virtual)
{
	struct itimerval tv = { { 0, 0 }, { 0, 5000 } };
	struct timespec t;

	catch(SIGVTALRM);
	EXPECT_OK(setitimer(ITIMER_VIRTUAL, &tv, NULL));
	for (long i = 0; i < 2000000000L && !hits; i++)
		__asm__ volatile("");
	EXPECT_EQ(hits, 1);
	signal(SIGVTALRM, SIG_DFL);
}

TEST(posix_timer_signal)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 4711 };
	struct itimerspec its = { { 0, 2000000 }, { 0, 1000000 } }, now;
	timer_t t;

	catch(SIGUSR1);
	REQUIRE(timer_create(CLOCK_MONOTONIC, &ev, &t) == 0);
	EXPECT_OK(timer_settime(t, 0, &its, NULL));
	WAIT_FOR(hits >= 3);
	EXPECT_EQ(code, SI_TIMER);
	EXPECT_EQ(value, 4711);
	EXPECT_OK(timer_gettime(t, &now));
	EXPECT_EQ(now.it_interval.tv_nsec, 2000000);
	CHECK(timer_getoverrun(t) >= 0);
	EXPECT_OK(timer_delete(t));
	int n = hits;
	t_msleep(10);
	CHECK(hits <= n + 1);
	EXPECT_ERR(timer_gettime(t, &now), EINVAL);
	signal(SIGUSR1, SIG_DFL);
}

TEST(posix_timer_absolute_and_none)
{
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	struct itimerspec its = { { 0, 0 }, { 0, 0 } }, now;
	struct timespec t0;
	timer_t t;

	REQUIRE(timer_create(CLOCK_REALTIME, &ev, &t) == 0);
	clock_gettime(CLOCK_REALTIME, &t0);
	its.it_value.tv_sec = t0.tv_sec + 1000;
	EXPECT_OK(timer_settime(t, TIMER_ABSTIME, &its, NULL));
	EXPECT_OK(timer_gettime(t, &now));
	CHECK(now.it_value.tv_sec > 900 && now.it_value.tv_sec <= 1000);
	timer_delete(t);
}

TEST(posix_timer_errnos)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 99 };
	struct itimerspec its = { { 0, 0 }, { 0, 1000000000 } };
	timer_t t;

	EXPECT_ERR(timer_create(99, NULL, &t), EINVAL);
	EXPECT_ERR(timer_create(CLOCK_MONOTONIC, &ev, &t), EINVAL);
	EXPECT_ERR(syscall(SYS_timer_delete, 12345), EINVAL);
	REQUIRE(timer_create(CLOCK_MONOTONIC, NULL, &t) == 0);
	EXPECT_ERR(timer_settime(t, 0, &its, NULL), EINVAL);
	timer_delete(t);
}

TEST(timerfd_once)
{
	struct itimerspec its = { { 0, 0 }, { 0, 2000000 } }, now;
	struct pollfd p;
	uint64_t n = 0;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	REQUIRE(fd >= 0);
	EXPECT_ERR(read(fd, &n, 8), EAGAIN);
	EXPECT_OK(timerfd_settime(fd, 0, &its, NULL));
	p = (struct pollfd){ fd, POLLIN, 0 };
	EXPECT_EQ(poll(&p, 1, 20000), 1);
	EXPECT_EQ(read(fd, &n, 8), 8);
	EXPECT_EQ(n, 1);
	EXPECT_OK(timerfd_gettime(fd, &now));
	EXPECT_EQ(now.it_value.tv_nsec, 0);
	EXPECT_ERR(read(fd, &n, 4), EINVAL);
	close(fd);
}

TEST(timerfd_periodic)
{
	struct itimerspec its = { { 0, 1000000 }, { 0, 1000000 } };
	uint64_t n = 0, sum = 0;
	int fd = timerfd_create(CLOCK_REALTIME, 0);

	EXPECT_OK(timerfd_settime(fd, 0, &its, NULL));
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(read(fd, &n, 8), 8);
		CHECK(n >= 1);
		sum += n;
	}
	t_msleep(8);
	EXPECT_EQ(read(fd, &n, 8), 8);
	CHECK(n >= 2);
	close(fd);
}

TEST(timerfd_absolute_past_and_errnos)
{
	struct itimerspec its = { { 0, 0 }, { 0, 1 } };
	uint64_t n;
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	EXPECT_OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL));
	EXPECT_EQ(read(fd, &n, 8), 8);
	EXPECT_EQ(n, 1);
	EXPECT_ERR(timerfd_create(99, 0), EINVAL);
	EXPECT_ERR(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
	EXPECT_ERR(timerfd_settime(0x7fff, 0, &its, NULL), EBADF);
	EXPECT_ERR(timerfd_settime(fd, 0x40, &its, NULL), EINVAL);
	its.it_value.tv_nsec = -1;
	EXPECT_ERR(timerfd_settime(fd, 0, &its, NULL), EINVAL);
	close(fd);
}

static int itimer_child(void *arg)
{
	struct itimerval now;

	getitimer(ITIMER_REAL, &now);
	return now.it_value.tv_sec || now.it_value.tv_usec;
}

TEST(not_inherited_by_fork)
{
	struct itimerval tv = { { 0, 0 }, { 100, 0 } }, off = { { 0, 0 }, { 0, 0 } };

	setitimer(ITIMER_REAL, &tv, NULL);
	CHILD_EXITS(itimer_child, NULL, 0);
	setitimer(ITIMER_REAL, &off, NULL);
}
