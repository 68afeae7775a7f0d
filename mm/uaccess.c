/*
 * uaccess.c - checked copies between kernel and user memory.
 *
 * The instructions and their exception table are arch's; here are the checks: that the user range lies in the user half, and
 * that the kernel range lies inside one slab object or one frame of the stack, so that a wrong length shows as a message instead of leaking or
 * smashing its neighbours.
 */
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <lib/string.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include <mm/uaccess.h>
#include <mm/vmalloc.h>
#include <arch/page.h>

#undef copy_to_user
#undef copy_from_user

/* [p, p + n) lies in this task's stack. Is it inside one frame, where no return address is? From the frame of `fp` upwards. */
static bool in_one_frame(const char *p, size_t n, const void *const *fp)
{
	const char *end = (char *)current->kstack + KSTACK_SIZE;

	for (;;) {
		const char *locals = (const char *)(fp + 2);
		const void *const *next = *fp;

		if ((const char *)next <= (const char *)fp || (const char *)next >= end)
			return p >= locals && n <= (size_t)(end - p);	/* above the last frame: the registers at entry */
		if (p + n <= (const char *)next)
			return p >= locals;
		if (p < (const char *)next + 16)
			return false;
		fp = next;
	}
}

static inline bool on_stack(const void *p)	/* a task without one has 0 there, where no kernel memory is */
{
	return (vaddr_t)p - (vaddr_t)current->kstack < KSTACK_SIZE;
}

static noinline bool complain(const void *p, size_t n, const void *caller)
{
	pr_err("usercopy: %zu bytes at %p reach beyond %s (%pS)\n", n, p,
	       n > S32_MAX ? "2 GiB" : on_stack(p) ? "their stack frame" : "their object", caller);
	return false;
}

/* n bytes at p must not reach past the slab object, the block of pages or the stack frame that holds p. */
static always_inline bool object_ok(const void *p, size_t n, const void *frame)
{
	size_t room;

	if (n <= 8)
		return true;
	if (unlikely(n > S32_MAX))		/* a negative number, most likely: not even cleared */
		return false;
	if (on_stack(p))
		return likely(in_one_frame(p, n, frame));
	room = slab_object_room(p);
	return likely(!room || n <= room);
}

#define OBJECT_OK(p, n)	(likely(object_ok(p, n, __builtin_frame_address(0))) || complain(p, n, __builtin_return_address(0)))

size_t copy_to_user_sized(void __user *dst, const void *src, size_t n)
{
	return likely(access_ok(dst, n)) ? raw_copy_to_user(dst, src, n) : n;
}

size_t copy_to_user(void __user *dst, const void *src, size_t n)
{
	if (unlikely(!access_ok(dst, n) || !OBJECT_OK(src, n)))
		return n;
	return raw_copy_to_user(dst, src, n);
}

size_t usercopy_clear_rest(void *dst, size_t n, size_t left)
{
	memset((char *)dst + (n - left), 0, left);
	return left;
}

size_t copy_from_user_sized(void *dst, const void __user *src, size_t n)
{
	size_t left = likely(access_ok(src, n)) ? raw_copy_from_user(dst, src, n) : n;

	return likely(!left) ? 0 : usercopy_clear_rest(dst, n, left);
}

size_t copy_from_user(void *dst, const void __user *src, size_t n)
{
	size_t left = n;

	if (unlikely(!OBJECT_OK(dst, n)))
		return n;
	if (likely(access_ok(src, n)))
		left = raw_copy_from_user(dst, src, n);
	return likely(!left) ? 0 : usercopy_clear_rest(dst, n, left);
}

size_t clear_user(void __user *dst, size_t n)
{
	return likely(access_ok(dst, n)) ? raw_clear_user(dst, n) : n;
}

/* ---- without faults ------------------------------------------------------------------------------------------------- */

size_t copy_to_user_nofault(void __user *dst, const void *src, size_t n)
{
	size_t left;

	if (unlikely(!OBJECT_OK(src, n)))
		return n;
	current->fault_disabled++;
	left = copy_to_user_sized(dst, src, n);
	current->fault_disabled--;
	return left;
}

size_t copy_from_user_nofault(void *dst, const void __user *src, size_t n)
{
	size_t left = n;

	if (unlikely(!access_ok(src, n) || !OBJECT_OK(dst, n)))
		return n;
	current->fault_disabled++;
	left = raw_copy_from_user(dst, src, n);
	current->fault_disabled--;
	return left;
}

size_t clear_user_nofault(void __user *dst, size_t n)
{
	size_t left;

	current->fault_disabled++;
	left = clear_user(dst, n);
	current->fault_disabled--;
	return left;
}

size_t strnlen_user_nofault(const char __user *s, size_t n)
{
	size_t len;

	current->fault_disabled++;
	len = strnlen_user(s, n);
	current->fault_disabled--;
	return len;
}

ssize_t strncpy_from_user_nofault(char *dst, const char __user *src, size_t n)
{
	ssize_t len;

	if (!n)
		return 0;
	current->fault_disabled++;
	len = strncpy_from_user(dst, src, n);
	current->fault_disabled--;
	if (len < 0) {
		dst[0] = '\0';
		return len;
	}
	if ((size_t)len < n)
		return len + 1;
	dst[n - 1] = '\0';
	return (ssize_t)n;
}

/* ---- strings -------------------------------------------------------------------------------------------------------- */

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
	if (!access_ok(src, 1) || !OBJECT_OK(dst, n))
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
