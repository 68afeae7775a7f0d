/*
 * report.c - what a module holds: by call site, alive now, and at unload what it left behind.
 */
#include <arch/page.h>
#include <kernel/printk.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <lib/text.h>
#include "internal.h"

struct alive {
	char	*buf;
	size_t	size, len;
	long	objects, bytes, pages;
};

/* "mm/slab.c" or "/home/me/leaky.c": the last part. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void add(struct alive *a, const char *fmt, ...) printf_like(2, 3);
static void add(struct alive *a, const char *fmt, ...)
{
	va_list ap;

	if (a->len >= a->size)
		return;
	va_start(ap, fmt);
	a->len += min((size_t)kvsnprintf(a->buf + a->len, a->size - a->len, fmt, ap), a->size - a->len);
	va_end(ap);
}

static void add_site(void *arg, const struct alloc_site *s, const char *cache, const struct module_usage *u)
{
	struct alive *a = arg;

	a->objects += u->objects;
	a->bytes += u->bytes;
	a->pages += u->pages;
	if (u->objects)
		add(a, "%s%ld x %s at %s (%s:%u)", a->len ? ", " : "", u->objects, cache, s->func, base_name(s->file), s->line);
	else if (u->pages)
		add(a, "%s%ld page%s at %s (%s:%u)", a->len ? ", " : "", u->pages, u->pages == 1 ? "" : "s", s->func,
		    base_name(s->file), s->line);
}

long module_alive_text(const struct module *m, char *buf, size_t size)
{
	struct alive a = { .buf = buf, .size = size };

	if (size)
		*buf = '\0';
	if (!m->nr_sites || ledger_sites_usage(m->first_site, m->nr_sites, add_site, &a))
		return 0;
	return a.objects + a.pages;
}

void module_report_leaks(const struct module *m)
{
	static char line[400];			/* unloads are rare; two at once may mix their words, nothing worse */
	struct alive a = { .buf = line, .size = sizeof(line) };

	line[0] = '\0';
	if (!m->nr_sites || ledger_sites_usage(m->first_site, m->nr_sites, add_site, &a) || !(a.objects + a.pages))
		return;
	pr_warn("%s: %ld object%s, %ld bytes not freed: %s\n", m->name, a.objects + a.pages,
		a.objects + a.pages == 1 ? "" : "s", a.bytes + a.pages * (long)PAGE_SIZE, line);
}

static void site_line(void *arg, const struct alloc_site *s, const char *cache, const struct module_usage *u)
{
	if (cache)
		text_printf(arg, "%s:%u %s %s objects %ld bytes %ld\n", base_name(s->file), s->line, s->func, cache,
			    u->objects, u->bytes);
	else
		text_printf(arg, "%s:%u %s pages %ld peak %ld calls %ld\n", base_name(s->file), s->line, s->func, u->pages,
			    u->peak_pages, u->calls);
}

int module_allocations_text(const struct module *m, struct text *out)
{
	return m->nr_sites ? ledger_sites_usage(m->first_site, m->nr_sites, site_line, out) : 0;
}
