/*
 * massif_heap.c - the heap of a run in massif's format: what `valgrind --tool=massif` would have written, and the kernel beside it.
 * SHAPE       the process with the largest heap, over time. Below the root: the user heap with its tree, allocating function
 *             first and callers below it, as massif has it; and what the kernel took since the start, by account.
 * INVARIANTS  A1 - A3 of massif.c. The "user heap" node of the peak is massif's own mem_heap_B, to the byte.
 * READ NEXT   cli/massif.c, cli/heap.c
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

#define DEEPEST 30 /* as massif's --depth */

/* A stack on its way to main(): the node we stand at. */
struct walker {
	const struct rep_node *at;
	uint64_t bytes;
};

/* Those with one frame stand together. */
struct group {
	size_t first, nr;
	uint64_t bytes;
};

static const struct rep_tree *tree; /* of the qsort below */

static int by_frame(const void *a, const void *b)
{
	const struct walker *x = a, *y = b;
	int order = strcmp(x->at->frame, y->at->frame);

	return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

static int largest_first(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : x->first < y->first ? -1 : 1;
}

static void put_line(FILE *to, unsigned int depth, size_t children, uint64_t bytes, const char *label)
{
	fprintf(to, "%*sn%zu: %" PRIu64 " ", (int)depth, "", children, bytes);
	for (; *label; label++)
		fputc(*label == '#' ? '?' : (unsigned char)*label < 32 ? ' ' : *label, to);
	fputc('\n', to);
}

static void put_folded(FILE *to, unsigned int depth, size_t places, uint64_t bytes)
{
	char words[96];

	if (places == 1)
		snprintf(words, sizeof(words), "in 1 place, below massif's threshold (1.00%%)");
	else
		snprintf(words, sizeof(words), "in %zu places, all below massif's threshold (1.00%%)", places);
	put_line(to, depth, 0, bytes, words);
}

/* The walkers in groups of one frame, those worth a line first; *kept says how many those are. */
static struct group *group(struct walker *w, size_t n, uint64_t least, size_t *nr, size_t *kept)
{
	struct group *g = must_alloc(calloc(n + 1, sizeof(*g)));

	*nr = *kept = 0;
	qsort(w, n, sizeof(*w), by_frame);
	for (size_t i = 0; i < n; i++) {
		if (!i || strcmp(w[i].at->frame, w[i - 1].at->frame))
			g[(*nr)++].first = i;
		g[*nr - 1].nr++;
		g[*nr - 1].bytes += w[i].bytes;
	}
	qsort(g, *nr, sizeof(*g), largest_first);
	while (*kept < *nr && g[*kept].bytes >= least && g[*kept].bytes)
		(*kept)++;
	return g;
}

/* One step towards main(); those that are there leave. */
static size_t step_up(struct walker *w, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		const struct rep_node *up = w[i].at->parent >= 0 ? &tree->nodes[w[i].at->parent] : NULL;

		if (up && up->parent >= 0) /* the outermost node is the program's name */
			w[left++] = (struct walker){up, w[i].bytes};
	}
	return left;
}

static void write_calls(FILE *to, struct walker *w, size_t n, unsigned int depth, uint64_t bytes, uint64_t least, const char *label)
{
	size_t nr, kept;
	struct group *g = group(w, n, least, &nr, &kept);
	uint64_t rest = 0;

	if (depth > DEEPEST)
		nr = kept = 0;
	for (size_t i = kept; i < nr; i++)
		rest += g[i].bytes;
	put_line(to, depth, kept + (nr > kept), bytes, label);
	for (size_t i = 0; i < kept; i++) {
		struct walker *part = must_alloc(malloc(g[i].nr * sizeof(*part)));
		char words[1200];
		size_t left;

		memcpy(part, w + g[i].first, g[i].nr * sizeof(*part));
		snprintf(words, sizeof(words), "0x%zX: %s", 0x1000 + (size_t)(part[0].at - tree->nodes), part[0].at->frame);
		left = step_up(part, g[i].nr);
		write_calls(to, part, left, depth + 1, g[i].bytes, least, words);
		free(part);
	}
	if (nr > kept)
		put_folded(to, depth + 1, nr - kept, rest);
	free(g);
}

/* ---- the kernel ---- */

static const struct rep_snap *machine_at(const struct report *r, uint64_t time_ns)
{
	const struct rep_snap *s = r->nr_snaps ? &r->snaps[0] : NULL;

	for (size_t i = 1; i < r->nr_snaps && r->snaps[i].time_ns <= time_ns; i++)
		s = &r->snaps[i];
	return s;
}

static bool of_kernel(const struct report *r, const char *account)
{
	for (size_t i = 0; i < r->nr_accounts; i++)
		if (!strcmp(r->accounts[i].name, account))
			return r->accounts[i].space == SPACE_KERNEL;
	return false;
}

static uint64_t taken(const struct report *r, const struct rep_snap *s, size_t account)
{
	if (!s || !of_kernel(r, r->columns[account]) || s->frames[account] < r->snaps[0].frames[account])
		return 0;
	return s->frames[account] - r->snaps[0].frames[account];
}

static uint64_t kernel_bytes(const struct report *r, const struct rep_snap *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->nr_columns; i++)
		sum += taken(r, s, i);
	return sum;
}

static void write_kernel(FILE *to, const struct report *r, const struct rep_snap *s, uint64_t bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < r->nr_columns; i++)
		n += taken(r, s, i) > 0;
	put_line(to, 1, n, bytes, "0xA0000003: kernel memory taken since the start (in quire.elf)");
	for (size_t i = 0; i < r->nr_columns; i++)
		if (taken(r, s, i)) {
			char words[160];

			snprintf(words, sizeof(words), "0x%zX: %.60s (%.60s)", i + 1, r->columns[i], account_words(r->columns[i]));
			put_line(to, 2, 0, taken(r, s, i), words);
		}
}

/* ---- snapshots ---- */

/* column < 0: the places of the snapshot, else that column of the tree. */
static size_t walkers(const struct rep_tree *t, const struct rep_heap_snap *s, int column, struct walker *w)
{
	size_t n = 0;

	for (size_t i = 0; column < 0 && i < s->nr_places; i++)
		w[n++] = (struct walker){&t->nodes[s->places[i].node], s->places[i].bytes};
	if (column < 0)
		return n;
	for (size_t i = 0; i < t->nr_nodes; i++)
		w[i] = (struct walker){&t->nodes[i], t->nodes[i].values[column]};
	for (size_t i = 0; i < t->nr_nodes; i++) /* what it holds without those below */
		if (t->nodes[i].parent >= 0) {
			struct walker *up = &w[t->nodes[i].parent];
			uint64_t mine = t->nodes[i].values[column];

			up->bytes -= mine < up->bytes ? mine : up->bytes;
		}
	for (size_t i = 0; i < t->nr_nodes; i++)
		if (w[i].bytes && t->nodes[i].parent >= 0)
			w[n++] = w[i];
	return n;
}

static void write_tree(FILE *to, const struct report *r, const struct rep_tree *t, const struct rep_heap_snap *s, int column,
		       const struct rep_snap *machine, uint64_t kernel)
{
	struct walker *w = must_alloc(calloc(t->nr_nodes + s->nr_places + 1, sizeof(*w)));
	size_t n = walkers(t, s, column, w);
	uint64_t sum = 0;
	size_t fits = 0;

	for (size_t i = 0; i < n; i++) /* never more than the whole: A2 */
		if (sum + w[i].bytes <= s->live) {
			sum += w[i].bytes;
			w[fits++] = w[i];
		}
	tree = t;
	put_line(to, 0, 1 + (kernel > 0), s->live + kernel, "(user heap and kernel)");
	write_calls(to, w, fits, 1, s->live, s->live / 100, "(heap allocation functions) malloc/new/new[], --alloc-fns, etc.");
	if (kernel)
		write_kernel(to, r, machine, kernel);
	free(w);
}

static void write_snap(FILE *to, const struct report *r, const struct rep_tree *t, size_t number, const struct rep_heap_snap *s,
		       int column)
{
	const struct rep_snap *machine = machine_at(r, s->time_ns);
	uint64_t kernel = kernel_bytes(r, machine);
	const char *kind = column >= 0 ? "peak" : s->nr_places ? "detailed" : "empty";

	fprintf(to, "#-----------\nsnapshot=%zu\n#-----------\ntime=%" PRIu64 "\nmem_heap_B=%" PRIu64
		    "\nmem_heap_extra_B=0\nmem_stacks_B=0\nheap_tree=%s\n",
		number, massif_time(r, s->time_ns, t->heap[0].time_ns, s->allocated), s->live + kernel, kind);
	if (strcmp(kind, "empty"))
		write_tree(to, r, t, s, column, machine, kernel);
}

/* The exact peak lies between two snapshots: after the last that is not above it. */
static size_t peak_position(const struct rep_tree *t)
{
	size_t best = 0;

	for (size_t i = 0; i < t->nr_heap; i++)
		if (t->heap[i].time_ns <= t->heap_peak_ns)
			best = i;
	if (!t->heap_peak_ns) /* it never fell */
		best = t->nr_heap - 1;
	return best;
}

bool massif_heap(FILE *to, const struct report *r, const struct rep_tree *t)
{
	size_t at = peak_position(t), number = 0;
	int column = report_column(t->columns, t->nr_columns, "largest_at_peak_bytes");
	struct rep_heap_snap peak = t->heap[at];

	peak.live = t->heap_peak;
	if (t->heap_peak_ns > peak.time_ns)
		peak.time_ns = t->heap_peak_ns;
	massif_head(to, r);
	for (size_t i = 0; i < t->nr_heap; i++) {
		write_snap(to, r, t, number++, &t->heap[i], -1);
		if (i == at && column >= 0)
			write_snap(to, r, t, number++, &peak, column);
	}
	return !ferror(to);
}
