/*
 * namei.c - ext2's names: the directory operations of the VFS.
 */
#include <abi/errno.h>
#include <kernel/cred.h>
#include <kernel/random.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <linux/fs.h>

#include "ext2.h"

#define LINK_MAX_EXT2	32000
#define FAST_LINK	60		/* a target shorter than this stands in the inode itself */

static int ext2_lookup(struct inode *dir, struct dentry *d)
{
	struct inode *i = NULL;
	u32 ino;
	int err = d->name.len > EXT2_NAME_MAX ? -ENAMETOOLONG : ext2_find(dir, &d->name, &ino);

	if (!err)
		err = ext2_iget(dir->sb, ino, &i);
	if (err && err != -ENOENT)
		return err;
	d_instantiate(d, err ? NULL : i);
	return 0;
}

/* A new inode, not yet named. On failure nothing is left on disk. */
static int new_inode(struct inode *dir, u32 mode, struct inode **out)
{
	struct ext2_sb *s = ext2_sb(dir->sb);
	struct inode *i = ext2_inode_blank(dir->sb);
	bool taken;
	u32 ino;
	int err;

	if (!i)
		return -ENOMEM;
	mutex_lock(&s->lock);
	err = ext2_inode_alloc(dir, mode, &ino);
	taken = !err;
	if (!err) {
		i->ino = ino;
		ext2_i(i)->generation = (u32)random_u64();
		ext2_i(i)->is_new = true;
		inode_init_owner(i, dir, mode);
		i->blocks = 0;
		err = ext2_write_inode_locked(i);
	}
	mutex_unlock(&s->lock);
	if (err) {
		i->nlink = !taken;		/* 0: evict gives the number back */
		inode_put(i);
		return err;
	}
	ext2_set_ops(i);
	inode_hash_insert(i);
	*out = i;
	return 0;
}

/* Name a new inode, or give it up. */
static int name_new(struct inode *dir, struct dentry *d, struct inode *i)
{
	int err = ext2_add_link(dir, &d->name, i->ino, i->mode);

	if (err) {
		i->nlink = 0;
		inode_put(i);
		return err;
	}
	d_instantiate(d, i);
	return 0;
}

static int ext2_create(struct inode *dir, struct dentry *d, u32 mode)
{
	struct inode *i;
	int err = new_inode(dir, S_IFREG | (mode & 07777), &i);

	return err ? err : name_new(dir, d, i);
}

static int ext2_mknod(struct inode *dir, struct dentry *d, u32 mode, u32 rdev)
{
	struct inode *i;
	int err = new_inode(dir, mode, &i);

	if (err)
		return err;
	i->rdev = rdev;
	err = ext2_write_inode(i);
	return err ? (i->nlink = 0, inode_put(i), err) : name_new(dir, d, i);
}

static int ext2_tmpfile(struct inode *dir, u32 mode, struct inode **out)
{
	struct inode *i;
	int err = new_inode(dir, S_IFREG | (mode & 07777), &i);

	if (err)
		return err;
	i->nlink = 0;
	*out = i;
	return ext2_write_inode(i);
}

static int write_target(struct inode *i, const char *target, size_t len)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	struct ext2_chunk *c;
	bool fresh;
	u32 block;
	void *data;
	int err = 0;

	if (len >= s->block_size)
		return -ENAMETOOLONG;
	mutex_lock(&s->lock);
	if (len < FAST_LINK) {
		memcpy(ext2_i(i)->block, target, len);
	} else {
		err = ext2_bmap(i, 0, true, &block, &fresh);
		if (!err)
			err = ext2_block_get(s, block, true, &c, &data);
		if (!err) {
			memcpy(data, target, len);
			ext2_chunk_dirty(s, c);
			ext2_chunk_put(s, c);
		}
	}
	i->data.size = len;
	if (!err)
		err = ext2_write_inode_locked(i);
	mutex_unlock(&s->lock);
	return err;
}

static int ext2_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	struct inode *i;
	int err = new_inode(dir, S_IFLNK | 0777, &i);

	if (err)
		return err;
	err = write_target(i, target, strlen(target));
	if (err) {
		i->nlink = 0;
		inode_put(i);
		return err;
	}
	return name_new(dir, d, i);
}

static int ext2_readlink(struct inode *i, char *buf, size_t n)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	size_t len = min((size_t)i->data.size, n);
	struct ext2_chunk *c;
	bool fresh;
	u32 block;
	void *data;
	int err;

	if (i->data.size < FAST_LINK && !ext2_i(i)->sectors) {
		memcpy(buf, ext2_i(i)->block, len);
		return len;
	}
	if (len > s->block_size)
		return -EIO;
	mutex_lock(&s->lock);
	err = ext2_bmap(i, 0, false, &block, &fresh);
	if (!err)
		err = block ? ext2_block_get(s, block, false, &c, &data) : -EIO;
	if (!err) {
		memcpy(buf, data, len);
		ext2_chunk_put(s, c);
	}
	mutex_unlock(&s->lock);
	return err ? err : (int)len;
}

static int ext2_link(struct inode *dir, struct dentry *d, struct inode *target)
{
	int err;

	if (target->nlink >= LINK_MAX_EXT2)
		return -EMLINK;
	target->nlink++;
	inode_touch(target, ATTR_CTIME);
	err = ext2_write_inode(target);
	if (!err)
		err = ext2_add_link(dir, &d->name, target->ino, target->mode);
	if (err) {
		target->nlink--;
		return ext2_write_inode(target) ? -EIO : err;
	}
	d_instantiate(d, inode_get(target));
	return 0;
}

static int drop_link(struct inode *i, unsigned by)
{
	i->nlink -= min(i->nlink, (u32)by);
	inode_touch(i, ATTR_CTIME);
	return ext2_write_inode(i);
}

static int ext2_unlink(struct inode *dir, struct dentry *d)
{
	int err = ext2_remove_link(dir, &d->name);

	return err ? err : drop_link(d->inode, 1);
}

static int change_links(struct inode *dir, int by)
{
	dir->nlink += by;
	return ext2_write_inode(dir);
}

static int ext2_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
	struct inode *i;
	int err;

	if (dir->nlink >= LINK_MAX_EXT2)
		return -EMLINK;
	err = new_inode(dir, S_IFDIR | (mode & 07777), &i);
	if (err)
		return err;
	i->nlink = 2;
	err = ext2_make_empty(i, dir->ino);
	if (!err)
		err = ext2_add_link(dir, &d->name, i->ino, i->mode);
	if (err) {
		i->nlink = 0;
		inode_put(i);
		return err;
	}
	d_instantiate(d, i);
	return change_links(dir, 1);
}

static int ext2_rmdir(struct inode *dir, struct dentry *d)
{
	int err = ext2_dir_is_empty(d->inode);

	if (!err)
		err = ext2_remove_link(dir, &d->name);
	if (!err)
		err = drop_link(d->inode, 2);
	return err ? err : change_links(dir, -1);
}

/* The new name first, then the old one goes: a power cut in between leaves two names, which e2fsck counts right. */
static int move_name(struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new)
{
	struct inode *i = old->inode, *victim = new->inode;
	int err = victim ? ext2_set_link(new_dir, &new->name, i->ino, i->mode)
			 : ext2_add_link(new_dir, &new->name, i->ino, i->mode);

	if (!err)
		err = ext2_remove_link(old_dir, &old->name);
	if (!err && victim)
		err = drop_link(victim, S_ISDIR(victim->mode) ? 2 : 1);
	return err;
}

static int ext2_rename(struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new, unsigned flags)
{
	struct inode *i = old->inode, *victim = new->inode;
	bool dir = S_ISDIR(i->mode);
	int err = 0;

	if (flags & ~RENAME_NOREPLACE)
		return -EINVAL;
	if (victim && dir)
		err = ext2_dir_is_empty(victim);
	else if (dir && old_dir != new_dir && new_dir->nlink >= LINK_MAX_EXT2)
		err = -EMLINK;
	if (!err)
		err = move_name(old_dir, old, new_dir, new);
	if (!err && dir && victim)
		err = change_links(new_dir, -1);
	if (!err && dir && old_dir != new_dir) {
		err = ext2_set_link(i, &(struct qstr){ "..", 2, 0 }, new_dir->ino, S_IFDIR);
		if (!err)
			err = change_links(old_dir, -1);
		if (!err)
			err = change_links(new_dir, 1);
	}
	inode_touch(i, ATTR_CTIME);
	return err ? err : ext2_write_inode(i);
}

const struct inode_ops ext2_dir_iops = {
	.lookup = ext2_lookup, .create = ext2_create, .mknod = ext2_mknod, .mkdir = ext2_mkdir, .symlink = ext2_symlink,
	.link = ext2_link, .unlink = ext2_unlink, .rmdir = ext2_rmdir, .rename = ext2_rename, .tmpfile = ext2_tmpfile,
	.setattr = ext2_setattr,
};
const struct inode_ops ext2_file_iops = { .setattr = ext2_setattr };
const struct inode_ops ext2_link_iops = { .readlink = ext2_readlink, .setattr = ext2_setattr };
const struct inode_ops ext2_special_iops = { .setattr = ext2_setattr };
