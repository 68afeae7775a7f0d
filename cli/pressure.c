/*
 * pressure.c - what short memory did: reclaim, refaults, stalls, each swap area, the program's cgroup.
 * SHAPE       pressure_json(): the guest's /proc/ledger/events and cgroup files -> JSON; pressure_text(): that JSON -> a few lines.
 *             What went wrong for it, OOM kills first, is cli/trouble.c's.
 * READ NEXT   docs/report-json.md, fs/procfs/failures.c
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

static json_t *counts(const char *at)
{
	json_t *j = json_object();
	char line[160], name[64];
	uint64_t n;

	while ((at = next_line(at, "count", line, sizeof(line))))
		if (sscanf(line, "%63s %" SCNu64, name, &n) == 2)
			json_object_set_new(j, name, json_number(n));
	return j;
}

static json_t *area(const char *line, uint64_t page)
{
	static const char *const sizes[] = {"size_bytes", "used_bytes", "peak_used_bytes", "out_bytes", "in_bytes", "failed_bytes"};
	uint64_t v[6];
	char path[128];
	int on, priority;
	json_t *j;

	if (sscanf(line, "%d %d %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %127s", &on, &priority, &v[0],
		   &v[1], &v[2], &v[3], &v[4], &v[5], path) != 9)
		return NULL;
	j = json_object();
	json_object_set_new(j, "name", json_string(path) ?: json_string("?"));
	json_object_set_new(j, "on", json_boolean(on));
	json_object_set_new(j, "priority", json_integer(priority));
	for (int i = 0; i < 6; i++)
		json_object_set_new(j, sizes[i], json_number(v[i] * page));
	return j;
}

static json_t *areas(const char *at, uint64_t page)
{
	json_t *list = json_array(), *j;
	char line[256];

	while ((at = next_line(at, "area", line, sizeof(line))))
		if ((j = area(line, page)))
			json_array_append_new(list, j);
	return list;
}

/* "memory.peak 123", "memory.events high 3", "memory.pressure some avg10=0.00 ... total=5": a number, or an object of them. */
static void cgroup_line(json_t *to, char *line)
{
	char *save = NULL, *file = strtok_r(line, " ", &save), *key = strtok_r(NULL, " ", &save), *rest = strtok_r(NULL, "", &save);
	json_t *of = file ? json_object_get(to, file) : NULL;
	char *total = rest ? strstr(rest, "total=") : NULL;

	if (!file || !key)
		return;
	if (!rest) {
		json_object_set_new(to, file, strcmp(key, "max") ? json_number(strtoull(key, NULL, 10)) : json_string(key));
		return;
	}
	if (!of)
		json_object_set_new(to, file, of = json_object());
	json_object_set_new(of, key, json_number(strtoull(total ? total + 6 : rest, NULL, 10)));
}

static json_t *cgroup(const char *text)
{
	json_t *j = json_object();
	char *copy = must_alloc(strdup(text)), *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		cgroup_line(j, line);
	free(copy);
	return j;
}

json_t *pressure_json(const char *events, const char *cgroup_text)
{
	json_t *j = json_object();
	uint64_t some, full;
	char line[160];

	if (!next_line(events, "stall", line, sizeof(line)) || sscanf(line, "%" SCNu64 " %" SCNu64, &some, &full) != 2) {
		json_decref(j);
		return json_null();
	}
	json_object_set_new(j, "stall_some_ns", json_number(some));
	json_object_set_new(j, "stall_full_ns", json_number(full));
	json_object_set_new(j, "counts", counts(events));
	json_object_set_new(j, "swap_areas", areas(events, 4096));
	if (cgroup_text)
		json_object_set_new(j, "cgroup", cgroup(cgroup_text));
	return j;
}

/* ---- a few lines ---- */

static uint64_t num(json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

static double mib(json_t *o, const char *key)
{
	return (double)num(o, key) / (1 << 20);
}

static void reclaim_text(FILE *to, json_t *p)
{
	json_t *c = json_object_get(p, "counts");
	uint64_t direct = num(c, "pgsteal_direct"), freed = num(c, "pgsteal_kswapd") + direct;
	uint64_t seen = num(c, "pgscan_kswapd") + num(c, "pgscan_direct");
	char a[32], d[32], e[32];

	if (!seen && num(p, "stall_some_ns") < 1000000)
		return;
	fprintf(to, "Reclaimed %s pages", grouped(freed, a));
	if (direct)
		fprintf(to, ", direct %.0f %%", 100.0 * (double)direct / (double)(freed ? freed : 1));
	fprintf(to, " · refaults %s file, %s anon · stalls %.1f s, full %.1f\n", grouped(num(c, "workingset_refault_file"), d),
		grouped(num(c, "workingset_refault_anon"), e), (double)num(p, "stall_some_ns") / 1e9, (double)num(p, "stall_full_ns") / 1e9);
}

static void area_text(FILE *to, json_t *a)
{
	fprintf(to, "Swap %.24s (", json_string_value(json_object_get(a, "name")) ?: "?");
	if (json_is_true(json_object_get(a, "on")))
		fprintf(to, "priority %d, ", (int)json_integer_value(json_object_get(a, "priority")));
	fprintf(to, "%.0f MiB%s): out %.1f MiB, in %.1f, held at most %.1f, at the end %.1f", mib(a, "size_bytes"),
		json_is_true(json_object_get(a, "on")) ? "" : ", off", mib(a, "out_bytes"), mib(a, "in_bytes"),
		mib(a, "peak_used_bytes"), mib(a, "used_bytes"));
	if (num(a, "failed_bytes"))
		fprintf(to, ", FAILED %.1f", mib(a, "failed_bytes"));
	fputc('\n', to);
}

#define AREA_LINES 3

static void areas_text(FILE *to, json_t *p)
{
	json_t *list = json_object_get(p, "swap_areas"), *c = json_object_get(p, "counts");
	uint64_t out = 0, in = 0;
	size_t n = json_array_size(list), shown = n > AREA_LINES ? AREA_LINES - 1 : n;
	char a[32], b[32];

	for (size_t i = 0; i < n; i++) {
		json_t *area_of = json_array_get(list, i);

		if (i < shown)
			area_text(to, area_of);
		out += num(area_of, "out_bytes") * (i >= shown);
		in += num(area_of, "in_bytes") * (i >= shown);
	}
	if (n > shown)
		fprintf(to, "Swap: %zu areas more: out %.1f MiB, in %.1f\n", n - shown, (double)out / (1 << 20), (double)in / (1 << 20));
	if (num(c, "zswpout"))
		fprintf(to, "Compressed pool (zswap): %s pages into it, %s back\n", grouped(num(c, "zswpout"), a), grouped(num(c, "zswpin"), b));
}

static void cgroup_text(FILE *to, json_t *g)
{
	json_t *e = json_object_get(g, "memory.events"), *max = json_object_get(g, "memory.max");

	if (!g)
		return;
	fprintf(to, "Cgroup: peak %.1f MiB", mib(g, "memory.peak"));
	if (json_is_integer(max))
		fprintf(to, " of max %.1f", mib(g, "memory.max"));
	fprintf(to, " · met high %" PRIu64 " times, max %" PRIu64 " · OOM kills %" PRIu64, num(e, "high"), num(e, "max"), num(e, "oom_kill"));
	if (json_object_get(json_object_get(g, "memory.pressure"), "some"))
		fprintf(to, " · stalls %.2f s", (double)num(json_object_get(g, "memory.pressure"), "some") / 1e6);
	fputc('\n', to);
}

/* At most six lines; none when memory was never short. */
void pressure_text(FILE *to, json_t *pressure)
{
	reclaim_text(to, pressure);
	areas_text(to, pressure);
	cgroup_text(to, json_object_get(pressure, "cgroup"));
}
