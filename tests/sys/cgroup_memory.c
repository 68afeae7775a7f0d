/* cgroup_memory.c - memory cgroups: the tree, charging, limits, events, the OOM killer inside one. Needs root and cgroup2. */
#include "cg.h"

static void touch_64m(void)
{
	touch(64 << 20);
}

TEST(tree)
{
	NEED_CGROUPS();
	make("a");
	CHECK(!strcmp(get("a", "memory.max"), "max\n"));
	CHECK(!strcmp(get("a", "memory.low"), "0\n"));
	CHECK(!strcmp(get("a", "cgroup.type"), "domain\n"));
	CHECK(strstr(get("a", "cgroup.controllers"), "memory") != NULL);
	CHECK(strstr(get("a", "cgroup.events"), "populated 0") != NULL);
	EXPECT_ERR(mkdir(at("a", ""), 0755), EEXIST);
	make("a/b");
	EXPECT_ERR(open(at("a/b", "memory.max"), O_RDONLY), ENOENT);
	EXPECT_OK(put("a", "cgroup.subtree_control", "+memory"));
	CHECK(get("a/b", "memory.max") != NULL);
	EXPECT_ERR(rmdir(at("a", "")), EBUSY);
	EXPECT_OK(rmdir(at("a/b", "")));
	EXPECT_OK(rmdir(at("a", "")));
	EXPECT_ERR(rmdir(at("a", "")), ENOENT);
}

TEST(limits_are_pages)
{
	NEED_CGROUPS();
	make("l");
	EXPECT_OK(put("l", "memory.max", "10000000"));
	CHECK(!strcmp(get("l", "memory.max"), "9998336\n"));
	EXPECT_OK(put("l", "memory.high", "8M"));
	CHECK(!strcmp(get("l", "memory.high"), "8388608\n"));
	EXPECT_OK(put("l", "memory.max", "max"));
	CHECK(!strcmp(get("l", "memory.max"), "max\n"));
	CHECK(put("l", "memory.max", "lots") != 0);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_OK(rmdir(at("l", "")));
}

TEST(charges_follow_the_process)
{
	char pid_text[16], line[64];
	long now;
	pid_t pid;

	NEED_CGROUPS();
	make("c");
	pid = child_in("c", touch_8m_and_wait);
	WAIT_FOR(atol(get("c", "memory.current")) >= 8 << 20);
	now = atol(get("c", "memory.current"));
	CHECK(now < 12 << 20);
	snprintf(pid_text, sizeof(pid_text), "%d\n", pid);
	CHECK(!strcmp(get("c", "cgroup.procs"), pid_text));
	snprintf(line, sizeof(line), "/proc/%d/cgroup", pid);
	CHECK(strstr(t_get(line), "/c\n") != NULL);
	CHECK(strstr(get("c", "cgroup.events"), "populated 1") != NULL);
	EXPECT_ERR(rmdir(at("c", "")), EBUSY);
	EXPECT_OK(put("c", "cgroup.kill", "1"));
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	WAIT_FOR(strstr(get("c", "cgroup.events"), "populated 0") != NULL);
	CHECK(atol(get("c", "memory.current")) < 1 << 20);
	EXPECT_OK(rmdir(at("c", "")));
}

TEST(max_kills_inside)
{
	pid_t pid, bystander;
	int st;

	NEED_CGROUPS();
	make("m");
	EXPECT_OK(put("m", "memory.max", "16M"));
	put("m", "memory.swap.max", "0");	/* absent here, present on Linux with swap accounting */
	bystander = fork();
	if (bystander == 0) {
		pause();
		_exit(0);
	}
	pid = child_in("m", touch_64m);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	CHECK(event("m", "oom_kill") >= 1);
	CHECK(event("m", "oom") >= 1);
	CHECK(event("m", "max") >= 1);
	EXPECT_EQ(kill(bystander, 0), 0);
	kill(bystander, SIGKILL);
	waitpid(bystander, NULL, 0);
	WAIT_FOR(strstr(get("m", "cgroup.events"), "populated 0") != NULL);
	EXPECT_OK(rmdir(at("m", "")));
}

TEST(a_limit_above_counts_too)
{
	pid_t pid;
	int st;

	NEED_CGROUPS();
	make("p");
	EXPECT_OK(put("p", "cgroup.subtree_control", "+memory"));
	make("p/q");
	EXPECT_OK(put("p", "memory.max", "16M"));
	put("p", "memory.swap.max", "0");
	pid = child_in("p/q", touch_64m);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	CHECK(event("p", "oom_kill") >= 1);
	CHECK(event("p/q", "oom_kill") >= 1);
	WAIT_FOR(strstr(get("p/q", "cgroup.events"), "populated 0") != NULL);
	EXPECT_OK(rmdir(at("p/q", "")));
	EXPECT_OK(rmdir(at("p", "")));
}

static void group_of_two(void)
{
	if (fork() == 0) {
		for (;;)
			pause();
	}
	touch(64 << 20);
}

TEST(oom_group_kills_all)
{
	pid_t pid;

	NEED_CGROUPS();
	make("g");
	EXPECT_OK(put("g", "memory.max", "16M"));
	put("g", "memory.swap.max", "0");
	EXPECT_OK(put("g", "memory.oom.group", "1"));
	pid = child_in("g", group_of_two);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	WAIT_FOR(strstr(get("g", "cgroup.events"), "populated 0") != NULL);
	CHECK(event("g", "oom_group_kill") >= 1);
	EXPECT_OK(rmdir(at("g", "")));
}

static void read_a_file(void)
{
	static char buf[65536];
	int fd = open("big", O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (int i = 0; i < 16; i++)
		if (write(fd, buf, sizeof(buf)) != sizeof(buf))
			_exit(96);
	close(fd);
	unlink("big");
}

TEST(no_processes_beside_delegation)
{
	NEED_CGROUPS();
	make("n");
	EXPECT_OK(put("n", "cgroup.subtree_control", "+memory"));
	CHECK(put("n", "cgroup.procs", "0") != 0);
	EXPECT_EQ(errno, EBUSY);
	EXPECT_OK(rmdir(at("n", "")));
}

TEST(files_are_charged)
{
	pid_t pid;
	int st;

	NEED_CGROUPS();
	make("f");
	pid = child_in("f", read_a_file);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(st, 0);
	CHECK(atol(get("f", "memory.peak")) >= 1 << 20);
	EXPECT_OK(rmdir(at("f", "")));
}

static void touch_32m(void)
{
	touch(32 << 20);
}

/* Swap is there, but the cgroup may have no more of it: that is found out soon, not by trying each page again and again. */
TEST(swap_max_ends_soon)
{
	pid_t pid;
	int st;

	NEED_CGROUPS();
	NEED_SWAP(64);
	make("s");
	EXPECT_OK(put("s", "memory.max", "16M"));
	EXPECT_OK(put("s", "memory.swap.max", "8M"));
	pid = child_in("s", touch_32m);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	CHECK(field("s", "memory.swap.events", "max") >= 1);
	CHECK(field("s", "memory.swap.events", "max") < 200);
	CHECK(event("s", "max") < 2000);
	EXPECT_EQ(event("s", "oom_kill"), 1);
	if (amount("s", "memory.swap.peak") != -1)
		CHECK(amount("s", "memory.swap.peak") > 7 << 20 && amount("s", "memory.swap.peak") <= 8 << 20);
	WAIT_FOR(strstr(get("s", "cgroup.events"), "populated 0") != NULL);
	EXPECT_OK(rmdir(at("s", "")));
}

/* The same of a cgroup below the one that reclaims: its sibling's pages still go to swap. */
TEST(swap_max_of_one_spares_nobody_else)
{
	pid_t pid, full;

	NEED_CGROUPS();
	NEED_SWAP(64);
	make("t");
	EXPECT_OK(put("t", "cgroup.subtree_control", "+memory"));
	EXPECT_OK(put("t", "memory.max", "24M"));
	make("t/none");
	make("t/some");
	EXPECT_OK(put("t/none", "memory.swap.max", "0"));
	full = child_in("t/none", touch_8m_and_wait);
	WAIT_FOR(atol(get("t/none", "memory.current")) >= 8 << 20);
	pid = child_in("t/some", touch_32m);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	EXPECT_EQ(event("t", "oom_kill"), 0);
	EXPECT_EQ(amount("t/none", "memory.swap.current"), 0);
	CHECK(field("t", "memory.stat", "pgsteal") >= (8 << 20) / 4096);
	CHECK(field("t/none", "memory.swap.events", "max") < 500);
	kill(full, SIGKILL);
	waitpid(full, NULL, 0);
	WAIT_FOR(strstr(get("t", "cgroup.events"), "populated 0") != NULL);
	EXPECT_OK(rmdir(at("t/none", "")));
	EXPECT_OK(rmdir(at("t/some", "")));
	EXPECT_OK(rmdir(at("t", "")));
}

static void touch_32m_and_wait(void)
{
	touch(32 << 20);
	pause();
}

static void finish(const char *cg, pid_t pid)
{
	if (pid) {
		kill(pid, SIGKILL);
		EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	}
	WAIT_FOR(strstr(get(cg, "cgroup.events"), "populated 0") != NULL);
	EXPECT_OK(rmdir(at(cg, "")));
}

/* Over memory.high a cgroup is slowed down and reclaimed from, never killed. */
TEST(high_holds_back)
{
	pid_t pid;

	NEED_CGROUPS();
	NEED_SWAP(64);
	make("h");
	EXPECT_OK(put("h", "memory.high", "8M"));
	pid = child_in("h", touch_32m_and_wait);
	WAIT_FOR(atol(get("h", "memory.swap.current")) >= 20 << 20);
	WAIT_FOR(t_state(pid) == 'S' && atol(get("h", "memory.current")) <= 10 << 20);
	CHECK(event("h", "high") >= 1);
	EXPECT_EQ(event("h", "oom_kill"), 0);
	CHECK(atol(get("h", "memory.peak")) < 16 << 20);
	finish("h", pid);
}

/* A sibling that needs more than there is takes nothing from what is protected; without protection it does. */
static long swapped_with(const char *file)
{
	pid_t held, eater;
	long swapped;

	make("x");
	EXPECT_OK(put("x", "cgroup.subtree_control", "+memory"));
	EXPECT_OK(put("x", "memory.max", "20M"));
	make("x/held");
	make("x/eats");
	if (file)
		EXPECT_OK(put("x/held", file, "12M"));
	held = child_in("x/held", touch_8m_and_wait);
	WAIT_FOR(atol(get("x/held", "memory.current")) >= 8 << 20);
	eater = child_in("x/eats", touch_32m);
	EXPECT_EQ(waitpid(eater, NULL, 0), eater);
	EXPECT_EQ(event("x", "oom_kill"), 0);
	swapped = amount("x/held", "memory.swap.current");	/* it sleeps: what is there stays there */
	finish("x/held", held);
	finish("x/eats", 0);
	EXPECT_OK(rmdir(at("x", "")));
	return swapped;
}

TEST(min_and_low_protect)
{
	NEED_CGROUPS();
	NEED_SWAP(64);
	CHECK(swapped_with(NULL) > 1 << 20);
	EXPECT_EQ(swapped_with("memory.min"), 0);
	EXPECT_EQ(swapped_with("memory.low"), 0);
}

TEST(reclaim_and_peak)
{
	long was, peak;
	pid_t pid;

	NEED_CGROUPS();
	NEED_SWAP(64);
	make("r");
	pid = child_in("r", touch_8m_and_wait);
	WAIT_FOR(atol(get("r", "memory.current")) >= 8 << 20);
	was = atol(get("r", "memory.current"));
	EXPECT_OK(put("r", "memory.reclaim", "4M"));
	CHECK(atol(get("r", "memory.current")) <= was - (3 << 20));
	CHECK(put("r", "memory.reclaim", "1G") != 0);
	EXPECT_EQ(errno, EAGAIN);
	peak = atol(get("r", "memory.peak"));
	CHECK(peak >= was);
	kill(pid, SIGKILL);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	WAIT_FOR(atol(get("r", "memory.current")) < 1 << 20);
	CHECK(atol(get("r", "memory.peak")) >= peak);
	finish("r", 0);
}

/* The cgroup whose limit it was, and the one whose process died. */
TEST(local_events)
{
	pid_t pid;

	NEED_CGROUPS();
	make("o");
	EXPECT_OK(put("o", "cgroup.subtree_control", "+memory"));
	make("o/i");
	EXPECT_OK(put("o", "memory.max", "8M"));
	put("o", "memory.swap.max", "0");
	pid = child_in("o/i", touch_32m);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	CHECK(field("o", "memory.events.local", "oom") >= 1);
	EXPECT_EQ(field("o/i", "memory.events.local", "oom"), 0);
	EXPECT_EQ(field("o", "memory.events.local", "oom_kill"), 0);
	EXPECT_EQ(field("o/i", "memory.events.local", "oom_kill"), 1);
	EXPECT_EQ(event("o", "oom_kill"), 1);
	finish("o/i", 0);
	EXPECT_OK(rmdir(at("o", "")));
}
