/*
 * jobctl.c - what the terminal layer asks about sessions and groups, and who has which terminal.
 *
 * The controlling terminal belongs to the session. Each member process points at it; the reference is the session leader's,
 * taken in process_tty_set() and dropped by session_tty_clear() or when the leader exits.
 */
#include <drivers/tty.h>
#include <kernel/sched.h>
#include "internal.h"

int process_group(void)
{
	return current->process->pgrp;
}

int process_session(void)
{
	return current->process->session;
}

bool process_is_session_leader(void)
{
	return current->process->session_leader;
}

bool process_group_orphaned(int pgrp)
{
	bool orphaned;

	spin_lock(&tasklist_lock);
	orphaned = pgrp_orphaned(pgrp, NULL);
	spin_unlock(&tasklist_lock);
	return orphaned;
}

bool process_group_exists(int pgrp)
{
	bool exists;

	spin_lock(&tasklist_lock);
	exists = pgrp_members(pgrp);
	spin_unlock(&tasklist_lock);
	return exists;
}

bool process_group_in_session(int pgrp, int session)
{
	struct list *members;
	bool found = false;

	spin_lock(&tasklist_lock);
	members = pgrp_members(pgrp);
	if (members)
		found = list_entry(members->next, struct process, pgrp_link)->session == session;
	spin_unlock(&tasklist_lock);
	return found;
}

struct tty *process_tty_get(void)
{
	struct tty *tty;

	spin_lock(&tasklist_lock);
	tty = current->process->tty;
	if (tty)
		tty_get(tty);
	spin_unlock(&tasklist_lock);
	return tty;
}

/* Every member of the session; returns what the leader had. tasklist_lock held. */
static struct tty *session_set_tty(int session, struct tty *tty)
{
	struct tty *old = NULL;
	struct process *p;
	int pid = 0;

	while ((p = process_next_locked(pid))) {
		pid = p->pid;
		if (p->session != session)
			continue;
		if (p->session_leader)
			old = p->tty;
		p->tty = tty;
	}
	return old;
}

void process_tty_set(struct tty *tty)
{
	struct tty *old;

	if (tty)
		tty_get(tty);
	spin_lock(&tasklist_lock);
	old = session_set_tty(current->process->session, tty);
	spin_unlock(&tasklist_lock);
	if (old)
		tty_put(old);
}

void session_tty_clear(int session)
{
	struct tty *old;

	spin_lock(&tasklist_lock);
	old = session_set_tty(session, NULL);
	spin_unlock(&tasklist_lock);
	if (old)
		tty_put(old);
}

void process_session_leader_exit(void)
{
	struct tty *tty = process_tty_get();

	if (!tty)
		return;
	tty_session_leader_exit(tty);
	session_tty_clear(current->process->session);
	tty_put(tty);
}
