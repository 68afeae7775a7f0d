/* sort.h - in place, no memory, O(n log n) at worst; not stable. */
#ifndef LIB_SORT_H
#define LIB_SORT_H

#include <lib/types.h>

void sort(void *base, size_t n, size_t size, int (*cmp)(const void *a, const void *b));

#endif
