/*
 * misc.c - misc devices: one minor of major 10 and a node in /dev for each, on top of chardev.c.
 */
#include <abi/errno.h>
#include <drivers/driver.h>

#define MISC_MAJOR	10
#define FIRST_DYNAMIC	64
#define NR_MINORS	128		/* dynamic ones from 64 on */

static struct miscdevice *devices[NR_MINORS];
static struct mutex misc_lock = MUTEX_INIT(misc_lock, "misc", LOCK_MOUNT);

static int take_minor(struct miscdevice *m)
{
	unsigned minor = (unsigned)m->minor;

	if (m->minor == MISC_DYNAMIC_MINOR) {
		for (minor = FIRST_DYNAMIC; minor < NR_MINORS && devices[minor]; minor++)
			;
		if (minor == NR_MINORS)
			return -EBUSY;
		m->minor = (int)minor;
	}
	if (minor >= NR_MINORS || devices[minor])
		return -EBUSY;
	devices[minor] = m;
	return 0;
}

int (misc_register)(struct miscdevice *m)
{
	int err;

	mutex_lock(&misc_lock);
	err = take_minor(m);
	mutex_unlock(&misc_lock);
	if (err)
		return err;
	cdev_init(&m->cdev, m->fops);
	err = device_register_owned(m->name, S_IFCHR | (m->mode ? m->mode : 0600), MKDEV(MISC_MAJOR, m->minor), &m->cdev.table, NULL,
				    m->cdev.owner);
	if (err)
		devices[m->minor] = NULL;
	return err;
}

void misc_deregister(struct miscdevice *m)
{
	device_unregister(MISC_MAJOR, (u32)m->minor, false);
	mutex_lock(&misc_lock);
	devices[m->minor] = NULL;
	mutex_unlock(&misc_lock);
}
