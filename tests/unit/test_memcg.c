/*
 * test_memcg.c - what is charged to cgroups and given back: frames, slab objects, stacks, tables, the cache, swap slots, the compressed pool;
 * and what reclaim leaves to a protected one.
 */
#include <abi/errno.h>
#include <abi/mman.h>
#include <lib/string.h>
#include <mm/filemap.h>
#include <mm/memcg.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include <mm/zswap.h>
#include "../../mm/swap_internal.h"
#include "unit.h"

#ifndef NO_LEDGER

#define BASE	0x20000000UL
#define PAGES	40u
#define SLOTS	200u

static struct memcg *above, *group;
static owner_t payer;

static struct memcg *new_group(struct memcg *parent, const char *name)
{
	struct memcg *m;

	memcg_lock();
	m = memcg_create(parent, name, (u32)strlen(name));
	memcg_unlock();
	return m;
}

static void end_group(struct memcg *m)
{
	memcg_lock();
	memcg_remove(m);
	memcg_unlock();
}

static owner_t new_payer(struct memcg *m, int pid)
{
	owner_t o = ledger_owner_create(OWNER_PROCESS, pid, "payer");

	memcg_bind_owner(o, m);
	return o;
}

/* above/group, and the owner who pays from now on is in it. */
static void begin(struct t *t)
{
	t_machine(t, 31, 1);
	above = new_group(&memcg_root, "above");
	group = new_group(above, "group");
	payer = new_payer(group, 7);
	EXPECT(t, payer && above && group);
	ledger_switch_owner(payer);
}

/* Nothing is left. */
static void end(struct t *t)
{
	ledger_switch_owner(OWNER_MACHINE);
	memcg_slab_sync();
	ledger_frames(ACCT_ANON);			/* folds what CPUs took on credit */
	for (struct memcg *m = group; m->parent; m = m->parent) {
		EXPECT_EQ(t, m->pages, 0);
		for (unsigned a = 0; a < NR_ACCOUNTS; a++)
			EXPECT_EQ(t, m->stat[a], 0);
		EXPECT_EQ(t, m->slab[0] + m->slab[1], 0);
		EXPECT_EQ(t, m->swap_pages, 0);
		EXPECT_EQ(t, m->zswap_bytes, 0);
		EXPECT_EQ(t, m->zswap_pages, 0);
	}
	t_audit(t);
	end_group(group);
	end_group(above);
}

static long charged(enum account a)
{
	ledger_frames(a);
	return group->stat[a] == above->stat[a] ? group->stat[a] : -1;
}

TEST(memcg, frames)
{
	struct page *p, *q;

	begin(t);
	p = page_alloc(GFP_KERNEL, 2, ACCT_DEVICE);
	q = page_alloc(GFP_USER, 0, ACCT_PAGE_CACHE);
	EXPECT_EQ(t, charged(ACCT_DEVICE), 4);
	EXPECT_EQ(t, charged(ACCT_PAGE_CACHE), 1);
	EXPECT_EQ(t, group->pages, 5);
	ledger_page_move(q, 0, ACCT_SHMEM);
	EXPECT_EQ(t, charged(ACCT_PAGE_CACHE), 0);
	EXPECT_EQ(t, charged(ACCT_SHMEM), 1);
	ledger_switch_owner(OWNER_MACHINE);		/* whoever gives them back */
	page_put(p);
	EXPECT_EQ(t, charged(ACCT_DEVICE), 0);
	EXPECT_EQ(t, above->pages, 1);
	page_put(q);
	EXPECT_EQ(t, group->peak, 5);
	end(t);
}

TEST(memcg, objects)
{
	void *small[100], *big;
	long each, large;

	begin(t);
	for (unsigned i = 0; i < 100; i++) {
		small[i] = kmalloc(500, GFP_KERNEL);
		memcg_slab_sync();
		each = group->slab[0] / (i + 1);	/* a slot */
	}
	EXPECT(t, each >= 500 && each <= 1024);
	big = kmalloc(2000, GFP_KERNEL);
	memcg_slab_sync();
	large = group->slab[0] - 100 * each;
	EXPECT(t, large >= 2000 && large <= 4096);
	EXPECT_EQ(t, above->slab[0], 100 * each + large);
	EXPECT_EQ(t, group->pages, DIV_ROUND_UP(group->slab[0], PAGE_SIZE));
	t_audit(t);
	ledger_switch_owner(new_payer(above, 8));	/* another cgroup's process frees them */
	for (unsigned i = 0; i < 100; i++)
		kfree(small[i]);
	memcg_slab_sync();
	EXPECT_EQ(t, group->slab[0], large);
	EXPECT_EQ(t, above->slab[0], large);
	kfree(big);
	end(t);
}

TEST(memcg, stacks)
{
	void *stack;

	begin(t);
	stack = kstack_alloc();
	EXPECT(t, charged(ACCT_KSTACK) > 0);
	EXPECT_EQ(t, group->pages, charged(ACCT_KSTACK));
	ledger_switch_owner(OWNER_MACHINE);
	kstack_free(stack);				/* kept for the next task, but nobody's */
	EXPECT_EQ(t, charged(ACCT_KSTACK), 0);
	EXPECT_EQ(t, group->pages, 0);
	ledger_switch_owner(payer);
	stack = kstack_alloc();
	EXPECT(t, charged(ACCT_KSTACK) > 0);
	kstack_free(stack);
	end(t);
}

static char disk[SLOTS * PAGE_SIZE];
static struct host_disk host_disk;

static struct mm *program(struct t *t)
{
	struct mmap_request q = { .addr = BASE, .len = PAGES * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
				  .flags = MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED };
	struct mm *mm = mm_create();
	vaddr_t out;

	mm_set_layout(mm, MIB(8), false);
	host_use_mm(mm);
	EXPECT_EQ(t, mm_mmap(mm, &q, &out), 0);
	for (u64 i = 0; i < PAGES; i++)
		for (u64 at = 0; at < PAGE_SIZE; at += 64)	/* shrinks, but not to nothing */
			EXPECT_EQ(t, host_write(BASE + i * PAGE_SIZE + at, &(u64){ (i * 64 + at + 1) * 0x9e3779b97f4a7c15ull }, 8), FAULT_DONE);
	return mm;
}

static void swap_begin(struct t *t)
{
	host_disk_init(&host_disk, disk, SLOTS, false);
	host_disk.file.refs++;
	ledger_switch_owner(OWNER_MACHINE);
	EXPECT_EQ(t, swap_on(&host_disk.file, &host_disk.file.mapping, "disk", false, -1, 0), 0);
	ledger_switch_owner(payer);
}

static void pageout(struct mm *mm)
{
	for (unsigned tries = 0; tries < 4; tries++)
		(void)mm_madvise(mm, BASE, PAGES * PAGE_SIZE, MADV_PAGEOUT);
}

TEST(memcg, pages_tables_and_slots)
{
	struct mm *mm;
	long tables;
	u64 word;

	begin(t);
	swap_begin(t);
	mm = program(t);
	EXPECT_EQ(t, charged(ACCT_ANON), PAGES);
	tables = charged(ACCT_PAGE_TABLE);
	EXPECT(t, tables >= 3);
	pageout(mm);
	EXPECT_EQ(t, charged(ACCT_ANON), 0);
	EXPECT_EQ(t, group->swap_pages, PAGES);
	EXPECT_EQ(t, above->swap_pages, PAGES);
	EXPECT_EQ(t, memcg_root.swap_pages, PAGES);
	t_audit(t);
	for (unsigned i = 0; i < PAGES / 2; i++)	/* written again: page and slot part */
		EXPECT_EQ(t, host_write(BASE + i * PAGE_SIZE, &(u64){ 5 }, 8), FAULT_DONE);
	EXPECT_EQ(t, host_read(BASE, &word, 8), FAULT_DONE);
	EXPECT(t, group->swap_pages <= PAGES && group->swap_pages >= PAGES / 2);
	EXPECT(t, atomic_read(&above->vm_events[MEMCG_REFAULT_ANON]) >= PAGES / 2);
	EXPECT_EQ(t, charged(ACCT_PAGE_TABLE), tables);
	group->swap_max = 4;				/* no more than it has */
	pageout(mm);
	EXPECT(t, group->swap_pages <= PAGES);
	EXPECT(t, atomic_read(&group->swap_events[SWAP_MAX]) + atomic_read(&group->swap_events[SWAP_FAIL]) > 0);
	host_use_mm(NULL);
	mm_put(mm);
	EXPECT_EQ(t, swap_off(&host_disk.file.mapping), 0);
	end(t);
}

TEST(memcg, compressed)
{
	struct mm *mm;
	long frames;

	begin(t);
	swap_begin(t);
	EXPECT_EQ(t, zswap_enable(true), 0);
	mm = program(t);
	pageout(mm);
	EXPECT_EQ(t, charged(ACCT_ANON), 0);
	EXPECT_EQ(t, group->zswap_pages, PAGES);
	EXPECT_EQ(t, group->zswap_bytes, zswap_pool_bytes());
	EXPECT(t, group->zswap_bytes > 2 * (long)PAGE_SIZE);
	EXPECT_EQ(t, above->zswap_bytes, group->zswap_bytes);
	memcg_slab_sync();
	ledger_frames(ACCT_ANON);
	frames = 0;
	for (unsigned a = 0; a < NR_ACCOUNTS; a++)
		frames += group->stat[a];
	EXPECT_EQ(t, group->pages, frames + (long)DIV_ROUND_UP(group->slab[0] + group->slab[1] + group->zswap_bytes, (long)PAGE_SIZE));
	EXPECT_EQ(t, atomic_read(&group->vm_events[MEMCG_ZSWPOUT]), PAGES);
	t_audit(t);
	for (unsigned i = 0; i < PAGES / 2; i++)
		EXPECT_EQ(t, host_write(BASE + i * PAGE_SIZE, &(u64){ 5 }, 8), FAULT_DONE);
	EXPECT_EQ(t, atomic_read(&group->vm_events[MEMCG_ZSWPIN]), PAGES / 2);
	EXPECT_EQ(t, group->zswap_pages, PAGES / 2);
	EXPECT_EQ(t, group->zswap_bytes, zswap_pool_bytes());
	group->zswap_max = 0;
	pageout(mm);					/* past the pool, to the disk */
	EXPECT(t, group->zswap_pages <= PAGES / 2);
	EXPECT(t, atomic_read(&host_disk.nr_pages[1]) > 0);
	host_use_mm(NULL);
	mm_put(mm);
	EXPECT_EQ(t, zswap_enable(false), 0);
	EXPECT_EQ(t, swap_off(&host_disk.file.mapping), 0);
	end(t);
}

/* A removed cgroup's charges are its parent's. */
TEST(memcg, removed)
{
	struct page *p;
	void *obj;

	begin(t);
	p = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
	obj = kmalloc(2000, GFP_KERNEL);
	ledger_switch_owner(OWNER_MACHINE);
	end_group(group);
	group = above;
	EXPECT_EQ(t, above->pages, 2);
	EXPECT(t, above->slab[0] >= 2000);
	t_audit(t);
	page_put(p);
	kfree(obj);
	memcg_slab_sync();
	EXPECT_EQ(t, above->pages, 0);
	end_group(above);
}

/* ---- protection ---- */

struct kid {
	struct memcg	*m;
	owner_t		o;
	struct page	*pages[64];
	unsigned	nr;
};

static void kid_begin(struct kid *k, const char *name, unsigned nr, long low)
{
	k->m = new_group(group, name);
	k->o = new_payer(k->m, 20);
	k->m->low = low;
	ledger_switch_owner(k->o);
	while (k->nr < nr)
		k->pages[k->nr++] = page_alloc(GFP_USER, 0, ACCT_ANON);
	ledger_switch_owner(payer);
}

static void kid_gives(struct kid *k)
{
	page_put(k->pages[--k->nr]);
	ledger_frames(ACCT_ANON);
}

/* How many pages of k a round on behalf of `above` may take, one after the other. */
static unsigned may_take(struct kid *k, bool last, bool low_gives_way)
{
	struct memcg_scope s = { .target = above, .low_gives_way = low_gives_way };
	unsigned looks = k->nr, took = 0;

	ledger_frames(ACCT_ANON);
	for (unsigned i = 0; i < looks; i++)
		if (!memcg_spares(&s, k->o, took, last))
			took++;
	return took;
}

TEST(memcg, shares)
{
	static struct kid a, b, c;
	struct memcg_scope s = { .target = a.m };

	begin(t);
	memcg_protects = true;
	group->low = 50;
	kid_begin(&a, "a", 50, 75);
	kid_begin(&b, "b", 50, 25);
	kid_begin(&c, "c", 50, 0);
	EXPECT_EQ(t, may_take(&a, true, false), 50 - 50 * 50 / 75);	/* 50 and 25 of 50: two thirds and one */
	EXPECT_EQ(t, may_take(&b, true, false), 50 - 25 * 50 / 75);
	EXPECT_EQ(t, may_take(&c, true, false), 50);
	EXPECT(t, may_take(&a, false, false) > 10 && may_take(&a, false, false) < 17);	/* a look takes the part that is then not covered */
	EXPECT_EQ(t, may_take(&a, true, true), 50);			/* an event, once */
	EXPECT_EQ(t, atomic_read(&a.m->events[MEMCG_LOW]), 1);
	EXPECT_EQ(t, atomic_read(&group->events[MEMCG_LOW]), 1);
	a.m->min = 40;							/* what the parent has none of */
	EXPECT_EQ(t, may_take(&a, true, true), 50);
	group->min = 40;
	EXPECT_EQ(t, may_take(&a, true, true), 10);
	a.m->min = group->min = 0;
	a.m->low = 20;							/* 45 of 50 are asked for */
	EXPECT_EQ(t, may_take(&a, true, false), 30);
	EXPECT_EQ(t, may_take(&b, true, false), 25);
	memcg_recursive_protection = true;				/* 5 of 105 uncovered pages */
	EXPECT_EQ(t, may_take(&a, true, false), 30 - 5 * 30 / 105);
	EXPECT_EQ(t, may_take(&c, true, false), 50 - 5 * 50 / 105);
	memcg_recursive_protection = false;
	s.target = a.m;							/* its own limit does not spare it */
	EXPECT(t, !memcg_spares(&s, a.o, 0, true));
	EXPECT(t, memcg_spares(&s, b.o, 0, true));			/* not its business */
	while (a.nr)
		kid_gives(&a);
	while (b.nr)
		kid_gives(&b);
	while (c.nr)
		kid_gives(&c);
	end_group(a.m);
	end_group(b.m);
	end_group(c.m);
	end(t);
}

#endif
