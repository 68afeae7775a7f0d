/* mm_madvise.c - madvise: each advice that one node knows, errnos, and what is seen afterwards. */
#include "t.h"
#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

TEST(dontneed_anonymous_reads_zero)
{
	char *p = t_anon(8);

	memset(p, 1, 8 * PG);
	EXPECT_OK(madvise(p + 2 * PG, 3 * PG, MADV_DONTNEED));
	EXPECT_EQ(p[2 * PG - 1], 1);
	EXPECT_EQ(p[2 * PG], 0);
	EXPECT_EQ(p[5 * PG - 1], 0);
	EXPECT_EQ(p[5 * PG], 1);
	EXPECT_EQ(t_areas(p, p + 8 * PG, NULL), 1);
	munmap(p, 8 * PG);
}

TEST(dontneed_private_file_rereads)
{
	int fd = t_file("f", 2 * PG);
	char *p = mmap(NULL, 2 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	p[0] = 'Z';
	EXPECT_OK(madvise(p, 2 * PG, MADV_DONTNEED));
	EXPECT_EQ(p[0], 'a');
	EXPECT_EQ(p[PG], 'b');
	munmap(p, 2 * PG), close(fd);
}

TEST(dontneed_shared_keeps_data)
{
	char *p = mmap(NULL, 2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	p[0] = 3;
	EXPECT_OK(madvise(p, 2 * PG, MADV_DONTNEED));
	EXPECT_EQ(p[0], 3);
	munmap(p, 2 * PG);
}

TEST(free_gives_old_or_zero)
{
	char *p = t_anon(4);

	memset(p, 1, 4 * PG);
	EXPECT_OK(madvise(p, 4 * PG, MADV_FREE));
	for (int i = 0; i < 4; i++)
		CHECK(p[i * PG] == 0 || p[i * PG] == 1);
	p[0] = 9;
	EXPECT_EQ(p[0], 9);
	munmap(p, 4 * PG);
	int fd = t_file("f", PG);
	p = mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 0);
	EXPECT_ERR(madvise(p, PG, MADV_FREE), EINVAL);
	munmap(p, PG), close(fd);
}

TEST(remove_punches_shared)
{
	int fd = memfd_create("m", 0);
	char *p;

	REQUIRE(fd >= 0);
	REQUIRE(ftruncate(fd, 4 * PG) == 0);
	p = mmap(NULL, 4 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memset(p, 1, 4 * PG);
	EXPECT_OK(madvise(p + PG, PG, MADV_REMOVE));
	EXPECT_EQ(p[PG], 0);
	EXPECT_EQ(p[0], 1);
	EXPECT_EQ(p[2 * PG], 1);
	munmap(p, 4 * PG), close(fd);
	p = t_anon(1);
	EXPECT_ERR(madvise(p, PG, MADV_REMOVE), EINVAL);
	munmap(p, PG);
}

TEST(hints_are_taken)
{
	static const int hints[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_COLD,
				     MADV_PAGEOUT, MADV_DONTDUMP, MADV_DODUMP };
	char *p = t_anon(4);

	memset(p, 1, 4 * PG);
	for (unsigned i = 0; i < ARRAY_LEN(hints); i++)
		if (madvise(p, 4 * PG, hints[i]))
			t_fail(__LINE__, "advice %d", hints[i]);
	EXPECT_EQ(p[3 * PG], 1);
	munmap(p, 4 * PG);
}

TEST(hugepage_merge_hints_work_or_einval)
{
	static const int hints[] = { MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE, MADV_UNMERGEABLE };
	char *p = t_anon(4);

	for (unsigned i = 0; i < ARRAY_LEN(hints); i++)
		if (madvise(p, 4 * PG, hints[i]))
			EXPECT_EQ(errno, EINVAL);
	munmap(p, 4 * PG);
}

TEST(populate)
{
	char *p = t_anon(8);
	unsigned char vec[8];

	EXPECT_OK(madvise(p, 4 * PG, MADV_POPULATE_READ));
	EXPECT_OK(madvise(p + 4 * PG, 4 * PG, MADV_POPULATE_WRITE));
	EXPECT_OK(mincore(p, 8 * PG, vec));
	for (int i = 4; i < 8; i++)
		EXPECT_EQ(vec[i] & 1, 1);
	EXPECT_EQ(p[0], 0);
	mprotect(p, PG, PROT_READ);
	EXPECT_ERR(madvise(p, PG, MADV_POPULATE_WRITE), EINVAL);
	munmap(p + 2 * PG, PG);
	EXPECT_ERR(madvise(p, 4 * PG, MADV_POPULATE_READ), ENOMEM);
	munmap(p, 8 * PG);
}

static int dontfork_child(void *p)
{
	FAULT_EQ(READ_OF(p), SIGSEGV, SEGV_MAPERR, p);
	return 0;
}

TEST(dontfork)
{
	char *p = t_anon(2);

	*p = 1;
	EXPECT_OK(madvise(p, 2 * PG, MADV_DONTFORK));
	CHILD_EXITS(dontfork_child, p, 0);
	EXPECT_EQ(*p, 1);
	EXPECT_OK(madvise(p, 2 * PG, MADV_DOFORK));
	munmap(p, 2 * PG);
}

static int wipe_child(void *p)
{
	EXPECT_EQ(*(char *)p, 0);
	*(char *)p = 2;
	return 0;
}

TEST(wipeonfork)
{
	char *p = t_anon(2);

	*p = 1;
	EXPECT_OK(madvise(p, 2 * PG, MADV_WIPEONFORK));
	CHILD_EXITS(wipe_child, p, 0);
	EXPECT_EQ(*p, 1);
	EXPECT_OK(madvise(p, 2 * PG, MADV_KEEPONFORK));
	munmap(p, 2 * PG);
	p = t_map(1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	EXPECT_ERR(madvise(p, PG, MADV_WIPEONFORK), EINVAL);
	munmap(p, PG);
}

TEST(errnos)
{
	char *p = t_anon(4);

	EXPECT_ERR(madvise(p + 1, PG, MADV_NORMAL), EINVAL);
	EXPECT_ERR(madvise(p, PG, 9999), EINVAL);
	EXPECT_OK(madvise(p, 0, MADV_DONTNEED));
	EXPECT_ERR(madvise(p, ~0UL, MADV_DONTNEED), EINVAL);
	munmap(p + PG, PG);
	memset(p + 2 * PG, 1, PG);
	EXPECT_ERR(madvise(p, 4 * PG, MADV_DONTNEED), ENOMEM);
	EXPECT_EQ(p[2 * PG], 0);	/* what was mapped has been done all the same */
	munmap(p, 4 * PG);
}

TEST(rss_goes_down)
{
	char *p = t_anon(512);
	long full, after;

	memset(p, 1, 512 * PG);
	full = t_proc("/proc/self/status", "VmRSS");
	madvise(p, 512 * PG, MADV_DONTNEED);
	after = t_proc("/proc/self/status", "VmRSS");
	CHECK(full - after >= 1800);
	munmap(p, 512 * PG);
}
