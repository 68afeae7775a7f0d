/*
 * swap_internal.h - what mm/swap.c, mm/swap_cache.c and mm/reclaim.c share.
 */
#ifndef MM_SWAP_INTERNAL_H
#define MM_SWAP_INTERNAL_H

#include "internal.h"

#define SLOT_CACHED	0x8000u		/* a page of the swap cache stands for it */
#define SLOT_BAD	0x7fffu		/* never given out: the header, bad blocks */
#define SLOT_USES	0x7fffu

struct swap_area {
	spinlock_t		lock;		/* LOCK_SWAP: map and counters */
	bool			writable;	/* new slots may be had */
	int			type, prio;
	u16			*map;		/* per slot: uses, SLOT_CACHED */
	u64			nr_slots;	/* the header's included */
	u64			nr_pages;	/* that can be used */
	u64			nr_used;
	u64			cursor;		/* where the next search starts */
	struct xarray		cache;		/* offset -> page of the swap cache */
	struct address_space	*mapping;
	struct file		*file;
	char			*path;
	bool			is_file;
	atomic_t		holders;	/* of this struct: those who work with it without an entry of their own */
	u64			reads, writes, errors;	/* pages */
};

struct swap_area *swap_area_of(swp_entry_t e);		/* of an entry that is in use */
struct swap_area *swap_area_hold(unsigned type);	/* NULL when there is none */
void swap_area_release(struct swap_area *a);

/* One slot, marked SLOT_CACHED, in the area of the highest priority that has one. */
bool swap_slot_alloc(swp_entry_t *out);
/* Take the right to stand for a slot that is in use. False: it is free, or *busy: somebody has it. */
bool swap_slot_claim(swp_entry_t e, bool *busy);
void swap_slot_unclaim(swp_entry_t e);			/* clears SLOT_CACHED; the slot goes when it has no uses */
int swap_rw(swp_entry_t first, struct page **pages, unsigned nr, bool write) must_check;

/* The swap cache. */
struct page *swap_cache_get(swp_entry_t e);		/* a reference, or NULL */
int swap_cache_add(struct page *p, swp_entry_t e, gfp_t gfp) must_check;	/* slot claimed; page locked */
void swap_cache_remove(struct page *p);			/* locked; drops the cache's reference, the slot if unused */
bool swap_cache_drop_clean(struct page *p);		/* locked, the caller's is the only other reference */
void swap_cache_try_free(struct page *p);		/* nothing maps it: gone if nobody uses the slot either. Never sleeps */
/* Page of an entry in use, read when missing, maybe with neighbours. A reference; NULL: entry gone or no memory. */
struct page *swap_read(swp_entry_t e, bool ahead);
static inline swp_entry_t page_swap_entry(const struct page *p)
{
	return (swp_entry_t){ p->private };
}

/* shmem */
bool shmem_swap_out(struct page *p, swp_entry_t e);	/* locked, in the swap cache: the entry takes its place in the file */
int shmem_swap_in(struct address_space *m, pgoff_t index, swp_entry_t e, struct page **out) must_check;
void shmem_drop_swapped(struct address_space *m, pgoff_t first, pgoff_t last);
int shmem_unuse(unsigned type);
void shmem_audit_swapped(void (*note)(void *arg, swp_entry_t e), void *arg);

#endif
