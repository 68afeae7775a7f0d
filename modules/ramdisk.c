/*
 * ramdisk.c - a block device: /dev/ram0 keeps its sectors in memory.
 *
 * A page is taken when something is first written to it; what was never written, or was discarded, reads as zeros. Requests are done
 * at once, in whoever asks: a disk without a queue.
 */
#include <drivers/driver.h>

#define RAMDISK_MAJOR	1

static unsigned size_kib = 4096;
module_param(size_kib, uint, 0444);
MODULE_PARM_DESC(size_kib, "size of the disk in KiB, a multiple of 4");

static struct page **pages;		/* one a page of the disk; NULL: zeros */
static spinlock_t lock;			/* guards the table, and the pages in it while they are copied */

/* Takes the lock, with a page behind `index`; false, and no lock: no memory. */
static bool lock_with_page(u64 index)
{
	struct page *fresh = NULL;

	spin_lock(&lock);
	if (!pages[index]) {
		spin_unlock(&lock);
		fresh = alloc_page(GFP_NOFS | GFP_ZERO);	/* memory may be short: we are how it gets clean */
		if (!fresh)
			return false;
		spin_lock(&lock);
		if (!pages[index]) {		/* no other writer was faster */
			pages[index] = fresh;
			fresh = NULL;
		}
	}
	if (fresh)
		__free_page(fresh);
	return true;
}

/* n bytes at byte `at` of the disk, all in one of its pages. */
static int copy_piece(bool write, u64 at, char *memory, size_t n)
{
	u64 index = at / PAGE_SIZE, offset = at % PAGE_SIZE;

	if (!write)
		spin_lock(&lock);
	else if (!lock_with_page(index))
		return -EIO;
	if (write)
		memcpy((char *)page_address(pages[index]) + offset, memory, n);
	else if (pages[index])
		memcpy(memory, (char *)page_address(pages[index]) + offset, n);
	else
		memset(memory, 0, n);
	spin_unlock(&lock);
	return 0;
}

static int ramdisk_submit(struct block_device *b, struct block_io *io)
{
	u64 at = io->sector * SECTOR_SIZE;
	u32 done = 0;

	io->err = 0;
	while (done < io->bytes && !io->err) {
		char *memory = (char *)page_address(io->pages[done / PAGE_SIZE]) + done % PAGE_SIZE;
		size_t n = min(io->bytes - done, (u32)min(PAGE_SIZE - done % PAGE_SIZE, PAGE_SIZE - (at + done) % PAGE_SIZE));

		io->err = copy_piece(io->write, at + done, memory, n);
		done += (u32)n;
	}
	io->done(io);
	return 0;
}

/* Whole pages only. */
static int ramdisk_discard(struct block_device *b, u64 sector, u64 nr)
{
	for (u64 i = DIV_ROUND_UP(sector, SECTORS_PER_PAGE); i < (sector + nr) / SECTORS_PER_PAGE; i++) {
		struct page *p;

		spin_lock(&lock);
		p = pages[i];
		pages[i] = NULL;
		spin_unlock(&lock);
		if (p)
			__free_page(p);
	}
	return 0;
}

static const struct block_ops ramdisk_ops = { .submit = ramdisk_submit, .discard = ramdisk_discard };
static struct block_device disk = { .name = "ram0", .rdev = MKDEV(RAMDISK_MAJOR, 0), .ops = &ramdisk_ops, .owner = THIS_MODULE };

static int __init ramdisk_init(void)
{
	int err;

	if (!size_kib || size_kib % 4)
		return -EINVAL;
	spin_lock_init(&lock, "ramdisk", LOCK_DRIVER);
	disk.sectors = size_kib * 2ull;
	pages = vzalloc(size_kib / 4 * sizeof(*pages));
	if (!pages)
		return -ENOMEM;
	err = block_register(&disk);
	if (err)
		vfree(pages);
	return err;
}

static void __exit ramdisk_exit(void)
{
	block_unregister(&disk);
	for (unsigned i = 0; i < size_kib / 4; i++)
		if (pages[i])
			__free_page(pages[i]);
	vfree(pages);
}

module_init(ramdisk_init);
module_exit(ramdisk_exit);
MODULE_LICENSE("MIT");
MODULE_DESCRIPTION("a disk in memory");
MODULE_VERSION("1");
