/*
 * ovl.h - private to overlay: what it keeps for a super block, an inode, an open directory.
 *
 *	overlay inode ──► upper dentry (tmpfs)     the real file is upper's when there is one,
 *	      │      └──► lower dentries (9p …)    else the topmost lower's
 *	      └► parent overlay inode              (where a copy-up goes)
 */
#ifndef OVL_PRIVATE_H
#define OVL_PRIVATE_H

#include <fs/fs.h>
#include <kernel/cred.h>
#include <kernel/panic.h>

#define OVL_MAX_LOWER	8
#define OVL_MAGIC	0x794c7630
#define OVL_UPPER_INO	BIT(62)		/* set in inode numbers that come from the upper layer */
#define OVL_XATTR	"trusted.overlay."

struct ovl_sb {
	struct path	upper, work;	/* dentry NULL: read-only overlay */
	struct path	lower[OVL_MAX_LOWER];
	unsigned	nr_lower;
	struct mutex	copy_lock;	/* LOCK_OVL_COPY: one copy-up at a time; lookups do not see half-copied files */
	char		*lowerdir, *upperdir, *workdir;	/* as given */
};

struct ovl_layer {
	struct dentry	*dentry;
	unsigned	layer;		/* index into ovl_sb.lower */
};

struct ovl_inode {
	struct dentry	*upper;		/* set once, by copy-up or at birth */
	unsigned	nr_lower;
	struct ovl_layer lower[OVL_MAX_LOWER];	/* topmost first; more than one: merged directory */
	struct inode	*parent;	/* overlay directory it was found in; NULL for the root */
	bool		lower_name;	/* removing the name must leave a whiteout */
};

static inline struct ovl_sb *ovl_sb(const struct super_block *sb)
{
	return sb->priv;
}
static inline struct ovl_inode *ovl_i(const struct inode *i)
{
	return i->priv;
}
static inline struct dentry *ovl_upper(const struct inode *i)
{
	return smp_load_acquire(&ovl_i(i)->upper);
}
static inline struct dentry *ovl_real_dentry(const struct inode *i)
{
	struct dentry *u = ovl_upper(i);

	return u ? u : ovl_i(i)->lower[0].dentry;
}
static inline struct inode *ovl_real(const struct inode *i)
{
	return ovl_real_dentry(i)->inode;
}
struct path ovl_real_path(const struct inode *i);	/* borrowed */

/* Work on the layers is done as the machine, not as the caller, whose rights were checked on the overlay's inode. */
static inline struct cred *ovl_become_root(void)
{
	struct cred *old = current->cred;

	current->cred = &cred_root;
	return old;
}
static inline void ovl_become(struct cred *old)
{
	current->cred = old;
}

bool ovl_is_whiteout(const struct inode *i);
void ovl_sync_attr(struct inode *i);		/* overlay inode's fields from the real one */
/* Overlay inode for these layers. Consumes the references in oi (a template on the caller's stack). */
int ovl_inode_get(struct super_block *sb, struct ovl_inode *oi, struct inode **out) must_check;
void ovl_evict(struct inode *i);

/* Make sure i has an upper file, its parents too. limit: bytes of data to copy at most (-1: all). */
int ovl_copy_up(struct inode *i, loff_t limit) must_check;
int ovl_whiteout(struct inode *dir, const struct qstr *name) must_check;	/* in dir's upper, which exists */
int ovl_dir_empty(struct inode *dir) must_check;	/* 0 or -ENOTEMPTY */
int ovl_clear_whiteouts(struct inode *dir) must_check;
int ovl_set_opaque(struct dentry *upper) must_check;
bool ovl_is_opaque(struct dentry *upper);

extern const struct inode_ops ovl_dir_iops, ovl_file_iops, ovl_link_iops;
extern const struct file_ops ovl_file_fops, ovl_dir_fops;

#endif
