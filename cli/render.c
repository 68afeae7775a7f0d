/*
 * render.c - `quire report`: draw a report again, from the file that --json left; and the files a run was asked for.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

static const char usage[] =
	"Usage: quire report FILE [--text | --html | --massif | --folded | --json] [-o OUT]\n"
	"\n"
	"Draw the report of a run again, from the JSON that `quire run --json FILE` wrote; - is standard input.\n"
	"\n"
	"  --text     the report as the run printed it (default)\n"
	"  --html     one page that needs nothing else\n"
	"  --massif   for ms_print and massif-visualizer\n"
	"  --time-unit UNIT   its time axis: ms, i (instructions, of a --deterministic run), B (bytes allocated)\n"
	"  --folded   folded stacks, one line a stack, for flame graph tools\n"
	"  --json     the JSON itself, in one form\n"
	"  -o OUT     write there instead of standard output\n"
	"\n"
	"Status: 0, or 125 when the file cannot be read or is no report.\n";

static bool render_text(FILE *to, const struct report *r)
{
	report_text(to, r, wants_colour(to));
	return true;
}

static bool render_json(FILE *to, const struct report *r)
{
	return report_json(to, r->root);
}

typedef bool (*renderer)(FILE *to, const struct report *r);

/* `option` names the file's purpose in a complaint. */
static bool write_file(const char *option, const char *file, renderer render, const struct report *r)
{
	FILE *f = fopen(file, "we");
	bool ok = f && render(f, r);

	if (f && fclose(f) != 0)
		ok = false;
	if (!ok)
		warn_user("%s %s: %s", option, file, f && !errno ? "nothing to draw" : strerror(errno));
	return ok;
}

void render_files(const struct options *o, const struct report *r)
{
	errno = 0;
	if (o->json_file)
		write_file("--json", o->json_file, render_json, r);
	if (o->folded_file)
		write_file("--folded", o->folded_file, report_folded, r);
	if (!r->has_memory && (o->html_file || o->massif_file)) {
		warn_user("%s %s: this guest kernel keeps no ledger", o->html_file ? "--report" : "--massif",
			  o->html_file ? o->html_file : o->massif_file);
		return;
	}
	if (o->html_file)
		write_file("--report", o->html_file, report_html, r);
	if (o->massif_file)
		write_file("--massif", o->massif_file, report_massif, r);
}

int command_report(int argc, char **argv)
{
	static const struct option options[] = {
		{"text", no_argument, NULL, 't'},   {"html", no_argument, NULL, 'h'},	  {"massif", no_argument, NULL, 'm'},
		{"folded", no_argument, NULL, 'f'}, {"json", no_argument, NULL, 'j'},	  {"output", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, '?'},   {"time-unit", required_argument, NULL, 'u'}, {0},
	};
	renderer render = render_text;
	const char *out = NULL;
	struct report *r;
	char why[256];
	int opt;

	argv[0] = (char *)program_name;
	while ((opt = getopt_long(argc, argv, "o:", options, NULL)) >= 0) {
		if (opt == '?') {
			bool asked = !strcmp(argv[optind - 1], "--help");

			fputs(usage, asked ? stdout : stderr);
			return asked ? 0 : STATUS_QUIRE_FAILED;
		}
		if (opt == 'o')
			out = optarg;
		else if (opt == 'u')
			massif_unit = time_unit(optarg);
		else
			render = opt == 'h' ? report_html : opt == 'm' ? report_massif : opt == 'f' ? report_folded
				 : opt == 'j' ? render_json : render_text;
	}
	if (argc - optind != 1)
		fail("report: give the one file that --json wrote; try 'quire report --help'");
	r = report_load_file(argv[optind], why, sizeof(why));
	if (!r)
		fail("report %s: %s", argv[optind], why);
	errno = 0;
	if (out) {
		if (!write_file("-o", out, render, r))
			return STATUS_QUIRE_FAILED;
	} else if (!render(stdout, r) || fflush(stdout) != 0) {
		fail("report %s: %s", argv[optind], errno ? strerror(errno) : "it has nothing to draw in that form");
	}
	report_free(r);
	return 0;
}
