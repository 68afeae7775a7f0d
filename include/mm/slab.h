/*
 * slab.h - kernel memory smaller than a page, and kmalloc for every size.
 * Border: open to arch, kernel.
 *
 * Per-CPU fast path without atomics: the kernel is not preemptible and interrupt handlers do not allocate.
 */
#ifndef MM_SLAB_H
#define MM_SLAB_H

#include <mm/gfp.h>
#include <lib/list.h>
#include <mm/ledger.h>

struct memcg_scope;
struct text_ops;

struct slab_cache;		/* opaque: mm/slab.c */

enum slab_flags {
	SLAB_RECLAIMABLE = 1,	/* a shrinker can free its objects: SReclaimable in meminfo */
	SLAB_ACCOUNT	 = 2,
	SLAB_PANIC	 = 4,	/* creation never fails: boot-time caches */
	SLAB_USERCOPY	 = 8,	/* copies to and from user space may touch it (kmalloc caches always may) */
};

void slab_init(void);
/* ctor may be NULL; it runs when a slab is made, and objects keep their constructed state between uses. */
struct slab_cache *slab_cache_create(const char *name, size_t size, size_t align, unsigned flags, void (*ctor)(void *));
void slab_cache_destroy(struct slab_cache *c);	/* all objects freed by now; else it reports each as a leak */

void *slab_alloc_at(struct slab_cache *c, gfp_t gfp, struct alloc_site *site) must_check;
#define slab_alloc(c, gfp)	slab_alloc_at(c, gfp, ALLOC_SITE())
void slab_free(struct slab_cache *c, void *obj);	/* NULL is a no-op */

/* Classes 8 … 8192 (with 96 and 192); larger sizes are whole pages. */
void *kmalloc_at(size_t size, gfp_t gfp, struct alloc_site *site) must_check;
#define kmalloc(size, gfp)	kmalloc_at(size, gfp, ALLOC_SITE())
#define kzalloc(size, gfp)	kmalloc_at(size, (gfp) | GFP_ZERO, ALLOC_SITE())
void *kmalloc_array_at(size_t n, size_t size, gfp_t gfp, struct alloc_site *site) must_check;	/* NULL on overflow too */
#define kcalloc(n, size, gfp)	kmalloc_array_at(n, size, (gfp) | GFP_ZERO, ALLOC_SITE())
char *kstrdup_at(const char *s, gfp_t gfp, struct alloc_site *site) must_check;
#define kstrdup(s, gfp)		kstrdup_at(s, gfp, ALLOC_SITE())
void kfree(const void *p);		/* from kmalloc or any slab cache; NULL is a no-op */
size_t kmalloc_size(const void *p);	/* usable bytes */

/* kmalloc when small or contiguous memory is at hand, vmalloc otherwise. */
void *kvmalloc_at(size_t size, gfp_t gfp, struct alloc_site *site) must_check;
#define kvmalloc(size, gfp)	kvmalloc_at(size, gfp, ALLOC_SITE())
void kvfree(const void *p);

/* Bytes from p to the end of the slab object it points into; 0 when p is in no slab. For user-copy checks. */
size_t slab_object_room(const void *p);

owner_t slab_object_owner(const void *obj);	/* of a live object: who pays for it */

struct slab_info {
	const char	*name;
	size_t		object_size, slot_size;
	unsigned	objects_per_slab, pages_per_slab;
	unsigned long	active_objects, total_objects, active_slabs, total_slabs;
	unsigned	flags;
};
/* Every object in use, for reports; the cache's lock is held, so fn must not sleep or allocate. Without the ledger: none. */
void slab_for_each_object(struct slab_cache *c, void (*fn)(void *obj, void *arg), void *arg);
/* Iterate over the caches: index from 0; false past the last. */
bool slab_info(unsigned index, struct slab_info *out);
unsigned long slab_shrink_all(void);	/* give empty slabs back; pages freed */

/* Memory of growing text buffers (<lib/text.h>). */
extern const struct text_ops text_kernel_ops;

/* Caches that can give memory back under pressure register one. Called with no locks, may sleep if gfp lets it. */
struct shrinker {
	unsigned long	(*count)(struct shrinker *s);
	/* Objects freed. who not NULL: memcg_spares() says which must stay. */
	unsigned long	(*scan)(struct shrinker *s, unsigned long nr, gfp_t gfp, struct memcg_scope *who);
	const char	*name;
	struct list	link;
};
/* One turn over all shrinkers: each may free up to count >> priority of its objects. Returns objects freed. */
unsigned long shrinkers_scan(gfp_t gfp, unsigned priority, struct memcg_scope *who);
void shrinker_register(struct shrinker *s);

#endif
