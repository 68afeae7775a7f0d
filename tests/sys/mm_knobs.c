/* mm_knobs.c - /proc/sys/vm: what each knob changes, not just that it reads back. A machine of its own, as root; restored afterwards. */
#include "cg.h"

#define VM "/proc/sys/vm/"
#define NEED_VM() do { if (getuid() || access(VM "swappiness", W_OK) || sysconf(_SC_PHYS_PAGES) > 1L << 18) SKIP("no machine of our own"); } while (0)

static char was[8][64];
static const char *names[8];
static int changed;

static void set(const char *name, const char *value)
{
	char path[96];

	snprintf(path, sizeof(path), VM "%s", name);
	if (changed < 8) {
		snprintf(was[changed], sizeof(was[0]), "%s", t_get(path));
		names[changed++] = name;
	}
	EXPECT_OK(t_put(path, value, 0644));
}

static void restore(void)
{
	char path[96];

	while (changed--) {
		snprintf(path, sizeof(path), VM "%s", names[changed]);
		EXPECT_OK(t_put(path, was[changed], 0644));
	}
	changed = 0;
}

/* Sum over the zones of a line of /proc/zoneinfo: "  min  123". */
static long zones(const char *key)
{
	char *s = t_get("/proc/zoneinfo"), pattern[32];
	long sum = 0;

	snprintf(pattern, sizeof(pattern), "\n        %s ", key);
	while ((s = strstr(s, pattern))) {
		s += strlen(pattern);
		sum += atol(s);
	}
	return sum;
}

TEST(min_free_kbytes)
{
	long min;

	NEED_VM();
	min = zones("min");
	set("min_free_kbytes", "20480");
	CHECK(min > 0 && zones("min") >= 5000 && zones("min") <= 5200);
	CHECK(zones("low") > zones("min") && zones("high") > zones("low"));
	restore();
	EXPECT_EQ(zones("min"), min);
}

TEST(watermark_scale_factor)
{
	long gap, total;

	NEED_VM();
	gap = zones("high") - zones("low");
	total = zones("managed");
	set("watermark_scale_factor", "1000");		/* a tenth of each zone between two marks */
	if (total <= 0)
		total = sysconf(_SC_PHYS_PAGES);
	CHECK(zones("high") - zones("low") > gap);
	CHECK(zones("high") - zones("low") >= total / 11);
	restore();
	EXPECT_EQ(zones("high") - zones("low"), gap);
}

TEST(overcommit_kbytes)
{
	char *p;
	long limit;

	NEED_VM();
	set("overcommit_memory", "2");
	set("overcommit_kbytes", "200000");
	limit = t_proc("/proc/meminfo", "CommitLimit");
	EXPECT_EQ(limit, 200000 + t_proc("/proc/meminfo", "SwapTotal"));
	p = mmap(NULL, (size_t)(limit + 4096) << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p == MAP_FAILED && errno == ENOMEM);
	p = mmap(NULL, 50 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK(t_proc("/proc/meminfo", "Committed_AS") >= 50 << 10);
	munmap(p, 50 << 20);
	EXPECT_EQ(t_proc(VM "overcommit_ratio", ""), 0);	/* the other one of the pair */
	changed = 1;
	restore();
	EXPECT_OK(t_put(VM "overcommit_ratio", "50", 0644));
}

/* RLIMIT_RSS has had no effect since Linux 2.4: it holds its value, and nothing else. */
TEST(rlimit_rss_is_ignored)
{
	struct rlimit r = { 1 << 20, 1 << 20 }, old;
	char *p = t_anon(1024);

	EXPECT_OK(getrlimit(RLIMIT_RSS, &old));
	r.rlim_max = old.rlim_max;
	EXPECT_OK(setrlimit(RLIMIT_RSS, &r));
	memset(p, 1, 1024 * PG);
	CHECK(t_proc("/proc/self/status", "VmRSS") >= 4096);
	EXPECT_OK(setrlimit(RLIMIT_RSS, &old));
	munmap(p, 1024 * PG);
}

static void names_looked_up(void)
{
	char name[64];
	struct stat st;

	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "no-such-name-%d", i);
		stat(name, &st);
	}
}

TEST(drop_caches)
{
	long before, drops;

	NEED_VM();
	drops = t_proc("/proc/vmstat", "drop_slab");
	names_looked_up();
	before = t_proc("/proc/meminfo", "SReclaimable");
	EXPECT_OK(t_put(VM "drop_caches", "2", 0200));
	CHECK(t_proc("/proc/meminfo", "SReclaimable") <= before);
	CHECK(t_proc("/proc/vmstat", "drop_slab") > drops);
	EXPECT_OK(t_put(VM "drop_caches", "1", 0200));
	CHECK(t_proc("/proc/vmstat", "drop_pagecache") >= 1);
	CHECK(t_put(VM "drop_caches", "9", 0200) != 0);
}

/* 0: the cgroup's unused names are left alone when it is asked for memory; more than 100: they go. */
TEST(vfs_cache_pressure)
{
	long before;
	pid_t pid;

	NEED_VM();
	NEED_CGROUPS();
	make("v");
	pid = child_in("v", names_looked_up);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	WAIT_FOR(strstr(get("v", "cgroup.events"), "populated 0") != NULL);
	before = field("v", "memory.stat", "slab_reclaimable");
	if (before < 5000 * 100) {
		EXPECT_OK(rmdir(at("v", "")));
		SKIP("this file system does not remember names");
	}
	set("vfs_cache_pressure", "0");
	put("v", "memory.reclaim", "4M");
	EXPECT_EQ(field("v", "memory.stat", "slab_reclaimable"), before);
	restore();
	set("vfs_cache_pressure", "200");
	put("v", "memory.reclaim", "4M");
	CHECK(field("v", "memory.stat", "slab_reclaimable") < before / 4);
	restore();
	EXPECT_OK(rmdir(at("v", "")));
}

/* 0: a cgroup is not swapped at its own request; else it is. */
TEST(swappiness)
{
	pid_t pid;

	NEED_VM();
	NEED_CGROUPS();
	NEED_SWAP(64);
	make("w");
	pid = child_in("w", touch_8m_and_wait);
	WAIT_FOR(atol(get("w", "memory.current")) >= 8 << 20);
	set("swappiness", "0");
	CHECK(put("w", "memory.reclaim", "4M") != 0);
	EXPECT_EQ(atol(get("w", "memory.swap.current")), 0);
	restore();
	set("swappiness", "100");
	put("w", "memory.reclaim", "4M");
	CHECK(atol(get("w", "memory.swap.current")) >= 3 << 20);
	restore();
	kill(pid, SIGKILL);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	WAIT_FOR(strstr(get("w", "cgroup.events"), "populated 0") != NULL);
	EXPECT_OK(rmdir(at("w", "")));
}
