/*
 * text.h - an output buffer: fixed (cut when full) or growing.
 *
 * What procfs files, reports and debug dumps are written into. lib has no allocation policy, so a growing buffer gets
 * its memory from the operations it is given; the kernel's are text_kernel_ops in <mm/slab.h>.
 */
#ifndef LIB_TEXT_H
#define LIB_TEXT_H

#include <stdarg.h>
#include <lib/types.h>

struct text_ops {
	/* A buffer of new_size bytes with the first `used` bytes of old in it; old (may be NULL) is gone then. NULL: keep old. */
	char	*(*grow)(char *old, size_t old_size, size_t used, size_t new_size);
	void	(*free)(char *buf, size_t size);
};

struct text {
	char			*buf;
	size_t			len;		/* characters in buf; not terminated */
	size_t			size;
	const struct text_ops	*ops;		/* NULL: fixed */
	bool			cut;		/* something did not fit */
};

static inline void text_init_fixed(struct text *t, char *buf, size_t size)
{
	*t = (struct text){ .buf = buf, .size = size };
}
static inline void text_init(struct text *t, const struct text_ops *ops)
{
	*t = (struct text){ .ops = ops };
}
void text_free(struct text *t);			/* growing buffers */

void text_putc(struct text *t, char c);
void text_puts(struct text *t, const char *s);
void text_write(struct text *t, const void *p, size_t n);
void text_vprintf(struct text *t, const char *fmt, va_list ap) printf_like(2, 0);
void text_printf(struct text *t, const char *fmt, ...) printf_like(2, 3);
/* Blanks up to column `col` of the current line. */
void text_pad_to(struct text *t, size_t col);
/* s with every character of `esc` (and backslash) written as \ooo: mounts, maps. */
void text_puts_escaped(struct text *t, const char *s, const char *esc);
/* The buffer as a C string; overwrites the last character of a full fixed buffer. Never NULL. */
const char *text_str(struct text *t);

#endif
