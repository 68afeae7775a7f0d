/*
 * pressure.c - memory taken away for a while, on purpose: what a program meets when its neighbours on the machine wake up.
 *
 * WHAT        windows: from a moment on, for a time, no more than so much memory is free. A kernel thread takes what is over that,
 *             page by page, looks again every few milliseconds, and gives all back at the window's end.
 * LIMITS      it takes free pages only and stops above the high watermark: kswapd and the OOM killer are never woken for it, but by
 *             whoever asks for memory then.
 * BOOKS       the pages stand in account `balloon`, owner machine.
 */
#include "internal.h"

#include <kernel/main.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/ledger.h>
#include <mm/pressure.h>

#define WINDOWS		8
#define STEP		(5 * NSEC_PER_MSEC)
#define BATCH		64

static struct window {
	ktime_t		begin, end;	/* monotonic */
	unsigned long	keep;		/* pages that stay free */
	unsigned long	most, lowest;	/* taken at most; free at least meanwhile */
	bool		over;
} windows[WINDOWS];
static unsigned nr_windows;
static struct list taken = LIST_INIT(taken);
static unsigned long nr_taken;
static bool running;
static struct waitq wake = WAITQ_INIT(wake);

static void give_back_all(void)
{
	while (!list_empty(&taken)) {
		struct page *p = list_first_entry(&taken, struct page, lru);

		list_remove(&p->lru);
		page_free(p, 0);
		if (!(--nr_taken % 1024))
			cond_resched();
	}
}

static void take_down_to(unsigned long keep)
{
	while (nr_free_pages() > keep) {
		struct page *p = page_alloc(GFP_MOVABLE | GFP_NOWARN | GFP_NOACCOUNT, 0, ACCT_BALLOON);

		if (!p)
			return;
		list_push(&taken, &p->lru);
		if (!(++nr_taken % 1024))
			cond_resched();
	}
}

/* One look at one window. When to look next, or KTIME_MAX. */
static ktime_t attend(struct window *w, ktime_t now)
{
	unsigned long free;

	if (w->over)
		return KTIME_MAX;
	if (now < w->begin)
		return w->begin;
	if (now >= w->end) {
		w->over = true;
		give_back_all();
		return KTIME_MAX;
	}
	take_down_to(w->keep);
	free = nr_free_pages();
	w->most = max(w->most, nr_taken);
	w->lowest = min(w->lowest, free);
	return min(now + STEP, w->end);
}

static int squeezer(void *unused_arg)
{
	for (;;) {
		ktime_t now = ktime_get(), next = KTIME_MAX;

		for (unsigned i = 0; i < nr_windows; i++)
			next = min(next, attend(&windows[i], now));
		if (next == KTIME_MAX)
			wait_event(&wake, READ_ONCE(running));
		WRITE_ONCE(running, false);
		task_set_state(TASK_UNINTERRUPTIBLE);
		schedule_timeout(next == KTIME_MAX ? 0 : max(next - ktime_get(), (ktime_t)NSEC_PER_USEC));
	}
	return 0;
}

/* ---- what was asked for --------------------------------------------------------------------------------------- */

static int parse_time(const char *s, const char **end, ktime_t *out)
{
	u64 n = str_to_u64(s, end, 10), fraction = 0, unit = NSEC_PER_SEC, part;

	if (*end == s || n > 1000000)
		return -EINVAL;
	if (**end == '.') {
		part = NSEC_PER_SEC;
		for ((*end)++; char_is_digit(**end); (*end)++) {
			part /= 10;
			fraction += (u64)(**end - '0') * part;
		}
	}
	if (str_has_prefix(*end, "ms")) {
		unit = NSEC_PER_MSEC;
		*end += 2;
	} else if (**end == 's') {
		(*end)++;
	}
	*out = (ktime_t)(n * unit + fraction / (NSEC_PER_SEC / unit));
	return 0;
}

/* "5%", "16M", or pages of nothing else. */
static int parse_amount(const char *s, const char **end, unsigned long *out)
{
	u64 n = str_to_size(s, end);

	if (*end == s)
		return -EINVAL;
	if (**end == '%') {
		(*end)++;
		if (n > 100)
			return -EINVAL;
		*out = nr_total_pages() * (unsigned long)n / 100;
	} else {
		*out = (unsigned long)(n >> PAGE_SHIFT);
	}
	return 0;
}

static int parse_window(const char *s, const char **end, struct window *w, ktime_t now)
{
	ktime_t at = 0, length = 0;
	int err = 0;

	*w = (struct window){ .keep = 0, .lowest = nr_total_pages() };
	for (;;) {
		if (str_has_prefix(s, "at="))
			err = parse_time(s + 3, end, &at);
		else if (str_has_prefix(s, "for="))
			err = parse_time(s + 4, end, &length);
		else if (str_has_prefix(s, "free="))
			err = parse_amount(s + 5, end, &w->keep);
		else
			return -EINVAL;
		if (err)
			return err;
		if (**end != ',')
			break;
		s = *end + 1;
	}
	w->begin = now + at;
	w->end = w->begin + length;
	return length ? 0 : -EINVAL;
}

static unsigned long least_free(void)
{
	unsigned long n = 0;

	for (int z = 0; z < NR_ZONES; z++)
		if (zones[z].managed_pages)
			n += zones[z].watermark[WMARK_HIGH] + zones[z].lowmem_reserve[ZONE_NORMAL];
	return n;
}

static int start_squeezer(void)
{
	static struct task *t;

	WRITE_ONCE(running, true);
	if (t) {
		waitq_wake_all(&wake);
		return 0;
	}
	t = kthread_create(squeezer, NULL, "squeezer");
	if (!t)
		return -ENOMEM;
	task_wake_new(t);
	return 0;
}

int pressure_configure(const char *spec)
{
	struct window w[WINDOWS];
	unsigned n = 0;
	ktime_t now = ktime_get();
	const char *end = spec;

	if (nr_windows)
		return -EBUSY;		/* one plan a boot */
	do {
		if (n == WINDOWS || parse_window(spec, &end, &w[n], now))
			return -EINVAL;
		w[n].keep = max(w[n].keep, least_free());
		n++;
		spec = end + 1;
	} while (*end == ';');
	if (*end && *end != '\n')
		return -EINVAL;
	memcpy(windows, w, n * sizeof(w[0]));
	nr_windows = n;
	return start_squeezer();
}

int pressure_report(struct text *out)
{
	for (unsigned i = 0; i < nr_windows; i++) {
		const struct window *w = &windows[i];

		text_printf(out, "pressure %llu %llu %lu %lu %lu\n", (unsigned long long)w->begin, (unsigned long long)w->end, w->keep,
			    w->most, w->lowest);
	}
	return 0;
}
