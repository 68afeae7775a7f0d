/* mm_mremap.c - mremap: shrink, grow in place, move, fixed, DONTUNMAP, errors; contents follow. */
#include "t.h"

/* The fifth argument always given: libc leaves it undefined without MREMAP_FIXED. */
#define mremap(a, o, n, f, ...) ((void *)syscall(SYS_mremap, a, o, n, f, ##__VA_ARGS__, 0L))

TEST(shrink)
{
	char *p = t_anon(8);

	memset(p, 1, 8 * PG);
	EXPECT_EQ(mremap(p, 8 * PG, 3 * PG, 0), p);
	EXPECT_EQ(p[3 * PG - 1], 1);
	FAULT_EQ(READ_OF(p + 3 * PG), SIGSEGV, SEGV_MAPERR, p + 3 * PG);
	munmap(p, 3 * PG);
}

TEST(grow_in_place)
{
	char *p = t_anon(8);

	munmap(p + 4 * PG, 4 * PG);
	memset(p, 1, 4 * PG);
	EXPECT_EQ(mremap(p, 4 * PG, 8 * PG, 0), p);
	EXPECT_EQ(p[8 * PG - 1], 0);
	p[8 * PG - 1] = 1;
	EXPECT_EQ(t_areas(p, p + 8 * PG, NULL), 1);
	munmap(p, 8 * PG);
}

TEST(grow_blocked)
{
	char *p = t_anon(4), *q;

	mprotect(p + 2 * PG, 2 * PG, PROT_READ);
	memset(p, 7, 2 * PG);
	EXPECT_ERR(mremap(p, 2 * PG, 3 * PG, 0), ENOMEM);
	q = mremap(p, 2 * PG, 64 * PG, MREMAP_MAYMOVE);
	REQUIRE(q != MAP_FAILED);
	CHECK(q != p);
	EXPECT_EQ(q[0], 7);
	EXPECT_EQ(q[2 * PG - 1], 7);
	EXPECT_EQ(q[2 * PG], 0);
	FAULT_EQ(READ_OF(p), SIGSEGV, SEGV_MAPERR, p);
	munmap(q, 64 * PG), munmap(p, 4 * PG);
}

TEST(fixed_move_replaces_target)
{
	char *p = t_anon(4), *t = t_anon(4);

	memset(p, 1, 4 * PG);
	memset(t, 2, 4 * PG);
	EXPECT_EQ(mremap(p, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, t + PG), t + PG);
	EXPECT_EQ(t[0], 2);
	EXPECT_EQ(t[PG], 1);
	EXPECT_EQ(t[3 * PG - 1], 1);
	EXPECT_EQ(t[3 * PG], 2);
	FAULT_EQ(READ_OF(p), SIGSEGV, SEGV_MAPERR, p);
	EXPECT_EQ(p[2 * PG], 1);
	munmap(p, 4 * PG), munmap(t, 4 * PG);
}

TEST(errnos)
{
	char *p = t_anon(4);

	EXPECT_ERR(mremap(p + 1, PG, PG, 0), EINVAL);
	EXPECT_ERR(mremap(p, PG, 0, 0), EINVAL);
	EXPECT_ERR(mremap(p, PG, PG, 0x100), EINVAL);
	EXPECT_ERR(mremap(p, PG, PG, MREMAP_FIXED, p + 8 * PG), EINVAL);
	EXPECT_ERR(mremap(p, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, p + PG), EINVAL);
	EXPECT_ERR(mremap(p, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, p + 1), EINVAL);
	EXPECT_ERR(mremap(p, 0, PG, MREMAP_MAYMOVE), EINVAL);
	EXPECT_ERR(mremap(p, PG, 1UL << 46, MREMAP_MAYMOVE), ENOMEM);
	munmap(p + PG, PG);
	EXPECT_ERR(mremap(p + PG, PG, 2 * PG, MREMAP_MAYMOVE), EFAULT);
	EXPECT_ERR(mremap(p, 3 * PG, 5 * PG, MREMAP_MAYMOVE), EFAULT);
	munmap(p, 4 * PG);
}

TEST(shared_old_size_zero_duplicates)
{
	char *p = mmap(NULL, 2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *q;

	p[0] = 1;
	q = mremap(p, 0, 2 * PG, MREMAP_MAYMOVE);
	REQUIRE(q != MAP_FAILED);
	CHECK(q != p);
	EXPECT_EQ(q[0], 1);
	q[PG] = 5;
	EXPECT_EQ(p[PG], 5);
	munmap(p, 2 * PG), munmap(q, 2 * PG);
}

TEST(dontunmap)
{
	char *p = t_anon(2), *q;

	memset(p, 6, 2 * PG);
	q = mremap(p, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	REQUIRE(q != MAP_FAILED);
	EXPECT_EQ(q[PG], 6);
	EXPECT_EQ(p[PG], 0);
	p[PG] = 1;
	EXPECT_EQ(q[PG], 6);
	EXPECT_ERR(mremap(p, 2 * PG, PG, MREMAP_MAYMOVE | MREMAP_DONTUNMAP), EINVAL);
	munmap(p, 2 * PG), munmap(q, 2 * PG);
}

TEST(file_keeps_offset)
{
	int fd = t_file("f", 8 * PG);
	char *p = mmap(NULL, 2 * PG, PROT_READ, MAP_PRIVATE, fd, 2 * PG), *q;

	EXPECT_EQ(p[0], 'c');
	q = mremap(p, 2 * PG, 4 * PG, MREMAP_MAYMOVE);
	REQUIRE(q != MAP_FAILED);
	EXPECT_EQ(q[0], 'c');
	EXPECT_EQ(q[3 * PG], 'f');
	munmap(q, 4 * PG);
	close(fd);
}

TEST(many_pages_move_without_copy)
{
	size_t n = 1024;
	char *p = t_anon(n), *t = t_anon(n + 4), *q;

	for (size_t i = 0; i < n; i++)
		p[i * PG + i % PG] = i;
	q = mremap(p, n * PG, n * PG, MREMAP_MAYMOVE | MREMAP_FIXED, t + 2 * PG);
	EXPECT_EQ(q, t + 2 * PG);
	for (size_t i = 0; i < n; i++)
		if (q[i * PG + i % PG] != (char)i)
			REQUIRE(!"contents moved");
	munmap(t, (n + 4) * PG);
}

TEST(cow_moves_too)
{
	char *p = t_anon(2), *t = t_anon(2);
	int st;
	pid_t pid;

	memset(p, 3, 2 * PG);
	pid = fork();
	if (pid == 0) {
		char *q = mremap(p, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, t);
		q[0] = 4;
		_exit(!(q == t && q[0] == 4 && q[PG] == 3));
	}
	waitpid(pid, &st, 0);
	EXPECT_EQ(st, 0);
	EXPECT_EQ(p[0], 3);
	munmap(p, 2 * PG), munmap(t, 2 * PG);
}
