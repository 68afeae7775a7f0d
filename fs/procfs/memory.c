/*
 * memory.c - the machine's memory as /proc shows it: meminfo, buddyinfo, slabinfo, vmallocinfo, iomem, swaps, and the ledger. Every
 * number is read from the counter that the allocator itself keeps.
 *
 * IDENTITIES  Slab = SReclaimable + SUnreclaim; Active = Active(anon) + Active(file), the same for Inactive.
 *             MemTotal, the frames that were ever given to the allocator, is what these lines add up to:
 *                 MemFree + Buffers + Cached + SwapCached + AnonPages - AnonSwapCached + Zswap + Slab + PageTables + SecPageTables +
 *                 VmallocUsed + Percpu + Modules + DeviceBuffers + Balloon + KernelOther
 *             The last four and AnonSwapCached are ours. Frames that boot took for good are in no line, as on Linux.
 */
#include <abi/errno.h>
#include <drivers/block.h>
#include <fs/procfs.h>
#include <kernel/boot_info.h>
#include <kernel/main.h>
#include <lib/sort.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/zswap.h>
#include <kernel/cred.h>
#include <kernel/resource.h>
#include <linux/capability.h>
#include <mm/ledger.h>
#include <mm/ledger_stream.h>
#include <mm/lru.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>

#define KB(pages)	((unsigned long)(pages) << (PAGE_SHIFT - 10))

/* border, defined by mm/ once there is swap: pages */
void swap_totals(unsigned long *total, unsigned long *free_pages) weak;
int swaps_report(struct text *out) weak;
int meminfo_node_show(struct text *out, void *arg);

static unsigned long stat_of(enum vm_stat s)
{
	long v = vm_stat_read(s);

	return v > 0 ? v : 0;		/* CPUs are summed one after the other */
}

/* Free, plus what reclaim can have without swapping, less what the watermarks keep. Linux's estimate. */
static unsigned long available(void)
{
	unsigned long low = 0, files = lru_pages(LRU_ACTIVE_FILE) + lru_pages(LRU_INACTIVE_FILE), slab = stat_of(NR_SLAB_RECLAIMABLE);
	long a;

	for (unsigned z = 0; z < NR_ZONES; z++)
		low += zones[z].watermark[WMARK_LOW];
	a = (long)nr_free_pages() - (long)low;
	a += files - min(files / 2, low);
	a += slab - min(slab / 2, low);
	return a > 0 ? a : 0;
}

static void line(struct text *out, const char *prefix, const char *name, unsigned long kb)
{
	size_t label = strlen(name) + 1, at = max(label + (label > 16), (size_t)16);

	text_printf(out, "%s%s:%*s%*lu kB\n", prefix, name, (int)(at - label), "", (int)(24 - at), kb);
}

struct mem_line { const char *name; unsigned long pages; };

static void lines(struct text *out, const char *prefix, const struct mem_line *l, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		line(out, prefix, l[i].name, KB(l[i].pages));
}

static void usage_lines(struct text *out, const char *prefix)
{
	unsigned long aa = lru_pages(LRU_ACTIVE_ANON), ia = lru_pages(LRU_INACTIVE_ANON);
	unsigned long af = lru_pages(LRU_ACTIVE_FILE), inf = lru_pages(LRU_INACTIVE_FILE);
	const struct mem_line l[] = {
		{ "Active", aa + af }, { "Inactive", ia + inf }, { "Active(anon)", aa }, { "Inactive(anon)", ia },
		{ "Active(file)", af }, { "Inactive(file)", inf },
		{ "Unevictable", lru_pages(LRU_UNEVICTABLE) }, { "Mlocked", stat_of(NR_MLOCK) },
	};

	lines(out, prefix, l, ARRAY_SIZE(l));
}

static void kernel_lines(struct text *out, const char *prefix)
{
	unsigned long r = stat_of(NR_SLAB_RECLAIMABLE), u = stat_of(NR_SLAB_UNRECLAIMABLE);
	const struct mem_line l[] = {
		{ "Dirty", stat_of(NR_FILE_DIRTY) }, { "Writeback", stat_of(NR_WRITEBACK) },
		{ "AnonPages", stat_of(NR_ANON_MAPPED) }, { "Mapped", stat_of(NR_FILE_MAPPED) }, { "Shmem", stat_of(NR_SHMEM) },
		{ "KReclaimable", r }, { "Slab", r + u }, { "SReclaimable", r }, { "SUnreclaim", u },
		{ "KernelStack", ledger_managed_frames(ACCT_KSTACK) }, { "PageTables", ledger_managed_frames(ACCT_PAGE_TABLE) },
		{ "SecPageTables", 0 }, { "NFS_Unstable", 0 }, { "Bounce", 0 }, { "WritebackTmp", 0 },
	};

	lines(out, prefix, l, ARRAY_SIZE(l));
}

/* Pages that a process maps while the swap cache has them too: they stand in AnonPages and in SwapCached. */
static unsigned long anon_in_swap_cache(void)
{
	long n = vm_stat_read(NR_ANON_MAPPED) + vm_stat_read(NR_SWAPCACHE) - ledger_frames(ACCT_ANON) - ledger_frames(ACCT_SWAP_CACHE);

	return n > 0 ? n : 0;
}

/* What boot code asked of the allocator, and what was reserved after boot. */
static unsigned long kernel_other(void)
{
	return ledger_managed_frames(ACCT_BOOT) + ledger_managed_frames(ACCT_RESERVED) + ledger_managed_frames(ACCT_IMAGE) +
	       ledger_managed_frames(ACCT_PAGE_ARRAY);
}

static int meminfo_show(struct text *out, void *arg)
{
	unsigned long swap_total = 0, swap_free = 0, direct = nr_ram_pages(), buffers = min(block_cached_pages(), stat_of(NR_FILE_PAGES));

	if (swap_totals)
		swap_totals(&swap_total, &swap_free);
	const struct mem_line head[] = {
		{ "MemTotal", nr_total_pages() }, { "MemFree", nr_free_pages() }, { "MemAvailable", available() },
		{ "Buffers", buffers }, { "Cached", stat_of(NR_FILE_PAGES) - buffers }, { "SwapCached", stat_of(NR_SWAPCACHE) },
	};
	const struct mem_line swap[] = { { "SwapTotal", swap_total }, { "SwapFree", swap_free }, { "Zswap", (unsigned long)zswap_pool_pages() },
				    { "Zswapped", (unsigned long)atomic_read(&zswap.stored) } };
	const struct mem_line commit[] = { { "CommitLimit", mm_commit_limit() }, { "Committed_AS", mm_committed_pages() } };
	const struct mem_line tail[] = {
		{ "VmallocUsed", ledger_managed_frames(ACCT_VMALLOC) + ledger_managed_frames(ACCT_KSTACK) },
		{ "VmallocChunk", 0 }, { "Percpu", ledger_managed_frames(ACCT_PERCPU) },
		{ "Modules", ledger_managed_frames(ACCT_MODULE) }, { "DeviceBuffers", ledger_managed_frames(ACCT_DEVICE) },
		{ "Balloon", ledger_managed_frames(ACCT_BALLOON) }, { "AnonSwapCached", anon_in_swap_cache() },
		{ "KernelOther", kernel_other() }, { "HardwareCorrupted", 0 },
		{ "AnonHugePages", 0 }, { "ShmemHugePages", 0 }, { "ShmemPmdMapped", 0 }, { "FileHugePages", 0 }, { "FilePmdMapped", 0 },
	};

	lines(out, "", head, ARRAY_SIZE(head));
	usage_lines(out, "");
	lines(out, "", swap, ARRAY_SIZE(swap));
	kernel_lines(out, "");
	lines(out, "", commit, ARRAY_SIZE(commit));
	line(out, "", "VmallocTotal", 34359738367ul);
	lines(out, "", tail, ARRAY_SIZE(tail));
	text_puts(out, "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\n");
	line(out, "", "Hugepagesize", 2048);
	line(out, "", "Hugetlb", 0);
	line(out, "", "DirectMap4k", KB(direct & 511));
	line(out, "", "DirectMap2M", KB(direct & ~511ul));
	line(out, "", "DirectMap1G", 0);
	return 0;
}

/* /sys/devices/system/node/node0/meminfo: there is one node. */
int meminfo_node_show(struct text *out, void *arg)
{
	const struct mem_line head[] = {
		{ "MemTotal", nr_total_pages() }, { "MemFree", nr_free_pages() }, { "MemUsed", nr_total_pages() - nr_free_pages() },
		{ "SwapCached", stat_of(NR_SWAPCACHE) },
	};

	lines(out, "Node 0 ", head, ARRAY_SIZE(head));
	usage_lines(out, "Node 0 ");
	line(out, "Node 0 ", "FilePages", KB(stat_of(NR_FILE_PAGES) + stat_of(NR_SWAPCACHE)));
	kernel_lines(out, "Node 0 ");
	return 0;
}

static int buddyinfo_show(struct text *out, void *arg)
{
	for (unsigned z = 0; z < NR_ZONES; z++) {
		if (!zones[z].present_pages)
			continue;
		text_printf(out, "Node 0, zone %8s ", zones[z].name);
		for (unsigned o = 0; o < NR_ORDERS; o++) {
			unsigned long n = 0;

			for (unsigned t = 0; t < NR_MIGRATETYPES; t++)
				n += READ_ONCE(zones[z].nr_free_blocks[o][t]);
			text_printf(out, "%6lu ", n);
		}
		text_putc(out, '\n');
	}
	return 0;
}

static int slabinfo_show(struct text *out, void *arg)
{
	struct slab_info s;

	text_puts(out, "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
		  " : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
	for (unsigned i = 0; slab_info(i, &s); i++)
		text_printf(out, "%-17s %6lu %6lu %6lu %4u %4u : tunables %4u %4u %4u : slabdata %6lu %6lu %6u\n", s.name,
			    s.active_objects, s.total_objects, (unsigned long)s.slot_size, s.objects_per_slab, s.pages_per_slab,
			    0, 0, 0, s.active_slabs, s.total_slabs, 0);
	return 0;
}

static int vmallocinfo_show(struct text *out, void *arg)
{
	return vmalloc_report(out);
}

static int iomem_show(struct text *out, void *arg)
{
	return iomem_text(out, capable(CAP_SYS_ADMIN));
}

static int swaps_show(struct text *out, void *arg)
{
	text_puts(out, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	return swaps_report ? swaps_report(out) : 0;
}

/* ---- the ledger ---- */

static int ledger_show(struct text *out, void *arg)
{
	return ledger_report(out);
}

static ssize_t ledger_write(const char *buf, size_t n, void *arg)
{
	int err;

	if (!strcmp(buf, "timeline") || !strcmp(buf, "timeline\n")) {
		err = ledger_timeline_start();
		return err ? err : (ssize_t)n;
	}
	if (strncmp(buf, "reset", 5) || (buf[5] && buf[5] != '\n'))
		return -EINVAL;
	ledger_reset_peaks();
	return n;
}

static int timeline_show(struct text *out, void *arg)
{
	return ledger_timeline_report(out);
}

static int stream_show(struct text *out, void *arg)
{
	text_puts(out, ledger_streaming & STREAM_PAGES ? "on pages\n" : ledger_streaming ? "on\n" : "off\n");
	return 0;
}

static ssize_t stream_write(const char *buf, size_t n, void *arg)
{
	size_t len = n && buf[n - 1] == '\n' ? n - 1 : n;
	int err = 0;

	if (len == 5 && !memcmp(buf, "start", 5))
		err = ledger_stream_start(0);
	else if (len == 11 && !memcmp(buf, "start pages", 11))
		err = ledger_stream_start(LEDGER_STREAM_PAGES);
	else if (len == 5 && !memcmp(buf, "flush", 5))
		ledger_stream_flush();
	else if (len == 4 && !memcmp(buf, "stop", 4))
		ledger_stream_stop();
	else
		err = -EINVAL;
	return err ? err : (ssize_t)n;
}

static int processes_show(struct text *out, void *arg)
{
	return ledger_processes_report(out);
}

static int files_show(struct text *out, void *arg)
{
	return files_report(out);
}

static int allocinfo_show(struct text *out, void *arg)
{
	return ledger_allocinfo(out);
}

static int audit_show(struct text *out, void *arg)
{
	int r = ledger_audit(out);

	return r < 0 ? r : 0;		/* mismatches stand in the text */
}

/* Writing n makes the n-th page or slab allocation from now fail, once; reading shows how many are left. For tests. */
static int fail_show(struct text *out, void *arg)
{
	text_printf(out, "%ld\n", (long)atomic_read(&alloc_fail_countdown));
	return 0;
}

static ssize_t fail_write(const char *buf, size_t n, void *arg)
{
	const char *end;
	u64 v = str_to_u64(buf, &end, 10);

	if (end == buf || (*end && *end != '\n') || v > S32_MAX)
		return -EINVAL;
	atomic_set(&alloc_fail_countdown, (long)v);
	return n;
}

static const struct proc_file memory_files[] = {
	{ .path = "sys/vm/fail_allocation", .mode = 0600, .show = fail_show, .write = fail_write },
	{ .path = "meminfo", .mode = 0444, .show = meminfo_show },
	{ .path = "buddyinfo", .mode = 0444, .show = buddyinfo_show },
	{ .path = "slabinfo", .mode = 0400, .show = slabinfo_show },
	{ .path = "vmallocinfo", .mode = 0400, .show = vmallocinfo_show },
	{ .path = "iomem", .mode = 0444, .show = iomem_show },
	{ .path = "swaps", .mode = 0444, .show = swaps_show },
	{ .path = "allocinfo", .mode = 0400, .show = allocinfo_show },
	{ .path = "ledger/processes", .mode = 0444, .show = processes_show },
	{ .path = "ledger/files", .mode = 0400, .show = files_show },
	{ .path = "ledger/timeline", .mode = 0444, .show = timeline_show },
	{ .path = "ledger/stream", .mode = 0600, .show = stream_show, .write = stream_write },
	{ .path = "ledger/summary", .mode = 0644, .show = ledger_show, .write = ledger_write },
	{ .path = "ledger/audit", .mode = 0444, .show = audit_show },
};

static int memory_files_init(void)
{
	proc_register_all(memory_files, ARRAY_SIZE(memory_files));
	proc_directory_text("ledger", &memory_files[ARRAY_SIZE(memory_files) - 2]);
	proc_register_int("sys/kernel/randomize_va_space", 0644, &sysctl_randomize_va_space, 0, 2);
	return 0;
}
initcall(memory_files_init, 2);
