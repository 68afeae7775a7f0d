/*
 * json.c - the report as JSON; docs/report-json.md describes it, and changes with it.
 * WHY         it carries everything that any renderer shows (cli/report.h), so a run can be drawn again later.
 * SHAPE       report_build(): run_result -> object. The kernel's texts come in through ledger.c and timeline.c, and
 *             lines of names and numbers (sites, owners, processes, files) straight from here.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "cli/heap.h"
#include "cli/quire.h"
#include "cli/stacks.h"

json_t *json_number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* Arguments are bytes: what is not UTF-8 is written as ASCII with the rest replaced. */
json_t *json_text(const char *s)
{
	json_t *j = json_string(s);
	char *copy;

	if (j)
		return j;
	copy = must_alloc(strdup(s));
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	j = json_string(copy);
	free(copy);
	return j;
}

static const char *end_word(enum run_end end)
{
	static const char *const words[] = {
		[END_NONE] = "none",		   [END_EXITED] = "exited",	   [END_EXEC_FAILED] = "exec_failed",
		[END_AGENT_ERROR] = "agent_error", [END_PANIC] = "kernel_panic",   [END_SILENT] = "silent",
		[END_VANISHED] = "machine_died",   [END_TIMEOUT] = "timeout",	   [END_INTERRUPTED] = "interrupted",
		[END_NOT_STARTED] = "not_started",
	};

	return words[end];
}

static json_t *outcome(const struct run_result *r)
{
	json_t *j = json_object();
	int status = (int)r->exit.status;

	json_object_set_new(j, "status", json_integer(result_status(r)));
	json_object_set_new(j, "end", json_string(end_word(r->end)));
	if (r->end == END_EXITED && WIFSIGNALED(status))
		json_object_set_new(j, "signal", json_integer(WTERMSIG(status)));
	if (r->end == END_EXEC_FAILED)
		json_object_set_new(j, "errno", json_integer(r->exec_errno));
	if (r->nr_oom) {
		json_object_set_new(j, "oom_kills", json_integer(r->nr_oom));
		json_object_set_new(j, "oom_message", json_text(r->oom));
	}
	if (r->message[0])
		json_object_set_new(j, "message", json_text(r->message));
	return j;
}

/* A run that is the same each time has no host times: its clock is the count of its instructions. */
static json_t *times(const struct options *o, const struct run_result *r)
{
	json_t *j = json_object();

	json_object_set_new(j, "wall_ns", json_number(o->seeded ? r->exit.run_ns : r->wall_ns));
	json_object_set_new(j, "boot_ns", json_number(o->seeded ? 0 : r->boot_ns));
	json_object_set_new(j, "start_ns", json_number(o->seeded ? 0 : r->start_ns));
	json_object_set_new(j, "program_ns", json_number(r->exit.run_ns));
	json_object_set_new(j, "user_us", json_number(r->exit.user_us));
	json_object_set_new(j, "system_us", json_number(r->exit.system_us));
	json_object_set_new(j, "max_rss_kib", json_number(r->exit.max_rss_kib));
	return j;
}

static json_t *machine(const struct options *o, const struct accel_choice *a)
{
	json_t *j = json_object();

	json_object_set_new(j, "accelerator", json_string(a->kvm ? "kvm" : "tcg"));
	json_object_set_new(j, "accelerator_reason", json_string(a->why));
	json_object_set_new(j, "type", json_text(o->machine));
	json_object_set_new(j, "cpus", json_integer(o->cpus));
	json_object_set_new(j, "ram_bytes", json_number(o->mem_bytes));
	return j;
}

static json_t *accounts(const struct ledger *l)
{
	static const char *const spaces[SPACE_COUNT] = {"user", "cache", "kernel", "free"};
	json_t *list = json_array();

	for (unsigned int i = 0; i < l->nr_accounts; i++) {
		const struct account *a = &l->accounts[i];
		json_t *j = json_object();

		json_object_set_new(j, "name", json_string(a->name));
		json_object_set_new(j, "space", json_string(spaces[a->space]));
		json_object_set_new(j, "start_bytes", json_number(a->start * l->page_size));
		json_object_set_new(j, "end_bytes", json_number(a->now * l->page_size));
		json_object_set_new(j, "at_peak_bytes", json_number(a->at_peak * l->page_size));
		json_object_set_new(j, "own_peak_bytes", json_number(a->own_peak * l->page_size));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *slabs(const struct ledger *l)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < l->nr_slabs; i++) {
		json_t *j = json_object();

		json_object_set_new(j, "name", json_string(l->slabs[i].name));
		json_object_set_new(j, "objects", json_number(l->slabs[i].objects));
		json_object_set_new(j, "bytes", json_number(l->slabs[i].bytes));
		json_object_set_new(j, "pages", json_number(l->slabs[i].pages));
		json_array_append_new(list, j);
	}
	return list;
}

/* ---- the timeline: a table, and names once ---- */

struct names {
	json_t *list, *places; /* the texts; text -> place in the list */
};

static json_t *name_of(struct names *n, const char *name)
{
	json_t *at = json_object_get(n->places, name);

	if (!at) {
		at = json_integer((json_int_t)json_array_size(n->list));
		json_array_append_new(n->list, json_text(name));
		if (json_object_set_new(n->places, name, at) < 0) /* not UTF-8: the name stands there, unshared */
			return json_integer((json_int_t)json_array_size(n->list) - 1);
	}
	return json_incref(at);
}

static json_t *holders(struct names *names, const struct holder *h, unsigned int n, uint64_t page)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++) {
		json_t *pair = json_array();

		json_array_append_new(pair, name_of(names, h[i].name));
		json_array_append_new(pair, json_number(h[i].frames * page));
		json_array_append_new(list, pair);
	}
	return list;
}

static json_t *columns(char (*names)[32], unsigned int n)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, json_text(names[i]));
	return list;
}

static json_t *row(const uint64_t *values, unsigned int n, uint64_t unit)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, json_number(values[i] * unit));
	return list;
}

static json_t *table(json_t *columns_of, json_t *rows)
{
	json_t *j = json_object();

	json_object_set_new(j, "columns", columns_of);
	json_object_set_new(j, "rows", rows);
	return j;
}

static json_t *timeline_object(struct timeline *t, uint64_t page)
{
	json_t *j = json_object(), *rows = json_array(), *owners = json_array(), *sites = json_array();
	json_t *slab_rows = json_array(), *event_rows = json_array();
	struct names names = {json_array(), json_object()};

	for (size_t i = 0; i < t->nr_snaps; i++) {
		const struct snap *s = &t->snaps[i];
		json_t *r = row(s->frames, t->nr_names, page);

		json_array_insert_new(r, 0, json_number(s->used * page));
		json_array_insert_new(r, 0, json_number(s->time_ns));
		json_array_append_new(rows, r);
		json_array_append_new(owners, holders(&names, s->owners, s->nr_owners, page));
		json_array_append_new(sites, holders(&names, s->sites, s->nr_sites, page));
		json_array_append_new(slab_rows, row(s->slabs, t->nr_slabs, page));
		json_array_append_new(event_rows, row(s->events, t->nr_events, 1));
	}
	json_object_set_new(j, "accounts", columns(t->names, t->nr_names));
	json_object_set_new(j, "rows", rows);
	json_object_set_new(j, "slabs", table(columns(t->slab_names, t->nr_slabs), slab_rows));
	json_object_set_new(j, "events", table(columns(t->event_names, t->nr_events), event_rows));
	json_object_set_new(j, "names", names.list);
	json_object_set_new(j, "owners", owners);
	json_object_set_new(j, "sites", sites);
	json_decref(names.places);
	return j;
}

static json_t *snapshots(const char *text_of_kernel, uint64_t page)
{
	struct timeline t;
	json_t *j = timeline_parse(&t, text_of_kernel) ? timeline_object(&t, page) : json_null();

	timeline_free(&t);
	return j;
}

/* ---- lines of the kernel's texts ---- */

const char *next_line(const char *at, const char *word, char *line, size_t size)
{
	size_t len = strlen(word);

	while (at && *at) {
		size_t n = strcspn(at, "\n");
		const char *here = at;

		at += n + (at[n] == '\n');
		if (n > len && !strncmp(here, word, len) && here[len] == ' ') {
			snprintf(line, size, "%.*s", (int)(n - len - 1), here + len + 1);
			return at;
		}
	}
	return NULL;
}

/* Backslash and three octal digits stand for a byte. In place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

/* Live bytes by place before the program, to subtract. */
static json_t *starts(const char *before)
{
	json_t *j = json_object();
	char line[512], place[128], func[96];
	uint64_t bytes;

	while ((before = next_line(before, "site", line, sizeof(line))))
		if (sscanf(line, "%127s %95s %" SCNu64, place, func, &bytes) == 3)
			json_object_set_new(j, place, json_number(bytes));
	return j;
}

static json_t *sites(const char *before, const char *after)
{
	json_t *list = json_array(), *start = starts(before);
	char line[512], place[128], func[96];
	uint64_t bytes, peak, calls, slack;

	while ((after = next_line(after, "site", line, sizeof(line)))) {
		json_t *j, *was;

		slack = 0;
		if (sscanf(line, "%127s %95s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, place, func, &bytes, &peak, &calls, &slack) < 5)
			continue;
		j = json_object();
		was = json_object_get(start, place);
		json_object_set_new(j, "place", json_text(place));
		json_object_set_new(j, "function", json_text(func));
		json_object_set_new(j, "start_bytes", was ? json_incref(was) : json_integer(0));
		json_object_set_new(j, "end_bytes", json_number(bytes));
		json_object_set_new(j, "peak_bytes", json_number(peak));
		json_object_set_new(j, "calls", json_number(calls));
		json_object_set_new(j, "slack_bytes", json_number(slack));
		json_array_append_new(list, j);
	}
	json_decref(start);
	return list;
}

static json_t *owners(const char *after, uint64_t page)
{
	json_t *list = json_array();
	char line[512], kind[16], name[96];
	uint64_t frames, slab;
	int id;

	while ((after = next_line(after, "owner", line, sizeof(line)))) {
		json_t *j;

		if (sscanf(line, "%15s %d %95s %" SCNu64 " %" SCNu64, kind, &id, name, &frames, &slab) != 5)
			continue;
		j = json_object();
		unescape(name);
		json_object_set_new(j, "kind", json_text(kind));
		json_object_set_new(j, "id", json_integer(id));
		json_object_set_new(j, "name", json_text(name));
		json_object_set_new(j, "frame_bytes", json_number(frames * page));
		json_object_set_new(j, "slab_bytes", json_number(slab));
		json_array_append_new(list, j);
	}
	return list;
}

/* "process PID PPID NAME KEY VALUE ...", each followed by its mappings, "map BYTES NAME". */
static void process_fields(json_t *j, char *rest)
{
	char *save = NULL;

	for (char *key = strtok_r(rest, " ", &save), *value; key && (value = strtok_r(NULL, " ", &save));
	     key = strtok_r(NULL, " ", &save))
		json_object_set_new(j, key, json_number(strtoull(value, NULL, 10)));
}

static json_t *process(char *line)
{
	json_t *j;
	char name[96];
	int pid, ppid, at;

	if (sscanf(line, "%d %d %95s %n", &pid, &ppid, name, &at) != 3)
		return NULL;
	j = json_object();
	unescape(name);
	json_object_set_new(j, "pid", json_integer(pid));
	json_object_set_new(j, "ppid", json_integer(ppid));
	json_object_set_new(j, "name", json_text(name));
	process_fields(j, line + at);
	json_object_set_new(j, "mappings", json_array());
	return j;
}

static json_t *mapping(char *line)
{
	json_t *j;
	uint64_t bytes;
	int at = 0;

	if (sscanf(line, "%" SCNu64 " %n", &bytes, &at) != 1 || !at)
		return NULL;
	j = json_object();
	unescape(line + at);
	json_object_set_new(j, "name", json_text(line + at));
	json_object_set_new(j, "bytes", json_number(bytes));
	return j;
}

static json_t *processes(const char *at)
{
	json_t *list = json_array(), *last = NULL, *j;

	while (at && *at) {
		size_t n = strcspn(at, "\n");
		char line[1024];

		snprintf(line, sizeof(line), "%.*s", (int)n, at);
		at += n + (at[n] == '\n');
		if (!strncmp(line, "process ", 8) && (j = process(line + 8))) {
			json_array_append_new(list, j);
			last = j;
		} else if (!strncmp(line, "map ", 4) && last && (j = mapping(line + 4))) {
			json_array_append_new(json_object_get(last, "mappings"), j);
		}
	}
	return list;
}

/* "file KIND linked|deleted PAGES MAPPED DIRTY OWNER PATH", pages. */
static json_t *files(const char *at, uint64_t page)
{
	json_t *list = json_array();
	char line[4600], kind[16], state[16], owner[96];
	uint64_t pages, mapped, dirty;
	int path = 0;

	while ((at = next_line(at, "file", line, sizeof(line)))) {
		json_t *j;

		if (sscanf(line, "%15s %15s %" SCNu64 " %" SCNu64 " %" SCNu64 " %95s %n", kind, state, &pages, &mapped, &dirty,
			   owner, &path) != 6)
			continue;
		j = json_object();
		unescape(owner);
		unescape(line + path);
		json_object_set_new(j, "path", json_text(line + path));
		json_object_set_new(j, "kind", json_text(kind));
		json_object_set_new(j, "deleted", json_boolean(!strcmp(state, "deleted")));
		json_object_set_new(j, "owner", json_text(strcmp(owner, "-") ? owner : ""));
		json_object_set_new(j, "bytes", json_number(pages * page));
		json_object_set_new(j, "mapped_bytes", json_number(mapped * page));
		json_object_set_new(j, "dirty_bytes", json_number(dirty * page));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *memory(const struct ledger *l, const struct run_result *r)
{
	json_t *j = json_object();

	json_object_set_new(j, "page_size", json_number(l->page_size));
	json_object_set_new(j, "ram_bytes", json_number(l->ram_frames * l->page_size));
	json_object_set_new(j, "used_end_bytes", json_number(l->used_now * l->page_size));
	json_object_set_new(j, "used_peak_bytes", json_number(l->used_peak * l->page_size));
	json_object_set_new(j, "peak_time_ns", json_number(l->peak_time_ns));
	json_object_set_new(j, "end_time_ns", json_number(l->now_time_ns));
	json_object_set_new(j, "unaccounted_end_bytes",
			    json_integer((json_int_t)((uint64_t)ledger_unaccounted_now(l) * l->page_size)));
	json_object_set_new(j, "unaccounted_peak_bytes",
			    json_integer((json_int_t)((uint64_t)ledger_unaccounted_at_peak(l) * l->page_size)));
	json_object_set_new(j, "accounts", accounts(l));
	json_object_set_new(j, "slabs", slabs(l));
	json_object_set_new(j, "sites", sites(r->ledger_start, r->ledger));
	json_object_set_new(j, "owners", owners(r->ledger, l->page_size));
	json_object_set_new(j, "processes", processes(r->processes));
	json_object_set_new(j, "files", files(r->files, l->page_size));
	json_object_set_new(j, "timeline", snapshots(r->timeline, l->page_size));
	return j;
}

/* What --stacks and --heap found: trees that share their frames' names. */
static json_t *stacks(const struct options *o)
{
	json_t *j = json_object(), *frames = json_array(), *trees = json_array();
	json_t *pages = stacks_json(frames), *heap = heap_json(o, frames);

	if (pages)
		json_array_append_new(trees, pages);
	if (heap)
		json_array_append_new(trees, heap);
	json_object_set_new(j, "frames", frames);
	json_object_set_new(j, "trees", trees);
	return j;
}

json_t *report_build(const struct options *o, const struct accel_choice *a, const struct run_result *r)
{
	json_t *j = json_object(), *command = json_array(), *modules;
	struct ledger *l = must_alloc(malloc(sizeof(*l)));

	for (int i = 0; i < o->argc; i++)
		json_array_append_new(command, json_text(o->argv[i]));
	json_object_set_new(j, "schema", json_integer(REPORT_SCHEMA));
	json_object_set_new(j, "quire", json_string(QUIRE_VERSION));
	json_object_set_new(j, "command", command);
	json_object_set_new(j, "outcome", outcome(r));
	json_object_set_new(j, "times", times(o, r));
	json_object_set_new(j, "machine", machine(o, a));
	json_object_set_new(j, "memory", r->ledger && ledger_parse(l, r->ledger_start, r->ledger) ? memory(l, r) : json_null());
	if (r->modules && (modules = modules_json(o, r->modules)))
		json_object_set_new(j, "modules", modules);
	if (o->seeded)
		json_object_set_new(j, "replay", replay_json(o));
	json_object_set_new(j, "trouble", trouble_json(r->events));
	json_object_set_new(j, "pressure", pressure_json(r->events, r->cgroup));
	json_object_set_new(j, "stacks", stacks(o));
	if (r->audit)
		json_object_set_new(j, "audit", json_text(r->audit));
	free(l);
	return j;
}

/* One line a field, two levels deep: a person can find things, and 512 snapshots stay small. */
static void write_value(FILE *f, json_t *v, unsigned int depth)
{
	const char *key, *comma = "";
	json_t *child;

	if (!json_is_object(v) || !json_object_size(v) || depth > 1) {
		json_dumpf(v, f, JSON_COMPACT | JSON_ENCODE_ANY);
		return;
	}
	fputc('{', f);
	json_object_foreach(v, key, child) {
		fprintf(f, "%s\n%*s\"%s\": ", comma, 2 * (int)(depth + 1), "", key); /* our own keys: nothing to escape */
		write_value(f, child, depth + 1);
		comma = ",";
	}
	fprintf(f, "\n%*s}", 2 * (int)depth, "");
}

bool report_json(FILE *to, json_t *report)
{
	write_value(to, report, 0);
	fputc('\n', to);
	return !ferror(to);
}
