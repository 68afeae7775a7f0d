/* cgroup_protect.c - memory.min and low in a hierarchy, memory.high, memory.oom.group: as documented. Needs root, cgroup2 and swap. */
#include "cg.h"

#define MIB (1L << 20)

static void finish(const char *cg, pid_t pid)
{
	if (pid) {
		kill(pid, SIGKILL);
		EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	}
	WAIT_FOR(strstr(get(cg, "cgroup.events"), "populated 0") != NULL);
	EXPECT_OK(rmdir(at(cg, "")));
}

static void touch_8m_or_so(void)
{
	touch(8 * MIB);
	pause();
}

/* Nothing of this can go. */
static void hold_24m(void)
{
	char *p = mmap(NULL, 24 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);

	if (p == MAP_FAILED)
		_exit(97);
	pause();
}

static pid_t kid[3], holder;

/*
 * h has room for 32 MiB. In h/p three children use 8 MiB each; then 24 MiB in h/rest cannot go: about 8 MiB are left for h/p, whose
 * protection that is. What each child has of it then, with these settings of its own.
 */
static void squeeze(const char *file, const char *const want[3], long has[3])
{
	static const char *const names[] = { "h/p/a", "h/p/b", "h/p/c" };

	make("h");
	EXPECT_OK(put("h", "cgroup.subtree_control", "+memory"));
	make("h/p");
	EXPECT_OK(put("h/p", "cgroup.subtree_control", "+memory"));
	make("h/rest");
	EXPECT_OK(put("h", "memory.max", "34M"));
	EXPECT_OK(put("h/p", file, "8M"));
	for (int i = 0; i < 3; i++) {
		make(names[i]);
		EXPECT_OK(put(names[i], file, want[i]));
		kid[i] = child_in(names[i], touch_8m_or_so);
		WAIT_FOR(amount(names[i], "memory.current") >= 8 * MIB && t_state(kid[i]) == 'S');
	}
	holder = child_in("h/rest", hold_24m);
	WAIT_FOR(t_state(holder) == 'S' && amount("h/rest", "memory.current") >= 24 * MIB);
	EXPECT_EQ(event("h", "oom_kill"), 0);
	for (int i = 0; i < 3; i++)
		has[i] = amount(names[i], "memory.current");
	printf("# %s %s %s %s: %ld %ld %ld KiB\n", file, want[0], want[1], want[2], has[0] >> 10, has[1] >> 10, has[2] >> 10);
	finish("h/rest", holder);
	for (int i = 0; i < 3; i++)
		finish(names[i], kid[i]);
	EXPECT_OK(rmdir(at("h/p", "")));
	EXPECT_OK(rmdir(at("h", "")));
}

/* They ask for more than their parent has: each gets its part of it. Who asks for nothing keeps nothing. */
static void divided(const char *file)
{
	static const char *const want[] = { "8M", "4M", "0" };
	long has[3];

	squeeze(file, want, has);
	CHECK(has[0] > 4 * MIB && has[0] < 7 * MIB);
	CHECK(has[1] > 2 * MIB && has[1] < 5 * MIB);
	CHECK(has[0] > has[1] && has[1] > has[2]);
	CHECK(has[2] < 5 * MIB / 2);
}

TEST(min_is_divided)
{
	NEED_CGROUPS();
	NEED_SWAP(64);
	divided("memory.min");
}

TEST(low_is_divided)
{
	NEED_CGROUPS();
	NEED_SWAP(64);
	divided("memory.low");
}

/* A parent's protection is nobody's where no child asks for it, unless the tree is mounted so. */
TEST(recursive)
{
	static const char *const want[] = { "4M", "0", "0" };
	long plain[3], all[3];

	NEED_CGROUPS();
	NEED_SWAP(64);
	squeeze("memory.low", want, plain);
	EXPECT_OK(mkdir("again", 0755));
	EXPECT_ERR(mount("none", "again", "cgroup2", 0, "no_such_option"), EINVAL);
	if (mount("none", "again", "cgroup2", 0, "memory_recursiveprot"))
		SKIP("no memory_recursiveprot");
	squeeze("memory.low", want, all);
	umount("again");
	EXPECT_OK(mount("none", "again", "cgroup2", 0, NULL));		/* options are the whole tree's */
	umount("again");
	rmdir("again");
	CHECK(plain[0] >= 4 * MIB && all[0] >= 4 * MIB);
	CHECK(all[1] > MIB && all[2] > MIB);		/* what the first did not ask for is theirs */
}

/* Over memory.high without anything to reclaim: slowed down, told, never killed; free again when the limit goes. */
static void touch_12m(void)
{
	touch(12 * MIB);
}

TEST(high_slows_down)
{
	pid_t pid;
	int st;

	NEED_CGROUPS();
	make("s");
	EXPECT_OK(put("s", "memory.high", "4M"));
	put("s", "memory.swap.max", "0");
	pid = child_in("s", touch_12m);
	WAIT_FOR(event("s", "high") >= 3);
	usleep(400000);
	EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0);
	EXPECT_EQ(kill(pid, 0), 0);
	CHECK(amount("s", "memory.current") > 4 * MIB);
	EXPECT_OK(put("s", "memory.high", "max"));
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(st, 0);
	EXPECT_EQ(event("s", "oom_kill"), 0);
	EXPECT_EQ(event("s", "max"), 0);
	finish("s", 0);
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static void never_me(void)
{
	if (t_put("/proc/self/oom_score_adj", "-1000", 0644))
		_exit(95);
	wait_for_ever();
}

static void touch_64m(void)
{
	touch(64 * MIB);
}

/* The group that dies as a whole is in the part of the tree that ran out, and processes that may never be killed are not. */
TEST(oom_group_and_its_bounds)
{
	pid_t never, brother, uncle, eater;

	NEED_CGROUPS();
	make("u");
	EXPECT_OK(put("u", "cgroup.subtree_control", "+memory"));
	EXPECT_OK(put("u", "memory.oom.group", "1"));
	make("u/v");
	EXPECT_OK(put("u/v", "memory.max", "16M"));
	put("u/v", "memory.swap.max", "0");
	make("u/w");
	uncle = child_in("u/w", wait_for_ever);
	brother = child_in("u/v", wait_for_ever);
	eater = child_in("u/v", touch_64m);
	EXPECT_EQ(waitpid(eater, NULL, 0), eater);
	EXPECT_EQ(event("u/v", "oom_group_kill"), 0);		/* u did not run out: its wish does not count */
	EXPECT_EQ(kill(brother, 0), 0);
	EXPECT_OK(put("u/v", "memory.oom.group", "1"));
	never = child_in("u/v", never_me);
	WAIT_FOR(t_state(never) == 'S');
	eater = child_in("u/v", touch_64m);
	EXPECT_EQ(waitpid(eater, NULL, 0), eater);
	EXPECT_EQ(waitpid(brother, NULL, 0), brother);
	EXPECT_EQ(event("u/v", "oom_group_kill"), 1);
	EXPECT_EQ(waitpid(never, NULL, WNOHANG), 0);
	EXPECT_EQ(waitpid(uncle, NULL, WNOHANG), 0);
	CHECK(put("u/v", "memory.oom.group", "2") != 0);
	finish("u/v", never);
	finish("u/w", uncle);
	EXPECT_OK(rmdir(at("u", "")));
}
