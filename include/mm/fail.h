/*
 * fail.h - allocations that fail on purpose. See mm/fail.c.
 * Border: open to fs, ipc, proc.
 */
#ifndef MM_FAIL_H
#define MM_FAIL_H

#include <mm/gfp.h>
#include <mm/ledger.h>

struct text;

enum fail_kind { FAIL_USER, FAIL_PAGE, FAIL_SLAB, NR_FAIL_KINDS };

/* Which requests of a kind fail, in the terms of Linux's fault injection, and `nth` of ours. All zero: none. */
struct fail_attr {
	int	probability;		/* percent */
	int	interval;		/* of those, one in so many; 0 and 1: each */
	int	times;			/* at most so many in all; -1: without end */
	int	space;			/* bytes to let pass first */
	int	verbose;		/* 0: silent; 1, 2: a line in the kernel log */
	int	task_filter;		/* only threads that set /proc/self/make-it-fail */
	int	ignore_gfp_wait;	/* spare requests that may sleep */
	int	min_order;		/* pages only */
	int	nth;			/* this one alone; 0: off */
	unsigned long	seen, injected;
};
extern struct fail_attr fail_attrs[NR_FAIL_KINDS];
extern bool fail_user_armed;

struct task;
void fail_nth_set(struct task *t, unsigned n);
void fail_changed(void);		/* after an attribute was written */

/* Out of line: the hot paths have seen that alloc_fail_countdown is not 0. True: this request fails. */
bool fail_allocation(enum fail_kind kind, size_t size, gfp_t gfp, struct alloc_site *site);
/* A system call that asks for memory for its program. True: answer ENOMEM. */
bool fail_user_slow(const char *call, size_t size);
static inline bool fail_user(const char *call, size_t size)
{
	return unlikely(fail_user_armed) && fail_user_slow(call, size);
}

/* [kernel,]WHICH[,times=N]; WHICH: N, every=N or p=P[,seed=S]. Or "off". Starts counting anew. 0 or -EINVAL. */
int fail_configure(const char *spec);
int fail_report_events(struct text *out);
int fail_report(struct text *out);	/* what is set, how many were seen, and each that failed */

#endif
