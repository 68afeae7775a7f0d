/*
 * symbols.c - ELF files and their debug information, through elfutils: names, lines, inlined functions.
 * WHY         a report that says 0x1a2b3c says nothing. Separate debug files are found by build-id and .gnu_debuglink, as gdb does.
 * SHAPE       one struct object a file, however many processes map it; each answer about an address is kept.
 * LINUX       the guest's files are the host's: a path in the guest leads to the folder that was given for it, or the root.
 */
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/quire.h"
#include "user/heap/heap_file.h"
#include "cli/symbols.h"

#define BUCKETS 1024
#define BASE 0x10000000 /* of an object that may lie anywhere */
#define MOST_INLINED 16

struct known_frame {
	struct known_frame *next;
	uint64_t address;
	Dwarf_Frame *frame;
};

struct known_place {
	struct known_place *next;
	uint64_t address;
	unsigned int n;
	struct place at[];
};

/* Where a symbol is, with none before it that reaches into it. */
struct span {
	uint64_t start, end, reach; /* reach: the furthest end so far */
	const char *name;
};

struct object {
	struct object *next;
	char *path, *shown;
	struct span *spans; /* by start; see symbol_at() */
	size_t nr_spans;
	uint64_t sizeless; /* the first symbol of unknown size */
	bool spans_made;
	bool kernel;
	Dwfl *dwfl;
	Dwfl_Module *module;
	GElf_Addr bias;
	Dwarf_CFI *cfi[2]; /* .eh_frame's and .debug_frame's */
	GElf_Addr cfi_bias[2];
	bool cfi_tried;
	struct known_frame *frames[BUCKETS];
	struct known_place *places[BUCKETS];
};

static struct object *objects;

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

/* Names repeat: one copy of each. */
const char *keep_text(const char *s)
{
	static struct word {
		struct word *next;
		char text[];
	} *words[4096];
	uint32_t h = 5381;
	struct word *w;
	size_t len = strlen(s);

	for (const char *p = s; *p; p++)
		h = h * 33 + (unsigned char)*p;
	for (w = words[h % 4096]; w; w = w->next)
		if (!strcmp(w->text, s))
			return w->text;
	w = must_alloc(malloc(sizeof(*w) + len + 1));
	memcpy(w->text, s, len + 1);
	w->next = words[h % 4096];
	return (words[h % 4096] = w)->text;
}

static void object_load(struct object *o)
{
	o->dwfl = dwfl_begin(&callbacks);
	if (!o->dwfl)
		return;
	dwfl_report_begin(o->dwfl);
	o->module = dwfl_report_elf(o->dwfl, o->path, o->path, -1, BASE, true);
	dwfl_report_end(o->dwfl, NULL, NULL);
	if (o->module && !dwfl_module_getelf(o->module, &o->bias))
		o->module = NULL;
}

struct object *object_of_file(const char *path)
{
	struct object *o;
	struct stat st;

	for (o = objects; o; o = o->next)
		if (!strcmp(o->path, path))
			return o->module ? o : NULL;
	o = must_alloc(calloc(1, sizeof(*o)));
	o->path = must_alloc(strdup(path));
	o->shown = o->path;
	o->next = objects;
	objects = o;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		object_load(o);
	return o->module ? o : NULL;
}

struct object *object_of_kernel(const char *path)
{
	struct object *o = object_of_file(path);

	if (o) {
		o->kernel = true;
		o->shown = "quire.elf";
	}
	return o;
}

/* The folder of the host that stands at the longest prefix of this path. */
struct object *object_of_guest(const struct options *opt, const char *path)
{
	const char *host = opt->rootfs && strcmp(opt->rootfs, "/") ? opt->rootfs : "";
	size_t best = 0;
	struct object *o;
	char full[8192];

	if (path[0] != '/')
		return NULL;
	if (!strcmp(path, HEAP_LIBRARY))	/* of the initramfs, which got it from here */
		return find_piece("heap.so") ? object_of_file(find_piece("heap.so")) : NULL;
	for (unsigned int i = 0; i < opt->nr_dirs; i++) {
		size_t len = strlen(opt->dirs[i].guest);

		if (len > best && !strncmp(path, opt->dirs[i].guest, len) && (path[len] == '/' || !path[len])) {
			best = len;
			host = opt->dirs[i].host;
		}
	}
	snprintf(full, sizeof(full), "%s%s", host, path + best);
	o = object_of_file(full);
	if (o && o->shown == o->path)
		o->shown = must_alloc(strdup(path));
	return o;
}

const char *object_name(const struct object *o)
{
	return o->shown;
}

uint64_t object_address(struct object *o, uint64_t offset)
{
	GElf_Addr bias;
	Elf *elf = dwfl_module_getelf(o->module, &bias);
	size_t n;

	if (!elf || elf_getphdrnum(elf, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_LOAD || !(p.p_flags & PF_X))
			continue;
		if (offset >= (p.p_offset & ~4095ul) && offset < p.p_offset + p.p_filesz)
			return offset - p.p_offset + p.p_vaddr + o->bias;
	}
	return 0;
}

uint64_t object_own_address(const struct object *o, uint64_t file_address)
{
	return file_address + o->bias;
}

uint64_t object_symbol(struct object *o, const char *name)
{
	int n = dwfl_module_getsymtab(o->module);

	for (int i = 1; i < n; i++) {
		GElf_Sym sym;
		GElf_Addr value;
		const char *s = dwfl_module_getsym_info(o->module, i, &sym, &value, NULL, NULL, NULL);

		if (s && !strcmp(s, name))
			return value;
	}
	return 0;
}

struct Dwarf_Frame_s *object_frame(struct object *o, uint64_t address)
{
	struct known_frame *k, **slot = &o->frames[address % BUCKETS];

	for (k = *slot; k; k = k->next)
		if (k->address == address)
			return k->frame;
	if (!o->cfi_tried) {
		o->cfi_tried = true;
		o->cfi[0] = dwfl_module_eh_cfi(o->module, &o->cfi_bias[0]);
		o->cfi[1] = dwfl_module_dwarf_cfi(o->module, &o->cfi_bias[1]);
	}
	k = must_alloc(calloc(1, sizeof(*k)));
	k->address = address;
	k->next = *slot;
	*slot = k;
	for (int i = 0; i < 2 && !k->frame; i++)
		if (o->cfi[i] && dwarf_cfi_addrframe(o->cfi[i], address - o->cfi_bias[i], &k->frame) != 0)
			k->frame = NULL;
	return k->frame;
}

/* ---- names ---- */

/* The last two parts of a path say enough: "mm/fault.c". */
static const char *short_file(const char *path)
{
	const char *base = strrchr(path, '/'), *up = base;

	if (!base)
		return keep_text(path);
	while (up > path && up[-1] != '/')
		up--;
	return keep_text(up > path && up[0] != '.' ? up : base + 1);
}

static void source_of(struct object *o, uint64_t address, struct place *p)
{
	Dwfl_Line *l = dwfl_module_getsrc(o->module, address);
	const char *file = l ? dwfl_lineinfo(l, NULL, &p->line, NULL, NULL, NULL) : NULL;

	p->file = file ? short_file(file) : NULL;
	if (!file)
		p->line = 0;
}

static const char *file_of_index(Dwarf_Die *cu, Dwarf_Word index)
{
	Dwarf_Files *files;
	size_t n;

	if (dwarf_getsrcfiles(cu, &files, &n) != 0 || index >= n)
		return NULL;
	return dwarf_filesrc(files, index, NULL, NULL);
}

/* out[0] stands at the line; each inlined function around it was called from where its entry says. */
static unsigned int add_inlined(struct object *o, uint64_t address, struct place *out, unsigned int max)
{
	Dwarf_Addr bias;
	Dwarf_Die *cu = dwfl_module_addrdie(o->module, address, &bias), *scopes = NULL;
	int n = cu ? dwarf_getscopes(cu, address - bias, &scopes) : 0;
	unsigned int at = 0;

	for (int i = 0; i < n && at + 1 < max; i++) {
		int tag = dwarf_tag(&scopes[i]);
		const char *name = dwarf_diename(&scopes[i]), *file = NULL;
		Dwarf_Attribute a;
		Dwarf_Word v = 0;

		if (tag == DW_TAG_subprogram) {
			if (name && at)
				out[at].function = keep_text(name);
			break;
		}
		if (tag != DW_TAG_inlined_subroutine)
			continue;
		if (name)
			out[at].function = keep_text(name);
		out[at + 1] = out[at];
		at++;
		if (dwarf_formudata(dwarf_attr(&scopes[i], DW_AT_call_file, &a), &v) == 0)
			file = file_of_index(cu, v);
		out[at].file = file ? short_file(file) : NULL;
		out[at].line = dwarf_formudata(dwarf_attr(&scopes[i], DW_AT_call_line, &a), &v) == 0 ? (int)v : 0;
	}
	free(scopes);
	return at + 1;
}

static int by_start(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void make_spans(struct object *o)
{
	int n = dwfl_module_getsymtab(o->module);
	uint64_t reach = 0;

	o->spans_made = true;
	o->sizeless = UINT64_MAX;
	o->spans = must_alloc(calloc(n > 0 ? (size_t)n : 1, sizeof(*o->spans)));
	for (int i = 0; i < n; i++) {
		GElf_Addr at;
		GElf_Sym sym;
		const char *name = dwfl_module_getsym_info(o->module, i, &sym, &at, NULL, NULL, NULL);

		if (!name || !*name || sym.st_shndx == SHN_UNDEF || GELF_ST_TYPE(sym.st_info) == STT_TLS)
			continue;
		if (sym.st_size)
			o->spans[o->nr_spans++] = (struct span){at, at + sym.st_size, 0, name};
		else if (at < o->sizeless)
			o->sizeless = at;
	}
	qsort(o->spans, o->nr_spans, sizeof(*o->spans), by_start);
	for (size_t i = 0; i < o->nr_spans; i++)
		reach = o->spans[i].reach = o->spans[i].end > reach ? o->spans[i].end : reach;
}

/* libdw looks at all symbols for each address. Where only one can be meant, or none, that is found by halving; else libdw chooses. */
static const char *symbol_at(struct object *o, uint64_t address)
{
	size_t low = 0, high;
	GElf_Off offset;
	GElf_Sym sym;

	if (!o->spans_made)
		make_spans(o);
	for (high = o->nr_spans; low < high;) {
		size_t mid = (low + high) / 2;

		if (o->spans[mid].start <= address)
			low = mid + 1;
		else
			high = mid;
	}
	if (low && address < o->spans[low - 1].end && (low == 1 || o->spans[low - 2].reach <= o->spans[low - 1].start) &&
	    (low == o->nr_spans || o->spans[low].start >= o->spans[low - 1].end))
		return o->spans[low - 1].name;
	if (address < o->sizeless && (!low || o->spans[low - 1].reach <= address))
		return NULL;
	return dwfl_module_addrinfo(o->module, address, &offset, &sym, NULL, NULL, NULL);
}

static unsigned int find_places(struct object *o, uint64_t address, struct place *out, unsigned int max)
{
	char plain[512];
	const char *symbol = symbol_at(o, address);
	unsigned int n = 1;

	memset(out, 0, sizeof(*out));
	out[0].module = keep_text(o->shown);
	out[0].kernel = o->kernel;
	if (symbol) { /* "printf@@GLIBC_2.2.5" */
		snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(symbol, "@"), symbol);
		symbol = plain;
	}
	out[0].function = keep_text(symbol ? symbol : "???");
	source_of(o, address, &out[0]);
	if (out[0].file && !o->kernel)
		n = add_inlined(o, address, out, max);
	if (symbol)
		out[n - 1].function = keep_text(symbol);
	return n;
}

unsigned int object_places(struct object *o, uint64_t address, struct place *out, unsigned int max)
{
	struct known_place *k, **slot = &o->places[address % BUCKETS];
	struct place found[MOST_INLINED];
	unsigned int n;

	for (k = *slot; k; k = k->next)
		if (k->address == address)
			break;
	if (!k) {
		n = find_places(o, address, found, MOST_INLINED);
		k = must_alloc(malloc(sizeof(*k) + n * sizeof(found[0])));
		k->address = address;
		k->n = n;
		memcpy(k->at, found, n * sizeof(found[0]));
		k->next = *slot;
		*slot = k;
	}
	n = k->n < max ? k->n : max;
	memcpy(out, k->at, n * sizeof(*out));
	return n;
}
