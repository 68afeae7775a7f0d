/*
 * kthread.c - threads that live in the kernel only.
 *
 * SHAPE       [kthreadd] is the first, pid 2, and ps shows it as the parent of the others, as on Linux; it has nothing to do.
 *             kthread_create() makes a plain one; those of modules (kthread_create_owned()) carry a struct kthread besides: it can be
 *             told to stop, waited for, and found when its module goes.
 * LIFE        struct kthread goes with its task. It stands in `owned` until its function has returned.
 * LOCKS       owned_lock (LOCK_FS): that list.
 */
#include <stdarg.h>
#include <abi/errno.h>
#include <kernel/cred.h>
#include <kernel/kthread.h>
#include <kernel/module.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/wait.h>
#include <lib/printf.h>
#include <mm/slab.h>

struct kthread {
	struct list		link;
	struct task		*task;
	int			(*fn)(void *);
	void			*arg;
	bool			should_stop;
	int			result;
	struct completion	done;
};

static struct list owned = LIST_INIT(owned);
static spinlock_t owned_lock = SPINLOCK_INIT("kthreads", LOCK_FS);

static struct task *create(int (*fn)(void *), void *arg, const char *name_fmt, va_list ap)
{
	struct task *t = task_alloc();

	if (!t)
		return NULL;
	t->flags = TF_KTHREAD;
	t->last_mode = 0;
	kvsnprintf(t->comm, sizeof(t->comm), name_fmt, ap);
	t->cred = cred_get(&cred_root);
	t->real_cred = cred_get(&cred_root);
	arch_thread_setup_kernel(t, fn, arg);
	if (kthread_attach(t)) {
		task_put(t);
		task_put(t);
		return NULL;
	}
	return t;
}

struct task *kthread_create(int (*fn)(void *), void *arg, const char *name_fmt, ...)
{
	struct task *t;
	va_list ap;

	va_start(ap, name_fmt);
	t = create(fn, arg, name_fmt, ap);
	va_end(ap);
	return t;
}

static int kthreadd(void *arg)
{
	for (;;) {
		task_set_state(TASK_INTERRUPTIBLE);
		schedule();
	}
	return 0;
}

void kthread_init(void)
{
	struct task *t = kthread_create(kthreadd, NULL, "kthreadd");

	if (!t)
		panic("no memory for kthreadd");
	task_wake_new(t);
}

/* ---- of modules ---------------------------------------------------------------------------------------------------------- */

static int owned_main(void *arg)
{
	struct kthread *k = arg;

	k->result = READ_ONCE(k->should_stop) ? -EINTR : k->fn(k->arg);	/* stopped before it began: not run at all, as on Linux */
	spin_lock(&owned_lock);
	list_remove(&k->link);
	spin_unlock(&owned_lock);
	completion_done_all(&k->done);
	return 0;
}

struct task *kthread_create_owned(int (*fn)(void *), void *arg, const char *name_fmt, ...)
{
	struct kthread *k = kzalloc(sizeof(*k), GFP_KERNEL);
	struct task *t;
	va_list ap;

	if (!k)
		return NULL;
	va_start(ap, name_fmt);
	t = create(owned_main, k, name_fmt, ap);
	va_end(ap);
	if (!t) {
		kfree(k);
		return NULL;
	}
	k->fn = fn;
	k->arg = arg;
	k->task = t;
	completion_init(&k->done);
	t->kthread = k;
	spin_lock(&owned_lock);
	list_append(&owned, &k->link);
	spin_unlock(&owned_lock);
	return t;
}

bool kthread_should_stop(void)
{
	return current->kthread && READ_ONCE(current->kthread->should_stop);
}

void kthread_wake(struct task *t)
{
	if (READ_ONCE(t->state) == TASK_NEW)
		task_wake_new(t);
	else
		task_wake(t);
}

static int stop(struct task *t)		/* consumes a reference */
{
	struct kthread *k = t->kthread;
	int result;

	WRITE_ONCE(k->should_stop, true);
	kthread_wake(t);
	completion_wait(&k->done);
	result = k->result;
	task_put(t);
	return result;
}

int kthread_stop(struct task *t)
{
	return stop(task_get(t));
}

void kthread_free(struct task *t)
{
	kfree(t->kthread);
}

/* A thread whose function lies in [start, end), with a reference; NULL. */
static struct task *find_running(vaddr_t start, vaddr_t end)
{
	struct kthread *k;
	struct task *t = NULL;

	spin_lock(&owned_lock);
	list_for_each(k, &owned, link)
		if (!t && (vaddr_t)k->fn >= start && (vaddr_t)k->fn < end)
			t = task_get(k->task);
	spin_unlock(&owned_lock);
	return t;
}

void kthread_stop_range(const char *whose, vaddr_t start, vaddr_t end)
{
	struct task *t;

	while ((t = find_running(start, end)) != NULL) {
		pr_warn("%s: thread %s still runs, waiting for it\n", whose, t->comm);
		(void)stop(t);
	}
}
