/*
 * diff.c - `quire diff`: what changed between two runs, by account, call site, process, slab cache and call stack.
 * WHY         "did my change cost memory?" is a question about two numbers with the same name; and a build that asks
 *             wants an exit status.
 * SHAPE       each section is a list of names with two values; a name only one run has stands against 0.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

static const char usage[] =
	"Usage: quire diff A.json B.json [--json] [--min SIZE] [--by SECTION]...\n"
	"\n"
	"What changed from run A to run B, largest change first. The files are those of `quire run --json`.\n"
	"\n"
	"  --min SIZE    only changes of at least SIZE bytes (4096; K, M, G may follow); 0: every change\n"
	"  --by SECTION  accounts, sites, processes, slabs or stacks; default: all that both runs have\n"
	"  --json        as JSON\n"
	"\n"
	"Status, as diff(1): 0 nothing changed by as much, 1 something did, 2 trouble.\n";

#define TROUBLE 2
#define MOST_SHOWN 12

struct change {
	char *name;
	uint64_t a, b;
};

struct section {
	const char *name, *what;
	struct change *changes;
	size_t count, size;
};

static void __attribute__((noreturn)) trouble(const char *what, const char *why)
{
	warn_user("diff%s%s: %s", *what ? " " : "", what, why);
	exit(TROUBLE);
}

static void add(struct section *s, bool second, const char *name, uint64_t bytes)
{
	size_t i = 0;

	while (i < s->count && strcmp(s->changes[i].name, name))
		i++;
	if (i == s->count) {
		if (s->count == s->size)
			s->changes = must_alloc(realloc(s->changes, (s->size = 2 * s->size + 64) * sizeof(*s->changes)));
		s->changes[s->count++] = (struct change){.name = must_alloc(strdup(name))};
	}
	*(second ? &s->changes[i].b : &s->changes[i].a) += bytes;
}

static void add_accounts(struct section *s, const struct report *r, bool second)
{
	for (size_t i = 0; i < r->nr_accounts; i++)
		if (r->accounts[i].space != SPACE_FREE)
			add(s, second, r->accounts[i].name, r->accounts[i].own_peak);
}

static void add_sites(struct section *s, const struct report *r, bool second)
{
	char name[256];

	for (size_t i = 0; i < r->nr_sites; i++) {
		snprintf(name, sizeof(name), "%s (%s)", r->sites[i].func, r->sites[i].place);
		add(s, second, name, r->sites[i].peak);
	}
}

/* The first sh of one run against the first sh of the other: in the order of their births, not of their sizes. */
static void add_processes(struct section *s, const struct report *r, bool second)
{
	char name[160];

	for (size_t i = 0; i < r->nr_processes; i++) {
		const struct rep_process *p = &r->processes[i];
		unsigned int nth = 1;

		for (size_t k = 0; k < r->nr_processes; k++)
			nth += !strcmp(r->processes[k].name, p->name) && r->processes[k].pid < p->pid;
		snprintf(name, sizeof(name), nth > 1 ? "%s #%u" : "%s", p->name, nth);
		add(s, second, name, p->charged);
	}
}

static void add_slabs(struct section *s, const struct report *r, bool second)
{
	for (size_t i = 0; i < r->nr_slabs; i++)
		add(s, second, r->slabs[i].name, r->slabs[i].size);
}

static void add_stacks(struct section *s, const struct report *r, bool second)
{
	for (size_t t = 0; t < r->nr_trees; t++)
		for (size_t i = 0; i < r->trees[t].nr_nodes; i++)
			if (r->trees[t].nodes[i].own)
				add(s, second, r->trees[t].nodes[i].frame, r->trees[t].nodes[i].own);
}

static uint64_t size_of(const struct change *c)
{
	return c->a > c->b ? c->a - c->b : c->b - c->a;
}

static int largest_first(const void *x, const void *y)
{
	uint64_t a = size_of(x), b = size_of(y);

	return a < b ? 1 : a > b ? -1 : strcmp(((const struct change *)x)->name, ((const struct change *)y)->name);
}

/* Keep what changed enough. */
static void settle(struct section *s, uint64_t least)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++)
		if (size_of(&s->changes[i]) && size_of(&s->changes[i]) >= least)
			s->changes[kept++] = s->changes[i];
	s->count = kept;
	if (kept)
		qsort(s->changes, kept, sizeof(*s->changes), largest_first);
}

static void print_change(FILE *to, const char *name, uint64_t a, uint64_t b)
{
	char x[32], y[32], d[32], delta[40];

	snprintf(delta, sizeof(delta), "%s%s", b < a ? "-" : "+", grouped((a > b ? a - b : b - a) / 1024, d));
	fprintf(to, "  %12s %12s %12s", grouped(a / 1024, x), grouped(b / 1024, y), delta);
	if (a)
		fprintf(to, " %+6.0f %%", 100.0 * ((double)b - (double)a) / (double)a);
	else
		fprintf(to, " %8s", "new");
	fprintf(to, "  %.*s\n", 52, name);
}

static void print_section(FILE *to, const struct section *s)
{
	size_t shown = s->count < MOST_SHOWN ? s->count : MOST_SHOWN;

	if (!s->count)
		return;
	fprintf(to, "%s\n", s->what);
	for (size_t i = 0; i < shown; i++)
		print_change(to, s->changes[i].name, s->changes[i].a, s->changes[i].b);
	if (s->count > shown)
		fprintf(to, "  %zu more changes are smaller (--json has them all)\n", s->count - shown);
}

static void print_text(FILE *to, const struct report *a, const struct report *b, const struct section *s, size_t n, bool changed)
{
	fprintf(to, "KiB          A            B       CHANGE\n");
	print_change(to, "peak of all RAM in use", a->used_peak, b->used_peak);
	print_change(to, "RAM in use at the end", a->used_end, b->used_end);
	for (size_t i = 0; i < n; i++)
		print_section(to, &s[i]);
	if (!changed)
		fprintf(to, "nothing changed by as much\n");
}

static json_t *pair(uint64_t a, uint64_t b)
{
	return json_pack("{s:I, s:I, s:I}", "a_bytes", (json_int_t)a, "b_bytes", (json_int_t)b, "change_bytes",
			 (json_int_t)(b - a));
}

static void print_json(FILE *to, const struct report *a, const struct report *b, const struct section *s, size_t n, bool changed)
{
	json_t *j = json_object();

	json_object_set_new(j, "schema", json_integer(1));
	json_object_set_new(j, "changed", json_boolean(changed));
	json_object_set_new(j, "used_peak", pair(a->used_peak, b->used_peak));
	json_object_set_new(j, "used_end", pair(a->used_end, b->used_end));
	for (size_t i = 0; i < n; i++) {
		json_t *list = json_array();

		for (size_t k = 0; k < s[i].count; k++) {
			json_t *c = pair(s[i].changes[k].a, s[i].changes[k].b);

			json_object_set_new(c, "name", json_string_nocheck(s[i].changes[k].name));
			json_array_append_new(list, c);
		}
		json_object_set_new(j, s[i].name, list);
	}
	json_dumpf(j, to, JSON_INDENT(1) | JSON_ENSURE_ASCII);
	fputc('\n', to);
	json_decref(j);
}

static uint64_t parse_bytes(const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (*end == 'K' || *end == 'k')
		n <<= 10, end++;
	else if (*end == 'M' || *end == 'm')
		n <<= 20, end++;
	else if (*end == 'G' || *end == 'g')
		n <<= 30, end++;
	if (end == text || *end || text[0] == '-')
		trouble("--min", "not a size");
	return n;
}

static struct report *load(const char *file)
{
	char why[256];
	struct report *r = report_load_file(file, why, sizeof(why));

	if (!r)
		trouble(file, why);
	return r;
}

static const struct {
	const char *name, *what;
	void (*add)(struct section *s, const struct report *r, bool second);
} kinds[] = {
	{"accounts", "BY ACCOUNT, each at its own peak", add_accounts},
	{"processes", "BY PROCESS, what each had charged at its own peak", add_processes},
	{"sites", "BY CALL SITE in the kernel, at its own peak", add_sites},
	{"slabs", "BY SLAB CACHE, at the end", add_slabs},
	{"stacks", "BY FUNCTION that asked (--stacks, --heap)", add_stacks},
};

#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static unsigned int kind_named(const char *name)
{
	for (size_t i = 0; i < NR_KINDS; i++)
		if (!strcmp(name, kinds[i].name))
			return 1u << i;
	trouble("--by", "give accounts, sites, processes, slabs or stacks");
}

static int compare(const char *file_a, const char *file_b, unsigned int which, uint64_t least, bool as_json)
{
	struct report *a = load(file_a), *b = load(file_b);
	struct section s[NR_KINDS] = {0};
	bool changed = false;
	size_t n = 0;

	for (size_t i = 0; i < NR_KINDS; i++) {
		if (!(which >> i & 1))
			continue;
		s[n].name = kinds[i].name;
		s[n].what = kinds[i].what;
		kinds[i].add(&s[n], a, false);
		kinds[i].add(&s[n], b, true);
		settle(&s[n], least);
		changed |= s[n++].count != 0;
	}
	(as_json ? print_json : print_text)(stdout, a, b, s, n, changed);
	if (fflush(stdout) != 0)
		trouble("", strerror(errno));
	report_free(a);
	report_free(b);
	return changed;
}

int command_diff(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'}, {"min", required_argument, NULL, 'm'}, {"by", required_argument, NULL, 'b'},
		{"help", no_argument, NULL, 'h'}, {0},
	};
	unsigned int which = 0;
	uint64_t least = 4096;
	bool as_json = false;
	int opt;

	argv[0] = (char *)program_name;
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (opt) {
		case 'j':
			as_json = true;
			break;
		case 'm':
			least = parse_bytes(optarg);
			break;
		case 'b':
			which |= kind_named(optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return TROUBLE;
		}
	}
	if (argc - optind != 2) {
		fputs(usage, stderr);
		return TROUBLE;
	}
	return compare(argv[optind], argv[optind + 1], which ? which : ~0u, least, as_json);
}
