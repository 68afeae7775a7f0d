/* migrate.h - moving pages between frames; private to mm/. */
#ifndef MM_MIGRATE_H
#define MM_MIGRATE_H

struct page;

/*
 * p, isolated from its list, with our reference (lru_isolate_page()), moves to `to`, a fresh page of account ACCT_ANON. p is put back or
 * freed. True: `to` belongs to others now; else it is still ours. Does not sleep.
 */
bool migrate_page(struct page *p, struct page *to) must_check;

#endif
