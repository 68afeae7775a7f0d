/*
 * massif.c - the timeline in the format of Valgrind's massif, for ms_print and its viewers.
 * WHY         those tools exist and people know them; here the tree covers the whole machine, kernel included.
 * INVARIANTS  A1 everything is in mem_heap_B, for viewers look for the peak in heap and stacks only.
 *             A2 no node is larger than its parent, no label holds a '#' or a line end: ms_print stumbles over either.
 *             A3 the true peak is a detailed snapshot; times do not fall; numbers begin at 0 without gaps.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

#define DETAIL_EVERY 8

const char *massif_unit = "ms";

const char *time_unit(const char *word)
{
	static const char *const units[] = {"ms", "i", "B"};

	for (size_t i = 0; i < 3; i++)
		if (!strcmp(units[i], word))
			return units[i];
	fail("--time-unit %s: ms, i (instructions, with --deterministic) or B (bytes allocated)", word);
}

/* One line of a tree, before it is written: how many children follow is said first. */
struct node {
	uint64_t bytes;
	char label[200];
	size_t account; /* of an account's line */
};

static void put_label(FILE *f, const char *s)
{
	for (; *s; s++)
		fputc(*s == '#' ? '?' : (unsigned char)*s < 32 ? ' ' : *s, f);
}

static void put_node(FILE *f, unsigned int depth, unsigned int children, uint64_t bytes, const char *label)
{
	fprintf(f, "%*sn%u: %" PRIu64 " ", (int)depth, "", children, bytes);
	put_label(f, label);
	fputc('\n', f);
}

static int largest_first(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : strcmp(x->label, y->label);
}

static enum account_space space_named(const struct report *r, const char *account)
{
	for (size_t i = 0; i < r->nr_accounts; i++)
		if (!strcmp(r->accounts[i].name, account))
			return r->accounts[i].space;
	return SPACE_KERNEL;
}

/* The parts of `total` by name, the largest first, cut where they would be more than it. -> how many */
static unsigned int settle(struct node *n, unsigned int count, uint64_t total)
{
	unsigned int kept = 0;

	qsort(n, count, sizeof(*n), largest_first);
	for (unsigned int i = 0; i < count; i++) {
		if (!n[i].bytes || n[i].bytes > total)
			continue;
		total -= n[i].bytes;
		n[kept++] = n[i];
	}
	return kept;
}

static void write_slabs(FILE *f, const struct report *r, const struct rep_snap *s, uint64_t total, const char *label)
{
	struct node *n = must_alloc(calloc(r->nr_slab_columns + 1, sizeof(*n)));
	unsigned int count = 0;

	for (size_t i = 0; s->slabs && i < r->nr_slab_columns; i++) {
		n[count].bytes = s->slabs[i];
		snprintf(n[count++].label, sizeof(n->label), "0x%zX: %.100s (slab cache)", 0x1000 + i, r->slab_columns[i]);
	}
	count = settle(n, count, total);
	put_node(f, 2, count, total, label);
	for (unsigned int i = 0; i < count; i++)
		put_node(f, 3, 0, n[i].bytes, n[i].label);
	free(n);
}

static uint64_t space_sum(const struct report *r, const struct rep_snap *s, enum account_space space)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->nr_columns; i++)
		if (space_named(r, r->columns[i]) == space)
			sum += s->frames[i];
	return sum;
}

static void write_space(FILE *f, const struct report *r, const struct rep_snap *s, enum account_space space, uint64_t total,
			const char *label)
{
	struct node *n = must_alloc(calloc(r->nr_columns + 1, sizeof(*n)));
	unsigned int count = 0;

	for (size_t i = 0; i < r->nr_columns; i++) {
		if (space_named(r, r->columns[i]) != space)
			continue;
		n[count].bytes = s->frames[i];
		n[count].account = i;
		snprintf(n[count++].label, sizeof(n->label), "0x%zX: %.60s (%.60s)", i + 1, r->columns[i], account_words(r->columns[i]));
	}
	count = settle(n, count, total);
	put_node(f, 1, count, total, label);
	for (unsigned int i = 0; i < count; i++) {
		if (!strcmp(r->columns[n[i].account], "slab"))
			write_slabs(f, r, s, n[i].bytes, n[i].label);
		else
			put_node(f, 2, 0, n[i].bytes, n[i].label);
	}
	free(n);
}

static void write_tree(FILE *f, const struct report *r, const struct rep_snap *s)
{
	static const struct {
		enum account_space space;
		const char *label;
	} spaces[] = {{SPACE_USER, "0xA0000001: user space"}, {SPACE_CACHE, "0xA0000002: page cache"}, {SPACE_KERNEL, "0xA0000003: kernel"}};
	struct node n[3];
	unsigned int count = 0;

	for (unsigned int i = 0; i < 3; i++) {
		n[i] = (struct node){.bytes = space_sum(r, s, spaces[i].space), .account = i};
		snprintf(n[i].label, sizeof(n[i].label), "%s", spaces[i].label);
	}
	count = settle(n, 3, s->used);
	put_node(f, 0, count, s->used, "(RAM in use, user and kernel)");
	for (unsigned int i = 0; i < count; i++)
		write_space(f, r, s, spaces[n[i].account].space, n[i].bytes, n[i].label);
}

static void write_snap(FILE *f, const struct report *r, size_t n)
{
	const struct rep_snap *s = &r->snaps[n];
	const char *kind = s == report_peak_snap(r) ? "peak" : n % DETAIL_EVERY == 0 ? "detailed" : "empty";

	fprintf(f, "#-----------\nsnapshot=%zu\n#-----------\ntime=%" PRIu64 "\nmem_heap_B=%" PRIu64
		   "\nmem_heap_extra_B=0\nmem_stacks_B=0\nheap_tree=%s\n",
		n, massif_time(r, s->time_ns, r->snaps[0].time_ns, s->time_ns), s->used, kind);
	if (strcmp(kind, "empty"))
		write_tree(f, r, s);
}

/* Milliseconds; instructions, one a nanosecond on a deterministic machine; or bytes allocated so far. */
uint64_t massif_time(const struct report *r, uint64_t time_ns, uint64_t start_ns, uint64_t allocated)
{
	uint64_t past = time_ns > start_ns ? time_ns - start_ns : 0;

	return *massif_unit == 'B' ? allocated : *massif_unit == 'i' ? past : past / 1000000;
}

void massif_head(FILE *to, const struct report *r)
{
	fprintf(to, "desc: quire run\ncmd:");
	for (size_t i = 0; i < r->nr_command; i++) {
		fputc(' ', to);
		put_label(to, r->command[i]);
	}
	fprintf(to, "\ntime_unit: %s\n", massif_unit);
}

bool report_massif(FILE *to, const struct report *r)
{
	for (size_t i = 0; i < r->nr_trees; i++)
		if (r->trees[i].nr_heap)
			return massif_heap(to, r, &r->trees[i]);
	if (!r->nr_snaps) {
		errno = ENODATA;
		return false;
	}
	massif_head(to, r);
	for (size_t n = 0; n < r->nr_snaps; n++)
		write_snap(to, r, n);
	return !ferror(to);
}
