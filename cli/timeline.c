/*
 * timeline.c - memory over time: the kernel's snapshots as numbers.
 * SHAPE       text of /proc/ledger/timeline: "accounts NAME ...", then for each snapshot "snap TIME USED F ..."
 *             followed by its largest owners "o KIND PID NAME FRAMES" and call sites "s PLACE FUNC FRAMES", frames by
 *             slab cache "k F ..." (names: "caches NAME ..."; none: as in the snapshot before) and event counts "v N ..." ("events NAME ...").
 * INVARIANTS  M1 a snapshot's frames add up to RAM.  M2 times do not fall.  M3 the true peak is among them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

static unsigned int parse_names(char (*names)[32], unsigned int most, char *line)
{
	char *save = NULL;
	unsigned int n = 0;

	strtok_r(line, " ", &save);
	for (char *w; n < most && (w = strtok_r(NULL, " ", &save));)
		snprintf(names[n++], sizeof(names[0]), "%s", w);
	return n;
}

static void parse_numbers(struct timeline *t, uint64_t *out, unsigned int n, char *line)
{
	char *save = NULL;

	if (!t->nr_snaps)
		return;
	strtok_r(line, " ", &save);
	for (unsigned int i = 0; i < n; i++) {
		char *w = strtok_r(NULL, " ", &save);

		out[i] = w ? strtoull(w, NULL, 10) : 0;
	}
}

static void parse_snap(struct timeline *t, char *line)
{
	struct snap *s;
	char *save = NULL;

	if (!(t->nr_snaps & (t->nr_snaps - 1)))
		t->snaps = must_alloc(realloc(t->snaps, (t->nr_snaps ? 2 * t->nr_snaps : 1) * sizeof(*s)));
	s = &t->snaps[t->nr_snaps++];
	memset(s, 0, sizeof(*s));
	if (s > t->snaps)
		memcpy(s->slabs, s[-1].slabs, sizeof(s->slabs)); /* no "k" follows: as before */
	strtok_r(line, " ", &save);
	for (unsigned int i = 0; i < 2 + t->nr_names; i++) {
		char *w = strtok_r(NULL, " ", &save);
		uint64_t v = w ? strtoull(w, NULL, 10) : 0;

		*(i == 0 ? &s->time_ns : i == 1 ? &s->used : &s->frames[i - 2]) = v;
	}
}

static void parse_holder(struct timeline *t, const char *line)
{
	struct snap *s = t->nr_snaps ? &t->snaps[t->nr_snaps - 1] : NULL;
	char a[96], b[64];
	uint64_t frames;
	int pid;

	if (!s)
		return;
	if (s->nr_owners < MAX_HOLDERS && sscanf(line, "o %15s %d %63s %" SCNu64, a, &pid, b, &frames) == 4) {
		struct holder *h = &s->owners[s->nr_owners++];

		h->frames = frames;
		if (pid)
			snprintf(h->name, sizeof(h->name), "%s[%d]", b, pid);
		else
			snprintf(h->name, sizeof(h->name), "the %s", b);
	} else if (s->nr_sites < MAX_HOLDERS && sscanf(line, "s %95s %63s %" SCNu64, a, b, &frames) == 3) {
		struct holder *h = &s->sites[s->nr_sites++];

		h->frames = frames;
		snprintf(h->name, sizeof(h->name), "%.31s (%.60s)", b, a);
	}
}

bool timeline_parse(struct timeline *t, const char *text)
{
	char *copy, *save = NULL;

	memset(t, 0, sizeof(*t));
	if (!text)
		return false;
	copy = must_alloc(strdup(text));
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, "accounts ", 9))
			t->nr_names = parse_names(t->names, 32, line);
		else if (!strncmp(line, "caches ", 7))
			t->nr_slabs = parse_names(t->slab_names, MAX_CACHES, line);
		else if (!strncmp(line, "events ", 7))
			t->nr_events = parse_names(t->event_names, MAX_EVENTS, line);
		else if (!strncmp(line, "k ", 2) && t->nr_snaps)
			parse_numbers(t, t->snaps[t->nr_snaps - 1].slabs, t->nr_slabs, line);
		else if (!strncmp(line, "v ", 2) && t->nr_snaps)
			parse_numbers(t, t->snaps[t->nr_snaps - 1].events, t->nr_events, line);
		else if (!strncmp(line, "snap ", 5))
			parse_snap(t, line);
		else
			parse_holder(t, line);
	}
	free(copy);
	return t->nr_snaps && t->nr_names;
}

void timeline_free(struct timeline *t)
{
	free(t->snaps);
	t->snaps = NULL;
}
