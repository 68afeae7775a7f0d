/*
 * driver.h - what a driver module includes: one header, names as in the Linux driver books.
 *
 * docs/driver-api.md lists it with the differences. Each allocation made here carries the place in the module that asked.
 */
#ifndef DRIVERS_DRIVER_H
#define DRIVERS_DRIVER_H

#include <abi/errno.h>
#include <drivers/block.h>
#include <fs/fs.h>
#include <fs/procfs.h>
#include <kernel/cred.h>
#include <kernel/kthread.h>
#include <kernel/module.h>
#include <kernel/percpu.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/random.h>
#include <kernel/resource.h>
#include <kernel/sched.h>
#include <kernel/time.h>
#include <kernel/version.h>
#include <kernel/wait.h>
#include <kernel/workqueue.h>
#include <lib/string.h>
#include <lib/text.h>
#include <linux/ioctl.h>
#include <linux/poll.h>
#include <linux/stat.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/uaccess.h>
#include <mm/vmalloc.h>

/* ---- the module ------------------------------------------------------------------------------------------------ */

extern struct module __this_module;
#define THIS_MODULE	(&__this_module)

#define MODULE_INFO(tag, text) \
	static const char CONCAT(modinfo_##tag##_, __LINE__)[] used_sym in_section(".modinfo") aligned_to(1) = #tag "=" text
#define MODULE_LICENSE(text)		MODULE_INFO(license, text)
#define MODULE_AUTHOR(text)		MODULE_INFO(author, text)
#define MODULE_DESCRIPTION(text)	MODULE_INFO(description, text)
#define MODULE_VERSION(text)		MODULE_INFO(version, text)
#define MODULE_ALIAS(text)		MODULE_INFO(alias, text)
#define MODULE_PARM_DESC(name, text)	MODULE_INFO(parm, #name ":" text)
#define MODULE_SOFTDEP(text)		MODULE_INFO(softdep, text)

#define __init	__attribute__((section(".init.text")))
#define __exit
#define __initdata __attribute__((section(".init.data")))

#define module_init(fn)	int init_module(void); int init_module(void) { return fn(); }
#define module_exit(fn)	void cleanup_module(void); void cleanup_module(void) { fn(); }

#define PARAM_KIND_int		'i'
#define PARAM_KIND_uint		'u'
#define PARAM_KIND_long		'l'
#define PARAM_KIND_ulong	'L'
#define PARAM_KIND_bool		'b'
#define PARAM_KIND_charp	'c'
#define PARAM_KIND_short	's'
#define PARAM_KIND_ushort	'S'
#define PARAM_KIND_byte		'B'
#define PARAM_KIND_hexint	'x'
#define PARAM_KIND_ullong	'L'
#define PARAM_KIND_invbool	'I'
/* perm: mode of /sys/module/NAME/parameters/PARAM, 0 for none. One that can be written changes while the module runs. */
#define module_param(param, type, perm)	/* not by module_param_named(): bool would become _Bool */	\
	MODULE_PARAM(param, .value = &(param), .kind = PARAM_KIND_##type, .mode = (perm));	\
	MODULE_INFO(parmtype, #param ":" #type)
#define module_param_named(param, variable, type, perm)						\
	MODULE_PARAM(param, .value = &(variable), .kind = PARAM_KIND_##type, .mode = (perm));	\
	MODULE_INFO(parmtype, #param ":" #type)
/* Values with commas between; *nump, where not NULL: how many were given. */
#define module_param_array(param, type, nump, perm)						\
	MODULE_PARAM(param, .value = &(param)[0], .kind = PARAM_KIND_##type, .mode = (perm),	\
		     .max = sizeof(param) / sizeof((param)[0]), .step = sizeof((param)[0]), .count = (nump)); \
	MODULE_INFO(parmtype, #param ":array of " #type)
#define module_param_array_named(param, array, type, nump, perm)				\
	MODULE_PARAM(param, .value = &(array)[0], .kind = PARAM_KIND_##type, .mode = (perm),	\
		     .max = sizeof(array) / sizeof((array)[0]), .step = sizeof((array)[0]), .count = (nump)); \
	MODULE_INFO(parmtype, #param ":array of " #type)
/* Copied into a buffer of len bytes. */
#define module_param_string(param, buffer, len, perm)						\
	MODULE_PARAM(param, .value = (buffer), .kind = 't', .mode = (perm), .max = (len));	\
	MODULE_INFO(parmtype, #param ":string")
/* ops->set() and ops->get() (a page to print into) do it; pointer is kp->arg. */
#define module_param_cb(param, operations, pointer, perm)					\
	MODULE_PARAM(param, .value = (pointer), .kind = 'o', .mode = (perm), .ops = (operations))
#define MODULE_PARAM(param, ...)								\
	static const struct module_param param_##param used_sym in_section("__param") aligned_to(8) = { .name = #param, __VA_ARGS__ }
#define kernel_param		module_param
#define kernel_param_ops	module_param_ops
#define kernel_param_lock(m)	mutex_lock(&module_lock)	/* nobody changes a parameter */
#define kernel_param_unlock(m)	mutex_unlock(&module_lock)

#define EXPORT_SYMBOL(sym)									\
	extern const char crc_##sym[] __asm__("__crc_" #sym) weak;				\
	static const char kstrtab_##sym[] used_sym in_section("__ksymtab_strings") = #sym;	\
	static const struct ksym ksymtab_##sym used_sym in_section("__ksymtab") aligned_to(8) = \
		{ (unsigned long)&sym, kstrtab_##sym, (unsigned long)crc_##sym }
#define EXPORT_SYMBOL_GPL(sym)	EXPORT_SYMBOL(sym)

#define try_module_get(m)	module_try_get(m)
#define module_put_self()	module_put(THIS_MODULE)

/*
 * A kernel function that allocates for us: what it takes stands at this place, not at the kernel's own. In headers, so that
 * drivers call misc_register() and the like by their names.
 */
#define MODULE_CALL(call) ({									\
	struct module_call module_call_whose = module_call_begin(ALLOC_SITE());			\
	typeof(call) module_call_result = (call);						\
	module_call_end(module_call_whose);							\
	module_call_result; })
#define MODULE_CALL_VOID(call) do {								\
	struct module_call module_call_whose = module_call_begin(ALLOC_SITE());			\
	call;											\
	module_call_end(module_call_whose);							\
} while (0)

#define ERR_PTR(err)	((void *)(long)(err))
#define PTR_ERR(p)	((long)(p))
#define IS_ERR(p)	((unsigned long)(p) >= (unsigned long)-4095L)

/* ---- memory ------------------------------------------------------------------------------------------------------ */

#define kmem_cache				slab_cache
#define kmem_cache_create(name, size, align, flags, ctor) MODULE_CALL(slab_cache_create(name, size, align, 0, ctor))
#define kmem_cache_destroy(c)			slab_cache_destroy(c)
#define kmem_cache_alloc(c, gfp)		slab_alloc(c, gfp)
#define kmem_cache_zalloc(c, gfp)		slab_alloc(c, (gfp) | GFP_ZERO)
#define kmem_cache_free(c, p)			slab_free(c, p)

#define alloc_pages(gfp, order)			page_alloc(gfp, order, ACCT_MODULE)
#define alloc_page(gfp)				alloc_pages(gfp, 0)
#define __free_pages(page, order)		page_free(page, order)
#define __free_page(page)			page_free(page, 0)
#define __get_free_pages(gfp, order) ({								\
	struct page *gfp_page = alloc_pages(gfp, order);					\
	gfp_page ? (unsigned long)page_address(gfp_page) : 0UL; })
#define __get_free_page(gfp)			__get_free_pages(gfp, 0)
#define get_zeroed_page(gfp)			__get_free_pages((gfp) | GFP_ZERO, 0)
#define free_pages(addr, order)			page_free(virt_to_page((void *)(addr)), order)
#define free_page(addr)				free_pages(addr, 0)

/* ---- character devices ----------------------------------------------------------------------------------------------- */

struct poll_table;
typedef struct poll_table poll_table;
#define vm_area_struct		vma
#define vm_operations_struct	vm_ops
#define vm_fault		fault
#define vm_start		start
#define vm_end			end
#define vm_pgoff		pgoff
#define vm_page_prot		prot
#define vm_private_data		priv
#define private_data		priv		/* of struct file */
/* fault(): 0 with a reference to the page in f->page; VM_FAULT_NOPAGE when it has put the entry in itself; or these. */
#define VM_FAULT_NOPAGE		FAULT_DONE
#define VM_FAULT_SIGBUS		FAULT_SIGBUS
#define VM_FAULT_OOM		FAULT_OOM
#define vm_insert_page(v, addr, page) vma_insert_page(v, addr, page)
#define get_page(page)		page_get(page)
#define put_page(page)		page_put(page)

struct file_operations {
	struct module	*owner;
	loff_t		(*llseek)(struct file *f, loff_t off, int whence);
	ssize_t		(*read)(struct file *f, char __user *buf, size_t n, loff_t *pos);
	ssize_t		(*write)(struct file *f, const char __user *buf, size_t n, loff_t *pos);
	u32		(*poll)(struct file *f, poll_table *pt);
	long		(*unlocked_ioctl)(struct file *f, unsigned cmd, unsigned long arg);
	int		(*mmap)(struct file *f, struct vm_area_struct *v);
	int		(*open)(struct inode *i, struct file *f);
	int		(*release)(struct inode *i, struct file *f);
};

typedef u32 dev_t;
/* A stretch of device numbers and its driver: drivers/chardev.c. */
struct cdev {
	const struct file_operations *ops;
	struct module	*owner;
	dev_t		dev;
	struct file_ops	table;
};
void cdev_init(struct cdev *c, const struct file_operations *ops);
int cdev_add(struct cdev *c, dev_t dev, unsigned count) must_check;
void cdev_del(struct cdev *c);
int register_chrdev_region(dev_t first, unsigned count, const char *name) must_check;
int alloc_chrdev_region(dev_t *first, unsigned base, unsigned count, const char *name) must_check;
void unregister_chrdev_region(dev_t first, unsigned count);
const char *chrdev_region_name(dev_t dev);

/* Nodes in /dev, mode 0600. Errors as ERR_PTR(). */
struct class;
struct device;
struct class *class_create(const char *name);
void class_destroy(struct class *c);
struct device *device_create(struct class *c, dev_t dev, const char *fmt, ...) printf_like(3, 4);
void device_destroy(struct class *c, dev_t dev);

#define MISC_DYNAMIC_MINOR	255
struct miscdevice {
	int		minor;
	const char	*name;
	const struct file_operations *fops;
	u16		mode;		/* 0: 0600 */
	struct cdev	cdev;		/* drivers/misc.c */
};
int misc_register(struct miscdevice *m) must_check;	/* /dev/NAME. 0, -EBUSY, -ENOMEM */
void misc_deregister(struct miscdevice *m);

/* ---- waiting, time --------------------------------------------------------------------------------------------------- */

typedef struct waitq wait_queue_head_t;
#define init_waitqueue_head(q)		waitq_init(q)
#define wake_up(q)			waitq_wake_one(q)
#define wake_up_all(q)			waitq_wake_all(q)
#define wake_up_interruptible(q)	waitq_wake_key(q, 1, 0)

static inline void msleep(unsigned ms)
{
	task_set_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout((ktime_t)ms * NSEC_PER_MSEC);
}

static inline void ssleep(unsigned s)
{
	msleep(s * 1000);
}

#define DECLARE_WAIT_QUEUE_HEAD(q)	wait_queue_head_t q = WAITQ_INIT(q)
#define DECLARE_COMPLETION(c)		struct completion c = { .q = WAITQ_INIT((c).q) }
#define init_completion(c)		completion_init(c)
#define complete(c)			completion_done(c)
#define complete_all(c)			completion_done_all(c)
#define wait_for_completion(c)		completion_wait(c)
#define wait_for_completion_killable(c)	completion_wait_killable(c)

/* Without a rank the debug kernel takes a mutex for the outermost of sleeping locks but files', a spinlock for a driver's. */
#define DEFINE_MUTEX(m)		struct mutex m = MUTEX_INIT(m, #m, LOCK_MOUNT)
#define DEFINE_SPINLOCK(l)	spinlock_t l = SPINLOCK_INIT(#l, LOCK_DRIVER)
#define lock_init_pick(a, b, c, d, ...) d
#define mutex_init(...)		lock_init_pick(__VA_ARGS__, mutex_init, 0, mutex_init_1)(__VA_ARGS__)
#define mutex_init_1(m)		(mutex_init)(m, #m, LOCK_MOUNT)
#define spin_lock_init(...)	lock_init_pick(__VA_ARGS__, spin_lock_init, 0, spin_lock_init_1)(__VA_ARGS__)
#define spin_lock_init_1(l)	(spin_lock_init)(l, #l, LOCK_DRIVER)
/* Interrupt handlers and their deferred halves never run inside a locked stretch, so these are plain ones. */
#define spin_lock_irq(l)		spin_lock(l)
#define spin_unlock_irq(l)		spin_unlock(l)
#define spin_lock_bh(l)			spin_lock(l)
#define spin_unlock_bh(l)		spin_unlock(l)
#define spin_lock_irqsave(l, flags)	do { (flags) = 0; spin_lock(l); } while (0)
#define spin_unlock_irqrestore(l, flags) do { (void)(flags); spin_unlock(l); } while (0)

/* ---- timers, work, threads -------------------------------------------------------------------------------------------- */

#define HZ			250
#define jiffies			((unsigned long)(ktime_get() / (NSEC_PER_SEC / HZ)))
#define msecs_to_jiffies(ms)	((unsigned long)DIV_ROUND_UP((ms) * (unsigned long)HZ, 1000))
#define jiffies_to_msecs(j)	((unsigned)((j) * (1000 / HZ)))
#define time_after(a, b)	((long)((b) - (a)) < 0)
#define time_before(a, b)	time_after(b, a)

#define timer_list		timer
#define timer_setup(t, fn, flags) timer_init(t, fn)
#define from_timer(var, t, field) container_of(t, typeof(*var), field)
#define timer_pending(t)	timer_queued(t)
#define del_timer(t)		timer_cancel(t)
#define timer_delete(t)		timer_cancel(t)
#define timer_delete_sync(t)	del_timer_sync(t)
static inline int mod_timer(struct timer_list *t, unsigned long expires)	/* in jiffies; was it pending? */
{
	bool was = timer_queued(t);

	timer_start(t, (ktime_t)expires * (NSEC_PER_SEC / HZ));
	return was;
}
static inline int del_timer_sync(struct timer_list *t)
{
	bool was = timer_queued(t);

	timer_cancel_sync(t);
	return was;
}

#define work_struct		work
#define INIT_WORK(w, fn)	work_init(w, fn)
#define schedule_work(w)	work_queue(w)
#define flush_work(w)		work_flush(w)
static inline bool cancel_work_sync(struct work_struct *w)
{
	bool was = work_cancel(w);

	work_flush(w);
	return was;
}
#define INIT_DELAYED_WORK(w, fn)	delayed_work_init(w, fn)
#define to_delayed_work(w)		container_of(w, struct delayed_work, work)
#define schedule_delayed_work(w, delay)	delayed_work_queue(w, (ktime_t)(delay) * (NSEC_PER_SEC / HZ))
#define cancel_delayed_work(w)		delayed_work_cancel(w)
#define cancel_delayed_work_sync(w)	delayed_work_cancel_sync(w)

#define task_struct		task
#define wake_up_process(t)	kthread_wake(t)
#define set_current_state(s)	task_set_state(s)

/* ---- files in /proc ---------------------------------------------------------------------------------------------------- */

struct proc_dir_entry;
struct seq_file;
struct seq_operations {
	void	*(*start)(struct seq_file *s, loff_t *pos);
	void	(*stop)(struct seq_file *s, void *v);
	void	*(*next)(struct seq_file *s, void *v, loff_t *pos);
	int	(*show)(struct seq_file *s, void *v);
};
struct seq_file {
	struct text	text;
	void		*private;
	const struct seq_operations *op;	/* or */
	int		(*single)(struct seq_file *s, void *v);
	struct mutex	lock;
};
#define seq_printf(s, ...)	text_printf(&(s)->text, __VA_ARGS__)
#define seq_puts(s, str)	text_puts(&(s)->text, str)
#define seq_putc(s, c)		text_putc(&(s)->text, c)
#define seq_write(s, p, n)	(text_write(&(s)->text, p, n), 0)
int seq_open(struct file *f, const struct seq_operations *op) must_check;
int single_open(struct file *f, int (*show)(struct seq_file *s, void *v), void *data) must_check;
ssize_t seq_read(struct file *f, char __user *buf, size_t n, loff_t *pos);
loff_t seq_lseek(struct file *f, loff_t off, int whence);
int seq_release(struct inode *i, struct file *f);
#define single_release	seq_release

struct proc_ops {
	unsigned	proc_flags;
	int		(*proc_open)(struct inode *i, struct file *f);
	ssize_t		(*proc_read)(struct file *f, char __user *buf, size_t n, loff_t *pos);
	ssize_t		(*proc_write)(struct file *f, const char __user *buf, size_t n, loff_t *pos);
	loff_t		(*proc_lseek)(struct file *f, loff_t off, int whence);
	int		(*proc_release)(struct inode *i, struct file *f);
	u32		(*proc_poll)(struct file *f, poll_table *pt);
	long		(*proc_ioctl)(struct file *f, unsigned cmd, unsigned long arg);
};
/* NULL when there is no memory. parent: from proc_mkdir(), or NULL for /proc itself. An open file holds the module. */
struct proc_dir_entry *proc_create_owned(const char *name, u16 mode, struct proc_dir_entry *parent, const struct proc_ops *ops, void *data,
					 struct module *owner);
struct proc_dir_entry *proc_create_single_owned(const char *name, u16 mode, struct proc_dir_entry *parent,
						int (*show)(struct seq_file *s, void *v), void *data, struct module *owner);
struct proc_dir_entry *proc_mkdir_owned(const char *name, struct proc_dir_entry *parent, struct module *owner);
void proc_remove(struct proc_dir_entry *e);		/* a directory: what is in it first */
void remove_proc_entry(const char *name, struct proc_dir_entry *parent);
void *pde_data(const struct inode *i);

/* ---- device memory --------------------------------------------------------------------------------------------------- */

#define ioremap(phys, size)		MODULE_CALL((ioremap)(phys, size, PROT_KERNEL_IO))
#define ioremap_wc(phys, size)		MODULE_CALL((ioremap)(phys, size, PROT_KERNEL_WC))
#define ioremap_cache(phys, size)	MODULE_CALL((ioremap)(phys, size, PROT_KERNEL_RW))
#define request_mem_region(start, n, name) (iomem_claim(start, n, name) == 0)
#define release_mem_region(start, n)	iomem_release(start, n)
static inline u8 readb(const volatile void *p)	{ return *(const volatile u8 *)p; }
static inline u16 readw(const volatile void *p)	{ return *(const volatile u16 *)p; }
static inline u32 readl(const volatile void *p)	{ return *(const volatile u32 *)p; }
static inline u64 readq(const volatile void *p)	{ return *(const volatile u64 *)p; }
static inline void writeb(u8 v, volatile void *p)	{ *(volatile u8 *)p = v; }
static inline void writew(u16 v, volatile void *p)	{ *(volatile u16 *)p = v; }
static inline void writel(u32 v, volatile void *p)	{ *(volatile u32 *)p = v; }
static inline void writeq(u64 v, volatile void *p)	{ *(volatile u64 *)p = v; }

/* ---- kernel functions that allocate on our behalf ------------------------------------------------------------------- */

#ifdef MODULE
#define misc_register(m)		MODULE_CALL(misc_register(m))
#define cdev_add(c, dev, count)		MODULE_CALL(cdev_add(c, dev, count))
#define class_create(owner, name)	MODULE_CALL(class_create(name))
#define device_create(class, parent, dev, data, ...) MODULE_CALL(device_create(class, dev, __VA_ARGS__))
#define block_register(b)		MODULE_CALL(block_register(b))
/* Threads end when told to: kthread_should_stop(). ERR_PTR(-ENOMEM) when there is no memory. */
#define kthread_create(fn, arg, ...) ({								\
	struct task *kc_thread = MODULE_CALL(kthread_create_owned(fn, arg, __VA_ARGS__));	\
	kc_thread ? kc_thread : (struct task *)ERR_PTR(-ENOMEM); })
#define kthread_run(fn, arg, ...) ({								\
	struct task *kr_thread = kthread_create(fn, arg, __VA_ARGS__);				\
	if (!IS_ERR(kr_thread))									\
		kthread_wake(kr_thread);								\
	kr_thread; })
#define proc_create(name, mode, parent, ops)		proc_create_data(name, mode, parent, ops, NULL)
#define proc_create_data(name, mode, parent, ops, data)	MODULE_CALL(proc_create_owned(name, mode, parent, ops, data, THIS_MODULE))
#define proc_create_single(name, mode, parent, show)	proc_create_single_data(name, mode, parent, show, NULL)
#define proc_create_single_data(name, mode, parent, show, data) \
	MODULE_CALL(proc_create_single_owned(name, mode, parent, show, data, THIS_MODULE))
#define proc_mkdir(name, parent)			MODULE_CALL(proc_mkdir_owned(name, parent, THIS_MODULE))
#endif

#ifdef KBUILD_MODNAME
MODULE_INFO(name, KBUILD_MODNAME);
MODULE_INFO(vermagic, MODULE_VERMAGIC);
#endif

#endif
