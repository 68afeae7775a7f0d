/*
 * calltree.h - what was allocated from where: a tree of calls with numbers at its nodes.
 * The report's JSON has it as two tables, frames and nodes; docs/report-json.md.
 */
#ifndef CLI_CALLTREE_H
#define CLI_CALLTREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "cli/symbols.h"

#define CALL_VALUES 8

struct call_node {
	int32_t parent; /* -1: outermost; always below the node's own number */
	uint32_t frame;
	int64_t v[CALL_VALUES]; /* of this node with all below it */
};

struct call_tree {
	const char *const *columns; /* names of the values */
	unsigned int nr_columns;
	struct place *frames;
	size_t nr_frames;
	struct call_node *nodes;
	size_t nr_nodes;
	uint32_t *frame_hash, *node_hash; /* index + 1 */
	size_t frame_slots, node_slots;
};

void call_tree_init(struct call_tree *t, const char *const *columns, unsigned int nr);
void call_tree_free(struct call_tree *t);
uint32_t call_tree_frame(struct call_tree *t, const struct place *p);
uint32_t call_tree_node(struct call_tree *t, int32_t parent, uint32_t frame);
/*
 * {"columns", "nodes"} of the report's schema; frames' texts are appended to `frames`, which all trees share. Nodes that hold
 * less than 1/keep of the whole in every column are left out, their parents' numbers still have them (0: keep all).
 * numbers: if not NULL, each node's row, or the row of what it hangs from, is left there, allocated.
 */
json_t *call_tree_json(const struct call_tree *t, unsigned int keep, json_t *frames, int32_t **numbers);
/* "f (a.c:3)", or "f (in /lib/x.so)" */
void place_text(const struct place *p, char *out, size_t size);

#endif
