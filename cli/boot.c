/*
 * boot.c - `quire boot`: a machine with nothing attached, its kernel's log on our standard output.
 * The status is 0 when it stopped by itself, 125 after a panic, 124 after --timeout.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli/quire.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	interrupted = sig;
}

static bool timed_out(const struct options *o, uint64_t begin)
{
	return o->timeout_s > 0 && (double)(monotonic_ns() - begin) > o->timeout_s * 1e9;
}

/* Copy the log until the machine closes it. */
static void follow_log(struct vm *vm, const struct options *o, struct kernel_log *log, uint64_t begin)
{
	char buf[4096];

	while (!interrupted && !timed_out(o, begin)) {
		struct pollfd p = {.fd = vm->log, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, 100) <= 0)
			continue;
		n = read(vm->log, buf, sizeof(buf));
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return;
		if (n > 0)
			log_add(log, buf, (size_t)n);
	}
	kill(vm->pid, SIGKILL);
}

static void show_complaints(struct vm *vm)
{
	char buf[2048];
	ssize_t n = read(vm->complaints, buf, sizeof(buf));

	if (n > 0 && write(STDERR_FILENO, buf, (size_t)n) < 0)
		errno = 0;
}

int command_boot(struct options *o)
{
	struct kernel_log log = {.copy = stdout};
	struct accel_choice accel;
	uint64_t begin = monotonic_ns();
	struct qemu_args args;
	const char *qemu = find_qemu();
	struct vm vm;
	int status = 0;

	accel = accel_choose(qemu ? o->accel : ACCEL_TCG, qemu, false);
	qemu_build(&args, o, NULL, 0, &accel, &vm);
	if (o->dry_run || o->verbose)
		qemu_print(&args, o->dry_run ? stdout : stderr);
	if (o->dry_run)
		return 0;
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	qemu_start(&vm, &args);
	follow_log(&vm, o, &log, begin);
	waitpid(vm.pid, &status, 0);
	show_complaints(&vm);
	if (interrupted)
		return 128 + interrupted;
	if (timed_out(o, begin))
		return STATUS_TIMEOUT;
	return log.panicked || (WIFEXITED(status) && WEXITSTATUS(status) == 1) ? STATUS_QUIRE_FAILED : 0;
}
