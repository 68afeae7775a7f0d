/*
 * devpts.h - the file system of pseudo terminals' names; the pty driver adds and removes them.
 */
#ifndef FS_DEVPTS_H
#define FS_DEVPTS_H

#include <fs/fs.h>

void devpts_set_ops(const struct file_ops *slave, const struct file_ops *ptmx);
int devpts_add(u32 index, u32 rdev) must_check;		/* node N, owned by current's fsuid */
void devpts_remove(u32 index);
int devpts_open(u32 index, u32 flags, struct file **out) must_check;

#endif
