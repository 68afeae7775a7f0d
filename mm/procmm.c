/*
 * procmm.c - what an address space looks like: /proc/PID/maps, smaps, smaps_rollup, pagemap, clear_refs.
 *
 * All of it is read off the areas and the page table while mmap_lock is held for reading; no counter is kept for it.
 * A page's proportional share (PSS) is its size divided by the entries that map it, summed in 1/4096 of a byte so that the shares
 * of all processes add up.
 *
 * LINUX       formats to the column: proc(5), fs/proc/task_mmu.c
 */
#include "internal.h"

#include <abi/capability.h>
#include <kernel/cred.h>
#include <lib/text.h>

#define NAME_COLUMN	73	/* where Linux puts the name of an area */
#define PSS_SHIFT	12

/* ---- maps ---- */

static bool covers_heap(const struct vma *v)
{
	return v->start <= v->mm->brk && v->end >= v->mm->start_brk;
}

static bool covers_stack(const struct vma *v)
{
	return v->start <= v->mm->start_stack && v->end >= v->mm->start_stack;
}

/* The name of an area without a file, or NULL. */
static const char *area_name(struct vma *v)
{
	if (v->ops && v->ops->name)
		return v->ops->name(v);
	if (v->flags & VM_SPECIAL_NAME)
		return v->name;
	if (v->mapping)
		return "/dev/zero (deleted)";
	if (covers_heap(v))
		return "[heap]";
	if (covers_stack(v))
		return "[stack]";
	return NULL;
}

/* The line of maps, which also heads each block of smaps. */
static void report_header(struct vma *v, struct text *out)
{
	u32 major = 0, minor = 0;
	u64 ino = 0;
	const char *name;

	if (v->file)
		file_dev_inode(v->file, &major, &minor, &ino);
	else if (shmem_anon_name(v, &ino))
		minor = 1;
	text_printf(out, "%08lx-%08lx %c%c%c%c %08llx %02x:%02x %llu ", v->start, v->end, v->flags & VM_READ ? 'r' : '-',
		    v->flags & VM_WRITE ? 'w' : '-', v->flags & VM_EXEC ? 'x' : '-', v->flags & VM_MAYSHARE ? 's' : 'p',
		    v->file || v->mapping ? (unsigned long long)v->pgoff << PAGE_SHIFT : 0ULL, major, minor,
		    (unsigned long long)ino);
	name = v->file && !(v->ops && v->ops->name) ? NULL : area_name(v);
	if (v->file || name)
		text_pad_to(out, NAME_COLUMN);
	if (name)
		text_puts(out, name);
	else if (v->file)
		file_path_text(v->file, out);
	text_putc(out, '\n');
}

/* ---- smaps ---- */

struct smaps {			/* bytes, but for the pss_* in 1/4096 */
	u64	size, rss, shared_clean, shared_dirty, private_clean, private_dirty, referenced, anonymous, lazy_free, swap, locked;
	u64	pss, pss_dirty, pss_anon, pss_file, pss_shmem, swap_pss;
};

static void smaps_page(struct smaps *s, const struct page *p, pte_t e, bool locked)
{
	bool dirty = pte_dirty(e) || page_test(p, PG_DIRTY);
	int users = max(page_mapcount(p), 1);
	u64 share = ((u64)PAGE_SIZE << PSS_SHIFT) / (u64)users;

	s->rss += PAGE_SIZE;
	s->pss += share;
	if (dirty)
		s->pss_dirty += share;
	if (page_is_anon(p)) {
		s->anonymous += PAGE_SIZE;
		if (!page_test(p, PG_SWAPBACKED) && !dirty)
			s->lazy_free += PAGE_SIZE;
		s->pss_anon += share;
	} else if (page_test(p, PG_SWAPBACKED)) {
		s->pss_shmem += share;
	} else {
		s->pss_file += share;
	}
	if (pte_young(e) || page_test(p, PG_REFERENCED))
		s->referenced += PAGE_SIZE;
	if (users > 1)
		*(dirty ? &s->shared_dirty : &s->shared_clean) += PAGE_SIZE;
	else
		*(dirty ? &s->private_dirty : &s->private_clean) += PAGE_SIZE;
	if (locked)
		s->locked += share >> PSS_SHIFT;
}

static void smaps_table(struct smaps *s, struct vma *v, pte_t *table, vaddr_t addr, vaddr_t end)
{
	pte_t *pte = pt_offset(table, addr, 1);
	spinlock_t *ptl = pt_lock_of(pte);

	spin_lock(ptl);
	for (; addr < end; addr += PAGE_SIZE, pte++) {
		pte_t e = pte_read(pte);

		if (pte_present(e) && !pte_special(e)) {
			smaps_page(s, pfn_to_page(pte_pfn(e)), e, v->flags & VM_LOCKED);
		} else if (pte_swap(e) && swp_type(pte_to_swp(e)) < MAX_SWAPFILES) {
			s->swap += PAGE_SIZE;
			s->swap_pss += ((u64)PAGE_SIZE << PSS_SHIFT) / max(swap_entry_uses(pte_to_swp(e)), 1u);
		}
	}
	spin_unlock(ptl);
}

static void smaps_area(struct smaps *s, struct vma *v)
{
	vaddr_t at = v->start, stop;
	pte_t *table;

	s->size += v->end - v->start;
	pt_for_each_table(v->mm, table, at, v->end, stop)
		smaps_table(s, v, table, at, stop);
}

/* What smaps_table() counts, but for the few sums that a process's record keeps: it is made while the program waits. */
static void sum_table(struct mm_area_sum *s, pte_t *table, vaddr_t addr, vaddr_t end)
{
	pte_t *pte = pt_offset(table, addr, 1);
	spinlock_t *ptl = pt_lock_of(pte);
	u64 rss = 0, unique = 0, anonymous = 0, shares = 0;

	spin_lock(ptl);
	for (; addr < end; addr += PAGE_SIZE, pte++) {
		pte_t e = pte_read(pte);

		if (pte_present(e) && !pte_special(e)) {
			const struct page *p = pfn_to_page(pte_pfn(e));
			int users = page_mapcount(p);

			rss++;
			anonymous += page_is_anon(p);
			if (likely(users <= 1))
				unique++;
			else
				shares += ((u64)PAGE_SIZE << PSS_SHIFT) / (u64)users;
		} else if (pte_swap(e) && swp_type(pte_to_swp(e)) < MAX_SWAPFILES) {
			s->swap += PAGE_SIZE;
		}
	}
	spin_unlock(ptl);
	s->rss += rss * PAGE_SIZE;
	s->uss += unique * PAGE_SIZE;
	s->anonymous += anonymous * PAGE_SIZE;
	s->pss += (unique * PAGE_SIZE << PSS_SHIFT) + shares;
}

void mm_for_each_area(struct mm *mm, void (*fn)(void *arg, struct vma *v, const char *name, const struct mm_area_sum *s), void *arg)
{
	for (struct vma *v = vma_first(mm); v; v = vma_next(v)) {
		struct mm_area_sum sum = { 0 };
		vaddr_t at = v->start, stop;
		pte_t *table;

		pt_for_each_table(mm, table, at, v->end, stop)
			sum_table(&sum, table, at, stop);
		sum.pss >>= PSS_SHIFT;
		fn(arg, v, v->file && !(v->ops && v->ops->name) ? NULL : area_name(v), &sum);
	}
}

static void kb_line(struct text *out, const char *name, u64 bytes)
{
	text_printf(out, "%-16s%8llu kB\n", name, (unsigned long long)(bytes >> 10));
}

static void smaps_body(struct text *out, const struct smaps *s, bool rollup)
{
	kb_line(out, "Rss:", s->rss);
	kb_line(out, "Pss:", s->pss >> PSS_SHIFT);
	kb_line(out, "Pss_Dirty:", s->pss_dirty >> PSS_SHIFT);
	if (rollup) {
		kb_line(out, "Pss_Anon:", s->pss_anon >> PSS_SHIFT);
		kb_line(out, "Pss_File:", s->pss_file >> PSS_SHIFT);
		kb_line(out, "Pss_Shmem:", s->pss_shmem >> PSS_SHIFT);
	}
	kb_line(out, "Shared_Clean:", s->shared_clean);
	kb_line(out, "Shared_Dirty:", s->shared_dirty);
	kb_line(out, "Private_Clean:", s->private_clean);
	kb_line(out, "Private_Dirty:", s->private_dirty);
	kb_line(out, "Referenced:", s->referenced);
	kb_line(out, "Anonymous:", s->anonymous);
	kb_line(out, "LazyFree:", s->lazy_free);
	/* No huge pages exist here: true zeroes. */
	kb_line(out, "AnonHugePages:", 0);
	kb_line(out, "ShmemPmdMapped:", 0);
	kb_line(out, "FilePmdMapped:", 0);
	kb_line(out, "Shared_Hugetlb:", 0);
	kb_line(out, "Private_Hugetlb:", 0);
	kb_line(out, "Swap:", s->swap);
	kb_line(out, "SwapPss:", s->swap_pss >> PSS_SHIFT);
	kb_line(out, "Locked:", s->locked);
}

static void report_vm_flags(struct vma *v, struct text *out)
{
	static const struct { u32 flag; char name[3]; } names[] = {
		{ VM_READ, "rd" }, { VM_WRITE, "wr" }, { VM_EXEC, "ex" }, { VM_SHARED, "sh" }, { VM_MAYREAD, "mr" },
		{ VM_MAYWRITE, "mw" }, { VM_MAYEXEC, "me" }, { VM_MAYSHARE, "ms" }, { VM_GROWSDOWN, "gd" },
		{ VM_PFNMAP, "pf" }, { VM_LOCKED, "lo" }, { VM_IO, "io" }, { VM_SEQ_READ, "sr" }, { VM_RAND_READ, "rr" },
		{ VM_DONTCOPY, "dc" }, { VM_DONTEXPAND, "de" }, { VM_LOCKONFAULT, "lf" }, { VM_ACCOUNT, "ac" },
		{ VM_NORESERVE, "nr" }, { VM_HUGETLB, "ht" }, { VM_SYNC, "sf" }, { VM_WIPEONFORK, "wf" },
		{ VM_DONTDUMP, "dd" }, { VM_MIXEDMAP, "mm" }, { VM_HUGEPAGE, "hg" }, { VM_NOHUGEPAGE, "nh" },
	};

	text_puts(out, "VmFlags: ");
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (v->flags & names[i].flag)
			text_printf(out, "%s ", names[i].name);
	if (!(v->flags & VM_SOFTCLEAN))
		text_puts(out, "sd ");
	text_putc(out, '\n');
}

static void report_rollup(struct mm *mm, struct text *out)
{
	struct vma *first = vma_first(mm), *last = first;
	struct smaps s = { 0 };

	for (struct vma *v = first; v; v = vma_next(v)) {
		smaps_area(&s, v);
		last = v;
	}
	text_printf(out, "%08lx-%08lx ---p 00000000 00:00 0 ", first ? first->start : 0, last ? last->end : 0);
	text_pad_to(out, NAME_COLUMN);
	text_puts(out, "[rollup]\n");
	smaps_body(out, &s, true);
}

int mm_report_rollup(struct mm *mm, struct text *out)
{
	rwsem_read_lock(&mm->mmap_lock);
	report_rollup(mm, out);
	rwsem_read_unlock(&mm->mmap_lock);
	return 0;
}

static void report_smaps(struct vma *v, struct text *out)
{
	struct smaps s = { 0 };

	smaps_area(&s, v);
	report_header(v, out);
	kb_line(out, "Size:", s.size);
	kb_line(out, "KernelPageSize:", PAGE_SIZE);
	kb_line(out, "MMUPageSize:", PAGE_SIZE);
	smaps_body(out, &s, false);
	text_puts(out, "THPeligible:    0\n");
	report_vm_flags(v, out);
}

vaddr_t mm_report_areas(struct mm *mm, struct text *out, vaddr_t from, size_t enough, bool smaps)
{
	struct vma *v;

	rwsem_read_lock(&mm->mmap_lock);
	for (v = vma_find(mm, from); v && out->len < enough && !out->cut; v = vma_next(v)) {
		if (smaps)
			report_smaps(v, out);
		else
			report_header(v, out);
		from = v->end;
	}
	rwsem_read_unlock(&mm->mmap_lock);
	return v ? from : MM_NO_MORE_AREAS;
}

/* ---- pagemap ---- */

#define PM_SOFT_DIRTY	BIT_ULL(55)
#define PM_EXCLUSIVE	BIT_ULL(56)
#define PM_FILE		BIT_ULL(61)
#define PM_SWAP		BIT_ULL(62)
#define PM_PRESENT	BIT_ULL(63)
#define PM_SWAP_TYPE_BITS 5

static u64 pagemap_entry(pte_t e, bool show_frames, bool soft_dirty)
{
	u64 v = soft_dirty || (!pte_none(e) && pte_soft_dirty(e)) ? PM_SOFT_DIRTY : 0;

	if (pte_present(e)) {
		pfn_t pfn = pte_pfn(e);

		v |= PM_PRESENT | (show_frames ? pfn : 0);
		if (!pte_special(e)) {
			const struct page *p = pfn_to_page(pfn);

			if (!page_is_anon(p))
				v |= PM_FILE;
			if (page_mapcount(p) == 1)
				v |= PM_EXCLUSIVE;
		}
	} else if (pte_swap(e)) {
		swp_entry_t s = pte_to_swp(e);

		v |= PM_SWAP | (show_frames ? swp_type(s) | swp_offset(s) << PM_SWAP_TYPE_BITS : 0);
	}
	return v;
}

/* Of a table that v, which may be NULL or end before `at`, keeps; between areas one may be about to go. */
static u64 pagemap_at(struct vma *v, vaddr_t at, bool show_frames)
{
	bool inside = v && v->start <= at, soft_dirty = inside && !(v->flags & VM_SOFTCLEAN);
	pte_t *pte = inside ? pt_find(v->mm, at) : NULL;
	spinlock_t *ptl;
	u64 word;

	if (!pte)
		return pagemap_entry((pte_t){ 0 }, show_frames, soft_dirty);
	ptl = pt_lock_of(pte);
	spin_lock(ptl);				/* the page stays the entry's while we look at it */
	word = pagemap_entry(pte_read(pte), show_frames, soft_dirty);
	spin_unlock(ptl);
	return word;
}

ssize_t mm_pagemap(struct mm *mm, loff_t pos, size_t n, struct io_iter *to)
{
	bool show_frames = capable(CAP_SYS_ADMIN);
	u64 chunk[64];
	size_t done = 0;

	while (done < n) {
		vaddr_t addr = (vaddr_t)((pos + done) / sizeof(u64)) << PAGE_SHIFT;
		unsigned count = min((n - done) / sizeof(u64), ARRAY_SIZE(chunk));
		struct vma *v = NULL;
		size_t moved;

		if (addr >= mm->task_size || ((pos + done) / sizeof(u64)) >> (64 - PAGE_SHIFT))
			break;
		count = min((unsigned long)count, (mm->task_size - addr) >> PAGE_SHIFT);
		rwsem_read_lock(&mm->mmap_lock);
		for (unsigned i = 0; i < count; i++) {
			vaddr_t at = addr + i * PAGE_SIZE;

			if (!v || v->end <= at)
				v = vma_find(mm, at);
			chunk[i] = pagemap_at(v, at, show_frames);
		}
		rwsem_read_unlock(&mm->mmap_lock);
		moved = io_iter_put(to, chunk, count * sizeof(u64));
		done += moved;
		if (moved < count * sizeof(u64))
			return done ? (ssize_t)done : -EFAULT;
		cond_resched();
	}
	return (ssize_t)done;
}

/* ---- clear_refs ---- */

enum clear_refs { CLEAR_ALL = 1, CLEAR_ANON, CLEAR_MAPPED, CLEAR_SOFT_DIRTY, CLEAR_HIWATER };

static bool clear_young_table(struct vma *v, pte_t *table, vaddr_t addr, vaddr_t end)
{
	pte_t *pte = pt_offset(table, addr, 1);
	spinlock_t *ptl = pt_lock_of(pte);
	bool changed = false;

	spin_lock(ptl);
	for (; addr < end; addr += PAGE_SIZE, pte++) {
		pte_t e = pte_read(pte);

		if (!pte_present(e))
			continue;
		while (!pte_cmpxchg(pte, e, pte_mkold(e)))
			e = pte_read(pte);
		changed |= pte_young(e);
		if (!pte_special(e))
			page_clear(pfn_to_page(pte_pfn(e)), PG_REFERENCED);
	}
	spin_unlock(ptl);
	return changed;
}

static void clear_young(struct vma *v)
{
	vaddr_t at = v->start, stop;
	bool changed = false;
	pte_t *table;

	pt_for_each_table(v->mm, table, at, v->end, stop)
		changed |= clear_young_table(v, table, at, stop);
	if (changed)
		tlb_flush_range(v->mm, v->start, v->end);
}

/* From now on the area's entries say what is written: none is writable before it has been. */
static void clear_soft_dirty_table(pte_t *table, vaddr_t addr, vaddr_t end)
{
	pte_t *pte = pt_offset(table, addr, 1);
	spinlock_t *ptl = pt_lock_of(pte);

	spin_lock(ptl);
	for (; addr < end; addr += PAGE_SIZE, pte++) {
		pte_t e = pte_read(pte);

		while (!pte_none(e) && !pte_cmpxchg(pte, e, pte_mksoft_clean(pte_present(e) ? pte_wrprotect(e) : e)))
			e = pte_read(pte);
	}
	spin_unlock(ptl);
}

static void clear_soft_dirty(struct vma *v)
{
	vaddr_t at = v->start, stop;
	pte_t *table;

	if (v->flags & VM_PFNMAP)
		return;
	v->flags |= VM_SOFTCLEAN;
	vma_set_prot(v);
	pt_for_each_table(v->mm, table, at, v->end, stop)
		clear_soft_dirty_table(table, at, stop);
	tlb_flush_range(v->mm, v->start, v->end);
}

int mm_clear_refs(struct mm *mm, int what)
{
	if (what == CLEAR_HIWATER) {
		mm_write_lock(mm);
		mm->hiwater_rss = mm_rss(mm);
		mm_write_unlock(mm);
		return 0;
	}
	if (what == CLEAR_SOFT_DIRTY) {
		mm_write_lock(mm);
		for (struct vma *v = vma_first(mm); v; v = vma_next(v))
			clear_soft_dirty(v);
		mm_write_unlock(mm);
		return 0;
	}
	rwsem_read_lock(&mm->mmap_lock);
	for (struct vma *v = vma_first(mm); v; v = vma_next(v)) {
		bool file = v->file != NULL;

		if ((what == CLEAR_ANON && file) || (what == CLEAR_MAPPED && !file))
			continue;
		clear_young(v);
	}
	rwsem_read_unlock(&mm->mmap_lock);
	return 0;
}
