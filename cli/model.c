/*
 * model.c - from a report's JSON to numbers that can be drawn.
 * WHY         the file may come from another version, an editor, or anywhere: each field is looked at as if it were
 *             hostile, and what is missing or of another kind is nothing, not a crash.
 * INVARIANTS  D1 every array has the length its count says; rows of a table are as long as its columns.
 *             D2 times of snapshots do not fall; a node's parent comes before it; no string is NULL.
 * READ NEXT   cli/report.h, docs/report-json.md, tests/fuzz/cli_parsers.c
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

#define MAX_SNAPS 100000
#define MAX_COLUMNS 512

struct rep_block {
	struct rep_block *next;
};

/* Zeroed, and freed with the report. */
static void *take(struct report *r, size_t count, size_t size)
{
	struct rep_block *b = must_alloc(calloc(1, sizeof(*b) + (count ? count : 1) * size));

	b->next = r->blocks;
	r->blocks = b;
	return b + 1;
}

static const char *get_text(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static uint64_t as_number(json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
}

static uint64_t get_number(json_t *o, const char *key)
{
	return as_number(json_object_get(o, key));
}

static const char **texts(struct report *r, json_t *list, size_t *n, size_t most)
{
	const char **out;

	*n = json_array_size(list);
	if (*n > most)
		*n = most;
	out = take(r, *n, sizeof(*out));
	for (size_t i = 0; i < *n; i++)
		out[i] = json_string_value(json_array_get(list, i)) ?: "";
	return out;
}

static enum account_space space_of(const char *word)
{
	return !strcmp(word, "user")	? SPACE_USER
	       : !strcmp(word, "cache") ? SPACE_CACHE
	       : !strcmp(word, "free")	? SPACE_FREE
					: SPACE_KERNEL;
}

static void load_accounts(struct report *r, json_t *list)
{
	r->nr_accounts = json_array_size(list);
	r->accounts = take(r, r->nr_accounts, sizeof(*r->accounts));
	for (size_t i = 0; i < r->nr_accounts; i++) {
		json_t *j = json_array_get(list, i);

		r->accounts[i] = (struct rep_account){
			.name = get_text(j, "name"), .space = space_of(get_text(j, "space")),
			.start = get_number(j, "start_bytes"), .end = get_number(j, "end_bytes"),
			.at_peak = get_number(j, "at_peak_bytes"), .own_peak = get_number(j, "own_peak_bytes")};
	}
}

static int by_size(const void *a, const void *b)
{
	const struct rep_slab *x = a, *y = b;

	return x->size < y->size ? 1 : x->size > y->size ? -1 : strcmp(x->name, y->name);
}

static void load_slabs(struct report *r, json_t *list)
{
	r->nr_slabs = json_array_size(list);
	r->slabs = take(r, r->nr_slabs, sizeof(*r->slabs));
	for (size_t i = 0; i < r->nr_slabs; i++) {
		json_t *j = json_array_get(list, i);

		r->slabs[i] = (struct rep_slab){.name = get_text(j, "name"), .objects = get_number(j, "objects"),
						.bytes = get_number(j, "bytes"),
						.size = get_number(j, "pages") * r->page_size};
	}
	qsort(r->slabs, r->nr_slabs, sizeof(*r->slabs), by_size);
}

static int by_end(const void *a, const void *b)
{
	const struct rep_site *x = a, *y = b;

	return x->end < y->end ? 1 : x->end > y->end ? -1 : strcmp(x->place, y->place);
}

static void load_sites(struct report *r, json_t *list)
{
	r->nr_sites = json_array_size(list);
	r->sites = take(r, r->nr_sites, sizeof(*r->sites));
	for (size_t i = 0; i < r->nr_sites; i++) {
		json_t *j = json_array_get(list, i);

		r->sites[i] = (struct rep_site){.place = get_text(j, "place"), .func = get_text(j, "function"),
						.start = get_number(j, "start_bytes"), .end = get_number(j, "end_bytes"),
						.peak = get_number(j, "peak_bytes"), .calls = get_number(j, "calls")};
	}
	qsort(r->sites, r->nr_sites, sizeof(*r->sites), by_end);
}

static void load_owners(struct report *r, json_t *list)
{
	r->nr_owners = json_array_size(list);
	r->owners = take(r, r->nr_owners, sizeof(*r->owners));
	for (size_t i = 0; i < r->nr_owners; i++) {
		json_t *j = json_array_get(list, i);

		r->owners[i] = (struct rep_owner){.kind = get_text(j, "kind"), .name = get_text(j, "name"),
						  .id = (int)get_number(j, "id"), .frames = get_number(j, "frame_bytes"),
						  .slab = get_number(j, "slab_bytes")};
	}
}

static struct rep_part *load_parts(struct report *r, json_t *list, size_t *n)
{
	struct rep_part *p;

	*n = json_array_size(list);
	p = take(r, *n, sizeof(*p));
	for (size_t i = 0; i < *n; i++) {
		json_t *j = json_array_get(list, i);

		p[i] = (struct rep_part){get_text(j, "name"), get_number(j, "bytes")};
	}
	return p;
}

/* The largest first, what has no name of its own last. */
static int by_share(const void *a, const void *b)
{
	const struct rep_part *x = a, *y = b;
	int rest = !strcmp(x->name, "others") - !strcmp(y->name, "others");

	return rest ? rest : x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : strcmp(x->name, y->name);
}

static int by_charged(const void *a, const void *b)
{
	const struct rep_process *x = a, *y = b;

	return x->charged < y->charged ? 1 : x->charged > y->charged ? -1 : x->pid - y->pid;
}

static void load_processes(struct report *r, json_t *list)
{
	r->nr_processes = json_array_size(list);
	r->processes = take(r, r->nr_processes, sizeof(*r->processes));
	for (size_t i = 0; i < r->nr_processes; i++) {
		json_t *j = json_array_get(list, i);
		struct rep_process *p = &r->processes[i];

		*p = (struct rep_process){.name = get_text(j, "name"), .pid = (int)get_number(j, "pid"),
					  .ppid = (int)get_number(j, "ppid"), .gone = get_number(j, "end_ns") != 0,
					  .begin_ns = get_number(j, "begin_ns"), .end_ns = get_number(j, "end_ns"),
					  .peak_ns = get_number(j, "peak_ns"), .charged = get_number(j, "charged_bytes"),
					  .rss = get_number(j, "rss_bytes"), .pss = get_number(j, "pss_bytes"),
					  .uss = get_number(j, "uss_bytes"), .swap = get_number(j, "swap_bytes"),
					  .tables = get_number(j, "page_table_bytes"), .kernel = get_number(j, "kernel_bytes")};
		p->maps = load_parts(r, json_object_get(j, "mappings"), &p->nr_maps);
		qsort(p->maps, p->nr_maps, sizeof(*p->maps), by_share);
	}
	qsort(r->processes, r->nr_processes, sizeof(*r->processes), by_charged);
}

static int by_bytes(const void *a, const void *b)
{
	const struct rep_file *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : strcmp(x->path, y->path);
}

static void load_files(struct report *r, json_t *list)
{
	r->nr_files = json_array_size(list);
	r->files = take(r, r->nr_files, sizeof(*r->files));
	for (size_t i = 0; i < r->nr_files; i++) {
		json_t *j = json_array_get(list, i);

		r->files[i] = (struct rep_file){.path = get_text(j, "path"), .kind = get_text(j, "kind"),
						.owner = get_text(j, "owner"), .deleted = json_is_true(json_object_get(j, "deleted")),
						.bytes = get_number(j, "bytes"), .mapped = get_number(j, "mapped_bytes"),
						.dirty = get_number(j, "dirty_bytes")};
	}
	qsort(r->files, r->nr_files, sizeof(*r->files), by_bytes);
}

/* A row of numbers, filled up with 0 to the table's width. NULL for no table. */
static const uint64_t *row_of(struct report *r, json_t *rows, size_t i, size_t width, size_t skip)
{
	json_t *row = json_array_get(rows, i);
	uint64_t *out;

	if (!width)
		return NULL;
	out = take(r, width, sizeof(*out));
	for (size_t c = 0; c < width; c++)
		out[c] = as_number(json_array_get(row, c + skip));
	return out;
}

/* [[name, bytes], ...] with names as places in the table. */
static struct rep_part *named_parts(struct report *r, json_t *list, const char **names, size_t nr_names, size_t *n)
{
	struct rep_part *p;

	*n = json_array_size(list);
	p = take(r, *n, sizeof(*p));
	for (size_t i = 0; i < *n; i++) {
		json_t *pair = json_array_get(list, i);
		uint64_t at = as_number(json_array_get(pair, 0));

		p[i] = (struct rep_part){at < nr_names ? names[at] : "", as_number(json_array_get(pair, 1))};
	}
	return p;
}

static void load_timeline(struct report *r, json_t *t)
{
	json_t *rows = json_object_get(t, "rows"), *slabs = json_object_get(t, "slabs"), *events = json_object_get(t, "events");
	size_t nr_names;
	const char **names = texts(r, json_object_get(t, "names"), &nr_names, SIZE_MAX);
	uint64_t last = 0;

	r->columns = texts(r, json_object_get(t, "accounts"), &r->nr_columns, MAX_COLUMNS);
	r->slab_columns = texts(r, json_object_get(slabs, "columns"), &r->nr_slab_columns, MAX_COLUMNS);
	r->event_columns = texts(r, json_object_get(events, "columns"), &r->nr_event_columns, MAX_COLUMNS);
	r->nr_snaps = json_array_size(rows) < MAX_SNAPS ? json_array_size(rows) : MAX_SNAPS;
	if (!r->nr_columns)
		r->nr_snaps = 0;
	r->snaps = take(r, r->nr_snaps, sizeof(*r->snaps));
	for (size_t i = 0; i < r->nr_snaps; i++) {
		json_t *row = json_array_get(rows, i);
		struct rep_snap *s = &r->snaps[i];

		s->time_ns = as_number(json_array_get(row, 0));
		s->time_ns = last = s->time_ns < last ? last : s->time_ns;
		s->used = as_number(json_array_get(row, 1));
		s->frames = row_of(r, rows, i, r->nr_columns, 2);
		s->slabs = row_of(r, json_object_get(slabs, "rows"), i, r->nr_slab_columns, 0);
		s->events = row_of(r, json_object_get(events, "rows"), i, r->nr_event_columns, 0);
		s->owners = named_parts(r, json_array_get(json_object_get(t, "owners"), i), names, nr_names, &s->nr_owners);
		s->sites = named_parts(r, json_array_get(json_object_get(t, "sites"), i), names, nr_names, &s->nr_sites);
	}
}

static void load_memory(struct report *r, json_t *m)
{
	r->has_memory = json_is_object(m);
	r->page_size = get_number(m, "page_size") ?: 4096;
	r->ram = get_number(m, "ram_bytes");
	r->used_end = get_number(m, "used_end_bytes");
	r->used_peak = get_number(m, "used_peak_bytes");
	r->peak_time_ns = get_number(m, "peak_time_ns");
	r->end_time_ns = get_number(m, "end_time_ns");
	load_accounts(r, json_object_get(m, "accounts"));
	load_slabs(r, json_object_get(m, "slabs"));
	load_sites(r, json_object_get(m, "sites"));
	load_owners(r, json_object_get(m, "owners"));
	load_processes(r, json_object_get(m, "processes"));
	load_files(r, json_object_get(m, "files"));
	load_timeline(r, json_object_get(m, "timeline"));
}

/* Its depth, and its share taken from what its parent has itself. A stack deeper than any real one begins anew. */
static void settle(struct rep_node *nodes, struct rep_node *n)
{
	struct rep_node *parent = n->parent >= 0 ? &nodes[n->parent] : NULL;

	if (parent && parent->depth + 1 >= MAX_STACK_DEPTH)
		n->parent = -1;
	else if (parent) {
		n->depth = parent->depth + 1;
		parent->own -= n->own < parent->own ? n->own : parent->own;
	}
}

/* "nodes": rows of [parent, frame, value ...], as "columns" names them. */
static void load_tree(struct report *r, struct rep_tree *t, json_t *j, const char **frames, size_t nr_frames)
{
	json_t *nodes = json_object_get(j, "nodes");
	size_t width;
	const char **columns = texts(r, json_object_get(j, "columns"), &width, MAX_COLUMNS);

	t->kind = get_text(j, "kind");
	if (width < 3)
		return;
	t->columns = columns + 2;
	t->nr_columns = width - 2;
	t->nr_nodes = json_array_size(nodes);
	t->nodes = take(r, t->nr_nodes, sizeof(*t->nodes));
	for (size_t i = 0; i < t->nr_nodes; i++) {
		json_t *row = json_array_get(nodes, i), *parent = json_array_get(row, 0);
		uint64_t frame = as_number(json_array_get(row, 1));
		json_int_t p = json_is_integer(parent) ? json_integer_value(parent) : -1;

		t->nodes[i].parent = p >= 0 && (size_t)p < i ? (long)p : -1;
		t->nodes[i].frame = frame < nr_frames ? frames[frame] : "???";
		t->nodes[i].values = row_of(r, nodes, i, t->nr_columns, 2);
		t->nodes[i].own = t->nodes[i].values[0];
		settle(t->nodes, &t->nodes[i]);
	}
}

/* Rows of [time, allocated, live, places or null]; a place is [node, bytes]. */
static void load_heap(struct report *r, struct rep_tree *t, json_t *j)
{
	json_t *rows = json_object_get(j, "timeline"), *most = json_object_get(j, "largest");

	t->heap_peak = get_number(most, "peak_bytes");
	t->heap_peak_ns = get_number(most, "peak_time_ns");
	t->nr_heap = json_array_size(rows);
	t->heap = take(r, t->nr_heap, sizeof(*t->heap));
	for (size_t i = 0; i < t->nr_heap; i++) {
		json_t *row = json_array_get(rows, i), *places = json_array_get(row, 3);
		struct rep_heap_snap *s = &t->heap[i];

		s->time_ns = as_number(json_array_get(row, 0));
		s->allocated = as_number(json_array_get(row, 1));
		s->live = as_number(json_array_get(row, 2));
		s->places = take(r, json_array_size(places), sizeof(*s->places));
		for (size_t k = 0; k < json_array_size(places); k++) {
			uint64_t node = as_number(json_array_get(json_array_get(places, k), 0));

			if (node < t->nr_nodes)
				s->places[s->nr_places++] = (struct rep_heap_place){
					node, as_number(json_array_get(json_array_get(places, k), 1))};
		}
	}
}

static void load_stacks(struct report *r, json_t *s)
{
	json_t *trees = json_object_get(s, "trees");
	size_t nr_frames;
	const char **frames = texts(r, json_object_get(s, "frames"), &nr_frames, SIZE_MAX);

	r->nr_trees = json_array_size(trees);
	r->trees = take(r, r->nr_trees, sizeof(*r->trees));
	for (size_t i = 0; i < r->nr_trees; i++) {
		load_tree(r, &r->trees[i], json_array_get(trees, i), frames, nr_frames);
		load_heap(r, &r->trees[i], json_array_get(trees, i));
	}
}

static void load_run(struct report *r, json_t *j)
{
	json_t *o = json_object_get(j, "outcome"), *t = json_object_get(j, "times"), *m = json_object_get(j, "machine");

	r->command = texts(r, json_object_get(j, "command"), &r->nr_command, SIZE_MAX);
	r->end = get_text(o, "end");
	r->message = get_text(o, "message");
	r->oom = get_text(o, "oom_message");
	r->oom_kills = (unsigned int)get_number(o, "oom_kills");
	r->status = (int)get_number(o, "status");
	r->signal = (int)get_number(o, "signal");
	r->wall_ns = get_number(t, "wall_ns");
	r->start_ns = get_number(t, "start_ns");
	r->program_ns = get_number(t, "program_ns");
	r->max_rss = get_number(t, "max_rss_kib") * 1024;
	r->accel = get_text(m, "accelerator");
	r->accel_why = get_text(m, "accelerator_reason");
	r->cpus = (int)get_number(m, "cpus");
	r->machine_ram = get_number(m, "ram_bytes");
	r->audit = get_text(j, "audit");
}

struct report *report_load(json_t *root, char *why, size_t why_size)
{
	struct report *r;

	if (!json_is_object(root) || !get_number(root, "schema")) {
		snprintf(why, why_size, "not a report of quire run");
		json_decref(root);
		return NULL;
	}
	if (get_number(root, "schema") != REPORT_SCHEMA) {
		snprintf(why, why_size, "a report of another version (schema %llu, not %d)",
			 (unsigned long long)get_number(root, "schema"), REPORT_SCHEMA);
		json_decref(root);
		return NULL;
	}
	r = must_alloc(calloc(1, sizeof(*r)));
	r->root = root;
	load_run(r, root);
	load_memory(r, json_object_get(root, "memory"));
	load_stacks(r, json_object_get(root, "stacks"));
	return r;
}

struct report *report_load_file(const char *file, char *why, size_t why_size)
{
	json_error_t e;
	json_t *j = !strcmp(file, "-") ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &e)
				       : json_load_file(file, JSON_REJECT_DUPLICATES, &e);

	if (!j) {
		if (e.line > 0)
			snprintf(why, why_size, "line %d: %s", e.line, e.text);
		else
			snprintf(why, why_size, "%s", e.text);
		return NULL;
	}
	return report_load(j, why, why_size);
}

void report_free(struct report *r)
{
	struct rep_block *next;

	if (!r)
		return;
	for (struct rep_block *b = r->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	json_decref(r->root);
	free(r);
}

static uint64_t account_when(const struct rep_account *a, char when)
{
	return when == 's' ? a->start : when == 'p' ? a->at_peak : a->end;
}

uint64_t report_space(const struct report *r, enum account_space s, char when)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->nr_accounts; i++)
		if (r->accounts[i].space == s)
			sum += account_when(&r->accounts[i], when);
	return sum;
}

int64_t report_unaccounted(const struct report *r, char when)
{
	uint64_t sum = 0;

	for (int s = 0; s < SPACE_COUNT; s++)
		sum += report_space(r, (enum account_space)s, when);
	return (int64_t)(r->ram - sum);
}

const struct rep_snap *report_peak_snap(const struct report *r)
{
	const struct rep_snap *peak = NULL;

	for (size_t i = 0; i < r->nr_snaps; i++)
		if (!peak || r->snaps[i].used > peak->used)
			peak = &r->snaps[i];
	return peak;
}

const struct rep_snap *report_named_snap(const struct report *r)
{
	const struct rep_snap *best = NULL;

	for (size_t i = 0; i < r->nr_snaps; i++)
		if (r->snaps[i].nr_owners && (!best || r->snaps[i].used > best->used))
			best = &r->snaps[i];
	return best;
}

int report_column(const char *const *columns, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(columns[i], name))
			return (int)i;
	return -1;
}

void report_words(const struct report *r, char *out, size_t size)
{
	static const char *const words[][2] = {
		{"exec_failed", "not started"}, {"timeout", "timeout"}, {"interrupted", "interrupted"},
		{"kernel_panic", "kernel panic"}, {"silent", "guest silent"},
	};

	if (!strcmp(r->end, "exited")) {
		if (r->signal)
			snprintf(out, size, "killed by SIG%s", sigabbrev_np(r->signal) ?: "?");
		else
			snprintf(out, size, "exit %d", r->status);
		return;
	}
	snprintf(out, size, "failed");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(r->end, words[i][0]))
			snprintf(out, size, "%s", words[i][1]);
}
