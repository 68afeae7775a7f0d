/*
 * fs.h - the objects of the VFS and what a file system supplies. Names are Linux's.
 *
 *	file ──► path (mount, dentry) ──► inode ──► address_space (page cache)
 *	                     │               └────► super_block ──► file-system type
 *	                     └► parent dentry
 *
 * References: every pointer field is a reference unless marked [b] (borrowed). Locks: inode->rwsem (LOCK_INODE, or
 * LOCK_INODE_DIR for directories) for contents and names in it; dcache lock for the dentry tree; see docs/vfs.md.
 */
#ifndef FS_FS_H
#define FS_FS_H

#include <abi/fs.h>
#include <kernel/lock.h>
#include <kernel/time.h>
#include <kernel/wait.h>
#include <mm/filemap.h>
#include <mm/mm.h>

struct file_system_type;
struct super_block;
struct mount;
struct dentry;
struct inode;
struct file;
struct poll_table;
struct text;

struct qstr {
	const char	*name;		/* not NUL-terminated when it comes from a path */
	u32		len;
	u32		hash;
};

struct path {
	struct mount	*mnt;
	struct dentry	*dentry;
};

struct timespec_k { s64 sec; u32 nsec; };

/* ---- inodes ---- */

struct inode {
	u64			ino;
	u32			mode;		/* S_IFMT | permissions */
	u32			uid, gid;
	u32			nlink;
	u32			rdev;		/* device number of character and block devices */
	u32			blkbits;
	u64			blocks;		/* of 512 bytes, for st_blocks */
	struct timespec_k	atime, mtime, ctime, btime;
	atomic_t		refs;
	atomic_t		writers;	/* open for writing; < 0: being executed (ETXTBSY) */
	struct rwsem		rwsem;
	struct super_block	*sb;		/* [b] */
	const struct inode_ops	*ops;
	const struct file_ops	*fops;		/* for files opened on it */
	struct address_space	*mapping;	/* normally &data; overlay points at the real inode's */
	struct address_space	data;		/* i_size is mapping->size */
	struct list		sb_link;	/* all inodes of sb */
	struct list		hash_link;	/* inode hash: (sb, ino) */
	struct file_lock_context *locks;	/* posix, flock, ofd */
	struct pipe		*pipe;		/* FIFO */
	void			*priv;		/* file system's own */
	u32			flags;		/* S_IMMUTABLE … */
	u64			version;
};

struct stat_k {			/* what getattr fills; converted to the ABI's structs by the syscalls */
	u64	ino, size, blocks, dev;
	u32	mode, uid, gid, nlink, rdev, blksize;
	struct timespec_k atime, mtime, ctime, btime;
	u64	attributes, attributes_mask;
	u32	mask;		/* STATX_* that are valid */
};

struct iattr {
	u32	valid;		/* ATTR_* below */
	u32	mode, uid, gid;
	loff_t	size;
	struct timespec_k atime, mtime, ctime;
};
enum { ATTR_MODE = 1, ATTR_UID = 2, ATTR_GID = 4, ATTR_SIZE = 8, ATTR_ATIME = 16, ATTR_MTIME = 32, ATTR_CTIME = 64,
       ATTR_ATIME_SET = 128, ATTR_MTIME_SET = 256, ATTR_KILL_PRIV = 512, ATTR_OPEN = 1024 };

/*
 * Directory operations run with dir->rwsem held (write for changes, read for lookup). dentry is negative where a
 * name is made. 0 or negative errno. A NULL operation: -EPERM for changes, -ENOTDIR for lookup.
 */
struct inode_ops {
	/* Find dentry->name in dir: d_instantiate it with an inode, or leave it negative. */
	int	(*lookup)(struct inode *dir, struct dentry *d);
	int	(*create)(struct inode *dir, struct dentry *d, u32 mode);
	int	(*mknod)(struct inode *dir, struct dentry *d, u32 mode, u32 rdev);
	int	(*mkdir)(struct inode *dir, struct dentry *d, u32 mode);
	int	(*symlink)(struct inode *dir, struct dentry *d, const char *target);
	int	(*link)(struct inode *dir, struct dentry *d, struct inode *target);
	int	(*unlink)(struct inode *dir, struct dentry *d);
	int	(*rmdir)(struct inode *dir, struct dentry *d);
	int	(*rename)(struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new, unsigned flags);
	int	(*tmpfile)(struct inode *dir, u32 mode, struct inode **out);
	int	(*readlink)(struct inode *i, char *buf, size_t n);	/* target length (may be cut), not NUL-terminated */
	/* Magic links (/proc/PID/fd/N, exe, cwd): jump there. NULL for ordinary ones. Returns references. */
	int	(*follow)(struct inode *i, struct path *out);
	int	(*permission)(struct inode *i, int mask);	/* NULL: mode bits. MAY_* */
	int	(*getattr)(struct inode *i, struct stat_k *st);	/* NULL: from the fields */
	int	(*setattr)(struct inode *i, const struct iattr *a);	/* checked already; NULL: fields only */
	ssize_t	(*getxattr)(struct inode *i, const char *name, void *buf, size_t n);
	int	(*setxattr)(struct inode *i, const char *name, const void *buf, size_t n, int flags);
	ssize_t	(*listxattr)(struct inode *i, char *buf, size_t n);
	int	(*removexattr)(struct inode *i, const char *name);
	/* Is the cached name still right? NULL: always. >0 valid, 0 drop it and look up again. */
	int	(*revalidate)(struct dentry *d);
	int	(*fallocate)(struct inode *i, int mode, loff_t off, loff_t len);
};
enum { MAY_EXEC = 1, MAY_WRITE = 2, MAY_READ = 4, MAY_APPEND = 8 };

struct inode *inode_alloc(struct super_block *sb) must_check;	/* refs 1, zeroed, times now; NULL when out of memory */
static inline struct inode *inode_get(struct inode *i) { atomic_inc(&i->refs); return i; }
void inode_put(struct inode *i);			/* last: truncates pages when nlink is 0, sb->ops->evict, frees */
struct inode *inode_lookup(struct super_block *sb, u64 ino);	/* cached one with a reference, or NULL */
void inode_hash_insert(struct inode *i);
int inode_permission(struct inode *i, int mask);	/* for current's fsuid; 0 or -EACCES, -EROFS */
void inode_init_owner(struct inode *i, const struct inode *dir, u32 mode);
struct timespec_k time_now_k(void);
void inode_set_attrs(struct inode *i, const struct iattr *a);	/* the valid ones but the size; times as given in it. i->rwsem held */
void inode_touch(struct inode *i, int which);		/* ATTR_ATIME|MTIME|CTIME now */
static inline loff_t inode_size(const struct inode *i) { return READ_ONCE(i->mapping->size); }

/* ---- dentries ---- */

#define DNAME_INLINE	40
struct dentry {
	atomic_t		refs;
	u32			flags;		/* DCACHE_* */
	struct inode		*inode;		/* NULL: negative */
	struct dentry		*parent;	/* self for a root */
	struct qstr		name;
	struct super_block	*sb;		/* [b] */
	struct list		hash_link;
	u32			bucket;		/* of the hash chain that guards refs 1->0, flags and hash_link */
	u32			cookie, next_cookie;	/* place in its directory; the next one to give to a child (readdir of tmpfs) */
	struct list		sibling, children;	/* tree below; dcache lock */
	struct list		lru;		/* unused ones */
	void			*priv;
	char			inline_name[DNAME_INLINE];
};
enum { DCACHE_MOUNTED = 1, DCACHE_UNLINKED = 2, DCACHE_LRU = 4, DCACHE_NOCACHE = 8,
       DCACHE_PINNED = 16,	/* the file system itself holds a reference: the name lives nowhere else (tmpfs) */
       DCACHE_REFERENCED = 32, DCACHE_HASHED = 64 };
enum { S_DEAD = 1, S_IMMUTABLE_FL = 2, S_APPEND_FL = 4, S_NOATIME_FL = 8, S_PRIVATE_FL = 16,
       S_SWAPFILE_FL = 32 };	/* inode->flags */

struct dentry *dentry_alloc(struct dentry *parent, const struct qstr *name) must_check;
static inline struct dentry *dentry_get(struct dentry *d) { atomic_inc(&d->refs); return d; }
void dentry_put(struct dentry *d);
void d_instantiate(struct dentry *d, struct inode *i);	/* consumes the inode reference; NULL makes it negative */
struct dentry *d_make_root(struct inode *i) must_check;	/* consumes the inode reference, also on failure */
void d_drop(struct dentry *d);				/* out of the hash: next lookup asks the file system */
void d_rehash(struct dentry *d);			/* (back) into it */
void qstr_init(struct qstr *q, const char *name, u32 len);	/* computes the hash */
/* The name's dentry in dir (an existing or a negative one), asking the file system when not cached; dir's rwsem held for writing. */
int lookup_one(struct dentry *dir, const char *name, u32 len, struct dentry **out) must_check;
/*
 * Changes of names by kernel code (overlay, initramfs, devfs): dir's rwsem held for writing, d from lookup_one(). They check
 * as the system calls do (permission, sticky bit), call the operation and keep the dcache right.
 */
int vfs_create(struct inode *dir, struct dentry *d, u32 mode) must_check;
int vfs_mknod(struct inode *dir, struct dentry *d, u32 mode, u32 rdev) must_check;
int vfs_mkdir(struct inode *dir, struct dentry *d, u32 mode) must_check;
int vfs_symlink(struct inode *dir, struct dentry *d, const char *target) must_check;
int vfs_link(struct inode *target, struct inode *dir, struct dentry *d) must_check;
int vfs_unlink(struct inode *dir, struct dentry *d) must_check;
int vfs_rmdir(struct inode *dir, struct dentry *d) must_check;
/* Both directories locked (and the rename_lock when they differ); moves or exchanges the dentries. */
int vfs_rename(struct inode *old_dir, struct dentry *old, struct inode *new_dir, struct dentry *new, unsigned flags) must_check;

/* ---- open files ---- */

struct dir_context {
	/* pos: where the next entry starts. False: the buffer is full, stop and do not advance. */
	bool	(*emit)(struct dir_context *ctx, const char *name, u32 len, loff_t pos, u64 ino, unsigned type);
	loff_t	pos;
};

struct file_ops {
	int	(*open)(struct inode *i, struct file *f);	/* after allocation; may replace f->ops, set f->priv */
	void	(*release)(struct file *f);			/* last reference gone */
	int	(*flush)(struct file *f);			/* each close(2) */
	ssize_t	(*read)(struct file *f, struct io_iter *to, loff_t *pos);
	ssize_t	(*write)(struct file *f, struct io_iter *from, loff_t *pos);
	loff_t	(*llseek)(struct file *f, loff_t off, int whence);	/* NULL: -ESPIPE; generic_llseek for plain files */
	int	(*iterate)(struct file *f, struct dir_context *ctx);	/* getdents; NULL: -ENOTDIR */
	u32	(*poll)(struct file *f, struct poll_table *pt);	/* NULL: always ready */
	long	(*ioctl)(struct file *f, unsigned cmd, unsigned long arg);	/* NULL: -ENOTTY */
	/* Prepare a mapping: default is the page cache. Sets v->ops or flags; called through mmap_request.setup. */
	int	(*mmap)(struct file *f, struct vma *v);
	bool	can_mmap;					/* page-cache files: f->mapping is mapped */
	int	(*fsync)(struct file *f, loff_t start, loff_t end, bool datasync);
	int	(*setfl)(struct file *f, unsigned flags);	/* fcntl F_SETFL; NULL: nothing to tell */
	void	(*fdinfo)(struct file *f, struct text *out);
};

struct file {
	atomic_t		refs;
	u32			flags;		/* O_* as open(2) and F_SETFL left them */
	u32			mode;		/* FMODE_* */
	struct path		path;
	struct inode		*inode;		/* [b] path.dentry->inode at open time, or the real one */
	struct address_space	*mapping;	/* [b] inode->mapping */
	const struct file_ops	*ops;
	struct mutex		pos_lock;	/* serialises users of pos when the file is shared */
	loff_t			pos;
	struct readahead	ra;
	errseq_t		wb_err;		/* write errors of the file that were told here */
	errseq_t		sb_err;		/* and of its whole file system, by syncfs(2) */
	void			*priv;
	int			owner_pid, owner_sig;	/* F_SETOWN, F_SETSIG */
	struct cred		*cred;
	struct list		epoll_links;	/* epoll items watching it */
	spinlock_t		epoll_lock;
};
enum { FMODE_READ = 1, FMODE_WRITE = 2, FMODE_LSEEK = 4, FMODE_EXEC = 8, FMODE_PATH = 16, FMODE_NOCMTIME = 32,
       FMODE_STREAM = 64, FMODE_WRITER = 128 };

struct file *file_alloc(u32 flags) must_check;		/* refs 1; NULL: out of memory or file-max */
static inline struct file *file_get(struct file *f) { atomic_inc(&f->refs); return f; }
void file_put(struct file *f);
/* A file on an inode that no directory names: pipes, eventfd, memfd. name is for /proc/PID/fd ("pipe:[123]"). */
int file_open_anon(const char *name, const struct file_ops *ops, void *priv, u32 flags, struct file **out) must_check;
/* The same with an inode of its own, of type and permissions `mode`; the name becomes "prefix:[inode]". */
int file_open_anon_typed(const char *prefix, u32 mode, const struct file_ops *ops, void *priv, u32 flags, struct file **out) must_check;
int file_open_path(const struct path *p, u32 flags, struct file **out) must_check;	/* permission checked by the caller */
int vfs_open(const char *path, u32 flags, u32 mode, struct file **out) must_check;	/* kernel path, current's root */
ssize_t vfs_read(struct file *f, struct io_iter *to, loff_t *pos);
ssize_t vfs_write(struct file *f, struct io_iter *from, loff_t *pos);
ssize_t file_read_kernel(struct file *f, void *buf, size_t n, loff_t pos);	/* read into kernel memory (ELF loader) */
ssize_t file_write_kernel(struct file *f, const void *buf, size_t n, loff_t pos);
/* Deny and allow writes while a file is executed. 0 or -ETXTBSY. */
int file_deny_write(struct file *f) must_check;
void file_allow_write(struct file *f);
/* What mmap(2) needs of a file: checks O_* against prot and flags; fills req's file fields. 0 or -EACCES, -ENODEV … */
int file_prepare_mmap(struct file *f, struct mmap_request *req) must_check;
loff_t generic_llseek(struct file *f, loff_t off, int whence);
ssize_t generic_file_read(struct file *f, struct io_iter *to, loff_t *pos);	/* page-cache files */
ssize_t generic_file_write(struct file *f, struct io_iter *from, loff_t *pos);
int generic_fsync(struct file *f, loff_t start, loff_t end, bool datasync);

/* ---- poll ---- */

struct poll_table {
	/* Register on q; NULL when only the state is wanted. */
	void	(*queue)(struct poll_table *pt, struct file *f, struct waitq *q);
	u32	key;			/* events of interest */
};
static inline void poll_wait(struct file *f, struct waitq *q, struct poll_table *pt)
{
	if (pt && pt->queue)
		pt->queue(pt, f, q);
}
u32 vfs_poll(struct file *f, struct poll_table *pt);

/* ---- file descriptors ---- */

struct files *files_create(void) must_check;
int files_dup(struct files *old, struct files **out) must_check;	/* fork: a copy. 0, -ENOMEM */
struct files *files_get(struct files *fs);
void files_put(struct files *fs);		/* last: closes all */
void files_close_on_exec(struct files *fs);
int files_unshare(void) must_check;		/* exec, unshare(2): current gets its own table */
/* Lowest free descriptor ≥ min for current; honours RLIMIT_NOFILE. -EMFILE, -ENOMEM. Reserved until installed or put back. */
int fd_reserve(int min, bool cloexec) must_check;
void fd_install(int fd, struct file *f);	/* consumes the reference */
void fd_unreserve(int fd);
struct file *fd_get(int fd);			/* reference to an open file; NULL: EBADF. O_PATH files too: see fd_get_io */
struct file *fd_get_io(int fd);			/* NULL also for O_PATH */
int fd_close(int fd);
/* For /proc/PID/fd: of another task. */
struct file *files_get_file(struct files *fs, int fd);
unsigned files_table_size(struct files *fs);	/* slots: FDSize of /proc/PID/status */
int files_next_fd(struct files *fs, int from);	/* next open one ≥ from, or -1 */

struct fs_context {			/* root, cwd, umask */
	atomic_t	refs;
	spinlock_t	lock;		/* LOCK_FILES */
	struct path	root, cwd;
	u32		umask;
	struct list	link;		/* all of them: pivot_root moves those at the old root */
};
int fs_context_dup(struct fs_context *old, struct fs_context **out) must_check;
struct fs_context *fs_context_get(struct fs_context *c);
void fs_context_put(struct fs_context *c);

/* ---- names ---- */

enum { LOOKUP_FOLLOW = 1, LOOKUP_DIRECTORY = 2, LOOKUP_PARENT = 4, LOOKUP_EMPTY = 8, LOOKUP_CREATE = 16,
       LOOKUP_NO_XDEV = 32, LOOKUP_NO_SYMLINKS = 64, LOOKUP_BENEATH = 128, LOOKUP_IN_ROOT = 256, LOOKUP_NO_MAGICLINKS = 512 };

/* Walk a kernel-space path from dirfd (AT_FDCWD or a descriptor). 0 and a referenced path, or negative errno. */
int path_lookup(int dirfd, const char *name, unsigned flags, struct path *out) must_check;
/* Make a node (a socket, a FIFO …) by kernel path; *out is it, with references. 0, -EEXIST, or what the walk gives. */
int path_make_node(int dirfd, const char *name, u32 mode, u32 rdev, struct path *out) must_check;
int path_lookup_user(int dirfd, const char __user *name, unsigned flags, struct path *out) must_check;
/* Copy a path name in: kmalloc'ed (PATH_MAX at most). -EFAULT, -ENAMETOOLONG, -ENOENT when empty, -ENOMEM. */
int path_name_from_user(const char __user *name, char **out) must_check;
void path_put(struct path p);
/* Absolute name of p under root into buf's end; returns the start, or NULL when it does not fit. " (deleted)" when unlinked. */
char *path_name(const struct path *p, const struct path *root, char *buf, size_t n);
int vfs_getattr(const struct path *p, struct stat_k *st);
int vfs_setattr(const struct path *p, struct iattr *a);	/* checks permissions */

/* ---- file systems and mounts ---- */

struct super_ops {
	void	(*evict)(struct inode *i);		/* inode is going: free priv */
	int	(*statfs)(struct super_block *sb, struct statfs_k *st);
	int	(*sync)(struct super_block *sb, bool wait);
	void	(*put_super)(struct super_block *sb);	/* unmount */
	int	(*show_options)(struct super_block *sb, struct text *out);
	int	(*remount)(struct super_block *sb, u32 flags, const char *data);
};

struct super_block {
	struct file_system_type	*type;
	const struct super_ops	*ops;
	struct dentry		*root;
	u64			dev;		/* st_dev: anonymous major 0, or the block device's */
	u32			flags;		/* SB_RDONLY … as MS_* */
	u32			blocksize;
	u64			max_bytes;
	u64			magic;
	atomic_t		refs;
	spinlock_t		lock;
	struct list		inodes;
	struct list		link;		/* all super blocks */
	u64			next_ino;
	struct mutex		rename_lock;	/* LOCK_RENAME */
	errseq_t		wb_err;		/* anything of it that could not be written */
	void			*priv;
	char			source[64];
};

struct file_system_type {
	const char	*name;
	u32		flags;		/* FS_REQUIRES_DEV, FS_NODEV */
	/* Make a super block with its root dentry. source and data: kernel strings, may be NULL. */
	int		(*mount)(struct file_system_type *t, u32 flags, const char *source, const char *data,
				 struct super_block **out);
	struct list	link;
};
enum { FS_REQUIRES_DEV = 1 };

void fs_register(struct file_system_type *t);
int filesystems_report(struct text *out);		/* /proc/filesystems */
struct super_block *sb_alloc(struct file_system_type *t, const struct super_ops *ops, u32 flags) must_check;
/*
 * The end of every mount operation: give sb its root and hand it out. root: a reference, consumed; NULL when making
 * it failed with err. On any failure sb is put. 0, err, or -ENOMEM.
 */
int sb_finish(struct super_block *sb, struct inode *root, int err, struct super_block **out) must_check;
struct super_block *sb_get(struct super_block *sb);
void sb_put(struct super_block *sb);
int do_mount(const char *source, const struct path *where, const char *type, unsigned long flags, const char *data);
int mounts_report(struct text *out, int style);	/* 0: /proc/mounts, 1: mountinfo, 2: mountstats */
extern struct file_system_type tmpfs_type, ramfs_type;

static inline struct path path_get(struct path p);
unsigned long mount_flags(const struct mount *m);	/* MS_RDONLY, MS_NOEXEC, MS_NOSUID, MS_NODEV …; the super block's too */
void mount_get(struct mount *m);
void mount_put(struct mount *m);
static inline struct path path_get(struct path p)
{
	mount_get(p.mnt);
	dentry_get(p.dentry);
	return p;
}

/* An unlinked file in memory, open for reading and writing: SysV shared memory, memfd. name as /proc/PID/maps shows it. */
int shmem_file_create(const char *name, loff_t size, u32 flags, struct file **out) must_check;

int files_report(struct text *out);	/* the text of /proc/ledger/files */
void vfs_init(void);				/* caches, rootfs (tmpfs) mounted, kernel_fs_context set up */
int initramfs_unpack(const void *start, size_t len);	/* cpio newc, optionally gzip'ed; 0 or -errno, partial tree kept */
extern struct fs_context kernel_fs_context;

/* ---- devices (drivers register; devfs shows) ---- */

struct device_node;
/* Device under /dev/<name> (slashes make directories); mode says S_IFCHR or S_IFBLK. ops->open finds priv in f->priv. 0 or -errno. */
int device_register(const char *name, u32 mode, u32 major, u32 minor, const struct file_ops *ops, void *priv);
void device_unregister(u32 major, u32 minor, bool block);
/*
 * For what modules bring: an open file holds a reference to `owner` (which open() may rely on), and ops->release() puts it. The numbers
 * without a node, and a node without asking for the number, for those who do the two in steps. -EBUSY, -ENOMEM.
 */
struct module;
int device_register_owned(const char *name, u32 mode, u32 rdev, const struct file_ops *ops, void *priv, struct module *owner) must_check;
int device_numbers_register(const char *name, u32 rdev, u32 count, bool block, const struct file_ops *ops, void *priv, struct module *owner) must_check;
void device_numbers_unregister(u32 rdev, bool block);	/* rdev: the first of them */
int devfs_add_node(const char *name, u32 mode, u32 rdev) must_check;
void devfs_remove_node(const char *name);
int devfs_symlink(const char *name, const char *target);	/* in /dev itself */
int devices_report(struct text *out);			/* /proc/devices */
#define MKDEV(ma, mi)	(((ma) << 20) | (mi))
#define MAJOR(dev)	((u32)(dev) >> 20)
#define MINOR(dev)	((u32)(dev) & 0xfffff)

#endif
