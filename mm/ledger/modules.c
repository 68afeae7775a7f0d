/*
 * modules.c - the books of modules: their call sites, and what is alive from each.
 *
 * SHAPE       a module's array of sites is linked into spare slots behind the kernel's own, so frames and objects name them like
 *             any other. Each slot has an entry more (`extra`): objects, pages, bytes, the peak, totals, and where in the
 *             module's text the call stands. Each module has books: the sums over its sites.
 * COUNTING    an allocation compares its site with current->site_floor; only those of modules, or made in a kernel function that
 *             a module called, come here. A free compares the object's tag. So the kernel's own pay a compare and a jump.
 * HELPERS     between module_call_begin() and _end() what the kernel allocates stands at the place of the call. Its caches do
 *             not: reclaimable slabs, and what is asked for with GFP_NOACCOUNT, belong to everybody.
 * LIFE        a slot is given back when nothing names it any more; a leak keeps its slot, with copies of its names. Books
 *             stay with the last report of a module that is gone, until another needs their place.
 * LOCKS       numbers are atomic; slots and books come and go under module_lock.
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

extern struct alloc_site __start_alloc_sites[];
#ifdef __QUIRE__
extern struct alloc_site __end_alloc_sites[];
#else
#define __end_alloc_sites __stop_alloc_sites	/* the host has no modules */
#endif

#define NR_BOOKS	64

struct extra {
	vaddr_t			code;
	struct module_sums	sums;
};
static struct extra *extra;			/* by slot; from the first module on */

struct module_books {
	char			name[MODULE_NAME_LEN];
	bool			live;
	struct module_sums	sums;
	char			*report;	/* of the last unload */
};
static struct module_books *books[NR_BOOKS];	/* [0] stays empty */

static inline unsigned slot_of(const struct alloc_site *s)
{
	return (unsigned)(s - __stop_alloc_sites);
}

/* ---- counting ----------------------------------------------------------------------------------------------------- */

static void sums_add(struct module_sums *m, long objects, long pages, long bytes)
{
	long now = atomic_add_return(&m->bytes, bytes), peak = atomic_read(&m->peak);

	atomic_add(&m->objects, objects);
	atomic_add(&m->pages, pages);
	if (bytes < 0)
		return;
	atomic_inc(&m->calls);
	atomic_add(&m->total, bytes);
	while (now > peak && !atomic_try_cmpxchg(&m->peak, peak, now))
		peak = atomic_read(&m->peak);
}

static void count(const struct alloc_site *s, long objects, long pages, long bytes)
{
	sums_add(&extra[slot_of(s)].sums, objects, pages, bytes);
	if (books[s->module])
		sums_add(&books[s->module]->sums, objects, pages, bytes);
}

struct alloc_site *ledger_module_site(struct alloc_site *s)
{
	return s < __stop_alloc_sites && current->module_site ? current->module_site : s;
}

void ledger_module_object(struct alloc_site *s, long objects, size_t bytes)
{
	if (s >= __stop_alloc_sites && s < __end_alloc_sites)
		count(s, objects, 0, objects * (long)bytes);
}

void ledger_module_pages(struct alloc_site *s, long pages)
{
	if (s >= __stop_alloc_sites && s < __end_alloc_sites)
		count(s, 0, pages, pages << PAGE_SHIFT);
}

/* Frames of a module's site are freed. The books' lock is held. */
void ledger_module_frames_freed(unsigned id, long n)
{
	struct alloc_site *s = ledger_site_base + id - 1;

	ledger_fall(&s->bytes, &s->peak_bytes, n << PAGE_SHIFT);
	ledger_module_pages(s, -n);
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

static bool books_wanted(const struct module_books *b)
{
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
	return &books[b]->sums;
}

const char *ledger_books_report(unsigned b, bool *more)
{
	*more = b + 1 < NR_BOOKS;
	return books[b] && !books[b]->live ? books[b]->report : NULL;
}

void ledger_site_set_code(struct alloc_site *s, unsigned b, vaddr_t code)
{
	s->module = (u16)b;
	if (code)
		extra[slot_of(s)].code = code;
}

struct alloc_site *ledger_site_at(unsigned id, const struct module_sums **sums, vaddr_t *code)
{
	struct alloc_site *s = ledger_site_base + id - 1;

	*sums = &extra[slot_of(s)].sums;
	*code = extra[slot_of(s)].code;
	return s;
}

void ledger_sites_release(unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct alloc_site *s = ledger_site_base + first + i - 1;

		if (!atomic_read(&extra[slot_of(s)].sums.bytes)) {
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
