/*
 * filemap.h - the page cache: one xarray of pages per inode.
 */
#ifndef MM_FILEMAP_H
#define MM_FILEMAP_H

#include <kernel/lock.h>
#include <kernel/time.h>
#include <lib/errseq.h>
#include <lib/rbtree.h>
#include <lib/xarray.h>
#include <mm/gfp.h>
#include <mm/io_iter.h>
#include <mm/page.h>

struct address_space;
struct inode;
struct vma;

/* What a file system supplies. May be NULL members where noted. All may sleep. */
struct mapping_ops {
	/* Fill a locked page that is not up to date; sets PG_UPTODATE. Does not unlock. 0 or -EIO, -ENOMEM … */
	int	(*read_page)(struct address_space *m, struct page *p);
	/* Fill nr locked pages, contiguous from pages[0]->index; sets PG_UPTODATE on each success. NULL: page by page. */
	int	(*read_pages)(struct address_space *m, struct page **pages, unsigned nr);
	/* Write a locked page under PG_WRITEBACK (set by the caller). len: bytes of it inside the file. */
	int	(*write_page)(struct address_space *m, struct page *p, size_t len);
	int	(*write_pages)(struct address_space *m, struct page **pages, unsigned nr, size_t len_last);
	/* Before bytes [from, from+n) of a page are written by write(2). NULL: read the page when only part is written. */
	int	(*write_begin)(struct address_space *m, struct page *p, unsigned from, unsigned n);
	/* A mapped page is about to become writable: reserve space. NULL: nothing to do. 0, -ENOSPC … */
	int	(*page_mkwrite)(struct address_space *m, struct page *p);
	/* Pages that are not the cache's, at page offsets of the device or file: a swap area. Synchronous. NULL: cannot swap to it. */
	int	(*swap_rw)(struct address_space *m, u64 page_offset, struct page **pages, unsigned nr, bool write);
	/* A file becomes a swap area of up to *pages pages: looks up where they are, so that swap_rw needs no locks and no memory. Sets
	 * *pages to what can be used. -EINVAL: it has holes. NULL (a device): nothing to prepare. */
	int	(*swap_activate)(struct address_space *m, u64 *pages);
	void	(*swap_deactivate)(struct address_space *m);
	/* A slot of the area is free: memory behind it may go. Under the area's lock. NULL: does not want to know. */
	void	(*swap_slot_free)(struct address_space *m, u64 page_offset);
	/* The contents of these pages are not needed any more. 0, -EOPNOTSUPP: the device cannot. NULL: the same. */
	int	(*swap_discard)(struct address_space *m, u64 page_offset, u64 nr);
	/* The page leaves the cache (truncate, reclaim). NULL: nothing to do. */
	void	(*free_page)(struct address_space *m, struct page *p);
};

struct address_space {
	struct inode			*host;		/* [c] opaque to mm */
	const struct mapping_ops	*ops;		/* [c] */
	struct xarray			pages;		/* index -> struct page; marks DIRTY, WRITEBACK */
	unsigned long			nr_pages;	/* under pages' lock */
	loff_t				size;		/* bytes; the inode's i_size lives here, written under inode->rwsem */
	struct rwsem			invalidate_lock; /* LOCK_MAPPING: faults read-lock, truncate write-locks */
	struct mutex			i_mmap_lock;	/* LOCK_I_MMAP */
	struct rb_root			i_mmap;		/* vmas that map this file, by pgoff */
	unsigned long			nr_shared_writable;	/* vmas: MAP_SHARED and writable; memfd seals look */
	enum account			account;	/* [c] ACCT_PAGE_CACHE or ACCT_SHMEM */
	gfp_t				gfp;		/* [c] */
	u32				flags;		/* enum mapping_flags */
	errseq_t			wb_err;		/* write errors: each open file sees each once */
	ktime_t				dirtied;	/* since when it stands on that list */
	struct list			dirty_link;	/* on the machine's list of dirty mappings; shmem: of those with pages in swap */
	struct shmem_info		*shmem;		/* swap entries and accounting of tmpfs; NULL elsewhere */
};
enum mapping_flags {
	MAPPING_UNEVICTABLE	= 1,	/* ramfs-like, or SHM_LOCK: reclaim leaves it alone */
	MAPPING_NO_WRITEBACK	= 2,	/* pages have no home but memory and swap: shmem */
	MAPPING_STRICT_SIZE	= 4,
};

void mapping_init(struct address_space *m, struct inode *host, const struct mapping_ops *ops, enum account account);
/* All pages go, mapped or not; for the last put of an inode. */
void mapping_destroy(struct address_space *m);

/* Page of index, up to date, with a reference; reads it (and ahead) when missing. 0, -EIO, -ENOMEM, or -ERANGE past EOF. */
int filemap_get(struct address_space *m, pgoff_t index, struct page **out) must_check;
/* Only when cached and up to date. NULL otherwise. Returns a reference. */
struct page *filemap_find(struct address_space *m, pgoff_t index);
/* Locked, with a reference, created when missing (then not up to date). 0 or -ENOMEM. */
int filemap_grab(struct address_space *m, pgoff_t index, struct page **out) must_check;
int filemap_insert(struct address_space *m, pgoff_t index, struct page *p) must_check;	/* -EEXIST, -ENOMEM; takes a reference */

struct readahead {		/* per open file */
	pgoff_t		start;	/* of the current window */
	u32		size, async_size, max_pages;
	pgoff_t		next_index;	/* after the page that was read last; 0: none was */
};

/* Generic read(2)/write(2) through the cache. Bytes moved, or negative errno when none. *pos advances. */
ssize_t filemap_read(struct address_space *m, struct readahead *ra, loff_t *pos, struct io_iter *it);
ssize_t filemap_write(struct address_space *m, loff_t *pos, struct io_iter *it);	/* inode->rwsem held for writing */

void filemap_set_dirty(struct page *p);				/* page locked or mapped */
/* Write dirty pages of the byte range [start, end]; wait: until they are on disk. First error seen. */
int filemap_write_range(struct address_space *m, loff_t start, loff_t end, bool wait);
int filemap_check_errors(struct address_space *m, errseq_t *since);	/* 0, -EIO, -ENOSPC since *since; advances it */
/* Truncate: set m->size, unmap and drop everything past it, zero the tail of the last page. */
void filemap_truncate(struct address_space *m, loff_t size);
void filemap_punch_hole(struct address_space *m, loff_t start, loff_t end);
/* Drop clean, unmapped pages of [start, end] (indexes); returns how many. drop_caches, FADV_DONTNEED, revalidation. */
unsigned long filemap_invalidate(struct address_space *m, pgoff_t start, pgoff_t end);
/* Drop all pages, mapped ones too (after writing dirty ones): the file changed behind us. */
int filemap_invalidate_all(struct address_space *m);
void filemap_readahead(struct address_space *m, pgoff_t start, unsigned nr);	/* FADV_WILLNEED, MADV_WILLNEED, readahead(2) */
void filemap_sync_all(bool wait);				/* sync(2): every mapping */

/* border: defined by fs/. Keep the owner of a mapping alive; false when it is going away. Callable under spinning locks. */
bool mapping_host_get(struct address_space *m);
void mapping_host_put(struct address_space *m);
void mapping_host_error(struct address_space *m, int err);	/* pages of it could not be written: syncfs(2) tells */

/* Dirty pages: when the flusher starts, and when who writes must write back himself. */
void filemap_dirty_limits(unsigned long *background, unsigned long *hard);

#endif
