/* proc_fork.c - fork, vfork, clone, clone3: what is copied, what is shared, what fails. */
#include "t.h"
#include <linux/sched.h>
#include <sched.h>

TEST(fork_returns_twice)
{
	pid_t me = getpid(), pid = fork();
	int st;

	if (pid == 0)
		_exit(getppid() == me && getpid() != me ? 42 : 1);
	REQUIRE(pid > 0);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(WEXITSTATUS(st), 42);
}

TEST(files_share_the_offset)
{
	int fd = t_file("f", 100);
	pid_t pid;

	lseek(fd, 0, SEEK_SET);
	pid = fork();
	if (pid == 0) {
		lseek(fd, 55, SEEK_SET);
		close(fd);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 55);
	close(fd);
}

static volatile int vfork_mark;

TEST(vfork_shares_memory_and_waits)
{
	int st;
	pid_t pid;

	vfork_mark = 0;
	pid = vfork();
	if (pid == 0) {
		vfork_mark = 7;
		_exit(3);
	}
	EXPECT_EQ(vfork_mark, 7);
	waitpid(pid, &st, 0);
	EXPECT_EQ(WEXITSTATUS(st), 3);
}

TEST(vfork_ends_at_exec)
{
	int pipes[2], st;
	pid_t pid;
	char c;

	REQUIRE(pipe(pipes) == 0);
	pid = vfork();
	if (pid == 0) {
		dup2(pipes[0], 0);
		close(pipes[0]), close(pipes[1]);
		execl("/proc/self/exe", "self", "no-such-case", NULL);
		_exit(9);
	}
	CHECK(pid > 0);
	close(pipes[0]), close(pipes[1]);
	waitpid(pid, &st, 0);
	EXPECT_EQ(st, 0);
}

static int shared_value;
static char clone_stack[65536] __attribute__((aligned(16)));

static int clone_fn(void *arg)
{
	shared_value = 5;
	if (arg)
		close(*(int *)arg);
	return 12;
}

TEST(clone_vm_and_files)
{
	int fd = t_file("f", 10), st;
	pid_t pid;

	shared_value = 0;
	pid = clone(clone_fn, clone_stack + sizeof(clone_stack), CLONE_VM | CLONE_FILES | SIGCHLD, &fd);
	REQUIRE(pid > 0);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(WEXITSTATUS(st), 12);
	EXPECT_EQ(shared_value, 5);
	EXPECT_ERR(fcntl(fd, F_GETFD), EBADF);
}

TEST(clone_without_vm)
{
	int fd = t_file("f", 10), st;
	pid_t pid;

	shared_value = 0;
	pid = clone(clone_fn, clone_stack + sizeof(clone_stack), SIGCHLD, &fd);
	waitpid(pid, &st, 0);
	EXPECT_EQ(shared_value, 0);
	EXPECT_OK(fcntl(fd, F_GETFD));
	close(fd);
}

static int chdir_fn(void *arg)
{
	umask(012);
	return chdir("/") ? 1 : 0;
}

TEST(clone_fs_shares_cwd_and_umask)
{
	char before[PATH_MAX], after[PATH_MAX];
	mode_t old = umask(022);
	pid_t pid;

	REQUIRE(getcwd(before, sizeof(before)));
	pid = clone(chdir_fn, clone_stack + sizeof(clone_stack), CLONE_FS | SIGCHLD, NULL);
	waitpid(pid, NULL, 0);
	CHECK(!strcmp(getcwd(after, sizeof(after)), "/"));
	EXPECT_EQ(umask(old), 012);
	EXPECT_OK(chdir(before));
	pid = clone(chdir_fn, clone_stack + sizeof(clone_stack), SIGCHLD, NULL);
	waitpid(pid, NULL, 0);
	CHECK(!strcmp(getcwd(after, sizeof(after)), before));
}

TEST(clone_tids)
{
	int ptid = 0, ctid = 0, st;
	pid_t pid;

	pid = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &ptid, &ctid, 0);
	if (pid == 0)
		_exit(ctid == getpid() && ctid == gettid() ? 0 : 1);
	EXPECT_EQ(ptid, pid);
	EXPECT_EQ(ctid, 0);
	waitpid(pid, &st, 0);
	EXPECT_EQ(st, 0);
}

TEST(exit_signal)
{
	sigset_t s;
	int st;
	siginfo_t si;
	struct timespec ts = { 10, 0 };
	pid_t pid;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	pid = clone(clone_fn, clone_stack + sizeof(clone_stack), SIGUSR1, NULL);
	EXPECT_EQ(sigtimedwait(&s, &si, &ts), SIGUSR1);
	EXPECT_EQ(si.si_pid, pid);
	EXPECT_EQ(si.si_code, CLD_EXITED);
	EXPECT_EQ(si.si_status, 12);
	EXPECT_ERR(waitpid(pid, &st, 0), ECHILD);
	EXPECT_EQ(waitpid(pid, &st, __WCLONE), pid);
	pid = clone(clone_fn, clone_stack + sizeof(clone_stack), 0, NULL);
	EXPECT_EQ(waitpid(pid, &st, __WALL), pid);
	sigprocmask(SIG_UNBLOCK, &s, NULL);
}

TEST(clone3_basic)
{
	struct clone_args a = { .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &a, sizeof(a));
	int st;

	if (pid == 0)
		_exit(21);
	if (pid < 0 && errno == ENOSYS)
		SKIP("no clone3");
	REQUIRE(pid > 0);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(WEXITSTATUS(st), 21);
}

TEST(clone_errnos)
{
	struct clone_args a = { .exit_signal = SIGCHLD };
	char big[8192];

	EXPECT_ERR(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
	EXPECT_ERR(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
	EXPECT_ERR(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
	EXPECT_ERR(syscall(SYS_clone3, &a, 8), EINVAL);
	EXPECT_ERR(syscall(SYS_clone3, (void *)8, sizeof(a)), EFAULT);
	memset(big, 0, sizeof(big));
	EXPECT_ERR(syscall(SYS_clone3, big, sizeof(big)), E2BIG);
	a.flags = 1ULL << 60;
	EXPECT_ERR(syscall(SYS_clone3, &a, sizeof(a)), EINVAL);
	a.flags = 0;
	a.stack = 4096;
	EXPECT_ERR(syscall(SYS_clone3, &a, sizeof(a)), EINVAL);
}

TEST(many_in_turn)
{
	int st;

	for (int i = 0; i < 60; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(i);
		if (waitpid(pid, &st, 0) != pid || WEXITSTATUS(st) != i)
			REQUIRE(!"status");
	}
}

TEST(many_at_once)
{
	int st, n = 0, sum = 0;

	for (int i = 0; i < 30; i++)
		if (fork() == 0)
			_exit(i);
	while (wait(&st) > 0)
		n++, sum += WEXITSTATUS(st);
	EXPECT_EQ(n, 30);
	EXPECT_EQ(sum, 29 * 30 / 2);
	EXPECT_EQ(errno, ECHILD);
}

static int nproc_child(void *a)
{
	struct rlimit lim = { 0, 0 };

	if (setgid(12345) || setuid(12345))
		return 77;
	setrlimit(RLIMIT_NPROC, &lim);
	EXPECT_ERR(fork(), EAGAIN);
	return 0;
}

TEST(rlimit_nproc)
{
	if (geteuid())
		SKIP("needs root to change the user");
	CHILD_EXITS(nproc_child, NULL, 0);
}

/* Vector registers are the child's, too; the C library saves none of them, so only assembler can tell. */
TEST(vector_registers_are_inherited)
{
	uint64_t want[2] = { 0x1122334455667788, 0x99aabbccddeeff00 }, got[2] = { 0, 0 };
	long pid = SYS_fork;
	int status;

	__asm__ volatile("movups %2, %%xmm7; syscall; movups %%xmm7, %1" : "+a"(pid), "=m"(got) : "m"(want) : "rcx", "r11", "memory", "xmm7");
	if (!pid)
		_exit(memcmp(got, want, sizeof(got)) != 0);
	waitpid((pid_t)pid, &status, 0);
	EXPECT_EQ(status, 0);
	CHECK(!memcmp(got, want, sizeof(got)));
}
