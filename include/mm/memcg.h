/*
 * memcg.h - memory cgroups: what a group of processes may use, and what it does use.
 *
 * A process's ledger owner belongs to a cgroup; so each frame that the owner pays for is charged to that cgroup and all above
 * it, at the moment the ledger books it. Charges stay where they were made: a process that moves gets a new owner.
 */
#ifndef MM_MEMCG_H
#define MM_MEMCG_H

#include <arch/page.h>
#include <kernel/lock.h>
#include <kernel/psi.h>
#include <lib/atomic.h>
#include <lib/list.h>
#include <mm/gfp.h>
#include <mm/ledger.h>

enum memcg_event { MEMCG_LOW, MEMCG_HIGH, MEMCG_MAX, MEMCG_OOM, MEMCG_OOM_KILL, MEMCG_OOM_GROUP_KILL, NR_MEMCG_EVENTS };
enum memcg_swap_event { SWAP_HIGH, SWAP_MAX, SWAP_FAIL, NR_SWAP_EVENTS };
enum memcg_vm_event {
	MEMCG_REFAULT_ANON, MEMCG_REFAULT_FILE, MEMCG_RESTORE_FILE, MEMCG_PGSCAN_KSWAPD, MEMCG_PGSCAN_DIRECT, MEMCG_PGSTEAL_KSWAPD,
	MEMCG_PGSTEAL_DIRECT, MEMCG_PGFAULT, MEMCG_PGMAJFAULT, MEMCG_PGREFILL, MEMCG_PGACTIVATE, MEMCG_PGDEACTIVATE, MEMCG_PGLAZYFREE,
	MEMCG_PGLAZYFREED, MEMCG_ZSWPIN, MEMCG_ZSWPOUT, NR_MEMCG_VM_EVENTS
};
#define MEMCG_NO_LIMIT	((long)(S64_MAX >> PAGE_SHIFT))
#define MEMCG_NAME_MAX	64

struct memcg {
	/* the tree: under memcg_lock() */
	struct memcg	*parent;		/* NULL: the root */
	struct list	children, sibling;
	u64		id;			/* inode number of its directory */
	char		name[MEMCG_NAME_MAX];
	bool		subtree_memory;		/* children have memory files */
	atomic_t	refs;			/* directories and files in use, processes, children, the tree itself */
	atomic_t	nr_procs;		/* living processes right in it */
	/* the numbers, frames: under the ledger's lock; with all below */
	long		pages, peak;
	long		stat[NR_ACCOUNTS];
	long		slab[2];		/* bytes of slab objects: unreclaimable, reclaimable */
	long		zswap_bytes;		/* kept in the compressed pool. The bytes of both are in `pages`, rounded up */
	long		slab_found, zswap_found;	/* by the audit */
	/* limits; read without a lock */
	long		max, high, low, min;
	bool		oom_group;
	atomic_long_t	events[NR_MEMCG_EVENTS];	/* with all below */
	atomic_long_t	events_local[NR_MEMCG_EVENTS];
	/* swap slots, and pages in the compressed pool: under swap_charge_lock; with all below */
	long		swap_pages, swap_peak, zswap_pages;
	long		swap_max, swap_high, zswap_max;	/* pages */
	u16		swap_id;		/* what slots name it by; 0: its parent pays */
	atomic_long_t	swap_events[NR_SWAP_EVENTS];
	atomic_long_t	vm_events[NR_MEMCG_VM_EVENTS];	/* with all below; the root's are the machine's (vm_event_read()) */
	atomic_long_t	sock_bytes;		/* on their way between loopback sockets; with all below; the root's too */
	struct psi_group psi;			/* the root's is psi_system */
};

#ifdef NO_LEDGER
#define memcg_available	false
#else
#define memcg_available	true
#endif
extern struct memcg memcg_root;
extern int memcg_count;				/* besides the root: 0 means nothing has to be checked */

void memcg_lock(void);				/* may sleep */
void memcg_unlock(void);
/* Under memcg_lock(). NULL: no memory. */
struct memcg *memcg_create(struct memcg *parent, const char *name, u32 len) must_check;
void memcg_remove(struct memcg *m);		/* empty of children and processes: its charges become the parent's */
void memcg_get(struct memcg *m);
void memcg_put(struct memcg *m);
static inline struct psi_group *memcg_psi(struct memcg *m)
{
	return m->parent ? &m->psi : &psi_system;
}
bool memcg_is_below(const struct memcg *m, const struct memcg *top);	/* m is top, or somewhere below */

/* A slot for a page of this owner: who pays goes into *id (0: nobody). False: a cgroup's memory.swap.max forbids it. */
bool memcg_swap_charge(owner_t o, u16 *id) must_check;
void memcg_swap_uncharge(u16 id);
bool memcg_swap_full(owner_t o);		/* its cgroup or one above is at memory.swap.max: no page may get a slot */
void memcg_swap_refused(owner_t o);		/* events, once per reclaim that passed over such pages */
bool memcg_zswap_allowed(owner_t o);
/* A page goes into the compressed pool, or leaves it (negative). */
void memcg_zswap_charge(u16 id, long bytes, long pages);
void memcg_sock_charge(owner_t o, long bytes);
long memcg_swap_slots(void);			/* charged to anybody, for the audit */
void memcg_zswap_audit(struct audit *a, void (*find)(void (*found)(u16 id, long bytes)));	/* find: each page in the pool */

/* What is charged by bytes, as pages. Slab objects: mm/memcg_slab.c. */
static inline long memcg_byte_pages(const struct memcg *m)
{
	return (max(m->slab[0] + m->slab[1] + m->zswap_bytes, 0L) + (long)PAGE_SIZE - 1) >> PAGE_SHIFT;
}
void memcg_slab_sync(void);		/* all cgroups' numbers are up to date */
void memcg_slab_switch(bool on);	/* there are cgroups, or none any more */

/* memory.stat: mm/memcg_stat.c. */
void memcg_stat_show(struct text *out, struct memcg *m);
void memcg_numa_stat_show(struct text *out, struct memcg *m);	/* memory.numa_stat: of the one node */
void memcg_vm_event_slow(owner_t o, enum memcg_vm_event e);
static inline void memcg_vm_event(owner_t o, enum memcg_vm_event e)
{
	if (unlikely(memcg_count))
		memcg_vm_event_slow(o, e);
}

void memcg_bind_owner(owner_t o, struct memcg *m);	/* a fresh owner */
struct memcg *memcg_of_owner(owner_t o);		/* never NULL */
/* On whose behalf reclaim works, and what it leaves to the cgroups below: mm/memcg_protect.c. Starts as zeroes but for target. */
struct memcg_scope {
	struct memcg	*target;		/* NULL: the machine */
	bool		low_gives_way;		/* memory.low counts no more */
	bool		low_skipped;		/* out: something was left because of it */
	bool		low_noted;
	/* of the cgroup asked about last; m NULL: find out again */
	bool		outside;
	struct memcg	*m;			/* only compared */
	long		min, low;
	long		credit;			/* of pages that are not covered */
};
/* Must a page of this owner stay? `leaving`: pages on their way out that are still counted; last: the last round, what may go goes. */
bool memcg_spares(struct memcg_scope *s, owner_t o, long leaving, bool last);
extern bool memcg_protects;			/* some cgroup has, or had, memory.min or low */
extern bool memcg_recursive_protection;		/* mount option memory_recursiveprot */
extern spinlock_t memcg_tree_lock;		/* LOCK_LEAF: nobody joins or leaves the tree, no cgroup in it is freed */

/* Room for nr frames in the cgroup of `o` and all above: reclaims, and in the end kills. False: the allocation fails. */
bool memcg_may_charge(owner_t o, long nr, gfp_t gfp, unsigned order) must_check;
void memcg_over_high(void);			/* on the way to user mode, when current->memcg_high says so */
/* Give back until at most `pages` are in use. Frames that went. */
unsigned long memcg_shrink(struct memcg *m, long pages, gfp_t gfp);
/* Take so many pages, or what there is; those that come back meanwhile do not count. Frames that went. */
unsigned long memcg_reclaim(struct memcg *m, unsigned long pages, gfp_t gfp);
void memcg_event(struct memcg *m, enum memcg_event e);

/* Set by proc/oom.c: choose and kill inside m. True: trying again may help. */
extern bool (*memcg_oom)(struct memcg *m, gfp_t gfp, unsigned order);
/* mm/reclaim.c */
unsigned long reclaim_memcg(struct memcg *m, unsigned long nr, gfp_t gfp);

#endif
