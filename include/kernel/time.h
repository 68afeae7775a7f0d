/*
 * time.h - clocks and timers.
 * Border: open to arch.
 *
 * Timer callbacks run at safe points (docs/decisions/0002: no locks held, any task's context), never in the hard interrupt.
 */
#ifndef KERNEL_TIME_H
#define KERNEL_TIME_H

#include <lib/list.h>
#include <lib/rbtree.h>
#include <lib/types.h>

#define NSEC_PER_SEC	1000000000LL
#define NSEC_PER_MSEC	1000000LL
#define NSEC_PER_USEC	1000LL
#define KTIME_MAX	S64_MAX
#define USER_HZ		100		/* clock ticks of times(2) and /proc/PID/stat */
#define TICK_NSEC	(4 * NSEC_PER_MSEC)	/* scheduler tick while more than one task wants the CPU: CONFIG_HZ=250 */

ktime_t ktime_get(void);		/* CLOCK_MONOTONIC */
ktime_t ktime_get_real(void);		/* CLOCK_REALTIME, ns since the epoch */
void ktime_set_real(ktime_t t);

struct timer {
	struct rb_node	node;
	ktime_t		expires;	/* absolute, monotonic */
	void		(*fn)(struct timer *t);
	int		cpu;		/* whose queue; -1 when not queued */
};

void timer_init(struct timer *t, void (*fn)(struct timer *));
void timer_start(struct timer *t, ktime_t expires);	/* re-arms when queued */
bool timer_cancel(struct timer *t);			/* true when it was queued. The callback may still be running elsewhere */
void timer_cancel_sync(struct timer *t);		/* and waits for that */
bool timer_queued(const struct timer *t);
/* Cancel those that match() says (under a lock: it only looks) and wait for what runs; how many there were. */
unsigned timers_cancel_if(bool (*match)(const struct timer *t, unsigned long start, unsigned long end), unsigned long start,
			  unsigned long end);
void timers_run(void);					/* expired ones of this CPU; from the deferred-interrupt point */
ktime_t timer_next_expiry(int cpu);

#endif
