/*
 * page_alloc.h - frames: zones, the buddy allocator, per-CPU lists.
 * Border: open to arch.
 */
#ifndef MM_PAGE_ALLOC_H
#define MM_PAGE_ALLOC_H

#include <kernel/lock.h>
#include <kernel/percpu.h>
#include <kernel/time.h>
#include <mm/gfp.h>
#include <mm/page.h>

#define MAX_ORDER	10		/* largest block: 4 MiB */
#define NR_ORDERS	(MAX_ORDER + 1)

enum zone_type { ZONE_DMA, ZONE_DMA32, ZONE_NORMAL, NR_ZONES };
enum migratetype { MIGRATE_UNMOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE, NR_MIGRATETYPES };
enum watermark { WMARK_MIN, WMARK_LOW, WMARK_HIGH, NR_WMARKS };

struct zone {
	spinlock_t	lock;					/* LOCK_ZONE */
	const char	*name;
	pfn_t		start_pfn, end_pfn;			/* spanned */
	unsigned long	present_pages;				/* RAM in the span */
	unsigned long	managed_pages;				/* given to the buddy, ever */
	unsigned long	watermark[NR_WMARKS];			/* pages */
	unsigned long	lowmem_reserve[NR_ZONES];		/* kept from requests that could use that higher zone */
	atomic_long_t	nr_free;				/* buddy lists; per-CPU lists are beside */
	struct list	free[NR_ORDERS][NR_MIGRATETYPES];	/* by page->lru; PG_BUDDY, private = order */
	unsigned long	nr_free_blocks[NR_ORDERS][NR_MIGRATETYPES];
};

extern struct zone zones[NR_ZONES];
extern const struct page *zones_dma_end, *zones_dma32_end;	/* first struct page past the zone */
extern unsigned long sysctl_min_free_kbytes;
void zones_set_watermarks(void);	/* after sysctl_min_free_kbytes changed */

static inline enum zone_type page_zone_type(const struct page *p)
{
	return p < zones_dma_end ? ZONE_DMA : p < zones_dma32_end ? ZONE_DMA32 : ZONE_NORMAL;
}
static inline struct zone *page_zone(const struct page *p)
{
	return &zones[page_zone_type(p)];
}

/* Pageblocks of 2 MiB of each migratetype, for /proc/pagetypeinfo. */
void zone_pageblocks(struct zone *z, unsigned long out[NR_MIGRATETYPES]);

void page_alloc_init(void);
/* The area of another CPU was copied from the boot CPU's: forget what it says it holds. */
void mm_init_cpu(unsigned cpu);

/*
 * Allocate 2^order contiguous frames for `account`. May sleep if gfp has GFP_WAIT. Contents undefined unless GFP_ZERO.
 * NULL when out of memory. refcount is 1, mapcount 0, flags clear except the zone's.
 * Orders above 0 are compound (PG_HEAD/PG_TAIL) so that page_put() on the head frees all.
 */
struct page *page_alloc_at(gfp_t gfp, unsigned order, enum account account, struct alloc_site *site) must_check;
#define page_alloc(gfp, order, account)	page_alloc_at(gfp, order, account, ALLOC_SITE())

/* One page if this CPU has one ready and nothing else is to be done for it; never sleeps, never looks further. */
struct page *page_alloc_at_hand(gfp_t gfp, enum account account, struct alloc_site *site) must_check;

/* Free frames whose only reference is the caller's (refcount 1). */
void page_free(struct page *p, unsigned order);

/* Up to nr order-0 pages into out[]; returns how many. Cheaper than one by one. */
unsigned page_alloc_bulk_at(gfp_t gfp, enum account account, unsigned nr, struct page **out, struct alloc_site *site);
#define page_alloc_bulk(gfp, account, nr, out)	page_alloc_bulk_at(gfp, account, nr, out, ALLOC_SITE())
/* Frames that boot reserved (init sections, the initramfs) go to the buddy. [start, end) page-aligned inwards. Pages freed. */
unsigned long page_alloc_free_reserved(paddr_t start, paddr_t end);
/* Drop one reference of each; frees those that reach 0 in one go. The array is scratch afterwards. */
void page_put_bulk(struct page **pages, unsigned nr);

/* Return this CPU's (or every CPU's) per-CPU lists to the buddy. */
void page_alloc_drain_local(void);
void page_alloc_drain_all(void);

/* A CPU's stacks of free pages: how many of the zone's are there now, when some go back, how many at a time. */
struct pageset_info { unsigned long count, high, batch; };
void zone_pageset(const struct zone *z, unsigned cpu, struct pageset_info *out);

unsigned long nr_free_pages(void);		/* buddy plus per-CPU lists */
unsigned long nr_total_pages(void);		/* managed by the allocator: MemTotal */
unsigned long nr_ram_pages(void);		/* all frames of RAM, reserved ones too */

/* Above the high watermark in some zone usable for gfp? What kswapd and the OOM decision ask. */
bool zone_watermark_ok(struct zone *z, enum watermark mark, unsigned order);

/* Set by mm/reclaim.c; page_alloc calls it with nothing locked when below the watermark. Returns pages freed. */
extern unsigned long (*page_reclaim)(gfp_t gfp, unsigned order);
/* When direct reclaim first found nothing, and nothing was found since: monotonic ns; 0: it does find. For the OOM report. */
extern ktime_t reclaim_first_failed;
/* Set by mm/compact.c: move pages until there is a block of this order. True: there is one. */
extern bool (*page_compact)(gfp_t gfp, unsigned order);
/* Last resort: choose and kill. True when waiting may help. */
extern bool (*page_oom)(gfp_t gfp, unsigned order);

/* Set by mm/lru.c: the LRU forgets pages whose last references are gone (those of them that it has). */
extern void (*page_lru_forget)(struct page **pages, unsigned nr);
/* Wakes background reclaim; called without locks when a zone falls below its low watermark. */
extern void (*page_wake_reclaim)(struct zone *z);

/* Above 0: the n-th page or slab allocation from now fails. Below: mm/fail.c is asked each time. 0: off. */
extern atomic_long_t alloc_fail_countdown;

/* Other counters that Linux's interfaces show; machine-wide, exact. */
enum vm_event {
	PGALLOC, PGFREE, PGFAULT, PGMAJFAULT, PGPGIN, PGPGOUT, PSWPIN, PSWPOUT, PGSCAN, PGSTEAL, PGACTIVATE, PGDEACTIVATE,
	PGREFILL, ALLOCSTALL, OOM_KILL, DROP_PAGECACHE, DROP_SLAB,
	PGSCAN_DIRECT, PGSCAN_ANON, PGSTEAL_DIRECT, PGSTEAL_ANON,	/* shares of PGSCAN, PGSTEAL; the rest is kswapd's, files' */
	PGLAZYFREE, PGLAZYFREED, PGREUSE, SLABS_SCANNED, PAGEOUTRUN, VMSCAN_WRITE, PAGES_DIRTIED, PAGES_WRITTEN,
	WORKINGSET_REFAULT, WORKINGSET_RESTORE, WORKINGSET_REFAULT_ANON, UNEVICTABLE_CULLED, UNEVICTABLE_RESCUED, ZSWPIN, ZSWPOUT,
	PGMIGRATE_SUCCESS, PGMIGRATE_FAIL, COMPACT_MIGRATE_SCANNED, COMPACT_FREE_SCANNED, COMPACT_ISOLATED, COMPACT_STALL, COMPACT_FAIL,
	COMPACT_SUCCESS, NR_VM_EVENTS
};
enum vm_stat {
	NR_FILE_PAGES, NR_FILE_MAPPED, NR_FILE_DIRTY, NR_WRITEBACK, NR_SHMEM, NR_ANON_PAGES, NR_ANON_MAPPED,
	NR_INACTIVE_ANON, NR_ACTIVE_ANON, NR_INACTIVE_FILE, NR_ACTIVE_FILE, NR_UNEVICTABLE, NR_MLOCK,
	NR_PAGETABLE, NR_KSTACK_PAGES, NR_SLAB_RECLAIMABLE, NR_SLAB_UNRECLAIMABLE, NR_SWAPCACHE, NR_VM_STATS
};
struct vm_counters {
	long	event[NR_VM_EVENTS];
	long	stat[NR_VM_STATS];
};
DECLARE_PER_CPU(struct vm_counters, vm_counters);
static inline void vm_event_add(enum vm_event e, long n)	/* per-CPU, no atomics */
{
	this_cpu_add(vm_counters.event[e], n);
}
static inline void vm_stat_add(enum vm_stat s, long n)		/* exact: per CPU, summed when read */
{
	this_cpu_add(vm_counters.stat[s], n);
}
unsigned long vm_event_read(enum vm_event e);
long vm_stat_read(enum vm_stat s);

#endif
