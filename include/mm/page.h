/*
 * page.h - struct page, one per frame of RAM, and its flags and references.
 * Border: open to arch.
 *
 * The array is virtually contiguous (vmemmap); only parts that describe RAM are backed.
 * Who may touch what: `flags` by atomic bit operations; refcount and mapcount are atomic; lru under the lock of the list
 * the page is on (zone, per-CPU, LRU); mapping and index are stable while the page is locked or referenced by the cache.
 */
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include <arch/page.h>		/* PAGE_SHIFT, PAGE_SIZE, vmemmap_base, page_offset_base, clear_page, copy_page */
#include <kernel/lock.h>
#include <lib/list.h>
#include <mm/ledger.h>

enum page_flag {
	PG_LOCKED,		/* sleeping bit lock: page_lock() */
	PG_UPTODATE,		/* contents are valid */
	PG_DIRTY,
	PG_WRITEBACK,
	PG_REFERENCED,		/* used since the ageing scan last saw it */
	PG_ACTIVE,		/* on the active list */
	PG_LRU,			/* on an LRU list */
	PG_UNEVICTABLE,		/* mlocked: on the unevictable list */
	PG_SLAB,
	PG_BUDDY,		/* head of a free block in the buddy lists; private = order */
	PG_HEAD,		/* first page of a compound allocation of compound_order */
	PG_TAIL,		/* other pages of it; private = pointer to the head */
	PG_RESERVED,		/* never allocated: firmware, kernel image, page array */
	PG_SWAPBACKED,		/* anon or shmem: goes to swap */
	PG_SWAPCACHE,
	PG_ERROR,		/* I/O failed */
	PG_TABLE,		/* a page-table page */
	PG_RECLAIM,		/* write back, then free at once */
	PG_READAHEAD,		/* came from swap as a neighbour, nobody has asked for it yet */
	PG_ANON_EXCLUSIVE,	/* anon page known to belong to one process: COW may reuse it */
	PG_WAITERS,		/* somebody sleeps on PG_LOCKED or PG_WRITEBACK */
	PG_LEVEL,		/* two bits: which level of its kind it is on; see reclaim_policy.h */
	PG_WORKINGSET = PG_LEVEL + 2,	/* page of a file: it was active once */
};

struct page {
	unsigned long	flags;
	atomic_t	refcount;	/* 0: free. One per holder: allocator's caller, page cache, each pte, pins */
	union {
		atomic_t	mapcount;	/* user page-table entries that map it; for page tables: live entries */
		u32		slab_inuse;	/* slab: objects not on slab_free */
	};
	struct list	lru;		/* buddy, slab or LRU list; or free to the owner */
	union {
		struct address_space	*mapping;	/* page cache */
		unsigned long		anon;		/* struct anon_vma pointer | 1 */
		struct slab_cache	*slab_cache;
		struct mm		*pt_mm;		/* page table: whose */
	};
	union {
		pgoff_t			index;		/* page cache: page offset in file; anon: address >> PAGE_SHIFT at creation */
		spinlock_t		*pt_lock_big;	/* page table in debug builds, where a spinlock is larger */
		u32			pt_lock_word;
		u32			slab_tags[2];	/* owner and site of the large objects that start in this page */
	};
	union {
		unsigned long	private;	/* buddy: order; swap cache: entry as swp_to_index_value(); compound tail: its head */
		void		*slab_free;	/* slab: first free object */
	};
	union {
		struct {
			u8		account;	/* enum account; always valid */
			u8		migratetype;	/* of the list it was taken from */
			owner_t		owner;
			u16		site;		/* alloc_site id */
			u8		compound_order;	/* of a PG_HEAD page */
			u8		pad;
		};
		u64			books;		/* all of it, for one store */
	};
};

static_assert(sizeof(struct page) <= 64, "one cache line per frame");
#define PAGE_NO_RAM	0xff	/* account of a struct page with no RAM behind it */

#define PAGE_ANON_TAG		1UL

#define page_to_pfn(p)		((pfn_t)((p) - (struct page *)vmemmap_base))
#define pfn_to_page(pfn)	((struct page *)vmemmap_base + (pfn))
#define page_to_phys(p)		((paddr_t)page_to_pfn(p) << PAGE_SHIFT)
#define phys_to_page(pa)	pfn_to_page((pa) >> PAGE_SHIFT)
#define phys_to_virt(pa)	((void *)(uintptr_t)(page_offset_base + (pa)))
#define virt_to_phys(v)		((paddr_t)((vaddr_t)(v) - page_offset_base))	/* direct map only */
#define virt_to_page(v)		phys_to_page(virt_to_phys(v))
#define page_address(p)		phys_to_virt(page_to_phys(p))

pfn_t page_max_pfn(void);	/* frame numbers are below this */
bool page_array_backed(pfn_t pfn);	/* is there a struct page? The same for all of an aligned block of 2^MAX_ORDER frames */
bool pfn_valid(pfn_t pfn);	/* is there a struct page, and RAM, behind this frame number? */

static inline bool page_test(const struct page *p, enum page_flag f)
{
	return (READ_ONCE(p->flags) >> f) & 1;
}
static inline void page_set(struct page *p, enum page_flag f)
{
	__atomic_fetch_or(&p->flags, 1UL << f, __ATOMIC_SEQ_CST);
}
static inline void page_clear(struct page *p, enum page_flag f)
{
	__atomic_fetch_and(&p->flags, ~(1UL << f), __ATOMIC_SEQ_CST);
}
static inline bool page_test_and_set(struct page *p, enum page_flag f)
{
	return (__atomic_fetch_or(&p->flags, 1UL << f, __ATOMIC_SEQ_CST) >> f) & 1;
}
static inline bool page_test_and_clear(struct page *p, enum page_flag f)
{
	return (__atomic_fetch_and(&p->flags, ~(1UL << f), __ATOMIC_SEQ_CST) >> f) & 1;
}
/* Only while nobody else changes the page: a fresh page, or under its owner's exclusive lock. Compaction, which goes by frame, may look. */
static inline void page_set_private(struct page *p, enum page_flag f)
{
	WRITE_ONCE(p->flags, READ_ONCE(p->flags) | 1UL << f);
}

static inline bool page_is_anon(const struct page *p)
{
	return READ_ONCE(p->anon) & PAGE_ANON_TAG;
}

static inline struct page *page_head(struct page *p)
{
	return page_test(p, PG_TAIL) ? (struct page *)p->private : p;
}

void page_release(struct page *p);	/* last reference gone: unlinks from LRU, frees; by page_put() only */

static inline void page_get(struct page *p)
{
	atomic_inc(&p->refcount);
}
static inline bool page_try_get(struct page *p)
{
	return atomic_inc_not_zero(&p->refcount);
}
static inline void page_put(struct page *p)
{
	if (atomic_dec_and_test(&p->refcount))
		page_release(p);
}
static inline int page_refs(const struct page *p)
{
	return atomic_read(&p->refcount);
}
static inline int page_mapcount(const struct page *p)
{
	return atomic_read(&p->mapcount);
}

void page_wait_init(void);

/* LOCK_PAGE. May sleep. */
void page_lock_slow(struct page *p);
void page_unlock(struct page *p);
static inline bool page_trylock(struct page *p)
{
	return !page_test_and_set(p, PG_LOCKED);
}
static inline void page_lock(struct page *p)
{
	if (!page_trylock(p))
		page_lock_slow(p);
}
void page_wait_writeback(struct page *p);	/* sleeps until PG_WRITEBACK is clear */
void page_end_writeback(struct page *p);

#endif
