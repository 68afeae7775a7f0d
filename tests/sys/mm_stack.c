/* mm_stack.c - the main stack grows by itself, up to its limit, and keeps a gap to its neighbour. */
#include "t.h"

static long use(int depth)
{
	volatile char frame[8192];

	frame[0] = depth;
	frame[8191] = depth;
	return depth ? use(depth - 1) + frame[0] - frame[8191] + 1 : 0;
}

static unsigned long stack_start(unsigned long *end)
{
	char *text = t_get("/proc/self/maps"), *p = text ? strstr(text, "[stack]") : NULL;
	unsigned long a = 0, b = 0;

	if (!p)
		return 0;
	while (p > text && p[-1] != '\n')
		p--;
	sscanf(p, "%lx-%lx", &a, &b);
	if (end)
		*end = b;
	return a;
}

TEST(grows_on_use)
{
	unsigned long before = stack_start(NULL), after;

	if (!t_limit(RLIMIT_STACK, 8 << 20))
		SKIP("no limit of 8 MiB");
	REQUIRE(before);
	EXPECT_EQ(use(500), 500);	/* 4 MB */
	after = stack_start(NULL);
	CHECK(after < before);
	CHECK(before - after >= 3 << 20);
}

TEST(touch_far_below)
{
	char *sp = __builtin_frame_address(0);

	if (!t_limit(RLIMIT_STACK, 8 << 20))
		SKIP("no limit of 8 MiB");
	/* Linux allows an access anywhere in the limit, however far below the stack pointer. */
	NO_FAULT(WRITE_OF(sp - (5 << 20)));
	NO_FAULT(READ_OF(sp - (6 << 20)));
}

static int overflow(void *a)
{
	return use(1 << 20);
}

TEST(limit_kills)
{
	CHILD_DIES(overflow, NULL, SIGSEGV);
}

static struct t_fault seen;
static jmp_buf out;

static void on_overflow(int sig, siginfo_t *si, void *uc)
{
	seen = (struct t_fault){ sig, si->si_code, si->si_addr };
	siglongjmp(out, 1);
}

static int overflow_caught(void *a)
{
	stack_t ss = { .ss_sp = malloc(65536), .ss_size = 65536 };
	struct sigaction sa = { .sa_sigaction = on_overflow, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	if (!sigsetjmp(out, 1))
		use(1 << 20);
	CHECK(seen.sig == SIGSEGV);
	CHECK(seen.code == SEGV_MAPERR);
	CHECK((char *)seen.addr < (char *)&sa);
	return 0;
}

TEST(overflow_on_alternate_stack)
{
	CHILD_EXITS(overflow_caught, NULL, 0);
}

static int smaller_limit(void *a)
{
	struct rlimit lim;
	char *low;

	use(150);		/* more than the limit to come, less than any before */
	low = (char *)stack_start(NULL);
	getrlimit(RLIMIT_STACK, &lim);
	lim.rlim_cur = 1 << 20;
	EXPECT_OK(setrlimit(RLIMIT_STACK, &lim));
	FAULT_EQ(WRITE_OF(low - 8), SIGSEGV, SEGV_MAPERR, low - 8);
	return 0;
}

static int run_smaller(void *a)
{
	return smaller_limit(a);
}

TEST(rlimit_is_honoured_at_fault_time)
{
	CHILD_EXITS(run_smaller, NULL, 0);
}

static int guard_gap(void *a)
{
	unsigned long start = stack_start(NULL);
	char *wall = (char *)(start - 300 * PG);

	/* A mapping 300 pages below: the stack may grow to within 256 pages of it, no further. */
	if (mmap(wall, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != wall)
		return 1;
	NO_FAULT(WRITE_OF(start - 20 * PG));
	FAULT_EQ(WRITE_OF(start - 60 * PG), SIGSEGV, SEGV_MAPERR, start - 60 * PG);
	return 0;
}

TEST(gap_to_the_next_mapping)
{
	if (!stack_start(NULL))
		SKIP("no [stack] in maps");
	CHILD_EXITS(guard_gap, NULL, 0);
}

TEST(growsdown_mapping)
{
	char *base = t_map(64, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS), *p;

	munmap(base, 64 * PG);
	munmap(base - 600 * PG, 600 * PG);
	p = mmap(base + 32 * PG, 2 * PG, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	REQUIRE(p == base + 32 * PG);
	NO_FAULT(WRITE_OF(p));
	NO_FAULT(WRITE_OF(p - PG));
	NO_FAULT(WRITE_OF(p - 3 * PG));
	munmap(base, 64 * PG);
}

TEST(stack_is_not_executable)
{
	volatile char code[4] = { (char)0xc3 };

	FAULT_EQ(EXEC_OF(code), SIGSEGV, SEGV_ACCERR, code);
}

TEST(kernel_copies_grow_it_too)
{
	char *sp = __builtin_frame_address(0);
	char *far = (char *)(((unsigned long)sp - (7 << 20)) & ~7UL);
	int fd = open("/dev/zero", O_RDONLY);

	if (!t_limit(RLIMIT_STACK, 8 << 20))
		SKIP("no limit of 8 MiB");
	if (fd < 0)
		SKIP("no /dev/zero");
	EXPECT_EQ(read(fd, far, 16), 16);
	close(fd);
}
