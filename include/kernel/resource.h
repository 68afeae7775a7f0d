/*
 * resource.h - who uses which physical addresses: what /proc/iomem shows.
 * Border: open to arch.
 */
#ifndef KERNEL_RESOURCE_H
#define KERNEL_RESOURCE_H

#include <lib/types.h>

struct text;

/* A driver takes [start, start + len) for itself; name is kept. 0, -EBUSY when it overlaps with another claim, -ENOMEM. */
int iomem_claim(paddr_t start, u64 len, const char *name) must_check;
void iomem_release(paddr_t start, u64 len);
bool iomem_is_claimed(paddr_t start, paddr_t end);	/* any byte of it */
bool iomem_is_ram(paddr_t start, paddr_t end);		/* System RAM, any byte of it */
paddr_t iomem_end_of_ram(void);
/* The text of /proc/iomem; without `addresses` they are shown as 0. */
int iomem_text(struct text *out, bool addresses);

#endif
