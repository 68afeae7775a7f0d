/*
 * api_test.c - drives the driver API from a module: what tests/modules/run asks for by writing a name to /proc/api_test/run.
 *
 * Also parameters of every type, per-CPU variables, an exported symbol, a character device whose mapping is filled page by page by
 * vm_operations.fault (/dev/api_test0), and, with forget=, things that its exit function leaves running on purpose.
 */
#include <drivers/driver.h>

/* ---- parameters ---- */

static bool p_bool;
static bool p_invbool = true;
static int p_int = -1;
static unsigned p_uint = 1;
static long p_long = -2;
static unsigned long p_ulong = 2;
static short p_short = -3;
static u8 p_byte = 3;
static unsigned p_hexint = 0xab;
static char *p_charp = "nothing";
static int p_array[4] = { 1, 2, 3, 4 };
static unsigned p_array_given = 2;
static char *p_names[3];
static unsigned p_names_given;
static char p_text[16] = "text";
static char *forget = "";
module_param(p_bool, bool, 0644);
module_param_named(p_not, p_invbool, invbool, 0644);
module_param(p_int, int, 0644);
module_param(p_uint, uint, 0444);
module_param(p_long, long, 0600);
module_param(p_ulong, ulong, 0644);
module_param(p_short, short, 0644);
module_param(p_byte, byte, 0644);
module_param(p_hexint, hexint, 0644);
module_param(p_charp, charp, 0644);
module_param_array(p_array, int, &p_array_given, 0644);
module_param_array(p_names, charp, &p_names_given, 0644);
module_param_string(p_text, p_text, sizeof(p_text), 0644);
module_param(forget, charp, 0);
MODULE_PARM_DESC(forget, "what to leave running at exit: t(imer), w(ork), d(elayed work), k(ernel thread)");

static int even;
static int even_set(const char *text, const struct kernel_param *kp)
{
	const char *end;
	u64 v = str_to_u64(text, &end, 10);

	if (*end || v % 2)
		return -EINVAL;
	*(int *)kp->arg = (int)v;
	return 0;
}
static int even_get(char *page, const struct kernel_param *kp)
{
	return ksnprintf(page, PAGE_SIZE, "%d\n", *(int *)kp->arg);
}
static const struct kernel_param_ops even_ops = { .set = even_set, .get = even_get };
module_param_cb(p_even, &even_ops, &even, 0644);

int api_test_sum(int a, int b);
int api_test_sum(int a, int b)
{
	return a + b;
}
EXPORT_SYMBOL(api_test_sum);

/* ---- checks: 0, or the line that failed ---- */

#define EXPECT(cond) do { if (!(cond)) return __LINE__; } while (0)

static DEFINE_PER_CPU(unsigned long, counted) = 7;
static DEFINE_PER_CPU(char, small) = 'x';

static int check_percpu(void)
{
	unsigned long sum = 0;

	this_cpu_add(counted, 3);
	this_cpu_inc(counted);
	for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
		sum += per_cpu(counted, cpu) - 7;
		EXPECT(per_cpu(small, cpu) == 'x');
	}
	EXPECT(sum == 4);
	this_cpu_sub(counted, 4);
	EXPECT(*this_cpu_ptr(small) == 'x');
	return 0;
}

static DECLARE_WAIT_QUEUE_HEAD(changed);
static DECLARE_COMPLETION(finished);
static DEFINE_MUTEX(lock);
static DEFINE_SPINLOCK(spin);
static int runs;
static struct work_struct work;
static struct delayed_work later;
static struct timer_list timer;

static void work_fn(struct work_struct *w)
{
	msleep(5);
	runs++;
	wake_up_all(&changed);
}

static int check_work(void)
{
	runs = 0;
	EXPECT(schedule_work(&work));
	flush_work(&work);
	EXPECT(runs == 1);
	EXPECT(schedule_delayed_work(&later, msecs_to_jiffies(20)));
	EXPECT(!schedule_delayed_work(&later, 1));
	wait_event(&changed, READ_ONCE(runs) == 2);
	EXPECT(schedule_delayed_work(&later, 1000 * HZ));
	EXPECT(cancel_delayed_work_sync(&later));
	EXPECT(!cancel_delayed_work_sync(&later));
	schedule_work(&work);
	cancel_work_sync(&work);
	EXPECT(runs == 2 || runs == 3);
	return 0;
}

static void timer_fn(struct timer_list *t)
{
	runs++;
	complete(&finished);
}

static int check_timers(void)
{
	runs = 0;
	EXPECT(!mod_timer(&timer, jiffies + msecs_to_jiffies(10)));
	wait_for_completion(&finished);
	EXPECT(runs == 1 && !timer_pending(&timer));
	EXPECT(!mod_timer(&timer, jiffies + 1000 * HZ));
	EXPECT(mod_timer(&timer, jiffies + 2000 * HZ) && timer_pending(&timer));
	EXPECT(del_timer_sync(&timer) && !del_timer_sync(&timer));
	EXPECT(runs == 1);
	EXPECT(time_after(jiffies + 1, jiffies) && msecs_to_jiffies(1000) == HZ);
	return 0;
}

static int thread_fn(void *arg)
{
	int *n = arg;

	while (!kthread_should_stop()) {
		mutex_lock(&lock);
		++*n;
		mutex_unlock(&lock);
		wake_up_all(&changed);
		(void)wait_event_interruptible_timeout(&changed, kthread_should_stop(), 2 * NSEC_PER_MSEC);
	}
	return 42;
}

static int short_fn(void *arg)
{
	complete(arg);
	return 0;
}

static int check_threads(void)
{
	struct task_struct *t;
	int n = 0;

	t = kthread_run(thread_fn, &n, "api_test/%d", 1);
	EXPECT(!IS_ERR(t));
	wait_event(&changed, READ_ONCE(n) >= 3);
	EXPECT(kthread_stop(t) == 42);
	t = kthread_create(thread_fn, &n, "api_test/never");
	EXPECT(!IS_ERR(t));
	EXPECT(kthread_stop(t) == -EINTR);
	t = kthread_run(short_fn, &finished, "api_test/short");
	EXPECT(!IS_ERR(t));
	wait_for_completion(&finished);
	return 0;
}

static int check_locks(void)
{
	unsigned long flags;

	mutex_lock(&lock);
	EXPECT(!mutex_trylock(&lock) && mutex_is_locked(&lock));
	mutex_unlock(&lock);
	EXPECT(mutex_trylock(&lock));
	mutex_unlock(&lock);
	spin_lock_irqsave(&spin, flags);
	EXPECT(!spin_trylock(&spin));
	spin_unlock_irqrestore(&spin, flags);
	EXPECT(wait_event_interruptible_timeout(&changed, false, NSEC_PER_MSEC) == 0);
	return 0;
}

static int hello_show(struct seq_file *s, void *v)
{
	seq_printf(s, "hello %s\n", (char *)s->private);
	return 0;
}

static int check_proc(void)
{
	struct proc_dir_entry *d = proc_mkdir("api_test_more", NULL), *e;

	EXPECT(d);
	e = proc_create_single_data("hello", 0444, d, hello_show, "world");
	EXPECT(e);
	remove_proc_entry("hello", d);
	proc_remove(d);
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(void);
} checks[] = {
	{ "percpu", check_percpu }, { "work", check_work }, { "timers", check_timers }, { "threads", check_threads }, { "locks", check_locks },
	{ "proc", check_proc },
};

/* ---- /proc/api_test: list, by an iterator; run ---- */

static void *list_start(struct seq_file *s, loff_t *pos)
{
	return *pos < (loff_t)ARRAY_SIZE(checks) ? (void *)&checks[*pos] : NULL;
}
static void *list_next(struct seq_file *s, void *v, loff_t *pos)
{
	++*pos;
	return list_start(s, pos);
}
static void list_stop(struct seq_file *s, void *v)
{
}
static int list_show(struct seq_file *s, void *v)
{
	seq_printf(s, "%s\n", ((typeof(&checks[0]))v)->name);
	return 0;
}
static const struct seq_operations list_seq = { list_start, list_stop, list_next, list_show };
static int list_open(struct inode *i, struct file *f)
{
	return seq_open(f, &list_seq);
}
static const struct proc_ops list_ops = { .proc_open = list_open, .proc_read = seq_read, .proc_lseek = seq_lseek, .proc_release = seq_release };

static ssize_t run_write(struct file *f, const char __user *buf, size_t n, loff_t *pos)
{
	char name[32];
	int line;

	if (!n || n >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, buf, n))
		return -EFAULT;
	name[n - (name[n - 1] == '\n')] = '\0';
	for (unsigned i = 0; i < ARRAY_SIZE(checks); i++) {
		if (strcmp(checks[i].name, name) != 0)
			continue;
		line = checks[i].fn();
		if (line)
			pr_err("api_test: %s failed at line %d\n", name, line);
		return line ? -EIO : (ssize_t)n;
	}
	return -ENOENT;
}
static const struct proc_ops run_ops = { .proc_write = run_write };

/* ---- /dev/api_test0, 1: a mapping filled page by page, by two kinds of fault handlers ---- */

#define DEVICE_PAGES	8
static struct page *device_pages[DEVICE_PAGES];
static int faults;
static dev_t number;
static struct cdev cdev;
static struct class *class;

static int device_fault(struct vm_fault *f)
{
	if (f->pgoff >= DEVICE_PAGES)
		return VM_FAULT_SIGBUS;
	faults++;
	f->page = device_pages[f->pgoff];
	get_page(f->page);
	return 0;
}
static const struct vm_operations_struct device_vm_ops = { .fault = device_fault };

static int device_mmap(struct file *f, struct vm_area_struct *v)
{
	v->ops = &device_vm_ops;
	return 0;
}
static ssize_t device_read(struct file *f, char __user *buf, size_t n, loff_t *pos)
{
	char text[32];
	int len = ksnprintf(text, sizeof(text), "%d %d\n", faults, (int)(long)f->private_data);

	n = *pos ? 0 : min(n, (size_t)len);
	*pos += (loff_t)n;
	return copy_to_user(buf, text, n) ? -EFAULT : (ssize_t)n;
}
static int device_open(struct inode *i, struct file *f)
{
	f->private_data = (void *)(long)MINOR(i->rdev);
	return 0;
}
static const struct file_operations device_fops = { .owner = THIS_MODULE, .open = device_open, .read = device_read, .mmap = device_mmap };

static void free_pages_of_device(void)
{
	for (unsigned i = 0; i < DEVICE_PAGES; i++)
		if (device_pages[i])
			put_page(device_pages[i]);
}

static int make_device(void)
{
	int err;

	for (unsigned i = 0; i < DEVICE_PAGES; i++) {
		device_pages[i] = alloc_page(GFP_KERNEL | GFP_ZERO);
		if (!device_pages[i])
			return -ENOMEM;
		ksnprintf(page_address(device_pages[i]), PAGE_SIZE, "page %u", i);
	}
	err = alloc_chrdev_region(&number, 0, 2, "api_test");
	if (err)
		return err;
	cdev_init(&cdev, &device_fops);
	err = cdev_add(&cdev, number, 2);
	if (err)
		goto free_region;
	class = class_create(THIS_MODULE, "api_test");
	err = IS_ERR(class) ? (int)PTR_ERR(class) : 0;
	for (int i = 0; i < 2 && !err; i++) {
		struct device *d = device_create(class, NULL, number + i, NULL, "api_test%d", i);

		err = IS_ERR(d) ? (int)PTR_ERR(d) : 0;
	}
	if (!err)
		return 0;
	if (!IS_ERR(class))
		device_destroy(class, number);
	class_destroy(class);
	cdev_del(&cdev);
free_region:
	unregister_chrdev_region(number, 2);
	return err;
}

static void remove_device(void)
{
	device_destroy(class, number);
	device_destroy(class, number + 1);
	class_destroy(class);
	cdev_del(&cdev);
	unregister_chrdev_region(number, 2);
	free_pages_of_device();
}

/* ---- init, exit ---- */

static struct proc_dir_entry *folder;

static int __init api_test_init(void)
{
	int err = -ENOMEM;

	INIT_WORK(&work, work_fn);
	INIT_DELAYED_WORK(&later, work_fn);
	timer_setup(&timer, timer_fn, 0);
	folder = proc_mkdir("api_test", NULL);
	if (!folder)
		return err;
	if (proc_create("list", 0444, folder, &list_ops) && proc_create("run", 0200, folder, &run_ops))
		err = make_device();
	if (!err)
		return 0;
	free_pages_of_device();
	remove_proc_entry("list", folder);
	remove_proc_entry("run", folder);
	proc_remove(folder);
	return err;
}

static int forgotten;

static void __exit api_test_exit(void)
{
	remove_proc_entry("list", folder);
	remove_proc_entry("run", folder);
	proc_remove(folder);
	remove_device();
	for (const char *p = forget; *p; p++) {
		if (*p == 't')
			mod_timer(&timer, jiffies + 1000 * HZ);
		else if (*p == 'w')
			schedule_work(&work);
		else if (*p == 'd')
			schedule_delayed_work(&later, 1000 * HZ);
		else if (*p == 'k')
			(void)kthread_run(thread_fn, &forgotten, "api_test/left");
	}
}

module_init(api_test_init);
module_exit(api_test_exit);
MODULE_LICENSE("MIT");
MODULE_VERSION("1.2");
MODULE_DESCRIPTION("drives the driver API");
