/* mm_shared.c - MAP_SHARED: anonymous between relatives, files between mappings and read/write. */
#include "t.h"

#define RW (PROT_READ | PROT_WRITE)

TEST(anonymous_after_fork)
{
	int *p = t_map(4, RW, MAP_SHARED | MAP_ANONYMOUS), st;

	REQUIRE(p != MAP_FAILED);
	EXPECT_EQ(p[0], 0);
	if (fork() == 0) {
		p[0] = 77;
		p[3 * PG / 4] = 78;	/* not touched before the fork */
		_exit(0);
	}
	wait(&st);
	EXPECT_EQ(p[0], 77);
	EXPECT_EQ(p[3 * PG / 4], 78);
	munmap(p, 4 * PG);
}

TEST(ping_pong)
{
	volatile int *p = t_map(1, RW, MAP_SHARED | MAP_ANONYMOUS);
	int st;

	if (fork() == 0) {
		for (int i = 0; i < 50; i++) {
			while (p[0] != 2 * i + 1)
				sched_yield();
			p[0] = 2 * i + 2;
		}
		_exit(0);
	}
	for (int i = 0; i < 50; i++) {
		p[0] = 2 * i + 1;
		while (p[0] != 2 * i + 2)
			sched_yield();
	}
	wait(&st);
	EXPECT_EQ(p[0], 100);
	munmap((void *)p, PG);
}

TEST(file_mapping_and_io_agree)
{
	int fd = t_file("f", 4 * PG);
	char *p = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0), buf[8];

	REQUIRE(p != MAP_FAILED);
	p[PG] = 'X';
	EXPECT_EQ(pread(fd, buf, 1, PG), 1);
	EXPECT_EQ(buf[0], 'X');
	EXPECT_EQ(pwrite(fd, "YY", 2, 2 * PG - 1), 2);
	EXPECT_EQ(p[2 * PG - 1], 'Y');
	EXPECT_EQ(p[2 * PG], 'Y');
	munmap(p, 4 * PG), close(fd);
}

TEST(two_mappings_of_one_file)
{
	int fd = t_file("f", 2 * PG);
	char *p = mmap(NULL, 2 * PG, RW, MAP_SHARED, fd, 0);
	char *q = mmap(NULL, PG, RW, MAP_SHARED, fd, PG);

	CHECK(p != q);
	p[PG + 3] = 'p';
	EXPECT_EQ(q[3], 'p');
	q[4] = 'q';
	EXPECT_EQ(p[PG + 4], 'q');
	munmap(p, 2 * PG), munmap(q, PG), close(fd);
}

TEST(contents_live_after_unmap)
{
	int fd = t_file("f", PG);
	char *p = mmap(NULL, PG, RW, MAP_SHARED, fd, 0), c;

	p[100] = '#';
	munmap(p, PG);
	close(fd);
	fd = open("f", O_RDONLY);
	EXPECT_EQ(pread(fd, &c, 1, 100), 1);
	EXPECT_EQ(c, '#');
	close(fd);
}

TEST(private_sees_shared_until_written)
{
	int fd = t_file("f", PG);
	char *s = mmap(NULL, PG, RW, MAP_SHARED, fd, 0);
	char *v = mmap(NULL, PG, RW, MAP_PRIVATE, fd, 0);

	EXPECT_EQ(v[0], 'a');
	s[0] = 'S';
	EXPECT_EQ(v[0], 'S');
	v[1] = 'V';
	s[2] = 'T';
	EXPECT_EQ(v[2], 'a');
	EXPECT_EQ(s[1], 'a');
	munmap(s, PG), munmap(v, PG), close(fd);
}

TEST(tail_of_last_page_is_zero_and_not_written)
{
	int fd = t_file("f", 100);
	char *p = mmap(NULL, PG, RW, MAP_SHARED, fd, 0);
	struct stat st;

	EXPECT_EQ(p[99], 'a');
	EXPECT_EQ(p[100], 0);
	EXPECT_EQ(p[PG - 1], 0);
	p[200] = 'x';
	EXPECT_OK(msync(p, PG, MS_SYNC));
	fstat(fd, &st);
	EXPECT_EQ(st.st_size, 100);
	munmap(p, PG), close(fd);
}

TEST(shared_anon_survives_parent_unmap)
{
	char *p = t_map(2, RW, MAP_SHARED | MAP_ANONYMOUS);
	int go[2], st;
	char c;

	p[0] = 5;
	REQUIRE(pipe(go) == 0);
	if (fork() == 0) {
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		_exit(p[0] == 5 ? 0 : 1);
	}
	munmap(p, 2 * PG);
	EXPECT_EQ(write(go[1], "x", 1), 1);
	wait(&st);
	EXPECT_EQ(st, 0);
	close(go[0]), close(go[1]);
}

TEST(write_to_clean_shared_page_is_seen_after_read_fault)
{
	int fd = t_file("f", 2 * PG);
	char *p = mmap(NULL, 2 * PG, RW, MAP_SHARED, fd, 0), c;

	EXPECT_EQ(((volatile char *)p)[0], 'a');	/* mapped for reading first */
	p[0] = 'W';
	EXPECT_EQ(pread(fd, &c, 1, 0), 1);
	EXPECT_EQ(c, 'W');
	munmap(p, 2 * PG), close(fd);
}

TEST(dev_shm)
{
	int fd = open("/dev/shm/quire-t-shm", O_RDWR | O_CREAT | O_EXCL, 0600), fd2;

	if (fd < 0)
		SKIP("no /dev/shm");
	EXPECT_OK(ftruncate(fd, 2 * PG));
	fd2 = open("/dev/shm/quire-t-shm", O_RDWR);
	char *p = mmap(NULL, 2 * PG, RW, MAP_SHARED, fd, 0), *q = mmap(NULL, 2 * PG, RW, MAP_SHARED, fd2, 0);
	p[PG] = 9;
	EXPECT_EQ(q[PG], 9);
	EXPECT_OK(unlink("/dev/shm/quire-t-shm"));
	q[0] = 3;
	EXPECT_EQ(p[0], 3);
	munmap(p, 2 * PG), munmap(q, 2 * PG), close(fd), close(fd2);
}
