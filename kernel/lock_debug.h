/*
 * lock_debug.h - what the sleeping locks share with lock.c in debug builds; nothing in release.
 */
#ifndef KERNEL_LOCK_DEBUG_H
#define KERNEL_LOCK_DEBUG_H

#include <kernel/lock.h>

#define LOCK_SPINS	100	/* looks at a held sleeping lock before going to sleep, with more than one CPU */

#ifdef DEBUG
void lock_debug_check(struct lock_debug *d, bool nested, const void *site);
void lock_debug_push(struct lock_debug *d, const void *site);
void lock_debug_pop(struct lock_debug *d, const void *site);
#define LOCK_CHECK(l, nested)	lock_debug_check(&(l)->debug, nested, __builtin_return_address(0))
#define LOCK_PUSH(l)		lock_debug_push(&(l)->debug, __builtin_return_address(0))
#define LOCK_POP(l)		lock_debug_pop(&(l)->debug, __builtin_return_address(0))
#else
#define LOCK_CHECK(l, nested)	((void)0)
#define LOCK_PUSH(l)		((void)0)
#define LOCK_POP(l)		((void)0)
#endif

#endif
