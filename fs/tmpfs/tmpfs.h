/*
 * tmpfs.h - private to fs/tmpfs/.
 */
#ifndef FS_TMPFS_TMPFS_H
#define FS_TMPFS_TMPFS_H

#include "../internal.h"
#include <mm/shmem.h>

struct tmpfs_sb {
	struct shmem_space space;
	atomic_long_t	used_inodes;
	long		max_inodes;		/* 0: no limit */
	u32		mode, uid, gid;
	bool		size_given, inodes_given;
};

struct tmpfs_xattr {
	struct list	link;
	size_t		len;
	char		*value;
	char		name[];
};

/* What few inodes need: links' targets, extended attributes, seals. */
struct tmpfs_info {
	char		*target;
	struct list	xattrs;		/* [inode->rwsem] */
	unsigned	seals;
};

extern const struct file_ops tmpfs_file_fops, tmpfs_dir_fops;
extern const struct inode_ops tmpfs_file_iops, tmpfs_special_iops, tmpfs_link_iops;
struct tmpfs_info *tmpfs_info_get(struct inode *i);	/* makes it; NULL: out of memory */
struct inode *tmpfs_new_inode(struct super_block *sb, const struct inode *dir, u32 mode, u32 rdev);
int tmpfs_setattr(struct inode *i, const struct iattr *a);
int tmpfs_getattr(struct inode *i, struct stat_k *st);
int tmpfs_fallocate(struct inode *i, int mode, loff_t off, loff_t len);
ssize_t tmpfs_getxattr(struct inode *i, const char *name, void *buf, size_t n);
int tmpfs_setxattr(struct inode *i, const char *name, const void *buf, size_t n, int flags);
ssize_t tmpfs_listxattr(struct inode *i, char *buf, size_t n);
int tmpfs_removexattr(struct inode *i, const char *name);
void tmpfs_xattrs_free(struct tmpfs_info *t);
int tmpfs_mount(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out);

#endif
