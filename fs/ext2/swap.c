/*
 * swap.c - ext2 files as swap areas.
 *
 * HOW         swapon looks every block up once and keeps runs of neighbouring blocks; from then on a page goes straight between
 *             memory and disk: no lock of the file system, no metadata, no memory for it, as reclaim has none of these to give.
 * RULES       a file with a hole cannot be a swap area (EINVAL, a line in the log). With blocks below 4 KiB only pages whose blocks
 *             are neighbours are used, so the area may be a little smaller than the file; as on Linux.
 * LIFE        the caller keeps the file's blocks where they are: a file in use as swap cannot be written, cut or unlinked.
 */
#include <abi/errno.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <mm/slab.h>

#include "ext2.h"

struct run {
	u32	page, nr;		/* pages of the area */
	u64	sector;			/* of the first */
};

struct ext2_swap {
	unsigned	nr, room;
	struct run	*runs;		/* by page */
};

static int add_page(struct ext2_swap *w, u32 page, u64 sector)
{
	struct run *last = w->nr ? &w->runs[w->nr - 1] : NULL;

	if (last && sector == last->sector + (u64)last->nr * SECTORS_PER_PAGE) {
		last->nr++;
		return 0;
	}
	if (w->nr == w->room) {
		unsigned room = w->room ? w->room * 2 : 64;
		struct run *more = kvmalloc(room * sizeof(*more), GFP_KERNEL);

		if (!more)
			return -ENOMEM;
		memcpy(more, w->runs, w->nr * sizeof(*more));
		kvfree(w->runs);
		w->runs = more;
		w->room = room;
	}
	w->runs[w->nr++] = (struct run){ .page = page, .nr = 1, .sector = sector };
	return 0;
}

/* The block of page-sized stretch at file block `at`; 0: its blocks are no neighbours. -EINVAL: a hole. */
static int stretch(struct inode *i, u64 at, unsigned blocks, u32 *first)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	bool fresh;
	int err = 0;

	mutex_lock(&s->lock);
	for (unsigned k = 0; k < blocks && !err; k++) {
		u32 b;

		err = ext2_bmap(i, at + k, false, &b, &fresh);
		if (!err && !b)
			err = -EINVAL;
		if (!k)
			*first = b;
		else if (*first && b != *first + k)
			*first = 0;
	}
	mutex_unlock(&s->lock);
	return err;
}

static int find_runs(struct inode *i, struct ext2_swap *w, u64 *pages)
{
	struct ext2_sb *s = ext2_sb(i->sb);
	unsigned blocks = PAGE_SIZE / s->block_size;
	u64 at = 0, end = (u64)i->data.size / s->block_size, page = 0;
	int err = 0;

	while (!err && page < *pages && at + blocks <= end) {
		u32 first = 0;

		err = stretch(i, at, blocks, &first);
		if (!err && first) {
			err = add_page(w, (u32)page++, (u64)first * (s->block_size / SECTOR_SIZE));
			at += blocks;
		} else {
			at++;
		}
		cond_resched();
	}
	if (err == -EINVAL)
		pr_err("swapon: swapfile has holes\n");
	*pages = page;
	return err;
}

int ext2_swap_activate(struct address_space *m, u64 *pages)
{
	struct ext2_swap *w = kzalloc(sizeof(*w), GFP_KERNEL);
	int err = w ? find_runs(m->host, w, pages) : -ENOMEM;

	if (err && w) {
		kvfree(w->runs);
		kfree(w);
	} else if (!err) {
		ext2_i(m->host)->swap = w;
	}
	return err;
}

void ext2_swap_deactivate(struct address_space *m)
{
	struct ext2_inode *e = ext2_i(m->host);

	kvfree(e->swap->runs);
	kfree(e->swap);
	e->swap = NULL;
}

static const struct run *find_run(const struct ext2_swap *w, u64 page)
{
	unsigned low = 0, high = w->nr;

	while (high - low > 1) {
		unsigned mid = (low + high) / 2;

		*(w->runs[mid].page <= page ? &low : &high) = mid;
	}
	return page < (u64)w->runs[low].page + w->runs[low].nr ? &w->runs[low] : NULL;
}

int ext2_swap_rw(struct address_space *m, u64 page, struct page **pages, unsigned nr, bool write)
{
	const struct ext2_swap *w = ext2_i(m->host)->swap;
	int err = 0;

	for (unsigned n; nr && !err; nr -= n, page += n, pages += n) {
		const struct run *r = find_run(w, page);

		if (!r)
			return -EIO;
		n = min(nr, r->nr - (unsigned)(page - r->page));
		err = block_rw(ext2_sb(m->host->sb)->bdev, write, r->sector + (page - r->page) * SECTORS_PER_PAGE, pages, n);
	}
	return err;
}

int ext2_swap_discard(struct address_space *m, u64 page, u64 nr)
{
	const struct ext2_swap *w = ext2_i(m->host)->swap;
	int err = 0;

	for (u64 n; nr && !err; nr -= n, page += n) {
		const struct run *r = find_run(w, page);

		if (!r)
			return -EIO;
		n = min(nr, r->nr - (page - r->page));
		err = block_discard(ext2_sb(m->host->sb)->bdev, r->sector + (page - r->page) * SECTORS_PER_PAGE, n * SECTORS_PER_PAGE);
	}
	return err;
}
