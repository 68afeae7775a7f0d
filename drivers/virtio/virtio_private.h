/* virtio_private.h - between the ring and the core. */
#ifndef VIRTIO_PRIVATE_H
#define VIRTIO_PRIVATE_H

struct virtqueue;

void virtqueue_run_callback(struct virtqueue *q);

#endif
