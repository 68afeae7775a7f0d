/*
 * trace.h - trace events: what tracefs shows of the memory system.
 *
 * A trace point costs one test of a byte while it is off. When on, its values go into the CPU's ring; see kernel/trace.c.
 */
#ifndef KERNEL_TRACE_H
#define KERNEL_TRACE_H

#include <lib/types.h>

enum trace_event {
	TRACE_KMALLOC, TRACE_KMEM_CACHE_ALLOC, TRACE_KFREE, TRACE_KMEM_CACHE_FREE, TRACE_MM_PAGE_ALLOC, TRACE_MM_PAGE_FREE,
	TRACE_MM_PAGE_PCPU_DRAIN, TRACE_RSS_STAT, TRACE_FAULT_USER, TRACE_FAULT_KERNEL,
	NR_TRACE_EVENTS,
	TRACE_MARK = NR_TRACE_EVENTS,	/* trace_marker: text */
	TRACE_STACK,			/* the stack of the event before it */
};

enum { TRACE_RECORD = 1, TRACE_TRIGGER = 2, TRACE_STREAM = 4, TRACE_AGE = 8, TRACE_MEMCG = 16 };	/* the last three: not for us, but off the fast path */
extern u8 trace_on[NR_TRACE_EVENTS];	/* bits above. Read on hot paths; written through trace_set() */

void trace_emit(enum trace_event e, u64 a, u64 b, u64 c, u64 d, u64 f, const char *name);

#define TRACE_POINT(event, a, b, c, d, f, name) do {					\
	if (unlikely(trace_on[event] & (TRACE_RECORD | TRACE_TRIGGER)))				\
		trace_emit(event, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(f), name); \
} while (0)

static inline void trace_kmalloc(vaddr_t site, const void *p, size_t req, size_t size, unsigned gfp)
{
	TRACE_POINT(TRACE_KMALLOC, site, (uintptr_t)p, req, size, gfp, NULL);
}
static inline void trace_kmem_cache_alloc(vaddr_t site, const void *p, const char *name, size_t req, size_t size, unsigned gfp)
{
	TRACE_POINT(TRACE_KMEM_CACHE_ALLOC, site, (uintptr_t)p, req, size, gfp, name);
}
static inline void trace_kfree(vaddr_t site, const void *p)
{
	TRACE_POINT(TRACE_KFREE, site, (uintptr_t)p, 0, 0, 0, NULL);
}
static inline void trace_kmem_cache_free(vaddr_t site, const void *p, const char *name)
{
	TRACE_POINT(TRACE_KMEM_CACHE_FREE, site, (uintptr_t)p, 0, 0, 0, name);
}
static inline void trace_mm_page_alloc(const void *page, unsigned long pfn, unsigned order, unsigned gfp, unsigned migratetype)
{
	TRACE_POINT(TRACE_MM_PAGE_ALLOC, (uintptr_t)page, pfn, order, gfp, migratetype, NULL);
}
static inline void trace_mm_page_free(const void *page, unsigned long pfn, unsigned order)
{
	TRACE_POINT(TRACE_MM_PAGE_FREE, (uintptr_t)page, pfn, order, 0, 0, NULL);
}
static inline void trace_mm_page_pcpu_drain(const void *page, unsigned long pfn, unsigned order, unsigned migratetype)
{
	TRACE_POINT(TRACE_MM_PAGE_PCPU_DRAIN, (uintptr_t)page, pfn, order, migratetype, 0, NULL);
}
/* member: enum mm_counter; size in bytes. */
static inline void trace_rss_stat(const void *mm, bool curr, int member, long size)
{
	TRACE_POINT(TRACE_RSS_STAT, (uintptr_t)mm, curr, member, size, 0, NULL);
}
static inline void trace_page_fault(bool user, vaddr_t addr, vaddr_t ip, unsigned long code)
{
	TRACE_POINT(user ? TRACE_FAULT_USER : TRACE_FAULT_KERNEL, addr, ip, code, 0, 0, NULL);
}

/* ---- for tracefs ---- */

#define TRACE_VALUES	5
#define TRACE_NAME	24
#define TRACE_DEPTH	16		/* frames of a stack */

struct trace_record {			/* as it stands in a ring, followed by `extra` bytes of text or frames */
	u16	len;			/* of all, a multiple of 8 */
	u8	event;
	u8	cpu;
	s32	pid;
	u64	ts;			/* ns, monotonic */
	char	comm[16];
	u64	v[TRACE_VALUES];
	char	name[TRACE_NAME];
	u16	extra;
	u16	pad[3];
};
#define TRACE_RECORD_MAX	(sizeof(struct trace_record) + 1024)

/* A filter: predicates in postfix order. value: 0-4 a number of the record, 5 its name, 6 common_pid. */
struct trace_term {
	enum { TERM_AND, TERM_OR, TERM_NOT, TERM_NUMBER, TERM_TEXT } kind;
	enum { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_MASK, OP_GLOB } op;
	u8	value;
	bool	is_signed;
	u64	number;
	char	text[32];
};
struct trace_filter {
	unsigned		nr;
	struct trace_term	term[];
};

enum trace_trigger { TRIGGER_STACKTRACE = 1, TRIGGER_TRACEOFF = 2, TRIGGER_TRACEON = 4 };

void trace_set(enum trace_event e, bool on);
void trace_set_running(bool on);		/* tracing_on */
bool trace_running(void);
void trace_set_stack_option(bool on);		/* options/stacktrace: a stack behind each event */
bool trace_stack_option(void);
/* The old filter is returned: nobody evaluates it any more. NULL: none. */
const struct trace_filter *trace_set_filter(enum trace_event e, const struct trace_filter *f);
const struct trace_filter *trace_set_trigger_filter(enum trace_event e, const struct trace_filter *f);
/* bits of enum trace_trigger; count: how often each may fire, -1: without end. */
void trace_set_trigger(enum trace_event e, unsigned bits, long count);
unsigned trace_get_trigger(enum trace_event e, long *count);
/* Give a CPU's ring its memory (a power of two; NULL, 0: none). The old memory is returned. */
void *trace_ring_set(unsigned cpu, void *mem, size_t size);
size_t trace_ring_size(unsigned cpu);
void trace_clear(int cpu);			/* -1: all */
void trace_mark(const char *text, size_t n);
/* Copies the oldest record at or behind *pos (a position in the stream of this CPU) to out; moves *pos behind it. False: none. */
bool trace_read(unsigned cpu, u64 *pos, bool consume, void *out);
bool trace_peek_ts(unsigned cpu, u64 *pos, bool consumed, u64 *ts);
struct trace_stats { u64 entries, written, overrun, bytes, oldest_ts; };
void trace_stats(unsigned cpu, struct trace_stats *out);
struct waitq;
struct waitq *trace_waitq(void);
extern int trace_waiters;			/* readers asleep in trace_pipe */
int trace_init(void);

#endif
