/*
 * block.c - block devices: the registry, their page cache, /dev and /proc entries.
 *
 * SHAPE       each device has an inode of its own (file-system type "bdev", mounted nowhere) whose mapping holds its pages;
 *             every open file of a device node is turned to that inode, so all see one cache.
 * LIFE        registered at boot, or by a module, which takes it away when it goes; until then open files and claims hold the module.
 * NUMBERS     block_submit() puts its own done() before the caller's, so drivers have nothing to count.
 * LOCKS       devices_lock (LOCK_FS) guards the list and holders; changes of the list take list_mutex too, so who holds that may walk
 *             it and sleep.
 */
#include <abi/errno.h>
#include <asm/ioctl.h>
#include <drivers/block.h>
#include <fs/fs.h>
#include <kernel/main.h>
#include <kernel/module.h>
#include <kernel/panic.h>
#include <kernel/time.h>
#include <kernel/wait.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <lib/text.h>
#include <linux/fs.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/uaccess.h>

static struct list devices = LIST_INIT(devices);
static spinlock_t devices_lock = SPINLOCK_INIT("block", LOCK_FS);
static struct mutex list_mutex = MUTEX_INIT(list_mutex, "disks", LOCK_MOUNT);

/* ---- finding and claiming ---- */

static struct block_device *find_locked(u32 rdev)
{
	struct block_device *b, *found = NULL;

	list_for_each(b, &devices, link)
		if (b->rdev == rdev)
			found = b;
	return found;
}

struct block_device *block_find(u32 rdev)
{
	struct block_device *b;

	spin_lock(&devices_lock);
	b = find_locked(rdev);
	spin_unlock(&devices_lock);
	return b;
}

struct block_device *block_get(const struct inode *i)
{
	struct block_device *b = NULL;

	if (!S_ISBLK(i->mode))
		return NULL;
	spin_lock(&devices_lock);
	b = find_locked(i->rdev);
	if (b && !module_try_get(b->owner))
		b = NULL;
	spin_unlock(&devices_lock);
	return b;
}

void block_put(struct block_device *b)
{
	module_put(b->owner);
}

struct block_device *block_of_inode(const struct inode *i)
{
	return S_ISBLK(i->mode) ? block_find(i->rdev) : NULL;
}

int block_claim(struct block_device *b, void *holder)
{
	int err = -EBUSY;

	spin_lock(&devices_lock);
	if (!b->holder && module_try_get(b->owner)) {
		b->holder = holder;
		err = 0;
	}
	spin_unlock(&devices_lock);
	return err;
}

void block_release(struct block_device *b, void *holder)
{
	spin_lock(&devices_lock);
	assert(holder && b->holder == holder);
	b->holder = NULL;
	spin_unlock(&devices_lock);
	module_put(b->owner);
}

/* ---- transfers ---- */

/* ---- what is counted ---- */

/* The number in flight changes. Returns now. Lock held. */
static ktime_t flight(struct block_stats *s, int change)
{
	ktime_t now = ktime_get();

	if (s->in_flight) {
		s->busy_ns += (u64)(now - s->since);
		s->weighted_ns += (u64)(now - s->since) * s->in_flight;
	}
	s->since = now;
	s->in_flight += (unsigned)change;
	return now;
}

static ktime_t op_begin(struct block_device *b)
{
	ktime_t now;

	spin_lock(&b->stats.lock);
	now = flight(&b->stats, 1);
	spin_unlock(&b->stats.lock);
	return now;
}

static void op_end(struct block_device *b, enum block_op op, u64 sectors, ktime_t start, bool counts)
{
	struct block_stats *s = &b->stats;
	ktime_t now;

	spin_lock(&s->lock);
	now = flight(s, -1);
	if (counts) {
		s->nr[op]++;
		s->sectors[op] += sectors;
		s->ns[op] += (u64)(now - start);
	}
	spin_unlock(&s->lock);
}

static void io_done(struct block_io *io)
{
	op_end(io->bdev, io->write ? BLOCK_WRITE : BLOCK_READ, DIV_ROUND_UP(io->bytes, SECTOR_SIZE), io->start, true);
	io->done = io->then;
	io->done(io);
}

/* ---- transfers ---- */

int block_submit(struct block_io *io)
{
	struct block_device *b = io->bdev;
	u64 sectors;
	int err;

	assert(io->nr && io->nr <= BLOCK_MAX_PAGES);
	if (!io->bytes)
		io->bytes = io->nr * PAGE_SIZE;
	sectors = DIV_ROUND_UP(io->bytes, SECTOR_SIZE);
	if (io->sector > b->sectors || sectors > b->sectors - io->sector || (io->write && b->read_only))
		return -EIO;
	vm_event_add(io->write ? PGPGOUT : PGPGIN, DIV_ROUND_UP(sectors, 2));		/* KiB */
	io->then = io->done;
	io->done = io_done;
	io->start = op_begin(b);
	err = b->ops->submit(b, io);
	if (err) {
		op_end(b, BLOCK_READ, 0, 0, false);
		io->done = io->then;
	}
	return err;
}

struct sync_io {
	struct block_io	io;
	spinlock_t	lock;		/* the sleeper takes it once before it leaves, so s stays until done() is through */
	struct waitq	wait;
	bool		done;
};

static void sync_done(struct block_io *io)
{
	struct sync_io *s = io->priv;

	spin_lock(&s->lock);
	WRITE_ONCE(s->done, true);
	waitq_wake_all(&s->wait);
	spin_unlock(&s->lock);
}

static int rw_once(struct block_device *b, bool write, u64 sector, struct page **pages, unsigned nr, u32 bytes)
{
	struct sync_io here, *s = &here;
	int err;

	spin_lock_init(&s->lock, "block-io", LOCK_FS);
	waitq_init(&s->wait);
	s->done = false;
	s->io = (struct block_io){ .bdev = b, .write = write, .sector = sector, .pages = pages, .nr = nr, .bytes = bytes,
				   .done = sync_done, .priv = s };
	err = block_submit(&s->io);
	if (!err) {
		wait_event_io(&s->wait, READ_ONCE(s->done));
		spin_lock(&s->lock);
		spin_unlock(&s->lock);
		err = s->io.err;
	}
	return err;
}

int block_rw(struct block_device *b, bool write, u64 sector, struct page **pages, unsigned nr)
{
	int err = 0;

	for (unsigned at = 0; at < nr && !err; at += BLOCK_MAX_PAGES)
		err = rw_once(b, write, sector + at * SECTORS_PER_PAGE, pages + at, min(nr - at, (unsigned)BLOCK_MAX_PAGES), 0);
	return err;
}

int block_rw_bytes(struct block_device *b, bool write, u64 sector, struct page *page, u32 bytes)
{
	return rw_once(b, write, sector, &page, 1, bytes);
}

int block_flush(struct block_device *b)
{
	ktime_t start;
	int err;

	if (!b->ops->flush)
		return 0;
	start = op_begin(b);
	err = b->ops->flush(b);
	op_end(b, BLOCK_FLUSH, 0, start, true);
	return err;
}

int block_discard(struct block_device *b, u64 sector, u64 nr)
{
	ktime_t start;
	int err;

	if (!b->ops->discard)
		return -EOPNOTSUPP;
	if (sector > b->sectors || nr > b->sectors - sector || b->read_only)
		return -EIO;
	start = op_begin(b);
	err = b->ops->discard(b, sector, nr);
	op_end(b, BLOCK_DISCARD, nr, start, !err);
	return err;
}

/* ---- the page cache of a device ---- */

static int cache_pages(struct address_space *m, struct page **pages, unsigned nr, bool write)
{
	struct block_device *b = m->host->priv;
	int err = 0;

	for (unsigned at = 0; at < nr && !err; at += BLOCK_MAX_PAGES) {
		unsigned n = min(nr - at, (unsigned)BLOCK_MAX_PAGES);
		u64 start = (u64)pages[at]->index << PAGE_SHIFT;
		u64 inside = (u64)m->size > start ? (u64)m->size - start : 0;
		u32 bytes = min((u64)n * PAGE_SIZE, inside);

		if (bytes < n * PAGE_SIZE && !write)	/* the device's end lies in a page */
			memset(page_address(pages[at + bytes / PAGE_SIZE]), 0, PAGE_SIZE);
		n = DIV_ROUND_UP(bytes, PAGE_SIZE);
		if (!n)
			break;
		err = rw_once(b, write, start / SECTOR_SIZE, pages + at, n, bytes);
		for (unsigned k = 0; !err && !write && k < n; k++)
			page_set(pages[at + k], PG_UPTODATE);
	}
	return err;
}

static int cache_read_pages(struct address_space *m, struct page **pages, unsigned nr)
{
	return cache_pages(m, pages, nr, false);
}

static int cache_read_page(struct address_space *m, struct page *p)
{
	return cache_pages(m, &p, 1, false);
}

static int cache_write_pages(struct address_space *m, struct page **pages, unsigned nr, size_t len_last)
{
	return cache_pages(m, pages, nr, true);
}

static int cache_write_page(struct address_space *m, struct page *p, size_t len)
{
	return cache_pages(m, &p, 1, true);
}

/* Pages of a swap area: not the cache's, so the place is given. */
static int cache_swap_rw(struct address_space *m, u64 page_offset, struct page **pages, unsigned nr, bool write)
{
	return block_rw(m->host->priv, write, page_offset * SECTORS_PER_PAGE, pages, nr);
}

static int cache_swap_discard(struct address_space *m, u64 page_offset, u64 nr)
{
	return block_discard(m->host->priv, page_offset * SECTORS_PER_PAGE, nr * SECTORS_PER_PAGE);
}

static void cache_swap_slot_free(struct address_space *m, u64 page)
{
	struct block_device *b = m->host->priv;

	b->ops->slot_free(b, page);
}

static const struct mapping_ops memory_aops = {
	.swap_rw = cache_swap_rw, .swap_discard = cache_swap_discard, .swap_slot_free = cache_swap_slot_free,
	.read_page = cache_read_page, .read_pages = cache_read_pages,
	.write_page = cache_write_page, .write_pages = cache_write_pages,
};

static const struct mapping_ops cache_aops = {
	.swap_rw = cache_swap_rw, .swap_discard = cache_swap_discard,
	.read_page = cache_read_page, .read_pages = cache_read_pages,
	.write_page = cache_write_page, .write_pages = cache_write_pages,
};

/* ---- open files ---- */

static struct block_device *dev_of(struct file *f)
{
	return f->inode->priv;
}

static int blk_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	int err = generic_fsync(f, start, end, datasync);

	return err ? err : block_flush(dev_of(f));
}

/* A device does not grow. */
static ssize_t blk_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	loff_t size = inode_size(f->inode);
	size_t cut = 0;
	ssize_t n;

	if (*pos >= size)
		return from->left ? -ENOSPC : 0;
	if ((loff_t)from->left > size - *pos) {
		cut = from->left - (size - *pos);
		from->left -= cut;
	}
	n = generic_file_write(f, from, pos);
	from->left += cut;
	return n;
}

/* From byte uarg[0] on uarg[1] bytes. */
static long discard_range(struct file *f, const u64 __user *uarg)
{
	u64 range[2];

	if (!(f->mode & FMODE_WRITE))
		return -EBADF;
	if (copy_from_user(range, uarg, sizeof(range)))
		return -EFAULT;
	if ((range[0] | range[1]) % SECTOR_SIZE || range[0] + range[1] < range[0] || range[0] + range[1] > (u64)inode_size(f->inode))
		return -EINVAL;
	filemap_punch_hole(f->mapping, (loff_t)range[0], (loff_t)(range[0] + range[1]));
	return block_discard(dev_of(f), range[0] / SECTOR_SIZE, range[1] / SECTOR_SIZE);
}

static long blk_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct block_device *b = dev_of(f);

	switch (cmd) {
	case BLKGETSIZE64:
		return put_user(b->sectors * SECTOR_SIZE, (u64 __user *)arg);
	case BLKGETSIZE:
		return put_user((unsigned long)b->sectors, (unsigned long __user *)arg);
	case BLKSSZGET:
		return put_user((int)SECTOR_SIZE, (int __user *)arg);
	case BLKPBSZGET:
	case BLKIOMIN:
		return put_user(SECTOR_SIZE, (unsigned __user *)arg);
	case BLKBSZGET:
		return put_user((int)PAGE_SIZE, (int __user *)arg);
	case BLKIOOPT:
	case BLKALIGNOFF:
		return put_user(0, (int __user *)arg);
	case BLKROGET:
		return put_user((int)b->read_only, (int __user *)arg);
	case BLKDISCARD:
		return discard_range(f, (const u64 __user *)arg);
	case BLKFLSBUF:
		return filemap_invalidate_all(f->mapping);
	}
	return -ENOTTY;
}

static int blk_open(struct inode *i, struct file *f)
{
	struct block_device *b = f->priv;

	if (!b)
		return -ENXIO;
	if ((f->mode & FMODE_WRITE) && b->read_only)
		return -EACCES;
	if (f->flags & O_EXCL) {		/* mkswap, fsck: not while somebody uses it */
		int err = block_claim(b, f);

		if (err)
			return err;
	}
	f->inode = b->inode;		/* stays while the device is open */
	f->mapping = b->inode->mapping;
	f->wb_err = errseq_sample(&f->mapping->wb_err);
	return 0;
}

static void blk_release(struct file *f)
{
	struct block_device *b = dev_of(f);

	if (READ_ONCE(b->holder) == f)
		block_release(b, f);
	module_put(b->owner);
}

static const struct file_ops blk_fops = {
	.open = blk_open, .release = blk_release, .read = generic_file_read, .write = blk_write, .llseek = generic_llseek, .can_mmap = true,
	.fsync = blk_fsync, .ioctl = blk_ioctl,
};

/* ---- registration ---- */

static const struct super_ops bdev_super_ops;
static const struct inode_ops bdev_iops;
static struct file_system_type bdev_type = { .name = "bdev" };
static struct super_block *bdev_sb;

static struct super_block *devices_sb(void)
{
	if (!bdev_sb)
		bdev_sb = sb_alloc(&bdev_type, &bdev_super_ops, 0);
	return bdev_sb;
}

static int make_inode(struct block_device *b)
{
	struct inode *i = devices_sb() ? inode_alloc(bdev_sb) : NULL;

	if (!i)
		return -ENOMEM;
	i->mode = S_IFBLK | 0600;
	i->rdev = b->rdev;
	i->ops = &bdev_iops;
	i->fops = &blk_fops;
	i->data.ops = b->ops->slot_free ? &memory_aops : &cache_aops;
	i->data.size = (loff_t)(b->sectors * SECTOR_SIZE);
	i->priv = b;
	b->inode = i;
	return 0;
}

static int size_show(struct text *out, void *arg)
{
	struct block_device *b = arg;

	text_printf(out, "%llu\n", (unsigned long long)b->sectors);
	return 0;
}

static int ro_show(struct text *out, void *arg)
{
	struct block_device *b = arg;

	text_printf(out, "%d\n", b->read_only);
	return 0;
}

static int register_sysfs(struct block_device *b)
{
	static int (*const show[2])(struct text *, void *) = { size_show, ro_show };
	static const char *const leaf[2] = { "size", "ro" };
	int err = 0;

	for (unsigned k = 0; k < 2 && !err; k++) {
		ksnprintf(b->sysfs_path[k], sizeof(b->sysfs_path[k]), "block/%s/%s", b->name, leaf[k]);
		b->sysfs_file[k] = (struct proc_file){ .path = b->sysfs_path[k], .mode = 0444, .show = show[k], .arg = b, .owner = b->owner };
		err = sysfs_try_register(&b->sysfs_file[k]);
	}
	return err;
}

static void put_on_list(struct block_device *b, bool on)
{
	mutex_lock(&list_mutex);
	spin_lock(&devices_lock);
	if (on)
		list_append(&devices, &b->link);
	else
		list_remove(&b->link);
	spin_unlock(&devices_lock);
	mutex_unlock(&list_mutex);
}

unsigned long block_cached_pages(void)
{
	unsigned long n = 0;
	struct block_device *b;

	spin_lock(&devices_lock);
	list_for_each(b, &devices, link)
		n += READ_ONCE(b->inode->data.nr_pages);
	spin_unlock(&devices_lock);
	return n;
}

/* What is dirty goes to the device, then every page; nobody has it open, so no more come. */
static void drop_inode(struct block_device *b)
{
	struct inode *i = b->inode;

	if (i->data.nr_pages)
		(void)!filemap_write_range(&i->data, 0, S64_MAX, true);
	filemap_truncate(&i->data, 0);
	b->inode = NULL;
	inode_put(i);
}

static void remove_sysfs(const struct block_device *b)
{
	char path[sizeof(b->name) + 8];

	ksnprintf(path, sizeof(path), "block/%s", b->name);
	sysfs_unregister(path);
}

int block_register(struct block_device *b)
{
	int err = make_inode(b);

	if (err)
		return err;
	memset(&b->stats, 0, sizeof(b->stats));
	spin_lock_init(&b->stats.lock, "disk's numbers", LOCK_LEAF);
	put_on_list(b, true);
	err = register_sysfs(b);
	if (!err)
		err = device_register_owned(b->name, S_IFBLK | 0660, b->rdev, &blk_fops, b, b->owner);
	if (err) {
		remove_sysfs(b);
		put_on_list(b, false);
		drop_inode(b);
	}
	return err;
}

void block_unregister(struct block_device *b)
{
	assert(!b->holder);
	device_unregister(MAJOR(b->rdev), MINOR(b->rdev), true);
	remove_sysfs(b);
	put_on_list(b, false);
	drop_inode(b);
}

/* ---- /proc ---- */

static int partitions_show(struct text *out, void *arg)
{
	struct block_device *b;

	text_puts(out, "major minor  #blocks  name\n\n");
	mutex_lock(&list_mutex);
	list_for_each(b, &devices, link)
		if (b->sectors)
			text_printf(out, "%4u  %7u %10llu %s\n", MAJOR(b->rdev), MINOR(b->rdev), (unsigned long long)(b->sectors / 2), b->name);
	mutex_unlock(&list_mutex);
	return 0;
}

static unsigned long long ms(u64 ns)
{
	return ns / (NSEC_PER_SEC / 1000);
}

/* Requests are never merged here. */
static void diskstats_line(struct text *out, struct block_device *b)
{
	struct block_stats s;

	spin_lock(&b->stats.lock);
	(void)flight(&b->stats, 0);
	s = b->stats;
	spin_unlock(&b->stats.lock);
	text_printf(out, "%4u %7u %s", MAJOR(b->rdev), MINOR(b->rdev), b->name);
	for (enum block_op op = BLOCK_READ; op <= BLOCK_DISCARD; op++) {
		text_printf(out, " %llu 0 %llu %llu", (unsigned long long)s.nr[op], (unsigned long long)s.sectors[op], ms(s.ns[op]));
		if (op == BLOCK_WRITE)
			text_printf(out, " %u %llu %llu", s.in_flight, ms(s.busy_ns), ms(s.weighted_ns));
	}
	text_printf(out, " %llu %llu\n", (unsigned long long)s.nr[BLOCK_FLUSH], ms(s.ns[BLOCK_FLUSH]));
}

static int diskstats_show(struct text *out, void *arg)
{
	struct block_device *b;

	mutex_lock(&list_mutex);
	list_for_each(b, &devices, link)
		diskstats_line(out, b);
	mutex_unlock(&list_mutex);
	return 0;
}

static const struct proc_file block_files[] = {
	{ .path = "partitions", .mode = 0444, .show = partitions_show },
	{ .path = "diskstats", .mode = 0444, .show = diskstats_show },
};

static int block_init(void)
{
	proc_register_all(block_files, ARRAY_SIZE(block_files));
	return devices_sb() ? 0 : -ENOMEM;	/* now: a module's disk should not pay for it */
}
initcall(block_init, 2);
