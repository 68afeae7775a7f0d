/*
 * uaccess.c - checked copies between kernel and user memory.
 *
 * The instructions and their exception table are arch's; here are the checks: that the user range lies in the user half, and
 * that the kernel range lies inside one slab object, so that a wrong length shows as a message instead of leaking or
 * smashing its neighbours.
 */
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <lib/string.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include <mm/uaccess.h>
#include <arch/page.h>

/* n bytes at p must not reach past the slab object that holds p. */
static inline bool object_ok(const void *p, size_t n)
{
	size_t room;

	if (n <= 8)
		return true;
	room = slab_object_room(p);
	if (likely(!room || n <= room))
		return true;
	pr_err("usercopy: %zu bytes at %p, the object ends after %zu (%pS)\n", n, p, room, __builtin_return_address(0));
	return false;
}

size_t copy_to_user(void __user *dst, const void *src, size_t n)
{
	if (unlikely(!access_ok(dst, n) || !object_ok(src, n)))
		return n;
	return raw_copy_to_user(dst, src, n);
}

size_t copy_from_user(void *dst, const void __user *src, size_t n)
{
	size_t left = n;

	if (unlikely(!object_ok(dst, n)))
		return n;
	if (likely(access_ok(src, n)))
		left = raw_copy_from_user(dst, src, n);
	if (unlikely(left))
		memset((char *)dst + (n - left), 0, left);
	return left;
}

size_t clear_user(void __user *dst, size_t n)
{
	return likely(access_ok(dst, n)) ? raw_clear_user(dst, n) : n;
}

size_t copy_to_user_nofault(void __user *dst, const void *src, size_t n)
{
	size_t left;

	current->fault_disabled++;
	left = copy_to_user(dst, src, n);
	current->fault_disabled--;
	return left;
}

/* Unlike copy_from_user it leaves the rest of dst alone: callers try again. */
size_t copy_from_user_nofault(void *dst, const void __user *src, size_t n)
{
	size_t left = n;

	if (unlikely(!access_ok(src, n)))
		return n;
	current->fault_disabled++;
	left = raw_copy_from_user(dst, src, n);
	current->fault_disabled--;
	return left;
}

size_t strnlen_user(const char __user *s, size_t n)
{
	size_t room;

	if (!n || !access_ok(s, 1))
		return 0;
	room = (size_t)-1 / 2 + 1 - (unsigned long)s;	/* to the end of the user half */
	return raw_strnlen_user(s, min(n, room));
}

ssize_t strncpy_from_user(char *dst, const char __user *src, size_t n)
{
	size_t room;
	ssize_t len;

	if (!n)
		return 0;
	if (!access_ok(src, 1))
		return -EFAULT;
	room = (size_t)-1 / 2 + 1 - (unsigned long)src;
	len = raw_strncpy_from_user(dst, src, min(n, room));
	return len >= 0 && (size_t)len == room && room < n ? -EFAULT : len;
}

int fault_in_user(const void __user *p, size_t n, bool write)
{
	vaddr_t at = (vaddr_t)p, end = at + n;
	u64 byte;

	if (!n)
		return 0;
	if (!access_ok(p, n))
		return -EFAULT;
	for (; at < end; at = (at & PAGE_MASK) + PAGE_SIZE) {
		if (raw_get_user(&byte, (const void __user *)at, 1))
			return -EFAULT;
		if (write) {
			enum fault_result r = mm_fault(current->mm, at, ACCESS_WRITE | ACCESS_USER);

			if (r != FAULT_DONE && r != FAULT_RETRY && r != FAULT_MAJOR_DONE)
				return -EFAULT;
		}
	}
	return 0;
}
