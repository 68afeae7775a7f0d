/*
 * pci.h - devices on the PCI bus, by configuration mechanism #1 (ports 0xcf8 and 0xcfc).
 */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include <lib/types.h>

struct pci_device {
	u8	bus, slot, func;
	u16	vendor, device;
	u32	class;			/* class, subclass, interface, revision */
};

bool pci_present(void);			/* is there a host bridge at 0:0.0? */
u32 pci_read32(const struct pci_device *d, unsigned reg);
u16 pci_read16(const struct pci_device *d, unsigned reg);
u8 pci_read8(const struct pci_device *d, unsigned reg);
void pci_write16(const struct pci_device *d, unsigned reg, u16 v);
/* Calls fn for every function on every bus; stops when it returns nonzero and returns that. */
int pci_for_each(int (*fn)(const struct pci_device *d, void *arg), void *arg);
/* Physical address of a memory BAR, 0 when it is none or unset. */
paddr_t pci_bar_address(const struct pci_device *d, unsigned bar);
/* Walk the capability list: offset of the next one with this id after `from` (0: from the start); 0 at the end. */
unsigned pci_next_capability(const struct pci_device *d, unsigned id, unsigned from);
void pci_enable(const struct pci_device *d);	/* memory decoding and bus mastering */

#endif
