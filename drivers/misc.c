/*
 * misc.c - misc devices: character devices of major 10 with Linux's file operations, for modules.
 *
 * An adapter: the kernel's own file operations work on io_iter, those of drivers on user pointers. Which driver an open file
 * belongs to follows from the minor number of its inode; file->priv is the driver's own. An open file holds a reference to
 * the module.
 */
#include <drivers/driver.h>

#define MISC_MAJOR	10
#define FIRST_DYNAMIC	64
#define NR_MISC		64		/* minors 64 to 127; fixed ones below are looked up too */

static struct miscdevice *devices[FIRST_DYNAMIC + NR_MISC];
static struct mutex misc_lock = MUTEX_INIT(misc_lock, "misc", LOCK_MOUNT);

static const struct file_operations *fops_of(const struct file *f)
{
	u32 minor = MINOR(f->inode->rdev);
	struct miscdevice *m = minor < ARRAY_SIZE(devices) ? READ_ONCE(devices[minor]) : NULL;

	return m ? m->fops : NULL;
}

static int misc_open(struct inode *i, struct file *f)
{
	const struct file_operations *ops;
	struct module *owner = NULL;
	int err = -ENODEV;

	mutex_lock(&misc_lock);
	ops = fops_of(f);
	if (ops && module_try_get(ops->owner)) {
		owner = ops->owner;
		err = 0;
	}
	mutex_unlock(&misc_lock);
	f->priv = NULL;
	if (!err && ops->open)
		err = ops->open(i, f);
	if (err)
		module_put(owner);
	return err;
}

static void misc_release(struct file *f)
{
	const struct file_operations *ops = fops_of(f);

	if (!ops)
		return;
	if (ops->release)
		(void)ops->release(f->inode, f);
	module_put(ops->owner);
}

/* One stretch of user memory after another, until the driver does less than it was asked. */
static ssize_t misc_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	const struct file_operations *ops = fops_of(f);
	ssize_t done = 0;

	if (!ops->read || to->kind != ITER_USER)
		return -EINVAL;
	while (to->left) {
		size_t n = to->left;
		char __user *at = io_iter_user_run(to, &n);
		ssize_t got = ops->read(f, at, n, pos);

		if (got <= 0)
			return done ? done : got;
		io_iter_advance(to, (size_t)got);
		done += got;
		if ((size_t)got < n)
			break;
	}
	return done;
}

static ssize_t misc_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	const struct file_operations *ops = fops_of(f);
	ssize_t done = 0;

	if (!ops->write || from->kind != ITER_USER)
		return -EINVAL;
	while (from->left) {
		size_t n = from->left;
		const char __user *at = io_iter_user_run(from, &n);
		ssize_t got = ops->write(f, at, n, pos);

		if (got <= 0)
			return done ? done : got;
		io_iter_advance(from, (size_t)got);
		done += got;
		if ((size_t)got < n)
			break;
	}
	return done;
}

static loff_t misc_llseek(struct file *f, loff_t off, int whence)
{
	const struct file_operations *ops = fops_of(f);

	return ops->llseek ? ops->llseek(f, off, whence) : -ESPIPE;
}

static u32 misc_poll(struct file *f, struct poll_table *pt)
{
	const struct file_operations *ops = fops_of(f);

	return ops->poll ? ops->poll(f, pt) : 0x145;	/* always ready: IN OUT RDNORM WRNORM */
}

static long misc_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	const struct file_operations *ops = fops_of(f);

	return ops->unlocked_ioctl ? ops->unlocked_ioctl(f, cmd, arg) : -ENOTTY;
}

static int misc_mmap(struct file *f, struct vma *v)
{
	const struct file_operations *ops = fops_of(f);

	return ops->mmap ? ops->mmap(f, v) : -ENODEV;
}

static const struct file_ops misc_ops = {
	.open = misc_open, .release = misc_release, .read = misc_read, .write = misc_write, .llseek = misc_llseek,
	.poll = misc_poll, .ioctl = misc_ioctl, .mmap = misc_mmap,
};

static int take_minor(struct miscdevice *m)
{
	unsigned minor = (unsigned)m->minor;

	if (m->minor == MISC_DYNAMIC_MINOR) {
		for (minor = FIRST_DYNAMIC; minor < ARRAY_SIZE(devices) && devices[minor]; minor++)
			;
		if (minor == ARRAY_SIZE(devices))
			return -EBUSY;
		m->minor = (int)minor;
	}
	if (minor >= ARRAY_SIZE(devices) || devices[minor])
		return -EBUSY;
	devices[minor] = m;
	return 0;
}

int misc_register(struct miscdevice *m)
{
	int err;

	mutex_lock(&misc_lock);
	err = take_minor(m);
	mutex_unlock(&misc_lock);
	if (err)
		return err;
	err = device_register(m->name, S_IFCHR | (m->mode ? m->mode : 0600), MISC_MAJOR, (u32)m->minor, &misc_ops, NULL);
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
