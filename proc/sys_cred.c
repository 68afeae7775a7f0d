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

/* Users and groups follow the same rules; only users carry capabilities with them. */
enum id_kind { USERS, GROUPS };

static u32 *ids_of(struct cred *c, enum id_kind kind)
{
	return kind == USERS ? c->user_ids : c->group_ids;
}

static bool may_set_any(enum id_kind kind)
{
	return capable(kind == USERS ? CAP_SETUID : CAP_SETGID);
}

/* The real, effective or saved id, or "leave it". */
static bool is_own(const u32 *ids, u32 id)
{
	return id == NO_ID || id == ids[ID_REAL] || id == ids[ID_EFFECTIVE] || id == ids[ID_SAVED];
}

/*
 * Install a copy of current's credentials with new ids of one kind, by enum id_role; NO_ID leaves one as it is.
 * The file system id follows the effective one. 0 or -ENOMEM.
 */
static int set_ids(enum id_kind kind, u32 real, u32 effective, u32 saved)
{
	const u32 want[] = { real, effective, saved };
	struct cred *new = cred_begin();
	u32 *ids;

	if (!new)
		return -ENOMEM;
	ids = ids_of(new, kind);
	for (enum id_role r = ID_REAL; r <= ID_SAVED; r++)
		if (want[r] != NO_ID)
			ids[r] = want[r];
	ids[ID_FS] = ids[ID_EFFECTIVE];
	if (kind == USERS)
		cred_adjust_caps(new, current->cred);
	cred_commit(new);
	return 0;
}

static int set_id(enum id_kind kind, u32 id)
{
	const u32 *old = ids_of(current->cred, kind);

	if (id == NO_ID)
		return -EINVAL;
	if (may_set_any(kind))
		return set_ids(kind, id, id, id);
	return id == old[ID_REAL] || id == old[ID_SAVED] ? set_ids(kind, NO_ID, id, NO_ID) : -EPERM;
}

static int set_res_ids(enum id_kind kind, u32 real, u32 effective, u32 saved)
{
	const u32 *old = ids_of(current->cred, kind);

	if (!may_set_any(kind) && !(is_own(old, real) && is_own(old, effective) && is_own(old, saved)))
		return -EPERM;
	return set_ids(kind, real, effective, saved);
}

/* The saved id follows when the real id is set, or the effective one becomes other than the old real one. */
static int set_re_ids(enum id_kind kind, u32 real, u32 effective)
{
	const u32 *old = ids_of(current->cred, kind);
	bool saved_follows = real != NO_ID || (effective != NO_ID && effective != old[ID_REAL]);
	u32 becomes = effective != NO_ID ? effective : old[ID_EFFECTIVE];

	if (!may_set_any(kind) &&
	    ((real != NO_ID && real != old[ID_REAL] && real != old[ID_EFFECTIVE]) || !is_own(old, effective)))
		return -EPERM;
	return set_ids(kind, real, effective, saved_follows ? becomes : NO_ID);
}

/* Returns the old id, always: setfsuid(2). */
static u32 set_fs_id(enum id_kind kind, u32 id)
{
	const u32 *old = ids_of(current->cred, kind);
	u32 was = old[ID_FS];
	struct cred *new;

	if (id == NO_ID || (!is_own(old, id) && id != was && !may_set_any(kind)))
		return was;
	new = cred_begin();
	if (!new)
		return was;
	ids_of(new, kind)[ID_FS] = id;
	cred_commit(new);
	return was;
}

SYSCALL(setuid, u32 uid) { return set_id(USERS, uid); }
SYSCALL(setgid, u32 gid) { return set_id(GROUPS, gid); }
SYSCALL(setresuid, u32 ruid, u32 euid, u32 suid) { return set_res_ids(USERS, ruid, euid, suid); }
SYSCALL(setresgid, u32 rgid, u32 egid, u32 sgid) { return set_res_ids(GROUPS, rgid, egid, sgid); }
SYSCALL(setreuid, u32 ruid, u32 euid) { return set_re_ids(USERS, ruid, euid); }
SYSCALL(setregid, u32 rgid, u32 egid) { return set_re_ids(GROUPS, rgid, egid); }
SYSCALL(setfsuid, u32 uid) { return set_fs_id(USERS, uid); }
SYSCALL(setfsgid, u32 gid) { return set_fs_id(GROUPS, gid); }

static long get_res_ids(enum id_kind kind, u32 __user *real, u32 __user *effective, u32 __user *saved)
{
	const u32 *ids = ids_of(current->cred, kind);

	return put_user(ids[ID_REAL], real) || put_user(ids[ID_EFFECTIVE], effective) || put_user(ids[ID_SAVED], saved) ? -EFAULT : 0;
}

SYSCALL(getresuid, u32 __user *ruid, u32 __user *euid, u32 __user *suid) { return get_res_ids(USERS, ruid, euid, suid); }
SYSCALL(getresgid, u32 __user *rgid, u32 __user *egid, u32 __user *sgid) { return get_res_ids(GROUPS, rgid, egid, sgid); }

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
