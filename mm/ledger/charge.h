/*
 * charge.h - the hot path of the ledger: book frames in and out. Private to mm/.
 *
 * One small lock guards the books. A lock and plain additions are as cheap as two atomic additions, and only a lock
 * can keep "all accounts at the moment of the peak" consistent.
 *
 * A maximum is noted when a number is about to fall, not each time it rises: until then the number itself is the maximum. So
 * taking memory costs five additions, exact peaks are paid for when it is given back (many pages at a time), and whoever
 * asks for a peak takes the larger of the two. The copy of all accounts at the machine's peak works the same way.
 */
#ifndef MM_LEDGER_CHARGE_H
#define MM_LEDGER_CHARGE_H

#include <mm/memcg.h>
#include <mm/page.h>

struct ledger_owner {			/* hot half; names are in owners.c */
	long	frames;
	long	peak;
	struct memcg *memcg;		/* NULL: in no cgroup but the root */
};

struct ledger_books {
	spinlock_t	lock;			/* LOCK_LEDGER */
	long		used, used_peak;	/* frames in all accounts but FREE; used > used_peak: not noted yet */
	long		snap_above, snap_below;	/* used outside of these: the timeline wants a snapshot */
	long		ram;			/* frames in all accounts */
	struct {
		long	frames, peak;
	} account[NR_ACCOUNTS];			/* FREE is derived: ram - used */
	long		at_peak_frames[NR_ACCOUNTS];
	ktime_t		peak_time;
};

extern struct ledger_books ledger_books;
extern struct ledger_owner *ledger_owners;
extern struct alloc_site *ledger_site_base;	/* site of id 1 */
extern unsigned ledger_nr_sites;		/* with modules' */
extern unsigned ledger_nr_kernel_sites;
extern u32 ledger_module_tags;			/* tags of slab objects from here on name a module's site */
struct alloc_site *ledger_site_slow(unsigned id);
/* modules.c: what is counted for modules. */
struct alloc_site *ledger_module_site(struct alloc_site *s);	/* s, or the place where a module called the function that we are in */
void ledger_module_object(struct alloc_site *s, long objects, size_t bytes);
void ledger_module_pages(struct alloc_site *s, long pages);
void ledger_module_frames_freed(unsigned id, long n);
void ledger_snapshot(void);		/* timeline.c; lock held */
void ledger_note_peak(void);		/* used is at its maximum: copies the books; lock held */

static always_inline struct alloc_site *ledger_site(unsigned id)
{
	return likely(id <= ledger_nr_sites) ? ledger_site_base + id - 1 : ledger_site_slow(id);
}

#ifndef NO_LEDGER

/* The cgroup of an owner and all above it; n may be negative. Lock held. */
static noinline unused void memcg_book(struct memcg *m, enum account a, long n)
{
	for (; m; m = m->parent) {
		m->pages += n;
		m->stat[a] += n;
		if (m->pages > m->peak)
			m->peak = m->pages;
	}
}

static always_inline void ledger_add_locked(enum account a, owner_t owner, struct alloc_site *site, long n)
{
	ledger_books.account[a].frames += n;
	ledger_books.used += n;
	ledger_owners[owner].frames += n;
	if (unlikely(ledger_owners[owner].memcg))
		memcg_book(ledger_owners[owner].memcg, a, n);
	site->calls++;
	site->bytes += n << PAGE_SHIFT;
	if (unlikely(ledger_books.used > ledger_books.snap_above))
		ledger_snapshot();
}

/* *now falls by n. */
static always_inline void ledger_fall(long *now, long *peak, long n)
{
	if (*now > *peak)
		*peak = *now;
	*now -= n;
}

static always_inline void ledger_sub_locked(const struct page *p, long n)
{
	struct ledger_books *b = &ledger_books;
	struct ledger_owner *o = &ledger_owners[p->owner];

	if (unlikely(b->used > b->used_peak))
		ledger_note_peak();
	b->used -= n;
	ledger_fall(&b->account[p->account].frames, &b->account[p->account].peak, n);
	ledger_fall(&o->frames, &o->peak, n);
	if (unlikely(o->memcg))
		memcg_book(o->memcg, p->account, -n);
	if (likely(p->site)) {
		struct alloc_site *s = ledger_site_base + p->site - 1;

		if (unlikely(p->site > ledger_nr_kernel_sites))
			ledger_module_frames_freed(p->site, n);
		else
			ledger_fall(&s->bytes, &s->peak_bytes, n << PAGE_SHIFT);
	}
	if (unlikely(b->used < b->snap_below))
		ledger_snapshot();
}

#else

static always_inline void ledger_add_locked(enum account a, owner_t owner, struct alloc_site *site, long n)
{
	ledger_books.account[a].frames += n;
	ledger_books.used += n;
}

static always_inline void ledger_sub_locked(const struct page *p, long n)
{
	ledger_books.account[p->account].frames -= n;
	ledger_books.used -= n;
}

#endif

static always_inline void ledger_add(enum account a, owner_t owner, struct alloc_site *site, long n)
{
	spin_lock(&ledger_books.lock);
	ledger_add_locked(a, owner, site, n);
	spin_unlock(&ledger_books.lock);
}

static always_inline void ledger_sub(const struct page *p, long n)
{
	spin_lock(&ledger_books.lock);
	ledger_sub_locked(p, n);
	spin_unlock(&ledger_books.lock);
}

/* Frames whose struct page names the machine are paid by `to` instead of `from`: kernel stacks change hands this way. */
static inline void ledger_owner_shift(owner_t from, owner_t to, long n)
{
#ifndef NO_LEDGER
	struct ledger_owner *o = &ledger_owners[from];

	spin_lock(&ledger_books.lock);
	ledger_fall(&o->frames, &o->peak, n);
	ledger_owners[to].frames += n;
	memcg_book(o->memcg, ACCT_KSTACK, -n);
	memcg_book(ledger_owners[to].memcg, ACCT_KSTACK, n);
	spin_unlock(&ledger_books.lock);
#endif
}

/* Before the first page is handed out: sites get their numbers, boot's claims their accounts. */
void ledger_start(void);
void ledger_note_boot(void);		/* the allocator has all that is free */

#endif
