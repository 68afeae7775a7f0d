/*
 * memblock.h - which physical ranges exist and which are taken, before the page allocator runs.
 * Border: open to arch.
 */
#ifndef MM_MEMBLOCK_H
#define MM_MEMBLOCK_H

#include <mm/ledger.h>

struct boot_info;
void memblock_init(const struct boot_info *b);	/* everything the loader said */
/* RAM and holes as the loader gave them; page-aligned inwards. Up to a fixed number of ranges; more is a panic. */
void memblock_add(paddr_t start, u64 len);
/* Taken, and for which account (IMAGE, RESERVED, BOOT, PAGE_ARRAY, PAGE_TABLE …). Overlaps keep the first claim. */
void memblock_reserve(paddr_t start, u64 len, enum account account);
/* Allocate from RAM that is mapped already (below memblock_limit); panics when there is none. Contents cleared. */
paddr_t memblock_alloc(u64 len, u64 align, enum account account);
/* Highest physical address that early page tables map. */
void memblock_set_limit(paddr_t limit);
paddr_t memblock_end_of_ram(void);

struct memblock_range {
	paddr_t		start, end;
	enum account	account;	/* ACCT_FREE for plain RAM */
};
/* Walk all RAM in address order, split where the account changes. False at the end. Start with *cursor = 0. */
bool memblock_next(paddr_t *cursor, struct memblock_range *out);

#endif
