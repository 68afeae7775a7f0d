/*
 * modules.c - the books of modules: their call sites, and what is alive from each.
 *
 * SHAPE       a module's array of sites is linked into spare slots behind the kernel's own, so frames and objects name them like
 *             any other. Each slot has an entry more (`extra`): what stands there, the peak, pages, and where in the module's text
 *             the call stands. Each module has books: the sums over its sites.
 * COUNTING    an allocation compares its site with current->site_floor; only those of modules, or made in a kernel function that
 *             a module called, are counted. A free compares the object's tag. So the kernel's own pay a compare and a jump.
 * CREDIT      peaks of a site and of its module are exact, and yet an object costs one subtraction: `granted` of a site is what is alive
 *             there and what may be taken before anybody must look; the sum over a module's sites never exceeds the module's
 *             peak, nor one site's its own. A free gives back to the site's credit. Who finds none takes back, under count_lock,
 *             his own, and if that is not enough everybody's: then `granted` is what is alive, and peaks rise with it.
 * UNITS       bytes << 24 | objects; `total` the same, for ever: it wraps at 1 TiB, and the allocations at 16 million, which `calls`,
 *             good to a few, tells apart.
 * HELPERS     between module_call_begin() and _end() what the kernel allocates stands at the place of the call. Its caches do
 *             not: reclaimable slabs, and what is asked for with GFP_NOACCOUNT, belong to everybody.
 * LIFE        a slot is given back when nothing names it any more; a leak keeps its slot, with copies of its names. Books
 *             stay with the last report of a module that is gone, until another needs their place.
 * LOCKS       count_lock (innermost) guards granted and peaks; credit and totals are atomic; slots and books come and go under module_lock.
 */
#include <abi/errno.h>
#include <kernel/module.h>
#include <kernel/task.h>
#include <lib/string.h>
#include <mm/slab.h>
#include "../slab/internal.h"
#include "charge.h"
#include "owners.h"

#ifndef NO_LEDGER

#ifdef __QUIRE__
extern struct alloc_site __start_alloc_sites[], __end_alloc_sites[];
#else
#define __end_alloc_sites __stop_alloc_sites	/* the host has no modules */
#endif

#define NR_BOOKS	64

struct extra {
	vaddr_t			code;
	long			granted, peak;	/* units */
	atomic_long_t		pages;
	struct module_sums	sums;		/* for those who look: filled when they do */
};
static struct extra *extra;			/* by slot; from the first module on */

struct module_books {
	char			name[MODULE_NAME_LEN];
	bool			live;
	unsigned		first, end;	/* slots among which its sites are */
	long			granted, peak;	/* units */
	struct module_sums	sums;
	char			*report;	/* of the last unload */
};
static struct module_books *books[NR_BOOKS];	/* [0] stays empty */
static spinlock_t count_lock = SPINLOCK_INIT("modules' books", LOCK_LEAF);

static inline unsigned slot_of(const struct alloc_site *s)
{
	return (unsigned)(s - __stop_alloc_sites);
}

/* ---- counting ----------------------------------------------------------------------------------------------------- */

/* What is granted to a site becomes what is alive there. Lock held. */
static void take_back(struct alloc_site *s, struct module_books *b)
{
	long rest = __atomic_exchange_n(&s->credit, 0, __ATOMIC_RELAXED);

	extra[slot_of(s)].granted -= rest;
	b->granted -= rest;
}

static void rise(struct alloc_site *s, struct module_books *b)
{
	struct extra *e = &extra[slot_of(s)];
	long more;

	spin_lock(&count_lock);
	take_back(s, b);
	for (unsigned i = b->first; i < b->end && b->granted > b->peak; i++)
		if (books[__stop_alloc_sites[i].module] == b)
			take_back(&__stop_alloc_sites[i], b);
	b->peak = max(b->peak, b->granted);
	e->peak = max(e->peak, e->granted);
	more = min(b->peak - b->granted, e->peak - e->granted);
	e->granted += more;
	b->granted += more;
	__atomic_fetch_add(&s->credit, more, __ATOMIC_RELAXED);
	spin_unlock(&count_lock);
}

static inline bool is_module_site(const struct alloc_site *s)
{
	return s >= __stop_alloc_sites && s < __end_alloc_sites && books[s->module];
}

struct alloc_site *ledger_module_short(struct alloc_site *s, long unit, bool whose)
{
	if (!is_module_site(s)) {		/* the kernel's own, which has no credit */
		__atomic_fetch_add(&s->credit, unit, __ATOMIC_RELAXED);
		s = whose ? ledger_module_site(s) : s;
		if (!is_module_site(s) || ledger_module_take(s, unit))
			return s;
	}
	rise(s, books[s->module]);
	__atomic_fetch_add(&s->total, (unsigned long)unit, __ATOMIC_RELAXED);
	return s;
}

/* Alive, in units. */
static long alive(const struct alloc_site *s)
{
	return extra[slot_of(s)].granted - READ_ONCE(s->credit);
}

static void look(struct alloc_site *s)
{
	struct extra *e = &extra[slot_of(s)];
	unsigned long mask = (1ul << MODULE_UNIT_SHIFT) - 1, calls = (unsigned long)READ_ONCE(s->calls), total = READ_ONCE(s->total);
	long now;

	spin_lock(&count_lock);
	now = alive(s);
	spin_unlock(&count_lock);
	calls += (total - calls + mask / 2) & mask;	/* the number near `calls` that ends as total does */
	calls -= mask / 2;
	atomic_set(&e->sums.objects, now & (long)mask);
	atomic_set(&e->sums.pages, atomic_read(&e->pages));
	atomic_set(&e->sums.bytes, now >> MODULE_UNIT_SHIFT);
	atomic_set(&e->sums.peak, e->peak >> MODULE_UNIT_SHIFT);
	atomic_set(&e->sums.calls, (long)calls);
	atomic_set(&e->sums.total, (long)((total - calls) >> MODULE_UNIT_SHIFT));
}

struct alloc_site *ledger_module_site(struct alloc_site *s)
{
	return s < __stop_alloc_sites && current->module_site ? current->module_site : s;
}

/* Pages count as an allocation, but not as objects. */
void ledger_module_pages(struct alloc_site *s, long pages)
{
	long unit = MODULE_UNIT(pages << PAGE_SHIFT, 0);

	if (!is_module_site(s))
		return;
	if (!ledger_module_take(s, unit))
		(void)ledger_module_short(s, unit, false);
	__atomic_fetch_add(&s->total, 1, __ATOMIC_RELAXED);
	atomic_add(&extra[slot_of(s)].pages, pages);
}

/* Frames of a module's site are freed. The books' lock is held. */
void ledger_module_frames_freed(unsigned id, long n)
{
	struct alloc_site *s = ledger_site_base + id - 1;

	ledger_fall(&s->bytes, &s->peak_bytes, n << PAGE_SHIFT);
	if (!is_module_site(s))
		return;
	ledger_module_give(id, MODULE_UNIT(n << PAGE_SHIFT, 0));
	atomic_sub(&extra[slot_of(s)].pages, n);
}

/* ---- slots and books ---------------------------------------------------------------------------------------------- */

static void slot_clear(struct alloc_site *s)
{
	u16 id = s->id;

	memset(s, 0, sizeof(*s));
	s->id = id;
	memset(&extra[slot_of(s)], 0, sizeof(extra[0]));
}

/* A run of free slots. Module_lock held. */
static struct alloc_site *slots_find(unsigned n)
{
	struct alloc_site *s = __stop_alloc_sites;

	while (s + n <= __end_alloc_sites) {
		unsigned i = 0;

		while (i < n && !s[i].file)
			i++;
		if (i == n)
			return s;
		s += i + 1;
	}
	return NULL;
}

struct alloc_site *ledger_sites_reserve(unsigned n, unsigned *first)
{
	struct alloc_site *s = slots_find(n);

	if (!extra)
		extra = kvmalloc((size_t)(__end_alloc_sites - __stop_alloc_sites) * sizeof(*extra),
				 GFP_KERNEL | GFP_ZERO | GFP_NOACCOUNT);
	if (!s || !extra)
		return NULL;
	*first = (unsigned)(s - __start_alloc_sites) + 1;
	for (unsigned i = 0; i < n; i++)
		s[i].file = s[i].func = "?";		/* taken; the module's relocations put the names */
	return s;
}

/* The sums over its sites. */
static void add_up(struct module_books *b)
{
	struct module_sums sums = { .peak = { b->peak >> MODULE_UNIT_SHIFT } };

	for (unsigned i = b->first; i < b->end; i++) {
		const struct module_sums *one = &extra[i].sums;

		if (books[__stop_alloc_sites[i].module] != b)
			continue;
		look(&__stop_alloc_sites[i]);
		sums.objects.v += one->objects.v;
		sums.pages.v += one->pages.v;
		sums.bytes.v += one->bytes.v;
		sums.calls.v += one->calls.v;
		sums.total.v += one->total.v;
	}
	b->sums = sums;
}

static bool books_wanted(struct module_books *b)
{
	add_up(b);
	return b->live || atomic_read(&b->sums.bytes);
}

unsigned ledger_books_open(const char *name)
{
	unsigned at = 0;

	for (unsigned i = NR_BOOKS - 1; i; i--)		/* the same name's first, then an empty place, then another's */
		if (!books[i] ? !at || books[at] : !books_wanted(books[i]) && (!at || strcmp(books[i]->name, name) == 0))
			at = i;
	if (!at)
		return 0;
	if (!books[at])
		books[at] = kmalloc(sizeof(**books), GFP_KERNEL | GFP_ZERO | GFP_NOACCOUNT);
	if (!books[at])
		return 0;
	kvfree(books[at]->report);
	memset(books[at], 0, sizeof(**books));
	strscpy(books[at]->name, name, sizeof(books[at]->name));
	books[at]->live = true;
	return at;
}

void ledger_books_close(unsigned b, char *report)
{
	books[b]->live = false;
	books[b]->report = report;
}

const struct module_sums *ledger_books_sums(unsigned b)
{
	add_up(books[b]);
	return &books[b]->sums;
}

const char *ledger_books_report(unsigned b, bool *more)
{
	*more = b + 1 < NR_BOOKS;
	return books[b] && !books[b]->live ? books[b]->report : NULL;
}

void ledger_site_set_code(struct alloc_site *s, unsigned b, vaddr_t code)
{
	unsigned slot = slot_of(s);

	s->module = (u16)b;
	if (code) {
		extra[slot].code = code;
		return;
	}
	books[b]->first = books[b]->end ? min(books[b]->first, slot) : slot;
	books[b]->end = max(books[b]->end, slot + 1);
}

struct alloc_site *ledger_site_at(unsigned id, const struct module_sums **sums, vaddr_t *code)
{
	struct alloc_site *s = ledger_site_base + id - 1;

	look(s);
	*sums = &extra[slot_of(s)].sums;
	*code = extra[slot_of(s)].code;
	return s;
}

void ledger_sites_release(unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct alloc_site *s = ledger_site_base + first + i - 1;

		spin_lock(&count_lock);
		if (books[s->module])
			take_back(s, books[s->module]);
		spin_unlock(&count_lock);
		if (!alive(s)) {
			slot_clear(s);
			continue;
		}
		s->file = kstrdup(s->file, GFP_KERNEL | GFP_NOACCOUNT);
		s->func = kstrdup(s->func, GFP_KERNEL | GFP_NOACCOUNT);
		if (!s->file)
			s->file = "a module that is gone";
		if (!s->func)
			s->func = "?";
	}
}

/* ---- which caches ------------------------------------------------------------------------------------------------- */

struct cache_counts {
	unsigned	first, n;
	long		*of;
};

static void count_slab(struct slab_cache *c, struct page *slab, void *arg)
{
	struct cache_counts *counts = arg;

	for (unsigned i = 0; i < c->objects; i++) {
		unsigned site = (*slab_tag(c, slab_object(c, slab, i)) >> 16) - counts->first;

		if (site < counts->n)
			counts->of[site]++;
	}
}

int ledger_sites_caches(unsigned first, unsigned n, void (*fn)(void *arg, unsigned id, const char *cache, size_t size, long objects),
			void *arg)
{
	struct cache_counts counts = { first, n, kcalloc(n ? n : 1, sizeof(long), GFP_KERNEL) };

	if (!counts.of)
		return -ENOMEM;
	for (unsigned k = 0; k < slab_nr_caches; k++) {
		if (!slab_caches[k])
			continue;
		memset(counts.of, 0, n * sizeof(counts.of[0]));
		slab_for_each(slab_caches[k], count_slab, &counts);
		for (unsigned i = 0; i < n; i++)
			if (counts.of[i])
				fn(arg, first + i, slab_caches[k]->name, slab_caches[k]->object_size, counts.of[i]);
	}
	kfree(counts.of);
	return 0;
}

#else

/* Without a ledger the sites are only memory that the module's code points to. */
static struct alloc_site no_ledger_sites[384];
static const struct module_sums nothing;

struct alloc_site *ledger_sites_reserve(unsigned n, unsigned *first)
{
	*first = 1;
	return n <= ARRAY_SIZE(no_ledger_sites) ? no_ledger_sites : NULL;
}

void ledger_sites_release(unsigned first, unsigned n)
{
}

unsigned ledger_books_open(const char *name)
{
	return 1;
}

void ledger_books_close(unsigned b, char *report)
{
	kvfree(report);
}

const struct module_sums *ledger_books_sums(unsigned b)
{
	return &nothing;
}

const char *ledger_books_report(unsigned b, bool *more)
{
	*more = false;
	return NULL;
}

void ledger_site_set_code(struct alloc_site *s, unsigned b, vaddr_t code)
{
}

struct alloc_site *ledger_site_at(unsigned id, const struct module_sums **sums, vaddr_t *code)
{
	*sums = &nothing;
	*code = 0;
	return &no_ledger_sites[id - 1];
}

int ledger_sites_caches(unsigned first, unsigned n, void (*fn)(void *arg, unsigned id, const char *cache, size_t size, long objects),
			void *arg)
{
	return 0;
}

#endif
