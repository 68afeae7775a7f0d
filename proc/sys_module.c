/*
 * sys_module.c - init_module, finit_module, delete_module, and what /proc and /sys show of modules.
 *
 * /sys/module/NAME has what kmod's tools read: initstate, refcnt, coresize, initsize, taint, version, srcversion, holders/, parameters/, sections/; and
 * `allocations`, ours: what is alive from each call site.
 */
#include <abi/errno.h>
#include <fs/fs.h>
#include <fs/procfs.h>
#include <kernel/cred.h>
#include <kernel/main.h>
#include <kernel/module.h>
#include <arch/page.h>
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
	return load(image, size, uargs, flags);		/* MODULE_LOAD_* are MODULE_INIT_IGNORE_* */
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
			    capable(CAP_SYSLOG) ? m->part[PART_TEXT].start : 0UL, m->forced ? " (FO)" : " (O)");
	}
	mutex_unlock(&module_lock);
	return 0;
}

/* ---- /sys/module/NAME ------------------------------------------------------------------------------------------------ */

enum { FILE_STATE, FILE_REFS, FILE_CORE, FILE_INIT, FILE_TAINT, FILE_ALLOCATIONS, FILE_VERSION, FILE_SRCVERSION, NR_FILES };
static const char *const file_names[NR_FILES] = {
	"initstate", "refcnt", "coresize", "initsize", "taint", "allocations", "version", "srcversion",
};

struct sys_files;
struct sys_file {
	struct proc_file	file;
	struct sys_files	*of;
	struct sys_file		*next;
	unsigned		what;
	char			*name;		/* of a parameter or section: in path */
	char			path[];
};

/*
 * One for each name a module ever had; the files speak of whoever bears the name now. They are made anew only for a module that looks
 * different (`shape`) from the one before; then the old ones wait until nobody has them open.
 */
struct sys_files {
	struct list	link;
	char		name[MODULE_NAME_LEN];
	char		target[MODULE_NAME_LEN + 8];	/* of the links in others' holders/ */
	u64		shape;
	atomic_t	opens;
	struct sys_file	*files, *old;
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
		text_puts(out, m->forced ? "FO\n" : "O\n");
		return 0;
	case FILE_VERSION:
	case FILE_SRCVERSION:
		text_printf(out, "%s\n", what == FILE_VERSION ? m->version : m->srcversion);
		return 0;
	default:
		return module_allocations_text(m, out);
	}
}

static int sys_show(struct text *out, void *arg)
{
	struct sys_file *f = arg;
	struct module *m;
	int err = -ENOENT;

	mutex_lock(&module_lock);
	m = module_find(f->of->name);
	if (m && (f->what != FILE_VERSION || m->version) && (f->what != FILE_SRCVERSION || m->srcversion))
		err = file_text(out, m, f->what);
	mutex_unlock(&module_lock);
	return err;
}

/* module_lock held. */
static const struct module_param *param_of(const struct sys_file *f, struct module *m)
{
	for (unsigned i = 0; m && m->state != MODULE_GOING && i < m->nr_params; i++)
		if (strcmp(m->params[i].name, f->name) == 0)
			return &m->params[i];
	return NULL;
}

static int param_show(struct text *out, void *arg)
{
	struct sys_file *f = arg;
	char *page = kmalloc(PAGE_SIZE, GFP_KERNEL);
	const struct module_param *p;
	int n = page ? -ENOENT : -ENOMEM;

	mutex_lock(&module_lock);
	p = page ? param_of(f, module_find(f->of->name)) : NULL;
	if (p)
		n = module_param_text(p, page);
	mutex_unlock(&module_lock);
	if (n > 0)
		text_write(out, page, (size_t)n);
	kfree(page);
	return min(n, 0);
}

static ssize_t param_write(const char *buf, size_t n, void *arg)
{
	struct sys_file *f = arg;
	const struct module_param *p;
	struct module *m;
	int err = -ENOENT;

	mutex_lock(&module_lock);
	m = module_find(f->of->name);
	p = param_of(f, m);
	if (p)
		err = module_param_set(m, p, buf);
	mutex_unlock(&module_lock);
	return err ? err : (ssize_t)n;
}

static int section_show(struct text *out, void *arg)
{
	struct sys_file *f = arg;
	struct module *m;
	int err = -ENOENT;

	mutex_lock(&module_lock);
	m = module_find(f->of->name);
	for (unsigned i = 0; m && i < m->nr_sections; i++)
		if (strcmp(m->sections[i].name, f->name) == 0) {
			text_printf(out, "0x%016lx\n", capable(CAP_SYSLOG) ? m->sections[i].address : 0UL);
			err = 0;
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

/* module/NAME/FOLDER/LEAF; no memory: a file less. */
static void add_file(struct sys_files *s, const char *folder, const char *leaf, struct proc_file how, unsigned what)
{
	size_t room = strlen(s->name) + strlen(folder) + strlen(leaf) + 10;
	struct sys_file *f = kzalloc(sizeof(*f) + room, GFP_KERNEL | GFP_NOACCOUNT);

	if (!f)
		return;
	ksnprintf(f->path, room, "module/%s/%s%s", s->name, folder, leaf);
	f->name = f->path + strlen(f->path) - strlen(leaf);
	f->of = s;
	f->what = what;
	f->file = how;
	f->file.path = f->path;
	f->file.arg = f;
	f->file.opens = &s->opens;
	if (sysfs_try_register(&f->file)) {
		kfree(f);
		return;
	}
	f->next = s->files;
	s->files = f;
}

static void add_files(struct sys_files *s, const struct module *m)
{
	char holders[MODULE_NAME_LEN + 24];

	for (unsigned i = 0; i < NR_FILES; i++)
		if ((i != FILE_VERSION || m->version) && (i != FILE_SRCVERSION || m->srcversion))
			add_file(s, "", file_names[i], (struct proc_file){ .mode = 0444, .show = sys_show }, i);
	for (unsigned i = 0; i < m->nr_params; i++)
		if (m->params[i].mode)
			add_file(s, "parameters/", m->params[i].name, (struct proc_file){ .mode = m->params[i].mode & 0666, .show = param_show,
				 .write = m->params[i].mode & 0222 ? param_write : NULL }, 0);
	for (unsigned i = 0; i < m->nr_sections; i++)
		add_file(s, "sections/", m->sections[i].name, (struct proc_file){ .mode = 0400, .show = section_show }, 0);
	ksnprintf(holders, sizeof(holders), "module/%s/holders", s->name);
	(void)!sysfs_try_mkdir(holders);
}

static u64 shape_text(u64 h, const char *s)
{
	while (*s)
		h = (h ^ (u8)*s++) * 0x100000001b3ull;
	return (h ^ '/') * 0x100000001b3ull;
}

/* What files a module has. */
static u64 shape_of(const struct module *m)
{
	u64 h = m->version ? 2 : 1;

	h = h * 2 + (m->srcversion != NULL);
	for (unsigned i = 0; i < m->nr_params; i++)
		h = shape_text(h, m->params[i].name) + m->params[i].mode;
	for (unsigned i = 0; i < m->nr_sections; i++)
		h = shape_text(h, m->sections[i].name);
	return h;
}

static void free_files(struct sys_file **list)
{
	while (*list) {
		struct sys_file *f = *list;

		*list = f->next;
		kfree(f);
	}
}

/* What the one before looked like is gone for lookups. */
static void renew_files(struct sys_files *s, const struct module *m)
{
	char path[MODULE_NAME_LEN + 8];
	struct sys_file **end = &s->files;

	ksnprintf(path, sizeof(path), "module/%s", s->name);
	sysfs_unregister(path);
	while (*end)
		end = &(*end)->next;
	*end = s->old;
	s->old = s->files;
	s->files = NULL;
	if (!atomic_read(&s->opens))
		free_files(&s->old);
	add_files(s, m);
	s->shape = shape_of(m);
}

static struct sys_files *sys_files_create(const char *name)
{
	struct sys_files *s = kzalloc(sizeof(*s), GFP_KERNEL | GFP_NOACCOUNT);

	if (!s)
		return NULL;
	strscpy(s->name, name, sizeof(s->name));
	ksnprintf(s->target, sizeof(s->target), "../../%s", name);
	list_append(&known, &s->link);
	return s;
}

/* m's place in the holders/ of those it uses. */
static void link_holders(const struct module *m, const struct sys_files *s, bool on)
{
	char path[2 * MODULE_NAME_LEN + 24];

	for (unsigned i = 0; i < m->nr_uses; i++) {
		ksnprintf(path, sizeof(path), "module/%s/holders/%s", m->uses[i]->name, m->name);
		if (on)
			(void)!sysfs_try_symlink(path, s->target);
		else
			sysfs_unregister(path);
	}
}

static void show_directory(const char *name, bool show)
{
	char path[MODULE_NAME_LEN + 8];

	ksnprintf(path, sizeof(path), "module/%s", name);
	sysfs_hide(path, !show);
}

void module_sysfs_add(struct module *m)
{
	struct sys_files *s;

	mutex_lock(&module_lock);
	s = files_of(m->name);
	if (!s)
		s = sys_files_create(m->name);
	if (s && s->shape != shape_of(m))
		renew_files(s, m);
	if (s) {
		show_directory(m->name, true);
		link_holders(m, s, true);
	}
	mutex_unlock(&module_lock);
}

void module_sysfs_remove(struct module *m)
{
	struct sys_files *s;

	mutex_lock(&module_lock);
	s = files_of(m->name);
	if (s) {
		link_holders(m, s, false);
		show_directory(m->name, false);
	}
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
