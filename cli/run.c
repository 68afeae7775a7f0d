/*
 * run.c - `quire run` and `quire shell`: build the machine and the job, run, report.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli/quire.h"
#include "cli/stacks.h"

static const char *user_shell(void)
{
	const char *shell = getenv("SHELL");

	return shell && shell[0] == '/' && access(shell, X_OK) == 0 ? shell : "/bin/bash";
}

/* A shell wants a terminal, where there is one to give. */
static void shell_defaults(struct options *o)
{
	static char *shell_argv[2];

	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		o->tty = true;
	if (o->argc)
		return;
	shell_argv[0] = (char *)user_shell();
	o->argv = shell_argv;
	o->argc = 1;
}

static void say_failure(const struct options *o, const struct run_result *r)
{
	if (r->end == END_EXEC_FAILED)
		warn_user("%s: %s", o->argv[0], strerror(r->exec_errno));
	else if (r->end == END_AGENT_ERROR)
		warn_user("the guest could not run the program: %s", r->message);
	else if (r->end == END_TIMEOUT)
		warn_user("stopped after %g s", o->timeout_s);
	else if (r->end == END_INTERRUPTED)
		warn_user("interrupted: the machine was stopped");
}

static int program_status(const struct run_result *r)
{
	int status = (int)r->exit.status;

	switch (r->end) {
	case END_EXITED:
		return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	case END_EXEC_FAILED:
		return r->exec_errno == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
	case END_TIMEOUT:
		return STATUS_TIMEOUT;
	case END_INTERRUPTED:
		return 128 + r->signal;
	default:
		return STATUS_QUIRE_FAILED;
	}
}

/* The status our caller sees. */
int result_status(const struct run_result *r)
{
	int status = program_status(r);

	if (r->leaky_modules && (r->module_leaks == LEAKS_ERROR || (r->module_leaks == LEAKS_STATUS && !status)))
		return STATUS_MODULE_LEAKS;
	return status;
}

/* How many modules left something? With -q that is all that is said of them. */
static void settle_modules(const struct options *o, struct run_result *r)
{
	json_t *modules = r->modules ? modules_json(o, r->modules) : NULL;
	FILE *nowhere = o->quiet ? NULL : fopen("/dev/null", "we");

	r->module_leaks = o->module_leaks;
	r->leaky_modules = modules_leaks(nowhere ? nowhere : stderr, "quire: ", modules);
	if (nowhere)
		fclose(nowhere);
	json_decref(modules);
}

/* With -q nothing; a job that never ran has no memory to report. */
static void report(const struct options *o, const struct accel_choice *accel, const struct run_result *r)
{
	struct report *drawn;
	char why[128];

	if (r->audit && strncmp(r->audit, "audit: ok", 9))
		warn_user("the audit found differences:\n%s", r->audit);
	if (o->quiet && !o->json_file && !o->html_file && !o->massif_file && !o->folded_file)
		return;
	drawn = report_load(report_build(o, accel, r), why, sizeof(why));
	if (!drawn)
		fail("the report: %s", why);
	if (!o->quiet && r->end != END_AGENT_ERROR && r->end != END_EXEC_FAILED)
		report_text(stderr, drawn, wants_colour(stderr));
	render_files(o, drawn);
	report_free(drawn);
}

int command_run(struct options *o)
{
	struct run_result r = {0};
	struct accel_choice accel;
	struct qemu_args args;
	uint64_t begin = monotonic_ns();
	size_t job_len;
	const char *qemu = find_qemu();
	struct vm vm;
	char *job;

	if (!strcmp(o->command, "shell"))
		shell_defaults(o);
	if (!qemu && !o->dry_run)
		fail("no qemu-system-x86_64 in PATH; on Debian: apt install qemu-system-x86");
	job_build(o, ignored_signals(), &job, &job_len);
	accel = accel_choose(qemu ? o->accel : ACCEL_TCG, qemu, false);
	qemu_build(&args, o, job, job_len, &accel, &vm);
	if (o->dry_run || o->verbose)
		qemu_print(&args, o->dry_run ? stdout : stderr);
	if (o->dry_run)
		return 0;
	guest_prepare(begin);
	qemu_start(&vm, &args);
	if (wants_stream(o))
		stacks_start(o, vm.ports[PORT_LEDGER]);
	guest_run(&vm, o, job, job_len, &r);
	free(job);
	stacks_finish(r.end == END_EXITED);
	say_failure(o, &r);
	settle_modules(o, &r);
	report(o, &accel, &r);
	return result_status(&r);
}
