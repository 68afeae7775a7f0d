/*
 * memcg_stat.c - memory.stat: what a cgroup's memory is, and what happened to it.
 *
 * KEPT        by account, under the ledger's lock (charge.h); slab bytes (memcg_slab.c); events, counted where the machine's are, by the
 *             owner of the page or the task that faults, only while there are cgroups.
 * LOOKED UP   which pages are mapped, dirty, active …: by a walk over all frames when somebody reads the file. Nothing has to be
 *             kept up to date on hot paths for it.
 * LINUX       6.1's keys in its order, but those of huge pages and of NUMA; refaults of files only (docs/linux-differences.md).
 */
#include <kernel/sched.h>
#include <lib/text.h>
#include <mm/lru.h>
#include <mm/memcg.h>
#include <mm/page_alloc.h>

#ifndef NO_LEDGER

void memcg_vm_event_slow(owner_t o, enum memcg_vm_event e)
{
	for (struct memcg *m = memcg_of_owner(o); m->parent; m = m->parent)
		atomic_inc(&m->vm_events[e]);
}

struct census {
	unsigned long	mapped, dirty, writeback, lists[NR_LRU];
};

static void look_at(const struct page *p, struct census *c)
{
	if (!page_is_anon(p) && (p->account == ACCT_PAGE_CACHE || p->account == ACCT_SHMEM)) {
		c->mapped += page_mapcount(p) > 0;
		c->dirty += page_test(p, PG_DIRTY);
		c->writeback += page_test(p, PG_WRITEBACK);
	}
	if (page_test(p, PG_LRU))
		c->lists[lru_list_of(p)]++;
}

static void take_census(struct memcg *m, struct census *c)
{
	owner_t known = OWNER_MACHINE;
	bool ours = false;

	for (pfn_t pfn = 0; pfn < page_max_pfn(); pfn++) {
		const struct page *p = pfn_to_page(pfn);

		if (!(pfn & ((1UL << MAX_ORDER) - 1))) {
			cond_resched();
			if (!page_array_backed(pfn)) {
				pfn += (1UL << MAX_ORDER) - 1;
				continue;
			}
		}
		if (p->account < ACCT_PAGE_CACHE || p->account > ACCT_SWAP_CACHE)
			continue;
		if (p->owner != known) {		/* neighbours mostly have the same */
			known = p->owner;
			ours = memcg_is_below(memcg_of_owner(known), m);
		}
		if (ours)
			look_at(p, c);
	}
}

static void show_memory(struct text *out, struct memcg *m, const struct census *c)
{
	const long *s = m->stat;
	long slab = m->slab[0] + m->slab[1];
	const struct { const char *name; long pages, bytes; } rows[] = {
		{ "anon", s[ACCT_ANON], 0 },
		{ "file", s[ACCT_PAGE_CACHE] + s[ACCT_SHMEM], 0 },
		{ "kernel", s[ACCT_KSTACK] + s[ACCT_PAGE_TABLE] + s[ACCT_PERCPU] + s[ACCT_VMALLOC] + s[ACCT_SLAB], slab },
		{ "kernel_stack", s[ACCT_KSTACK], 0 },
		{ "pagetables", s[ACCT_PAGE_TABLE], 0 },
		{ "sec_pagetables", 0, 0 },
		{ "percpu", s[ACCT_PERCPU], 0 },
		{ "sock", 0, 0 },
		{ "vmalloc", s[ACCT_VMALLOC], 0 },
		{ "shmem", s[ACCT_SHMEM], 0 },
		{ "zswap", 0, m->zswap_bytes },
		{ "file_mapped", (long)c->mapped, 0 },
		{ "file_dirty", (long)c->dirty, 0 },
		{ "file_writeback", (long)c->writeback, 0 },
		{ "swapcached", s[ACCT_SWAP_CACHE], 0 },
		{ "inactive_anon", (long)c->lists[LRU_INACTIVE_ANON], 0 },
		{ "active_anon", (long)c->lists[LRU_ACTIVE_ANON], 0 },
		{ "inactive_file", (long)c->lists[LRU_INACTIVE_FILE], 0 },
		{ "active_file", (long)c->lists[LRU_ACTIVE_FILE], 0 },
		{ "unevictable", (long)c->lists[LRU_UNEVICTABLE], 0 },
		{ "slab_reclaimable", 0, m->slab[1] },
		{ "slab_unreclaimable", s[ACCT_SLAB], m->slab[0] },
		{ "slab", s[ACCT_SLAB], slab },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		text_printf(out, "%s %ld\n", rows[i].name, max((rows[i].pages << PAGE_SHIFT) + rows[i].bytes, 0L));
}

static void show_events(struct text *out, struct memcg *m)
{
	static const char *const names[NR_MEMCG_VM_EVENTS] = {
		[MEMCG_REFAULT_FILE] = "workingset_refault_file", [MEMCG_PGSCAN_KSWAPD] = "pgscan_kswapd",
		[MEMCG_PGSCAN_DIRECT] = "pgscan_direct", [MEMCG_PGSTEAL_KSWAPD] = "pgsteal_kswapd",
		[MEMCG_PGSTEAL_DIRECT] = "pgsteal_direct", [MEMCG_PGFAULT] = "pgfault", [MEMCG_PGMAJFAULT] = "pgmajfault",
		[MEMCG_PGREFILL] = "pgrefill", [MEMCG_PGACTIVATE] = "pgactivate", [MEMCG_PGDEACTIVATE] = "pgdeactivate",
		[MEMCG_PGLAZYFREED] = "pglazyfreed",
	};
	atomic_long_t *e = m->vm_events;

	for (unsigned i = 0; i < NR_MEMCG_VM_EVENTS; i++) {
		if (i == MEMCG_PGSCAN_KSWAPD)
			text_printf(out, "pgscan %ld\npgsteal %ld\n", atomic_read(&e[MEMCG_PGSCAN_KSWAPD]) + atomic_read(&e[MEMCG_PGSCAN_DIRECT]),
				    atomic_read(&e[MEMCG_PGSTEAL_KSWAPD]) + atomic_read(&e[MEMCG_PGSTEAL_DIRECT]));
		text_printf(out, "%s %ld\n", names[i], atomic_read(&e[i]));
	}
}

void memcg_stat_show(struct text *out, struct memcg *m)
{
	struct census c = { 0 };

	memcg_slab_sync();
	take_census(m, &c);
	show_memory(out, m, &c);
	show_events(out, m);
}

#else
void memcg_stat_show(struct text *out, struct memcg *m) { }
void memcg_vm_event_slow(owner_t o, enum memcg_vm_event e) { }
#endif
