/*
 * text.c - fixed and growing output buffers.
 */
#include <lib/printf.h>
#include <lib/string.h>
#include <lib/text.h>

/* Room for n more characters; false marks the text as cut. */
static bool room(struct text *t, size_t n)
{
	size_t want = max(t->len + n, t->size * 2);
	char *buf;

	if (t->size - t->len >= n)
		return true;
	want = max(want, (size_t)256);
	buf = t->ops ? t->ops->grow(t->buf, t->size, t->len, want) : NULL;
	if (!buf) {
		t->cut = true;
		return false;
	}
	t->buf = buf;
	t->size = want;
	return true;
}

void text_free(struct text *t)
{
	if (t->ops && t->buf)
		t->ops->free(t->buf, t->size);
	t->buf = NULL;
	t->len = t->size = 0;
}

void text_putc(struct text *t, char c)
{
	if (room(t, 1))
		t->buf[t->len++] = c;
}

void text_write(struct text *t, const void *p, size_t n)
{
	if (!room(t, n))
		n = t->size - t->len;
	if (n)
		memcpy(t->buf + t->len, p, n);
	t->len += n;
}

void text_puts(struct text *t, const char *s)
{
	text_write(t, s, strlen(s));
}

void text_vprintf(struct text *t, const char *fmt, va_list ap)
{
	size_t left = t->size - t->len;
	int n = kvsnprintf(t->buf ? t->buf + t->len : NULL, left, fmt, ap);

	if ((size_t)n < left) {
		t->len += (size_t)n;
		return;
	}
	if (room(t, (size_t)n + 1)) {		/* it terminates, so one more */
		kvsnprintf(t->buf + t->len, (size_t)n + 1, fmt, ap);
		t->len += (size_t)n;
	} else if (left) {
		t->len = t->size - 1;		/* kvsnprintf wrote that much and a NUL */
	}
}

void text_printf(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_vprintf(t, fmt, ap);
	va_end(ap);
}

void text_pad_to(struct text *t, size_t col)
{
	size_t start = t->len;

	while (start && t->buf[start - 1] != '\n')
		start--;
	while (t->len - start < col && !t->cut)
		text_putc(t, ' ');
}

void text_puts_escaped(struct text *t, const char *s, const char *esc)
{
	for (; *s; s++) {
		if (*s == '\\' || strchr(esc, *s))
			text_printf(t, "\\%03o", (u8)*s);
		else
			text_putc(t, *s);
	}
}

const char *text_str(struct text *t)
{
	if (!room(t, 1)) {
		if (!t->size)
			return "";
		t->len = t->size - 1;
	}
	t->buf[t->len] = '\0';
	return t->buf;
}
