/*
 * cred.c - identities for permission checks.
 *
 * A struct cred is shared by all tasks that have it (fork only takes a reference) and never changes once shared;
 * setuid() and the like make a copy, change that, and put it in the task.
 */
#include <kernel/cred.h>
#include <kernel/task.h>
#include <lib/string.h>
#include <mm/slab.h>

#define CAP_FULL_SET	((1ULL << 41) - 1)	/* CAP_CHOWN … CAP_CHECKPOINT_RESTORE */

struct cred cred_root = {
	.refs = ATOMIC_INIT(1),
	.cap_effective = CAP_FULL_SET, .cap_permitted = CAP_FULL_SET, .cap_bounding = CAP_FULL_SET,
};

struct cred *cred_get(struct cred *c)
{
	atomic_inc(&c->refs);
	return c;
}

void cred_put(struct cred *c)
{
	if (c && atomic_dec_and_test(&c->refs))
		kfree(c);
}

struct cred *cred_copy(const struct cred *c, u32 nr_groups)
{
	struct cred *n = kmalloc(sizeof(*n) + nr_groups * sizeof(u32), GFP_KERNEL);

	if (!n)
		return NULL;
	memcpy(n, c, sizeof(*n));
	atomic_set(&n->refs, 1);
	n->nr_groups = min(nr_groups, c->nr_groups);
	memcpy(n->groups, c->groups, n->nr_groups * sizeof(u32));
	n->nr_groups = nr_groups;
	return n;
}

bool cred_in_group(const struct cred *c, u32 gid)
{
	u32 lo = 0, hi = c->nr_groups;

	if (gid == c->fsgid)
		return true;
	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (c->groups[mid] == gid)
			return true;
		if (c->groups[mid] < gid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

bool capable(int cap)
{
	const struct cred *c = current->cred ? current->cred : &cred_root;	/* early boot: the kernel itself */

	return c->cap_effective >> cap & 1;
}
