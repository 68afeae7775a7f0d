/*
 * vmalloc.c - kernel memory that is contiguous in virtual addresses only: large buffers, kernel stacks, device registers.
 *
 * SHAPE       a red-black tree of areas by address, each augmented with the largest gap before any area of its subtree, so the
 *             lowest gap that fits is found in one descent. Each area is followed by an unmapped guard page (which is
 *             also the guard below the next: kernel stacks grow into it and fault).
 * LIFE        reserve addresses -> map pages -> use -> unmap, pages freed at once -> the addresses wait as `lazy` areas ->
 *             purge: one TLB flush on all CPUs for many areas, then the addresses are free again.
 * INVARIANTS  V1 areas do not overlap and lie inside the space.  V2 no address is handed out while any CPU may still have
 *             an old translation for it.                                                 [vmalloc_audit()]
 * LOCKS       vmalloc_lock (LOCK_VMALLOC) guards tree and counts; pages are mapped and unmapped without it, since an area in the
 *             tree is its holder's alone. Flushes run with nothing locked.
 * STACKS      a few free kernel stacks per CPU stay mapped: fork and exit then touch neither tree nor page tables.
 */
#include <abi/errno.h>
#include <arch/mmu.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/task.h>
#include <lib/rbtree.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include "ledger/charge.h"
#include "ledger/walk.h"

#define LAZY_PAGES	512			/* purge when this many pages of addresses wait */
#define KSTACK_PAGES	(KSTACK_SIZE / PAGE_SIZE)
#define KSTACK_CACHE	4

enum area_kind { AREA_PAGES, AREA_IO, AREA_LAZY };

struct area {
	struct rb_node		node;
	vaddr_t			start, end;	/* end includes the guard page */
	unsigned long		gap;		/* bytes between the area before and this one */
	unsigned long		max_gap;	/* largest gap in the subtree */
	struct alloc_site	*site;
	paddr_t			phys;		/* AREA_IO */
	u8			kind;		/* enum area_kind */
	u8			account;
};

struct kstack_cache {
	unsigned	count;
	void		*stack[KSTACK_CACHE];
};
static DEFINE_PER_CPU(struct kstack_cache, kstack_cache);

static struct rb_root areas;			/* all under vmalloc_lock */
static spinlock_t vmalloc_lock = SPINLOCK_INIT("vmalloc", LOCK_VMALLOC);
static unsigned long nr_lazy_pages;
static struct slab_cache *area_cache;
static vaddr_t space_start, space_end;

/* ---- the tree ------------------------------------------------------------------------------------------------- */

static inline struct area *area_of(struct rb_node *n)
{
	return rb_entry_or_null(n, struct area, node);
}

static void update_gap(struct rb_node *n)
{
	struct area *a = area_of(n), *l = area_of(n->left), *r = area_of(n->right);
	unsigned long m = a->gap;

	if (l && l->max_gap > m)
		m = l->max_gap;
	if (r && r->max_gap > m)
		m = r->max_gap;
	a->max_gap = m;
}

/* The area after `prev` (NULL: the first) has a new neighbour before it. */
static void fix_gap_after(struct area *prev)
{
	struct area *next = area_of(prev ? rb_next(&prev->node) : rb_first(&areas));

	if (!next)
		return;
	next->gap = next->start - (prev ? prev->end : space_start);
	rb_propagate(&next->node, update_gap);
}

static void tree_insert(struct area *a)
{
	struct rb_node **link = &areas.node, *parent = NULL;
	struct area *prev;

	while (*link) {
		parent = *link;
		link = a->start < area_of(parent)->start ? &parent->left : &parent->right;
	}
	a->gap = 0;
	rb_insert_augmented(&areas, &a->node, parent, link, update_gap);
	prev = area_of(rb_prev(&a->node));
	a->gap = a->start - (prev ? prev->end : space_start);
	rb_propagate(&a->node, update_gap);
	fix_gap_after(a);
}

static void tree_remove(struct area *a)
{
	struct area *prev = area_of(rb_prev(&a->node));

	rb_erase_augmented(&areas, &a->node, update_gap);
	fix_gap_after(prev);
}

/* Lowest address with `size` bytes free; 0 when there is none. */
static vaddr_t find_gap(unsigned long size)
{
	struct area *a = area_of(areas.node), *last;

	while (a && a->max_gap >= size) {
		struct area *l = area_of(a->node.left);

		if (l && l->max_gap >= size) {
			a = l;
			continue;
		}
		if (a->gap >= size)
			return a->start - a->gap;
		a = area_of(a->node.right);
	}
	last = area_of(rb_last(&areas));
	if (!last)
		return space_start;
	return space_end - last->end >= size ? last->end : 0;
}

static struct area *find_area(vaddr_t addr)
{
	struct area *a = area_of(areas.node);

	while (a && (addr < a->start || addr >= a->end))
		a = area_of(addr < a->start ? a->node.left : a->node.right);
	return a;
}

/* ---- addresses ------------------------------------------------------------------------------------------------ */

/* Flush all CPUs once and make every lazy area's addresses free again. */
void vmalloc_purge(void)
{
	struct area *a, *list = NULL;
	struct rb_node *n, *next;
	vaddr_t lo = ~0UL, hi = 0;

	/* Take them out of sight of other purges first; the addresses stay in the tree, so nobody gets them yet. */
	spin_lock(&vmalloc_lock);
	for (n = rb_first(&areas); n; n = rb_next(n)) {
		a = area_of(n);
		if (a->kind != AREA_LAZY || a->site)
			continue;
		lo = min(lo, a->start);
		hi = max(hi, a->end);
		a->site = (struct alloc_site *)a;	/* marks it as ours */
		a->phys = (paddr_t)(uintptr_t)list;
		list = a;
	}
	nr_lazy_pages = 0;
	spin_unlock(&vmalloc_lock);
	if (!list)
		return;
	tlb_flush_kernel(lo, hi);
	spin_lock(&vmalloc_lock);
	for (a = list; a; a = (struct area *)(uintptr_t)a->phys)
		tree_remove(a);
	spin_unlock(&vmalloc_lock);
	for (; list; list = (struct area *)next) {
		next = (struct rb_node *)(uintptr_t)list->phys;
		slab_free(area_cache, list);
	}
}

static struct area *reserve(size_t size, gfp_t gfp, struct alloc_site *site)
{
	struct area *a = slab_alloc(area_cache, (gfp & ~(GFP_ZERO | GFP_MOVABLE)) | GFP_NOACCOUNT);

	if (!a)
		return NULL;
	for (unsigned attempt = 0; attempt < 2; attempt++) {
		spin_lock(&vmalloc_lock);
		a->start = find_gap(size + PAGE_SIZE);
		if (a->start) {
			a->end = a->start + size + PAGE_SIZE;
			a->site = site;
			a->kind = AREA_PAGES;
			tree_insert(a);
		}
		spin_unlock(&vmalloc_lock);
		if (a->start)
			return a;
		vmalloc_purge();
	}
	slab_free(area_cache, a);
	return NULL;
}

/* Pages are unmapped; the addresses rest until the next purge. */
static void retire(struct area *a)
{
	bool full;

	spin_lock(&vmalloc_lock);
	a->kind = AREA_LAZY;
	a->site = NULL;
	nr_lazy_pages += (a->end - a->start) >> PAGE_SHIFT;
	full = nr_lazy_pages > LAZY_PAGES;
	spin_unlock(&vmalloc_lock);
	if (full)
		vmalloc_purge();
}

/* ---- pages ---------------------------------------------------------------------------------------------------- */

static void unmap_pages(struct area *a)
{
	struct page *batch[16];
	unsigned n = 0;

	for (vaddr_t v = a->start; v < a->end - PAGE_SIZE; v += PAGE_SIZE) {
		pte_t old = kernel_unmap_page(v);

		if (!pte_present(old) || a->kind != AREA_PAGES)
			continue;
		batch[n++] = pfn_to_page(pte_pfn(old));
		if (n == ARRAY_SIZE(batch)) {
			page_put_bulk(batch, n);
			n = 0;
		}
	}
	page_put_bulk(batch, n);
}

static int map_pages(struct area *a, gfp_t gfp)
{
	struct page *batch[16];
	vaddr_t v = a->start, end = a->end - PAGE_SIZE;

	while (v < end) {
		unsigned want = (unsigned)min((unsigned long)ARRAY_SIZE(batch), (end - v) >> PAGE_SHIFT);
		unsigned got = page_alloc_bulk_at(gfp & ~GFP_MOVABLE, a->account, want, batch, a->site), i;

		for (i = 0; i < got; i++, v += PAGE_SIZE)
			if (kernel_map_page(v, page_to_pfn(batch[i]), PROT_KERNEL_RW))
				break;
		if (i < got)
			page_put_bulk(batch + i, got - i);
		if (!got || i < got)
			return -ENOMEM;
	}
	return 0;
}

void *vmalloc_at(size_t size, gfp_t gfp, enum account account, struct alloc_site *site)
{
	struct area *a;

	size = PAGE_ALIGN(size);
	if (!size || size >> PAGE_SHIFT > nr_total_pages())
		return NULL;
	a = reserve(size, gfp, site);
	if (!a)
		return NULL;
	a->account = (u8)account;
	if (map_pages(a, gfp)) {
		unmap_pages(a);
		retire(a);
		return NULL;
	}
	return (void *)a->start;
}

void vfree(const void *p)
{
	struct area *a;

	if (!p)
		return;
	spin_lock(&vmalloc_lock);
	a = find_area((vaddr_t)p);
	spin_unlock(&vmalloc_lock);
	if (!a || a->start != (vaddr_t)p || a->kind == AREA_LAZY)
		panic("vfree of %p, which vmalloc never gave out", p);
	unmap_pages(a);
	retire(a);
}

bool is_vmalloc_addr(const void *p)
{
	return (vaddr_t)p >= space_start && (vaddr_t)p < space_end;
}

struct page *vmalloc_to_page(const void *p)
{
	pte_t *e = is_vmalloc_addr(p) ? kernel_pte((vaddr_t)p) : NULL;

	return e && pte_present(*e) ? pfn_to_page(pte_pfn(*e)) : NULL;
}

/* ---- kernel stacks -------------------------------------------------------------------------------------------- */

/*
 * The lowest words of a stack in use say who pays for it, and that nothing has run down to them. Its frames name the
 * machine; the ledger shifts what they cost when the stack changes hands, without a look at the page tables.
 */
#define STACK_MAGIC	0x5afe57ac00000000ull

static void *stack_hand_out(void *stack)
{
	owner_t owner = current->owner;

	*(u64 *)stack = STACK_MAGIC | owner;
	ledger_owner_shift(OWNER_MACHINE, owner, KSTACK_PAGES);
	vm_stat_add(NR_KSTACK_PAGES, KSTACK_PAGES);
	return stack;
}

void *kstack_alloc_at(struct alloc_site *site)
{
	struct kstack_cache *c;
	void *s;

	if (unlikely(memcg_count) && !memcg_may_charge(current->owner, KSTACK_PAGES, GFP_KERNEL, 0))
		return NULL;
	c = this_cpu_ptr(kstack_cache);			/* that may have slept */
	if (c->count && !atomic_read(&alloc_fail_countdown))
		return stack_hand_out(c->stack[--c->count]);
	s = vmalloc_at(KSTACK_SIZE, GFP_KERNEL | GFP_NOACCOUNT, ACCT_KSTACK, site);
	return s ? stack_hand_out(s) : NULL;
}

void kstack_free(void *stack)
{
	struct kstack_cache *c = this_cpu_ptr(kstack_cache);
	u64 word;

	if (!stack)
		return;
	word = *(u64 *)stack;
	if ((word & ~0xffffull) != STACK_MAGIC)
		panic("the kernel stack at %p overflowed", stack);
	*(u64 *)stack = 0;
	ledger_owner_shift((owner_t)word, OWNER_MACHINE, KSTACK_PAGES);
	vm_stat_add(NR_KSTACK_PAGES, -(long)KSTACK_PAGES);
	if (c->count < (nr_total_pages() < 16384 ? 1 : KSTACK_CACHE))
		c->stack[c->count++] = stack;
	else
		vfree(stack);
}

/* Give cached stacks of this CPU back. */
void kstack_cache_drain(void)
{
	struct kstack_cache *c = this_cpu_ptr(kstack_cache);

	while (c->count)
		vfree(c->stack[--c->count]);
}

void vmalloc_init_cpu(unsigned cpu)
{
	per_cpu_ptr(kstack_cache, cpu)->count = 0;
}

/* ---- devices -------------------------------------------------------------------------------------------------- */

void *ioremap(paddr_t pa, size_t size, pgprot_t prot)
{
	unsigned long offset = pa & (PAGE_SIZE - 1);
	size_t len = PAGE_ALIGN(size + offset);
	struct area *a;

	if (!size)
		return NULL;
	a = reserve(len, GFP_KERNEL, ALLOC_SITE());
	if (!a)
		return NULL;
	a->kind = AREA_IO;
	a->phys = pa - offset;
	for (size_t o = 0; o < len; o += PAGE_SIZE)
		if (kernel_map_page(a->start + o, (pfn_t)((a->phys + o) >> PAGE_SHIFT), prot)) {
			unmap_pages(a);
			retire(a);
			return NULL;
		}
	return (void *)(a->start + offset);
}

void iounmap(void *p)
{
	if (p)
		vfree((void *)((vaddr_t)p & ~(PAGE_SIZE - 1)));
}

/* ---- reports -------------------------------------------------------------------------------------------------- */

/* Copy of the first area at or after addr; printing may sleep, so it happens without the lock. */
static bool area_at_or_after(vaddr_t addr, struct area *out)
{
	struct area *a, *best = NULL;

	spin_lock(&vmalloc_lock);
	for (a = area_of(areas.node); a; a = area_of(a->start >= addr ? a->node.left : a->node.right))
		if (a->start >= addr)
			best = a;
	if (best)
		*out = *best;
	spin_unlock(&vmalloc_lock);
	return best != NULL;
}

int vmalloc_report(struct text *out)
{
	struct area a;

	for (vaddr_t at = 0; area_at_or_after(at, &a); at = a.end) {
		unsigned long len = a.end - a.start;

		text_printf(out, "0x%016lx-0x%016lx %7lu ", a.start, a.end, len);
		if (a.kind == AREA_LAZY)
			text_printf(out, "unpurged vm_area\n");
		else if (a.kind == AREA_IO)
			text_printf(out, "%s phys=0x%016llx ioremap\n", a.site->func, (unsigned long long)a.phys);
		else
			text_printf(out, "%s pages=%lu vmalloc\n", a.site->func, (len >> PAGE_SHIFT) - 1);
	}
	return out->cut ? -ENOMEM : 0;
}

/* For the audit: each mapped page of each area, and the areas' own rules. */
void vmalloc_walk(struct audit *audit, void (*page)(struct audit *a, struct page *p, enum account account),
		  void (*stack)(struct audit *a, owner_t owner, long frames))
{
	vaddr_t last = space_start;
	unsigned long bad = 0, lazy = 0;

	for (struct rb_node *n = rb_first(&areas); n; n = rb_next(n)) {
		const struct area *a = area_of(n);

		bad += a->start < last || a->end > space_end || a->gap != a->start - last;
		last = a->end;
		if (a->kind == AREA_LAZY)
			lazy += (a->end - a->start) >> PAGE_SHIFT;
		if (a->kind == AREA_PAGES && a->account == ACCT_KSTACK && a->site &&
		    (*(u64 *)a->start & ~0xffffull) == STACK_MAGIC)
			stack(audit, (owner_t)*(u64 *)a->start, KSTACK_PAGES);
		for (vaddr_t v = a->start; a->kind == AREA_PAGES && v < a->end - PAGE_SIZE; v += PAGE_SIZE) {
			struct page *p = vmalloc_to_page((void *)v);

			if (p)
				page(audit, p, a->account);
		}
	}
	audit_expect(audit, "vmalloc areas out of order", 0, (long)bad);
	audit_expect(audit, "vmalloc lazy pages", (long)nr_lazy_pages, (long)lazy);
}

/* How much of an object of this cache leads to others? The tree keeps areas alive, not the memory they describe. */
size_t vmalloc_area_links(const struct slab_cache *c)
{
	return c == area_cache ? sizeof(struct rb_node) : 0;
}

void vmalloc_for_each(void (*fn)(void *arg, vaddr_t start, vaddr_t end), void *arg)
{
	spin_lock(&vmalloc_lock);
	for (struct rb_node *n = rb_first(&areas); n; n = rb_next(n)) {
		const struct area *a = area_of(n);

		if (a->kind == AREA_PAGES && a->account == ACCT_VMALLOC && vmalloc_to_page((void *)a->start))
			fn(arg, a->start, a->end - PAGE_SIZE);
	}
	spin_unlock(&vmalloc_lock);
}

void vmalloc_init(void)
{
	areas = (struct rb_root)RB_ROOT_INIT;
	nr_lazy_pages = 0;
	space_start = vmalloc_base + PAGE_SIZE;		/* the first area has a guard below, too */
	space_end = arch_vmalloc_end();
	area_cache = slab_cache_create("vmap_area", sizeof(struct area), 0, SLAB_PANIC, NULL);
}
