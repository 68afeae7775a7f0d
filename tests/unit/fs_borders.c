/*
 * fs_borders.c - what fs/ asks of its neighbours, where the host build does not have them: no signals, no epoll, no children.
 */
#include <kernel/irq.h>
#include <kernel/module.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include "../../fs/internal.h"

void signal_send_current(int sig) { }
int task_pid(const struct task *t) { return 1; }
vaddr_t task_user_ip(const struct task *t) { return 0; }
int sigmask_user_set(const u64 __user *mask, size_t size) { return 0; }
void sigmask_user_restore(bool interrupted) { }
ktime_t schedule_hrtimeout(ktime_t absolute) { return 0; }
void epoll_file_released(struct file *f) { }
int deferred_register(const char *name, irq_deferred_fn fn, void *arg) { return 0; }
void deferred_raise(int slot) { }
bool module_try_get(struct module *m) { return true; }
void module_put(struct module *m) { }
