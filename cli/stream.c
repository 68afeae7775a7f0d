/*
 * stream.c - the decoder of the ledger's stream.
 * WHY         the bytes come from a guest: whatever they are, this ends in records or in one clear sentence.
 * INVARIANTS  S1 nothing is handed on whose lengths do not fit its record.  S2 after an error nothing is handed on.
 * READ NEXT   tests/fuzz/stream.c, mm/ledger/stream.c
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/stream.h"

static bool bad(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool bad(struct stream *s, const char *fmt, ...)
{
	int n = snprintf(s->error, sizeof(s->error), "ledger stream, record %" PRIu64 ": ", s->records);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->error + n, sizeof(s->error) - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

void stream_init(struct stream *s, const struct stream_events *events, void *arg)
{
	memset(s, 0, sizeof(*s));
	s->events = events;
	s->arg = arg;
}

void stream_free(struct stream *s)
{
	free(s->buf);
	s->buf = NULL;
	s->len = s->size = 0;
}

static size_t pad8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

#define SHORT(type) (len < sizeof(struct type) ? bad(s, #type " of %zu bytes is too short", len) : true)

static bool time_ok(struct stream *s, uint64_t t)
{
	if (t < s->last_time)
		return bad(s, "time goes back by %" PRIu64 " ns", s->last_time - t);
	s->last_time = t;
	return true;
}

static bool on_account(struct stream *s, const char *body, size_t len)
{
	const struct ls_account *a = (const void *)body;
	struct ls_account copy;

	if (!SHORT(ls_account))
		return false;
	copy = *a;
	copy.name[sizeof(copy.name) - 1] = 0;
	if (copy.space > LS_SPACE_KERNEL)
		return bad(s, "account %u is in no space", copy.id);
	if (s->events->account)
		s->events->account(s->arg, &copy);
	return true;
}

static bool on_site(struct stream *s, const char *body, size_t len)
{
	const struct ls_site *r = (const void *)body;
	char file[256], func[256];

	if (!SHORT(ls_site))
		return false;
	if (sizeof(*r) + r->file_len + r->func_len > len)
		return bad(s, "the names of site %u do not fit", r->id);
	snprintf(file, sizeof(file), "%.*s", (int)r->file_len, body + sizeof(*r));
	snprintf(func, sizeof(func), "%.*s", (int)r->func_len, body + sizeof(*r) + r->file_len);
	if (s->events->site)
		s->events->site(s->arg, r, file, func);
	return true;
}

static bool on_snapshot(struct stream *s, const char *body, size_t len)
{
	const struct ls_snapshot *r = (const void *)body;
	size_t frames, owners;

	if (!SHORT(ls_snapshot))
		return false;
	frames = pad8(r->nr_accounts * sizeof(uint32_t));
	owners = r->nr_owners * sizeof(struct ls_owner);
	if (sizeof(*r) + frames + owners + r->nr_sites * sizeof(struct ls_holder) > len)
		return bad(s, "a snapshot's tables do not fit");
	/* The peak is told when it is known to have been one, so its time may lie before others. */
	if (r->reason != LS_PEAK && !time_ok(s, r->time_ns))
		return false;
	body += sizeof(*r);
	if (s->events->snapshot)
		s->events->snapshot(s->arg, r, (const void *)body, (const void *)(body + frames),
				    (const void *)(body + frames + owners));
	return true;
}

static bool on_stack(struct stream *s, const char *body, size_t len)
{
	const struct ls_stack *r = (const void *)body;
	size_t kernel, regs;

	if (!SHORT(ls_stack))
		return false;
	kernel = r->nr_kernel * sizeof(uint64_t);
	regs = r->user ? LS_REGS * sizeof(uint64_t) : 0;
	if (r->stack_len > LS_MAX_RECORD || sizeof(*r) + kernel + regs + r->stack_len > len)
		return bad(s, "stack %u does not fit", r->id);
	body += sizeof(*r);
	if (s->events->stack)
		s->events->stack(s->arg, r, (const void *)body, regs ? (const void *)(body + kernel) : NULL,
				 body + kernel + regs);
	return true;
}

static bool on_pages(struct stream *s, const char *body, size_t len)
{
	const struct ls_pages *r = (const void *)body;
	const struct ls_page *p = (const void *)(r + 1);
	size_t n = (len - sizeof(*r)) / sizeof(*p);

	if (!SHORT(ls_pages))
		return false;
	if (s->events->pages)
		s->events->pages(s->arg, r->time_ns, p, n);
	return true;
}

static bool on_map(struct stream *s, const char *body, size_t len, bool unmap)
{
	const struct ls_map *r = (const void *)body;
	char name[4096];

	if (!SHORT(ls_map))
		return false;
	if (r->name_len >= sizeof(name) || sizeof(*r) + r->name_len > len)
		return bad(s, "the name of a mapping does not fit");
	if (r->end < r->start)
		return bad(s, "a mapping ends before it starts");
	memcpy(name, body + sizeof(*r), r->name_len);
	name[r->name_len] = 0;
	if (!unmap && s->events->map)
		s->events->map(s->arg, r, name);
	if (unmap && s->events->unmap)
		s->events->unmap(s->arg, r);
	return true;
}

static bool on_fork(struct stream *s, const char *body, size_t len)
{
	if (!SHORT(ls_fork))
		return false;
	if (s->events->fork)
		s->events->fork(s->arg, (const void *)body);
	return true;
}

static bool on_end(struct stream *s, const char *body, size_t len)
{
	const struct ls_end *r = (const void *)body;

	if (!SHORT(ls_end))
		return false;
	if (r->records != s->records)
		return bad(s, "%" PRIu64 " records were written", (uint64_t)r->records);
	s->ended = true;
	if (s->events->end)
		s->events->end(s->arg, r);
	return true;
}

static bool on_record(struct stream *s, const struct ls_record *r, const char *body)
{
	switch (r->type) {
	case LS_ACCOUNT:
		return on_account(s, body, r->len);
	case LS_SITE:
		return on_site(s, body, r->len);
	case LS_SNAPSHOT:
		return on_snapshot(s, body, r->len);
	case LS_STACK:
		return on_stack(s, body, r->len);
	case LS_PAGES:
		return on_pages(s, body, r->len);
	case LS_MAP:
	case LS_UNMAP:
		return on_map(s, body, r->len, r->type == LS_UNMAP);
	case LS_FORK:
		return on_fork(s, body, r->len);
	case LS_END:
		return on_end(s, body, r->len);
	}
	return true; /* a later version's */
}

/* How much of p was the header: 0, not yet whole; or an error. */
static size_t take_header(struct stream *s, const char *p, size_t len)
{
	struct ls_header *h = &s->header;
	size_t seen = len < sizeof(h->magic) ? len : sizeof(h->magic);

	if (memcmp(p, LS_MAGIC, seen)) {
		bad(s, "this is no ledger stream");
		return 0;
	}
	if (len < sizeof(*h))
		return 0;
	memcpy(h, p, sizeof(*h));
	if (h->version != LS_VERSION)
		bad(s, "version %u; this quire reads version %d", h->version, LS_VERSION);
	else if (h->header_len < sizeof(*h) || h->header_len > 4096 || h->header_len % 8)
		bad(s, "a header of %u bytes", h->header_len);
	else if (h->page_size < 4096 || h->page_size > 1 << 20 || h->page_size & (h->page_size - 1))
		bad(s, "pages of %u bytes", h->page_size);
	if (s->error[0] || len < h->header_len)
		return 0;
	s->begun = true;
	s->last_time = h->time_ns;
	if (s->events->header)
		s->events->header(s->arg, h);
	return h->header_len;
}

/* How much of p was a record. */
static size_t take_record(struct stream *s, const char *p, size_t len)
{
	struct ls_record r;

	if (len < sizeof(r))
		return 0;
	memcpy(&r, p, sizeof(r));
	if (r.len > LS_MAX_RECORD || r.len % 8) {
		bad(s, "type %u, %u bytes: garbage", r.type, r.len);
		return 0;
	}
	if (len < sizeof(r) + r.len)
		return 0;
	if (s->ended) {
		bad(s, "there is something behind the end");
		return 0;
	}
	if (!on_record(s, &r, p + sizeof(r)))
		return 0;
	s->records++;
	return sizeof(r) + r.len;
}

bool stream_feed(struct stream *s, const void *data, size_t n)
{
	size_t at = 0, took;

	if (s->error[0])
		return false;
	if (s->size - s->len < n) {
		char *more = realloc(s->buf, s->size = s->len + n + 65536);

		if (!more)
			return bad(s, "out of memory");
		s->buf = more;
	}
	memcpy(s->buf + s->len, data, n);
	s->len += n;
	s->bytes += n;
	do {
		took = s->begun ? take_record(s, s->buf + at, s->len - at) : take_header(s, s->buf + at, s->len - at);
		at += took;
	} while (took && !s->error[0]);
	memmove(s->buf, s->buf + at, s->len - at);
	s->len -= at;
	return !s->error[0];
}

bool stream_finish(struct stream *s)
{
	if (s->error[0])
		return false;
	if (!s->begun)
		return bad(s, s->bytes ? "cut off within the header" : "there is nothing");
	if (s->len)
		return bad(s, "cut off within a record");
	return s->ended || bad(s, "it ends without its END");
}
