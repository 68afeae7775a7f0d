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

/* The machine, or a cgroup. */
struct psi_group {
	struct psi_group *parent;		/* the machine's is above all; NULL: it is the machine's */
	bool		off;			/* counts tasks, but no time */
	/* psi.c's own */
	int		nr_ready, nr_stalled, nr_stalled_ready;	/* tasks, with those in groups below; nr_ready not of the machine */
	bool		state[NR_PSI];
	u64		total[NR_PSI];
	ktime_t		booked;			/* up to here */
	u64		avg[NR_PSI][3];		/* percent * 100, << 11 */
	u64		avg_total[NR_PSI];
	ktime_t		avg_time;
};
extern struct psi_group psi_system;
void psi_group_init(struct psi_group *g, struct psi_group *parent);
void psi_group_end(struct psi_group *g);	/* no task in it, nor any group below */
void psi_group_switch(struct psi_group *g, bool on);
/* t counts in g from now on, which lives as long as t does or until it moves again. Takes t's run queue's lock. */
void psi_task_move(struct task *t, struct psi_group *g);
void psi_task_move_locked(struct task *t, struct psi_group *g, bool ready);	/* for that */

extern int psi_watched;				/* 0: the scheduler has nothing to tell */
void psi_sched_change(struct task *t, bool runs);	/* t became ready or went to sleep; its run queue is locked */

struct psi_numbers {
	unsigned	avg[NR_PSI][3];		/* percent * 100 over 10, 60, 300 s */
	u64		total_ns[NR_PSI];
};
void psi_read(struct psi_group *g, struct psi_numbers *out);

/* A watcher: `fired` and a wake-up of q when stalls of `kind` in a window reach the threshold, once a window at most. */
struct psi_trigger {
	struct psi_group *group;
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
void psi_trigger_add(struct psi_trigger *t);	/* all above is set */
void psi_trigger_remove(struct psi_trigger *t);	/* may sleep */

#endif
