/* proc_jobctl.c - sessions, process groups, a pseudo-terminal as controlling terminal, job control. */
#include "t.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

TEST(setpgid_rules)
{
	int p[2];
	char c;
	pid_t pid;

	REQUIRE(pipe(p) == 0);
	pid = fork();
	if (pid == 0) {
		close(p[1]);
		_exit(read(p[0], &c, 1) != 0);
	}
	EXPECT_OK(setpgid(pid, 0));
	EXPECT_EQ(getpgid(pid), pid);
	EXPECT_OK(setpgid(pid, getpgrp()));
	EXPECT_EQ(getpgid(pid), getpgrp());
	EXPECT_ERR(setpgid(pid, 0x3fffffff), EPERM);
	EXPECT_ERR(setpgid(pid, -1), EINVAL);
	EXPECT_ERR(setpgid(0x3fffffff, 0), ESRCH);
	EXPECT_ERR(getpgid(0x3fffffff), ESRCH);
	EXPECT_ERR(getsid(0x3fffffff), ESRCH);
	EXPECT_EQ(getsid(0), getsid(pid));
	close(p[1]);
	waitpid(pid, NULL, 0);
	close(p[0]);
}

static int new_session(void *arg)
{
	EXPECT_EQ(setsid(), getpid());
	EXPECT_EQ(getsid(0), getpid());
	EXPECT_EQ(getpgrp(), getpid());
	EXPECT_ERR(setsid(), EPERM);
	EXPECT_ERR(setpgid(0, 0), EPERM);
	EXPECT_ERR(open("/dev/tty", O_RDWR), ENXIO);
	return 0;
}

TEST(setsid_rules)
{
	CHILD_EXITS(new_session, NULL, 0);
}

static int foreign(void *arg)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		for (;;)
			pause();
	}
	WAIT_FOR(getsid(pid) == pid);
	EXPECT_ERR(setpgid(pid, 0), EPERM);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}

TEST(other_sessions_are_closed)
{
	CHILD_EXITS(foreign, NULL, 0);
}

static int after_exec(void *arg)
{
	int p[2], st;
	char c;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC))
		return 1;
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "self", "no-such-case", NULL);
		_exit(1);
	}
	close(p[1]);
	EXPECT_EQ(read(p[0], &c, 1), 0);
	if (setpgid(pid, pid) == 0 || (errno != EACCES && errno != ESRCH))
		CHECK(!"setpgid after exec");
	waitpid(pid, &st, 0);
	return 0;
}

TEST(setpgid_after_exec_is_eacces)
{
	CHILD_EXITS(after_exec, NULL, 0);
}

/* Run fn as leader of a new session with a pty as its terminal; the master is this process's. */
static int master;

static int in_session(int (*fn)(int tty), int (*meanwhile)(pid_t leader))
{
	int tty, st = -1;
	pid_t pid;

	if (openpty(&master, &tty, NULL, NULL, NULL))
		return -2;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(master);
		setsid();
		t_bad = 0;
		EXPECT_OK(ioctl(tty, TIOCSCTTY, 0));
		int r = fn(tty);
		fflush(stdout);
		_exit(t_bad ? 99 : r);
	}
	close(tty);
	if (meanwhile)
		meanwhile(pid);
	waitpid(pid, &st, 0);
	close(master);
	return st;
}

static int controlling(int tty)
{
	int fd = open("/dev/tty", O_RDWR);
	pid_t sid = 0;

	CHECK(fd >= 0);
	EXPECT_EQ(tcgetpgrp(tty), getpgrp());
	EXPECT_OK(ioctl(tty, TIOCGSID, &sid));
	EXPECT_EQ(sid, getpid());
	EXPECT_ERR(tcsetpgrp(tty, 0x3fffffff), ESRCH);
	EXPECT_ERR(tcsetpgrp(tty, -1), EINVAL);
	close(fd);
	return 0;
}

TEST(controlling_terminal)
{
	EXPECT_EQ(in_session(controlling, NULL), 0);
}

static volatile int got_ttou;

static void on_ttou(int sig)
{
	got_ttou++;
}

static int background(int tty)
{
	int st;
	pid_t pid = fork();
	char c;

	if (pid == 0) {
		setpgid(0, 0);
		if (read(tty, &c, 1) < 0)	/* stops with SIGTTIN */
			_exit(errno == EIO ? 7 : 8);
		_exit(c == 'q' ? 5 : 6);
	}
	setpgid(pid, pid);
	EXPECT_EQ(waitpid(pid, &st, WUNTRACED), pid);
	CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGTTIN);
	EXPECT_OK(tcsetpgrp(tty, pid));
	EXPECT_EQ(tcgetpgrp(tty), pid);
	kill(-pid, SIGCONT);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(st, 5 << 8);
	/* Now this group is in the background, and orphaned (its leader's parent is of another session). */
	EXPECT_ERR(tcsetpgrp(tty, getpgrp()), ENOTTY);
	signal(SIGTTOU, SIG_IGN);
	EXPECT_OK(tcsetpgrp(tty, getpgrp()));
	EXPECT_EQ(tcgetpgrp(tty), getpgrp());
	pid = fork();
	if (pid == 0) {
		/* A background group that is not orphaned: tcsetpgrp brings SIGTTOU. */
		struct sigaction sa = { .sa_handler = on_ttou };

		setpgid(0, 0);
		sigaction(SIGTTOU, &sa, NULL);
		EXPECT_ERR(tcsetpgrp(tty, getpgrp()), EINTR);
		EXPECT_EQ(got_ttou, 1);
		_exit(t_bad);
	}
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(st, 0);
	return 0;
}

static int type_q(pid_t leader)
{
	/* Wait for the reader: the foreground group is not the leader's then. */
	for (int i = 0; i < 5000; i++) {
		pid_t fg = 0;

		ioctl(master, TIOCGPGRP, &fg);
		if (fg > 0 && fg != leader)
			break;
		t_msleep(2);
	}
	return write(master, "q\n", 2) != 2;
}

TEST(background_read_stops)
{
	EXPECT_EQ(in_session(background, type_q), 0);
}

static int tostop(int tty)
{
	struct termios t;
	int st;
	pid_t pid;

	tcgetattr(tty, &t);
	t.c_lflag |= TOSTOP;
	signal(SIGTTOU, SIG_IGN);
	EXPECT_OK(tcsetattr(tty, TCSANOW, &t));
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_DFL);
		_exit(write(tty, "x", 1) == 1 ? 0 : 1);
	}
	setpgid(pid, pid);
	EXPECT_EQ(waitpid(pid, &st, WUNTRACED), pid);
	CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGTTOU);
	kill(pid, SIGKILL);
	kill(pid, SIGCONT);
	waitpid(pid, &st, 0);
	return 0;
}

TEST(background_write_with_tostop)
{
	EXPECT_EQ(in_session(tostop, NULL), 0);
}

static int sleeper(int tty)
{
	struct sigaction sa;

	signal(SIGTTOU, SIG_IGN);
	if (write(tty, "ready", 5) != 5)
		return 1;
	for (;;)
		pause();
}

static int ctrl_c(pid_t leader)
{
	char buf[16];
	int n = 0, r;

	while (n < 5 && (r = read(master, buf + n, 5 - n)) > 0)
		n += r;
	return write(master, "\003", 1) != 1;
}

static int ctrl_backslash(pid_t leader)
{
	char buf[16];
	int n = 0, r;

	while (n < 5 && (r = read(master, buf + n, 5 - n)) > 0)
		n += r;
	return write(master, "\034", 1) != 1;
}

TEST(control_characters_signal_the_foreground)
{
	int st = in_session(sleeper, ctrl_c);

	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGINT);
	st = in_session(sleeper, ctrl_backslash);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGQUIT);
}

static int ctrl_z_job(int tty)
{
	int st;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGTTOU, SIG_IGN);
		setpgid(0, 0);
		tcsetpgrp(tty, getpid());
		signal(SIGTTOU, SIG_DFL);
		if (write(tty, "ready", 5) != 5)
			_exit(1);
		for (;;)
			pause();
	}
	EXPECT_EQ(waitpid(pid, &st, WUNTRACED), pid);
	CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGTSTP);
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	return 0;
}

static int ctrl_z(pid_t leader)
{
	char buf[16];
	int n = 0, r;

	while (n < 5 && (r = read(master, buf + n, 5 - n)) > 0)
		n += r;
	return write(master, "\032", 1) != 1;
}

TEST(ctrl_z_stops_the_job)
{
	EXPECT_EQ(in_session(ctrl_z_job, ctrl_z), 0);
}

static int hangup_wait(int tty)
{
	for (;;)
		pause();
}

static int close_master(pid_t leader)
{
	WAIT_FOR(t_state(leader) == 'S');
	close(master);
	return 0;
}

TEST(hangup_when_the_master_closes)
{
	int st = in_session(hangup_wait, close_master);

	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGHUP);
}

static int orphaned_group(int tty)
{
	pid_t pid = fork();

	/* Its group becomes orphaned when the leader ends: SIGTSTP then does nothing. */
	if (pid == 0) {
		pid_t kid = fork();

		if (kid == 0) {
			setpgid(0, 0);
			raise(SIGTSTP);
			_exit(0);
		}
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return 0;
}

TEST(orphaned_groups_do_not_stop)
{
	EXPECT_EQ(in_session(orphaned_group, NULL), 0);
}

static int leader_dies(int tty)
{
	if (fork() == 0) {
		signal(SIGHUP, SIG_IGN);
		char c;
		while (getppid() != 1 && open("/dev/tty", O_RDWR) >= 0)
			t_msleep(1);
		_exit(0);
	}
	return 0;
}

TEST(leader_death_takes_the_terminal)
{
	EXPECT_EQ(in_session(leader_dies, NULL), 0);
}
