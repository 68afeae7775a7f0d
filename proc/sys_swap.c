/*
 * sys_swap.c - swapon and swapoff: a path becomes a mapping, mm/swap.c does the rest.
 *
 * SOURCE      swapon(2)
 */
#include <fs/fs.h>
#include <kernel/cred.h>
#include <kernel/syscall.h>
#include <linux/capability.h>
#include <mm/slab.h>
#include <mm/swap.h>

#define SWAP_FLAG_PREFER	0x8000
#define SWAP_FLAG_PRIO_MASK	0x7fff
#define SWAP_FLAGS_VALID	(SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK | 0x10000 | 0x20000 | 0x40000)	/* and DISCARD, _ONCE, _PAGES */

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

SYSCALL(swapon, const char __user *path, int flags)
{
	struct file *f;
	char *name;
	bool regular;
	int err;

	if (flags & ~SWAP_FLAGS_VALID)
		return -EINVAL;
	err = open_swap(path, O_RDWR | O_LARGEFILE, &name, &f);
	if (err)
		return err;
	regular = S_ISREG(f->path.dentry->inode->mode);
	if (!regular && !S_ISBLK(f->path.dentry->inode->mode)) {
		err = -EINVAL;
	} else {
		filemap_write_range(f->mapping, 0, S64_MAX, true);	/* mkswap's header may still be in the cache */
		err = swap_on(f, f->mapping, name, regular, flags & SWAP_FLAG_PREFER ? flags & SWAP_FLAG_PRIO_MASK : -1);
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
	file_put(f);
	kfree(name);
	return err;
}
