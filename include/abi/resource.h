/*
 * resource.h (abi) - RLIMIT_*, RUSAGE_*, struct rlimit64, from the headers Linux exports.
 */
#ifndef ABI_RESOURCE_H
#define ABI_RESOURCE_H
#include <linux/resource.h>
#endif
