/* walk.h - how the audit sees into the other parts of mm/; private to mm/. */
#ifndef MM_LEDGER_WALK_H
#define MM_LEDGER_WALK_H

#include <mm/ledger.h>

struct page;

void vmalloc_walk(struct audit *audit, void (*page)(struct audit *a, struct page *p, enum account account),
		  void (*stack)(struct audit *a, owner_t owner, long frames));
/* Memory from vmalloc() by address, without kernel stacks, modules and devices; under a lock. */
void vmalloc_for_each(void (*fn)(void *arg, vaddr_t start, vaddr_t end), void *arg);
size_t vmalloc_area_links(const struct slab_cache *c);	/* 0: not the cache of areas */
void ledger_walk_slab_owners(void);

#endif
