/*
 * tmpfs.c - the file system that is made of memory: super blocks, inodes, file contents.
 *
 * WHY      root of the initramfs, /tmp, /dev, /dev/shm, memfd, the upper layer of the overlay.
 * SHAPE    names are pinned dentries (dir.c); contents are pages of the inode's mapping in account ACCT_SHMEM, which mm/shmem.c may
 *          move to swap. Nothing else is stored.
 * LIMITS   size= counts pages, nr_inodes= inodes; both default to half of RAM. A page is counted when it enters the mapping:
 *          by write(2) and faults that write (ENOSPC, SIGBUS).
 * LINUX    huge=, mpol= and the inode-size options are accepted and ignored.
 */
#include "tmpfs.h"
#include <kernel/signal.h>
#include <lib/printf.h>
#include <lib/text.h>
#include <linux/falloc.h>
#include <mm/fail.h>
#include <mm/page_alloc.h>

#define TMPFS_MAGIC	0x01021994
#define MEMFD_SEALABLE	0x80000000u

/* ---- inodes ---- */

struct tmpfs_info *tmpfs_info_get(struct inode *i)
{
	struct tmpfs_info *t = i->priv;

	if (t)
		return t;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (t)
		list_init(&t->xattrs);
	i->priv = t;
	return t;
}

static bool charge_inode(struct super_block *sb)
{
	struct tmpfs_sb *s = sb->priv;

	if (atomic_add_return(&s->used_inodes, 1) <= s->max_inodes || !s->max_inodes)
		return true;
	atomic_sub(&s->used_inodes, 1);
	return false;
}

/* Contents belong to mm/shmem.c; only the limit is ours. */
static int init_contents(struct inode *i)
{
	struct tmpfs_sb *s = i->sb->priv;

	shmem_mapping_init(&i->data, i);
	return s->space.max_pages ? shmem_mapping_limit(&i->data, &s->space) : 0;
}

struct inode *tmpfs_new_inode(struct super_block *sb, const struct inode *dir, u32 mode, u32 rdev)
{
	struct inode *i;

	if (!charge_inode(sb))
		return NULL;
	i = inode_alloc(sb);
	if (!i) {
		struct tmpfs_sb *s = sb->priv;

		atomic_sub(&s->used_inodes, 1);
		return NULL;
	}
	inode_init_owner(i, dir, mode);
	i->rdev = rdev;
	switch (mode & S_IFMT) {
	case S_IFREG:
		i->ops = &tmpfs_file_iops;
		i->fops = &tmpfs_file_fops;
		if (init_contents(i)) {
			inode_put(i);
			return NULL;
		}
		break;
	case S_IFDIR:
		i->ops = &tmpfs_dir_iops;
		i->fops = &tmpfs_dir_fops;
		i->nlink = 2;
		i->data.size = 40;
		break;
	case S_IFLNK:
		i->ops = &tmpfs_link_iops;
		break;
	default:
		i->ops = &tmpfs_special_iops;
	}
	return i;
}

static void tmpfs_evict(struct inode *i)
{
	struct tmpfs_sb *s = i->sb->priv;
	struct tmpfs_info *t = i->priv;

	if (t) {
		tmpfs_xattrs_free(t);
		kfree(t->target);
		kfree(t);
	}
	atomic_sub(&s->used_inodes, 1);
}

/* ---- contents ---- */

static unsigned seals_of(const struct inode *i)
{
	const struct tmpfs_info *t = i->priv;

	return S_ISREG(i->mode) && t ? t->seals & ~MEMFD_SEALABLE : 0;
}

int tmpfs_setattr(struct inode *i, const struct iattr *a)
{
	if ((a->valid & ATTR_SIZE) && S_ISREG(i->mode)) {
		unsigned seals = seals_of(i);

		if ((a->size < i->data.size && (seals & F_SEAL_SHRINK)) || (a->size > i->data.size && (seals & F_SEAL_GROW)))
			return -EPERM;
		filemap_truncate(&i->data, a->size);
	}
	inode_set_attrs(i, a);
	return 0;
}

int tmpfs_getattr(struct inode *i, struct stat_k *st)
{
	st->blocks = i->data.nr_pages * (PAGE_SIZE / 512);
	return 0;
}

/* Give every page of the range a frame. */
static int allocate_range(struct inode *i, loff_t off, loff_t len)
{
	pgoff_t end = ((u64)(off + len) + PAGE_SIZE - 1) >> PAGE_SHIFT;
	struct tmpfs_sb *s = i->sb->priv;

	if (s->space.max_pages && (u64)len >> PAGE_SHIFT > s->space.max_pages)
		return -ENOSPC;
	for (pgoff_t n = (u64)off >> PAGE_SHIFT; n < end; n++) {
		struct page *p;
		int err = filemap_grab(&i->data, n, &p);

		if (err)
			return err;
		if (!page_test(p, PG_UPTODATE)) {
			err = i->data.ops->read_page(&i->data, p);
			if (!err)
				filemap_set_dirty(p);
		}
		page_unlock(p);
		page_put(p);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

int tmpfs_fallocate(struct inode *i, int mode, loff_t off, loff_t len)
{
	unsigned seals = seals_of(i);
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			return -EPERM;
		filemap_punch_hole(&i->data, off, off + len);
		inode_touch(i, ATTR_MTIME | ATTR_CTIME);
		return 0;
	}
	if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > i->data.size) {
		if ((seals & F_SEAL_GROW))
			return -EPERM;
		if ((u64)(off + len) > task_rlimit(current, 1)) {
			signal_send_current(SIGXFSZ);
			return -EFBIG;
		}
	}
	err = allocate_range(i, off, len);
	if (err)
		return err;
	if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > i->data.size)
		i->data.size = off + len;
	inode_touch(i, ATTR_MTIME | ATTR_CTIME);
	return 0;
}

static ssize_t tmpfs_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	unsigned seals = seals_of(f->inode);

	if (unlikely(seals)) {
		loff_t at = f->flags & O_APPEND ? inode_size(f->inode) : *pos;

		if (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			return -EPERM;
		if ((seals & F_SEAL_GROW) && at + (loff_t)from->left > inode_size(f->inode))
			return -EPERM;
	}
	return generic_file_write(f, from, pos);
}

static loff_t tmpfs_llseek(struct file *f, loff_t off, int whence)
{
	struct inode *i = f->inode;
	loff_t size = inode_size(i);
	pgoff_t n;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_llseek(f, off, whence);
	if (off < 0 || off >= size)
		return -ENXIO;
	for (n = (u64)off >> PAGE_SHIFT; (loff_t)(n << PAGE_SHIFT) < size; n++) {
		struct page *p = filemap_find(&i->data, n);

		if (p)
			page_put(p);
		if (!p == (whence == SEEK_HOLE))
			break;
		if (!(n % 256))
			cond_resched();
	}
	if ((loff_t)(n << PAGE_SHIFT) >= size) {
		if (whence == SEEK_DATA)
			return -ENXIO;
		off = size;
	} else {
		off = max(off, (loff_t)(n << PAGE_SHIFT));
	}
	f->pos = off;
	return off;
}

static int tmpfs_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	return 0;
}

const struct file_ops tmpfs_file_fops = {
	.read = generic_file_read, .write = tmpfs_write, .llseek = tmpfs_llseek, .can_mmap = true, .fsync = tmpfs_fsync,
};

/* ---- mounting ---- */

static int tmpfs_statfs(struct super_block *sb, struct statfs_k *st)
{
	struct tmpfs_sb *s = sb->priv;

	st->bsize = st->frsize = PAGE_SIZE;
	if (s->space.max_pages) {
		long left = (long)s->space.max_pages - atomic_read(&s->space.used_pages);

		st->blocks = s->space.max_pages;
		st->bfree = st->bavail = (u64)max(left, 0L);
	}
	if (s->max_inodes) {
		st->files = (u64)s->max_inodes;
		st->ffree = (u64)(s->max_inodes - atomic_read(&s->used_inodes));
	}
	return 0;
}

static void tmpfs_put_super(struct super_block *sb)
{
	kfree(sb->priv);
}

static int tmpfs_show_options(struct super_block *sb, struct text *out)
{
	struct tmpfs_sb *s = sb->priv;

	if (s->size_given)
		text_printf(out, ",size=%luk", s->space.max_pages * (PAGE_SIZE / 1024));
	if (s->inodes_given)
		text_printf(out, ",nr_inodes=%ld", s->max_inodes);
	if (s->mode != 01777)
		text_printf(out, ",mode=%03o", s->mode);
	if (s->uid)
		text_printf(out, ",uid=%u", s->uid);
	if (s->gid)
		text_printf(out, ",gid=%u", s->gid);
	return 0;
}

/* 10, 64k, 3M, 1G, 50% (of RAM). False: malformed. */
static bool parse_size(const char *v, bool percent_ok, u64 *out)
{
	const char *end;
	u64 n = str_to_u64(v, &end, 0);

	if (end == v)
		return false;
	if (*end == '%' && percent_ok) {
		n = n * nr_total_pages() * PAGE_SIZE / 100;
		end++;
	} else if (*end) {
		static const char units[] = "kmgt";
		const char *u = strchr(units, *end | 0x20);

		if (!u || !*u)
			return false;
		n <<= 10 * (u - units + 1);
		end++;
	}
	*out = n;
	return !*end;
}

static int parse_option(struct tmpfs_sb *s, const char *key, const char *v)
{
	u64 n;

	if (!strcmp(key, "size") || !strcmp(key, "nr_blocks")) {
		if (!v || !parse_size(v, key[0] == 's', &n))
			return -EINVAL;
		s->space.max_pages = (key[0] == 's' ? (n + PAGE_SIZE - 1) >> PAGE_SHIFT : n);
		s->size_given = true;
		return 0;
	}
	if (!strcmp(key, "nr_inodes")) {
		if (!v || !parse_size(v, false, &n))
			return -EINVAL;
		s->max_inodes = (long)n;
		s->inodes_given = true;
		return 0;
	}
	if (!strcmp(key, "mode") || !strcmp(key, "uid") || !strcmp(key, "gid")) {
		const char *end;

		if (!v || !*v)
			return -EINVAL;
		n = str_to_u64(v, &end, key[0] == 'm' ? 8 : 10);
		if (*end)
			return -EINVAL;
		if (key[0] == 'm')
			s->mode = (u32)n & 07777;
		else if (key[0] == 'u')
			s->uid = (u32)n;
		else
			s->gid = (u32)n;
		return 0;
	}
	if (!strcmp(key, "huge") || !strcmp(key, "mpol") || !strcmp(key, "inode64") || !strcmp(key, "inode32") ||
	    !strcmp(key, "noswap"))
		return 0;
	return -EINVAL;
}

static int parse_options(struct tmpfs_sb *s, const char *data)
{
	char key[32], value[64];

	while (data && *data) {
		size_t len = 0, k = 0, v = 0;
		bool has_value = false;

		for (; data[len] && data[len] != ','; len++) {
			if (data[len] == '=' && !has_value) {
				has_value = true;
				continue;
			}
			if (has_value ? v >= sizeof(value) - 1 : k >= sizeof(key) - 1)
				return -EINVAL;
			if (has_value)
				value[v++] = data[len];
			else
				key[k++] = data[len];
		}
		key[k] = value[v] = 0;
		if (k) {
			int err = parse_option(s, key, has_value ? value : NULL);

			if (err)
				return err;
		}
		data += len + (data[len] == ',');
	}
	return 0;
}

static int tmpfs_remount(struct super_block *sb, u32 flags, const char *data)
{
	struct tmpfs_sb *s = sb->priv, new = *s;
	int err = parse_options(&new, data);

	if (err)
		return err;
	if (new.space.max_pages && atomic_read(&s->space.used_pages) > (long)new.space.max_pages)
		return -EINVAL;
	s->space.max_pages = new.space.max_pages;
	s->max_inodes = new.max_inodes;
	s->size_given |= new.size_given;
	s->inodes_given |= new.inodes_given;
	return 0;
}

static const struct super_ops tmpfs_sops = {
	.evict = tmpfs_evict, .statfs = tmpfs_statfs, .put_super = tmpfs_put_super, .show_options = tmpfs_show_options,
	.remount = tmpfs_remount,
};

int tmpfs_mount(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out)
{
	struct tmpfs_sb *s = kzalloc(sizeof(*s), GFP_KERNEL);
	struct super_block *sb;
	struct inode *root;
	int err;

	if (!s)
		return -ENOMEM;
	s->mode = 01777;
	if (t == &tmpfs_type)
		s->space.max_pages = (unsigned long)(s->max_inodes = (long)(nr_total_pages() / 2));
	else
		s->mode = 0755;
	err = parse_options(s, data);
	sb = err ? NULL : sb_alloc(t, &tmpfs_sops, flags);
	if (!sb) {
		kfree(s);
		return err ? err : -ENOMEM;
	}
	sb->priv = s;
	sb->magic = t == &ramfs_type ? 0x858458f6 : TMPFS_MAGIC;
	root = tmpfs_new_inode(sb, NULL, S_IFDIR | s->mode, 0);
	if (root) {
		root->uid = s->uid;
		root->gid = s->gid;
	}
	return sb_finish(sb, root, -ENOMEM, out);
}

struct file_system_type tmpfs_type = { .name = "tmpfs", .mount = tmpfs_mount };
struct file_system_type ramfs_type = { .name = "ramfs", .mount = tmpfs_mount };

/* ---- memfd ---- */

static struct mount *memfd_mount;

void tmpfs_init(void)
{
	fs_register(&tmpfs_type);
	fs_register(&ramfs_type);
	memfd_mount = mount_kernel(&ramfs_type);
	if (!memfd_mount)
		panic("no memory for the memfd mount");
	memfd_mount->flags &= ~(u32)MS_NOEXEC;
	memfd_mount->sb->magic = TMPFS_MAGIC;
}

int shmem_file_create(const char *name, loff_t size, u32 flags, struct file **out)
{
	char path[64];
	int err;

	ksnprintf(path, sizeof(path), "/%s", name);
	err = tmpfs_memfd(path, 0, out);
	if (!err)
		(*out)->inode->data.size = size;
	return err;
}

int tmpfs_memfd(const char *name, unsigned flags, struct file **out)
{
	struct inode *i = tmpfs_new_inode(memfd_mount->sb, NULL, S_IFREG | (flags & 8 ? 0666 : 0777), 0);
	struct dentry *d = i ? dentry_alloc_anon(memfd_mount->sb, name) : NULL;
	struct tmpfs_info *t = i ? tmpfs_info_get(i) : NULL;
	struct path p = { memfd_mount, d };
	int err;

	if (!i || !d || !t) {
		dentry_put(d);
		inode_put(i);
		return -ENOMEM;
	}
	i->nlink = 0;
	t->seals = MEMFD_SEALABLE | (flags & (2 | 8) ? 0 : F_SEAL_SEAL);
	d->inode = i;
	d_set_flag(d, DCACHE_UNLINKED);
	err = file_open_path(&p, O_RDWR, out);
	dentry_put(d);
	return err;
}

static struct tmpfs_info *sealable(struct file *f)
{
	struct tmpfs_info *t = f->inode->priv;

	if (f->ops != &tmpfs_file_fops || f->path.mnt != memfd_mount || !t)
		return NULL;
	return t->seals & MEMFD_SEALABLE ? t : NULL;
}

int tmpfs_seals_get(struct file *f)
{
	struct tmpfs_info *t = sealable(f);

	return t ? (int)(t->seals & ~MEMFD_SEALABLE) : -EINVAL;
}

int tmpfs_seals_add(struct file *f, unsigned seals)
{
	struct tmpfs_info *t = sealable(f);
	int err = 0;

	if (!(f->mode & FMODE_WRITE))
		return -EPERM;
	if (seals & ~(unsigned)(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | 0x20))
		return -EINVAL;
	if (!t)
		return -EINVAL;
	rwsem_write_lock(&f->inode->rwsem);
	if (t->seals & F_SEAL_SEAL)
		err = -EPERM;
	else if ((seals & F_SEAL_WRITE) && !(t->seals & F_SEAL_WRITE) && f->mapping->nr_shared_writable)
		err = -EBUSY;
	else
		t->seals |= seals;
	rwsem_write_unlock(&f->inode->rwsem);
	return err;
}

SYSCALL(memfd_create, const char __user *uname, unsigned flags)
{
	char name[264] = "/memfd:";
	struct file *f;
	ssize_t n;
	int err;

	if (flags & ~(1u | 2u | 8u | 16u))	/* CLOEXEC, ALLOW_SEALING, NOEXEC_SEAL, EXEC; no HUGETLB */
		return -EINVAL;
	if ((flags & 24u) == 24u)
		return -EINVAL;
	if (fail_user("memfd_create", 0))
		return -ENOMEM;
	n = strncpy_from_user(name + 7, uname, 250);
	if (n < 0)
		return -EFAULT;
	if (n >= 250)
		return -EINVAL;
	err = tmpfs_memfd(name, flags, &f);
	return err ? err : fd_alloc_install(f, flags & 1 ? O_CLOEXEC : 0);
}
