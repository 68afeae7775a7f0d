/*
 * internal.h - what the files of the VFS share with each other and with nobody else.
 */
#ifndef FS_INTERNAL_H
#define FS_INTERNAL_H

#include <fs/fs.h>
#include <kernel/cred.h>
#include <kernel/panic.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <mm/slab.h>
#include <mm/uaccess.h>

#define MAX_RW_COUNT	0x7ffff000UL
#define PATH_MAX_BYTES	4096
#define NAME_MAX_BYTES	255
#define MAX_SYMLINKS	40

#ifndef S_IFMT
#define S_IFMT	00170000
#endif
#define MODE_PERMS	07777

/* ---- dcache.c ---- */

extern spinlock_t dcache_lock;		/* tree, unused list, mount table */
void dcache_init(void);
static inline u32 qstr_hash_finish(u32 h, u32 len)
{
	return h + len;
}
struct dentry *d_lookup(struct dentry *parent, const struct qstr *q);
struct dentry *dentry_alloc_anon(struct super_block *sb, const char *name) must_check;
void d_set_flag(struct dentry *d, u32 flag);
void d_clear_flag(struct dentry *d, u32 flag);
void d_move(struct dentry *d, struct dentry *target);		/* d takes target's place; target is unhashed */
void d_exchange(struct dentry *a, struct dentry *b);
void d_delete(struct dentry *d);				/* name is gone: negative, or unhashed while others use it */
void d_prune_children(struct dentry *dir);			/* unused negative ones */
void d_prune_tree(struct dentry *root);				/* unused dentries below */
void d_destroy_tree(struct dentry *root);			/* umount: everything, pinned ones too; drops the caller's reference */
bool d_is_ancestor(const struct dentry *a, const struct dentry *d);
struct dentry *d_parent_get(struct dentry *d);
struct dentry *d_next_child(struct dentry *dir, struct dentry *prev, u32 from);	/* consumes prev; positive ones with cookie >= from */
bool d_has_children(struct dentry *dir);				/* positive ones */

/* ---- inode.c ---- */

void inode_cache_init(void);
struct cred *current_cred(void);
int mode_permission(struct inode *i, int mask);
bool inode_owner_or_capable(const struct inode *i);
bool inode_in_group(u32 gid);
extern const struct file_ops no_open_fops;

/* ---- mount.c ---- */

#define MNT_INTERNAL	0x4000000u
#define MNT_LOCK_DETACH	0x8000000u
struct mount {
	atomic_t		refs;
	int			id;
	u32			flags;		/* MS_* of this mount */
	struct super_block	*sb;
	struct dentry		*root;
	struct mount		*parent;	/* [dcache_lock] NULL: the root, or detached */
	struct dentry		*mountpoint;	/* [dcache_lock] in parent */
	struct list		hash_link, children, child_link, all_link;
	char			*source;
};
void mount_init(void);
void mount_init_rootfs(void);
struct mount *mount_kernel(struct file_system_type *t);			/* not in the tree: pipes, memfd */
bool mount_traverse(struct path *p);					/* down through what is mounted on p */
bool mount_up(struct path *p);						/* from a mount's root to its mountpoint */
int mnt_want_write(struct mount *m) must_check;
bool mnt_readonly(const struct mount *m);
bool path_noexec(const struct path *p);
bool path_nodev(const struct path *p);
int sb_count_mounts(struct super_block *sb);
void sb_sync_all(bool wait);
bool sb_is_written(struct super_block *sb);
/* Each file system, with a reference, outside all locks. */
void sb_for_each(void (*fn)(struct super_block *sb, void *arg), void *arg);
char *dentry_path_anywhere(struct dentry *d, char *buf, size_t n);
void file_for_each_open(void (*fn)(struct file *f, void *arg), void *arg);	/* under a spinlock; f is borrowed, refs may be 0 */
struct mount *mount_of_anon(void);
struct super_block *anon_sb(void);
int file_open_anon_inode(const char *name, struct inode *i, const struct file_ops *ops, void *priv, u32 flags, struct file **out) must_check;
struct file_system_type *fs_find_type(const char *name);

/* ---- namei.c ---- */

struct nameidata {
	struct path	path;		/* references */
	struct path	root;
	struct qstr	last;
	enum { LAST_NORM, LAST_ROOT, LAST_DOT, LAST_DOTDOT } last_type;
	bool		trailing;	/* slash after the last component */
	bool		jumped_magic;
	unsigned	flags;
	unsigned	nr_links;	/* followed so far */
	unsigned	depth;
	char		*cur;		/* buffer the current part lives in; NULL: the caller's */
	const char	*name;		/* what is left of the current part */
	struct { const char *rest; char *buf; } stack[MAX_SYMLINKS];
};
int nd_begin(struct nameidata *nd, int dirfd, const char *name, unsigned flags) must_check;
int nd_walk(struct nameidata *nd) must_check;		/* to the parent of the last component */
int nd_last(struct nameidata *nd) must_check;		/* the last one too; result in nd->path */
int nd_follow_last(struct nameidata *nd, struct dentry *d) must_check;	/* d is a symlink: walk on; consumes d */
void nd_end(struct nameidata *nd);
int lookup_child(struct dentry *parent, const struct qstr *q, struct dentry **out) must_check;
int lookup_child_locked(struct dentry *parent, const struct qstr *q, struct dentry **out) must_check;
int path_name_get(const char __user *name, char **out) must_check;	/* names cache; free with path_name_free */
int path_name_get_empty(const char __user *name, char **out) must_check;	/* "" allowed */
void path_name_free(char *name);
/* Parent locked for writing, *out negative. End with path_create_end(). */
int path_create_begin(int dirfd, const char *name, bool dir, struct path *parent, struct dentry **out) must_check;
void path_create_end(struct path *parent, struct dentry *d);
/* rename(2), unlink(2), rmdir(2) for names in kernel memory. */
int rename_names(int olddir, const char *old, int newdir, const char *new, unsigned flags) must_check;
int remove_name(int dirfd, const char *name, bool isdir) must_check;
int may_delete(struct inode *dir, struct dentry *d, bool isdir);
int path_at(int dirfd, const char __user *name, unsigned lookup, int at_flags, struct path *out) must_check;

/* ---- fdtable.c ---- */

#define FDS_INLINE	64
struct files {
	atomic_t	refs;
	spinlock_t	lock;		/* LOCK_FILES: the arrays */
	unsigned	max;		/* slots */
	unsigned	next;		/* no free descriptor below */
	struct file	**fds;
	unsigned long	*open, *cloexec;
	struct file	*fds_inline[FDS_INLINE];
	unsigned long	open_inline[1], cloexec_inline[1];
};
void fdtable_init(void);
/* The file of a descriptor for the length of a system call: without a reference when nobody else can close it. */
struct fdref {
	struct file	*file;
	bool		put;
};
static inline struct fdref fdref_any(int fd)
{
	struct files *fs = current->files;

	if (likely(atomic_read(&fs->refs) == 1))
		return (struct fdref){ (unsigned)fd < fs->max ? fs->fds[fd] : NULL, false };
	return (struct fdref){ fd_get(fd), true };
}
static inline void fdref_put(struct fdref r)
{
	if (unlikely(r.put) && r.file)
		file_put(r.file);
}
static inline struct fdref fdref_get(int fd)	/* not O_PATH */
{
	struct fdref r = fdref_any(fd);

	if (r.file && unlikely(r.file->mode & FMODE_PATH)) {
		fdref_put(r);
		return (struct fdref){ NULL, false };
	}
	return r;
}
int fd_alloc_install(struct file *f, unsigned flags) must_check;	/* consumes f also on failure; the descriptor */
bool fd_get_cloexec(int fd);
void fd_set_cloexec(int fd, bool on);
int fcntl_dup(struct file *f, unsigned long min, bool cloexec) must_check;

/* ---- file.c, open.c ---- */

void file_cache_init(void);
void file_accessed(struct file *f);
void touch_atime(const struct path *p);
int file_open_inode(struct file *f, const struct path *p) must_check;	/* consumes p's references on success */
int may_open(const struct path *p, u32 flags);
int do_truncate(const struct path *p, loff_t size, struct file *f);
int do_fallocate(struct file *f, int mode, loff_t off, loff_t len);
int inode_remove_privs(struct inode *i);
int device_open(struct inode *i, struct file *f);
extern atomic_t nr_open_files;

/* ---- locks.c ---- */

void locks_remove_posix(struct file *f, void *owner);
void locks_remove_file(struct file *f);
void locks_free_context(struct inode *i);
long fcntl_lock(struct file *f, unsigned cmd, unsigned long arg);
void locks_init(void);

/* ---- pipe.c ---- */

extern const struct file_ops fifo_ops;
struct pipe *pipe_of(struct file *f);			/* NULL: not a pipe */
long pipe_fcntl(struct file *f, unsigned cmd, unsigned long arg);
void pipe_init(void);
void pipe_free_inode(struct inode *i);
size_t pipe_room(struct file *f);			/* bytes that fit at once, in whole buffers */
ssize_t pipe_tee(struct file *in, struct file *out, size_t n, unsigned flags);

/* ---- epoll.c ---- */

void epoll_file_released(struct file *f);
void epoll_init(void);

/* ---- select.c ---- */

#define POLLIN_DEFAULT	(POLLIN | POLLRDNORM)
#define POLLOUT_DEFAULT	(POLLOUT | POLLWRNORM)
long poll_user_timeout(const void __user *uts, ktime_t *out);

/* ---- tmpfs ---- */

int tmpfs_memfd(const char *name, unsigned flags, struct file **out) must_check;
int tmpfs_seals_get(struct file *f);
int tmpfs_seals_add(struct file *f, unsigned seals);
void tmpfs_init(void);
extern const struct inode_ops tmpfs_dir_iops;

/* ---- devfs, anon, shared helpers ---- */

void devfs_init(void);
void devpts_init(void);
void anon_init(void);
int simple_readlink(struct inode *i, char *buf, size_t n);
u32 current_umask(void);
long do_fd_ioctl(struct file *f, unsigned cmd, unsigned long arg);
bool capable_or_owner(const struct inode *i);

#endif
