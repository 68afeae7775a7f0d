/*
 * boot_info.h - what the boot loader told us, in one form whatever the loader was.
 * Border: open to arch.
 */
#ifndef KERNEL_BOOT_INFO_H
#define KERNEL_BOOT_INFO_H

#include <lib/types.h>

enum boot_range_type {		/* the numbers of an e820 map, which PVH and multiboot2 share */
	BOOT_RAM = 1,
	BOOT_RESERVED = 2,
	BOOT_ACPI = 3,
	BOOT_ACPI_NVS = 4,
	BOOT_BAD = 5,
};

struct boot_range {
	paddr_t			start, end;
	enum boot_range_type	type;
};

#define BOOT_MAX_RANGES		64
#define BOOT_CMDLINE_SIZE	2048	/* as Linux's COMMAND_LINE_SIZE on x86 */

struct boot_info {
	const char		*loader;	/* "PVH", "multiboot2" */
	unsigned		nr_ranges;
	struct boot_range	ranges[BOOT_MAX_RANGES];	/* as given: unsorted, may overlap */
	paddr_t			initrd_start, initrd_end;	/* both 0: none */
	paddr_t			kernel_start, kernel_end;	/* the image, bss included */
	paddr_t			init_start, init_end;		/* its part that boot alone needs */
	paddr_t			rsdp;				/* ACPI root pointer, 0: search for it */
	char			cmdline[BOOT_CMDLINE_SIZE];
};

extern struct boot_info boot_info;	/* constant once boot has filled it */

/* Options: `name` or `name=value`, separated by blanks. */
bool cmdline_has(const char *name);
/* Copies the value of the last `name=value`; false when there is none. */
bool cmdline_get(const char *name, char *value, size_t size);
/* A number with Linux's suffixes K, M, G; `otherwise` when the option is missing or malformed. */
u64 cmdline_get_size(const char *name, u64 otherwise);

#endif
