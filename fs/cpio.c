/*
 * cpio.c - parse a "newc" archive in memory. Every length in it is checked against what is there.
 */
#include "cpio.h"
#include <abi/errno.h>
#include <lib/string.h>

#define HEADER	110

/* Eight hexadecimal digits. False when they are not. */
static bool hex8(const char *p, u32 *out)
{
	u32 v = 0;

	for (int n = 0; n < 8; n++) {
		char c = p[n];

		if (c >= '0' && c <= '9')
			v = v << 4 | (u32)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v << 4 | (u32)((c | 32) - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

int cpio_next(const void *base, size_t len, size_t *pos, struct cpio_entry *e)
{
	const char *p = base;
	u32 field[13];
	size_t at = *pos, data;

	while (at < len && !p[at])		/* padding between archives */
		at++;
	if (at == len) {
		*pos = at;
		return 0;
	}
	if (len - at < HEADER || (memcmp(p + at, "070701", 6) && memcmp(p + at, "070702", 6)))
		return -EINVAL;
	for (int n = 0; n < 13; n++)
		if (!hex8(p + at + 6 + 8 * n, &field[n]))
			return -EINVAL;
	*e = (struct cpio_entry){
		.ino = field[0], .mode = field[1], .uid = field[2], .gid = field[3], .nlink = field[4], .mtime = field[5],
		.size = field[6], .dev_major = field[7], .dev_minor = field[8], .rdev_major = field[9], .rdev_minor = field[10],
		.name = p + at + HEADER,
	};
	if (!field[11] || field[11] > 4096 || field[11] > len - at - HEADER || e->name[field[11] - 1])
		return -EINVAL;
	e->name_len = strlen(e->name);
	data = ALIGN_UP(at + HEADER + field[11], (size_t)4);
	if (data > len || e->size > len - data)
		return -EINVAL;
	e->data = p + data;
	*pos = min(ALIGN_UP(data + e->size, (size_t)4), len);
	return e->name_len == 10 && !memcmp(e->name, "TRAILER!!!", 10) ? 0 : 1;
}
