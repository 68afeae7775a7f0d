/*
 * pcp.c - the front of the page allocator: single pages from per-CPU stacks, and what every page goes through on its way out
 * and back.
 *
 * WHY         nearly all requests are for one page and nearly all are freed soon: neither needs a zone's lock or list.
 * SHAPE       per CPU and migratetype an array of page pointers used as a stack: the page freed last, still warm in the
 *             cache, is handed out first. Empty: refilled with a batch from the buddy; full: a batch goes back.
 * INVARIANTS  P1 a page on a stack has account FREE, refcount 0, and no flags.  P2 only its own CPU touches a stack
 *             (the kernel is not preemptible, interrupts do not allocate).
 * BOOKS       pages on these stacks are free to the ledger: it is told here, when a page goes to or comes from a caller.
 * LINUX       same idea as its per-CPU lists; one set for all zones, since zones differ only for devices.
 */
#include <kernel/trace.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/task.h>
#include <mm/fail.h>
#include <mm/slab.h>
#include <mm/ledger_stream.h>
#include "../ledger/charge.h"
#include "internal.h"

DEFINE_PER_CPU(struct pcp_set, pcp_set);
static unsigned pcp_batch = 8, pcp_high = 32;
void (*page_lru_forget)(struct page **pages, unsigned nr);
atomic_long_t alloc_fail_countdown;

#define FLAGS_AT_FREE_SLOW	(BIT(PG_LRU) | BIT(PG_HEAD) | BIT(PG_TAIL) | BIT(PG_RESERVED) | BIT(PG_BUDDY))

/* 1/1024 of memory in flight per CPU, at most; never more than the stacks hold. */
void pcp_set_batch(unsigned long total_pages)
{
	pcp_batch = (unsigned)clamp(total_pages / 2048, 2UL, 16UL);
	pcp_high = min(pcp_batch * 4, (unsigned)PCP_CAPACITY - 1);
}

static always_inline bool injected_failure(unsigned long nr, gfp_t gfp, struct alloc_site *site)
{
	return unlikely(atomic_read(&alloc_fail_countdown)) && fail_allocation(FAIL_PAGE, nr << PAGE_SHIFT, gfp, site);
}

/* A page leaves for its holder: count it and clear what the last holder left. */
static always_inline owner_t issue_owner(gfp_t gfp)
{
	return unlikely(gfp & GFP_NOACCOUNT) ? OWNER_MACHINE : current->owner;
}

/* Account, type, owner and site in one store. */
static always_inline void set_books(struct page *p, enum account account, owner_t owner, u16 site, enum migratetype mt)
{
	p->books = (u64)account | (u64)mt << 8 | (u64)owner << 16 | (u64)site << 32;
}

static always_inline void issue(struct page *p, enum account account, owner_t owner, struct alloc_site *site,
				enum migratetype mt)
{
	set_books(p, account, owner, site->id, mt);
	WRITE_ONCE(p->flags, 0);
	p->mapping = NULL;
	p->private = 0;
	atomic_set(&p->mapcount, 0);
	atomic_set(&p->refcount, 1);
}

static struct page *refill(struct pcp *l, gfp_t gfp)
{
	struct page *one;

	l->count = zones_take(gfp, 0, pcp_batch, ALLOC_LOW, l->pages);
	if (likely(l->count))
		return l->pages[--l->count];
	return page_alloc_slow(gfp, 0, 1, &one) ? one : NULL;
}

static void make_compound(struct page *p, unsigned order)
{
	p->flags |= BIT(PG_HEAD);
	p->compound_order = (u8)order;
	for (unsigned long i = 1; i < 1UL << order; i++) {
		set_books(p + i, p->account, p->owner, p->site, p->migratetype);
		p[i].flags = BIT(PG_TAIL);
		p[i].mapping = NULL;
		p[i].private = (unsigned long)p;
		atomic_set(&p[i].refcount, 0);
		atomic_set(&p[i].mapcount, 0);
	}
}

static noinline struct page *alloc_block(gfp_t gfp, unsigned order, enum account account, struct alloc_site *site)
{
	owner_t owner = issue_owner(gfp);
	struct page *p;

	if (order > MAX_ORDER || !page_alloc_slow(gfp, order, 1, &p))
		return NULL;
	issue(p, account, owner, site, gfp_migratetype(gfp));
	if (order)
		make_compound(p, order);
	ledger_add(account, owner, site, 1L << order);
	if (gfp & GFP_ZERO)
		for (unsigned long i = 0; i < 1UL << order; i++)
			clear_page(page_address(p + i));
	vm_event_add(PGALLOC, 1L << order);
	return p;
}

static always_inline struct page *issue_one(struct page *p, gfp_t gfp, enum account account, struct alloc_site *site, bool credit)
{
	owner_t owner = issue_owner(gfp);

	debug_assert(p->account == ACCT_FREE && !page_refs(p));
	issue(p, account, owner, site, gfp_migratetype(gfp));
	if (credit)
		ledger_add_one(p->books, site);
	else
		ledger_add(account, owner, site, 1);
	vm_event_add(PGALLOC, 1);
	if (gfp & GFP_ZERO)
		clear_page(page_address(p));
	return p;
}

/* In a kernel function that a module called, pages stand at the place of the call; those of everybody's caches do not. */
static inline struct alloc_site *effective_site(struct alloc_site *site, gfp_t gfp, enum account account)
{
#ifndef NO_LEDGER
	if (unlikely(site >= current->site_floor) && !(gfp & GFP_NOACCOUNT) && account != ACCT_PAGE_CACHE && account != ACCT_ANON &&
	    account != ACCT_SHMEM && account != ACCT_PAGE_TABLE && account != ACCT_KSTACK)
		return ledger_module_site(site);
#endif
	return site;
}

static inline void count_for_module(struct alloc_site *site, long pages)
{
#ifndef NO_LEDGER
	if (unlikely(site >= LEDGER_MODULE_SITES))
		ledger_module_pages(site, pages);
#endif
}

static inline bool for_module(const struct alloc_site *site)
{
#ifndef NO_LEDGER
	return unlikely(site >= current->site_floor);
#else
	return false;
#endif
}

/* Everything that a page from the stack does not serve. */
static struct page *alloc_untraced(gfp_t gfp, unsigned order, enum account account, struct alloc_site *site)
{
	struct pcp *l;
	struct page *p;

	if (injected_failure(1UL << order, gfp, site) || (memcg_count && !memcg_may_charge(issue_owner(gfp), 1L << order, gfp, order)))
		return NULL;
	site = effective_site(site, gfp, account);
	if (order || (gfp & (GFP_DMA | GFP_DMA32))) {
		p = alloc_block(gfp, order, account, site);
	} else {
		l = &this_cpu_ptr(pcp_set)->of[gfp_migratetype(gfp)];
		p = l->count ? l->pages[--l->count] : refill(l, gfp);
		if (p)
			issue_one(p, gfp, account, site, !memcg_count && site < LEDGER_MODULE_SITES);
	}
	if (p)
		count_for_module(site, 1L << order);
	return p;
}

static always_inline void note_alloc(struct page *p, unsigned order, gfp_t gfp, enum migratetype mt)
{
	trace_mm_page_alloc(p, page_to_pfn(p), order, gfp, mt);
	if (unlikely(ledger_streaming & STREAM_PAGES))
		ledger_stream_alloc(p, order);
}

static always_inline void note_free(struct page *p, unsigned order)
{
	trace_mm_page_free(p, page_to_pfn(p), order);
	if (unlikely(ledger_streaming & STREAM_PAGES))
		ledger_stream_free(&p, 1, order);
}

static noinline struct page *alloc_slow(gfp_t gfp, unsigned order, enum account account, struct alloc_site *site)
{
	struct page *p = alloc_untraced(gfp, order, account, site);

	if (p)
		note_alloc(p, order, gfp, gfp_migratetype(gfp));
	return p;
}

/* A page from the stack, and the ledger's stream hears of it. */
static noinline struct page *alloc_told(struct pcp *l, gfp_t gfp, enum account account, struct alloc_site *site)
{
	struct page *p = issue_one(l->pages[--l->count], gfp, account, site, true);

	return likely(ledger_streaming & STREAM_PAGES) ? ledger_stream_alloc_one(p) : p;
}

struct page *page_alloc_at(gfp_t gfp, unsigned order, enum account account, struct alloc_site *site)
{
	struct pcp *l = &this_cpu_ptr(pcp_set)->of[gfp_migratetype(gfp)];
	unsigned long n = l->count;

	if (unlikely(!n) || unlikely(order) || unlikely(gfp & (GFP_DMA | GFP_DMA32)) ||
	    unlikely(atomic_read(&alloc_fail_countdown)) || unlikely(memcg_count) || for_module(site))
		return alloc_slow(gfp, order, account, site);
	if (unlikely(trace_on[TRACE_MM_PAGE_ALLOC]))
		return trace_on[TRACE_MM_PAGE_ALLOC] == TRACE_STREAM ? alloc_told(l, gfp, account, site) : alloc_slow(gfp, order, account, site);
	l->count = --n;
	return issue_one(l->pages[n], gfp, account, site, true);
}

struct page *page_alloc_at_hand(gfp_t gfp, enum account account, struct alloc_site *site)
{
	struct pcp *l = &this_cpu_ptr(pcp_set)->of[gfp_migratetype(gfp)];
	unsigned long n = l->count;

	if (unlikely(!n) || unlikely(atomic_read(&alloc_fail_countdown)) || unlikely(memcg_count) || for_module(site))
		return NULL;
	if (unlikely(trace_on[TRACE_MM_PAGE_ALLOC]))
		return trace_on[TRACE_MM_PAGE_ALLOC] == TRACE_STREAM ? alloc_told(l, gfp, account, site) : NULL;
	l->count = --n;
	return issue_one(l->pages[n], gfp, account, site, true);
}

unsigned page_alloc_bulk_at(gfp_t gfp, enum account account, unsigned nr, struct page **out, struct alloc_site *site)
{
	enum migratetype mt = gfp_migratetype(gfp);
	owner_t owner = issue_owner(gfp);
	unsigned n = 0;

	if (injected_failure(nr, gfp, site) || (memcg_count && !memcg_may_charge(owner, nr, gfp, 0)))
		return 0;
	site = effective_site(site, gfp, account);
	while (n < nr) {
		struct pcp *l = &this_cpu_ptr(pcp_set)->of[mt];	/* again: refill may sleep */
		struct page *p = l->count ? l->pages[--l->count] : refill(l, gfp);

		if (!p)
			break;
		issue(p, account, owner, site, mt);
		note_alloc(p, 0, gfp, mt);
		out[n++] = p;
	}
	if (n) {
		ledger_add(account, owner, site, n);
		count_for_module(site, n);
	}
	if (gfp & GFP_ZERO)
		for (unsigned i = 0; i < n; i++)
			clear_page(page_address(out[i]));
	vm_event_add(PGALLOC, n);
	return n;
}

unsigned page_alloc_from_block(struct zone *z, pfn_t block, unsigned nr, struct page **out)
{
	struct alloc_site *site = ALLOC_SITE();
	unsigned n;

	spin_lock(&z->lock);
	n = buddy_take_from(z, block, nr, out);
	spin_unlock(&z->lock);
	for (unsigned i = 0; i < n; i++) {
		issue(out[i], ACCT_ANON, OWNER_MACHINE, site, MIGRATE_MOVABLE);
		note_alloc(out[i], 0, GFP_USER, MIGRATE_MOVABLE);
	}
	if (n)
		ledger_add(ACCT_ANON, OWNER_MACHINE, site, n);
	vm_event_add(PGALLOC, n);
	return n;
}

/* ---- the way back --------------------------------------------------------------------------------------------- */

/* The oldest `n` pages of the stack return to their zones. */
static void drain(struct pcp *l, unsigned n)
{
	struct zone *z = NULL;

	n = min(n, (unsigned)l->count);
	for (unsigned i = 0; i < n; i++) {
		struct zone *home = page_zone(l->pages[i]);

		if (home != z) {
			if (z)
				spin_unlock(&z->lock);
			z = home;
			spin_lock(&z->lock);
		}
		trace_mm_page_pcpu_drain(l->pages[i], page_to_pfn(l->pages[i]), 0, l->pages[i]->migratetype);
		buddy_give(z, l->pages[i], 0);
	}
	if (z)
		spin_unlock(&z->lock);
	l->count -= n;
	for (unsigned i = 0; i < l->count; i++)
		l->pages[i] = l->pages[i + n];
}

static noinline void drain_some(struct pcp *l)
{
	if (this_cpu_ptr(pcp_set)->drain_wanted)
		page_alloc_drain_local();
	else
		drain(l, pcp_batch);
}

/* Already out of the books. */
static always_inline void put_on_stack(struct page *p)
{
	struct pcp *l = &this_cpu_ptr(pcp_set)->of[p->migratetype];

	p->account = ACCT_FREE;
	WRITE_ONCE(p->flags, 0);
	l->pages[l->count++] = p;
	if (unlikely(l->count >= pcp_high))
		drain_some(l);
}

static void bad_free(struct page *p)
{
	panic("page %#lx freed in a wrong state: flags %#lx account %u refs %d mapcount %d", page_to_pfn(p), p->flags,
	      p->account, page_refs(p), page_mapcount(p));
}

static void free_block(struct page *p, unsigned order)
{
	struct zone *z = page_zone(p);

	note_free(p, order);
	ledger_sub(p, 1L << order);
	for (unsigned long i = 0; i < 1UL << order; i++) {
		p[i].account = ACCT_FREE;
		p[i].flags = 0;
	}
	spin_lock(&z->lock);
	buddy_give(z, p, order);
	spin_unlock(&z->lock);
	vm_event_add(PGFREE, 1L << order);
}

/* Flags that ask for more than putting it back. Returns true when there is nothing left to do. */
static noinline bool free_special(struct page *p)
{
	if (p->flags & (BIT(PG_TAIL) | BIT(PG_RESERVED) | BIT(PG_BUDDY)))
		bad_free(p);
	if (p->flags & BIT(PG_LRU))
		page_lru_forget(&p, 1);
	if (!(p->flags & BIT(PG_HEAD)))
		return false;
	free_block(p, p->compound_order);
	return true;
}

static always_inline void check_free(struct page *p)
{
	if (unlikely(p->account == ACCT_FREE || p->account == PAGE_NO_RAM))
		bad_free(p);
	debug_assert(page_mapcount(p) == 0);
}

void page_release(struct page *p)
{
	check_free(p);
	if (unlikely(p->flags & FLAGS_AT_FREE_SLOW) && free_special(p))
		return;
	note_free(p, 0);
	ledger_sub(p, 1);
	put_on_stack(p);
	vm_event_add(PGFREE, 1);
}

void page_free(struct page *p, unsigned order)
{
	if (unlikely(page_refs(p) != 1))
		bad_free(p);
	debug_assert(order ? (p->flags & BIT(PG_HEAD)) && p->compound_order == order : !(p->flags & BIT(PG_HEAD)));
	atomic_set(&p->refcount, 0);
	page_release(p);
}

/* Pages that leave together usually have the same books: one entry for the run. Lock held. */
static void ledger_sub_all(struct page **pages, unsigned nr)
{
	unsigned run = 0;

	for (unsigned i = 1; i <= nr; i++)
		if (i == nr || pages[i]->books != pages[run]->books) {
			ledger_sub_locked(pages[run], (long)(i - run));
			run = i;
		}
}

void page_put_bulk(struct page **pages, unsigned nr)
{
	unsigned long flags = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < nr; i++) {
		struct page *p = pages[i];

		if (!atomic_dec_and_test(&p->refcount))
			continue;
		check_free(p);
		if (unlikely(p->flags & FLAGS_AT_FREE_SLOW & ~BIT(PG_LRU)) && free_special(p))
			continue;
		flags |= p->flags;
		pages[n++] = p;
	}
	if (!n)
		return;
	if (flags & BIT(PG_LRU))
		page_lru_forget(pages, n);
	ledger_lock();
	ledger_sub_all(pages, n);
	ledger_unlock();
	if (unlikely(ledger_streaming & STREAM_PAGES))
		ledger_stream_free(pages, n, 0);
	for (unsigned i = 0; i < n; i++) {
		trace_mm_page_free(pages[i], page_to_pfn(pages[i]), 0);
		put_on_stack(pages[i]);
	}
	vm_event_add(PGFREE, n);
}

void page_alloc_drain_local(void)
{
	struct pcp_set *s = this_cpu_ptr(pcp_set);

	s->drain_wanted = false;
	for (unsigned m = 0; m < NR_MIGRATETYPES; m++)
		drain(&s->of[m], PCP_CAPACITY);
}

/* Other CPUs' stacks are theirs alone: they are asked, and answer at their next trip to the buddy. */
void page_alloc_drain_all(void)
{
	for_each_cpu(cpu)
		per_cpu_ptr(pcp_set, cpu)->drain_wanted = true;
	page_alloc_drain_local();
}

/* Of all CPUs, which go on meanwhile. */
races_by_design unsigned long pcp_count(void)
{
	unsigned long n = 0;

	for_each_cpu(cpu)
		for (unsigned m = 0; m < NR_MIGRATETYPES; m++)
			n += READ_ONCE(per_cpu_ptr(pcp_set, cpu)->of[m].count);
	return n;
}

/* Read while the CPU goes on: pointers are compared, never followed. */
void zone_pageset(const struct zone *z, unsigned cpu, struct pageset_info *out)
{
	*out = (struct pageset_info){ .high = pcp_high * NR_MIGRATETYPES, .batch = pcp_batch };
	for (unsigned m = 0; m < NR_MIGRATETYPES; m++) {
		const struct pcp *l = &per_cpu_ptr(pcp_set, cpu)->of[m];

		for (unsigned i = 0; i < READ_ONCE(l->count) && i < PCP_CAPACITY; i++)
			out->count += page_zone(READ_ONCE(l->pages[i])) == z;
	}
}
