/*
 * mem.c - the memory devices: null, zero, full, random, urandom, kmsg. (/dev/mem belongs to the modules' work.)
 */
#include <fs/fs.h>
#include <kernel/irq.h>
#include <kernel/main.h>
#include <kernel/printk.h>
#include <kernel/random.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <linux/poll.h>
#include <linux/stat.h>
#include <mm/slab.h>

static ssize_t null_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	return 0;
}

static ssize_t null_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	size_t n = from->left;

	io_iter_advance(from, n);
	return (ssize_t)n;
}

static loff_t null_llseek(struct file *f, loff_t off, int whence)
{
	return f->pos = 0;
}

static ssize_t zero_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	size_t done = 0;

	while (to->left) {
		size_t n = min(to->left, (size_t)64 * 1024), got = io_iter_zero(to, n);

		done += got;
		if (got < n)
			return done ? (ssize_t)done : -EFAULT;
		if (to->left) {
			if (signal_pending())
				break;
			cond_resched();
		}
	}
	return (ssize_t)done;
}

/* A private mapping is anonymous memory; a shared one is memory that forked children share. */
static int zero_mmap(struct file *f, struct vma *v)
{
	if (v->flags & VM_SHARED)
		return shmem_zero_setup(v);
	v->mapping = NULL;
	v->ops = NULL;
	return 0;
}

static ssize_t full_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	return -ENOSPC;
}

static ssize_t random_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	u8 buf[256];
	size_t done = 0;

	while (to->left) {
		size_t n = min(to->left, sizeof(buf)), got;

		random_bytes(buf, n);
		got = io_iter_put(to, buf, n);
		done += got;
		if (got < n)
			return done ? (ssize_t)done : -EFAULT;
		if (signal_pending())
			break;
		cond_resched();
	}
	return (ssize_t)done;
}

static ssize_t random_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	u8 buf[256];
	size_t done = 0;

	while (from->left) {
		size_t n = min(from->left, sizeof(buf)), got = io_iter_get(buf, from, n);

		random_add(buf, got);
		done += got;
		if (got < n)
			return done ? (ssize_t)done : -EFAULT;
	}
	return (ssize_t)done;
}

static long random_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	if (cmd == 0x80045200)			/* RNDGETENTCNT */
		return put_user(256, (int __user *)arg);
	return -EINVAL;
}

/* ---- /dev/kmsg: one record a read, "level,sequence,microseconds,-;text" ---- */

static struct waitq kmsg_wait = WAITQ_INIT(kmsg_wait);

static void kmsg_wake(void *arg)
{
	waitq_wake_all(&kmsg_wait);
}

static int kmsg_open(struct inode *i, struct file *f)
{
	struct printk_cursor *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return -ENOMEM;
	printk_seek(c, false);
	f->priv = c;
	return 0;
}

static void kmsg_release(struct file *f)
{
	kfree(f->priv);
}

/* "<6>[    0.123456] text\n" as a record. */
static int kmsg_record(const char *line, u64 seq, char *out, size_t size)
{
	const char *p = line[0] == '<' ? line + 1 : "6", *text;
	u64 level = str_to_u64(p, &p, 10), sec = 0, usec = 0;

	p = strchr(line, '[');
	text = p ? strchr(p, ']') : NULL;
	for (p = p ? p + 1 : ""; *p == ' '; p++)
		;
	sec = str_to_u64(p, &p, 10);
	usec = *p == '.' ? str_to_u64(p + 1, &p, 10) : 0;
	text = !text ? line : text[1] == ' ' ? text + 2 : text + 1;
	return kscnprintf(out, size, "%llu,%llu,%llu,-;%s", (unsigned long long)level, (unsigned long long)seq,
			  (unsigned long long)(sec * 1000000 + usec), text);
}

static ssize_t kmsg_read(struct file *f, struct io_iter *to, loff_t *unused_pos)
{
	struct printk_cursor *c = f->priv, before = *c;
	char line[514], out[600];
	int n, len, err;

	while (!(n = printk_next(c, line, sizeof(line) - 1))) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(&kmsg_wait, c->pos < printk_end());
		if (err)
			return -ERESTARTSYS;
		before = *c;
	}
	if (n < 0)
		return n;
	line[n] = 0;
	len = kmsg_record(line, before.seq, out, sizeof(out));
	if (to->left < (size_t)len) {
		*c = before;
		return -EINVAL;
	}
	return io_iter_put(to, out, (size_t)len) == (size_t)len ? len : -EFAULT;
}

static loff_t kmsg_llseek(struct file *f, loff_t off, int whence)
{
	if (off)
		return -ESPIPE;
	if (whence != SEEK_SET && whence != SEEK_END && whence != 3 /* SEEK_DATA: since it was cleared; here all */)
		return -EINVAL;
	printk_seek(f->priv, whence == SEEK_END);
	return 0;
}

static ssize_t kmsg_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	char buf[256], *s = buf;
	size_t whole = from->left, n = io_iter_get(buf, from, min(whole, sizeof(buf) - 1));
	int level = LOG_NOTICE;

	if (!n)
		return whole ? -EFAULT : 0;
	buf[n] = 0;
	if (*s == '<') {
		const char *end;
		u64 v = str_to_u64(s + 1, &end, 10);

		if (*end == '>') {
			level = (int)(v & 7);
			s = (char *)end + 1;
		}
	}
	n = strlen(s);
	if (n && s[n - 1] == '\n')
		s[n - 1] = 0;
	printk(level, "%s\n", s);
	return (ssize_t)whole;
}

static u32 kmsg_poll(struct file *f, struct poll_table *pt)
{
	const struct printk_cursor *c = f->priv;

	poll_wait(f, &kmsg_wait, pt);
	return c->pos < printk_end() ? POLLIN | POLLRDNORM : 0;
}

static const struct file_ops null_fops = { .read = null_read, .write = null_write, .llseek = null_llseek };
static const struct file_ops zero_fops = { .read = zero_read, .write = null_write, .llseek = null_llseek, .mmap = zero_mmap };
static const struct file_ops full_fops = { .read = zero_read, .write = full_write, .llseek = null_llseek };
static const struct file_ops random_fops = { .read = random_read, .write = random_write, .ioctl = random_ioctl, .llseek = null_llseek };
static const struct file_ops kmsg_fops = {
	.open = kmsg_open, .release = kmsg_release, .read = kmsg_read, .write = kmsg_write, .poll = kmsg_poll, .llseek = kmsg_llseek,
};

static int mem_devices_init(void)
{
	static const struct { const char *name; u32 mode, minor; const struct file_ops *ops; } devs[] = {
		{ "null", 0666, 3, &null_fops }, { "zero", 0666, 5, &zero_fops }, { "full", 0666, 7, &full_fops },
		{ "random", 0666, 8, &random_fops }, { "urandom", 0666, 9, &random_fops }, { "kmsg", 0644, 11, &kmsg_fops },
	};
	static const struct { const char *name, *target; } links[] = {
		{ "fd", "/proc/self/fd" }, { "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
		{ "stderr", "/proc/self/fd/2" },
	};
	int err = 0, slot = deferred_register("kmsg", kmsg_wake, NULL);

	if (slot >= 0)
		printk_notify(slot);
	for (unsigned n = 0; n < ARRAY_SIZE(devs) && !err; n++)
		err = device_register(devs[n].name, S_IFCHR | devs[n].mode, 1, devs[n].minor, devs[n].ops, NULL);
	for (unsigned n = 0; n < ARRAY_SIZE(links) && !err; n++)
		err = devfs_symlink(links[n].name, links[n].target);
	return err;
}
initcall(mem_devices_init, 2);
