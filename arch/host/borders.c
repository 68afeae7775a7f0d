/*
 * borders.c - what mm/ asks of the layers above it, on the host machine: files that are arrays, no signals, unlimited resources.
 */
#include <abi/errno.h>
#include <abi/resource.h>
#include <arch/trap.h>
#include <arch/upcalls.h>
#include <kernel/cred.h>
#include <kernel/panic.h>
#include <kernel/psi.h>
#include <kernel/random.h>
#include <kernel/workqueue.h>
#include <lib/random.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/filemap.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include "host.h"
#include "machine.h"

void host_mm_start(void)
{
	mm_init();
}

void host_use_mm(struct mm *mm)
{
	current->mm = mm;
	mm_activate(mm);
}

/* Nobody measures stalls here. */
struct psi_group psi_system;
void psi_group_init(struct psi_group *g, struct psi_group *parent) { }
void psi_group_end(struct psi_group *g) { }
void psi_memstall_enter(void) { }
void psi_memstall_leave(void) { }

/* ---- files -------------------------------------------------------------------------------------------------------- */

static int read_page(struct address_space *m, struct page *p)
{
	struct file *f = container_of(m, struct file, mapping);
	size_t from = p->index << PAGE_SHIFT, n = 0;

	if (f->io_error)
		return -EIO;
	if (from < f->size)
		n = min(f->size - from, (size_t)PAGE_SIZE);
	memcpy(page_address(p), f->data + from, n);
	memset((char *)page_address(p) + n, 0, PAGE_SIZE - n);
	page_set(p, PG_UPTODATE);
	f->nr_reads++;
	return 0;
}

static int write_page(struct address_space *m, struct page *p, size_t len)
{
	struct file *f = container_of(m, struct file, mapping);

	if (f->io_error)
		return -EIO;
	memcpy(f->data + (p->index << PAGE_SHIFT), page_address(p), min(len, f->size - (p->index << PAGE_SHIFT)));
	f->nr_writes++;
	return 0;
}

static const struct mapping_ops file_ops = { .read_page = read_page, .write_page = write_page };

void host_file_init(struct file *f, char *data, size_t size)
{
	memset(f, 0, sizeof(*f));
	f->data = data;
	f->size = size;
	f->refs = 1;
	mapping_init(&f->mapping, (struct inode *)f, &file_ops, ACCT_PAGE_CACHE);
	f->mapping.size = (loff_t)size;
}

void vma_file_get(struct file *f)
{
	__atomic_fetch_add(&f->refs, 1, __ATOMIC_SEQ_CST);
}

void vma_file_put(struct file *f)
{
	__atomic_fetch_sub(&f->refs, 1, __ATOMIC_SEQ_CST);
}

struct address_space *vma_file_mapping(struct file *f)
{
	return &f->mapping;
}

void file_path_text(struct file *f, struct text *out)
{
	text_puts(out, "/host/file");
}

const char *file_path_name(struct file *f, char *buf, size_t n)
{
	return "/host/file";
}

void file_dev_inode(struct file *f, u32 *major, u32 *minor, u64 *ino)
{
	*major = *minor = 0;
	*ino = 1;
}

void exe_file_release(struct file *f)
{
	vma_file_put(f);
}

int exe_file_dup(struct file *f)
{
	vma_file_get(f);
	return 0;
}

bool mapping_host_get(struct address_space *m)
{
	return true;
}

void mapping_host_put(struct address_space *m)
{
}

void mapping_host_error(struct address_space *m, int err)
{
}

int vma_file_sync(struct file *f, loff_t start, loff_t end)
{
	return filemap_write_range(&f->mapping, start, end, true);
}

/* ---- everything else ------------------------------------------------------------------------------------------------ */

unsigned long task_rlimit(struct task *t, unsigned resource)
{
	return RLIM_INFINITY;
}

u64 random_u64(void)
{
	static u64 state = 12345;

	return prng_next(&state);
}

/* No background threads: tests call what those would. */
struct task *kthread_create(int (*fn)(void *), void *arg, const char *name_fmt, ...)
{
	static struct task never_runs;

	return &never_runs;
}

void task_wake_new(struct task *t)
{
}

void delayed_work_init(struct delayed_work *w, void (*fn)(struct work *))
{
}

bool delayed_work_cancel(struct delayed_work *w)
{
	return false;
}

/* The host's CPUs have no timer of the scheduler's. */
void sched_timer_pause(void)
{
}

void sched_timer_resume(void)
{
}

/* No threads of the kernel's own: queued work is done when somebody waits for it. */
void work_init(struct work *w, void (*fn)(struct work *))
{
	w->fn = fn;
	w->queued = false;
}

bool work_queue(struct work *w)
{
	bool was = w->queued;

	w->queued = true;
	return !was;
}

void work_flush(struct work *w)
{
	if (w->queued) {
		w->queued = false;
		w->fn(w);
	}
}

bool delayed_work_queue(struct delayed_work *w, ktime_t delay)
{
	return true;
}

bool trap_fixup(struct trapframe *f)
{
	return false;
}

void trap_oops(struct trapframe *f, const char *what, vaddr_t addr)
{
	panic("%s at %#lx", what, addr);
}

void user_exception(struct trapframe *f, int signo, int code, vaddr_t addr, int trapno, unsigned long err)
{
}

/* Sanitizers and debuggers tell more. */
void dump_stack(void)
{
}
