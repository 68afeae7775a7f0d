/*
 * mm_kmemleak.c - leaks of kernel memory, found on demand: none on a machine at rest, each planted one named with its size, its line and
 * its age. The file that leaks exists in debug kernels only; Linux's own kmemleak is used where it is compiled in.
 */
#include "t.h"

#define KMEMLEAK "/sys/kernel/debug/kmemleak"
#define LEAK "/sys/kernel/debug/leak"

static int count(const char *text, const char *what)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

/* Things are made and given back; nothing of them may look lost. */
static void churn(void)
{
	for (int i = 0; i < 20; i++) {
		int p[2], fd = open("/proc/self/maps", O_RDONLY);
		char buf[100];
		void *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		memset(m, 1, 1 << 20);
		if (fork() == 0)
			_exit(pipe(p) || read(fd, buf, sizeof(buf)) <= 0);
		wait(NULL);
		munmap(m, 1 << 20);
		close(fd);
	}
}

TEST(nothing_is_lost)
{
	char *s;

	if (access(KMEMLEAK, W_OK))
		SKIP("no kmemleak");
	churn();
	CHECK(t_write(KMEMLEAK, 0, "clear") == 0);
	CHECK(t_write(KMEMLEAK, 0, "scan\n") == 0);
	CHECK(t_write(KMEMLEAK, 0, "scan") == 0);
	s = t_get(KMEMLEAK);
	CHECK(s && !*s);
	CHECK(t_write(KMEMLEAK, 0, "no such command") == -1 && errno == EINVAL);
}

/* Scans until so many are named: a word that was left in some stack may hide one of them for a while. */
static char *scan_until(int leaks)
{
	char *s = NULL;

	for (int i = 0; i < 100; i++) {
		churn();
		if (t_write(KMEMLEAK, 0, "scan") || !(s = t_get(KMEMLEAK)) || count(s, "unreferenced object") >= leaks)
			break;
		usleep(20000);
	}
	return s;
}

/* Objects whose making was noted, and that are not said to be older than so many seconds. */
static int count_young(const char *text, double seconds)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, "(age ")); p++)
		n += p[5] >= '0' && p[5] <= '9' && atof(p + 5) <= seconds;
	return n;
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

TEST(planted)
{
	double begin;
	char *s;

	if (access(LEAK, W_OK))
		SKIP("not a debug kernel of Quire");
	CHECK(t_write(KMEMLEAK, 0, "scan") == 0);
	CHECK(t_write(KMEMLEAK, 0, "clear") == 0);
	begin = seconds_now();
	CHECK(t_write(LEAK, 0, "192 5") == 0);		/* objects of one slab cache */
	CHECK(t_write(LEAK, 0, "10000 2") == 0);	/* blocks of pages: 16384 bytes */
	CHECK(t_write(LEAK, 0, "100000 1") == 0);	/* an area of vmalloc: 102400 bytes */
	s = scan_until(8);
	CHECK(s && count(s, "unreferenced object") == 8);
	CHECK(s && count(s, "(size 192):") == 5);
	CHECK(s && count(s, "(size 16384):") == 2);
	CHECK(s && count(s, "(size 102400):") == 1);
	CHECK(s && count(s, "leaked!") == 8);
	CHECK(s && count(s, "    fs/procfs/kmemleak.c:") == 8);
	CHECK(s && count(s, " leak_write\n") == 8);
	CHECK(s && count(s, "pid ") == 8);
	CHECK(s && count_young(s, seconds_now() - begin + 0.002) >= 7);
	CHECK(t_write(KMEMLEAK, 0, "clear") == 0);
	CHECK(t_write(KMEMLEAK, 0, "scan") == 0);
	s = t_get(KMEMLEAK);
	CHECK(s && !*s);			/* cleared ones are not named again */
}
