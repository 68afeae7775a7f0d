/*
 * stat.c - stat, statx, readlink, statfs: struct stat_k into the structures of the ABI.
 */
#include "internal.h"
#include <asm/stat.h>
#include <lib/text.h>

/* The ABI's device number: 12 bits of major at 8, minor's low byte at 0, the rest of minor at 20. */
static u64 dev_to_abi(u64 dev)
{
	u64 major = dev >> 20, minor = dev & 0xfffff;

	return (minor & 0xff) | (major << 8) | ((minor & ~0xffull) << 12);
}

static int put_stat(const struct stat_k *k, struct stat __user *ust)
{
	struct stat st = {
		.st_dev = dev_to_abi(k->dev), .st_ino = k->ino, .st_nlink = k->nlink, .st_mode = k->mode,
		.st_uid = k->uid, .st_gid = k->gid, .st_rdev = dev_to_abi(k->rdev), .st_size = (long)k->size,
		.st_blksize = k->blksize, .st_blocks = (long)k->blocks,
		.st_atime = (unsigned long)k->atime.sec, .st_atime_nsec = k->atime.nsec,
		.st_mtime = (unsigned long)k->mtime.sec, .st_mtime_nsec = k->mtime.nsec,
		.st_ctime = (unsigned long)k->ctime.sec, .st_ctime_nsec = k->ctime.nsec,
	};

	return put_user_struct(ust, &st);
}

static bool is_empty(const char __user *name)
{
	char c;

	return !get_user(c, name) && !c;
}

static int stat_at(int dirfd, const char __user *name, int flags, struct stat_k *k)
{
	struct path p;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	if ((flags & AT_EMPTY_PATH) && dirfd >= 0 && is_empty(name)) {
		struct fdref r = fdref_any(dirfd);	/* what fstat() is in today's libc: no walk */

		if (!r.file)
			return -EBADF;
		err = vfs_getattr(&r.file->path, k);
		fdref_put(r);
		return err;
	}
	err = path_at(dirfd, name, flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW, flags, &p);
	if (err)
		return err;
	err = vfs_getattr(&p, k);
	path_put(p);
	return err;
}

SYSCALL(newfstatat, int dirfd, const char __user *name, struct stat __user *st, int flags)
{
	struct stat_k k;
	int err = stat_at(dirfd, name, flags, &k);

	return err ? err : put_stat(&k, st);
}

SYSCALL(stat, const char __user *name, struct stat __user *st)
{
	struct stat_k k;
	int err = stat_at(AT_FDCWD, name, 0, &k);

	return err ? err : put_stat(&k, st);
}

SYSCALL(lstat, const char __user *name, struct stat __user *st)
{
	struct stat_k k;
	int err = stat_at(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, &k);

	return err ? err : put_stat(&k, st);
}

SYSCALL(fstat, int fd, struct stat __user *st)
{
	struct fdref r = fdref_any(fd);
	struct stat_k k;
	int err;

	if (!r.file)
		return -EBADF;
	err = vfs_getattr(&r.file->path, &k);
	fdref_put(r);
	return err ? err : put_stat(&k, st);
}

static struct statx_timestamp stamp(struct timespec_k t)
{
	return (struct statx_timestamp){ .tv_sec = t.sec, .tv_nsec = t.nsec };
}

SYSCALL(statx, int dirfd, const char __user *name, unsigned flags, unsigned mask, struct statx __user *ux)
{
	struct stat_k k;
	struct statx x;
	int err;

	if (mask & STATX__RESERVED)
		return -EINVAL;
	if ((flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	err = stat_at(dirfd, name, (int)flags, &k);
	if (err)
		return err;
	if (k.btime.sec || k.btime.nsec)
		k.mask |= STATX_BTIME;
	x = (struct statx){
		.stx_mask = k.mask, .stx_blksize = k.blksize, .stx_attributes = k.attributes,
		.stx_attributes_mask = k.attributes_mask, .stx_nlink = k.nlink, .stx_uid = k.uid, .stx_gid = k.gid,
		.stx_mode = (u16)k.mode, .stx_ino = k.ino, .stx_size = k.size, .stx_blocks = k.blocks,
		.stx_atime = stamp(k.atime), .stx_btime = stamp(k.btime), .stx_ctime = stamp(k.ctime), .stx_mtime = stamp(k.mtime),
		.stx_rdev_major = MAJOR(k.rdev), .stx_rdev_minor = MINOR(k.rdev),
		.stx_dev_major = MAJOR(k.dev), .stx_dev_minor = MINOR(k.dev),
	};
	return put_user_struct(ux, &x);
}

/* ---- readlink ---- */

/* The text of a link, ordinary or magic, into buf; its length, cut to n. */
static int link_text(const struct path *p, char *buf, size_t n)
{
	struct inode *i = p->dentry->inode;
	struct path to, root;
	char *s;
	int len;

	if (i->ops->readlink)
		return i->ops->readlink(i, buf, n);
	if (!i->ops->follow)
		return -EINVAL;
	len = i->ops->follow(i, &to);
	if (len)
		return len;
	spin_lock(&current->fs->lock);
	root = path_get(current->fs->root);
	spin_unlock(&current->fs->lock);
	s = path_name(&to, &root, buf, n);
	len = s ? (int)(buf + n - s) - 1 : -ENAMETOOLONG;
	if (s)
		memmove(buf, s, (size_t)len);
	path_put(root);
	path_put(to);
	return len;
}

static long do_readlink(int dirfd, const char __user *name, char __user *ubuf, int size)
{
	struct path p;
	char *buf;
	int n, err;

	if (size <= 0)
		return -EINVAL;
	err = path_lookup_user(dirfd, name, LOOKUP_EMPTY, &p);
	if (err)
		return err;
	n = -EINVAL;
	if (!S_ISLNK(p.dentry->inode->mode)) {
		n = is_empty(name) ? -ENOENT : -EINVAL;
		goto put;
	}
	n = -ENOMEM;
	buf = kmalloc(PATH_MAX_BYTES, GFP_KERNEL);
	if (buf) {
		touch_atime(&p);
		n = link_text(&p, buf, PATH_MAX_BYTES);
		n = n > 0 ? min(n, size) : n;
		if (n > 0 && copy_to_user(ubuf, buf, (size_t)n))
			n = -EFAULT;
		kfree(buf);
	}
put:
	path_put(p);
	return n;
}

SYSCALL(readlinkat, int dirfd, const char __user *name, char __user *buf, int size)
{
	return do_readlink(dirfd, name, buf, size);
}

SYSCALL(readlink, const char __user *name, char __user *buf, int size)
{
	return do_readlink(AT_FDCWD, name, buf, size);
}

/* ---- file handles: no file system here can find a file by one ---- */

SYSCALL(name_to_handle_at, int dirfd, const char __user *name, void __user *handle, int __user *mount_id, int flags)
{
	struct path p;
	int err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = path_at(dirfd, name, flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0, flags, &p);
	if (err)
		return err;
	path_put(p);
	return -EOPNOTSUPP;
}

SYSCALL(open_by_handle_at, int mount_fd, void __user *handle, int flags)
{
	return capable(CAP_DAC_READ_SEARCH) ? -EOPNOTSUPP : -EPERM;
}

/* ---- statfs ---- */

static int do_statfs(const struct path *p, struct statfs_k __user *ust)
{
	struct super_block *sb = p->mnt->sb;
	struct statfs_k st = { .type = (s64)sb->magic, .bsize = sb->blocksize, .namelen = NAME_MAX_BYTES };
	static const struct { u32 ms, st; } map[] = {
		{ MS_RDONLY, 1 }, { MS_NOSUID, 2 }, { MS_NODEV, 4 }, { MS_NOEXEC, 8 }, { MS_NOATIME, 1024 },
		{ MS_NODIRATIME, 2048 }, { MS_RELATIME, 4096 },
	};
	int err = 0;

	st.frsize = st.bsize;
	if (sb->ops && sb->ops->statfs)
		err = sb->ops->statfs(sb, &st);
	if (err)
		return err;
	st.flags = 0x20;			/* ST_VALID */
	for (unsigned n = 0; n < ARRAY_SIZE(map); n++)
		if (mount_flags(p->mnt) & map[n].ms)
			st.flags |= map[n].st;
	if (!st.fsid[0] && !st.fsid[1])
		st.fsid[0] = (s32)sb->dev;
	return put_user_struct(ust, &st);
}

SYSCALL(statfs, const char __user *name, struct statfs_k __user *st)
{
	struct path p;
	int err = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	err = do_statfs(&p, st);
	path_put(p);
	return err;
}

SYSCALL(fstatfs, int fd, struct statfs_k __user *st)
{
	struct fdref r = fdref_any(fd);
	int err;

	if (!r.file)
		return -EBADF;
	err = do_statfs(&r.file->path, st);
	fdref_put(r);
	return err;
}
