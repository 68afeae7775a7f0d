/*
 * report.c - the report on the terminal: how it ended, and where every byte was.
 * WHY         it must close: the lines add up to the machine's RAM, to the frame, so they are printed in KiB,
 *             which is exact, and what does not add up has a line of its own.
 * READ NEXT   cli/ledger.c, docs/report-json.md
 */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "cli/quire.h"

#define LABEL_WIDTH 33

/* The status our caller sees. */
int result_status(const struct run_result *r)
{
	int status = (int)r->exit.status;

	switch (r->end) {
	case END_EXITED:
		return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	case END_EXEC_FAILED:
		return r->exec_errno == 2 /* ENOENT */ ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
	case END_TIMEOUT:
		return STATUS_TIMEOUT;
	case END_INTERRUPTED:
		return 128 + r->signal;
	default:
		return STATUS_QUIRE_FAILED;
	}
}

void result_words(const struct run_result *r, char *out, size_t size)
{
	int status = (int)r->exit.status;

	switch (r->end) {
	case END_EXITED:
		if (WIFSIGNALED(status))
			snprintf(out, size, "killed by SIG%s", sigabbrev_np(WTERMSIG(status)) ?: "?");
		else
			snprintf(out, size, "exit %d", WEXITSTATUS(status));
		break;
	case END_EXEC_FAILED:
		snprintf(out, size, "not started");
		break;
	case END_TIMEOUT:
		snprintf(out, size, "timeout");
		break;
	case END_INTERRUPTED:
		snprintf(out, size, "interrupted");
		break;
	case END_PANIC:
		snprintf(out, size, "kernel panic");
		break;
	case END_SILENT:
		snprintf(out, size, "guest silent");
		break;
	default:
		snprintf(out, size, "failed");
	}
}

/* 1234567 as "1,234,567". `out` holds 32 bytes. */
static const char *grouped(uint64_t n, char *out)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = 0;
	return out;
}

const char *account_words(const char *name)
{
	static const char *const words[][2] = {
		{"anon", "anonymous (heap, stack, mmap)"},
		{"shmem", "tmpfs and shared memory"},
		{"swap_cache", "swap cache"},
		{"zswap", "compressed swap"},
		{"page_cache", "file pages"},
		{"reserved", "reserved by the firmware"},
		{"image", "kernel image"},
		{"page_array", "frame table"},
		{"boot", "boot allocations"},
		{"slab", "slab objects"},
		{"vmalloc", "vmalloc"},
		{"kernel_stacks", "kernel stacks"},
		{"page_tables", "page tables"},
		{"percpu", "per-CPU areas"},
		{"modules", "modules"},
		{"device", "device buffers"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i][0], name))
			return words[i][1];
	return name;
}

struct row {
	uint64_t start, peak, end; /* frames */
};

static void line(FILE *to, const struct ledger *l, const char *indent, const char *label, struct row r)
{
	uint64_t kib = l->page_size / 1024;
	char a[32], b[32], c[32];

	fprintf(to, "%s%-*s %12s %12s %6.1f %12s\n", indent, LABEL_WIDTH - (int)strlen(indent), label,
		grouped(r.start * kib, a), grouped(r.peak * kib, b), 100.0 * (double)r.peak / (double)l->ram_frames,
		grouped(r.end * kib, c));
}

static int by_pages(const void *a, const void *b)
{
	const struct slab_line *x = a, *y = b;

	return x->pages < y->pages ? 1 : x->pages > y->pages ? -1 : strcmp(x->name, y->name);
}

/* The three largest caches, and all others together. */
static void print_slabs(FILE *to, struct ledger *l)
{
	uint64_t kib = l->page_size / 1024, others = 0;
	unsigned int top = l->nr_slabs < 3 ? l->nr_slabs : 3;
	char a[32];

	if (!l->nr_slabs)
		return;
	qsort(l->slabs, l->nr_slabs, sizeof(l->slabs[0]), by_pages);
	fprintf(to, "    at the end:");
	for (unsigned int i = 0; i < top; i++)
		fprintf(to, " %s %s%s", l->slabs[i].name, grouped(l->slabs[i].pages * kib, a), i + 1 < top ? " ·" : "");
	for (unsigned int i = top; i < l->nr_slabs; i++)
		others += l->slabs[i].pages;
	if (others)
		fprintf(to, " · %u others %s", l->nr_slabs - top, grouped(others * kib, a));
	fputc('\n', to);
}

static void print_space(FILE *to, struct ledger *l, enum account_space space, const char *title)
{
	line(to, l, " ", title, (struct row){ledger_space_start(l, space), ledger_space_at_peak(l, space),
					     ledger_space_now(l, space)});
	if (space == SPACE_FREE)
		return;
	for (unsigned int i = 0; i < l->nr_accounts; i++) {
		const struct account *a = &l->accounts[i];

		if (a->space != space || (!a->now && !a->at_peak && !a->start))
			continue;
		line(to, l, "   ", account_words(a->name), (struct row){a->start, a->at_peak, a->now});
		if (!strcmp(a->name, "slab"))
			print_slabs(to, l);
	}
}

static uint64_t sum_start(const struct ledger *l)
{
	uint64_t sum = 0;

	for (int s = 0; s < SPACE_COUNT; s++)
		sum += ledger_space_start(l, (enum account_space)s);
	return sum;
}

/* What the run left behind: the program is gone, so in user space this is nothing, or files in guest memory. */
static void print_held(FILE *to, const struct ledger *l)
{
	int64_t kib = (int64_t)l->page_size / 1024;

	if (!sum_start(l))
		return;
	fprintf(to, "Still held after exit: user %+" PRId64 " KiB · kernel %+" PRId64 " KiB · file pages %+" PRId64 " KiB\n",
		((int64_t)ledger_space_now(l, SPACE_USER) - (int64_t)ledger_space_start(l, SPACE_USER)) * kib,
		((int64_t)ledger_space_now(l, SPACE_KERNEL) - (int64_t)ledger_space_start(l, SPACE_KERNEL)) * kib,
		((int64_t)ledger_space_now(l, SPACE_CACHE) - (int64_t)ledger_space_start(l, SPACE_CACHE)) * kib);
}

static void print_closing(FILE *to, const struct ledger *l, const char *audit)
{
	int64_t peak = ledger_unaccounted_at_peak(l), now = ledger_unaccounted_now(l);

	line(to, l, " ", "SUM", (struct row){sum_start(l), l->ram_frames - (uint64_t)peak, l->ram_frames - (uint64_t)now});
	fprintf(to, " %-*s %12s %12" PRId64 " %6s %12" PRId64 "  frames%s\n", LABEL_WIDTH - 1, "UNACCOUNTED", "", peak, "",
		now, !peak && !now ? ", closed" : "");
	print_held(to, l);
	if (audit && *audit)
		fprintf(to, "%.*s\n", (int)strcspn(audit, "\n"), audit);
}

/* As many as fit a line, the first in any case. */
static void print_holders(FILE *to, const char *title, const struct holder *h, unsigned int n, uint64_t kib)
{
	size_t width = strlen(title);
	char item[160], a[32];

	if (!n)
		return;
	fputs(title, to);
	for (unsigned int i = 0; i < n; i++) {
		int len = snprintf(item, sizeof(item), "%s%s %s", i ? " · " : " ", h[i].name, grouped(h[i].frames * kib, a));

		width += (size_t)len;
		if (i && width > 110)
			break;
		fputs(item, to);
	}
	fputc('\n', to);
}

/* Names for the peak: the snapshot nearest below it that has them. */
static void print_who(FILE *to, const struct timeline *t, const struct ledger *l)
{
	const struct snap *best = NULL;

	for (size_t i = 0; i < t->nr_snaps; i++)
		if (t->snaps[i].nr_owners && (!best || t->snaps[i].used > best->used))
			best = &t->snaps[i];
	if (!best)
		return;
	print_holders(to, "At the peak, KiB by owner:", best->owners, best->nr_owners, l->page_size / 1024);
	print_holders(to, "         by place in code:", best->sites, best->nr_sites, l->page_size / 1024);
}

static void print_ledger(FILE *to, struct ledger *l, const char *audit, const char *timeline)
{
	struct timeline t;
	bool timed = timeline_parse(&t, timeline);

	uint64_t kib = l->page_size / 1024;
	double mib = (double)(l->ram_frames * kib) / 1024;
	char a[32];

	fprintf(to, "RAM %.1f MiB, %s frames     peak %.1f MiB used", mib, grouped(l->ram_frames, a),
		(double)(l->used_peak * kib) / 1024);
	if (l->peak_time_ns)
		fprintf(to, " at %.2f s", (double)l->peak_time_ns / 1e9);
	fputc('\n', to);
	if (timed)
		timeline_plot(to, &t, l);
	fprintf(to, "%-*s %12s %12s %6s %12s\n", LABEL_WIDTH, "WHERE EVERY BYTE WAS, IN KiB", "AT START", "AT PEAK", "%",
		"AT THE END");
	print_space(to, l, SPACE_USER, "USER");
	print_space(to, l, SPACE_CACHE, "PAGE CACHE");
	print_space(to, l, SPACE_KERNEL, "KERNEL");
	print_space(to, l, SPACE_FREE, "FREE");
	print_closing(to, l, audit);
	if (timed)
		print_who(to, &t, l);
	timeline_free(&t);
}

static void print_head(FILE *to, const struct options *o, const struct accel_choice *a, const struct run_result *r)
{
	char words[64];

	result_words(r, words, sizeof(words));
	fprintf(to, "── quire ─────────── %s · %.2f s", words, (double)r->wall_ns / 1e9);
	if (r->start_ns)
		fprintf(to, " (%.2f to start)", (double)r->start_ns / 1e9);
	fprintf(to, " · %s (%s) · %u cpu%s\n", a->kvm ? "kvm" : "tcg", a->why, o->cpus, o->cpus > 1 ? "s" : "");
}

void report_print(FILE *to, const struct options *o, const struct accel_choice *a, const struct run_result *r)
{
	struct ledger l;

	print_head(to, o, a, r);
	if (r->nr_oom)
		fprintf(to, "%s%s\n", r->oom, r->nr_oom > 1 ? " (and others before)" : "");
	if (r->ledger && ledger_parse(&l, r->ledger_start, r->ledger))
		print_ledger(to, &l, r->audit, r->timeline);
	else
		fprintf(to, "RAM %.1f MiB     (this guest kernel keeps no ledger)\n",
			(double)o->mem_bytes / (1 << 20));
}
