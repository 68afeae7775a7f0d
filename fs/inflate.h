/*
 * inflate.h - private to fs/: gzip for the initramfs. Also compiled by the host's unit tests.
 */
#ifndef FS_INFLATE_H
#define FS_INFLATE_H

#include <lib/types.h>

struct gunzip_work { u32 space[400]; };

size_t gunzip_size(const void *in, size_t n);	/* unpacked size as the trailer says (modulo 2^32); 0: not gzip */
/* 0 and *used bytes in out; -EINVAL malformed, -ENOSPC out is too small. */
int gunzip(const void *in, size_t n, void *out, size_t out_len, size_t *used, struct gunzip_work *w);

#endif
