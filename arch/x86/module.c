/*
 * module.c - memory for modules: within 2 GiB of the kernel's image, as its code model wants.
 */
#include <abi/errno.h>
#include <arch/cpu.h>
#include <arch/layout.h>
#include <arch/mmu.h>
#include <arch/trap.h>
#include <kernel/lock.h>
#include <kernel/module.h>
#include <lib/string.h>
#include <mm/page_alloc.h>

#define MAX_AREAS	256

/* Taken stretches, sorted; each is followed by a page that stays unmapped. Guarded by area_lock. */
static struct { vaddr_t start; size_t pages; } areas[MAX_AREAS];
static unsigned nr_areas;
static struct mutex area_lock = MUTEX_INIT(area_lock, "module area", LOCK_SLEEP_LEAF);

struct ex_entry { s32 from, to; };

static vaddr_t area_take(size_t pages)
{
	vaddr_t at = MODULES_BASE;
	unsigned i;

	for (i = 0; i < nr_areas && areas[i].start - at < (pages + 1) * PAGE_SIZE; i++)
		at = areas[i].start + (areas[i].pages + 1) * PAGE_SIZE;
	if (nr_areas == MAX_AREAS || at + (pages + 1) * PAGE_SIZE > MODULES_END)
		return 0;
	memmove(&areas[i + 1], &areas[i], (nr_areas - i) * sizeof(areas[0]));
	areas[i].start = at;
	areas[i].pages = pages;
	nr_areas++;
	return at;
}

static void area_give(vaddr_t start)
{
	for (unsigned i = 0; i < nr_areas; i++) {
		if (areas[i].start == start) {
			memmove(&areas[i], &areas[i + 1], (nr_areas - i - 1) * sizeof(areas[0]));
			nr_areas--;
			return;
		}
	}
}

static void unmap_pages(vaddr_t start, size_t pages)
{
	for (size_t n = 0; n < pages; n++) {
		pte_t old = kernel_unmap_page(start + n * PAGE_SIZE);

		if (!pte_none(old)) {
			tlb_flush_kernel(start + n * PAGE_SIZE, start + (n + 1) * PAGE_SIZE);
			page_free(pfn_to_page(pte_pfn(old)), 0);
		}
	}
}

int module_part_alloc(struct module_part *p)
{
	size_t pages = PAGE_ALIGN(p->size) / PAGE_SIZE, n;

	p->start = 0;
	if (!pages)
		return 0;
	mutex_lock(&area_lock);
	p->start = area_take(pages);
	for (n = 0; p->start && n < pages; n++) {
		struct page *page = page_alloc(GFP_KERNEL | GFP_ZERO | GFP_NOACCOUNT, 0, ACCT_MODULE);

		if (!page || kernel_map_page(p->start + n * PAGE_SIZE, page_to_pfn(page), PROT_KERNEL_RW)) {
			if (page)
				page_free(page, 0);
			unmap_pages(p->start, n);
			area_give(p->start);
			p->start = 0;
		}
	}
	mutex_unlock(&area_lock);
	return p->start ? 0 : -ENOMEM;
}

void module_part_free(struct module_part *p)
{
	if (!p->start)
		return;
	mutex_lock(&area_lock);
	unmap_pages(p->start, PAGE_ALIGN(p->size) / PAGE_SIZE);
	area_give(p->start);
	mutex_unlock(&area_lock);
	p->start = 0;
}

void module_part_protect(const struct module_part *p, enum module_part_kind kind)
{
	pgprot_t prot = kind == PART_TEXT || kind == PART_INIT_TEXT ? PROT_KERNEL_RX :
			kind == PART_RODATA ? PROT_KERNEL_RO : PROT_KERNEL_RW;

	for (size_t off = 0; off < p->size; off += PAGE_SIZE) {
		pte_t *e = kernel_pte(p->start + off);

		pte_set(e, pte_make(pte_pfn(*e), prot));
	}
	if (p->size)
		tlb_flush_kernel(p->start, p->start + PAGE_ALIGN(p->size));
}

void module_patch_user_access(s32 *sites, unsigned n)
{
	static const u8 nop3[] = { 0x0f, 0x1f, 0x00 };

	for (unsigned i = 0; i < n && !cpu_features.smap; i++)
		memcpy((char *)&sites[i] + sites[i], nop3, sizeof(nop3));
}

/* ---- per-CPU variables -------------------------------------------------------------------------------------------------- */

#define PERCPU_GRAIN	64
static u64 percpu_taken;		/* a bit for each grain of the room; area_lock */
static_assert(64 * PERCPU_GRAIN == 4096, "kernel.lds.S leaves so much");

vaddr_t module_percpu_alloc(size_t size, size_t align)
{
	size_t n = DIV_ROUND_UP(size, PERCPU_GRAIN);
	u64 want = n < 64 ? BIT(n) - 1 : ~0ull;
	vaddr_t at = 0;

	if (!n || n > 64 || align > PERCPU_GRAIN)
		return 0;
	mutex_lock(&area_lock);
	for (unsigned i = 0; i + n <= 64 && !at; i++) {
		if (percpu_taken & want << i)
			continue;
		percpu_taken |= want << i;
		at = (vaddr_t)percpu_modules + i * PERCPU_GRAIN;
	}
	mutex_unlock(&area_lock);
	return at;
}

void module_percpu_free(vaddr_t at, size_t size)
{
	size_t n = DIV_ROUND_UP(size, PERCPU_GRAIN);
	u64 want = n < 64 ? BIT(n) - 1 : ~0ull;

	mutex_lock(&area_lock);
	percpu_taken &= ~(want << (at - (vaddr_t)percpu_modules) / PERCPU_GRAIN);
	mutex_unlock(&area_lock);
}

/* The exception table of the module an instruction belongs to. */
bool trap_fixup_module(struct trapframe *f)
{
	struct module *m = module_of(f->ip);

	for (unsigned i = 0; m && i < m->nr_ex; i++) {
		const struct ex_entry *e = &m->ex_table[i];

		if ((unsigned long)&e->from + e->from == f->ip) {
			f->ip = (unsigned long)&e->to + e->to;
			return true;
		}
	}
	return false;
}
