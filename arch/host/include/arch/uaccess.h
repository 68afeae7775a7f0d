/*
 * uaccess.h - user memory of the host machine, reached through its page tables and TLB (arch/host/mmu.c).
 */
#ifndef ARCH_UACCESS_H
#define ARCH_UACCESS_H

#include <abi/errno.h>
#include <lib/types.h>

#ifdef __LP64__
#define TASK_SIZE	0x7ffffffff000UL
#define TASK_SIZE_L5	0xfffffffffff000UL
#else
#define TASK_SIZE	0xc0000000UL
#define TASK_SIZE_L5	TASK_SIZE
#endif

static inline bool access_ok(const void __user *p, size_t n)
{
	unsigned long end = (unsigned long)p + n;

	return end >= n && end <= TASK_SIZE_L5;
}

size_t raw_copy_to_user(void __user *dst, const void *src, size_t n);
size_t raw_copy_from_user(void *dst, const void __user *src, size_t n);
size_t raw_clear_user(void __user *dst, size_t n);
size_t raw_strnlen_user(const char __user *s, size_t n);
ssize_t raw_strncpy_from_user(char *dst, const char __user *src, size_t n);
int raw_get_user(u64 *out, const void __user *p, size_t size);
int raw_put_user(u64 v, void __user *p, size_t size);
static inline size_t raw_copy_from_user_words(void *dst, const void __user *src, size_t n)
{
	return access_ok(src, n) ? raw_copy_from_user(dst, src, n) : n;
}
static inline size_t raw_copy_to_user_words(void __user *dst, const void *src, size_t n)
{
	return access_ok(dst, n) ? raw_copy_to_user(dst, src, n) : n;
}
#define USER_WORDS_AT_ONCE	4
#define USER_WORDS_FACTOR	0x9e3779b97f4a7c15UL
static inline int raw_user_words_sum(const u64 *at, const u64 *end, u64 *sum)
{
	u64 v;

	for (; at < end; at++) {
		if (raw_get_user(&v, (const void __user *)(unsigned long)*at, sizeof(v)))
			return -EFAULT;
		*sum = *sum * USER_WORDS_FACTOR + v;
	}
	return 0;
}
int raw_cmpxchg_user32(u32 __user *p, u32 expected, u32 new, u32 *old) must_check;

#endif
