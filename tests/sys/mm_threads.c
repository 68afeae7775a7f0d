/* mm_threads.c - one address space, many threads: faults, maps and unmaps at the same time. */
#include "t.h"
#include <pthread.h>

enum { N = 4, PAGES = 200 };
static char *area;
static volatile int stop;

static void *touch_all(void *arg)
{
	long me = (long)arg;

	for (int i = 0; i < PAGES; i++)
		__atomic_fetch_add((int *)(area + i * PG) + 1 + me, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void run(void *(*fn)(void *))
{
	pthread_t t[N];

	for (long i = 0; i < N; i++)
		if (pthread_create(&t[i], NULL, fn, (void *)i))
			REQUIRE(!"pthread_create");
	for (int i = 0; i < N; i++)
		pthread_join(t[i], NULL);
}

TEST(same_pages)
{
	int bad = 0;

	area = t_anon(PAGES);
	run(touch_all);
	for (int i = 0; i < PAGES; i++)
		for (int k = 0; k < N; k++)
			bad += ((int *)(area + i * PG))[1 + k] != 1;
	EXPECT_EQ(bad, 0);
	munmap(area, PAGES * PG);
}

static void *map_unmap(void *arg)
{
	for (int i = 0; i < 100; i++) {
		char *p = t_anon(1 + i % 7);

		if (p == MAP_FAILED || *p)
			return (void *)1;
		memset(p, (long)arg + 1, PG * (1 + i % 7));
		if (p[PG * (1 + i % 7) - 1] != (char)((long)arg + 1))
			CHECK(!"contents");
		munmap(p, PG * (1 + i % 7));
	}
	return NULL;
}

TEST(map_and_unmap)
{
	run(map_unmap);
}

static void *flip(void *arg)
{
	while (!stop) {
		mprotect(area, 8 * PG, PROT_READ);
		mprotect(area, 8 * PG, PROT_READ | PROT_WRITE);
	}
	return NULL;
}

static void fixup(int sig, siginfo_t *si, void *uc)
{
	sched_yield();
}

TEST(writers_against_mprotect)
{
	struct sigaction sa = { .sa_sigaction = fixup, .sa_flags = SA_SIGINFO };
	pthread_t t;

	area = t_anon(8);
	stop = 0;
	sigaction(SIGSEGV, &sa, NULL);
	pthread_create(&t, NULL, flip, NULL);
	for (int i = 0; i < 400; i++)
		((volatile char *)area)[i % 8 * PG] = i;
	stop = 1;
	pthread_join(t, NULL);
	signal(SIGSEGV, SIG_DFL);
	EXPECT_EQ(area[7 * PG], (char)399);
	munmap(area, 8 * PG);
}

/* A page taken away on one CPU must be gone on the other: the old contents must not be seen. */
static volatile int phase;

static void *observer(void *arg)
{
	char *p = area;

	while (phase != 1)
		sched_yield();
	CHECK(*(volatile char *)p == 1);
	phase = 2;
	while (phase != 3)
		sched_yield();
	CHECK(*(volatile char *)p == 0);
	return NULL;
}

TEST(dontneed_reaches_other_threads)
{
	pthread_t t;

	for (int i = 0; i < 20; i++) {
		area = t_anon(1);
		phase = 0;
		pthread_create(&t, NULL, observer, NULL);
		*area = 1;
		phase = 1;
		while (phase != 2)
			sched_yield();
		madvise(area, PG, MADV_DONTNEED);
		phase = 3;
		pthread_join(t, NULL);
		munmap(area, PG);
	}
}

static void *writer(void *arg)
{
	while (!stop)
		for (int i = 0; i < 16; i++)
			__atomic_fetch_add((int *)(area + i * PG), 1, __ATOMIC_RELAXED);
	return NULL;
}

/*
 * Faults of one thread beside munmap, mprotect and fork of others, in areas next to each other that share page tables: what is
 * written must be there, what is mapped anew must be zero.
 */
enum { BIG = 700 };

static void *fill_and_unmap(void *arg)
{
	long me = (long)arg;

	for (int round = 0; round < 6; round++) {
		unsigned *p = mmap(NULL, BIG * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int bad = 0;

		if (p == MAP_FAILED)
			return (void *)1;
		for (int i = 0; i < BIG; i++) {
			bad += p[i * PG / 4] != 0;
			p[i * PG / 4] = me * 1000 + i;
		}
		for (int i = 0; i < BIG; i++)
			bad += p[i * PG / 4] != me * 1000 + i;
		CHECK(!bad);
		/* One end first, then the rest, and no more: another thread may have mapped something in the hole by then. */
		munmap((char *)p + (round & 1) * 100 * PG, (BIG - 100) * PG);
		munmap((char *)p + (round & 1 ? 0 : (BIG - 100) * PG), 100 * PG);
	}
	return NULL;
}

static void *look_and_change(void *arg)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry[512];
	char *p = t_anon(16);

	while (!stop) {
		for (long at = -2048; at < 1024; at += 512)	/* where the others map and unmap */
			if (pread(fd, entry, sizeof(entry), ((long)p / PG + at) * 8) < 0)
				break;
		mprotect(p + 4 * PG, 4 * PG, PROT_READ);
		mprotect(p + 4 * PG, 4 * PG, PROT_READ | PROT_WRITE);
		if (fork() == 0)
			_exit(0);
		while (wait(NULL) > 0)
			;
	}
	close(fd);
	munmap(p, 16 * PG);
	return NULL;
}

TEST(faults_beside_munmap)
{
	pthread_t t;

	stop = 0;
	pthread_create(&t, NULL, look_and_change, NULL);
	run(fill_and_unmap);
	stop = 1;
	pthread_join(t, NULL);
}

/* fork while another thread writes: parent and child must part cleanly, no write lost in the parent. */
TEST(fork_under_writers)
{
	pthread_t t;
	int st, bad = 0;

	area = t_anon(16);
	memset(area, 0, 16 * PG);
	stop = 0;
	pthread_create(&t, NULL, writer, NULL);
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			int v = *(volatile int *)(area + 3 * PG);

			for (int k = 0; k < 50; k++)
				sched_yield();
			_exit(*(volatile int *)(area + 3 * PG) != v);
		}
		waitpid(pid, &st, 0);
		bad += st != 0;
	}
	stop = 1;
	pthread_join(t, NULL);
	EXPECT_EQ(bad, 0);
	for (int i = 1; i < 16; i++)
		EXPECT_EQ(*(int *)(area + i * PG), *(int *)area);
	munmap(area, 16 * PG);
}
