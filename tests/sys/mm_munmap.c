/* mm_munmap.c - munmap: whole, middle, holes, across areas, errors. */
#include "t.h"

TEST(middle_leaves_two_areas)
{
	char *p = t_anon(8);

	memset(p, 3, 8 * PG);
	EXPECT_OK(munmap(p + 3 * PG, 2 * PG));
	EXPECT_EQ(t_areas(p, p + 8 * PG, NULL), 2);
	EXPECT_EQ(p[3 * PG - 1], 3);
	EXPECT_EQ(p[5 * PG], 3);
	FAULT_EQ(READ_OF(p + 3 * PG), SIGSEGV, SEGV_MAPERR, p + 3 * PG);
	FAULT_EQ(WRITE_OF(p + 5 * PG - 1), SIGSEGV, SEGV_MAPERR, p + 5 * PG - 1);
	munmap(p, 8 * PG);
}

TEST(head_and_tail)
{
	char *p = t_anon(8);

	memset(p, 3, 8 * PG);
	EXPECT_OK(munmap(p, PG));
	EXPECT_OK(munmap(p + 7 * PG, PG));
	EXPECT_EQ(t_areas(p, p + 8 * PG, NULL), 1);
	FAULT_EQ(READ_OF(p), SIGSEGV, SEGV_MAPERR, p);
	NO_FAULT(READ_OF(p + PG));
	munmap(p, 8 * PG);
}

TEST(holes_are_fine)
{
	char *p = t_anon(8);

	EXPECT_OK(munmap(p + 2 * PG, PG));
	EXPECT_OK(munmap(p + 5 * PG, PG));
	EXPECT_OK(munmap(p, 8 * PG));
	EXPECT_OK(munmap(p, 8 * PG));
	EXPECT_EQ(t_areas(p, p + 8 * PG, NULL), 0);
}

TEST(errnos)
{
	char *p = t_anon(2);

	EXPECT_ERR(munmap(p + 1, PG), EINVAL);
	EXPECT_ERR(munmap(p, 0), EINVAL);
	EXPECT_ERR(munmap((void *)0xffff800000000000UL, PG), EINVAL);
	EXPECT_ERR(munmap((void *)0x8000000000000000UL, PG), EINVAL);
	EXPECT_ERR(munmap(p, ~0UL - PG), EINVAL);
	EXPECT_OK(munmap(p, PG + 1));
	FAULT_EQ(READ_OF(p + PG), SIGSEGV, SEGV_MAPERR, p + PG);
}

TEST(memory_is_zero_after_remap)
{
	char *p = t_anon(4);

	memset(p, 9, 4 * PG);
	munmap(p, 4 * PG);
	char *q = mmap(p, 4 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (unsigned i = 0; i < 4 * PG; i += 64)
		REQUIRE(q[i] == 0);
	munmap(q, 4 * PG);
}

TEST(across_different_areas)
{
	int fd = t_file("f", 4 * PG);
	char *p = t_anon(12);

	EXPECT_EQ(mmap(p + 4 * PG, 4 * PG, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0), p + 4 * PG);
	NO_FAULT(READ_OF(p + 4 * PG));
	EXPECT_EQ(t_areas(p, p + 12 * PG, NULL), 3);
	EXPECT_OK(munmap(p + 2 * PG, 8 * PG));
	EXPECT_EQ(t_areas(p, p + 12 * PG, NULL), 2);
	munmap(p, 12 * PG);
	close(fd);
}

TEST(rss_goes_down)
{
	size_t n = 512;
	char *p = t_anon(n);
	long before, full, after;

	before = t_proc("/proc/self/status", "VmRSS");
	memset(p, 1, n * PG);
	full = t_proc("/proc/self/status", "VmRSS");
	munmap(p, n * PG);
	after = t_proc("/proc/self/status", "VmRSS");
	CHECK(full - before >= 1800);
	CHECK(full - after >= 1800);
}

/* Ten thousand single-page areas, each second one taken away again. */
TEST(many_areas)
{
	size_t n = 4000;
	char *p = t_map(n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);

	REQUIRE(p != MAP_FAILED);
	for (size_t i = 0; i < n; i += 2)
		if (mprotect(p + i * PG, PG, PROT_READ | PROT_WRITE))
			REQUIRE(!"mprotect");
	for (size_t i = 0; i < n; i += 2)
		p[i * PG] = i;
	for (size_t i = 0; i < n; i += 2)
		if (p[i * PG] != (char)i)
			REQUIRE(!"contents");
	for (size_t i = 0; i < n; i += 4)
		if (munmap(p + i * PG, PG))
			REQUIRE(!"munmap");
	EXPECT_OK(munmap(p, n * PG));
}
