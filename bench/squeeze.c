/*
 * squeeze.c - what short memory does to programs; the same binary on Quire and on Linux. bench/squeeze runs it.
 *
 *	squeeze oom FILE        one process maps FILE and reads in it all the time while it takes anonymous memory, until it is killed:
 *	                        how long from the first direct reclaim that failed, from 95 % of what it got, and from its last page, until the
 *	                        memory is back. The first: Linux's trace events (the first mm_vmscan_direct_reclaim_end with nothing
 *	                        reclaimed after which none succeeded), or what /proc/ledger/events says, which is the same moment
 *	squeeze stall FILE MB SECONDS   an idle process wakes each 20 ms and touches 1 MiB of its own and a file, while another thrashes in
 *	                        MB of memory: the longest delay, and the 99th percentile
 *	squeeze scan FILE HOT_KB ROUNDS  a hot set read again and again between scans of FILE, larger than memory: pages of the hot set read
 *	                        again from disk, by the time that they take and by /proc/vmstat
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PG 4096ul

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *map_file(const char *name, size_t *size)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *p;

	if (fd < 0 || fstat(fd, &st) || st.st_size < (long)PG)
		exit(fprintf(stderr, "squeeze: cannot read %s\n", name));
	*size = (size_t)st.st_size & ~(PG - 1);
	p = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return p;
}

static unsigned long long vmstat(const char *key)
{
	char line[128];
	unsigned long long sum = 0, v;
	FILE *f = fopen("/proc/vmstat", "r");
	size_t n = strlen(key);

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, n) && sscanf(line + n, "%llu", &v) == 1)
			sum += v;
	if (f)
		fclose(f);
	return sum;
}

struct shared {
	volatile unsigned long pages;
	volatile double at[1 << 20];	/* when each page was got */
};

static void hog(struct shared *s, const char *file)
{
	size_t size;
	const char *f = map_file(file, &size);
	unsigned long long h = 1;
	volatile char sum = 0;
	FILE *adj = fopen("/proc/self/oom_score_adj", "w");

	if (adj) {
		fputs("500", adj);
		fclose(adj);
	}
	for (;;) {
		char *p = mmap(NULL, 64 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (int i = 0; p != MAP_FAILED && i < 64; i++) {
			p[i * PG] = 1;
			s->at[s->pages++] = now();
			h = h * 6364136223846793005ull + 1442695040888963407ull;
			sum += f[(h >> 20) % (size / PG) * PG];		/* its text, so to say */
		}
	}
}

#define TRACING "/tmp/tracing/"

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static void trace_start(void)
{
	mkdir("/tmp/tracing", 0755);
	if (mount("t", "/tmp/tracing", "tracefs", 0, NULL) < 0)
		return;
	put(TRACING "trace_clock", "mono");
	put(TRACING "events/vmscan/mm_vmscan_direct_reclaim_end/enable", "1");
	put(TRACING "events/oom/mark_victim/enable", "1");
}

struct moments {
	double failed, chosen;		/* first reclaim in vain, decision; CLOCK_MONOTONIC, 0: not known */
};

static void from_trace(struct moments *m)
{
	FILE *f = fopen(TRACING "trace", "r");
	char line[512];
	double at, failed = 0;

	while (f && fgets(line, sizeof(line), f)) {
		char *event = strstr(line, "mm_vmscan_direct_reclaim_end:"), *victim = strstr(line, "mark_victim:"), *dot;

		if (!event && !victim)
			continue;
		for (dot = (event ? event : victim) - 2; dot > line && (dot[-1] == '.' || (dot[-1] >= '0' && dot[-1] <= '9')); dot--)
			;			/* "TIME: event: ..." */
		at = strtod(dot, NULL);
		if (victim) {
			*m = (struct moments){ failed, at };
			break;
		}
		if (strstr(event, "nr_reclaimed=0"))
			failed = failed ? failed : at;
		else
			failed = 0;
	}
	if (f)
		fclose(f);
}

static void from_ledger(struct moments *m)
{
	FILE *f = fopen("/proc/ledger/events", "r");
	unsigned long long failed, chosen;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "oom %llu %llu", &failed, &chosen) == 2)
			*m = (struct moments){ (double)failed / 1e9, (double)chosen / 1e9 };
	if (f)
		fclose(f);
}

static int oom(const char *file)
{
	struct moments m = { 0, 0 };
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct sysinfo si;
	double end;
	pid_t pid;
	unsigned long n;
	int st;

	trace_start();
	mlockall(MCL_CURRENT);
	pid = fork();
	if (!pid)
		hog(s, file);
	waitpid(pid, &st, 0);
	do {
		end = now();
		sysinfo(&si);
	} while (si.freeram * si.mem_unit < s->pages * PG / 2 && end < s->at[s->pages - 1] + 60);
	n = s->pages;
	from_trace(&m);
	from_ledger(&m);
	printf("oom: got %lu pages, from 95 %% of them %.3f s, from the last %.3f s, from the first failed reclaim %.4f s (chosen after %.4f s), status %d\n",
	       n, end - s->at[n * 95 / 100], end - s->at[n - 1], m.failed ? end - m.failed : -1, m.failed ? m.chosen - m.failed : -1, st);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void thrash(size_t mb)
{
	size_t n = mb << 8;
	char *p = mmap(NULL, n * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (unsigned long long h = 1;; ) {
		for (size_t i = 0; i < n; i++) {
			h = h * 6364136223846793005ull + 1442695040888963407ull;
			p[(h & 1 ? i : (h >> 20) % n) * PG]++;
		}
	}
}

static int stall(const char *file, size_t mb, double seconds)
{
	static double late[100000];
	size_t size, own = 1 << 20, n = 0;
	const char *f = map_file(file, &size);
	char *p = malloc(own);
	double begin, wake;
	volatile char sum = 0;
	pid_t pid;

	if (size > 4 << 20)
		size = 4 << 20;
	memset(p, 1, own);
	pid = fork();
	if (!pid)
		thrash(mb);
	usleep(1500000);
	for (begin = wake = now(); wake < begin + seconds && n < 100000; n++) {
		usleep(20000);
		for (size_t i = 0; i < own; i += PG)
			p[i]++;
		for (size_t i = 0; i < 32; i++)
			sum += f[(n * 32 + i) * PG % size];
		late[n] = now() - wake - 0.02;
		wake = now();
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	qsort(late, n, sizeof(late[0]), by_value);
	printf("stall: longest %.3f s, 99 %% below %.3f s, half below %.4f s, %zu wakes\n", late[n - 1], late[n * 99 / 100], late[n / 2], n);
	return 0;
}

static int scan(const char *file, size_t hot_kb, int rounds)
{
	size_t size, hot = hot_kb << 10;
	int fd = open(file, O_RDONLY);
	struct stat st;
	static char buf[1 << 16];
	double begin = now();
	unsigned long long reads, refaults;

	if (fd < 0 || fstat(fd, &st))
		return 1;
	size = (size_t)st.st_size;
	for (int k = 0; k < 3; k++)
		for (size_t at = 0; at < hot; at += PG)
			(void)!pread(fd, buf, PG, (off_t)at);
	reads = vmstat("pgpgin ");
	refaults = vmstat("workingset_refault_file ");
	for (int r = 0; r < rounds; r++) {
		size_t step = (size - hot) / 16 & ~(sizeof(buf) - 1);

		for (int part = 0; part < 16; part++) {
			for (size_t at = 0; at < step; at += sizeof(buf))
				(void)!pread(fd, buf, sizeof(buf), (off_t)(hot + (size_t)part * step + at));
			for (size_t at = 0; at < hot; at += PG)
				(void)!pread(fd, buf, PG, (off_t)at);
		}
	}
	printf("scan: %.2f s, %llu KiB read, %llu refaults\n", now() - begin, vmstat("pgpgin ") - reads,
	       vmstat("workingset_refault_file ") - refaults);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "oom"))
		return oom(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "stall"))
		return stall(argv[2], strtoul(argv[3], NULL, 10), strtod(argv[4], NULL));
	if (argc == 5 && !strcmp(argv[1], "scan"))
		return scan(argv[2], strtoul(argv[3], NULL, 10), atoi(argv[4]));
	fprintf(stderr, "usage: squeeze oom FILE | stall FILE MB SECONDS | scan FILE HOT_KB ROUNDS\n");
	return 2;
}
