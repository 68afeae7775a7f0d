/*
 * apic.h - local and I/O interrupt controllers; private to the machine layer.
 */
#ifndef ARCH_APIC_H
#define ARCH_APIC_H

#include <lib/types.h>

/* What the firmware says about processors and interrupts: from ACPI's MADT, or the older MP table. */
struct irq_override {
	u8	source;			/* ISA line */
	u32	gsi;
	u16	flags;			/* MPS INTI: bits 0-1 polarity, 2-3 trigger */
};
struct ioapic_info {
	paddr_t	address;
	u32	gsi_base;
};
struct platform {
	paddr_t			lapic_address;
	unsigned		nr_cpus;
	u32			apic_ids[64];		/* boot CPU first */
	unsigned		nr_ioapics;
	struct ioapic_info	ioapics[8];
	unsigned		nr_overrides;
	struct irq_override	overrides[16];
	/* power off: write value to a register; 0: unknown */
	u16			pm1a_control, pm1_sleep_type;	/* ACPI PM1a port and SLP_TYP of \_S5 */
	paddr_t			sleep_control;			/* hardware-reduced ACPI */
	u8			sleep_type;
	paddr_t			hpet;
};
extern struct platform platform;

void acpi_init(void);			/* fills platform; what it does not find stays 0 */
void mptable_init(void);

void lapic_init_cpu(void);
u32 lapic_id(void);
void lapic_eoi(void);
void lapic_send(u32 apic_id, u32 vector);
void lapic_send_init(u32 apic_id);
void lapic_send_startup(u32 apic_id, u8 page);
void lapic_timer_init_cpu(void);
extern bool lapic_known_1ghz;
void lapic_count_freely(void);		/* 1 GHz down-counter from its maximum */
u64 lapic_elapsed_ns(void);		/* since then; at most 4 s */
void ioapic_init(void);
void ioapic_route(u32 gsi, u8 vector, u32 apic_id, bool level, bool active_low);

void call_function_interrupt(void);

#endif
