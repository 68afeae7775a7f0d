/*
 * oom.c - when reclaim has failed: choose a process, kill it, and say why.
 *
 * RULE        badness = resident pages + swap entries + page-table pages + oom_score_adj thousandths of RAM. The worst dies, all
 *             threads of it and every other process that shares its address space. Init, kernel threads and processes with
 *             oom_score_adj -1000 never do.
 * PROGRESS    the victim's private memory is taken at once, without waiting for it (mm_oom_reap()), and it may use the reserves
 *             to come to its end. While it is dying no second one is chosen, unless it takes longer than OOM_PATIENCE: it
 *             may sleep on a lock that somebody who waits for memory holds. No victim at all is a panic.
 * LINUX       mm/oom_kill.c; the report has its layout, so that scripts that read kernel logs work.
 * SOURCE      proc(5), /proc/PID/oom_score_adj
 */
#include <abi/errno.h>
#include <kernel/cred.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <fs/cgroup.h>
#include <fs/procfs.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/memcg.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/reclaim.h>
#include <proc/process.h>

#define OOM_NEVER		(-1000)		/* oom_score_adj that exempts a process */
#define OOM_WAIT		(100 * NSEC_PER_MSEC)	/* for a victim to go before asking again */

#define OOM_PATIENCE		(2 * NSEC_PER_SEC)	/* for a victim whose memory has been taken to be gone */

int sysctl_panic_on_oom, sysctl_oom_kill_allocating_task, sysctl_oom_dump_tasks = 1;

static spinlock_t oom_lock = SPINLOCK_INIT("oom", LOCK_FILES);

/* Whom one round of the killer may choose, and what it says about it. */
struct oom_context {
	gfp_t		gfp;
	unsigned	order;
	struct memcg	*memcg;		/* NULL: the machine is out of memory, not a cgroup */
	bool		allocating;	/* whoever asks dies, by sysctl */
	unsigned long	total;		/* pages that oom_score_adj is a share of */
};

static bool in_scope(const struct oom_context *c, const struct process *p)
{
	return !c->memcg || memcg_is_below(process_memcg(p), c->memcg);
}

static long mm_pages(struct mm *mm)
{
	return (long)mm_rss(mm) + atomic_read(&mm->counters[MM_SWAP]) +
	       (atomic_read(&mm->pgtables_bytes) >> PAGE_SHIFT);
}

/* A thread of p that still has its address space, borrowed. tasklist_lock held. */
static struct task *thread_with_mm(struct process *p)
{
	struct task *t;

	list_for_each(t, &p->threads, thread_link)
		if (t->mm)
			return t;
	return NULL;
}

static bool is_origin(struct process *p)
{
	struct task *t;

	list_for_each(t, &p->threads, thread_link)
		if (t->flags & TF_OOM_ORIGIN)
			return true;
	return false;
}

/* tasklist_lock held. 0: cannot be killed, or frees nothing. */
static long badness_locked(struct process *p, unsigned long total_pages)
{
	struct task *t;
	long points;

	if (p->is_init || (p->flags & PF_KTHREAD) || p->zombie || p->oom_victim || p->oom_score_adj == OOM_NEVER)
		return 0;
	t = thread_with_mm(p);
	if (!t)
		return 0;
	if (is_origin(p))
		return LONG_MAX;
	points = mm_pages(t->mm) + p->oom_score_adj * (long)total_pages / 1000;
	return max(points, 1L);
}

long oom_badness(struct process *p, unsigned long total_pages)
{
	long points;

	spin_lock(&tasklist_lock);
	points = badness_locked(p, total_pages);
	spin_unlock(&tasklist_lock);
	return points;
}

/* Is an earlier victim still on its way out? tasklist_lock held. */
static bool victim_dying(const struct oom_context *c)
{
	ktime_t now = ktime_get();

	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid))
		if (p->oom_victim && in_scope(c, p) && !p->zombie && thread_with_mm(p) && now - (ktime_t)p->oom_time < OOM_PATIENCE)
			return true;
	return false;
}

static bool have_victims(const struct oom_context *c)
{
	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid))
		if (p->oom_victim && in_scope(c, p) && !p->zombie)
			return true;
	return false;
}

/* ---- what happened, for the report ---------------------------------------------------------------------------- */

#define KEPT_KILLS	16
#define KEPT_SCORES	8

struct kill {
	u64		failed, chosen, freed;	/* ns: first reclaim in vain, decision, memory back; 0: not yet */
	int		pid, adj;
	owner_t		owner;
	bool		in_memcg;
	char		comm[TASK_COMM_LEN];
	unsigned long	total_vm, anon, file, shmem, swap, tables;	/* pages, when it was chosen */
	long		charged, left;		/* frames in the ledger: when it was chosen, when it was gone */
	unsigned	nr_scores;
	struct score {
		int	pid, adj;
		long	points;
		unsigned long rss, swap, tables;
		char	comm[TASK_COMM_LEN];
	} scores[KEPT_SCORES];
};
static struct kill kills[KEPT_KILLS];
static unsigned nr_kills;
/* tasklist_lock held. The worst ones, in order. */
static void note_scores(struct kill *k, const struct oom_context *c)
{
	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid)) {
		long points = in_scope(c, p) ? badness_locked(p, c->total) : 0;
		struct task *t = points ? thread_with_mm(p) : NULL;
		unsigned at = k->nr_scores;

		if (!t)
			continue;
		while (at && k->scores[at - 1].points < points)
			at--;
		if (at == KEPT_SCORES)
			continue;
		if (k->nr_scores < KEPT_SCORES)
			k->nr_scores++;
		memmove(&k->scores[at + 1], &k->scores[at], (k->nr_scores - 1 - at) * sizeof(k->scores[0]));
		k->scores[at] = (struct score){ .pid = p->pid, .adj = p->oom_score_adj, .points = points, .rss = mm_rss(t->mm),
						.swap = (unsigned long)atomic_read(&t->mm->counters[MM_SWAP]),
						.tables = (unsigned long)atomic_read(&t->mm->pgtables_bytes) >> PAGE_SHIFT };
		memcpy(k->scores[at].comm, t->comm, TASK_COMM_LEN);
	}
}

/* tasklist_lock held; before the victim is told. */
static void note_kill(const struct oom_context *c, struct process *victim)
{
	struct kill *k = nr_kills < KEPT_KILLS ? &kills[nr_kills] : NULL;
	struct task *t = thread_with_mm(victim);

	if (!k)
		return;
	*k = (struct kill){ .failed = (u64)reclaim_first_failed, .chosen = (u64)ktime_get(), .pid = victim->pid, .adj = victim->oom_score_adj,
			    .owner = victim->owner, .in_memcg = c->memcg, .total_vm = t->mm->total_vm,
			    .anon = (unsigned long)atomic_read(&t->mm->counters[MM_ANON]),
			    .file = (unsigned long)atomic_read(&t->mm->counters[MM_FILE]),
			    .shmem = (unsigned long)atomic_read(&t->mm->counters[MM_SHMEM]),
			    .swap = (unsigned long)atomic_read(&t->mm->counters[MM_SWAP]),
			    .tables = (unsigned long)atomic_read(&t->mm->pgtables_bytes) >> PAGE_SHIFT,
			    .charged = ledger_owner_frames(victim->owner) };
	memcpy(k->comm, t->comm, TASK_COMM_LEN);
	note_scores(k, c);
	nr_kills++;
	reclaim_first_failed = 0;
}

/* Its memory is back: taken by the reaper, or its address space is gone. */
void oom_note_freed(int pid)
{
	for (unsigned i = 0; i < nr_kills; i++)
		if (kills[i].pid == pid && !kills[i].freed) {
			kills[i].freed = (u64)ktime_get();
			kills[i].left = ledger_owner_frames(kills[i].owner);
		}
}

static void report_kill(struct text *out, const struct kill *k)
{
	text_printf(out, "oom %llu %llu %llu %d %s %ld %lu %lu %lu %lu %lu %lu %d ", (unsigned long long)k->failed,
		    (unsigned long long)k->chosen, (unsigned long long)k->freed, k->pid, k->in_memcg ? "cgroup" : "machine",
		    k->freed ? k->charged - k->left : 0, k->total_vm, k->anon, k->file, k->shmem, k->swap, k->tables, k->adj);
	text_puts_escaped(out, k->comm, " \t\n");
	text_putc(out, '\n');
	for (unsigned i = 0; i < k->nr_scores; i++) {
		const struct score *s = &k->scores[i];

		text_printf(out, "score %d %ld %lu %lu %lu %d ", s->pid, s->points, s->rss, s->swap, s->tables, s->adj);
		text_puts_escaped(out, s->comm, " \t\n");
		text_putc(out, '\n');
	}
}

int oom_report_events(struct text *out)
{
	for (unsigned i = 0; i < nr_kills; i++)
		report_kill(out, &kills[i]);
	return 0;
}

/* ---- taking the victims' memory --------------------------------------------------------------------------------- */

/* A victim whose memory still has to be taken: a use reference of its address space, or NULL. tasklist_lock held. */
static struct mm *unreaped_mm(int *pid)
{
	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid)) {
		struct task *t = p->oom_victim && !p->oom_reaped ? thread_with_mm(p) : NULL;

		if (t && mm_try_get(t->mm)) {
			p->oom_reaped = true;
			*pid = p->pid;
			return t->mm;
		}
	}
	return NULL;
}

static struct waitq reaper_wait = WAITQ_INIT(reaper_wait);
static bool reaper_wanted;

static void reap_victims(void)
{
	struct mm *mm;
	int pid;

	for (;;) {
		spin_lock(&tasklist_lock);
		mm = unreaped_mm(&pid);
		spin_unlock(&tasklist_lock);
		if (!mm)
			return;
		if (mm_oom_reap(mm))
			oom_note_freed(pid);
		mm_put(mm);
	}
}

/* A thread of its own: whoever needs memory may hold any lock, and the last user of an address space takes many. */
static int oom_reaper(void *unused_arg)
{
	current->flags |= TF_MEMALLOC;
	for (;;) {
		(void)wait_event_interruptible(&reaper_wait, READ_ONCE(reaper_wanted));
		WRITE_ONCE(reaper_wanted, false);
		reap_victims();
	}
	return 0;
}

/* ---- the kernel log, in Linux's layout ------------------------------------------------------------------------ */

static void report_tasks(const struct oom_context *c)
{
	pr_info("Tasks state (memory values in pages):\n");
	pr_info("[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n");
	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid)) {
		struct task *t = thread_with_mm(p);

		if (t && in_scope(c, p))
			pr_info("[%7d] %5u %5d %8lu %8lu %8ld %8ld         %5d %s\n", t->tid, t->cred->uid, p->pid,
				t->mm->total_vm, mm_rss(t->mm), atomic_read(&t->mm->pgtables_bytes),
				atomic_read(&t->mm->counters[MM_SWAP]), p->oom_score_adj, t->comm);
	}
}

static void report_memory(void)
{
	pr_info("Mem-Info:\n");
	pr_info("active_anon:%ld inactive_anon:%ld active_file:%ld inactive_file:%ld unevictable:%ld dirty:%ld writeback:%ld\n",
		vm_stat_read(NR_ACTIVE_ANON), vm_stat_read(NR_INACTIVE_ANON), vm_stat_read(NR_ACTIVE_FILE),
		vm_stat_read(NR_INACTIVE_FILE), vm_stat_read(NR_UNEVICTABLE), vm_stat_read(NR_FILE_DIRTY),
		vm_stat_read(NR_WRITEBACK));
	pr_info("slab_reclaimable:%ld slab_unreclaimable:%ld mapped:%ld shmem:%ld pagetables:%ld free:%lu\n",
		vm_stat_read(NR_SLAB_RECLAIMABLE), vm_stat_read(NR_SLAB_UNRECLAIMABLE), vm_stat_read(NR_FILE_MAPPED),
		vm_stat_read(NR_SHMEM), vm_stat_read(NR_PAGETABLE), nr_free_pages());
}

/* "/a/b" of a cgroup, cut to fit. */
static const char *path_of(const struct memcg *m, char *buf, size_t size)
{
	struct text out;

	text_init_fixed(&out, buf, size);
	cgroup_path(m, &out);
	return text_str(&out);
}

static void report_memcg(const struct memcg *m)
{
	const unsigned kb = PAGE_SHIFT - 10;

	pr_info("memory: usage %ldkB, limit %ldkB, failcnt %ld\n", m->pages << kb, m->max << kb,
		atomic_read(&m->events[MEMCG_MAX]));
	pr_info("Memory cgroup stats for anon:%ldkB file:%ldkB shmem:%ldkB kernel_stack:%ldkB pagetables:%ldkB\n",
		m->stat[ACCT_ANON] << kb, m->stat[ACCT_PAGE_CACHE] << kb, m->stat[ACCT_SHMEM] << kb,
		m->stat[ACCT_KSTACK] << kb, m->stat[ACCT_PAGE_TABLE] << kb);
}

/* p and all who share its address space. tasklist_lock held. */
static void kill_sharers(struct process *victim)
{
	struct task *t = thread_with_mm(victim);
	struct mm *mm = t ? t->mm : NULL;

	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid)) {
		struct task *other = thread_with_mm(p);

		if (p != victim && (!other || other->mm != mm || p->is_init))
			continue;
		p->oom_victim = true;
		p->oom_time = ktime_get();
		signal_kill_process(p);
	}
}

/* tasklist_lock held. */
static void kill_victim(const struct oom_context *c, struct process *victim)
{
	const unsigned kb = PAGE_SHIFT - 10;
	struct task *t = thread_with_mm(victim);
	struct mm *mm = t->mm;
	struct memcg *m = process_memcg(victim);
	char task_path[96], oom_path[96];

	pr_info("oom-kill:constraint=%s,nodemask=(null),cpuset=/,mems_allowed=0,%s%s,task_memcg=%s,task=%s,pid=%d,uid=%u\n",
		c->memcg ? "CONSTRAINT_MEMCG" : "CONSTRAINT_NONE", c->memcg ? "oom_memcg=" : "global_oom",
		c->memcg ? path_of(c->memcg, oom_path, sizeof(oom_path)) : "", path_of(m, task_path, sizeof(task_path)),
		t->comm, victim->pid, t->cred->uid);
	pr_err("%s%s: Killed process %d (%s) total-vm:%lukB, anon-rss:%ldkB, file-rss:%ldkB, shmem-rss:%ldkB, UID:%u pgtables:%ldkB oom_score_adj:%d\n",
	       c->memcg ? "Memory cgroup out of memory" : "Out of memory",
	       c->allocating ? " (oom_kill_allocating_task)" : "", victim->pid, t->comm, mm->total_vm << kb,
	       atomic_read(&mm->counters[MM_ANON]) << kb, atomic_read(&mm->counters[MM_FILE]) << kb,
	       atomic_read(&mm->counters[MM_SHMEM]) << kb, t->cred->uid, atomic_read(&mm->pgtables_bytes) >> 10,
	       victim->oom_score_adj);
	note_kill(c, victim);
	kill_sharers(victim);
	vm_event_add(OOM_KILL, 1);
	memcg_event(m, MEMCG_OOM_KILL);
}

/* The highest cgroup, from the victim's up to where memory ran out, that wants to die as a whole; NULL: none. */
static struct memcg *oom_group(const struct oom_context *c, struct process *victim)
{
	struct memcg *m, *found = NULL;

	for (m = process_memcg(victim); m && m->parent; m = m->parent) {
		if (m->oom_group)
			found = m;
		if (m == c->memcg)
			break;
	}
	return found;
}

static void kill_group(struct memcg *m)
{
	char path[96];

	pr_info("Tasks in %s are going to be killed due to memory.oom.group set\n", path_of(m, path, sizeof(path)));
	memcg_event(m, MEMCG_OOM_GROUP_KILL);
	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid))
		if (!p->is_init && !(p->flags & PF_KTHREAD) && !p->oom_victim && p->oom_score_adj != OOM_NEVER &&
		    thread_with_mm(p) && memcg_is_below(process_memcg(p), m)) {
			kill_sharers(p);
			memcg_event(process_memcg(p), MEMCG_OOM_KILL);
		}
}

/* tasklist_lock held. NULL: nobody can be killed. */
static struct process *choose(const struct oom_context *c)
{
	struct process *victim = NULL;
	long worst = 0;

	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid)) {
		long points = in_scope(c, p) ? badness_locked(p, c->total) : 0;

		if (points > worst) {
			worst = points;
			victim = p;
		}
	}
	return victim;
}

static void report(const struct oom_context *c)
{
	pr_warn("%s invoked oom-killer: gfp_mask=0x%x, order=%u, oom_score_adj=%d\n", current->comm, c->gfp, c->order,
		current->process->oom_score_adj);
	if (c->memcg)
		report_memcg(c->memcg);
	else
		report_memory();
	if (sysctl_oom_dump_tasks)
		report_tasks(c);
}

static void check_panic(const struct oom_context *c)
{
	if (sysctl_panic_on_oom == 2 || (sysctl_panic_on_oom && !c->memcg))
		panic("Out of memory: %s panic_on_oom is enabled", sysctl_panic_on_oom == 2 ? "compulsory" : "system-wide");
}

/* One round. False: there is nobody to kill, and nobody dying. */
static bool kill_one(const struct oom_context *c)
{
	struct process *victim;
	struct memcg *group;
	bool progress = true;

	spin_lock(&oom_lock);
	spin_lock(&tasklist_lock);
	if (!victim_dying(c)) {
		victim = c->allocating ? current->process : choose(c);
		if (victim) {
			report(c);
			check_panic(c);
			if (c->memcg)
				memcg_event(c->memcg, MEMCG_OOM);
			group = oom_group(c, victim);
			kill_victim(c, victim);
			if (group)
				kill_group(group);
		} else {
			progress = have_victims(c);
		}
	}
	spin_unlock(&tasklist_lock);
	spin_unlock(&oom_lock);
	return progress;
}

/* After a round: take the victims' memory, and give them time. False: current is one of them. */
static bool wait_for_victims(void)
{
	if (current->process->oom_victim)
		return false;
	WRITE_ONCE(reaper_wanted, true);
	waitq_wake_all(&reaper_wait);
	task_set_state(TASK_KILLABLE);
	schedule_timeout(OOM_WAIT);
	return true;
}

/* A thread that dies gets what it still needs. True the first time: try again. */
static bool let_into_reserves(void)
{
	if (current->flags & TF_OOM_VICTIM)
		return false;
	current->flags |= TF_OOM_VICTIM;
	return true;
}

/*
 * Called by the page allocator with nothing locked. True: trying again may help. A caller that is itself dying gets the
 * reserves.
 */
static bool oom_kill(gfp_t gfp, unsigned order)
{
	struct oom_context c = { .gfp = gfp, .order = order, .total = nr_total_pages() };

	if (fatal_signal_pending() || current->process->oom_victim)
		return let_into_reserves();
	c.allocating = sysctl_oom_kill_allocating_task && current->mm && oom_badness(current->process, c.total);
	if (order > 3)
		return false;		/* such a request is refused: killing does not make large blocks */
	if (!kill_one(&c))
		panic("System is deadlocked on memory: out of memory and no killable processes");
	return wait_for_victims();
}

/* The same inside a cgroup that has reached its limit. */
static bool oom_kill_memcg(struct memcg *m, gfp_t gfp, unsigned order)
{
	struct oom_context c = { .gfp = gfp, .order = order, .memcg = m,
				 .total = min(nr_total_pages(), (unsigned long)m->max) };

	if (fatal_signal_pending() || current->process->oom_victim || !kill_one(&c))
		return false;
	return wait_for_victims();
}

static int oom_init(void)
{
	struct task *reaper = kthread_create(oom_reaper, NULL, "oom_reaper");

	if (!reaper)
		return -ENOMEM;
	task_wake_new(reaper);
	page_oom = oom_kill;
	memcg_oom = oom_kill_memcg;
	return 0;
}
initcall(oom_init, 1);
