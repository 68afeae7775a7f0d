/*
 * holders.c - the largest owners and call sites at this moment, without looking at everybody who might be one.
 *
 * WHY         a snapshot is taken in the middle of an allocation, a thousand times in a second of a busy program. There are thousands of
 *             possible owners and hundreds of call sites; a handful hold frames.
 * SHAPE       two lists of counters, largest first: those that are not zero, and a few that were not. A look adds them up and moves those
 *             that have grown to their place, so the next one finds nearly all in order. New owners are added when they are made,
 *             those that are gone and hold nothing leave.
 * EXACT       nobody reports to a list. But all frames in use stand with somebody, so what the listed hold and what is in use differ by a
 *             constant (boot's). When that changes, somebody not listed has got frames, and the list is made anew.
 * LOCKS       ledger_books.lock, for everything here.
 */
#include <lib/string.h>
#include "charge.h"
#include "holders.h"
#include "owners.h"

#ifndef NO_LEDGER

struct holders {
	long		**at;
	unsigned	nr;
	long		others;		/* what is in use and nobody listed holds */
};

static struct holders owners, sites;	/* owners count frames, sites bytes */

size_t holders_size(void)
{
	return (ledger_nr_sites + ledger_nr_owners()) * sizeof(long *);
}

static unsigned owner_of(const long *frames)
{
	return (unsigned)(container_of(frames, struct ledger_owner, frames) - ledger_owners);
}

/* The one at `from` has become larger than the one before it. */
static noinline void move_up(long **at, unsigned from)
{
	long *moves = at[from];

	for (; from && *moves > *at[from - 1]; from--)
		at[from] = at[from - 1];
	at[from] = moves;
}

/* Put the list in order. -> what it does not tell of `used`. */
static long look(struct holders *h, long used)
{
	long before = LONG_MAX;

	for (unsigned i = 0; i < h->nr; i++) {
		long n = *h->at[i];

		used -= n;
		if (unlikely(n > before))
			move_up(h->at, i);
		else
			before = n;
	}
	return used;
}

static void list_owners(void)
{
	owners.nr = 0;
	for (unsigned o = 0; o < ledger_nr_owners(); o++) {
		const struct ledger_owner_name *n = ledger_owner_name(o);

		if (ledger_owners[o].frames || (n->kind != OWNER_FREE && !n->released))
			owners.at[owners.nr++] = &ledger_owners[o].frames;
	}
	owners.others = look(&owners, ledger_books.used);
}

static void list_sites(void)
{
	sites.nr = 0;
	for (unsigned i = 1; i <= ledger_nr_sites; i++)
		if (ledger_site(i)->bytes)
			sites.at[sites.nr++] = &ledger_site(i)->bytes;
	sites.others = look(&sites, ledger_books.used << PAGE_SHIFT);
}

void holders_start(void *mem)
{
	sites.at = mem;
	owners.at = sites.at + ledger_nr_sites;
	list_owners();
	list_sites();
}

/* An id used again may stand in the list still, from when it held its last frame. */
void holders_owner_created(unsigned o)
{
	if (!owners.at)
		return;
	for (unsigned i = 0; i < owners.nr; i++)
		if (owners.at[i] == &ledger_owners[o].frames)
			return;
	owners.at[owners.nr++] = &ledger_owners[o].frames;
}

static void drop_dead_owners(void)
{
	while (owners.nr && !*owners.at[owners.nr - 1] && ledger_owner_name(owner_of(owners.at[owners.nr - 1]))->released)
		owners.nr--;
}

void holders_top(struct snapshot *s)
{
	struct ls_holder *held;

	if (unlikely(look(&owners, ledger_books.used) != owners.others))
		list_owners();
	if (unlikely(look(&sites, ledger_books.used << PAGE_SHIFT) != sites.others))
		list_sites();
	drop_dead_owners();
	for (unsigned i = 0; i < SNAPSHOT_TOP && i < owners.nr && *owners.at[i]; i++, s->head.nr_owners++) {
		unsigned o = owner_of(owners.at[i]);
		const struct ledger_owner_name *n = ledger_owner_name(o);	/* ids are used again: keep what they mean now */

		s->owners[i] = (struct ls_owner){ .kind = o != 0, .pid = n->id, .frames = *owners.at[i] };
		__builtin_memcpy(s->owners[i].name, n->name, sizeof(s->owners[i].name));
	}
	held = snapshot_sites(s);
	for (unsigned i = 0; i < SNAPSHOT_TOP && i < sites.nr && *sites.at[i] >= PAGE_SIZE; i++, s->head.nr_sites++)
		held[i] = (struct ls_holder){ .site = container_of(sites.at[i], struct alloc_site, bytes)->id,
						  .frames = *sites.at[i] >> PAGE_SHIFT };
}

#else
size_t holders_size(void) { return 0; }
void holders_start(void *mem) { }
void holders_top(struct snapshot *s) { }
void holders_owner_created(unsigned o) { }
#endif
