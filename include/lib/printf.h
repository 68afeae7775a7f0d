/*
 * printf.h - formatted text.
 *
 * Understands flags -+ #0, width and precision (numbers or *), h hh l ll z t j, and d i u o x X c s p %%.
 * %pS prints an address as symbol+0xoff, %ps without the offset.
 * No floating point. The functions have a k so that a host build can link the C library's too; the usual names
 * mean ours wherever this header is included.
 */
#ifndef LIB_PRINTF_H
#define LIB_PRINTF_H

#include <stdarg.h>
#include <lib/types.h>

/* Like C's: always terminated when n > 0; returns the length that the whole text has, even when cut. */
int kvsnprintf(char *buf, size_t n, const char *fmt, va_list ap) printf_like(3, 0);
int ksnprintf(char *buf, size_t n, const char *fmt, ...) printf_like(3, 4);
/* Returns what is in the buffer: at most n - 1. */
int kscnprintf(char *buf, size_t n, const char *fmt, ...) printf_like(3, 4);

#define snprintf	ksnprintf
#define vsnprintf	kvsnprintf
#define scnprintf	kscnprintf

/* Border: name and offset of a kernel address, or NULL when unknown. Absent where there are no symbols. */
const char *symbol_name(unsigned long addr, unsigned long *offset) weak;

#endif
