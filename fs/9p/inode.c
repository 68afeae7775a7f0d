/*
 * inode.c - names and attributes over 9P.
 *
 * LOOKUP      Twalk + Tgetattr, two requests; a name that does not exist, one. Both answers are remembered in the dcache
 *             for name_ttl. One inode for each qid.path, so hard links share pages and locks.
 * UNLINKED    A file that is open keeps its open fids, which outlive the name on the server; attributes are then ours alone,
 *             since the server could only answer by name.
 * LOCKS       the VFS holds the directory's rwsem for changes and lookups. p9_sb.new_lock: find-or-make. Applying a
 *             change of contents needs the inode's rwsem and is skipped (tried again later) when somebody holds it.
 */
#include <abi/errno.h>
#include <kernel/cred.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <linux/fs.h>
#include <mm/slab.h>

#include "p9.h"

#ifndef AT_REMOVEDIR
#define AT_REMOVEDIR 0x200
#endif

/* ---- attributes ---- */

/* The server's clock may run a little ahead of ours; make(1) and others complain of files from the future. */
struct timespec_k p9_time(u64 sec, u64 nsec)
{
	struct timespec_k t = { .sec = sec, .nsec = min(nsec, (u64)NSEC_PER_SEC - 1) }, now = time_now_k();
	s64 ahead = t.sec - now.sec;

	if ((ahead == 0 && t.nsec > now.nsec) || ahead == 1)
		return now;
	return t;
}

static bool server_data_changed(const struct p9_inode *pi, const struct p9_attr *a)
{
	return a->size != pi->srv_size || a->mtime_sec != pi->srv_mtime || a->mtime_nsec != pi->srv_mtime_nsec;
}

static void remember(struct p9_inode *pi, const struct p9_attr *a)
{
	pi->version = a->qid.version;
	pi->srv_size = a->size;
	pi->srv_mtime = a->mtime_sec;
	pi->srv_mtime_nsec = a->mtime_nsec;
	pi->srv_ctime = a->ctime_sec;
	pi->srv_ctime_nsec = a->ctime_nsec;
	pi->attr_time = ktime_get();
}

static void apply_metadata(struct inode *i, const struct p9_attr *a)
{
	i->mode = a->mode;
	i->uid = a->uid;
	i->gid = a->gid;
	i->nlink = a->nlink;
	i->rdev = p9_rdev_to_dev(a->rdev);
	i->blocks = a->blocks;
	i->ctime = p9_time(a->ctime_sec, a->ctime_nsec);
	i->atime = p9_time(a->atime_sec, a->atime_nsec);
}

/* The file was changed on the server: its old pages must not be seen any more, mapped ones neither. */
static bool apply_contents(struct inode *i, const struct p9_attr *a)
{
	if (!rwsem_write_trylock(&i->rwsem))
		return false;
	i->mtime = p9_time(a->mtime_sec, a->mtime_nsec);
	if ((loff_t)a->size != i->data.size)
		filemap_truncate(&i->data, a->size);
	if (i->data.nr_pages)
		filemap_invalidate_all(&i->data);
	rwsem_write_unlock(&i->rwsem);
	return true;
}

static void apply_attr(struct inode *i, const struct p9_attr *a)
{
	struct p9_inode *pi = p9_i(i);

	apply_metadata(i, a);
	if (pi->wrote || pi->size_ahead || atomic_read(&pi->writers)) {
		remember(pi, a);	/* we are the writer: size and mtime are our own */
		if (!pi->size_ahead && !atomic_read(&pi->writers)) {
			i->mtime = p9_time(a->mtime_sec, a->mtime_nsec);
			pi->wrote = false;
		}
		return;
	}
	if (server_data_changed(pi, a)) {
		if (!S_ISREG(i->mode)) {
			i->mtime = p9_time(a->mtime_sec, a->mtime_nsec);
			i->data.size = a->size;
		} else if (!apply_contents(i, a)) {
			return;
		}
	}
	remember(pi, a);
}

int p9_refresh(struct inode *i, ktime_t ttl)
{
	struct p9_inode *pi = p9_i(i);
	struct p9_attr a;
	int err;

	if (!i->nlink || pi->stale_fid || (ttl && ktime_get() - READ_ONCE(pi->attr_time) < ttl))
		return 0;
	err = p9_getattr(p9_c(i), pi->fid, &a);
	if (err)
		return err;
	if (a.qid.path != i->ino || ((a.mode ^ i->mode) & S_IFMT))
		return -ESTALE;
	apply_attr(i, &a);
	return a.nlink ? 0 : -ESTALE;
}

static void set_ops(struct inode *i)
{
	switch (i->mode & S_IFMT) {
	case S_IFDIR:
		i->ops = &p9_dir_iops;
		i->fops = &p9_dir_fops;
		break;
	case S_IFLNK:
		i->ops = &p9_symlink_iops;
		break;
	case S_IFREG:
		i->ops = &p9_file_iops;
		i->fops = &p9_file_fops;
		i->data.ops = &p9_aops;
		break;
	default:
		i->ops = &p9_special_iops;
	}
}

static int inode_make(struct super_block *sb, u32 fid, const struct p9_attr *a, struct inode **out)
{
	struct p9_inode *pi = kzalloc(sizeof(*pi), GFP_KERNEL);
	struct inode *i;

	if (!pi)
		return -ENOMEM;
	i = inode_alloc(sb);
	if (!i) {
		kfree(pi);
		return -ENOMEM;
	}
	mutex_init(&pi->lock, "9p-inode", LOCK_SLEEP_LEAF);
	pi->fid = fid;
	i->priv = pi;
	i->ino = a->qid.path;
	apply_metadata(i, a);
	i->mtime = p9_time(a->mtime_sec, a->mtime_nsec);
	i->data.size = a->size;
	remember(pi, a);
	set_ops(i);
	*out = i;
	return 0;
}

/* An inode we know under another name, or again: fid is a spare. */
static void inode_known(struct inode *i, u32 fid, const struct p9_attr *a)
{
	struct p9_inode *pi = p9_i(i);
	u32 spare = fid;

	mutex_lock(&pi->lock);
	if (pi->stale_fid) {
		spare = pi->fid == pi->rfid ? 0 : pi->fid;
		pi->fid = fid;
		pi->stale_fid = false;
	}
	mutex_unlock(&pi->lock);
	if (spare)
		p9_clunk(p9_c(i), spare);
	apply_attr(i, a);
}

int p9_inode_get(struct super_block *sb, u32 fid, struct inode **out)
{
	struct p9_sb *s = p9_sb(sb);
	struct inode *i, *found;
	struct p9_attr a;
	int err = p9_getattr(s->client, fid, &a);

	if (err)
		goto clunk;
	found = inode_lookup(sb, a.qid.path);
	if (!found) {
		err = inode_make(sb, fid, &a, &i);
		if (err)
			goto clunk;
		mutex_lock(&s->new_lock);
		found = inode_lookup(sb, a.qid.path);
		if (!found)
			inode_hash_insert(i);
		mutex_unlock(&s->new_lock);
		if (!found) {
			*out = i;
			return 0;
		}
		p9_i(i)->fid = 0;	/* somebody was faster; fid goes to the inode that stays */
		inode_put(i);
	}
	if ((found->mode ^ a.mode) & S_IFMT) {
		inode_put(found);	/* the number was reused for another kind of file while we hold the old one */
		err = -ESTALE;
		goto clunk;
	}
	inode_known(found, fid, &a);
	*out = found;
	return 0;
clunk:
	p9_clunk(s->client, fid);
	return err;
}

void p9_evict(struct inode *i)
{
	struct p9_inode *pi = p9_i(i);
	struct p9_client *c = p9_c(i);

	if (!pi)
		return;
	if (pi->wfid)
		p9_clunk(c, pi->wfid);
	if (pi->rfid && pi->rfid != pi->fid)
		p9_clunk(c, pi->rfid);
	if (pi->fid)
		p9_clunk(c, pi->fid);
	kfree(pi->target);
	kfree(pi);
	i->priv = NULL;
}

/* ---- names ---- */

static void stamp(struct dentry *d)
{
	d->priv = (void *)(uintptr_t)ktime_get();
}

static int lookup_name(struct inode *dir, struct dentry *d, struct inode **out)
{
	struct p9_client *c = p9_c(dir);
	u32 fid = p9_fid_new(c);
	struct p9_qid q;
	int err = p9_walk(c, p9_i(dir)->fid, fid, d->name.name, d->name.len, &q);

	return err ? err : p9_inode_get(dir->sb, fid, out);
}

static int p9_lookup(struct inode *dir, struct dentry *d)
{
	struct inode *i = NULL;
	int err = lookup_name(dir, d, &i);

	if (err && err != -ENOENT)
		return err;
	stamp(d);
	d_instantiate(d, i);
	return 0;
}

/* The path fid is open, so the server answers for the file it opened: whether the name still means it takes a walk. */
static bool name_still_is(struct dentry *d, struct inode *i)
{
	struct dentry *parent = dentry_get(d->parent);
	struct p9_client *c = p9_c(i);
	u32 fid = p9_fid_new(c);
	struct p9_qid q;
	struct p9_attr a;
	bool same = false;

	if (!p9_walk(c, p9_i(parent->inode)->fid, fid, d->name.name, d->name.len, &q)) {
		same = q.path == i->ino && !p9_getattr(c, fid, &a) && !((a.mode ^ i->mode) & S_IFMT);
		if (same)
			apply_attr(i, &a);
		p9_clunk(c, fid);
	}
	dentry_put(parent);
	return same;
}

static int p9_revalidate(struct dentry *d)
{
	struct p9_sb *s = p9_sb(d->sb);
	struct inode *i = d->inode;

	if (!i)
		return ktime_get() - (ktime_t)(uintptr_t)d->priv < s->name_ttl;
	if (!i->nlink || p9_i(i)->stale_fid)	/* a lookup brings a fid by a name that exists */
		return 0;
	if (p9_i(i)->fid == READ_ONCE(p9_i(i)->rfid))
		return ktime_get() - READ_ONCE(p9_i(i)->attr_time) < s->name_ttl || name_still_is(d, i);
	return p9_refresh(i, s->name_ttl) == 0;
}

/* A change was made in dir: its times and link count are to be asked for again. */
static void dir_changed(struct inode *dir)
{
	p9_i(dir)->attr_time = ktime_get() - 3600 * NSEC_PER_SEC;
	inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
}

static u32 new_gid(const struct inode *dir)
{
	return dir->mode & S_ISGID ? dir->gid : current->cred ? current->cred->fsgid : 0;
}

/* What was just made by name: find it and give it to the dentry. */
static int instantiate_new(struct inode *dir, struct dentry *d)
{
	struct inode *i;
	int err = lookup_name(dir, d, &i);

	dir_changed(dir);
	if (err)
		return err;
	stamp(d);
	d_instantiate(d, i);
	return 0;
}

/*
 * Make and open in one: the fid that comes back open becomes the inode's wfid.
 * Opened O_RDWR whatever the caller wants: the maker may, whatever the mode says.
 */
static int p9_create_op(struct inode *dir, struct dentry *d, u32 mode)
{
	struct p9_client *c = p9_c(dir);
	u32 fid = p9_fid_new(c);
	struct p9_inode *pi;
	struct p9_qid q;
	int err = p9_clone(c, p9_i(dir)->fid, fid);

	if (err)
		return err;
	err = p9_lcreate(c, fid, d->name.name, d->name.len, O_RDWR | O_EXCL, mode & 07777, new_gid(dir), &q);
	if (!err)
		err = instantiate_new(dir, d);
	if (err) {
		p9_clunk(c, fid);
		return err;
	}
	pi = p9_i(d->inode);
	mutex_lock(&pi->lock);
	if (!pi->wfid && d->inode->ino == q.path) {
		pi->wfid = fid;
		pi->wfid_reads = true;
		fid = 0;
	}
	mutex_unlock(&pi->lock);
	if (fid)
		p9_clunk(c, fid);
	return 0;
}

static int p9_mknod_op(struct inode *dir, struct dentry *d, u32 mode, u32 rdev)
{
	int err = p9_mknod(p9_c(dir), p9_i(dir)->fid, d->name.name, d->name.len, mode, MAJOR(rdev), MINOR(rdev), new_gid(dir));

	return err ? err : instantiate_new(dir, d);
}

static int p9_mkdir_op(struct inode *dir, struct dentry *d, u32 mode)
{
	int err = p9_mkdir(p9_c(dir), p9_i(dir)->fid, d->name.name, d->name.len, mode & 07777, new_gid(dir));

	return err ? err : instantiate_new(dir, d);
}

static int p9_symlink_op(struct inode *dir, struct dentry *d, const char *target)
{
	int err = p9_symlink(p9_c(dir), p9_i(dir)->fid, d->name.name, d->name.len, target, new_gid(dir));

	return err ? err : instantiate_new(dir, d);
}

static int p9_link_op(struct inode *dir, struct dentry *d, struct inode *target)
{
	int err = p9_link(p9_c(dir), p9_i(dir)->fid, p9_i(target)->fid, d->name.name, d->name.len);

	if (err)
		return err;
	dir_changed(dir);
	target->nlink++;
	inode_touch(target, ATTR_CTIME);
	stamp(d);
	d_instantiate(d, inode_get(target));
	return 0;
}

/* A name of i is gone. With other names left the path fid may point nowhere: a lookup by one of them brings a new one. */
static void name_removed(struct inode *i)
{
	struct p9_inode *pi = p9_i(i);

	if (S_ISDIR(i->mode))
		i->nlink = 0;
	else if (i->nlink)
		i->nlink--;
	pi->stale_fid = true;
	inode_touch(i, ATTR_CTIME);
}

static int p9_unlink_op(struct inode *dir, struct dentry *d)
{
	int err = p9_unlinkat(p9_c(dir), p9_i(dir)->fid, d->name.name, d->name.len, 0);

	if (err)
		return err;
	dir_changed(dir);
	name_removed(d->inode);
	return 0;
}

static int p9_rmdir_op(struct inode *dir, struct dentry *d)
{
	int err = p9_unlinkat(p9_c(dir), p9_i(dir)->fid, d->name.name, d->name.len, AT_REMOVEDIR);

	if (err)
		return err;
	dir_changed(dir);
	name_removed(d->inode);
	return 0;
}

static int p9_rename_op(struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new, unsigned flags)
{
	int err;

	if (flags & ~RENAME_NOREPLACE)	/* the protocol has nothing for exchange and whiteout */
		return -EINVAL;
	err = p9_renameat(p9_c(old_dir), p9_i(old_dir)->fid, old->name.name, old->name.len, p9_i(new_dir)->fid,
			  new->name.name, new->name.len);
	if (err)
		return err;
	dir_changed(old_dir);
	dir_changed(new_dir);
	if (new->inode)
		name_removed(new->inode);
	inode_touch(old->inode, ATTR_CTIME);
	return 0;
}

/* ---- getattr, setattr, readlink ---- */

static int p9_getattr_op(struct inode *i, struct stat_k *st)
{
	int err = p9_refresh(i, p9_sb(i->sb)->open_ttl);

	if (err && err != -ESTALE && err != -ENOENT)
		return err;
	st->ino = i->ino;
	st->size = i->data.size;
	st->blocks = max(i->blocks, p9_i(i)->size_ahead ? DIV_ROUND_UP((u64)i->data.size, 512) : 0);
	st->dev = i->sb->dev;
	st->mode = i->mode;
	st->uid = i->uid;
	st->gid = i->gid;
	st->nlink = i->nlink;
	st->rdev = i->rdev;
	st->blksize = PAGE_SIZE;
	st->atime = i->atime;
	st->mtime = i->mtime;
	st->ctime = i->ctime;
	return 0;
}

static void fill_setattr(struct p9_setattr *s, const struct iattr *a)
{
	*s = (struct p9_setattr){ .mode = a->mode & 07777, .uid = a->uid, .gid = a->gid, .size = a->size,
		.atime_sec = a->atime.sec, .atime_nsec = a->atime.nsec, .mtime_sec = a->mtime.sec, .mtime_nsec = a->mtime.nsec };
	static const struct { u32 ours, theirs; } map[] = {
		{ ATTR_MODE, P9_SET_MODE }, { ATTR_UID, P9_SET_UID }, { ATTR_GID, P9_SET_GID }, { ATTR_SIZE, P9_SET_SIZE },
		{ ATTR_ATIME, P9_SET_ATIME }, { ATTR_MTIME, P9_SET_MTIME }, { ATTR_CTIME, P9_SET_CTIME },
		{ ATTR_ATIME_SET, P9_SET_ATIME | P9_SET_ATIME_TO }, { ATTR_MTIME_SET, P9_SET_MTIME | P9_SET_MTIME_TO },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(map); i++)
		if (a->valid & map[i].ours)
			s->valid |= map[i].theirs;
}

static void apply_locally(struct inode *i, const struct iattr *a)
{
	inode_set_attrs(i, a);
	if (a->valid & ATTR_SIZE) {
		filemap_truncate(&i->data, a->size);
		inode_touch(i, ATTR_MTIME | ATTR_CTIME);
	}
}

/* What the server says after our own change becomes the base for noticing others' changes. */
static void rebase(struct inode *i)
{
	struct p9_inode *pi = p9_i(i);
	struct p9_attr a;

	if (!i->nlink || pi->stale_fid || p9_getattr(p9_c(i), pi->fid, &a))
		return;
	remember(pi, &a);
	i->blocks = a.blocks;
	if (!pi->size_ahead)
		i->mtime = p9_time(a.mtime_sec, a.mtime_nsec);
	i->ctime = p9_time(a.ctime_sec, a.ctime_nsec);
}

static int p9_setattr_op(struct inode *i, const struct iattr *a)
{
	struct p9_inode *pi = p9_i(i);
	struct p9_setattr s;
	int err = 0;

	fill_setattr(&s, a);
	if ((s.valid & (P9_SET_SIZE | P9_SET_MTIME)) && pi->size_ahead) {
		err = filemap_write_range(&i->data, 0, S64_MAX, true);	/* later writes must not undo it */
		if (err)
			return err;
		pi->size_ahead = false;
	}
	if (i->nlink && !pi->stale_fid)
		err = p9_setattr(p9_c(i), pi->fid, &s);	/* an unlinked file's attributes are ours alone */
	if (err)
		return err;
	apply_locally(i, a);
	rebase(i);
	return 0;
}

static int p9_readlink_op(struct inode *i, char *buf, size_t n)
{
	struct p9_inode *pi = p9_i(i);
	size_t len;

	if (!READ_ONCE(pi->target)) {
		char *t = kmalloc(PATH_MAX, GFP_KERNEL), *keep;
		ssize_t got;

		if (!t)
			return -ENOMEM;
		got = p9_readlink(p9_c(i), pi->fid, t, PATH_MAX - 1);
		if (got < 0) {
			kfree(t);
			return got;
		}
		t[got] = 0;
		keep = kstrdup(t, GFP_KERNEL);
		kfree(t);
		if (!keep)
			return -ENOMEM;
		if (cmpxchg(&pi->target, NULL, keep))
			kfree(keep);
	}
	len = min(strlen(pi->target), n);
	memcpy(buf, pi->target, len);
	return len;
}

#define P9_COMMON_OPS							\
	.getattr = p9_getattr_op, .setattr = p9_setattr_op,		\
	.getxattr = p9_getxattr, .setxattr = p9_setxattr,		\
	.listxattr = p9_listxattr, .removexattr = p9_removexattr

const struct inode_ops p9_dir_iops = {
	.lookup = p9_lookup, .create = p9_create_op, .mknod = p9_mknod_op, .mkdir = p9_mkdir_op,
	.symlink = p9_symlink_op, .link = p9_link_op, .unlink = p9_unlink_op, .rmdir = p9_rmdir_op,
	.rename = p9_rename_op, .revalidate = p9_revalidate, P9_COMMON_OPS,
};
const struct inode_ops p9_file_iops = { P9_COMMON_OPS };
const struct inode_ops p9_symlink_iops = { .readlink = p9_readlink_op, P9_COMMON_OPS };
const struct inode_ops p9_special_iops = { P9_COMMON_OPS };
