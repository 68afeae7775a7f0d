/*
 * slab.c - caches of equal-sized kernel objects, carved from buddy pages.
 *
 * WHY         a 24-byte object must not cost a page, and must be cheap on every CPU.
 * SHAPE       cache -> per-CPU stack of free objects -> slabs (partial, full) -> buddy. A slab is a naturally aligned block of
 *             pages: objects from its start, a table with one word per object at its end. That word names owner and call
 *             site while the object is in use and is 0 while it is free, so a second free is noticed at once. Objects of
 *             2 KiB and more keep the word in the struct page where they begin: a table would cost them a slot.
 * LIFE        empty -> partial <-> full; one empty slab per cache is kept, the next goes back to the buddy at once.
 * INVARIANTS  S1 a slab is on exactly one list: full when slab_free is NULL, else partial.  S2 slab_inuse + free
 *             objects in the slab = objects.  S3 objects in use = those with a word that is not 0 = inuse - on CPU
 *             stacks.                                                              [slab_audit()]
 * LOCKS       cache->lock (LOCK_SLAB) guards lists, slab_free and slab_inuse. The CPU stacks need none: the kernel is not
 *             preemptible and interrupts do not allocate. An object freed on another CPU joins that CPU's stack.
 * NOT CHOSEN  a current slab per CPU: a free of an object from elsewhere would need the lock.
 * LINUX       same kmalloc seen from outside; similar caches are not merged, so each stays visible by name.
 * READ NEXT   include/mm/slab.h, mm/slab/kmalloc.c, mm/slab/debug.c, tests/unit/test_slab.c
 */
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <kernel/trace.h>
#include <lib/string.h>
#include <mm/fail.h>
#include <mm/kmemleak.h>
#include "../ledger/charge.h"
#include "internal.h"

#define WORST_WASTE	8		/* at most an eighth of a slab may be unused */
#define MAX_SLAB_ORDER	3
#define TAGS_IN_PAGE	2048		/* objects from this size on */
#define KEEP_EMPTY	1

DEFINE_PER_CPU(struct slab_cpu, slab_cpus[MAX_CACHES]);
struct slab_cache *slab_caches[MAX_CACHES];
atomic_t slab_changes;
unsigned slab_nr_caches;
static struct slab_cache cache_of_caches;
bool slab_keep_age;
static spinlock_t caches_lock = SPINLOCK_INIT("slab caches", LOCK_SLAB);

/* ---- slabs ---------------------------------------------------------------------------------------------------- */

static void count_pages(const struct slab_cache *c, long sign)
{
	vm_stat_add(c->flags & SLAB_RECLAIMABLE ? NR_SLAB_RECLAIMABLE : NR_SLAB_UNRECLAIMABLE, sign * (1L << c->order));
}

/* A new slab with all objects free, on no list. */
static struct page *slab_make(struct slab_cache *c, gfp_t gfp)
{
	struct page *s;
	u8 *obj;

	gfp &= ~(GFP_ZERO | GFP_MOVABLE);
	if (c->flags & SLAB_RECLAIMABLE)
		gfp |= GFP_RECLAIMABLE;
	s = page_alloc(gfp | GFP_NOACCOUNT, c->order, ACCT_SLAB);
	if (!s)
		return NULL;
	s->flags |= BIT(PG_SLAB);
	s->slab_cache = c;
	s->slab_inuse = 0;
	s->slab_free = obj = page_address(s);
	if (c->tags_at)
		memset(obj + c->tags_at, 0, c->objects * sizeof(u32));
	else
		for (unsigned i = 0; i < 1u << c->order; i++)
			s[i].index = 0;
	for (unsigned i = 0; i < c->objects; i++, obj += c->slot_size) {
		*(void **)(obj + c->free_at) = i + 1u < c->objects ? obj + c->slot_size : NULL;
		slab_debug_init_object(c, obj);
		if (c->ctor)
			c->ctor(obj);
	}
	count_pages(c, 1);
	return s;
}

static void slab_unmake(struct slab_cache *c, struct page *s)
{
	count_pages(c, -1);
	s->flags &= ~BIT(PG_SLAB);
	atomic_set(&s->mapcount, 0);
	s->mapping = NULL;
	page_free(s, c->order);
}

/* Move up to n objects of a slab to the CPU's stack. Lock held. */
static void slab_take(struct slab_cache *c, struct page *s, struct slab_cpu *cpu, unsigned n)
{
	if (!s->slab_inuse)
		c->nr_empty--;
	while (n-- && s->slab_free) {
		void *obj = s->slab_free, **link = (void **)((u8 *)obj + c->free_at);

		s->slab_free = *link;
		*link = cpu->free;
		cpu->free = obj;
		cpu->count++;
		s->slab_inuse++;
		c->inuse++;
	}
	if (!s->slab_free) {
		list_remove(&s->lru);
		list_push(&c->full, &s->lru);
	}
}

/* Put one object back into its slab. Lock held. Returns the slab when it should go back to the buddy; it is unlisted then. */
static struct page *slab_put(struct slab_cache *c, void *obj)
{
	struct page *s = slab_of(c, obj);

	if (!s->slab_free) {
		list_remove(&s->lru);
		list_push(&c->partial, &s->lru);
	}
	*(void **)((u8 *)obj + c->free_at) = s->slab_free;
	s->slab_free = obj;
	c->inuse--;
	if (--s->slab_inuse)
		return NULL;
	if (c->nr_empty < KEEP_EMPTY) {
		c->nr_empty++;
		list_move_to_end(&c->partial, &s->lru);
		return NULL;
	}
	list_remove(&s->lru);
	c->nr_slabs--;
	atomic_inc(&slab_changes);
	return s;
}

/* ---- per-CPU stacks ------------------------------------------------------------------------------------------- */

static inline struct slab_cpu *this_slab_cpu(const struct slab_cache *c)
{
	return this_cpu_ptr(*c->cpu);
}

/* Fill this CPU's empty stack. False when out of memory. May sleep, so the CPU may change. */
static noinline bool refill(struct slab_cache *c, gfp_t gfp)
{
	struct page *s, *fresh = NULL;
	struct slab_cpu *cpu;

	for (;;) {
		spin_lock(&c->lock);
		cpu = this_slab_cpu(c);
		if (fresh) {
			list_append(&c->partial, &fresh->lru);
			c->nr_slabs++;
			c->nr_empty++;
			atomic_inc(&slab_changes);
		}
		while (cpu->count < (c->cpu_limit + 1) / 2 && (s = list_first_entry(&c->partial, struct page, lru)))
			slab_take(c, s, cpu, (c->cpu_limit + 1) / 2 - cpu->count);
		spin_unlock(&c->lock);
		if (cpu->count)
			return true;
		fresh = slab_make(c, gfp);
		if (!fresh)
			return false;
	}
}

/* Return all but the `keep` objects freed last from this CPU's stack to their slabs. */
static noinline void flush(struct slab_cache *c, unsigned keep)
{
	struct slab_cpu *cpu = this_slab_cpu(c);
	void **link = &cpu->free, *obj;
	struct page *gone = NULL, *s;

	for (unsigned i = 0; i < keep && *link; i++)
		link = (void **)((u8 *)*link + c->free_at);
	obj = *link;
	*link = NULL;
	cpu->count = min(cpu->count, keep);
	spin_lock(&c->lock);
	while (obj) {
		void *next = *(void **)((u8 *)obj + c->free_at);

		s = slab_put(c, obj);
		if (s) {
			s->lru.next = (struct list *)gone;
			gone = s;
		}
		obj = next;
	}
	spin_unlock(&c->lock);
	while ((s = gone)) {
		gone = (struct page *)s->lru.next;
		slab_unmake(c, s);
	}
}

/* ---- allocation and freeing ----------------------------------------------------------------------------------- */

static always_inline void tag_object(struct slab_cache *c, void *obj, gfp_t gfp, struct alloc_site *site)
{
#ifndef NO_LEDGER
	u32 owner = unlikely(gfp & GFP_NOACCOUNT) ? OWNER_MACHINE : current->owner;

	*slab_tag(c, obj) = owner | (u32)site->id << 16;
	WRITE_ONCE(site->calls, READ_ONCE(site->calls) + 1);	/* CPUs may lose a few to each other */
#endif
}

static inline bool for_module(const struct alloc_site *site)
{
#ifndef NO_LEDGER
	return unlikely(site >= current->site_floor);
#else
	return false;
#endif
}

static always_inline void *take(struct slab_cache *c, struct slab_cpu *cpu, gfp_t gfp, struct alloc_site *site)
{
	void *obj = cpu->free;

	cpu->free = *(void **)((u8 *)obj + c->free_at);
	cpu->count--;
	slab_debug_alloc(c, obj, site);
	tag_object(c, obj, gfp, site);
	return gfp & GFP_ZERO ? memset(obj, 0, c->object_size) : obj;
}

#ifndef NO_LEDGER
/* An allocation of a module, or in a kernel function that a module called, finds no credit at its site: peaks may rise. There is a free object. */
static noinline void *alloc_uncredited(struct slab_cache *c, gfp_t gfp, struct alloc_site *site)
{
	site = ledger_module_short(site, c->unit, !(gfp & GFP_NOACCOUNT) && !(c->flags & SLAB_RECLAIMABLE));
	return take(c, this_slab_cpu(c), gfp, site);
}
#endif

static always_inline void *take_for_module(struct slab_cache *c, struct slab_cpu *cpu, gfp_t gfp, struct alloc_site *site)
{
#ifndef NO_LEDGER
	if (!ledger_module_take(site, c->unit))
		return alloc_uncredited(c, gfp, site);
#endif
	return take(c, cpu, gfp, site);
}

static noinline void *alloc_slow(struct slab_cache *c, gfp_t gfp, struct alloc_site *site)
{
	if (atomic_read(&alloc_fail_countdown) && fail_allocation(FAIL_SLAB, c->object_size, gfp, site))
		return NULL;
	while (!this_slab_cpu(c)->free)
		if (!refill(c, gfp))
			return NULL;
	if (for_module(site))
		return take_for_module(c, this_slab_cpu(c), gfp, site);
	return take(c, this_slab_cpu(c), gfp, site);
}

/* Traced, or charged to cgroups. */
static bool is_kmalloc_cache(const struct slab_cache *c)
{
	return str_has_prefix(c->name, "kmalloc-");	/* those have events of their own */
}

static noinline void *alloc_traced(struct slab_cache *c, gfp_t gfp, struct alloc_site *site, const void *caller)
{
	bool charged = memcg_count && !(gfp & GFP_NOACCOUNT);
	void *obj = charged && !memcg_slab_room(c->slot_size, gfp) ? NULL : alloc_slow(c, gfp, site);

	if (obj && charged)
		memcg_slab_book(slab_tag_owner(*slab_tag(c, obj)), c->flags & SLAB_RECLAIMABLE, c->slot_size);
	if (obj && c->born_at)
		*slab_born(c, obj) = slab_now();
	if (obj && !is_kmalloc_cache(c))
		trace_kmem_cache_alloc((vaddr_t)caller, obj, c->name, c->object_size, c->slot_size, gfp);
	return obj;
}

static noinline void free_traced(struct slab_cache *c, void *obj, const void *caller)
{
	if (memcg_count)
		memcg_slab_book(slab_tag_owner(*slab_tag(c, obj)), c->flags & SLAB_RECLAIMABLE, -(long)c->slot_size);
	if (!is_kmalloc_cache(c))
		trace_kmem_cache_free((vaddr_t)caller, obj, c->name);
}

void *slab_alloc_at(struct slab_cache *c, gfp_t gfp, struct alloc_site *site)
{
	struct slab_cpu *cpu = this_slab_cpu(c);

	if (unlikely(trace_on[TRACE_KMEM_CACHE_ALLOC]))
		return alloc_traced(c, gfp, site, __builtin_return_address(0));
	if (unlikely(!cpu->free) || unlikely(atomic_read(&alloc_fail_countdown)))
		return alloc_slow(c, gfp, site);
	if (for_module(site))
		return take_for_module(c, cpu, gfp, site);
	return take(c, cpu, gfp, site);
}

static always_inline void put_on_stack(struct slab_cache *c, void *obj)
{
	struct slab_cpu *cpu = this_slab_cpu(c);

	*(void **)((u8 *)obj + c->free_at) = cpu->free;
	cpu->free = obj;
	if (unlikely(++cpu->count > c->cpu_limit))
		flush(c, c->cpu_limit / 2);
}

void slab_free(struct slab_cache *c, void *obj)
{

	if (unlikely(!obj))
		return;
	debug_assert(slab_of(c, obj)->slab_cache == c);
	slab_debug_free(c, obj, __builtin_return_address(0));
	if (unlikely(trace_on[TRACE_KMEM_CACHE_FREE]))
		free_traced(c, obj, __builtin_return_address(0));
#ifndef NO_LEDGER
	u32 *tag = slab_tag(c, obj), was = *tag;

	if (unlikely(!was))
		slab_bad_free(c, obj, "freed twice, or never allocated");
	*tag = 0;
	if (unlikely(was >= ledger_module_tags))
		ledger_module_give(was >> 16, c->unit);
#endif
	put_on_stack(c, obj);
}

owner_t slab_object_owner(const void *obj)
{
#ifdef NO_LEDGER
	return OWNER_MACHINE;
#else
	return slab_tag_owner(*slab_tag(page_head(virt_to_page(obj))->slab_cache, obj));
#endif
}

void slab_bad_free(struct slab_cache *c, const void *obj, const char *what)
{
	panic("slab %s: object %p %s", c->name, obj, what);
}

/* ---- caches --------------------------------------------------------------------------------------------------- */

static bool tags_in_page(const struct slab_cache *c)
{
	return !slab_keep_age && c->object_size >= TAGS_IN_PAGE && IS_ALIGNED(c->slot_size, TAGS_IN_PAGE);
}

/* The smallest order that leaves little unused; 0 objects: too large for any. */
static void layout(struct slab_cache *c)
{
	size_t each = c->slot_size + (tags_in_page(c) ? 0 : sizeof(u32)) + (slab_keep_age ? sizeof(u32) : 0), bytes;
	unsigned order, n;

	for (order = 0;; order++) {
		bytes = PAGE_SIZE << order;
		n = (unsigned)(bytes / each);
		if (order == MAX_SLAB_ORDER || (n && (bytes - n * each) * WORST_WASTE <= bytes))
			break;
	}
	c->order = (u8)order;
	c->objects = (u16)n;
	c->slab_bytes = (u32)bytes;
	c->base_mask = ~((vaddr_t)bytes - 1);
	c->tags_at = tags_in_page(c) ? 0 : c->slab_bytes - n * (u32)sizeof(u32);
	c->born_at = slab_keep_age ? c->tags_at - n * (u32)sizeof(u32) : 0;
	c->reciprocal = (u32)(((1ull << 32) + c->slot_size - 1) / c->slot_size);
}

static void cache_setup(struct slab_cache *c, const char *name, size_t size, size_t align, unsigned flags,
			void (*ctor)(void *))
{
	memset(c, 0, sizeof(*c));
	strscpy(c->name, name, sizeof(c->name));
	align = max(align, sizeof(void *));
	c->object_size = (u32)size;
	c->unit = MODULE_UNIT(size, 1);
	c->align = (u16)align;
	c->flags = (u8)flags;
	c->ctor = ctor;
	c->slot_size = (u32)ALIGN_UP(max(size, sizeof(void *)), align);
	if (ctor) {			/* keep what it constructed */
		c->free_at = (u32)ALIGN_UP(size, sizeof(void *));
		c->slot_size = (u32)ALIGN_UP(c->free_at + sizeof(void *), align);
	}
	slab_debug_layout(c);
	layout(c);
	c->cpu_limit = size >= 4096 ? 4 : size >= 1024 ? 8 : size >= 256 ? 16 : 32;
	spin_lock_init(&c->lock, "slab", LOCK_SLAB);
	list_init(&c->partial);
	list_init(&c->full);
}

/* Give the cache an id; false when all are taken. */
static bool cache_publish(struct slab_cache *c)
{
	unsigned id = 0;

	spin_lock(&caches_lock);
	while (id < MAX_CACHES && slab_caches[id])
		id++;
	if (id < MAX_CACHES) {
		c->id = id;
		c->cpu = &slab_cpus[id];
		slab_caches[id] = c;
		slab_nr_caches = max(slab_nr_caches, id + 1);
	}
	spin_unlock(&caches_lock);
	return id < MAX_CACHES;
}

struct slab_cache *slab_cache_create(const char *name, size_t size, size_t align, unsigned flags, void (*ctor)(void *))
{
	gfp_t whose = current->module_site ? 0 : GFP_NOACCOUNT;	/* a module's own cache is its own */
	struct slab_cache *c = slab_alloc(&cache_of_caches, GFP_KERNEL | whose);

	if (c)
		cache_setup(c, name, size, align, flags, ctor);
	if (c && c->objects && cache_publish(c))
		return c;
	if (flags & SLAB_PANIC)
		panic("slab cache %s cannot be created", name);
	slab_free(&cache_of_caches, c);
	return NULL;
}

static unused void report_leaks(struct slab_cache *c, struct page *s, void *arg)
{
	for (unsigned i = 0; i < c->objects; i++) {
		void *obj = slab_object(c, s, i);
		u32 tag = *slab_tag(c, obj);

		if (tag)
			pr_err("slab %s: object %p leaked, owner %u, call site %u\n", c->name, obj, tag & 0xffff, tag >> 16);
	}
}

static void free_all_slabs(struct slab_cache *c, struct list *l)
{
	struct page *s, *tmp;

	list_for_each_safe(s, tmp, l, lru) {
		list_remove(&s->lru);
		slab_unmake(c, s);
	}
}

/* Nobody uses the cache any more, so the stacks of other CPUs may be emptied from here. */
void slab_cache_destroy(struct slab_cache *c)
{
	if (!c)
		return;
#ifndef NO_LEDGER
	slab_for_each(c, report_leaks, NULL);
#endif
	for_each_cpu(cpu)
		*per_cpu_ptr(slab_cpus[c->id], cpu) = (struct slab_cpu){ NULL, 0 };
	spin_lock(&caches_lock);
	slab_caches[c->id] = NULL;
	spin_unlock(&caches_lock);
	free_all_slabs(c, &c->partial);
	free_all_slabs(c, &c->full);
	slab_free(&cache_of_caches, c);
}

/* Flush this CPU's stack and give all empty slabs back. */
static unsigned long cache_shrink(struct slab_cache *c)
{
	struct page *s, *tmp;
	struct list gone = LIST_INIT(gone);
	unsigned long before = c->nr_slabs;

	flush(c, 0);
	spin_lock(&c->lock);
	list_for_each_safe(s, tmp, &c->partial, lru)
		if (!s->slab_inuse) {
			list_remove(&s->lru);
			list_push(&gone, &s->lru);
			c->nr_slabs--;
			c->nr_empty--;
		}
	spin_unlock(&c->lock);
	atomic_inc(&slab_changes);
	free_all_slabs(c, &gone);
	return (before - c->nr_slabs) << c->order;
}

unsigned long slab_shrink_all(void)
{
	unsigned long pages = 0;

	for (unsigned i = 0; i < slab_nr_caches; i++)
		if (slab_caches[i])
			pages += cache_shrink(slab_caches[i]);
	return pages;
}

void slab_for_each(struct slab_cache *c, void (*fn)(struct slab_cache *c, struct page *slab, void *arg), void *arg)
{
	struct page *s;

	spin_lock(&c->lock);
	list_for_each(s, &c->partial, lru)
		fn(c, s, arg);
	list_for_each(s, &c->full, lru)
		fn(c, s, arg);
	spin_unlock(&c->lock);
}

struct object_visit {
	void	(*fn)(void *obj, void *arg);
	void	*arg;
};

static inline void visit_slab(struct slab_cache *c, struct page *s, void *arg)
{
	struct object_visit *v = arg;

	for (unsigned i = 0; i < c->objects; i++)
		if (*slab_tag(c, slab_object(c, s, i)))
			v->fn(slab_object(c, s, i), v->arg);
}

void slab_for_each_object(struct slab_cache *c, void (*fn)(void *obj, void *arg), void *arg)
{
#ifndef NO_LEDGER
	struct object_visit v = { fn, arg };

	slab_for_each(c, visit_slab, &v);
#endif
}

bool slab_info(unsigned index, struct slab_info *out)
{
	struct slab_cache *c;
	unsigned long cached = 0;

	spin_lock(&caches_lock);
	for (unsigned id = 0; id < slab_nr_caches; id++) {
		c = slab_caches[id];
		if (!c || index--)
			continue;
		for_each_cpu(cpu)
			cached += READ_ONCE(per_cpu_ptr(slab_cpus[id], cpu)->count);
		*out = (struct slab_info){
			.name = c->name, .object_size = c->object_size, .slot_size = c->slot_size,
			.objects_per_slab = c->objects, .pages_per_slab = 1u << c->order,
			.active_objects = c->inuse > cached ? c->inuse - cached : 0,
			.total_objects = c->nr_slabs * c->objects,
			.active_slabs = c->nr_slabs - c->nr_empty, .total_slabs = c->nr_slabs, .flags = c->flags,
		};
		spin_unlock(&caches_lock);
		return true;
	}
	spin_unlock(&caches_lock);
	return false;
}

/* The traced path notes when objects are made: the usual one stays as short as it is. */
void slab_init(void)
{
	if (slab_keep_age)
		trace_on[TRACE_KMEM_CACHE_ALLOC] |= TRACE_AGE;
	memset(slab_caches, 0, sizeof(slab_caches));
	slab_nr_caches = 0;
	cache_setup(&cache_of_caches, "slab_cache", sizeof(struct slab_cache), 64, SLAB_PANIC, NULL);
	cache_publish(&cache_of_caches);
	kmalloc_init();
}
