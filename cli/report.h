/*
 * report.h - one run's report as numbers: made from its JSON alone, drawn by every renderer.
 * WHY         what `quire run` prints and what `quire report` prints from the file later must be the same, and the
 *             file must not lack anything: so both take the one way, JSON -> struct report -> text, page, massif.
 * SHAPE       json.c: run_result -> JSON object; model.c: JSON object -> struct report; report.c, html.c, massif.c,
 *             folded.c, diff.c: struct report -> FILE. Sizes are bytes everywhere in here.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum account_space { SPACE_USER, SPACE_CACHE, SPACE_KERNEL, SPACE_FREE, SPACE_COUNT };

/* Strings belong to the JSON object, which the report keeps. */
struct rep_account {
	const char *name;
	enum account_space space;
	uint64_t start, end, at_peak, own_peak;
};

struct rep_slab {
	const char *name;
	uint64_t objects, bytes, size; /* live objects and their bytes; the pages behind them */
};

struct rep_site {
	const char *place, *func;
	uint64_t start, end, peak, calls;
};

struct rep_owner {
	const char *kind, *name;
	int id;
	uint64_t frames, slab; /* at the end */
};

struct rep_part {
	const char *name; /* "[heap]", "/usr/bin/python3.11", "python3[7]" */
	uint64_t bytes;
};

/* A process at its own peak. What it had charged is exact; what it had mapped was counted just before memory fell. */
struct rep_process {
	const char *name;
	int pid, ppid;
	bool gone;
	uint64_t begin_ns, end_ns, peak_ns;
	uint64_t charged, rss, pss, uss, swap, tables, kernel;
	struct rep_part *maps;
	size_t nr_maps;
};

struct rep_file {
	const char *path, *kind, *owner; /* kind: cache, tmpfs, memfd, shm; owner: who filled it, or "" */
	bool deleted;
	uint64_t bytes, mapped, dirty;
};

struct rep_snap {
	uint64_t time_ns, used;
	const uint64_t *frames; /* bytes, by report.columns */
	const uint64_t *slabs;	/* bytes, by report.slab_columns; NULL: not kept */
	const uint64_t *events; /* counts since power-on, by report.event_columns; NULL: not kept */
	struct rep_part *owners, *sites;
	size_t nr_owners, nr_sites;
};

/* One tree of call stacks; a node's numbers include those below it. Parents come before children. */
struct rep_node {
	long parent; /* -1: below the root */
	const char *frame;
	const uint64_t *values; /* by tree.columns */
	uint64_t own;		/* of the first column, what no node below it has */
	unsigned int depth;
};

#define MAX_STACK_DEPTH 256

/* The heap of the process with the largest one, at a moment; places: what the largest stacks held, seldom told. */
struct rep_heap_snap {
	uint64_t time_ns, allocated, live;
	struct rep_heap_place {
		size_t node;
		uint64_t bytes;
	} *places;
	size_t nr_places;
};

struct rep_tree {
	const char *kind; /* "heap", "pages", ... */
	struct rep_heap_snap *heap; /* of "heap" */
	size_t nr_heap;
	uint64_t heap_peak, heap_peak_ns;
	const char **columns;
	size_t nr_columns;
	struct rep_node *nodes;
	size_t nr_nodes;
};

struct report {
	json_t *root; /* owned */
	const char **command;
	size_t nr_command;
	const char *end, *message, *oom, *accel, *accel_why, *audit;
	int status, signal, cpus;
	unsigned int oom_kills;
	uint64_t wall_ns, start_ns, program_ns, max_rss;
	uint64_t machine_ram;

	bool has_memory;
	uint64_t page_size, ram, used_end, used_peak, peak_time_ns, end_time_ns;
	struct rep_account *accounts;
	struct rep_slab *slabs;
	struct rep_site *sites;
	struct rep_owner *owners;
	struct rep_process *processes;
	struct rep_file *files;
	size_t nr_accounts, nr_slabs, nr_sites, nr_owners, nr_processes, nr_files;

	const char **columns, **slab_columns, **event_columns;
	size_t nr_columns, nr_slab_columns, nr_event_columns;
	struct rep_snap *snaps;
	size_t nr_snaps;

	struct rep_tree *trees;
	size_t nr_trees;
	struct rep_block *blocks; /* every allocation above; freed together */
};

/* model.c: consumes root. NULL with words in `why` when it is not a report; whatever the file holds, nothing worse. */
struct report *report_load(json_t *root, char *why, size_t why_size);
struct report *report_load_file(const char *file, char *why, size_t why_size);
void report_free(struct report *r);
uint64_t report_space(const struct report *r, enum account_space s, char when); /* 's'tart, 'p'eak, 'e'nd */
int64_t report_unaccounted(const struct report *r, char when);
const struct rep_snap *report_peak_snap(const struct report *r);	/* NULL: no timeline */
const struct rep_snap *report_named_snap(const struct report *r);	/* the largest that has owners and sites */
void report_words(const struct report *r, char *out, size_t size);	/* "exit 0", "killed by SIGKILL" */
int report_column(const char *const *columns, size_t n, const char *name);

/* json.c */
json_t *json_number(uint64_t n);
json_t *json_text(const char *s); /* any bytes */
/* The next line that begins with `word` and a blank; what follows the blank is copied to `line`. NULL: no more. */
const char *next_line(const char *at, const char *word, char *line, size_t size);

/* pressure.c: reclaim, stalls, swap areas, the program's cgroup */
json_t *pressure_json(const char *events, const char *cgroup);
void pressure_text(FILE *to, json_t *pressure);

/* trouble.c: OOM kills, injected failures, windows of pressure */
json_t *trouble_json(const char *events);
void trouble_text(FILE *to, json_t *trouble);

/* Renderers. */
void report_text(FILE *to, const struct report *r, bool colour);
void trees_text(FILE *to, const struct report *r); /* trees.c: what --stacks and --heap found */
bool report_html(FILE *to, const struct report *r);
bool report_massif(FILE *to, const struct report *r);
bool massif_heap(FILE *to, const struct report *r, const struct rep_tree *t); /* massif_heap.c */
void massif_head(FILE *to, const struct report *r);
uint64_t massif_time(const struct report *r, uint64_t time_ns, uint64_t start_ns, uint64_t allocated);
extern const char *massif_unit; /* "ms", "i", "B" */
const char *time_unit(const char *word); /* the same checked; exits on others */
bool report_folded(FILE *to, const struct report *r);
const char *account_words(const char *name);
const char *grouped(uint64_t n, char out[32]); /* 1234567 as "1,234,567" */
bool wants_colour(FILE *to);

/* module.c: what the modules of a run took and left; each draws from the JSON list. modules_leaks: how many left something. */
struct options;
json_t *modules_json(const struct options *o, const char *text);
void modules_text(FILE *to, json_t *modules);
void modules_sites(FILE *to, json_t *modules);
unsigned int modules_leaks(FILE *to, const char *before, json_t *modules);
void plot_text(FILE *to, const struct report *r);

#endif
