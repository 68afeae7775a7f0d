/*
 * heap.c - `--heap`: what the library in each process wrote becomes one tree of calls.
 * WHY         the guest's books know addresses; people know functions and lines. And a run has many processes: their trees are
 *             one, each program a branch of its own.
 * INVARIANTS  H1 whatever the parts hold, each index is compared with what is there before it is used.
 * READ NEXT   user/heap/heap_file.h, user/heap/heap.c
 */
#include <stdlib.h>
#include <string.h>
#include "cli/calltree.h"
#include "cli/heap.h"
#include "cli/quire.h"
#include "user/heap/heap_file.h"

enum { AT_PEAK, AT_PEAK_BLOCKS, LEAKED, LEAKED_BLOCKS, TOTAL, TOTAL_BLOCKS, TEMPORARY, LARGEST, NR_COLUMNS };
static const char *const columns[] = {"at_peak_bytes", "at_peak_blocks", "leaked_bytes",     "leaked_blocks",
				      "total_bytes",   "total_blocks",	 "temporary_blocks", "largest_at_peak_bytes"};

#define MOST_PROCESSES 65536
#define MOST_INLINED 16

struct section {
	char *data;
	size_t len;
};

/* One process's parts as they came. */
struct books {
	struct heap_header head;
	struct section modules, snaps, stacks, pcs;
};

static struct books *processes;
static size_t nr_processes;

static void put(struct section *s, uint64_t at, const char *data, size_t len, uint64_t most)
{
	if (!len || at > most || len > most - at)
		return;
	if (at + len > s->len) {
		s->data = must_alloc(realloc(s->data, at + len));
		memset(s->data + s->len, 0, at + len - s->len);
		s->len = at + len;
	}
	memcpy(s->data + at, data, len);
}

void heap_part(const void *message, size_t len)
{
	struct wire_heap w;
	const char *data = (const char *)message + sizeof(w);
	struct books *b;

	if (len < sizeof(w))
		return;
	memcpy(&w, message, sizeof(w));
	len -= sizeof(w);
	if (w.process >= MOST_PROCESSES)
		return;
	if (w.process >= nr_processes) {
		processes = must_alloc(realloc(processes, (w.process + 1) * sizeof(*processes)));
		memset(processes + nr_processes, 0, (w.process + 1 - nr_processes) * sizeof(*processes));
		nr_processes = w.process + 1;
	}
	b = &processes[w.process];
	if (w.offset == 0 && len >= sizeof(b->head))
		memcpy(&b->head, data, sizeof(b->head));
	else if (w.offset >= HEAP_AT_PCS)
		put(&b->pcs, w.offset - HEAP_AT_PCS, data, len, HEAP_PCS * sizeof(uint64_t));
	else if (w.offset >= HEAP_AT_STACKS)
		put(&b->stacks, w.offset - HEAP_AT_STACKS, data, len, HEAP_STACKS * sizeof(struct heap_stack));
	else if (w.offset >= HEAP_AT_SNAPS)
		put(&b->snaps, w.offset - HEAP_AT_SNAPS, data, len, HEAP_SNAPS * sizeof(struct heap_snap));
	else if (w.offset >= HEAP_AT_MODULES)
		put(&b->modules, w.offset - HEAP_AT_MODULES, data, len, HEAP_MODULES * sizeof(struct heap_module));
}

void heap_forget(void)
{
	for (size_t i = 0; i < nr_processes; i++) {
		free(processes[i].modules.data);
		free(processes[i].snaps.data);
		free(processes[i].stacks.data);
		free(processes[i].pcs.data);
	}
	free(processes);
	processes = NULL;
	nr_processes = 0;
}

static size_t count(const struct section *s, size_t each, uint32_t told)
{
	return s->len / each < told ? s->len / each : told;
}

/* ---- one process ---- */

struct reading {
	const struct options *o;
	struct call_tree *tree;
	const struct books *b;
	uint32_t program;    /* node */
	struct object **objects; /* by module; NULL: unknown */
	size_t nr_modules;
};

static const struct heap_module *module_of(const struct reading *r, uint64_t pc, uint32_t epoch, size_t *index)
{
	const struct heap_module *m = (const void *)r->b->modules.data, *best = NULL;

	/* The latest that was there when the stack was met. */
	for (size_t i = 0; i < r->nr_modules; i++)
		if (pc >= m[i].start && pc < m[i].end && m[i].epoch <= epoch) {
			best = &m[i];
			*index = i;
		}
	return best;
}

static uint32_t node_of_pc(struct reading *r, uint32_t at, uint64_t pc, uint32_t epoch)
{
	struct place p[MOST_INLINED] = {{.function = keep_text("???"), .module = keep_text("")}};
	size_t i;
	const struct heap_module *m = module_of(r, pc, epoch, &i);
	unsigned int n = 1;

	if (m && r->objects[i])
		n = object_places(r->objects[i], object_own_address(r->objects[i], pc - m->bias), p, MOST_INLINED);
	else if (m) {
		char path[sizeof(m->path) + 1];

		snprintf(path, sizeof(path), "%.*s", (int)sizeof(m->path), m->path);
		p[0].module = keep_text(path);
	}
	while (n-- > 0)
		at = call_tree_node(r->tree, (int32_t)at, call_tree_frame(r->tree, &p[n]));
	return at;
}

static uint32_t node_of_stack(struct reading *r, const struct heap_stack *s)
{
	const uint64_t *pcs = (const void *)r->b->pcs.data;
	size_t nr = r->b->pcs.len / sizeof(*pcs);
	uint32_t at = r->program;

	if (s->first > nr || s->depth > nr - s->first || s->depth > HEAP_DEPTH)
		return at;
	for (uint32_t i = s->depth; i-- > 0;)
		at = node_of_pc(r, at, pcs[s->first + i] - 1, s->epoch);
	return at;
}

static void book(struct call_tree *t, int32_t at, const int64_t v[NR_COLUMNS])
{
	for (; at >= 0; at = t->nodes[at].parent)
		for (int c = 0; c < NR_COLUMNS; c++)
			t->nodes[at].v[c] = (int64_t)((uint64_t)t->nodes[at].v[c] + (uint64_t)v[c]);
}

static void stack_values(const struct heap_header *h, const struct heap_stack *s, int64_t v[NR_COLUMNS])
{
	bool changed = s->seen == h->peaks;

	v[TOTAL] = (int64_t)s->total;
	v[TOTAL_BLOCKS] = (int64_t)s->total_blocks;
	v[LEAKED] = (int64_t)(s->total - s->freed);
	v[LEAKED_BLOCKS] = (int64_t)(s->total_blocks - s->freed_blocks);
	v[AT_PEAK] = changed ? (int64_t)s->at_peak : v[LEAKED];
	v[AT_PEAK_BLOCKS] = changed ? s->at_peak_blocks : v[LEAKED_BLOCKS];
	v[TEMPORARY] = (int64_t)s->temporary;
	v[LARGEST] = 0;
}

/* The same of all stacks of a process. */
static void sum_up(const struct books *b, int64_t sum[NR_COLUMNS])
{
	const struct heap_stack *s = (const void *)b->stacks.data;
	size_t n = count(&b->stacks, sizeof(*s), b->head.nr_stacks);

	memset(sum, 0, NR_COLUMNS * sizeof(*sum));
	for (size_t i = 0; i < n; i++) {
		int64_t v[NR_COLUMNS];

		stack_values(&b->head, &s[i], v);
		for (int c = 0; c < NR_COLUMNS; c++)
			sum[c] = (int64_t)((uint64_t)sum[c] + (uint64_t)v[c]);
	}
}

static void name_of(const struct heap_header *h, char *out, size_t size)
{
	snprintf(out, size, "%.*s", (int)sizeof(h->name), h->name);
}

/* nodes: if not NULL, the place of each stack in the tree is left there, allocated. */
static void read_books(const struct options *o, struct call_tree *t, const struct books *b, uint32_t **nodes)
{
	struct reading r = {.o = o, .tree = t, .b = b};
	const struct heap_module *m = (const void *)b->modules.data;
	const struct heap_stack *s = (const void *)b->stacks.data;
	size_t nr_stacks = count(&b->stacks, sizeof(*s), b->head.nr_stacks);
	char name[80];

	name_of(&b->head, name, sizeof(name));
	r.nr_modules = count(&b->modules, sizeof(*m), b->head.nr_modules);
	r.objects = must_alloc(calloc(r.nr_modules + 1, sizeof(*r.objects)));
	for (size_t i = 0; i < r.nr_modules; i++) {
		char path[sizeof(m->path) + 1];

		snprintf(path, sizeof(path), "%.*s", (int)sizeof(m->path), m[i].path);
		r.objects[i] = object_of_guest(o, path);
	}
	r.program = call_tree_node(t, -1, call_tree_frame(t, &(struct place){.function = keep_text(name), .module = keep_text("")}));
	if (nodes)
		*nodes = must_alloc(calloc(nr_stacks + 1, sizeof(**nodes)));
	for (size_t i = 0; i < nr_stacks; i++) {
		int64_t v[NR_COLUMNS];
		uint32_t at;

		if (!s[i].total_blocks)
			continue;
		stack_values(&b->head, &s[i], v);
		v[LARGEST] = nodes ? v[AT_PEAK] : 0;
		at = node_of_stack(&r, &s[i]);
		book(t, (int32_t)at, v);
		if (nodes)
			(*nodes)[i] = at;
	}
	free(r.objects);
}

/* ---- JSON ---- */

static json_t *process_json(const struct books *b)
{
	const struct heap_header *h = &b->head;
	json_t *j = json_object(), *name;
	int64_t sum[NR_COLUMNS];
	char text[80];

	sum_up(b, sum);
	name_of(h, text, sizeof(text));
	name = json_string(text);
	json_object_set_new(j, "name", name ? name : json_string("?"));
	json_object_set_new(j, "pid", json_integer(h->pid));
	json_object_set_new(j, "parent", json_integer(h->parent));
	json_object_set_new(j, "forked", json_boolean(h->forked));
	json_object_set_new(j, "peak_bytes", json_number(h->peak));
	json_object_set_new(j, "peak_blocks", json_integer(sum[AT_PEAK_BLOCKS]));
	json_object_set_new(j, "peak_time_ns", json_number(h->peak_ns));
	json_object_set_new(j, "start_time_ns", json_number(h->start_ns));
	json_object_set_new(j, "leaked_bytes", json_integer(sum[LEAKED]));
	json_object_set_new(j, "leaked_blocks", json_integer(sum[LEAKED_BLOCKS]));
	json_object_set_new(j, "total_bytes", json_integer(sum[TOTAL]));
	json_object_set_new(j, "total_blocks", json_integer(sum[TOTAL_BLOCKS]));
	json_object_set_new(j, "frees", json_integer(sum[TOTAL_BLOCKS] - sum[LEAKED_BLOCKS]));
	json_object_set_new(j, "temporary_blocks", json_integer(sum[TEMPORARY]));
	if (h->lost)
		json_object_set_new(j, "lost_stacks", json_number(h->lost));
	if (h->broken)
		json_object_set_new(j, "overwritten_blocks", json_number(h->broken));
	return j;
}

/* What the largest stacks held: their nodes' numbers in the JSON. */
static json_t *places_json(const struct books *b, const struct heap_snap *s, const uint32_t *nodes, const int32_t *numbers)
{
	size_t nr_stacks = count(&b->stacks, sizeof(struct heap_stack), b->head.nr_stacks);
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->nr && i < HEAP_TOP; i++)
		if (s->top[i].stack < nr_stacks && s->top[i].bytes)
			json_array_append_new(list, json_pack("[i, I]", (int)numbers[nodes[s->top[i].stack]],
							      (json_int_t)s->top[i].bytes));
	return list;
}

#define PLACES_EVERY 8

static json_t *timeline_json(const struct books *b, const uint32_t *nodes, const int32_t *numbers)
{
	const struct heap_snap *s = (const void *)b->snaps.data;
	size_t n = count(&b->snaps, sizeof(*s), b->head.nr_snaps);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("[I, I, I, o]", (json_int_t)s[i].time_ns, (json_int_t)s[i].total,
						      (json_int_t)s[i].live,
						      i % PLACES_EVERY ? json_null() : places_json(b, &s[i], nodes, numbers)));
	return list;
}

/* The process with the largest peak: its heap over time is the one that is drawn. */
static const struct books *largest(void)
{
	const struct books *best = NULL;

	for (size_t i = 0; i < nr_processes; i++)
		if (processes[i].head.magic == HEAP_MAGIC && (!best || processes[i].head.peak > best->head.peak))
			best = &processes[i];
	return best;
}

json_t *heap_json(const struct options *o, json_t *frames)
{
	const struct books *most = largest();
	json_t *j, *list = json_array();
	uint32_t *nodes = NULL;
	int32_t *numbers;
	struct call_tree t;

	if (!most) {
		if (o->heap)
			warn_user("--heap saw no malloc: static programs, and those with a malloc of their own, are not seen");
		json_decref(list);
		return NULL;
	}
	call_tree_init(&t, columns, NR_COLUMNS);
	for (size_t i = 0; i < nr_processes; i++) {
		if (processes[i].head.magic != HEAP_MAGIC || !processes[i].stacks.len)
			continue;
		read_books(o, &t, &processes[i], &processes[i] == most ? &nodes : NULL);
		if (json_array_size(list) < 256)
			json_array_append_new(list, process_json(&processes[i]));
	}
	j = call_tree_json(&t, 2000, frames, &numbers);
	json_object_set_new(j, "kind", json_string("heap"));
	json_object_set_new(j, "processes", list);
	json_object_set_new(j, "largest", process_json(most));
	json_object_set_new(j, "timeline_columns", json_pack("[s, s, s, s]", "time_ns", "allocated_bytes", "live_bytes", "places"));
	json_object_set_new(j, "timeline", timeline_json(most, nodes, numbers));
	free(nodes);
	free(numbers);
	call_tree_free(&t);
	return j;
}
