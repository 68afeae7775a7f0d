/*
 * pressure.c - /proc/pressure/memory, and memory.pressure of cgroups: the averages, and triggers by write and poll.
 *
 * Write "some 150000 1000000" (microseconds of stall in a window of so many): from then on the descriptor is ready for
 * POLLPRI when that happened, at most once a window. One trigger a descriptor, as on Linux.
 */
#include <abi/errno.h>
#include <asm/poll.h>
#include <kernel/main.h>
#include <kernel/psi.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <mm/io_iter.h>
#include <mm/slab.h>

#include "procfs_private.h"

#define WINDOW_MIN_US	500000
#define WINDOW_MAX_US	10000000
#define ALWAYS_READY	(POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)

static size_t print(struct psi_group *g, char *buf, size_t size)
{
	static const char *const names[NR_PSI] = { "some", "full" };
	struct psi_numbers n;
	size_t len = 0;

	psi_read(g, &n);
	for (int k = 0; k < NR_PSI; k++)
		len += (size_t)kscnprintf(buf + len, size - len, "%s avg10=%u.%02u avg60=%u.%02u avg300=%u.%02u total=%lu\n",
					  names[k], n.avg[k][0] / 100, n.avg[k][0] % 100, n.avg[k][1] / 100,
					  n.avg[k][1] % 100, n.avg[k][2] / 100, n.avg[k][2] % 100,
					  n.total_ns[k] / 1000);
	return len;
}

ssize_t pressure_read_group(struct psi_group *g, struct io_iter *to, loff_t *pos)
{
	char buf[200];
	size_t len = print(g, buf, sizeof(buf)), n;

	if (*pos < 0 || (size_t)*pos >= len)
		return 0;
	n = io_iter_put(to, buf + *pos, min(len - (size_t)*pos, to->left));
	if (!n && to->left)
		return -EFAULT;
	*pos += (loff_t)n;
	return (ssize_t)n;
}

static int parse(char *s, struct psi_trigger *t)
{
	const char *end;
	u64 threshold, window;

	if (str_has_prefix(s, "some "))
		t->kind = PSI_SOME;
	else if (str_has_prefix(s, "full "))
		t->kind = PSI_FULL;
	else
		return -EINVAL;
	threshold = str_to_u64(s + 5, &end, 10);
	if (*end != ' ')
		return -EINVAL;
	window = str_to_u64(end + 1, &end, 10);
	if (window < WINDOW_MIN_US || window > WINDOW_MAX_US || !threshold || threshold > window)
		return -EINVAL;
	t->threshold = (ktime_t)threshold * NSEC_PER_USEC;
	t->window = (ktime_t)window * NSEC_PER_USEC;
	return 0;
}

ssize_t pressure_write_group(struct psi_group *g, struct file *f, struct io_iter *from)
{
	struct psi_trigger *t;
	char buf[64] = "";
	size_t n = from->left;
	int err;

	if (!n || n >= sizeof(buf))
		return -EINVAL;
	if (io_iter_get(buf, from, n) != n)
		return -EFAULT;
	if (f->priv)
		return -EBUSY;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	err = parse(str_trim(buf), t);
	if (err) {
		kfree(t);
		return err;
	}
	t->group = g;
	psi_trigger_add(t);
	if (cmpxchg(&f->priv, NULL, (void *)t)) {
		psi_trigger_remove(t);
		kfree(t);
		return -EBUSY;
	}
	return (ssize_t)n;
}

u32 pressure_poll(struct file *f, struct poll_table *pt)
{
	struct psi_trigger *t = f->priv;

	if (!t)
		return ALWAYS_READY | POLLERR | POLLPRI;
	poll_wait(f, &t->q, pt);
	return ALWAYS_READY | (xchg(&t->fired, false) ? POLLPRI : 0);
}

void pressure_release(struct file *f)
{
	if (f->priv) {
		psi_trigger_remove(f->priv);
		kfree(f->priv);
	}
}

static ssize_t pressure_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	return pressure_read_group(&psi_system, to, pos);
}

static ssize_t pressure_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	return pressure_write_group(&psi_system, f, from);
}

static const struct file_ops pressure_fops = {
	.read = pressure_read, .write = pressure_write, .poll = pressure_poll, .release = pressure_release,
	.llseek = generic_llseek,
};

static int pressure_init(void)
{
	static const struct proc_file file = { .path = "pressure/memory", .mode = 0666, .ops = &pressure_fops };

	proc_register(&file);
	return 0;
}
initcall(pressure_init, 2);
