/*
 * bitmap.c - searching arrays of bits, a word at a time.
 */
#include <lib/bitmap.h>

unsigned bitmap_next_clear(const unsigned long *map, unsigned nbits, unsigned from)
{
	unsigned i = from / BITS_PER_LONG, nr;
	unsigned long w;

	if (from >= nbits)
		return nbits;
	w = ~map[i] & (~0UL << (from % BITS_PER_LONG));
	while (!w) {
		if (++i >= BITMAP_WORDS(nbits))
			return nbits;
		w = ~map[i];
	}
	nr = i * BITS_PER_LONG + bit_lowest(w);
	return min(nr, nbits);
}

void bitmap_zero(unsigned long *map, unsigned nbits)
{
	for (unsigned i = 0; i < BITMAP_WORDS(nbits); i++)
		map[i] = 0;
}
