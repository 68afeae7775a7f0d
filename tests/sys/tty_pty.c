/* tty_pty.c - pseudo-terminals: line discipline, modes, window size, packet of ioctls, end of file. */
#include "t.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int m, s;

static int open_pair(void)
{
	return openpty(&m, &s, NULL, NULL, NULL);
}

static void close_pair(void)
{
	close(m), close(s);
}

static void mode(tcflag_t lclear, tcflag_t oclear, tcflag_t iclear)
{
	struct termios t;

	tcgetattr(s, &t);
	t.c_lflag &= ~lclear, t.c_oflag &= ~oclear, t.c_iflag &= ~iclear;
	tcsetattr(s, TCSANOW, &t);
}

static char *get(int fd, int want)
{
	static char buf[512];
	int n = 0, r;

	while (n < want && (r = read(fd, buf + n, want - n)) > 0)
		n += r;
	buf[n] = 0;
	return buf;
}

TEST(names)
{
	char name[64];
	struct stat st;

	m = posix_openpt(O_RDWR | O_NOCTTY);
	REQUIRE(m >= 0);
	EXPECT_OK(grantpt(m));
	s = open("/dev/pts/0", O_RDWR | O_NOCTTY);
	close(s);
	EXPECT_OK(unlockpt(m));
	EXPECT_EQ(ptsname_r(m, name, sizeof(name)), 0);
	CHECK(!strncmp(name, "/dev/pts/", 9));
	s = open(name, O_RDWR | O_NOCTTY);
	REQUIRE(s >= 0);
	CHECK(isatty(s) && isatty(m));
	fstat(s, &st);
	CHECK(S_ISCHR(st.st_mode));
	char got[64];
	EXPECT_EQ(ttyname_r(s, got, sizeof(got)), 0);
	CHECK(!strcmp(got, name));
	close_pair();
	EXPECT_ERR(open(name, O_RDWR), ENOENT);
}

TEST(canonical_lines)
{
	REQUIRE(open_pair() == 0);
	mode(ECHO, 0, 0);
	EXPECT_EQ(write(m, "one\ntwo\n", 8), 8);
	CHECK(!strcmp(get(s, 4), "one\n"));	/* a read gives one line at most */
	char buf[10];
	EXPECT_EQ(read(s, buf, 2), 2);
	EXPECT_EQ(read(s, buf, 10), 2);
	CHECK(!memcmp(buf, "o\n", 2));
	close_pair();
}

TEST(erase_kill_and_werase)
{
	REQUIRE(open_pair() == 0);
	mode(ECHO, 0, 0);
	EXPECT_EQ(write(m, "abX\177c\n", 6), 6);
	CHECK(!strcmp(get(s, 4), "abc\n"));
	EXPECT_EQ(write(m, "junk\025ok\n", 8), 8);
	CHECK(!strcmp(get(s, 3), "ok\n"));
	EXPECT_EQ(write(m, "two words\027w\n", 12), 12);
	CHECK(!strcmp(get(s, 6), "two w\n"));
	EXPECT_EQ(write(m, "a\026\003b\n", 5), 5);	/* literal next */
	CHECK(!strcmp(get(s, 4), "a\003b\n"));
	close_pair();
}

TEST(end_of_file_character)
{
	char c;

	REQUIRE(open_pair() == 0);
	mode(ECHO, 0, 0);
	EXPECT_EQ(write(m, "ab\004", 3), 3);
	CHECK(!strcmp(get(s, 2), "ab"));
	EXPECT_EQ(write(m, "\004", 1), 1);
	EXPECT_EQ(read(s, &c, 1), 0);
	close_pair();
}

TEST(echo)
{
	REQUIRE(open_pair() == 0);
	EXPECT_EQ(write(m, "hi\n", 3), 3);
	CHECK(!strcmp(get(m, 4), "hi\r\n"));
	EXPECT_EQ(write(m, "x\177", 2), 2);
	CHECK(!strcmp(get(m, 4), "x\b \b"));
	EXPECT_EQ(write(m, "\001", 1), 1);
	CHECK(!strcmp(get(m, 2), "^A"));
	close_pair();
}

TEST(output_processing)
{
	REQUIRE(open_pair() == 0);
	EXPECT_EQ(write(s, "a\nb", 3), 3);
	CHECK(!strcmp(get(m, 4), "a\r\nb"));
	mode(0, OPOST, 0);
	EXPECT_EQ(write(s, "a\nb", 3), 3);
	CHECK(!strcmp(get(m, 3), "a\nb"));
	close_pair();
}

TEST(input_mapping)
{
	REQUIRE(open_pair() == 0);
	mode(ECHO, 0, 0);
	EXPECT_EQ(write(m, "a\r", 2), 2);	/* ICRNL */
	CHECK(!strcmp(get(s, 2), "a\n"));
	close_pair();
}

TEST(raw_mode)
{
	struct termios t;
	char buf[10];

	REQUIRE(open_pair() == 0);
	tcgetattr(s, &t);
	cfmakeraw(&t);
	EXPECT_OK(tcsetattr(s, TCSANOW, &t));
	EXPECT_EQ(write(m, "\003\004\r\177", 4), 4);
	EXPECT_EQ(read(s, buf, 10), 4);
	CHECK(!memcmp(buf, "\003\004\r\177", 4));
	struct pollfd p = { s, POLLIN, 0 };
	EXPECT_EQ(poll(&p, 1, 0), 0);
	t.c_cc[VMIN] = 3;
	tcsetattr(s, TCSANOW, &t);
	EXPECT_EQ(write(m, "abc", 3), 3);
	EXPECT_EQ(read(s, buf, 10), 3);
	t.c_cc[VMIN] = 0, t.c_cc[VTIME] = 0;
	tcsetattr(s, TCSANOW, &t);
	EXPECT_EQ(read(s, buf, 10), 0);
	t.c_cc[VTIME] = 1;
	tcsetattr(s, TCSANOW, &t);
	EXPECT_EQ(read(s, buf, 10), 0);
	close_pair();
}

TEST(window_size)
{
	struct winsize w = { 0 };
	struct sigaction sa = { .sa_handler = SIG_DFL };

	REQUIRE(open_pair() == 0);
	EXPECT_OK(ioctl(s, TIOCGWINSZ, &w));
	w.ws_row = 33, w.ws_col = 101;
	EXPECT_OK(ioctl(m, TIOCSWINSZ, &w));
	w = (struct winsize){ 0 };
	EXPECT_OK(ioctl(s, TIOCGWINSZ, &w));
	CHECK(w.ws_row == 33 && w.ws_col == 101);
	close_pair();
}

TEST(nonblocking_and_poll)
{
	char c;
	struct pollfd p;

	REQUIRE(open_pair() == 0);
	fcntl(s, F_SETFL, O_NONBLOCK), fcntl(m, F_SETFL, O_NONBLOCK);
	EXPECT_ERR(read(s, &c, 1), EAGAIN);
	EXPECT_ERR(read(m, &c, 1), EAGAIN);
	mode(ECHO, 0, 0);
	EXPECT_EQ(write(m, "a", 1), 1);
	EXPECT_ERR(read(s, &c, 1), EAGAIN);	/* no whole line yet */
	EXPECT_EQ(write(m, "\n", 1), 1);
	p = (struct pollfd){ s, POLLIN, 0 };
	EXPECT_EQ(poll(&p, 1, 10000), 1);
	int n = 0;
	EXPECT_OK(ioctl(s, FIONREAD, &n));
	EXPECT_EQ(n, 2);
	EXPECT_OK(tcflush(s, TCIFLUSH));
	EXPECT_ERR(read(s, &c, 1), EAGAIN);
	close_pair();
}

TEST(closing_either_side)
{
	char c;
	struct pollfd p;

	REQUIRE(open_pair() == 0);
	close(s);
	EXPECT_ERR(read(m, &c, 1), EIO);
	p = (struct pollfd){ m, POLLIN, 0 };
	EXPECT_EQ(poll(&p, 1, 0), 1);
	CHECK(p.revents & POLLHUP);
	close(m);
	REQUIRE(open_pair() == 0);
	close(m);
	EXPECT_EQ(read(s, &c, 1), 0);
	EXPECT_ERR(write(s, "x", 1), EIO);
	close(s);
}

TEST(termios_round_trip)
{
	struct termios a, b;

	REQUIRE(open_pair() == 0);
	EXPECT_OK(tcgetattr(s, &a));
	CHECK((a.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG));
	CHECK(a.c_cc[VINTR] == 3 && a.c_cc[VEOF] == 4 && a.c_cc[VERASE] == 127);
	a.c_cc[VINTR] = 7;
	EXPECT_OK(tcsetattr(s, TCSADRAIN, &a));
	EXPECT_OK(tcgetattr(m, &b));	/* the master sees the slave's */
	EXPECT_EQ(b.c_cc[VINTR], 7);
	EXPECT_ERR(ioctl(s, 0x54fe, 0), ENOTTY);
	int fd = t_file("f", 1);
	EXPECT_ERR(tcgetattr(fd, &a), ENOTTY);
	EXPECT_EQ(isatty(fd), 0);
	close(fd), close_pair();
}

TEST(big_output)
{
	int st, n = 0, r;
	char buf[1000];

	REQUIRE(open_pair() == 0);
	mode(0, OPOST, 0);
	if (fork() == 0) {
		close(m);
		memset(buf, 'z', sizeof(buf));
		for (int i = 0; i < 50; i++)
			if (write(s, buf, sizeof(buf)) != sizeof(buf))
				_exit(1);
		_exit(0);
	}
	close(s);
	while ((r = read(m, buf, sizeof(buf))) > 0)
		n += r;
	EXPECT_EQ(n, 50000);
	EXPECT_EQ(errno, EIO);
	wait(&st);
	EXPECT_EQ(st, 0);
	close(m);
}
