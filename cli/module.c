/*
 * module.c - kernel modules of a run: read the .ko, send it along, and say what it left behind.
 * WHY         a driver author asks: does my module leak, and where? The guest's kernel counts by call site; the .ko's debug
 *             information, which only the host has, gives the full name of the source file and the line.
 * SHAPE       --module FILE,PARAMS -> module_add -> FIELD_MODULE -> the agent loads it, runs the program, unloads it, sends
 *             /proc/ledger/modules -> modules_json -> modules_text. The JSON is all that is drawn from.
 * READ NEXT   kernel/module/report.c (the text), user/agent_module.c
 */
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/quire.h"
#include "cli/report.h"

/* ---- the file ---- */

static char *read_whole(const char *file, size_t *len)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0 || fstat(fd, &st) < 0)
		fail("--module %s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > 12 << 20)
		fail("--module %s: not a module", file);
	data = must_alloc(malloc((size_t)st.st_size + 1));
	if (read(fd, data, (size_t)st.st_size) != st.st_size)
		fail("--module %s: %s", file, strerror(errno));
	close(fd);
	*len = (size_t)st.st_size;
	return data;
}

/* "name=" of .modinfo; NULL. */
static char *name_in_file(char *image, size_t len)
{
	Elf *elf = elf_memory(image, len);
	Elf_Scn *scn = NULL;
	char *name = NULL;
	size_t strings;

	while (elf && !name && !elf_getshdrstrndx(elf, &strings) && (scn = elf_nextscn(elf, scn))) {
		GElf_Shdr sh;
		Elf_Data *d;

		if (!gelf_getshdr(scn, &sh) || !elf_strptr(elf, strings, sh.sh_name) ||
		    strcmp(elf_strptr(elf, strings, sh.sh_name), ".modinfo") || !(d = elf_rawdata(scn, NULL)) || !d->d_buf)
			continue;
		for (const char *p = d->d_buf, *end = p + d->d_size; p < end; p += strnlen(p, (size_t)(end - p)) + 1)
			if ((size_t)(end - p) > 5 && !strncmp(p, "name=", 5))
				name = strndup(p + 5, (size_t)(end - p - 5));
	}
	elf_end(elf);
	return name;
}

/* Where the parameters begin: the file's name may have commas of its own. */
static char *first_comma(char *arg)
{
	for (char *c = strchr(arg, ','); c; c = strchr(c + 1, ',')) {
		bool file;

		*c = 0;
		file = access(arg, F_OK) == 0;
		*c = ',';
		if (file)
			return c;
	}
	return access(arg, F_OK) == 0 ? NULL : strchr(arg, ',');
}

/* leaky.ko,what=kk,size=3 */
void module_add(struct options *o, const char *arg)
{
	struct module *m = &o->modules[o->nr_modules];
	char *copy = must_alloc(strdup(arg)), *comma = first_comma(copy);

	if (o->nr_modules == MAX_MODULES)
		fail("--module %s: more than %d modules", arg, MAX_MODULES);
	if (comma)
		*comma++ = 0;
	for (char *p = comma; p && *p; p++)
		if (*p == ',')
			*p = ' ';
	elf_version(EV_CURRENT);
	m->params = comma ? comma : "";
	m->file = copy;
	m->image = read_whole(copy, &m->len);
	m->name = name_in_file(m->image, m->len);
	if (!m->name)
		fail("--module %s: not a module (no name in .modinfo)", copy);
	for (char *p = m->name; *p; p++)
		*p = *p == '-' ? '_' : *p;
	o->nr_modules++;
}

/* ---- from function+offset to the line of the source ---- */

static Dwfl *debug_open(const char *file, Dwfl_Module **mod)
{
	static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf,
						 .find_debuginfo = dwfl_standard_find_debuginfo,
						 .section_address = dwfl_offline_section_address};
	Dwfl *d = dwfl_begin(&callbacks);

	*mod = d ? dwfl_report_offline(d, "", file, -1) : NULL;
	if (d)
		dwfl_report_end(d, NULL, NULL);
	return d;
}

/* The source line of a return address: of the call before it. NULL: the file does not say. */
static const char *debug_line(Dwfl_Module *mod, const char *place, int *line)
{
	const char *plus = strrchr(place, '+');
	size_t len = plus ? (size_t)(plus - place) : 0;
	int n = plus && mod ? dwfl_module_getsymtab(mod) : 0;

	for (int i = 1; i < n; i++) {
		GElf_Addr addr;
		GElf_Sym sym;
		const char *name = dwfl_module_getsym_info(mod, i, &sym, &addr, NULL, NULL, NULL);
		Dwfl_Line *l;

		if (!name || GELF_ST_TYPE(sym.st_info) != STT_FUNC || strncmp(name, place, len) || name[len])
			continue;
		l = dwfl_module_getsrc(mod, addr + strtoul(plus + 1, NULL, 16) - 1);
		return l ? dwfl_lineinfo(l, NULL, line, NULL, NULL, NULL) : NULL;
	}
	return NULL;
}

/* ---- what the guest said ---- */

static void set_number(json_t *j, const char *key, long n)
{
	json_object_set_new(j, key, json_integer(n));
}

static void set_sums(json_t *j, const long n[6])
{
	static const char *const keys[] = {"objects", "pages", "bytes", "peak_bytes", "calls", "total_bytes"};

	for (int i = 0; i < 6; i++)
		set_number(j, keys[i], n[i]);
}

static json_t *module_line(const char *line)
{
	static const char *const parts[] = {"text", "rodata", "data", "bss", "init"};
	json_t *j, *memory = json_object();
	char name[64], state[16];
	long p[5], n[6];

	if (sscanf(line, "module %63s %15s %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld", name, state, &p[0], &p[1], &p[2], &p[3],
		   &p[4], &n[0], &n[1], &n[2], &n[3], &n[4], &n[5]) != 13) {
		json_decref(memory);
		return NULL;
	}
	j = json_object();
	json_object_set_new(j, "name", json_string(name));
	json_object_set_new(j, "unloaded", json_boolean(strcmp(state, "live")));
	for (int i = 0; i < 5; i++)
		set_number(memory, parts[i], p[i]);
	json_object_set_new(j, "sections", memory);
	set_sums(j, n);
	json_object_set_new(j, "sites", json_array());
	return j;
}

/* "kmalloc-512=2,kmalloc-64=1" */
static json_t *cache_list(char *text)
{
	json_t *j = json_object();
	char *save = NULL;

	for (char *w = strtok_r(text, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		char *equals = strrchr(w, '=');

		if (equals) {
			*equals = 0;
			set_number(j, w, atol(equals + 1));
		}
	}
	return j;
}

static json_t *site_line(const char *line, const char *module, Dwfl_Module *debug)
{
	char name[64], place[160], source[160], caches[256], *colon;
	const char *file;
	json_t *j;
	int number;
	long n[6];

	if (sscanf(line, "site %63s %159s %159s %255s %ld %ld %ld %ld %ld %ld", name, place, source, caches, &n[0], &n[1], &n[2],
		   &n[3], &n[4], &n[5]) != 10 || strcmp(name, module))
		return NULL;
	colon = strrchr(source, ':');
	number = colon ? atoi(colon + 1) : 0;
	if (colon)
		*colon = 0;
	file = debug_line(debug, place, &number);
	j = json_object();
	json_object_set_new(j, "place", json_string(place));
	json_object_set_new(j, "source", json_string(file ? file : source));
	set_number(j, "line", number);
	json_object_set_new(j, "caches", cache_list(caches));
	set_sums(j, n);
	return j;
}

static const char *file_of(const struct options *o, const char *name)
{
	for (unsigned int i = 0; i < o->nr_modules; i++)
		if (!strcmp(o->modules[i].name, name))
			return o->modules[i].file;
	return NULL;
}

/* The text of /proc/ledger/modules as a list. NULL when there was none. */
json_t *modules_json(const struct options *o, const char *text)
{
	json_t *list = json_array(), *m = NULL;
	Dwfl_Module *mod = NULL;
	Dwfl *debug = NULL;

	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (!strncmp(line, "module ", 7) && (m = module_line(line))) {
			const char *file = file_of(o, json_string_value(json_object_get(m, "name")));

			dwfl_end(debug);
			debug = file ? debug_open(file, &mod) : NULL;
			if (!debug)
				mod = NULL;
			json_array_append_new(list, m);
		} else if (m) {
			json_t *s = site_line(line, json_string_value(json_object_get(m, "name")), mod);

			if (s)
				json_array_append_new(json_object_get(m, "sites"), s);
		}
	}
	dwfl_end(debug);
	if (json_array_size(list))
		return list;
	json_decref(list);
	return NULL;
}

/* ---- words ---- */

static long number_of(json_t *j, const char *key)
{
	return (long)json_integer_value(json_object_get(j, key));
}

static const char *string_of(json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "?";
}

static void print_place(FILE *to, json_t *site)
{
	const char *source = string_of(site, "source"), *slash = strrchr(source, '/');

	fprintf(to, "%s (%s:%ld)", string_of(site, "place"), slash ? slash + 1 : source, number_of(site, "line"));
}

/* Objects first, then pages, each with the place that asked for them. */
static void print_leaks(FILE *to, json_t *sites)
{
	const char *comma = "", *cache;
	json_t *site, *count;
	size_t i;

	json_array_foreach(sites, i, site) {
		json_object_foreach(json_object_get(site, "caches"), cache, count) {
			fprintf(to, "%s%ld × %s at ", comma, (long)json_integer_value(count), cache);
			print_place(to, site);
			comma = ", ";
		}
	}
	json_array_foreach(sites, i, site) {
		long pages = number_of(site, "pages");

		if (!pages)
			continue;
		fprintf(to, "%s%ld page%s at ", comma, pages, pages == 1 ? "" : "s");
		print_place(to, site);
		comma = ", ";
	}
}

static bool still_loaded(json_t *m)
{
	return !json_is_true(json_object_get(m, "unloaded"));
}

/* "leaky: 3 objects, 1,216 bytes not freed: 2 × kmalloc-512 at leaky_open+0x2c (leaky.c:41), …" for each that leaked. */
unsigned int modules_leaks(FILE *to, const char *before, json_t *modules)
{
	unsigned int leaky = 0;
	json_t *m;
	size_t i;

	json_array_foreach(modules, i, m) {
		long objects = number_of(m, "objects"), pages = number_of(m, "pages"), bytes = number_of(m, "bytes");
		char a[32];

		if (still_loaded(m)) {
			leaky++;
			fprintf(to, "%s%s: in use, not unloaded\n", before, string_of(m, "name"));
			continue;
		}
		if (!bytes)
			continue;
		leaky++;
		fprintf(to, "%s%s: %ld %s%s, %s bytes not freed: ", before, string_of(m, "name"), objects ? objects : pages,
			objects ? "object" : "page", (objects ? objects : pages) == 1 ? "" : "s",
			grouped((uint64_t)(objects ? bytes - pages * 4096 : bytes), a));
		print_leaks(to, json_object_get(m, "sites"));
		fputc('\n', to);
	}
	return leaky;
}

static void print_head(FILE *to, json_t *m)
{
	json_t *s = json_object_get(m, "sections");
	char a[32], b[32];

	fprintf(to, "MODULE %s: text %ld, rodata %ld, data %ld, bss %ld, init %ld bytes · peak %s bytes · %s allocations, %ld left\n",
		string_of(m, "name"), number_of(s, "text"), number_of(s, "rodata"), number_of(s, "data"), number_of(s, "bss"),
		number_of(s, "init"), grouped((uint64_t)number_of(m, "peak_bytes"), a), grouped((uint64_t)number_of(m, "calls"), b),
		number_of(m, "objects") + number_of(m, "pages"));
}

/* What each module took, ever and at most. */
void modules_text(FILE *to, json_t *modules)
{
	json_t *m;
	size_t i;

	json_array_foreach(modules, i, m)
		print_head(to, m);
	modules_leaks(to, "  ", modules);
}

/* The modules that are loaded now, with what is alive of each call site. */
void modules_sites(FILE *to, json_t *modules)
{
	json_t *m, *site;
	size_t i, k;

	json_array_foreach(modules, i, m) {
		if (!still_loaded(m))
			continue;
		print_head(to, m);
		if (json_array_size(json_object_get(m, "sites")))
			fprintf(to, "%14s %8s %6s %12s %8s  %s\n", "LIVE, bytes", "OBJECTS", "PAGES", "PEAK, bytes", "CALLS", "CALL SITE");
		json_array_foreach(json_object_get(m, "sites"), k, site) {
			char a[32], b[32], c[32];

			fprintf(to, "%14s %8ld %6ld %12s %8s  ", grouped((uint64_t)number_of(site, "bytes"), a), number_of(site, "objects"),
				number_of(site, "pages"), grouped((uint64_t)number_of(site, "peak_bytes"), b),
				grouped((uint64_t)number_of(site, "calls"), c));
			print_place(to, site);
			fputc('\n', to);
		}
	}
}
