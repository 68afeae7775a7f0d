/*
 * p9.h - private to the 9p file system: what it keeps for a super block and an inode.
 *
 * FIDS        Every inode holds one path fid (it names the file; also used to walk, stat, change). Opening makes open
 *             fids, shared by all openers: rfid for reading, wfid for writing (opened O_RDWR when the server lets us).
 *             A regular file's path fid is itself opened for reading: one request instead of two. So is a directory's, when
 *             the server lets us walk from an open fid (QEMU does; the protocol's text says no), which is tried once.
 * FRESHNESS   Attributes and names are believed for a time (struct p9_sb); then one Tgetattr asks again. When size,
 *             mtime or version differ from what the server said last, cached pages are dropped.
 */
#ifndef P9_PRIVATE_H
#define P9_PRIVATE_H

#include <fs/fs.h>
#include <kernel/panic.h>

#include "client.h"

#define P9_MAGIC	0x01021997

enum p9_cache { P9_CACHE_NONE, P9_CACHE_MMAP, P9_CACHE_LOOSE };

struct p9_sb {
	struct p9_client	*client;
	enum p9_cache		cache;
	u32			msize;
	ktime_t			name_ttl;	/* how long names and attributes are believed in a walk */
	ktime_t			open_ttl;	/* and at open, stat */
	struct mutex		new_lock;	/* find-or-make of an inode */
	enum { WALK_UNKNOWN, WALK_REFUSED, WALK_WORKS } walk_open;	/* may one walk from an open directory fid? */
	char			tag[40];
};

struct p9_inode {
	u32		fid;		/* path fid; 0: none */
	u32		rfid, wfid;	/* open fids; rfid may be fid */
	bool		wfid_reads;
	bool		stale_fid;	/* the name behind fid was removed; another name may still exist */
	bool		wrote;		/* data went to the server since attributes were read */
	bool		size_ahead;	/* our size is newer than the server's: pages not written yet */
	atomic_t	writers;	/* open files that write */
	ktime_t		attr_time;
	ktime_t		no_xattr_until;
	u32		version;
	u64		srv_size, srv_mtime, srv_mtime_nsec, srv_ctime, srv_ctime_nsec;
	struct mutex	lock;		/* LOCK_SLEEP_LEAF: opening and closing of the fids */
	char		*target;	/* of a symlink, once read */
};

static inline struct p9_sb *p9_sb(const struct super_block *sb)
{
	return sb->priv;
}
static inline struct p9_inode *p9_i(const struct inode *i)
{
	return i->priv;
}
static inline struct p9_client *p9_c(const struct inode *i)
{
	return p9_sb(i->sb)->client;
}

extern const struct inode_ops p9_dir_iops, p9_file_iops, p9_symlink_iops, p9_special_iops;
extern const struct file_ops p9_dir_fops, p9_file_fops;
extern const struct mapping_ops p9_aops;

/* Inode for what fid names, found by its qid or made; takes over fid (also on failure). */
int p9_inode_get(struct super_block *sb, u32 fid, struct inode **out) must_check;
void p9_evict(struct inode *i);
/* Ask the server when what we know is older than ttl. 0, -ESTALE when the name now means another file, or its error. */
int p9_refresh(struct inode *i, ktime_t ttl) must_check;
/* Make sure there is an open fid for reading or writing. */
int p9_open_fid(struct inode *i, bool write) must_check;
void p9_drop_wfid(struct inode *i);
struct timespec_k p9_time(u64 sec, u64 nsec);

ssize_t p9_getxattr(struct inode *i, const char *name, void *buf, size_t n);
int p9_setxattr(struct inode *i, const char *name, const void *buf, size_t n, int flags);
ssize_t p9_listxattr(struct inode *i, char *buf, size_t n);
int p9_removexattr(struct inode *i, const char *name);

#endif
