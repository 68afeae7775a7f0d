/* cgroup_stat.c - memory.stat and memory.numa_stat: each key of Linux 6.1, and that the numbers move. Needs root and cgroup2. */
#include "cg.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define MIB (1L << 20)

static void end(const char *cg, pid_t pid)
{
	if (pid) {
		kill(pid, SIGKILL);
		EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	}
	WAIT_FOR(strstr(get(cg, "cgroup.events"), "populated 0") != NULL);
	EXPECT_OK(rmdir(at(cg, "")));
}

/* The number of node 0. */
static long on_node(const char *cg, const char *name)
{
	const char *s = get(cg, "memory.numa_stat");
	char key[40];

	snprintf(key, sizeof(key), "%s N0=", name);
	while (s && *s) {
		if (!strncmp(s, key, strlen(key)))
			return atol(s + strlen(key));
		s = strchr(s, '\n');
		s = s ? s + 1 : NULL;
	}
	return -1;
}

static const struct { const char *name; bool node; } keys[] = {
	{ "anon", true }, { "file", true }, { "kernel", false }, { "kernel_stack", true }, { "pagetables", true }, { "sec_pagetables", true },
	{ "percpu", false }, { "sock", false }, { "vmalloc", false }, { "shmem", true }, { "zswap", false }, { "zswapped", false },
	{ "file_mapped", true }, { "file_dirty", true }, { "file_writeback", true }, { "swapcached", true }, { "anon_thp", true },
	{ "file_thp", true }, { "shmem_thp", true }, { "inactive_anon", true }, { "active_anon", true }, { "inactive_file", true },
	{ "active_file", true }, { "unevictable", true }, { "slab_reclaimable", true }, { "slab_unreclaimable", true }, { "slab", false },
	{ "workingset_refault_anon", true }, { "workingset_refault_file", true }, { "workingset_activate_anon", true },
	{ "workingset_activate_file", true }, { "workingset_restore_anon", true }, { "workingset_restore_file", true },
	{ "workingset_nodereclaim", true }, { "pgscan", false }, { "pgsteal", false }, { "pgscan_kswapd", false }, { "pgscan_direct", false },
	{ "pgsteal_kswapd", false }, { "pgsteal_direct", false }, { "pgfault", false }, { "pgmajfault", false }, { "pgrefill", false },
	{ "pgactivate", false }, { "pgdeactivate", false }, { "pglazyfree", false }, { "pglazyfreed", false }, { "zswpin", false },
	{ "zswpout", false }, { "thp_fault_alloc", false }, { "thp_collapse_alloc", false },
};

static void look_for_keys(const char *cg)
{
	bool nodes = get(cg, "memory.numa_stat") != NULL, pool = access("/sys/module/zswap", F_OK) == 0;

	for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
		if (stat_of(cg, keys[i].name) < 0 && (pool || !strstr(keys[i].name, "zsw")))
			t_fail(__LINE__, "%s: no %s", cg, keys[i].name);
		if (nodes && (on_node(cg, keys[i].name) >= 0) != keys[i].node)
			t_fail(__LINE__, "%s: %s in numa_stat", cg, keys[i].name);
	}
}

TEST(every_key)
{
	NEED_CGROUPS();
	make("e");
	look_for_keys("e");
	end("e", 0);
}

TEST(of_the_root)
{
	pid_t pid;

	NEED_CGROUPS();
	look_for_keys(".");
	EXPECT_ERR(open(at(".", "memory.current"), O_RDONLY), ENOENT);
	make("r");
	pid = child_in("r", touch_8m_and_wait);
	WAIT_FOR(stat_of("r", "anon") >= 8 * MIB);
	WAIT_FOR(stat_of(".", "anon") >= stat_of("r", "anon"));
	WAIT_FOR(stat_of(".", "pgfault") > stat_of("r", "pgfault"));
	CHECK(stat_of(".", "pagetables") >= stat_of("r", "pagetables"));
	CHECK(stat_of(".", "slab") >= stat_of("r", "slab"));
	if (get("r", "memory.numa_stat"))
		WAIT_FOR(on_node("r", "anon") >= 8 * MIB && on_node(".", "anon") >= 8 * MIB);
	end("r", pid);
}

static void lazy(void)
{
	char *p = t_anon(512);

	memset(p, 1, 512 * PG);
	if (madvise(p, 512 * PG, MADV_FREE))
		_exit(96);
	pause();
}

TEST(lazily_freed)
{
	pid_t pid;

	NEED_CGROUPS();
	make("l");
	pid = child_in("l", lazy);
	WAIT_FOR(stat_of("l", "pglazyfree") >= 400);		/* Linux: when a batch is full */
	EXPECT_EQ(stat_of("l", "pglazyfreed"), 0);
	put("l", "memory.reclaim", "4M");
	WAIT_FOR(stat_of("l", "pglazyfreed") >= 400);
	CHECK(stat_of("l", "anon") < MIB);
	end("l", pid);
}

static void again_and_again(void)
{
	char *p = t_anon(2048);

	for (;;) {
		for (int i = 0; i < 2048; i++)
			p[i * PG] = 1;
		t_msleep(50);
	}
}

TEST(swapped_and_back)
{
	pid_t pid;

	NEED_CGROUPS();
	NEED_SWAP(64);
	make("b");
	pid = child_in("b", again_and_again);
	WAIT_FOR(stat_of("b", "anon") >= 8 * MIB);
	EXPECT_OK(put("b", "memory.reclaim", "4M"));
	WAIT_FOR(stat_of("b", "workingset_refault_anon") >= 512);
	CHECK(stat_of("b", "pgsteal") >= 512 && stat_of("b", "pgscan") >= stat_of("b", "pgsteal"));
	kill(pid, SIGKILL);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	WAIT_FOR(amount("b", "memory.swap.current") <= 64 * 4096);	/* back to whom it was charged to; Linux: 64 at a time */
	WAIT_FOR(stat_of("b", "anon") == 0 && stat_of("b", "swapcached") == 0);
	end("b", 0);
}

static char disk[64];
static int lines[2];

/* The cache of a disk: read twice, so that it is active; then once more for each byte in the pipe. */
static void read_the_disk(void)
{
	static char buf[65536];
	int fd = open(disk, O_RDONLY), rounds = 3;
	char c;

	do {
		for (int i = 0; i < 64; i++)
			if (pread(fd, buf, sizeof(buf), i * 65536L) != sizeof(buf))
				_exit(96);
	} while (--rounds > 0 || read(lines[0], &c, 1) == 1);
}

static long of_machine(const char *name)
{
	const char *s = t_get("/proc/vmstat");

	s = s ? strstr(s, name) : NULL;
	return s ? atol(s + strlen(name)) : -1;
}

TEST(cached_and_back)
{
	const char *s = getuid() || sysconf(_SC_PHYS_PAGES) > 1L << 18 ? NULL : t_get("/sys/class/zram-control/hot_add");
	long refaults, restored;
	char path[64];
	pid_t pid;

	NEED_CGROUPS();
	if (!s)
		SKIP("no disk to be had");
	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize", atoi(s));
	snprintf(disk, sizeof(disk), "/dev/zram%d", atoi(s));
	EXPECT_OK(t_put(path, "8388608", 0644));
	EXPECT_OK(pipe(lines));
	make("c");
	pid = child_in("c", read_the_disk);
	WAIT_FOR(stat_of("c", "file") >= 4 * MIB && t_state(pid) == 'S');
	CHECK(amount("c", "memory.current") >= 4 * MIB);
	EXPECT_EQ(stat_of("c", "workingset_refault_file"), 0);
	refaults = of_machine("workingset_refault_file");
	restored = of_machine("workingset_restore_file");
	put("c", "memory.reclaim", "8M");
	WAIT_FOR(stat_of("c", "file") < MIB);
	CHECK(amount("c", "memory.current") < 3 * MIB);
	EXPECT_EQ(write(lines[1], "x", 1), 1);
	WAIT_FOR(stat_of("c", "file") >= 4 * MIB && t_state(pid) == 'S');
	/* How many count is the kernel's own affair (stock Linux: none, of a disk's cache); nobody else reads files. */
	refaults = of_machine("workingset_refault_file") - refaults;
	restored = of_machine("workingset_restore_file") - restored;
	WAIT_FOR(stat_of("c", "workingset_refault_file") >= refaults - refaults / 8);
	WAIT_FOR(stat_of("c", "workingset_restore_file") >= restored - restored / 8);
	CHECK(stat_of("c", "workingset_activate_file") <= stat_of("c", "workingset_refault_file"));
	CHECK(stat_of("c", "workingset_restore_file") <= stat_of("c", "workingset_activate_file"));
	kill(pid, SIGKILL);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	put("c", "memory.reclaim", "8M");
	WAIT_FOR(stat_of("c", "file") < MIB);
	close(lines[0]);
	close(lines[1]);
	end("c", 0);
}

/* Both ends, and a queue between them that waits for the letter in the pipe. */
static void send_and_wait(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int l = socket(AF_INET, SOCK_STREAM, 0), from = socket(AF_INET, SOCK_STREAM, 0), to;
	static char buf[32768];
	socklen_t len = sizeof(a);

	if (bind(l, (void *)&a, sizeof(a)) || listen(l, 4) || getsockname(l, (void *)&a, &len) || connect(from, (void *)&a, sizeof(a)))
		_exit(95);
	to = accept(l, NULL, NULL);
	if (to < 0 || send(from, buf, sizeof(buf), 0) != sizeof(buf) || read(lines[0], buf, 1) != 1)
		_exit(96);
	if (recv(to, buf, sizeof(buf), MSG_WAITALL) != sizeof(buf))
		_exit(97);
	pause();
}

/* What was sent through the network and not read yet. */
TEST(sockets)
{
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	long queued;
	pid_t pid;

	NEED_CGROUPS();
	if (fd < 0)
		SKIP("no network");
	ioctl(fd, SIOCSIFFLAGS, &up);
	close(fd);
	EXPECT_OK(pipe(lines));
	make("n");
	pid = child_in("n", send_and_wait);
	WAIT_FOR(stat_of("n", "sock") >= 32768);
	queued = stat_of("n", "sock");
	CHECK(queued < MIB);
	EXPECT_EQ(write(lines[1], "x", 1), 1);
	WAIT_FOR(stat_of("n", "sock") < queued);
	kill(pid, SIGKILL);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	close(lines[0]);
	close(lines[1]);
	WAIT_FOR(stat_of("n", "sock") == 0);
	end("n", 0);
}
