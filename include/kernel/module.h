/*
 * module.h - loadable modules, for the kernel's own use. Drivers include <drivers/driver.h>.
 * Border: open to arch.
 */
#ifndef KERNEL_MODULE_H
#define KERNEL_MODULE_H

#include <kernel/lock.h>
#include <lib/list.h>
#include <mm/ledger.h>

#define MODULE_NAME_LEN	56		/* as Linux on 64 bits */

enum module_state { MODULE_COMING, MODULE_LIVE, MODULE_GOING };
enum module_part_kind { PART_TEXT, PART_RODATA, PART_DATA, PART_INIT_TEXT, PART_INIT_DATA, NR_PARTS };

/* Memory of one protection, in the module area. */
struct module_part {
	vaddr_t		start;
	size_t		size;			/* bytes used; whole pages are mapped */
};

struct ksym {				/* an exported symbol: section __ksymtab */
	unsigned long	address;
	const char	*name;
};

/* A parameter: section __param. kind is a letter: i u l L b c(harp) s S B(yte) */
struct module_param {
	const char	*name;
	void		*value;
	u16		kind, mode;		/* mode: of /sys/module/NAME/parameters/PARAM; 0: none */
};

struct module_symbol {			/* for backtraces and /proc/kallsyms */
	vaddr_t		address;
	u32		size;
	char		kind;
	const char	*name;
};

struct module {
	struct list		link;		/* in the list of modules */
	char			name[MODULE_NAME_LEN];
	enum module_state	state;
	atomic_t		refs;		/* users: open files, other modules */
	int			(*init)(void);
	void			(*exit)(void);
	struct module_part	part[NR_PARTS];
	const struct ksym	*exports;
	unsigned		nr_exports;
	const struct ex_entry	*ex_table;
	unsigned		nr_ex;
	struct module_param	*params;
	unsigned		nr_params;
	struct module_symbol	*symbols;	/* by address; names in symbol_names */
	unsigned		nr_symbols;
	char			*symbol_names;
	struct module		**uses;		/* modules whose symbols it uses */
	unsigned		nr_uses;
	unsigned		first_site, nr_sites;	/* its call sites in the ledger's table */
	char			*version;	/* from .modinfo; may be NULL */
	bool			forced;		/* vermagic ignored */
	char			*args;		/* parameter text: charp values point into it */
};

/* From a copy of the .ko in kernel memory. May sleep. 0, -ENOEXEC, -ENOENT (symbol), -EEXIST, -EBUSY, -ENOMEM, -EINVAL, or init's error. */
enum { MODULE_LOAD_FORCE_VERMAGIC = 2 };
int module_load(const void *image, size_t len, const char *args, unsigned flags) must_check;
/* 0, -ENOENT, -EBUSY, -EWOULDBLOCK. */
int module_unload(const char *name, bool force) must_check;

bool module_try_get(struct module *m);	/* NULL: true. False when it is going away */
void module_put(struct module *m);

/* Internals shared by kernel/module/ and the machine layer. */
extern struct list module_list;
extern struct mutex module_lock;	/* the list, states, uses */
struct module *module_find(const char *name);		/* module_lock held */
struct module *module_of(vaddr_t address);		/* no lock: for faults and backtraces */
int module_params_parse(struct module *m, char *args) must_check;
int module_param_text(const struct module_param *p, char *buf, size_t size);
/* border, defined by proc/: /sys/module/NAME */
void module_sysfs_add(struct module *m);
void module_sysfs_remove(struct module *m);
/* "leaky: 3 objects, 1216 bytes not freed: …" into buf; the number of things alive. */
long module_alive_text(const struct module *m, char *buf, size_t size);
/* One line a call site: what is alive and what was, for /sys/module/NAME/allocations. */
struct text;
int module_allocations_text(const struct module *m, struct text *out);
const char *module_symbol_at(vaddr_t address, unsigned long *offset, unsigned long *size);	/* "name [module]"; NULL */
bool module_symbol_nth(unsigned i, vaddr_t *address, char *kind, char *text, size_t size);	/* of all modules in turn */
unsigned long module_resolve(const char *name, struct module **from);	/* 0: nobody exports it; module_lock held */

/* arch: memory near the kernel image, relocations. */
int module_part_alloc(struct module_part *p) must_check;	/* p->size is set; mapped read-write, cleared. 0 or -ENOMEM */
void module_part_free(struct module_part *p);
void module_part_protect(const struct module_part *p, enum module_part_kind kind);
/* One relocation at `place` (which lies in writable memory): 0, or -ENOEXEC for an unknown type or a value that does not fit. */
int module_relocate(unsigned type, void *place, u64 value, s64 addend) must_check;
unsigned module_reloc_width(unsigned type);		/* bytes it writes; 0: unknown type */
void module_patch_user_access(s32 *sites, unsigned n);

/* mm/: call sites of modules live in spare slots of the kernel's table. */
struct alloc_site *ledger_sites_reserve(unsigned n, unsigned *first);	/* NULL when the table is full */
void ledger_sites_release(unsigned first, unsigned n);	/* those that still have live bytes keep their slot and names */
struct module_usage {
	long	objects, bytes, pages;		/* live now: slab objects and their bytes; pages of other kinds */
	long	peak_pages, calls;
};
/* For each site in [first, first + n): fn(arg, site, usage, name of the cache the objects are in or NULL). -ENOMEM or 0. */
int ledger_sites_usage(unsigned first, unsigned n,
		       void (*fn)(void *arg, const struct alloc_site *s, const char *cache, const struct module_usage *u), void *arg);

#endif
