/* heap.h - what --heap brought home. */
#ifndef CLI_HEAP_H
#define CLI_HEAP_H

#include <jansson.h>
#include <stddef.h>

struct options;

void heap_part(const void *message, size_t len); /* the body of a WIRE_HEAP */
json_t *heap_json(const struct options *o, json_t *frames); /* the tree "heap" of the report's "stacks"; NULL: nothing came */
void heap_forget(void); /* all parts; for who reads more than one run */

#endif
