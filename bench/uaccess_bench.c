/*
 * uaccess_bench.c - the user-access functions between the marks of bench/count-plugin.c, one ioctl a row. bench/modules builds this
 * one source for Quire and for stock Linux.
 *
 * The loop is in the row; row 60 is the loop alone, and is taken off. "checked" rows have a length that the compiler cannot
 * know, so the kernel's side is checked when they run.
 */
#ifdef __QUIRE__
#include <drivers/driver.h>
#else
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#endif
#include "uaccess_bench.h"

#define MARK(kind, id) __asm__ volatile(".byte 0x0f, 0x1f, 0x80, %c0, %c1, 0x45, 0x51" : : "i"(id), "i"(kind) : "memory")
#define KEEP(x) __asm__ volatile("" : "+r"(x) : : "memory")

/* Once before it is measured. The address is new each time, and the result is looked at, as callers do. */
#define RUN(id, what) do {							\
	for (int i = 0; i < UACCESS_OPS; i++) {					\
		KEEP(user);							\
		if (what)							\
			return -EFAULT;						\
	}									\
	MARK(1, id);								\
	for (int i = 0; i < UACCESS_OPS; i++) {					\
		KEEP(user);							\
		if (what)							\
			return -EFAULT;						\
	}									\
	MARK(2, id);								\
	return 0;								\
} while (0)

static long run_row(unsigned row, char *buf, char __user *user, size_t n)
{
	u8 v1 = 1;
	u32 v4 = 1;
	unsigned long v8 = 1;

	switch (row) {
	case 60: RUN(60, 0);
	case 61: RUN(61, get_user(v1, (u8 __user *)user));
	case 62: RUN(62, get_user(v4, (u32 __user *)user));
	case 63: RUN(63, get_user(v8, (unsigned long __user *)user));
	case 64: RUN(64, put_user(v1, (u8 __user *)user));
	case 65: RUN(65, put_user(v4, (u32 __user *)user));
	case 66: RUN(66, put_user(v8, (unsigned long __user *)user));
	case 70: RUN(70, copy_from_user(buf, user, 8));
	case 71: RUN(71, copy_from_user(buf, user, 64));
	case 72: RUN(72, copy_from_user(buf, user, 4096));
	case 73: RUN(73, copy_to_user(user, buf, 8));
	case 74: RUN(74, copy_to_user(user, buf, 64));
	case 75: RUN(75, copy_to_user(user, buf, 4096));
	case 76: KEEP(n); RUN(76, copy_from_user(buf, user, n));
	case 77: KEEP(n); RUN(77, copy_from_user(buf, user, n));
	case 78: KEEP(n); RUN(78, copy_from_user(buf, user, n));
	case 79: KEEP(n); RUN(79, copy_to_user(user, buf, n));
	case 80: KEEP(n); RUN(80, copy_to_user(user, buf, n));
	case 81: KEEP(n); RUN(81, copy_to_user(user, buf, n));
	/* what the books of modules add to an allocation: beside a kernel without them */
	case 90: RUN(90, (kfree(kmalloc(100, GFP_KERNEL)), 0));
	case 91: RUN(91, (kfree(kmalloc(2000, GFP_KERNEL)), 0));
	case 92: KEEP(n); RUN(92, (kfree(kmalloc(n, GFP_KERNEL)), 0));
	}
	return -ENOTTY;
}

static long bench_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct uaccess_row row;
	char *buf;
	long err;

	if (copy_from_user(&row, (const void __user *)arg, sizeof(row)))
		return -EFAULT;
	buf = kmalloc(4096, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	memset(buf, 1, 4096);
	err = run_row(cmd, buf, (char __user *)row.user, row.n);
	kfree(buf);
	return err;
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = bench_ioctl,
};

static struct miscdevice bench_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "uaccess_bench",
	.fops = &bench_fops,
};

static int __init bench_init(void)
{
	return misc_register(&bench_device);
}

static void __exit bench_exit(void)
{
	misc_deregister(&bench_device);
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("counts instructions of user-memory access");
