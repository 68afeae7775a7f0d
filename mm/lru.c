/*
 * lru.c - pages in order of use: up to four lists each for anonymous and file pages, one for pages that must stay.
 *
 * SHAPE       per zone, so that reclaim for a zone does not walk others' pages. A list is a level of its kind; what levels mean, where new
 *             pages join and where those used again go is the replacement policy's (mm/reclaim_policy.c).
 * LOCKS       one spinning lock per zone (LOCK_LRU) around a few instructions; that beats per-CPU batches, whose references
 *             would make refcounts and the books inexact. PG_LRU, PG_ACTIVE, PG_LEVEL and PG_UNEVICTABLE of a listed page change under it.
 * INVARIANTS  L1 a page with PG_LRU is on the list its flags name.  L2 nr[] counts them.  [lru_audit()]
 */
#include "internal.h"

#include <mm/memcg.h>
#include <mm/reclaim_policy.h>

#define LIST_UNEVICTABLE	(NR_LRU_KINDS * LRU_LEVELS)
#define NR_LISTS		(LIST_UNEVICTABLE + 1)
#define LEVEL_MASK		((LRU_LEVELS - 1UL) << PG_LEVEL)

struct lruvec {
	spinlock_t		lock;
	struct list		lists[NR_LISTS];
	struct lru_levels	levels[NR_LRU_KINDS];
	unsigned long		nr_unevictable;
} aligned_to(64);

static struct lruvec lruvecs[NR_ZONES];
static struct lruvec *lruvec_of[NR_ZONES];	/* &lruvecs[z]: one load is shorter than what compilers make of the index */

void lru_init(void)
{
	for (int z = 0; z < NR_ZONES; z++) {
		lruvec_of[z] = &lruvecs[z];
		spin_lock_init(&lruvecs[z].lock, "lru", LOCK_LRU);
		for (int l = 0; l < NR_LISTS; l++)
			list_init(&lruvecs[z].lists[l]);
		for (int k = 0; k < NR_LRU_KINDS; k++)
			reclaim_policy->init(&lruvecs[z].levels[k], k == LRU_ANON);
	}
	page_lru_forget = lru_remove_bulk;
}

static inline struct lruvec *page_lruvec(const struct page *p)
{
	return lruvec_of[page_zone_type(p)];
}

static inline enum lru_kind kind_of(unsigned long flags)
{
	return flags & BIT(PG_SWAPBACKED) ? LRU_ANON : LRU_FILE;
}

static inline unsigned page_list(const struct page *p)
{
	unsigned long f = READ_ONCE(p->flags);

	if (unlikely(f & BIT(PG_UNEVICTABLE)))
		return LIST_UNEVICTABLE;
	return kind_of(f) * LRU_LEVELS + (f >> PG_LEVEL & (LRU_LEVELS - 1));
}

static inline unsigned long *counter(struct lruvec *v, unsigned list)
{
	return likely(list < LIST_UNEVICTABLE) ? &v->levels[list / LRU_LEVELS].nr[list % LRU_LEVELS] : &v->nr_unevictable;
}

static inline void link_page(struct lruvec *v, struct page *p, unsigned list)
{
	list_push(&v->lists[list], &p->lru);
	++*counter(v, list);
}

static inline void unlink_page(struct lruvec *v, struct page *p)
{
	p->lru.prev->next = p->lru.next;
	p->lru.next->prev = p->lru.prev;
	--*counter(v, page_list(p));
}

static void set_level(struct page *p, unsigned level)
{
	unsigned long old = READ_ONCE(p->flags);

	while (!__atomic_compare_exchange_n(&p->flags, &old, (old & ~LEVEL_MASK) | (unsigned long)level << PG_LEVEL, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
}

static inline void place(struct lruvec *v, struct page *p)
{
	unsigned long f = READ_ONCE(p->flags);

	set_level(p, v->levels[kind_of(f)].join[f >> PG_ACTIVE & 1]);
}

void lru_place(struct page *p)
{
	place(page_lruvec(p), p);
}

/* Linked where its flags say. */
static void add(struct page *p, bool fresh)
{
	struct lruvec *v = page_lruvec(p);

	if (fresh)
		place(v, p);
	spin_lock(&v->lock);
	debug_assert(!page_test(p, PG_LRU));
	link_page(v, p, page_list(p));
	page_set(p, PG_LRU);
	spin_unlock(&v->lock);
}

void lru_add(struct page *p)
{
	add(p, true);
}

/* On the path of each anonymous fault: what is known of such a page is not asked again. */
void lru_add_fresh(struct page *p)
{
	struct lruvec *v = page_lruvec(p);
	struct lru_levels *levels = &v->levels[LRU_ANON];
	unsigned level = levels->join[0];

	debug_assert(!(p->flags & (LEVEL_MASK | BIT(PG_ACTIVE) | BIT(PG_UNEVICTABLE))));
	spin_lock(&v->lock);
	WRITE_ONCE(p->flags, p->flags | ANON_FLAGS | BIT(PG_LRU) | (unsigned long)level << PG_LEVEL);	/* compaction looks for PG_LRU */
	list_push(&v->lists[LRU_ANON * LRU_LEVELS + level], &p->lru);
	levels->nr[level]++;
	spin_unlock(&v->lock);
}

static void remove_locked(struct lruvec *v, struct page *p)
{
	if (!page_test(p, PG_LRU))
		return;
	unlink_page(v, p);
	if (unlikely(page_test(p, PG_UNEVICTABLE)) && page_test_and_clear(p, PG_UNEVICTABLE))
		vm_stat_add(NR_MLOCK, -1);
	WRITE_ONCE(p->flags, p->flags & ~BIT(PG_LRU));
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
		unsigned l;

		unlink_page(v, p);
		__atomic_fetch_or(&p->flags, set, __ATOMIC_SEQ_CST);
		__atomic_fetch_and(&p->flags, ~clear, __ATOMIC_SEQ_CST);
		if (tail)
			set_level(p, v->levels[kind_of(READ_ONCE(p->flags))].cold);
		else
			place(v, p);
		l = page_list(p);
		if (tail)
			list_append(&v->lists[l], &p->lru);
		else
			list_push(&v->lists[l], &p->lru);
		++*counter(v, l);
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

/* To the front of a level of its kind. */
void lru_move(struct page *p, unsigned level)
{
	struct lruvec *v = page_lruvec(p);

	if ((READ_ONCE(p->flags) >> PG_LEVEL & (LRU_LEVELS - 1)) == level)
		return;
	spin_lock(&v->lock);
	if (page_test(p, PG_LRU) && !page_test(p, PG_UNEVICTABLE)) {
		unlink_page(v, p);
		set_level(p, level);
		link_page(v, p, page_list(p));
	}
	spin_unlock(&v->lock);
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
	memcg_vm_event(p->owner, MEMCG_PGLAZYFREE);
}

void lru_set_unevictable(struct page *p)
{
	if (!page_test(p, PG_UNEVICTABLE)) {
		struct lruvec *v = page_lruvec(p);

		spin_lock(&v->lock);
		if (page_test(p, PG_LRU) && !page_test(p, PG_UNEVICTABLE)) {
			unlink_page(v, p);
			page_set(p, PG_UNEVICTABLE);
			link_page(v, p, LIST_UNEVICTABLE);
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
unsigned lru_isolate(enum zone_type z, enum lru_kind kind, unsigned level, unsigned nr, struct list *out, unsigned *scanned)
{
	unsigned l = kind * LRU_LEVELS + level;
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
		--*counter(v, l);
		page_clear(p, PG_LRU);
		list_push(out, &p->lru);
		taken++;
	}
	spin_unlock(&v->lock);
	*scanned = seen;
	return taken;
}

/* One page, wherever it is listed: a reference, and without PG_LRU. It keeps PG_UNEVICTABLE. False: it is on no list, or being freed. */
bool lru_isolate_page(struct page *p)
{
	struct lruvec *v = page_lruvec(p);
	bool ok;

	spin_lock(&v->lock);
	ok = page_test(p, PG_LRU) && page_try_get(p);
	if (ok) {
		list_remove(&p->lru);
		--*counter(v, page_list(p));
		page_clear(p, PG_LRU);
	}
	spin_unlock(&v->lock);
	return ok;
}

/* Back to the list its flags name; drops the reference. */
void lru_putback(struct page *p)
{
	add(p, false);
	page_put(p);
}

struct lru_levels *lru_levels(enum zone_type z, enum lru_kind kind)
{
	return &lruvecs[z].levels[kind];
}

enum lru_list lru_list_of(const struct page *p)
{
	unsigned l = page_list(p);
	const struct lruvec *v = page_lruvec(p);

	if (l == LIST_UNEVICTABLE)
		return LRU_UNEVICTABLE;
	return (enum lru_list)(2 * (l / LRU_LEVELS) + (v->levels[l / LRU_LEVELS].active >> l % LRU_LEVELS & 1));
}

static void sum_up(const struct lruvec *v, unsigned long out[NR_LRU])
{
	for (int k = 0; k < NR_LRU_KINDS; k++)
		for (int i = 0; i < LRU_LEVELS; i++)
			out[2 * k + (v->levels[k].active >> i & 1)] += READ_ONCE(v->levels[k].nr[i]);
	out[LRU_UNEVICTABLE] += READ_ONCE(v->nr_unevictable);
}

unsigned long lru_pages(enum lru_list l)
{
	unsigned long n[NR_LRU] = { 0 };

	for (int z = 0; z < NR_ZONES; z++)
		sum_up(&lruvecs[z], n);
	return n[l];
}

void lru_zone_pages(struct zone *z, unsigned long out[NR_LRU])
{
	for (int l = 0; l < NR_LRU; l++)
		out[l] = 0;
	sum_up(&lruvecs[z - zones], out);
}

/* Pages on one list, or -1. */
static long audit_list(struct lruvec *v, unsigned l)
{
	unsigned long n = 0;

	for (struct list *pos = v->lists[l].next; pos != &v->lists[l]; pos = pos->next, n++) {
		struct page *p = list_entry(pos, struct page, lru);

		if (!page_test(p, PG_LRU) || page_list(p) != l || page_lruvec(p) != v)
			return -1;
	}
	return n == *counter(v, l) ? (long)n : -1;
}

long lru_audit(unsigned long out[NR_LRU])
{
	long total = 0;

	for (int l = 0; l < NR_LRU; l++)
		out[l] = 0;
	for (int z = 0; z < NR_ZONES; z++) {
		for (unsigned l = 0; l < NR_LISTS; l++) {
			long n = audit_list(&lruvecs[z], l);

			if (n < 0)
				return -1 - (long)l;
			total += n;
		}
		sum_up(&lruvecs[z], out);
	}
	return total;
}
