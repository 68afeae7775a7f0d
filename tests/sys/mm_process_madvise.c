/* mm_process_madvise.c - advice about the memory of another process: what is allowed, to whom, and how far it got. */
#include "t.h"
#include <sys/prctl.h>

#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif

static long advise(int fd, const struct iovec *v, size_t n, int advice, unsigned flags)
{
	return syscall(SYS_process_madvise, fd, v, n, advice, flags);
}

static int pidfd(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

/* A child that holds the memory until it is told to look at it; its exit status says whether the bytes were still there. */
static pid_t holder(char *p, size_t n, int go[2])
{
	pid_t pid;
	char c;

	if (pipe(go))
		return -1;
	pid = fork();
	if (pid)
		return pid;
	close(go[1]);
	memset(p, 7, n);
	if (read(go[0], &c, 1) != 1)
		_exit(2);
	for (size_t i = 0; i < n; i++)
		if (p[i] != 7)
			_exit(1);
	_exit(0);
}

static int ended(pid_t pid, int go[2])
{
	int status = -1;

	if (write(go[1], "x", 1) != 1)
		return -1;
	waitpid(pid, &status, 0);
	close(go[0]), close(go[1]);
	return status;
}

TEST(others_memory_stays_whole)
{
	char *p = t_anon(8);
	struct iovec v[2] = { { p, 2 * PG }, { p + 4 * PG, 3 * PG } };
	int go[2], fd;
	pid_t pid;

	if (geteuid())
		SKIP("needs root");
	pid = holder(p, 8 * PG, go);
	REQUIRE(pid > 0);
	fd = pidfd(pid);
	EXPECT_EQ(advise(fd, v, 2, MADV_COLD, 0), 5 * PG);
	EXPECT_EQ(advise(fd, v, 2, MADV_PAGEOUT, 0), 5 * PG);
	EXPECT_EQ(advise(fd, v, 2, MADV_WILLNEED, 0), 5 * PG);
	EXPECT_EQ(advise(fd, v, 0, MADV_COLD, 0), 0);
	EXPECT_EQ(ended(pid, go), 0);
	close(fd), munmap(p, 8 * PG);
}

TEST(stops_at_the_first_bad_range)
{
	char *p = t_anon(8);
	struct iovec v[3] = { { p, PG }, { p + 2 * PG, PG }, { p + 4 * PG, PG } };
	int go[2], fd;
	pid_t pid;

	if (geteuid())
		SKIP("needs root");
	munmap(p + 2 * PG, PG);
	pid = holder(p, PG, go);
	REQUIRE(pid > 0);
	fd = pidfd(pid);
	EXPECT_EQ(advise(fd, v, 3, MADV_COLD, 0), PG);
	EXPECT_ERR(advise(fd, v + 1, 2, MADV_COLD, 0), ENOMEM);
	v[0].iov_base = p + 1;
	EXPECT_ERR(advise(fd, v, 1, MADV_COLD, 0), EINVAL);
	EXPECT_EQ(ended(pid, go), 0);
	close(fd), munmap(p, 8 * PG);
}

TEST(errnos)
{
	char *p = t_anon(2);
	struct iovec v = { p, PG }, many[2] = { { p, PG }, { p, PG } };
	int go[2], fd;
	pid_t pid = holder(p, PG, go);

	REQUIRE(pid > 0);
	fd = pidfd(pid);
	EXPECT_ERR(advise(fd, &v, 1, MADV_COLD, 1), EINVAL);
	EXPECT_ERR(advise(fd, &v, 1, MADV_DONTNEED, 0), EINVAL);
	EXPECT_ERR(advise(fd, &v, 1, MADV_REMOVE, 0), EINVAL);
	EXPECT_ERR(advise(fd, &v, 1, 12345, 0), EINVAL);
	EXPECT_ERR(advise(fd, many, IOV_MAX + 1, MADV_COLD, 0), EINVAL);
	EXPECT_ERR(advise(fd, (void *)8, 1, MADV_COLD, 0), EFAULT);
	EXPECT_ERR(advise(-1, &v, 1, MADV_COLD, 0), EBADF);
	EXPECT_ERR(advise(go[1], &v, 1, MADV_COLD, 0), EBADF);
	EXPECT_EQ(ended(pid, go), 0);
	EXPECT_ERR(advise(fd, &v, 1, MADV_COLD, 0), ESRCH);
	close(fd), munmap(p, 2 * PG);
}

/* Without CAP_SYS_NICE nobody may; without the right to look, not even with it. */
TEST(permission)
{
	char *p = t_anon(2);
	struct iovec v = { p, PG };
	int go[2], fd, status;
	pid_t pid, other;

	if (geteuid())
		SKIP("needs root");
	pid = holder(p, PG, go);
	REQUIRE(pid > 0);
	fd = pidfd(pid);
	other = fork();
	if (!other) {
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(3);
		_exit(advise(fd, &v, 1, MADV_COLD, 0) == -1 && errno == EACCES ? 0 : 1);
	}
	waitpid(other, &status, 0);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(ended(pid, go), 0);
	/* Its own kind, but without the capability. */
	other = fork();
	if (!other) {
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000) || prctl(PR_SET_DUMPABLE, 1))
			_exit(3);
		pid = holder(p, PG, go);
		close(fd);
		fd = pidfd(pid);
		status = advise(fd, &v, 1, MADV_COLD, 0) == -1 && errno == EPERM ? 0 : 1;
		_exit(ended(pid, go) == 0 ? status : 4);
	}
	waitpid(other, &status, 0);
	EXPECT_EQ(status, 0);
	close(fd), munmap(p, 2 * PG);
}
