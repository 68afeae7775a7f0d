/*
 * random.c - one ChaCha20 generator for the machine.
 *
 * SHAPE       key <- RDRAND, the time stamp counter, the wall clock and whatever random_add() brings. Each request takes the first
 *             half of a block as the next key (so that past output cannot be recomputed) and the rest as output.
 *             random_u64() serves from a per-CPU batch, since every exec and mmap base asks.
 * LOCKS       random_lock (LOCK_LEAF).
 * NOT CHOSEN  entropy estimates: with RDRAND or a host they say nothing. `quire run --deterministic` passes
 *             quire.seed= and then nothing else is stirred in.
 * SOURCE      RFC 8439; "Fast-key-erasure random-number generators" (D. J. Bernstein, 2017).
 */
#include <arch/cpu.h>
#include <arch/elf.h>
#include <kernel/lock.h>
#include <kernel/main.h>
#include <kernel/boot_info.h>
#include <kernel/random.h>
#include <kernel/time.h>
#include <lib/random.h>
#include <lib/string.h>

#define BATCH	(64 / sizeof(u64))

static spinlock_t random_lock = SPINLOCK_INIT("random", LOCK_LEAF);
static u8 key[32];
static u64 block_nr;
static bool seeded, deterministic;
static u64 batch[BATCH];
static unsigned batch_left;

/* One block under the key; random_lock held. */
static void next_block(u8 out[64])
{
	u32 state[16];

	chacha20_init(state, key, block_nr++, 0);
	chacha20_block(state, out);
}

static void stir(const void *data, size_t n)
{
	const u8 *p = data;
	u8 block[64];

	while (n) {
		size_t part = min(n, sizeof(key));

		for (size_t i = 0; i < part; i++)
			key[i] ^= p[i];
		next_block(block);
		memcpy(key, block, sizeof(key));
		p += part;
		n -= part;
	}
	memset(block, 0, sizeof(block));
}

/* At the first request, since the clock must run. */
static void seed(void)
{
	u64 start[4] = { 0 };

	seeded = true;
	start[0] = cmdline_get_size("quire.seed", 0);
	deterministic = start[0] != 0;
	if (!deterministic) {
		start[0] = arch_random_u64();
		start[1] = arch_random_u64();
		start[2] = rdtsc();
		start[3] = (u64)ktime_get_real();
	}
	stir(start, sizeof(start));
}

void random_bytes(void *buf, size_t n)
{
	u8 block[64], *p = buf;

	spin_lock(&random_lock);
	if (!seeded)
		seed();
	while (n) {
		size_t part = min(n, sizeof(block) - sizeof(key));

		next_block(block);
		memcpy(key, block, sizeof(key));
		memcpy(p, block + sizeof(key), part);
		p += part;
		n -= part;
	}
	memset(block, 0, sizeof(block));
	spin_unlock(&random_lock);
}

u64 random_u64(void)
{
	u64 v;

	spin_lock(&random_lock);
	if (!seeded)
		seed();
	if (!batch_left) {
		next_block((u8 *)batch);
		batch_left = BATCH;
	}
	v = batch[--batch_left];
	batch[batch_left] = 0;
	spin_unlock(&random_lock);
	return v;
}

void random_add(const void *data, size_t n)
{
	spin_lock(&random_lock);
	if (!seeded)
		seed();
	if (!deterministic)
		stir(data, n);
	spin_unlock(&random_lock);
}
