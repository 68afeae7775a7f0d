/* walk.h - how the audit sees into the other parts of mm/; private to mm/. */
#ifndef MM_LEDGER_WALK_H
#define MM_LEDGER_WALK_H

#include <mm/ledger.h>

struct mm;
struct page;

void vmalloc_walk(struct audit *audit, void (*page)(struct audit *a, struct page *p, enum account account));
void ledger_walk_slab_owners(void);

/* mm.c and lru.c; a build without address spaces (unit tests of the allocators) has none. */
struct mm *mm_iterate(struct mm *prev) weak;
long lru_audit(unsigned long out[]) weak;

#endif
