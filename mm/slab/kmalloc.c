/*
 * kmalloc.c - memory of any size: from a slab cache of the next size up, from whole pages, or from vmalloc.
 */
#include <kernel/panic.h>
#include <kernel/trace.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <lib/text.h>
#include <lib/xarray.h>
#include <mm/vmalloc.h>
#include "internal.h"

#define LARGEST		8192

static const struct {
	u16		size;
	const char	*name;
} classes[] = {
	{ 8, "kmalloc-8" }, { 16, "kmalloc-16" }, { 32, "kmalloc-32" }, { 64, "kmalloc-64" }, { 96, "kmalloc-96" },
	{ 128, "kmalloc-128" }, { 192, "kmalloc-192" }, { 256, "kmalloc-256" }, { 512, "kmalloc-512" },
	{ 1024, "kmalloc-1k" }, { 2048, "kmalloc-2k" }, { 4096, "kmalloc-4k" }, { 8192, "kmalloc-8k" },
};
#define NR_CLASSES	ARRAY_SIZE(classes)

static struct slab_cache *caches[NR_CLASSES];
/* Up to 192 bytes: class by (size + 7) / 8. */
static const u8 small_class[25] = { 0, 0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6 };
static struct slab_cache *node_cache;

void kmalloc_init(void)
{
	for (unsigned i = 0; i < NR_CLASSES; i++) {
		size_t size = classes[i].size, align = size & -size;

		caches[i] = slab_cache_create(classes[i].name, size, min(align, (size_t)4096), SLAB_PANIC | SLAB_USERCOPY, NULL);
	}
	node_cache = slab_cache_create("xarray_node", sizeof(struct xa_node), 0, SLAB_PANIC | SLAB_RECLAIMABLE, NULL);
}

static inline struct slab_cache *cache_for(size_t size)
{
	if (size <= 192)
		return caches[small_class[(size + 7) / 8]];
	return caches[bit_highest(size - 1) < 8 ? 7 : bit_highest(size - 1)];
}

static void *large(size_t size, gfp_t gfp, struct alloc_site *site)
{
	unsigned order = log2_ceil(DIV_ROUND_UP(size, PAGE_SIZE));
	struct page *p;

	if (size > PAGE_SIZE << MAX_ORDER)
		return NULL;
	p = page_alloc_at(gfp & ~GFP_MOVABLE, order, ACCT_SLAB, site);
	if (!p)
		return NULL;
	p->index = slab_now();
	vm_stat_add(NR_SLAB_UNRECLAIMABLE, 1L << order);
	return page_address(p);
}

/* Large, or traced. */
static noinline void *kmalloc_rare(size_t size, gfp_t gfp, struct alloc_site *site, const void *caller)
{
	void *p = size > LARGEST ? large(size, gfp, site) : slab_alloc_at(cache_for(size), gfp, site);

	if (p)
		trace_kmalloc((vaddr_t)caller, p, size, kmalloc_size(p), gfp);
	return p;
}

/* Size 0 gives the smallest object: a pointer that can be freed. */
void *kmalloc_at(size_t size, gfp_t gfp, struct alloc_site *site)
{
	if (unlikely(size > LARGEST) || unlikely(trace_on[TRACE_KMALLOC]))
		return kmalloc_rare(size, gfp, site, __builtin_return_address(0));
	return slab_alloc_at(cache_for(size), gfp, site);
}

void *kmalloc_array_at(size_t n, size_t size, gfp_t gfp, struct alloc_site *site)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return kmalloc_at(bytes, gfp, site);
}

char *kstrdup_at(const char *s, gfp_t gfp, struct alloc_site *site)
{
	size_t n = strlen(s) + 1;
	char *copy = kmalloc_at(n, gfp, site);

	return copy ? memcpy(copy, s, n) : NULL;
}

static inline unsigned large_order(const struct page *p)
{
	return p->flags & BIT(PG_HEAD) ? p->compound_order : 0;
}

void kfree(const void *ptr)
{
	struct page *p;

	if (!ptr)
		return;
	trace_kfree((vaddr_t)__builtin_return_address(0), ptr);
	p = page_head(virt_to_page(ptr));
	if (likely(p->flags & BIT(PG_SLAB))) {
		slab_free(p->slab_cache, (void *)ptr);
		return;
	}
	if (unlikely(p->account != ACCT_SLAB || ptr != page_address(p)))
		panic("kfree of %p, which kmalloc never gave out", ptr);
	vm_stat_add(NR_SLAB_UNRECLAIMABLE, -(1L << large_order(p)));
	page_free(p, large_order(p));
}

size_t kmalloc_size(const void *ptr)
{
	struct page *p = page_head(virt_to_page(ptr));

	return p->flags & BIT(PG_SLAB) ? p->slab_cache->object_size : PAGE_SIZE << large_order(p);
}

/* Direct map only; other addresses (image, vmalloc, user) are in no slab. */
size_t slab_object_room(const void *ptr)
{
	vaddr_t v = (vaddr_t)ptr;
	struct page *p;
	size_t off;

	if (v < page_offset_base || !pfn_valid((v - page_offset_base) >> PAGE_SHIFT))
		return 0;
	p = page_head(virt_to_page(ptr));
	if (!(p->flags & BIT(PG_SLAB)))
		return p->account == ACCT_SLAB ? (PAGE_SIZE << large_order(p)) - (v - (vaddr_t)page_address(p)) : 0;
	off = (v & (p->slab_cache->slab_bytes - 1)) % p->slab_cache->slot_size;
	return off < p->slab_cache->object_size ? p->slab_cache->object_size - off : 0;
}

void *kvmalloc_at(size_t size, gfp_t gfp, struct alloc_site *site)
{
	void *p = NULL;

	if (size <= LARGEST)
		return kmalloc_at(size, gfp, site);
	if (size <= PAGE_SIZE << 3)
		p = kmalloc_at(size, gfp | GFP_NOWARN | GFP_NORETRY, site);
	return p ? p : vmalloc_at(size, gfp, ACCT_VMALLOC, site);
}

void kvfree(const void *p)
{
	if (is_vmalloc_addr(p))
		vfree(p);
	else
		kfree(p);
}

/* ---- what lib/ leaves to the memory system --------------------------------------------------------------------- */

struct xa_node *xa_node_alloc(unsigned gfp)
{
	/* without sleep it may fail: the caller drops its lock, reserves nodes and comes again */
	return slab_alloc(node_cache, gfp | GFP_ZERO | (gfp & GFP_WAIT ? 0 : GFP_NOWARN));
}

void xa_node_free(struct xa_node *n)
{
	slab_free(node_cache, n);
}

static char *text_grow(char *old, size_t old_size, size_t used, size_t new_size)
{
	char *p = kvmalloc(new_size, GFP_KERNEL | GFP_NOWARN);

	if (p && used)
		memcpy(p, old, used);
	if (p)
		kvfree(old);
	return p;
}

static void text_release(char *buf, size_t size)
{
	kvfree(buf);
}

const struct text_ops text_kernel_ops = { .grow = text_grow, .free = text_release };
