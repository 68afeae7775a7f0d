/*
 * virtio_9p.h - a pipe for 9P messages: one request goes out, its reply comes back. Knows nothing of their contents.
 */
#ifndef DRIVERS_VIRTIO_9P_H
#define DRIVERS_VIRTIO_9P_H

#include <drivers/virtio.h>
#include <kernel/task.h>

struct virtio_9p;

struct virtio_9p_request {
	const struct virtio_seg	*segs;		/* out, then in; kept until done */
	unsigned		nr_out, nr_in;
	u32			reply_len;	/* bytes the device says it wrote */
	bool			done;
	int			err;		/* -EIO when the device broke */
	struct task		*waiter;
	/* For requests nobody waits for: called when reaped, under the channel's lock (no sleeping). */
	void			(*complete)(struct virtio_9p_request *r);
};

/* The channel with this mount tag, for one client at a time. 0, -ENOENT, -EBUSY. */
int virtio_9p_open(const char *tag, struct virtio_9p **out) must_check;
void virtio_9p_close(struct virtio_9p *ch);
/* Hand a request to the device; sleeps while the ring is full. 0, -EIO. */
int virtio_9p_submit(struct virtio_9p *ch, struct virtio_9p_request *r) must_check;
/* Sleep until it is done (not interruptible: the buffers belong to the device until then). r->err. */
int virtio_9p_wait(struct virtio_9p *ch, struct virtio_9p_request *r);
void virtio_9p_reap(struct virtio_9p *ch);		/* take in replies that are there */
bool virtio_9p_broken(const struct virtio_9p *ch);
unsigned virtio_9p_max_segs(const struct virtio_9p *ch);

struct virtio_9p_stats {
	u64 requests, polled, slept, bytes_out, bytes_in;
};
void virtio_9p_stats(const struct virtio_9p *ch, struct virtio_9p_stats *out);

#endif
