/* proc_files.c - the files of /proc that tools read: they parse, and agree with the calls. */
#include "t.h"
#include <dirent.h>

TEST(stat_of_self)
{
	char *p = t_get("/proc/self/stat"), comm[64], st;
	int pid, ppid, pgrp, sid;

	REQUIRE(p);
	EXPECT_EQ(sscanf(p, "%d (%63[^)]) %c %d %d %d", &pid, comm, &st, &ppid, &pgrp, &sid), 6);
	CHECK(pid == getpid() && ppid == getppid() && pgrp == getpgrp() && sid == getsid(0) && st == 'R');
	int words = 0;
	for (p = strrchr(p, ')'); *p; p++)
		words += *p == ' ';
	EXPECT_EQ(words, 50);
}

TEST(cmdline_and_environ)
{
	char *p = t_get("/proc/self/cmdline");

	REQUIRE(p);
	CHECK(strstr(p, "proc_files"));
	CHECK(t_get("/proc/self/environ"));
	CHECK(t_get("/proc/self/auxv"));
}

TEST(links)
{
	char a[PATH_MAX], b[PATH_MAX];
	ssize_t n;

	REQUIRE(getcwd(a, sizeof(a)));
	n = readlink("/proc/self/cwd", b, sizeof(b) - 1);
	REQUIRE(n > 0);
	b[n] = 0;
	CHECK(!strcmp(a, b));
	n = readlink("/proc/self/root", b, sizeof(b) - 1);
	CHECK(n == 1 && b[0] == '/');
	n = readlink("/proc/self/exe", b, sizeof(b) - 1);
	REQUIRE(n > 0);
	b[n] = 0;
	CHECK(strstr(b, "/proc_files"));
	n = readlink("/proc/self", b, sizeof(b) - 1);
	b[n > 0 ? n : 0] = 0;
	EXPECT_EQ(atoi(b), getpid());
	n = readlink("/proc/thread-self", b, sizeof(b) - 1);
	CHECK(n > 0);
}

TEST(fd_directory)
{
	int fd = open("/dev/null", O_RDONLY), n = 0, seen = 0;
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	REQUIRE(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.') {
			n++;
			seen |= atoi(e->d_name) == fd;
		}
	closedir(d);
	CHECK(seen && n >= 4);
	char path[64], to[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t k = readlink(path, to, sizeof(to) - 1);
	CHECK(k == 9 && !memcmp(to, "/dev/null", 9));
	int p[2];
	REQUIRE(pipe(p) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
	k = readlink(path, to, sizeof(to) - 1);
	CHECK(k > 6 && !memcmp(to, "pipe:[", 6));
	close(fd), close(p[0]), close(p[1]);
}

TEST(processes_are_listed)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int me = 0, one = 0;

	REQUIRE(d);
	while ((e = readdir(d)))
		me |= atoi(e->d_name) == getpid(), one |= !strcmp(e->d_name, "1");
	closedir(d);
	CHECK(me && one);
}

TEST(system_files)
{
	static const char *const files[] = { "/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/loadavg",
					     "/proc/version", "/proc/cpuinfo", "/proc/mounts", "/proc/filesystems",
					     "/proc/self/mounts", "/proc/self/mountinfo", "/proc/vmstat",
					     "/proc/sys/kernel/osrelease", "/proc/sys/kernel/pid_max",
					     "/proc/sys/vm/overcommit_memory", "/proc/cmdline", "/proc/devices",
					     "/proc/self/io", "/proc/self/oom_score_adj", "/proc/self/wchan" };

	for (unsigned i = 0; i < ARRAY_LEN(files) - 3; i++) {
		char *p = t_get(files[i]);

		if (!p || !*p)
			t_fail(__LINE__, "%s", files[i]);
	}
	char *p = t_get("/proc/stat");
	CHECK(p && !strncmp(p, "cpu  ", 5) && strstr(p, "\nbtime ") && strstr(p, "\nprocesses "));
	p = t_get("/proc/cpuinfo");
	CHECK(p && strstr(p, "processor\t: 0") && strstr(p, "flags\t"));
	float a, b, c;
	CHECK(sscanf(t_get("/proc/loadavg"), "%f %f %f", &a, &b, &c) == 3);
	CHECK(strstr(t_get("/proc/filesystems"), "proc"));
	CHECK(strstr(t_get("/proc/mounts"), " /proc proc "));
	CHECK(strstr(t_get("/proc/interrupts"), "\nLOC:"));
}

/* What a child that waits for a pipe sleeps in: a name, a stack that ends in it; its field of stat says that it sleeps. */
TEST(where_it_sleeps)
{
	char name[64], func[128], *s;
	int p[2], field = 0;
	pid_t pid;

	REQUIRE(!pipe(p));
	pid = fork();
	if (pid == 0) {
		close(p[1]);
		_exit((int)read(p[0], name, 1));
	}
	WAIT_FOR(t_state(pid) == 'S');
	snprintf(name, sizeof(name), "/proc/%d/wchan", pid);
	snprintf(func, sizeof(func), "%s", t_get(name));
	snprintf(name, sizeof(name), "/proc/%d/stat", pid);
	s = strrchr(t_get(name), ')');
	for (field = 2; s && field < 35; field++)
		s = strchr(s + 1, ' ');
	if (getenv("QUIRE_GUEST") || func[0] != '0') {
		CHECK(strstr(func, "pipe") && !strpbrk(func, " \n"));
		CHECK(s && !strncmp(s, " 1 ", 3));
	}
	snprintf(name, sizeof(name), "/proc/%d/stack", pid);
	s = geteuid() ? NULL : t_get(name);
	if (s && func[0] != '0')
		CHECK(!strncmp(s, "[<0>] ", 6) && strstr(s, func));
	else
		CHECK(!getenv("QUIRE_GUEST"));
	close(p[1]);
	waitpid(pid, &field, 0);
	close(p[0]);
}

TEST(errnos)
{
	EXPECT_ERR(open("/proc/999999999/stat", O_RDONLY), ENOENT);
	EXPECT_ERR(open("/proc/nope", O_RDONLY), ENOENT);
	EXPECT_ERR(open("/proc/newfile", O_CREAT | O_RDWR, 0600), ENOENT);
	EXPECT_ERR(mkdir("/proc/dir", 0700), ENOENT);
	EXPECT_ERR(unlink("/proc/meminfo"), geteuid() ? EACCES : EPERM);
	int fd = open("/proc/self/stat", O_RDONLY);
	char c;
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
	EXPECT_EQ(pread(fd, &c, 1, 0), 1);
	close(fd);
}

TEST(small_reads_give_the_same)
{
	char whole[4096], part[4096];
	int fd = open("/proc/version", O_RDONLY), n = 0, m = 0, r;

	while ((r = read(fd, whole + n, sizeof(whole) - n)) > 0)
		n += r;
	close(fd);
	fd = open("/proc/version", O_RDONLY);
	while ((r = read(fd, part + m, 3)) > 0)
		m += r;
	close(fd);
	CHECK(n == m && n > 0 && !memcmp(whole, part, n));
}

TEST(dev_files)
{
	char buf[8];
	int fd = open("/dev/full", O_RDWR);

	CHECK(fd >= 0);
	EXPECT_ERR(write(fd, "x", 1), ENOSPC);
	EXPECT_EQ(read(fd, buf, 8), 8);
	close(fd);
	fd = open("/dev/null", O_RDWR);
	EXPECT_EQ(write(fd, "abc", 3), 3);
	EXPECT_EQ(read(fd, buf, 8), 0);
	close(fd);
	fd = open("/dev/random", O_RDONLY);
	EXPECT_EQ(read(fd, buf, 8), 8);
	close(fd);
}

TEST(mem_file)
{
	int fd = open("/proc/self/mem", O_RDWR);
	static int value = 0x1234;
	int got = 0;

	if (fd < 0)
		SKIP("no /proc/self/mem");
	EXPECT_EQ(pread(fd, &got, 4, (off_t)&value), 4);
	EXPECT_EQ(got, 0x1234);
	got = 77;
	EXPECT_EQ(pwrite(fd, &got, 4, (off_t)&value), 4);
	EXPECT_EQ(*(volatile int *)&value, 77);
	EXPECT_ERR(pread(fd, &got, 4, 8), EIO);
	close(fd);
}

TEST(pagemap)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	char *p = t_anon(2);
	uint64_t e[2] = { 0 };

	if (fd < 0)
		SKIP("no pagemap");
	p[0] = 1;
	EXPECT_EQ(pread(fd, e, 16, (unsigned long)p / PG * 8), 16);
	CHECK(e[0] >> 63 == 1);
	CHECK(e[1] >> 63 == 0);
	close(fd), munmap(p, 2 * PG);
}
