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
#include <kernel/module.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
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
/* perm: mode of /sys/module/NAME/parameters/PARAM, 0 for none; read-only. */
#define module_param(param, type, perm)								\
	static const struct module_param param_##param used_sym in_section("__param") aligned_to(8) = \
		{ #param, &(param), PARAM_KIND_##type, (perm) };				\
	MODULE_INFO(parmtype, #param ":" #type)

#define EXPORT_SYMBOL(sym)									\
	static const char kstrtab_##sym[] used_sym in_section("__ksymtab_strings") = #sym;	\
	static const struct ksym ksymtab_##sym used_sym in_section("__ksymtab") aligned_to(8) = { (unsigned long)&sym, kstrtab_##sym }
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
#define kthread_create(fn, arg, ...)	MODULE_CALL(kthread_create(fn, arg, __VA_ARGS__))
#define proc_register(f)		MODULE_CALL_VOID(proc_register(f))
#endif

#ifdef KBUILD_MODNAME
MODULE_INFO(name, KBUILD_MODNAME);
MODULE_INFO(vermagic, MODULE_VERMAGIC);
#endif

#endif
