/*
 * sync.c - sync, fsync and hints about future use.
 */
#include "internal.h"

SYSCALL0(sync)
{
	filemap_sync_all(true);
	sb_sync_all(true);
	return 0;
}

SYSCALL(syncfs, int fd)
{
	struct fdref r = fdref_get(fd);
	struct super_block *sb;
	int err = 0, seen;

	if (!r.file)
		return -EBADF;
	sb = r.file->path.dentry->sb;
	filemap_sync_all(true);
	if (sb->ops && sb->ops->sync)
		err = sb->ops->sync(sb, true);
	seen = errseq_check(&sb->wb_err, &r.file->sb_err);
	fdref_put(r);
	return err ? err : seen;
}

static long do_fsync(int fd, loff_t start, loff_t end, bool datasync)
{
	struct file *f = fd_get_io(fd);
	int err;

	if (!f)
		return -EBADF;
	err = f->ops->fsync ? f->ops->fsync(f, start, end, datasync) : -EINVAL;
	file_put(f);
	return err;
}

SYSCALL(fsync, int fd)
{
	return do_fsync(fd, 0, S64_MAX, false);
}

SYSCALL(fdatasync, int fd)
{
	return do_fsync(fd, 0, S64_MAX, true);
}

SYSCALL(sync_file_range, int fd, long off, long len, unsigned flags)
{
	struct fdref r;
	long end;
	int err = 0;

	if ((flags & ~7u) || off < 0 || len < 0 || __builtin_add_overflow(off, len, &end))
		return -EINVAL;
	r = fdref_get(fd);
	if (!r.file)
		return -EBADF;
	if (!S_ISREG(r.file->inode->mode) && !S_ISBLK(r.file->inode->mode) && !S_ISDIR(r.file->inode->mode))
		err = -ESPIPE;
	else if (!S_ISDIR(r.file->inode->mode)) {
		if (flags)
			err = filemap_write_range(r.file->mapping, off, len ? end - 1 : S64_MAX, flags & 5);
		if (flags & 5) {		/* who waits is told what happened, also before */
			int seen = filemap_check_errors(r.file->mapping, &r.file->wb_err);

			err = err ? err : seen;
		}
	}
	fdref_put(r);
	return err;
}

enum { ADV_NORMAL, ADV_RANDOM, ADV_SEQUENTIAL, ADV_WILLNEED, ADV_DONTNEED, ADV_NOREUSE };

static int advise(struct file *f, loff_t off, loff_t len, int advice)
{
	loff_t end;

	if (S_ISFIFO(f->inode->mode))
		return -ESPIPE;
	if (len < 0 || advice < ADV_NORMAL || advice > ADV_NOREUSE)
		return -EINVAL;
	if (!f->mapping || !f->mapping->ops)
		return 0;
	if (!len || __builtin_add_overflow(off, len, &end))
		end = S64_MAX;
	switch (advice) {
	case ADV_NORMAL:
		f->ra.max_pages = 32;
		break;
	case ADV_RANDOM:
		f->ra.max_pages = 0;
		break;
	case ADV_SEQUENTIAL:
		f->ra.max_pages = 64;
		break;
	case ADV_WILLNEED:
		end = min(end, inode_size(f->inode));
		if (end > off)
			filemap_readahead(f->mapping, (pgoff_t)off >> PAGE_SHIFT,
					  (unsigned)min((end - off + (loff_t)PAGE_SIZE - 1) >> PAGE_SHIFT, (loff_t)512));
		break;
	case ADV_DONTNEED:
		if (f->mapping->flags & MAPPING_NO_WRITEBACK)
			break;
		filemap_write_range(f->mapping, off, end - 1, false);
		/* Only whole pages: ALIGN_UP the start, round the end down. */
		if (((u64)end >> PAGE_SHIFT) > (((u64)off + PAGE_SIZE - 1) >> PAGE_SHIFT))
			filemap_invalidate(f->mapping, ((u64)off + PAGE_SIZE - 1) >> PAGE_SHIFT, ((u64)end >> PAGE_SHIFT) - 1);
		break;
	}
	return 0;
}

SYSCALL(fadvise64, int fd, long off, long len, int advice)
{
	struct fdref r = fdref_get(fd);
	int err;

	if (!r.file)
		return -EBADF;
	err = advise(r.file, off, len, advice);
	fdref_put(r);
	return err;
}

SYSCALL(readahead, int fd, long off, size_t n)
{
	struct fdref r = fdref_get(fd);
	int err;

	if (!r.file || !(r.file->mode & FMODE_READ))
		err = -EBADF;
	else if (!S_ISREG(r.file->inode->mode))
		err = -EINVAL;
	else
		err = advise(r.file, off, (loff_t)min(n, (size_t)MAX_RW_COUNT), ADV_WILLNEED);
	fdref_put(r);
	return err;
}
