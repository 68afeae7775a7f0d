/* mm_mincore.c - mincore and msync: residency, flags and errnos. */
#include "t.h"

TEST(untouched_and_touched)
{
	unsigned char vec[4] = { 9, 9, 9, 9 };
	char *p = t_anon(4);

	p[PG] = 1;
	EXPECT_OK(mincore(p, 4 * PG, vec));
	EXPECT_EQ(vec[0] & 1, 0);
	EXPECT_EQ(vec[1] & 1, 1);
	EXPECT_EQ(vec[2] & 1, 0);
	munmap(p, 4 * PG);
}

TEST(file_in_cache)
{
	int fd = t_file("f", 4 * PG);
	char *p = mmap(NULL, 4 * PG, PROT_READ, MAP_SHARED, fd, 0);
	unsigned char vec[4] = { 0 };

	EXPECT_EQ(p[0], 'a');
	EXPECT_OK(mincore(p, 4 * PG, vec));
	EXPECT_EQ(vec[0] & 1, 1);
	munmap(p, 4 * PG), close(fd);
}

TEST(mincore_errnos)
{
	unsigned char vec[4];
	char *p = t_anon(4);

	EXPECT_ERR(mincore(p + 1, PG, vec), EINVAL);
	EXPECT_ERR(mincore(p, 4 * PG, (void *)1), EFAULT);
	EXPECT_OK(mincore(p, 0, vec));
	munmap(p + PG, PG);
	EXPECT_ERR(mincore(p, 4 * PG, vec), ENOMEM);
	EXPECT_ERR(mincore(p + PG, PG, vec), ENOMEM);
	EXPECT_ERR(mincore((void *)0xffff800000000000UL, PG, vec), ENOMEM);
	munmap(p, 4 * PG);
}

TEST(msync_writes_through)
{
	int fd = t_file("f", 2 * PG);
	char *p = mmap(NULL, 2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), c = 0;

	p[PG + 7] = '!';
	EXPECT_OK(msync(p, 2 * PG, MS_SYNC));
	EXPECT_EQ(pread(fd, &c, 1, PG + 7), 1);
	EXPECT_EQ(c, '!');
	EXPECT_OK(msync(p, 2 * PG, MS_ASYNC));
	EXPECT_OK(msync(p, 2 * PG, MS_SYNC | MS_INVALIDATE));
	munmap(p, 2 * PG), close(fd);
}

TEST(msync_errnos)
{
	char *p = t_anon(4);

	EXPECT_ERR(msync(p + 1, PG, MS_SYNC), EINVAL);
	EXPECT_ERR(msync(p, PG, MS_SYNC | MS_ASYNC), EINVAL);
	EXPECT_ERR(msync(p, PG, 0x100), EINVAL);
	EXPECT_OK(msync(p, 0, MS_SYNC));
	EXPECT_OK(msync(p, 4 * PG, MS_SYNC));
	EXPECT_ERR(msync(p, ~0UL - 2 * PG, MS_SYNC), ENOMEM);
	munmap(p + PG, PG);
	EXPECT_ERR(msync(p, 4 * PG, MS_SYNC), ENOMEM);
	munmap(p, 4 * PG);
}
