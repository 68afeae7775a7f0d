/*
 * main.c - the C library's side of the test runner: arguments, a process per test, TAP on standard output.
 *
 *	unit [-v] [-l] [-s SEED] [NAME…]	a NAME is a part of suite.test
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../arch/host/os.h"
#include "main.h"

static void run(void *p)
{
	_exit(unit_run(*(int *)p) ? 1 : 0);
}

static int wanted(const char *name, char **filters)
{
	if (!*filters)
		return 1;
	for (; *filters; filters++)
		if (strstr(name, *filters))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	int c, verbose = 0, list = 0, failed = 0, ran = 0;
	unsigned long long seed = 1;
	char name[128];

	while ((c = getopt(argc, argv, "vls:")) >= 0) {
		if (c == 'v')
			verbose = 1;
		else if (c == 'l')
			list = 1;
		else if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	unit_setup(verbose, seed);
	for (int i = 0; i < unit_count(); i++) {
		int status;

		if (!wanted(unit_name(i, name, sizeof(name)), argv + optind))
			continue;
		if (list) {
			puts(name);
			continue;
		}
		status = os_run_in_child(run, &i);
		ran++;
		printf("%sok %d - %s\n", status ? "not " : "", ran, name);
		if (status) {
			failed++;
			printf("# status %d; again: %s -v -s %llu %s\n", status, argv[0], seed, name);
		}
		fflush(stdout);
	}
	if (!list)
		printf("1..%d\n# %d passed, %d failed\n", ran, ran - failed, failed);
	return failed != 0;
}
