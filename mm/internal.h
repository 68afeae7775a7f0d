/*
 * internal.h - what the files of mm/ about address spaces share among themselves.
 */
#ifndef MM_INTERNAL_H
#define MM_INTERNAL_H

#include <abi/errno.h>
#include <abi/mman.h>
#include <arch/mmu.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <kernel/task.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <mm/lru.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/rmap.h>
#include <mm/slab.h>
#include <mm/swap.h>

/* ---- areas: vma.c ---- */
struct vma *vma_alloc(struct mm *mm) must_check;
struct vma *vma_dup(const struct vma *v) must_check;	/* same fields, in no tree; holds its file */
void vma_free(struct vma *v);	/* drops name and anon_vma membership at once, the file in mm_write_unlock() */
void mm_write_unlock(struct mm *mm);			/* also lets go of dead areas' files */
void mm_free_dead(struct mm *mm);
void vma_insert(struct mm *mm, struct vma *v);		/* tree, list, file's index */
void vma_insert_after(struct mm *mm, struct vma *v, struct vma *prev);
void vma_remove(struct mm *mm, struct vma *v);
void vma_resize(struct vma *v, vaddr_t start, vaddr_t end, pgoff_t pgoff);
int vma_split(struct mm *mm, struct vma *v, vaddr_t addr, bool new_below) must_check;
/* What a new stretch must agree on with a neighbour to become one area with it. */
struct vma_key {
	u32			flags;
	struct file		*file;
	struct address_space	*mapping;
	const struct vm_ops	*ops;
	void			*priv;
	struct anon_vma		*anon_vma;
	pgoff_t			pgoff;
	const char		*name;
};
void vma_key_of(const struct vma *v, struct vma_key *k);
/* [start, end) right after prev becomes part of a neighbour; the area that has it now, or NULL. Never fails half-way. */
struct vma *vma_merge(struct mm *mm, struct vma *prev, vaddr_t start, vaddr_t end, const struct vma_key *k);
vaddr_t vma_gap_search(struct mm *mm, size_t len, vaddr_t low, vaddr_t high, bool bottom_up);
void vma_validate(struct mm *mm);
vaddr_t vma_guard_start(const struct vma *v);
void vma_set_prot(struct vma *v);
void vma_file_link(struct vma *v);
void vma_file_unlink(struct vma *v);
extern struct slab_cache *vma_cache;

static inline bool vma_is_anon(const struct vma *v)
{
	return !v->ops && !v->mapping;
}
static inline bool vma_accessible(const struct vma *v)
{
	return v->flags & (VM_READ | VM_WRITE | VM_EXEC);
}
static inline bool vma_flags_private_write(u32 flags)
{
	return (flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}
/* Does writing through it need page_mkwrite and dirty tracking, so that entries start read-only? */
bool vma_tracks_dirty(const struct vma *v);

#define STACK_GUARD_GAP	(256 * PAGE_SIZE)

#define PT_USER_END	((vaddr_t)PT_USER_ENTRIES << PT_SHIFT(pt_levels))

/* ---- page tables: pt.c ---- */
/* The level-1 table that covers addr, or NULL. */
static always_inline pte_t *pt_find_table(const struct mm *mm, vaddr_t addr)
{
	pte_t *table = mm->pgd;

	for (unsigned shift = PT_SHIFT(pt_levels); shift > PAGE_SHIFT; shift -= 9) {
		pte_t e = pte_read(table + ((addr >> shift) & (PT_ENTRIES - 1)));

		if (unlikely(pte_none(e)))
			return NULL;
		table = pt_entry_virt(e);
	}
	return table;
}
static always_inline pte_t *pt_find(const struct mm *mm, vaddr_t addr)
{
	pte_t *table = pt_find_table(mm, addr);

	return table ? pt_offset(table, addr, 1) : NULL;
}
pte_t *pt_alloc_table(struct mm *mm, vaddr_t addr) must_check;	/* the same, made when missing; NULL: out of memory */
struct page *pt_page_alloc(struct mm *mm) must_check;
void pt_page_free(struct mm *mm, struct page *p);
/* Free tables that no area between floor and ceiling needs; they map nothing any more. */
struct gather;
void pt_free_range(struct gather *g, vaddr_t start, vaddr_t end, vaddr_t floor, vaddr_t ceiling);

static always_inline spinlock_t *pt_lock_of(const pte_t *pte)
{
	struct page *p = virt_to_page((vaddr_t)pte & PAGE_MASK);
#ifdef DEBUG
	return p->pt_lock_big;
#else
	return (spinlock_t *)&p->pt_lock_word;
#endif
}
/* First address at or after addr whose level-1 table exists, below end; its table in *table. end when none. */
vaddr_t pt_next_table(struct mm *mm, vaddr_t addr, vaddr_t end, pte_t **table);
static inline pte_t *pt_table_from(struct mm *mm, vaddr_t *at, vaddr_t end, vaddr_t *stop)
{
	pte_t *table = NULL;

	if (*at < end)
		*at = pt_next_table(mm, *at, end, &table);
	if (table)
		*stop = pt_next(*at, end, 2);
	return table;
}
/* The tables that exist in [at, end), in turn: `table` serves [at, stop). The body may lower `stop`. */
#define pt_for_each_table(mm, table, at, end, stop) \
	for (; ((table) = pt_table_from(mm, &(at), end, &(stop))); (at) = (stop))

/* ---- flushes put off: flush.c ---- */
#define FLUSH_MMS	8
struct flush_batch {
	unsigned	nr;
	struct flush_of {
		struct mm	*mm;
		vaddr_t		start, end;
	} of[FLUSH_MMS];
};
/* An entry that named a page was just cleared, or turned to another frame; its table's lock held. NULL: flush at once. */
void flush_note(struct flush_batch *b, struct mm *mm, vaddr_t addr);
void flush_now(struct flush_batch *b);
void flush_end(struct flush_batch *b);		/* no spinning lock held; the batch is empty again */
/* Entries of the address space are gone or changed: those that reclaim cleared before count as flushed, too. */
static inline void flush_for_others(struct mm *mm)
{
	if (unlikely(atomic_read(&mm->flushes_put_off)))
		tlb_flush_mm(mm);
}

/* ---- tearing down: zap.c ---- */
#define GATHER_MAX	126
#define GATHER_CHUNKS	16			/* 32 MiB between two flushes, at most */
struct gather_chunk {
	struct gather_chunk	*next;
	struct page		*pages[511];
};
struct gather {
	struct mm	*mm;
	vaddr_t		start, end;		/* what must be flushed; start >= end: nothing */
	bool		full;			/* the whole mm goes and runs nowhere: no flushes */
	bool		alone;			/* no other CPU has it loaded: pages may go before the flush */
	unsigned	nr, room;		/* of what `into` points to */
	struct page	**into;			/* pages[], then the youngest chunk's */
	struct gather_chunk *chunks;		/* others use the address space: every flush interrupts them, so seldom */
	unsigned	nr_chunks;
	long		rss[NR_MM_COUNTERS];	/* taken away so far */
	long		anon_unmapped, file_unmapped;
	struct page	*tables;		/* chained by private */
	struct page	*pages[GATHER_MAX];
};
void gather_begin(struct gather *g, struct mm *mm, bool full);
void gather_flush(struct gather *g);
void gather_end(struct gather *g);
enum zap_flags {
	ZAP_COWED	= 1,	/* private copies in file areas go too */
	ZAP_ALL		= ZAP_COWED,
};
void zap_range(struct gather *g, vaddr_t start, vaddr_t end, unsigned flags);
void zap_vma_range(struct vma *v, vaddr_t start, vaddr_t end);	/* a gather of its own */
/* All mappings of pages [first, last] of a file; cowed: private copies too. Takes i_mmap_lock. */
void unmap_mapping_range(struct address_space *m, pgoff_t first, pgoff_t last, bool cowed);

static inline void gather_note(struct gather *g, vaddr_t addr)
{
	if (addr < g->start)
		g->start = addr;
	if (addr + PAGE_SIZE > g->end)
		g->end = addr + PAGE_SIZE;
}

#define ANON_FLAGS	(BIT(PG_UPTODATE) | BIT(PG_SWAPBACKED))

/* ---- counters ---- */
static inline unsigned page_mm_counter(const struct page *p)
{
	return page_is_anon(p) ? MM_ANON : page_test(p, PG_SWAPBACKED) ? MM_SHMEM : MM_FILE;
}
void mm_update_hiwater(struct mm *mm);
int commit_charge(struct mm *mm, unsigned long pages) must_check;	/* Committed_AS; -ENOMEM by the overcommit policy */
void commit_uncharge(unsigned long pages);
void mm_account_vma(struct mm *mm, u32 flags, struct file *file, long pages);	/* total_vm and its parts */
bool mm_may_expand(struct mm *mm, u32 flags, unsigned long pages);
bool vma_counts_commit(u32 flags, const struct file *file);
unsigned long rlimit_now(unsigned resource);

/* ---- mmap.c ---- */
int unmap_locked(struct mm *mm, vaddr_t start, vaddr_t end) must_check;
/* Do the splits that unmapping [start, end) from v on would need, so that it cannot fail later. */
int unmap_split(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end) must_check;
void commit_force(unsigned long pages);		/* a charge that was paid for already and only moves */
vaddr_t mmap_area(struct mm *mm, vaddr_t hint, size_t len, int flags);	/* where a new mapping goes; address or negative errno */
u32 prot_to_vm(int prot);
int mlock_allowed(struct mm *mm, unsigned long more_pages);

struct vma *vma_change_flags(struct mm *mm, struct vma *v, vaddr_t start, vaddr_t end, u32 flags, int *err);
void munlock_pages(struct vma *v, vaddr_t start, vaddr_t end);
void filemap_init(void);
void shmem_init(void);
void reclaim_init(void);
void swap_init(void);

/* ---- faults ---- */
extern struct page *zero_page;
enum fault_result fault_area(struct fault *f);		/* vma, addr, access set; mmap_lock held */
enum fault_result fault_write_protected(struct fault *f);
enum fault_result fault_swap(struct fault *f);
bool swap_in_memory(swp_entry_t e);			/* a page of the swap cache has it. A guess */
enum fault_result fault_mkwrite(struct fault *f, struct page *p);
enum fault_result filemap_fault(struct fault *f);
int vma_expand_down(struct vma *v, vaddr_t addr) must_check;	/* stack growth; 0 or -ENOMEM, -EACCES */
struct vma *vma_find_or_grow(struct mm *mm, vaddr_t addr, bool *grown);
bool stack_grow_allowed(struct mm *mm, struct vma *v, vaddr_t start);
/* Fault in what is missing, as the area allows; mmap_lock held for reading. 0, -ENOMEM, -EFAULT. */
int populate_page(struct vma *v, vaddr_t addr, bool write);
/*
 * An accessed bit was cleared. With quire.deterministic the translation goes too: how long one stays cached is the emulator's choice, by the
 * host's clock, and so which page would be found used again.
 */
extern bool reclaim_exact_ages;
static inline void reclaim_age_flush(struct mm *mm, vaddr_t addr)
{
	if (unlikely(reclaim_exact_ages))
		tlb_flush_range(mm, addr, addr + PAGE_SIZE);
}
void reclaim_pages_now(struct page **pages, unsigned nr);	/* MADV_PAGEOUT: the caller has references */
int populate_area(struct vma *v, vaddr_t start, vaddr_t end);
void mlock_populate(struct mm *mm, vaddr_t start, vaddr_t end);

DECLARE_PER_CPU(struct mm *, loaded_mm);

/* Can nobody but the caller change entries of mm now, the hardware included? */
static inline bool mm_is_alone(const struct mm *mm)
{
	return nr_cpus == 1 || (mm == current->mm && atomic_read(&mm->users) == 1);
}
bool i_mmap_walk(struct rb_node *n, pgoff_t first, pgoff_t last, bool (*fn)(struct vma *v, void *arg), void *arg);

/* Keep the object behind shared anonymous memory (v->mapping without v->file); tagged in bit 0. */
void *shmem_anon_get(struct vma *v);
void shmem_anon_put(void *tagged);
const char *shmem_anon_name(const struct vma *v, u64 *ino);	/* for maps; NULL when it is none */

/* ---- workingset.c ---- */
void workingset_init(void);
void workingset_evicted(const struct page *p);	/* it leaves the cache */
void compact_init(void);
/* A new page in the place of one that was dropped only just now: it is made active. */
void workingset_refault(struct page *p, const struct address_space *m, pgoff_t index);
bool workingset_thrashing(void);

/* ---- page cache helpers ---- */
/* A locked page, not up to date, at index; inserted, on the LRU, with a reference. 0, -EEXIST, -ENOMEM, -ENOSPC. */
int filemap_create(struct address_space *m, pgoff_t index, gfp_t gfp, struct page **out) must_check;
void filemap_delete(struct page *p);	/* locked, unmapped; out of the cache, the cache's reference dropped */
int filemap_fill(struct address_space *m, struct page *p) must_check;	/* read_page when not up to date; locked */
void readahead_around(struct address_space *m, pgoff_t index, bool random);
void readahead_sequential(struct address_space *m, struct readahead *ra, pgoff_t index, unsigned want);
void writeback_note_dirty(struct address_space *m);
void writeback_forget(struct address_space *m);
void writeback_init(void);
int writeback_one_locked(struct page *p) must_check;
void filemap_clear_dirty(struct page *p);	/* accounting of a page that will never be written */
void balance_dirty(struct address_space *m);
int shmem_charge(struct address_space *m) must_check;		/* one more page; 0, -ENOSPC, -ENOMEM */
void shmem_uncharge(struct address_space *m);
void shmem_mapping_destroy(struct address_space *m);
bool filemap_drop_clean(struct page *p);
void page_mapping_dirty(struct page *p);	/* a dirty entry of a file page was seen */

#endif
