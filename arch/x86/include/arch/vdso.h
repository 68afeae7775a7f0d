/*
 * vdso.h - what a process gets mapped: the clock page (clock_page_frame, read-only) and, in the page right above it, the
 * image vdso_start … vdso_end (read-execute), whose first byte is what AT_SYSINFO_EHDR names.
 */
#ifndef ARCH_VDSO_H
#define ARCH_VDSO_H

#include <arch/page.h>
#include <kernel/clock_page.h>

extern const char vdso_start[], vdso_end[];		/* page-aligned, in the kernel image: image_to_phys() */
#define VDSO_IMAGE_PAGES	(PAGE_ALIGN((unsigned long)(vdso_end - vdso_start)) / PAGE_SIZE)
#define VDSO_DATA_PFN		(image_to_phys(&clock_page_frame) >> PAGE_SHIFT)
#define VDSO_IMAGE_PFN(n)	((image_to_phys(vdso_start) >> PAGE_SHIFT) + (n))

#endif
