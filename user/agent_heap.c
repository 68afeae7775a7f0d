/*
 * agent_heap.c - `--heap` in the guest: put the library where the program finds it, bring home what it wrote.
 * SHAPE       /heap.so of the initramfs -> a tmpfs at HEAP_DIR -> LD_PRELOAD. There every process leaves a file
 *             (user/heap/heap_file.h), of which the used parts go to the host at the end; then it is removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/agent.h"
#include "user/heap/heap_file.h"

static int library = -1;

void heap_library_open(void)
{
	library = open("/heap.so", O_RDONLY | O_CLOEXEC);
}

static bool copy_library(void)
{
	int to = open(HEAP_LIBRARY, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char buf[16384];
	ssize_t n;

	if (to < 0)
		return false;
	while ((n = read(library, buf, sizeof(buf))) > 0)
		if (!write_all(to, buf, (size_t)n))
			n = -1;
	close(to);
	return n == 0;
}

/* Before all others in the program's own LD_PRELOAD, if it has one; else one variable more, the first. */
static bool preload(struct job *job)
{
	static const char name[] = "LD_PRELOAD=";
	size_t n = 0, len;
	char **env, *word;

	while (job->envp[n])
		n++;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(job->envp[i], name, sizeof(name) - 1))
			continue;
		len = strlen(job->envp[i]) + sizeof(HEAP_LIBRARY) + 2;
		word = malloc(len);
		if (!word)
			return false;
		snprintf(word, len, "%s" HEAP_LIBRARY ":%s", name, job->envp[i] + sizeof(name) - 1);
		job->envp[i] = word;
		return true;
	}
	env = calloc(n + 2, sizeof(*env));
	if (!env)
		return false;
	memcpy(env, job->envp, n * sizeof(*env));
	env[n] = "LD_PRELOAD=" HEAP_LIBRARY;
	job->envp = env;
	return true;
}

bool heap_prepare(struct job *job)
{
	const char *what = "the initramfs has no /heap.so";

	errno = ENOENT;
	if (library < 0)
		goto say;
	what = "cannot mount a tmpfs on " HEAP_DIR;
	mkdir(HEAP_DIR, 0755);
	if (mount("tmpfs", HEAP_DIR, "tmpfs", MS_NOSUID, "mode=1777") < 0)
		goto say;
	what = "cannot copy the library";
	if (!copy_library() || !preload(job))
		goto say;
	return true;
say:
	send_text(WIRE_NOTE, "no --heap: %s: %s", what, strerror(errno));
	job->wanted &= ~(uint32_t)WANT_HEAP;
	return false;
}

static bool send_part(int fd, uint32_t process, uint64_t at, uint64_t len)
{
	enum { PIECE = 1 << 18 };
	char *buf = malloc(sizeof(struct wire_heap) + PIECE);

	while (buf && len) {
		size_t want = len < PIECE ? (size_t)len : PIECE;
		ssize_t n = pread(fd, buf + sizeof(struct wire_heap), want, (off_t)at);

		if (n <= 0)
			break;
		memcpy(buf, &(struct wire_heap){.process = process, .offset = at}, sizeof(struct wire_heap));
		send_message(WIRE_HEAP, buf, sizeof(struct wire_heap) + (size_t)n);
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	free(buf);
	return !len;
}

static uint64_t up_to(uint32_t n, uint32_t most, size_t each)
{
	return (n < most ? n : most) * (uint64_t)each;
}

/* The header first: from it the host knows that this file exists. */
static void send_books(int fd, uint32_t process)
{
	struct heap_header h;

	if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) || h.magic != HEAP_MAGIC)
		return;
	send_part(fd, process, 0, sizeof(h));
	send_part(fd, process, HEAP_AT_MODULES, up_to(h.nr_modules, HEAP_MODULES, sizeof(struct heap_module)));
	send_part(fd, process, HEAP_AT_SNAPS, up_to(h.nr_snaps, HEAP_SNAPS, sizeof(struct heap_snap)));
	send_part(fd, process, HEAP_AT_STACKS, up_to(h.nr_stacks, HEAP_STACKS, sizeof(struct heap_stack)));
	send_part(fd, process, HEAP_AT_PCS, up_to(h.nr_pcs, HEAP_PCS, sizeof(uint64_t)));
}

void heap_send(void)
{
	DIR *d = opendir(HEAP_DIR);
	uint32_t process = 0;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		int fd = strncmp(e->d_name, "heap.", 5) || !strcmp(e->d_name, "heap.so")
				 ? -1 : openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		send_books(fd, process++);
		unlinkat(dirfd(d), e->d_name, 0);
		close(fd);
	}
	if (d)
		closedir(d);
}
