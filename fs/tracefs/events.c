/*
 * events.c - the trace events: their fields as `format` shows them, and how a record becomes a line of `trace`.
 *
 * LINUX       names, fields, formats and the text of each event as in 6.1.
 */
#include <lib/string.h>
#include <mm/gfp.h>

#include "private.h"

static void put_gfp(struct text *out, unsigned gfp)
{
	static const struct { unsigned bits; const char *name; } names[] = {
		{ GFP_USER, "GFP_USER|__GFP_MOVABLE" }, { GFP_KERNEL, "GFP_KERNEL" }, { GFP_NOFS, "GFP_NOFS" },
		{ GFP_ATOMIC, "GFP_ATOMIC" }, { GFP_WAIT, "__GFP_DIRECT_RECLAIM" }, { GFP_IO, "__GFP_IO" }, { GFP_FS, "__GFP_FS" },
		{ GFP_ZERO, "__GFP_ZERO" }, { GFP_MOVABLE, "__GFP_MOVABLE" }, { GFP_DMA, "GFP_DMA" }, { GFP_DMA32, "GFP_DMA32" },
		{ GFP_NOWARN, "__GFP_NOWARN" }, { GFP_NORETRY, "__GFP_NORETRY" }, { GFP_NOFAIL, "__GFP_NOFAIL" },
	};
	bool any = false;

	for (unsigned n = 0; n < ARRAY_SIZE(names); n++)
		if (names[n].bits && (gfp & names[n].bits) == names[n].bits) {
			text_printf(out, "%s%s", any ? "|" : "", names[n].name);
			gfp &= ~names[n].bits;
			any = true;
		}
	if (!any)
		text_puts(out, "GFP_NOWAIT");
}

static void print_alloc(struct text *out, const struct trace_record *r)
{
	text_printf(out, "call_site=%pS ptr=%016llx ", (void *)r->v[0], (unsigned long long)r->v[1]);
	if (r->event == TRACE_KMEM_CACHE_ALLOC)
		text_printf(out, "name=%s ", r->name);
	text_printf(out, "bytes_req=%llu bytes_alloc=%llu gfp_flags=", (unsigned long long)r->v[2], (unsigned long long)r->v[3]);
	put_gfp(out, (unsigned)r->v[4]);
	text_puts(out, " node=0 accounted=false");
}

static void print_free(struct text *out, const struct trace_record *r)
{
	text_printf(out, "call_site=%pS ptr=%016llx", (void *)r->v[0], (unsigned long long)r->v[1]);
	if (r->event == TRACE_KMEM_CACHE_FREE)
		text_printf(out, " name=%s", r->name);
}

static void print_page(struct text *out, const struct trace_record *r)
{
	text_printf(out, "page=%016llx pfn=0x%llx order=%llu", (unsigned long long)r->v[0], (unsigned long long)r->v[1],
		    (unsigned long long)r->v[2]);
	if (r->event == TRACE_MM_PAGE_ALLOC) {
		text_printf(out, " migratetype=%llu gfp_flags=", (unsigned long long)r->v[4]);
		put_gfp(out, (unsigned)r->v[3]);
	} else if (r->event == TRACE_MM_PAGE_PCPU_DRAIN) {
		text_printf(out, " migratetype=%llu", (unsigned long long)r->v[3]);
	}
}

static void print_rss(struct text *out, const struct trace_record *r)
{
	static const char *const members[] = { "MM_FILEPAGES", "MM_ANONPAGES", "MM_SWAPENTS", "MM_SHMEMPAGES" };

	text_printf(out, "mm_id=%u curr=%llu type=%s size=%lldB", (unsigned)(r->v[0] >> 6) & 0xffffffffu, (unsigned long long)r->v[1],
		    r->v[2] < 4 ? members[r->v[2]] : "?", (long long)r->v[3]);
}

static void print_fault(struct text *out, const struct trace_record *r)
{
	text_printf(out, "address=0x%llx ip=", (unsigned long long)r->v[0]);
	if ((s64)r->v[1] < 0)
		text_printf(out, "%pS", (void *)r->v[1]);
	else
		text_printf(out, "0x%llx", (unsigned long long)r->v[1]);
	text_printf(out, " error_code=0x%llx", (unsigned long long)r->v[2]);
}

#define UL(n, v)	{ "unsigned long", n, 8, false, v }
#define PTR(n, v)	{ "const void *", n, 8, false, v }
#define SZ(n, v)	{ "size_t", n, 8, false, v }
#define U32F(n, v)	{ "unsigned int", n, 4, false, v }
#define S32F(n, v)	{ "int", n, 4, true, v }
#define NAME		{ "__data_loc char[]", "name", 4, false, 5 }
#define GFPF(v)		UL("gfp_flags", v)

const struct trace_event_type trace_events[NR_TRACE_EVENTS] = {
	[TRACE_KMALLOC] = { "kmem", "kmalloc", { UL("call_site", 0), PTR("ptr", 1), SZ("bytes_req", 2), SZ("bytes_alloc", 3), GFPF(4) },
		"\"call_site=%pS ptr=%p bytes_req=%zu bytes_alloc=%zu gfp_flags=%s\", (void *)REC->call_site, REC->ptr, REC->bytes_req, "
		"REC->bytes_alloc, REC->gfp_flags", print_alloc },
	[TRACE_KMEM_CACHE_ALLOC] = { "kmem", "kmem_cache_alloc",
		{ UL("call_site", 0), PTR("ptr", 1), NAME, SZ("bytes_req", 2), SZ("bytes_alloc", 3), GFPF(4) },
		"\"call_site=%pS ptr=%p name=%s bytes_req=%zu bytes_alloc=%zu gfp_flags=%s\", (void *)REC->call_site, REC->ptr, "
		"__get_str(name), REC->bytes_req, REC->bytes_alloc, REC->gfp_flags", print_alloc },
	[TRACE_KFREE] = { "kmem", "kfree", { UL("call_site", 0), PTR("ptr", 1) },
		"\"call_site=%pS ptr=%p\", (void *)REC->call_site, REC->ptr", print_free },
	[TRACE_KMEM_CACHE_FREE] = { "kmem", "kmem_cache_free", { UL("call_site", 0), PTR("ptr", 1), NAME },
		"\"call_site=%pS ptr=%p name=%s\", (void *)REC->call_site, REC->ptr, __get_str(name)", print_free },
	[TRACE_MM_PAGE_ALLOC] = { "kmem", "mm_page_alloc", { UL("page", 0), UL("pfn", 1), U32F("order", 2), GFPF(3), S32F("migratetype", 4) },
		"\"page=%p pfn=0x%lx order=%d migratetype=%d gfp_flags=%s\", REC->page, REC->pfn, REC->order, REC->migratetype, "
		"REC->gfp_flags", print_page },
	[TRACE_MM_PAGE_FREE] = { "kmem", "mm_page_free", { UL("page", 0), UL("pfn", 1), U32F("order", 2) },
		"\"page=%p pfn=0x%lx order=%d\", REC->page, REC->pfn, REC->order", print_page },
	[TRACE_MM_PAGE_PCPU_DRAIN] = { "kmem", "mm_page_pcpu_drain", { UL("page", 0), UL("pfn", 1), U32F("order", 2), S32F("migratetype", 3) },
		"\"page=%p pfn=0x%lx order=%d migratetype=%d\", REC->page, REC->pfn, REC->order, REC->migratetype", print_page },
	[TRACE_RSS_STAT] = { "kmem", "rss_stat",
		{ U32F("mm_id", 0), U32F("curr", 1), S32F("member", 2), { "long", "size", 8, true, 3 } },
		"\"mm_id=%u curr=%d type=%s size=%ldB\", REC->mm_id, REC->curr, REC->member, REC->size", print_rss },
	[TRACE_FAULT_USER] = { "exceptions", "page_fault_user", { UL("address", 0), UL("ip", 1), UL("error_code", 2) },
		"\"address=%ps ip=%ps error_code=0x%lx\", (void *)REC->address, (void *)REC->ip, REC->error_code", print_fault },
	[TRACE_FAULT_KERNEL] = { "exceptions", "page_fault_kernel", { UL("address", 0), UL("ip", 1), UL("error_code", 2) },
		"\"address=%ps ip=%ps error_code=0x%lx\", (void *)REC->address, (void *)REC->ip, REC->error_code", print_fault },
};

const char *const trace_systems[] = { "kmem", "exceptions" };
const unsigned nr_trace_systems = ARRAY_SIZE(trace_systems);

static void print_stack(struct text *out, const struct trace_record *r)
{
	const u64 *frames = (const u64 *)(r + 1);

	text_puts(out, "<stack trace>\n");
	for (unsigned n = 0; n < r->extra / sizeof(u64); n++)
		text_printf(out, " => %pS\n", (void *)(frames[n] - 1));
}

void trace_print(struct text *out, const struct trace_record *r)
{
	u64 usec = (r->ts + 500) / 1000;

	text_printf(out, "%16s-%-7d [%03u] ..... %5llu.%06llu: ", r->comm, r->pid, r->cpu, (unsigned long long)(usec / 1000000),
		    (unsigned long long)(usec % 1000000));
	if (r->event == TRACE_STACK) {
		print_stack(out, r);
		return;
	}
	if (r->event == TRACE_MARK) {
		text_puts(out, "tracing_mark_write: ");
		text_write(out, r + 1, r->extra);
		if (!r->extra || ((const char *)(r + 1))[r->extra - 1] != '\n')
			text_putc(out, '\n');
		return;
	}
	text_printf(out, "%s: ", trace_events[r->event].name);
	trace_events[r->event].print(out, r);
	text_putc(out, '\n');
}
