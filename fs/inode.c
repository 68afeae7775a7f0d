/*
 * inode.c - inodes: birth, references, the (sb, ino) hash, permission, death.
 *
 * LIFE     inode_alloc (refs 1) -> used by dentries and open files -> last inode_put -> pages written or dropped, sb->ops->evict,
 *          freed. There is no cache of unused inodes: an unused *dentry* keeps its inode, and the dentry shrinker lets both go.
 * HASH     only file systems whose inodes have a number elsewhere (9p) insert here. A hashed inode loses its last reference
 *          under the hash lock, so inode_lookup() never revives a dying one.
 * LOCKS    inode_hash_lock (LOCK_INODE_HASH); sb->lock (LOCK_FS) guards sb->inodes.
 */
#include "internal.h"
#include <lib/hash.h>

#define INODE_HASH_BITS	8

static struct slab_cache *inode_cache;
static struct list inode_hash[1 << INODE_HASH_BITS];
static spinlock_t inode_hash_lock = SPINLOCK_INIT("inode_hash", LOCK_INODE_HASH);
static atomic_long_t nr_inodes;

extern struct cred cred_root weak;

void inode_cache_init(void)
{
	inode_cache = slab_cache_create("inode_cache", sizeof(struct inode), 0, SLAB_RECLAIMABLE | SLAB_PANIC, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(inode_hash); i++)
		list_init(&inode_hash[i]);
}

struct timespec_k time_now_k(void)
{
	u64 ns = (u64)ktime_get_real();

	return (struct timespec_k){ (s64)(ns / NSEC_PER_SEC), (u32)(ns % NSEC_PER_SEC) };
}

void inode_set_attrs(struct inode *i, const struct iattr *a)
{
	if (a->valid & ATTR_MODE)
		i->mode = (i->mode & S_IFMT) | (a->mode & MODE_PERMS);
	if (a->valid & ATTR_UID)
		i->uid = a->uid;
	if (a->valid & ATTR_GID)
		i->gid = a->gid;
	if (a->valid & ATTR_ATIME)
		i->atime = a->atime;
	if (a->valid & ATTR_MTIME)
		i->mtime = a->mtime;
	if (a->valid & ATTR_CTIME)
		i->ctime = a->ctime;
}

void inode_touch(struct inode *i, int which)
{
	struct timespec_k now = time_now_k();

	if (which & ATTR_ATIME)
		i->atime = now;
	if (which & ATTR_MTIME)
		i->mtime = now;
	if (which & ATTR_CTIME)
		i->ctime = now;
	i->version++;
}

struct inode *inode_alloc(struct super_block *sb)
{
	struct inode *i = slab_alloc(inode_cache, GFP_KERNEL | GFP_ZERO);

	if (!i)
		return NULL;
	atomic_set(&i->refs, 1);
	i->nlink = 1;
	i->blkbits = 12;
	i->sb = sb;
	i->atime = i->mtime = i->ctime = i->btime = time_now_k();
	rwsem_init(&i->rwsem, "inode", LOCK_INODE);
	mapping_init(&i->data, i, NULL, ACCT_PAGE_CACHE);
	i->mapping = &i->data;
	list_init(&i->hash_link);
	spin_lock(&sb->lock);
	i->ino = ++sb->next_ino;
	list_append(&sb->inodes, &i->sb_link);
	spin_unlock(&sb->lock);
	atomic_inc(&nr_inodes);
	return i;
}

static struct list *hash_chain(struct super_block *sb, u64 ino)
{
	return &inode_hash[hash_u64(ino ^ ((u64)(uintptr_t)sb >> 6), INODE_HASH_BITS)];
}

struct inode *inode_lookup(struct super_block *sb, u64 ino)
{
	struct list *head = hash_chain(sb, ino);
	struct inode *i, *found = NULL;

	spin_lock(&inode_hash_lock);
	list_for_each(i, head, hash_link)
		if (i->ino == ino && i->sb == sb) {
			found = inode_get(i);
			break;
		}
	spin_unlock(&inode_hash_lock);
	return found;
}

void inode_hash_insert(struct inode *i)
{
	spin_lock(&inode_hash_lock);
	list_push(hash_chain(i->sb, i->ino), &i->hash_link);
	spin_unlock(&inode_hash_lock);
}

static void inode_evict(struct inode *i)
{
	struct super_block *sb = i->sb;

	if (i->nlink && i->data.nr_pages && !(i->data.flags & MAPPING_NO_WRITEBACK))
		filemap_write_range(&i->data, 0, S64_MAX, true);
	mapping_destroy(&i->data);
	if (sb->ops && sb->ops->evict)
		sb->ops->evict(i);
	if (i->locks)
		locks_free_context(i);
	if (i->pipe)
		pipe_free_inode(i);
	spin_lock(&sb->lock);
	list_remove(&i->sb_link);
	spin_unlock(&sb->lock);
	atomic_dec(&nr_inodes);
	slab_free(inode_cache, i);
}

void inode_put(struct inode *i)
{
	bool last;

	if (!i || atomic_add_unless(&i->refs, -1, 1))
		return;
	if (!list_is_linked(&i->hash_link)) {
		last = atomic_dec_and_test(&i->refs);
	} else {
		spin_lock(&inode_hash_lock);
		last = atomic_dec_and_test(&i->refs);
		if (last)
			list_remove(&i->hash_link);
		spin_unlock(&inode_hash_lock);
	}
	if (last)
		inode_evict(i);
}

void inode_init_owner(struct inode *i, const struct inode *dir, u32 mode)
{
	const struct cred *c = current_cred();

	i->uid = c->fsuid;
	i->gid = c->fsgid;
	if (dir && (dir->mode & S_ISGID)) {
		i->gid = dir->gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
	}
	i->mode = mode;
}

/* ---- permission ---- */

struct cred *current_cred(void)
{
	return likely(current->cred) ? current->cred : &cred_root;
}

bool inode_in_group(u32 gid)
{
	return cred_in_group(current_cred(), gid);
}

bool inode_owner_or_capable(const struct inode *i)
{
	return current_cred()->fsuid == i->uid || capable(CAP_FOWNER);
}

int mode_permission(struct inode *i, int mask)
{
	u32 mode = i->mode;

	mask &= MAY_READ | MAY_WRITE | MAY_EXEC;
	if (current_cred()->fsuid == i->uid)
		mode >>= 6;
	else if ((((mode >> 3) ^ mode) & 7) && inode_in_group(i->gid))
		mode >>= 3;
	if (!(mask & ~mode & 7))
		return 0;
	if (S_ISDIR(i->mode)) {
		if (!(mask & MAY_WRITE) && capable(CAP_DAC_READ_SEARCH))
			return 0;
		return capable(CAP_DAC_OVERRIDE) ? 0 : -EACCES;
	}
	if (mask == MAY_READ && capable(CAP_DAC_READ_SEARCH))
		return 0;
	if ((!(mask & MAY_EXEC) || (i->mode & 0111)) && capable(CAP_DAC_OVERRIDE))
		return 0;
	return -EACCES;
}

int inode_permission(struct inode *i, int mask)
{
	if (mask & MAY_WRITE) {
		u32 fmt = i->mode & S_IFMT;

		if ((i->sb->flags & MS_RDONLY) && (fmt == S_IFREG || fmt == S_IFDIR || fmt == S_IFLNK))
			return -EROFS;
		if (i->flags & S_IMMUTABLE_FL)
			return -EPERM;
	}
	if (i->ops && i->ops->permission)
		return i->ops->permission(i, mask);
	return mode_permission(i, mask);
}
