/*
 * log.c - keep the end of the guest kernel's log, and notice a panic in it.
 * INVARIANTS  G1 text holds whole history up to LOG_KEEP bytes, cut at the front when it doubles.
 */
#include <stdlib.h>
#include <string.h>
#include "cli/quire.h"

#define LOG_KEEP (64u << 10)

/* "[    1.234567] Kernel panic - ..." without the time. */
static const char *skip_stamp(const char *line, size_t *len)
{
	const char *stamp = *len && line[0] == '[' ? memchr(line, ']', *len) : NULL;
	size_t skip = stamp ? (size_t)(stamp + 1 - line) : 0;

	while (skip < *len && line[skip] == ' ')
		skip++;
	*len -= skip;
	return line + skip;
}

static void look_at_line(struct kernel_log *log, const char *line, size_t len)
{
	static const char panic[] = "Kernel panic";

	line = skip_stamp(line, &len);
	if (len >= sizeof(panic) - 1 && !memcmp(line, panic, sizeof(panic) - 1))
		log->panicked = true;
	if (memmem(line, len, "ut of memory: Killed process", 28)) {
		log->nr_oom++;
		snprintf(log->oom, sizeof(log->oom), "%.*s", (int)len, line);
		log->oom[strcspn(log->oom, "\r")] = 0;
	}
}

static void log_forget_old(struct kernel_log *log)
{
	size_t cut;

	if (log->len < 2 * LOG_KEEP)
		return;
	cut = log->len - LOG_KEEP;
	memmove(log->text, log->text + cut, LOG_KEEP);
	log->len = LOG_KEEP;
	log->line_start = log->line_start > cut ? log->line_start - cut : 0;
}

void log_add(struct kernel_log *log, const char *data, size_t len)
{
	if (log->copy) {
		fwrite(data, 1, len, log->copy);
		fflush(log->copy);
	}
	log->bytes += len;
	if (!log->text)
		log->text = must_alloc(malloc(log->size = 3 * LOG_KEEP));
	while (len) {
		size_t part = len < LOG_KEEP ? len : LOG_KEEP;
		char *nl;

		log_forget_old(log);
		memcpy(log->text + log->len, data, part);
		log->len += part;
		data += part;
		len -= part;
		while ((nl = memchr(log->text + log->line_start, '\n', log->len - log->line_start))) {
			char *line = log->text + log->line_start;

			look_at_line(log, line, (size_t)(nl - line));
			log->line_start = (size_t)(nl + 1 - log->text);
		}
	}
}

void log_print_tail(const struct kernel_log *log, FILE *to, unsigned int lines)
{
	size_t at = log->len;

	if (!log->len) {
		fprintf(to, "%s: the guest kernel logged nothing\n", program_name);
		return;
	}
	while (at && lines) {
		at--;
		if (log->text[at] == '\n' && at + 1 < log->len && --lines == 0)
			at++;
	}
	fprintf(to, "%s: the end of the guest kernel's log:\n", program_name);
	for (const char *p = log->text + at; p < log->text + log->len;) {
		const char *nl = memchr(p, '\n', (size_t)(log->text + log->len - p));
		const char *end = nl ? nl : log->text + log->len;

		while (end > p && end[-1] == '\r')
			end--;
		fprintf(to, "  | %.*s\n", (int)(end - p), p);
		p = nl ? nl + 1 : log->text + log->len;
	}
}
