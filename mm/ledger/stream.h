/* stream.h - between the stream's two halves: bytes (stream.c) and stacks (stacks.c). */
#ifndef MM_LEDGER_STREAM_PRIVATE_H
#define MM_LEDGER_STREAM_PRIVATE_H

#include <abi/ledger_stream.h>
#include <mm/ledger_stream.h>

struct iovec_part {
	const void	*data;
	size_t		len;
};

/* One record of these parts, padded to 8 bytes. What was noted about pages before goes first. */
void stream_record(enum ls_type type, const struct iovec_part *parts, unsigned nr);
/* The id of the stack of whoever allocates now: sent when it is new. 0: none.  */
u32 stream_capture(unsigned site);
int stream_stacks_start(void) must_check;
void stream_stacks_started(void);

#endif
