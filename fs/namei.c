/*
 * namei.c - from a name to a path: the walk.
 *
 * SHAPE    a nameidata holds the place reached (nd->path, referenced) and the text still to walk. A symbolic link in the middle
 *          pushes the rest of the text on a stack and walks the link's target instead; a link at the very end replaces the
 *          text. So the walk is a loop, not a recursion, and the stack is bounded by MAX_SYMLINKS.
 * STEPS    nd_begin: where to start.  nd_walk: every component but the last.  nd_last: that one too.
 *          Calls that create or remove names stop after nd_walk and work on nd->last under the directory's rwsem.
 * LOCKS    a component found in the dcache takes one hash-chain lock and one reference. One that is not found takes the
 *          directory's rwsem for writing, so the file system is asked once however many ask.
 * LINUX    errors in the same order: search permission before lookup, ENOENT before ENOTDIR, ELOOP past 40 links.
 * READ NEXT  dcache.c, mount.c (crossing), dirops.c (changes of names)
 */
#include "internal.h"

static struct slab_cache *names_cache;

void namei_init(void);
void namei_init(void)
{
	names_cache = slab_cache_create("names_cache", PATH_MAX_BYTES, 0, SLAB_PANIC | SLAB_USERCOPY, NULL);
}

/* ---- path names from user space ---- */

int path_name_get_empty(const char __user *name, char **out)
{
	char *buf = slab_alloc(names_cache, GFP_KERNEL);
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	n = strncpy_from_user(buf, name, PATH_MAX_BYTES);
	if (unlikely(n < 0 || n >= PATH_MAX_BYTES)) {
		slab_free(names_cache, buf);
		return n < 0 ? (int)n : -ENAMETOOLONG;
	}
	*out = buf;
	return 0;
}

int path_name_get(const char __user *name, char **out)
{
	int err = path_name_get_empty(name, out);

	if (!err && unlikely(!**out)) {
		path_name_free(*out);
		return -ENOENT;
	}
	return err;
}

void path_name_free(char *name)
{
	kfree(name);
}

int path_name_from_user(const char __user *name, char **out)
{
	return path_name_get(name, out);
}

/* ---- where to start ---- */

static struct fs_context *context(void)
{
	return likely(current->fs) ? current->fs : &kernel_fs_context;
}

static struct path context_path(const struct path *slot)
{
	struct fs_context *c = context();
	struct path p;

	if (likely(atomic_read(&c->refs) == 1))
		return path_get(*slot);
	spin_lock(&c->lock);
	p = path_get(*slot);
	spin_unlock(&c->lock);
	return p;
}

static int start_at_fd(int dirfd, const char *name, unsigned flags, struct path *out)
{
	struct fdref r = fdref_any(dirfd);
	int err = 0;

	if (!r.file)
		return -EBADF;
	if (*name && !S_ISDIR(r.file->path.dentry->inode ? r.file->path.dentry->inode->mode : 0))
		err = -ENOTDIR;
	else
		*out = path_get(r.file->path);
	fdref_put(r);
	return err;
}

int nd_begin(struct nameidata *nd, int dirfd, const char *name, unsigned flags)
{
	int err;

	nd->flags = flags;
	nd->nr_links = nd->depth = 0;
	nd->cur = NULL;
	nd->name = name;
	nd->trailing = nd->jumped_magic = false;
	nd->last_type = LAST_ROOT;
	if ((flags & LOOKUP_BENEATH) && *name == '/')
		return -EXDEV;
	if (unlikely(flags & (LOOKUP_IN_ROOT | LOOKUP_BENEATH))) {
		/* The directory is the root of the walk. */
		err = dirfd == AT_FDCWD ? (nd->path = context_path(&context()->cwd), 0)
					: start_at_fd(dirfd, "x", flags, &nd->path);
		if (err)
			return err;
		nd->root = path_get(nd->path);
		return 0;
	}
	nd->root = context_path(&context()->root);
	if (*name == '/') {
		nd->path = path_get(nd->root);
		return 0;
	}
	if (dirfd == AT_FDCWD) {
		nd->path = context_path(&context()->cwd);
		return 0;
	}
	err = start_at_fd(dirfd, name, flags, &nd->path);
	if (err)
		path_put(nd->root);
	return err;
}

void nd_end(struct nameidata *nd)
{
	if (unlikely(nd->cur))
		path_name_free(nd->cur);
	while (unlikely(nd->depth))
		path_name_free(nd->stack[--nd->depth].buf);
	if (nd->path.dentry)
		path_put(nd->path);
	path_put(nd->root);
}

/* ---- one component ---- */

static int may_search(struct inode *dir)
{
	if (likely((dir->mode & (S_IFMT | 0111)) == (S_IFDIR | 0111) && !dir->ops->permission))
		return 0;
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	return inode_permission(dir, MAY_EXEC);
}

/* The directory is locked for writing. *out may be negative. */
int lookup_child_locked(struct dentry *parent, const struct qstr *q, struct dentry **out)
{
	struct inode *dir = parent->inode;
	struct dentry *d = d_lookup(parent, q);
	int err;

	if (d && dir->ops->revalidate && !dir->ops->revalidate(d) && !(d->flags & DCACHE_MOUNTED)) {
		d_drop(d);
		dentry_put(d);
		d = NULL;
	}
	if (!d) {
		if (!dir->ops || !dir->ops->lookup)
			return -ENOTDIR;
		if (dir->flags & S_DEAD)
			return -ENOENT;
		d = dentry_alloc(parent, q);
		if (!d)
			return -ENOMEM;
		err = dir->ops->lookup(dir, d);
		if (err) {
			dentry_put(d);
			return err;
		}
		if (!(d->flags & DCACHE_NOCACHE))
			d_rehash(d);
	}
	*out = d;
	return 0;
}

static int lookup_slow(struct dentry *parent, const struct qstr *q, struct dentry **out)
{
	struct inode *dir = parent->inode;
	int err;

	rwsem_write_lock(&dir->rwsem);
	err = lookup_child_locked(parent, q, out);
	rwsem_write_unlock(&dir->rwsem);
	return err;
}

int lookup_child(struct dentry *parent, const struct qstr *q, struct dentry **out)
{
	struct inode *dir = parent->inode;
	struct dentry *d = d_lookup(parent, q);

	if (unlikely(!d))
		return lookup_slow(parent, q, out);
	if (unlikely(dir->ops->revalidate && !dir->ops->revalidate(d))) {
		if (!(d->flags & DCACHE_MOUNTED)) {
			d_drop(d);
			dentry_put(d);
			return lookup_slow(parent, q, out);
		}
	}
	*out = d;
	return 0;
}

int lookup_one(struct dentry *dir, const char *name, u32 len, struct dentry **out)
{
	struct qstr q;

	if (len > NAME_MAX_BYTES)
		return -ENAMETOOLONG;
	qstr_init(&q, name, len);
	return lookup_child_locked(dir, &q, out);
}

static int walk_dotdot(struct nameidata *nd)
{
	for (;;) {
		struct dentry *p;

		if (nd->path.dentry == nd->root.dentry && nd->path.mnt == nd->root.mnt) {
			if (nd->flags & LOOKUP_BENEATH)
				return -EXDEV;
			break;
		}
		if (nd->path.dentry != nd->path.mnt->root) {
			p = d_parent_get(nd->path.dentry);
			dentry_put(nd->path.dentry);
			nd->path.dentry = p;
			break;
		}
		if (!mount_up(&nd->path))
			break;
		if (nd->flags & LOOKUP_NO_XDEV)
			return -EXDEV;
	}
	mount_traverse(&nd->path);
	return 0;
}

/* Move to a child; consumes d. */
static int step_into(struct nameidata *nd, struct dentry *d)
{
	dentry_put(nd->path.dentry);
	nd->path.dentry = d;
	if (unlikely(READ_ONCE(d->flags) & DCACHE_MOUNTED) && mount_traverse(&nd->path) && (nd->flags & LOOKUP_NO_XDEV))
		return -EXDEV;
	return 0;
}

/* ---- symbolic links ---- */

static int follow_magic(struct nameidata *nd, struct inode *i)
{
	struct path to;
	int err;

	if (nd->flags & (LOOKUP_NO_MAGICLINKS | LOOKUP_NO_SYMLINKS))
		return -ELOOP;
	if (nd->flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT))
		return -EXDEV;
	err = i->ops->follow(i, &to);
	if (err)
		return err;
	if ((nd->flags & LOOKUP_NO_XDEV) && to.mnt != nd->path.mnt) {
		path_put(to);
		return -EXDEV;
	}
	path_put(nd->path);
	nd->path = to;
	nd->jumped_magic = true;
	return 0;
}

static int read_link(struct inode *i, char **out)
{
	char *buf;
	int n;

	if (!i->ops->readlink)
		return -EINVAL;
	buf = slab_alloc(names_cache, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	n = i->ops->readlink(i, buf, PATH_MAX_BYTES - 1);
	if (n < 0) {
		path_name_free(buf);
		return n;
	}
	buf[n] = 0;
	if (!n) {
		path_name_free(buf);
		return -ENOENT;
	}
	*out = buf;
	return 0;
}

/*
 * d, a child of nd->path, is a link; `rest` is the text after it. Consumes d. On return nd->name is what to walk next;
 * for a magic link that is the rest itself.
 */
static int push_link(struct nameidata *nd, struct dentry *d, const char *rest)
{
	struct inode *i = d->inode;
	char *buf;
	int err;

	if (nd->nr_links++ >= MAX_SYMLINKS || (nd->flags & LOOKUP_NO_SYMLINKS)) {
		err = -ELOOP;
		goto out;
	}
	if (!(nd->path.mnt->flags & MS_NOATIME) && !mnt_readonly(nd->path.mnt)) {
		struct path p = { nd->path.mnt, d };

		touch_atime(&p);
	}
	if (i->ops->follow) {
		err = follow_magic(nd, i);
		nd->name = rest;
		goto out;
	}
	err = read_link(i, &buf);
	if (err)
		goto out;
	if (*rest) {
		nd->stack[nd->depth].rest = rest;
		nd->stack[nd->depth++].buf = nd->cur;
	} else if (nd->cur) {
		path_name_free(nd->cur);
	}
	nd->cur = buf;
	nd->name = buf;
	if (*buf == '/') {
		if (nd->flags & LOOKUP_BENEATH) {
			err = -EXDEV;
			goto out;
		}
		if ((nd->flags & LOOKUP_NO_XDEV) && nd->path.mnt != nd->root.mnt) {
			err = -EXDEV;
			goto out;
		}
		path_put(nd->path);
		nd->path = path_get(nd->root);
	}
out:
	dentry_put(d);
	return err;
}

/* The current text is used up: go on with the one that was interrupted by a link. */
static bool pop_link(struct nameidata *nd)
{
	if (!nd->depth)
		return false;
	if (nd->cur)
		path_name_free(nd->cur);
	nd->depth--;
	nd->name = nd->stack[nd->depth].rest;
	nd->cur = nd->stack[nd->depth].buf;
	return true;
}

/* ---- the walk ---- */

/* Cut the next component off nd->name into nd->last and say what it is. */
static int next_component(struct nameidata *nd)
{
	const char *start = nd->name, *s = start;
	u32 h = 0, len;

	while (*s && *s != '/')
		h = (h ^ (u8)*s++) * 0x01000193u;
	len = (u32)(s - start);
	if (unlikely(len > NAME_MAX_BYTES))
		return -ENAMETOOLONG;
	nd->last = (struct qstr){ start, len, 0 };
	if (unlikely(*start == '.') && len <= 2 && (len == 1 || start[1] == '.')) {
		nd->last_type = len == 1 ? LAST_DOT : LAST_DOTDOT;
	} else {
		nd->last_type = LAST_NORM;
		nd->last.hash = qstr_hash_finish(h, len);
	}
	nd->trailing = *s == '/';
	while (*s == '/')
		s++;
	nd->name = s;
	return 0;
}

static int walk_component(struct nameidata *nd)
{
	struct dentry *d;
	int err;

	if (nd->last_type == LAST_DOT)
		return 0;
	if (nd->last_type == LAST_DOTDOT)
		return walk_dotdot(nd);
	err = lookup_child(nd->path.dentry, &nd->last, &d);
	if (unlikely(err))
		return err;
	if (unlikely(!d->inode)) {
		dentry_put(d);
		return -ENOENT;
	}
	if (unlikely(S_ISLNK(d->inode->mode)))
		return push_link(nd, d, nd->name);
	return step_into(nd, d);
}

/*
 * Walk up to the last component: nd->path is its directory, nd->last the name. last_type LAST_ROOT: there is no last one, the
 * path itself is the result.
 */
int nd_walk(struct nameidata *nd)
{
	for (;;) {
		int err;

		while (*nd->name == '/')
			nd->name++;
		if (unlikely(!*nd->name)) {
			if (pop_link(nd))
				continue;
			nd->last_type = LAST_ROOT;
			return 0;
		}
		err = may_search(nd->path.dentry->inode);
		if (unlikely(err))
			return err;
		err = next_component(nd);
		if (unlikely(err))
			return err;
		if (!*nd->name && !nd->depth)
			return 0;
		err = walk_component(nd);
		if (unlikely(err))
			return err;
		if (unlikely(!S_ISDIR(nd->path.dentry->inode->mode)))
			return -ENOTDIR;
	}
}

int nd_follow_last(struct nameidata *nd, struct dentry *d)
{
	bool trailing = nd->trailing;
	int err = push_link(nd, d, "");

	if (!err && nd->jumped_magic && !*nd->name) {
		nd->last_type = LAST_ROOT;
		nd->trailing = trailing;
		return 0;
	}
	if (!err)
		err = nd_walk(nd);
	nd->trailing |= trailing;
	return err;
}

int nd_last(struct nameidata *nd)
{
	for (;;) {
		struct dentry *d;
		int err;

		if (nd->last_type == LAST_DOTDOT) {
			err = walk_dotdot(nd);
			if (err)
				return err;
		}
		if (nd->last_type != LAST_NORM)
			break;
		err = lookup_child(nd->path.dentry, &nd->last, &d);
		if (unlikely(err))
			return err;
		if (unlikely(!d->inode)) {
			dentry_put(d);
			return -ENOENT;
		}
		if (likely(!S_ISLNK(d->inode->mode)) || !((nd->flags & LOOKUP_FOLLOW) || nd->trailing)) {
			err = step_into(nd, d);
			if (unlikely(err))
				return err;
			break;
		}
		err = nd_follow_last(nd, d);
		if (err)
			return err;
	}
	if ((nd->trailing || (nd->flags & LOOKUP_DIRECTORY)) && nd->path.dentry->inode &&
	    !S_ISDIR(nd->path.dentry->inode->mode))
		return -ENOTDIR;
	return 0;
}

int path_lookup(int dirfd, const char *name, unsigned flags, struct path *out)
{
	struct nameidata nd;
	int err;

	if (!*name && !(flags & LOOKUP_EMPTY))
		return -ENOENT;
	err = nd_begin(&nd, dirfd, name, flags);
	if (err)
		return err;
	err = nd_walk(&nd);
	if (!err && !(flags & LOOKUP_PARENT))
		err = nd_last(&nd);
	if (!err) {
		*out = nd.path;
		nd.path.dentry = NULL;
	}
	nd_end(&nd);
	return err;
}

int path_lookup_user(int dirfd, const char __user *name, unsigned flags, struct path *out)
{
	char *buf;
	int err = flags & LOOKUP_EMPTY ? path_name_get_empty(name, &buf) : path_name_get(name, &buf);

	if (err)
		return err;
	err = path_lookup(dirfd, buf, flags, out);
	path_name_free(buf);
	return err;
}

/* The *at calls: AT_EMPTY_PATH with an empty name is the descriptor itself. */
int path_at(int dirfd, const char __user *name, unsigned lookup, int at_flags, struct path *out)
{
	if (at_flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	return path_lookup_user(dirfd, name, lookup, out);
}

/* ---- creating names ---- */

int path_create_begin(int dirfd, const char *name, bool dir, struct path *parent, struct dentry **out)
{
	struct nameidata nd;
	struct dentry *d;
	struct inode *i;
	int err;

	if (!*name)
		return -ENOENT;
	err = nd_begin(&nd, dirfd, name, 0);
	if (err)
		return err;
	err = nd_walk(&nd);
	if (!err && nd.last_type != LAST_NORM)
		err = -EEXIST;
	if (err)
		goto out;
	i = nd.path.dentry->inode;
	rwsem_write_lock(&i->rwsem);
	err = lookup_child_locked(nd.path.dentry, &nd.last, &d);
	if (err)
		goto unlock;
	if (d->inode)
		err = -EEXIST;
	else if (nd.trailing && !dir)
		err = -ENOENT;
	else
		err = mnt_want_write(nd.path.mnt);
	if (!err) {
		*out = d;
		*parent = nd.path;
		nd.path.dentry = NULL;
		goto out;
	}
	dentry_put(d);
unlock:
	rwsem_write_unlock(&i->rwsem);
out:
	nd_end(&nd);
	return err;
}

void path_create_end(struct path *parent, struct dentry *d)
{
	dentry_put(d);
	rwsem_write_unlock(&parent->dentry->inode->rwsem);
	path_put(*parent);
}

int path_make_node(int dirfd, const char *name, u32 mode, u32 rdev, struct path *out)
{
	struct path parent;
	struct dentry *d;
	int err = path_create_begin(dirfd, name, false, &parent, &d);

	if (err)
		return err;
	err = vfs_mknod(parent.dentry->inode, d, mode, rdev);
	if (!err) {
		out->mnt = parent.mnt;
		out->dentry = d;
		path_get(*out);
	}
	path_create_end(&parent, d);
	return err;
}
