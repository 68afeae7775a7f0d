/*
 * reclaim.h - what others may set and ask of reclaim and write-back: the knobs of /proc/sys/vm. See fs/procfs/sysctl_vm.c.
 * Border: open to fs, proc.
 */
#ifndef MM_RECLAIM_H
#define MM_RECLAIM_H

#include <lib/types.h>

extern int sysctl_vfs_cache_pressure;		/* percent of the unused dentries that a shrinker sees */
extern int sysctl_watermark_scale_factor;	/* distance of the watermarks, in 1/10,000 of a zone */
extern int sysctl_dirty_ratio, sysctl_dirty_background_ratio;	/* percent of what could be dirty */
extern unsigned long sysctl_dirty_bytes, sysctl_dirty_background_bytes;	/* instead, when not 0 */
extern int sysctl_dirty_writeback_centisecs, sysctl_dirty_expire_centisecs;
extern int sysctl_panic_on_oom, sysctl_oom_kill_allocating_task, sysctl_oom_dump_tasks;	/* proc/oom.c */
extern unsigned long sysctl_admin_reserve_kbytes, sysctl_user_reserve_kbytes;

void writeback_interval_changed(void);
extern int sysctl_compact_unevictable_allowed;	/* pages of locked areas may move to other frames */
void compact_memory(void);			/* all zones: free frames come together */
void reclaim_drop_caches(int what);		/* 1 pages, 2 dentries and inodes, 3 both */

#endif
