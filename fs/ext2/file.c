/*
 * file.c - data of ext2 files.
 *
 * With 4 KiB blocks a page is a block: runs of pages whose blocks are neighbours go to the disk in one request. With smaller blocks
 * data passes through the metadata cache, block by block, and through it to the disk: slower, and simple.
 * Blocks are allocated when a page is first written (write(2) or a fault), so a full disk is ENOSPC there and not a lost page
 * later; a new block's page starts out as zeros, never as what the disk held.
 */
#include <abi/errno.h>
#include <lib/string.h>

#include "ext2.h"

/* ---- 4 KiB blocks ---- */

/* How many of the pages from `at` on lie in consecutive blocks, starting with *block (0: holes). lock taken. */
static int map_run(struct inode *i, pgoff_t index, unsigned nr, u32 *block, unsigned *run)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	bool fresh;
	u32 next;
	int err;

	mutex_lock(&s->lock);
	err = ext2_bmap(i, index, false, block, &fresh);
	for (*run = 1; !err && *run < nr; ++*run) {
		err = ext2_bmap(i, index + *run, false, &next, &fresh);
		if (err || (*block ? next != *block + *run : next != 0))
			break;
	}
	mutex_unlock(&s->lock);
	return *run > 1 ? 0 : err;
}

static int whole_pages(struct inode *i, struct page **pages, unsigned nr, bool write)
{
	struct ext2_sb *s = ext2_sb(i->sb);

	for (unsigned at = 0, run; at < nr; at += run) {
		u32 block;
		int err = map_run(i, pages[at]->index, nr - at, &block, &run);

		if (err)
			return err;
		if (block)
			err = block_rw(s->bdev, write, (u64)block * SECTORS_PER_PAGE, pages + at, run);
		else if (write)
			err = -EIO;		/* a dirty page always has a block */
		if (err)
			return err;
		for (unsigned k = at; !write && k < at + run; k++) {
			if (!block)
				memset(page_address(pages[k]), 0, PAGE_SIZE);
			page_set(pages[k], PG_UPTODATE);
		}
	}
	return 0;
}

/* ---- small blocks ---- */

/* lock held. One block from the metadata cache to a page. */
static int copy_block(struct inode *i, u64 index, char *mem)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	struct ext2_chunk *c;
	bool fresh;
	u32 block;
	char *data;
	int err = ext2_bmap(i, index, false, &block, &fresh);

	if (err)
		return err;
	if (!block) {
		memset(mem, 0, s->block_size);
		return 0;
	}
	err = ext2_block_get(s, block, false, &c, (void **)&data);
	if (err)
		return err;
	memcpy(mem, data, s->block_size);
	ext2_chunk_put(s, c);
	return 0;
}

static int read_split(struct inode *i, struct page *p)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	unsigned per_page = PAGE_SIZE / s->block_size;
	int err = 0;

	mutex_lock(&s->lock);
	for (unsigned k = 0; k < per_page && !err; k++)
		err = copy_block(i, (u64)p->index * per_page + k, (char *)page_address(p) + k * s->block_size);
	mutex_unlock(&s->lock);
	if (!err)
		page_set(p, PG_UPTODATE);
	return err;
}

/* Neighbouring blocks go to the disk together, and at once: who waits for this file hears of its errors, and nobody else. */
static int write_split(struct inode *i, struct page *p)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	unsigned per_page = PAGE_SIZE / s->block_size;
	struct ext2_chunk *full = NULL, *c;
	int err = 0;

	mutex_lock(&s->lock);
	for (unsigned k = 0; k < per_page; k++) {
		bool fresh;
		char *data;
		u32 block;
		int e = ext2_bmap(i, (u64)p->index * per_page + k, false, &block, &fresh);

		if (!e && !block)
			continue;
		if (!e)
			e = ext2_block_get(s, block, false, &c, (void **)&data);
		err = err ? err : e;
		if (e)
			continue;
		memcpy(data, (char *)page_address(p) + k * s->block_size, s->block_size);
		if (full && full != c) {
			e = ext2_chunk_write_data(s, full);
			err = err ? err : e;
		}
		if (full)
			ext2_chunk_put(s, full);
		full = c;
	}
	if (full) {
		int e = ext2_chunk_write_data(s, full);

		err = err ? err : e;
		ext2_chunk_put(s, full);
	}
	mutex_unlock(&s->lock);
	return err;
}

static int rw_pages(struct address_space *m, struct page **pages, unsigned nr, bool write)
{
	int err = 0;

	if (ext2_sb(m->host->sb)->block_size == PAGE_SIZE)
		return whole_pages(m->host, pages, nr, write);
	for (unsigned k = 0; k < nr && !err; k++)
		err = write ? write_split(m->host, pages[k]) : read_split(m->host, pages[k]);
	return err;
}

static int ext2_read_pages(struct address_space *m, struct page **pages, unsigned nr)
{
	return rw_pages(m, pages, nr, false);
}

static int ext2_read_page(struct address_space *m, struct page *p)
{
	return rw_pages(m, &p, 1, false);
}

static int ext2_write_pages(struct address_space *m, struct page **pages, unsigned nr, size_t len_last)
{
	memset((char *)page_address(pages[nr - 1]) + len_last, 0, PAGE_SIZE - len_last);
	return rw_pages(m, pages, nr, true);
}

static int ext2_write_page(struct address_space *m, struct page *p, size_t len)
{
	return ext2_write_pages(m, &p, 1, len);
}

/* ---- making room ---- */

/* Blocks for bytes [from, from + n) of a locked page. New ones are zero in the page, old ones read when the page is not up to date. */
static int make_blocks(struct inode *i, struct page *p, unsigned from, unsigned n)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	unsigned per_page = PAGE_SIZE / s->block_size;
	bool any = false, fresh, is_new[4] = { false };
	int err = 0;
	u32 block;

	mutex_lock(&s->lock);
	for (unsigned k = from / s->block_size; k <= (from + n - 1) / s->block_size && !err; k++) {
		err = ext2_bmap(i, (u64)p->index * per_page + k, true, &block, &fresh);
		is_new[k] = !err && fresh;
		any |= is_new[k];
	}
	if (any && !page_test(p, PG_UPTODATE)) {
		for (unsigned k = 0; k < per_page; k++) {
			char *mem = (char *)page_address(p) + k * s->block_size;
			int e = 0;

			if (is_new[k] || per_page == 1)
				memset(mem, 0, s->block_size);
			else
				e = copy_block(i, (u64)p->index * per_page + k, mem);
			err = err ? err : e;
		}
		if (!err)
			page_set(p, PG_UPTODATE);
	}
	if (any) {
		int e = ext2_write_inode_locked(i);

		err = err ? err : e;
	}
	mutex_unlock(&s->lock);
	return err;
}

static int ext2_write_begin(struct address_space *m, struct page *p, unsigned from, unsigned n)
{
	return make_blocks(m->host, p, from, n);
}

static int ext2_page_mkwrite(struct address_space *m, struct page *p)
{
	u64 start = (u64)p->index << PAGE_SHIFT;

	if (start >= (u64)m->size)
		return -EIO;
	return make_blocks(m->host, p, 0, min((u64)PAGE_SIZE, (u64)m->size - start));
}

const struct mapping_ops ext2_aops = {
	.read_page = ext2_read_page, .read_pages = ext2_read_pages, .write_page = ext2_write_page,
	.write_pages = ext2_write_pages, .write_begin = ext2_write_begin, .page_mkwrite = ext2_page_mkwrite,
	.swap_activate = ext2_swap_activate, .swap_deactivate = ext2_swap_deactivate, .swap_rw = ext2_swap_rw,
	.swap_discard = ext2_swap_discard,
};

/* ---- files ---- */

static ssize_t ext2_file_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	struct inode *i = f->inode;
	size_t want = from->left;
	ssize_t n = generic_file_write(f, from, pos);
	int err;

	if (n != (ssize_t)want) {		/* blocks may have been made for bytes that never came */
		rwsem_write_lock(&i->rwsem);
		mutex_lock(&ext2_sb(i->sb)->lock);
		ext2_truncate_blocks(i, i->data.size);
		mutex_unlock(&ext2_sb(i->sb)->lock);
		rwsem_write_unlock(&i->rwsem);
	}
	err = ext2_write_inode(i);
	return err ? err : n;
}

static int ext2_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	int err = generic_fsync(f, start, end, datasync), e = ext2_write_inode(f->inode);

	if (!e)
		e = f->inode->sb->ops->sync(f->inode->sb, true);
	return err ? err : e;
}

static void ext2_release(struct file *f)
{
	if ((f->mode & FMODE_WRITE) && f->inode->nlink && ext2_write_inode(f->inode))
		f->inode->version++;		/* the times of a mapping's last writes stay in memory only */
}

const struct file_ops ext2_file_fops = {
	.read = generic_file_read, .write = ext2_file_write, .llseek = generic_llseek, .can_mmap = true,
	.fsync = ext2_fsync, .release = ext2_release,
};
