/*
 * initramfs.c - fill the root file system from the archive that the boot loader brought.
 *
 * Any number of cpio "newc" archives one after the other, each plain or gzip'ed, as Linux takes them (the last gzip member
 * reaches to the end of what is left). Names are made with the ordinary VFS calls; an entry that cannot be made is reported and
 * skipped, a damaged archive ends the unpacking with what was made so far.
 */
#include "internal.h"
#include "cpio.h"
#include "inflate.h"
#include <kernel/boot_info.h>
#include <kernel/printk.h>

/* Hard links: entries with nlink > 1 and the same (dev, ino); the first that comes is the file. */
struct link_name {
	struct link_name	*next;
	u32			ino, major, minor;
	char			name[];
};

static int make_parent_then(const char *name, bool dir, struct path *parent, struct dentry **d)
{
	int err = path_create_begin(AT_FDCWD, name, dir, parent, d);
	struct path old;

	if (err != -EEXIST || dir)
		return err;
	/* A later archive replaces files of an earlier one. */
	err = path_lookup(AT_FDCWD, name, LOOKUP_PARENT, &old);
	if (err)
		return err;
	{
		const char *base = strrchr(name, '/');
		struct dentry *victim;

		base = base ? base + 1 : name;
		rwsem_write_lock(&old.dentry->inode->rwsem);
		err = lookup_one(old.dentry, base, (u32)strlen(base), &victim);
		if (!err) {
			err = vfs_unlink(old.dentry->inode, victim);
			dentry_put(victim);
		}
		rwsem_write_unlock(&old.dentry->inode->rwsem);
	}
	path_put(old);
	return err ? err : path_create_begin(AT_FDCWD, name, dir, parent, d);
}

static void set_owner_and_time(const char *name, const struct cpio_entry *e)
{
	struct path p;
	struct inode *i;

	if (path_lookup(AT_FDCWD, name, 0, &p))
		return;
	i = p.dentry->inode;
	i->uid = e->uid;
	i->gid = e->gid;
	if (!S_ISLNK(i->mode))
		i->mode = (i->mode & S_IFMT) | (e->mode & MODE_PERMS);
	i->mtime = (struct timespec_k){ e->mtime, 0 };
	path_put(p);
}

static int write_contents(const char *name, const struct cpio_entry *e)
{
	struct file *f;
	loff_t pos = 0;
	int err = vfs_open(name, O_WRONLY | O_CREAT | O_LARGEFILE, 0600, &f);

	if (err)
		return err;
	while (!err && (size_t)pos < e->size) {
		ssize_t n = file_write_kernel(f, (const char *)e->data + pos, min(e->size - (size_t)pos, (size_t)1 << 20), pos);

		if (n <= 0)
			err = n ? (int)n : -EIO;
		else
			pos += n;
		cond_resched();
	}
	file_put(f);
	return err;
}

static int make_link(const char *target, const char *name)
{
	struct path parent, old;
	struct dentry *d;
	int err = path_lookup(AT_FDCWD, target, 0, &old);

	if (err)
		return err;
	err = path_create_begin(AT_FDCWD, name, false, &parent, &d);
	if (!err) {
		err = vfs_link(old.dentry->inode, parent.dentry->inode, d);
		path_create_end(&parent, d);
	}
	path_put(old);
	return err;
}

static int make_special(const char *name, const struct cpio_entry *e)
{
	struct path parent;
	struct dentry *d;
	struct inode *dir;
	int err = make_parent_then(name, S_ISDIR(e->mode), &parent, &d);

	if (err)
		return err == -EEXIST && S_ISDIR(e->mode) ? 0 : err;
	dir = parent.dentry->inode;
	if (S_ISDIR(e->mode)) {
		err = vfs_mkdir(dir, d, e->mode & MODE_PERMS);
	} else if (S_ISLNK(e->mode)) {
		char *target = kzalloc(e->size + 1, GFP_KERNEL);

		err = -ENOMEM;
		if (target) {
			memcpy(target, e->data, e->size);
			err = *target ? vfs_symlink(dir, d, target) : -EINVAL;
			kfree(target);
		}
	} else {
		err = vfs_mknod(dir, d, e->mode & (S_IFMT | MODE_PERMS), MKDEV(e->rdev_major, e->rdev_minor));
	}
	path_create_end(&parent, d);
	return err;
}

static int make_regular(const char *name, const struct cpio_entry *e, struct link_name **links)
{
	struct link_name *l = NULL;

	if (e->nlink > 1) {
		for (l = *links; l; l = l->next)
			if (l->ino == e->ino && l->major == e->dev_major && l->minor == e->dev_minor)
				break;
		if (l) {
			int err = make_link(l->name, name);

			if (err || !e->size)
				return err;
			return write_contents(name, e);		/* the data comes with the last name */
		}
		l = kmalloc(sizeof(*l) + strlen(name) + 1, GFP_KERNEL);
		if (l) {
			l->ino = e->ino;
			l->major = e->dev_major;
			l->minor = e->dev_minor;
			memcpy(l->name, name, strlen(name) + 1);
			l->next = *links;
			*links = l;
		}
	}
	return write_contents(name, e);
}

static int make_entry(const struct cpio_entry *e, struct link_name **links)
{
	const char *name = e->name;
	int err;

	while (*name == '/')
		name++;
	if (!*name || !strcmp(name, "."))
		return 0;
	err = S_ISREG(e->mode) ? make_regular(name, e, links) : make_special(name, e);
	if (!err)
		set_owner_and_time(name, e);
	return err;
}

/* One run of plain archives; *pos stops at what is not cpio. */
static int unpack_plain(const char *base, size_t len, size_t *pos)
{
	struct link_name *links = NULL, *next;
	struct cpio_entry e;
	int r, n = 0;

	while ((r = cpio_next(base, len, pos, &e)) == 1) {
		int err = make_entry(&e, &links);

		if (err)
			pr_warn("initramfs: %s: error %d\n", e.name, err);
		n++;
	}
	for (; links; links = next) {
		next = links->next;
		kfree(links);
	}
	return r < 0 ? r : n;
}

static int unpack_gzip(const char *base, size_t len)
{
	size_t size = gunzip_size(base, len), used = 0, pos = 0;
	struct gunzip_work *w = kmalloc(sizeof(*w), GFP_KERNEL);
	char *out;
	int err;

	if (!size || size > (size_t)1 << 30) {
		kfree(w);
		return -EINVAL;
	}
	out = w ? kvmalloc(size, GFP_KERNEL) : NULL;
	err = out ? gunzip(base, len, out, size, &used, w) : -ENOMEM;
	kfree(w);
	while (!err && pos < used) {
		err = unpack_plain(out, used, &pos);
		if (err > 0)
			err = 0;
	}
	kvfree(out);
	return err;
}

int initramfs_unpack(const void *start, size_t len)
{
	const char *base = start;
	size_t pos = 0;
	int err = 0;

	while (pos < len && !err) {
		while (pos < len && !base[pos])
			pos++;
		if (pos == len)
			break;
		if (len - pos > 2 && (u8)base[pos] == 0x1f && (u8)base[pos + 1] == 0x8b)
			return unpack_gzip(base + pos, len - pos);
		err = unpack_plain(base, len, &pos);
		if (err >= 0)
			err = 0;
	}
	return err;
}

void initramfs_load(void);
void initramfs_load(void)
{
	size_t len = (size_t)(boot_info.initrd_end - boot_info.initrd_start);
	int err;

	if (!len)
		return;
	err = initramfs_unpack(phys_to_virt(boot_info.initrd_start), len);
	if (err)
		pr_err("initramfs: damaged archive (error %d); going on with what could be read\n", err);
}
