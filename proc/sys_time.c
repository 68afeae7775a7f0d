/*
 * sys_time.c - clocks, sleeping.
 *
 * SOURCE      clock_gettime(2), clock_nanosleep(2), nanosleep(2), gettimeofday(2), adjtimex(2)
 * LINUX       CLOCK_BOOTTIME is CLOCK_MONOTONIC (the machine does not suspend), CLOCK_TAI is CLOCK_REALTIME + 0.
 *             adjtimex reads; changing the frequency is -EPERM for all.
 */
#include <abi/errno.h>
#include <kernel/cred.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <linux/timex.h>
#include "clocks.h"
#include "internal.h"

/* ---- reading clocks ---- */

u64 process_cpu_ns(struct process *p, bool user_only)
{
	u64 sum, utime, stime;
	struct task *t;

	spin_lock(siglock(p));
	sum = p->dead.utime + (user_only ? 0 : p->dead.stime);
	list_for_each(t, &p->threads, thread_link) {
		sched_task_times(t, &utime, &stime);
		sum += utime + (user_only ? 0 : stime);
	}
	spin_unlock(siglock(p));
	return sum;
}

static u64 task_cpu_ns(struct task *t)
{
	u64 utime, stime;

	sched_task_times(t, &utime, &stime);
	return utime + stime;
}

/* Ids below 0 name a process's or thread's CPU clock: ~pid << 3 | per-thread 4 | kind. */
static int cpu_clock_read(int clock, ktime_t *out)
{
	int pid = ~(clock >> 3), kind = clock & 3;
	bool per_thread = clock & 4;
	struct task *t;

	if (kind == 3)
		return -EINVAL;
	t = pid ? task_find(pid) : task_get(current);
	if (!t)
		return -EINVAL;
	if (per_thread && t->process != current->process) {
		task_put(t);
		return -EINVAL;
	}
	*out = per_thread ? task_cpu_ns(t) : process_cpu_ns(t->process, kind == 1);
	task_put(t);
	return 0;
}

int clock_read(int clock, ktime_t *out)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		*out = ktime_get_real();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*out = ktime_get();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*out = process_cpu_ns(current->process, false);
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		*out = task_cpu_ns(current);
		return 0;
	}
	return clock < 0 ? cpu_clock_read(clock, out) : -EINVAL;
}

bool clock_is_cpu(int clock)
{
	return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID;
}

bool clock_is_wall(int clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_TAI || clock == CLOCK_REALTIME_ALARM;
}

bool clock_can_sleep(int clock)
{
	return clock_is_wall(clock) || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM;
}

ktime_t clock_to_mono(int clock, ktime_t t)
{
	if (t == KTIME_MAX)
		return t;
	if (clock_is_wall(clock))
		t -= ktime_get_real() - ktime_get();
	return max(t, (ktime_t)0);
}

SYSCALL(clock_gettime, int clock, struct __kernel_timespec __user *out)
{
	struct __kernel_timespec ts;
	ktime_t now;
	int err = clock_read(clock, &now);

	if (err)
		return err;
	ts = ns_to_timespec(now);
	return put_user_struct(out, &ts);
}

SYSCALL(clock_getres, int clock, struct __kernel_timespec __user *out)
{
	struct __kernel_timespec ts = { .tv_nsec = 1 };
	ktime_t now;
	int err = clock_read(clock, &now);

	if (err)
		return err;
	if (clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE)
		ts.tv_nsec = TICK_NSEC;
	return out ? put_user_struct(out, &ts) : 0;
}

SYSCALL(clock_settime, int clock, const struct __kernel_timespec __user *in)
{
	struct __kernel_timespec ts;
	ktime_t t;

	if (clock != CLOCK_REALTIME)
		return -EINVAL;
	if (get_user_struct(&ts, in))
		return -EFAULT;
	t = timespec_to_ns(&ts);
	if (t < 0)
		return -EINVAL;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	ktime_set_real(t);
	return 0;
}

SYSCALL(gettimeofday, struct __kernel_old_timeval __user *tv, int __user *tz)
{
	ktime_t now = ktime_get_real();
	struct __kernel_old_timeval v = { now / NSEC_PER_SEC, now % NSEC_PER_SEC / NSEC_PER_USEC };
	int zone[2] = { 0, 0 };

	if (tv && put_user_struct(tv, &v))
		return -EFAULT;
	return tz && copy_to_user(tz, zone, sizeof(zone)) ? -EFAULT : 0;
}

SYSCALL(settimeofday, const struct __kernel_old_timeval __user *tv, const int __user *tz)
{
	struct __kernel_old_timeval v;

	if (tv) {
		if (get_user_struct(&v, tv))
			return -EFAULT;
		if (v.tv_usec < 0 || v.tv_usec >= 1000000 || v.tv_sec < 0)
			return -EINVAL;
	}
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	if (tv)
		ktime_set_real(v.tv_sec * NSEC_PER_SEC + v.tv_usec * NSEC_PER_USEC);
	return 0;
}

SYSCALL(time, long __user *out)
{
	long now = ktime_get_real() / NSEC_PER_SEC;

	return out && put_user(now, out) ? -EFAULT : now;
}

static long read_timex(int clock, struct __kernel_timex __user *utx)
{
	struct __kernel_timex tx;
	ktime_t now = ktime_get_real();
	u32 modes;

	if (clock != CLOCK_REALTIME)
		return clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ? -EOPNOTSUPP : -EINVAL;
	if (get_user(modes, &utx->modes))
		return -EFAULT;
	if (modes && modes != ADJ_OFFSET_SS_READ)
		return -EPERM;
	memset(&tx, 0, sizeof(tx));
	tx.status = STA_UNSYNC;
	tx.maxerror = tx.esterror = 16000000;
	tx.constant = 2;
	tx.precision = 1;
	tx.tolerance = 32768000;
	tx.tick = 10000;
	tx.time.tv_sec = now / NSEC_PER_SEC;
	tx.time.tv_usec = now % NSEC_PER_SEC / NSEC_PER_USEC;
	return put_user_struct(utx, &tx) ? -EFAULT : TIME_ERROR;
}

SYSCALL(adjtimex, struct __kernel_timex __user *utx)
{
	return read_timex(CLOCK_REALTIME, utx);
}

SYSCALL(clock_adjtime, int clock, struct __kernel_timex __user *utx)
{
	return read_timex(clock, utx);
}

/* ---- sleeping ---- */

/* Until a monotonic time. 0, or -ERESTARTNOHAND with what is left in *left. */
static int sleep_until(ktime_t deadline, ktime_t *left)
{
	for (;;) {
		task_set_state(TASK_INTERRUPTIBLE);
		if (signal_pending())
			break;
		if (schedule_hrtimeout(deadline) == 0)
			return 0;
	}
	task_set_state(TASK_RUNNING);
	*left = deadline - ktime_get();
	return *left <= 0 ? 0 : -ERESTARTNOHAND;
}

/* A relative sleep continues to the same moment after a stop and continue: the remaining time is for those with a handler. */
static long relative_sleep(ktime_t deadline, struct __kernel_timespec __user *uleft);

static long sleep_restart(struct task *t)
{
	return relative_sleep((ktime_t)t->restart_args[0], (struct __kernel_timespec __user *)t->restart_args[1]);
}

static long relative_sleep(ktime_t deadline, struct __kernel_timespec __user *uleft)
{
	struct __kernel_timespec ts;
	struct task *t = current;
	ktime_t left;

	if (!sleep_until(deadline, &left))
		return 0;
	if (uleft) {
		ts = ns_to_timespec(left);
		if (put_user_struct(uleft, &ts))
			return -EFAULT;
	}
	t->restart_fn = sleep_restart;
	t->restart_args[0] = (u64)deadline;
	t->restart_args[1] = (u64)uleft;
	return -ERESTART_RESTARTBLOCK;
}

SYSCALL(nanosleep, const struct __kernel_timespec __user *utime, struct __kernel_timespec __user *uleft)
{
	struct __kernel_timespec ts;
	ktime_t ns;

	if (get_user_struct(&ts, utime))
		return -EFAULT;
	ns = timespec_to_ns(&ts);
	if (ns < 0)
		return -EINVAL;
	return relative_sleep(ktime_add_clip(ktime_get(), ns), uleft);
}

/* Sleep on a CPU clock: look again whenever it could have run that long. */
static long cpu_clock_sleep(int clock, ktime_t until)
{
	ktime_t now, left;
	int err;

	for (;;) {
		err = clock_read(clock, &now);
		if (err)
			return err;
		if (now >= until)
			return 0;
		if (sleep_until(ktime_add_clip(ktime_get(), max(until - now, (ktime_t)TICK_NSEC)), &left))
			return -ERESTARTNOHAND;
	}
}

SYSCALL(clock_nanosleep, int clock, int flags, const struct __kernel_timespec __user *utime,
	struct __kernel_timespec __user *uleft)
{
	struct __kernel_timespec ts;
	ktime_t t, now, left;
	int err;

	if (clock == CLOCK_THREAD_CPUTIME_ID || (!clock_is_cpu(clock) && !clock_can_sleep(clock)))
		return clock_read(clock, &now) || clock == CLOCK_THREAD_CPUTIME_ID ? -EINVAL : -EOPNOTSUPP;
	if (get_user_struct(&ts, utime))
		return -EFAULT;
	t = timespec_to_ns(&ts);
	if (t < 0)
		return -EINVAL;
	if (clock_is_cpu(clock)) {
		err = clock_read(clock, &now);
		if (err)
			return err;
		return cpu_clock_sleep(clock, flags & TIMER_ABSTIME ? t : ktime_add_clip(now, t));
	}
	if (!(flags & TIMER_ABSTIME))
		return relative_sleep(ktime_add_clip(ktime_get(), t), uleft);
	return sleep_until(clock_to_mono(clock, t), &left);
}
