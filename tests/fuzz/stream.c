/*
 * stream.c - fuzzing the reader of what a guest sends: the ledger's stream (cli/stream.c). The heap's parts: cli_parsers.c.
 * SHAPE       with clang's -fsanitize=fuzzer a libFuzzer target; else a program that makes streams of its own, breaks them in
 *             every way it knows, and reads them under the sanitizers:
 *                 build/fuzz-stream [ROUNDS [SEED]]       build/fuzz-stream FILE...
 * CHECKED     no crash, no leak past the end; a stream cut anywhere gives a message and never a wrong END; what was read whole is
 *             the same however the bytes were divided.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/stream.h"

static uint64_t seen; /* a sum over all that was handed on: reads every byte, so that the sanitizers see it */

static void add(const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		seen = seen * 31 + ((const unsigned char *)p)[i];
}

static void on_header(void *arg, const struct ls_header *h) { add(h, sizeof(*h)); }
static void on_account(void *arg, const struct ls_account *a) { add(a, strlen(a->name)); }
static void on_site(void *arg, const struct ls_site *s, const char *file, const char *func)
{
	add(file, strlen(file));
	add(func, strlen(func));
}
static void on_snapshot(void *arg, const struct ls_snapshot *s, const uint32_t *frames, const struct ls_owner *o, const struct ls_holder *h)
{
	add(frames, s->nr_accounts * sizeof(*frames));
	add(o, s->nr_owners * sizeof(*o));
	add(h, s->nr_sites * sizeof(*h));
}
static void on_stack(void *arg, const struct ls_stack *s, const uint64_t *kernel, const uint64_t *regs, const void *stack)
{
	add(kernel, s->nr_kernel * sizeof(*kernel));
	add(regs, regs ? LS_REGS * sizeof(*regs) : 0);
	add(stack, s->stack_len);
}
static void on_pages(void *arg, uint64_t time, const struct ls_page *p, size_t n) { add(p, n * sizeof(*p)); }
static void on_map(void *arg, const struct ls_map *m, const char *name) { add(name, strlen(name)); }
static void on_unmap(void *arg, const struct ls_map *m) { add(m, sizeof(*m)); }
static void on_fork(void *arg, const struct ls_fork *f) { add(f, sizeof(*f)); }
static void on_end(void *arg, const struct ls_end *e) { add(e, sizeof(*e)); }

static const struct stream_events events = {on_header, on_account, on_site, on_snapshot, on_stack,
					    on_pages,  on_map,	   on_unmap, on_fork,	 on_end};

/* In pieces of `step` bytes. True: it was a whole stream. */
static bool read_stream(const unsigned char *data, size_t n, size_t step, char *error)
{
	struct stream s;
	bool ok;

	seen = 0;
	stream_init(&s, &events, NULL);
	for (size_t at = 0; at < n; at += step) {
		size_t part = n - at < step ? n - at : step;
		unsigned char *copy = malloc(part); /* of exactly that size: a byte too far is seen */

		memcpy(copy, data + at, part);
		stream_feed(&s, copy, part);
		free(copy);
	}
	ok = stream_finish(&s);
	if (!ok && !s.error[0])
		abort(); /* an error without words */
	snprintf(error, sizeof(s.error), "%s", s.error);
	stream_free(&s);
	return ok;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	char error[2][160];
	bool whole = read_stream(data, n, n + 1, error[0]);
	uint64_t sum = seen;

	if (read_stream(data, n, 7, error[1]) != whole || (whole && sum != seen) || strcmp(error[0], error[1]))
		abort();
	return 0;
}

#ifndef LIBFUZZER

static uint64_t random_state = 1;

static unsigned int rnd(unsigned int n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(random_state >> 33) % n;
}

static unsigned char out[1 << 16];
static size_t len;
static uint64_t records;

static void put(const void *p, size_t n)
{
	memcpy(out + len, p, n);
	len += n;
}

static void record(unsigned int type, const void *a, size_t na, size_t more)
{
	struct ls_record r = {.type = (uint16_t)type, .len = (uint32_t)((na + more + 7) & ~(size_t)7)};

	put(&r, sizeof(r));
	put(a, na);
	for (size_t i = na; i < r.len; i++)
		out[len++] = (unsigned char)rnd(256);
	records++;
}

/* A good one. */
static void make_stream(void)
{
	struct ls_header h = {.magic = LS_MAGIC, .version = LS_VERSION, .header_len = sizeof(h), .page_size = 4096, .time_ns = 5};
	uint64_t time = 10;
	unsigned int n = 1 + rnd(40);
	struct ls_end end = {0};

	len = records = 0;
	put(&h, sizeof(h));
	for (unsigned int i = 0; i < n && len < sizeof(out) / 2; i++) {
		unsigned int k = rnd(20);

		time += k;
		switch (1 + rnd(9)) {
		case LS_ACCOUNT: record(LS_ACCOUNT, &(struct ls_account){.id = k, .space = k % 4, .name = "anon"}, sizeof(struct ls_account), 0); break;
		case LS_SITE: record(LS_SITE, &(struct ls_site){.id = k, .file_len = k, .func_len = 3}, sizeof(struct ls_site), k + 3); break;
		case LS_SNAPSHOT:
			record(LS_SNAPSHOT, &(struct ls_snapshot){.time_ns = time, .nr_accounts = k, .nr_owners = 2, .nr_sites = 1}, sizeof(struct ls_snapshot),
			       ((k * 4 + 7) & ~7u) + 2 * sizeof(struct ls_owner) + sizeof(struct ls_holder));
			break;
		case LS_STACK:
			record(LS_STACK, &(struct ls_stack){.id = k, .mm = 1, .nr_kernel = k, .user = 1, .stack_len = 64 * k}, sizeof(struct ls_stack),
			       8 * k + 8 * LS_REGS + 64 * k);
			break;
		case LS_PAGES: record(LS_PAGES, &(struct ls_pages){.time_ns = time}, sizeof(struct ls_pages), k * sizeof(struct ls_page)); break;
		case LS_MAP: record(LS_MAP, &(struct ls_map){.mm = 1, .name_len = k, .start = k, .end = 2 * k}, sizeof(struct ls_map), k); break;
		case LS_UNMAP: record(LS_UNMAP, &(struct ls_map){.mm = 1}, sizeof(struct ls_map), 0); break;
		case LS_FORK: record(LS_FORK, &(struct ls_fork){2, 1}, sizeof(struct ls_fork), 0); break;
		default: record(100 + k, "later", 5, k); break;
		}
	}
	end.records = records;
	record(LS_END, &end, sizeof(end), 0);
}

static void expect(bool want, const char *what)
{
	char error[160];

	if (read_stream(out, len, 1 + rnd(4096), error) == want)
		return;
	fprintf(stderr, "FAILED: %s: %s\n", what, error);
	exit(1);
}

static void one_round(void)
{
	size_t whole;

	make_stream();
	expect(true, "a good stream");
	LLVMFuzzerTestOneInput(out, len);
	whole = len;
	len = rnd((unsigned int)whole);
	expect(false, "a cut one");
	len = whole;
	put("12345678", 8);
	expect(false, "one with something behind its end");
	len = whole;
	for (unsigned int i = 0; i < 1 + rnd(8); i++)
		out[rnd((unsigned int)len)] ^= (unsigned char)(1u << rnd(8));
	LLVMFuzzerTestOneInput(out, len);
	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)rnd(256);
	LLVMFuzzerTestOneInput(out, len);
}

static int replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	static unsigned char file[1 << 24];
	size_t n = f ? fread(file, 1, sizeof(file), f) : 0;

	if (!f)
		return 1;
	fclose(f);
	return LLVMFuzzerTestOneInput(file, n);
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000;

	if (argc > 1 && !rounds) {
		for (int i = 1; i < argc; i++)
			if (replay(argv[i]))
				return 1;
		return 0;
	}
	random_state = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	for (unsigned long i = 0; i < rounds; i++)
		one_round();
	printf("ok: %lu streams made, cut, bent and read\n", rounds);
	return 0;
}

#endif
