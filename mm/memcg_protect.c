/*
 * memcg_protect.c - memory.min and memory.low: what reclaim leaves to a cgroup.
 *
 * SHARE       what counts is a cgroup's share of its parent's protection. Right below the cgroup that reclaims (the root when the machine
 *             does) the settings stand as they are. Further down the children divide what their parent has: each what it asks for, up
 *             to what it uses; when that is more than the parent has, all are cut in the same proportion. With the mount
 *             option memory_recursiveprot what is left over goes to them by what they use beyond it.
 * PRESSURE    within its share a cgroup is passed over. Above it, it gives only as large a part of its pages as is not covered: so siblings
 *             shrink together, whosever pages are the oldest, and nobody falls below its share because his were found first. In the last
 *             round whatever is above the share goes.
 * LOW         is kept through all rounds, the last one several times (pages that were in use get their second look). Only when they gave
 *             nothing at all does low give way (`low_gives_way`), and a "low" event is counted.
 * EXACT       pages queued for a write are still counted: the caller says how many, so a batch does not reach below the share.
 * LOCKS       memcg_tree_lock: siblings stay, and no cgroup is freed. The numbers may be a moment old.
 * SOURCE      the kernel's cgroup-v2 document, "Memory Interface Files" and the mount options
 */
#include <mm/memcg.h>
#include <mm/page_alloc.h>

bool memcg_protects, memcg_recursive_protection;

/* A child's part of `have`, its parent's protection; it uses `usage` of `all` and asks for `want`; all children ask for `asked`. */
static long share(long have, long usage, long all, long want, long asked)
{
	long covered = min(usage, want);

	if (asked > have)
		return (long)((u64)covered * (u64)have / (u64)asked);
	if (memcg_recursive_protection && all > asked && usage > covered)
		covered += (long)((u64)(have - asked) * (u64)(usage - covered) / (u64)(all - asked));
	return covered;
}

static void add_children(const struct memcg *m, long *min_asked, long *low_asked)
{
	struct memcg *c;

	*min_asked = *low_asked = 0;
	list_for_each(c, &m->children, sibling) {
		*min_asked += min(c->pages, c->min);
		*low_asked += min(c->pages, c->low);
	}
}

/* What m has when `top` reclaims. Lock held. */
static void protection(const struct memcg *m, const struct memcg *top, long *min_has, long *low_has)
{
	long min_asked, low_asked, min_above, low_above;

	if (m == top || !m->parent) {		/* its own limit does not spare it */
		*min_has = *low_has = 0;
		return;
	}
	*min_has = m->min;
	*low_has = m->low;
	if (m->parent == top || !m->parent->parent)
		return;
	protection(m->parent, top, &min_above, &low_above);
	add_children(m->parent, &min_asked, &low_asked);
	*min_has = share(min_above, m->pages, m->parent->pages, m->min, min_asked);
	*low_has = share(low_above, m->pages, m->parent->pages, m->low, low_asked);
}

static void look_up(struct memcg_scope *s, struct memcg *m)
{
	s->m = m;
	s->outside = s->target && !memcg_is_below(m, s->target);
	if (!s->outside)
		protection(m, s->target, &s->min, &s->low);
}

/* m is not outside, and has something that is covered. Lock held. */
static bool covered(struct memcg_scope *s, long usage, bool last)
{
	long kept = s->low_gives_way ? s->min : max(s->min, s->low);

	if (usage <= s->min)
		return true;
	if (kept > s->min)
		s->low_skipped = true;
	if (usage <= kept)
		return true;
	if (!last) {
		s->credit += usage - kept;
		if (s->credit < usage)
			return true;
		s->credit -= usage;
	}
	if (usage <= s->low && !s->low_noted) {
		s->low_noted = true;
		memcg_event(s->m, MEMCG_LOW);
	}
	return false;
}

bool memcg_spares(struct memcg_scope *s, owner_t o, long leaving, bool last)
{
	struct memcg *m;
	bool spared;

	if (!s->target && !memcg_protects)
		return false;
	spin_lock(&memcg_tree_lock);
	m = memcg_of_owner(o);
	if (m != s->m)
		look_up(s, m);
	spared = s->outside || ((s->min || s->low) && covered(s, READ_ONCE(m->pages) - leaving, last));
	spin_unlock(&memcg_tree_lock);
	return spared;
}
