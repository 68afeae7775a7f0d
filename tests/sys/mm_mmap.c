/* mm_mmap.c - mmap: each flag, each errno of the man page. */
#include "t.h"

#define RW (PROT_READ | PROT_WRITE)
#define PA (MAP_PRIVATE | MAP_ANONYMOUS)

TEST(anonymous_private)
{
	char *p = mmap(NULL, 3 * PG, RW, PA, -1, 0);

	REQUIRE(p != MAP_FAILED);
	CHECK(((unsigned long)p & (PG - 1)) == 0);
	for (unsigned i = 0; i < 3 * PG; i += 512)
		CHECK(p[i] == 0);
	memset(p, 7, 3 * PG);
	CHECK(p[3 * PG - 1] == 7);
	EXPECT_OK(munmap(p, 3 * PG));
}

TEST(length_is_rounded_up)
{
	char *p = mmap(NULL, 1, RW, PA, -1, 0);

	REQUIRE(p != MAP_FAILED);
	p[PG - 1] = 1;
	CHECK(t_areas(p, p + PG, NULL) == 1);
	EXPECT_OK(munmap(p, 1));
	FAULT_EQ(READ_OF(p), SIGSEGV, SEGV_MAPERR, p);
}

TEST(errnos)
{
	int fd = t_file("f", PG), ro = open("f", O_RDONLY), wo = open("f", O_WRONLY);

	EXPECT_ERR(mmap(NULL, 0, RW, PA, -1, 0), EINVAL);
	EXPECT_ERR(mmap(NULL, PG, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
	EXPECT_ERR(mmap(NULL, PG, RW, MAP_PRIVATE, -1, 0), EBADF);
	EXPECT_ERR(mmap(NULL, PG, RW, MAP_PRIVATE, 9999, 0), EBADF);
	EXPECT_ERR(syscall(SYS_mmap, 0, PG, RW, MAP_PRIVATE, fd, 100L), EINVAL);
	EXPECT_ERR(mmap((void *)0x1001, PG, RW, PA | MAP_FIXED, -1, 0), EINVAL);
	EXPECT_ERR(mmap(NULL, -PG, RW, PA, -1, 0), ENOMEM);
	EXPECT_ERR(mmap(NULL, 1UL << 47, RW, PA, -1, 0), ENOMEM);
	EXPECT_ERR(mmap(NULL, ~0UL, RW, PA, -1, 0), ENOMEM);
	EXPECT_ERR(mmap(NULL, PG, RW, MAP_SHARED, ro, 0), EACCES);
	EXPECT_ERR(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
	EXPECT_ERR(mmap(NULL, PG, PROT_READ, MAP_SHARED, wo, 0), EACCES);
	EXPECT_ERR(mmap((void *)0xffff800000000000UL, PG, RW, PA | MAP_FIXED, -1, 0), ENOMEM);
	EXPECT_ERR(mmap((void *)((1UL << 56) - PG), 2 * PG, RW, PA | MAP_FIXED, -1, 0), ENOMEM);
	close(fd), close(ro), close(wo);
}

TEST(not_mappable_files)
{
	int dir = open(".", O_RDONLY), pipes[2];

	EXPECT_ERR(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, dir, 0), ENODEV);
	REQUIRE(pipe(pipes) == 0);
	EXPECT_ERR(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, pipes[0], 0), ENODEV);
	close(dir), close(pipes[0]), close(pipes[1]);
}

TEST(hint_is_taken_when_free)
{
	char *p = t_anon(4), *q;

	REQUIRE(p != MAP_FAILED);
	munmap(p, 4 * PG);
	q = mmap(p, PG, RW, PA, -1, 0);
	EXPECT_EQ(q, p);
	/* Taken: the hint must not replace what is there. */
	*q = 5;
	char *r = mmap(q, PG, RW, PA, -1, 0);
	CHECK(r != MAP_FAILED && r != q);
	EXPECT_EQ(*q, 5);
	munmap(q, PG), munmap(r, PG);
}

TEST(hint_is_rounded_down)
{
	char *p = t_anon(4), *q;

	munmap(p, 4 * PG);
	q = mmap(p + 100, PG, RW, PA, -1, 0);
	CHECK(((unsigned long)q & (PG - 1)) == 0);
	munmap(q, PG);
}

TEST(fixed_replaces)
{
	char *p = t_anon(5), *q;

	memset(p, 1, 5 * PG);
	q = mmap(p + 2 * PG, PG, RW, PA | MAP_FIXED, -1, 0);
	EXPECT_EQ(q, p + 2 * PG);
	EXPECT_EQ(p[2 * PG - 1], 1);
	EXPECT_EQ(p[2 * PG], 0);
	EXPECT_EQ(p[3 * PG], 1);
	munmap(p, 5 * PG);
}

TEST(fixed_noreplace)
{
	char *p = t_anon(3);

	EXPECT_ERR(mmap(p + PG, PG, RW, PA | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
	EXPECT_ERR(mmap(p - PG, 2 * PG, RW, PA | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
	munmap(p + PG, PG);
	EXPECT_EQ(mmap(p + PG, PG, RW, PA | MAP_FIXED_NOREPLACE, -1, 0), p + PG);
	munmap(p, 3 * PG);
}

TEST(null_page_is_never_given)
{
	char *p = mmap((void *)1, PG, RW, PA, -1, 0);

	CHECK(p != MAP_FAILED && (unsigned long)p >= 65536);
	munmap(p, PG);
	FAULT_EQ(READ_OF(0), SIGSEGV, SEGV_MAPERR, 0);
	FAULT_EQ(WRITE_OF(8), SIGSEGV, SEGV_MAPERR, 8);
}

static int as_nobody_map_low(void *arg)
{
	if (setgid(65534) || setuid(65534))
		return 77;
	EXPECT_ERR(mmap((void *)PG, PG, RW, PA | MAP_FIXED, -1, 0), EPERM);
	return 0;
}

TEST(mmap_min_addr)
{
	long min = t_proc("/proc/sys/vm/mmap_min_addr", "");

	if (geteuid() || min <= 4096)
		SKIP("needs root to drop, and a minimum address");
	CHILD_EXITS(as_nobody_map_low, NULL, 0);
}

TEST(prot_none_and_exec)
{
	unsigned char *p = t_map(1, PROT_NONE, PA);
	unsigned char *x = mmap(NULL, PG, RW, PA, -1, 0);

	FAULT_EQ(READ_OF(p), SIGSEGV, SEGV_ACCERR, p);
	FAULT_EQ(WRITE_OF(p), SIGSEGV, SEGV_ACCERR, p);
	x[0] = 0xc3;
	FAULT_EQ(EXEC_OF(x), SIGSEGV, SEGV_ACCERR, x);
	EXPECT_OK(mprotect(x, PG, PROT_READ | PROT_EXEC));
	NO_FAULT(EXEC_OF(x));
	FAULT_EQ(WRITE_OF(x), SIGSEGV, SEGV_ACCERR, x);
	munmap(p, PG), munmap(x, PG);
}

TEST(write_only_implies_read_on_x86)
{
	char *p = t_map(1, PROT_WRITE, PA);

	NO_FAULT(WRITE_OF(p));
	NO_FAULT(READ_OF(p));
	munmap(p, PG);
}

TEST(populate)
{
	unsigned char vec[8];
	char *p = mmap(NULL, 8 * PG, RW, PA | MAP_POPULATE, -1, 0);

	REQUIRE(p != MAP_FAILED);
	EXPECT_OK(mincore(p, 8 * PG, vec));
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(vec[i] & 1, 1);
	munmap(p, 8 * PG);
}

TEST(noreserve_stack_norserve_flags_are_taken)
{
	char *p = mmap(NULL, 1UL << 36, RW, PA | MAP_NORESERVE, -1, 0);

	CHECK(p != MAP_FAILED);
	p[1UL << 35] = 1;
	munmap(p, 1UL << 36);
	p = mmap(NULL, 4 * PG, RW, PA | MAP_STACK, -1, 0);
	CHECK(p != MAP_FAILED);
	munmap(p, 4 * PG);
	p = mmap(NULL, 4 * PG, RW, PA | MAP_DENYWRITE | MAP_EXECUTABLE, -1, 0);
	CHECK(p != MAP_FAILED);
	munmap(p, 4 * PG);
}

TEST(map_32bit)
{
	char *p = mmap(NULL, PG, RW, PA | MAP_32BIT, -1, 0);

	REQUIRE(p != MAP_FAILED);
	CHECK((unsigned long)p < 0x80000000UL);
	munmap(p, PG);
}

TEST(shared_validate)
{
	int fd = t_file("f", PG);
	char *p = mmap(NULL, PG, RW, MAP_SHARED_VALIDATE, fd, 0);

	CHECK(p != MAP_FAILED);
	munmap(p, PG);
	EXPECT_ERR(mmap(NULL, PG, RW, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0), EOPNOTSUPP);
	close(fd);
}

TEST(adjacent_areas_merge)
{
	char *p = t_anon(8);

	munmap(p, 8 * PG);
	EXPECT_EQ(mmap(p + 2 * PG, PG, RW, PA | MAP_FIXED, -1, 0), p + 2 * PG);
	EXPECT_EQ(mmap(p + 3 * PG, PG, RW, PA | MAP_FIXED, -1, 0), p + 3 * PG);
	EXPECT_EQ(mmap(p + 4 * PG, PG, RW, PA | MAP_FIXED, -1, 0), p + 4 * PG);
	EXPECT_EQ(t_areas(p + 2 * PG, p + 5 * PG, NULL), 1);
	munmap(p + 2 * PG, 3 * PG);
}

TEST(old_mapping_survives_fd_close)
{
	int fd = t_file("f", 2 * PG);
	char *p = mmap(NULL, 2 * PG, PROT_READ, MAP_PRIVATE, fd, 0);

	close(fd);
	unlink("f");
	EXPECT_EQ(p[0], 'a');
	EXPECT_EQ(p[PG], 'b');
	munmap(p, 2 * PG);
}

TEST(rlimit_as)
{
	struct rlimit old, lim;

	getrlimit(RLIMIT_AS, &old);
	lim = old;
	lim.rlim_cur = 64UL << 20;
	EXPECT_OK(setrlimit(RLIMIT_AS, &lim));
	EXPECT_ERR(mmap(NULL, 128UL << 20, RW, PA, -1, 0), ENOMEM);
	char *p = mmap(NULL, 1UL << 20, RW, PA, -1, 0);
	CHECK(p != MAP_FAILED);
	munmap(p, 1 << 20);
	setrlimit(RLIMIT_AS, &old);
}
