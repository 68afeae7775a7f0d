/* stacks.h - the ledger's stream during a run, and what it comes to. */
#ifndef CLI_STACKS_H
#define CLI_STACKS_H

#include <jansson.h>
#include <stdbool.h>

struct options;

void stacks_start(const struct options *o, int fd); /* reads in a thread of its own until END or end of file */
void stacks_finish(bool whole);			    /* the machine is gone; whole: it had the time to say all */
json_t *stacks_json(json_t *frames);		    /* the tree "pages" of the report's "stacks"; NULL: there is none */

#endif
