/*
 * memcg_stat.c - memory.stat, memory.numa_stat: what a cgroup's memory is, and what happened to it.
 *
 * KEPT        by account, under the ledger's lock (charge.h); slab bytes (memcg_slab.c); zswap (memcg.c); events, counted where the
 *             machine's are, by the owner of the page or the task that faults, only while there are cgroups.
 * LOOKED UP   which pages are mapped, dirty, active …: by a walk over all frames when somebody reads the file. Nothing has to be
 *             kept up to date on hot paths for it.
 * ROOT        nobody books there: its numbers are the machine's.
 * LINUX       6.1's keys in its order. Always 0, as nothing of the kind exists: huge pages, page tables of virtual machines, per-CPU memory
 *             on behalf of processes, the cache's shadow nodes, anonymous pages that start active (docs/linux-differences.md).
 */
#include <kernel/sched.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/lru.h>
#include <mm/memcg.h>
#include <mm/page_alloc.h>
#include <mm/zswap.h>

#ifndef NO_LEDGER

void memcg_vm_event_slow(owner_t o, enum memcg_vm_event e)
{
	for (struct memcg *m = memcg_of_owner(o); m->parent; m = m->parent)
		atomic_inc(&m->vm_events[e]);
}

struct census {
	unsigned long	mapped, dirty, writeback, swapcached, lists[NR_LRU];
};

static void look_at(const struct page *p, struct census *c)
{
	if (!page_is_anon(p) && (p->account == ACCT_PAGE_CACHE || p->account == ACCT_SHMEM)) {
		c->mapped += page_mapcount(p) > 0;
		c->dirty += page_test(p, PG_DIRTY);
		c->writeback += page_test(p, PG_WRITEBACK);
	}
	c->swapcached += page_test(p, PG_SWAPCACHE);
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

/* ---- numbers by account ---- */

struct books {
	long	frames[NR_ACCOUNTS];
	long	slab[2];		/* bytes that are in no frame of the account's own */
	long	zswap_bytes, zswap_pages;
};

static void read_machine(struct books *b)
{
	for (unsigned i = 0; i < NR_ACCOUNTS; i++)
		b->frames[i] = ledger_managed_frames((enum account)i);
	b->slab[1] = vm_stat_read(NR_SLAB_RECLAIMABLE) << PAGE_SHIFT;
	b->frames[ACCT_SLAB] -= vm_stat_read(NR_SLAB_RECLAIMABLE);
	b->slab[0] = 0;
	b->zswap_bytes = zswap_pool_bytes();
	b->zswap_pages = atomic_read(&zswap.stored);
}

static void read_books(struct memcg *m, struct books *b)
{
	if (!m->parent) {
		read_machine(b);
		return;
	}
	memcg_slab_sync();
	memcpy(b->frames, m->stat, sizeof(b->frames));
	memcpy(b->slab, m->slab, sizeof(b->slab));
	b->zswap_bytes = m->zswap_bytes;
	b->zswap_pages = m->zswap_pages;
}

/* ---- events ---- */

static const struct {
	u8	of, less;		/* the machine's, for the root; less: without these */
} machine_events[NR_MEMCG_VM_EVENTS] = {
	[MEMCG_REFAULT_ANON] = { WORKINGSET_REFAULT_ANON }, [MEMCG_REFAULT_FILE] = { WORKINGSET_REFAULT },
	[MEMCG_RESTORE_FILE] = { WORKINGSET_RESTORE }, [MEMCG_PGSCAN_KSWAPD] = { PGSCAN, PGSCAN_DIRECT },
	[MEMCG_PGSCAN_DIRECT] = { PGSCAN_DIRECT }, [MEMCG_PGSTEAL_KSWAPD] = { PGSTEAL, PGSTEAL_DIRECT },
	[MEMCG_PGSTEAL_DIRECT] = { PGSTEAL_DIRECT }, [MEMCG_PGFAULT] = { PGFAULT }, [MEMCG_PGMAJFAULT] = { PGMAJFAULT },
	[MEMCG_PGREFILL] = { PGREFILL }, [MEMCG_PGACTIVATE] = { PGACTIVATE }, [MEMCG_PGDEACTIVATE] = { PGDEACTIVATE },
	[MEMCG_PGLAZYFREE] = { PGLAZYFREE }, [MEMCG_PGLAZYFREED] = { PGLAZYFREED }, [MEMCG_ZSWPIN] = { ZSWPIN }, [MEMCG_ZSWPOUT] = { ZSWPOUT },
};

static long event(struct memcg *m, enum memcg_vm_event e)
{
	long n;

	if (m->parent)
		return atomic_read(&m->vm_events[e]);
	n = (long)vm_event_read(machine_events[e].of);
	return machine_events[e].less ? max(n - (long)vm_event_read(machine_events[e].less), 0L) : n;
}

/* ---- the files ---- */

/* A number of pages and bytes; what is told per node stands in memory.numa_stat, too. */
struct row {
	const char	*name;
	long		pages, bytes;
	bool		node;
};

static void show_row(struct text *out, const struct row *r, bool node_file)
{
	long n = max((r->pages << PAGE_SHIFT) + r->bytes, 0L);

	if (!node_file)
		text_printf(out, "%s %ld\n", r->name, n);
	else if (r->node)
		text_printf(out, "%s N0=%ld\n", r->name, n);
}

static void show_memory(struct text *out, struct memcg *m, bool node_file)
{
	struct census c = { 0 };
	struct books b;
	const long *s = b.frames;

	read_books(m, &b);
	take_census(m, &c);
	const struct row rows[] = {
		{ "anon", s[ACCT_ANON], 0, true },
		{ "file", s[ACCT_PAGE_CACHE] + s[ACCT_SHMEM], 0, true },
		{ "kernel", s[ACCT_KSTACK] + s[ACCT_PAGE_TABLE] + s[ACCT_PERCPU] + s[ACCT_VMALLOC] + s[ACCT_SLAB],
		  b.slab[0] + b.slab[1] + b.zswap_bytes, false },
		{ "kernel_stack", s[ACCT_KSTACK], 0, true },
		{ "pagetables", s[ACCT_PAGE_TABLE], 0, true },
		{ "sec_pagetables", 0, 0, true },
		{ "percpu", s[ACCT_PERCPU], 0, false },
		{ "sock", 0, atomic_read(&m->sock_bytes), false },
		{ "vmalloc", s[ACCT_VMALLOC], 0, false },
		{ "shmem", s[ACCT_SHMEM], 0, true },
		{ "zswap", 0, b.zswap_bytes, false },
		{ "zswapped", b.zswap_pages, 0, false },
		{ "file_mapped", (long)c.mapped, 0, true },
		{ "file_dirty", (long)c.dirty, 0, true },
		{ "file_writeback", (long)c.writeback, 0, true },
		{ "swapcached", (long)c.swapcached, 0, true },
		{ "anon_thp", 0, 0, true },
		{ "file_thp", 0, 0, true },
		{ "shmem_thp", 0, 0, true },
		{ "inactive_anon", (long)c.lists[LRU_INACTIVE_ANON], 0, true },
		{ "active_anon", (long)c.lists[LRU_ACTIVE_ANON], 0, true },
		{ "inactive_file", (long)c.lists[LRU_INACTIVE_FILE], 0, true },
		{ "active_file", (long)c.lists[LRU_ACTIVE_FILE], 0, true },
		{ "unevictable", (long)c.lists[LRU_UNEVICTABLE], 0, true },
		{ "slab_reclaimable", 0, b.slab[1], true },
		{ "slab_unreclaimable", s[ACCT_SLAB], b.slab[0], true },
		{ "slab", s[ACCT_SLAB], b.slab[0] + b.slab[1], false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		show_row(out, &rows[i], node_file);
}

/* Counted in pages, told as they are. A page that was dropped too early starts active when it comes back: refault_file is activate_file. */
static void show_workingset(struct text *out, struct memcg *m, bool node_file)
{
	const struct { const char *name; long n; } rows[] = {
		{ "refault_anon", event(m, MEMCG_REFAULT_ANON) }, { "refault_file", event(m, MEMCG_REFAULT_FILE) },
		{ "activate_anon", 0 }, { "activate_file", event(m, MEMCG_REFAULT_FILE) },
		{ "restore_anon", 0 }, { "restore_file", event(m, MEMCG_RESTORE_FILE) }, { "nodereclaim", 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		text_printf(out, node_file ? "workingset_%s N0=%ld\n" : "workingset_%s %ld\n", rows[i].name, rows[i].n);
}

static void show_events(struct text *out, struct memcg *m)
{
	static const struct { const char *name; u8 e; } rows[] = {
		{ "pgscan_kswapd", MEMCG_PGSCAN_KSWAPD }, { "pgscan_direct", MEMCG_PGSCAN_DIRECT }, { "pgsteal_kswapd", MEMCG_PGSTEAL_KSWAPD },
		{ "pgsteal_direct", MEMCG_PGSTEAL_DIRECT }, { "pgfault", MEMCG_PGFAULT }, { "pgmajfault", MEMCG_PGMAJFAULT },
		{ "pgrefill", MEMCG_PGREFILL }, { "pgactivate", MEMCG_PGACTIVATE }, { "pgdeactivate", MEMCG_PGDEACTIVATE },
		{ "pglazyfree", MEMCG_PGLAZYFREE }, { "pglazyfreed", MEMCG_PGLAZYFREED }, { "zswpin", MEMCG_ZSWPIN }, { "zswpout", MEMCG_ZSWPOUT },
	};

	text_printf(out, "pgscan %ld\npgsteal %ld\n", event(m, MEMCG_PGSCAN_KSWAPD) + event(m, MEMCG_PGSCAN_DIRECT),
		    event(m, MEMCG_PGSTEAL_KSWAPD) + event(m, MEMCG_PGSTEAL_DIRECT));
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		text_printf(out, "%s %ld\n", rows[i].name, event(m, rows[i].e));
	text_puts(out, "thp_fault_alloc 0\nthp_collapse_alloc 0\n");
}

void memcg_stat_show(struct text *out, struct memcg *m)
{
	show_memory(out, m, false);
	show_workingset(out, m, false);
	show_events(out, m);
}

void memcg_numa_stat_show(struct text *out, struct memcg *m)
{
	show_memory(out, m, true);
	show_workingset(out, m, true);
}

#else
void memcg_stat_show(struct text *out, struct memcg *m) { }
void memcg_numa_stat_show(struct text *out, struct memcg *m) { }
void memcg_vm_event_slow(owner_t o, enum memcg_vm_event e) { }
#endif
