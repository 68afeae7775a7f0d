/* inet_loopback.c - TCP and UDP between programs of one machine. */
#include "t.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

static struct sockaddr_in loopback(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return a;
}

TEST(tcp)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), a, on = 1;
	struct sockaddr_in addr = loopback(0), got;
	socklen_t len = sizeof(got);
	char buf[16];

	REQUIRE(s >= 0 && c >= 0);
	EXPECT_EQ(bind(s, (void *)&addr, sizeof(addr)), 0);
	EXPECT_EQ(listen(s, 4), 0);
	EXPECT_EQ(getsockname(s, (void *)&addr, &len), 0);
	CHECK(len == sizeof(addr) && addr.sin_port && addr.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	EXPECT_EQ(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	EXPECT_EQ(connect(c, (void *)&addr, sizeof(addr)), 0);
	a = accept(s, (void *)&got, &len);
	REQUIRE(a >= 0);
	CHECK(got.sin_family == AF_INET && got.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	addr.sin_port = 0;
	EXPECT_EQ(getsockname(c, (void *)&addr, &len), 0);
	EXPECT_EQ(addr.sin_port, got.sin_port);
	EXPECT_EQ(send(c, "hello", 5, 0), 5);
	EXPECT_EQ(recv(a, buf, sizeof(buf), 0), 5);
	CHECK(!memcmp(buf, "hello", 5));
	EXPECT_EQ(shutdown(c, SHUT_WR), 0);
	EXPECT_EQ(recv(a, buf, sizeof(buf), 0), 0);
	EXPECT_EQ(send(a, "bye", 3, 0), 3);
	EXPECT_EQ(recv(c, buf, sizeof(buf), 0), 3);
	EXPECT_ERR(recv(c, buf, 1, MSG_OOB), EINVAL);
	close(a), close(c), close(s);
}

TEST(udp)
{
	int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in addr = loopback(0), from;
	socklen_t len = sizeof(addr);
	char buf[16];

	REQUIRE(a >= 0 && b >= 0);
	EXPECT_EQ(bind(a, (void *)&addr, sizeof(addr)), 0);
	EXPECT_EQ(getsockname(a, (void *)&addr, &len), 0);
	EXPECT_ERR(send(b, "x", 1, 0), EDESTADDRREQ);
	EXPECT_EQ(sendto(b, "datagram", 8, 0, (void *)&addr, sizeof(addr)), 8);
	EXPECT_EQ(recvfrom(a, buf, 4, 0, (void *)&from, &len), 4);	/* the rest is lost */
	EXPECT_EQ(sendto(a, "back", 4, 0, (void *)&from, sizeof(from)), 4);
	EXPECT_EQ(recv(b, buf, sizeof(buf), 0), 4);
	EXPECT_ERR(recv(a, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	close(a), close(b);
}

TEST(errnos)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in addr = loopback(1), far = loopback(7);

	EXPECT_ERR(connect(s, (void *)&addr, sizeof(addr)), ECONNREFUSED);
	EXPECT_ERR(bind(s, (void *)&addr, 7), EINVAL);
	addr.sin_family = AF_INET6;
	EXPECT_ERR(connect(s, (void *)&addr, sizeof(addr)), EAFNOSUPPORT);
	far.sin_addr.s_addr = htonl(0xc0000201);	/* 192.0.2.1: for documentation, nobody's */
	EXPECT_ERR(bind(s, (void *)&far, sizeof(far)), EADDRNOTAVAIL);
	EXPECT_ERR(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	EXPECT_ERR(socketpair(AF_INET, SOCK_STREAM, 0, (int[2]){ 0 }), EOPNOTSUPP);
	close(s);
}
