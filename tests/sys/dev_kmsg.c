/*
 * dev_kmsg.c - /dev/kmsg: a record a read, numbered one by one; blocking, polling, seeking. Not where it may not be opened.
 */
#include "t.h"
#include <poll.h>

static int open_kmsg(int flags)
{
	int fd = open("/dev/kmsg", flags);

	if (fd < 0)
		t_skip = "no /dev/kmsg here";
	return fd;
}

/* Reads up to our line; its number. */
static long long find(int fd, const char *what)
{
	char line[8192];
	unsigned level;
	long long seq, usec;
	ssize_t n;

	while ((n = read(fd, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		if (n <= 0)
			continue;
		line[n] = 0;
		if (sscanf(line, "%u,%lld,%lld,", &level, &seq, &usec) == 3 && strchr(line, ';') && strstr(strchr(line, ';'), what))
			return seq;
	}
	return -1;
}

/* printk.devkmsg=off swallows what is written. */
static bool writes_are_kept(void)
{
	int fd = open_kmsg(O_RDWR | O_NONBLOCK);
	bool kept;

	if (fd < 0)
		return false;
	lseek(fd, 0, SEEK_END);
	kept = write(fd, "kmsg test\n", 10) == 10 && find(fd, "kmsg test") >= 0;
	close(fd);
	if (!kept)
		t_skip = "what is written to /dev/kmsg is not kept here";
	return kept;
}

TEST(numbered_records)
{
	int fd = writes_are_kept() ? open_kmsg(O_RDWR | O_NONBLOCK) : -1;
	char a[64], b[64];
	long long first, second;

	if (fd < 0)
		return;
	snprintf(a, sizeof(a), "<4>kmsg test one %d\n", getpid());
	snprintf(b, sizeof(b), "kmsg test two %d\n", getpid());
	CHECK(lseek(fd, 0, SEEK_END) == 0);
	CHECK(write(fd, a, strlen(a)) == (ssize_t)strlen(a));
	CHECK(write(fd, b, strlen(b)) == (ssize_t)strlen(b));
	first = find(fd, "kmsg test one");
	second = find(fd, "kmsg test two");
	CHECK(first >= 0 && second > first);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	a[strlen(a) - 1] = 0;
	CHECK(find(fd, a + 3) == first);
	close(fd);
}

TEST(end_and_seek)
{
	int fd = open_kmsg(O_RDONLY | O_NONBLOCK);
	char line[8192];

	if (fd < 0)
		return;
	CHECK(lseek(fd, 0, SEEK_END) == 0);
	(void)find(fd, "nobody wrote this");
	EXPECT_ERR(read(fd, line, sizeof(line)), EAGAIN);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	EXPECT_ERR(read(fd, line, 1), EINVAL);
	EXPECT_ERR(lseek(fd, 1, SEEK_SET), ESPIPE);
	EXPECT_ERR(lseek(fd, 0, SEEK_CUR), EINVAL);
	close(fd);
}

TEST(blocks_and_polls)
{
	int fd = writes_are_kept() ? open_kmsg(O_RDWR) : -1, waits[2];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	pid_t child;
	char c;

	if (fd < 0)
		return;
	REQUIRE(pipe(waits) == 0);
	CHECK(lseek(fd, 0, SEEK_END) == 0);
	child = fork();
	if (!child) {
		usleep(50000);
		(void)!write(fd, "kmsg test wakes\n", 16);
		_exit(0);
	}
	CHECK(poll(&p, 1, 60000) == 1 && (p.revents & POLLIN));
	CHECK(find(fd, "kmsg test wakes") >= 0);
	waitpid(child, NULL, 0);
	child = fork();
	if (!child) {
		if (find(fd, "kmsg test sleeper") >= 0)
			(void)!write(waits[1], "x", 1);
		_exit(0);
	}
	usleep(50000);
	CHECK(write(fd, "kmsg test sleeper\n", 18) == 18);
	CHECK(read(waits[0], &c, 1) == 1);
	waitpid(child, NULL, 0);
	close(fd);
}
