/*
 * string.c - memory blocks and C strings.
 *
 * The block functions move eight words per turn: under software emulation that is two to five times faster than
 * the rep instructions, and on silicon it loses little for the sizes a kernel copies. Compiled with -fno-builtin, or
 * the compiler would turn memcpy into a call of memcpy. Weak: an architecture may bring its own in assembly. The host
 * build uses the C library's and tests these under other names.
 */
#include <lib/string.h>

typedef unsigned long word_t __attribute__((may_alias, aligned(1)));
#define WORD	sizeof(unsigned long)

weak void *memcpy(void *dst, const void *src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	for (; n >= 8 * WORD; n -= 8 * WORD, d += 8 * WORD, s += 8 * WORD) {
		word_t *dw = (word_t *)d;
		const word_t *sw = (const word_t *)s;

		dw[0] = sw[0]; dw[1] = sw[1]; dw[2] = sw[2]; dw[3] = sw[3];
		dw[4] = sw[4]; dw[5] = sw[5]; dw[6] = sw[6]; dw[7] = sw[7];
	}
	for (; n >= WORD; n -= WORD, d += WORD, s += WORD)
		*(word_t *)d = *(const word_t *)s;
	while (n--)
		*d++ = *s++;
	return dst;
}

static void copy_backwards(u8 *d, const u8 *s, size_t n)
{
	for (d += n, s += n; n >= WORD; n -= WORD) {
		d -= WORD;
		s -= WORD;
		*(word_t *)d = *(const word_t *)s;
	}
	while (n--)
		*--d = *--s;
}

weak void *memmove(void *dst, const void *src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	if ((uintptr_t)d - (uintptr_t)s < n) {		/* dst starts inside src */
		copy_backwards(d, s, n);
		return dst;
	}
	/* Word by word is safe upwards even when they overlap; eight at a time as memcpy loads is not. */
	for (; n >= WORD; n -= WORD, d += WORD, s += WORD)
		*(word_t *)d = *(const word_t *)s;
	while (n--)
		*d++ = *s++;
	return dst;
}

weak void *memset(void *dst, int c, size_t n)
{
	u8 *d = dst;
	unsigned long w = (u8)c * (~0UL / 255);

	for (; n >= 8 * WORD; n -= 8 * WORD, d += 8 * WORD) {
		word_t *dw = (word_t *)d;

		dw[0] = w; dw[1] = w; dw[2] = w; dw[3] = w;
		dw[4] = w; dw[5] = w; dw[6] = w; dw[7] = w;
	}
	for (; n >= WORD; n -= WORD, d += WORD)
		*(word_t *)d = w;
	while (n--)
		*d++ = (u8)c;
	return dst;
}

weak int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n >= WORD && *(const word_t *)x == *(const word_t *)y; n -= WORD, x += WORD, y += WORD)
		;
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}

void *memchr(const void *p, int c, size_t n)
{
	for (const u8 *b = p; n; n--, b++)
		if (*b == (u8)c)
			return (void *)b;
	return NULL;
}

size_t strlen(const char *s)
{
	const char *e = s;

	while (*e)
		e++;
	return e - s;
}

size_t strnlen(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i])
		i++;
	return i;
}

int strcmp(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n && *a && *a == *b; a++, b++, n--)
		;
	return n ? (u8)*a - (u8)*b : 0;
}

int strcasecmp(const char *a, const char *b)
{
	for (; *a && char_to_lower(*a) == char_to_lower(*b); a++, b++)
		;
	return (u8)char_to_lower(*a) - (u8)char_to_lower(*b);
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)s;
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	do {
		if (*s == (char)c)
			last = s;
	} while (*s++);
	return (char *)last;
}

char *strstr(const char *s, const char *what)
{
	size_t n = strlen(what);

	for (; strncmp(s, what, n); s++)
		if (!*s)
			return NULL;
	return (char *)s;
}

size_t strcspn(const char *s, const char *reject)
{
	const char *p = s;

	while (*p && !strchr(reject, *p))
		p++;
	return p - s;
}
