/*
 * html.c - the report as one page that needs nothing else: a stacked plot of all accounts, and the table.
 * SHAPE       inline SVG, one polygon an account, stacked from the kernel at the bottom to user memory on top;
 *             no scripts. Its size is bounded by the kernel's 512 snapshots.
 * READ NEXT   cli/timeline.c, cli/report.c
 */
#include <errno.h>
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
static const char *colour(const struct account *a, unsigned int nth)
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

static int column_of(const struct timeline *t, const char *name)
{
	for (unsigned int i = 0; i < t->nr_names; i++)
		if (!strcmp(t->names[i], name))
			return (int)i;
	return -1;
}

/* A polygon between what lies below and that plus this account; `below` grows by it. */
static void layer(FILE *f, const struct timeline *t, int column, uint64_t *below, const char *fill, const char *title)
{
	uint64_t begin = t->snaps[0].time_ns, end = t->snaps[t->nr_snaps - 1].time_ns;
	double sx = end > begin ? WIDTH / (double)(end - begin) : 0, sy = HEIGHT / (double)timeline_peak(t)->used;

	fprintf(f, "<polygon fill=\"%s\" points=\"", fill);
	for (size_t i = 0; i < t->nr_snaps; i++)
		fprintf(f, "%.1f,%.1f ", (double)(t->snaps[i].time_ns - begin) * sx, HEIGHT - (double)below[i] * sy);
	for (size_t i = t->nr_snaps; i-- > 0;) {
		below[i] += t->snaps[i].frames[column];
		fprintf(f, "%.1f,%.1f ", (double)(t->snaps[i].time_ns - begin) * sx, HEIGHT - (double)below[i] * sy);
	}
	fprintf(f, "\"><title>%s</title></polygon>\n", title);
}

static void plot(FILE *f, const struct ledger *l, const struct timeline *t)
{
	static const enum account_space order[] = {SPACE_KERNEL, SPACE_CACHE, SPACE_USER};
	uint64_t *below = must_alloc(calloc(t->nr_snaps, sizeof(*below)));

	fprintf(f, "<svg viewBox=\"0 0 %.0f %.0f\" width=\"100%%\">\n", WIDTH, HEIGHT);
	for (unsigned int s = 0; s < 3; s++) {
		unsigned int nth = 0;

		for (unsigned int i = 0; i < l->nr_accounts; i++) {
			const struct account *a = &l->accounts[i];
			int column = column_of(t, a->name);

			if (a->space == order[s] && column >= 0)
				layer(f, t, column, below, colour(a, nth++), account_words(a->name));
		}
	}
	fprintf(f, "</svg>\n<p>%.2f s from left to right; the top is the peak, %.1f MiB.</p>\n",
		(double)(t->snaps[t->nr_snaps - 1].time_ns - t->snaps[0].time_ns) / 1e9,
		(double)(l->used_peak * l->page_size) / (1 << 20));
	free(below);
}

static void row(FILE *f, const struct ledger *l, const char *class, const char *fill, const char *name, uint64_t start,
		uint64_t peak, uint64_t end)
{
	uint64_t kib = l->page_size / 1024;

	fprintf(f, "<tr class=\"%s\"><td>", class);
	if (fill)
		fprintf(f, "<i style=\"background:%s\"></i>", fill);
	fprintf(f, "%s<td>%" PRIu64 "<td>%" PRIu64 "<td>%.1f %%<td>%" PRIu64 "\n", name, start * kib, peak * kib,
		100.0 * (double)peak / (double)l->ram_frames, end * kib);
}

static void table(FILE *f, const struct ledger *l)
{
	static const char *const spaces[SPACE_COUNT] = {"User", "Page cache", "Kernel", "Free"};
	uint64_t start = 0;

	fputs("<table><tr><th>KiB<th>at start<th>at peak<th><th>at the end\n", f);
	for (int s = 0; s < SPACE_COUNT; s++) {
		unsigned int nth = 0;

		start += ledger_space_start(l, (enum account_space)s);
		row(f, l, "space", NULL, spaces[s], ledger_space_start(l, (enum account_space)s),
		    ledger_space_at_peak(l, (enum account_space)s), ledger_space_now(l, (enum account_space)s));
		for (unsigned int i = 0; i < l->nr_accounts && s != SPACE_FREE; i++) {
			const struct account *a = &l->accounts[i];

			if ((int)a->space != s)
				continue;
			row(f, l, "", colour(a, nth++), account_words(a->name), a->start, a->at_peak, a->now);
		}
	}
	row(f, l, "sum", NULL, "Sum", start, l->ram_frames - (uint64_t)ledger_unaccounted_at_peak(l),
	    l->ram_frames - (uint64_t)ledger_unaccounted_now(l));
	row(f, l, "", NULL, "Unaccounted", l->ram_frames - start, (uint64_t)ledger_unaccounted_at_peak(l),
	    (uint64_t)ledger_unaccounted_now(l));
	fputs("</table>\n", f);
}

static void holders(FILE *f, const char *title, const struct holder *h, unsigned int n, uint64_t page)
{
	if (!n)
		return;
	fprintf(f, "<h2>%s</h2><table>\n", title);
	for (unsigned int i = 0; i < n; i++) {
		fputs("<tr><td>", f);
		escape(f, h[i].name);
		fprintf(f, "<td>%" PRIu64 "\n", h[i].frames * page / 1024);
	}
	fputs("</table>\n", f);
}

static void page(FILE *f, const struct options *o, const struct accel_choice *a, const struct run_result *r,
		 const struct ledger *l, const struct timeline *t)
{
	const struct snap *named = NULL;
	char words[64];

	result_words(r, words, sizeof(words));
	fprintf(f, "<!doctype html><meta charset=\"utf-8\"><title>quire run</title><style>%s</style>\n<h1>quire run</h1>\n<p><code>",
		style);
	for (int i = 0; i < o->argc; i++) {
		fputs(i ? " " : "", f);
		escape(f, o->argv[i]);
	}
	fprintf(f, "</code></p>\n<p>%s · %.2f s · %s (%s) · %u cpu%s · RAM %.1f MiB</p>\n", words, (double)r->wall_ns / 1e9,
		a->kvm ? "kvm" : "tcg", a->why, o->cpus, o->cpus > 1 ? "s" : "",
		(double)(l->ram_frames * l->page_size) / (1 << 20));
	if (t->nr_snaps > 1)
		plot(f, l, t);
	table(f, l);
	for (size_t i = 0; i < t->nr_snaps; i++)
		if (t->snaps[i].nr_owners && (!named || t->snaps[i].used > named->used))
			named = &t->snaps[i];
	if (!named)
		return;
	holders(f, "At the peak, KiB by owner", named->owners, named->nr_owners, l->page_size);
	holders(f, "At the peak, KiB by place in the kernel's code", named->sites, named->nr_sites, l->page_size);
}

bool html_write(const struct options *o, const struct accel_choice *a, const struct run_result *r)
{
	struct timeline t;
	struct ledger l;
	FILE *f;
	bool ok;

	if (!r->ledger || !ledger_parse(&l, r->ledger_start, r->ledger)) {
		warn_user("--html %s: this guest kernel keeps no ledger", o->html_file);
		return false;
	}
	timeline_parse(&t, r->timeline);
	f = fopen(o->html_file, "we");
	if (f)
		page(f, o, a, r, &l, &t);
	ok = f && fclose(f) == 0;
	if (!ok)
		warn_user("--html %s: %s", o->html_file, strerror(errno));
	timeline_free(&t);
	return ok;
}
