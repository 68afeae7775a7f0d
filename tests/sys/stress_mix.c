/*
 * stress_mix.c - many processes and threads doing everything at once for a moment; contents checked all the time.
 * WHY         the other programs look at one call at a time; races live between them.
 */
#include "t.h"
#include <pthread.h>

enum { PROCS = 4, ROUNDS = 12 };

static unsigned rnd_of(unsigned *s)
{
	return *s = *s * 1103515245 + 12345, *s >> 8;
}

/* A page's words all hold its number and the owner's tag: any mix-up shows. */
static void fill(unsigned *p, unsigned tag)
{
	for (int i = 0; i < 1024; i += 32)
		p[i] = tag;
}

static int is(const unsigned *p, unsigned tag)
{
	for (int i = 0; i < 1024; i += 32)
		if (p[i] != tag)
			return 0;
	return 1;
}

static int memory(unsigned seed)
{
	enum { N = 64 };
	char *p = t_anon(N);
	unsigned tag[N] = { 0 };

	for (int i = 0; i < 400; i++) {
		unsigned k = rnd_of(&seed) % N, what = rnd_of(&seed) % 8;
		char *a = p + k * PG;

		if (!is((unsigned *)a, tag[k]))
			return 1;
		if (what < 4) {
			tag[k] = rnd_of(&seed);
			fill((unsigned *)a, tag[k]);
		} else if (what == 4) {
			madvise(a, PG, MADV_DONTNEED);
			tag[k] = 0;
		} else if (what == 5) {
			mprotect(a, PG, PROT_READ);
			if (!is((unsigned *)a, tag[k]))
				return 2;
			mprotect(a, PG, PROT_READ | PROT_WRITE);
		} else if (what == 6) {
			munmap(a, PG);
			if (mmap(a, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != a)
				return 3;
			tag[k] = 0;
		} else {
			pid_t pid = fork();
			int st;

			if (pid == 0) {
				fill((unsigned *)a, 77);
				_exit(!is((unsigned *)a, 77));
			}
			if (waitpid(pid, &st, 0) != pid || st)
				return 4;
		}
	}
	munmap(p, N * PG);
	return 0;
}

static int files(unsigned seed)
{
	char name[32], buf[PG];
	int fd;

	snprintf(name, sizeof(name), "f%d", getpid());
	fd = open(name, O_RDWR | O_CREAT, 0600);
	for (int i = 0; i < 150; i++) {
		unsigned k = rnd_of(&seed) % 32;

		memset(buf, k + 1, PG);
		if (pwrite(fd, buf, PG, k * PG) != PG)
			return 5;
		char *m = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, k * PG);
		if (m == MAP_FAILED || m[100] != (char)(k + 1))
			return 6;
		m[200] = 9;
		munmap(m, PG);
		if (pread(fd, buf, PG, k * PG) != PG || buf[200] != 9 || buf[201] != (char)(k + 1))
			return 7;
	}
	close(fd);
	return unlink(name) ? 8 : 0;
}

static void *thread(void *arg)
{
	return (void *)(long)memory((long)arg);
}

static int threads(unsigned seed)
{
	pthread_t t[3];
	void *r;
	int bad = 0;

	for (long i = 0; i < 3; i++)
		if (pthread_create(&t[i], NULL, thread, (void *)(seed + i)))
			return 9;
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &r);
		bad |= (int)(long)r;
	}
	return bad;
}

static int run_kind(int kind, unsigned seed)
{
	return kind == 0 ? memory(seed) : kind == 1 ? files(seed) : threads(seed);
}

TEST(everything_at_once)
{
	int st, bad = 0, n = 0;

	for (int r = 0; r < ROUNDS / PROCS; r++) {
		for (int i = 0; i < PROCS; i++) {
			pid_t pid = fork();

			if (pid == 0)
				_exit(run_kind((r + i) % 3, r * 100 + i + 1));
			n += pid > 0;
		}
		while (wait(&st) > 0) {
			n--;
			if (st) {
				t_fail(__LINE__, "a worker ended with %#x", st);
				bad++;
			}
		}
	}
	EXPECT_EQ(n, 0);
	EXPECT_EQ(bad, 0);
}
