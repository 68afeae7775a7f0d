/* fs_poll.c - poll, select, epoll, eventfd, inotify (ENOSYS allowed). */
#include "t.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>

TEST(poll_edges)
{
	struct pollfd f[3] = { { -1, POLLIN, 9 }, { 9999, POLLIN, 0 }, { 0, 0, 0 } };

	EXPECT_EQ(poll(f, 2, 0), 1);
	EXPECT_EQ(f[0].revents, 0);
	EXPECT_EQ(f[1].revents, POLLNVAL);
	EXPECT_EQ(poll(NULL, 0, 1), 0);
	EXPECT_ERR(poll((void *)8, 1, 0), EFAULT);
	int fd = t_file("f", 1);
	f[0] = (struct pollfd){ fd, POLLIN | POLLOUT, 0 };
	EXPECT_EQ(poll(f, 1, -1), 1);
	EXPECT_EQ(f[0].revents, POLLIN | POLLOUT);
	close(fd);
}

TEST(poll_wakes)
{
	int p[2], st;
	struct pollfd f;
	pid_t me = getpid();

	REQUIRE(pipe(p) == 0);
	if (fork() == 0) {
		WAIT_FOR(t_state(me) == 'S');
		_exit(write(p[1], "x", 1) != 1);
	}
	f = (struct pollfd){ p[0], POLLIN, 0 };
	EXPECT_EQ(poll(&f, 1, -1), 1);
	EXPECT_EQ(f.revents, POLLIN);
	wait(&st);
	close(p[0]), close(p[1]);
}

TEST(ppoll_mask)
{
	sigset_t block, none;
	struct timespec ts = { 20, 0 };

	sigemptyset(&none), sigemptyset(&block), sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	struct sigaction sa = { .sa_handler = (void (*)(int))t_msleep };
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	EXPECT_ERR(ppoll(NULL, 0, &ts, &none), EINTR);
	sigset_t now;
	sigprocmask(0, NULL, &now);
	CHECK(sigismember(&now, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &block, NULL);
	signal(SIGUSR1, SIG_DFL);
	ts.tv_nsec = -1;
	EXPECT_ERR(ppoll(NULL, 0, &ts, NULL), EINVAL);
}

TEST(select_sets)
{
	int p[2];
	fd_set r, w;
	struct timeval tv = { 0, 1000 };

	REQUIRE(pipe(p) == 0);
	FD_ZERO(&r); FD_SET(p[0], &r);
	EXPECT_EQ(select(p[0] + 1, &r, NULL, NULL, &tv), 0);
	CHECK(!FD_ISSET(p[0], &r));
	EXPECT_EQ(write(p[1], "x", 1), 1);
	FD_SET(p[0], &r); FD_ZERO(&w); FD_SET(p[1], &w);
	EXPECT_EQ(select(p[1] + 1, &r, &w, NULL, NULL), 2);
	CHECK(FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w));
	FD_ZERO(&r); FD_SET(60, &r);
	EXPECT_ERR(select(61, &r, NULL, NULL, NULL), EBADF);
	EXPECT_ERR(select(-1, NULL, NULL, NULL, NULL), EINVAL);
	tv.tv_usec = -1;
	EXPECT_ERR(select(0, NULL, NULL, NULL, &tv), EINVAL);
	close(p[0]), close(p[1]);
}

TEST(epoll_level_and_edge)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), p[2], q[2];
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 11 }, got[4];

	REQUIRE(ep >= 0 && pipe(p) == 0 && pipe(q) == 0);
	EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	ev = (struct epoll_event){ .events = EPOLLIN | EPOLLET, .data.u64 = 22 };
	EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], &ev));
	EXPECT_EQ(epoll_wait(ep, got, 4, 0), 0);
	EXPECT_EQ(write(p[1], "x", 1), 1);
	EXPECT_EQ(write(q[1], "x", 1), 1);
	EXPECT_EQ(epoll_wait(ep, got, 4, 1000), 2);
	EXPECT_EQ(epoll_wait(ep, got, 4, 0), 1);	/* the edge was reported */
	EXPECT_EQ(got[0].data.u64, 11);
	EXPECT_EQ(write(q[1], "y", 1), 1);
	EXPECT_EQ(epoll_wait(ep, got, 4, 0), 2);
	close(ep), close(p[0]), close(p[1]), close(q[0]), close(q[1]);
}

TEST(epoll_oneshot_mod_del)
{
	int ep = epoll_create1(0), p[2];
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT }, got[2];

	REQUIRE(pipe(p) == 0);
	EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	EXPECT_EQ(write(p[1], "x", 1), 1);
	EXPECT_EQ(epoll_wait(ep, got, 2, 0), 1);
	EXPECT_EQ(epoll_wait(ep, got, 2, 0), 0);
	EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev));
	EXPECT_EQ(epoll_wait(ep, got, 2, 0), 1);
	EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	EXPECT_EQ(epoll_wait(ep, got, 2, 0), 0);
	close(p[0]), close(p[1]), close(ep);
}

TEST(epoll_hup_and_close)
{
	int ep = epoll_create1(0), p[2];
	struct epoll_event ev = { .events = 0, .data.fd = 5 }, got[2];

	REQUIRE(pipe(p) == 0);
	EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	close(p[1]);
	EXPECT_EQ(epoll_wait(ep, got, 2, 0), 1);
	EXPECT_EQ(got[0].events, EPOLLHUP);
	close(p[0]);	/* closing takes it out of the set */
	EXPECT_EQ(epoll_wait(ep, got, 2, 0), 0);
	close(ep);
}

TEST(epoll_errnos)
{
	int ep = epoll_create1(0), fd = t_file("f", 1), p[2];
	struct epoll_event ev = { .events = EPOLLIN };

	REQUIRE(pipe(p) == 0);
	EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), EPERM);
	EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev), EINVAL);
	EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev), ENOENT);
	EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], &ev), ENOENT);
	EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, 9999, &ev), EBADF);
	EXPECT_ERR(epoll_ctl(fd, EPOLL_CTL_ADD, p[0], &ev), EINVAL);
	EXPECT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), EEXIST);
	EXPECT_ERR(epoll_wait(ep, &ev, 0, 0), EINVAL);
	EXPECT_ERR(epoll_wait(fd, &ev, 1, 0), EINVAL);
	EXPECT_ERR(epoll_create1(1), EINVAL);
	EXPECT_ERR(epoll_create(0), EINVAL);
	EXPECT_EQ(write(p[1], "x", 1), 1);
	EXPECT_ERR(syscall(SYS_epoll_wait, ep, (void *)8, 1, 0), EFAULT);
	close(ep), close(fd), close(p[0]), close(p[1]);
}

TEST(epoll_nested)
{
	int a = epoll_create1(0), b = epoll_create1(0), p[2];
	struct epoll_event ev = { .events = EPOLLIN }, got;

	REQUIRE(pipe(p) == 0);
	EXPECT_OK(epoll_ctl(a, EPOLL_CTL_ADD, p[0], &ev));
	EXPECT_OK(epoll_ctl(b, EPOLL_CTL_ADD, a, &ev));
	EXPECT_ERR(epoll_ctl(a, EPOLL_CTL_ADD, b, &ev), ELOOP);
	EXPECT_EQ(epoll_wait(b, &got, 1, 0), 0);
	EXPECT_EQ(write(p[1], "x", 1), 1);
	EXPECT_EQ(epoll_wait(b, &got, 1, 0), 1);
	close(a), close(b), close(p[0]), close(p[1]);
}

TEST(eventfd_counts)
{
	int fd = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t v = 4;

	REQUIRE(fd >= 0);
	EXPECT_EQ(write(fd, &v, 8), 8);
	EXPECT_EQ(read(fd, &v, 8), 8);
	EXPECT_EQ(v, 7);
	EXPECT_ERR(read(fd, &v, 8), EAGAIN);
	v = ~0ULL;
	EXPECT_ERR(write(fd, &v, 8), EINVAL);
	v = ~0ULL - 1;
	EXPECT_EQ(write(fd, &v, 8), 8);
	v = 1;
	EXPECT_ERR(write(fd, &v, 8), EAGAIN);
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
	poll(&p, 1, 0);
	EXPECT_EQ(p.revents, POLLIN);
	EXPECT_ERR(read(fd, &v, 7), EINVAL);
	close(fd);
	fd = eventfd(2, EFD_SEMAPHORE);
	EXPECT_EQ(read(fd, &v, 8), 8);
	EXPECT_EQ(v, 1);
	EXPECT_EQ(read(fd, &v, 8), 8);
	close(fd);
	EXPECT_ERR(eventfd(0, 0x40), EINVAL);
}

TEST(eventfd_wakes_a_reader)
{
	int fd = eventfd(0, 0), st;
	uint64_t v = 9;
	pid_t pid = fork();

	if (pid == 0)
		_exit(read(fd, &v, 8) == 8 && v == 5 ? 0 : 1);
	WAIT_FOR(t_state(pid) == 'S');
	v = 5;
	EXPECT_EQ(write(fd, &v, 8), 8);
	waitpid(pid, &st, 0);
	EXPECT_EQ(st, 0);
	close(fd);
}

TEST(inotify_or_enosys)
{
	int fd = inotify_init1(IN_NONBLOCK);

	if (fd < 0) {
		EXPECT_EQ(errno, ENOSYS);
		SKIP("no inotify");
	}
	CHECK(inotify_add_watch(fd, ".", IN_CREATE) >= 0);
	close(fd);
}
