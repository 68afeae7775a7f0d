/*
 * printf.c - formatted text into a bounded buffer.
 *
 * One pass over the format; each conversion is parsed into a struct spec and emitted through put(), which counts every
 * character and stores those that fit. So a call with n = 0 measures.
 */
#include <lib/printf.h>
#include <lib/string.h>

struct out {
	char	*buf;
	size_t	size, len;	/* len counts also what did not fit */
};

struct spec {
	bool	left, plus, space, alt, zero, upper;
	int	width, precision;	/* precision -1: not given */
	int	size;			/* bytes of an integer argument */
};

static inline void put(struct out *o, char c)
{
	if (o->len < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_pad(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_string(struct out *o, const struct spec *s, const char *str)
{
	int n;

	if (!str)
		str = "(null)";
	n = (int)(s->precision >= 0 ? strnlen(str, (size_t)s->precision) : strlen(str));
	if (!s->left)
		put_pad(o, ' ', s->width - n);
	for (int i = 0; i < n; i++)
		put(o, str[i]);
	if (s->left)
		put_pad(o, ' ', s->width - n);
}

/* Digits of v to the end of buf; returns where they start. */
static char *digits_of(unsigned long long v, unsigned base, bool upper, char *end)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";

	do {
		*--end = set[v % base];
		v /= base;
	} while (v);
	return end;
}

static void put_number(struct out *o, const struct spec *s, unsigned long long v, bool neg, unsigned base, bool sign_ok)
{
	char buf[24], prefix[3], *p = digits_of(v, base, s->upper, buf + sizeof(buf));
	int len = (int)(buf + sizeof(buf) - p), zeros = 0, np = 0;

	if (s->precision == 0 && !v)
		len = 0;
	if (sign_ok && (neg || s->plus || s->space))
		prefix[np++] = neg ? '-' : s->plus ? '+' : ' ';
	if (s->alt && base == 16 && v) {
		prefix[np++] = '0';
		prefix[np++] = s->upper ? 'X' : 'x';
	}
	if (s->alt && base == 8 && s->precision <= len)
		zeros = 1;
	if (s->precision > len)
		zeros = s->precision - len;
	else if (s->precision < 0 && s->zero && !s->left && s->width > len + np)
		zeros = s->width - len - np;
	if (!s->left)
		put_pad(o, ' ', s->width - len - zeros - np);
	for (int i = 0; i < np; i++)
		put(o, prefix[i]);
	put_pad(o, '0', zeros);
	for (int i = 0; i < len; i++)
		put(o, p[i]);
	if (s->left)
		put_pad(o, ' ', s->width - len - zeros - np);
}

static void put_pointer(struct out *o, struct spec *s, unsigned long v, char kind)
{
	unsigned long offset;
	const char *name = kind && symbol_name ? symbol_name(v, &offset) : NULL;

	if (name) {
		put_string(o, s, name);
		if (kind == 'S' && offset) {
			put(o, '+');
			put_number(o, &(struct spec){ .alt = true, .precision = -1 }, offset, false, 16, false);
		}
		return;
	}
	if (kind) {
		s->alt = true;
	} else {
		s->precision = 2 * sizeof(void *);
	}
	put_number(o, s, v, false, 16, false);
}

static const char *parse_int(const char *f, int *out, va_list *ap)
{
	if (*f == '*') {
		*out = va_arg(*ap, int);
		return f + 1;
	}
	for (*out = 0; char_is_digit(*f); f++)
		*out = *out * 10 + (*f - '0');
	return f;
}

/* Flags, width, precision and size; returns the position of the conversion letter. */
static const char *parse_spec(const char *f, struct spec *s, va_list *ap)
{
	*s = (struct spec){ .precision = -1, .size = sizeof(int) };
	for (;; f++) {
		if (*f == '-')		s->left = true;
		else if (*f == '+')	s->plus = true;
		else if (*f == ' ')	s->space = true;
		else if (*f == '#')	s->alt = true;
		else if (*f == '0')	s->zero = true;
		else			break;
	}
	f = parse_int(f, &s->width, ap);
	if (s->width < 0) {
		s->left = true;
		s->width = -s->width;
	}
	if (*f == '.')
		f = parse_int(f + 1, &s->precision, ap);
	switch (*f) {
	case 'h':
		s->size = f[1] == 'h' ? 1 : 2;
		return f + (f[1] == 'h' ? 2 : 1);
	case 'l':
		s->size = f[1] == 'l' ? sizeof(long long) : sizeof(long);
		return f + (f[1] == 'l' ? 2 : 1);
	case 'z': case 't':
		s->size = sizeof(size_t);
		return f + 1;
	case 'j':
		s->size = sizeof(long long);
		return f + 1;
	}
	return f;
}

static unsigned long long arg_unsigned(int size, va_list *ap)
{
	switch (size) {
	case 1: return (u8)va_arg(*ap, unsigned);
	case 2: return (u16)va_arg(*ap, unsigned);
	case 8: return va_arg(*ap, unsigned long long);
	}
	return va_arg(*ap, unsigned);
}

static long long arg_signed(int size, va_list *ap)
{
	switch (size) {
	case 1: return (s8)va_arg(*ap, int);
	case 2: return (s16)va_arg(*ap, int);
	case 8: return va_arg(*ap, long long);
	}
	return va_arg(*ap, int);
}

/* Emit one conversion; returns the position behind it. */
static const char *convert(struct out *o, const char *f, va_list *ap)
{
	struct spec s;
	long long v;
	char c[2] = "", kind = 0;

	f = parse_spec(f, &s, ap);
	switch (*f) {
	case 'd': case 'i':
		v = arg_signed(s.size, ap);
		put_number(o, &s, v < 0 ? -(unsigned long long)v : (unsigned long long)v, v < 0, 10, true);
		break;
	case 'u':
		put_number(o, &s, arg_unsigned(s.size, ap), false, 10, false);
		break;
	case 'o':
		put_number(o, &s, arg_unsigned(s.size, ap), false, 8, false);
		break;
	case 'X':
		s.upper = true;
		fallthrough;
	case 'x':
		put_number(o, &s, arg_unsigned(s.size, ap), false, 16, false);
		break;
	case 'c':
		c[0] = (char)va_arg(*ap, int);
		if (!s.left)
			put_pad(o, ' ', s.width - 1);
		put(o, c[0]);
		if (s.left)
			put_pad(o, ' ', s.width - 1);
		break;
	case 's':
		put_string(o, &s, va_arg(*ap, const char *));
		break;
	case 'p':
		if (f[1] == 'S' || f[1] == 's')
			kind = *++f;
		put_pointer(o, &s, (unsigned long)va_arg(*ap, void *), kind);
		break;
	case '%':
		put(o, '%');
		break;
	case '\0':
		return f;
	default:		/* show what was not understood */
		put(o, '%');
		put(o, *f);
	}
	return f + 1;
}

int kvsnprintf(char *buf, size_t n, const char *fmt, va_list ap)
{
	struct out o = { .buf = buf, .size = n };
	va_list args;

	va_copy(args, ap);
	while (*fmt) {
		if (*fmt != '%')
			put(&o, *fmt++);
		else
			fmt = convert(&o, fmt + 1, &args);
	}
	va_end(args);
	if (n)
		buf[min(o.len, n - 1)] = '\0';
	return (int)o.len;
}

int ksnprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = kvsnprintf(buf, n, fmt, ap);
	va_end(ap);
	return len;
}

int kscnprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = kvsnprintf(buf, n, fmt, ap);
	va_end(ap);
	return len < (int)n ? len : n ? (int)n - 1 : 0;
}
