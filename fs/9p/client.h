/*
 * client.h - one 9P2000.L session: each T-message as a function.
 *
 * Functions sleep until the reply is there. They return 0 (or a count) or the server's error as negative errno; -EPROTO
 * for a reply that makes no sense, -EIO when the device is gone, -ENOMEM. Numbers of fids are given out by
 * p9_fid_new(); a fid exists on the server from a successful attach or walk until clunk or remove.
 */
#ifndef P9_CLIENT_H
#define P9_CLIENT_H

#include <abi/fs.h>
#include <lib/types.h>
#include <mm/page.h>

#include "proto.h"

struct p9_client;

int p9_client_create(const char *tag, u32 msize, struct p9_client **out) must_check;
void p9_client_destroy(struct p9_client *c);
u32 p9_msize(const struct p9_client *c);

struct text;
int p9_report(struct text *out);	/* /proc/fs/9p: requests and time per message */
u32 p9_fid_new(struct p9_client *c);

int p9_attach(struct p9_client *c, u32 fid, const char *uname, const char *aname, u32 uid, struct p9_qid *q) must_check;
int p9_walk(struct p9_client *c, u32 fid, u32 newfid, const char *name, u32 len, struct p9_qid *q) must_check;
int p9_clone(struct p9_client *c, u32 fid, u32 newfid) must_check;
int p9_getattr(struct p9_client *c, u32 fid, struct p9_attr *a) must_check;

enum { P9_SET_MODE = 1, P9_SET_UID = 2, P9_SET_GID = 4, P9_SET_SIZE = 8, P9_SET_ATIME = 16, P9_SET_MTIME = 32,
       P9_SET_CTIME = 64, P9_SET_ATIME_TO = 128, P9_SET_MTIME_TO = 256 };
struct p9_setattr {
	u32	valid, mode, uid, gid;
	u64	size, atime_sec, atime_nsec, mtime_sec, mtime_nsec;
};
int p9_setattr(struct p9_client *c, u32 fid, const struct p9_setattr *a) must_check;

int p9_lopen(struct p9_client *c, u32 fid, u32 flags, struct p9_qid *q) must_check;	/* flags: O_* */
int p9_lcreate(struct p9_client *c, u32 fid, const char *name, u32 len, u32 flags, u32 mode, u32 gid,
	       struct p9_qid *q) must_check;
/* Contiguous pages of the page cache from/to file offset off; n bytes, may end inside the last page. Bytes moved. */
ssize_t p9_read_pages(struct p9_client *c, u32 fid, u64 off, struct page **pages, unsigned nr, size_t n) must_check;
ssize_t p9_write_pages(struct p9_client *c, u32 fid, u64 off, struct page **pages, unsigned nr, size_t n) must_check;
/* Kernel buffer (not a stack of another task, not user memory). */
ssize_t p9_read(struct p9_client *c, u32 fid, u64 off, void *buf, size_t n) must_check;
ssize_t p9_write(struct p9_client *c, u32 fid, u64 off, const void *buf, size_t n) must_check;
ssize_t p9_readdir(struct p9_client *c, u32 fid, u64 off, void *buf, size_t n) must_check;
void p9_clunk(struct p9_client *c, u32 fid);		/* does not wait */
int p9_unlinkat(struct p9_client *c, u32 dir, const char *name, u32 len, u32 flags) must_check;
int p9_renameat(struct p9_client *c, u32 old_dir, const char *old, u32 old_len, u32 new_dir, const char *new, u32 new_len) must_check;
int p9_mkdir(struct p9_client *c, u32 dir, const char *name, u32 len, u32 mode, u32 gid) must_check;
int p9_mknod(struct p9_client *c, u32 dir, const char *name, u32 len, u32 mode, u32 major, u32 minor, u32 gid) must_check;
int p9_symlink(struct p9_client *c, u32 dir, const char *name, u32 len, const char *target, u32 gid) must_check;
int p9_link(struct p9_client *c, u32 dir, u32 target, const char *name, u32 len) must_check;
ssize_t p9_readlink(struct p9_client *c, u32 fid, char *buf, size_t n) must_check;
int p9_statfs(struct p9_client *c, u32 fid, struct statfs_k *st) must_check;
int p9_fsync(struct p9_client *c, u32 fid, bool datasync) must_check;
/* newfid then reads the attribute (name) or the list of names (""); *size: how long it is. */
int p9_xattrwalk(struct p9_client *c, u32 fid, u32 newfid, const char *name, u64 *size) must_check;
/* fid (a clone) then takes the value by p9_write and sets it at clunk. */
int p9_xattrcreate(struct p9_client *c, u32 fid, const char *name, u64 size, u32 flags) must_check;
int p9_clunk_wait(struct p9_client *c, u32 fid) must_check;	/* for xattrcreate: the error comes here */

#endif
