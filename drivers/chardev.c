/*
 * chardev.c - character devices with Linux's file operations, for modules: cdev_add() and what goes with it.
 *
 * An adapter: the kernel's own file operations work on io_iter, those of drivers on user pointers. Each cdev carries a copy of the
 * adapter's table, so an open file leads to its driver through f->ops, and file->priv is the driver's own. An open file holds a
 * reference to the module (fs/devfs.c takes it), so a driver's code and its cdev stay as long as anybody may call them.
 *
 * LOCKS       regions_lock (LOCK_MOUNT): the table of reserved numbers.
 */
#include <abi/errno.h>
#include <drivers/driver.h>
#include <lib/printf.h>

static const struct file_operations *fops_of(const struct file *f)
{
	return container_of(f->ops, struct cdev, table)->ops;
}

static int chardev_open(struct inode *i, struct file *f)
{
	const struct file_operations *ops = fops_of(f);

	f->priv = NULL;
	return ops->open ? ops->open(i, f) : 0;
}

static void chardev_release(struct file *f)
{
	const struct cdev *c = container_of(f->ops, struct cdev, table);

	if (c->ops->release)
		(void)c->ops->release(f->inode, f);
	module_put(c->owner);
}

/* One stretch of user memory after another, until the driver does less than it was asked. */
static ssize_t chardev_read(struct file *f, struct io_iter *to, loff_t *pos)
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

static ssize_t chardev_write(struct file *f, struct io_iter *from, loff_t *pos)
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

static loff_t chardev_llseek(struct file *f, loff_t off, int whence)
{
	const struct file_operations *ops = fops_of(f);

	return ops->llseek ? ops->llseek(f, off, whence) : -ESPIPE;
}

static u32 chardev_poll(struct file *f, struct poll_table *pt)
{
	const struct file_operations *ops = fops_of(f);

	return ops->poll ? ops->poll(f, pt) : 0x145;	/* always ready: IN OUT RDNORM WRNORM */
}

static long chardev_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	const struct file_operations *ops = fops_of(f);

	return ops->unlocked_ioctl ? ops->unlocked_ioctl(f, cmd, arg) : -ENOTTY;
}

static int chardev_mmap(struct file *f, struct vma *v)
{
	const struct file_operations *ops = fops_of(f);

	return ops->mmap ? ops->mmap(f, v) : -ENODEV;
}

void cdev_init(struct cdev *c, const struct file_operations *ops)
{
	*c = (struct cdev){ .ops = ops, .owner = ops->owner, .table = {
		.open = chardev_open, .release = chardev_release, .read = chardev_read, .write = chardev_write, .llseek = chardev_llseek,
		.poll = chardev_poll, .ioctl = chardev_ioctl, .mmap = chardev_mmap,
	} };
}

int (cdev_add)(struct cdev *c, dev_t dev, unsigned count)
{
	c->dev = dev;
	return device_numbers_register(chrdev_region_name(dev), dev, count, false, &c->table, NULL, c->owner);
}

void cdev_del(struct cdev *c)
{
	device_numbers_unregister(c->dev, false);
}

/* ---- numbers ---------------------------------------------------------------------------------------------------------- */

#define NR_REGIONS	32
#define FIRST_DYNAMIC	254	/* and down, as on Linux */
#define LAST_DYNAMIC	234

static struct { dev_t first; unsigned count; char name[32]; } regions[NR_REGIONS];	/* count 0: free */
static struct mutex regions_lock = MUTEX_INIT(regions_lock, "chrdev regions", LOCK_MOUNT);

const char *chrdev_region_name(dev_t dev)
{
	for (unsigned i = 0; i < NR_REGIONS; i++)
		if (regions[i].count && dev >= regions[i].first && dev - regions[i].first < regions[i].count)
			return regions[i].name;
	return "chardev";
}

static int take_region(dev_t first, unsigned count, const char *name)
{
	int at = -1;

	for (int i = 0; i < NR_REGIONS; i++) {
		if (!regions[i].count)
			at = i;
		else if (first < regions[i].first + regions[i].count && regions[i].first < first + count)
			return -EBUSY;
	}
	if (at < 0 || !count)
		return count ? -ENOMEM : -EINVAL;
	regions[at].first = first;
	regions[at].count = count;
	strscpy(regions[at].name, name, sizeof(regions[at].name));
	return 0;
}

int register_chrdev_region(dev_t first, unsigned count, const char *name)
{
	int err;

	mutex_lock(&regions_lock);
	err = take_region(first, count, name);
	mutex_unlock(&regions_lock);
	return err;
}

static bool major_used(unsigned major)
{
	for (unsigned i = 0; i < NR_REGIONS; i++)
		if (regions[i].count && MAJOR(regions[i].first) == major)
			return true;
	return false;
}

int alloc_chrdev_region(dev_t *first, unsigned base, unsigned count, const char *name)
{
	unsigned major = FIRST_DYNAMIC;
	int err = -EBUSY;

	mutex_lock(&regions_lock);
	while (major >= LAST_DYNAMIC && major_used(major))
		major--;
	if (major >= LAST_DYNAMIC) {
		*first = MKDEV(major, base);
		err = take_region(*first, count, name);
	}
	mutex_unlock(&regions_lock);
	return err;
}

void unregister_chrdev_region(dev_t first, unsigned count)
{
	mutex_lock(&regions_lock);
	for (unsigned i = 0; i < NR_REGIONS; i++)
		if (regions[i].first == first && regions[i].count == count)
			regions[i].count = 0;
	mutex_unlock(&regions_lock);
}

/* ---- nodes in /dev ---------------------------------------------------------------------------------------------------- */

struct device {
	dev_t	dev;
	char	name[48];
};
struct class {
	const char	*name;
	struct device	*devices[16];
};

struct class *(class_create)(const char *name)
{
	struct class *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return ERR_PTR(-ENOMEM);
	c->name = name;
	return c;
}

void class_destroy(struct class *c)
{
	if (!IS_ERR(c))
		kfree(c);
}

struct device *(device_create)(struct class *c, dev_t dev, const char *fmt, ...)
{
	struct device *d = kzalloc(sizeof(*d), GFP_KERNEL);
	va_list ap;
	int err = d ? 0 : -ENOMEM;
	unsigned i = 0;

	while (i < ARRAY_SIZE(c->devices) && c->devices[i])
		i++;
	if (!err && i == ARRAY_SIZE(c->devices))
		err = -ENOSPC;
	if (!err) {
		d->dev = dev;
		va_start(ap, fmt);
		kvsnprintf(d->name, sizeof(d->name), fmt, ap);
		va_end(ap);
		err = devfs_add_node(d->name, S_IFCHR | 0600, dev);
	}
	if (err) {
		kfree(d);
		return ERR_PTR(err);
	}
	c->devices[i] = d;
	return d;
}

void device_destroy(struct class *c, dev_t dev)
{
	for (unsigned i = 0; i < ARRAY_SIZE(c->devices); i++) {
		struct device *d = c->devices[i];

		if (!d || d->dev != dev)
			continue;
		devfs_remove_node(d->name);
		c->devices[i] = NULL;
		kfree(d);
	}
}
