/*
 * hash.h - spreading keys over tables; not for secrets.
 */
#ifndef LIB_HASH_H
#define LIB_HASH_H

#include <lib/types.h>

/* Multiplication by an odd number near 2^64 / golden ratio; the top bits are the mixed ones. */
static inline u64 hash_u64(u64 x, unsigned bits)
{
	return (x * 0x9e3779b97f4a7c15ull) >> (64 - bits);
}
static inline unsigned hash_ptr(const void *p, unsigned bits)
{
	return (unsigned)hash_u64((u64)(uintptr_t)p, bits);
}

#endif
