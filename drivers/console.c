/*
 * console.c - /dev/console as plain bytes to and from the serial port, until the terminal layer takes it over.
 */
#include <drivers/serial.h>
#include <fs/fs.h>
#include <kernel/main.h>

static struct waitq input = { .lock = SPINLOCK_INIT("console", LOCK_WAITQ), .waiters = LIST_INIT(input.waiters) };

static ssize_t console_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	char buf[256];
	size_t done = 0, n;

	while (from->left) {
		n = io_iter_get(buf, from, min(from->left, sizeof(buf)));
		if (!n)
			return done ? (ssize_t)done : -EFAULT;
		serial_write(buf, n);
		done += n;
	}
	return (ssize_t)done;
}

static ssize_t console_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	char c;

	if (wait_event_interruptible(&input, serial_can_read()))
		return -EINTR;
	c = (char)serial_read();
	return io_iter_put(to, &c, 1) ? 1 : -EFAULT;
}

static void on_input(void *arg)
{
	waitq_wake_all(&input);
}

static const struct file_ops console_ops = { .read = console_read, .write = console_write };

static int console_init(void)
{
	int err = device_register("console", S_IFCHR | 0600, 5, 1, &console_ops, NULL);

	return err ? err : serial_listen(on_input, NULL);
}
initcall(console_init, 3);
