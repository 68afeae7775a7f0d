/*
 * mmu.c - kernel page tables, and making CPUs forget old translations.
 *
 * SHAPE       One root, arch_kernel_pgd; its upper half is copied into each process root when that is made and never changes
 *             afterwards: every entry of it that can ever be needed (direct map, vmalloc, page array, image and modules)
 *             points to a table from boot on. So kernel mappings made later are seen by all.
 * PROTECTION  Text is read-execute, constants read-only, everything else never executable; the direct map's alias of text
 *             and constants is read-only too. Kernel entries are global.
 * KASLR       The direct map, vmalloc and the page array begin at random places, in that order, between Linux's place for the
 *             first and KASLR_END; `nokaslr` leaves them at Linux's bases. Boot runs on the direct map of the early tables, so
 *             page_offset_base changes at the moment the final tables are loaded. The image stays: it is not relocatable.
 * FLUSHING    Who may hold translations of a user address space stands in mm->cpumask. Remote CPUs are interrupted and
 *             flush in the handler; the sender waits for all of them.
 */
#include <abi/errno.h>
#include <arch/cpu.h>
#include <arch/elf.h>
#include <arch/layout.h>
#include <arch/machine.h>
#include <arch/mmu.h>
#include <arch/upcalls.h>
#include <kernel/boot_info.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <lib/string.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>

#define FLUSH_ALL_PAGES		33	/* above this many single pages a whole flush is cheaper */
#define VMALLOC_SIZE		(512UL << 30)	/* one root entry with 4 levels */

pgd_t *arch_kernel_pgd;
unsigned pt_levels = 4;
u64 pte_nx_mask;
static vaddr_t direct_map;	/* where page_offset_base will be */
static bool boot_allocation = true;	/* tables come from memblock */

/* ---- tables ----------------------------------------------------------------------------------------------------- */

static paddr_t table_alloc(void)
{
	struct page *p;

	if (boot_allocation)
		return memblock_alloc(PAGE_SIZE, PAGE_SIZE, ACCT_PAGE_TABLE);
	p = page_alloc(GFP_KERNEL | GFP_ZERO | GFP_NOACCOUNT, 0, ACCT_PAGE_TABLE);
	if (!p)
		return 0;
	page_set(p, PG_TABLE);
	return page_to_phys(p);
}

/* From now on tables come from the page allocator. Called by arch_irq_init(). */
static void table_alloc_switch(void)
{
	boot_allocation = false;
}

/* The entry of `level` for addr; makes the tables above it when asked. NULL: none, no memory, or a large page is there. */
static pte_t *walk(vaddr_t addr, unsigned to_level, bool create)
{
	pte_t *e = pt_offset(arch_kernel_pgd, addr, pt_levels);

	for (unsigned level = pt_levels; level > to_level; level--) {
		if (pte_none(*e)) {
			paddr_t table = create ? table_alloc() : 0;

			if (!table)
				return NULL;
			if (!pte_cmpxchg(e, (pte_t){ 0 }, pt_entry_kernel(table)))	/* another CPU was faster */
				page_free(phys_to_page(table), 0);
		} else if (level <= 3 && pte_huge(*e)) {
			return NULL;
		}
		e = pt_offset(pt_entry_virt(*e), addr, level - 1);
	}
	return e;
}

/* Largest page that fits at this place. */
static unsigned best_level(vaddr_t va, paddr_t pa, u64 len, unsigned max_level)
{
	for (unsigned level = max_level; level > 1; level--) {
		if (IS_ALIGNED(va | pa, PT_SIZE(level)) && len >= PT_SIZE(level))
			return level;
	}
	return 1;
}

/* Map at boot; what is mapped already stays as it is. */
static init_text void map_range(vaddr_t va, paddr_t pa, u64 len, pgprot_t prot, unsigned max_level)
{
	while (len) {
		unsigned level = best_level(va, pa, len, max_level);
		pte_t *e = walk(va, level, true);
		u64 step = PT_SIZE(level);

		while (level > 1 && e && !pte_none(*e) && !pte_huge(*e)) {	/* smaller pages are there: fill in between */
			e = walk(va, --level, true);
			step = PT_SIZE(level);
		}
		if (e && pte_none(*e)) {
			pte_set(e, (pte_t){ pte_make(pa >> PAGE_SHIFT, prot).v | (level > 1 ? PTE_HUGE : 0) });
		} else if (!e) {
			step = PAGE_SIZE;		/* inside a large page */
		}
		va += step;
		pa += step;
		len -= step;
	}
}

static init_text void map_image(void)
{
	extern char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], data_end[];
	extern char init_start[], init_text_end[], init_data_start[], init_end[];
	const struct { char *start, *end; pgprot_t prot; bool alias_ro; } parts[] = {
		{ text_start, text_end, PROT_KERNEL_RX, true },
		{ rodata_start, rodata_end, PROT_KERNEL_RO, true },
		{ data_start, data_end, PROT_KERNEL_RW, false },
		{ init_start, init_text_end, PROT_KERNEL_RX, false },
		{ init_data_start, init_end, PROT_KERNEL_RW, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		vaddr_t start = (vaddr_t)parts[i].start;
		u64 len = parts[i].end - parts[i].start;

		map_range(start, image_to_phys(start), len, parts[i].prot, 1);
		if (parts[i].alias_ro)
			map_range(direct_map + image_to_phys(start), image_to_phys(start), len, PROT_KERNEL_RO, 1);
	}
}

static init_text void map_ram(void)
{
	unsigned max_level = cpu_features.gbpages ? 3 : 2;

	map_range(direct_map, 0, MIB(1), PROT_KERNEL_RW, 1);	/* firmware tables and the start of other CPUs */
	for (unsigned i = 0; i < boot_info.nr_ranges; i++) {
		const struct boot_range *r = &boot_info.ranges[i];
		paddr_t start = ALIGN_DOWN(r->start, PAGE_SIZE), end = ALIGN_UP(r->end, PAGE_SIZE);

		if (r->type == BOOT_RAM || r->type == BOOT_ACPI || r->type == BOOT_ACPI_NVS)
			map_range(direct_map + start, start, end - start, PROT_KERNEL_RW, max_level);
	}
}

static u64 vmemmap_size(void)
{
	return ALIGN_UP(memblock_end_of_ram() >> PAGE_SHIFT, PT_ENTRIES) * sizeof(struct page);
}

/* Every root entry of the kernel half that will ever be used gets its table now. */
static init_text void fill_root(void)
{
	unsigned level = pt_levels - 1;

	walk(vmalloc_base, level, true);
	walk(vmemmap_base, level, true);
	walk(KERNEL_BASE, level, true);
	for (paddr_t pa = 0; pa < memblock_end_of_ram(); pa += PT_SIZE(pt_levels))
		walk(direct_map + pa, level, true);
	walk(direct_map + memblock_end_of_ram() - 1, level, true);
	walk(vmalloc_base + VMALLOC_SIZE - 1, level, true);
	walk(vmemmap_base + vmemmap_size() - 1, level, true);
}

/* A random number below `limit`; the boot option quire.seed makes it the same each time. */
static init_text u64 boot_random(u64 limit)
{
	static u64 state;
	u64 seed = cmdline_get_size("quire.seed", 0);

	state = (state + (seed ? seed : arch_random_u64() ^ rdtsc())) * 0x9e3779b97f4a7c15ull;
	return (state >> 20) % limit;
}

static init_text void choose_bases(void)
{
	struct { vaddr_t *base; u64 size, align; } regions[] = {
		{ &direct_map, ALIGN_UP(memblock_end_of_ram(), GIB(1024)), GIB(1) },
		{ &vmalloc_base, VMALLOC_SIZE, VMALLOC_SIZE },	/* aligned: no more tables than without */
		{ &vmemmap_base, ALIGN_UP(vmemmap_size(), GIB(1)), GIB(1) },
	};
	vaddr_t at = direct_map = page_offset_base;
	u64 spare = KASLR_END - at;

	if (cmdline_has("nokaslr"))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(regions); i++)
		spare -= regions[i].size + regions[i].align;
	for (unsigned i = 0; i < ARRAY_SIZE(regions); i++) {
		u64 part = boot_random(spare / (ARRAY_SIZE(regions) - i) / GIB(1)) * GIB(1);

		*regions[i].base = ALIGN_UP(at + part, regions[i].align);
		at = *regions[i].base + regions[i].size;
		spare -= part;
	}
}

init_text void arch_mm_init(void)
{
	memblock_set_limit(GIB(4));		/* what the early tables map */
	arch_kernel_pgd = (pgd_t *)(page_offset_base + memblock_alloc(PAGE_SIZE, PAGE_SIZE, ACCT_PAGE_TABLE));
	choose_bases();
	fill_root();
	map_image();
	map_ram();
	write_cr3((vaddr_t)arch_kernel_pgd - page_offset_base);
	arch_kernel_pgd = (pgd_t *)((vaddr_t)arch_kernel_pgd - page_offset_base + direct_map);
	page_offset_base = direct_map;
	if (cpu_features.pge)
		write_cr4(read_cr4() | CR4_PGE);
	memblock_set_limit(memblock_end_of_ram());
}

/*
 * The first GiB at its physical address, or not any more: other CPUs start on page 0. One entry of the direct map, borrowed;
 * the tables above it are ours.
 */
init_text void arch_map_low(bool on)
{
	pte_t *e;

	if (on) {
		e = walk(0, 3, true);
		if (e)
			pte_set(e, *walk(page_offset_base, 3, false));
		return;
	}
	for (unsigned level = 3; level < pt_levels; level++) {
		e = walk(0, level, false);
		if (!e)
			continue;
		pte_set(walk(0, level + 1, false), (pte_t){ 0 });
		page_clear(virt_to_page(e), PG_TABLE);
		page_free(virt_to_page(e), 0);
	}
}

/* The page array, before the page allocator. Large pages when the stretch is long enough. */
void arch_vmemmap_map(vaddr_t start, vaddr_t end)
{
	for (vaddr_t va = start; va < end;) {
		pte_t *e = walk(va, 1, false);
		bool large = IS_ALIGNED(va, PT_SIZE(2)) && end - va >= PT_SIZE(2);
		u64 size = large ? PT_SIZE(2) : PAGE_SIZE;
		pte_t *two = walk(va, 2, true);

		if (pte_huge(*two) || (e && !pte_none(*e))) {
			va += PAGE_SIZE;
			continue;
		}
		if (large && !pte_none(*two)) {
			large = false;
			size = PAGE_SIZE;
		}
		map_range(va, memblock_alloc(size, size, ACCT_PAGE_ARRAY), size, PROT_KERNEL_RW, large ? 2 : 1);
		va += size;
	}
}

/* ---- kernel mappings made later ----------------------------------------------------------------------------------- */

int kernel_map_page(vaddr_t addr, pfn_t pfn, pgprot_t prot)
{
	pte_t *e = walk(addr, 1, true);

	if (!e)
		return -ENOMEM;
	assert(pte_none(*e));
	pte_set(e, pte_make(pfn, prot));
	return 0;
}

pte_t kernel_unmap_page(vaddr_t addr)
{
	pte_t *e = walk(addr, 1, false);

	return e ? pte_xchg(e, (pte_t){ 0 }) : (pte_t){ 0 };
}

pte_t *kernel_pte(vaddr_t addr)
{
	return walk(addr, 1, false);
}

bool kernel_address_readable(vaddr_t addr)
{
	pte_t *e;

	if ((long)addr >= 0)
		return false;
	if (!arch_kernel_pgd)
		return addr >= KERNEL_BASE;
	e = pt_offset(arch_kernel_pgd, addr, pt_levels);
	for (unsigned level = pt_levels; level >= 1; level--) {
		if (!pte_hw_present(*e))
			return false;
		if (level == 1 || (level <= 3 && pte_huge(*e)))
			return true;
		e = pt_offset(pt_entry_virt(*e), addr, level - 1);
	}
	return false;
}

vaddr_t arch_vmalloc_end(void)
{
	return vmalloc_base + VMALLOC_SIZE - PAGE_SIZE;
}

/* Device registers and firmware tables, in a window of their own; never unmapped. */
#define FIXMAP_BASE	0xffffffffff200000UL
static vaddr_t fixmap_next = FIXMAP_BASE;

void *arch_map_device(paddr_t pa, size_t len, bool uncached)
{
	paddr_t first = ALIGN_DOWN(pa, PAGE_SIZE), end = ALIGN_UP(pa + len, PAGE_SIZE);
	vaddr_t va = fixmap_next;

	for (paddr_t p = first; p < end; p += PAGE_SIZE, fixmap_next += PAGE_SIZE) {
		if (kernel_map_page(fixmap_next, p >> PAGE_SHIFT, uncached ? PROT_KERNEL_IO : PROT_KERNEL_RO))
			panic("no memory to map a device");
	}
	return (void *)(va + (pa - first));
}

void arch_mm_late_init(void)
{
	table_alloc_switch();
}

/* Boot is over: unmap its code and data from the image and give the frames away. */
void arch_free_init(void)
{
	extern char init_start[], init_end[];

	for (vaddr_t va = (vaddr_t)init_start; va < (vaddr_t)init_end; va += PAGE_SIZE)
		kernel_unmap_page(va);
	tlb_flush_kernel((vaddr_t)init_start, (vaddr_t)init_end);
	page_alloc_free_reserved(image_to_phys(init_start), image_to_phys(init_end));
	pr_info("Freed %lu KiB of boot code and data\n", (unsigned long)(init_end - init_start) / 1024);
}

/* ---- roots and flushes ---------------------------------------------------------------------------------------------- */

void mmu_new_root(pgd_t *pgd)
{
	memcpy(pgd + PT_ENTRIES / 2, arch_kernel_pgd + PT_ENTRIES / 2, PAGE_SIZE / 2);
}

void mmu_load(struct mm *next)
{
	write_cr3((vaddr_t)next->pgd - page_offset_base);
}

void mmu_load_kernel(void)
{
	write_cr3((vaddr_t)arch_kernel_pgd - page_offset_base);
}

void tlb_flush_local(void)
{
	write_cr3(read_cr3());
}

void tlb_flush_local_all(void)
{
	unsigned long flags = irq_save(), cr4 = read_cr4();

	if (cr4 & CR4_PGE) {
		write_cr4(cr4 & ~CR4_PGE);
		write_cr4(cr4);
	} else {
		tlb_flush_local();
	}
	irq_restore(flags);
}

struct flush {
	struct mm *mm;			/* NULL: kernel addresses */
	vaddr_t start, end;
};

static void flush_here(void *arg)
{
	const struct flush *f = arg;

	if (f->end - f->start > FLUSH_ALL_PAGES * PAGE_SIZE) {
		if ((long)f->start < 0)
			tlb_flush_local_all();
		else
			tlb_flush_local();
		return;
	}
	for (vaddr_t a = f->start; a < f->end; a += PAGE_SIZE)
		tlb_flush_page_local(a);
}

/* In the interrupt. An idle CPU, or one in a kernel thread, gets out of the mask instead: the next flush lets it sleep. */
static void flush_remote(void *arg)
{
	const struct flush *f = arg;

	if (f->mm && !current->mm)
		mm_leave_lazy(f->mm);
	else
		flush_here(arg);
}

static void flush_on(struct mm *mm, u64 mask, vaddr_t start, vaddr_t end)
{
	struct flush f = { mm, start, end };
	u64 self = BIT(cpu_id());

	if (mask & self)
		flush_here(&f);
	if (unlikely(mask & ~self))
		cpu_call(mask & ~self, flush_remote, &f);
}

void tlb_flush_range(struct mm *mm, vaddr_t start, vaddr_t end)
{
	smp_mb();			/* page-table writes before the look at who runs */
	flush_on(mm, READ_ONCE(mm->cpumask), start, end);
}

void tlb_flush_mm(struct mm *mm)
{
	tlb_flush_range(mm, 0, TASK_SIZE_MAX);
}

void tlb_flush_kernel(vaddr_t start, vaddr_t end)
{
	smp_mb();
	flush_on(NULL, cpu_online_mask, start, end);
}
