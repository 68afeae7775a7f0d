/*
 * report.c - the report on the terminal: how it ended, where every byte was, who had it, what stayed.
 * WHY         it must close: the lines add up to the machine's RAM, to the frame, so they are printed in KiB,
 *             which is exact, and what does not add up has a line of its own.
 * INVARIANTS  T1 at most 40 lines of 100 columns: lists show what has room and sum up the rest. Where more happened than fits, the
 *                same is written again with less detail, step by step.
 *             T2 colour only where asked for: the words alone say everything.
 * READ NEXT   cli/report.h, docs/reports.md
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/quire.h"

#define LABEL_WIDTH 33
#define PAGE_WIDTH 99

#define PAGE_LINES 40

/* What is left out when the page is full, one after the other. */
enum detail { FULL, NO_SLABS, TWO_PROCESSES, NO_FILES_IN_MEMORY, ONE_PROCESS, NO_PLACES, NO_CACHE_BY_FILE, NO_HEAP_SHARE, NO_PLOT, LEAST };

static bool colour;
static enum detail left_out;

static const char *paint(const char *sequence)
{
	return colour ? sequence : "";
}

#define BOLD paint("\033[1m")
#define DIM paint("\033[2m")
#define GREEN paint("\033[32m")
#define RED paint("\033[31m")
#define PLAIN paint("\033[0m")

bool wants_colour(FILE *to)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(to)) && !(no && *no) && term && strcmp(term, "dumb");
}

const char *grouped(uint64_t n, char out[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = 0;
	return out;
}

static const char *signed_kib(int64_t bytes, char out[32])
{
	char digits[32];

	snprintf(out, 32, "%s%s", bytes < 0 ? "-" : "+", grouped((uint64_t)llabs(bytes) / 1024, digits));
	return out;
}

const char *account_words(const char *name)
{
	static const char *const words[][2] = {
		{"anon", "anonymous (heap, stack, mmap)"},
		{"shmem", "tmpfs and shared memory"},
		{"swap_cache", "swap cache"},
		{"zswap", "compressed swap"},
		{"page_cache", "file pages"},
		{"reserved", "reserved by the firmware"},
		{"image", "kernel image"},
		{"page_array", "frame table"},
		{"boot", "boot allocations"},
		{"slab", "slab objects"},
		{"vmalloc", "vmalloc"},
		{"kernel_stacks", "kernel stacks"},
		{"page_tables", "page tables"},
		{"percpu", "per-CPU areas"},
		{"modules", "modules"},
		{"device", "device buffers"},
		{"balloon", "taken away by --pressure"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i][0], name))
			return words[i][1];
	return name;
}

/* How many columns a text takes: UTF-8's continuing bytes take none. */
static int width_of(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* At most `most` columns, padded to them when `pad`; control characters become '?'; the end of a long name matters most. */
static void put_name(FILE *to, const char *s, int most, bool pad)
{
	int width = width_of(s), skip = width > most ? width - most + 1 : 0, shown = 0;

	if (skip) {
		fputs("…", to);
		shown = 1;
	}
	for (; *s; s++) {
		bool begins = ((unsigned char)*s & 0xc0) != 0x80;

		if (skip) {
			const char *next = s + 1;

			while (((unsigned char)*next & 0xc0) == 0x80)
				next++;
			skip--;
			s = next - 1;
			continue;
		}
		fputc((unsigned char)*s < 32 || *s == 127 ? '?' : *s, to);
		shown += begins;
	}
	for (; pad && shown < most; shown++)
		fputc(' ', to);
}

struct row {
	uint64_t start, peak, end;
};

static void line(FILE *to, const struct report *r, const char *indent, const char *label, struct row v)
{
	char a[32], b[32], c[32];

	fprintf(to, "%s%-*s %12s %12s %6.1f %12s\n", indent, LABEL_WIDTH - (int)strlen(indent), label,
		grouped(v.start / 1024, a), grouped(v.peak / 1024, b), r->ram ? 100.0 * (double)v.peak / (double)r->ram : 0,
		grouped(v.end / 1024, c));
}

/* "NAME KIB" joined by dots, as many as fit a line, the first in any case; `others` counts those left out. */
struct listing {
	FILE *to;
	int width;
	unsigned int shown;
};

static struct listing list_begin(FILE *to, const char *title)
{
	fprintf(to, "%s%s%s", BOLD, title, PLAIN);
	return (struct listing){to, width_of(title), 0};
}

static bool list_add(struct listing *l, const char *name, uint64_t bytes, bool more)
{
	char kib[32];
	int wide = width_of(name), width;

	grouped(bytes / 1024, kib);
	wide = wide > 60 ? 60 : wide;
	width = (l->shown ? 3 : 1) + wide + 1 + (int)strlen(kib);
	if (l->shown && l->width + width + (more ? 22 : 0) > PAGE_WIDTH)
		return false;
	fputs(l->shown ? " · " : " ", l->to);
	put_name(l->to, name, wide, false);
	fprintf(l->to, " %s", kib);
	l->width += width;
	l->shown++;
	return true;
}

static void list_end(struct listing *l, size_t left, uint64_t bytes)
{
	char kib[32];

	if (left && bytes / 1024)
		fprintf(l->to, " · %zu other%s %s", left, left > 1 ? "s" : "", grouped(bytes / 1024, kib));
	fputc('\n', l->to);
}

static void print_slabs(FILE *to, const struct report *r)
{
	struct listing l;
	uint64_t others = 0;
	size_t i = 0;

	if (!r->nr_slabs || left_out >= NO_SLABS)
		return;
	fputs(DIM, to);
	l = list_begin(to, "     at the end:");
	for (; i < r->nr_slabs && i < 4 && list_add(&l, r->slabs[i].name, r->slabs[i].size, true); i++)
		;
	for (size_t k = i; k < r->nr_slabs; k++)
		others += r->slabs[k].size;
	list_end(&l, r->nr_slabs - i, others);
	fputs(PLAIN, to);
}

static bool is_fixed(const struct rep_account *a)
{
	static const char *const names[] = {"reserved", "image", "page_array", "boot"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(a->name, names[i]))
			return true;
	return false;
}

/* What boot took for good, in one line. */
static void print_fixed(FILE *to, const struct report *r)
{
	struct row sum = {0};

	for (size_t i = 0; i < r->nr_accounts; i++) {
		const struct rep_account *a = &r->accounts[i];

		if (!is_fixed(a))
			continue;
		sum.start += a->start;
		sum.peak += a->at_peak;
		sum.end += a->end;
	}
	line(to, r, "   ", "image, frame table, boot", sum);
}

static unsigned int accounts_of(const struct report *r, enum account_space s)
{
	unsigned int n = 0;

	for (size_t i = 0; i < r->nr_accounts; i++)
		n += r->accounts[i].space == s && (r->accounts[i].end || r->accounts[i].at_peak || r->accounts[i].start);
	return n;
}

static void print_space(FILE *to, const struct report *r, enum account_space space, const char *title)
{
	fputs(BOLD, to);
	line(to, r, " ", title,
	     (struct row){report_space(r, space, 's'), report_space(r, space, 'p'), report_space(r, space, 'e')});
	fputs(PLAIN, to);
	if (space == SPACE_FREE || (space == SPACE_CACHE && accounts_of(r, space) < 2))
		return;
	if (space == SPACE_KERNEL)
		print_fixed(to, r);
	for (size_t i = 0; i < r->nr_accounts; i++) {
		const struct rep_account *a = &r->accounts[i];

		if (a->space != space || (!a->end && !a->at_peak && !a->start) || is_fixed(a))
			continue;
		line(to, r, "   ", account_words(a->name), (struct row){a->start, a->at_peak, a->end});
		if (!strcmp(a->name, "slab"))
			print_slabs(to, r);
	}
}

static uint64_t sum_of(const struct report *r, char when)
{
	uint64_t sum = 0;

	for (int s = 0; s < SPACE_COUNT; s++)
		sum += report_space(r, (enum account_space)s, when);
	return sum;
}

static void print_closing(FILE *to, const struct report *r)
{
	int64_t peak = report_unaccounted(r, 'p') / (int64_t)r->page_size, end = report_unaccounted(r, 'e') / (int64_t)r->page_size;

	line(to, r, " ", "SUM", (struct row){sum_of(r, 's'), sum_of(r, 'p'), sum_of(r, 'e')});
	fprintf(to, " %s%-*s %12s %12" PRId64 " %6s %12" PRId64 "  frames%s%s\n", peak || end ? RED : GREEN, LABEL_WIDTH - 1, "UNACCOUNTED",
		"", peak, "", end, !peak && !end ? ", closed" : "", PLAIN);
}

/* ---- who ---- */

static const char *short_path(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void process_name(const struct rep_process *p, char out[80])
{
	snprintf(out, 80, "%.60s[%d]", p->name, p->pid);
}

static void print_mappings(FILE *to, const struct rep_process *p)
{
	struct listing l = list_begin(to, "    ↳");
	uint64_t rest = 0;
	size_t i = 0;

	for (; i < p->nr_maps && strcmp(p->maps[i].name, "others") && list_add(&l, short_path(p->maps[i].name), p->maps[i].bytes, true); i++)
		;
	for (size_t k = i; k < p->nr_maps; k++)
		rest += p->maps[k].bytes;
	list_end(&l, p->nr_maps - i, rest);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void print_process(FILE *to, const struct rep_process *p)
{
	const uint64_t v[] = {p->charged, p->rss, p->pss, p->uss, less(p->rss, p->uss), p->swap, p->tables, p->kernel};
	char name[80], a[32];

	process_name(p, name);
	fputs("  ", to);
	put_name(to, name, 24, true);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		fprintf(to, " %*s", i < 5 ? 9 : 7, grouped(v[i] / 1024, a));
	fputc('\n', to);
}

static void print_processes(FILE *to, const struct report *r, unsigned int most)
{
	size_t n = r->nr_processes < most ? r->nr_processes : most;
	uint64_t rest = 0;
	char a[32];

	if (!n)
		return;
	fprintf(to, "%s%-26s %9s %9s %9s %9s %9s %7s %7s %7s%s\n", BOLD, "EACH AT ITS OWN PEAK, KiB", "CHARGED", "RSS", "PSS", "USS",
		"SHARED", "SWAP", "TABLES", "KERNEL", PLAIN);
	for (size_t i = 0; i < n; i++) {
		print_process(to, &r->processes[i]);
		if (i < 2 && r->processes[i].nr_maps)
			print_mappings(to, &r->processes[i]);
	}
	for (size_t i = n; i < r->nr_processes; i++)
		rest += r->processes[i].charged;
	if (r->nr_processes > n)
		fprintf(to, "  %zu more%*s\n", r->nr_processes - n, r->nr_processes - n > 9 ? 27 : 28, grouped(rest / 1024, a));
}

/* What a heap profiler would have called the largest process's memory. */
static void print_heap_share(FILE *to, const struct report *r)
{
	const struct rep_process *p = r->nr_processes ? &r->processes[0] : NULL;
	uint64_t heap = 0, charged = p ? p->charged + p->kernel : 0;
	char name[80], a[32], b[32];

	for (size_t i = 0; p && i < p->nr_maps; i++)
		if (!strcmp(p->maps[i].name, "[heap]"))
			heap += p->maps[i].bytes;
	if (!p || !charged || !p->rss)
		return;
	process_name(p, name);
	fprintf(to, "%s's [heap] is %s KiB of the %s KiB that it cost: %.0f %%\n", name, grouped(heap / 1024, a),
		grouped(charged / 1024, b), 100.0 * (double)heap / (double)charged);
}

static void print_parts(FILE *to, const char *title, const struct rep_part *p, size_t n)
{
	struct listing l;

	if (!n)
		return;
	l = list_begin(to, title);
	for (size_t i = 0; i < n && list_add(&l, p[i].name, p[i].bytes, false); i++)
		;
	list_end(&l, 0, 0);
}

static void print_files(FILE *to, const struct report *r, bool memory)
{
	struct listing l = {0};
	uint64_t rest = 0;
	size_t left = 0;

	for (size_t i = 0; i < r->nr_files; i++) {
		const struct rep_file *f = &r->files[i];
		char name[256];

		if ((strcmp(f->kind, "cache") != 0) != memory)
			continue;
		if (!l.to)
			l = list_begin(to, memory ? "Files in memory, KiB:" : "Page cache by file, KiB:");
		snprintf(name, sizeof(name), "%.100s%s%s%.60s", short_path(f->path), f->deleted ? " (deleted)" : "",
			 memory && *f->owner ? " of " : "", memory ? f->owner : "");
		if (!left && list_add(&l, name, f->bytes, true))
			continue;
		left++;
		rest += f->bytes;
	}
	if (l.to)
		list_end(&l, left, rest);
}

/* ---- what stayed ---- */

static int by_growth(const void *a, const void *b)
{
	const struct rep_site *x = *(const struct rep_site *const *)a, *y = *(const struct rep_site *const *)b;
	int64_t dx = (int64_t)(x->end - x->start), dy = (int64_t)(y->end - y->start);

	return dx < dy ? 1 : dx > dy ? -1 : strcmp(x->place, y->place);
}

/* Page frames of files are named elsewhere, and slabs are there for their objects: both would be said twice. */
static bool is_said_elsewhere(const struct rep_site *s)
{
	return !strncmp(s->place, "mm/filemap.c", 12) || !strcmp(s->func, "slab_make");
}

static void print_grown_sites(FILE *to, const struct report *r)
{
	const struct rep_site **s = must_alloc(calloc(r->nr_sites + 1, sizeof(*s)));
	struct listing l = {0};
	size_t n = 0;

	for (size_t i = 0; i < r->nr_sites; i++)
		if (r->sites[i].end > r->sites[i].start && !is_said_elsewhere(&r->sites[i]))
			s[n++] = &r->sites[i];
	qsort(s, n, sizeof(*s), by_growth);
	if (n)
		l = list_begin(to, "  by place:");
	for (size_t i = 0; i < n; i++) {
		char name[200];

		snprintf(name, sizeof(name), "%.40s (%.60s)", s[i]->func, s[i]->place);
		if (!list_add(&l, name, s[i]->end - s[i]->start, false))
			break;
	}
	if (n)
		list_end(&l, 0, 0);
	free(s);
}

/* Frames and objects that are in the books of processes which have ended: their files' pages, and what leaked. */
static uint64_t charged_to_the_gone(const struct report *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->nr_owners; i++) {
		const struct rep_owner *o = &r->owners[i];
		bool gone = !strcmp(o->kind, "process");

		for (size_t k = 0; k < r->nr_processes && gone; k++)
			gone = r->processes[k].pid != o->id || r->processes[k].gone;
		if (gone)
			sum += o->frames + o->slab;
	}
	return sum;
}

static void print_held(FILE *to, const struct report *r)
{
	static const struct {
		const char *name;
		enum account_space space;
	} of[] = {{"user", SPACE_USER}, {"kernel", SPACE_KERNEL}, {"files", SPACE_CACHE}};
	char a[32];

	if (!sum_of(r, 's'))
		return;
	fprintf(to, "%sStill held after exit%s, KiB:", BOLD, PLAIN);
	for (size_t i = 0; i < 3; i++)
		fprintf(to, "%s %s %s", i ? " ·" : "", of[i].name,
			signed_kib((int64_t)(report_space(r, of[i].space, 'e') - report_space(r, of[i].space, 's')), a));
	fprintf(to, " · of gone processes %s\n", grouped(charged_to_the_gone(r) / 1024, a));
	if (left_out < NO_PLACES)
		print_grown_sites(to, r);
}

static void print_who(FILE *to, const struct report *r)
{
	const struct rep_snap *s = report_named_snap(r);

	if (!s)
		return;
	print_parts(to, "At the peak, KiB by owner:", s->owners, s->nr_owners);
	if (left_out < NO_PLACES)
		print_parts(to, "         by place in code:", s->sites, s->nr_sites);
}

static void print_memory(FILE *to, const struct report *r)
{
	char a[32];

	fprintf(to, "RAM %.1f MiB, %s frames     %speak %.1f MiB used%s", (double)r->ram / (1 << 20),
		grouped(r->ram / r->page_size, a), BOLD, (double)r->used_peak / (1 << 20), PLAIN);
	if (r->peak_time_ns)
		fprintf(to, " at %.2f s", (double)r->peak_time_ns / 1e9);
	fprintf(to, ", at the end %.1f\n", (double)r->used_end / (1 << 20));
	if (left_out < NO_PLOT)
		plot_text(to, r);
	fprintf(to, "%s%-*s %12s %12s %6s %12s%s\n", BOLD, LABEL_WIDTH, "WHERE EVERY BYTE WAS, IN KiB", "AT START", "AT PEAK", "%",
		"AT THE END", PLAIN);
	print_space(to, r, SPACE_USER, "USER");
	print_space(to, r, SPACE_CACHE, "PAGE CACHE");
	print_space(to, r, SPACE_KERNEL, "KERNEL");
	print_space(to, r, SPACE_FREE, "FREE");
	print_closing(to, r);
	print_processes(to, r, left_out >= ONE_PROCESS ? 1 : left_out >= TWO_PROCESSES ? 2 : 3);
	if (left_out < NO_HEAP_SHARE)
		print_heap_share(to, r);
	if (left_out < NO_CACHE_BY_FILE)
		print_files(to, r, false);
	if (left_out < NO_FILES_IN_MEMORY)
		print_files(to, r, true);
	print_who(to, r);
	print_held(to, r);
	if (*r->audit)
		fprintf(to, "%.*s\n", (int)strcspn(r->audit, "\n"), r->audit);
}

static void print_head(FILE *to, const struct report *r)
{
	char words[64];

	report_words(r, words, sizeof(words));
	fprintf(to, "%s── quire ─────────── %s · %.2f s", BOLD, words, (double)r->wall_ns / 1e9);
	if (r->start_ns)
		fprintf(to, " (%.2f to start)", (double)r->start_ns / 1e9);
	fprintf(to, " · %s (%.30s) · %d cpu%s%s\n", r->accel, r->accel_why, r->cpus, r->cpus == 1 ? "" : "s", PLAIN);
}

static void print_all(FILE *to, const struct report *r)
{
	json_t *trouble = json_object_get(r->root, "trouble");

	print_head(to, r);
	if (r->oom_kills && !json_array_size(json_object_get(trouble, "oom_kills")))
		fprintf(to, "%s%.*s%s%s\n", RED, PAGE_WIDTH - 20, r->oom, r->oom_kills > 1 ? " (and others before)" : "", PLAIN);
	trouble_text(to, trouble);
	pressure_text(to, json_object_get(r->root, "pressure"));
	if (r->has_memory)
		print_memory(to, r);
	else
		fprintf(to, "RAM %.1f MiB     (this guest kernel keeps no ledger)\n", (double)r->machine_ram / (1 << 20));
	trees_text(to, r);
	modules_text(to, json_object_get(r->root, "modules"));
}

static unsigned int lines_of(const char *text)
{
	unsigned int n = 0;

	while ((text = strchr(text, '\n'))) {
		text++;
		n++;
	}
	return n;
}

void report_text(FILE *to, const struct report *r, bool with_colour)
{
	char *text = NULL;
	size_t size;

	colour = with_colour;
	for (left_out = FULL; left_out < LEAST; left_out++) {
		FILE *page;

		free(text);
		page = must_alloc(open_memstream(&text, &size));
		print_all(page, r);
		fclose(page);
		if (lines_of(text) <= PAGE_LINES)
			break;
	}
	fputs(text, to);
	free(text);
}
