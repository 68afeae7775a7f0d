/*
 * Image layout: text, rodata, data+bss, then everything that only boot needs, so that it can be given
 * back as one range. Each part starts on a page: they get different protections.
 */
#include <arch/layout.h>

OUTPUT_FORMAT(elf64-x86-64)
ENTRY(pvh_entry)		/* GRUB wants it inside a segment; the real doors are in the PVH note and the multiboot2 header */

PHDRS
{
	text PT_LOAD FLAGS(5);
	rodata PT_LOAD FLAGS(4);
	data PT_LOAD FLAGS(6);
	init_text PT_LOAD FLAGS(5);
	init_data PT_LOAD FLAGS(6);
	note PT_NOTE FLAGS(4);
}

SECTIONS
{
	. = KERNEL_BASE + KERNEL_PHYS_LOAD;
	kernel_start = .;

	.text : AT(ADDR(.text) - KERNEL_BASE) {
		text_start = .;
		KEEP(*(.head.multiboot))
		KEEP(*(.entry.text))
		*(.text.hot .text.hot.*)
		*(.text .text.[!f]* .text.f[!i]*)
		*(.text.fixup)
		*(.text.*)
		. = ALIGN(4096);
		text_end = .;
	} :text = 0xcccccccc

	.rodata : AT(ADDR(.rodata) - KERNEL_BASE) {
		rodata_start = .;
		KEEP(*(.rodata.page_aligned))
		*(.rodata .rodata.*)
		. = ALIGN(8);
		ex_table_start = .;
		KEEP(*(__ex_table))
		ex_table_end = .;
		. = ALIGN(8);
		kallsyms_start = .;
		KEEP(*(.kallsyms))
	} :rodata
	.note.pvh : AT(ADDR(.note.pvh) - KERNEL_BASE) { KEEP(*(.note.pvh)) } :rodata :note
	.rodata.tables : AT(ADDR(.rodata.tables) - KERNEL_BASE) {
		/* Tables made of one section per entry: syscalls, call sites, module exports. */
		. = ALIGN(64);
		callsites_start = .;
		KEEP(*(.callsites))
		callsites_end = .;
		. = ALIGN(8);
		ksymtab_start = .;
		KEEP(*(.ksymtab))
		ksymtab_end = .;
		. = ALIGN(4096);
		rodata_end = .;
	} :rodata

	.data : AT(ADDR(.data) - KERNEL_BASE) {
		data_start = .;
		KEEP(*(.data.page_aligned))
		*(.data .data.*)
		. = ALIGN(64);
		__start_alloc_sites = .;
		ledger_sites_by_id = . - 64;	/* a struct alloc_site less */
		*(alloc_sites)
		__stop_alloc_sites = .;
		. += 384 * 64;			/* slots for the sites of modules */
		__end_alloc_sites = .;
		. = ALIGN(64);
		percpu_start = .;
		KEEP(*(.percpu.first))
		*(.percpu .percpu.*)
		. = ALIGN(64);
		percpu_modules = .;		/* room for the per-CPU variables of modules */
		. += 4096;
		percpu_end = .;
	} :data
	.bss : AT(ADDR(.bss) - KERNEL_BASE) {
		*(.bss.page_aligned)
		*(.bss .bss.* COMMON)
		. = ALIGN(4096);
		data_end = .;
	} :data

	.init.text : AT(ADDR(.init.text) - KERNEL_BASE) {
		init_start = .;
		KEEP(*(.head.text))
		*(.init.text .init.text.*)
		. = ALIGN(4096);
		init_text_end = .;
	} :init_text = 0xcccccccc
	.init.data : AT(ADDR(.init.data) - KERNEL_BASE) {
		init_data_start = .;
		*(.init.data .init.data.*)
		. = ALIGN(4);
		smap_sites_start = .;
		KEEP(*(.smap_sites))
		smap_sites_end = .;
		. = ALIGN(8);
		initcalls_start = .;
		KEEP(*(SORT_BY_INIT_PRIORITY(.initcalls.*)))
		initcalls_end = .;
	} :init_data
	.init.bss (NOLOAD) : AT(ADDR(.init.bss) - KERNEL_BASE) {
		. = ALIGN(4096);
		*(.init.bss .init.bss.*)
		. = ALIGN(64);
		percpu_template = .;		/* the section as it was linked, for other CPUs */
		. += percpu_end - percpu_start;
		. = ALIGN(4096);
		init_end = .;
		kernel_end = .;
	} :init_data

	/DISCARD/ : { *(.comment) *(.note.GNU-stack) *(.note.gnu.*) *(.eh_frame) *(.gnu.*) *(.llvm*) }
}
