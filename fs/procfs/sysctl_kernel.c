/*
 * sysctl_kernel.c - /proc/sys/kernel: what holds for the kernel as a whole. Limits of System V IPC are registered by ipc/.
 *
 * What cannot be changed here is read-only and says what is so: a fault of the kernel always ends it.
 */
#include <abi/errno.h>
#include <fs/procfs.h>
#include <kernel/main.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include <lib/text.h>

/* Console level now, of messages without one, least, and at boot. Only the first can be changed. */
static int printk_show(struct text *out, void *arg)
{
	text_printf(out, "%d\t4\t1\t7\n", console_get_level());
	return 0;
}

static ssize_t printk_write(const char *buf, size_t n, void *arg)
{
	static const u64 fixed[3] = { 4, 1, 7 };
	const char *p = buf, *end;
	u64 level = str_to_u64(p, &end, 10);

	if (end == p || level > 15)
		return -EINVAL;
	for (unsigned i = 0; i < 3; i++) {
		for (p = end; *p == ' ' || *p == '\t' || *p == '\n'; p++)
			;
		if (!*p)
			break;
		if (str_to_u64(p, &end, 10) != fixed[i] || end == p)
			return -EINVAL;
	}
	console_set_level((int)level);
	return (ssize_t)n;
}

static int constant_show(struct text *out, void *arg)
{
	text_puts(out, arg);
	return 0;
}

static const struct proc_file kernel_files[] = {
	{ .path = "sys/kernel/printk", .mode = 0644, .show = printk_show, .write = printk_write },
	{ .path = "sys/kernel/arch", .mode = 0444, .show = constant_show, .arg = "x86_64\n" },
	{ .path = "sys/kernel/panic_on_oops", .mode = 0444, .show = constant_show, .arg = "1\n" },
	{ .path = "sys/kernel/dmesg_restrict", .mode = 0444, .show = constant_show, .arg = "0\n" },
	{ .path = "sys/kernel/kptr_restrict", .mode = 0444, .show = constant_show, .arg = "0\n" },
	{ .path = "sys/kernel/io_uring_disabled", .mode = 0444, .show = constant_show, .arg = "2\n" },
	{ .path = "sys/kernel/unprivileged_bpf_disabled", .mode = 0444, .show = constant_show, .arg = "2\n" },
	{ .path = "sys/kernel/sysctl_writes_strict", .mode = 0444, .show = constant_show, .arg = "1\n" },
	{ .path = "sys/kernel/core_uses_pid", .mode = 0444, .show = constant_show, .arg = "0\n" },
	{ .path = "sys/vm/legacy_va_layout", .mode = 0444, .show = constant_show, .arg = "0\n" },
	{ .path = "sys/vm/zone_reclaim_mode", .mode = 0444, .show = constant_show, .arg = "0\n" },
	{ .path = "sys/vm/nr_hugepages", .mode = 0444, .show = constant_show, .arg = "0\n" },
	{ .path = "sys/vm/nr_overcommit_hugepages", .mode = 0444, .show = constant_show, .arg = "0\n" },
	{ .path = "sys/vm/laptop_mode", .mode = 0444, .show = constant_show, .arg = "0\n" },
};

static int kernel_files_init(void)
{
	proc_register_all(kernel_files, ARRAY_SIZE(kernel_files));
	return 0;
}
initcall(kernel_files_init, 2);
