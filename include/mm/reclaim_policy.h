/*
 * reclaim_policy.h - which pages go first: the interface that a replacement policy implements.
 *
 * Pages of one kind (anonymous or file) in one zone stand on up to LRU_LEVELS lists, called levels; what a level means is the policy's
 * own. Each list is in order of arrival. A page stays on its level until it is freed, or the policy's verdict, a second use or
 * madvise() moves it. Reclaim does the rest: it takes pages off the end of the level that `evict` names, asks each page's entries
 * whether they were used, asks `judge`, and unmaps, writes, drops.
 *
 * To add one: a struct reclaim_policy in mm/reclaim_policy.c, its address in the table there; boot with quire.reclaim=NAME
 * (quire run --reclaim NAME). docs/reclaim.md has an example.
 */
#ifndef MM_RECLAIM_POLICY_H
#define MM_RECLAIM_POLICY_H

#include <lib/types.h>

#define LRU_LEVELS	4

/* One kind of pages in one zone. The policy writes it in init() and evict(), everybody else reads. */
struct lru_levels {
	u8		join[2];	/* where a page goes that is new: [0] used once, [1] active (read again soon after it was dropped) */
	u8		cold;		/* where a page goes that the program calls cold: it should be the next to go */
	u8		active;		/* bit per level: shown as "active" in /proc/meminfo */
	u32		oldest, youngest;	/* the policy's own */
	unsigned long	nr[LRU_LEVELS];	/* pages on each; lists keep this */
	/* Kept for policies; the last 2,000 or so, and races blur them a little. */
	u32		gone, back;	/* pages swapped out, and asked back from swap */
};

enum reclaim_verdict {
	RECLAIM,		/* it goes */
	KEEP,			/* to the front of its level */
	ACTIVATE,		/* to the level of active pages */
	UNEVICTABLE,		/* it is mlocked; not for policies */
};

/* What is known of a page from the end of a level. */
struct reclaim_look {
	bool	anon, mapped;
	int	used;		/* entries whose accessed bit was set since the last look; 2 at least for program text. Cleared by looking */
	bool	marked;		/* used by read(2) and the like, or marked by an earlier verdict. Cleared by looking */
	bool	active;		/* PG_ACTIVE */
	bool	mark;		/* out: mark it */
};

struct reclaim_policy {
	const char	*name, *summary;
	void		(*init)(struct lru_levels *l, bool anon);
	/*
	 * The level to take pages from now. *demote: a level whose last pages shall be looked at first; those that nobody used lose
	 * "active" and go to join[0]. -1: none. Called before each bout of reclaim, without locks: several CPUs may be in it.
	 */
	unsigned	(*evict)(struct lru_levels *l, int *demote);
	enum reclaim_verdict (*judge)(struct reclaim_look *look);
	/* The level for a page that was asked back from swap in order, after its neighbours. NULL: as a new one. */
	unsigned	(*returned)(struct lru_levels *l);
};

extern const struct reclaim_policy *reclaim_policy;	/* never NULL; chosen before the first page is listed */
void reclaim_policy_init(void);
int reclaim_policy_pick(const char *name) must_check;	/* before the first page is listed. 0, -EINVAL */
struct text;
int reclaim_policy_show(struct text *out);		/* all names, the chosen one in brackets */
int reclaim_policy_check(const char *name);		/* 0: it is the chosen one; -EINVAL, -EBUSY */

#endif
