/*
 * psi.h - pressure stall information: how much time tasks lose for want of memory.
 */
#ifndef KERNEL_PSI_H
#define KERNEL_PSI_H

#include <kernel/wait.h>

enum psi_kind { PSI_SOME, PSI_FULL, NR_PSI };

/* Current works, or waits, only because memory is short: reclaim, swap-in, a cache page that was here before. Nests. */
void psi_memstall_enter(void);
void psi_memstall_leave(void);

extern int psi_nr_stalled;			/* tasks between enter and leave; 0: nothing to keep up */
void psi_sched_change(struct task *t, bool runs);	/* t became ready or went to sleep; its run queue is locked */

struct psi_numbers {
	unsigned	avg[NR_PSI][3];		/* percent * 100 over 10, 60, 300 s */
	u64		total_ns[NR_PSI];
};
void psi_read(struct psi_numbers *out);

/* A watcher: `fired` and a wake-up of q when stalls of `kind` in a window reach the threshold, once a window at most. */
struct psi_trigger {
	enum psi_kind	kind;
	ktime_t		threshold, window;
	bool		fired;			/* cleared by the reader */
	struct waitq	q;
	/* psi.c's own */
	struct list	link;
	ktime_t		window_start;
	u64		window_total;
	ktime_t		quiet_until;
};
void psi_trigger_add(struct psi_trigger *t);	/* kind, threshold, window are set */
void psi_trigger_remove(struct psi_trigger *t);	/* may sleep */

#endif
