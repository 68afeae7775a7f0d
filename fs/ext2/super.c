/*
 * super.c - ext2: a disk file system that Linux and e2fsck read too.
 *
 * SHAPE       metadata (super block, group descriptors, bitmaps, inode tables, directories, pointer blocks) in a cache of its own
 *             (buffer.c); file data in the page cache (file.c).
 * LIFE        mounting for writing marks the disk "not clean"; unmounting writes everything and marks it clean again, so e2fsck knows
 *             when the machine went down in between. There is no journal: after that e2fsck repairs, and what was synced is there.
 * LOCKS       ext2_sb.lock (LOCK_SLEEP_LEAF): all metadata, one operation at a time. Page locks come before it.
 * LIMITS      what mke2fs -t ext2 makes: any block size up to 4 KiB. Journals, extents and the like are refused; extended attributes
 *             are neither shown nor set (those that Linux made are freed with their file).
 */
#include <abi/errno.h>
#include <kernel/main.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>

#include "ext2.h"

static int ext2_statfs(struct super_block *sb, struct statfs_k *st)
{
	struct ext2_sb *s = ext2_sb(sb);

	st->type = EXT2_MAGIC;
	st->bsize = st->frsize = s->block_size;
	st->blocks = s->nr_blocks - s->first_data_block - (u64)s->nr_groups * (2 + s->inodes_per_group * s->inode_size / s->block_size);
	st->bfree = s->es->free_blocks;
	st->bavail = s->es->free_blocks > s->es->reserved_blocks ? s->es->free_blocks - s->es->reserved_blocks : 0;
	st->files = s->es->inodes;
	st->ffree = s->es->free_inodes;
	st->namelen = EXT2_NAME_MAX;
	return 0;
}

static int flush(struct ext2_sb *s)
{
	int err;

	mutex_lock(&s->lock);
	if (!s->read_only) {
		s->es->wtime = (u32)time_now_k().sec;
		ext2_chunk_dirty(s, s->super_chunk);
	}
	err = ext2_flush_chunks(s);
	mutex_unlock(&s->lock);
	return err;
}

static int ext2_sync(struct super_block *sb, bool wait)
{
	struct ext2_sb *s = ext2_sb(sb);
	int err = s->read_only ? 0 : flush(s);

	return err || !wait ? err : block_flush(s->bdev);
}

void ext2_error(struct ext2_sb *s, const char *fmt, ...)
{
	char what[120];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	pr_err("EXT2-fs (%s): error: %s\n", s->bdev->name, what);
	if (s->on_error == EXT2_ON_ERROR_PANIC)
		panic("EXT2-fs (%s): panic forced after error", s->bdev->name);
	if (!s->es || s->read_only)
		return;
	s->mount_state |= EXT2_ERRORS;
	s->es->state |= EXT2_ERRORS;
	ext2_chunk_dirty(s, s->super_chunk);
	if (s->on_error == EXT2_ON_ERROR_RO && !(s->sb->flags & MS_RDONLY)) {
		pr_err("EXT2-fs (%s): error: remounting filesystem read-only\n", s->bdev->name);
		s->sb->flags |= MS_RDONLY;
	}
}

/* In use: not valid. Left: as it was found, and with what happened meanwhile. */
static void set_state(struct ext2_sb *s, u16 state)
{
	mutex_lock(&s->lock);
	s->es->state = state;
	ext2_chunk_dirty(s, s->super_chunk);
	mutex_unlock(&s->lock);
}

/* Everything home, then the mark that says so. 0 or the first error. */
static int leave(struct ext2_sb *s)
{
	int err = flush(s);

	if (!err && !(s->sb->flags & MS_RDONLY)) {
		set_state(s, s->mount_state);
		err = flush(s);
	}
	return err ? err : block_flush(s->bdev);
}

static void ext2_put_super(struct super_block *sb)
{
	struct ext2_sb *s = ext2_sb(sb);

	if (!s)
		return;
	if (s->es && !s->read_only) {
		if (leave(s))
			pr_err("ext2: %s: error at unmount; run e2fsck\n", s->bdev->name);
	}
	mutex_lock(&s->lock);
	ext2_free_chunks(s);
	mutex_unlock(&s->lock);
	block_release(s->bdev, s);
	kfree(s->group_chunks);
	kfree(s);
}

static int ext2_show_options(struct super_block *sb, struct text *out)
{
	static const char *const names[] = { "continue", "continue", "remount-ro", "panic" };

	text_printf(out, ",errors=%s", names[ext2_sb(sb)->on_error]);
	return 0;
}

static bool option_is(const char *word, size_t n, const char *name)
{
	return strlen(name) == n && !strncmp(word, name, n);
}

/* What ext2 of Linux takes; all but errors= ask for what is so anyway, or for what is not there and does no harm. */
static int parse_options(struct ext2_sb *s, const char *data)
{
	static const char *const known[] = { "bsddf", "minixdf", "grpid", "bsdgroups", "nogrpid", "sysvgroups", "nocheck", "check=none", "nouid32",
					     "oldalloc", "orlov", "user_xattr", "nouser_xattr", "acl", "noacl", "debug", "reservation",
					     "noreservation" };

	while (data && *data) {
		size_t n = strcspn(data, ",");
		bool ok = !n;

		for (unsigned k = 0; k < ARRAY_SIZE(known) && !ok; k++)
			ok = option_is(data, n, known[k]);
		if (option_is(data, n, "errors=continue"))
			s->on_error = EXT2_ON_ERROR_CONTINUE;
		else if (option_is(data, n, "errors=remount-ro"))
			s->on_error = EXT2_ON_ERROR_RO;
		else if (option_is(data, n, "errors=panic"))
			s->on_error = EXT2_ON_ERROR_PANIC;
		else if (!ok)
			return -EINVAL;
		data += n + (data[n] == ',');
	}
	return 0;
}

static int begin_writing(struct super_block *sb);

static int ext2_remount(struct super_block *sb, u32 flags, const char *data)
{
	struct ext2_sb *s = ext2_sb(sb);
	int err = parse_options(s, data);

	if (err || !((flags ^ sb->flags) & MS_RDONLY))
		return err;
	if (flags & MS_RDONLY) {
		filemap_sync_all(true);
		err = leave(s);
		if (!err)
			s->read_only = true;
		return err;
	}
	return begin_writing(sb);
}

const struct super_ops ext2_super_ops = {
	.evict = ext2_evict, .statfs = ext2_statfs, .sync = ext2_sync, .put_super = ext2_put_super, .show_options = ext2_show_options,
	.remount = ext2_remount,
};

/* ---- mounting ---- */

static bool super_ok(const struct ext2_super *es)
{
	u32 bs = 1024u << min(es->log_block_size, 8u);

	return es->magic == EXT2_MAGIC && es->log_block_size <= 2 && es->blocks_per_group && es->blocks_per_group <= bs * 8 &&
	       es->inodes_per_group && es->inodes_per_group <= bs * 8 && es->first_data_block == (bs == 1024) &&
	       es->blocks > es->first_data_block && es->rev <= 1;
}

/* What we do not know we do not touch. */
static int check_features(const struct ext2_super *es, bool *read_only)
{
	if (es->rev == 0)
		return 0;
	if (es->incompat & ~(u32)EXT2_INCOMPAT_FILETYPE) {
		pr_err("ext2: unknown features 0x%x (a journal, extents?)\n", es->incompat);
		return -EINVAL;
	}
	if ((es->ro_compat & ~(u32)(EXT2_RO_SPARSE_SUPER | EXT2_RO_LARGE_FILE | EXT2_RO_BTREE_DIR)) && !*read_only) {
		pr_err("ext2: features 0x%x allow reading only\n", es->ro_compat);
		return -EROFS;
	}
	if (es->inode_size < 128 || es->inode_size > 4096 || (es->inode_size & (es->inode_size - 1)))
		return -EINVAL;
	return 0;
}

static int load_super(struct ext2_sb *s)
{
	struct ext2_super *es;
	int err = ext2_chunk_get(s, 0, false, &s->super_chunk);

	if (err)
		return err;
	es = (struct ext2_super *)((char *)page_address(s->super_chunk->page) + 1024);
	if (!super_ok(es))
		return -EINVAL;
	err = check_features(es, &s->read_only);
	if (err)
		return err;
	s->block_bits = 10 + es->log_block_size;
	s->block_size = 1u << s->block_bits;
	s->ptrs = s->block_size / 4;
	s->inode_size = es->rev ? es->inode_size : 128;
	s->first_ino = es->rev ? es->first_ino : 11;
	s->blocks_per_group = es->blocks_per_group;
	s->inodes_per_group = es->inodes_per_group;
	s->first_data_block = es->first_data_block;
	s->nr_blocks = es->blocks;
	s->nr_groups = DIV_ROUND_UP(es->blocks - es->first_data_block, es->blocks_per_group);
	if (((u64)s->nr_blocks << s->block_bits) > s->bdev->sectors * SECTOR_SIZE)
		return -EINVAL;
	s->es = es;
	s->on_error = es->errors >= EXT2_ON_ERROR_CONTINUE && es->errors <= EXT2_ON_ERROR_PANIC ? es->errors : EXT2_ON_ERROR_CONTINUE;
	s->mount_state = es->state;
	return 0;
}

static int load_groups(struct ext2_sb *s)
{
	u64 start = (u64)(s->first_data_block + 1) << s->block_bits, end = start + s->nr_groups * sizeof(struct ext2_group);
	unsigned nr = DIV_ROUND_UP(end, PAGE_SIZE) - start / PAGE_SIZE;
	struct ext2_chunk *c;

	s->group_chunks = kcalloc(nr, sizeof(*s->group_chunks), GFP_NOFS);
	if (!s->group_chunks)
		return -ENOMEM;
	for (; s->nr_group_chunks < nr; s->nr_group_chunks++) {
		int err = ext2_chunk_get(s, (start / PAGE_SIZE + s->nr_group_chunks) * PAGE_SIZE, false,
					 &s->group_chunks[s->nr_group_chunks]);

		if (err)
			return err;
	}
	for (unsigned g = 0; g < s->nr_groups; g++) {
		struct ext2_group *gd = ext2_group(s, g, &c);

		if (!ext2_block_valid(s, gd->block_bitmap) || !ext2_block_valid(s, gd->inode_bitmap) ||
		    !ext2_block_valid(s, gd->inode_table))
			return -EINVAL;
	}
	return 0;
}

static int begin_writing(struct super_block *sb)
{
	struct ext2_sb *s = ext2_sb(sb);
	bool read_only = false;
	int err = s->bdev->read_only ? -EACCES : check_features(s->es, &read_only);

	if (err)
		return err;
	s->mount_state = s->es->state;
	if (!(s->mount_state & EXT2_VALID))
		pr_warn("EXT2-fs (%s): warning: mounting unchecked fs, running e2fsck is recommended\n", s->bdev->name);
	else if (s->mount_state & EXT2_ERRORS)
		pr_warn("EXT2-fs (%s): warning: mounting fs with errors, running e2fsck is recommended\n", s->bdev->name);
	s->read_only = false;
	set_state(s, s->mount_state & ~EXT2_VALID);
	s->es->mount_count++;
	s->es->mtime = (u32)time_now_k().sec;
	return ext2_sync(sb, true);
}

static int find_device(const char *source, struct block_device **out)
{
	struct path p;
	int err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	*out = block_get(p.dentry->inode);
	err = *out ? 0 : S_ISBLK(p.dentry->inode->mode) ? -ENXIO : -ENOTBLK;
	path_put(p);
	return err;
}

static struct ext2_sb *sb_new(struct block_device *b, bool read_only)
{
	struct ext2_sb *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	s->bdev = b;
	s->read_only = read_only;
	s->max_chunks = clamp(nr_total_pages() / 64, 32ul, 4096ul);
	mutex_init(&s->lock, "ext2", LOCK_SLEEP_LEAF);
	list_init(&s->lru);
	for (unsigned k = 0; k < CHUNK_BUCKETS; k++)
		list_init(&s->buckets[k]);
	return s;
}

static int claim_device(struct block_device *b, u32 flags, struct ext2_sb **out)
{
	struct ext2_sb *s = sb_new(b, flags & MS_RDONLY);
	int err = s ? block_claim(b, s) : -ENOMEM;

	if (err)
		kfree(s);
	else
		*out = s;
	return err;
}

static int ext2_mount(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out)
{
	struct block_device *b;
	struct super_block *sb;
	struct ext2_sb *s;
	struct inode *root;
	int err = source ? find_device(source, &b) : -EINVAL;

	if (err)
		return err;
	err = b->read_only && !(flags & MS_RDONLY) ? -EACCES : claim_device(b, flags, &s);
	block_put(b);
	if (err)
		return err;
	sb = sb_alloc(t, &ext2_super_ops, flags);
	if (!sb) {
		block_release(b, s);
		kfree(s);
		return -ENOMEM;
	}
	sb->priv = s;
	s->sb = sb;
	mutex_lock(&s->lock);
	err = load_super(s);
	if (!err)
		err = parse_options(s, data);
	if (!err)
		err = load_groups(s);
	mutex_unlock(&s->lock);
	if (err) {
		s->read_only = true;		/* nothing of it is to be written */
		sb_put(sb);
		return err;
	}
	sb->dev = b->rdev;
	sb->blocksize = s->block_size;
	sb->magic = EXT2_MAGIC;
	sb->max_bytes = min((u64)s->ptrs * s->ptrs * s->ptrs << s->block_bits, (u64)0xffffffffull * 512);
	if (!s->read_only)
		err = begin_writing(sb);
	if (!err)
		err = ext2_iget(sb, EXT2_ROOT_INO, &root);
	if (!err && !S_ISDIR(root->mode)) {
		inode_put(root);
		err = -EINVAL;
	}
	return sb_finish(sb, err ? NULL : root, err, out);
}

static struct file_system_type ext2_type = { .name = "ext2", .flags = FS_REQUIRES_DEV, .mount = ext2_mount };

static int ext2_init(void)
{
	fs_register(&ext2_type);
	return 0;
}
initcall(ext2_init, 2);
