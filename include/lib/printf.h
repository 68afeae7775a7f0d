/*
 * printf.h - formatting into a buffer. Same on kernel and host.
 *
 * Conversions: d i u x X o c s p %, with flags - 0 + space #, width, precision, *, and h hh l ll z t j. Ours besides:
 *	%pS  symbol+offset of a kernel address
 */
#ifndef LIB_PRINTF_H
#define LIB_PRINTF_H

#include <stdarg.h>
#include <lib/types.h>

/* As C99: the length the whole text has; always terminated when size > 0. */
int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int ksnprintf(char *buf, size_t size, const char *fmt, ...) printf_like(3, 4);
/* What was really stored, without the NUL. */
int kscnprintf(char *buf, size_t size, const char *fmt, ...) printf_like(3, 4);

#endif
