/*
 * mm.c - address spaces as objects: making, counting, switching, ending; and the machine's promises of memory.
 *
 * LIFE        users counts tasks (and others) that work in the address space; the last mm_put() unmaps everything. refs counts
 *             holders of the struct, all users as one; the last mm_drop() frees the root table.
 * CPUS        loaded_mm says whose root a CPU has loaded, and mm->cpumask collects those CPUs. A kernel thread keeps whatever is
 *             loaded, so an address space that ends calls its CPUs back to the kernel's root before its tables go.
 * COMMITMENT  Committed_AS: pages that private writable areas and shared memory may come to need. Policy 0 refuses what is
 *             obviously too much, 1 nothing, 2 anything past CommitLimit.
 */
#include "internal.h"

#include <abi/resource.h>
#include <arch/cpu.h>
#include <arch/upcalls.h>
#include <kernel/cred.h>
#include <kernel/random.h>
#include <linux/capability.h>
#include <mm/reclaim_policy.h>
#include <mm/swap.h>

DEFINE_PER_CPU(struct mm *, loaded_mm);

static struct slab_cache *mm_cache;
static struct list all_mms = LIST_INIT(all_mms);
static spinlock_t all_mms_lock = SPINLOCK_INIT("all_mms", LOCK_LEAF);
static atomic_long_t committed;

struct page *zero_page;
struct mm kernel_mm = { .users = ATOMIC_INIT(1), .refs = ATOMIC_INIT(1), .vmas = RB_ROOT_INIT };

int sysctl_overcommit_memory = 0, sysctl_overcommit_ratio = 50;
unsigned long sysctl_overcommit_kbytes, sysctl_max_map_count = 65530, sysctl_mmap_min_addr = 65536;
unsigned long sysctl_admin_reserve_kbytes = 8192, sysctl_user_reserve_kbytes = 131072;	/* 1/32 of RAM when that is less */
int sysctl_randomize_va_space = 2;
unsigned sysctl_mmap_rnd_bits = 28;

void mm_init(void)
{
	mm_cache = slab_cache_create("mm_struct", sizeof(struct mm), 64, SLAB_PANIC, NULL);
	vma_cache = slab_cache_create("vm_area_struct", sizeof(struct vma), 0, SLAB_PANIC, NULL);
	rmap_init();
	reclaim_policy_init();
	lru_init();
	rwsem_init(&kernel_mm.mmap_lock, "kernel_mm", LOCK_MMAP);
	spin_lock_init(&kernel_mm.pt_lock, "kernel_mm.pt", LOCK_PT);
	list_init(&kernel_mm.mm_list);
	kernel_mm.pgd = arch_kernel_pgd;
	zero_page = page_alloc(GFP_KERNEL | GFP_ZERO | GFP_NOACCOUNT, 0, ACCT_BOOT);
	if (!zero_page)
		panic("no memory for the zero page");
	page_set_private(zero_page, PG_UPTODATE);
	filemap_init();
	shmem_init();
	swap_init();
	reclaim_init();
	compact_init();
}

/* ---- making and ending ------------------------------------------------------------------------------------ */

struct mm *mm_create(void)
{
	struct mm *mm = slab_alloc(mm_cache, GFP_KERNEL | GFP_ZERO);
	struct page *root;

	if (!mm)
		return NULL;
	rwsem_init(&mm->mmap_lock, "mmap_lock", LOCK_MMAP);
	spin_lock_init(&mm->pt_lock, "mm.pt_lock", LOCK_PT);
	root = pt_page_alloc(mm);
	if (!root) {
		slab_free(mm_cache, mm);
		return NULL;
	}
	mm->pgd = page_address(root);
	mmu_new_root(mm->pgd);
	atomic_set(&mm->pgtables_bytes, 0);		/* Linux does not count the root */
	atomic_set(&mm->users, 1);
	atomic_set(&mm->refs, 1);
	mm->task_size = TASK_SIZE;
	mm->mmap_base = TASK_SIZE;
	mm->owner = current->owner;
	spin_lock(&all_mms_lock);
	list_append(&all_mms, &mm->mm_list);
	spin_unlock(&all_mms_lock);
	return mm;
}

bool mm_try_get(struct mm *mm)
{
	return atomic_inc_not_zero(&mm->users);
}

static void leave_mm(void *arg)
{
	if (this_cpu_read(loaded_mm) == arg) {
		this_cpu_write(loaded_mm, &kernel_mm);
		mmu_load_kernel();
		clear_bit(cpu_id(), &((struct mm *)arg)->cpumask);
	}
}

void mm_leave_lazy(struct mm *mm)
{
	leave_mm(mm);
}

/* No CPU has it loaded afterwards, and nobody will load it again. */
static void mm_unload_everywhere(struct mm *mm)
{
	unsigned long flags = irq_save();

	leave_mm(mm);
	irq_restore(flags);
	if (mm->cpumask)
		cpu_call(mm->cpumask, leave_mm, mm);
}

static void exit_areas(struct mm *mm)
{
	struct vma *v, *next;
	struct gather g;

	if (!mm->first)
		return;
	gather_begin(&g, mm, true);
	for (v = mm->first; v; v = v->next) {
		zap_range(&g, v->start, v->end, ZAP_ALL);
		if (v->flags & VM_ACCOUNT)
			commit_uncharge(vma_pages(v));
		if (v->flags & VM_LOCKED)
			mm->locked_vm -= vma_pages(v);
	}
	for (v = mm->first; v; v = next) {
		next = v->next;
		vma_file_unlink(v);
		if (v->ops && v->ops->close)
			v->ops->close(v);
		anon_vma_unlink(v);
	}
	/* Upwards, and only where areas were: a table shared with the area above is that one's to free. */
	for (v = mm->first; v; v = v->next)
		pt_free_range(&g, v->start, v->end, 0, v->next ? v->next->start : 0);
	gather_end(&g);
	for (v = mm->first; v; v = next) {
		next = v->next;
		vma_free(v);
	}
	mm->first = NULL;
	mm->last_vma = NULL;
	mm->vmas.node = NULL;
	mm->nr_vmas = 0;
	mm_free_dead(mm);
}

/* The last user left: only whoever holds the struct can still see it, and finds it empty. */
static void mm_end(struct mm *mm)
{
	struct file *exe = mm->exe_file;

	mm_unload_everywhere(mm);
	mm_write_lock(mm);
	ledger_note_process(mm);
	exit_areas(mm);
	mm->total_vm = mm->locked_vm = 0;
	rwsem_write_unlock(&mm->mmap_lock);
	mm->exe_file = NULL;
	if (exe)
		exe_file_release(exe);
	mm_drop(mm);
}

void mm_put(struct mm *mm)
{
	if (atomic_dec_and_test(&mm->users))
		mm_end(mm);
}

void mm_drop(struct mm *mm)
{
	if (!atomic_dec_and_test(&mm->refs))
		return;
	spin_lock(&all_mms_lock);
	list_remove(&mm->mm_list);
	spin_unlock(&all_mms_lock);
	for (int i = 0; i < NR_MM_COUNTERS; i++)
		WARN_ON(atomic_read(&mm->counters[i]));
	WARN_ON(atomic_read(&mm->pgtables_bytes));
	atomic_set(&mm->pgtables_bytes, PAGE_SIZE);
	pt_page_free(mm, virt_to_page(mm->pgd));
	kfree(mm->texts);
	slab_free(mm_cache, mm);
}

/* The next address space after *mm on the machine's list, with a reference to the struct; drops *mm's. */
struct mm *mm_iterate(struct mm *prev)
{
	struct list *l;
	struct mm *mm = NULL;

	spin_lock(&all_mms_lock);
	for (l = prev ? prev->mm_list.next : all_mms.next; l != &all_mms; l = l->next) {
		mm = list_entry(l, struct mm, mm_list);
		if (atomic_inc_not_zero(&mm->refs))
			break;
		mm = NULL;
	}
	spin_unlock(&all_mms_lock);
	if (prev)
		mm_drop(prev);
	return mm;
}

/* ---- switching -------------------------------------------------------------------------------------------- */

static void load(struct mm *mm)
{
	struct mm *old = this_cpu_read(loaded_mm);

	if (mm == old)
		return;
	set_bit(cpu_id(), &mm->cpumask);	/* before the first translation can be cached */
	this_cpu_write(loaded_mm, mm);
	mmu_load(mm);
	if (old)
		clear_bit(cpu_id(), &old->cpumask);
}

void mm_switch(struct task *prev, struct task *next)
{
	if (next->mm)
		load(next->mm);
}

/* NULL: the task gave up its address space; whoever ends that (mm_end) takes it off this CPU too. */
void mm_activate(struct mm *mm)
{
	unsigned long flags = irq_save();

	if (mm)
		load(mm);
	irq_restore(flags);
}

/* ---- counters --------------------------------------------------------------------------------------------- */

unsigned long mm_rss(const struct mm *mm)
{
	long rss = atomic_read(&mm->counters[MM_FILE]) + atomic_read(&mm->counters[MM_ANON]) +
		   atomic_read(&mm->counters[MM_SHMEM]);

	return rss > 0 ? rss : 0;
}

unsigned long rlimit_now(unsigned resource)
{
	return task_rlimit(current, resource);
}

void mm_account_vma(struct mm *mm, u32 flags, struct file *file, long pages)
{
	mm->total_vm += pages;
	if (mm->total_vm > mm->hiwater_vm)
		mm->hiwater_vm = mm->total_vm;
	if ((flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) == VM_EXEC)
		mm->exec_vm += pages;
	else if (flags & VM_GROWSDOWN)
		mm->stack_vm += pages;
	else if ((flags & (VM_WRITE | VM_SHARED)) == VM_WRITE)
		mm->data_vm += pages;
}

bool mm_may_expand(struct mm *mm, u32 flags, unsigned long pages)
{
	if (mm->total_vm + pages > rlimit_now(RLIMIT_AS) >> PAGE_SHIFT)
		return false;
	if ((flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE &&
	    mm->data_vm + pages > rlimit_now(RLIMIT_DATA) >> PAGE_SHIFT)
		return false;
	return true;
}

/* ---- commitment ------------------------------------------------------------------------------------------- */

bool vma_counts_commit(u32 flags, const struct file *file)
{
	return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) == VM_WRITE;
}

unsigned long mm_committed_pages(void)
{
	long n = atomic_read(&committed);

	return n > 0 ? n : 0;
}

unsigned long mm_commit_limit(void)
{
	unsigned long ram = sysctl_overcommit_kbytes ? sysctl_overcommit_kbytes >> (PAGE_SHIFT - 10) :
			    nr_total_pages() * sysctl_overcommit_ratio / 100;

	return ram + swap_total_pages();
}

static bool commit_fits(struct mm *mm, unsigned long pages)
{
	unsigned long limit;

	if (sysctl_overcommit_memory == 1)
		return true;
	if (sysctl_overcommit_memory == 0)
		return pages <= nr_total_pages() + swap_total_pages();
	limit = mm_commit_limit();
	if (!capable(CAP_SYS_ADMIN))
		limit -= min(limit, sysctl_admin_reserve_kbytes >> (PAGE_SHIFT - 10));
	if (mm)
		limit -= min(limit, min(mm->total_vm / 32, sysctl_user_reserve_kbytes >> (PAGE_SHIFT - 10)));
	return mm_committed_pages() < limit;
}

int commit_charge(struct mm *mm, unsigned long pages)
{
	atomic_add(&committed, (long)pages);
	if (likely(commit_fits(mm, pages)))
		return 0;
	atomic_sub(&committed, (long)pages);
	return -ENOMEM;
}

void commit_force(unsigned long pages)
{
	atomic_add(&committed, (long)pages);
}

void commit_uncharge(unsigned long pages)
{
	atomic_sub(&committed, (long)pages);
}

/* ---- layout ----------------------------------------------------------------------------------------------- */

#define STACK_RND_PAGES	0x3fffffUL		/* 16 GiB */

unsigned long aslr_mmap(void)
{
	if (!sysctl_randomize_va_space)
		return 0;
	return (random_u64() & (BIT(sysctl_mmap_rnd_bits) - 1)) << PAGE_SHIFT;
}

unsigned long aslr_stack(void)
{
	return sysctl_randomize_va_space ? (random_u64() & STACK_RND_PAGES) << PAGE_SHIFT : 0;
}

unsigned long aslr_brk(void)
{
	return sysctl_randomize_va_space == 2 ? (random_u64() % (0x02000000 >> PAGE_SHIFT)) << PAGE_SHIFT : 0;
}

void mm_set_layout(struct mm *mm, unsigned long stack_rlimit, bool aslr)
{
	unsigned long gap = stack_rlimit, pad = STACK_GUARD_GAP;
	unsigned long least = MIB(128), most = TASK_SIZE / 6 * 5;

	if (aslr && sysctl_randomize_va_space)
		pad += STACK_RND_PAGES << PAGE_SHIFT;
	if (gap + pad > gap)
		gap += pad;
	gap = clamp(gap, least, most);
	mm->task_size = TASK_SIZE;
	mm->mmap_base = PAGE_ALIGN(TASK_SIZE - gap - (aslr ? aslr_mmap() : 0));
}
