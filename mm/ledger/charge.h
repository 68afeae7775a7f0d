/*
 * charge.h - the hot path of the ledger: book frames in and out. Private to mm/.
 *
 * One small lock guards the books. A lock and plain additions are as cheap as two atomic additions, and only a lock
 * can keep "all accounts at the moment of the peak" consistent.
 *
 * A maximum is noted when a number is about to fall, not each time it rises: until then the number itself is the maximum. So
 * taking memory costs five additions, exact peaks are paid for when it is given back (many pages at a time), and whoever
 * asks for a peak takes the larger of the two. The copy of all accounts at the machine's peak works the same way.
 *
 * So a rise may be booked late, if only it stands in the books before the next fall, and before anybody looks. Single pages that one CPU
 * takes under the same three names are a decrement of a per-CPU credit (struct ledger_pending), no lock and no shared line; whoever
 * takes the lock to look or to let a number fall folds all CPUs' into the books first. Credit is given out only as far as the
 * timeline's upper bound, so that a snapshot is taken at the very page that crosses it.
 */
#ifndef MM_LEDGER_CHARGE_H
#define MM_LEDGER_CHARGE_H

#include <kernel/cpu.h>
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

#define LEDGER_CREDIT	64			/* pages a CPU may take before it comes to the books again */
struct ledger_pending {
	u64	key;			/* page->books of the pages taken; changes under the lock, by its CPU */
	long	left;			/* credit; falls by one a page, by its CPU, without the lock */
	long	base;			/* of `left` when last folded; lock: base - left pages are not in the books yet */
	u64	seen;			/* the last key that had no credit: the second time it gets it */
};
DECLARE_PER_CPU(struct ledger_pending, ledger_pending);

extern struct ledger_books ledger_books;
extern struct ledger_owner *ledger_owners;
extern struct alloc_site *ledger_site_base;	/* site of id 1 */
extern unsigned ledger_nr_sites;		/* with modules' */
extern unsigned ledger_nr_kernel_sites;
extern u32 ledger_module_tags;			/* tags of slab objects from here on name a module's site */
struct alloc_site *ledger_site_slow(unsigned id);
/* modules.c: what is counted for modules. */
struct alloc_site *ledger_module_site(struct alloc_site *s);	/* s, or the place where a module called the function that we are in */
#ifdef __QUIRE__
extern struct alloc_site ledger_sites_by_id[];	/* one before the first: ids begin with 1 */
#else
extern struct alloc_site __start_alloc_sites[];
#define ledger_sites_by_id	(__start_alloc_sites - 1)
#endif
/* Bytes above, objects below: one addition counts both. 16 million objects and 512 GiB alive at a site. */
#define MODULE_UNIT_SHIFT	24
#define MODULE_UNIT(bytes, objects)	((long)((unsigned long)(bytes) << MODULE_UNIT_SHIFT | (objects)))
/* The credit has become negative; total has not risen yet. The site that it is counted at. `whose`: a kernel function's objects may stand at its caller's place. */
struct alloc_site *ledger_module_short(struct alloc_site *s, long unit, bool whose);
void ledger_module_pages(struct alloc_site *s, long pages);
void ledger_module_frames_freed(unsigned id, long n);
void ledger_snapshot(void);		/* timeline.c; lock held */
void ledger_note_peak(void);		/* used is at its maximum: copies the books; lock held */

static always_inline struct alloc_site *ledger_site(unsigned id)
{
#ifdef NO_LEDGER
	return NULL;			/* there is no table */
#endif
	return likely(id <= ledger_nr_sites) ? ledger_site_base + id - 1 : ledger_site_slow(id);
}

#ifndef NO_LEDGER

/* An object is taken under a site of a module, or in a kernel function that a module called. False: ledger_module_short() has to say where. */
static always_inline bool ledger_module_take(struct alloc_site *s, long unit)
{
	if (unlikely(__atomic_sub_fetch(&s->credit, unit, __ATOMIC_RELAXED) < 0))
		return false;
	__atomic_fetch_add(&s->total, (unsigned long)unit, __ATOMIC_RELAXED);
	return true;
}

static always_inline void ledger_module_give(unsigned id, long unit)
{
	__atomic_fetch_add(&ledger_sites_by_id[id].credit, unit, __ATOMIC_RELAXED);
}

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

/* Without the timeline's check. */
static always_inline void ledger_book(enum account a, owner_t owner, struct alloc_site *site, long n)
{
	ledger_books.account[a].frames += n;
	ledger_books.used += n;
	ledger_owners[owner].frames += n;
	if (unlikely(ledger_owners[owner].memcg))
		memcg_book(ledger_owners[owner].memcg, a, n);
	site->calls++;
	site->bytes += n << PAGE_SHIFT;
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

static always_inline void ledger_book(enum account a, owner_t owner, struct alloc_site *site, long n)
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

static always_inline void ledger_check_bound(void)
{
	if (unlikely(ledger_books.used > ledger_books.snap_above))
		ledger_snapshot();
}

void ledger_fold_one(struct ledger_pending *p, long n);
void ledger_add_slow(u64 key, struct alloc_site *site);

/* What CPUs have taken on credit goes into the books. Lock held. */
static always_inline void ledger_fold(void)
{
	for_each_cpu(cpu) {
		struct ledger_pending *p = per_cpu_ptr(ledger_pending, cpu);
		long n = p->base - READ_ONCE(p->left);

		if (n)
			ledger_fold_one(p, n);
	}
}

/* The books as they are at this moment. Whoever only adds to them need not fold. */
static always_inline void ledger_lock(void)
{
	spin_lock(&ledger_books.lock);
	ledger_fold();
	ledger_check_bound();
}

static always_inline void ledger_unlock(void)
{
	spin_unlock(&ledger_books.lock);
}

/* For readers of single numbers. */
void ledger_sync(void);

static always_inline void ledger_add(enum account a, owner_t owner, struct alloc_site *site, long n)
{
	spin_lock(&ledger_books.lock);
	ledger_book(a, owner, site, n);
	ledger_check_bound();
	spin_unlock(&ledger_books.lock);
}

/* One page, its books filled in. */
static always_inline void ledger_add_one(u64 key, struct alloc_site *site)
{
	if (likely(this_cpu_read(ledger_pending.key) == key) && likely(this_cpu_read(ledger_pending.left)))
		this_cpu_add(ledger_pending.left, -1);
	else
		ledger_add_slow(key, site);
}

static always_inline void ledger_sub(const struct page *p, long n)
{
	ledger_lock();
	ledger_sub_locked(p, n);
	ledger_unlock();
}

/* Frames whose struct page names the machine are paid by `to` instead of `from`: kernel stacks change hands this way. */
static inline void ledger_owner_shift(owner_t from, owner_t to, long n)
{
#ifndef NO_LEDGER
	struct ledger_owner *o = &ledger_owners[from];

	ledger_lock();
	ledger_fall(&o->frames, &o->peak, n);
	ledger_owners[to].frames += n;
	memcg_book(o->memcg, ACCT_KSTACK, -n);
	memcg_book(ledger_owners[to].memcg, ACCT_KSTACK, n);
	ledger_unlock();
#endif
}

/* Before the first page is handed out: sites get their numbers, boot's claims their accounts. */
void ledger_start(void);
void ledger_note_boot(void);		/* the allocator has all that is free */

#endif
