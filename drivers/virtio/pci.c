/*
 * pci.c - virtio devices on the PCI bus (QEMU's q35): the modern interface, whose register blocks are found through vendor
 * capabilities, and INTx interrupts.
 *
 * INTERRUPTS  One IOAPIC input serves several slots, and irq_request() takes one owner, so each input has a list of devices
 *             here; its hard half asks every one of them. Which input: on q35 pin A of a device in slot s of bus 0 is
 *             input 20 + s % 4; that is how QEMU wires the chip set, whatever the firmware says in the config space.
 * NOT CHOSEN  MSI-X: it needs vectors from the interrupt layer, for the one machine type that is not the default.
 */
#include <abi/errno.h>
#include <arch/io.h>
#include <arch/pgtable.h>
#include <drivers/pci.h>
#include <drivers/virtio.h>
#include <kernel/irq.h>
#include <kernel/main.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#define VIRTIO_VENDOR	0x1af4
#define MODERN_FIRST	0x1040		/* device id = 0x1040 + virtio id */
#define NR_LINES	4
#define FIRST_LINE	20

struct pci_virtio {
	struct virtio_device	dev;
	struct pci_device	pci;
	char			*common, *notify, *isr, *config;
	u32			notify_step;
	char			*doorbell[VIRTIO_MAX_QUEUES];
	struct pci_virtio	*same_line;
	bool			fired;
};

static struct pci_virtio *line_devices[NR_LINES];

static struct pci_virtio *to_pci(struct virtio_device *d)
{
	return container_of(d, struct pci_virtio, dev);
}

static char *common(struct virtio_device *d)
{
	return to_pci(d)->common;
}

static u8 pci_get_status(struct virtio_device *d)
{
	return mmio_read8(common(d) + VIRTIO_PCI_COMMON_STATUS);
}

static void pci_set_status(struct virtio_device *d, u8 status)
{
	mmio_write8(common(d) + VIRTIO_PCI_COMMON_STATUS, status);
}

static u64 pci_get_features(struct virtio_device *d)
{
	u64 f;

	mmio_write32(common(d) + VIRTIO_PCI_COMMON_DFSELECT, 1);
	f = (u64)mmio_read32(common(d) + VIRTIO_PCI_COMMON_DF) << 32;
	mmio_write32(common(d) + VIRTIO_PCI_COMMON_DFSELECT, 0);
	return f | mmio_read32(common(d) + VIRTIO_PCI_COMMON_DF);
}

static void pci_set_features(struct virtio_device *d, u64 f)
{
	mmio_write32(common(d) + VIRTIO_PCI_COMMON_GFSELECT, 1);
	mmio_write32(common(d) + VIRTIO_PCI_COMMON_GF, f >> 32);
	mmio_write32(common(d) + VIRTIO_PCI_COMMON_GFSELECT, 0);
	mmio_write32(common(d) + VIRTIO_PCI_COMMON_GF, f);
}

static void pci_config_read(struct virtio_device *d, unsigned off, void *buf, unsigned len)
{
	u8 *out = buf;

	for (unsigned i = 0; i < len; i++)
		out[i] = to_pci(d)->config ? mmio_read8(to_pci(d)->config + off + i) : 0;
}

static void pci_config_write(struct virtio_device *d, unsigned off, const void *buf, unsigned len)
{
	const u8 *in = buf;

	for (unsigned i = 0; to_pci(d)->config && i < len; i++)
		mmio_write8(to_pci(d)->config + off + i, in[i]);
}

static unsigned pci_queue_max(struct virtio_device *d, unsigned index)
{
	if (index >= mmio_read16(common(d) + VIRTIO_PCI_COMMON_NUMQ))
		return 0;
	mmio_write16(common(d) + VIRTIO_PCI_COMMON_Q_SELECT, index);
	return mmio_read16(common(d) + VIRTIO_PCI_COMMON_Q_SIZE);
}

static void write_address(char *at, paddr_t pa)
{
	mmio_write32(at, pa);
	mmio_write32(at + 4, pa >> 32);
}

static int pci_queue_enable(struct virtio_device *d, struct virtqueue *q, paddr_t desc, paddr_t avail, paddr_t used)
{
	unsigned index = virtqueue_index(q);
	char *c = common(d);

	mmio_write16(c + VIRTIO_PCI_COMMON_Q_SELECT, index);
	mmio_write16(c + VIRTIO_PCI_COMMON_Q_SIZE, virtqueue_size(q));
	write_address(c + VIRTIO_PCI_COMMON_Q_DESCLO, desc);
	write_address(c + VIRTIO_PCI_COMMON_Q_AVAILLO, avail);
	write_address(c + VIRTIO_PCI_COMMON_Q_USEDLO, used);
	to_pci(d)->doorbell[index] = to_pci(d)->notify + mmio_read16(c + VIRTIO_PCI_COMMON_Q_NOFF) * to_pci(d)->notify_step;
	mmio_write16(c + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
	return 0;
}

static void pci_notify(struct virtqueue *q)
{
	mmio_write16(to_pci(virtqueue_device(q))->doorbell[virtqueue_index(q)], virtqueue_index(q));
}

static const struct virtio_transport pci_transport = {
	.get_status = pci_get_status, .set_status = pci_set_status,
	.get_features = pci_get_features, .set_features = pci_set_features,
	.config_read = pci_config_read, .config_write = pci_config_write,
	.queue_max = pci_queue_max, .queue_enable = pci_queue_enable, .notify = pci_notify,
};

/* ---- interrupts ---- */

static bool line_hard(void *arg)
{
	bool mine = false;

	for (struct pci_virtio *p = *(struct pci_virtio **)arg; p; p = p->same_line) {
		u8 why = mmio_read8(p->isr);		/* reading acknowledges */

		if (why & 2)
			WRITE_ONCE(p->dev.config_pending, true);
		if (why)
			WRITE_ONCE(p->fired, true);
		mine |= why != 0;
	}
	return mine;
}

static void line_deferred(void *arg)
{
	for (struct pci_virtio *p = *(struct pci_virtio **)arg; p; p = p->same_line)
		if (xchg(&p->fired, false))
			virtio_deferred(&p->dev);
}

static int join_line(struct pci_virtio *p)
{
	unsigned n = p->pci.slot % NR_LINES;
	bool first = !line_devices[n];

	p->same_line = line_devices[n];
	WRITE_ONCE(line_devices[n], p);
	if (!first)
		return 0;
	irq_set_trigger(FIRST_LINE + n, true, true);
	return irq_request(FIRST_LINE + n, "virtio-pci", line_hard, line_deferred, &line_devices[n]);
}

/* ---- finding them ---- */

/* Map the part of a BAR that a vendor capability names. */
static char *map_capability(const struct pci_device *d, unsigned cap)
{
	paddr_t base = pci_bar_address(d, pci_read8(d, cap + offset_of(struct virtio_pci_cap, bar)));
	u32 off = pci_read32(d, cap + offset_of(struct virtio_pci_cap, offset));
	u32 len = pci_read32(d, cap + offset_of(struct virtio_pci_cap, length));
	paddr_t page = (base + off) & PAGE_MASK;
	char *at;

	if (!base || !len || len > MIB(1))
		return NULL;
	at = ioremap(page, PAGE_ALIGN(base + off + len) - page, PROT_KERNEL_IO);
	return at ? at + (base + off - page) : NULL;
}

static void find_blocks(struct pci_virtio *p)
{
	for (unsigned cap = 0; (cap = pci_next_capability(&p->pci, PCI_CAP_ID_VNDR, cap));) {
		switch (pci_read8(&p->pci, cap + offset_of(struct virtio_pci_cap, cfg_type))) {
		case VIRTIO_PCI_CAP_COMMON_CFG:
			p->common = map_capability(&p->pci, cap);
			break;
		case VIRTIO_PCI_CAP_NOTIFY_CFG:
			p->notify = map_capability(&p->pci, cap);
			p->notify_step = pci_read32(&p->pci, cap + sizeof(struct virtio_pci_cap));
			break;
		case VIRTIO_PCI_CAP_ISR_CFG:
			p->isr = map_capability(&p->pci, cap);
			break;
		case VIRTIO_PCI_CAP_DEVICE_CFG:
			p->config = map_capability(&p->pci, cap);
			break;
		}
	}
}

/* Transitional devices have ids of their own: the virtio id is the subsystem's. */
static u32 virtio_id(const struct pci_device *d)
{
	return d->device >= MODERN_FIRST ? d->device - MODERN_FIRST : pci_read16(d, PCI_SUBSYSTEM_ID);
}

static int probe_one(const struct pci_device *d, void *arg)
{
	struct pci_virtio *p;
	int err;

	if (d->vendor != VIRTIO_VENDOR || d->device < 0x1000 || d->device > MODERN_FIRST + 0x3f)
		return 0;
	p = kzalloc(sizeof(*p), GFP_KERNEL | GFP_NOACCOUNT);
	if (!p)
		return -ENOMEM;
	p->pci = *d;
	p->dev.id = virtio_id(d);
	p->dev.transport = &pci_transport;
	pci_enable(d);
	find_blocks(p);
	if (!p->common || !p->notify || !p->isr) {
		pr_err("virtio-pci %02x:%02x.%u: no modern interface\n", d->bus, d->slot, d->func);
		kfree(p);
		return 0;
	}
	err = join_line(p);
	if (err)
		pr_err("virtio-pci %02x:%02x.%u: interrupt: error %d\n", d->bus, d->slot, d->func, err);
	err = virtio_device_add(&p->dev);	/* a refusal was logged; the device stays on its line */
	return err == -ENOMEM ? err : 0;
}

static int pci_virtio_scan(void)
{
	return pci_for_each(probe_one, NULL);
}
initcall(pci_virtio_scan, 3);
