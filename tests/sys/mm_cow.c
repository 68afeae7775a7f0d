/* mm_cow.c - copy on write after fork: both sides, deep, many, and through the kernel's own writes. */
#include "t.h"

TEST(child_does_not_change_parent)
{
	char *p = t_anon(16);
	int st;

	memset(p, 1, 16 * PG);
	if (fork() == 0) {
		for (int i = 0; i < 16; i++)
			if (p[i * PG] != 1)
				_exit(1);
		memset(p, 2, 16 * PG);
		_exit(p[15 * PG] != 2);
	}
	wait(&st);
	EXPECT_EQ(st, 0);
	for (unsigned i = 0; i < 16 * PG; i += 777)
		EXPECT_EQ(p[i], 1);
	munmap(p, 16 * PG);
}

TEST(parent_does_not_change_child)
{
	char *p = t_anon(4);
	int go[2], st;
	char c;

	memset(p, 1, 4 * PG);
	REQUIRE(pipe(go) == 0);
	if (fork() == 0) {
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		for (int i = 0; i < 4; i++)
			if (p[i * PG] != 1)
				_exit(1);
		_exit(0);
	}
	memset(p, 3, 4 * PG);
	EXPECT_EQ(write(go[1], "x", 1), 1);
	wait(&st);
	EXPECT_EQ(st, 0);
	EXPECT_EQ(p[3 * PG], 3);
	close(go[0]), close(go[1]), munmap(p, 4 * PG);
}

static int depth(char *p, int d)
{
	int st;
	pid_t pid;

	if (d == 0)
		return 0;
	p[d * PG] = d;
	pid = fork();
	if (pid == 0) {
		p[0] += 1;
		_exit(depth(p, d - 1) || p[0] != 10 - d + 1 + 0);
	}
	waitpid(pid, &st, 0);
	return st != 0;
}

TEST(chain_of_forks)
{
	char *p = t_anon(11);

	EXPECT_EQ(depth(p, 10), 0);
	EXPECT_EQ(p[0], 0);
	EXPECT_EQ(p[10 * PG], 10);
	EXPECT_EQ(p[9 * PG], 0);
	munmap(p, 11 * PG);
}

TEST(many_children_at_once)
{
	enum { N = 12 };
	unsigned *p = (void *)t_anon(32);
	int st, bad = 0;

	for (unsigned i = 0; i < 32; i++)
		p[i * PG / 4] = i;
	for (unsigned c = 0; c < N; c++)
		if (fork() == 0) {
			for (unsigned i = 0; i < 32; i++)
				p[i * PG / 4] += c * 100;
			for (unsigned i = 0; i < 32; i++)
				if (p[i * PG / 4] != i + c * 100)
					_exit(1);
			_exit(0);
		}
	while (wait(&st) > 0)
		bad += st != 0;
	EXPECT_EQ(bad, 0);
	for (unsigned i = 0; i < 32; i++)
		EXPECT_EQ(p[i * PG / 4], i);
	munmap(p, 32 * PG);
}

TEST(kernel_writes_break_cow)
{
	char *p = t_anon(2);
	int pipes[2], st;

	memset(p, 1, 2 * PG);
	REQUIRE(pipe(pipes) == 0);
	if (fork() == 0) {
		if (write(pipes[1], "hello", 5) != 5 || read(pipes[0], p + PG - 2, 5) != 5)
			_exit(1);
		_exit(memcmp(p + PG - 2, "hello", 5) != 0);
	}
	wait(&st);
	EXPECT_EQ(st, 0);
	EXPECT_EQ(p[PG - 1], 1);
	EXPECT_EQ(p[PG], 1);
	close(pipes[0]), close(pipes[1]), munmap(p, 2 * PG);
}

TEST(last_owner_writes_in_place)
{
	char *p = t_anon(64);
	long before, after;

	memset(p, 1, 64 * PG);
	if (fork() == 0)
		_exit(0);
	wait(NULL);
	before = t_proc("/proc/self/status", "VmRSS");
	memset(p, 2, 64 * PG);
	after = t_proc("/proc/self/status", "VmRSS");
	CHECK(after - before < 64);
	for (int i = 0; i < 64; i++)
		EXPECT_EQ(p[i * PG], 2);
	munmap(p, 64 * PG);
}

TEST(stack_heap_and_data_are_private)
{
	static int data = 1;
	int stack = 1, *heap = malloc(sizeof(int)), st;

	*heap = 1;
	if (fork() == 0) {
		data = 2, stack = 2, *heap = 2;
		_exit(0);
	}
	wait(&st);
	CHECK(data == 1 && *(volatile int *)&stack == 1 && *heap == 1);
	free(heap);
}

TEST(read_only_areas_after_fork)
{
	char *p = t_anon(2);
	int st;

	memset(p, 7, 2 * PG);
	mprotect(p, 2 * PG, PROT_READ);
	if (fork() == 0) {
		FAULT_EQ(WRITE_OF(p), SIGSEGV, SEGV_ACCERR, p);
		_exit(t_bad || p[PG] != 7);
	}
	wait(&st);
	EXPECT_EQ(st, 0);
	mprotect(p, 2 * PG, PROT_READ | PROT_WRITE);
	*p = 8;
	EXPECT_EQ(*p, 8);
	munmap(p, 2 * PG);
}
