/*
 * itimer.c - the three interval timers, alarm, and limits on CPU time.
 *
 * SHAPE       ITIMER_REAL is a kernel timer that sends SIGALRM. ITIMER_VIRTUAL, ITIMER_PROF, RLIMIT_CPU and POSIX timers on CPU
 *             clocks are compared with the process's CPU time at each scheduler tick (cpu_timers_check()), as long as
 *             process->cpu_timers says that any is armed.
 */
#include <abi/errno.h>
#include <abi/time.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include "clocks.h"
#include "internal.h"

/* Runs at a safe point of any CPU. The process cannot go away: timers_exit() waits for us. */
void itimer_real_fn(struct timer *timer)
{
	struct itimer *it = container_of(timer, struct itimer, timer);
	struct process *p = it->process;

	spin_lock(siglock(p));
	(void)signal_queue_locked(SIGALRM, SIG_INFO_KERNEL, p->leader, true);
	if (it->interval) {
		ktime_t now = ktime_get(), next = timer->expires + it->interval;

		if (next <= now)
			next = now + it->interval - (now - timer->expires) % it->interval;
		timer_start(timer, next);
	}
	spin_unlock(siglock(p));
}

/* siglock held: does anything still need the tick? */
void cpu_timers_update(struct process *p)
{
	p->cpu_timers = p->prof_expires || p->virt_expires || p->rlim[RLIMIT_CPU].rlim_cur != RLIM64_INFINITY ||
			posix_cpu_timers_armed(p);
}

static void check_one(struct process *p, u64 *expires, u64 interval, u64 now, int sig)
{
	if (!*expires || now < *expires)
		return;
	(void)signal_queue_locked(sig, SIG_INFO_KERNEL, current, true);
	*expires = interval ? *expires + interval * ((now - *expires) / interval + 1) : 0;
}

static void check_rlimit(struct process *p, u64 cpu_ns)
{
	struct rlimit64 *r = &p->rlim[RLIMIT_CPU];
	u64 secs = cpu_ns / NSEC_PER_SEC;

	if (r->rlim_cur == RLIM64_INFINITY)
		return;
	if (r->rlim_max != RLIM64_INFINITY && secs >= r->rlim_max) {
		(void)signal_queue_locked(SIGKILL, SIG_INFO_KERNEL, current, true);
	} else if (secs >= r->rlim_cur) {
		(void)signal_queue_locked(SIGXCPU, SIG_INFO_KERNEL, current, true);
		r->rlim_cur = secs + 1;		/* again in a second, as on Linux */
	}
}

void task_tick(struct task *t)
{
	struct process *p = t->process;

	/* setrlimit does not know of cpu_timers: the limit is looked at itself. */
	if (!p->cpu_timers && p->rlim[RLIMIT_CPU].rlim_cur == RLIM64_INFINITY)
		return;
	cpu_timers_check(t);
}

void cpu_timers_check(struct task *t)
{
	struct process *p = t->process;
	u64 all = process_cpu_ns(p, false), user = process_cpu_ns(p, true);

	spin_lock(siglock(p));
	if (!(t->flags & TF_EXITING)) {
		check_one(p, &p->prof_expires, p->prof_interval, all, SIGPROF);
		check_one(p, &p->virt_expires, p->virt_interval, user, SIGVTALRM);
		check_rlimit(p, all);
		posix_cpu_timers_check(p, t, all);
		cpu_timers_update(p);
	}
	spin_unlock(siglock(p));
}

/* ---- the system calls ---- */

static struct __kernel_old_timeval ns_to_timeval(u64 ns)
{
	return (struct __kernel_old_timeval){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / NSEC_PER_USEC };
}

static ktime_t timeval_to_ns(const struct __kernel_old_timeval *tv)
{
	if (tv->tv_sec < 0 || tv->tv_usec < 0 || tv->tv_usec >= 1000000)
		return -1;
	if (tv->tv_sec >= KTIME_MAX / NSEC_PER_SEC)
		return KTIME_MAX;
	return tv->tv_sec * NSEC_PER_SEC + tv->tv_usec * NSEC_PER_USEC;
}

/* Remaining time at least 1 us while armed: 0 would mean "off". */
static void itimer_get(struct process *p, int which, ktime_t *value, ktime_t *interval)
{
	struct itimer *it = &p->itimer_real;
	u64 expires, now;

	if (which == ITIMER_REAL) {
		*interval = it->interval;
		*value = timer_queued(&it->timer) ? max(it->timer.expires - ktime_get(), (ktime_t)NSEC_PER_USEC) : 0;
		return;
	}
	expires = which == ITIMER_PROF ? p->prof_expires : p->virt_expires;
	*interval = which == ITIMER_PROF ? p->prof_interval : p->virt_interval;
	now = expires ? process_cpu_ns(p, which == ITIMER_VIRTUAL) : 0;
	*value = !expires ? 0 : expires > now + NSEC_PER_USEC ? (ktime_t)(expires - now) : NSEC_PER_USEC;
}

static void itimer_set(struct process *p, int which, ktime_t value, ktime_t interval)
{
	struct itimer *it = &p->itimer_real;
	u64 now;

	if (which == ITIMER_REAL) {
		timer_cancel_sync(&it->timer);
		spin_lock(siglock(p));
		it->interval = interval;
		if (value)
			timer_start(&it->timer, ktime_add_clip(ktime_get(), value));
		spin_unlock(siglock(p));
		return;
	}
	now = value ? process_cpu_ns(p, which == ITIMER_VIRTUAL) : 0;
	spin_lock(siglock(p));
	if (which == ITIMER_PROF) {
		p->prof_expires = value ? now + value : 0;
		p->prof_interval = interval;
	} else {
		p->virt_expires = value ? now + value : 0;
		p->virt_interval = interval;
	}
	cpu_timers_update(p);
	spin_unlock(siglock(p));
}

struct itimerval_k {
	struct __kernel_old_timeval interval, value;
};

SYSCALL(getitimer, int which, struct itimerval_k __user *out)
{
	struct itimerval_k v;
	ktime_t value, interval;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	itimer_get(current->process, which, &value, &interval);
	v.interval = ns_to_timeval(interval);
	v.value = ns_to_timeval(value);
	return put_user_struct(out, &v);
}

SYSCALL(setitimer, int which, const struct itimerval_k __user *in, struct itimerval_k __user *out)
{
	ktime_t value = 0, interval = 0, old_value, old_interval;
	struct itimerval_k v;

	if (in) {
		if (get_user_struct(&v, in))
			return -EFAULT;
		value = timeval_to_ns(&v.value);
		interval = timeval_to_ns(&v.interval);
	}
	if (which < ITIMER_REAL || which > ITIMER_PROF || value < 0 || interval < 0)
		return -EINVAL;
	itimer_get(current->process, which, &old_value, &old_interval);
	itimer_set(current->process, which, value, value ? interval : 0);
	if (!out)
		return 0;
	v.interval = ns_to_timeval(old_interval);
	v.value = ns_to_timeval(old_value);
	return put_user_struct(out, &v);
}

SYSCALL(alarm, unsigned seconds)
{
	ktime_t value, interval;

	itimer_get(current->process, ITIMER_REAL, &value, &interval);
	itimer_set(current->process, ITIMER_REAL, (ktime_t)seconds * NSEC_PER_SEC, 0);
	/* Rounded, but never to 0 while it was armed. */
	if (value && value < NSEC_PER_SEC)
		return 1;
	return (value + NSEC_PER_SEC / 2) / NSEC_PER_SEC;
}

void timers_exit(struct process *p)
{
	spin_lock(siglock(p));
	p->itimer_real.interval = 0;
	p->prof_expires = p->virt_expires = 0;
	p->cpu_timers = false;
	spin_unlock(siglock(p));
	timer_cancel_sync(&p->itimer_real.timer);
	timers_exec_reset();
}
