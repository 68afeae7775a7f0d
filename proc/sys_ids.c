/*
 * sys_ids.c - process, group and session numbers.
 *
 * SOURCE      getpid(2), setpgid(2), setsid(2), credentials(7)
 */
#include <abi/errno.h>
#include <kernel/syscall.h>
#include <proc/process.h>

SYSCALL0(getpid)
{
	return current->process->pid;
}

SYSCALL0(gettid)
{
	return current->tid;
}

SYSCALL0(getppid)
{
	struct process *parent;
	int pid;

	spin_lock(&tasklist_lock);
	parent = current->process->parent;
	pid = parent ? parent->pid : 0;
	spin_unlock(&tasklist_lock);
	return pid;
}

/* pid 0: current. NULL when there is no such process. tasklist_lock held. */
static struct process *find_process_or_self(int pid)
{
	struct task *t;

	if (!pid)
		return current->process;
	t = task_find_locked(pid);
	return t ? t->process : NULL;
}

SYSCALL(getpgid, int pid)
{
	struct process *p;
	int pgrp = -ESRCH;

	spin_lock(&tasklist_lock);
	p = find_process_or_self(pid);
	if (p)
		pgrp = p->pgrp;
	spin_unlock(&tasklist_lock);
	return pgrp;
}

SYSCALL0(getpgrp)
{
	return sys_getpgid(0);
}

SYSCALL(getsid, int pid)
{
	struct process *p;
	int session = -ESRCH;

	spin_lock(&tasklist_lock);
	p = find_process_or_self(pid);
	if (p)
		session = p->session;
	spin_unlock(&tasklist_lock);
	return session;
}

/* May `p` be moved to group `pgrp` by current? setpgid(2), ERRORS. tasklist_lock held. */
static int may_set_pgrp(struct process *p, int pgrp)
{
	struct process *self = current->process, *member;
	struct list *members;

	if (p != self && p->parent != self)
		return -ESRCH;
	if (p != self) {
		if (p->session != self->session)
			return -EPERM;
		if (p->did_exec)
			return -EACCES;
	}
	if (p->session_leader)
		return -EPERM;
	if (pgrp == p->pid)
		return 0;
	members = pgrp_members(pgrp);
	if (!members)
		return -EPERM;
	member = list_first_entry(members, struct process, pgrp_link);
	return member->session == self->session ? 0 : -EPERM;
}

SYSCALL(setpgid, int pid, int pgrp)
{
	struct process *p;
	struct task *t;
	int err = -ESRCH;

	if (pgrp < 0)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	t = pid ? task_find_locked(pid) : current->process->leader;
	p = t ? t->process : NULL;
	if (p && p->pid != (pid ? pid : p->pid)) {
		err = -EINVAL;		/* a thread that is not the leader */
	} else if (p) {
		if (!pgrp)
			pgrp = p->pid;
		err = may_set_pgrp(p, pgrp);
		if (!err && p->pgrp != pgrp) {
			pgrp_leave(p);
			pgrp_join(p, pgrp);
		}
	}
	spin_unlock(&tasklist_lock);
	return err;
}

SYSCALL0(setsid)
{
	struct process *p = current->process;
	int ret = p->pid;

	spin_lock(&tasklist_lock);
	if (p->session_leader || pgrp_members(p->pid)) {
		ret = -EPERM;
	} else {
		pgrp_leave(p);
		p->session = p->pid;
		p->session_leader = true;
		p->tty = NULL;
		pgrp_join(p, p->pid);
	}
	spin_unlock(&tasklist_lock);
	return ret;
}
