/*
 * lz4.c - LZ4 blocks.
 *
 * FORMAT      sequences of: a token (literals << 4 | match length - 4; 15: more bytes of 255 follow), literals, a 16-bit offset back.
 *             The last sequence has literals alone. The last 5 bytes are literals, and no match starts in the last 12.
 * COMPRESS    greedy: a table of 1,024 places by a hash of four bytes. Where nothing matches, steps grow, so that what cannot be
 *             compressed is soon given up.
 * DECOMPRESS  trusts nothing: every length and offset is checked against both ends. Copies in steps of 8 where there is room behind.
 * SOURCE      the LZ4 block format description (lz4.org); tests compare with liblz4 in both directions.
 */
#include <lib/lz4.h>

#include <lib/compiler.h>
#include <lib/string.h>

#define HASH_BITS	10
#define MIN_MATCH	4
#define LAST_LITERALS	5
#define MATCH_LIMIT	12		/* no match starts in the last so many bytes */
#define SKIP_AFTER	4		/* log2 of fruitless tries before steps grow */

static_assert(sizeof(u16) << HASH_BITS == LZ4_WORK, "the table");

static inline u32 get32(const u8 *p)
{
	u32 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static inline u64 get64(const u8 *p)
{
	u64 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static inline void copy8(u8 *to, const u8 *from)
{
	__builtin_memcpy(to, from, 8);
}

static inline u32 hash4(u32 v)
{
	return v * 2654435761u >> (32 - HASH_BITS);
}

/* Bytes that a and b have in common, b ending at end. */
static inline size_t match_length(const u8 *a, const u8 *b, const u8 *end)
{
	const u8 *start = b;

	while (b + 8 <= end) {
		u64 diff = get64(a) ^ get64(b);

		if (diff)
			return (size_t)(b - start) + ((unsigned)__builtin_ctzll(diff) >> 3);
		a += 8;
		b += 8;
	}
	while (b < end && *a == *b) {
		a++;
		b++;
	}
	return (size_t)(b - start);
}

static u8 *put_length(u8 *out, size_t n)
{
	for (; n >= 255; n -= 255)
		*out++ = 255;
	*out++ = (u8)n;
	return out;
}

static inline size_t length_bytes(size_t n)
{
	return n < 15 ? 0 : (n - 15) / 255 + 1;
}

/* Token and literals; the token, for the match length to be added. NULL: no room for them and `more`. */
static inline u8 *put_literals(u8 **out, const u8 *out_end, const u8 *from, size_t n, const u8 *end, size_t more)
{
	u8 *token = *out, *o = token + 1;

	if ((size_t)(out_end - token) < 1 + length_bytes(n) + n + more)
		return NULL;
	if (n >= 15) {
		*token = 0xf0;
		o = put_length(o, n - 15);
	} else {
		*token = (u8)(n << 4);
	}
	if (n <= 16 && out_end - o >= 16 && end - from >= 16) {
		copy8(o, from);
		copy8(o + 8, from + 8);
	} else {
		memcpy(o, from, n);
	}
	*out = o + n;
	return token;
}

size_t lz4_compress(const void *src, size_t n, void *dst, size_t room, void *work)
{
	const u8 *base = src, *in = base, *anchor = base, *end = base + n, *limit = end - MATCH_LIMIT;
	u8 *out = dst, *out_end = out + room, *token;
	u16 *table = work;
	size_t literals;

	if (n > LZ4_MAX_INPUT)
		return 0;
	if (n > MATCH_LIMIT) {
		unsigned tries = 1u << SKIP_AFTER;

		memset(table, 0, LZ4_WORK);
		in++;					/* position 0 means empty, and is what it stands for */
		while (in < limit) {
			u32 v = get32(in), h = hash4(v);
			const u8 *ref = base + table[h];
			size_t len;

			table[h] = (u16)(in - base);
			if (get32(ref) != v) {
				in += tries++ >> SKIP_AFTER;
				continue;
			}
			while (in > anchor && ref > base && in[-1] == ref[-1]) {
				in--;
				ref--;
			}
			len = match_length(ref + MIN_MATCH, in + MIN_MATCH, end - LAST_LITERALS);
			literals = (size_t)(in - anchor);
			token = put_literals(&out, out_end, anchor, literals, end, 2 + length_bytes(len));
			if (!token)
				return 0;
			*out++ = (u8)(in - ref);
			*out++ = (u8)((in - ref) >> 8);
			if (len >= 15) {
				*token |= 15;
				out = put_length(out, len - 15);
			} else {
				*token |= (u8)len;
			}
			in += MIN_MATCH + len;
			anchor = in;
			tries = 1u << SKIP_AFTER;
			if (in < limit)
				table[hash4(get32(in - 2))] = (u16)(in - 2 - base);
		}
	}
	literals = (size_t)(end - anchor);
	if ((size_t)(out_end - out) < 1 + length_bytes(literals) + literals)
		return 0;
	if (literals >= 15) {
		*out++ = 0xf0;
		out = put_length(out, literals - 15);
	} else {
		*out++ = (u8)(literals << 4);
	}
	memcpy(out, anchor, literals);
	return (size_t)(out + literals - (u8 *)dst);
}

/* A length's further bytes. False: they run out. */
static inline bool get_length(const u8 **in, const u8 *end, size_t *len)
{
	u8 b;

	do {
		if (*in == end)
			return false;
		b = *(*in)++;
		*len += b;
	} while (b == 255);
	return true;
}

/* Copy a match that may overlap what it makes. */
static inline void copy_match(u8 *to, size_t offset, size_t len, const u8 *room_end)
{
	const u8 *from = to - offset;

	if (offset >= 8 && (size_t)(room_end - to) >= len + 8) {
		for (size_t i = 0; i < len; i += 8)
			copy8(to + i, from + i);
		return;
	}
	while (len--)
		*to++ = *from++;
}

long lz4_decompress(const void *src, size_t n, void *dst, size_t room)
{
	const u8 *in = src, *end = in + n;
	u8 *out = dst, *out_end = out + room;

	while (in < end) {
		u8 token = *in++;
		size_t len = token >> 4, offset;

		if (len == 15 && !get_length(&in, end, &len))
			return -1;
		if ((size_t)(end - in) < len || (size_t)(out_end - out) < len)
			return -1;
		if (len <= 16 && end - in >= 16 && out_end - out >= 16) {
			copy8(out, in);
			copy8(out + 8, in + 8);
		} else {
			memcpy(out, in, len);
		}
		in += len;
		out += len;
		if (in == end)
			return out - (u8 *)dst;
		if (end - in < 2)
			return -1;
		offset = in[0] | (size_t)in[1] << 8;
		in += 2;
		len = token & 15;
		if (len == 15 && !get_length(&in, end, &len))
			return -1;
		len += MIN_MATCH;
		if (!offset || offset > (size_t)(out - (u8 *)dst) || len > (size_t)(out_end - out))
			return -1;
		copy_match(out, offset, len, out_end);
		out += len;
	}
	return -1;				/* no last literals */
}
