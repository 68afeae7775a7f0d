/*
 * load.c - from a relocatable ELF file to a module in memory.
 *
 * The file is hostile until proven otherwise: every offset, size, index and string is checked against the length before it
 * is used, and what does not add up is -ENOEXEC with nothing left behind.
 *
 * STEPS     check_file -> find sections -> place (each allocated section gets a part and an offset) -> allocate and copy ->
 *           symbols -> relocations -> protections. Everything before the last step sees plain writable memory.
 */
#include <abi/elf.h>
#include <abi/errno.h>
#include <arch/page.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/percpu.h>
#include <kernel/printk.h>
#include <kernel/version.h>
#include <lib/string.h>
#include <mm/slab.h>
#include "internal.h"

#define MAX_SECTIONS	512
#define MAX_MODULE	(64UL << 20)
#define SHF_COMPRESSED_	0x800
#define NOT_LOADED	NR_PARTS
#define IN_SITES	(NR_PARTS + 1)		/* the ledger's table is its place */
#define IN_PERCPU	(NR_PARTS + 2)		/* the per-CPU areas are */

struct ex_entry { s32 from, to; };

struct load {
	const u8	*image;
	size_t		len;
	const Elf64_Ehdr *eh;
	const Elf64_Shdr *sh;
	const char	*names;			/* section names */
	size_t		names_len;
	const Elf64_Sym	*syms;
	unsigned	nr_syms;
	const char	*strings;
	size_t		strings_len;
	const char	*info;			/* .modinfo */
	size_t		info_len;
	const struct module_version *versions;	/* NULL: it has none, or they are not asked for */
	unsigned	nr_versions;
	u64		*values;		/* of symbols that others define, by index */
	struct { u8 part; vaddr_t address; } *placed;
	unsigned	sites_section;
	struct module	*m;
	unsigned	flags;
};

static bool range_ok(const struct load *l, u64 offset, u64 size)
{
	return offset <= l->len && size <= l->len - offset;
}

/* A string inside a table that ends with NUL; "" when the offset is bad. */
static const char *string_at(const char *table, size_t len, u64 offset)
{
	return offset < len ? table + offset : "";
}

static bool table_ok(const char *table, size_t len)
{
	return len && !table[len - 1];
}

static const char *section_name(const struct load *l, unsigned i)
{
	return string_at(l->names, l->names_len, l->sh[i].sh_name);
}

static int check_file(struct load *l)
{
	const Elf64_Ehdr *e = l->eh = (const void *)l->image;

	if (l->len < sizeof(*e) || memcmp(e->e_ident, "\177ELF\2\1\1", 7) != 0 || e->e_type != ET_REL ||
	    e->e_machine != EM_X86_64 || e->e_shentsize != sizeof(Elf64_Shdr) || !e->e_shnum || e->e_shnum > MAX_SECTIONS ||
	    e->e_shoff % 8 || !range_ok(l, e->e_shoff, (u64)e->e_shnum * sizeof(Elf64_Shdr)) || e->e_shstrndx >= e->e_shnum)
		return -ENOEXEC;
	l->sh = (const void *)(l->image + e->e_shoff);
	for (unsigned i = 1; i < e->e_shnum; i++) {
		if (l->sh[i].sh_type != SHT_NOBITS && !range_ok(l, l->sh[i].sh_offset, l->sh[i].sh_size))
			return -ENOEXEC;
		if (l->sh[i].sh_addralign > PAGE_SIZE || (l->sh[i].sh_addralign & (l->sh[i].sh_addralign - 1)) ||
		    (l->sh[i].sh_flags & SHF_COMPRESSED_))
			return -ENOEXEC;
	}
	l->names = (const char *)l->image + l->sh[e->e_shstrndx].sh_offset;
	l->names_len = l->sh[e->e_shstrndx].sh_size;
	return l->sh[e->e_shstrndx].sh_type == SHT_STRTAB && table_ok(l->names, l->names_len) ? 0 : -ENOEXEC;
}

static int find_tables(struct load *l)
{
	for (unsigned i = 1; i < l->eh->e_shnum; i++) {
		const Elf64_Shdr *s = &l->sh[i], *str;

		if (strcmp(section_name(l, i), ".modinfo") == 0) {
			l->info = (const char *)l->image + s->sh_offset;
			l->info_len = s->sh_type == SHT_NOBITS ? 0 : s->sh_size;
		}
		if (strcmp(section_name(l, i), "__versions") == 0 && s->sh_type != SHT_NOBITS &&
		    !(l->flags & MODULE_LOAD_FORCE_VERSIONS)) {
			if (s->sh_offset % 8)
				return -ENOEXEC;
			l->versions = (const void *)(l->image + s->sh_offset);
			l->nr_versions = (unsigned)(s->sh_size / sizeof(struct module_version));
		}
		if (s->sh_type != SHT_SYMTAB)
			continue;
		if (l->syms || s->sh_link >= l->eh->e_shnum || s->sh_offset % 8 || s->sh_entsize != sizeof(Elf64_Sym))
			return -ENOEXEC;
		str = &l->sh[s->sh_link];
		l->syms = (const void *)(l->image + s->sh_offset);
		l->nr_syms = (unsigned)(s->sh_size / sizeof(Elf64_Sym));
		l->strings = (const char *)l->image + str->sh_offset;
		l->strings_len = str->sh_size;
		if (str->sh_type != SHT_STRTAB || !table_ok(l->strings, l->strings_len))
			return -ENOEXEC;
	}
	return l->syms && l->info_len && table_ok(l->info, l->info_len) ? 0 : -ENOEXEC;
}

/* The value of the first "tag=value" in .modinfo; NULL. */
static const char *info_get(const struct load *l, const char *tag)
{
	size_t n = strlen(tag);

	for (const char *p = l->info; p < l->info + l->info_len; p += strlen(p) + 1) {
		if (strncmp(p, tag, n) == 0 && p[n] == '=')
			return p + n + 1;
	}
	return NULL;
}

/* Does the module expect the symbol as it is? One that its table does not name passes, with a word in the log: Linux's rule. */
static bool version_agrees(struct load *l, const char *name, u64 crc)
{
	for (unsigned i = 0; i < l->nr_versions; i++) {
		const struct module_version *v = &l->versions[i];

		if (strncmp(v->name, name, sizeof(v->name)) != 0)
			continue;
		if (v->crc == crc)
			return true;
		pr_warn("%s: disagrees about version of symbol %s\n", l->m->name, name);
		return false;
	}
	pr_warn("%s: no symbol version for %s\n", l->m->name, name);
	return true;
}

/* What must agree before anything else is looked at. Without versions it is loaded by force, as where Linux has MODULE_FORCE_LOAD. */
static int check_layout(struct load *l)
{
	struct module *from = NULL;
	const struct ksym *k;

	if (!l->versions) {
		pr_warn("%s: module_layout: kernel tainted.\n", l->m->name);
		l->m->forced = true;
		return 0;
	}
	k = module_resolve("module_layout", &from);
	return k && version_agrees(l, "module_layout", k->crc) ? 0 : -ENOEXEC;
}

/* With versions of symbols the release does not matter: what is behind the first blank must be the same. */
static bool magic_agrees(const struct load *l, const char *theirs)
{
	const char *ours = MODULE_VERMAGIC;

	if (l->versions) {
		theirs += strcspn(theirs, " ");
		ours += strcspn(ours, " ");
	}
	return strcmp(theirs, ours) == 0;
}

static int keep_info(const struct load *l, const char *tag, char **out)
{
	const char *value = info_get(l, tag);

	if (value)
		*out = kstrdup(value, GFP_KERNEL);
	return value && !*out ? -ENOMEM : 0;
}

static int check_info(struct load *l)
{
	const char *magic = info_get(l, "vermagic"), *name = info_get(l, "name");
	int err;

	if (!name || !*name || strlen(name) >= MODULE_NAME_LEN || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -ENOEXEC;
	strscpy(l->m->name, name, sizeof(l->m->name));
	for (char *p = l->m->name; *p; p++)
		*p = *p == '-' ? '_' : *p;
	err = check_layout(l);
	if (err)
		return err;
	if (!magic || (l->flags & MODULE_LOAD_FORCE_VERMAGIC)) {
		pr_warn("%s: bad vermagic: kernel tainted.\n", l->m->name);
		l->m->forced = true;
	} else if (!magic_agrees(l, magic)) {
		pr_err("%s: version magic '%s' should be '%s'\n", l->m->name, magic, MODULE_VERMAGIC);
		return -ENOEXEC;
	}
	err = keep_info(l, "version", &l->m->version);
	return err ? err : keep_info(l, "srcversion", &l->m->srcversion);
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

static unsigned part_of(const struct load *l, unsigned i)
{
	const Elf64_Shdr *s = &l->sh[i];
	const char *name = section_name(l, i);
	bool init = str_has_prefix(name, ".init") || strcmp(name, ".smap_sites") == 0;

	if (!(s->sh_flags & SHF_ALLOC) || !s->sh_size || strcmp(name, ".modinfo") == 0 || strcmp(name, "__versions") == 0 || str_has_prefix(name, ".note") ||
	    str_has_prefix(name, ".eh_frame"))
		return NOT_LOADED;
	if (strcmp(name, "alloc_sites") == 0)
		return IN_SITES;
	if (str_has_prefix(name, ".percpu"))
		return IN_PERCPU;
	if (s->sh_flags & SHF_EXECINSTR)
		return init ? PART_INIT_TEXT : PART_TEXT;
	if (init)
		return PART_INIT_DATA;
	return s->sh_flags & SHF_WRITE ? PART_DATA : PART_RODATA;
}

/* Offsets first; addresses once the parts have theirs. */
static int place_sections(struct load *l)
{
	for (unsigned i = 1; i < l->eh->e_shnum; i++) {
		const Elf64_Shdr *s = &l->sh[i];
		unsigned part = l->placed[i].part = (u8)part_of(l, i);
		struct module_part *p;

		if (part >= NR_PARTS)
			continue;
		if (s->sh_size > MAX_MODULE)
			return -ENOEXEC;
		p = &l->m->part[part];
		p->size = ALIGN_UP(p->size, s->sh_addralign ? s->sh_addralign : 1);
		l->placed[i].address = p->size;
		p->size += s->sh_size;
		if (part == PART_DATA && s->sh_type == SHT_NOBITS)
			l->m->bss_size += s->sh_size;
		if (p->size > MAX_MODULE)
			return -ENOEXEC;
	}
	return 0;
}

static int allocate_parts(struct load *l)
{
	for (unsigned k = 0; k < NR_PARTS; k++) {
		int err = module_part_alloc(&l->m->part[k]);

		if (err)
			return err;
	}
	return 0;
}

/* What leaked keeps its books and slots, so they may run out. */
static int no_room(const struct module *m, const char *what)
{
	pr_err("%s: no room for its %s: leaks of modules that are gone take it\n", m->name, what);
	return -ENOMEM;
}

static int open_books(struct module *m)
{
	mutex_lock(&module_lock);
	m->books = ledger_books_open(m->name);
	mutex_unlock(&module_lock);
	return m->books ? 0 : no_room(m, "books");
}

static int place_sites(struct load *l, unsigned i)
{
	struct module *m = l->m;
	struct alloc_site *s;
	unsigned n = (unsigned)(l->sh[i].sh_size / sizeof(struct alloc_site));

	if (l->sh[i].sh_size % sizeof(struct alloc_site) || l->sh[i].sh_type == SHT_NOBITS || m->nr_sites)
		return -ENOEXEC;
	mutex_lock(&module_lock);
	s = m->books ? ledger_sites_reserve(n, &m->first_site) : NULL;
	mutex_unlock(&module_lock);
	if (!s)
		return no_room(m, "call sites");
	memcpy(s, l->image + l->sh[i].sh_offset, l->sh[i].sh_size);
	for (unsigned k = 0; k < n; k++) {
		s[k].id = (u16)(m->first_site + k);
		s[k].file = s[k].func = "?";		/* taken from now on; relocations put the names */
		ledger_site_set_code(&s[k], m->books, 0);
	}
	m->nr_sites = n;
	l->sites_section = i;
	l->placed[i].address = (vaddr_t)s;
	return 0;
}

/* The boot CPU's copy; the others get theirs when it has been relocated. */
static int place_percpu(struct load *l, unsigned i)
{
	const Elf64_Shdr *s = &l->sh[i];

	if (l->m->percpu || s->sh_type == SHT_NOBITS)
		return -ENOEXEC;
	l->m->percpu = s->sh_size <= MAX_MODULE ? module_percpu_alloc(s->sh_size, s->sh_addralign) : 0;
	if (!l->m->percpu) {
		pr_warn("%s: Could not allocate %llu bytes percpu data\n", l->m->name, (unsigned long long)s->sh_size);
		return -ENOMEM;
	}
	l->m->percpu_size = s->sh_size;
	l->placed[i].address = l->m->percpu;
	memcpy((void *)l->m->percpu, l->image + s->sh_offset, s->sh_size);
	return 0;
}

static void copy_percpu(const struct module *m)
{
	for_each_cpu(cpu)
		if (percpu_offset[cpu])
			memcpy((void *)(m->percpu + percpu_offset[cpu]), (void *)m->percpu, m->percpu_size);
}

static int copy_sections(struct load *l)
{
	for (unsigned i = 1; i < l->eh->e_shnum; i++) {
		unsigned part = l->placed[i].part;
		int err;

		if (part == IN_SITES || part == IN_PERCPU) {
			err = part == IN_SITES ? place_sites(l, i) : place_percpu(l, i);
			if (err)
				return err;
		}
		if (part >= NR_PARTS)
			continue;
		l->placed[i].address += l->m->part[part].start;
		if (l->sh[i].sh_type != SHT_NOBITS)
			memcpy((void *)l->placed[i].address, l->image + l->sh[i].sh_offset, l->sh[i].sh_size);
	}
	return 0;
}

/* Inside the text of the module: what init, exit and exports must be. */
static bool in_part(const struct module *m, vaddr_t a, enum module_part_kind k)
{
	return a >= m->part[k].start && a < m->part[k].start + m->part[k].size;
}

/* ---- symbols ------------------------------------------------------------------------------------------------------ */

static int note_use(struct module *m, struct module *from)
{
	struct module **more;

	for (unsigned i = 0; i < m->nr_uses; i++) {
		if (m->uses[i] == from)
			return 0;
	}
	if (!module_try_get(from))
		return -EBUSY;
	more = kcalloc(m->nr_uses + 1, sizeof(*more), GFP_KERNEL);
	if (!more) {
		module_put(from);
		return -ENOMEM;
	}
	if (m->nr_uses)
		memcpy(more, m->uses, m->nr_uses * sizeof(*more));
	kfree(m->uses);
	m->uses = more;
	m->uses[m->nr_uses++] = from;
	return 0;
}

/* A symbol that somebody else defines: 0, or the error that ends the load. */
static int resolve_one(struct load *l, unsigned index)
{
	const Elf64_Sym *s = &l->syms[index];
	const char *name = string_at(l->strings, l->strings_len, s->st_name);
	const struct ksym *k;
	struct module *from = NULL;
	int err = -ENOENT;

	if (strcmp(name, "__this_module") == 0) {
		l->values[index] = (u64)l->m;
		return 0;
	}
	mutex_lock(&module_lock);
	k = module_resolve(name, &from);
	if (k && l->versions && !version_agrees(l, name, k->crc)) {
		k = NULL;
		err = -EINVAL;
	}
	if (k) {
		l->values[index] = k->address;
		err = from ? note_use(l->m, from) : 0;
	}
	mutex_unlock(&module_lock);
	if (k || (err == -ENOENT && ELF64_ST_BIND(s->st_info) == STB_WEAK))
		return k ? err : 0;
	pr_err("%s: Unknown symbol %s (err %d)\n", l->m->name, name, err);
	return err;
}

/* One that the module defines itself: 0, or -ENOEXEC. */
static int own_value(struct load *l, unsigned index)
{
	const Elf64_Sym *s = &l->syms[index];

	if (s->st_shndx == SHN_ABS) {
		l->values[index] = s->st_value;
		return 0;
	}
	if (s->st_shndx >= l->eh->e_shnum)	/* common symbols, too */
		return -ENOEXEC;
	if (l->placed[s->st_shndx].part != NOT_LOADED)
		l->values[index] = l->placed[s->st_shndx].address + s->st_value;
	return 0;
}

static int resolve(struct load *l)
{
	int err = 0;

	l->values = kvmalloc(max(l->nr_syms, 1u) * sizeof(*l->values), GFP_KERNEL | GFP_ZERO);
	if (!l->values)
		return -ENOMEM;
	for (unsigned i = 1; i < l->nr_syms && !err; i++)
		err = l->syms[i].st_shndx == SHN_UNDEF ? resolve_one(l, i) : own_value(l, i);
	return err;
}

static bool target_is_text(const struct load *l, unsigned section)
{
	return l->placed[section].part == PART_TEXT || l->placed[section].part == PART_INIT_TEXT;
}

/* The compiler may have copied a function into its callers: the copy under its own name is the best witness. */
static void note_code(struct load *l, struct alloc_site *s, vaddr_t code)
{
	const struct module_sums *sums;
	vaddr_t before;

	/* not by s->id, which a relocation may have hit */
	ledger_site_at(l->m->first_site + (unsigned)(s - (struct alloc_site *)l->placed[l->sites_section].address), &sums, &before);
	if (!before || in_part(l->m, code, PART_TEXT))
		ledger_site_set_code(s, l->m->books, code);
}

/* Which call site does an instruction load, if any? */
static struct alloc_site *site_named_by(const struct load *l, const Elf64_Rela *r, unsigned type, unsigned index)
{
	u64 offset = l->syms[index].st_value + (u64)r->r_addend + (module_reloc_is_relative(type) ? 4 : 0);
	u64 n = offset / sizeof(struct alloc_site);
	const struct module_sums *sums;
	vaddr_t code;

	if (!l->sites_section || l->syms[index].st_shndx != l->sites_section || n >= l->m->nr_sites)
		return NULL;
	return ledger_site_at(l->m->first_site + (unsigned)n, &sums, &code);
}

/* Is this where the call after the instruction that names a site returns to? */
static vaddr_t call_behind(const u8 *place)
{
	return place[-1] == 0xe8 ? (vaddr_t)place + 4 : 0;
}

static int relocate_section(struct load *l, const Elf64_Shdr *rel)
{
	bool text = target_is_text(l, rel->sh_info);
	struct alloc_site *named = NULL;
	const Elf64_Rela *r = (const void *)(l->image + rel->sh_offset);
	const Elf64_Shdr *target = &l->sh[rel->sh_info];

	if (rel->sh_offset % 8 || rel->sh_entsize != sizeof(*r))
		return -ENOEXEC;
	for (u64 n = rel->sh_size / sizeof(*r); n; n--, r++) {
		unsigned type = (unsigned)ELF64_R_TYPE(r->r_info), index = (unsigned)ELF64_R_SYM(r->r_info);
		unsigned width = module_reloc_width(type);
		u8 *place;
		int err;

		if (!width || index >= l->nr_syms || r->r_offset > target->sh_size || width > target->sh_size - r->r_offset) {
			if (!type)
				continue;
			pr_err("%s: bad relocation (type %u)\n", l->m->name, type);
			return -ENOEXEC;
		}
		place = (u8 *)l->placed[rel->sh_info].address + r->r_offset;
		err = module_relocate(type, place, l->values[index], r->r_addend);
		if (err)
			return err;
		if (!text)
			continue;
		if (named && r->r_offset && call_behind(place)) {
			note_code(l, named, call_behind(place));
			named = NULL;
		} else if (l->syms[index].st_shndx == l->sites_section) {
			named = site_named_by(l, r, type, index);
		}
	}
	return 0;
}

static int relocate(struct load *l)
{
	for (unsigned i = 1; i < l->eh->e_shnum; i++) {
		const Elf64_Shdr *s = &l->sh[i];
		int err;

		if (s->sh_type != SHT_RELA && s->sh_type != SHT_REL)
			continue;
		if (!s->sh_info || s->sh_info >= l->eh->e_shnum)
			return -ENOEXEC;
		if (l->placed[s->sh_info].part == NOT_LOADED || !l->placed[s->sh_info].address)
			continue;
		if (s->sh_type == SHT_REL || l->sh[s->sh_info].sh_type == SHT_NOBITS)
			return -ENOEXEC;
		err = relocate_section(l, s);
		if (err)
			return err;
	}
	return 0;
}

/* ---- what the kernel wants to find in it ------------------------------------------------------------------------------ */

static void *section(const struct load *l, const char *name, size_t entry, unsigned *n)
{
	for (unsigned i = 1; i < l->eh->e_shnum; i++) {
		if (l->placed[i].part < NR_PARTS && strcmp(section_name(l, i), name) == 0) {
			*n = (unsigned)(l->sh[i].sh_size / entry);
			return (void *)l->placed[i].address;
		}
	}
	*n = 0;
	return NULL;
}

static vaddr_t entry_point(struct load *l, const char *name)
{
	for (unsigned i = 1; i < l->nr_syms; i++) {
		u64 v;

		if (ELF64_ST_BIND(l->syms[i].st_info) != STB_LOCAL && l->syms[i].st_shndx != SHN_UNDEF && (v = l->values[i]) &&
		    strcmp(string_at(l->strings, l->strings_len, l->syms[i].st_name), name) == 0 &&
		    (in_part(l->m, v, PART_TEXT) || in_part(l->m, v, PART_INIT_TEXT)))
			return v;
	}
	return 0;
}

static int find_contents(struct load *l)
{
	struct module *m = l->m;
	unsigned n;
	s32 *smap;
	int err;

	m->exports = section(l, "__ksymtab", sizeof(struct ksym), &m->nr_exports);
	m->ex_table = section(l, "__ex_table", sizeof(struct ex_entry), &m->nr_ex);
	m->params = section(l, "__param", sizeof(struct module_param), &m->nr_params);
	smap = section(l, ".smap_sites", sizeof(s32), &n);
	err = module_check(m, smap, n);
	if (err)
		return err;
	module_patch_user_access(smap, n);
	copy_percpu(m);
	m->init = (int (*)(void))entry_point(l, "init_module");
	m->exit = (void (*)(void))entry_point(l, "cleanup_module");
	if (m->exit && !in_part(m, (vaddr_t)m->exit, PART_TEXT))
		m->exit = NULL;			/* would be gone by then */
	return 0;
}

static bool symbol_kept(const struct load *l, const Elf64_Sym *s, bool init, char *kind)
{
	static const char kinds[NR_PARTS] = { 't', 'r', 'd', 't', 'd' };
	unsigned type = ELF64_ST_TYPE(s->st_info), part;

	if ((type != STT_FUNC && type != STT_OBJECT) || s->st_shndx == SHN_UNDEF || s->st_shndx >= l->eh->e_shnum)
		return false;
	part = l->placed[s->st_shndx].part;
	if (part >= NR_PARTS || (part >= PART_INIT_TEXT) != init)
		return false;
	*kind = ELF64_ST_BIND(s->st_info) == STB_LOCAL ? kinds[part] : (char)(kinds[part] - 32);
	return true;
}

static unsigned keep_some(struct load *l, struct module_symbol *to, bool init)
{
	unsigned n = 0;

	for (unsigned i = 1; i < l->nr_syms; i++) {
		const Elf64_Sym *s = &l->syms[i];
		char kind;

		if (symbol_kept(l, s, init, &kind))
			to[n++] = (struct module_symbol){
				.address = l->placed[s->st_shndx].address + s->st_value, .size = (u32)s->st_size, .kind = kind,
				.name = string_at(l->m->symbol_names, l->strings_len, s->st_name),
			};
	}
	return n;
}

/* Functions and objects, for backtraces, /proc/kallsyms and reports. Missing memory only costs the names. */
static void keep_symbols(struct load *l)
{
	struct module *m = l->m;

	m->symbols = kvmalloc(max(l->nr_syms, 1u) * sizeof(*m->symbols), GFP_KERNEL);
	m->symbol_names = kvmalloc(l->strings_len, GFP_KERNEL);
	if (!m->symbols || !m->symbol_names)
		return;
	memcpy(m->symbol_names, l->strings, l->strings_len);
	m->nr_symbols = keep_some(l, m->symbols, false);
	m->nr_init_symbols = keep_some(l, m->symbols + m->nr_symbols, true);
}

/* Where the sections are, for /sys/module/NAME/sections: debuggers ask. Missing memory only costs that. */
static void keep_sections(struct load *l)
{
	struct module *m = l->m;
	char *names;

	m->sections = kmalloc(l->eh->e_shnum * sizeof(*m->sections) + l->names_len, GFP_KERNEL);
	if (!m->sections)
		return;
	names = (char *)(m->sections + l->eh->e_shnum);
	memcpy(names, l->names, l->names_len);
	for (unsigned i = 1; i < l->eh->e_shnum; i++) {
		const char *name = string_at(names, l->names_len, l->sh[i].sh_name);

		if (l->placed[i].part != NOT_LOADED && *name && !strchr(name, '/') && strlen(name) < 48)
			m->sections[m->nr_sections++] = (struct module_section){ name, l->placed[i].address };
	}
}

/* Builds the module; on an error the caller frees what is in m. */
int module_build(struct module *m, const void *image, size_t len, unsigned flags)
{
	struct load l = { .image = image, .len = len, .m = m, .flags = flags };
	int (*const steps[])(struct load *) = {
		place_sections, allocate_parts, copy_sections, resolve, relocate, find_contents,
	};
	int err = check_file(&l);

	if (!err)
		err = find_tables(&l);
	if (!err)
		err = check_info(&l);
	if (!err)
		err = open_books(m);
	if (err)
		return err;
	l.placed = kcalloc(l.eh->e_shnum, sizeof(*l.placed), GFP_KERNEL);
	if (!l.placed)
		return -ENOMEM;
	for (unsigned i = 0; i < l.eh->e_shnum; i++)
		l.placed[i].part = NOT_LOADED;
	for (unsigned i = 0; i < ARRAY_SIZE(steps) && !err; i++)
		err = steps[i](&l);
	if (!err) {
		keep_symbols(&l);
		keep_sections(&l);
		for (unsigned k = 0; k < NR_PARTS; k++)
			module_part_protect(&m->part[k], k);
	} else {
		(void)module_sites_ok(m);	/* half relocated, perhaps */
	}
	kfree(l.placed);
	kvfree(l.values);
	return err;
}
