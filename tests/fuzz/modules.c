/*
 * modules.c - fuzzing the module loader: kernel/module/ and the relocations as an ordinary program, under the sanitizers.
 * SHAPE       with clang's -fsanitize=fuzzer a libFuzzer target with a mutator of its own; else a program that takes real .ko files,
 *             breaks them in every way it knows (fields of headers, sections, symbols, relocations; tables' contents; strings; bytes;
 *             a cut), loads, looks and unloads:
 *                 build/fuzz-modules [-r ROUNDS] [-t SECONDS] [-s SEED] FILE.ko...        -x: each file once, as it is
 * CHECKED     no access outside the file, the module's parts and its call sites (those end in poisoned memory); an errno that
 *             init_module documents; and after each input nothing is left: memory, parts, books, call sites, the list, the lock.
 * NOT RUN     the module's own code: its init and exit are forgotten once the loader has found and checked them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <sanitizer/asan_interface.h>
#include <abi/elf.h>
#include <kernel/module.h>
#include <kernel/cpu.h>
#include <kernel/kthread.h>
#include <kernel/percpu.h>
#include <kernel/printk.h>
#include <kernel/time.h>
#include <kernel/workqueue.h>
#include <lib/printf.h>
#include <lib/text.h>
#include <mm/slab.h>

#undef errno

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }	/* what is left is counted here */

static long live;			/* allocations, parts, sites, books: 0 between inputs */
static long fail_after;			/* so many allocations succeed; negative: all */

#define REQUIRE(x) do { if (!(x)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); abort(); } } while (0)

/* ---- what the kernel gives to kernel/module/ ------------------------------------------------------------------------- */

static bool fails(void)
{
	return fail_after >= 0 && fail_after-- == 0;
}

void *kmalloc_at(size_t size, gfp_t gfp, struct alloc_site *site)
{
	void *p = fails() ? NULL : malloc(size);

	if (p) {
		live++;
		memset(p, gfp & GFP_ZERO ? 0 : 0x5a, size);
	}
	return p;
}

void *kmalloc_array_at(size_t n, size_t size, gfp_t gfp, struct alloc_site *site)
{
	REQUIRE(n < 1 << 20 && size < 1 << 20);
	return kmalloc_at(n * size, gfp, site);
}

char *kstrdup_at(const char *s, gfp_t gfp, struct alloc_site *site)
{
	char *copy = kmalloc_at(strlen(s) + 1, gfp, site);

	return copy ? strcpy(copy, s) : NULL;
}

void kfree(const void *p)
{
	live -= p != NULL;
	free((void *)p);
}

void *kvmalloc_at(size_t size, gfp_t gfp, struct alloc_site *site)
{
	return kmalloc_at(size, gfp, site);
}

void kvfree(const void *p)
{
	kfree(p);
}

static char *grow(char *old, size_t old_size, size_t used, size_t new_size)
{
	char *p = malloc(new_size);

	if (old)
		memcpy(p, old, used);
	free(old);
	return p;
}

static void release(char *p, size_t size)
{
	free(p);
}

const struct text_ops text_kernel_ops = { .grow = grow, .free = release };

/* Formatted, so that every string is read to its end, and thrown away. */
void printk(enum log_level level, const char *fmt, ...)
{
	static char line[4096];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
}

int mutex_lock_slow(struct mutex *m, bool killable)
{
	REQUIRE(!"a lock is taken twice");
	return 0;
}

void mutex_unlock_slow(struct mutex *m)
{
	REQUIRE(!"nobody waits");
}

void lock_init_debug(void *lock, const char *name, int rank) {}
__thread struct task *host_current;

/* ---- memory near the kernel: below 2 GiB, with its end poisoned and nothing behind --------------------------------------- */

static void *near(size_t size)
{
	size_t whole = (size + 4095) & ~4095UL;
	char *p = mmap(NULL, whole + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	mprotect(p + whole, 4096, PROT_NONE);
	ASAN_POISON_MEMORY_REGION(p + size, whole - size);
	live++;
	return p;
}

static void near_free(void *p, size_t size)
{
	size_t whole = (size + 4095) & ~4095UL;

	ASAN_UNPOISON_MEMORY_REGION(p, whole);
	munmap(p, whole + 4096);
	live--;
}

int module_part_alloc(struct module_part *p)
{
	p->start = 0;
	if (!p->size)
		return 0;
	p->start = fails() ? 0 : (vaddr_t)near(p->size);
	return p->start ? 0 : -ENOMEM;
}

void module_part_free(struct module_part *p)
{
	if (p->start)
		near_free((void *)p->start, p->size);
	p->start = 0;
}

vaddr_t module_percpu_alloc(size_t size, size_t align)
{
	return fails() || size > 4096 ? 0 : (vaddr_t)near(size);
}

void module_percpu_free(vaddr_t at, size_t size)
{
	near_free((void *)at, size);
}

/* Nothing of the module has run, so nothing of it runs still. */
void kthread_stop_range(const char *whose, vaddr_t start, vaddr_t end) {}
unsigned works_cancel_range(unsigned long start, unsigned long end) { return 0; }
unsigned timers_cancel_if(bool (*match)(const struct timer *t, unsigned long start, unsigned long end), unsigned long start, unsigned long end)
{
	return 0;
}

size_t kmalloc_size(const void *p)
{
	return malloc_usable_size((void *)p);
}

unsigned nr_cpus = 1;
unsigned long percpu_offset[MAX_CPUS];

static int no_set(const char *text, const struct module_param *p)
{
	return 0;
}

static const struct module_param_ops no_ops = { .set = no_set };

/* The last thing a load does. Text stays readable only, so a late write shows; what would be run is checked and forgotten. */
void module_part_protect(const struct module_part *p, enum module_part_kind kind)
{
	struct module *m = container_of((struct module_part *)p - kind, struct module, part[0]);
	const struct module_part *text = &m->part[PART_TEXT], *init = &m->part[PART_INIT_TEXT];

	if (m->init)
		REQUIRE((vaddr_t)m->init - text->start < text->size || (vaddr_t)m->init - init->start < init->size);
	if (m->exit)
		REQUIRE((vaddr_t)m->exit - text->start < text->size);
	m->init = NULL;
	m->exit = NULL;
	for (unsigned i = 0; kind == PART_TEXT && i < m->nr_params; i++)
		if (m->params[i].kind == 'o')
			m->params[i].ops = &no_ops;
	if (p->size && (kind == PART_TEXT || kind == PART_RODATA || kind == PART_INIT_TEXT))
		mprotect((void *)p->start, (p->size + 4095) & ~4095UL, PROT_READ);
}

/* As on a CPU without SMAP: it writes. */
void module_patch_user_access(s32 *sites, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memcpy((char *)&sites[i] + sites[i], "\x0f\x1f", 3);
}

/* The sites below are no slots of a table: each module has its own array. */
static struct alloc_site *sites;
static unsigned nr_sites;
static vaddr_t site_code[4096];
static struct module_sums site_sums = { { 2 }, { 1 }, { 4196 }, { 5000 }, { 3 }, { 6000 } };
static struct module_sums book_sums = { { 4 }, { 2 }, { 8392 }, { 9000 }, { 6 }, { 12000 } };
static char *last_report;
static unsigned open_books;

struct alloc_site *ledger_sites_reserve(unsigned n, unsigned *first)
{
	if (fails() || !n || n > 384)
		return NULL;
	REQUIRE(!sites);
	*first = 1;
	nr_sites = n;
	memset(site_code, 0, sizeof(site_code));
	sites = near(n * sizeof(*sites));
	return sites;
}

/* Names of what still lives are copied: they must be strings. */
void ledger_sites_release(unsigned first, unsigned n)
{
	REQUIRE(first == 1 && n == nr_sites && sites);
	for (unsigned i = 0; i < n; i++)
		REQUIRE(strlen(sites[i].file) + strlen(sites[i].func) < 1 << 20 && sites[i].id == i + 1);
	near_free(sites, n * sizeof(*sites));
	sites = NULL;
}

struct alloc_site *ledger_site_at(unsigned id, const struct module_sums **sums, vaddr_t *code)
{
	REQUIRE(id - 1 < nr_sites);
	*sums = &site_sums;
	*code = site_code[id - 1];
	return &sites[id - 1];
}

void ledger_site_set_code(struct alloc_site *s, unsigned b, vaddr_t code)
{
	REQUIRE((size_t)(s - sites) < nr_sites);
	s->module = (u16)b;
	if (code)
		site_code[s - sites] = code;
}

int ledger_sites_caches(unsigned first, unsigned n, void (*fn)(void *arg, unsigned id, const char *cache, size_t size, long objects), void *arg)
{
	for (unsigned i = 0; i < n; i++)
		fn(arg, first + i, "kmalloc-64", 64, 2);
	return fails() ? -ENOMEM : 0;
}

unsigned ledger_books_open(const char *name)
{
	if (fails())
		return 0;
	open_books++;
	return 1;
}

void ledger_books_close(unsigned b, char *report)
{
	open_books--;
	kvfree(last_report);
	last_report = report;
}

const struct module_sums *ledger_books_sums(unsigned b)
{
	return &book_sums;
}

const char *ledger_books_report(unsigned b, bool *more)
{
	*more = false;
	return last_report;
}

/* What the sysfs files of it would show. */
void module_sysfs_add(struct module *m)
{
	static char page[4096];
	struct text t;

	for (unsigned i = 0; i < m->nr_params; i++) {
		REQUIRE(strlen(m->params[i].name) < 1 << 20);
		if (m->params[i].mode)
			(void)module_param_text(&m->params[i], page);
	}
	text_init(&t, &text_kernel_ops);
	(void)module_allocations_text(m, &t);
	text_free(&t);
}

void module_sysfs_remove(struct module *m) {}

/* The exports of the kernel: as build/gen/symvers has them, standing in a page near the modules. */
static struct ksym exported[1024];
static unsigned nr_exported;
__asm__(".globl ksymtab_start\n.set ksymtab_start, exported\n.globl ksymtab_end\n.set ksymtab_end, exported + 1024 * 24");

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct ksym *)a)->name, ((const struct ksym *)b)->name);
}

static void read_exports(const char *list)
{
	FILE *f = fopen(list, "r");
	static char line[4096];
	char *at = near(1024 * 16);

	REQUIRE(f && at);
	for (; fgets(line, sizeof(line), f); nr_exported++) {		/* "0xCRC NAME" */
		char *crc = strtok(line, " \n"), *name = strtok(NULL, " \n");

		REQUIRE(crc && name && nr_exported < 1024);
		exported[nr_exported] = (struct ksym){ (unsigned long)at + nr_exported * 16, strdup(name), strtoul(crc, NULL, 16) };
	}
	fclose(f);
	for (unsigned i = nr_exported; i < 1024; i++)
		exported[i] = (struct ksym){ .address = 0, .name = "~" };
	qsort(exported, 1024, sizeof(exported[0]), by_name);
}

static u64 state = 1;

static u64 rnd(u64 n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return n ? state % n : 0;
}

/* ---- one input --------------------------------------------------------------------------------------------------------- */

static void look_at(const char *name)
{
	unsigned long offset, size;
	char text[256], kind;
	struct module *from = NULL;
	vaddr_t a;
	struct text t;

	for (unsigned i = 0; i < 5000 && module_symbol_nth(i, &a, &kind, text, sizeof(text)); i++)
		(void)module_symbol_at(a, text, sizeof(text), &offset, &size);
	(void)module_resolve("no such symbol", &from);
	text_init(&t, &text_kernel_ops);
	(void)modules_ledger_text(&t);
	text_free(&t);
}

static const char *const args[] = { "", "times=3 whom=you", "what=kcvp no_such=1", "times=x \"whom=x y\"", "times=99999999999", "what" };

static int one(const void *data, size_t len, unsigned flags)
{
	void *image = malloc(len);		/* of exactly that size */
	char name[MODULE_NAME_LEN] = "";
	long before;
	int err;

	kvfree(last_report);
	last_report = NULL;
	before = live;
	memcpy(image, data, len);
	err = module_load(image, len, args[rnd(ARRAY_SIZE(args))], flags);
	REQUIRE(err == 0 || err == -ENOEXEC || err == -ENOENT || err == -EINVAL || err == -ERANGE || (err == -ENOMEM) || err == -EBUSY);
	free(image);
	if (!err) {
		strcpy(name, list_first_entry(&module_list, struct module, link)->name);
		look_at(name);
		err = module_unload(name, true);
		REQUIRE(!err || !"it does not unload");
	}
	REQUIRE(list_empty(&module_list) && !sites && !open_books && !atomic_read(&module_lock.state));
	kvfree(last_report);
	last_report = NULL;
	REQUIRE(live == before);
	return *name ? 0 : err;
}

/* ---- breaking it ------------------------------------------------------------------------------------------------------- */

/* A number that somebody may not have thought of, or one near the old. */
static u64 odd(u64 old, size_t len)
{
	static const u64 list[] = { 0, 1, 2, 7, 8, 63, 4095, 4096, 0x7fff, 0xff00, 0xfff1, 0xfff2, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 31,
				    1ull << 32, 1ull << 62, 1ull << 63, ~0ull, ~0ull - 7 };

	switch (rnd(6)) {
	case 0: return list[rnd(ARRAY_SIZE(list))];
	case 1: return old + rnd(17) - 8;
	case 2: return len - rnd(64);
	case 3: return rnd(len + 64);
	case 4: return -rnd(4096);
	default: return old ^ 1ull << rnd(64);
	}
}

static void put(u8 *image, size_t len, size_t at, size_t width)
{
	u64 v = 0;

	if (at > len || width > len - at)
		return;
	memcpy(&v, image + at, width);
	v = odd(v, len);
	memcpy(image + at, &v, width);
}

/* One field of an array of structs: widths are the struct's fields in order. */
static void break_field(u8 *image, size_t len, u64 offset, u64 size, const char *widths)
{
	size_t entry = 0, n = strlen(widths), field, at = 0;

	for (size_t i = 0; i < n; i++)
		entry += (size_t)(widths[i] - '0');
	if (size < entry)
		return;
	field = rnd(n);
	for (size_t i = 0; i < field; i++)
		at += (size_t)(widths[i] - '0');
	put(image, len, offset + rnd(size / entry) * entry + at, (size_t)(widths[field] - '0'));
}

static const Elf64_Shdr *some_section(const u8 *image, size_t len)
{
	const Elf64_Ehdr *e = (const void *)image;
	u64 at;

	if (len < sizeof(*e) || !e->e_shnum)
		return NULL;
	at = e->e_shoff + rnd(e->e_shnum) * sizeof(Elf64_Shdr);
	return at < len && len - at >= sizeof(Elf64_Shdr) && at % 8 == 0 ? (const void *)(image + at) : NULL;
}

#define EHDR	"88224888422222222"	/* ident in two, type, machine, version, entry, phoff, shoff, flags, sizes */
#define SHDR	"4488884488"
#define SYM	"411288"
#define RELA	"4488"			/* info in its two halves: offset comes first, so turned */

static void break_contents(u8 *image, size_t len)
{
	const Elf64_Shdr *s = NULL;
	u64 size;

	for (int tries = 0; tries < 8 && (!s || s->sh_type == SHT_NOBITS || !s->sh_size || s->sh_offset >= len); tries++)
		s = some_section(image, len);
	if (!s || s->sh_offset >= len || s->sh_type == SHT_NOBITS)
		return;
	size = s->sh_size < len - s->sh_offset ? s->sh_size : len - s->sh_offset;
	if (s->sh_type == SHT_SYMTAB)
		break_field(image, len, s->sh_offset, size, SYM);
	else if (s->sh_type == SHT_RELA)
		break_field(image, len, s->sh_offset, size, "8448");
	else if (s->sh_type == SHT_STRTAB || rnd(2))
		put(image, len, s->sh_offset + rnd(size), 1);
	else
		put(image, len, s->sh_offset + rnd(size) / 8 * 8, 8);
}

/* Two of the section names, types or places change places. */
static void swap_sections(u8 *image, size_t len)
{
	Elf64_Shdr *a = (void *)some_section(image, len), *b = (void *)some_section(image, len), t;

	if (!a || !b)
		return;
	t = *a;
	switch (rnd(4)) {
	case 0: a->sh_name = b->sh_name; b->sh_name = t.sh_name; break;
	case 1: a->sh_type = b->sh_type; break;
	case 2: a->sh_offset = b->sh_offset; a->sh_size = b->sh_size; break;
	default: a->sh_flags = b->sh_flags; a->sh_info = b->sh_info; break;
	}
}

/* In place; the new length. */
static size_t break_it(u8 *image, size_t len)
{
	for (u64 n = 1 + rnd(rnd(4) ? 2 : 12); n; n--) {
		const Elf64_Shdr *s;

		switch (rnd(16)) {
		case 0:
			break_field(image, len, 0, 64, EHDR);
			break;
		case 1: case 2: case 3:
			s = some_section(image, len);
			if (s)
				break_field(image, len, (u64)((const u8 *)s - image), sizeof(*s), SHDR);
			break;
		case 4: case 5:
			swap_sections(image, len);
			break;
		case 6:
			if (len)
				image[rnd(len)] = (u8)rnd(256);
			break;
		case 7:
			len = rnd(40) ? len : rnd(len + 1);
			break;
		default:
			break_contents(image, len);
		}
	}
	return len;
}

#ifdef LIBFUZZER

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	read_exports("build/gen/symvers");
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
	fail_after = -1;
	one(data, n, 2);
	return 0;
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned seed)
{
	state = seed * 2654435761u + 1;
	return break_it(data, size);
}

#else

struct file { const char *name; u8 *data; size_t len; };

static struct file read_file(const char *name)
{
	struct file r = { .name = name };
	FILE *f = fopen(name, "rb");

	REQUIRE(f && fseek(f, 0, SEEK_END) == 0);
	r.len = (size_t)ftell(f);
	r.data = malloc(r.len + 8);
	rewind(f);
	REQUIRE(fread(r.data, 1, r.len, f) == r.len);
	fclose(f);
	return r;
}

/* The input that is being tried, for whoever finds it dead. */
static void keep(const u8 *data, size_t n)
{
	const char *name = getenv("FUZZ_KEEP");
	FILE *f = name ? fopen(name, "wb") : NULL;

	if (f) {
		fwrite(data, 1, n, f);
		fclose(f);
	}
}

static long count[3];			/* loaded, refused, out of memory */

static void note(int err)
{
	count[err == 0 ? 0 : err == -ENOMEM ? 2 : 1]++;
}

static void try_broken(const struct file *f, u8 *copy)
{
	size_t len;

	memcpy(copy, f->data, f->len);
	len = break_it(copy, f->len);
	keep(copy, len);
	fail_after = rnd(8) ? -1 : (long)rnd(12);
	note(one(copy, len, rnd(4) ? 0 : 2));
}

int main(int argc, char **argv)
{
	long rounds = 3000, seconds = 0, done = 0;
	struct file files[64];
	unsigned nr = 0;
	bool as_is = false;
	time_t end;
	u8 *copy;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-')
			files[nr++] = read_file(argv[i]);
		else if (argv[i][1] == 'x')
			as_is = true;
		else if (i + 1 < argc)
			*(argv[i][1] == 'r' ? &rounds : argv[i][1] == 't' ? &seconds : (long *)&state) = atol(argv[i + 1]), i++;
	}
	REQUIRE(nr && nr < 64 && state);
	read_exports("build/gen/symvers");
	copy = malloc(16 << 20);
	fail_after = -1;
	for (unsigned i = 0; i < nr; i++) {
		int err = one(files[i].data, files[i].len, 2);

		if (as_is)
			printf("%s: %d\n", files[i].name, err);
		else
			REQUIRE(!err || err == -EINVAL || err == -ERANGE);	/* whole ones load, or a parameter is wrong */
		for (long n = 0; !as_is && n < 40; n++, fail_after = -1) {
			fail_after = n;
			note(one(files[i].data, files[i].len, 2));
		}
	}
	end = time(NULL) + seconds;
	for (; !as_is && (seconds ? time(NULL) < end : done < rounds); done++)
		try_broken(&files[rnd(nr)], copy);
	printf("ok 1 - the module loader: %ld damaged modules: %ld loaded, %ld refused, %ld without memory; nothing left behind\n", done, count[0], count[1], count[2]);
	return 0;
}

#endif
