/*
 * zram.c - disks in memory that keep their pages compressed: /dev/zram0 …
 *
 * HOW         a page written is compressed into a pool (mm/zpool.c) and found by its number in a table; a page of equal words is that word
 *             in the table. A page that was never written reads as zeroes and costs nothing.
 * LIFE        hot_add makes a device without a size; writing `disksize` makes the table; `reset` frees everything, while nobody has
 *             it open for swap or a mount. Devices stay.
 * LOCKS       z->lock (LOCK_DRIVER) around table entries. The pool's own inside it.
 * LINUX       the files of /sys/block/zramN and /sys/class/zram-control. One compressor, lz4; no backing device, no hot_remove.
 */
#include <abi/errno.h>
#include <drivers/block.h>
#include <fs/fs.h>
#include <kernel/boot_info.h>
#include <kernel/main.h>
#include <kernel/cpu.h>
#include <kernel/printk.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <lib/text.h>
#include <linux/fs.h>
#include <mm/filemap.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/zpool.h>

#define ZRAM_MAJOR	253
#define MAX_DISKS	8
#define WORST		(PAGE_SIZE * 15 / 16)

struct slot {
	union {
		struct zspage	*span;
		u64		fill;
	};
	u16	place, len;		/* len 0: nothing; FILLED: full of `fill`; PAGE_SIZE: as it came */
};
#define FILLED	0xffffu

struct zram {
	struct block_device	bdev;
	spinlock_t		lock;
	struct zpool		pool;
	struct slot		*table;
	u64			nr;		/* of the table */
	u64			limit;		/* bytes for the pool; 0: none */
	long			most_pages;
	u64			same, huge, stored;	/* pages */
	u64			failed[2];
	char			path[12][40];
	struct proc_file	file[12];
};

static struct zram *disks[MAX_DISKS];
static unsigned nr_disks;
static struct mutex setup = MUTEX_INIT(setup, "zram", LOCK_SLEEP_LEAF);

/* ---- pages ------------------------------------------------------------------------------------------------------ */

static void drop(struct zram *z, struct slot *s)
{
	if (!s->len)
		return;
	if (s->len == FILLED)
		z->same--;
	else
		zpool_free(&z->pool, (struct zhandle){ s->span, s->place }, s->len);
	z->huge -= s->len == PAGE_SIZE;
	z->stored--;
	s->len = 0;
}

/* Before the table is touched: the new contents. */
static int store(struct zram *z, u64 at, const void *data)
{
	struct slot new = { .len = FILLED };
	struct zhandle h;

	if (!zpool_one_word(data, &new.fill)) {
		const void *from;
		size_t n = zpool_compress(data, WORST, &from);

		if (!n) {
			from = data;
			n = PAGE_SIZE;
		}
		if (z->limit && (u64)z->pool.pages * PAGE_SIZE >= z->limit)
			return -ENOMEM;
		if (!zpool_store(&z->pool, from, n, GFP_ATOMIC | GFP_NOWARN, &h))
			return -ENOMEM;
		new = (struct slot){ .span = h.span, .place = h.slot, .len = (u16)n };
	}
	spin_lock(&z->lock);
	drop(z, &z->table[at]);
	z->table[at] = new;
	z->same += new.len == FILLED;
	z->huge += new.len == PAGE_SIZE;
	z->stored++;
	z->most_pages = max(z->most_pages, z->pool.pages);
	spin_unlock(&z->lock);
	return 0;
}

static int load(struct zram *z, u64 at, void *data)
{
	const struct slot *s = &z->table[at];
	int err = 0;

	spin_lock(&z->lock);			/* the object must not go while it is read */
	if (!s->len) {
		memset(data, 0, PAGE_SIZE);
	} else if (s->len == FILLED) {
		zpool_fill(data, s->fill);
	} else if (!zpool_expand((struct zhandle){ s->span, s->place }, s->len, data)) {
		err = -EIO;
	}
	spin_unlock(&z->lock);
	return err;
}

/* The pages' sectors are whole pages: swap, the page cache and file systems with 4 KiB blocks. Others: -EIO, as block size 4096 says. */
static int zram_submit(struct block_device *b, struct block_io *io)
{
	struct zram *z = b->priv;
	u64 at = io->sector / SECTORS_PER_PAGE;
	int err = 0;

	if (!z->table || io->sector % SECTORS_PER_PAGE || io->bytes % PAGE_SIZE)
		return -EIO;
	for (unsigned i = 0; i < io->nr && !err; i++)
		err = io->write ? store(z, at + i, page_address(io->pages[i])) : load(z, at + i, page_address(io->pages[i]));
	z->failed[io->write] += err != 0;
	io->err = err ? -EIO : 0;
	io->done(io);
	return 0;
}

static int zram_discard(struct block_device *b, u64 sector, u64 nr)
{
	struct zram *z = b->priv;

	for (u64 at = DIV_ROUND_UP(sector, SECTORS_PER_PAGE); at < (sector + nr) / SECTORS_PER_PAGE; at++) {
		spin_lock(&z->lock);
		drop(z, &z->table[at]);
		spin_unlock(&z->lock);
	}
	return 0;
}

/* Swap tells when a slot is free; nothing sleeps here. */
static void zram_slot_free(struct block_device *b, u64 page)
{
	struct zram *z = b->priv;

	spin_lock(&z->lock);
	drop(z, &z->table[page]);
	spin_unlock(&z->lock);
}

static const struct block_ops zram_ops = { .submit = zram_submit, .discard = zram_discard, .slot_free = zram_slot_free };

/* ---- its files ---------------------------------------------------------------------------------------------------- */

static void set_pages(struct zram *z, u64 pages)
{
	z->nr = pages;
	z->bdev.sectors = pages * SECTORS_PER_PAGE;
	z->bdev.inode->data.size = (loff_t)(pages << PAGE_SHIFT);
}

/* setup held. */
static int set_size(struct zram *z, u64 bytes)
{
	u64 pages = DIV_ROUND_UP(bytes, PAGE_SIZE);
	struct slot *t;

	if (!pages)
		return -EINVAL;
	if (z->table)
		return -EBUSY;
	t = zpool_get_buffers() ? NULL : kvmalloc(pages * sizeof(*t), GFP_KERNEL | GFP_ZERO | GFP_NOACCOUNT);
	if (!t)
		return -ENOMEM;
	z->table = t;
	set_pages(z, pages);
	return 0;
}

static ssize_t disksize_write(const char *buf, size_t n, void *arg)
{
	const char *end;
	u64 v = str_to_u64(buf, &end, 0);
	int err;

	v <<= strchr("kK", *end) && *end ? 10 : strchr("mM", *end) && *end ? 20 : strchr("gG", *end) && *end ? 30 : 0;
	if (end == buf)
		return -EINVAL;
	mutex_lock(&setup);
	err = set_size(arg, v);
	mutex_unlock(&setup);
	return err ? err : (ssize_t)n;
}

static ssize_t reset_write(const char *buf, size_t n, void *arg)
{
	struct zram *z = arg;
	const char *end;
	u64 v = str_to_u64(buf, &end, 0);
	int err;

	if (end == buf || !v)
		return -EINVAL;
	err = block_claim(&z->bdev, z);
	if (err)
		return err;
	mutex_lock(&setup);
	(void)!filemap_invalidate_all(&z->bdev.inode->data);
	for (u64 at = 0; at < z->nr; at++)
		drop(z, &z->table[at]);
	kvfree(z->table);
	z->table = NULL;
	z->most_pages = 0;
	z->limit = 0;
	set_pages(z, 0);
	mutex_unlock(&setup);
	block_release(&z->bdev, z);
	return (ssize_t)n;
}

static ssize_t limit_write(const char *buf, size_t n, void *arg)
{
	struct zram *z = arg;
	const char *end;
	u64 v = str_to_u64(buf, &end, 0);

	v <<= strchr("kK", *end) && *end ? 10 : strchr("mM", *end) && *end ? 20 : strchr("gG", *end) && *end ? 30 : 0;
	if (end == buf)
		return -EINVAL;
	z->limit = v;
	return (ssize_t)n;
}

static ssize_t used_max_write(const char *buf, size_t n, void *arg)
{
	struct zram *z = arg;

	if (*buf != '0')
		return -EINVAL;
	z->most_pages = z->pool.pages;
	return (ssize_t)n;
}

static ssize_t algorithm_write(const char *buf, size_t n, void *arg)
{
	struct zram *z = arg;

	if (strncmp(buf, "lz4", 3) || (buf[3] && buf[3] != '\n'))
		return -EINVAL;
	return z->table ? -EBUSY : (ssize_t)n;
}

static ssize_t ignore_write(const char *buf, size_t n, void *arg)
{
	return (ssize_t)n;			/* compact: nothing to move; max_comp_streams: one a CPU, as in Linux since 4.7 */
}

static int disksize_show(struct text *out, void *arg)
{
	struct zram *z = arg;

	text_printf(out, "%llu\n", (unsigned long long)z->nr << PAGE_SHIFT);
	return 0;
}

static int initstate_show(struct text *out, void *arg)
{
	text_printf(out, "%d\n", ((struct zram *)arg)->table != NULL);
	return 0;
}

static int algorithm_show(struct text *out, void *arg)
{
	text_puts(out, "[lz4]\n");
	return 0;
}

static int streams_show(struct text *out, void *arg)
{
	text_printf(out, "%u\n", nr_cpus);
	return 0;
}

/* orig_data_size compr_data_size mem_used_total mem_limit mem_used_max same_pages pages_compacted huge_pages huge_pages_since */
static int mm_stat_show(struct text *out, void *arg)
{
	struct zram *z = arg;

	text_printf(out, "%8llu %8llu %8llu %8llu %8llu %8llu %8u %8llu %8llu\n", (unsigned long long)z->stored << PAGE_SHIFT,
		    (unsigned long long)z->pool.bytes, (unsigned long long)z->pool.pages << PAGE_SHIFT, (unsigned long long)z->limit,
		    (unsigned long long)z->most_pages << PAGE_SHIFT, (unsigned long long)z->same, 0,
		    (unsigned long long)z->huge, (unsigned long long)z->huge);
	return 0;
}

static int io_stat_show(struct text *out, void *arg)
{
	struct zram *z = arg;

	text_printf(out, "%8llu %8llu %8u %8u\n", (unsigned long long)z->failed[0], (unsigned long long)z->failed[1], 0, 0);
	return 0;
}

static int backing_show(struct text *out, void *arg)
{
	text_puts(out, "none\n");
	return 0;
}

static void make_files(struct zram *z)
{
	static const struct {
		const char *name;
		u32 mode;
		int (*show)(struct text *, void *);
		ssize_t (*write)(const char *, size_t, void *);
	} files[] = {
		{ "disksize", 0644, disksize_show, disksize_write }, { "initstate", 0444, initstate_show, NULL },
		{ "reset", 0200, NULL, reset_write }, { "comp_algorithm", 0644, algorithm_show, algorithm_write },
		{ "mm_stat", 0444, mm_stat_show, NULL }, { "io_stat", 0444, io_stat_show, NULL },
		{ "mem_limit", 0200, NULL, limit_write }, { "mem_used_max", 0200, NULL, used_max_write },
		{ "compact", 0200, NULL, ignore_write }, { "max_comp_streams", 0644, streams_show, ignore_write },
		{ "backing_dev", 0444, backing_show, NULL },
	};
	static_assert(ARRAY_SIZE(files) <= ARRAY_SIZE(z->file), "one each");

	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		ksnprintf(z->path[i], sizeof(z->path[i]), "block/%s/%s", z->bdev.name, files[i].name);
		z->file[i] = (struct proc_file){ .path = z->path[i], .mode = files[i].mode, .show = files[i].show, .write = files[i].write,
						 .arg = z };
		sysfs_register(&z->file[i]);
	}
}

/* One new disk at a time; makes a device node, so it ranks before directories. */
static struct mutex adding = MUTEX_INIT(adding, "zram_add", LOCK_DEVICE_ADD);

/* The new device's number, or -errno. `adding` held. */
static int add_disk(void)
{
	struct zram *z = nr_disks < MAX_DISKS ? kzalloc(sizeof(*z), GFP_KERNEL | GFP_NOACCOUNT) : NULL;
	int err;

	if (!z)
		return nr_disks < MAX_DISKS ? -ENOMEM : -ENOSPC;
	spin_lock_init(&z->lock, "zram", LOCK_DRIVER);
	zpool_init(&z->pool);
	ksnprintf(z->bdev.name, sizeof(z->bdev.name), "zram%u", nr_disks);
	z->bdev.rdev = MKDEV(ZRAM_MAJOR, nr_disks);
	z->bdev.ops = &zram_ops;
	z->bdev.priv = z;
	err = block_register(&z->bdev);
	if (err) {
		kfree(z);
		return err;
	}
	make_files(z);
	disks[nr_disks] = z;
	return (int)nr_disks++;
}

static int hot_add_show(struct text *out, void *arg)
{
	int n;

	mutex_lock(&adding);
	n = add_disk();
	mutex_unlock(&adding);
	if (n < 0)
		return n;
	text_printf(out, "%d\n", n);
	return 0;
}

static ssize_t hot_remove_write(const char *buf, size_t n, void *arg)
{
	return -EBUSY;
}

static int zram_init(void)
{
	static const struct proc_file control[] = {
		{ "class/zram-control/hot_add", 0400, hot_add_show, NULL, NULL, NULL },
		{ "class/zram-control/hot_remove", 0200, NULL, hot_remove_write, NULL, NULL },
	};
	u64 n = cmdline_get_size("zram.num_devices", 0);

	for (unsigned i = 0; i < ARRAY_SIZE(control); i++)
		sysfs_register(&control[i]);
	while (nr_disks < n && add_disk() >= 0)
		;
	return 0;
}
initcall(zram_init, 4);
