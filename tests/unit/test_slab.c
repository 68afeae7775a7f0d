/*
 * test_slab.c - caches, kmalloc, and what the debug build finds.
 */
#include <kernel/cpu.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include "unit.h"

TEST(slab, distinct_and_aligned)
{
	static const size_t sizes[] = { 1, 8, 24, 56, 100, 192, 500, 1000, 2000, 3000, 5000 };

	t_machine(t, 15, 1);
	for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct slab_cache *c = slab_cache_create("test", sizes[s], 0, 0, NULL);
		u8 *obj[300];

		for (unsigned i = 0; i < 300; i++) {
			obj[i] = slab_alloc(c, GFP_KERNEL);
			EXPECT(t, obj[i] && IS_ALIGNED((vaddr_t)obj[i], sizeof(void *)));
			memset(obj[i], (int)i, sizes[s]);
		}
		for (unsigned i = 0; i < 300; i++)
			EXPECT(t, !mem_find_other(obj[i], (u8)i, sizes[s]));
		for (unsigned i = 0; i < 300; i++)
			slab_free(c, obj[(i * 7) % 300]);
		slab_cache_destroy(c);
	}
}

TEST(slab, returns_memory)
{
	struct slab_cache *c;
	unsigned long before;
	void *obj[2000];

	t_machine(t, 15, 1);
	c = slab_cache_create("test", 256, 0, 0, NULL);
	before = nr_free_pages();
	for (unsigned i = 0; i < 2000; i++)
		obj[i] = slab_alloc(c, GFP_KERNEL);
	EXPECT(t, before - nr_free_pages() >= 2000 / 16);
	for (unsigned i = 0; i < 2000; i++)
		slab_free(c, obj[i]);
	EXPECT(t, before - nr_free_pages() <= 4);
	slab_shrink_all();
	EXPECT_EQ(t, before, nr_free_pages());
	slab_cache_destroy(c);
}

static unsigned constructed;
static void construct(void *p)
{
	constructed++;
	*(u64 *)p = 0x1234567890abcdefull;
}

TEST(slab, constructor)
{
	struct slab_cache *c;
	u64 *a;

	t_machine(t, 15, 1);
	c = slab_cache_create("test", 40, 0, 0, construct);
	for (unsigned i = 0; i < 100; i++) {
		a = slab_alloc(c, GFP_KERNEL);
		EXPECT_EQ(t, *a, 0x1234567890abcdefull);
		slab_free(c, a);
	}
	EXPECT(t, constructed < 400);		/* once per slab object, not per allocation */
	slab_cache_destroy(c);
}

TEST(slab, kmalloc_sizes)
{
	t_machine(t, 31, 1);
	for (size_t n = 0; n < 20000; n += n < 300 ? 1 : 97) {
		u8 *p = kmalloc(n, GFP_KERNEL);

		EXPECT(t, p && kmalloc_size(p) >= n);
		EXPECT(t, kmalloc_size(p) <= max(n * 2, (size_t)8) || n > 8192);
		memset(p, 0xa5, n);
		if (n <= 8192)
			EXPECT_EQ(t, slab_object_room(p), kmalloc_size(p));
		if (n > 16 && n <= 8192)
			EXPECT_EQ(t, slab_object_room(p + 10), kmalloc_size(p) - 10);
		kfree(p);
	}
	kfree(NULL);
	EXPECT(t, !kcalloc(~(size_t)0 / 2, 3, GFP_KERNEL));
	EXPECT(t, !kmalloc(MIB(8), GFP_KERNEL));
	EXPECT_EQ(t, slab_object_room(&t), 0);
}

TEST(slab, zeroed)
{
	t_machine(t, 15, 1);
	for (unsigned i = 0; i < 1000; i++) {
		size_t n = t_random() % 9000;
		u8 *p = kmalloc(n, GFP_KERNEL);

		memset(p, 0xff, n);
		kfree(p);
		p = kzalloc(n, GFP_KERNEL);
		EXPECT(t, !mem_find_other(p, 0, n));
		kfree(p);
	}
}

TEST(slab, allocation_fails)
{
	t_machine(t, 15, 1);
	FAIL_EACH_ALLOC(t) {
		struct slab_cache *c = slab_cache_create("test", 64, 0, 0, NULL);
		char *s = kstrdup("a string", GFP_KERNEL);
		void *big = kmalloc(30000, GFP_KERNEL);

		if (c)
			slab_free(c, slab_alloc(c, GFP_KERNEL));
		slab_cache_destroy(c);
		kfree(s);
		kfree(big);
	}
	EXPECT(t, t->pass >= 4);
}

#ifndef NO_LEDGER
static void free_twice(void *p)
{
	kfree(p);
	kfree(p);
}

TEST(slab, double_free)
{
	t_machine(t, 15, 1);
	for (size_t n = 8; n <= 8192; n *= 4)
		EXPECT_PANIC(t, free_twice, kmalloc(n, GFP_KERNEL));
	t->no_audit = true;
}
#endif

static void free_foreign(void *p)
{
	kfree(page_address((struct page *)p));
}

TEST(slab, foreign_free)
{
	struct page *p;

	t_machine(t, 15, 1);
	p = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
	EXPECT_PANIC(t, free_foreign, p);
	page_put(p);
}

#ifdef DEBUG
static void overflow(void *p)
{
	((u8 *)p)[64] = 1;
	kfree(p);
}

static void use_after_free(void *p)
{
	void *q[64];

	kfree(p);
	((u8 *)p)[20] = 1;
	for (unsigned i = 0; i < 64; i++)
		q[i] = kmalloc(64, GFP_KERNEL);
	(void)q;
}

static void free_inside(void *p)
{
	kfree((u8 *)p + 8);
}

TEST(slab, debug_finds)
{
	t_machine(t, 15, 1);
	EXPECT_PANIC(t, overflow, kmalloc(64, GFP_KERNEL));
	EXPECT_PANIC(t, use_after_free, kmalloc(64, GFP_KERNEL));
	EXPECT_PANIC(t, free_inside, kmalloc(64, GFP_KERNEL));
}
#endif

/* Goal: objects freed on another CPU than they came from end up where they belong. */
static u64 *slots[512];
static struct slab_cache *shared_cache;

static void churn(unsigned cpu, void *arg)
{
	u64 seed = cpu + 77;

	for (unsigned i = 0; i < 20000; i++) {
		unsigned k = (seed = seed * 6364136223846793005ull + 1442695040888963407ull) >> 40 & 511;
		u64 *mine = slab_alloc(shared_cache, GFP_KERNEL), *old;

		if (!mine)
			continue;
		*mine = (u64)(uintptr_t)mine;
		old = xchg(&slots[k], mine);
		if (old && *old != (u64)(uintptr_t)old)
			panic("object changed while held");
		slab_free(shared_cache, old);
	}
}

TEST(slab, many_cpus)
{
	t_machine(t, 31, 4);
	shared_cache = slab_cache_create("test", 96, 0, 0, NULL);
	host_on_cpus(4, churn, NULL);
	t_audit(t);
	for (unsigned i = 0; i < 512; i++)
		slab_free(shared_cache, slots[i]);
	slab_cache_destroy(shared_cache);
}

TEST(slab, info)
{
	struct slab_info s;
	struct slab_cache *c;
	void *a, *b;
	bool found = false;

	t_machine(t, 15, 1);
	c = slab_cache_create("counted", 40, 0, 0, NULL);
	a = slab_alloc(c, GFP_KERNEL);
	b = slab_alloc(c, GFP_KERNEL);
	for (unsigned i = 0; slab_info(i, &s); i++)
		if (!strcmp(s.name, "counted")) {
			found = true;
			EXPECT_EQ(t, s.active_objects, 2);
			EXPECT_EQ(t, s.total_slabs, 1);
			EXPECT_EQ(t, s.object_size, 40);
		}
	EXPECT(t, found);
	slab_free(c, a);
	slab_free(c, b);
	slab_cache_destroy(c);
}
