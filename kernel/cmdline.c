/*
 * cmdline.c - the kernel command line: words separated by blanks, `name` or `name=value`.
 */
#include <kernel/boot_info.h>
#include <lib/string.h>

struct boot_info boot_info;

/* The next occurrence of `name` as a whole word or before '='; returns what follows it. */
static const char *find(const char *from, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = from; (p = strstr(p, name)) != NULL; p += len) {
		bool starts = p == boot_info.cmdline || p[-1] == ' ';
		char after = p[len];

		if (starts && (after == '=' || after == ' ' || after == '\0'))
			return p + len;
	}
	return NULL;
}

bool cmdline_has(const char *name)
{
	return find(boot_info.cmdline, name) != NULL;
}

bool cmdline_get(const char *name, char *value, size_t size)
{
	const char *last = NULL;
	size_t n = 0;

	for (const char *p = boot_info.cmdline; (p = find(p, name)) != NULL;) {
		if (*p == '=')
			last = p + 1;
	}
	if (!last)
		return false;
	for (; last[n] && last[n] != ' ' && n + 1 < size; n++)
		value[n] = last[n];
	value[n] = '\0';
	return true;
}

u64 cmdline_get_size(const char *name, u64 otherwise)
{
	const char *end;
	char text[32];
	u64 v;

	if (!cmdline_get(name, text, sizeof(text)))
		return otherwise;
	v = str_to_u64(text, &end, 0);
	if (end == text)
		return otherwise;
	switch (*end | 0x20) {
	case 'k': return v << 10;
	case 'm': return v << 20;
	case 'g': return v << 30;
	case 't': return v << 40;
	default: return v;
	}
}
