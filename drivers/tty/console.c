/*
 * console.c - /dev/console and /dev/ttyS0 on the serial port, and the device nodes of terminals.
 *
 * Output is sent by polling the port, which QEMU and real UARTs take at wire speed; input comes by interrupt, through a deferred
 * handler that feeds the line discipline.
 */
#include "tty_private.h"
#include <drivers/serial.h>
#include <kernel/main.h>
#include <kernel/printk.h>

extern const struct file_ops dev_tty_fops, ptmx_fops;
int pty_init(void);

static struct tty console_tty;

static unsigned serial_tty_write(struct tty *t, const char *s, unsigned n)
{
	serial_write(s, n);
	return n;
}

static unsigned serial_tty_room(struct tty *t)
{
	return 4096;
}

static const struct tty_ops serial_ops = { .write = serial_tty_write, .room = serial_tty_room };

static void serial_input(void *unused_arg)
{
	struct tty *t = &console_tty;
	char buf[64];
	unsigned n;

	do {
		for (n = 0; n < sizeof(buf) && serial_can_read(); n++)
			buf[n] = (char)serial_read();
		spin_lock(t->lock);
		n_tty_receive(t, buf, n);	/* what finds no room is lost, as on any wire */
		spin_unlock(t->lock);
	} while (n == sizeof(buf));
}

static int console_open(struct inode *i, struct file *f)
{
	/* /dev/console does not become the controlling terminal just by being opened. */
	if (MAJOR(i->rdev) == 5)
		f->flags |= O_NOCTTY;
	return tty_open_file(tty_get(&console_tty), f);
}

static const struct file_ops console_fops = { .open = console_open };

static int tty_devices_init(void)
{
	int err = tty_setup(&console_tty, "ttyS0", 4, 64, &serial_ops, NULL);

	if (err)
		return err;
	console_tty.termios.c_cflag = B115200 | CS8 | CREAD | HUPCL | CLOCAL;
	console_tty.termios.c_ispeed = console_tty.termios.c_ospeed = 115200;
	err = device_register("console", S_IFCHR | 0600, 5, 1, &console_fops, NULL);
	if (!err && serial_present())
		err = device_register("ttyS0", S_IFCHR | 0660, 4, 64, &console_fops, NULL);
	if (!err)
		err = device_register("tty", S_IFCHR | 0666, 5, 0, &dev_tty_fops, NULL);
	if (!err)
		err = pty_init();
	if (!err && serial_present() && serial_listen(serial_input, NULL))
		pr_warn("console: no serial interrupt; input will not arrive\n");
	return err;
}
initcall(tty_devices_init, 2);
