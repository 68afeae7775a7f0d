/*
 * random.h - the kernel's random numbers: AT_RANDOM, ASLR, getrandom(2), /dev/urandom.
 */
#ifndef KERNEL_RANDOM_H
#define KERNEL_RANDOM_H

#include <lib/types.h>

/* Good enough for keys once seeded from the CPU's generator; never sleeps. */
void random_bytes(void *buf, size_t n);
u64 random_u64(void);
/* Stir in bytes that an adversary may not know (or may: they never make it worse). */
void random_add(const void *data, size_t n);

#endif
