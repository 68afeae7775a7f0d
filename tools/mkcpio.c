/*
 * mkcpio.c - write an initramfs (cpio "newc") from a list, without being root.
 * WHY         staging a tree with device nodes needs root, and a tree's times and inode numbers differ from
 *             build to build; a measured boot must be the same to the byte each time.
 * SHAPE       one line an entry on stdin:
 *                 dir NAME MODE          nod NAME MODE c|b MAJOR MINOR
 *                 file NAME PATH MODE    slink NAME TARGET
 *             Words are split at blanks, of which only PATH may have some; modes are octal. Owner is root, the time is 0.
 * LINUX       the format of Documentation/driver-api/early-userspace/buffer-format.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static unsigned next_ino = 1;

static void die(const char *what, const char *arg)
{
	fprintf(stderr, "mkcpio: %s: %s\n", what, arg);
	exit(1);
}

static void pad4(size_t n)
{
	while (n++ & 3)
		putchar(0);
}

static void header(const char *name, unsigned mode, size_t size, unsigned maj, unsigned min)
{
	size_t len = strlen(name) + 1;

	printf("070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", next_ino++, mode, 0, 0, 1, 0, size,
	       0, 0, maj, min, len, 0);
	fwrite(name, 1, len, stdout);
	pad4(110 + len);
}

static void put_file(const char *name, const char *path, unsigned mode)
{
	FILE *f = fopen(path, "rb");
	size_t size, n;
	char buf[65536];

	if (!f)
		die("cannot open", path);
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	header(name, S_IFREG | mode, size, 0, 0);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		fwrite(buf, 1, n, stdout);
	pad4(size);
	fclose(f);
}

/* "file NAME PATH MODE": all between the name and the last word is the path. */
static void put_file_line(char *line)
{
	char *name = strtok(line + strlen("file "), " "), *path = strtok(NULL, "\n"), *mode = path ? strrchr(path, ' ') : NULL;

	if (!mode)
		die("bad line", "file");
	*mode++ = '\0';
	put_file(name, path, strtoul(mode, 0, 8));
}

static void put_line(char *line)
{
	char *w[6] = { 0 };
	int n = 0;

	if (!strncmp(line, "file ", 5)) {
		put_file_line(line);
		return;
	}
	for (char *p = strtok(line, " \t\n"); p && n < 6; p = strtok(NULL, " \t\n"))
		w[n++] = p;
	if (!n || w[0][0] == '#')
		return;
	if (!strcmp(w[0], "dir") && n == 3)
		header(w[1], S_IFDIR | strtoul(w[2], 0, 8), 0, 0, 0);
	else if (!strcmp(w[0], "nod") && n == 6)
		header(w[1], (w[3][0] == 'c' ? S_IFCHR : S_IFBLK) | strtoul(w[2], 0, 8), 0, atoi(w[4]), atoi(w[5]));
	else if (!strcmp(w[0], "slink") && n == 3) {
		header(w[1], S_IFLNK | 0777, strlen(w[2]), 0, 0);
		fputs(w[2], stdout);
		pad4(strlen(w[2]));
	} else
		die("bad line", w[0]);
}

int main(void)
{
	char line[4096];

	while (fgets(line, sizeof(line), stdin))
		put_line(line);
	next_ino = 0;
	header("TRAILER!!!", 0, 0, 0, 0);
	if (fflush(stdout) || ferror(stdout))
		die("cannot write", "stdout");
	return 0;
}
