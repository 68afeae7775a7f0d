/*
 * xattr.c - the extended-attribute system calls: names, sizes and permissions checked, then the file system's operation.
 */
#include "internal.h"
#include <linux/xattr.h>

#define NAME_BYTES	(XATTR_NAME_MAX + 1)

/* Who may see or change an attribute of this name. */
static int check_name(struct inode *i, const char *name, int mask)
{
	if (mask & MAY_WRITE) {
		if (i->flags & (S_IMMUTABLE_FL | S_APPEND_FL))
			return -EPERM;
	}
	if (!strncmp(name, "security.", 9))
		return mask & MAY_WRITE && !capable(CAP_SYS_ADMIN) ? -EPERM : 0;
	if (!strncmp(name, "system.", 7))
		return -EOPNOTSUPP;
	if (!strncmp(name, "trusted.", 8)) {
		if (!capable(CAP_SYS_ADMIN))
			return mask & MAY_WRITE ? -EPERM : -ENODATA;
		return 0;
	}
	if (strncmp(name, "user.", 5))
		return -EOPNOTSUPP;
	if (!name[5])
		return -EINVAL;
	if (!S_ISREG(i->mode) && !S_ISDIR(i->mode))
		return mask & MAY_WRITE ? -EPERM : -ENODATA;
	if (S_ISDIR(i->mode) && (i->mode & S_ISVTX) && (mask & MAY_WRITE) && !inode_owner_or_capable(i))
		return -EPERM;
	return inode_permission(i, mask);
}

static int get_name(const char __user *uname, char *name)
{
	ssize_t n = strncpy_from_user(name, uname, NAME_BYTES);

	if (n < 0)
		return (int)n;
	return n == 0 || n >= NAME_BYTES ? -ERANGE : 0;
}

static int do_set(const struct path *p, const char __user *uname, const void __user *uvalue, size_t n, int flags)
{
	struct inode *i = p->dentry->inode;
	char name[NAME_BYTES];
	void *value = NULL;
	int err;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	err = get_name(uname, name);
	if (err)
		return err;
	if (n > XATTR_SIZE_MAX)
		return -E2BIG;
	err = mnt_want_write(p->mnt);
	if (!err)
		err = check_name(i, name, MAY_WRITE);
	if (err)
		return err;
	if (!i->ops->setxattr)
		return -EOPNOTSUPP;
	value = kvmalloc(n ? n : 1, GFP_KERNEL);
	if (!value)
		return -ENOMEM;
	if (n && copy_from_user(value, uvalue, n)) {
		err = -EFAULT;
	} else {
		rwsem_write_lock(&i->rwsem);
		err = i->ops->setxattr(i, name, value, n, flags);
		rwsem_write_unlock(&i->rwsem);
	}
	kvfree(value);
	return err;
}

static ssize_t do_get(const struct path *p, const char __user *uname, void __user *uvalue, size_t n)
{
	struct inode *i = p->dentry->inode;
	char name[NAME_BYTES];
	void *value = NULL;
	ssize_t got = get_name(uname, name);

	if (!got)
		got = check_name(i, name, MAY_READ);
	if (got)
		return got;
	if (!i->ops->getxattr)
		return -EOPNOTSUPP;
	n = min(n, (size_t)XATTR_SIZE_MAX);
	if (n) {
		value = kvmalloc(n, GFP_KERNEL);
		if (!value)
			return -ENOMEM;
	}
	rwsem_read_lock(&i->rwsem);
	got = i->ops->getxattr(i, name, value, n);
	rwsem_read_unlock(&i->rwsem);
	if (got > 0 && n && copy_to_user(uvalue, value, (size_t)got))
		got = -EFAULT;
	kvfree(value);
	return got;
}

static ssize_t do_list(const struct path *p, char __user *ubuf, size_t n)
{
	struct inode *i = p->dentry->inode;
	char *buf = NULL;
	ssize_t got;

	if (!i->ops->listxattr)
		return 0;
	n = min(n, (size_t)XATTR_LIST_MAX);
	if (n) {
		buf = kvmalloc(n, GFP_KERNEL);
		if (!buf)
			return -ENOMEM;
	}
	rwsem_read_lock(&i->rwsem);
	got = i->ops->listxattr(i, buf, n);
	rwsem_read_unlock(&i->rwsem);
	if (got > 0 && n && copy_to_user(ubuf, buf, (size_t)got))
		got = -EFAULT;
	kvfree(buf);
	return got;
}

static int do_remove(const struct path *p, const char __user *uname)
{
	struct inode *i = p->dentry->inode;
	char name[NAME_BYTES];
	int err = get_name(uname, name);

	if (!err)
		err = mnt_want_write(p->mnt);
	if (!err)
		err = check_name(i, name, MAY_WRITE);
	if (err)
		return err;
	if (!i->ops->removexattr)
		return -EOPNOTSUPP;
	rwsem_write_lock(&i->rwsem);
	err = i->ops->removexattr(i, name);
	rwsem_write_unlock(&i->rwsem);
	return err;
}

/* Each call comes by name, by name without following, and by descriptor. */
#define WITH_PATH(name, lookup, call) ({						\
	struct path wp_p;								\
	long wp_n = path_lookup_user(AT_FDCWD, name, lookup, &wp_p);			\
	if (!wp_n) {									\
		wp_n = call(&wp_p);							\
		path_put(wp_p);								\
	}										\
	wp_n; })
#define WITH_FD(fd, call) ({								\
	struct fdref wf_r = fdref_get(fd);						\
	long wf_n = wf_r.file ? call(&wf_r.file->path) : -EBADF;			\
	fdref_put(wf_r);								\
	wf_n; })

#define SET(p)	do_set(p, name, value, size, flags)
#define GET(p)	do_get(p, name, value, size)
#define LIST(p)	do_list(p, list, size)
#define REMOVE(p) do_remove(p, name)

SYSCALL(setxattr, const char __user *path, const char __user *name, const void __user *value, size_t size, int flags)
{
	return WITH_PATH(path, LOOKUP_FOLLOW, SET);
}

SYSCALL(lsetxattr, const char __user *path, const char __user *name, const void __user *value, size_t size, int flags)
{
	return WITH_PATH(path, 0, SET);
}

SYSCALL(fsetxattr, int fd, const char __user *name, const void __user *value, size_t size, int flags)
{
	return WITH_FD(fd, SET);
}

SYSCALL(getxattr, const char __user *path, const char __user *name, void __user *value, size_t size)
{
	return WITH_PATH(path, LOOKUP_FOLLOW, GET);
}

SYSCALL(lgetxattr, const char __user *path, const char __user *name, void __user *value, size_t size)
{
	return WITH_PATH(path, 0, GET);
}

SYSCALL(fgetxattr, int fd, const char __user *name, void __user *value, size_t size)
{
	return WITH_FD(fd, GET);
}

SYSCALL(listxattr, const char __user *path, char __user *list, size_t size)
{
	return WITH_PATH(path, LOOKUP_FOLLOW, LIST);
}

SYSCALL(llistxattr, const char __user *path, char __user *list, size_t size)
{
	return WITH_PATH(path, 0, LIST);
}

SYSCALL(flistxattr, int fd, char __user *list, size_t size)
{
	return WITH_FD(fd, LIST);
}

SYSCALL(removexattr, const char __user *path, const char __user *name)
{
	return WITH_PATH(path, LOOKUP_FOLLOW, REMOVE);
}

SYSCALL(lremovexattr, const char __user *path, const char __user *name)
{
	return WITH_PATH(path, 0, REMOVE);
}

SYSCALL(fremovexattr, int fd, const char __user *name)
{
	return WITH_FD(fd, REMOVE);
}
