/*
 * dir.c - tmpfs directories: names that live in the dcache and nowhere else.
 *
 * A name is a dentry with one reference of its own (DCACHE_PINNED). Unlinking drops that reference. Listing follows the
 * dentry's children, which stand in the order of their cookies; an entry's offset is its cookie + 1, so a listing that is
 * interrupted goes on at the right place whatever was removed meanwhile.
 */
#include "tmpfs.h"

#define DIRENT_SIZE	20	/* a directory's size grows by this, as Linux shows it */

static void pin(struct dentry *d, struct inode *i)
{
	d_instantiate(d, i);
	d_set_flag(d, DCACHE_PINNED);
	dentry_get(d);
}

static void unpin(struct dentry *d)
{
	dentry_put(d);		/* PINNED stays: d_delete() must not keep the name as a negative one */
}

static int tmpfs_lookup(struct inode *dir, struct dentry *d)
{
	d_set_flag(d, DCACHE_NOCACHE);	/* what is not in the dcache is not there: nothing to remember */
	return 0;
}

static int add_node(struct inode *dir, struct dentry *d, u32 mode, u32 rdev)
{
	struct inode *i = tmpfs_new_inode(dir->sb, dir, mode, rdev);

	if (!i)
		return -ENOSPC;
	pin(d, i);
	dir->data.size += DIRENT_SIZE;
	if (S_ISDIR(mode))
		dir->nlink++;
	inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
	return 0;
}

static int tmpfs_create(struct inode *dir, struct dentry *d, u32 mode)
{
	return add_node(dir, d, mode, 0);
}

static int tmpfs_mknod(struct inode *dir, struct dentry *d, u32 mode, u32 rdev)
{
	return add_node(dir, d, mode, rdev);
}

static int tmpfs_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
	return add_node(dir, d, mode, 0);
}

static int tmpfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	struct inode *i = tmpfs_new_inode(dir->sb, dir, S_IFLNK | 0777, 0);
	struct tmpfs_info *t;

	if (!i)
		return -ENOSPC;
	t = tmpfs_info_get(i);
	if (t)
		t->target = kstrdup(target, GFP_KERNEL);
	if (!t || !t->target) {
		inode_put(i);
		return -ENOMEM;
	}
	i->data.size = (loff_t)strlen(target);
	pin(d, i);
	dir->data.size += DIRENT_SIZE;
	inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
	return 0;
}

static int tmpfs_link(struct inode *dir, struct dentry *d, struct inode *i)
{
	i->nlink++;
	i->flags &= ~S_PRIVATE_FL;
	inode_touch(i, ATTR_CTIME);
	inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
	dir->data.size += DIRENT_SIZE;
	pin(d, inode_get(i));
	return 0;
}

static void drop_name(struct inode *dir, struct dentry *d)
{
	struct inode *i = d->inode;

	dir->data.size -= DIRENT_SIZE;
	inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
	inode_touch(i, ATTR_CTIME);
	i->nlink--;
	unpin(d);
}

static int tmpfs_unlink(struct inode *dir, struct dentry *d)
{
	drop_name(dir, d);
	return 0;
}

static int tmpfs_rmdir(struct inode *dir, struct dentry *d)
{
	if (d_has_children(d))
		return -ENOTEMPTY;
	d->inode->nlink--;
	dir->nlink--;
	drop_name(dir, d);
	return 0;
}

/* overlay's mark "this name is hidden": a character device 0:0 in the place that `old` leaves. */
static int make_whiteout(struct inode *dir, struct dentry *old)
{
	struct dentry *w = dentry_alloc(old->parent, &old->name);
	int err;

	if (!w)
		return -ENOMEM;
	err = add_node(dir, w, S_IFCHR, 0);
	if (!err)
		d_rehash(w);
	dentry_put(w);
	return err;
}

static int tmpfs_rename(struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new, unsigned flags)
{
	bool dir = S_ISDIR(old->inode->mode);
	int err;

	if (flags & RENAME_EXCHANGE) {
		bool new_is_dir = S_ISDIR(new->inode->mode);

		if (old_dir != new_dir && dir != new_is_dir) {
			old_dir->nlink += new_is_dir ? 1 : -1;
			new_dir->nlink += dir ? 1 : -1;
		}
		inode_touch(new->inode, ATTR_CTIME);
	} else {
		if (new->inode && S_ISDIR(new->inode->mode) && d_has_children(new))
			return -ENOTEMPTY;
		if (flags & RENAME_WHITEOUT) {
			err = make_whiteout(old_dir, old);
			if (err)
				return err;
		}
		if (new->inode) {
			if (dir) {
				new->inode->nlink--;
				new_dir->nlink--;
			}
			drop_name(new_dir, new);
		}
		if (dir && old_dir != new_dir) {
			old_dir->nlink--;
			new_dir->nlink++;
		}
		old_dir->data.size -= DIRENT_SIZE;
		new_dir->data.size += DIRENT_SIZE;
	}
	inode_touch(old->inode, ATTR_CTIME);
	inode_touch(old_dir, ATTR_MTIME | ATTR_CTIME);
	inode_touch(new_dir, ATTR_MTIME | ATTR_CTIME);
	return 0;
}

static int tmpfs_tmpfile(struct inode *dir, u32 mode, struct inode **out)
{
	struct inode *i = tmpfs_new_inode(dir->sb, dir, mode, 0);

	if (!i)
		return -ENOSPC;
	i->nlink = 0;
	*out = i;
	return 0;
}

static int tmpfs_iterate(struct file *f, struct dir_context *ctx)
{
	struct dentry *dir = f->path.dentry, *d = NULL;

	if (ctx->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, 1, dir->inode->ino, 4))
			return 0;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		if (!ctx->emit(ctx, "..", 2, 2, dir->parent->inode->ino, 4))
			return 0;
		ctx->pos = 2;
	}
	while ((d = d_next_child(dir, d, (u32)ctx->pos - 1))) {
		u32 mode = d->inode->mode;

		if (!ctx->emit(ctx, d->name.name, d->name.len, (loff_t)d->cookie + 2, d->inode->ino, (mode & S_IFMT) >> 12)) {
			ctx->pos = (loff_t)d->cookie + 1;
			dentry_put(d);
			return 0;
		}
		ctx->pos = (loff_t)d->cookie + 2;
	}
	return 0;
}

static loff_t tmpfs_dir_llseek(struct file *f, loff_t off, int whence)
{
	if (whence == SEEK_CUR)
		off += f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (off < 0)
		return -EINVAL;
	f->pos = off;
	return off;
}

static int tmpfs_dir_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	return 0;
}

static int tmpfs_readlink(struct inode *i, char *buf, size_t n)
{
	struct tmpfs_info *t = i->priv;
	size_t len = min(strlen(t->target), n);

	memcpy(buf, t->target, len);
	return (int)len;
}

const struct file_ops tmpfs_dir_fops = {
	.iterate = tmpfs_iterate, .llseek = tmpfs_dir_llseek, .fsync = tmpfs_dir_fsync,
};

#define XATTR_OPS .getxattr = tmpfs_getxattr, .setxattr = tmpfs_setxattr, .listxattr = tmpfs_listxattr, \
		  .removexattr = tmpfs_removexattr

const struct inode_ops tmpfs_dir_iops = {
	.lookup = tmpfs_lookup, .create = tmpfs_create, .mknod = tmpfs_mknod, .mkdir = tmpfs_mkdir, .symlink = tmpfs_symlink,
	.link = tmpfs_link, .unlink = tmpfs_unlink, .rmdir = tmpfs_rmdir, .rename = tmpfs_rename, .tmpfile = tmpfs_tmpfile,
	.setattr = tmpfs_setattr, XATTR_OPS,
};
const struct inode_ops tmpfs_file_iops = {
	.setattr = tmpfs_setattr, .getattr = tmpfs_getattr, .fallocate = tmpfs_fallocate, XATTR_OPS,
};
const struct inode_ops tmpfs_special_iops = { .setattr = tmpfs_setattr, XATTR_OPS };
const struct inode_ops tmpfs_link_iops = { .readlink = tmpfs_readlink, .setattr = tmpfs_setattr, XATTR_OPS };
