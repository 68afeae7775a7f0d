/* mm_filemap.c - private file mappings, truncation under a mapping, exec-only areas, offsets. */
#include "t.h"

#define RW (PROT_READ | PROT_WRITE)

TEST(private_does_not_reach_the_file)
{
	int fd = t_file("f", 2 * PG);
	char *p = mmap(NULL, 2 * PG, RW, MAP_PRIVATE, fd, 0), c;

	EXPECT_EQ(p[PG], 'b');
	p[PG] = '!';
	EXPECT_EQ(pread(fd, &c, 1, PG), 1);
	EXPECT_EQ(c, 'b');
	munmap(p, 2 * PG), close(fd);
}

TEST(offsets)
{
	int fd = t_file("f", 26 * PG);
	char *p = mmap(NULL, 5 * PG, PROT_READ, MAP_PRIVATE, fd, 10 * PG);

	for (int i = 0; i < 5; i++)
		EXPECT_EQ(p[i * PG + 17], 'k' + i);
	munmap(p, 5 * PG), close(fd);
}

TEST(beyond_end_is_sigbus)
{
	int fd = t_file("f", PG + 10);
	char *p = mmap(NULL, 4 * PG, RW, MAP_PRIVATE, fd, 0);
	char *s = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);

	NO_FAULT(READ_OF(p + PG + 500));
	FAULT_EQ(READ_OF(p + 2 * PG + 1), SIGBUS, BUS_ADRERR, p + 2 * PG + 1);
	FAULT_EQ(WRITE_OF(p + 3 * PG), SIGBUS, BUS_ADRERR, p + 3 * PG);
	FAULT_EQ(READ_OF(s + 2 * PG), SIGBUS, BUS_ADRERR, s + 2 * PG);
	FAULT_EQ(WRITE_OF(s + 2 * PG + 9), SIGBUS, BUS_ADRERR, s + 2 * PG + 9);
	munmap(p, 4 * PG), munmap(s, 4 * PG), close(fd);
}

TEST(truncate_under_mapping)
{
	int fd = t_file("f", 4 * PG);
	char *p = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);
	char *v = mmap(NULL, 4 * PG, RW, MAP_PRIVATE, fd, 0);

	EXPECT_EQ(p[3 * PG], 'd');
	v[3 * PG] = 'v';
	EXPECT_OK(ftruncate(fd, PG + 50));
	FAULT_EQ(READ_OF(p + 3 * PG), SIGBUS, BUS_ADRERR, p + 3 * PG);
	FAULT_EQ(READ_OF(v + 3 * PG), SIGBUS, BUS_ADRERR, v + 3 * PG);
	EXPECT_EQ(p[PG + 49], 'b');
	EXPECT_EQ(p[PG + 50], 0);
	EXPECT_OK(ftruncate(fd, 4 * PG));
	EXPECT_EQ(p[3 * PG], 0);
	EXPECT_EQ(p[PG + 60], 0);
	munmap(p, 4 * PG), munmap(v, 4 * PG), close(fd);
}

TEST(extend_makes_mapped_pages_real)
{
	int fd = t_file("f", PG);
	char *p = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0), c = 1;

	FAULT_EQ(READ_OF(p + 2 * PG), SIGBUS, BUS_ADRERR, p + 2 * PG);
	EXPECT_EQ(pwrite(fd, "x", 1, 3 * PG), 1);
	EXPECT_EQ(p[2 * PG], 0);
	EXPECT_EQ(p[3 * PG], 'x');
	munmap(p, 4 * PG), close(fd);
}

TEST(syscalls_on_pages_beyond_end)
{
	int fd = t_file("f", PG), pipes[2];
	char *p = mmap(NULL, 2 * PG, RW, MAP_SHARED, fd, 0);

	REQUIRE(pipe(pipes) == 0);
	EXPECT_ERR(write(pipes[1], p + PG, 10), EFAULT);
	EXPECT_EQ(write(pipes[1], p + PG - 4, 10) > 0 || errno == EFAULT, 1);
	close(pipes[0]), close(pipes[1]), munmap(p, 2 * PG), close(fd);
}

TEST(map_own_program)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	unsigned char *p;

	REQUIRE(fd >= 0);
	p = mmap(NULL, PG, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	REQUIRE(p != MAP_FAILED);
	CHECK(!memcmp(p, "\177ELF", 4));
	munmap(p, PG), close(fd);
}

TEST(maps_names_the_file)
{
	int fd = t_file("named-file", 2 * PG);
	char *p = mmap(NULL, 2 * PG, PROT_READ, MAP_SHARED, fd, 0), *text, want[64];

	text = t_get("/proc/self/maps");
	snprintf(want, sizeof(want), "%lx-%lx r--s 00000000 ", (long)p, (long)(p + 2 * PG));
	char *line = text ? strstr(text, want) : NULL;
	CHECK(line);
	CHECK(line && strstr(line, "/named-file\n"));
	munmap(p, 2 * PG), close(fd);
}

TEST(read_into_own_mapping)
{
	int fd = t_file("f", 2 * PG);
	char *p = mmap(NULL, 2 * PG, RW, MAP_SHARED, fd, 0);

	EXPECT_EQ(pread(fd, p, PG, PG), PG);	/* page 1 copied over page 0 through the file itself */
	EXPECT_EQ(p[0], 'b');
	EXPECT_EQ(pwrite(fd, p, PG, PG), PG);
	munmap(p, 2 * PG), close(fd);
}

TEST(fault_around_big_file)
{
	int fd = t_file("f", 300 * PG), bad = 0;
	char *p = mmap(NULL, 300 * PG, PROT_READ, MAP_PRIVATE, fd, 0);

	for (int i = 299; i >= 0; i -= 7)
		bad += p[i * PG] != 'a' + i % 26;
	for (int i = 0; i < 300; i++)
		bad += p[i * PG + PG - 1] != 'a' + i % 26;
	EXPECT_EQ(bad, 0);
	munmap(p, 300 * PG), close(fd);
}

TEST(text_file_busy)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	REQUIRE(n > 0);
	path[n] = 0;
	EXPECT_ERR(open(path, O_WRONLY), ETXTBSY);
}
