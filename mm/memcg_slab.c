/*
 * memcg_slab.c - slab objects charged to cgroups, to the byte.
 *
 * WHO         an object names its owner in its slab's side table, the owner its cgroup. So who frees it does not matter, and a
 *             removed cgroup's objects are its parent's as soon as its owners are.
 * WHAT        the slot an object takes, of every allocation without GFP_NOACCOUNT. The slab's pages stay the machine's: objects of
 *             many owners share them. In a cgroup's number of pages the bytes are rounded up.
 * SHAPE       a CPU collects changes for one cgroup (stock) and hands them on when they come to a page, when another cgroup is
 *             next, or when somebody looks.
 * COST        while there are cgroups, slab_alloc() and slab_free() leave their fast paths by the flag that tracing has there anyway
 *             (TRACE_MEMCG); without cgroups nothing.
 * INVARIANTS  G1 a cgroup's bytes = slots of the live objects whose owners are in it or below.  [audit_slab()]
 * LOCKS       the stock's (LOCK_SLAB), for those who look from other CPUs; inside it the ledger's.
 */
#include <kernel/cpu.h>
#include <kernel/main.h>
#include <kernel/task.h>
#include <kernel/trace.h>
#include <mm/memcg.h>
#include "ledger/charge.h"
#include "slab/internal.h"

#ifndef NO_LEDGER

struct stock {
	spinlock_t	lock;
	struct memcg	*m;
	long		bytes[2];		/* unreclaimable, reclaimable: not in m's numbers yet */
};
static DEFINE_PER_CPU(struct stock, stocks) = { .lock = SPINLOCK_INIT("memcg_slab", LOCK_SLAB) };

/* Lock held. */
static void hand_on(struct stock *s)
{
	if (!s->bytes[0] && !s->bytes[1])
		return;
	spin_lock(&ledger_books.lock);
	for (struct memcg *m = s->m; m; m = m->parent) {
		m->pages -= memcg_byte_pages(m);
		m->slab[0] += s->bytes[0];
		m->slab[1] += s->bytes[1];
		m->pages += memcg_byte_pages(m);
		if (m->pages > m->peak)
			m->peak = m->pages;
	}
	spin_unlock(&ledger_books.lock);
	s->bytes[0] = s->bytes[1] = 0;
}

static long absolute(long n)
{
	return n < 0 ? -n : n;
}

void memcg_slab_book(owner_t o, bool reclaimable, long bytes)
{
	struct stock *s = this_cpu_ptr(stocks);
	struct memcg *m;

	spin_lock(&s->lock);
	m = READ_ONCE(ledger_owners[o].memcg);		/* under the lock: its removal empties all stocks after changing this */
	if (m) {
		if (s->m != m) {
			hand_on(s);
			s->m = m;
		}
		s->bytes[reclaimable] += bytes;
		if (absolute(s->bytes[0]) + absolute(s->bytes[1]) >= (long)PAGE_SIZE)
			hand_on(s);
	}
	spin_unlock(&s->lock);
}

/* Limits are looked at when a page's worth has come together. */
bool memcg_slab_room(size_t bytes, gfp_t gfp)
{
	struct stock *s = this_cpu_ptr(stocks);
	owner_t o = current->owner;

	if (!READ_ONCE(ledger_owners[o].memcg) || s->bytes[0] + s->bytes[1] + (long)bytes < (long)PAGE_SIZE)
		return true;
	return memcg_may_charge(o, (long)DIV_ROUND_UP(bytes, PAGE_SIZE), gfp, 0);
}

/* Nobody has anything for it that is not in its numbers, nor names it. */
void memcg_slab_sync(void)
{
	for_each_cpu(cpu) {
		struct stock *s = per_cpu_ptr(stocks, cpu);

		spin_lock(&s->lock);
		hand_on(s);
		s->m = NULL;
		spin_unlock(&s->lock);
	}
}

void memcg_slab_switch(bool on)
{
	static const enum trace_event events[] = { TRACE_KMEM_CACHE_ALLOC, TRACE_KMEM_CACHE_FREE, TRACE_FAULT_USER, TRACE_FAULT_KERNEL };

	for (unsigned i = 0; i < ARRAY_SIZE(events); i++)
		if (on)
			__atomic_fetch_or(&trace_on[events[i]], TRACE_MEMCG, __ATOMIC_SEQ_CST);
		else
			__atomic_fetch_and(&trace_on[events[i]], (u8)~TRACE_MEMCG, __ATOMIC_SEQ_CST);
}

/* ---- audit ---- */

static void clear_found(struct memcg *m)
{
	struct memcg *c;

	m->slab_found = 0;
	list_for_each(c, &m->children, sibling)
		clear_found(c);
}

static void find_objects(struct slab_cache *c, struct page *s, void *arg)
{
	for (unsigned i = 0; i < c->objects; i++)
		for (struct memcg *m = ledger_owners[slab_tag_owner(*slab_tag(c, slab_object(c, s, i)))].memcg; m; m = m->parent)
			m->slab_found += c->slot_size;
}

static void compare(struct audit *a, struct memcg *m)
{
	struct memcg *c;

	list_for_each(c, &m->children, sibling) {
		audit_expect(a, "memcg slab bytes", c->slab[0] + c->slab[1], c->slab_found);
		compare(a, c);
	}
}

static void audit_slab(struct audit *a)
{
	if (!memcg_count)
		return;
	memcg_slab_sync();
	clear_found(&memcg_root);
	for (unsigned i = 0; i < slab_nr_caches; i++)
		if (slab_caches[i])
			slab_for_each(slab_caches[i], find_objects, NULL);
	compare(a, &memcg_root);
}

static int audit_init(void)
{
	static struct audit_walker walker = { .name = "memcg_slab", .fn = audit_slab };

	audit_register(&walker);
	return 0;
}
initcall(audit_init, 1);

#else
void memcg_slab_sync(void) { }
void memcg_slab_switch(bool on) { }
#endif
