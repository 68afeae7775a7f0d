/*
 * params.c - "name=value name2=value2" for a module's parameters, and what is written to /sys/module/NAME/parameters. Values may be
 * quoted with '"'.
 *
 * A charp points into the text that the module was loaded with, or into a string of its own once it was written to; those stand in
 * m->strings. Linux's rules and error numbers.
 */
#include <abi/errno.h>
#include <arch/page.h>
#include <kernel/printk.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <mm/slab.h>
#include "internal.h"

struct string {
	struct list	link;
	char		text[];
};

static int set_number(int kind, void *value, const char *text)
{
	bool negative = *text == '-';
	const char *end, *digits = text + negative;
	u64 v = str_to_u64(digits, &end, 0), limit;
	unsigned bytes = kind == 'l' || kind == 'L' ? 8 : kind == 's' || kind == 'S' ? 2 : kind == 'B' ? 1 : 4;
	bool is_signed = kind == 'i' || kind == 'l' || kind == 's';

	if (end == digits || (*end && *end != '\n'))
		return -EINVAL;
	if (negative && !is_signed)
		return -EINVAL;
	limit = bytes == 8 ? ~0ull >> is_signed : (1ull << (8 * bytes - is_signed)) - 1;
	if (v > limit + negative)
		return -ERANGE;
	v = negative ? -v : v;
	memcpy(value, &v, bytes);
	return 0;
}

static int set_bool(bool *value, const char *text, bool inverted)
{
	bool v;

	if (!text || (*text && strchr("yY1", *text)))
		v = true;
	else if (*text && strchr("nN0", *text))
		v = false;
	else if ((text[0] | 32) == 'o' && (text[1] | 32) == 'n')
		v = true;
	else if ((text[0] | 32) == 'o' && (text[1] | 32) == 'f')
		v = false;
	else
		return -EINVAL;
	*value = v != inverted;
	return 0;
}

static int set_one(int kind, void *value, char *text)
{
	if (kind == 'b' || kind == 'I')
		return set_bool(value, text, kind == 'I');
	if (kind == 'c') {
		*(char **)value = text;
		return 0;
	}
	return set_number(kind, value, text);
}

static int set_array(const struct module_param *p, char *text)
{
	unsigned n = 0;
	int err = 0;

	for (char *comma; !err && text; text = comma, n++) {
		comma = strchr(text, ',');
		if (n == p->max)
			return -EINVAL;
		if (comma)
			*comma++ = '\0';
		err = set_one(p->kind, (char *)p->value + n * p->step, text);
	}
	if (!err && p->count)
		*p->count = n;
	return err;
}

/* text may be changed, and must stay: a charp is left pointing into it. NULL: the name stood alone. */
static int param_set(const struct module_param *p, char *text)
{
	if (p->kind == 'o')
		return p->ops->set ? p->ops->set(text, p) : -EPERM;
	if (!text && p->kind != 'b' && p->kind != 'I')
		return -EINVAL;
	if (p->kind == 't') {
		if (strlen(text) >= p->max)
			return -ENOSPC;
		strscpy(p->value, text, p->max);
		return 0;
	}
	return p->max ? set_array(p, text) : set_one(p->kind, p->value, text);
}

static bool points_into(const struct module_param *p, const struct string *s, size_t len)
{
	for (unsigned i = 0; i < max(p->max, 1u); i++) {
		const char *at = *(char **)((char *)p->value + i * p->step);

		if (at >= s->text && at <= s->text + len)
			return true;
	}
	return false;
}

/* Strings that no parameter has any more. */
static void drop_unused(struct module *m)
{
	struct string *s, *next;

	list_for_each_safe(s, next, &m->strings, link) {
		size_t len = kmalloc_size(s) - sizeof(*s) - 1;
		bool used = false;

		for (unsigned i = 0; i < m->nr_params && !used; i++)
			used = m->params[i].kind == 'c' && points_into(&m->params[i], s, len);
		if (!used) {
			list_remove(&s->link);
			kfree(s);
		}
	}
}

int module_param_set(struct module *m, const struct module_param *p, const char *text)
{
	size_t n = strlen(text);
	struct string *s = kmalloc(sizeof(*s) + n + 1, GFP_KERNEL);
	int err;

	if (!s)
		return -ENOMEM;
	memcpy(s->text, text, n + 1);
	if (n && s->text[n - 1] == '\n')
		s->text[n - 1] = '\0';
	err = n > 1024 && p->kind == 'c' ? -ENOSPC : param_set(p, s->text);
	if (p->kind != 'c') {
		kfree(s);
	} else {
		list_append(&m->strings, &s->link);
		drop_unused(m);
	}
	return err;
}

void module_params_free(struct module *m)
{
	struct string *s, *next;

	list_for_each_safe(s, next, &m->strings, link)
		kfree(s);
}

static int one_text(const struct module_param *p, const void *value, char *buf, size_t size)
{
	switch (p->kind) {
	case 'i': return kscnprintf(buf, size, "%d", *(int *)value);
	case 'u': return kscnprintf(buf, size, "%u", *(unsigned *)value);
	case 'x': return kscnprintf(buf, size, "0x%08x", *(unsigned *)value);
	case 'l': return kscnprintf(buf, size, "%ld", *(long *)value);
	case 'L': return kscnprintf(buf, size, "%lu", *(unsigned long *)value);
	case 's': return kscnprintf(buf, size, "%d", *(short *)value);
	case 'S': return kscnprintf(buf, size, "%u", *(u16 *)value);
	case 'B': return kscnprintf(buf, size, "%u", *(u8 *)value);
	case 'b': return kscnprintf(buf, size, "%c", *(u8 *)value ? 'Y' : 'N');
	case 'I': return kscnprintf(buf, size, "%c", *(u8 *)value ? 'N' : 'Y');
	case 'c': return kscnprintf(buf, size, "%s", *(char **)value ? *(char **)value : "(null)");
	case 't': return kscnprintf(buf, size, "%s", (const char *)value);
	default: return 0;
	}
}

int module_param_text(const struct module_param *p, char *page)
{
	bool array = p->max && p->kind != 't';
	unsigned n = !array ? 1 : p->count ? min(*p->count, p->max) : p->max;
	int len = 0;

	if (p->kind == 'o')
		return p->ops->get ? p->ops->get(page, p) : -EPERM;
	for (unsigned i = 0; i < n; i++) {
		if (i)
			len += kscnprintf(page + len, PAGE_SIZE - len, ",");
		len += one_text(p, (char *)p->value + i * p->step, page + len, PAGE_SIZE - len);
	}
	return len + kscnprintf(page + len, PAGE_SIZE - len, "\n");
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
