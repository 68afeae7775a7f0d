/*
 * compiler.h - what we ask of gcc and clang beyond the C standard.
 */
#ifndef LIB_COMPILER_H
#define LIB_COMPILER_H

#ifndef static_assert
#define static_assert		_Static_assert
#endif
#define must_check		__attribute__((warn_unused_result))
#define noreturn		__attribute__((noreturn))
#define noinline		__attribute__((noinline))
#define always_inline		inline __attribute__((always_inline))
#define weak			__attribute__((weak))
#define packed			__attribute__((packed))
#define unused			__attribute__((unused))
#define used_sym		__attribute__((used))
#define aligned_to(n)		__attribute__((aligned(n)))
#define in_section(s)		__attribute__((section(s)))
#define printf_like(f, a)	__attribute__((format(printf, f, a)))
#define fallthrough		__attribute__((fallthrough))

/* Marks code and data that boot alone needs; freed (and accounted as free) once user space runs. */
#define init_text		__attribute__((section(".init.text"), cold))
#define init_data		__attribute__((section(".init.data")))

/* A pointer into the current process's user half. Only the functions of <mm/uaccess.h> dereference it. */
#define __user

#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define barrier()		__asm__ volatile("" ::: "memory")

/* A function whose unlocked reads are meant: the race detector of the host build leaves it alone. */
#ifdef QUIRE_TSAN
#define races_by_design		__attribute__((no_sanitize("thread"), __noinline__))
#else
#define races_by_design
#endif

#ifdef QUIRE_TSAN	/* the race detector of the host build takes a volatile access for a plain one */
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#else
#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile typeof(x) *)&(x) = (v))
#endif

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - __builtin_offsetof(type, member)))
#define offset_of(type, member)	__builtin_offsetof(type, member)
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

/* Evaluate each argument once; both sides have one type by the caller's care. */
#define min(a, b)		({ typeof(a) min_a = (a); typeof(b) min_b = (b); min_a < min_b ? min_a : min_b; })
#define max(a, b)		({ typeof(a) max_a = (a); typeof(b) max_b = (b); max_a > max_b ? max_a : max_b; })
#define clamp(v, lo, hi)	min(max(v, lo), hi)

#define ALIGN_UP(x, a)		(((x) + ((typeof(x))(a) - 1)) & ~((typeof(x))(a) - 1))
#define ALIGN_DOWN(x, a)	((x) & ~((typeof(x))(a) - 1))
#define IS_ALIGNED(x, a)	(((x) & ((typeof(x))(a) - 1)) == 0)
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#ifndef static_assert
#define static_assert		_Static_assert
#endif
#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))

#define CONCAT_(a, b)		a##b
#define CONCAT(a, b)		CONCAT_(a, b)
#define STRINGIFY_(x)		#x
#define STRINGIFY(x)		STRINGIFY_(x)

/* Lock contracts, verified by clang -Wthread-safety where it is enabled and documentation everywhere. */
#define must_hold(...)
#define must_hold_shared(...)

#endif
