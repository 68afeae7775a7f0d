/*
 * sys_limits.c - resource limits and what was used: prlimit, getrusage, times.
 *
 * SOURCE      getrlimit(2), getrusage(2), times(2)
 */
#include <abi/capability.h>
#include <abi/errno.h>
#include <kernel/cred.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <mm/mm.h>
#include <proc/process.h>

#include "internal.h"

#define NR_OPEN_MAX	(1024 * 1024)	/* fs.nr_open: no RLIMIT_NOFILE above it */

unsigned long task_rlimit(struct task *t, unsigned resource)
{
	return t->process ? READ_ONCE(t->process->rlim[resource].rlim_cur) : RLIM_INFINITY;
}

/* Old limits out, new ones in; either may be NULL. */
static int process_limit(struct process *p, unsigned resource, const struct rlimit64 *new, struct rlimit64 *old)
{
	struct rlimit64 *r = &p->rlim[resource];
	int err = 0;

	if (new) {
		if (new->rlim_cur > new->rlim_max)
			return -EINVAL;
		if (resource == RLIMIT_NOFILE && new->rlim_max > NR_OPEN_MAX)
			return -EPERM;
	}
	spin_lock(siglock(p));
	if (new && new->rlim_max > r->rlim_max && !capable(CAP_SYS_RESOURCE))
		err = -EPERM;
	if (!err && old)
		*old = *r;
	if (!err && new)
		*r = *new;
	spin_unlock(siglock(p));
	return err;
}

/* May current change or read the limits of t? Same ids, or CAP_SYS_RESOURCE. */
static bool may_limit(struct task *t)
{
	const struct cred *c = current->cred, *o = t->cred;

	if (t->process == current->process)
		return true;
	return (c->uid == o->euid && c->uid == o->suid && c->uid == o->uid && c->gid == o->egid && c->gid == o->sgid &&
		c->gid == o->gid) || capable(CAP_SYS_RESOURCE);
}

SYSCALL(prlimit64, int pid, unsigned resource, const struct rlimit64 __user *unew, struct rlimit64 __user *uold)
{
	struct rlimit64 new, old;
	struct task *t;
	int err;

	if (resource >= RLIM_NLIMITS)
		return -EINVAL;
	if (unew && get_user_struct(&new, unew))
		return -EFAULT;
	t = pid ? task_find(pid) : task_get(current);
	if (!t)
		return -ESRCH;
	err = may_limit(t) ? process_limit(t->process, resource, unew ? &new : NULL, uold ? &old : NULL) : -EPERM;
	task_put(t);
	if (!err && uold && put_user_struct(uold, &old))
		err = -EFAULT;
	return err;
}

SYSCALL(getrlimit, unsigned resource, struct rlimit64 __user *out)
{
	struct rlimit64 old;
	int err;

	if (resource >= RLIM_NLIMITS)
		return -EINVAL;
	err = process_limit(current->process, resource, NULL, &old);
	return err ? err : put_user_struct(out, &old);
}

SYSCALL(setrlimit, unsigned resource, const struct rlimit64 __user *in)
{
	struct rlimit64 new;

	if (resource >= RLIM_NLIMITS)
		return -EINVAL;
	if (get_user_struct(&new, in))
		return -EFAULT;
	return process_limit(current->process, resource, &new, NULL);
}

/* ---- use ---- */

void process_times_read(struct process *p, struct process_times *out)
{
	struct task *t;

	spin_lock(&tasklist_lock);
	*out = p->dead;
	list_for_each(t, &p->threads, thread_link)
		times_add_task(out, t);
	spin_unlock(&tasklist_lock);
}

static void put_timeval(struct __kernel_old_timeval *tv, u64 ns)
{
	tv->tv_sec = (long)(ns / NSEC_PER_SEC);
	tv->tv_usec = (long)(ns % NSEC_PER_SEC / NSEC_PER_USEC);
}

/* Everything in *out, also what Linux leaves zero. */
void rusage_fill(struct rusage *out, const struct process_times *t)
{
	*out = (struct rusage){
		.ru_maxrss = (long)t->max_rss_kb,
		.ru_minflt = (long)t->min_flt,
		.ru_majflt = (long)t->maj_flt,
		.ru_inblock = (long)(t->read_bytes / 512),
		.ru_oublock = (long)(t->write_bytes / 512),
		.ru_nvcsw = (long)t->nvcsw,
		.ru_nivcsw = (long)t->nivcsw,
	};
	put_timeval(&out->ru_utime, t->utime);
	put_timeval(&out->ru_stime, t->stime);
}

SYSCALL(getrusage, int who, struct rusage __user *out)
{
	struct process_times pt = { 0 };
	struct rusage ru;

	if (who == RUSAGE_SELF) {
		process_times_read(current->process, &pt);
		if (current->mm)
			pt.max_rss_kb = max(pt.max_rss_kb, (u64)current->mm->hiwater_rss << (PAGE_SHIFT - 10));
	} else if (who == RUSAGE_THREAD) {
		times_add_task(&pt, current);
		if (current->mm)
			pt.max_rss_kb = (u64)current->mm->hiwater_rss << (PAGE_SHIFT - 10);
	} else if (who == RUSAGE_CHILDREN) {
		spin_lock(siglock(current->process));
		pt = current->process->children_times;
		spin_unlock(siglock(current->process));
	} else {
		return -EINVAL;
	}
	rusage_fill(&ru, &pt);
	return put_user_struct(out, &ru);
}

struct tms_k { long utime, stime, cutime, cstime; };

SYSCALL(times, struct tms_k __user *out)
{
	const u64 tick = NSEC_PER_SEC / USER_HZ;
	struct process_times pt;
	struct tms_k t;

	if (out) {
		process_times_read(current->process, &pt);
		t.utime = (long)(pt.utime / tick);
		t.stime = (long)(pt.stime / tick);
		spin_lock(siglock(current->process));
		t.cutime = (long)(current->process->children_times.utime / tick);
		t.cstime = (long)(current->process->children_times.stime / tick);
		spin_unlock(siglock(current->process));
		if (put_user_struct(out, &t))
			return -EFAULT;
	}
	return (long)((u64)ktime_get() / tick);
}
