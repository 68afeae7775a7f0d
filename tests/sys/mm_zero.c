/* mm_zero.c - demand zero: every new page reads 0, the shared zero page is never written. */
#include "t.h"

TEST(reads_then_writes)
{
	char *p = t_anon(64);
	long rss0 = t_proc("/proc/self/statm", "");

	for (int i = 0; i < 64; i++)
		EXPECT_EQ(((volatile char *)p)[i * PG], 0);
	for (int i = 0; i < 64; i++)
		p[i * PG + i] = i + 1;
	for (int i = 0; i < 64; i++) {
		EXPECT_EQ(p[i * PG + i], i + 1);
		EXPECT_EQ(p[i * PG + PG - 1], i == (int)PG - 1 ? i + 1 : 0);
	}
	munmap(p, 64 * PG);
}

TEST(two_areas_do_not_share)
{
	char *p = t_anon(1), *q = t_anon(1);

	CHECK(*(volatile char *)p == 0 && *(volatile char *)q == 0);
	*p = 1;
	EXPECT_EQ(*(volatile char *)q, 0);
	munmap(p, PG), munmap(q, PG);
}

TEST(kernel_write_breaks_the_zero_page)
{
	char *p = t_anon(1), *q = t_anon(1);
	int pipes[2];

	CHECK(*(volatile char *)p == 0 && *(volatile char *)q == 0);
	REQUIRE(pipe(pipes) == 0);
	EXPECT_EQ(write(pipes[1], "x", 1), 1);
	EXPECT_EQ(read(pipes[0], p, 1), 1);
	EXPECT_EQ(*p, 'x');
	EXPECT_EQ(*q, 0);
	close(pipes[0]), close(pipes[1]);
	munmap(p, PG), munmap(q, PG);
}

TEST(freed_memory_does_not_leak_through)
{
	for (int round = 0; round < 4; round++) {
		unsigned long *p = (void *)t_anon(256);

		for (unsigned i = 0; i < 256 * PG / 8; i += 8)
			if (p[i])
				REQUIRE(!"fresh page not zero");
		memset(p, 0xa5, 256 * PG);
		munmap(p, 256 * PG);
	}
}

TEST(dev_zero)
{
	int fd = open("/dev/zero", O_RDWR);
	char buf[100];

	REQUIRE(fd >= 0);
	memset(buf, 1, sizeof(buf));
	EXPECT_EQ(read(fd, buf, sizeof(buf)), sizeof(buf));
	for (unsigned i = 0; i < sizeof(buf); i++)
		EXPECT_EQ(buf[i], 0);
	char *p = mmap(NULL, 2 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	REQUIRE(p != MAP_FAILED);
	EXPECT_EQ(p[PG], 0);
	p[PG] = 1;
	munmap(p, 2 * PG);
	p = mmap(NULL, 2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(p != MAP_FAILED);
	p[0] = 5;
	if (fork() == 0) {
		p[0]++;
		_exit(0);
	}
	wait(NULL);
	EXPECT_EQ(p[0], 6);
	munmap(p, 2 * PG), close(fd);
}

TEST(sparse_huge_area)
{
	size_t gib = 1UL << 30;
	char *p = mmap(NULL, 16 * gib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	REQUIRE(p != MAP_FAILED);
	for (size_t i = 0; i < 16; i++)
		p[i * gib + i * PG] = i + 1;
	for (size_t i = 0; i < 16; i++)
		EXPECT_EQ(p[i * gib + i * PG], i + 1);
	munmap(p, 16 * gib);
}

TEST(bss_tail_is_zero)
{
	static char bss[5 * PG];

	for (unsigned i = 0; i < sizeof(bss); i++)
		if (bss[i])
			REQUIRE(!"bss not zero");
}
