/*
 * mm_border.c - what mm/ asks of files: areas hold them, reports name them, write-back keeps their inodes alive.
 */
#include "internal.h"
#include <lib/text.h>

void vma_file_get(struct file *f)
{
	file_get(f);
}

void vma_file_put(struct file *f)
{
	file_put(f);
}

struct address_space *vma_file_mapping(struct file *f)
{
	return f->mapping;
}

void file_path_text(struct file *f, struct text *out)
{
	char *buf = kmalloc(PATH_MAX_BYTES, GFP_KERNEL), *s;

	if (!buf)
		return;
	s = path_name(&f->path, current->fs ? &current->fs->root : NULL, buf, PATH_MAX_BYTES);
	if (s)
		text_puts_escaped(out, s, "\n\\");
	kfree(buf);
}

const char *file_path_name(struct file *f, char *buf, size_t n)
{
	const char *s = path_name(&f->path, current->fs ? &current->fs->root : NULL, buf, n);

	return s ? s : "";
}

void file_dev_inode(struct file *f, u32 *major, u32 *minor, u64 *ino)
{
	struct stat_k st;

	if (vfs_getattr(&f->path, &st))
		st = (struct stat_k){ .dev = f->inode->sb->dev, .ino = f->inode->ino };
	*major = MAJOR(st.dev);
	*minor = MINOR(st.dev);
	*ino = st.ino;
}

/* The write-back worker keeps a file while it writes. */
bool mapping_host_get(struct address_space *m)
{
	return m->host && atomic_inc_not_zero(&m->host->refs);
}

void mapping_host_put(struct address_space *m)
{
	inode_put(m->host);
}

void mapping_host_error(struct address_space *m, int err)
{
	if (m->host)
		errseq_set(&m->host->sb->wb_err, err);
}

int vma_file_sync(struct file *f, loff_t start, loff_t end)
{
	return f->ops->fsync ? f->ops->fsync(f, start, end, true) : filemap_write_range(f->mapping, start, end, true);
}
