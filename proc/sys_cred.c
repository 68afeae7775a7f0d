/*
 * sys_cred.c - user and group ids, supplementary groups, capabilities.
 *
 * Each call copies current's credentials, changes the copy, and installs it: nobody ever sees half a change.
 *
 * SOURCE      setuid(2), setreuid(2), setresuid(2), setfsuid(2), setgroups(2), capset(2), capabilities(7)
 */
#include <abi/capability.h>
#include <abi/errno.h>
#include <kernel/cred.h>
#include <kernel/syscall.h>
#include <lib/sort.h>
#include <mm/slab.h>
#include <proc/process.h>

#include "sys_misc.h"

#define NO_ID		((u32)-1)
#define NGROUPS_LIMIT	65536
#define CAP_MASK_ALL	((1UL << (CAP_LAST_CAP + 1)) - 1)

static struct cred *cred_begin(void)
{
	return cred_copy(current->cred, current->cred->nr_groups);
}

/* Capabilities follow the user ids: capabilities(7), "Effect of user ID changes on capabilities". */
static void cred_adjust_caps(struct cred *new, const struct cred *old)
{
	bool had_root = !old->uid || !old->euid || !old->suid;
	bool has_root = !new->uid || !new->euid || !new->suid;

	if (new->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	if (had_root && !has_root) {
		if (!(new->securebits & SECBIT_KEEP_CAPS)) {
			new->cap_permitted = 0;
			new->cap_effective = 0;
		}
		new->cap_ambient = 0;
	}
	if (!old->euid && new->euid)
		new->cap_effective = 0;
	if (old->euid && !new->euid)
		new->cap_effective = new->cap_permitted;
}

/* Replaces current's credentials; consumes new. */
static void cred_commit(struct cred *new)
{
	struct cred *old = current->cred, *old_real = current->real_cred;

	if (new->euid != old->euid || new->egid != old->egid)
		current->process->dumpable = 0;
	current->cred = new;
	current->real_cred = cred_get(new);
	cred_put(old);
	cred_put(old_real);
}

SYSCALL0(getuid) { return current->cred->uid; }
SYSCALL0(geteuid) { return current->cred->euid; }
SYSCALL0(getgid) { return current->cred->gid; }
SYSCALL0(getegid) { return current->cred->egid; }

static bool is_own_uid(const struct cred *c, u32 id)
{
	return id == NO_ID || id == c->uid || id == c->euid || id == c->suid;
}

static bool is_own_gid(const struct cred *c, u32 id)
{
	return id == NO_ID || id == c->gid || id == c->egid || id == c->sgid;
}

SYSCALL(setuid, u32 uid)
{
	const struct cred *old = current->cred;
	struct cred *new;
	bool privileged = capable(CAP_SETUID);

	if (uid == NO_ID)
		return -EINVAL;
	if (!privileged && uid != old->uid && uid != old->suid)
		return -EPERM;
	new = cred_begin();
	if (!new)
		return -ENOMEM;
	if (privileged)
		new->uid = new->suid = uid;
	new->euid = new->fsuid = uid;
	cred_adjust_caps(new, old);
	cred_commit(new);
	return 0;
}

SYSCALL(setgid, u32 gid)
{
	const struct cred *old = current->cred;
	struct cred *new;
	bool privileged = capable(CAP_SETGID);

	if (gid == NO_ID)
		return -EINVAL;
	if (!privileged && gid != old->gid && gid != old->sgid)
		return -EPERM;
	new = cred_begin();
	if (!new)
		return -ENOMEM;
	if (privileged)
		new->gid = new->sgid = gid;
	new->egid = new->fsgid = gid;
	cred_commit(new);
	return 0;
}

SYSCALL(setresuid, u32 ruid, u32 euid, u32 suid)
{
	const struct cred *old = current->cred;
	struct cred *new;

	if (!capable(CAP_SETUID) && !(is_own_uid(old, ruid) && is_own_uid(old, euid) && is_own_uid(old, suid)))
		return -EPERM;
	new = cred_begin();
	if (!new)
		return -ENOMEM;
	if (ruid != NO_ID)
		new->uid = ruid;
	if (euid != NO_ID)
		new->euid = euid;
	if (suid != NO_ID)
		new->suid = suid;
	new->fsuid = new->euid;
	cred_adjust_caps(new, old);
	cred_commit(new);
	return 0;
}

SYSCALL(setresgid, u32 rgid, u32 egid, u32 sgid)
{
	const struct cred *old = current->cred;
	struct cred *new;

	if (!capable(CAP_SETGID) && !(is_own_gid(old, rgid) && is_own_gid(old, egid) && is_own_gid(old, sgid)))
		return -EPERM;
	new = cred_begin();
	if (!new)
		return -ENOMEM;
	if (rgid != NO_ID)
		new->gid = rgid;
	if (egid != NO_ID)
		new->egid = egid;
	if (sgid != NO_ID)
		new->sgid = sgid;
	new->fsgid = new->egid;
	cred_commit(new);
	return 0;
}

/* The saved id follows when the real id is set, or the effective one becomes other than the old real one. */
static bool saved_follows(u32 real, u32 effective, u32 old_real)
{
	return real != NO_ID || (effective != NO_ID && effective != old_real);
}

SYSCALL(setreuid, u32 ruid, u32 euid)
{
	const struct cred *old = current->cred;
	struct cred *new;

	if (!capable(CAP_SETUID) &&
	    ((ruid != NO_ID && ruid != old->uid && ruid != old->euid) || !is_own_uid(old, euid)))
		return -EPERM;
	new = cred_begin();
	if (!new)
		return -ENOMEM;
	if (ruid != NO_ID)
		new->uid = ruid;
	if (euid != NO_ID)
		new->euid = euid;
	if (saved_follows(ruid, euid, old->uid))
		new->suid = new->euid;
	new->fsuid = new->euid;
	cred_adjust_caps(new, old);
	cred_commit(new);
	return 0;
}

SYSCALL(setregid, u32 rgid, u32 egid)
{
	const struct cred *old = current->cred;
	struct cred *new;

	if (!capable(CAP_SETGID) &&
	    ((rgid != NO_ID && rgid != old->gid && rgid != old->egid) || !is_own_gid(old, egid)))
		return -EPERM;
	new = cred_begin();
	if (!new)
		return -ENOMEM;
	if (rgid != NO_ID)
		new->gid = rgid;
	if (egid != NO_ID)
		new->egid = egid;
	if (saved_follows(rgid, egid, old->gid))
		new->sgid = new->egid;
	new->fsgid = new->egid;
	cred_commit(new);
	return 0;
}

/* Returns the old id, always: setfsuid(2). */
SYSCALL(setfsuid, u32 uid)
{
	const struct cred *old = current->cred;
	u32 was = old->fsuid;
	struct cred *new;

	if (uid == NO_ID || (!is_own_uid(old, uid) && uid != old->fsuid && !capable(CAP_SETUID)))
		return was;
	new = cred_begin();
	if (!new)
		return was;
	new->fsuid = uid;
	cred_commit(new);
	return was;
}

SYSCALL(setfsgid, u32 gid)
{
	const struct cred *old = current->cred;
	u32 was = old->fsgid;
	struct cred *new;

	if (gid == NO_ID || (!is_own_gid(old, gid) && gid != old->fsgid && !capable(CAP_SETGID)))
		return was;
	new = cred_begin();
	if (!new)
		return was;
	new->fsgid = gid;
	cred_commit(new);
	return was;
}

SYSCALL(getresuid, u32 __user *ruid, u32 __user *euid, u32 __user *suid)
{
	const struct cred *c = current->cred;

	return put_user(c->uid, ruid) || put_user(c->euid, euid) || put_user(c->suid, suid) ? -EFAULT : 0;
}

SYSCALL(getresgid, u32 __user *rgid, u32 __user *egid, u32 __user *sgid)
{
	const struct cred *c = current->cred;

	return put_user(c->gid, rgid) || put_user(c->egid, egid) || put_user(c->sgid, sgid) ? -EFAULT : 0;
}

SYSCALL(getgroups, int n, u32 __user *list)
{
	const struct cred *c = current->cred;

	if (n < 0)
		return -EINVAL;
	if (n == 0)
		return c->nr_groups;
	if ((u32)n < c->nr_groups)
		return -EINVAL;
	if (copy_to_user(list, c->groups, c->nr_groups * sizeof(u32)))
		return -EFAULT;
	return c->nr_groups;
}

static int compare_ids(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

SYSCALL(setgroups, int n, const u32 __user *list)
{
	struct cred *new;

	if (!capable(CAP_SETGID))
		return -EPERM;
	if (n < 0 || n > NGROUPS_LIMIT)
		return -EINVAL;
	new = cred_copy(current->cred, n);
	if (!new)
		return -ENOMEM;
	if (copy_from_user(new->groups, list, n * sizeof(u32))) {
		cred_put(new);
		return -EFAULT;
	}
	sort(new->groups, n, sizeof(u32), compare_ids);
	cred_commit(new);
	return 0;
}

/* ---- capabilities ---- */

/* Version of the caller's header; an unknown one is answered with ours and -EINVAL. Words of data, or -errno. */
static int cap_words(struct __user_cap_header_struct __user *uhdr, int *pid)
{
	struct __user_cap_header_struct hdr;

	if (get_user_struct(&hdr, uhdr))
		return -EFAULT;
	*pid = hdr.pid;
	switch (hdr.version) {
	case _LINUX_CAPABILITY_VERSION_1:
		return _LINUX_CAPABILITY_U32S_1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		return _LINUX_CAPABILITY_U32S_3;
	}
	if (put_user((u32)_LINUX_CAPABILITY_VERSION_3, &uhdr->version))
		return -EFAULT;
	return -EINVAL;
}

SYSCALL(capget, struct __user_cap_header_struct __user *uhdr, struct __user_cap_data_struct __user *udata)
{
	struct __user_cap_data_struct data[2];
	int pid, words = cap_words(uhdr, &pid);
	struct task *t;

	if (words < 0)
		return words == -EINVAL && !udata ? 0 : words;
	if (pid < 0)
		return -EINVAL;
	t = pid ? task_find(pid) : task_get(current);
	if (!t)
		return -ESRCH;
	for (int i = 0; i < 2; i++) {
		data[i].effective = (u32)(t->cred->cap_effective >> (32 * i));
		data[i].permitted = (u32)(t->cred->cap_permitted >> (32 * i));
		data[i].inheritable = (u32)(t->cred->cap_inheritable >> (32 * i));
	}
	task_put(t);
	return copy_to_user(udata, data, words * sizeof(data[0])) ? -EFAULT : 0;
}

SYSCALL(capset, struct __user_cap_header_struct __user *uhdr, const struct __user_cap_data_struct __user *udata)
{
	struct __user_cap_data_struct data[2] = { 0 };
	const struct cred *old = current->cred;
	u64 effective, permitted, inheritable;
	int pid, words = cap_words(uhdr, &pid);
	struct cred *new;

	if (words < 0)
		return words;
	if (pid && pid != current->tid && pid != current->process->pid)
		return -EPERM;
	if (copy_from_user(data, udata, words * sizeof(data[0])))
		return -EFAULT;
	effective = (data[0].effective | (u64)data[1].effective << 32) & CAP_MASK_ALL;
	permitted = (data[0].permitted | (u64)data[1].permitted << 32) & CAP_MASK_ALL;
	inheritable = (data[0].inheritable | (u64)data[1].inheritable << 32) & CAP_MASK_ALL;
	if ((permitted & ~old->cap_permitted) || (effective & ~permitted) ||
	    (inheritable & ~(old->cap_inheritable | old->cap_bounding)) ||
	    (!capable(CAP_SETPCAP) && (inheritable & ~(old->cap_inheritable | old->cap_permitted))))
		return -EPERM;
	new = cred_begin();
	if (!new)
		return -ENOMEM;
	new->cap_effective = effective;
	new->cap_permitted = permitted;
	new->cap_inheritable = inheritable;
	new->cap_ambient &= permitted & inheritable;
	cred_commit(new);
	return 0;
}

/* The capability half of prctl(2). -ENOSYS: not one of ours. */
long prctl_cred(int option, unsigned long a, unsigned long b, unsigned long c)
{
	struct cred *new;
	u64 bit = a <= CAP_LAST_CAP ? 1UL << a : 0;

	switch (option) {
	case PR_CAPBSET_READ:
		return bit ? !!(current->cred->cap_bounding & bit) : -EINVAL;
	case PR_GET_SECUREBITS:
		return current->cred->securebits;
	case PR_GET_KEEPCAPS:
		return !!(current->cred->securebits & SECBIT_KEEP_CAPS);
	case PR_CAPBSET_DROP:
		if (!capable(CAP_SETPCAP))
			return -EPERM;
		if (!bit)
			return -EINVAL;
		break;
	case PR_SET_SECUREBITS:
		if (!capable(CAP_SETPCAP))
			return -EPERM;
		if (a & ~(unsigned long)(SECURE_ALL_BITS | SECURE_ALL_LOCKS))
			return -EPERM;
		break;
	case PR_SET_KEEPCAPS:
		if (a > 1)
			return -EINVAL;
		if (current->cred->securebits & SECBIT_KEEP_CAPS_LOCKED)
			return -EPERM;
		break;
	case PR_CAP_AMBIENT:
		bit = b <= CAP_LAST_CAP ? 1UL << b : 0;
		if (a == PR_CAP_AMBIENT_CLEAR_ALL ? b || c : !bit || c)
			return -EINVAL;
		if (a == PR_CAP_AMBIENT_IS_SET)
			return !!(current->cred->cap_ambient & bit);
		if (a == PR_CAP_AMBIENT_RAISE && (!(current->cred->cap_permitted & bit) ||
						  !(current->cred->cap_inheritable & bit)))
			return -EPERM;
		if (a != PR_CAP_AMBIENT_RAISE && a != PR_CAP_AMBIENT_LOWER && a != PR_CAP_AMBIENT_CLEAR_ALL)
			return -EINVAL;
		break;
	default:
		return -ENOSYS;
	}
	new = cred_begin();
	if (!new)
		return -ENOMEM;
	if (option == PR_CAPBSET_DROP)
		new->cap_bounding &= ~bit;
	else if (option == PR_SET_SECUREBITS)
		new->securebits = (u32)a;
	else if (option == PR_SET_KEEPCAPS)
		new->securebits = a ? new->securebits | SECBIT_KEEP_CAPS : new->securebits & ~SECBIT_KEEP_CAPS;
	else if (a == PR_CAP_AMBIENT_RAISE)
		new->cap_ambient |= bit;
	else
		new->cap_ambient &= a == PR_CAP_AMBIENT_CLEAR_ALL ? 0 : ~bit;
	cred_commit(new);
	return 0;
}
