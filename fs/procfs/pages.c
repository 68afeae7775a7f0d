/*
 * pages.c - single frames as /proc shows them: kpagecount, kpageflags, and the mobility types in pagetypeinfo.
 *
 * kpagecount and kpageflags are arrays of 64-bit words by frame number; reads must be aligned to that. Frames without RAM are
 * KPF_NOPAGE.
 * SOURCE      Documentation/admin-guide/mm/pagemap.rst of Linux; bit numbers from <linux/kernel-page-flags.h>
 */
#include <abi/errno.h>
#include <fs/fs.h>
#include <fs/procfs.h>
#include <kernel/main.h>
#include <kernel/sched.h>
#include <lib/text.h>
#include <linux/kernel-page-flags.h>
#include <mm/io_iter.h>
#include <mm/page_alloc.h>

static u64 count_of(pfn_t pfn)
{
	struct page *p = pfn_valid(pfn) ? pfn_to_page(pfn) : NULL;

	return !p || p->account == ACCT_FREE || (p->flags & (BIT(PG_SLAB) | BIT(PG_TABLE))) ? 0 : (u64)page_mapcount(p);
}

static u64 flags_of(pfn_t pfn)
{
	static const struct { u8 ours, kpf; } map[] = {
		{ PG_LOCKED, KPF_LOCKED }, { PG_ERROR, KPF_ERROR }, { PG_REFERENCED, KPF_REFERENCED },
		{ PG_UPTODATE, KPF_UPTODATE }, { PG_DIRTY, KPF_DIRTY }, { PG_LRU, KPF_LRU }, { PG_ACTIVE, KPF_ACTIVE },
		{ PG_SLAB, KPF_SLAB }, { PG_WRITEBACK, KPF_WRITEBACK }, { PG_RECLAIM, KPF_RECLAIM }, { PG_BUDDY, KPF_BUDDY },
		{ PG_SWAPCACHE, KPF_SWAPCACHE }, { PG_SWAPBACKED, KPF_SWAPBACKED }, { PG_HEAD, KPF_COMPOUND_HEAD },
		{ PG_TAIL, KPF_COMPOUND_TAIL }, { PG_UNEVICTABLE, KPF_UNEVICTABLE }, { PG_TABLE, KPF_PGTABLE },
	};
	const struct page *p;
	u64 flags = 0;

	if (!pfn_valid(pfn))
		return 1ull << KPF_NOPAGE;
	p = pfn_to_page(pfn);
	for (unsigned i = 0; i < ARRAY_SIZE(map); i++)
		if (p->flags & BIT(map[i].ours))
			flags |= 1ull << map[i].kpf;
	if (p->account == ACCT_FREE || (p->flags & (BIT(PG_SLAB) | BIT(PG_TABLE))))
		return flags;
	if (page_mapcount(p) > 0)
		flags |= 1ull << KPF_MMAP;
	if (page_is_anon(p))
		flags |= 1ull << KPF_ANON;
	return flags;
}

static ssize_t read_words(struct io_iter *to, loff_t *pos, u64 (*word)(pfn_t pfn))
{
	ssize_t done = 0;

	if ((*pos | to->left) & 7)
		return -EINVAL;
	while (to->left && (pfn_t)(*pos / 8) < page_max_pfn()) {
		u64 w = word((pfn_t)(*pos / 8));

		if (io_iter_put(to, &w, sizeof(w)) != sizeof(w))
			return done ? done : -EFAULT;
		done += sizeof(w);
		*pos += sizeof(w);
		cond_resched();
	}
	return done;
}

static ssize_t kpagecount_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	return read_words(to, pos, count_of);
}

static ssize_t kpageflags_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	return read_words(to, pos, flags_of);
}

static loff_t words_llseek(struct file *f, loff_t off, int whence)
{
	loff_t to = whence == SEEK_SET ? off : whence == SEEK_CUR ? f->pos + off : -1;

	if (to < 0)
		return -EINVAL;
	return f->pos = to;
}

static const struct file_ops kpagecount_ops = { .read = kpagecount_read, .llseek = words_llseek };
static const struct file_ops kpageflags_ops = { .read = kpageflags_read, .llseek = words_llseek };

/* Linux's order of types; the last two do not exist here. */
static const struct { const char *name; int type; } types[] = {
	{ "Unmovable", MIGRATE_UNMOVABLE }, { "Movable", MIGRATE_MOVABLE }, { "Reclaimable", MIGRATE_RECLAIMABLE },
	{ "HighAtomic", -1 }, { "Isolate", -1 },
};

static int pagetypeinfo_show(struct text *out, void *arg)
{
	text_puts(out, "Page block order: 9\nPages per block:  512\n\nFree pages count per migrate type at order ");
	for (unsigned o = 0; o < NR_ORDERS; o++)
		text_printf(out, "%6u ", o);
	text_putc(out, '\n');
	for (unsigned z = 0; z < NR_ZONES; z++)
		for (unsigned t = 0; zones[z].managed_pages && t < ARRAY_SIZE(types); t++) {
			text_printf(out, "Node %4d, zone %8s, type %12s ", 0, zones[z].name, types[t].name);
			for (unsigned o = 0; o < NR_ORDERS; o++)
				text_printf(out, "%6lu ", types[t].type < 0 ? 0 : zones[z].nr_free_blocks[o][types[t].type]);
			text_putc(out, '\n');
		}
	text_puts(out, "\nNumber of blocks type ");
	for (unsigned t = 0; t < ARRAY_SIZE(types); t++)
		text_printf(out, "%12s ", types[t].name);
	text_putc(out, '\n');
	for (unsigned z = 0; z < NR_ZONES; z++) {
		unsigned long blocks[NR_MIGRATETYPES];

		if (!zones[z].managed_pages)
			continue;
		zone_pageblocks(&zones[z], blocks);
		text_printf(out, "Node %d, zone %8s ", 0, zones[z].name);
		for (unsigned t = 0; t < ARRAY_SIZE(types); t++)
			text_printf(out, "%12lu ", types[t].type < 0 ? 0 : blocks[types[t].type]);
		text_putc(out, '\n');
	}
	return 0;
}

static const struct proc_file page_files[] = {
	{ .path = "kpagecount", .mode = 0400, .ops = &kpagecount_ops },
	{ .path = "kpageflags", .mode = 0400, .ops = &kpageflags_ops },
	{ .path = "pagetypeinfo", .mode = 0400, .show = pagetypeinfo_show },
};

static int page_files_init(void)
{
	proc_register_all(page_files, ARRAY_SIZE(page_files));
	return 0;
}
initcall(page_files_init, 2);
