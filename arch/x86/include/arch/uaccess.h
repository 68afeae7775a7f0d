/*
 * uaccess.h - the instructions that touch user memory. Only mm/uaccess.c and the macros of <mm/uaccess.h> use these.
 *
 * Each access has an entry in the exception table; between STAC and CLAC nothing else happens. On a CPU without SMAP boot
 * turns those two into no-operations. An address that is no user address faults or is refused by access_ok(); one in the
 * non-canonical hole raises #GP, which the exception table handles like a page fault.
 */
#ifndef ARCH_UACCESS_H
#define ARCH_UACCESS_H

#include <abi/errno.h>
#include <arch/page.h>
#include <lib/types.h>

#define TASK_SIZE	0x7ffffffff000UL		/* default end of user space: 47 bits less a guard page */
#define TASK_SIZE_L5	0xfffffffffff000UL		/* reachable by explicit hints with 5-level tables */
#define TASK_SIZE_MAX	(pgtable_l5 ? TASK_SIZE_L5 : TASK_SIZE)

/* What begins in the lower half and is short ends in it or in the hole behind, which faults. */
static always_inline bool access_ok(const void __user *p, size_t n)
{
	if (__builtin_constant_p(n) && n <= PAGE_SIZE)
		return (long)p >= 0;
	unsigned long end = (unsigned long)p + n;

	return end >= n && (long)end >= 0;
}

#define EX_TABLE(from, to)								\
	".pushsection __ex_table, \"a\"\n\t.balign 4\n\t"				\
	".long (" #from ") - ., (" #to ") - .\n\t.popsection\n\t"
#define SMAP_SITE	".pushsection .smap_sites, \"aw\"\n\t.long 661b - .\n\t.popsection\n\t"
#define STAC		"661: .byte 0x0f, 0x01, 0xcb\n\t" SMAP_SITE
#define CLAC		"661: .byte 0x0f, 0x01, 0xca\n\t" SMAP_SITE

/* Bytes not copied. The ranges have passed access_ok(). */
size_t raw_copy_to_user(void __user *dst, const void *src, size_t n);
size_t raw_copy_from_user(void *dst, const void __user *src, size_t n);
size_t raw_clear_user(void __user *dst, size_t n);
/* Length including NUL; n + 1 when there is none in n bytes; 0 on a fault. */
size_t raw_strnlen_user(const char __user *s, size_t n);
/* Length without NUL; n when there is none in n bytes; -EFAULT. */
ssize_t raw_strncpy_from_user(char *dst, const char __user *src, size_t n);

/* The carry flag says that it failed: test clears it, nothing after touches it, the fixup sets it. */
#define RAW_GET(mov, reg)								\
	__asm__ volatile("testq %[p], %[p]\n\tjs 4f\n\t" STAC "1: " mov " (%[p]), %" reg "[v]\n\t" CLAC "2:\n\t"	\
		".pushsection .text.fixup, \"ax\"\n3: " CLAC "4: xorl %k[v], %k[v]\n\tstc\n\tjmp 2b\n\t.popsection\n\t" \
		EX_TABLE(1b, 3b)							\
		: "=@ccc"(bad), [v] "=&r"(v) : [p] "r"(p) : "memory")

/* Checks the address. *out is 0 after a failure. 0 or -EFAULT. */
static always_inline int raw_get_user(u64 *out, const void __user *p, size_t size)
{
	u64 v;
	bool bad;

	switch (size) {
	case 1: RAW_GET("movzbl", "k"); break;
	case 2: RAW_GET("movzwl", "k"); break;
	case 4: RAW_GET("movl", "k"); break;
	default: RAW_GET("movq", "q"); break;
	}
	*out = v;
	return unlikely(bad) ? -EFAULT : 0;
}

#define RAW_PUT(type, mov, reg)								\
	__asm__ volatile goto(STAC "1: " mov " %" reg "[v], %[p]\n\t" CLAC		\
		".pushsection .text.fixup, \"ax\"\n3: " CLAC "jmp %l[fault]\n\t.popsection\n\t" EX_TABLE(1b, 3b) \
			      : : [v] "q"(v), [p] "m"(*(type *)p) : "memory" : fault)

static always_inline int raw_put_user(u64 v, void __user *p, size_t size)
{
	if (unlikely(!access_ok(p, size)))
		return -EFAULT;
	switch (size) {
	case 1: RAW_PUT(u8, "movb", "b"); break;
	case 2: RAW_PUT(u16, "movw", "w"); break;
	case 4: RAW_PUT(u32, "movl", "k"); break;
	default: RAW_PUT(u64, "movq", "q"); break;
	}
	return 0;
fault:
	return -EFAULT;
}

/*
 * n is a constant, a multiple of 8 and at most a page: the shortest way, with registers as the string instruction wants them. Checks
 * the address. Bytes not copied.
 */
static always_inline size_t raw_copy_from_user_words(void *dst, const void __user *src, size_t n)
{
	n /= 8;
	__asm__ volatile("call copy_from_user_words" : "+D"(dst), "+S"(src), "+c"(n) : : "memory", "cc");
	return n;
}

static always_inline size_t raw_copy_to_user_words(void __user *dst, const void *src, size_t n)
{
	n /= 8;
	__asm__ volatile("call copy_to_user_words" : "+D"(dst), "+S"(src), "+c"(n) : : "memory", "cc");
	return n;
}

/*
 * For each word of user memory, *sum = *sum * USER_WORDS_FACTOR + word: as good as any hash, it changes with each of them and with their order. At least
 * USER_WORDS_AT_ONCE of them, and a multiple; their addresses have passed access_ok(), or are the kernel's own. 0 or -EFAULT.
 */
#define USER_WORDS_AT_ONCE	4
#define USER_WORDS_FACTOR	0x9e3779b97f4a7c15UL
#define SUM_WORD(n)									\
	"movq " #n "(%[at]), %[v]\n\timulq %[factor], %[sum]\n\t1: addq (%[v]), %[sum]\n\t" EX_TABLE(1b, 3f)

static always_inline int raw_user_words_sum(const u64 *at, const u64 *end, u64 *sum)
{
	u64 s = *sum, v;

	__asm__ volatile goto(STAC "2: " SUM_WORD(0) SUM_WORD(8) SUM_WORD(16) SUM_WORD(24)
		"addq $32, %[at]\n\tcmpq %[end], %[at]\n\tjne 2b\n\t" CLAC
		".pushsection .text.fixup, \"ax\"\n3: " CLAC "jmp %l[fault]\n\t.popsection\n\t"
		: [at] "+r"(at), [v] "=&r"(v), [sum] "+r"(s) : [end] "r"(end), [factor] "r"(USER_WORDS_FACTOR) : "memory", "cc" : fault);
	*sum = s;
	return 0;
fault:
	return -EFAULT;
}

/* For futexes: *old becomes what was there; stored when it equalled `expected`. 0 or -EFAULT. */
int raw_cmpxchg_user32(u32 __user *p, u32 expected, u32 new, u32 *old) must_check;

#endif
