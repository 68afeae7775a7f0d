/*
 * super.c - overlay: one tree seen through another.
 *
 * WHY         `quire run` shows the host's root read-only over 9p, and takes every change in memory.
 * SHAPE       a lower tree (or several) that is never written, an upper tree (tmpfs) that takes changes. A name is looked for
 *             above, then below; directories that exist in both are merged; a file that is to be changed is first copied up.
 *             A removed lower name is hidden by a whiteout: a character device 0:0 in the upper directory; a new directory
 *             in its place is marked opaque (trusted.overlay.opaque = "y").
 * DATA        an open file is the real file: f->inode, f->mapping and f->ops are the layer's own, so reads, mappings
 *             and their pages are shared with everybody who uses the lower file, and cost nothing extra. A file
 *             open for reading follows its copy-up; a mapping made before goes on showing the old data, as in Linux.
 * LOCKS       overlay inodes have ranks of their own (LOCK_OVL_…), below those of the layers' inodes, since every
 *             operation takes the overlay's lock first and then the layer's. ovl_sb.copy_lock: see ovl.h.
 * NUMBERS     st_dev is the overlay's; st_ino is the lower file's, kept over a copy-up (trusted.overlay.origin); files born
 *             in the upper layer have theirs with bit 62 set.
 * NOT CHOSEN  index, metacopy, redirect_dir: renaming a directory that has a lower part is EXDEV, as Linux's default.
 * READ NEXT   inode.c (names), copyup.c, readdir.c; docs/overlay.md
 */
#include <abi/errno.h>
#include <kernel/main.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/slab.h>

#include "ovl.h"

static void free_sb(struct ovl_sb *s)
{
	if (s->upper.dentry)
		path_put(s->upper);
	if (s->work.dentry)
		path_put(s->work);
	for (unsigned k = 0; k < s->nr_lower; k++)
		path_put(s->lower[k]);
	kfree(s->lowerdir);
	kfree(s->upperdir);
	kfree(s->workdir);
	kfree(s);
}

static void ovl_put_super(struct super_block *sb)
{
	free_sb(ovl_sb(sb));
}

static int ovl_statfs(struct super_block *sb, struct statfs_k *st)
{
	struct ovl_sb *s = ovl_sb(sb);
	struct super_block *real = (s->upper.dentry ? s->upper.dentry : s->lower[0].dentry)->sb;
	int err = real->ops->statfs ? real->ops->statfs(real, st) : -ENOSYS;

	st->type = OVL_MAGIC;
	return err;
}

static int ovl_sync(struct super_block *sb, bool wait)
{
	struct ovl_sb *s = ovl_sb(sb);
	struct super_block *up = s->upper.dentry ? s->upper.dentry->sb : NULL;

	return up && up->ops->sync ? up->ops->sync(up, wait) : 0;
}

static int ovl_show_options(struct super_block *sb, struct text *out)
{
	struct ovl_sb *s = ovl_sb(sb);

	text_printf(out, ",lowerdir=%s", s->lowerdir);
	if (s->upperdir)
		text_printf(out, ",upperdir=%s,workdir=%s", s->upperdir, s->workdir);
	return 0;
}

static const struct super_ops ovl_super_ops = {
	.evict = ovl_evict, .statfs = ovl_statfs, .sync = ovl_sync, .put_super = ovl_put_super, .show_options = ovl_show_options,
};

/* ---- options ---- */

static int take_option(struct ovl_sb *s, const char *opt, size_t len)
{
	static const struct { const char *key; size_t at; } keys[] = {
		{ "lowerdir=", offset_of(struct ovl_sb, lowerdir) }, { "upperdir=", offset_of(struct ovl_sb, upperdir) },
		{ "workdir=", offset_of(struct ovl_sb, workdir) } };

	for (unsigned k = 0; k < ARRAY_SIZE(keys); k++) {
		size_t n = strlen(keys[k].key);
		char **slot = (char **)((char *)s + keys[k].at);

		if (len <= n || memcmp(opt, keys[k].key, n))
			continue;
		kfree(*slot);
		*slot = kmalloc(len - n + 1, GFP_KERNEL);
		if (!*slot)
			return -ENOMEM;
		memcpy(*slot, opt + n, len - n);
		(*slot)[len - n] = 0;
		return 0;
	}
	/* Linux's defaults and what changes nothing here. */
	static const char *const harmless[] = { "index=off", "xino=off", "xino=auto", "metacopy=off", "redirect_dir=off",
		"redirect_dir=nofollow", "nfs_export=off", "volatile", "userxattr", "default_permissions" };

	for (unsigned k = 0; k < ARRAY_SIZE(harmless); k++)
		if (len == strlen(harmless[k]) && !memcmp(opt, harmless[k], len))
			return 0;
	return len ? -EINVAL : 0;
}

static int parse_options(struct ovl_sb *s, const char *data)
{
	while (data && *data) {
		const char *end = strchr(data, ',');
		size_t len = end ? (size_t)(end - data) : strlen(data);
		int err = take_option(s, data, len);

		if (err)
			return err;
		data += len + (end != NULL);
	}
	if (!s->lowerdir || (s->upperdir && !s->workdir))
		return -EINVAL;
	return 0;
}

static int open_dir(const char *name, struct path *out)
{
	int err = path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, out);

	if (err)
		out->dentry = NULL;
	return err;
}

static int open_lowers(struct ovl_sb *s)
{
	char *names = kstrdup(s->lowerdir, GFP_KERNEL), *at = names;
	int err = names ? 0 : -ENOMEM;

	while (!err && at) {
		char *colon = strchr(at, ':');

		if (colon)
			*colon = 0;
		if (s->nr_lower == OVL_MAX_LOWER) {
			err = -EINVAL;
			break;
		}
		err = open_dir(at, &s->lower[s->nr_lower]);
		if (!err)
			s->nr_lower++;
		at = colon ? colon + 1 : NULL;
	}
	kfree(names);
	return err;
}

static int open_layers(struct ovl_sb *s)
{
	int err = open_lowers(s);

	if (err || !s->upperdir)
		return err;
	err = open_dir(s->upperdir, &s->upper);
	if (!err)
		err = open_dir(s->workdir, &s->work);
	if (err)
		return err;
	if (s->work.dentry->sb != s->upper.dentry->sb || s->work.dentry == s->upper.dentry)
		return -EINVAL;
	return (mount_flags(s->upper.mnt) & MS_RDONLY) ? -EINVAL : 0;
}

static int make_root(struct super_block *sb)
{
	struct ovl_sb *s = ovl_sb(sb);
	struct ovl_inode oi = { .nr_lower = s->nr_lower };
	struct inode *root;
	int err;

	if (s->upper.dentry)
		oi.upper = dentry_get(s->upper.dentry);
	for (unsigned k = 0; k < s->nr_lower; k++)
		oi.lower[k] = (struct ovl_layer){ dentry_get(s->lower[k].dentry), k };
	err = ovl_inode_get(sb, &oi, &root);
	if (err)
		return err;
	sb->root = d_make_root(root);
	return sb->root ? 0 : -ENOMEM;
}

static int ovl_mount(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out)
{
	struct ovl_sb *s = kzalloc(sizeof(*s), GFP_KERNEL);
	struct super_block *sb;
	int err;

	if (!s)
		return -ENOMEM;
	mutex_init(&s->copy_lock, "ovl_copy", LOCK_OVL_COPY);
	err = parse_options(s, data);
	if (!err)
		err = open_layers(s);
	if (err) {
		free_sb(s);
		return err;
	}
	sb = sb_alloc(t, &ovl_super_ops, s->upperdir ? flags : flags | MS_RDONLY);
	if (!sb) {
		free_sb(s);
		return -ENOMEM;
	}
	mutex_init(&sb->rename_lock, "ovl_rename", LOCK_OVL_RENAME);
	sb->priv = s;
	sb->magic = OVL_MAGIC;
	sb->max_bytes = s->upper.dentry ? s->upper.dentry->sb->max_bytes : S64_MAX;
	err = make_root(sb);
	if (err) {
		sb_put(sb);
		return err;
	}
	*out = sb;
	return 0;
}

static struct file_system_type ovl_type = { .name = "overlay", .mount = ovl_mount };

static int ovl_init(void)
{
	fs_register(&ovl_type);
	return 0;
}
initcall(ovl_init, 2);
