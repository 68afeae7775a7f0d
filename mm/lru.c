/*
 * lru.c - pages in order of use: two lists each for anonymous and file pages, one for pages that must stay.
 *
 * SHAPE       per zone, so that reclaim for a zone does not walk others' pages. New pages start at the front of the inactive
 *             list; a second use seen by software, or an accessed bit seen by reclaim, brings them to the active one.
 * LOCKS       one spinning lock per zone (LOCK_LRU) around a few instructions; that beats per-CPU batches, whose references
 *             would make refcounts and the books inexact. PG_LRU, PG_ACTIVE and PG_UNEVICTABLE of a listed page change under it.
 * INVARIANTS  L1 a page with PG_LRU is on the list its flags name.  L2 nr[] counts them.  [lru_audit()]
 */
#include "internal.h"

struct lruvec {
	spinlock_t	lock;
	struct list	lists[NR_LRU];
	unsigned long	nr[NR_LRU];
} aligned_to(64);

static struct lruvec lruvecs[NR_ZONES];

void lru_init(void)
{
	for (int z = 0; z < NR_ZONES; z++) {
		spin_lock_init(&lruvecs[z].lock, "lru", LOCK_LRU);
		for (int l = 0; l < NR_LRU; l++)
			list_init(&lruvecs[z].lists[l]);
	}
	page_lru_forget = lru_remove_bulk;
}

static inline struct lruvec *page_lruvec(const struct page *p)
{
	return &lruvecs[page_zone_type(p)];
}

static inline enum lru_list page_list(const struct page *p)
{
	unsigned long f = p->flags;

	if (unlikely(f & BIT(PG_UNEVICTABLE)))
		return LRU_UNEVICTABLE;
	return (f & BIT(PG_SWAPBACKED) ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE) + (f >> PG_ACTIVE & 1);
}

static inline void link_page(struct lruvec *v, struct page *p, enum lru_list l)
{
	list_push(&v->lists[l], &p->lru);
	v->nr[l]++;
}

static inline void unlink_page(struct lruvec *v, struct page *p)
{
	p->lru.prev->next = p->lru.next;
	p->lru.next->prev = p->lru.prev;
	v->nr[page_list(p)]--;
}

void lru_add(struct page *p)
{
	struct lruvec *v = page_lruvec(p);

	spin_lock(&v->lock);
	debug_assert(!page_test(p, PG_LRU));
	link_page(v, p, page_list(p));
	page_set(p, PG_LRU);
	spin_unlock(&v->lock);
}

/* A page nobody else knows yet: no atomic operation on its flags. */
void lru_add_fresh(struct page *p, unsigned long more_flags)
{
	struct lruvec *v = page_lruvec(p);

	p->flags |= more_flags | BIT(PG_LRU);
	spin_lock(&v->lock);
	link_page(v, p, page_list(p));
	spin_unlock(&v->lock);
}

static void remove_locked(struct lruvec *v, struct page *p)
{
	if (!page_test(p, PG_LRU))
		return;
	unlink_page(v, p);
	if (unlikely(page_test(p, PG_UNEVICTABLE)) && page_test_and_clear(p, PG_UNEVICTABLE))
		vm_stat_add(NR_MLOCK, -1);
	p->flags &= ~BIT(PG_LRU);
}

void lru_remove(struct page *p)
{
	struct lruvec *v = page_lruvec(p);

	if (!page_test(p, PG_LRU))
		return;
	spin_lock(&v->lock);
	remove_locked(v, p);
	spin_unlock(&v->lock);
}

/* Pages without references: nobody else changes their flags. */
void lru_remove_bulk(struct page **pages, unsigned nr)
{
	struct lruvec *held = NULL;

	for (unsigned i = 0; i < nr; i++) {
		struct page *p = pages[i];
		struct lruvec *v;

		if (!page_test(p, PG_LRU))
			continue;
		v = page_lruvec(p);
		if (v != held) {
			if (held)
				spin_unlock(&held->lock);
			spin_lock(&v->lock);
			held = v;
		}
		remove_locked(v, p);
	}
	if (held)
		spin_unlock(&held->lock);
}

/* Take it out with its flags as they are, change them, put it where they say. */
static void relist(struct page *p, unsigned long set, unsigned long clear, bool tail)
{
	struct lruvec *v = page_lruvec(p);

	spin_lock(&v->lock);
	if (page_test(p, PG_LRU)) {
		enum lru_list l;

		unlink_page(v, p);
		__atomic_fetch_or(&p->flags, set, __ATOMIC_SEQ_CST);
		__atomic_fetch_and(&p->flags, ~clear, __ATOMIC_SEQ_CST);
		l = page_list(p);
		if (tail)
			list_append(&v->lists[l], &p->lru);
		else
			list_push(&v->lists[l], &p->lru);
		v->nr[l]++;
	}
	spin_unlock(&v->lock);
}

void lru_mark_accessed(struct page *p)
{
	if (!page_test(p, PG_REFERENCED)) {
		page_set(p, PG_REFERENCED);
	} else if (!page_test(p, PG_ACTIVE) && !page_test(p, PG_UNEVICTABLE)) {
		relist(p, BIT(PG_ACTIVE), BIT(PG_REFERENCED), false);
		vm_event_add(PGACTIVATE, 1);
	}
}

void lru_deactivate(struct page *p)
{
	if (!page_test(p, PG_UNEVICTABLE))
		relist(p, 0, BIT(PG_ACTIVE) | BIT(PG_REFERENCED), true);
}

void lru_lazyfree(struct page *p)
{
	if (page_test(p, PG_UNEVICTABLE))
		return;
	relist(p, 0, BIT(PG_ACTIVE) | BIT(PG_REFERENCED) | BIT(PG_SWAPBACKED) | BIT(PG_DIRTY), false);
	vm_event_add(PGLAZYFREE, 1);
}

void lru_set_unevictable(struct page *p)
{
	if (!page_test(p, PG_UNEVICTABLE)) {
		struct lruvec *v = page_lruvec(p);

		spin_lock(&v->lock);
		if (page_test(p, PG_LRU) && !page_test(p, PG_UNEVICTABLE)) {
			unlink_page(v, p);
			page_set(p, PG_UNEVICTABLE);
			link_page(v, p, LRU_UNEVICTABLE);
			vm_stat_add(NR_MLOCK, 1);
			vm_event_add(UNEVICTABLE_CULLED, 1);
		}
		spin_unlock(&v->lock);
	}
}

void lru_clear_unevictable(struct page *p)
{
	struct lruvec *v = page_lruvec(p);

	if (!page_test(p, PG_UNEVICTABLE))
		return;
	spin_lock(&v->lock);
	if (page_test(p, PG_LRU) && page_test(p, PG_UNEVICTABLE)) {
		unlink_page(v, p);
		page_clear(p, PG_UNEVICTABLE);
		link_page(v, p, page_list(p));
		vm_stat_add(NR_MLOCK, -1);
		vm_event_add(UNEVICTABLE_RESCUED, 1);
	}
	spin_unlock(&v->lock);
}

/*
 * Take up to nr pages off the end of a list, each with a reference and without PG_LRU: the caller owns their place and
 * returns them with lru_putback(). Pages that are being freed are passed over.
 */
unsigned lru_isolate(enum zone_type z, enum lru_list l, unsigned nr, struct list *out, unsigned *scanned)
{
	struct lruvec *v = &lruvecs[z];
	unsigned taken = 0, seen = 0;

	spin_lock(&v->lock);
	while (taken < nr && seen < 2 * nr && !list_empty(&v->lists[l])) {
		struct page *p = list_last_entry(&v->lists[l], struct page, lru);

		seen++;
		if (!page_try_get(p)) {
			list_move_to_front(&v->lists[l], &p->lru);
			continue;
		}
		list_remove(&p->lru);
		v->nr[l]--;
		page_clear(p, PG_LRU);
		list_push(out, &p->lru);
		taken++;
	}
	spin_unlock(&v->lock);
	*scanned = seen;
	return taken;
}

/* Back to the list its flags name; drops the reference. */
void lru_putback(struct page *p)
{
	lru_add(p);
	page_put(p);
}

unsigned long lru_pages(enum lru_list l)
{
	unsigned long n = 0;

	for (int z = 0; z < NR_ZONES; z++)
		n += READ_ONCE(lruvecs[z].nr[l]);
	return n;
}

void lru_zone_pages(struct zone *z, unsigned long out[NR_LRU])
{
	for (int l = 0; l < NR_LRU; l++)
		out[l] = READ_ONCE(lruvecs[z - zones].nr[l]);
}

long lru_audit(unsigned long out[NR_LRU])
{
	long total = 0;

	for (int l = 0; l < NR_LRU; l++)
		out[l] = 0;
	for (int z = 0; z < NR_ZONES; z++)
		for (int l = 0; l < NR_LRU; l++) {
			struct list *pos = lruvecs[z].lists[l].next;
			unsigned long n = 0;

			for (; pos != &lruvecs[z].lists[l]; pos = pos->next, n++) {
				struct page *p = list_entry(pos, struct page, lru);

				if (!page_test(p, PG_LRU) || page_list(p) != l || page_zone_type(p) != z)
					return -1 - l;
			}
			if (n != lruvecs[z].nr[l])
				return -1 - l;
			out[l] += n;
			total += (long)n;
		}
	return total;
}
