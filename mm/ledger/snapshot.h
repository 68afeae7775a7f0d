/* snapshot.h - one entry of the timeline: what timeline.c keeps and stream.c sends. */
#ifndef MM_LEDGER_SNAPSHOT_H
#define MM_LEDGER_SNAPSHOT_H

#include <abi/ledger_stream.h>
#include <mm/ledger.h>

#define SNAPSHOT_TOP	8

struct top {
	long	frames;
	u32	id;			/* owner or site */
	int	pid;
	char	name[16];
};

struct snapshot {
	ktime_t		time;
	long		used;
	u32		frames[NR_ACCOUNTS];
	struct top	owners[SNAPSHOT_TOP], sites[SNAPSHOT_TOP];
};

void stream_snapshot(const struct snapshot *s, enum ls_reason reason);	/* stream.c; the books' lock is held */
void ledger_snapshot_last(void);	/* timeline.c: the machine's peak and the state now, to the stream */

#endif
