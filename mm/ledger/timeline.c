/*
 * timeline.c - memory over time: a snapshot whenever memory in use has moved by a step.
 *
 * WHY         a clock misses a spike of a millisecond and records hours of nothing. So the trigger is movement: a snapshot is taken
 *             when frames in use have gone up or down by 1/200 of the range seen so far (at least MIN_STEP frames).
 * SHAPE       an array of SNAPSHOTS entries, made when the timeline is started. When it is full, every second entry of the even
 *             ones goes, the one nearer to its neighbour, and steps are twice as long from then on: swings stay.
 * HOW         the hot path compares `used` with one bound on the way up and one on the way down (charge.h); only the crossing
 *             comes here, with the books' lock held, and copies them. Nothing is allocated. Without a timeline the bounds are
 *             out of reach.
 * EXACT       each entry is one consistent state: its frames add up to RAM. The machine's peak is added when the text is
 *             made, from where the books keep it.
 */
#include <abi/errno.h>
#include <kernel/time.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include "../slab/internal.h"
#include "charge.h"
#include "holders.h"

#ifndef NO_LEDGER

#define SNAPSHOTS	512
#define MIN_STEP	8L
#define NR_KEPT_EVENTS	12
#define KEPT_CACHES	48

/* What else is known of the moment of a snapshot, by the same place: events so far, and frames behind each slab cache. */
struct activity {
	u32		events[NR_KEPT_EVENTS], caches[KEPT_CACHES];
};

static const struct { const char *name; enum vm_event event; } kept_events[NR_KEPT_EVENTS] = {
	{ "pgfault", PGFAULT }, { "pgmajfault", PGMAJFAULT }, { "pgpgin", PGPGIN }, { "pgpgout", PGPGOUT }, { "pswpin", PSWPIN },
	{ "pswpout", PSWPOUT }, { "pgscan", PGSCAN }, { "pgsteal", PGSTEAL }, { "allocstall", ALLOCSTALL }, { "oom_kill", OOM_KILL },
	{ "workingset_refault_anon", WORKINGSET_REFAULT_ANON }, { "workingset_refault_file", WORKINGSET_REFAULT },
};

static struct activity *activities;	/* behind snaps, in one piece with them; the lists of holders.c behind these */
static struct snapshot *snaps;		/* under the books' lock; NULL: no timeline */
static unsigned nr_snaps;
static long lowest, highest, least_step;

/* Who holds it is left out. */
static void fill_accounts(struct snapshot *s, u64 time, long used)
{
	s->head = (struct ls_snapshot){ .time_ns = time, .used = used, .nr_accounts = NR_ACCOUNTS };
	for (unsigned a = NR_ACCOUNTS; a < ARRAY_SIZE(s->frames); a++)
		s->frames[a] = 0;
	s->frames[ACCT_FREE] = (u32)(ledger_books.ram - used);
}

static void fill(struct snapshot *s)
{
	const struct ledger_books *b = &ledger_books;

	for (unsigned a = 0; a < NR_ACCOUNTS; a++)
		s->frames[a] = (u32)b->account[a].frames;
	fill_accounts(s, ktime_get(), b->used);
	holders_top(s);
}

static void fill_caches(u32 *frames)
{
	static u32 kept[KEPT_CACHES];
	static int kept_at = -1;
	int changes = atomic_read(&slab_changes);

	if (changes != kept_at) {
		kept_at = changes;
		memset(kept, 0, sizeof(kept));
		for (unsigned i = 0; i < min(slab_nr_caches, (unsigned)KEPT_CACHES); i++)
			if (slab_caches[i])
				kept[i] = (u32)(READ_ONCE(slab_caches[i]->nr_slabs) << slab_caches[i]->order);
	}
	memcpy(frames, kept, sizeof(kept));
}

static void fill_activity(struct activity *a)
{
	memset(a->events, 0, sizeof(a->events));
	for_each_cpu(cpu) {
		const long *event = per_cpu_ptr(vm_counters, cpu)->event;

		for (unsigned i = 0; i < NR_KEPT_EVENTS; i++)
			a->events[i] += (u32)READ_ONCE(event[kept_events[i].event]);
	}
	fill_caches(a->caches);
}

static inline long used_at(unsigned i)
{
	return (long)snaps[i].head.used;
}

static void keep(unsigned to, unsigned from)
{
	snaps[to] = snaps[from];
	activities[to] = activities[from];
}

/* Half of the entries go: of each pair the one that differs less from the last kept. The first and the last stay. */
static void thin(void)
{
	unsigned kept = 1;

	for (unsigned i = 1; i + 1 < nr_snaps - 1; i += 2) {
		long last = used_at(kept - 1), a = used_at(i) - last, b = used_at(i + 1) - last;

		keep(kept++, (a < 0 ? -a : a) >= (b < 0 ? -b : b) ? i : i + 1);
	}
	keep(kept++, nr_snaps - 1);
	nr_snaps = kept;
	least_step *= 2;
}

/* The books' lock is held and used has left the bounds (or the timeline begins). */
void ledger_snapshot(void)
{
	struct ledger_books *b = &ledger_books;
	long step;

	if (!snaps)
		return;
	ledger_fold();
	lowest = min(lowest, b->used);
	highest = max(highest, b->used);
	if (nr_snaps == SNAPSHOTS)
		thin();
	fill_activity(&activities[nr_snaps]);
	fill(&snaps[nr_snaps++]);
	stream_snapshot(&snaps[nr_snaps - 1], nr_snaps == 1 ? LS_START : LS_STEP);
	step = max((highest - lowest) / 200, least_step);
	b->snap_above = b->used + step;
	b->snap_below = b->used - step;
}

int ledger_timeline_start(void)
{
	struct ledger_books *b = &ledger_books;
	struct snapshot *fresh = snaps ? NULL : kvmalloc(SNAPSHOTS * (sizeof(*snaps) + sizeof(*activities)) + holders_size(),
							GFP_KERNEL | GFP_NOACCOUNT);

	if ((!snaps && !fresh) || ledger_details_start()) {
		kvfree(fresh);
		return -ENOMEM;
	}
	ledger_reset_peaks();
	ledger_lock();
	if (!snaps) {
		snaps = fresh;
		activities = (struct activity *)(fresh + SNAPSHOTS);
	}
	holders_start(activities + SNAPSHOTS);
	nr_snaps = 0;
	least_step = MIN_STEP;
	lowest = highest = b->used;
	ledger_snapshot();
	ledger_unlock();
	return 0;
}

/* ---- the text ----------------------------------------------------------------------------------------------------- */

/* " N". Thousands of these are printed while the machine's owner waits for the report. */
static void put_number(struct text *out, u64 n)
{
	char digits[21], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	*--p = ' ';
	text_write(out, p, (size_t)(digits + sizeof(digits) - p));
}

static void put_numbers(struct text *out, const u32 *n, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		put_number(out, n[i]);
	text_putc(out, '\n');
}

/* before: that of the line above, or NULL. Slab caches are told when they have changed. */
static void print_activity(struct text *out, const struct activity *a, const struct activity *before)
{
	u32 frames[KEPT_CACHES];
	unsigned nr = 0;

	text_putc(out, 'v');
	put_numbers(out, a->events, NR_KEPT_EVENTS);
	if (before && !memcmp(a->caches, before->caches, sizeof(a->caches)))
		return;
	for (unsigned i = 0; i < min(slab_nr_caches, (unsigned)KEPT_CACHES); i++)
		if (slab_caches[i])
			frames[nr++] = a->caches[i];
	text_putc(out, 'k');
	put_numbers(out, frames, nr);
}

static void print_columns(struct text *out)
{
	text_puts(out, "accounts");
	for (unsigned a = 0; a < NR_ACCOUNTS; a++)
		text_printf(out, " %s", ledger_account_name(a));
	text_puts(out, "\nevents");
	for (unsigned i = 0; i < NR_KEPT_EVENTS; i++)
		text_printf(out, " %s", kept_events[i].name);
	text_puts(out, "\ncaches");
	for (unsigned i = 0; i < min(slab_nr_caches, (unsigned)KEPT_CACHES); i++)
		if (slab_caches[i])
			text_printf(out, " %s", slab_caches[i]->name);
}

static void print(struct text *out, const struct snapshot *s, const struct activity *act, const struct activity *before)
{
	static const char *const kinds[] = { "machine", "process" };

	text_puts(out, "snap");
	put_number(out, s->head.time_ns);
	put_number(out, s->head.used);
	put_numbers(out, s->frames, NR_ACCOUNTS);
	print_activity(out, act, before);
	for (unsigned i = 0; i < s->head.nr_owners; i++) {
		const struct ls_owner *o = &s->owners[i];

		text_printf(out, "o %s %d ", kinds[o->kind], o->pid);
		text_puts_escaped(out, o->name[0] ? o->name : "?", " \t\n");
		put_number(out, o->frames);
		text_putc(out, '\n');
	}
	for (unsigned i = 0; i < s->head.nr_sites; i++) {
		const struct alloc_site *site = ledger_site(snapshot_sites(s)[i].site);

		text_printf(out, "s %s:%u %s", site->file, site->line, site->func);
		put_number(out, snapshot_sites(s)[i].frames);
		text_putc(out, '\n');
	}
}

/* The state that the books keep of the machine's peak, as an entry of its own: accounts only. */
static bool peak_entry(struct snapshot *s)
{
	const struct ledger_books *b = &ledger_books;

	if (b->used > b->used_peak)
		return false;			/* the peak is now: the entry of now shows it */
	for (unsigned a = 0; a < NR_ACCOUNTS; a++)
		s->frames[a] = (u32)b->at_peak_frames[a];
	fill_accounts(s, b->peak_time, b->used_peak);
	return true;
}

void ledger_snapshot_last(void)
{
	struct snapshot s;

	ledger_lock();
	if (snaps && peak_entry(&s))
		stream_snapshot(&s, LS_PEAK);
	fill(&s);
	stream_snapshot(&s, LS_STOP);
	ledger_unlock();
}

/* Printing may sleep and allocate, which moves the books: work on a copy. */
int ledger_timeline_report(struct text *out)
{
	struct snapshot *copy = kvmalloc((SNAPSHOTS + 1) * (sizeof(*copy) + sizeof(*activities)), GFP_KERNEL | GFP_NOACCOUNT), peak;
	struct activity *acts = (struct activity *)(copy + SNAPSHOTS + 1);
	unsigned n;
	bool has_peak;

	if (!copy)
		return -ENOMEM;
	ledger_lock();
	n = snaps ? nr_snaps : 0;
	memcpy(copy, snaps, n * sizeof(*copy));
	memcpy(acts, activities, n * sizeof(*acts));
	has_peak = n && peak_entry(&peak);
	if (n) {
		fill_activity(&acts[n]);
		fill(&copy[n++]);
	}
	ledger_unlock();
	print_columns(out);
	text_printf(out, "\nsnapshots %u\n", n + has_peak);
	for (unsigned i = 0; i < n; i++) {
		if (has_peak && peak.head.time_ns <= copy[i].head.time_ns) {
			print(out, &peak, &acts[i ? i - 1 : 0], i ? &acts[i - 1] : NULL);	/* counts only grow: those before are the nearest known */
			has_peak = false;
		}
		print(out, &copy[i], &acts[i], i ? &acts[i - 1] : NULL);
	}
	kvfree(copy);
	return out->cut ? -ENOMEM : 0;
}

#else
void ledger_snapshot(void) { }
int ledger_timeline_start(void) { return -EOPNOTSUPP; }
int ledger_timeline_report(struct text *out) { return 0; }
#endif
