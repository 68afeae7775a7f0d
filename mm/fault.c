/*
 * fault.c - what happens when a program touches an address its page table does not allow.
 *
 * SHAPE       mm_fault -> the area (growing a stack) -> fault_area -> by the entry and the area one of:
 *               nothing there   anonymous: zero page on a read, a fresh page on a write
 *                               file:      fault-around of cached pages, else the page cache, else ops->fault
 *               swap entry      fault_swap (mm/swap_fault.c)
 *               present         a store to a read-only entry: mm/cow.c; else another CPU was faster, or the TLB was stale
 * WITHOUT     an anonymous fault that finds all it needs at hand takes no mmap_lock: mm_fault_unlocked(). The rest goes on here.
 * RACES       faults of one address space run side by side under mmap_lock held for reading. Each works on what it saw
 *             without the table's lock, then takes it, and commits only if the entry is still as seen. Whoever loses
 *             gives back what it prepared and returns to the program, which faults again if it must.
 * FAST PATH   an anonymous store: area hint, one walk, one page, one lock. Nothing on it allocates besides the page.
 */
#include "internal.h"

#include <arch/cpu.h>

#define FAULT_AROUND	16

static enum fault_result fault_anon_read(struct fault *f)
{
	pte_t e = pte_mkspecial(pte_make(page_to_pfn(zero_page), f->vma->prot));
	spinlock_t *ptl = pt_lock_of(f->pte);

	spin_lock(ptl);
	if (likely(pte_none(pte_read(f->pte))))
		pte_set(f->pte, pte_mkyoung(e));
	spin_unlock(ptl);
	return FAULT_DONE;
}

/* One call site for both ways to take it. */
static always_inline struct page *fault_anon_write_page(bool at_hand)
{
	struct alloc_site *site = ALLOC_SITE();

	return at_hand ? page_alloc_at_hand(GFP_USER | GFP_ZERO, ACCT_ANON, site) :
			 page_alloc_at(GFP_USER | GFP_ZERO, 0, ACCT_ANON, site);
}

static always_inline enum fault_result map_anon_page(struct fault *f, struct page *p)
{
	struct vma *v = f->vma;
	spinlock_t *ptl;
	pte_t e;

	e = pte_make(page_to_pfn(p), v->prot);
	e = pte_mkyoung(pte_mkdirty(v->flags & VM_WRITE ? pte_mkwrite(e) : e));
	ptl = pt_lock_of(f->pte);
	spin_lock(ptl);
	if (unlikely(!pte_none(pte_read(f->pte)))) {
		spin_unlock(ptl);
		page_put(p);
		return FAULT_DONE;
	}
	rmap_add_anon(p, v, f->addr);
	lru_add_fresh(p);
	mm_counter_add(f->mm, MM_ANON, 1);
	pte_set(f->pte, e);
	spin_unlock(ptl);
	return FAULT_DONE;
}

/* A fresh page for an address that had none. */
static enum fault_result fault_anon_write(struct fault *f)
{
	struct page *p;

	if (unlikely(!f->vma->anon_vma) && anon_vma_prepare(f->vma))
		return FAULT_OOM;
	p = fault_anon_write_page(false);
	return likely(p) ? map_anon_page(f, p) : FAULT_OOM;
}

/* ---- files ------------------------------------------------------------------------------------------------ */

/* Put a cached page into an empty entry. pt_lock held. Takes over the caller's reference when true. */
static bool map_file_page(struct fault *f, pte_t *pte, struct page *p, bool write, bool young)
{
	struct vma *v = f->vma;
	pte_t e = pte_make(page_to_pfn(p), v->prot);

	if (!pte_none(pte_read(pte)))
		return false;
	rmap_add_file(p);
	/* Truncation clears page->mapping first and looks at the mapcount then; we the other way round. */
	if (unlikely(READ_ONCE(p->mapping) != v->mapping) && v->mapping && !(v->flags & VM_MIXEDMAP)) {
		rmap_remove(p);
		return false;
	}
	if (write)
		e = pte_mkdirty(pte_mkwrite(e));
	if (young)
		e = pte_mkyoung(e);
	pte_set(pte, e);
	return true;
}

static bool take_cached(void *entry)
{
	struct page *p = entry;

	if (xa_is_value(entry) || !page_test(p, PG_UPTODATE))
		return false;
	page_get(p);
	return true;
}

/*
 * Map the cached pages among the FAULT_AROUND aligned ones around the address, inside area and table, without waiting
 * for anything. True when the address itself is served.
 */
static bool fault_around(struct fault *f)
{
	struct vma *v = f->vma;
	vaddr_t low = max(f->addr & ~(FAULT_AROUND * PAGE_SIZE - 1), v->start);
	vaddr_t high = min((f->addr & ~(FAULT_AROUND * PAGE_SIZE - 1)) + FAULT_AROUND * PAGE_SIZE, v->end);
	pgoff_t first = vma_pgoff(v, low), last = vma_pgoff(v, high - 1), at = first;
	pgoff_t eof = (pgoff_t)((READ_ONCE(v->mapping->size) + PAGE_SIZE - 1) >> PAGE_SHIFT);
	struct page *pages[FAULT_AROUND], *unused_pages[FAULT_AROUND];
	unsigned long where[FAULT_AROUND];
	unsigned n, nr_unused = 0, mapped = 0;
	bool served = false;
	spinlock_t *ptl;

	if (!eof || first >= eof)
		return false;
	last = min(last, eof - 1);
	n = xa_gather(&v->mapping->pages, &at, last, XA_NO_MARK, take_cached, (void **)pages, where, FAULT_AROUND);
	if (!n)
		return false;
	ptl = pt_lock_of(f->pte);
	spin_lock(ptl);
	for (unsigned i = 0; i < n; i++) {
		vaddr_t addr = low + ((where[i] - first) << PAGE_SHIFT);
		pte_t *pte = f->pte + ((long)(addr - f->addr) >> PAGE_SHIFT);

		if (map_file_page(f, pte, pages[i], false, addr == f->addr)) {
			mapped++;
			served |= addr == f->addr;
		} else {
			unused_pages[nr_unused++] = pages[i];
		}
	}
	spin_unlock(ptl);
	if (mapped)
		mm_counter_add(f->mm, v->mapping->account == ACCT_SHMEM ? MM_SHMEM : MM_FILE, (long)mapped);
	if (nr_unused)
		page_put_bulk(unused_pages, nr_unused);
	return served;
}

/* Ask the area's owner for the page: f->page gets a reference. */
static enum fault_result file_page(struct fault *f)
{
	f->page = NULL;
	f->major = false;
	if (f->vma->ops && f->vma->ops->fault)
		return f->vma->ops->fault(f);
	return filemap_fault(f);
}

static enum fault_result file_done(struct fault *f, enum fault_result r)
{
	return r == FAULT_DONE && f->major ? FAULT_MAJOR_DONE : r;
}

static enum fault_result map_fetched(struct fault *f, bool write)
{
	struct page *p = f->page;
	spinlock_t *ptl = pt_lock_of(f->pte);
	bool mapped;

	spin_lock(ptl);
	mapped = map_file_page(f, f->pte, p, write, true);
	if (mapped)
		mm_counter_add(f->mm, page_mm_counter(p), 1);
	spin_unlock(ptl);
	if (!mapped)
		page_put(p);
	return file_done(f, FAULT_DONE);
}

static enum fault_result fault_file_read(struct fault *f)
{
	enum fault_result r;

	if (f->vma->mapping && !(f->vma->ops && f->vma->ops->fault) && fault_around(f))
		return FAULT_DONE;
	r = file_page(f);
	if (r != FAULT_DONE || !f->page)
		return r;
	return map_fetched(f, false);
}

/* A store to a private mapping of a file: the first thing the program gets is already its own copy. */
static enum fault_result fault_file_cow(struct fault *f)
{
	struct vma *v = f->vma;
	enum fault_result r;
	struct page *copy;
	spinlock_t *ptl;

	if (anon_vma_prepare(v))
		return FAULT_OOM;
	r = file_page(f);
	if (r != FAULT_DONE || !f->page)
		return r;
	copy = page_alloc(GFP_USER, 0, ACCT_ANON);
	if (!copy) {
		page_put(f->page);
		return FAULT_OOM;
	}
	copy_page(page_address(copy), page_address(f->page));
	page_put(f->page);
	ptl = pt_lock_of(f->pte);
	spin_lock(ptl);
	if (pte_none(pte_read(f->pte))) {
		pte_t e = pte_mkyoung(pte_mkdirty(pte_make(page_to_pfn(copy), v->prot)));

		rmap_add_anon(copy, v, f->addr);
		lru_add_fresh(copy);
		mm_counter_add(f->mm, MM_ANON, 1);
		pte_set(f->pte, v->flags & VM_WRITE ? pte_mkwrite(e) : e);
		copy = NULL;
	}
	spin_unlock(ptl);
	if (copy)
		page_put(copy);
	return file_done(f, FAULT_DONE);
}

static enum fault_result fault_file_shared_write(struct fault *f)
{
	enum fault_result r = file_page(f);

	if (r != FAULT_DONE || !f->page)
		return r;
	r = fault_mkwrite(f, f->page);
	if (r != FAULT_DONE) {
		page_put(f->page);
		return r;
	}
	return map_fetched(f, true);
}

/* ---- one area, one address -------------------------------------------------------------------------------- */

static enum fault_result fault_none(struct fault *f)
{
	struct vma *v = f->vma;
	bool write = f->access & ACCESS_WRITE;

	if (likely(vma_is_anon(v)))
		return write ? fault_anon_write(f) : fault_anon_read(f);
	if (!write)
		return fault_file_read(f);
	return v->flags & VM_SHARED ? fault_file_shared_write(f) : fault_file_cow(f);
}

/* Present, and allowed: note the use. A stale translation of this CPU is dropped. */
static enum fault_result fault_spurious(struct fault *f)
{
	spinlock_t *ptl = pt_lock_of(f->pte);
	bool write = f->access & ACCESS_WRITE;
	pte_t e;

	spin_lock(ptl);
	e = pte_read(f->pte);
	if (pte_hw_present(e) && (!write || pte_write(e)))
		while (!pte_cmpxchg(f->pte, e, pte_mkyoung(write ? pte_mkdirty(e) : e))) {
			e = pte_read(f->pte);
			if (!pte_hw_present(e))
				break;
		}
	spin_unlock(ptl);
	if (f->mm == current->mm)
		tlb_flush_page_local(f->addr);
	return FAULT_DONE;
}

enum fault_result fault_area(struct fault *f)
{
	pte_t *table = pt_find_table(f->mm, f->addr);

	if (unlikely(!table)) {
		table = pt_alloc_table(f->mm, f->addr);
		if (!table)
			return FAULT_OOM;
	}
	f->pte = pt_offset(table, f->addr, 1);
	f->seen = pte_read(f->pte);
	if (pte_none(f->seen)) {
		f->pgoff = vma_pgoff(f->vma, f->addr);
		return fault_none(f);
	}
	f->pgoff = vma_pgoff(f->vma, f->addr);
	if (unlikely(!pte_present(f->seen)))
		return fault_swap(f);
	if ((f->access & ACCESS_WRITE) && !pte_write(f->seen))
		return fault_write_protected(f);
	return fault_spurious(f);
}

static inline bool access_allowed(const struct vma *v, unsigned access)
{
	if (unlikely(access & ACCESS_FORCE))	/* a debugger: what the area could be given */
		return access & ACCESS_WRITE ? vma_flags_private_write(v->flags) || (v->flags & VM_WRITE) :
					       v->flags & VM_MAYREAD;
	if (access & ACCESS_WRITE)
		return v->flags & VM_WRITE;
	if (unlikely(access & ACCESS_EXEC))
		return v->flags & VM_EXEC;
	return v->flags & (VM_READ | VM_WRITE | VM_EXEC);
}

static enum fault_result fault_in_area(struct fault *f)
{
	if (unlikely(!access_allowed(f->vma, f->access)))
		return FAULT_SIGSEGV_ACCERR;
	return fault_area(f);
}

/* ---- without mmap_lock ------------------------------------------------------------------------------------ */

DEFINE_PER_CPU_ALIGNED(struct mm *, fault_mm);

void mm_wait_faults(struct mm *mm)
{
	smp_mb();			/* the lock is ours, then a look; there: the mark, then a look at the lock */
	for_each_cpu(cpu)
		while (cpu != cpu_id() && smp_load_acquire(per_cpu_ptr(fault_mm, cpu)) == mm)
			cpu_relax();
}

/* Nothing here sleeps. False: whatever else it is, mm_fault() is to do it. */
static always_inline bool fault_anon_none(struct fault *f)
{
	struct vma *v = vma_find(f->mm, f->addr);
	pte_t *table;
	struct page *p;

	if (unlikely(!v || v->start > f->addr || !vma_is_anon(v) || !access_allowed(v, f->access)))
		return false;
	f->vma = v;
	table = pt_find_table(f->mm, f->addr);
	if (unlikely(!table))
		return false;
	f->pte = pt_offset(table, f->addr, 1);
	if (unlikely(!pte_none(pte_read(f->pte))))
		return false;
	if (!(f->access & ACCESS_WRITE))
		return fault_anon_read(f) == FAULT_DONE;
	if (unlikely(!v->anon_vma))
		return false;
	p = fault_anon_write_page(true);
	return p && map_anon_page(f, p) == FAULT_DONE;
}

/*
 * Threads that fault in one address space side by side would all write to mmap_lock. The kernel is not preemptible, so a fault that does not
 * sleep needs no lock: its CPU says whose areas it looks at, and a writer, once it has the lock, waits until no CPU looks at this one's.
 */
static noinline bool fault_unlocked(struct mm *mm, vaddr_t addr, unsigned access)
{
	struct fault f;
	bool done;

	f.mm = mm;
	f.addr = addr & PAGE_MASK;
	f.access = access;
	if (nr_cpus == 1)
		return fault_anon_none(&f);
	this_cpu_xchg(fault_mm, mm);	/* a full barrier */
	done = !(atomic_read_acquire(&mm->mmap_lock.count) & RWSEM_WRITER) && fault_anon_none(&f);
	smp_store_release(this_cpu_ptr(fault_mm), NULL);
	return done;
}

bool mm_fault_unlocked(struct mm *mm, vaddr_t addr, unsigned access)
{
	if (nr_cpus == 1) {	/* nobody changes anything meanwhile, unless a task sleeps in the middle of it */
		struct vma *v = mm->last_vma;

		if (rwsem_is_write_locked(&mm->mmap_lock) || (v && v->start <= addr && addr < v->end && !vma_is_anon(v)))
			return false;
	}
	return fault_unlocked(mm, addr, access);
}

/* Growing a stack changes the area, so it wants the lock for writing. */
static enum fault_result fault_grow_stack(struct fault *f, vaddr_t addr)
{
	enum fault_result r = FAULT_SIGSEGV_MAPERR;
	struct vma *v;

	rwsem_read_unlock(&f->mm->mmap_lock);
	mm_write_lock(f->mm);
	v = vma_find(f->mm, addr);
	if (v && v->start > addr && (v->flags & VM_GROWSDOWN) && !vma_expand_down(v, addr & PAGE_MASK))
		r = FAULT_DONE;
	else if (v && v->start <= addr)
		r = FAULT_DONE;			/* somebody else did it */
	if (r == FAULT_DONE) {
		f->vma = v;
		rwsem_downgrade(&f->mm->mmap_lock);
		return fault_in_area(f);
	}
	rwsem_downgrade(&f->mm->mmap_lock);
	return r;
}

enum fault_result mm_fault(struct mm *mm, vaddr_t addr, unsigned access)
{
	struct fault f;
	enum fault_result r;

	f.mm = mm;
	f.addr = addr & PAGE_MASK;
	f.access = access;
	rwsem_read_lock(&mm->mmap_lock);
	f.vma = vma_find(mm, addr);
	if (likely(f.vma && f.vma->start <= addr))
		r = fault_in_area(&f);
	else if (f.vma && (f.vma->flags & VM_GROWSDOWN))
		r = fault_grow_stack(&f, addr);
	else
		r = FAULT_SIGSEGV_MAPERR;
	rwsem_read_unlock(&mm->mmap_lock);
	return r;
}
