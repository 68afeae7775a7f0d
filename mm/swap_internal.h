/*
 * swap_internal.h - what mm/swap.c, mm/swap_cache.c and mm/reclaim.c share.
 */
#ifndef MM_SWAP_INTERNAL_H
#define MM_SWAP_INTERNAL_H

#include "internal.h"

#include <kernel/workqueue.h>
#include <mm/memcg.h>

#define SLOT_CACHED	0x8000u		/* a page of the swap cache stands for it */
#define SLOT_BAD	0x7fffu		/* never given out: the header, bad blocks */
#define SLOT_HELD	0x7ffeu		/* in some reclaimer's batch */
#define SLOT_USES	0x7fffu
#define SLOT_MAX_USES	0x7ffdu
#define CLUSTER		64u		/* slots */
#define NO_CLUSTER	(~0u)
#define SWAP_BATCH	32

static inline bool slot_in_use(u16 m)
{
	return (m & SLOT_USES) && m != SLOT_BAD && m != SLOT_HELD;
}

struct cluster {
	u16	used;			/* slots that are not free */
	bool	discarding;		/* listed for it, or in the device's hands */
	u32	next;
};
struct cluster_list {
	u32	first, last;
};

struct swap_area {
	spinlock_t		lock;		/* LOCK_SWAP: map, clusters and counters */
	bool			writable;	/* new slots may be had */
	bool			discard_clusters; /* empty ones are told to the device */
	int			type, prio;
	u16			*map;		/* per slot: uses, SLOT_CACHED */
	u64			nr_slots;	/* the header's included */
	u64			nr_pages;	/* that can be used */
	u64			nr_used;
	struct cluster		*clusters;
	u32			nr_clusters;
	struct cluster_list	free, to_discard; /* empty ones */
	u64			run, run_end;	/* free slots that are given out next */
	u64			cursor;		/* where the search for holes goes on */
	struct work		discard_work;
	struct xarray		cache;		/* offset -> page of the swap cache */
	struct xarray		zswap;		/* offset -> what zswap keeps of it */
	atomic_long_t		nr_zswap;
	bool			in_memory;	/* a compressed disk: no pool in front of it */
	u16			*charged;	/* per slot: who pays, as memcg_swap_charge() says */
	struct address_space	*mapping;
	struct file		*file;
	char			*path;
	bool			is_file, activated;
	atomic_t		holders;	/* of this struct: those who work with it without an entry of their own */
	u64			peak_used;	/* slots */
	atomic_long_t		reads, writes, errors;	/* pages */
};

struct swap_area *swap_area_of(swp_entry_t e);		/* of an entry that is in use */
struct swap_area *swap_area_hold(unsigned type);	/* NULL when there is none */
void swap_area_release(struct swap_area *a);

extern struct swap_area *swap_areas[];
extern spinlock_t swap_areas_lock;
extern atomic_long_t swap_total, swap_used;
void swap_clusters_init(struct swap_area *a);
void swap_discard_work(struct work *w);

/* One slot, marked SLOT_CACHED, in the area of the highest priority that has one; neighbours of the last. The batch starts as zeroes. */
struct swap_batch {
	swp_entry_t	next;
	unsigned	nr;
};
bool swap_slot_alloc(struct swap_batch *b, swp_entry_t *out);
void swap_batch_end(struct swap_batch *b);		/* what was not used is free again */
/* Take the right to stand for a slot that is in use. False: it is free, or *busy: somebody has it. */
bool swap_slot_claim(swp_entry_t e, bool *busy);
void swap_slot_unclaim(swp_entry_t e);			/* clears SLOT_CACHED; the slot goes when it has no uses */
int swap_rw(swp_entry_t first, struct page **pages, unsigned nr, bool write) must_check;	/* by way of zswap */
int swap_area_rw(swp_entry_t first, struct page **pages, unsigned nr, bool write) must_check;	/* the area itself */
extern atomic_t swap_claims;	/* slots that are claimed with no page in the cache, for as long as their claimer sleeps */

/* zswap.c. Slot claimed. */
extern bool zswap_used;			/* since it was first switched on */
bool zswap_store(swp_entry_t e, struct page *p);	/* false: the area must have it */
bool zswap_load(swp_entry_t e, struct page *p);		/* false: it is in the area */
bool zswap_has(swp_entry_t e);				/* of an entry in use; a guess unless claimed */
void zswap_forget(struct swap_area *a, u64 at);		/* or the area's lock held */
unsigned zswap_write_back(unsigned nr);
void zswap_audit(struct audit *a);
void zswap_start(void);
void zpool_start(void);

/* What cgroups pay for in zswap; in bytes. */
static inline bool swap_zswap_allowed(owner_t o)
{
	return likely(!memcg_count) || memcg_zswap_allowed(o);
}
static inline void swap_zswap_charge(struct swap_area *a, u64 at, long bytes, long pages)
{
	if (unlikely(a->charged[at]))
		memcg_zswap_charge(a->charged[at], bytes, pages);
}
/* A slot just taken, for a page of this owner. False: its cgroup may not have more. */
static inline bool swap_slot_charge(swp_entry_t e, owner_t o)
{
	return likely(!memcg_count) || memcg_swap_charge(o, &swap_area_of(e)->charged[swp_offset(e)]);
}

/* The swap cache. */
struct page *swap_cache_get(swp_entry_t e);		/* a reference, or NULL */
int swap_cache_add(struct page *p, swp_entry_t e, gfp_t gfp) must_check;	/* slot claimed; page locked */
void swap_cache_remove(struct page *p);			/* locked; drops the cache's reference, the slot if unused */
bool swap_cache_drop_clean(struct page *p);		/* locked, the caller's is the only other reference */
void swap_cache_try_free(struct page *p);		/* nothing maps it: gone if nobody uses the slot either. Never sleeps */
/* Page of an entry in use, read when missing, with its neighbours among so many slots, a power of two. A reference; NULL: entry gone or no memory. */
struct page *swap_read(swp_entry_t e, unsigned slots);
unsigned swap_most_ahead(void);				/* by vm.page-cluster */
static inline swp_entry_t page_swap_entry(const struct page *p)
{
	return swp_from_index_value(p->private);
}

/* shmem */
bool shmem_swap_out(struct page *p, swp_entry_t e);	/* locked, in the swap cache: the entry takes its place in the file */
int shmem_swap_in(struct address_space *m, pgoff_t index, swp_entry_t e, struct page **out) must_check;
void shmem_drop_swapped(struct address_space *m, pgoff_t first, pgoff_t last);
int shmem_unuse(unsigned type);
void shmem_audit_swapped(void (*note)(void *arg, swp_entry_t e), void *arg);

#endif
