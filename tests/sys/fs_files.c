/* fs_files.c - open, read, write, seek, truncate, dup, fcntl: results and errnos. */
#include "t.h"
#include <sys/file.h>

TEST(open_flags)
{
	int fd;
	struct stat st;

	EXPECT_ERR(open("f", O_RDONLY), ENOENT);
	fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0640);
	REQUIRE(fd >= 0);
	EXPECT_OK(fstat(fd, &st));
	EXPECT_EQ(st.st_mode & 07777, 0640 & ~0022);
	EXPECT_ERR(open("f", O_RDWR | O_CREAT | O_EXCL, 0640), EEXIST);
	EXPECT_EQ(write(fd, "hello", 5), 5);
	close(fd);
	fd = open("f", O_RDONLY);
	EXPECT_ERR(write(fd, "x", 1), EBADF);
	close(fd);
	fd = open("f", O_WRONLY);
	char c;
	EXPECT_ERR(read(fd, &c, 1), EBADF);
	close(fd);
	fd = open("f", O_RDWR | O_TRUNC);
	fstat(fd, &st);
	EXPECT_EQ(st.st_size, 0);
	close(fd);
	EXPECT_ERR(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	EXPECT_ERR(open("f/x", O_RDONLY), ENOTDIR);
	EXPECT_ERR(open(".", O_WRONLY), EISDIR);
	EXPECT_ERR(open(".", O_RDWR | O_CREAT, 0600), EISDIR);
	EXPECT_ERR(open("", O_RDONLY), ENOENT);
	EXPECT_ERR(open((char *)8, O_RDONLY), EFAULT);
	EXPECT_ERR(open("new/", O_CREAT | O_RDWR, 0600), EISDIR);
}

TEST(lowest_descriptor)
{
	int a = open(".", O_RDONLY), b = open(".", O_RDONLY), c;

	close(a);
	c = open(".", O_RDONLY);
	EXPECT_EQ(c, a);
	close(b), close(c);
	EXPECT_ERR(close(c), EBADF);
	EXPECT_ERR(close(-1), EBADF);
	EXPECT_ERR(read(9999, &a, 1), EBADF);
}

TEST(append)
{
	int a = open("ap", O_WRONLY | O_CREAT | O_APPEND, 0600), b = open("ap", O_RDWR | O_APPEND);
	char buf[16] = { 0 };

	EXPECT_EQ(write(a, "one", 3), 3);
	EXPECT_EQ(write(b, "two", 3), 3);
	EXPECT_EQ(write(a, "three", 5), 5);
	EXPECT_EQ(pread(b, buf, 16, 0), 11);
	CHECK(!strcmp(buf, "onetwothree"));
	EXPECT_EQ(pwrite(b, "X", 1, 0), 1);	/* Linux appends here, too */
	EXPECT_EQ(lseek(b, 0, SEEK_END), 12);
	close(a), close(b);
}

TEST(seeking)
{
	int fd = t_file("s", 100), pipes[2];
	struct stat st;

	EXPECT_EQ(lseek(fd, 10, SEEK_SET), 10);
	EXPECT_EQ(lseek(fd, 5, SEEK_CUR), 15);
	EXPECT_EQ(lseek(fd, -1, SEEK_END), 99);
	EXPECT_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
	EXPECT_ERR(lseek(fd, 0, 77), EINVAL);
	EXPECT_EQ(lseek(fd, 5000, SEEK_SET), 5000);
	EXPECT_EQ(read(fd, &st, 1), 0);
	EXPECT_EQ(write(fd, "z", 1), 1);
	fstat(fd, &st);
	EXPECT_EQ(st.st_size, 5001);
	char c = 1;
	EXPECT_EQ(pread(fd, &c, 1, 3000), 1);
	EXPECT_EQ(c, 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_DATA), 0);
	CHECK(lseek(fd, 4500, SEEK_HOLE) == 5001);
	EXPECT_ERR(lseek(fd, 6000, SEEK_DATA), ENXIO);
	REQUIRE(pipe(pipes) == 0);
	EXPECT_ERR(lseek(pipes[0], 0, SEEK_CUR), ESPIPE);
	EXPECT_ERR(pread(pipes[0], &c, 1, 0), ESPIPE);
	EXPECT_ERR(pwrite(fd, "x", 1, -1), EINVAL);
	close(fd), close(pipes[0]), close(pipes[1]);
}

TEST(truncating)
{
	int fd = t_file("t", 3 * PG), ro = open("t", O_RDONLY);
	struct stat st;
	char c = 1;

	EXPECT_OK(ftruncate(fd, PG + 10));
	EXPECT_OK(ftruncate(fd, 2 * PG));
	EXPECT_EQ(pread(fd, &c, 1, PG + 9), 1);
	EXPECT_EQ(c, 'b');
	EXPECT_EQ(pread(fd, &c, 1, PG + 10), 1);
	EXPECT_EQ(c, 0);
	EXPECT_ERR(ftruncate(ro, 0), EINVAL);
	EXPECT_ERR(ftruncate(fd, -1), EINVAL);
	EXPECT_OK(truncate("t", 7));
	fstat(fd, &st);
	EXPECT_EQ(st.st_size, 7);
	EXPECT_ERR(truncate(".", 0), EISDIR);
	EXPECT_ERR(truncate("missing", 0), ENOENT);
	EXPECT_ERR(ftruncate(9999, 0), EBADF);
	close(fd), close(ro);
}

TEST(vectors)
{
	int fd = open("v", O_RDWR | O_CREAT, 0600);
	char a[4] = { 0 }, b[8] = { 0 };
	struct iovec w[3] = { { "ab", 2 }, { NULL, 0 }, { "cdef", 4 } }, r[2] = { { a, 3 }, { b, 7 } };

	EXPECT_EQ(writev(fd, w, 3), 6);
	EXPECT_EQ(preadv(fd, r, 2, 0), 6);
	CHECK(!strcmp(a, "abc") && !strcmp(b, "def"));
	EXPECT_EQ(pwritev(fd, w, 1, 10), 2);
	EXPECT_ERR(writev(fd, w, -1), EINVAL);
	EXPECT_ERR(writev(fd, w, 1025), EINVAL);
	EXPECT_EQ(writev(fd, w, 0), 0);
	EXPECT_ERR(readv(fd, (void *)8, 1), EFAULT);
	r[0].iov_len = -1;
	EXPECT_ERR(preadv(fd, r, 1, 0), EINVAL);
	close(fd);
}

TEST(partly_bad_buffers)
{
	int fd = t_file("p", 2 * PG);
	char *m = t_anon(2);

	munmap(m + PG, PG);
	EXPECT_EQ(pread(fd, m + PG - 10, 100, 0), 10);	/* what fits before the hole */
	EXPECT_ERR(pread(fd, m + PG, 100, 0), EFAULT);
	memset(m, 'q', PG);
	ssize_t n = pwrite(fd, m + PG - 10, 100, 0);
	CHECK(n == 10 || (n == -1 && errno == EFAULT));
	EXPECT_ERR(pwrite(fd, m + PG, 100, 0), EFAULT);
	munmap(m, PG), close(fd);
}

TEST(dups)
{
	int fd = t_file("d", 10), b = dup(fd), c;

	EXPECT_EQ(lseek(fd, 3, SEEK_SET), 3);
	EXPECT_EQ(lseek(b, 0, SEEK_CUR), 3);
	EXPECT_EQ(dup2(fd, 100), 100);
	EXPECT_EQ(dup2(fd, fd), fd);
	EXPECT_ERR(dup3(fd, fd, 0), EINVAL);
	EXPECT_EQ(dup3(fd, 101, O_CLOEXEC), 101);
	EXPECT_EQ(fcntl(101, F_GETFD), FD_CLOEXEC);
	EXPECT_ERR(dup3(fd, 102, 1), EINVAL);
	EXPECT_ERR(dup(9999), EBADF);
	EXPECT_ERR(dup2(9999, 5), EBADF);
	EXPECT_ERR(dup2(fd, -1), EBADF);
	EXPECT_ERR(dup2(fd, 1 << 29), EBADF);
	c = fcntl(fd, F_DUPFD, 200);
	EXPECT_EQ(c, 200);
	EXPECT_ERR(fcntl(fd, F_DUPFD, -1), EINVAL);
	close(fd), close(b), close(c), close(100), close(101);
}

TEST(fcntl_flags)
{
	int fd = t_file("fl", 10);

	EXPECT_EQ(fcntl(fd, F_GETFD), 0);
	EXPECT_OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	EXPECT_OK(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	EXPECT_EQ(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE), O_APPEND | O_NONBLOCK | O_RDWR);
	EXPECT_ERR(fcntl(fd, 9999), EINVAL);
	EXPECT_ERR(fcntl(9999, F_GETFD), EBADF);
	close(fd);
	fd = open("fl", O_PATH);
	EXPECT_ERR(read(fd, &fd, 1), EBADF);
	close(fd);
}

TEST(nofile_limit)
{
	struct rlimit old, lim;
	int fds[64], n = 0;

	getrlimit(RLIMIT_NOFILE, &old);
	lim = old, lim.rlim_cur = 20;
	setrlimit(RLIMIT_NOFILE, &lim);
	while (n < 64 && (fds[n] = open(".", O_RDONLY)) >= 0)
		n++;
	CHECK(n < 64 && errno == EMFILE && n > 0 && fds[n - 1] == 19);
	EXPECT_ERR(dup(0), EMFILE);
	EXPECT_ERR(dup2(0, 20), EBADF);
	while (n)
		close(fds[--n]);
	setrlimit(RLIMIT_NOFILE, &old);
}

TEST(fsize_limit)
{
	struct rlimit old, lim;
	int fd = open("lim", O_RDWR | O_CREAT, 0600);
	static char buf[3 * PG];

	getrlimit(RLIMIT_FSIZE, &old);
	lim = old, lim.rlim_cur = 2 * PG;
	setrlimit(RLIMIT_FSIZE, &lim);
	signal(SIGXFSZ, SIG_IGN);
	EXPECT_EQ(write(fd, buf, sizeof(buf)), 2 * PG);
	EXPECT_ERR(write(fd, buf, 1), EFBIG);
	EXPECT_ERR(ftruncate(fd, 3 * PG), EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	close(fd);
}

TEST(close_range_call)
{
	int a = dup2(0, 300), b = dup2(0, 301), c = dup2(0, 302);

	if (!t_limit(RLIMIT_NOFILE, 303))
		SKIP("no limit of 303 files");
	if (syscall(SYS_close_range, 300, 301, 0) && errno == ENOSYS)
		SKIP("no close_range");
	EXPECT_ERR(fcntl(300, F_GETFD), EBADF);
	EXPECT_OK(fcntl(302, F_GETFD));
	EXPECT_OK(syscall(SYS_close_range, 302, 310, 4));
	EXPECT_EQ(fcntl(302, F_GETFD), FD_CLOEXEC);
	EXPECT_ERR(syscall(SYS_close_range, 5, 4, 0), EINVAL);
	close(302);
}

TEST(record_locks)
{
	int fd = t_file("lk", 100), st;
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10 };
	pid_t me = getpid();

	EXPECT_OK(fcntl(fd, F_SETLK, &l));
	if (fork() == 0) {
		struct flock q = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 15, .l_len = 1 };
		int f2 = open("lk", O_RDWR);

		EXPECT_OK(fcntl(f2, F_GETLK, &q));
		CHECK(q.l_type == F_WRLCK && q.l_pid == me && q.l_start == 10 && q.l_len == 10);
		q = (struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 15, .l_len = 1 };
		CHECK(fcntl(f2, F_SETLK, &q) == -1 && (errno == EAGAIN || errno == EACCES));
		q.l_start = 20;
		EXPECT_OK(fcntl(f2, F_SETLK, &q));
		_exit(t_bad);
	}
	wait(&st);
	EXPECT_EQ(st, 0);
	l.l_type = F_UNLCK;
	EXPECT_OK(fcntl(fd, F_SETLK, &l));
	EXPECT_ERR(fcntl(fd, F_SETLK, (void *)8), EFAULT);
	close(fd);
}

TEST(flock_call)
{
	int a = t_file("fk", 1), b = open("fk", O_RDONLY);

	EXPECT_OK(flock(a, LOCK_EX));
	EXPECT_ERR(flock(b, LOCK_EX | LOCK_NB), EAGAIN);
	EXPECT_ERR(flock(b, LOCK_SH | LOCK_NB), EAGAIN);
	EXPECT_OK(flock(a, LOCK_SH));
	EXPECT_OK(flock(b, LOCK_SH | LOCK_NB));
	EXPECT_OK(flock(a, LOCK_UN));
	close(b);
	EXPECT_OK(flock(a, LOCK_EX | LOCK_NB));
	EXPECT_ERR(flock(a, 16), EINVAL);
	close(a);
}

TEST(big_file_io)
{
	int fd = open("big", O_RDWR | O_CREAT, 0600), bad = 0;
	static unsigned buf[65536];

	for (int k = 0; k < 8; k++) {
		for (unsigned i = 0; i < 65536; i++)
			buf[i] = k * 65536 + i;
		EXPECT_EQ(write(fd, buf, sizeof(buf)), sizeof(buf));
	}
	for (int k = 7; k >= 0; k--) {
		EXPECT_EQ(pread(fd, buf, sizeof(buf), k * sizeof(buf)), sizeof(buf));
		for (unsigned i = 0; i < 65536; i += 97)
			bad += buf[i] != k * 65536 + i;
	}
	EXPECT_EQ(bad, 0);
	close(fd);
}

TEST(sync_calls)
{
	int fd = t_file("sy", 10);

	EXPECT_OK(fsync(fd));
	EXPECT_OK(fdatasync(fd));
	EXPECT_ERR(fsync(9999), EBADF);
	EXPECT_OK(syscall(SYS_fadvise64, fd, 0, 0, POSIX_FADV_SEQUENTIAL));
	EXPECT_ERR(syscall(SYS_fadvise64, fd, 0, 0, 99), EINVAL);
	close(fd);
}
