/*
 * chacha20.c - the ChaCha20 block function of RFC 8439, for the random number generator.
 */
#include <lib/random.h>

static inline u32 rotl(u32 x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static inline void quarter(u32 *a, u32 *b, u32 *c, u32 *d)
{
	*a += *b; *d = rotl(*d ^ *a, 16);
	*c += *d; *b = rotl(*b ^ *c, 12);
	*a += *b; *d = rotl(*d ^ *a, 8);
	*c += *d; *b = rotl(*b ^ *c, 7);
}

void chacha20_block(const u32 state[16], u8 out[64])
{
	u32 x[16];

	for (int i = 0; i < 16; i++)
		x[i] = state[i];
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 4; i++)
			quarter(&x[i], &x[4 + i], &x[8 + i], &x[12 + i]);
		for (int i = 0; i < 4; i++)
			quarter(&x[i], &x[4 + (i + 1) % 4], &x[8 + (i + 2) % 4], &x[12 + (i + 3) % 4]);
	}
	for (int i = 0; i < 16; i++) {
		u32 w = x[i] + state[i];

		__builtin_memcpy(out + 4 * i, &w, 4);
	}
}

void chacha20_init(u32 state[16], const u8 key[32], u64 counter, u64 nonce)
{
	state[0] = 0x61707865;	/* "expand 32-byte k" */
	state[1] = 0x3320646e;
	state[2] = 0x79622d32;
	state[3] = 0x6b206574;
	__builtin_memcpy(state + 4, key, 32);
	__builtin_memcpy(state + 12, &counter, 8);
	__builtin_memcpy(state + 14, &nonce, 8);
}
