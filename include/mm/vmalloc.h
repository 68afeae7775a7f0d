/*
 * vmalloc.h - kernel memory that is contiguous in virtual addresses only, kernel stacks, and device mappings.
 * Border: open to arch, kernel.
 */
#ifndef MM_VMALLOC_H
#define MM_VMALLOC_H

#include <arch/pgtable.h>
#include <mm/gfp.h>
#include <mm/ledger.h>

void vmalloc_init(void);
/* Page-granular, followed by an unmapped guard page. May sleep. NULL when out of memory or address space. */
void *vmalloc_at(size_t size, gfp_t gfp, enum account account, struct alloc_site *site) must_check;
#define vmalloc(size)		vmalloc_at(size, GFP_KERNEL, ACCT_VMALLOC, ALLOC_SITE())
#define vzalloc(size)		vmalloc_at(size, GFP_KERNEL | GFP_ZERO, ACCT_VMALLOC, ALLOC_SITE())
void vfree(const void *p);		/* NULL is a no-op; frees at a safe point, may sleep */
bool is_vmalloc_addr(const void *p);
struct page *vmalloc_to_page(const void *p);

/* KSTACK_SIZE bytes with a guard page below; a few are cached per CPU. */
void *kstack_alloc_at(struct alloc_site *site) must_check;	/* lowest address */
#define kstack_alloc()		kstack_alloc_at(ALLOC_SITE())
void kstack_free(void *stack);

/* Map device memory; cache attribute by prot. NULL when out of memory. */
void *ioremap(paddr_t pa, size_t size, pgprot_t prot) must_check;
void iounmap(void *p);

void vmalloc_purge(void);		/* freed addresses can be used again; flushes all CPUs */
void kstack_cache_drain(void);		/* this CPU's free stacks go back */
void vmalloc_init_cpu(unsigned cpu);

struct text;
int vmalloc_report(struct text *out);	/* /proc/vmallocinfo; 0 or -ENOMEM */

#endif
