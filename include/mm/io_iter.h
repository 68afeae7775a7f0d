/*
 * io_iter.h - where the bytes of a read or write go: user iovecs, a kernel buffer, or one user buffer.
 */
#ifndef MM_IO_ITER_H
#define MM_IO_ITER_H

#include <lib/types.h>
#include <mm/uaccess.h>

struct iovec_user {			/* struct iovec of the ABI */
	void __user	*base;
	size_t		len;
};

struct io_iter {
	enum { ITER_USER, ITER_KERNEL } kind;
	const struct iovec_user	*iov;	/* ITER_USER: array in kernel memory; NULL: single */
	unsigned		nr_iov;
	size_t			done_in_iov;	/* bytes used of iov[0] */
	char			*kbuf;	/* ITER_KERNEL */
	size_t			left;	/* bytes */
	struct iovec_user	single;
};

void io_iter_user(struct io_iter *it, void __user *buf, size_t n);
void io_iter_kernel(struct io_iter *it, void *buf, size_t n);
void io_iter_iov(struct io_iter *it, const struct iovec_user *iov, unsigned nr, size_t total);
/* Copy up to n bytes and advance; returns the bytes copied: short on a fault or at the end. */
size_t io_iter_put(struct io_iter *it, const void *src, size_t n) must_check;	/* kernel -> destination */
size_t io_iter_get(void *dst, struct io_iter *it, size_t n) must_check;		/* source -> kernel */
size_t io_iter_get_nofault(void *dst, struct io_iter *it, size_t n) must_check;	/* what is not present counts as a fault */
size_t io_iter_zero(struct io_iter *it, size_t n) must_check;
/* ITER_USER: where the next bytes go, at most *n of them in one stretch; *n becomes how many. */
char __user *io_iter_user_run(const struct io_iter *it, size_t *n);
void io_iter_advance(struct io_iter *it, size_t n);
void io_iter_revert(struct io_iter *it, size_t n);
/* Fault in the first bytes of the source before locks are taken. 0 or -EFAULT. */
int io_iter_fault_in(struct io_iter *it, size_t n, bool write);
/* Check and copy in an iovec array: *out is fast, or kmalloc'ed when that is too small; NULL on an error. Total bytes, or -EINVAL, -EFAULT, -ENOMEM. */
#define IOV_FAST 8
#define IOV_MAX_NR 1024
ssize_t io_iter_import(const void __user *uiov, unsigned long nr, struct iovec_user fast[IOV_FAST],
		       struct iovec_user **out, struct io_iter *it) must_check;

#endif
