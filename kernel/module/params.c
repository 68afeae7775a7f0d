/*
 * params.c - "name=value name2=value2" for a module's parameters. Values may be quoted with '"'.
 */
#include <abi/errno.h>
#include <kernel/printk.h>
#include <lib/printf.h>
#include <lib/string.h>
#include "internal.h"

static int set_number(const struct module_param *p, const char *text)
{
	bool negative = *text == '-';
	const char *end, *digits = text + negative;
	u64 v = str_to_u64(digits, &end, 0), limit;
	unsigned bytes = p->kind == 'l' || p->kind == 'L' ? 8 : p->kind == 's' || p->kind == 'S' ? 2 : p->kind == 'B' ? 1 : 4;
	bool is_signed = p->kind == 'i' || p->kind == 'l' || p->kind == 's';

	if (end == digits || (*end && *end != '\n'))
		return -EINVAL;
	if (negative && !is_signed)
		return -EINVAL;
	limit = bytes == 8 ? ~0ull >> is_signed : (1ull << (8 * bytes - is_signed)) - 1;
	if (v > limit + negative)
		return -ERANGE;
	v = negative ? -v : v;
	memcpy(p->value, &v, bytes);
	return 0;
}

static int set_bool(const struct module_param *p, const char *text)
{
	bool v;

	if (!text || !*text || strchr("yY1", *text))
		v = true;
	else if (strchr("nN0", *text))
		v = false;
	else if ((text[0] | 32) == 'o' && (text[1] | 32) == 'n')
		v = true;
	else if ((text[0] | 32) == 'o' && (text[1] | 32) == 'f')
		v = false;
	else
		return -EINVAL;
	*(bool *)p->value = v;
	return 0;
}

static int param_set(const struct module_param *p, char *text)
{
	if (p->kind == 'b')
		return set_bool(p, text);
	if (!text)
		return -EINVAL;
	if (p->kind == 'c') {
		*(char **)p->value = text;	/* into m->args, which lives as long as the module */
		return 0;
	}
	return set_number(p, text);
}

int module_param_text(const struct module_param *p, char *buf, size_t size)
{
	switch (p->kind) {
	case 'i': return kscnprintf(buf, size, "%d\n", *(int *)p->value);
	case 'u': return kscnprintf(buf, size, "%u\n", *(unsigned *)p->value);
	case 'l': return kscnprintf(buf, size, "%ld\n", *(long *)p->value);
	case 'L': return kscnprintf(buf, size, "%lu\n", *(unsigned long *)p->value);
	case 's': return kscnprintf(buf, size, "%d\n", *(short *)p->value);
	case 'S': return kscnprintf(buf, size, "%u\n", *(u16 *)p->value);
	case 'B': return kscnprintf(buf, size, "%u\n", *(u8 *)p->value);
	case 'b': return kscnprintf(buf, size, "%c\n", *(u8 *)p->value ? 'Y' : 'N');
	case 'c': return kscnprintf(buf, size, "%s\n", *(char **)p->value ? *(char **)p->value : "(null)");
	default: return 0;
	}
}

/* The next word, its value split off at '='; quotes go. NULL at the end. */
static char *next_word(char **at, char **value)
{
	char *p = *at, *word, *to;
	bool quoted = false;

	while (*p == ' ' || *p == '\n' || *p == '\t')
		p++;
	if (!*p)
		return NULL;
	*value = NULL;
	for (word = to = p; *p && (quoted || (*p != ' ' && *p != '\n' && *p != '\t')); p++) {
		if (*p == '"') {
			quoted = !quoted;
			continue;
		}
		*to = *p;
		if (*p == '=' && !*value) {
			*to = '\0';
			*value = to + 1;
		}
		to++;
	}
	*at = *p ? p + 1 : p;
	*to = '\0';
	return word;
}

static bool same_name(const char *a, const char *b)	/* '-' and '_' are one */
{
	for (; *a && *b; a++, b++)
		if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b))
			return false;
	return *a == *b;
}

int module_params_parse(struct module *m, char *args)
{
	char *word, *value;

	while ((word = next_word(&args, &value)) != NULL) {
		const struct module_param *p = m->params, *end = p + m->nr_params;
		int err;

		while (p < end && !same_name(p->name, word))
			p++;
		if (p == end) {
			pr_warn("%s: unknown parameter '%s' ignored\n", m->name, word);
			continue;
		}
		err = param_set(p, value);
		if (err) {
			pr_err("%s: `%s' invalid for parameter `%s'\n", m->name, value ? value : "", word);
			return err;
		}
	}
	return 0;
}
