/*
 * memcg.c - memory cgroups: charging, limits, what happens at a limit.
 *
 * SHAPE       owner (a process in the ledger) -> cgroup -> … -> root. The ledger's two lines that book a frame in or out also
 *             change the cgroup's numbers and those of all above (charge.h), under the same lock; so cgroups are as
 *             exact as the ledger, and an owner outside any cgroup pays one comparison.
 * LIMITS      checked before the allocation, in page_alloc_at(): over max, the cgroup is reclaimed from, then somebody in it
 *             killed. Over high, the task reclaims on its way back to user mode, and sleeps a little when that was not
 *             enough. Allocations that cannot sleep, and those of a dying task, may exceed max, as on Linux.
 * PROTECTION  memory.min and low: memcg_protect.c.
 * CHARGED     user pages, page cache, page tables, kernel stacks, large kernel buffers, by frames; slab objects by bytes (memcg_slab.c).
 * LIFE        a removed cgroup's charges become its parent's at once: the parent's numbers hold them already.
 * LOCKS       memcg_mutex (LOCK_IPC) for the tree, memcg_tree_lock inside it for who only looks at it, from reclaim;
 *             ledger_books.lock for numbers.
 */
#include <kernel/lock.h>
#include <kernel/main.h>
#include <kernel/psi.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <mm/memcg.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include "ledger/charge.h"
#include "ledger/owners.h"

#define RETRIES		16			/* fruitless rounds of reclaim before the OOM decision; as Linux */
#define HIGH_NAP	(10 * NSEC_PER_MSEC)	/* for a task whose cgroup is over high after reclaiming: at least, */
#define HIGH_NAP_MOST	(2 * NSEC_PER_SEC)	/* and at most */

struct memcg memcg_root = {
	.children = LIST_INIT(memcg_root.children), .sibling = LIST_INIT(memcg_root.sibling), .refs = ATOMIC_INIT(1),
	.max = MEMCG_NO_LIMIT, .high = MEMCG_NO_LIMIT, .id = 1,
	.swap_max = MEMCG_NO_LIMIT, .swap_high = MEMCG_NO_LIMIT, .zswap_max = MEMCG_NO_LIMIT,
};
int memcg_count;
bool (*memcg_oom)(struct memcg *m, gfp_t gfp, unsigned order);

spinlock_t memcg_tree_lock = SPINLOCK_INIT("memcg_tree", LOCK_LEAF);
static struct mutex memcg_mutex = MUTEX_INIT(memcg_mutex, "memcg", LOCK_IPC);
static u64 next_id = 2;

void memcg_lock(void)
{
	mutex_lock(&memcg_mutex);
}

void memcg_unlock(void)
{
	mutex_unlock(&memcg_mutex);
}

/* ---- swap: slots name who pays by a small number ---- */

#define SWAP_IDS	512
#define ZSWAP_SHARE	2		/* the compressed pool may have this part of memory.max */

static spinlock_t swap_charge_lock = SPINLOCK_INIT("memcg_swap", LOCK_LEAF);
static struct memcg *swap_payers[SWAP_IDS];	/* a removed cgroup's number stands for its parent until no slot names it */
static u32 swap_id_slots[SWAP_IDS];

static void swap_id_get(struct memcg *m)
{
	spin_lock(&swap_charge_lock);
	for (u16 i = 1; i < SWAP_IDS && !m->swap_id; i++)
		if (!swap_payers[i]) {
			swap_payers[i] = m;
			m->swap_id = i;
		}
	spin_unlock(&swap_charge_lock);
}

static void swap_id_put(struct memcg *m)
{
	spin_lock(&swap_charge_lock);
	for (u16 i = 1; i < SWAP_IDS; i++)
		if (swap_payers[i] == m)
			swap_payers[i] = swap_id_slots[i] ? m->parent : NULL;
	spin_unlock(&swap_charge_lock);
}

static struct memcg *swap_payer(owner_t o)
{
	struct memcg *m = memcg_of_owner(o);

	while (m != &memcg_root && !m->swap_id)
		m = m->parent;
	return m;
}

/* The first of m and those above it that is at its limit. */
static struct memcg *swap_full(struct memcg *m)
{
	for (; m; m = m->parent)
		if (READ_ONCE(m->swap_pages) >= m->swap_max)
			return m;
	return NULL;
}

static void swap_refused_by(struct memcg *full)
{
	for (struct memcg *c = full; c; c = c->parent) {
		atomic_inc(&c->swap_events[SWAP_MAX]);
		atomic_inc(&c->swap_events[SWAP_FAIL]);
	}
}

bool memcg_swap_full(owner_t o)
{
	return swap_full(swap_payer(o));
}

void memcg_swap_refused(owner_t o)
{
	swap_refused_by(swap_full(swap_payer(o)));
}

bool memcg_swap_charge(owner_t o, u16 *id)
{
	struct memcg *m = swap_payer(o), *full;

	*id = 0;
	if (m == &memcg_root)
		return true;
	spin_lock(&swap_charge_lock);
	full = swap_full(m);
	if (!full) {
		*id = m->swap_id;
		swap_id_slots[*id]++;
		for (struct memcg *c = m; c; c = c->parent)
			if (++c->swap_pages > c->swap_peak)
				c->swap_peak = c->swap_pages;
	}
	spin_unlock(&swap_charge_lock);
	swap_refused_by(full);
	return !full;
}

void memcg_swap_uncharge(u16 id)
{
	struct memcg *m;

	spin_lock(&swap_charge_lock);
	m = swap_payers[id];
	for (struct memcg *c = m; c; c = c->parent)
		c->swap_pages--;
	if (!--swap_id_slots[id] && m && m->swap_id != id)
		swap_payers[id] = NULL;
	spin_unlock(&swap_charge_lock);
}

bool memcg_zswap_allowed(owner_t o)
{
	for (struct memcg *m = memcg_of_owner(o); m; m = m->parent)
		if (READ_ONCE(m->zswap_bytes) >> PAGE_SHIFT >= min(m->zswap_max, m->max / ZSWAP_SHARE))
			return false;
	return true;
}

void memcg_zswap_charge(u16 id, long bytes, long pages)
{
	spin_lock(&ledger_books.lock);
	spin_lock(&swap_charge_lock);
	for (struct memcg *m = swap_payers[id]; m; m = m->parent) {
		m->pages -= memcg_byte_pages(m);
		m->zswap_bytes += bytes;
		m->pages += memcg_byte_pages(m);
		if (m->pages > m->peak)
			m->peak = m->pages;
		m->zswap_pages += pages;
		atomic_add(&m->vm_events[MEMCG_ZSWPOUT], max(pages, 0L));
	}
	spin_unlock(&swap_charge_lock);
	spin_unlock(&ledger_books.lock);
}

static void note_zswap(u16 id, long bytes)
{
	for (struct memcg *m = id ? swap_payers[id] : NULL; m; m = m->parent)
		m->zswap_found += bytes;
}

static void compare_zswap(struct audit *a, struct memcg *m)
{
	struct memcg *c;

	audit_expect(a, "memcg zswap bytes", m->zswap_bytes, m->zswap_found);
	m->zswap_found = 0;
	list_for_each(c, &m->children, sibling)
		compare_zswap(a, c);
}

void memcg_zswap_audit(struct audit *a, void (*find)(void (*found)(u16 id, long bytes)))
{
	find(note_zswap);
	compare_zswap(a, &memcg_root);
}

long memcg_swap_slots(void)
{
	long n = 0;

	for (unsigned i = 1; i < SWAP_IDS; i++)
		n += swap_id_slots[i];
	return n;
}

/* ---- the tree ---- */

struct memcg *memcg_create(struct memcg *parent, const char *name, u32 len)
{
	struct memcg *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		return NULL;
	memcpy(m->name, name, len);
	m->id = next_id++;
	memcg_get(parent);
	m->parent = parent;
	m->max = m->high = MEMCG_NO_LIMIT;
	m->swap_max = m->swap_high = m->zswap_max = MEMCG_NO_LIMIT;
	swap_id_get(m);
	psi_group_init(&m->psi, memcg_psi(parent));
	atomic_set(&m->refs, 1);
	list_init(&m->children);
	spin_lock(&memcg_tree_lock);
	list_append(&parent->children, &m->sibling);
	spin_unlock(&memcg_tree_lock);
	if (!memcg_count++)
		memcg_slab_switch(true);
	return m;
}

void memcg_remove(struct memcg *m)
{
	unsigned nr = ledger_nr_owners();

	ledger_lock();
	for (unsigned o = 1; o < nr; o++)
		if (ledger_owners[o].memcg == m)
			ledger_owners[o].memcg = m->parent == &memcg_root ? NULL : m->parent;
	ledger_unlock();
	memcg_slab_sync();
	swap_id_put(m);
	spin_lock(&memcg_tree_lock);		/* its owners are the parent's by now: nobody finds it from here on */
	list_remove(&m->sibling);
	spin_unlock(&memcg_tree_lock);
	if (!--memcg_count)
		memcg_slab_switch(false);
	memcg_put(m);
}

void memcg_get(struct memcg *m)
{
	atomic_inc(&m->refs);
}

void memcg_put(struct memcg *m)
{
	while (m && atomic_dec_and_test(&m->refs)) {
		struct memcg *parent = m->parent;

		psi_group_end(&m->psi);
		kfree(m);
		m = parent;
	}
}

bool memcg_is_below(const struct memcg *m, const struct memcg *top)
{
	for (; m; m = m->parent)
		if (m == top)
			return true;
	return false;
}

void memcg_bind_owner(owner_t o, struct memcg *m)
{
	if (m == &memcg_root)
		m = NULL;
	if (!o || !ledger_owners || ledger_owners[o].memcg == m)
		return;
	ledger_lock();				/* what it took so far is not the cgroup's */
	ledger_owners[o].memcg = m;
	ledger_unlock();
}

struct memcg *memcg_of_owner(owner_t o)
{
	struct memcg *m = ledger_owners ? READ_ONCE(ledger_owners[o].memcg) : NULL;

	return m ? m : &memcg_root;
}

void memcg_sock_charge(owner_t o, long bytes)
{
	for (struct memcg *m = memcg_of_owner(o); m; m = m->parent)
		atomic_add(&m->sock_bytes, bytes);
}

void memcg_event(struct memcg *m, enum memcg_event e)
{
	atomic_inc(&m->events_local[e]);
	for (; m; m = m->parent)
		atomic_inc(&m->events[e]);
}

/* ---- audit ---- */

#ifndef NO_LEDGER
/* What the owners in m and below it hold, by the owner table. */
static long frames_below(const struct memcg *m)
{
	unsigned nr = ledger_nr_owners();
	long sum = 0;

	for (unsigned o = 1; o < nr; o++)
		if (ledger_owners[o].memcg && memcg_is_below(ledger_owners[o].memcg, m))
			sum += ledger_owners[o].frames;
	return sum;
}

static void audit_below(struct audit *a, struct memcg *m)
{
	struct memcg *c;

	list_for_each(c, &m->children, sibling) {
		long sum = 0;

		for (unsigned i = 0; i < NR_ACCOUNTS; i++)
			sum += c->stat[i];
		sum += memcg_byte_pages(c);
		audit_expect(a, "memcg pages", c->pages, frames_below(c) + memcg_byte_pages(c));
		audit_expect(a, "memcg stat", c->pages, sum);
		audit_below(a, c);
	}
}

static void audit_memcg(struct audit *a)
{
	audit_below(a, &memcg_root);
}

static int memcg_audit_init(void)
{
	static struct audit_walker walker = { .name = "memcg", .fn = audit_memcg };

	audit_register(&walker);
	return 0;
}
initcall(memcg_audit_init, 1);
#endif

/* ---- reclaim ---- */

unsigned long memcg_shrink(struct memcg *m, long pages, gfp_t gfp)
{
	unsigned long freed = 0;

	for (int tries = 0; READ_ONCE(m->pages) > pages && tries < RETRIES; ) {
		unsigned long n = reclaim_memcg(m, (unsigned long)(m->pages - pages), gfp);

		freed += n;
		tries = n ? 0 : tries + 1;
		if (signal_pending())		/* a cgroup that works may take back what goes */
			break;
		cond_resched();
	}
	return freed;
}

unsigned long memcg_reclaim(struct memcg *m, unsigned long pages, gfp_t gfp)
{
	unsigned long freed = 0;

	for (int tries = 0; freed < pages && tries < RETRIES && !fatal_signal_pending(); ) {
		unsigned long n = reclaim_memcg(m, pages - freed, gfp);

		freed += n;
		tries = n ? 0 : tries + 1;
		cond_resched();
	}
	return freed;
}

/* ---- charging ---- */

static bool may_exceed(gfp_t gfp)
{
	return !(gfp & GFP_WAIT) || (gfp & GFP_NOFAIL) || (current->flags & (TF_MEMALLOC | TF_EXITING | TF_OOM_VICTIM)) ||
	       fatal_signal_pending();
}

/* True: go on with the charge, whatever the number is now. */
static bool reclaim_or_kill(struct memcg *m, long nr, gfp_t gfp, unsigned order)
{
	for (unsigned rounds = 0; READ_ONCE(m->pages) + nr > m->max; ) {
		if (may_exceed(gfp))
			return true;
		memcg_event(m, MEMCG_MAX);
		if (reclaim_memcg(m, max((unsigned long)nr, 32UL), gfp)) {
			rounds = 0;
			cond_resched();
			continue;
		}
		if (++rounds < RETRIES && !(gfp & GFP_NORETRY))
			continue;
		if ((gfp & GFP_NORETRY) || !memcg_oom || !memcg_oom(m, gfp, order))
			return fatal_signal_pending();
		rounds = 0;
	}
	return true;
}

static bool make_room(struct memcg *m, long nr, gfp_t gfp, unsigned order)
{
	bool ok;

	if (may_exceed(gfp))
		return true;
	psi_memstall_enter();
	ok = reclaim_or_kill(m, nr, gfp, order);
	psi_memstall_leave();
	return ok;
}

bool memcg_may_charge(owner_t o, long nr, gfp_t gfp, unsigned order)
{
	for (struct memcg *m = memcg_of_owner(o); m != &memcg_root; m = m->parent) {
		long after = READ_ONCE(m->pages) + nr;

		if (unlikely(after > m->high || m->swap_pages > m->swap_high) && current->process && !(current->flags & (TF_KTHREAD | TF_EXITING))) {
			current->memcg_high = true;
			task_set_work(current, WORK_NOTIFY);
		}
		if (unlikely(after > m->max) && !make_room(m, nr, gfp, order))
			return false;
	}
	return true;
}

/* With the square of the excess: 62 ms at a quarter over high, a second at twice high. */
static ktime_t high_nap(long pages, long high)
{
	u64 excess = (u64)max(pages - high, 0L) * 1024 / (u64)max(high, 1L);	/* in 1/1024 of high */

	excess = min(excess, 2048ull);
	return (ktime_t)clamp(excess * excess * NSEC_PER_SEC >> 20, (u64)HIGH_NAP, (u64)HIGH_NAP_MOST);
}

void memcg_over_high(void)
{
	current->memcg_high = false;
	for (struct memcg *m = memcg_of_owner(current->owner); m != &memcg_root; m = m->parent) {
		if (READ_ONCE(m->swap_pages) > m->swap_high && !fatal_signal_pending()) {
			atomic_inc(&m->swap_events[SWAP_HIGH]);
			task_set_state(TASK_KILLABLE);
			schedule_timeout(HIGH_NAP);
		}
		if (READ_ONCE(m->pages) <= m->high)
			continue;
		memcg_event(m, MEMCG_HIGH);
		psi_memstall_enter();
		reclaim_memcg(m, (unsigned long)(m->pages - m->high), GFP_KERNEL);
		if (READ_ONCE(m->pages) > m->high && !fatal_signal_pending()) {
			task_set_state(TASK_KILLABLE);
			schedule_timeout(high_nap(READ_ONCE(m->pages), m->high));
		}
		psi_memstall_leave();
	}
}
