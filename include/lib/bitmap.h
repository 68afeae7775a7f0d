/*
 * bitmap.h - single bits in words, and arrays of bits. Not atomic; the atomic ones are in <lib/atomic.h>.
 */
#ifndef LIB_BITMAP_H
#define LIB_BITMAP_H

#include <lib/types.h>

#define BITMAP_WORDS(nbits)	(((nbits) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define DECLARE_BITMAP(name, nbits)	unsigned long name[((nbits) + sizeof(long) * 8 - 1) / (sizeof(long) * 8)]

/* Number of the lowest / highest set bit; x must not be 0. */
static inline unsigned bit_lowest(u64 x)
{
	return (unsigned)__builtin_ctzll(x);
}
static inline unsigned bit_highest(u64 x)
{
	return 63u - (unsigned)__builtin_clzll(x);
}
/* Smallest n with 2^n >= x. */
static inline unsigned log2_ceil(u64 x)
{
	return x <= 1 ? 0 : bit_highest(x - 1) + 1;
}

static inline void bitmap_set(unsigned long *map, unsigned nr)
{
	map[nr / BITS_PER_LONG] |= 1UL << (nr % BITS_PER_LONG);
}
static inline void bitmap_clear(unsigned long *map, unsigned nr)
{
	map[nr / BITS_PER_LONG] &= ~(1UL << (nr % BITS_PER_LONG));
}
static inline bool bitmap_test(const unsigned long *map, unsigned nr)
{
	return (map[nr / BITS_PER_LONG] >> (nr % BITS_PER_LONG)) & 1;
}

/* First clear bit at or after `from`; nbits when there is none. */
unsigned bitmap_next_clear(const unsigned long *map, unsigned nbits, unsigned from);
void bitmap_zero(unsigned long *map, unsigned nbits);

#endif
