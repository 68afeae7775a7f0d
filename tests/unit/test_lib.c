/*
 * test_lib.c - text, numbers, sorting, bits, hashes.
 */
#include <abi/errno.h>
#include <lib/bitmap.h>
#include <lib/hash.h>
#include <lib/printf.h>
#include <lib/random.h>
#include <lib/sort.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/slab.h>
#include "unit.h"

#define EXPECT_FMT(t, want, ...) do {							\
	char ef_buf[128];								\
	int ef_n = ksnprintf(ef_buf, sizeof(ef_buf), __VA_ARGS__);			\
	EXPECT_STR(t, ef_buf, want);							\
	EXPECT_EQ(t, ef_n, strlen(want));						\
} while (0)

TEST(printf, conversions)
{
	char *volatile none = NULL;

	EXPECT_FMT(t, "42 -42 +42  42", "%d %i %+d % d", 42, -42, 42, 42);
	EXPECT_FMT(t, "   42|42   |00042", "%5d|%-5d|%05d", 42, 42, 42);
	EXPECT_FMT(t, "0x2a 52 2A 052 0", "%#x %o %X %#o %#x", 42, 42, 42, 42, 0);
	EXPECT_FMT(t, "18446744073709551615", "%llu", ~0ull);
	EXPECT_FMT(t, "-9223372036854775808", "%lld", (long long)(1ull << 63));
	EXPECT_FMT(t, "-1 255 65535", "%hhd %hhu %hu", 0xffff, 0xffff, 0xfffff);
	EXPECT_FMT(t, "abc|  abc|abc  |ab", "%s|%5s|%-5s|%.2s", "abc", "abc", "abc", "abc");
	EXPECT_FMT(t, "(null)", "%s", none);
	EXPECT_FMT(t, "x  y%", "%c%3c%%", 'x', 'y');
	EXPECT_FMT(t, "  7|7  |00007", "%*d|%-*d|%.*d", 3, 7, 3, 7, 5, 7);
	EXPECT_FMT(t, "  00042", "%7.5d", 42);
	EXPECT_FMT(t, "", "%.0d", 0);
	EXPECT_FMT(t, "123 18", "%zu %zx", (size_t)123, (size_t)24);
	EXPECT_FMT(t, sizeof(long) == 8 ? "0000000000001234" : "00001234", "%p", (void *)0x1234);
	EXPECT_FMT(t, "0x1234", "%pS", (void *)0x1234);
}

TEST(printf, bounds)
{
	char buf[8] = "zzzzzzz";

	EXPECT_EQ(t, ksnprintf(buf, 4, "123456"), 6);
	EXPECT_STR(t, buf, "123");
	EXPECT_EQ(t, buf[4], 'z');
	EXPECT_EQ(t, ksnprintf(buf, 0, "123456"), 6);
	EXPECT_EQ(t, kscnprintf(buf, 4, "123456"), 3);
	EXPECT_EQ(t, kscnprintf(buf, 4, "1"), 1);
}

TEST(text, fixed_and_escaped)
{
	char buf[12];
	struct text out;

	text_init_fixed(&out, buf, sizeof(buf));
	text_printf(&out, "%d,", 12);
	text_puts(&out, "abc");
	text_putc(&out, '!');
	EXPECT_EQ(t, out.len, 7);
	EXPECT(t, !out.cut);
	EXPECT_STR(t, text_str(&out), "12,abc!");
	text_puts(&out, "defghijkl");
	EXPECT(t, out.cut);
	EXPECT_EQ(t, out.len, 12);
	text_init_fixed(&out, buf, sizeof(buf));
	text_puts_escaped(&out, "a b\\", " ");
	EXPECT_STR(t, text_str(&out), "a\\040b\\134");
}

TEST(text, growing)
{
	struct text out;
	int lines = sizeof(long) == 8 ? 10000 : 1100;		/* 32 bits: no vmalloc to grow into */
	size_t want = 0;

	t_machine(t, 15, 1);
	text_init(&out, &text_kernel_ops);
	for (int i = 0; i < lines; i++) {
		text_printf(&out, "line %d\n", i);
		want += (size_t)ksnprintf(NULL, 0, "line %d\n", i);
	}
	EXPECT_EQ(t, out.len, want);
	EXPECT(t, !memcmp(out.buf, "line 0\nline 1\n", 14));
	EXPECT(t, !memcmp(out.buf + out.len - 10, lines == 10000 ? "line 9999\n" : "line 1099\n", 10));
	text_free(&out);
	FAIL_EACH_ALLOC(t) {
		text_init(&out, &text_kernel_ops);
		for (int i = 0; i < 3000; i++)
			text_puts(&out, "0123456789");
		EXPECT_EQ(t, out.cut, out.len < 30000);
		text_free(&out);
	}
}

TEST(string, numbers)
{
	const char *end;
	u64 u;
	s64 s;

	EXPECT_EQ(t, str_to_u64(" 12x", &end, 10), 12);
	EXPECT_EQ(t, *end, 'x');
	EXPECT_EQ(t, str_to_u64("0x1f", NULL, 0), 31);
	EXPECT_EQ(t, str_to_u64("017", NULL, 0), 15);
	EXPECT_EQ(t, str_to_u64("0x", &end, 0), 0);
	EXPECT_EQ(t, *end, 'x');
	EXPECT(t, str_to_u64("99999999999999999999", NULL, 10) == U64_MAX);
	EXPECT_EQ(t, (s64)str_to_u64("-5", NULL, 10), -5);
	EXPECT_EQ(t, str_parse_u64("18446744073709551615\n", 10, &u), 0);
	EXPECT(t, u == U64_MAX);
	EXPECT_EQ(t, str_parse_u64("18446744073709551616", 10, &u), -ERANGE);
	EXPECT_EQ(t, str_parse_u64("", 10, &u), -EINVAL);
	EXPECT_EQ(t, str_parse_u64("12 ", 10, &u), -EINVAL);
	EXPECT_EQ(t, str_parse_u64("-1", 10, &u), -EINVAL);
	EXPECT_EQ(t, str_parse_s64("-12", 10, &s), 0);
	EXPECT_EQ(t, s, -12);
	EXPECT_EQ(t, str_parse_s64("9223372036854775808", 10, &s), -ERANGE);
	EXPECT_EQ(t, str_to_size("64M,", &end), MIB(64));
	EXPECT_EQ(t, *end, ',');
	EXPECT_EQ(t, str_to_size("3k", NULL), 3072);
	EXPECT(t, str_to_size("16777216t", NULL) == U64_MAX);
	EXPECT_EQ(t, str_to_size("k", &end), 0);
	EXPECT_EQ(t, *end, 'k');
}

TEST(string, helpers)
{
	char buf[8], trim[] = "  x y \n";

	EXPECT_EQ(t, strscpy(buf, "1234567", 8), 7);
	EXPECT_EQ(t, strscpy(buf, "12345678", 8), -E2BIG);
	EXPECT_STR(t, buf, "1234567");
	EXPECT(t, str_has_prefix("abc", "ab") && !str_has_prefix("ab", "abc") && str_has_prefix("x", ""));
	EXPECT_STR(t, str_trim(trim), "x y");
}

/* lib/string.c, which the host build compiles under these names. */
void *own_memcpy(void *, const void *, size_t);
void *own_memmove(void *, const void *, size_t);
void *own_memset(void *, int, size_t);
int own_memcmp(const void *, const void *, size_t);
size_t own_strlen(const char *);
int own_strcmp(const char *, const char *);
int own_strncmp(const char *, const char *, size_t);
char *own_strstr(const char *, const char *);
char *own_strrchr(const char *, int);
size_t own_strcspn(const char *, const char *);

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

/* Every small length and alignment, against the C library. */
TEST(string, own_blocks)
{
	u8 a[256], b[256], c[256];

	for (unsigned i = 0; i < 20000; i++) {
		unsigned n = t_random() % 120, x = t_random() % 64, y = t_random() % 64;

		for (unsigned k = 0; k < sizeof(a); k++)
			a[k] = b[k] = c[k] = (u8)t_random();
		memcpy(b + x, c + y, n);
		own_memcpy(a + x, c + y, n);
		EXPECT(t, !memcmp(a, b, sizeof(a)));
		memmove(b + x, b + y, n);
		own_memmove(a + x, a + y, n);
		EXPECT(t, !memcmp(a, b, sizeof(a)));
		memset(b + y, (int)i, n);
		own_memset(a + y, (int)i, n);
		EXPECT(t, !memcmp(a, b, sizeof(a)));
		if (i & 1)
			a[x + n / 2]++;
		EXPECT_EQ(t, sign(own_memcmp(a + x, b + x, n)), sign(memcmp(a + x, b + x, n)));
	}
}

TEST(string, own_strings)
{
	static const char *const s[] = { "", "a", "ab", "abc", "abcabd", "abd", "\xff", "xabcabdy" };

	for (unsigned i = 0; i < ARRAY_SIZE(s); i++) {
		EXPECT_EQ(t, own_strlen(s[i]), strlen(s[i]));
		EXPECT(t, own_strrchr(s[i], 'b') == strrchr(s[i], 'b'));
		for (unsigned k = 0; k < ARRAY_SIZE(s); k++) {
			EXPECT_EQ(t, sign(own_strcmp(s[i], s[k])), sign(strcmp(s[i], s[k])));
			EXPECT_EQ(t, sign(own_strncmp(s[i], s[k], 2)), sign(strncmp(s[i], s[k], 2)));
			EXPECT(t, own_strstr(s[i], s[k]) == strstr(s[i], s[k]));
			EXPECT_EQ(t, own_strcspn(s[i], s[k]), strcspn(s[i], s[k]));
		}
	}
}

static int by_value(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

TEST(sort, random)
{
	u32 v[300];

	for (unsigned n = 0; n < 300; n++) {
		u64 sum = 0;

		for (unsigned i = 0; i < n; i++)
			sum += v[i] = (u32)(t_random() % (n + 1));
		sort(v, n, sizeof(v[0]), by_value);
		for (unsigned i = 0; i < n; i++) {
			sum -= v[i];
			EXPECT(t, !i || v[i - 1] <= v[i]);
		}
		EXPECT_EQ(t, sum, 0);
	}
}

TEST(bitmap, search)
{
	unsigned long map[BITMAP_WORDS(200)];
	bool model[200];
	unsigned k;

	for (unsigned round = 0; round < 200; round++) {
		bitmap_zero(map, 200);
		memset(model, 0, sizeof(model));
		for (unsigned i = 0; i < round; i++) {
			k = t_random() % 200;
			model[k] = !model[k];
			if (model[k])
				bitmap_set(map, k);
			else
				bitmap_clear(map, k);
		}
		for (unsigned i = 0; i < 200; i++) {
			for (k = i; k < 200 && model[k]; k++)
				;
			EXPECT_EQ(t, bitmap_next_clear(map, 200, i), k);
		}
	}
	EXPECT_EQ(t, log2_ceil(1), 0);
	EXPECT_EQ(t, log2_ceil(2), 1);
	EXPECT_EQ(t, log2_ceil(4097), 13);
}

/* RFC 8439, 2.3.2 */
TEST(random, chacha20)
{
	u32 state[16];
	u8 key[32], out[64];
	static const u8 want[16] = { 0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4 };

	for (unsigned i = 0; i < 32; i++)
		key[i] = (u8)i;
	chacha20_init(state, key, 1 | (u64)0x09000000 << 32, 0x4a000000);
	chacha20_block(state, out);
	EXPECT(t, !memcmp(out, want, 16));
}
