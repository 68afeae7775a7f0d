/*
 * ring.c - split virtqueues.
 *
 * WHY         one structure moves every byte between the guest and QEMU; its cost is paid on every request.
 * SHAPE       descriptor table + avail ring (ours to write) + used ring (the device's). Small rings share a page.
 *             A buffer of more than INDIRECT_FROM segments goes into an indirect table, so that the ring holds one
 *             descriptor a request and 512 KiB of scattered page-cache pages still fit.
 * LIFE        add: take free descriptors, publish in avail. get: the device put the head into used; chain freed.
 * INVARIANTS  V1 nr_free + descriptors in chains == size.  V2 tokens[head] is set exactly while a head is in flight.
 *             The device can write the used ring only; ids and lengths found there are checked against V2, and the
 *             chain is freed by our own copy of its links, never by what stands in shared memory.
 * LOCKS       the driver's. virtqueue_has_used() may run without.
 * NOT CHOSEN  packed rings, event indexes: no gain for QEMU under emulation.
 */
#include <abi/errno.h>
#include <drivers/virtio.h>
#include <arch/cpu.h>
#include <kernel/boot_info.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>

#include "virtio_private.h"

#define INDIRECT_FROM	4

struct desc_state {
	void		*token;		/* of a head in flight */
	struct vring_desc *indirect;	/* its table, or NULL */
	u16		next;		/* chain and free list: our copy */
	u16		nr;		/* descriptors of the chain that starts here */
};

struct virtqueue {
	struct virtio_device	*dev;
	unsigned		index, size;
	struct vring_desc	*desc;
	struct vring_avail	*avail;
	volatile struct vring_used *used;
	u16			avail_idx, last_used, last_kick;
	u16			free_head;
	unsigned		nr_free;
	bool			broken;
	bool			answers;	/* the last buffer has something for the device to read: it comes back soon */
	void			(*callback)(struct virtqueue *q);
	void			*priv;
	struct desc_state	state[];
};

static void queue_break(struct virtqueue *q, const char *why)
{
	if (!q->broken)
		pr_err("virtio: %s queue %u broken: %s\n", q->dev->name, q->index, why);
	q->broken = true;
}

/* Memory the device reads and writes: carved from pages of ACCT_DEVICE, cleared, never given back. */
static void *ring_memory(struct virtio_device *d, size_t bytes)
{
	struct page *p;
	void *mem;

	bytes = ALIGN_UP(bytes, 16);
	assert(bytes <= PAGE_SIZE);
	if (!d->ring_page || d->ring_used + bytes > PAGE_SIZE) {
		p = page_alloc(GFP_KERNEL | GFP_ZERO | GFP_NOACCOUNT, 0, ACCT_DEVICE);
		if (!p)
			return NULL;
		d->ring_page = page_address(p);
		d->ring_used = 0;
	}
	mem = d->ring_page + d->ring_used;
	d->ring_used += bytes;
	return mem;
}

static unsigned round_down_pow2(unsigned n)
{
	while (n & (n - 1))
		n &= n - 1;
	return n;
}

static void free_list_init(struct virtqueue *q)
{
	for (unsigned i = 0; i < q->size; i++)
		q->state[i].next = i + 1;
	q->free_head = 0;
	q->nr_free = q->size;
}

int virtqueue_create(struct virtio_device *d, unsigned index, unsigned size, void (*callback)(struct virtqueue *),
		     void *priv, struct virtqueue **out)
{
	unsigned most = d->transport->queue_max(d, index);
	size_t avail_at, used_at;
	struct virtqueue *q;
	char *mem;
	int err;

	if (!most || index >= VIRTIO_MAX_QUEUES)
		return -ENOENT;
	size = round_down_pow2(min(min(size, most), 128u));
	q = kzalloc(sizeof(*q) + size * sizeof(q->state[0]), GFP_KERNEL | GFP_NOACCOUNT);
	if (!q)
		return -ENOMEM;
	avail_at = size * sizeof(struct vring_desc);
	used_at = ALIGN_UP(avail_at + sizeof(u16) * (3 + size), 4);
	mem = ring_memory(d, used_at + 3 * sizeof(u16) + size * sizeof(struct vring_used_elem));
	if (!mem) {
		kfree(q);
		return -ENOMEM;
	}
	q->dev = d;
	q->index = index;
	q->size = size;
	q->callback = callback;
	q->priv = priv;
	q->desc = (void *)mem;
	q->avail = (void *)(mem + avail_at);
	q->used = (void *)(mem + used_at);
	free_list_init(q);
	err = d->transport->queue_enable(d, q, virt_to_phys(mem), virt_to_phys(mem + avail_at), virt_to_phys(mem + used_at));
	if (err) {
		kfree(q);
		return err;
	}
	d->queues[index] = q;
	d->nr_queues = max(d->nr_queues, index + 1);
	*out = q;
	return 0;
}

static void desc_fill(struct vring_desc *d, const struct virtio_seg *s, u16 flags, u16 next)
{
	d->addr = s->addr;
	d->len = s->len;
	d->flags = flags;
	d->next = next;
}

static struct vring_desc *indirect_table(const struct virtio_seg *segs, unsigned nr_out, unsigned nr)
{
	struct vring_desc *t = kmalloc(nr * sizeof(*t), GFP_ATOMIC | GFP_NOWARN | GFP_NOACCOUNT);

	for (unsigned i = 0; t && i < nr; i++)
		desc_fill(&t[i], &segs[i], (i >= nr_out ? VRING_DESC_F_WRITE : 0) | (i + 1 < nr ? VRING_DESC_F_NEXT : 0), i + 1);
	return t;
}

static void chain_fill(struct virtqueue *q, const struct virtio_seg *segs, unsigned nr_out, unsigned nr)
{
	unsigned d = q->free_head;

	for (unsigned i = 0; i < nr; i++) {
		desc_fill(&q->desc[d], &segs[i],
			  (i >= nr_out ? VRING_DESC_F_WRITE : 0) | (i + 1 < nr ? VRING_DESC_F_NEXT : 0), q->state[d].next);
		d = q->state[d].next;
	}
}

int virtqueue_add(struct virtqueue *q, const struct virtio_seg *segs, unsigned nr_out, unsigned nr_in, void *token)
{
	unsigned nr = nr_out + nr_in, used = nr, head = q->free_head;
	struct vring_desc *indirect = NULL;

	assert(nr && token);
	if (q->broken)
		return -EIO;
	if (nr >= INDIRECT_FROM && q->nr_free && virtio_has(q->dev, VIRTIO_RING_F_INDIRECT_DESC)) {
		indirect = indirect_table(segs, nr_out, nr);
		if (indirect)
			used = 1;
	}
	if (used > q->nr_free)
		return used > q->size ? -EINVAL : -ENOSPC;
	if (indirect) {
		struct virtio_seg s = virtio_seg_of(indirect, nr * sizeof(*indirect));

		desc_fill(&q->desc[head], &s, VRING_DESC_F_INDIRECT, 0);
	} else {
		chain_fill(q, segs, nr_out, nr);
	}
	q->state[head].token = token;
	q->state[head].indirect = indirect;
	q->state[head].nr = used;
	for (unsigned i = 0; i < used; i++)
		q->free_head = q->state[q->free_head].next;
	q->nr_free -= used;
	q->answers = nr_out > 0;
	q->avail->ring[q->avail_idx & (q->size - 1)] = head;
	smp_wmb();			/* the entry before the index */
	WRITE_ONCE(q->avail->idx, ++q->avail_idx);
	return 0;
}

/*
 * With quire.deterministic: wait here until the device has done it all, asleep and with the timer off, so that under -icount neither an
 * instruction nor a nanosecond of guest time depends on how long the host took. The interrupt comes at the hlt and nowhere else.
 */
static void notify_and_wait(struct virtqueue *q)
{
	u16 flags = q->avail->flags;

	WRITE_ONCE(q->avail->flags, 0);
	sched_timer_pause();
	irq_disable();
	q->dev->transport->notify(q);
	do {
		cpu_idle_wait();
		irq_disable();
	} while (READ_ONCE(q->used->idx) != q->avail_idx);
	irq_enable();
	sched_timer_resume();
	WRITE_ONCE(q->avail->flags, flags);
}

static bool deterministic(void)
{
	static s8 known = -1;

	if (known < 0)
		known = cmdline_has("quire.deterministic");
	return known;
}

void virtqueue_kick(struct virtqueue *q)
{
	smp_mb();			/* our index before their flag */
	if (q->last_kick == q->avail_idx || q->broken)
		return;
	q->last_kick = q->avail_idx;
	if (q->answers && unlikely(deterministic()))
		notify_and_wait(q);
	else if (!(q->used->flags & VRING_USED_F_NO_NOTIFY))
		q->dev->transport->notify(q);
}

bool virtqueue_has_used(const struct virtqueue *q)
{
	return q->used->idx != READ_ONCE(q->last_used);
}

static void chain_free(struct virtqueue *q, unsigned head)
{
	unsigned last = head;

	for (unsigned i = 1; i < q->state[head].nr; i++)
		last = q->state[last].next;
	q->nr_free += q->state[head].nr;
	q->state[last].next = q->free_head;
	q->free_head = head;
	kfree(q->state[head].indirect);
	q->state[head].indirect = NULL;
	q->state[head].token = NULL;
}

void *virtqueue_get(struct virtqueue *q, u32 *len)
{
	volatile struct vring_used_elem *e;
	void *token;
	u32 id;

	if (q->broken || !virtqueue_has_used(q))
		return NULL;
	smp_rmb();			/* their index before the entry */
	e = &q->used->ring[q->last_used & (q->size - 1)];
	id = e->id;
	*len = e->len;
	if (id >= q->size || !q->state[id].token) {
		queue_break(q, "the device returned a buffer it does not have");
		return NULL;
	}
	token = q->state[id].token;
	chain_free(q, id);
	WRITE_ONCE(q->last_used, (u16)(q->last_used + 1));
	return token;
}

void virtqueue_callback_off(struct virtqueue *q)
{
	WRITE_ONCE(q->avail->flags, VRING_AVAIL_F_NO_INTERRUPT);
}

bool virtqueue_callback_on(struct virtqueue *q)
{
	WRITE_ONCE(q->avail->flags, 0);
	smp_mb();			/* our flag before their index */
	return virtqueue_has_used(q);
}

void virtqueue_run_callback(struct virtqueue *q)
{
	if (q->callback && virtqueue_has_used(q))
		q->callback(q);
}

bool virtqueue_broken(const struct virtqueue *q)
{
	return q->broken;
}

unsigned virtqueue_size(const struct virtqueue *q)
{
	return q->size;
}

unsigned virtqueue_free(const struct virtqueue *q)
{
	return q->nr_free;
}

unsigned virtqueue_index(const struct virtqueue *q)
{
	return q->index;
}

void *virtqueue_priv(const struct virtqueue *q)
{
	return q->priv;
}

struct virtio_device *virtqueue_device(const struct virtqueue *q)
{
	return q->dev;
}

struct virtio_seg virtio_seg_of(const void *p, u32 len)
{
	return (struct virtio_seg){ .addr = virt_to_phys(p), .len = len };
}

unsigned virtio_segs_of(const void *p, size_t len, struct virtio_seg *segs, unsigned max)
{
	const char *at = p;
	unsigned nr = 0;

	while (len) {
		size_t here = min(len, PAGE_SIZE - ((vaddr_t)at & ~PAGE_MASK));
		paddr_t pa = is_vmalloc_addr(at) ? page_to_phys(vmalloc_to_page(at)) + ((vaddr_t)at & ~PAGE_MASK)
						 : virt_to_phys(at);

		if (nr && segs[nr - 1].addr + segs[nr - 1].len == pa) {
			segs[nr - 1].len += here;
		} else {
			if (nr == max)
				return 0;
			segs[nr++] = (struct virtio_seg){ .addr = pa, .len = here };
		}
		at += here;
		len -= here;
	}
	return nr;
}
