/*
 * sem.c - System V semaphores: sets of counters, changed together or not at all.
 *
 * A sleeper waits on its set's queue and tries its whole list of operations again whenever a value changes. SEM_UNDO adjustments
 * are kept per process and set, and applied when the process exits.
 *
 * SOURCE      semget(2), semop(2), semctl(2)
 */
#include <abi/errno.h>
#include <fs/procfs.h>
#include <kernel/cred.h>
#include <kernel/main.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <mm/slab.h>

#include <ipc/ipc.h>

#include "sysv.h"

#define SEM_MAX_SETS	32000		/* the first three: until kernel.sem says otherwise */
#define SEM_MAX_PER_SET	32000
#define SEM_MAX_OPS	500
#define SEM_MAX_VALUE	32767

static unsigned max_per_set = SEM_MAX_PER_SET, max_total = 1024000000, max_ops = SEM_MAX_OPS;

struct sem {
	int	value;
	int	pid;		/* last to change it */
	int	nr_rise, nr_zero;	/* sleepers: GETNCNT, GETZCNT */
};

/* What an exiting process gives back. */
struct sem_undo {
	struct list	link;		/* in the set */
	int		pid;
	short		adjust[];
};

struct sem_set {
	struct ipc_object o;
	struct waitq	wait;
	struct list	undo;
	unsigned	refs;		/* sleepers, plus 1 while it is in the table */
	unsigned	nsems;
	s64		otime, ctime;
	struct sem	sems[];
};

static struct ipc_table sets;

struct sem_request {
	int nsems;
};

static struct ipc_object *make_set(void *arg, int *err)
{
	struct sem_request *r = arg;
	struct sem_set *s;

	*err = -EINVAL;
	if (r->nsems <= 0 || r->nsems > (int)max_per_set)
		return NULL;
	s = kvmalloc(sizeof(*s) + r->nsems * sizeof(s->sems[0]), GFP_KERNEL | GFP_ZERO);
	*err = -ENOMEM;
	if (!s)
		return NULL;
	waitq_init(&s->wait);
	list_init(&s->undo);
	s->refs = 1;
	s->nsems = (unsigned)r->nsems;
	s->ctime = ktime_get_real() / NSEC_PER_SEC;
	return &s->o;
}

static int check_set(struct ipc_object *o, void *arg)
{
	return ((struct sem_request *)arg)->nsems > (int)((struct sem_set *)o)->nsems ? -EINVAL : 0;
}

SYSCALL(semget, key_t key, int nsems, int flags)
{
	struct sem_request r = { nsems };

	if (nsems < 0 || nsems > (int)max_per_set)
		return -EINVAL;
	return ipc_get(&sets, key, flags, make_set, check_set, &r);
}

/* sets.lock held. */
static void set_put(struct sem_set *s)
{
	struct sem_undo *u, *next;

	if (--s->refs)
		return;
	list_for_each_safe(u, next, &s->undo, link)
		kvfree(u);
	kvfree(s);
}

/* ---- operations ---- */

/* The caller's undo record of a set, made when missing. NULL: out of memory. */
static struct sem_undo *undo_get(struct sem_set *s)
{
	struct sem_undo *u;
	int pid = task_pid(current);

	list_for_each(u, &s->undo, link)
		if (u->pid == pid)
			return u;
	u = kvmalloc(sizeof(*u) + s->nsems * sizeof(u->adjust[0]), GFP_KERNEL | GFP_ZERO);
	if (u) {
		u->pid = pid;
		list_append(&s->undo, &u->link);
	}
	return u;
}

/*
 * Try all operations. 0: done. 1: must wait for *blocker. -EAGAIN, -ERANGE: nothing was changed.
 */
static int try_ops(struct sem_set *s, const struct sembuf *ops, unsigned n, struct sem_undo *u, unsigned *blocker)
{
	unsigned i;
	int err = 0;

	for (i = 0; i < n; i++) {
		struct sem *sem = &s->sems[ops[i].sem_num];
		int value = sem->value + ops[i].sem_op;

		if (value > SEM_MAX_VALUE)
			err = -ERANGE;
		else if (value < 0 || (!ops[i].sem_op && sem->value))
			err = ops[i].sem_flg & IPC_NOWAIT ? -EAGAIN : 1;
		if (err)
			break;
		sem->value = value;
	}
	if (err) {
		*blocker = i;
		while (i--)
			s->sems[ops[i].sem_num].value -= ops[i].sem_op;
		return err;
	}
	for (i = 0; i < n; i++) {
		s->sems[ops[i].sem_num].pid = task_pid(current);
		if (u && (ops[i].sem_flg & SEM_UNDO))
			u->adjust[ops[i].sem_num] -= ops[i].sem_op;
	}
	s->otime = ktime_get_real() / NSEC_PER_SEC;
	return 0;
}

/* sets.lock held; dropped while asleep. The caller's reference keeps the set. */
static int wait_for_change(struct sem_set *s, const struct sembuf *op, ktime_t *left)
{
	struct sem *sem = &s->sems[op->sem_num];
	int *count = op->sem_op ? &sem->nr_rise : &sem->nr_zero;
	struct wait_entry e;
	int err = 0;

	(*count)++;
	wait_entry_init(&e);
	waitq_add(&s->wait, &e);
	task_set_state(TASK_INTERRUPTIBLE);
	mutex_unlock(&sets.lock);
	if (!signal_pending())
		*left = schedule_timeout(*left);
	task_set_state(TASK_RUNNING);
	mutex_lock(&sets.lock);
	waitq_remove(&s->wait, &e);
	(*count)--;
	if (s->o.removed)
		err = -EIDRM;
	else if (signal_pending())
		err = -EINTR;
	else if (*left == 0)
		err = -EAGAIN;
	return err;
}

static int sem_operate(int id, const struct sembuf *ops, unsigned n, ktime_t left)
{
	struct sem_undo *undo = NULL;
	bool alters = false, wants_undo = false;
	struct sem_set *s;
	unsigned blocker;
	int err = 0;

	for (unsigned i = 0; i < n; i++) {
		alters |= ops[i].sem_op != 0;
		wants_undo |= ops[i].sem_flg & SEM_UNDO;
	}
	mutex_lock(&sets.lock);
	s = (struct sem_set *)ipc_find(&sets, id, &err);
	if (!s)
		goto unlock;
	for (unsigned i = 0; i < n && !err; i++)
		if (ops[i].sem_num >= s->nsems)
			err = -EFBIG;
	if (!err)
		err = ipc_permission(&s->o, alters ? 2 : 4);
	if (!err && wants_undo) {
		undo = undo_get(s);
		if (!undo)
			err = -ENOMEM;
	}
	if (err)
		goto unlock;
	s->refs++;
	while ((err = try_ops(s, ops, n, undo, &blocker)) == 1) {
		err = wait_for_change(s, &ops[blocker], &left);
		if (err)
			break;
	}
	if (!err && alters)
		waitq_wake_all(&s->wait);
	set_put(s);
unlock:
	mutex_unlock(&sets.lock);
	return err;
}

static long do_semtimedop(int id, const struct sembuf __user *uops, unsigned n, ktime_t timeout)
{
	struct sembuf fast[8], *ops = fast;
	long err;

	if (n < 1 || id < 0)
		return -EINVAL;
	if (n > max_ops)
		return -E2BIG;
	if (n > ARRAY_SIZE(fast)) {
		ops = kmalloc(n * sizeof(*ops), GFP_KERNEL);
		if (!ops)
			return -ENOMEM;
	}
	err = copy_from_user(ops, uops, n * sizeof(*ops)) ? -EFAULT : sem_operate(id, ops, n, timeout);
	if (ops != fast)
		kfree(ops);
	return err;
}

SYSCALL(semop, int id, const struct sembuf __user *ops, unsigned n)
{
	return do_semtimedop(id, ops, n, KTIME_MAX);
}

SYSCALL(semtimedop, int id, const struct sembuf __user *ops, unsigned n, const void __user *timeout)
{
	struct { s64 sec, nsec; } ts;

	if (!timeout)
		return do_semtimedop(id, ops, n, KTIME_MAX);
	if (get_user_struct(&ts, (const typeof(ts) __user *)timeout))
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= NSEC_PER_SEC)
		return -EINVAL;
	return do_semtimedop(id, ops, n, ts.sec * NSEC_PER_SEC + ts.nsec);
}

/* border, called by exit: give back what the process's SEM_UNDO operations took. */
void sem_exit(int pid)
{
	struct sem_set *s;
	unsigned long index;

	if (!READ_ONCE(sets.count))
		return;
	mutex_lock(&sets.lock);
	for (index = 0; (s = xa_find(&sets.objects, &index, ~0UL)); index++) {
		struct sem_undo *u, *next;

		list_for_each_safe(u, next, &s->undo, link) {
			if (u->pid != pid)
				continue;
			for (unsigned i = 0; i < s->nsems; i++)
				s->sems[i].value = clamp(s->sems[i].value + u->adjust[i], 0, SEM_MAX_VALUE);
			list_remove(&u->link);
			kvfree(u);
			waitq_wake_all(&s->wait);
		}
	}
	mutex_unlock(&sets.lock);
}

/* ---- control ---- */

static void undo_forget(struct sem_set *s, unsigned sem)
{
	struct sem_undo *u;

	list_for_each(u, &s->undo, link)
		u->adjust[sem] = 0;
}

static long sem_one(struct sem_set *s, unsigned num, int cmd, int value)
{
	struct sem *sem = &s->sems[num];

	if (num >= s->nsems)
		return -EINVAL;
	switch (cmd) {
	case GETVAL: return sem->value;
	case GETPID: return sem->pid;
	case GETNCNT: return sem->nr_rise;
	case GETZCNT: return sem->nr_zero;
	}
	if (value < 0 || value > SEM_MAX_VALUE)
		return -ERANGE;
	sem->value = value;
	sem->pid = task_pid(current);
	undo_forget(s, num);
	s->ctime = ktime_get_real() / NSEC_PER_SEC;
	waitq_wake_all(&s->wait);
	return 0;
}

/* GETALL and SETALL through a buffer made before the lock is taken. */
static long sem_all(int id, int cmd, unsigned short __user *array)
{
	unsigned short *values;
	struct sem_set *s;
	unsigned nsems;
	int err = 0;

	mutex_lock(&sets.lock);
	s = (struct sem_set *)ipc_find(&sets, id, &err);
	nsems = s ? s->nsems : 0;
	mutex_unlock(&sets.lock);
	if (err)
		return err;
	values = kvmalloc(nsems * sizeof(*values), GFP_KERNEL);
	if (!values)
		return -ENOMEM;
	if (cmd == SETALL && copy_from_user(values, array, nsems * sizeof(*values)))
		err = -EFAULT;
	mutex_lock(&sets.lock);
	s = err ? NULL : (struct sem_set *)ipc_find(&sets, id, &err);
	if (s)
		err = ipc_permission(&s->o, cmd == SETALL ? 2 : 4);
	for (unsigned i = 0; s && !err && i < nsems; i++)
		if (cmd == GETALL)
			values[i] = (unsigned short)s->sems[i].value;
		else if (values[i] > SEM_MAX_VALUE)
			err = -ERANGE;
	for (unsigned i = 0; s && !err && cmd == SETALL && i < nsems; i++)
		sem_one(s, i, SETVAL, values[i]);
	mutex_unlock(&sets.lock);
	if (!err && cmd == GETALL && copy_to_user(array, values, nsems * sizeof(*values)))
		err = -EFAULT;
	kvfree(values);
	return err;
}

static long sem_stat(int id, int cmd, struct semid64_ds __user *buf)
{
	struct semid64_ds d = { 0 };
	struct sem_set *s;
	int err = -EINVAL, ret = 0;

	mutex_lock(&sets.lock);
	s = (struct sem_set *)(cmd == IPC_STAT ? ipc_find(&sets, id, &err) : ipc_find_index(&sets, id));
	if (s) {
		err = cmd == SEM_STAT_ANY ? 0 : ipc_permission(&s->o, 4);
		ipc_fill_perm(&s->o, &d.sem_perm);
		d.sem_otime = s->otime;
		d.sem_ctime = s->ctime;
		d.sem_nsems = s->nsems;
		ret = cmd == IPC_STAT ? 0 : s->o.id;
	}
	mutex_unlock(&sets.lock);
	if (!err && put_user_struct(buf, &d))
		err = -EFAULT;
	return err ? err : ret;
}

static long sem_change(int id, int cmd, const struct semid64_ds __user *buf)
{
	struct semid64_ds d;
	struct sem_set *s;
	int err = 0;

	if (cmd == IPC_SET && get_user_struct(&d, buf))
		return -EFAULT;
	mutex_lock(&sets.lock);
	s = (struct sem_set *)ipc_find(&sets, id, &err);
	if (s && !ipc_is_owner(&s->o)) {
		err = -EPERM;
	} else if (s && cmd == IPC_SET) {
		err = ipc_set_perm(&s->o, &d.sem_perm);
		s->ctime = ktime_get_real() / NSEC_PER_SEC;
	} else if (s) {
		ipc_remove(&sets, &s->o);
		waitq_wake_all(&s->wait);
		set_put(s);
	}
	mutex_unlock(&sets.lock);
	return err;
}

static long sem_info(int cmd, struct seminfo __user *buf)
{
	struct seminfo i = { .semmap = SEM_MAX_SETS * SEM_MAX_PER_SET, .semmni = (int)sets.limit,
			     .semmns = (int)max_total, .semmnu = SEM_MAX_SETS * SEM_MAX_PER_SET,
			     .semmsl = (int)max_per_set, .semopm = (int)max_ops, .semume = SEM_MAX_OPS, .semusz = 20,
			     .semvmx = SEM_MAX_VALUE, .semaem = SEM_MAX_VALUE };
	struct sem_set *s;
	unsigned long index;
	int highest;

	mutex_lock(&sets.lock);
	if (cmd == SEM_INFO) {
		i.semusz = (int)sets.count;
		i.semaem = 0;
		for (index = 0; (s = xa_find(&sets.objects, &index, ~0UL)); index++)
			i.semaem += (int)s->nsems;
	}
	highest = ipc_highest_index(&sets);
	mutex_unlock(&sets.lock);
	return put_user_struct(buf, &i) ?: highest;
}

static long sem_single(int id, int num, int cmd, int value)
{
	struct sem_set *s;
	int err = 0;
	long ret = 0;

	mutex_lock(&sets.lock);
	s = (struct sem_set *)ipc_find(&sets, id, &err);
	if (s)
		ret = ipc_permission(&s->o, cmd == SETVAL ? 2 : 4) ?: sem_one(s, (unsigned)num, cmd, value);
	mutex_unlock(&sets.lock);
	return err ? err : ret;
}

SYSCALL(semctl, int id, int num, int cmd, unsigned long arg)
{
	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SEM_INFO:
		return sem_info(cmd, (struct seminfo __user *)arg);
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY:
		return sem_stat(id, cmd, (struct semid64_ds __user *)arg);
	case GETALL:
	case SETALL:
		return sem_all(id, cmd, (unsigned short __user *)arg);
	case GETVAL:
	case GETPID:
	case GETNCNT:
	case GETZCNT:
	case SETVAL:
		return num < 0 ? -EINVAL : sem_single(id, num, cmd, (int)arg);
	case IPC_SET:
	case IPC_RMID:
		return sem_change(id, cmd, (const struct semid64_ds __user *)arg);
	}
	return -EINVAL;
}

/* kernel.sem: semaphores of a set, of all sets, operations of a call, sets. */
static int limits_show(struct text *out, void *arg)
{
	text_printf(out, "%u\t%u\t%u\t%u\n", max_per_set, max_total, max_ops, sets.limit);
	return 0;
}

static ssize_t limits_write(const char *buf, size_t n, void *arg)
{
	unsigned *to[4] = { &max_per_set, &max_total, &max_ops, &sets.limit };
	static const u64 highest[4] = { 65536, S32_MAX, 32768, 32768 };
	const char *p = buf, *end;
	u64 v[4];

	for (unsigned i = 0; i < 4; i++, p = end) {
		while (*p == ' ' || *p == '\t')
			p++;
		v[i] = str_to_u64(p, &end, 10);
		if (end == p || v[i] > highest[i])
			return -EINVAL;
	}
	for (unsigned i = 0; i < 4; i++)
		WRITE_ONCE(*to[i], (unsigned)v[i]);
	return (ssize_t)n;
}

static const struct proc_file limits_file = { .path = "sys/kernel/sem", .mode = 0644, .show = limits_show, .write = limits_write };

static void discard_set(struct ipc_object *o)
{
	kvfree(o);
}

static int sem_init(void)
{
	ipc_table_init(&sets, "sem", SEM_MAX_SETS);
	sets.discard = discard_set;
	proc_register(&limits_file);
	return 0;
}
initcall(sem_init, 2);
