/*
 * cg.h - for programs that work with memory cgroups: the tree, files, children in a cgroup, a little swap. Needs root and cgroup2;
 * NEED_CGROUPS() and NEED_SWAP() skip a case where there are none.
 */
#ifndef CG_H
#define CG_H
#include "t.h"
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/swap.h>

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

/* The number after `name` in a file of "key value" lines; -1: none. */
static long field(const char *cg, const char *file, const char *name)
{
	const char *s = get(cg, file);
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

/* The number in a file of one; -1: no such file (memory.swap.peak is later than Linux 6.1). */
static long amount(const char *cg, const char *file)
{
	const char *s = get(cg, file);

	return s ? atol(s) : -1;
}

static long event(const char *cg, const char *name)
{
	return field(cg, "memory.events", name);
}

static long stat_of(const char *cg, const char *name)
{
	return field(cg, "memory.stat", name);
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

/*
 * A compressed disk of so many MiB as swap, once for the program; false where that cannot be had. Only in a machine of the size that tests
 * get: nobody's own machine is given swap.
 */
static bool some_swap(unsigned mib)
{
	static bool on;
	char path[64], head[4096] = "", size[32];
	int fd, n;

	if (on || getuid() || sysconf(_SC_PHYS_PAGES) > 1L << 18)
		return on;
	const char *s = t_get("/sys/class/zram-control/hot_add");
	if (!s)
		return false;
	n = atoi(s);
	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize", n);
	snprintf(size, sizeof(size), "%u", mib << 20);
	if (t_put(path, size, 0644))
		return false;
	((uint32_t *)head)[256] = 1;				/* version */
	((uint32_t *)head)[257] = (mib << 20) / 4096 - 1;	/* last page */
	memcpy(head + 4086, "SWAPSPACE2", 10);
	snprintf(path, sizeof(path), "/dev/zram%d", n);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, head, sizeof(head)) != sizeof(head))
		return false;
	close(fd);
	on = swapon(path, 0) == 0;
	return on;
}
#define NEED_SWAP(mib) do { if (!some_swap(mib)) SKIP("no swap to be had"); } while (0)

#endif
