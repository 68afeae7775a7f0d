/*
 * pt.c - page-table pages: making, finding, freeing.
 *
 * The page table is the truth (docs/decisions/0001). Level-1 tables have a lock each, in their struct page; the upper levels
 * are filled in under mm->pt_lock, and only ever emptied by whoever holds mmap_lock for writing over the range, after every
 * area there has left the reverse maps. So a walk that reads upper levels without a lock is safe when it holds mmap_lock
 * (either way), or the anon_vma or i_mmap lock that keeps the area in its list.
 *
 * A table that the hardware may still walk is not freed: tables leave through a gather, which flushes first.
 */
#include "internal.h"

#ifdef DEBUG
static struct slab_cache *pt_lock_cache;

static bool pt_lock_create(struct page *p)
{
	if (!pt_lock_cache)
		pt_lock_cache = slab_cache_create("pt_lock", sizeof(spinlock_t), 0, SLAB_PANIC, NULL);
	p->pt_lock_big = slab_alloc(pt_lock_cache, GFP_KERNEL);
	if (!p->pt_lock_big)
		return false;
	spin_lock_init(p->pt_lock_big, "pt", LOCK_PT);
	return true;
}
static void pt_lock_destroy(struct page *p)
{
	slab_free(pt_lock_cache, p->pt_lock_big);
}
#else
static inline bool pt_lock_create(struct page *p)
{
	p->pt_lock_word = 0;
	return true;
}
static inline void pt_lock_destroy(struct page *p) { }
#endif

struct page *pt_page_alloc(struct mm *mm)
{
	struct page *p = page_alloc(GFP_KERNEL | GFP_ZERO, 0, ACCT_PAGE_TABLE);

	if (!p)
		return NULL;
	if (!pt_lock_create(p)) {
		page_free(p, 0);
		return NULL;
	}
	p->pt_mm = mm;
	page_set_private(p, PG_TABLE);
	vm_stat_add(NR_PAGETABLE, 1);
	atomic_add(&mm->pgtables_bytes, PAGE_SIZE);
	return p;
}

void pt_page_free(struct mm *mm, struct page *p)
{
	pt_lock_destroy(p);
	p->pt_mm = NULL;
	p->index = 0;
	page_clear(p, PG_TABLE);
	vm_stat_add(NR_PAGETABLE, -1);
	atomic_sub(&mm->pgtables_bytes, PAGE_SIZE);
	page_free(p, 0);
}

pte_t *pt_alloc_table(struct mm *mm, vaddr_t addr)
{
	pte_t *table = mm->pgd;

	for (unsigned level = pt_levels; level > 1; level--) {
		pte_t *slot = pt_offset(table, addr, level), e = pte_read(slot);

		if (unlikely(pte_none(e))) {
			struct page *p = pt_page_alloc(mm);

			if (!p)
				return NULL;
			spin_lock(&mm->pt_lock);
			e = pte_read(slot);
			if (pte_none(e)) {
				e = pt_entry_user(page_to_phys(p));
				smp_wmb();	/* its zeroes before its place in the tree */
				pte_set(slot, e);
				p = NULL;
			}
			spin_unlock(&mm->pt_lock);
			if (p)
				pt_page_free(mm, p);
		}
		table = pt_entry_virt(e);
	}
	return table;
}

vaddr_t pt_next_table(struct mm *mm, vaddr_t addr, vaddr_t end, pte_t **table)
{
	while (addr < end) {
		pte_t *t = mm->pgd;
		unsigned level = pt_levels;

		for (; level > 1; level--) {
			pte_t e = pte_read(pt_offset(t, addr, level));

			if (pte_none(e))
				break;
			t = pt_entry_virt(e);
		}
		if (level == 1) {
			*table = t;
			return addr;
		}
		addr = pt_next(addr, end, level);
	}
	*table = NULL;
	return end;
}

static void free_table(struct gather *g, pte_t *slot)
{
	struct page *p = phys_to_page(pt_entry_paddr(pte_read(slot)));

	pte_set(slot, (pte_t){ 0 });
	p->private = (unsigned long)g->tables;
	g->tables = p;
}

/* Free what hangs below `table` (of `level`) for [start, end), where floor and ceiling bound what nobody else uses. */
static void free_level(struct gather *g, pte_t *table, unsigned level, vaddr_t start, vaddr_t end,
		       vaddr_t floor, vaddr_t ceiling)
{
	vaddr_t next;

	for (vaddr_t a = start; a < end; a = next) {
		pte_t *slot = pt_offset(table, a, level), e = pte_read(slot);
		vaddr_t low = a & ~(PT_SIZE(level) - 1);

		next = pt_next(a, end, level);
		if (pte_none(e))
			continue;
		if (level > 2)
			free_level(g, pt_entry_virt(e), level - 1, a, next, floor, ceiling);
		if (low >= floor && low + PT_SIZE(level) - 1 <= ceiling - 1) {
			gather_note(g, low);
			free_table(g, slot);
		}
	}
}

/*
 * [start, end) maps nothing any more, and its neighbours are an area that ends at floor and one that starts at ceiling
 * (0: nothing above). Tables that lie wholly between the two go.
 */
void pt_free_range(struct gather *g, vaddr_t start, vaddr_t end, vaddr_t floor, vaddr_t ceiling)
{
	/* Quick exit: not even one level-1 table fits between the neighbours. */
	if (ceiling && ALIGN_UP(floor, PT_SIZE(2)) >= ALIGN_DOWN(ceiling, PT_SIZE(2)))
		return;
	free_level(g, g->mm->pgd, pt_levels, start, end, floor, ceiling);
}
