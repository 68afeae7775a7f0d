/*
 * init.c - bring the VFS up: caches, the root file system, devices, the initramfs.
 */
#include "internal.h"
#include <kernel/printk.h>

void namei_init(void);
void initramfs_load(void);

/* What Linux's built-in initramfs brings: an init without its own /dev still has a console. */
static void make_console_node(void)
{
	static const struct { const char *name; u32 mode, rdev; } nodes[] = {
		{ "/dev", S_IFDIR | 0755, 0 }, { "/dev/console", S_IFCHR | 0600, MKDEV(5, 1) }, { "/root", S_IFDIR | 0700, 0 },
	};

	for (unsigned n = 0; n < ARRAY_SIZE(nodes); n++) {
		struct path parent;
		struct dentry *d;
		struct inode *dir;

		if (path_create_begin(AT_FDCWD, nodes[n].name, S_ISDIR(nodes[n].mode), &parent, &d))
			continue;
		dir = parent.dentry->inode;
		if (S_ISDIR(nodes[n].mode) ? vfs_mkdir(dir, d, nodes[n].mode) : vfs_mknod(dir, d, nodes[n].mode, nodes[n].rdev))
			pr_warn("cannot make %s\n", nodes[n].name);
		path_create_end(&parent, d);
	}
}

void vfs_init(void)
{
	inode_cache_init();
	dcache_init();
	file_cache_init();
	fdtable_init();
	namei_init();
	mount_init();
	pipe_init();
	locks_init();
	epoll_init();
	tmpfs_init();
	anon_init();
	mount_init_rootfs();
	devfs_init();
	devpts_init();
	make_console_node();
	initramfs_load();
}
