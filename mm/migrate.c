/*
 * migrate.c - a user page's contents move to another frame, while programs go on.
 *
 * ANONYMOUS   mapped once: under the lock of its table the entry is cleared and flushed, the page copied, the entry set again. Whoever
 *             faults meanwhile sees an empty entry, prepares a page, takes the lock and finds the entry back: so no marker
 *             has to stand there. Mapped several times, all entries are read-only (fork left them so): the copy is made once, and
 *             each entry is turned to it; one that was missed keeps the old frame, as after a store of its own.
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

struct move {
	struct page	*to;
	bool		begun;
};

static bool move_only_entry(struct move *mv, struct page *p, struct vma *v, vaddr_t addr, pte_t *pte)
{
	pte_t e = pte_xchg(pte, (pte_t){ 0 });

	tlb_flush_range(v->mm, addr, addr + PAGE_SIZE);
	if (page_refs(p) != 2) {		/* somebody took hold of it: the entry's and ours are two */
		pte_set(pte, e);
		return false;
	}
	move_state(mv->to, p);
	atomic_set(&mv->to->mapcount, 1);
	atomic_set(&p->mapcount, 0);
	page_get(mv->to);
	pte_set(pte, with_frame(e, mv->to));
	page_put(p);
	mv->begun = true;
	return false;
}

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
	tlb_flush_range(v->mm, addr, addr + PAGE_SIZE);
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
static bool move_anon(struct page *p, struct page *to)
{
	struct move mv = { .to = to };
	struct rmap_walk w = { .one = move_entry, .arg = &mv, .try_only = true };

	if (!page_mapcount(p))
		return false;
	rmap_walk(p, &w);
	return mv.begun;
}

static bool move_cached(struct page *p, struct page *to)
{
	struct address_space *m = p->mapping;
	bool done = false;

	if (!m || (m->ops && m->ops->free_page) || (page_mapcount(p) && rmap_unmap_all(p)))
		return false;
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

bool migrate_page(struct page *p, struct page *to)
{
	bool moved = false;

	if (page_trylock(p)) {
		if (!page_test(p, PG_WRITEBACK) && !page_test(p, PG_SWAPCACHE))
			moved = page_is_anon(p) ? move_anon(p, to) : move_cached(p, to);
		page_unlock(p);
	}
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
	return moved;
}
