/*
 * devmem.c - /dev/mem and /dev/port: the machine's physical addresses and ports, for root.
 *
 * RULES       Linux's with STRICT_DEVMEM and IO_STRICT_DEVMEM. Opening needs CAP_SYS_RAWIO. RAM is refused (EPERM), but below 1 MiB it
 *             reads as zeros, swallows what is written and may be mapped; so are ranges that a driver has claimed (/proc/iomem).
 *             With iomem=relaxed on the kernel's command line both are allowed. read() and write() reach no further than the end of
 *             RAM (EFAULT), mmap() reaches all the CPU can address (else EINVAL).
 * CACHES      a mapping of RAM is cached; of anything else, or with O_DSYNC, it is not.
 */
#include <arch/io.h>
#include <fs/fs.h>
#include <kernel/boot_info.h>
#include <kernel/cred.h>
#include <kernel/main.h>
#include <kernel/resource.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <linux/stat.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/page.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>

#define LOW_END		(1ull << 20)
#define PHYS_END	(1ull << 46)	/* what a page-table entry of ours may hold, at least */

enum answer { REFUSED, ALLOWED, AS_ZEROS };

static bool relaxed;

static enum answer may_touch(pfn_t pfn)
{
	paddr_t at = (paddr_t)pfn << PAGE_SHIFT;

	if (relaxed)
		return ALLOWED;
	if (iomem_is_ram(at, at + PAGE_SIZE))
		return at < LOW_END ? AS_ZEROS : REFUSED;
	return at >= LOW_END && iomem_is_claimed(at, at + PAGE_SIZE) ? REFUSED : ALLOWED;
}

static int devmem_open(struct inode *i, struct file *f)
{
	return capable(CAP_SYS_RAWIO) ? 0 : -EPERM;
}

static bool below_end_of_ram(u64 pos, size_t n)
{
	return pos + n >= pos && pos + n <= iomem_end_of_ram();
}

/* One page or less: what is not in the direct map is mapped for the moment. */
static size_t copy_piece(struct io_iter *it, paddr_t at, size_t n, bool write)
{
	bool direct = iomem_is_ram(at & PAGE_MASK, (at & PAGE_MASK) + PAGE_SIZE) && pfn_valid((pfn_t)(at >> PAGE_SHIFT));
	char *p = direct ? phys_to_virt(at) : ioremap(at, n, PROT_KERNEL_IO);
	size_t done;

	if (!p)
		return 0;
	done = write ? io_iter_get(p, it, n) : io_iter_put(it, p, n);
	if (!direct)
		iounmap(p);
	return done;
}

static ssize_t transfer(struct io_iter *it, loff_t *pos, bool write)
{
	u64 at = (u64)*pos;
	size_t all = it->left, done = 0;

	if (!below_end_of_ram(at, all))
		return -EFAULT;
	while (done < all) {
		size_t n = min(all - done, PAGE_SIZE - (size_t)(at & ~PAGE_MASK)), got;
		enum answer a = may_touch((pfn_t)(at >> PAGE_SHIFT));

		if (a == REFUSED)
			return -EPERM;
		if (a == AS_ZEROS && write) {
			io_iter_advance(it, n);
			got = n;
		} else {
			got = a == AS_ZEROS ? io_iter_zero(it, n) : copy_piece(it, at, n, write);
		}
		at += got;
		done += got;
		if (got < n)
			return -EFAULT;
		if (signal_pending())
			break;
		cond_resched();
	}
	*pos = (loff_t)at;
	return (ssize_t)done;
}

static ssize_t devmem_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	return transfer(to, pos, false);
}

static ssize_t devmem_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	return transfer(from, pos, true);
}

static int devmem_mmap(struct file *f, struct vma *v)
{
	size_t len = v->end - v->start;
	u64 start = (u64)v->pgoff << PAGE_SHIFT;
	bool ram = true;

	if (v->pgoff >> (64 - PAGE_SHIFT) || start + len < start || start + len > PHYS_END)
		return -EINVAL;
	for (u64 at = start; at < start + len; at += PAGE_SIZE) {
		if (may_touch((pfn_t)(at >> PAGE_SHIFT)) == REFUSED)
			return -EPERM;
		ram = ram && iomem_is_ram(at, at + PAGE_SIZE);
	}
	if (!ram || (f->flags & O_DSYNC))
		v->prot = pgprot_noncached(v->prot);
	return remap_pfn_range(v, v->start, (pfn_t)v->pgoff, len, v->prot) ? -EAGAIN : 0;
}

static loff_t devmem_llseek(struct file *f, loff_t off, int whence)
{
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	if (whence == SEEK_CUR)
		off += f->pos;
	if ((u64)off >= (u64)-4095ll)
		return -EOVERFLOW;		/* or it would look like an error */
	return f->pos = off;
}

/* ---- ports -------------------------------------------------------------------------------------------------------------- */

static ssize_t port_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	ssize_t done = 0;

	for (; to->left && *pos >= 0 && *pos < 65536; (*pos)++, done++) {
		u8 v = inb((u16)*pos);

		if (io_iter_put(to, &v, 1) != 1)
			return -EFAULT;
	}
	return done;
}

static ssize_t port_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	ssize_t done = 0;
	u8 v;

	for (; from->left && *pos >= 0 && *pos < 65536; (*pos)++, done++) {
		if (io_iter_get(&v, from, 1) != 1)
			return done ? done : -EFAULT;
		outb((u16)*pos, v);
	}
	return done;
}

static const struct file_ops devmem_fops = {
	.open = devmem_open, .read = devmem_read, .write = devmem_write, .mmap = devmem_mmap, .llseek = devmem_llseek,
};
static const struct file_ops port_fops = { .open = devmem_open, .read = port_read, .write = port_write, .llseek = devmem_llseek };

static int devmem_init(void)
{
	char how[16];
	int err = device_register("mem", S_IFCHR | 0640, 1, 1, &devmem_fops, NULL);

	relaxed = cmdline_get("iomem", how, sizeof(how)) && strcmp(how, "relaxed") == 0;
	return err ? err : device_register("port", S_IFCHR | 0640, 1, 4, &port_fops, NULL);
}
initcall(devmem_init, 2);
