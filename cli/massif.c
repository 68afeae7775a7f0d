/*
 * massif.c - the timeline in the format of Valgrind's massif, for ms_print and its viewers.
 * WHY         those tools exist and people know them; here the tree covers the whole machine, kernel included.
 * INVARIANTS  A1 everything is in mem_heap_B, for viewers look for the peak in heap and stacks only.
 *             A2 no node is larger than its parent, no label holds a '#': ms_print stumbles over either.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "cli/quire.h"

#define DETAIL_EVERY 8

static void write_tree(FILE *f, const struct timeline *t, const struct snap *s, uint64_t page)
{
	unsigned int nodes = 0;

	for (unsigned int i = 0; i < t->nr_names; i++)
		nodes += strcmp(t->names[i], "free") && s->frames[i];
	fprintf(f, "n%u: %" PRIu64 " (RAM in use, user and kernel)\n", nodes, s->used * page);
	for (unsigned int i = 0; i < t->nr_names; i++)
		if (strcmp(t->names[i], "free") && s->frames[i])
			fprintf(f, " n0: %" PRIu64 " 0x%X: %s (%s)\n", s->frames[i] * page, i + 1, t->names[i],
				account_words(t->names[i]));
}

static void write_snap(FILE *f, const struct timeline *t, size_t n, uint64_t page)
{
	const struct snap *s = &t->snaps[n], *peak = timeline_peak(t);
	const char *kind = s == peak ? "peak" : n % DETAIL_EVERY == 0 ? "detailed" : "empty";

	fprintf(f, "#-----------\nsnapshot=%zu\n#-----------\ntime=%" PRIu64 "\nmem_heap_B=%" PRIu64
		   "\nmem_heap_extra_B=0\nmem_stacks_B=0\nheap_tree=%s\n",
		n, (s->time_ns - t->snaps[0].time_ns) / 1000000, s->used * page, kind);
	if (strcmp(kind, "empty"))
		write_tree(f, t, s, page);
}

bool massif_write(const struct options *o, const struct run_result *r)
{
	struct timeline t;
	struct ledger l;
	FILE *f;
	bool ok;

	if (!r->ledger || !ledger_parse(&l, NULL, r->ledger) || !timeline_parse(&t, r->timeline)) {
		warn_user("--massif %s: this guest kernel keeps no timeline", o->massif_file);
		return false;
	}
	f = fopen(o->massif_file, "we");
	if (f) {
		fprintf(f, "desc: quire run\ncmd:");
		for (int i = 0; i < o->argc; i++)
			fprintf(f, " %.*s", (int)strcspn(o->argv[i], "\n"), o->argv[i]);
		fprintf(f, "\ntime_unit: ms\n");
		for (size_t n = 0; n < t.nr_snaps; n++)
			write_snap(f, &t, n, l.page_size);
	}
	ok = f && fclose(f) == 0;
	if (!ok)
		warn_user("--massif %s: %s", o->massif_file, strerror(errno));
	timeline_free(&t);
	return ok;
}
