/*
 * page.h - the size of a page and where the big maps begin. Shared with the host build (no assembler here).
 */
#ifndef ARCH_PAGE_H
#define ARCH_PAGE_H

#include <lib/types.h>

#define PAGE_SHIFT	12
#define PAGE_SIZE	(1UL << PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x)	ALIGN_UP(x, PAGE_SIZE)
#define PAGE_ALIGN_DOWN(x) ALIGN_DOWN(x, PAGE_SIZE)

/* Set once, before the first use, by the paging depth (see <arch/layout.h>). */
extern unsigned long page_offset_base, vmalloc_base, vmemmap_base;
extern bool pgtable_l5;

void clear_page(void *page);			/* page-aligned, kernel address */
void copy_page(void *dst, const void *src);

/* Addresses inside the kernel image (not the direct map). */
#define KERNEL_IMAGE_BASE	0xffffffff80000000UL
#define image_to_phys(p)	((paddr_t)((unsigned long)(p) - KERNEL_IMAGE_BASE))

#endif
