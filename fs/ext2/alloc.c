/*
 * alloc.c - which blocks and inodes are free: bitmaps, group descriptors, the super block's totals. All under ext2_sb.lock.
 */
#include <abi/errno.h>
#include <kernel/cred.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include <linux/capability.h>

#include "ext2.h"

/* The group's descriptor; *c is held by the super block for good, and here only for marking it dirty. */
struct ext2_group *ext2_group(struct ext2_sb *s, unsigned g, struct ext2_chunk **c)
{
	u64 start = (u64)(s->first_data_block + 1) << s->block_bits, offset = start + g * sizeof(struct ext2_group);

	*c = s->group_chunks[offset / PAGE_SIZE - start / PAGE_SIZE];
	return (struct ext2_group *)((char *)page_address((*c)->page) + offset % PAGE_SIZE);
}

bool ext2_block_valid(struct ext2_sb *s, u32 block)
{
	return block >= s->first_data_block && block < s->nr_blocks;
}

static int bitmap(struct ext2_sb *s, u32 block, struct ext2_chunk **c, u8 **map)
{
	int err = ext2_block_get(s, block, false, c, (void **)map);

	if (err == -EIO)
		ext2_error(s, "cannot read the bitmap in block %u", block);
	return err;
}

static int find_zero(const u8 *map, u32 from, u32 end)
{
	for (u32 k = from; k < end; k++) {
		if (!(k & 7) && map[k / 8] == 0xff) {
			k += 7;
			continue;
		}
		if (!(map[k / 8] >> (k & 7) & 1))
			return k;
	}
	return -1;
}

static u32 blocks_in_group(struct ext2_sb *s, unsigned g)
{
	u32 start = s->first_data_block + g * s->blocks_per_group;

	return min(s->blocks_per_group, s->nr_blocks - start);
}

/* A free block of group g, from bit `from` on. 0 and *out, or -ENOSPC. */
static int take_block(struct ext2_sb *s, unsigned g, u32 from, u32 *out)
{
	struct ext2_chunk *gc, *bc;
	struct ext2_group *gd = ext2_group(s, g, &gc);
	u8 *map;
	int bit, err;

	if (!gd->free_blocks)
		return -ENOSPC;
	err = bitmap(s, gd->block_bitmap, &bc, &map);
	if (err)
		return err;
	bit = find_zero(map, from, blocks_in_group(s, g));
	if (bit < 0 && from)
		bit = find_zero(map, 0, from);
	if (bit >= 0) {
		map[bit / 8] |= 1 << (bit & 7);
		gd->free_blocks--;
		s->es->free_blocks--;
		ext2_chunk_dirty(s, bc);
		ext2_chunk_dirty(s, gc);
		ext2_chunk_dirty(s, s->super_chunk);
		*out = s->first_data_block + g * s->blocks_per_group + bit;
	}
	ext2_chunk_put(s, bc);
	return bit < 0 ? -ENOSPC : 0;
}

int ext2_block_alloc(struct inode *i, u32 goal, u32 *out)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	unsigned first;
	int err = -ENOSPC;

	if (s->es->free_blocks <= s->es->reserved_blocks && !capable(CAP_SYS_RESOURCE))
		return -ENOSPC;
	if (!ext2_block_valid(s, goal))
		goal = s->first_data_block + (i->ino - 1) / s->inodes_per_group * s->blocks_per_group;
	if (!ext2_block_valid(s, goal))
		goal = s->first_data_block;
	first = (goal - s->first_data_block) / s->blocks_per_group;
	for (unsigned n = 0; n < s->nr_groups && err == -ENOSPC; n++) {
		unsigned g = (first + n) % s->nr_groups;

		err = take_block(s, g, n ? 0 : (goal - s->first_data_block) % s->blocks_per_group, out);
	}
	if (err)
		return err;
	ext2_i(i)->sectors += s->block_size / SECTOR_SIZE;
	i->blocks = ext2_i(i)->sectors;
	return 0;
}

void ext2_block_free(struct inode *i, u32 block)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	struct ext2_chunk *gc, *bc;
	struct ext2_group *gd;
	unsigned g;
	u32 bit;
	u8 *map;

	if (!ext2_block_valid(s, block)) {
		ext2_error(s, "inode %llu names block %u, which is outside the disk", (unsigned long long)i->ino, block);
		return;
	}
	g = (block - s->first_data_block) / s->blocks_per_group;
	bit = (block - s->first_data_block) % s->blocks_per_group;
	gd = ext2_group(s, g, &gc);
	ext2_block_forget(s, block);
	if (bitmap(s, gd->block_bitmap, &bc, &map))
		return;			/* unreadable: the block stays taken; e2fsck finds it */
	if (map[bit / 8] >> (bit & 7) & 1) {
		map[bit / 8] &= ~(1 << (bit & 7));
		gd->free_blocks++;
		s->es->free_blocks++;
		ext2_chunk_dirty(s, bc);
		ext2_chunk_dirty(s, gc);
		ext2_chunk_dirty(s, s->super_chunk);
		ext2_i(i)->sectors -= min(ext2_i(i)->sectors, (u64)s->block_size / SECTOR_SIZE);
		i->blocks = ext2_i(i)->sectors;
	} else {
		ext2_error(s, "block %u was free already", block);
	}
	ext2_chunk_put(s, bc);
}

static int take_inode(struct ext2_sb *s, unsigned g, bool dir, u32 *ino)
{
	struct ext2_chunk *gc, *bc;
	struct ext2_group *gd = ext2_group(s, g, &gc);
	u32 from = g == 0 ? s->first_ino - 1 : 0;
	u8 *map;
	int bit, err;

	if (!gd->free_inodes)
		return -ENOSPC;
	err = bitmap(s, gd->inode_bitmap, &bc, &map);
	if (err)
		return err;
	bit = find_zero(map, from, s->inodes_per_group);
	if (bit >= 0) {
		map[bit / 8] |= 1 << (bit & 7);
		gd->free_inodes--;
		gd->used_dirs += dir;
		s->es->free_inodes--;
		ext2_chunk_dirty(s, bc);
		ext2_chunk_dirty(s, gc);
		ext2_chunk_dirty(s, s->super_chunk);
		*ino = g * s->inodes_per_group + bit + 1;
	}
	ext2_chunk_put(s, bc);
	return bit < 0 ? -ENOSPC : 0;
}

/* Files near their directory; directories where most is free. */
int ext2_inode_alloc(struct inode *dir, u32 mode, u32 *ino)
{
	struct ext2_sb *s = ext2_sb(dir->sb);
	unsigned first = (dir->ino - 1) / s->inodes_per_group;
	struct ext2_chunk *c;
	int err = -ENOSPC;

	if (S_ISDIR(mode))
		for (unsigned g = 0; g < s->nr_groups; g++)
			if (ext2_group(s, g, &c)->free_inodes > ext2_group(s, first, &c)->free_inodes)
				first = g;
	for (unsigned n = 0; n < s->nr_groups && err == -ENOSPC; n++)
		err = take_inode(s, (first + n) % s->nr_groups, S_ISDIR(mode), ino);
	return err;
}

void ext2_inode_free(struct inode *i)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	unsigned g = (i->ino - 1) / s->inodes_per_group;
	u32 bit = (i->ino - 1) % s->inodes_per_group;
	struct ext2_chunk *gc, *bc;
	struct ext2_group *gd = ext2_group(s, g, &gc);
	u8 *map;

	if (bitmap(s, gd->inode_bitmap, &bc, &map))
		return;
	map[bit / 8] &= ~(1 << (bit & 7));
	gd->free_inodes++;
	if (S_ISDIR(i->mode))
		gd->used_dirs--;
	s->es->free_inodes++;
	ext2_chunk_dirty(s, bc);
	ext2_chunk_dirty(s, gc);
	ext2_chunk_dirty(s, s->super_chunk);
	ext2_chunk_put(s, bc);
}
