/*
 * buffer.c - ext2's metadata in memory: page-sized, page-aligned pieces of the disk.
 *
 * WHY         bitmaps, inode tables, directories and pointer blocks are smaller than a page or share one with others; data pages of
 *             files go their own way (with 4 KiB blocks), so this cache must forget a block the moment it is freed.
 * LIFE        read on demand, kept in LRU order; clean ones beyond max_chunks are dropped, dirty ones are written first.
 * LOCKS       ext2_sb.lock, held over the I/O too: one operation on metadata at a time.
 */
#include <abi/errno.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>

#include "ext2.h"

static struct list *bucket(struct ext2_sb *s, u64 index)
{
	return &s->buckets[index % CHUNK_BUCKETS];
}

static int chunk_rw(struct ext2_sb *s, struct ext2_chunk *c, bool write)
{
	u64 sector = c->index * SECTORS_PER_PAGE;

	/* The last piece of a disk may be shorter than a page. */
	if (sector + SECTORS_PER_PAGE > s->bdev->sectors)
		return block_rw_bytes(s->bdev, write, sector, c->page, (u32)(s->bdev->sectors - sector) * SECTOR_SIZE);
	return block_rw(s->bdev, write, sector, &c->page, 1);
}

int ext2_chunk_write_data(struct ext2_sb *s, struct ext2_chunk *c)
{
	int err = chunk_rw(s, c, true);

	if (!err && c->dirty) {
		c->dirty = false;
		s->nr_dirty--;
	}
	return err;
}

/* Metadata stays dirty until it is on the disk. */
static int chunk_write(struct ext2_sb *s, struct ext2_chunk *c)
{
	int err = ext2_chunk_write_data(s, c);

	if (err && err != -ENOMEM && !c->failed) {
		errseq_set(&s->sb->wb_err, err);
		ext2_error(s, "IO error writing metadata at byte %llu", (unsigned long long)c->index * PAGE_SIZE);
	}
	c->failed = err && err != -ENOMEM;
	return err;
}

static void chunk_free(struct ext2_sb *s, struct ext2_chunk *c)
{
	list_remove(&c->hash_link);
	list_remove(&c->lru);
	if (c->dirty)
		s->nr_dirty--;
	s->nr_chunks--;
	page_put(c->page);
	kfree(c);
}

static void trim(struct ext2_sb *s)
{
	struct ext2_chunk *c, *next;
	unsigned look = 32;

	list_for_each_safe(c, next, &s->lru, lru) {
		if (s->nr_chunks <= s->max_chunks || !look--)
			return;
		if (c->refs || (c->dirty && chunk_write(s, c)))
			continue;
		chunk_free(s, c);
	}
}

static struct ext2_chunk *find(struct ext2_sb *s, u64 index)
{
	struct ext2_chunk *c;

	list_for_each(c, bucket(s, index), hash_link)
		if (c->index == index)
			return c;
	return NULL;
}

int ext2_chunk_get(struct ext2_sb *s, u64 offset, bool fresh, struct ext2_chunk **out)
{
	u64 index = offset / PAGE_SIZE;
	struct ext2_chunk *c = find(s, index);
	int err;

	assert_mutex_held(&s->lock);
	if (c) {
		c->refs++;
		list_move_to_end(&s->lru, &c->lru);
		*out = c;
		return 0;
	}
	trim(s);
	c = kzalloc(sizeof(*c), GFP_NOFS);
	if (!c)
		return -ENOMEM;
	c->page = page_alloc(GFP_NOFS | GFP_ZERO | GFP_NOACCOUNT, 0, ACCT_DEVICE);
	if (!c->page) {
		kfree(c);
		return -ENOMEM;
	}
	c->index = index;
	c->refs = 1;
	err = fresh ? 0 : chunk_rw(s, c, false);
	if (err) {
		page_put(c->page);
		kfree(c);
		return err;
	}
	list_push(bucket(s, index), &c->hash_link);
	list_append(&s->lru, &c->lru);
	s->nr_chunks++;
	*out = c;
	return 0;
}

void ext2_chunk_put(struct ext2_sb *s, struct ext2_chunk *c)
{
	assert(c->refs);
	c->refs--;
}

void ext2_chunk_dirty(struct ext2_sb *s, struct ext2_chunk *c)
{
	if (!c->dirty) {
		c->dirty = true;
		s->nr_dirty++;
	}
}

int ext2_block_get(struct ext2_sb *s, u32 block, bool fresh, struct ext2_chunk **out, void **data)
{
	u64 offset = (u64)block << s->block_bits;
	int err;

	if (!ext2_block_valid(s, block))
		return -EIO;
	/* With small blocks the neighbours in the page are somebody else's. */
	err = ext2_chunk_get(s, offset, fresh && s->block_size == PAGE_SIZE, out);
	if (err)
		return err;
	*data = (char *)page_address((*out)->page) + offset % PAGE_SIZE;
	if (fresh)
		memset(*data, 0, s->block_size);
	return 0;
}

void ext2_block_forget(struct ext2_sb *s, u32 block)
{
	struct ext2_chunk *c;

	if (s->block_size < PAGE_SIZE)
		return;			/* data goes through this cache too: the next owner overwrites it here */
	c = find(s, block);
	if (!c)
		return;
	if (!c->refs) {
		chunk_free(s, c);
	} else if (c->dirty) {
		c->dirty = false;
		s->nr_dirty--;
	}
}

int ext2_flush_chunks(struct ext2_sb *s)
{
	struct ext2_chunk *c, *next;
	int err = 0;

	list_for_each_safe(c, next, &s->lru, lru) {
		int e = c->dirty ? chunk_write(s, c) : 0;

		err = err ? err : e;
	}
	return err;
}

void ext2_free_chunks(struct ext2_sb *s)
{
	struct list *l;

	while ((l = list_first(&s->lru)))
		chunk_free(s, list_entry(l, struct ext2_chunk, lru));
}
