/*
 * trouble.c - what went wrong, and what was made to: OOM kills, injected failures, windows of pressure.
 * SHAPE       trouble_json(): the guest's /proc/ledger/events -> JSON; trouble_text(): that JSON -> a few lines of the report.
 * READ NEXT   docs/report-json.md, mm/fail.c, mm/pressure.c, proc/oom.c
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

/* The last word of a line is a program's name. */
static json_t *name_at(const char *line)
{
	const char *blank = strrchr(line, ' ');

	return json_text(blank ? blank + 1 : line);
}

static json_t *injected(const char *at)
{
	json_t *list = json_array();
	char line[512], kind[32], what[96], place[160];
	uint64_t time, number_of, size;
	int pid, tid;

	while ((at = next_line(at, "injected", line, sizeof(line)))) {
		json_t *j;

		if (sscanf(line, "%" SCNu64 " %d %d %31s %" SCNu64 " %" SCNu64 " %95s %159s", &time, &pid, &tid, kind, &number_of,
			   &size, what, place) != 8)
			continue;
		j = json_object();
		json_object_set_new(j, "time_ns", json_number(time));
		json_object_set_new(j, "pid", json_integer(pid));
		json_object_set_new(j, "tid", json_integer(tid));
		json_object_set_new(j, "name", name_at(line));
		json_object_set_new(j, "kind", json_text(kind));
		json_object_set_new(j, "number", json_number(number_of));
		json_object_set_new(j, "bytes", json_number(size));
		json_object_set_new(j, "what", json_text(what));
		json_object_set_new(j, "place", json_text(place));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *windows(const char *at, uint64_t page)
{
	json_t *list = json_array();
	char line[256];
	uint64_t v[5];

	while ((at = next_line(at, "pressure", line, sizeof(line)))) {
		json_t *j;

		if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &v[0], &v[1], &v[2], &v[3], &v[4]) != 5)
			continue;
		j = json_object();
		json_object_set_new(j, "begin_ns", json_number(v[0]));
		json_object_set_new(j, "end_ns", json_number(v[1]));
		json_object_set_new(j, "keep_free_bytes", json_number(v[2] * page));
		json_object_set_new(j, "taken_bytes", json_number(v[3] * page));
		json_object_set_new(j, "least_free_bytes", json_number(v[4] * page));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *score(const char *line, uint64_t page)
{
	json_t *j;
	int64_t points;
	uint64_t rss, swap, tables;
	int pid, adj;

	if (sscanf(line, "%d %" SCNd64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %d", &pid, &points, &rss, &swap, &tables, &adj) != 6)
		return NULL;
	j = json_object();
	json_object_set_new(j, "pid", json_integer(pid));
	json_object_set_new(j, "name", name_at(line));
	json_object_set_new(j, "points", json_integer(points));
	json_object_set_new(j, "rss_bytes", json_number(rss * page));
	json_object_set_new(j, "swap_bytes", json_number(swap * page));
	json_object_set_new(j, "page_table_bytes", json_number(tables * page));
	json_object_set_new(j, "oom_score_adj", json_integer(adj));
	return j;
}

static json_t *one_kill(const char *line, uint64_t page)
{
	static const char *const held[] = {"virtual_bytes", "anon_bytes", "file_bytes", "shmem_bytes", "swap_bytes", "page_table_bytes"};
	json_t *j;
	uint64_t failed, chosen, freed, v[6];
	int64_t frames;
	char scope[16];
	int pid, adj;

	if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %d %15s %" SCNd64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64 " %d", &failed, &chosen, &freed, &pid, scope, &frames, &v[0], &v[1], &v[2], &v[3], &v[4],
		   &v[5], &adj) != 13)
		return NULL;
	j = json_object();
	json_object_set_new(j, "pid", json_integer(pid));
	json_object_set_new(j, "name", name_at(line));
	json_object_set_new(j, "scope", json_text(scope));
	json_object_set_new(j, "first_failed_ns", json_number(failed));
	json_object_set_new(j, "chosen_ns", json_number(chosen));
	json_object_set_new(j, "freed_ns", json_number(freed));
	json_object_set_new(j, "freed_bytes", json_number(frames > 0 ? (uint64_t)frames * page : 0));
	for (int i = 0; i < 6; i++)
		json_object_set_new(j, held[i], json_number(v[i] * page));
	json_object_set_new(j, "oom_score_adj", json_integer(adj));
	json_object_set_new(j, "scores", json_array());
	return j;
}

/* "oom ..." lines, each followed by its table of scores. */
static json_t *oom_kills(const char *at, uint64_t page)
{
	json_t *list = json_array(), *last = NULL, *j;

	while (at && *at) {
		size_t n = strcspn(at, "\n");
		char line[512];

		snprintf(line, sizeof(line), "%.*s", (int)n, at);
		at += n + (at[n] == '\n');
		if (!strncmp(line, "oom ", 4) && (j = one_kill(line + 4, page))) {
			json_array_append_new(list, j);
			last = j;
		} else if (!strncmp(line, "score ", 6) && last && (j = score(line + 6, page))) {
			json_array_append_new(json_object_get(last, "scores"), j);
		}
	}
	return list;
}

json_t *trouble_json(const char *events)
{
	const uint64_t page = 4096;
	json_t *j = json_object();
	char line[160], spec[80];
	uint64_t seen, made;

	if (next_line(events, "failures", line, sizeof(line)) &&
	    sscanf(line, "%79s %" SCNu64 " %" SCNu64, spec, &seen, &made) == 3) {
		json_object_set_new(j, "fail_alloc", json_text(spec));
		json_object_set_new(j, "requests_seen", json_number(seen));
		json_object_set_new(j, "injected_total", json_number(made));
	}
	json_object_set_new(j, "injected", injected(events));
	json_object_set_new(j, "pressure_windows", windows(events, page));
	json_object_set_new(j, "oom_kills", oom_kills(events, page));
	return j;
}

/* ---- a few lines ---- */

static uint64_t num(json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

static const char *str(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static double mib(json_t *o, const char *key)
{
	return (double)num(o, key) / (1 << 20);
}

/* As many as a line has room for. */
static void scores_text(FILE *to, json_t *scores)
{
	int width = fprintf(to, "  scores:");

	for (size_t i = 0; i < json_array_size(scores); i++) {
		json_t *s = json_array_get(scores, i);
		char one[100];
		int n = snprintf(one, sizeof(one), "%s %.15s[%d] %" PRIu64 " (rss %.1f MiB, adj %d)", i ? " ·" : "", str(s, "name"),
				 (int)num(s, "pid"), num(s, "points"), mib(s, "rss_bytes"),
				 (int)json_integer_value(json_object_get(s, "oom_score_adj")));

		if (width + n > 99)
			break;
		width += fprintf(to, "%s", one);
	}
	fputc('\n', to);
}

static void kill_text(FILE *to, json_t *k)
{
	uint64_t begin = num(k, "first_failed_ns") ? num(k, "first_failed_ns") : num(k, "chosen_ns");

	fprintf(to, "OOM (%.7s) at %.2f s: killed %.15s[%d], freed %.1f MiB", str(k, "scope"), (double)num(k, "chosen_ns") / 1e9,
		str(k, "name"), (int)num(k, "pid"), mib(k, "freed_bytes"));
	if (num(k, "freed_ns") > begin)
		fprintf(to, ", %.0f ms after reclaim fails", (double)(num(k, "freed_ns") - begin) / 1e6);
	fputc('\n', to);
	scores_text(to, json_object_get(k, "scores"));
}

static void injected_text(FILE *to, json_t *trouble)
{
	json_t *list = json_object_get(trouble, "injected"), *first = json_array_get(list, 0);

	if (!*str(trouble, "fail_alloc"))
		return;
	fprintf(to, "Injected (%.40s): %" PRIu64 " of %" PRIu64 " requests\n", str(trouble, "fail_alloc"), num(trouble, "injected_total"),
		num(trouble, "requests_seen"));
	if (first)
		fprintf(to, "  first: #%" PRIu64 " %.16s (%.28s), %" PRIu64 " B, by %.15s[%d]\n", num(first, "number"), str(first, "what"),
			str(first, "place"), num(first, "bytes"), str(first, "name"), (int)num(first, "pid"));
}

/* At most nine lines. */
void trouble_text(FILE *to, json_t *trouble)
{
	json_t *kills = json_object_get(trouble, "oom_kills"), *windows_of = json_object_get(trouble, "pressure_windows");

	for (size_t i = 0; i < json_array_size(kills) && i < 2; i++)
		kill_text(to, json_array_get(kills, i));
	if (json_array_size(kills) > 2)
		fprintf(to, "  and %zu more killed\n", json_array_size(kills) - 2);
	injected_text(to, trouble);
	for (size_t i = 0; i < json_array_size(windows_of) && i < 2; i++) {
		json_t *w = json_array_get(windows_of, i);

		fprintf(to, "Pressure from %.2f to %.2f s: %.1f MiB taken away, to leave %.1f; %.1f at least stayed free\n",
			(double)num(w, "begin_ns") / 1e9, (double)num(w, "end_ns") / 1e9, mib(w, "taken_bytes"),
			mib(w, "keep_free_bytes"), mib(w, "least_free_bytes"));
	}
}
