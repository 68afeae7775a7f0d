/*
 * test_lz4.c - lib/lz4.c: what is compressed comes back, damage is noticed, and liblz4 agrees when it is there.
 */
#include <dlfcn.h>
#include <lib/lz4.h>
#include <stdlib.h>
#include <string.h>
#include "unit.h"

static u8 scratch[LZ4_WORK];

static void fill(u8 *p, unsigned n, unsigned mode)
{
	unsigned period = 1 + (unsigned)t_random() % 255;

	for (unsigned i = 0; i < n; i++) {
		u32 r = (u32)t_random();

		p[i] = (u8)(mode == 0 ? r : mode == 1 ? r % 4 : mode == 2 ? i / period : mode == 3 ? (i & 7 ? 0 : r) :
			    i > 20 && r % 9 ? p[i - 1 - r % 20] : r >> 8);
	}
}

/* Goal:   any input comes back; a result that does not fit is refused; cut or changed blocks touch nothing outside their room.
 * Method: exact-size heap blocks, so that a byte too far is seen. */
TEST(lz4, round_trips)
{
	for (unsigned i = 0; i < 1500; i++) {
		unsigned n = (unsigned)t_random() % (i % 4 ? 4097 : 65536), room = i % 3 ? n + n / 200 + 32 : (unsigned)t_random() % (n + 10);
		u8 *in = malloc(n + 1), *tight = malloc(room + 1), *out = malloc(n + 1);
		size_t len;

		fill(in, n, i % 5);
		len = lz4_compress(in, n, tight, room, scratch);
		EXPECT(t, len <= room && (len || i % 3 == 0));
		if (len) {
			EXPECT_EQ(t, lz4_decompress(tight, len, out, n), n);
			EXPECT(t, !memcmp(in, out, n));
			EXPECT(t, lz4_decompress(tight, len - 1, out, n) <= (long)n);
			for (int k = 0; k < 4; k++) {
				tight[t_random() % len] = (u8)t_random();
				EXPECT(t, lz4_decompress(tight, len, out, n) <= (long)n);
			}
		}
		free(in);
		free(tight);
		free(out);
	}
}

TEST(lz4, agrees_with_liblz4)
{
	void *lib = dlopen("liblz4.so.1", RTLD_NOW);
	int (*pack)(const char *, char *, int, int), (*unpack)(const char *, char *, int, int);
	static u8 in[4096], tight[8192], out[4096];

	if (!lib)
		return;
	pack = (int (*)(const char *, char *, int, int))dlsym(lib, "LZ4_compress_default");
	unpack = (int (*)(const char *, char *, int, int))dlsym(lib, "LZ4_decompress_safe");
	for (unsigned i = 0; i < 500; i++) {
		int n = (int)(t_random() % 4096) + 1;
		size_t len;

		fill(in, (unsigned)n, i % 5);
		len = lz4_compress(in, (size_t)n, tight, sizeof(tight), scratch);
		EXPECT_EQ(t, unpack((char *)tight, (char *)out, (int)len, n), n);
		EXPECT(t, !memcmp(in, out, (size_t)n));
		len = (size_t)pack((char *)in, (char *)tight, n, sizeof(tight));
		EXPECT_EQ(t, lz4_decompress(tight, len, out, (size_t)n), n);
		EXPECT(t, !memcmp(in, out, (size_t)n));
	}
}
