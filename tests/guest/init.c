/*
 * init.c - process 1 of a test guest: run a list of programs, one after the other, and power off.
 * WHY         the suite boots once and runs everything; the host reads one serial stream. So each program's
 *             output stands between markers, and the ledger is audited when it has ended.
 * SHAPE       /tests.list, one program a line: NAME TIMEOUT_SECONDS COMMAND…   ->   on the console:
 *                 @@BEGIN NAME
 *                 …output…
 *                 @@END NAME exit=N | signal=N | timeout
 *                 @@AUDIT NAME ok | none | bad        (the audit's lines stand before a bad one)
 *             When all are done, the kernel looks for objects of its own that nothing points to; that is the program "kmemleak".
 *                 @@DONE                              (then the machine powers off)
 * LINUX       runs on a stock kernel all the same, with the modules that it was given; there is no audit then.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define AUDIT "/proc/ledger/audit"
#define KMEMLEAK "/sys/kernel/debug/kmemleak"

static volatile sig_atomic_t alarmed;

static void on_alarm(int sig)
{
	alarmed = 1;
}

static void say(const char *fmt, const char *name, const char *what, int n)
{
	char buf[512];
	int len = snprintf(buf, sizeof(buf), fmt, name, what, n);

	for (int done = 0, r; done < len; done += r)
		if ((r = write(1, buf + done, len - done)) <= 0)
			return;
}

static void make_world(void)
{
	int fd;

	mkdir("/proc", 0755), mkdir("/dev", 0755), mkdir("/sys", 0755), mkdir("/tmp", 01777);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	mkdir("/dev/pts", 0755), mkdir("/dev/shm", 01777);
	mount("devpts", "/dev/pts", "devpts", 0, "gid=5,mode=620,ptmxmode=666");
	mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	fd = open("/dev/console", O_RDWR);
	if (fd < 0)
		return;
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
}

static void run_child(char **argv)
{
	int null = open("/dev/null", O_RDONLY);

	if (null >= 0) {
		dup2(null, 0);
		close(null);
	}
	setsid();
	signal(SIGALRM, SIG_DFL);
	setenv("PATH", "/usr/local/bin:/usr/bin:/bin:/sbin:/usr/sbin", 1);
	setenv("HOME", "/tmp", 1);
	setenv("TMPDIR", "/tmp", 1);
	setenv("QUIRE_GUEST", "1", 1);
	if (chdir("/tmp"))
		perror("chdir /tmp");
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(errno == ENOENT ? 127 : 126);
}

/* Nothing of one test may live on into the next: orphans would change its counters. */
static void reap_all(void)
{
	kill(-1, SIGKILL);
	for (int i = 0; i < 200; i++) {
		pid_t r = waitpid(-1, NULL, WNOHANG);

		if (r < 0)
			return;
		if (r == 0)
			usleep(5000);
	}
}

static void show_file(const char *dir, const char *file)
{
	char path[300], buf[512];
	int fd, n;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, buf, 300);
	if (n > 0) {
		buf[n] = 0;
		say("  %s: %s\n", file, buf, 0);
	}
	close(fd);
}

/* A program that does not come to its end: what do its tasks, and its children, wait for? */
static void show_tasks(void)
{
	DIR *d = opendir("/proc"), *t;
	struct dirent *e, *f;
	char path[300], task[600];

	while (d && (e = readdir(d))) {
		if (atoi(e->d_name) <= 1)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", e->d_name);
		t = opendir(path);
		while (t && (f = readdir(t))) {
			if (f->d_name[0] == '.')
				continue;
			snprintf(task, sizeof(task), "%.200s/%.200s", path, f->d_name);
			show_file(task, "stat");
			show_file(task, "wchan");
			show_file(task, "syscall");
			show_file(task, "stack");
		}
		if (t)
			closedir(t);
	}
	if (d)
		closedir(d);
}

static void run_one(const char *name, int timeout, char **argv)
{
	int status = 0;
	pid_t pid, r;

	say("@@BEGIN %s\n", name, "", 0);
	alarmed = 0;
	pid = fork();
	if (pid == 0)
		run_child(argv);
	alarm(timeout);
	do {
		r = waitpid(pid, &status, 0);
	} while (r < 0 && errno == EINTR && !alarmed);
	alarm(0);
	if (r != pid)
		show_tasks();
	reap_all();
	if (r != pid)
		say("\n@@END %s timeout%s\n", name, "", 0);
	else if (WIFSIGNALED(status))
		say("\n@@END %s %s=%d\n", name, "signal", WTERMSIG(status));
	else
		say("\n@@END %s %s=%d\n", name, "exit", WEXITSTATUS(status));
}

/* ok: no line starts with MISMATCH and the last one is "audit: ok". */
static void audit(const char *name)
{
	static char buf[65536];
	char *last = buf;
	int fd = open(AUDIT, O_RDONLY), len = 0, r, bad;

	if (fd < 0) {
		say("@@AUDIT %s none\n", name, "", 0);
		return;
	}
	while ((r = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0)
		len += r;
	close(fd);
	while (len && buf[len - 1] == '\n')
		len--;
	buf[len] = 0;
	bad = !strncmp(buf, "MISMATCH", 8) || strstr(buf, "\nMISMATCH");
	for (char *p = buf; (p = strchr(p, '\n')); )
		last = ++p;
	if (strcmp(last, "audit: ok"))
		bad = 1;
	if (bad)
		for (char *p = strtok(buf, "\n"); p; p = strtok(NULL, "\n"))
			say("%s\n", p, "", 0);
	say("@@AUDIT %s %s\n", name, bad ? "bad" : "ok", 0);
}

/* After everything has run and ended, no kernel object may be lost. */
static void find_leaks(void)
{
	static char buf[16384];
	int fd = open(KMEMLEAK, O_RDWR), len = 0, r;

	if (fd < 0)
		return;
	say("@@BEGIN kmemleak%s\n", "", "", 0);
	r = write(fd, "scan", 4);
	if (r == 4 && !lseek(fd, 0, SEEK_SET))
		while ((r = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0)
			len += r;
	close(fd);
	for (char *p = strtok(buf, "\n"); p; p = strtok(NULL, "\n"))
		say("%s\n", p, "", 0);
	say("%s 1 - nothing_is_lost\n1..1\n", len || r < 0 ? "not ok" : "ok", "", 0);
	say("@@END kmemleak exit=0%s\n@@AUDIT kmemleak ok\n", "", "", 0);
}

static void run_line(char *line)
{
	char *argv[32], *name = strtok(line, " \n"), *t = strtok(NULL, " \n");
	int n = 0;

	if (!name || !t)
		return;
	while (n < 31 && (argv[n] = strtok(NULL, " \n")))
		n++;
	argv[n] = NULL;
	if (!n)
		return;
	run_one(name, atoi(t), argv);
	audit(name);
}

/* What tests/run --module gave a stock kernel: /modules/00.ko, 01.ko … */
static void load_modules(void)
{
	char path[32];
	int fd;

	for (int i = 0; snprintf(path, sizeof(path), "/modules/%02d.ko", i), (fd = open(path, O_RDONLY)) >= 0; i++) {
		if (syscall(SYS_finit_module, fd, "", 0))
			say("# %s: %s\n", path, strerror(errno), 0);
		close(fd);
	}
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };	/* no SA_RESTART: a timeout ends waitpid */
	char line[4096];
	FILE *f;

	make_world();
	load_modules();
	sigaction(SIGALRM, &sa, NULL);
	f = fopen("/tests.list", "r");
	if (!f)
		say("@@NOLIST%s\n", "", "", 0);
	while (f && fgets(line, sizeof(line), f))
		run_line(line);
	find_leaks();
	say("@@DONE\n%s", "", "", 0);
	sync();
	reboot(access("/proc/ledger", F_OK) ? RB_AUTOBOOT : RB_POWER_OFF);
	for (;;)
		pause();
}
