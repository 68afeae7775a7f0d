/*
 * zpool.c - memory for compressed pages.
 *
 * SHAPE       sizes in steps of 64 bytes are classes. A class takes spans of one to four single frames, whichever wastes least, and
 *             cuts them into equal places; a place may lie across two frames.
 *                 class 2112:  [ 0 ][ 1 |][ 2 ][ 3 |][ 4 ] … seven places in four frames
 * LIFE        partial <-> full; a span whose last object goes is freed at once.
 * INVARIANTS  Z1 a span is on `full` when all its places are taken, else on its class's list.  Z2 pool->pages is the sum of its spans'
 *             frames.                                                          [the audit below]
 * LOCKS       pool->lock (a leaf: taken inside those of swap and of disks). Objects are read without it.
 * NOT CHOSEN  frames that are neighbours: there are none when memory is short. Compaction: what is freed soon is filled again.
 */
#include "swap_internal.h"

#include <lib/bitmap.h>
#include <lib/lz4.h>
#include <mm/zpool.h>

#define MAX_SLOTS	(ZPOOL_MAX_PAGES * PAGE_SIZE / ZPOOL_STEP)

struct zspage {
	struct list	link;		/* of the pool */
	struct list	all;		/* for the audit */
	u8		class;
	u8		nr_pages;
	u16		slots, used;
	u16		hint;		/* no free place below it */
	struct page	*pages[ZPOOL_MAX_PAGES];
	unsigned long	map[BITMAP_WORDS(MAX_SLOTS)];	/* places taken */
};

static struct slab_cache *span_cache;
static struct list spans = LIST_INIT(spans);
static spinlock_t spans_lock = SPINLOCK_INIT("zspages", LOCK_LEAF);

static inline u32 slot_size(unsigned class)
{
	return (class + 1) * ZPOOL_STEP;
}

static unsigned pages_of_class(unsigned class)
{
	unsigned best = 1, best_waste = ~0u;

	for (unsigned n = 1; n <= ZPOOL_MAX_PAGES; n++) {
		unsigned waste = n * (u32)PAGE_SIZE % slot_size(class) * 64 / n;	/* a frame */

		if (waste < best_waste) {
			best = n;
			best_waste = waste;
		}
	}
	return best;
}

void zpool_init(struct zpool *z)
{
	spin_lock_init(&z->lock, "zpool", LOCK_LEAF);
	for (unsigned c = 0; c < ZPOOL_CLASSES; c++)
		list_init(&z->partial[c]);
	list_init(&z->full);
	z->pages = z->objects = 0;
	z->bytes = 0;
}

static void span_free(struct zspage *s)
{
	spin_lock(&spans_lock);
	list_remove(&s->all);
	spin_unlock(&spans_lock);
	for (unsigned i = 0; i < s->nr_pages; i++)
		page_put(s->pages[i]);
	slab_free(span_cache, s);
}

static struct zspage *span_alloc(unsigned class, gfp_t gfp)
{
	struct zspage *s = slab_alloc(span_cache, gfp | GFP_ZERO | GFP_NOACCOUNT);
	unsigned want = pages_of_class(class);

	if (!s)
		return NULL;
	spin_lock(&spans_lock);
	list_append(&spans, &s->all);
	spin_unlock(&spans_lock);
	s->class = (u8)class;
	while (s->nr_pages < want) {
		struct page *p = page_alloc(gfp | GFP_NOACCOUNT, 0, ACCT_ZSWAP);

		if (!p) {
			span_free(s);
			return NULL;
		}
		s->pages[s->nr_pages++] = p;
	}
	s->slots = (u16)(want * PAGE_SIZE / slot_size(class));
	return s;
}

/* A free place of the class, taken. pool->lock held. False: no span has one. */
static bool take_slot(struct zpool *z, unsigned class, struct zhandle *out)
{
	struct zspage *s = list_first_entry(&z->partial[class], struct zspage, link);
	unsigned i;

	if (!s)
		return false;
	i = (unsigned)bitmap_next_clear(s->map, s->slots, s->hint);
	bitmap_set(s->map, i);
	s->hint = (u16)(i + 1);
	if (++s->used == s->slots) {
		list_remove(&s->link);
		list_push(&z->full, &s->link);
	}
	*out = (struct zhandle){ s, (u16)i };
	return true;
}

static void copy_in(struct zhandle h, const u8 *data, size_t n)
{
	u32 at = h.slot * slot_size(h.span->class), in = at % (u32)PAGE_SIZE;
	size_t first = min(n, (size_t)PAGE_SIZE - in);

	memcpy((u8 *)page_address(h.span->pages[at / PAGE_SIZE]) + in, data, first);
	if (first < n)
		memcpy(page_address(h.span->pages[at / PAGE_SIZE + 1]), data + first, n - first);
}

bool zpool_store(struct zpool *z, const void *data, size_t n, gfp_t gfp, struct zhandle *out)
{
	unsigned class = (unsigned)(n - 1) / ZPOOL_STEP;
	bool got;

	debug_assert(n && n <= PAGE_SIZE);
	spin_lock(&z->lock);
	got = take_slot(z, class, out);
	if (!got) {
		struct zspage *s;

		spin_unlock(&z->lock);
		s = span_alloc(class, gfp);
		if (!s)
			return false;
		spin_lock(&z->lock);
		list_push(&z->partial[class], &s->link);
		WRITE_ONCE(z->pages, z->pages + s->nr_pages);
		got = take_slot(z, class, out);
	}
	z->objects++;
	z->bytes += n;
	spin_unlock(&z->lock);
	copy_in(*out, data, n);
	return got;
}

const void *zpool_read(struct zhandle h, size_t n, void *buf)
{
	u32 at = h.slot * slot_size(h.span->class), in = at % (u32)PAGE_SIZE;
	const u8 *start = (const u8 *)page_address(h.span->pages[at / PAGE_SIZE]) + in;
	size_t first = PAGE_SIZE - in;

	if (first >= n)
		return start;
	memcpy(buf, start, first);
	memcpy((u8 *)buf + first, page_address(h.span->pages[at / PAGE_SIZE + 1]), n - first);
	return buf;
}

void zpool_free(struct zpool *z, struct zhandle h, size_t n)
{
	struct zspage *s = h.span;
	bool gone;

	spin_lock(&z->lock);
	debug_assert(bitmap_test(s->map, h.slot));
	bitmap_clear(s->map, h.slot);
	s->hint = (u16)min((unsigned)s->hint, (unsigned)h.slot);
	z->objects--;
	z->bytes -= n;
	list_remove(&s->link);
	gone = !--s->used;
	if (gone)
		WRITE_ONCE(z->pages, z->pages - s->nr_pages);
	else
		list_push(&z->partial[s->class], &s->link);
	spin_unlock(&z->lock);
	if (gone)
		span_free(s);
}

/* Every span's frames: right account, one reference, and the books' number of them. */
static void audit_zpool(struct audit *a)
{
	long frames = 0, bad = 0;
	struct zspage *s;

	list_for_each(s, &spans, all) {
		unsigned used = 0;

		for (unsigned i = 0; i < s->slots; i++)
			used += bitmap_test(s->map, i);
		bad += used != s->used;
		for (unsigned i = 0; i < s->nr_pages; i++)
			bad += s->pages[i]->account != ACCT_ZSWAP || page_refs(s->pages[i]) != 1;
		frames += s->nr_pages;
	}
	audit_expect(a, "compressed pages' frames", ledger_frames(ACCT_ZSWAP), frames);
	audit_expect(a, "bad spans of compressed pages", 0, bad);
}

/* ---- pages in and out: what zswap and zram share ----------------------------------------------------------------- */

static DEFINE_PER_CPU(u8 *, buffers);		/* PAGE_SIZE of data, then LZ4_WORK */

int zpool_get_buffers(void)
{
	for_each_cpu(cpu) {
		if (!per_cpu(buffers, cpu))
			per_cpu(buffers, cpu) = kmalloc(PAGE_SIZE + LZ4_WORK, GFP_KERNEL | GFP_NOACCOUNT);
		if (!per_cpu(buffers, cpu))
			return -ENOMEM;
	}
	return 0;
}

bool zpool_one_word(const void *page, u64 *word)
{
	const u64 *w = page;
	unsigned last = PAGE_SIZE / sizeof(u64) - 1;

	if (w[0] != w[last])			/* nearly always decides */
		return false;
	for (unsigned i = 1; i < last; i++)
		if (w[i] != w[0])
			return false;
	*word = w[0];
	return true;
}

void zpool_fill(void *page, u64 word)
{
	u64 *w = page;

	if (!word)
		clear_page(page);
	for (unsigned i = 0; word && i < PAGE_SIZE / sizeof(u64); i++)
		w[i] = word;
}

size_t zpool_compress(const void *page, size_t most, const void **out)
{
	u8 *buf = this_cpu_read(buffers);

	*out = buf;
	return lz4_compress(page, PAGE_SIZE, buf, most, buf + PAGE_SIZE);
}

bool zpool_expand(struct zhandle h, size_t n, void *page)
{
	const void *from = zpool_read(h, n, this_cpu_read(buffers));

	if (n == PAGE_SIZE)
		memcpy(page, from, PAGE_SIZE);
	return n == PAGE_SIZE || lz4_decompress(from, n, page, PAGE_SIZE) == PAGE_SIZE;
}

void zpool_start(void)
{
	static struct audit_walker walker = { .name = "zpool", .fn = audit_zpool };

	list_init(&spans);
	span_cache = slab_cache_create("zspage", sizeof(struct zspage), 0, SLAB_PANIC, NULL);
	audit_register(&walker);
}
