/*
 * dirops.c - making, removing and moving names: the vfs_ functions and their system calls.
 *
 * Every change holds the directory's rwsem for writing; rename across directories also holds the file system's rename_lock,
 * which keeps the tree's shape still while ancestors are compared, and then locks the two directories ancestor first, else
 * by address.
 */
#include "internal.h"

/* ---- checks ---- */

static int may_create(struct inode *dir, struct dentry *d)
{
	if (d->inode)
		return -EEXIST;
	if (dir->flags & S_DEAD)
		return -ENOENT;
	return inode_permission(dir, MAY_WRITE | MAY_EXEC);
}

/* A sticky directory lets only owners remove. */
static bool sticky_denies(const struct inode *dir, const struct inode *i)
{
	u32 uid = current_cred()->fsuid;

	return (dir->mode & S_ISVTX) && uid != i->uid && uid != dir->uid && !capable(CAP_FOWNER);
}

int may_delete(struct inode *dir, struct dentry *d, bool isdir)
{
	struct inode *i = d->inode;
	int err;

	if (!i)
		return -ENOENT;
	err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	if (dir->flags & S_APPEND_FL)
		return -EPERM;
	if (sticky_denies(dir, i) || (i->flags & (S_APPEND_FL | S_IMMUTABLE_FL | S_SWAPFILE_FL)))
		return -EPERM;
	if (isdir && !S_ISDIR(i->mode))
		return -ENOTDIR;
	if (!isdir && S_ISDIR(i->mode))
		return -EISDIR;
	if (dir->flags & S_DEAD)
		return -ENOENT;
	return 0;
}

/* ---- changes by kernel code ---- */

static void made(struct dentry *d)
{
	d_clear_flag(d, DCACHE_NOCACHE);
	if (d->inode)
		d_rehash(d);
}

int vfs_create(struct inode *dir, struct dentry *d, u32 mode)
{
	int err = may_create(dir, d);

	if (err)
		return err;
	if (!dir->ops->create)
		return -EACCES;
	err = dir->ops->create(dir, d, (mode & MODE_PERMS) | S_IFREG);
	if (!err)
		made(d);
	return err;
}

int vfs_mknod(struct inode *dir, struct dentry *d, u32 mode, u32 rdev)
{
	int err = may_create(dir, d);

	if (err)
		return err;
	/* 0:0 is overlay's whiteout, which is no device. */
	if ((S_ISCHR(mode) || S_ISBLK(mode)) && !(S_ISCHR(mode) && !rdev) && !capable(CAP_MKNOD))
		return -EPERM;
	if (!dir->ops->mknod)
		return -EPERM;
	err = dir->ops->mknod(dir, d, mode, rdev);
	if (!err)
		made(d);
	return err;
}

int vfs_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
	int err = may_create(dir, d);

	if (err)
		return err;
	if (!dir->ops->mkdir)
		return -EPERM;
	err = dir->ops->mkdir(dir, d, (mode & (0777 | S_ISVTX)) | S_IFDIR);
	if (!err)
		made(d);
	return err;
}

int vfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	int err = may_create(dir, d);

	if (err)
		return err;
	if (!dir->ops->symlink)
		return -EPERM;
	err = dir->ops->symlink(dir, d, target);
	if (!err)
		made(d);
	return err;
}

int vfs_link(struct inode *target, struct inode *dir, struct dentry *d)
{
	int err = may_create(dir, d);

	if (err)
		return err;
	if (dir->sb != target->sb)
		return -EXDEV;
	if (target->flags & (S_APPEND_FL | S_IMMUTABLE_FL))
		return -EPERM;
	if (!dir->ops->link || S_ISDIR(target->mode))
		return -EPERM;
	err = dir->ops->link(dir, d, target);
	if (!err)
		made(d);
	return err;
}

int vfs_unlink(struct inode *dir, struct dentry *d)
{
	int err = may_delete(dir, d, false);

	if (err)
		return err;
	if (!dir->ops->unlink)
		return -EPERM;
	if (d->flags & DCACHE_MOUNTED)
		return -EBUSY;
	err = dir->ops->unlink(dir, d);
	if (!err)
		d_delete(d);
	return err;
}

int vfs_rmdir(struct inode *dir, struct dentry *d)
{
	int err = may_delete(dir, d, true);
	struct inode *i = d->inode;

	if (err)
		return err;
	if (!dir->ops->rmdir)
		return -EPERM;
	if (d->flags & DCACHE_MOUNTED)
		return -EBUSY;
	inode_get(i);
	rwsem_write_lock_nested(&i->rwsem);
	err = dir->ops->rmdir(dir, d);
	if (!err) {
		i->flags |= S_DEAD;
		d_prune_children(d);
	}
	rwsem_write_unlock(&i->rwsem);
	if (!err)
		d_delete(d);
	inode_put(i);
	return err;
}

static int may_rename(struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new, unsigned flags)
{
	bool dir = S_ISDIR(old->inode->mode);
	int err = may_delete(old_dir, old, dir);

	if (err)
		return err;
	if (!new->inode) {
		err = may_create(new_dir, new);
	} else if (flags & RENAME_EXCHANGE) {
		err = may_delete(new_dir, new, S_ISDIR(new->inode->mode));
	} else {
		err = may_delete(new_dir, new, dir);
	}
	/* ".." of a moved directory is written. */
	if (!err && dir && old_dir != new_dir)
		err = inode_permission(old->inode, MAY_WRITE);
	if (!err && (flags & RENAME_EXCHANGE) && new->inode && S_ISDIR(new->inode->mode) && old_dir != new_dir)
		err = inode_permission(new->inode, MAY_WRITE);
	return err;
}

int vfs_rename(struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new, unsigned flags)
{
	struct inode *victim = new->inode, *dying;
	int err;

	if (old->inode == new->inode)
		return 0;
	err = may_rename(old_dir, old, new_dir, new, flags);
	if (err)
		return err;
	if (!old_dir->ops->rename)
		return -EPERM;
	if ((old->flags | new->flags) & DCACHE_MOUNTED)
		return -EBUSY;
	if (victim)
		inode_get(victim);
	/* A directory that is replaced must stay empty, as in rmdir. It is no ancestor of either parent: parents come first. */
	dying = victim && S_ISDIR(victim->mode) && !(flags & RENAME_EXCHANGE) ? victim : NULL;
	if (dying)
		rwsem_write_lock_nested(&dying->rwsem);
	err = old_dir->ops->rename(old_dir, old, new_dir, new, flags);
	if (!err && dying) {
		dying->flags |= S_DEAD;
		d_prune_children(new);
	}
	if (dying)
		rwsem_write_unlock(&dying->rwsem);
	if (!err && (flags & RENAME_EXCHANGE)) {
		d_exchange(old, new);
	} else if (!err) {
		d_clear_flag(old, DCACHE_NOCACHE);
		d_move(old, new);
	}
	inode_put(victim);
	return err;
}

/* ---- system calls that make names ---- */

static long do_mknod(int dirfd, const char __user *uname, u32 mode, u32 dev)
{
	struct path parent;
	struct dentry *d;
	char *name;
	int err;

	if (S_ISDIR(mode))
		return -EPERM;
	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	if (!S_ISREG(mode) && !S_ISCHR(mode) && !S_ISBLK(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode))
		return -EINVAL;
	err = path_name_get(uname, &name);
	if (err)
		return err;
	err = path_create_begin(dirfd, name, false, &parent, &d);
	if (!err) {
		struct inode *dir = parent.dentry->inode;

		mode &= ~current_umask();
		err = S_ISREG(mode) ? vfs_create(dir, d, mode) : vfs_mknod(dir, d, mode & (S_IFMT | MODE_PERMS), dev);
		path_create_end(&parent, d);
	}
	path_name_free(name);
	return err;
}

/* Device numbers of the ABI: minor's low 8 bits, major's 12, minor's high 12; ours are major << 20 | minor. */
static u32 dev_from_abi(unsigned dev)
{
	return MKDEV((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00));
}

SYSCALL(mknodat, int dirfd, const char __user *name, unsigned mode, unsigned dev)
{
	return do_mknod(dirfd, name, mode & 0xffff, dev_from_abi(dev));
}

SYSCALL(mknod, const char __user *name, unsigned mode, unsigned dev)
{
	return do_mknod(AT_FDCWD, name, mode & 0xffff, dev_from_abi(dev));
}

static long do_mkdir(int dirfd, const char __user *uname, u32 mode)
{
	struct path parent;
	struct dentry *d;
	char *name;
	int err = path_name_get(uname, &name);

	if (err)
		return err;
	err = path_create_begin(dirfd, name, true, &parent, &d);
	if (!err) {
		err = vfs_mkdir(parent.dentry->inode, d, mode & ~current_umask());
		path_create_end(&parent, d);
	}
	path_name_free(name);
	return err;
}

SYSCALL(mkdirat, int dirfd, const char __user *name, unsigned mode)
{
	return do_mkdir(dirfd, name, mode);
}

SYSCALL(mkdir, const char __user *name, unsigned mode)
{
	return do_mkdir(AT_FDCWD, name, mode);
}

static long do_symlink(const char __user *utarget, int dirfd, const char __user *uname)
{
	char *target, *name = NULL;
	struct path parent;
	struct dentry *d;
	int err = path_name_get(utarget, &target);

	if (err)
		return err;
	err = path_name_get(uname, &name);
	if (err)
		goto out;
	err = path_create_begin(dirfd, name, false, &parent, &d);
	if (!err) {
		err = vfs_symlink(parent.dentry->inode, d, target);
		path_create_end(&parent, d);
	}
	path_name_free(name);
out:
	path_name_free(target);
	return err;
}

SYSCALL(symlinkat, const char __user *target, int dirfd, const char __user *name)
{
	return do_symlink(target, dirfd, name);
}

SYSCALL(symlink, const char __user *target, const char __user *name)
{
	return do_symlink(target, AT_FDCWD, name);
}

static long do_link(int olddir, const char __user *uold, int newdir, const char __user *unew, int flags)
{
	struct path old, parent;
	struct dentry *d;
	char *name;
	int err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((flags & AT_EMPTY_PATH) && !capable(CAP_DAC_READ_SEARCH))
		return -ENOENT;
	err = path_at(olddir, uold, flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0, flags, &old);
	if (err)
		return err;
	err = path_name_get(unew, &name);
	if (err)
		goto put_old;
	err = path_create_begin(newdir, name, false, &parent, &d);
	if (!err) {
		struct inode *i = old.dentry->inode;

		if (parent.mnt != old.mnt)
			err = -EXDEV;
		else if (!i->nlink && !(i->flags & S_PRIVATE_FL))
			err = -ENOENT;
		else
			err = vfs_link(i, parent.dentry->inode, d);
		path_create_end(&parent, d);
	}
	path_name_free(name);
put_old:
	path_put(old);
	return err;
}

SYSCALL(linkat, int olddir, const char __user *old, int newdir, const char __user *new, int flags)
{
	return do_link(olddir, old, newdir, new, flags);
}

SYSCALL(link, const char __user *old, const char __user *new)
{
	return do_link(AT_FDCWD, old, AT_FDCWD, new, 0);
}

/* ---- removing ---- */

static int remove_last(struct nameidata *nd, bool isdir)
{
	struct inode *dir = nd->path.dentry->inode, *victim = NULL;
	struct dentry *d;
	int err = mnt_want_write(nd->path.mnt);

	if (err)
		return err;
	rwsem_write_lock(&dir->rwsem);
	err = lookup_child_locked(nd->path.dentry, &nd->last, &d);
	if (err)
		goto unlock;
	if (!d->inode)
		err = -ENOENT;
	else if (!isdir && nd->trailing)
		err = S_ISDIR(d->inode->mode) ? -EISDIR : -ENOTDIR;
	else if (isdir && nd->trailing && S_ISLNK(d->inode->mode))
		err = -ENOTDIR;
	if (!err) {
		victim = inode_get(d->inode);	/* its pages go after the lock is dropped */
		err = isdir ? vfs_rmdir(dir, d) : vfs_unlink(dir, d);
	}
	dentry_put(d);
unlock:
	rwsem_write_unlock(&dir->rwsem);
	inode_put(victim);
	return err;
}

int remove_name(int dirfd, const char *name, bool isdir)
{
	struct nameidata nd;
	int err = nd_begin(&nd, dirfd, name, 0);

	if (err)
		return err;
	err = nd_walk(&nd);
	if (!err && nd.last_type != LAST_NORM) {
		if (!isdir)
			err = -EISDIR;
		else
			err = nd.last_type == LAST_DOT ? -EINVAL : nd.last_type == LAST_DOTDOT ? -ENOTEMPTY : -EBUSY;
	}
	if (!err)
		err = remove_last(&nd, isdir);
	nd_end(&nd);
	return err;
}

static long do_remove(int dirfd, const char __user *uname, bool isdir)
{
	char *name;
	int err = path_name_get(uname, &name);

	if (err)
		return err;
	err = remove_name(dirfd, name, isdir);
	path_name_free(name);
	return err;
}

SYSCALL(unlinkat, int dirfd, const char __user *name, int flags)
{
	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	return do_remove(dirfd, name, flags & AT_REMOVEDIR);
}

SYSCALL(unlink, const char __user *name)
{
	return do_remove(AT_FDCWD, name, false);
}

SYSCALL(rmdir, const char __user *name)
{
	return do_remove(AT_FDCWD, name, true);
}

/* ---- moving ---- */

static void lock_two_dirs(struct dentry *a, struct dentry *b)
{
	struct inode *x = a->inode, *y = b->inode;

	if (x == y) {
		rwsem_write_lock(&x->rwsem);
		return;
	}
	mutex_lock(&a->sb->rename_lock);
	if (d_is_ancestor(b, a) || (!d_is_ancestor(a, b) && y < x)) {
		struct inode *t = x;

		x = y;
		y = t;
	}
	rwsem_write_lock(&x->rwsem);
	rwsem_write_lock_nested(&y->rwsem);
}

static void unlock_two_dirs(struct dentry *a, struct dentry *b)
{
	rwsem_write_unlock(&a->inode->rwsem);
	if (a->inode != b->inode) {
		rwsem_write_unlock(&b->inode->rwsem);
		mutex_unlock(&a->sb->rename_lock);
	}
}

/* Both directories are locked. */
static int rename_locked(struct nameidata *o, struct nameidata *n, unsigned flags)
{
	struct dentry *old, *new;
	struct inode *victim = NULL;
	int err = lookup_child_locked(o->path.dentry, &o->last, &old);

	if (err)
		return err;
	err = -ENOENT;
	if (!old->inode)
		goto put_old;
	err = lookup_child_locked(n->path.dentry, &n->last, &new);
	if (err)
		goto put_old;
	err = -EEXIST;
	if ((flags & RENAME_NOREPLACE) && new->inode)
		goto put_new;
	err = -ENOENT;
	if ((flags & RENAME_EXCHANGE) && !new->inode)
		goto put_new;
	err = -ENOTDIR;
	if ((flags & RENAME_EXCHANGE) && n->trailing && !S_ISDIR(new->inode->mode))
		goto put_new;
	if (!S_ISDIR(old->inode->mode) && (o->trailing || (!(flags & RENAME_EXCHANGE) && n->trailing)))
		goto put_new;
	err = -EINVAL;
	if (old->inode && S_ISDIR(old->inode->mode) && d_is_ancestor(old, n->path.dentry))
		goto put_new;
	err = flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	if (new->inode && S_ISDIR(new->inode->mode) && d_is_ancestor(new, o->path.dentry))
		goto put_new;
	victim = new->inode ? inode_get(new->inode) : NULL;
	err = vfs_rename(o->path.dentry->inode, old, n->path.dentry->inode, new, flags);
put_new:
	dentry_put(new);
put_old:
	dentry_put(old);
	inode_put(victim);
	return err;
}

static int rename_nd(struct nameidata *o, struct nameidata *n, unsigned flags)
{
	int err;

	if (o->path.mnt != n->path.mnt)
		return -EXDEV;
	if (o->last_type != LAST_NORM)
		return -EBUSY;
	if (n->last_type != LAST_NORM)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	err = mnt_want_write(o->path.mnt);
	if (err)
		return err;
	lock_two_dirs(o->path.dentry, n->path.dentry);
	err = rename_locked(o, n, flags);
	unlock_two_dirs(o->path.dentry, n->path.dentry);
	return err;
}

int rename_names(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
	struct nameidata *nd = kmalloc(2 * sizeof(*nd), GFP_KERNEL);	/* two would crowd the stack */
	int err;

	if (!nd)
		return -ENOMEM;
	err = nd_begin(&nd[0], olddir, old, 0);
	if (err)
		goto free;
	err = nd_walk(&nd[0]);
	if (err)
		goto end_old;
	err = nd_begin(&nd[1], newdir, new, 0);
	if (err)
		goto end_old;
	err = nd_walk(&nd[1]);
	if (!err)
		err = rename_nd(&nd[0], &nd[1], flags);
	nd_end(&nd[1]);
end_old:
	nd_end(&nd[0]);
free:
	kfree(nd);
	return err;
}

static long do_rename(int olddir, const char __user *uold, int newdir, const char __user *unew, unsigned flags)
{
	char *old, *new;
	int err;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if ((flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) && (flags & RENAME_EXCHANGE))
		return -EINVAL;
	if ((flags & RENAME_WHITEOUT) && !capable(CAP_MKNOD))
		return -EPERM;
	err = path_name_get(uold, &old);
	if (err)
		return err;
	err = path_name_get(unew, &new);
	if (!err) {
		err = rename_names(olddir, old, newdir, new, flags);
		path_name_free(new);
	}
	path_name_free(old);
	return err;
}

SYSCALL(renameat2, int olddir, const char __user *old, int newdir, const char __user *new, unsigned flags)
{
	return do_rename(olddir, old, newdir, new, flags);
}

SYSCALL(renameat, int olddir, const char __user *old, int newdir, const char __user *new)
{
	return do_rename(olddir, old, newdir, new, 0);
}

SYSCALL(rename, const char __user *old, const char __user *new)
{
	return do_rename(AT_FDCWD, old, AT_FDCWD, new, 0);
}
