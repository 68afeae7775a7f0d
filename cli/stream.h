/*
 * stream.h - reading the ledger's stream: bytes in, records out.
 * docs/ledger-stream.md and include/abi/ledger_stream.h say what the bytes are.
 */
#ifndef CLI_STREAM_H
#define CLI_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "include/abi/ledger_stream.h"

/* What a reader wants to hear of; NULL: not. Every length was checked; the pointers are good until the call returns. */
struct stream_events {
	void (*header)(void *arg, const struct ls_header *h);
	void (*account)(void *arg, const struct ls_account *a);
	void (*site)(void *arg, const struct ls_site *s, const char *file, const char *func); /* texts end with NUL */
	void (*snapshot)(void *arg, const struct ls_snapshot *s, const uint32_t *frames, const struct ls_owner *owners,
			 const struct ls_holder *sites);
	void (*stack)(void *arg, const struct ls_stack *s, const uint64_t *kernel, const uint64_t *regs, const void *stack);
	void (*pages)(void *arg, uint64_t time, const struct ls_page *p, size_t n);
	void (*map)(void *arg, const struct ls_map *m, const char *name);
	void (*unmap)(void *arg, const struct ls_map *m);
	void (*fork)(void *arg, const struct ls_fork *f);
	void (*end)(void *arg, const struct ls_end *e);
};

struct stream {
	const struct stream_events *events;
	void *arg;
	struct ls_header header;
	char *buf; /* what has not been read yet */
	size_t len, size;
	uint64_t records, bytes, last_time;
	bool begun, ended;
	char error[160]; /* what is wrong, in words; nothing is read any more */
};

void stream_init(struct stream *s, const struct stream_events *events, void *arg);
/* false: s->error says why; so does every later call. */
bool stream_feed(struct stream *s, const void *data, size_t n);
/* No more comes: false when that is too early. */
bool stream_finish(struct stream *s);
void stream_free(struct stream *s);

#endif
