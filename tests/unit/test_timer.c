/*
 * test_timer.c - kernel/timer.c with a clock of our own: order, cancelling, re-arming, CPUs against each other.
 *
 * The source itself is included, so that ktime_get() can be a variable; what it tells the hardware is noted.
 */
#include <arch/cpu.h>
#include <kernel/cpu.h>
#include <kernel/sched.h>
#include <kernel/time.h>
#include <lib/string.h>
#include "unit.h"

static ktime_t fake_now;
static ktime_t fake_get(void)
{
	return __atomic_load_n(&fake_now, __ATOMIC_RELAXED);
}

#define ktime_get		fake_get
#define schedule_timeout	timer_schedule_timeout
#define schedule_hrtimeout	timer_schedule_hrtimeout
ktime_t timer_schedule_timeout(ktime_t timeout);
ktime_t timer_schedule_hrtimeout(ktime_t absolute);
#include "../../kernel/timer.c"

#define CPUS	4
#define N	200

static ktime_t programmed[MAX_CPUS];

void sched_timer_program(ktime_t at)
{
	if (at < programmed[cpu_id()])
		programmed[cpu_id()] = at;
}

struct probe {
	struct timer	timer;
	int		ran;
	ktime_t		at, again;
};
static struct probe probes[N];
static ktime_t last_seen;
static bool out_of_order;

static void probe_fn(struct timer *t)
{
	struct probe *p = container_of(t, struct probe, timer);

	p->ran++;
	p->at = fake_now;
	if (t->expires < last_seen)
		out_of_order = true;
	last_seen = t->expires;
	if (p->again) {
		ktime_t at = t->expires + p->again;

		p->again = 0;
		timer_start(t, at);
	}
}

static void setup(struct t *t, unsigned cpus)
{
	t_machine(t, 15, cpus);
	memset(probes, 0, sizeof(probes));
	fake_now = 1000;
	last_seen = 0;
	out_of_order = false;
	for (unsigned i = 0; i < cpus; i++) {
		timers_init_cpu((int)i);
		programmed[i] = KTIME_MAX;
	}
	for (int i = 0; i < N; i++)
		timer_init(&probes[i].timer, probe_fn);
}

TEST(timer, fire_in_order_and_never_early)
{
	ktime_t expires[N], first = KTIME_MAX;

	setup(t, 1);
	for (int i = 0; i < N; i++) {
		expires[i] = 1000 + (ktime_t)(t_random() % 5000);
		first = min(first, expires[i]);
		timer_start(&probes[i].timer, expires[i]);
		EXPECT_EQ(t, timer_next_expiry(0), first);
		EXPECT_EQ(t, programmed[0], first);	/* T2 */
	}
	for (; fake_now < 7000; fake_now += 7) {
		timers_run();
		for (int i = 0; i < N; i++)
			if (probes[i].ran != (expires[i] <= fake_now))
				t_fail(t, __FILE__, __LINE__, "at %lld: timer for %lld ran %d times", (long long)fake_now,
				       (long long)expires[i], probes[i].ran);
	}
	EXPECT(t, !out_of_order);
	EXPECT_EQ(t, timer_next_expiry(0), KTIME_MAX);
}

TEST(timer, cancelled_ones_stay_silent)
{
	setup(t, 1);
	for (int i = 0; i < N; i++)
		timer_start(&probes[i].timer, 2000 + i);
	for (int i = 0; i < N; i += 2) {
		EXPECT(t, timer_queued(&probes[i].timer));
		EXPECT(t, timer_cancel(&probes[i].timer));
		EXPECT(t, !timer_cancel(&probes[i].timer));
		EXPECT(t, !timer_queued(&probes[i].timer));
	}
	EXPECT_EQ(t, timer_next_expiry(0), 2001);
	fake_now = 5000;
	timers_run();
	for (int i = 0; i < N; i++)
		EXPECT_EQ(t, probes[i].ran, i & 1);
}

TEST(timer, rearmed)
{
	setup(t, 1);
	timer_start(&probes[0].timer, 2000);
	timer_start(&probes[0].timer, 1500);	/* sooner */
	timer_start(&probes[1].timer, 1600);
	timer_start(&probes[1].timer, 3000);	/* later */
	probes[2].again = 100;			/* by its own callback */
	timer_start(&probes[2].timer, 1550);
	fake_now = 1640;
	timers_run();
	EXPECT_EQ(t, probes[0].ran, 1);
	EXPECT_EQ(t, probes[1].ran, 0);
	EXPECT_EQ(t, probes[2].ran, 1);
	EXPECT_EQ(t, timer_next_expiry(0), 1650);
	fake_now = 1700;
	timers_run();
	EXPECT_EQ(t, probes[2].ran, 2);
	fake_now = 9000;
	timers_run();
	EXPECT_EQ(t, probes[0].ran, 1);
	EXPECT_EQ(t, probes[1].ran, 1);
}

/* Goal:   timers started, moved and cancelled by every CPU fire at most once for each start, and none is lost.
 * Method: each CPU owns a quarter of them and arms and cancels at random, its own and (cancel only) those of others. */
static long started[MAX_CPUS], cancelled[MAX_CPUS];

static void churn(unsigned cpu, void *arg)
{
	u64 x = 88172645463325252ull + cpu;

	for (int i = 0; i < 20000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (x % 8 < 4) {
			struct probe *p = &probes[cpu * (N / CPUS) + (x >> 8) % (N / CPUS)];

			if (timer_cancel(&p->timer))
				cancelled[cpu]++;
			timer_start(&p->timer, fake_get() + (ktime_t)((x >> 20) % 300));
			started[cpu]++;
		} else if (x % 8 < 6) {
			if (timer_cancel(&probes[(x >> 8) % N].timer))
				cancelled[cpu]++;
		} else {
			__atomic_fetch_add(&fake_now, 1, __ATOMIC_RELAXED);
			timers_run();
		}
	}
	__atomic_fetch_add(&fake_now, 1000000, __ATOMIC_RELAXED);
	timers_run();
}

static void count_fn(struct timer *t)
{
	__atomic_fetch_add(&container_of(t, struct probe, timer)->ran, 1, __ATOMIC_RELAXED);
}

static void run_rest(unsigned cpu, void *arg)
{
	timers_run();
}

TEST(timer, four_cpus)
{
	long ran = 0, all_started = 0, all_cancelled = 0;

	setup(t, CPUS);
	for (int i = 0; i < N; i++)
		timer_init(&probes[i].timer, count_fn);
	host_on_cpus(CPUS, churn, t);
	host_on_cpus(CPUS, run_rest, NULL);
	for (int i = 0; i < N; i++) {
		ran += probes[i].ran;
		EXPECT(t, !timer_queued(&probes[i].timer));
	}
	for (int i = 0; i < CPUS; i++) {
		all_started += started[i];
		all_cancelled += cancelled[i];
	}
	EXPECT_EQ(t, ran + all_cancelled, all_started);
}
