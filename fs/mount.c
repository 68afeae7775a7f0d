/*
 * mount.c - the mount tree: which file system is seen at which name.
 *
 * SHAPE    struct mount = (super block, root dentry inside it) attached at (parent mount, mountpoint dentry). Path walk goes down
 *          when a dentry has DCACHE_MOUNTED, and up at a mount's root. One tree for all processes: no mount namespaces.
 * LIFE     a reference for being in the tree, one for each path that names it. The last one drops the super block.
 * LOCKS    mount_mutex (LOCK_MOUNT) serialises changes; parent, mountpoint, hash and child lists change under
 *          dcache_lock as well, which is what the path walk takes to cross a mountpoint.
 */
#include "internal.h"
#include <lib/hash.h>
#include <lib/text.h>

#define MOUNT_HASH_BITS	5
#define MOUNT_HASH	(1 << MOUNT_HASH_BITS)
#define MNT_FORCE	1
#define MNT_DETACH	2
#define MNT_EXPIRE	4
#define UMOUNT_NOFOLLOW	8
#define MNT_FLAGS	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)

static struct list mount_hash[MOUNT_HASH];
static struct list all_mounts = LIST_INIT(all_mounts);
static struct mutex mount_mutex = MUTEX_INIT(mount_mutex, "mount", LOCK_MOUNT);
static struct mount *root_mount;
static int next_id = 1;
static spinlock_t contexts_lock = SPINLOCK_INIT("fs_contexts", LOCK_LEAF);
static struct list contexts = LIST_INIT(contexts);

struct fs_context kernel_fs_context = { .refs = ATOMIC_INIT(1), .lock = SPINLOCK_INIT("fs_context", LOCK_FILES),
					.umask = 022, .link = LIST_INIT(kernel_fs_context.link) };

void mount_init(void)
{
	for (unsigned i = 0; i < MOUNT_HASH; i++)
		list_init(&mount_hash[i]);
	list_append(&contexts, &kernel_fs_context.link);
}

static struct list *chain(const struct mount *m, const struct dentry *d)
{
	return &mount_hash[hash_u64(((u64)(uintptr_t)m >> 5) + ((u64)(uintptr_t)d >> 6), MOUNT_HASH_BITS)];
}

/* ---- references ---- */

void mount_get(struct mount *m)
{
	if (m)
		atomic_inc(&m->refs);
}

void mount_put(struct mount *m)
{
	struct super_block *sb;

	if (!m || !atomic_dec_and_test(&m->refs))
		return;
	sb = m->sb;
	dentry_put(m->root);
	kfree(m->source);
	kfree(m);
	sb_put(sb);
}

void path_put(struct path p)
{
	dentry_put(p.dentry);
	mount_put(p.mnt);
}

/* Consumes the super-block reference, also on failure. */
static struct mount *mount_new(struct super_block *sb, struct dentry *root, u32 flags, const char *source)
{
	struct mount *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (m)
		m->source = kstrdup(source && *source ? source : "none", GFP_KERNEL);
	if (!m || !m->source) {
		kfree(m);
		sb_put(sb);
		return NULL;
	}
	atomic_set(&m->refs, 1);
	m->sb = sb;
	m->root = dentry_get(root);
	m->flags = flags & MNT_FLAGS;
	if (!(flags & (MS_NOATIME | MS_STRICTATIME)))
		m->flags |= MS_RELATIME;
	list_init(&m->hash_link);
	list_init(&m->children);
	list_init(&m->child_link);
	list_init(&m->all_link);
	return m;
}

struct mount *mount_kernel(struct file_system_type *t)
{
	struct super_block *sb;
	int err = t->mount(t, 0, NULL, NULL, &sb);

	return err ? NULL : mount_new(sb, sb->root, MS_NOSUID | MS_NODEV | MS_NOEXEC, t->name);
}

unsigned long mount_flags(const struct mount *m)
{
	return m->flags | (m->sb->flags & MNT_FLAGS);
}

bool mnt_readonly(const struct mount *m)
{
	return (m->flags | m->sb->flags) & MS_RDONLY;
}

int mnt_want_write(struct mount *m)
{
	return mnt_readonly(m) ? -EROFS : 0;
}

bool path_noexec(const struct path *p)
{
	return (p->mnt->flags | p->mnt->sb->flags) & MS_NOEXEC;
}

bool path_nodev(const struct path *p)
{
	return p->mnt->flags & MS_NODEV;
}

/* ---- the tree ---- */

static struct mount *mounted_on(const struct mount *m, const struct dentry *d)
{
	struct mount *c;

	list_for_each(c, chain(m, d), hash_link)
		if (c->parent == m && c->mountpoint == d)
			return c;
	return NULL;
}

/* True when p changed. */
bool mount_traverse(struct path *p)
{
	bool moved = false;

	while (READ_ONCE(p->dentry->flags) & DCACHE_MOUNTED) {
		struct mount *c;

		spin_lock(&dcache_lock);
		c = mounted_on(p->mnt, p->dentry);
		if (c)
			atomic_inc(&c->refs);
		spin_unlock(&dcache_lock);
		if (!c)
			break;
		dentry_put(p->dentry);
		mount_put(p->mnt);
		*p = (struct path){ c, dentry_get(c->root) };
		moved = true;
	}
	return moved;
}

bool mount_up(struct path *p)
{
	struct path up = { NULL, NULL };

	spin_lock(&dcache_lock);
	if (p->mnt->parent) {
		up.mnt = p->mnt->parent;
		atomic_inc(&up.mnt->refs);
		up.dentry = dentry_get(p->mnt->mountpoint);
	}
	spin_unlock(&dcache_lock);
	if (!up.mnt)
		return false;
	path_put(*p);
	*p = up;
	return true;
}

/* mount_mutex held. Consumes the reference to m (the tree's), takes its own on `at`. */
static void attach(struct mount *m, const struct path *at)
{
	mount_get(at->mnt);
	dentry_get(at->dentry);
	d_set_flag(at->dentry, DCACHE_MOUNTED);
	spin_lock(&dcache_lock);
	if (!m->id)
		m->id = next_id++;
	m->parent = at->mnt;
	m->mountpoint = at->dentry;
	list_push(chain(at->mnt, at->dentry), &m->hash_link);
	list_append(&at->mnt->children, &m->child_link);
	if (!list_is_linked(&m->all_link))
		list_append(&all_mounts, &m->all_link);
	spin_unlock(&dcache_lock);
}

/* Does any mount still sit on d? */
static bool still_mountpoint(const struct dentry *d)
{
	struct mount *m;

	list_for_each(m, &all_mounts, all_link)
		if (m->mountpoint == d)
			return true;
	return false;
}

/* mount_mutex held. The tree's reference to m passes to the caller. */
static void detach(struct mount *m)
{
	struct path at;
	bool last;

	spin_lock(&dcache_lock);
	at = (struct path){ m->parent, m->mountpoint };
	m->parent = NULL;
	m->mountpoint = NULL;
	list_remove(&m->hash_link);
	list_remove(&m->child_link);
	last = at.dentry && !still_mountpoint(at.dentry);
	spin_unlock(&dcache_lock);
	if (!at.dentry)
		return;
	if (last)
		d_clear_flag(at.dentry, DCACHE_MOUNTED);
	path_put(at);
}

static void forget(struct mount *m)
{
	spin_lock(&dcache_lock);
	list_remove(&m->all_link);
	spin_unlock(&dcache_lock);
}

static bool is_mount_root(const struct path *p)
{
	return p->dentry == p->mnt->root;
}

static bool in_tree(const struct mount *m)
{
	return m->parent || m == root_mount;
}

/* ---- mount(2) ---- */

static int mount_new_fs(const char *source, const struct path *where, const char *type, unsigned long flags, const char *data)
{
	struct file_system_type *t;
	struct super_block *sb;
	struct path at = path_get(*where);
	struct mount *m;
	int err = -ENODEV;

	t = type ? fs_find_type(type) : NULL;
	if (!t)
		goto out;
	err = -ENOTDIR;
	if (!S_ISDIR(at.dentry->inode->mode))
		goto out;
	err = t->mount(t, flags & (MS_RDONLY | MS_SYNCHRONOUS), source, data, &sb);
	if (err)
		goto out;
	if (source && !sb->source[0])
		strscpy(sb->source, source, sizeof(sb->source));
	m = mount_new(sb, sb->root, (u32)flags, source ? source : type);
	err = -ENOMEM;
	if (!m)
		goto out;
	mutex_lock(&mount_mutex);
	mount_traverse(&at);			/* on top of what others put there meanwhile */
	err = -ENOENT;
	if (!(at.dentry->flags & DCACHE_UNLINKED)) {
		attach(m, &at);
		err = 0;
	}
	mutex_unlock(&mount_mutex);
	if (err)
		mount_put(m);
out:
	path_put(at);
	return err;
}

static struct mount *clone_mount(struct mount *old, struct dentry *root)
{
	return mount_new(sb_get(old->sb), root, old->flags, old->source);
}

/* Copies of all mounts below `from` that stand inside root, attached below `to` in the same places. */
static int clone_children(struct mount *from, struct dentry *root, struct mount *to)
{
	struct mount *c;

	list_for_each(c, &from->children, child_link) {
		struct path at = { to, c->mountpoint };
		struct mount *copy;
		int err;

		if (c == to || !d_is_ancestor(root, c->mountpoint))
			continue;
		copy = clone_mount(c, c->root);
		if (!copy)
			return -ENOMEM;
		attach(copy, &at);
		err = clone_children(c, c->root, copy);
		if (err)
			return err;
	}
	return 0;
}

static void detach_all(struct mount *m)
{
	struct mount *c;

	while ((c = list_first_entry(&m->children, struct mount, child_link)))
		detach_all(c);
	detach(m);
	forget(m);
	mount_put(m);
}

static int mount_bind(const char *source, const struct path *where, unsigned long flags)
{
	struct path from, at = path_get(*where);
	struct mount *m;
	int err = source ? path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &from) : -EINVAL;

	if (err) {
		path_put(at);
		return err;
	}
	mutex_lock(&mount_mutex);
	mount_traverse(&at);
	err = -EINVAL;
	if (!in_tree(at.mnt) || !in_tree(from.mnt))
		goto out;
	err = -ENOTDIR;
	if (!S_ISDIR(from.dentry->inode->mode) != !S_ISDIR(at.dentry->inode->mode))
		goto out;
	err = -ENOMEM;
	m = clone_mount(from.mnt, from.dentry);
	if (!m)
		goto out;
	err = flags & MS_REC ? clone_children(from.mnt, from.dentry, m) : 0;
	if (err) {
		detach_all(m);
		goto out;
	}
	attach(m, &at);
out:
	mutex_unlock(&mount_mutex);
	path_put(from);
	path_put(at);
	return err;
}

static int mount_move(const char *source, const struct path *where)
{
	struct path from, at = path_get(*where);
	struct mount *up;
	int err = source ? path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &from) : -EINVAL;

	if (err) {
		path_put(at);
		return err;
	}
	mutex_lock(&mount_mutex);
	mount_traverse(&at);
	err = -EINVAL;
	if (!is_mount_root(&from) || !from.mnt->parent || !in_tree(at.mnt))
		goto out;
	if (!S_ISDIR(from.dentry->inode->mode) != !S_ISDIR(at.dentry->inode->mode))
		goto out;
	err = -ELOOP;
	for (up = at.mnt; up; up = up->parent)
		if (up == from.mnt)
			goto out;
	detach(from.mnt);
	attach(from.mnt, &at);
	err = 0;
out:
	mutex_unlock(&mount_mutex);
	path_put(from);
	path_put(at);
	return err;
}

static int mount_remount(const struct path *where, unsigned long flags, const char *data)
{
	struct mount *m = where->mnt;
	u32 now = (u32)flags & MNT_FLAGS;
	int err = 0;

	if (!is_mount_root(where))
		return -EINVAL;
	if (!(flags & (MS_NOATIME | MS_STRICTATIME)))
		now |= MS_RELATIME;
	if (!(flags & MS_BIND)) {
		struct super_block *sb = m->sb;

		if ((flags & MS_RDONLY) && !(sb->flags & MS_RDONLY) && sb_is_written(sb))
			err = -EBUSY;
		else if (sb->ops && sb->ops->remount)
			err = sb->ops->remount(sb, (u32)flags, data);
		if (!err)
			sb->flags = (sb->flags & ~MS_RDONLY) | (flags & MS_RDONLY);
	}
	if (!err)
		m->flags = now;
	return err;
}

int do_mount(const char *source, const struct path *where, const char *type, unsigned long flags, const char *data)
{
	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~MS_MGC_MSK;
	if (flags & MS_NOUSER)
		return -EINVAL;
	if (flags & MS_REMOUNT)
		return mount_remount(where, flags, data);
	if (flags & MS_BIND)
		return mount_bind(source, where, flags);
	if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE))
		return is_mount_root(where) ? 0 : -EINVAL;	/* one tree: propagation has nobody to go to */
	if (flags & MS_MOVE)
		return mount_move(source, where);
	return mount_new_fs(source, where, type, flags, data);
}

/* A string of at most a page. */
static int copy_string(const char __user *u, char **out)
{
	*out = NULL;
	if (!u)
		return 0;
	return path_name_get_empty(u, out);
}

/* mount data: binary or text up to a page; what lies past a fault reads as zero, as in Linux. */
static int copy_data(const void __user *u, char **out)
{
	char *buf;
	size_t left;

	*out = NULL;
	if (!u)
		return 0;
	buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	left = copy_from_user(buf, u, PAGE_SIZE);
	if (left == PAGE_SIZE) {
		/* The string may end just before an unmapped page: take it byte by byte. */
		kfree(buf);
		return path_name_get_empty(u, out);
	}
	memset(buf + PAGE_SIZE - left, 0, left);
	buf[PAGE_SIZE - 1] = 0;
	*out = buf;
	return 0;
}

SYSCALL(mount, const char __user *source, const char __user *target, const char __user *type, unsigned long flags,
	const void __user *data)
{
	char *k_source = NULL, *k_type = NULL, *k_data = NULL;
	struct path where;
	int err;

	err = copy_string(type, &k_type);
	if (!err)
		err = copy_string(source, &k_source);
	if (!err)
		err = copy_data(data, &k_data);
	if (!err)
		err = path_lookup_user(AT_FDCWD, target, LOOKUP_FOLLOW, &where);
	if (!err) {
		err = capable(CAP_SYS_ADMIN) ? do_mount(k_source, &where, k_type, flags, k_data) : -EPERM;
		path_put(where);
	}
	kfree(k_data);
	kfree(k_source);
	kfree(k_type);
	return err;
}

/* ---- umount ---- */

static int umount_locked(struct path *p, int flags)
{
	struct mount *m = p->mnt;

	if (!is_mount_root(p) || !in_tree(m))
		return -EINVAL;
	if (m == root_mount)
		return -EBUSY;		/* Linux remounts it read-only; init has no use for that here */
	if (flags & MNT_DETACH) {
		detach_all(m);
		return 0;
	}
	d_prune_tree(m->root);
	/* The tree's reference and our path's. */
	if (!list_empty(&m->children) || atomic_read(&m->refs) > 2)
		return -EBUSY;
	if (flags & MNT_EXPIRE)
		return -EAGAIN;
	detach_all(m);
	return 0;
}

SYSCALL(umount2, const char __user *name, int flags)
{
	struct path p;
	int err;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = path_lookup_user(AT_FDCWD, name, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	if ((flags & MNT_EXPIRE) && (flags & (MNT_FORCE | MNT_DETACH)))
		err = -EINVAL;
	if (!err) {
		mutex_lock(&mount_mutex);
		err = umount_locked(&p, flags);
		mutex_unlock(&mount_mutex);
	}
	path_put(p);
	return err;
}

/* ---- root, cwd ---- */

static int check_chdir(const struct path *p)
{
	if (!S_ISDIR(p->dentry->inode->mode))
		return -ENOTDIR;
	return inode_permission(p->dentry->inode, MAY_EXEC);
}

static void set_context_path(struct path *slot, struct path p)
{
	struct fs_context *c = current->fs;
	struct path old;

	spin_lock(&c->lock);
	old = *slot;
	*slot = p;
	spin_unlock(&c->lock);
	path_put(old);
}

SYSCALL(chdir, const char __user *name)
{
	struct path p;
	int err = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = check_chdir(&p);
	if (err)
		path_put(p);
	else
		set_context_path(&current->fs->cwd, p);
	return err;
}

SYSCALL(fchdir, int fd)
{
	struct file *f = fd_get(fd);
	int err;

	if (!f)
		return -EBADF;
	err = check_chdir(&f->path);
	if (!err)
		set_context_path(&current->fs->cwd, path_get(f->path));
	file_put(f);
	return err;
}

SYSCALL(chroot, const char __user *name)
{
	struct path p;
	int err = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = check_chdir(&p);
	if (!err && !capable(CAP_SYS_CHROOT))
		err = -EPERM;
	if (err)
		path_put(p);
	else
		set_context_path(&current->fs->root, p);
	return err;
}

/* Every process whose root or cwd is `from` gets `to`. */
static void move_contexts(const struct path *from, const struct path *to)
{
	struct fs_context *c;
	unsigned drop = 0;

	spin_lock(&contexts_lock);
	list_for_each(c, &contexts, link) {
		if (c->root.dentry == from->dentry && c->root.mnt == from->mnt) {
			c->root = path_get(*to);
			drop++;
		}
		if (c->cwd.dentry == from->dentry && c->cwd.mnt == from->mnt) {
			c->cwd = path_get(*to);
			drop++;
		}
	}
	spin_unlock(&contexts_lock);
	while (drop--)
		path_put(*from);
}

static int pivot(struct path *new, struct path *put_old, struct path *root)
{
	struct mount *m, *old = root->mnt;
	struct path at;

	if (!is_mount_root(new) || !is_mount_root(root) || !new->mnt->parent || !in_tree(old) || !in_tree(put_old->mnt))
		return -EINVAL;
	if (new->mnt == old || put_old->mnt == old)
		return -EBUSY;
	for (m = put_old->mnt; m && m != new->mnt; m = m->parent)
		;
	if (!m)
		return -EINVAL;			/* put_old is not under new_root */
	if (old != root_mount && !old->parent)
		return -EINVAL;
	at = (struct path){ old->parent, old->mountpoint };
	detach(new->mnt);
	if (old == root_mount) {
		root_mount = new->mnt;
	} else {
		at = path_get(at);
		detach(old);
		attach(new->mnt, &at);
		path_put(at);
	}
	attach(old, put_old);
	return 0;
}

SYSCALL(pivot_root, const char __user *new_root, const char __user *put_old)
{
	struct path new, old, root;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = path_lookup_user(AT_FDCWD, new_root, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &new);
	if (err)
		return err;
	err = path_lookup_user(AT_FDCWD, put_old, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &old);
	if (err)
		goto put_new;
	spin_lock(&current->fs->lock);
	root = path_get(current->fs->root);
	spin_unlock(&current->fs->lock);
	mutex_lock(&mount_mutex);
	err = pivot(&new, &old, &root);
	mutex_unlock(&mount_mutex);
	if (!err)
		move_contexts(&root, &new);
	path_put(root);
	path_put(old);
put_new:
	path_put(new);
	return err;
}

SYSCALL(umask, int mask)
{
	u32 old = current->fs->umask;

	current->fs->umask = (u32)mask & 0777;
	return old;
}

u32 current_umask(void)
{
	return current->fs ? current->fs->umask : 0;
}

/* ---- fs_context ---- */

int fs_context_dup(struct fs_context *old, struct fs_context **out)
{
	struct fs_context *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return -ENOMEM;
	atomic_set(&c->refs, 1);
	spin_lock_init(&c->lock, "fs_context", LOCK_FILES);
	spin_lock(&old->lock);
	c->root = path_get(old->root);
	c->cwd = path_get(old->cwd);
	c->umask = old->umask;
	spin_unlock(&old->lock);
	spin_lock(&contexts_lock);
	list_append(&contexts, &c->link);
	spin_unlock(&contexts_lock);
	*out = c;
	return 0;
}

struct fs_context *fs_context_get(struct fs_context *c)
{
	atomic_inc(&c->refs);
	return c;
}

void fs_context_put(struct fs_context *c)
{
	if (!c || !atomic_dec_and_test(&c->refs))
		return;
	spin_lock(&contexts_lock);
	list_remove(&c->link);
	spin_unlock(&contexts_lock);
	path_put(c->root);
	path_put(c->cwd);
	kfree(c);
}

/* ---- names of paths ---- */

static bool prepend(char **p, char *buf, const char *s, size_t n)
{
	if ((size_t)(*p - buf) < n)
		return false;
	*p -= n;
	memcpy(*p, s, n);
	return true;
}

/* dcache_lock held. False when buf is too small. *reached: root was met. */
static bool prepend_path(const struct path *path, const struct path *root, char **p, char *buf, bool *reached)
{
	const struct dentry *d = path->dentry;
	const struct mount *m = path->mnt;

	*reached = false;
	for (;;) {
		if (root && d == root->dentry && m == root->mnt) {
			*reached = true;
			return true;
		}
		if (m && d == m->root) {
			if (!m->parent) {
				*reached = !root || m == root_mount;
				return true;
			}
			d = m->mountpoint;
			m = m->parent;
			continue;
		}
		if (d->parent == d) {		/* a name that no tree holds */
			*reached = true;
			return prepend(p, buf, d->name.name, d->name.len);
		}
		if (!prepend(p, buf, d->name.name, d->name.len) || !prepend(p, buf, "/", 1))
			return false;
		d = d->parent;
	}
}

static char *path_name_common(const struct path *p, const struct path *root, char *buf, size_t n, const char *unreachable)
{
	char *s = buf + n;
	bool fits, reached;

	if (!prepend(&s, buf, "", 1))
		return NULL;
	spin_lock(&dcache_lock);
	fits = !(p->dentry->flags & DCACHE_UNLINKED) || p->dentry == p->mnt->root || prepend(&s, buf, " (deleted)", 10);
	if (fits) {
		char *end = s;

		fits = prepend_path(p, root, &s, buf, &reached);
		if (fits && s == end)
			fits = prepend(&s, buf, "/", 1);
		if (fits && !reached && unreachable)
			fits = prepend(&s, buf, unreachable, strlen(unreachable));
	}
	spin_unlock(&dcache_lock);
	return fits ? s : NULL;
}

char *path_name(const struct path *p, const struct path *root, char *buf, size_t n)
{
	return path_name_common(p, root, buf, n, NULL);
}

/* The name by which a cached file can be seen, through whichever mount shows it; else from the root of its own file system. */
char *dentry_path_anywhere(struct dentry *d, char *buf, size_t n)
{
	struct path p = { NULL, d };
	struct mount *m;
	char *s = buf + n;
	bool reached, fits = prepend(&s, buf, "", 1);

	spin_lock(&dcache_lock);
	list_for_each(m, &all_mounts, all_link)
		if (m->sb == d->sb && m->root == d->sb->root)
			p.mnt = m;
	if (d->flags & DCACHE_UNLINKED && d->parent != d)
		fits = fits && prepend(&s, buf, " (deleted)", 10);
	if (p.mnt || d->parent == d)
		fits = fits && prepend_path(&p, NULL, &s, buf, &reached);
	for (; !p.mnt && fits && d->parent != d; d = d->parent)
		fits = prepend(&s, buf, d->name.name, d->name.len) && prepend(&s, buf, "/", 1);
	spin_unlock(&dcache_lock);
	return fits ? s : NULL;
}

SYSCALL(getcwd, char __user *ubuf, unsigned long size)
{
	struct path cwd, root;
	char *buf, *s;
	long len;

	buf = kmalloc(PATH_MAX_BYTES, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	spin_lock(&current->fs->lock);
	cwd = path_get(current->fs->cwd);
	root = path_get(current->fs->root);
	spin_unlock(&current->fs->lock);
	len = -ENOENT;
	if ((cwd.dentry->flags & DCACHE_UNLINKED) && cwd.dentry != cwd.mnt->root)
		goto out;
	len = -ENAMETOOLONG;
	s = path_name_common(&cwd, &root, buf, PATH_MAX_BYTES, "(unreachable)");
	if (!s)
		goto out;
	len = buf + PATH_MAX_BYTES - s;
	if ((unsigned long)len > size)
		len = -ERANGE;
	else if (copy_to_user(ubuf, s, len))
		len = -EFAULT;
out:
	path_put(cwd);
	path_put(root);
	kfree(buf);
	return len;
}

/* ---- reports ---- */

static void put_flags(struct text *out, u32 f, bool of_mount)
{
	static const struct { u32 flag; const char *name; } names[] = {
		{ MS_NOSUID, ",nosuid" }, { MS_NODEV, ",nodev" }, { MS_NOEXEC, ",noexec" }, { MS_NOATIME, ",noatime" },
		{ MS_NODIRATIME, ",nodiratime" }, { MS_RELATIME, ",relatime" },
	};

	text_puts(out, f & MS_RDONLY ? "ro" : "rw");
	for (unsigned i = 0; of_mount && i < ARRAY_SIZE(names); i++)
		if (f & names[i].flag)
			text_puts(out, names[i].name);
}

static void put_sb_options(struct text *out, struct super_block *sb)
{
	if (sb->ops && sb->ops->show_options)
		sb->ops->show_options(sb, out);
}

static void report_one(struct text *out, struct mount *m, int style, const char *where, const char *inside)
{
	struct super_block *sb = m->sb;

	switch (style) {
	case 0:
		text_puts_escaped(out, m->source, " \t\n\\");
		text_putc(out, ' ');
		text_puts_escaped(out, where, " \t\n\\");
		text_printf(out, " %s ", sb->type->name);
		put_flags(out, m->flags | (sb->flags & MS_RDONLY), true);
		put_sb_options(out, sb);
		text_puts(out, " 0 0\n");
		break;
	case 1:
		text_printf(out, "%d %d %u:%u ", m->id, m->parent ? m->parent->id : m->id, MAJOR(sb->dev), MINOR(sb->dev));
		text_puts_escaped(out, inside, " \t\n\\");
		text_putc(out, ' ');
		text_puts_escaped(out, where, " \t\n\\");
		text_putc(out, ' ');
		put_flags(out, m->flags, true);
		text_printf(out, " - %s ", sb->type->name);
		text_puts_escaped(out, m->source, " \t\n\\");
		text_putc(out, ' ');
		put_flags(out, sb->flags, false);
		put_sb_options(out, sb);
		text_putc(out, '\n');
		break;
	default:
		text_printf(out, "device %s mounted on ", m->source);
		text_puts_escaped(out, where, " \t\n\\");
		text_printf(out, " with fstype %s\n", sb->type->name);
	}
}

int mounts_report(struct text *out, int style)
{
	char *buf = kmalloc(2 * PATH_MAX_BYTES, GFP_KERNEL);
	struct path root;
	struct mount *m;

	if (!buf)
		return -ENOMEM;
	if (current->fs) {
		spin_lock(&current->fs->lock);
		root = path_get(current->fs->root);
		spin_unlock(&current->fs->lock);
	} else {
		root = path_get(kernel_fs_context.root);
	}
	mutex_lock(&mount_mutex);
	list_for_each(m, &all_mounts, all_link) {
		struct path p = { m, m->root };
		char *s = buf + PATH_MAX_BYTES, *in, *e = buf + 2 * PATH_MAX_BYTES;
		bool reached, fits;

		s[-1] = 0;
		s--;
		e[-1] = 0;
		in = e - 1;
		spin_lock(&dcache_lock);
		fits = prepend_path(&p, &root, &s, buf, &reached);
		for (struct dentry *d = m->root; fits && d->parent != d; d = d->parent)
			fits = prepend(&in, buf + PATH_MAX_BYTES, d->name.name, d->name.len) && prepend(&in, buf + PATH_MAX_BYTES, "/", 1);
		spin_unlock(&dcache_lock);
		if (fits && reached)
			report_one(out, m, style, *s ? s : "/", *in ? in : "/");
	}
	mutex_unlock(&mount_mutex);
	path_put(root);
	kfree(buf);
	return 0;
}

/* The first file system: tmpfs, filled from the initramfs. */
void mount_init_rootfs(void)
{
	struct super_block *sb;
	struct path root;

	if (ramfs_type.mount(&ramfs_type, 0, "rootfs", NULL, &sb))
		panic("cannot mount the root file system");
	root_mount = mount_new(sb, sb->root, 0, "rootfs");
	if (!root_mount)
		panic("no memory for the root mount");
	root_mount->id = next_id++;
	list_append(&all_mounts, &root_mount->all_link);
	root = (struct path){ root_mount, root_mount->root };
	kernel_fs_context.root = path_get(root);
	kernel_fs_context.cwd = path_get(root);
	if (!current->fs)
		current->fs = fs_context_get(&kernel_fs_context);
}
