/*
 * xattr.c - extended attributes of tmpfs: a list in memory. inode->rwsem is held (reading for get and list).
 */
#include "tmpfs.h"
#include <linux/xattr.h>

static struct tmpfs_xattr *find(struct inode *i, const char *name)
{
	struct tmpfs_info *t = i->priv;
	struct tmpfs_xattr *x;

	if (t)
		list_for_each(x, &t->xattrs, link)
			if (!strcmp(x->name, name))
				return x;
	return NULL;
}

ssize_t tmpfs_getxattr(struct inode *i, const char *name, void *buf, size_t n)
{
	struct tmpfs_xattr *x = find(i, name);

	if (!x)
		return -ENODATA;
	if (!n)
		return (ssize_t)x->len;
	if (n < x->len)
		return -ERANGE;
	memcpy(buf, x->value, x->len);
	return (ssize_t)x->len;
}

static void drop(struct tmpfs_xattr *x)
{
	list_remove(&x->link);
	kvfree(x->value);
	kfree(x);
}

int tmpfs_setxattr(struct inode *i, const char *name, const void *buf, size_t n, int flags)
{
	struct tmpfs_xattr *old = find(i, name), *x;
	struct tmpfs_info *t;

	if (old && (flags & XATTR_CREATE))
		return -EEXIST;
	if (!old && (flags & XATTR_REPLACE))
		return -ENODATA;
	t = tmpfs_info_get(i);
	x = t ? kzalloc(sizeof(*x) + strlen(name) + 1, GFP_KERNEL) : NULL;
	if (!x)
		return -ENOMEM;
	x->value = kvmalloc(n ? n : 1, GFP_KERNEL);
	if (!x->value) {
		kfree(x);
		return -ENOMEM;
	}
	memcpy(x->value, buf, n);
	memcpy(x->name, name, strlen(name) + 1);
	x->len = n;
	if (old)
		drop(old);
	list_append(&t->xattrs, &x->link);
	inode_touch(i, ATTR_CTIME);
	return 0;
}

int tmpfs_removexattr(struct inode *i, const char *name)
{
	struct tmpfs_xattr *x = find(i, name);

	if (!x)
		return -ENODATA;
	drop(x);
	inode_touch(i, ATTR_CTIME);
	return 0;
}

ssize_t tmpfs_listxattr(struct inode *i, char *buf, size_t n)
{
	struct tmpfs_info *t = i->priv;
	struct tmpfs_xattr *x;
	size_t used = 0;

	if (!t)
		return 0;
	list_for_each(x, &t->xattrs, link) {
		size_t len = strlen(x->name) + 1;

		if (!strncmp(x->name, "trusted.", 8) && !capable(CAP_SYS_ADMIN))
			continue;
		if (n && used + len > n)
			return -ERANGE;
		if (n)
			memcpy(buf + used, x->name, len);
		used += len;
	}
	return (ssize_t)used;
}

void tmpfs_xattrs_free(struct tmpfs_info *t)
{
	struct tmpfs_xattr *x, *next;

	list_for_each_safe(x, next, &t->xattrs, link)
		drop(x);
}
