/*
 * procfs_pid.c - /proc/PID: stat, statm, status and the other files about one process or thread.
 *
 * Formats are Linux's to the letter, since ps, top, pmap, free and their relatives parse them. Every number is read from the
 * structure that the kernel itself works with; a field whose subject does not exist here (seccomp, SMT …) has the value
 * Linux shows for "off".
 *
 * SOURCE      proc(5)
 * READ NEXT   proc/procfs_mem.c (maps, smaps, pagemap, mem), fs/procfs/
 */
#include <abi/capability.h>
#include <abi/errno.h>
#include <drivers/tty.h>
#include <fs/cgroup.h>
#include <fs/procfs.h>
#include <kernel/backtrace.h>
#include <kernel/cpu.h>
#include <kernel/cred.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <mm/fail.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include <proc/process.h>

/* What several files show of a process, read under one lock. */
struct process_view {
	int	pid, ppid, pgrp, session, nr_threads, tracer;
	u32	tty_nr;
	int	tty_pgrp;
	u64	pending, shared_pending, blocked, ignored, caught;
	long	nr_queued;
	u64	sigq_limit;
	struct process_times times, children;
	int	exit_signal, exit_code;
};

static void sigset_of_actions(struct sighand *h, u64 *ignored, u64 *caught)
{
	*ignored = *caught = 0;
	for (int sig = 1; sig <= NR_SIGNALS; sig++) {
		unsigned long handler = (unsigned long)h->action[sig - 1].handler;

		if (handler == (unsigned long)SIG_IGN)
			*ignored |= SIGBIT(sig);
		else if (handler != (unsigned long)SIG_DFL)
			*caught |= SIGBIT(sig);
	}
}

static void view_read(struct task *t, struct process_view *v)
{
	struct process *p = t->process;

	memset(v, 0, sizeof(*v));
	spin_lock(&tasklist_lock);
	v->pid = p->pid;
	v->ppid = p->parent ? p->parent->pid : (p->flags & PF_KTHREAD) && p->pid != 2 ? 2 : 0;	/* [kthreadd]'s children */
	v->pgrp = p->pgrp;
	v->session = p->session;
	v->nr_threads = p->nr_threads;
	v->tracer = t->tracer ? t->tracer->tid : 0;
	v->tty_nr = p->tty ? tty_device_number(p->tty) : 0;
	v->tty_pgrp = p->tty ? tty_foreground_group(p->tty) : -1;
	if (p->sighand) {
		spin_lock(siglock(p));
		v->pending = t->pending;
		v->shared_pending = p->pending;
		v->blocked = t->blocked;
		sigset_of_actions(p->sighand, &v->ignored, &v->caught);
		v->children = p->children_times;
		v->sigq_limit = p->rlim[RLIMIT_SIGPENDING].rlim_cur;
		spin_unlock(siglock(p));
	}
	spin_unlock(&tasklist_lock);
	v->nr_queued = atomic_read(&p->nr_sigpending);
	v->exit_signal = t->exit_signal;
	v->exit_code = p->exit_code;
	process_times_read(p, &v->times);
}

/* The letter of ps. */
static char state_letter(const struct task *t)
{
	if (t->process->zombie)
		return 'Z';
	switch (t->state) {
	case TASK_RUNNING: case TASK_NEW: return 'R';
	case TASK_INTERRUPTIBLE: return 'S';
	case TASK_UNINTERRUPTIBLE: return task_is_kthread(t) ? 'I' : 'D';
	case TASK_KILLABLE: return 'D';
	case TASK_STOPPED: return 'T';
	case TASK_TRACED: return 't';
	case TASK_ZOMBIE: return 'Z';
	default: return 'Z';		/* dead, not waited for */
	}
}

static const char *state_name(char letter)
{
	switch (letter) {
	case 'R': return "R (running)";
	case 'S': return "S (sleeping)";
	case 'D': return "D (disk sleep)";
	case 'I': return "I (idle)";
	case 'T': return "T (stopped)";
	case 't': return "t (tracing stop)";
	case 'Z': return "Z (zombie)";
	default: return "X (dead)";
	}
}

static u64 ticks(u64 ns)
{
	return ns / (NSEC_PER_SEC / USER_HZ);
}

/* Priority as ps shows it: 20 + nice, or -1 - rt_priority. */
static int shown_priority(const struct task *t)
{
	return t->rt_priority ? -1 - t->rt_priority : 20 + t->nice;
}

static bool may_see_addresses(struct task *t)
{
	return task_may_access(t) == 0;
}

/* Pages of the program's own text: what statm and VmExe count. */
static unsigned long mm_text_pages(const struct mm *mm)
{
	return (ALIGN_UP(mm->end_code, PAGE_SIZE) - ALIGN_DOWN(mm->start_code, PAGE_SIZE)) >> PAGE_SHIFT;
}

/* The leader's line shows the whole process, other threads' lines their own times. */
static int show_stat(struct text *out, struct task *t)
{
	bool per_task = t != t->process->leader;
	struct process_view v;
	struct mm *mm = task_get_mm(t);
	bool see = mm && may_see_addresses(t);
	u64 utime, stime, min_flt, maj_flt;

	view_read(t, &v);
	utime = per_task ? t->utime : v.times.utime;
	stime = per_task ? t->stime : v.times.stime;
	min_flt = per_task ? t->min_flt : v.times.min_flt;
	maj_flt = per_task ? t->maj_flt : v.times.maj_flt;
	text_printf(out, "%d (%s) %c %d %d %d %d %d %u ", t->tid, t->comm, state_letter(t), v.ppid, v.pgrp, v.session,
		    (int)v.tty_nr, v.tty_pgrp, task_is_kthread(t) ? 0x208040 : (t->flags & TF_FORKNOEXEC ? 0x400040 : 0x400000));
	text_printf(out, "%llu %llu %llu %llu %llu %llu %lld %lld ", (unsigned long long)min_flt,
		    (unsigned long long)v.children.min_flt, (unsigned long long)maj_flt,
		    (unsigned long long)v.children.maj_flt, (unsigned long long)ticks(utime),
		    (unsigned long long)ticks(stime), (long long)ticks(v.children.utime),
		    (long long)ticks(v.children.stime));
	text_printf(out, "%d %d %d 0 %llu %lu %lu %llu ", shown_priority(t), t->nice, v.nr_threads,
		    (unsigned long long)ticks(t->start_time), mm ? mm->total_vm << PAGE_SHIFT : 0,
		    mm ? mm_rss(mm) : 0, (unsigned long long)t->process->rlim[RLIMIT_RSS].rlim_cur);
	text_printf(out, "%lu %lu %lu %lu %lu ", see ? mm->start_code : mm ? 1 : 0, see ? mm->end_code : mm ? 1 : 0,
		    see ? mm->start_stack : 0, 0UL, 0UL);
	/* Signal masks as proc(5) calls obsolete: the low 31 bits. */
	text_printf(out, "%llu %llu %llu %llu ", (unsigned long long)(v.pending & 0x7fffffff),
		    (unsigned long long)(v.blocked & 0x7fffffff), (unsigned long long)(v.ignored & 0x7fffffff),
		    (unsigned long long)(v.caught & 0x7fffffff));
	text_printf(out, "%d 0 0 %d %d %u %u 0 0 0 ", see && t->state != TASK_RUNNING, v.exit_signal, t->cpu, t->rt_priority,
		    t->policy);
	text_printf(out, "%lu %lu %lu %lu %lu %lu %lu %d\n", see ? mm->start_data : 0, see ? mm->end_data : 0,
		    see ? mm->start_brk : 0, see ? mm->arg_start : 0, see ? mm->arg_end : 0, see ? mm->env_start : 0,
		    see ? mm->env_end : 0, see ? v.exit_code : 0);
	if (mm)
		mm_put(mm);
	return 0;
}

static int show_statm(struct text *out, struct task *t)
{
	struct mm *mm = task_get_mm(t);

	if (!mm) {
		text_puts(out, "0 0 0 0 0 0 0\n");
		return 0;
	}
	text_printf(out, "%lu %lu %ld %lu 0 %lu 0\n", mm->total_vm, mm_rss(mm),
		    atomic_read(&mm->counters[MM_FILE]) + atomic_read(&mm->counters[MM_SHMEM]),
		    mm_text_pages(mm), mm->data_vm + mm->stack_vm);
	mm_put(mm);
	return 0;
}

static void status_memory(struct text *out, struct mm *mm)
{
	const unsigned kb = PAGE_SHIFT - 10;
	long file = atomic_read(&mm->counters[MM_FILE]), anon = atomic_read(&mm->counters[MM_ANON]);
	long shmem = atomic_read(&mm->counters[MM_SHMEM]), swap = atomic_read(&mm->counters[MM_SWAP]);
	unsigned long text = mm_text_pages(mm);

	text_printf(out, "VmPeak:\t%8lu kB\n", max(mm->hiwater_vm, mm->total_vm) << kb);
	text_printf(out, "VmSize:\t%8lu kB\n", mm->total_vm << kb);
	text_printf(out, "VmLck:\t%8lu kB\n", mm->locked_vm << kb);
	text_printf(out, "VmPin:\t%8lu kB\n", (unsigned long)atomic_read(&mm->pinned_vm) << kb);
	text_printf(out, "VmHWM:\t%8lu kB\n", max(mm->hiwater_rss, mm_rss(mm)) << kb);
	text_printf(out, "VmRSS:\t%8lu kB\n", mm_rss(mm) << kb);
	text_printf(out, "RssAnon:\t%8lu kB\n", (unsigned long)anon << kb);
	text_printf(out, "RssFile:\t%8lu kB\n", (unsigned long)file << kb);
	text_printf(out, "RssShmem:\t%8lu kB\n", (unsigned long)shmem << kb);
	text_printf(out, "VmData:\t%8lu kB\n", mm->data_vm << kb);
	text_printf(out, "VmStk:\t%8lu kB\n", mm->stack_vm << kb);
	text_printf(out, "VmExe:\t%8lu kB\n", text << kb);
	text_printf(out, "VmLib:\t%8lu kB\n", (mm->exec_vm > text ? mm->exec_vm - text : 0) << kb);
	text_printf(out, "VmPTE:\t%8lu kB\n", (unsigned long)atomic_read(&mm->pgtables_bytes) >> 10);
	text_printf(out, "VmSwap:\t%8lu kB\n", (unsigned long)swap << kb);
	text_puts(out, "HugetlbPages:\t       0 kB\nCoreDumping:\t0\nTHP_enabled:\t0\n");
}

static void status_ids(struct text *out, const struct cred *c)
{
	text_printf(out, "Uid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->fsuid);
	text_printf(out, "Gid:\t%u\t%u\t%u\t%u\n", c->gid, c->egid, c->sgid, c->fsgid);
}

static void status_cpus(struct text *out, const struct task *t)
{
	unsigned long all = nr_cpus >= 64 ? ~0UL : BIT(nr_cpus) - 1, mask = t->cpus_allowed & all;

	text_printf(out, "Cpus_allowed:\t%lx\nCpus_allowed_list:\t", mask);
	for (unsigned cpu = 0, first = 1; cpu < nr_cpus; cpu++) {
		unsigned end = cpu;

		if (!(mask & BIT(cpu)))
			continue;
		while (end + 1 < nr_cpus && (mask & BIT(end + 1)))
			end++;
		text_printf(out, end > cpu ? "%s%u-%u" : "%s%u", first ? "" : ",", cpu, end);
		first = 0;
		cpu = end;
	}
	text_puts(out, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
}

static int show_status(struct text *out, struct task *t)
{
	struct process_view v;
	struct mm *mm = task_get_mm(t);
	struct cred *c = cred_get(t->cred);

	view_read(t, &v);
	text_printf(out, "Name:\t%s\n", t->comm);
	text_printf(out, "Umask:\t%04o\n", t->fs ? t->fs->umask : 022);
	text_printf(out, "State:\t%s\n", state_name(state_letter(t)));
	text_printf(out, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n", v.pid, t->tid, v.ppid, v.tracer);
	status_ids(out, c);
	text_printf(out, "FDSize:\t%u\n", t->files ? files_table_size(t->files) : 0);
	text_puts(out, "Groups:\t");
	for (u32 i = 0; i < c->nr_groups; i++)
		text_printf(out, "%u ", c->groups[i]);
	text_printf(out, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", v.pid, t->tid, v.pgrp, v.session);
	if (mm)
		status_memory(out, mm);
	text_printf(out, "Threads:\t%d\nSigQ:\t%ld/%llu\n", v.nr_threads, v.nr_queued, (unsigned long long)v.sigq_limit);
	text_printf(out, "SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
		    (unsigned long long)v.pending, (unsigned long long)v.shared_pending, (unsigned long long)v.blocked,
		    (unsigned long long)v.ignored, (unsigned long long)v.caught);
	text_printf(out, "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\nCapAmb:\t%016llx\n",
		    (unsigned long long)c->cap_inheritable, (unsigned long long)c->cap_permitted,
		    (unsigned long long)c->cap_effective, (unsigned long long)c->cap_bounding,
		    (unsigned long long)c->cap_ambient);
	text_printf(out, "NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n", t->no_new_privs);
	status_cpus(out, t);
	text_printf(out, "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
		    (unsigned long long)t->nvcsw, (unsigned long long)t->nivcsw);
	cred_put(c);
	if (mm)
		mm_put(mm);
	return 0;
}

static int show_comm(struct text *out, struct task *t)
{
	text_printf(out, "%s\n", t->comm);
	return 0;
}

static ssize_t write_comm(const char *buf, size_t n, struct task *t)
{
	size_t len = n && buf[n - 1] == '\n' ? n - 1 : n;

	if (t->process != current->process)
		return -EINVAL;
	len = min(len, (size_t)TASK_COMM_LEN - 1);
	memcpy(t->comm, buf, len);
	t->comm[len] = '\0';
	return (ssize_t)n;
}

/* A stretch of the process's own memory: arguments, environment. */
static int show_user_range(struct text *out, struct task *t, bool environment)
{
	struct mm *mm = task_get_mm(t);
	vaddr_t at, end;
	char *page;

	if (!mm)
		return 0;
	page = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!page) {
		mm_put(mm);
		return -ENOMEM;
	}
	at = environment ? mm->env_start : mm->arg_start;
	end = environment ? mm->env_end : mm->arg_end;
	while (at < end) {
		ssize_t n = mm_access(mm, at, page, min((size_t)(end - at), PAGE_SIZE), false, true);

		if (n <= 0)
			break;
		text_write(out, page, n);
		at += n;
	}
	kfree(page);
	mm_put(mm);
	return 0;
}

static int show_cmdline(struct text *out, struct task *t)
{
	return show_user_range(out, t, false);
}

static int show_environ(struct text *out, struct task *t)
{
	int err = task_may_access(t);

	return err ? -EACCES : show_user_range(out, t, true);
}

static int show_auxv(struct text *out, struct task *t)
{
	struct mm *mm = task_get_mm(t);
	unsigned n = 0;

	if (!mm)
		return 0;
	while (n + 1 < ARRAY_SIZE(mm->saved_auxv) && mm->saved_auxv[n])
		n += 2;
	text_write(out, mm->saved_auxv, (n + 2) * sizeof(mm->saved_auxv[0]));
	mm_put(mm);
	return 0;
}

/* ---- links ---- */

static int link_exe(struct task *t, struct path *out)
{
	struct mm *mm = task_get_mm(t);
	int err = -ENOENT;

	if (!mm)
		return err;
	rwsem_read_lock(&mm->mmap_lock);
	if (mm->exe_file) {
		*out = path_get(mm->exe_file->path);
		err = 0;
	}
	rwsem_read_unlock(&mm->mmap_lock);
	mm_put(mm);
	return err;
}

static int link_fs(struct task *t, struct path *out, bool root)
{
	struct fs_context *c;

	if (task_may_access(t))
		return -EACCES;
	spin_lock(siglock(t->process));
	c = t->fs ? fs_context_get(t->fs) : NULL;
	spin_unlock(siglock(t->process));
	if (!c)
		return -ENOENT;
	spin_lock(&c->lock);
	*out = path_get(root ? c->root : c->cwd);
	spin_unlock(&c->lock);
	fs_context_put(c);
	return 0;
}

struct files *proc_task_files(struct task *t)
{
	struct files *files = NULL;

	if (task_may_access(t))
		return NULL;
	spin_lock(siglock(t->process));
	if (t->files)
		files = files_get(t->files);
	spin_unlock(siglock(t->process));
	return files;
}

static int link_cwd(struct task *t, struct path *out)
{
	return link_fs(t, out, false);
}

static int link_root(struct task *t, struct path *out)
{
	return link_fs(t, out, true);
}

/* ---- limits, io, oom ---- */

static const struct { const char *name, *unit; } limit_names[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = { "Max cpu time", "seconds" }, [RLIMIT_FSIZE] = { "Max file size", "bytes" },
	[RLIMIT_DATA] = { "Max data size", "bytes" }, [RLIMIT_STACK] = { "Max stack size", "bytes" },
	[RLIMIT_CORE] = { "Max core file size", "bytes" }, [RLIMIT_RSS] = { "Max resident set", "bytes" },
	[RLIMIT_NPROC] = { "Max processes", "processes" }, [RLIMIT_NOFILE] = { "Max open files", "files" },
	[RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" }, [RLIMIT_AS] = { "Max address space", "bytes" },
	[RLIMIT_LOCKS] = { "Max file locks", "locks" }, [RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
	[RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" }, [RLIMIT_NICE] = { "Max nice priority", "" },
	[RLIMIT_RTPRIO] = { "Max realtime priority", "" }, [RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
};

static void show_limit_value(struct text *out, u64 v)
{
	if (v == RLIM_INFINITY)
		text_printf(out, "%-20s ", "unlimited");
	else
		text_printf(out, "%-20llu ", (unsigned long long)v);
}

static int show_limits(struct text *out, struct task *t)
{
	text_printf(out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (unsigned i = 0; i < RLIM_NLIMITS; i++) {
		text_printf(out, "%-25s ", limit_names[i].name);
		show_limit_value(out, t->process->rlim[i].rlim_cur);
		show_limit_value(out, t->process->rlim[i].rlim_max);
		if (limit_names[i].unit[0])
			text_printf(out, "%-10s\n", limit_names[i].unit);
		else
			text_putc(out, '\n');
	}
	return 0;
}

static int show_io(struct text *out, struct task *t)
{
	struct process_times pt;

	if (task_may_access(t))
		return -EACCES;
	process_times_read(t->process, &pt);
	text_printf(out, "rchar: %llu\nwchar: %llu\nsyscr: %llu\nsyscw: %llu\n", (unsigned long long)pt.rchar,
		    (unsigned long long)pt.wchar, (unsigned long long)pt.syscr, (unsigned long long)pt.syscw);
	text_printf(out, "read_bytes: %llu\nwrite_bytes: %llu\ncancelled_write_bytes: 0\n",
		    (unsigned long long)pt.read_bytes, (unsigned long long)pt.write_bytes);
	return 0;
}

#define OOM_SCORE_ADJ_MIN	-1000
#define OOM_SCORE_ADJ_MAX	1000

static int show_oom_score_adj(struct text *out, struct task *t)
{
	text_printf(out, "%d\n", t->process->oom_score_adj);
	return 0;
}

/* Badness scaled to 0 … 2000, as Linux shows it. */
static int show_oom_score(struct text *out, struct task *t)
{
	unsigned long total = nr_total_pages();
	long points = oom_badness(t->process, total);

	text_printf(out, "%ld\n", points <= 0 ? 0 : (long)((points * 1000 / (long)total + 1000) * 2 / 3));
	return 0;
}

static ssize_t write_oom_score_adj(const char *buf, size_t n, struct task *t)
{
	s64 v;

	if (str_parse_s64(buf, 10, &v) || v < OOM_SCORE_ADJ_MIN || v > OOM_SCORE_ADJ_MAX)
		return -EINVAL;
	if (task_may_access(t))
		return -EACCES;
	if (v < t->process->oom_score_adj_min && !capable(CAP_SYS_RESOURCE))
		return -EACCES;
	t->process->oom_score_adj = (int)v;
	if (capable(CAP_SYS_RESOURCE))
		t->process->oom_score_adj_min = (int)v;
	return (ssize_t)n;
}

/* The older scale, -17 … 15. */
static int show_oom_adj(struct text *out, struct task *t)
{
	int adj = t->process->oom_score_adj;

	text_printf(out, "%d\n", adj == OOM_SCORE_ADJ_MAX ? 15 : adj * 17 / OOM_SCORE_ADJ_MAX);
	return 0;
}

/* Where a sleeping task went to sleep, innermost first. 0 frames of one that runs. */
static unsigned sleeping_frames(struct task *t, u64 *out, unsigned max)
{
	vaddr_t low = (vaddr_t)t->kstack, sp = arch_thread_sp(&t->arch);

	if (t->state == TASK_RUNNING || READ_ONCE(t->on_cpu) || sp < low || sp + 64 > low + KSTACK_SIZE)
		return 0;
	return stack_frames(arch_thread_fp(&t->arch), t->kstack, out, max);
}

/* The function that sleeps: the innermost that is no part of sleeping itself. */
static int show_wchan(struct text *out, struct task *t)
{
	static const char *const sleeping[] = { "schedule", "switch_", "wait_", "waitq_", "completion_", "mutex_", "rwsem_", "psi_" };
	u64 pc[16];
	unsigned n = task_may_access(t) ? 0 : sleeping_frames(t, pc, ARRAY_SIZE(pc));

	for (unsigned i = 0; i < n; i++) {
		unsigned long offset, size;
		const char *name = kallsyms_lookup(pc[i] - 1, &offset, &size);
		bool inner = !name;

		for (unsigned k = 0; k < ARRAY_SIZE(sleeping) && !inner; k++)
			inner = !strncmp(name, sleeping[k], strlen(sleeping[k]));
		if (!inner) {
			text_puts(out, name);
			return 0;
		}
	}
	text_putc(out, '0');
	return 0;
}

static int show_stack(struct text *out, struct task *t)
{
	u64 pc[32];
	unsigned n;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	n = t == current ? stack_frames((vaddr_t)__builtin_frame_address(0), t->kstack, pc, ARRAY_SIZE(pc)) :
	    sleeping_frames(t, pc, ARRAY_SIZE(pc));
	for (unsigned i = 0; i < n; i++)
		text_printf(out, "[<0>] %pS\n", (void *)(pc[i] - 1));
	return 0;
}

static int show_personality(struct text *out, struct task *t)
{
	text_printf(out, "%08x\n", t->process->personality);
	return 0;
}

static int show_mounts(struct text *out, struct task *t)
{
	return mounts_report(out, 0);
}

static int show_mountinfo(struct text *out, struct task *t)
{
	return mounts_report(out, 1);
}

static int show_cgroup(struct text *out, struct task *t)
{
	text_puts(out, "0::");
	memcg_lock();
	cgroup_path(process_memcg(t->process), out);
	memcg_unlock();
	text_putc(out, '\n');
	return 0;
}

/* -1: no login session set it, as on a machine without an audit daemon. */
static int show_no_login(struct text *out, struct task *t)
{
	text_puts(out, "4294967295");
	return 0;
}

static int show_schedstat(struct text *out, struct task *t)
{
	text_printf(out, "%llu 0 %llu\n", (unsigned long long)(t->utime + t->stime),
		    (unsigned long long)(t->nvcsw + t->nivcsw));
	return 0;
}

static int show_timerslack(struct text *out, struct task *t)
{
	text_printf(out, "%llu\n", (unsigned long long)t->timerslack_ns);
	return 0;
}

/* Linux's systematic fault injection: the n-th allocation that can fail does; reads 0 once it has. */
static int show_fail_nth(struct text *out, struct task *t)
{
	text_printf(out, "%u\n", t->fail_nth);
	return 0;
}

static ssize_t write_fail_nth(const char *buf, size_t n, struct task *t)
{
	u64 v;

	if (str_parse_u64(buf, 0, &v) || v > S32_MAX)
		return -EINVAL;
	if (task_may_access(t))
		return -EACCES;
	fail_nth_set(t, (unsigned)v);
	return (ssize_t)n;
}

static int show_make_it_fail(struct text *out, struct task *t)
{
	text_printf(out, "%d\n", t->make_it_fail);
	return 0;
}

static ssize_t write_make_it_fail(const char *buf, size_t n, struct task *t)
{
	u64 v;

	if (!capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (str_parse_u64(buf, 0, &v) || v > 1)
		return -EINVAL;
	t->make_it_fail = v;
	return (ssize_t)n;
}

static const struct proc_pid_file pid_files[] = {
	{ "stat", 0444, true, show_stat },
	{ "statm", 0444, true, show_statm },
	{ "status", 0444, true, show_status },
	{ "comm", 0644, true, show_comm, write_comm },
	{ "cmdline", 0444, true, show_cmdline },
	{ "environ", 0400, true, show_environ },
	{ "auxv", 0400, true, show_auxv },
	{ "exe", 0777, true, .link = link_exe },
	{ "cwd", 0777, true, .link = link_cwd },
	{ "root", 0777, true, .link = link_root },
	{ "limits", 0444, true, show_limits },
	{ "io", 0400, true, show_io },
	{ "oom_score", 0444, true, show_oom_score },
	{ "oom_score_adj", 0644, true, show_oom_score_adj, write_oom_score_adj },
	{ "oom_adj", 0644, true, show_oom_adj },
	{ "wchan", 0444, true, show_wchan },
	{ "stack", 0400, true, show_stack },
	{ "personality", 0400, true, show_personality },
	{ "mounts", 0444, true, show_mounts },
	{ "mountinfo", 0444, true, show_mountinfo },
	{ "cgroup", 0444, true, show_cgroup },
	{ "loginuid", 0444, true, show_no_login },
	{ "sessionid", 0444, true, show_no_login },
	{ "schedstat", 0444, true, show_schedstat },
	{ "fail-nth", 0644, true, show_fail_nth, write_fail_nth },
	{ "make-it-fail", 0644, true, show_make_it_fail, write_make_it_fail },
	{ "timerslack_ns", 0444, false, show_timerslack },
};

static int pid_files_init(void)
{
	proc_register_pid(pid_files, ARRAY_SIZE(pid_files));
	return 0;
}
initcall(pid_files_init, 2);
