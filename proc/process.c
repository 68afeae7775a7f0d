/*
 * process.c - struct process: making and dropping it, its threads, its times, who may look at it.
 *
 * LIFE        process_create() around a first thread -> process_link() into the tree -> threads come and go -> the last one
 *             leaves a zombie -> wait4 reaps it (exit.c). Each task holds a reference to its process until the task itself is
 *             freed (task_destroy()), so task->process is always safe to follow.
 * LOCKS       tasklist_lock for the tree, siglock for what threads share; <proc/process.h> marks each field.
 */
#include <abi/errno.h>
#include <abi/sched.h>
#include <arch/trap.h>
#include <kernel/cred.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <linux/capability.h>
#include <lib/string.h>
#include <mm/vmalloc.h>
#include <mm/memcg.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include <fs/fs.h>
#include "internal.h"

struct process *init_process;
struct slab_cache *sighand_cache;
static struct slab_cache *process_cache;

/* Limits of the first process; everybody else inherits. Linux's own defaults. */
static void default_rlimits(struct rlimit64 *r)
{
	for (int i = 0; i < RLIM_NLIMITS; i++)
		r[i] = (struct rlimit64){ RLIM64_INFINITY, RLIM64_INFINITY };
	r[RLIMIT_STACK].rlim_cur = MIB(8);
	r[RLIMIT_CORE].rlim_cur = 0;
	r[RLIMIT_NOFILE] = (struct rlimit64){ 1024, 4096 };
	r[RLIMIT_MEMLOCK] = (struct rlimit64){ MIB(8), MIB(8) };
	r[RLIMIT_MSGQUEUE] = (struct rlimit64){ 819200, 819200 };
	r[RLIMIT_NICE] = (struct rlimit64){ 0, 0 };
	r[RLIMIT_RTPRIO] = (struct rlimit64){ 0, 0 };
	r[RLIMIT_NPROC] = (struct rlimit64){ 4096, 4096 };
	r[RLIMIT_SIGPENDING] = (struct rlimit64){ 4096, 4096 };
}

struct sighand *sighand_create(void)
{
	struct sighand *s = slab_alloc(sighand_cache, GFP_KERNEL);

	if (!s)
		return NULL;
	memset(s, 0, sizeof(*s));
	atomic_set(&s->refs, 1);
	spin_lock_init(&s->lock, "siglock", LOCK_SIGNAL);
	waitq_init(&s->signalfd_waiters);
	return s;
}

void sighand_put(struct sighand *s)
{
	if (s && atomic_dec_and_test(&s->refs))
		slab_free(sighand_cache, s);
}

struct process *process_create(struct task *leader)
{
	struct process *p = slab_alloc(process_cache, GFP_KERNEL | GFP_ZERO);

	if (!p)
		return NULL;
	atomic_set(&p->refs, 1);		/* the task's */
	p->leader = leader;
	list_init(&p->threads);
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->pgrp_link);
	list_init(&p->pending_info);
	list_init(&p->posix_timers);
	waitq_init(&p->wait_children);
	waitq_init(&p->exit_waiters);
	waitq_init(&p->pidfd_waiters);
	timer_init(&p->itimer_real.timer, itimer_real_fn);
	p->itimer_real.process = p;
	p->dumpable = 1;
	p->start_time = ktime_get();
	return p;
}

struct process *process_get(struct process *p)
{
	atomic_inc(&p->refs);
	return p;
}

void process_put(struct process *p)
{
	if (!p || !atomic_dec_and_test(&p->refs))
		return;
	signal_flush(&p->pending_info, &p->pending);
	sighand_put(p->sighand);
	if (p->memcg)
		memcg_put(p->memcg);
	slab_free(process_cache, p);
}

void task_destroy(struct task *t)
{
	cred_put(t->cred);
	cred_put(t->real_cred);
	process_put(t->process);
}

void process_add_thread(struct process *p, struct task *t)
{
	list_append(&p->threads, &t->thread_link);
	p->nr_threads++;
}

void process_remove_thread(struct process *p, struct task *t)
{
	list_remove(&t->thread_link);
	p->nr_threads--;
}

void process_link(struct process *p, struct process *parent, int pgrp, int session)
{
	p->parent = parent;
	if (parent) {
		list_append(&parent->children, &p->sibling);
		p->tty = parent->session == session ? parent->tty : NULL;
		p->has_child_subreaper = parent->has_child_subreaper || parent->child_subreaper;
	}
	p->session = session;
	pgrp_join(p, pgrp);
}

void process_unlink(struct process *p)
{
	pgrp_leave(p);
	list_remove(&p->sibling);
}

/* The nearest living subreaper above p, else init. */
struct process *process_reaper(struct process *p)
{
	struct process *a;

	if (p->has_child_subreaper)
		for (a = p->parent; a && a != init_process; a = a->parent)
			if (a->child_subreaper && !a->zombie && !(a->flags & PF_GROUP_EXIT))
				return a;
	return init_process;
}

/* ---- times ---- */

void times_add(struct process_times *sum, const struct process_times *t)
{
	sum->utime += t->utime;
	sum->stime += t->stime;
	sum->min_flt += t->min_flt;
	sum->maj_flt += t->maj_flt;
	sum->nvcsw += t->nvcsw;
	sum->nivcsw += t->nivcsw;
	sum->max_rss_kb = max(sum->max_rss_kb, t->max_rss_kb);
	sum->rchar += t->rchar;
	sum->wchar += t->wchar;
	sum->syscr += t->syscr;
	sum->syscw += t->syscw;
	sum->read_bytes += t->read_bytes;
	sum->write_bytes += t->write_bytes;
}

void times_add_task(struct process_times *sum, struct task *t)
{
	struct process_times one = {
		.min_flt = t->min_flt, .maj_flt = t->maj_flt, .nvcsw = t->nvcsw, .nivcsw = t->nivcsw,
		.rchar = t->rchar, .wchar = t->wchar, .syscr = t->syscr, .syscw = t->syscw,
		.read_bytes = t->read_bytes, .write_bytes = t->write_bytes,
	};

	sched_task_times(t, &one.utime, &one.stime);
	times_add(sum, &one);
}

/* ---- looking at others ---- */

struct mm *task_get_mm(struct task *t)
{
	struct mm *mm;

	if (!t->process)
		return NULL;
	spin_lock(siglock(t->process));
	mm = t->mm;
	if (mm && !mm_try_get(mm))
		mm = NULL;
	spin_unlock(siglock(t->process));
	return mm;
}

static int may_access_as(struct task *t, u32 uid, u32 gid)
{
	const struct cred *c = t->cred;

	if (t->process == current->process || capable(CAP_SYS_PTRACE))
		return 0;
	if (uid != c->euid || uid != c->suid || uid != c->uid || gid != c->egid || gid != c->sgid || gid != c->gid)
		return -EPERM;
	return t->process->dumpable == 1 ? 0 : -EPERM;
}

int task_may_access(struct task *t)
{
	return may_access_as(t, current->cred->fsuid, current->cred->fsgid);
}

int task_may_trace(struct task *t)
{
	if (t->cred->cap_permitted & ~current->cred->cap_permitted && !capable(CAP_SYS_PTRACE))
		return -EPERM;
	return may_access_as(t, current->cred->uid, current->cred->gid);
}

int task_may_signal(struct task *t, int sig)
{
	const struct cred *me = current->cred, *c = t->cred;

	if (t->process == current->process)
		return 0;
	if (me->euid == c->suid || me->euid == c->uid || me->uid == c->suid || me->uid == c->uid || capable(CAP_KILL))
		return 0;
	if (sig == SIGCONT && t->process->session == current->process->session)
		return 0;
	return -EPERM;
}

int task_pid(const struct task *t)
{
	return t->process ? t->process->pid : 0;
}

vaddr_t task_user_ip(const struct task *t)
{
	return t->frame ? t->frame->ip : 0;
}

/* ---- kernel threads, and the first process ---- */

static void process_caches_init(void)
{
	if (process_cache)
		return;
	process_cache = slab_cache_create("process", sizeof(struct process), 64, SLAB_PANIC, NULL);
	sighand_cache = slab_cache_create("sighand_cache", sizeof(struct sighand), 64, SLAB_PANIC, NULL);
	signal_init();
	pid_init();
}

static int attach(struct task *t, int tid)
{
	struct process *p = process_create(t);
	int err;

	if (!p)
		return -ENOMEM;
	p->sighand = sighand_create();
	if (!p->sighand) {
		process_put(p);
		return -ENOMEM;
	}
	err = tid ? pid_alloc_nr(tid) : pid_alloc(&tid);
	if (err) {
		process_put(p);
		return err;
	}
	p->pid = t->tid = tid;
	p->flags = PF_KTHREAD;
	t->exit_signal = SIGCHLD;
	default_rlimits(p->rlim);
	t->process = p;
	/* Kernel threads pay from the machine's purse: their allocations serve everybody. */
	spin_lock(&tasklist_lock);
	spin_lock(siglock(p));
	process_add_thread(p, t);
	spin_unlock(siglock(p));
	process_link(p, NULL, 0, 0);
	atomic_inc(&memcg_root.nr_procs);
	pid_attach(t);
	spin_unlock(&tasklist_lock);
	return 0;
}

int kthread_attach(struct task *t)
{
	process_caches_init();
	return attach(t, 0);
}

/*
 * The thread that finishes the start of the kernel, then becomes init by executing it. It stops being a kernel thread
 * here: exec must find a process like any other.
 */
void sched_start_first(int (*fn)(void *));
void sched_start_first(int (*fn)(void *))
{
	struct task *t;
	struct process *p;

	process_caches_init();
	t = task_alloc();
	if (!t)
		panic("no memory for the first process");
	strscpy(t->comm, "init", sizeof(t->comm));
	t->cred = cred_get(&cred_root);
	t->real_cred = cred_get(&cred_root);
	t->fs = fs_context_get(&kernel_fs_context);
	arch_thread_setup_kernel(t, fn, NULL);
	t->frame = ARCH_FRAME(t->kstack);
	if (attach(t, 1))
		panic("no memory for the first process");
	p = t->process;
	p->flags = PF_UNKILLABLE;
	p->is_init = true;
	p->session_leader = true;
	p->owner = t->owner = ledger_owner_create(OWNER_PROCESS, 1, t->comm);
	spin_lock(&tasklist_lock);
	pgrp_leave(p);
	p->session = 1;
	pgrp_join(p, 1);
	spin_unlock(&tasklist_lock);
	init_process = p;
	task_wake_new(t);
}

/* File tables exist only once vfs_init() has run. */
static int first_process_files(void)
{
	struct fs_context *own;

	if (!init_process)
		return 0;		/* a build without threads */
	current->files = files_create();
	if (!current->files || fs_context_dup(&kernel_fs_context, &own))
		return -ENOMEM;
	fs_context_put(current->fs);
	current->fs = own;
	return 0;
}
initcall(first_process_files, 1);
