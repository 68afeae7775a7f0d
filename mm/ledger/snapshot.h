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
	struct ls_owner		owners[SNAPSHOT_TOP];	/* the sites stand right behind those that are used */
	struct ls_holder	room_for_sites[SNAPSHOT_TOP];
};

static inline struct ls_holder *snapshot_sites(const struct snapshot *s)
{
	return (struct ls_holder *)(s->owners + s->head.nr_owners);
}

static inline size_t snapshot_size(const struct snapshot *s)
{
	return (size_t)((const char *)(snapshot_sites(s) + s->head.nr_sites) - (const char *)s);
}

void stream_snapshot(struct snapshot *s, enum ls_reason reason);	/* stream.c; the books' lock is held */
void ledger_snapshot_last(void);	/* timeline.c: the machine's peak and the state now, to the stream */

#endif
