/*
 * main.c - the host command `quire`: pick the command, and the few words everybody uses.
 * READ NEXT   cli/run.c, cli/guest.c
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cli/quire.h"

const char *program_name = "quire";

void warn_user(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", program_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void fail(const char *fmt, ...)
{
	va_list ap;

	terminal_restore();
	fprintf(stderr, "%s: ", program_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(STATUS_QUIRE_FAILED);
}

uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void *must_alloc(void *p)
{
	if (!p)
		fail("out of memory");
	return p;
}

int main(int argc, char **argv)
{
	struct options o;

	if (argc < 2) {
		print_help(stderr);
		return STATUS_QUIRE_FAILED;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("quire " QUIRE_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "replay"))
		return command_replay(argc - 1, argv + 1);
	if (!strcmp(argv[1], "report"))
		return command_report(argc - 1, argv + 1);
	if (!strcmp(argv[1], "top"))
		return command_top(argc - 1, argv + 1);
	if (!strcmp(argv[1], "mem"))
		return command_mem(argc - 1, argv + 1);
	if (!strcmp(argv[1], "diff"))
		return command_diff(argc - 1, argv + 1);
	options_parse(&o, argc - 1, argv + 1);
	if (!strcmp(o.command, "run") || !strcmp(o.command, "shell"))
		return command_run(&o);
	if (!strcmp(o.command, "boot"))
		return command_boot(&o);
	if (!strcmp(o.command, "doctor"))
		return command_doctor(&o);
	fail("no command '%s'; try 'quire --help'", o.command);
}
