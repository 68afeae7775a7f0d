/*
 * kmemleak.c - /sys/kernel/debug/kmemleak, also as /proc/kmemleak: leaks of kernel memory on demand; and, in debug kernels, a file that leaks.
 *
 *	echo scan > kmemleak		look now
 *	cat kmemleak			what was found and is still there
 *	echo clear > kmemleak		only what is found later, from now on
 *
 * LINUX       the same file and commands; there is no scan every ten minutes: scan=on and scan=SECONDS are EINVAL.
 */
#include <abi/errno.h>
#include <fs/procfs.h>
#include <kernel/main.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/kmemleak.h>
#include <mm/slab.h>

static int kmemleak_show(struct text *out, void *arg)
{
	return kmemleak_report(out);
}

/* The word of a command without its newline. */
static bool is_command(const char *buf, size_t n, const char *word)
{
	n -= n && buf[n - 1] == '\n';
	return n == strlen(word) && !memcmp(buf, word, n);
}

static int command(const char *buf, size_t n)
{
	const char *end;
	int r;

	if (is_command(buf, n, "scan")) {
		r = kmemleak_scan();
		return r < 0 ? r : 0;
	}
	if (is_command(buf, n, "clear"))
		kmemleak_clear();
	else if (is_command(buf, n, "off"))
		kmemleak_off();
	else if (is_command(buf, n, "stack=on") || is_command(buf, n, "stack=off"))
		kmemleak_scan_stacks(buf[7] == 'n');
	else if (str_has_prefix(buf, "dump="))
		return kmemleak_dump((vaddr_t)str_to_u64(buf + 5, &end, 16));
	else if (!is_command(buf, n, "scan=off"))		/* it is */
		return -EINVAL;
	return 0;
}

static ssize_t kmemleak_write(const char *buf, size_t n, void *arg)
{
	int err = command(buf, n);

	return err ? err : (ssize_t)n;
}

static const struct proc_file kmemleak_files[] = {
	{ .path = "kernel/debug/kmemleak", .mode = 0644, .show = kmemleak_show, .write = kmemleak_write },
	{ .path = "kmemleak", .mode = 0600, .show = kmemleak_show, .write = kmemleak_write },
};

#ifdef DEBUG

/* "SIZE COUNT": so many allocations that nobody will ever free. Small ones are slab objects, then pages, then vmalloc areas. */
static ssize_t leak_write(const char *buf, size_t n, void *arg)
{
	const char *p, *end;
	u64 size = str_to_u64(buf, &p, 10), count = str_to_u64(*p == ' ' ? p + 1 : p, &end, 10);

	if (p == buf || end == p || !size || size > MIB(16) || count > 100000)
		return -EINVAL;
	while (count--) {
		void *lost = kvmalloc(size, GFP_KERNEL | GFP_ZERO);

		if (!lost)
			return -ENOMEM;
		memcpy(lost, "leaked!", min(size, (u64)7));
	}
	return (ssize_t)n;
}

static const struct proc_file leak_file = { .path = "kernel/debug/leak", .mode = 0200, .write = leak_write };

#endif

static int kmemleak_files_init(void)
{
	sysfs_register(&kmemleak_files[0]);
	proc_register(&kmemleak_files[1]);
#ifdef DEBUG
	sysfs_register(&leak_file);
#endif
	return 0;
}
initcall(kmemleak_files_init, 2);
