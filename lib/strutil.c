/*
 * strutil.c - string helpers that the C library does not have, and numbers from text.
 */
#include <abi/errno.h>
#include <lib/string.h>

void *mem_find_other(const void *p, int c, size_t n)
{
	for (const u8 *b = p; n; n--, b++)
		if (*b != (u8)c)
			return (void *)b;
	return NULL;
}

ssize_t strscpy(char *dst, const char *src, size_t n)
{
	size_t len = strnlen(src, n);

	if (len < n) {
		memcpy(dst, src, len + 1);
		return (ssize_t)len;
	}
	memcpy(dst, src, n - 1);
	dst[n - 1] = '\0';
	return -E2BIG;
}

bool str_has_prefix(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return false;
	return true;
}

char *str_trim(char *s)
{
	size_t n;

	while (char_is_space(*s))
		s++;
	for (n = strlen(s); n && char_is_space(s[n - 1]); n--)
		;
	s[n] = '\0';
	return s;
}

static int digit_value(char c)
{
	if (char_is_digit(c))
		return c - '0';
	c = char_to_lower(c);
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* Digits only, no blanks and no sign. *end == s when there is no number. */
static u64 digits(const char *s, const char **end, int base, bool *overflow)
{
	const char *p = s;
	u64 v = 0;

	if ((base == 0 || base == 16) && p[0] == '0' && (p[1] | 0x20) == 'x' && digit_value(p[2]) < 16) {
		p += 2;
		base = 16;
	} else if (base == 0) {
		base = *p == '0' ? 8 : 10;
	}
	*end = s;
	for (; digit_value(*p) < base; *end = ++p)
		if (__builtin_mul_overflow(v, (unsigned)base, &v) ||
		    __builtin_add_overflow(v, (unsigned)digit_value(*p), &v))
			*overflow = true;
	return v;
}

u64 str_to_u64(const char *s, const char **end, int base)
{
	const char *p = s, *stop;
	bool neg, overflow = false;
	u64 v;

	while (char_is_space(*p))
		p++;
	neg = *p == '-';
	if (*p == '-' || *p == '+')
		p++;
	v = digits(p, &stop, base, &overflow);
	if (end)
		*end = stop == p ? s : stop;
	if (overflow)
		return U64_MAX;
	return neg ? -v : v;
}

static bool at_end(const char *end)
{
	return !*end || (end[0] == '\n' && !end[1]);
}

int str_parse_u64(const char *s, int base, u64 *out)
{
	bool overflow = false;
	const char *p = *s == '+' ? s + 1 : s, *end;
	u64 v = digits(p, &end, base, &overflow);

	if (end == p || !at_end(end))
		return -EINVAL;
	if (overflow)
		return -ERANGE;
	*out = v;
	return 0;
}

int str_parse_s64(const char *s, int base, s64 *out)
{
	bool neg = *s == '-';
	u64 v;
	int err = str_parse_u64(neg ? s + 1 : s, base, &v);

	if (err)
		return err;
	if (v > (u64)S64_MAX + neg)
		return -ERANGE;
	*out = (s64)(neg ? -v : v);
	return 0;
}

u64 str_to_size(const char *s, const char **end)
{
	const char *p;
	u64 v = str_to_u64(s, &p, 0);
	unsigned shift = 0;

	switch (p == s ? 0 : char_to_lower(*p)) {
	case 't': shift += 10; fallthrough;
	case 'g': shift += 10; fallthrough;
	case 'm': shift += 10; fallthrough;
	case 'k': shift += 10; p++;
	}
	if (end)
		*end = p;
	return v > U64_MAX >> shift ? U64_MAX : v << shift;
}
