/*
 * string.h - memory blocks and C strings. Same contracts as the C library where the name is the same.
 *
 * The kernel has its own (an architecture may replace the mem* functions); the host build takes the C library's.
 */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include <lib/types.h>

#ifdef __QUIRE__
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *p, int c, size_t n);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
int strcasecmp(const char *a, const char *b);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *what);
size_t strcspn(const char *s, const char *reject);
#else
#include <string.h>
#include <strings.h>
#endif

/* First byte that is not c, or NULL when all are. */
void *mem_find_other(const void *p, int c, size_t n);
/* Copies as much as fits and always ends with a NUL (n > 0). The length copied, or -E2BIG when cut. */
ssize_t strscpy(char *dst, const char *src, size_t n);
bool str_has_prefix(const char *s, const char *prefix);
/* Strips leading and trailing blanks in place. */
char *str_trim(char *s);

static inline bool char_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}
static inline bool char_is_digit(char c)
{
	return c >= '0' && c <= '9';
}
static inline char char_to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* As strtoull: leading blanks, sign, base 0 guesses from 0x and 0. Saturates on overflow. */
u64 str_to_u64(const char *s, const char **end, int base);
/* Whole string (one trailing newline allowed) as a number: 0, -EINVAL (not a number) or -ERANGE. */
int str_parse_u64(const char *s, int base, u64 *out) must_check;
int str_parse_s64(const char *s, int base, s64 *out) must_check;
/* Number with an optional suffix k, m, g, t (any case), as in mem=64M. *end behind it. */
u64 str_to_size(const char *s, const char **end);

#endif
