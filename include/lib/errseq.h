/*
 * errseq.h - "did anything fail since I last asked?", for any number of askers.
 *
 * A word holds the last error, a bit "somebody has seen it" and a counter that moves on with each error that follows a seen one. Who opens
 * samples it; who asks compares. An error that nobody has seen yet is also told to those who come after it: a file may have been closed
 * and opened again between the write and the fsync. As errseq of Linux since 4.16.
 */
#ifndef LIB_ERRSEQ_H
#define LIB_ERRSEQ_H

#include <lib/atomic.h>
#include <lib/compiler.h>
#include <lib/types.h>

typedef u32 errseq_t;

#define ERRSEQ_ERRNO	0xfffu
#define ERRSEQ_SEEN	0x1000u
#define ERRSEQ_ONE	0x2000u

static inline void errseq_set(errseq_t *seq, int err)
{
	u32 old, new;

	do {
		old = READ_ONCE(*seq);
		new = (old & ~(ERRSEQ_ERRNO | ERRSEQ_SEEN)) | (u32)-err;
		if (old & ERRSEQ_SEEN)
			new += ERRSEQ_ONE;
	} while (new != old && cmpxchg(seq, old, new) != old);
}

/* Where a newcomer begins. */
static inline errseq_t errseq_sample(const errseq_t *seq)
{
	u32 now = READ_ONCE(*seq);

	return now & ERRSEQ_SEEN ? now : 0;
}

/* 0, or the negative errno of what happened since *since, which moves on. */
static inline int errseq_check(errseq_t *seq, errseq_t *since)
{
	u32 old = READ_ONCE(*seq), new;

	if (likely(old == READ_ONCE(*since)))
		return 0;
	new = old | ERRSEQ_SEEN;
	if (new != old)
		cmpxchg(seq, old, new);		/* another asker's bit, or a newer error, which is told next time */
	WRITE_ONCE(*since, new);
	return -(int)(new & ERRSEQ_ERRNO);
}

#endif
