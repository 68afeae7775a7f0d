/*
 * random.h - a small generator for tests and hash seeds, and the ChaCha20 block function for getrandom.
 */
#ifndef LIB_RANDOM_H
#define LIB_RANDOM_H

#include <lib/types.h>

/* Not for secrets. Any start value will do. */
static inline u64 prng_next(u64 *state)
{
	u64 z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* RFC 8439: out = block of key (state words 4-11), counter and nonce (words 12-15). Does not advance the counter. */
void chacha20_block(const u32 state[16], u8 out[64]);
void chacha20_init(u32 state[16], const u8 key[32], u64 counter, u64 nonce);

#endif
