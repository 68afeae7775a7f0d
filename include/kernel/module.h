/*
 * module.h - loadable modules, for the kernel's own use. Drivers include <drivers/driver.h>.
 * Border: open to arch.
 */
#ifndef KERNEL_MODULE_H
#define KERNEL_MODULE_H

#include <kernel/lock.h>
#include <kernel/task.h>
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

struct ksym {				/* an exported symbol: section __ksymtab; the kernel's own are sorted by name */
	unsigned long	address;
	const char	*name;
	unsigned long	crc;		/* its version: tools/symvers.py. 0: none is known */
};

struct module_version {			/* what a module expects of a symbol: section __versions, as Linux has it */
	u64	crc;
	char	name[56];
};

/* A parameter: section __param. kind is a letter: i u l L b c(harp) s S B(yte) x(hex) I(nverted bool) t(ext) o(ps) */
struct module_param;
struct module_param_ops {
	int	(*set)(const char *text, const struct module_param *p);
	int	(*get)(char *page, const struct module_param *p);	/* bytes printed, or -errno */
};
struct module_param {
	const char	*name;
	union {
		void	*value;
		void	*arg;
	};
	u16		kind, mode;		/* mode: of /sys/module/NAME/parameters/PARAM; 0: none */
	u32		max;			/* an array's elements, a text's bytes; 0: one value */
	u32		step;			/* an array's: bytes of an element */
	unsigned	*count;			/* an array's: how many were given; may be NULL */
	const struct module_param_ops *ops;
};

struct module_section {
	const char	*name;
	vaddr_t		address;
};

struct module_symbol {			/* for backtraces and /proc/kallsyms */
	vaddr_t		address;
	u32		size;
	char		kind;
	const char	*name;
};

struct module {
	struct list		link;		/* in the list of modules */
	struct module_part	self;		/* where this stands: code refers to THIS_MODULE by 32 bits */
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
	unsigned		nr_symbols, nr_init_symbols;	/* those of init parts come last: nobody else sees them */
	char			*symbol_names;
	struct module		**uses;		/* modules whose symbols it uses */
	unsigned		nr_uses;
	unsigned		first_site, nr_sites;	/* its call sites in the ledger's table */
	unsigned		books;			/* its number there */
	char			*report;		/* at unload: for those who ask later */
	size_t			bss_size, init_size;	/* init: what was freed after init */
	char			*version;	/* from .modinfo; may be NULL */
	bool			forced;		/* vermagic ignored */
	char			*srcversion;	/* the same */
	char			*args;		/* parameter text: charp values point into it */
	struct list		strings;	/* those written later: params.c */
	struct module_section	*sections;	/* names behind the table; NULL when there was no memory for it */
	unsigned		nr_sections;
	vaddr_t			percpu;		/* its per-CPU variables: the boot CPU's */
	size_t			percpu_size;
};

/* From a copy of the .ko in kernel memory. May sleep. 0, -ENOEXEC, -ENOENT (symbol), -EEXIST, -EBUSY, -ENOMEM, -EINVAL, or init's error. */
enum { MODULE_LOAD_FORCE_VERSIONS = 1, MODULE_LOAD_FORCE_VERMAGIC = 2 };	/* MODULE_INIT_IGNORE_* */
/* The symbol that stands for the layout of what a module and the kernel share before anything is called; does nothing. */
void module_layout(const struct module *m, const struct ksym *k, const struct module_version *v, const struct module_param *p,
		   const struct alloc_site *s);
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
int module_param_set(struct module *m, const struct module_param *p, const char *text) must_check;	/* module_lock held */
int module_param_text(const struct module_param *p, char *page);	/* a page */
void module_params_free(struct module *m);
/* border, defined by proc/: /sys/module/NAME */
void module_sysfs_add(struct module *m);
void module_sysfs_remove(struct module *m);
/* One line a call site: what is alive and what was, for /sys/module/NAME/allocations. */
struct text;
int module_allocations_text(const struct module *m, struct text *out);
/* The text of /proc/ledger/modules; module_lock held. */
int modules_ledger_text(struct text *out);
const char *module_symbol_at(vaddr_t address, char *text, size_t len, unsigned long *offset, unsigned long *size);	/* "name [module]"; NULL */
bool module_symbol_nth(unsigned i, vaddr_t *address, char *kind, char *text, size_t size);	/* of all modules in turn */
const struct ksym *module_resolve(const char *name, struct module **from);	/* NULL: nobody exports it; module_lock held */

/* arch: memory near the kernel image, relocations. */
int module_part_alloc(struct module_part *p) must_check;	/* p->size is set; mapped read-write, cleared. 0 or -ENOMEM */
void module_part_free(struct module_part *p);
void module_part_protect(const struct module_part *p, enum module_part_kind kind);
/* Per-CPU variables: a stretch that exists at the same distance in the area of each CPU. The address is the boot CPU's. 0: no room. */
vaddr_t module_percpu_alloc(size_t size, size_t align);
void module_percpu_free(vaddr_t at, size_t size);
/* One relocation at `place` (which lies in writable memory): 0, or -ENOEXEC for an unknown type or a value that does not fit. */
int module_relocate(unsigned type, void *place, u64 value, s64 addend) must_check;
bool module_reloc_is_relative(unsigned type);	/* to the instruction's end, four bytes on */
unsigned module_reloc_width(unsigned type);		/* bytes it writes; 0: unknown type */
void module_patch_user_access(s32 *sites, unsigned n);

/* mm/: call sites of modules live in spare slots behind the kernel's; a module's books add up what its sites hold. */
struct module_sums {
	atomic_long_t	objects, pages, bytes;	/* live; bytes of both */
	atomic_long_t	peak;			/* of bytes */
	atomic_long_t	calls, total;		/* allocations, and their bytes, ever */
};
struct alloc_site *ledger_sites_reserve(unsigned n, unsigned *first);	/* NULL when the table is full */
void ledger_sites_release(unsigned first, unsigned n);	/* those that still have live bytes keep their slot and names */
struct alloc_site *ledger_site_at(unsigned id, const struct module_sums **sums, vaddr_t *code);
void ledger_site_set_code(struct alloc_site *s, unsigned books, vaddr_t code);	/* the return address of the call, if known */
unsigned ledger_books_open(const char *name);		/* a number; 0: too many modules */
void ledger_books_close(unsigned books, char *report);	/* consumes report (kvmalloc), which may be NULL */
const struct module_sums *ledger_books_sums(unsigned books);
const char *ledger_books_report(unsigned books, bool *more);	/* of a module that is gone; NULL */
/* A walk over all slabs: fn for each site in [first, first + n) and each cache with objects from there. -ENOMEM or 0. */
int ledger_sites_caches(unsigned first, unsigned n, void (*fn)(void *arg, unsigned id, const char *cache, size_t size, long objects),
			void *arg);

/*
 * Kernel functions that allocate on behalf of a module: what they ask for between the two stands at `site`. With NULL it stands
 * at the kernel's own sites, whoever runs.
 */
struct module_call {
	struct alloc_site *floor, *site;
};
static inline struct module_call module_call_begin(struct alloc_site *site)
{
	struct module_call old = { current->site_floor, current->module_site };

	current->module_site = site;
	current->site_floor = site ? NULL : LEDGER_MODULE_SITES;
	return old;
}
static inline void module_call_end(struct module_call old)
{
	current->site_floor = old.floor;
	current->module_site = old.site;
}

#endif
