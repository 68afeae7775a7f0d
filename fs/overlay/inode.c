/*
 * inode.c - overlay's names and attributes.
 */
#include <abi/errno.h>
#include <kernel/sched.h>
#include <kernel/time.h>
#include <lib/string.h>
#include <linux/fs.h>
#include <mm/slab.h>

#include "ovl.h"

#define NEGATIVE_TTL	(2 * NSEC_PER_SEC)	/* of names that a lower tree with changes of its own did not have */

bool ovl_is_whiteout(const struct inode *i)
{
	return S_ISCHR(i->mode) && i->rdev == 0;
}

bool ovl_is_opaque(struct dentry *upper)
{
	struct inode *i = upper->inode;
	char v = 0;

	return i->ops->getxattr && i->ops->getxattr(i, OVL_XATTR "opaque", &v, 1) == 1 && v == 'y';
}

int ovl_set_opaque(struct dentry *upper)
{
	struct inode *i = upper->inode;
	int err;

	if (!i->ops->setxattr)
		return -EOPNOTSUPP;
	rwsem_write_lock(&i->rwsem);
	err = i->ops->setxattr(i, OVL_XATTR "opaque", "y", 1, 0);
	rwsem_write_unlock(&i->rwsem);
	return err;
}

struct path ovl_real_path(const struct inode *i)
{
	struct ovl_sb *s = ovl_sb(i->sb);
	struct ovl_inode *oi = ovl_i(i);
	struct dentry *u = ovl_upper(i);

	if (u)
		return (struct path){ s->upper.mnt, u };
	return (struct path){ s->lower[oi->lower[0].layer].mnt, oi->lower[0].dentry };
}

/* ---- inodes ---- */

static void release_layers(struct ovl_inode *oi)
{
	if (oi->upper)
		dentry_put(oi->upper);
	for (unsigned k = 0; k < oi->nr_lower; k++)
		dentry_put(oi->lower[k].dentry);
	inode_put(oi->parent);
}

void ovl_evict(struct inode *i)
{
	if (!i->priv)
		return;
	release_layers(i->priv);
	kfree(i->priv);
	i->priv = NULL;
}

void ovl_sync_attr(struct inode *i)
{
	struct inode *r = ovl_real(i);

	i->mode = r->mode;
	i->uid = r->uid;
	i->gid = r->gid;
	i->nlink = r->nlink;
	i->rdev = r->rdev;
	i->blocks = r->blocks;
	i->atime = r->atime;
	i->mtime = r->mtime;
	i->ctime = r->ctime;
	i->btime = r->btime;
	if (S_ISREG(r->mode))
		i->mapping = r->mapping;
	else
		i->data.size = r->data.size;
}

static void set_ops(struct inode *i)
{
	switch (i->mode & S_IFMT) {
	case S_IFDIR:
		i->ops = &ovl_dir_iops;
		i->fops = &ovl_dir_fops;
		rwsem_init(&i->rwsem, "ovl_dir", LOCK_OVL_DIR);
		break;
	case S_IFLNK:
		i->ops = &ovl_link_iops;
		rwsem_init(&i->rwsem, "ovl_inode", LOCK_OVL_INODE);
		break;
	case S_IFREG:
		i->fops = &ovl_file_fops;
		fallthrough;
	default:
		i->ops = &ovl_file_iops;
		rwsem_init(&i->rwsem, "ovl_inode", LOCK_OVL_INODE);
	}
}

static u64 number_of(const struct ovl_inode *oi)
{
	struct inode *up = oi->upper ? oi->upper->inode : NULL;
	u64 origin;

	if (oi->nr_lower)
		return oi->lower[0].dentry->inode->ino & ~OVL_UPPER_INO;
	if (up->ops->getxattr && up->ops->getxattr(up, OVL_XATTR "origin", &origin, sizeof(origin)) == sizeof(origin))
		return origin & ~OVL_UPPER_INO;
	return up->ino | OVL_UPPER_INO;
}

/* Is a cached inode of this number really the same file? */
static bool same_file(struct inode *i, const struct ovl_inode *oi)
{
	struct dentry *up = ovl_upper(i), *real = oi->upper ? oi->upper : oi->lower[0].dentry;

	if ((i->mode ^ real->inode->mode) & S_IFMT)
		return false;
	if (oi->upper)
		return up && up->inode == oi->upper->inode;
	return ovl_i(i)->nr_lower && ovl_i(i)->lower[0].dentry->inode == real->inode;
}

int ovl_inode_get(struct super_block *sb, struct ovl_inode *oi, struct inode **out)
{
	u64 ino = number_of(oi);
	struct inode *i = inode_lookup(sb, ino);
	struct ovl_inode *copy;
	bool known = i != NULL;

	if (i && same_file(i, oi)) {
		release_layers(oi);
		*out = i;
		return 0;
	}
	inode_put(i);
	copy = kmalloc(sizeof(*copy), GFP_KERNEL);
	i = copy ? inode_alloc(sb) : NULL;
	if (!i) {
		kfree(copy);
		release_layers(oi);
		return -ENOMEM;
	}
	*copy = *oi;
	i->priv = copy;
	i->ino = ino;
	ovl_sync_attr(i);
	set_ops(i);
	if (!known)
		inode_hash_insert(i);
	*out = i;
	return 0;
}

/* ---- lookup ---- */

/* A name in a layer's directory: *out positive and referenced, or NULL. */
static int layer_lookup(struct dentry *dir, const struct qstr *name, struct dentry **out)
{
	struct inode *i = dir->inode;
	struct dentry *d;
	int err;

	*out = NULL;
	if (!i || !S_ISDIR(i->mode))
		return 0;
	rwsem_write_lock(&i->rwsem);
	err = lookup_one(dir, name->name, name->len, &d);
	rwsem_write_unlock(&i->rwsem);
	if (err)
		return err == -ENOENT || err == -ESTALE ? 0 : err;
	if (d->inode)
		*out = d;
	else
		dentry_put(d);
	return 0;
}

static int lookup_upper(struct ovl_inode *dir, const struct qstr *name, struct ovl_inode *oi, bool *stop)
{
	struct dentry *u = smp_load_acquire(&dir->upper);
	int err;

	if (!u)
		return 0;
	err = layer_lookup(u, name, &oi->upper);
	if (err || !oi->upper)
		return err;
	if (ovl_is_whiteout(oi->upper->inode)) {
		dentry_put(oi->upper);
		oi->upper = NULL;
		*stop = true;
	} else if (!S_ISDIR(oi->upper->inode->mode)) {
		*stop = true;
	} else if (dir->nr_lower && ovl_is_opaque(oi->upper)) {
		*stop = true;
	}
	return 0;
}

static int lookup_lower(struct ovl_inode *dir, const struct qstr *name, struct ovl_inode *oi)
{
	bool want_dir = oi->upper != NULL;

	for (unsigned k = 0; k < dir->nr_lower; k++) {
		struct dentry *d;
		bool is_dir;
		int err = layer_lookup(dir->lower[k].dentry, name, &d);

		if (err)
			return err;
		if (!d)
			continue;
		is_dir = S_ISDIR(d->inode->mode);
		if (ovl_is_whiteout(d->inode) || (want_dir && !is_dir)) {
			dentry_put(d);
			break;
		}
		oi->lower[oi->nr_lower++] = (struct ovl_layer){ d, dir->lower[k].layer };
		if (!is_dir)
			break;
		want_dir = true;
	}
	return 0;
}

static int find_layers(struct inode *dir, const struct qstr *name, struct ovl_inode *oi)
{
	struct ovl_sb *s = ovl_sb(dir->sb);
	struct cred *old = ovl_become_root();
	bool stop = false;
	int err;

	*oi = (struct ovl_inode){ 0 };
	mutex_lock(&s->copy_lock);
	err = lookup_upper(ovl_i(dir), name, oi, &stop);
	if (!err && !stop)
		err = lookup_lower(ovl_i(dir), name, oi);
	mutex_unlock(&s->copy_lock);
	ovl_become(old);
	if (err)
		release_layers(oi);
	oi->lower_name = oi->nr_lower > 0;
	return err;
}

static void stamp(struct dentry *d)
{
	d->priv = (void *)(uintptr_t)ktime_get();
}

static int ovl_lookup(struct inode *dir, struct dentry *d)
{
	struct inode *i = NULL;
	struct ovl_inode oi;
	int err = find_layers(dir, &d->name, &oi);

	if (err)
		return err;
	if (oi.upper || oi.nr_lower) {
		oi.parent = inode_get(dir);
		err = ovl_inode_get(dir->sb, &oi, &i);
		if (err)
			return err;
	}
	stamp(d);
	d_instantiate(d, i);
	return 0;
}

/* Names from layers that change by themselves (9p) are only as good as those are. */
static int ovl_revalidate(struct dentry *d)
{
	struct inode *i = d->inode, *lower_dir;
	struct ovl_inode *oi;
	struct dentry *l;

	if (!i) {
		oi = ovl_i(d->parent->inode);
		if (!oi->nr_lower || !oi->lower[0].dentry->inode->ops->revalidate)
			return 1;
		return ktime_get() - (ktime_t)(uintptr_t)d->priv < NEGATIVE_TTL;
	}
	oi = ovl_i(i);
	if (!oi->nr_lower || (!S_ISDIR(i->mode) && ovl_upper(i)))
		return 1;
	l = oi->lower[0].dentry;
	lower_dir = l->parent->inode;
	if (l->parent == l || !lower_dir->ops->revalidate)
		return 1;
	if (!lower_dir->ops->revalidate(l))
		return 0;
	if (!ovl_upper(i))
		ovl_sync_attr(i);
	return 1;
}

/* ---- making names ---- */

struct creation {
	struct dentry	*updir;		/* locked */
	struct dentry	*ud;		/* negative */
	bool		over_whiteout;
};

/* dir's upper directory locked, the name free in it. */
static int creation_begin(struct inode *dir, struct dentry *d, struct creation *c)
{
	struct cred *old;
	int err = ovl_copy_up(dir, 0);

	if (err)
		return err;
	c->over_whiteout = false;
	c->updir = ovl_upper(dir);
	rwsem_write_lock(&c->updir->inode->rwsem);
	err = lookup_one(c->updir, d->name.name, d->name.len, &c->ud);
	if (!err && c->ud->inode && ovl_is_whiteout(c->ud->inode)) {
		old = ovl_become_root();
		err = vfs_unlink(c->updir->inode, c->ud);
		ovl_become(old);
		dentry_put(c->ud);
		c->over_whiteout = true;
		if (!err)
			err = lookup_one(c->updir, d->name.name, d->name.len, &c->ud);
	}
	if (err)
		rwsem_write_unlock(&c->updir->inode->rwsem);
	return err;
}

/* Give d the new upper file. On failure, what was hidden is hidden again. */
static int creation_end(struct inode *dir, struct dentry *d, struct creation *c, int err)
{
	struct ovl_inode oi = { .lower_name = c->over_whiteout };
	struct inode *i;

	rwsem_write_unlock(&c->updir->inode->rwsem);
	if (!err && c->over_whiteout && S_ISDIR(c->ud->inode->mode))
		err = ovl_set_opaque(c->ud);
	if (err) {
		dentry_put(c->ud);
		if (c->over_whiteout && ovl_whiteout(dir, &d->name))
			return err;
		return err;
	}
	oi.upper = c->ud;
	oi.parent = inode_get(dir);
	err = ovl_inode_get(dir->sb, &oi, &i);
	if (err)
		return err;
	ovl_sync_attr(dir);
	stamp(d);
	d_instantiate(d, i);
	return 0;
}

static int ovl_create(struct inode *dir, struct dentry *d, u32 mode)
{
	struct creation c;
	int err = creation_begin(dir, d, &c);

	return err ? err : creation_end(dir, d, &c, vfs_create(c.updir->inode, c.ud, mode));
}

static int ovl_mknod(struct inode *dir, struct dentry *d, u32 mode, u32 rdev)
{
	struct creation c;
	int err;

	if (S_ISCHR(mode) && !rdev)
		return -EPERM;		/* it would be a whiteout */
	err = creation_begin(dir, d, &c);
	return err ? err : creation_end(dir, d, &c, vfs_mknod(c.updir->inode, c.ud, mode, rdev));
}

static int ovl_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
	struct creation c;
	int err = creation_begin(dir, d, &c);

	return err ? err : creation_end(dir, d, &c, vfs_mkdir(c.updir->inode, c.ud, mode));
}

static int ovl_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	struct creation c;
	int err = creation_begin(dir, d, &c);

	return err ? err : creation_end(dir, d, &c, vfs_symlink(c.updir->inode, c.ud, target));
}

static int ovl_link(struct inode *dir, struct dentry *d, struct inode *target)
{
	struct creation c;
	struct cred *old;
	int err = ovl_copy_up(target, -1);

	if (!err)
		err = creation_begin(dir, d, &c);
	if (err)
		return err;
	old = ovl_become_root();
	err = vfs_link(ovl_upper(target)->inode, c.updir->inode, c.ud);
	ovl_become(old);
	rwsem_write_unlock(&c.updir->inode->rwsem);
	dentry_put(c.ud);
	if (err) {
		if (c.over_whiteout && ovl_whiteout(dir, &d->name))
			return err;
		return err;
	}
	ovl_sync_attr(target);
	ovl_sync_attr(dir);
	stamp(d);
	d_instantiate(d, inode_get(target));
	return 0;
}

/* ---- removing names ---- */

int ovl_whiteout(struct inode *dir, const struct qstr *name)
{
	struct dentry *updir = ovl_upper(dir), *d;
	struct cred *old = ovl_become_root();
	int err;

	rwsem_write_lock(&updir->inode->rwsem);
	err = lookup_one(updir, name->name, name->len, &d);
	if (!err) {
		err = vfs_mknod(updir->inode, d, S_IFCHR, 0);
		dentry_put(d);
	}
	rwsem_write_unlock(&updir->inode->rwsem);
	ovl_become(old);
	return err;
}

/* The name's own upper file, when there is one, goes. */
static int remove_upper(struct inode *dir, const struct qstr *name, bool isdir)
{
	struct dentry *updir = ovl_upper(dir), *d;
	struct cred *old = ovl_become_root();
	int err;

	rwsem_write_lock(&updir->inode->rwsem);
	err = lookup_one(updir, name->name, name->len, &d);
	if (!err) {
		if (d->inode)
			err = isdir ? vfs_rmdir(updir->inode, d) : vfs_unlink(updir->inode, d);
		dentry_put(d);
	}
	rwsem_write_unlock(&updir->inode->rwsem);
	ovl_become(old);
	return err;
}

/* Does the name exist in a lower layer, so that removing it needs a whiteout? */
static bool has_lower_name(struct inode *dir, const struct dentry *d)
{
	struct ovl_inode found = { 0 };
	bool yes;

	if (ovl_i(d->inode)->lower_name)
		return true;
	if (!ovl_i(dir)->nr_lower)
		return false;
	yes = lookup_lower(ovl_i(dir), &d->name, &found) || found.nr_lower;
	release_layers(&found);
	return yes;
}

static int remove_name(struct inode *dir, struct dentry *d, bool isdir)
{
	struct inode *i = d->inode;
	bool hide;
	int err = ovl_copy_up(dir, 0);

	if (err)
		return err;
	hide = has_lower_name(dir, d);
	if (ovl_upper(i))
		err = remove_upper(dir, &d->name, isdir);
	if (!err && hide)
		err = ovl_whiteout(dir, &d->name);
	if (err)
		return err;
	if (ovl_upper(i))
		i->nlink = ovl_real(i)->nlink;
	else if (i->nlink)
		i->nlink--;
	if (isdir)
		i->nlink = 0;
	inode_touch(i, ATTR_CTIME);
	ovl_sync_attr(dir);
	return 0;
}

static int ovl_unlink(struct inode *dir, struct dentry *d)
{
	return remove_name(dir, d, false);
}

static int ovl_rmdir(struct inode *dir, struct dentry *d)
{
	int err = ovl_dir_empty(d->inode);

	if (!err && ovl_upper(d->inode))
		err = ovl_clear_whiteouts(d->inode);
	return err ? err : remove_name(dir, d, true);
}

/* ---- rename ---- */

static void lock_uppers(struct dentry *a, struct dentry *b)
{
	struct inode *x = a->inode, *y = b->inode;

	if (x == y) {
		rwsem_write_lock(&x->rwsem);
		return;
	}
	mutex_lock(&a->sb->rename_lock);
	/* The overlay's own directories are locked in tree order; these two mirror them. */
	rwsem_write_lock(&x->rwsem);
	rwsem_write_lock_nested(&y->rwsem);
}

static void unlock_uppers(struct dentry *a, struct dentry *b)
{
	rwsem_write_unlock(&a->inode->rwsem);
	if (a->inode != b->inode) {
		rwsem_write_unlock(&b->inode->rwsem);
		mutex_unlock(&a->sb->rename_lock);
	}
}

static int rename_upper(struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new)
{
	struct dentry *from = ovl_upper(old_dir), *to = ovl_upper(new_dir), *uo, *un;
	struct cred *cred = ovl_become_root();
	int err;

	lock_uppers(from, to);
	err = lookup_one(from, old->name.name, old->name.len, &uo);
	if (err)
		goto unlock;
	err = lookup_one(to, new->name.name, new->name.len, &un);
	if (err)
		goto put_old;
	if (un->inode && ovl_is_whiteout(un->inode) && S_ISDIR(old->inode->mode)) {
		err = vfs_unlink(to->inode, un);
		dentry_put(un);
		if (!err)
			err = lookup_one(to, new->name.name, new->name.len, &un);
		if (err)
			goto put_old;
	}
	err = uo->inode ? vfs_rename(from->inode, uo, to->inode, un, 0) : -ENOENT;
	dentry_put(un);
put_old:
	dentry_put(uo);
unlock:
	unlock_uppers(from, to);
	ovl_become(cred);
	return err;
}

static bool lower_name_at(struct inode *dir, const struct dentry *d)
{
	struct ovl_inode found = { 0 };
	bool yes;

	if (d->inode && ovl_i(d->inode)->lower_name)
		return true;
	yes = lookup_lower(ovl_i(dir), &d->name, &found) || found.nr_lower;
	release_layers(&found);
	return yes;
}

static int prepare_rename(struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new)
{
	int err = ovl_copy_up(old->inode, -1);

	if (!err)
		err = ovl_copy_up(new_dir, 0);
	if (!err && new->inode && S_ISDIR(new->inode->mode)) {
		err = ovl_dir_empty(new->inode);
		if (!err && ovl_upper(new->inode))
			err = ovl_clear_whiteouts(new->inode);
	}
	/* A directory that comes to lie over a lower name must not be merged with what is there. */
	if (!err && S_ISDIR(old->inode->mode) && lower_name_at(new_dir, new))
		err = ovl_set_opaque(ovl_upper(old->inode));
	return err;
}

static int ovl_rename(struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new, unsigned flags)
{
	struct inode *i = old->inode, *victim = new->inode;
	bool hide, over_lower;
	int err;

	if (flags & ~RENAME_NOREPLACE)
		return -EINVAL;
	if (S_ISDIR(i->mode) && ovl_i(i)->nr_lower)
		return -EXDEV;
	err = prepare_rename(old_dir, old, new_dir, new);
	if (err)
		return err;
	hide = has_lower_name(old_dir, old);
	over_lower = lower_name_at(new_dir, new);
	err = rename_upper(old_dir, old, new_dir, new);
	if (!err && hide)
		err = ovl_whiteout(old_dir, &old->name);
	if (err)
		return err;
	ovl_i(i)->lower_name = over_lower;
	if (old_dir != new_dir) {
		struct inode *was = ovl_i(i)->parent;

		ovl_i(i)->parent = inode_get(new_dir);
		inode_put(was);
	}
	if (victim) {
		victim->nlink = S_ISDIR(victim->mode) ? 0 : ovl_upper(victim) ? ovl_real(victim)->nlink : victim->nlink - 1;
		inode_touch(victim, ATTR_CTIME);
	}
	ovl_sync_attr(i);
	ovl_sync_attr(old_dir);
	ovl_sync_attr(new_dir);
	return 0;
}

/* ---- attributes ---- */

static int ovl_getattr(struct inode *i, struct stat_k *st)
{
	struct path real = ovl_real_path(i);
	u32 nlink = i->nlink;
	int err = vfs_getattr(&real, st);

	if (err)
		return err;
	st->ino = i->ino;
	st->dev = i->sb->dev;
	if (S_ISDIR(i->mode))
		st->nlink = ovl_i(i)->nr_lower + (ovl_upper(i) != NULL) > 1 ? 1 : st->nlink;
	else if (!ovl_upper(i))
		st->nlink = nlink;	/* a removed lower file is still there below */
	return 0;
}

static int ovl_setattr(struct inode *i, const struct iattr *a)
{
	struct iattr copy = *a;
	struct inode *real;
	int err = ovl_copy_up(i, a->valid & ATTR_SIZE ? a->size : -1);

	if (err)
		return err;
	real = ovl_real(i);
	rwsem_write_lock(&real->rwsem);
	err = real->ops->setattr ? real->ops->setattr(real, &copy) : -EPERM;
	rwsem_write_unlock(&real->rwsem);
	ovl_sync_attr(i);
	return err;
}

static int ovl_readlink(struct inode *i, char *buf, size_t n)
{
	struct inode *real = ovl_real(i);

	return real->ops->readlink ? real->ops->readlink(real, buf, n) : -EINVAL;
}

/* Our own marks are nobody's business. */
static bool own_xattr(const char *name)
{
	return !strncmp(name, OVL_XATTR, sizeof(OVL_XATTR) - 1);
}

static ssize_t ovl_getxattr(struct inode *i, const char *name, void *buf, size_t n)
{
	struct inode *real = ovl_real(i);

	if (own_xattr(name))
		return -ENODATA;
	return real->ops->getxattr ? real->ops->getxattr(real, name, buf, n) : -EOPNOTSUPP;
}

static int ovl_setxattr(struct inode *i, const char *name, const void *buf, size_t n, int flags)
{
	struct inode *real;
	int err;

	if (own_xattr(name))
		return -EPERM;
	err = ovl_copy_up(i, -1);
	if (err)
		return err;
	real = ovl_real(i);
	if (!real->ops->setxattr)
		return -EOPNOTSUPP;
	rwsem_write_lock(&real->rwsem);
	err = real->ops->setxattr(real, name, buf, n, flags);
	rwsem_write_unlock(&real->rwsem);
	return err;
}

static int ovl_removexattr(struct inode *i, const char *name)
{
	struct inode *real;
	int err;

	if (own_xattr(name))
		return -ENODATA;
	err = ovl_copy_up(i, -1);
	if (err)
		return err;
	real = ovl_real(i);
	if (!real->ops->removexattr)
		return -EOPNOTSUPP;
	rwsem_write_lock(&real->rwsem);
	err = real->ops->removexattr(real, name);
	rwsem_write_unlock(&real->rwsem);
	return err;
}

static ssize_t filter_names(char *buf, size_t n)
{
	size_t from = 0, to = 0;

	while (from < n) {
		size_t len = strnlen(buf + from, n - from) + 1;

		if (from + len > n)
			break;
		if (!own_xattr(buf + from)) {
			memmove(buf + to, buf + from, len);
			to += len;
		}
		from += len;
	}
	return to;
}

static ssize_t ovl_listxattr(struct inode *i, char *buf, size_t n)
{
	struct inode *real = ovl_real(i);
	ssize_t len = real->ops->listxattr ? real->ops->listxattr(real, buf, n) : 0;

	return len > 0 && n ? filter_names(buf, len) : len;
}

static int ovl_fallocate(struct inode *i, int mode, loff_t off, loff_t len)
{
	struct inode *real;
	int err = ovl_copy_up(i, -1);

	if (err)
		return err;
	real = ovl_real(i);
	return real->ops->fallocate ? real->ops->fallocate(real, mode, off, len) : -EOPNOTSUPP;
}

/* ---- opening a file: from then on it is the real one's ---- */

static int move_write_access(struct file *f, struct inode *from, struct inode *to)
{
	int v;

	if (!(f->mode & FMODE_WRITER))
		return 0;
	do {
		v = atomic_read(&to->writers);
		if (v < 0)
			return -ETXTBSY;
	} while (!atomic_try_cmpxchg(&to->writers, v, v + 1));
	atomic_dec(&from->writers);
	return 0;
}

static int become_real(struct file *f, struct inode *real)
{
	f->inode = real;
	f->mapping = real->mapping;
	f->wb_err = errseq_sample(&f->mapping->wb_err);
	f->ops = real->fops;
	return f->ops->open ? f->ops->open(real, f) : 0;
}

/*
 * A lower file that is open for reading when it is copied up shows the copy from then on (mappings made before do not).
 * Only readers come here, so nothing the lower file system keeps for the open file is lost.
 */
static int follow_copy_up(struct file *f)
{
	struct dentry *up = ovl_upper(f->path.dentry->inode);

	if (likely(!up) || f->inode->locks)
		return 0;
	if (f->inode->fops->release)
		f->inode->fops->release(f);
	f->ra = (struct readahead){ .max_pages = f->ra.max_pages };
	return become_real(f, up->inode);
}

static ssize_t lower_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	int err = follow_copy_up(f);

	return err ? err : f->inode->fops->read(f, to, pos);
}

static loff_t lower_llseek(struct file *f, loff_t off, int whence)
{
	int err = follow_copy_up(f);

	if (err)
		return err;
	return f->inode->fops->llseek ? f->inode->fops->llseek(f, off, whence) : -ESPIPE;
}

static int lower_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	return 0;
}

static void lower_release(struct file *f)
{
	if (f->inode->fops->release)
		f->inode->fops->release(f);
}

static int lower_mmap(struct file *f, struct vma *v)
{
	return f->inode->fops->mmap ? f->inode->fops->mmap(f, v) : 0;
}

static const struct file_ops lower_fops = {
	.read = lower_read, .llseek = lower_llseek, .fsync = lower_fsync, .release = lower_release, .can_mmap = true,
};
static const struct file_ops lower_mmap_fops = {
	.read = lower_read, .llseek = lower_llseek, .fsync = lower_fsync, .release = lower_release, .can_mmap = true,
	.mmap = lower_mmap,
};

static int ovl_open(struct inode *i, struct file *f)
{
	struct inode *real;
	int err = f->mode & FMODE_WRITE ? ovl_copy_up(i, f->flags & O_TRUNC ? 0 : -1) : 0;

	if (err)
		return err;
	real = ovl_real(i);
	if (!real->fops)
		return -ENXIO;
	err = move_write_access(f, i, real);
	if (!err)
		err = become_real(f, real);
	if (!err && !ovl_upper(i) && ovl_sb(i->sb)->upper.dentry && f->ops->can_mmap && f->ops->read)
		f->ops = f->ops->mmap ? &lower_mmap_fops : &lower_fops;
	return err;
}

const struct file_ops ovl_file_fops = { .open = ovl_open };

#define OVL_COMMON								\
	.getattr = ovl_getattr, .setattr = ovl_setattr,				\
	.getxattr = ovl_getxattr, .setxattr = ovl_setxattr,			\
	.listxattr = ovl_listxattr, .removexattr = ovl_removexattr

const struct inode_ops ovl_dir_iops = {
	.lookup = ovl_lookup, .create = ovl_create, .mknod = ovl_mknod, .mkdir = ovl_mkdir, .symlink = ovl_symlink,
	.link = ovl_link, .unlink = ovl_unlink, .rmdir = ovl_rmdir, .rename = ovl_rename, .revalidate = ovl_revalidate,
	OVL_COMMON,
};
const struct inode_ops ovl_file_iops = { .fallocate = ovl_fallocate, OVL_COMMON };
const struct inode_ops ovl_link_iops = { .readlink = ovl_readlink, OVL_COMMON };
