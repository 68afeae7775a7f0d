/*
 * sys_sched.c - scheduling policy, priority, affinity.
 *
 * SOURCE      sched(7), sched_setattr(2), getpriority(2), sched_setaffinity(2)
 * LINUX       SCHED_DEADLINE is -EINVAL (as on a kernel that refuses its parameters), utilisation clamps are -EOPNOTSUPP.
 */
#include <abi/errno.h>
#include <abi/sched.h>
#include <kernel/cpu.h>
#include <kernel/cred.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <linux/resource.h>
#include <linux/sched/types.h>
#include <linux/time_types.h>
#include "clocks.h"
#include "internal.h"

#define RT_PRIO_MAX	99

static bool is_rt_policy(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool is_policy(int policy)
{
	return is_rt_policy(policy) || policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE;
}

/* A reference; pid 0 is current. NULL: -ESRCH. */
static struct task *find_task(int pid)
{
	return pid ? task_find(pid) : task_get(current);
}

static bool same_owner(struct task *t)
{
	return current->cred->euid == t->cred->euid || current->cred->euid == t->cred->uid;
}

/* ---- policy ---- */

struct policy_request {
	int	policy, priority, nice;
	bool	reset_on_fork;
};

static int check_request(const struct policy_request *r)
{
	if (!is_policy(r->policy))
		return -EINVAL;
	if (r->priority < 0 || r->priority > RT_PRIO_MAX || is_rt_policy(r->policy) != (r->priority != 0))
		return -EINVAL;
	return 0;
}

static int check_permission(struct task *t, const struct policy_request *r)
{
	u64 limit = task_rlimit(t, RLIMIT_RTPRIO);

	if (capable(CAP_SYS_NICE))
		return 0;
	if (!same_owner(t))
		return -EPERM;
	if (is_rt_policy(r->policy)) {
		if (r->policy != t->policy && !limit)
			return -EPERM;
		if (r->priority > t->rt_priority && (u64)r->priority > limit)
			return -EPERM;
	} else if (r->nice < t->nice && (u64)(20 - r->nice) > task_rlimit(t, RLIMIT_NICE)) {
		return -EPERM;
	}
	if (t->policy == SCHED_IDLE && r->policy != SCHED_IDLE && (u64)(20 - t->nice) > task_rlimit(t, RLIMIT_NICE))
		return -EPERM;
	return t->sched_reset_on_fork && !r->reset_on_fork ? -EPERM : 0;
}

static int set_policy(int pid, const struct policy_request *r)
{
	struct task *t;
	int err = check_request(r);

	if (err)
		return err;
	t = find_task(pid);
	if (!t)
		return -ESRCH;
	err = check_permission(t, r);
	if (!err) {
		t->sched_reset_on_fork = r->reset_on_fork;
		err = sched_set_policy(t, r->policy, r->priority, r->nice);
	}
	task_put(t);
	return err;
}

SYSCALL(sched_setscheduler, int pid, int policy, const int __user *param)
{
	struct policy_request r = { .policy = policy & ~SCHED_RESET_ON_FORK,
				    .reset_on_fork = policy & SCHED_RESET_ON_FORK };
	struct task *t;

	if (!param || pid < 0 || policy < 0)
		return -EINVAL;
	if (get_user(r.priority, param))
		return -EFAULT;
	t = find_task(pid);
	if (!t)
		return -ESRCH;
	r.nice = t->nice;
	task_put(t);
	return set_policy(pid, &r);
}

SYSCALL(sched_setparam, int pid, const int __user *param)
{
	struct policy_request r = { 0 };
	struct task *t;

	if (!param || pid < 0)
		return -EINVAL;
	if (get_user(r.priority, param))
		return -EFAULT;
	t = find_task(pid);
	if (!t)
		return -ESRCH;
	r.policy = t->policy;
	r.nice = t->nice;
	r.reset_on_fork = t->sched_reset_on_fork;
	task_put(t);
	return set_policy(pid, &r);
}

SYSCALL(sched_getscheduler, int pid)
{
	struct task *t;
	int policy;

	if (pid < 0)
		return -EINVAL;
	t = find_task(pid);
	if (!t)
		return -ESRCH;
	policy = t->policy | (t->sched_reset_on_fork ? SCHED_RESET_ON_FORK : 0);
	task_put(t);
	return policy;
}

SYSCALL(sched_getparam, int pid, int __user *param)
{
	struct task *t;
	int priority;

	if (!param || pid < 0)
		return -EINVAL;
	t = find_task(pid);
	if (!t)
		return -ESRCH;
	priority = t->rt_priority;
	task_put(t);
	return put_user(priority, param);
}

SYSCALL(sched_setattr, int pid, struct sched_attr __user *uattr, unsigned flags)
{
	struct policy_request r;
	struct sched_attr a;
	u32 size;

	if (!uattr || pid < 0 || flags)
		return -EINVAL;
	if (get_user(size, &uattr->size))
		return -EFAULT;
	if (!size)
		size = SCHED_ATTR_SIZE_VER0;
	if (size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE) {
		(void)!put_user((u32)sizeof(a), &uattr->size);
		return -E2BIG;
	}
	memset(&a, 0, sizeof(a));
	if (copy_from_user(&a, uattr, min((size_t)size, sizeof(a))))
		return -EFAULT;
	if (a.sched_flags & ~SCHED_FLAG_RESET_ON_FORK)
		return a.sched_flags & ~(u64)SCHED_FLAG_ALL ? -EINVAL : -EOPNOTSUPP;
	r = (struct policy_request){ .policy = (int)a.sched_policy, .priority = (int)a.sched_priority,
				     .nice = clamp((int)a.sched_nice, -20, 19),
				     .reset_on_fork = a.sched_flags & SCHED_FLAG_RESET_ON_FORK };
	return set_policy(pid, &r);
}

SYSCALL(sched_getattr, int pid, struct sched_attr __user *uattr, unsigned size, unsigned flags)
{
	struct sched_attr a;
	struct task *t;

	if (!uattr || pid < 0 || size > PAGE_SIZE || size < SCHED_ATTR_SIZE_VER0 || flags)
		return -EINVAL;
	t = find_task(pid);
	if (!t)
		return -ESRCH;
	memset(&a, 0, sizeof(a));
	a.size = min(size, (unsigned)sizeof(a));
	a.sched_policy = t->policy;
	a.sched_priority = t->rt_priority;
	a.sched_nice = is_rt_policy(t->policy) ? 0 : t->nice;
	a.sched_flags = t->sched_reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
	task_put(t);
	return copy_to_user(uattr, &a, a.size) ? -EFAULT : 0;
}

SYSCALL(sched_get_priority_max, int policy)
{
	return is_rt_policy(policy) ? RT_PRIO_MAX : is_policy(policy) || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

SYSCALL(sched_get_priority_min, int policy)
{
	return is_rt_policy(policy) ? 1 : is_policy(policy) || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

SYSCALL(sched_rr_get_interval, int pid, struct __kernel_timespec __user *out)
{
	struct __kernel_timespec ts;
	struct task *t;

	if (pid < 0)
		return -EINVAL;
	t = find_task(pid);
	if (!t)
		return -ESRCH;
	ts = ns_to_timespec((ktime_t)sched_rr_interval(t));
	task_put(t);
	return put_user_struct(out, &ts);
}

SYSCALL0(sched_yield)
{
	sched_yield();
	return 0;
}

/* ---- affinity ---- */

SYSCALL(sched_setaffinity, int pid, unsigned len, const unsigned long __user *umask)
{
	unsigned long mask = 0;
	struct task *t;
	int err = -EPERM;

	if (copy_from_user(&mask, umask, min(len, (unsigned)sizeof(mask))))
		return -EFAULT;
	t = find_task(pid);
	if (!t)
		return -ESRCH;
	if (same_owner(t) || capable(CAP_SYS_NICE))
		err = sched_set_affinity(t, mask);
	task_put(t);
	return err;
}

SYSCALL(sched_getaffinity, int pid, unsigned len, unsigned long __user *umask)
{
	unsigned long mask;
	struct task *t;

	if (len % sizeof(long) || len * 8 < nr_cpus)
		return -EINVAL;
	t = find_task(pid);
	if (!t)
		return -ESRCH;
	mask = t->cpus_allowed & cpu_online_mask;
	task_put(t);
	return copy_to_user(umask, &mask, sizeof(mask)) ? -EFAULT : (long)sizeof(mask);
}

/* ---- nice values: of a process all threads, of a group or user all processes ---- */

struct nice_request {
	int	nice;		/* to set; or the best found so far, with `set` false */
	bool	set;
	int	err;
};

static void nice_one(struct task *t, struct nice_request *r)
{
	if (r->err == -ESRCH)
		r->err = 0;
	if (!r->set) {
		r->nice = min(r->nice, (int)t->nice);
		return;
	}
	if (!same_owner(t) && !capable(CAP_SYS_NICE))
		r->err = -EPERM;
	else if (r->nice < t->nice && (u64)(20 - r->nice) > task_rlimit(t, RLIMIT_NICE) && !capable(CAP_SYS_NICE))
		r->err = -EACCES;
	else
		sched_set_nice(t, r->nice);
}

static void nice_process(struct process *p, struct nice_request *r)
{
	struct task *t;

	list_for_each(t, &p->threads, thread_link)
		nice_one(t, r);
}

static void nice_user(u32 uid, struct nice_request *r)
{
	struct process *p;
	int pid = 0;

	while ((p = process_next_locked(pid))) {
		pid = p->pid;
		if (p->leader->cred->uid == uid && !(p->flags & PF_KTHREAD))
			nice_process(p, r);
	}
}

static int nice_apply(int which, int who, struct nice_request *r)
{
	struct list *group;
	struct process *p;
	struct task *t;

	r->err = -ESRCH;
	spin_lock(&tasklist_lock);
	switch (which) {
	case PRIO_PROCESS:		/* a thread, in fact */
		t = who ? task_find_locked(who) : current;
		if (t)
			nice_one(t, r);
		break;
	case PRIO_PGRP:
		group = pgrp_members(who ? who : current->process->pgrp);
		if (group)
			list_for_each(p, group, pgrp_link)
				nice_process(p, r);
		break;
	case PRIO_USER:
		nice_user(who ? (u32)who : current->cred->uid, r);
		break;
	default:
		r->err = -EINVAL;
	}
	spin_unlock(&tasklist_lock);
	return r->err;
}

SYSCALL(setpriority, int which, int who, int nice)
{
	struct nice_request r = { .nice = clamp(nice, -20, 19), .set = true };

	return nice_apply(which, who, &r);
}

/* 20 - nice, so that no result looks like an error. */
SYSCALL(getpriority, int which, int who)
{
	struct nice_request r = { .nice = 19 };
	int err = nice_apply(which, who, &r);

	return err ? err : 20 - r.nice;
}

/* ---- I/O priority: kept and shown; the one queue of the 9p and block drivers is served in order ---- */

#define IOPRIO_CLASS(p)		((p) >> 13)
#define IOPRIO_LEVEL(p)		((p) & 7)
enum { IOPRIO_NONE, IOPRIO_RT, IOPRIO_BE, IOPRIO_IDLE };
enum { IOPRIO_WHO_PROCESS = 1 };

/* What a task without a class of its own has: best effort, its level from the nice value. */
static int ioprio_of(const struct task *t)
{
	int p = t->ioprio;

	return p ? p : IOPRIO_BE << 13 | (t->nice + 20) / 5;
}

static int ioprio_check(int p)
{
	if (p & ~0xffff)
		return -EINVAL;
	switch (IOPRIO_CLASS(p)) {
	case IOPRIO_RT:
		return capable(CAP_SYS_NICE) || capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
	case IOPRIO_NONE:
		return IOPRIO_LEVEL(p) ? -EINVAL : 0;
	case IOPRIO_BE:
	case IOPRIO_IDLE:
		return 0;
	}
	return -EINVAL;
}

/* Only single tasks; groups and users have no tool that asks. */
static int ioprio_task(int which, int who, struct task **out)
{
	if (which != IOPRIO_WHO_PROCESS)
		return -EINVAL;
	*out = find_task(who);
	return *out ? 0 : -ESRCH;
}

SYSCALL(ioprio_set, int which, int who, int ioprio)
{
	struct task *t;
	int err = ioprio_check(ioprio);

	if (!err)
		err = ioprio_task(which, who, &t);
	if (err)
		return err;
	if (same_owner(t) || capable(CAP_SYS_NICE))
		t->ioprio = ioprio;
	else
		err = -EPERM;
	task_put(t);
	return err;
}

SYSCALL(ioprio_get, int which, int who)
{
	struct task *t;
	int p = ioprio_task(which, who, &t);

	if (!p) {
		p = ioprio_of(t);
		task_put(t);
	}
	return p;
}
