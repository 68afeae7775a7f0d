/*
 * migrate.c - a user page's contents move to another frame, while programs go on.
 *
 * ANONYMOUS   mapped once: under the lock of its table the entry is cleared and flushed, the page copied, the entry set again. Whoever
 *             faults meanwhile sees an empty entry, prepares a page, takes the lock and finds the entry back: so no marker
 *             has to stand there. Mapped several times, all entries are read-only (fork left them so): the copy is made once, and
 *             each entry is turned to it; one that was missed keeps the old frame, as after a store of its own.
 * TOGETHER    up to 32 pages: all their entries are cleared, then the other CPUs are told once, then the pages are copied. Meanwhile the
 *             tables of the first kind stay locked, a few at most; where a lock is not to be had at once, or others share
 *             the page, it moves by itself.
 * FILES       unmapped everywhere, copied and exchanged in the cache under the lock of its index, if nobody has a reference. The
 *             next access maps it again without I/O.
 * STAYS       what is pinned, under I/O, in the swap cache, or a locked area's page of a file.
 * BOOKS       the two frames exchange account, owner and site; the sums are the same.
 * LOCKS       the page's lock; the family's or file's lock of areas, tried only; table locks or the index's lock.
 */
#include "internal.h"

#include <mm/filemap.h>
#include "ledger/charge.h"
#include "migrate.h"

#define FLAGS_THAT_MOVE	(BIT(PG_UPTODATE) | BIT(PG_DIRTY) | BIT(PG_REFERENCED) | BIT(PG_ACTIVE) | BIT(PG_SWAPBACKED) |	\
			 BIT(PG_UNEVICTABLE) | BIT(PG_ANON_EXCLUSIVE) | BIT(PG_READAHEAD) | BIT(PG_ERROR))

/* What it is counted as goes with the contents; of what kind of block the frame is does not. */
static void exchange_books(struct page *a, struct page *b)
{
	struct page was = { .books = a->books };

	ledger_lock();
	a->account = b->account;
	a->owner = b->owner;
	a->site = b->site;
	b->account = was.account;
	b->owner = was.owner;
	b->site = was.site;
	ledger_unlock();
}

/* Nothing can go wrong any more, and nobody sees `to` yet. */
static void move_state(struct page *to, struct page *from)
{
	copy_page(page_address(to), page_address(from));
	to->mapping = from->mapping;		/* or the family: one word */
	to->index = from->index;
	to->flags |= from->flags & FLAGS_THAT_MOVE;
	exchange_books(to, from);
}

static inline pte_t with_frame(pte_t e, const struct page *p)
{
	return (pte_t){ (e.v & ~PTE_FRAME) | page_to_phys(p) };
}

/* ---- anonymous pages with one entry, many together ---------------------------------------------------------------- */

#define MAX_FAMILIES	3		/* locked at a time; a block's pages are often of one program, next to each other */
#define MAX_TABLES	6

/* A page whose only entry is cleared, under the lock of its table. */
struct held {
	unsigned	which;
	pte_t		*pte, entry;
};

struct together {
	struct anon_vma		*families[MAX_FAMILIES];
	spinlock_t		*tables[MAX_TABLES];
	unsigned		nr_families, nr_tables, nr_held;
	struct held		held[MIGRATE_BATCH];
	struct flush_batch	flush;
};

static struct anon_vma *lock_family(struct together *g, struct page *p)
{
	struct anon_vma *av = page_mapcount(p) == 1 ? anon_vma_get(p) : NULL;

	for (unsigned i = 0; av && i < g->nr_families; i++)
		if (g->families[i] == av) {
			anon_vma_put(av);	/* not the last: the family is locked */
			return av;
		}
	if (!av)
		return NULL;
	if (g->nr_families == MAX_FAMILIES || !rwsem_read_trylock(&av->lock)) {
		anon_vma_put(av);
		return NULL;
	}
	return g->families[g->nr_families++] = av;
}

static bool lock_table(struct together *g, pte_t *pte)
{
	spinlock_t *ptl = pt_lock_of(pte);

	for (unsigned i = 0; i < g->nr_tables; i++)
		if (g->tables[i] == ptl)
			return true;
	if (g->nr_tables == MAX_TABLES || !spin_trylock(ptl))
		return false;
	g->tables[g->nr_tables++] = ptl;
	return true;
}

static void unlock_all(struct together *g)
{
	while (g->nr_tables)
		spin_unlock(g->tables[--g->nr_tables]);
	while (g->nr_families) {
		struct anon_vma *av = g->families[--g->nr_families];

		rwsem_read_unlock(&av->lock);
		anon_vma_put(av);
	}
}

static bool names(pte_t e, const struct page *p)
{
	return pte_present(e) && !pte_special(e) && pte_pfn(e) == page_to_pfn(p);
}

/* Clear the only entry of pages[which], whose family is locked. Left alone when that is not to be had at once. */
static void clear_entry(struct together *g, struct page *p, unsigned which, struct anon_vma *av)
{
	struct vma *v;

	list_for_each(v, &av->vmas, anon_link) {
		vaddr_t addr = v->start + ((p->index - v->pgoff) << PAGE_SHIFT);
		pte_t *pte;

		if (p->index < v->pgoff || addr >= v->end || addr < v->start)
			continue;
		pte = pt_find(v->mm, addr);
		if (!pte || !names(pte_read(pte), p))
			continue;
		if (!lock_table(g, pte) || !names(pte_read(pte), p) || page_mapcount(p) != 1)
			return;
		g->held[g->nr_held++] = (struct held){ which, pte, pte_xchg(pte, (pte_t){ 0 }) };
		flush_note(&g->flush, v->mm, addr);
		return;
	}
}

/* Flushed, the table still locked: copy, or put the entry back when somebody took hold of the page before it was cleared. */
static bool settle_entry(const struct held *h, struct page *p, struct page *to)
{
	if (page_refs(p) != 2) {		/* the entry's and ours are two */
		pte_set(h->pte, h->entry);
		return false;
	}
	move_state(to, p);
	atomic_set(&to->mapcount, 1);
	atomic_set(&p->mapcount, 0);
	page_get(to);
	pte_set(h->pte, with_frame(h->entry, to));
	page_put(p);
	return true;
}

/* The bits of those that moved, out of `which`. */
static u32 move_together(struct page **pages, struct page **to, unsigned nr, u32 which)
{
	struct together g = { .nr_held = 0 };
	struct anon_vma *of[MIGRATE_BATCH];
	u32 moved = 0;

	for (unsigned i = 0; i < nr; i++)
		of[i] = which & BIT(i) ? lock_family(&g, pages[i]) : NULL;
	for (unsigned i = 0; i < nr; i++)
		if (of[i])
			clear_entry(&g, pages[i], i, of[i]);
	flush_now(&g.flush);
	for (unsigned i = 0; i < g.nr_held; i++) {
		const struct held *h = &g.held[i];

		if (settle_entry(h, pages[h->which], to[h->which]))
			moved |= (u32)BIT(h->which);
	}
	unlock_all(&g);
	flush_end(&g.flush);
	return moved;
}

/* ---- one by one --------------------------------------------------------------------------------------------------- */

struct move {
	struct page		*to;
	struct flush_batch	*flush;
	bool			begun;
};

static bool move_only_entry(struct move *mv, struct page *p, struct vma *v, vaddr_t addr, pte_t *pte)
{
	struct held h = { .pte = pte, .entry = pte_xchg(pte, (pte_t){ 0 }) };

	tlb_flush_range(v->mm, addr, addr + PAGE_SIZE);
	mv->begun = settle_entry(&h, p, mv->to);
	return false;
}

/* Flushed later: both frames hold the same until then, for a store to the new one, which has our reference too, copies it and flushes. */
static bool turn_entry(struct move *mv, struct page *p, struct vma *v, vaddr_t addr, pte_t *pte)
{
	pte_t e = pte_read(pte);

	if (pte_write(e))
		return false;
	if (!mv->begun)
		move_state(mv->to, p);
	mv->begun = true;
	while (!pte_cmpxchg(pte, e, with_frame(e, mv->to)))
		e = pte_read(pte);
	flush_note(mv->flush, v->mm, addr);
	page_get(mv->to);
	if (atomic_inc_return(&mv->to->mapcount) == 1)
		vm_stat_add(NR_ANON_MAPPED, 1);
	rmap_remove(p);
	page_put(p);
	return page_mapcount(p) > 0;
}

static bool move_entry(struct rmap_walk *w, struct page *p, struct vma *v, vaddr_t addr, pte_t *pte)
{
	struct move *mv = w->arg;
	int maps = page_mapcount(p);

	if (!mv->begun && page_refs(p) != maps + 1)
		return false;
	return maps == 1 && !mv->begun ? move_only_entry(mv, p, v, addr, pte) : turn_entry(mv, p, v, addr, pte);
}

/* True when `to` is in use now. Of a page that several map some entries may still name the old frame then. */
static bool move_anon(struct page *p, struct page *to, struct flush_batch *flush)
{
	struct move mv = { .to = to, .flush = flush };
	struct rmap_walk w = { .one = move_entry, .arg = &mv, .try_only = true };

	if (!page_mapcount(p))
		return false;
	rmap_walk(p, &w);
	return mv.begun;
}

/* ---- pages of files -------------------------------------------------------------------------------------------------- */

static bool unmap_cached(struct page *p, struct flush_batch *flush)
{
	struct address_space *m = p->mapping;

	return m && !(m->ops && m->ops->free_page) && !(page_mapcount(p) && rmap_unmap_all(p, flush));
}

/* Unmapped and flushed; who mapped it again since has a reference. */
static bool move_cached(struct page *p, struct page *to)
{
	struct address_space *m = p->mapping;
	bool done = false;

	xa_lock(&m->pages);
	if (page_refs(p) == 2 && !page_test(p, PG_WRITEBACK) && xa_load_locked(&m->pages, p->index) == p) {
		move_state(to, p);
		page_get(to);
		if (xa_store_locked(&m->pages, p->index, to))
			panic("migrate: a place that was there needs memory");
		WRITE_ONCE(p->mapping, NULL);
		done = true;
	}
	xa_unlock(&m->pages);
	if (done)
		page_put(p);
	return done;
}

/* Back to its list with our reference gone. If the area was unlocked meanwhile, nobody found the page on the unevictable one. */
static void settle(struct page *p)
{
	page_get(p);
	lru_putback(p);
	if (unlikely(page_test(p, PG_UNEVICTABLE)) && page_trylock(p)) {
		if (page_mapcount(p) && rmap_referenced(p) >= 0)
			lru_clear_unevictable(p);
		page_unlock(p);
	}
	page_put(p);
}

/* ---- a batch ---------------------------------------------------------------------------------------------------------- */

/* Locked and movable: the bits of anonymous pages, and of those of files, which are unmapped. */
static void lock_pages(struct page **pages, unsigned nr, u32 *locked, u32 *anon, u32 *cached, struct flush_batch *flush)
{
	*locked = *anon = *cached = 0;
	for (unsigned i = 0; i < nr; i++) {
		struct page *p = pages[i];

		if (!page_trylock(p))
			continue;
		*locked |= (u32)BIT(i);
		if (page_test(p, PG_WRITEBACK) || page_test(p, PG_SWAPCACHE))
			continue;
		if (page_is_anon(p))
			*anon |= (u32)BIT(i);
		else if (unmap_cached(p, flush))
			*cached |= (u32)BIT(i);
	}
}

static void finish(struct page *p, struct page *to, bool moved)
{
	if (moved) {
		lru_place(to);
		settle(to);
	}
	if (moved && !page_mapcount(p)) {
		p->flags &= ~BIT(PG_UNEVICTABLE);
		page_put(p);
	} else {
		settle(p);
	}
	vm_event_add(moved ? PGMIGRATE_SUCCESS : PGMIGRATE_FAIL, 1);
}

u32 migrate_pages(struct page **pages, struct page **to, unsigned nr)
{
	struct flush_batch flush = { .nr = 0 };
	u32 locked, anon, cached, moved;

	lock_pages(pages, nr, &locked, &anon, &cached, &flush);
	flush_now(&flush);
	moved = move_together(pages, to, nr, anon);
	for (unsigned i = 0; i < nr; i++)
		if ((anon & ~moved & BIT(i) && move_anon(pages[i], to[i], &flush)) || (cached & BIT(i) && move_cached(pages[i], to[i])))
			moved |= (u32)BIT(i);
	flush_end(&flush);
	for (unsigned i = 0; i < nr; i++)
		if (locked & BIT(i))
			page_unlock(pages[i]);
	for (unsigned i = 0; i < nr; i++)
		finish(pages[i], to[i], moved & BIT(i));
	return moved;
}
