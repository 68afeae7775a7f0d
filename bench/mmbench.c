/*
 * mmbench.c - the benchmark: one static program that is /init on Quire and on stock Linux alike.
 * SHAPE       row(ID, NAME, OPS) { … } between two marks that bench/count-plugin.c sees; OPS operations stand
 *             between them. Prints "ROW id ops name" on the console; the runner joins it with the counts.
 *             "bench=smp" on the kernel command line does the rates for two CPUs by the clock instead,
 *             "bench=boot" nothing at all. How much memory a program can have is held.c's.
 * METHOD      everything is warmed up once before it is measured, so no row pays for a first time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define PA (MAP_PRIVATE | MAP_ANONYMOUS)

#define MARK(kind, id) ({ __asm__ volatile(".byte 0x0f, 0x1f, 0x80, %c0, %c1, 0x45, 0x51" : : "i"(id), "i"(kind) : "memory"); })
#define BEGIN(id) MARK(1, id)
#define END(id) MARK(2, id)

static volatile char sink;

static void say(const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (write(1, buf, n) < 0)
		return;
}

#define ROW(id, ops, name) say("ROW %d %ld %s\n", id, (long)(ops), name)

static void die(const char *what)
{
	say("BENCH FAILED %s errno %d\n", what, errno);
	_exit(1);
}

static char *anon(size_t pages)
{
	char *p = mmap(NULL, pages * PG, RW, PA, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void write_pages(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)p)[i * PG] = 1;
}

static void read_pages(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sink = ((volatile char *)p)[i * PG];
}

/* ---- faults ---- */
enum { N = 2048 };

static void faults(void)
{
	for (int warm = 1; warm >= 0; warm--) {
		char *p = anon(N);

		if (!warm)
			BEGIN(1);
		write_pages(p, N);
		if (!warm)
			END(1);
		if (!warm)
			BEGIN(6);
		munmap(p, N * PG);
		if (!warm)
			END(6);
		p = anon(N);
		if (!warm)
			BEGIN(2);
		read_pages(p, N);
		if (!warm)
			END(2);
		munmap(p, N * PG);
		p = anon(N);
		write_pages(p, N);
		madvise(p, N * PG, MADV_DONTNEED);
		if (!warm)
			BEGIN(5);
		write_pages(p, N);
		if (!warm)
			END(5);
		pid_t pid = fork();
		if (pid == 0) {
			if (!warm)
				BEGIN(3);
			write_pages(p, N);
			if (!warm)
				END(3);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		munmap(p, N * PG);
	}
	ROW(1, N, "anonymous fault");
	ROW(2, N, "zero-page fault");
	ROW(3, N, "COW fault after fork");
	ROW(5, N, "re-touch after MADV_DONTNEED");
	ROW(6, N, "munmap of touched memory, a page");
}

static int big_file(void)
{
	static char buf[65536];
	int fd = open("/tmp/file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	memset(buf, 'x', sizeof(buf));
	for (size_t i = 0; i < N * PG / sizeof(buf); i++)
		if (write(fd, buf, sizeof(buf)) != sizeof(buf))
			die("write of the file");
	return fd;
}

static void file_faults(int fd)
{
	for (int warm = 1; warm >= 0; warm--) {
		char *p = mmap(NULL, N * PG, RW, MAP_PRIVATE, fd, 0);

		if (!warm)
			BEGIN(10);
		read_pages(p, N);
		if (!warm)
			END(10);
		munmap(p, N * PG);
		p = mmap(NULL, N * PG, RW, MAP_SHARED, fd, 0);
		if (!warm)
			BEGIN(11);
		read_pages(p, N);
		if (!warm)
			END(11);
		munmap(p, N * PG);
		p = mmap(NULL, N * PG, RW, MAP_SHARED, fd, 0);
		if (!warm)
			BEGIN(12);
		write_pages(p, N);
		if (!warm)
			END(12);
		munmap(p, N * PG);
		p = mmap(NULL, N * PG, RW, MAP_PRIVATE, fd, 0);
		if (!warm)
			BEGIN(13);
		write_pages(p, N);
		if (!warm)
			END(13);
		munmap(p, N * PG);
	}
	ROW(10, N, "file fault, private, read");
	ROW(11, N, "file fault, shared, read");
	ROW(12, N, "file fault, shared, write");
	ROW(13, N, "file fault, private, write");
}

/* ---- the calls ---- */
static void maps(void)
{
	enum { M = 500 };

	for (int warm = 1; warm >= 0; warm--) {
		if (!warm)
			BEGIN(20);
		for (int i = 0; i < M; i++) {
			char *p = mmap(NULL, PG, RW, PA, -1, 0);
			*(volatile char *)p = 1;
			munmap(p, PG);
		}
		if (!warm)
			END(20);
		if (!warm)
			BEGIN(21);
		for (int i = 0; i < M; i++)
			munmap(mmap(NULL, PG, RW, PA, -1, 0), PG);
		if (!warm)
			END(21);
		char *p = anon(64);
		write_pages(p, 64);
		if (!warm)
			BEGIN(22);
		for (int i = 0; i < M; i++) {
			mprotect(p + 16 * PG, PG, PROT_READ);
			mprotect(p + 16 * PG, PG, RW);
		}
		if (!warm)
			END(22);
		char *home = mmap(NULL, 256 * PG, PROT_NONE, PA, -1, 0);
		if (!warm)
			BEGIN(23);
		for (int i = 0; i < M; i++) {
			syscall(SYS_mremap, p, 16 * PG, 16 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, home);
			syscall(SYS_mremap, home, 16 * PG, 16 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, p);
		}
		if (!warm)
			END(23);
		munmap(home, 256 * PG), munmap(p, 64 * PG);
		char *b = sbrk(0);
		if (!warm)
			BEGIN(24);
		for (int i = 0; i < M; i++) {
			syscall(SYS_brk, b + 4 * PG);
			*(volatile char *)(b + 3 * PG) = 1;
			syscall(SYS_brk, b);
		}
		if (!warm)
			END(24);
	}
	ROW(20, M, "mmap + touch + munmap, one page");
	ROW(21, M, "mmap + munmap, one page, untouched");
	ROW(22, M, "mprotect flip (there and back)");
	ROW(23, 2 * M, "mremap, move of 16 touched pages");
	ROW(24, M, "brk up 4 pages, touch one, down");
}

static void many_vmas(void)
{
	enum { V = 10000 };

	for (int warm = 1; warm >= 0; warm--) {
		char *p = mmap(NULL, V * PG, PROT_NONE, PA, -1, 0);

		if (!warm)
			BEGIN(25);
		for (int i = 0; i < V; i += 2)
			if (mmap(p + i * PG, PG, RW, PA | MAP_FIXED, -1, 0) == MAP_FAILED)
				die("many areas");
		if (!warm)
			END(25);
		if (!warm)
			BEGIN(26);
		for (int i = 0; i < V; i++)
			munmap(p + i * PG, PG);
		if (!warm)
			END(26);
	}
	ROW(25, V, "10,000 areas made, each");
	ROW(26, V, "10,000 areas unmade, each");
}

static void forks(void)
{
	static const int mib[] = { 1, 16, 64 };

	for (int k = 0; k < 3; k++) {
		size_t pages = mib[k] * 256UL;
		char *p = anon(pages);

		write_pages(p, pages);
		for (int warm = 1; warm >= 0; warm--) {
			if (!warm)
				k == 0 ? BEGIN(30) : k == 1 ? BEGIN(31) : BEGIN(32);
			for (int i = 0; i < 4; i++) {
				pid_t pid = fork();
				if (pid == 0)
					_exit(0);
				waitpid(pid, NULL, 0);
			}
			if (!warm)
				k == 0 ? END(30) : k == 1 ? END(31) : END(32);
		}
		munmap(p, pages * PG);
	}
	ROW(30, 4, "fork + exit + wait, 1 MiB touched");
	ROW(31, 4, "fork + exit + wait, 16 MiB touched");
	ROW(32, 4, "fork + exit + wait, 64 MiB touched");
}

static void execs(void)
{
	static char *argv[] = { "/init", "exit", NULL }, *envp[] = { NULL };

	for (int warm = 1; warm >= 0; warm--) {
		if (!warm)
			BEGIN(33);
		for (int i = 0; i < 10; i++) {
			pid_t pid = vfork();
			if (pid == 0) {
				execve("/init", argv, envp);
				_exit(1);
			}
			waitpid(pid, NULL, 0);
		}
		if (!warm)
			END(33);
	}
	ROW(33, 10, "vfork + exec + exit + wait");
}

static void *nothing(void *arg)
{
	return arg;
}

static void threads(void)
{
	for (int warm = 1; warm >= 0; warm--) {
		if (!warm)
			BEGIN(34);
		for (int i = 0; i < 100; i++) {
			pthread_t t;
			if (pthread_create(&t, NULL, nothing, NULL))
				die("pthread_create");
			pthread_join(t, NULL);
		}
		if (!warm)
			END(34);
	}
	ROW(34, 100, "thread create + join");
}

static void null_calls(void)
{
	for (int warm = 1; warm >= 0; warm--) {
		if (!warm)
			BEGIN(40);
		for (int i = 0; i < 1000; i++)
			syscall(SYS_getppid);
		if (!warm)
			END(40);
	}
	ROW(40, 1000, "null system call (getppid)");
}

static void pipes(void)
{
	int a[2], b[2];
	char c = 0;

	if (pipe(a) || pipe(b))
		die("pipe");
	pid_t pid = fork();
	if (pid == 0) {
		close(a[1]);
		while (read(a[0], &c, 1) == 1 && write(b[1], &c, 1) == 1)
			;
		_exit(0);
	}
	for (int warm = 1; warm >= 0; warm--) {
		if (!warm)
			BEGIN(41);
		for (int i = 0; i < 500; i++)
			if (write(a[1], &c, 1) != 1 || read(b[0], &c, 1) != 1)
				die("round trip");
		if (!warm)
			END(41);
	}
	close(a[0]), close(a[1]), close(b[0]), close(b[1]);
	waitpid(pid, NULL, 0);
	ROW(41, 500, "pipe round trip");
}

static int word;

static void futex_to(int from, int to)
{
	while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) != from)
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, to, NULL, NULL, 0);
	__atomic_store_n(&word, to, __ATOMIC_RELEASE);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *ponger(void *arg)
{
	for (int i = 0; i < 1000; i++)
		futex_to(1, 0);
	return NULL;
}

static void futexes(void)
{
	pthread_t t;

	pthread_create(&t, NULL, ponger, NULL);
	for (int i = 0; i < 500; i++)
		futex_to(0, 1);
	BEGIN(42);
	for (int i = 0; i < 500; i++)
		futex_to(0, 1);
	END(42);
	pthread_join(t, NULL);
	ROW(42, 500, "futex round trip");
}

static char *sig_page;

static void fix(int sig, siginfo_t *si, void *uc)
{
	mprotect(sig_page, PG, RW);
}

static void signals(void)
{
	struct sigaction sa = { .sa_sigaction = fix, .sa_flags = SA_SIGINFO };

	sig_page = anon(1);
	*sig_page = 1;
	sigaction(SIGSEGV, &sa, NULL);
	for (int warm = 1; warm >= 0; warm--) {
		if (!warm)
			BEGIN(43);
		for (int i = 0; i < 300; i++) {
			mprotect(sig_page, PG, PROT_READ);
			*(volatile char *)sig_page = i;
		}
		if (!warm)
			END(43);
	}
	signal(SIGSEGV, SIG_DFL);
	ROW(43, 300, "SIGSEGV, mprotect in the handler, return");
}

static void file_io(int fd)
{
	static char small[PG], *big;

	big = anon(256);
	write_pages(big, 256);
	for (int warm = 1; warm >= 0; warm--) {
		if (!warm)
			BEGIN(50);
		for (int i = 0; i < 1000; i++)
			if (pread(fd, small, PG, i % N * PG) != PG)
				die("pread");
		if (!warm)
			END(50);
		if (!warm)
			BEGIN(51);
		for (int i = 0; i < 8; i++)
			if (pread(fd, big, 256 * PG, i % 4 * 256 * PG) != 256 * PG)
				die("pread");
		if (!warm)
			END(51);
		if (!warm)
			BEGIN(52);
		for (int i = 0; i < 1000; i++)
			if (pwrite(fd, small, PG, i % N * PG) != PG)
				die("pwrite");
		if (!warm)
			END(52);
		if (!warm)
			BEGIN(53);
		for (int i = 0; i < 8; i++)
			if (pwrite(fd, big, 256 * PG, i % 4 * 256 * PG) != 256 * PG)
				die("pwrite");
		if (!warm)
			END(53);
	}
	ROW(50, 1000, "read, cached, 4 KiB");
	ROW(51, 8, "read, cached, 1 MiB");
	ROW(52, 1000, "write, cached, 4 KiB");
	ROW(53, 8, "write, cached, 1 MiB");
}

/* ---- two CPUs, by the clock ---- */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

enum { ROUNDS = 12, CHUNK = 2048 };

static void *fault_loop(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		char *p = anon(CHUNK);
		write_pages(p, CHUNK);
		munmap(p, CHUNK * PG);
	}
	return NULL;
}

static double by_threads(int n)
{
	pthread_t t[2];
	double a;

	fault_loop(NULL);
	a = seconds();
	for (int i = 0; i < n; i++)
		pthread_create(&t[i], NULL, fault_loop, NULL);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	return n * ROUNDS * CHUNK / (seconds() - a);
}

static double by_processes(int n)
{
	double a = seconds();

	for (int i = 0; i < n; i++)
		if (fork() == 0) {
			fault_loop(NULL);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	return n * ROUNDS * CHUNK / (seconds() - a);
}

static void smp(void)
{
	for (int i = 0; i < 5; i++)
		say("SMP threads %.0f %.0f processes %.0f %.0f\n", by_threads(1), by_threads(2), by_processes(1),
		    by_processes(2));
}

/* In a child: Linux treats process 1 apart (it logs each signal caught, for one). */
static void everything(void)
{
	int fd;

	faults();
	fd = big_file();
	file_faults(fd);
	file_io(fd);
	close(fd);
	unlink("/tmp/file");
	maps();
	many_vmas();
	forks();
	execs();
	threads();
	null_calls();
	pipes();
	futexes();
	signals();
}

static void in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int st = 0;

	if (pid == 0) {
		fn();
		_exit(0);
	}
	waitpid(pid, &st, 0);
	if (st)
		say("BENCH FAILED wait status %#x\n", st);
}

int main(int argc, char **argv)
{
	char cmdline[2048] = "";
	int fd, n;

	if (argc > 1 && !strcmp(argv[1], "exit"))
		_exit(0);
	mkdir("/proc", 0755), mkdir("/dev", 0755), mkdir("/tmp", 0777);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	fd = open("/dev/console", O_RDWR);
	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
	fd = open("/proc/cmdline", O_RDONLY);
	n = read(fd, cmdline, sizeof(cmdline) - 1);
	close(fd);
	cmdline[n > 0 ? n : 0] = 0;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	say("BENCH BEGIN\n");
	if (strstr(cmdline, "bench=smp"))
		in_child(smp);
	else if (!strstr(cmdline, "bench=boot"))
		in_child(everything);
	say("BENCH END\n");
	sync();
	reboot(access("/proc/ledger", F_OK) ? RB_AUTOBOOT : RB_POWER_OFF);
	for (;;)
		pause();
}
