/*
 * sysv.c - identifiers, keys and permissions of System V IPC. SOURCE: sysvipc(7), shmget(2), semget(2), msgget(2)
 */
#include "sysv.h"

#include <abi/capability.h>
#include <abi/errno.h>
#include <kernel/cred.h>
#include <kernel/task.h>
#include <mm/gfp.h>

#define IDS_PER_SEQ	32768

void ipc_table_init(struct ipc_table *t, const char *name, unsigned limit)
{
	mutex_init(&t->lock, name, LOCK_IPC);
	xa_init(&t->objects);
	t->limit = limit;
}

int ipc_permission(const struct ipc_object *o, u32 want)
{
	const struct cred *c = current->cred;
	u32 bits = o->mode;

	if (c->euid == o->uid || c->euid == o->cuid)
		bits >>= 6;
	else if (cred_in_group(c, o->gid) || cred_in_group(c, o->cgid))
		bits >>= 3;
	return !(want & ~bits & 6) || capable(CAP_IPC_OWNER) ? 0 : -EACCES;
}

bool ipc_is_owner(const struct ipc_object *o)
{
	u32 uid = current->cred->euid;

	return uid == o->uid || uid == o->cuid || capable(CAP_SYS_ADMIN);
}

static struct ipc_object *find_key(struct ipc_table *t, key_t key)
{
	unsigned long index;
	struct ipc_object *o;

	for (index = 0; (o = xa_find(&t->objects, &index, IDS_PER_SEQ - 1)); index++)
		if (o->key == key)
			return o;
	return NULL;
}

static int insert(struct ipc_table *t, struct ipc_object *o, key_t key, int flags)
{
	const struct cred *c = current->cred;
	unsigned long index = 0;
	int err;

	while (xa_load(&t->objects, index))
		index++;
	err = xa_store(&t->objects, index, o, GFP_KERNEL);
	if (err)
		return err;
	o->seq = t->next_seq++;
	o->id = (int)((o->seq & 0xffff) * IDS_PER_SEQ + index) & S32_MAX;
	o->key = key;
	o->uid = o->cuid = c->euid;
	o->gid = o->cgid = c->egid;
	o->mode = (u32)flags & 0777;
	t->count++;
	return o->id;
}

int ipc_get(struct ipc_table *t, key_t key, int flags, struct ipc_object *(*make)(void *arg, int *err),
	    int (*check)(struct ipc_object *o, void *arg), void *arg)
{
	struct ipc_object *o;
	int ret = 0;

	mutex_lock(&t->lock);
	o = key == IPC_PRIVATE ? NULL : find_key(t, key);
	if (o) {
		if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
			ret = -EEXIST;
		else
			ret = check(o, arg) ?: ipc_permission(o, (flags | flags >> 3 | flags >> 6) & 6) ?: o->id;
	} else if (key != IPC_PRIVATE && !(flags & IPC_CREAT)) {
		ret = -ENOENT;
	} else if (t->count >= t->limit) {
		ret = -ENOSPC;
	} else {
		o = make(arg, &ret);
		if (o)
			ret = insert(t, o, key, flags);
		if (o && ret < 0)
			t->discard(o);
	}
	mutex_unlock(&t->lock);
	return ret;
}

struct ipc_object *ipc_find(struct ipc_table *t, int id, int *err)
{
	struct ipc_object *o = id < 0 ? NULL : xa_load(&t->objects, id % IDS_PER_SEQ);

	if (o && o->id == id)
		return o;
	*err = o ? -EIDRM : -EINVAL;
	return NULL;
}

struct ipc_object *ipc_find_index(struct ipc_table *t, int index)
{
	return index < 0 || index >= IDS_PER_SEQ ? NULL : xa_load(&t->objects, index);
}

int ipc_highest_index(struct ipc_table *t)
{
	unsigned long index;
	int highest = 0;

	for (index = 0; xa_find(&t->objects, &index, IDS_PER_SEQ - 1); index++)
		highest = (int)index;
	return highest;
}

void ipc_remove(struct ipc_table *t, struct ipc_object *o)
{
	o->removed = true;
	xa_erase(&t->objects, o->id % IDS_PER_SEQ);
	t->count--;
}

void ipc_fill_perm(const struct ipc_object *o, struct ipc64_perm *p)
{
	*p = (struct ipc64_perm){ .key = o->key, .uid = o->uid, .gid = o->gid, .cuid = o->cuid, .cgid = o->cgid,
				  .mode = o->mode, .seq = o->seq };
}

int ipc_set_perm(struct ipc_object *o, const struct ipc64_perm *p)
{
	if (!ipc_is_owner(o))
		return -EPERM;
	o->uid = p->uid;
	o->gid = p->gid;
	o->mode = (o->mode & ~0777u) | (p->mode & 0777u);
	return 0;
}
