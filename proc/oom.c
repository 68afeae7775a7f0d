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
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <proc/process.h>

#define OOM_NEVER		(-1000)		/* oom_score_adj that exempts a process */
#define OOM_WAIT		(100 * NSEC_PER_MSEC)	/* for a victim to go before asking again */

#define OOM_PATIENCE		(2 * NSEC_PER_SEC)	/* for a victim whose memory has been taken to be gone */

static spinlock_t oom_lock = SPINLOCK_INIT("oom", LOCK_FILES);

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
static bool victim_dying(void)
{
	ktime_t now = ktime_get();

	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid))
		if (p->oom_victim && !p->zombie && thread_with_mm(p) && now - (ktime_t)p->oom_time < OOM_PATIENCE)
			return true;
	return false;
}

static bool have_victims(void)
{
	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid))
		if (p->oom_victim && !p->zombie)
			return true;
	return false;
}

/* A victim whose memory still has to be taken: a use reference of its address space, or NULL. tasklist_lock held. */
static struct mm *unreaped_mm(void)
{
	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid)) {
		struct task *t = p->oom_victim && !p->oom_reaped ? thread_with_mm(p) : NULL;

		if (t && mm_try_get(t->mm)) {
			p->oom_reaped = true;
			return t->mm;
		}
	}
	return NULL;
}

static void reap_victims(void)
{
	struct mm *mm;

	for (;;) {
		spin_lock(&tasklist_lock);
		mm = unreaped_mm();
		spin_unlock(&tasklist_lock);
		if (!mm)
			return;
		mm_oom_reap(mm);
		mm_put(mm);
	}
}

static void report_tasks(void)
{
	pr_info("Tasks state (memory values in pages):\n");
	pr_info("[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n");
	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid)) {
		struct task *t = thread_with_mm(p);

		if (t)
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

/* tasklist_lock held. */
static void kill_victim(struct process *victim)
{
	const unsigned kb = PAGE_SHIFT - 10;
	struct task *t = thread_with_mm(victim);
	struct mm *mm = t->mm;

	pr_info("oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=%s,pid=%d,uid=%u\n",
		t->comm, victim->pid, t->cred->uid);
	pr_err("Out of memory: Killed process %d (%s) total-vm:%lukB, anon-rss:%ldkB, file-rss:%ldkB, shmem-rss:%ldkB, UID:%u pgtables:%ldkB oom_score_adj:%d\n",
	       victim->pid, t->comm, mm->total_vm << kb, atomic_read(&mm->counters[MM_ANON]) << kb,
	       atomic_read(&mm->counters[MM_FILE]) << kb, atomic_read(&mm->counters[MM_SHMEM]) << kb, t->cred->uid,
	       atomic_read(&mm->pgtables_bytes) >> 10, victim->oom_score_adj);
	for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid)) {
		struct task *other = thread_with_mm(p);

		if (p != victim && (!other || other->mm != mm || p->is_init))
			continue;
		p->oom_victim = true;
		p->oom_time = ktime_get();
		signal_kill_process(p);
	}
	vm_event_add(OOM_KILL, 1);
}

/*
 * Called by the page allocator with nothing locked. True: waiting and trying again may help. A caller that is itself dying gets
 * false, and then the reserves.
 */
static bool oom_kill(gfp_t gfp, unsigned order)
{
	struct process *victim = NULL;
	unsigned long total = nr_total_pages();
	long worst = 0;

	if (fatal_signal_pending() || current->process->oom_victim)
		return false;
	if (order > 3)
		return false;		/* such a request is refused: killing does not make large blocks */
	spin_lock(&oom_lock);
	spin_lock(&tasklist_lock);
	if (!victim_dying()) {
		for (struct process *p = process_next_locked(0); p; p = process_next_locked(p->pid)) {
			long points = badness_locked(p, total);

			if (points > worst) {
				worst = points;
				victim = p;
			}
		}
		if (!victim && have_victims()) {
			/* All are dying, slowly: wait on. */
		} else if (victim) {
			pr_warn("%s invoked oom-killer: gfp_mask=0x%x, order=%u, oom_score_adj=%d\n", current->comm, gfp,
				order, current->process->oom_score_adj);
			report_memory();
			report_tasks();
			kill_victim(victim);
		} else {
			spin_unlock(&tasklist_lock);
			spin_unlock(&oom_lock);
			panic("System is deadlocked on memory: out of memory and no killable processes");
		}
	}
	spin_unlock(&tasklist_lock);
	spin_unlock(&oom_lock);
	if (current->process->oom_victim)
		return false;
	reap_victims();
	task_set_state(TASK_KILLABLE);
	schedule_timeout(OOM_WAIT);
	return true;
}

static int oom_init(void)
{
	page_oom = oom_kill;
	return 0;
}
initcall(oom_init, 1);
