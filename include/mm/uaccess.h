/*
 * uaccess.h - the only way kernel code touches user memory.
 * Border: open to arch, kernel.
 *
 * All of them may sleep (the page may have to be read in) unless the name says _nofault. A bad address never
 * oopses: the exception table turns the fault into a short count or -EFAULT. Semantics are Linux's
 * (Documentation/kernel-hacking, "user access").
 */
#ifndef MM_UACCESS_H
#define MM_UACCESS_H

#include <abi/errno.h>
#include <arch/uaccess.h>	/* raw_* primitives, TASK_SIZE, access_ok */
#include <lib/types.h>

/* Is [p, p + n) inside the user half? Says nothing about whether it is mapped. */
/* bool access_ok(const void __user *p, size_t n);	from <arch/uaccess.h> */

/*
 * Return the number of bytes NOT copied. copy_from_user clears the part of dst that it could not fill.
 *
 * The kernel's side is checked: it must lie in one slab object, or in one frame of this stack; else nothing is copied and the log
 * says who asked. A length that the compiler knows is checked by the compiler where it knows the object.
 */
size_t copy_to_user(void __user *dst, const void *src, size_t n) must_check;
size_t copy_from_user(void *dst, const void __user *src, size_t n) must_check;
size_t clear_user(void __user *dst, size_t n) must_check;
/* Do not sleep or fault pages in: a page that is not there counts as not copied, and what was not filled stays as it was. */
size_t copy_to_user_nofault(void __user *dst, const void *src, size_t n) must_check;
size_t copy_from_user_nofault(void *dst, const void __user *src, size_t n) must_check;
size_t clear_user_nofault(void __user *dst, size_t n) must_check;

/* Length including the NUL; > n when there is no NUL in the first n bytes; 0 on a fault. */
size_t strnlen_user(const char __user *s, size_t n);
size_t strnlen_user_nofault(const char __user *s, size_t n);
/* Copies at most n bytes incl. NUL. Length without NUL; n when cut (not terminated then); -EFAULT. */
ssize_t strncpy_from_user(char *dst, const char __user *src, size_t n) must_check;
/* As Linux's: always terminated (n > 0); length with the NUL; n when cut; -EFAULT. */
ssize_t strncpy_from_user_nofault(char *dst, const char __user *src, size_t n) must_check;

/* The same with a length that is a constant: the kernel's side was checked when it was compiled. */
size_t copy_to_user_sized(void __user *dst, const void *src, size_t n) must_check;
size_t copy_from_user_sized(void *dst, const void __user *src, size_t n) must_check;
size_t usercopy_clear_rest(void *dst, size_t n, size_t left);	/* the last `left` bytes of n; returns them */
void usercopy_too_long(void) __attribute__((error("the copy is longer than the object")));

#define usercopy_checked(p, n) ({								\
	if (__builtin_constant_p(n) && (size_t)(n) > __builtin_object_size(p, 0))		\
		usercopy_too_long();								\
	__builtin_constant_p(n); })
#define USERCOPY_VALUE(n)	((n) == 1 || (n) == 2 || (n) == 4 || (n) == 8)
#define USERCOPY_WORDS(n)	((n) <= 4096 && (n) % 8 == 0)

/* A value as one access; whole words without a detour; a fault or another length by the function that is exact to the byte. */
static always_inline size_t copy_to_user_const(void __user *dst, const void *src, size_t n)
{
	u64 v = 0;

	if (USERCOPY_VALUE(n)) {
		__builtin_memcpy(&v, src, n);
		return likely(!raw_put_user(v, dst, n)) ? 0 : copy_to_user_sized(dst, src, n);
	}
	return USERCOPY_WORDS(n) ? raw_copy_to_user_words(dst, src, n) : copy_to_user_sized(dst, src, n);
}

static always_inline size_t copy_from_user_const(void *dst, const void __user *src, size_t n)
{
	u64 v;
	size_t left;

	if (USERCOPY_VALUE(n)) {
		if (unlikely(raw_get_user(&v, src, n)))
			return copy_from_user_sized(dst, src, n);
		__builtin_memcpy(dst, &v, n);
		return 0;
	}
	if (!USERCOPY_WORDS(n))
		return copy_from_user_sized(dst, src, n);
	left = raw_copy_from_user_words(dst, src, n);
	return likely(!left) ? 0 : usercopy_clear_rest(dst, n, left);
}

#define copy_to_user(dst, src, n)								\
	(usercopy_checked(src, n) ? copy_to_user_const(dst, src, n) : copy_to_user(dst, src, n))
#define copy_from_user(dst, src, n)								\
	(usercopy_checked(dst, n) ? copy_from_user_const(dst, src, n) : copy_from_user(dst, src, n))

/* One value of 1, 2, 4 or 8 bytes. 0 or -EFAULT; *x is 0 after a failed get. */
#define get_user(x, uptr) ({								\
	u64 gu_v = 0;									\
	int gu_err = raw_get_user(&gu_v, (const void __user *)(uptr), sizeof(*(uptr)));	\
	(x) = (typeof(*(uptr)))gu_v;							\
	gu_err; })
#define put_user(x, uptr) ({								\
	typeof(*(uptr)) pu_v = (x);							\
	raw_put_user((u64)pu_v, (void __user *)(uptr), sizeof(*(uptr))); })

#define get_user_nofault(x, uptr) ({							\
	int gn_err;									\
	current->fault_disabled++;							\
	gn_err = get_user(x, uptr);							\
	current->fault_disabled--;							\
	gn_err; })
#define put_user_nofault(x, uptr) ({							\
	int pn_err;									\
	current->fault_disabled++;							\
	pn_err = put_user(x, uptr);							\
	current->fault_disabled--;							\
	pn_err; })

/* Struct-sized helpers: 0 or -EFAULT. */
#define get_user_struct(dst, uptr)	(copy_from_user((dst), (uptr), sizeof(*(dst))) ? -EFAULT : 0)
#define put_user_struct(uptr, src)	(copy_to_user((uptr), (src), sizeof(*(src))) ? -EFAULT : 0)

/* Fault in every page of the range for reading (or writing) before a lock is taken. 0 or -EFAULT. */
int fault_in_user(const void __user *p, size_t n, bool write) must_check;

#endif
