/*
 * swap.c - swap entries. No area can be added yet, so none of a real type exists; the page-table side is complete.
 *
 * Entries of the special types stand in page tables without a use count: a migration entry belongs to whoever moves the
 * page, a marker to its entry.
 */
#include "internal.h"

void swap_entry_dup(swp_entry_t e)
{
	panic("swap entry %#lx of an area that does not exist", (unsigned long)e.v);
}

void swap_entry_put(swp_entry_t e)
{
	panic("swap entry %#lx of an area that does not exist", (unsigned long)e.v);
}

unsigned long swap_total_pages(void)
{
	return 0;
}

unsigned long swap_free_pages(void)
{
	return 0;
}

enum fault_result fault_swap(struct fault *f)
{
	swp_entry_t e = pte_to_swp(f->seen);

	switch (swp_type(e)) {
	case SWP_MIGRATION:		/* the mover will put the page back: try again */
		cond_resched();
		return FAULT_RETRY;
	default:			/* a marker: poisoned */
		return FAULT_SIGBUS;
	}
}
