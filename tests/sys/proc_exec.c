/* proc_exec.c - execve: arguments, environment, what is reset, scripts, limits, errnos. */
#include "t.h"
#include <sys/auxv.h>
#include <sys/prctl.h>

/* The program runs itself again in these roles; argv[1] says which. */
static int role(int argc, char **argv)
{
	if (argc < 2)
		return -1;
	if (!strcmp(argv[1], "@args")) {
		extern char **environ;
		int n = 0;

		for (char **e = environ; *e; e++)
			n++;
		return argc == 5 && !strcmp(argv[2], "a b") && !*argv[3] && !strcmp(argv[4], "\xff*") && n == 2 &&
		       !strcmp(getenv("X"), "1") ? 0 : 1;
	}
	if (!strcmp(argv[1], "@count"))
		return argc - 2 == atoi(argv[2]) ? 0 : 1;
	if (!strcmp(argv[1], "@fd"))
		return fcntl(atoi(argv[2]), F_GETFD) < 0 ? 0 : 1;
	if (!strcmp(argv[1], "@sig")) {
		struct sigaction a, b;
		sigset_t m;

		sigaction(SIGUSR1, NULL, &a), sigaction(SIGUSR2, NULL, &b);
		sigprocmask(0, NULL, &m);
		return a.sa_handler == SIG_DFL && b.sa_handler == SIG_IGN && sigismember(&m, SIGHUP) ? 0 : 1;
	}
	if (!strcmp(argv[1], "@auxv"))
		return getauxval(AT_PAGESZ) == 4096 && getauxval(AT_RANDOM) && getauxval(AT_PHDR) &&
		       getauxval(AT_ENTRY) && getauxval(AT_PHNUM) && getauxval(AT_CLKTCK) == 100 &&
		       getauxval(AT_UID) == getuid() && getauxval(AT_EXECFN) && getauxval(AT_PLATFORM) &&
		       !strcmp((char *)getauxval(AT_PLATFORM), "x86_64") && !getauxval(AT_SECURE) ? 0 : 1;
	if (!strcmp(argv[1], "@comm")) {
		char name[17] = { 0 };

		prctl(PR_GET_NAME, name);
		return strcmp(name, argv[2]) ? 1 : 0;
	}
	if (!strncmp(argv[1], "@script", 7)) {
		for (int i = 0; i < argc; i++)
			printf("[%s]", argv[i]);
		return 0;
	}
	if (!strcmp(argv[1], "@stackalign")) {
		unsigned long sp = (unsigned long)argv & 15;	/* argc stands 8 below */
		return sp == 8 ? 0 : 1;
	}
	return -1;
}

__attribute__((constructor)) static void run_role(int argc, char **argv)
{
	int r = getenv("ROLE") ? argc : role(argc, argv);

	if (r >= 0) {
		fflush(stdout);
		_exit(r);
	}
}

static char self[PATH_MAX];

static int run(const char *path, char **argv, char **envp)
{
	int st;
	pid_t pid = fork();

	if (pid == 0) {
		execve(path, argv, envp);
		_exit(100 + errno);
	}
	waitpid(pid, &st, 0);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -WTERMSIG(st);
}

static char *no_env[] = { NULL };
#define RUN(...) run("/proc/self/exe", (char *[]){ "self", __VA_ARGS__, NULL }, no_env)

TEST(arguments_and_environment)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	CHECK(n > 0);
	EXPECT_EQ(run("/proc/self/exe", (char *[]){ "self", "@args", "a b", "", "\xff*", NULL },
		      (char *[]){ "X=1", "Y=", NULL }), 0);
	EXPECT_EQ(RUN("@auxv"), 0);
	EXPECT_EQ(RUN("@stackalign"), 0);
}

TEST(many_arguments)
{
	enum { N = 3000 };
	static char *argv[N + 5];
	char num[20];

	snprintf(num, sizeof(num), "%d", N);
	argv[0] = "self", argv[1] = "@count", argv[2] = num;
	for (int i = 3; i < N + 2; i++)
		argv[i] = "argument-of-some-length";
	EXPECT_EQ(run("/proc/self/exe", argv, no_env), 0);
}

TEST(too_big)
{
	static char big[200000];
	char *argv[] = { "self", "@count", "2", big, NULL };

	memset(big, 'x', 131072 - 2);
	EXPECT_EQ(run("/proc/self/exe", argv, no_env), 0);
	memset(big, 'x', 131072);
	EXPECT_EQ(run("/proc/self/exe", argv, no_env), 100 + E2BIG);
	static char *many[3000];
	memset(big, 'x', 1000), big[1000] = 0;
	many[0] = "self", many[1] = "@count", many[2] = "0";
	for (int i = 3; i < 2999; i++)
		many[i] = big;
	EXPECT_EQ(run("/proc/self/exe", many, many), 100 + E2BIG);
}

TEST(errnos)
{
	char *argv[] = { "x", NULL };
	char longname[5000];

	t_put("notexec", "#!/bin/sh\n", 0644);
	t_put("garbage", "this is no program\n", 0755);
	t_put("empty", "", 0755);
	mkdir("dir", 0755);
	symlink("loop", "loop");
	memset(longname, 'a', sizeof(longname) - 1), longname[4999] = 0;
	EXPECT_ERR(execve("missing", argv, no_env), ENOENT);
	EXPECT_ERR(execve("", argv, no_env), ENOENT);
	EXPECT_ERR(execve("notexec", argv, no_env), EACCES);
	EXPECT_ERR(execve("garbage", argv, no_env), ENOEXEC);
	EXPECT_ERR(execve("empty", argv, no_env), ENOEXEC);
	EXPECT_ERR(execve("dir", argv, no_env), EACCES);
	EXPECT_ERR(execve("loop", argv, no_env), ELOOP);
	EXPECT_ERR(execve("garbage/x", argv, no_env), ENOTDIR);
	EXPECT_ERR(execve(longname, argv, no_env), ENAMETOOLONG);
	EXPECT_ERR(execve((char *)8, argv, no_env), EFAULT);
	EXPECT_ERR(execve("/proc/self/exe", (char **)8, no_env), EFAULT);
	EXPECT_ERR(execve("/proc/self/exe", (char *[]){ (char *)8, NULL }, no_env), EFAULT);
	EXPECT_ERR(execve("/proc/self/exe", argv, (char **)8), EFAULT);
	int fd = open("notexec", O_RDONLY);
	EXPECT_ERR(execve("notexec/", argv, no_env), ENOTDIR);
	close(fd);
}

TEST(cloexec)
{
	int keep = open("/dev/null", O_RDONLY), gone = open("/dev/null", O_RDONLY | O_CLOEXEC), d;
	char k[12], g[12];

	d = fcntl(keep, F_DUPFD_CLOEXEC, 50);
	snprintf(k, sizeof(k), "%d", keep), snprintf(g, sizeof(g), "%d", gone);
	EXPECT_EQ(RUN("@fd", k), 1);
	EXPECT_EQ(RUN("@fd", g), 0);
	snprintf(g, sizeof(g), "%d", d);
	EXPECT_EQ(RUN("@fd", g), 0);
	close(keep), close(gone), close(d);
}

static void nothing(int sig)
{
}

TEST(signals)
{
	sigset_t s;

	signal(SIGUSR1, nothing), signal(SIGUSR2, SIG_IGN);
	sigemptyset(&s), sigaddset(&s, SIGHUP);
	sigprocmask(SIG_BLOCK, &s, NULL);
	EXPECT_EQ(RUN("@sig"), 0);
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	signal(SIGUSR1, SIG_DFL), signal(SIGUSR2, SIG_DFL);
}

TEST(comm)
{
	symlink("/proc/self/exe", "a-very-long-program-name");
	REQUIRE(*self);
	unlink("a-very-long-program-name");
	EXPECT_OK(symlink(self, "a-very-long-program-name"));
	EXPECT_EQ(run("a-very-long-program-name", (char *[]){ "x", "@comm", "a-very-long-pro", NULL }, no_env), 0);
}

static char *script(const char *text, char *arg)
{
	static char out[8192];
	int p[2], n = 0, r, st;
	pid_t pid;

	t_put("script", text, 0755);
	if (pipe(p))
		return NULL;
	pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		execve("./script", (char *[]){ "zero", arg, NULL }, no_env);
		printf("errno=%d", errno);
		fflush(stdout);
		_exit(0);
	}
	close(p[1]);
	while ((r = read(p[0], out + n, sizeof(out) - 1 - n)) > 0)
		n += r;
	out[n] = 0;
	close(p[0]);
	waitpid(pid, &st, 0);
	return out;
}

/* The interpreter is ./me: this program's own path may be too long for a first line, or have blanks. */
TEST(scripts)
{
	REQUIRE(*self);
	EXPECT_OK(symlink(self, "me"));
	CHECK(!strcmp(script("#!./me @script\nrest\n", "hello"), "[./me][@script][./script][hello]"));
	CHECK(!strcmp(script("#!  ./me   @script  \n", NULL), "[./me][@script][./script]"));
	CHECK(!strcmp(script("#!./me @script two words\n", NULL), "[./me][@script two words][./script]"));
	CHECK(!strcmp(script("#!/no/such/interpreter\n", NULL), "errno=2"));
	CHECK(!strcmp(script("#!\n", NULL), "errno=8"));
	CHECK(!strcmp(script("#!   \n", NULL), "errno=8"));
	CHECK(!strcmp(script("#!/dev/null\n", NULL), "errno=13"));
}

TEST(script_loops)
{
	CHECK(!strcmp(script("#!./script\n", NULL), "errno=40"));
	/* An interpreter that is itself a script is fine. */
	t_put("inner", "#!./me @script\n", 0755);
	CHECK(!strcmp(script("#!./inner\n", "x"), "[./me][@script][./inner][./script][x]"));
}

TEST(no_arguments_at_all)
{
	/* Linux gives an empty argv one empty string. */
	char *none[] = { NULL };

	EXPECT_EQ(run("/proc/self/exe", none, (char *[]){ "ROLE=argc", NULL }), 1);
}

TEST(fexecve_and_at)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), st;
	pid_t pid = fork();

	if (pid == 0) {
		fexecve(fd, (char *[]){ "self", "@count", "2", NULL }, no_env);
		_exit(99);
	}
	waitpid(pid, &st, 0);
	CHECK(WIFEXITED(st));
	EXPECT_EQ(WEXITSTATUS(st), 1);
	EXPECT_ERR(syscall(SYS_execveat, -1, "x", no_env, no_env, 0), EBADF);
	EXPECT_ERR(syscall(SYS_execveat, AT_FDCWD, "x", no_env, no_env, 0x10), EINVAL);
	symlink("/proc/self/exe", "lnk");
	EXPECT_ERR(syscall(SYS_execveat, AT_FDCWD, "lnk", no_env, no_env, AT_SYMLINK_NOFOLLOW), ELOOP);
	close(fd);
}

TEST(permissions)
{
	int st;
	pid_t pid;

	if (geteuid())
		SKIP("needs root to become nobody");
	chmod(".", 0755);
	t_put("rootonly", "#!/bin/true\n", 0700);
	pid = fork();
	if (pid == 0) {
		if (setgid(65534) || setuid(65534))
			_exit(77);
		EXPECT_ERR(execve("rootonly", no_env, no_env), EACCES);
		_exit(t_bad);
	}
	waitpid(pid, &st, 0);
	EXPECT_EQ(st, 0);
}
