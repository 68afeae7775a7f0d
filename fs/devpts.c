/*
 * devpts.c - /dev/pts: one instance of tmpfs, shared by all its mounts, in which the pty driver makes the names 0, 1, 2 …
 *
 * Options gid=, mode=, ptmxmode= set what new nodes get; uid=, max=, newinstance are accepted.
 */
#include "internal.h"
#include "tmpfs/tmpfs.h"
#include <fs/devpts.h>
#include <lib/printf.h>

static struct super_block *pts_sb;
static struct mount *pts_mount;
static const struct file_ops *slave_ops, *ptmx_ops;
static u32 node_mode = 0620, node_gid, ptmx_mode;
static bool gid_set;

static int make_node(const char *name, u32 mode, u32 rdev, const struct file_ops *ops)
{
	struct dentry *root = pts_sb->root, *d;
	struct inode *dir = root->inode;
	int err;

	rwsem_write_lock(&dir->rwsem);
	err = lookup_one(root, name, (u32)strlen(name), &d);
	if (!err) {
		err = d->inode ? -EEXIST : tmpfs_dir_iops.mknod(dir, d, S_IFCHR | mode, rdev);
		if (!err) {
			d->inode->mode = S_IFCHR | mode;
			d->inode->fops = ops;
			if (gid_set)
				d->inode->gid = node_gid;
			d_clear_flag(d, DCACHE_NOCACHE);
			d_rehash(d);
		}
		dentry_put(d);
	}
	rwsem_write_unlock(&dir->rwsem);
	return err;
}

void devpts_set_ops(const struct file_ops *slave, const struct file_ops *ptmx)
{
	slave_ops = slave;
	ptmx_ops = ptmx;
	if (make_node("ptmx", ptmx_mode, MKDEV(5, 2), ptmx))
		panic("no memory for devpts");
}

int devpts_add(u32 index, u32 rdev)
{
	char name[12];

	ksnprintf(name, sizeof(name), "%u", index);
	return make_node(name, node_mode, rdev, slave_ops);
}

void devpts_remove(u32 index)
{
	struct dentry *root = pts_sb->root, *d;
	char name[12];

	ksnprintf(name, sizeof(name), "%u", index);
	rwsem_write_lock(&root->inode->rwsem);
	if (!lookup_one(root, name, (u32)strlen(name), &d)) {
		if (d->inode && !tmpfs_dir_iops.unlink(root->inode, d))
			d_delete(d);
		dentry_put(d);
	}
	rwsem_write_unlock(&root->inode->rwsem);
}

int devpts_open(u32 index, u32 flags, struct file **out)
{
	char name[12];
	struct path p = { pts_mount, NULL };
	int err;

	ksnprintf(name, sizeof(name), "%u", index);
	rwsem_write_lock(&pts_sb->root->inode->rwsem);
	err = lookup_one(pts_sb->root, name, (u32)strlen(name), &p.dentry);
	rwsem_write_unlock(&pts_sb->root->inode->rwsem);
	if (err)
		return err;
	err = p.dentry->inode ? file_open_path(&p, flags, out) : -EIO;
	dentry_put(p.dentry);
	return err;
}

static void take_option(const char *s, size_t len)
{
	const char *end, *v = NULL;

	for (size_t n = 0; n < len; n++)
		if (s[n] == '=') {
			v = s + n + 1;
			break;
		}
	if (!v)
		return;
	if (!strncmp(s, "gid=", 4)) {
		node_gid = (u32)str_to_u64(v, &end, 10);
		gid_set = true;
	} else if (!strncmp(s, "mode=", 5)) {
		node_mode = (u32)str_to_u64(v, &end, 8) & 0777;
	} else if (!strncmp(s, "ptmxmode=", 9)) {
		ptmx_mode = (u32)str_to_u64(v, &end, 8) & 0777;
	}
}

static int devpts_mount_fs(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out)
{
	struct dentry *d;

	while (data && *data) {
		const char *comma = strchr(data, ',');
		size_t len = comma ? (size_t)(comma - data) : strlen(data);

		take_option(data, len);
		data += len + (comma ? 1 : 0);
	}
	rwsem_write_lock(&pts_sb->root->inode->rwsem);
	if (!lookup_one(pts_sb->root, "ptmx", 4, &d)) {
		if (d->inode)
			d->inode->mode = S_IFCHR | ptmx_mode;
		dentry_put(d);
	}
	rwsem_write_unlock(&pts_sb->root->inode->rwsem);
	*out = sb_get(pts_sb);
	return 0;
}

static struct file_system_type devpts_type = { .name = "devpts", .mount = devpts_mount_fs };

void devpts_init(void)
{
	if (tmpfs_mount(&devpts_type, 0, "devpts", NULL, &pts_sb))
		panic("no memory for devpts");
	pts_sb->magic = 0x1cd1;
	fs_register(&devpts_type);
	pts_mount = mount_kernel(&devpts_type);
	if (!pts_mount)
		panic("no memory for devpts");
	pts_mount->flags &= ~(u32)(MS_NODEV | MS_NOSUID);
}
