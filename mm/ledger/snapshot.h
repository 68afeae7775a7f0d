/* snapshot.h - one entry of the timeline: what timeline.c keeps and stream.c sends. */
#ifndef MM_LEDGER_SNAPSHOT_H
#define MM_LEDGER_SNAPSHOT_H

#include <abi/ledger_stream.h>
#include <mm/ledger.h>

#define SNAPSHOT_TOP	8

/* As the stream tells it, so that nothing is copied twice; head counts what is filled. */
struct snapshot {
	struct ls_snapshot	head;
	u32			frames[ALIGN_UP(NR_ACCOUNTS, 2)];
	struct ls_owner		owners[SNAPSHOT_TOP];
	struct ls_holder	sites[SNAPSHOT_TOP];
};

void stream_snapshot(const struct snapshot *s, enum ls_reason reason);	/* stream.c; the books' lock is held */
void ledger_snapshot_last(void);	/* timeline.c: the machine's peak and the state now, to the stream */

#endif
