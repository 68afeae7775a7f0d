/*
 * heap_file.h - what `quire run --heap` leaves of a process: one file, written in place while it runs.
 * WHY         a process may end by any signal, at any instruction: so its books are always in a file in memory (tmpfs), and the
 *             agent sends what it finds when all are gone. Nothing has to be written at the end.
 * SHAPE       sections at fixed places; the file is sparse, so only what is used takes memory. The header says how much is.
 *             The agent copies the used parts, the host command reads them (cli/heap.c).
 */
#ifndef USER_HEAP_FILE_H
#define USER_HEAP_FILE_H

#include <stdint.h>

#define HEAP_MAGIC 0x3250414548524951ull /* "QIRHEAP2" */
#define HEAP_DIR "/dev/quire"
#define HEAP_LIBRARY HEAP_DIR "/heap.so"

#define HEAP_STACKS 65536u
#define HEAP_PCS (1u << 21)
#define HEAP_MODULES 1024u
#define HEAP_SNAPS 256u
#define HEAP_TOP 32u
#define HEAP_DEPTH 96u /* frames of a stack; what called those is not told */

/* Sums over all stacks are not kept: a reader makes them. */
struct heap_header {
	uint64_t magic;
	int32_t pid, parent;
	uint32_t forked; /* 1: began as a copy of its parent; blocks from before are not in here */
	uint32_t nr_stacks, nr_pcs, nr_modules, nr_snaps;
	uint32_t epoch;	 /* how often code was unloaded */
	uint32_t lost;	 /* stacks that found no room: booked under stack 0 */
	uint32_t broken; /* blocks whose note at their end was overwritten: never seen to be freed */
	uint64_t start_ns, peak_ns; /* CLOCK_MONOTONIC; the peak's to 1/256 of its bytes */
	uint64_t peak;		    /* bytes asked for */
	uint32_t peaks;		    /* how many maxima so far: see heap_stack.seen */
	uint32_t pad;
	char name[64];
};

struct heap_stack {
	uint64_t total, total_blocks; /* ever asked for; bytes live are total - freed */
	uint64_t freed, freed_blocks;
	uint64_t at_peak;   /* bytes; holds if seen == header.peaks, else it is what is live now */
	uint64_t temporary; /* blocks freed with no allocation since their own */
	uint32_t seen, at_peak_blocks;
	uint32_t first; /* its return addresses in pcs[], innermost first */
	uint8_t depth;
	uint8_t hash;
	uint16_t epoch;
};

struct heap_module {
	uint64_t start, end, bias; /* addresses here less bias are the file's own */
	uint32_t epoch, pad;	   /* seen in; gone in a later one, perhaps */
	char path[232];
};

struct heap_snap {
	uint64_t time_ns, total, live;
	uint32_t nr, pad;
	struct {
		uint32_t stack, pad;
		uint64_t bytes;
	} top[HEAP_TOP];
};

#define HEAP_AT_MODULES 4096ull
#define HEAP_AT_SNAPS (HEAP_AT_MODULES + HEAP_MODULES * sizeof(struct heap_module))
#define HEAP_AT_STACKS (HEAP_AT_SNAPS + HEAP_SNAPS * sizeof(struct heap_snap))
#define HEAP_AT_PCS (HEAP_AT_STACKS + HEAP_STACKS * sizeof(struct heap_stack))
#define HEAP_FILE_SIZE (HEAP_AT_PCS + HEAP_PCS * sizeof(uint64_t))

#endif
