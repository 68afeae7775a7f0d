/*
 * accounts.c - the books: frames by account, their peaks, the state at the machine's peak.
 *
 * INVARIANTS  L1 the accounts add up to the machine's RAM (FREE is what the others leave).  L2 a frame's account,
 *             owner and site stand in its struct page from the moment it leaves the allocator until it is back, so
 *             what was added under three names is taken from the same three.              [ledger_audit()]
 * LOCKS       ledger_books.lock, for a handful of additions at a time. The hot path is charge.h.
 */
#include <kernel/panic.h>
#include <kernel/time.h>
#include <mm/ledger_stream.h>
#include <mm/page_alloc.h>
#include "charge.h"

struct ledger_books ledger_books = { .snap_above = LONG_MAX, .snap_below = LONG_MIN };
struct alloc_site *ledger_site_base;
unsigned ledger_nr_sites, ledger_nr_kernel_sites;
u32 ledger_module_tags = ~0u;

static const struct {
	const char		*name;
	enum ledger_space	space;
} accounts[NR_ACCOUNTS] = {
	[ACCT_FREE]		= { "free", SPACE_FREE },
	[ACCT_RESERVED]		= { "reserved", SPACE_KERNEL },
	[ACCT_IMAGE]		= { "image", SPACE_KERNEL },
	[ACCT_PAGE_ARRAY]	= { "page_array", SPACE_KERNEL },
	[ACCT_BOOT]		= { "boot", SPACE_KERNEL },
	[ACCT_SLAB]		= { "slab", SPACE_KERNEL },
	[ACCT_VMALLOC]		= { "vmalloc", SPACE_KERNEL },
	[ACCT_KSTACK]		= { "kernel_stacks", SPACE_KERNEL },
	[ACCT_PAGE_TABLE]	= { "page_tables", SPACE_KERNEL },
	[ACCT_PERCPU]		= { "percpu", SPACE_KERNEL },
	[ACCT_MODULE]		= { "modules", SPACE_KERNEL },
	[ACCT_PAGE_CACHE]	= { "page_cache", SPACE_CACHE },
	[ACCT_SHMEM]		= { "shmem", SPACE_USER },
	[ACCT_ANON]		= { "anon", SPACE_USER },
	[ACCT_SWAP_CACHE]	= { "swap_cache", SPACE_USER },
	[ACCT_ZSWAP]		= { "zswap", SPACE_USER },
	[ACCT_DEVICE]		= { "device", SPACE_KERNEL },
	[ACCT_BALLOON]		= { "balloon", SPACE_KERNEL },
};

const char *ledger_account_name(enum account a)
{
	return accounts[a].name;
}

enum ledger_space ledger_account_space(enum account a)
{
	return accounts[a].space;
}

DEFINE_PER_CPU_ALIGNED(struct ledger_pending, ledger_pending);

/* n pages taken on credit under one key. Lock held. */
void ledger_fold_one(struct ledger_pending *p, long n)
{
	struct page as = { .books = p->key };
	struct alloc_site *site = ledger_site(as.site);

	p->base -= n;
	ledger_book(as.account, as.owner, site, n);
#ifndef NO_LEDGER
	site->calls += n - 1;
#endif
}

/* How much may be taken unseen: never past the timeline's bound, whatever the other CPUs do with theirs. Folded, lock held. */
static long credit(void)
{
	long room = ledger_books.snap_above - ledger_books.used;

	for_each_cpu(cpu)
		if (cpu != cpu_id())
			room -= per_cpu_ptr(ledger_pending, cpu)->base;
	return clamp(room, 0L, (long)LEDGER_CREDIT);
}

/* No credit for this key: book the page. When the same comes twice, more of it will. */
void ledger_add_slow(u64 key, struct alloc_site *site)
{
	struct ledger_pending *p = this_cpu_ptr(ledger_pending);
	struct page as = { .books = key };

	spin_lock(&ledger_books.lock);
	ledger_book(as.account, as.owner, site, 1);
	if (p->seen == key) {
		ledger_fold();
		ledger_check_bound();
		p->key = key;
		p->base = credit();
		WRITE_ONCE(p->left, p->base);
	} else {
		ledger_check_bound();
		p->seen = key;
	}
	spin_unlock(&ledger_books.lock);
}

void ledger_sync(void)
{
	ledger_lock();
	ledger_unlock();
}

long ledger_frames(enum account a)
{
	ledger_sync();
	return a == ACCT_FREE ? ledger_books.ram - ledger_books.used : ledger_books.account[a].frames;
}

/* What boot took for good: never the allocator's. */
static long boot_frames[NR_ACCOUNTS];

void ledger_note_boot(void)
{
	for (unsigned a = 0; a < NR_ACCOUNTS; a++)
		boot_frames[a] = a == ACCT_FREE ? 0 : ledger_books.account[a].frames;
}

long ledger_managed_frames(enum account a)
{
	return ledger_frames(a) - boot_frames[a];
}

long ledger_peak(enum account a)
{
	ledger_sync();
	return a == ACCT_FREE ? ledger_frames(a) : max(ledger_books.account[a].peak, ledger_books.account[a].frames);
}

long ledger_at_machine_peak(enum account a)
{
	const struct ledger_books *b = &ledger_books;

	ledger_sync();
	if (a == ACCT_FREE)
		return b->ram - max(b->used_peak, b->used);
	return b->used > b->used_peak ? b->account[a].frames : b->at_peak_frames[a];
}

void ledger_note_peak(void)
{
	struct ledger_books *b = &ledger_books;

	for (unsigned a = 0; a < NR_ACCOUNTS; a++)
		b->at_peak_frames[a] = b->account[a].frames;
	b->peak_time = ktime_get();
	b->used_peak = b->used;
}

void ledger_reset_peaks(void)
{
	struct ledger_books *b = &ledger_books;

	ledger_lock();
	for (unsigned a = 0; a < NR_ACCOUNTS; a++)
		b->account[a].peak = b->account[a].frames;
	ledger_note_peak();
	ledger_unlock();
}

/*
 * Between two accounts that are both in use the total stays; with FREE on either side (boot memory that is given
 * back) it changes too.
 */
void ledger_page_move(struct page *page, unsigned order, enum account to)
{
	struct ledger_books *b = &ledger_books;
	enum account from = page->account;
	long n = 1L << order;

	if (from == to)
		return;
	if (unlikely(ledger_streaming & STREAM_PAGES))
		ledger_stream_move(page, order, to);
	ledger_lock();
	if (b->used > b->used_peak && to == ACCT_FREE)
		ledger_note_peak();
	if (b->account[from].frames > b->account[from].peak)
		b->account[from].peak = b->account[from].frames;
	b->account[from].frames -= n;
	b->account[to].frames += n;
	if (to == ACCT_FREE) {		/* boot memory that is given back */
		b->used -= n;
		boot_frames[from] -= n;
	}
#ifndef NO_LEDGER
	memcg_book(ledger_owners[page->owner].memcg, from, -n);
	if (to != ACCT_FREE)
		memcg_book(ledger_owners[page->owner].memcg, to, n);
#endif
	ledger_unlock();
	for (long i = 0; i < n; i++)
		page[i].account = (u8)to;
}
