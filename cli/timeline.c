/*
 * timeline.c - memory over time: the kernel's snapshots as numbers, and as a plot of four rows.
 * SHAPE       text of /proc/ledger/timeline: "accounts NAME ...", then for each snapshot "snap TIME USED F ..."
 *             followed by its largest owners "o KIND PID NAME FRAMES" and call sites "s PLACE FUNC FRAMES".
 * INVARIANTS  M1 a snapshot's frames add up to RAM.  M2 times do not fall.  M3 the true peak is among them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

#define PLOT_COLUMNS 60
#define PLOT_ROWS 4

static void parse_names(struct timeline *t, char *line)
{
	char *save = NULL;

	strtok_r(line, " ", &save);
	for (char *w; t->nr_names < 32 && (w = strtok_r(NULL, " ", &save));)
		snprintf(t->names[t->nr_names++], sizeof(t->names[0]), "%s", w);
}

static void parse_snap(struct timeline *t, char *line)
{
	struct snap *s;
	char *save = NULL;

	if (!(t->nr_snaps & (t->nr_snaps - 1)))
		t->snaps = must_alloc(realloc(t->snaps, (t->nr_snaps ? 2 * t->nr_snaps : 1) * sizeof(*s)));
	s = &t->snaps[t->nr_snaps++];
	memset(s, 0, sizeof(*s));
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
			parse_names(t, line);
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

const struct snap *timeline_peak(const struct timeline *t)
{
	const struct snap *peak = &t->snaps[0];

	for (size_t i = 1; i < t->nr_snaps; i++)
		if (t->snaps[i].used > peak->used)
			peak = &t->snaps[i];
	return peak;
}

/* The largest value in each column's time; memory keeps its value until the next snapshot. */
static void columns(const struct timeline *t, uint64_t begin, uint64_t end, uint64_t out[PLOT_COLUMNS])
{
	size_t at = 0;
	uint64_t held = t->snaps[0].used;

	for (unsigned int c = 0; c < PLOT_COLUMNS; c++) {
		uint64_t until = begin + (end - begin) * (c + 1) / PLOT_COLUMNS;

		out[c] = held;
		for (; at < t->nr_snaps && (t->snaps[at].time_ns <= until || c == PLOT_COLUMNS - 1); at++) {
			held = t->snaps[at].used;
			out[c] = held > out[c] ? held : out[c];
		}
	}
}

/* One character cell: nothing, an eighth to seven eighths, or full. */
static const char *cell(double eighths)
{
	static const char *const bars[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	int n = eighths < 0 ? 0 : eighths > 8 ? 8 : (int)(eighths + 0.5);

	return bars[n];
}

void timeline_plot(FILE *to, const struct timeline *t, const struct ledger *l)
{
	uint64_t begin = t->snaps[0].time_ns, end = t->snaps[t->nr_snaps - 1].time_ns, used[PLOT_COLUMNS];
	uint64_t peak = timeline_peak(t)->used;
	double mib = (double)l->page_size / (1 << 20);

	if (end < l->now_time_ns)
		end = l->now_time_ns;
	if (end == begin || !peak)
		return;
	columns(t, begin, end, used);
	fprintf(to, "  MiB used\n");
	for (int row = PLOT_ROWS - 1; row >= 0; row--) {
		if (row == PLOT_ROWS - 1 || row == PLOT_ROWS / 2 - 1)
			fprintf(to, "%7.1f |", (double)peak * (row + 1) / PLOT_ROWS * mib);
		else
			fprintf(to, "        |");
		for (unsigned int c = 0; c < PLOT_COLUMNS; c++)
			fputs(cell(8.0 * ((double)used[c] * PLOT_ROWS / (double)peak - row)), to);
		fputc('\n', to);
	}
	fputs("      0 +", to);
	for (unsigned int c = 0; c < PLOT_COLUMNS; c++)
		fputs("─", to);
	fprintf(to, " %.2f s\n", (double)(end - begin) / 1e9);
}
