/* mm_brk.c - brk: query, grow, shrink, zero contents, collisions, limits. */
#include "t.h"

static unsigned long raw_brk(unsigned long to)
{
	return syscall(SYS_brk, to);
}

TEST(query)
{
	unsigned long b = raw_brk(0);

	CHECK(b != 0);
	EXPECT_EQ(raw_brk(0), b);
	EXPECT_EQ(raw_brk(1), b);
	EXPECT_EQ(raw_brk(~0UL), b);
	EXPECT_EQ(raw_brk(1UL << 47), b);
}

TEST(grow_and_shrink)
{
	unsigned long b = raw_brk(0), page = (b + PG - 1) & ~(PG - 1);
	char *p = (char *)page;

	EXPECT_EQ(raw_brk(page + 16 * PG), page + 16 * PG);
	for (unsigned i = 0; i < 16; i++)
		EXPECT_EQ(p[i * PG], 0);
	memset(p, 5, 16 * PG);
	EXPECT_EQ(raw_brk(page + 4 * PG), page + 4 * PG);
	FAULT_EQ(READ_OF(p + 4 * PG), SIGSEGV, SEGV_MAPERR, p + 4 * PG);
	EXPECT_EQ(p[4 * PG - 1], 5);
	EXPECT_EQ(raw_brk(page + 8 * PG), page + 8 * PG);
	EXPECT_EQ(p[4 * PG], 0);
	EXPECT_EQ(p[3 * PG], 5);
	EXPECT_EQ(raw_brk(b), b);
}

TEST(unaligned)
{
	unsigned long b = raw_brk(0), page = (b + PG - 1) & ~(PG - 1);

	EXPECT_EQ(raw_brk(page + 100), page + 100);
	((char *)page)[100] = 1;	/* the rest of the page is there */
	EXPECT_EQ(raw_brk(page + 200), page + 200);
	EXPECT_EQ(((char *)page)[100], 1);
	EXPECT_EQ(raw_brk(b), b);
}

TEST(blocked_by_a_mapping)
{
	unsigned long b = raw_brk(0), page = (b + PG - 1) & ~(PG - 1);
	char *wall = mmap((void *)(page + 8 * PG), PG, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	REQUIRE(wall != MAP_FAILED);
	EXPECT_EQ(raw_brk(page + 16 * PG), b);
	NO_FAULT(WRITE_OF(wall));
	munmap(wall, PG);
	EXPECT_EQ(raw_brk(page + 16 * PG), page + 16 * PG);
	raw_brk(b);
}

TEST(rlimit_data)
{
	struct rlimit old, lim;
	unsigned long b = raw_brk(0);

	getrlimit(RLIMIT_DATA, &old);
	lim = old;
	lim.rlim_cur = 0;
	EXPECT_OK(setrlimit(RLIMIT_DATA, &lim));
	EXPECT_EQ(raw_brk(b + 64 * PG), b);
	setrlimit(RLIMIT_DATA, &old);
	EXPECT_EQ(raw_brk(b + 64 * PG), b + 64 * PG);
	raw_brk(b);
}

static int child(void *arg)
{
	unsigned long b = raw_brk(0);

	CHECK(b == (unsigned long)arg);
	CHECK(raw_brk(b + 4 * PG) == b + 4 * PG);
	memset((char *)((b + PG - 1) & ~(PG - 1)), 1, 2 * PG);
	return 0;
}

TEST(fork_has_its_own)
{
	unsigned long b = raw_brk(0);

	CHILD_EXITS(child, (void *)b, 0);
	EXPECT_EQ(raw_brk(0), b);
}

TEST(heap_is_named)
{
	char *text;

	sbrk(PG);
	text = t_get("/proc/self/maps");
	CHECK(text && strstr(text, "[heap]\n"));
	sbrk(-PG);
}
