/*
 * host.h - a machine made of a Linux process: for unit tests, the fuzzer and benchmarks of mm/ and lib/.
 *
 * One machine per process: tests that want a fresh one fork. Threads are CPUs, and each is one task.
 */
#ifndef ARCH_HOST_H
#define ARCH_HOST_H

#include <kernel/task.h>
#include <lib/types.h>
#include <mm/mm.h>

struct host_ram { paddr_t start; u64 len; };
struct host_config {
	struct host_ram	ram[8];		/* ends with len 0; none: 16 MiB as on a PC, with the hole below 1 MiB */
	unsigned	nr_cpus;	/* 0: 1 */
	bool		no_mm;		/* only the allocators */
};

void host_start(const struct host_config *c);
/* fn(i, arg) on CPUs 0 … n-1 at the same time, each in a task of its own; returns when all have. */
void host_on_cpus(unsigned n, void (*fn)(unsigned cpu, void *arg), void *arg);

/* current works in `mm` from now on (NULL: none). */
void host_use_mm(struct mm *mm);
/* User mode: what the program of current's address space does. FAULT_DONE, or what mm_fault() could not mend. */
enum fault_result host_read(vaddr_t addr, void *buf, size_t n);
enum fault_result host_write(vaddr_t addr, const void *buf, size_t n);
enum fault_result host_exec(vaddr_t addr);

/* A file whose contents are an array. */
struct file {
	struct address_space	mapping;
	char			*data;
	size_t			size;
	long			refs;
	unsigned		nr_reads, nr_writes;
	bool			io_error;
};
void host_file_init(struct file *f, char *data, size_t size);

/* A disk with a swap header, as mkswap makes it. swap_on(&d->file, &d->file.mapping, …). */
struct host_disk {
	struct file	file;
	char		*data;
	unsigned	slots;
	u8		*bad;			/* per slot: HOST_BAD_*, or NULL */
	u64		fail[2];		/* the read or write that begins here gets fail_errno, once */
	int		fail_errno;
	atomic_t	nr_requests[2], nr_pages[2];
	atomic_long_t	nr_discarded;
};
enum { HOST_BAD_READ = 1, HOST_BAD_WRITE = 2 };
void host_disk_init(struct host_disk *d, char *data, unsigned slots, bool discards);
void host_disk_mark_bad(struct host_disk *d, u32 slot);	/* as mkswap -c does */

extern bool host_started, host_expect_panic;
extern bool host_verbose;		/* show the kernel log */
extern unsigned long host_stale_hits;	/* TLB entries used although the page table said something else by now */

#endif
