/*
 * report.c - what a module holds: by call site, alive now, and at unload what it left behind.
 *
 * The text of /proc/ledger/modules, and of what is kept of a module that is gone:
 *
 *	module NAME live|gone|went TEXT RODATA DATA BSS INIT  OBJECTS PAGES BYTES PEAK  CALLS TOTAL
 *	site NAME FUNCTION+0xOFFSET FILE:LINE CACHE  OBJECTS PAGES BYTES PEAK  CALLS TOTAL
 *
 * one line a call site that was ever used. DATA has the copies of per-CPU variables in it; CACHE is where a site's live objects are:
 * "kmalloc-64=3,kmalloc-96=1", or "-".
 */
#include <abi/errno.h>
#include <arch/page.h>
#include <kernel/percpu.h>
#include <kernel/printk.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/slab.h>
#include "internal.h"

/* "mm/slab.c" or "/home/me/leaky.c": the last part. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* 1234567 as 1,234,567 */
static void put_grouped(struct text *out, unsigned long n)
{
	char digits[24];
	int len = kscnprintf(digits, sizeof(digits), "%lu", n);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			text_putc(out, ',');
		text_putc(out, digits[i]);
	}
}

/* "leaky_open+0x2c"; the function's name alone when the call was not found. */
static void put_place(struct text *out, const struct module *m, const struct alloc_site *s, vaddr_t code)
{
	const struct module_symbol *best = NULL;

	for (unsigned i = 0; code && i < m->nr_symbols + m->nr_init_symbols; i++) {
		const struct module_symbol *f = &m->symbols[i];

		if ((f->kind | 32) == 't' && f->address < code && code - f->address <= f->size && (!best || f->address > best->address))
			best = f;
	}
	if (best)
		text_printf(out, "%s+0x%lx", best->name, (unsigned long)(code - best->address));
	else
		text_puts(out, s->func);
}

/* ---- which caches the live objects of a site are in ------------------------------------------------------------------- */

struct in_cache {
	unsigned	id;
	const char	*cache;
	size_t		size;
	long		objects;
};

struct caches {
	struct in_cache	*of;
	unsigned	nr, room;
};

static void note_cache(void *arg, unsigned id, const char *cache, size_t size, long objects)
{
	struct caches *c = arg;

	if (c->nr < c->room)
		c->of[c->nr++] = (struct in_cache){ id, cache, size, objects };
}

/* Only worth a walk when something is alive. */
static void find_caches(const struct module *m, struct caches *c)
{
	long alive = m->nr_sites ? atomic_read(&ledger_books_sums(m->books)->objects) : 0;

	*c = (struct caches){ .room = alive ? m->nr_sites * 4 : 0 };
	if (alive)
		c->of = kcalloc(c->room, sizeof(*c->of), GFP_KERNEL);
	if (!c->of || ledger_sites_caches(m->first_site, m->nr_sites, note_cache, c))
		c->nr = 0;
}

/* ---- the table -------------------------------------------------------------------------------------------------------- */

static void put_sums(struct text *out, const struct module_sums *s)
{
	text_printf(out, " %ld %ld %ld %ld %ld %ld\n", atomic_read(&s->objects), atomic_read(&s->pages), atomic_read(&s->bytes),
		    atomic_read(&s->peak), atomic_read(&s->calls), atomic_read(&s->total));
}

static void put_site(struct text *out, const struct module *m, unsigned id, const struct caches *c)
{
	const struct module_sums *sums;
	vaddr_t code;
	const struct alloc_site *s = ledger_site_at(id, &sums, &code);
	bool any = false;

	if (!atomic_read(&sums->calls))
		return;
	text_printf(out, "site %s ", m->name);
	put_place(out, m, s, code);
	text_printf(out, " %s:%u ", base_name(s->file), s->line);
	for (unsigned i = 0; i < c->nr; i++)
		if (c->of[i].id == id) {
			text_printf(out, "%s%s=%ld", any ? "," : "", c->of[i].cache, c->of[i].objects);
			any = true;
		}
	if (!any)
		text_putc(out, '-');
	put_sums(out, sums);
}

static void put_module(struct text *out, const struct module *m, const char *state, const struct caches *c)
{
	static const struct module_sums none;
	size_t data = m->part[PART_DATA].size + m->percpu_size * nr_cpus;

	text_printf(out, "module %s %s %zu %zu %zu %zu %zu", m->name, state, m->part[PART_TEXT].size, m->part[PART_RODATA].size,
		    data - min(data, m->bss_size), m->bss_size,
		    m->init_size ? m->init_size : m->part[PART_INIT_TEXT].size + m->part[PART_INIT_DATA].size);
	put_sums(out, m->books ? ledger_books_sums(m->books) : &none);
	for (unsigned i = 0; i < m->nr_sites; i++)
		put_site(out, m, m->first_site + i, c);
}

int module_allocations_text(const struct module *m, struct text *out)
{
	struct caches c;

	find_caches(m, &c);
	for (unsigned i = 0; i < m->nr_sites; i++)
		put_site(out, m, m->first_site + i, &c);
	kfree(c.of);
	return 0;
}

int modules_ledger_text(struct text *out)
{
	struct module *m;
	bool more = true;

	list_for_each(m, &module_list, link) {
		struct caches c;

		find_caches(m, &c);
		put_module(out, m, "live", &c);
		kfree(c.of);
	}
	for (unsigned b = 1; more; b++) {
		const char *gone = ledger_books_report(b, &more);

		if (gone)
			text_puts(out, gone);
	}
	return out->cut ? -ENOMEM : 0;
}

/* ---- at unload -------------------------------------------------------------------------------------------------------- */

static void put_leak(struct text *out, const struct module *m, unsigned id, const struct in_cache *in, bool first)
{
	const struct module_sums *sums;
	vaddr_t code;
	const struct alloc_site *s = ledger_site_at(id, &sums, &code);
	long pages = atomic_read(&sums->pages);

	if (!in && !pages)
		return;
	text_puts(out, first ? "" : ", ");
	if (in)
		text_printf(out, "%ld × %s at ", in->objects, in->cache);
	else
		text_printf(out, "%ld page%s at ", pages, pages == 1 ? "" : "s");
	put_place(out, m, s, code);
	text_printf(out, " (%s:%u)", base_name(s->file), s->line);
}

/* "leaky: 3 objects, 1,216 bytes not freed: 2 × kmalloc-512 at leaky_open+0x2c (leaky.c:41), …, 1 page at …" */
static void put_leaks(struct text *out, const struct module *m, const struct caches *c)
{
	const struct module_sums *sums = ledger_books_sums(m->books);
	long objects = atomic_read(&sums->objects), pages = atomic_read(&sums->pages);
	size_t begin;

	text_printf(out, "%s: ", m->name);
	if (objects) {
		text_printf(out, "%ld object%s, ", objects, objects == 1 ? "" : "s");
		put_grouped(out, (unsigned long)(atomic_read(&sums->bytes) - pages * (long)PAGE_SIZE));
	} else {
		text_printf(out, "%ld page%s, ", pages, pages == 1 ? "" : "s");
		put_grouped(out, (unsigned long)atomic_read(&sums->bytes));
	}
	text_puts(out, " bytes not freed: ");
	begin = out->len;
	for (unsigned i = 0; i < c->nr; i++)
		put_leak(out, m, c->of[i].id, &c->of[i], out->len == begin);
	for (unsigned i = 0; i < m->nr_sites; i++)
		put_leak(out, m, m->first_site + i, NULL, out->len == begin);
}

static void keep_report(struct module *m, const struct caches *c)
{
	struct text kept;

	text_init(&kept, &text_kernel_ops);
	put_module(&kept, m, "gone", c);
	if (!kept.cut && kept.len)
		m->report = kvmalloc(kept.len + 1, GFP_KERNEL | GFP_NOACCOUNT);
	if (m->report) {
		memcpy(m->report, kept.buf, kept.len);
		m->report[kept.len] = '\0';
	}
	text_free(&kept);
}

/* A line of the log holds so much; what is more goes on in the next, behind the module's name. */
static void log_in_pieces(const struct module *m, const char *text)
{
	const char *head = "", *colon = "";

	while (*text) {
		size_t n = strlen(text);

		if (n > 400)
			for (n = 400; n > 1 && strncmp(text + n - 2, ", ", 2); n--)
				;
		if (n <= 1)
			n = min(strlen(text), (size_t)400);
		pr_warn("%s%s%.*s\n", head, colon, (int)n, text);
		text += n;
		head = m->name;
		colon = ": ";
	}
}

void module_report_end(struct module *m)
{
	struct caches c;

	if (!m->books)
		return;
	find_caches(m, &c);
	if (atomic_read(&ledger_books_sums(m->books)->bytes)) {
		struct text line;

		text_init(&line, &text_kernel_ops);
		put_leaks(&line, m, &c);
		log_in_pieces(m, text_str(&line));
		text_free(&line);
	}
	keep_report(m, &c);
	kfree(c.of);
}
