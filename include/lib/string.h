/*
 * string.h - C's memory and string functions. The compiler itself calls the first four.
 * Kernel: arch/<arch>/…/string.S for mem*, lib/string.c for the rest. Host: libc.
 */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#ifdef __QUIRE__
#include <lib/types.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
int strcasecmp(const char *a, const char *b);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *find);
#else
#include <string.h>
#include <strings.h>
#include <lib/types.h>
#endif

/* Length of src, or -E2BIG when cut; always terminated. */
ssize_t strscpy(char *dst, const char *src, size_t size);
bool str_has_prefix(const char *s, const char *prefix);
/* Unsigned number in base 0 (C prefixes), 8, 10 or 16; `end` as strtoul. */
u64 str_to_u64(const char *s, const char **end, int base);

#endif
