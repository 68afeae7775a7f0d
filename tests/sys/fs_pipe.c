/* fs_pipe.c - pipes and FIFOs: blocking, atomic writes, SIGPIPE, sizes, splice-like calls. */
#include "t.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>

TEST(order_and_end)
{
	int p[2];
	char buf[10];

	REQUIRE(pipe(p) == 0);
	EXPECT_EQ(write(p[1], "abc", 3), 3);
	EXPECT_EQ(write(p[1], "def", 3), 3);
	EXPECT_EQ(read(p[0], buf, 4), 4);
	CHECK(!memcmp(buf, "abcd", 4));
	int n = 0;
	EXPECT_OK(ioctl(p[0], FIONREAD, &n));
	EXPECT_EQ(n, 2);
	close(p[1]);
	EXPECT_EQ(read(p[0], buf, 10), 2);
	EXPECT_EQ(read(p[0], buf, 10), 0);
	close(p[0]);
}

TEST(broken_pipe)
{
	int p[2];

	REQUIRE(pipe(p) == 0);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	EXPECT_ERR(write(p[1], "x", 1), EPIPE);
	signal(SIGPIPE, SIG_DFL);
	close(p[1]);
}

static int killed_by_pipe(void *arg)
{
	int p[2];

	if (pipe(p))
		return 1;
	close(p[0]);
	return write(p[1], "x", 1) == 1;
}

TEST(sigpipe_kills)
{
	CHILD_DIES(killed_by_pipe, NULL, SIGPIPE);
}

TEST(nonblocking)
{
	int p[2];
	static char big[PG];
	char c;
	ssize_t n, total = 0;

	REQUIRE(pipe2(p, O_NONBLOCK | O_CLOEXEC) == 0);
	EXPECT_EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
	EXPECT_ERR(read(p[0], &c, 1), EAGAIN);
	while ((n = write(p[1], big, sizeof(big))) > 0)
		total += n;
	EXPECT_EQ(errno, EAGAIN);
	EXPECT_EQ(total, 65536);
	EXPECT_EQ(fcntl(p[1], F_GETPIPE_SZ), 65536);
	/* Less than PIPE_BUF free: a small write is all or nothing. */
	EXPECT_EQ(read(p[0], big, 100), 100);
	EXPECT_ERR(write(p[1], big, 4096), EAGAIN);
	EXPECT_EQ(read(p[0], big, PG), PG);
	EXPECT_EQ(write(p[1], big, 4096), 4096);
	close(p[0]), close(p[1]);
}

TEST(pipe_size)
{
	int p[2];

	REQUIRE(pipe(p) == 0);
	int r = fcntl(p[1], F_SETPIPE_SZ, 8192);
	CHECK(r == 8192 || r == 65536);
	EXPECT_ERR(fcntl(p[1], F_SETPIPE_SZ, -1), EINVAL);
	EXPECT_ERR(pipe2(p, 0x1), EINVAL);
	EXPECT_ERR(pipe((int *)8), EFAULT);
	close(p[0]), close(p[1]);
}

TEST(big_transfer)
{
	int p[2], st;
	unsigned long sum = 0, want = 0;
	static unsigned char buf[10000];
	ssize_t n;

	REQUIRE(pipe(p) == 0);
	if (fork() == 0) {
		close(p[0]);
		for (int k = 0; k < 100; k++) {
			for (unsigned i = 0; i < sizeof(buf); i++)
				buf[i] = i * (k + 1);
			if (write(p[1], buf, sizeof(buf)) != sizeof(buf))
				_exit(1);
		}
		_exit(0);
	}
	close(p[1]);
	unsigned long pos = 0;
	while ((n = read(p[0], buf, 7777)) > 0)
		for (ssize_t i = 0; i < n; i++, pos++)
			if (buf[i] != (unsigned char)(pos % 10000 * (pos / 10000 + 1)))
				sum++;
	EXPECT_EQ(pos, 1000000);
	EXPECT_EQ(sum, 0);
	wait(&st);
	EXPECT_EQ(st, 0);
	close(p[0]);
}

TEST(atomic_small_writes)
{
	int p[2], st;
	char buf[512];

	REQUIRE(pipe(p) == 0);
	for (int w = 0; w < 4; w++)
		if (fork() == 0) {
			memset(buf, 'A' + w, sizeof(buf));
			for (int i = 0; i < 50; i++)
				if (write(p[1], buf, sizeof(buf)) != sizeof(buf))
					_exit(1);
			_exit(0);
		}
	close(p[1]);
	int bad = 0, n = 0, got;
	for (;;) {
		got = 0;
		ssize_t r;
		while (got < 512 && (r = read(p[0], buf + got, 512 - got)) > 0)
			got += r;
		if (got < 512)
			break;
		n++;
		for (int i = 1; i < 512; i++)
			bad += buf[i] != buf[0];
	}
	EXPECT_EQ(n, 200);
	EXPECT_EQ(bad, 0);
	while (wait(&st) > 0)
		EXPECT_EQ(st, 0);
	close(p[0]);
}

TEST(polling)
{
	int p[2];
	struct pollfd f[2];

	REQUIRE(pipe(p) == 0);
	f[0] = (struct pollfd){ p[0], POLLIN, 0 }, f[1] = (struct pollfd){ p[1], POLLOUT, 0 };
	EXPECT_EQ(poll(f, 2, 0), 1);
	CHECK(f[0].revents == 0 && f[1].revents == POLLOUT);
	EXPECT_EQ(write(p[1], "x", 1), 1);
	EXPECT_EQ(poll(f, 2, 0), 2);
	EXPECT_EQ(f[0].revents, POLLIN);
	close(p[1]);
	EXPECT_EQ(poll(f, 1, 0), 1);
	EXPECT_EQ(f[0].revents, POLLIN | POLLHUP);
	close(p[0]);
	REQUIRE(pipe(p) == 0);
	close(p[0]);
	f[0] = (struct pollfd){ p[1], POLLOUT, 0 };
	EXPECT_EQ(poll(f, 1, 0), 1);
	CHECK(f[0].revents & POLLERR);
	close(p[1]);
}

TEST(fifo)
{
	int r, w, st;
	char buf[4];

	REQUIRE(mkfifo("ff", 0600) == 0);
	EXPECT_ERR(open("ff", O_WRONLY | O_NONBLOCK), ENXIO);
	if (fork() == 0) {
		w = open("ff", O_WRONLY);
		_exit(write(w, "hi", 2) != 2);
	}
	r = open("ff", O_RDONLY);
	EXPECT_EQ(read(r, buf, 4), 2);
	EXPECT_EQ(read(r, buf, 4), 0);
	wait(&st);
	EXPECT_EQ(st, 0);
	close(r);
	r = open("ff", O_RDONLY | O_NONBLOCK);
	CHECK(r >= 0);
	EXPECT_EQ(read(r, buf, 4), 0);
	w = open("ff", O_WRONLY | O_NONBLOCK);
	CHECK(w >= 0);
	EXPECT_ERR(read(r, buf, 4), EAGAIN);
	close(r), close(w);
}

TEST(sendfile_call)
{
	int in = t_file("in", 3 * PG), out = open("out", O_RDWR | O_CREAT, 0600), p[2];
	off_t off = PG;
	char c;

	EXPECT_EQ(sendfile(out, in, &off, 100), 100);
	EXPECT_EQ(off, PG + 100);
	EXPECT_EQ(pread(out, &c, 1, 99), 1);
	EXPECT_EQ(c, 'b');
	lseek(in, 0, SEEK_SET);
	REQUIRE(pipe(p) == 0);
	EXPECT_EQ(sendfile(p[1], in, NULL, 50), 50);
	EXPECT_EQ(lseek(in, 0, SEEK_CUR), 50);
	EXPECT_EQ(sendfile(out, in, NULL, 100 * PG), 3 * PG - 50);
	EXPECT_EQ(sendfile(out, in, NULL, 10), 0);
	EXPECT_ERR(sendfile(9999, in, NULL, 10), EBADF);
	EXPECT_ERR(sendfile(in, out, (void *)8, 10), EFAULT);
	close(in), close(out), close(p[0]), close(p[1]);
}

TEST(copy_file_range_call)
{
	int in = t_file("ci", 3 * PG), out = open("co", O_RDWR | O_CREAT, 0600);
	loff_t a = PG, b = 10;
	char c;
	ssize_t n = syscall(SYS_copy_file_range, in, &a, out, &b, 2 * PG, 0);

	if (n < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		SKIP("no copy_file_range here");
	EXPECT_EQ(n, 2 * PG);
	CHECK(a == 3 * PG && b == 2 * PG + 10);
	EXPECT_EQ(pread(out, &c, 1, 10 + PG), 1);
	EXPECT_EQ(c, 'c');
	EXPECT_ERR(syscall(SYS_copy_file_range, in, NULL, out, NULL, 10, 1), EINVAL);
	close(in), close(out);
}

TEST(fallocate_call)
{
	int fd = open("fa", O_RDWR | O_CREAT, 0600);
	struct stat st;
	char c;

	if (fallocate(fd, 0, 0, 3 * PG) && errno == EOPNOTSUPP)
		SKIP("no fallocate here");
	fstat(fd, &st);
	EXPECT_EQ(st.st_size, 3 * PG);
	EXPECT_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 10 * PG));
	fstat(fd, &st);
	EXPECT_EQ(st.st_size, 3 * PG);
	EXPECT_EQ(pwrite(fd, "xyz", 3, PG), 3);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PG, PG) == 0) {
		EXPECT_EQ(pread(fd, &c, 1, PG), 1);
		EXPECT_EQ(c, 0);
	}
	EXPECT_ERR(fallocate(fd, 0, -1, 10), EINVAL);
	EXPECT_ERR(fallocate(fd, 0, 0, 0), EINVAL);
	EXPECT_ERR(fallocate(fd, 0x8000, 0, 10), EOPNOTSUPP);
	int ro = open("fa", O_RDONLY);
	EXPECT_ERR(fallocate(ro, 0, 0, 10), EBADF);
	close(fd), close(ro);
}

TEST(splice_or_einval)
{
	int in = t_file("si", 100), p[2];
	char buf[100];

	REQUIRE(pipe(p) == 0);
	lseek(in, 0, SEEK_SET);
	ssize_t n = splice(in, NULL, p[1], NULL, 50, 0);
	if (n < 0) {
		CHECK(errno == EINVAL || errno == ENOSYS);
		close(in), close(p[0]), close(p[1]);
		SKIP("no splice");
	}
	EXPECT_EQ(n, 50);
	EXPECT_EQ(read(p[0], buf, 100), 50);
	CHECK(buf[49] == 'a');
	close(in), close(p[0]), close(p[1]);
}
