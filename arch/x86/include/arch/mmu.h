/*
 * mmu.h - the privileged half of paging: loading roots, flushing translations, kernel mappings.
 *
 * mm/ decides what must be flushed and where; who holds translations of an address space stands in mm->cpumask, which
 * mm/ keeps. A flush returns when no CPU of the mask uses the old translations any more.
 */
#ifndef ARCH_MMU_H
#define ARCH_MMU_H

#include <arch/pgtable.h>
#include <arch/uaccess.h>	/* TASK_SIZE_MAX */
#include <kernel/percpu.h>

struct mm;

extern pgd_t *arch_kernel_pgd;		/* the root every process root copies its upper half from */
void arch_map_low(bool on);	/* the first GiB at its physical address too, while other CPUs start */

void mmu_load(struct mm *next);		/* user translations of another address space are gone afterwards */
void mmu_load_kernel(void);		/* the kernel's own root */
void mmu_new_root(pgd_t *pgd);		/* fill the kernel half of a cleared root; it never changes later */

void tlb_flush_range(struct mm *mm, vaddr_t start, vaddr_t end);
void tlb_flush_mm(struct mm *mm);
void tlb_flush_kernel(vaddr_t start, vaddr_t end);	/* all CPUs */
static always_inline void tlb_flush_page_local(vaddr_t addr)
{
	__asm__ volatile("invlpg (%0)" : : "r"(addr) : "memory");
}
void tlb_flush_local(void);		/* this CPU's user translations */
void tlb_flush_local_all(void);		/* global ones too */

/* Back the page array: page-aligned, skips what is mapped. Before the page allocator, from memblock. */
void arch_vmemmap_map(vaddr_t start, vaddr_t end);
/* One kernel page in the vmalloc or module area. 0 or -ENOMEM (a table was needed). The caller flushes after an unmap. */
int kernel_map_page(vaddr_t addr, pfn_t pfn, pgprot_t prot) must_check;
pte_t kernel_unmap_page(vaddr_t addr);	/* the old entry; none when nothing was there */
pte_t *kernel_pte(vaddr_t addr);	/* NULL when no table, or a large page, is there */
bool kernel_address_readable(vaddr_t addr);

/* Registers of a device (uncached), or firmware tables (read-only); for the machine layer, before vmalloc. Never unmapped. */
void *arch_map_device(paddr_t pa, size_t len, bool uncached);
void arch_mm_late_init(void);		/* the page allocator works: page tables come from it now */

/* vmalloc area; its root entries are allocated at boot, so every process root has them. */
vaddr_t arch_vmalloc_end(void);

#endif
