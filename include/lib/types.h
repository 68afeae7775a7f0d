/*
 * types.h - integer types, and the scalars of the memory system.
 *
 * Addresses are plain integers so that arithmetic on them stays readable; entries that must never be
 * mixed up (page-table entries, swap entries) are one-member structs, in <arch/pgtable.h> and <mm/swap.h>.
 */
#ifndef LIB_TYPES_H
#define LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <lib/compiler.h>

#ifndef static_assert
#define static_assert	_Static_assert
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef u64 paddr_t;		/* physical address, bytes */
typedef unsigned long vaddr_t;	/* virtual address, user or kernel, bytes */
typedef unsigned long pfn_t;	/* page frame number: paddr >> PAGE_SHIFT */
typedef unsigned long pgoff_t;	/* offset in a file or an anonymous area, in pages */
typedef s64 ktime_t;		/* nanoseconds; monotonic unless said otherwise */

#ifndef __ssize_t_defined
typedef long ssize_t;
#define __ssize_t_defined
#endif
typedef s64 loff_t;

#define U8_MAX		0xffu
#define U16_MAX		0xffffu
#define U32_MAX		0xffffffffu
#define S32_MAX		0x7fffffff
#ifndef LONG_MAX
#define LONG_MAX	((long)(~0UL >> 1))
#define LONG_MIN	(-LONG_MAX - 1)
#endif
#define U64_MAX		(~(u64)0)
#define S64_MAX		((s64)(U64_MAX >> 1))

#define BITS_PER_LONG	((unsigned)sizeof(long) * 8)

#define KIB(n)		((u64)(n) << 10)
#define MIB(n)		((u64)(n) << 20)
#define GIB(n)		((u64)(n) << 30)

#endif
