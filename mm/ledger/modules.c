/*
 * modules.c - the call sites of modules, and what is still alive from each.
 *
 * A module's array of sites is linked into spare slots behind the kernel's own, so frames and objects name them like any
 * other, and need no lookup. A slot is given back when nothing names it any more; a leak keeps its slot, with copies of its
 * names, until the end: the report survives the module.
 */
#include <abi/errno.h>
#include <kernel/module.h>
#include <lib/string.h>
#include <mm/slab.h>
#include "../slab/internal.h"
#include "charge.h"
#include "owners.h"

#ifndef NO_LEDGER

extern struct alloc_site __start_alloc_sites[], __stop_alloc_sites[];
#ifdef __QUIRE__
extern struct alloc_site __end_alloc_sites[];
#else
#define __end_alloc_sites __stop_alloc_sites	/* the host has no modules */
#endif

static bool slot_free(const struct alloc_site *s)
{
	return !s->file;
}

static void slot_clear(struct alloc_site *s)
{
	u16 id = s->id;

	memset(s, 0, sizeof(*s));
	s->id = id;
}

/* Ids are places in the array: the copy of the module's sites must not lose them. Called with module_lock held. */
struct alloc_site *ledger_sites_reserve(unsigned n, unsigned *first)
{
	struct alloc_site *s = __stop_alloc_sites;

	while (s + n <= __end_alloc_sites) {
		unsigned i = 0;

		while (i < n && slot_free(&s[i]))
			i++;
		if (i == n) {
			*first = (unsigned)(s - __start_alloc_sites) + 1;
			return s;
		}
		s += i + 1;
	}
	return NULL;
}

/* What one cache (or, with NULL, pages) holds of some sites. */
struct cache_sums {
	unsigned	first, n;
	struct module_usage *of;
};

static void sum_slab(struct slab_cache *c, struct page *slab, void *arg)
{
	struct cache_sums *sums = arg;

	for (unsigned i = 0; i < c->objects; i++) {
		unsigned site = (*slab_tag(c, slab_object(c, slab, i)) >> 16) - sums->first;

		if (site < sums->n) {
			sums->of[site].objects++;
			sums->of[site].bytes += c->object_size;
		}
	}
}

int ledger_sites_usage(unsigned first, unsigned n,
		       void (*fn)(void *arg, const struct alloc_site *s, const char *cache, const struct module_usage *u), void *arg)
{
	struct cache_sums sums = { first, n, kcalloc(n ? n : 1, sizeof(struct module_usage), GFP_KERNEL) };

	if (!sums.of)
		return -ENOMEM;
	for (unsigned k = 0; k < slab_nr_caches; k++) {
		if (!slab_caches[k])
			continue;
		memset(sums.of, 0, n * sizeof(sums.of[0]));
		slab_for_each(slab_caches[k], sum_slab, &sums);
		for (unsigned i = 0; i < n; i++)
			if (sums.of[i].objects)
				fn(arg, ledger_site(first + i), slab_caches[k]->name, &sums.of[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		const struct alloc_site *s = ledger_site(first + i);
		struct module_usage u = { .pages = s->bytes >> PAGE_SHIFT, .calls = s->calls,
					  .peak_pages = max(s->peak_bytes, s->bytes) >> PAGE_SHIFT };

		fn(arg, s, NULL, &u);
	}
	kfree(sums.of);
	return 0;
}

static void note_alive(void *arg, const struct alloc_site *s, const char *cache, const struct module_usage *u)
{
	unsigned long *alive = arg;

	if (u->objects || u->pages)
		set_bit((unsigned)(s - __stop_alloc_sites), alive);
}

void ledger_sites_release(unsigned first, unsigned n)
{
	unsigned long alive[DIV_ROUND_UP(128, 64)] = { 0 };
	int err = ledger_sites_usage(first, n, note_alive, alive);

	for (unsigned i = 0; i < n; i++) {
		struct alloc_site *s = ledger_site(first + i);

		if (!err && !test_bit((unsigned)(s - __stop_alloc_sites), alive)) {
			slot_clear(s);
			continue;
		}
		s->file = kstrdup(s->file, GFP_KERNEL);
		s->func = kstrdup(s->func, GFP_KERNEL);
		if (!s->file)
			s->file = "a module that is gone";
		if (!s->func)
			s->func = "?";
	}
}

#else

/* Without a ledger the sites are only memory that the module's code points to. */
static struct alloc_site no_ledger_sites[128];

struct alloc_site *ledger_sites_reserve(unsigned n, unsigned *first)
{
	*first = 1;
	return n <= ARRAY_SIZE(no_ledger_sites) ? no_ledger_sites : NULL;
}

void ledger_sites_release(unsigned first, unsigned n)
{
}

int ledger_sites_usage(unsigned first, unsigned n,
		       void (*fn)(void *arg, const struct alloc_site *s, const char *cache, const struct module_usage *u), void *arg)
{
	return 0;
}

#endif
