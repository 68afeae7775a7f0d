/*
 * cred.h - who a task is, for permission checks. Immutable once shared: changing means copying.
 */
#ifndef KERNEL_CRED_H
#define KERNEL_CRED_H

#include <lib/atomic.h>

enum id_role { ID_REAL, ID_EFFECTIVE, ID_SAVED, ID_FS, NR_ID_ROLES };

struct cred {
	atomic_t	refs;
	union {
		struct { u32 uid, euid, suid, fsuid; };
		u32 user_ids[NR_ID_ROLES];	/* the same four, by enum id_role */
	};
	union {
		struct { u32 gid, egid, sgid, fsgid; };
		u32 group_ids[NR_ID_ROLES];
	};
	u64		cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
	u32		securebits;
	u32		nr_groups;
	u32		groups[];		/* supplementary, sorted */
};

struct cred *cred_get(struct cred *c);
void cred_put(struct cred *c);
/* A private copy with room for nr_groups; NULL when out of memory. */
struct cred *cred_copy(const struct cred *c, u32 nr_groups) must_check;
bool cred_in_group(const struct cred *c, u32 gid);	/* fsgid or supplementary */
bool capable(int cap);					/* current's effective set has CAP_* */
extern struct cred cred_root;				/* the first process's */

#endif
