/* mm_process_vm.c - process_vm_readv and writev: another address space, partial copies, errnos. */
#include "t.h"

static char local[3 * PG];

static ssize_t rd(pid_t pid, void *to, void *from, size_t n)
{
	struct iovec l = { to, n }, r = { from, n };

	return process_vm_readv(pid, &l, 1, &r, 1, 0);
}

TEST(self)
{
	char *p = t_anon(2);

	memset(p, 5, 2 * PG);
	EXPECT_EQ(rd(getpid(), local, p + 100, 2 * PG - 100), 2 * PG - 100);
	EXPECT_EQ(local[2 * PG - 101], 5);
	munmap(p, 2 * PG);
}

TEST(child_and_parent)
{
	char *p = t_anon(3);
	int go[2];
	pid_t pid;
	struct iovec l, r;
	char c;

	REQUIRE(pipe(go) == 0);
	memset(p, 1, 3 * PG);
	pid = fork();
	if (pid == 0) {
		memset(p, 2, 3 * PG);
		munmap(p + 2 * PG, PG);
		if (write(go[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	EXPECT_EQ(read(go[0], &c, 1), 1);
	EXPECT_EQ(rd(pid, local, p, 2 * PG), 2 * PG);
	EXPECT_EQ(local[PG], 2);
	EXPECT_EQ(p[PG], 1);
	/* Half of it is not mapped there: a short count. */
	EXPECT_EQ(rd(pid, local, p, 3 * PG), 2 * PG);
	EXPECT_ERR(rd(pid, local, p + 2 * PG, 10), EFAULT);
	l = (struct iovec){ "hey", 3 }, r = (struct iovec){ p + PG - 1, 3 };
	EXPECT_EQ(process_vm_writev(pid, &l, 1, &r, 1, 0), 3);
	EXPECT_EQ(rd(pid, local, p + PG - 1, 3), 3);
	CHECK(!memcmp(local, "hey", 3));
	EXPECT_EQ(p[PG], 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	EXPECT_ERR(rd(pid, local, p, 10), ESRCH);
	close(go[0]), close(go[1]), munmap(p, 3 * PG);
}

TEST(many_segments)
{
	char a[10] = "0123456789", b[10];
	struct iovec r[3] = { { a + 5, 5 }, { a, 2 }, { a + 2, 3 } }, l[2] = { { b, 4 }, { b + 4, 6 } };

	EXPECT_EQ(process_vm_readv(getpid(), l, 2, r, 3, 0), 10);
	CHECK(!memcmp(b, "5678901234", 10));
}

TEST(errnos)
{
	struct iovec l = { local, 10 }, r = { local + 100, 10 };

	EXPECT_ERR(process_vm_readv(getpid(), &l, 1, &r, 1, 1), EINVAL);
	EXPECT_ERR(process_vm_readv(getpid(), &l, 1, &r, 99999, 0), EINVAL);
	EXPECT_ERR(process_vm_readv(getpid(), (void *)8, 1, &r, 1, 0), EFAULT);
	EXPECT_ERR(process_vm_readv(getpid(), &l, 1, (void *)8, 1, 0), EFAULT);
	r.iov_base = (void *)8;
	EXPECT_ERR(process_vm_readv(getpid(), &l, 1, &r, 1, 0), EFAULT);
	EXPECT_EQ(process_vm_readv(getpid(), &l, 0, &r, 0, 0), 0);
}

TEST(write_breaks_cow)
{
	char *p = t_anon(1), c;
	int go[2];
	pid_t pid;
	struct iovec l = { "N", 1 }, r = { p, 1 };

	*p = 'O';
	REQUIRE(pipe(go) == 0);
	pid = fork();
	if (pid == 0) {
		if (read(go[0], &c, 1) != 1)
			_exit(9);
		_exit(*p);
	}
	EXPECT_EQ(process_vm_writev(pid, &l, 1, &r, 1, 0), 1);
	EXPECT_EQ(*p, 'O');
	EXPECT_EQ(write(go[1], "x", 1), 1);
	int st;
	waitpid(pid, &st, 0);
	EXPECT_EQ(WEXITSTATUS(st), 'N');
	close(go[0]), close(go[1]), munmap(p, PG);
}
