/*
 * json.c - the report as JSON; docs/report-json.md describes it, and changes with it.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "cli/quire.h"

/* Arguments are bytes: what is not UTF-8 is written as ASCII with the rest replaced. */
static json_t *text(const char *s)
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

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
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
		json_object_set_new(j, "oom_message", text(r->oom));
	}
	if (r->message[0])
		json_object_set_new(j, "message", text(r->message));
	return j;
}

static json_t *times(const struct run_result *r)
{
	json_t *j = json_object();

	json_object_set_new(j, "wall_ns", number(r->wall_ns));
	json_object_set_new(j, "boot_ns", number(r->boot_ns));
	json_object_set_new(j, "start_ns", number(r->start_ns));
	json_object_set_new(j, "program_ns", number(r->exit.run_ns));
	json_object_set_new(j, "user_us", number(r->exit.user_us));
	json_object_set_new(j, "system_us", number(r->exit.system_us));
	json_object_set_new(j, "max_rss_kib", number(r->exit.max_rss_kib));
	return j;
}

static json_t *machine(const struct options *o, const struct accel_choice *a)
{
	json_t *j = json_object();

	json_object_set_new(j, "accelerator", json_string(a->kvm ? "kvm" : "tcg"));
	json_object_set_new(j, "accelerator_reason", json_string(a->why));
	json_object_set_new(j, "type", text(o->machine));
	json_object_set_new(j, "cpus", json_integer(o->cpus));
	json_object_set_new(j, "ram_bytes", number(o->mem_bytes));
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
		json_object_set_new(j, "start_bytes", number(a->start * l->page_size));
		json_object_set_new(j, "end_bytes", number(a->now * l->page_size));
		json_object_set_new(j, "at_peak_bytes", number(a->at_peak * l->page_size));
		json_object_set_new(j, "own_peak_bytes", number(a->own_peak * l->page_size));
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
		json_object_set_new(j, "objects", number(l->slabs[i].objects));
		json_object_set_new(j, "bytes", number(l->slabs[i].bytes));
		json_object_set_new(j, "pages", number(l->slabs[i].pages));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *holders(const struct holder *h, unsigned int n, uint64_t page)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++) {
		json_t *j = json_object();

		json_object_set_new(j, "name", text(h[i].name));
		json_object_set_new(j, "bytes", number(h[i].frames * page));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *snapshot(const struct timeline *t, const struct snap *s, uint64_t page)
{
	json_t *j = json_object(), *by = json_object();

	json_object_set_new(j, "time_ns", number(s->time_ns));
	json_object_set_new(j, "used_bytes", number(s->used * page));
	for (unsigned int i = 0; i < t->nr_names; i++)
		json_object_set_new(by, t->names[i], number(s->frames[i] * page));
	json_object_set_new(j, "accounts", by);
	json_object_set_new(j, "owners", holders(s->owners, s->nr_owners, page));
	json_object_set_new(j, "sites", holders(s->sites, s->nr_sites, page));
	return j;
}

static json_t *snapshots(const char *text_of_kernel, uint64_t page)
{
	json_t *list = json_array();
	struct timeline t;

	if (timeline_parse(&t, text_of_kernel))
		for (size_t i = 0; i < t.nr_snaps; i++)
			json_array_append_new(list, snapshot(&t, &t.snaps[i], page));
	timeline_free(&t);
	return list;
}

static json_t *memory(const struct ledger *l, const char *timeline)
{
	json_t *j = json_object();

	json_object_set_new(j, "page_size", number(l->page_size));
	json_object_set_new(j, "ram_bytes", number(l->ram_frames * l->page_size));
	json_object_set_new(j, "used_end_bytes", number(l->used_now * l->page_size));
	json_object_set_new(j, "used_peak_bytes", number(l->used_peak * l->page_size));
	json_object_set_new(j, "peak_time_ns", number(l->peak_time_ns));
	json_object_set_new(j, "end_time_ns", number(l->now_time_ns));
	json_object_set_new(j, "unaccounted_end_bytes",
			    json_integer(ledger_unaccounted_now(l) * (json_int_t)l->page_size));
	json_object_set_new(j, "unaccounted_peak_bytes",
			    json_integer(ledger_unaccounted_at_peak(l) * (json_int_t)l->page_size));
	json_object_set_new(j, "accounts", accounts(l));
	json_object_set_new(j, "slabs", slabs(l));
	json_object_set_new(j, "timeline", snapshots(timeline, l->page_size));
	return j;
}

bool report_json(const struct options *o, const struct accel_choice *a, const struct run_result *r)
{
	json_t *j = json_object(), *command = json_array();
	struct ledger l;
	bool ok;

	for (int i = 0; i < o->argc; i++)
		json_array_append_new(command, text(o->argv[i]));
	json_object_set_new(j, "schema", json_integer(1));
	json_object_set_new(j, "quire", json_string(QUIRE_VERSION));
	json_object_set_new(j, "command", command);
	json_object_set_new(j, "outcome", outcome(r));
	json_object_set_new(j, "times", times(r));
	json_object_set_new(j, "machine", machine(o, a));
	json_object_set_new(j, "memory", r->ledger && ledger_parse(&l, r->ledger_start, r->ledger) ? memory(&l, r->timeline) : json_null());
	if (r->audit)
		json_object_set_new(j, "audit", text(r->audit));
	ok = json_dump_file(j, o->json_file, JSON_INDENT(2)) == 0;
	if (!ok)
		warn_user("--json %s: %s", o->json_file, strerror(errno));
	json_decref(j);
	return ok;
}
