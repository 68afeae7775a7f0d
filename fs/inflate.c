/*
 * inflate.c - unpack one gzip member (RFC 1951, 1952) from memory to memory, for a compressed initramfs.
 *
 * Canonical Huffman codes are decoded bit by bit from counts and symbols sorted by length: small, and fast enough to run once.
 * Every read and write is bounded; hostile input ends in -EINVAL.
 */
#include "inflate.h"
#include <abi/errno.h>
#include <lib/string.h>

#define MAX_BITS	15
#define MAX_LITERALS	288
#define MAX_DISTANCES	32

struct huffman {
	u16	count[MAX_BITS + 1];
	u16	symbol[MAX_LITERALS];
};

struct inflate {
	const u8	*in;
	size_t		in_len, in_pos;
	u8		*out;
	size_t		out_len, out_pos;
	u32		bits;
	unsigned	nr_bits;
	bool		bad;
};

static u32 get_bits(struct inflate *z, unsigned n)
{
	u32 v;

	while (z->nr_bits < n) {
		if (z->in_pos >= z->in_len) {
			z->bad = true;
			return 0;
		}
		z->bits |= (u32)z->in[z->in_pos++] << z->nr_bits;
		z->nr_bits += 8;
	}
	v = z->bits & ((1u << n) - 1);
	z->bits >>= n;
	z->nr_bits -= n;
	return v;
}

/* False when the lengths describe more codes than there are. */
static bool build(struct huffman *h, const u8 *len, unsigned n)
{
	u16 start[MAX_BITS + 2];
	int left = 1;

	memset(h->count, 0, sizeof(h->count));
	for (unsigned s = 0; s < n; s++)
		h->count[len[s]]++;
	h->count[0] = 0;
	for (unsigned b = 1; b <= MAX_BITS; b++) {
		left = left * 2 - h->count[b];
		if (left < 0)
			return false;
	}
	start[1] = 0;
	for (unsigned b = 1; b <= MAX_BITS; b++)
		start[b + 1] = (u16)(start[b] + h->count[b]);
	for (unsigned s = 0; s < n; s++)
		if (len[s])
			h->symbol[start[len[s]]++] = (u16)s;
	return true;
}

static int decode(struct inflate *z, const struct huffman *h)
{
	int code = 0, first = 0, index = 0;

	for (unsigned b = 1; b <= MAX_BITS; b++) {
		code |= (int)get_bits(z, 1);
		if (z->bad)
			return -1;
		if (code - first < h->count[b])
			return h->symbol[index + code - first];
		index += h->count[b];
		first = (first + h->count[b]) * 2;
		code *= 2;
	}
	return -1;
}

static int block_codes(struct inflate *z, const struct huffman *lit, const struct huffman *dist)
{
	static const u16 len_base[29] = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115,
					  131, 163, 195, 227, 258 };
	static const u8 len_extra[29] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };
	static const u16 dist_base[30] = { 1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
					   2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577 };
	static const u8 dist_extra[30] = { 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12,
					   13, 13 };

	for (;;) {
		int s = decode(z, lit);
		size_t n, d;

		if (s < 0)
			return -EINVAL;
		if (s == 256)
			return 0;
		if (s < 256) {
			if (z->out_pos >= z->out_len)
				return -ENOSPC;
			z->out[z->out_pos++] = (u8)s;
			continue;
		}
		if (s - 257 >= 29)
			return -EINVAL;
		n = len_base[s - 257] + get_bits(z, len_extra[s - 257]);
		s = decode(z, dist);
		if (s < 0 || s >= 30)
			return -EINVAL;
		d = dist_base[s] + get_bits(z, dist_extra[s]);
		if (z->bad || d > z->out_pos)
			return -EINVAL;
		if (n > z->out_len - z->out_pos)
			return -ENOSPC;
		for (; n; n--, z->out_pos++)
			z->out[z->out_pos] = z->out[z->out_pos - d];
	}
}

static int block_stored(struct inflate *z)
{
	size_t n;

	z->bits = z->nr_bits = 0;
	if (z->in_len - z->in_pos < 4)
		return -EINVAL;
	n = z->in[z->in_pos] | (size_t)z->in[z->in_pos + 1] << 8;
	if ((n ^ 0xffff) != (z->in[z->in_pos + 2] | (size_t)z->in[z->in_pos + 3] << 8))
		return -EINVAL;
	z->in_pos += 4;
	if (n > z->in_len - z->in_pos)
		return -EINVAL;
	if (n > z->out_len - z->out_pos)
		return -ENOSPC;
	memcpy(z->out + z->out_pos, z->in + z->in_pos, n);
	z->in_pos += n;
	z->out_pos += n;
	return 0;
}

static int block_fixed(struct inflate *z, struct huffman *lit, struct huffman *dist)
{
	u8 len[MAX_LITERALS];

	memset(len, 8, 144);
	memset(len + 144, 9, 112);
	memset(len + 256, 7, 24);
	memset(len + 280, 8, 8);
	build(lit, len, 288);
	memset(len, 5, 30);
	build(dist, len, 30);
	return block_codes(z, lit, dist);
}

static int block_dynamic(struct inflate *z, struct huffman *lit, struct huffman *dist)
{
	static const u8 order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };
	unsigned nlit = get_bits(z, 5) + 257, ndist = get_bits(z, 5) + 1, ncode = get_bits(z, 4) + 4, n = 0;
	u8 len[MAX_LITERALS + MAX_DISTANCES] = { 0 };

	if (z->bad || nlit > 286 || ndist > 30)
		return -EINVAL;
	for (unsigned i = 0; i < ncode; i++)
		len[order[i]] = (u8)get_bits(z, 3);
	if (!build(lit, len, 19))
		return -EINVAL;
	memset(len, 0, 19);
	while (n < nlit + ndist) {
		int s = decode(z, lit);
		unsigned repeat = 1;
		u8 value;

		if (s < 0)
			return -EINVAL;
		value = s < 16 ? (u8)s : 0;
		if (s == 16) {
			if (!n)
				return -EINVAL;
			value = len[n - 1];
			repeat = 3 + get_bits(z, 2);
		} else if (s == 17) {
			repeat = 3 + get_bits(z, 3);
		} else if (s == 18) {
			repeat = 11 + get_bits(z, 7);
		}
		if (z->bad || n + repeat > nlit + ndist)
			return -EINVAL;
		while (repeat--)
			len[n++] = value;
	}
	if (!len[256] || !build(lit, len, nlit) || !build(dist, len + nlit, ndist))
		return -EINVAL;
	return block_codes(z, lit, dist);
}

/* Skip the member's header; its length, or 0 when this is no gzip data. */
static size_t header_length(const u8 *p, size_t n)
{
	size_t at = 10;

	if (n < 18 || p[0] != 0x1f || p[1] != 0x8b || p[2] != 8)
		return 0;
	if (p[3] & 4) {
		if (at + 2 > n)
			return 0;
		at += 2 + (p[at] | (size_t)p[at + 1] << 8);
	}
	for (int bit = 3; bit <= 4; bit++)
		if (p[3] & (1 << bit)) {
			while (at < n && p[at])
				at++;
			at++;
		}
	if (p[3] & 2)
		at += 2;
	return at < n ? at : 0;
}

size_t gunzip_size(const void *in, size_t n)
{
	const u8 *p = in;

	if (!header_length(p, n))
		return 0;
	return p[n - 4] | (size_t)p[n - 3] << 8 | (size_t)p[n - 2] << 16 | (size_t)p[n - 1] << 24;
}

int gunzip(const void *in, size_t n, void *out, size_t out_len, size_t *used, struct gunzip_work *w)
{
	struct inflate z = { .in = in, .in_len = n, .out = out, .out_len = out_len };
	struct huffman *lit = (struct huffman *)w->space, *dist = lit + 1;
	bool last = false;

	static_assert(sizeof(struct huffman) * 2 <= sizeof(w->space), "work space holds two codes");
	z.in_pos = header_length(in, n);
	if (!z.in_pos)
		return -EINVAL;
	while (!last) {
		int err;

		last = get_bits(&z, 1);
		switch (get_bits(&z, 2)) {
		case 0:
			err = block_stored(&z);
			break;
		case 1:
			err = block_fixed(&z, lit, dist);
			break;
		case 2:
			err = block_dynamic(&z, lit, dist);
			break;
		default:
			err = -EINVAL;
		}
		if (err || z.bad)
			return err ? err : -EINVAL;
	}
	*used = z.out_pos;
	return 0;
}
