/*
 * inode.c - inodes: from and to the disk, where their blocks are, truncation, the end.
 *
 * The raw inode in the metadata cache is brought up to date at each change, so an inode that leaves memory has nothing to
 * write but its access time. A file that is unlinked while open is freed when its last user goes.
 */
#include <abi/errno.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <mm/slab.h>

#include "ext2.h"

/* ---- raw inodes ---- */

static int raw_inode(struct ext2_sb *s, u32 ino, struct ext2_chunk **c, struct ext2_raw_inode **raw)
{
	unsigned g = (ino - 1) / s->inodes_per_group;
	u64 at = (u64)((ino - 1) % s->inodes_per_group) * s->inode_size;
	struct ext2_chunk *gc;
	struct ext2_group *gd;
	char *data;
	int err;

	if (!ino || g >= s->nr_groups)
		return -EIO;
	gd = ext2_group(s, g, &gc);
	err = ext2_block_get(s, gd->inode_table + (u32)(at >> s->block_bits), false, c, (void **)&data);
	if (!err)
		*raw = (struct ext2_raw_inode *)(data + at % s->block_size);
	else if (err == -EIO)
		ext2_error(s, "unable to read the block of inode %u", ino);
	return err;
}

/* dev_t as old Linux stored it in block[0], or the new form in block[1]. */
static void store_rdev(struct ext2_raw_inode *raw, u32 rdev)
{
	u32 ma = MAJOR(rdev), mi = MINOR(rdev);

	if (ma < 256 && mi < 256) {
		raw->block[0] = ma << 8 | mi;
		raw->block[1] = 0;
	} else {
		raw->block[0] = 0;
		raw->block[1] = (mi & 0xff) | ma << 8 | (mi & ~0xffu) << 12;
	}
}

static u32 load_rdev(const struct ext2_raw_inode *raw)
{
	u32 n = raw->block[1];

	if (raw->block[0])
		return MKDEV(raw->block[0] >> 8 & 0xff, raw->block[0] & 0xff);
	return MKDEV(n >> 8 & 0xfff, (n & 0xff) | (n >> 12 & 0xfff00));
}

int ext2_write_inode_locked(struct inode *i)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	struct ext2_inode *e = ext2_i(i);
	struct ext2_raw_inode *raw;
	struct ext2_chunk *c;
	int err;

	if (s->read_only)
		return 0;
	err = raw_inode(s, i->ino, &c, &raw);
	if (err)
		return err;
	if (e->is_new) {
		memset(raw, 0, s->inode_size);
		e->is_new = false;
	}
	raw->mode = i->mode;
	raw->uid = i->uid;
	raw->uid_high = i->uid >> 16;
	raw->gid = i->gid;
	raw->gid_high = i->gid >> 16;
	raw->size = i->data.size;
	if (S_ISREG(i->mode)) {
		raw->size_high = (u64)i->data.size >> 32;
		if (raw->size_high && !(s->es->ro_compat & EXT2_RO_LARGE_FILE)) {
			s->es->ro_compat |= EXT2_RO_LARGE_FILE;
			ext2_chunk_dirty(s, s->super_chunk);
		}
	}
	raw->atime = i->atime.sec;
	raw->mtime = i->mtime.sec;
	raw->ctime = i->ctime.sec;
	raw->dtime = i->nlink ? 0 : (u32)time_now_k().sec;
	raw->links = i->nlink;
	raw->blocks = e->sectors;
	raw->flags = e->flags;
	raw->file_acl = e->file_acl;
	raw->generation = e->generation;
	memcpy(raw->block, e->block, sizeof(raw->block));
	if (S_ISCHR(i->mode) || S_ISBLK(i->mode))
		store_rdev(raw, i->rdev);
	ext2_chunk_dirty(s, c);
	ext2_chunk_put(s, c);
	return 0;
}

int ext2_write_inode(struct inode *i)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	int err;

	mutex_lock(&s->lock);
	err = ext2_write_inode_locked(i);
	mutex_unlock(&s->lock);
	return err;
}

static void load_inode(struct inode *i, const struct ext2_raw_inode *raw)
{
	struct ext2_inode *e = ext2_i(i);

	i->mode = raw->mode;
	i->uid = raw->uid | (u32)raw->uid_high << 16;
	i->gid = raw->gid | (u32)raw->gid_high << 16;
	i->nlink = raw->links;
	i->data.size = raw->size | (S_ISREG(i->mode) ? (loff_t)raw->size_high << 32 : 0);
	i->atime = (struct timespec_k){ (s32)raw->atime, 0 };
	i->mtime = (struct timespec_k){ (s32)raw->mtime, 0 };
	i->ctime = (struct timespec_k){ (s32)raw->ctime, 0 };
	e->sectors = raw->blocks;
	i->blocks = raw->blocks;
	e->flags = raw->flags;
	e->file_acl = raw->file_acl;
	e->generation = raw->generation;
	memcpy(e->block, raw->block, sizeof(e->block));
	if (S_ISCHR(i->mode) || S_ISBLK(i->mode))
		i->rdev = load_rdev(raw);
	i->flags = (e->flags & EXT2_FL_IMMUTABLE ? S_IMMUTABLE_FL : 0) | (e->flags & EXT2_FL_APPEND ? S_APPEND_FL : 0);
}

/* Fill i from the disk. lock held. */
static int read_inode(struct inode *i)
{
	struct ext2_raw_inode *raw;
	struct ext2_chunk *c;
	int err = raw_inode(ext2_sb(i->sb), i->ino, &c, &raw);

	if (err)
		return err;
	load_inode(i, raw);
	if (!raw->links || !raw->mode || i->data.size < 0)
		err = -EIO;			/* a name that points to a free inode */
	ext2_chunk_put(ext2_sb(i->sb), c);
	return err;
}

/* Memory first: an allocation under the lock might free another inode, which takes it. */
struct inode *ext2_inode_blank(struct super_block *sb)
{
	struct ext2_inode *e = kzalloc(sizeof(*e), GFP_KERNEL);
	struct inode *i = e ? inode_alloc(sb) : NULL;

	if (!i)
		kfree(e);
	else
		i->priv = e;
	return i;
}

int ext2_iget(struct super_block *sb, u32 ino, struct inode **out)
{
	struct ext2_sb *s = ext2_sb(sb);
	struct inode *i = inode_lookup(sb, ino), *spare;
	int err = 0;

	if (i) {
		*out = i;
		return 0;
	}
	spare = ext2_inode_blank(sb);
	if (!spare)
		return -ENOMEM;
	mutex_lock(&s->lock);
	i = inode_lookup(sb, ino);
	if (!i) {
		spare->ino = ino;
		err = read_inode(spare);
		if (!err) {
			ext2_set_ops(spare);
			inode_hash_insert(spare);
			i = spare;
			spare = NULL;
		}
	}
	mutex_unlock(&s->lock);
	if (spare) {
		spare->nlink = 1;		/* nothing of it is to be freed on disk */
		inode_put(spare);
	}
	*out = i;
	return err;
}

/* ---- where the blocks are ---- */

/* The path to file block `index`: depth (1 … 4) and the place in each table; 0 when too far. */
static unsigned block_path(struct ext2_sb *s, u64 index, u32 at[4])
{
	u64 n = s->ptrs;

	if (index < EXT2_DIRECT) {
		at[0] = index;
		return 1;
	}
	index -= EXT2_DIRECT;
	for (unsigned depth = 2; depth <= 4; depth++, n *= s->ptrs) {
		u64 below = n;

		if (index < n) {
			at[0] = EXT2_DIRECT + depth - 2;
			for (unsigned k = 1; k < depth; k++) {
				below /= s->ptrs;
				at[k] = index / below;
				index %= below;
			}
			return depth;
		}
		index -= n;
	}
	return 0;
}

/* A new block; tables start out zeroed. */
static int new_block(struct inode *i, u32 goal, bool table, u32 *out)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	struct ext2_chunk *c;
	void *data;
	int err = ext2_block_alloc(i, goal, out);

	if (err || !table)
		return err;
	err = ext2_block_get(s, *out, true, &c, &data);
	if (err) {
		ext2_block_free(i, *out);
		return err;
	}
	ext2_chunk_dirty(s, c);
	ext2_chunk_put(s, c);
	return 0;
}

/* One step down: the entry, made when asked for. *entry 0: a hole. */
static int step(struct inode *i, u32 *slot, u32 goal, bool table, bool create, struct ext2_chunk *owner, u32 *entry, bool *fresh)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	int err;

	if (!*slot && create) {
		err = new_block(i, goal, table, slot);
		if (err) {
			*slot = 0;
			return err;
		}
		*fresh = !table;
		if (owner)
			ext2_chunk_dirty(s, owner);
	}
	*entry = *slot;
	return 0;
}

int ext2_bmap(struct inode *i, u64 index, bool create, u32 *out, bool *fresh)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	struct ext2_inode *e = ext2_i(i);
	u32 at[4], entry, goal;
	unsigned depth = block_path(s, index, at);
	int err;

	*fresh = false;
	*out = 0;
	if (!depth)
		return -EFBIG;
	goal = at[0] && e->block[at[0] - 1] ? e->block[at[0] - 1] + 1 : s->goal;
	err = step(i, &e->block[at[0]], goal, depth > 1, create, NULL, &entry, fresh);
	for (unsigned k = 1; !err && entry && k < depth; k++) {
		struct ext2_chunk *c;
		u32 *table;

		err = ext2_block_get(s, entry, false, &c, (void **)&table);
		if (err)
			break;
		goal = at[k] && table[at[k] - 1] ? table[at[k] - 1] + 1 : entry + 1;
		err = step(i, &table[at[k]], goal, k + 1 < depth, create, c, &entry, fresh);
		ext2_chunk_put(s, c);
	}
	if (err)
		return err;
	if (entry && !ext2_block_valid(s, entry))
		return -EIO;
	if (*fresh)
		s->goal = entry + 1;
	*out = entry;
	return 0;
}

/* ---- truncation ---- */

/* Free what lies at or after file block `first` (relative to this table) below a table of this depth. True: nothing is left of it. */
static bool free_branch(struct inode *i, u32 block, unsigned depth, u64 first)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	u64 each = 1;
	struct ext2_chunk *c;
	u32 *table;

	for (unsigned k = 1; k < depth; k++)
		each *= s->ptrs;
	if (ext2_block_get(s, block, false, &c, (void **)&table))
		return false;			/* unreadable: its blocks are lost until e2fsck */
	for (u64 k = first / each; k < s->ptrs; k++) {
		u64 inside = k == first / each ? first % each : 0;

		if (!table[k])
			continue;
		if (depth == 1)
			ext2_block_free(i, table[k]);
		else if (!free_branch(i, table[k], depth - 1, inside))
			continue;
		table[k] = 0;
		ext2_chunk_dirty(s, c);
	}
	ext2_chunk_put(s, c);
	if (first)
		return false;
	ext2_block_free(i, block);
	return true;
}

void ext2_truncate_blocks(struct inode *i, loff_t size)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	struct ext2_inode *e = ext2_i(i);
	u64 first = DIV_ROUND_UP((u64)size, s->block_size), base = EXT2_DIRECT, covers = s->ptrs;

	for (u64 k = first; k < EXT2_DIRECT; k++)
		if (e->block[k]) {
			ext2_block_free(i, e->block[k]);
			e->block[k] = 0;
		}
	for (unsigned depth = 1; depth <= 3; depth++) {
		u32 *slot = &e->block[EXT2_DIRECT + depth - 1];

		if (*slot && first < base + covers && free_branch(i, *slot, depth, first > base ? first - base : 0))
			*slot = 0;
		base += covers;
		covers *= s->ptrs;
	}
}

static bool has_blocks(const struct inode *i)
{
	return S_ISREG(i->mode) || S_ISDIR(i->mode) || (S_ISLNK(i->mode) && ext2_i(i)->sectors);
}

/* An attribute block may be shared: it counts its users at offset 4. */
static void release_attributes(struct inode *i)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	struct ext2_inode *e = ext2_i(i);
	struct ext2_chunk *c;
	u32 *head;

	if (!e->file_acl || ext2_block_get(s, e->file_acl, false, &c, (void **)&head))
		return;
	if (head[1] > 1) {
		head[1]--;
		ext2_chunk_dirty(s, c);
		ext2_chunk_put(s, c);
		e->sectors -= min(e->sectors, (u64)s->block_size / SECTOR_SIZE);
	} else {
		ext2_chunk_put(s, c);
		ext2_block_free(i, e->file_acl);
	}
	e->file_acl = 0;
}

void ext2_evict(struct inode *i)
{
	struct ext2_sb *s = ext2_sb(i->sb);

	if (!i->priv)
		return;
	if (!i->nlink && !s->read_only) {
		mutex_lock(&s->lock);
		if (has_blocks(i) && !(S_ISLNK(i->mode) && i->data.size < 60))
			ext2_truncate_blocks(i, 0);
		release_attributes(i);
		i->data.size = 0;
		if (!ext2_write_inode_locked(i))
			ext2_inode_free(i);
		mutex_unlock(&s->lock);
	}
	kfree(i->priv);
	i->priv = NULL;
}

/* ---- attributes ---- */

/* The bytes after the new end must read as zero when the file grows again. */
static int zero_tail(struct inode *i, loff_t size)
{
	struct page *p;
	int err;

	if (size >= i->data.size || !(size % PAGE_SIZE))
		return 0;
	err = filemap_get(&i->data, size / PAGE_SIZE, &p);
	if (err)
		return err;
	page_lock(p);
	if (p->mapping == &i->data) {
		memset((char *)page_address(p) + size % PAGE_SIZE, 0, PAGE_SIZE - size % PAGE_SIZE);
		filemap_set_dirty(p);
	}
	page_unlock(p);
	page_put(p);
	return 0;
}

static int set_size(struct inode *i, loff_t size)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	bool shrinks = size < i->data.size;
	int err = zero_tail(i, size);

	if (err)
		return err;
	filemap_truncate(&i->data, size);
	if (shrinks) {
		mutex_lock(&s->lock);
		ext2_truncate_blocks(i, size);
		mutex_unlock(&s->lock);
	}
	return 0;
}

int ext2_setattr(struct inode *i, const struct iattr *a)
{
	int err = a->valid & ATTR_SIZE ? set_size(i, a->size) : 0;

	if (err)
		return err;
	inode_set_attrs(i, a);
	if (a->valid & ATTR_SIZE)
		inode_touch(i, ATTR_MTIME | ATTR_CTIME);
	return ext2_write_inode(i);
}

void ext2_set_ops(struct inode *i)
{
	switch (i->mode & S_IFMT) {
	case S_IFREG:
		i->data.ops = &ext2_aops;
		i->fops = &ext2_file_fops;
		i->ops = &ext2_file_iops;
		break;
	case S_IFDIR:
		i->fops = &ext2_dir_fops;
		i->ops = &ext2_dir_iops;
		break;
	case S_IFLNK:
		i->ops = &ext2_link_iops;
		break;
	default:
		i->ops = &ext2_special_iops;
	}
}
