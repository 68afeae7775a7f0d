/*
 * io_iter.c - walking the memory of a read or write, wherever it lies.
 */
#include <lib/string.h>
#include <mm/io_iter.h>
#include <mm/slab.h>

void io_iter_user(struct io_iter *it, void __user *buf, size_t n)
{
	*it = (struct io_iter){ .kind = ITER_USER, .nr_iov = 1, .left = n, .single = { buf, n } };
}

void io_iter_kernel(struct io_iter *it, void *buf, size_t n)
{
	*it = (struct io_iter){ .kind = ITER_KERNEL, .kbuf = buf, .left = n };
}

void io_iter_iov(struct io_iter *it, const struct iovec_user *iov, unsigned nr, size_t total)
{
	*it = (struct io_iter){ .kind = ITER_USER, .iov = iov, .nr_iov = nr, .left = total };
}

/* iov NULL means `single`, so that an iterator can be copied by value. */
static inline const struct iovec_user *iov_now(const struct io_iter *it)
{
	return it->iov ? it->iov : &it->single;
}

void io_iter_advance(struct io_iter *it, size_t n)
{
	n = min(n, it->left);
	it->left -= n;
	if (it->kind == ITER_KERNEL) {
		it->kbuf += n;
		return;
	}
	it->done_in_iov += n;
	while (it->nr_iov > 1 && it->done_in_iov >= it->iov->len) {	/* more than one: iov is set */
		it->done_in_iov -= it->iov->len;
		it->iov++;
		it->nr_iov--;
	}
}

/* Only over what was advanced since the iterator was made. */
void io_iter_revert(struct io_iter *it, size_t n)
{
	it->left += n;
	if (it->kind == ITER_KERNEL) {
		it->kbuf -= n;
		return;
	}
	while (n > it->done_in_iov) {
		n -= it->done_in_iov;
		it->iov--;
		it->nr_iov++;
		it->done_in_iov = it->iov->len;
	}
	it->done_in_iov -= n;
}

enum copy_kind { COPY_PUT, COPY_GET, COPY_GET_NOFAULT, COPY_ZERO };

/* One contiguous stretch; bytes done. */
static size_t copy_stretch(struct io_iter *it, enum copy_kind kind, char *k, size_t n)
{
	const struct iovec_user *v = iov_now(it);
	char __user *u = (char __user *)v->base + it->done_in_iov;

	switch (kind) {
	case COPY_PUT:
		return n - copy_to_user(u, k, n);
	case COPY_GET:
		return n - copy_from_user(k, u, n);
	case COPY_GET_NOFAULT:
		return n - copy_from_user_nofault(k, u, n);
	default:
		return n - clear_user(u, n);
	}
}

static size_t copy_user(struct io_iter *it, enum copy_kind kind, char *k, size_t n)
{
	size_t total = 0;

	n = min(n, it->left);
	while (n) {
		size_t room = iov_now(it)->len - it->done_in_iov, step = min(room, n), done;

		if (!step) {			/* an empty iovec in the middle */
			it->iov++;
			it->nr_iov--;
			it->done_in_iov = 0;
			continue;
		}
		done = copy_stretch(it, kind, k ? k + total : NULL, step);
		io_iter_advance(it, done);
		total += done;
		n -= done;
		if (done < step)
			break;
	}
	return total;
}

size_t io_iter_put(struct io_iter *it, const void *src, size_t n)
{
	if (it->kind == ITER_USER)
		return copy_user(it, COPY_PUT, (char *)src, n);
	n = min(n, it->left);
	memcpy(it->kbuf, src, n);
	io_iter_advance(it, n);
	return n;
}

size_t io_iter_get(void *dst, struct io_iter *it, size_t n)
{
	if (it->kind == ITER_USER)
		return copy_user(it, COPY_GET, dst, n);
	n = min(n, it->left);
	memcpy(dst, it->kbuf, n);
	io_iter_advance(it, n);
	return n;
}

/* Does not sleep, and leaves alone what it could not copy. */
size_t io_iter_get_nofault(void *dst, struct io_iter *it, size_t n)
{
	if (it->kind == ITER_USER)
		return copy_user(it, COPY_GET_NOFAULT, dst, n);
	return io_iter_get(dst, it, n);
}

size_t io_iter_zero(struct io_iter *it, size_t n)
{
	if (it->kind == ITER_USER)
		return copy_user(it, COPY_ZERO, NULL, n);
	n = min(n, it->left);
	memset(it->kbuf, 0, n);
	io_iter_advance(it, n);
	return n;
}

int io_iter_fault_in(struct io_iter *it, size_t n, bool write)
{
	const struct iovec_user *v = iov_now(it);
	size_t skip = it->done_in_iov;

	if (it->kind == ITER_KERNEL)
		return 0;
	for (n = min(n, it->left); n; v++, skip = 0) {
		size_t step = min(v->len - skip, n);
		int err = fault_in_user((char __user *)v->base + skip, step, write);

		if (err)
			return err;
		n -= step;
	}
	return 0;
}

/* Linux cuts one transfer at this. */
#define MAX_RW_COUNT	(0x7fffffffUL & ~0xfffUL)

static ssize_t check_iov(struct iovec_user *iov, unsigned nr)
{
	size_t total = 0;

	for (unsigned i = 0; i < nr; i++) {
		if ((ssize_t)iov[i].len < 0)
			return -EINVAL;
		if (!access_ok(iov[i].base, iov[i].len))
			return -EFAULT;
		if (iov[i].len > MAX_RW_COUNT - total)
			iov[i].len = MAX_RW_COUNT - total;
		total += iov[i].len;
	}
	return (ssize_t)total;
}

ssize_t io_iter_import(const void __user *uiov, unsigned long nr, struct iovec_user fast[IOV_FAST],
		       struct iovec_user **out, struct io_iter *it)
{
	struct iovec_user *iov = fast;
	ssize_t total;

	*out = NULL;
	if (nr > IOV_MAX_NR)
		return -EINVAL;
	if (nr > IOV_FAST) {
		iov = kmalloc(nr * sizeof(*iov), GFP_KERNEL);
		if (!iov)
			return -ENOMEM;
	}
	if (nr && copy_from_user(iov, uiov, nr * sizeof(*iov)))
		total = -EFAULT;
	else
		total = check_iov(iov, (unsigned)nr);
	if (total < 0) {
		if (iov != fast)
			kfree(iov);
		return total;
	}
	*out = iov;
	io_iter_iov(it, iov, (unsigned)nr, (size_t)total);
	return total;
}

char __user *io_iter_user_run(const struct io_iter *it, size_t *n)
{
	const struct iovec_user *v = it->iov ? it->iov : &it->single;

	for (size_t used = it->done_in_iov;; v++, used = 0) {
		if (v->len > used || !it->iov) {
			*n = min(*n, v->len - used);
			return (char __user *)v->base + used;
		}
	}
}
