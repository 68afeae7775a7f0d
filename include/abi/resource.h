/*
 * resource.h (abi) - RLIMIT_*, RUSAGE_*, struct rlimit64 and rusage, from the headers Linux exports.
 */
#ifndef ABI_RESOURCE_H
#define ABI_RESOURCE_H
#include <linux/types.h>
#include <linux/time_types.h>
#include <linux/resource.h>
#ifndef RLIM_INFINITY
#define RLIM_INFINITY	(~0UL)
#endif
#endif
