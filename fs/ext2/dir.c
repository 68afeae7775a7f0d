/*
 * dir.c - directories: blocks of variable-length entries, searched in order.
 *
 * Every record is checked before it is used: at least 8 bytes, a multiple of 4, inside its block, its name inside it. A directory that
 * breaks a rule gives EIO. Hashed directories (dir_index) are valid to read this way; the first change clears their flag.
 * LOCKS    the directory's rwsem is held by the VFS; ext2_sb.lock guards the blocks.
 */
#include <abi/errno.h>
#include <kernel/printk.h>
#include <lib/string.h>

#include "ext2.h"

static u8 type_of_mode(struct ext2_sb *s, u32 mode)
{
	static const u8 types[16] = { [S_IFREG >> 12] = 1, [S_IFDIR >> 12] = 2, [S_IFCHR >> 12] = 3, [S_IFBLK >> 12] = 4,
				      [S_IFIFO >> 12] = 5, [S_IFSOCK >> 12] = 6, [S_IFLNK >> 12] = 7 };

	return s->es->incompat & EXT2_INCOMPAT_FILETYPE ? types[mode >> 12 & 15] : 0;
}

static bool entry_ok(struct ext2_sb *s, const struct ext2_dirent *d, u32 at)
{
	return d->rec_len >= 8 && !(d->rec_len & 3) && at + d->rec_len <= s->block_size && d->name_len + 8u <= d->rec_len;
}

/* A place in a directory; the chunk is held while it is valid. */
struct cursor {
	struct ext2_chunk	*c;
	char			*block;
	struct ext2_dirent	*d, *prev;	/* prev: in the same block, NULL for the first */
	u64			index;		/* file block */
};

static void cursor_end(struct ext2_sb *s, struct cursor *k)
{
	if (k->c)
		ext2_chunk_put(s, k->c);
	k->c = NULL;
}

static int cursor_block(struct inode *dir, u64 index, struct cursor *k)
{
	struct ext2_sb *s = ext2_sb(dir->sb);
	bool fresh;
	u32 block;
	int err = ext2_bmap(dir, index, false, &block, &fresh);

	if (err)
		return err;
	if (!block)
		return -EIO;			/* directories have no holes */
	err = ext2_block_get(s, block, false, &k->c, (void **)&k->block);
	k->index = index;
	k->prev = NULL;
	k->d = (struct ext2_dirent *)k->block;
	return err;
}

static u64 nr_blocks(const struct inode *dir)
{
	return (u64)dir->data.size >> ext2_sb(dir->sb)->block_bits;
}

/* Calls fn on each record until it returns nonzero. 0 at the end, fn's value, -EIO. On a nonzero value of fn *k stays held. */
static int walk(struct inode *dir, struct cursor *k, int (*fn)(struct cursor *k, void *arg), void *arg)
{
	struct ext2_sb *s = ext2_sb(dir->sb);

	for (u64 b = 0; b < nr_blocks(dir); b++) {
		int r = cursor_block(dir, b, k);

		for (u32 at = 0; !r && at < s->block_size; at += k->d->rec_len, k->prev = k->d,
		     k->d = (struct ext2_dirent *)(k->block + at)) {
			r = entry_ok(s, k->d, at) ? fn(k, arg) : -EIO;
			if (r == -EIO)
				ext2_error(s, "bad entry in directory %llu", (unsigned long long)dir->ino);
			if (r)
				return r;
		}
		if (r)
			return r;
		cursor_end(s, k);
	}
	return 0;
}

static int match(struct cursor *k, void *arg)
{
	const struct qstr *name = arg;

	return k->d->inode && k->d->name_len == name->len && !memcmp(k->d->name, name->name, name->len);
}

/* lock held. 0 with the cursor on the name, -ENOENT, -EIO. */
static int find(struct inode *dir, const struct qstr *name, struct cursor *k)
{
	int r;

	k->c = NULL;
	r = walk(dir, k, match, (void *)name);
	if (r == 1)
		return 0;
	cursor_end(ext2_sb(dir->sb), k);
	return r ? r : -ENOENT;
}

int ext2_find(struct inode *dir, const struct qstr *name, u32 *ino)
{
	struct ext2_sb *s = ext2_sb(dir->sb);
	struct cursor k;
	int err;

	mutex_lock(&s->lock);
	err = find(dir, name, &k);
	if (!err)
		*ino = k.d->inode;
	cursor_end(s, &k);
	mutex_unlock(&s->lock);
	return err;
}

static int has_room(struct cursor *k, void *arg)
{
	u32 need = *(u32 *)arg, used = k->d->inode ? DIRENT_LEN(k->d->name_len) : 0;

	return k->d->rec_len >= used + need;
}

/* A new block at the end, one empty record. */
static int append_block(struct inode *dir, struct cursor *k)
{
	struct ext2_sb *s = ext2_sb(dir->sb);
	u64 index = nr_blocks(dir);
	bool fresh;
	u32 block;
	int err = ext2_bmap(dir, index, true, &block, &fresh);

	if (!err)
		err = ext2_block_get(s, block, true, &k->c, (void **)&k->block);
	if (err)
		return err;
	k->d = (struct ext2_dirent *)k->block;
	k->d->rec_len = s->block_size;
	dir->data.size += s->block_size;
	return 0;
}

static void fill_entry(struct ext2_sb *s, struct ext2_dirent *d, const struct qstr *name, u32 ino, u32 mode)
{
	d->inode = ino;
	d->name_len = name->len;
	d->type = type_of_mode(s, mode);
	memcpy(d->name, name->name, name->len);
}

static int dir_changed(struct inode *dir)
{
	ext2_i(dir)->flags &= ~EXT2_FL_INDEX;
	inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
	return ext2_write_inode_locked(dir);
}

int ext2_add_link(struct inode *dir, const struct qstr *name, u32 ino, u32 mode)
{
	struct ext2_sb *s = ext2_sb(dir->sb);
	u32 need = DIRENT_LEN(name->len);
	struct cursor k = { 0 };
	int err;

	mutex_lock(&s->lock);
	err = walk(dir, &k, has_room, &need);
	if (err == 0)
		err = append_block(dir, &k);
	else if (err == 1)
		err = 0;
	if (!err) {
		if (k.d->inode) {		/* the rest of a record becomes one of its own */
			u32 used = DIRENT_LEN(k.d->name_len);
			struct ext2_dirent *d = (struct ext2_dirent *)((char *)k.d + used);

			d->rec_len = k.d->rec_len - used;
			k.d->rec_len = used;
			k.d = d;
		}
		fill_entry(s, k.d, name, ino, mode);
		ext2_chunk_dirty(s, k.c);
		err = dir_changed(dir);
	}
	cursor_end(s, &k);
	mutex_unlock(&s->lock);
	return err;
}

/* The entry of that name means inode ino from now on; 0: it goes. */
static int change_entry(struct inode *dir, const struct qstr *name, u32 ino, u8 type)
{
	struct ext2_sb *s = ext2_sb(dir->sb);
	struct cursor k;
	int err;

	mutex_lock(&s->lock);
	err = find(dir, name, &k);
	if (!err) {
		if (!ino && k.prev) {
			k.prev->rec_len += k.d->rec_len;
		} else {
			k.d->inode = ino;
			k.d->type = type;
		}
		ext2_chunk_dirty(s, k.c);
		err = dir_changed(dir);
	}
	cursor_end(s, &k);
	mutex_unlock(&s->lock);
	return err;
}

int ext2_remove_link(struct inode *dir, const struct qstr *name)
{
	return change_entry(dir, name, 0, 0);
}

int ext2_set_link(struct inode *dir, const struct qstr *name, u32 ino, u32 mode)
{
	return change_entry(dir, name, ino, type_of_mode(ext2_sb(dir->sb), mode));
}

int ext2_make_empty(struct inode *dir, u32 parent)
{
	struct ext2_sb *s = ext2_sb(dir->sb);
	struct cursor k = { 0 };
	int err;

	mutex_lock(&s->lock);
	err = append_block(dir, &k);
	if (!err) {
		struct ext2_dirent *dd = (struct ext2_dirent *)(k.block + 12);

		k.d->rec_len = 12;
		fill_entry(s, k.d, &(struct qstr){ ".", 1, 0 }, dir->ino, S_IFDIR);
		dd->rec_len = s->block_size - 12;
		fill_entry(s, dd, &(struct qstr){ "..", 2, 0 }, parent, S_IFDIR);
		ext2_chunk_dirty(s, k.c);
		err = ext2_write_inode_locked(dir);
	}
	cursor_end(s, &k);
	mutex_unlock(&s->lock);
	return err;
}

static bool is_dots(const struct ext2_dirent *d)
{
	return d->name_len && d->name[0] == '.' && (d->name_len == 1 || (d->name_len == 2 && d->name[1] == '.'));
}

static int not_dots(struct cursor *k, void *arg)
{
	return k->d->inode && !is_dots(k->d);
}

int ext2_dir_is_empty(struct inode *dir)
{
	struct ext2_sb *s = ext2_sb(dir->sb);
	struct cursor k = { 0 };
	int r;

	mutex_lock(&s->lock);
	r = walk(dir, &k, not_dots, NULL);
	cursor_end(s, &k);
	mutex_unlock(&s->lock);
	return r == 1 ? -ENOTEMPTY : r;
}

/* ---- listing ---- */

/* The record at or after offset `from` of its block, copied out: emitting may fault, and then no lock may be held. */
struct listed {
	loff_t	pos, next;
	u32	inode;
	u8	type, len;
	char	name[EXT2_NAME_MAX];
};

static int next_entry(struct inode *dir, loff_t pos, struct listed *out)
{
	struct ext2_sb *s = ext2_sb(dir->sb);
	u64 first = (u64)pos >> s->block_bits;

	for (u64 b = first; b < nr_blocks(dir); b++) {
		u32 from = b == first ? pos % s->block_size : 0;
		struct cursor k = { 0 };
		int err = cursor_block(dir, b, &k);

		for (u32 at = 0; !err && at < s->block_size; at += k.d->rec_len) {
			k.d = (struct ext2_dirent *)(k.block + at);
			if (!entry_ok(s, k.d, at)) {
				ext2_error(s, "bad entry in directory %llu", (unsigned long long)dir->ino);
				err = -EIO;
				break;
			}
			if (at < from || !k.d->inode)
				continue;
			out->pos = (loff_t)(b << s->block_bits) + at;
			out->next = out->pos + k.d->rec_len;
			out->inode = k.d->inode;
			out->type = k.d->type;
			out->len = k.d->name_len;
			memcpy(out->name, k.d->name, k.d->name_len);
			cursor_end(s, &k);
			return 1;
		}
		cursor_end(s, &k);
		if (err)
			return err;
	}
	return 0;
}

static int ext2_iterate(struct file *f, struct dir_context *ctx)
{
	static const u8 dt[8] = { 0, 8, 4, 2, 6, 1, 12, 10 };
	struct ext2_sb *s = ext2_sb(f->inode->sb);
	struct listed e;
	int r;

	for (;;) {
		mutex_lock(&s->lock);
		r = next_entry(f->inode, ctx->pos, &e);
		mutex_unlock(&s->lock);
		if (r <= 0)
			return r;
		if (!ctx->emit(ctx, e.name, e.len, e.pos, e.inode, dt[e.type & 7]))
			return 0;
		ctx->pos = e.next;
	}
}

static loff_t ext2_dir_llseek(struct file *f, loff_t off, int whence)
{
	loff_t pos = whence == SEEK_SET ? off : whence == SEEK_CUR ? f->pos + off : -1;

	if (pos < 0)
		return -EINVAL;
	return f->pos = pos;
}

static int ext2_dir_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	return f->inode->sb->ops->sync(f->inode->sb, true);
}

const struct file_ops ext2_dir_fops = { .iterate = ext2_iterate, .llseek = ext2_dir_llseek, .fsync = ext2_dir_fsync };
