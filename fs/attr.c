/*
 * attr.c - what a file is and who may say so: getattr, setattr, and chmod, chown, utimes, access.
 */
#include "internal.h"
#include <linux/time_types.h>

int vfs_getattr(const struct path *p, struct stat_k *st)
{
	struct inode *i = p->dentry->inode;

	*st = (struct stat_k){
		.ino = i->ino, .size = (u64)inode_size(i), .blocks = i->blocks, .dev = i->sb->dev, .mode = i->mode,
		.uid = i->uid, .gid = i->gid, .nlink = i->nlink, .rdev = i->rdev, .blksize = i->sb->blocksize,
		.atime = i->atime, .mtime = i->mtime, .ctime = i->ctime, .btime = i->btime, .mask = STATX_BASIC_STATS,
	};
	if (i->ops && i->ops->getattr)
		return i->ops->getattr(i, st);
	return 0;
}

static int may_setattr(struct inode *i, const struct iattr *a)
{
	const struct cred *c = current_cred();

	if ((a->valid & ATTR_UID) && !capable(CAP_CHOWN) && !(c->fsuid == i->uid && a->uid == i->uid))
		return -EPERM;
	if ((a->valid & ATTR_GID) && !capable(CAP_CHOWN) &&
	    !(c->fsuid == i->uid && (inode_in_group(a->gid) || a->gid == i->gid)))
		return -EPERM;
	if ((a->valid & ATTR_MODE) && !inode_owner_or_capable(i))
		return -EPERM;
	if ((a->valid & (ATTR_ATIME_SET | ATTR_MTIME_SET)) && !inode_owner_or_capable(i))
		return -EPERM;
	return 0;
}

int vfs_setattr(const struct path *p, struct iattr *a)
{
	struct inode *i = p->dentry->inode;
	int err = mnt_want_write(p->mnt);

	if (err)
		return err;
	if (i->flags & (S_IMMUTABLE_FL | S_APPEND_FL))
		return -EPERM;
	rwsem_write_lock(&i->rwsem);
	err = may_setattr(i, a);
	if (err)
		goto out;
	if (a->valid & ATTR_MODE) {
		u32 gid = a->valid & ATTR_GID ? a->gid : i->gid;

		a->mode = (a->mode & MODE_PERMS) | (i->mode & S_IFMT);
		if (!inode_in_group(gid) && !capable(CAP_FSETID))
			a->mode &= ~S_ISGID;
	}
	a->ctime = time_now_k();
	if (!(a->valid & ATTR_ATIME_SET))
		a->atime = a->ctime;
	if (!(a->valid & ATTR_MTIME_SET))
		a->mtime = a->ctime;
	a->valid |= ATTR_CTIME;
	if (i->ops && i->ops->setattr) {
		err = i->ops->setattr(i, a);
		goto out;
	}
	inode_set_attrs(i, a);
out:
	rwsem_write_unlock(&i->rwsem);
	return err;
}

/* ---- chmod, chown ---- */

static int do_chmod(const struct path *p, u32 mode)
{
	struct iattr a = { .valid = ATTR_MODE, .mode = mode };

	if (S_ISLNK(p->dentry->inode->mode))
		return -EOPNOTSUPP;
	return vfs_setattr(p, &a);
}

static long chmod_at(int dirfd, const char __user *name, u32 mode, int flags)
{
	struct path p;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = path_at(dirfd, name, flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW, flags, &p);
	if (err)
		return err;
	err = do_chmod(&p, mode);
	path_put(p);
	return err;
}

SYSCALL(chmod, const char __user *name, unsigned mode)
{
	return chmod_at(AT_FDCWD, name, mode, 0);
}

SYSCALL(fchmodat, int dirfd, const char __user *name, unsigned mode)
{
	return chmod_at(dirfd, name, mode, 0);
}

SYSCALL(fchmod, int fd, unsigned mode)
{
	struct fdref r = fdref_get(fd);
	int err;

	if (!r.file)
		return -EBADF;
	err = do_chmod(&r.file->path, mode);
	fdref_put(r);
	return err;
}

static int do_chown(const struct path *p, u32 uid, u32 gid)
{
	struct inode *i = p->dentry->inode;
	struct iattr a = { 0 };

	if (uid != U32_MAX) {
		a.valid |= ATTR_UID;
		a.uid = uid;
	}
	if (gid != U32_MAX) {
		a.valid |= ATTR_GID;
		a.gid = gid;
	}
	/* Who changes the owner of a program does not hand on its set-id bits. */
	if (!S_ISDIR(i->mode) && (i->mode & (S_ISUID | S_ISGID)) && a.valid) {
		u32 kill = i->mode & S_ISUID;

		if ((i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
			kill |= S_ISGID;
		if (kill) {
			int err = may_setattr(i, &a);
			struct iattr m = { .valid = ATTR_MODE, .mode = i->mode & ~kill };

			if (err)
				return err;
			if (inode_owner_or_capable(i))
				err = vfs_setattr(p, &m);
			if (err)
				return err;
		}
	}
	return vfs_setattr(p, &a);
}

static long chown_at(int dirfd, const char __user *name, u32 uid, u32 gid, int flags)
{
	struct path p;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = path_at(dirfd, name, flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW, flags, &p);
	if (err)
		return err;
	err = do_chown(&p, uid, gid);
	path_put(p);
	return err;
}

SYSCALL(fchownat, int dirfd, const char __user *name, unsigned uid, unsigned gid, int flags)
{
	return chown_at(dirfd, name, uid, gid, flags);
}

SYSCALL(chown, const char __user *name, unsigned uid, unsigned gid)
{
	return chown_at(AT_FDCWD, name, uid, gid, 0);
}

SYSCALL(lchown, const char __user *name, unsigned uid, unsigned gid)
{
	return chown_at(AT_FDCWD, name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

SYSCALL(fchown, int fd, unsigned uid, unsigned gid)
{
	struct fdref r = fdref_get(fd);
	int err;

	if (!r.file)
		return -EBADF;
	err = do_chown(&r.file->path, uid, gid);
	fdref_put(r);
	return err;
}

/* ---- times ---- */

#define UTIME_NOW_	((1L << 30) - 1)
#define UTIME_OMIT_	((1L << 30) - 2)

static int take_time(struct iattr *a, const struct __kernel_timespec *t, u32 flag, u32 flag_set, struct timespec_k *out)
{
	if (t->tv_nsec == UTIME_OMIT_)
		return 0;
	a->valid |= flag;
	if (t->tv_nsec == UTIME_NOW_)
		return 0;
	if (t->tv_nsec < 0 || t->tv_nsec >= NSEC_PER_SEC)
		return -EINVAL;
	a->valid |= flag_set;
	*out = (struct timespec_k){ t->tv_sec, (u32)t->tv_nsec };
	return 0;
}

/* ts NULL: both now. Setting to now needs write permission only; to a given time, ownership. */
static int set_times(const struct path *p, const struct __kernel_timespec *ts)
{
	struct inode *i = p->dentry->inode;
	struct iattr a = { 0 };
	int err;

	if (ts) {
		err = take_time(&a, &ts[0], ATTR_ATIME, ATTR_ATIME_SET, &a.atime);
		if (!err)
			err = take_time(&a, &ts[1], ATTR_MTIME, ATTR_MTIME_SET, &a.mtime);
		if (err)
			return err;
		if (!a.valid)
			return 0;
	} else {
		a.valid = ATTR_ATIME | ATTR_MTIME;
	}
	if (!(a.valid & (ATTR_ATIME_SET | ATTR_MTIME_SET)) && a.valid == (ATTR_ATIME | ATTR_MTIME)) {
		if (!inode_owner_or_capable(i)) {
			err = mnt_want_write(p->mnt);
			if (!err)
				err = inode_permission(i, MAY_WRITE);
			if (err)
				return err;
		}
	} else if (!inode_owner_or_capable(i)) {
		return -EPERM;
	}
	return vfs_setattr(p, &a);
}

static long do_utimes(int dirfd, const char __user *name, const struct __kernel_timespec *ts, int flags)
{
	struct path p;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!name && dirfd != AT_FDCWD) {
		struct fdref r;

		if (flags)
			return -EINVAL;
		r = fdref_get(dirfd);
		if (!r.file)
			return -EBADF;
		err = set_times(&r.file->path, ts);
		fdref_put(r);
		return err;
	}
	err = path_at(dirfd, name, flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW, flags, &p);
	if (err)
		return err;
	err = set_times(&p, ts);
	path_put(p);
	return err;
}

SYSCALL(utimensat, int dirfd, const char __user *name, const struct __kernel_timespec __user *uts, int flags)
{
	struct __kernel_timespec ts[2];

	if (!uts)
		return do_utimes(dirfd, name, NULL, flags);
	if (copy_from_user(ts, uts, sizeof(ts)))
		return -EFAULT;
	if (ts[0].tv_nsec == UTIME_OMIT_ && ts[1].tv_nsec == UTIME_OMIT_)
		return 0;
	return do_utimes(dirfd, name, ts, flags);
}

struct timeval_abi { long sec, usec; };

static long utimes_tv(int dirfd, const char __user *name, const struct timeval_abi __user *utv)
{
	struct timeval_abi tv[2];
	struct __kernel_timespec ts[2];

	if (!utv)
		return do_utimes(dirfd, name, NULL, 0);
	if (copy_from_user(tv, utv, sizeof(tv)))
		return -EFAULT;
	for (int n = 0; n < 2; n++) {
		if (tv[n].usec < 0 || tv[n].usec >= 1000000)
			return -EINVAL;
		ts[n].tv_sec = tv[n].sec;
		ts[n].tv_nsec = tv[n].usec * 1000;
	}
	return do_utimes(dirfd, name, ts, 0);
}

SYSCALL(utimes, const char __user *name, const struct timeval_abi __user *utv)
{
	return utimes_tv(AT_FDCWD, name, utv);
}

SYSCALL(futimesat, int dirfd, const char __user *name, const struct timeval_abi __user *utv)
{
	return utimes_tv(dirfd, name, utv);
}

SYSCALL(utime, const char __user *name, const long __user *ut)
{
	struct __kernel_timespec ts[2];
	long t[2];

	if (!ut)
		return do_utimes(AT_FDCWD, name, NULL, 0);
	if (copy_from_user(t, ut, sizeof(t)))
		return -EFAULT;
	ts[0] = (struct __kernel_timespec){ t[0], 0 };
	ts[1] = (struct __kernel_timespec){ t[1], 0 };
	return do_utimes(AT_FDCWD, name, ts, 0);
}

/* ---- access ---- */

/* access(2) asks for the real ids: check with a copy of the credentials. */
static struct cred *access_cred(void)
{
	const struct cred *c = current_cred();
	struct cred *copy;

	if (c->fsuid == c->uid && c->fsgid == c->gid && (c->uid ? !c->cap_effective : c->cap_effective == c->cap_permitted))
		return NULL;
	copy = cred_copy(c, c->nr_groups);
	if (copy) {
		copy->fsuid = copy->uid;
		copy->fsgid = copy->gid;
		copy->cap_effective = copy->uid ? 0 : copy->cap_permitted;
	}
	return copy;
}

static int check_access(const struct path *p, int mode)
{
	struct inode *i = p->dentry->inode;
	int err;

	if ((mode & MAY_EXEC) && S_ISREG(i->mode) && path_noexec(p))
		return -EACCES;
	err = inode_permission(i, mode);
	if (err || !(mode & MAY_WRITE) || S_ISCHR(i->mode) || S_ISBLK(i->mode) || S_ISFIFO(i->mode) || S_ISSOCK(i->mode))
		return err;
	return mnt_want_write(p->mnt);
}

static long do_access(int dirfd, const char __user *name, int mode, int flags)
{
	struct cred *old = current->cred, *copy = NULL;
	struct path p;
	int err;

	if (mode & ~7)
		return -EINVAL;
	if (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!(flags & AT_EACCESS)) {
		copy = access_cred();
		if (copy)
			current->cred = copy;
	}
	err = path_at(dirfd, name, flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW, flags, &p);
	if (!err) {
		/* The numbers of R_OK, W_OK, X_OK are those of MAY_*. */
		err = mode ? check_access(&p, mode) : 0;
		path_put(p);
	}
	if (copy) {
		current->cred = old;
		cred_put(copy);
	}
	return err;
}

SYSCALL(access, const char __user *name, int mode)
{
	return do_access(AT_FDCWD, name, mode, 0);
}

SYSCALL(faccessat, int dirfd, const char __user *name, int mode)
{
	return do_access(dirfd, name, mode, 0);
}

SYSCALL(faccessat2, int dirfd, const char __user *name, int mode, int flags)
{
	return do_access(dirfd, name, mode, flags);
}
