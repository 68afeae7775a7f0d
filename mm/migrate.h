/* migrate.h - moving pages between frames; private to mm/. */
#ifndef MM_MIGRATE_H
#define MM_MIGRATE_H

#include <lib/types.h>

struct page;
#define MIGRATE_BATCH	32

/*
 * pages[i], isolated from its list, with our reference (lru_isolate_page()), moves to to[i], a fresh page of account ACCT_ANON. It is put
 * back or freed. Bit i: to[i] belongs to others now; else it is still ours. Does not sleep.
 */
u32 migrate_pages(struct page **pages, struct page **to, unsigned nr) must_check;

#endif
