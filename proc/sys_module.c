/*
 * sys_module.c - init_module, finit_module, delete_module, and what /proc and /sys show of modules.
 *
 * /sys/module/NAME has what kmod's tools read: initstate, refcnt, coresize, initsize, taint, version, holders/, parameters/; and
 * `allocations`, ours: what is alive from each call site.
 */
#include <abi/errno.h>
#include <fs/fs.h>
#include <fs/procfs.h>
#include <kernel/cred.h>
#include <kernel/main.h>
#include <kernel/module.h>
#include <kernel/syscall.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <lib/text.h>
#include <linux/capability.h>
#include <linux/module.h>
#include <mm/slab.h>

#define MAX_ARGS	4096
#define MAX_IMAGE	(64UL << 20)

static int copy_args(const char __user *uargs, char **out)
{
	ssize_t n;
	char *args = kmalloc(MAX_ARGS, GFP_KERNEL);

	if (!args)
		return -ENOMEM;
	n = strncpy_from_user(args, uargs, MAX_ARGS);
	if (n < 0 || n == MAX_ARGS) {
		kfree(args);
		return n < 0 ? (int)n : -ENOENT;	/* too long: Linux's answer is E2BIG's cousin in strndup_user */
	}
	*out = args;
	return 0;
}

static long load(void *image, size_t len, const char __user *uargs, unsigned flags)
{
	char *args = NULL;
	int err = copy_args(uargs, &args);

	if (!err) {
		err = module_load(image, len, args, flags);
		kfree(args);
	}
	kvfree(image);
	return err;
}

SYSCALL(init_module, const void __user *uimage, unsigned long len, const char __user *uargs)
{
	void *image;

	if (!capable(CAP_SYS_MODULE))
		return -EPERM;
	if (len < 64 || len > MAX_IMAGE)
		return -ENOEXEC;
	image = kvmalloc(len, GFP_KERNEL);
	if (!image)
		return -ENOMEM;
	if (copy_from_user(image, uimage, len)) {
		kvfree(image);
		return -EFAULT;
	}
	return load(image, len, uargs, 0);
}

SYSCALL(finit_module, int fd, const char __user *uargs, int flags)
{
	struct file *f;
	void *image;
	loff_t size;
	ssize_t n;

	if (!capable(CAP_SYS_MODULE))
		return -EPERM;
	if (flags & ~(MODULE_INIT_IGNORE_MODVERSIONS | MODULE_INIT_IGNORE_VERMAGIC | 4))
		return -EINVAL;
	if (flags & 4)			/* compressed: kmod unpacks by itself when told so */
		return -EOPNOTSUPP;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	if (!(f->mode & FMODE_READ)) {
		file_put(f);
		return -EBADF;
	}
	if (!S_ISREG(f->inode->mode)) {
		file_put(f);
		return -EINVAL;
	}
	size = f->mapping->size;
	if (size < 64 || size > (loff_t)MAX_IMAGE) {
		file_put(f);
		return -ENOEXEC;
	}
	image = kvmalloc(size, GFP_KERNEL);
	n = image ? file_read_kernel(f, image, size, 0) : -ENOMEM;
	file_put(f);
	if (n != size) {
		kvfree(image);
		return n < 0 ? n : -ENOEXEC;
	}
	return load(image, size, uargs, flags & MODULE_INIT_IGNORE_VERMAGIC ? MODULE_LOAD_FORCE_VERMAGIC : 0);
}

SYSCALL(delete_module, const char __user *uname, unsigned flags)
{
	char name[MODULE_NAME_LEN];
	ssize_t n;

	if (!capable(CAP_SYS_MODULE))
		return -EPERM;
	n = strncpy_from_user(name, uname, sizeof(name));
	if (n < 0)
		return n;
	name[sizeof(name) - 1] = '\0';
	return module_unload(name, flags & 01000 /* O_TRUNC */);
}

/* ---- /proc/modules ------------------------------------------------------------------------------------------------- */

static size_t core_size(const struct module *m)
{
	return PAGE_ALIGN(m->part[PART_TEXT].size) + PAGE_ALIGN(m->part[PART_RODATA].size) + PAGE_ALIGN(m->part[PART_DATA].size);
}

static void users_text(struct text *out, const struct module *m, const char *separator)
{
	struct module *other;

	list_for_each(other, &module_list, link)
		for (unsigned i = 0; i < other->nr_uses; i++)
			if (other->uses[i] == m)
				text_printf(out, "%s%s", other->name, separator);
}

static bool has_users(const struct module *m)
{
	struct module *other;

	list_for_each(other, &module_list, link)
		for (unsigned i = 0; i < other->nr_uses; i++)
			if (other->uses[i] == m)
				return true;
	return false;
}

/* name size refs users, state address */
static int modules_show(struct text *out, void *arg)
{
	static const char *const states[] = { "Loading", "Live", "Unloading" };
	struct module *m;

	mutex_lock(&module_lock);
	for (struct list *at = module_list.prev; at != &module_list; at = at->prev) {	/* newest first, as Linux */
		m = list_entry(at, struct module, link);
		text_printf(out, "%s %zu %d ", m->name, core_size(m), atomic_read(&m->refs));
		users_text(out, m, ",");
		text_printf(out, "%s %s 0x%016lx%s\n", has_users(m) ? "" : "-", states[m->state],
			    capable(CAP_SYSLOG) ? m->part[PART_TEXT].start : 0UL, m->forced ? " (OF)" : " (O)");
	}
	mutex_unlock(&module_lock);
	return 0;
}

/* ---- /sys/module/NAME ------------------------------------------------------------------------------------------------ */

enum { FILE_STATE, FILE_REFS, FILE_CORE, FILE_INIT, FILE_TAINT, FILE_VERSION, FILE_ALLOCATIONS, NR_FILES };
static const char *const file_names[NR_FILES] = {
	"initstate", "refcnt", "coresize", "initsize", "taint", "version", "allocations",
};

/* Registered for good, one set for each name a module ever had; they speak of whoever bears the name now. */
struct sys_files {
	struct list		link;
	char			name[MODULE_NAME_LEN];
	char			paths[NR_FILES][MODULE_NAME_LEN + 24];
	struct proc_file	files[NR_FILES];
	struct { struct sys_files *of; unsigned what; } args[NR_FILES];
};
static struct list known = LIST_INIT(known);	/* module_lock */

static int file_text(struct text *out, const struct module *m, unsigned what)
{
	static const char *const states[] = { "coming", "live", "going" };

	switch (what) {
	case FILE_STATE:
		text_printf(out, "%s\n", states[m->state]);
		return 0;
	case FILE_REFS:
		text_printf(out, "%d\n", atomic_read(&m->refs));
		return 0;
	case FILE_CORE:
		text_printf(out, "%zu\n", core_size(m));
		return 0;
	case FILE_INIT:
		text_printf(out, "%zu\n", m->part[PART_INIT_TEXT].size + m->part[PART_INIT_DATA].size);
		return 0;
	case FILE_TAINT:
		text_puts(out, "O\n");
		return 0;
	case FILE_VERSION:
		text_printf(out, "%s\n", m->version ? m->version : "");
		return 0;
	default:
		return module_allocations_text(m, out);
	}
}

static int sys_show(struct text *out, void *arg)
{
	struct { struct sys_files *of; unsigned what; } *a = arg;
	struct module *m;
	int err = -ENOENT;

	mutex_lock(&module_lock);
	m = module_find(a->of->name);
	if (m)
		err = file_text(out, m, a->what);
	mutex_unlock(&module_lock);
	return err;
}

struct param_file {
	struct proc_file	file;
	struct sys_files	*of;
	char			param[64], path[MODULE_NAME_LEN + 100];
};

static int param_show(struct text *out, void *arg)
{
	struct param_file *pf = arg;
	char value[256];
	struct module *m;
	int err = -ENOENT;

	mutex_lock(&module_lock);
	m = module_find(pf->of->name);
	for (unsigned i = 0; m && i < m->nr_params; i++) {
		if (strcmp(m->params[i].name, pf->param) == 0) {
			module_param_text(&m->params[i], value, sizeof(value));
			text_puts(out, value);
			err = 0;
		}
	}
	mutex_unlock(&module_lock);
	return err;
}

static struct sys_files *files_of(const char *name)
{
	struct sys_files *s;

	list_for_each(s, &known, link)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

static void register_params(struct sys_files *s, const struct module *m)
{
	for (unsigned i = 0; i < m->nr_params; i++) {
		struct param_file *pf = m->params[i].mode ? kzalloc(sizeof(*pf), GFP_KERNEL | GFP_NOACCOUNT) : NULL;

		if (!pf)
			continue;
		pf->of = s;
		strscpy(pf->param, m->params[i].name, sizeof(pf->param));
		ksnprintf(pf->path, sizeof(pf->path), "module/%s/parameters/%s", s->name, pf->param);
		pf->file = (struct proc_file){ .path = pf->path, .mode = m->params[i].mode & 0444, .show = param_show, .arg = pf };
		sysfs_register(&pf->file);
	}
}

static struct sys_files *sys_files_create(const struct module *m)
{
	struct sys_files *s = kzalloc(sizeof(*s), GFP_KERNEL | GFP_NOACCOUNT);
	char holders[MODULE_NAME_LEN + 24];

	if (!s)
		return NULL;
	strscpy(s->name, m->name, sizeof(s->name));
	for (unsigned i = 0; i < NR_FILES; i++) {
		ksnprintf(s->paths[i], sizeof(s->paths[i]), "module/%s/%s", s->name, file_names[i]);
		s->args[i].of = s;
		s->args[i].what = i;
		s->files[i] = (struct proc_file){ .path = s->paths[i], .mode = 0444, .show = sys_show, .arg = &s->args[i] };
		sysfs_register(&s->files[i]);
	}
	ksnprintf(holders, sizeof(holders), "module/%s/holders", s->name);
	sysfs_mkdir(holders);
	register_params(s, m);
	list_append(&known, &s->link);
	return s;
}

static void show_directory(const char *name, bool show)
{
	char path[MODULE_NAME_LEN + 8];

	ksnprintf(path, sizeof(path), "module/%s", name);
	sysfs_hide(path, !show);
}

void module_sysfs_add(struct module *m)
{
	mutex_lock(&module_lock);
	if (files_of(m->name) || sys_files_create(m))
		show_directory(m->name, true);
	mutex_unlock(&module_lock);
}

void module_sysfs_remove(struct module *m)
{
	mutex_lock(&module_lock);
	if (files_of(m->name))
		show_directory(m->name, false);
	mutex_unlock(&module_lock);
}

static int ledger_show(struct text *out, void *arg)
{
	int err;

	mutex_lock(&module_lock);
	err = modules_ledger_text(out);
	mutex_unlock(&module_lock);
	return err;
}

static int module_files_init(void)
{
	static const struct proc_file ledger = { .path = "ledger/modules", .mode = 0444, .show = ledger_show };
	static const struct proc_file modules = { .path = "modules", .mode = 0444, .show = modules_show };

	proc_register(&modules);
	proc_register(&ledger);
	sysfs_mkdir("module");
	return 0;
}
initcall(module_files_init, 2);
