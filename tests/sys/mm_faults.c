/* mm_faults.c - bad accesses: the signal, si_code and si_addr that Linux gives for each. */
#include "t.h"

static int null_read(void *a)
{
	t_do_read(NULL);
	return 0;
}
static int wild_jump(void *a)
{
	t_do_exec((void *)0x10);
	return 0;
}
static int ud2(void *a)
{
	__asm__ volatile("ud2");
	return 0;
}
static int div0(void *a)
{
	volatile int z = 0;
	return 5 / z;
}
static void do_ud2(void *a)
{
	__asm__ volatile("ud2");
}
static void do_div0(void *a)
{
	volatile int z = 0;
	z = 5 / z;
}
static void do_int3(void *a)
{
	__asm__ volatile("int3");
}

TEST(default_action_kills)
{
	CHILD_DIES(null_read, NULL, SIGSEGV);
	CHILD_DIES(wild_jump, NULL, SIGSEGV);
	CHILD_DIES(ud2, NULL, SIGILL);
	CHILD_DIES(div0, NULL, SIGFPE);
}

TEST(unmapped)
{
	char *p = t_anon(1);

	munmap(p, PG);
	FAULT_EQ(READ_OF(p + 123), SIGSEGV, SEGV_MAPERR, p + 123);
	FAULT_EQ(WRITE_OF(p + 123), SIGSEGV, SEGV_MAPERR, p + 123);
	FAULT_EQ(EXEC_OF(p + 123), SIGSEGV, SEGV_MAPERR, p + 123);
}

TEST(kernel_half)
{
	void *a = (void *)0xffff888000000000UL, *b = (void *)0xffffffff81000000UL;
	struct t_fault f;

	f = READ_OF(a);
	CHECK(f.sig == SIGSEGV && f.code == SEGV_MAPERR && f.addr == a);
	f = WRITE_OF(b);
	CHECK(f.sig == SIGSEGV && f.code == SEGV_MAPERR && f.addr == b);
	f = EXEC_OF(b);
	CHECK(f.sig == SIGSEGV && f.code == SEGV_MAPERR && f.addr == b);
}

TEST(non_canonical)
{
	/* A general protection fault: no address, SI_KERNEL. */
	FAULT_EQ(READ_OF(0x8000000000000000UL), SIGSEGV, SI_KERNEL, 0);
	FAULT_EQ(WRITE_OF(0x1234567812345678UL), SIGSEGV, SI_KERNEL, 0);
}

TEST(execute_data)
{
	static char code[16] = { (char)0xc3 };

	FAULT_EQ(EXEC_OF(code), SIGSEGV, SEGV_ACCERR, code);
}

TEST(write_text)
{
	FAULT_EQ(WRITE_OF((void *)t_do_read), SIGSEGV, SEGV_ACCERR, (void *)t_do_read);
}

TEST(illegal_and_arithmetic)
{
	struct t_fault f = t_try(do_ud2, NULL);

	CHECK(f.sig == SIGILL && f.code == ILL_ILLOPN);
	f = t_try(do_div0, NULL);
	CHECK(f.sig == SIGFPE && f.code == FPE_INTDIV && f.addr);
	f = t_try(do_int3, NULL);
	CHECK(f.sig == SIGTRAP && f.code == SI_KERNEL);
}

/* Registers in the handler's context are the program's: change one and go on behind the fault. */
static void skip_load(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	CHECK(uc->uc_mcontext.gregs[REG_R12] == 0x1122334455667788);
	CHECK(uc->uc_mcontext.gregs[REG_CR2] == 0x40);
	CHECK(uc->uc_mcontext.gregs[REG_TRAPNO] == 14);
	CHECK((uc->uc_mcontext.gregs[REG_ERR] & 7) == 4);
	uc->uc_mcontext.gregs[REG_RAX] = 4242;
	uc->uc_mcontext.gregs[REG_RIP] += 3;
}

TEST(context_can_be_edited)
{
	struct sigaction sa = { .sa_sigaction = skip_load, .sa_flags = SA_SIGINFO }, old;
	long v = 1;

	sigaction(SIGSEGV, &sa, &old);
	__asm__ volatile("movabs $0x1122334455667788, %%r12\n\tmov $0x40, %%ecx\n\tmov (%%rcx), %%rax"
			 : "=a"(v) : : "rcx", "r12", "memory");
	sigaction(SIGSEGV, &old, NULL);
	EXPECT_EQ(v, 4242);
}

TEST(blocked_fault_signal_kills)
{
	sigset_t s;
	pid_t pid = fork();
	int st;

	if (pid == 0) {
		sigemptyset(&s);
		sigaddset(&s, SIGSEGV);
		sigprocmask(SIG_BLOCK, &s, NULL);
		t_do_read(NULL);
		_exit(0);
	}
	waitpid(pid, &st, 0);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV);
	pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_IGN);
		t_do_read(NULL);
		_exit(0);
	}
	waitpid(pid, &st, 0);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV);
}

TEST(straddling_access)
{
	char *p = t_anon(2);
	struct t_fault f;

	munmap(p + PG, PG);
	f = t_try((void (*)(void *))t_do_read, p + PG - 1);
	EXPECT_EQ(f.sig, 0);
	sigsetjmp(t_jmp, 1);
	munmap(p, PG);
}

TEST(a_thousand_faults_caught)
{
	for (int i = 0; i < 1000; i++) {
		struct t_fault f = READ_OF(16L + i);

		if (f.addr != (void *)(16L + i))
			REQUIRE(!"address");
	}
}
