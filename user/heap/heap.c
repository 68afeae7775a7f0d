/*
 * heap.c - `quire run --heap`: every malloc and free of a dynamic program, booked under the calls that led to it.
 *
 * WHY         the ledger knows pages; which of a program's objects fill them only malloc sees. Tools that write each event down
 *             cost gigabytes and seconds; here each stack has one line of sums, kept current in a file that outlives us.
 * SHAPE       malloc -> the C library's own, 8 bytes larger -> stack -> sums -> a note in the block's last 8 bytes: whose it is.
 *             free -> note -> sums. Large blocks, whose end the program may never touch, have their notes in a table.
 * STACKS      a call path met before is recognised by its return addresses, which are still where they were relative to the
 *             stack pointer: a few loads and compares, no tables ("shape"). What the frames' addresses hang on besides the stack
 *             pointer, rbp, is compared too, so a match is exact. Only a new path is walked (walk.c).
 * PEAK        every stack's state at the process's peak, without copying at each new maximum: a stack notes its value when it
 *             first changes after one (header.peaks, stack.seen).
 * FAST        a process of one thread that frees and allocates small blocks gets by without the C library: see bins.
 * FORK        a child begins with empty books in a file of its own; what it inherited is its parent's. exec starts anew.
 * THREADS     one lock, taken only once the process has threads. A signal handler that allocates while we are inside passes
 *             through unseen.
 * ONE FILE    of more than a thousand lines: what a malloc touches is static here, so that all of it is inlined and reached from the
 *             instruction pointer, without the symbol look-ups that a shared library pays for what its files share.
 * LIMITS      see heap_file.h; programs that bring their own malloc, static ones, and those that clear their environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <time.h>
#include <unistd.h>
#include "user/heap/heap_file.h"
#include "user/heap/walk.h"

#define EXPORT __attribute__((visibility("default")))
#define NEVER(x) __builtin_expect(!!(x), 0)

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

/* ---- the books ---- */

static struct heap_header *head;
static struct heap_module *modules;
static struct heap_snap *snaps;
static struct heap_stack *stacks;
static uint64_t *pcs;
static uint32_t *stack_hash; /* id + 1, by hash; not shared */
#define STACK_SLOTS (2 * HEAP_STACKS)

static enum { FRESH, STARTING, ON, OFF } state;
static __thread bool inside __attribute__((tls_model("initial-exec")));
static int lock_word;
/* OPEN: there are books, and of a process with one thread nobody is in them. With more threads it stays open, and says nothing. */
enum { OPEN, NO_BOOKS, BUSY };
static uint8_t gate = NO_BOOKS;
static void *last_block; /* the latest allocation */
static uint64_t live;	 /* bytes */
static uint32_t peaks;	 /* head->peaks */
static uint64_t above, below = 0; /* live outside of these: a new maximum, the end of one, or a snapshot is due */
static uint64_t snap_above, snap_below, least_step, highest;

static void lock_slow(void)
{
	while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&lock_word, __ATOMIC_RELAXED))
			__builtin_ia32_pause();
}

static inline bool lock(void)
{
	inside = true;
	if (__libc_single_threaded) {
		gate = BUSY;
		return false;
	}
	lock_slow();
	return true;
}

static inline void unlock(bool locked)
{
	if (locked)
		__atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
	else
		gate = OPEN;
	inside = false;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A line of text without the C library's help: what, then a number. */
static void file_name(char *out, unsigned int pid, unsigned int n)
{
	unsigned int v[2] = {pid, n};
	char *p = stpcpy(out, HEAP_DIR "/heap");

	for (int i = 0; i < 2; i++) {
		char digits[12];
		int len = 0;

		do
			digits[len++] = (char)('0' + v[i] % 10);
		while ((v[i] /= 10));
		*p++ = '.';
		while (len)
			*p++ = digits[--len];
	}
	*p = 0;
}

static void *map_file(void)
{
	char name[64];
	void *m;
	int fd = -1;

	for (unsigned int n = 0; n < 1000 && fd < 0; n++) {
		file_name(name, (unsigned int)getpid(), n);
		fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			return NULL;
	}
	if (fd < 0)
		return NULL;
	m = ftruncate(fd, (off_t)HEAP_FILE_SIZE) == 0
		    ? mmap(NULL, HEAP_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	close(fd);
	return m == MAP_FAILED ? NULL : m;
}

static void name_process(void)
{
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, head->name, sizeof(head->name) - 1);

	if (fd >= 0)
		close(fd);
	if (n > 0 && head->name[n - 1] == '\n')
		head->name[n - 1] = 0;
}

static bool books_open(bool forked)
{
	char *m = map_file();

	if (!m)
		return false;
	head = (void *)m;
	modules = (void *)(m + HEAP_AT_MODULES);
	snaps = (void *)(m + HEAP_AT_SNAPS);
	stacks = (void *)(m + HEAP_AT_STACKS);
	pcs = (void *)(m + HEAP_AT_PCS);
	head->pid = getpid();
	head->parent = getppid();
	head->forked = forked;
	head->nr_stacks = 1; /* number 0: those that found no room */
	head->start_ns = now();
	live = highest = snap_below = below = 0;
	peaks = 0;
	least_step = snap_above = 4096;
	above = 0; /* the first block is a new maximum */
	name_process();
	head->magic = HEAP_MAGIC;
	return true;
}

/* ---- stacks ---- */

/* One way of standing on the stack: the words at these distances from the stack pointer, and the stack they mean. */
struct check {
	int64_t off;
	uint64_t value;
};

struct shape {
	struct shape *next;
	struct heap_stack *stack;
	uint64_t pc;
	const struct check *end; /* an even number */
	uint16_t id;	   /* of the stack */
	bool bp;	   /* the program's rbp counts: bp_value, from the stack pointer */
	bool plain;	   /* neither rbp nor relative values */
	uint64_t relative; /* bit n: check n's value is meant from the stack pointer; there are none from the 64th on */
	uint64_t bp_value;
	struct check checks[];
};

#define SHAPE_SLOTS 4096
#define SHAPES_A_SLOT 4
#define ARENA (2u << 20)
#define RECURSION 3 /* so many frames of a function that calls itself are kept, the innermost */
static struct shape *shapes[SHAPE_SLOTS];
static char *arena; /* memory for shapes */
static size_t arena_used;
static unsigned int misses; /* in a row, less what was met again: paths that never repeat are not worth a shape */

/* When it is full, all is forgotten and learnt again. */
static void *arena_take(size_t n)
{
	void *p;

	if (!arena) {
		p = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return NULL;
		arena = p;
	}
	n = (n + 15) & ~(size_t)15;
	if (arena_used + n > ARENA) {
		arena_used = 0;
		memset(shapes, 0, sizeof(shapes));
	}
	p = arena + arena_used;
	arena_used += n;
	return p;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

static bool known_module(uint64_t pc)
{
	for (uint32_t i = head->nr_modules; i-- > 0;)
		if (modules[i].epoch == head->epoch && pc >= modules[i].start && pc < modules[i].end)
			return true;
	return false;
}

static void note_module(uint64_t pc)
{
	struct heap_module *m = &modules[head->nr_modules];
	struct module_place p;
	ssize_t n;

	if (known_module(pc) || head->nr_modules == HEAP_MODULES || !walk_module(pc, &p))
		return;
	m->start = p.start;
	m->end = p.end;
	m->bias = p.bias;
	m->epoch = head->epoch;
	if (p.name[0])
		strncpy(m->path, p.name, sizeof(m->path) - 1);
	else if ((n = readlink("/proc/self/exe", m->path, sizeof(m->path) - 1)) > 0)
		m->path[n] = 0;
	head->nr_modules++;
}

static uint32_t stack_new(const uint64_t *pc, uint32_t depth, uint8_t hash)
{
	uint32_t id = head->nr_stacks;
	struct heap_stack *s = &stacks[id];

	if (id == HEAP_STACKS || head->nr_pcs + depth > HEAP_PCS) {
		head->lost++;
		return 0;
	}
	for (uint32_t i = 0; i < depth; i++)
		note_module(pc[i] - 1);
	memcpy(pcs + head->nr_pcs, pc, depth * sizeof(*pc));
	s->first = head->nr_pcs;
	s->depth = (uint8_t)depth;
	s->hash = hash;
	s->epoch = (uint16_t)head->epoch;
	head->nr_pcs += depth;
	head->nr_stacks++;
	return id;
}

static uint32_t stack_of(const uint64_t *pc, uint32_t depth)
{
	uint64_t h = head->epoch;
	uint32_t at, id;

	for (uint32_t i = 0; i < depth; i++)
		h = mix(h, pc[i]);
	h >>= 16;
	for (at = (uint32_t)h % STACK_SLOTS; stack_hash[at]; at = (at + 1) % STACK_SLOTS) {
		const struct heap_stack *s = &stacks[stack_hash[at] - 1];

		if (s->hash == (uint8_t)(h >> 24) && s->depth == depth && s->epoch == (uint16_t)head->epoch &&
		    !memcmp(pcs + s->first, pc, depth * sizeof(*pc)))
			return stack_hash[at] - 1;
	}
	id = stack_new(pc, depth, (uint8_t)(h >> 24));
	if (id)
		stack_hash[at] = id + 1;
	return id;
}

/* What a walk depended on, while it goes on. */
struct learning {
	uint64_t sp, bp_at;
	struct check checks[3 * HEAP_DEPTH + 2];
	uint64_t relative;
	uint32_t n;
	bool bp_counts, hopeless;
};

static void learn(struct learning *l, uint64_t at, bool relative)
{
	l->hopeless |= at - l->sp > INT32_MAX || l->n >= 3 * HEAP_DEPTH || (relative && l->n >= 64); /* another stack, perhaps */
	if (l->hopeless)
		return;
	if (relative)
		l->relative |= 1ull << l->n;
	l->checks[l->n++] = (struct check){(int64_t)(at - l->sp), *(uint64_t *)at - (relative ? l->sp : 0)};
}

static void learn_step(struct learning *l, const struct step *s)
{
	if (s->uses_bp && l->bp_at)
		learn(l, l->bp_at, true);
	else if (s->uses_bp)
		l->bp_counts = true;
	if (s->deref_at)
		learn(l, s->deref_at, true);
	learn(l, s->pc_at, false);
	if (s->bp_at)
		l->bp_at = s->bp_at;
}

static struct heap_stack *shape_make(struct learning *l, struct heap_stack *stack, uint64_t pc, uint64_t bp, struct shape **slot)
{
	static unsigned int walks;
	struct shape *shape;

	misses += misses < 4096;
	if (l->hopeless || (misses > 1024 && walks++ % 16))
		return stack;
	do					/* pairs: the return address itself fills up */
		l->checks[l->n++] = (struct check){-8, pc};
	while (l->n % 2);
	shape = arena_take(sizeof(*shape) + l->n * sizeof(l->checks[0]));
	if (!shape)
		return stack;
	*shape = (struct shape){.next = *slot /* which arena_take() may have emptied */, .stack = stack, .pc = pc,
		.end = shape->checks + l->n, .id = (uint16_t)(stack - stacks), .bp = l->bp_counts,
		.plain = !l->bp_counts && !l->relative, .relative = l->relative, .bp_value = bp - l->sp};
	memcpy(shape->checks, l->checks, l->n * sizeof(l->checks[0]));
	*slot = shape;
	return stack;
}

/* Walk, and remember what the walk depended on. sp is behind the return address `pc`. */
static __attribute__((noinline)) struct heap_stack *stack_walk(uint64_t pc, uint64_t sp, uint64_t bp, struct shape **slot)
{
	struct frame f = {.pc = pc, .sp = sp, .bp = bp, .limit = walk_limit(sp)};
	struct learning l = {.sp = sp};
	uint64_t path[HEAP_DEPTH], function = 0;
	uint32_t depth = 0, run = 0;
	struct step s;

	path[depth++] = pc;
	while (depth < HEAP_DEPTH && walk_up(&f, &s)) {
		learn_step(&l, &s);
		/* s.function called itself again and again: only the innermost calls differ in what they tell. */
		run = s.function == function ? run + 1 : 0;
		function = s.function;
		if (run > RECURSION)
			depth--;
		path[depth++] = f.exact ? f.pc + 1 : f.pc;
	}
	return shape_make(&l, stacks + stack_of(path, depth), pc, bp, slot);
}

#define WORD_AT(sp, c) (*(const uint64_t *)((sp) + (uint64_t)(c)->off))

/* Each check reads what the ones before it have shown to be stack. */
static inline bool matches_plain(const struct shape *s, uint64_t sp)
{
	for (const struct check *c = s->checks; c != s->end; c += 2)
		if (WORD_AT(sp, c) != c->value || WORD_AT(sp, c + 1) != c[1].value)
			return false;
	return true;
}

static __attribute__((noinline)) bool matches(const struct shape *s, uint64_t sp, uint64_t bp)
{
	uint64_t bits = s->relative;

	if (s->plain)
		return matches_plain(s, sp);
	if (s->bp && bp - sp != s->bp_value)
		return false;
	for (const struct check *c = s->checks; c != s->end; c++, bits >>= 1)
		if (WORD_AT(sp, c) - (sp & -(bits & 1)) != c->value)
			return false;
	return true;
}

static inline struct shape **slot_of(uint64_t sp)
{
	return &shapes[(*(uint64_t *)(sp - 8) ^ sp >> 4) % SHAPE_SLOTS];
}

static __attribute__((noinline)) struct heap_stack *stack_now(uint64_t sp, uint64_t bp)
{
	struct shape **slot = slot_of(sp), *s, *before = NULL;
	uint64_t pc = *(uint64_t *)(sp - 8);
	unsigned int n = 0;

	for (s = *slot; s; before = s, s = s->next, n++) {
		if (s->pc != pc || !matches(s, sp, bp))
			continue;
		misses -= misses > 0;
		if (before) {
			before->next = s->next;
			s->next = *slot;
			*slot = s;
		}
		return s->stack;
	}
	if (n >= SHAPES_A_SLOT) { /* the one longest not met goes */
		for (before = *slot; before->next->next; before = before->next)
			;
		before->next = NULL;
	}
	return stack_walk(pc, sp, bp, slot);
}

/* ---- sums ---- */

static void top_add(struct heap_snap *s, uint32_t id, uint64_t bytes)
{
	uint32_t i = s->nr < HEAP_TOP ? s->nr++ : HEAP_TOP - 1;

	if (i == HEAP_TOP - 1 && s->top[i].bytes >= bytes)
		return;
	for (; i > 0 && s->top[i - 1].bytes < bytes; i--)
		s->top[i] = s->top[i - 1];
	s->top[i].stack = id;
	s->top[i].bytes = bytes;
}

/* Every second one goes; steps are twice as long from then on. */
static void thin(void)
{
	uint32_t kept = 1;

	for (uint32_t i = 2; i < head->nr_snaps; i += 2)
		snaps[kept++] = snaps[i];
	head->nr_snaps = kept;
	least_step *= 2;
}

static void snapshot(void)
{
	struct heap_snap *s;
	uint64_t step;

	if (head->nr_snaps == HEAP_SNAPS)
		thin();
	s = &snaps[head->nr_snaps];
	memset(s, 0, sizeof(*s));
	s->time_ns = now();
	s->live = live;
	for (uint32_t i = 0; i < head->nr_stacks; i++) {
		uint64_t bytes = stacks[i].total - stacks[i].freed;

		s->total += stacks[i].total;
		if (bytes > live / 256)
			top_add(s, i, bytes);
	}
	head->nr_snaps++;
	if (live > highest)
		highest = live;
	step = highest / 100;
	step = step > least_step ? step : least_step;
	snap_above = live + step;
	snap_below = live > step ? live - step : 0;
}

/* live > above. A maximum lasts until the next free: that is when its time is noted. */
static __attribute__((noinline)) void rose(void)
{
	if (live > head->peak) {
		head->peak = live;
		head->peaks = ++peaks;
	}
	if (live > snap_above)
		snapshot();
	above = head->peak < snap_above ? head->peak : snap_above;
	below = live == head->peak ? UINT64_MAX : snap_below;
}

/* live < below, after n bytes went. */
static __attribute__((noinline)) void fell(uint64_t n)
{
	static uint64_t timed;

	if (live + n == head->peak && head->peak > timed + timed / 256) {
		timed = head->peak;
		head->peak_ns = now();
	}
	if (live < snap_below)
		snapshot();
	above = head->peak < snap_above ? head->peak : snap_above;
	below = snap_below;
}

static inline void changing(struct heap_stack *s)
{
	if (s->seen != peaks) {
		s->seen = peaks;
		s->at_peak = s->total - s->freed;
		s->at_peak_blocks = (uint32_t)(s->total_blocks - s->freed_blocks);
	}
}

/* True: rose() must be called. */
static inline bool add(struct heap_stack *s, uint64_t n)
{
	changing(s);
	s->total += n;
	s->total_blocks++;
	live += n;
	return NEVER(live > above);
}

/* True: fell(n) must be called. */
static inline bool take(struct heap_stack *s, uint64_t n, bool temporary)
{
	changing(s);
	s->freed += n;
	s->freed_blocks++;
	if (NEVER(temporary))
		s->temporary++;
	live -= n;
	return NEVER(live < below);
}

static void book_in(struct heap_stack *s, uint64_t n)
{
	if (add(s, n))
		rose();
}

static void book_out(struct heap_stack *s, uint64_t n, bool temporary)
{
	if (take(s, n, temporary))
		fell(n);
}

/* ---- notes: whose block it is ---- */

/* Blocks whose chunk is this large have no note in them: its page might never be touched. */
#define LARGE (128u << 10)

static inline size_t chunk_of(const void *p)
{
	return ((const size_t *)p)[-1];
}

/* What the C library would say of its usable size: glibc keeps it before the block. Checked at start. */
static inline size_t usable(const void *p)
{
	size_t c = chunk_of(p);

	return (c & ~(size_t)7) - (c & 2 ? 16 : 8);
}

static inline uint64_t *note_of(void *p, size_t room)
{
	return (uint64_t *)((char *)p + room - 8);
}

/*
 * stack 16 bits, bytes not asked for 16, and 32 that say that this is a note, of this block: its address shifted up, and
 * `stamp`, which changes when the process forks. Nothing else that may stand there passes for one.
 */
#define STAMP 0x9e3779b900000000ull
#define WAITS 0x0000000100000000ull /* in a note: the block is free and in one of our bins */
static uint64_t stamp = STAMP;

static inline uint64_t seal(const void *p)
{
	return (uint64_t)p << 36 ^ stamp;
}

static inline uint64_t note_make(const void *p, uint16_t id, size_t spare)
{
	return (id | (uint64_t)spare << 16) ^ seal(p);
}

struct large {
	void *p; /* NULL: never used; (void *)1: free again */
	uint64_t size;
	struct heap_stack *stack;
};
static struct large *large;
static size_t large_slots, large_used;

static struct large *large_find(void *p)
{
	size_t at = mix(1, (uint64_t)p) % large_slots;

	for (; large[at].p; at = (at + 1) % large_slots)
		if (large[at].p == p)
			return &large[at];
	return NULL;
}

static bool large_grow(void)
{
	size_t slots = large_slots ? 2 * large_slots : 1024, old = large_slots;
	struct large *was = large;
	void *m;

	if (2 * large_used < large_slots)
		return true;
	m = mmap(NULL, slots * sizeof(*large), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		return false;
	large = m;
	large_slots = slots;
	large_used = 0;
	for (size_t i = 0; i < old; i++)
		if ((uint64_t)was[i].p > 1) {
			size_t at = mix(1, (uint64_t)was[i].p) % slots;

			while (large[at].p)
				at = (at + 1) % slots;
			large[at] = was[i];
			large_used++;
		}
	if (was)
		munmap(was, old * sizeof(*was));
	return true;
}

static bool large_add(void *p, size_t n, struct heap_stack *stack)
{
	size_t at;

	if (!large_grow())
		return false;
	at = mix(1, (uint64_t)p) % large_slots;
	while ((uint64_t)large[at].p > 1)
		at = (at + 1) % large_slots;
	large_used += !large[at].p;
	large[at] = (struct large){p, n, stack};
	return true;
}

/* ---- small blocks that wait for their next use ---- */

/*
 * Freed blocks of a process with one thread, by the size of their chunk, the latest first: like the C library's own short lists, but without a
 * call to it, which saves about what the books cost. They are what the C library keeps for its own lists: BIN_MOST of a size.
 */
#define BINS 65 /* chunks below 16 * BINS bytes */
#define BIN_MOST 7
static struct bin {
	void *first;
	size_t nr;
} bins[BINS];
static bool binned; /* there may be blocks in them */

/* The process has threads now: what waits goes to the C library. Locked. */
static __attribute__((noinline)) void bins_empty(void)
{
	binned = false;
	for (int i = 0; i < BINS; i++)
		while (bins[i].first) {
			void *p = bins[i].first;

			bins[i].first = *(void **)p;
			bins[i].nr--;
			*note_of(p, usable(p)) = 0;
			__libc_free(p);
		}
}

static __attribute__((noinline, noreturn)) void twice(void)
{
	static const char text[] = "free(): double free detected\n";

	if (write(2, text, sizeof(text) - 1) < 0)
		abort();
	abort();
}

/* ---- a block comes, a block goes ---- */

static inline void came(void *p, size_t n, uint64_t sp, uint64_t bp)
{
	size_t room = usable(p);
	struct heap_stack *s = stack_now(sp, bp);

	if (room < LARGE)
		*note_of(p, room) = note_make(p, (uint16_t)(s - stacks), room - n);
	else if (!large_add(p, n, s))
		return;
	book_in(s, n);
	last_block = p;
}

/* What was noted of p, and the note is taken away. NULL: not one of ours. */
static inline struct heap_stack *note_take(void *p, uint64_t *n)
{
	size_t room = usable(p);
	uint64_t v, *note;

	if (room >= LARGE) {
		struct large *l = large ? large_find(p) : NULL;

		if (!l)
			return NULL;
		*n = l->size;
		l->p = (void *)1;
		return l->stack;
	}
	note = note_of(p, room);
	v = *note ^ seal(p);
	if (NEVER(v >> 32)) {
		if (v >> 32 == WAITS >> 32)
			twice();
		head->broken += stamp == STAMP;
		return NULL;
	}
	*note = 0;
	*n = room - (uint32_t)v / 65536;
	return stacks + (uint16_t)v;
}

static inline void went(void *p)
{
	uint64_t n;
	struct heap_stack *s = note_take(p, &n);

	if (s)
		book_out(s, n, p == last_block);
}

/* ---- life ---- */

static void before_fork(void)
{
	inside = true;
	gate = BUSY; /* until it has books of its own the child must not touch these */
	if (state == ON)
		lock_slow();
}

static void after_fork_parent(void)
{
	if (state == ON)
		__atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
	gate = state == ON ? OPEN : NO_BOOKS;
	inside = false;
}

static void after_fork_child(void)
{
	lock_word = 0;
	if (state == ON) {
		munmap(head, HEAP_FILE_SIZE);
		memset(stack_hash, 0, STACK_SLOTS * sizeof(*stack_hash));
		memset(shapes, 0, sizeof(shapes));
		if (large)
			memset(large, 0, large_slots * sizeof(*large));
		large_used = 0;
		last_block = NULL;
		stamp += WAITS << 1;
		if (!books_open(true))
			state = OFF;
	}
	gate = state == ON ? OPEN : NO_BOOKS;
	inside = false;
}

static bool layout_is_known(void)
{
	void *small = __libc_malloc(100), *big = __libc_malloc(1 << 20);
	bool ok = small && big && usable(small) == malloc_usable_size(small) && usable(big) >= LARGE;

	__libc_free(small);
	__libc_free(big);
	return ok;
}

static __attribute__((noinline)) bool start(void)
{
	if (inside || state != FRESH)
		return false;
	inside = true;
	state = STARTING;
	stack_hash = mmap(NULL, STACK_SLOTS * sizeof(*stack_hash), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack_hash != MAP_FAILED && layout_is_known() && books_open(false)) {
		pthread_atfork(before_fork, after_fork_parent, after_fork_child);
		state = ON;
		gate = OPEN;
	} else {
		state = OFF;
	}
	inside = false;
	return state == ON;
}

static __attribute__((constructor)) void begin(void)
{
	start();
}

/* Whether this call is to be booked. */
static inline bool on(void)
{
	return __builtin_expect(state == ON && !inside && gate != BUSY, 1) || (state == FRESH && start());
}

/* The stack pointer behind our return address, and rbp, which this file leaves alone (-ffixed-rbp). */
#define CALLER_SP ((uint64_t)__builtin_dwarf_cfa())
#define CALLER_BP ({ uint64_t bp_; __asm__ volatile("movq %%rbp, %0" : "=r"(bp_)); bp_; })

#define BOOK(p, n) do {							\
	if ((p) && !NEVER(lost_)) {					\
		bool locked_ = lock();					\
		came((p), (n), CALLER_SP, CALLER_BP);			\
		unlock(locked_);					\
	}								\
} while (0)

/* ---- what programs call ---- */

static __attribute__((noinline)) void *malloc_slow(size_t n, uint64_t sp, uint64_t bp)
{
	bool locked;
	void *p;

	if (!on() || n > PTRDIFF_MAX - 8)
		return __libc_malloc(n);
	p = __libc_malloc(n + 8);
	if (!p)
		return NULL;
	locked = lock();
	if (NEVER(locked && binned))
		bins_empty();
	came(p, n, sp, bp);
	unlock(locked);
	return p;
}

/* For a process with one thread nothing but a signal can come in between. */
#define ENTER() do { gate = BUSY; __atomic_signal_fence(__ATOMIC_SEQ_CST); } while (0)
#define LEAVE() do { __atomic_signal_fence(__ATOMIC_SEQ_CST); gate = OPEN; } while (0)

/* The ways that are not taken often return from malloc() and free() themselves: these then need no register saved. */
static __attribute__((noinline)) void *malloc_rose(void *p)
{
	rose();
	LEAVE();
	return p;
}

static __attribute__((noinline)) void *malloc_search(void *p, size_t n, uint64_t sp, uint64_t bp)
{
	came(p, n, sp, bp);
	LEAVE();
	return p;
}

/* What is to be looked at is looked at in one go: a process with one thread that is not in the books, and a small block. */
EXPORT void *malloc(size_t n)
{
	uint64_t sp = CALLER_SP;
	const struct shape *shape;
	struct bin *bin;
	size_t room;
	void *p;

	if (NEVER(n >= 16 * BINS - 32 || gate != OPEN || !__libc_single_threaded))
		return malloc_slow(n, sp, CALLER_BP);
	bin = &bins[(n + 31) / 16];
	p = bin->first;
	if (NEVER(!p))
		return malloc_slow(n, sp, CALLER_BP);
	ENTER();
	bin->first = *(void **)p;
	bin->nr--;
	shape = *slot_of(sp);
	if (NEVER(!shape || shape->pc != *(uint64_t *)(sp - 8) || !shape->plain || !matches_plain(shape, sp)))
		return malloc_search(p, n, sp, CALLER_BP);
	room = (chunk_of(p) & ~(size_t)7) - 8;
	*note_of(p, room) = note_make(p, shape->id, room - n);
	last_block = p;
	if (add(shape->stack, n))
		return malloc_rose(p);
	LEAVE();
	return p;
}

static __attribute__((noinline)) void free_slow(void *p)
{
	if (on()) {
		bool locked = lock();

		if (NEVER(locked && binned))
			bins_empty();
		went(p);
		unlock(locked);
	}
	__libc_free(p);
}

static __attribute__((noinline)) void free_fell(uint64_t n)
{
	fell(n);
	LEAVE();
}

EXPORT void free(void *p)
{
	struct bin *bin;
	uint64_t v, n, *note;
	size_t chunk;

	if (!p)
		return;
	chunk = chunk_of(p) & ~(size_t)7;
	bin = &bins[chunk / 16];
	if (NEVER(chunk >= 16 * BINS || gate != OPEN || !__libc_single_threaded || bin->nr == BIN_MOST))
		return free_slow(p);
	note = note_of(p, chunk - 8);
	v = *note ^ seal(p);
	if (NEVER(v >> 32))
		return free_slow(p);
	ENTER();
	*note ^= WAITS;
	*(void **)p = bin->first;
	bin->first = p;
	bin->nr++;
	binned = true;
	n = chunk - 8 - (uint32_t)v / 65536;
	if (take(stacks + (uint16_t)v, n, p == last_block))
		return free_fell(n);
	LEAVE();
}

EXPORT void *calloc(size_t a, size_t b)
{
	bool lost_ = !on();
	size_t n;
	void *p;

	if (NEVER(lost_ || __builtin_mul_overflow(a, b, &n) || n > PTRDIFF_MAX - 8))
		return __libc_calloc(a, b);
	p = __libc_calloc(1, n + 8);
	BOOK(p, n);
	return p;
}

/* The old note is put back when nothing came of it. */
static void *resize(void *p, size_t n, uint64_t sp, uint64_t bp)
{
	bool locked = lock();
	struct heap_stack *ours;
	uint64_t was = 0;
	void *q;

	ours = note_take(p, &was);
	unlock(locked);
	inside = true;
	q = __libc_realloc(p, n + 8);
	locked = lock();
	if (q) {
		if (ours)
			book_out(ours, was, false);
		came(q, n, sp, bp);
	} else if (ours) {
		size_t room = usable(p);

		if (room < LARGE)
			*note_of(p, room) = note_make(p, (uint16_t)(ours - stacks), room - was);
		else
			large_add(p, was, ours);
	}
	unlock(locked);
	return q;
}

/* realloc() and reallocarray(): only their way to the size differs. */
static inline __attribute__((always_inline)) void *change_size(void *p, size_t n, bool lost, uint64_t sp, uint64_t bp)
{
	bool locked;

	if (NEVER(lost || n > PTRDIFF_MAX - 8))
		return __libc_realloc(p, n);
	if (p && n)
		return resize(p, n, sp, bp);
	if (!p) {
		p = __libc_malloc(n + 8);
		if (!p)
			return NULL;
		locked = lock();
		came(p, n, sp, bp);
		unlock(locked);
		return p;
	}
	locked = lock();
	went(p);
	unlock(locked);
	return __libc_realloc(p, 0);
}

EXPORT void *realloc(void *p, size_t n)
{
	return change_size(p, n, !on(), CALLER_SP, CALLER_BP);
}

EXPORT void *reallocarray(void *p, size_t a, size_t b)
{
	size_t n;

	if (__builtin_mul_overflow(a, b, &n)) {
		errno = ENOMEM;
		return NULL;
	}
	return change_size(p, n, !on(), CALLER_SP, CALLER_BP);
}

EXPORT void *memalign(size_t align, size_t n)
{
	bool lost_ = !on();
	void *p = __libc_memalign(align, n + (lost_ || n > PTRDIFF_MAX - 8 ? 0 : 8));

	BOOK(p, n);
	return p;
}

EXPORT void *aligned_alloc(size_t align, size_t n)
{
	bool lost_ = !on();
	void *p;

	p = __libc_memalign(align, n + (lost_ || n > PTRDIFF_MAX - 8 ? 0 : 8));
	BOOK(p, n);
	return p;
}

EXPORT int posix_memalign(void **out, size_t align, size_t n)
{
	bool lost_ = !on();
	void *p;

	if (align % sizeof(void *) || !align || align & (align - 1))
		return EINVAL;
	p = __libc_memalign(align, n + (lost_ || n > PTRDIFF_MAX - 8 ? 0 : 8));
	if (!p)
		return ENOMEM;
	BOOK(p, n);
	*out = p;
	return 0;
}

EXPORT void *valloc(size_t n)
{
	bool lost_ = !on();
	void *p = __libc_memalign((size_t)getpagesize(), n + (lost_ || n > PTRDIFF_MAX - 8 ? 0 : 8));

	BOOK(p, n);
	return p;
}

EXPORT void *pvalloc(size_t n)
{
	bool lost_ = !on();
	size_t page = (size_t)getpagesize();
	void *p;

	n = (n + page - 1) & ~(page - 1);
	p = __libc_memalign(page, n + (lost_ || n > PTRDIFF_MAX - 8 ? 0 : 8));
	BOOK(p, n);
	return p;
}

/* A program may use all of it: the note is not part of it. */
EXPORT size_t malloc_usable_size(void *p)
{
	size_t room = p ? usable(p) : 0;

	if (p && state == ON && room < LARGE) {
		uint64_t v = *note_of(p, room) ^ seal(p);

		if (!(v >> 32))
			return room - 8;
	}
	return room;
}

/* Code goes: what was learnt of its addresses may be of other code soon. */
EXPORT int dlclose(void *handle)
{
	static int (*real)(void *);
	bool locked;
	int r;

	if (!real)
		real = (int (*)(void *))dlsym(RTLD_NEXT, "dlclose");
	r = real(handle);
	if (state == ON) {
		locked = lock();
		head->epoch++;
		walk_forget();
		memset(shapes, 0, sizeof(shapes));
		unlock(locked);
	}
	return r;
}
