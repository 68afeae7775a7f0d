/* sig_restart.c - which calls start again after a handler with SA_RESTART, which end with EINTR. */
#include "t.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static volatile int hits;

static void on(int sig)
{
	hits++;
}

/* Run fn with a child that sends SIGUSR1 when this task sleeps, then does "then" a little later. */
static int pipes[2];

static pid_t poke(int then_write)
{
	pid_t me = getpid(), pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		WAIT_FOR(t_state(me) == 'S');
		kill(me, SIGUSR1);
		if (then_write) {
			t_msleep(20);
			WAIT_FOR(t_state(me) == 'S');
			_exit(write(pipes[1], "x", 1) != 1);
		}
		_exit(0);
	}
	return pid;
}

static void handler(int flags)
{
	struct sigaction sa = { .sa_handler = on, .sa_flags = flags };

	hits = 0;
	sigaction(SIGUSR1, &sa, NULL);
}

TEST(read_eintr)
{
	char c;
	pid_t pid;

	REQUIRE(pipe(pipes) == 0);
	handler(0);
	pid = poke(0);
	EXPECT_ERR(read(pipes[0], &c, 1), EINTR);
	EXPECT_EQ(hits, 1);
	waitpid(pid, NULL, 0);
	close(pipes[0]), close(pipes[1]);
}

TEST(read_restarts)
{
	char c = 0;
	pid_t pid;

	REQUIRE(pipe(pipes) == 0);
	handler(SA_RESTART);
	pid = poke(1);
	EXPECT_EQ(read(pipes[0], &c, 1), 1);
	EXPECT_EQ(c, 'x');
	EXPECT_EQ(hits, 1);
	waitpid(pid, NULL, 0);
	close(pipes[0]), close(pipes[1]);
}

TEST(write_eintr_on_full_pipe)
{
	static char big[1 << 20];
	pid_t pid;
	ssize_t n;

	REQUIRE(pipe(pipes) == 0);
	handler(0);
	pid = poke(0);
	n = write(pipes[1], big, sizeof(big));
	CHECK(n > 0 && n < (ssize_t)sizeof(big));	/* a part was written: a short count, not EINTR */
	EXPECT_EQ(hits, 1);
	waitpid(pid, NULL, 0);
	pid = poke(0);
	EXPECT_ERR(write(pipes[1], big, sizeof(big)), EINTR);
	waitpid(pid, NULL, 0);
	close(pipes[0]), close(pipes[1]);
}

TEST(poll_never_restarts)
{
	struct pollfd p;
	pid_t pid;

	REQUIRE(pipe(pipes) == 0);
	p = (struct pollfd){ pipes[0], POLLIN, 0 };
	handler(SA_RESTART);
	pid = poke(0);
	EXPECT_ERR(poll(&p, 1, -1), EINTR);
	waitpid(pid, NULL, 0);
	pid = poke(0);
	EXPECT_ERR(select(0, NULL, NULL, NULL, NULL), EINTR);
	waitpid(pid, NULL, 0);
	int ep = epoll_create1(0);
	struct epoll_event ev;
	pid = poke(0);
	EXPECT_ERR(epoll_wait(ep, &ev, 1, -1), EINTR);
	waitpid(pid, NULL, 0);
	close(ep), close(pipes[0]), close(pipes[1]);
}

TEST(nanosleep_reports_the_rest)
{
	struct timespec ts = { 100, 0 }, rem = { 0, 0 };
	pid_t pid;

	handler(SA_RESTART);
	pid = poke(0);
	EXPECT_ERR(nanosleep(&ts, &rem), EINTR);
	CHECK(rem.tv_sec >= 50 && rem.tv_sec <= 100);
	waitpid(pid, NULL, 0);
}

TEST(waitpid_restarts)
{
	pid_t sleeper, helper, me = getpid();
	int st, p[2];
	char c;

	handler(SA_RESTART);
	REQUIRE(pipe(p) == 0);
	sleeper = fork();
	if (sleeper == 0) {
		if (read(p[0], &c, 1) != 1)
			_exit(1);
		_exit(5);
	}
	helper = fork();
	if (helper == 0) {
		WAIT_FOR(t_state(me) == 'S');
		kill(me, SIGUSR1);
		t_msleep(10);
		_exit(write(p[1], "x", 1) != 1);
	}
	EXPECT_EQ(waitpid(sleeper, &st, 0), sleeper);
	EXPECT_EQ(WEXITSTATUS(st), 5);
	EXPECT_EQ(hits, 1);
	waitpid(helper, NULL, 0);
	close(p[0]), close(p[1]);
}

TEST(pause_is_never_restarted)
{
	pid_t pid;

	handler(SA_RESTART);
	pid = poke(0);
	EXPECT_ERR(pause(), EINTR);
	waitpid(pid, NULL, 0);
	EXPECT_EQ(hits, 1);
}

/* Stopping and continuing a sleeping call is not seen by it at all. */
TEST(stop_and_continue_is_silent)
{
	pid_t me = getpid(), pid, st;
	char c = 0;

	REQUIRE(pipe(pipes) == 0);
	pid = fork();
	if (pid == 0) {
		EXPECT_EQ(read(pipes[0], &c, 1), 1);
		_exit(t_bad || c != 'k');
	}
	WAIT_FOR(t_state(pid) == 'S');
	kill(pid, SIGSTOP);
	EXPECT_EQ(waitpid(pid, &st, WUNTRACED), pid);
	kill(pid, SIGCONT);
	WAIT_FOR(t_state(pid) == 'S');
	EXPECT_EQ(write(pipes[1], "k", 1), 1);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(st, 0);
	close(pipes[0]), close(pipes[1]);
}

TEST(ignored_signal_does_not_interrupt)
{
	pid_t pid;
	char c = 0;

	REQUIRE(pipe(pipes) == 0);
	signal(SIGUSR1, SIG_IGN);
	pid = poke(1);
	EXPECT_EQ(read(pipes[0], &c, 1), 1);
	waitpid(pid, NULL, 0);
	signal(SIGUSR1, SIG_DFL);
	close(pipes[0]), close(pipes[1]);
}
