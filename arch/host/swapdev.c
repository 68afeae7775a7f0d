/*
 * swapdev.c - a disk to swap to, made of an array: reads and writes of chosen slots fail, what is discarded is noted.
 */
#include <abi/errno.h>
#include <kernel/panic.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include "host.h"

static int swap_rw(struct address_space *m, u64 at, struct page **pages, unsigned nr, bool write)
{
	struct host_disk *d = container_of(m, struct host_disk, file.mapping);

	atomic_inc(&d->nr_requests[write]);
	if (d->fail[write] == at && d->fail_errno == -ENOMEM) {
		d->fail[write] = 0;
		return -ENOMEM;
	}
	for (unsigned i = 0; i < nr; i++, at++) {
		u8 *slot = (u8 *)d->data + at * PAGE_SIZE;

		assert(at < d->slots);
		if (d->bad && (d->bad[at] & (write ? HOST_BAD_WRITE : HOST_BAD_READ)))
			return -EIO;
		if (write)
			memcpy(slot, page_address(pages[i]), PAGE_SIZE);
		else
			memcpy(page_address(pages[i]), slot, PAGE_SIZE);
		atomic_inc(&d->nr_pages[write]);
	}
	return 0;
}

static int swap_discard(struct address_space *m, u64 at, u64 nr)
{
	struct host_disk *d = container_of(m, struct host_disk, file.mapping);

	memset(d->data + at * PAGE_SIZE, 0xdd, nr * PAGE_SIZE);
	atomic_add(&d->nr_discarded, (long)nr);
	return 0;
}

static const struct mapping_ops plain_ops = { .swap_rw = swap_rw }, discard_ops = { .swap_rw = swap_rw, .swap_discard = swap_discard };

struct header {
	u32	version, last_page, nr_bad;
	u8	rest[32 + 117 * 4];
	u32	bad[64];
};

void host_disk_init(struct host_disk *d, char *data, unsigned slots, bool discards)
{
	struct header *h = (struct header *)(data + 1024);

	memset(d, 0, sizeof(*d));
	host_file_init(&d->file, data, slots * PAGE_SIZE);
	d->file.mapping.ops = discards ? &discard_ops : &plain_ops;
	d->data = data;
	d->slots = slots;
	memset(data, 0, PAGE_SIZE);
	h->version = 1;
	h->last_page = slots - 1;
	memcpy(data + PAGE_SIZE - 10, "SWAPSPACE2", 10);
}

void host_disk_mark_bad(struct host_disk *d, u32 slot)
{
	struct header *h = (struct header *)(d->data + 1024);

	h->bad[h->nr_bad++] = slot;
}
