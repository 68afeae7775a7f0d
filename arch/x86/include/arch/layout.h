/*
 * layout.h - where things lie in the kernel half. Also read by assembler and the linker script.
 *
 * The image is linked at KERNEL_BASE + 1 MiB and loaded at physical 1 MiB: KERNEL_BASE maps physical 0.
 * The three bases below depend on the paging depth (Linux's values for each); they are variables, set once
 * before any C code runs on them. docs/boot.md draws the whole map.
 */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#define KERNEL_BASE		0xffffffff80000000
#define KERNEL_PHYS_LOAD	0x100000
#define KERNEL_MAP_SIZE		0x40000000	/* 1 GiB: image, then modules */
#define MODULES_BASE		0xffffffffc0000000
#define MODULES_END		0xffffffffff000000

#define PAGE_OFFSET_L4		0xffff888000000000
#define PAGE_OFFSET_L5		0xff11000000000000
#define VMALLOC_BASE_L4		0xffffc90000000000
#define VMALLOC_BASE_L5		0xffa0000000000000
#define VMEMMAP_BASE_L4		0xffffea0000000000
#define VMEMMAP_BASE_L5		0xffd4000000000000

#define KASLR_END		0xfffffc0000000000	/* what is moved at random ends below */

/* Selectors: Linux's numbers, since signal frames and ptrace show them. */
#define SEL_KERNEL32_CS		0x08
#define SEL_KERNEL_CS		0x10
#define SEL_KERNEL_DS		0x18
#define SEL_USER32_CS		0x23
#define SEL_USER_DS		0x2b
#define SEL_USER_CS		0x33
#define SEL_TSS			0x40
#define SEL_CPU			0x7b	/* its limit is the CPU's number: getcpu without a trap, NMI entry */

#define BOOT_BY_PVH		1
#define BOOT_BY_MULTIBOOT2	2

#endif
