/*
 * slow.c - when the per-CPU stack is empty: watermarks, zone order, reclaim, the OOM decision.
 *
 * Passes, from gentle to desperate: above the low watermark; wake background reclaim and go down to min; with
 * GFP_HIGHPRIO below min; for the reclaimer itself without any. Between passes, if gfp allows sleeping: reclaim
 * directly and, when that frees nothing, let mm/oom.c choose. Nothing is locked while these run.
 */
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/psi.h>
#include <kernel/sched.h>
#include "internal.h"

#define RETRIES		16		/* fruitless rounds of direct reclaim before the OOM decision; as Linux */
#define COSTLY_ORDER	3

unsigned long (*page_reclaim)(gfp_t gfp, unsigned order);
bool (*page_compact)(gfp_t gfp, unsigned order);
bool (*page_oom)(gfp_t gfp, unsigned order);
void (*page_wake_reclaim)(struct zone *z);
ktime_t reclaim_first_failed;

/* Is there a block of this order or larger? A guess without the lock; the allocation will see. */
static races_by_design bool has_block(const struct zone *z, unsigned order)
{
	for (unsigned o = order; o < NR_ORDERS; o++)
		for (unsigned m = 0; m < NR_MIGRATETYPES; m++)
			if (z->nr_free_blocks[o][m])
				return true;
	return false;
}

bool zone_has(const struct zone *z, unsigned long mark, unsigned order, enum zone_type from)
{
	long free = atomic_read(&z->nr_free) - (1L << order) + 1;

	return free > (long)(mark + z->lowmem_reserve[from]) && (!order || has_block(z, order));
}

bool zone_watermark_ok(struct zone *z, enum watermark mark, unsigned order)
{
	return zone_has(z, z->watermark[mark], order, (enum zone_type)(z - zones));
}

static unsigned long mark_for(const struct zone *z, enum alloc_flags how)
{
	switch (how) {
	case ALLOC_LOW:		return z->watermark[WMARK_LOW];
	case ALLOC_MIN:		return z->watermark[WMARK_MIN];
	case ALLOC_HARDER:	return z->watermark[WMARK_MIN] / 4;
	default:		return 0;
	}
}

unsigned zones_take(gfp_t gfp, unsigned order, unsigned nr, enum alloc_flags how, struct page **out)
{
	enum zone_type top = gfp_zone(gfp);
	enum migratetype mt = gfp_migratetype(gfp);
	unsigned n = 0;

	for (int i = (int)top; i >= 0 && !n; i--) {
		struct zone *z = &zones[i];

		if (!z->managed_pages || !zone_has(z, how == ALLOC_NO_WATERMARKS ? 0 : mark_for(z, how), order, top))
			continue;
		spin_lock(&z->lock);
		while (n < nr && (out[n] = buddy_take(z, order, mt)))
			n++;
		spin_unlock(&z->lock);
	}
	return n;
}

static void wake_reclaim(gfp_t gfp)
{
	if (page_wake_reclaim)
		for (int i = (int)gfp_zone(gfp); i >= 0; i--)
			if (zones[i].managed_pages && !zone_watermark_ok(&zones[i], WMARK_LOW, 0))
				page_wake_reclaim(&zones[i]);
}

static bool is_reclaimer(void)
{
	return current && current->flags & (TF_MEMALLOC | TF_OOM_VICTIM);
}

/* One pass as deep as this request may go. */
static unsigned take_allowed(gfp_t gfp, unsigned order, unsigned nr, struct page **out)
{
	unsigned n = zones_take(gfp, order, nr, ALLOC_MIN, out);

	if (!n && (gfp & GFP_HIGHPRIO))
		n = zones_take(gfp, order, nr, ALLOC_HARDER, out);
	if (!n && is_reclaimer())
		n = zones_take(gfp, order, nr, ALLOC_NO_WATERMARKS, out);
	return n;
}

static void complain(gfp_t gfp, unsigned order)
{
	static int left = 10;

	if ((gfp & GFP_NOWARN) || left <= 0 || (current && current->flags & TF_OOM_VICTIM) || fatal_signal_pending())
		return;
	left--;
	pr_warn("%s: page allocation failure: order:%u, gfp:%#x%s, %lu pages free\n", current ? current->comm : "boot", order, gfp,
		is_reclaimer() ? " (while reclaiming)" : "", nr_free_pages());
	dump_stack();
}

/* Single pages would do, but there is no such block. */
static bool free_but_apart(gfp_t gfp, unsigned order)
{
	for (int i = (int)gfp_zone(gfp); i >= 0; i--)
		if (zones[i].managed_pages && zone_has(&zones[i], zones[i].watermark[WMARK_LOW] + (2UL << order), 0, gfp_zone(gfp)))
			return true;
	return false;
}

/* True: try again. */
static bool make_room(gfp_t gfp, unsigned order, unsigned *tries)
{
	unsigned long freed;

	if (!page_reclaim || !(gfp & GFP_WAIT) || (current && current->flags & TF_MEMALLOC))
		return false;
	if (order && page_compact && !*tries && (gfp & (GFP_IO | GFP_FS)) == (GFP_IO | GFP_FS) && free_but_apart(gfp, order) &&
	    page_compact(gfp, order))
		return true;
	vm_event_add(ALLOCSTALL, 1);
	psi_memstall_enter();
	freed = page_reclaim(gfp, order);
	psi_memstall_leave();
	if (freed) {
		reclaim_first_failed = 0;
		*tries = order > COSTLY_ORDER ? *tries + 1 : 0;
		return *tries < RETRIES;
	}
	if (!reclaim_first_failed)
		reclaim_first_failed = ktime_get();
	if (++*tries < (gfp & GFP_NORETRY ? 1 : RETRIES)) {
		page_alloc_drain_all();
		cond_resched();
		return true;
	}
	if ((gfp & GFP_NORETRY) || order > COSTLY_ORDER || !page_oom)
		return false;
	*tries = 0;
	return page_oom(gfp, order);
}

unsigned page_alloc_slow(gfp_t gfp, unsigned order, unsigned nr, struct page **out)
{
	unsigned tries = 0, n = zones_take(gfp, order, nr, ALLOC_LOW, out);
	bool drained = false;

	if (n)
		return n;
	wake_reclaim(gfp);
	for (;;) {
		n = take_allowed(gfp, order, nr, out);
		if (n)
			return n;
		if (!drained) {			/* this CPU's stacks may complete a block */
			drained = true;
			page_alloc_drain_local();
			continue;
		}
		if (!make_room(gfp, order, &tries) && !(gfp & GFP_NOFAIL))
			break;
	}
	complain(gfp, order);
	return 0;
}
