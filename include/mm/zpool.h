/*
 * zpool.h - memory for compressed pages: objects of any size up to a page, packed into frames of the account "zswap".
 *
 * Nothing here sleeps but zpool_get_buffers(). A pool never moves an object, so a handle stays good until it is freed; who holds it sees to it that nobody frees
 * it meanwhile.
 */
#ifndef MM_ZPOOL_H
#define MM_ZPOOL_H

#include <kernel/lock.h>
#include <lib/list.h>
#include <mm/gfp.h>

#define ZPOOL_STEP	64u		/* sizes are rounded up to this */
#define ZPOOL_CLASSES	64u
#define ZPOOL_MAX_PAGES	4u

struct zspage;

struct zhandle {
	struct zspage	*span;
	u16		slot;
};

struct zpool {
	spinlock_t	lock;
	struct list	partial[ZPOOL_CLASSES];		/* spans with a free place */
	struct list	full;
	long		pages;				/* frames; under the lock */
	long		objects;
	u64		bytes;				/* of the objects as stored */
};

void zpool_init(struct zpool *z);
/* A copy of n bytes (1 … PAGE_SIZE) of data. False: no memory. */
bool zpool_store(struct zpool *z, const void *data, size_t n, gfp_t gfp, struct zhandle *out) must_check;
/* The object's n bytes: in place, or gathered into buf (PAGE_SIZE) when they lie in two frames. */
const void *zpool_read(struct zhandle h, size_t n, void *buf);
void zpool_free(struct zpool *z, struct zhandle h, size_t n);

/* ---- whole pages; one buffer a CPU, between two calls nobody sleeps ---- */
int zpool_get_buffers(void) must_check;				/* before all else. 0, -ENOMEM; again is free */
bool zpool_one_word(const void *page, u64 *word);		/* is it full of one word? */
void zpool_fill(void *page, u64 word);
/* Into this CPU's buffer (*out): the size, or 0 if it would be more than `most`. */
size_t zpool_compress(const void *page, size_t most, const void **out) must_check;
bool zpool_expand(struct zhandle h, size_t n, void *page) must_check;	/* n PAGE_SIZE: as it came. False: damaged */

#endif
