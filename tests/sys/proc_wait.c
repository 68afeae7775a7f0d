/* proc_wait.c - wait4, waitid, stop and continue, orphans, zombies. */
#include "t.h"
#include <sys/prctl.h>

static pid_t spawn_exit(int code)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(code);
	return pid;
}

static pid_t spawn_pause(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

TEST(statuses)
{
	int st;
	pid_t pid = spawn_exit(255);

	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFEXITED(st) && WEXITSTATUS(st) == 255);
	pid = spawn_pause();
	kill(pid, SIGTERM);
	EXPECT_EQ(wait(&st), pid);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM && !WCOREDUMP(st));
	EXPECT_EQ(st, SIGTERM);
}

TEST(exit_code_is_masked)
{
	int st;
	pid_t pid = fork();

	if (pid == 0)
		syscall(SYS_exit_group, 0x1234);
	waitpid(pid, &st, 0);
	EXPECT_EQ(st, 0x3400);
}

TEST(nohang)
{
	int st = 77;
	pid_t pid = spawn_pause();

	EXPECT_EQ(waitpid(pid, &st, WNOHANG), 0);
	EXPECT_EQ(st, 77);
	kill(pid, SIGKILL);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(st, SIGKILL);
	EXPECT_ERR(waitpid(pid, &st, WNOHANG), ECHILD);
}

TEST(stop_and_continue)
{
	int st;
	pid_t pid = spawn_pause();

	kill(pid, SIGSTOP);
	EXPECT_EQ(waitpid(pid, &st, WUNTRACED), pid);
	CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGSTOP);
	EXPECT_EQ(t_state(pid), 'T');
	EXPECT_EQ(waitpid(pid, &st, WUNTRACED | WNOHANG), 0);
	kill(pid, SIGCONT);
	EXPECT_EQ(waitpid(pid, &st, WCONTINUED), pid);
	CHECK(WIFCONTINUED(st));
	EXPECT_EQ(waitpid(pid, &st, WCONTINUED | WNOHANG), 0);
	kill(pid, SIGSTOP);
	EXPECT_EQ(waitpid(pid, &st, WUNTRACED), pid);
	kill(pid, SIGKILL);	/* kills a stopped one, too */
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFSIGNALED(st));
}

TEST(waitid_variants)
{
	siginfo_t si = { 0 };
	pid_t pid = spawn_exit(9);

	EXPECT_OK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	CHECK(si.si_pid == pid && si.si_code == CLD_EXITED && si.si_status == 9 && si.si_signo == SIGCHLD);
	memset(&si, 0, sizeof(si));
	EXPECT_OK(waitid(P_ALL, 0, &si, WEXITED));
	EXPECT_EQ(si.si_pid, pid);
	EXPECT_ERR(waitid(P_ALL, 0, &si, WEXITED), ECHILD);
	pid = spawn_pause();
	si.si_pid = 1;
	EXPECT_OK(waitid(P_PID, pid, &si, WEXITED | WNOHANG));
	EXPECT_EQ(si.si_pid, 0);
	kill(pid, SIGSTOP);
	EXPECT_OK(waitid(P_PID, pid, &si, WSTOPPED));
	CHECK(si.si_code == CLD_STOPPED && si.si_status == SIGSTOP);
	kill(pid, SIGCONT);
	EXPECT_OK(waitid(P_PID, pid, &si, WCONTINUED));
	CHECK(si.si_code == CLD_CONTINUED && si.si_status == SIGCONT);
	kill(pid, SIGKILL);
	EXPECT_OK(waitid(P_PGID, getpgrp(), &si, WEXITED));
	CHECK(si.si_code == CLD_KILLED && si.si_status == SIGKILL);
}

TEST(errnos)
{
	siginfo_t si;
	int st;

	EXPECT_ERR(waitpid(-1, &st, 0), ECHILD);
	EXPECT_ERR(waitpid(1, &st, 0), ECHILD);
	EXPECT_ERR(waitpid(-1, &st, 0x10000000), EINVAL);
	EXPECT_ERR(waitid(P_ALL, 0, &si, 0), EINVAL);
	EXPECT_ERR(waitid(77, 0, &si, WEXITED), EINVAL);
	EXPECT_ERR(waitid(P_PID, 0, &si, WEXITED), EINVAL);
	pid_t pid = spawn_exit(0);
	EXPECT_ERR(waitpid(pid, (void *)8, 0), EFAULT);
	waitpid(pid, NULL, 0);
}

TEST(by_group)
{
	int st;
	pid_t a = spawn_pause(), b = spawn_pause();

	setpgid(a, a);
	kill(a, SIGKILL), kill(b, SIGKILL);
	EXPECT_EQ(waitpid(0, &st, 0), b);
	EXPECT_EQ(waitpid(-a, &st, 0), a);
	EXPECT_ERR(waitpid(-a, &st, 0), ECHILD);
}

TEST(zombie_until_waited)
{
	pid_t pid = spawn_exit(0);

	WAIT_FOR(t_state(pid) == 'Z');
	EXPECT_OK(kill(pid, 0));
	EXPECT_OK(kill(pid, SIGKILL));
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	EXPECT_ERR(kill(pid, 0), ESRCH);
}

TEST(ignored_sigchld_reaps)
{
	signal(SIGCHLD, SIG_IGN);
	spawn_exit(0);
	spawn_exit(1);
	EXPECT_ERR(wait(NULL), ECHILD);
	signal(SIGCHLD, SIG_DFL);
	struct sigaction sa = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
	sigaction(SIGCHLD, &sa, NULL);
	spawn_exit(0);
	EXPECT_ERR(wait(NULL), ECHILD);
	signal(SIGCHLD, SIG_DFL);
}

static int orphan_maker(void *arg)
{
	int *out = arg;
	pid_t old = getpid();

	if (fork() == 0) {
		int v;

		while (getppid() == old)
			t_msleep(1);
		v = getppid();
		_exit(write(out[1], &v, sizeof(v)) != sizeof(v));
	}
	return 0;
}

TEST(orphan_goes_to_the_subreaper)
{
	int p[2], parent = 0, st;

	REQUIRE(pipe(p) == 0);
	EXPECT_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	CHILD_EXITS(orphan_maker, p, 0);
	EXPECT_EQ(read(p[0], &parent, sizeof(parent)), sizeof(parent));
	EXPECT_EQ(parent, getpid());
	CHECK(wait(&st) > 0);
	EXPECT_EQ(st, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	close(p[0]), close(p[1]);
}

TEST(orphan_goes_to_init)
{
	int p[2], parent = 0;

	REQUIRE(pipe(p) == 0);
	CHILD_EXITS(orphan_maker, p, 0);
	EXPECT_EQ(read(p[0], &parent, sizeof(parent)), sizeof(parent));
	CHECK(parent != getpid() && parent > 0);
	EXPECT_ERR(wait(NULL), ECHILD);
	close(p[0]), close(p[1]);
}

TEST(rusage_of_children)
{
	struct rusage ru, all;
	int st;
	pid_t pid = fork();

	if (pid == 0) {
		char *p = t_anon(1000);
		memset(p, 1, 1000 * PG);
		_exit(0);
	}
	EXPECT_EQ(wait4(pid, &st, 0, &ru), pid);
	CHECK(ru.ru_maxrss >= 4000);
	CHECK(ru.ru_minflt >= 900);
	EXPECT_OK(getrusage(RUSAGE_CHILDREN, &all));
	CHECK(all.ru_maxrss >= 4000);
	CHECK(all.ru_minflt >= ru.ru_minflt);
}

TEST(pdeathsig)
{
	int p[2];
	char c = 0;

	REQUIRE(pipe(p) == 0);
	if (fork() == 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(p[0]);
			if (write(p[1], "r", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		close(p[1]);
		_exit(read(p[0], &c, 1) != 1);
	}
	close(p[1]);
	wait(NULL);
	/* The grandchild held the last write end: end of file says that it is gone. */
	EXPECT_EQ(read(p[0], &c, 1), 0);
	close(p[0]);
}

static void nothing(int sig)
{
}

TEST(interrupted_by_a_signal)
{
	struct sigaction sa = { .sa_handler = nothing };
	pid_t me = getpid(), helper, child = spawn_pause();

	sigaction(SIGUSR1, &sa, NULL);
	helper = fork();
	if (helper == 0) {
		WAIT_FOR(t_state(me) == 'S');
		kill(me, SIGUSR1);
		_exit(0);
	}
	EXPECT_ERR(waitpid(child, NULL, 0), EINTR);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	waitpid(helper, NULL, 0);
	signal(SIGUSR1, SIG_DFL);
}
