/*
 * pgtable.h - page-table entries of x86 in long mode: the pure half. Only arithmetic on memory; nothing privileged.
 *
 * One entry type serves every level, since the hardware uses one format: level 1 is the page table proper, level
 * pt_levels the root. An entry of a higher level either points to the next table or, with the huge bit, maps 2 MiB
 * (level 2) or 1 GiB (level 3).
 *
 *	63  62..59 58..52 51 ....... 12  11 10 9      8      7     6      5        4   3   2    1     0
 *	NX  pkey   soft   frame number   soft: special  global  huge  dirty accessed PCD PWT user write present
 *
 * PROT_NONE keeps the frame in an entry that the hardware sees as absent: present clear, global set. Everything else that
 * is neither present nor zero is a swap entry: bits 2-7 hold the type's six bits, bits 9-63 the offset, bit 1 soft dirty.
 *
 * arch/host uses this file as it is.
 */
#ifndef ARCH_PGTABLE_H
#define ARCH_PGTABLE_H

#include <arch/page.h>
#include <lib/atomic.h>
#include <lib/types.h>
#include <mm/swap.h>

typedef struct { u64 v; } pte_t;
typedef pte_t pgd_t;			/* what a root table consists of */
typedef struct { u64 v; } pgprot_t;

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_WRITE	BIT_ULL(1)
#define PTE_USER	BIT_ULL(2)
#define PTE_PWT		BIT_ULL(3)
#define PTE_PCD		BIT_ULL(4)
#define PTE_ACCESSED	BIT_ULL(5)
#define PTE_DIRTY	BIT_ULL(6)
#define PTE_HUGE	BIT_ULL(7)		/* levels 2 and 3 */
#define PTE_GLOBAL	BIT_ULL(8)
#define PTE_SPECIAL	BIT_ULL(9)		/* no struct page behind it, or none that is counted: zero page, device memory */
#define PTE_SOFT_DIRTY	BIT_ULL(10)
#define PTE_SWAP_SOFT_DIRTY BIT_ULL(1)	/* of a swap entry */
#define PTE_NX		BIT_ULL(63)
#define PTE_FRAME	0x000ffffffffff000ULL
#define PTE_PROTNONE	PTE_GLOBAL	/* when not present */

#define PT_ENTRIES	512
#define PT_SHIFT(level)	(PAGE_SHIFT + 9 * ((level) - 1))
#define PT_SIZE(level)	(1UL << PT_SHIFT(level))		/* bytes one entry of this level covers */
#define PT_INDEX(addr, level)	(((addr) >> PT_SHIFT(level)) & (PT_ENTRIES - 1))

extern unsigned pt_levels;		/* 4, or 5 with LA57; 3 on the 32-bit host; constant after boot */
extern u64 pte_nx_mask;			/* PTE_NX, or 0 on CPUs without it */

/* Kernel mappings. */
#define PROT_K(bits)	((pgprot_t){ PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL | (bits) })
#define PROT_KERNEL_RW	PROT_K(PTE_WRITE | pte_nx_mask)
#define PROT_KERNEL_RO	PROT_K(pte_nx_mask)
#define PROT_KERNEL_RX	PROT_K(0)
#define PROT_KERNEL_IO	PROT_K(PTE_WRITE | PTE_PCD | PTE_PWT | pte_nx_mask)
#define PROT_KERNEL_WC	PROT_K(PTE_WRITE | PTE_PWT | pte_nx_mask)
#define PROT_KERNEL_WT	PROT_K(PTE_WRITE | PTE_HUGE | PTE_PCD | PTE_PWT | pte_nx_mask)	/* in a last-level entry that bit is PAT */

/* What a user area's permissions become. Write permission in a private area is added by the fault, after copying. */
static inline pgprot_t pgprot_user(bool read, bool write, bool exec)
{
	if (!read && !write && !exec)
		return (pgprot_t){ PTE_PROTNONE | PTE_USER | pte_nx_mask };
	return (pgprot_t){ PTE_PRESENT | PTE_USER | (write ? PTE_WRITE : 0) | (exec ? 0 : pte_nx_mask) };
}
/* Caching by the CPU's table (arch/x86/desc.c): 0 cached, PWT write-combining, PCD|PWT none. */
static inline pgprot_t pgprot_noncached(pgprot_t p)
{
	return (pgprot_t){ p.v | PTE_PCD | PTE_PWT };
}
static inline pgprot_t pgprot_uncached(pgprot_t p)
{
	return pgprot_noncached(p);
}
static inline pgprot_t pgprot_writecombine(pgprot_t p)
{
	return (pgprot_t){ (p.v & ~PTE_PCD) | PTE_PWT };
}

static inline pte_t pte_make(pfn_t pfn, pgprot_t prot)
{
	return (pte_t){ ((u64)pfn << PAGE_SHIFT) | prot.v };
}

static inline bool pte_none(pte_t e)	{ return !e.v; }
/* A frame stands in it, whether or not the hardware may use it. */
static inline bool pte_present(pte_t e)	{ return e.v & (PTE_PRESENT | PTE_PROTNONE); }
static inline bool pte_hw_present(pte_t e) { return e.v & PTE_PRESENT; }
static inline bool pte_protnone(pte_t e) { return (e.v & (PTE_PRESENT | PTE_PROTNONE)) == PTE_PROTNONE; }
static inline bool pte_swap(pte_t e)	{ return e.v && !pte_present(e); }
static inline bool pte_write(pte_t e)	{ return e.v & PTE_WRITE; }
static inline bool pte_exec(pte_t e)	{ return !(e.v & PTE_NX); }
static inline bool pte_dirty(pte_t e)	{ return e.v & PTE_DIRTY; }
static inline bool pte_young(pte_t e)	{ return e.v & PTE_ACCESSED; }
static inline bool pte_special(pte_t e)	{ return e.v & PTE_SPECIAL; }
static inline bool pte_huge(pte_t e)	{ return e.v & PTE_HUGE; }
static inline bool pte_same(pte_t a, pte_t b) { return a.v == b.v; }
static inline pfn_t pte_pfn(pte_t e)	{ return (e.v & PTE_FRAME) >> PAGE_SHIFT; }

static inline pte_t pte_mkwrite(pte_t e)	{ return (pte_t){ e.v | PTE_WRITE }; }
static inline pte_t pte_wrprotect(pte_t e)	{ return (pte_t){ e.v & ~PTE_WRITE }; }
static inline pte_t pte_mkdirty(pte_t e)	{ return (pte_t){ e.v | PTE_DIRTY | PTE_SOFT_DIRTY }; }
static inline pte_t pte_mkclean(pte_t e)	{ return (pte_t){ e.v & ~PTE_DIRTY }; }
/* Written since clear_refs last asked; a swap entry remembers it too. */
static inline bool pte_soft_dirty(pte_t e)
{
	return e.v & (pte_present(e) ? PTE_SOFT_DIRTY : PTE_SWAP_SOFT_DIRTY);
}
static inline pte_t pte_mksoft_dirty(pte_t e)
{
	return (pte_t){ e.v | (pte_present(e) ? PTE_SOFT_DIRTY : PTE_SWAP_SOFT_DIRTY) };
}
static inline pte_t pte_mksoft_clean(pte_t e)
{
	return (pte_t){ e.v & ~(u64)(pte_present(e) ? PTE_SOFT_DIRTY : PTE_SWAP_SOFT_DIRTY) };
}
static inline pte_t pte_mkyoung(pte_t e)	{ return (pte_t){ e.v | PTE_ACCESSED }; }
static inline pte_t pte_mkold(pte_t e)		{ return (pte_t){ e.v & ~PTE_ACCESSED }; }
static inline pte_t pte_mkspecial(pte_t e)	{ return (pte_t){ e.v | PTE_SPECIAL }; }

/* Same frame, same accessed, dirty and special state, other permissions. */
static inline pte_t pte_modify(pte_t e, pgprot_t prot)
{
	u64 keep = PTE_FRAME | PTE_ACCESSED | PTE_DIRTY | PTE_SPECIAL | PTE_SOFT_DIRTY | PTE_PCD | PTE_PWT;

	return (pte_t){ (e.v & keep) | (prot.v & ~(u64)PTE_FRAME) };
}

static inline pte_t pte_from_swp(swp_entry_t s)
{
	return (pte_t){ (u64)swp_type(s) << 2 | swp_offset(s) << 9 };
}
static inline swp_entry_t pte_to_swp(pte_t e)
{
	return swp_make((e.v >> 2) & 63, e.v >> 9);
}

/* Access. Tables are shared with the hardware, which sets accessed and dirty bits by itself. */
static inline pte_t pte_read(const pte_t *p)
{
	return (pte_t){ READ_ONCE(p->v) };
}
static inline void pte_set(pte_t *p, pte_t e)
{
	WRITE_ONCE(p->v, e.v);
}
static inline pte_t pte_xchg(pte_t *p, pte_t e)		/* returns the old entry: no accessed or dirty bit is lost */
{
	return (pte_t){ xchg(&p->v, e.v) };
}
static inline bool pte_cmpxchg(pte_t *p, pte_t old, pte_t e)
{
	return __atomic_compare_exchange_n(&p->v, &old.v, e.v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Entries that point to the next table. Permissive: the level-1 entries decide. */
static inline pte_t pt_entry_user(paddr_t table)
{
	return (pte_t){ table | PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED };
}
static inline pte_t pt_entry_kernel(paddr_t table)
{
	return (pte_t){ table | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED };
}
static inline paddr_t pt_entry_paddr(pte_t e)
{
	return e.v & PTE_FRAME;
}
static inline pte_t *pt_entry_virt(pte_t e)		/* the table it points to */
{
	return (pte_t *)(uintptr_t)(page_offset_base + pt_entry_paddr(e));
}
static inline pte_t *pt_offset(pte_t *table, vaddr_t addr, unsigned level)
{
	return table + PT_INDEX(addr, level);
}

/* The end of the stretch one entry of this level covers, or `end` when that is nearer. */
static inline vaddr_t pt_next(vaddr_t addr, vaddr_t end, unsigned level)
{
	vaddr_t next = (addr + PT_SIZE(level)) & ~(PT_SIZE(level) - 1);

	return next - 1 < end - 1 ? next : end;
}

/* Entries of the root that belong to user space: half of 512, or three of the four that 32-bit addresses reach (PAE). */
#define PT_USER_ENTRIES	(sizeof(long) == 8 ? 256u : 3u)

#endif
