/*
 * debug.c - what the debug build adds to each slab object: red zone, poison, history.
 *
 *	| object | red zone (8 bytes) | next free | last site (u32) | freed by |
 *
 * A free object is filled with poison; a write after free is found when the object is next handed out and the report names
 * who had allocated and who freed it. The red zone behind an object changes between two patterns, so writing
 * past the end is found when the object is freed.
 */
#ifdef DEBUG

#include <kernel/panic.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include "../ledger/charge.h"
#include "internal.h"

#define POISON		0x6b
#define RED_FREE	0xbbbbbbbbbbbbbbbbull
#define RED_USED	0xccccccccccccccccull

struct history {
	u64		red;
	void		*next_free;
	const void	*freed_by;
	u32		tag;		/* owner | site << 16 of the last allocation */
};

static struct history *history_of(const struct slab_cache *c, void *obj)
{
	return (struct history *)((u8 *)obj + ALIGN_UP(c->object_size, 8u));
}

void slab_debug_layout(struct slab_cache *c)
{
	u32 at = ALIGN_UP(c->object_size, 8u);

	if (c->object_size >= 2048)	/* page-sized objects keep their alignment and their slots */
		return;
	c->free_at = at + (u32)offset_of(struct history, next_free);
	c->slot_size = ALIGN_UP(at + (u32)sizeof(struct history), (u32)c->align);
}

static bool has_history(const struct slab_cache *c)
{
	return c->object_size < 2048;
}

void slab_debug_init_object(struct slab_cache *c, void *obj)
{
	struct history *h = history_of(c, obj);

	if (!has_history(c))
		return;
	h->red = RED_FREE;
	h->freed_by = NULL;
	h->tag = 0;
	if (!c->ctor)
		memset(obj, POISON, c->object_size);
}

static void complain(struct slab_cache *c, void *obj, const char *what)
{
	struct history *h = history_of(c, obj);
	struct alloc_site *s = h->tag >> 16 ? ledger_site(h->tag >> 16) : NULL;

	pr_emerg("slab %s: object %p (%u bytes): %s\n", c->name, obj, c->object_size, what);
	if (s)
		pr_emerg("  allocated by owner %u at %s:%u, %s()\n", h->tag & 0xffff, s->file, s->line, s->func);
	if (h->freed_by)
		pr_emerg("  freed by %pS\n", h->freed_by);
	panic("slab corruption");
}

void slab_debug_alloc(struct slab_cache *c, void *obj, struct alloc_site *site)
{
	struct history *h = history_of(c, obj);

	if (!has_history(c))
		return;
	if (h->red != RED_FREE)
		complain(c, obj, "red zone overwritten while it was free");
	if (!c->ctor && mem_find_other(obj, POISON, c->object_size))
		complain(c, obj, "written to after it was freed");
	h->red = RED_USED;
	h->tag = (u32)site->id << 16;
	h->freed_by = NULL;
	if (!c->ctor)
		memset(obj, 0x5a, c->object_size);
}

void slab_debug_free(struct slab_cache *c, void *obj, const void *caller)
{
	struct history *h = history_of(c, obj);

	if (((vaddr_t)obj & (c->slab_bytes - 1)) % c->slot_size)
		slab_bad_free(c, obj, "is not the start of an object");
	if (!has_history(c))
		return;
	if (h->red == RED_FREE)
		complain(c, obj, "freed twice");
	if (h->red != RED_USED)
		complain(c, obj, "written past its end");
	h->red = RED_FREE;
	h->freed_by = caller;
	if (!c->ctor)
		memset(obj, POISON, c->object_size);
}

#endif
