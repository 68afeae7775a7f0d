/*
 * console.c - virtio serial ports: /dev/vportNpM, byte streams between a program here and one on the host.
 *
 * SHAPE       one device, up to MAX_PORTS ports with a receive and a transmit queue each, and a pair of control queues on
 *             which the two sides tell each other which ports exist, what they are called, and which ends are open.
 * RECEIVE     a port that was opened once keeps RX_BUFFERS pages with the device. Full ones queue up in arrival order;
 *             read(2) empties the first and hands it back. A host that sends faster than the reader reads is stopped by
 *             the empty ring.
 * TRANSMIT    write(2) copies into pages, TX_MAX at most in flight; they come back when the host took them.
 *             close(2) waits for them, so that nothing is lost when the machine goes down next.
 * END         read gives 0 once the host closed its end and all that came before was read; before the host ever opened it,
 *             read waits. write gives EPIPE after the host closed.
 * LEDGER      the port of that name carries the ledger's stream: its transmit queue belongs to mm/ledger/stream.c, is used
 *             under that lock alone, and raises no interrupts.
 * LOCKS       port->lock (LOCK_FS) guards both queues and the buffer list; con->lock the control queues.
 */
#include <abi/errno.h>
#include <abi/fs.h>
#include <asm/poll.h>
#include <drivers/virtio.h>
#include <fs/fs.h>
#include <fs/procfs.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <kernel/wait.h>
#include <kernel/workqueue.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/ledger_stream.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>

#include "virtio_private.h"

#define MAX_PORTS	8
#define RING		16
#define RX_BUFFERS	4
#define TX_MAX		8
#define PORT_MAJOR	242
#define CTRL_BUFFER	64

struct rx_buffer {
	struct list	link;
	struct page	*page;
	u32		len, at;
};

struct port {
	struct console_dev	*con;
	unsigned		id;
	bool			exists, host_open, host_was_open, primed;
	bool			is_ledger;
	unsigned		openers;
	struct virtqueue	*rx, *tx;
	spinlock_t		lock;
	struct list		filled;		/* rx_buffers with data */
	unsigned		tx_inflight;
	struct waitq		wait;
	char			dev_name[24];
	char			name[40];
	struct proc_file	name_file;
	char			sysfs_path[64];
};

struct console_dev {
	struct virtio_device	*dev;
	unsigned		index;
	spinlock_t		lock;
	struct virtqueue	*ctrl_rx, *ctrl_tx;
	struct work		ctrl_work;
	struct port		ports[MAX_PORTS];
};

static unsigned nr_consoles;
static void ledger_port(struct port *p);

/* ---- control messages ---- */

static void control_send(struct console_dev *con, u32 id, u16 event, u16 value)
{
	struct virtio_console_control *m = kmalloc(sizeof(*m), GFP_ATOMIC | GFP_NOACCOUNT);
	struct virtio_seg s;
	void *old;
	u32 len;

	if (!m)
		return;			/* the host misses a hint; data still flows */
	*m = (struct virtio_console_control){ .id = id, .event = event, .value = value };
	s = virtio_seg_of(m, sizeof(*m));
	spin_lock(&con->lock);
	while ((old = virtqueue_get(con->ctrl_tx, &len)))
		kfree(old);
	if (virtqueue_add(con->ctrl_tx, &s, 1, 0, m)) {
		kfree(m);
		m = NULL;
	}
	virtqueue_kick(con->ctrl_tx);
	while ((old = virtqueue_get(con->ctrl_tx, &len)))	/* QEMU takes it at once */
		kfree(old);
	spin_unlock(&con->lock);
}

static int control_post(struct console_dev *con, void *buf)
{
	struct virtio_seg s = virtio_seg_of(buf, CTRL_BUFFER);

	return virtqueue_add(con->ctrl_rx, &s, 0, 1, buf);
}

static const struct file_ops port_fops;

static int name_show(struct text *out, void *arg)
{
	struct port *p = arg;

	text_printf(out, "%s\n", p->name);
	return 0;
}

static void port_add(struct console_dev *con, u32 id)
{
	struct port *p;
	int err;

	if (id >= MAX_PORTS || !con->ports[id].rx) {
		pr_warn("%s: port %u is one too many\n", con->dev->name, id);
		control_send(con, id, VIRTIO_CONSOLE_PORT_READY, 0);
		return;
	}
	p = &con->ports[id];
	if (p->exists)
		return;
	ksnprintf(p->dev_name, sizeof(p->dev_name), "vport%up%u", con->index, id);
	err = device_register(p->dev_name, S_IFCHR | 0600, PORT_MAJOR, con->index * 32 + id, &port_fops, p);
	if (err) {
		pr_err("%s: %s: error %d\n", con->dev->name, p->dev_name, err);
		return;
	}
	p->exists = true;
	ksnprintf(p->sysfs_path, sizeof(p->sysfs_path), "class/virtio-ports/%s/name", p->dev_name);
	p->name_file = (struct proc_file){ .path = p->sysfs_path, .mode = 0444, .show = name_show, .arg = p };
	sysfs_register(&p->name_file);
	control_send(con, id, VIRTIO_CONSOLE_PORT_READY, 1);
}

static void host_opened(struct port *p, bool open)
{
	spin_lock(&p->lock);
	p->host_open = open;
	p->host_was_open |= open;
	waitq_wake_all(&p->wait);
	spin_unlock(&p->lock);
}

static void control_handle(struct console_dev *con, const struct virtio_console_control *m, u32 len)
{
	struct port *p = m->id < MAX_PORTS ? &con->ports[m->id] : NULL;
	size_t n;

	switch (m->event) {
	case VIRTIO_CONSOLE_PORT_ADD:
		port_add(con, m->id);
		break;
	case VIRTIO_CONSOLE_PORT_OPEN:
		if (p)
			host_opened(p, m->value);
		break;
	case VIRTIO_CONSOLE_PORT_REMOVE:
		if (p)
			host_opened(p, false);
		break;
	case VIRTIO_CONSOLE_PORT_NAME:
		n = min((size_t)len - sizeof(*m), sizeof(p->name) - 1);
		if (p) {
			memcpy(p->name, m + 1, n);
			p->name[n] = 0;
			if (!strcmp(p->name, "quire.ledger"))
				ledger_port(p);
		}
		break;
	case VIRTIO_CONSOLE_CONSOLE_PORT:
		if (p)			/* we treat it like any other; the guest has no tty on it */
			control_send(con, m->id, VIRTIO_CONSOLE_PORT_OPEN, 1);
		break;
	}
}

/* In a context that may sleep. True when there was something. */
static bool control_run(struct console_dev *con)
{
	bool any = false;

	for (;;) {
		char copy[CTRL_BUFFER];
		void *buf;
		u32 len;

		spin_lock(&con->lock);
		buf = virtqueue_get(con->ctrl_rx, &len);
		if (!buf)
			break;
		memcpy(copy, buf, CTRL_BUFFER);
		if (control_post(con, buf))
			kfree(buf);
		virtqueue_kick(con->ctrl_rx);
		spin_unlock(&con->lock);
		len = min(len, (u32)CTRL_BUFFER);
		if (len >= sizeof(struct virtio_console_control))
			control_handle(con, (const void *)copy, len);
		any = true;
	}
	spin_unlock(&con->lock);
	return any;
}

static void control_work(struct work *w)
{
	control_run(container_of(w, struct console_dev, ctrl_work));
}

static void control_callback(struct virtqueue *q)
{
	struct console_dev *con = virtqueue_priv(q);

	work_queue(&con->ctrl_work);
}

/* ---- receive ---- */

static int rx_post(struct port *p, struct rx_buffer *b)
{
	struct virtio_seg s = { .addr = page_to_phys(b->page), .len = PAGE_SIZE };

	return virtqueue_add(p->rx, &s, 0, 1, b);
}

static void rx_free(struct rx_buffer *b)
{
	page_put(b->page);
	kfree(b);
}

/* First open: give the device its buffers. They stay. */
static int rx_prime(struct port *p)
{
	unsigned got = 0;

	for (; got < RX_BUFFERS; got++) {
		struct rx_buffer *b = kzalloc(sizeof(*b), GFP_KERNEL | GFP_NOACCOUNT);
		int err;

		if (!b)
			break;
		b->page = page_alloc(GFP_KERNEL | GFP_NOACCOUNT, 0, ACCT_DEVICE);
		if (!b->page) {
			kfree(b);
			break;
		}
		list_init(&b->link);
		spin_lock(&p->lock);
		err = rx_post(p, b);
		spin_unlock(&p->lock);
		if (err) {
			rx_free(b);
			break;
		}
	}
	if (!got)
		return -ENOMEM;
	spin_lock(&p->lock);
	virtqueue_kick(p->rx);
	spin_unlock(&p->lock);
	return 0;
}

/* Queue up what arrived. port->lock held. */
static void rx_reap(struct port *p)
{
	struct rx_buffer *b;
	u32 len;

	while ((b = virtqueue_get(p->rx, &len))) {
		b->len = min(len, (u32)PAGE_SIZE);
		b->at = 0;
		list_append(&p->filled, &b->link);
	}
}

static void rx_callback(struct virtqueue *q)
{
	struct port *p = virtqueue_priv(q);

	spin_lock(&p->lock);
	rx_reap(p);
	waitq_wake_all(&p->wait);
	spin_unlock(&p->lock);
}

/* The first buffer, taken off the list while it is copied from, so that copying may fault. */
static struct rx_buffer *rx_take(struct port *p)
{
	struct rx_buffer *b;

	spin_lock(&p->lock);
	rx_reap(p);
	b = list_first_entry(&p->filled, struct rx_buffer, link);
	if (b)
		list_remove(&b->link);
	spin_unlock(&p->lock);
	return b;
}

static void rx_return(struct port *p, struct rx_buffer *b)
{
	int err = 0;

	spin_lock(&p->lock);
	if (b->at < b->len) {
		list_push(&p->filled, &b->link);
	} else {
		err = rx_post(p, b);
		virtqueue_kick(p->rx);
	}
	spin_unlock(&p->lock);
	if (err)
		rx_free(b);
}

static bool rx_ready(struct port *p)
{
	return !list_empty(&p->filled) || virtqueue_has_used(p->rx) || (p->host_was_open && !p->host_open) ||
	       virtqueue_broken(p->rx);
}

static ssize_t port_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	struct port *p = f->priv;
	struct rx_buffer *b;
	size_t n, done;
	int err;

	if (!to->left)
		return 0;
	while (!(b = rx_take(p))) {
		if ((p->host_was_open && !p->host_open) || virtqueue_broken(p->rx))
			return 0;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(&p->wait, rx_ready(p));
		if (err)
			return -ERESTARTSYS;
	}
	n = min((size_t)(b->len - b->at), to->left);
	done = io_iter_put(to, (char *)page_address(b->page) + b->at, n);
	b->at += done;
	rx_return(p, b);
	return done || !n ? (ssize_t)done : -EFAULT;
}

/* ---- transmit ---- */

/* port->lock held. */
static void tx_reap(struct port *p)
{
	struct page *page;
	u32 len;

	while ((page = virtqueue_get(p->tx, &len))) {
		page_put(page);
		p->tx_inflight--;
	}
}

static void tx_callback(struct virtqueue *q)
{
	struct port *p = virtqueue_priv(q);

	if (p->is_ledger)
		return;
	spin_lock(&p->lock);
	tx_reap(p);
	waitq_wake_all(&p->wait);
	spin_unlock(&p->lock);
}

static bool tx_room(struct port *p)
{
	bool room;

	spin_lock(&p->lock);
	tx_reap(p);
	room = p->tx_inflight < TX_MAX;
	spin_unlock(&p->lock);
	return room;
}

static bool host_gone(const struct port *p)
{
	return (p->host_was_open && !p->host_open) || virtqueue_broken(p->tx);
}

static int tx_page(struct port *p, struct page *page, u32 len)
{
	struct virtio_seg s = { .addr = page_to_phys(page), .len = len };
	int err;

	spin_lock(&p->lock);
	err = virtqueue_add(p->tx, &s, 1, 0, page);
	if (!err)
		p->tx_inflight++;
	if (p->tx_inflight >= TX_MAX)
		virtqueue_kick(p->tx);
	spin_unlock(&p->lock);
	return err;
}

static void tx_kick(struct port *p)
{
	spin_lock(&p->lock);
	virtqueue_kick(p->tx);
	tx_reap(p);
	spin_unlock(&p->lock);
}

/* One page's worth. Bytes, or what stopped it. */
static ssize_t tx_piece(struct port *p, struct file *f, struct io_iter *from)
{
	struct page *page;
	size_t n;
	int err;

	if (host_gone(p))
		return -EPIPE;
	if (!tx_room(p)) {
		tx_kick(p);
		if (!tx_room(p)) {
			if (f->flags & O_NONBLOCK)
				return -EAGAIN;
			err = wait_event_interruptible(&p->wait, tx_room(p) || host_gone(p));
			return err ? -ERESTARTSYS : 0;
		}
	}
	page = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
	if (!page)
		return -ENOMEM;
	n = io_iter_get(page_address(page), from, min(from->left, PAGE_SIZE));
	err = n ? tx_page(p, page, n) : -EFAULT;
	if (err) {
		page_put(page);
		if (n)
			io_iter_revert(from, n);
		return err == -ENOSPC ? 0 : err;
	}
	return n;
}

static ssize_t port_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	struct port *p = f->priv;
	ssize_t done = 0, n = 0;

	while (from->left) {
		n = tx_piece(p, f, from);
		if (n < 0)
			break;
		done += n;
	}
	tx_kick(p);
	if (n == -EPIPE && !done)
		signal_send_current(SIGPIPE);
	return done ? done : n;
}

static bool tx_drained(struct port *p)
{
	spin_lock(&p->lock);
	tx_reap(p);
	spin_unlock(&p->lock);
	return !p->tx_inflight || host_gone(p);
}

/* ---- the ledger's port ---- */

static void ledger_open(struct ledger_sink *s)
{
	struct port *p = s->priv;

	control_send(p->con, p->id, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

static bool ledger_submit(struct ledger_sink *s, void *mem, u32 len)
{
	struct port *p = s->priv;
	struct virtio_seg seg = virtio_seg_of(mem, len);

	if (virtqueue_add(p->tx, &seg, 1, 0, mem))
		return false;
	virtqueue_kick(p->tx);
	return true;
}

static void *ledger_reap(struct ledger_sink *s)
{
	struct port *p = s->priv;
	u32 len;

	return virtqueue_get(p->tx, &len);
}

static bool ledger_gone(struct ledger_sink *s)
{
	return host_gone(s->priv);
}

static void ledger_port(struct port *p)
{
	static struct ledger_sink sink = { ledger_open, ledger_submit, ledger_reap, ledger_gone };

	if (sink.priv)
		return;
	sink.priv = p;
	p->is_ledger = true;
	virtqueue_callback_off(p->tx);
	ledger_stream_attach(&sink);
}

/* ---- files ---- */

static int port_open(struct inode *i, struct file *f)
{
	struct port *p = f->priv;
	int err = 0;

	if (!p)
		return -ENXIO;
	if (p->is_ledger)
		return -EBUSY;
	if (!xchg(&p->primed, true)) {
		err = rx_prime(p);
		if (err) {
			p->primed = false;
			return err;
		}
	}
	spin_lock(&p->lock);
	p->openers++;
	spin_unlock(&p->lock);
	if (p->openers == 1)
		control_send(p->con, p->id, VIRTIO_CONSOLE_PORT_OPEN, 1);
	f->mode |= FMODE_STREAM;
	return 0;
}

static void port_release(struct file *f)
{
	struct port *p = f->priv;
	bool last;

	tx_kick(p);
	wait_event_timeout(&p->wait, tx_drained(p), 5 * NSEC_PER_SEC);
	spin_lock(&p->lock);
	last = --p->openers == 0;
	spin_unlock(&p->lock);
	if (last)
		control_send(p->con, p->id, VIRTIO_CONSOLE_PORT_OPEN, 0);
}

static u32 port_poll(struct file *f, struct poll_table *pt)
{
	struct port *p = f->priv;
	u32 events = 0;

	poll_wait(f, &p->wait, pt);
	if (rx_ready(p))
		events |= POLLIN | POLLRDNORM;
	if (host_gone(p))
		events |= POLLHUP;
	else if (tx_room(p))
		events |= POLLOUT | POLLWRNORM;
	return events;
}

static int port_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	struct port *p = f->priv;

	tx_kick(p);
	return wait_event_killable(&p->wait, tx_drained(p));
}

static const struct file_ops port_fops = {
	.open = port_open, .release = port_release, .read = port_read, .write = port_write,
	.poll = port_poll, .fsync = port_fsync,
};

/* ---- the device ---- */

static int port_queues(struct console_dev *con, unsigned id)
{
	unsigned base = id ? 2 + 2 * id : 0;
	struct port *p = &con->ports[id];
	int err;

	p->con = con;
	p->id = id;
	spin_lock_init(&p->lock, "vport", LOCK_FS);
	list_init(&p->filled);
	waitq_init(&p->wait);
	err = virtqueue_create(con->dev, base, RING, rx_callback, p, &p->rx);
	return err ? err : virtqueue_create(con->dev, base + 1, RING, tx_callback, p, &p->tx);
}

static int control_start(struct console_dev *con)
{
	for (unsigned n = 0; n < RING; n++) {
		void *buf = kzalloc(CTRL_BUFFER, GFP_KERNEL | GFP_NOACCOUNT);

		if (!buf)
			return -ENOMEM;
		if (control_post(con, buf)) {
			kfree(buf);
			break;
		}
	}
	virtio_driver_ok(con->dev);
	virtqueue_kick(con->ctrl_rx);
	control_send(con, 0xffffffffu, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (unsigned quiet = 0; quiet < 3; quiet++)	/* QEMU answers within the notification */
		if (control_run(con))
			quiet = 0;
	return 0;
}

static int console_probe(struct virtio_device *d)
{
	struct console_dev *con;
	u32 nr_ports = 1;
	int err = 0;

	if (!virtio_has(d, VIRTIO_CONSOLE_F_MULTIPORT))
		return -EOPNOTSUPP;
	d->transport->config_read(d, offset_of(struct virtio_console_config, max_nr_ports), &nr_ports, 4);
	con = kzalloc(sizeof(*con), GFP_KERNEL | GFP_NOACCOUNT);
	if (!con)
		return -ENOMEM;
	con->dev = d;
	con->index = nr_consoles++;
	d->priv = con;
	spin_lock_init(&con->lock, "virtio-console", LOCK_FS);
	work_init(&con->ctrl_work, control_work);
	err = virtqueue_create(d, 2, RING, control_callback, con, &con->ctrl_rx);
	if (!err)
		err = virtqueue_create(d, 3, RING, NULL, con, &con->ctrl_tx);
	for (unsigned id = 0; !err && id < min(nr_ports, (u32)MAX_PORTS); id++)
		err = port_queues(con, id);
	if (!err)
		err = control_start(con);
	return err;		/* con stays: the device may know its rings */
}

static struct virtio_driver console_driver = {
	.name = "virtio-console",
	.id = VIRTIO_ID_CONSOLE,
	.features = BIT(VIRTIO_CONSOLE_F_MULTIPORT) | BIT(VIRTIO_CONSOLE_F_SIZE),
	.probe = console_probe,
};

static int console_init(void)
{
	virtio_driver_register(&console_driver);
	return 0;
}
initcall(console_init, 2);
