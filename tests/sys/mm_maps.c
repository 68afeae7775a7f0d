/* mm_maps.c - /proc/self maps, statm, status and friends: format, order, identities. */
#include "t.h"

TEST(lines_parse_and_ascend)
{
	char *p = t_get("/proc/self/maps");
	unsigned long last = 0;
	int n = 0;

	REQUIRE(p && *p);
	while (*p) {
		unsigned long a, b, off, ino;
		unsigned maj, min;
		char perm[8];

		if (sscanf(p, "%lx-%lx %4s %lx %x:%x %lu", &a, &b, perm, &off, &maj, &min, &ino) != 7)
			REQUIRE(!"a line does not parse");
		CHECK(a >= last && b > a && !(a & 4095) && !(b & 4095));
		CHECK(strspn(perm, "rwxps-") == 4);
		last = b;
		n++;
		p = strchr(p, '\n');
		REQUIRE(p);
		p++;
	}
	CHECK(n >= 5);
}

TEST(name_column)
{
	char *p = t_get("/proc/self/maps"), *q = p ? strstr(p, "[stack]") : NULL;

	REQUIRE(q);
	while (q > p && q[-1] != '\n')
		q--;
	EXPECT_EQ(strstr(q, "[stack]") - q, 73);
	CHECK(strstr(p, "[vdso]"));
}

TEST(own_variables_are_inside)
{
	static int data;
	int stack;
	char perm[5];

	EXPECT_EQ(t_areas(&data, (char *)&data + 1, perm), 1);
	CHECK(!strcmp(perm, "rw-p"));
	EXPECT_EQ(t_areas(&stack, (char *)&stack + 1, perm), 1);
	CHECK(!strcmp(perm, "rw-p"));
	EXPECT_EQ(t_areas((void *)t_areas, (char *)t_areas + 1, perm), 1);
	CHECK(!strcmp(perm, "r-xp"));
	char *m = t_map(1, PROT_READ, MAP_SHARED | MAP_ANONYMOUS);
	EXPECT_EQ(t_areas(m, m + 1, perm), 1);
	CHECK(!strcmp(perm, "r--s"));
	CHECK(strstr(t_get("/proc/self/maps"), "/dev/zero (deleted)"));
	munmap(m, PG);
}

TEST(statm)
{
	unsigned long size, res, shared, text, lib, data, dt, size2, res2;
	char *p = t_get("/proc/self/statm");

	REQUIRE(p);
	EXPECT_EQ(sscanf(p, "%lu %lu %lu %lu %lu %lu %lu", &size, &res, &shared, &text, &lib, &data, &dt), 7);
	CHECK(res <= size && shared <= res && text >= 1 && lib == 0 && dt == 0);
	char *m = t_anon(1000);
	madvise(m, 1000 * PG, MADV_NOHUGEPAGE);
	memset(m, 1, 1000 * PG);
	sscanf(t_get("/proc/self/statm"), "%lu %lu", &size2, &res2);
	EXPECT_EQ(size2 - size, 1000);
	long grown = res2 - res;	/* Linux counts in batches */
	if (grown < 1000 - 300 || grown > 1000 + 300)
		t_fail(__LINE__, "resident grew by %ld of 1000 pages", grown);
	munmap(m, 1000 * PG);
}

TEST(status_identities)
{
	long size = t_proc("/proc/self/status", "VmSize"), rss = t_proc("/proc/self/status", "VmRSS");
	long anon = t_proc("/proc/self/status", "RssAnon"), file = t_proc("/proc/self/status", "RssFile");
	long shmem = t_proc("/proc/self/status", "RssShmem"), peak = t_proc("/proc/self/status", "VmPeak");
	long hwm = t_proc("/proc/self/status", "VmHWM");

	CHECK(size > 0 && rss > 0 && peak >= size && hwm >= rss);
	long d = anon + file + shmem - rss;
	CHECK(d > -300 && d < 300);
	EXPECT_EQ(t_proc("/proc/self/status", "Pid"), getpid());
	EXPECT_EQ(t_proc("/proc/self/status", "PPid"), getppid());
	EXPECT_EQ(t_proc("/proc/self/status", "Tgid"), getpid());
	EXPECT_EQ(t_proc("/proc/self/status", "Threads"), 1);
	EXPECT_EQ(t_proc("/proc/self/status", "Uid"), getuid());
	CHECK(t_proc("/proc/self/status", "VmPTE") > 0);
	CHECK(strstr(t_get("/proc/self/status"), "\nState:\tR (running)\n"));
}

TEST(peak_is_exact)
{
	long before = t_proc("/proc/self/status", "VmHWM"), after;
	char *p = t_anon(3000);

	memset(p, 1, 3000 * PG);
	munmap(p, 3000 * PG);
	after = t_proc("/proc/self/status", "VmHWM");
	CHECK(after - before >= 7000);
	CHECK(t_proc("/proc/self/status", "VmRSS") < after);
}

TEST(smaps_sums_to_rss)
{
	char *p = t_get("/proc/self/smaps"), *q;
	long rss = 0, areas = 0;

	if (!p)
		SKIP("no smaps");
	for (q = p; (q = strstr(q, "\nRss:")); q++)
		rss += atol(q + 5), areas++;
	CHECK(areas >= 5);
	CHECK(labs(rss - t_proc("/proc/self/status", "VmRSS")) < 400);
}

TEST(rss_anon_counts_pages)
{
	char *p = t_anon(256);
	long before, after;

	before = t_proc("/proc/self/smaps_rollup", "Anonymous");
	if (before < 0)
		SKIP("no smaps_rollup");
	memset(p, 1, 256 * PG);
	after = t_proc("/proc/self/smaps_rollup", "Anonymous");
	CHECK(after - before >= 1024 && after - before < 1100);
	munmap(p, 256 * PG);
}

TEST(other_process)
{
	char path[64];
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	CHECK(t_get(path) && strstr(t_get(path), "[stack]"));
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	EXPECT_EQ(t_proc(path, "Pid"), pid);
	EXPECT_EQ(t_proc(path, "PPid"), getpid());
	kill(pid, SIGKILL);
	WAIT_FOR(t_state(pid) == 'Z');
	EXPECT_EQ(t_proc(path, "VmRSS"), -1);
	waitpid(pid, NULL, 0);
	CHECK(!t_get(path));
}

/* A file of many areas, read in small pieces, at once, and from the middle: the same bytes. */
TEST(many_areas)
{
	static char whole[1 << 20], pieces[1 << 20], part[5000];
	static const char *const files[] = { "/proc/self/maps", "/proc/self/smaps" };
	char *p = t_anon(1200);

	for (int i = 0; i < 1200; i += 2)
		CHECK(mprotect(p + i * PG, PG, PROT_READ) == 0);
	for (int k = 0; k < 2; k++) {
		int fd = open(files[k], O_RDONLY);
		size_t len = 0, n = 0, lines = 0;
		ssize_t r;

		REQUIRE(fd >= 0);
		while (len < sizeof(whole) && (r = read(fd, whole + len, sizeof(whole) - len)) > 0)
			len += r;
		EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
		while (n < sizeof(pieces) && (r = read(fd, pieces + n, 333)) > 0)
			n += r;
		EXPECT_EQ(n, len);
		if (k == 0)		/* the numbers in smaps move while we read */
			CHECK(!memcmp(whole, pieces, len));
		for (size_t i = 0; i < len; i++)
			lines += whole[i] == '\n';
		CHECK(lines > 1200u * (k ? 20 : 1));
		if (k == 0) {
			EXPECT_EQ(pread(fd, part, 100, 50000), 100);
			CHECK(!memcmp(part, whole + 50000, 100));
			EXPECT_EQ(pread(fd, part, 100, 20), 100);
			CHECK(!memcmp(part, whole + 20, 100));
		}
		EXPECT_EQ(pread(fd, part, 100, 1 << 24), 0);
		close(fd);
	}
}

TEST(lazily_freed)
{
	char *p = t_anon(256);

	if (t_proc("/proc/self/smaps_rollup", "LazyFree") < 0)
		SKIP("no smaps_rollup");
	memset(p, 1, 256 * PG);
	EXPECT_EQ(t_proc("/proc/self/smaps_rollup", "LazyFree"), 0);
	CHECK(madvise(p, 256 * PG, MADV_FREE) == 0);
	CHECK(t_proc("/proc/self/smaps_rollup", "LazyFree") > 512);	/* Linux moves pages in batches */
	memset(p, 2, 256 * PG);
	CHECK(t_proc("/proc/self/smaps_rollup", "LazyFree") < 128);
	munmap(p, 256 * PG);
}
