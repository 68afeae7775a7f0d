/*
 * readdir.c - getdents64 and getdents: entries that a file system emits, packed for user space.
 */
#include "internal.h"

struct dirent64_head {		/* struct linux_dirent64 without its name */
	u64	ino;
	s64	off;
	u16	reclen;
	u8	type;
} packed;
#define HEAD64	19		/* the name starts here */

struct getdents {
	struct dir_context	ctx;
	char __user		*buf;
	size_t			left;
	bool			any;
	bool			old;		/* struct linux_dirent: type behind the name */
	int			err;
};

static bool emit(struct dir_context *ctx, const char *name, u32 len, loff_t pos, u64 ino, unsigned type)
{
	struct getdents *g = container_of(ctx, struct getdents, ctx);
	u32 head = g->old ? 18 : HEAD64;
	size_t reclen = ALIGN_UP(head + len + (g->old ? 2u : 1u), 8u);
	char rec[HEAD64 + NAME_MAX_BYTES + 16];
	struct dirent64_head h = { .ino = ino, .off = pos, .reclen = (u16)reclen, .type = (u8)type };

	if (len > NAME_MAX_BYTES) {
		g->err = -EIO;
		return false;
	}
	if (reclen > g->left) {
		if (!g->any)
			g->err = -EINVAL;	/* not even one fits */
		return false;
	}
	memset(rec + head + len, 0, reclen - head - len);
	memcpy(rec, &h, min(sizeof(h), (size_t)head));
	memcpy(rec + head, name, len);
	if (g->old)
		rec[reclen - 1] = (char)type;
	if (copy_to_user(g->buf, rec, reclen)) {
		g->err = -EFAULT;
		return false;
	}
	g->any = true;
	g->buf += reclen;
	g->left -= reclen;
	return true;
}

static long do_getdents(int fd, char __user *buf, unsigned size, bool old)
{
	struct getdents g = { .ctx.emit = emit, .buf = buf, .left = size, .old = old };
	struct file *f = fd_get_io(fd);
	struct inode *dir;
	int err;

	if (!f)
		return -EBADF;
	dir = f->inode;
	err = -ENOTDIR;
	if (!f->ops->iterate || !S_ISDIR(dir->mode))
		goto put;
	mutex_lock(&f->pos_lock);
	rwsem_read_lock(&dir->rwsem);
	err = -ENOENT;
	if (!(dir->flags & S_DEAD)) {
		g.ctx.pos = f->pos;
		err = f->ops->iterate(f, &g.ctx);
		f->pos = g.ctx.pos;
		file_accessed(f);
	}
	rwsem_read_unlock(&dir->rwsem);
	if (err >= 0)
		err = g.err;
	if (g.any)
		err = (int)(size - g.left);
	mutex_unlock(&f->pos_lock);
put:
	file_put(f);
	return err;
}

SYSCALL(getdents64, int fd, char __user *buf, unsigned size)
{
	return do_getdents(fd, buf, size, false);
}

SYSCALL(getdents, int fd, char __user *buf, unsigned size)
{
	return do_getdents(fd, buf, size, true);
}
