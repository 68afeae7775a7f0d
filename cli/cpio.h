/* cpio.h - write a "newc" archive, the format of an initramfs. */
#ifndef CLI_CPIO_H
#define CLI_CPIO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cpio {
	FILE *out;
	uint32_t inode;
};

/* Names are relative, without a leading slash. false: errno says why. */
bool cpio_add(struct cpio *c, const char *name, uint32_t mode, const void *data, size_t len);
bool cpio_add_file(struct cpio *c, const char *name, uint32_t mode, const char *path);
bool cpio_add_tree(struct cpio *c, const char *dir, const char *prefix);
bool cpio_end(struct cpio *c);

#endif
