/*
 * initrd.c - an initramfs with a folder's files appended, for kernels that bring modules.
 * SHAPE       the loader's rule: archives may follow each other, each aligned to four bytes. Both parts go to
 *             a memfd that QEMU inherits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cli/cpio.h"
#include "cli/quire.h"

static void copy_file(FILE *out, const char *path)
{
	char buf[65536];
	FILE *in = fopen(path, "re");
	size_t n;

	if (!in)
		fail("%s: %s", path, strerror(errno));
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		fwrite(buf, 1, n, out);
	fclose(in);
}

int initrd_with_extra(const char *initrd, const struct initrd_extra *extra)
{
	int fd = memfd_create("initramfs", 0); /* inherited: no close-on-exec */
	FILE *out = fd < 0 ? NULL : fdopen(dup(fd), "w");
	struct cpio c = {.out = out};

	if (!out)
		fail("cannot make an initramfs in memory: %s", strerror(errno));
	copy_file(out, initrd);
	while (ftell(out) % 4)
		fputc(0, out);
	if ((extra->dir && !cpio_add_tree(&c, extra->dir, "")) ||
	    (extra->heap_so && !cpio_add_file(&c, "heap.so", 0100755, extra->heap_so)) ||
	    (extra->job && !cpio_add(&c, "job", 0100600, extra->job, extra->job_len)) || !cpio_end(&c) || fclose(out) != 0)
		fail("cannot pack an initramfs with %s: %s", extra->dir ? extra->dir : extra->heap_so ? extra->heap_so : "the job",
		     strerror(errno));
	return fd;
}
