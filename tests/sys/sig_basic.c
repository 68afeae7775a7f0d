/* sig_basic.c - actions, masks, siginfo, queues, nesting, waiting for signals. */
#include "t.h"
#include <pthread.h>
#include <sys/signalfd.h>
#include <ucontext.h>

static volatile int hits, last_sig, last_code, last_value;
static volatile pid_t last_pid;

static void on(int sig, siginfo_t *si, void *uc)
{
	hits++;
	last_sig = sig, last_code = si->si_code, last_pid = si->si_pid, last_value = si->si_value.sival_int;
}

static void catch(int sig, int flags)
{
	struct sigaction sa = { .sa_sigaction = on, .sa_flags = SA_SIGINFO | flags };

	hits = last_sig = last_code = last_pid = last_value = 0;
	sigaction(sig, &sa, NULL);
}

static sigset_t set_of(int a, int b)
{
	sigset_t s;

	sigemptyset(&s);
	if (a)
		sigaddset(&s, a);
	if (b)
		sigaddset(&s, b);
	return s;
}

TEST(kill_self)
{
	catch(SIGUSR1, 0);
	EXPECT_OK(kill(getpid(), SIGUSR1));
	EXPECT_EQ(hits, 1);
	CHECK(last_sig == SIGUSR1 && last_code == SI_USER && last_pid == getpid());
	EXPECT_OK(raise(SIGUSR1));
	EXPECT_EQ(hits, 2);
	CHECK(last_code == SI_TKILL);
	signal(SIGUSR1, SIG_DFL);
}

TEST(sigaction_errnos)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };

	EXPECT_ERR(sigaction(SIGKILL, &sa, NULL), EINVAL);
	EXPECT_ERR(sigaction(SIGSTOP, &sa, NULL), EINVAL);
	EXPECT_ERR(sigaction(65, &sa, NULL), EINVAL);
	EXPECT_ERR(syscall(SYS_rt_sigaction, 0, &sa, NULL, 8), EINVAL);
	EXPECT_ERR(syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8), EFAULT);
	EXPECT_ERR(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4), EINVAL);
	EXPECT_OK(sigaction(SIGKILL, NULL, &sa));
	CHECK(sa.sa_handler == SIG_DFL);
}

TEST(kill_errnos)
{
	EXPECT_ERR(kill(getpid(), 65), EINVAL);
	EXPECT_ERR(kill(getpid(), -1), EINVAL);
	EXPECT_ERR(kill(0x3fffffff, 0), ESRCH);
	EXPECT_ERR(kill(-0x3fffffff, 0), ESRCH);
	EXPECT_OK(kill(getpid(), 0));
	EXPECT_ERR(syscall(SYS_tgkill, getpid(), 0x3fffffff, 0), ESRCH);
	EXPECT_ERR(syscall(SYS_tgkill, -1, getpid(), 0), EINVAL);
	EXPECT_ERR(syscall(SYS_tkill, 0, SIGUSR1), EINVAL);
}

TEST(blocked_then_pending_then_delivered)
{
	sigset_t s = set_of(SIGUSR1, SIGUSR2), p;

	catch(SIGUSR1, 0);
	sigprocmask(SIG_BLOCK, &s, NULL);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);	/* a second one of a standard signal is lost */
	EXPECT_EQ(hits, 0);
	sigpending(&p);
	CHECK(sigismember(&p, SIGUSR1) && !sigismember(&p, SIGUSR2));
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	EXPECT_EQ(hits, 1);
	sigpending(&p);
	CHECK(!sigismember(&p, SIGUSR1));
	signal(SIGUSR1, SIG_DFL);
}

TEST(realtime_queue_in_order)
{
	sigset_t s = set_of(SIGRTMIN, SIGRTMIN + 1);
	siginfo_t si;
	struct timespec zero = { 0, 0 };

	sigprocmask(SIG_BLOCK, &s, NULL);
	for (int i = 0; i < 5; i++)
		EXPECT_OK(sigqueue(getpid(), SIGRTMIN + (i & 1), (union sigval){ .sival_int = i }));
	for (int i = 0; i < 5; i++) {
		static const int order[] = { 0, 2, 4, 1, 3 };

		CHECK(sigtimedwait(&s, &si, &zero) == SIGRTMIN + (order[i] & 1));
		EXPECT_EQ(si.si_value.sival_int, order[i]);
		EXPECT_EQ(si.si_code, SI_QUEUE);
		EXPECT_EQ(si.si_pid, getpid());
	}
	EXPECT_ERR(sigtimedwait(&s, &si, &zero), EAGAIN);
	sigprocmask(SIG_UNBLOCK, &s, NULL);
}

TEST(sigqueue_limit)
{
	struct rlimit old, lim;
	sigset_t s = set_of(SIGRTMIN, 0);
	struct timespec zero = { 0, 0 };
	int r = 0, n = 0;

	getrlimit(RLIMIT_SIGPENDING, &old);
	lim = old;
	lim.rlim_cur = 5;
	setrlimit(RLIMIT_SIGPENDING, &lim);
	sigprocmask(SIG_BLOCK, &s, NULL);
	for (int i = 0; i < 20 && !r; i++) {
		r = sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 });
		n += !r;
	}
	CHECK(r == -1 && errno == EAGAIN && n <= 5);
	setrlimit(RLIMIT_SIGPENDING, &old);
	while (sigtimedwait(&s, NULL, &zero) > 0)
		;
	sigprocmask(SIG_UNBLOCK, &s, NULL);
}

TEST(rt_sigqueueinfo_cannot_forge)
{
	siginfo_t si = { .si_signo = SIGUSR1, .si_code = SI_USER };
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	EXPECT_ERR(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si), EPERM);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static volatile int depth, max_depth, runs;

static void nest(int sig)
{
	depth++;
	if (depth > max_depth)
		max_depth = depth;
	if (sig == SIGUSR1)
		raise(SIGUSR2);
	if (++runs < 4 && sig == SIGUSR2)
		raise(SIGUSR2);
	depth--;
}

TEST(nested_handlers_and_masks)
{
	struct sigaction sa = { .sa_handler = nest };

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	max_depth = runs = 0;
	raise(SIGUSR1);
	EXPECT_EQ(max_depth, 2);	/* USR2 is blocked in its own handler, so it runs again behind */
	sa.sa_flags = SA_NODEFER;
	sigaction(SIGUSR2, &sa, NULL);
	max_depth = runs = 0;
	raise(SIGUSR2);
	EXPECT_EQ(max_depth, 4);
	sa.sa_flags = 0;
	sigaction(SIGUSR2, &sa, NULL);
	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &sa, NULL);
	max_depth = runs = 0;
	raise(SIGUSR1);
	EXPECT_EQ(max_depth, 1);
	signal(SIGUSR1, SIG_DFL), signal(SIGUSR2, SIG_DFL);
}

TEST(resethand)
{
	struct sigaction sa;

	catch(SIGUSR1, SA_RESETHAND);
	raise(SIGUSR1);
	EXPECT_EQ(hits, 1);
	sigaction(SIGUSR1, NULL, &sa);
	CHECK(sa.sa_handler == SIG_DFL);
}

TEST(sigsuspend_waits)
{
	sigset_t block = set_of(SIGUSR1, 0), none = set_of(0, 0);
	pid_t me = getpid(), pid;

	catch(SIGUSR1, 0);
	sigprocmask(SIG_BLOCK, &block, NULL);
	pid = fork();
	if (pid == 0) {
		WAIT_FOR(t_state(me) == 'S');
		kill(me, SIGUSR1);
		_exit(0);
	}
	EXPECT_ERR(sigsuspend(&none), EINTR);
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(last_pid, pid);
	sigset_t now;
	sigprocmask(0, NULL, &now);
	CHECK(sigismember(&now, SIGUSR1));
	waitpid(pid, NULL, 0);
	sigprocmask(SIG_UNBLOCK, &block, NULL);
	signal(SIGUSR1, SIG_DFL);
}

TEST(sigtimedwait_from_child)
{
	sigset_t s = set_of(SIGUSR1, SIGCHLD);
	struct timespec ts = { 20, 0 }, little = { 0, 1000000 };
	siginfo_t si;
	pid_t me = getpid(), pid;

	sigprocmask(SIG_BLOCK, &s, NULL);
	EXPECT_ERR(sigtimedwait(&s, &si, &little), EAGAIN);
	pid = fork();
	if (pid == 0)
		_exit(kill(me, SIGUSR1));
	EXPECT_EQ(sigtimedwait(&s, &si, &ts), SIGUSR1);
	EXPECT_EQ(si.si_pid, pid);
	EXPECT_EQ(sigtimedwait(&s, &si, &ts), SIGCHLD);
	CHECK(si.si_pid == pid && si.si_code == CLD_EXITED && si.si_status == 0);
	waitpid(pid, NULL, 0);
	ts.tv_nsec = -1;
	EXPECT_ERR(sigtimedwait(&s, &si, &ts), EINVAL);
	sigprocmask(SIG_UNBLOCK, &s, NULL);
}

TEST(sigwait_in_thread_mask_is_per_thread)
{
	sigset_t s = set_of(SIGUSR2, 0), old, now;

	pthread_sigmask(SIG_BLOCK, &s, &old);
	pthread_sigmask(0, NULL, &now);
	CHECK(sigismember(&now, SIGUSR2));
	int sig = 0;
	pthread_kill(pthread_self(), SIGUSR2);
	EXPECT_EQ(sigwait(&s, &sig), 0);
	EXPECT_EQ(sig, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

TEST(signalfd_reads)
{
	sigset_t s = set_of(SIGUSR1, SIGRTMIN);
	struct signalfd_siginfo fi[2];
	int fd;

	sigprocmask(SIG_BLOCK, &s, NULL);
	fd = signalfd(-1, &s, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0 && errno == ENOSYS)
		SKIP("no signalfd");
	REQUIRE(fd >= 0);
	EXPECT_ERR(read(fd, fi, sizeof(fi)), EAGAIN);
	kill(getpid(), SIGUSR1);
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 88 });
	EXPECT_EQ(read(fd, fi, sizeof(fi)), sizeof(fi));
	CHECK(fi[0].ssi_signo == SIGUSR1 && fi[0].ssi_pid == (unsigned)getpid());
	CHECK(fi[1].ssi_signo == (unsigned)SIGRTMIN && fi[1].ssi_int == 88);
	EXPECT_ERR(read(fd, fi, 10), EINVAL);
	close(fd);
	sigprocmask(SIG_UNBLOCK, &s, NULL);
}

TEST(ignored_and_default_ignored)
{
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	raise(SIGCHLD);
	raise(SIGWINCH);
	raise(SIGURG);
	signal(SIGUSR1, SIG_DFL);
}

static int die(void *arg)
{
	raise((long)arg);
	return 0;
}

TEST(default_actions)
{
	static const int fatal[] = { SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGUSR1,
				     SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ,
				     SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSYS };

	for (unsigned i = 0; i < ARRAY_LEN(fatal); i++)
		CHILD_DIES(die, (void *)(long)fatal[i], fatal[i]);
	CHILD_DIES(die, (void *)(long)SIGRTMAX, SIGRTMAX);
}

static int inherits(void *arg)
{
	struct sigaction sa;
	sigset_t m;

	sigaction(SIGUSR1, NULL, &sa);
	sigprocmask(0, NULL, &m);
	CHECK((void *)sa.sa_sigaction == (void *)on);
	CHECK(sigismember(&m, SIGUSR2));
	sigpending(&m);
	CHECK(!sigismember(&m, SIGUSR2));	/* pending ones are not inherited */
	return 0;
}

TEST(fork_inherits_actions_and_mask)
{
	sigset_t s = set_of(SIGUSR2, 0);

	catch(SIGUSR1, 0);
	sigprocmask(SIG_BLOCK, &s, NULL);
	raise(SIGUSR2);
	CHILD_EXITS(inherits, NULL, 0);
	signal(SIGUSR2, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	signal(SIGUSR1, SIG_DFL), signal(SIGUSR2, SIG_DFL);
}

TEST(kill_a_group)
{
	int st, n = 0;
	pid_t first = 0, pid;

	for (int i = 0; i < 3; i++) {
		pid = fork();
		if (pid == 0)
			for (;;)
				pause();
		if (!first)
			first = pid;
		setpgid(pid, first);
	}
	EXPECT_OK(kill(-first, SIGTERM));
	while (waitpid(-first, &st, 0) > 0)
		n += st == SIGTERM;
	EXPECT_EQ(n, 3);
}

static int to_root(void *arg)
{
	if (setgid(65534) || setuid(65534))
		return 77;
	EXPECT_ERR(kill(getppid(), SIGTERM), EPERM);
	EXPECT_ERR(kill(1, 0), EPERM);
	EXPECT_OK(kill(getpid(), 0));
	return 0;
}

TEST(permission)
{
	if (geteuid())
		SKIP("needs root to become nobody");
	CHILD_EXITS(to_root, NULL, 0);
}

TEST(directed_to_a_thread)
{
	catch(SIGUSR1, 0);
	EXPECT_OK(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1));
	EXPECT_EQ(hits, 1);
	EXPECT_EQ(last_code, SI_TKILL);
	signal(SIGUSR1, SIG_DFL);
}

TEST(thousand_signals)
{
	catch(SIGUSR1, 0);
	for (int i = 0; i < 1000; i++)
		raise(SIGUSR1);
	EXPECT_EQ(hits, 1000);
	signal(SIGUSR1, SIG_DFL);
}
