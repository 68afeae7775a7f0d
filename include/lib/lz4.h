/*
 * lz4.h - the LZ4 block format: fast compression of small blocks, pages above all.
 */
#ifndef LIB_LZ4_H
#define LIB_LZ4_H

#include <lib/types.h>

#define LZ4_WORK	2048			/* bytes of scratch memory, 2-byte aligned */
#define LZ4_MAX_INPUT	65535

/* Compress n bytes (up to LZ4_MAX_INPUT) into dst. Bytes written; 0 when `room` is too small, so that the input is better kept as it is. */
size_t lz4_compress(const void *src, size_t n, void *dst, size_t room, void *work);
/* The reverse. Bytes written, or -1 when src is no such block or its contents do not fit: nothing outside dst is touched. */
long lz4_decompress(const void *src, size_t n, void *dst, size_t room);

#endif
