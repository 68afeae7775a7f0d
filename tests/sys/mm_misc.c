/* mm_misc.c - the calls around the mmap family that are seldom used: they work, or say so with the right errno. */
#include "t.h"
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

TEST(remap_pages)
{
	int fd = t_file("f", 4 * PG);
	char *p = mmap(NULL, 4 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	REQUIRE(p != MAP_FAILED);
	if (syscall(SYS_remap_file_pages, p, PG, 0, 3, 0)) {
		EXPECT_EQ(errno, ENOSYS);
		munmap(p, 4 * PG), close(fd);
		SKIP("no remap_file_pages");
	}
	EXPECT_EQ(p[0], 'd');
	EXPECT_EQ(p[PG], 'b');
	EXPECT_ERR(syscall(SYS_remap_file_pages, p, PG, PROT_READ, 0, 0), EINVAL);
	munmap(p, 4 * PG), close(fd);
	p = t_anon(1);
	EXPECT_ERR(syscall(SYS_remap_file_pages, p, PG, 0, 0, 0), EINVAL);
	munmap(p, PG);
}

TEST(madvise_by_pidfd)
{
	char *p = t_anon(4);
	struct iovec v = { p, 4 * PG };
	int fd = syscall(SYS_pidfd_open, getpid(), 0);
	long r;

	memset(p, 1, 4 * PG);
	if (fd < 0)
		SKIP("no pidfd_open");
	r = syscall(SYS_process_madvise, fd, &v, 1, MADV_COLD, 0);
	if (r < 0) {
		EXPECT_EQ(errno, ENOSYS);
		close(fd);
		SKIP("no process_madvise");
	}
	EXPECT_EQ(r, 4 * PG);
	EXPECT_EQ(p[PG], 1);
	EXPECT_ERR(syscall(SYS_process_madvise, fd, &v, 1, MADV_COLD, 1), EINVAL);
	EXPECT_ERR(syscall(SYS_process_madvise, 9999, &v, 1, MADV_COLD, 0), EBADF);
	close(fd), munmap(p, 4 * PG);
}

TEST(pkeys_or_errno)
{
	int k = syscall(SYS_pkey_alloc, 0, 0);
	char *p = t_anon(1);

	if (k < 0) {
		CHECK(errno == ENOSYS || errno == ENOSPC || errno == EINVAL);
	} else {
		EXPECT_OK(syscall(SYS_pkey_mprotect, p, PG, PROT_READ | PROT_WRITE, k));
		EXPECT_OK(syscall(SYS_pkey_free, k));
	}
	EXPECT_ERR(syscall(SYS_pkey_mprotect, p + 1, PG, PROT_READ, -1), EINVAL);
	munmap(p, PG);
}

TEST(huge_pages_or_errno)
{
	char *p = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED)
		CHECK(errno == ENOMEM || errno == EINVAL || errno == ENODEV || errno == ENOSYS);
	else
		munmap(p, 2 << 20);
}

TEST(userfaultfd_or_errno)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | 1);

	if (fd < 0)
		CHECK(errno == ENOSYS || errno == EPERM || errno == EINVAL);
	else
		close(fd);
}

TEST(overcommit)
{
	/* Far more than the machine has, at once, is refused by the heuristic; without reserve it is not. */
	struct { unsigned long total; } m = { t_proc("/proc/meminfo", "MemTotal") * 1024UL };
	size_t much = m.total * 4 + (64UL << 30);
	void *p = mmap(NULL, much, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (t_proc("/proc/sys/vm/overcommit_memory", "") == 0) {
		CHECK(p == MAP_FAILED && errno == ENOMEM);
		p = mmap(NULL, much, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		CHECK(p != MAP_FAILED);
	}
	if (p != MAP_FAILED)
		munmap(p, much);
}

TEST(max_map_count)
{
	long max = t_proc("/proc/sys/vm/max_map_count", ""), n = 0;
	size_t pages = 140000;
	char *p;

	if (max <= 0 || max > 66000)
		SKIP("no limit to reach");
	p = t_map(pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	for (size_t i = 0; i < pages; i += 2, n++)
		if (mprotect(p + i * PG, PG, PROT_READ))
			break;
	CHECK(n * 2 > max - 2000 && n * 2 <= max + 10);
	EXPECT_EQ(errno, ENOMEM);
	EXPECT_OK(munmap(p, pages * PG));
}

TEST(brk_and_mmap_do_not_overlap_stack)
{
	char *sp = __builtin_frame_address(0), *p = t_anon(1), *b = sbrk(0);

	CHECK(b < p || b > p + PG);
	CHECK(p < sp);
	munmap(p, PG);
}
