/*
 * folded.c - call stacks as "frame;frame;frame BYTES", one line a stack, for flame graph tools.
 * SHAPE       from the trees that --stacks and --heap leave; without them, from the call sites of the peak.
 */
#include <inttypes.h>
#include <string.h>
#include "cli/quire.h"

/* Semicolons separate frames and a blank the count: neither may be in a frame. */
static void put_frame(FILE *to, const char *s)
{
	for (; *s; s++)
		fputc(*s == ';' ? ':' : (unsigned char)*s < 32 ? '?' : *s, to);
}

static void put_path(FILE *to, const struct rep_tree *t, long n)
{
	if (t->nodes[n].parent >= 0) {
		put_path(to, t, t->nodes[n].parent);
		fputc(';', to);
	}
	put_frame(to, t->nodes[n].frame);
}

static void put_tree(FILE *to, const struct rep_tree *t, bool name_kind)
{
	for (size_t i = 0; i < t->nr_nodes; i++) {
		if (!t->nodes[i].own)
			continue;
		if (name_kind) {
			put_frame(to, t->kind);
			fputc(';', to);
		}
		put_path(to, t, (long)i);
		fprintf(to, " %" PRIu64 "\n", t->nodes[i].own);
	}
}

bool report_folded(FILE *to, const struct report *r)
{
	const struct rep_snap *s = report_named_snap(r);

	for (size_t i = 0; i < r->nr_trees; i++)
		if (r->trees[i].nr_columns)
			put_tree(to, &r->trees[i], r->nr_trees > 1);
	for (size_t i = 0; !r->nr_trees && s && i < s->nr_sites; i++) {
		fputs("kernel;", to);
		put_frame(to, s->sites[i].name);
		fprintf(to, " %" PRIu64 "\n", s->sites[i].bytes);
	}
	return !ferror(to);
}
