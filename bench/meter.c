/* meter.c - runs a program and says how much processor time it and its children took, in microseconds: with --deterministic one a
 * thousand instructions. On its own, so that a run without any report can be measured. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage u;
	int status;
	pid_t pid = fork();

	if (!pid) {
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &u) < 0)
		return 126;
	fprintf(stderr, "meter %ld %ld\n", u.ru_utime.tv_sec * 1000000L + u.ru_utime.tv_usec, u.ru_stime.tv_sec * 1000000L + u.ru_stime.tv_usec);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
