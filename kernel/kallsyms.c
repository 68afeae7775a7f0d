/*
 * kallsyms.c - names for kernel addresses, from the table that tools/kallsyms.py makes at link time.
 */
#include <arch/layout.h>
#include <arch/page.h>
#include <kernel/module.h>
#include <kernel/panic.h>
#include <kernel/percpu.h>
#include <lib/printf.h>
#include <lib/string.h>

extern const u32 kallsyms_start[];	/* count, offsets[count], marks[count / 16], names */

static u32 count(void)
{
	return kallsyms_start[0];
}

/* Name number i: length byte, kind, characters (not terminated). */
static const u8 *name_at(u32 i)
{
	const u32 *marks = kallsyms_start + 1 + count();
	const u8 *names = (const u8 *)(marks + DIV_ROUND_UP(count(), 16));
	const u8 *p = names + marks[i / 16];

	for (u32 k = i % 16; k; k--)
		p += 1 + p[0];
	return p;
}

/* What the last look-up of this CPU found: good until the caller sleeps. */
struct symbol_text { char name[256]; };
static DEFINE_PER_CPU(struct symbol_text, symbol_text);

const char *kallsyms_lookup(vaddr_t addr, unsigned long *offset, unsigned long *size)
{
	char *name = this_cpu_ptr(symbol_text)->name;
	const u32 *offsets = kallsyms_start + 1;
	u32 lo = 0, hi = count(), at;
	const u8 *p;

	if (addr >= MODULES_BASE && addr < MODULES_END)
		return module_symbol_at(addr, name, sizeof(((struct symbol_text *)0)->name), offset, size);
	if (addr < KERNEL_IMAGE_BASE || !hi || addr - KERNEL_IMAGE_BASE < offsets[0] ||
	    addr - KERNEL_IMAGE_BASE > offsets[hi - 1] + 0x10000)
		return NULL;
	at = (u32)(addr - KERNEL_IMAGE_BASE);
	while (hi - lo > 1) {
		u32 mid = (lo + hi) / 2;

		if (offsets[mid] <= at)
			lo = mid;
		else
			hi = mid;
	}
	p = name_at(lo);
	memcpy(name, p + 2, p[0] - 1);
	name[p[0] - 1] = '\0';
	*offset = at - offsets[lo];
	*size = lo + 1 < count() ? offsets[lo + 1] - offsets[lo] : 0;
	return name;
}

const char *symbol_name(unsigned long addr, unsigned long *offset)
{
	unsigned long size;

	return kallsyms_lookup(addr, offset, &size);
}

/* Symbol number i, in address order; false past the last. */
bool kallsyms_nth(u32 i, vaddr_t *addr, char *type, char *name, size_t size)
{
	const u8 *p;
	size_t n;

	if (i >= count())
		return module_symbol_nth(i - count(), addr, type, name, size);
	p = name_at(i);
	n = min((size_t)p[0] - 1, size - 1);
	memcpy(name, p + 2, n);
	name[n] = '\0';
	*type = p[1];
	*addr = KERNEL_IMAGE_BASE + kallsyms_start[1 + i];
	return true;
}
