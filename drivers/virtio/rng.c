/*
 * rng.c - entropy from the host, mixed into the kernel's generator once at boot.
 */
#include <abi/errno.h>
#include <drivers/virtio.h>
#include <kernel/main.h>
#include <kernel/random.h>
#include <kernel/sched.h>
#include <kernel/time.h>
#include <mm/slab.h>

#include "virtio_private.h"

static int rng_probe(struct virtio_device *d)
{
	struct virtqueue *q;
	struct virtio_seg s;
	ktime_t end;
	u8 *buf;
	u32 len;
	int err = virtqueue_create(d, 0, 2, NULL, NULL, &q);

	if (err)
		return err;
	buf = kmalloc(64, GFP_KERNEL | GFP_NOACCOUNT);
	if (!buf)
		return -ENOMEM;
	s = virtio_seg_of(buf, 64);
	virtio_driver_ok(d);
	err = virtqueue_add(q, &s, 0, 1, buf);
	virtqueue_callback_off(q);
	virtqueue_kick(q);
	end = ktime_get() + 20 * NSEC_PER_MSEC;
	while (!virtqueue_has_used(q) && ktime_get() < end)
		cond_resched();
	if (!err && virtqueue_get(q, &len))
		random_add(buf, 64);
	return 0;		/* buf stays: a late answer may still land in it */
}

static struct virtio_driver rng_driver = { .name = "virtio-rng", .id = VIRTIO_ID_RNG, .probe = rng_probe };

static int rng_init(void)
{
	virtio_driver_register(&rng_driver);
	return 0;
}
initcall(rng_init, 2);
