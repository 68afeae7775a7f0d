/*
 * super.c - file-system types and super blocks.
 *
 * LIFE     type->mount makes a super block (refs 1) with a root dentry; every struct mount holds one reference. The last
 *          sb_put() writes back, destroys the dentry tree (evicting all inodes), and calls put_super.
 * LOCKS    types_lock, sbs_lock (LOCK_FS): the two lists. sb->lock: its inodes.
 */
#include "internal.h"
#include <lib/text.h>

static struct list types = LIST_INIT(types);
static struct list sbs = LIST_INIT(sbs);
static spinlock_t sbs_lock = SPINLOCK_INIT("super_blocks", LOCK_FS);
static u32 next_minor = 1;

void fs_register(struct file_system_type *t)
{
	spin_lock(&sbs_lock);
	list_append(&types, &t->link);
	spin_unlock(&sbs_lock);
}

struct file_system_type *fs_find_type(const char *name)
{
	struct file_system_type *t, *found = NULL;

	spin_lock(&sbs_lock);
	list_for_each(t, &types, link)
		if (!strcmp(t->name, name)) {
			found = t;
			break;
		}
	spin_unlock(&sbs_lock);
	return found;
}

/* /proc/filesystems */
int filesystems_report(struct text *out)
{
	struct file_system_type *t;

	list_for_each(t, &types, link)		/* only ever grows */
		text_printf(out, "%s\t%s\n", t->flags & FS_REQUIRES_DEV ? "" : "nodev", t->name);
	return 0;
}

struct super_block *sb_alloc(struct file_system_type *t, const struct super_ops *ops, u32 flags)
{
	struct super_block *sb = kzalloc(sizeof(*sb), GFP_KERNEL);

	if (!sb)
		return NULL;
	sb->type = t;
	sb->ops = ops;
	sb->flags = flags;
	sb->blocksize = PAGE_SIZE;
	sb->max_bytes = S64_MAX;
	atomic_set(&sb->refs, 1);
	spin_lock_init(&sb->lock, "super_block", LOCK_FS);
	mutex_init(&sb->rename_lock, "rename", LOCK_RENAME);
	list_init(&sb->inodes);
	spin_lock(&sbs_lock);
	sb->dev = MKDEV(0, next_minor++);
	list_append(&sbs, &sb->link);
	spin_unlock(&sbs_lock);
	return sb;
}

int sb_finish(struct super_block *sb, struct inode *root, int err, struct super_block **out)
{
	if (root)
		sb->root = d_make_root(root);
	if (!sb->root) {
		sb_put(sb);
		return err ? err : -ENOMEM;
	}
	*out = sb;
	return 0;
}

struct super_block *sb_get(struct super_block *sb)
{
	atomic_inc(&sb->refs);
	return sb;
}

void sb_put(struct super_block *sb)
{
	bool last;

	spin_lock(&sbs_lock);
	last = atomic_dec_and_test(&sb->refs);
	if (last)
		list_remove(&sb->link);
	spin_unlock(&sbs_lock);
	if (!last)
		return;
	if (sb->root) {
		if (sb->ops && sb->ops->sync)
			sb->ops->sync(sb, true);
		d_destroy_tree(sb->root);
	}
	if (sb->ops && sb->ops->put_super)
		sb->ops->put_super(sb);
	kfree(sb);
}

void sb_for_each(void (*fn)(struct super_block *sb, void *arg), void *arg)
{
	struct super_block *sb, *prev = NULL;

	spin_lock(&sbs_lock);
	list_for_each(sb, &sbs, link) {
		if (!atomic_inc_not_zero(&sb->refs))
			continue;
		spin_unlock(&sbs_lock);
		fn(sb, arg);
		if (prev)
			sb_put(prev);
		prev = sb;
		spin_lock(&sbs_lock);
	}
	spin_unlock(&sbs_lock);
	if (prev)
		sb_put(prev);
}

/* Somebody writes, or a file without a name is still to be taken off the disk: no time to become read-only. */
bool sb_is_written(struct super_block *sb)
{
	bool busy = false;
	struct inode *i;

	spin_lock(&sb->lock);
	list_for_each(i, &sb->inodes, sb_link)
		busy |= atomic_read(&i->writers) > 0 || (!i->nlink && atomic_read(&i->refs));
	spin_unlock(&sb->lock);
	return busy;
}

static void sync_one(struct super_block *sb, void *wait)
{
	if (sb->ops && sb->ops->sync)
		sb->ops->sync(sb, *(bool *)wait);
}

/* sync(2): the file systems' own state; the page cache has been written by the caller. */
void sb_sync_all(bool wait)
{
	sb_for_each(sync_one, &wait);
}
