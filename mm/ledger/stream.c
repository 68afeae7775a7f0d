/*
 * stream.c - the ledger, live: snapshots, page events and stacks as records on their way to the host.
 *
 * WHY         what a run's report needs is too much to keep in the guest (each page's coming and going, whole stacks), and
 *             `quire top` wants it while the machine runs.
 * SHAPE       writer -> current chunk -> full -> sink (a virtio port) -> host; chunks go round. Page events gather in one
 *             open record, in the chunk itself, so that a page costs two stores: its length is filled in when it is closed.
 * NO LOSS     when every chunk is on its way, the writer waits for the host, spinning: it may be anywhere, deep inside the
 *             allocator, with locks held. So a host that does not read stops the guest, and nothing is dropped.
 * ORDER       one lock, so records stand in the order of the events; the record of pages is closed before anything else is written.
 * LOCKS       stream_lock (LOCK_TRACE): inside anything. The sink takes none.
 * READ NEXT   include/abi/ledger_stream.h, docs/ledger-stream.md, stacks.c, cli/stream.c
 */
#include <abi/errno.h>
#include <arch/cpu.h>
#include <kernel/cpu.h>
#include <kernel/printk.h>
#include <kernel/time.h>
#include <kernel/trace.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include "charge.h"
#include "owners.h"
#include "snapshot.h"
#include "stream.h"

#ifndef NO_LEDGER

#define CHUNK_ORDER	3
#define CHUNK_SIZE	(PAGE_SIZE << CHUNK_ORDER)
#define NR_CHUNKS	8
#define MOST_EVENTS	128		/* in one record */
#define FLUSH_NS	(200 * 1000000LL)	/* a snapshot does not wait longer than this for its chunk to fill */

u8 ledger_streaming;

spinlock_t stream_lock = SPINLOCK_INIT("ledger stream", LOCK_TRACE);
static struct ledger_sink *sink;
static struct {
	void	*mem;
	bool	busy;			/* the host has it */
} chunks[NR_CHUNKS];
static unsigned current_chunk;
static u32 fill;			/* bytes in it */
static u64 nr_records;
static ktime_t last_submit;
static u8 site_told[65536 / 8];
struct stream_events stream_events;
static struct ls_record *pages_head;	/* of the open record of page events */
static ktime_t pages_time;

/* ---- bytes: stream_lock held ------------------------------------------------------------------------------------ */

static void reap(void)
{
	void *mem;

	while ((mem = sink->reap(sink)))
		for (unsigned i = 0; i < NR_CHUNKS; i++)
			if (chunks[i].mem == mem)
				chunks[i].busy = false;
}

static void host_is_gone(void)
{
	ledger_streaming = 0;
	fill = 0;
	stream_events.next = NULL;
}

/* The current chunk goes, and the next one is ours when this returns. */
static void chunk_send(void)
{
	if (!fill)
		return;
	while (!sink->submit(sink, chunks[current_chunk].mem, fill)) {
		if (sink->gone(sink)) {
			host_is_gone();
			return;
		}
		reap();
		cpu_relax();
	}
	chunks[current_chunk].busy = true;
	current_chunk = (current_chunk + 1) % NR_CHUNKS;
	fill = 0;
	last_submit = ktime_get();
	for (reap(); chunks[current_chunk].busy; reap()) {
		if (sink->gone(sink)) {
			host_is_gone();
			return;
		}
		cpu_relax();
	}
}

static void put_bytes(const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		size_t part = min(n, (size_t)(CHUNK_SIZE - fill));

		memcpy((char *)chunks[current_chunk].mem + fill, p, part);
		fill += part;
		p += part;
		n -= part;
		if (fill == CHUNK_SIZE)
			chunk_send();
	}
}

static void put_record(enum ls_type type, const struct iovec_part *parts, unsigned nr)
{
	static const char zero[8];
	struct ls_record r = { .type = type, .cpu = cpu_id() };
	size_t len = 0;

	for (unsigned i = 0; i < nr; i++)
		len += parts[i].len;
	r.len = ALIGN_UP(len, 8);
	put_bytes(&r, sizeof(r));
	for (unsigned i = 0; i < nr; i++)
		put_bytes(parts[i].data, parts[i].len);
	put_bytes(zero, r.len - len);
	nr_records++;
}

static void close_pages(void)
{
	if (!stream_events.next)
		return;
	pages_head->len = (u32)((char *)stream_events.next - (char *)(pages_head + 1));
	fill += sizeof(*pages_head) + pages_head->len;
	stream_events.next = NULL;
	nr_records++;
	if (fill == CHUNK_SIZE)
		chunk_send();
}

static u32 pages_room(void)
{
	return (u32)((char *)chunks[current_chunk].mem + CHUNK_SIZE - (char *)stream_events.next);
}

static void open_pages(ktime_t now)
{
	struct ls_pages *p;

	if (CHUNK_SIZE - fill < sizeof(*pages_head) + sizeof(*p) + STREAM_LOOK_BYTES)
		chunk_send();
	pages_head = (void *)((char *)chunks[current_chunk].mem + fill);
	*pages_head = (struct ls_record){ .type = LS_PAGES, .cpu = cpu_id() };
	p = (struct ls_pages *)(pages_head + 1);
	p->time_ns = pages_time = now;
	stream_events.next = (u64 *)(p + 1);
}

void stream_record(enum ls_type type, const struct iovec_part *parts, unsigned nr)
{
	spin_lock(&stream_lock);
	if (ledger_streaming) {
		close_pages();
		put_record(type, parts, nr);
	}
	spin_unlock(&stream_lock);
}

/* ---- pages ------------------------------------------------------------------------------------------------------ */

static inline unsigned nr_events(void)
{
	return (unsigned)((char *)stream_events.next - (char *)(pages_head + 1) - sizeof(struct ls_pages)) / sizeof(struct ls_page);
}

void stream_look(void)
{
	struct stream_events *e = &stream_events;
	ktime_t now = ktime_get();

	if (e->next && (nr_events() >= MOST_EVENTS || now - pages_time > 1000000000 || pages_room() < STREAM_LOOK_BYTES))
		close_pages();
	if (!e->next)
		open_pages(now);
	e->stamp = now > pages_time ? (u64)(now - pages_time) << 32 : 0;
}

void ledger_stream_free(struct page **pages, unsigned nr, unsigned order)
{
	struct stream_events *e = &stream_events;

	spin_lock(&stream_lock);
	while (nr) {
		unsigned n;

		if (!((uintptr_t)e->next & STREAM_LOOK_MASK))
			stream_look();
		n = min(nr, (unsigned)(STREAM_LOOK_BYTES - ((uintptr_t)e->next & STREAM_LOOK_MASK)) / 16);
		nr -= n;
		for (u64 *at = e->next, *end = e->next += 2 * n; at < end; at += 2, pages++)
			stream_event_at(at, *pages, LS_FREE, order, (*pages)->account, e->stamp);
	}
	spin_unlock(&stream_lock);
}

void ledger_stream_move(struct page *p, unsigned order, unsigned account)
{
	bool free = account == ACCT_FREE;

	spin_lock(&stream_lock);
	stream_event(p, free ? LS_FREE : LS_MOVE, order, free ? p->account : account, 0);
	spin_unlock(&stream_lock);
}

/* ---- snapshots -------------------------------------------------------------------------------------------------- */

static noinline void put_site(unsigned id)
{
	const struct alloc_site *s = ledger_site(id);
	struct ls_site r = { .id = id, .line = s->line, .file_len = strlen(s->file), .func_len = strlen(s->func) };
	struct iovec_part parts[] = { { &r, sizeof(r) }, { s->file, r.file_len }, { s->func, r.func_len } };

	site_told[id / 8] |= 1 << id % 8;
	put_record(LS_SITE, parts, 3);
}

static inline void tell_site(unsigned id)
{
	if (unlikely(!(site_told[id / 8] & 1 << id % 8)))
		put_site(id);
}

static void tell_accounts(void)
{
	for (unsigned a = 0; a < NR_ACCOUNTS; a++) {
		struct ls_account r = { .id = a, .space = ledger_account_space(a) };
		struct iovec_part part = { &r, sizeof(r) };

		strscpy(r.name, ledger_account_name(a), sizeof(r.name));
		put_record(LS_ACCOUNT, &part, 1);
	}
}

static void put_snapshot(struct snapshot *s, enum ls_reason reason)
{
	const struct ls_holder *sites = snapshot_sites(s);
	struct iovec_part part = { s, snapshot_size(s) };

	s->head.reason = reason;
	for (unsigned i = 0; i < s->head.nr_sites; i++)
		tell_site(sites[i].site);
	put_record(LS_SNAPSHOT, &part, 1);
}

/* The books' lock is held: the state is one moment's, and snapshots stand in order. */
void stream_snapshot(struct snapshot *s, enum ls_reason reason)
{
	if (!ledger_streaming)
		return;
	spin_lock(&stream_lock);
	close_pages();
	put_snapshot(s, reason);
	if ((ktime_t)s->head.time_ns - last_submit > FLUSH_NS)
		chunk_send();
	spin_unlock(&stream_lock);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

void ledger_stream_attach(struct ledger_sink *s)
{
	if (!sink)
		sink = s;
}

static int chunks_make(void)
{
	for (unsigned i = 0; i < NR_CHUNKS; i++) {
		struct page *p = chunks[i].mem ? NULL : page_alloc(GFP_KERNEL | GFP_NOACCOUNT, CHUNK_ORDER, ACCT_DEVICE);

		if (p)
			chunks[i].mem = page_address(p);
		else if (!chunks[i].mem)
			return -ENOMEM;
	}
	return 0;
}

static void begin(unsigned flags)
{
	struct ls_header h = { .magic = LS_MAGIC, .version = LS_VERSION, .header_len = sizeof(h), .page_size = PAGE_SIZE,
			       .flags = flags & LEDGER_STREAM_PAGES ? LS_HAS_PAGES : 0, .ram_frames = ledger_books.ram,
			       .used_frames = ledger_books.used, .time_ns = ktime_get(),
			       .anchor = (u64)(uintptr_t)ledger_stream_start };

	fill = 0;
	stream_events.next = NULL;
	nr_records = 0;
	memset(site_told, 0, sizeof(site_told));
	put_bytes(&h, sizeof(h));
	tell_accounts();
	ledger_streaming = STREAM_ON | (flags & LEDGER_STREAM_PAGES ? STREAM_PAGES : 0);
}

static void trace_hook(bool on)
{
	/* Takes page_alloc_at() off its fast path, so that only traced kernels pay for the test. */
	if (on)
		__atomic_fetch_or(&trace_on[TRACE_MM_PAGE_ALLOC], TRACE_STREAM, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(&trace_on[TRACE_MM_PAGE_ALLOC], (u8)~TRACE_STREAM, __ATOMIC_SEQ_CST);
}

int ledger_stream_start(unsigned flags)
{
	int err;

	if (!sink)
		return -ENODEV;
	if (ledger_streaming)
		return -EBUSY;
	err = chunks_make();
	if (!err && flags & LEDGER_STREAM_PAGES)
		err = stream_stacks_start();
	if (err)
		return err;
	sink->open(sink);
	ledger_lock();
	spin_lock(&stream_lock);
	begin(flags);
	spin_unlock(&stream_lock);
	ledger_unlock();
	if (flags & LEDGER_STREAM_PAGES) {
		stream_stacks_started();
		trace_hook(true);
	}
	return ledger_timeline_start();
}

void ledger_stream_flush(void)
{
	spin_lock(&stream_lock);
	if (ledger_streaming) {
		close_pages();
		chunk_send();
	}
	spin_unlock(&stream_lock);
}

static bool all_taken(void)
{
	for (unsigned i = 0; i < NR_CHUNKS; i++)
		if (chunks[i].busy)
			return false;
	return true;
}

void ledger_stream_stop(void)
{
	struct ls_end end = { .time_ns = ktime_get() };
	struct iovec_part part = { &end, sizeof(end) };

	if (!ledger_streaming)
		return;
	trace_hook(false);
	ledger_snapshot_last();
	spin_lock(&stream_lock);
	close_pages();
	end.records = nr_records;
	put_record(LS_END, &part, 1);
	chunk_send();
	while (!all_taken() && !sink->gone(sink)) {
		reap();
		cpu_relax();
	}
	ledger_streaming = 0;
	spin_unlock(&stream_lock);
}

#else
u8 ledger_streaming;
void ledger_stream_attach(struct ledger_sink *s) { }
int ledger_stream_start(unsigned flags) { return -EOPNOTSUPP; }
void ledger_stream_flush(void) { }
void ledger_stream_stop(void) { }
void ledger_stream_free(struct page **pages, unsigned nr, unsigned order) { }
void ledger_stream_move(struct page *p, unsigned order, unsigned account) { }
#endif
