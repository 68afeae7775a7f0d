/*
 * pgtable.h - for the 32-bit host build, which has the allocators but no page tables: only the types that headers name.
 */
#ifndef ARCH_PGTABLE_H
#define ARCH_PGTABLE_H

#include <arch/page.h>

typedef struct { u64 v; } pte_t;
typedef pte_t pgd_t;
typedef struct { u64 v; } pgprot_t;

#endif
