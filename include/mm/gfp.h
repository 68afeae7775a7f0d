/*
 * gfp.h - what an allocation may do to succeed. Names as in Linux.
 */
#ifndef MM_GFP_H
#define MM_GFP_H

#include <lib/types.h>

typedef unsigned gfp_t;

#define GFP_WAIT	0x001u		/* may sleep: reclaim, write back, kill */
#define GFP_HIGHPRIO	0x002u		/* may dip below the min watermark */
#define GFP_IO		0x004u		/* reclaim may start I/O */
#define GFP_FS		0x008u		/* reclaim may call into file systems */
#define GFP_ZERO	0x010u		/* hand out cleared memory */
#define GFP_MOVABLE	0x020u		/* can be migrated or reclaimed: user pages and page cache */
#define GFP_DMA		0x040u		/* below 16 MiB */
#define GFP_DMA32	0x080u		/* below 4 GiB */
#define GFP_NOWARN	0x100u		/* failure is expected; no message */
#define GFP_NORETRY	0x200u		/* one attempt at reclaim, no OOM killer */
#define GFP_NOFAIL	0x400u		/* loops until it succeeds; single pages in rare places only */
#define GFP_NOACCOUNT	0x800u		/* owner is the machine, not current's process */
#define GFP_RECLAIMABLE	0x1000u		/* a shrinker can free it: kept apart from what stays for good */

#define GFP_ATOMIC	(GFP_HIGHPRIO)
#define GFP_NOWAIT	0u
#define GFP_NOFS	(GFP_WAIT | GFP_IO)
#define GFP_KERNEL	(GFP_WAIT | GFP_IO | GFP_FS)
#define GFP_USER	(GFP_KERNEL | GFP_MOVABLE)

#endif
