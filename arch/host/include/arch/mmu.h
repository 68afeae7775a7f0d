/*
 * mmu.h - the privileged half of paging on the host machine; the same contracts as x86's. arch/host/mmu.c has the TLB.
 */
#ifndef ARCH_MMU_H
#define ARCH_MMU_H

#include <arch/pgtable.h>
#include <kernel/percpu.h>

struct mm;

extern pgd_t *arch_kernel_pgd;

void mmu_load(struct mm *next);
void mmu_load_kernel(void);
void mmu_new_root(pgd_t *pgd);
void tlb_flush_range(struct mm *mm, vaddr_t start, vaddr_t end);
void tlb_flush_mm(struct mm *mm);
void tlb_flush_kernel(vaddr_t start, vaddr_t end);
void tlb_flush_page_local(vaddr_t addr);
void tlb_flush_local(void);
void tlb_flush_local_all(void);
void arch_vmemmap_map(vaddr_t start, vaddr_t end);
int kernel_map_page(vaddr_t addr, pfn_t pfn, pgprot_t prot) must_check;
pte_t kernel_unmap_page(vaddr_t addr);
pte_t *kernel_pte(vaddr_t addr);
bool kernel_address_readable(vaddr_t addr);
vaddr_t arch_vmalloc_end(void);

#endif
