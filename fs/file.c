/*
 * file.c - open files: birth, death, anonymous ones, and what kernel code does with files.
 *
 * LIFE     file_alloc (refs 1) -> file_open_inode gives it a path and runs ops->open -> descriptors and mappings hold references ->
 *          the last file_put runs ops->release, drops locks, epoll links, the path.
 * LOCKS    pos_lock (LOCK_FILE_POS) only when the file is shared: read_write.c.
 */
#include "internal.h"
#include <lib/printf.h>

static struct slab_cache *file_cache;
atomic_t nr_open_files;

void file_cache_init(void)
{
	file_cache = slab_cache_create("filp", sizeof(struct file), 0, SLAB_PANIC, NULL);
}

struct open_visit {
	void	(*fn)(struct file *f, void *arg);
	void	*arg;
};

static void visit_open(void *obj, void *arg)
{
	struct open_visit *v = arg;

	v->fn(obj, v->arg);
}

void file_for_each_open(void (*fn)(struct file *f, void *arg), void *arg)
{
	struct open_visit v = { fn, arg };

	slab_for_each_object(file_cache, visit_open, &v);
}

struct file *file_alloc(u32 flags)
{
	struct file *f = slab_alloc(file_cache, GFP_KERNEL | GFP_ZERO);

	if (!f)
		return NULL;
	atomic_set(&f->refs, 1);
	f->flags = flags;
	mutex_init(&f->pos_lock, "file_pos", LOCK_FILE_POS);
	list_init(&f->epoll_links);
	spin_lock_init(&f->epoll_lock, "file_epoll", LOCK_FS);
	f->cred = cred_get(current_cred());
	atomic_inc(&nr_open_files);
	return f;
}

static void file_free(struct file *f)
{
	cred_put(f->cred);
	atomic_dec(&nr_open_files);
	slab_free(file_cache, f);
}

/* May a file with a writer be opened for writing, or one being executed? inode->writers > 0: writers, < 0: executors. */
static int get_write_access(struct inode *i)
{
	int v;

	do {
		v = atomic_read(&i->writers);
		if (v < 0)
			return -ETXTBSY;
	} while (!atomic_try_cmpxchg(&i->writers, v, v + 1));
	return 0;
}

int file_deny_write(struct file *f)
{
	struct inode *i = f->inode;
	int v;

	do {
		v = atomic_read(&i->writers);
		if (v > 0)
			return -ETXTBSY;
	} while (!atomic_try_cmpxchg(&i->writers, v, v - 1));
	return 0;
}

void file_allow_write(struct file *f)
{
	atomic_inc(&f->inode->writers);
}

static u32 mode_of_flags(u32 flags)
{
	static const u8 mode[4] = { FMODE_READ, FMODE_WRITE, FMODE_READ | FMODE_WRITE, 0 };

	return flags & O_PATH ? FMODE_PATH : mode[flags & O_ACCMODE];
}

static bool is_positioned(u32 mode)
{
	return S_ISREG(mode) || S_ISBLK(mode) || S_ISDIR(mode);
}

/* A file that was never opened is not released. */
static void undo_open(struct file *f)
{
	if (f->mode & FMODE_WRITER) {
		atomic_dec(&f->inode->writers);
		f->mode &= ~FMODE_WRITER;
	}
}

/* Takes over p's references when it succeeds. Permissions were checked. */
int file_open_inode(struct file *f, const struct path *p)
{
	struct inode *i = p->dentry->inode;
	bool device = !i->fops && (S_ISCHR(i->mode) || S_ISBLK(i->mode));
	int err = 0;

	f->path = *p;
	f->inode = i;
	f->mapping = i->mapping;
	f->mode |= mode_of_flags(f->flags);
	if (f->mode & FMODE_PATH) {
		static const struct file_ops path_ops;

		f->ops = &path_ops;
		return 0;
	}
	if ((f->mode & FMODE_WRITE) && S_ISREG(i->mode)) {
		err = get_write_access(i);
		if (err)
			goto fail;
		f->mode |= FMODE_WRITER;
	}
	if (f->mapping)
		f->wb_err = errseq_sample(&f->mapping->wb_err);
	f->sb_err = errseq_sample(&i->sb->wb_err);
	f->ra.max_pages = 32;
	if (S_ISFIFO(i->mode))
		f->ops = &fifo_ops;
	else if (i->fops)
		f->ops = i->fops;
	else if (!device)
		f->ops = &no_open_fops;
	err = device ? device_open(i, f) : f->ops->open ? f->ops->open(i, f) : 0;
	if (err)
		goto fail;
	if (f->ops->llseek)
		f->mode |= FMODE_LSEEK;
	else if (!is_positioned(i->mode))
		f->mode |= FMODE_STREAM;
	f->flags &= ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
	return 0;
fail:
	undo_open(f);
	f->path = (struct path){ NULL, NULL };
	f->inode = NULL;
	f->ops = NULL;
	return err;
}

static int no_open(struct inode *i, struct file *f)
{
	return -ENXIO;
}

const struct file_ops no_open_fops = { .open = no_open };	/* sockets in a file system, devices without a driver */

static void file_destroy(struct file *f)
{
	if (f->path.dentry && !(f->mode & FMODE_PATH)) {
		if (!list_empty(&f->epoll_links))
			epoll_file_released(f);
		if (f->inode->locks)
			locks_remove_file(f);
		if (f->ops && f->ops->release)
			f->ops->release(f);
		undo_open(f);
	}
	if (f->path.dentry)
		path_put(f->path);
	file_free(f);
}

void file_put(struct file *f)
{
	if (atomic_dec_and_test(&f->refs))
		file_destroy(f);
}

int file_open_path(const struct path *p, u32 flags, struct file **out)
{
	struct file *f = file_alloc(flags);
	struct path own;
	int err;

	if (!f)
		return -ENOMEM;
	own = path_get(*p);
	err = file_open_inode(f, &own);
	if (err) {
		path_put(own);
		file_put(f);
		return err;
	}
	*out = f;
	return 0;
}

/* ---- anonymous files: a kernel-internal file system that is mounted nowhere ---- */

static struct mount *anon_mount;
static struct inode *anon_inode;		/* of all files that need none of their own */

static int anon_mount_fs(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out)
{
	static const struct super_ops ops;
	static const struct inode_ops no_iops;
	struct super_block *sb = sb_alloc(t, &ops, 0);
	struct inode *i = sb ? inode_alloc(sb) : NULL;

	if (!i)
		return -ENOMEM;
	i->mode = 0600;
	i->ops = &no_iops;
	sb->magic = 0x09041934;
	sb->root = d_make_root(i);
	*out = sb;
	return sb->root ? 0 : -ENOMEM;
}

static struct file_system_type anon_type = { .name = "anon_inodefs", .mount = anon_mount_fs };

void anon_init(void)
{
	anon_mount = mount_kernel(&anon_type);
	if (!anon_mount)
		panic("no memory for anon_inodefs");
	anon_mount->flags |= MNT_INTERNAL;
	anon_inode = anon_mount->root->inode;
}

struct super_block *anon_sb(void)
{
	return anon_mount->sb;
}

/* A file on its own inode (reference consumed, also on failure), named as /proc/PID/fd shows it. */
int file_open_anon_inode(const char *name, struct inode *i, const struct file_ops *ops, void *priv, u32 flags, struct file **out)
{
	struct file *f = file_alloc(flags);
	struct dentry *d = f ? dentry_alloc_anon(anon_mount->sb, name) : NULL;

	if (!d) {
		inode_put(i);
		if (f)
			file_put(f);
		return -ENOMEM;
	}
	d->inode = i;
	mount_get(anon_mount);
	f->path = (struct path){ anon_mount, d };
	f->inode = i;
	f->mapping = i->mapping;
	f->ops = ops;
	f->priv = priv;
	f->mode = mode_of_flags(flags) | (ops->llseek ? FMODE_LSEEK : FMODE_STREAM);
	*out = f;
	return 0;
}

int file_open_anon(const char *name, const struct file_ops *ops, void *priv, u32 flags, struct file **out)
{
	return file_open_anon_inode(name, inode_get(anon_inode), ops, priv, flags, out);
}

int file_open_anon_typed(const char *prefix, u32 mode, const struct file_ops *ops, void *priv, u32 flags, struct file **out)
{
	static const struct inode_ops no_iops;
	struct inode *i = inode_alloc(anon_mount->sb);
	char name[32];

	if (!i)
		return -ENOMEM;
	inode_init_owner(i, NULL, mode);
	i->ops = &no_iops;
	ksnprintf(name, sizeof(name), "%s:[%llu]", prefix, (unsigned long long)i->ino);
	return file_open_anon_inode(name, i, ops, priv, flags, out);
}

/* ---- kernel users ---- */

ssize_t file_read_kernel(struct file *f, void *buf, size_t n, loff_t pos)
{
	struct io_iter it;

	io_iter_kernel(&it, buf, n);
	return vfs_read(f, &it, &pos);
}

ssize_t file_write_kernel(struct file *f, const void *buf, size_t n, loff_t pos)
{
	struct io_iter it;

	io_iter_kernel(&it, (void *)buf, n);
	return vfs_write(f, &it, &pos);
}

/* atime by the rules of relatime: when it is not newer than a change, or a day old. */
void touch_atime(const struct path *p)
{
	struct inode *i = p->dentry->inode;
	u32 flags = p->mnt->flags;
	struct timespec_k now;

	if ((flags & MS_NOATIME) || mnt_readonly(p->mnt) || (i->flags & S_NOATIME_FL))
		return;
	if ((flags & MS_NODIRATIME) && S_ISDIR(i->mode))
		return;
	if ((flags & MS_RELATIME) &&
	    (i->atime.sec > i->mtime.sec || (i->atime.sec == i->mtime.sec && i->atime.nsec > i->mtime.nsec)) &&
	    (i->atime.sec > i->ctime.sec || (i->atime.sec == i->ctime.sec && i->atime.nsec > i->ctime.nsec))) {
		now = time_now_k();
		if (now.sec - i->atime.sec < 24 * 60 * 60)
			return;
		i->atime = now;
		return;
	}
	i->atime = time_now_k();
}

void file_accessed(struct file *f)
{
	if (!(f->flags & O_NOATIME) && !(f->path.mnt->flags & MS_NOATIME))
		touch_atime(&f->path);
}

/* ---- mapping a file ---- */

static int setup_by_file(struct vma *v)
{
	return v->file->ops->mmap(v->file, v);
}

int file_prepare_mmap(struct file *f, struct mmap_request *req)
{
	unsigned type = (unsigned)req->flags & 0xf;		/* MAP_TYPE: 1 shared, 2 private, 3 shared_validate */
	bool shared = type != 2;

	if (f->mode & FMODE_PATH)
		return -EBADF;
	if (shared && (req->prot & 2) && !(f->mode & FMODE_WRITE))
		return -EACCES;
	if (!(f->mode & FMODE_READ))
		return -EACCES;
	if (path_noexec(&f->path)) {
		if (req->prot & 4)
			return -EPERM;
		req->clear_may |= VM_MAYEXEC;
	}
	if (!f->ops->can_mmap && !f->ops->mmap)
		return -ENODEV;
	if (shared && (req->prot & 2) && (f->mapping->host && f->mapping->host->flags & S_SWAPFILE_FL))
		return -ETXTBSY;
	if (shared && !(f->mode & FMODE_WRITE))
		req->clear_may |= VM_MAYWRITE;
	if (shared && (tmpfs_seals_get(f) > 0)) {
		int seals = tmpfs_seals_get(f);

		if ((seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) && (req->prot & 2))
			return -EPERM;
		if (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			req->clear_may |= VM_MAYWRITE;
	}
	req->file = f;
	if (f->ops->mmap)
		req->setup = setup_by_file;
	if (f->ops->can_mmap)
		req->mapping = f->mapping;
	file_accessed(f);
	return 0;
}
