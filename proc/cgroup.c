/*
 * cgroup.c - which processes are in which cgroup.
 *
 * A process that moves gets a new ledger owner, bound to its new cgroup; what it used so far stays charged to the old one, as
 * cgroup v2 says. A child is born in its parent's cgroup.
 */
#include <abi/errno.h>
#include <fs/cgroup.h>
#include <fs/procfs.h>
#include <kernel/cred.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <lib/text.h>
#include <linux/capability.h>
#include <mm/mm.h>
#include "internal.h"

struct memcg *process_memcg(const struct process *p)
{
	return p->memcg ? p->memcg : &memcg_root;
}

/* The new owner pays from now on. tasklist_lock held. */
static void change_owner(struct process *p, struct memcg *m, owner_t owner)
{
	struct memcg *old = p->memcg;
	struct task *t;

	spin_lock(siglock(p));
	atomic_dec(&process_memcg(p)->nr_procs);
	atomic_inc(&m->nr_procs);
	memcg_get(m);
	p->memcg = m;
	p->owner = owner;
	list_for_each(t, &p->threads, thread_link) {
		t->owner = owner;
		psi_task_move(t, memcg_psi(m));
		if (t->mm)
			t->mm->owner = owner;
	}
	spin_unlock(siglock(p));
	if (old)
		memcg_put(old);
}

int cgroup_attach(int pid, struct memcg *m)
{
	struct task *t = pid ? task_find(pid) : task_get(current);
	struct process *p;
	owner_t owner, old;
	int err = 0;

	if (!t)
		return -ESRCH;
	p = t->process;
	if ((p->flags & PF_KTHREAD) || p->zombie)
		err = -EINVAL;
	else if (t->cred->uid != current->cred->euid && !capable(CAP_SYS_ADMIN))
		err = -EACCES;
	if (err || process_memcg(p) == m) {
		task_put(t);
		return err;
	}
	owner = ledger_owner_create(OWNER_PROCESS, p->pid, p->leader->comm);
	if (!owner) {
		task_put(t);
		return -ENOMEM;		/* no owner, no accounting */
	}
	memcg_bind_owner(owner, m);
	spin_lock(&tasklist_lock);
	if (p->zombie) {
		err = -ESRCH;
		old = owner;
	} else {
		old = p->owner;
		change_owner(p, m, owner);
	}
	spin_unlock(&tasklist_lock);
	if (old != owner)
		ledger_process_moves(old, owner);
	ledger_owner_release(old);
	task_put(t);
	return err;
}

/* The next process of m, or 0. Printing may sleep, so the lock is held for one step at a time. */
static int next_member(struct memcg *m, int after)
{
	struct process *p;
	int pid = 0;

	spin_lock(&tasklist_lock);
	for (p = process_next_locked(after); p && !pid; p = process_next_locked(p->pid))
		if (process_memcg(p) == m && !p->zombie)
			pid = p->pid;
	spin_unlock(&tasklist_lock);
	return pid;
}

static void list_threads(struct text *out, int pid)
{
	struct task *t;
	int tid = 0;

	while ((t = proc_next_thread(pid, tid))) {
		tid = t->tid;
		task_put(t);
		text_printf(out, "%d\n", tid);
	}
}

void cgroup_list(struct text *out, struct memcg *m, bool threads)
{
	int pid = 0;

	while ((pid = next_member(m, pid))) {
		if (threads)
			list_threads(out, pid);
		else
			text_printf(out, "%d\n", pid);
	}
}

void cgroup_kill(struct memcg *m)
{
	spin_lock(&tasklist_lock);
	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid))
		if (!p->is_init && !(p->flags & PF_KTHREAD) && memcg_is_below(process_memcg(p), m))
			signal_kill_process(p);
	spin_unlock(&tasklist_lock);
}

bool cgroup_populated(struct memcg *m)
{
	struct memcg *c;
	bool any = atomic_read(&m->nr_procs) > 0;

	list_for_each(c, &m->children, sibling)
		any = any || cgroup_populated(c);
	return any;
}

void cgroup_path(const struct memcg *m, struct text *out)
{
	if (!m->parent) {
		text_putc(out, '/');
		return;
	}
	if (m->parent->parent)
		cgroup_path(m->parent, out);
	text_printf(out, "/%s", m->name);
}
