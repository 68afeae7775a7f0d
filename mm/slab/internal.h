/*
 * internal.h - between the parts of the slab allocator and the audit.
 */
#ifndef MM_SLAB_INTERNAL_H
#define MM_SLAB_INTERNAL_H

#include <kernel/lock.h>
#include <kernel/percpu.h>
#include <kernel/time.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>

#define MAX_CACHES	192

/* A CPU's stack of free objects, linked through the objects. */
struct slab_cpu {
	void		*free;
	unsigned	count;
};
DECLARE_PER_CPU(struct slab_cpu, slab_cpus[MAX_CACHES]);

struct slab_cache {
	/* hot, constant after creation */
	struct slab_cpu		*cpu;		/* boot CPU's; this_cpu_ptr(*cpu) is ours */
	vaddr_t			base_mask;	/* address of an object -> of its slab */
	u32			reciprocal;	/* 2^32 / slot_size, rounded up: index = offset * reciprocal >> 32 */
	u32			tags_at;	/* offset of the side table in the slab; 0: in struct page (large objects) */
	u32			object_size;
	u32			free_at;	/* where in a free object the link to the next one is */
	u32			cpu_limit;	/* objects a CPU's stack may hold */
	u32			slot_size;
	long			unit;		/* an object in the books of modules: MODULE_UNIT(object_size, 1) */
	/* cold */
	u32			born_at;	/* offset of the table of birthdays, one word per object; 0: none are kept */
	u32			slab_bytes;
	unsigned		id;		/* place in slab_cpus and slab_caches */
	spinlock_t		lock;		/* LOCK_SLAB: lists and counts below, and slab_free, slab_inuse of its slabs */
	struct list		partial;	/* some objects free */
	struct list		full;		/* none free */
	unsigned		nr_empty;	/* slabs on `partial` with all objects free */
	unsigned long		nr_slabs;
	unsigned long		inuse;		/* sum of slab_inuse */
	u16			objects;	/* per slab */
	u8			order;
	u8			flags;
	u16			align;
	void			(*ctor)(void *);
	char			name[28];
};

extern struct slab_cache *slab_caches[MAX_CACHES];
extern unsigned slab_nr_caches;		/* highest id in use + 1; holes are NULL */
extern atomic_t slab_changes;		/* another value: some cache has got or given a slab since */

/* The word that says who holds an object: owner | site << 16; 0 while it is free. */
static inline u32 *slab_tag(const struct slab_cache *c, const void *obj)
{
	vaddr_t base = (vaddr_t)obj & c->base_mask;

	if (unlikely(!c->tags_at))
		return &virt_to_page(obj)->slab_tags[((vaddr_t)obj & (PAGE_SIZE - 1)) != 0];
	return (u32 *)(base + c->tags_at) + ((u64)((vaddr_t)obj - base) * c->reciprocal >> 32);
}
static inline owner_t slab_tag_owner(u32 tag)
{
	return (owner_t)tag;
}
/* When an object was made: ms since boot + 1. Only with c->born_at. */
static inline u32 *slab_born(const struct slab_cache *c, const void *obj)
{
	vaddr_t base = (vaddr_t)obj & c->base_mask;

	return (u32 *)(base + c->born_at) + ((u64)((vaddr_t)obj - base) * c->reciprocal >> 32);
}
static inline u32 slab_now(void)
{
	return (u32)((u64)ktime_get() / NSEC_PER_MSEC) + 1;
}
static inline void *slab_object(const struct slab_cache *c, struct page *slab, unsigned i)
{
	return (char *)page_address(slab) + (size_t)i * c->slot_size;
}
static inline struct page *slab_of(const struct slab_cache *c, const void *obj)
{
	return virt_to_page((vaddr_t)obj & c->base_mask);
}

/* fn for each slab of the cache, under its lock. */
void slab_for_each(struct slab_cache *c, void (*fn)(struct slab_cache *c, struct page *slab, void *arg), void *arg);

#ifdef DEBUG
void slab_debug_layout(struct slab_cache *c);		/* room for red zone and history behind each object */
void slab_debug_init_object(struct slab_cache *c, void *obj);
void slab_debug_alloc(struct slab_cache *c, void *obj, struct alloc_site *site);
void slab_debug_free(struct slab_cache *c, void *obj, const void *caller);
#else
static inline void slab_debug_layout(struct slab_cache *c) { }
static inline void slab_debug_init_object(struct slab_cache *c, void *obj) { }
static inline void slab_debug_alloc(struct slab_cache *c, void *obj, struct alloc_site *site) { }
static inline void slab_debug_free(struct slab_cache *c, void *obj, const void *caller) { }
#endif
noreturn void slab_bad_free(struct slab_cache *c, const void *obj, const char *what);

/* kmalloc.c */
void kmalloc_init(void);

/* mm/memcg_slab.c: only while there are cgroups. */
#ifdef NO_LEDGER
static inline bool memcg_slab_room(size_t bytes, gfp_t gfp) { return true; }
static inline void memcg_slab_book(owner_t o, bool reclaimable, long bytes) { }
#else
bool memcg_slab_room(size_t bytes, gfp_t gfp);			/* may current's cgroup have so much more? Reclaims, kills */
void memcg_slab_book(owner_t o, bool reclaimable, long bytes);	/* bytes < 0: given back */
#endif

#endif
