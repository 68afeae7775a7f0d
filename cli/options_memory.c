/*
 * options_memory.c - the options for short memory on purpose: compressed swap, failures, pressure, limits.
 * WHY         they become settings of the guest's kernel, which reads them again; what is wrong is said here, before a machine starts.
 */
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

static void add_knob(struct options *o, const char *path, const char *value)
{
	char *text = NULL;

	if (o->nr_knobs == sizeof(o->knobs) / sizeof(o->knobs[0]))
		fail("%s=%s: more settings than there is room for", path, value);
	if (asprintf(&text, "%s=%s", path, value) < 0)
		fail("out of memory");
	o->knobs[o->nr_knobs++] = text;
}

/* "25%": compressed in memory first, up to so much of RAM. */
void option_zswap(struct options *o, const char *arg)
{
	char number[8], *end;
	long percent = strtol(arg, &end, 10);

	if (end == arg || (*end && strcmp(end, "%")) || percent < 1 || percent > 100)
		fail("--zswap %s: give 1%% to 100%% of RAM", arg);
	snprintf(number, sizeof(number), "%ld", percent);
	add_knob(o, "/sys/module/zswap/parameters/max_pool_percent", number);
	add_knob(o, "/sys/module/zswap/parameters/enabled", "1");
}

void option_zram(struct options *o, const char *arg)
{
	if (o->nr_zrams == MAX_ZRAMS)
		fail("--zram %s: more than %d", arg, MAX_ZRAMS);
	o->zram_priority[o->nr_zrams] = 100; /* before the disks */
	o->zram_bytes[o->nr_zrams] = option_swap_size("--zram", arg, &o->zram_priority[o->nr_zrams]);
	o->nr_zrams++;
}

/* "2,ratio=50": malloc fails when the promise would be too large. */
void option_overcommit(struct options *o, const char *arg)
{
	char *list = must_alloc(strdup(arg)), *save = NULL, *w = strtok_r(list, ",", &save);

	if (!w || strlen(w) != 1 || *w < '0' || *w > '2')
		fail("--overcommit %s: give 0, 1 or 2, then ,ratio=PERCENT or ,kbytes=N", arg);
	add_knob(o, "/proc/sys/vm/overcommit_memory", w);
	while ((w = strtok_r(NULL, ",", &save))) {
		bool ratio = !strncmp(w, "ratio=", 6), kbytes = !strncmp(w, "kbytes=", 7);
		const char *n = strchr(w, '=');

		if ((!ratio && !kbytes) || !n[1] || n[1 + strspn(n + 1, "0123456789")])
			fail("--overcommit %s: give ,ratio=PERCENT or ,kbytes=N", arg);
		add_knob(o, ratio ? "/proc/sys/vm/overcommit_ratio" : "/proc/sys/vm/overcommit_kbytes", n + 1);
	}
	free(list);
}

static bool is_number(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

/* "2", "2.5s", "300ms" */
static bool is_time(const char *s)
{
	size_t n = strspn(s, "0123456789");
	const char *rest = s + n;

	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	return n && (!*rest || !strcmp(rest, "s") || !strcmp(rest, "ms"));
}

/* "5%", "16M" */
static bool is_amount(const char *s)
{
	size_t n = strspn(s, "0123456789");
	const char *rest = s + n;

	if (!strcmp(rest, "%"))
		return n && strtoul(s, NULL, 10) <= 100;
	return n && (!*rest || (strchr("KMGkmg", *rest) && !rest[1]));
}

/* True for the words that say which requests fail. */
static bool check_fail_word(const char *arg, const char *w)
{
	char *end;
	double p;

	if (!strncmp(w, "p=", 2)) {
		p = strtod(w + 2, &end);
		if (end == w + 2 || *end || w[2 + strspn(w + 2, "0123456789.")] || !(p > 0 && p <= 1))
			fail("--fail-alloc %s: p is a chance above 0 and up to 1, not '%s'", arg, w + 2);
		return true;
	}
	if (is_number(w) || !strncmp(w, "every=", 6)) {
		const char *n = is_number(w) ? w : w + 6;

		if (!is_number(n) || strtoul(n, NULL, 10) < 1 || strtoul(n, NULL, 10) > 0x7fffffff)
			fail("--fail-alloc %s: '%s' is no count from 1 on", arg, n);
		return true;
	}
	if ((!strncmp(w, "seed=", 5) && is_number(w + 5)) || (!strncmp(w, "times=", 6) && is_number(w + 6)) || !strcmp(w, "kernel"))
		return false;
	fail("--fail-alloc %s: what is '%s'? Give N, every=N or p=0.01,seed=N; kernel, before it, ,times=N behind", arg, w);
}

/* "37", "every=1000", "p=0.01,seed=7", "kernel,..."; "kernel" alone: each thousandth of the kernel's */
void option_fail_alloc(struct options *o, const char *arg)
{
	char *list = must_alloc(strdup(arg)), *save = NULL;
	int which = 0;

	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save))
		which += check_fail_word(arg, w);
	free(list);
	if (!strcmp(arg, "kernel"))
		arg = "kernel,every=1000";
	else if (which != 1)
		fail("--fail-alloc %s: give one of N, every=N and p=CHANCE", arg);
	add_knob(o, "/proc/ledger/failures", arg);
}

/* "at=2s,free=5%,for=3s", several with ';' */
void option_pressure(struct options *o, const char *arg)
{
	char *list = must_alloc(strdup(arg)), *save = NULL, *save_word;

	for (char *window = strtok_r(list, ";", &save); window; window = strtok_r(NULL, ";", &save)) {
		bool has_for = false, has_free = false;

		for (char *w = strtok_r(window, ",", &save_word); w; w = strtok_r(NULL, ",", &save_word)) {
			if ((!strncmp(w, "at=", 3) && !is_time(w + 3)) || (!strncmp(w, "for=", 4) && !is_time(w + 4)))
				fail("--pressure %s: '%s' is no time; for example 2s or 300ms", arg, strchr(w, '=') + 1);
			if (!strncmp(w, "free=", 5) && !is_amount(w + 5))
				fail("--pressure %s: '%s' is no part of RAM; for example 5%% or 16M", arg, w + 5);
			has_for |= !strncmp(w, "for=", 4);
			has_free |= !strncmp(w, "free=", 5);
			if (strncmp(w, "at=", 3) && strncmp(w, "for=", 4) && strncmp(w, "free=", 5))
				fail("--pressure %s: what is '%s'? Give at=2s,free=5%%,for=3s", arg, w);
		}
		if (!has_for || !has_free)
			fail("--pressure %s: give free= and for=, as in at=2s,free=5%%,for=3s", arg);
	}
	free(list);
	add_knob(o, "/proc/ledger/pressure", arg);
}

void option_sysctl(struct options *o, const char *arg)
{
	const char *equals = strchr(arg, '=');
	char path[256];

	if (!equals || equals == arg || equals - arg > 200)
		fail("--sysctl %s: give NAME=VALUE", arg);
	snprintf(path, sizeof(path), "/proc/sys/%.*s", (int)(equals - arg), arg);
	for (char *p = path; *p; p++)
		if (*p == '.')
			*p = '/';
	add_knob(o, path, equals + 1);
}

/* "memory.max=64M,memory.high=48M" */
void option_cgroup(struct options *o, const char *arg)
{
	char *list = must_alloc(strdup(arg)), *save = NULL; /* kept: the options point into it */

	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		const char *equals = strchr(w, '=');

		if (!equals || equals == w || memchr(w, '/', (size_t)(equals - w)))
			fail("--cgroup %s: give FILE=VALUE, for example memory.max=64M", w);
		if (o->nr_cgroup == 16)
			fail("--cgroup %s: more than 16 settings", w);
		o->cgroup[o->nr_cgroup++] = w;
	}
}

/* The kernel knows which policies it has; the guest says so when this is none. */
void option_reclaim(struct options *o, const char *arg)
{
	o->reclaim = arg;
	add_knob(o, "/sys/kernel/mm/reclaim_policy", arg);
}
