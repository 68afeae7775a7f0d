/*
 * mm.h - address spaces, their areas, and the memory system calls as functions.
 * Border: open to arch.
 *
 * The page table is the truth (docs/decisions/0001): what is present, swapped, being migrated or marked stands in
 * it; areas (struct vma) say what may be there.
 */
#ifndef MM_MM_H
#define MM_MM_H

#include <arch/pgtable.h>
#include <kernel/cpu.h>
#include <kernel/lock.h>
#include <kernel/task.h>
#include <kernel/trace.h>
#include <lib/rbtree.h>
#include <mm/filemap.h>
#include <mm/ledger.h>

struct file;
struct task;
struct text;
struct anon_vma;
struct fault;
struct trapframe;

enum vma_flags {		/* values as in Linux's VmFlags where it has them */
	VM_READ		= 0x1,
	VM_WRITE	= 0x2,
	VM_EXEC		= 0x4,
	VM_SHARED	= 0x8,
	VM_MAYREAD	= 0x10,
	VM_MAYWRITE	= 0x20,
	VM_MAYEXEC	= 0x40,
	VM_MAYSHARE	= 0x80,
	VM_GROWSDOWN	= 0x100,
	VM_PFNMAP	= 0x400,	/* frames without struct page semantics: device memory */
	VM_LOCKED	= 0x2000,
	VM_IO		= 0x4000,
	VM_SEQ_READ	= 0x8000,
	VM_RAND_READ	= 0x10000,
	VM_DONTCOPY	= 0x20000,
	VM_DONTEXPAND	= 0x40000,
	VM_LOCKONFAULT	= 0x80000,
	VM_ACCOUNT	= 0x100000,	/* counts in Committed_AS */
	VM_NORESERVE	= 0x200000,
	VM_HUGETLB	= 0x400000,
	VM_SYNC		= 0x800000,
	VM_WIPEONFORK	= 0x2000000,
	VM_DONTDUMP	= 0x4000000,
	VM_SOFTCLEAN	= 0x8000000,	/* clear_refs cleared its soft-dirty bits: only entries tell what was written since */
	VM_MIXEDMAP	= 0x10000000,
	VM_HUGEPAGE	= 0x20000000,
	VM_NOHUGEPAGE	= 0x40000000,
	VM_SPECIAL_NAME	= 0x80000000u,	/* [vdso] and the like: name in vma->name */
};

/* What the owner of a mapping supplies; all may be NULL. Called with mmap_lock held (read for fault, write else). */
struct vm_ops {
	void	(*open)(struct vma *v);			/* a copy was made: fork, split */
	void	(*close)(struct vma *v);
	/* Supply the page for f->pgoff with a reference in f->page, or insert the entry itself. enum fault_result. */
	int	(*fault)(struct fault *f);
	int	(*page_mkwrite)(struct fault *f);
	int	(*mremap)(struct vma *v);
	const char *(*name)(struct vma *v);		/* for /proc/PID/maps */
};

struct vma {
	vaddr_t			start, end;	/* [mmap_lock] page-aligned, half-open */
	struct mm		*mm;		/* [c] */
	struct rb_node		node;		/* in mm->vmas, augmented with the largest gap below */
	vaddr_t			subtree_gap;	/* largest unmapped stretch right below an area of this subtree */
	struct vma		*prev, *next;	/* [m] neighbours by address */
	u32			flags;		/* enum vma_flags */
	u8			swap_window;	/* slots that the last fault read from swap */
	u8			swap_hits;	/* of those, asked for since */
	u16			swap_last;	/* page number of that fault, the low bits; all three guide read-ahead and may be wrong */
	pgprot_t		prot;		/* derived from flags */
	pgoff_t			pgoff;		/* of start in the file; anon private: start >> PAGE_SHIFT at creation */
	struct file		*file;		/* a reference, or NULL */
	struct address_space	*mapping;	/* file's, or NULL; shared anon has shmem's */
	const struct vm_ops	*ops;
	void			*priv;		/* for ops */
	struct anon_vma		*anon_vma;	/* NULL until the first private page */
	struct list		anon_link;	/* in anon_vma->vmas, LOCK_ANON_VMA */
	struct rb_node		i_mmap_node;	/* in mapping->i_mmap, LOCK_I_MMAP */
	pgoff_t			i_mmap_last;	/* interval-tree augment: largest last index of the subtree */
	const char		*name;		/* with VM_SPECIAL_NAME: what maps shows; static */
};

enum mm_counter { MM_FILE, MM_ANON, MM_SWAP, MM_SHMEM, NR_MM_COUNTERS };

struct mm {
	pgd_t			*pgd;		/* [c] */
	struct rwsem		mmap_lock;	/* LOCK_MMAP */
	struct rb_root		vmas;		/* [m] by address */
	struct vma		*first;		/* [m] lowest area */
	struct vma		*dead;		/* [m] removed areas whose files are let go when mmap_lock is released; by next */
	struct vma		*last_vma;	/* hint of vma_find(): where the last search ended; [m] clears it on removal */
	unsigned		nr_vmas;	/* [m] */
	atomic_t		users;		/* tasks (and others) that use the address space */
	atomic_t		refs;		/* of the struct; all users count as one */
	spinlock_t		pt_lock;	/* upper page-table levels, and counters below */
	atomic_long_t		counters[NR_MM_COUNTERS];	/* pages */
	atomic_long_t		pgtables_bytes;
	unsigned long		total_vm, locked_vm, data_vm, exec_vm, stack_vm;	/* [m] pages */
	atomic_long_t		pinned_vm;
	unsigned long		hiwater_rss, hiwater_vm;	/* exact maxima, pages */
	unsigned long		detail_rss;	/* pages when its mappings were last counted: ledger_note_process() */
	unsigned long		def_flags;	/* mlockall(MCL_FUTURE) */
	vaddr_t			mmap_base;	/* top of the mmap area; searched downwards */
	vaddr_t			task_size;
	vaddr_t			start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	vaddr_t			arg_start, arg_end, env_start, env_end;
	vaddr_t			vdso;
	unsigned long		saved_auxv[48];
	struct file		*exe_file;	/* a reference */
	owner_t			owner;		/* ledger owner that pays for its page tables and areas */
	unsigned long		cpumask;	/* CPUs that may hold its translations; [a] */
	atomic_t		flushes_put_off;	/* by mm/flush.c */
	u64			context_id;	/* PCID generation; arch's */
	int			oom_score_adj_min;
	u32			flags;
	u32			membarrier_state;
	u32			stream_id;	/* its name in the ledger stream, 0: none yet */
	struct ledger_texts	*texts;		/* for the ledger stream: where its code is; NULL: not known */
	struct list		mm_list;	/* all address spaces, for the audit, swapoff, ksm */
};

/* Every change of an mm's page counts. */
static inline void mm_counter_add(struct mm *mm, enum mm_counter c, long n)
{
	atomic_add(&mm->counters[c], n);
	if (unlikely(trace_on[TRACE_RSS_STAT]))
		trace_rss_stat(mm, mm == current->mm, (int)c, atomic_read(&mm->counters[c]) << PAGE_SHIFT);
}

void mm_init(void);			/* caches */
struct mm *mm_create(void) must_check;	/* empty, kernel half shared; users = refs = 1. NULL when out of memory */
int mm_dup(struct mm *parent, struct mm **out) must_check;	/* fork. 0 or -ENOMEM, -EINTR; may sleep */
void mm_put(struct mm *mm);		/* last user: unmaps everything */
static inline void mm_get(struct mm *mm) { atomic_inc(&mm->users); }
bool mm_try_get(struct mm *mm);
bool mm_oom_reap(struct mm *mm);	/* private pages of a dying process go now; false: its mmap_lock is taken */
void mm_drop(struct mm *mm);		/* last reference to the struct: frees the root table */
static inline void mm_grab(struct mm *mm) { atomic_inc(&mm->refs); }
/* exec: current->mm is `mm` now; load its page table. The old one may be put afterwards. */
void mm_activate(struct mm *mm);
extern struct mm kernel_mm;
/* The next address space of the machine after prev (NULL: the first), with a reference to the struct; drops prev's. */
struct mm *mm_iterate(struct mm *prev);

/* Areas. mmap_lock held. */
struct vma *vma_find(struct mm *mm, vaddr_t addr);	/* first with end > addr; NULL */
struct vma *vma_at(struct mm *mm, vaddr_t addr);	/* that contains addr; NULL */
static inline struct vma *vma_first(struct mm *mm) { return mm->first; }
static inline struct vma *vma_next(struct vma *v) { return v->next; }
static inline unsigned long vma_pages(const struct vma *v) { return (v->end - v->start) >> PAGE_SHIFT; }
/* The index in file (or anonymous space) of an address inside. */
static inline pgoff_t vma_pgoff(const struct vma *v, vaddr_t addr)
{
	return v->pgoff + ((addr - v->start) >> PAGE_SHIFT);
}

struct mmap_request {
	vaddr_t			addr;		/* hint, or exact with MAP_FIXED */
	size_t			len;		/* bytes, > 0 */
	int			prot;		/* PROT_* */
	int			flags;		/* MAP_* */
	struct file		*file;		/* borrowed; NULL for anonymous */
	struct address_space	*mapping;	/* of file */
	const struct vm_ops	*ops;		/* NULL: the page cache's, or anonymous memory's */
	pgoff_t			pgoff;
	u32			vm_flags;	/* extra enum vma_flags */
	u32			clear_may;	/* VM_MAY* the file does not allow */
	const char		*name;
	int			(*setup)(struct vma *v);	/* file->ops->mmap: may change ops, priv, flags; 0 or -errno */
};

/* The system calls, arguments checked as Linux does; each takes mmap_lock itself. 0 or negative errno unless said. */
int mm_mmap(struct mm *mm, const struct mmap_request *req, vaddr_t *out) must_check;
int mm_munmap(struct mm *mm, vaddr_t addr, size_t len);
int mm_mprotect(struct mm *mm, vaddr_t addr, size_t len, int prot, int pkey);
int mm_mremap(struct mm *mm, vaddr_t old, size_t old_len, size_t new_len, int flags, vaddr_t new_addr, vaddr_t *out);
vaddr_t mm_brk(struct mm *mm, vaddr_t brk);		/* the new break, or the old one when it cannot move */
int mm_madvise(struct mm *mm, vaddr_t addr, size_t len, int advice);
int mm_mincore(struct mm *mm, vaddr_t addr, size_t len, unsigned char __user *vec);
int mm_msync(struct mm *mm, vaddr_t addr, size_t len, int flags);
int mm_mlock(struct mm *mm, vaddr_t addr, size_t len, int flags);
int mm_munlock(struct mm *mm, vaddr_t addr, size_t len);
int mm_mlockall(struct mm *mm, int flags);
int mm_munlockall(struct mm *mm);
int mm_remap_file_pages(struct mm *mm, vaddr_t addr, size_t size, int prot, size_t pgoff, int flags);
/* Other processes' memory: process_vm_readv, /proc/PID/mem, ptrace, exec's argument pages. Bytes moved or -EFAULT, -EIO. */
ssize_t mm_access(struct mm *mm, vaddr_t addr, void *buf, size_t len, bool write, bool force);
/* exec: make the stack area of a new mm; grow it; place argument strings through mm_access. */
int mm_setup_stack(struct mm *mm, vaddr_t top, bool exec_stack, struct vma **out) must_check;
/* mmap_base below a stack that may grow to stack_rlimit bytes; aslr: moved down by a random amount. */
void mm_set_layout(struct mm *mm, unsigned long stack_rlimit, bool aslr);
/* Random page-aligned displacements with Linux's ranges; 0 when randomize_va_space says so. */
unsigned long aslr_mmap(void), aslr_stack(void), aslr_brk(void);
extern unsigned sysctl_mmap_rnd_bits;
/* Map frames of a device into an area: all at once, or in ops->fault. */
int remap_pfn_range(struct vma *v, vaddr_t addr, pfn_t pfn, size_t len, pgprot_t prot) must_check;
int vma_insert_page(struct vma *v, vaddr_t addr, struct page *p) must_check;

/* Where a futex lives: a private key (mm, addr) or the shared object behind it. */
struct futex_key { u64 a, b; u32 offset; };
int mm_futex_key(vaddr_t addr, bool shared, bool write, struct futex_key *out, void **ref) must_check;
void mm_futex_key_put(void *ref);

/* Faults */
struct fault {				/* one fault in the making; what ops->fault and ops->page_mkwrite see */
	struct mm	*mm;
	struct vma	*vma;
	vaddr_t		addr;		/* page-aligned */
	unsigned	access;		/* enum fault_access */
	pgoff_t		pgoff;		/* of addr in the file */
	struct page	*page;		/* out: a reference, up to date */
	bool		major;		/* out: it had to be read from a device */
	pte_t		*pte;		/* the entry; mapped while the mm is locked */
	pte_t		seen;		/* what stood there when we looked without its lock */
	spinlock_t	*ptl;
};
enum fault_result { FAULT_DONE, FAULT_RETRY, FAULT_OOM, FAULT_SIGSEGV_MAPERR, FAULT_SIGSEGV_ACCERR, FAULT_SIGBUS,
		    FAULT_MAJOR_DONE };
enum fault_access { ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_EXEC = 2, ACCESS_USER = 4, ACCESS_REMOTE = 8,
		    ACCESS_FORCE = 16 /* ptrace: past the area's permissions, never past its VM_MAY* */ };
enum fault_result mm_fault(struct mm *mm, vaddr_t addr, unsigned access);	/* takes mmap_lock for reading */
bool mm_fault_unlocked(struct mm *mm, vaddr_t addr, unsigned access);	/* takes no lock; false: not done, ask mm_fault() */
/* Whoever takes mmap_lock for writing must use these: faults that take no lock are over when they return. */
void mm_wait_faults(struct mm *mm);
static inline void mm_write_lock(struct mm *mm)
{
	rwsem_write_lock(&mm->mmap_lock);
	if (nr_cpus > 1)
		mm_wait_faults(mm);
}
static inline int must_check mm_write_lock_killable(struct mm *mm)
{
	int err = rwsem_write_lock_killable(&mm->mmap_lock);

	if (!err && nr_cpus > 1)
		mm_wait_faults(mm);
	return err;
}

/* Accounting and reports for proc/ and fs/. */
unsigned long mm_rss(const struct mm *mm);		/* pages */
/*
 * /proc/PID/maps and smaps: the areas that end above `from`, until `enough` bytes are in `out`. Returns where to go on. Areas may come
 * and go between two calls, as on Linux: each is whole, in order, and never twice.
 */
#define MM_NO_MORE_AREAS (~(vaddr_t)0)
vaddr_t mm_report_areas(struct mm *mm, struct text *out, vaddr_t from, size_t enough, bool smaps);
int mm_report_rollup(struct mm *mm, struct text *out);
/* What is resident of each area, bytes; name is NULL for files and plain anonymous memory. mmap_lock held. */
struct mm_area_sum { u64 rss, pss, uss, anonymous, swap; };
void mm_for_each_area(struct mm *mm, void (*fn)(void *arg, struct vma *v, const char *name, const struct mm_area_sum *s), void *arg);
/* mm is about to lose pages. mmap_lock held. */
extern bool ledger_details;
void ledger_note_process_slow(struct mm *mm);
static inline void ledger_note_process(struct mm *mm)
{
	if (unlikely(ledger_details) && mm_rss(mm) > mm->detail_rss + mm->detail_rss / 16 + 16)
		ledger_note_process_slow(mm);
}
ssize_t mm_pagemap(struct mm *mm, loff_t pos, size_t n, struct io_iter *to);	/* /proc/PID/pagemap */
int mm_clear_refs(struct mm *mm, int what);
unsigned long mm_committed_pages(void);			/* Committed_AS */
unsigned long mm_commit_limit(void);
extern int sysctl_overcommit_memory, sysctl_overcommit_ratio;
extern unsigned long sysctl_overcommit_kbytes, sysctl_max_map_count, sysctl_mmap_min_addr;
extern int sysctl_randomize_va_space;

/* Shared memory without a visible file: MAP_SHARED|MAP_ANONYMOUS, memfd, SysV shm, POSIX shm (through tmpfs). mm/shmem.c. */
void shmem_mapping_init(struct address_space *m, struct inode *host);	/* uses shmem ops, ACCT_SHMEM */
int shmem_zero_setup(struct vma *v);			/* gives v an unlinked shmem mapping */

/* border: defined by fs/. mm holds files only by these. */
void vma_file_get(struct file *f);
void vma_file_put(struct file *f);
int vma_file_sync(struct file *f, loff_t start, loff_t end) must_check;	/* msync: as fsync(2) of that range */
struct address_space *vma_file_mapping(struct file *f);
void exe_file_release(struct file *f);			/* proc/exec.c: mm->exe_file goes; writes to it are allowed again */
int exe_file_dup(struct file *f) must_check;		/* proc/exec.c: for a fork; a reference. 0, -ETXTBSY */
void file_path_text(struct file *f, struct text *out);	/* as in /proc/PID/maps: " (deleted)" appended */
/* The same in buf, which is returned with its end kept when too small; "" when there is none. */
const char *file_path_name(struct file *f, char *buf, size_t n);
void file_dev_inode(struct file *f, u32 *major, u32 *minor, u64 *ino);

#endif
