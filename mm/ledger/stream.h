/* stream.h - between the stream's two halves: bytes (stream.c) and stacks (stacks.c). */
#ifndef MM_LEDGER_STREAM_PRIVATE_H
#define MM_LEDGER_STREAM_PRIVATE_H

#include <abi/ledger_stream.h>
#include <kernel/lock.h>
#include <mm/ledger_stream.h>
#include <mm/page.h>

struct iovec_part {
	const void	*data;
	size_t		len;
};

/* One record of these parts, padded to 8 bytes. What was noted about pages before goes first. */
void stream_record(enum ls_type type, const struct iovec_part *parts, unsigned nr);
extern spinlock_t stream_lock;

/* The open record of page events, where it will be sent from. stream_lock. */
struct stream_events {
	u64		*next;		/* two words; NULL: none is open */
	u64		stamp;		/* upper half: time of the events from now on, since the record's */
};
/* When `next` is one of each sixteen places, or NULL, it is time to look. Records begin at any multiple of 8. */
#define STREAM_LOOK_BYTES	256
#define STREAM_LOOK_MASK	(STREAM_LOOK_BYTES - 16)
extern struct stream_events stream_events;

/* Every sixteenth event looks at the clock, and whether there is room for as many more: in one record, in the chunk. */
void stream_look(void);

/* struct ls_page in two stores. */
static always_inline void stream_event_at(u64 *at, const struct page *p, enum ls_page_op op, unsigned order, unsigned account, u64 stamp_and_stack)
{
	static_assert(sizeof(struct ls_page) == 16 && offsetof(struct ls_page, op) == 4 && offsetof(struct ls_page, order) == 5 &&
		      offsetof(struct ls_page, account) == 6 && offsetof(struct ls_page, stack) == 8, "as it is stored here");
	at[0] = (u32)page_to_pfn(p) | (u64)op << 32 | (u64)order << 40 | (u64)account << 48;
	at[1] = stamp_and_stack;
}

/* stream_lock held. */
static always_inline void stream_event(const struct page *p, enum ls_page_op op, unsigned order, unsigned account, u32 stack)
{
	struct stream_events *e = &stream_events;
	u64 *at;

	if (unlikely(!((uintptr_t)e->next & STREAM_LOOK_MASK)))
		stream_look();
	at = e->next;
	e->next = at + 2;
	stream_event_at(at, p, op, order, account, stack | e->stamp);
}

int stream_stacks_start(void) must_check;
void stream_stacks_started(void);

#endif
