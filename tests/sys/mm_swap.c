/* mm_swap.c - pages in swap: MADV_PAGEOUT, MADV_COLD, mincore, pagemap, mlock; fork, mremap, mprotect, munmap of them. A machine of its own. */
#include "cg.h"
#include <sys/sysinfo.h>

#define N 64
#define SWAPPED	(1UL << 62)
#define PRESENT	(1UL << 63)

static unsigned count(const void *p, size_t pages, unsigned long bit)
{
	static unsigned long e[4096];
	int fd = open("/proc/self/pagemap", O_RDONLY);
	unsigned n = 0;

	if (pread(fd, e, pages * 8, (off_t)((uintptr_t)p / PG * 8)) != (ssize_t)(pages * 8))
		t_fail(__LINE__, "pagemap");
	close(fd);
	for (size_t i = 0; i < pages; i++)
		n += (e[i] & bit) != 0;
	return n;
}

static unsigned resident(void *p, size_t pages)
{
	static unsigned char v[4096];
	unsigned n = 0;

	EXPECT_OK(mincore(p, pages * PG, v));
	for (size_t i = 0; i < pages; i++)
		n += v[i] & 1;
	return n;
}

static char *pattern(size_t pages)
{
	char *p = t_anon(pages);

	for (size_t i = 0; i < pages; i++)
		memset(p + i * PG, (int)(i % 251 + 1), PG);
	return p;
}

static unsigned wrong(const char *p, size_t pages)
{
	unsigned bad = 0;

	for (size_t i = 0; i < pages; i++)
		bad += p[i * PG] != (char)(i % 251 + 1) || p[i * PG + PG - 1] != (char)(i % 251 + 1);
	return bad;
}

static void out(char *p, size_t pages)
{
	for (int tries = 0; tries < 100 && count(p, pages, SWAPPED) < pages; tries++) {
		EXPECT_OK(madvise(p, pages * PG, MADV_PAGEOUT));
		t_msleep(1);
	}
	EXPECT_EQ(count(p, pages, SWAPPED), pages);
}

TEST(pageout_pagemap_mincore)
{
	char *p;
	long in;

	NEED_SWAP(64);
	p = pattern(N);
	EXPECT_EQ(count(p, N, PRESENT), N);
	EXPECT_EQ(resident(p, N), N);
	out(p, N);
	EXPECT_EQ(count(p, N, PRESENT), 0);
	EXPECT_EQ(resident(p, N), 0);
	CHECK(t_proc("/proc/self/status", "VmSwap") >= N * 4);
	in = t_proc("/proc/vmstat", "pswpin");
	EXPECT_EQ(wrong(p, N), 0);
	CHECK(t_proc("/proc/vmstat", "pswpin") > in);
	EXPECT_EQ(count(p, N, PRESENT), N);
	EXPECT_EQ(count(p, N, SWAPPED), 0);
	EXPECT_EQ(resident(p, N), N);
	munmap(p, N * PG);
}

TEST(sysinfo_counts_it)
{
	struct sysinfo s;
	char *p;

	NEED_SWAP(64);
	p = pattern(N);
	out(p, N);
	EXPECT_OK(sysinfo(&s));
	EXPECT_EQ(s.totalswap * s.mem_unit / 1024, t_proc("/proc/meminfo", "SwapTotal"));
	CHECK(s.totalswap >= s.freeswap + N && s.freeswap > 0);
	munmap(p, N * PG);
}

static int child_reads(void *p)
{
	unsigned bad = wrong(p, N);

	memset(p, 0, N * PG);
	return bad ? 1 : 0;
}

TEST(fork_mremap_mprotect_munmap)
{
	char *p, *q;
	long swap;

	NEED_SWAP(64);
	p = pattern(N);
	out(p, N);
	CHILD_EXITS(child_reads, p, 0);
	EXPECT_EQ(wrong(p, N), 0);
	out(p, N);
	q = mremap(p, N * PG, 2 * N * PG, MREMAP_MAYMOVE);
	REQUIRE(q != MAP_FAILED);
	EXPECT_EQ(count(q, N, SWAPPED), N);
	EXPECT_OK(mprotect(q, N * PG, PROT_READ));
	EXPECT_EQ(wrong(q, N), 0);
	FAULT_EQ(WRITE_OF(q), SIGSEGV, SEGV_ACCERR, q);
	EXPECT_OK(mprotect(q, N * PG, PROT_READ | PROT_WRITE));
	out(q, N);
	swap = t_proc("/proc/self/status", "VmSwap");
	munmap(q, 2 * N * PG);
	EXPECT_EQ(t_proc("/proc/self/status", "VmSwap"), swap - N * 4);
}

TEST(shared_memory)
{
	char *p;

	NEED_SWAP(64);
	p = t_map(N, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	for (size_t i = 0; i < N; i++)
		memset(p + i * PG, (int)(i % 251 + 1), PG);
	for (int i = 0; i < 100 && resident(p, N); i++) {
		EXPECT_OK(madvise(p, N * PG, MADV_PAGEOUT));
		t_msleep(1);
	}
	EXPECT_EQ(resident(p, N), 0);
	EXPECT_EQ(count(p, N, PRESENT), 0);
	EXPECT_EQ(wrong(p, N), 0);
	munmap(p, N * PG);
}

TEST(mlock_brings_back_and_keeps)
{
	char *p;

	NEED_SWAP(64);
	p = pattern(N);
	out(p, N);
	EXPECT_OK(mlock(p, N * PG));
	EXPECT_EQ(count(p, N, PRESENT), N);
	EXPECT_EQ(resident(p, N), N);
	EXPECT_ERR(madvise(p, N * PG, MADV_PAGEOUT), EINVAL);
	EXPECT_ERR(madvise(p, N * PG, MADV_COLD), EINVAL);
	EXPECT_OK(munlock(p, N * PG));
	out(p, N);
	EXPECT_EQ(wrong(p, N), 0);
	munmap(p, N * PG);
}

/* All of a cgroup's memory is asked back: what is locked stays, by each of the ways to lock. */
static void locked_ways(void)
{
	char *a = pattern(N), *b, *c = pattern(N), *d;

	if (mlock(a, N * PG))
		_exit(90);
	b = t_anon(N);
	if (syscall(SYS_mlock2, b, N * PG, 1 /* MLOCK_ONFAULT */))
		_exit(91);
	memset(b, 1, N / 2 * PG);			/* the other half was never touched */
	if (mlockall(MCL_FUTURE))
		_exit(92);
	d = pattern(N);
	if (munlock(d, N / 2 * PG) || put("r", "memory.reclaim", "64M") == 0)
		_exit(93);				/* more than there is */
	if (count(a, N, PRESENT) != N || count(b, N, PRESENT) != N / 2 || count(d + N / 2 * PG, N / 2, PRESENT) != N / 2)
		_exit(94);
	if (count(c, N, SWAPPED) != N || count(d, N / 2, SWAPPED) != N / 2)
		_exit(95);
	_exit(wrong(a, N) + wrong(c, N) + wrong(d, N) ? 96 : 0);
}

TEST(locked_pages_stay)
{
	pid_t pid;
	int st;

	NEED_CGROUPS();
	NEED_SWAP(64);
	make("r");
	pid = child_in("r", locked_ways);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(WIFEXITED(st) ? WEXITSTATUS(st) : -1, 0);
	WAIT_FOR(strstr(get("r", "cgroup.events"), "populated 0") != NULL);
	EXPECT_OK(rmdir(at("r", "")));
}

/* Cold pages go before those that were not named. */
static void cold_first(void)
{
	char *hot = pattern(512), *cold = pattern(512), one;
	unsigned h, c;

	for (int i = 0; i < 3; i++) {
		(void)wrong(hot, 512);
		(void)wrong(cold, 512);
	}
	if (madvise(cold, 512 * PG, MADV_COLD))
		_exit(90);
	if (count(cold, 512, PRESENT) != 512)
		_exit(91);				/* a hint: nothing is taken yet */
	put("c", "memory.reclaim", "1M");
	h = count(hot, 512, SWAPPED);
	c = count(cold, 512, SWAPPED);
	(void)one;
	_exit(c < 200 ? 92 : h > c / 2 ? 93 : wrong(hot, 512) + wrong(cold, 512) ? 94 : 0);
}

TEST(cold)
{
	pid_t pid;
	int st;

	NEED_CGROUPS();
	NEED_SWAP(64);
	make("c");
	pid = child_in("c", cold_first);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(WIFEXITED(st) ? WEXITSTATUS(st) : -1, 0);
	WAIT_FOR(strstr(get("c", "cgroup.events"), "populated 0") != NULL);
	EXPECT_OK(rmdir(at("c", "")));
}
