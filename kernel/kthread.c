/*
 * kthread.c - threads that live in the kernel only.
 */
#include <stdarg.h>
#include <kernel/cred.h>
#include <kernel/sched.h>
#include <lib/printf.h>

struct task *kthread_create(int (*fn)(void *), void *arg, const char *name_fmt, ...)
{
	struct task *t = task_alloc();
	va_list ap;

	if (!t)
		return NULL;
	t->flags = TF_KTHREAD;
	t->last_mode = 0;
	va_start(ap, name_fmt);
	kvsnprintf(t->comm, sizeof(t->comm), name_fmt, ap);
	va_end(ap);
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
