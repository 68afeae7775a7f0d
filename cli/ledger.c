/*
 * ledger.c - the text of /proc/ledger as numbers.
 * SHAPE       one fact a line: "ram_frames N", "account NAME SPACE now own_peak at_machine_peak", "slab NAME
 *             objects bytes pages". A line we do not know is a newer kernel's: skipped.
 * INVARIANTS  L1 over all accounts, `now` sums to ram_frames, and so does `at_peak`: the difference is what
 *             the report calls UNACCOUNTED.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

static bool parse_space(const char *word, enum account_space *space)
{
	static const char *const words[SPACE_COUNT] = {"user", "cache", "kernel", "free"};

	for (int i = 0; i < SPACE_COUNT; i++) {
		if (!strcmp(word, words[i])) {
			*space = (enum account_space)i;
			return true;
		}
	}
	return false;
}

static void parse_account(struct ledger *l, const char *line)
{
	struct account *a = &l->accounts[l->nr_accounts];
	char space[16];

	if (l->nr_accounts == sizeof(l->accounts) / sizeof(l->accounts[0]))
		return;
	if (sscanf(line, "account %31s %15s %" SCNu64 " %" SCNu64 " %" SCNu64, a->name, space, &a->now, &a->own_peak,
		   &a->at_peak) == 5 &&
	    parse_space(space, &a->space))
		l->nr_accounts++;
}

static void parse_slab(struct ledger *l, const char *line)
{
	struct slab_line *s = &l->slabs[l->nr_slabs];

	if (l->nr_slabs == sizeof(l->slabs) / sizeof(l->slabs[0]))
		return;
	if (sscanf(line, "slab %47s %" SCNu64 " %" SCNu64 " %" SCNu64, s->name, &s->objects, &s->bytes, &s->pages) == 4)
		l->nr_slabs++;
}

static void parse_number(struct ledger *l, const char *line)
{
	static const struct {
		const char *name;
		size_t at;
	} numbers[] = {
		{"ram_frames", offsetof(struct ledger, ram_frames)},
		{"page_size", offsetof(struct ledger, page_size)},
		{"used_now", offsetof(struct ledger, used_now)},
		{"used_peak", offsetof(struct ledger, used_peak)},
		{"peak_time_ns", offsetof(struct ledger, peak_time_ns)},
		{"now_time_ns", offsetof(struct ledger, now_time_ns)},
	};
	char name[32];
	uint64_t value;

	if (sscanf(line, "%31s %" SCNu64, name, &value) != 2)
		return;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!strcmp(name, numbers[i].name))
			memcpy((char *)l + numbers[i].at, &value, sizeof(value));
}

static void ledger_read(struct ledger *l, const char *text)
{
	memset(l, 0, sizeof(*l));
	l->page_size = 4096;
	while (text && *text) {
		size_t len = strcspn(text, "\n");
		char line[512];

		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		if (!strncmp(line, "account ", 8))
			parse_account(l, line);
		else if (!strncmp(line, "slab ", 5))
			parse_slab(l, line);
		else
			parse_number(l, line);
		text += len + (text[len] == '\n');
	}
}

/* Where each account stood before the program: from the other text, by name. */
static void take_start(struct ledger *l, const struct ledger *before)
{
	for (unsigned int i = 0; i < l->nr_accounts; i++)
		for (unsigned int k = 0; k < before->nr_accounts; k++)
			if (!strcmp(l->accounts[i].name, before->accounts[k].name))
				l->accounts[i].start = before->accounts[k].now;
}

/* The two texts, before the program and after it; either may be NULL. false: there is no ledger. */
bool ledger_parse(struct ledger *l, const char *start, const char *end)
{
	struct ledger *before = must_alloc(malloc(sizeof(*before)));

	ledger_read(before, start);
	ledger_read(l, end);
	take_start(l, before);
	free(before);
	return l->ram_frames && l->nr_accounts;
}

static int64_t missing(const struct ledger *l, size_t column)
{
	uint64_t sum = 0, frames;

	for (unsigned int i = 0; i < l->nr_accounts; i++) {
		memcpy(&frames, (const char *)&l->accounts[i] + column, sizeof(frames));
		sum += frames;
	}
	return (int64_t)(l->ram_frames - sum);
}

int64_t ledger_unaccounted_now(const struct ledger *l)
{
	return missing(l, offsetof(struct account, now));
}

int64_t ledger_unaccounted_at_peak(const struct ledger *l)
{
	return missing(l, offsetof(struct account, at_peak));
}
