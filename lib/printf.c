/*
 * printf.c - the formatter behind printk and every /proc file.
 *
 * No allocation, no locale, no floating point; works in any context.
 */
#include <lib/printf.h>

struct out {
	char	*buf;
	size_t	size, len;
};

struct spec {
	bool	left, zero, plus, space, alt, upper;
	int	width, precision;	/* precision -1: none */
	int	length;			/* -2 hh, -1 h, 0 int, 1 long and wider */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void pad(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_text(struct out *o, const struct spec *s, const char *text, int len)
{
	if (!s->left)
		pad(o, ' ', s->width - len);
	for (int i = 0; i < len; i++)
		put(o, text[i]);
	if (s->left)
		pad(o, ' ', s->width - len);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
	int len = 0;

	if (!text)
		text = "(null)";
	while ((s->precision < 0 || len < s->precision) && text[len])
		len++;
	put_text(o, s, text, len);
}

/* Digits of v, last first. */
static int digits_of(unsigned long v, unsigned base, bool upper, char *out)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	int n = 0;

	if (base == 10) {
		do
			out[n++] = '0' + v % 10;
		while (v /= 10);
	} else {
		unsigned shift = base == 16 ? 4 : 3;
		do
			out[n++] = set[v & (base - 1)];
		while (v >>= shift);
	}
	return n;
}

static void put_number(struct out *o, struct spec *s, unsigned long v, bool negative, unsigned base)
{
	char digits[24], prefix[3];
	int n = 0, np = 0, zeros;

	if (v || s->precision)
		n = digits_of(v, base, s->upper, digits);
	if (negative)
		prefix[np++] = '-';
	else if (s->plus)
		prefix[np++] = '+';
	else if (s->space)
		prefix[np++] = ' ';
	if (s->alt && base == 16 && v) {
		prefix[np++] = '0';
		prefix[np++] = s->upper ? 'X' : 'x';
	} else if (s->alt && base == 8 && s->precision <= n) {
		s->precision = n + 1;
	}
	zeros = s->precision > n ? s->precision - n : 0;
	if (s->zero && !s->left && s->precision < 0 && s->width > np + n)
		zeros = s->width - np - n;
	if (!s->left)
		pad(o, ' ', s->width - np - zeros - n);
	for (int i = 0; i < np; i++)
		put(o, prefix[i]);
	pad(o, '0', zeros);
	for (int i = n; i-- > 0;)
		put(o, digits[i]);
	if (s->left)
		pad(o, ' ', s->width - np - zeros - n);
}

const char *symbol_name(unsigned long addr, unsigned long *offset) weak;

static void put_pointer(struct out *o, struct spec *s, void *p, char kind)
{
	unsigned long offset;
	const char *name = kind == 'S' && symbol_name ? symbol_name((unsigned long)p, &offset) : NULL;

	if (!name) {
		s->zero = kind != 'S' || !s->width;
		s->width = s->width ? s->width : 16;
		put_number(o, s, (unsigned long)p, false, 16);
		return;
	}
	for (; *name; name++)
		put(o, *name);
	put(o, '+');
	s->alt = true;
	put_number(o, s, offset, false, 16);
}

static const char *parse_number(const char *f, int *v, va_list *ap)
{
	*v = 0;
	if (*f == '*') {
		*v = va_arg(*ap, int);
		return f + 1;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		*v = *v * 10 + (*f - '0');
	return f;
}

static const char *parse_spec(const char *f, struct spec *s, va_list *ap)
{
	*s = (struct spec){ .precision = -1 };
	for (;; f++) {
		if (*f == '-')
			s->left = true;
		else if (*f == '0')
			s->zero = true;
		else if (*f == '+')
			s->plus = true;
		else if (*f == ' ')
			s->space = true;
		else if (*f == '#')
			s->alt = true;
		else
			break;
	}
	f = parse_number(f, &s->width, ap);
	if (s->width < 0) {
		s->left = true;
		s->width = -s->width;
	}
	if (*f == '.')
		f = parse_number(f + 1, &s->precision, ap);
	for (;; f++) {
		if (*f == 'h')
			s->length--;
		else if (*f == 'l' || *f == 'z' || *f == 't' || *f == 'j')
			s->length = 1;
		else
			return f;
	}
}

static long signed_arg(const struct spec *s, va_list *ap)
{
	switch (s->length) {
	case 1: return va_arg(*ap, long);
	case -1: return (short)va_arg(*ap, int);
	case -2: return (signed char)va_arg(*ap, int);
	default: return va_arg(*ap, int);
	}
}

static unsigned long unsigned_arg(const struct spec *s, va_list *ap)
{
	switch (s->length) {
	case 1: return va_arg(*ap, unsigned long);
	case -1: return (unsigned short)va_arg(*ap, unsigned);
	case -2: return (unsigned char)va_arg(*ap, unsigned);
	default: return va_arg(*ap, unsigned);
	}
}

/* One conversion; returns the character after it. */
static const char *convert(struct out *o, const char *f, va_list *ap)
{
	struct spec s;
	long v;
	char c;

	f = parse_spec(f, &s, ap);
	switch (*f) {
	case 'd':
	case 'i':
		v = signed_arg(&s, ap);
		put_number(o, &s, v < 0 ? -(unsigned long)v : (unsigned long)v, v < 0, 10);
		break;
	case 'u':
		put_number(o, &s, unsigned_arg(&s, ap), false, 10);
		break;
	case 'X':
		s.upper = true;
		/* fall through */
	case 'x':
		put_number(o, &s, unsigned_arg(&s, ap), false, 16);
		break;
	case 'o':
		put_number(o, &s, unsigned_arg(&s, ap), false, 8);
		break;
	case 'c':
		c = (char)va_arg(*ap, int);
		put_text(o, &s, &c, 1);
		break;
	case 's':
		put_string(o, &s, va_arg(*ap, const char *));
		break;
	case 'p':
		put_pointer(o, &s, va_arg(*ap, void *), f[1]);
		if (f[1] == 'S')
			f++;
		break;
	case '%':
		put(o, '%');
		break;
	case '\0':
		return f;
	default:
		put(o, '%');
		put(o, *f);
	}
	return f + 1;
}

int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { buf, size, 0 };
	va_list args;

	va_copy(args, ap);
	while (*fmt) {
		if (*fmt == '%')
			fmt = convert(&o, fmt + 1, &args);
		else
			put(&o, *fmt++);
	}
	va_end(args);
	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return (int)o.len;
}

int ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

int kscnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n < (int)size ? n : size ? (int)size - 1 : 0;
}
