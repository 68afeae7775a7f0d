/*
 * blk.c - virtio disks: /dev/vda, vdb …
 *
 * A request is a header, the pages, and a status byte, in one indirect descriptor. Completion: the deferred interrupt takes finished
 * requests off the ring under the disk's lock, then calls their owners' done() without it.
 * LOCKS       disk->lock (LOCK_FS) guards the queue.
 */
#include <abi/errno.h>
#include <drivers/block.h>
#include <drivers/virtio.h>
#include <fs/fs.h>
#include <kernel/main.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <mm/slab.h>

#include "virtio_private.h"

#define BLK_MAJOR	254		/* what Linux's virtio disks usually get */
#define BLK_MINORS	16
#define MAX_DISKS	26

struct disk {
	struct block_device	bdev;
	struct virtio_device	*dev;
	struct virtqueue	*queue;
	spinlock_t		lock;
	struct waitq		room;
	u32			max_discard;	/* sectors a request; 0: it does not take them */
};

struct blk_request {
	struct list		link;		/* finished ones on their way to done() */
	struct virtio_blk_outhdr head;
	struct block_io		*io;		/* NULL: a flush or discard, which somebody waits for */
	struct virtio_blk_discard_write_zeroes range;
	u8			status;
	bool			done;
	struct virtio_seg	segs[BLOCK_MAX_PAGES + 2];
};

static unsigned nr_disks;
static struct slab_cache *request_cache;

static int status_error(u8 status)
{
	return status == VIRTIO_BLK_S_OK ? 0 : status == VIRTIO_BLK_S_UNSUPP ? -EOPNOTSUPP : -EIO;
}

static void disk_complete(struct disk *d)
{
	struct list finished = LIST_INIT(finished);
	struct blk_request *r;
	struct list *l;
	u32 len;

	spin_lock(&d->lock);
	while ((r = virtqueue_get(d->queue, &len))) {
		if (r->io)
			list_append(&finished, &r->link);
		else
			r->done = true;
	}
	waitq_wake_all(&d->room);
	spin_unlock(&d->lock);
	while ((l = list_first(&finished))) {
		struct block_io *io;

		r = list_entry(l, struct blk_request, link);
		list_remove(l);
		io = r->io;
		io->err = status_error(r->status);
		if (io->err)
			pr_err("%s: %s error, sector %llu\n", d->bdev.name, io->write ? "write" : "read", (unsigned long long)io->sector);
		slab_free(request_cache, r);
		io->done(io);
	}
}

static void disk_callback(struct virtqueue *q)
{
	disk_complete(virtqueue_priv(q));
}

static int disk_send(struct disk *d, struct blk_request *r, unsigned out, unsigned in)
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
		wait_event_timeout(&d->room, virtqueue_free(d->queue) > 2, NSEC_PER_SEC / 100);
	}
}

static struct blk_request *request_new(u32 type, u64 sector)
{
	struct blk_request *r = slab_alloc(request_cache, GFP_NOFS);

	if (!r)
		return NULL;
	r->head = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	r->io = NULL;
	r->status = 0xff;
	r->done = false;
	list_init(&r->link);
	r->segs[0] = virtio_seg_of(&r->head, sizeof(r->head));
	return r;
}

static int disk_submit(struct block_device *b, struct block_io *io)
{
	struct blk_request *r = request_new(io->write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, io->sector);
	u32 left = io->bytes;
	unsigned n = 1;
	int err;

	if (!r)
		return -ENOMEM;
	r->io = io;
	for (unsigned i = 0; i < io->nr && left; i++, n++) {
		u32 len = min(left, (u32)PAGE_SIZE);

		r->segs[n] = (struct virtio_seg){ page_to_phys(io->pages[i]), ALIGN_UP(len, SECTOR_SIZE) };
		left -= len;
	}
	r->segs[n] = virtio_seg_of(&r->status, 1);
	err = disk_send(container_of(b, struct disk, bdev), r, io->write ? n : 1, io->write ? 1 : n);
	if (err)
		slab_free(request_cache, r);
	return err;
}

/* The status goes to segs[out]. Frees r. */
static int send_and_wait(struct disk *d, struct blk_request *r, unsigned out)
{
	int err;

	r->segs[out] = virtio_seg_of(&r->status, 1);
	err = disk_send(d, r, out, 1);
	if (!err) {
		wait_event_io(&d->room, READ_ONCE(r->done) || virtqueue_broken(d->queue));
		if (!r->done)
			return -EIO;		/* a broken device still owns r */
		err = status_error(r->status);
	}
	slab_free(request_cache, r);
	return err;
}

static int disk_flush(struct block_device *b)
{
	struct disk *d = container_of(b, struct disk, bdev);
	struct blk_request *r;

	if (!virtio_has(d->dev, VIRTIO_BLK_F_FLUSH))
		return 0;
	r = request_new(VIRTIO_BLK_T_FLUSH, 0);
	return r ? send_and_wait(d, r, 1) : -ENOMEM;
}

static int disk_discard(struct block_device *b, u64 sector, u64 nr)
{
	struct disk *d = container_of(b, struct disk, bdev);
	int err = d->max_discard ? 0 : -EOPNOTSUPP;

	for (u32 n; nr && !err; nr -= n, sector += n) {
		struct blk_request *r = request_new(VIRTIO_BLK_T_DISCARD, 0);

		if (!r)
			return -ENOMEM;
		n = (u32)min(nr, (u64)d->max_discard);
		r->range = (struct virtio_blk_discard_write_zeroes){ .sector = sector, .num_sectors = n };
		r->segs[1] = virtio_seg_of(&r->range, sizeof(r->range));
		err = send_and_wait(d, r, 2);
	}
	return err;
}

static const struct block_ops disk_ops = { .submit = disk_submit, .flush = disk_flush, .discard = disk_discard };

static void read_capacity(struct disk *d)
{
	u32 half[2];

	d->dev->transport->config_read(d->dev, 0, &half[0], 4);
	d->dev->transport->config_read(d->dev, 4, &half[1], 4);
	d->bdev.sectors = half[0] | (u64)half[1] << 32;
}

static int blk_probe(struct virtio_device *dev)
{
	struct disk *d;
	int err;

	if (nr_disks == MAX_DISKS)
		return -ENOSPC;
	d = kzalloc(sizeof(*d), GFP_KERNEL | GFP_NOACCOUNT);
	if (!d)
		return -ENOMEM;
	if (!request_cache)
		request_cache = slab_cache_create("blk_request", sizeof(struct blk_request), 16, SLAB_PANIC, NULL);
	d->dev = dev;
	dev->priv = d;
	spin_lock_init(&d->lock, "virtio-blk", LOCK_FS);
	waitq_init(&d->room);
	read_capacity(d);
	ksnprintf(d->bdev.name, sizeof(d->bdev.name), "vd%c", 'a' + nr_disks);
	d->bdev.rdev = MKDEV(BLK_MAJOR, nr_disks * BLK_MINORS);
	d->bdev.read_only = virtio_has(dev, VIRTIO_BLK_F_RO);
	d->bdev.ops = &disk_ops;
	if (virtio_has(dev, VIRTIO_BLK_F_DISCARD))
		dev->transport->config_read(dev, offsetof(struct virtio_blk_config, max_discard_sectors), &d->max_discard, 4);
	if (d->bdev.sectors > (u64)S64_MAX / SECTOR_SIZE)
		return -EINVAL;
	err = virtqueue_create(dev, 0, 128, disk_callback, d, &d->queue);
	if (err)
		return err;			/* d stays: the device may know its ring */
	nr_disks++;
	virtio_driver_ok(dev);
	pr_info("%s: disk %s, %llu sectors%s\n", dev->name, d->bdev.name, (unsigned long long)d->bdev.sectors,
		d->bdev.read_only ? ", read-only" : "");
	return block_register(&d->bdev);
}

static struct virtio_driver blk_driver = {
	.name = "virtio-blk",
	.id = VIRTIO_ID_BLOCK,
	.features = BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_RO) | BIT(VIRTIO_BLK_F_SEG_MAX) |
		    BIT(VIRTIO_BLK_F_DISCARD),
	.probe = blk_probe,
};

static int blk_init(void)
{
	virtio_driver_register(&blk_driver);
	return 0;
}
initcall(blk_init, 2);
