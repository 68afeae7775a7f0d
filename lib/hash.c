/*
 * hash.c - hashes of byte strings, and crc32.
 */
#include <lib/hash.h>

/* Multiply-and-fold over eight bytes at a time, the length mixed in; good spread, no secrecy. */
u32 hash_bytes(const void *p, size_t n, u32 seed)
{
	const u8 *b = p;
	u64 h = ((u64)seed << 32) ^ (n * 0x9e3779b97f4a7c15ull), w;

	for (; n >= 8; n -= 8, b += 8) {
		__builtin_memcpy(&w, b, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	for (w = 0; n; n--)
		w = w << 8 | b[n - 1];
	h = (h ^ w) * 0xc4ceb9fe1a85ec53ull;
	return (u32)(h ^ (h >> 32));
}

u32 crc32(u32 crc, const void *p, size_t n)
{
	const u8 *b = p;

	crc = ~crc;
	while (n--) {
		crc ^= *b++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
	}
	return ~crc;
}
