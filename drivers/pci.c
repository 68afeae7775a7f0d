/*
 * pci.c - the PCI bus, as far as virtio needs it: configuration space, capabilities, BARs that the firmware assigned.
 *
 * The ports are a pair (address, data), so each access holds config_lock. Buses are found by trying all that bridges
 * name; on QEMU's q35 that is bus 0 and whatever hangs behind root ports.
 */
#include <arch/io.h>
#include <drivers/pci.h>
#include <kernel/lock.h>

#include <linux/pci_regs.h>

#define PCI_ADDRESS	0xcf8
#define PCI_DATA	0xcfc

static spinlock_t config_lock = SPINLOCK_INIT("pci", LOCK_DRIVER);

static u32 config_address(const struct pci_device *d, unsigned reg)
{
	return 0x80000000u | d->bus << 16 | d->slot << 11 | d->func << 8 | (reg & 0xfc);
}

u32 pci_read32(const struct pci_device *d, unsigned reg)
{
	u32 v;

	spin_lock(&config_lock);
	outl(PCI_ADDRESS, config_address(d, reg));
	v = inl(PCI_DATA);
	spin_unlock(&config_lock);
	return v;
}

u16 pci_read16(const struct pci_device *d, unsigned reg)
{
	return pci_read32(d, reg) >> (reg & 2) * 8;
}

u8 pci_read8(const struct pci_device *d, unsigned reg)
{
	return pci_read32(d, reg) >> (reg & 3) * 8;
}

void pci_write16(const struct pci_device *d, unsigned reg, u16 v)
{
	spin_lock(&config_lock);
	outl(PCI_ADDRESS, config_address(d, reg));
	outw(PCI_DATA + (reg & 2), v);
	spin_unlock(&config_lock);
}

bool pci_present(void)
{
	struct pci_device bridge = { 0 };

	outl(PCI_ADDRESS, 0x80000000u);		/* a machine without the mechanism does not give it back */
	return inl(PCI_ADDRESS) == 0x80000000u && pci_read16(&bridge, PCI_VENDOR_ID) != 0xffff;
}

static int visit_function(struct pci_device *d, int (*fn)(const struct pci_device *, void *), void *arg)
{
	u32 id = pci_read32(d, PCI_VENDOR_ID);

	if ((id & 0xffff) == 0xffff)
		return 0;
	d->vendor = id;
	d->device = id >> 16;
	d->class = pci_read32(d, PCI_CLASS_REVISION);
	return fn(d, arg);
}

static int visit_bus(unsigned bus, int (*fn)(const struct pci_device *, void *), void *arg)
{
	for (unsigned devfn = 0; devfn < 256; devfn++) {
		struct pci_device d = { .bus = bus, .slot = devfn >> 3, .func = devfn & 7 };
		struct pci_device first = { .bus = bus, .slot = devfn >> 3 };
		int err;

		if (d.func && !(pci_read8(&first, PCI_HEADER_TYPE) & 0x80))
			continue;
		err = visit_function(&d, fn, arg);
		if (err)
			return err;
		if (d.class >> 16 == 0x0604 && pci_read8(&d, PCI_SECONDARY_BUS) > bus) {
			err = visit_bus(pci_read8(&d, PCI_SECONDARY_BUS), fn, arg);	/* numbers grow: ends */
			if (err)
				return err;
		}
	}
	return 0;
}

int pci_for_each(int (*fn)(const struct pci_device *d, void *arg), void *arg)
{
	return pci_present() ? visit_bus(0, fn, arg) : 0;
}

paddr_t pci_bar_address(const struct pci_device *d, unsigned bar)
{
	u32 low;

	if (bar > 5)
		return 0;
	low = pci_read32(d, PCI_BASE_ADDRESS_0 + 4 * bar);
	if (low & PCI_BASE_ADDRESS_SPACE_IO)
		return 0;
	if ((low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64 && bar < 5)
		return (low & ~0xfu) | (paddr_t)pci_read32(d, PCI_BASE_ADDRESS_0 + 4 * bar + 4) << 32;
	return low & ~0xfu;
}

unsigned pci_next_capability(const struct pci_device *d, unsigned id, unsigned from)
{
	unsigned at;

	if (!(pci_read16(d, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	at = from ? pci_read8(d, from + 1) : pci_read8(d, PCI_CAPABILITY_LIST);
	for (unsigned n = 0; n < 48 && at >= 0x40; n++) {	/* a list that loops ends here */
		if (pci_read8(d, at) == id)
			return at;
		at = pci_read8(d, at + 1);
	}
	return 0;
}

void pci_enable(const struct pci_device *d)
{
	pci_write16(d, PCI_COMMAND, pci_read16(d, PCI_COMMAND) | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}
