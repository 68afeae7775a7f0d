/*
 * atomic.h - counters and flags that several CPUs change.
 *
 * Built on the compiler's __atomic operations, so kernel and host share one definition. Read-modify-write
 * operations are sequentially consistent (as x86 makes them anyway); plain reads and writes are relaxed.
 */
#ifndef LIB_ATOMIC_H
#define LIB_ATOMIC_H

#include <lib/types.h>

typedef struct { int v; } atomic_t;
typedef struct { long v; } atomic_long_t;

#define ATOMIC_INIT(n)	{ (n) }

#define atomic_read(a)		__atomic_load_n(&(a)->v, __ATOMIC_RELAXED)
#define atomic_read_acquire(a)	__atomic_load_n(&(a)->v, __ATOMIC_ACQUIRE)
#define atomic_set(a, n)	__atomic_store_n(&(a)->v, (n), __ATOMIC_RELAXED)
#define atomic_set_release(a, n) __atomic_store_n(&(a)->v, (n), __ATOMIC_RELEASE)
#define atomic_add(a, n)	((void)__atomic_fetch_add(&(a)->v, (n), __ATOMIC_SEQ_CST))
#define atomic_sub(a, n)	((void)__atomic_fetch_sub(&(a)->v, (n), __ATOMIC_SEQ_CST))
#define atomic_inc(a)		atomic_add(a, 1)
#define atomic_dec(a)		atomic_sub(a, 1)
#define atomic_add_return(a, n)	__atomic_add_fetch(&(a)->v, (n), __ATOMIC_SEQ_CST)	/* the new value */
#define atomic_sub_return(a, n)	__atomic_sub_fetch(&(a)->v, (n), __ATOMIC_SEQ_CST)
#define atomic_inc_return(a)	atomic_add_return(a, 1)
#define atomic_dec_and_test(a)	(atomic_sub_return(a, 1) == 0)
#define atomic_xchg(a, n)	__atomic_exchange_n(&(a)->v, (n), __ATOMIC_SEQ_CST)

/* True when *a was `old` and now is `new`. */
#define atomic_try_cmpxchg(a, old, new) ({						\
	typeof((a)->v) acx_old = (old);							\
	__atomic_compare_exchange_n(&(a)->v, &acx_old, (new), false,			\
				    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED); })

/* Add n unless the value is `not`; true when added. Used for "get a reference unless it is going away". */
#define atomic_add_unless(a, n, not) ({							\
	typeof((a)->v) aau_v = atomic_read(a);						\
	while (aau_v != (not) &&							\
	       !__atomic_compare_exchange_n(&(a)->v, &aau_v, aau_v + (n), false,	\
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))	\
		;									\
	aau_v != (not); })
#define atomic_inc_not_zero(a)	atomic_add_unless(a, 1, 0)

#define xchg(p, n)		__atomic_exchange_n((p), (n), __ATOMIC_SEQ_CST)
/* Returns the value found; the exchange happened when that equals `old`. */
#define cmpxchg(p, old, new) ({								\
	typeof(*(p)) cx_old = (old);							\
	__atomic_compare_exchange_n((p), &cx_old, (new), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	cx_old; })

#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Bits of an unsigned long shared between CPUs. */
static inline void set_bit(unsigned nr, unsigned long *p)
{
	__atomic_fetch_or(p + nr / BITS_PER_LONG, 1UL << (nr % BITS_PER_LONG), __ATOMIC_SEQ_CST);
}

static inline void clear_bit(unsigned nr, unsigned long *p)
{
	__atomic_fetch_and(p + nr / BITS_PER_LONG, ~(1UL << (nr % BITS_PER_LONG)), __ATOMIC_SEQ_CST);
}

static inline bool test_bit(unsigned nr, const unsigned long *p)
{
	return (READ_ONCE(p[nr / BITS_PER_LONG]) >> (nr % BITS_PER_LONG)) & 1;
}

/* These return the bit's old value. */
static inline bool test_and_set_bit(unsigned nr, unsigned long *p)
{
	return (__atomic_fetch_or(p + nr / BITS_PER_LONG, 1UL << (nr % BITS_PER_LONG), __ATOMIC_SEQ_CST) >> (nr % BITS_PER_LONG)) & 1;
}

static inline bool test_and_clear_bit(unsigned nr, unsigned long *p)
{
	return (__atomic_fetch_and(p + nr / BITS_PER_LONG, ~(1UL << (nr % BITS_PER_LONG)), __ATOMIC_SEQ_CST) >> (nr % BITS_PER_LONG)) & 1;
}

#endif
