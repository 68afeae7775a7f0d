/*
 * pressure.c - short memory, measured: one static program that is /init on Quire and on stock Linux alike. bench/pressure runs it.
 *
 * SHAPE       as /init it mounts, loads Linux's modules, switches swap on as the kernel command line says, runs the command named there
 *             and prints what /proc/vmstat counted meanwhile:
 *                 swap=disk|none|zram[:ALGORITHM]   mglru   chroot   run=WORD,WORD,…
 *             Started by that it is the command: counted (rows between marks that bench/count-plugin.c sees), big, lines …: see main().
 * DISKS       vda is swap, vdb an ext2 file system, mounted on /mnt; with "chroot" the command is one of its programs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define PA (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

#define MARK(kind, id) ({ __asm__ volatile(".byte 0x0f, 0x1f, 0x80, %c0, %c1, 0x45, 0x51" : : "i"(id), "i"(kind) : "memory"); })
#define BEGIN(id) MARK(1, id)
#define END(id) MARK(2, id)

static volatile char sink;

static void say(const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (write(1, buf, (size_t)n) < 0)
		return;
}

#define ROW(id, ops, name) say("ROW %d %ld %s\n", id, (long)(ops), name)

static void die(const char *what)
{
	say("BENCH FAILED %s errno %d\n", what, errno);
	_exit(1);
}

static char *anon(size_t pages)
{
	char *p = mmap(NULL, pages * PG, RW, PA, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t next(uint64_t *h)
{
	*h = *h * 6364136223846793005ull + 1442695040888963407ull;
	return *h >> 20;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		say("pressure: %s <- %s: errno %d\n", path, text, errno);
	if (fd >= 0)
		close(fd);
}

/* The sum of the values whose names begin so. */
static unsigned long vmstat(const char *key)
{
	static char buf[32768];
	unsigned long sum = 0;
	int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	ssize_t n, got = 0;

	while (fd >= 0 && (n = read(fd, buf + got, sizeof(buf) - 1 - (size_t)got)) > 0)
		got += n;
	close(fd);
	buf[got] = 0;
	for (char *l = buf; l && *l; l = strchr(l, '\n'), l += l != NULL)
		if (!strncmp(l, key, strlen(key)) && strchr(l, ' ') && (key[strlen(key) - 1] != ' ' || l[strlen(key) - 1] == ' '))
			sum += strtoul(strchr(l, ' '), NULL, 10);
	return sum;
}

/* ---- instructions a page ------------------------------------------------------------------------------------- */

enum { N = 4096 };

static unsigned noise = 256;	/* words of a page's 512 that do not repeat: how far it can be compressed */

static void fill(char *p, size_t i)
{
	uint64_t *w = (uint64_t *)(p + i * PG), h = i + 1;

	for (unsigned k = 0; k < noise; k++)
		w[k] = next(&h) * 0x9e3779b97f4a7c15ull;
	w[511] = i;
}

static char *filled(size_t n)
{
	char *p = anon(n);

	for (size_t i = 0; i < n; i++)
		fill(p, i);
	return p;
}

static void check(char *p, size_t i, const char *what)
{
	if (((volatile uint64_t *)(p + i * PG))[511] != i)
		die(what);
}

/* A permutation of 0 … N-1, N a power of two. */
static size_t at_random(size_t i)
{
	return (i * 1664525 + 1013904223) & (N - 1);
}

static int cgroup_fd(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "/cg/bench/%s", name);
	return open(path, O_RDWR);
}

static void reclaim_now(int fd, const char *bytes)
{
	if (pwrite(fd, bytes, strlen(bytes), 0) < 0 && errno != EAGAIN)
		die("memory.reclaim");
}

static unsigned long charged(void)
{
	char buf[32] = "";
	int fd = cgroup_fd("memory.current");

	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) < 0)
		die("memory.current");
	close(fd);
	return strtoul(buf, NULL, 10) / PG;
}

static int enter_cgroup(void)
{
	int fd;

	put("/cg/cgroup.subtree_control", "+memory");
	mkdir("/cg/bench", 0755);
	fd = cgroup_fd("memory.reclaim");
	put("/cg/bench/cgroup.procs", "0");
	return fd;
}

static void leave_cgroup(int fd)
{
	put("/cg/cgroup.procs", "0");
	close(fd);
	while (rmdir("/cg/bench") && errno == EBUSY)
		usleep(10000);
}

/*
 * Swapped out until they are really gone, in row ID: MADV_PAGEOUT on Linux only begins to write; the pages stay in the swap cache until reclaim
 * comes by, so it is asked to. The idle time in between is not counted.
 */
#define PAGE_OUT(id, p) ({						\
	if (id)								\
		BEGIN(id);						\
	madvise(p, N * PG, MADV_PAGEOUT);				\
	if (id)								\
		END(id);						\
	usleep(300000);							\
	for (int tries = 0; tries < 4 && charged() > N / 16; tries++) {	\
		if (id)							\
			BEGIN(id);					\
		reclaim_now(fd, "16M");					\
		if (id)							\
			END(id);					\
	}								\
})

static void swap_rows(void)
{
	int fd = enter_cgroup();

	for (int warm = 1; warm >= 0; warm--) {
		char *p = filled(N);
		unsigned long out = vmstat("pswpout "), in;

		if (!warm)
			PAGE_OUT(1, p);
		else
			PAGE_OUT(0, p);
		out = vmstat("pswpout ") - out;
		in = vmstat("pswpin ");
		if (!warm)
			BEGIN(2);
		for (size_t i = 0; i < N; i++)
			check(p, i, "a page read back");
		if (!warm)
			END(2);
		in = vmstat("pswpin ") - in;
		say("info out %lu in %lu of %d, still charged %lu\n", out, in, N, charged());
		PAGE_OUT(0, p);			/* clean ones: they only go */
		if (!warm)
			BEGIN(3);
		for (size_t i = 0; i < N; i++)
			p[at_random(i) * PG]++;
		if (!warm)
			END(3);
		if (!warm)
			PAGE_OUT(4, p);
		else
			PAGE_OUT(0, p);
		if (!warm)
			BEGIN(5);
		for (size_t i = 0; i < N; i++)
			p[i * PG]++;
		if (!warm)
			END(5);
		munmap(p, N * PG);
	}
	leave_cgroup(fd);
	ROW(1, N, "swap-out, MADV_PAGEOUT, first time");
	ROW(2, N, "swap-in, read in order");
	ROW(3, N, "swap-in, write at random");
	ROW(4, N, "swap-out, MADV_PAGEOUT, dirty again");
	ROW(5, N, "swap-in, write in order");
}

static void read_file(const char *name, size_t from, size_t pages)
{
	static char buf[1 << 16];
	int fd = open(name, O_RDONLY);

	for (size_t at = 0; at < pages * PG; at += sizeof(buf))
		if (pread(fd, buf, sizeof(buf), (off_t)(from * PG + at)) <= 0)
			die("read of the file");
	close(fd);
}

/* What a cgroup asks back: pages of files read once, then anonymous ones. */
static void cgroup_rows(void)
{
	int fd = enter_cgroup();

	for (int warm = 1; warm >= 0; warm--) {
		unsigned long steal;
		char *p;

		read_file("/mnt/file", warm ? 0 : N, N);
		steal = charged();
		if (!warm)
			BEGIN(6);
		reclaim_now(fd, "8M");
		if (!warm)
			END(6);
		steal -= charged();
		say("info reclaimed %lu of 2048\n", steal);
		if (!warm)
			ROW(6, steal ? steal : 1, "reclaim of clean page cache, memory.reclaim");
		reclaim_now(fd, "200M");
		p = filled(N);
		steal = vmstat("pswpout ");
		if (!warm)
			BEGIN(7);
		reclaim_now(fd, "8M");
		if (!warm)
			END(7);
		steal = vmstat("pswpout ") - steal;
		say("info swapped out %lu of 2048\n", steal);
		if (!warm)
			ROW(7, steal ? steal : 1, "swap-out, memory.reclaim");
		munmap(p, N * PG);
	}
	leave_cgroup(fd);
}

static unsigned long meminfo(const char *key)
{
	char buf[8192], *at;
	int fd = open("/proc/meminfo", O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	buf[n > 0 ? n : 0] = 0;
	at = strstr(buf, key);
	return at ? strtoul(at + strlen(key), NULL, 10) / 4 : 0;
}

/* The whole file is read, larger than memory; the difference to the same read while memory is free is what reclaim costs. */
static void cache_rows(void)
{
	unsigned long steal;

	put("/proc/sys/vm/drop_caches", "3");
	read_file("/mnt/file", 0, 4 * N);
	put("/proc/sys/vm/drop_caches", "3");
	read_file("/mnt/file", 0, N);
	BEGIN(8);
	read_file("/mnt/file", N, 2 * N);
	END(8);
	read_file("/mnt/file", 3 * N, 15 * N);		/* full now */
	steal = vmstat("pgsteal_kswapd") + vmstat("pgsteal_direct");
	BEGIN(9);
	read_file("/mnt/file", 18 * N, 2 * N);
	END(9);
	steal = vmstat("pgsteal_kswapd") + vmstat("pgsteal_direct") - steal;
	say("info stolen while reading %lu of %d\n", steal, 2 * N);
	ROW(8, 2 * N, "read of a file, memory free");
	ROW(9, 2 * N, "read of a file, memory full of clean pages");
	ROW(60, steal ? steal : 1, "stolen by row 9");
	/* and to anonymous memory */
	put("/proc/sys/vm/drop_caches", "3");
	char *p = anon(2 * N);
	BEGIN(10);
	for (size_t i = 0; i < 2 * N; i++)
		p[i * PG] = 1;
	END(10);
	munmap(p, 2 * N * PG);
	read_file("/mnt/file", 0, 18 * N);
	p = anon(2 * N);
	steal = vmstat("pgsteal_kswapd") + vmstat("pgsteal_direct");
	BEGIN(11);
	for (size_t i = 0; i < 2 * N; i++)
		p[i * PG] = 1;
	END(11);
	steal = vmstat("pgsteal_kswapd") + vmstat("pgsteal_direct") - steal;
	say("info stolen for anonymous memory %lu of %d\n", steal, 2 * N);
	munmap(p, 2 * N * PG);
	ROW(10, 2 * N, "anonymous fault, memory free");
	ROW(11, 2 * N, "anonymous fault, memory full of clean pages");
	ROW(61, steal ? steal : 1, "stolen by row 11");
}

/* A program larger than memory: what a fresh page costs when one must go to swap for it, faults included. */
static void full_rows(void)
{
	size_t n = meminfo("MemAvailable:") + 8192;
	char *p = anon(n + N);
	unsigned long out;

	put("/proc/sys/vm/drop_caches", "3");
	for (size_t i = 0; i < n; i++)
		p[i * PG] = 1;
	out = vmstat("pswpout ");
	BEGIN(12);
	for (size_t i = n; i < n + N; i++)
		p[i * PG] = 1;
	END(12);
	out = vmstat("pswpout ") - out;
	say("info swapped out meanwhile %lu of %d\n", out, N);
	ROW(12, out ? out : 1, "fault of a fresh page with memory full, a page swapped out");
	munmap(p, (n + N) * PG);
}

static int counted(void)
{
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	swap_rows();
	cgroup_rows();
	cache_rows();
	full_rows();
	return 0;
}

/* ---- larger than memory ---------------------------------------------------------------------------------------- */

/* Each page carries its number and how often it was written; all are checked at the end. */
static int big(const char *how, size_t mb, unsigned rounds)
{
	size_t n = mb << 8, hot = n / 4;
	uint32_t *times = calloc(n, sizeof(*times));
	uint64_t h = 7;
	char *p;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	p = filled(n);
	for (size_t r = 0; r < (size_t)rounds * n; r++) {
		size_t i = r % n;

		if (!strcmp(how, "random"))
			i = next(&h) % n;
		else if (!strcmp(how, "hot") && r % 8)		/* seven of eight in a quarter of it, the rest a scan */
			i = next(&h) % hot;
		check(p, i, how);
		((uint64_t *)(p + i * PG))[510]++;
		times[i]++;
	}
	for (size_t i = 0; i < n; i++)
		if (((uint64_t *)(p + i * PG))[510] != times[i] || ((uint64_t *)(p + i * PG))[511] != i)
			die("a page at the end");
	return 0;
}

/* Pages of a mapping that are not in memory. */
static size_t missing(char *map, size_t from, size_t pages)
{
	static unsigned char there[1 << 16];
	size_t n = 0;

	for (size_t k; pages; pages -= k, from += k) {
		k = pages < sizeof(there) ? pages : sizeof(there);
		if (mincore(map + from * PG, k * PG, there))
			die("mincore");
		for (size_t i = 0; i < k; i++)
			n += !(there[i] & 1);
	}
	return n;
}

/*
 * A hot set of a file read again and again between the parts of a scan of the rest: pages of the hot set that had gone, and what was read in all.
 * mincore() says it alike on both: a kernel's own count of refaults takes in what it deems recent.
 */
static int scan(const char *name, size_t hot, int rounds)
{
	static char buf[1 << 16];
	int fd = open(name, O_RDONLY);
	struct stat st;
	size_t lost = 0, seen = 0, part, reads, pages;
	char *map;

	if (fd < 0 || fstat(fd, &st))
		die(name);
	pages = (size_t)st.st_size / PG;
	map = mmap(NULL, pages * PG, PROT_READ, MAP_SHARED, fd, 0);
	part = (pages - hot) / 4 & ~15ul;
	for (int k = 0; k < 3; k++)
		read_file(name, 0, hot & ~15ul);
	reads = vmstat("pgpgin ");
	for (int r = 0; r < rounds; r++)
		for (size_t k = 0; k < 4; k++) {
			read_file(name, hot + k * part, part);
			lost += missing(map, 0, hot);
			seen += hot;
			for (size_t at = 0; at < hot; at++)
				(void)!pread(fd, buf, PG, (off_t)(at * PG));
		}
	say("LOST %zu of %zu, KiB read %lu\n", lost, seen, vmstat("pgpgin ") - reads);
	return 0;
}

static int by_line(const char *prog, char **words)
{
	static char buf[1 << 16];
	uint64_t sum = 0, bytes = 0, line = 0, lines = 0;
	int fds[2], st;
	ssize_t n;
	pid_t pid;

	if (pipe(fds))
		die("pipe");
	pid = fork();
	if (!pid) {
		dup2(fds[1], 1);
		close(fds[0]);
		close(fds[1]);
		execv(prog, words);
		die(prog);
	}
	close(fds[1]);
	while ((n = read(fds[0], buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++, bytes++) {
			line = line * 31 + (unsigned char)buf[i];
			if (buf[i] == '\n') {
				sum += line * ++lines;
				line = 0;
			}
		}
	waitpid(pid, &st, 0);
	say("OUTPUT %lu bytes %lu lines sum %016lx status %d\n", bytes, lines, sum, st);
	return st != 0;
}

/* ---- /init ------------------------------------------------------------------------------------------------------ */

static char cmdline[4096];

static char *word(const char *name)
{
	static char out[1024];
	char *at = cmdline, *end;

	while ((at = strstr(at, name)))
		if ((at == cmdline || at[-1] == ' ') && (strchr("= \n", at[strlen(name)]) || !at[strlen(name)]))
			break;
		else
			at++;
	if (!at)
		return NULL;
	at += strlen(name);
	at += *at == '=';
	end = at + strcspn(at, " \n");
	memcpy(out, at, (size_t)(end - at));
	out[end - at] = 0;
	return out;
}

static void load_modules(void)
{
	char name[128];
	FILE *f = fopen("/modules.list", "r");

	while (f && fscanf(f, "%127s", name) == 1) {
		int fd = open(name, O_RDONLY | O_CLOEXEC);

		if (syscall(SYS_finit_module, fd, "", 0))
			say("pressure: %s: errno %d\n", name, errno);
		close(fd);
	}
	if (f)
		fclose(f);
}

static int wait_for(const char *path)
{
	struct stat st;

	for (int i = 0; i < 500; i++) {
		if (!stat(path, &st))
			return 0;
		usleep(10000);
	}
	return -1;
}

/* What mkswap writes. */
static void make_swap(const char *path, uint32_t pages)
{
	static uint32_t head[1024];
	int fd = open(path, O_WRONLY);

	head[256] = 1;
	head[257] = pages - 1;
	memcpy((char *)head + 4086, "SWAPSPACE2", 10);
	if (fd < 0 || pwrite(fd, head, sizeof(head), 0) != sizeof(head) || fsync(fd))
		die("mkswap");
	close(fd);
}

static void show(const char *path, const char *what)
{
	char buf[2048];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);

	close(fd);
	for (ssize_t i = 0; i < n - 1; i++)
		if (buf[i] == '\n')
			buf[i] = ' ';
	buf[n > 0 ? n : 0] = 0;
	say("%s %s%s", what, buf, n > 0 && buf[n - 1] == '\n' ? "" : "\n");
}

static void zram(const char *size, const char *algorithm)
{
	struct stat st;

	if (stat("/sys/block/zram0", &st))
		show("/sys/class/zram-control/hot_add", "ZRAM");	/* reading makes one */
	if (*algorithm)
		put("/sys/block/zram0/comp_algorithm", algorithm);
	put("/sys/block/zram0/disksize", size);
	if (wait_for("/dev/zram0"))
		die("zram0");
	make_swap("/dev/zram0", (uint32_t)(strtoul(size, NULL, 10) << 8));
	if (swapon("/dev/zram0", 0))
		die("swapon zram0");
}

static const char *counters[] = { "pswpin ", "pswpout ", "pgmajfault ", "workingset_refault_file ", "workingset_refault_anon ", "pgsteal_kswapd",
				  "pgsteal_direct", "pgscan_kswapd", "pgscan_direct", "pgpgin ", "pgpgout ", "zswpin ", "zswpout " };
#define NR (sizeof(counters) / sizeof(*counters))

static void run_command(void)
{
	unsigned long before[NR];
	char *argv[32], *w = word("run"), *text = strdup(w ? w : "counted");
	int n = 0, st = 0;
	double begin;
	pid_t pid;

	for (char *t = strtok(text, ","); t && n < 31; t = strtok(NULL, ","))
		argv[n++] = t;
	argv[n] = NULL;
	for (char **a = argv; *a; a++)			/* ~ for a blank, ^ for a comma */
		for (char *c = *a; *c; c++)
			*c = *c == '~' ? ' ' : *c == '^' ? ',' : *c;
	for (unsigned i = 0; i < NR; i++)
		before[i] = vmstat(counters[i]);
	begin = now();
	pid = fork();
	if (!pid) {
		char *self[33] = { "/init" };

		memcpy(self + 1, argv, sizeof(argv));
		if (word("chroot") && (chroot("/mnt") || chdir("/tmp")))
			die("chroot");
		execv(word("chroot") ? "/pressure" : "/init", self);
		die("exec");
	}
	waitpid(pid, &st, 0);
	say("WALL %.3f status %d\n", now() - begin, st);
	for (unsigned i = 0; i < NR; i++)
		say("STAT %s %lu\n", counters[i], vmstat(counters[i]) - before[i]);
}

static _Noreturn void init(void)
{
	char *w;
	int fd;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("cg", "/cg", "cgroup2", 0, NULL);
	mount("tmp", "/tmp", "tmpfs", 0, NULL);
	fd = open("/proc/cmdline", O_RDONLY);
	cmdline[read(fd, cmdline, sizeof(cmdline) - 1)] = 0;
	close(fd);
	load_modules();
	if (wait_for("/dev/vda") || wait_for("/dev/vdb"))
		die("no disks");
	if (mount("/dev/vdb", "/mnt", "ext2", 0, NULL))
		die("mount");
	if (word("chroot")) {
		mount("proc", "/mnt/proc", "proc", 0, NULL);
		mount("dev", "/mnt/dev", "devtmpfs", 0, NULL);
	}
	w = word("swap");
	if (w && !strncmp(w, "zram", 4)) {
		char *size = strchr(w, ':') + 1, *alg = strchr(size, ':');

		if (alg)
			*alg++ = 0;
		zram(size, alg ? alg : "");
	} else if (!w || strcmp(w, "none")) {
		if (swapon("/dev/vda", 0))
			die("swapon");
	}
	if (word("mglru"))
		put("/sys/kernel/mm/lru_gen/enabled", "y");
	show("/sys/kernel/mm/lru_gen/enabled", "MGLRU");
	show("/proc/swaps", "SWAPS");
	say("MEMTOTAL %lu KiB available %lu KiB\n", 4 * meminfo("MemTotal:"), 4 * meminfo("MemAvailable:"));
	run_command();
	if (w)
		show("/sys/block/zram0/mm_stat", "ZRAM");
	say("BENCH END\n");
	sync();
	reboot(RB_POWER_OFF);
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (getpid() == 1)
		init();
	if (argc == 2 && !strcmp(argv[1], "counted"))
		return counted();
	if (argc == 6)
		noise = (unsigned)atoi(argv[5]);
	if (argc >= 5 && !strcmp(argv[1], "big"))
		return big(argv[2], strtoul(argv[3], NULL, 10), (unsigned)atoi(argv[4]));
	if (argc == 5 && !strcmp(argv[1], "scan"))
		return scan(argv[2], strtoul(argv[3], NULL, 10) << 8, atoi(argv[4]));
	if (argc >= 3 && !strcmp(argv[1], "lines")) {
		setenv("LC_ALL", "C", 1);
		setenv("TMPDIR", "/tmp", 1);
		return by_line(argv[2], argv + 2);
	}
	if (argc >= 3 && !strcmp(argv[1], "exec")) {
		execv(argv[2], argv + 2);
		die(argv[2]);
	}
	die("what?");
	return 2;
}
