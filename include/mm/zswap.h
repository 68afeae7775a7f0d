/*
 * zswap.h - the compressed pool in front of the swap areas: its switches and numbers. Files: fs/zswap_files.c.
 */
#ifndef MM_ZSWAP_H
#define MM_ZSWAP_H

#include <lib/atomic.h>
#include <lib/compiler.h>

struct zswap {
	/* as under /sys/module/zswap/parameters */
	bool		enabled;		/* changed by zswap_enable() */
	bool		same_filled;
	unsigned	max_pool_percent;	/* of RAM */
	unsigned	accept_percent;		/* of that: a pool that was full takes pages again below it */
	/* numbers, as under /sys/kernel/debug/zswap */
	atomic_long_t	stored, same, written_back;
	atomic_long_t	limit_hit, reject_compress, reject_alloc, reject_reclaim, duplicate;
};
extern struct zswap zswap;

int zswap_enable(bool on) must_check;			/* 0 or -ENOMEM. Off: what is in the pool stays until it is wanted */
long zswap_pool_pages(void);
long zswap_pool_bytes(void);			/* of compressed pages in it */
unsigned long zswap_max_pages(void);

#endif
