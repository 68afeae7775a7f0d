/*
 * trees.c - what --stacks and --heap found, in a few lines for the terminal: the largest places, with who called them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

#define MOST 3
#define WIDTH 100

struct best {
	size_t node;
	uint64_t bytes;
};

/* The C library's own functions say little: who called them does. */
static size_t telling(const struct rep_tree *t, size_t node)
{
	static const char *const dull[] = {"(multiarch/", "(string/", "(malloc/", "(in /usr/lib", "(in /lib"};
	long at = (long)node;

	for (size_t i = 0; i < sizeof(dull) / sizeof(dull[0]) && at >= 0;) {
		if (strstr(t->nodes[at].frame, dull[i])) {
			at = t->nodes[at].parent;
			i = 0;
		} else {
			i++;
		}
	}
	return at < 0 || t->nodes[at].parent < 0 || strstr(t->nodes[at].frame, "_start") ? node : (size_t)at;
}

/* A frame's line number and file stay for the innermost, the others are names: "fill (a.c:7) < spike < main". */
static void path_text(const struct rep_tree *t, size_t node, char *out, size_t size)
{
	size_t len = (size_t)snprintf(out, size, "%s", t->nodes[node].frame);

	for (long at = t->nodes[node].parent; at >= 0 && t->nodes[at].parent >= 0; at = t->nodes[at].parent) {
		const char *name = t->nodes[at].frame;
		size_t n = strcspn(name, " ");

		if (!strncmp(name, "__libc_start", 12) || !strncmp(name, "_start", 6) || len + n + 4 > size || len > WIDTH)
			break;
		len += (size_t)snprintf(out + len, size - len, " < %.*s", (int)n, name);
	}
}

/* The nodes with the most of their own in a column; those below `root` of that name, NULL: all. */
static size_t largest(const struct rep_tree *t, int column, const char *root, struct best best[MOST])
{
	uint64_t *own = must_alloc(calloc(t->nr_nodes + 1, sizeof(*own)));
	bool *in = must_alloc(calloc(t->nr_nodes + 1, 1));
	size_t n = 0;

	for (size_t i = 0; i < t->nr_nodes; i++) {
		long up = t->nodes[i].parent;

		in[i] = up >= 0 ? in[up] : !root || !strcmp(t->nodes[i].frame, root);
		own[i] = t->nodes[i].values[column];
		if (up >= 0)
			own[up] -= own[i] < own[up] ? own[i] : own[up];
	}
	for (size_t i = 0; i < t->nr_nodes; i++) {
		size_t at = n < MOST ? n : MOST;

		if (!in[i] || !own[i] || (at == MOST && own[i] <= best[MOST - 1].bytes))
			continue;
		n = n < MOST ? n + 1 : n;
		for (at = n - 1; at > 0 && best[at - 1].bytes < own[i]; at--)
			best[at] = best[at - 1];
		best[at] = (struct best){i, own[i]};
	}
	free(own);
	free(in);
	return n;
}

static void print_largest(FILE *to, const struct rep_tree *t, const char *column, const char *root, const char *title)
{
	int c = report_column(t->columns, t->nr_columns, column);
	struct best best[MOST];
	size_t n = c < 0 ? 0 : largest(t, c, root, best);
	char path[512], number[32];

	for (size_t i = 0; i < n; i++) {
		path_text(t, telling(t, best[i].node), path, sizeof(path));
		fprintf(to, "%-20s %12s  %.*s\n", i ? "" : title, grouped(best[i].bytes, number), WIDTH - 35, path);
	}
}

static void print_heap(FILE *to, const struct rep_tree *t, const struct report *r)
{
	int leaked = report_column(t->columns, t->nr_columns, "leaked_bytes"), blocks = report_column(t->columns, t->nr_columns, "leaked_blocks");
	int calls = report_column(t->columns, t->nr_columns, "total_blocks"), brief = report_column(t->columns, t->nr_columns, "temporary_blocks");
	uint64_t sum[4] = {0};
	char text[5][32];

	if (leaked < 0 || blocks < 0 || calls < 0 || brief < 0)
		return;
	for (size_t i = 0; i < t->nr_nodes; i++)
		if (t->nodes[i].parent < 0) {
			sum[0] += t->nodes[i].values[leaked];
			sum[1] += t->nodes[i].values[blocks];
			sum[2] += t->nodes[i].values[calls];
			sum[3] += t->nodes[i].values[brief];
		}
	fprintf(to, "HEAP, bytes: peak %s · not freed %s in %s blocks · %s allocations, %s temporary\n", grouped(t->heap_peak, text[0]),
		grouped(sum[0], text[1]), grouped(sum[1], text[2]), grouped(sum[2], text[3]), grouped(sum[3], text[4]));
	print_largest(to, t, "largest_at_peak_bytes", NULL, "  at its peak");
	if (sum[0])
		print_largest(to, t, "leaked_bytes", NULL, "  not freed");
}

void trees_text(FILE *to, const struct report *r)
{
	for (size_t i = 0; i < r->nr_trees; i++) {
		const struct rep_tree *t = &r->trees[i];

		if (!strcmp(t->kind, "pages"))
			print_largest(to, t, "at_peak_bytes", "[user memory]", "USER PAGES, bytes");
		if (!strcmp(t->kind, "pages"))
			print_largest(to, t, "at_peak_bytes", "[kernel memory]", "KERNEL PAGES, bytes");
		if (!strcmp(t->kind, "heap"))
			print_heap(to, t, r);
	}
}
