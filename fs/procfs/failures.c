/*
 * failures.c - trouble made on purpose, as files, and trouble that came of it.
 *
 * /proc/ledger/failures   allocations that fail, in our words (mm/fail.c); /sys/kernel/debug/fail*: in Linux's
 * /proc/ledger/pressure   memory taken away for a while (mm/pressure.c)
 * /proc/ledger/events     what happened: injected failures, windows of pressure, OOM kills with the score table; what reclaim and each swap
 *                         area did, and how long programs stood still for it. For the report
 */
#include <abi/errno.h>
#include <fs/procfs.h>
#include <kernel/main.h>
#include <kernel/psi.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/fail.h>
#include <mm/page_alloc.h>
#include <mm/pressure.h>
#include <mm/swap.h>

static int failures_show(struct text *out, void *arg)
{
	return fail_report(out);
}

static ssize_t failures_write(const char *buf, size_t n, void *arg)
{
	int err = fail_configure(buf);

	return err ? err : (ssize_t)n;
}

static const struct proc_file failures_file = {
	.path = "ledger/failures", .mode = 0644, .show = failures_show, .write = failures_write,
};

static int pressure_show(struct text *out, void *arg)
{
	return pressure_report(out);
}

static ssize_t pressure_write(const char *buf, size_t n, void *arg)
{
	int err = pressure_configure(buf);

	return err ? err : (ssize_t)n;
}

static const struct proc_file pressure_file = {
	.path = "ledger/pressure", .mode = 0644, .show = pressure_show, .write = pressure_write,
};

/* "stall SOME FULL" in ns, "count NAME N" as /proc/vmstat has them. */
static void reclaim_report_events(struct text *out)
{
	static const char *const names[] = {
		"pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd", "pgsteal_direct", "pgsteal_anon", "pgsteal_file", "workingset_refault_anon",
		"workingset_refault_file", "pswpin", "pswpout", "zswpin", "zswpout", "pgmajfault", "slabs_scanned", "oom_kill",
	};
	struct psi_numbers psi;

	psi_read(&psi_system, &psi);
	text_printf(out, "stall %llu %llu\n", (unsigned long long)psi.total_ns[PSI_SOME], (unsigned long long)psi.total_ns[PSI_FULL]);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		text_printf(out, "count %s %lu\n", names[i], vmstat_event(names[i]));
	text_printf(out, "count allocstall %lu\n", vm_event_read(ALLOCSTALL));
}

static int events_show(struct text *out, void *arg)
{
	reclaim_report_events(out);
	swap_report_events(out);
	return fail_report_events(out) ?: pressure_report(out) ?: oom_report_events(out);
}

static const struct proc_file events_file = { .path = "ledger/events", .mode = 0444, .show = events_show };

/* ---- one file an attribute ---- */

static int number_show(struct text *out, void *arg)
{
	text_printf(out, "%d\n", *(int *)arg);
	return 0;
}

static ssize_t number_write(const char *buf, size_t n, void *arg)
{
	s64 v;

	if (str_parse_s64(buf, 0, &v) || v < -S32_MAX || v > S32_MAX)
		return -EINVAL;
	*(int *)arg = (int)v;
	fail_changed();
	return (ssize_t)n;
}

static int flag_show(struct text *out, void *arg)
{
	text_puts(out, *(int *)arg ? "Y\n" : "N\n");
	return 0;
}

static ssize_t flag_write(const char *buf, size_t n, void *arg)
{
	if (!strchr("yYnN01", buf[0]) || !buf[0])
		return -EINVAL;
	*(int *)arg = buf[0] == 'y' || buf[0] == 'Y' || buf[0] == '1';
	fail_changed();
	return (ssize_t)n;
}

#define NR_FILES	8

static void register_attrs(struct proc_file *f, const char *folder, struct fail_attr *a, bool with_order)
{
	const struct { const char *name; int *value; bool flag; } leaves[NR_FILES] = {
		{ "probability", &a->probability }, { "interval", &a->interval }, { "times", &a->times },
		{ "space", &a->space }, { "verbose", &a->verbose }, { "task-filter", &a->task_filter, true },
		{ "ignore-gfp-wait", &a->ignore_gfp_wait, true }, { "min-order", &a->min_order },
	};
	static char paths[NR_FAIL_KINDS][NR_FILES][64];
	static unsigned used;

	for (unsigned i = 0; i < NR_FILES; i++, f++) {
		char *path = paths[used][i];

		if (i == NR_FILES - 1 && !with_order)
			break;
		strscpy(path, "kernel/debug/", 64);
		strscpy(path + strlen(path), folder, 32);
		strscpy(path + strlen(path), "/", 2);
		strscpy(path + strlen(path), leaves[i].name, 20);
		*f = (struct proc_file){ .path = path, .mode = 0600, .show = leaves[i].flag ? flag_show : number_show,
					 .write = leaves[i].flag ? flag_write : number_write, .arg = leaves[i].value };
		sysfs_register(f);
	}
	used++;
}

static int failures_init(void)
{
	static struct proc_file files[NR_FAIL_KINDS][NR_FILES];
	static const char *const folders[] = { "fail_user", "fail_page_alloc", "failslab" };

	proc_register(&failures_file);
	proc_register(&pressure_file);
	proc_register(&events_file);
	for (unsigned k = 0; k < NR_FAIL_KINDS; k++)
		register_attrs(files[k], folders[k], &fail_attrs[k], k == FAIL_PAGE);
	return 0;
}
initcall(failures_init, 2);
