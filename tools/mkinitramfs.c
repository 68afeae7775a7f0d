/*
 * mkinitramfs.c - pack the guest agent as /init: mkinitramfs OUTPUT AGENT
 */
#include <stdio.h>
#include <sys/stat.h>
#include "cli/cpio.h"

int main(int argc, char **argv)
{
	static const char *const dirs[] = {"dev", "proc", "sys", "mnt", "root", "tmp"};
	struct cpio c = {0};
	bool ok;

	if (argc != 3) {
		fputs("usage: mkinitramfs OUTPUT AGENT\n", stderr);
		return 2;
	}
	c.out = fopen(argv[1], "we");
	ok = c.out;
	for (size_t i = 0; ok && i < sizeof(dirs) / sizeof(dirs[0]); i++)
		ok = cpio_add(&c, dirs[i], S_IFDIR | 0755, "", 0);
	ok = ok && cpio_add_file(&c, "init", S_IFREG | 0755, argv[2]) && cpio_end(&c) && fclose(c.out) == 0;
	if (!ok)
		perror("mkinitramfs");
	return !ok;
}
