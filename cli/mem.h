/*
 * mem.h - private to `quire mem` and `quire top`: a machine's memory as its /proc tells it. Sizes are bytes.
 */
#ifndef CLI_MEM_H
#define CLI_MEM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct mem_item {
	char name[64];
	uint64_t bytes, count;
};

struct mem_list {
	struct mem_item *items;
	size_t count, size;
};

struct mem_process {
	int pid, ppid, threads;
	unsigned int uid;
	char name[32];
	uint64_t anon, file, shmem, rss, swap, tables;
	bool has_pss;
	uint64_t pss, pss_anon, uss;
	uint64_t faults; /* minor and major, since its start */
};

struct mem {
	/* the machine */
	uint64_t physical, total, boot_page_array, boot_image;
	uint64_t anon, shmem, swap_cached, swap_used, zswap, hugetlb;
	uint64_t file_cache;
	uint64_t slab, slab_reclaimable, vmalloc, stacks, page_tables, percpu, other_kernel;
	bool stacks_in_vmalloc;
	uint64_t free_buddy, free_cpu, dma_buffers, device; /* device: only Quire's ledger knows */
	bool has_ledger;
	struct mem_list slabs, vmallocs, modules, not_read;
	/* processes */
	struct mem_process *processes;
	size_t nr_processes;
	unsigned int no_pss; /* of how many the proportional size could not be read; why of the first */
	int no_pss_errno;
	uint64_t faults, reclaimed, swapped_in, swapped_out; /* counts since boot */
};

enum mem_wish { MEM_PROCESSES = 1, MEM_PSS = 2, MEM_DETAILS = 4 };

void mem_read(struct mem *m, unsigned int wish, int pid); /* pid: only this process; 0: all */
void mem_free(struct mem *m);
uint64_t mem_user(const struct mem *m);
uint64_t mem_kernel(const struct mem *m);
int64_t mem_unaccounted(const struct mem *m);
void mem_list_add(struct mem_list *l, const char *name, uint64_t bytes, uint64_t count); /* adds to a name that is there */
void mem_list_sort(struct mem_list *l);

/* mem_proc.c */
void mem_read_processes(struct mem *m, bool pss, int pid);
void mem_read_mappings(struct mem_list *to, int pid); /* resident bytes by mapping's name */
bool mem_sort(struct mem *m, const char *by);		      /* false: no such column */
const char *mem_sort_wish(const char *command, const char *by); /* `by`; exits when there is no such column */

#endif
