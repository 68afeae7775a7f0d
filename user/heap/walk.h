/* walk.h - from a return address to the next one up, fast. */
#ifndef USER_HEAP_WALK_H
#define USER_HEAP_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame {
	uint64_t pc, sp, bp;
	uint64_t limit; /* no frame whose address comes from bp lies above this */
	bool exact;	/* pc is where a signal hit, not behind a call */
};

uint64_t walk_limit(uint64_t sp); /* for frame.limit: the end of this thread's stack; sp itself when that is unknown */

/* Where each value came from, so that it can be checked the next time without tables. */
struct step {
	uint64_t pc_at;	   /* address of the word that held the next pc */
	uint64_t bp_at;	   /* the same of bp, 0: not from memory here */
	uint64_t deref_at; /* of a word that held the frame's address, 0: none */
	bool uses_bp;	   /* the frame's address came from bp */
	uint64_t function; /* where the frame's own function begins; 0: unknown */
};

/* false: the outermost frame, or no rule. */
bool walk_up(struct frame *f, struct step *s);
void walk_forget(void); /* code was unloaded: rules may have changed */

struct module_place {
	uint64_t start, end, bias;
	const char *name; /* "": the program itself */
};
bool walk_module(uint64_t pc, struct module_place *m);

#endif
