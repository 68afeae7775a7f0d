/*
 * details.c - processes, each at its own peak: what was mapped as what, proportional and unique sizes, kernel objects; the dead too.
 *
 * WHY         the books know what a process was charged, to the frame, but not that it was heap or a library; and when the
 *             report is made the process is gone. Counting each mapping all the time would slow every fault.
 * HOW         as with all peaks: a maximum is noted when the number is about to fall. Before an unmapping, when the address space
 *             holds 1/16 more than at the last count, its page tables are walked once. A program that only grows is walked once,
 *             at its end; one that swings, a few times: the walks together cost less than the growth that caused them.
 * SHAPE       RECORDS entries, made when a timeline is started (/proc/ledger/timeline): the largest processes stay. One
 *             scratch entry is filled under details_mutex and copied into its place under records_lock.
 * EXACT       `charged` is the owner's true peak. The counts of mappings are of one moment at most 1/16 below the peak; each
 *             adds up to the resident set of that moment.
 */
#include <kernel/task.h>
#include <kernel/time.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/filemap.h>
#include <mm/slab.h>
#include "../internal.h"
#include "../slab/internal.h"
#include "charge.h"
#include "owners.h"

bool ledger_details;

#ifndef NO_LEDGER

#define RECORDS	128
#define PARTS	12

struct part {
	u64	bytes;
	char	name[56];
};

struct record {
	owner_t		owner;
	bool		used, closed;
	int		pid, ppid;
	char		name[16];
	ktime_t		begin, end, peak_time;
	long		charged;		/* frames; while it lives the owner's own counters say */
	u64		rss, pss, uss, swap, tables, slab, others;
	struct part	parts[PARTS];
};

static struct record *records;		/* RECORDS and the scratch entry; under records_lock */
static unsigned long not_kept;
static spinlock_t records_lock = SPINLOCK_INIT("process_records", LOCK_ZONE);
static struct mutex details_mutex = MUTEX_INIT(details_mutex, "process_details", LOCK_SLEEP_LEAF);
static char path_scratch[256];		/* under details_mutex */

static struct record *record_of(owner_t o)
{
	for (unsigned i = 0; i < RECORDS; i++)
		if (records[i].used && !records[i].closed && records[i].owner == o)
			return &records[i];
	return NULL;
}

/* A place for a new process: a free one, or that of the smallest that is gone. */
static struct record *place(void)
{
	struct record *smallest = NULL;

	for (unsigned i = 0; i < RECORDS; i++) {
		struct record *r = &records[i];

		if (!r->used)
			return r;
		if (r->closed && (!smallest || r->charged < smallest->charged))
			smallest = r;
	}
	not_kept++;
	return smallest;
}

static void open_record(owner_t o, owner_t parent)
{
	const struct ledger_owner_name *n = ledger_owner_name(o);
	struct record *r = place();

	if (!r)
		return;
	memset(r, 0, sizeof(*r));
	r->used = true;
	r->owner = o;
	r->pid = n->id;
	r->ppid = parent ? ledger_owner_name(parent)->id : 0;
	memcpy(r->name, n->name, sizeof(r->name));
	r->begin = ktime_get();
}

void ledger_process_begins(owner_t o, owner_t parent)
{
	if (!o)
		return;
	spin_lock(&records_lock);
	if (records)
		open_record(o, parent);
	spin_unlock(&records_lock);
}

void ledger_process_moves(owner_t from, owner_t to)
{
	struct record *r;

	if (!ledger_details || !from)
		return;
	spin_lock(&records_lock);
	r = record_of(from);
	if (r)
		r->owner = to;
	spin_unlock(&records_lock);
}

void ledger_process_ends(owner_t o)
{
	struct record *r;

	if (!ledger_details || !o)
		return;
	spin_lock(&records_lock);
	r = record_of(o);
	if (r) {
		r->closed = true;
		r->end = ktime_get();
		r->charged = ledger_owner_peak(o);
		memcpy(r->name, ledger_owner_name(o)->name, sizeof(r->name));
	}
	spin_unlock(&records_lock);
}

/* Those that live already are kept too. */
int ledger_details_start(void)
{
	struct record *fresh = records ? NULL : kvmalloc((RECORDS + 1) * sizeof(*records), GFP_KERNEL | GFP_ZERO | GFP_NOACCOUNT);

	if (!records && !fresh)
		return -ENOMEM;
	spin_lock(&records_lock);
	if (!records)
		records = fresh;
	memset(records, 0, (RECORDS + 1) * sizeof(*records));
	not_kept = 0;
	for (unsigned o = 1; o < ledger_nr_owners(); o++)
		if (ledger_owner_name(o)->kind == OWNER_PROCESS && !ledger_owner_name(o)->released)
			open_record((owner_t)o, 0);
	ledger_details = true;
	spin_unlock(&records_lock);
	return 0;
}

/* ---- one address space ------------------------------------------------------------------------------------------- */

/* By name; when all places are taken, the smallest is among the others. */
static void add_part(struct record *r, const char *name, u64 bytes)
{
	struct part *smallest = &r->parts[0];

	if (!bytes)
		return;
	for (unsigned i = 0; i < PARTS; i++) {
		struct part *p = &r->parts[i];

		if (!p->bytes)
			strscpy(p->name, name, sizeof(p->name));
		if (!p->bytes || !strncmp(p->name, name, sizeof(p->name) - 1)) {
			p->bytes += bytes;
			return;
		}
		if (p->bytes < smallest->bytes)
			smallest = p;
	}
	if (smallest->bytes >= bytes) {
		r->others += bytes;
		return;
	}
	r->others += smallest->bytes;
	smallest->bytes = bytes;
	strscpy(smallest->name, name, sizeof(smallest->name));
}

static void add_area(void *arg, struct vma *v, const char *name, const struct mm_area_sum *s)
{
	struct record *r = arg;
	u64 private_pages = v->file ? s->anonymous : 0;

	r->rss += s->rss;
	r->pss += s->pss;
	r->uss += s->uss;
	r->swap += s->swap;
	if (!name && v->file)
		name = file_path_name(v->file, path_scratch, sizeof(path_scratch));
	if (!name)
		name = "anon mmap";
	if (strlen(name) >= sizeof(r->parts[0].name))
		name += strlen(name) - sizeof(r->parts[0].name) + 1;	/* the end of a path says more */
	add_part(r, "private file pages", private_pages);
	add_part(r, name, s->rss - private_pages);
}

struct slab_of {
	owner_t owner;
	u64 bytes;
};

static void sum_slab(struct slab_cache *c, struct page *s, void *arg)
{
	struct slab_of *of = arg;

	const u32 *tags = slab_tag(c, page_address(s));	/* one after the other */
	unsigned n = 0;

	for (unsigned i = 0; i < c->objects; i++)
		n += slab_tag_owner(c->tags_at ? tags[i] : *slab_tag(c, slab_object(c, s, i))) == of->owner;
	of->bytes += (u64)n * c->object_size;
}

static u64 slab_bytes(owner_t o)
{
	struct slab_of of = { o, 0 };

	for (unsigned i = 0; i < slab_nr_caches; i++)
		if (slab_caches[i])
			slab_for_each(slab_caches[i], sum_slab, &of);
	return of.bytes;
}

/* Walking all slabs is for the large ones: the report shows no others. */
static bool is_large(u64 rss)
{
	u64 largest = 0;

	spin_lock(&records_lock);
	for (unsigned i = 0; i < RECORDS; i++)
		largest = max(largest, records[i].rss);
	spin_unlock(&records_lock);
	return rss >= largest / 16;
}

void ledger_note_process_slow(struct mm *mm)
{
	struct record *scratch, *r;

	mutex_lock(&details_mutex);
	scratch = &records[RECORDS];
	memset(scratch, 0, sizeof(*scratch));
	mm_for_each_area(mm, add_area, scratch);
	scratch->tables = (u64)atomic_read(&mm->pgtables_bytes);
	if (is_large(scratch->rss))
		scratch->slab = slab_bytes(mm->owner);
	spin_lock(&records_lock);
	r = record_of(mm->owner);
	if (r && scratch->rss + scratch->swap > r->rss + r->swap) {	/* after exec the old one may have been the larger */
		scratch->used = true;
		scratch->owner = r->owner;
		scratch->pid = r->pid;
		scratch->ppid = r->ppid;
		scratch->begin = r->begin;
		scratch->peak_time = ktime_get();
		memcpy(scratch->name, ledger_owner_name(r->owner)->name, sizeof(r->name));
		*r = *scratch;
	}
	spin_unlock(&records_lock);
	mutex_unlock(&details_mutex);
	mm->detail_rss = mm_rss(mm);
}

/* ---- the text ---------------------------------------------------------------------------------------------------- */

/* Who lives is counted as of now, where that is more than what was noted. */
static void note_living(void)
{
	for (struct mm *mm = mm_iterate(NULL); mm; mm = mm_iterate(mm)) {
		if (!mm_try_get(mm))
			continue;
		rwsem_read_lock(&mm->mmap_lock);
		ledger_note_process(mm);
		rwsem_read_unlock(&mm->mmap_lock);
		mm_put(mm);
	}
}

static void print(struct text *out, const struct record *r)
{
	long charged = r->closed ? r->charged : ledger_owner_peak(r->owner);

	text_printf(out, "process %d %d ", r->pid, r->ppid);
	text_puts_escaped(out, r->name[0] ? r->name : "?", " \t\n\\");
	text_printf(out, " begin_ns %lld end_ns %lld peak_ns %lld charged_bytes %llu rss_bytes %llu pss_bytes %llu uss_bytes %llu"
		    " swap_bytes %llu page_table_bytes %llu kernel_bytes %llu\n",
		    (long long)r->begin, (long long)r->end, (long long)r->peak_time, (unsigned long long)charged << PAGE_SHIFT,
		    (unsigned long long)r->rss, (unsigned long long)r->pss, (unsigned long long)r->uss, (unsigned long long)r->swap,
		    (unsigned long long)r->tables, (unsigned long long)r->slab);
	for (unsigned i = 0; i < PARTS && r->parts[i].bytes; i++) {
		text_printf(out, "map %llu ", (unsigned long long)r->parts[i].bytes);
		text_puts_escaped(out, r->parts[i].name, "\n\\");
		text_putc(out, '\n');
	}
	if (r->others)
		text_printf(out, "map %llu others\n", (unsigned long long)r->others);
}

int ledger_processes_report(struct text *out)
{
	struct record *copy;
	unsigned n = 0;

	if (!ledger_details)
		return 0;
	note_living();
	copy = kvmalloc(RECORDS * sizeof(*copy), GFP_KERNEL | GFP_NOACCOUNT);
	if (!copy)
		return -ENOMEM;
	spin_lock(&records_lock);
	for (unsigned i = 0; i < RECORDS; i++)
		if (records[i].used)
			copy[n++] = records[i];
	spin_unlock(&records_lock);
	text_printf(out, "processes %u\nnot_kept %lu\n", n, not_kept);
	for (unsigned i = 0; i < n; i++)
		print(out, &copy[i]);
	kvfree(copy);
	return out->cut ? -ENOMEM : 0;
}

/* ---- who filled a file ------------------------------------------------------------------------------------------- */

/* One pass: the owner of most pages wins where there is a majority, else one of the larger (Boyer and Moore's vote). */
void ledger_mapping_census(struct address_space *m, struct mapping_census *out)
{
	unsigned long index, votes = 0;
	owner_t candidate = 0;
	struct page *p;

	memset(out, 0, sizeof(*out));
	xa_for_each(&m->pages, index, p) {
		if (xa_is_value(p))
			continue;
		out->pages++;
		out->mapped += page_mapcount(p) > 0;
		out->dirty += page_test(p, PG_DIRTY);
		if (!votes)
			candidate = p->owner;
		votes += p->owner == candidate ? 1 : -1;
	}
	out->owner_pid = ledger_owner_name(candidate)->id;
	memcpy(out->owner, ledger_owner_name(candidate)->name, sizeof(out->owner));
}

#else
void ledger_process_begins(owner_t o, owner_t parent) { }
void ledger_process_moves(owner_t from, owner_t to) { }
void ledger_process_ends(owner_t o) { }
int ledger_details_start(void) { return 0; }
void ledger_note_process_slow(struct mm *mm) { }
int ledger_processes_report(struct text *out) { return 0; }
void ledger_mapping_census(struct address_space *m, struct mapping_census *out)
{
	*out = (struct mapping_census){ .pages = m->nr_pages };
}
#endif
