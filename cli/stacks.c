/*
 * stacks.c - `--stacks`: the ledger's stream becomes a tree of calls, each page at the node that asked for it.
 * WHY         the kernel sends what an unwinder needs; names, and the sums over a whole run, are made here, beside the
 *             running machine, in a thread of our own.
 * SHAPE       socket -> (reader) -> blocks -> (decoder) -> stream.c -> { address spaces, stacks -> unwind.c -> tree; pages ->
 *             sums at nodes }. Two threads: finding names takes time, and the guest must not wait for it. It does wait, and
 *             nothing is lost, when QUEUE_MOST bytes are waiting here.
 * EXACT       every page event is there, so live and total are what they were; the state at the machine's peak is kept without
 *             copying: a node notes its value when it first changes after a maximum (`mark`).
 * TREE        [user memory] | [page cache] | [kernel memory], then the program, then its calls from main() on, then the kernel's.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/calltree.h"
#include "cli/quire.h"
#include "cli/stacks.h"
#include "cli/stream.h"

enum { AT_PEAK, AT_END, TOTAL, OWN_PEAK, ALLOCS, NR_COLUMNS };
static const char *const columns[] = {"at_peak_bytes", "end_bytes", "total_bytes", "peak_bytes", "allocs"};

#define NO_NODE UINT32_MAX
#define BLOCK (1u << 18)
#define QUEUE_MOST (256u << 20)

/* What was read and not yet understood. */
struct block {
	struct block *next;
	size_t len;
	char data[BLOCK];
};

struct stack {
	uint32_t *frames; /* of the tree: user, outermost first, then kernel the same */
	uint16_t nr_user, nr_kernel;
	bool from_fault;
	uint32_t program;
	uint32_t node[4]; /* by space */
};

struct page {
	uint32_t node; /* NO_NODE: from before the stream */
	uint8_t account;
};

struct stacks {
	const struct options *o;
	int fd;
	pthread_t reader, decoder;
	pthread_mutex_t lock; /* of the queue */
	pthread_cond_t moved;
	struct block *first, **last;
	size_t queued;
	bool over, ended; /* no more is read; END was seen */
	struct stream stream;
	struct call_tree tree;
	uint64_t *mark;	      /* per node: the number of maxima when it last changed */
	size_t nr_mark;
	struct stack *stacks; /* by id */
	size_t nr_stacks;
	struct page *pages;
	size_t nr_pages;
	struct code_map *maps; /* by address space */
	size_t nr_maps;
	uint8_t space[64];	/* of accounts */
	struct object *kernel;
	int64_t kernel_slide;
	int64_t used, peak;
	uint64_t maxima, peak_time, unknown_frees;
};

static struct stacks *the_stacks;

/* ---- address spaces ---- */

static struct code_map *map_of(struct stacks *s, uint32_t mm)
{
	if (mm >= 1u << 22)
		mm = 0;
	if (mm >= s->nr_maps) {
		size_t n = mm + 64;

		s->maps = must_alloc(realloc(s->maps, n * sizeof(*s->maps)));
		memset(s->maps + s->nr_maps, 0, (n - s->nr_maps) * sizeof(*s->maps));
		s->nr_maps = n;
	}
	return &s->maps[mm];
}

static void on_map(void *arg, const struct ls_map *m, const char *name)
{
	struct stacks *s = arg;
	struct object *o = object_of_guest(s->o, name);

	code_map_add(map_of(s, m->mm), m->start, m->end, m->offset, o, o ? object_name(o) : keep_text(name));
}

static void on_unmap(void *arg, const struct ls_map *m)
{
	code_map_remove(map_of(arg, m->mm), m->start, m->end);
}

static void on_fork(void *arg, const struct ls_fork *f)
{
	struct code_map *to, *from;

	map_of(arg, f->mm > f->parent ? f->mm : f->parent); /* may move the table */
	to = map_of(arg, f->mm);
	from = map_of(arg, f->parent);
	if (to != from)
		code_map_copy(to, from);
}

/* ---- stacks ---- */

static uint32_t plain_frame(struct call_tree *t, const char *name, bool kernel)
{
	return call_tree_frame(t, &(struct place){.function = keep_text(name), .module = keep_text(""), .kernel = kernel});
}

/* Innermost first in, frames innermost first out; returns how many. */
static unsigned int user_frames(struct stacks *s, const struct ls_stack *r, const uint64_t *regs, const void *stack,
				uint32_t *out, unsigned int max)
{
	struct code_map *m = map_of(s, r->mm);
	uint64_t pcs[UNWIND_MOST];
	unsigned int n = unwind(m, regs, stack, r->stack_len, pcs, UNWIND_MOST), got = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct mapping *a = code_map_find(m, pcs[i] - 1);
		struct place p[16] = {{.function = keep_text("???"), .module = keep_text(a && a->name ? a->name : "")}};
		unsigned int k = 1;

		if (a && a->address)
			k = object_places(a->object, a->address + (pcs[i] - 1 - a->start), p, 16);
		for (unsigned int j = 0; j < k && got < max; j++)
			out[got++] = call_tree_frame(&s->tree, &p[j]);
	}
	return got;
}

/* The allocator's own functions say nothing. */
static bool is_plumbing(const char *function)
{
	static const char *const names[] = {"capture_new_place", "capture_syscall", "capture_kernel", "hash_kernel", "kernel_frames",
					    "ledger_stream_alloc", "ledger_stream_alloc_one", "note_alloc", "alloc_slow", "alloc_told", "page_alloc_at", "page_alloc_at_hand",
					    "page_alloc_bulk_at", "alloc_block", "alloc_untraced"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(function, names[i]))
			return true;
	return false;
}

static unsigned int kernel_frames(struct stacks *s, const uint64_t *pcs, unsigned int n, uint32_t *out, bool *from_fault)
{
	unsigned int got = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct place p = {.function = keep_text("???"), .module = keep_text("quire.elf"), .kernel = true};

		if (s->kernel)
			object_places(s->kernel, pcs[i] - 1 - (uint64_t)s->kernel_slide, &p, 1);
		*from_fault |= i + 1 >= n - (n > 2 ? 2 : 0) && !strcmp(p.function, "page_fault");
		if (got || !is_plumbing(p.function))
			out[got++] = call_tree_frame(&s->tree, &p);
	}
	return got;
}

static void reverse(uint32_t *v, unsigned int n)
{
	for (unsigned int i = 0; i < n / 2; i++) {
		uint32_t t = v[i];

		v[i] = v[n - 1 - i];
		v[n - 1 - i] = t;
	}
}

static void on_stack(void *arg, const struct ls_stack *r, const uint64_t *kernel, const uint64_t *regs, const void *stack)
{
	struct stacks *s = arg;
	uint32_t frames[UNWIND_MOST * 2 + 256];
	unsigned int nu = 0, nk;
	char comm[17];
	struct stack *k;

	if (r->id >= 1u << 24 || r->nr_kernel > 200)
		return;
	if (r->id >= s->nr_stacks) {
		size_t n = r->id + 1024;

		s->stacks = must_alloc(realloc(s->stacks, n * sizeof(*s->stacks)));
		memset(s->stacks + s->nr_stacks, 0, (n - s->nr_stacks) * sizeof(*s->stacks));
		s->nr_stacks = n;
	}
	k = &s->stacks[r->id];
	free(k->frames);
	memset(k, 0, sizeof(*k));
	if (regs)
		nu = user_frames(s, r, regs, stack, frames, UNWIND_MOST * 2);
	reverse(frames, nu);
	nk = kernel_frames(s, kernel, r->nr_kernel, frames + nu, &k->from_fault);
	reverse(frames + nu, nk);
	snprintf(comm, sizeof(comm), "%.16s", r->comm);
	k->program = plain_frame(&s->tree, comm, !regs);
	k->nr_user = (uint16_t)nu;
	k->nr_kernel = (uint16_t)nk;
	k->frames = must_alloc(malloc((nu + nk + 1) * sizeof(*frames)));
	memcpy(k->frames, frames, (nu + nk) * sizeof(*frames));
	for (int i = 0; i < 4; i++)
		k->node[i] = NO_NODE;
}

/* A fault's way through the kernel is always the same; a system call's is not. */
static uint32_t stack_node(struct stacks *s, uint32_t id, unsigned int space)
{
	static const char *const roots[] = {"[free]", "[user memory]", "[page cache]", "[kernel memory]"};
	struct stack *k = id < s->nr_stacks ? &s->stacks[id] : NULL;
	unsigned int n;
	uint32_t at;

	if (k && k->frames && k->node[space] != NO_NODE)
		return k->node[space];
	at = call_tree_node(&s->tree, -1, plain_frame(&s->tree, roots[space], space == LS_SPACE_KERNEL));
	if (!k || !k->frames)
		return call_tree_node(&s->tree, (int32_t)at, plain_frame(&s->tree, "???", false));
	at = call_tree_node(&s->tree, (int32_t)at, k->program);
	n = k->nr_user + (space == LS_SPACE_USER && k->from_fault && k->nr_user ? 0 : k->nr_kernel);
	for (unsigned int i = 0; i < n; i++)
		at = call_tree_node(&s->tree, (int32_t)at, k->frames[i]);
	return k->node[space] = at;
}

/* ---- pages ---- */

/* Before a node's value changes: keep what it was at the machine's last maximum. */
static int64_t *changing(struct stacks *s, uint32_t node)
{
	struct call_node *n = &s->tree.nodes[node];

	if (s->mark[node] != s->maxima) {
		s->mark[node] = s->maxima;
		n->v[AT_PEAK] = n->v[AT_END];
	}
	return n->v;
}

static void room_for_marks(struct stacks *s)
{
	size_t more = 2 * s->tree.nr_nodes + 256;

	if (s->tree.nr_nodes <= s->nr_mark)
		return;
	s->mark = must_alloc(realloc(s->mark, more * sizeof(*s->mark)));
	memset(s->mark + s->nr_mark, 0, (more - s->nr_mark) * sizeof(*s->mark));
	s->nr_mark = more;
}

/* A node and all it hangs from. */
static void change(struct stacks *s, uint32_t node, int64_t bytes)
{
	room_for_marks(s);
	for (int32_t at = (int32_t)node; at >= 0; at = s->tree.nodes[at].parent) {
		int64_t *v = changing(s, (uint32_t)at);

		v[AT_END] += bytes;
		if (bytes < 0)
			continue;
		v[TOTAL] += bytes;
		v[ALLOCS]++;
		if (v[AT_END] > v[OWN_PEAK])
			v[OWN_PEAK] = v[AT_END];
	}
}

static struct page *page_at(struct stacks *s, uint32_t pfn)
{
	if (pfn >= 1u << 28)
		return NULL;
	if (pfn >= s->nr_pages) {
		size_t n = (size_t)pfn + pfn / 2 + 4096;

		s->pages = must_alloc(realloc(s->pages, n * sizeof(*s->pages)));
		for (size_t i = s->nr_pages; i < n; i++)
			s->pages[i] = (struct page){.node = NO_NODE};
		s->nr_pages = n;
	}
	return &s->pages[pfn];
}

static void page_gone(struct stacks *s, struct page *p, int64_t bytes)
{
	if (p->node != NO_NODE)
		change(s, p->node, -bytes);
	else
		s->unknown_frees++;
	p->node = NO_NODE;
	s->used -= bytes;
}

static void page_came(struct stacks *s, struct page *p, const struct ls_page *e, int64_t bytes, uint64_t time)
{
	p->account = e->account;
	p->node = stack_node(s, e->stack, s->space[e->account % 64]);
	change(s, p->node, bytes);
	s->used += bytes;
	if (s->used > s->peak) {
		s->peak = s->used;
		s->peak_time = time;
		s->maxima++;
	}
}

static void on_pages(void *arg, uint64_t time, const struct ls_page *e, size_t n)
{
	struct stacks *s = arg;

	for (size_t i = 0; i < n; i++) {
		struct page *p = page_at(s, e[i].pfn);
		int64_t bytes = (int64_t)s->stream.header.page_size << (e[i].order & 15);

		if (!p)
			continue;
		if (e[i].op == LS_FREE) {
			page_gone(s, p, bytes);
		} else if (e[i].op == LS_ALLOC) {
			if (p->node != NO_NODE)
				page_gone(s, p, bytes);
			page_came(s, p, &e[i], bytes, time + e[i].time);
		} else {
			p->account = e[i].account;
		}
	}
}

/* ---- the rest of the stream ---- */

static void on_header(void *arg, const struct ls_header *h)
{
	struct stacks *s = arg;
	const char *path = s->o->kernel ? s->o->kernel : find_piece("quire.elf");
	uint64_t here;

	s->used = s->peak = (int64_t)(h->used_frames * h->page_size);
	s->kernel = path ? object_of_kernel(path) : NULL;
	here = s->kernel ? object_symbol(s->kernel, "ledger_stream_start") : 0;
	if (here)
		s->kernel_slide = (int64_t)(h->anchor - here);
	else
		s->kernel = NULL;
}

static void on_account(void *arg, const struct ls_account *a)
{
	struct stacks *s = arg;

	if (a->id < 64)
		s->space[a->id] = (uint8_t)a->space;
}

static const struct stream_events events = {
	.header = on_header, .account = on_account, .stack = on_stack, .pages = on_pages, .map = on_map, .unmap = on_unmap,
	.fork = on_fork,
};

/* One block; NULL at the end of the stream. */
static struct block *read_block(struct stacks *s)
{
	struct block *b = must_alloc(malloc(sizeof(*b)));

	for (;;) {
		ssize_t n = read(s->fd, b->data, BLOCK);

		if (n > 0) {
			b = must_alloc(realloc(b, offsetof(struct block, data) + (size_t)n));
			b->len = (size_t)n;
			b->next = NULL;
			return b;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			break;
		poll(&(struct pollfd){.fd = s->fd, .events = POLLIN}, 1, 200);
		if (__atomic_load_n(&s->ended, __ATOMIC_RELAXED))
			break;
	}
	free(b);
	return NULL;
}

static void *reader(void *arg)
{
	struct stacks *s = arg;
	struct block *b;

	do {
		b = read_block(s);
		pthread_mutex_lock(&s->lock);
		while (b && s->queued > QUEUE_MOST)
			pthread_cond_wait(&s->moved, &s->lock);
		if (b) {
			*s->last = b;
			s->last = &b->next;
			s->queued += sizeof(*b) - BLOCK + b->len;
		} else {
			s->over = true;
		}
		pthread_cond_broadcast(&s->moved);
		pthread_mutex_unlock(&s->lock);
	} while (b);
	return NULL;
}

static struct block *take_block(struct stacks *s)
{
	struct block *b;

	pthread_mutex_lock(&s->lock);
	while (!s->first && !s->over)
		pthread_cond_wait(&s->moved, &s->lock);
	b = s->first;
	if (b) {
		s->first = b->next;
		if (!s->first)
			s->last = &s->first;
		s->queued -= sizeof(*b) - BLOCK + b->len;
		pthread_cond_broadcast(&s->moved);
	}
	pthread_mutex_unlock(&s->lock);
	return b;
}

/* After an error it goes on taking: nobody may wait for us. */
static void *decoder(void *arg)
{
	struct stacks *s = arg;
	struct block *b;

	while ((b = take_block(s))) {
		stream_feed(&s->stream, b->data, b->len);
		free(b);
		if (s->stream.ended)
			__atomic_store_n(&s->ended, true, __ATOMIC_RELAXED);
	}
	return NULL;
}

void stacks_start(const struct options *o, int fd)
{
	struct stacks *s = the_stacks = must_alloc(calloc(1, sizeof(*s)));

	s->o = o;
	s->fd = fd;
	call_tree_init(&s->tree, columns, NR_COLUMNS);
	stream_init(&s->stream, &events, s);
	s->last = &s->first;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->moved, NULL);
	if (pthread_create(&s->reader, NULL, reader, s) || pthread_create(&s->decoder, NULL, decoder, s))
		fail("cannot start a thread");
}

/* Nodes that did not change since the peak hold at it what they hold now. */
static void settle(struct stacks *s)
{
	for (size_t i = 0; i < s->tree.nr_nodes; i++)
		changing(s, (uint32_t)i);
}

void stacks_finish(bool whole)
{
	struct stacks *s = the_stacks;

	if (!s)
		return;
	pthread_join(s->reader, NULL);
	pthread_join(s->decoder, NULL);
	if (!stream_finish(&s->stream) && whole && (s->stream.begun || s->o->stacks))
		warn_user("%s", s->stream.error);
	room_for_marks(s);
	settle(s);
}

json_t *stacks_json(json_t *frames)
{
	struct stacks *s = the_stacks;
	json_t *j, *total;

	if (!s || !s->stream.begun || !s->tree.nr_nodes)
		return NULL;
	total = json_object();
	j = call_tree_json(&s->tree, 2000, frames, NULL);
	json_object_set_new(j, "kind", json_string("pages"));
	for (unsigned int c = 0; c < NR_COLUMNS; c++) {
		int64_t sum = 0;

		for (size_t i = 0; i < s->tree.nr_nodes; i++)
			sum += s->tree.nodes[i].parent < 0 ? s->tree.nodes[i].v[c] : 0;
		if (c != OWN_PEAK)
			json_object_set_new(total, columns[c], json_integer(sum));
	}
	json_object_set_new(total, "machine_peak_bytes", json_integer(s->peak));
	json_object_set_new(total, "peak_time_ns", json_integer((json_int_t)s->peak_time));
	json_object_set_new(total, "stream_bytes", json_integer((json_int_t)s->stream.bytes));
	json_object_set_new(j, "total", total);
	return j;
}
