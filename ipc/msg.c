/*
 * msg.c - System V message queues. SOURCE: msgget(2), msgop(2), msgctl(2)
 *
 * Messages are kept in order; a receiver takes the first that fits its type. Sleepers of both kinds wait on one queue and look again
 * at each change.
 */
#include <abi/capability.h>
#include <abi/errno.h>
#include <kernel/cred.h>
#include <fs/procfs.h>
#include <kernel/main.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/wait.h>
#include <mm/slab.h>

#include "sysv.h"

#define MSG_MAX_QUEUES	32000		/* until kernel.msgmni says otherwise */
#define MSG_MAX_QUEUE	16384

static int max_message = 8192;			/* kernel.msgmax: bytes of one message */
static int max_queue = MSG_MAX_QUEUE;		/* kernel.msgmnb: bytes of a queue, until IPC_SET changes it */

struct message {
	struct list	link;
	long		type;
	size_t		len;
	char		data[];
};

struct msg_queue {
	struct ipc_object o;
	struct list	messages;
	struct waitq	wait;
	unsigned	refs;		/* sleepers, plus 1 while it is in the table */
	unsigned long	bytes, max_bytes, count;
	s64		stime, rtime, ctime;
	int		lspid, lrpid;
};

static struct ipc_table queues;

static struct ipc_object *make_queue(void *arg, int *err)
{
	struct msg_queue *q = kzalloc(sizeof(*q), GFP_KERNEL);

	*err = -ENOMEM;
	if (!q)
		return NULL;
	list_init(&q->messages);
	waitq_init(&q->wait);
	q->refs = 1;
	q->max_bytes = (unsigned long)max_queue;
	q->ctime = ktime_get_real() / NSEC_PER_SEC;
	return &q->o;
}

static int check_queue(struct ipc_object *o, void *arg)
{
	return 0;
}

SYSCALL(msgget, key_t key, int flags)
{
	return ipc_get(&queues, key, flags, make_queue, check_queue, NULL);
}

/* queues.lock held. */
static void queue_put(struct msg_queue *q)
{
	struct message *m, *next;

	if (--q->refs)
		return;
	list_for_each_safe(m, next, &q->messages, link)
		kfree(m);
	kfree(q);
}

/* Sleep until something changes. queues.lock is dropped meanwhile. 0, -EIDRM, -ERESTARTNOHAND. */
static int queue_wait(struct msg_queue *q)
{
	struct wait_entry e;

	wait_entry_init(&e);
	waitq_add(&q->wait, &e);
	task_set_state(TASK_INTERRUPTIBLE);
	mutex_unlock(&queues.lock);
	if (!signal_pending())
		schedule();
	task_set_state(TASK_RUNNING);
	mutex_lock(&queues.lock);
	waitq_remove(&q->wait, &e);
	if (q->o.removed)
		return -EIDRM;
	return signal_pending() ? -ERESTARTNOHAND : 0;
}

/* The queue with a hold on it, lock taken. 0, -EINVAL, -EIDRM, -EACCES (lock released). */
static int queue_begin(int id, u32 want, struct msg_queue **out)
{
	int err = 0;

	mutex_lock(&queues.lock);
	*out = (struct msg_queue *)ipc_find(&queues, id, &err);
	if (*out)
		err = ipc_permission(&(*out)->o, want);
	if (err)
		mutex_unlock(&queues.lock);
	else
		(*out)->refs++;
	return err;
}

static void queue_end(struct msg_queue *q)
{
	queue_put(q);
	mutex_unlock(&queues.lock);
}

SYSCALL(msgsnd, int id, const void __user *umsg, size_t len, int flags)
{
	struct msg_queue *q;
	struct message *m;
	int err;

	if (len > (size_t)max_message || id < 0)
		return -EINVAL;
	m = kmalloc(sizeof(*m) + len, GFP_KERNEL);
	if (!m)
		return -ENOMEM;
	m->len = len;
	err = -EFAULT;
	if (get_user(m->type, (const long __user *)umsg) ||
	    copy_from_user(m->data, (const char __user *)umsg + sizeof(long), len))
		goto free_message;
	err = m->type < 1 ? -EINVAL : queue_begin(id, 2, &q);
	if (err)
		goto free_message;
	while (!err && (q->bytes + len > q->max_bytes || q->count >= q->max_bytes))
		err = flags & IPC_NOWAIT ? -EAGAIN : queue_wait(q);
	if (!err) {
		list_append(&q->messages, &m->link);
		q->bytes += len;
		q->count++;
		q->lspid = task_pid(current);
		q->stime = ktime_get_real() / NSEC_PER_SEC;
		waitq_wake_all(&q->wait);
		m = NULL;
	}
	queue_end(q);
free_message:
	kfree(m);
	return err;
}

/* The message msgrcv's type asks for: msgop(2). MSG_COPY takes the n-th. */
static struct message *pick(struct msg_queue *q, long type, int flags)
{
	struct message *m, *best = NULL;
	long n = 0;

	list_for_each(m, &q->messages, link) {
		if (flags & MSG_COPY) {
			if (n++ == type)
				return m;
		} else if (!type || (type > 0 && (m->type == type) == !(flags & MSG_EXCEPT))) {
			return m;
		} else if (type < 0 && m->type <= -type && (!best || m->type < best->type)) {
			best = m;
		}
	}
	return best;
}

static void take(struct msg_queue *q, struct message *m)
{
	list_remove(&m->link);
	q->bytes -= m->len;
	q->count--;
	q->lrpid = task_pid(current);
	q->rtime = ktime_get_real() / NSEC_PER_SEC;
	waitq_wake_all(&q->wait);
}

/* MSG_COPY: the message stays. NULL: out of memory. */
static struct message *duplicate(const struct message *m)
{
	struct message *d = kmalloc(sizeof(*d) + m->len, GFP_KERNEL);

	if (d) {
		d->type = m->type;
		d->len = m->len;
		__builtin_memcpy(d->data, m->data, m->len);
	}
	return d;
}

SYSCALL(msgrcv, int id, void __user *umsg, size_t len, long type, int flags)
{
	struct message *m = NULL;
	struct msg_queue *q;
	long err;

	if (id < 0 || (long)len < 0)
		return -EINVAL;
	if ((flags & MSG_COPY) && (!(flags & IPC_NOWAIT) || (flags & MSG_EXCEPT)))
		return -EINVAL;
	err = queue_begin(id, 4, &q);
	if (err)
		return err;
	while (!err && !(m = pick(q, type, flags)))
		err = flags & IPC_NOWAIT ? -ENOMSG : queue_wait(q);
	if (!err && m->len > len && !(flags & MSG_NOERROR))
		err = -E2BIG;
	if (!err && (flags & MSG_COPY)) {
		m = duplicate(m);
		err = m ? 0 : -ENOMEM;
	} else if (!err) {
		take(q, m);
	}
	queue_end(q);
	if (err)
		return err;
	len = min(len, m->len);
	if (put_user(m->type, (long __user *)umsg) || copy_to_user((char __user *)umsg + sizeof(long), m->data, len))
		err = -EFAULT;
	kfree(m);
	return err ? err : (long)len;
}

/* ---- control ---- */

static long msg_stat(int id, int cmd, struct msqid64_ds __user *buf)
{
	struct msqid64_ds d = { 0 };
	struct msg_queue *q;
	int err = -EINVAL, ret = 0;

	mutex_lock(&queues.lock);
	q = (struct msg_queue *)(cmd == IPC_STAT ? ipc_find(&queues, id, &err) : ipc_find_index(&queues, id));
	if (q) {
		err = cmd == MSG_STAT_ANY ? 0 : ipc_permission(&q->o, 4);
		ipc_fill_perm(&q->o, &d.msg_perm);
		d.msg_stime = q->stime;
		d.msg_rtime = q->rtime;
		d.msg_ctime = q->ctime;
		d.msg_cbytes = q->bytes;
		d.msg_qnum = q->count;
		d.msg_qbytes = q->max_bytes;
		d.msg_lspid = q->lspid;
		d.msg_lrpid = q->lrpid;
		ret = cmd == IPC_STAT ? 0 : q->o.id;
	}
	mutex_unlock(&queues.lock);
	if (!err && put_user_struct(buf, &d))
		err = -EFAULT;
	return err ? err : ret;
}

static int msg_set(struct msg_queue *q, const struct msqid64_ds *d)
{
	int err;

	if (d->msg_qbytes > (unsigned long)max_queue && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	err = ipc_set_perm(&q->o, &d->msg_perm);
	if (!err) {
		q->max_bytes = d->msg_qbytes;
		q->ctime = ktime_get_real() / NSEC_PER_SEC;
		waitq_wake_all(&q->wait);
	}
	return err;
}

static long msg_change(int id, int cmd, const struct msqid64_ds __user *buf)
{
	struct msqid64_ds d;
	struct msg_queue *q;
	int err = 0;

	if (cmd == IPC_SET && get_user_struct(&d, buf))
		return -EFAULT;
	mutex_lock(&queues.lock);
	q = (struct msg_queue *)ipc_find(&queues, id, &err);
	if (q && !ipc_is_owner(&q->o)) {
		err = -EPERM;
	} else if (q && cmd == IPC_SET) {
		err = msg_set(q, &d);
	} else if (q) {
		ipc_remove(&queues, &q->o);
		waitq_wake_all(&q->wait);
		queue_put(q);
	}
	mutex_unlock(&queues.lock);
	return err;
}

static long msg_info(int cmd, struct msginfo __user *buf)
{
	struct msginfo i = { .msgpool = MSG_MAX_QUEUES * MSG_MAX_QUEUE / 1024, .msgmap = MSG_MAX_QUEUE,
			     .msgmax = max_message, .msgmnb = max_queue, .msgmni = (int)queues.limit, .msgssz = 16,
			     .msgtql = MSG_MAX_QUEUE, .msgseg = 0xffff };
	struct msg_queue *q;
	unsigned long index;
	int highest;

	mutex_lock(&queues.lock);
	if (cmd == MSG_INFO) {
		i.msgpool = (int)queues.count;
		i.msgmap = i.msgtql = 0;
		for (index = 0; (q = xa_find(&queues.objects, &index, ~0UL)); index++) {
			i.msgmap += (int)q->count;
			i.msgtql += (int)q->bytes;
		}
	}
	highest = ipc_highest_index(&queues);
	mutex_unlock(&queues.lock);
	return put_user_struct(buf, &i) ?: highest;
}

SYSCALL(msgctl, int id, int cmd, void __user *buf)
{
	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case MSG_INFO:
		return msg_info(cmd, buf);
	case IPC_STAT:
	case MSG_STAT:
	case MSG_STAT_ANY:
		return msg_stat(id, cmd, buf);
	case IPC_SET:
	case IPC_RMID:
		return msg_change(id, cmd, buf);
	}
	return -EINVAL;
}

static void discard_queue(struct ipc_object *o)
{
	kfree(o);
}

static int msg_init(void)
{
	ipc_table_init(&queues, "msg", MSG_MAX_QUEUES);
	queues.discard = discard_queue;
	proc_register_int("sys/kernel/msgmax", 0644, &max_message, 0, S32_MAX);
	proc_register_int("sys/kernel/msgmnb", 0644, &max_queue, 0, S32_MAX);
	proc_register_int("sys/kernel/msgmni", 0644, (int *)&queues.limit, 0, 32768);
	return 0;
}
initcall(msg_init, 2);
