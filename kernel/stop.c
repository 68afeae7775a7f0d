/*
 * stop.c - running something while nothing else in the machine does.
 *
 * A thread per other CPU, bound to it and first in line there, reports that it runs and spins. Since the kernel is not preemptible,
 * a CPU that runs this thread has finished or put to sleep whatever it was doing.
 */
#include <abi/errno.h>
#include <arch/cpu.h>
#include <kernel/cpu.h>
#include <kernel/sched.h>
#include <kernel/stop.h>

static struct mutex stop_lock = MUTEX_INIT(stop_lock, "stop_machine", LOCK_STOP);
static atomic_t arrived, left;
static int phase;			/* 0: gather, 1: go on */

static int stopper(void *arg)
{
	atomic_inc(&arrived);
	while (!__atomic_load_n(&phase, __ATOMIC_ACQUIRE))
		cpu_relax();
	atomic_dec(&left);
	task_exit(0);
}

/* One for each other CPU; how many could be made. */
static int start_stoppers(int self)
{
	int n = 0;

	for_each_cpu(cpu) {
		struct task *t;

		if ((int)cpu == self || !(cpu_online_mask >> cpu & 1))
			continue;
		t = kthread_create(stopper, NULL, "stop/%u", cpu);
		if (!t)
			return -ENOMEM;
		sched_set_nice(t, -20);
		if (sched_set_affinity(t, BIT(cpu))) {
			task_put(t);
			continue;
		}
		task_wake_new(t);
		n++;
	}
	return n;
}

int stop_machine(void (*fn)(void *arg), void *arg)
{
	unsigned long allowed = current->cpus_allowed;
	int self = (int)cpu_id(), n, err;

	mutex_lock(&stop_lock);
	err = sched_set_affinity(current, BIT(self));
	atomic_set(&arrived, 0);
	phase = 0;
	n = nr_cpus > 1 && !err ? start_stoppers(self) : 0;
	if (n >= 0 && !err) {
		atomic_set(&left, n);
		while (atomic_read_acquire(&arrived) < n)
			cond_resched();
		fn(arg);
	} else {
		err = -ENOMEM;
		atomic_set(&left, 0);
	}
	__atomic_store_n(&phase, 1, __ATOMIC_RELEASE);
	while (atomic_read(&left) > 0)
		cond_resched();
	err = sched_set_affinity(current, allowed) ? -EINVAL : err;
	mutex_unlock(&stop_lock);
	return err;
}
