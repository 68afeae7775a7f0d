/*
 * psi.c - pressure stall information for memory.
 *
 * WHAT        "some": time in which at least one task is stalled on memory. "full": time in which tasks are stalled and no other
 *             task runs, so that nothing gets done. A task is stalled between psi_memstall_enter() and _leave(), asleep or not.
 * GROUPS      the machine, and one for each cgroup; a task counts in its own and all above.
 * SHAPE       the state changes only when a task enters, leaves, sleeps, wakes or moves; each change first books the time since
 *             the last one. While nobody is stalled and there are no cgroups, scheduling costs a read of psi_watched. What runs
 *             in the machine the run queues know; in a cgroup its own tasks are counted.
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

struct psi_group psi_system;
int psi_watched;			/* stalled tasks, and groups besides the machine */

static spinlock_t psi_lock = SPINLOCK_INIT("psi", LOCK_LEAF);

static spinlock_t trigger_lock = SPINLOCK_INIT("psi-trigger", LOCK_FS);
static struct list triggers = LIST_INIT(triggers);
static struct timer trigger_timer;
static bool timer_wanted;		/* there is a trigger */

/* psi_lock held. */
static void book(struct psi_group *g, ktime_t now)
{
	s64 delta = now - g->booked;

	if (delta <= 0)
		return;
	for (int k = 0; k < NR_PSI; k++)
		if (g->state[k])
			g->total[k] += delta;
	g->booked = now;
}

static void new_state(struct psi_group *g)
{
	int ready = g == &psi_system ? (int)sched_nr_running() : g->nr_ready;

	g->state[PSI_SOME] = g->nr_stalled > 0 && !g->off;
	g->state[PSI_FULL] = g->nr_stalled > 0 && !g->off && ready <= g->nr_stalled_ready;
}

static struct psi_group *group_of(const struct task *t)
{
	return t->psi ? t->psi : &psi_system;
}

/* What t is worth is added to, or with sign -1 taken from, its groups. psi_lock held. */
static void count_task(const struct task *t, int sign, ktime_t now)
{
	for (struct psi_group *g = group_of(t); g; g = g->parent) {
		book(g, now);
		g->nr_ready += t->psi_ready ? sign : 0;
		g->nr_stalled += t->psi_stalled ? sign : 0;
		g->nr_stalled_ready += t->psi_ready && t->psi_stalled ? sign : 0;
		new_state(g);
	}
}

static void change(struct task *t, bool stalled, bool ready)
{
	ktime_t now = ktime_get();

	spin_lock(&psi_lock);
	count_task(t, -1, now);
	WRITE_ONCE(psi_watched, psi_watched + stalled - t->psi_stalled);
	t->psi_stalled = stalled;
	t->psi_ready = ready;
	count_task(t, 1, now);
	spin_unlock(&psi_lock);
}

static void trigger_check(struct timer *timer);

void psi_memstall_enter(void)
{
	if (current->memstall++)
		return;
	change(current, true, true);
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
		change(current, false, true);
}

void psi_sched_change(struct task *t, bool runs)
{
	if (t->psi || t->psi_stalled)
		change(t, t->psi_stalled, runs);
	else
		change(t, false, false);	/* who runs beside the stalled ones */
}

void psi_task_move_locked(struct task *t, struct psi_group *g, bool ready)
{
	ktime_t now = ktime_get();

	spin_lock(&psi_lock);
	count_task(t, -1, now);
	t->psi = g == &psi_system ? NULL : g;
	t->psi_ready = (t->psi || t->psi_stalled) && ready;
	count_task(t, 1, now);
	spin_unlock(&psi_lock);
}

/* ---- groups ---- */

void psi_group_init(struct psi_group *g, struct psi_group *parent)
{
	*g = (struct psi_group){ .parent = parent, .booked = ktime_get(), .avg_time = ktime_get() };
	spin_lock(&psi_lock);
	WRITE_ONCE(psi_watched, psi_watched + 1);
	spin_unlock(&psi_lock);
}

void psi_group_end(struct psi_group *g)
{
	spin_lock(&psi_lock);
	WRITE_ONCE(psi_watched, psi_watched - 1);
	spin_unlock(&psi_lock);
}

void psi_group_switch(struct psi_group *g, bool on)
{
	spin_lock(&psi_lock);
	book(g, ktime_get());
	g->off = !on;
	new_state(g);
	spin_unlock(&psi_lock);
}

/* ---- averages ---- */

static void average(u64 *a, u64 sample, unsigned decay)
{
	*a = (*a * decay + (sample << 11) * (FIXED_ONE - decay)) >> 11;
}

/* psi_lock held. Missed periods count as if the stalls had been spread over all of them. */
static void update_averages(struct psi_group *g, ktime_t now)
{
	static const unsigned decay[3] = { 1677, 1981, 2034 };
	s64 periods = (now - g->avg_time) / AVG_PERIOD;

	if (periods <= 0)
		return;
	for (int k = 0; k < NR_PSI; k++) {
		u64 stalled = g->total[k] - g->avg_total[k];
		u64 sample = min(stalled * 10000 / (u64)(now - g->avg_time), (u64)10000);

		for (s64 p = 0; p < min(periods, (s64)MAX_PERIODS); p++)
			for (int i = 0; i < 3; i++)
				average(&g->avg[k][i], sample, decay[i]);
		g->avg_total[k] = g->total[k];
	}
	g->avg_time = now;
}

void psi_read(struct psi_group *g, struct psi_numbers *out)
{
	ktime_t now = ktime_get();

	spin_lock(&psi_lock);
	book(g, now);
	update_averages(g, now);
	for (int k = 0; k < NR_PSI; k++) {
		out->total_ns[k] = g->total[k];
		for (int i = 0; i < 3; i++)
			out->avg[k][i] = (unsigned)(g->avg[k][i] >> 11);
	}
	spin_unlock(&psi_lock);
}

/* ---- triggers ---- */

static u64 total_now(struct psi_group *g, enum psi_kind kind, ktime_t now)
{
	u64 t;

	spin_lock(&psi_lock);
	book(g, now);
	t = g->total[kind];
	spin_unlock(&psi_lock);
	return t;
}

/* trigger_lock held. Returns true while there was a stall in its window. */
static bool check_one(struct psi_trigger *t, ktime_t now)
{
	u64 sum = total_now(t->group, t->kind, now), stalled = sum - t->window_total;

	if (stalled >= (u64)t->threshold && now >= t->quiet_until) {
		t->fired = true;
		t->quiet_until = now + t->window;
		waitq_wake_all(&t->q);
	}
	if (now - t->window_start >= t->window) {
		t->window_start = now;
		t->window_total = sum;
	}
	return stalled || READ_ONCE(t->group->nr_stalled);
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
	t->window_total = total_now(t->group, t->kind, now);
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
