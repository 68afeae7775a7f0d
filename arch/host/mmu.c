/*
 * mmu.c - the MMU of the host machine: a walker and, per CPU, a TLB that forgets nothing by itself.
 *
 * The page tables are the real ones, made with the pure half of x86's <arch/pgtable.h>. The walker sets accessed and dirty bits and
 * refuses what the hardware would refuse; a refusal goes to mm_fault(). A translation once used stays in the TLB
 * until it is flushed, even when the page table changes: a missing flush lets a program see a page that is no longer
 * its own, and host_stale_hits counts such uses so that tests can say when there must be none.
 * Accesses hold the CPU's interrupt lock, so a flush from another CPU waits for the access under way, as an IPI would.
 */
#include <abi/errno.h>
#include <arch/cpu.h>
#include <arch/mmu.h>
#include <arch/uaccess.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <lib/string.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include "host.h"
#include "machine.h"

#define TLB_SIZE	64
#define MAX_PENDING	4096

struct tlb_entry {
	struct mm	*mm;		/* NULL: empty */
	vaddr_t		page;
	pte_t		pte;
};

pgd_t *arch_kernel_pgd;
unsigned pt_levels = sizeof(long) == 8 ? 4 : 3;
u64 pte_nx_mask = PTE_NX;
unsigned long host_stale_hits;
static struct tlb_entry tlbs[MAX_CPUS][TLB_SIZE];
static struct mm *loaded[MAX_CPUS];
static bool boot_tables = true;

/* Kernel mappings that are gone from the table; the addresses work until the flush, as on the real thing. */
static vaddr_t pending[MAX_PENDING];
static unsigned nr_pending;
static spinlock_t pending_lock = SPINLOCK_INIT("host pending", LOCK_LEAF);

/* ---- kernel mappings -------------------------------------------------------------------------------------------- */

static paddr_t table_alloc(void)
{
	struct page *p;

	if (boot_tables)
		return memblock_alloc(PAGE_SIZE, PAGE_SIZE, ACCT_PAGE_TABLE);
	p = page_alloc(GFP_KERNEL | GFP_ZERO | GFP_NOACCOUNT, 0, ACCT_PAGE_TABLE);
	return p ? page_to_phys(p) : 0;
}

static pte_t *walk_kernel(vaddr_t addr, bool create)
{
	pte_t *e = pt_offset(arch_kernel_pgd, addr, pt_levels);

	for (unsigned level = pt_levels; level > 1; level--) {
		pte_t seen = pte_read(e);

		if (pte_none(seen)) {
			paddr_t table = create ? table_alloc() : 0;

			if (!table)
				return NULL;
			if (!pte_cmpxchg(e, seen, pt_entry_kernel(table)))
				page_free(phys_to_page(table), 0);
		}
		e = pt_offset(pt_entry_virt(pte_read(e)), addr, level - 1);
	}
	return e;
}

void host_mmu_start(void)
{
	boot_tables = true;
	arch_kernel_pgd = phys_to_virt(memblock_alloc(PAGE_SIZE, PAGE_SIZE, ACCT_PAGE_TABLE));
	walk_kernel(vmalloc_base, true);
}

void arch_vmemmap_map(vaddr_t start, vaddr_t end)
{
	for (vaddr_t at = start; at < end; at += PAGE_SIZE) {
		paddr_t pa = memblock_alloc(PAGE_SIZE, PAGE_SIZE, ACCT_PAGE_ARRAY);

		os_ram_map((void *)at, pa, PAGE_SIZE);
	}
	boot_tables = false;
}

int kernel_map_page(vaddr_t addr, pfn_t pfn, pgprot_t prot)
{
	pte_t *e = walk_kernel(addr, true);

	if (!e)
		return -ENOMEM;
	assert(pte_none(*e));
	pte_set(e, pte_make(pfn, prot));
	if (pfn_valid(pfn))
		os_ram_map((void *)addr, (u64)pfn << PAGE_SHIFT, PAGE_SIZE);
	return 0;
}

pte_t kernel_unmap_page(vaddr_t addr)
{
	pte_t *e = walk_kernel(addr, false), old = { 0 };

	if (e)
		old = pte_xchg(e, (pte_t){ 0 });
	if (!pte_none(old)) {
		spin_lock(&pending_lock);
		if (nr_pending < MAX_PENDING)
			pending[nr_pending++] = addr;
		spin_unlock(&pending_lock);
	}
	return old;
}

pte_t *kernel_pte(vaddr_t addr)
{
	return walk_kernel(addr, false);
}

void tlb_flush_kernel(vaddr_t start, vaddr_t end)
{
	unsigned kept = 0;

	spin_lock(&pending_lock);
	for (unsigned i = 0; i < nr_pending; i++) {
		if (pending[i] < start || pending[i] >= end)
			pending[kept++] = pending[i];
		else
			os_unmap((void *)pending[i], PAGE_SIZE);
	}
	nr_pending = kept;
	spin_unlock(&pending_lock);
}

bool kernel_address_readable(vaddr_t addr)
{
	return true;
}

vaddr_t arch_vmalloc_end(void)
{
	return vmalloc_base + HOST_VMALLOC_SIZE - PAGE_SIZE;
}

void clear_page(void *page)
{
	memset(page, 0, PAGE_SIZE);
}

void copy_page(void *dst, const void *src)
{
	memcpy(dst, src, PAGE_SIZE);
}

/* ---- roots and flushes ---------------------------------------------------------------------------------------------- */

void mmu_new_root(pgd_t *pgd)
{
}

static void flush_cpu(unsigned cpu, struct mm *mm, vaddr_t start, vaddr_t end)
{
	for (unsigned i = 0; i < TLB_SIZE; i++) {
		struct tlb_entry *t = &tlbs[cpu][i];

		if (t->mm && (!mm || t->mm == mm) && t->page >= start && t->page < end)
			t->mm = NULL;
	}
}

void mmu_load(struct mm *next)
{
	unsigned long on = irq_save();

	loaded[cpu_id()] = next;
	flush_cpu(cpu_id(), NULL, 0, ~0UL);
	irq_restore(on);
}

void mmu_load_kernel(void)
{
	mmu_load(NULL);
}

void tlb_flush_range(struct mm *mm, vaddr_t start, vaddr_t end)
{
	smp_mb();
	for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
		if (!(READ_ONCE(mm->cpumask) >> cpu & 1))
			continue;
		if (cpu == cpu_id()) {
			unsigned long on = irq_save();

			flush_cpu(cpu, mm, start, end);
			irq_restore(on);
			continue;
		}
		os_mutex_lock(&host_cpus[cpu].irq);
		flush_cpu(cpu, mm, start, end);
		os_mutex_unlock(&host_cpus[cpu].irq);
	}
}

void tlb_flush_mm(struct mm *mm)
{
	tlb_flush_range(mm, 0, ~0UL);
}

void tlb_flush_page_local(vaddr_t addr)
{
	unsigned long on = irq_save();

	flush_cpu(cpu_id(), NULL, addr & PAGE_MASK, (addr & PAGE_MASK) + 1);
	irq_restore(on);
}

void tlb_flush_local(void)
{
	unsigned long on = irq_save();

	flush_cpu(cpu_id(), NULL, 0, ~0UL);
	irq_restore(on);
}

void tlb_flush_local_all(void)
{
	tlb_flush_local();
}

/* ---- user accesses ---------------------------------------------------------------------------------------------------- */

static pte_t *walk_user(struct mm *mm, vaddr_t addr)
{
	pte_t *e = pt_offset(mm->pgd, addr, pt_levels);

	for (unsigned level = pt_levels; level > 1; level--) {
		pte_t seen = pte_read(e);

		if (!pte_hw_present(seen))
			return NULL;
		e = pt_offset(pt_entry_virt(seen), addr, level - 1);
	}
	return e;
}

static bool allowed(pte_t e, unsigned access)
{
	return pte_hw_present(e) && (e.v & PTE_USER) && !((access & ACCESS_WRITE) && !pte_write(e)) &&
	       !((access & ACCESS_EXEC) && !pte_exec(e));
}

/* What the hardware does on a miss: walk, check, set accessed and dirty. False: a fault. */
static bool tlb_fill(struct tlb_entry *t, struct mm *mm, vaddr_t addr, unsigned access)
{
	pte_t *p = walk_user(mm, addr), e;

	t->mm = NULL;
	if (!p)
		return false;
	do {
		e = pte_read(p);
		if (!allowed(e, access))
			return false;
		t->pte = (pte_t){ e.v | PTE_ACCESSED | (access & ACCESS_WRITE ? PTE_DIRTY : 0) };
	} while (!pte_cmpxchg(p, e, t->pte));
	t->mm = mm;
	t->page = addr & PAGE_MASK;
	return true;
}

/* The byte at addr in RAM, or NULL for a fault. This CPU's interrupts are off. */
static char *translate(struct mm *mm, vaddr_t addr, unsigned access)
{
	struct tlb_entry *t = &tlbs[cpu_id()][(addr >> PAGE_SHIFT) % TLB_SIZE];

	if (t->mm == mm && t->page == (addr & PAGE_MASK) && allowed(t->pte, access) &&
	    !((access & ACCESS_WRITE) && !pte_dirty(t->pte))) {
		pte_t *now = walk_user(mm, addr);

		if (!now || pte_pfn(pte_read(now)) != pte_pfn(t->pte))
			host_stale_hits++;
	} else if (!tlb_fill(t, mm, addr, access)) {
		return NULL;
	}
	return (char *)phys_to_virt((paddr_t)pte_pfn(t->pte) << PAGE_SHIFT) + (addr & ~PAGE_MASK);
}

enum piece { PIECE_READ, PIECE_WRITE, PIECE_CLEAR, PIECE_EXEC };

/* Programs may race with each other as they like: a sanitizer need not look, nor see calls that it would look into. */
__attribute__((no_sanitize("thread"), optimize("no-tree-loop-distribute-patterns")))
static void move(enum piece what, char *ram, char *buf, size_t n)
{
	if (what == PIECE_EXEC)
		return;
	for (size_t i = 0; i < n; i++) {
		if (what == PIECE_READ)
			buf[i] = ram[i];
		else
			ram[i] = what == PIECE_WRITE ? buf[i] : 0;
	}
}

/* One piece inside a page. */
static enum fault_result access_page(vaddr_t addr, char *buf, size_t n, enum piece what, bool user)
{
	unsigned access = (what == PIECE_WRITE || what == PIECE_CLEAR ? ACCESS_WRITE : 0) |
			  (what == PIECE_EXEC ? ACCESS_EXEC : 0);
	struct mm *mm = current->mm;

	for (unsigned tries = 0; tries < 1000; tries++) {
		enum fault_result r;
		unsigned long on;
		char *ram;

		if (!mm || addr >= TASK_SIZE_L5)
			return FAULT_SIGSEGV_MAPERR;
		on = irq_save();
		assert(loaded[cpu_id()] == mm);
		ram = translate(mm, addr, access);
		if (ram)
			move(what, ram, buf, n);
		irq_restore(on);
		if (ram)
			return FAULT_DONE;
		if (current->fault_disabled)
			return FAULT_SIGSEGV_MAPERR;
		if (mm_fault_unlocked(mm, addr, access | (user ? ACCESS_USER : 0)))
			r = FAULT_DONE;
		else
			r = mm_fault(mm, addr, access | (user ? ACCESS_USER : 0));
		if (r != FAULT_DONE && r != FAULT_RETRY && r != FAULT_MAJOR_DONE)
			return r;
	}
	panic("the fault at %#lx does not end", addr);
}

/* Bytes left undone; *r says why. */
static size_t access_range(vaddr_t addr, char *buf, size_t n, enum piece what, bool user, enum fault_result *r)
{
	*r = FAULT_DONE;
	while (n) {
		size_t now = min(n, (size_t)(PAGE_SIZE - (addr & ~PAGE_MASK)));

		*r = access_page(addr, buf, now, what, user);
		if (*r != FAULT_DONE)
			break;
		addr += now;
		n -= now;
		if (buf)
			buf += now;
	}
	return n;
}

enum fault_result host_read(vaddr_t addr, void *buf, size_t n)
{
	enum fault_result r;

	access_range(addr, buf, n, PIECE_READ, true, &r);
	return r;
}

enum fault_result host_write(vaddr_t addr, const void *buf, size_t n)
{
	enum fault_result r;

	access_range(addr, (char *)buf, n, PIECE_WRITE, true, &r);
	return r;
}

enum fault_result host_exec(vaddr_t addr)
{
	return access_page(addr, NULL, 1, PIECE_EXEC, true);
}

size_t raw_copy_to_user(void __user *dst, const void *src, size_t n)
{
	enum fault_result r;

	return access_range((vaddr_t)dst, (char *)src, n, PIECE_WRITE, false, &r);
}

size_t raw_copy_from_user(void *dst, const void __user *src, size_t n)
{
	enum fault_result r;

	return access_range((vaddr_t)src, dst, n, PIECE_READ, false, &r);
}

size_t raw_clear_user(void __user *dst, size_t n)
{
	enum fault_result r;

	return access_range((vaddr_t)dst, NULL, n, PIECE_CLEAR, false, &r);
}

size_t raw_strnlen_user(const char __user *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c;

		if (raw_copy_from_user(&c, s + i, 1))
			return 0;
		if (!c)
			return i + 1;
	}
	return n + 1;
}

ssize_t raw_strncpy_from_user(char *dst, const char __user *src, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (raw_copy_from_user(dst + i, src + i, 1))
			return -EFAULT;
		if (!dst[i])
			return (ssize_t)i;
	}
	return (ssize_t)n;
}

int raw_get_user(u64 *out, const void __user *p, size_t size)
{
	*out = 0;
	return raw_copy_from_user(out, p, size) ? -EFAULT : 0;
}

int raw_put_user(u64 v, void __user *p, size_t size)
{
	return raw_copy_to_user(p, &v, size) ? -EFAULT : 0;
}

int raw_cmpxchg_user32(u32 __user *p, u32 expected, u32 new, u32 *old)
{
	if (raw_copy_from_user(old, p, 4))
		return -EFAULT;
	return *old == expected && raw_copy_to_user(p, &new, 4) ? -EFAULT : 0;
}
