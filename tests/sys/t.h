/*
 * t.h - what every program of tests/sys shares: cases, checks, faults caught, children run.
 * WHY         each program is an ordinary static Linux program; the same file must pass on stock Linux first,
 *             for Linux is the oracle. So nothing here knows which kernel it runs on.
 * SHAPE       TEST(name) { CHECK(…); EXPECT_EQ(a, b); EXPECT_ERR(call, EINVAL); SKIP("why"); }
 *             main() is here: it runs the cases in order (or those named in argv) in an empty directory that
 *             it removes afterwards, prints TAP, and exits with 1 when a case failed.
 */
#ifndef T_H
#define T_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-parameter"

#define PG 4096UL
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

struct t_case {
	const char *name;
	void (*fn)(void);
	struct t_case *next;
};

static struct t_case *t_first, **t_tail = &t_first;
static int t_bad;			/* checks that failed in this case */
static const char *t_skip;

static void t_add(struct t_case *c)
{
	*t_tail = c;
	t_tail = &c->next;
}

#define TEST(n)                                                                                                    \
	static void n(void);                                                                                       \
	static struct t_case t_case_##n = { #n, n, NULL };                                                         \
	__attribute__((constructor)) static void t_reg_##n(void)                                                   \
	{                                                                                                          \
		t_add(&t_case_##n);                                                                                \
	}                                                                                                          \
	static void n(void)

static void t_fail(int line, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	t_bad++;
	printf("# line %d: ", line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(" (errno %d)\n", saved);
	fflush(stdout);
	errno = saved;
}

#define CHECK(c)                                                                                                   \
	do {                                                                                                       \
		if (!(c))                                                                                          \
			t_fail(__LINE__, "%s", #c);                                                                \
	} while (0)
#define REQUIRE(c)                                                                                                 \
	do {                                                                                                       \
		if (!(c)) {                                                                                        \
			t_fail(__LINE__, "%s", #c);                                                                \
			return;                                                                                    \
		}                                                                                                  \
	} while (0)
#define EXPECT_EQ(a, b)                                                                                            \
	do {                                                                                                       \
		long long a_ = (long long)(a), b_ = (long long)(b);                                                \
		if (a_ != b_)                                                                                      \
			t_fail(__LINE__, "%s is %lld (%#llx), not %s = %lld", #a, a_, a_, #b, b_);                 \
	} while (0)
#define EXPECT_OK(call)                                                                                            \
	do {                                                                                                       \
		if ((long)(call) == -1)                                                                            \
			t_fail(__LINE__, "%s failed", #call);                                                      \
	} while (0)
#define EXPECT_ERR(call, err)                                                                                      \
	do {                                                                                                       \
		errno = 0;                                                                                         \
		long r_ = (long)(call);                                                                            \
		if (r_ != -1)                                                                                      \
			t_fail(__LINE__, "%s gave %ld, not %s", #call, r_, #err);                                  \
		else if (errno != (err))                                                                           \
			t_fail(__LINE__, "%s: errno not %s", #call, #err);                                         \
	} while (0)
#define SKIP(why)                                                                                                  \
	do {                                                                                                       \
		t_skip = (why);                                                                                    \
		return;                                                                                            \
	} while (0)

/* ---- faults: do an access and say which signal it brought, if any ---- */
struct t_fault {
	int sig, code;
	void *addr;
};

static sigjmp_buf t_jmp;
static struct t_fault t_last;
static int t_armed;

static void t_on_fault(int sig, siginfo_t *si, void *uc)
{
	if (!t_armed) {
		signal(sig, SIG_DFL);
		return;
	}
	t_last = (struct t_fault){ sig, si->si_code, si->si_addr };
	siglongjmp(t_jmp, 1);
}

static struct t_fault t_try(void (*fn)(void *), void *arg)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	struct sigaction sa = { .sa_sigaction = t_on_fault, .sa_flags = SA_SIGINFO }, old[ARRAY_LEN(sigs)];

	for (unsigned i = 0; i < ARRAY_LEN(sigs); i++)
		sigaction(sigs[i], &sa, &old[i]);
	t_last = (struct t_fault){ 0 };
	t_armed = 1;
	if (!sigsetjmp(t_jmp, 1))
		fn(arg);
	t_armed = 0;
	for (unsigned i = 0; i < ARRAY_LEN(sigs); i++)
		sigaction(sigs[i], &old[i], NULL);
	return t_last;
}

static void t_do_read(void *p)
{
	char v;
	__asm__ volatile("movb (%1), %0" : "=q"(v) : "r"(p) : "memory");
}
static void t_do_write(void *p)
{
	__asm__ volatile("movb $1, (%0)" : : "r"(p) : "memory");
}
static void t_do_exec(void *p)
{
	__asm__ volatile("call *%0" : : "r"(p) : "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
}

#define FAULT_EQ(f, s, c, a)                                                                                       \
	do {                                                                                                       \
		struct t_fault f_ = (f);                                                                           \
		if (f_.sig != (s) || f_.code != (c) || f_.addr != (void *)(a))                                     \
			t_fail(__LINE__, "%s: signal %d code %d addr %p, not %s %s %p", #f, f_.sig, f_.code,       \
			       f_.addr, #s, #c, (void *)(a));                                                      \
	} while (0)
#define NO_FAULT(f) FAULT_EQ(f, 0, 0, 0)
#define READ_OF(p) t_try(t_do_read, (void *)(p))
#define WRITE_OF(p) t_try(t_do_write, (void *)(p))
#define EXEC_OF(p) t_try(t_do_exec, (void *)(p))

/* ---- children ---- */

/* Run fn in a child; its wait status. fn's return value is the exit status; failed checks make it 99. */
static int t_child(int (*fn)(void *), void *arg)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		t_bad = 0;
		int r = fn(arg);
		fflush(stdout);
		_exit(t_bad ? 99 : r);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

#define CHILD_EXITS(fn, arg, code)                                                                                 \
	do {                                                                                                       \
		int s_ = t_child(fn, arg);                                                                         \
		if (!WIFEXITED(s_) || WEXITSTATUS(s_) != (code))                                                   \
			t_fail(__LINE__, "%s: wait status %#x, not exit %d", #fn, s_, (int)(code));                \
	} while (0)
#define CHILD_DIES(fn, arg, sig)                                                                                   \
	do {                                                                                                       \
		int s_ = t_child(fn, arg);                                                                         \
		if (!WIFSIGNALED(s_) || WTERMSIG(s_) != (sig))                                                     \
			t_fail(__LINE__, "%s: wait status %#x, not signal %d", #fn, s_, (int)(sig));               \
	} while (0)

/* ---- small helpers ---- */
static void *t_map(size_t pages, int prot, int flags)
{
	return mmap(NULL, pages * PG, prot, flags, -1, 0);
}
static char *t_anon(size_t pages)
{
	return t_map(pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
}

/* A file of so many bytes, byte i being 'a' + i / PG % 26; open for reading and writing. */
static int t_file(const char *name, size_t bytes)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	char buf[PG];

	for (size_t done = 0; fd >= 0 && done < bytes; done += PG) {
		size_t n = bytes - done < PG ? bytes - done : PG;

		memset(buf, 'a' + done / PG % 26, n);
		if (write(fd, buf, n) != (ssize_t)n)
			return -1;
	}
	return fd;
}

static int t_put(const char *name, const char *text, int mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);

	if (fd < 0)
		return -1;
	ssize_t n = write(fd, text, strlen(text));
	fchmod(fd, mode);
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* Text to a file that is there (of /proc, /sys): 0, or -1 with the errno of open or write. */
static int t_write(const char *name, int flags, const char *text)
{
	int fd = open(name, O_WRONLY | flags), n, err;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	err = errno;
	close(fd);
	errno = err;
	return n == (int)strlen(text) ? 0 : -1;
}

/* The whole of a file as a string (static buffer); NULL when it cannot be read. */
static char *t_get(const char *name)
{
	static char buf[4 << 20];
	int fd = open(name, O_RDONLY), len = 0, r;

	if (fd < 0)
		return NULL;
	while ((r = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0)
		len += r;
	close(fd);
	buf[len] = 0;
	return r < 0 ? NULL : buf;
}

static void t_msleep(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* Wait for a condition that another task brings about; no fixed time, 20 s at most. */
#define WAIT_FOR(c)                                                                                                \
	do {                                                                                                       \
		for (int i_ = 0; i_ < 10000 && !(c); i_++)                                                         \
			t_msleep(2);                                                                               \
		CHECK(c);                                                                                          \
	} while (0)

/* The state letter of a task in /proc/PID/stat, 0 when there is none. */
static char t_state(pid_t pid)
{
	char name[64], buf[512], *p;
	int fd, n;

	snprintf(name, sizeof(name), "/proc/%d/stat", pid);
	fd = open(name, O_RDONLY);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	p = strrchr(buf, ')');
	return p ? p[2] : 0;
}

/* Number that stands after "key" in /proc/self/FILE or any file of "key value" lines; -1 if none. */
static long t_proc(const char *file, const char *key)
{
	char *text = t_get(file), *p = text;
	size_t n = strlen(key);

	while (p) {
		if (!strncmp(p, key, n))
			return strtol(p + n + strspn(p + n, ": \t"), NULL, 0);
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	return -1;
}

/* How many areas of /proc/self/maps overlap [start, end); the last one's permissions in perm[5]. */
static int t_areas(const void *start, const void *end, char *perm)
{
	char *text = t_get("/proc/self/maps"), *p = text;
	int n = 0;

	while (p && *p) {
		unsigned long a, b;
		char perms[8];

		if (sscanf(p, "%lx-%lx %7s", &a, &b, perms) == 3 && a < (unsigned long)end && b > (unsigned long)start) {
			n++;
			if (perm)
				memcpy(perm, perms, 5);
		}
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	return n;
}

static int t_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type == FTW_DNR || type == FTW_DP)
		chmod(path, 0700);
	return remove(path), 0;
}

static int t_run(struct t_case *c, int nr)
{
	t_bad = 0;
	t_skip = NULL;
	c->fn();
	if (t_bad)
		printf("not ok %d - %s\n", nr, c->name);
	else if (t_skip)
		printf("ok %d - %s # SKIP %s\n", nr, c->name, t_skip);
	else
		printf("ok %d - %s\n", nr, c->name);
	fflush(stdout);
	return t_bad != 0;
}

/*
 * Whatever the caller set: signals as a shell's foreground program has them, umask 022, 8 MiB of stack (an address space laid out
 * for that), 1024 files. A hard limit below that stays; who needs more asks t_limit().
 */
static void t_ordinary(char **argv)
{
	struct rlimit files = { 0 }, stack = { 0 };
	sigset_t none;

	for (int s = 1; s < NSIG; s++) {
		struct sigaction sa;

		if (!sigaction(s, NULL, &sa) && sa.sa_handler == SIG_IGN)
			signal(s, SIG_DFL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < 1024 && files.rlim_max > files.rlim_cur) {
		files.rlim_cur = files.rlim_max < 1024 ? files.rlim_max : 1024;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (!getrlimit(RLIMIT_STACK, &stack) && stack.rlim_cur != 8 << 20 && stack.rlim_max >= 8 << 20) {
		stack.rlim_cur = 8 << 20;
		if (!setrlimit(RLIMIT_STACK, &stack))
			execv("/proc/self/exe", argv);
	}
}

/* Does the soft limit allow so much? */
static bool t_limit(int which, unsigned long wanted)
{
	struct rlimit l = { 0 };

	return !getrlimit(which, &l) && l.rlim_cur >= wanted;
}

#ifndef T_OWN_MAIN
int main(int argc, char **argv)
{
	const char *base = getenv("TMPDIR");
	char dir[PATH_MAX];
	int nr = 0, failed = 0;

	t_ordinary(argv);
	snprintf(dir, sizeof(dir), "%s/t.XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(dir) || chdir(dir)) {
		printf("Bail out! cannot make %s\n", dir);
		return 1;
	}
	for (struct t_case *c = t_first; c; c = c->next) {
		bool want = argc < 2;

		for (int i = 1; i < argc; i++)
			want |= !strcmp(argv[i], c->name);
		if (want)
			failed += t_run(c, ++nr);
	}
	printf("1..%d\n", nr);
	fflush(stdout);
	if (!chdir("/"))
		nftw(dir, t_remove, 16, FTW_DEPTH | FTW_PHYS);
	return failed != 0;
}
#endif
#endif
