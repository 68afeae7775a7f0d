/*
 * report.c - the text of /proc/ledger: what stands where, now and at the peaks.
 *
 * Frames come from the books, copied in one go so that they add up. What each owner and call site holds in slab objects is
 * found by walking the slabs' side tables: counting it on every allocation would cost more than all the rest.
 */
#include <abi/errno.h>
#include <kernel/time.h>
#include <lib/sort.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include "../slab/internal.h"
#include "charge.h"
#include "owners.h"
#include "walk.h"

static const char *const space_names[] = {
	[SPACE_FREE] = "free", [SPACE_USER] = "user", [SPACE_CACHE] = "cache", [SPACE_KERNEL] = "kernel",
};

static void report_accounts(struct text *out)
{
	struct ledger_books b;
	bool at_peak;

	ledger_lock();
	b = ledger_books;
	ledger_unlock();
	at_peak = b.used > b.used_peak;
	b.used_peak = max(b.used, b.used_peak);
	text_printf(out, "ram_frames %ld\npage_size %lu\nused_now %ld\nused_peak %ld\npeak_time_ns %lld\nnow_time_ns %lld\n",
		    b.ram, PAGE_SIZE, b.used, b.used_peak, (long long)(at_peak ? ktime_get() : b.peak_time),
		    (long long)ktime_get());
	b.account[ACCT_FREE].frames = b.account[ACCT_FREE].peak = b.ram - b.used;
	b.at_peak_frames[ACCT_FREE] = b.ram - b.used_peak;
	for (unsigned a = 0; a < NR_ACCOUNTS; a++)
		text_printf(out, "account %s %s %ld %ld %ld\n", ledger_account_name(a), space_names[ledger_account_space(a)],
			    b.account[a].frames, max(b.account[a].frames, b.account[a].peak),
			    at_peak ? b.account[a].frames : b.at_peak_frames[a]);
}

static void report_slabs(struct text *out)
{
	struct slab_info s;

	for (unsigned i = 0; slab_info(i, &s); i++)
		text_printf(out, "slab %s %lu %lu %lu\n", s.name, s.active_objects, s.active_objects * s.object_size,
			    s.total_slabs * s.pages_per_slab);
}

#ifndef NO_LEDGER

/* Bytes of live slab objects by owner and by site. */
struct slab_sums {
	long	*owner, *site;
	long	*objects;		/* by site; NULL: not wanted */
	long	*slack;			/* by site, the same: room in slabs that no object uses, shared among those that keep the slab */
};

static void share_slack(struct slab_cache *c, struct page *s, long *slack)
{
	long live = 0, left;

	for (unsigned i = 0; i < c->objects; i++)
		live += *slab_tag(c, slab_object(c, s, i)) != 0;
	left = (long)(PAGE_SIZE << c->order) - live * (long)c->object_size;
	for (unsigned i = 0; i < c->objects && live; i++) {
		u32 tag = *slab_tag(c, slab_object(c, s, i));

		if (!tag)
			continue;
		slack[tag >> 16] += left / live;	/* the last one has what does not divide: slabs add up */
		left -= left / live;
		live--;
	}
}

static void sum_slab(struct slab_cache *c, struct page *s, void *arg)
{
	struct slab_sums *sums = arg;

	if (sums->slack)
		share_slack(c, s, sums->slack);
	for (unsigned i = 0; i < c->objects; i++) {
		u32 tag = *slab_tag(c, slab_object(c, s, i));

		if (!tag)
			continue;
		sums->owner[tag & 0xffff] += c->object_size;
		sums->site[tag >> 16] += c->object_size;
		if (sums->objects)
			sums->objects[tag >> 16]++;
	}
}

static void sum_slabs(struct slab_sums *sums)
{
	for (unsigned i = 0; i < slab_nr_caches; i++)
		if (slab_caches[i])
			slab_for_each(slab_caches[i], sum_slab, sums);
}

static void report_owners(struct text *out, const struct slab_sums *sums)
{
	static const char *const kinds[] = {
		[OWNER_KIND_MACHINE] = "machine", [OWNER_PROCESS] = "process", [OWNER_MODULE] = "module", [OWNER_CGROUP] = "cgroup",
	};

	for (unsigned o = 0; o < ledger_nr_owners(); o++) {
		const struct ledger_owner_name *n = ledger_owner_name(o);

		if (n->kind == OWNER_FREE || (!ledger_owners[o].frames && !sums->owner[o]))
			continue;
		text_printf(out, "owner %s %d ", kinds[n->kind], n->id);
		text_puts_escaped(out, n->name[0] ? n->name : "?", " \t\n");
		text_printf(out, " %ld %ld\n", ledger_owners[o].frames, sums->owner[o]);
	}
}

#define SITES_SHOWN	192

static int by_bytes(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return x > y ? -1 : x < y;
}

/* The bytes from which on a site is among the largest SITES_SHOWN. */
static long threshold(long *scratch, const struct slab_sums *sums)
{
	for (unsigned i = 1; i <= ledger_nr_sites; i++)
		scratch[i - 1] = max(ledger_site(i)->bytes, 0L) + sums->site[i];
	sort(scratch, ledger_nr_sites, sizeof(long), by_bytes);
	return ledger_nr_sites > SITES_SHOWN ? max(scratch[SITES_SHOWN - 1], 1L) : 1;
}

/* "mm/slab/slab.c" however the compiler was called. */
static void report_sites(struct text *out, const struct slab_sums *sums, long *scratch)
{
	long least = threshold(scratch, sums);

	for (unsigned i = 1; i <= ledger_nr_sites; i++) {
		const struct alloc_site *s = ledger_site(i);
		long bytes = s->bytes + sums->site[i];

		if (bytes >= least)
			text_printf(out, "site %s:%u %s %ld %ld %ld %ld\n", s->file, s->line, s->func, bytes,
				    max(s->peak_bytes, bytes), s->calls, sums->slack[i]);
	}
}

static int report_detail(struct text *out)
{
	size_t owners = ledger_nr_owners(), sites = ledger_nr_sites + 1;
	struct slab_sums sums = { NULL, NULL, NULL, NULL };

	sums.owner = kvmalloc((owners + 3 * sites) * sizeof(long), GFP_KERNEL | GFP_ZERO);
	if (!sums.owner)
		return -ENOMEM;
	sums.site = sums.owner + owners;
	sums.slack = sums.site + 2 * sites;
	sum_slabs(&sums);
	ledger_sync();
	report_owners(out, &sums);
	report_sites(out, &sums, sums.site + sites);
	kvfree(sums.owner);
	return 0;
}

/* Linux counts live objects too; a frame here is one allocation, so calls of larger blocks show their frames. */
int ledger_allocinfo(struct text *out)
{
	size_t owners = ledger_nr_owners(), sites = ledger_nr_sites + 1;
	struct slab_sums sums = { kvmalloc((owners + 2 * sites) * sizeof(long), GFP_KERNEL | GFP_ZERO), NULL, NULL, NULL };

	if (!sums.owner)
		return -ENOMEM;
	sums.site = sums.owner + owners;
	sums.objects = sums.site + sites;
	sum_slabs(&sums);
	ledger_sync();
	text_puts(out, "allocinfo - version: 1.0\n#     <size>  <calls> <tag info>\n");
	for (unsigned i = 1; i <= ledger_nr_sites; i++) {
		const struct alloc_site *s = ledger_site(i);

		if (!s->file)			/* a slot no module has taken */
			continue;
		text_printf(out, "%12ld %8ld %s:%u func:%s \n", s->bytes + sums.site[i], (s->bytes >> PAGE_SHIFT) + sums.objects[i],
			    s->file, s->line, s->func);
	}
	kvfree(sums.owner);
	return out->cut ? -ENOMEM : 0;
}

static void mark_owner(struct slab_cache *c, struct page *s, void *arg)
{
	for (unsigned i = 0; i < c->objects; i++)
		ledger_owner_seen(*slab_tag(c, slab_object(c, s, i)) & 0xffff);
}

/* For owners.c: which ids do live objects still name? */
void ledger_walk_slab_owners(void)
{
	for (unsigned i = 0; i < slab_nr_caches; i++)
		if (slab_caches[i])
			slab_for_each(slab_caches[i], mark_owner, NULL);
}

#else
int ledger_allocinfo(struct text *out) { return 0; }
static int report_detail(struct text *out) { return 0; }
#endif

int ledger_report(struct text *out)
{
	int err;

	report_accounts(out);
	report_slabs(out);
	err = report_detail(out);
	return err ? err : out->cut ? -ENOMEM : 0;
}
