/*
 * posix_timer.c - timer_create and its family.
 *
 * SHAPE       each process has a list of timers. A timer owns its queue entry, so that expiry never allocates: while the
 *             entry is queued, further expiries only count as overruns; taking the signal (posix_timer_dequeued()) reports
 *             them and arms the next period.
 * LOCKS       siglock guards list and timers. The expiry callback takes it; deletion cancels with the lock dropped.
 */
#include <abi/errno.h>
#include <abi/time.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <mm/slab.h>
#include "clocks.h"
#include "internal.h"

struct posix_timer {
	struct list	link;		/* process->posix_timers */
	int		id;
	int		clock;
	int		notify;		/* SIGEV_* */
	struct process	*process;	/* [b] */
	struct task	*task;		/* a reference: SIGEV_THREAD_ID's thread, or the maker for a thread's CPU clock; else NULL */
	struct timer	timer;		/* for clocks that are not CPU time */
	ktime_t		expires;	/* on its clock; 0: disarmed */
	ktime_t		interval;
	int		overrun;	/* since the signal was queued */
	int		last_overrun;	/* of the signal last taken */
	struct sigqueue	queue;
};

#define OVERRUN_MAX	0x7fffffff

static struct posix_timer *find(struct process *p, int id)
{
	struct posix_timer *pt;

	list_for_each(pt, &p->posix_timers, link)
		if (pt->id == id)
			return pt;
	return NULL;
}

/* Periods that fit between expires and now; moves expires behind now. */
static u64 forward(struct posix_timer *pt, ktime_t now)
{
	u64 n;

	if (!pt->interval || now < pt->expires)
		return 0;
	n = (now - pt->expires) / pt->interval + 1;
	pt->expires += n * pt->interval;
	return n;
}

static void arm(struct posix_timer *pt)
{
	if (pt->expires && !clock_is_cpu(pt->clock))
		timer_start(&pt->timer, clock_to_mono(pt->clock, pt->expires));
}

static void add_overrun(struct posix_timer *pt, u64 n)
{
	pt->overrun = n > (u64)(OVERRUN_MAX - pt->overrun) ? OVERRUN_MAX : pt->overrun + (int)n;
}

/* siglock held: the time has come. A periodic timer is armed again when its signal is taken. */
static void expire(struct posix_timer *pt, ktime_t now)
{
	struct task *target = pt->task && pt->notify == SIGEV_THREAD_ID ? pt->task : pt->process->leader;
	bool to_process = pt->notify != SIGEV_THREAD_ID;
	bool sent = false;

	if (pt->notify != SIGEV_NONE) {
		pt->overrun = 0;
		sent = (!to_process && (target->flags & TF_EXITING)) ? false :
		       signal_queue_entry(&pt->queue, target, to_process) == 0;
	}
	if (sent)
		return;
	/* Nobody will take a signal: keep the period going here. */
	if (pt->interval) {
		forward(pt, now);
		arm(pt);
	} else {
		pt->expires = 0;
	}
}

static void timer_fn(struct timer *timer)
{
	struct posix_timer *pt = container_of(timer, struct posix_timer, timer);
	ktime_t now;

	spin_lock(siglock(pt->process));
	if (pt->expires && !clock_read(pt->clock, &now)) {
		if (now < pt->expires)
			arm(pt);	/* the wall clock was set back */
		else
			expire(pt, now);
	}
	spin_unlock(siglock(pt->process));
}

/* The signal is being taken, siglock held: q is off the list. */
void posix_timer_dequeued(struct siginfo_k *info, struct sigqueue *q)
{
	struct posix_timer *pt = container_of(q, struct posix_timer, queue);
	ktime_t now = 0;

	list_init(&q->link);
	if (!pt->expires)
		return;
	if (pt->interval) {
		if (clock_is_cpu(pt->clock))
			now = pt->expires;	/* exact enough: the tick counts the rest */
		else
			(void)!clock_read(pt->clock, &now);
		add_overrun(pt, forward(pt, now));
		if (pt->overrun)
			pt->overrun--;		/* the first period is the one reported */
		arm(pt);
	} else {
		pt->expires = 0;
	}
	pt->last_overrun = pt->overrun;
	info->_sifields._timer._overrun = pt->overrun;
}

/* ---- CPU clocks, at the tick ---- */

bool posix_cpu_timers_armed(struct process *p)
{
	struct posix_timer *pt;

	list_for_each(pt, &p->posix_timers, link)
		if (clock_is_cpu(pt->clock) && pt->expires)
			return true;
	return false;
}

void posix_cpu_timers_check(struct process *p, struct task *t, u64 process_ns)
{
	struct posix_timer *pt;
	u64 utime, stime;

	list_for_each(pt, &p->posix_timers, link) {
		ktime_t now = process_ns;

		if (!clock_is_cpu(pt->clock) || !pt->expires || list_is_linked(&pt->queue.link))
			continue;
		if (pt->clock == CLOCK_THREAD_CPUTIME_ID) {
			if (pt->task != t)
				continue;
			sched_task_times(t, &utime, &stime);
			now = utime + stime;
		}
		if (now >= pt->expires)
			expire(pt, now);
	}
}

/* ---- making ---- */

static void fill_info(struct posix_timer *pt, const sigevent_t *ev)
{
	struct siginfo_k *info = &pt->queue.info;

	info->si_signo = ev ? ev->sigev_signo : SIGALRM;
	info->si_code = SI_TIMER;
	info->_sifields._timer._tid = pt->id;
	if (ev)
		info->_sifields._timer._sigval = ev->sigev_value;
	else
		info->_sifields._timer._sigval.sival_int = pt->id;
}

static int check_event(const sigevent_t *ev)
{
	int notify = ev->sigev_notify;

	if (notify != SIGEV_SIGNAL && notify != SIGEV_NONE && notify != SIGEV_THREAD &&
	    notify != (SIGEV_SIGNAL | SIGEV_THREAD_ID))
		return -EINVAL;
	if (notify != SIGEV_NONE && (ev->sigev_signo < 1 || ev->sigev_signo > NR_SIGNALS))
		return -EINVAL;
	return 0;
}

/* The thread of SIGEV_THREAD_ID: one of ours. */
static int find_thread(const sigevent_t *ev, struct task **out)
{
	struct task *t = task_find(ev->_sigev_un._tid);

	if (!t || t->process != current->process) {
		task_put(t);
		return -EINVAL;
	}
	*out = t;
	return 0;
}

static void timer_free(struct posix_timer *pt)
{
	task_put(pt->task);
	kfree(pt);
}

SYSCALL(timer_create, int clock, const sigevent_t __user *uev, int __user *uid)
{
	struct process *p = current->process;
	struct posix_timer *pt;
	sigevent_t ev;
	ktime_t now;
	int err;

	if (uev && get_user_struct(&ev, uev))
		return -EFAULT;
	if (!clock_is_cpu(clock) && !clock_can_sleep(clock))
		return clock_read(clock, &now) ? -EINVAL : -EOPNOTSUPP;
	err = clock_read(clock, &now);
	if (!err && uev)
		err = check_event(&ev);
	if (err)
		return err;
	pt = kzalloc(sizeof(*pt), GFP_KERNEL);
	if (!pt)
		return -EAGAIN;
	pt->clock = clock;
	pt->process = p;
	pt->notify = !uev ? SIGEV_SIGNAL : ev.sigev_notify & SIGEV_THREAD_ID ? SIGEV_THREAD_ID :
		     ev.sigev_notify == SIGEV_NONE ? SIGEV_NONE : SIGEV_SIGNAL;
	list_init(&pt->queue.link);
	timer_init(&pt->timer, timer_fn);
	if (pt->notify == SIGEV_THREAD_ID) {
		err = find_thread(&ev, &pt->task);
		if (err) {
			timer_free(pt);
			return err;
		}
	} else if (clock == CLOCK_THREAD_CPUTIME_ID) {
		pt->task = task_get(current);
	}
	spin_lock(siglock(p));
	pt->id = p->next_timer_id++;
	fill_info(pt, uev ? &ev : NULL);
	list_append(&p->posix_timers, &pt->link);
	spin_unlock(siglock(p));
	if (put_user(pt->id, uid)) {
		spin_lock(siglock(p));
		list_remove(&pt->link);
		spin_unlock(siglock(p));
		timer_free(pt);
		return -EFAULT;
	}
	return 0;
}

/* ---- setting and reading ---- */

/* siglock held. Time left on its clock, 0 when disarmed; at least 1 while armed. */
static void timer_read(struct posix_timer *pt, ktime_t now, struct __kernel_itimerspec *out)
{
	ktime_t left = 0;

	if (pt->expires) {
		if (pt->notify == SIGEV_NONE || list_is_linked(&pt->queue.link))
			if (pt->interval && pt->expires <= now)
				left = pt->interval - (now - pt->expires) % pt->interval;
		if (!left)
			left = pt->expires - now;
		if (left <= 0)
			left = pt->notify == SIGEV_NONE ? 0 : 1;
	}
	out->it_interval = ns_to_timespec(pt->interval);
	out->it_value = ns_to_timespec(left);
}

SYSCALL(timer_gettime, int id, struct __kernel_itimerspec __user *out)
{
	struct process *p = current->process;
	struct __kernel_itimerspec v;
	struct posix_timer *pt;
	ktime_t now = 0;
	int clock;

	spin_lock(siglock(p));
	pt = find(p, id);
	clock = pt ? pt->clock : 0;
	spin_unlock(siglock(p));
	if (!pt || clock_read(clock, &now))
		return -EINVAL;
	spin_lock(siglock(p));
	pt = find(p, id);
	if (pt)
		timer_read(pt, now, &v);
	spin_unlock(siglock(p));
	return !pt ? -EINVAL : put_user_struct(out, &v);
}

SYSCALL(timer_settime, int id, int flags, const struct __kernel_itimerspec __user *in, struct __kernel_itimerspec __user *out)
{
	struct process *p = current->process;
	struct __kernel_itimerspec v, old;
	ktime_t value, interval, now = 0;
	struct posix_timer *pt;
	int clock;

	if (!in)
		return -EINVAL;
	if (get_user_struct(&v, in))
		return -EFAULT;
	value = timespec_to_ns(&v.it_value);
	interval = timespec_to_ns(&v.it_interval);
	if (value < 0 || interval < 0)
		return -EINVAL;
	spin_lock(siglock(p));
	pt = find(p, id);
	clock = pt ? pt->clock : 0;
	if (pt)
		timer_cancel(&pt->timer);	/* a callback that runs just now finds expires in the future */
	spin_unlock(siglock(p));
	if (!pt || clock_read(clock, &now))
		return -EINVAL;
	spin_lock(siglock(p));
	pt = find(p, id);
	if (!pt) {
		spin_unlock(siglock(p));
		return -EINVAL;
	}
	timer_read(pt, now, &old);
	timer_cancel(&pt->timer);
	pt->interval = value ? interval : 0;
	pt->expires = !value ? 0 : flags & TIMER_ABSTIME ? value : ktime_add_clip(now, value);
	pt->overrun = pt->last_overrun = 0;
	signal_discard_entry(p, &pt->queue);
	arm(pt);
	cpu_timers_update(p);
	spin_unlock(siglock(p));
	return out ? put_user_struct(out, &old) : 0;
}

SYSCALL(timer_getoverrun, int id)
{
	struct process *p = current->process;
	struct posix_timer *pt;
	int n;

	spin_lock(siglock(p));
	pt = find(p, id);
	n = pt ? pt->last_overrun : -EINVAL;
	spin_unlock(siglock(p));
	return n;
}

/* ---- deleting ---- */

/* Off the process's list, siglock not held. */
static void timer_delete(struct posix_timer *pt)
{
	struct process *p = pt->process;

	for (;;) {
		timer_cancel_sync(&pt->timer);
		spin_lock(siglock(p));
		pt->expires = 0;
		signal_discard_entry(p, &pt->queue);
		spin_unlock(siglock(p));
		if (!timer_queued(&pt->timer))	/* the callback armed it once more before it saw expires 0 */
			break;
	}
	timer_free(pt);
}

SYSCALL(timer_delete, int id)
{
	struct process *p = current->process;
	struct posix_timer *pt;

	spin_lock(siglock(p));
	pt = find(p, id);
	if (pt)
		list_remove(&pt->link);
	spin_unlock(siglock(p));
	if (!pt)
		return -EINVAL;
	timer_delete(pt);
	return 0;
}

void timers_exec_reset(void)
{
	struct process *p = current->process;
	struct posix_timer *pt;

	for (;;) {
		spin_lock(siglock(p));
		pt = list_first_entry(&p->posix_timers, struct posix_timer, link);
		if (pt)
			list_remove(&pt->link);
		spin_unlock(siglock(p));
		if (!pt)
			return;
		timer_delete(pt);
	}
}
