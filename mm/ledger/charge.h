/*
 * charge.h - the hot path of the ledger: book frames in and out. Private to mm/.
 *
 * One small lock guards the books. A lock and plain additions are as cheap as two atomic additions, and only a lock
 * can keep "all accounts at the moment of the peak" consistent.
 *
 * The state at the peak is not copied at each new maximum (while memory fills up, that is every allocation): `at_peak` says
 * that the books show the peak right now, and whoever first takes something out copies them before.
 */
#ifndef MM_LEDGER_CHARGE_H
#define MM_LEDGER_CHARGE_H

#include <mm/page.h>

struct ledger_owner {			/* hot half; names are in owners.c */
	long	frames;
	long	peak;
};

struct ledger_books {
	spinlock_t	lock;			/* LOCK_LEDGER */
	bool		at_peak;		/* used == used_peak and at_peak_frames is stale */
	long		used, used_peak;	/* frames in all accounts but FREE */
	long		ram;			/* frames in all accounts */
	long		frames[NR_ACCOUNTS];	/* FREE is derived: ram - used */
	long		peak[NR_ACCOUNTS];
	long		at_peak_frames[NR_ACCOUNTS];
	ktime_t		peak_time;
};

extern struct ledger_books ledger_books;
extern struct ledger_owner *ledger_owners;
extern struct alloc_site *ledger_site_base;	/* site of id 1 */
extern unsigned ledger_nr_sites;		/* of the kernel; modules' are found by ledger_site_slow() */
struct alloc_site *ledger_site_slow(unsigned id);
void ledger_note_peak(void);		/* copies the books; lock held */

static always_inline struct alloc_site *ledger_site(unsigned id)
{
	return likely(id <= ledger_nr_sites) ? ledger_site_base + id - 1 : ledger_site_slow(id);
}

#ifndef NO_LEDGER

static always_inline void ledger_add_locked(enum account a, owner_t owner, struct alloc_site *site, long n)
{
	struct ledger_books *b = &ledger_books;
	struct ledger_owner *o = &ledger_owners[owner];
	long now;

	now = b->frames[a] += n;
	if (now > b->peak[a])
		b->peak[a] = now;
	now = b->used += n;
	if (now > b->used_peak) {
		b->used_peak = now;
		b->at_peak = true;
	}
	now = o->frames += n;
	if (now > o->peak)
		o->peak = now;
	site->calls++;
	now = site->bytes += n << PAGE_SHIFT;
	if (now > site->peak_bytes)
		site->peak_bytes = now;
}

static always_inline void ledger_sub_locked(const struct page *p, long n)
{
	struct ledger_books *b = &ledger_books;

	if (unlikely(b->at_peak))
		ledger_note_peak();
	b->frames[p->account] -= n;
	b->used -= n;
	ledger_owners[p->owner].frames -= n;
	if (likely(p->site))
		ledger_site(p->site)->bytes -= n << PAGE_SHIFT;
}

#else

static always_inline void ledger_add_locked(enum account a, owner_t owner, struct alloc_site *site, long n)
{
	ledger_books.frames[a] += n;
	ledger_books.used += n;
}

static always_inline void ledger_sub_locked(const struct page *p, long n)
{
	ledger_books.frames[p->account] -= n;
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

/* Before the first page is handed out: sites get their numbers, boot's claims their accounts. */
void ledger_start(void);

#endif
