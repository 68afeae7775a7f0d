/*
 * psi.c - pressure stall information for memory.
 *
 * WHAT        "some": time in which at least one task is stalled on memory. "full": time in which tasks are stalled and no other
 *             task runs, so that nothing gets done. A task is stalled between psi_memstall_enter() and _leave(), asleep or not.
 * SHAPE       the state changes only when a task enters, leaves, sleeps or wakes; each change first books the time since the
 *             last one. While nobody is stalled, scheduling costs a read of psi_nr_stalled.
 *             Averages move every 2 s, by hand of whoever reads them: 10, 60 and 300 s, as in Linux.
 * TRIGGERS    a timer looks at them ten times a window, while there was any stall in the last window.
 * LOCKS       psi_lock (LOCK_LEAF): taken under run queues. Triggers have a lock of their own, as they wake.
 */
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/psi.h>
#include <kernel/sched.h>
#include <lib/string.h>

#define AVG_PERIOD	(2 * NSEC_PER_SEC)
#define FIXED_ONE	2048u
#define MAX_PERIODS	400		/* more without a reader: the averages are what a long quiet makes them */

int psi_nr_stalled;

static spinlock_t psi_lock = SPINLOCK_INIT("psi", LOCK_LEAF);
static int nr_stalled_ready;		/* of those, running or ready */
static bool state[NR_PSI];
static u64 total[NR_PSI];
static ktime_t booked;			/* up to here */
static u64 avg[NR_PSI][3];		/* percent * 100, << 11 */
static u64 avg_total[NR_PSI];
static ktime_t avg_time;

static spinlock_t trigger_lock = SPINLOCK_INIT("psi-trigger", LOCK_FS);
static struct list triggers = LIST_INIT(triggers);
static struct timer trigger_timer;
static bool timer_wanted;		/* there is a trigger */

/* psi_lock held. */
static void book(ktime_t now)
{
	s64 delta = now - booked;

	if (delta <= 0)
		return;
	for (int k = 0; k < NR_PSI; k++)
		if (state[k])
			total[k] += delta;
	booked = now;
}

static void new_state(void)
{
	state[PSI_SOME] = psi_nr_stalled > 0;
	state[PSI_FULL] = psi_nr_stalled > 0 && (int)sched_nr_running() <= nr_stalled_ready;
}

static void change(int stalled, int ready)
{
	spin_lock(&psi_lock);
	book(ktime_get());
	WRITE_ONCE(psi_nr_stalled, psi_nr_stalled + stalled);
	nr_stalled_ready += ready;
	new_state();
	spin_unlock(&psi_lock);
}

static void trigger_check(struct timer *timer);

void psi_memstall_enter(void)
{
	if (current->memstall++)
		return;
	change(1, 1);
	if (unlikely(timer_wanted) && !timer_queued(&trigger_timer)) {
		spin_lock(&trigger_lock);
		if (timer_wanted && !timer_queued(&trigger_timer))
			timer_start(&trigger_timer, ktime_get() + 50 * NSEC_PER_MSEC);
		spin_unlock(&trigger_lock);
	}
}

void psi_memstall_leave(void)
{
	debug_assert(current->memstall);
	if (--current->memstall == 0)
		change(-1, -1);
}

void psi_sched_change(struct task *t, bool runs)
{
	change(0, t->memstall ? (runs ? 1 : -1) : 0);
}

/* ---- averages ---- */

static void average(u64 *a, u64 sample, unsigned decay)
{
	*a = (*a * decay + (sample << 11) * (FIXED_ONE - decay)) >> 11;
}

/* psi_lock held. Missed periods count as if the stalls had been spread over all of them. */
static void update_averages(ktime_t now)
{
	static const unsigned decay[3] = { 1677, 1981, 2034 };
	s64 periods = (now - avg_time) / AVG_PERIOD;

	if (periods <= 0)
		return;
	for (int k = 0; k < NR_PSI; k++) {
		u64 stalled = total[k] - avg_total[k];
		u64 sample = min(stalled * 10000 / (u64)(now - avg_time), (u64)10000);

		for (s64 p = 0; p < min(periods, (s64)MAX_PERIODS); p++)
			for (int i = 0; i < 3; i++)
				average(&avg[k][i], sample, decay[i]);
		avg_total[k] = total[k];
	}
	avg_time = now;
}

void psi_read(struct psi_numbers *out)
{
	ktime_t now = ktime_get();

	spin_lock(&psi_lock);
	book(now);
	update_averages(now);
	for (int k = 0; k < NR_PSI; k++) {
		out->total_ns[k] = total[k];
		for (int i = 0; i < 3; i++)
			out->avg[k][i] = (unsigned)(avg[k][i] >> 11);
	}
	spin_unlock(&psi_lock);
}

/* ---- triggers ---- */

static u64 total_now(enum psi_kind kind, ktime_t now)
{
	u64 t;

	spin_lock(&psi_lock);
	book(now);
	t = total[kind];
	spin_unlock(&psi_lock);
	return t;
}

/* trigger_lock held. Returns true while there was a stall in its window. */
static bool check_one(struct psi_trigger *t, ktime_t now)
{
	u64 sum = total_now(t->kind, now), stalled = sum - t->window_total;

	if (stalled >= (u64)t->threshold && now >= t->quiet_until) {
		t->fired = true;
		t->quiet_until = now + t->window;
		waitq_wake_all(&t->q);
	}
	if (now - t->window_start >= t->window) {
		t->window_start = now;
		t->window_total = sum;
	}
	return stalled || psi_nr_stalled;
}

static void trigger_check(struct timer *timer)
{
	ktime_t now = ktime_get(), shortest = KTIME_MAX;
	struct psi_trigger *t;
	bool busy = false;

	spin_lock(&trigger_lock);
	list_for_each(t, &triggers, link) {
		busy |= check_one(t, now);
		shortest = min(shortest, t->window / 10);
	}
	if (busy && shortest != KTIME_MAX)
		timer_start(timer, now + shortest);
	spin_unlock(&trigger_lock);
}

void psi_trigger_add(struct psi_trigger *t)
{
	ktime_t now = ktime_get();

	waitq_init(&t->q);
	t->fired = false;
	t->window_start = now;
	t->quiet_until = 0;
	t->window_total = total_now(t->kind, now);
	spin_lock(&trigger_lock);
	if (!trigger_timer.fn)
		timer_init(&trigger_timer, trigger_check);
	list_append(&triggers, &t->link);
	timer_wanted = true;
	if (!timer_queued(&trigger_timer))
		timer_start(&trigger_timer, now + t->window / 10);
	spin_unlock(&trigger_lock);
}

void psi_trigger_remove(struct psi_trigger *t)
{
	spin_lock(&trigger_lock);
	list_remove(&t->link);
	timer_wanted = !list_empty(&triggers);
	spin_unlock(&trigger_lock);
}
