/*
 * shmem.h - limits of memory-backed file systems (the mapping itself: <mm/mm.h>, <mm/filemap.h>).
 */
#ifndef MM_SHMEM_H
#define MM_SHMEM_H

#include <lib/atomic.h>
#include <lib/compiler.h>

struct address_space;

/* One per mounted tmpfs; its files share it. */
struct shmem_space {
	unsigned long	max_pages;	/* size=; 0: no limit */
	atomic_long_t	used_pages;
};

/* After shmem_mapping_init(), for a file of a limited tmpfs: its pages count in `space`. 0 or -ENOMEM. */
int shmem_mapping_limit(struct address_space *m, struct shmem_space *space) must_check;

/* Pages of the file that are in swap. */
unsigned long shmem_swapped_pages(struct address_space *m);

#endif
