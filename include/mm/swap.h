/*
 * swap.h - swap entries as they stand in page tables and the page cache, and the areas behind them.
 * Border: open to arch.
 *
 * A non-present, non-zero page-table entry holds a swp_entry_t: a type (which area, or one of the special
 * kinds below) and an offset. The encoding in a pte is <arch/pgtable.h>'s.
 */
#ifndef MM_SWAP_H
#define MM_SWAP_H

#include <lib/types.h>

typedef struct { u64 v; } swp_entry_t;

#define MAX_SWAPFILES	32
enum swap_special {			/* types above the real areas */
	SWP_MIGRATION = MAX_SWAPFILES,	/* page is being moved; offset: pfn */
	SWP_MARKER,			/* offset: enum marker bits (uffd write-protect, poisoned) */
	SWP_DEVICE,
};

static inline swp_entry_t swp_make(unsigned type, u64 offset)
{
	return (swp_entry_t){ (u64)type << 58 | offset };
}
static inline unsigned swp_type(swp_entry_t e)
{
	return e.v >> 58;
}
static inline u64 swp_offset(swp_entry_t e)
{
	return e.v & ((1UL << 58) - 1);
}

/* Entries in page tables and the page cache each hold one use of their slot. */
void swap_entry_dup(swp_entry_t e);
void swap_entry_put(swp_entry_t e);
unsigned long swap_total_pages(void);
unsigned long swap_free_pages(void);

#endif
