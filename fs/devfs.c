/*
 * devfs.c - device numbers to drivers, and devtmpfs, where each registered device has a node.
 *
 * A device node on any file system holds only a number; opening it looks the number up here. devtmpfs is one tmpfs instance,
 * shared by all its mounts; nodes appear when drivers register, with the kernel's credentials.
 */
#include "internal.h"
#include "tmpfs/tmpfs.h"
#include <kernel/module.h>
#include <lib/text.h>

struct device_node {
	struct list		link;
	u32			rdev, count;	/* numbers from rdev on */
	bool			block;
	const struct file_ops	*ops;
	void			*priv;
	struct module		*owner;		/* held by each open file: ops->release() puts it */
	char			name[64];
};

static struct list devices = LIST_INIT(devices);
static spinlock_t devices_lock = SPINLOCK_INIT("devices", LOCK_FS);
static struct super_block *dev_sb;

static struct device_node *find_locked(u32 rdev, bool block)
{
	struct device_node *n;

	list_for_each(n, &devices, link)
		if (rdev >= n->rdev && rdev - n->rdev < n->count && n->block == block)
			return n;
	return NULL;
}

/* The device behind a node: its operations in f, and opened. */
int device_open(struct inode *i, struct file *f)
{
	struct device_node *n;
	struct module *owner = NULL;
	int err = 0;

	spin_lock(&devices_lock);
	n = find_locked(i->rdev, S_ISBLK(i->mode));
	if (n && module_try_get(n->owner)) {
		owner = n->owner;
		f->ops = n->ops;
		f->priv = n->priv;
	} else {
		err = -ENXIO;
	}
	spin_unlock(&devices_lock);
	if (!err && f->ops->open)
		err = f->ops->open(i, f);
	if (err)
		module_put(owner);
	return err;
}

/* ---- nodes in devtmpfs ---- */

/* One component below dir: a directory when more follows, else the node. Returns the dentry with a reference, or NULL. */
static struct dentry *make_component(struct dentry *dir, const char *name, u32 len, u32 mode, u32 rdev)
{
	struct dentry *d;

	rwsem_write_lock(&dir->inode->rwsem);
	if (lookup_one(dir, name, len, &d)) {
		d = NULL;
	} else if (!d->inode) {
		int err = S_ISDIR(mode) ? dir->inode->ops->mkdir(dir->inode, d, mode) : dir->inode->ops->mknod(dir->inode, d, mode, rdev);

		if (err) {
			dentry_put(d);
			d = NULL;
		} else {
			d_clear_flag(d, DCACHE_NOCACHE);
			d_rehash(d);
		}
	}
	rwsem_write_unlock(&dir->inode->rwsem);
	return d;
}

int devfs_add_node(const char *name, u32 mode, u32 rdev)
{
	struct dentry *at = dentry_get(dev_sb->root);

	for (;;) {
		const char *slash = strchr(name, '/');
		u32 len = slash ? (u32)(slash - name) : (u32)strlen(name);
		struct dentry *d = make_component(at, name, len, slash ? S_IFDIR | 0755 : mode, rdev);

		dentry_put(at);
		if (!d)
			return -ENOMEM;
		at = d;
		if (!slash)
			break;
		name = slash + 1;
	}
	at->inode->mode = mode;			/* the umask of whoever loads a driver does not count */
	dentry_put(at);
	return 0;
}

void devfs_remove_node(const char *name)
{
	struct dentry *dir = dentry_get(dev_sb->root), *d;
	const char *slash;

	while ((slash = strchr(name, '/'))) {
		int err;

		rwsem_write_lock(&dir->inode->rwsem);
		err = lookup_one(dir, name, (u32)(slash - name), &d);
		rwsem_write_unlock(&dir->inode->rwsem);
		dentry_put(dir);
		if (err)
			return;
		dir = d;
		if (!dir->inode) {
			dentry_put(dir);
			return;
		}
		name = slash + 1;
	}
	rwsem_write_lock(&dir->inode->rwsem);
	if (!lookup_one(dir, name, (u32)strlen(name), &d)) {
		if (d->inode && !dir->inode->ops->unlink(dir->inode, d))
			d_delete(d);
		dentry_put(d);
	}
	rwsem_write_unlock(&dir->inode->rwsem);
	dentry_put(dir);
}

static bool numbers_taken(u32 rdev, u32 count, bool block)
{
	struct device_node *n;

	list_for_each(n, &devices, link)
		if (n->block == block && rdev < n->rdev + n->count && n->rdev < rdev + count)
			return true;
	return false;
}

int device_numbers_register(const char *name, u32 rdev, u32 count, bool block, const struct file_ops *ops, void *priv, struct module *owner)
{
	struct device_node *n = kzalloc(sizeof(*n), GFP_KERNEL);

	if (!n)
		return -ENOMEM;
	*n = (struct device_node){ .rdev = rdev, .count = count, .block = block, .ops = ops, .priv = priv, .owner = owner };
	strscpy(n->name, name, sizeof(n->name));
	spin_lock(&devices_lock);
	if (numbers_taken(rdev, count, block)) {
		spin_unlock(&devices_lock);
		kfree(n);
		return -EBUSY;
	}
	list_append(&devices, &n->link);
	spin_unlock(&devices_lock);
	return 0;
}

int device_register(const char *name, u32 mode, u32 major, u32 minor, const struct file_ops *ops, void *priv)
{
	return device_register_owned(name, mode, MKDEV(major, minor), ops, priv, NULL);
}

int device_register_owned(const char *name, u32 mode, u32 rdev, const struct file_ops *ops, void *priv, struct module *owner)
{
	bool block = S_ISBLK(mode);
	int err = device_numbers_register(name, rdev, 1, block, ops, priv, owner);

	if (err)
		return err;
	err = devfs_add_node(name, mode & S_IFMT ? mode : mode | S_IFCHR, rdev);
	if (err)
		device_numbers_unregister(rdev, block);
	return err;
}

static struct device_node *unlink_numbers(u32 rdev, bool block)
{
	struct device_node *n;

	spin_lock(&devices_lock);
	n = find_locked(rdev, block);
	if (n)
		list_remove(&n->link);
	spin_unlock(&devices_lock);
	return n;
}

void device_numbers_unregister(u32 rdev, bool block)
{
	kfree(unlink_numbers(rdev, block));
}

void device_unregister(u32 major, u32 minor, bool block)
{
	struct device_node *n = unlink_numbers(MKDEV(major, minor), block);

	if (n)
		devfs_remove_node(n->name);
	kfree(n);
}

/* /proc/devices */
int devices_report(struct text *out)
{
	for (int block = 0; block < 2; block++) {
		struct device_node *n;
		u32 last = U32_MAX;

		text_puts(out, block ? "\nBlock devices:\n" : "Character devices:\n");
		list_for_each(n, &devices, link)
			if (n->block == block && MAJOR(n->rdev) != last) {
				last = MAJOR(n->rdev);
				text_printf(out, "%3u %s\n", last, n->name);
			}
	}
	return 0;
}

static int devtmpfs_mount(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out)
{
	*out = sb_get(dev_sb);
	return 0;
}

static struct file_system_type devtmpfs_type = { .name = "devtmpfs", .mount = devtmpfs_mount };

void devfs_init(void)
{
	static const char *const dirs[] = { "pts", "shm", "mqueue" };

	if (tmpfs_mount(&devtmpfs_type, 0, "devtmpfs", NULL, &dev_sb))
		panic("no memory for devtmpfs");
	fs_register(&devtmpfs_type);
	for (unsigned n = 0; n < ARRAY_SIZE(dirs); n++)
		if (devfs_add_node(dirs[n], S_IFDIR | (n == 1 ? 01777 : 0755), 0))
			panic("no memory for devtmpfs");
}

/* A symbolic link in devtmpfs: /dev/fd and its kin. */
int devfs_symlink(const char *name, const char *target)
{
	struct dentry *dir = dev_sb->root, *d;
	int err;

	rwsem_write_lock(&dir->inode->rwsem);
	err = lookup_one(dir, name, (u32)strlen(name), &d);
	if (!err) {
		err = d->inode ? -EEXIST : dir->inode->ops->symlink(dir->inode, d, target);
		if (!err) {
			d_clear_flag(d, DCACHE_NOCACHE);
			d_rehash(d);
		}
		dentry_put(d);
	}
	rwsem_write_unlock(&dir->inode->rwsem);
	return err;
}
