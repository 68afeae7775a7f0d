/* mm_memfd.c - memfd_create: size, seals, mapping, /proc name. */
#include "t.h"

TEST(basic)
{
	int fd = memfd_create("hello", MFD_CLOEXEC);
	struct stat st;

	REQUIRE(fd >= 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_OK(fstat(fd, &st));
	EXPECT_EQ(st.st_size, 0);
	CHECK(S_ISREG(st.st_mode));
	EXPECT_EQ(write(fd, "abc", 3), 3);
	EXPECT_OK(ftruncate(fd, 3 * PG));
	char *p = mmap(NULL, 3 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(p != MAP_FAILED);
	EXPECT_EQ(p[1], 'b');
	EXPECT_EQ(p[2 * PG], 0);
	munmap(p, 3 * PG), close(fd);
}

TEST(link_name)
{
	int fd = memfd_create("my name", 0);
	char path[64], buf[100];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, buf, sizeof(buf) - 1);
	REQUIRE(n > 0);
	buf[n] = 0;
	CHECK(!strcmp(buf, "/memfd:my name (deleted)"));
	close(fd);
}

TEST(errnos)
{
	char big[300];

	memset(big, 'x', sizeof(big));
	big[299] = 0;
	EXPECT_ERR(memfd_create(big, 0), EINVAL);
	EXPECT_ERR(memfd_create("x", 0x40000000), EINVAL);
	EXPECT_ERR(memfd_create((char *)1, 0), EFAULT);
}

TEST(seals)
{
	int fd = memfd_create("s", MFD_ALLOW_SEALING);
	char *p;

	EXPECT_OK(ftruncate(fd, 2 * PG));
	EXPECT_EQ(fcntl(fd, F_GET_SEALS), 0);
	EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	EXPECT_ERR(ftruncate(fd, PG), EPERM);
	EXPECT_OK(ftruncate(fd, 3 * PG));
	EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	EXPECT_ERR(ftruncate(fd, 4 * PG), EPERM);
	p = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	EXPECT_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	munmap(p, PG);
	EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_ERR(write(fd, "x", 1), EPERM);
	EXPECT_ERR(mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
	EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	EXPECT_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	close(fd);
	fd = memfd_create("n", 0);
	EXPECT_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	EXPECT_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	close(fd);
}

TEST(shared_over_fork_and_reopen)
{
	int fd = memfd_create("r", 0), fd2;
	char path[64];

	EXPECT_OK(ftruncate(fd, PG));
	char *p = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd2 = open(path, O_RDWR);
	CHECK(fd2 >= 0);
	if (fork() == 0) {
		p[3] = 3;
		_exit(pwrite(fd2, "\4", 1, 4) != 1);
	}
	wait(NULL);
	EXPECT_EQ(p[3], 3);
	EXPECT_EQ(p[4], 4);
	munmap(p, PG), close(fd), close(fd2);
}

TEST(sparse)
{
	int fd = memfd_create("sp", 0);
	struct stat st;
	char c = 1;

	EXPECT_OK(ftruncate(fd, 1L << 30));
	EXPECT_EQ(pread(fd, &c, 1, 1 << 29), 1);
	EXPECT_EQ(c, 0);
	EXPECT_EQ(pwrite(fd, "z", 1, 1 << 28), 1);
	EXPECT_OK(fstat(fd, &st));
	EXPECT_EQ(st.st_size, 1L << 30);
	CHECK(st.st_blocks >= 8 && st.st_blocks < 8192);
	close(fd);
}
