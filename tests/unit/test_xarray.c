/*
 * test_xarray.c - the sparse array against a plain one, with marks, far indexes and failing allocations.
 */
#include <abi/errno.h>
#include <lib/string.h>
#include <lib/xarray.h>
#include <mm/gfp.h>
#include <mm/page_alloc.h>
#include "unit.h"

#define N 600

static void *model[N];
static u8 marks[N];
static struct xarray xa;

/* Spreads small numbers over the whole range, so that trees of every depth come up. */
static unsigned long place(unsigned i)
{
	static const unsigned shift[] = { 0, 0, 4, 9, 15, 24, 33, 46, 54 };
	unsigned s = shift[i % 9];

	return s >= BITS_PER_LONG ? i : (unsigned long)i << s;
}

static void check(struct t *t)
{
	unsigned long index;
	unsigned n = 0, found = 0;
	void *entry;

	EXPECT_EQ(t, xa_validate(&xa), 0);
	for (unsigned i = 0; i < N; i++) {
		n += model[i] != NULL;
		EXPECT(t, xa_load(&xa, place(i)) == model[i]);
		for (unsigned m = 0; m < NR_XA_MARKS; m++)
			EXPECT_EQ(t, xa_get_mark(&xa, place(i), m), marks[i] >> m & 1);
	}
	xa_for_each(&xa, index, entry) {
		EXPECT(t, xa_load(&xa, index) == entry);
		found++;
	}
	EXPECT_EQ(t, found, n);
	for (unsigned m = 0; m < NR_XA_MARKS; m++) {
		unsigned want = 0;

		for (unsigned i = 0; i < N; i++)
			want += marks[i] >> m & 1;
		found = 0;
		xa_for_each_marked(&xa, index, entry, m)
			found++;
		EXPECT_EQ(t, found, want);
		EXPECT_EQ(t, xa_marked(&xa, m), want != 0);
	}
}

static bool unique(unsigned i)
{
	for (unsigned k = 0; k < N; k++)
		if (k != i && place(k) == place(i))
			return false;
	return true;
}

TEST(xarray, model)
{
	static bool usable[N];

	t_machine(t, 31, 1);
	xa_init(&xa);
	for (unsigned i = 0; i < N; i++)
		usable[i] = unique(i);
	for (unsigned round = 0; round < 15000; round++) {
		unsigned i = (round / 3000 % 2 ? t_random() % 90 : t_random()) % N, m = t_random() % NR_XA_MARKS;
		void *entry = t_random() & 1 ? (void *)&model[i] : xa_value(t_random() >> 2);

		if (!usable[i])
			continue;
		switch (t_random() % 7) {
		case 0: case 1:
			EXPECT_EQ(t, xa_store(&xa, place(i), entry, GFP_KERNEL), 0);
			model[i] = entry;
			break;
		case 2:
			EXPECT_EQ(t, xa_insert(&xa, place(i), entry, GFP_KERNEL), model[i] ? -EEXIST : 0);
			if (!model[i])
				model[i] = entry;
			break;
		case 3: case 4:
			EXPECT(t, xa_erase(&xa, place(i)) == model[i]);
			model[i] = NULL;
			marks[i] = 0;
			break;
		case 5:
			xa_set_mark(&xa, place(i), m);
			if (model[i])
				marks[i] |= 1 << m;
			break;
		case 6:
			xa_clear_mark(&xa, place(i), m);
			marks[i] &= ~(1 << m);
			break;
		}
		if (round % 500 == 0)
			check(t);
	}
	check(t);
	for (unsigned i = 0; i < N; i++)
		xa_erase(&xa, place(i));
	EXPECT(t, xa_empty(&xa));
	EXPECT_EQ(t, xa_nr_nodes(&xa), 0);
}

TEST(xarray, one_entry_needs_no_node)
{
	t_machine(t, 15, 1);
	xa_init(&xa);
	EXPECT_EQ(t, xa_store(&xa, 0, t, GFP_KERNEL), 0);
	EXPECT_EQ(t, xa_nr_nodes(&xa), 0);
	xa_set_mark(&xa, 0, XA_DIRTY);
	EXPECT_EQ(t, xa_store(&xa, 100, t, GFP_KERNEL), 0);
	EXPECT(t, xa_get_mark(&xa, 0, XA_DIRTY) && !xa_get_mark(&xa, 100, XA_DIRTY));
	xa_erase(&xa, 100);
	EXPECT_EQ(t, xa_nr_nodes(&xa), 0);
	EXPECT(t, xa_get_mark(&xa, 0, XA_DIRTY));
	xa_destroy(&xa);
}

TEST(xarray, edges)
{
	unsigned long index = 0;

	t_machine(t, 15, 1);
	xa_init(&xa);
	EXPECT_EQ(t, xa_store(&xa, ~0UL, t, GFP_KERNEL), 0);
	EXPECT_EQ(t, xa_store(&xa, ~0UL - 64, t, GFP_KERNEL), 0);
	EXPECT(t, xa_find(&xa, &index, ~0UL) == t);
	EXPECT(t, index == ~0UL - 64);
	index++;
	EXPECT(t, xa_find(&xa, &index, ~0UL) == t && index == ~0UL);
	index = ~0UL - 63;
	EXPECT(t, !xa_find(&xa, &index, ~0UL - 1));
	index = 5;
	EXPECT(t, !xa_find(&xa, &index, 4));
	xa_destroy(&xa);
	EXPECT(t, xa_empty(&xa));
}

static bool take(void *entry)
{
	return (uintptr_t)entry & 4;
}

TEST(xarray, gather)
{
	unsigned long index = 10, places[8];
	void *out[8];
	unsigned n;

	t_machine(t, 15, 1);
	xa_init(&xa);
	for (unsigned long i = 0; i < 200; i++)
		EXPECT_EQ(t, xa_store(&xa, i, (void *)(i * 4 + 8), GFP_KERNEL), 0);
	n = xa_gather(&xa, &index, 199, XA_NO_MARK, take, out, places, 8);
	EXPECT_EQ(t, n, 8);
	EXPECT_EQ(t, places[0], 11);
	EXPECT_EQ(t, index, 26);
	EXPECT_EQ(t, xa_tag_range(&xa, 0, 199, XA_DIRTY, XA_TOWRITE), 0);
	xa_set_mark(&xa, 100, XA_DIRTY);
	EXPECT_EQ(t, xa_tag_range(&xa, 0, 199, XA_DIRTY, XA_TOWRITE), 1);
	EXPECT(t, xa_get_mark(&xa, 100, XA_TOWRITE));
	xa_destroy(&xa);
}

TEST(xarray, allocation_fails)
{
	t_machine(t, 15, 1);
	xa_init(&xa);
	FAIL_EACH_ALLOC(t) {
		static const unsigned long at[] = { 0, 70, 5000, 1UL << 30, ~0UL };
		bool in[ARRAY_SIZE(at)];

		for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
			in[i] = !xa_store(&xa, at[i], t, GFP_KERNEL);
		EXPECT_EQ(t, xa_validate(&xa), 0);
		for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
			EXPECT(t, xa_load(&xa, at[i]) == (in[i] ? t : NULL));
		for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
			xa_erase(&xa, at[i]);
		EXPECT_EQ(t, xa_nr_nodes(&xa), 0);
	}
}

TEST(xarray, reserve)
{
	t_machine(t, 15, 1);
	xa_init(&xa);
	EXPECT_EQ(t, xa_reserve(&xa, 12345, GFP_KERNEL), 0);
	EXPECT(t, !xa_load(&xa, 12345));
	atomic_set(&alloc_fail_countdown, 1);
	xa_lock(&xa);
	EXPECT_EQ(t, xa_insert_locked(&xa, 12345, t), 0);	/* needs no memory any more */
	xa_unlock(&xa);
	EXPECT_EQ(t, atomic_read(&alloc_fail_countdown), 1);
	atomic_set(&alloc_fail_countdown, 0);
	xa_erase(&xa, 12345);
	EXPECT_EQ(t, xa_reserve(&xa, 999, GFP_KERNEL), 0);
	xa_release_reserve(&xa, 999);
	EXPECT_EQ(t, xa_nr_nodes(&xa), 0);
}

static void store_many(unsigned cpu, void *arg)
{
	for (unsigned long i = 0; i < 2000; i++) {
		unsigned long at = i * 4 + cpu;

		if (xa_store(&xa, at, xa_value(at), GFP_KERNEL))
			continue;
		if (xa_load(&xa, at) != xa_value(at))
			panic("entry lost");
		if (i % 3)
			xa_erase(&xa, at);
	}
}

TEST(xarray, many_cpus)
{
	unsigned long index, n = 0;
	void *entry;

	t_machine(t, 31, 4);
	xa_init(&xa);
	host_on_cpus(4, store_many, NULL);
	EXPECT_EQ(t, xa_validate(&xa), 0);
	xa_for_each(&xa, index, entry) {
		EXPECT_EQ(t, xa_to_value(entry), index);
		n++;
	}
	EXPECT_EQ(t, n, 4 * 667);
	xa_destroy(&xa);
}
