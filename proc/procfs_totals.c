/*
 * procfs_totals.c - what /proc/stat and /proc/loadavg say about all processes together.
 */
#include <fs/procfs.h>
#include <kernel/sched.h>
#include <proc/process.h>

/*
 * User and system time of every process, ended ones included: those that were waited for stand in their parents' children times,
 * the machine's own tasks count as system. A process nobody waits for (SIGCHLD ignored) is lost with its time.
 */
void proc_totals(u64 *utime, u64 *stime, u64 *forks, unsigned *nr_tasks)
{
	struct process_times t;
	struct task *task;
	int pid = 0;

	*utime = *stime = 0;
	while ((task = proc_next_process(pid))) {
		struct process *p = task->process;

		pid = p->pid;
		process_times_read(p, &t);
		*utime += t.utime + p->children_times.utime;
		*stime += t.stime + p->children_times.stime;
		task_put(task);
	}
	*forks = pids_given_total;
	*nr_tasks = nr_threads_total;
}
