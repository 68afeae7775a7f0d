/*
 * html.c - the report as one page that needs nothing else: a stacked plot of all accounts, and the table.
 * SHAPE       inline SVG, one polygon an account, stacked from the kernel at the bottom to user memory on top;
 *             no scripts. Its size is bounded by the kernel's 512 snapshots.
 * READ NEXT   cli/timeline.c, cli/report.c
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

#define WIDTH 960.0
#define HEIGHT 360.0

static const char style[] =
	"body{font:15px/1.4 system-ui,sans-serif;max-width:1000px;margin:2em auto;color:#222}"
	"table{border-collapse:collapse}td,th{padding:.15em 1em .15em 0;text-align:right}"
	"td:first-child,th:first-child{text-align:left}tr.sum td{border-top:1px solid #999}tr.space td{font-weight:600}"
	"i{display:inline-block;width:.8em;height:.8em;margin-right:.4em}code{background:#f3f3f3}svg{background:#fafafa}";

/* Kernel greys and blues, caches green, user memory warm. */
static const char *colour(const struct rep_account *a, unsigned int nth)
{
	static const char *const kernel[] = {"#3d4a5c", "#55667d", "#6f83a0", "#8ba1c0", "#a9bdd8", "#5b6f8f", "#7a6f9b", "#9c92bd"};
	static const char *const cache[] = {"#6aa96a", "#8cc48c"};
	static const char *const user[] = {"#e0862e", "#edb458", "#d9603b", "#b5482f"};

	if (a->space == SPACE_KERNEL)
		return kernel[nth % 8];
	return a->space == SPACE_CACHE ? cache[nth % 2] : user[nth % 4];
}

static void escape(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '<')
			fputs("&lt;", f);
		else if (*s == '&')
			fputs("&amp;", f);
		else
			fputc(*s, f);
	}
}

/* A polygon between what lies below and that plus this account; `below` grows by it. t: one with snapshots. */
static void layer(FILE *f, const struct report *t, int column, uint64_t *below, const char *fill, const char *title)
{
	uint64_t begin = t->snaps[0].time_ns, end = t->snaps[t->nr_snaps - 1].time_ns;
	double sx = end > begin ? WIDTH / (double)(end - begin) : 0, sy = HEIGHT / (double)(report_peak_snap(t)->used ?: 1);

	fprintf(f, "<polygon fill=\"%s\" points=\"", fill);
	for (size_t i = 0; i < t->nr_snaps; i++)
		fprintf(f, "%.1f,%.1f ", (double)(t->snaps[i].time_ns - begin) * sx, HEIGHT - (double)below[i] * sy);
	for (size_t i = t->nr_snaps; i-- > 0;) {
		below[i] += t->snaps[i].frames[column];
		fprintf(f, "%.1f,%.1f ", (double)(t->snaps[i].time_ns - begin) * sx, HEIGHT - (double)below[i] * sy);
	}
	fprintf(f, "\"><title>%s</title></polygon>\n", title);
}

static void plot(FILE *f, const struct report *t)
{
	static const enum account_space order[] = {SPACE_KERNEL, SPACE_CACHE, SPACE_USER};
	uint64_t *below = must_alloc(calloc(t->nr_snaps, sizeof(*below)));

	fprintf(f, "<svg viewBox=\"0 0 %.0f %.0f\" width=\"100%%\">\n", WIDTH, HEIGHT);
	for (unsigned int s = 0; s < 3; s++) {
		unsigned int nth = 0;

		for (unsigned int i = 0; i < t->nr_accounts; i++) {
			const struct rep_account *a = &t->accounts[i];
			int column = report_column(t->columns, t->nr_columns, a->name);

			if (a->space == order[s] && column >= 0)
				layer(f, t, column, below, colour(a, nth++), account_words(a->name));
		}
	}
	fprintf(f, "</svg>\n<p>%.2f s from left to right; the top is the peak, %.1f MiB.</p>\n",
		(double)(t->snaps[t->nr_snaps - 1].time_ns - t->snaps[0].time_ns) / 1e9,
		(double)t->used_peak / (1 << 20));
	free(below);
}

static void row(FILE *f, const struct report *l, const char *class, const char *fill, const char *name, uint64_t start,
		uint64_t peak, uint64_t end)
{
	fprintf(f, "<tr class=\"%s\"><td>", class);
	if (fill)
		fprintf(f, "<i style=\"background:%s\"></i>", fill);
	fprintf(f, "%s<td>%" PRIu64 "<td>%" PRIu64 "<td>%.1f %%<td>%" PRIu64 "\n", name, start / 1024, peak / 1024,
		100.0 * (double)peak / (double)(l->ram ?: 1), end / 1024);
}

static void table(FILE *f, const struct report *t)
{
	static const char *const spaces[SPACE_COUNT] = {"User", "Page cache", "Kernel", "Free"};
	uint64_t start = 0;

	fputs("<table><tr><th>KiB<th>at start<th>at peak<th><th>at the end\n", f);
	for (int s = 0; s < SPACE_COUNT; s++) {
		unsigned int nth = 0;

		start += report_space(t, (enum account_space)s, 's');
		row(f, t, "space", NULL, spaces[s], report_space(t, (enum account_space)s, 's'),
		    report_space(t, (enum account_space)s, 'p'), report_space(t, (enum account_space)s, 'e'));
		for (unsigned int i = 0; i < t->nr_accounts && s != SPACE_FREE; i++) {
			const struct rep_account *a = &t->accounts[i];

			if ((int)a->space != s)
				continue;
			row(f, t, "", colour(a, nth++), account_words(a->name), a->start, a->at_peak, a->end);
		}
	}
	row(f, t, "sum", NULL, "Sum", start, t->ram - (uint64_t)report_unaccounted(t, 'p'), t->ram - (uint64_t)report_unaccounted(t, 'e'));
	row(f, t, "", NULL, "Unaccounted", t->ram - start, (uint64_t)report_unaccounted(t, 'p'), (uint64_t)report_unaccounted(t, 'e'));
	fputs("</table>\n", f);
}

static void parts(FILE *f, const char *title, const struct rep_part *h, size_t n)
{
	if (!n)
		return;
	fprintf(f, "<h2>%s</h2><table>\n", title);
	for (size_t i = 0; i < n; i++) {
		fputs("<tr><td>", f);
		escape(f, h[i].name);
		fprintf(f, "<td>%" PRIu64 "\n", h[i].bytes / 1024);
	}
	fputs("</table>\n", f);
}

bool report_html(FILE *f, const struct report *r)
{
	const struct rep_snap *named = report_named_snap(r);
	char words[64];

	report_words(r, words, sizeof(words));
	fprintf(f, "<!doctype html><meta charset=\"utf-8\"><title>quire run</title><style>%s</style>\n<h1>quire run</h1>\n<p><code>",
		style);
	for (size_t i = 0; i < r->nr_command; i++) {
		fputs(i ? " " : "", f);
		escape(f, r->command[i]);
	}
	fprintf(f, "</code></p>\n<p>%s · %.2f s · %s (%s) · %d cpu%s · RAM %.1f MiB</p>\n", words, (double)r->wall_ns / 1e9, r->accel,
		r->accel_why, r->cpus, r->cpus > 1 ? "s" : "", (double)r->ram / (1 << 20));
	if (r->nr_snaps > 1)
		plot(f, r);
	table(f, r);
	if (named) {
		parts(f, "At the peak, KiB by owner", named->owners, named->nr_owners);
		parts(f, "At the peak, KiB by place in the kernel's code", named->sites, named->nr_sites);
	}
	return !ferror(f);
}
