/*
 * rmap.c - from a page to the entries that map it.
 *
 * SHAPE       anonymous page -> anon_vma -> every area of the family (fork, split, move of one origin) -> the entry at
 *             area->start + (page->index - area->pgoff).      file page -> mapping->i_mmap, an interval tree of areas.
 * WHY ONE     an anon_vma for a whole family, as Linux had before 2.6.34: fork links one list node and allocates nothing.
 *             The price is a longer walk for pages of large families; docs/decisions/0003 weighs it.
 * LIFE        an anon_vma lives while it has areas or walkers. A page names its anon_vma without a reference: all its entries
 *             belong to areas of that family, and an area leaves only when it maps nothing. So a walker checks the mapcount under
 *             anon_vma_gone_lock, which the last put also takes before it frees.
 * LOCKS       anon_vma->lock or i_mmap_lock during a walk, and the table's lock around each visit.
 */
#include "internal.h"

static struct slab_cache *anon_vma_cache;
static spinlock_t anon_vma_gone_lock = SPINLOCK_INIT("anon_vma_gone", LOCK_LEAF);

void rmap_init(void)
{
	anon_vma_cache = slab_cache_create("anon_vma", sizeof(struct anon_vma), 0, SLAB_PANIC, NULL);
}

static void anon_vma_free(struct anon_vma *av)
{
	spin_lock(&anon_vma_gone_lock);		/* a walker that saw a mapping has its reference by now */
	spin_unlock(&anon_vma_gone_lock);
	slab_free(anon_vma_cache, av);
}

void anon_vma_put(struct anon_vma *av)
{
	if (atomic_dec_and_test(&av->refs))
		anon_vma_free(av);
}

struct anon_vma *anon_vma_get(struct page *p)
{
	struct anon_vma *av = NULL;
	unsigned long anon;

	spin_lock(&anon_vma_gone_lock);
	anon = READ_ONCE(p->anon);
	if ((anon & PAGE_ANON_TAG) && page_mapcount(p)) {
		av = (struct anon_vma *)(anon & ~PAGE_ANON_TAG);
		if (!atomic_inc_not_zero(&av->refs))
			av = NULL;
	}
	spin_unlock(&anon_vma_gone_lock);
	return av;
}

void anon_vma_join(struct vma *v, struct anon_vma *av)
{
	if (!av)
		return;
	debug_assert(!v->anon_vma);
	atomic_inc(&av->refs);
	rwsem_write_lock(&av->lock);
	v->anon_vma = av;
	list_append(&av->vmas, &v->anon_link);
	rwsem_write_unlock(&av->lock);
}

void anon_vma_unlink(struct vma *v)
{
	struct anon_vma *av = v->anon_vma;

	if (!av)
		return;
	rwsem_write_lock(&av->lock);
	list_remove(&v->anon_link);
	rwsem_write_unlock(&av->lock);
	v->anon_vma = NULL;
	anon_vma_put(av);
}

/* A neighbour's family will do when the two could be merged later but for it: then they still can. */
static struct anon_vma *anon_vma_of_neighbour(struct vma *v)
{
	struct vma *n = v->next;

	for (int side = 0; side < 2; side++, n = v->prev) {
		struct vma *low = side ? n : v, *high = side ? v : n;

		if (n && n->anon_vma && low->end == high->start && n->file == v->file && n->ops == v->ops &&
		    !((n->flags ^ v->flags) & ~(VM_READ | VM_WRITE | VM_EXEC)) &&
		    high->pgoff == low->pgoff + vma_pages(low))
			return n->anon_vma;
	}
	return NULL;
}

/*
 * Give v a family before its first private page. mmap_lock held for reading, so several faults may race: mm->pt_lock decides.
 */
int anon_vma_prepare(struct vma *v)
{
	struct anon_vma *av, *fresh = NULL;

	if (likely(READ_ONCE(v->anon_vma)))
		return 0;
	av = anon_vma_of_neighbour(v);
	if (!av) {
		fresh = slab_alloc(anon_vma_cache, GFP_KERNEL);
		if (!fresh)
			return -ENOMEM;
		rwsem_init(&fresh->lock, "anon_vma", LOCK_ANON_VMA);
		list_init(&fresh->vmas);
		atomic_set(&fresh->refs, 0);
		av = fresh;
	}
	rwsem_write_lock(&av->lock);
	spin_lock(&v->mm->pt_lock);
	if (!v->anon_vma) {
		atomic_inc(&av->refs);
		list_append(&av->vmas, &v->anon_link);
		WRITE_ONCE(v->anon_vma, av);
		fresh = NULL;
	}
	spin_unlock(&v->mm->pt_lock);
	rwsem_write_unlock(&av->lock);
	slab_free(anon_vma_cache, fresh);
	return 0;
}

void rmap_add_anon(struct page *p, struct vma *v, vaddr_t addr)
{
	page_set_anon(p, v->anon_vma);
	p->index = vma_pgoff(v, addr);
	atomic_set(&p->mapcount, 1);
	vm_stat_add(NR_ANON_MAPPED, 1);
}

/* ---- walks ------------------------------------------------------------------------------------------------ */

static bool visit(struct page *p, struct vma *v, struct rmap_walk *w)
{
	vaddr_t addr = v->start + ((p->index - v->pgoff) << PAGE_SHIFT);
	bool go_on = true;
	spinlock_t *ptl;
	pte_t *pte, e;

	if (p->index < v->pgoff || addr >= v->end || addr < v->start)
		return true;
	pte = pt_find(v->mm, addr);
	if (!pte)
		return true;
	ptl = pt_lock_of(pte);
	spin_lock(ptl);
	e = pte_read(pte);
	if (pte_present(e) && !pte_special(e) && pte_pfn(e) == page_to_pfn(p))
		go_on = w->one(w, p, v, addr, pte);
	spin_unlock(ptl);
	return go_on;
}

static bool walk_anon(struct page *p, struct rmap_walk *w)
{
	struct anon_vma *av = anon_vma_get(p);
	bool done = true;
	struct vma *v;

	if (!av)
		return true;
	if (w->try_only) {
		if (!rwsem_read_trylock(&av->lock)) {
			anon_vma_put(av);
			return false;
		}
	} else {
		rwsem_read_lock(&av->lock);
	}
	list_for_each(v, &av->vmas, anon_link) {
		done = visit(p, v, w);
		if (!done)
			break;
	}
	rwsem_read_unlock(&av->lock);
	anon_vma_put(av);
	return done;
}

static inline struct vma *inode_vma(struct rb_node *n)
{
	return rb_entry(n, struct vma, i_mmap_node);
}

/* Areas whose file range meets [first, last], left to right; call from the root. False stops. */
bool i_mmap_walk(struct rb_node *n, pgoff_t first, pgoff_t last, bool (*fn)(struct vma *v, void *arg), void *arg)
{
	while (n) {
		struct vma *v = inode_vma(n);

		if (v->i_mmap_last < first)
			return true;
		if (n->left && !i_mmap_walk(n->left, first, last, fn, arg))
			return false;
		if (v->pgoff > last)
			return true;
		if (v->pgoff + vma_pages(v) - 1 >= first && !fn(v, arg))
			return false;
		n = n->right;
	}
	return true;
}

struct file_walk {
	struct page		*page;
	struct rmap_walk	*w;
};

static bool walk_file_one(struct vma *v, void *arg)
{
	struct file_walk *fw = arg;

	return visit(fw->page, v, fw->w);
}

static bool walk_file(struct page *p, struct rmap_walk *w)
{
	struct address_space *m = p->mapping;
	struct file_walk fw = { p, w };
	bool done;

	if (!m)
		return true;
	if (w->try_only) {
		if (!mutex_trylock(&m->i_mmap_lock))
			return false;
	} else {
		mutex_lock(&m->i_mmap_lock);
	}
	done = i_mmap_walk(m->i_mmap.node, p->index, p->index, walk_file_one, &fw);
	mutex_unlock(&m->i_mmap_lock);
	return done;
}

bool rmap_walk(struct page *p, struct rmap_walk *w)
{
	if (!page_mapcount(p))
		return true;
	return page_is_anon(p) ? walk_anon(p, w) : walk_file(p, w);
}

static bool referenced_one(struct rmap_walk *w, struct page *p, struct vma *v, vaddr_t addr, pte_t *pte)
{
	int *count = w->arg;
	pte_t e = pte_read(pte);

	if (v->flags & VM_LOCKED) {
		*count = -1;
		return false;
	}
	if (!pte_young(e))
		return true;
	/* No flush: a translation that stays cached only makes the page look older than it is. */
	while (!pte_cmpxchg(pte, e, pte_mkold(e)))
		e = pte_read(pte);
	reclaim_age_flush(v->mm, addr);
	(*count)++;
	return true;
}

/* Entries with the accessed bit, which is cleared. -1: a locked area maps it. */
int rmap_referenced(struct page *p)
{
	int count = 0;
	struct rmap_walk w = { .one = referenced_one, .arg = &count, .try_only = true };

	if (!rmap_walk(p, &w) && count >= 0)
		return 1;
	return count;
}

static bool clean_one(struct rmap_walk *w, struct page *p, struct vma *v, vaddr_t addr, pte_t *pte)
{
	pte_t e = pte_read(pte);

	if (!(v->flags & VM_SHARED) || !(pte_write(e) || pte_dirty(e)))
		return true;
	while (!pte_cmpxchg(pte, e, pte_wrprotect(pte_mkclean(e))))
		e = pte_read(pte);
	tlb_flush_range(v->mm, addr, addr + PAGE_SIZE);
	(*(int *)w->arg)++;
	return true;
}

/* Before writing a shared page back: later stores must fault, to be noticed. Number of entries that were writable or dirty. */
int rmap_clean(struct page *p)
{
	int count = 0;
	struct rmap_walk w = { .one = clean_one, .arg = &count };

	rmap_walk(p, &w);
	return count;
}

static bool unmap_one(struct rmap_walk *w, struct page *p, struct vma *v, vaddr_t addr, pte_t *pte)
{
	struct mm *mm = v->mm;
	pte_t e;

	if (v->flags & VM_LOCKED) {
		*(int *)w->arg = -EAGAIN;
		return false;
	}
	mm_update_hiwater(mm);
	e = pte_xchg(pte, (pte_t){ 0 });
	flush_note(w->flush, mm, addr);
	if (page_is_anon(p)) {
		swp_entry_t s = swp_from_index_value(p->private);

		if (pte_dirty(e) && !page_test(p, PG_DIRTY))
			page_set(p, PG_DIRTY);
		swap_entry_dup(s);
		mm_counter_add(mm, MM_SWAP, 1);
		mm_counter_add(mm, MM_ANON, -1);
		pte_set(pte, pte_soft_dirty(e) ? pte_mksoft_dirty(pte_from_swp(s)) : pte_from_swp(s));
	} else {
		if (pte_dirty(e))
			filemap_set_dirty(p);
		mm_counter_add(mm, page_mm_counter(p), -1);
	}
	rmap_remove(p);
	page_put(p);		/* the walker's own reference remains */
	return page_mapcount(p) > 0;
}

/* Page locked, with a reference; an anonymous one is in the swap cache. 0 when nothing maps it any more. */
int rmap_unmap_all(struct page *p, struct flush_batch *flush)
{
	int err = 0;
	struct rmap_walk w = { .one = unmap_one, .arg = &err, .flush = flush, .try_only = true };

	debug_assert(!page_is_anon(p) || page_test(p, PG_SWAPCACHE));
	rmap_walk(p, &w);
	return page_mapcount(p) ? -EAGAIN : 0;
}

static bool discard_one(struct rmap_walk *w, struct page *p, struct vma *v, vaddr_t addr, pte_t *pte)
{
	struct mm *mm = v->mm;
	pte_t e = pte_xchg(pte, (pte_t){ 0 });

	tlb_flush_range(mm, addr, addr + PAGE_SIZE);
	if (pte_dirty(e) || (v->flags & VM_LOCKED)) {	/* written again since, or wanted */
		pte_set(pte, e);
		page_set(p, PG_SWAPBACKED);
		*(int *)w->arg = -EAGAIN;
		return false;
	}
	mm_update_hiwater(mm);
	mm_counter_add(mm, MM_ANON, -1);
	rmap_remove(p);
	page_put(p);
	return page_mapcount(p) > 0;
}

/* Page locked, with a reference, isolated from the LRU. */
int rmap_discard(struct page *p)
{
	int err = 0;
	struct rmap_walk w = { .one = discard_one, .arg = &err, .try_only = true };

	if (!rmap_walk(p, &w) && page_mapcount(p))
		return -EAGAIN;
	return page_mapcount(p) ? -EAGAIN : err;
}
