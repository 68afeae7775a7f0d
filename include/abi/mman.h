/*
 * mman.h (abi) - flags of the mmap family, from the headers Linux exports.
 */
#ifndef ABI_MMAN_H
#define ABI_MMAN_H
#include <linux/mman.h>
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#endif
