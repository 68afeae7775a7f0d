/*
 * init.c - bring the VFS up: caches, the root file system, devices, the initramfs.
 */
#include "internal.h"

void namei_init(void);
void initramfs_load(void);

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
	initramfs_load();
}
