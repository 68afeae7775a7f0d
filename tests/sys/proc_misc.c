/* proc_misc.c - limits, prctl, identities, affinity, priorities, uname, sysinfo, getrandom. */
#include "t.h"
#include <grp.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>

TEST(limits)
{
	struct rlimit l, old;

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		EXPECT_OK(getrlimit(i, &l));
		CHECK(l.rlim_cur <= l.rlim_max);
	}
	EXPECT_ERR(getrlimit(RLIM_NLIMITS, &l), EINVAL);
	getrlimit(RLIMIT_CORE, &old);
	l = (struct rlimit){ 2, 1 };
	EXPECT_ERR(setrlimit(RLIMIT_CORE, &l), EINVAL);
	l = (struct rlimit){ 0, old.rlim_max };
	EXPECT_OK(setrlimit(RLIMIT_CORE, &l));
	EXPECT_OK(prlimit(getpid(), RLIMIT_CORE, NULL, &l));
	EXPECT_EQ(l.rlim_cur, 0);
	EXPECT_ERR(prlimit(0x3fffffff, RLIMIT_CORE, NULL, &l), ESRCH);
	CHECK(strstr(t_get("/proc/self/limits"), "Max open files"));
	getrlimit(RLIMIT_STACK, &l);
	CHECK(l.rlim_cur >= 1 << 20);
}

static int limit_child(void *a)
{
	struct rlimit l;

	getrlimit(RLIMIT_CORE, &l);
	return l.rlim_cur != 0;
}

TEST(limits_are_inherited)
{
	CHILD_EXITS(limit_child, NULL, 0);
}

TEST(rlimit_cpu_kills)
{
	pid_t pid = fork();
	int st;

	if (pid == 0) {
		struct rlimit l = { 1, 5 };

		setrlimit(RLIMIT_CPU, &l);
		for (;;)
			__asm__ volatile("");
	}
	waitpid(pid, &st, 0);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGXCPU);
}

TEST(prctl_names_and_flags)
{
	char name[17] = { 0 };

	EXPECT_OK(prctl(PR_SET_NAME, "a-name-longer-than-fits"));
	EXPECT_OK(prctl(PR_GET_NAME, name));
	CHECK(!strcmp(name, "a-name-longer-t"));
	CHECK(!strcmp(t_get("/proc/self/comm"), "a-name-longer-t\n"));
	EXPECT_EQ(prctl(PR_GET_DUMPABLE), 1);
	EXPECT_OK(prctl(PR_SET_DUMPABLE, 0));
	EXPECT_EQ(prctl(PR_GET_DUMPABLE), 0);
	prctl(PR_SET_DUMPABLE, 1);
	EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	int sig = 9;
	EXPECT_OK(prctl(PR_GET_PDEATHSIG, &sig));
	EXPECT_EQ(sig, 0);
	EXPECT_ERR(prctl(PR_SET_PDEATHSIG, 99), EINVAL);
	EXPECT_ERR(prctl(0x7fffffff), EINVAL);
	EXPECT_ERR(prctl(PR_SET_NAME, 8), EFAULT);
}

static int ids(void *arg)
{
	uid_t r, e, s;
	gid_t groups[] = { 5, 6, 7 }, got[8];

	EXPECT_OK(setgroups(3, groups));
	EXPECT_EQ(getgroups(0, NULL), 3);
	EXPECT_EQ(getgroups(8, got), 3);
	EXPECT_EQ(got[2], 7);
	EXPECT_ERR(getgroups(1, got), EINVAL);
	EXPECT_OK(setresgid(10, 11, 12));
	EXPECT_OK(setresuid(100, 101, 102));
	EXPECT_OK(getresuid(&r, &e, &s));
	CHECK(r == 100 && e == 101 && s == 102);
	EXPECT_OK(setuid(100));
	getresuid(&r, &e, &s);
	CHECK(r == 100 && e == 100 && s == 102);
	EXPECT_OK(seteuid(102));
	EXPECT_EQ(geteuid(), 102);
	EXPECT_ERR(setuid(0), EPERM);
	EXPECT_ERR(setresuid(0, 0, 0), EPERM);
	EXPECT_ERR(setgid(0), EPERM);
	EXPECT_ERR(setgroups(0, NULL), EPERM);
	EXPECT_OK(setgid(12));
	EXPECT_EQ(getegid(), 12);
	return 0;
}

/* The saved id follows a new real id, and an effective one that is not the old real one: setreuid(2). */
static int saved_id_follows(void *arg)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	EXPECT_OK(setresgid(20, 21, 22));
	EXPECT_OK(setregid(-1, 20));
	EXPECT_OK(getresgid(&rg, &eg, &sg));
	CHECK(rg == 20 && eg == 20 && sg == 22);
	EXPECT_OK(setregid(21, -1));
	EXPECT_OK(getresgid(&rg, &eg, &sg));
	CHECK(rg == 21 && eg == 20 && sg == 20);
	EXPECT_OK(setresuid(100, 101, 102));
	EXPECT_OK(setreuid(-1, 102));
	EXPECT_OK(getresuid(&r, &e, &s));
	CHECK(r == 100 && e == 102 && s == 102);
	EXPECT_ERR(setreuid(7, -1), EPERM);
	EXPECT_OK(setreuid(102, 100));
	EXPECT_OK(getresuid(&r, &e, &s));
	CHECK(r == 102 && e == 100 && s == 100);
	EXPECT_EQ(setfsuid(102), 100);
	EXPECT_EQ(setfsuid(7), 102);
	EXPECT_EQ(setfsuid(-1), 102);
	EXPECT_EQ(setfsgid(21), 20);
	EXPECT_EQ(setfsgid(-1), 21);
	return 0;
}

TEST(identities)
{
	if (geteuid())
		SKIP("needs root");
	CHILD_EXITS(ids, NULL, 0);
	CHILD_EXITS(saved_id_follows, NULL, 0);
}

TEST(affinity)
{
	cpu_set_t all, one, got;

	EXPECT_OK(sched_getaffinity(0, sizeof(all), &all));
	CHECK(CPU_COUNT(&all) >= 1);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all)) {

			CPU_ZERO(&one);
			CPU_SET(i, &one);
			EXPECT_OK(sched_setaffinity(0, sizeof(one), &one));
			EXPECT_EQ(sched_getcpu(), i);
		}
	EXPECT_OK(sched_getaffinity(0, sizeof(got), &got));
	CHECK(CPU_EQUAL(&got, &one));
	EXPECT_OK(sched_setaffinity(0, sizeof(all), &all));
	CPU_ZERO(&one);
	EXPECT_ERR(sched_setaffinity(0, sizeof(one), &one), EINVAL);
	EXPECT_ERR(sched_getaffinity(0, 1, &got), EINVAL);
	EXPECT_ERR(sched_getaffinity(0x3fffffff, sizeof(got), &got), ESRCH);
	EXPECT_EQ(sysconf(_SC_NPROCESSORS_ONLN) >= CPU_COUNT(&all), 1);
}

TEST(scheduling_calls)
{
	int nice_before = getpriority(PRIO_PROCESS, 0);	/* the tests themselves may run at any */
	struct sched_param p = { .sched_priority = 99 };
	struct timespec ts;

	EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
	EXPECT_OK(sched_getparam(0, &p));
	EXPECT_EQ(p.sched_priority, 0);
	EXPECT_EQ(sched_get_priority_max(SCHED_FIFO), 99);
	EXPECT_EQ(sched_get_priority_min(SCHED_OTHER), 0);
	EXPECT_ERR(sched_get_priority_max(77), EINVAL);
	EXPECT_OK(sched_yield());
	EXPECT_OK(sched_rr_get_interval(0, &ts));
	EXPECT_OK(setpriority(PRIO_PROCESS, 0, nice_before + 5));
	EXPECT_EQ(getpriority(PRIO_PROCESS, 0), nice_before + 5);
	EXPECT_ERR(getpriority(9, 0), EINVAL);
	EXPECT_ERR(setpriority(PRIO_PROCESS, 0x3fffffff, 0), ESRCH);
	if (geteuid() == 0)
		EXPECT_OK(setpriority(PRIO_PROCESS, 0, nice_before));
}

TEST(uname_call)
{
	struct utsname u;

	EXPECT_OK(uname(&u));
	CHECK(!strcmp(u.sysname, "Linux"));
	CHECK(!strcmp(u.machine, "x86_64"));
	CHECK(atoi(u.release) >= 4);
	CHECK(*u.nodename && *u.version);
}

TEST(sysinfo_agrees_with_meminfo)
{
	struct sysinfo si;
	long total = t_proc("/proc/meminfo", "MemTotal"), avail = t_proc("/proc/meminfo", "MemAvailable");
	long free = t_proc("/proc/meminfo", "MemFree");

	EXPECT_OK(sysinfo(&si));
	EXPECT_EQ(si.totalram * si.mem_unit / 1024, total);
	CHECK(free > 0 && free <= total && avail > 0 && avail <= total);
	CHECK(si.procs >= 1 && si.uptime >= 0);
	EXPECT_EQ(sysconf(_SC_PHYS_PAGES) * 4, total);
}

TEST(meminfo_identities)
{
	static const char *const keys[] = { "MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapCached",
					    "Active", "Inactive", "SwapTotal", "SwapFree", "Dirty", "Writeback",
					    "AnonPages", "Mapped", "Shmem", "Slab", "SReclaimable", "SUnreclaim",
					    "KernelStack", "PageTables", "CommitLimit", "Committed_AS", "VmallocTotal" };
	long slab = t_proc("/proc/meminfo", "Slab");

	for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
		if (t_proc("/proc/meminfo", keys[i]) < 0)
			t_fail(__LINE__, "no %s", keys[i]);
	long d = t_proc("/proc/meminfo", "SReclaimable") + t_proc("/proc/meminfo", "SUnreclaim") - slab;
	CHECK(labs(d) < 2000);
	long grown = 0;
	/* The whole machine's number: others may move it, too, so it must fit once in a while. */
	for (int i = 0; i < 50 && (grown < 7000 || grown > 10000); i++) {
		long a = t_proc("/proc/meminfo", "AnonPages");
		char *p = t_anon(2048);

		memset(p, 1, 2048 * PG);
		grown = t_proc("/proc/meminfo", "AnonPages") - a;
		munmap(p, 2048 * PG);
	}
	CHECK(grown >= 7000 && grown <= 10000);
}

TEST(getrandom_call)
{
	unsigned char a[64] = { 0 }, b[64] = { 0 };

	EXPECT_EQ(getrandom(a, 64, 0), 64);
	EXPECT_EQ(getrandom(b, 64, GRND_NONBLOCK), 64);
	CHECK(memcmp(a, b, 64));
	EXPECT_ERR(getrandom(a, 1, 0x80), EINVAL);
	EXPECT_ERR(getrandom((void *)8, 8, 0), EFAULT);
	int fd = open("/dev/urandom", O_RDONLY);
	EXPECT_EQ(read(fd, a, 64), 64);
	CHECK(memcmp(a, b, 64));
	close(fd);
}

TEST(times_and_rusage)
{
	struct tms t;
	struct rusage ru;

	CHECK(times(&t) != -1);
	EXPECT_OK(getrusage(RUSAGE_SELF, &ru));
	CHECK(ru.ru_maxrss > 0 && ru.ru_minflt > 0);
	EXPECT_OK(getrusage(RUSAGE_THREAD, &ru));
	EXPECT_ERR(getrusage(77, &ru), EINVAL);
}

TEST(minor_faults_are_counted)
{
	struct rusage a, b;
	char *p = t_anon(100);

	madvise(p, 100 * PG, MADV_NOHUGEPAGE);
	getrusage(RUSAGE_SELF, &a);
	for (int i = 0; i < 100; i++)
		p[i * PG] = 1;
	getrusage(RUSAGE_SELF, &b);
	CHECK(b.ru_minflt - a.ru_minflt >= 100 && b.ru_minflt - a.ru_minflt < 130);
	munmap(p, 100 * PG);
}

TEST(unknown_call_is_enosys)
{
	EXPECT_ERR(syscall(9999), ENOSYS);
	EXPECT_ERR(syscall(-5), ENOSYS);
}

TEST(arch_prctl_call)
{
	unsigned long fs = 0, gs = 1;

	EXPECT_OK(syscall(SYS_arch_prctl, 0x1003, &fs));
	EXPECT_EQ(fs, (unsigned long)__builtin_thread_pointer());
	EXPECT_OK(syscall(SYS_arch_prctl, 0x1001, 0x123456789000UL));
	EXPECT_OK(syscall(SYS_arch_prctl, 0x1004, &gs));
	EXPECT_EQ(gs, 0x123456789000UL);
	sched_yield();
	EXPECT_OK(syscall(SYS_arch_prctl, 0x1004, &gs));
	EXPECT_EQ(gs, 0x123456789000UL);
	EXPECT_ERR(syscall(SYS_arch_prctl, 0x1002, 0xffff800000000000UL), EPERM);
	EXPECT_ERR(syscall(SYS_arch_prctl, 0x7777, 0), EINVAL);
	syscall(SYS_arch_prctl, 0x1001, 0);
}

TEST(pidfd_or_enosys)
{
	pid_t pid = fork();
	int fd;

	if (pid == 0)
		for (;;)
			pause();
	fd = syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		EXPECT_EQ(errno, ENOSYS);
	else
		EXPECT_OK(syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (fd >= 0)
		close(fd);
}

TEST(hostname_needs_root)
{
	char name[100];

	EXPECT_OK(gethostname(name, sizeof(name)));
	EXPECT_ERR(syscall(SYS_sethostname, "x", -1), geteuid() ? EPERM : EINVAL);
}

/* A real-time loop does not take the CPU from everybody else for good: 5 % of each second are theirs. */
TEST(realtime_leaves_time_for_others)
{
	volatile int *running = t_map(1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	struct sched_param rt = { .sched_priority = 1 };
	cpu_set_t one, old;
	long seen = 0;
	int status = -1;
	pid_t pid;

	sched_getaffinity(0, sizeof(old), &old);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
	pid = fork();
	if (!pid) {
		struct timespec t0, t;	/* until it was seen, or long enough to know that it never will be */

		if (sched_setscheduler(0, SCHED_FIFO, &rt))
			_exit(errno == EPERM ? 2 : 1);
		clock_gettime(CLOCK_MONOTONIC, &t0);
		*running = 1;
		do
			clock_gettime(CLOCK_MONOTONIC, &t);
		while (*running == 1 && t.tv_sec - t0.tv_sec < 20);
		_exit(*running == 1);
	}
	while (!*running && !waitpid(pid, NULL, WNOHANG))
		;
	if (*running)
		*running = 2;		/* it still runs: we are here beside it */
	seen = waitpid(pid, &status, 0) == pid && !status;
	sched_setaffinity(0, sizeof(old), &old);
	if (!*running)
		SKIP("may not use SCHED_FIFO");
	CHECK(seen > 0);
	munmap((void *)running, PG);
}
