/*
 * cgroup.h - what the cgroup file system asks about processes. A border header: proc/cgroup.c defines it.
 */
#ifndef FS_CGROUP_H
#define FS_CGROUP_H

#include <mm/memcg.h>

struct text;

int cgroup_attach(int pid, struct memcg *m) must_check;		/* 0: current. 0, -ESRCH, -EACCES, -ENOMEM, -EBUSY */
void cgroup_list(struct text *out, struct memcg *m, bool threads);	/* one number a line */
void cgroup_kill(struct memcg *m);				/* m and all below */
bool cgroup_populated(struct memcg *m);				/* a living process in it or below; under memcg_lock() */
void cgroup_path(const struct memcg *m, struct text *out);	/* "/", "/a/b" */

#endif
