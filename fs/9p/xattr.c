/*
 * xattr.c - extended attributes over 9P. A file found to have none is believed for a second: ls -l and git ask for
 * several attributes of every file.
 */
#include <abi/errno.h>
#include <lib/string.h>
#include <mm/slab.h>

#include "p9.h"

#define XATTR_MAX	65536
#define NONE_TTL	(2 * NSEC_PER_SEC)

/* Read attribute `name` ("" for the list of names). Its size; copied when it fits, -ERANGE when n is too small (n 0: size only). */
static ssize_t read_xattr(struct inode *i, const char *name, void *buf, size_t n)
{
	struct p9_client *c = p9_c(i);
	u32 fid = p9_fid_new(c);
	size_t done = 0;
	ssize_t got = 0;
	u64 size;
	int err = p9_xattrwalk(c, p9_i(i)->fid, fid, name, &size);

	if (err)
		return err;
	if (size > XATTR_MAX)
		got = -E2BIG;
	else if (n && size > n)
		got = -ERANGE;
	while (n && got >= 0 && done < size) {
		got = p9_read(c, fid, done, (char *)buf + done, size - done);
		if (got == 0)
			got = -EIO;
		if (got > 0)
			done += got;
	}
	p9_clunk(c, fid);
	return got < 0 ? got : (ssize_t)size;
}

static bool known_none(struct inode *i)
{
	struct p9_inode *pi = p9_i(i);
	ssize_t n;

	if (ktime_get() < pi->no_xattr_until || pi->stale_fid)
		return true;
	n = read_xattr(i, "", NULL, 0);
	if (n == 0 || n == -EOPNOTSUPP)
		pi->no_xattr_until = ktime_get() + NONE_TTL;
	return n == 0 || n == -EOPNOTSUPP;
}

ssize_t p9_getxattr(struct inode *i, const char *name, void *buf, size_t n)
{
	return known_none(i) ? -ENODATA : read_xattr(i, name, buf, n);
}

ssize_t p9_listxattr(struct inode *i, char *buf, size_t n)
{
	return known_none(i) ? 0 : read_xattr(i, "", buf, n);
}

int p9_setxattr(struct inode *i, const char *name, const void *buf, size_t n, int flags)
{
	struct p9_client *c = p9_c(i);
	u32 fid = p9_fid_new(c);
	size_t done = 0;
	int err = p9_clone(c, p9_i(i)->fid, fid), end;

	if (err)
		return err;
	err = p9_xattrcreate(c, fid, name, n, flags);
	while (!err && done < n) {
		ssize_t w = p9_write(c, fid, done, (const char *)buf + done, n - done);

		if (w <= 0)
			err = w ? w : -EIO;
		else
			done += w;
	}
	end = p9_clunk_wait(c, fid);	/* the server sets it now */
	p9_i(i)->no_xattr_until = 0;
	return err ? err : end;
}

/* The protocol removes an attribute by setting it to nothing, which must exist. */
int p9_removexattr(struct inode *i, const char *name)
{
	ssize_t n = p9_getxattr(i, name, NULL, 0);

	return n < 0 ? n : p9_setxattr(i, name, "", 0, 2 /* XATTR_REPLACE */);
}
