/*
 * zswap_files.c - /sys/module/zswap/parameters and /sys/kernel/debug/zswap, and the same parameters on the kernel command line.
 *
 * LINUX       compressor and zpool can be read and "set" to what they are; others are ENOENT, as a compressor that is not built in.
 */
#include <abi/errno.h>
#include <fs/procfs.h>
#include <kernel/boot_info.h>
#include <kernel/main.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include <mm/page.h>
#include <mm/zswap.h>

#define PARAM(name)	"module/zswap/parameters/" name

static int flag_show(struct text *out, void *arg)
{
	text_puts(out, *(bool *)arg ? "Y\n" : "N\n");
	return 0;
}

static int parse_flag(const char *s)
{
	if (strchr("1yY", *s) && *s)
		return 1;
	if (strchr("0nN", *s) && *s)
		return 0;
	if ((s[0] | 0x20) == 'o')
		return (s[1] | 0x20) == 'n' ? 1 : (s[1] | 0x20) == 'f' ? 0 : -EINVAL;
	return -EINVAL;
}

static ssize_t enabled_write(const char *buf, size_t n, void *arg)
{
	int on = parse_flag(buf), err = on < 0 ? on : zswap_enable(on);

	return err ? err : (ssize_t)n;
}

static ssize_t flag_write(const char *buf, size_t n, void *arg)
{
	int on = parse_flag(buf);

	if (on < 0)
		return on;
	*(bool *)arg = on;
	return (ssize_t)n;
}

static int number_show(struct text *out, void *arg)
{
	text_printf(out, "%u\n", *(unsigned *)arg);
	return 0;
}

static ssize_t percent_write(const char *buf, size_t n, void *arg)
{
	const char *end;
	u64 v = str_to_u64(buf, &end, 0);

	if (end == buf || (*end && *end != '\n') || v > 100)
		return -EINVAL;
	*(unsigned *)arg = (unsigned)v;
	return (ssize_t)n;
}

static int name_show(struct text *out, void *arg)
{
	text_printf(out, "%s\n", (const char *)arg);
	return 0;
}

static ssize_t name_write(const char *buf, size_t n, void *arg)
{
	size_t len = strcspn(buf, "\n");

	return len == strlen(arg) && !memcmp(buf, arg, len) ? (ssize_t)n : -ENOENT;
}

static int count_show(struct text *out, void *arg)
{
	text_printf(out, "%ld\n", atomic_read((atomic_long_t *)arg));
	return 0;
}

static int pool_show(struct text *out, void *arg)
{
	text_printf(out, "%ld\n", zswap_pool_pages() << PAGE_SHIFT);
	return 0;
}

static const struct proc_file files[] = {
	{ PARAM("enabled"), 0644, flag_show, enabled_write, NULL, &zswap.enabled },
	{ PARAM("same_filled_pages_enabled"), 0644, flag_show, flag_write, NULL, &zswap.same_filled },
	{ PARAM("max_pool_percent"), 0644, number_show, percent_write, NULL, &zswap.max_pool_percent },
	{ PARAM("accept_threshold_percent"), 0644, number_show, percent_write, NULL, &zswap.accept_percent },
	{ PARAM("compressor"), 0644, name_show, name_write, NULL, "lz4" },
	{ PARAM("zpool"), 0644, name_show, name_write, NULL, "zsmalloc" },
	{ "kernel/debug/zswap/stored_pages", 0444, count_show, NULL, NULL, &zswap.stored },
	{ "kernel/debug/zswap/same_filled_pages", 0444, count_show, NULL, NULL, &zswap.same },
	{ "kernel/debug/zswap/written_back_pages", 0444, count_show, NULL, NULL, &zswap.written_back },
	{ "kernel/debug/zswap/pool_limit_hit", 0444, count_show, NULL, NULL, &zswap.limit_hit },
	{ "kernel/debug/zswap/reject_compress_poor", 0444, count_show, NULL, NULL, &zswap.reject_compress },
	{ "kernel/debug/zswap/reject_alloc_fail", 0444, count_show, NULL, NULL, &zswap.reject_alloc },
	{ "kernel/debug/zswap/reject_reclaim_fail", 0444, count_show, NULL, NULL, &zswap.reject_reclaim },
	{ "kernel/debug/zswap/pool_total_size", 0444, pool_show, NULL, NULL, NULL },
};

static void from_cmdline(void)
{
	static const struct { const char *name; ssize_t (*set)(const char *, size_t, void *); void *arg; } words[] = {
		{ "zswap.max_pool_percent", percent_write, &zswap.max_pool_percent },
		{ "zswap.accept_threshold_percent", percent_write, &zswap.accept_percent },
		{ "zswap.same_filled_pages_enabled", flag_write, &zswap.same_filled },
		{ "zswap.enabled", enabled_write, NULL },
	};
	char value[16];

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (cmdline_get(words[i].name, value, sizeof(value)) && words[i].set(value, strlen(value), words[i].arg) < 0)
			pr_warn("%s=%s: not understood\n", words[i].name, value);
}

static int zswap_files(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++)
		sysfs_register(&files[i]);
	from_cmdline();
	return 0;
}
initcall(zswap_files, 3);
