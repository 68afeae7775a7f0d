/*
 * paths.c - find the kernel, the initramfs and QEMU.
 * SHAPE       beside the executable (a build tree), else ../lib/quire from it (an installed one). The
 *             executable's own path decides, so several builds live side by side.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/quire.h"

static char *join(const char *dir, const char *rest)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", dir, rest) < 0)
		fail("out of memory");
	return path;
}

static char *existing(char *path)
{
	if (access(path, R_OK) == 0)
		return path;
	free(path);
	return NULL;
}

const char *find_piece(const char *file)
{
	char self[PATH_MAX], *slash, *found, *lib;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		fail("cannot find my own path: is /proc mounted?");
	self[n] = 0;
	slash = strrchr(self, '/');
	*slash = 0;
	found = existing(join(self, file));
	if (found)
		return found;
	lib = join(self, "../lib/quire");
	found = existing(join(lib, file));
	free(lib);
	return found;
}

/* QUIRE_QEMU names another one. */
const char *find_qemu(void)
{
	const char *path = getenv("PATH"), *wish = getenv("QUIRE_QEMU");
	char *list, *save = NULL;

	if (wish && *wish)
		return access(wish, X_OK) == 0 ? wish : NULL;
	list = must_alloc(strdup(path ? path : "/usr/local/bin:/usr/bin:/bin"));
	for (char *dir = strtok_r(list, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		char *found = join(dir, "qemu-system-x86_64");

		if (access(found, X_OK) == 0) {
			free(list);
			return found;
		}
		free(found);
	}
	free(list);
	return NULL;
}
