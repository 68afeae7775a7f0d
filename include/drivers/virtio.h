/*
 * virtio.h - virtio devices, their queues, and the drivers that claim them. Virtio 1.x only ("modern"), split rings.
 *
 * A transport (mmio, PCI) finds a device and calls virtio_device_add(); the core negotiates features and hands it to the
 * driver of its id. Queue functions are called under the driver's own lock; callbacks come from deferred interrupts, with
 * no lock held. Everything a device writes is checked: a wrong index or length marks the queue broken, and then each
 * virtqueue_add() fails with -EIO.
 */
#ifndef DRIVERS_VIRTIO_H
#define DRIVERS_VIRTIO_H

#include <kernel/lock.h>
#include <lib/types.h>
#include <mm/gfp.h>

struct virtio_device;
struct virtqueue;

struct virtio_transport {
	u8	(*get_status)(struct virtio_device *d);
	void	(*set_status)(struct virtio_device *d, u8 status);	/* 0: reset */
	u64	(*get_features)(struct virtio_device *d);
	void	(*set_features)(struct virtio_device *d, u64 features);
	void	(*config_read)(struct virtio_device *d, unsigned offset, void *buf, unsigned len);
	void	(*config_write)(struct virtio_device *d, unsigned offset, const void *buf, unsigned len);
	/* Largest size of queue `index`, 0 when there is none. */
	unsigned (*queue_max)(struct virtio_device *d, unsigned index);
	int	(*queue_enable)(struct virtio_device *d, struct virtqueue *q, paddr_t desc, paddr_t avail, paddr_t used);
	void	(*notify)(struct virtqueue *q);
};

struct virtio_driver {
	const char	*name;
	u32		id;			/* VIRTIO_ID_* */
	u64		features;		/* those it can use */
	int		(*probe)(struct virtio_device *d);	/* 0: claimed */
	void		(*config_changed)(struct virtio_device *d);
	struct list	link;
};

#define VIRTIO_MAX_QUEUES 40

struct virtio_device {
	u32			id;
	u64			features;	/* negotiated */
	const struct virtio_transport *transport;
	const struct virtio_driver *driver;
	struct virtqueue	*queues[VIRTIO_MAX_QUEUES];
	unsigned		nr_queues;
	void			*priv;		/* driver's */
	char			name[16];	/* "virtio0" */
	bool			config_pending;	/* set by the hard handler */
	char			*ring_page;	/* small rings share pages */
	unsigned		ring_used;
	struct list		link;
};

/* One physically contiguous piece of a buffer. */
struct virtio_seg {
	paddr_t	addr;
	u32	len;
};

void virtio_driver_register(struct virtio_driver *drv);
int virtio_device_add(struct virtio_device *d) must_check;	/* by transports: id and transport set */
void virtio_driver_ok(struct virtio_device *d);			/* by probe, before it first notifies */
/* By transports, from their deferred interrupt: run the callbacks of queues with used buffers, and config_changed. */
void virtio_deferred(struct virtio_device *d);
static inline bool virtio_has(const struct virtio_device *d, unsigned bit)
{
	return d->features >> bit & 1;
}

/* Make queue `index` with at most `size` entries. callback may be NULL. 0, -ENOENT, -ENOMEM. */
int virtqueue_create(struct virtio_device *d, unsigned index, unsigned size, void (*callback)(struct virtqueue *),
		     void *priv, struct virtqueue **out) must_check;
/*
 * Offer a buffer: out segments (device reads), then in segments (device writes). token comes back by virtqueue_get().
 * 0, -ENOSPC (ring full for now), -EIO (broken). Never sleeps.
 */
int virtqueue_add(struct virtqueue *q, const struct virtio_seg *segs, unsigned nr_out, unsigned nr_in, void *token) must_check;
void virtqueue_kick(struct virtqueue *q);		/* tell the device, when it wants to be told */
void *virtqueue_get(struct virtqueue *q, u32 *len);	/* a finished buffer's token and the bytes written; NULL: none */
bool virtqueue_has_used(const struct virtqueue *q);	/* without a lock: a hint */
void virtqueue_callback_off(struct virtqueue *q);
bool virtqueue_callback_on(struct virtqueue *q);	/* true when used buffers are waiting already */
bool virtqueue_broken(const struct virtqueue *q);
unsigned virtqueue_size(const struct virtqueue *q);
unsigned virtqueue_free(const struct virtqueue *q);	/* free descriptors */
unsigned virtqueue_index(const struct virtqueue *q);
void *virtqueue_priv(const struct virtqueue *q);
struct virtio_device *virtqueue_device(const struct virtqueue *q);
/* Segments of a kernel buffer in the direct map (kmalloc, slab, pages). */
struct virtio_seg virtio_seg_of(const void *p, u32 len);
/* A vmalloc or direct-map buffer of any size as segments; returns how many, at most max (0: did not fit). */
unsigned virtio_segs_of(const void *p, size_t len, struct virtio_seg *segs, unsigned max);

#endif
