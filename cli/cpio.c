/*
 * cpio.c - write a "newc" archive: a header of hexadecimal fields, the name, the data, each padded to four.
 * Times and owners are zero, so the same input is the same archive.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/cpio.h"

static void pad(FILE *out, size_t len)
{
	for (; len % 4; len++)
		fputc(0, out);
}

bool cpio_add(struct cpio *c, const char *name, uint32_t mode, const void *data, size_t len)
{
	size_t name_size = strlen(name) + 1;

	/* magic, inode, mode, uid, gid, links, mtime, size, device and rdevice (two each), name size, check */
	fprintf(c->out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ++c->inode, mode, 0, 0,
		S_ISDIR(mode) ? 2 : 1, 0, (unsigned int)len, 0, 0, 0, 0, (unsigned int)name_size, 0);
	fwrite(name, 1, name_size, c->out);
	pad(c->out, 110 + name_size);
	fwrite(data, 1, len, c->out);
	pad(c->out, len);
	return !ferror(c->out);
}

bool cpio_add_file(struct cpio *c, const char *name, uint32_t mode, const char *path)
{
	FILE *in = fopen(path, "re");
	struct stat st;
	char *data = NULL;
	bool ok = in && fstat(fileno(in), &st) == 0 && (data = malloc((size_t)st.st_size + 1));

	ok = ok && fread(data, 1, (size_t)st.st_size, in) == (size_t)st.st_size &&
	     cpio_add(c, name, mode, data, (size_t)st.st_size);
	free(data);
	if (in)
		fclose(in);
	return ok;
}

static bool cpio_add_entry(struct cpio *c, const char *path, const char *name)
{
	char target[4096];
	struct stat st;
	ssize_t n;

	if (lstat(path, &st) < 0)
		return false;
	if (S_ISDIR(st.st_mode))
		return cpio_add(c, name, st.st_mode, "", 0) && cpio_add_tree(c, path, name);
	if (S_ISREG(st.st_mode))
		return cpio_add_file(c, name, st.st_mode, path);
	if (!S_ISLNK(st.st_mode))
		return true;
	n = readlink(path, target, sizeof(target));
	return n >= 0 && cpio_add(c, name, st.st_mode, target, (size_t)n);
}

/* Everything below dir, in name order. */
bool cpio_add_tree(struct cpio *c, const char *dir, const char *prefix)
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, alphasort);
	bool ok = n >= 0;

	for (int i = 0; i < n; i++) {
		const char *leaf = list[i]->d_name;
		char *path = NULL, *name = NULL;

		if (ok && strcmp(leaf, ".") && strcmp(leaf, ".."))
			ok = asprintf(&path, "%s/%s", dir, leaf) >= 0 &&
			     asprintf(&name, "%s%s%s", prefix, *prefix ? "/" : "", leaf) >= 0 &&
			     cpio_add_entry(c, path, name);
		free(path);
		free(name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return ok;
}

bool cpio_end(struct cpio *c)
{
	return cpio_add(c, "TRAILER!!!", 0, "", 0) && fflush(c->out) == 0;
}
