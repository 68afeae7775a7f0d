/* proc_ptrace.c - tracing: attach, stops and their reports, registers and memory, system calls, steps, events, group stops. */
#include "t.h"
#include <elf.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#define EVENT(status) ((status) >> 16)

struct syscall_info {		/* struct ptrace_syscall_info, which the C library hides */
	uint8_t op, pad[3];
	uint32_t arch;
	uint64_t ip, sp;
	uint64_t nr_or_rval, args[6];
};
#define GET_SYSCALL_INFO 0x420e

static bool stopped_by(int status, int sig)
{
	return status != -1 && WIFSTOPPED(status) && WSTOPSIG(status) == sig;
}

static volatile long word = 41;
static volatile int flag;

/* A child that asks to be traced, stops, and then does fn(). It is in that stop when this returns. */
static pid_t traced(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		fn();
		_exit(7);
	}
	if (waitpid(pid, &status, 0) != pid || !stopped_by(status, SIGSTOP))
		return -1;
	return pid;
}

static int next(pid_t pid, int request, long sig)
{
	int status = -1;

	if (ptrace(request, pid, 0, sig) || waitpid(pid, &status, __WALL) != pid)
		return -1;
	return status;
}

static void nothing(void)
{
}

static char proc_state(pid_t pid, int *tracer)
{
	char name[64], line[256], state = '?';
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/status", pid);
	f = fopen(name, "r");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "State: %c", &state);
		sscanf(line, "TracerPid: %d", tracer);
	}
	fclose(f);
	return state;
}

TEST(traceme_and_cont)
{
	int tracer = -1, status;
	siginfo_t si;
	pid_t pid = traced(nothing);

	REQUIRE(pid > 0);
	EXPECT_EQ(proc_state(pid, &tracer), 't');
	EXPECT_EQ(tracer, getpid());
	EXPECT_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	EXPECT_EQ(si.si_signo, SIGSTOP);
	EXPECT_EQ(si.si_pid, pid);
	status = next(pid, PTRACE_CONT, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	EXPECT_ERR(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
}

static void raises_usr1(void)
{
	raise(SIGUSR1);
}

TEST(a_signal_stops_first)
{
	int status;
	pid_t pid = traced(raises_usr1);
	siginfo_t si;

	status = next(pid, PTRACE_CONT, 0);
	CHECK(stopped_by(status, SIGUSR1));
	/* Another one instead of it. */
	EXPECT_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	EXPECT_EQ(si.si_code, SI_TKILL);
	status = next(pid, PTRACE_CONT, SIGTERM);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	/* None. */
	pid = traced(raises_usr1);
	CHECK(stopped_by(next(pid, PTRACE_CONT, 0), SIGUSR1));
	status = next(pid, PTRACE_CONT, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	/* SIGKILL needs no consent. */
	pid = traced(raises_usr1);
	kill(pid, SIGKILL);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void int3(void)
{
	__asm__ volatile("movq $0x1234, %%r12; movq %0, %%rbx; int3; movq %%rbx, %0" : "+m"(word) : : "rbx", "r12");
	_exit(word == 99 ? 0 : 1);
}

TEST(registers_and_memory)
{
	struct user_regs_struct r, again;
	struct user_fpregs_struct fp;
	struct iovec iov = { &again, sizeof(again) };
	static char xstate[16384];
	int status;
	pid_t pid = traced(int3);

	CHECK(stopped_by(next(pid, PTRACE_CONT, 0), SIGTRAP));
	EXPECT_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
	EXPECT_EQ(r.r12, 0x1234);
	EXPECT_EQ(r.rbx, 41);
	EXPECT_EQ(r.cs, 0x33);
	EXPECT_EQ(ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rbx), 0), 41);
	EXPECT_OK(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov));
	EXPECT_EQ(iov.iov_len, sizeof(again));
	CHECK(!memcmp(&r, &again, sizeof(r)));
	EXPECT_EQ(ptrace(PTRACE_PEEKDATA, pid, &word, 0), 41);
	EXPECT_OK(ptrace(PTRACE_POKEDATA, pid, &word, 55));
	EXPECT_EQ(ptrace(PTRACE_PEEKTEXT, pid, &word, 0), 55);
	EXPECT_EQ(word, 41);
	EXPECT_OK(ptrace(PTRACE_GETFPREGS, pid, 0, &fp));
	EXPECT_EQ(fp.mxcsr, 0x1f80);
	iov = (struct iovec){ xstate, sizeof(xstate) };
	if (!ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &iov)) {
		CHECK(iov.iov_len >= 576);
		CHECK(*(uint64_t *)(xstate + 464) & 2);
		EXPECT_OK(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &iov));
	}
	EXPECT_ERR(ptrace(PTRACE_PEEKDATA, pid, 8, 0), EIO);
	EXPECT_ERR(ptrace(PTRACE_PEEKUSER, pid, 3, 0), EIO);
	EXPECT_ERR(ptrace(PTRACE_PEEKUSER, pid, 100000, 0), EIO);
	EXPECT_ERR(ptrace(0x4299, pid, 0, 0), EIO);
	r.rbx = 99;
	EXPECT_OK(ptrace(PTRACE_SETREGS, pid, 0, &r));
	r.cs = 0x10;
	EXPECT_ERR(ptrace(PTRACE_SETREGS, pid, 0, &r), EIO);
	status = next(pid, PTRACE_CONT, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void vector(void)
{
	static const double want[2] = { 2.5, -1 };
	double got[2];

	__asm__ volatile("pxor %%xmm7, %%xmm7; int3; movups %%xmm7, %0" : "=m"(got) : : "xmm7");
	_exit(memcmp(got, want, sizeof(got)) ? 1 : 0);
}

TEST(vector_registers_change)
{
	static const double v[2] = { 2.5, -1 };
	struct user_fpregs_struct fp;
	pid_t pid = traced(vector);

	CHECK(stopped_by(next(pid, PTRACE_CONT, 0), SIGTRAP));
	EXPECT_OK(ptrace(PTRACE_GETFPREGS, pid, 0, &fp));
	memcpy((char *)fp.xmm_space + 7 * 16, v, 16);
	EXPECT_OK(ptrace(PTRACE_SETFPREGS, pid, 0, &fp));
	EXPECT_EQ(next(pid, PTRACE_CONT, 0), 0);
}

__attribute__((noinline)) static int text_to_change(int a)
{
	__asm__ volatile("");
	return a + 1;
}

static void calls_text(void)
{
	_exit(text_to_change(3));
}

TEST(breakpoint_in_text)
{
	unsigned long at = (unsigned long)text_to_change, old;
	struct user_regs_struct r;
	int status;
	pid_t pid = traced(calls_text);

	errno = 0;
	old = ptrace(PTRACE_PEEKTEXT, pid, at, 0);
	EXPECT_OK(ptrace(PTRACE_POKETEXT, pid, at, (old & ~0xffUL) | 0xcc));
	CHECK(stopped_by(next(pid, PTRACE_CONT, 0), SIGTRAP));
	EXPECT_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
	EXPECT_EQ(r.rip, at + 1);
	EXPECT_EQ(r.rdi, 3);
	EXPECT_EQ(text_to_change(1), 2);	/* ours has no breakpoint */
	EXPECT_OK(ptrace(PTRACE_POKETEXT, pid, at, old));
	r.rip = at;
	EXPECT_OK(ptrace(PTRACE_SETREGS, pid, 0, &r));
	status = next(pid, PTRACE_CONT, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
}

static void stepped(void)
{
	__asm__ volatile("int3; nop; nop; nop; movl $39, %%eax; syscall; nop; nop" : : : "rax", "rcx", "r11");
	_exit(3);
}

TEST(single_steps)
{
	struct user_regs_struct r, before;
	siginfo_t si;
	int status;
	pid_t pid = traced(stepped);

	CHECK(stopped_by(next(pid, PTRACE_CONT, 0), SIGTRAP));
	EXPECT_OK(ptrace(PTRACE_GETREGS, pid, 0, &before));
	for (int i = 1; i <= 3; i++) {
		CHECK(stopped_by(next(pid, PTRACE_SINGLESTEP, 0), SIGTRAP));
		EXPECT_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
		EXPECT_EQ(r.rip, before.rip + i);
		CHECK(!(r.eflags & 0x100));
	}
	EXPECT_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	EXPECT_EQ(si.si_code, TRAP_TRACE);
	CHECK(stopped_by(next(pid, PTRACE_SINGLESTEP, 0), SIGTRAP));	/* movl */
	CHECK(stopped_by(next(pid, PTRACE_SINGLESTEP, 0), SIGTRAP));	/* syscall */
	EXPECT_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
	EXPECT_EQ(r.rip, before.rip + 10);
	EXPECT_EQ(r.rax, pid);
	CHECK(stopped_by(next(pid, PTRACE_SINGLESTEP, 0), SIGTRAP));
	EXPECT_OK(ptrace(PTRACE_GETREGS, pid, 0, &r));
	EXPECT_EQ(r.rip, before.rip + 11);
	status = next(pid, PTRACE_CONT, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static void writes_word(void)
{
	flag = 1;
	word = 5;
	flag = 2;
}

TEST(watchpoint)
{
	pid_t pid = traced(writes_word);
	siginfo_t si;
	int status;

	EXPECT_OK(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[0]), &word));
	EXPECT_OK(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 1 | 1 << 16 | 2UL << 18));
	EXPECT_ERR(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[1]), -4096L), EINVAL);
	CHECK(stopped_by(next(pid, PTRACE_CONT, 0), SIGTRAP));
	EXPECT_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	EXPECT_EQ(si.si_code, 4);	/* TRAP_HWBKPT */
	EXPECT_EQ(ptrace(PTRACE_PEEKDATA, pid, &word, 0), 5);
	EXPECT_EQ((int)ptrace(PTRACE_PEEKDATA, pid, &flag, 0), 1);
	EXPECT_EQ(ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[6]), 0) & 15, 1);
	status = next(pid, PTRACE_CONT, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void calls(void)
{
	syscall(SYS_getppid, 1, 2, 3, 4, 5, 6);
	_exit((int)syscall(9999));
}

TEST(system_calls)
{
	struct syscall_info in;
	struct user_regs_struct r;
	int status;
	pid_t pid = traced(calls);
	long n;

	EXPECT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	EXPECT_ERR(ptrace(PTRACE_SETOPTIONS, pid, 0, 1UL << 30), EINVAL);
	do {
		status = next(pid, PTRACE_SYSCALL, 0);
		REQUIRE(stopped_by(status, SIGTRAP | 0x80));
		ptrace(PTRACE_GETREGS, pid, 0, &r);
	} while (r.orig_rax != SYS_getppid);
	EXPECT_EQ(r.rax, -38);
	n = ptrace(GET_SYSCALL_INFO, pid, sizeof(in), &in);
	EXPECT_EQ(n, 80);
	EXPECT_EQ(in.op, 1);
	EXPECT_EQ(in.nr_or_rval, SYS_getppid);
	EXPECT_EQ(in.args[5], 6);
	REQUIRE(stopped_by(next(pid, PTRACE_SYSCALL, 0), SIGTRAP | 0x80));
	n = ptrace(GET_SYSCALL_INFO, pid, sizeof(in), &in);
	EXPECT_EQ(n, 33);
	EXPECT_EQ(in.op, 2);
	EXPECT_EQ(in.nr_or_rval, getpid());
	/* An unknown call, and a result of our own. */
	REQUIRE(stopped_by(next(pid, PTRACE_SYSCALL, 0), SIGTRAP | 0x80));
	ptrace(PTRACE_GETREGS, pid, 0, &r);
	EXPECT_EQ(r.orig_rax, 9999);
	r.orig_rax = -1;
	r.rax = 21;
	EXPECT_OK(ptrace(PTRACE_SETREGS, pid, 0, &r));
	status = next(pid, PTRACE_CONT, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 21);
}

static void forks(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(4);
	waitpid(pid, &status, 0);
	_exit(WEXITSTATUS(status));
}

TEST(fork_and_exit_events)
{
	unsigned long child, code;
	int status;
	pid_t pid = traced(forks);

	EXPECT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT));
	status = next(pid, PTRACE_CONT, 0);
	EXPECT_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_FORK << 8);
	EXPECT_OK(ptrace(PTRACE_GETEVENTMSG, pid, 0, &child));
	EXPECT_EQ(waitpid(child, &status, __WALL), child);
	CHECK(stopped_by(status, SIGSTOP));
	EXPECT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
	status = next(child, PTRACE_CONT, 0);
	EXPECT_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_EXIT << 8);
	EXPECT_OK(ptrace(PTRACE_GETEVENTMSG, child, 0, &code));
	EXPECT_EQ(code, 4 << 8);
	status = next(child, PTRACE_CONT, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
	/* Now its own parent hears of it. */
	do
		EXPECT_EQ(waitpid(pid, &status, 0), pid);
	while (stopped_by(status, SIGCHLD) && !EVENT(status) && !ptrace(PTRACE_CONT, pid, 0, SIGCHLD));
	EXPECT_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_EXIT << 8);
	status = next(pid, PTRACE_CONT, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
}

static void execs(void)
{
	execl("/proc/self/exe", "proc_ptrace", "no_such_case", NULL);
	_exit(99);
}

TEST(exec_stops)
{
	int status;
	pid_t pid = traced(execs);

	status = next(pid, PTRACE_CONT, 0);
	CHECK(stopped_by(status, SIGTRAP));
	EXPECT_EQ(EVENT(status), 0);
	ptrace(PTRACE_KILL, pid, 0, 0);
	waitpid(pid, &status, 0);
	pid = traced(execs);
	EXPECT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC));
	status = next(pid, PTRACE_CONT, 0);
	EXPECT_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_EXEC << 8);
	kill(pid, SIGKILL);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
}

static void *thread_ends(void *arg)
{
	return NULL;
}

static void makes_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, thread_ends, NULL);
	pthread_join(t, NULL);
	_exit(0);
}

TEST(threads_are_waited_for)
{
	unsigned long tid;
	int status;
	pid_t pid = traced(makes_thread);

	EXPECT_OK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE));
	status = next(pid, PTRACE_CONT, 0);
	EXPECT_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_CLONE << 8);
	EXPECT_OK(ptrace(PTRACE_GETEVENTMSG, pid, 0, &tid));
	EXPECT_EQ(waitpid(tid, &status, __WALL), tid);
	CHECK(stopped_by(status, SIGSTOP));
	EXPECT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
	status = next(tid, PTRACE_CONT, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	EXPECT_ERR(waitpid(-1, &status, __WALL), ECHILD);
}

static pid_t runner(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			usleep(1000);
	return pid;
}

TEST(attach_and_detach)
{
	int status, tracer = -1;
	pid_t pid = runner();

	EXPECT_ERR(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
	EXPECT_OK(ptrace(PTRACE_ATTACH, pid, 0, 0));
	EXPECT_ERR(ptrace(PTRACE_ATTACH, pid, 0, 0), EPERM);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	CHECK(stopped_by(status, SIGSTOP));
	EXPECT_OK(ptrace(PTRACE_DETACH, pid, 0, 0));
	proc_state(pid, &tracer);
	EXPECT_EQ(tracer, 0);
	EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
	/* One that is stopped already. */
	kill(pid, SIGSTOP);
	EXPECT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	EXPECT_OK(ptrace(PTRACE_ATTACH, pid, 0, 0));
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	CHECK(stopped_by(status, SIGSTOP));
	kill(pid, SIGKILL);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	EXPECT_ERR(ptrace(PTRACE_ATTACH, pid, 0, 0), ESRCH);
	EXPECT_ERR(ptrace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
}

TEST(seize_interrupt_listen)
{
	siginfo_t si;
	int status;
	pid_t pid = runner();

	EXPECT_ERR(ptrace(PTRACE_SEIZE, pid, 1, 0), EIO);
	EXPECT_OK(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD));
	EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
	EXPECT_OK(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_STOP << 8);
	EXPECT_OK(ptrace(PTRACE_CONT, pid, 0, 0));
	/* A stop of the group: the signal first, then the group's stop, which says so. */
	kill(pid, SIGSTOP);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	CHECK(stopped_by(status, SIGSTOP) && !EVENT(status));
	status = next(pid, PTRACE_CONT, SIGSTOP);
	EXPECT_EQ(status >> 8, SIGSTOP | PTRACE_EVENT_STOP << 8);
	EXPECT_OK(ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	EXPECT_OK(ptrace(PTRACE_LISTEN, pid, 0, 0));
	EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
	EXPECT_ERR(ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
	kill(pid, SIGCONT);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status >> 8, SIGTRAP | PTRACE_EVENT_STOP << 8);
	status = next(pid, PTRACE_CONT, 0);
	CHECK(stopped_by(status, SIGCONT));
	EXPECT_OK(ptrace(PTRACE_DETACH, pid, 0, 0));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

TEST(a_dead_tracer_lets_go)
{
	int status, fds[2], tracer = -1;
	pid_t pid = runner(), boss;
	char c;

	REQUIRE(pipe(fds) == 0);
	boss = fork();
	if (!boss) {
		ptrace(PTRACE_ATTACH, pid, 0, 0);
		waitpid(pid, &status, 0);
		_exit(write(fds[1], "x", 1) != 1);
	}
	EXPECT_EQ(read(fds[0], &c, 1), 1);
	EXPECT_EQ(waitpid(boss, &status, 0), boss);
	EXPECT_EQ(status, 0);
	CHECK(proc_state(pid, &tracer) != 't');
	EXPECT_EQ(tracer, 0);
	/* With EXITKILL it takes what it traced along. */
	boss = fork();
	if (!boss)
		_exit(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL) != 0);
	EXPECT_EQ(waitpid(boss, &status, 0), boss);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(fds[0]), close(fds[1]);
}

TEST(others_need_the_right)
{
	int status;
	pid_t pid, other;

	if (geteuid())
		SKIP("needs root");
	pid = runner();
	other = fork();
	if (!other) {
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(3);
		_exit(ptrace(PTRACE_ATTACH, pid, 0, 0) == -1 && errno == EPERM &&
		      ptrace(PTRACE_SEIZE, pid, 0, 0) == -1 && errno == EPERM ? 0 : 1);
	}
	waitpid(other, &status, 0);
	EXPECT_EQ(status, 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}
