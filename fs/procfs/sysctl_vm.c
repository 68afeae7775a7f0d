/*
 * sysctl_vm.c - /proc/sys/vm: how the memory system should behave.
 *
 * A knob is a number with bounds, and a function that acts on its change. Names, bounds and what sets what to zero are Linux's
 * (Documentation/admin-guide/sysctl/vm.rst). A knob that would change nothing here is not there.
 */
#include <abi/errno.h>
#include <kernel/main.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/reclaim.h>
#include <mm/reclaim_policy.h>
#include <mm/swap.h>

#include "procfs_private.h"

struct knob {
	const char	*path;
	u32		mode;
	int		*number;	/* one of the two */
	unsigned long	*large;
	long		lo, hi;
	int		(*changed)(void);
};

static int drop_caches;

static int drop_changed(void)
{
	reclaim_drop_caches(drop_caches);
	return 0;
}

static int compact_written;			/* any number will do */

static int compact_changed(void)
{
	compact_memory();
	return 0;
}

static int watermarks_changed(void)
{
	zones_set_watermarks();
	return 0;
}

/* Of each pair the one that was written last counts; the other reads 0. */
static int ratio_changed(void)
{
	sysctl_overcommit_kbytes = 0;
	return 0;
}

static int kbytes_changed(void)
{
	sysctl_overcommit_ratio = 0;
	return 0;
}

static int dirty_ratio_changed(void)
{
	sysctl_dirty_bytes = 0;
	return 0;
}

static int dirty_bytes_changed(void)
{
	sysctl_dirty_ratio = 0;
	return 0;
}

static int background_ratio_changed(void)
{
	sysctl_dirty_background_bytes = 0;
	return 0;
}

static int background_bytes_changed(void)
{
	sysctl_dirty_background_ratio = 0;
	return 0;
}

static int interval_changed(void)
{
	writeback_interval_changed();
	return 0;
}

static const struct knob knobs[] = {
	{ "overcommit_memory", 0644, &sysctl_overcommit_memory, NULL, 0, 2 },
	{ "overcommit_ratio", 0644, &sysctl_overcommit_ratio, NULL, 0, S32_MAX, ratio_changed },
	{ "overcommit_kbytes", 0644, NULL, &sysctl_overcommit_kbytes, .changed = kbytes_changed },
	{ "admin_reserve_kbytes", 0644, NULL, &sysctl_admin_reserve_kbytes },
	{ "user_reserve_kbytes", 0644, NULL, &sysctl_user_reserve_kbytes },
	{ "max_map_count", 0644, NULL, &sysctl_max_map_count },
	{ "mmap_min_addr", 0644, NULL, &sysctl_mmap_min_addr },
	{ "swappiness", 0644, &sysctl_swappiness, NULL, 0, 200 },
	{ "page-cluster", 0644, &sysctl_page_cluster, NULL, 0, 31 },
	{ "vfs_cache_pressure", 0644, &sysctl_vfs_cache_pressure, NULL, 0, S32_MAX },
	{ "min_free_kbytes", 0644, NULL, &sysctl_min_free_kbytes, .changed = watermarks_changed },
	{ "watermark_scale_factor", 0644, &sysctl_watermark_scale_factor, NULL, 1, 3000, watermarks_changed },
	{ "drop_caches", 0644, &drop_caches, NULL, 1, 4, drop_changed },
	{ "compact_memory", 0200, &compact_written, NULL, -S32_MAX, S32_MAX, compact_changed },
	{ "compact_unevictable_allowed", 0644, &sysctl_compact_unevictable_allowed, NULL, 0, 1 },
	{ "dirty_ratio", 0644, &sysctl_dirty_ratio, NULL, 0, 100, dirty_ratio_changed },
	{ "dirty_bytes", 0644, NULL, &sysctl_dirty_bytes, 2 * PAGE_SIZE, S64_MAX, dirty_bytes_changed },
	{ "dirty_background_ratio", 0644, &sysctl_dirty_background_ratio, NULL, 0, 100, background_ratio_changed },
	{ "dirty_background_bytes", 0644, NULL, &sysctl_dirty_background_bytes, 1, S64_MAX, background_bytes_changed },
	{ "dirty_writeback_centisecs", 0644, &sysctl_dirty_writeback_centisecs, NULL, 0, S32_MAX / 10, interval_changed },
	{ "dirty_expire_centisecs", 0644, &sysctl_dirty_expire_centisecs, NULL, 0, S32_MAX / 10 },
	{ "panic_on_oom", 0644, &sysctl_panic_on_oom, NULL, 0, 2 },
	{ "oom_kill_allocating_task", 0644, &sysctl_oom_kill_allocating_task, NULL, 0, 1 },
	{ "oom_dump_tasks", 0644, &sysctl_oom_dump_tasks, NULL, 0, 1 },
};

static int knob_show(struct text *out, void *arg)
{
	const struct knob *k = arg;

	if (k->number)
		text_printf(out, "%d\n", READ_ONCE(*k->number));
	else
		text_printf(out, "%lu\n", READ_ONCE(*k->large));
	return 0;
}

static ssize_t knob_write(const char *buf, size_t n, void *arg)
{
	const struct knob *k = arg;
	bool negative;
	int err;
	u64 v;

	if (sysctl_parse(buf, &negative, &v) || (negative && (!k->number || v)))
		return -EINVAL;
	if (v > S64_MAX || (k->hi && ((long)v < k->lo || (long)v > k->hi)))
		return -EINVAL;
	if (k->number)
		WRITE_ONCE(*k->number, (int)v);
	else
		WRITE_ONCE(*k->large, (unsigned long)v);
	err = k->changed ? k->changed() : 0;
	return err ? err : (ssize_t)n;
}

static int reserve_show(struct text *out, void *arg)
{
	text_printf(out, "256\t256\t32\t0\t0\n");
	return 0;
}

static int policy_show(struct text *out, void *arg)
{
	return reclaim_policy_show(out);
}

/* What was chosen at boot cannot change; who asks for it gets a good answer, who asks for another one hears so. */
static ssize_t policy_write(const char *buf, size_t n, void *arg)
{
	int err = reclaim_policy_check(buf);

	return err ? err : (ssize_t)n;
}

static const struct proc_file policy_file = {
	.path = "kernel/mm/reclaim_policy", .mode = 0644, .show = policy_show, .write = policy_write,
};

static const struct proc_file reserve_file = { .path = "sys/vm/lowmem_reserve_ratio", .mode = 0444, .show = reserve_show };

static int knobs_init(void)
{
	static struct proc_file files[ARRAY_SIZE(knobs)];
	static char paths[ARRAY_SIZE(knobs)][48];

	for (unsigned i = 0; i < ARRAY_SIZE(knobs); i++) {
		strscpy(paths[i], "sys/vm/", sizeof(paths[i]));
		strscpy(paths[i] + 7, knobs[i].path, sizeof(paths[i]) - 7);
		files[i] = (struct proc_file){ .path = paths[i], .mode = knobs[i].mode, .show = knob_show, .write = knob_write,
					       .arg = (void *)&knobs[i] };
		proc_register(&files[i]);
	}
	proc_register(&reserve_file);
	sysfs_register(&policy_file);
	return 0;
}
initcall(knobs_init, 2);
