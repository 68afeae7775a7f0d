/*
 * block.h - block devices: what a disk driver supplies, and what users of disks (page cache, swap, file systems) call.
 *
 * I/O is in whole pages of memory and sectors of 512 bytes. A device's own page cache (its inode's mapping) is what read(2) and
 * file systems' metadata use; swap and file data go to the device directly and must not overlap with it.
 */
#ifndef DRIVERS_BLOCK_H
#define DRIVERS_BLOCK_H

#include <fs/procfs.h>
#include <kernel/lock.h>
#include <mm/page.h>

#define BLOCK_MAX_PAGES	64
#define SECTOR_SIZE	512u
#define SECTORS_PER_PAGE (PAGE_SIZE / SECTOR_SIZE)

struct block_device;
struct inode;

/* One transfer between a contiguous run of sectors and pages. The caller keeps it, and the pages, until done() was called. */
struct block_io {
	struct block_device *bdev;
	bool		write;
	u64		sector;
	struct page	**pages;
	unsigned	nr;		/* 1 … BLOCK_MAX_PAGES */
	u32		bytes;		/* 0: nr whole pages; less when the last one is not needed whole */
	/* Called once, at a safe point (kernel/irq.h) with no locks held, or from block_submit() itself. May free io, wake, lock; not sleep. */
	void		(*done)(struct block_io *io);
	void		*priv;
	int		err;		/* for done(): 0, -EIO */
	/* ---- drivers/block.c ---- */
	ktime_t		start;
	void		(*then)(struct block_io *io);	/* the caller's done() */
};

/* What /proc/diskstats tells of a device. */
enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_DISCARD, BLOCK_FLUSH, NR_BLOCK_OPS };
struct block_stats {
	spinlock_t	lock;		/* LOCK_LEAF */
	u64		nr[NR_BLOCK_OPS], sectors[NR_BLOCK_OPS], ns[NR_BLOCK_OPS];	/* of those that ended */
	unsigned	in_flight;
	ktime_t		since;		/* when in_flight was last another */
	u64		busy_ns, weighted_ns;	/* with one in flight at least; times how many */
};

struct block_ops {
	/* Start io. 0, and done() will be called; or an error, and it will not. May sleep while the device's queue is full. */
	int	(*submit)(struct block_device *b, struct block_io *io);
	int	(*flush)(struct block_device *b);		/* what was written is on the medium; NULL: it always is */
	/* The contents of these sectors are not needed any more. May sleep. NULL: the device cannot be told. */
	int	(*discard)(struct block_device *b, u64 sector, u64 nr);
	/* A page of a swap area is free; under the area's lock, must not sleep. NULL: does not want to know. */
	void	(*slot_free)(struct block_device *b, u64 page);
};

struct block_device {
	char			name[16];	/* "vda" */
	u32			rdev;
	u64			sectors;
	bool			read_only;
	const struct block_ops	*ops;
	void			*priv;		/* driver's */
	struct module		*owner;		/* held while it is open, mounted or swapped to; NULL: the kernel's own */
	/* ---- drivers/block.c ---- */
	struct inode		*inode;		/* its page cache */
	void			*holder;	/* who claimed it: a mount, swap */
	struct block_stats	stats;
	struct list		link;
	char			sysfs_path[2][40];
	struct proc_file	sysfs_file[2];
};

/* name, rdev, sectors, read_only, ops set. Makes /dev/<name>, /sys/block/<name>, and the entries in /proc. 0 or -errno. */
int block_register(struct block_device *b) must_check;

/* Nobody has it open or claimed: called when the module that owns it goes. Its cache, nodes and files go; b is the caller's again. */
void block_unregister(struct block_device *b);

struct block_device *block_find(u32 rdev);	/* NULL: none. Of somebody who holds the device open, claimed, or got it: */
struct block_device *block_get(const struct inode *i);	/* of a device node; it stays until block_put(). NULL: none */
void block_put(struct block_device *b);
unsigned long block_cached_pages(void);		/* of all devices' own contents: what meminfo calls Buffers */
struct block_device *block_of_inode(const struct inode *i);	/* of an opened device's inode; NULL when it is none */
/* Exclusive use. 0 or -EBUSY. */
int block_claim(struct block_device *b, void *holder) must_check;
void block_release(struct block_device *b, void *holder);

/* 0, or -EIO past the end or for a write to a read-only device (then done() is not called). */
int block_submit(struct block_io *io) must_check;
/* The same, sleeping until it is done; nr of any size. */
int block_rw(struct block_device *b, bool write, u64 sector, struct page **pages, unsigned nr) must_check;
/* One page, of which only the first bytes (a multiple of 512) exist on the device. */
int block_rw_bytes(struct block_device *b, bool write, u64 sector, struct page *page, u32 bytes) must_check;
int block_flush(struct block_device *b) must_check;
int block_discard(struct block_device *b, u64 sector, u64 nr) must_check;	/* -EOPNOTSUPP: it cannot */

#endif
