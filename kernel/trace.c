/*
 * trace.c - trace events into per-CPU rings.
 *
 * SHAPE    a trace point that is on calls trace_emit(): run state, filter, then the record goes into this CPU's ring; the oldest
 *          records make room. Positions are byte counts since the ring was made, so a reader notices what it missed. Readers (fs/tracefs/) copy records out.
 * LIFE     rings get their memory from tracefs when the first event is turned on; without memory nothing is recorded.
 * CONTEXT  trace points stand under the allocator's locks: emitting takes only the ring's lock, the last in the order, allocates
 *          nothing and wakes nobody itself (a deferred handler wakes trace_pipe).
 * LOCKS    ring->lock (LOCK_TRACE): contents, and the filter and triggers while they are used; who changes those takes every ring's lock once.
 */
#include <kernel/backtrace.h>
#include <kernel/cpu.h>
#include <kernel/irq.h>
#include <kernel/lock.h>
#include <kernel/sched.h>
#include <kernel/time.h>
#include <kernel/trace.h>
#include <kernel/wait.h>
#include <lib/string.h>

struct ring {
	spinlock_t	lock;
	char		*mem;
	size_t		size;		/* a power of two */
	u64		head, tail;	/* bytes; records between them, each contiguous modulo size by copying */
	u64		entries, written, overrun;
};

u8 trace_on[NR_TRACE_EVENTS];
int trace_waiters;

static struct ring rings[MAX_CPUS];
static const struct trace_filter *filters[NR_TRACE_EVENTS], *trigger_filters[NR_TRACE_EVENTS];
static unsigned triggers[NR_TRACE_EVENTS];
static long trigger_count[NR_TRACE_EVENTS];
static bool running = true, stack_option;
static struct waitq pipe_wait = WAITQ_INIT(pipe_wait);
static int wake_slot = -1;

/* ---- bytes in and out of a ring; lock held ---- */

static void ring_put(struct ring *r, u64 at, const void *src, size_t n)
{
	size_t off = at & (r->size - 1), first = min(n, r->size - off);

	memcpy(r->mem + off, src, first);
	memcpy(r->mem, (const char *)src + first, n - first);
}

static void ring_get(const struct ring *r, u64 at, void *dst, size_t n)
{
	size_t off = at & (r->size - 1), first = min(n, r->size - off);

	memcpy(dst, r->mem + off, first);
	memcpy((char *)dst + first, r->mem, n - first);
}

static unsigned record_len(const struct ring *r, u64 at)
{
	u16 len;

	ring_get(r, at, &len, sizeof(len));
	return len;
}

static void ring_append(struct ring *r, const struct trace_record *rec, const void *extra)
{
	if (rec->len > r->size)
		return;
	while (r->head + rec->len - r->tail > r->size) {
		r->tail += record_len(r, r->tail);
		r->entries--;
		r->overrun++;
	}
	ring_put(r, r->head, rec, sizeof(*rec));
	ring_put(r, r->head + sizeof(*rec), extra, rec->extra);
	r->head += rec->len;
	r->entries++;
	r->written++;
}

/* ---- filters ---- */

/* * and ? as in a shell; nothing else. */
static bool glob(const char *pattern, const char *s)
{
	const char *star = NULL, *back = NULL;

	while (*s) {
		if (*pattern == '*') {
			star = pattern++;
			back = s;
		} else if (*pattern == '?' || *pattern == *s) {
			pattern++;
			s++;
		} else if (star) {
			pattern = star + 1;
			s = ++back;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static bool number_matches(const struct trace_term *t, u64 v)
{
	s64 a = (s64)v, b = (s64)t->number;

	switch (t->op) {
	case OP_EQ:
		return v == t->number;
	case OP_NE:
		return v != t->number;
	case OP_LT:
		return t->is_signed ? a < b : v < t->number;
	case OP_LE:
		return t->is_signed ? a <= b : v <= t->number;
	case OP_GT:
		return t->is_signed ? a > b : v > t->number;
	case OP_GE:
		return t->is_signed ? a >= b : v >= t->number;
	case OP_MASK:
		return v & t->number;
	default:
		return false;
	}
}

static bool text_matches(const struct trace_term *t, const char *s)
{
	bool eq = t->op == OP_GLOB ? glob(t->text, s) : !strcmp(t->text, s);

	return t->op == OP_NE ? !eq : eq;
}

/* Bits of a word are the stack: the parser limits depth to 32. */
static bool filter_passes(const struct trace_filter *f, const struct trace_record *r)
{
	u64 stack = 0;

	for (unsigned n = 0; n < f->nr; n++) {
		const struct trace_term *t = &f->term[n];
		u64 top = stack & 1, next = stack >> 1 & 1;

		switch (t->kind) {
		case TERM_AND:
			stack = (stack >> 2) << 1 | (top & next);
			break;
		case TERM_OR:
			stack = (stack >> 2) << 1 | (top | next);
			break;
		case TERM_NOT:
			stack ^= 1;
			break;
		case TERM_NUMBER:
			stack = stack << 1 | number_matches(t, t->value == 6 ? (u64)(s64)r->pid : r->v[t->value]);
			break;
		case TERM_TEXT:
			stack = stack << 1 | text_matches(t, t->value == 5 ? r->name : r->comm);
			break;
		}
	}
	return stack & 1;
}

/* ---- emitting ---- */

static void fill(struct trace_record *r, unsigned event, size_t extra)
{
	const struct task *t = current;

	r->len = (u16)ALIGN_UP(sizeof(*r) + extra, (size_t)8);
	r->event = (u8)event;
	r->cpu = (u8)cpu_id();
	r->pid = t->tid;
	r->ts = (u64)ktime_get();
	memcpy(r->comm, t->comm, sizeof(r->comm));
	r->extra = (u16)extra;
	memset(r->pad, 0, sizeof(r->pad));
}

/* Return addresses up the stack, from the caller of the trace point on. */
static noinline unsigned capture_stack(u64 *out)
{
	u64 all[TRACE_DEPTH + 1];
	unsigned n = stack_frames((vaddr_t)__builtin_frame_address(0), current->kstack, all, TRACE_DEPTH + 1);

	if (n)
		memcpy(out, all + 1, --n * sizeof(*out));
	return n;
}

static void append_stack(struct ring *ring)
{
	u64 frames[TRACE_DEPTH];
	struct trace_record r = { .v = { 0 } };
	unsigned n = capture_stack(frames);

	fill(&r, TRACE_STACK, n * sizeof(frames[0]));
	ring_append(ring, &r, frames);
}

/* Lock held. Which triggers fire for this event now. */
static unsigned take_triggers(enum trace_event e)
{
	unsigned bits = triggers[e];

	if (!bits || !trigger_count[e])
		return 0;
	if (trigger_count[e] > 0)
		trigger_count[e]--;
	return bits;
}

static void wake_readers(void)
{
	if (READ_ONCE(trace_waiters) && wake_slot >= 0)
		deferred_raise(wake_slot);
}

void trace_emit(enum trace_event e, u64 a, u64 b, u64 c, u64 d, u64 f, const char *name)
{
	struct ring *ring = &rings[cpu_id()];
	struct trace_record r = { .v = { a, b, c, d, f } };
	unsigned fired = 0;
	bool record;

	if (name)
		strscpy(r.name, name, sizeof(r.name));
	fill(&r, e, 0);
	spin_lock(&ring->lock);
	if (ring->mem) {
		record = (trace_on[e] & TRACE_RECORD) && (!filters[e] || filter_passes(filters[e], &r));
		if (!trigger_filters[e] || filter_passes(trigger_filters[e], &r))
			fired = take_triggers(e);
		if (fired & TRIGGER_TRACEON)
			WRITE_ONCE(running, true);
		if (READ_ONCE(running)) {
			if (record)
				ring_append(ring, &r, NULL);
			if ((stack_option && record) || (fired & TRIGGER_STACKTRACE))
				append_stack(ring);
		}
		if (fired & TRIGGER_TRACEOFF)
			WRITE_ONCE(running, false);
	}
	spin_unlock(&ring->lock);
	wake_readers();
}

void trace_mark(const char *text, size_t n)
{
	struct ring *ring = &rings[cpu_id()];
	struct trace_record r = { .v = { 0 } };

	n = min(n, (size_t)1000);
	fill(&r, TRACE_MARK, n);
	spin_lock(&ring->lock);
	if (ring->mem && READ_ONCE(running))
		ring_append(ring, &r, text);
	spin_unlock(&ring->lock);
	wake_readers();
}

/* ---- control ---- */

/* After this nobody uses what was in force before. */
static void pass_through_all(void)
{
	for (unsigned n = 0; n < MAX_CPUS; n++) {
		spin_lock(&rings[n].lock);
		spin_unlock(&rings[n].lock);
	}
}

static void set_bits(enum trace_event e, u8 bits, bool on)
{
	if (on)
		__atomic_fetch_or(&trace_on[e], bits, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(&trace_on[e], (u8)~bits, __ATOMIC_SEQ_CST);
}

void trace_set(enum trace_event e, bool on)
{
	set_bits(e, TRACE_RECORD, on);
}

void trace_set_running(bool on)
{
	WRITE_ONCE(running, on);
}

bool trace_running(void)
{
	return READ_ONCE(running);
}

void trace_set_stack_option(bool on)
{
	WRITE_ONCE(stack_option, on);
}

bool trace_stack_option(void)
{
	return stack_option;
}

const struct trace_filter *trace_set_filter(enum trace_event e, const struct trace_filter *f)
{
	const struct trace_filter *old = xchg(&filters[e], f);

	pass_through_all();
	return old;
}

const struct trace_filter *trace_set_trigger_filter(enum trace_event e, const struct trace_filter *f)
{
	const struct trace_filter *old = xchg(&trigger_filters[e], f);

	pass_through_all();
	return old;
}

void trace_set_trigger(enum trace_event e, unsigned bits, long count)
{
	trigger_count[e] = count;
	WRITE_ONCE(triggers[e], bits);
	set_bits(e, TRACE_TRIGGER, bits);
	pass_through_all();
}

unsigned trace_get_trigger(enum trace_event e, long *count)
{
	*count = trigger_count[e];
	return triggers[e];
}

static void reset(struct ring *r)
{
	r->tail = r->head;
	r->entries = r->written = r->overrun = 0;
}

void *trace_ring_set(unsigned cpu, void *mem, size_t size)
{
	struct ring *r = &rings[cpu];
	void *old;

	spin_lock(&r->lock);
	old = r->mem;
	reset(r);
	r->head = r->tail = 0;
	r->mem = mem;
	r->size = size;
	spin_unlock(&r->lock);
	return old;
}

size_t trace_ring_size(unsigned cpu)
{
	return rings[cpu].size;
}

void trace_clear(int cpu)
{
	for (unsigned n = 0; n < MAX_CPUS; n++)
		if (cpu < 0 || n == (unsigned)cpu) {
			spin_lock(&rings[n].lock);
			reset(&rings[n]);
			spin_unlock(&rings[n].lock);
		}
}

/* ---- readers ---- */

bool trace_read(unsigned cpu, u64 *pos, bool consume, void *out)
{
	struct ring *r = &rings[cpu];
	bool got = false;

	spin_lock(&r->lock);
	if (consume || *pos < r->tail)
		*pos = r->tail;
	if (r->mem && *pos < r->head) {
		unsigned len = record_len(r, *pos);

		ring_get(r, *pos, out, len);
		*pos += len;
		if (consume) {
			r->tail = *pos;
			r->entries--;
		}
		got = true;
	}
	spin_unlock(&r->lock);
	return got;
}

bool trace_peek_ts(unsigned cpu, u64 *pos, bool consumed, u64 *ts)
{
	struct ring *r = &rings[cpu];
	bool got = false;

	spin_lock(&r->lock);
	if (consumed || *pos < r->tail)
		*pos = r->tail;
	if (r->mem && *pos < r->head) {
		ring_get(r, *pos + offset_of(struct trace_record, ts), ts, sizeof(*ts));
		got = true;
	}
	spin_unlock(&r->lock);
	return got;
}

void trace_stats(unsigned cpu, struct trace_stats *out)
{
	struct ring *r = &rings[cpu];

	spin_lock(&r->lock);
	*out = (struct trace_stats){ .entries = r->entries, .written = r->written, .overrun = r->overrun, .bytes = r->head - r->tail };
	if (r->mem && r->head > r->tail)
		ring_get(r, r->tail + offset_of(struct trace_record, ts), &out->oldest_ts, sizeof(out->oldest_ts));
	spin_unlock(&r->lock);
}

struct waitq *trace_waitq(void)
{
	return &pipe_wait;
}

static void wake_pipe(void *arg)
{
	waitq_wake_all(&pipe_wait);
}

int trace_init(void)
{
	for (unsigned n = 0; n < MAX_CPUS; n++)
		spin_lock_init(&rings[n].lock, "trace_ring", LOCK_TRACE);
	wake_slot = deferred_register("trace", wake_pipe, NULL);
	return wake_slot < 0 ? wake_slot : 0;
}
