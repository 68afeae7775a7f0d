/*
 * pid.c - the numbers of tasks, processes, groups and sessions.
 *
 * SHAPE       number -> struct pid_entry { task, group members, users } in an xarray. A number is in use as long as anything has it: a
 *             thread as tid, processes as their group or session. New numbers are given in rising order and wrap, as
 *             Linux does, so that a number is not reused soon.
 * INVARIANTS  P1 an entry exists while users > 0.  P2 entry->task->tid is the entry's number.
 * LOCKS       tasklist_lock guards entries and their lists; pid_alloc also allocates, so it works in two steps.
 */
#include <fs/procfs.h>
#include <kernel/cred.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <lib/xarray.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include <proc/process.h>

struct pid_entry {
	int		nr;
	int		users;		/* 1 for the number being allocated or a live task, 1 per group member, 1 per session member */
	struct task	*task;		/* borrowed; NULL when no thread has this number */
	struct list	group;		/* process->pgrp_link of members */
};

#define PID_FIRST_AFTER_WRAP	300

spinlock_t tasklist_lock = SPINLOCK_INIT("tasklist", LOCK_TASKLIST);
int pid_max = 32768;
int nr_threads_total;
u64 pids_given_total;
static int last_pid = 1;		/* 1 is init's, whenever it starts */
static struct xarray pids;
static struct slab_cache *pid_cache;

void pid_init(void)
{
	xa_init(&pids);
	pid_cache = slab_cache_create("pid", sizeof(struct pid_entry), 0, SLAB_PANIC, NULL);
}

static struct pid_entry *pid_entry(int nr)
{
	return nr > 0 ? xa_load(&pids, nr) : NULL;
}

/* The next unused number after last_pid, or 0. tasklist_lock held. */
static int pid_next_unused(void)
{
	int nr = last_pid;

	for (int tries = 0; tries < pid_max; tries++) {
		if (++nr >= pid_max)
			nr = PID_FIRST_AFTER_WRAP;
		if (!xa_load(&pids, nr))
			return nr;
	}
	return 0;
}

/* nr 0: the next unused one. */
static int pid_alloc_common(int nr, int *out)
{
	struct pid_entry *e = slab_alloc(pid_cache, GFP_KERNEL);
	int err;

	if (!e)
		return -ENOMEM;
	spin_lock(&tasklist_lock);
	e->nr = nr ? nr : pid_next_unused();
	e->users = 1;
	e->task = NULL;
	list_init(&e->group);
	err = e->nr ? xa_store(&pids, e->nr, e, GFP_ATOMIC) : -EAGAIN;
	if (!err) {
		*out = e->nr;
		if (!nr)
			last_pid = e->nr;
	}
	spin_unlock(&tasklist_lock);
	if (err)
		slab_free(pid_cache, e);
	return err;
}

int pid_alloc(int *out)
{
	return pid_alloc_common(0, out);
}

int pid_alloc_nr(int nr)
{
	return pid_alloc_common(nr, &nr);
}

/* tasklist_lock held. */
static void pid_put(struct pid_entry *e)
{
	assert(e->users > 0);
	if (--e->users)
		return;
	xa_erase(&pids, e->nr);
	slab_free(pid_cache, e);
}

void pid_free(int pid)
{
	spin_lock(&tasklist_lock);
	pid_put(pid_entry(pid));
	spin_unlock(&tasklist_lock);
}

void pid_attach(struct task *t)
{
	struct pid_entry *e = pid_entry(t->tid);

	assert_spin_held(&tasklist_lock);
	assert(e && !e->task);
	e->task = t;
	nr_threads_total++;
	pids_given_total++;
}

/* The number itself stays until pid_free(). */
void pid_detach(struct task *t)
{
	struct pid_entry *e = pid_entry(t->tid);

	assert_spin_held(&tasklist_lock);
	if (e && e->task == t) {
		e->task = NULL;
		nr_threads_total--;
	}
}

struct task *task_find_locked(int tid)
{
	struct pid_entry *e = pid_entry(tid);

	return e ? e->task : NULL;
}

struct task *task_find(int tid)
{
	struct task *t;

	spin_lock(&tasklist_lock);
	t = task_find_locked(tid);
	if (t)
		task_get(t);
	spin_unlock(&tasklist_lock);
	return t;
}

struct process *process_find_locked(int pid)
{
	struct task *t = task_find_locked(pid);

	return t && t->process && t->process->pid == pid ? t->process : NULL;
}

struct process *process_next_locked(int after_pid)
{
	unsigned long index = after_pid + 1;
	struct pid_entry *e;

	for (; (e = xa_find(&pids, &index, ~0UL)); index++)
		if (e->task && e->task->process && e->task->process->pid == e->nr)
			return e->task->process;
	return NULL;
}

/* ---- groups ---- */

/* Join group `pgrp`, whose number is in use (its founder's pid). Also holds the session's number. */
void pgrp_join(struct process *p, int pgrp)
{
	struct pid_entry *e = pid_entry(pgrp), *s = pid_entry(p->session);

	assert_spin_held(&tasklist_lock);
	p->pgrp = pgrp;
	if (s)
		s->users++;
	if (e) {
		e->users++;
		list_append(&e->group, &p->pgrp_link);
	} else {
		list_init(&p->pgrp_link);	/* group 0: kernel threads */
	}
}

/* Call before p->session changes: the reference taken by pgrp_join() is for the session it had then. */
void pgrp_leave(struct process *p)
{
	struct pid_entry *e = pid_entry(p->pgrp), *s = pid_entry(p->session);

	assert_spin_held(&tasklist_lock);
	if (e && list_is_linked(&p->pgrp_link)) {
		list_remove(&p->pgrp_link);
		pid_put(e);
	}
	if (s)
		pid_put(s);
}

struct list *pgrp_members(int pgrp)
{
	struct pid_entry *e = pid_entry(pgrp);

	return e && !list_empty(&e->group) ? &e->group : NULL;
}

bool pgrp_orphaned(int pgrp, struct process *ignore)
{
	struct list *members = pgrp_members(pgrp);
	struct process *p;

	if (!members)
		return true;
	list_for_each(p, members, pgrp_link) {
		struct process *parent = p->parent;

		if (p == ignore || p->zombie || !parent || parent->is_init)
			continue;
		if (parent->pgrp != pgrp && parent->session == p->session)
			return false;
	}
	return true;
}

/* ---- what /proc iterates over ---- */

struct task *proc_find_process(int pid)
{
	struct process *p;
	struct task *t = NULL;

	spin_lock(&tasklist_lock);
	p = process_find_locked(pid);
	if (p)
		t = task_get(p->leader);
	spin_unlock(&tasklist_lock);
	return t;
}

struct task *proc_next_process(int after_pid)
{
	struct process *p;
	struct task *t = NULL;

	spin_lock(&tasklist_lock);
	p = process_next_locked(after_pid);
	if (p)
		t = task_get(p->leader);
	spin_unlock(&tasklist_lock);
	return t;
}

struct task *proc_find_thread(int pid, int tid)
{
	struct task *t;

	spin_lock(&tasklist_lock);
	t = task_find_locked(tid);
	if (t && (!t->process || (pid && t->process->pid != pid)))	/* pid 0: of any process */
		t = NULL;
	if (t)
		task_get(t);
	spin_unlock(&tasklist_lock);
	return t;
}

struct task *proc_next_thread(int pid, int after_tid)
{
	struct task *t, *best = NULL;
	struct process *p;

	spin_lock(&tasklist_lock);
	p = process_find_locked(pid);
	if (p)
		list_for_each(t, &p->threads, thread_link)
			if (t->tid > after_tid && (!best || t->tid < best->tid))
				best = t;
	if (best)
		task_get(best);
	spin_unlock(&tasklist_lock);
	return best;
}

void proc_task_owner(struct task *t, u32 *uid, u32 *gid)
{
	*uid = t->cred ? t->cred->euid : 0;
	*gid = t->cred ? t->cred->egid : 0;
}
