/*
 * accel.c - hardware virtualisation only where it has been proved to work.
 * WHY         /dev/kvm may exist, open, and then hang: nested without support, or refused by a sandbox. A
 *             guest that never executes its first instruction looks like a kernel bug.
 * SHAPE       our own kernel boots up to the point where /init would start, in the very machine a run would use:
 *             a guest of a few instructions was seen to pass where a kernel hangs. It has one second. The
 *             answer is kept in the user's cache until this machine reboots, or QEMU or the kernel changes.
 * INVARIANTS  K1 we never wait for the probe longer than its second plus a little: it may be unkillable inside
 *             the kernel, so it holds none of our descriptors and we leave it behind if need be.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli/quire.h"

#define PROBE_LIMIT_MS 1000
#define PROBE_EXIT ((0x10 << 1) | 1) /* the kernel's power-off by isa-debug-exit: (value << 1) | 1 */

static void read_line(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");

	out[0] = 0;
	if (f && fgets(out, (int)size, f))
		out[strcspn(out, "\n")] = 0;
	if (f)
		fclose(f);
}

/* Everything that could change the answer. */
static void probe_key(const char *qemu, const char *kernel, char *out, size_t size)
{
	struct stat st = {0}, ours = {0};
	struct utsname u = {0};
	char boot[64];

	uname(&u);
	stat(qemu, &st);
	if (kernel)
		stat(kernel, &ours);
	read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	snprintf(out, size, "%s %s %s %lld %lld %lld %u", boot, u.release, qemu, (long long)st.st_size,
		 (long long)st.st_mtime, (long long)ours.st_mtime, getuid());
}

static bool cache_path(char *out, size_t size, bool make)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int n;

	if (xdg && xdg[0] == '/')
		n = snprintf(out, size, "%s", xdg);
	else if (home && home[0] == '/')
		n = snprintf(out, size, "%s/.cache", home);
	else
		return false;
	if (n < 0 || (size_t)n + 32 > size)
		return false;
	if (make)
		mkdir(out, 0700);
	strcat(out, "/quire");
	if (make)
		mkdir(out, 0700);
	strcat(out, "/kvm-probe");
	return true;
}

static bool cache_read(const char *key, char *answer, size_t size)
{
	char path[PATH_MAX], line[PATH_MAX + 256];
	FILE *f;
	bool hit = false;

	if (!cache_path(path, sizeof(path), false) || !(f = fopen(path, "re")))
		return false;
	if (fgets(line, sizeof(line), f) && (line[strcspn(line, "\n")] = 0, !strcmp(line, key)) &&
	    fgets(answer, (int)size, f)) {
		answer[strcspn(answer, "\n")] = 0;
		hit = answer[0] != 0;
	}
	fclose(f);
	return hit;
}

/* A cache we cannot write costs a second each time, nothing else. */
static void cache_write(const char *key, const char *answer)
{
	char path[PATH_MAX], temp[PATH_MAX + 32];
	FILE *f;

	if (!cache_path(path, sizeof(path), true))
		return;
	snprintf(temp, sizeof(temp), "%s.%d", path, getpid());
	f = fopen(temp, "we");
	if (!f)
		return;
	fprintf(f, "%s\n%s\n", key, answer);
	if (fclose(f) != 0 || rename(temp, path) < 0)
		unlink(temp);
}

static void probe_exec(const struct qemu_args *args)
{
	int null = open("/dev/null", O_RDWR);

	setsid();
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	syscall(SYS_close_range, 3, ~0u, 0);
	execv(args->argv[0], args->argv);
	_exit(127);
}

/* Wait up to `ms` for the process to end; false when it has not. */
static bool wait_until(pid_t pid, int ms, int *status)
{
	for (int waited = 0;; waited += 5) {
		pid_t got = waitpid(pid, status, WNOHANG);

		if (got == pid)
			return true;
		if (got < 0 || waited >= ms)
			return false;
		poll(NULL, 0, 5);
	}
}

static const char *probe_run(const char *kernel)
{
	struct qemu_args args;
	int status = 0;
	pid_t pid;

	if (!kernel)
		return "no kernel to try it with";
	qemu_build_probe(&args, kernel);
	pid = fork();
	if (pid < 0)
		return "cannot fork";
	if (pid == 0)
		probe_exec(&args);
	if (!wait_until(pid, PROBE_LIMIT_MS, &status)) {
		kill(pid, SIGKILL);
		wait_until(pid, 200, &status);
		return "timed out";
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == PROBE_EXIT)
		return "ok";
	return "failed";
}

static const char *kvm_obstacle(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		return NULL;
	}
	if (errno == ENOENT)
		return "no /dev/kvm";
	return errno == EACCES ? "no permission for /dev/kvm" : "/dev/kvm does not open";
}

/* `fresh`: ask the hardware, not the cache. */
struct accel_choice accel_choose(enum accel_wish wish, const char *qemu, bool fresh)
{
	struct accel_choice c = {0};
	const char *obstacle, *kernel = find_piece("quire.elf");
	char key[PATH_MAX + 256], answer[64];

	if (wish == ACCEL_TCG) {
		snprintf(c.why, sizeof(c.why), "asked for");
		return c;
	}
	obstacle = kvm_obstacle();
	if (obstacle) {
		snprintf(c.why, sizeof(c.why), "%s", obstacle);
	} else {
		probe_key(qemu, kernel, key, sizeof(key));
		if (fresh || !cache_read(key, answer, sizeof(answer))) {
			snprintf(answer, sizeof(answer), "%s", probe_run(kernel));
			cache_write(key, answer);
		}
		c.kvm = !strcmp(answer, "ok");
		snprintf(c.why, sizeof(c.why), "kvm probe: %s", answer);
	}
	if (wish == ACCEL_KVM && !c.kvm)
		fail("--accel kvm: %s", c.why);
	return c;
}
