/*
 * p9.c - the virtio device that carries 9P: one queue, one mount tag.
 *
 * WAITING     A reply takes QEMU some tens of microseconds. A waiter first polls the used ring for poll_ns, with the
 *             queue's interrupt off and as long as nobody else wants the CPU; most replies come in that time, and an
 *             interrupt, its deferred handler and two context switches are saved. Then it turns the interrupt on and
 *             sleeps. Whoever reaps the ring wakes all whose replies are there.
 * LOCKS       ch->lock (LOCK_FS: waiters are woken under it) guards the queue and every request's done.
 */
#include <abi/errno.h>
#include <arch/cpu.h>
#include <drivers/virtio_9p.h>
#include <kernel/boot_info.h>
#include <kernel/main.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <mm/slab.h>

#include "virtio_private.h"

#define TAG_MAX		64
#define QUEUE_SIZE	128

struct virtio_9p {
	struct virtio_device	*dev;
	struct virtqueue	*queue;
	spinlock_t		lock;
	struct waitq		room;		/* those who wait for free descriptors */
	unsigned		sleepers;	/* waiters that need the interrupt */
	bool			in_use;
	struct virtio_9p_stats	stats;
	struct list		link;
	char			tag[TAG_MAX];
};

static struct list channels = LIST_INIT(channels);
static ktime_t poll_ns = 50 * NSEC_PER_USEC;	/* boot option quire.9p_poll, in microseconds */

/* Take finished requests off the ring. ch->lock held. */
static void reap(struct virtio_9p *ch)
{
	struct virtio_9p_request *r;
	u32 len;

	while ((r = virtqueue_get(ch->queue, &len))) {
		struct task *w = r->waiter;

		r->reply_len = len;
		ch->stats.bytes_in += len;
		if (r->complete) {
			r->complete(r);
			continue;
		}
		r->done = true;		/* r may vanish once the lock is dropped, its waiter not before */
		if (w)
			task_wake(w);
	}
	if (waitq_active(&ch->room))
		waitq_wake_all(&ch->room);
}

void virtio_9p_reap(struct virtio_9p *ch)
{
	spin_lock(&ch->lock);
	reap(ch);
	spin_unlock(&ch->lock);
}

static void queue_callback(struct virtqueue *q)
{
	virtio_9p_reap(virtqueue_priv(q));
}

int virtio_9p_submit(struct virtio_9p *ch, struct virtio_9p_request *r)
{
	int err;

	r->done = false;
	r->err = 0;
	r->waiter = NULL;
	for (;;) {
		spin_lock(&ch->lock);
		err = virtqueue_add(ch->queue, r->segs, r->nr_out, r->nr_in, r);
		if (!err)
			break;
		spin_unlock(&ch->lock);
		if (err != -ENOSPC)
			return err;
		wait_event_timeout(&ch->room, virtqueue_free(ch->queue) > 0, NSEC_PER_SEC / 100);
	}
	ch->stats.requests++;
	for (unsigned i = 0; i < r->nr_out; i++)
		ch->stats.bytes_out += r->segs[i].len;
	virtqueue_kick(ch->queue);
	spin_unlock(&ch->lock);
	return 0;
}

/* The polling phase. True when r is done. */
static bool poll_reply(struct virtio_9p *ch, struct virtio_9p_request *r)
{
	ktime_t end = ktime_get() + poll_ns;
	bool done = false;

	while (!done) {
		if (virtqueue_has_used(ch->queue) || READ_ONCE(r->done)) {
			spin_lock(&ch->lock);
			reap(ch);
			done = r->done;
			spin_unlock(&ch->lock);
		} else if (need_resched() || ktime_get() > end) {
			break;
		} else {
			cpu_relax();
		}
	}
	return done;
}

/* Look once more with the interrupt on; true when r is done (or never will be), else the caller sleeps. */
static bool done_or_armed(struct virtio_9p *ch, struct virtio_9p_request *r)
{
	bool done;

	spin_lock(&ch->lock);
	r->waiter = current;
	if (virtqueue_callback_on(ch->queue))
		reap(ch);
	if (virtqueue_broken(ch->queue) && !r->done) {
		r->done = true;
		r->err = -EIO;
	}
	done = r->done;
	spin_unlock(&ch->lock);
	return done;
}

int virtio_9p_wait(struct virtio_9p *ch, struct virtio_9p_request *r)
{
	bool io;

	if (poll_reply(ch, r)) {
		ch->stats.polled++;
		return r->err;
	}
	ch->stats.slept++;
	io = io_wait_begin();
	spin_lock(&ch->lock);
	ch->sleepers++;
	spin_unlock(&ch->lock);
	for (;;) {
		task_set_state(TASK_UNINTERRUPTIBLE);
		if (done_or_armed(ch, r))
			break;
		schedule();
	}
	task_set_state(TASK_RUNNING);
	io_wait_end(io);
	spin_lock(&ch->lock);
	if (--ch->sleepers == 0)
		virtqueue_callback_off(ch->queue);
	spin_unlock(&ch->lock);
	return r->err;
}

bool virtio_9p_broken(const struct virtio_9p *ch)
{
	return virtqueue_broken(ch->queue);
}

unsigned virtio_9p_max_segs(const struct virtio_9p *ch)
{
	/* QEMU maps at most 1024 pieces of one request, headers included. */
	return virtio_has(ch->dev, VIRTIO_RING_F_INDIRECT_DESC) ? 1000 : virtqueue_size(ch->queue) - 4;
}

void virtio_9p_stats(const struct virtio_9p *ch, struct virtio_9p_stats *out)
{
	*out = ch->stats;
}

int virtio_9p_open(const char *tag, struct virtio_9p **out)
{
	struct virtio_9p *ch;

	list_for_each(ch, &channels, link) {
		if (strcmp(ch->tag, tag))
			continue;
		if (xchg(&ch->in_use, true))
			return -EBUSY;
		*out = ch;
		return 0;
	}
	return -ENOENT;
}

void virtio_9p_close(struct virtio_9p *ch)
{
	WRITE_ONCE(ch->in_use, false);
}

static void read_tag(struct virtio_9p *ch)
{
	u16 len;

	ch->dev->transport->config_read(ch->dev, 0, &len, 2);
	for (unsigned i = 0; i < min((unsigned)len, TAG_MAX - 1u); i++)
		ch->dev->transport->config_read(ch->dev, 2 + i, &ch->tag[i], 1);
}

static int p9_probe(struct virtio_device *d)
{
	struct virtio_9p *ch = kzalloc(sizeof(*ch), GFP_KERNEL | GFP_NOACCOUNT);
	int err;

	if (!ch)
		return -ENOMEM;
	ch->dev = d;
	d->priv = ch;
	spin_lock_init(&ch->lock, "virtio-9p", LOCK_FS);
	waitq_init(&ch->room);
	err = virtqueue_create(d, 0, QUEUE_SIZE, queue_callback, ch, &ch->queue);
	if (err) {
		kfree(ch);
		return err;
	}
	if (virtio_has(d, VIRTIO_9P_MOUNT_TAG))
		read_tag(ch);
	virtqueue_callback_off(ch->queue);
	list_append(&channels, &ch->link);
	virtio_driver_ok(d);
	pr_info("%s: 9p, tag \"%s\"\n", d->name, ch->tag);
	return 0;
}

static struct virtio_driver p9_driver = {
	.name = "virtio-9p",
	.id = VIRTIO_ID_9P,
	.features = BIT(VIRTIO_9P_MOUNT_TAG),
	.probe = p9_probe,
};

static int p9_init(void)
{
	poll_ns = (ktime_t)cmdline_get_size("quire.9p_poll", poll_ns / NSEC_PER_USEC) * NSEC_PER_USEC;
	virtio_driver_register(&p9_driver);
	return 0;
}
initcall(p9_init, 2);
