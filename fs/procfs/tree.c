/*
 * tree.c - the static tree of /proc and /sys: names that were registered at boot or by a module, never freed.
 *
 * LOCKS    pnode_lock (LOCK_FS) guards the children lists, `file` and `hidden`; nodes stay, so pointers to them need nothing.
 *          Inodes are made when a name is looked up and keep no state but the pointer to their node.
 */
#include <abi/errno.h>
#include <kernel/module.h>
#include <kernel/panic.h>
#include <lib/string.h>
#include <mm/slab.h>

#include "procfs_private.h"

static spinlock_t pnode_lock = SPINLOCK_INIT("pnode", LOCK_FS);
static u32 next_ino = 2;

static struct pnode *pnode_alloc(struct pnode *parent, const char *name, size_t len, u32 mode)
{
	struct pnode *n = kzalloc(sizeof(*n) + len + 1, GFP_KERNEL | GFP_NOACCOUNT);

	if (!n)
		return NULL;
	n->parent = parent ? parent : n;
	n->mode = mode;
	n->name_len = len;
	memcpy(n->name, name, len);
	list_init(&n->children);
	list_init(&n->sibling);
	spin_lock(&pnode_lock);
	n->ino = parent ? next_ino++ : 1;
	if (parent) {
		list_append(&parent->children, &n->sibling);
		parent->nr_subdirs += S_ISDIR(mode);
	}
	spin_unlock(&pnode_lock);
	return n;
}

/* At boot. */
static struct pnode *must_have(struct pnode *n, const char *path)
{
	if (!n)
		panic("no memory for /proc/%s", path);
	return n;
}

struct pnode *pnode_root(void)
{
	return must_have(pnode_alloc(NULL, "", 0, S_IFDIR | 0555), "");
}

struct pnode *pnode_find(struct pnode *dir, const char *name, u32 len)
{
	struct pnode *n, *found = NULL;

	spin_lock(&pnode_lock);
	list_for_each(n, &dir->children, sibling)
		if (n->name_len == len && !memcmp(n->name, name, len)) {
			found = n;
			break;
		}
	spin_unlock(&pnode_lock);
	return found;
}

/* As lookups see it. */
static struct pnode *find_visible(struct pnode *dir, const char *name, u32 len)
{
	struct pnode *n = pnode_find(dir, name, len);

	return n && !n->hidden ? n : NULL;
}

struct pnode *pnode_nth(struct pnode *dir, u64 nth)
{
	struct pnode *n, *found = NULL;

	spin_lock(&pnode_lock);
	list_for_each(n, &dir->children, sibling)
		if (!n->hidden && !nth--) {
			found = n;
			break;
		}
	spin_unlock(&pnode_lock);
	return found;
}

/* The directory `path` below root, made with its parents when missing. */
static struct pnode *try_dir(struct pnode *root, const char *path, size_t len)
{
	struct pnode *at = root;

	while (len && at) {
		const char *slash = memchr(path, '/', len);
		size_t n = slash ? (size_t)(slash - path) : len;
		struct pnode *child = n ? pnode_find(at, path, n) : at;

		at = child ? child : pnode_alloc(at, path, n, S_IFDIR | 0555);
		n += slash != NULL;
		path += n;
		len -= n;
	}
	return at;
}

struct pnode *pnode_dir(struct pnode *root, const char *path, size_t len)
{
	return must_have(try_dir(root, path, len), path);
}

/* A new name with its parents; one that exists is given back, to be filled anew. */
static struct pnode *try_add(struct pnode *root, const char *path, u32 mode)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	struct pnode *dir = try_dir(root, path, slash ? slash - path : 0);
	struct pnode *n = dir ? pnode_find(dir, name, strlen(name)) : NULL;

	if (n)
		n->mode = mode;
	return n || !dir ? n : pnode_alloc(dir, name, strlen(name), mode);
}

struct pnode *pnode_add(struct pnode *root, const char *path, u32 mode)
{
	return must_have(try_add(root, path, mode), path);
}

/* ---- names that come and go: of modules ---- */

/* Names up to n are seen again. */
static void show_path(struct pnode *n)
{
	for (; n != n->parent; n = n->parent) {
		n->hidden = false;
		n->parent->changing = true;
	}
}

int pnode_try_file(struct pnode *root, const struct proc_file *f)
{
	struct pnode *n = try_add(root, f->path, S_IFREG | f->mode);

	if (!n)
		return -ENOMEM;
	spin_lock(&pnode_lock);
	n->file = f;
	show_path(n);
	spin_unlock(&pnode_lock);
	return 0;
}

int pnode_try_link(struct pnode *root, const char *path, const char *target)
{
	struct pnode *n = try_add(root, path, S_IFLNK | 0777);

	if (!n)
		return -ENOMEM;
	spin_lock(&pnode_lock);
	n->target = target;
	show_path(n);
	spin_unlock(&pnode_lock);
	return 0;
}

int pnode_try_dir(struct pnode *root, const char *path)
{
	struct pnode *n = try_dir(root, path, strlen(path));

	if (!n)
		return -ENOMEM;
	spin_lock(&pnode_lock);
	n->changing = true;
	show_path(n);
	spin_unlock(&pnode_lock);
	return 0;
}

static void hide(struct pnode *n)
{
	struct pnode *child;

	n->hidden = true;
	n->file = NULL;
	n->parent->changing = true;
	list_for_each(child, &n->children, sibling)
		hide(child);
}

void pnode_remove(struct pnode *root, const char *path)
{
	struct pnode *at = root;

	for (const char *slash; at && *path; path += *path == '/') {
		slash = strchr(path, '/');
		at = pnode_find(at, path, slash ? (u32)(slash - path) : (u32)strlen(path));
		path = slash ? slash : path + strlen(path);
	}
	if (!at || at == root)
		return;
	spin_lock(&pnode_lock);
	hide(at);
	spin_unlock(&pnode_lock);
}

/* ---- inodes ---- */

/* Opening with O_TRUNC and touching are harmless; owners and modes are not to be changed. */
int pseudo_setattr(struct inode *i, const struct iattr *a)
{
	return a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

static int node_readlink(struct inode *i, char *buf, size_t n)
{
	struct pnode *p = i->priv;
	size_t len;

	if (p->readlink)
		return p->readlink(buf, n);
	len = min(strlen(p->target), n);
	memcpy(buf, p->target, len);
	return len;
}

static int node_iterate(struct file *f, struct dir_context *ctx)
{
	struct pnode *n = f->inode->priv;
	bool full;
	int err = pnode_iterate(f, n, ctx, &full);

	if (!err && !full && n == n->parent && f->inode->sb->magic == 0x9fa0)
		err = pid_iterate(ctx);
	return err;
}

/* What an open file works on; whoever owns it stays until module_put(). NULL: it has gone. */
static const struct proc_file *take_file(struct pnode *n)
{
	const struct proc_file *pf;

	spin_lock(&pnode_lock);
	pf = n->file;
	if (pf && !module_try_get(pf->owner))
		pf = NULL;
	if (pf && pf->opens)
		atomic_inc(pf->opens);
	spin_unlock(&pnode_lock);
	return pf;
}

static int node_open(struct inode *i, struct file *f)
{
	struct pnode *n = i->priv;
	const struct proc_file *pf = take_file(n);
	struct module *owner;
	atomic_t *opens;
	int err;

	if (!pf)
		return -ENOENT;
	if (pf->ops) {
		f->ops = pf->ops;
		f->priv = pf->arg;
		return f->ops->open ? f->ops->open(i, f) : 0;	/* which undoes what take_file() did when it fails */
	}
	owner = pf->owner;
	opens = pf->opens;
	if (!(n->mode & 0222) && (f->mode & FMODE_WRITE) && str_has_prefix(pf->path, "sys/"))
		err = -EACCES;			/* a sysctl that nobody may change, root included */
	else
		err = text_open(f, pf, NULL, NULL);
	if (err && opens)
		atomic_dec(opens);
	if (err)
		module_put(owner);
	return err;
}

static loff_t dir_llseek(struct file *f, loff_t off, int whence)
{
	loff_t pos = whence == SEEK_SET ? off : whence == SEEK_CUR ? f->pos + off : -1;

	if (pos < 0)
		return -EINVAL;
	return f->pos = pos;
}

/* Names may come and go, those of modules. In the root of /proc only what the tree has: not processes. */
static int node_revalidate(struct dentry *d)
{
	struct pnode *dir = d->parent->inode->priv;

	const struct pnode *n = dir->changing ? pnode_find(dir, d->name.name, d->name.len) : NULL;

	return !n || (d->inode != NULL) == !n->hidden;
}

static const struct inode_ops node_dir_iops = { .lookup = pnode_lookup, .setattr = pseudo_setattr, .revalidate = node_revalidate };
static const struct inode_ops node_file_iops = { .setattr = pseudo_setattr };
static const struct inode_ops node_link_iops = { .readlink = node_readlink, .setattr = pseudo_setattr };
static const struct file_ops node_file_fops = { .open = node_open };

/* A directory that is also a text keeps its own entries: read(2) and getdents do not meet. */
static int text_dir_open(struct inode *i, struct file *f)
{
	return text_open(f, ((struct pnode *)i->priv)->file, NULL, NULL);
}
static ssize_t text_dir_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	return f->priv ? text_fops.read(f, to, pos) : -EISDIR;
}
static void text_dir_release(struct file *f)
{
	if (f->priv)
		text_fops.release(f);
}
static const struct file_ops node_dir_fops = { .iterate = node_iterate, .llseek = dir_llseek };
static const struct file_ops text_dir_fops = { .open = text_dir_open, .read = text_dir_read, .release = text_dir_release,
					       .iterate = node_iterate, .llseek = dir_llseek };

int pnode_inode(struct super_block *sb, struct pnode *n, struct inode **out)
{
	struct inode *i = inode_alloc(sb);

	if (!i)
		return -ENOMEM;
	i->ino = n->ino;
	i->mode = n->mode;
	i->priv = n;
	i->nlink = S_ISDIR(n->mode) ? 2 + n->nr_subdirs : 1;
	if (S_ISDIR(n->mode)) {
		i->ops = &node_dir_iops;
		i->fops = n->file ? &text_dir_fops : &node_dir_fops;
	} else if (S_ISLNK(n->mode)) {
		i->ops = &node_link_iops;
	} else {
		i->ops = &node_file_iops;
		i->fops = &node_file_fops;
	}
	*out = i;
	return 0;
}

int pnode_mount(struct file_system_type *t, const struct super_ops *ops, u32 magic, struct pnode *tree, u32 flags, struct super_block **out)
{
	struct super_block *sb = sb_alloc(t, ops, flags);
	struct inode *root;
	int err;

	if (!sb)
		return -ENOMEM;
	sb->magic = magic;
	err = pnode_inode(sb, tree, &root);
	return sb_finish(sb, err ? NULL : root, err, out);
}

int pnode_lookup(struct inode *dir, struct dentry *d)
{
	struct pnode *at = dir->priv, *n = find_visible(at, d->name.name, d->name.len);
	struct inode *i;
	int err;

	if (!n) {
		if (at == at->parent && dir->sb->magic == 0x9fa0)
			return pid_lookup(dir, d);
		return -ENOENT;
	}
	err = pnode_inode(dir->sb, n, &i);
	if (err)
		return err;
	d_instantiate(d, i);
	return 0;
}

/* ---- directories ---- */

static unsigned type_of(u32 mode)
{
	return (mode & S_IFMT) >> 12;		/* DT_* are the same bits */
}

int pnode_iterate(struct file *f, struct pnode *dir, struct dir_context *ctx, bool *full)
{
	*full = true;
	if (ctx->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, 0, dir->ino, 4))
			return 0;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		if (!ctx->emit(ctx, "..", 2, 1, dir->parent->ino, 4))
			return 0;
		ctx->pos = 2;
	}
	while (ctx->pos < PNODE_POS_END) {
		struct pnode *n = pnode_nth(dir, ctx->pos - 2);

		if (!n) {
			ctx->pos = PNODE_POS_END;
			break;
		}
		if (!ctx->emit(ctx, n->name, n->name_len, ctx->pos, n->ino, type_of(n->mode)))
			return 0;
		ctx->pos++;
	}
	*full = false;
	return 0;
}
