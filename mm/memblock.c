/*
 * memblock.c - which physical ranges exist and which are taken, before the page allocator runs.
 *
 * SHAPE       two sorted tables of non-overlapping ranges: RAM, and claims with their account. Neighbours of one account
 *             merge, so that many small early allocations stay one range.
 * LIFE        filled from the loader's map; early allocations come from the top of what is mapped, keeping low
 *             memory for devices; page_alloc_init() reads it once and nothing is claimed afterwards.
 */
#include <arch/page.h>
#include <kernel/boot_info.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include <mm/memblock.h>

#define MAX_RANGES	128

struct table {
	unsigned		nr;
	struct memblock_range	r[MAX_RANGES];
};

static struct table ram, claims;
static paddr_t limit = ~(paddr_t)0;

static void insert_at(struct table *t, unsigned i, paddr_t start, paddr_t end, enum account account)
{
	if (t->nr == MAX_RANGES)
		panic("memblock: more than %u ranges", MAX_RANGES);
	memmove(&t->r[i + 1], &t->r[i], (t->nr - i) * sizeof(t->r[0]));
	t->r[i] = (struct memblock_range){ start, end, account };
	t->nr++;
}

/* Merge r[i] with r[i + 1] when they touch and agree. */
static void merge_at(struct table *t, unsigned i)
{
	if (i + 1 >= t->nr || t->r[i].end != t->r[i + 1].start || t->r[i].account != t->r[i + 1].account)
		return;
	t->r[i].end = t->r[i + 1].end;
	t->nr--;
	memmove(&t->r[i + 1], &t->r[i + 2], (t->nr - i - 1) * sizeof(t->r[0]));
}

/* Add those parts of [start, end) that the table does not have yet. */
static void add(struct table *t, paddr_t start, paddr_t end, enum account account)
{
	unsigned i = 0;

	while (start < end) {
		paddr_t stop;

		while (i < t->nr && t->r[i].end <= start)
			i++;
		if (i < t->nr && t->r[i].start <= start) {	/* already there */
			start = t->r[i].end;
			continue;
		}
		stop = i < t->nr ? min(end, t->r[i].start) : end;
		insert_at(t, i, start, stop, account);
		merge_at(t, i);
		if (i)
			merge_at(t, --i);
		start = stop;
	}
}

void memblock_add(paddr_t start, u64 len)
{
	paddr_t end = ALIGN_DOWN(start + len, PAGE_SIZE);

	start = ALIGN_UP(start, PAGE_SIZE);
	if (start < end)
		add(&ram, start, end, ACCT_FREE);
}

void memblock_reserve(paddr_t start, u64 len, enum account account)
{
	paddr_t end = ALIGN_UP(start + len, PAGE_SIZE);

	if (len)
		add(&claims, ALIGN_DOWN(start, PAGE_SIZE), end, account);
}

void memblock_set_limit(paddr_t l)
{
	limit = l;
}

paddr_t memblock_end_of_ram(void)
{
	return ram.nr ? ram.r[ram.nr - 1].end : 0;
}

/* Highest free place of len bytes inside [lo, hi); 0 when none. Goes down over the claims. */
static paddr_t fit_below(paddr_t lo, paddr_t hi, u64 len, u64 align)
{
	unsigned i = claims.nr;

	for (;;) {
		paddr_t at;

		while (i && claims.r[i - 1].start >= hi)
			i--;
		if (hi < lo + len || hi < len)
			return 0;
		at = ALIGN_DOWN(hi - len, align);
		if (at < lo || !at)
			return 0;
		if (!i || claims.r[i - 1].end <= at)
			return at;
		hi = claims.r[i - 1].start;
	}
}

paddr_t memblock_alloc(u64 len, u64 align, enum account account)
{
	len = ALIGN_UP(len, PAGE_SIZE);
	align = max(align, (u64)PAGE_SIZE);
	for (unsigned i = ram.nr; i-- > 0; ) {
		paddr_t at = fit_below(ram.r[i].start, min(ram.r[i].end, limit), len, align);

		if (at) {
			memblock_reserve(at, len, account);
			memset((void *)(uintptr_t)(page_offset_base + at), 0, len);
			return at;
		}
	}
	panic("out of memory during start: no %llu KiB free below %#llx for %s", (unsigned long long)len >> 10,
	      (unsigned long long)limit, ledger_account_name(account));
}

bool memblock_next(paddr_t *cursor, struct memblock_range *out)
{
	paddr_t at = *cursor, end;
	unsigned i, c;

	for (i = 0; i < ram.nr && ram.r[i].end <= at; i++)
		;
	if (i == ram.nr)
		return false;
	at = max(at, ram.r[i].start);
	end = ram.r[i].end;
	out->account = ACCT_FREE;
	for (c = 0; c < claims.nr && claims.r[c].end <= at; c++)
		;
	if (c < claims.nr && claims.r[c].start <= at) {
		out->account = claims.r[c].account;
		end = min(end, claims.r[c].end);
	} else if (c < claims.nr) {
		end = min(end, claims.r[c].start);
	}
	out->start = at;
	out->end = end;
	*cursor = end;
	return true;
}

/* Everything from the loader: its map cut at mem=, firmware tables, the image, the initramfs, the page at 0. */
void memblock_init(const struct boot_info *b)
{
	paddr_t top = cmdline_get_size("mem", ~(u64)0);

	for (unsigned i = 0; i < b->nr_ranges; i++) {
		const struct boot_range *r = &b->ranges[i];
		paddr_t end = min(r->end, top);

		if ((r->type != BOOT_RAM && r->type != BOOT_ACPI && r->type != BOOT_ACPI_NVS) || r->start >= end)
			continue;
		memblock_add(r->start, end - r->start);
		if (r->type != BOOT_RAM)
			memblock_reserve(r->start, end - r->start, ACCT_RESERVED);
	}
	memblock_reserve(0, PAGE_SIZE, ACCT_RESERVED);
	memblock_reserve(b->kernel_start, b->kernel_end - b->kernel_start, ACCT_IMAGE);
	memblock_reserve(b->initrd_start, b->initrd_end - b->initrd_start, ACCT_BOOT);
	for (unsigned i = 0; i < ram.nr; i++)
		pr_info("RAM %#012llx-%#012llx\n", (unsigned long long)ram.r[i].start, (unsigned long long)ram.r[i].end - 1);
}
