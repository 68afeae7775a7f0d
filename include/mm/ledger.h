/*
 * ledger.h - double-entry book-keeping of RAM.
 * Border: open to arch, kernel.
 *
 * Each page frame stands in exactly one account, at any moment; the frames of all accounts add up to the
 * machine's RAM. A frame also knows its owner (a process, a module, the machine) and the call site that asked for
 * it. Slab objects have the same two in a side table of their slab. The counters here are one entry of the
 * books; ledger_audit() recomputes everything from page tables, free lists, slabs and caches: the other.
 *
 * Exact peaks: every counter keeps its true maximum, and the state of all accounts at the moment the
 * machine's use was highest is kept whole.
 *
 * With NO_LEDGER defined (a build for measuring its cost) the counters needed by Linux's own interfaces
 * (free pages, NR_*) remain; owner, site, peaks and object tables go.
 */
#ifndef MM_LEDGER_H
#define MM_LEDGER_H

#include <lib/list.h>
#include <lib/types.h>

struct page;
struct text;			/* <lib/text.h>: a growing output buffer */

enum account {
	ACCT_FREE,		/* on a buddy or per-CPU list */
	ACCT_RESERVED,		/* RAM the firmware or loader keeps */
	ACCT_IMAGE,		/* kernel text, rodata, data, bss */
	ACCT_PAGE_ARRAY,	/* struct page of every frame */
	ACCT_BOOT,		/* taken by memblock for good, and none of the above; the initramfs until it is unpacked */
	ACCT_SLAB,
	ACCT_VMALLOC,
	ACCT_KSTACK,
	ACCT_PAGE_TABLE,	/* of processes and of the kernel */
	ACCT_PERCPU,
	ACCT_MODULE,
	ACCT_PAGE_CACHE,	/* pages of files on a file system with a backing store */
	ACCT_SHMEM,		/* tmpfs, shared anonymous, SysV and POSIX shared memory */
	ACCT_ANON,
	ACCT_SWAP_CACHE,
	ACCT_ZSWAP,
	ACCT_DEVICE,		/* buffers lent to a device: virtqueues, DMA */
	ACCT_BALLOON,		/* taken away on purpose: mm/pressure.c */
	NR_ACCOUNTS
};

enum ledger_space { SPACE_FREE, SPACE_USER, SPACE_CACHE, SPACE_KERNEL };

/* Where an allocation was asked for; one static object per place in the source, in section "alloc_sites". */
struct alloc_site {
	const char	*file;
	const char	*func;
	u32		line;
	u16		id;		/* index + 1, given at boot or module load; 0: none */
	u16		module;		/* number of the module's books, 0 for the kernel */
	/* Frames only, exact, under the ledger's lock; bytes of slab objects are counted by walking when a report asks. */
	long		bytes;		/* live now */
	long		peak_bytes;
	long		calls;		/* allocations ever; those of slab objects too, without a lock */
	/* Of modules' sites, in units of mm/ledger/modules.c: what may yet be taken before a peak can be exceeded; all that ever was. */
	long		credit;
	unsigned long	total;
} aligned_to(8);			/* 64 bytes, as kernel.lds.S knows; an array, as the linker lays them out: no gaps */

#define ALLOC_SITE() ({									\
	static struct alloc_site alloc_site_here used_sym in_section("alloc_sites") aligned_to(8) = {	\
		.file = __FILE__, .func = __func__, .line = __LINE__ };			\
	&alloc_site_here; })

/* Sites from here on belong to modules. A new task's site_floor; see <kernel/module.h>. */
extern struct alloc_site __stop_alloc_sites[];
#define LEDGER_MODULE_SITES	__stop_alloc_sites

typedef u16 owner_t;		/* index into the owner table; 0 is the machine */
#define OWNER_MACHINE	0

enum owner_kind { OWNER_FREE, OWNER_KIND_MACHINE, OWNER_PROCESS, OWNER_MODULE, OWNER_CGROUP };

void ledger_init(void);

/* Give out an owner id for a process (id: its pid) or module. 0 when the table is full: charged to the machine. */
owner_t ledger_owner_create(enum owner_kind kind, int id, const char *name);
void ledger_owner_rename(owner_t o, const char *name);		/* exec */
/* Charge what current allocates from now on to `o`; returns who paid before. */
owner_t ledger_switch_owner(owner_t o);
long ledger_owner_frames(owner_t o);
long ledger_owner_peak(owner_t o);
/* The owner is gone; its id is reused when the last byte charged to it is returned. */
void ledger_owner_release(owner_t o);

/* A frame of this account changes to another one, e.g. BOOT -> FREE, PAGE_CACHE -> SHMEM. Owner and site stay. */
void ledger_page_move(struct page *page, unsigned order, enum account to);


/* Frames in an account now; its own maximum; its size at the moment the machine's use was highest. */
long ledger_frames(enum account a);
long ledger_managed_frames(enum account a);	/* of those, the ones the allocator gave out: a share of MemTotal */
long ledger_peak(enum account a);
long ledger_at_machine_peak(enum account a);
const char *ledger_account_name(enum account a);
enum ledger_space ledger_account_space(enum account a);

/*
 * Walk the machine and compare with every counter. Writes a report: one line "MISMATCH what counted found"
 * per difference, and "audit: ok" or "audit: N mismatches" last. Stops the other CPUs meanwhile.
 * Returns the number of mismatches or -ENOMEM.
 */
int ledger_audit(struct text *out);
/* The text of /proc/ledger. */
int ledger_report(struct text *out);
/* All peaks start again from now. */
void ledger_reset_peaks(void);
/* The same, and from now on a snapshot whenever memory in use has moved by a step. 0 or -ENOMEM. */
int ledger_timeline_start(void);
/* The text of /proc/ledger/timeline. */
int ledger_timeline_report(struct text *out);
/* Processes by themselves, the dead too: details.c. A timeline starts it. */
int ledger_details_start(void);
void ledger_process_begins(owner_t o, owner_t parent);
void ledger_process_moves(owner_t from, owner_t to);	/* the same process pays through another owner from now on */
void ledger_process_ends(owner_t o);
/* The text of /proc/ledger/processes. */
int ledger_processes_report(struct text *out);
/* A file's pages in memory, and who most of them are charged to. */
struct address_space;
struct mapping_census {
	unsigned long	pages, mapped, dirty;
	int		owner_pid;
	char		owner[16];
};
void ledger_mapping_census(struct address_space *m, struct mapping_census *out);
/* The text of /proc/allocinfo: every call site with live bytes and calls, as Linux 6.10 prints it. */
int ledger_allocinfo(struct text *out);

/*
 * What the audit asks others for. Each walker reports, with audit_expect(), what its counters say and what it found by walking its own
 * structures; mm/ itself walks free lists, slabs, vmalloc areas and page tables. Called with all other CPUs stopped.
 */
struct audit;
struct audit_walker {
	const char	*name;
	void		(*fn)(struct audit *a);
	struct list	link;
};
void audit_register(struct audit_walker *w);
/* Counts a mismatch and prints it when counted != found. */
void audit_expect(struct audit *a, const char *what, long counted, long found);
/* A page that `who` holds `refs` references to, `maps` of which are user page-table entries. Compared at the end, for every page. */
void audit_page(struct audit *a, const struct page *p, int refs, int maps);

#endif
