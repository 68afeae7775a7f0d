/*
 * readdir.c - listing a directory that has an upper part, or several lower ones: the layers' names, each once.
 *
 * A directory with one lower layer and nothing above is listed by that layer itself. Otherwise the whole list is made at the
 * first read (and again after a rewind) and then handed out by position, so that changes meanwhile cannot repeat or lose names.
 */
#include <abi/errno.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <mm/slab.h>

#include "ovl.h"

#define BUCKETS	64

struct name_entry {
	struct list	link;		/* in order of appearance */
	struct name_entry *same_bucket;
	u64		ino;
	u32		len;
	u8		type;
	bool		hidden;		/* a whiteout */
	u8		layer;
	char		name[];
};

struct name_list {
	struct dir_context ctx;		/* for the layers' iterate */
	struct list	names;
	struct name_entry *bucket[BUCKETS];
	u64		ino_mark;	/* or'ed into numbers of the upper layer */
	unsigned	layer;
	int		err;
};

struct ovl_dir {
	struct name_list *list;
};

static u32 hash_name(const char *name, u32 len)
{
	struct qstr q;

	qstr_init(&q, name, len);
	return q.hash % BUCKETS;
}

static bool is_dot(const char *name, u32 len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

static struct name_entry *find(struct name_list *l, const char *name, u32 len)
{
	struct name_entry *e = l->bucket[hash_name(name, len)];

	while (e && (e->len != len || memcmp(e->name, name, len)))
		e = e->same_bucket;
	return e;
}

static bool add(struct dir_context *ctx, const char *name, u32 len, loff_t pos, u64 ino, unsigned type)
{
	struct name_list *l = container_of(ctx, struct name_list, ctx);
	u32 b = hash_name(name, len);
	struct name_entry *e;

	if (is_dot(name, len) || find(l, name, len))
		return true;
	e = kmalloc(sizeof(*e) + len, GFP_KERNEL);
	if (!e) {
		l->err = -ENOMEM;
		return false;
	}
	e->ino = ino | l->ino_mark;
	e->len = len;
	e->type = type;
	e->hidden = false;
	e->layer = l->layer;
	memcpy(e->name, name, len);
	e->same_bucket = l->bucket[b];
	l->bucket[b] = e;
	list_append(&l->names, &e->link);
	return true;
}

static void free_names(struct name_list *l)
{
	struct name_entry *e, *next;

	if (!l)
		return;
	list_for_each_safe(e, next, &l->names, link)
		kfree(e);
	kfree(l);
}

/* Character devices may be whiteouts: look. */
static int mark_whiteouts(struct name_list *l, struct dentry *dir)
{
	struct name_entry *e;
	struct dentry *d;
	int err = 0;

	rwsem_write_lock(&dir->inode->rwsem);
	list_for_each(e, &l->names, link) {
		if (e->type != 2 || e->layer != l->layer)
			continue;
		err = lookup_one(dir, e->name, e->len, &d);
		if (err)
			break;
		e->hidden = d->inode && ovl_is_whiteout(d->inode);
		dentry_put(d);
	}
	rwsem_write_unlock(&dir->inode->rwsem);
	return err;
}

static int list_layer(struct name_list *l, const struct path *p, bool upper)
{
	struct file *f;
	loff_t before;
	int err = file_open_path(p, O_RDONLY | O_DIRECTORY | O_LARGEFILE, &f);

	if (err)
		return err;
	l->ctx = (struct dir_context){ .emit = add };
	l->ino_mark = upper ? OVL_UPPER_INO : 0;
	if (!f->ops->iterate)
		err = -ENOTDIR;
	while (!err) {
		before = l->ctx.pos;
		rwsem_read_lock(&f->inode->rwsem);
		err = f->ops->iterate(f, &l->ctx);
		rwsem_read_unlock(&f->inode->rwsem);
		if (err > 0 || l->err || l->ctx.pos == before)
			break;
	}
	file_put(f);
	if (!err)
		err = l->err;
	if (!err)
		err = mark_whiteouts(l, p->dentry);
	return err;
}

static int make_list(struct inode *dir, struct name_list **out)
{
	struct ovl_sb *s = ovl_sb(dir->sb);
	struct ovl_inode *oi = ovl_i(dir);
	struct dentry *u = ovl_upper(dir);
	struct name_list *l = kzalloc(sizeof(*l), GFP_KERNEL);
	struct cred *old;
	int err = 0;

	if (!l)
		return -ENOMEM;
	list_init(&l->names);
	old = ovl_become_root();
	if (u)
		err = list_layer(l, &(struct path){ s->upper.mnt, u }, true);
	for (unsigned k = 0; !err && k < oi->nr_lower; k++) {
		l->layer = k + 1;
		err = list_layer(l, &(struct path){ s->lower[oi->lower[k].layer].mnt, oi->lower[k].dentry }, false);
	}
	ovl_become(old);
	if (err)
		free_names(l);
	else
		*out = l;
	return err;
}

int ovl_dir_empty(struct inode *dir)
{
	struct name_list *l;
	struct name_entry *e;
	int err = make_list(dir, &l);

	if (err)
		return err;
	list_for_each(e, &l->names, link)
		if (!e->hidden)
			err = -ENOTEMPTY;
	free_names(l);
	return err;
}

/* Before an (empty) directory of the upper layer is removed or replaced. */
int ovl_clear_whiteouts(struct inode *dir)
{
	struct dentry *u = ovl_upper(dir), *d;
	struct name_list *l;
	struct name_entry *e;
	struct cred *old;
	int err = make_list(dir, &l);

	if (err)
		return err;
	old = ovl_become_root();
	rwsem_write_lock(&u->inode->rwsem);
	list_for_each(e, &l->names, link) {
		if (!e->hidden || err)
			continue;
		err = lookup_one(u, e->name, e->len, &d);
		if (err)
			continue;
		if (d->inode)
			err = vfs_unlink(u->inode, d);
		dentry_put(d);
	}
	rwsem_write_unlock(&u->inode->rwsem);
	ovl_become(old);
	free_names(l);
	return err;
}

/* ---- open directories ---- */

static const struct file_ops merged_fops;

static int ovl_dir_open(struct inode *i, struct file *f)
{
	struct ovl_inode *oi = ovl_i(i);
	struct inode *real = ovl_real(i);

	if (!ovl_upper(i) && oi->nr_lower == 1 && real->fops) {
		f->inode = real;
		f->mapping = real->mapping;
		f->ops = real->fops;
		return f->ops->open ? f->ops->open(real, f) : 0;
	}
	f->priv = kzalloc(sizeof(struct ovl_dir), GFP_KERNEL);
	if (!f->priv)
		return -ENOMEM;
	f->ops = &merged_fops;
	return 0;
}

static void merged_release(struct file *f)
{
	struct ovl_dir *od = f->priv;

	free_names(od->list);
	kfree(od);
}

static int merged_iterate(struct file *f, struct dir_context *ctx)
{
	struct ovl_dir *od = f->priv;
	struct inode *dir = f->inode, *parent = ovl_i(dir)->parent;
	struct name_entry *e;
	loff_t pos = 2;
	int err;

	if (ctx->pos == 0 || !od->list) {
		free_names(od->list);
		od->list = NULL;
		err = make_list(dir, &od->list);
		if (err)
			return err;
	}
	if (ctx->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, 0, dir->ino, 4))
			return 0;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		if (!ctx->emit(ctx, "..", 2, 1, parent ? parent->ino : dir->ino, 4))
			return 0;
		ctx->pos = 2;
	}
	list_for_each(e, &od->list->names, link) {
		if (pos++ < ctx->pos)
			continue;
		if (!e->hidden && !ctx->emit(ctx, e->name, e->len, pos - 1, e->ino, e->type))
			return 0;
		ctx->pos = pos;
	}
	return 0;
}

static loff_t merged_llseek(struct file *f, loff_t off, int whence)
{
	loff_t pos = whence == SEEK_SET ? off : whence == SEEK_CUR ? f->pos + off : -1;

	if (pos < 0)
		return -EINVAL;
	return f->pos = pos;
}

static int merged_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	return 0;
}

static const struct file_ops merged_fops = {
	.release = merged_release, .iterate = merged_iterate, .llseek = merged_llseek, .fsync = merged_fsync,
};
const struct file_ops ovl_dir_fops = { .open = ovl_dir_open };
