/*
 * mman.h (abi) - flags of the mmap family, from the headers Linux exports.
 */
#ifndef ABI_MMAN_H
#define ABI_MMAN_H
#include <linux/mman.h>
#endif
