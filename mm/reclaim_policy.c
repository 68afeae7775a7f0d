/*
 * reclaim_policy.c - which pages go first: three answers.
 *
 * GENERATIONS    in the manner of Linux's multi-generational LRU. Pages carry the number of the generation in which
 *                they were last known to be used; there are two to four at a time. Pages go from the oldest one. A page found in use there
 *                moves to the youngest, so only pages at the very end are ever looked at: growing older costs nothing, it
 *                is a counter. When a generation has run out and fewer than three are left, a new one begins. Pages read once from a file
 *                join the second oldest: a scan passes by what is used again and again.
 * LISTS          the default: an active and an inactive list. New pages start inactive; a second use brings them up; the active list is kept
 *                the shorter one by looking at its end, too. Linux's way before. But where nearly all that is swapped out comes
 *                back, one after the other - a program goes round in more than there is - order of use throws out what is
 *                needed next. Then pages from swap stand on a third list, on probation, and go before those that never left,
 *                unless they are used twice.
 * SECOND-CHANCE  one list, a clock: a page used since the last look goes round once more. The yardstick for the others.
 */
#include "internal.h"

#include <kernel/boot_info.h>
#include <kernel/main.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/reclaim_policy.h>

/* ---- generations ---------------------------------------------------------------------------------------------- */

#define LEVEL(seq)	((seq) % LRU_LEVELS)
#define MIN_GENS	3u		/* begun early enough that there is somewhere in between for once-read pages */

static void gens_place(struct lru_levels *l, bool anon)
{
	u8 young = LEVEL(l->youngest), second = LEVEL(l->oldest + 1);

	l->join[0] = anon ? young : second;
	l->join[1] = young;
	l->cold = LEVEL(l->oldest);
	l->active = (u8)BIT(LEVEL(l->youngest));
}

static void gens_init(struct lru_levels *l, bool anon)
{
	l->oldest = 0;
	l->youngest = MIN_GENS - 1;
	gens_place(l, anon);
}

/* Two CPUs may both move on: pages grow old a little faster then. Never more than LRU_LEVELS generations, never fewer than MIN_GENS. */
static unsigned gens_evict(struct lru_levels *l, int *demote)
{
	bool anon = l->join[0] == l->join[1];

	*demote = -1;
	for (unsigned i = 0; i < LRU_LEVELS && !READ_ONCE(l->nr[LEVEL(l->oldest)]); i++) {
		if (l->youngest - l->oldest + 1 <= MIN_GENS)
			l->youngest++;
		l->oldest++;
		gens_place(l, anon);
	}
	return LEVEL(l->oldest);
}

static enum reclaim_verdict gens_judge(struct reclaim_look *k)
{
	if (k->used || (k->marked && k->active))
		return ACTIVATE;
	return RECLAIM;
}

/* ---- lists ---------------------------------------------------------------------------------------------------- */

static void lists_init(struct lru_levels *l, bool anon)
{
	l->join[0] = l->cold = 0;
	l->join[1] = 1;
	l->active = BIT(1);
}

#define PROBATION	2u		/* a level */

/*
 * From the end of the inactive list and of the one on probation in turn: what has been used stays either way. In every eighth call probation
 * whatever its length, so that at the worst all pages are reached.
 */
static unsigned lists_evict(struct lru_levels *l, int *demote)
{
	unsigned long inactive = READ_ONCE(l->nr[0]), active = READ_ONCE(l->nr[1]), probation = READ_ONCE(l->nr[PROBATION]);
	u32 turn = ++l->youngest;

	*demote = -1;
	if (probation && (turn % 8 == 0 || (turn % 2 && probation > (inactive + active) / 16)))
		return PROBATION;
	if (active > inactive)
		*demote = 1;
	return 0;
}

static races_by_design unsigned lists_returned(struct lru_levels *l)
{
	return l->gone >= 256 && l->back > l->gone / 4 * 3 && l->back % 8 ? PROBATION : 0;
}

/* None and never marked: reclaim. One: marked and kept. Two, or one when marked already, or program text: activate. */
static enum reclaim_verdict lists_judge(struct reclaim_look *k)
{
	if (!k->used)
		return RECLAIM;
	if (k->marked || k->used > 1)
		return ACTIVATE;
	k->mark = true;
	return KEEP;
}

/* ---- second chance -------------------------------------------------------------------------------------------- */

static void clock_init(struct lru_levels *l, bool anon)
{
	l->join[0] = l->join[1] = l->cold = 0;
	l->active = 0;
}

static unsigned clock_evict(struct lru_levels *l, int *demote)
{
	*demote = -1;
	return 0;
}

/* A read that brings a page in is no use of it: else a scan would go round once with all others. */
static enum reclaim_verdict clock_judge(struct reclaim_look *k)
{
	return k->used || (k->marked && k->active) ? KEEP : RECLAIM;
}

/* ---- the choice ----------------------------------------------------------------------------------------------- */

static const struct reclaim_policy policies[] = {
	{ "generations", "two to four ages, pages go from the oldest", gens_init, gens_evict, gens_judge, NULL },
	{ "lists", "an active and an inactive list", lists_init, lists_evict, lists_judge, lists_returned },
	{ "second-chance", "one list, used pages go round once more", clock_init, clock_evict, clock_judge, NULL },
};
const struct reclaim_policy *reclaim_policy = &policies[1];

static const struct reclaim_policy *find(const char *name)
{
	size_t n = strcspn(name, "\n");

	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++)
		if (strlen(policies[i].name) == n && !strncmp(policies[i].name, name, n))
			return &policies[i];
	return NULL;
}

int reclaim_policy_pick(const char *name)
{
	const struct reclaim_policy *p = find(name);

	if (!p)
		return -EINVAL;
	reclaim_policy = p;
	return 0;
}

bool reclaim_exact_ages;

void reclaim_policy_init(void)
{
	char name[32];

	reclaim_exact_ages = cmdline_has("quire.deterministic");
	if (cmdline_get("quire.reclaim", name, sizeof(name)) && reclaim_policy_pick(name))
		pr_warn("quire.reclaim=%s: no such policy; %s stays\n", name, reclaim_policy->name);
}

int reclaim_policy_show(struct text *out)
{
	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++)
		text_printf(out, &policies[i] == reclaim_policy ? "%s[%s]" : "%s%s", i ? " " : "", policies[i].name);
	text_putc(out, '\n');
	return 0;
}

/* Chosen at boot, once: pages stand on their lists by it. */
int reclaim_policy_check(const char *name)
{
	const struct reclaim_policy *p = find(name);

	return !p ? -EINVAL : p != reclaim_policy ? -EBUSY : 0;
}
