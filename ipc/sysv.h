/*
 * sysv.h - identifiers of System V IPC objects, shared by shared memory, semaphores and messages. Private to ipc/.
 */
#ifndef IPC_SYSV_H
#define IPC_SYSV_H

#include <abi/ipc.h>
#include <kernel/lock.h>
#include <lib/xarray.h>

/* First member of every object. */
struct ipc_object {
	int		id;
	key_t		key;
	u32		uid, gid, cuid, cgid;
	u32		mode;		/* permission bits, SHM_DEST, SHM_LOCKED */
	u16		seq;
	bool		removed;	/* IPC_RMID was done: sleepers return EIDRM */
};

/* All objects of one kind. The mutex guards the table and every object in it. */
struct ipc_table {
	struct mutex	lock;		/* LOCK_IPC */
	struct xarray	objects;	/* by index; id = seq * 32768 + index */
	unsigned	count, limit;
	u16		next_seq;
	void		(*discard)(struct ipc_object *o);	/* made, but there is no room in the table */
};

void ipc_table_init(struct ipc_table *t, const char *name, unsigned limit);
/*
 * The get call of all three: find key, or make. make(arg) returns a new object (fields of struct ipc_object are filled in here)
 * or NULL with *err set. check(object, arg) looks at an existing one. The id, or -errno. Takes the lock.
 */
int ipc_get(struct ipc_table *t, key_t key, int flags, struct ipc_object *(*make)(void *arg, int *err),
	    int (*check)(struct ipc_object *o, void *arg), void *arg);
/* By id, lock held. NULL: EINVAL (never existed) or EIDRM (removed since) in *err. */
struct ipc_object *ipc_find(struct ipc_table *t, int id, int *err);
struct ipc_object *ipc_find_index(struct ipc_table *t, int index);
int ipc_permission(const struct ipc_object *o, u32 want);	/* bits 4 read, 2 write; 0 or -EACCES */
bool ipc_is_owner(const struct ipc_object *o);			/* for IPC_SET, IPC_RMID */
void ipc_remove(struct ipc_table *t, struct ipc_object *o);	/* out of the table; the caller frees */
void ipc_fill_perm(const struct ipc_object *o, struct ipc64_perm *p);
int ipc_set_perm(struct ipc_object *o, const struct ipc64_perm *p);
int ipc_highest_index(struct ipc_table *t);

#endif
