/*
 * blk.c - virtio disks as block devices /dev/vda, vdb …: page cache on top, one request per run of pages below.
 *
 * SHAPE       each disk has an inode of its own (file-system type "bdev", mounted nowhere) whose mapping holds its pages;
 *             every open file of the device node is turned to that inode, so all see one cache.
 * LIFE        found at boot, stays. Dirty pages go out by fsync, sync, the write-back thread, BLKFLSBUF.
 * LOCKS       disk->lock (LOCK_FS: waiters are woken under it) guards the queue and requests' done.
 */
#include <abi/errno.h>
#include <asm/ioctl.h>
#include <drivers/virtio.h>
#include <fs/fs.h>
#include <fs/procfs.h>
#include <kernel/main.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <lib/text.h>
#include <linux/fs.h>
#include <mm/slab.h>

#include "virtio_private.h"

#define BLK_MAJOR	254		/* what Linux's virtio disks usually get */
#define BLK_MINORS	16
#define MAX_RUN		64		/* pages of one request */
#define SECTOR		512

struct disk {
	struct virtio_device	*dev;
	struct virtqueue	*queue;
	spinlock_t		lock;
	struct waitq		wait;		/* for room, and for a request to be done */
	struct inode		*inode;
	u64			sectors;
	bool			read_only;
	unsigned		index;
	u64			reads, writes, sectors_read, sectors_written;
	char			name[8];
	struct proc_file	size_file, ro_file;
	char			size_path[32], ro_path[32];
};

struct blk_request {
	struct virtio_blk_outhdr head;
	u8			status;
	bool			done;
	struct virtio_seg	segs[MAX_RUN + 2];
};

static struct disk *disks[8];
static unsigned nr_disks;
static struct slab_cache *request_cache;

/* ---- requests ---- */

/* disk->lock held. */
static void disk_reap(struct disk *d)
{
	struct blk_request *r;
	bool any = false;
	u32 len;

	while ((r = virtqueue_get(d->queue, &len))) {
		r->done = true;
		any = true;
	}
	if (any)
		waitq_wake_all(&d->wait);
}

static void disk_callback(struct virtqueue *q)
{
	struct disk *d = virtqueue_priv(q);

	spin_lock(&d->lock);
	disk_reap(d);
	spin_unlock(&d->lock);
}

static bool is_done(struct disk *d, struct blk_request *r)
{
	bool done;

	spin_lock(&d->lock);
	disk_reap(d);
	done = r->done || virtqueue_broken(d->queue);
	spin_unlock(&d->lock);
	return done;
}

static int disk_submit(struct disk *d, struct blk_request *r, unsigned out, unsigned in)
{
	int err;

	for (;;) {
		spin_lock(&d->lock);
		err = virtqueue_add(d->queue, r->segs, out, in, r);
		if (!err)
			virtqueue_kick(d->queue);
		spin_unlock(&d->lock);
		if (err != -ENOSPC)
			return err;
		wait_event_timeout(&d->wait, virtqueue_free(d->queue) > 2, NSEC_PER_SEC / 100);
	}
}

/* Sleeps until the device is through. */
static int disk_io(struct disk *d, u32 type, u64 sector, struct page **pages, unsigned nr, size_t bytes)
{
	struct blk_request *r = slab_alloc(request_cache, GFP_NOFS);
	bool write = type == VIRTIO_BLK_T_OUT;
	unsigned n = 1;
	int err;

	if (!r)
		return -ENOMEM;
	r->head = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	r->status = 0xff;
	r->done = false;
	r->segs[0] = virtio_seg_of(&r->head, sizeof(r->head));
	for (unsigned i = 0; i < nr; i++, n++)
		r->segs[n] = (struct virtio_seg){ page_to_phys(pages[i]), min(PAGE_SIZE, bytes - i * PAGE_SIZE) };
	r->segs[n] = virtio_seg_of(&r->status, 1);
	err = disk_submit(d, r, write ? 1 + nr : 1, write ? 1 : nr + 1);
	if (err) {
		slab_free(request_cache, r);
		return err;
	}
	wait_event(&d->wait, is_done(d, r));
	if (!r->done)
		return -EIO;		/* a broken device still owns r */
	err = r->status == VIRTIO_BLK_S_OK ? 0 : r->status == VIRTIO_BLK_S_UNSUPP ? -EOPNOTSUPP : -EIO;
	slab_free(request_cache, r);
	return err;
}

/* ---- pages ---- */

static int disk_pages(struct address_space *m, struct page **pages, unsigned nr, bool write)
{
	struct disk *d = m->host->priv;
	int err = 0;

	for (unsigned at = 0; at < nr && !err; at += MAX_RUN) {
		unsigned n = min(nr - at, (unsigned)MAX_RUN);
		u64 start = (u64)pages[at]->index << PAGE_SHIFT;
		size_t bytes = min((u64)n * PAGE_SIZE, (u64)m->size - min((u64)m->size, start));

		if (bytes < n * PAGE_SIZE && !write)
			memset(page_address(pages[at + bytes / PAGE_SIZE]), 0, PAGE_SIZE);	/* the disk's end lies in it */
		n = DIV_ROUND_UP(bytes, PAGE_SIZE);
		if (!n)
			break;
		err = disk_io(d, write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, start / SECTOR, pages + at, n, bytes);
		if (write) {
			d->writes++;
			d->sectors_written += bytes / SECTOR;
		} else {
			d->reads++;
			d->sectors_read += bytes / SECTOR;
			for (unsigned k = 0; !err && k < n; k++)
				page_set(pages[at + k], PG_UPTODATE);
		}
	}
	return err;
}

static int blk_read_pages(struct address_space *m, struct page **pages, unsigned nr)
{
	return disk_pages(m, pages, nr, false);
}

static int blk_read_page(struct address_space *m, struct page *p)
{
	return disk_pages(m, &p, 1, false);
}

static int blk_write_pages(struct address_space *m, struct page **pages, unsigned nr, size_t len_last)
{
	return disk_pages(m, pages, nr, true);
}

static int blk_write_page(struct address_space *m, struct page *p, size_t len)
{
	return disk_pages(m, &p, 1, true);
}

static const struct mapping_ops blk_aops = {
	.read_page = blk_read_page, .read_pages = blk_read_pages,
	.write_page = blk_write_page, .write_pages = blk_write_pages,
};

/* ---- open files ---- */

static int disk_flush(struct disk *d)
{
	if (!virtio_has(d->dev, VIRTIO_BLK_F_FLUSH))
		return 0;
	return disk_io(d, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, 0);
}

static int blk_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	int err = generic_fsync(f, start, end, datasync);

	return err ? err : disk_flush(f->inode->priv);
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

static long blk_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct disk *d = f->inode->priv;

	switch (cmd) {
	case BLKGETSIZE64:
		return put_user(d->sectors * SECTOR, (u64 __user *)arg);
	case BLKGETSIZE:
		return put_user((unsigned long)d->sectors, (unsigned long __user *)arg);
	case BLKSSZGET:
		return put_user(SECTOR, (int __user *)arg);
	case BLKBSZGET:
		return put_user((int)PAGE_SIZE, (int __user *)arg);
	case BLKROGET:
		return put_user((int)d->read_only, (int __user *)arg);
	case BLKFLSBUF:
		return filemap_invalidate_all(f->mapping);
	}
	return -ENOTTY;
}

static int blk_open(struct inode *i, struct file *f)
{
	struct disk *d = f->priv;

	if (!d)
		return -ENXIO;
	if ((f->mode & FMODE_WRITE) && d->read_only)
		return -EACCES;
	f->inode = d->inode;		/* lives as long as the machine */
	f->mapping = d->inode->mapping;
	f->wb_err = f->mapping->wb_err;
	return 0;
}

static const struct file_ops blk_fops = {
	.open = blk_open, .read = generic_file_read, .write = blk_write, .llseek = generic_llseek, .can_mmap = true,
	.fsync = blk_fsync, .ioctl = blk_ioctl,
};

/* ---- finding disks ---- */

static const struct super_ops bdev_super_ops;
static const struct inode_ops bdev_iops;
static struct file_system_type bdev_type = { .name = "bdev" };
static struct super_block *bdev_sb;

static int make_inode(struct disk *d)
{
	struct inode *i;

	if (!bdev_sb)
		bdev_sb = sb_alloc(&bdev_type, &bdev_super_ops, 0);
	i = bdev_sb ? inode_alloc(bdev_sb) : NULL;
	if (!i)
		return -ENOMEM;
	i->mode = S_IFBLK | 0600;
	i->rdev = MKDEV(BLK_MAJOR, d->index * BLK_MINORS);
	i->ops = &bdev_iops;
	i->fops = &blk_fops;
	i->data.ops = &blk_aops;
	i->data.size = (loff_t)(d->sectors * SECTOR);
	i->priv = d;
	d->inode = i;
	return 0;
}

static int number_show(struct text *out, void *arg)
{
	text_printf(out, "%llu\n", (unsigned long long)*(u64 *)arg);
	return 0;
}

static int ro_show(struct text *out, void *arg)
{
	text_printf(out, "%d\n", *(bool *)arg);
	return 0;
}

static void register_sysfs(struct disk *d)
{
	ksnprintf(d->size_path, sizeof(d->size_path), "block/%s/size", d->name);
	ksnprintf(d->ro_path, sizeof(d->ro_path), "block/%s/ro", d->name);
	d->size_file = (struct proc_file){ .path = d->size_path, .mode = 0444, .show = number_show, .arg = &d->sectors };
	d->ro_file = (struct proc_file){ .path = d->ro_path, .mode = 0444, .show = ro_show, .arg = &d->read_only };
	sysfs_register(&d->size_file);
	sysfs_register(&d->ro_file);
}

static int blk_probe(struct virtio_device *dev)
{
	struct disk *d;
	int err;

	if (nr_disks == ARRAY_SIZE(disks))
		return -ENOSPC;
	d = kzalloc(sizeof(*d), GFP_KERNEL | GFP_NOACCOUNT);
	if (!d)
		return -ENOMEM;
	if (!request_cache)
		request_cache = slab_cache_create("blk_request", sizeof(struct blk_request), 16, SLAB_PANIC, NULL);
	d->dev = dev;
	d->index = nr_disks;
	ksnprintf(d->name, sizeof(d->name), "vd%c", 'a' + d->index);
	spin_lock_init(&d->lock, "virtio-blk", LOCK_FS);
	waitq_init(&d->wait);
	dev->transport->config_read(dev, 0, &d->sectors, 4);
	dev->transport->config_read(dev, 4, (char *)&d->sectors + 4, 4);
	d->read_only = virtio_has(dev, VIRTIO_BLK_F_RO);
	if (d->sectors > (u64)S64_MAX / SECTOR)
		return -EINVAL;
	err = virtqueue_create(dev, 0, 128, disk_callback, d, &d->queue);
	if (!err)
		err = make_inode(d);
	if (err)
		return err;		/* d stays: the device may know its ring */
	disks[nr_disks++] = d;
	virtio_driver_ok(dev);
	register_sysfs(d);
	pr_info("%s: disk %s, %llu sectors%s\n", dev->name, d->name, (unsigned long long)d->sectors, d->read_only ? ", read-only" : "");
	return device_register(d->name, S_IFBLK | 0660, BLK_MAJOR, d->index * BLK_MINORS, &blk_fops, d);
}

static struct virtio_driver blk_driver = {
	.name = "virtio-blk",
	.id = VIRTIO_ID_BLOCK,
	.features = BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_RO) | BIT(VIRTIO_BLK_F_SEG_MAX),
	.probe = blk_probe,
};

/* ---- /proc ---- */

static int partitions_show(struct text *out, void *arg)
{
	text_puts(out, "major minor  #blocks  name\n\n");
	for (unsigned i = 0; i < nr_disks; i++)
		text_printf(out, "%4d  %7u %10llu %s\n", BLK_MAJOR, i * BLK_MINORS, (unsigned long long)(disks[i]->sectors / 2), disks[i]->name);
	return 0;
}

static int diskstats_show(struct text *out, void *arg)
{
	for (unsigned i = 0; i < nr_disks; i++) {
		struct disk *d = disks[i];

		text_printf(out, "%4d %7u %s %llu 0 %llu 0 %llu 0 %llu 0 0 0 0 0 0 0 0 0 0\n", BLK_MAJOR, i * BLK_MINORS, d->name,
			    (unsigned long long)d->reads, (unsigned long long)d->sectors_read,
			    (unsigned long long)d->writes, (unsigned long long)d->sectors_written);
	}
	return 0;
}

static const struct proc_file disk_files[] = {
	{ .path = "partitions", .mode = 0444, .show = partitions_show },
	{ .path = "diskstats", .mode = 0444, .show = diskstats_show },
};

static int blk_init(void)
{
	virtio_driver_register(&blk_driver);
	proc_register_all(disk_files, ARRAY_SIZE(disk_files));
	return 0;
}
initcall(blk_init, 2);
