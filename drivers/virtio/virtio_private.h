/* virtio_private.h - shared by the ring, the core and the drivers of this folder. */
#ifndef VIRTIO_PRIVATE_H
#define VIRTIO_PRIVATE_H

/* The exported headers spell an attribute that is a macro of ours. */
#pragma push_macro("packed")
#undef packed
#include <linux/virtio_9p.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#pragma pop_macro("packed")

struct virtqueue;

void virtqueue_run_callback(struct virtqueue *q);

#endif
