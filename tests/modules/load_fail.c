/*
 * load_fail.c FILE.ko - load a module with its first allocation failing, then the second, and so on until a load asks for no more. After
 * each failure nothing of it may be there; after a success it is unloaded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int knob;

static void set(long n)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%ld", n);

	for (int tries = 0; pwrite(knob, text, (size_t)len, 0) != len; tries++)
		if (tries == 3)			/* the write itself may be what fails, once */
			exit(3);
}

static long left(void)
{
	char text[24] = "";
	int fd = open("/proc/sys/vm/fail_allocation", O_RDONLY);
	long n = fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 ? atol(text) : 0;

	close(fd);
	return n;
}

int main(int argc, char **argv)
{
	int fd = open(argv[argc - 1], O_RDONLY);
	const char *base = strrchr(argv[argc - 1], '/');
	char name[64];
	struct stat st;
	void *image;
	long n, failed = 0;

	snprintf(name, sizeof(name), "%.*s", (int)strlen(base + 1) - 3, base + 1);
	knob = open("/proc/sys/vm/fail_allocation", O_WRONLY);
	if (fd < 0 || knob < 0 || fstat(fd, &st) < 0)
		return 3;
	image = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	mlockall(MCL_CURRENT);
	for (n = 1; n < 2000; n++) {
		long err, rest;

		set(n);
		err = syscall(SYS_init_module, image, (unsigned long)st.st_size, "") ? errno : 0;
		rest = left();		/* itself asks for memory, so what it says is a little late */
		set(0);
		if (err && err != ENOMEM) {
			printf("%s: allocation %ld failed: %s\n", name, n, strerror((int)err));
			return 1;
		}
		failed += err != 0;
		if (err && syscall(SYS_delete_module, name, O_NONBLOCK) == 0) {
			printf("%s: allocation %ld failed and it is there all the same\n", name, n);
			return 1;
		}
		if (!err && syscall(SYS_delete_module, name, O_NONBLOCK) != 0) {
			printf("%s: cannot be unloaded: %s\n", name, strerror(errno));
			return 1;
		}
		if (!err && rest > 0)
			break;
	}
	printf("%s: %s\n", name, failed > 5 && n < 2000 ? "fine" : "hardly an allocation failed");
	return 0;
}
