/*
 * readahead.c - reading more of a file than was asked for, because it will be asked for.
 *
 * Sequential reads: a small file whole, else a window of twice the first request (8 pages at least), which doubles up to the file's
 * maximum. Reading is synchronous, so the next window starts when this one is used up. A read elsewhere gets what it
 * asked for and no more. Faults: a fixed stretch around the address, since programs are mapped in runs but touched out of order.
 * Windows shrink on a machine that is short of free memory: prefetching must not push out what is in use.
 */
#include "internal.h"

#include <mm/filemap.h>

#define RA_MAX_PAGES	128		/* 512 KiB: round trips to the host cost more than copying */
#define RA_AROUND	64
#define RA_BATCH	128
#define RA_WHOLE	32		/* a file this small is read at once */

static unsigned ra_limit(unsigned want)
{
	unsigned long spare = nr_free_pages() / 16 + 2;

	return spare < want ? (unsigned)spare : want;
}

static pgoff_t eof_index(struct address_space *m)
{
	return (pgoff_t)((READ_ONCE(m->size) + PAGE_SIZE - 1) >> PAGE_SHIFT);
}

/* Fill locked, referenced, contiguous new pages and let go of them. */
static void read_batch(struct address_space *m, struct page **pages, unsigned nr)
{
	if (!nr)
		return;
	if (m->ops->read_pages) {
		(void)!m->ops->read_pages(m, pages, nr);
	} else {
		for (unsigned i = 0; i < nr; i++)
			if (filemap_fill(m, pages[i]))
				break;
	}
	for (unsigned i = 0; i < nr; i++)
		page_unlock(pages[i]);
	page_put_bulk(pages, nr);
}

/* Read what is missing of [start, start + nr). invalidate_lock held. */
static void read_range(struct address_space *m, pgoff_t start, unsigned nr)
{
	struct page *pages[RA_BATCH], *p;
	pgoff_t eof = eof_index(m), end;
	unsigned n = 0;

	if (start >= eof)
		return;
	end = min(start + nr, eof);
	for (pgoff_t i = start; i < end; i++) {
		bool present = xa_load(&m->pages, i);

		if (present || n == RA_BATCH) {
			read_batch(m, pages, n);
			n = 0;
		}
		if (present)
			continue;
		if (filemap_create(m, i, m->gfp | GFP_NORETRY | GFP_NOWARN, &p))
			break;
		pages[n++] = p;
	}
	read_batch(m, pages, n);
}

static bool can_read(struct address_space *m)
{
	return m->ops && (m->ops->read_page || m->ops->read_pages) && !(m->flags & MAPPING_NO_WRITEBACK);
}

void filemap_readahead(struct address_space *m, pgoff_t start, unsigned nr)
{
	if (!can_read(m))
		return;
	rwsem_read_lock(&m->invalidate_lock);
	read_range(m, start, ra_limit(nr));
	rwsem_read_unlock(&m->invalidate_lock);
}

/* A fault missed at index. */
void readahead_around(struct address_space *m, pgoff_t index, bool random)
{
	unsigned nr = random ? 1 : ra_limit(RA_AROUND);
	pgoff_t start = random ? index : index - min(index, (pgoff_t)nr / 4);

	if (!can_read(m))
		return;
	start &= ~(pgoff_t)3;
	if (random)
		start = index;
	rwsem_read_lock(&m->invalidate_lock);
	read_range(m, start, nr);
	rwsem_read_unlock(&m->invalidate_lock);
}

/* A read wants `want` pages from index, and the first is not cached. */
void readahead_sequential(struct address_space *m, struct readahead *ra, pgoff_t index, unsigned want)
{
	unsigned most = ra->max_pages ? ra->max_pages : RA_MAX_PAGES;
	bool sequential = index == 0 || index == ra->next_index || index + 1 == ra->next_index ||
			  (ra->size && index == ra->start + ra->size);

	if (!can_read(m))
		return;
	want = clamp(want, 1u, most);
	if (!sequential)
		ra->size = want;			/* exactly what was asked for */
	else if (ra->size && index == ra->start + ra->size)
		ra->size = min(max(ra->size * 2, want), most);
	else if (index == 0 && eof_index(m) <= RA_WHOLE)
		ra->size = RA_WHOLE;
	else
		ra->size = min(max(want * 2, 8u), most);
	ra->size = max(ra_limit(ra->size), 1u);
	ra->start = index;
	rwsem_read_lock(&m->invalidate_lock);
	read_range(m, index, ra->size);
	rwsem_read_unlock(&m->invalidate_lock);
}
