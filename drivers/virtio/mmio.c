/*
 * mmio.c - virtio devices in memory-mapped register blocks, as QEMU's microvm has them.
 *
 * Where they are: the command line says so (`virtio_mmio.device=SIZE@BASE:IRQ`, Linux's syntax, repeatable). Without a
 * single such word microvm's fixed layout is probed: blocks of 512 bytes from 0xfeb00000, the first one's interrupt
 * being input 24 (a second IOAPIC, with ACPI), 16 or 5. A block whose magic or device id is missing is empty.
 */
#include <abi/errno.h>
#include <arch/io.h>
#include <arch/pgtable.h>
#include <drivers/pci.h>
#include <drivers/virtio.h>
#include <kernel/boot_info.h>
#include <kernel/irq.h>
#include <kernel/main.h>
#include <kernel/printk.h>
#include <kernel/resource.h>
#include <lib/string.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>

#include <linux/virtio_mmio.h>

#define MMIO_MAGIC	0x74726976	/* "virt" */
#define MICROVM_BASE	0xfeb00000ul
#define MICROVM_STEP	512
#define MICROVM_NR	24

struct mmio_device {
	struct virtio_device	dev;
	char			*regs;
	unsigned		line;
};

static struct mmio_device *to_mmio(struct virtio_device *d)
{
	return container_of(d, struct mmio_device, dev);
}

static u32 reg_read(struct virtio_device *d, unsigned reg)
{
	return mmio_read32(to_mmio(d)->regs + reg);
}

static void reg_write(struct virtio_device *d, unsigned reg, u32 v)
{
	mmio_write32(to_mmio(d)->regs + reg, v);
}

static u8 mmio_get_status(struct virtio_device *d)
{
	return reg_read(d, VIRTIO_MMIO_STATUS);
}

static void mmio_set_status(struct virtio_device *d, u8 status)
{
	reg_write(d, VIRTIO_MMIO_STATUS, status);
}

static u64 mmio_get_features(struct virtio_device *d)
{
	u64 f;

	reg_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	f = (u64)reg_read(d, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	reg_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	return f | reg_read(d, VIRTIO_MMIO_DEVICE_FEATURES);
}

static void mmio_set_features(struct virtio_device *d, u64 f)
{
	reg_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	reg_write(d, VIRTIO_MMIO_DRIVER_FEATURES, f >> 32);
	reg_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	reg_write(d, VIRTIO_MMIO_DRIVER_FEATURES, f);
}

/* Fields of 2 and 4 bytes are read in one access, anything else byte by byte. */
static void mmio_config_read(struct virtio_device *d, unsigned off, void *buf, unsigned len)
{
	char *at = to_mmio(d)->regs + VIRTIO_MMIO_CONFIG + off;
	u8 *out = buf;

	if (len == 4) {
		u32 v = mmio_read32(at);

		memcpy(buf, &v, 4);
	} else if (len == 2) {
		u16 v = mmio_read16(at);

		memcpy(buf, &v, 2);
	} else {
		for (unsigned i = 0; i < len; i++)
			out[i] = mmio_read8(at + i);
	}
}

static void mmio_config_write(struct virtio_device *d, unsigned off, const void *buf, unsigned len)
{
	const u8 *in = buf;

	for (unsigned i = 0; i < len; i++)
		mmio_write8(to_mmio(d)->regs + VIRTIO_MMIO_CONFIG + off + i, in[i]);
}

static unsigned mmio_queue_max(struct virtio_device *d, unsigned index)
{
	reg_write(d, VIRTIO_MMIO_QUEUE_SEL, index);
	if (reg_read(d, VIRTIO_MMIO_QUEUE_READY))
		return 0;
	return reg_read(d, VIRTIO_MMIO_QUEUE_NUM_MAX);
}

static int mmio_queue_enable(struct virtio_device *d, struct virtqueue *q, paddr_t desc, paddr_t avail, paddr_t used)
{
	reg_write(d, VIRTIO_MMIO_QUEUE_SEL, virtqueue_index(q));
	reg_write(d, VIRTIO_MMIO_QUEUE_NUM, virtqueue_size(q));
	reg_write(d, VIRTIO_MMIO_QUEUE_DESC_LOW, desc);
	reg_write(d, VIRTIO_MMIO_QUEUE_DESC_HIGH, desc >> 32);
	reg_write(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail);
	reg_write(d, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, avail >> 32);
	reg_write(d, VIRTIO_MMIO_QUEUE_USED_LOW, used);
	reg_write(d, VIRTIO_MMIO_QUEUE_USED_HIGH, used >> 32);
	reg_write(d, VIRTIO_MMIO_QUEUE_READY, 1);
	return 0;
}

static void mmio_notify(struct virtqueue *q)
{
	reg_write(virtqueue_device(q), VIRTIO_MMIO_QUEUE_NOTIFY, virtqueue_index(q));
}

static const struct virtio_transport mmio_transport = {
	.get_status = mmio_get_status, .set_status = mmio_set_status,
	.get_features = mmio_get_features, .set_features = mmio_set_features,
	.config_read = mmio_config_read, .config_write = mmio_config_write,
	.queue_max = mmio_queue_max, .queue_enable = mmio_queue_enable, .notify = mmio_notify,
};

static bool mmio_hard_irq(void *arg)
{
	struct mmio_device *m = arg;
	u32 why = mmio_read32(m->regs + VIRTIO_MMIO_INTERRUPT_STATUS);

	if (!why)
		return false;
	mmio_write32(m->regs + VIRTIO_MMIO_INTERRUPT_ACK, why);
	if (why & VIRTIO_MMIO_INT_CONFIG)
		WRITE_ONCE(m->dev.config_pending, true);
	return true;
}

static void mmio_deferred(void *arg)
{
	struct mmio_device *m = arg;

	virtio_deferred(&m->dev);
}

/* Blocks of one page share its mapping; they stay mapped for good. */
static char *map_block(paddr_t base)
{
	static paddr_t mapped;
	static char *at;
	paddr_t page = base & PAGE_MASK;

	if (!at || mapped != page) {
		at = ioremap(page, PAGE_SIZE, PROT_KERNEL_IO);
		mapped = page;
	}
	return at ? at + (base - page) : NULL;
}

/* 0 when a device was found, -ENODEV for an empty block. */
static int mmio_probe(paddr_t base, unsigned line)
{
	char *regs = map_block(base);
	struct mmio_device *m;
	u32 id;
	int err;

	if (!regs)
		return -ENOMEM;
	if (mmio_read32(regs + VIRTIO_MMIO_MAGIC_VALUE) != MMIO_MAGIC)
		return -ENODEV;
	id = mmio_read32(regs + VIRTIO_MMIO_DEVICE_ID);
	if (!id)
		return -ENODEV;
	if (mmio_read32(regs + VIRTIO_MMIO_VERSION) != 2) {
		pr_err("virtio-mmio %lx: legacy interface; start QEMU with -global virtio-mmio.force-legacy=false\n",
		       (unsigned long)base);
		return -ENODEV;
	}
	if (iomem_claim(base, 0x200, "virtio-mmio"))
		pr_warn("virtio-mmio %lx: somebody has its addresses\n", (unsigned long)base);
	m = kzalloc(sizeof(*m), GFP_KERNEL | GFP_NOACCOUNT);
	if (!m)
		return -ENOMEM;
	m->regs = regs;
	m->line = line;
	m->dev.id = id;
	m->dev.transport = &mmio_transport;
	irq_set_trigger(line, true, false);
	err = irq_request(line, "virtio-mmio", mmio_hard_irq, mmio_deferred, m);
	if (err) {
		kfree(m);
		return err;
	}
	err = virtio_device_add(&m->dev);	/* a refusal is logged there; the block stays claimed */
	return err == -ENOMEM ? err : 0;
}

/* `SIZE@BASE:IRQ[:ID]` */
static void probe_word(const char *word)
{
	const char *end;
	paddr_t base;
	int err;

	str_to_u64(word, &end, 0);
	while (*end && *end != '@')	/* a size suffix */
		end++;
	if (*end != '@')
		return;
	base = str_to_u64(end + 1, &end, 0);
	if (*end != ':')
		return;
	err = mmio_probe(base, str_to_u64(end + 1, &end, 0));
	if (err && err != -ENODEV)
		pr_err("virtio-mmio %lx: error %d\n", (unsigned long)base, err);
}

static bool probe_cmdline(void)
{
	static const char key[] = "virtio_mmio.device=";
	const char *at = boot_info.cmdline;
	bool any = false;

	while ((at = strstr(at, key))) {
		at += sizeof(key) - 1;
		probe_word(at);
		any = true;
	}
	return any;
}

/* The fixed layout. Which inputs it uses shows when the first device asks for one: those of no IOAPIC are refused. */
static int probe_fixed(void)
{
	static const unsigned first_line[] = { 24, 16, 5 };
	unsigned c = 0;
	int err;

	for (unsigned i = 0; i < MICROVM_NR; i++) {
		do
			err = mmio_probe(MICROVM_BASE + i * MICROVM_STEP, first_line[c] + i);
		while (err == -EINVAL && ++c < ARRAY_SIZE(first_line));
		if (c == ARRAY_SIZE(first_line))
			return -EINVAL;
		if (err == -ENOMEM)
			return err;
	}
	return 0;
}

static int mmio_scan(void)
{
	if (probe_cmdline() || pci_present())
		return 0;
	return probe_fixed();
}
initcall(mmio_scan, 3);
