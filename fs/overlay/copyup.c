/*
 * copyup.c - a lower file that is to be changed gets a copy in the upper layer first.
 *
 * The copy is made under its own name in the upper directory. Nobody sees it half done: lookups wait for copy_lock, and the
 * overlay's inode points to it only when data, owner, mode, times and attributes are complete. A failure (ENOSPC: the upper
 * tmpfs is full) removes it again, and the file is as before.
 */
#include <abi/errno.h>
#include <kernel/sched.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <mm/slab.h>

#include "ovl.h"

#define CHUNK	KIB(64)

static int copy_data(const struct path *from, const struct path *to, loff_t size)
{
	struct file *in, *out;
	char *buf = kvmalloc(CHUNK, GFP_KERNEL);
	loff_t pos = 0;
	int err = buf ? file_open_path(from, O_RDONLY | O_LARGEFILE, &in) : -ENOMEM;

	if (err)
		goto free;
	err = file_open_path(to, O_WRONLY | O_LARGEFILE, &out);
	if (err)
		goto close_in;
	while (!err && pos < size) {
		ssize_t n = file_read_kernel(in, buf, min((loff_t)CHUNK, size - pos), pos), w;

		if (n <= 0) {
			err = n;
			break;
		}
		w = file_write_kernel(out, buf, n, pos);
		if (w != n)
			err = w < 0 ? (int)w : -ENOSPC;
		pos += n;
		cond_resched();
	}
	file_put(out);
close_in:
	file_put(in);
free:
	kvfree(buf);
	return err;
}

static int copy_one_xattr(struct inode *from, struct inode *to, const char *name)
{
	ssize_t n = from->ops->getxattr(from, name, NULL, 0);
	void *value;
	int err;

	if (n < 0)
		return n == -ENODATA ? 0 : n;
	value = kmalloc(max(n, (ssize_t)1), GFP_KERNEL);
	if (!value)
		return -ENOMEM;
	n = from->ops->getxattr(from, name, value, n);
	if (n < 0) {
		kfree(value);
		return n;
	}
	rwsem_write_lock(&to->rwsem);
	err = to->ops->setxattr(to, name, value, n, 0);
	rwsem_write_unlock(&to->rwsem);
	kfree(value);
	return err == -EOPNOTSUPP ? 0 : err;
}

static int copy_xattrs(struct inode *from, struct inode *to)
{
	char *names;
	ssize_t len, at = 0;
	int err = 0;

	if (!from->ops->listxattr || !from->ops->getxattr || !to->ops->setxattr)
		return 0;
	len = from->ops->listxattr(from, NULL, 0);
	if (len <= 0)
		return len == -EOPNOTSUPP ? 0 : len;
	names = kmalloc(len + 1, GFP_KERNEL);
	if (!names)
		return -ENOMEM;
	len = from->ops->listxattr(from, names, len);
	if (len >= 0)
		names[len] = 0;
	for (; !err && at < len; at += strlen(names + at) + 1)
		err = copy_one_xattr(from, to, names + at);
	kfree(names);
	return err;
}

static int copy_metadata(struct inode *from, struct dentry *to)
{
	struct inode *t = to->inode;
	struct iattr a = {
		.valid = ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_ATIME_SET | ATTR_MTIME | ATTR_MTIME_SET |
			 (S_ISLNK(from->mode) ? 0 : ATTR_MODE),
		.uid = from->uid, .gid = from->gid, .mode = from->mode, .atime = from->atime, .mtime = from->mtime,
	};
	u64 origin = from->ino;
	int err = copy_xattrs(from, t);

	if (err)
		return err;
	rwsem_write_lock(&t->rwsem);
	err = t->ops->setattr(t, &a);
	if (!err && t->ops->setxattr && !S_ISDIR(t->mode))
		err = t->ops->setxattr(t, OVL_XATTR "origin", &origin, sizeof(origin), 0);
	rwsem_write_unlock(&t->rwsem);
	return err == -EOPNOTSUPP ? 0 : err;
}

static int make_like(struct inode *updir, struct dentry *d, struct inode *from)
{
	char *target;
	int n;

	switch (from->mode & S_IFMT) {
	case S_IFREG:
		return vfs_create(updir, d, from->mode & 07777);
	case S_IFDIR:
		return vfs_mkdir(updir, d, from->mode & 07777);
	case S_IFLNK:
		target = kmalloc(PATH_MAX, GFP_KERNEL);
		if (!target)
			return -ENOMEM;
		n = from->ops->readlink(from, target, PATH_MAX - 1);
		if (n >= 0) {
			target[n] = 0;
			n = vfs_symlink(updir, d, target);
		}
		kfree(target);
		return n;
	default:
		return vfs_mknod(updir, d, from->mode, from->rdev);
	}
}

static void unmake(struct inode *updir, struct dentry *d)
{
	bool isdir = S_ISDIR(d->inode->mode);

	rwsem_write_lock(&updir->rwsem);
	if (isdir ? vfs_rmdir(updir, d) : vfs_unlink(updir, d))
		WARN_ON_ONCE(true);
	rwsem_write_unlock(&updir->rwsem);
}

/* An open file whose name was removed: its copy has a name only for a moment. */
static bool is_unlinked(const struct inode *i)
{
	return i->nlink == 0;
}

static int copy_name(struct inode *i, char *buf, size_t size)
{
	struct dentry *l = ovl_i(i)->lower[0].dentry;

	if (is_unlinked(i))
		return kscnprintf(buf, size, "#unlinked.%llx", (unsigned long long)i->ino);
	return kscnprintf(buf, size, "%.*s", (int)l->name.len, l->name.name);
}

/* i's parent has an upper directory. copy_lock held, as root. */
static int copy_one(struct inode *i, loff_t limit)
{
	struct ovl_inode *oi = ovl_i(i);
	struct ovl_sb *s = ovl_sb(i->sb);
	struct dentry *updir = is_unlinked(i) ? s->work.dentry : ovl_upper(oi->parent), *d;
	struct path from = ovl_real_path(i), to;
	struct inode *lower = from.dentry->inode;
	loff_t size = inode_size(lower);
	char name[256];
	int n = copy_name(i, name, sizeof(name)), err;

	rwsem_write_lock(&updir->inode->rwsem);
	err = lookup_one(updir, name, n, &d);
	if (!err && !d->inode)
		err = make_like(updir->inode, d, lower);
	else if (!err && !S_ISDIR(d->inode->mode))
		err = -ESTALE;
	rwsem_write_unlock(&updir->inode->rwsem);
	if (err)
		return err;
	to = (struct path){ s->upper.mnt, d };
	if (S_ISREG(lower->mode))
		err = copy_data(&from, &to, limit < 0 ? size : min(limit, size));
	if (!err)
		err = copy_metadata(lower, d);
	if (err || is_unlinked(i))
		unmake(updir->inode, d);
	if (err) {
		dentry_put(d);
		return err;
	}
	smp_store_release(&oi->upper, d);
	ovl_sync_attr(i);
	return 0;
}

int ovl_copy_up(struct inode *i, loff_t limit)
{
	struct ovl_sb *s = ovl_sb(i->sb);
	struct cred *old;
	int err = 0;

	if (ovl_upper(i))
		return 0;
	if (!s->upper.dentry)
		return -EROFS;
	old = ovl_become_root();
	mutex_lock(&s->copy_lock);
	while (!err && !ovl_upper(i)) {
		struct inode *top = i;

		while (!is_unlinked(top) && !ovl_upper(ovl_i(top)->parent))
			top = ovl_i(top)->parent;
		err = copy_one(top, top == i ? limit : 0);
	}
	mutex_unlock(&s->copy_lock);
	ovl_become(old);
	return err;
}
