/*
 * vmstat.c - /proc/vmstat and /proc/zoneinfo: the memory system's counters under Linux's names, in Linux's order.
 *
 * A line that stands here is measured. NONE is a measurement too: of a thing that does not exist on this kernel (a second node, huge
 * pages, migration), so nothing of it has ever happened. What Linux counts and we do not is absent (docs/linux-differences.md).
 */
#include <fs/procfs.h>
#include <kernel/cpu.h>
#include <kernel/main.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/filemap.h>
#include <mm/ledger.h>
#include <mm/lru.h>
#include <mm/page_alloc.h>
#include <mm/swap.h>

enum source { NONE, LRU, STAT, EVENT, EVENT_REST, KSTACK_KB, FILE_PAGES, TABLES };

struct counter {
	const char	*name;
	u8		source;
	u8		of;		/* enum lru_list, vm_stat or vm_event */
	u8		less;		/* EVENT_REST: the event of which this is the rest */
};

#define L(n, l)		{ n, LRU, l, 0 }
#define S(n, s)		{ n, STAT, s, 0 }
#define E(n, e)		{ n, EVENT, e, 0 }
#define REST(n, e, l)	{ n, EVENT_REST, e, l }
#define Z(n)		{ n, NONE, 0, 0 }

/* Of the node: zoneinfo shows them with its first zone. */
static const struct counter node_counters[] = {
	L("nr_inactive_anon", LRU_INACTIVE_ANON), L("nr_active_anon", LRU_ACTIVE_ANON), L("nr_inactive_file", LRU_INACTIVE_FILE),
	L("nr_active_file", LRU_ACTIVE_FILE), L("nr_unevictable", LRU_UNEVICTABLE), S("nr_slab_reclaimable", NR_SLAB_RECLAIMABLE),
	S("nr_slab_unreclaimable", NR_SLAB_UNRECLAIMABLE), E("workingset_refault_anon", WORKINGSET_REFAULT_ANON), E("workingset_refault_file", WORKINGSET_REFAULT),
	Z("workingset_activate_anon"), E("workingset_activate_file", WORKINGSET_REFAULT), Z("workingset_restore_anon"),
	E("workingset_restore_file", WORKINGSET_RESTORE), S("nr_anon_pages", NR_ANON_MAPPED), S("nr_mapped", NR_FILE_MAPPED),
	{ "nr_file_pages", FILE_PAGES, 0, 0 }, S("nr_dirty", NR_FILE_DIRTY), S("nr_writeback", NR_WRITEBACK), Z("nr_writeback_temp"),
	S("nr_shmem", NR_SHMEM), Z("nr_shmem_hugepages"), Z("nr_shmem_pmdmapped"), Z("nr_file_hugepages"), Z("nr_file_pmdmapped"),
	Z("nr_anon_transparent_hugepages"), E("nr_vmscan_write", VMSCAN_WRITE), Z("nr_vmscan_immediate_reclaim"),
	E("nr_dirtied", PAGES_DIRTIED), E("nr_written", PAGES_WRITTEN), Z("nr_kernel_misc_reclaimable"),
	{ "nr_kernel_stack", KSTACK_KB, 0, 0 }, { "nr_page_table_pages", TABLES, 0, 0 }, Z("nr_sec_page_table_pages"),
	S("nr_swapcached", NR_SWAPCACHE), Z("pgpromote_success"), Z("pgpromote_candidate"),
};

static const struct counter events[] = {
	E("pgpgin", PGPGIN), E("pgpgout", PGPGOUT), E("pswpin", PSWPIN), E("pswpout", PSWPOUT), Z("pgalloc_movable"), Z("allocstall_movable"),
	E("pgfree", PGFREE), E("pgactivate", PGACTIVATE), E("pgdeactivate", PGDEACTIVATE), E("pglazyfree", PGLAZYFREE),
	E("pgfault", PGFAULT), E("pgmajfault", PGMAJFAULT), E("pglazyfreed", PGLAZYFREED), E("pgrefill", PGREFILL), E("pgreuse", PGREUSE),
	REST("pgsteal_kswapd", PGSTEAL, PGSTEAL_DIRECT), E("pgsteal_direct", PGSTEAL_DIRECT), Z("pgdemote_kswapd"), Z("pgdemote_direct"),
	REST("pgscan_kswapd", PGSCAN, PGSCAN_DIRECT), E("pgscan_direct", PGSCAN_DIRECT), Z("pgscan_direct_throttle"),
	E("pgscan_anon", PGSCAN_ANON), REST("pgscan_file", PGSCAN, PGSCAN_ANON), E("pgsteal_anon", PGSTEAL_ANON),
	REST("pgsteal_file", PGSTEAL, PGSTEAL_ANON), Z("zone_reclaim_failed"), E("slabs_scanned", SLABS_SCANNED),
	E("pageoutrun", PAGEOUTRUN), Z("pgrotated"), E("drop_pagecache", DROP_PAGECACHE), E("drop_slab", DROP_SLAB), E("oom_kill", OOM_KILL),
	Z("numa_pte_updates"), Z("numa_huge_pte_updates"), Z("numa_hint_faults"), Z("numa_hint_faults_local"), Z("numa_pages_migrated"),
	E("pgmigrate_success", PGMIGRATE_SUCCESS), E("pgmigrate_fail", PGMIGRATE_FAIL), Z("thp_migration_success"), Z("thp_migration_fail"), Z("thp_migration_split"),
	E("compact_migrate_scanned", COMPACT_MIGRATE_SCANNED), E("compact_free_scanned", COMPACT_FREE_SCANNED), E("compact_isolated", COMPACT_ISOLATED), E("compact_stall", COMPACT_STALL), E("compact_fail", COMPACT_FAIL),
	E("compact_success", COMPACT_SUCCESS), Z("compact_daemon_wake"), Z("compact_daemon_migrate_scanned"), Z("compact_daemon_free_scanned"),
	Z("htlb_buddy_alloc_success"), Z("htlb_buddy_alloc_fail"), E("unevictable_pgs_culled", UNEVICTABLE_CULLED),
	E("unevictable_pgs_rescued", UNEVICTABLE_RESCUED), E("unevictable_pgs_mlocked", UNEVICTABLE_CULLED),
	E("unevictable_pgs_munlocked", UNEVICTABLE_RESCUED), Z("thp_fault_alloc"), Z("thp_fault_fallback"), Z("thp_fault_fallback_charge"),
	Z("thp_collapse_alloc"), Z("thp_collapse_alloc_failed"), Z("thp_file_alloc"), Z("thp_file_fallback"), Z("thp_file_fallback_charge"),
	Z("thp_file_mapped"), Z("thp_split_page"), Z("thp_split_page_failed"), Z("thp_deferred_split_page"), Z("thp_split_pmd"),
	Z("thp_scan_exceed_none_pte"), Z("thp_scan_exceed_swap_pte"), Z("thp_scan_exceed_share_pte"), Z("thp_split_pud"),
	Z("thp_zero_page_alloc"), Z("thp_zero_page_alloc_failed"), Z("thp_swpout"), Z("thp_swpout_fallback"), Z("ksm_swpin_copy"),
	Z("cow_ksm"), E("zswpin", ZSWPIN), E("zswpout", ZSWPOUT), Z("direct_map_level2_splits"), Z("direct_map_level3_splits"), Z("nr_unstable"),
};

static unsigned long positive(long v)
{
	return v > 0 ? (unsigned long)v : 0;	/* CPUs are summed one after the other */
}

static unsigned long value(const struct counter *c)
{
	switch (c->source) {
	case LRU:
		return lru_pages((enum lru_list)c->of);
	case STAT:
		return positive(vm_stat_read((enum vm_stat)c->of));
	case EVENT:
		return vm_event_read((enum vm_event)c->of);
	case EVENT_REST:
		return positive((long)(vm_event_read((enum vm_event)c->of) - vm_event_read((enum vm_event)c->less)));
	case KSTACK_KB:
		return (unsigned long)ledger_managed_frames(ACCT_KSTACK) << (PAGE_SHIFT - 10);
	case TABLES:
		return (unsigned long)ledger_managed_frames(ACCT_PAGE_TABLE);
	case FILE_PAGES:
		return positive(vm_stat_read(NR_FILE_PAGES) + vm_stat_read(NR_SWAPCACHE));
	default:
		return 0;
	}
}

unsigned long vmstat_event(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(events); i++)
		if (!strcmp(events[i].name, name))
			return value(&events[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(node_counters); i++)
		if (!strcmp(node_counters[i].name, name))
			return value(&node_counters[i]);
	return 0;
}

static void print(struct text *out, const struct counter *c, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		text_printf(out, "%s %lu\n", c[i].name, value(&c[i]));
}

/* The highest zone that has memory: events that are counted for all zones together stand under its name. */
static enum zone_type main_zone(void)
{
	enum zone_type z = NR_ZONES - 1;

	while (z && !zones[z].managed_pages)
		z--;
	return z;
}

static void print_by_zone(struct text *out, const char *name, enum vm_event e)
{
	static const char *const names[NR_ZONES] = { "dma", "dma32", "normal" };

	for (unsigned z = 0; z < NR_ZONES; z++)
		text_printf(out, "%s_%s %lu\n", name, names[z], z == main_zone() ? vm_event_read(e) : 0);
}

static int vmstat_show(struct text *out, void *arg)
{
	static const struct { const char *name; enum lru_list l; } zone_lists[] = {
		{ "nr_zone_inactive_anon", LRU_INACTIVE_ANON }, { "nr_zone_active_anon", LRU_ACTIVE_ANON },
		{ "nr_zone_inactive_file", LRU_INACTIVE_FILE }, { "nr_zone_active_file", LRU_ACTIVE_FILE },
		{ "nr_zone_unevictable", LRU_UNEVICTABLE } };
	unsigned long allocated = vm_event_read(PGALLOC), background, hard;

	text_printf(out, "nr_free_pages %lu\n", nr_free_pages());
	for (unsigned i = 0; i < ARRAY_SIZE(zone_lists); i++)
		text_printf(out, "%s %lu\n", zone_lists[i].name, lru_pages(zone_lists[i].l));
	text_printf(out, "nr_zone_write_pending %lu\nnr_mlock %lu\nnr_bounce 0\nnr_free_cma 0\n",
		    positive(vm_stat_read(NR_FILE_DIRTY) + vm_stat_read(NR_WRITEBACK)), positive(vm_stat_read(NR_MLOCK)));
	text_printf(out, "numa_hit %lu\nnuma_miss 0\nnuma_foreign 0\nnuma_interleave 0\nnuma_local %lu\nnuma_other 0\n", allocated, allocated);
	print(out, node_counters, ARRAY_SIZE(node_counters));
	filemap_dirty_limits(&background, &hard);
	text_printf(out, "nr_dirty_threshold %lu\nnr_dirty_background_threshold %lu\n", hard, background);
	print_by_zone(out, "pgalloc", PGALLOC);
	print_by_zone(out, "allocstall", ALLOCSTALL);
	text_puts(out, "pgskip_dma 0\npgskip_dma32 0\npgskip_normal 0\npgskip_movable 0\n");
	print(out, events, ARRAY_SIZE(events));
	return 0;
}

/* ---- zoneinfo ---- */

static void zone_lines(struct text *out, struct zone *z)
{
	unsigned long nr[NR_LRU], free = (unsigned long)atomic_read(&z->nr_free);

	lru_zone_pages(z, nr);
	text_printf(out, "  pages free     %lu\n        boost    0\n        min      %lu\n        low      %lu\n        high     %lu\n"
		    "        spanned  %lu\n        present  %lu\n        managed  %lu\n        cma      0\n        protection: (",
		    free, z->watermark[WMARK_MIN], z->watermark[WMARK_LOW], z->watermark[WMARK_HIGH], z->end_pfn - z->start_pfn,
		    z->present_pages, z->managed_pages);
	for (unsigned i = 0; i < NR_ZONES; i++)
		text_printf(out, "%s%lu", i ? ", " : "", z->lowmem_reserve[i]);
	text_puts(out, ")\n");
	if (!z->present_pages)
		return;			/* nothing else to say of it, as on Linux */
	text_printf(out, "      nr_free_pages %lu\n      nr_zone_inactive_anon %lu\n      nr_zone_active_anon %lu\n"
		    "      nr_zone_inactive_file %lu\n      nr_zone_active_file %lu\n      nr_zone_unevictable %lu\n      nr_mlock     %lu\n"
		    "      nr_bounce    0\n      nr_free_cma  0\n", free, nr[LRU_INACTIVE_ANON], nr[LRU_ACTIVE_ANON],
		    nr[LRU_INACTIVE_FILE], nr[LRU_ACTIVE_FILE], nr[LRU_UNEVICTABLE], nr[LRU_UNEVICTABLE]);
}

static void pageset_lines(struct text *out, struct zone *z)
{
	text_puts(out, "  pagesets\n");
	for_each_cpu(cpu) {
		struct pageset_info p;

		zone_pageset(z, cpu, &p);
		text_printf(out, "    cpu: %u\n              count: %lu\n              high:  %lu\n              batch: %lu\n", cpu, p.count,
			    p.high, p.batch);
	}
	text_printf(out, "  node_unreclaimable:  0\n  start_pfn:           %lu\n", z->start_pfn);
}

static int zoneinfo_show(struct text *out, void *arg)
{
	bool first = true;

	for (unsigned i = 0; i < NR_ZONES; i++) {
		struct zone *z = &zones[i];

		text_printf(out, "Node 0, zone %8s\n", z->name);
		for (unsigned k = 0; z->managed_pages && first && k < ARRAY_SIZE(node_counters); k++)
			text_printf(out, "%s      %-12s %lu\n", k ? "" : "  per-node stats\n", node_counters[k].name, value(&node_counters[k]));
		zone_lines(out, z);
		if (!z->present_pages)
			continue;
		pageset_lines(out, z);
		first &= !z->managed_pages;
	}
	return 0;
}

static const struct proc_file vmstat_files[] = {
	{ .path = "vmstat", .mode = 0444, .show = vmstat_show },
	{ .path = "zoneinfo", .mode = 0444, .show = zoneinfo_show },
};

static int vmstat_files_init(void)
{
	proc_register_all(vmstat_files, ARRAY_SIZE(vmstat_files));
	return 0;
}
initcall(vmstat_files_init, 2);
