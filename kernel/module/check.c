/*
 * check.c - what the loader found in a module's tables points to where it should.
 *
 * The tables (exports, parameters, call sites, places of STAC and CLAC) are filled by relocations, so a damaged file can make them point anywhere.
 * The kernel reads them, writes through some, and does so without asking later: they are checked once, when all relocations are done.
 */
#include <abi/errno.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include "internal.h"

static bool in(const struct module *m, enum module_part_kind k, vaddr_t a, size_t n)
{
	const struct module_part *p = &m->part[k];

	return a >= p->start && a - p->start <= p->size && n <= p->size - (a - p->start);
}

static bool anywhere(const struct module *m, vaddr_t a)
{
	for (unsigned k = 0; k < NR_PARTS; k++)
		if (in(m, k, a, 1))
			return true;
	return false;
}

/* A string that ends where it should, in a part that stays. */
static bool string_ok(const struct module *m, const char *s)
{
	for (unsigned k = PART_RODATA; k <= PART_DATA; k++) {
		size_t room = m->part[k].size - ((vaddr_t)s - m->part[k].start);

		if (in(m, k, (vaddr_t)s, 1) && strnlen(s, room) < room)
			return true;
	}
	return false;
}

static bool exports_ok(const struct module *m)
{
	for (unsigned i = 0; i < m->nr_exports; i++)
		if (!string_ok(m, m->exports[i].name) || !anywhere(m, m->exports[i].address))
			return false;
	return true;
}

static size_t value_size(const struct module_param *p)
{
	switch (p->kind) {
	case 'b': case 'I': case 'B': return 1;
	case 's': case 'S': return 2;
	case 'i': case 'u': case 'x': return 4;
	case 'l': case 'L': case 'c': return 8;
	default: return 0;
	}
}

static bool ops_ok(const struct module *m, const struct module_param_ops *ops)
{
	if (!in(m, PART_RODATA, (vaddr_t)ops, sizeof(*ops)) && !in(m, PART_DATA, (vaddr_t)ops, sizeof(*ops)))
		return false;
	return (!ops->set || in(m, PART_TEXT, (vaddr_t)ops->set, 1)) && (!ops->get || in(m, PART_TEXT, (vaddr_t)ops->get, 1));
}

/* One value, or each of an array. */
static bool values_ok(const struct module *m, const struct module_param *p)
{
	size_t size = value_size(p);

	if (!size || p->max > MODULE_PARAM_MAX || (p->max && p->step != size) || !in(m, PART_DATA, (vaddr_t)p->value, max(p->max, 1u) * size) ||
	    (p->count && !in(m, PART_DATA, (vaddr_t)p->count, sizeof(*p->count))))
		return false;
	for (unsigned i = 0; p->kind == 'c' && i < max(p->max, 1u); i++) {
		const char *s = ((char **)p->value)[i];

		if (s && !string_ok(m, s))
			return false;
	}
	return true;
}

static bool text_ok(const struct module *m, const struct module_param *p)
{
	return p->max && p->max <= MODULE_PARAM_MAX && in(m, PART_DATA, (vaddr_t)p->value, p->max) && strnlen(p->value, p->max) < p->max;
}

static bool params_ok(const struct module *m)
{
	for (unsigned i = 0; i < m->nr_params; i++) {
		const struct module_param *p = &m->params[i];

		if (!string_ok(m, p->name) || !(p->kind == 'o' ? ops_ok(m, p->ops) : p->kind == 't' ? text_ok(m, p) : values_ok(m, p)))
			return false;
	}
	return true;
}

/* They stand in the ledger's table: what is the ledger's in them is put back. Names that are none go. */
bool module_sites_ok(const struct module *m)
{
	bool ok = true;

	for (unsigned i = 0; i < m->nr_sites; i++) {
		const struct module_sums *sums;
		vaddr_t code;
		struct alloc_site *s = ledger_site_at(m->first_site + i, &sums, &code);

		s->id = (u16)(m->first_site + i);
		s->module = (u16)m->books;
		s->bytes = s->peak_bytes = s->calls = s->credit = 0;
		s->total = 0;
		if (!string_ok(m, s->file) || !string_ok(m, s->func)) {
			s->file = s->func = "?";
			ok = false;
		}
	}
	return ok;
}

static bool smap_sites_ok(const struct module *m, const s32 *sites, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		vaddr_t at = (vaddr_t)&sites[i] + (vaddr_t)(long)sites[i];

		if (!in(m, PART_TEXT, at, 3) && !in(m, PART_INIT_TEXT, at, 3))
			return false;
	}
	return true;
}

int module_check(const struct module *m, const s32 *smap_sites, unsigned n)
{
	if (module_sites_ok(m) && exports_ok(m) && params_ok(m) && smap_sites_ok(m, smap_sites, n))
		return 0;
	pr_err("%s: a table points outside the module\n", m->name);
	return -ENOEXEC;
}
