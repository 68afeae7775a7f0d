/* cgroup_memory.c - memory cgroups: the tree, charging, limits, events, the OOM killer inside one. Needs root and cgroup2. */
#include "t.h"
#include <sys/mount.h>
#include <sys/statfs.h>

static char base[64];

/* Where the cgroup2 tree is mounted; NULL: this machine has none that we may use. */
static const char *cgroup2(void)
{
	struct statfs st;

	if (base[0])
		return base;
	mkdir("cg", 0755);
	if (mount("none", "cg", "cgroup2", 0, NULL) == 0 || errno == EBUSY) {
		char *cwd = getcwd(NULL, 0);

		snprintf(base, sizeof(base), "%s/cg", cwd);
		if (statfs(base, &st) == 0 && st.f_type == 0x63677270) {
			int fd;

			snprintf(base, sizeof(base), "%s/cg/cgroup.subtree_control", cwd);
			fd = open(base, O_WRONLY);
			if (fd >= 0 && write(fd, "+memory", 7) == 7) {
				close(fd);
				*strrchr(base, '/') = '\0';
				return base;
			}
			close(fd);
		}
	}
	umount2("cg", MNT_DETACH);
	base[0] = '\0';
	return NULL;
}

static char path_buf[256];
static const char *at(const char *cg, const char *file)
{
	snprintf(path_buf, sizeof(path_buf), "%s/%s/%s", base, cg, file);
	return path_buf;
}

static int put(const char *cg, const char *file, const char *text)
{
	int fd = open(at(cg, file), O_WRONLY), n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (int)strlen(text) ? 0 : -1;
}

static const char *get(const char *cg, const char *file)
{
	return t_get(at(cg, file));
}

static long event(const char *cg, const char *name)
{
	const char *s = get(cg, "memory.events");
	char key[32];

	snprintf(key, sizeof(key), "%s ", name);
	while (s && *s) {
		if (!strncmp(s, key, strlen(key)))
			return atol(s + strlen(key));
		s = strchr(s, '\n');
		s = s ? s + 1 : NULL;
	}
	return -1;
}

static void make(const char *cg)
{
	EXPECT_OK(mkdir(at(cg, ""), 0755));
}

#define NEED_CGROUPS() do { if (getuid() || !cgroup2()) SKIP("no cgroup2 with the memory controller"); } while (0)

/* Forks a child inside cg that runs fn. */
static pid_t child_in(const char *cg, void (*fn)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		if (put(cg, "cgroup.procs", "0"))
			_exit(98);
		fn();
		_exit(0);
	}
	return pid;
}

static volatile char sink;

static void touch(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(97);
	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = 1;
	sink = p[0];
}

static void touch_8m_and_wait(void)
{
	touch(8 << 20);
	pause();
}

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
