/*
 * swap.c - swap space for one run: a file without a name, with the header that mkswap would write.
 * LINUX       version 1 of the header: at byte 1024 the version, the last page, the number of bad pages; the
 *             signature ends the first page.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/quire.h"

#define GUEST_PAGE 4096u

static int nameless_file(const char *dir)
{
	char path[4096];
	int fd = open(dir, O_TMPFILE | O_RDWR, 0600);

	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "%s/quire-swap.XXXXXX", dir); /* a file system without O_TMPFILE */
	fd = mkstemp(path);
	if (fd >= 0)
		unlink(path);
	return fd;
}

int swap_file(uint64_t bytes)
{
	const char *dir = getenv("TMPDIR");
	char page[GUEST_PAGE] = {0};
	uint32_t info[3] = {1, (uint32_t)(bytes / GUEST_PAGE - 1), 0};
	int fd = nameless_file(dir && *dir ? dir : "/tmp");

	memcpy(page + 1024, info, sizeof(info));
	memcpy(page + GUEST_PAGE - 10, "SWAPSPACE2", 10);
	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 || pwrite(fd, page, sizeof(page), 0) != (ssize_t)sizeof(page))
		fail("cannot make %llu MiB of swap space: %s", (unsigned long long)(bytes >> 20), strerror(errno));
	return fd;
}
