/*
 * zap.c - taking mappings away, many at a time.
 *
 * A gather collects what leaves the page table: pages whose reference the entry held, and page-table pages. They are
 * freed only after every CPU that may still translate through them has been flushed. Three shortcuts, each exact:
 *   full   the whole address space goes and no CPU has it loaded: nothing to flush at all.
 *   alone  nobody else can run in it meanwhile (one CPU, or its only thread is the caller): this CPU runs kernel code that
 *          does not touch the range, so pages can be freed at once and the flush waits for the end.
 *   else   clear, flush everywhere, then free. A flush interrupts other CPUs, so a batch grows by chunks of memory, as long as there
 *          is some, and few flushes do.
 */
#include "swap_internal.h"

/* Faults of other threads may go on meanwhile, and two threads may be here. */
void mm_update_hiwater(struct mm *mm)
{
	unsigned long rss = mm_rss(mm), high = READ_ONCE(mm->hiwater_rss);

	while (rss > high) {
		unsigned long seen = cmpxchg(&mm->hiwater_rss, high, rss);

		if (seen == high)
			break;
		high = seen;
	}
}

void gather_begin(struct gather *g, struct mm *mm, bool full)
{
	g->mm = mm;
	g->start = ~0UL;
	g->end = 0;
	g->full = full;
	g->alone = full || mm_is_alone(mm);
	g->nr = 0;
	g->room = GATHER_MAX;
	g->into = g->pages;
	g->chunks = NULL;
	g->nr_chunks = 0;
	for (int i = 0; i < NR_MM_COUNTERS; i++)
		g->rss[i] = 0;
	g->anon_unmapped = g->file_unmapped = 0;
	g->tables = NULL;
	mm_update_hiwater(mm);
}

static void flush_tlb(struct gather *g)
{
	if (!g->full && g->start < g->end)
		tlb_flush_range(g->mm, g->start, g->end);
	g->start = ~0UL;
	g->end = 0;
}

/* The batch is full: room for more, without a flush. */
static bool gather_grow(struct gather *g)
{
	struct gather_chunk *c;

	if (g->alone || g->nr_chunks == GATHER_CHUNKS)
		return false;
	c = kmalloc(sizeof(*c), GFP_NOWAIT | GFP_NOWARN);
	if (!c)
		return false;
	c->next = g->chunks;
	g->chunks = c;
	g->nr_chunks++;
	g->into = c->pages;
	g->nr = 0;
	g->room = ARRAY_SIZE(c->pages);
	return true;
}

static void free_chunks(struct gather *g)
{
	unsigned nr = g->nr;

	for (struct gather_chunk *c = g->chunks, *next; c; c = next) {
		next = c->next;
		page_put_bulk(c->pages, nr);
		nr = ARRAY_SIZE(c->pages);
		kfree(c);
	}
	g->chunks = NULL;
	g->nr_chunks = 0;
	g->into = g->pages;
	g->nr = g->room = GATHER_MAX;
}

static void free_pages(struct gather *g)
{
	if (unlikely(g->chunks))
		free_chunks(g);
	if (g->nr)
		page_put_bulk(g->pages, g->nr);
	g->nr = 0;
}

static void put_counters(struct gather *g)
{
	if (!g->alone)
		mm_update_hiwater(g->mm);	/* others have added pages since */
	for (int i = 0; i < NR_MM_COUNTERS; i++) {
		if (g->rss[i])
			mm_counter_add(g->mm, i, -g->rss[i]);
		g->rss[i] = 0;
	}
	if (g->anon_unmapped)
		vm_stat_add(NR_ANON_MAPPED, -g->anon_unmapped);
	if (g->file_unmapped)
		vm_stat_add(NR_FILE_MAPPED, -g->file_unmapped);
	g->anon_unmapped = g->file_unmapped = 0;
}

/* Everything collected goes. No spinning lock held. */
void gather_flush(struct gather *g)
{
	flush_tlb(g);
	put_counters(g);
	free_pages(g);
	while (g->tables) {
		struct page *p = g->tables;

		g->tables = (struct page *)p->private;
		p->private = 0;
		pt_page_free(g->mm, p);
	}
}

void gather_end(struct gather *g)
{
	gather_flush(g);
	if (!g->full)
		flush_for_others(g->mm);
}

static void zap_file_page(struct gather *g, struct page *p, pte_t e)
{
	g->rss[page_test(p, PG_SWAPBACKED) ? MM_SHMEM : MM_FILE]++;
	if (pte_dirty(e))
		page_mapping_dirty(p);
	if (pte_young(e) && !page_test(p, PG_REFERENCED))
		page_set(p, PG_REFERENCED);
	if (atomic_dec_and_test(&p->mapcount))
		g->file_unmapped++;
}

/* One present entry is gone from the table; the caller puts the page into the batch. False: it had no counted page. */
static inline bool zap_present(struct gather *g, pte_t e, struct page **out)
{
	struct page *p;

	if (unlikely(pte_special(e)))
		return false;
	p = pfn_to_page(pte_pfn(e));
	if (likely(page_is_anon(p))) {
		g->rss[MM_ANON]++;
		if (atomic_dec_and_test(&p->mapcount)) {
			g->anon_unmapped++;
			if (unlikely(page_test(p, PG_SWAPCACHE)))
				swap_cache_try_free(p);
		}
	} else {
		zap_file_page(g, p, e);
	}
	*out = p;
	return true;
}

static void zap_swap_entry(struct gather *g, pte_t e)
{
	swp_entry_t s = pte_to_swp(e);

	if (swp_type(s) < MAX_SWAPFILES) {
		g->rss[MM_SWAP]++;
		swap_entry_put(s);
	}
}

/* Entries of one level-1 table, [addr, end) inside it. */
static void zap_table(struct gather *g, pte_t *table, vaddr_t addr, vaddr_t end, unsigned flags)
{
	pte_t *pte = pt_offset(table, addr, 1);
	spinlock_t *ptl = pt_lock_of(pte);
	bool keep_cow = !(flags & ZAP_COWED);
	vaddr_t first = ~0UL;
	struct page *p;

	spin_lock(ptl);
	for (; addr < end; addr += PAGE_SIZE, pte++) {
		pte_t e = pte_read(pte);

		if (pte_none(e))
			continue;
		if (unlikely(!pte_present(e))) {
			if (keep_cow)
				continue;
			pte_set(pte, (pte_t){ 0 });
			zap_swap_entry(g, e);
			continue;
		}
		if (unlikely(keep_cow) && !pte_special(e) && page_is_anon(pfn_to_page(pte_pfn(e))))
			continue;
		if (g->alone)
			pte_set(pte, (pte_t){ 0 });	/* no other CPU can set its bits meanwhile */
		else
			e = pte_xchg(pte, (pte_t){ 0 });
		if (first == ~0UL)
			first = addr;
		if (!zap_present(g, e, &p))
			continue;
		g->into[g->nr++] = p;
		if (unlikely(g->nr == g->room) && !gather_grow(g)) {
			gather_note(g, first);
			gather_note(g, addr);
			if (g->alone) {
				free_pages(g);
			} else {
				spin_unlock(ptl);
				gather_flush(g);
				spin_lock(ptl);
			}
		}
	}
	spin_unlock(ptl);
	if (first != ~0UL) {
		gather_note(g, first);
		gather_note(g, end - PAGE_SIZE);
	}
}

/*
 * Remove the mappings of [start, end). mmap_lock held (reading is enough: madvise), or the file's
 * i_mmap_lock (truncate).
 */
void zap_range(struct gather *g, vaddr_t start, vaddr_t end, unsigned flags)
{
	pte_t *table;
	vaddr_t stop;

	pt_for_each_table(g->mm, table, start, end, stop)
		zap_table(g, table, start, stop, flags);
}

void zap_vma_range(struct vma *v, vaddr_t start, vaddr_t end)
{
	struct gather g;

	ledger_note_process(v->mm);
	gather_begin(&g, v->mm, false);
	zap_range(&g, start, end, ZAP_ALL);
	gather_end(&g);
}

/* ---- all mappings of a part of a file ---------------------------------------------------------------------- */

struct unmap_work {
	pgoff_t	first, last;
	bool	cowed;
};

static bool unmap_one(struct vma *v, void *arg)
{
	struct unmap_work *w = arg;
	pgoff_t first = max(w->first, v->pgoff), last = min(w->last, v->pgoff + vma_pages(v) - 1);
	struct gather g;

	gather_begin(&g, v->mm, false);
	zap_range(&g, v->start + ((first - v->pgoff) << PAGE_SHIFT),
		  v->start + ((last - v->pgoff + 1) << PAGE_SHIFT), w->cowed ? ZAP_COWED : 0);
	gather_end(&g);
	return true;
}

void unmap_mapping_range(struct address_space *m, pgoff_t first, pgoff_t last, bool cowed)
{
	struct unmap_work w = { first, last, cowed };

	if (rb_empty(&m->i_mmap))
		return;
	mutex_lock(&m->i_mmap_lock);
	i_mmap_walk(m->i_mmap.node, first, last, unmap_one, &w);
	mutex_unlock(&m->i_mmap_lock);
}
