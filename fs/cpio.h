/*
 * cpio.h - private to fs/: the "newc" archive format, read from memory. Also compiled by the host's unit tests.
 */
#ifndef FS_CPIO_H
#define FS_CPIO_H

#include <lib/types.h>

struct cpio_entry {
	const char	*name;		/* NUL-terminated inside the archive */
	size_t		name_len;
	const void	*data;
	size_t		size;
	u32		mode, uid, gid, nlink, mtime, ino, dev_major, dev_minor, rdev_major, rdev_minor;
};

/*
 * The entry at *pos; *pos moves behind it. 1: an entry, 0: the trailer or only padding is left (*pos stands behind it), -EINVAL
 * when the archive is damaged there. Never reads outside [base, base + len).
 */
int cpio_next(const void *base, size_t len, size_t *pos, struct cpio_entry *e);

#endif
