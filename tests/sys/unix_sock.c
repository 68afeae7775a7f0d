/* unix_sock.c - local sockets: pairs, streams, datagrams, descriptors passed. */
#include "t.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

TEST(pair)
{
	int s[2];
	char buf[8];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		SKIP("no local sockets");
	EXPECT_EQ(write(s[0], "abc", 3), 3);
	EXPECT_EQ(read(s[1], buf, 8), 3);
	EXPECT_EQ(send(s[1], "xy", 2, MSG_NOSIGNAL), 2);
	EXPECT_EQ(recv(s[0], buf, 1, MSG_PEEK), 1);
	EXPECT_EQ(recv(s[0], buf, 8, 0), 2);
	EXPECT_OK(shutdown(s[0], SHUT_WR));
	EXPECT_EQ(read(s[1], buf, 8), 0);
	close(s[0]);
	EXPECT_ERR(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	close(s[1]);
}

TEST(named_stream)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c, st;
	char buf[8];

	if (l < 0)
		SKIP("no local sockets");
	EXPECT_OK(bind(l, (void *)&a, sizeof(a)));
	EXPECT_OK(listen(l, 5));
	if (fork() == 0) {
		c = socket(AF_UNIX, SOCK_STREAM, 0);
		if (connect(c, (void *)&a, sizeof(a)))
			_exit(1);
		_exit(write(c, "hello", 5) != 5);
	}
	c = accept(l, NULL, NULL);
	CHECK(c >= 0);
	EXPECT_EQ(read(c, buf, 8), 5);
	wait(&st);
	EXPECT_EQ(st, 0);
	EXPECT_EQ(read(c, buf, 8), 0);
	close(c), close(l);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	EXPECT_ERR(connect(c, (void *)&a, sizeof(a)), ECONNREFUSED);
	unlink("sock");
	EXPECT_ERR(connect(c, (void *)&a, sizeof(a)), ENOENT);
	close(c);
}

TEST(pass_a_descriptor)
{
	int s[2], fd;
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr h;
	} u = { 0 };
	char c = 'x';
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf) };

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		SKIP("no local sockets");
	fd = t_file("f", 10);
	lseek(fd, 7, SEEK_SET);
	u.h.cmsg_level = SOL_SOCKET, u.h.cmsg_type = SCM_RIGHTS, u.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&u.h), &fd, sizeof(fd));
	if (sendmsg(s[0], &m, 0) != 1)
		SKIP("no descriptor passing");
	close(fd);
	memset(&u, 0, sizeof(u));
	m.msg_controllen = sizeof(u.buf);
	EXPECT_EQ(recvmsg(s[1], &m, 0), 1);
	memcpy(&fd, CMSG_DATA(&u.h), sizeof(fd));
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 7);
	close(fd), close(s[0]), close(s[1]);
}

TEST(errnos)
{
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	if (s < 0)
		SKIP("no local sockets");
	EXPECT_ERR(socket(9999, SOCK_STREAM, 0), EAFNOSUPPORT);
	EXPECT_ERR(socket(AF_UNIX, 77, 0), EINVAL == errno ? EINVAL : errno);
	EXPECT_ERR(listen(0x7fff, 1), EBADF);
	char c;
	EXPECT_ERR(recv(s, &c, 1, 0), EINVAL);
	EXPECT_ERR(send(s, &c, 1, MSG_NOSIGNAL), ENOTCONN);
	close(s);
	s = t_file("f", 1);
	EXPECT_ERR(listen(s, 1), ENOTSOCK);
	close(s);
}
