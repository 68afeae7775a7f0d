/*
 * bitmap.c - searching arrays of bits, a word at a time.
 */
#include <lib/bitmap.h>

/* `flip` is 0 to look for set bits, ~0 for clear ones. */
static unsigned next_bit(const unsigned long *map, unsigned nbits, unsigned from, unsigned long flip)
{
	unsigned i = from / BITS_PER_LONG, nr;
	unsigned long w;

	if (from >= nbits)
		return nbits;
	w = (map[i] ^ flip) & (~0UL << (from % BITS_PER_LONG));
	while (!w) {
		if (++i >= BITMAP_WORDS(nbits))
			return nbits;
		w = map[i] ^ flip;
	}
	nr = i * BITS_PER_LONG + bit_lowest(w);
	return min(nr, nbits);
}

unsigned bitmap_next_set(const unsigned long *map, unsigned nbits, unsigned from)
{
	return next_bit(map, nbits, from, 0);
}

unsigned bitmap_next_clear(const unsigned long *map, unsigned nbits, unsigned from)
{
	return next_bit(map, nbits, from, ~0UL);
}

unsigned bitmap_weight(const unsigned long *map, unsigned nbits)
{
	unsigned i, n = 0;

	for (i = 0; i < nbits / BITS_PER_LONG; i++)
		n += bit_count(map[i]);
	if (nbits % BITS_PER_LONG)
		n += bit_count(map[i] & ~(~0UL << (nbits % BITS_PER_LONG)));
	return n;
}

void bitmap_zero(unsigned long *map, unsigned nbits)
{
	for (unsigned i = 0; i < BITMAP_WORDS(nbits); i++)
		map[i] = 0;
}

void bitmap_fill(unsigned long *map, unsigned nbits)
{
	for (unsigned i = 0; i < BITMAP_WORDS(nbits); i++)
		map[i] = ~0UL;
}
