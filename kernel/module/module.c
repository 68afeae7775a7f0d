/*
 * module.c - the life of modules: load, use, unload.
 *
 * LIFE        COMING (built, init runs) -> LIVE -> GOING (exit runs, then everything is freed). Only LIVE ones give symbols.
 * LOCKS       module_lock guards the list, states and the making of uses. It is not held while init and exit run. Faults and
 *             backtraces look at the list without it: a module leaves the list before its memory goes, and other CPUs are not
 *             inside it by then.
 * REFERENCES  held by open files of its devices and by modules that use its symbols. One that is referenced does not unload.
 */
#include <abi/errno.h>
#include <arch/page.h>
#include <kernel/kthread.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/time.h>
#include <kernel/workqueue.h>
#include <lib/string.h>
#include <mm/slab.h>
#include "internal.h"

struct list module_list = LIST_INIT(module_list);
struct mutex module_lock = MUTEX_INIT(module_lock, "modules", LOCK_MOUNT);

struct module *module_find(const char *name)
{
	struct module *m;

	list_for_each(m, &module_list, link)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

static bool part_has(const struct module_part *p, vaddr_t a)
{
	return a >= p->start && a - p->start < p->size;
}

struct module *module_of(vaddr_t address)
{
	struct module *m;

	list_for_each(m, &module_list, link)
		if (part_has(&m->part[PART_TEXT], address) || part_has(&m->part[PART_INIT_TEXT], address))
			return m;
	return NULL;
}

bool module_try_get(struct module *m)
{
	if (!m)
		return true;
	if (READ_ONCE(m->state) == MODULE_GOING)
		return false;
	atomic_inc(&m->refs);
	return true;
}

void module_put(struct module *m)
{
	if (m)
		atomic_dec(&m->refs);
}

void module_layout(const struct module *m, const struct ksym *k, const struct module_version *v, const struct module_param *p,
		   const struct alloc_site *s)
{
}

extern const struct ksym ksymtab_start[], ksymtab_end[];

static const struct ksym *resolve_in_kernel(const char *name)
{
	const struct ksym *low = ksymtab_start, *high = ksymtab_end;

	while (low < high) {
		const struct ksym *k = low + (high - low) / 2;
		int order = strcmp(k->name, name);

		if (!order)
			return k;
		if (order < 0)
			low = k + 1;
		else
			high = k;
	}
	return NULL;
}

const struct ksym *module_resolve(const char *name, struct module **from)
{
	const struct ksym *k = resolve_in_kernel(name);
	struct module *m;

	if (k)
		return k;
	list_for_each(m, &module_list, link) {
		for (unsigned i = 0; m->state == MODULE_LIVE && i < m->nr_exports; i++)
			if (strcmp(m->exports[i].name, name) == 0) {
				*from = m;
				return &m->exports[i];
			}
	}
	return NULL;
}

static void free_init(struct module *m)
{
	m->init_size = m->part[PART_INIT_TEXT].size + m->part[PART_INIT_DATA].size;
	module_part_free(&m->part[PART_INIT_TEXT]);
	module_part_free(&m->part[PART_INIT_DATA]);
	m->part[PART_INIT_TEXT].size = m->part[PART_INIT_DATA].size = 0;
}

/* In the module area. */
static struct module *module_alloc(void)
{
	struct module_part self = { .size = sizeof(struct module) };
	struct module *m;

	if (module_part_alloc(&self))
		return NULL;
	m = (struct module *)self.start;
	m->self = self;
	list_init(&m->link);
	list_init(&m->strings);
	return m;
}

static void module_free(struct module *m)
{
	struct module_part self = m->self;

	mutex_lock(&module_lock);
	if (m->nr_sites)
		ledger_sites_release(m->first_site, m->nr_sites);
	if (m->books)
		ledger_books_close(m->books, m->report);
	mutex_unlock(&module_lock);
	for (unsigned i = 0; i < m->nr_uses; i++)
		module_put(m->uses[i]);
	for (unsigned k = 0; k < NR_PARTS; k++)
		module_part_free(&m->part[k]);
	kfree(m->uses);
	kvfree(m->symbols);
	kvfree(m->symbol_names);
	if (m->percpu)
		module_percpu_free(m->percpu, m->percpu_size);
	module_params_free(m);
	kfree(m->sections);
	kfree(m->version);
	kfree(m->srcversion);
	kfree(m->args);
	module_part_free(&self);
}

/* -EEXIST when it is there, -EBUSY when it is just coming or going. */
static int list_insert_coming(struct module *m)
{
	struct module *old;
	int err = 0;

	mutex_lock(&module_lock);
	old = module_find(m->name);
	if (old)
		err = old->state == MODULE_LIVE ? -EEXIST : -EBUSY;
	else
		list_append(&module_list, &m->link);
	mutex_unlock(&module_lock);
	return err;
}

static void list_leave(struct module *m)
{
	mutex_lock(&module_lock);
	list_remove(&m->link);
	mutex_unlock(&module_lock);
}

/* It is on the list, COMING. */
static int start(struct module *m, const char *args)
{
	int err;

	m->args = kstrdup(args ? args : "", GFP_KERNEL);
	err = m->args ? module_params_parse(m, m->args) : -ENOMEM;
	if (err)
		return err;
	module_sysfs_add(m);
	err = m->init ? m->init() : 0;
	if (err < 0) {
		module_sysfs_remove(m);
		return err;
	}
	if (err)
		pr_warn("%s: init returned %d, which is no error number\n", m->name, err);
	mutex_lock(&module_lock);
	m->state = MODULE_LIVE;
	mutex_unlock(&module_lock);
	free_init(m);
	return 0;
}

int module_load(const void *image, size_t len, const char *args, unsigned flags)
{
	struct module *m = module_alloc();
	int err;

	if (!m)
		return -ENOMEM;
	err = module_build(m, image, len, flags);
	if (!err)
		err = list_insert_coming(m);
	if (err)
		goto free;
	err = start(m, args);
	if (!err)
		return 0;
	list_leave(m);
	module_report_end(m);
free:
	module_free(m);
	return err;
}

static bool timer_lies_in(const struct timer *t, unsigned long start, unsigned long end)
{
	return (unsigned long)t->fn >= start && (unsigned long)t->fn < end;
}

/* What its exit function should have stopped, and did not. */
static void stop_the_rest(struct module *m)
{
	vaddr_t start = m->part[PART_TEXT].start, end = start + m->part[PART_TEXT].size;
	unsigned timers, works;

	kthread_stop_range(m->name, start, end);
	works = works_cancel_range(start, end);
	timers = timers_cancel_if(timer_lies_in, start, end);
	if (works || timers)
		pr_warn("%s: forgotten and cancelled: timers %u, work %u\n", m->name, timers, works);
}

int module_unload(const char *name, bool force)
{
	struct module *m;
	int err = 0;

	mutex_lock(&module_lock);
	m = module_find(name);
	if (!m)
		err = -ENOENT;
	else if (m->state != MODULE_LIVE)
		err = -EBUSY;
	else if (m->init && !m->exit && !force)
		err = -EBUSY;
	else if (atomic_read(&m->refs))
		err = -EWOULDBLOCK;
	else
		m->state = MODULE_GOING;
	mutex_unlock(&module_lock);
	if (err)
		return err;
	if (m->exit)
		m->exit();
	stop_the_rest(m);
	module_sysfs_remove(m);
	list_leave(m);
	module_report_end(m);
	module_free(m);
	return 0;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

const char *module_symbol_at(vaddr_t address, char *text, size_t len, unsigned long *offset, unsigned long *size)
{
	struct module *m = module_of(address);
	const struct module_symbol *best = NULL;

	for (unsigned i = 0; m && i < m->nr_symbols; i++) {
		const struct module_symbol *s = &m->symbols[i];

		if (s->address <= address && (!best || s->address > best->address))
			best = s;
	}
	if (!best)
		return NULL;
	*offset = address - best->address;
	*size = best->size;
	ksnprintf(text, len, "%s [%s]", best->name, m->name);
	return text;
}

/* "name\t[module]", as /proc/kallsyms shows them. */
bool module_symbol_nth(unsigned i, vaddr_t *address, char *kind, char *text, size_t size)
{
	struct module *m;
	bool found = false;

	mutex_lock(&module_lock);
	list_for_each(m, &module_list, link) {
		if (i < m->nr_symbols) {
			*address = m->symbols[i].address;
			*kind = m->symbols[i].kind;
			ksnprintf(text, size, "%s\t[%s]", m->symbols[i].name, m->name);
			found = true;
			break;
		}
		i -= m->nr_symbols;
	}
	mutex_unlock(&module_lock);
	return found;
}
