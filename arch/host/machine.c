/*
 * machine.c - RAM, start-up, CPUs and sleeping of the host machine.
 *
 * RAM         a memory file, mapped at page_offset_base where the configuration has RAM; vmalloc maps the same pages once
 *             more at its own addresses, so kernel code simply dereferences both.
 * CPUS        threads. Each has its own copy of the per-CPU section and an interrupt lock (<arch/cpu.h>).
 * TASKS       one per CPU. Sleeping is waiting on a condition until somebody makes the task running again; the locks and wait
 *             queues above it are the kernel's own, with their rank checks.
 */
#include <arch/cpu.h>
#include <arch/layout.h>
#include <arch/mmu.h>
#include <kernel/boot_info.h>
#include <kernel/cpu.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/stop.h>
#include <lib/string.h>
#include <mm/memblock.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include "host.h"
#include "machine.h"
#include "os.h"

extern char __start_percpu[], __stop_percpu[];

unsigned long page_offset_base, vmalloc_base, vmemmap_base;
bool pgtable_l5;
unsigned long percpu_offset[MAX_CPUS];
__thread unsigned long host_percpu_offset;
__thread struct task *host_current;
DEFINE_PER_CPU(unsigned, cpu_number);
unsigned nr_cpus = 1;
u64 cpu_online_mask = 1;
struct boot_info boot_info;
bool host_verbose;
struct task boot_task;
struct slab_cache *task_cache;		/* tasks are threads here: none has a stack of ours */
bool host_expect_panic, host_started;

struct host_cpu host_cpus[MAX_CPUS];
static __thread bool irqs_off;

/* ---- interrupts ----------------------------------------------------------------------------------------------- */

static struct host_cpu *this_host_cpu(void)
{
	return &host_cpus[cpu_id()];
}

void irq_disable(void)
{
	if (!irqs_off)
		os_mutex_lock(&this_host_cpu()->irq);
	irqs_off = true;
}

void irq_enable(void)
{
	if (irqs_off)
		os_mutex_unlock(&this_host_cpu()->irq);
	irqs_off = false;
}

bool irqs_enabled(void)
{
	return !irqs_off;
}

unsigned long irq_save(void)
{
	bool on = !irqs_off;

	irq_disable();
	return on;
}

void irq_restore(unsigned long on)
{
	if (on)
		irq_enable();
}

/* Run fn in the name of each other CPU, while it is kept from running handlers' data itself. */
void cpu_call(u64 mask, void (*fn)(void *arg), void *arg)
{
	unsigned self = cpu_id();
	unsigned long offset = host_percpu_offset;

	for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
		if (cpu == self || !(mask >> cpu & 1))
			continue;
		os_mutex_lock(&host_cpus[cpu].irq);
		host_percpu_offset = percpu_offset[cpu];
		irqs_off = true;
		fn(arg);
		irqs_off = false;
		host_percpu_offset = offset;
		os_mutex_unlock(&host_cpus[cpu].irq);
	}
}

void cpu_relax(void)
{
	os_yield();
}

u64 rdtsc(void)
{
	return (u64)os_time_ns();
}

/* ---- sleeping --------------------------------------------------------------------------------------------------- */

static void task_setup(struct task *t, unsigned cpu)
{
	struct host_thread *h = &host_cpus[cpu].thread;

	memset(t, 0, sizeof(*t));
	os_mutex_init(&h->lock);
	os_cond_init(&h->cond);
	t->arch.host = h;
	t->cpu = (int)cpu;
	t->cpus_allowed = ~0UL;
	atomic_set(&t->refs, 1);
	ksnprintf(t->comm, sizeof(t->comm), "host/%u", cpu);
}

void schedule(void)
{
	(void)schedule_timeout(KTIME_MAX);
}

ktime_t schedule_timeout(ktime_t timeout)
{
	struct task *t = current;
	struct host_thread *h = t->arch.host;
	ktime_t end = timeout == KTIME_MAX ? KTIME_MAX : os_time_ns() + timeout, left = timeout;

	os_mutex_lock(&h->lock);
	while (READ_ONCE(t->state) != TASK_RUNNING && left > 0) {
		os_cond_wait(&h->cond, &h->lock, timeout == KTIME_MAX ? -1 : left);
		if (timeout != KTIME_MAX)
			left = end - os_time_ns();
	}
	WRITE_ONCE(t->state, TASK_RUNNING);
	os_mutex_unlock(&h->lock);
	return timeout == KTIME_MAX ? KTIME_MAX : max(left, (ktime_t)0);
}

bool task_wake_states(struct task *t, unsigned states)
{
	struct host_thread *h = t->arch.host;
	bool slept;

	os_mutex_lock(&h->lock);
	slept = BIT(READ_ONCE(t->state)) & states;
	if (slept) {
		WRITE_ONCE(t->state, TASK_RUNNING);
		os_cond_signal(&h->cond);
	}
	os_mutex_unlock(&h->lock);
	return slept;
}

bool task_wake(struct task *t)
{
	return task_wake_states(t, BIT(TASK_INTERRUPTIBLE) | BIT(TASK_UNINTERRUPTIBLE) | BIT(TASK_KILLABLE));
}

void cond_resched_slow(void)
{
	os_yield();
}

bool signal_pending(void)
{
	return false;
}

bool fatal_signal_pending(void)
{
	return false;
}

/* The audit: tests run it while no other CPU is at work. */
int stop_machine(void (*fn)(void *arg), void *arg)
{
	fn(arg);
	return 0;
}

ktime_t ktime_get(void)
{
	return os_time_ns();
}

ktime_t ktime_get_real(void)
{
	return os_time_ns();
}

/* ---- talking ---------------------------------------------------------------------------------------------------- */

void vprintk(enum log_level level, const char *fmt, va_list ap)
{
	char line[8192] = "# ";
	int n;

	if (!host_verbose && (level > LOG_ERR || host_expect_panic))
		return;
	n = kvsnprintf(line + 2, sizeof(line) - 2, fmt, ap);
	os_log(line, min((size_t)n + 2, sizeof(line) - 1));
}

void printk(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(level, fmt, ap);
	va_end(ap);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(LOG_EMERG, fmt, ap);
	va_end(ap);
	if (host_expect_panic)
		os_exit(HOST_PANIC_STATUS);
	os_log("\n", 1);
	os_abort();
}

void bug_at(const char *what, const char *file, int line)
{
	panic("%s:%d: %s", file, line, what);
}

void warn_at(const char *what, const char *file, int line)
{
	panic("%s:%d: WARN_ON: %s", file, line, what);	/* a test that warns has failed */
}

bool cmdline_get(const char *name, char *value, size_t size)
{
	return false;
}
bool cmdline_has(const char *name)
{
	return false;
}
u64 cmdline_get_size(const char *name, u64 otherwise)
{
	return otherwise;
}

/* ---- starting --------------------------------------------------------------------------------------------------- */

static char *pristine;		/* the per-CPU section as linked */

static void cpu_setup(unsigned cpu)
{
	size_t size = (size_t)(__stop_percpu - __start_percpu);
	char *copy = __start_percpu;

	if (cpu) {
		copy = os_reserve(size, PAGE_SIZE);
		os_commit(copy, ALIGN_UP(size, PAGE_SIZE));
		memcpy(copy, pristine, size);
	}
	percpu_offset[cpu] = (unsigned long)copy - (unsigned long)__start_percpu;
	*per_cpu_ptr(cpu_number, cpu) = cpu;
	os_mutex_init(&host_cpus[cpu].irq);
	task_setup(cpu ? &host_cpus[cpu].task : &boot_task, cpu);
}

static const struct host_config pc = { .ram = { { 0, KIB(640) }, { MIB(1), MIB(15) } } };

static void ram_setup(const struct host_config *c)
{
	struct boot_info *b = &boot_info;
	u64 top = 0, used = 0;

	for (unsigned i = 0; c->ram[i].len; i++)
		top = max(top, c->ram[i].start + c->ram[i].len);
	page_offset_base = (unsigned long)os_reserve(top, MIB(4));
	vmalloc_base = (unsigned long)os_reserve(HOST_VMALLOC_SIZE, MIB(2));
	vmemmap_base = (unsigned long)os_reserve((ALIGN_UP(top, MIB(4)) >> PAGE_SHIFT) * sizeof(struct page), PAGE_SIZE);
	os_ram_create(top);
	for (unsigned i = 0; c->ram[i].len; i++) {
		const struct host_ram *r = &c->ram[i];

		os_ram_map(phys_to_virt(r->start), r->start, r->len);
		b->ranges[b->nr_ranges++] = (struct boot_range){ r->start, r->start + r->len, BOOT_RAM };
		used += r->len;
	}
	memblock_init(b);
	host_mmu_start();
}

void host_start(const struct host_config *c)
{
	static char copy[1 << 16];

	if (!c || !c->ram[0].len) {
		static struct host_config with_ram;

		with_ram = c ? *c : pc;
		memcpy(with_ram.ram, pc.ram, sizeof(pc.ram));
		c = &with_ram;
	}
	assert((size_t)(__stop_percpu - __start_percpu) <= sizeof(copy));
	memcpy(copy, __start_percpu, __stop_percpu - __start_percpu);
	pristine = copy;
	nr_cpus = c->nr_cpus ? c->nr_cpus : 1;
	cpu_online_mask = nr_cpus == 64 ? ~0ull : (1ull << nr_cpus) - 1;
	for (unsigned cpu = 0; cpu < nr_cpus; cpu++)
		cpu_setup(cpu);
	host_current = &boot_task;
	ram_setup(c);
	page_alloc_init();
	slab_init();
	vmalloc_init();
	ledger_init();
	if (!c->no_mm && host_mm_start)
		host_mm_start();
	host_started = true;
}

struct on_cpu {
	void	(*fn)(unsigned cpu, void *arg);
	void	*arg;
	unsigned cpu;
};

static void cpu_thread(void *p)
{
	struct on_cpu *o = p;

	host_percpu_offset = percpu_offset[o->cpu];
	host_current = o->cpu ? &host_cpus[o->cpu].task : &boot_task;
	o->fn(o->cpu, o->arg);
}

void host_on_cpus(unsigned n, void (*fn)(unsigned cpu, void *arg), void *arg)
{
	struct on_cpu on[MAX_CPUS];
	void *threads[MAX_CPUS];

	assert(n <= nr_cpus);
	for (unsigned i = 0; i < n; i++)
		on[i] = (struct on_cpu){ fn, arg, i };
	for (unsigned i = 1; i < n; i++)
		threads[i] = os_thread_start(cpu_thread, &on[i]);
	fn(0, arg);
	for (unsigned i = 1; i < n; i++)
		os_thread_join(threads[i]);
}
