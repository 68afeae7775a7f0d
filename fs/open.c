/*
 * open.c - open(2) and its kin, and truncation.
 *
 * O_CREAT works on the last component by itself: look it up without locks first; when it is missing, lock the directory, look
 * again, create. What was created is opened without permission checks on the new file.
 */
#include "internal.h"
#include <kernel/signal.h>
#include <linux/falloc.h>
#include <linux/openat2.h>

#define VALID_OPEN_FLAGS (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | FASYNC | \
			  O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | __O_TMPFILE)

/* MAY_* that the access mode asks for; 3 means "check for both, allow neither" (ioctl only). */
static int access_mask(u32 flags)
{
	static const int mask[4] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE };
	int m = mask[flags & O_ACCMODE];

	return flags & O_TRUNC ? m | MAY_WRITE : m;
}

/* The checks on an existing file. */
int may_open(const struct path *p, u32 flags)
{
	struct inode *i = p->dentry->inode;
	int mask = access_mask(flags), err;

	switch (i->mode & S_IFMT) {
	case S_IFLNK:
		return -ELOOP;
	case S_IFDIR:
		if (mask & MAY_WRITE)
			return -EISDIR;
		break;
	case S_IFBLK:
	case S_IFCHR:
		if (path_nodev(p))
			return -EACCES;
		fallthrough;
	case S_IFIFO:
	case S_IFSOCK:
		flags &= ~O_TRUNC;
		break;
	default:
		if ((mask & MAY_WRITE) && mnt_readonly(p->mnt))
			return -EROFS;
	}
	err = inode_permission(i, mask);
	if (err)
		return err;
	if ((i->flags & S_APPEND_FL) && (((flags & O_ACCMODE) != O_RDONLY && !(flags & O_APPEND)) || (flags & O_TRUNC)))
		return -EPERM;
	if ((flags & O_NOATIME) && !inode_owner_or_capable(i))
		return -EPERM;
	return 0;
}

/* ---- truncate ---- */

int inode_remove_privs(struct inode *i)
{
	u32 kill = 0;

	if (likely(!(i->mode & (S_ISUID | S_ISGID))) || !S_ISREG(i->mode) || capable(CAP_FSETID))
		return 0;
	if (i->mode & S_ISUID)
		kill |= S_ISUID;
	if ((i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		kill |= S_ISGID;
	if (kill) {
		struct iattr a = { .valid = ATTR_MODE | ATTR_CTIME, .mode = i->mode & ~kill, .ctime = time_now_k() };

		if (i->ops->setattr)
			return i->ops->setattr(i, &a);
		i->mode = a.mode;
		i->ctime = a.ctime;
	}
	return 0;
}

int do_truncate(const struct path *p, loff_t size, struct file *f)
{
	struct inode *i = p->dentry->inode;
	struct iattr a = { .valid = ATTR_SIZE | ATTR_MTIME | ATTR_CTIME, .size = size };
	int err;

	if (size < 0)
		return -EINVAL;
	if ((u64)size > i->sb->max_bytes)
		return -EFBIG;
	if (size > inode_size(i) && (u64)size > task_rlimit(current, 1 /* RLIMIT_FSIZE */)) {
		signal_send_current(SIGXFSZ);
		return -EFBIG;
	}
	rwsem_write_lock(&i->rwsem);
	err = i->flags & S_SWAPFILE_FL ? -ETXTBSY : inode_remove_privs(i);
	a.mtime = a.ctime = time_now_k();
	if (!err && i->ops->setattr) {
		err = i->ops->setattr(i, &a);
	} else if (!err) {
		filemap_truncate(i->mapping, size);
		i->mtime = i->ctime = a.mtime;
	}
	rwsem_write_unlock(&i->rwsem);
	return err;
}

/* ---- open ---- */

static int finish_open(struct file *f, struct path *p, bool created)	/* consumes p */
{
	u32 flags = f->flags;
	int err = 0;

	if (!(flags & O_PATH)) {
		if (!created)
			err = may_open(p, flags);
		else if (path_nodev(p) && (S_ISCHR(p->dentry->inode->mode) || S_ISBLK(p->dentry->inode->mode)))
			err = -EACCES;
	}
	if (!err)
		err = file_open_inode(f, p);
	if (err) {
		path_put(*p);
		return err;
	}
	if ((flags & O_TRUNC) && !created && !(flags & O_PATH) && S_ISREG(f->inode->mode))
		err = do_truncate(&f->path, 0, f);
	if (!err && (flags & O_DIRECT) && !(f->flags & O_PATH) && S_ISDIR(f->inode->mode))
		err = -EINVAL;
	return err;
}

/* nd->path is the directory, nd->last the name. *out referenced; *created: it is new. */
static int open_create(struct nameidata *nd, u32 flags, u32 mode, struct dentry **out, bool *created)
{
	struct dentry *parent = nd->path.dentry, *d;
	struct inode *dir = parent->inode;
	int err;

	*created = false;
	if (!(flags & O_EXCL)) {
		err = lookup_child(parent, &nd->last, &d);
		if (err)
			return err;
		if (d->inode) {
			*out = d;
			return 0;
		}
		dentry_put(d);
	}
	rwsem_write_lock(&dir->rwsem);
	err = lookup_child_locked(parent, &nd->last, &d);
	if (err)
		goto unlock;
	if (!d->inode) {
		err = mnt_want_write(nd->path.mnt);
		if (!err)
			err = vfs_create(dir, d, mode & ~current_umask());
		*created = !err;
	} else if (flags & O_EXCL) {
		err = -EEXIST;
	}
	if (err)
		dentry_put(d);
	else
		*out = d;
unlock:
	rwsem_write_unlock(&dir->rwsem);
	return err;
}

static int open_tmpfile(struct nameidata *nd, struct file *f, u32 flags, u32 mode)
{
	struct inode *dir, *i;
	struct dentry *d;
	struct path p;
	int err = nd_last(nd);

	if (err)
		return err;
	dir = nd->path.dentry->inode;
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	err = mnt_want_write(nd->path.mnt);
	if (!err)
		err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	if (!dir->ops->tmpfile)
		return -EOPNOTSUPP;
	rwsem_write_lock(&dir->rwsem);
	err = dir->ops->tmpfile(dir, (mode & ~current_umask() & MODE_PERMS) | S_IFREG, &i);
	rwsem_write_unlock(&dir->rwsem);
	if (err)
		return err;
	if (!(flags & O_EXCL))
		i->flags |= S_PRIVATE_FL;	/* linkat may give it a name */
	d = dentry_alloc_anon(dir->sb, "#tmpfile");
	if (!d) {
		inode_put(i);
		return -ENOMEM;
	}
	d_instantiate(d, i);
	d_set_flag(d, DCACHE_UNLINKED);
	mount_get(nd->path.mnt);
	p = (struct path){ nd->path.mnt, d };
	return finish_open(f, &p, true);
}

static int open_existing(struct nameidata *nd, struct file *f)
{
	struct path p;
	int err = nd_last(nd);

	if (err)
		return err;
	p = nd->path;
	if ((f->flags & O_NOFOLLOW) && S_ISLNK(p.dentry->inode->mode) && !(f->flags & O_PATH))
		return -ELOOP;
	nd->path.dentry = NULL;
	return finish_open(f, &p, false);
}

static int open_or_create(struct nameidata *nd, struct file *f, u32 flags, u32 mode)
{
	for (;;) {
		struct dentry *d = NULL;
		struct path p;
		bool created;
		int err;

		if (nd->last_type != LAST_NORM) {
			if (nd->jumped_magic)
				return open_existing(nd, f);
			return -EISDIR;
		}
		if (nd->trailing)
			return -EISDIR;
		err = open_create(nd, flags, mode, &d, &created);
		if (err)
			return err;
		if (!created && (flags & O_EXCL)) {
			dentry_put(d);
			return -EEXIST;
		}
		if (S_ISLNK(d->inode->mode)) {
			if (flags & O_NOFOLLOW) {
				dentry_put(d);
				return -ELOOP;
			}
			err = nd_follow_last(nd, d);
			if (err)
				return err;
			continue;
		}
		mount_get(nd->path.mnt);
		p = (struct path){ nd->path.mnt, d };
		mount_traverse(&p);
		if (!created && S_ISDIR(p.dentry->inode->mode)) {
			path_put(p);
			return -EISDIR;
		}
		return finish_open(f, &p, created);
	}
}

static unsigned lookup_flags(u32 flags)
{
	unsigned lookup = 0;

	if (!(flags & O_NOFOLLOW))
		lookup |= LOOKUP_FOLLOW;
	if (flags & O_DIRECTORY)
		lookup |= LOOKUP_DIRECTORY;
	return lookup;
}

static int do_open(int dirfd, const char *name, u32 flags, u32 mode, unsigned lookup, struct file **out)
{
	struct nameidata nd;
	struct file *f = file_alloc(flags & ~O_CLOEXEC);
	int err;

	if (!f)
		return -ENOMEM;
	err = nd_begin(&nd, dirfd, name, lookup_flags(flags) | lookup);
	if (err)
		goto put;
	err = nd_walk(&nd);
	if (err)
		;
	else if (flags & __O_TMPFILE)
		err = open_tmpfile(&nd, f, flags, mode);
	else if (flags & O_CREAT)
		err = open_or_create(&nd, f, flags, mode);
	else
		err = open_existing(&nd, f);
	nd_end(&nd);
	if (!err) {
		*out = f;
		return 0;
	}
put:
	file_put(f);
	return err;
}

static int check_open_flags(u32 *flags, u32 mode, bool strict)
{
	u32 f = *flags;

	if (f & O_PATH)
		f &= O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
	if ((f & __O_TMPFILE) && ((f & O_TMPFILE) != O_TMPFILE || !(access_mask(f & ~O_TRUNC) & MAY_WRITE)))
		return -EINVAL;
	if ((f & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT))
		return -EINVAL;		/* Linux 6.4 and later; before, it made a file */
	*flags = f;
	return 0;
}

int vfs_open(const char *path, u32 flags, u32 mode, struct file **out)
{
	return do_open(AT_FDCWD, path, flags, mode & MODE_PERMS, 0, out);
}

static long open_user(int dirfd, const char __user *uname, u32 flags, u32 mode, unsigned lookup)
{
	struct file *f;
	char *name;
	int fd, err = path_name_get(uname, &name);

	if (err)
		return err;
	fd = fd_reserve(0, flags & O_CLOEXEC);
	if (fd >= 0) {
		err = do_open(dirfd, name, flags, mode & MODE_PERMS, lookup, &f);
		if (err) {
			fd_unreserve(fd);
			fd = err;
		} else {
			fd_install(fd, f);
		}
	}
	path_name_free(name);
	return fd;
}

static long open_old(int dirfd, const char __user *name, int iflags, u32 mode)
{
	u32 flags = (u32)iflags & VALID_OPEN_FLAGS;
	int err = check_open_flags(&flags, mode, false);

	return err ? err : open_user(dirfd, name, flags, mode, 0);
}

SYSCALL(openat, int dirfd, const char __user *name, int flags, unsigned mode)
{
	return open_old(dirfd, name, flags, mode);
}

SYSCALL(open, const char __user *name, int flags, unsigned mode)
{
	return open_old(AT_FDCWD, name, flags, mode);
}

SYSCALL(creat, const char __user *name, unsigned mode)
{
	return open_old(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

SYSCALL(openat2, int dirfd, const char __user *name, struct open_how __user *uhow, size_t size)
{
	struct open_how how = { 0 };
	unsigned lookup = 0;
	u32 flags;
	int err;

	if (size < sizeof(how))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (copy_from_user(&how, uhow, sizeof(how)))
		return -EFAULT;
	for (size_t i = sizeof(how); i < size; i++) {
		char c;

		if (get_user(c, (char __user *)uhow + i))
			return -EFAULT;
		if (c)
			return -E2BIG;
	}
	if (how.flags & ~(u64)VALID_OPEN_FLAGS)
		return -EINVAL;
	if (how.resolve & ~(u64)(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT |
				 RESOLVE_CACHED))
		return -EINVAL;
	if ((how.resolve & RESOLVE_BENEATH) && (how.resolve & RESOLVE_IN_ROOT))
		return -EINVAL;
	if (how.flags & (O_CREAT | __O_TMPFILE) ? how.mode & ~(u64)MODE_PERMS : how.mode != 0)
		return -EINVAL;
	if ((how.flags & O_PATH) && (how.flags & ~(u64)(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)))
		return -EINVAL;
	flags = (u32)how.flags;
	err = check_open_flags(&flags, (u32)how.mode, true);
	if (err)
		return err;
	if (how.resolve & RESOLVE_CACHED)
		return -EAGAIN;
	if (how.resolve & RESOLVE_NO_XDEV)
		lookup |= LOOKUP_NO_XDEV;
	if (how.resolve & RESOLVE_NO_MAGICLINKS)
		lookup |= LOOKUP_NO_MAGICLINKS;
	if (how.resolve & RESOLVE_NO_SYMLINKS)
		lookup |= LOOKUP_NO_SYMLINKS;
	if (how.resolve & RESOLVE_BENEATH)
		lookup |= LOOKUP_BENEATH;
	if (how.resolve & RESOLVE_IN_ROOT)
		lookup |= LOOKUP_IN_ROOT;
	return open_user(dirfd, name, flags, (u32)how.mode, lookup);
}

/* ---- truncate, ftruncate, fallocate ---- */

SYSCALL(truncate, const char __user *name, long size)
{
	struct path p;
	struct inode *i;
	int err;

	if (size < 0)
		return -EINVAL;
	err = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	i = p.dentry->inode;
	if (S_ISDIR(i->mode))
		err = -EISDIR;
	else if (!S_ISREG(i->mode))
		err = -EINVAL;
	else
		err = mnt_want_write(p.mnt);
	if (!err)
		err = inode_permission(i, MAY_WRITE);
	if (!err && (i->flags & S_APPEND_FL))
		err = -EPERM;
	if (!err && atomic_read(&i->writers) < 0)
		err = -ETXTBSY;
	if (!err)
		err = do_truncate(&p, size, NULL);
	path_put(p);
	return err;
}

SYSCALL(ftruncate, int fd, long size)
{
	struct fdref r;
	int err;

	if (size < 0)
		return -EINVAL;
	r = fdref_get(fd);
	if (!r.file)
		return -EBADF;
	if (!S_ISREG(r.file->inode->mode) || !(r.file->mode & FMODE_WRITE))
		err = -EINVAL;
	else if (r.file->inode->flags & S_APPEND_FL)
		err = -EPERM;
	else
		err = do_truncate(&r.file->path, size, r.file);
	fdref_put(r);
	return err;
}

int do_fallocate(struct file *f, int mode, loff_t off, loff_t len)
{
	struct inode *i = f->inode;
	int err;

	if (off < 0 || len <= 0)
		return -EINVAL;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE |
		     FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (!(f->mode & FMODE_WRITE))
		return -EBADF;
	if (S_ISFIFO(i->mode))
		return -ESPIPE;
	if (S_ISDIR(i->mode))
		return -EISDIR;
	if (!S_ISREG(i->mode))
		return -ENODEV;
	if (off > S64_MAX - len || (u64)(off + len) > i->sb->max_bytes)
		return -EFBIG;
	if (!i->ops->fallocate)
		return -EOPNOTSUPP;
	rwsem_write_lock(&i->rwsem);
	err = i->flags & S_SWAPFILE_FL ? -ETXTBSY : i->ops->fallocate(i, mode, off, len);
	rwsem_write_unlock(&i->rwsem);
	return err;
}

SYSCALL(fallocate, int fd, int mode, long off, long len)
{
	struct fdref r = fdref_get(fd);
	int err;

	if (!r.file)
		return -EBADF;
	err = do_fallocate(r.file, mode, off, len);
	fdref_put(r);
	return err;
}
