/* sig_frame.c - what a handler finds and what survives it: alternate stack, registers, FPU and AVX state. */
#include "t.h"
#include <cpuid.h>
#include <ucontext.h>

static char alt[65536];
static volatile void *handler_sp;
static volatile int handler_onstack;

static void note(int sig)
{
	stack_t ss;

	handler_sp = __builtin_frame_address(0);
	sigaltstack(NULL, &ss);
	handler_onstack = ss.ss_flags;
}

TEST(altstack)
{
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) }, old;
	struct sigaction sa = { .sa_handler = note, .sa_flags = SA_ONSTACK };

	EXPECT_OK(sigaltstack(&ss, NULL));
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	CHECK((char *)handler_sp >= alt && (char *)handler_sp < alt + sizeof(alt));
	EXPECT_EQ(handler_onstack, SS_ONSTACK);
	EXPECT_OK(sigaltstack(NULL, &old));
	CHECK(old.ss_sp == alt && old.ss_size == sizeof(alt) && old.ss_flags == 0);
	sa.sa_flags = 0;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	CHECK((char *)handler_sp < alt || (char *)handler_sp >= alt + sizeof(alt));
	ss.ss_flags = SS_DISABLE;
	EXPECT_OK(sigaltstack(&ss, NULL));
	sigaltstack(NULL, &old);
	EXPECT_EQ(old.ss_flags, SS_DISABLE);
	signal(SIGUSR1, SIG_DFL);
}

static volatile int change_err;

static void change_inside(int sig)
{
	stack_t ss = { .ss_sp = alt, .ss_size = 30000 };

	change_err = sigaltstack(&ss, NULL) ? errno : 0;
}

TEST(altstack_errnos)
{
	stack_t ss = { .ss_sp = alt, .ss_size = 100 };
	struct sigaction sa = { .sa_handler = change_inside, .sa_flags = SA_ONSTACK };

	EXPECT_ERR(sigaltstack(&ss, NULL), ENOMEM);
	ss.ss_size = sizeof(alt);
	ss.ss_flags = 0x40;
	EXPECT_ERR(sigaltstack(&ss, NULL), EINVAL);
	EXPECT_ERR(sigaltstack((void *)8, NULL), EFAULT);
	ss.ss_flags = 0;
	sigaltstack(&ss, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	EXPECT_EQ(change_err, EPERM);
	ss.ss_flags = SS_DISABLE;
	sigaltstack(&ss, NULL);
	signal(SIGUSR1, SIG_DFL);
}

static int bad_stack(void *arg)
{
	stack_t ss = { .ss_sp = (void *)PG, .ss_size = 65536 };
	struct sigaction sa = { .sa_handler = note, .sa_flags = SA_ONSTACK };

	sigaltstack(&ss, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	return 0;
}

TEST(frame_that_cannot_be_written_kills)
{
	CHILD_DIES(bad_stack, NULL, SIGSEGV);
}

static int bad_handler(void *arg)
{
	struct sigaction sa = { .sa_handler = (void (*)(int))0x8000000000000000 };

	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	return 0;
}

TEST(handler_at_a_bad_address_kills)
{
	CHILD_DIES(bad_handler, NULL, SIGSEGV);
}

static int bad_return(void *arg)
{
	/* A stack pointer into nowhere, then sigreturn. */
	__asm__ volatile("mov $0x1000, %%rsp; mov $15, %%eax; syscall" : : : "memory");
	return 0;
}

TEST(sigreturn_without_a_frame_kills)
{
	CHILD_DIES(bad_return, NULL, SIGSEGV);
}

/* All general registers and flags must be the same after a handler that ran in between. */
static void clobber(int sig)
{
	__asm__ volatile("xor %%eax, %%eax; xor %%ecx, %%ecx; xor %%edx, %%edx; xor %%esi, %%esi; xor %%edi, %%edi;"
			 "xor %%r8d, %%r8d; xor %%r9d, %%r9d; xor %%r10d, %%r10d; xor %%r11d, %%r11d"
			 : : : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc");
}

TEST(registers_survive_a_fault_handler)
{
	unsigned long in[4] = { 0x1111, 0x2222, 0x3333, 0x4444 }, out[4];
	struct itimerval tv = { { 0, 500 }, { 0, 500 } }, off = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = clobber };
	int bad = 0;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &tv, NULL);
	for (int i = 0; i < 100000; i++) {
		__asm__ volatile("mov %4, %%rax; mov %5, %%rcx; mov %6, %%r10; mov %7, %%r11; nop; nop; nop; nop;"
				 "mov %%rax, %0; mov %%rcx, %1; mov %%r10, %2; mov %%r11, %3"
				 : "=m"(out[0]), "=m"(out[1]), "=m"(out[2]), "=m"(out[3])
				 : "m"(in[0]), "m"(in[1]), "m"(in[2]), "m"(in[3])
				 : "rax", "rcx", "r10", "r11");
		bad += memcmp(in, out, sizeof(in)) != 0;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	signal(SIGALRM, SIG_DFL);
	EXPECT_EQ(bad, 0);
}

static void spoil_xmm(int sig)
{
	__asm__ volatile("pxor %%xmm0, %%xmm0; pcmpeqd %%xmm1, %%xmm1; pxor %%xmm7, %%xmm7; pxor %%xmm15, %%xmm15;"
			 "fninit; fldz" : : : "memory", "xmm0", "xmm1", "xmm7", "xmm15");
}

TEST(xmm_and_x87_survive)
{
	unsigned char in[16], out[16];
	double d = 1.25;
	struct sigaction sa = { .sa_handler = spoil_xmm };
	long pid = getpid();

	for (int i = 0; i < 16; i++)
		in[i] = i * 3 + 1;
	sigaction(SIGUSR1, &sa, NULL);
	__asm__ volatile("movdqu (%[in]), %%xmm7; fldl %[d]; mov $62, %%eax; mov %[pid], %%rdi; mov $10, %%esi; syscall;"
			 "fstpl %[d]; movdqu %%xmm7, (%[out])"
			 : [d] "+m"(d) : [in] "r"(in), [out] "r"(out), [pid] "r"(pid)
			 : "rax", "rcx", "rdi", "rsi", "r11", "xmm7", "memory");
	CHECK(!memcmp(in, out, 16));
	CHECK(d == 1.25);
	signal(SIGUSR1, SIG_DFL);
}

static int have_avx(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & (1 << 27)) && (c & (1 << 28));
}

__attribute__((target("avx"))) static void spoil_ymm(int sig)
{
	__asm__ volatile("vxorps %%ymm3, %%ymm3, %%ymm3" : : : "memory");
}

TEST(avx_upper_halves_survive)
{
	unsigned char in[32], out[32];
	struct sigaction sa = { .sa_handler = spoil_ymm };
	long pid = getpid();

	if (!have_avx())
		SKIP("no AVX");
	for (int i = 0; i < 32; i++)
		in[i] = 200 - i;
	sigaction(SIGUSR1, &sa, NULL);
	__asm__ volatile("vmovdqu (%[in]), %%ymm3; mov $62, %%eax; mov %[pid], %%rdi; mov $10, %%esi; syscall;"
			 "vmovdqu %%ymm3, (%[out])"
			 : : [in] "r"(in), [out] "r"(out), [pid] "r"(pid) : "rax", "rcx", "rdi", "rsi", "r11", "memory");
	CHECK(!memcmp(in, out, 32));
	signal(SIGUSR1, SIG_DFL);
}

static int fpu_over_switches(void *seed)
{
	double x = (long)seed;
	unsigned char in[16], out[16];

	memset(in, (long)seed, 16);
	__asm__ volatile("movdqu (%0), %%xmm9" : : "r"(in) : "memory");
	for (int i = 0; i < 200; i++) {
		long r;
		__asm__ volatile("syscall" : "=a"(r) : "a"(SYS_sched_yield) : "rcx", "r11", "memory");
		__asm__ volatile("movdqu %%xmm9, (%0)" : : "r"(out) : "memory");
		if (memcmp(in, out, 16))
			return 1;
	}
	return 0;
}

TEST(fpu_is_per_task)
{
	int st, bad = 0;

	for (long i = 1; i <= 4; i++)
		if (fork() == 0)
			_exit(fpu_over_switches((void *)i));
	while (wait(&st) > 0)
		bad += st != 0;
	EXPECT_EQ(bad, 0);
}

TEST(mxcsr_and_fcw_are_inherited_and_reset_by_exec)
{
	unsigned mx, set = 0x1f80 | 0x6000;
	int st;

	__asm__ volatile("ldmxcsr %0" : : "m"(set));
	if (fork() == 0) {
		__asm__ volatile("stmxcsr %0" : "=m"(mx));
		_exit((mx & 0x6000) != 0x6000);
	}
	set = 0x1f80;
	__asm__ volatile("ldmxcsr %0" : : "m"(set));
	wait(&st);
	EXPECT_EQ(st, 0);
}

/* The mask in the context is what sigreturn restores. */
static void block_by_context(int sig, siginfo_t *si, void *ctx)
{
	sigaddset(&((ucontext_t *)ctx)->uc_sigmask, SIGUSR2);
}

TEST(mask_of_the_context_is_restored)
{
	struct sigaction sa = { .sa_sigaction = block_by_context, .sa_flags = SA_SIGINFO };
	sigset_t now, s;

	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	sigprocmask(0, NULL, &now);
	CHECK(sigismember(&now, SIGUSR2));
	sigemptyset(&s);
	sigprocmask(SIG_SETMASK, &s, NULL);
	signal(SIGUSR1, SIG_DFL);
}

TEST(swapcontext_works)
{
	static ucontext_t a, b;
	static volatile int n;

	n = 0;
	getcontext(&a);
	if (n++ < 3)
		setcontext(&a);
	EXPECT_EQ(n, 4);
}

TEST(aligned_frame)
{
	handler_sp = NULL;
	signal(SIGUSR1, note);
	raise(SIGUSR1);
	EXPECT_EQ((unsigned long)handler_sp & 15, 0);
	signal(SIGUSR1, SIG_DFL);
}
