/*
 * fs.h (abi) - flags and structures of file system calls, from the headers Linux exports.
 */
#ifndef ABI_FS_H
#define ABI_FS_H

#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/limits.h>
#include <linux/mount.h>
#include <linux/fs.h>
#include <abi/errno.h>
#include <lib/types.h>

#ifndef SEEK_SET
#define SEEK_SET	0
#define SEEK_CUR	1
#define SEEK_END	2
#endif
#ifndef SEEK_DATA
#define SEEK_DATA	3
#define SEEK_HOLE	4
#endif

struct statfs_k {		/* struct statfs of x86-64 */
	s64	type, bsize;
	u64	blocks, bfree, bavail, files, ffree;
	s32	fsid[2];
	s64	namelen, frsize, flags, spare[4];
};

#endif
