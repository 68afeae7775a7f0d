/*
 * swap.h - swap entries as they stand in page tables and the page cache, and the areas behind them.
 * Border: open to arch.
 *
 * A non-present, non-zero page-table entry holds a swp_entry_t: a type (which area, or one of the special
 * kinds below) and an offset. The encoding in a pte is <arch/pgtable.h>'s.
 */
#ifndef MM_SWAP_H
#define MM_SWAP_H

#include <lib/compiler.h>
#include <lib/types.h>

typedef struct { u64 v; } swp_entry_t;

#define MAX_SWAPFILES	32
enum swap_special {			/* types above the real areas */
	SWP_MIGRATION = MAX_SWAPFILES,	/* page is being moved; offset: pfn */
	SWP_MARKER,			/* no page: offset says why (SWP_POISONED) */
	SWP_DEVICE,
};

#define SWP_POISONED	1		/* the contents are lost: SIGBUS, and EIO for a read of shared memory */

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
	return e.v & (BIT_ULL(58) - 1);
}
/* As it stands in a file's page index (xa_value); offsets stay far below 2^50. */
static inline unsigned long swp_to_index_value(swp_entry_t e)
{
	return swp_offset(e) << 6 | swp_type(e);
}
static inline swp_entry_t swp_from_index_value(unsigned long v)
{
	return swp_make(v & 63, v >> 6);
}

struct address_space;
struct file;
struct text;

enum { SWAP_DISCARD_ONCE = 1, SWAP_DISCARD_CLUSTERS = 2 };
/*
 * Use a device or file whose mapping has ops->swap_rw. prio -1: below all that have none given. discard: SWAP_DISCARD_*. Consumes one
 * reference of the file when it succeeds. 0, -EINVAL (no swap signature, too small), -EBUSY, -ENOMEM, -EIO, -EPERM (32 areas).
 */
int swap_on(struct file *f, struct address_space *m, const char *path, bool is_file, int prio, unsigned discard) must_check;
/* Bring everything back and let go. 0, -EINVAL (not in use), -ENOMEM, -EINTR, -EIO. */
int swap_off(struct address_space *m);

/* Entries in page tables and the page cache each hold one use of their slot. Nothing here sleeps. */
void swap_entry_dup(swp_entry_t e);
void swap_entry_put(swp_entry_t e);
unsigned swap_entry_uses(swp_entry_t e);		/* besides the swap cache's */
unsigned long swap_total_pages(void);
unsigned long swap_free_pages(void);
int swaps_report(struct text *out);			/* the lines of /proc/swaps below its heading */
void swap_report_events(struct text *out);		/* "area ..." for each, those that are gone too: /proc/ledger/events */
void swap_totals(unsigned long *total, unsigned long *free_pages);

extern int sysctl_swappiness, sysctl_page_cluster;

#endif
