/*
 * test_mm.c - areas, faults, fork, files on the software MMU; random operations against a naive model.
 */
#include <abi/errno.h>
#include <abi/mman.h>
#include <kernel/cpu.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include "../fuzz/mm_model.h"
#include "unit.h"

#define T_BASE	0x20000000UL
#define RW	(PROT_READ | PROT_WRITE)

static struct mm *t_mm(struct t *t)
{
	struct mm *mm = mm_create();

	if (!mm)
		return NULL;
	mm_set_layout(mm, MIB(8), false);
	host_use_mm(mm);
	return mm;
}

static void t_mm_end(struct mm *mm)
{
	host_use_mm(NULL);
	if (mm)
		mm_put(mm);
}

static int map(struct mm *mm, vaddr_t addr, size_t pages, int prot, int flags, struct file *f, pgoff_t pgoff)
{
	struct mmap_request q = { .addr = addr, .len = pages * PAGE_SIZE, .prot = prot, .flags = flags | MAP_FIXED,
				  .file = f, .mapping = f ? &f->mapping : NULL, .pgoff = pgoff };
	vaddr_t out;

	return mm_mmap(mm, &q, &out);
}

static int map_anon(struct mm *mm, vaddr_t addr, size_t pages, int prot)
{
	return map(mm, addr, pages, prot, MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0);
}

static u32 peek(struct t *t, vaddr_t addr)
{
	u32 v = 0xdeadbeef;

	EXPECT_EQ(t, host_read(addr, &v, sizeof(v)), FAULT_DONE);
	return v;
}

static enum fault_result poke(vaddr_t addr, u32 v)
{
	return host_write(addr, &v, sizeof(v));
}

static unsigned areas(struct mm *mm)
{
	unsigned n = 0;

	for (struct vma *v = vma_first(mm); v; v = vma_next(v))
		n++;
	return n;
}

TEST(mm, demand_zero)
{
	struct mm *mm;

	t_machine(t, 31, 1);
	mm = t_mm(t);
	EXPECT_EQ(t, map_anon(mm, T_BASE, 8, RW), 0);
	EXPECT_EQ(t, mm_rss(mm), 0);
	EXPECT_EQ(t, peek(t, T_BASE), 0);		/* the zero page: not counted */
	EXPECT_EQ(t, ledger_frames(ACCT_ANON), 0);
	EXPECT_EQ(t, poke(T_BASE + 4, 7), FAULT_DONE);
	EXPECT_EQ(t, peek(t, T_BASE), 0);
	EXPECT_EQ(t, peek(t, T_BASE + 4), 7);
	EXPECT_EQ(t, ledger_frames(ACCT_ANON), 1);
	EXPECT_EQ(t, mm_rss(mm), 1);
	EXPECT_EQ(t, poke(T_BASE + 8 * PAGE_SIZE, 1), FAULT_SIGSEGV_MAPERR);
	EXPECT_EQ(t, host_exec(T_BASE), FAULT_SIGSEGV_ACCERR);
	EXPECT_EQ(t, host_stale_hits, 0);
	t_audit(t);
	t_mm_end(mm);
	EXPECT_EQ(t, ledger_frames(ACCT_ANON), 0);
}

/* Unmapping the middle of an area leaves two areas and no page behind; again with each allocation failing once. */
TEST(mm, unmap_middle)
{
	t_machine(t, 31, 1);
	FAIL_EACH_ALLOC(t) {
		struct mm *mm = t_mm(t);
		int err;

		if (mm && !map_anon(mm, T_BASE, 8, RW)) {
			bool touched = true;

			for (unsigned i = 0; i < 8; i++)
				touched &= poke(T_BASE + i * PAGE_SIZE, i) == FAULT_DONE;
			err = mm_munmap(mm, T_BASE + 3 * PAGE_SIZE, 2 * PAGE_SIZE);
			EXPECT_EQ(t, areas(mm), err ? 1 : 2);
			EXPECT(t, !err || err == -ENOMEM);
			if (touched && !err) {
				EXPECT_EQ(t, ledger_frames(ACCT_ANON), 6);
				EXPECT_EQ(t, poke(T_BASE + 3 * PAGE_SIZE, 1), FAULT_SIGSEGV_MAPERR);
				EXPECT_EQ(t, peek(t, T_BASE + 2 * PAGE_SIZE), 2);
				EXPECT_EQ(t, peek(t, T_BASE + 5 * PAGE_SIZE), 5);
			}
		}
		t_mm_end(mm);
	}
	EXPECT_EQ(t, host_stale_hits, 0);
}

TEST(mm, fork_copies_on_write)
{
	t_machine(t, 31, 1);
	FAIL_EACH_ALLOC(t) {
		struct mm *mm = t_mm(t), *child = NULL;

		if (!mm || map_anon(mm, T_BASE, 4, RW) || poke(T_BASE, 1) || poke(T_BASE + PAGE_SIZE, 2) || mm_dup(mm, &child)) {
			t_mm_end(mm);
			continue;
		}
		EXPECT_EQ(t, ledger_frames(ACCT_ANON), 2);
		if (poke(T_BASE, 11) == FAULT_DONE) {		/* the parent writes: a stale writable translation would leak it */
			EXPECT_EQ(t, ledger_frames(ACCT_ANON), 3);
			EXPECT_EQ(t, peek(t, T_BASE), 11);
			host_use_mm(child);
			EXPECT_EQ(t, peek(t, T_BASE), 1);
			if (poke(T_BASE, 21) == FAULT_DONE) {
				EXPECT_EQ(t, ledger_frames(ACCT_ANON), 3);	/* the last holder writes in place */
				EXPECT_EQ(t, peek(t, T_BASE), 21);
			}
		}
		host_use_mm(mm);
		mm_put(child);
		EXPECT_EQ(t, peek(t, T_BASE + PAGE_SIZE), 2);
		t_mm_end(mm);
	}
	EXPECT_EQ(t, host_stale_hits, 0);
}

TEST(mm, protect)
{
	struct mm *mm;

	t_machine(t, 31, 1);
	mm = t_mm(t);
	EXPECT_EQ(t, map_anon(mm, T_BASE, 4, RW), 0);
	EXPECT_EQ(t, poke(T_BASE + PAGE_SIZE, 5), FAULT_DONE);
	EXPECT_EQ(t, mm_mprotect(mm, T_BASE + PAGE_SIZE, PAGE_SIZE, PROT_READ, -1), 0);
	EXPECT_EQ(t, areas(mm), 3);
	EXPECT_EQ(t, poke(T_BASE + PAGE_SIZE, 6), FAULT_SIGSEGV_ACCERR);	/* through the TLB too */
	EXPECT_EQ(t, peek(t, T_BASE + PAGE_SIZE), 5);
	EXPECT_EQ(t, mm_mprotect(mm, T_BASE + PAGE_SIZE, PAGE_SIZE, PROT_NONE, -1), 0);
	EXPECT_EQ(t, poke(T_BASE + PAGE_SIZE, 6), FAULT_SIGSEGV_ACCERR);
	EXPECT_EQ(t, mm_mprotect(mm, T_BASE, 4 * PAGE_SIZE, RW, -1), 0);
	EXPECT_EQ(t, areas(mm), 1);
	EXPECT_EQ(t, peek(t, T_BASE + PAGE_SIZE), 5);
	EXPECT_EQ(t, poke(T_BASE + PAGE_SIZE, 6), FAULT_DONE);
	EXPECT_EQ(t, mm_mprotect(mm, T_BASE, 5 * PAGE_SIZE, PROT_READ, -1), -ENOMEM);
	t_mm_end(mm);
}

static char data[16 * PAGE_SIZE];
static struct file file;

static void make_file(size_t size)
{
	for (unsigned i = 0; i < 16; i++)
		*(u32 *)(data + i * PAGE_SIZE) = 100 + i;
	host_file_init(&file, data, size);
}

TEST(mm, file_mappings)
{
	struct mm *mm;
	vaddr_t a = T_BASE, b = T_BASE + MIB(1);

	t_machine(t, 31, 1);
	make_file(10 * PAGE_SIZE + 50);
	mm = t_mm(t);
	EXPECT_EQ(t, map(mm, a, 16, RW, MAP_PRIVATE, &file, 0), 0);
	EXPECT_EQ(t, map(mm, b, 16, RW, MAP_SHARED, &file, 0), 0);
	EXPECT_EQ(t, file.refs, 3);
	EXPECT_EQ(t, peek(t, a + 3 * PAGE_SIZE), 103);
	EXPECT_EQ(t, poke(b + 3 * PAGE_SIZE, 203), FAULT_DONE);
	EXPECT_EQ(t, peek(t, a + 3 * PAGE_SIZE), 203);		/* not copied yet: sees the file */
	EXPECT_EQ(t, poke(a + 3 * PAGE_SIZE, 303), FAULT_DONE);
	EXPECT_EQ(t, peek(t, b + 3 * PAGE_SIZE), 203);
	EXPECT_EQ(t, poke(b + 3 * PAGE_SIZE, 204), FAULT_DONE);
	EXPECT_EQ(t, peek(t, a + 3 * PAGE_SIZE), 303);
	EXPECT_EQ(t, peek(t, a + 10 * PAGE_SIZE + 48) & ~0xffffu, 0);	/* past the end in the last page: zero */
	EXPECT_EQ(t, poke(b + 11 * PAGE_SIZE, 1), FAULT_SIGBUS);
	EXPECT_EQ(t, mm_msync(mm, b, 16 * PAGE_SIZE, MS_SYNC), 0);
	EXPECT_EQ(t, *(u32 *)(data + 3 * PAGE_SIZE), 204);
	EXPECT_EQ(t, poke(b + 3 * PAGE_SIZE, 205), FAULT_DONE);	/* dirty again after it was cleaned: noticed again */
	EXPECT_EQ(t, mm_msync(mm, b, 16 * PAGE_SIZE, MS_SYNC), 0);
	EXPECT_EQ(t, *(u32 *)(data + 3 * PAGE_SIZE), 205);
	EXPECT_EQ(t, host_stale_hits, 0);
	t_audit(t);
	t_mm_end(mm);
	EXPECT_EQ(t, file.refs, 1);
	mapping_destroy(&file.mapping);
	EXPECT_EQ(t, ledger_frames(ACCT_PAGE_CACHE), 0);
}

TEST(mm, truncate_under_mapping)
{
	struct mm *mm;

	t_machine(t, 31, 1);
	make_file(8 * PAGE_SIZE);
	mm = t_mm(t);
	EXPECT_EQ(t, map(mm, T_BASE, 8, RW, MAP_SHARED, &file, 0), 0);
	for (unsigned i = 0; i < 8; i++)
		EXPECT_EQ(t, poke(T_BASE + i * PAGE_SIZE, i), FAULT_DONE);
	file.size = 3 * PAGE_SIZE + 8;
	filemap_truncate(&file.mapping, 3 * PAGE_SIZE + 8);
	EXPECT_EQ(t, peek(t, T_BASE + 3 * PAGE_SIZE), 3);
	EXPECT_EQ(t, peek(t, T_BASE + 3 * PAGE_SIZE + 8), 0);
	EXPECT_EQ(t, poke(T_BASE + 4 * PAGE_SIZE, 1), FAULT_SIGBUS);	/* a stale translation would still write */
	EXPECT_EQ(t, host_stale_hits, 0);
	t_mm_end(mm);
	mapping_destroy(&file.mapping);
}

static void read_words(struct t *t, struct readahead *ra, loff_t pos)
{
	struct io_iter it;
	char buf[8];

	io_iter_kernel(&it, buf, sizeof(buf));
	EXPECT_EQ(t, filemap_read(&file.mapping, ra, &pos, &it), (ssize_t)sizeof(buf));
}

/* A freshly opened file's first page counts as read like any other, and reading on inside a page is one use of it. */
TEST(mm, reading_is_a_use)
{
	t_machine(t, 31, 1);
	make_file(8 * PAGE_SIZE);
	for (pgoff_t i = 0; i < 3; i += 2) {
		struct readahead first = { 0 }, again = { 0 };
		struct page *p;

		read_words(t, &first, (loff_t)(i * PAGE_SIZE));
		read_words(t, &first, (loff_t)(i * PAGE_SIZE) + 8);
		p = filemap_find(&file.mapping, i);
		EXPECT(t, p && page_test(p, PG_REFERENCED) && !page_test(p, PG_ACTIVE));
		read_words(t, &again, (loff_t)(i * PAGE_SIZE));
		EXPECT(t, p && page_test(p, PG_ACTIVE));
		page_put(p);
	}
	mapping_destroy(&file.mapping);
	t_audit(t);
}

TEST(mm, file_errors)
{
	struct mm *mm;
	u32 v;

	t_machine(t, 31, 1);
	make_file(8 * PAGE_SIZE);
	mm = t_mm(t);
	EXPECT_EQ(t, map(mm, T_BASE, 8, PROT_READ, MAP_PRIVATE, &file, 0), 0);
	file.io_error = true;
	EXPECT_EQ(t, host_read(T_BASE, &v, 4), FAULT_SIGBUS);
	file.io_error = false;
	EXPECT_EQ(t, peek(t, T_BASE), 100);
	t_mm_end(mm);
	mapping_destroy(&file.mapping);
}

TEST(mm, file_faults_with_failing_allocations)
{
	t_machine(t, 31, 1);
	FAIL_EACH_ALLOC(t) {
		struct mm *mm;
		u32 v;

		make_file(8 * PAGE_SIZE);
		mm = t_mm(t);
		if (mm && !map(mm, T_BASE, 8, RW, MAP_PRIVATE, &file, 0)) {
			if (host_read(T_BASE + PAGE_SIZE, &v, 4) == FAULT_DONE)
				EXPECT_EQ(t, v, 101);
			poke(T_BASE, 5);
		}
		t_mm_end(mm);
		mapping_destroy(&file.mapping);
		EXPECT_EQ(t, file.refs, 1);
	}
}

TEST(mm, dontneed_and_brk)
{
	struct mm *mm;
	vaddr_t brk;

	t_machine(t, 31, 1);
	mm = t_mm(t);
	EXPECT_EQ(t, map_anon(mm, T_BASE, 4, RW), 0);
	EXPECT_EQ(t, poke(T_BASE, 9), FAULT_DONE);
	EXPECT_EQ(t, mm_madvise(mm, T_BASE, 4 * PAGE_SIZE, MADV_DONTNEED), 0);
	EXPECT_EQ(t, peek(t, T_BASE), 0);
	mm->start_brk = mm->brk = 0x30000000;
	brk = mm_brk(mm, 0x30000000 + 10 * PAGE_SIZE);
	EXPECT_EQ(t, brk, 0x30000000 + 10 * PAGE_SIZE);
	EXPECT_EQ(t, poke(0x30000000 + 9 * PAGE_SIZE, 1), FAULT_DONE);
	EXPECT_EQ(t, mm_brk(mm, 0x30000000 + PAGE_SIZE), 0x30000000 + PAGE_SIZE);
	EXPECT_EQ(t, poke(0x30000000 + 9 * PAGE_SIZE, 1), FAULT_SIGSEGV_MAPERR);
	t_mm_end(mm);
}

TEST(mm, stack_grows)
{
	struct mm *mm;
	struct vma *stack;
	vaddr_t top = 0x7ffff000;

	t_machine(t, 31, 1);
	mm = t_mm(t);
	EXPECT_EQ(t, mm_setup_stack(mm, top, false, &stack), 0);
	EXPECT_EQ(t, poke(stack->start, 1), FAULT_DONE);
	EXPECT_EQ(t, poke(stack->start - 5 * PAGE_SIZE, 2), FAULT_DONE);
	EXPECT_EQ(t, map_anon(mm, stack->start - 400 * PAGE_SIZE, 1, RW), 0);
	EXPECT_EQ(t, poke(stack->start - 250 * PAGE_SIZE, 3), FAULT_SIGSEGV_MAPERR);	/* the guard gap */
	t_mm_end(mm);
}

/* ---- several CPUs ------------------------------------------------------------------------------------------------- */

static struct mm *shared_mm;

static void fault_all(unsigned cpu, void *arg)
{
	host_use_mm(shared_mm);
	for (unsigned i = 0; i < 512; i++) {
		vaddr_t a = T_BASE + (vaddr_t)((i * 37 + cpu * 128) % 512) * PAGE_SIZE + cpu * 4;

		if (poke(a, cpu * 1000 + i) != FAULT_DONE)
			panic("fault failed");
	}
	for (unsigned i = 0; i < 512; i++) {
		vaddr_t a = T_BASE + (vaddr_t)((i * 37 + cpu * 128) % 512) * PAGE_SIZE + cpu * 4;
		u32 v;

		if (host_read(a, &v, 4) || v != cpu * 1000 + i)
			panic("write lost");
	}
	host_use_mm(NULL);
}

TEST(mm, faults_on_many_cpus)
{
	t_machine(t, 63, 4);
	shared_mm = t_mm(t);
	EXPECT_EQ(t, map_anon(shared_mm, T_BASE, 512, RW), 0);
	host_use_mm(NULL);
	for (int i = 0; i < 3; i++)
		mm_get(shared_mm);
	host_on_cpus(4, fault_all, NULL);
	EXPECT_EQ(t, ledger_frames(ACCT_ANON), 512);
	EXPECT_EQ(t, mm_rss(shared_mm), 512);
	t_audit(t);
	for (int i = 0; i < 4; i++)
		mm_put(shared_mm);
}

/* One CPU maps, protects, unmaps; the others write, and may see a fault but never a page that is no longer there. */
static void churn(unsigned cpu, void *arg)
{
	host_use_mm(shared_mm);
	for (unsigned i = 0; i < 400; i++) {
		vaddr_t a = T_BASE + (vaddr_t)(i * 7 % 32) * PAGE_SIZE;

		if (cpu == 0) {
			if (i % 3 == 0)
				(void)mm_munmap(shared_mm, a, 2 * PAGE_SIZE);
			else if (i % 3 == 1)
				(void)map_anon(shared_mm, a, 4, RW);
			else
				(void)mm_mprotect(shared_mm, a, PAGE_SIZE, i & 4 ? PROT_READ : RW, -1);
		} else {
			poke(a + cpu * 4, i);
		}
	}
	host_use_mm(NULL);
}

TEST(mm, unmap_against_faults)
{
	t_machine(t, 63, 4);
	shared_mm = t_mm(t);
	EXPECT_EQ(t, map_anon(shared_mm, T_BASE, 40, RW), 0);
	host_use_mm(NULL);
	for (int i = 0; i < 3; i++)
		mm_get(shared_mm);
	host_on_cpus(4, churn, NULL);
	t_audit(t);
	for (int i = 0; i < 4; i++)
		mm_put(shared_mm);
	EXPECT_EQ(t, ledger_frames(ACCT_ANON), 0);
}

static void fork_and_write(unsigned cpu, void *arg)
{
	host_use_mm(shared_mm);
	for (unsigned i = 0; i < 40; i++) {
		struct mm *child;
		u32 before, after;

		if (cpu) {
			for (unsigned k = 0; k < 8; k++)
				poke(T_BASE + k * PAGE_SIZE, i * 10 + k);
			continue;
		}
		if (mm_dup(shared_mm, &child))
			panic("no memory");
		host_use_mm(child);
		if (host_read(T_BASE, &before, 4) || host_read(T_BASE, &after, 4) || before != after)
			panic("a child's page changes");
		for (unsigned n = 0; n < 20; n++)
			if (host_read(T_BASE, &after, 4) || before != after)
				panic("a child's page changes");
		host_use_mm(shared_mm);
		mm_put(child);
	}
	host_use_mm(NULL);
}

/* Goal: while one thread forks, others' writes never show in the child: their writable translations are flushed. */
TEST(mm, fork_against_writers)
{
	t_machine(t, 63, 3);
	shared_mm = t_mm(t);
	EXPECT_EQ(t, map_anon(shared_mm, T_BASE, 8, RW), 0);
	EXPECT_EQ(t, poke(T_BASE, 1), FAULT_DONE);
	host_use_mm(NULL);
	mm_get(shared_mm);
	mm_get(shared_mm);
	host_on_cpus(3, fork_and_write, NULL);
	for (int i = 0; i < 3; i++)
		mm_put(shared_mm);
}

/* ---- random operations ---------------------------------------------------------------------------------------------- */

TEST(mm, model)
{
	static u8 bytes[6000];

	t_machine(t, 63, 1);
	for (unsigned run = 0; run < 20; run++) {
		for (unsigned i = 0; i < sizeof(bytes); i++)
			bytes[i] = (u8)t_random();
		mm_model_run(bytes, sizeof(bytes));
	}
	EXPECT_EQ(t, ledger_frames(ACCT_ANON), 0);
	EXPECT_EQ(t, ledger_frames(ACCT_SHMEM), 0);
	EXPECT_EQ(t, ledger_frames(ACCT_PAGE_CACHE), 0);
}
