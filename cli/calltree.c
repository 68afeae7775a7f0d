/*
 * calltree.c - the tree of calls: built by stacks.c and heap.c, written as JSON.
 * INVARIANTS  C1 a node's parent has a smaller number, so one pass forwards meets parents first.  C2 no two children of a node have the
 *             same frame.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/calltree.h"
#include "cli/quire.h"

void call_tree_init(struct call_tree *t, const char *const *columns, unsigned int nr)
{
	memset(t, 0, sizeof(*t));
	t->columns = columns;
	t->nr_columns = nr;
}

void call_tree_free(struct call_tree *t)
{
	free(t->frames);
	free(t->nodes);
	free(t->frame_hash);
	free(t->node_hash);
	memset(t, 0, sizeof(*t));
}

static size_t mix(size_t h, size_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

/* Texts are kept once each, so their addresses tell them apart. */
static size_t frame_key(const struct place *p)
{
	return mix(mix(mix((size_t)p->function, (size_t)p->file), (size_t)p->module), (size_t)p->line);
}

static bool same_place(const struct place *a, const struct place *b)
{
	return a->function == b->function && a->file == b->file && a->module == b->module && a->line == b->line;
}

static bool grown(size_t n, size_t *slots, uint32_t **hash)
{
	if (2 * n < *slots)
		return false;
	*slots = *slots ? 2 * *slots : 256;
	free(*hash);
	*hash = must_alloc(calloc(*slots, sizeof(**hash)));
	return true;
}

static uint32_t *frame_slot(const struct call_tree *t, const struct place *p)
{
	size_t at = frame_key(p) % t->frame_slots;

	while (t->frame_hash[at] && !same_place(&t->frames[t->frame_hash[at] - 1], p))
		at = (at + 1) % t->frame_slots;
	return &t->frame_hash[at];
}

uint32_t call_tree_frame(struct call_tree *t, const struct place *p)
{
	uint32_t *slot;

	if (grown(t->nr_frames, &t->frame_slots, &t->frame_hash)) {
		t->frames = must_alloc(realloc(t->frames, t->frame_slots * sizeof(*t->frames)));
		for (size_t i = 0; i < t->nr_frames; i++)
			*frame_slot(t, &t->frames[i]) = (uint32_t)i + 1;
	}
	slot = frame_slot(t, p);
	if (!*slot) {
		t->frames[t->nr_frames++] = *p;
		*slot = (uint32_t)t->nr_frames;
	}
	return *slot - 1;
}

static uint32_t *node_slot(const struct call_tree *t, int32_t parent, uint32_t frame)
{
	size_t at = mix(mix(1, (size_t)parent), frame) % t->node_slots;

	for (; t->node_hash[at]; at = (at + 1) % t->node_slots) {
		const struct call_node *n = &t->nodes[t->node_hash[at] - 1];

		if (n->parent == parent && n->frame == frame)
			break;
	}
	return &t->node_hash[at];
}

uint32_t call_tree_node(struct call_tree *t, int32_t parent, uint32_t frame)
{
	uint32_t *slot;

	if (grown(t->nr_nodes, &t->node_slots, &t->node_hash)) {
		t->nodes = must_alloc(realloc(t->nodes, t->node_slots * sizeof(*t->nodes)));
		for (size_t i = 0; i < t->nr_nodes; i++)
			*node_slot(t, t->nodes[i].parent, t->nodes[i].frame) = (uint32_t)i + 1;
	}
	slot = node_slot(t, parent, frame);
	if (!*slot) {
		t->nodes[t->nr_nodes++] = (struct call_node){.parent = parent, .frame = frame};
		*slot = (uint32_t)t->nr_nodes;
	}
	return *slot - 1;
}

/* ---- JSON ---- */

void place_text(const struct place *p, char *out, size_t size)
{
	const char *space = p->kernel && *p->module ? " [kernel]" : "";

	if (p->file)
		snprintf(out, size, "%s (%s:%d)%s", p->function, p->file, p->line, space);
	else if (p->module && *p->module)
		snprintf(out, size, "%s (in %s)", p->function, p->module);
	else
		snprintf(out, size, "%s", p->function);
}

static json_t *frame_json(const struct place *p)
{
	char words[1024];
	json_t *j;

	place_text(p, words, sizeof(words));
	j = json_string(words);
	for (unsigned char *c = (unsigned char *)words; !j && *c; c++)
		if (*c >= 0x80)
			*c = '?';
	return j ? j : json_string(words);
}

/* A node stays when it holds a share of some column; with it, as it holds no less, what leads to it. */
static bool *worth(const struct call_tree *t, unsigned int keep)
{
	bool *w = must_alloc(calloc(t->nr_nodes + 1, 1));

	for (unsigned int c = 0; c < t->nr_columns; c++) {
		int64_t all = 0;

		for (size_t i = 0; i < t->nr_nodes; i++)
			all += t->nodes[i].parent < 0 ? t->nodes[i].v[c] : 0;
		for (size_t i = 0; i < t->nr_nodes; i++)
			w[i] |= !keep || (t->nodes[i].v[c] > 0 && t->nodes[i].v[c] >= all / (int64_t)keep);
	}
	for (size_t i = t->nr_nodes; i-- > 0;)
		if (w[i] && t->nodes[i].parent >= 0)
			w[t->nodes[i].parent] = true;
	return w;
}

static json_t *columns_json(const struct call_tree *t)
{
	json_t *columns = json_array();

	json_array_append_new(columns, json_string("parent"));
	json_array_append_new(columns, json_string("frame"));
	for (unsigned int c = 0; c < t->nr_columns; c++)
		json_array_append_new(columns, json_string(t->columns[c]));
	return columns;
}

json_t *call_tree_json(const struct call_tree *t, unsigned int keep, json_t *frames, int32_t **numbers)
{
	json_t *j = json_object(), *nodes = json_array();
	int32_t *number = must_alloc(malloc((t->nr_nodes + 1) * sizeof(*number))), next = 0;
	json_int_t *frame = must_alloc(calloc(t->nr_frames + 1, sizeof(*frame)));
	bool *w = worth(t, keep);

	for (size_t i = 0; i < t->nr_nodes; i++) {
		const struct call_node *n = &t->nodes[i];
		json_t *row;

		number[i] = n->parent < 0 ? 0 : number[n->parent];
		if (!w[i])
			continue;
		if (!frame[n->frame]) {
			json_array_append_new(frames, frame_json(&t->frames[n->frame]));
			frame[n->frame] = (json_int_t)json_array_size(frames);
		}
		row = json_array();
		json_array_append_new(row, json_integer(n->parent < 0 ? -1 : number[n->parent]));
		number[i] = next++;
		json_array_append_new(row, json_integer(frame[n->frame] - 1));
		for (unsigned int c = 0; c < t->nr_columns; c++)
			json_array_append_new(row, json_integer(n->v[c]));
		json_array_append_new(nodes, row);
	}
	if (numbers)
		*numbers = number;
	else
		free(number);
	free(frame);
	free(w);
	json_object_set_new(j, "columns", columns_json(t));
	json_object_set_new(j, "nodes", nodes);
	return j;
}
