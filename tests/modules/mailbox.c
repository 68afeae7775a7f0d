/*
 * mailbox.c - a character device from user space: read, write, ioctl, and poll that wakes when somebody else writes.
 */
#include "../sys/t.h"
#include <poll.h>
#include <sys/ioctl.h>

#define COUNT	_IOR('q', 1, int)
#define CLEAR	_IO('q', 2)

static int fd_of(int flags)
{
	return open("/dev/mailbox", O_RDWR | flags);
}

TEST(write_then_read)
{
	int fd = fd_of(0), before = 0, after = 0;
	char text[16] = "";

	REQUIRE(fd >= 0);
	EXPECT_EQ(ioctl(fd, COUNT, &before), 0);
	EXPECT_EQ(write(fd, "hello", 5), 5);
	EXPECT_EQ(ioctl(fd, COUNT, &after), 0);
	EXPECT_EQ(after, before + 1);
	EXPECT_EQ(read(fd, text, sizeof(text)), 5);
	CHECK(!strcmp(text, "hello"));
	EXPECT_ERR(ioctl(fd, 0x1234, 0), ENOTTY);
	EXPECT_ERR(ioctl(fd, COUNT, (void *)8), EFAULT);
	EXPECT_ERR(write(fd, (void *)8, 5), EFAULT);
	close(fd);
}

TEST(poll_tells)
{
	int fd = fd_of(O_NONBLOCK), status;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;
	pid_t pid;

	REQUIRE(fd >= 0);
	ioctl(fd, CLEAR);
	EXPECT_EQ(poll(&p, 1, 0), 0);
	EXPECT_ERR(read(fd, &c, 1), EAGAIN);
	pid = fork();
	if (!pid) {
		usleep(100000);
		_exit(write(fd, "x", 1) != 1);
	}
	EXPECT_EQ(poll(&p, 1, 60000), 1);
	CHECK(p.revents & POLLIN);
	EXPECT_EQ(read(fd, &c, 1), 1);
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	close(fd);
}

TEST(read_sleeps)
{
	int fd = fd_of(0), status;
	char c = 0;
	pid_t pid;

	REQUIRE(fd >= 0);
	ioctl(fd, CLEAR);
	pid = fork();
	if (!pid) {
		usleep(100000);
		_exit(write(fd, "y", 1) != 1);
	}
	EXPECT_EQ(read(fd, &c, 1), 1);
	EXPECT_EQ(c, 'y');
	waitpid(pid, &status, 0);
	close(fd);
}
