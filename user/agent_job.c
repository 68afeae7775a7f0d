/*
 * agent_job.c - read the job message and start the program exactly as the host's caller would have.
 * SHAPE       parse -> pipes or a terminal -> fork -> the child puts on its clothes -> execvp. The child tells
 *             its errno through a close-on-exec pipe, so that "not found" and "not executable" reach the host.
 * LINUX       every step is an ordinary system call: the same binary is /init on stock Linux.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/agent.h"

static bool job_add_mount(struct job *job, const char *data, uint32_t len)
{
	if (len <= sizeof(struct wire_mount) || job->nr_mounts == 32)
		return false;
	memcpy(&job->mounts[job->nr_mounts], data, sizeof(struct wire_mount));
	job->mount_paths[job->nr_mounts++] = data + sizeof(struct wire_mount);
	return true;
}

static bool job_field(struct job *job, uint32_t type, char *data, uint32_t len)
{
	switch (type) {
	case FIELD_CWD:
		job->cwd = data;
		return true;
	case FIELD_UMASK:
		memcpy(&job->umask, data, sizeof(job->umask));
		return true;
	case FIELD_IGNORED:
		memcpy(&job->ignored, data, sizeof(job->ignored));
		return true;
	case FIELD_IDS:
		job->ids = (const uint32_t *)(const void *)data;
		job->nr_ids = len / 4;
		return true;
	case FIELD_RLIMIT:
		if (job->nr_rlimits == 16)
			return false;
		memcpy(&job->rlimits[job->nr_rlimits++], data, sizeof(struct wire_rlimit));
		return true;
	case FIELD_TTY:
		job->tty = true;
		memcpy(&job->winsize, data, sizeof(job->winsize));
		return true;
	case FIELD_SWAP:
		if (job->nr_swaps == 16)
			return false;
		memcpy(&job->swaps[job->nr_swaps++], data, sizeof(struct wire_swap));
		return true;
	case FIELD_CGROUP:
		if (job->nr_cgroup == 16)
			return false;
		job->cgroup[job->nr_cgroup++] = data;
		return true;
	case FIELD_KNOB:
		if (job->nr_knobs == 32)
			return false;
		job->knobs[job->nr_knobs++] = data;
		return true;
	case FIELD_MOUNT:
		return job_add_mount(job, data, len);
	case FIELD_MODULE:
		return job_add_module(job, data, len);
	case FIELD_KEEP_ROOT:
		return job->keep_root = true;
	case FIELD_WANTED:
		memcpy(&job->wanted, data, sizeof(job->wanted));
		return true;
	case FIELD_HOSTNAME:
		return sethostname(data, strlen(data)) == 0 || true;
	}
	return false;
}

static uint32_t count_fields(const char *data, size_t len, uint32_t type)
{
	uint32_t n = 0;

	for (size_t at = 0; at + sizeof(struct wire_field) <= len;) {
		struct wire_field f;

		memcpy(&f, data + at, sizeof(f));
		n += f.type == type;
		at += sizeof(f) + ((f.len + 3u) & ~3u);
	}
	return n;
}

/*
 * Fill *job from a message that stays in memory as long as the job.
 * Texts arrive with their final NUL; each field is padded to four bytes.
 */
bool job_parse(struct job *job, char *data, size_t len)
{
	uint32_t argc = 0, envc = 0;

	memset(job, 0, sizeof(*job));
	job->cwd = "/";
	job->umask = 022;
	job->argv = calloc(count_fields(data, len, FIELD_ARG) + 1, sizeof(char *));
	job->envp = calloc(count_fields(data, len, FIELD_ENV) + 1, sizeof(char *));
	if (!job->argv || !job->envp)
		return false;
	for (size_t at = 0; at < len;) {
		struct wire_field f;
		char *body = data + at + sizeof(f);

		if (len - at < sizeof(f))
			return false;
		memcpy(&f, data + at, sizeof(f));
		at += sizeof(f);
		if (f.len > len - at)
			return false;
		at += (f.len + 3u) & ~3u;
		if (f.type == FIELD_ARG)
			job->argv[argc++] = body;
		else if (f.type == FIELD_ENV)
			job->envp[envc++] = body;
		else if (!job_field(job, f.type, body, f.len))
			return false;
	}
	return argc > 0;
}

static void child_signals(const struct job *job)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, sig <= 64 && (job->ignored >> (sig - 1) & 1) ? SIG_IGN : SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Become the caller: limits first, while we may still raise them; the user last. */
static int child_identity(const struct job *job)
{
	for (uint32_t i = 0; i < job->nr_rlimits; i++) {
		const struct wire_rlimit *w = &job->rlimits[i];

		setrlimit((int)w->resource, &(struct rlimit){.rlim_cur = w->cur, .rlim_max = w->max});
	}
	if (job->nr_ids < 2)
		return 0;
	if (setgroups(job->nr_ids - 2, job->ids + 2) < 0 && job->nr_ids > 2)
		return errno;
	if (setresgid(job->ids[1], job->ids[1], job->ids[1]) < 0)
		return errno;
	if (setresuid(job->ids[0], job->ids[0], job->ids[0]) < 0)
		return errno;
	return 0;
}

static int child_streams(const int fds[3], const struct job *job, const char *tty)
{
	setsid();
	if (job->tty) {
		int fd = open(tty, O_RDWR);

		if (fd < 0)
			return errno;
		ioctl(fd, TIOCSCTTY, 0);
		for (int i = 0; i < 3; i++)
			dup2(fd, i);
		if (fd > 2)
			close(fd);
		return 0;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			return errno;
	return 0;
}

/* A file that is no program is a script of the shell, as for env(1). Returns only on failure: errno. */
static int exec_one(const char *path, const struct job *job)
{
	size_t argc = 0;
	char **argv;

	execve(path, job->argv, job->envp);
	if (errno != ENOEXEC)
		return errno;
	while (job->argv[argc])
		argc++;
	argv = calloc(argc + 2, sizeof(*argv));
	if (!argv)
		return ENOMEM;
	argv[0] = "sh";
	argv[1] = (char *)path;
	memcpy(argv + 2, job->argv + 1, argc * sizeof(*argv));
	execve("/bin/sh", argv, job->envp);
	return ENOEXEC;
}

/* Along PATH, as execvp(3): what may not be executed is remembered, but a later folder may have a better one. */
static int exec_search(const struct job *job)
{
	const char *dir = getenv("PATH"), *name = job->argv[0];
	int worst = ENOENT;

	if (strchr(name, '/') || !*name)
		return exec_one(name, job);
	for (dir = dir ? dir : "/usr/local/bin:/bin:/usr/bin";; dir++) {
		size_t len = strcspn(dir, ":");
		char path[4096];
		int err = ENAMETOOLONG;

		if ((size_t)snprintf(path, sizeof(path), "%.*s%s%s", (int)len, dir, len ? "/" : "", name) < sizeof(path))
			err = exec_one(path, job);
		if (err == EACCES)
			worst = EACCES;
		else if (err != ENOENT && err != ENOTDIR)
			return err;
		dir += len;
		if (!*dir)
			return worst;
	}
}

/* What the child reports before execve: which step, and why. */
struct child_failure {
	int32_t error;
	int32_t exec;
};

static void child_run(const struct job *job, const int fds[3], const char *tty, int report)
{
	struct child_failure f = {0};

	if (job->nr_cgroup)
		write_small_file(CGROUP "/cgroup.procs", "0"); /* while still root */
	f.error = child_streams(fds, job, tty);
	if (!f.error)
		f.error = child_identity(job);
	if (!f.error && chdir(job->cwd) < 0)
		f.error = errno;
	if (!f.error) {
		umask(job->umask);
		child_signals(job);
		environ = job->envp;
		f.error = exec_search(job);
		f.exec = 1;
	}
	write_all(report, &f, sizeof(f));
	_exit(127);
}

static int open_terminal(const struct job *job, char *name, size_t size)
{
	struct winsize ws = {.ws_row = job->winsize.rows, .ws_col = job->winsize.cols,
			     .ws_xpixel = job->winsize.xpixel, .ws_ypixel = job->winsize.ypixel};
	int number, zero = 0, fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (ioctl(fd, TIOCSPTLCK, &zero) < 0 || ioctl(fd, TIOCGPTN, &number) < 0) {
		close(fd);
		return -1;
	}
	ioctl(fd, TIOCSWINSZ, &ws);
	snprintf(name, size, "/dev/pts/%d", number);
	if (job->nr_ids && chown(name, job->ids[0], (gid_t)-1) < 0)
		errno = 0; /* a terminal we cannot give away still works for root */
	return fd;
}

/* ours[i] and theirs[i] are the two ends of standard stream i. They belong to the program's user: it may open
 * /dev/stdout. */
static int open_pipes(const struct job *job, int ours[3], int theirs[3])
{
	for (int i = 0; i < 3; i++) {
		int fds[2];

		if (pipe2(fds, O_CLOEXEC) < 0)
			return errno;
		ours[i] = fds[i == 0];
		theirs[i] = fds[i != 0];
		fcntl(ours[i], F_SETFL, O_NONBLOCK);
		if (job->nr_ids > 1 && fchown(theirs[i], job->ids[0], job->ids[1]) < 0)
			errno = 0;
	}
	return 0;
}

static int wait_for_exec(int report, bool *failed_exec)
{
	struct child_failure f;
	ssize_t n;

	do
		n = read(report, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	close(report);
	if (n != (ssize_t)sizeof(f))
		return 0; /* closed by execve: it runs */
	*failed_exec = f.exec;
	return f.error;
}

int child_start(struct child *child, const struct job *job, bool *failed_exec)
{
	int ours[3] = {-1, -1, -1}, theirs[3] = {-1, -1, -1}, report[2], err;
	char tty[32] = "";

	*failed_exec = false;
	if (job->tty) {
		ours[0] = open_terminal(job, tty, sizeof(tty));
		if (ours[0] < 0)
			return errno;
		ours[1] = dup(ours[0]);
	} else {
		err = open_pipes(job, ours, theirs);
		if (err)
			return err;
	}
	if (pipe2(report, O_CLOEXEC) < 0)
		return errno;
	child->start_ns = now_ns();
	child->pid = fork();
	if (child->pid < 0)
		return errno;
	if (child->pid == 0)
		child_run(job, theirs, tty, report[1]);
	close(report[1]);
	for (int i = 0; i < 3; i++)
		if (theirs[i] >= 0)
			close(theirs[i]);
	child->in = ours[0];
	child->out = ours[1];
	child->err = ours[2];
	return wait_for_exec(report[0], failed_exec);
}
