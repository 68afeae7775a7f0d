/*
 * boot.c - from the loader's structures to boot_info, then on to kernel_main().
 *
 * PVH hands over a start_info with arrays behind physical pointers; multiboot2 a list of tags. Everything that
 * matters is copied out here, so that nothing of the loader's memory is needed afterwards but the initramfs.
 */
#include <arch/cpu.h>
#include <arch/layout.h>
#include <arch/page.h>
#include <drivers/serial.h>
#include <kernel/boot_info.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <lib/string.h>

#define PVH_MAGIC	0x336ec578

struct pvh_start_info {
	u32 magic, version, flags, nr_modules;
	u64 modlist_paddr, cmdline_paddr, rsdp_paddr;
	u64 memmap_paddr;
	u32 memmap_entries, reserved;
};
struct pvh_module { u64 paddr, size, cmdline_paddr, reserved; };
struct pvh_memmap { u64 addr, size; u32 type, reserved; };

struct mb2_tag { u32 type, size; };
struct mb2_module { struct mb2_tag tag; u32 start, end; char cmdline[]; };
struct mb2_mmap { struct mb2_tag tag; u32 entry_size, entry_version; };
struct mb2_mmap_entry { u64 addr, len; u32 type, zero; };
enum { MB2_END = 0, MB2_CMDLINE = 1, MB2_MODULE = 3, MB2_MMAP = 6, MB2_ACPI_OLD = 14, MB2_ACPI_NEW = 15 };

unsigned long page_offset_base = PAGE_OFFSET_L4;
unsigned long vmalloc_base = VMALLOC_BASE_L4;
unsigned long vmemmap_base = VMEMMAP_BASE_L4;
bool pgtable_l5;

extern char kernel_start[], kernel_end[], init_start[], init_end[];
void x86_start(unsigned protocol, paddr_t info);

static void *early_map(u64 pa)
{
	return (void *)(page_offset_base + pa);
}

static init_text void add_range(u64 start, u64 len, u32 type)
{
	struct boot_info *b = &boot_info;

	if (!len || b->nr_ranges == BOOT_MAX_RANGES)
		return;
	b->ranges[b->nr_ranges++] = (struct boot_range){ start, start + len, type };
}

static init_text void parse_pvh(paddr_t info)
{
	const struct pvh_start_info *si = early_map(info);
	const struct pvh_memmap *map;

	boot_info.loader = "PVH";
	if (si->magic != PVH_MAGIC)
		panic("PVH start info has magic %x", si->magic);
	if (si->cmdline_paddr)
		strscpy(boot_info.cmdline, early_map(si->cmdline_paddr), BOOT_CMDLINE_SIZE);
	boot_info.rsdp = si->rsdp_paddr;
	if (si->nr_modules) {
		const struct pvh_module *m = early_map(si->modlist_paddr);

		boot_info.initrd_start = m->paddr;
		boot_info.initrd_end = m->paddr + m->size;
	}
	if (si->version < 1 || !si->memmap_paddr)
		panic("the loader gave no memory map");
	map = early_map(si->memmap_paddr);
	for (u32 i = 0; i < si->memmap_entries; i++)
		add_range(map[i].addr, map[i].size, map[i].type);
}

static init_text void parse_mb2_mmap(const struct mb2_mmap *m)
{
	const char *end = (const char *)m + m->tag.size;

	for (const char *p = (const char *)(m + 1); p < end; p += m->entry_size) {
		const struct mb2_mmap_entry *e = (const void *)p;

		add_range(e->addr, e->len, e->type);
	}
}

static init_text void parse_mb2(paddr_t info)
{
	const char *p = (const char *)early_map(info) + 8;

	boot_info.loader = "multiboot2";
	for (;; p += ALIGN_UP(((const struct mb2_tag *)p)->size, 8u)) {
		const struct mb2_tag *tag = (const void *)p;
		const struct mb2_module *m = (const void *)p;

		switch (tag->type) {
		case MB2_END:
			return;
		case MB2_CMDLINE:
			strscpy(boot_info.cmdline, p + sizeof(*tag), BOOT_CMDLINE_SIZE);
			break;
		case MB2_MODULE:
			boot_info.initrd_start = m->start;
			boot_info.initrd_end = m->end;
			break;
		case MB2_MMAP:
			parse_mb2_mmap((const void *)p);
			break;
		case MB2_ACPI_OLD:
		case MB2_ACPI_NEW:	/* a copy of the RSDP itself; its physical address inside the tag list will do */
			boot_info.rsdp = info + (p - (const char *)early_map(info)) + sizeof(*tag);
			break;
		}
	}
}

/*
 * QEMU puts the initramfs below where it expects the firmware's tables; with some disks more SeaBIOS keeps more there than that, and its
 * map of RAM ends inside the initramfs. The rest of it is there all the same: reserved, and mapped.
 */
static init_text void keep_initrd(void)
{
	struct boot_info *b = &boot_info;

	for (unsigned i = 0, n = b->nr_ranges; i < n; i++)
		if (b->ranges[i].type == BOOT_RAM && b->ranges[i].start <= b->initrd_start && b->initrd_start < b->ranges[i].end &&
		    b->ranges[i].end < b->initrd_end)
			add_range(b->ranges[i].end, ALIGN_UP(b->initrd_end, PAGE_SIZE) - b->ranges[i].end, BOOT_ACPI);
}

/* First C code: on the boot stack, early page tables, interrupts off. */
init_text void x86_start(unsigned protocol, paddr_t info)
{
	if (read_cr4() & CR4_LA57) {
		pgtable_l5 = true;
		page_offset_base = PAGE_OFFSET_L5;
		vmalloc_base = VMALLOC_BASE_L5;
		vmemmap_base = VMEMMAP_BASE_L5;
	}
	serial_early_init();
	boot_info.kernel_start = image_to_phys(kernel_start);
	boot_info.kernel_end = image_to_phys(kernel_end);
	boot_info.init_start = image_to_phys(init_start);
	boot_info.init_end = image_to_phys(init_end);
	if (protocol == BOOT_BY_PVH)
		parse_pvh(info);
	else
		parse_mb2(info);
	keep_initrd();
	kernel_main();
}
