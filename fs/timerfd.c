/*
 * timerfd.c - a timer as a file: timerfd_create, timerfd_settime, timerfd_gettime.
 * SHAPE       the kernel timer fires once and counts 1; later periods are counted, and the timer armed again, when
 *             somebody reads. So a period of a nanosecond costs nothing while nobody looks.
 * INVARIANTS  T1 `expires` is when the period that comes next ends, on the monotonic clock; 0: disarmed.
 * LOCKS       t->lock (LOCK_FS) guards the fields. The timer's callback takes it too: it runs at safe points.
 *             t->setting (LOCK_SLEEP_LEAF) lets one change at a time wait for a running callback.
 * LINUX       clocks REALTIME, MONOTONIC, BOOTTIME and the ALARM ones, which need CAP_WAKE_ALARM and wake nothing.
 *             A jump of the wall clock moves no timer that is armed; TFD_TIMER_CANCEL_ON_SET is accepted.
 */
#include "internal.h"
#include <kernel/signal.h>
#include <kernel/time.h>
#include <kernel/wait.h>
#include <lib/text.h>
#include <linux/poll.h>
#include <linux/time.h>
#include <linux/time_types.h>
#include <linux/timerfd.h>
#include <mm/io_iter.h>

struct timerfd {
	struct timer	timer;
	struct mutex	setting;
	spinlock_t	lock;
	struct waitq	wait;
	int		clock;
	ktime_t		expires, interval;
	u64		ticks;		/* not read yet */
	bool		fired;		/* the timer rang; periods since are not counted yet */
};

static bool is_wall_clock(int clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;
}

static void timerfd_ring(struct timer *timer)
{
	struct timerfd *t = container_of(timer, struct timerfd, timer);

	spin_lock(&t->lock);
	t->fired = true;
	t->ticks++;
	spin_unlock(&t->lock);
	waitq_wake_key(&t->wait, S32_MAX, POLLIN | POLLRDNORM);
}

/* Count the periods that ended since the timer rang, and arm it for the next. t->lock held. */
static void catch_up(struct timerfd *t)
{
	ktime_t now = ktime_get();
	u64 more;

	assert_spin_held(&t->lock);
	if (!t->fired)
		return;
	t->fired = false;
	if (!t->interval) {
		t->expires = 0;
		return;
	}
	t->expires += t->interval;
	if (t->expires <= now) {
		more = (u64)(now - t->expires) / (u64)t->interval + 1;
		t->ticks += more;
		t->expires += (ktime_t)more * t->interval;
	}
	timer_start(&t->timer, t->expires);
}

static u64 take_ticks(struct timerfd *t)
{
	u64 ticks;

	spin_lock(&t->lock);
	if (t->ticks)
		catch_up(t);
	ticks = t->ticks;
	t->ticks = 0;
	spin_unlock(&t->lock);
	return ticks;
}

static ssize_t timerfd_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	struct timerfd *t = f->priv;
	u64 ticks;

	if (to->left < sizeof(ticks))
		return -EINVAL;
	while (!(ticks = take_ticks(t))) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(&t->wait, READ_ONCE(t->ticks)))
			return -ERESTARTSYS;
	}
	return io_iter_put(to, &ticks, sizeof(ticks)) == sizeof(ticks) ? (ssize_t)sizeof(ticks) : -EFAULT;
}

static u32 timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->priv;

	poll_wait(f, &t->wait, pt);
	return READ_ONCE(t->ticks) ? POLLIN | POLLRDNORM : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->priv;

	timer_cancel_sync(&t->timer);
	kfree(t);
}

static struct __kernel_timespec as_timespec(ktime_t ns)
{
	return (struct __kernel_timespec){ .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };
}

/* Saturates; -EINVAL for what is no time. */
static int as_ktime(const struct __kernel_timespec *ts, ktime_t *out)
{
	if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= NSEC_PER_SEC)
		return -EINVAL;
	if (__builtin_mul_overflow(ts->tv_sec, NSEC_PER_SEC, out) || __builtin_add_overflow(*out, ts->tv_nsec, out))
		*out = KTIME_MAX;
	return 0;
}

/* What is left and the period, as the two *gettime calls and the old value of settime show them. t->lock held. */
static struct __kernel_itimerspec remaining(struct timerfd *t)
{
	struct __kernel_itimerspec out = { .it_interval = as_timespec(t->interval) };
	ktime_t left;

	catch_up(t);
	if (!t->expires)
		return out;
	left = t->expires - ktime_get();
	out.it_value = as_timespec(left > 0 ? left : 1);
	return out;
}

static void timerfd_fdinfo(struct file *f, struct text *out)
{
	struct timerfd *t = f->priv;
	struct __kernel_itimerspec now;

	spin_lock(&t->lock);
	now = remaining(t);
	spin_unlock(&t->lock);
	text_printf(out, "clockid: %d\nticks: %lu\nsettime flags: 00\nit_value: (%lld, %lld)\nit_interval: (%lld, %lld)\n",
		    t->clock, t->ticks, (long long)now.it_value.tv_sec, (long long)now.it_value.tv_nsec,
		    (long long)now.it_interval.tv_sec, (long long)now.it_interval.tv_nsec);
}

static const struct file_ops timerfd_ops = {
	.read = timerfd_read, .poll = timerfd_poll, .release = timerfd_release, .fdinfo = timerfd_fdinfo,
};

static bool clock_is_known(int clock)
{
	return is_wall_clock(clock) || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM;
}

SYSCALL(timerfd_create, int clock, int flags)
{
	struct timerfd *t;
	struct file *f;
	int err;

	if ((flags & ~(TFD_CLOEXEC | TFD_NONBLOCK)) || !clock_is_known(clock))
		return -EINVAL;
	if ((clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM) && !capable(CAP_WAKE_ALARM))
		return -EPERM;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	timer_init(&t->timer, timerfd_ring);
	mutex_init(&t->setting, "timerfd", LOCK_SLEEP_LEAF);
	spin_lock_init(&t->lock, "timerfd", LOCK_FS);
	waitq_init(&t->wait);
	t->clock = clock;
	err = file_open_anon("anon_inode:[timerfd]", &timerfd_ops, t, O_RDWR | (flags & TFD_NONBLOCK), &f);
	if (err) {
		kfree(t);
		return err;
	}
	return fd_alloc_install(f, flags & TFD_CLOEXEC);
}

/* Convert to the monotonic clock; a time that has passed rings at once. */
static ktime_t deadline_of(const struct timerfd *t, ktime_t value, bool absolute)
{
	ktime_t now = ktime_get(), out;

	if (absolute && !is_wall_clock(t->clock))
		return value;
	if (absolute)
		value -= ktime_get_real();
	return __builtin_add_overflow(now, value, &out) ? KTIME_MAX : out > 0 ? out : 1;
}

static void arm(struct timerfd *t, ktime_t value, ktime_t interval, bool absolute, struct __kernel_itimerspec *old)
{
	mutex_lock(&t->setting);
	timer_cancel_sync(&t->timer);
	spin_lock(&t->lock);
	*old = remaining(t);
	timer_cancel(&t->timer);	/* remaining() may have armed it for another period */
	t->ticks = 0;
	t->fired = false;
	t->interval = interval;
	t->expires = value ? deadline_of(t, value, absolute) : 0;
	if (t->expires)
		timer_start(&t->timer, t->expires);
	spin_unlock(&t->lock);
	mutex_unlock(&t->setting);
}

/* The timerfd behind a descriptor, as a referenced file. 0, -EBADF, -EINVAL. */
static int timerfd_get(int fd, struct file **out)
{
	struct file *f = fd_get_io(fd);

	if (!f)
		return -EBADF;
	if (f->ops != &timerfd_ops) {
		file_put(f);
		return -EINVAL;
	}
	*out = f;
	return 0;
}

SYSCALL(timerfd_settime, int fd, int flags, const struct __kernel_itimerspec __user *unew,
	struct __kernel_itimerspec __user *uold)
{
	struct __kernel_itimerspec spec, old;
	ktime_t value, interval;
	struct file *f;
	int err;

	if (get_user_struct(&spec, unew))
		return -EFAULT;
	if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) || as_ktime(&spec.it_value, &value) ||
	    as_ktime(&spec.it_interval, &interval))
		return -EINVAL;
	err = timerfd_get(fd, &f);
	if (err)
		return err;
	arm(f->priv, value, interval, flags & TFD_TIMER_ABSTIME, &old);
	file_put(f);
	return uold ? put_user_struct(uold, &old) : 0;
}

SYSCALL(timerfd_gettime, int fd, struct __kernel_itimerspec __user *uout)
{
	struct __kernel_itimerspec now;
	struct timerfd *t;
	struct file *f;
	int err = timerfd_get(fd, &f);

	if (err)
		return err;
	t = f->priv;
	spin_lock(&t->lock);
	now = remaining(t);
	spin_unlock(&t->lock);
	file_put(f);
	return put_user_struct(uout, &now);
}
