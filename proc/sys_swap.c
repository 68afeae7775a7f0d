/*
 * sys_swap.c - swapon and swapoff: a path becomes a mapping, mm/swap.c does the rest.
 *
 * SOURCE      swapon(2)
 */
#include <drivers/block.h>
#include <fs/fs.h>
#include <kernel/cred.h>
#include <kernel/syscall.h>
#include <linux/capability.h>
#include <mm/slab.h>
#include <mm/swap.h>

#define SWAP_FLAG_PREFER	0x8000
#define SWAP_FLAG_PRIO_MASK	0x7fff
#define SWAP_FLAG_DISCARD	0x10000
#define SWAP_FLAG_DISCARD_ONCE	0x20000
#define SWAP_FLAG_DISCARD_PAGES	0x40000
#define SWAP_FLAGS_VALID	(SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK | SWAP_FLAG_DISCARD | SWAP_FLAG_DISCARD_ONCE | SWAP_FLAG_DISCARD_PAGES)

static int open_swap(const char __user *upath, u32 flags, char **name, struct file **out)
{
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = path_name_from_user(upath, name);
	if (err)
		return err;
	err = vfs_open(*name, flags, 0, out);
	if (err)
		kfree(*name);
	return err;
}

/* A file that is a swap area is nobody's to change, a device nobody's to mount. */
static int claim(struct file *f)
{
	struct inode *i = f->inode;
	int err = 0;

	if (S_ISBLK(i->mode))
		return block_claim(block_of_inode(i), f);
	rwsem_write_lock(&i->rwsem);
	if (i->flags & S_SWAPFILE_FL)
		err = -EBUSY;
	else
		i->flags |= S_SWAPFILE_FL;
	rwsem_write_unlock(&i->rwsem);
	return err;
}

static void unclaim(struct inode *i)
{
	if (S_ISBLK(i->mode)) {
		struct block_device *b = block_of_inode(i);

		if (b->holder)		/* else the area's file was closed, and let go of it */
			block_release(b, b->holder);
		return;
	}
	rwsem_write_lock(&i->rwsem);
	i->flags &= ~S_SWAPFILE_FL;
	rwsem_write_unlock(&i->rwsem);
}

static unsigned discard_of(int flags)
{
	if (!(flags & SWAP_FLAG_DISCARD))
		return 0;
	if (!(flags & (SWAP_FLAG_DISCARD_ONCE | SWAP_FLAG_DISCARD_PAGES)))
		return SWAP_DISCARD_ONCE | SWAP_DISCARD_CLUSTERS;
	return (flags & SWAP_FLAG_DISCARD_ONCE ? SWAP_DISCARD_ONCE : 0) | (flags & SWAP_FLAG_DISCARD_PAGES ? SWAP_DISCARD_CLUSTERS : 0);
}

SYSCALL(swapon, const char __user *path, int flags)
{
	struct file *f;
	char *name;
	int err;

	if (flags & ~SWAP_FLAGS_VALID)
		return -EINVAL;
	err = open_swap(path, O_RDWR | O_LARGEFILE, &name, &f);
	if (err)
		return err;
	/* A file that only stands for another one, as on the overlay, has no blocks to speak of. */
	if ((!S_ISREG(f->inode->mode) && !S_ISBLK(f->inode->mode)) || (S_ISREG(f->inode->mode) && f->inode != f->path.dentry->inode))
		err = -EINVAL;
	else
		err = claim(f);
	if (!err) {
		err = filemap_write_range(f->mapping, 0, S64_MAX, true);	/* mkswap's header may still be in the cache */
		if (!err)
			err = swap_on(f, f->mapping, name, S_ISREG(f->inode->mode), flags & SWAP_FLAG_PREFER ? flags & SWAP_FLAG_PRIO_MASK : -1,
				      discard_of(flags));
		if (err)
			unclaim(f->inode);
	}
	if (err)
		file_put(f);
	kfree(name);
	return err;
}

SYSCALL(swapoff, const char __user *path)
{
	struct file *f;
	char *name;
	int err = open_swap(path, O_RDWR | O_LARGEFILE, &name, &f);

	if (err)
		return err;
	err = swap_off(f->mapping);
	if (!err)
		unclaim(f->inode);
	file_put(f);
	kfree(name);
	return err;
}
