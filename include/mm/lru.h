/*
 * lru.h - the lists that order pages by use, per zone. A page on one has PG_LRU; the list holds no reference.
 */
#ifndef MM_LRU_H
#define MM_LRU_H

#include <mm/page_alloc.h>

enum lru_kind { LRU_ANON, LRU_FILE, NR_LRU_KINDS };
/* As the outside sees them, whatever the policy's levels: base (anon, file) + 1 when active. */
enum lru_list { LRU_INACTIVE_ANON, LRU_ACTIVE_ANON, LRU_INACTIVE_FILE, LRU_ACTIVE_FILE, LRU_UNEVICTABLE, NR_LRU };

void lru_init(void);
void lru_add(struct page *p);		/* onto the list its flags name; not on one yet */
void lru_add_fresh(struct page *p);	/* a private page nobody else knows yet: sets ANON_FLAGS first, without atomic operations */
void lru_remove(struct page *p);	/* off its list; a no-op without PG_LRU */
/* The same for many; each zone's lock once. */
void lru_remove_bulk(struct page **pages, unsigned nr);
void lru_mark_accessed(struct page *p);	/* unreferenced -> referenced -> active */
void lru_move(struct page *p, unsigned level);
void lru_returned(struct page *p, bool in_order);	/* asked back from swap, one after the other; the caller holds a reference */
void lru_deactivate(struct page *p);	/* to the tail of its inactive list: first in line to go */
void lru_lazyfree(struct page *p);	/* MADV_FREE: anonymous, to the inactive file list, not swap-backed any more */
void lru_set_unevictable(struct page *p);	/* mlocked; counts in NR_MLOCK */
void lru_clear_unevictable(struct page *p);
struct lru_levels *lru_levels(enum zone_type z, enum lru_kind kind);
/* Reclaim: pages off the end of a list, with references; and back. lru_place(): an isolated page, to where its flags belong now. */
unsigned lru_isolate(enum zone_type z, enum lru_kind kind, unsigned level, unsigned nr, struct list *out, unsigned *scanned);
bool lru_isolate_page(struct page *p);
void lru_place(struct page *p);
void lru_putback(struct page *p);
enum lru_list lru_list_of(const struct page *p);	/* of a page with PG_LRU; a guess unless its place cannot change */
unsigned long lru_pages(enum lru_list l);
/* Pages on each list of a zone, for /proc/zoneinfo. */
void lru_zone_pages(struct zone *z, unsigned long out[NR_LRU]);
/* Audit: walk the lists; every page must have PG_LRU. Number of pages, or -1 - list when a list is wrong. */
long lru_audit(unsigned long out[NR_LRU]);

#endif
