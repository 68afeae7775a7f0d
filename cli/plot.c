/*
 * plot.c - memory over time in four rows of text.
 */
#include <inttypes.h>
#include <stdlib.h>
#include "cli/quire.h"

#define PLOT_COLUMNS 72
#define PLOT_ROWS 4

/* The largest value in each column's time; memory keeps its value until the next snapshot. */
static void columns(const struct report *r, uint64_t begin, uint64_t end, uint64_t out[PLOT_COLUMNS])
{
	size_t at = 0;
	uint64_t held = r->snaps[0].used;

	for (unsigned int c = 0; c < PLOT_COLUMNS; c++) {
		uint64_t until = begin + (uint64_t)((double)(end - begin) * (c + 1) / PLOT_COLUMNS);

		out[c] = held;
		for (; at < r->nr_snaps && (r->snaps[at].time_ns <= until || c == PLOT_COLUMNS - 1); at++) {
			held = r->snaps[at].used;
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

void plot_text(FILE *to, const struct report *r)
{
	uint64_t begin, end, used[PLOT_COLUMNS], peak;

	if (r->nr_snaps < 2)
		return;
	begin = r->snaps[0].time_ns;
	end = r->snaps[r->nr_snaps - 1].time_ns;
	peak = report_peak_snap(r)->used;
	if (end < r->end_time_ns)
		end = r->end_time_ns;
	if (end == begin || !peak)
		return;
	columns(r, begin, end, used);
	for (int row = PLOT_ROWS - 1; row >= 0; row--) {
		if (row == PLOT_ROWS - 1 || row == PLOT_ROWS / 2 - 1)
			fprintf(to, "%7.1f |", (double)peak / (1 << 20) * (row + 1) / PLOT_ROWS);
		else
			fprintf(to, "    %s |", row == PLOT_ROWS - 2 ? "MiB" : "   ");
		for (unsigned int c = 0; c < PLOT_COLUMNS; c++)
			fputs(cell(8.0 * ((double)used[c] * PLOT_ROWS / (double)peak - row)), to);
		fputc('\n', to);
	}
	fputs("      0 +", to);
	for (unsigned int c = 0; c < PLOT_COLUMNS; c++)
		fputs("─", to);
	fprintf(to, " %.2f s\n", (double)(end - begin) / 1e9);
}
